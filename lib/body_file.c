/* Body files: see body_file.h. */
#include "lib/body_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/data_dir.h"
#include "lib/digest.h"
#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { FOLDERS = 256, FOLDERS_A_PIECE = 32 };

/* All at once and synced, so that adopting a file never has to care for its folder's own entry. */
enum result body_file_make_dirs(const char *dir, struct error *err)
{
    char *bodies = mem_printf("%s/bodies", dir);
    enum result r = data_dir_make(bodies, err);
    for (unsigned i = 0; r == RESULT_OK && i < FOLDERS; i++) {
        char *folder = mem_printf("%s/%02x", bodies, i);
        r = data_dir_make(folder, err);
        mem_free(&folder);
    }
    if (r == RESULT_OK)
        r = data_dir_sync(bodies, err);
    if (r == RESULT_OK)
        r = data_dir_sync(dir, err);
    mem_free(&bodies);
    return r;
}

static char *path_of(const char *dir, const char *name)
{
    return mem_printf("%s/bodies/%s", dir, name);
}

enum result body_file_adopt(const char *dir, const char *path, char name_r[BODY_FILE_NAME_MAX], struct error *err)
{
    char id[MESSAGE_ID_LEN + 1];
    message_id_new(id);
    snprintf(name_r, BODY_FILE_NAME_MAX, "%02x/%s", random_below(FOLDERS), id);
    char *to = path_of(dir, name_r);
    char *folder = mem_printf("%s/bodies/%.2s", dir, name_r);
    enum result r = RESULT_OK;
    if (FAILPOINT(body_rename) || rename(path, to) < 0)
        r = data_dir_fail("move a body to", to, err);
    else if (FAILPOINT(body_folder_sync))
        r = data_dir_fail("sync", folder, err);
    else
        r = data_dir_sync(folder, err);
    (void)FAILPOINT(body_adopted);
    mem_free(&folder);
    mem_free(&to);
    return r;
}

int body_file_open(const char *dir, const char *name, bool *missing_r, struct error *err)
{
    char *path = path_of(dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    *missing_r = fd < 0 && errno == ENOENT;
    if (fd < 0)
        data_dir_fail("open the body", path, err);
    mem_free(&path);
    return fd;
}

void body_file_remove(const char *dir, const char *name)
{
    char *path = path_of(dir, name);
    if ((FAILPOINT(body_remove) || unlink(path) < 0) && errno != ENOENT)
        log_warning("cannot remove the body %s: %s", path, strerror(errno));
    mem_free(&path);
}

/* When the file came here: rename sets st_ctime. */
static bool is_older(DIR *d, const char *name, msec_t before)
{
    struct stat st;
    if (fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return false;
    return (msec_t)st.st_ctim.tv_sec * 1000 + st.st_ctim.tv_nsec / 1000000 < before;
}

static enum result sweep_folder(const char *dir, unsigned folder, msec_t before, size_t *room, body_file_known *known,
                                void *arg, struct error *err)
{
    char *path = mem_printf("%s/bodies/%02x", dir, folder);
    DIR *d = opendir(path);
    enum result r = d == NULL ? data_dir_fail("read", path, err) : RESULT_OK;
    mem_free(&path);
    const struct dirent *e;
    while (r == RESULT_OK && d != NULL && *room > 0 && (e = readdir(d)) != NULL) {
        char name[BODY_FILE_NAME_MAX];
        bool is_known = true;
        if (strlen(e->d_name) != MESSAGE_ID_LEN || !is_older(d, e->d_name, before))
            continue;
        snprintf(name, sizeof name, "%02x/%.26s", folder, e->d_name);
        r = known(arg, name, &is_known, err);
        if (r != RESULT_OK || is_known)
            continue;
        log_info("removing body file %s, which no message has: left by a crash", name);
        body_file_remove(dir, name);
        --*room;
    }
    if (d != NULL)
        closedir(d);
    return r;
}

enum result body_file_sweep(const char *dir, struct body_file_sweep *sweep, msec_t before, size_t max,
                            body_file_known *known, void *arg, struct error *err)
{
    enum result r = RESULT_OK;
    for (int i = 0; r == RESULT_OK && i < FOLDERS_A_PIECE && sweep->folder < FOLDERS; i++) {
        r = sweep_folder(dir, sweep->folder, before, &max, known, arg, err);
        if (max == 0)
            return r; /* this folder again */
        sweep->folder++;
    }
    sweep->done = sweep->folder == FOLDERS;
    return r;
}

void body_file_clear_stale(const char *incoming, msec_t before)
{
    DIR *d = opendir(incoming);
    if (d == NULL)
        return;
    const struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        if (is_older(d, e->d_name, before) && unlinkat(dirfd(d), e->d_name, 0) == 0)
            log_info("removing %s/%s, left by a crash", incoming, e->d_name);
    }
    closedir(d);
}
