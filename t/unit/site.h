/*
 * A small site for tests of the network parts: a temporary directory, a CA with a server certificate made by
 * openssl, a configuration for loopback, and a loop that can't hang.
 */
#ifndef PONTOON_SITE_H
#define PONTOON_SITE_H

#include "t/unit/test.h"

#include "lib/config.h"
#include "lib/loop.h"
#include "lib/mem.h"

enum { SITE_PATIENCE = 30000 }; /* ms until a test that waits is a failure */

struct site {
    char dir[64];
    char *ca, *other_ca, *chain, *key;
    struct loop *loop;
    struct loop_timer *watchdog;
    bool timed_out;
};

static inline void site_shell(const char *format, const char *dir)
{
    char command[3000];
    snprintf(command, sizeof command, format, dir, dir);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

static inline void site_timed_out(void *arg)
{
    struct site *site = arg;
    site->timed_out = true;
    loop_stop(site->loop);
}

/* The certificate is for 127.0.0.1 and every sender-store.DOMAIN under .test. */
static inline void site_up(struct site *site)
{
    *site = (struct site){.dir = "/tmp/pontoon-test-XXXXXX"};
    assert_non_null(mkdtemp(site->dir));
    site_shell(
        "cd '%s' && exec >openssl.log 2>&1 && for ca in ca other; do "
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $ca.key -out $ca.pem "
        "-days 2 -subj /CN=$ca; done && "
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out csr.pem -subj "
        "/CN=leaf && "
        "printf 'subjectAltName=IP:127.0.0.1,DNS:*.a.test,DNS:*.b.test,DNS:*.c.test\\n' >ext && "
        "openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -extfile ext -out chain.pem",
        site->dir);
    site->ca = mem_printf("%s/ca.pem", site->dir);
    site->other_ca = mem_printf("%s/other.pem", site->dir);
    site->chain = mem_printf("%s/chain.pem", site->dir);
    site->key = mem_printf("%s/key.pem", site->dir);
    site->loop = loop_new();
    site->watchdog = loop_timer_new(site->loop, site_timed_out, site);
}

static inline void site_down(struct site *site)
{
    loop_timer_free(&site->watchdog);
    loop_free(&site->loop);
    site_shell("rm -rf '%s'", site->dir);
    mem_free(&site->ca);
    mem_free(&site->other_ca);
    mem_free(&site->chain);
    mem_free(&site->key);
}

/* Runs the loop until somebody stops it. */
static inline void site_run(struct site *site)
{
    loop_timer_set(site->watchdog, SITE_PATIENCE);
    loop_run(site->loop);
    loop_timer_cancel(site->watchdog);
    if (site->timed_out)
        fail_msg("nothing happened within %d ms", SITE_PATIENCE);
}

static inline void site_stop(void *arg)
{
    struct site *site = arg;
    loop_stop(site->loop);
}

/* Lets the loop go on for a while, for what must not happen. */
static inline void site_linger(struct site *site, msec_t delay)
{
    struct loop_timer *t = loop_timer_new(site->loop, site_stop, site);
    loop_timer_set(t, delay);
    site_run(site);
    loop_timer_free(&t);
}

static inline struct config *site_config(const char *format, ...)
{
    char text[4000];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    struct config *config = NULL;
    struct error err;
    if (config_parse(text, "test.conf", &config, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return config;
}

#endif
