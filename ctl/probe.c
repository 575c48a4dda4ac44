/* A connection that is opened and closed: see probe.h. */
#include "ctl/probe.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/netaddr.h"

/* The error number of a connection under way once it is decided, 0 if it stands. */
static int await_connection(int fd, msec_t wait)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int n = poll(&p, 1, (int)wait);
    if (n == 0)
        return ETIMEDOUT;
    int error = 0;
    socklen_t len = sizeof error;
    if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return errno;
    return error;
}

int probe_connect(const char *endpoint, msec_t wait, struct error *err)
{
    struct netaddr a;
    if (netaddr_endpoint(endpoint, &a, err) != RESULT_OK)
        return -1;
    int fd = socket(a.sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;
    if (fd < 0)
        error = errno;
    else if (connect(fd, (const struct sockaddr *)&a.sa, a.len) != 0)
        error = errno == EINPROGRESS ? await_connection(fd, wait) : errno;
    if (error == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    error_set(err, RESULT_TEMP, "%s", strerror(error));
    return -1;
}

bool probe_endpoint(const char *endpoint, msec_t wait, struct error *err)
{
    int fd = probe_connect(endpoint, wait, err);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}
