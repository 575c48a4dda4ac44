/* Replay at a milter: see milter_run.h. Threads take messages from one input, in turn. */
#include "ctl/replay/milter_run.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl/latency.h"
#include "ctl/replay/milter_session.h"
#include "ctl/replay/whole_file.h"
#include "ctl/show.h"
#include "lib/json.h"
#include "lib/mem.h"

enum { SCRIPTS_MAX = 64, SCRIPT_BYTES_MAX = 65536, FAILURES_MAX = 50, EXIT_NOT_GOOD = 1 };

/* What came of one script. */
struct tally {
    const struct milter_script *script;
    uint64_t sessions, failed, verdicts[MILTER_VERDICTS], changed, refused_rcpts;
    struct latency latency;
};

struct failure {
    char *script, *origin, *what;
};

struct milter_work {
    const struct options *o;
    struct milter_script *scripts[SCRIPTS_MAX];
    struct tally tallies[SCRIPTS_MAX];
    size_t nscripts;
    pthread_mutex_t lock; /* of all that follows */
    struct input *input;
    uint64_t messages, unsendable;
    struct failure failures[FAILURES_MAX];
    size_t nfailures;
};

/* ---- scripts ---- */

static enum result add_script(struct milter_work *w, const char *name, const char *text, struct error *err)
{
    if (w->nscripts == SCRIPTS_MAX)
        return error_set(err, RESULT_PERM, "more than %d scripts", SCRIPTS_MAX);
    enum result r = milter_script_parse(name, text, &w->scripts[w->nscripts], err);
    if (r == RESULT_OK) {
        w->tallies[w->nscripts].script = w->scripts[w->nscripts];
        w->nscripts++;
    }
    return r;
}

