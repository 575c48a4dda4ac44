/* The HTTPS server and client against each other, over TLS on loopback. */
#include "t/unit/site.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "lib/http_client.h"
#include "lib/http_server.h"

static struct site site;
static struct dns *dns;
static struct tls_server *tls;
static struct peer_limits *peers;
static struct http_server *server;
static struct http_client *client;

enum { BIG = 48 << 20 };

/* What the handler saw and did. */
static struct {
    unsigned requests;
    uint16_t ports[4]; /* of the peers: equal on a kept connection */
    struct http_request *held;
    unsigned gone, sent, unsent;
    uint64_t pulled;
    long pull_result; /* 0 or -1 instead of data from `pull_until` on */
    uint64_t pull_until;
} seen;

/* What the client got. */
struct answer {
    unsigned done;
    enum result result;
    int status;
    bool sent;
    char text[4000];
    size_t len;
    struct error err;
    char retry_after[20], type[80], range[80], peer[200];
    uint64_t received;
    bool wrong_byte, pause, pause_once, refuse_head, cancel_in_data;
    unsigned heads;
    struct http_call *call;
    msec_t ends; /* of the certificate */
};

static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)(offset % 251);
}

static long pull(void *arg, uint64_t offset, void *buf, size_t len)
{
    (void)arg;
    if (seen.pull_until > 0 && offset >= seen.pull_until)
        return seen.pull_result;
    unsigned char *p = buf;
    for (size_t i = 0; i < len; i++)
        p[i] = byte_at(offset + i);
    seen.pulled = offset + len;
    return (long)len;
}

static void stream_done(void *arg, bool sent)
{
    (void)arg;
    if (sent)
        seen.sent++;
    else
        seen.unsent++;
    if (!sent)
        loop_stop(site.loop);
}

static void gone(void *arg)
{
    (void)arg;
    seen.gone++;
    loop_stop(site.loop);
}

static void echo(struct http_request *req)
{
    size_t len;
    const void *body = http_request_body(req, &len);
    http_reply(req, 200, NULL, 0, "text/plain", body, len);
}

static void describe(struct http_request *req)
{
    const char *range = http_request_header(req, "range");
    const char *bearer = http_request_bearer(req);
    const char *type = http_request_header(req, "Content-Type");
    char text[1000];
    snprintf(text, sizeof text, "%s %s range=%s bearer=%s type=%s extra=%d", http_request_method(req),
             http_request_path(req), range ? range : "-", bearer ? bearer : "-", type ? type : "-",
             http_request_header(req, "User-Agent") != NULL || http_request_header(req, "Accept") != NULL ||
                 http_request_header(req, "Expect") != NULL);
    http_reply(req, 200, NULL, 0, "text/plain", text, strlen(text));
}

static void handle(struct http_request *req, void *arg)
{
    assert_ptr_equal(arg, &site);
    if (seen.requests < 4)
        seen.ports[seen.requests] = netaddr_port(http_request_peer(req));
    seen.requests++;
    const char *path = http_request_path(req);
    struct http_header range = {"Content-Range", "bytes 5-9/10"};
    if (strcmp(path, "/echo") == 0)
        echo(req);
    else if (strcmp(path, "/describe") == 0)
        describe(req);
    else if (strcmp(path, "/problem") == 0)
        http_reply_problem(req, 429, "slow \"down\"\xff", 17);
    else if (strcmp(path, "/big") == 0)
        http_reply_stream(req, 206, &range, 1, "message/rfc822", BIG, pull, stream_done, NULL);
    else if (strcmp(path, "/empty") == 0)
        http_reply_stream(req, 200, NULL, 0, "message/rfc822", 0, pull, stream_done, NULL);
    else if (strcmp(path, "/hold") == 0)
        seen.held = req;
    else
        http_reply(req, 404, NULL, 0, NULL, NULL, 0);
    if (strcmp(path, "/hold") == 0)
        http_request_on_gone(req, gone, NULL);
}

