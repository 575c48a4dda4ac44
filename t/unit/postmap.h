/* Tables made by the real postmap(1), with a main.cf of their own. */
#ifndef PONTOON_TEST_POSTMAP_H
#define PONTOON_TEST_POSTMAP_H

#include "t/unit/temp_dir.h"

/* Writes `text` to NAME in the directory and makes TYPE:NAME of it. False: no postmap here, or not for this type. */
static inline bool postmap(struct temp_dir *t, const char *type, const char *name, const char *text)
{
    char command[1000];
    temp_write(t, "main.cf", "compatibility_level = 3.6\n", 0644);
    temp_write(t, "master.cf", "", 0644);
    temp_write(t, name, text, 0644);
    snprintf(command, sizeof command, "PATH=$PATH:/usr/sbin postmap -c %s %s:%s >%s/postmap.log 2>&1", t->dir, type,
             t->path, t->dir);
    return system(command) == 0;
}

/* "TYPE:PATH" of a table in the directory. */
static inline const char *table_name(struct temp_dir *t, const char *type, const char *name)
{
    static char spec[500];
    snprintf(spec, sizeof spec, "%s:%s", type, temp_path(t, name));
    return spec;
}

#endif
