/* Server-side TLS: see tls.h. */
#include "lib/tls.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"

struct tls_server {
    SSL_CTX *ctx;
};

/* The innermost reason of OpenSSL's error queue ("No such file or directory", "key values mismatch"). */
static const char *reason(void)
{
    unsigned long code = ERR_peek_error();
    if (ERR_SYSTEM_ERROR(code))
        return strerror((int)ERR_GET_REASON(code));
    const char *text = ERR_reason_error_string(code);
    return text ? text : "unknown error";
}

/* Without this OpenSSL would ask on the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf, (void)size, (void)rwflag, (void)arg;
    return -1;
}

static void warn_of_dates(SSL_CTX *ctx, const char *chain_file)
{
    const X509 *cert = SSL_CTX_get0_certificate(ctx);
    if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
        log_warning("%s: the certificate has expired: peers will refuse it", chain_file);
    else if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
        log_warning("%s: the certificate is not valid yet: peers will refuse it", chain_file);
}

static enum result load(SSL_CTX *ctx, const char *chain_file, const char *key_file, struct error *err)
{
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, chain_file) != 1)
        return error_set(err, RESULT_PERM, "%s: no usable PEM certificate chain: %s", chain_file, reason());
    if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1) {
        if (ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH)
            return error_set(err, RESULT_PERM, "%s: not the private key of the certificate in %s", key_file,
                             chain_file);
        return error_set(err, RESULT_PERM, "%s: no usable PEM private key without passphrase: %s", key_file, reason());
    }
    warn_of_dates(ctx, chain_file);
    return RESULT_OK;
}

static enum result new_context(const char *chain_file, const char *key_file, SSL_CTX **ctx_r, struct error *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL)
        return error_set(err, RESULT_PERM, "OpenSSL can't make a TLS context: %s", reason());
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS); /* idle connections are many */
    enum result r = load(ctx, chain_file, key_file, err);
    ERR_clear_error();
    if (r != RESULT_OK)
        SSL_CTX_free(ctx);
    else
        *ctx_r = ctx;
    return r;
}

enum result tls_server_new(const char *chain_file, const char *key_file, struct tls_server **t_r, struct error *err)
{
    SSL_CTX *ctx = NULL;
    enum result r = new_context(chain_file, key_file, &ctx, err);
    if (r != RESULT_OK)
        return r;
    struct tls_server *t = mem_zero(1, sizeof *t);
    t->ctx = ctx;
    *t_r = t;
    return RESULT_OK;
}

enum result tls_server_reload(struct tls_server *t, const char *chain_file, const char *key_file, struct error *err)
{
    SSL_CTX *ctx = NULL;
    enum result r = new_context(chain_file, key_file, &ctx, err);
    if (r != RESULT_OK)
        return r;
    SSL_CTX_free(t->ctx); /* its sessions hold references of their own */
    t->ctx = ctx;
    return RESULT_OK;
}

void tls_server_free(struct tls_server **t)
{
    if (*t == NULL)
        return;
    SSL_CTX_free((*t)->ctx);
    mem_free(t);
}

SSL *tls_server_session(struct tls_server *t)
{
    SSL *ssl = SSL_new(t->ctx);
    if (ssl == NULL)
        log_fatal("out of memory (TLS session)");
    return ssl;
}