static void start_server(const struct http_server_limits *limits)
{
    struct netaddr a;
    struct error err;
    struct http_server_limits with_peers = *limits;
    with_peers.peers = peers;
    with_peers.section = "test";
    assert_true(netaddr_parse("127.0.0.1", 0, &a));
    server = http_server_new(site.loop, &with_peers, tls, handle, &site);
    assert_int_equal(http_server_listen(server, &a, &err), RESULT_OK);
    assert_true(http_server_port(server) > 0);
}

static void start_client(const char *ca, const char *allow)
{
    struct error err;
    struct config *config = site_config("discovery {\n ca-file = \"%s\"\n allow-addresses = {%s}\n"
                                        " resolvers = {\"127.0.0.1:9\"}\n dns-timeout = 1s\n}\n",
                                        ca, allow);
    assert_int_equal(dns_new(site.loop, config, &dns, &err), RESULT_OK);
    assert_int_equal(http_client_new(site.loop, dns, config, &client, &err), RESULT_OK);
    config_free(&config);
}

static const struct http_server_limits usual = {.header_max = 8192, .body_max = 65536, .idle_timeout = 5000};

static int up(void **state)
{
    (void)state;
    struct error err;
    site_up(&site);
    memset(&seen, 0, sizeof seen);
    assert_int_equal(tls_server_new(site.chain, site.key, &tls, &err), RESULT_OK);
    peers = peer_limits_new(site.loop, "store");
    peers->most = 20;
    peers->most_per_address = 10;
    start_server(&usual);
    start_client(site.ca, "\"127.0.0.0/8\"");
    return 0;
}

static int down(void **state)
{
    (void)state;
    http_client_free(&client);
    dns_free(&dns);
    http_server_free(&server);
    peer_limits_free(&peers);
    tls_server_free(&tls);
    site_down(&site);
    return 0;
}

static bool on_head(void *arg, const struct http_response *r)
{
    struct answer *a = arg;
    a->heads++;
    assert_true(r->status >= 200);
    return !a->refuse_head;
}

static bool on_data(void *arg, const void *data, size_t len)
{
    struct answer *a = arg;
    if (a->cancel_in_data) {
        http_call_cancel(a->call);
        return true;
    }
    if (a->pause_once) { /* who resumes at once must not be forgotten */
        a->pause_once = false;
        http_call_resume(a->call);
        return false;
    }
    if (a->pause)
        return false;
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++)
        a->wrong_byte = a->wrong_byte || p[i] != byte_at(a->received + i);
    a->received += len;
    return true;
}

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "-");
}

static void on_done(void *arg, enum result result, const struct http_response *r, const struct error *err)
{
    struct answer *a = arg;
    a->done++;
    a->result = result;
    a->status = r->status;
    a->sent = r->sent;
    a->len = r->len;
    a->ends = r->certificate_ends;
    snprintf(a->text, sizeof a->text, "%s", (const char *)r->body);
    copy(a->retry_after, sizeof a->retry_after, r->retry_after);
    copy(a->type, sizeof a->type, r->content_type);
    copy(a->range, sizeof a->range, r->content_range);
    copy(a->peer, sizeof a->peer, r->peer);
    if (err != NULL)
        a->err = *err;
    loop_stop(site.loop);
}

static char *url_of(const char *path)
{
    return mem_printf("https://127.0.0.1:%u%s", http_server_port(server), path);
}

static struct http_call_options options(struct answer *a)
{
    *a = (struct answer){0};
    return (struct http_call_options){
        .method = "GET", .max_body = 100000, .connect_timeout = 5000, .timeout = 20000, .done = on_done, .arg = a};
}

static void start(struct answer *a, struct http_call_options *o, const char *path)
{
    char *url = url_of(path);
    o->url = url;
    a->call = http_client_start(client, o);
    mem_free(&url);
}

static void get(struct answer *a, const char *path)
{
    struct http_call_options o = options(a);
    start(a, &o, path);
    assert_int_equal(a->done, 0);
    site_run(&site);
    assert_int_equal(a->done, 1);
}

/* ---- the tests ---- */

