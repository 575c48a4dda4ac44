/* A store in a directory of its own, and short ways to put letters into it. */
#ifndef PONTOON_STORE_FIXTURE_H
#define PONTOON_STORE_FIXTURE_H

#include <ftw.h>
#include <unistd.h>

#include "t/unit/test.h"

#include "lib/digest.h"
#include "lib/mem.h"
#include "lib/store_sqlite.h"

struct site {
    char dir[64];
    char conf[400];
    struct config *config;
    struct store *store;
};

static msec_t test_time = 1700000000000;

static inline msec_t test_clock(void)
{
    return test_time;
}

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static inline void remove_tree(const char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline struct store *site_open(const struct site *s, enum store_mode mode, const char *node)
{
    struct error err = {0};
    struct store *store = NULL;
    if (store_open(s->config, mode, node, &store, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return store;
}

static inline void site_configure(struct site *s, const char *more)
{
    struct error err = {0};
    snprintf(s->conf, sizeof s->conf,
             "store { directory = \"%s/store\"\n %s }\nbridge { directory = \"%s/bridge\"\n }\n", s->dir, more, s->dir);
    if (config_parse(s->conf, "test.conf", &s->config, &err) != RESULT_OK)
        fail_msg("%s", err.text);
}

static inline void site_make(struct site *s, const char *more)
{
    *s = (struct site){0};
    snprintf(s->dir, sizeof s->dir, "%s/pontoon-test.XXXXXX", getenv("TEST_DIR") ? getenv("TEST_DIR") : "/tmp");
    assert_non_null(mkdtemp(s->dir));
    site_configure(s, more);
    s->store = site_open(s, STORE_READ_WRITE, "node1");
}

static inline void site_remove(struct site *s)
{
    store_close(&s->store);
    config_free(&s->config);
    remove_tree(s->dir);
    clock_set_source(NULL);
}

struct letter {
    const char *sender;   /* default a@a.test */
    const char *rcpts[6]; /* default b@b.test */
    const char *body;     /* default "Hello" */
    size_t body_len;      /* 0: strlen */
    const char *message_id, *client, *queue_id;
    msec_t hold, window;
    size_t memory;            /* of the spool; 0: plenty */
    const char *returning[6]; /* reasons, or NULL */
    bool shadow, unique_bytes;
    struct store_put_result result;
};

#define TEST_TRACE "Received: by pontoon\r\n"

static inline struct spool *letter_spool(struct store *store, const struct letter *l, uint8_t digest[DIGEST_SIZE],
                                         size_t *len_r)
{
    struct error err = {0};
    const char *body = l->body ? l->body : "Hello";
    size_t len = l->body_len || l->body == NULL ? l->body_len : strlen(l->body);
    if (l->body == NULL)
        len = strlen(body);
    struct spool *spool = spool_new(store_incoming_dir(store), l->memory ? l->memory - 1 : 1 << 24, UINT64_MAX);
    if (spool_add(spool, body, len, &err) != RESULT_OK || spool_finish(spool, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    struct digest *d = digest_new();
    digest_add(d, TEST_TRACE, strlen(TEST_TRACE));
    digest_add(d, body, len);
    digest_finish(&d, digest);
    *len_r = len;
    return spool;
}

/* With this body; the id, to mem_free(); NULL with the error set. */
static inline char *try_put_spool(struct store *store, struct letter *l, struct spool *spool,
                                  const uint8_t digest[DIGEST_SIZE], struct error *err)
{
    struct envelope e;
    char id[MESSAGE_ID_LEN + 1];
    envelope_init(&e);
    e.sender = mem_strdup(l->sender ? l->sender : "a@a.test");
    envelope_add_rcpt(&e, l->rcpts[0] ? l->rcpts[0] : "b@b.test", NULL, NULL);
    for (int i = 1; i < 6 && l->rcpts[i] != NULL; i++)
        envelope_add_rcpt(&e, l->rcpts[i], "FAILURE", "rfc822;x@y.test");
    message_id_new(id);
    const struct store_message m = {
        .id = id,
        .queue_id = l->queue_id ? l->queue_id : "",
        .message_id = l->message_id ? l->message_id : "",
        .client = l->client ? l->client : "",
        .login = "",
        .envelope = &e,
        .returning = l->returning,
        .unique_bytes = l->unique_bytes,
        .trace = TEST_TRACE,
        .trace_len = strlen(TEST_TRACE),
        .size = strlen(TEST_TRACE) + spool_size(spool),
        .digest = digest,
        .hold = l->hold,
        .resubmission_window = l->window,
        .expire_after = 1000000,
        .shadow = l->shadow,
    };
    enum result r = store_put(store, &m, spool, &l->result, err);
    envelope_free(&e);
    return r == RESULT_OK ? mem_strdup(id) : NULL;
}

static inline char *try_put(struct store *store, struct letter *l, struct error *err)
{
    uint8_t digest[DIGEST_SIZE];
    size_t len = 0;
    struct spool *spool = letter_spool(store, l, digest, &len);
    char *id = try_put_spool(store, l, spool, digest, err);
    spool_free(&spool);
    return id;
}

static inline char *put(struct store *store, struct letter *l)
{
    struct error err = {0};
    char *id = try_put(store, l, &err);
    if (id == NULL)
        fail_msg("%s", err.text);
    return id;
}

static inline struct store_entries *find(struct store *store, const char *what)
{
    struct store_entries *list = NULL;
    struct error err = {0};
    if (store_find(store, what, 100, &list, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return list;
}

/* The rid of the recipient number i of a message. */
static inline int64_t rid_of(struct store *store, const char *id, size_t i)
{
    struct store_entries *list = find(store, id);
    assert_int_equal(list->n, 1);
    assert_true(i < list->entries[0].nrcpts);
    int64_t rid = list->entries[0].rcpts[i].rid;
    store_entries_free(&list);
    return rid;
}

static inline struct store_rcpt rcpt_of(struct store *store, const char *id, size_t i)
{
    struct store_entries *list = find(store, id);
    assert_int_equal(list->n, 1);
    struct store_rcpt r = list->entries[0].rcpts[i]; /* numbers only: the strings go */
    store_entries_free(&list);
    return r;
}

/* Whether it changed anything. */
static inline bool settle_next(struct store *store, int64_t rid, enum rcpt_event event, msec_t next)
{
    struct error err = {0};
    bool changed = false;
    struct store_settlement s = {
        .rid = rid, .event = event, .text = "because", .peer = "peer[1]:1", .next = next, .dsn = "2.0.0"};
    if (store_settle(store, &s, 1, &changed, NULL, NULL, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return changed;
}

static inline bool settle(struct store *store, int64_t rid, enum rcpt_event event)
{
    return settle_next(store, rid, event, 0);
}

static inline struct store_stats stats_of(struct store *store)
{
    struct store_stats stats;
    struct error err = {0};
    if (store_stats(store, &stats, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return stats;
}

static int count_of_files;
static inline int count_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)path, (void)ftw;
    count_of_files += flag == FTW_F && S_ISREG(st->st_mode);
    return 0;
}

/* Regular files below SITE/store/NAME. */
static inline int files_below(const struct site *s, const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/store/%s", s->dir, name);
    count_of_files = 0;
    nftw(path, count_one, 16, FTW_PHYS);
    return count_of_files;
}

#endif
