/* The socket DIR/wakeup, by which the milter tells the store daemon that a message may go: see store.h. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/data_dir.h"
#include "lib/failpoint.h"
#include "lib/mem.h"
#include "lib/store_sqlite.h"

enum {
    SOCKET_MODE = 0660,
    PATIENCE = 50, /* ms: Linux keeps 10 datagrams for a reader if nobody told it otherwise (net.unix.max_dgram_qlen) */
    OFFENCE = 1000, /* ms in which a daemon that let us wait so long is not waited for */
};

static enum result address_of(const struct store *s, struct sockaddr_un *sun, struct error *err)
{
    *sun = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(sun->sun_path, sizeof sun->sun_path, "%s/wakeup", s->dir);
    if (n < 0 || (size_t)n >= sizeof sun->sun_path)
        return error_set(err, RESULT_PERM, "store.directory %s is too long for a socket in it (%zu characters at most)",
                         s->dir, sizeof sun->sun_path - sizeof "/wakeup");
    return RESULT_OK;
}

int store_wakeup_sender(void)
{
    const struct timeval patience = {0, (suseconds_t)PATIENCE * 1000};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return fd;
}

static bool say(const struct store *store, const char *id, int flags)
{
    struct sockaddr_un sun;
    return address_of(store, &sun, NULL) != RESULT_OK ||
           sendto(store->wakeup, id, strlen(id), MSG_NOSIGNAL | flags, (struct sockaddr *)&sun, sizeof sun) >= 0 ||
           (errno != EAGAIN && errno != EWOULDBLOCK);
}

/*
 * A hint: without a daemon, or with one that does not read, the message goes when its hold is over. One that has much to do is waited for: its
 * queue is short, and many sessions may end at once.
 */
void store_release(struct store *store, const char *id)
{
    if (FAILPOINT(wakeup) || store->wakeup < 0 || say(store, id, MSG_DONTWAIT))
        return;
    if (clock_mono() >= atomic_load(&store->wakeup_again) && !say(store, id, 0))
        atomic_store(&store->wakeup_again, clock_mono() + OFFENCE);
}

int store_wakeup_socket(struct store *store, struct error *err)
{
    struct sockaddr_un sun;
    if (address_of(store, &sun, err) != RESULT_OK)
        return -1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        error_set(err, RESULT_TEMP, "make a socket: %s", strerror(errno));
        return -1;
    }
    /* A dead daemon's is in the way; a living one's would be too, but two daemons of one store on one machine are a
     * mistake. */
    if (unlink(sun.sun_path) < 0 && errno != ENOENT)
        data_dir_fail("remove the old socket", sun.sun_path, err);
    else if (bind(fd, (struct sockaddr *)&sun, sizeof sun) < 0)
        data_dir_fail("make the socket", sun.sun_path, err);
    else if (data_dir_own(sun.sun_path, SOCKET_MODE, err) == RESULT_OK)
        return fd;
    close(fd);
    return -1;
}
