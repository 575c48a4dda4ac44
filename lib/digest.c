/* SHA-256, HMAC, base64 and randomness from OpenSSL: see digest.h. */
#include "lib/digest.h"

#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { BASE64_INPUT_MAX = INT_MAX / 4 }; /* OpenSSL counts in int */

struct digest {
    EVP_MD_CTX *ctx;
};

/* None of these can fail but for want of memory or a broken OpenSSL: there is nothing to go on with. */
static void must(bool ok, const char *what)
{
    if (ok)
        return;
    char reason[256];
    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    log_fatal("OpenSSL: %s: %s", what, reason);
}

struct digest *digest_new(void)
{
    struct digest *d = mem_alloc(sizeof *d);
    d->ctx = EVP_MD_CTX_new();
    must(d->ctx != NULL && EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) == 1, "begin SHA-256");
    return d;
}

void digest_add(struct digest *d, const void *data, size_t len)
{
    must(EVP_DigestUpdate(d->ctx, data, len) == 1, "SHA-256");
}

void digest_finish(struct digest **d, uint8_t out[DIGEST_SIZE])
{
    must(EVP_DigestFinal_ex((*d)->ctx, out, NULL) == 1, "end SHA-256");
    digest_free(d);
}

void digest_free(struct digest **d)
{
    if (*d == NULL)
        return;
    EVP_MD_CTX_free((*d)->ctx);
    mem_free(d);
}

void digest_of(const void *data, size_t len, uint8_t out[DIGEST_SIZE])
{
    must(EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL) == 1, "SHA-256");
}

void digest_hmac(const void *key, size_t key_len, const void *data, size_t len, uint8_t out[DIGEST_SIZE])
{
    if (key_len > INT_MAX)
        log_panic("digest_hmac: a key of %zu bytes", key_len);
    must(HMAC(EVP_sha256(), key, (int)key_len, data, len, out, NULL) != NULL, "HMAC-SHA256");
}

bool digest_equal(const uint8_t a[DIGEST_SIZE], const uint8_t b[DIGEST_SIZE])
{
    return CRYPTO_memcmp(a, b, DIGEST_SIZE) == 0;
}

void digest_text(const uint8_t d[DIGEST_SIZE], char out[DIGEST_TEXT_SIZE])
{
    char *text = base64url_encode(d, DIGEST_SIZE);
    memcpy(out, text, DIGEST_TEXT_SIZE);
    mem_free(&text);
}

bool digest_parse(const char *text, uint8_t out[DIGEST_SIZE])
{
    size_t len;
    if (strnlen(text, DIGEST_TEXT_SIZE) != DIGEST_TEXT_SIZE - 1)
        return false;
    void *bytes = base64url_decode(text, DIGEST_TEXT_SIZE - 1, &len);
    if (bytes == NULL)
        return false;
    memcpy(out, bytes, DIGEST_SIZE); /* 43 characters are 32 bytes */
    mem_free(&bytes);
    return true;
}

char *base64_encode(const void *data, size_t len)
{
    if (len > BASE64_INPUT_MAX)
        log_panic("base64_encode: %zu bytes", len);
    char *text = mem_alloc((len + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)text, data, (int)len);
    return text;
}

static void swap_chars(char *text, const char *from, const char *to)
{
    for (; *text != '\0'; text++) {
        const char *at = strchr(from, *text);
        if (at != NULL)
            *text = to[at - from];
    }
}

char *base64url_encode(const void *data, size_t len)
{
    char *text = base64_encode(data, len);
    text[strcspn(text, "=")] = '\0';
    swap_chars(text, "+/", "-_");
    return text;
}

/* OpenSSL's decoder trims and forgives. What we take is what we would write ourselves, and nothing else. */
static bool is_canonical(const void *data, size_t len, const char *text, size_t text_len)
{
    char *again = base64url_encode(data, len);
    bool same = strlen(again) == text_len && memcmp(again, text, text_len) == 0;
    mem_free(&again);
    return same;
}

void *base64url_decode(const char *text, size_t text_len, size_t *len_r)
{
    if (text_len > BASE64_INPUT_MAX || text_len % 4 == 1)
        return NULL;
    size_t padded_len = (text_len + 3) / 4 * 4;
    char *padded = mem_alloc(padded_len + 1);
    memcpy(padded, text, text_len);
    memset(padded + text_len, '=', padded_len - text_len);
    padded[padded_len] = '\0';
    swap_chars(padded, "-_", "+/");

    unsigned char *data = mem_alloc(padded_len / 4 * 3 + 1);
    size_t len = text_len * 3 / 4;
    bool ok = EVP_DecodeBlock(data, (unsigned char *)padded, (int)padded_len) >= 0;
    mem_free(&padded);
    if (!ok || !is_canonical(data, len, text, text_len)) {
        mem_free(&data);
        return NULL;
    }
    data[len] = '\0';
    *len_r = len;
    return data;
}

void random_bytes(void *out, size_t len)
{
    if (len > INT_MAX)
        log_panic("random_bytes: %zu bytes", len);
    must(RAND_bytes(out, (int)len) == 1, "random bytes");
}

uint32_t random_below(uint32_t n)
{
    if (n == 0)
        log_panic("random_below(0)");
    uint32_t fair = UINT32_MAX - UINT32_MAX % n; /* above it small numbers would come up more often */
    uint32_t r;
    do
        random_bytes(&r, sizeof r);
    while (r >= fair);
    return r % n;
}

/* 48 bits of milliseconds and 80 random bits, in 5-bit digits that sort as ASCII does and leave out I, L, O and U. */
static const char id_digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
enum { TIME_DIGITS = 10 };

void message_id_new(char out[MESSAGE_ID_LEN + 1])
{
    uint64_t now = (uint64_t)clock_now() & ((UINT64_C(1) << 48) - 1);
    for (int i = TIME_DIGITS - 1; i >= 0; i--, now >>= 5)
        out[i] = id_digits[now & 31];
    uint8_t noise[MESSAGE_ID_LEN - TIME_DIGITS];
    random_bytes(noise, sizeof noise);
    for (int i = TIME_DIGITS; i < MESSAGE_ID_LEN; i++)
        out[i] = id_digits[noise[i - TIME_DIGITS] & 31];
    out[MESSAGE_ID_LEN] = '\0';
}

msec_t message_id_time(const char *id)
{
    msec_t when = 0;
    if (strspn(id, id_digits) != MESSAGE_ID_LEN || id[MESSAGE_ID_LEN] != '\0')
        return 0;
    for (int i = 0; i < TIME_DIGITS; i++)
        when = when << 5 | (msec_t)(strchr(id_digits, id[i]) - id_digits);
    return when;
}

bool message_id_valid(const char *id)
{
    size_t len = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    return len >= 1 && len <= 64 && id[len] == '\0';
}
