/* The addresses in a header field such as To: (RFC 5322 section 3.4), as far as the mail of the world can be read. Pure. */
#ifndef PONTOON_REPLAY_ADDRESSES_H
#define PONTOON_REPLAY_ADDRESSES_H

#include <stddef.h>

/*
 * Calls found(arg, address) for each "local@domain" in an unfolded value, without names, comments and brackets. What is no valid
 * address is left out.
 */
void addresses_each(const char *value, void (*found)(void *arg, const char *address), void *arg);

#endif
