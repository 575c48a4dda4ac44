/* Hours of the week, as the parameter `hours` of rules has them: "Mon-Fri 08:00-18:00", "Sat,Sun", "22:00-06:00". Pure. */
#ifndef PONTOON_RULES_HOURS_H
#define PONTOON_RULES_HOURS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/result.h"

enum { MINUTES_OF_DAY = 24 * 60, MINUTES_OF_WEEK = 7 * MINUTES_OF_DAY };

struct rules_hours;

/* The union of `words`. */
enum result rules_hours_new(const char *const *words, size_t n, struct rules_hours **h_r, struct error *err);
void rules_hours_free(struct rules_hours **h);
bool rules_hours_have(const struct rules_hours *h, unsigned minute);

/* 0 is Monday 00:00. "Wed 14:05", for people. */
enum { RULES_MINUTE_SIZE = 16 };
const char *rules_minute_text(unsigned minute, char out[RULES_MINUTE_SIZE]);

#endif
