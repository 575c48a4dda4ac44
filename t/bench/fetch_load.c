/*
 * A load of HTTPS fetches, so plain that the server is what is measured: a thread for each connection, TLS 1.3 with AES-128-GCM.
 *
 *   fetch_load keep|new ADDRESS PORT HOST CONNECTIONS SECONDS SIZE LIST   prints how many were fetched, and in how many seconds
 *
 * "keep": one request after the other on each connection; "new": a connection and a full handshake for each. LIST is a file of lines
 * "PATH TOKEN" ("-": no token), taken in turn by all; the answer must be 200 with SIZE bytes, or the whole ends with an error.
 * Certificates are not verified: what the client does is not the question.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, ITEMS_MAX = 100000, LINE_LEN = 512, HEAD_MAX = 8192, READ_SIZE = 65536 };

static struct item {
    char path[128], token[320];
} * items;
static size_t nitems;
static struct sockaddr_in server;
static const char *host;
static long size;
static bool keep;
static SSL_CTX *tls;
static atomic_ulong turn;
static atomic_bool over;

struct worker {
    pthread_t thread;
    SSL *ssl; /* NULL: not connected */
    unsigned long fetched;
};

static _Noreturn void give_up(const char *what, const char *why)
{
    fprintf(stderr, "fetch_load: %s: %s\n", what, why);
    exit(1);
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void read_list(const char *file)
{
    char line[LINE_LEN];
    FILE *f = fopen(file, "r");
    if (f == NULL)
        give_up(file, "can't be read");
    items = calloc(ITEMS_MAX, sizeof *items);
    while (items != NULL && nitems < ITEMS_MAX && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%127s %319s", items[nitems].path, items[nitems].token) != 2)
            give_up(file, "each line has a path and a token");
        nitems++;
    }
    fclose(f);
    if (nitems == 0)
        give_up(file, "is empty");
}

static void make_context(void)
{
    tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(tls, "TLS_AES_128_GCM_SHA256") != 1)
        give_up("TLS", "no context");
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF); /* each handshake is a full one */
}

static void hang_up(struct worker *w)
{
    int fd = SSL_get_fd(w->ssl);
    SSL_shutdown(w->ssl);
    SSL_free(w->ssl);
    close(fd);
    w->ssl = NULL;
}

static void connect_to_server(struct worker *w)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0 || connect(fd, (const struct sockaddr *)&server, sizeof server) != 0)
        give_up(host, "no connection");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    w->ssl = SSL_new(tls);
    if (w->ssl == NULL || SSL_set_tlsext_host_name(w->ssl, host) != 1 || SSL_set_fd(w->ssl, fd) != 1 ||
        SSL_connect(w->ssl) != 1)
        give_up(host, "no TLS");
}

/* The head of an answer: its length, with what came of the body behind it, in buf. Returns the body's bytes there. */
static long read_head(struct worker *w, char buf[HEAD_MAX + 1], bool *last_r)
{
    size_t have = 0;
    char *end = NULL;
    while (end == NULL) {
        int n = have < HEAD_MAX ? SSL_read(w->ssl, buf + have, (int)(HEAD_MAX - have)) : 0;
        if (n <= 0)
            give_up(host, have ? "cut off in the head of an answer" : "no answer");
        have += (size_t)n;
        buf[have] = '\0';
        end = strstr(buf, "\r\n\r\n");
    }
    *end = '\0';
    const char *length = strcasestr(buf, "\r\nContent-Length:");
    if (strncmp(buf, "HTTP/1.1 200 ", 13) != 0 || length == NULL || atol(length + 17) != size)
        give_up("answer", buf);
    *last_r = strcasestr(buf, "\r\nConnection: close") != NULL;
    return (long)(have - (size_t)(end + 4 - buf));
}

static void fetch(struct worker *w)
{
    static _Thread_local char buf[READ_SIZE];
    const struct item *item = &items[atomic_fetch_add(&turn, 1) % nitems];
    bool bearer = strcmp(item->token, "-") != 0, last;
    if (w->ssl == NULL)
        connect_to_server(w);
    int n = snprintf(buf, sizeof buf, "GET %s HTTP/1.1\r\nHost: %s\r\n%s%s%s%s\r\n", item->path, host,
                     bearer ? "Authorization: Bearer " : "", bearer ? item->token : "", bearer ? "\r\n" : "",
                     keep ? "" : "Connection: close\r\n");
    if (SSL_write(w->ssl, buf, n) != n)
        give_up(host, "a request can't be sent");
    for (long got = read_head(w, buf, &last); got < size; got += n) {
        n = SSL_read(w->ssl, buf, sizeof buf);
        if (n <= 0)
            give_up(host, "cut off in a message");
    }
    if (!keep || last)
        hang_up(w);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (; !atomic_load(&over); w->fetched++)
        fetch(w);
    if (w->ssl != NULL)
        hang_up(w);
    return NULL;
}

static void run(unsigned connections, double seconds)
{
    static struct worker workers[CONNECTIONS_MAX];
    unsigned long fetched = 0;
    double begin = seconds_now();
    for (unsigned i = 0; i < connections; i++)
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            give_up("thread", "can't be started");
    usleep((useconds_t)(seconds * 1e6));
    atomic_store(&over, true);
    for (unsigned i = 0; i < connections; i++) {
        pthread_join(workers[i].thread, NULL);
        fetched += workers[i].fetched;
    }
    printf("%lu %.6f\n", fetched, seconds_now() - begin);
}

int main(int argc, char **argv)
{
    if (argc != 9) {
        fprintf(stderr, "usage: fetch_load keep|new ADDRESS PORT HOST CONNECTIONS SECONDS SIZE LIST\n");
        return 64;
    }
    unsigned connections = (unsigned)atoi(argv[5]);
    double seconds = atof(argv[6]);
    keep = strcmp(argv[1], "keep") == 0;
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[3]))};
    host = argv[4];
    size = atol(argv[7]);
    if (inet_pton(AF_INET, argv[2], &server.sin_addr) != 1 || connections < 1 || connections > CONNECTIONS_MAX ||
        seconds <= 0)
        give_up("arguments", "an IPv4 address, 1 to 256 connections, and some time");
    read_list(argv[8]);
    make_context();
    run(connections, seconds);
    SSL_CTX_free(tls);
    free(items);
    return 0;
}
