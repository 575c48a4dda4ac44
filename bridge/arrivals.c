/* What arrives by SMTP: see arrivals.h. */
#include "bridge/arrivals.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/data_dir.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
    SOCKET_MODE = 0660,
    BUCKETS = 4096,
    KEPT_MAX = 20000,            /* arrivals */
    KEPT_BYTES_MAX = 32 << 20,   /* about */
    AGE_MAX = 3600 * 1000,       /* ms */
    ALIVE_MAX = 30 * 1000,       /* ms since a milter was heard */
    DATAGRAMS_MAX = 100,         /* in one turn of the loop */
    RECEIVE_BUFFER = 4 << 20,    /* bytes that may wait in the socket */
    COMPLAINT_EVERY = 60 * 1000, /* ms */
};

struct kept {
    struct kept *newer;       /* all, by age */
    struct kept *bucket_next; /* oldest first */
    struct arrival arrival;
    msec_t when;
    size_t bytes;
};

struct arrivals_watch {
    struct arrivals_watch *next;
    struct arrivals *all;
    char *message_id;
    arrivals_fn *fn;
    void *arg;
};

struct arrivals {
    char *path;
    int socket;
    struct event *event;
    msec_t heard;    /* clock_mono() of the last datagram, 0 never */
    msec_t complete; /* since when nothing was missed */
    msec_t complained;
    struct kept *oldest, *newest;
    size_t n, bytes;
    struct kept *buckets[BUCKETS];
    struct arrivals_watch *watches[BUCKETS];
};

/* A stranger who makes collisions costs comparisons, within the bounds. */
static size_t bucket(const char *message_id)
{
    return hash_text(message_id) % BUCKETS;
}

/* ---- keeping ---- */

static void forget_oldest(struct arrivals *a)
{
    struct kept *k = a->oldest;
    struct kept **at = &a->buckets[bucket(k->arrival.fingerprint->message_id)];
    while (*at != k)
        at = &(*at)->bucket_next;
    *at = k->bucket_next;
    a->oldest = k->newer;
    if (a->oldest == NULL)
        a->newest = NULL;
    a->n--;
    a->bytes -= k->bytes;
    if (a->complete < k->when + 1)
        a->complete = k->when + 1;
    arrival_clear(&k->arrival);
    mem_free(&k);
}

static void tidy(struct arrivals *a)
{
    msec_t before = clock_mono() - AGE_MAX;
    while (a->oldest != NULL && (a->n > KEPT_MAX || a->bytes > KEPT_BYTES_MAX || a->oldest->when < before))
        forget_oldest(a);
}

static size_t memory_of(const struct arrival *arrival)
{
    size_t n = sizeof(struct kept) + fingerprint_memory(arrival->fingerprint) + strlen(arrival->sender);
    for (size_t i = 0; i < arrival->nrcpts; i++)
        n += strlen(arrival->rcpts[i]) + sizeof(char *) + 16;
    return n;
}

/* Takes over what the arrival holds. */
static struct kept *keep(struct arrivals *a, const struct arrival *arrival)
{
    struct kept *k = mem_zero(1, sizeof *k);
    *k = (struct kept){.arrival = *arrival, .when = clock_mono(), .bytes = memory_of(arrival)};
    struct kept **at = &a->buckets[bucket(arrival->fingerprint->message_id)];
    while (*at != NULL)
        at = &(*at)->bucket_next;
    *at = k;
    *(a->newest != NULL ? &a->newest->newer : &a->oldest) = k;
    a->newest = k;
    a->n++;
    a->bytes += k->bytes;
    return k;
}

static void tell(struct arrivals *a, const struct kept *k)
{
    const char *id = k->arrival.fingerprint->message_id;
    for (struct arrivals_watch *w = a->watches[bucket(id)], *next; w != NULL; w = next) {
        next = w->next; /* fn may end the wait in a later turn of the loop, never now */
        if (strcmp(w->message_id, id) == 0)
            w->fn(w->arg, &k->arrival, k->when);
    }
}

/* ---- the socket ---- */

