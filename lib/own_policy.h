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

/* An id for the record that announces this document, which no other has: 16 hexadecimal digits of its SHA-256. */
enum { OWN_POLICY_ID_SIZE = 17 };
void own_policy_id(const char *document, char out[OWN_POLICY_ID_SIZE]);
/* Whether an id has this form, so that it can be compared. */
bool own_policy_id_has_form(const char *id);

#endif
