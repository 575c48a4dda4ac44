/* Fetch capabilities: see token.h. */
#include "lib/token.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "lib/digest.h"
#include "lib/mem.h"
#include "lib/secret_file.h"

enum { SECRET_MIN = 32, SECRET_BYTES = 32, MAC_LEN = DIGEST_TEXT_SIZE - 1 };

struct token_secret {
    char *secrets[TOKEN_SECRETS_MAX];
    size_t n;
};

static enum result make_file(const char *path, struct error *err)
{
    uint8_t raw[SECRET_BYTES];
    random_bytes(raw, sizeof raw);
    char *text = base64url_encode(raw, sizeof raw);
    char *line = mem_printf("%s\n", text);
    enum result result = secret_file_ensure(path, line, strlen(line), err);
    mem_free(&text);
    mem_free(&line);
    return result;
}

enum result token_secret_load(const char *path, struct token_secret **s_r, struct error *err)
{
    enum result result;
    if (access(path, F_OK) < 0 && errno == ENOENT && (result = make_file(path, err)) != RESULT_OK)
        return result;
    char *text;
    size_t len;
    if ((result = secret_file_read(path, &text, &len, err)) != RESULT_OK)
        return result;
    result = token_secret_parse(text, len, path, s_r, err);
    explicit_bzero(text, len);
    mem_free(&text);
    return result;
}

static enum result add_secret(struct token_secret *s, const char *line, size_t len, struct error *err)
{
    if (memchr(line, '\0', len) != NULL)
        return error_set(err, RESULT_PERM, "a NUL in the secret");
    if (len < SECRET_MIN)
        return error_set(err, RESULT_PERM, "a secret of less than %d characters", SECRET_MIN);
    if (s->n == TOKEN_SECRETS_MAX)
        return error_set(err, RESULT_PERM, "more than %d secrets", TOKEN_SECRETS_MAX);
    s->secrets[s->n++] = mem_strndup(line, len);
    return RESULT_OK;
}

enum result token_secret_parse(const char *text, size_t len, const char *name, struct token_secret **s_r,
                               struct error *err)
{
    struct token_secret *s = mem_zero(1, sizeof *s);
    enum result result = RESULT_OK;
    const char *end = text + len;
    const char *next;
    unsigned number = 1;
    for (const char *line = text; line < end && result == RESULT_OK; line = next, number++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((newline != NULL ? newline : end) - line);
        next = newline != NULL ? newline + 1 : end;
        if (n > 0 && (result = add_secret(s, line, n, err)) != RESULT_OK)
            error_prefix(err, "%s:%u", name, number);
    }
    if (result == RESULT_OK && s->n == 0)
        result = error_set(err, RESULT_PERM, "%s: no secret in it: remove the file, and a new one is made", name);
    if (result == RESULT_OK)
        *s_r = s;
    else
        token_secret_free(&s);
    return result;
}

void token_secret_free(struct token_secret **s)
{
    if (*s == NULL)
        return;
    for (size_t i = 0; i < (*s)->n; i++) {
        explicit_bzero((*s)->secrets[i], strlen((*s)->secrets[i]));
        mem_free(&(*s)->secrets[i]);
    }
    mem_free(s);
}

/* The NUL keeps (id, aud) apart from any other pair that reads the same when joined. */
static void make_mac(const char *secret, const char *id, const char *aud, size_t aud_len, uint8_t mac[DIGEST_SIZE])
{
    size_t id_len = strlen(id);
    size_t len = id_len + 1 + aud_len;
    char *data = mem_alloc(len);
    memcpy(data, id, id_len + 1);
    memcpy(data + id_len + 1, aud, aud_len);
    digest_hmac(secret, strlen(secret), data, len, mac);
    mem_free(&data);
}

void token_make(const struct token_secret *s, const char *id, const char *aud, char out[TOKEN_MAX + 1])
{
    uint8_t mac[DIGEST_SIZE];
    size_t aud_len = strlen(aud);
    assert(aud_len <= DOMAIN_MAX);
    make_mac(s->secrets[0], id, aud, aud_len, mac);
    char *end = stpcpy(out, aud);
    *end++ = '~';
    digest_text(mac, end);
}

bool token_check(const struct token_secret *s, const char *id, const char *token, char aud_r[DOMAIN_MAX + 1])
{
    uint8_t theirs[DIGEST_SIZE], ours[DIGEST_SIZE];
    size_t len = strnlen(token, TOKEN_MAX + 1);
    if (len > TOKEN_MAX || len < 1 + 1 + MAC_LEN)
        return false;
    size_t aud_len = len - 1 - MAC_LEN;
    if (token[aud_len] != '~' || !digest_parse(token + aud_len + 1, theirs))
        return false;
    for (size_t i = 0; i < s->n; i++) {
        make_mac(s->secrets[i], id, token, aud_len, ours);
        if (digest_equal(ours, theirs)) {
            memcpy(aud_r, token, aud_len);
            aud_r[aud_len] = '\0';
            return true;
        }
    }
    return false;
}
