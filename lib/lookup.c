/* Look-up tables: see lookup.h. Here: which are open, whether they changed, and what is logged. */
#include "lib/lookup.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/lookup_type.h"
#include "lib/mem.h"

enum {
    VALUE_MAX = 1000,
    LOG_EVERY = 60 * 1000, /* ms, of one table's failure */
    /* Two changes within a tick of the kernel's clock have one mtime: what is read so soon after is read again. */
    MTIME_TICK = 100,
};

static const struct lookup_type *const types[] = {&lookup_type_cdb, &lookup_type_lmdb, &lookup_type_texthash,
                                                  &lookup_type_regexp, NULL};

/* Which version of a file. */
struct version {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
};

struct lookup {
    struct lookup *next; /* of all that are open */
    unsigned references; /* under `registry` */
    char *name, *path;
    const struct lookup_type *type;

    pthread_mutex_t lock; /* for all below */
    bool tried;           /* `version` was read: into `source`, or in vain (`failure`) */
    bool hasty;           /* so soon after its change that there may have been another */
    struct version version;
    void *source;
    struct error failure;
    bool failing;
    msec_t logged;
};

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static struct lookup *all;

/* ---- names ---- */

bool lookup_is_table(const char *word)
{
    size_t n = 0;
    while (isalnum((unsigned char)word[n]))
        n++;
    return n > 0 && word[n] == ':' && word[n + 1] == '/';
}

static const struct lookup_type *find_type(const char *name, size_t len)
{
    for (size_t i = 0; types[i] != NULL; i++) {
        if (strlen(types[i]->name) == len && memcmp(types[i]->name, name, len) == 0)
            return types[i];
    }
    return NULL;
}

const char *lookup_name(const struct lookup *l)
{
    return l->name;
}

bool lookup_takes_parts(const struct lookup *l)
{
    return l->type->takes_parts;
}

/* ---- the file ---- */

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static msec_t milliseconds(struct timespec t)
{
    return (msec_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool is_current(const struct lookup *l, const struct version *now)
{
    const struct version *v = &l->version;
    if (!l->tried || v->dev != now->dev || v->ino != now->ino)
        return false;
    if (l->type->edited_in_place && l->source != NULL)
        return true;
    if (l->hasty && clock_now() - milliseconds(now->mtime) > MTIME_TICK)
        return false;
    return v->size == now->size && same_time(v->mtime, now->mtime) && same_time(v->ctime, now->ctime);
}

static void drop_source(struct lookup *l)
{
    if (l->source != NULL)
        l->type->close(l->source);
    l->source = NULL;
    l->tried = false;
}

static enum result read_version(const struct lookup *l, struct version *v, struct error *err)
{
    struct stat st;
    if (stat(l->path, &st) != 0)
        return error_set(err, RESULT_TEMP, "%s: %s", l->path, strerror(errno));
    *v = (struct version){st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
    return RESULT_OK;
}

/* Makes `source` that of the file as it is now. */
static enum result refresh(struct lookup *l, struct error *err)
{
    struct version now = {0};
    enum result r = read_version(l, &now, err);
    if (r != RESULT_OK) {
        drop_source(l);
        return r;
    }
    if (!is_current(l, &now)) {
        bool again = l->tried;
        drop_source(l);
        l->tried = true;
        l->version = now; /* of before it was opened: if it changes meanwhile, the next look-up sees that */
        l->hasty = clock_now() - milliseconds(now.mtime) <= MTIME_TICK;
        if (l->type->open(l->path, &l->source, &l->failure) != RESULT_OK)
            l->source = NULL;
        else if (again)
            log_debug("table %s was read anew", l->name);
    }
    if (l->source == NULL && err != NULL)
        *err = l->failure;
    return l->source != NULL ? RESULT_OK : RESULT_TEMP;
}

/* ---- opening ---- */

static struct lookup *find_open(const char *name)
{
    for (struct lookup *l = all; l != NULL; l = l->next) {
        if (strcmp(l->name, name) == 0)
            return l;
    }
    return NULL;
}

static struct lookup *add(const char *name, const struct lookup_type *type)
{
    struct lookup *l = mem_zero(1, sizeof *l);
    l->name = mem_strdup(name);
    l->path = mem_printf("%s%s", strchr(name, ':') + 1, type->suffix);
    l->type = type;
    pthread_mutex_init(&l->lock, NULL);
    l->next = all;
    all = l;
    return l;
}

enum result lookup_open(const char *name, struct lookup **l_r, struct error *err)
{
    size_t len = strcspn(name, ":");
    const struct lookup_type *type = find_type(name, len);
    *l_r = NULL;
    if (type == NULL)
        return error_set(err, RESULT_PERM,
                         "%s: no table of type \"%.*s\" can be read: use cdb, lmdb, texthash or regexp", name, (int)len,
                         name);
    pthread_mutex_lock(&registry);
    struct lookup *l = find_open(name);
    if (l == NULL)
        l = add(name, type);
    l->references++;
    pthread_mutex_unlock(&registry);
    pthread_mutex_lock(&l->lock);
    enum result r = refresh(l, err);
    pthread_mutex_unlock(&l->lock);
    if (r == RESULT_OK)
        *l_r = l;
    else
        lookup_close(&l);
    return r;
}

static void unlink_from_all(struct lookup *l)
{
    struct lookup **at = &all;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
}

void lookup_close(struct lookup **l_p)
{
    struct lookup *l = *l_p;
    *l_p = NULL;
    if (l == NULL)
        return;
    pthread_mutex_lock(&registry);
    bool last = --l->references == 0;
    if (last)
        unlink_from_all(l);
    pthread_mutex_unlock(&registry);
    if (!last)
        return;
    drop_source(l);
    pthread_mutex_destroy(&l->lock);
    mem_free(&l->name);
    mem_free(&l->path);
    mem_free(&l);
}

/* ---- asking ---- */

static void log_state(struct lookup *l, enum result r, const struct error *err)
{
    msec_t now = clock_mono();
    if (r == RESULT_OK) {
        if (l->failing)
            log_info("table %s can be read again", l->name);
        l->failing = false;
        return;
    }
    if (l->failing && now - l->logged < LOG_EVERY)
        return;
    l->failing = true;
    l->logged = now;
    log_warning("table %s can't be read: %s; until it can, whoever would be looked up in it goes by SMTP (%s)", l->name,
                err->text,
                l->type->suffix[0] != '\0' ? "run postmap on it, and let this daemon's user read what that makes"
                                           : "correct the file, and let this daemon's user read it");
}

static enum lookup_answer judge_value(const struct buf *value)
{
    const char *v = buf_str(value);
    return strcasecmp(v, "dunno") == 0 || strcasecmp(v, "no") == 0 ? LOOKUP_EXCEPT : LOOKUP_FOUND;
}

enum lookup_answer lookup_find(struct lookup *l, const char *key, struct error *err)
{
    struct error failure;
    struct buf value = BUF_INIT(VALUE_MAX);
    bool found = false;
    pthread_mutex_lock(&l->lock);
    enum result r = refresh(l, &failure);
    if (r == RESULT_OK && (r = l->type->find(l->source, key, &value, &found, &failure)) != RESULT_OK)
        drop_source(l); /* to be opened anew the next time */
    log_state(l, r, &failure);
    pthread_mutex_unlock(&l->lock);
    enum lookup_answer answer = found ? judge_value(&value) : LOOKUP_NONE;
    buf_free(&value);
    if (r == RESULT_OK)
        return answer;
    error_set(err, RESULT_TEMP, "table %s can't be read: %s", l->name, failure.text);
    return LOOKUP_FAILED;
}
