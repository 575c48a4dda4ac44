/*
 * How fast messages become durable: in pontoon's store, and, for comparison, as a file each, and as bare flushes of the disk.
 *
 *   store_rate store|file|file-dir|flush DIR THREADS SECONDS SIZE   prints how many a second
 *   store_rate fill DIR THREADS COUNT SIZE                          puts COUNT messages that wait for an hour to come
 *   store_rate cycle DIR 1 COUNT SIZE                               a message's way through the store (put, claimed, fetched, settled), one
 *                                                                   after the other: microseconds for each, and of CPU time
 *
 * "file" writes and flushes a file; "file-dir" its new name in the folder too, as a queue has to that finds its files after a crash.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/config.h"
#include "lib/digest.h"
#include "lib/mem.h"
#include "lib/store.h"
#include "lib/thread.h"

#define TRACE "Received: by pontoon\r\n"
enum { THREADS_MAX = 256, HOUR = 3600 * 1000, WARM_UP = 50 };

static const char *dir;
static size_t size;
static struct store *store;
static atomic_long wanted; /* how many may still be begun */
static atomic_bool over;
static int folder = -1;
static atomic_ulong serials;

struct worker {
    pthread_t thread;
    unsigned number;
    unsigned long made;
};

static _Noreturn void give_up(const char *what, const char *why)
{
    fprintf(stderr, "store_rate: %s: %s\n", what, why);
    exit(1);
}

static char *message_new(unsigned long serial)
{
    char *text = mem_alloc(size + 1);
    memset(text, 'x', size);
    for (size_t i = 78; i + 1 < size; i += 80)
        memcpy(text + i, "\r\n", 2);
    int n = snprintf(text, size, "Message-ID: <%lu.%d@bench.test>\r\n\r\n", serial, (int)getpid());
    text[n] = 'x';
    return text;
}

static void message_put(msec_t hold, char id[MESSAGE_ID_LEN + 1])
{
    struct error err = {0};
    struct envelope e;
    struct store_put_result result = {0};
    uint8_t digest[DIGEST_SIZE];
    unsigned long serial = atomic_fetch_add(&serials, 1);
    char *text = message_new(serial), queue_id[20], message_id[60];
    struct spool *spool = spool_new(store_incoming_dir(store), 1 << 20, UINT64_MAX);
    if (spool_add(spool, text, size, &err) != RESULT_OK || spool_finish(spool, &err) != RESULT_OK)
        give_up("spool", err.text);
    struct digest *d = digest_new();
    digest_add(d, TRACE, strlen(TRACE));
    digest_add(d, text, size);
    digest_finish(&d, digest);
    mem_free(&text);
    envelope_init(&e);
    e.sender = mem_strdup("alice@a.test");
    envelope_add_rcpt(&e, "bob@b.test", NULL, NULL);
    message_id_new(id);
    snprintf(queue_id, sizeof queue_id, "%011lX", serial);
    snprintf(message_id, sizeof message_id, "<%lu.%d@bench.test>", serial, (int)getpid());
    const struct store_message m = {.id = id,
                                    .queue_id = queue_id,
                                    .message_id = message_id,
                                    .client = "client.a.test [192.0.2.1]",
                                    .login = "alice",
                                    .envelope = &e,
                                    .trace = TRACE,
                                    .trace_len = strlen(TRACE),
                                    .size = strlen(TRACE) + size,
                                    .digest = digest,
                                    .hold = hold,
                                    .resubmission_window = HOUR,
                                    .expire_after = 24 * (msec_t)HOUR};
    if (store_put(store, &m, spool, &result, &err) != RESULT_OK)
        give_up("store_put", err.text);
    envelope_free(&e);
    spool_free(&spool);
}

static void file_put(unsigned worker, unsigned long n)
{
    char path[600];
    char *text = message_new(atomic_fetch_add(&serials, 1));
    snprintf(path, sizeof path, "%s/%u.%lu", dir, worker, n);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (fd < 0 || write(fd, text, size) != (ssize_t)size || fsync(fd) < 0 || close(fd) < 0)
        give_up(path, "can't be written");
    if (folder >= 0 && fsync(folder) < 0)
        give_up(dir, "can't be flushed");
    mem_free(&text);
}

static bool go_on(void)
{
    return !atomic_load(&over) && atomic_fetch_sub(&wanted, 1) > 0;
}

static void *put_in_store(void *arg)
{
    struct worker *w = arg;
    char id[MESSAGE_ID_LEN + 1];
    for (; go_on(); w->made++)
        message_put(HOUR, id);
    return NULL;
}

static void *put_in_files(void *arg)
{
    struct worker *w = arg;
    for (; go_on(); w->made++)
        file_put(w->number, w->made);
    return NULL;
}

