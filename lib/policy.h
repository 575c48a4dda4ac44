/*
 * A domain's sender-store policy (doc/protocol.md, "Policy"): the document at
 * https://sender-store.DOMAIN/.well-known/sender-store, and the TXT record that announces it.
 * Parsing and writing only; lib/discovery.h fetches and caches.
 */
#ifndef PONTOON_POLICY_H
#define PONTOON_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "lib/jws.h"
#include "lib/result.h"

enum {
    POLICY_SIZE_MAX = 65536,
    POLICY_URLS_MAX = 16,
    POLICY_URL_MAX = 500,
    POLICY_TXT_ID_MAX = 64,
};

enum policy_mode { POLICY_NONE, POLICY_TESTING, POLICY_ENFORCE };

struct policy {
    enum policy_mode mode;
    int64_t max_age; /* seconds, 60 .. 31557600 */
    char *inbound[POLICY_URLS_MAX];
    size_t ninbound;
    char *outbound[POLICY_URLS_MAX];
    size_t noutbound;
    struct jws_keys *keys;
    uint64_t max_size; /* bytes; UINT64_MAX when the policy names none */
};

/*
 * Parses a policy document. Unknown members are ignored, an unknown version is RESULT_PERM with
 * "version" in the text. mode enforce and testing need inbound or outbound; outbound needs keys.
 * URLs: https, a host name, optional port and path, no user, query or fragment; a trailing '/' is cut.
 */
enum result policy_parse(const char *text, size_t len, struct policy **policy_r, struct error *err);
void policy_free(struct policy **policy);

/*
 * The document for what we publish; `jwks` is {"keys":[…]} (borrowed; NULL or without keys: no `keys`). `max_size` 0 or
 * UINT64_MAX names none. Compact JSON text, to mem_free().
 */
char *policy_write(enum policy_mode mode, int64_t max_age, const char *const *inbound, size_t ninbound,
                   const char *const *outbound, size_t noutbound, const json_t *jwks, uint64_t max_size);

/* The inbound URLs, joined by newlines; to mem_free(). NULL if there are none. */
char *policy_inbound_lines(const struct policy *policy);

const char *policy_mode_name(enum policy_mode mode); /* "none", "testing", "enforce" */

/*
 * One TXT record's text, "v=SSMP1; id=OPAQUE" (RFC 8461 section 3.1 in shape: fields by ';', unknown
 * fields ignored, v first). RESULT_PERM: malformed. RESULT_TEMP: not one of ours (no v=SSMP first),
 * to be skipped. An unknown version ("v=SSMP2") is RESULT_PERM.
 */
enum result policy_txt_parse(const char *txt, size_t len, char id_r[POLICY_TXT_ID_MAX + 1], struct error *err);

#endif
