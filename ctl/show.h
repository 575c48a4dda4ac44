/* How the command shows things to people and programs: moments, ages, sizes, columns, JSON values. */
#ifndef PONTOON_CTL_SHOW_H
#define PONTOON_CTL_SHOW_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/clock.h"

enum { SHOW_WHEN_SIZE = 32, SHOW_AGE_SIZE = 24, SHOW_SIZE_SIZE = 16 };

/* "2026-11-24T03:12:00.123Z"; "-" for 0. */
const char *show_when(msec_t when, char out[SHOW_WHEN_SIZE]);
/* A duration in its two largest units: "12ms", "3.250s", "4m05s", "2h13m", "5d04h"; a minus sign before negative ones.
 */
const char *show_age(msec_t duration, char out[SHOW_AGE_SIZE]);
/* "in 3m00s", "now", "-" for 0. */
const char *show_next(msec_t when, msec_t now, char out[SHOW_AGE_SIZE]);
/* "812", "12.3K", "200M". */
const char *show_size(uint64_t bytes, char out[SHOW_SIZE_SIZE]);
/* Writes text to a terminal: control characters become '?'. */
void show_text(FILE *out, const char *text);

/* JSON values: null for NULL and "", for 0. Bytes that are no UTF-8 become '?'. */
json_t *show_json_text(const char *text);
json_t *show_json_when(msec_t when);
/* One line, or indented; and frees the value. */
void show_json_line(FILE *out, json_t *value);
void show_json_document(FILE *out, json_t *value);

/* Columns, as wide as they must be. */
struct show_table;
enum { SHOW_COLUMNS_MAX = 8 };
struct show_table *show_table_new(size_t columns);
/* A row of `columns` strings, copied; NULL stands for "". */
void show_table_add(struct show_table *t, const char *const *cells);
/* Prints with `indent` spaces before each line, two between columns; and frees. */
void show_table_print(struct show_table **t, FILE *out, unsigned indent);

#endif