/* What the disk can do at best: a block of a file that has its size already. */
static void *flush_only(void *arg)
{
    struct worker *w = arg;
    char path[600], block[4096];
    memset(block, 'x', sizeof block);
    snprintf(path, sizeof path, "%s/flush.%u", dir, w->number);
    int fd = open(path, O_CREAT | O_RDWR, 0600);
    for (int i = 0; fd >= 0 && i < 256; i++)
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
            give_up(path, "can't be written");
    for (; go_on(); w->made++)
        if (pwrite(fd, block, sizeof block, (off_t)(w->made % 256) * 4096) < 0 || fdatasync(fd) < 0)
            give_up(path, "can't be flushed");
    close(fd);
    return NULL;
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Returns how many a second. `seconds` 0: until `wanted` are made. */
static double run(void *(*work)(void *), unsigned threads, double seconds)
{
    static struct worker workers[THREADS_MAX];
    double begin = seconds_now();
    unsigned long made = 0;
    for (unsigned i = 0; i < threads; i++) {
        workers[i].number = i;
        if (thread_start(&workers[i].thread, work, &workers[i]) != 0)
            give_up("thread", "can't be started");
    }
    if (seconds > 0) {
        usleep((useconds_t)(seconds * 1e6));
        atomic_store(&over, true);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        made += workers[i].made;
    }
    return (double)made / (seconds_now() - begin);
}

static struct config *open_store(void)
{
    char text[700];
    struct error err = {0};
    struct config *config = NULL;
    snprintf(text, sizeof text, "store { directory = \"%s\" }\n", dir);
    if (config_parse(text, "bench", &config, &err) != RESULT_OK ||
        store_open(config, STORE_READ_WRITE, "bench", &store, &err) != RESULT_OK)
        give_up(dir, err.text);
    return config;
}

static void must(const char *what, enum result r, const struct error *err)
{
    if (r != RESULT_OK)
        give_up(what, err->text);
}

/* As pontoon-store serves it: noted before its first byte, and at its end. */
static void fetch(const char *id, const char *aud)
{
    static char piece[65536];
    struct error err = {0};
    struct store_body *body = NULL;
    enum store_access access;
    must("store_body_open", store_body_open(store, id, aud, &access, &body, &err), &err);
    must("store_fetch_begin", store_fetch_begin(store, id, aud, true, NULL, NULL, &err), &err);
    uint64_t at = 0;
    for (long n; (n = store_body_read(body, at, piece, sizeof piece, &err)) > 0; at += (uint64_t)n)
        ;
    if (at != size + strlen(TRACE))
        give_up("store_body_read", "a message has another size");
    must("store_fetch_end", store_fetch_end(store, id, aud, true, "127.0.0.1", NULL, NULL, &err), &err);
    store_body_close(&body);
}

/* A message's way through the store, with a look for what else is due. */
static void way(void)
{
    char id[MESSAGE_ID_LEN + 1];
    const char *ids = id;
    struct error err = {0};
    struct store_entries *list = NULL, *due = NULL;
    msec_t next;
    message_put(HOUR, id);
    must("store_claim_messages", store_claim_messages(store, &ids, 1, 60000, &list, &err), &err);
    if (list->n != 1 || list->entries[0].nrcpts != 1)
        give_up("store_claim_messages", "the message is not there");
    must("store_claim", store_claim(store, STORE_NOTIFY, 20, 60000, &due, &next, &err), &err);
    fetch(id, list->entries[0].rcpts[0].domain);
    const struct store_settlement s = {
        .rid = list->entries[0].rcpts[0].rid, .event = RCPT_EV_DELIVERED, .dsn = "2.0.0", .text = "250 2.0.0 Ok"};
    must("store_settle", store_settle(store, &s, 1, NULL, NULL, NULL, &err), &err);
    store_entries_free(&list);
    store_entries_free(&due);
}

/* Microseconds for each message: all, and of CPU. */
static void cycle(long count)
{
    for (int i = 0; i < WARM_UP; i++)
        way();
    double begin = seconds_now(), cpu = cpu_seconds();
    for (long i = 0; i < count; i++)
        way();
    printf("%.3f %.3f\n", (seconds_now() - begin) * 1e6 / (double)count, (cpu_seconds() - cpu) * 1e6 / (double)count);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(
            stderr,
            "usage: store_rate store|file|file-dir|flush DIR THREADS SECONDS SIZE | fill|cycle DIR THREADS COUNT SIZE\n");
        return 64;
    }
    const char *mode = argv[1];
    unsigned threads = (unsigned)atoi(argv[3]);
    double amount = atof(argv[4]);
    struct config *config = NULL;
    dir = argv[2];
    size = (size_t)atol(argv[5]);
    if (threads < 1 || threads > THREADS_MAX || size < 80 || amount <= 0)
        give_up("arguments", "1 to 256 threads, 80 bytes or more, and more than nothing");
    bool in_store = strcmp(mode, "store") == 0 || strcmp(mode, "fill") == 0 || strcmp(mode, "cycle") == 0;
    bool counted = strcmp(mode, "fill") == 0;
    atomic_store(&wanted, counted ? (long)amount : 1L << 40);
    if (in_store)
        config = open_store();
    if (strcmp(mode, "file-dir") == 0 && (folder = open(dir, O_RDONLY | O_DIRECTORY)) < 0)
        give_up(dir, "can't be opened");
    if (strcmp(mode, "cycle") == 0)
        cycle((long)amount);
    else
        printf("%.3f\n", run(in_store                     ? put_in_store
                             : strcmp(mode, "flush") == 0 ? flush_only
                                                          : put_in_files,
                             threads, counted ? 0 : amount));
    store_close(&store);
    config_free(&config);
    return 0;
}
