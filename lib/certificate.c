/* A certificate file as a peer sees it: see certificate.h. */
#include "lib/certificate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "lib/mem.h"

enum { CHAIN_MAX = 10 }; /* certificates in a file; real chains have 2 to 4 */

struct certificate {
    X509 *server;
    STACK_OF(X509) * chain; /* the others */
};

/* ---- reading ---- */

static enum result read_all(FILE *f, struct certificate *c, const char *file, struct error *err)
{
    c->chain = sk_X509_new_null();
    c->server = PEM_read_X509(f, NULL, NULL, NULL);
    if (c->server == NULL)
        return error_set(err, RESULT_PERM, "%s: no PEM certificate in it", file);
    for (int i = 0; i < CHAIN_MAX; i++) {
        X509 *next = PEM_read_X509(f, NULL, NULL, NULL);
        if (next == NULL)
            return RESULT_OK;
        sk_X509_push(c->chain, next);
    }
    return error_set(err, RESULT_PERM, "%s: more than %d certificates", file, CHAIN_MAX);
}

enum result certificate_load(const char *chain_file, struct certificate **c_r, struct error *err)
{
    FILE *f = fopen(chain_file, "re");
    if (f == NULL)
        return error_set(err, RESULT_TEMP, "%s: %s", chain_file, strerror(errno));
    struct certificate *c = mem_zero(1, sizeof *c);
    enum result r = read_all(f, c, chain_file, err);
    fclose(f);
    ERR_clear_error();
    if (r != RESULT_OK)
        certificate_free(&c);
    else
        *c_r = c;
    return r;
}

void certificate_free(struct certificate **c)
{
    if (*c == NULL)
        return;
    X509_free((*c)->server);
    sk_X509_pop_free((*c)->chain, X509_free);
    mem_free(c);
}

/* ---- dates ---- */

static msec_t moment(const ASN1_TIME *t)
{
    struct tm tm;
    return ASN1_TIME_to_tm(t, &tm) == 1 ? (msec_t)timegm(&tm) * 1000 : 0;
}

msec_t certificate_ends(const struct certificate *c)
{
    msec_t first = moment(X509_get0_notAfter(c->server));
    for (int i = 0; i < sk_X509_num(c->chain); i++) {
        msec_t t = moment(X509_get0_notAfter(sk_X509_value(c->chain, i)));
        first = t < first ? t : first;
    }
    return first;
}

msec_t certificate_begins(const struct certificate *c)
{
    msec_t last = moment(X509_get0_notBefore(c->server));
    for (int i = 0; i < sk_X509_num(c->chain); i++) {
        msec_t t = moment(X509_get0_notBefore(sk_X509_value(c->chain, i)));
        last = t > last ? t : last;
    }
    return last;
}

msec_t certificate_of_peer_ends(const SSL *session)
{
    const X509 *peer = SSL_get0_peer_certificate(session);
    STACK_OF(X509) *chain = SSL_get0_verified_chain(session);
    msec_t first = peer != NULL ? moment(X509_get0_notAfter(peer)) : 0;
    for (int i = 0; peer != NULL && i < sk_X509_num(chain); i++) { /* -1 for NULL */
        msec_t t = moment(X509_get0_notAfter(sk_X509_value(chain, i)));
        first = t < first ? t : first;
    }
    return first;
}

/* ---- names and trust ---- */

bool certificate_names(const struct certificate *c, const char *host)
{
    return X509_check_host(c->server, host, strlen(host), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

static enum result verify_with(const struct certificate *c, X509_STORE *authorities, struct error *err)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    enum result r = RESULT_OK;
    if (ctx == NULL || X509_STORE_CTX_init(ctx, authorities, c->server, c->chain) != 1) {
        r = error_set(err, RESULT_BUG, "OpenSSL can't begin to verify");
    } else {
        X509_STORE_CTX_set_default(ctx, "ssl_server");
        X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME);
        if (X509_verify_cert(ctx) != 1)
            r = error_set(err, RESULT_PERM, "%s", X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    }
    X509_STORE_CTX_free(ctx);
    return r;
}

enum result certificate_verify(const struct certificate *c, const char *ca_file, struct error *err)
{
    X509_STORE *authorities = X509_STORE_new();
    bool named = ca_file != NULL && *ca_file != '\0';
    int ok = named ? X509_STORE_load_file(authorities, ca_file) : X509_STORE_set_default_paths(authorities);
    enum result r = ok == 1 ? verify_with(c, authorities, err)
                            : error_set(err, RESULT_TEMP, "the certification authorities%s%s can't be read",
                                        named ? " in " : "", named ? ca_file : "");
    X509_STORE_free(authorities);
    ERR_clear_error();
    return r;
}
