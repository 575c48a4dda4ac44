/* The socket DIR/wakeup, by which the milter tells the store daemon that a message may go: see store.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/data_dir.h"
#include "lib/failpoint.h"
#include "lib/mem.h"
#include "lib/store_sqlite.h"

enum { SOCKET_MODE = 0660 };

static enum result address_of(const struct store *s, struct sockaddr_un *sun, struct error *err)
{
    *sun = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(sun->sun_path, sizeof sun->sun_path, "%s/wakeup", s->dir);
    if (n < 0 || (size_t)n >= sizeof sun->sun_path)
        return error_set(err, RESULT_PERM, "store.directory %s is too long for a socket in it (%zu characters at most)",
                         s->dir, sizeof sun->sun_path - sizeof "/wakeup");
    return RESULT_OK;
}

/* A hint: without a daemon, or with its queue full, the message goes when its hold is over. */
void store_release(struct store *store, const char *id)
{
    struct sockaddr_un sun;
    if (!FAILPOINT(wakeup) && store->wakeup >= 0 && address_of(store, &sun, NULL) == RESULT_OK)
        (void)!sendto(store->wakeup, id, strlen(id), MSG_NOSIGNAL, (struct sockaddr *)&sun, sizeof sun);
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
