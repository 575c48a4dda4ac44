/* A real DNS server (Knot) on a free loopback port, with zones `test` and 127.in-addr.arpa. */
#ifndef PONTOON_KNOT_H
#define PONTOON_KNOT_H

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/unit/site.h"

struct knot {
    const struct site *site;
    pid_t pid;
    uint16_t port;
};

static inline bool knot_is_there(void)
{
    return system("command -v knotd >/dev/null && command -v knotc >/dev/null") == 0;
}

/* A port that was free for both a moment ago. */
static inline uint16_t knot_free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(udp, (struct sockaddr *)&a, len), 0);
    assert_int_equal(getsockname(udp, (struct sockaddr *)&a, &len), 0);
    close(udp);
    return ntohs(a.sin_port);
}

static inline void knot_write(const struct knot *k, const char *file, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", k->site->dir, file);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

#define KNOT_ZONE "$TTL 300\n@ SOA ns hostmaster %u 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"

static inline void knot_zone(const struct knot *k, const char *zone, const char *records)
{
    static unsigned serial;
    char text[20000], file[100];
    int n = snprintf(text, sizeof text, KNOT_ZONE, ++serial);
    snprintf(text + n, sizeof text - (size_t)n, "%s", records);
    snprintf(file, sizeof file, "%s.zone", zone);
    knot_write(k, file, text);
}

/* Replaces the records of zone `test`. */
static inline void knot_change(const struct knot *k, const char *records)
{
    knot_zone(k, "test", records);
    site_shell("knotc -b -s '%s/knot.sock' zone-reload test >/dev/null 2>&1", k->site->dir);
}

static inline void knot_up(struct knot *k, const struct site *site, const char *records, const char *reverse)
{
    char conf[1000], file[100];
    *k = (struct knot){.site = site, .port = knot_free_port()};
    snprintf(
        conf, sizeof conf,
        "server:\n  rundir: %s\n  listen: 127.0.0.1@%u\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n"
        "database:\n  storage: %s\ntemplate:\n  - id: default\n    storage: %s\n    file: \"%%s.zone\"\n"
        "    semantic-checks: off\nzone:\n  - domain: test\n  - domain: 127.in-addr.arpa\n",
        site->dir, k->port, site->dir, site->dir);
    knot_write(k, "knot.conf", conf);
    knot_zone(k, "test", records);
    knot_zone(k, "127.in-addr.arpa", reverse);
    snprintf(file, sizeof file, "%s/knot.conf", site->dir);
    k->pid = fork();
    if (k->pid == 0) {
        if (freopen("/dev/null", "w", stdout) != NULL && freopen("/dev/null", "w", stderr) != NULL)
            execlp("knotd", "knotd", "-c", file, (char *)NULL);
        _exit(127);
    }
    /* knotc waits for the socket only with its own patience: ask until it answers. */
    site_shell(
        "for i in $(seq 200); do knotc -s '%s/knot.sock' zone-status test 2>/dev/null | grep -q serial && exit 0; "
        "sleep 0.03; done; exit 1",
        site->dir);
}

static inline void knot_down(struct knot *k)
{
    kill(k->pid, SIGTERM);
    waitpid(k->pid, NULL, 0);
}

#endif