static void simple_calls_share_a_connection(void **state)
{
    (void)state;
    struct answer a;
    struct http_call_options o = options(&a);
    o.method = "POST";
    o.content_type = "application/json";
    o.bearer = "tok-en";
    o.range = "bytes=7-";
    start(&a, &o, "/describe?x=y");
    site_run(&site);
    assert_int_equal(a.result, RESULT_OK);
    assert_int_equal(a.status, 200);
    assert_true(a.sent);
    assert_string_equal(a.text, "POST /describe range=bytes=7- bearer=tok-en type=application/json extra=0");
    assert_string_equal(a.type, "text/plain");
    char peer[100];
    snprintf(peer, sizeof peer, "127.0.0.1[127.0.0.1]:%u", http_server_port(server));
    assert_string_equal(a.peer, peer);

    get(&a, "/describe");
    assert_string_equal(a.text, "GET /describe range=- bearer=- type=- extra=0");
    get(&a, "/none");
    assert_int_equal(a.status, 404);
    assert_string_equal(a.text, "");
    assert_string_equal(a.type, "-");
    assert_int_equal(seen.requests, 3);
    assert_int_equal(seen.ports[0], seen.ports[1]);
    assert_int_equal(seen.ports[0], seen.ports[2]);
    assert_int_equal(http_server_requests(server), 0);
}

static long resumed_sessions(void)
{
    SSL *any = tls_server_session(tls);
    long n = SSL_CTX_sess_hits(SSL_get_SSL_CTX(any));
    SSL_free(any);
    return n;
}

static void another_connection_resumes_the_session(void **state)
{
    (void)state;
    struct answer first, a, b;
    get(&first, "/describe");
    assert_int_equal(resumed_sessions(), 0);
    struct http_call_options o = options(&a), p = options(&b);
    start(&a, &o, "/describe");
    start(&b, &p, "/describe");
    while (!a.done || !b.done)
        site_run(&site);
    assert_int_equal(a.result, RESULT_OK);
    assert_int_equal(b.result, RESULT_OK);
    assert_int_not_equal(seen.ports[1], seen.ports[2]);
    assert_int_equal(resumed_sessions(), 1);
    assert_true(first.ends > clock_now());
    assert_int_equal(b.ends, first.ends);
}

static void problems_are_json(void **state)
{
    (void)state;
    struct answer a;
    get(&a, "/problem");
    assert_int_equal(a.status, 429);
    assert_string_equal(a.retry_after, "17");
    assert_string_equal(a.type, "application/problem+json");
    assert_non_null(strstr(a.text, "\"title\":\"Too Many Requests\""));
    assert_non_null(strstr(a.text, "\"detail\":\"slow \\\"down\\\"?\""));
    assert_non_null(strstr(a.text, "\"status\":429"));
}

static void bodies_have_a_bound_on_both_sides(void **state)
{
    (void)state;
    static char body[65537];
    memset(body, 'x', sizeof body - 1);
    struct answer a;
    struct http_call_options o = options(&a);
    o.method = "POST";
    o.body = body;
    o.body_len = 65536;
    start(&a, &o, "/echo");
    site_run(&site);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.len, 65536);

    o = options(&a);
    o.method = "POST";
    o.body = body;
    o.body_len = 65537;
    start(&a, &o, "/echo");
    site_run(&site);
    assert_int_equal(a.status, 413);
    assert_string_equal(a.type, "application/problem+json");
    assert_non_null(strstr(a.text, "has 65537 bytes; 65536 are the most"));
    assert_int_equal(seen.requests, 1);

    o = options(&a);
    o.method = "POST";
    o.body = body;
    o.body_len = 5001;
    o.max_body = 5000;
    start(&a, &o, "/echo");
    site_run(&site);
    assert_int_equal(a.result, RESULT_TEMP);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.err.text, "too long"));

    char *bearer = mem_alloc(9001);
    memset(bearer, 'b', 9000);
    bearer[9000] = '\0';
    o = options(&a);
    o.bearer = bearer;
    start(&a, &o, "/describe");
    site_run(&site);
    assert_int_equal(a.status, 400);
    mem_free(&bearer);
}

