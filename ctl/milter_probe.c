/* One packet each way: see milter_probe.h. The numbers are those of libmilter's mfdef.h. */
#include "ctl/milter_probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/probe.h"

enum {
    NEGOTIATE = 'O',
    QUIT = 'Q',
    PROTOCOL = 6,
    ALL_ACTIONS = 0x1ff,    /* of that version */
    ALL_STEPS = 0x1fffff,   /* the same */
    HEAD = 4,               /* length, which counts the command, too */
    PACKET = 1 + 3 * 4,     /* command, version, actions, steps */
    ANSWER_MAX = 64 * 1024, /* macro lists may follow */
};

static void put(uint8_t *out, uint32_t n)
{
    n = htonl(n);
    memcpy(out, &n, sizeof n);
}

static uint32_t get(const uint8_t *in)
{
    uint32_t n;
    memcpy(&n, in, sizeof n);
    return ntohl(n);
}

static bool offer(int fd)
{
    uint8_t packet[HEAD + PACKET];
    put(packet, PACKET);
    packet[HEAD] = NEGOTIATE;
    put(packet + HEAD + 1, PROTOCOL);
    put(packet + HEAD + 5, ALL_ACTIONS);
    put(packet + HEAD + 9, ALL_STEPS);
    return send(fd, packet, sizeof packet, MSG_NOSIGNAL) == (ssize_t)sizeof packet;
}

static enum result read_exactly(int fd, uint8_t *out, size_t len, msec_t until, struct error *err)
{
    for (size_t have = 0; have < len;) {
        msec_t left = until - clock_mono();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return error_set(err, RESULT_TEMP, "it takes connections, and does not answer");
        ssize_t n = recv(fd, out + have, len - have, MSG_DONTWAIT);
        if (n == 0)
            return error_set(err, RESULT_PERM, "it hung up");
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return error_set(err, RESULT_TEMP, "%s", strerror(errno));
        have += n > 0 ? (size_t)n : 0;
    }
    return RESULT_OK;
}

static enum result read_answer(int fd, msec_t until, struct milter_answer *answer_r, struct error *err)
{
    uint8_t packet[HEAD + PACKET] = {0};
    enum result r = read_exactly(fd, packet, sizeof packet, until, err);
    if (r != RESULT_OK)
        return r;
    uint32_t len = get(packet);
    if (len < PACKET || len > ANSWER_MAX || packet[HEAD] != NEGOTIATE)
        return error_set(err, RESULT_PERM, "what answers there does not speak the milter protocol");
    *answer_r = (struct milter_answer){
        .version = get(packet + HEAD + 1), .actions = get(packet + HEAD + 5), .steps = get(packet + HEAD + 9)};
    return RESULT_OK;
}

enum result milter_probe(const char *endpoint, msec_t wait, struct milter_answer *answer_r, struct error *err)
{
    static const uint8_t quit[HEAD + 1] = {0, 0, 0, 1, QUIT};
    int fd = probe_connect(endpoint, wait, err);
    if (fd < 0)
        return RESULT_TEMP;
    enum result r = offer(fd) ? read_answer(fd, clock_mono() + wait, answer_r, err)
                              : error_set(err, RESULT_TEMP, "it takes nothing");
    (void)!send(fd, quit, sizeof quit, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
    return r;
}
