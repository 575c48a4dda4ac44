/* For tables of malformed documents: a good one with one member replaced, added or removed. */
#ifndef PONTOON_JSON_MUTATE_H
#define PONTOON_JSON_MUTATE_H

#include <jansson.h>

#include "t/unit/test.h"

/* One step of a path: the name or "[index]" at *path, which moves behind it. */
static inline json_t *mutate_step(json_t *j, const char **path, char *name, size_t size)
{
    size_t len = **path == '[' ? strcspn(*path, "]") + 1 : strcspn(*path, ".[");
    assert_true(len < size);
    memcpy(name, *path, len);
    name[len] = '\0';
    *path += len;
    if (**path == '.')
        (*path)++;
    return name[0] == '[' ? json_array_get(j, strtoul(name + 1, NULL, 10)) : json_object_get(j, name);
}

/*
 * `base` with what stands at `path` ("messages[0].recipients[1].orcpt"; "" the whole) replaced by `value`, JSON text,
 * or removed when that is NULL. To free().
 */
static inline char *json_mutate(const char *base, const char *path, const char *value)
{
    json_t *root = json_loads(base, 0, NULL);
    json_t *new = value != NULL ? json_loads(value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
    assert_non_null(root);
    assert_true(value == NULL || new != NULL);
    json_t *j = root;
    char name[64];
    while (*path != '\0') {
        json_t *parent = j;
        j = mutate_step(j, &path, name, sizeof name);
        if (*path != '\0')
            continue;
        if (name[0] == '[')
            assert_int_equal(json_array_set(parent, strtoul(name + 1, NULL, 10), new), 0);
        else if (new != NULL)
            assert_int_equal(json_object_set(parent, name, new), 0);
        else
            assert_int_equal(json_object_del(parent, name), 0);
    }
    char *text = json_dumps(j == root ? new : root, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(new);
    json_decref(root);
    return text;
}

struct bad_document {
    const char *path;  /* what is changed */
    const char *value; /* to what (JSON), or NULL: removed */
    const char *error; /* the whole text of the error */
};

/* Fails unless `text` is refused with just this error. The parser is given to it as a function on text. */
#define assert_refused(call, err, wanted, changed)                                               \
    do {                                                                                         \
        (err).text[0] = '\0';                                                                    \
        if ((call) != RESULT_PERM)                                                               \
            fail_msg("%s: taken, but wanted: %s", (changed), (wanted));                          \
        if (strcmp((err).text, (wanted)) != 0)                                                   \
            fail_msg("%s: error is \"%s\", but wanted \"%s\"", (changed), (err).text, (wanted)); \
    } while (0)

#endif
