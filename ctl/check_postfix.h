/*
 * What the checks of Postfix share: whose milter ours is, and where a line goes. check_postfix.c reads the configuration and
 * looks at the milters, check_postfix_listeners.c at the two listeners, check_postfix_mail.c at what else is done to mail.
 */
#ifndef PONTOON_CTL_CHECK_POSTFIX_H
#define PONTOON_CTL_CHECK_POSTFIX_H

#include "ctl/check.h"
#include "ctl/postfix_config.h"

/* The milters that a service of smtpd asks: none with no_milters. To postfix_milters_free(). */
size_t check_postfix_asks(const struct check *c, const struct postfix_service *s, struct postfix_milter **list_r);
/* Whether it is a service of smtpd that asks pontoon-milter. */
bool check_postfix_asks_ours(const struct check *c, const struct postfix_service *s);
/* Whether that milter is pontoon-milter, as a service that is chrooted or not reaches it. */
bool check_postfix_is_ours(const struct check *c, const char *endpoint, bool chrooted);

/*
 * The next parameter by which cleanup adds recipients of its own to what this listener takes; NULL: no more. *at is 0 for the first.
 */
const char *check_postfix_copier(const struct check *c, const struct postfix_service *listener, size_t *at);

/* What to do about the last finding: the setting, where it goes, and that Postfix is told. `s` NULL: main.cf. */
void check_postfix_advise(struct check *c, const struct postfix_service *s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
