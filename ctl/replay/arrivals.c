/* What arrives: see arrivals.h. */
#include "ctl/replay/arrivals.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"

enum { ALTERED_KEPT = 100 };

struct arrivals {
    struct loop *loop;
    struct ledger *ledger;
    struct arrivals_options o;
    loop_fn *progress;
    void *arg;
    uint64_t reached, count;
    unsigned kept;
    msec_t last;
};

/* One that a thread waits for. */
struct waiting {
    struct arrivals *a;
    const char *message;
    size_t len;
    const char *const *rcpts;
    size_t nrcpts;
    msec_t when;
    struct token_arrival arrival;
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
};

struct arrivals *arrivals_new(struct loop *loop, struct ledger *ledger, const struct arrivals_options *o,
                              loop_fn *progress, void *arg)
{
    struct arrivals *a = mem_zero(1, sizeof *a);
    *a = (struct arrivals){.loop = loop, .ledger = ledger, .o = *o, .progress = progress, .arg = arg};
    a->last = clock_mono();
    return a;
}

void arrivals_free(struct arrivals **a)
{
    mem_free(a);
}

uint64_t arrivals_reached(const struct arrivals *a)
{
    return a->reached;
}

uint64_t arrivals_count(const struct arrivals *a)
{
    return a->count;
}

msec_t arrivals_last(const struct arrivals *a)
{
    return a->last;
}

/* To mem_free(): the file, or "" if it was not kept. */
static char *keep_altered(struct arrivals *a, const struct waiting *w)
{
    if (a->kept >= ALTERED_KEPT)
        return mem_strdup("");
    char *path = mem_printf("%s/altered-%llu-%u.eml", a->o.folder, (unsigned long long)w->arrival.copy, ++a->kept);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = fd < 0 ? -1 : write(fd, w->arrival.rest, w->arrival.rest_len);
    if (n != (ssize_t)w->arrival.rest_len)
        log_warning("%s: %s; where this message differs can't be said", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return path;
}

static void note_stray(struct arrivals *a, const struct waiting *w)
{
    ledger_stray(a->ledger, w->when,
                 w->arrival.found ? "a message of a copy that was not sent" : "a message without this run's token");
}

static void note(struct arrivals *a, const struct waiting *w)
{
    struct error err;
    bool known = false;
    uint8_t digest[DIGEST_SIZE];
    unsigned reached;
    a->count++;
    a->last = clock_mono();
    if (w->arrival.found && ledger_expected(a->ledger, w->arrival.copy, &known, digest, &err) != RESULT_OK)
        log_warning("%s", err.text);
    if (!known) {
        note_stray(a, w);
        return;
    }
    struct ledger_arrival l = {
        .copy = w->arrival.copy,
        .when = w->when,
        .size = w->arrival.rest_len,
        .digest = w->arrival.digest,
        .equal = digest_equal(digest, w->arrival.digest),
        .rcpts = w->rcpts,
        .nrcpts = w->nrcpts,
        .hops = w->arrival.hops,
        .nhops = w->arrival.nhops,
        .watched = buf_str(&w->arrival.watched),
    };
    char *file = l.equal ? mem_strdup("") : keep_altered(a, w);
    l.file = file;
    ledger_arrived(a->ledger, &l, &reached);
    mem_free(&file);
    a->reached += reached;
}

static void take(struct arrivals *a, struct waiting *w)
{
    note(a, w);
    a->progress(a->arg);
}

static void take_posted(void *arg)
{
    struct waiting *w = arg;
    take(w->a, w);
    pthread_mutex_lock(&w->lock);
    w->is_done = true;
    pthread_cond_signal(&w->done);
    pthread_mutex_unlock(&w->lock);
}

static void begin(struct arrivals *a, const char *message, size_t len, const char *const *rcpts, size_t nrcpts,
                  struct waiting *w_r)
{
    *w_r =
        (struct waiting){.a = a, .message = message, .len = len, .rcpts = rcpts, .nrcpts = nrcpts, .when = clock_now()};
    token_read(message, len, a->o.run, &a->o.watch, &w_r->arrival);
}

void arrivals_take(struct arrivals *a, const char *message, size_t len, const char *const *rcpts, size_t nrcpts)
{
    struct waiting w;
    begin(a, message, len, rcpts, nrcpts, &w);
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.done, NULL);
    loop_post(a->loop, take_posted, &w);
    pthread_mutex_lock(&w.lock);
    while (!w.is_done)
        pthread_cond_wait(&w.done, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_cond_destroy(&w.done);
    pthread_mutex_destroy(&w.lock);
    token_arrival_free(&w.arrival);
}

void arrivals_take_here(struct arrivals *a, const char *message, size_t len, const char *const *rcpts, size_t nrcpts)
{
    struct waiting w;
    begin(a, message, len, rcpts, nrcpts, &w);
    take(a, &w);
    token_arrival_free(&w.arrival);
}

void arrivals_take_late(struct arrivals *a, const char *message, size_t len, const char *const *rcpts, size_t nrcpts)
{
    struct waiting w;
    struct error err;
    bool lacks = false;
    begin(a, message, len, rcpts, nrcpts, &w);
    if (w.arrival.found &&
        ledger_lacks(a->ledger, w.arrival.copy, nrcpts > 0 ? rcpts[0] : NULL, &lacks, &err) != RESULT_OK)
        log_warning("%s", err.text);
    if (lacks)
        take(a, &w);
    token_arrival_free(&w.arrival);
}
