/* Answers that are pulled piece by piece: see http_server.h. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "lib/http_request.h"
#include "lib/log.h"

enum { PIECE = 65536 };

static void piece_sent(struct evhttp_connection *evcon, void *arg);

static void send_piece(struct http_request *req)
{
    uint64_t left = req->length - req->offset;
    size_t want = left < PIECE ? (size_t)left : PIECE;
    struct evbuffer *piece = evbuffer_new();
    struct evbuffer_iovec room;
    if (piece == NULL || evbuffer_reserve_space(piece, (ev_ssize_t)want, &room, 1) != 1)
        log_fatal("out of memory (http stream)");
    long n = req->pull(req->stream_arg, req->offset, room.iov_base, want);
    if (n > 0) {
        room.iov_len = (size_t)n;
        evbuffer_commit_space(piece, &room, 1);
        req->offset += (size_t)n;
        evhttp_send_reply_chunk_with_cb(req->evreq, piece, piece_sent, req);
    } else {
        http_request_cut(req);
    }
    evbuffer_free(piece);
}

static void finish(struct http_request *req)
{
    req->state = REQUEST_ANSWERED;
    evhttp_send_reply_end(req->evreq); /* with nothing left to write the request is freed here */
}

static void piece_sent(struct evhttp_connection *evcon, void *arg)
{
    struct http_request *req = arg;
    struct bufferevent *bev = evhttp_connection_get_bufferevent(evcon);
    if (evbuffer_get_length(bufferevent_get_output(bev)) > 0)
        return;
    if (req->offset < req->length)
        send_piece(req);
    else
        finish(req);
}

void http_reply_stream(struct http_request *req, int status, const struct http_header *headers, size_t nheaders,
                       const char *content_type, uint64_t length, http_pull *pull, http_sent *done, void *arg)
{
    if (req->state == REQUEST_GONE) {
        http_request_free(&req);
        done(arg, false);
        return;
    }
    if (req->state != REQUEST_WAITING)
        log_panic("http reply: answered twice");
    req->replying(req->ended_arg, status);
    req->state = REQUEST_STREAMING;
    req->pull = pull;
    req->sent = done;
    req->stream_arg = arg;
    req->length = length;
    /* With Content-Length there evhttp doesn't fall back on chunks. */
    http_request_put_headers(req, headers, nheaders, content_type, length);
    evhttp_send_reply_start(req->evreq, status, http_status_title(status));
    if (length > 0 && evhttp_request_get_command(req->evreq) != EVHTTP_REQ_HEAD)
        send_piece(req);
    else
        finish(req);
}
