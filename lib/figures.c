/* Figures of a running daemon: see figures.h. */
#include "lib/figures.h"

#include <errno.h>
#include <event2/listener.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/data_dir.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
    SOCKET_MODE = 0660,
    BACKLOG = 8,
    SIZE_MAX_ANSWER = 65536, /* bytes; less than what a unix socket holds, so that writing never waits */
};

struct figures {
    struct evconnlistener *listener;
    struct sockaddr_un address;
    figures_fn *fn;
    void *arg;
};

static enum result address_of(const char *dir, struct sockaddr_un *sun, struct error *err)
{
    *sun = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(sun->sun_path, sizeof sun->sun_path, "%s/figures", dir);
    if (n < 0 || (size_t)n >= sizeof sun->sun_path)
        return error_set(err, RESULT_PERM, "%s is too long for a socket in it", dir);
    return RESULT_OK;
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int len,
                          void *arg)
{
    (void)listener, (void)peer, (void)len;
    const struct figures *f = arg;
    json_t *o = f->fn(f->arg);
    char *text = json_dumps(o, JSON_COMPACT);
    size_t size = text != NULL ? strlen(text) : 0;
    if (size > 0 && size < SIZE_MAX_ANSWER)
        (void)!send(fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    free(text); /* jansson's */
    json_decref(o);
    close(fd);
}

struct figures *figures_serve(struct loop *loop, const char *dir, figures_fn *fn, void *arg)
{
    struct error err;
    struct figures *f = mem_zero(1, sizeof *f);
    *f = (struct figures){.fn = fn, .arg = arg};
    enum result r = address_of(dir, &f->address, &err);
    if (r == RESULT_OK && unlink(f->address.sun_path) < 0 && errno != ENOENT)
        r = data_dir_fail("remove the old socket", f->address.sun_path, &err);
    if (r == RESULT_OK) {
        f->listener =
            evconnlistener_new_bind(loop_base(loop), on_connection, f, LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE,
                                    BACKLOG, (const struct sockaddr *)&f->address, sizeof f->address);
        if (f->listener == NULL)
            r = data_dir_fail("make the socket", f->address.sun_path, &err);
        else
            r = data_dir_own(f->address.sun_path, SOCKET_MODE, &err);
    }
    if (r != RESULT_OK) {
        log_warning("pontoon status won't show limits: %s", err.text);
        figures_free(&f);
    }
    return f;
}

void figures_free(struct figures **f)
{
    if (*f == NULL)
        return;
    if ((*f)->listener != NULL) {
        evconnlistener_free((*f)->listener);
        unlink((*f)->address.sun_path);
    }
    mem_free(f);
}

/* ---- asking ---- */

static bool read_all(int fd, msec_t until, struct buf *out)
{
    char piece[4096];
    for (;;) {
        msec_t left = until - clock_mono();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            return false;
        ssize_t n = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
        if (n <= 0)
            return n == 0 && !out->overflow;
        buf_add(out, piece, (size_t)n);
    }
}

json_t *figures_ask(const char *dir, msec_t wait)
{
    struct sockaddr_un sun;
    struct buf text = BUF_INIT(SIZE_MAX_ANSWER);
    json_t *o = NULL;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && address_of(dir, &sun, NULL) == RESULT_OK &&
        connect(fd, (const struct sockaddr *)&sun, sizeof sun) == 0 && read_all(fd, clock_mono() + wait, &text))
        o = json_loadb(buf_str(&text), text.len, JSON_REJECT_DUPLICATES, NULL);
    if (fd >= 0)
        close(fd);
    buf_free(&text);
    return o;
}
