/*
 * How fast messages become durable: in pontoon's store, and, for comparison, as a file each, and as bare flushes of the disk.
 *
 *   store_rate store|file|file-dir|flush DIR THREADS SECONDS SIZE   prints how many a second
 *   store_rate fill DIR THREADS COUNT SIZE                          puts COUNT messages that wait for an hour to come
 *   store_rate cycle DIR 1 COUNT SIZE                               microseconds for a message's way through the store: put, claimed, settled
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
enum { THREADS_MAX = 256, HOUR = 3600 * 1000 };

static const char *dir;
static size_t size;
static struct store *store;
static atomic_long wanted; /* how many may still be begun */
static atomic_bool over;
static int folder = -1;

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

static char *message_new(void)
{
    static atomic_ulong serial;
    char *text = mem_alloc(size + 1);
    memset(text, 'x', size);
    for (size_t i = 78; i + 1 < size; i += 80)
        memcpy(text + i, "\r\n", 2);
    int n = snprintf(text, size, "Message-ID: <%lu@bench.test>\r\n\r\n", atomic_fetch_add(&serial, 1));
    text[n] = 'x';
    return text;
}

static void message_put(msec_t hold, char id[MESSAGE_ID_LEN + 1])
{
    struct error err = {0};
    struct envelope e;
    struct store_put_result result = {0};
    uint8_t digest[DIGEST_SIZE];
    char *text = message_new();
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
    const struct store_message m = {.id = id,
                                    .queue_id = "",
                                    .message_id = "",
                                    .client = "",
                                    .login = "",
                                    .envelope = &e,
                                    .trace = TRACE,
                                    .trace_len = strlen(TRACE),
                                    .size = strlen(TRACE) + size,
                                    .digest = digest,
                                    .hold = hold,
                                    .expire_after = 24 * (msec_t)HOUR};
    if (store_put(store, &m, spool, &result, &err) != RESULT_OK)
        give_up("store_put", err.text);
    envelope_free(&e);
    spool_free(&spool);
}

static void file_put(unsigned worker, unsigned long n)
{
    char path[600];
    char *text = message_new();
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

static void settle_delivered(const char *id)
{
    struct error err = {0};
    struct store_entries *list = NULL;
    if (store_claim_messages(store, &id, 1, 60000, &list, &err) != RESULT_OK || list->n != 1 ||
        list->entries[0].nrcpts != 1)
        give_up("store_claim_messages", err.text);
    struct store_settlement s = {.rid = list->entries[0].rcpts[0].rid, .event = RCPT_EV_DELIVERED, .dsn = "2.0.0"};
    if (store_settle(store, &s, 1, NULL, NULL, NULL, &err) != RESULT_OK)
        give_up("store_settle", err.text);
    store_entries_free(&list);
}

static double cycle(long count)
{
    char id[MESSAGE_ID_LEN + 1];
    double begin = seconds_now();
    for (long i = 0; i < count; i++) {
        message_put(HOUR, id);
        settle_delivered(id);
    }
    return (seconds_now() - begin) * 1e6 / (double)count;
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
        printf("%.3f\n", cycle((long)amount));
    else
        printf("%.3f\n", run(in_store                     ? put_in_store
                             : strcmp(mode, "flush") == 0 ? flush_only
                                                          : put_in_files,
                             threads, counted ? 0 : amount));
    store_close(&store);
    config_free(&config);
    return 0;
}
