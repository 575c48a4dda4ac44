/* libcurl's multi interface on a loop: see http_multi.h. */
#include "lib/http_multi.h"

#include <assert.h>
#include <pthread.h>

#include "lib/log.h"
#include "lib/mem.h"

enum { KEPT_CONNECTIONS = 64, SESSIONS_RENEWED = 60 * 60 * 1000 };

/*
 * TLS sessions are resumed, which saves most of a handshake: libcurl's transfers do that only if they share a cache. A resumed session
 * looks at no certificate, so from time to time there is a new cache, and every peer has to show its certificate again.
 */
struct http_multi {
    struct loop *loop;
    CURLM *curl;
    CURLSH *sessions, *old_sessions; /* the old ones go with the last transfer that uses them */
    msec_t renewed;
    struct loop_timer *timer;
    bool busy;
    struct http_multi_callbacks callbacks;
};

static void report_done(struct http_multi *m)
{
    int left;
    const CURLMsg *msg;
    while ((msg = curl_multi_info_read(m->curl, &left)) != NULL) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        CURLcode code = msg->data.result; /* the message dies with the transfer */
        void *private = NULL;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
        m->callbacks.done(m->callbacks.arg, private, code);
    }
}

static void after_work(struct http_multi *m)
{
    m->busy = false;
    report_done(m);
    m->callbacks.idle(m->callbacks.arg);
}

static void work(struct http_multi *m, curl_socket_t fd, int what)
{
    int running;
    m->busy = true;
    CURLMcode code = curl_multi_socket_action(m->curl, fd, what, &running);
    if (code != CURLM_OK)
        log_error("libcurl: %s", curl_multi_strerror(code));
    after_work(m);
}

static void on_timer(void *arg)
{
    work(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *curl, long timeout, void *arg)
{
    (void)curl;
    struct http_multi *m = arg;
    if (timeout < 0)
        loop_timer_cancel(m->timer);
    else
        loop_timer_set(m->timer, timeout);
    return 0;
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    work(arg, fd, ((what & EV_READ) ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) ? CURL_CSELECT_OUT : 0));
}

/* libcurl wants other events of a socket, or none. The event is kept as the socket's own pointer. */
static int set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket)
{
    (void)easy;
    struct http_multi *m = arg;
    struct event *event = socket;
    if (event != NULL)
        event_free(event);
    event = NULL;
    if (what != CURL_POLL_REMOVE) {
        short events =
            (short)(((what & CURL_POLL_IN) ? EV_READ : 0) | ((what & CURL_POLL_OUT) ? EV_WRITE : 0) | EV_PERSIST);
        event = event_new(loop_base(m->loop), fd, events, on_socket, m);
        if (event == NULL || event_add(event, NULL) != 0)
            log_fatal("can't watch a socket");
    }
    curl_multi_assign(m->curl, fd, event);
    return 0;
}

static CURLSH *sessions_new(void)
{
    CURLSH *sessions = curl_share_init();
    if (sessions == NULL || curl_share_setopt(sessions, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK)
        log_fatal("out of memory (libcurl)");
    return sessions;
}

static void renew_sessions(struct http_multi *m)
{
    if (clock_mono() - m->renewed < SESSIONS_RENEWED ||
        (m->old_sessions != NULL && curl_share_cleanup(m->old_sessions) != CURLSHE_OK))
        return;
    m->old_sessions = m->sessions;
    m->sessions = sessions_new();
    m->renewed = clock_mono();
}

static void init_library(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        log_fatal("libcurl can't be initialized");
}

struct http_multi *http_multi_new(struct loop *loop, const struct http_multi_callbacks *callbacks)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_library);
    struct http_multi *m = mem_zero(1, sizeof *m);
    m->loop = loop;
    m->callbacks = *callbacks;
    m->timer = loop_timer_new(loop, on_timer, m);
    m->sessions = sessions_new();
    m->renewed = clock_mono();
    m->curl = curl_multi_init();
    if (m->curl == NULL)
        log_fatal("out of memory (libcurl)");
    curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, set_socket);
    curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m);
    curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m);
    curl_multi_setopt(m->curl, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
    return m;
}

void http_multi_free(struct http_multi **m)
{
    if (*m == NULL)
        return;
    assert(!(*m)->busy);
    curl_multi_cleanup((*m)->curl);
    curl_share_cleanup((*m)->sessions);
    curl_share_cleanup((*m)->old_sessions);
    loop_timer_free(&(*m)->timer);
    mem_free(m);
}

void http_multi_add(struct http_multi *m, CURL *easy)
{
    renew_sessions(m);
    curl_easy_setopt(easy, CURLOPT_SHARE, m->sessions);
    CURLMcode code = curl_multi_add_handle(m->curl, easy);
    if (code != CURLM_OK)
        log_panic("libcurl: add: %s", curl_multi_strerror(code));
}

void http_multi_remove(struct http_multi *m, CURL *easy)
{
    assert(!m->busy);
    CURLMcode code = curl_multi_remove_handle(m->curl, easy);
    if (code != CURLM_OK)
        log_panic("libcurl: remove: %s", curl_multi_strerror(code));
}

void http_multi_unpause(struct http_multi *m, CURL *easy)
{
    assert(!m->busy);
    m->busy = true; /* what was kept back is delivered from within */
    curl_easy_pause(easy, CURLPAUSE_CONT);
    after_work(m);
}

bool http_multi_busy(const struct http_multi *m)
{
    return m->busy;
}