static void streams_come_whole_and_wait_for_the_reader(void **state)
{
    (void)state;
    struct answer a;
    struct http_call_options o = options(&a);
    o.on_head = on_head;
    o.on_data = on_data;
    a.pause = true;
    start(&a, &o, "/big");
    site_linger(&site, 500);
    assert_int_equal(a.heads, 1);
    assert_int_equal(a.received, 0);
    assert_in_range(seen.pulled, 1, 16 << 20); /* no more than the sockets' buffers take */
    a.pause = false;
    a.pause_once = true;
    http_call_resume(a.call);
    site_run(&site);
    assert_int_equal(a.result, RESULT_OK);
    assert_int_equal(a.status, 206);
    assert_string_equal(a.range, "bytes 5-9/10");
    assert_int_equal(a.received, BIG);
    assert_false(a.wrong_byte);
    site_linger(&site, 20);
    assert_int_equal(seen.sent, 1);
    assert_int_equal(http_server_requests(server), 0);
    get(&a, "/describe"); /* the connection goes on */
    assert_int_equal(seen.ports[0], seen.ports[1]);
}

static void empty_streams_and_head(void **state)
{
    (void)state;
    struct answer a;
    get(&a, "/empty");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.len, 0);
    assert_int_equal(seen.sent, 1);
    struct http_call_options o = options(&a);
    o.method = "HEAD";
    start(&a, &o, "/big");
    while (a.done == 0)
        site_run(&site);
    assert_int_equal(a.result, RESULT_OK);
    assert_int_equal(a.status, 206);
    assert_int_equal(a.len, 0);
    site_linger(&site, 20);
    assert_int_equal(seen.unsent, 1); /* a HEAD is no fetch */
    assert_int_equal(seen.pulled, 0);
    o = options(&a);
    o.method = "HEAD";
    start(&a, &o, "/describe");
    site_run(&site);
    assert_int_equal(a.status, 200);
    assert_int_equal(seen.ports[0], seen.ports[2]);
}

static void a_stream_that_breaks_is_no_complete_response(void **state)
{
    (void)state;
    for (seen.pull_result = -1; seen.pull_result <= 0; seen.pull_result++) {
        struct answer a;
        struct http_call_options o = options(&a);
        o.on_data = on_data;
        seen.pull_until = 1 << 20;
        seen.unsent = 0;
        start(&a, &o, "/big");
        while (a.done == 0 || seen.unsent == 0)
            site_run(&site);
        assert_int_equal(a.result, RESULT_TEMP);
        assert_int_equal(a.status, 206);
        assert_in_range(a.received, 0, BIG - 1);
        assert_false(a.wrong_byte);
        assert_int_equal(seen.unsent, 1);
        assert_int_equal(http_server_requests(server), 0);
    }
}

static void a_client_that_leaves_is_noticed(void **state)
{
    (void)state;
    struct answer a;
    struct http_call_options o = options(&a);
    start(&a, &o, "/hold");
    while (seen.held == NULL)
        site_linger(&site, 5);
    assert_int_equal(http_server_requests(server), 1);
    http_call_cancel(a.call);
    site_run(&site);
    assert_int_equal(seen.gone, 1);
    assert_int_equal(http_server_requests(server), 0);
    assert_string_equal(http_request_path(seen.held), "/hold"); /* lives until it is answered */
    http_reply(seen.held, 200, NULL, 0, "text/plain", "late", 4);

    o = options(&a);
    o.on_data = on_data;
    a.cancel_in_data = true;
    start(&a, &o, "/big");
    site_run(&site);
    assert_int_equal(seen.unsent, 1);
    assert_int_equal(a.done, 0);

    o = options(&a);
    o.on_head = on_head;
    o.on_data = on_data;
    a.refuse_head = true;
    start(&a, &o, "/big");
    while (a.done == 0 || seen.unsent < 2)
        site_run(&site);
    assert_int_equal(a.result, RESULT_PERM);
    assert_int_equal(a.status, 206);
    assert_int_equal(a.received, 0);
}

