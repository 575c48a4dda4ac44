/*
 * What a milter client says, as libmilter hands it to our callbacks: commands, each a length, a letter and that many bytes, which are strings
 * with NULs behind them. Whatever it was: what would be stored is an envelope that can be written as SMTP, content of the size and digest
 * that would be signed, and nobody's that was left to SMTP.
 */
#include "lib/config.h"
#include "lib/smtp_internal.h"
#include "milter/divert.h"
#include "milter/session.h"
#include "t/fuzz/fuzz.h"

enum { STRINGS_MAX = 12 };

/* The bytes of a command as strings: what has no NUL behind it is not there. */
struct strings {
    char *bytes;
    char *at[STRINGS_MAX + 1]; /* ends with NULL */
    size_t n;
};

static void cut(struct strings *s, const uint8_t *data, size_t size)
{
    *s = (struct strings){.bytes = mem_alloc(size + 1)};
    memcpy(s->bytes, data, size);
    for (size_t at = 0; at < size && s->n < STRINGS_MAX;) {
        const char *nul = memchr(s->bytes + at, '\0', size - at);
        if (nul == NULL)
            break;
        s->at[s->n++] = s->bytes + at;
        at = (size_t)(nul - s->bytes) + 1;
    }
}

static void install_settings(void)
{
    struct config *c;
    struct settings *s;
    struct error err;
    MUST(config_parse("hostname = mail.a.test domains = a.test policy { outbound = https://s.a.test }\n"
                      "rule vip { recipients = {vip@b.test} action = smtp }\n"
                      "rule big { recipients = big@b.test min-size = 2K action = smtp }\n"
                      "rule bulk { headers = \"precedence: bulk\" action = shadow }\n",
                      "fuzz", &c, &err) == RESULT_OK);
    MUST(settings_new(c, &s, &err) == RESULT_OK);
    config_free(&c);
    settings_install(s);
}

/* The value of a macro, as smfi_getsymval() would find it. */
static const char *macro(const struct strings *macros, const char *name)
{
    for (size_t i = 0; i + 1 < macros->n; i += 2) {
        if (strcmp(macros->at[i], name) == 0)
            return macros->at[i + 1];
    }
    return NULL;
}

static void do_mail(struct session *s, const struct strings *w, const struct strings *macros)
{
    if (w->n == 0)
        return;
    session_reset(s);
    if (!session_mail(s, &(struct session_mail){.settings = settings_current(),
                                                .path = w->at[0],
                                                .params = w->at + 1,
                                                .login = macro(macros, "{auth_authen}"),
                                                .tls = macro(macros, "{tls_version}") != NULL}))
        session_reset(s);
    else
        session_set_queue_id(s, macro(macros, "i"));
}

static void do_rcpt(struct session *s, const struct strings *w, const struct strings *macros)
{
    char domain[DOMAIN_MAX + 1];
    if (w->n == 0 || !session_has_message(s) || s->m.content != NULL)
        return;
    if (session_rcpt(s, w->at[0], w->at + 1, macro(macros, "{rcpt_mailer}"), domain)) {
        MUST(domain[0] != '\0');
        session_judge(s, &(struct eligibility_policy){.state = DISCOVERY_POLICY,
                                                      .mode = strchr(domain, 't') ? POLICY_ENFORCE : POLICY_TESTING,
                                                      .inbound = true,
                                                      .max_size = 4000});
    }
}

static bool has_content(struct session *s)
{
    if (session_has_message(s) && s->m.content == NULL && !session_begin_content(s, "/tmp"))
        session_reset(s);
    return session_has_message(s);
}

static void check_way(const struct session *s, enum rules_action way)
{
    struct envelope e;
    struct error err;
    divert_envelope(s, way, &e);
    if (e.nrcpts > 0)
        MUST(smtp_envelope_check(&e, &err) == RESULT_OK);
    MUST(e.nrcpts <= session_count(s, way));
    envelope_free(&e);
}

static void do_end(struct session *s)
{
    if (!has_content(s))
        return;
    if (session_finish_content(s)) {
        struct spool *spool = content_spool(s->m.content);
        uint8_t digest[DIGEST_SIZE];
        size_t body = (size_t)spool_size(spool);
        struct buf all = BUF_INIT(1 << 20);
        MUST(spool_memory(spool) != NULL && content_size(s->m.content) == s->m.trace.len + body);
        buf_add(&all, s->m.trace.data, s->m.trace.len);
        buf_add(&all, spool_memory(spool), body);
        digest_of(all.data, all.len, digest);
        MUST(digest_equal(digest, content_digest(s->m.content)));
        buf_free(&all);
        check_way(s, RULES_DIVERT);
        check_way(s, RULES_SHADOW);
    }
    session_reset(s);
}

static void command(struct session *s, char letter, const uint8_t *data, size_t size, struct strings *macros)
{
    struct strings w;
    if (letter == 'B') {
        if (has_content(s))
            session_body(s, data, size);
        return;
    }
    cut(&w, data, size);
    switch (letter) {
    case 'C': session_connect(s, w.at[0], NULL); break;
    case 'H': session_helo(s, w.at[0]); break;
    case 'M': do_mail(s, &w, macros); break;
    case 'R': do_rcpt(s, &w, macros); break;
    case 'L':
        if (w.n >= 2 && has_content(s))
            session_header(s, w.at[0], w.at[1]);
        break;
    case 'E': do_end(s); break;
    case 'A': session_reset(s); break;
    case 'D': {
        struct strings old = *macros;
        *macros = w;
        w = old;
        break;
    }
    default: break;
    }
    mem_free(&w.bytes);
}

FUZZ(data, size)
{
    static bool ready;
    struct strings macros = {0};
    if (!ready)
        install_settings();
    ready = true;
    struct session *s = session_new();
    s->can_divert = true;
    while (size >= 2) {
        size_t len = data[0] < size - 2 ? data[0] : size - 2;
        command(s, (char)data[1], data + 2, len, &macros);
        data += 2 + len;
        size -= 2 + len;
    }
    mem_free(&macros.bytes);
    session_free(&s);
    return 0;
}
