/*
 * The witness: a second, tiny process that outlives a crash of the bridge for just as long as it takes to hear the
 * MTA's last answers.
 *
 * Between the final dot and the durable note of the MTA's 250 a crash would leave us not knowing whether the
 * message was taken; sending it again would deliver it twice. So the witness holds a copy of each connection that waits
 * for that answer. When the bridge dies it reads the answers itself, notes them in the queue, and ends. The next
 * bridge waits for it (a lock on the queue's directory, which also keeps two bridges from one queue). What
 * remains is the crash of the whole machine, as in SMTP.
 *
 * The process is forked before there are threads or databases; it parses nothing that a stranger sent but SMTP
 * replies of our own MTA.
 */
#ifndef PONTOON_BRIDGE_WITNESS_H
#define PONTOON_BRIDGE_WITNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/jobs.h"
#include "lib/smtp_reply.h"

struct witness;

/*
 * Takes the lock (waiting for a predecessor's witness, up to its own limit), forks. RESULT_PERM: another bridge works on
 * this directory. bridge.directory is made if it is missing.
 */
enum result witness_start(const struct config *config, struct witness **w_r, struct error *err);
/* Our end: the witness goes away, as nothing is open. */
void witness_stop(struct witness **w);

/*
 * The final dot of these recipients is about to be sent on `fd`. `handed`: by index in job->rcpts, those whose
 * fate it decides, in the order of the replies. Returns a number for the calls below, 0 if the witness is not there (a
 * warning was logged once): all calls take 0 and do nothing.
 */
uint64_t witness_watch(struct witness *w, int fd, const struct job *job, const size_t *handed, size_t n, bool lmtp,
                       bool promised);
/* The dot is in the kernel's hands. */
void witness_dot(struct witness *w, uint64_t number);
/* The MTA has answered; n as in smtp_callbacks.on_final. */
void witness_answer(struct witness *w, uint64_t number, const struct smtp_reply *replies, size_t n);
/* All is noted, or nothing was sent. */
void witness_forget(struct witness *w, uint64_t number);

#endif
