/* Values for people and programs: see show.h. */
#include "ctl/show.h"

#include <string.h>
#include <time.h>

#include "lib/mem.h"
#include "lib/utf8.h"

#define SECOND 1000LL
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

const char *show_when(msec_t when, char out[SHOW_WHEN_SIZE])
{
    if (when == 0) {
        snprintf(out, SHOW_WHEN_SIZE, "-");
        return out;
    }
    time_t seconds = (time_t)(when / 1000);
    struct tm tm;
    char date[24];
    gmtime_r(&seconds, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, SHOW_WHEN_SIZE, "%s.%03dZ", date, (int)(when % 1000));
    return out;
}

const char *show_age(msec_t duration, char out[SHOW_AGE_SIZE])
{
    const char *sign = duration < 0 ? "-" : "";
    long long d = duration < 0 ? -duration : duration;
    if (d < SECOND)
        snprintf(out, SHOW_AGE_SIZE, "%s%lldms", sign, d);
    else if (d < MINUTE)
        snprintf(out, SHOW_AGE_SIZE, "%s%lld.%03llds", sign, d / SECOND, d % SECOND);
    else if (d < HOUR)
        snprintf(out, SHOW_AGE_SIZE, "%s%lldm%02llds", sign, d / MINUTE, d % MINUTE / SECOND);
    else if (d < DAY)
        snprintf(out, SHOW_AGE_SIZE, "%s%lldh%02lldm", sign, d / HOUR, d % HOUR / MINUTE);
    else
        snprintf(out, SHOW_AGE_SIZE, "%s%lldd%02lldh", sign, d / DAY, d % DAY / HOUR);
    return out;
}

const char *show_next(msec_t when, msec_t now, char out[SHOW_AGE_SIZE])
{
    char age[SHOW_AGE_SIZE];
    if (when == 0)
        snprintf(out, SHOW_AGE_SIZE, "-");
    else if (when <= now)
        snprintf(out, SHOW_AGE_SIZE, "now");
    else
        snprintf(out, SHOW_AGE_SIZE, "in %s", show_age(when - now, age));
    return out;
}

const char *show_size(uint64_t bytes, char out[SHOW_SIZE_SIZE])
{
    static const char units[] = "KMGTPE";
    if (bytes < 1024) {
        snprintf(out, SHOW_SIZE_SIZE, "%u", (unsigned)bytes);
        return out;
    }
    double value = (double)bytes / 1024;
    size_t unit = 0;
    while (value >= 1023.5 && unit + 1 < sizeof units - 1) {
        value /= 1024;
        unit++;
    }
    snprintf(out, SHOW_SIZE_SIZE, value < 99.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
    return out;
}

void show_text(FILE *out, const char *text)
{
    while (*text != '\0') {
        size_t len = utf8_printable_len(text);
        if (len > 0)
            fwrite(text, 1, len, out);
        else
            putc('?', out);
        text += len > 0 ? len : 1;
    }
}

json_t *show_json_text(const char *text)
{
    if (text == NULL || *text == '\0')
        return json_null();
    json_t *value = json_string(text);
    if (value != NULL)
        return value;
    char *ascii = mem_strdup(text);
    for (char *p = ascii; *p != '\0'; p++) {
        if ((unsigned char)*p > 127)
            *p = '?';
    }
    value = json_string(ascii);
    mem_free(&ascii);
    return value;
}

json_t *show_json_when(msec_t when)
{
    char text[SHOW_WHEN_SIZE];
    return when == 0 ? json_null() : json_string(show_when(when, text));
}

void show_json_line(FILE *out, json_t *value)
{
    json_dumpf(value, out, JSON_COMPACT);
    putc('\n', out);
    json_decref(value);
}

void show_json_document(FILE *out, json_t *value)
{
    json_dumpf(value, out, JSON_INDENT(2));
    putc('\n', out);
    json_decref(value);
}