static enum result add_file(struct milter_work *w, const char *path, struct error *err)
{
    char *text = mem_zero(1, SCRIPT_BYTES_MAX + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, SCRIPT_BYTES_MAX);
    enum result r =
        n >= 0 ? RESULT_OK
               : error_set(err, RESULT_PERM, "%s: %s (and no built-in script has this name)", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (r == RESULT_OK)
        r = add_script(w, path, text, err);
    mem_free(&text);
    return r;
}

static enum result add_scripts(struct milter_work *w, struct error *err)
{
    enum result r = RESULT_OK;
    const char *const *wanted = w->o->milter_scripts;
    for (size_t i = 0; i < w->o->nmilter_scripts && r == RESULT_OK; i++) {
        const char *name = wanted[i], *text = milter_script_text(name);
        if (strcmp(name, "all") == 0) {
            for (size_t k = 0; r == RESULT_OK && (name = milter_script_name(k)) != NULL; k++)
                r = add_script(w, name, milter_script_text(name), err);
        } else {
            r = text != NULL ? add_script(w, name, text, err) : add_file(w, name, err);
        }
    }
    return r == RESULT_OK && w->nscripts == 0 ? add_script(w, "postfix", milter_script_text("postfix"), err) : r;
}

/* ---- messages ---- */

static void add_failure(struct milter_work *w, const char *script, const char *origin, const char *what)
{
    if (w->nfailures < FAILURES_MAX)
        w->failures[w->nfailures++] = (struct failure){mem_strdup(script), mem_strdup(origin), mem_strdup(what)};
}

/* The next message with its envelope, copied. False: no more. */
static bool take_message(struct milter_work *w, struct milter_message *m_r, struct envelope *e_r, char **origin_r)
{
    struct input_message in;
    struct error err;
    size_t left_out;
    while ((w->o->limit == 0 || w->messages < w->o->limit) && input_next(w->input, &in)) {
        envelope_init(e_r);
        if (in.reason == NULL && mapping_envelope(w->o->mapping, in.bytes, in.len, in.from_sender, in.number, e_r,
                                                  &left_out, &err) == RESULT_OK) {
            w->messages++;
            *m_r = (struct milter_message){in.number, mem_dup(in.bytes, in.len), in.len, e_r, w->o->client};
            *origin_r = mem_strdup(in.origin);
            return true;
        }
        envelope_free(e_r);
        w->unsendable++;
        add_failure(w, "", in.origin, in.reason != NULL ? in.reason : err.text);
    }
    return false;
}

static void count(struct milter_work *w, struct tally *t, const char *origin, enum result result,
                  struct milter_outcome *o, const struct error *err)
{
    t->sessions++;
    if (result == RESULT_OK) {
        t->verdicts[o->verdict]++;
        t->changed += o->nchanges > 0;
        t->refused_rcpts += o->refused_rcpts;
        latency_add(&t->latency, o->took);
    } else {
        t->failed++;
        add_failure(w, t->script->name, origin, err->text);
    }
    mem_free(&o->changes);
}

static void *work(void *arg)
{
    struct milter_work *w = arg;
    struct milter_message m;
    struct envelope e;
    char *origin;
    pthread_mutex_lock(&w->lock);
    while (take_message(w, &m, &e, &origin)) {
        for (size_t i = 0; i < w->nscripts; i++) {
            struct milter_outcome o;
            struct error err;
            pthread_mutex_unlock(&w->lock);
            enum result r = milter_session_run(w->o->milter, w->o->timeout, w->scripts[i], &m, &o, &err);
            pthread_mutex_lock(&w->lock);
            count(w, &w->tallies[i], origin, r, &o, &err);
        }
        char *bytes = (char *)m.bytes;
        mem_free(&bytes);
        mem_free(&origin);
        envelope_free(&e);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void run_threads(struct milter_work *w)
{
    pthread_t *threads = mem_zero(w->o->concurrency, sizeof *threads);
    size_t n = 0;
    while (n < w->o->concurrency && pthread_create(&threads[n], NULL, work, w) == 0)
        n++;
    if (n == 0)
        work(w);
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    mem_free(&threads);
}

/* ---- what came of it ---- */

static void show(const struct milter_work *w)
{
    static const char *const head[] = {"script",  "sessions", "continue", "accept",
                                       "refused", "discard",  "changed",  "failed"};
    struct show_table *t = show_table_new(8);
    show_table_add(t, head);
    for (size_t i = 0; i < w->nscripts; i++) {
        const struct tally *y = &w->tallies[i];
        char cells[7][24];
        const uint64_t numbers[7] = {y->sessions,
                                     y->verdicts[MILTER_CONTINUE],
                                     y->verdicts[MILTER_ACCEPT],
                                     y->verdicts[MILTER_REJECT] + y->verdicts[MILTER_TEMPFAIL],
                                     y->verdicts[MILTER_DISCARD],
                                     y->changed,
                                     y->failed};
        const char *row[8] = {y->script->name};
        for (size_t k = 0; k < 7; k++) {
            snprintf(cells[k], sizeof cells[k], "%llu", (unsigned long long)numbers[k]);
            row[k + 1] = cells[k];
        }
        show_table_add(t, row);
    }
    printf("%llu messages, %llu can't be sent\n", (unsigned long long)w->messages, (unsigned long long)w->unsendable);
    show_table_print(&t, stdout, 2);
    for (size_t i = 0; i < w->nfailures; i++) {
        const struct failure *f = &w->failures[i];
        fputs("  ", stdout);
        show_text(stdout, f->origin);
        fputs(": ", stdout);
        show_text(stdout, f->what);
        fputc('\n', stdout);
    }
}

static json_t *as_json(const struct milter_work *w)
{
    json_t *scripts = json_array(), *failures = json_array();
    for (size_t i = 0; i < w->nscripts; i++) {
        const struct tally *y = &w->tallies[i];
        json_t *verdicts = json_object();
        for (int v = 0; v < MILTER_VERDICTS; v++)
            json_object_set_new(verdicts, milter_verdict_name((enum milter_verdict)v),
                                json_integer((json_int_t)y->verdicts[v]));
        json_array_append_new(
            scripts, json_pack("{s:o,s:I,s:I,s:I,s:I,s:o,s:I,s:I}", "script", json_string_lossy(y->script->name),
                               "sessions", (json_int_t)y->sessions, "failed", (json_int_t)y->failed, "changed",
                               (json_int_t)y->changed, "recipients_refused", (json_int_t)y->refused_rcpts, "verdicts",
                               verdicts, "p50_ms", (json_int_t)latency_percentile(&y->latency, 50), "p99_ms",
                               (json_int_t)latency_percentile(&y->latency, 99)));
    }
    for (size_t i = 0; i < w->nfailures; i++)
        json_array_append_new(failures, json_pack("{s:o,s:o,s:o}", "script", show_json_text(w->failures[i].script),
                                                  "origin", show_json_text(w->failures[i].origin), "what",
                                                  show_json_text(w->failures[i].what)));
    return json_pack("{s:I,s:I,s:o,s:o}", "messages", (json_int_t)w->messages, "unsendable", (json_int_t)w->unsendable,
                     "scripts", scripts, "failures", failures);
}

static void write_json(const void *w, FILE *out)
{
    show_json_document(out, as_json(w));
}

static void free_work(struct milter_work *w)
{
    for (size_t i = 0; i < w->nscripts; i++)
        milter_script_free(&w->scripts[i]);
    for (size_t i = 0; i < w->nfailures; i++) {
        mem_free(&w->failures[i].script);
        mem_free(&w->failures[i].origin);
        mem_free(&w->failures[i].what);
    }
    input_free(&w->input);
    pthread_mutex_destroy(&w->lock);
    mem_free(&w);
}

int milter_run(const struct options *o)
{
    struct milter_work *w = mem_zero(1, sizeof *w);
    struct error err;
    int code = EX_OK;
    w->o = o;
    pthread_mutex_init(&w->lock, NULL);
    w->input = input_new(&o->input, o->sources, o->nsources);
    if (add_scripts(w, &err) != RESULT_OK) {
        fprintf(stderr, "pontoon-replay: %s\n", err.text);
        code = EX_USAGE;
    } else {
        run_threads(w);
        bool good = w->messages > 0 && w->nfailures == 0;
        if (o->json == NULL || strcmp(o->json, "-") != 0)
            show(w);
        if (o->json != NULL)
            code = whole_file_write(o->json, write_json, w);
        if (code == EX_OK && !good)
            code = EXIT_NOT_GOOD;
    }
    free_work(w);
    return code;
}