static void take(struct arrivals *a, const char *text, size_t len)
{
    struct arrival arrival;
    struct error err;
    if (!arrivals_observing(a)) {
        a->complete = clock_mono();
        log_info("pontoon-milter looks on: shadows are compared with what arrives by SMTP");
    }
    a->heard = clock_mono();
    if (arrival_parse(text, len, &arrival, &err) != RESULT_OK) {
        if (a->complained == 0 || a->heard - a->complained > COMPLAINT_EVERY)
            log_warning("malformed datagram on %s: %s", a->path, err.text);
        a->complained = a->heard;
        arrival_clear(&arrival);
    } else if (arrival.nrcpts == 0 || arrival.fingerprint->message_id[0] == '\0') {
        arrival_clear(&arrival);
    } else {
        tell(a, keep(a, &arrival));
        tidy(a);
    }
}

static void on_datagram(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    static char text[ARRIVAL_SIZE_MAX + 1];
    for (int i = 0; i < DATAGRAMS_MAX; i++) {
        ssize_t n = recv(fd, text, sizeof text, 0);
        if (n < 0)
            return;
        take(arg, text, (size_t)n);
    }
}

static int listen_on(const char *path, struct error *err)
{
    struct sockaddr_un sun;
    int size = RECEIVE_BUFFER;
    if (arrival_address(path, &sun, err) != RESULT_OK)
        return -1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        error_set(err, RESULT_TEMP, "make a socket: %s", strerror(errno));
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (unlink(path) < 0 && errno != ENOENT)
        data_dir_fail("remove the old socket", path, err);
    else if (bind(fd, (struct sockaddr *)&sun, sizeof sun) < 0)
        data_dir_fail("make the socket", path, err);
    else if (data_dir_own(path, SOCKET_MODE, err) == RESULT_OK)
        return fd;
    close(fd);
    return -1;
}

struct arrivals *arrivals_new(struct loop *loop, const struct config *config)
{
    struct arrivals *a = mem_zero(1, sizeof *a);
    struct error err;
    a->path = mem_strdup(config_string(config, "bridge.arrivals"));
    a->socket = a->path[0] != '\0' ? listen_on(a->path, &err) : -1;
    if (a->socket >= 0) {
        a->event = event_new(loop_base(loop), a->socket, EV_READ | EV_PERSIST, on_datagram, a);
        event_add(a->event, NULL);
    } else if (a->path[0] != '\0') {
        log_warning("shadows can't be compared with what arrives by SMTP: %s (bridge.arrivals; \"\" switches it off)",
                    err.text);
    }
    return a;
}

void arrivals_free(struct arrivals **ap)
{
    struct arrivals *a = *ap;
    if (a == NULL)
        return;
    if (a->event != NULL)
        event_free(a->event);
    if (a->socket >= 0) {
        close(a->socket);
        unlink(a->path);
    }
    while (a->oldest != NULL)
        forget_oldest(a);
    mem_free(&a->path);
    mem_free(ap);
}

bool arrivals_observing(const struct arrivals *a)
{
    return a->heard != 0 && clock_mono() - a->heard < ALIVE_MAX;
}

msec_t arrivals_complete_since(const struct arrivals *a)
{
    return arrivals_observing(a) ? a->complete : -1;
}

/* ---- watching ---- */

struct arrivals_watch *arrivals_watch(struct arrivals *a, const char *message_id, arrivals_fn *fn, void *arg)
{
    size_t b = bucket(message_id);
    struct arrivals_watch *w = mem_zero(1, sizeof *w);
    *w = (struct arrivals_watch){
        .next = a->watches[b], .all = a, .message_id = mem_strdup(message_id), .fn = fn, .arg = arg};
    a->watches[b] = w;
    tidy(a);
    for (const struct kept *k = a->buckets[b]; k != NULL; k = k->bucket_next) {
        if (strcmp(k->arrival.fingerprint->message_id, message_id) == 0)
            fn(arg, &k->arrival, k->when);
    }
    return w;
}

void arrivals_unwatch(struct arrivals_watch **wp)
{
    struct arrivals_watch *w = *wp;
    if (w == NULL)
        return;
    struct arrivals_watch **at = &w->all->watches[bucket(w->message_id)];
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    mem_free(&w->message_id);
    mem_free(wp);
}
