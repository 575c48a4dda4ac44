/*
 * HTTPS calls: see http_client.h. A call resolves its host, checks the addresses, then runs as a transfer
 * (lib/http_transfer.c) on libcurl (lib/http_multi.c).
 */
#include "lib/http_client.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "lib/http_multi.h"
#include "lib/http_transfer.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { AUTHORITIES_KEPT = 60 * 60 /* s */ };

struct http_call {
    struct http_client *client; /* NULL: freed before the look-up came back */
    LIST_ENTRY(http_call) link;
    struct http_transfer transfer;
    struct loop_timer *timer; /* of the whole call; at once for one that can't begin */
    bool resolving;           /* lib/dns.h will call back */
    bool running;             /* libcurl has it */
    bool resume;
    bool cancelled;
    struct error err; /* why it can't begin */
    msec_t timeout;
    http_call_done *done;
    void *arg;
};

struct http_client {
    struct loop *loop;
    struct dns *dns;
    struct http_multi *multi;
    char *ca_file; /* or NULL */
    struct netaddr_list *allowed;
    struct loop_timer *resume;
    unsigned doomed; /* cancelled from libcurl's callbacks, to be freed outside of them */
    LIST_HEAD(call_list, http_call) calls;
};

static void call_free(struct http_call *call)
{
    if (call->running)
        http_multi_remove(call->client->multi, call->transfer.easy);
    if (call->client != NULL)
        LIST_REMOVE(call, link);
    http_transfer_clear(&call->transfer);
    loop_timer_free(&call->timer);
    mem_free(&call);
}

static void finish(struct http_call *call, enum result result, const struct error *err)
{
    struct http_response response;
    http_transfer_response(&call->transfer, &response);
    call->transfer.dead = true;
    call->cancelled = true; /* what the callback may do with the call is nothing */
    call->done(call->arg, result, &response, result == RESULT_OK ? NULL : err);
    if (!call->resolving)
        call_free(call);
}

/* ---- libcurl's side ---- */

static void on_done(void *arg, void *private, CURLcode code)
{
    (void)arg;
    struct http_call *call = private;
    struct error err;
    if (call->cancelled)
        return; /* freed by on_idle() */
    enum result r = http_transfer_result(&call->transfer, code, &err);
    finish(call, r, &err);
}

static void on_idle(void *arg)
{
    struct http_client *c = arg;
    struct http_call *next;
    if (c->doomed == 0)
        return;
    c->doomed = 0;
    for (struct http_call *call = LIST_FIRST(&c->calls); call != NULL; call = next) {
        next = LIST_NEXT(call, link);
        if (call->cancelled && !call->resolving)
            call_free(call);
    }
}

static bool may_connect(const struct http_client *c, const struct netaddr *a)
{
    return netaddr_is_global(a) || netaddr_list_has(c->allowed, a);
}

static void refuse_addresses(struct error *err, const char *host, const struct netaddr *a)
{
    char ip[NETADDR_TEXT_SIZE];
    netaddr_ip(a, ip);
    error_set(err, RESULT_PERM, "%s has the address %s, which is not globally routable (discovery.allow-addresses)",
              host, ip);
}

/* The last word on where we connect to, whatever libcurl took for the host's addresses. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    (void)purpose;
    struct http_call *call = arg;
    struct netaddr a = {.len = to->addrlen};
    if (to->addrlen > sizeof a.sa)
        return CURL_SOCKET_BAD;
    memcpy(&a.sa, &to->addr, to->addrlen);
    if (!may_connect(call->client, &a)) {
        refuse_addresses(&call->transfer.refusal, call->transfer.host, &a);
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* ---- a call's way ---- */

static void on_addresses(void *arg, enum result result, const struct netaddr *addresses, size_t n,
                         const struct error *err)
{
    struct http_call *call = arg;
    call->resolving = false;
    if (call->cancelled) {
        call_free(call);
        return;
    }
    if (result != RESULT_OK) {
        finish(call, RESULT_TEMP, err);
        return;
    }
    struct netaddr good[DNS_ADDRESSES_MAX];
    size_t ngood = 0;
    for (size_t i = 0; i < n && i < DNS_ADDRESSES_MAX; i++) {
        if (may_connect(call->client, &addresses[i]))
            good[ngood++] = addresses[i];
    }
    if (ngood == 0) {
        refuse_addresses(&call->err, call->transfer.host, &addresses[0]);
        finish(call, RESULT_PERM, &call->err);
        return;
    }
    http_transfer_resolve(&call->transfer, good, ngood);
    call->running = true;
    http_multi_add(call->client->multi, call->transfer.easy);
}

