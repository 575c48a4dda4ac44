/*
 * The MTA's side of the milter protocol, version 6, as Postfix and Sendmail speak it (libmilter/mfdef.h has its constants): one
 * connection to a filter, in a thread that waits. Whatever the filter says is bounded in length and time; what breaks the protocol ends the
 * connection with words.
 */
#ifndef PONTOON_CTL_MILTER_CLIENT_H
#define PONTOON_CTL_MILTER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/result.h"

enum {
    MILTER_BODY_MAX = 65535, /* bytes of one body command */
    MILTER_PACKET_MAX = 1 << 20,
    MILTER_CHANGES_MAX = 1000, /* of one message */
};

/* What the filter wants done with the connection, the recipient or the message. */
enum milter_verdict {
    MILTER_CONTINUE,
    MILTER_ACCEPT,
    MILTER_REJECT, /* also by a reply code of its own: 5xx */
    MILTER_TEMPFAIL,
    MILTER_DISCARD,
    MILTER_SKIP, /* no more body */
    MILTER_VERDICTS
};
const char *milter_verdict_name(enum milter_verdict v);

struct milter_answer {
    enum milter_verdict verdict;
    char reply[512];    /* of its own, "550 5.7.1 ...", or "" */
    struct buf changes; /* a line for each change at the end of a message: "add header X-Spam: yes" */
    unsigned nchanges;
};
void milter_answer_init(struct milter_answer *a);
void milter_answer_free(struct milter_answer *a);

struct milter_client;
/*
 * "unix:/path", "inet:PORT@HOST" or "inet:HOST:PORT". Connects and negotiates. `timeout`: for the connection and each answer. RESULT_TEMP:
 * nobody is there, or nothing comes; RESULT_PERM: what answers is no milter.
 */
enum result milter_client_open(const char *socket, msec_t timeout, struct milter_client **c_r, struct error *err);
/* The same over a connection that there is; takes over `fd`. `name`: for messages. */
enum result milter_client_start(int fd, const char *name, msec_t timeout, struct milter_client **c_r,
                                struct error *err);
void milter_client_close(struct milter_client **c); /* without a word */
void milter_client_quit(struct milter_client **c);  /* after SMFIC_QUIT, to which there is no answer */

/* Values for the next command: name, value, name, value ..., NULL. Sent as they are, whether it asked for them or not. */
enum result milter_client_macros(struct milter_client *c, char command, const char *const *pairs, struct error *err);
/*
 * One command with its data; waits for the answer unless there is none for it, or the filter wanted it not to be sent or not
 * to be answered (then: continue). `force`: sent though the filter said that it does not want it.
 */
enum result milter_client_command(struct milter_client *c, char command, const void *data, size_t len, bool force,
                                  struct milter_answer *a_r, struct error *err);
/* What the filter said in the negotiation: its version, SMFIF_* and SMFIP_*. */
uint32_t milter_client_version(const struct milter_client *c);
uint32_t milter_client_actions(const struct milter_client *c);
uint32_t milter_client_protocol(const struct milter_client *c);

#endif
