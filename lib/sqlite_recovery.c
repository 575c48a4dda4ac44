/* What a crash has left of a database: see sqlite_recovery.h. */
#include "lib/sqlite_recovery.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"

/* SQLite's file format, section 4.1: a header with the page size and two salts, then frames that repeat the salts. */
enum { WAL_HEADER = 32, WAL_PAGE_SIZE = 8, WAL_SALTS = 16, FRAME_HEADER = 24, FRAME_SALTS = 8, SALTS_LEN = 8 };

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Frames behind the last whole transaction that belong to this log, and not to an earlier one in the same file. */
static unsigned count_unfinished(int fd, unsigned whole)
{
    uint8_t head[WAL_HEADER], frame[FRAME_HEADER];
    unsigned n = 0;
    if (pread(fd, head, sizeof head, 0) != sizeof head)
        return 0;
    off_t size = FRAME_HEADER + (off_t)big_endian(head + WAL_PAGE_SIZE), at = WAL_HEADER + whole * size;
    while (pread(fd, frame, sizeof frame, at + n * size) == sizeof frame &&
           memcmp(frame + FRAME_SALTS, head + WAL_SALTS, SALTS_LEN) == 0)
        n++;
    return n;
}

/* In the thread that opens the database, which nobody can change meanwhile. */
static void recovered(unsigned whole, const char *wal)
{
    int fd = open(wal, O_RDONLY | O_CLOEXEC);
    unsigned unfinished = fd >= 0 ? count_unfinished(fd, whole) : 0;
    if (fd >= 0)
        close(fd);
    const char *of = whole == 1 ? "" : "s";
    if (unfinished > 0)
        log_info(
            "%s: not closed in order: %u page%s recovered; the last write was cut off, what has arrived of it (%u page%s) "
            "is dropped: nobody was told that it was done",
            wal, whole, of, unfinished, unfinished == 1 ? "" : "s");
    else
        log_info("%s: not closed in order: %u page%s recovered", wal, whole, of);
}

static void on_log(void *arg, int code, const char *text)
{
    unsigned whole;
    int at = 0;
    (void)arg;
    if (code == SQLITE_NOTICE_RECOVER_WAL && sscanf(text, "recovered %u frames from WAL file %n", &whole, &at) == 1 &&
        at > 0)
        recovered(whole, text + at);
}

static void configure(void)
{
    sqlite3_config(SQLITE_CONFIG_LOG, on_log, NULL);
}

void sqlite_recovery_report(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure);
}
