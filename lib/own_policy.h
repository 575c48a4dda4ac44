/*
 * The policy document that our own configuration makes: pontoon-store publishes it, `pontoon check` compares it with
 * what the others see.
 */
#ifndef PONTOON_OWN_POLICY_H
#define PONTOON_OWN_POLICY_H

#include "lib/config.h"
#include "lib/policy.h"
#include "lib/result.h"

/* policy.mode. */
enum policy_mode own_policy_mode(const struct config *config);
/*
 * The document, to mem_free(), with the public halves of store.signing-key and of all keys of store.published-keys.
 * RESULT_PERM: a key can't be read, or section policy makes no valid document.
 */
enum result own_policy_write(const struct config *config, char **document_r, struct error *err);

#endif
