/* A c-ares channel whose sockets and timeouts live on a loop: what lib/dns.c asks its questions through. */
#ifndef PONTOON_DNS_CHANNEL_H
#define PONTOON_DNS_CHANNEL_H

#include <ares.h>

#include "lib/config.h"
#include "lib/loop.h"

struct dns_channel;

enum result dns_channel_new(struct loop *loop, const struct config *config, struct dns_channel **c_r,
                            struct error *err);
/* Calls back all that is under way, with ARES_EDESTRUCTION. */
void dns_channel_free(struct dns_channel **c);

/* The callback may come before it returns. */
void dns_channel_query(struct dns_channel *c, const char *name, int type, ares_callback done, void *arg);

#endif
