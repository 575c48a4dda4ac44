/*
 * The witness: a second, tiny process that outlives a crash of its daemon for just as long as it takes to hear the
 * MTA's last answers.
 *
 * Between the final dot and the durable note of the MTA's 250 a crash would leave us not knowing whether the
 * message was taken; sending it again would deliver it twice. So the witness holds a copy of each connection that waits
 * for that answer. When the daemon dies it reads the answers itself, notes them (`note` of its role), and ends. The next
 * daemon waits for it (a lock on the daemon's directory, which also keeps two daemons from one database). What
 * remains is the crash of the whole machine, as in SMTP.
 *
 * The process is forked before there are threads or databases; it parses nothing that a stranger sent but SMTP
 * replies of our own MTA.
 */
#ifndef PONTOON_WITNESS_H
#define PONTOON_WITNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/sandbox.h"
#include "lib/smtp_reply.h"

struct witness;

/* What the daemon could not note any more. */
struct witness_end {
    const void *what; /* as witness_watch() was told, aligned for anything */
    size_t len;
    bool dot;                         /* the final dot was sent */
    const struct smtp_reply *replies; /* those that came, in their order */
    size_t nreplies;
};

struct witness_role {
    const char *daemon; /* "bridge": its section, with the parameter `directory`; the log says "bridge-witness" */
    const struct sandbox_profile *sandbox; /* it has its connections from the daemon, and makes none */
    /*
     * Called in the witness after the last answer; not if nothing was open. RESULT_TEMP (a full disk, a locked database): again, all of it,
     * for some seconds. Logs what it can't note.
     */
    enum result (*note)(const struct config *config, const struct witness_end *ends, size_t n);
};

/*
 * Takes the lock (waiting for a predecessor's witness, up to its own limit), forks. RESULT_PERM: another such daemon works on
 * this directory. The directory is made if it is missing.
 */
enum result witness_start(const struct config *config, const struct witness_role *role, struct witness **w_r,
                          struct error *err);
/* Our end: the witness goes away, as nothing is open. */
void witness_stop(struct witness **w);

/*
 * The final dot is about to be sent on `fd`, and `replies` will answer it. `what`: for note(), copied. Returns a number for the calls
 * below, 0 if the witness is not there (a warning was logged once): all calls take 0 and do nothing.
 */
uint64_t witness_watch(struct witness *w, int fd, const void *what, size_t len, size_t replies);
/* The dot is in the kernel's hands. */
void witness_dot(struct witness *w, uint64_t number);
/* The MTA has answered; n as in smtp_callbacks.on_final. */
void witness_answer(struct witness *w, uint64_t number, const struct smtp_reply *replies, size_t n);
/* All is noted, or nothing was sent. */
void witness_forget(struct witness *w, uint64_t number);

#endif