static void an_answer_may_take_longer_than_idle_clients(void **state)
{
    (void)state;
    struct http_server_limits quick = usual;
    quick.idle_timeout = 200;
    http_server_free(&server);
    start_server(&quick);
    struct answer a;
    struct http_call_options o = options(&a);
    start(&a, &o, "/hold");
    site_linger(&site, 800);
    assert_non_null(seen.held);
    http_reply(seen.held, 200, NULL, 0, "text/plain", "at last", 7);
    site_run(&site);
    assert_int_equal(a.result, RESULT_OK);
    assert_string_equal(a.text, "at last");

    o = options(&a);
    o.timeout = 300;
    seen.held = NULL;
    start(&a, &o, "/hold");
    site_run(&site);
    assert_int_equal(a.result, RESULT_TEMP);
    assert_true(a.sent);
    assert_int_equal(a.status, 0);
    assert_non_null(strstr(a.err.text, "300 ms"));
    while (seen.gone == 0)
        site_run(&site);
    http_reply(seen.held, 200, NULL, 0, NULL, NULL, 0);
}

static int connect_raw(void)
{
    struct netaddr a;
    assert_true(netaddr_parse("127.0.0.1", http_server_port(server), &a));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a.sa, a.len), 0);
    return fd;
}

static bool closed_by_peer(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char c;
    return poll(&p, 1, 0) == 1 && read(fd, &c, 1) <= 0;
}

static void silent_and_too_many_connections_are_closed(void **state)
{
    (void)state;
    struct http_server_limits few = usual;
    few.idle_timeout = 400;
    peers->most_per_address = 3;
    http_server_free(&server);
    start_server(&few);
    int fds[5];
    unsigned refused = 0;
    for (int i = 0; i < 5; i++)
        fds[i] = connect_raw();
    site_linger(&site, 100);
    for (int i = 0; i < 5; i++)
        refused += closed_by_peer(fds[i]);
    assert_int_equal(refused, 2);
    struct answer a;
    get(&a, "/describe");
    assert_int_equal(a.result, RESULT_TEMP); /* the fourth */
    assert_false(a.sent);
    for (int i = 0; i < 5; i++) {
        for (int tries = 0; tries < 200 && !closed_by_peer(fds[i]); tries++)
            site_linger(&site, 20);
        assert_true(closed_by_peer(fds[i]));
        close(fds[i]);
    }
    site_linger(&site, 20);
    get(&a, "/describe");
    assert_int_equal(a.status, 200);
}

static void only_trusted_servers_and_allowed_addresses(void **state)
{
    (void)state;
    struct answer a;
    http_client_free(&client);
    dns_free(&dns);
    start_client(site.other_ca, "\"127.0.0.0/8\"");
    get(&a, "/describe");
    assert_int_equal(a.result, RESULT_TEMP);
    assert_false(a.sent);
    assert_non_null(strstr(a.err.text, "certificate"));
    assert_int_equal(seen.requests, 0);

    http_client_free(&client);
    dns_free(&dns);
    start_client(site.ca, "\"127.0.0.2\"");
    get(&a, "/describe");
    assert_int_equal(a.result, RESULT_PERM);
    assert_false(a.sent);
    assert_non_null(strstr(a.err.text, "allow-addresses"));
}

static void bad_urls_are_refused(void **state)
{
    (void)state;
    static const char *const urls[] = {"http://127.0.0.1/",
                                       "https://",
                                       "",
                                       "https://user@127.0.0.1/",
                                       "file:///etc/passwd",
                                       "https://127.0.0.1:99999/",
                                       "https://127.0.0.1/\r\nX: y",
                                       "https://b\xc3\xbc.test/"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct answer a;
        struct http_call_options o = options(&a);
        o.url = urls[i];
        http_client_start(client, &o);
        assert_int_equal(a.done, 0);
        site_run(&site);
        if (a.result != RESULT_PERM)
            fail_msg("%s: %s", urls[i], a.err.text);
    }
    struct answer a;
    struct http_call_options o = options(&a);
    o.url = "https://127.0.0.1/";
    o.bearer = "x\r\nHost: evil";
    http_client_start(client, &o);
    site_run(&site);
    assert_int_equal(a.result, RESULT_PERM);

    o = options(&a); /* no resolver answers */
    o.url = "https://sender-store.a.test/";
    a.call = http_client_start(client, &o);
    site_run(&site);
    assert_int_equal(a.result, RESULT_TEMP);
    o = options(&a); /* ends while the name is looked up */
    o.url = "https://sender-store.a.test/";
    o.timeout = 10;
    a.call = http_client_start(client, &o);
    site_run(&site);
    assert_int_equal(a.result, RESULT_TEMP);
    o = options(&a);
    o.url = "https://sender-store.a.test/";
    a.call = http_client_start(client, &o);
    http_call_cancel(a.call);
    a.call = http_client_start(client, &o); /* freed with the client, without callback */
}

