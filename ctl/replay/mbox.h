/*
 * Mailboxes in one file (mbox(5)): where one message ends and the next begins, and taking back what the writer did to
 * lines that begin with "From ". Four kinds are about; they differ in just that. Pure.
 */
#ifndef PONTOON_REPLAY_MBOX_H
#define PONTOON_REPLAY_MBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"

enum mbox_kind {
    MBOX_O,   /* "From " became ">From ": what was ">From " before can't be told */
    MBOX_RD,  /* ">" before every ">*From " */
    MBOX_CL,  /* as MBOX_O, and Content-Length says where the body ends */
    MBOX_CL2, /* Content-Length, and no line was changed */
    MBOX_KINDS
};
const char *mbox_kind_name(enum mbox_kind kind); /* "mboxo" */
bool mbox_kind_parse(const char *name, enum mbox_kind *kind_r);

/* Whether this is the line that begins a message: "From ", an address, and a date with a time of day. */
bool mbox_is_from_line(const char *line, size_t len);

/* What its first `len` bytes look like. Between MBOX_O and MBOX_RD only a line that begins with ">>From " decides. */
enum mbox_kind mbox_detect(const char *data, size_t len);

struct mbox_message {
    size_t from_len; /* bytes of the From_ line at the beginning, with its line end */
    size_t end;      /* behind the message, without the empty line that separates it from the next */
    size_t next;     /* where the next From_ line is, or the end of all */
    bool bad_length; /* Content-Length is missing or wrong: the next From_ line decided */
};

/*
 * `data` begins with a From_ line; `last`: nothing follows behind it. False: more is needed to see the end; *seen_io
 * remembers how far it was looked (0 at first) and belongs to this message.
 */
bool mbox_find_end(enum mbox_kind kind, const char *data, size_t len, bool last, size_t *seen_io,
                   struct mbox_message *m_r);

/* Appends a message (without its From_ line) to `out` as it was before it was put into the mailbox. */
void mbox_unquote(enum mbox_kind kind, const char *data, size_t len, struct buf *out);

#endif
