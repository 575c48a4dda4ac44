/*
 * Server-side TLS (OpenSSL): TLS 1.2 and newer, one certificate chain and key, replaced without a
 * restart. Clients are libcurl's business (lib/http_client.h).
 */
#ifndef PONTOON_TLS_H
#define PONTOON_TLS_H

#include <openssl/ssl.h>

#include "lib/result.h"

struct tls_server;

/* Checks that chain and key belong together and that the certificate is valid now (expired: a warning). */
enum result tls_server_new(const char *chain_file, const char *key_file, struct tls_server **t_r, struct error *err);
/* Takes what these files hold now for new connections; on failure the old certificate stays in use. */
enum result tls_server_reload(struct tls_server *t, const char *chain_file, const char *key_file, struct error *err);
void tls_server_free(struct tls_server **t);
SSL *tls_server_session(struct tls_server *t); /* for one accepted connection */

#endif
