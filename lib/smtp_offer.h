/* What an SMTP or LMTP server offers in its reply to EHLO or LHLO (RFC 5321 section 4.1.1.1; Postfix's XCLIENT_README). */
#ifndef PONTOON_SMTP_OFFER_H
#define PONTOON_SMTP_OFFER_H

#include <stdbool.h>
#include <stdint.h>

enum { XCLIENT_NAME = 1, XCLIENT_ADDR = 2, XCLIENT_HELO = 4, XCLIENT_PROTO = 8 };

struct smtp_offer {
    bool pipelining, eight_bit_mime, smtputf8, size, dsn;
    uint64_t size_limit; /* 0: none said */
    unsigned xclient;    /* XCLIENT_* attributes, 0: not offered */
};

/* `raw`: the lines of the reply, without codes, each ending in '\n'. Unknown keywords are skipped. */
void smtp_ehlo_parse(const char *raw, struct smtp_offer *offer_r);

#endif
