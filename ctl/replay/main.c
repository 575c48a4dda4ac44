/* pontoon-replay: real mail through a site, and proof of what arrived. The command line, the journal, the report. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl/replay/milter_run.h"
#include "ctl/replay/options.h"
#include "ctl/replay/report.h"
#include "ctl/replay/run.h"
#include "ctl/replay/whole_file.h"
#include "ctl/show.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { EXIT_NOT_GOOD = 1 }; /* it ran, and not all is well */

static int complain(const struct error *err)
{
    fprintf(stderr, "pontoon-replay: %s\n", err->text);
    return err->result == RESULT_TEMP ? EX_TEMPFAIL : EX_CANTCREAT;
}

/* What the library logs goes to the terminal as plainly as our own errors. */
static void show_line(enum log_level level, const char *text)
{
    if (level >= LOG_LEVEL_WARNING)
        fprintf(stderr, "pontoon-replay: %s\n", text);
}

/* The folder of the journal: as told, or one of our own that goes when all is well. To mem_free(); NULL: said why. */
static char *journal_folder(const struct options *o, bool *ours_r)
{
    *ours_r = o->journal == NULL;
    if (o->journal != NULL) {
        if (mkdir(o->journal, 0700) == 0 || errno == EEXIST)
            return mem_strdup(o->journal);
        fprintf(stderr, "pontoon-replay: %s: %s\n", o->journal, strerror(errno));
        return NULL;
    }
    const char *tmp = getenv("TMPDIR");
    char *folder = mem_printf("%s/pontoon-replay-XXXXXX", tmp != NULL && tmp[0] == '/' ? tmp : "/tmp");
    if (mkdtemp(folder) != NULL)
        return folder;
    fprintf(stderr, "pontoon-replay: %s: %s\n", folder, strerror(errno));
    mem_free(&folder);
    return NULL;
}

static void remove_folder(const char *folder)
{
    static const char *const names[] = {"journal.db", "journal.db-wal", "journal.db-shm"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = mem_printf("%s/%s", folder, names[i]);
        unlink(path);
        mem_free(&path);
    }
    if (rmdir(folder) != 0 && (errno == ENOTEMPTY || errno == EEXIST))
        fprintf(stderr, "pontoon-replay: altered messages, as they arrived, are in %s\n", folder);
}

static void write_json(const void *report, FILE *out)
{
    show_json_document(out, report_json(report));
}

static void write_html(const void *report, FILE *out)
{
    report_html(report, out);
}

static int write_reports(const struct options *o, const struct report *r)
{
    int code = EX_OK, html = EX_OK;
    bool on_stdout = (o->json != NULL && strcmp(o->json, "-") == 0) || (o->html != NULL && strcmp(o->html, "-") == 0);
    report_show(r, on_stdout ? stderr : stdout);
    if (o->json != NULL)
        code = whole_file_write(o->json, write_json, r);
    if (o->html != NULL)
        html = whole_file_write(o->html, write_html, r);
    if (code != EX_OK || html != EX_OK)
        return code != EX_OK ? code : html;
    return report_is_good(r) ? EX_OK : EXIT_NOT_GOOD;
}

static int replay(const struct options *o, struct ledger *ledger, const char *folder, bool *keep_r)
{
    struct run_end end;
    struct error err;
    *keep_r = false;
    if (run(o, ledger, folder, &end, &err) != RESULT_OK)
        return complain(&err);
    struct report *r = mem_zero(1, sizeof *r);
    int code = report_make(ledger, o, r, &err) == RESULT_OK ? EX_OK : complain(&err);
    r->skipped = end.skipped;
    if (code == EX_OK)
        code = write_reports(o, r);
    report_free(r);
    mem_free(&r);
    if (end.skipped > 0)
        fprintf(stderr, "pontoon-replay: %llu files were not read, as they are no mail by their names, such as %s\n",
                (unsigned long long)end.skipped, end.example);
    if (end.interrupted) {
        fprintf(stderr, "pontoon-replay: interrupted; to go on: the same command with --journal %s --resume\n", folder);
        *keep_r = true;
    }
    return end.interrupted && code == EX_OK ? EXIT_NOT_GOOD : code;
}

int main(int argc, char **argv)
{
    struct options o;
    struct ledger *ledger = NULL;
    struct error err;
    int code = EX_OK;
    bool ours, keep = false;
    log_set_hook(show_line);
    if (!options_read(argc, argv, &o, &code)) {
        options_free(&o);
        return code;
    }
    if (o.milter != NULL) {
        code = milter_run(&o);
        options_free(&o);
        return code;
    }
    char *folder = journal_folder(&o, &ours);
    if (folder == NULL) {
        options_free(&o);
        return EX_CANTCREAT;
    }
    char *path = mem_printf("%s/journal.db", folder);
    code = ledger_open(path, &ledger, &err) == RESULT_OK ? replay(&o, ledger, folder, &keep) : complain(&err);
    ledger_close(&ledger);
    if (ours && !keep)
        remove_folder(folder);
    mem_free(&path);
    mem_free(&folder);
    options_free(&o);
    return code;
}
