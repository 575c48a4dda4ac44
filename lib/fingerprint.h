/*
 * The fingerprint of a message: what two copies of it that came by different ways are compared by, without keeping a
 * word of what it says. Names and hashes of the header fields, length and SHA-256 of the body. Pure.
 */
#ifndef PONTOON_FINGERPRINT_H
#define PONTOON_FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/digest.h"

enum {
    FINGERPRINT_FIELDS_MAX = 500,
    FINGERPRINT_NAME_MAX = 76,        /* bytes of a field's name that are kept */
    FINGERPRINT_MESSAGE_ID_MAX = 990, /* a longer Message-ID is none */
    DIFFERENCES_MAX = 50,             /* lines that say what differs */
    DIFFERENCE_SIZE_MAX = 200,        /* bytes of one */
    DIFFERENCES_SIZE_MAX = (DIFFERENCE_SIZE_MAX + 1) * DIFFERENCES_MAX,
};

struct fingerprint_field {
    char name[FINGERPRINT_NAME_MAX + 1]; /* printable ASCII */
    uint64_t exact;                      /* of the value as it stands */
    uint64_t relaxed;                    /* of the value with all white space taken as one space */
};

struct fingerprint {
    char *message_id;                 /* of the first Message-ID field, trimmed; "" if there is none */
    struct fingerprint_field *fields; /* without those that every hop adds: see fingerprint_ignores() */
    size_t nfields;
    bool cut; /* there were more */
    uint64_t body_size;
    uint8_t body_digest[DIGEST_SIZE];
};

/* A message on its way past. */
struct fingerprint_maker;
struct fingerprint_maker *fingerprint_maker_new(void);
void fingerprint_maker_free(struct fingerprint_maker **m);
/* Field by field, as a milter has it (value with its leading space, folded by LF or CRLF), then the body. */
void fingerprint_add_field(struct fingerprint_maker *m, const char *name, const char *value);
void fingerprint_add_body(struct fingerprint_maker *m, const void *data, size_t len);
/* Or as it is: header, empty line, body, with CRLF line ends, in pieces of any size. */
void fingerprint_add_bytes(struct fingerprint_maker *m, const void *data, size_t len);
/* The end, and the maker's. */
struct fingerprint *fingerprint_finish(struct fingerprint_maker **m);
void fingerprint_free(struct fingerprint **f);
size_t fingerprint_memory(const struct fingerprint *f); /* bytes that it takes, about */

/* Trace fields, which the two ways must differ in: Received, Return-Path, Authentication-Results and the like. */
bool fingerprint_ignores(const char *name);

/*
 * Appends a line for each difference, without an end of line behind the last: "header Subject changed", "body differs:
 * 120 bytes by SMTP, 118 by SSMP". Nothing if they are the same. The order of fields of different names is not compared.
 */
void fingerprint_compare(const struct fingerprint *ssmp, const struct fingerprint *smtp, struct buf *out);
/* Appends one line, cut to its bound. With DIFFERENCES_MAX lines in it, it is dropped. */
void difference_add(struct buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
