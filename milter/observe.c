/* Observing what arrives by SMTP: see observe.h. */
#include "milter/observe.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/address.h"
#include "lib/arrival.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
    SIGN_EVERY = 5000, /* ms between signs of life */
    ROOM_WAIT = 50,    /* ms that a message may wait for room in the bridge's socket */
    SEND_BUFFER = 1 << 18,
};

struct observation {
    struct arrival arrival;
    struct fingerprint_maker *maker; /* NULL before the headers */
};

/* What the configuration says, and the timer; sessions' threads read it. */
static struct {
    pthread_mutex_t lock;
    char *path; /* NULL: nothing is observed */
    char **domains;
    size_t ndomains;
    struct loop_timer *timer;
} the = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- telling ---- */

static char *current_path(void)
{
    pthread_mutex_lock(&the.lock);
    char *path = mem_strdup(the.path);
    pthread_mutex_unlock(&the.lock);
    return path;
}

/* A bridge that does not listen, or is too slow, misses it. */
static void tell(const struct arrival *a)
{
    struct sockaddr_un sun;
    int size = SEND_BUFFER;
    char *path = current_path();
    char *text = path != NULL ? arrival_write(a) : NULL;
    int fd = text != NULL ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    if (fd >= 0 && arrival_address(path, &sun, NULL) == RESULT_OK) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        struct pollfd room = {.fd = fd, .events = POLLOUT};
        if (connect(fd, (struct sockaddr *)&sun, sizeof sun) == 0 && poll(&room, 1, ROOM_WAIT) == 1 &&
            send(fd, text, strlen(text), MSG_NOSIGNAL) >= 0)
            log_debug("told %s of %zu recipients", path, a->nrcpts);
        else
            log_debug("can't tell %s what arrived: %s", path, strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    mem_free(&text);
    mem_free(&path);
}

static void sign_of_life(void *arg)
{
    (void)arg;
    tell(&(struct arrival){0});
    loop_timer_set(the.timer, SIGN_EVERY);
}

void observe_start(struct loop *loop)
{
    the.timer = loop_timer_new(loop, sign_of_life, NULL);
    loop_timer_set(the.timer, 0);
}

void observe_stop(void)
{
    loop_timer_free(&the.timer);
}

static void forget_settings(void)
{
    mem_free(&the.path);
    for (size_t i = 0; i < the.ndomains; i++)
        mem_free(&the.domains[i]);
    mem_free(&the.domains);
    the.ndomains = 0;
}

void observe_configure(const struct config *config)
{
    size_t n;
    const char *const *domains = config_list(config, "domains", &n);
    const char *path = config_string(config, "bridge.arrivals");
    pthread_mutex_lock(&the.lock);
    forget_settings();
    if (config_bool(config, "milter.observe") && path[0] != '\0') {
        the.path = mem_strdup(path);
        the.domains = mem_zero(n + 1, sizeof *the.domains);
        for (size_t i = 0; i < n; i++) {
            char domain[DOMAIN_MAX + 1];
            if (domain_normalize(domains[i], domain))
                the.domains[the.ndomains++] = mem_strdup(domain);
        }
    }
    pthread_mutex_unlock(&the.lock);
}

/* ---- one message ---- */

static bool is_ours(const char *address)
{
    char domain[DOMAIN_MAX + 1];
    bool ours = false;
    if (!domain_normalize(address_domain(address), domain))
        return false;
    pthread_mutex_lock(&the.lock);
    for (size_t i = 0; i < the.ndomains; i++)
        ours = ours || strcmp(the.domains[i], domain) == 0;
    pthread_mutex_unlock(&the.lock);
    return ours;
}

struct observation *observe_begin(const char *path)
{
    char *here = current_path();
    if (here == NULL)
        return NULL;
    mem_free(&here);
    struct observation *o = mem_zero(1, sizeof *o);
    o->arrival.sender = address_from_path(path, NULL);
    if (o->arrival.sender == NULL) /* malformed: nobody would ask for it */
        observe_drop(&o);
    return o;
}

void observe_rcpt(struct observation *o, const char *path)
{
    bool utf8;
    if (o == NULL || o->arrival.nrcpts >= ARRIVAL_RCPTS_MAX)
        return;
    char *address = address_from_path(path, NULL);
    if (address != NULL && address_valid(address, &utf8) && is_ours(address))
        arrival_add_rcpt(&o->arrival, address);
    mem_free(&address);
}

/* Mail that is not for us needs no fingerprint. */
static bool wants_content(struct observation *o)
{
    if (o == NULL || o->arrival.nrcpts == 0)
        return false;
    if (o->maker == NULL)
        o->maker = fingerprint_maker_new();
    return true;
}

void observe_header(struct observation *o, const char *name, const char *value)
{
    if (wants_content(o))
        fingerprint_add_field(o->maker, name, value);
}

void observe_body(struct observation *o, const void *data, size_t len)
{
    if (wants_content(o))
        fingerprint_add_body(o->maker, data, len);
}

void observe_end(struct observation **o)
{
    if (wants_content(*o)) {
        (*o)->arrival.fingerprint = fingerprint_finish(&(*o)->maker);
        if ((*o)->arrival.fingerprint->message_id[0] != '\0')
            tell(&(*o)->arrival);
    }
    observe_drop(o);
}

void observe_drop(struct observation **op)
{
    struct observation *o = *op;
    if (o == NULL)
        return;
    fingerprint_maker_free(&o->maker);
    arrival_clear(&o->arrival);
    mem_free(op);
}
