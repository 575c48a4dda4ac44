/* Answers that are whole in memory: see http_server.h. */
#include <event2/buffer.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "lib/http_request.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"

void http_reply(struct http_request *req, int status, const struct http_header *headers, size_t nheaders,
                const char *content_type, const void *body, size_t len)
{
    if (req->state == REQUEST_GONE) {
        http_request_free(&req);
        return;
    }
    if (req->state != REQUEST_WAITING)
        log_panic("http reply: answered twice");
    req->replying(req->ended_arg, status);
    http_request_put_headers(req, headers, nheaders, content_type, len);
    struct evbuffer *out = evbuffer_new();
    bool head = evhttp_request_get_command(req->evreq) == EVHTTP_REQ_HEAD;
    if (out == NULL || (!head && evbuffer_add(out, body, len) != 0))
        log_fatal("out of memory (http reply)");
    req->state = REQUEST_ANSWERED;
    evhttp_send_reply(req->evreq, status, http_status_title(status), out);
    evbuffer_free(out);
}

/* Details may quote a peer, who need not write UTF-8. */
static json_t *printable(const char *text)
{
    json_t *j = json_string(text);
    if (j != NULL)
        return j;
    char *copy = mem_strdup(text);
    for (char *p = copy; *p; p++) {
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    }
    j = json_string(copy);
    mem_free(&copy);
    return j;
}

void http_reply_problem_with(struct http_request *req, int status, const char *detail, const struct http_header *header)
{
    json_t *problem = json_pack("{s:s, s:s, s:i, s:o}", "type", "about:blank", "title", http_status_title(status),
                                "status", status, "detail", printable(detail));
    char *text = json_text(problem);
    json_decref(problem);
    http_reply(req, status, header, header ? 1 : 0, "application/problem+json", text, strlen(text));
    mem_free(&text);
}

void http_reply_problem(struct http_request *req, int status, const char *detail, unsigned retry_after)
{
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%u", retry_after);
    struct http_header retry = {"Retry-After", seconds};
    http_reply_problem_with(req, status, detail, retry_after ? &retry : NULL);
}

void http_reply_ready(struct http_request *req)
{
    static const char ready[] = "{\"version\":\"SSMP1\"}";
    http_reply(req, 200, NULL, 0, "application/json", ready, sizeof ready - 1);
}

void http_reply_not_allowed(struct http_request *req, const char *allow)
{
    char *detail = mem_printf("this resource takes only %s", allow);
    struct http_header header = {"Allow", allow};
    http_reply_problem_with(req, 405, detail, &header);
    mem_free(&detail);
}
