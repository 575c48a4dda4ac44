/*
 * A filter that answers pontoon-replay with anything: all of it stands ready in a socket. The client ends with a verdict or with words, and
 * what it shows of changes and replies is printable lines within their bounds.
 */
#include <libmilter/mfdef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/milter_client.h"
#include "t/fuzz/fuzz.h"

static void check_lines(const char *text)
{
    for (; *text != '\0'; text++)
        MUST(((unsigned char)*text >= 0x20 && *text != 0x7f) || *text == '\n');
}

static bool one_message(struct milter_client *c, struct milter_answer *a)
{
    static const struct {
        char letter;
        const char *data;
    } commands[] = {{SMFIC_CONNECT, "x"}, {SMFIC_HELO, "x"}, {SMFIC_MAIL, "<a@b>"}, {SMFIC_RCPT, "<c@d>"},
                    {SMFIC_DATA, ""},     {SMFIC_EOH, ""},   {SMFIC_BODY, "x\r\n"}, {SMFIC_BODYEOB, ""}};
    struct error err = {0};
    const char *const macros[] = {"i", "ABC", NULL};
    if (milter_client_macros(c, SMFIC_MAIL, macros, &err) != RESULT_OK)
        return false;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        enum result r = milter_client_command(c, commands[i].letter, commands[i].data, strlen(commands[i].data) + 1,
                                              false, a, &err);
        MUST(a->verdict < MILTER_VERDICTS && strlen(a->reply) < sizeof a->reply);
        check_lines(a->reply);
        if (r != RESULT_OK) {
            MUST(err.text[0] != '\0');
            check_lines(err.text);
            return false;
        }
        milter_client_actions(c);
        MUST(milter_verdict_name(a->verdict) != NULL);
    }
    return true;
}

FUZZ(data, size)
{
    int fds[2];
    struct milter_client *c = NULL;
    struct milter_answer a;
    struct error err;
    if (size > 100000)
        return 0;
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    MUST(send(fds[1], data, size, MSG_DONTWAIT) == (ssize_t)size && shutdown(fds[1], SHUT_WR) == 0);
    milter_answer_init(&a);
    if (milter_client_start(fds[0], "fuzz", 1000, &c, &err) == RESULT_OK) {
        while (one_message(c, &a)) {
        }
        MUST(!a.changes.overflow);
        check_lines(buf_str(&a.changes));
    } else {
        MUST(c == NULL);
        check_lines(err.text);
    }
    milter_client_close(&c);
    milter_answer_free(&a);
    close(fds[1]);
    return 0;
}
