/*
 * Fetch capabilities: "AUD~MAC", where MAC is HMAC-SHA256(store secret, id NUL aud) in base64url.
 * The recipient domain stands in the token, so that a stranger is refused without a look-up; to
 * the peer the whole is opaque.
 *
 * The secret file holds one secret a line (at least 32 characters): the first makes tokens, all are
 * accepted, so secrets can be changed without cutting off what is under way.
 */
#ifndef PONTOON_TOKEN_H
#define PONTOON_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/address.h"
#include "lib/result.h"

enum { TOKEN_MAX = DOMAIN_MAX + 1 + 43 };

struct token_secret;

enum { TOKEN_SECRETS_MAX = 16 };

/* Makes the file (mode 0600, fsynced) with a new secret if there is none yet. */
enum result token_secret_load(const char *path, struct token_secret **s_r, struct error *err);
/* From text; `name` stands for the file in errors. */
enum result token_secret_parse(const char *text, size_t len, const char *name, struct token_secret **s_r,
                               struct error *err);
void token_secret_free(struct token_secret **s);

void token_make(const struct token_secret *s, const char *id, const char *aud, char out[TOKEN_MAX + 1]);
/* True if the token is ours for this id; aud_r then has the recipient domain. */
bool token_check(const struct token_secret *s, const char *id, const char *token, char aud_r[DOMAIN_MAX + 1]);

#endif
