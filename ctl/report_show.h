/* The sums of `pontoon report`, for people and for programs. */
#ifndef PONTOON_CTL_REPORT_SHOW_H
#define PONTOON_CTL_REPORT_SHOW_H

#include <jansson.h>
#include <stdio.h>

#include "ctl/report_sum.h"

void report_print(FILE *out, const struct report_domain *d);
json_t *report_json(const struct report_domain *d);

#endif
