/*
 * `pontoon keys`: makes and lists the Ed25519 keys that sign notifications. The first key becomes store.signing-key;
 * later ones go to store.published-keys, to be published before they sign. Nothing is ever overwritten.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/show.h"
#include "ctl/site.h"
#include "lib/jws.h"
#include "lib/mem.h"

enum { KEYS_PER_DAY_MAX = 99 };

/* ---- make ---- */

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 || errno != ENOENT;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

/* Where the next key goes: "DIRECTORY/YYYYMMDD.pem", or "…-N.pem"; NULL when a day has had too many. */
static char *next_name(const char *directory)
{
    char date[16];
    time_t now = (time_t)(clock_now() / 1000);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(date, sizeof date, "%Y%m%d", &tm);
    for (int i = 1; i <= KEYS_PER_DAY_MAX; i++) {
        char *path = i == 1 ? mem_printf("%s/%s.pem", directory, date) : mem_printf("%s/%s-%d.pem", directory, date, i);
        if (!exists(path))
            return path;
        mem_free(&path);
    }
    return NULL;
}

/* As root, a key gets the owner of its folder: that is whom the admin has given the keys to. */
static int give_to_owner(const char *path, const char *folder)
{
    struct stat st;
    if (geteuid() != 0)
        return EX_OK;
    if (stat(folder, &st) != 0 || chown(path, st.st_uid, st.st_gid) != 0)
        return ctl_error(EX_OSERR, "the key %s is made, but can't be given to the owner of %s: %s", path, folder,
                         strerror(errno));
    return EX_OK;
}

static int make_key(const char *path)
{
    struct jws_key *key = NULL;
    struct error err;
    char *folder = folder_of(path);
    int code = EX_OK;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        code = ctl_error(EX_CANTCREAT, "make the folder %s: %s", folder, strerror(errno));
    else if (jws_key_generate(path, &key, &err) != RESULT_OK)
        code = ctl_error(EX_CANTCREAT, "%s", err.text);
    else
        code = give_to_owner(path, folder);
    if (key != NULL) {
        printf("%s  %s\n", jws_key_kid(key), path);
        jws_key_free(&key);
    }
    mem_free(&folder);
    return code;
}

static int make_first(const struct config *config)
{
    int code = make_key(config_string(config, "store.signing-key"));
    if (code == EX_OK)
        puts("It signs from now on: (re)start pontoon-store.");
    return code;
}

static int make_next(const struct config *config)
{
    char age[SHOW_AGE_SIZE];
    char *path = next_name(config_string(config, "store.published-keys"));
    if (path == NULL)
        return ctl_error(EX_CANTCREAT, "%s already has %d keys of today", config_string(config, "store.published-keys"),
                         KEYS_PER_DAY_MAX);
    int code = make_key(path);
    if (code == EX_OK)
        printf("It does not sign yet. To rotate: reload pontoon-store (it publishes the key), change the id in the\n"
               "TXT record, wait for policy.max-age (%s), set store.signing-key to the new file, reload, and remove\n"
               "the old file when that time has passed once more.\n",
               show_age(config_time(config, "policy.max-age"), age));
    mem_free(&path);
    return code;
}

static int make(const struct config *config)
{
    return exists(config_string(config, "store.signing-key")) ? make_next(config) : make_first(config);
}

/* ---- list ---- */

struct listing {
    struct show_table *table; /* one of these two is NULL */
    json_t *json;
    bool seen_signing;
    int code;
};

static json_t *key_json(const struct jws_key *key, const char *use, msec_t made, const char *path)
{
    json_t *o = json_object();
    json_object_set_new(o, "kid", json_string(jws_key_kid(key)));
    json_object_set_new(o, "use", json_string(use));
    json_object_set_new(o, "made", show_json_when(made));
    json_object_set_new(o, "file", show_json_text(path));
    return o;
}

static void list_key(struct listing *l, const char *path, bool signs)
{
    struct jws_key *key = NULL;
    struct error err;
    struct stat st;
    char when[SHOW_WHEN_SIZE];
    if (jws_key_load(path, &key, &err) != RESULT_OK) {
        l->code = ctl_error(EX_UNAVAILABLE, "%s", err.text);
        return;
    }
    msec_t made = stat(path, &st) == 0 ? (msec_t)st.st_mtime * 1000 : 0;
    const char *use = signs ? "signs" : "published";
    if (l->json != NULL)
        json_array_append_new(l->json, key_json(key, use, made, path));
    else
        show_table_add(l->table, (const char *[]){jws_key_kid(key), use, show_when(made, when), path});
    jws_key_free(&key);
}

static int is_key_file(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 4 && e->d_name[0] != '.' && strcmp(e->d_name + n - 4, ".pem") == 0;
}

static void list_directory(struct listing *l, const char *directory, const char *signing)
{
    struct dirent **files = NULL;
    int n = scandir(directory, &files, is_key_file, alphasort);
    if (n < 0 && errno != ENOENT)
        l->code = ctl_error(EX_NOPERM, "store.published-keys %s: %s", directory, strerror(errno));
    for (int i = 0; i < n; i++) {
        char *path = mem_printf("%s/%s", directory, files[i]->d_name);
        bool signs = strcmp(path, signing) == 0;
        l->seen_signing |= signs;
        list_key(l, path, signs);
        mem_free(&path);
        free(files[i]);
    }
    free(files);
}

static int list(const struct config *config, bool json)
{
    struct listing l = {.table = json ? NULL : show_table_new(4), .json = json ? json_array() : NULL, .code = EX_OK};
    const char *signing = config_string(config, "store.signing-key");
    list_directory(&l, config_string(config, "store.published-keys"), signing);
    if (!l.seen_signing && exists(signing))
        list_key(&l, signing, true);
    else if (!l.seen_signing)
        l.code = ctl_error(EX_UNAVAILABLE, "there is no signing key %s: run pontoon keys make", signing);
    if (json)
        show_json_document(stdout, l.json);
    else
        show_table_print(&l.table, stdout, 0);
    return l.code;
}

int ctl_keys(const struct ctl *ctl)
{
    const char *verb = ctl->args[0];
    bool wants_list = strcmp(verb, "list") == 0;
    bool json = ctl->options & CTL_JSON;
    if (!wants_list && (strcmp(verb, "make") != 0 || json))
        return ctl_error(EX_USAGE, "usage: pontoon [-c FILE] keys make, or keys list [--json]");
    struct config *config = NULL;
    int code = site_config(ctl->config_files[0], &config);
    if (code != EX_OK)
        return code;
    code = wants_list ? list(config, json) : make(config);
    config_free(&config);
    return code;
}
