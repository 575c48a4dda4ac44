/*
 * In which order a milter is told things: a session as a list of steps. Built-in ones have the orders that Postfix and Sendmail use, and those
 * that their clients can bring about; others come from a file. Pure.
 */
#ifndef PONTOON_REPLAY_MILTER_SCRIPT_H
#define PONTOON_REPLAY_MILTER_SCRIPT_H

#include <stddef.h>

#include "lib/result.h"

enum { MILTER_STEPS_MAX = 200, MILTER_ARGUMENTS_MAX = 20 };

enum milter_verb {
    MILTER_DO_CONNECT, /* NAME ADDRESS [PORT]; "-" is --client, "unknown" none; "IPv6:..." and "unix:PATH" say of what family */
    MILTER_DO_HELO,   /* NAME */
    MILTER_DO_MACROS, /* COMMAND NAME=VALUE ... */
    MILTER_DO_MAIL,   /* the message's sender; or PATH [PARAMETER ...] */
    MILTER_DO_RCPT,   /* the message's recipients, one by one; or PATH [PARAMETER ...] */
    MILTER_DO_REJECTED, /* PATH: a recipient that the MTA has refused; told to filters that want to know (SMFIP_RCPT_REJ) */
    MILTER_DO_DATA,
    MILTER_DO_HEADER, /* all of the message's; or NAME VALUE ... */
    MILTER_DO_EOH,
    MILTER_DO_BODY,    /* the message's, in pieces */
    MILTER_DO_END,     /* of the message */
    MILTER_DO_MESSAGE, /* mail, rcpt, data, header, eoh, body, end, each with the macros of that MTA */
    MILTER_DO_UNKNOWN, /* COMMAND LINE */
    MILTER_DO_ABORT,
    MILTER_DO_QUIT_NC, /* a new connection of a client follows on the same socket */
    MILTER_DO_QUIT,
    MILTER_DO_CLOSE, /* without a word */
    MILTER_VERBS
};

enum milter_mta { MILTER_POSTFIX, MILTER_SENDMAIL };

struct milter_step {
    enum milter_verb verb;
    char *arguments[MILTER_ARGUMENTS_MAX + 1]; /* ends with NULL */
    size_t n;
};

struct milter_script {
    char *name;
    enum milter_mta mta; /* whose macros go before the commands */
    struct milter_step steps[MILTER_STEPS_MAX];
    size_t n;
};

/* `text`: a step a line, '#' begins a comment; the line "mta sendmail" or "mta postfix" chooses the macros. RESULT_PERM with line and reason. */
enum result milter_script_parse(const char *name, const char *text, struct milter_script **s_r, struct error *err);
void milter_script_free(struct milter_script **s);

/* The names of those built in, and their text; NULL at the end of the list, or for an unknown name. */
const char *milter_script_name(size_t i);
const char *milter_script_text(const char *name);

#endif
