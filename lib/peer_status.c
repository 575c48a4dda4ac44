/* Asking a peer's bridge how it is: see peer_status.h. */
#include "lib/peer_status.h"

#include <stdio.h>

#include "lib/mem.h"
#include "lib/problem.h"
#include "lib/retry.h"

enum { ANSWER_MAX = 4096 };

struct peer_probe {
    struct http_call *call;
    peer_probe_done *done;
    void *arg;
};

/* A bridge without the resource says so by 404 or 405: it is there. */
static enum peer_state state_of(int http)
{
    return http == 200 || http == 404 || http == 405 ? PEER_READY : PEER_BUSY;
}

static void answered(void *arg, enum result result, const struct http_response *res, const struct error *err)
{
    struct peer_probe *p = arg;
    char text[ERROR_TEXT_MAX];
    struct peer_status s = {.state = PEER_AWAY, .peer = res->peer, .text = text};
    if (result != RESULT_OK) {
        snprintf(text, sizeof text, "%s", err->text);
    } else {
        s.http = res->status;
        s.state = state_of(res->status);
        problem_text(res, text, sizeof text);
        if (s.state == PEER_BUSY && res->retry_after != NULL)
            s.retry_after = retry_after_parse(res->retry_after, clock_now());
    }
    p->done(p->arg, &s);
    mem_free(&p);
}

struct peer_probe *peer_probe_start(struct http_client *http, const char *inbound, msec_t timeout,
                                    peer_probe_done *done, void *arg)
{
    struct peer_probe *p = mem_zero(1, sizeof *p);
    char *url = mem_printf("%s/notifications", inbound);
    *p = (struct peer_probe){.done = done, .arg = arg};
    p->call = http_client_start(http, &(struct http_call_options){
                                          .method = "GET",
                                          .url = url,
                                          .max_body = ANSWER_MAX,
                                          .connect_timeout = timeout,
                                          .timeout = timeout,
                                          .done = answered,
                                          .arg = p,
                                      });
    mem_free(&url);
    return p;
}

void peer_probe_cancel(struct peer_probe **p)
{
    if (*p == NULL)
        return;
    http_call_cancel((*p)->call);
    mem_free(p);
}
