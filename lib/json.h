/*
 * Strict JSON on top of jansson: bounded size and depth, no duplicate names, no trailing bytes; and typed
 * access whose errors name the member ("messages[3].size: not a whole number of at least 0").
 */
#ifndef PONTOON_JSON_H
#define PONTOON_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/result.h"

enum { JSON_DEPTH_MAX = 8 };

/* Returns a new reference, or NULL with err set. `what` names the document in errors ("policy of b.test"). */
json_t *json_parse(const char *text, size_t len, size_t max, const char *what, struct error *err);

/*
 * Member access. `path` is where `object` itself stands ("" or "messages[3]"), for errors only.
 * json_need_*: missing is an error. json_want_*: missing gives RESULT_OK and NULL / the default.
 * Strings may not hold NUL or be longer than `max` bytes; the pointer lives as long as the object.
 */
enum result json_need_string(const json_t *object, const char *path, const char *name, size_t max, const char **s_r,
                             struct error *err);
enum result json_want_string(const json_t *object, const char *path, const char *name, size_t max, const char **s_r,
                             struct error *err);
enum result json_need_int(const json_t *object, const char *path, const char *name, int64_t min, int64_t max,
                          int64_t *n_r, struct error *err);
enum result json_want_int(const json_t *object, const char *path, const char *name, int64_t min, int64_t max,
                          int64_t fallback, int64_t *n_r, struct error *err);
enum result json_want_bool(const json_t *object, const char *path, const char *name, bool fallback, bool *b_r,
                           struct error *err);
/* An array of 1..max (need) or 0..max (want) members; `max_count` bounds it. */
enum result json_need_array(const json_t *object, const char *path, const char *name, size_t max_count,
                            const json_t **a_r, struct error *err);
enum result json_want_array(const json_t *object, const char *path, const char *name, size_t max_count,
                            const json_t **a_r, struct error *err);
/* Sets err as the functions above do, for what a caller finds wrong: "PATH.NAME: WHY". Returns RESULT_PERM. */
enum result json_refuse(struct error *err, const char *path, const char *name, const char *why);
/* Adds `key` to `set` (a json_object()); false if it was there. For "no two alike" in constant time each. */
bool json_set_add(json_t *set, const char *key);

/* A string for people, from any bytes: those that aren't UTF-8 become '?'. */
json_t *json_string_lossy(const char *s);
/* Compact text, to mem_free(). */
char *json_text(const json_t *j);

#endif
