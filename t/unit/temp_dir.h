/* A directory for one test, with the paths in it. */
#ifndef PONTOON_TEMP_DIR_H
#define PONTOON_TEMP_DIR_H

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t/unit/test.h"

struct temp_dir {
    char dir[64];
    char path[400]; /* the last that temp_path() made */
};

static inline void temp_dir_make(struct temp_dir *t)
{
    snprintf(t->dir, sizeof t->dir, "/tmp/pontoon-test.XXXXXX");
    assert_non_null(mkdtemp(t->dir));
}

static inline const char *temp_path(struct temp_dir *t, const char *name)
{
    snprintf(t->path, sizeof t->path, "%s/%s", t->dir, name);
    return t->path;
}

static inline const char *temp_write(struct temp_dir *t, const char *name, const char *text, unsigned mode)
{
    FILE *f = fopen(temp_path(t, name), "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(t->path, mode), 0);
    return t->path;
}

static inline int temp_dir_count(const struct temp_dir *t)
{
    int n = 0;
    DIR *d = opendir(t->dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

/* Flat: it has no directories of its own but empty ones. */
static inline void temp_dir_remove(struct temp_dir *t)
{
    DIR *d = opendir(t->dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        temp_path(t, e->d_name);
        if (unlink(t->path) < 0)
            rmdir(t->path);
    }
    closedir(d);
    rmdir(t->dir);
}

#endif