static void on_timer(void *arg)
{
    struct http_call *call = arg;
    if (call->err.result == RESULT_OK)
        error_set(&call->err, RESULT_TEMP, "%s:%u: no complete response within %lld ms", call->transfer.host,
                  call->transfer.port, (long long)call->timeout);
    finish(call, call->err.result, &call->err);
}

/*
 * libcurl keeps what it has read of one file, and shares it among its connections; where it has a folder beside the file (Debian, with the same
 * certificates) it would read all of them anew for each connection.
 */
static void set_authorities(CURL *easy, const char *ca_file)
{
    const curl_version_info_data *built = curl_version_info(CURLVERSION_NOW);
    if (ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
    if (ca_file != NULL || (built->age >= CURLVERSION_SEVENTH && built->cainfo != NULL))
        curl_easy_setopt(easy, CURLOPT_CAPATH, (char *)NULL);
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, (long)AUTHORITIES_KEPT);
#endif
}

struct http_call *http_client_start(struct http_client *c, const struct http_call_options *o)
{
    struct http_call *call = mem_zero(1, sizeof *call);
    call->client = c;
    call->done = o->done;
    call->arg = o->arg;
    call->timeout = o->timeout;
    call->timer = loop_timer_new(c->loop, on_timer, call);
    LIST_INSERT_HEAD(&c->calls, call, link);
    if (http_transfer_init(&call->transfer, o, &call->err) != RESULT_OK) {
        loop_timer_set(call->timer, 0);
        return call;
    }
    CURL *easy = call->transfer.easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    set_authorities(easy, c->ca_file);
    if (o->timeout > 0)
        loop_timer_set(call->timer, o->timeout);
    call->resolving = true;
    dns_addresses(c->dns, call->transfer.host, call->transfer.port, on_addresses, call);
    return call;
}

static void resume_all(void *arg)
{
    struct http_client *c = arg;
    struct http_call *call;
    do {
        LIST_FOREACH (call, &c->calls, link) {
            if (call->resume)
                break;
        }
        if (call != NULL) {
            call->resume = false;
            http_multi_unpause(c->multi, call->transfer.easy); /* may free this call and others */
        }
    } while (call != NULL);
}

void http_call_resume(struct http_call *call)
{
    if (call->cancelled || !call->running)
        return;
    call->resume = true; /* later: libcurl delivers what it kept back at once */
    loop_timer_set(call->client->resume, 0);
}

void http_call_cancel(struct http_call *call)
{
    assert(!call->cancelled);
    call->cancelled = true;
    call->resume = false;
    call->transfer.dead = true;
    loop_timer_cancel(call->timer);
    if (call->resolving)
        return; /* freed when the look-up comes back */
    if (http_multi_busy(call->client->multi))
        call->client->doomed++;
    else
        call_free(call);
}

enum result http_client_new(struct loop *loop, struct dns *dns, const struct config *config, struct http_client **c_r,
                            struct error *err)
{
    const char *ca_file = config_string(config, "discovery.ca-file");
    if (*ca_file && access(ca_file, R_OK) != 0)
        return error_set(err, RESULT_PERM, "%s: discovery.ca-file %s: %s", config_where(config, "discovery.ca-file"),
                         ca_file, strerror(errno));
    size_t n;
    const char *const *blocks = config_list(config, "discovery.allow-addresses", &n);
    struct netaddr_list *allowed = NULL;
    if (netaddr_list_parse(blocks, n, &allowed, err) != RESULT_OK)
        return error_prefix(err, "%s: discovery.allow-addresses", config_where(config, "discovery.allow-addresses"));
    struct http_client *c = mem_zero(1, sizeof *c);
    LIST_INIT(&c->calls);
    c->loop = loop;
    c->dns = dns;
    c->allowed = allowed;
    c->ca_file = *ca_file ? mem_strdup(ca_file) : NULL;
    c->multi = http_multi_new(loop, &(struct http_multi_callbacks){.done = on_done, .idle = on_idle, .arg = c});
    c->resume = loop_timer_new(loop, resume_all, c);
    *c_r = c;
    return RESULT_OK;
}

void http_client_free(struct http_client **client)
{
    struct http_client *c = *client;
    if (c == NULL)
        return;
    struct http_call *call;
    while ((call = LIST_FIRST(&c->calls)) != NULL) {
        if (!call->resolving) {
            call_free(call);
            continue;
        }
        call->cancelled = true; /* freed when the look-up comes back */
        call->client = NULL;
        loop_timer_free(&call->timer);
        LIST_REMOVE(call, link);
    }
    http_multi_free(&c->multi);
    loop_timer_free(&c->resume);
    netaddr_list_free(&c->allowed);
    mem_free(&c->ca_file);
    mem_free(client);
}
