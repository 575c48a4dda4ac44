/*
 * The mail to replay, message by message, from files, folders (Maildir, Maildir++, MH, *.eml), archives (tar) and
 * compressed files (gzip, bzip2, xz, zstd) of these, or standard input. The order is that of the names, so that the same sources give the
 * same numbers each time.
 *
 * One message at a time is in memory, whatever the size of what it lies in. Messages come as they are; those that SMTP can't
 * carry come with the reason. What can't be read is a message with a reason, too, so that it is counted.
 */
#ifndef PONTOON_REPLAY_INPUT_H
#define PONTOON_REPLAY_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/replay/mbox.h"
#include "lib/clock.h"
#include "lib/result.h"

enum input_format {
    INPUT_DETECT, /* an mbox if it begins with a From_ line, else one message */
    INPUT_MBOX,   /* files are mailboxes of struct input_options.mbox's kind */
    INPUT_MESSAGE,
};

struct input_options {
    enum input_format format;
    bool mbox_told; /* else detected for each file */
    enum mbox_kind mbox;
    size_t max_size; /* bytes of a message; larger ones come with a reason */
};

struct input_message {
    uint64_t number;    /* 1 is the first; those that can't be sent count too */
    const char *origin; /* "mail/2026.mbox.gz, message 17" */
    const char *bytes;  /* CRLF lines, ready for smtp_write() */
    size_t len;
    unsigned notes;          /* enum content_note */
    const char *reason;      /* why it can't be sent, or NULL; then `bytes` may be NULL */
    const char *from_sender; /* of the mbox's From_ line, or "" */
    msec_t from_time;        /* likewise, 0: unknown */
};

struct input;
/* `sources`: paths, "-" is standard input. They and the options must live as long. */
struct input *input_new(const struct input_options *options, const char *const *sources, size_t n);
void input_free(struct input **in);
/* False: that was all. What m_r points to is good until the next call. */
bool input_next(struct input *in, struct input_message *m_r);
/* How much of the sources was read, 0..1, by their sizes; negative: not known (standard input). */
double input_share(const struct input *in);
/* Files that were no mail by their names; *example_r: one of them, or NULL. */
uint64_t input_skipped(const struct input *in, const char **example_r);

#endif
