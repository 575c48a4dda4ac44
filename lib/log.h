/*
 * Logging in Postfix's shape.
 *
 * A line is "NAME/PROGRAM[PID]: TEXT", where TEXT begins with "warning: ",
 * "error: ", "fatal: " or "panic: " unless it is informational. Lines about a
 * message begin with the MTA's queue id where it is known, else pontoon's, and
 * carry "pontoon=ID" somewhere, so that tools made for Postfix logs follow
 * them. Target: syslog (journald takes the same socket), a file, or standard
 * error. Thread-safe. Control characters become '?'.
 */
#ifndef PONTOON_LOG_H
#define PONTOON_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

/*
 * target: "syslog:FACILITY" (mail, daemon, local0-7), "stderr", or an absolute path, which is
 * opened for append and reopened by log_reopen() (SIGHUP, log rotation). Before the first call
 * everything goes to standard error. Returns false, with the old target kept, when the target
 * is malformed or can't be opened (the reason is logged to the old one).
 */
bool log_open(const char *name, const char *program, const char *target);
/* To stderr from now on: before a process closes all descriptors that it does not know. */
void log_close(void);
bool log_reopen(void);
void log_set_verbose(bool on); /* lets debug lines through */
bool log_is_verbose(void);

void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* An admin's problem that stops us: logs and exits 1. */
void log_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* A bug of ours: logs and aborts. */
void log_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Tests catch lines here instead of the target; NULL restores. `text` has no prefix of name and pid. */
void log_set_hook(void (*hook)(enum log_level level, const char *text));

#endif
