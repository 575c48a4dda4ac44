/* The databases themselves: does each hold together. */
#include <sys/stat.h>

#include "ctl/access.h"
#include "ctl/check.h"
#include "lib/jobs.h"
#include "lib/store.h"

enum { VERIFY_WAIT = 5000 /* ms */ };

static void say(struct check *c, const char *what, enum result r, const struct error *err)
{
    if (r == RESULT_OK) {
        check_found(c->report, CHECK_OK, "the database of %s holds together", what);
    } else if (r == RESULT_TEMP || access_was_denied(err->text)) {
        check_found(c->report, CHECK_NOTE, "the database of %s was not looked through: %s", what, err->text);
    } else {
        check_found(c->report, CHECK_PROBLEM, "%s", err->text);
        check_advise(
            c->report,
            "stop the daemons, keep a copy of the directory, look at the disk, and restore it: doc/operations.md, chapter 7");
    }
}

/* That a store can't be opened, the check of the queue has said. */
void check_database(struct check *c)
{
    struct store *store = NULL;
    struct jobs *jobs = NULL;
    struct error err;
    struct stat st;
    if (stat(config_string(c->config, "store.directory"), &st) == 0 &&
        store_open(c->config, STORE_READ_ONLY, "check", &store, &err) == RESULT_OK)
        say(c, "the store", store_verify(store, VERIFY_WAIT, &err), &err);
    store_close(&store);
    if (stat(config_string(c->config, "bridge.directory"), &st) == 0) {
        enum result r = jobs_open(c->config, STORE_READ_ONLY, &jobs, &err);
        if (r == RESULT_OK)
            r = jobs_verify(jobs, VERIFY_WAIT, &err);
        say(c, "the bridge", r, &err);
    }
    if (jobs != NULL)
        jobs_close(&jobs);
}