static void draining_finishes_what_is_under_way(void **state)
{
    (void)state;
    struct answer a, b;
    get(&a, "/describe");
    struct http_call_options o = options(&a);
    start(&a, &o, "/hold");
    while (seen.held == NULL)
        site_linger(&site, 5);
    uint16_t port = http_server_port(server);
    http_server_drain(server);
    assert_int_equal(http_server_requests(server), 1);
    http_reply(seen.held, 200, NULL, 0, "text/plain", "ok", 2);
    site_run(&site);
    assert_string_equal(a.text, "ok");
    assert_int_equal(http_server_port(server), port);
    o = options(&b);
    o.timeout = 300; /* a kept connection is closed; a new one stays in the backlog */
    start(&b, &o, "/describe");
    site_run(&site);
    assert_int_equal(b.result, RESULT_TEMP);
}

static void a_server_that_is_freed_lets_go_of_its_requests(void **state)
{
    (void)state;
    struct answer a, b;
    struct http_call_options o = options(&a);
    o.on_data = on_data;
    a.pause = true;
    start(&a, &o, "/big");
    o = options(&b);
    start(&b, &o, "/hold");
    while (seen.held == NULL || seen.pulled == 0)
        site_linger(&site, 5);
    http_server_free(&server);
    assert_int_equal(seen.gone, 1);
    assert_int_equal(seen.unsent, 1);
    http_reply_stream(seen.held, 200, NULL, 0, NULL, 10, pull, stream_done, NULL);
    assert_int_equal(seen.unsent, 2);
    while (b.done == 0)
        site_run(&site);
    assert_int_equal(b.result, RESULT_TEMP);
}

static void certificates_are_checked_and_replaced(void **state)
{
    (void)state;
    struct error err;
    struct tls_server *t = NULL;
    char *wrong = mem_printf("%s/ca.key", site.dir);
    assert_int_equal(tls_server_new("/none.pem", site.key, &t, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "/none.pem"));
    assert_int_equal(tls_server_new(site.chain, "/none.pem", &t, &err), RESULT_PERM);
    assert_int_equal(tls_server_new(site.key, site.key, &t, &err), RESULT_PERM);
    assert_int_equal(tls_server_new(site.chain, wrong, &t, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "not the private key"));
    assert_null(t);
    mem_free(&wrong);

    assert_int_equal(tls_server_reload(tls, site.chain, site.key, &err), RESULT_OK);
    site_shell("mv '%s/key.pem' '%s/away'", site.dir);
    assert_int_equal(tls_server_reload(tls, site.chain, site.key, &err), RESULT_PERM);
    struct answer a;
    get(&a, "/describe"); /* with the old one */
    assert_int_equal(a.status, 200);
}

static void two_servers_cannot_share_a_port(void **state)
{
    (void)state;
    struct netaddr a;
    struct error err;
    assert_true(netaddr_parse("127.0.0.1", http_server_port(server), &a));
    assert_int_equal(http_server_listen(server, &a, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "127.0.0.1:"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(simple_calls_share_a_connection),
        TEST(another_connection_resumes_the_session),
        TEST(problems_are_json),
        TEST(bodies_have_a_bound_on_both_sides),
        TEST(streams_come_whole_and_wait_for_the_reader),
        TEST(empty_streams_and_head),
        TEST(a_stream_that_breaks_is_no_complete_response),
        TEST(a_client_that_leaves_is_noticed),
        TEST(an_answer_may_take_longer_than_idle_clients),
        TEST(silent_and_too_many_connections_are_closed),
        TEST(only_trusted_servers_and_allowed_addresses),
        TEST(bad_urls_are_refused),
        TEST(draining_finishes_what_is_under_way),
        TEST(a_server_that_is_freed_lets_go_of_its_requests),
        TEST(certificates_are_checked_and_replaced),
        TEST(two_servers_cannot_share_a_port),
    };
    return test_run("http", tests);
}
