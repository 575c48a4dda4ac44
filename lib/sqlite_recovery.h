/*
 * After a crash or a loss of power SQLite finds the last whole transaction in its log by itself when the database is opened, and drops
 * what is behind it. This says so in our log, once for each recovery.
 */
#ifndef PONTOON_SQLITE_RECOVERY_H
#define PONTOON_SQLITE_RECOVERY_H

/* Before the first database of the process is opened; more calls do nothing. */
void sqlite_recovery_report(void);

#endif
