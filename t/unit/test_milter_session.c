/* A message from MAIL to its end, against a store that this file fakes. */
#include "t/unit/test.h"

#include <netinet/in.h>
#include <unistd.h>

#include "lib/config.h"
#include "lib/header.h"
#include "lib/mem.h"
#include "milter/divert.h"
#include "milter/gate.h"
#include "milter/session.h"

/* ---- the fake store and MTA: they write down what happens, in order ---- */

static char story[4000];
static enum result put_result, shadow_result;
static char stored_id[MESSAGE_ID_LEN + 1];
static size_t put_stored;
static const char *put_resubmission_of;
static enum result withdraw_result;
static unsigned deletions_left;
static char *stored_bytes; /* trace + content as stored */
static size_t stored_len;
static enum body_type stored_body;
static char stored_message_id[1000], stored_client[400];

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *fmt, ...)
{
    size_t n = strlen(story);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(story + n, sizeof story - n, fmt, ap);
    va_end(ap);
}

enum result store_put(struct store *store, const struct store_message *m, struct spool *body,
                      struct store_put_result *put_r, struct error *err)
{
    (void)store;
    uint8_t digest[DIGEST_SIZE];
    tell(m->shadow ? "shadow" : "put");
    for (size_t i = 0; i < m->envelope->nrcpts; i++)
        tell(" %s%s%s", m->envelope->rcpts[i].address, m->envelope->rcpts[i].notify ? "/" : "",
             m->envelope->rcpts[i].notify ? m->envelope->rcpts[i].notify : "");
    tell(".");
    if (put_result != RESULT_OK || (m->shadow && shadow_result != RESULT_OK))
        return error_set(err, RESULT_TEMP, "disk full");
    if (!m->shadow)
        snprintf(stored_id, sizeof stored_id, "%s", m->id);
    else
        assert_string_not_equal(m->id, stored_id);
    mem_free(&stored_bytes);
    stored_len = m->trace_len + spool_size(body);
    stored_bytes = mem_zero(stored_len + 1, 1);
    memcpy(stored_bytes, m->trace, m->trace_len);
    memcpy(stored_bytes + m->trace_len, spool_memory(body), spool_size(body));
    assert_int_equal(m->size, stored_len);
    digest_of(stored_bytes, stored_len, digest);
    assert_true(digest_equal(digest, m->digest));
    stored_body = m->envelope->body;
    snprintf(stored_message_id, sizeof stored_message_id, "%s", m->message_id);
    snprintf(stored_client, sizeof stored_client, "%s", m->client);
    put_r->stored = put_stored == SIZE_MAX ? m->envelope->nrcpts : put_stored;
    put_r->resubmission_of = mem_strdup(put_resubmission_of);
    return RESULT_OK;
}

void store_release(struct store *store, const char *id)
{
    (void)store, (void)id;
    tell(" release.");
}

enum result store_withdraw(struct store *store, const char *id, struct error *err)
{
    (void)store, (void)id;
    tell(" withdraw.");
    return withdraw_result == RESULT_OK ? RESULT_OK : error_set(err, withdraw_result, "too late");
}

static bool delete_rcpt(void *arg, char *path)
{
    (void)arg;
    if (deletions_left == 0)
        return false;
    deletions_left--;
    tell(" delete %s.", path);
    return true;
}

static bool progress(void *arg)
{
    (void)arg;
    tell(" progress.");
    return deletions_left > 0;
}

/* ---- driving a session ---- */

static struct session *s;
static struct settings *current;
static char *const none[] = {NULL};
static const struct divert_mta mta = {delete_rcpt, progress, NULL};

static int begin(void **state)
{
    (void)state;
    struct config *c;
    struct error err;
    story[0] = '\0';
    put_result = withdraw_result = shadow_result = RESULT_OK;
    stored_id[0] = '\0';
    put_stored = SIZE_MAX;
    put_resubmission_of = NULL;
    deletions_left = 1000;
    assert_int_equal(config_parse("hostname = mail.a.test domains = a.test\n"
                                  "policy { outbound = https://s.a.test }\n"
                                  "milter { spool-memory = 64K }\n"
                                  "rule vip { recipients = {vip@b.test, big-vip@b.test} }\n"
                                  "rule big { recipients = big@b.test min-size = 2K action = smtp }\n"
                                  "rule bulk { headers = \"precedence: bulk\" action = shadow }\n"
                                  "rule look { recipients = {look@b.test} action = shadow }\n",
                                  "t.conf", &c, &err),
                     RESULT_OK);
    assert_int_equal(settings_new(c, &current, &err), RESULT_OK);
    config_free(&c);
    settings_install(current);
    s = session_new();
    s->can_divert = true;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    session_connect(s, "localhost", (struct sockaddr *)&in);
    session_helo(s, "client.a.test");
    return 0;
}

static int end(void **state)
{
    (void)state;
    session_free(&s);
    mem_free(&stored_bytes);
    return 0;
}

static bool mail(const char *path, char *const *params)
{
    return session_mail(s, &(struct session_mail){.settings = settings_current(), .path = path, .params = params});
}

static void rcpt_with(const char *path, char *const *params, uint64_t max_size)
{
    char domain[DOMAIN_MAX + 1];
    if (session_rcpt(s, path, params, "smtp", domain)) {
        struct eligibility_policy p = {.state = DISCOVERY_POLICY, .mode = POLICY_ENFORCE, .inbound = true};
        p.max_size = max_size;
        if (strcmp(domain, "testing.test") == 0)
            p.mode = POLICY_TESTING;
        else if (strcmp(domain, "b.test") != 0)
            p.state = DISCOVERY_NONE;
        session_judge(s, &p);
    }
}

static void rcpt(const char *path)
{
    rcpt_with(path, none, UINT64_MAX);
}

static void send_body(const char *text)
{
    session_body(s, text, strlen(text));
}

static const char *content(void)
{
    char *at = strstr(stored_bytes, "\r\n");
    while (at != NULL && (at[2] == '\t' || at[2] == ' '))
        at = strstr(at + 2, "\r\n");
    assert_non_null(at);
    return at + 2;
}

static void simple(void)
{
    assert_true(mail("<alice@a.test>", none));
    rcpt("<bob@b.test>");
    assert_true(session_begin_content(s, "/tmp"));
    session_header(s, "Subject", " x");
    send_body("body\r\n");
}

/* ---- tests ---- */

static void order_of_events(void **state)
{
    (void)state;
    assert_true(mail("<alice@a.test>", none));
    rcpt("<bob@b.test>");
    rcpt("<dan@d.test>");
    rcpt("<vip@b.test>");
    rcpt("<carol@B.test>");
    assert_int_equal(session_count(s, RULES_DIVERT), 2);
    assert_string_equal(session_rcpt_reason(s, 1), "domain takes no part");
    assert_int_equal(session_rcpt_way(s, 2), RULES_SMTP);
    assert_null(session_rcpt_reason(s, 2));
    assert_string_equal(session_rcpt_rule(s, 2), "vip");
    assert_true(session_begin_content(s, "/tmp"));
    assert_true(session_header(s, "message-id", "\n <1@a.test> "));
    assert_true(session_header(s, "Message-ID", " <2@a.test>"));
    send_body("\r\n");
    assert_int_equal(divert_message(s, NULL, &mta), DIVERT_CONTINUE);
    assert_string_equal(story, "put bob@b.test carol@B.test. delete <bob@b.test>. delete <carol@B.test>. release.");
    assert_string_equal(stored_message_id, "<1@a.test>");
    assert_string_equal(stored_client, "localhost [127.0.0.1]");
}

static void bytes(void **state)
{
    (void)state;
    assert_true(mail("<alice@a.test>", none));
    rcpt("<bob@b.test>");
    assert_true(session_begin_content(s, "/tmp"));
    session_header(s, "Subject", "  two spaces");
    session_header(s, "X-None", "");
    session_header(s, "X-Tight", "tight");
    session_header(s, "X-Folded", " one\n\ttwo\r\n three \n");
    session_body(s, "a\0b\r\n.\r", 7);
    session_body(s, "\nc\rd\r\n", 6);
    divert_message(s, NULL, &mta);
    static const char expected[] = "Subject:  two spaces\r\nX-None:\r\nX-Tight:tight\r\n"
                                   "X-Folded: one\r\n\ttwo\r\n three \r\n\r\n\r\n"
                                   "a\0b\r\n.\r\nc\rd\r\n";
    size_t len = stored_len - (size_t)(content() - stored_bytes);
    assert_int_equal(len, sizeof expected - 1);
    assert_memory_equal(content(), expected, len);
    assert_int_equal(strncmp(stored_bytes, "Received:", 9), 0);
    assert_int_equal(stored_body, BODY_UNSPECIFIED);
    session_reset(s);

    story[0] = '\0';
    assert_true(mail("<alice@a.test>", none)); /* whether an empty line ends its header can't be seen */
    rcpt("<bob@b.test>");
    assert_true(session_begin_content(s, "/tmp"));
    session_header(s, "Subject", " no body");
    assert_int_equal(divert_message(s, NULL, &mta), DIVERT_CONTINUE);
    assert_string_equal(story, "");
}

static void eight_bit_is_declared(void **state)
{
    (void)state;
    char *seven[] = {(char[]){"BODY=7BIT"}, NULL};
    assert_true(mail("<alice@a.test>", seven));
    rcpt("<bob@b.test>");
    assert_true(session_begin_content(s, "/tmp"));
    send_body("0123456\x80\r\n");
    divert_message(s, NULL, &mta);
    assert_int_equal(stored_body, BODY_8BITMIME);
}

static void trace_shows_a_sole_recipient(void **state)
{
    (void)state;
    simple();
    divert_message(s, NULL, &mta);
    assert_non_null(strstr(stored_bytes, "for <bob@b.test>;"));
    session_reset(s);
    assert_true(mail("<alice@a.test>", none));
    rcpt("<bob@b.test>");
    rcpt("<secret@d.test>");
    assert_true(session_begin_content(s, "/tmp"));
    send_body("\r\n");
    divert_message(s, NULL, &mta);
    assert_null(strstr(stored_bytes, "secret"));
    assert_null(strstr(stored_bytes, "for <"));
}

static void whole_header_is_diverted(void **state)
{
    (void)state;
    simple();
    s->m.mta_adds_headers = true;
    session_header(s, "Date", " now");
    session_header(s, "From", " alice@a.test");
    session_header(s, "Message-Id", " <x@a.test>");
    divert_message(s, NULL, &mta);
    assert_string_equal(story, "put bob@b.test. delete <bob@b.test>. release.");
}

static void left_to_smtp(void **state)
{
    (void)state;
    assert_false(mail("<>", none));
    assert_false(mail("<mallory@x.test>", none));
    char *odd[] = {(char[]){"BODY=8BITMIME"}, (char[]){"MT-PRIORITY=3"}, NULL};
    assert_false(mail("<alice@a.test>", odd));
    assert_string_equal(s->m.reason, "unknown MAIL parameter");
    assert_true(mail("<alice@a.test>", none)); /* the connection goes on */
    rcpt("<dan@d.test>");
    rcpt("<b\x01@b.test>");
    rcpt("junk");
    assert_false(session_begin_content(s, "/tmp"));
    assert_string_equal(story, "");
}

static void content_left_to_smtp(void **state)
{
    (void)state;
    simple();
    assert_false(session_body(s, "bare\nlf\r\n", 9));
    assert_string_equal(s->m.reason, "bare LF in the body");
    assert_int_equal(divert_message(s, NULL, &mta), DIVERT_CONTINUE);

    simple();
    send_body("split\r");
    assert_true(session_body(s, "\n", 1));
    assert_false(session_body(s, "\n", 1)); /* bare across pieces */
    divert_message(s, NULL, &mta);

    simple();
    s->m.mta_adds_headers = true;
    session_header(s, "date", " now");
    session_header(s, "Message-ID", " <x@a.test>");
    divert_message(s, NULL, &mta); /* no From */
    assert_string_equal(s->m.reason, "the MTA adds a missing Date, From or Message-ID when it sends");
    assert_string_equal(story, "");

    simple();
    send_body("no line end");
    divert_message(s, NULL, &mta);
    assert_string_equal(s->m.reason, "the last line has no line end");

    struct buf trace = BUF_INIT(4000);
    header_trace_add(&trace, &(struct header_trace){.address = "", .by = "mail.a.test", .with = "ESMTP", .id = "X"});
    simple();
    assert_false(session_header(s, "received", trace.data + strlen("Received:")));
    assert_string_equal(s->m.reason, "it comes back from the store");

    simple();
    for (unsigned i = 0; i < s->m.settings->hop_limit; i++)
        assert_true(session_header(s, "Received", " from x.test by y.test; Tue, 24 Nov 2026 03:12:00 +0000"));
    assert_true(session_header(s, "X-Received", " x"));
    assert_false(session_header(s, "RECEIVED", " from y.test by x.test; Tue, 24 Nov 2026 03:12:00 +0000"));
    assert_string_equal(s->m.reason, "too many hops");
    assert_int_equal(divert_message(s, NULL, &mta), DIVERT_CONTINUE);
    buf_free(&trace);
    assert_string_equal(story, "");
}

static void policy_sizes(void **state)
{
    (void)state;
    static char big[3000];
    memset(big, 'x', sizeof big);
    memcpy(big + sizeof big - 2, "\r\n", 2);
    assert_true(mail("<alice@a.test>", none));
    rcpt_with("<small@b.test>", none, 1000);
    rcpt_with("<large@b.test>", none, 5000);
    assert_true(session_begin_content(s, "/tmp"));
    assert_true(session_body(s, big, sizeof big));
    divert_message(s, NULL, &mta);
    assert_string_equal(story, "put large@b.test. delete <large@b.test>. release.");
    assert_true(mail("<alice@a.test>", none));
    rcpt_with("<large@b.test>", none, 5000);
    assert_true(session_begin_content(s, "/tmp"));
    assert_true(session_body(s, big, sizeof big));
    assert_false(session_body(s, big, sizeof big)); /* too large for everybody: nothing more is spooled */
    assert_non_null(s->m.reason);
    story[0] = '\0';
    divert_message(s, NULL, &mta);
    assert_string_equal(story, "");
}

static void one_address_many_times(void **state)
{
    (void)state;
    char *notify[] = {(char[]){"NOTIFY=NEVER"}, NULL};
    char *odd[] = {(char[]){"X-ODD=1"}, NULL};
    assert_true(mail("<alice@a.test>", none));
    rcpt_with("<bob@b.test>", notify, UINT64_MAX);
    rcpt("<bob@b.test>");
    rcpt("<BOB@B.test>");
    rcpt("<carol@b.test>");
    rcpt_with("<carol@b.test>", odd, UINT64_MAX);
    assert_int_equal(session_count(s, RULES_DIVERT), 3);
    assert_true(session_begin_content(s, "/tmp"));
    send_body("\r\n");
    divert_message(s, NULL, &mta);
    assert_string_equal(story, "put bob@b.test/NEVER. delete <bob@b.test>. delete <bob@b.test>. delete <BOB@B.test>."
                               " release.");
    assert_string_equal(session_rcpt_reason(s, 3), "unknown RCPT parameter");
}

static void store_failures(void **state)
{
    (void)state;
    put_result = RESULT_TEMP;
    simple();
    assert_int_equal(divert_message(s, NULL, &mta), DIVERT_CONTINUE);
    assert_string_equal(story, "put bob@b.test.");
    current->tempfail = true;
    simple();
    assert_int_equal(divert_message(s, NULL, &mta), DIVERT_TEMPFAIL);
    assert_string_equal(story, "put bob@b.test.put bob@b.test.");

    assert_true(mail("<alice@a.test>", none)); /* the spool's directory is not there */
    rcpt("<bob@b.test>");
    assert_true(session_begin_content(s, "/nonexistent"));
    static char big[100000];
    memset(big, 'x', sizeof big);
    assert_false(session_body(s, big, sizeof big));
    assert_null(s->m.reason);
    assert_int_equal(divert_message(s, NULL, &mta), DIVERT_TEMPFAIL);
    current->tempfail = false;
    assert_int_equal(divert_message(s, NULL, &mta), DIVERT_CONTINUE);
}

/* milter.discard: one answer in place of the deletions, when no recipient is left. */
static void discards_when_nobody_is_left(void **state)
{
    (void)state;
    current->discard = true;
    assert_true(mail("<alice@a.test>", none));
    rcpt("<bob@b.test>");
    rcpt("<carol@b.test>");
    assert_true(session_begin_content(s, "/tmp"));
    send_body("\r\n");
    assert_int_equal(divert_message(s, NULL, &mta), DIVERT_DISCARD);
    assert_string_equal(story, "put bob@b.test carol@b.test. progress. release.");
    story[0] = '\0';
    assert_true(mail("<alice@a.test>", none));
    rcpt("<bob@b.test>");
    rcpt("<look@b.test>"); /* a shadow's recipient stays the MTA's */
    assert_true(session_begin_content(s, "/tmp"));
    send_body("\r\n");
    assert_int_equal(divert_message(s, NULL, &mta), DIVERT_CONTINUE);
    assert_string_equal(story, "put bob@b.test. delete <bob@b.test>. release.shadow look@b.test. release.");
    story[0] = '\0';
    deletions_left = 0;
    simple();
    assert_int_equal(divert_message(s, NULL, &mta), DIVERT_TEMPFAIL);
    assert_string_equal(story, "put bob@b.test. progress. withdraw.");
}

static void mta_gone(void **state)
{
    (void)state;
    deletions_left = 0;
    simple();
    assert_int_equal(divert_message(s, NULL, &mta), DIVERT_TEMPFAIL);
    assert_string_equal(story, "put bob@b.test. withdraw.");
    story[0] = '\0';
    deletions_left = 1; /* one is deleted at the MTA: only the store has it now */
    assert_true(mail("<alice@a.test>", none));
    rcpt("<bob@b.test>");
    rcpt("<carol@b.test>");
    assert_true(session_begin_content(s, "/tmp"));
    send_body("\r\n");
    divert_message(s, NULL, &mta);
    assert_string_equal(story, "put bob@b.test carol@b.test. delete <bob@b.test>.");
}

static void resubmission(void **state)
{
    (void)state;
    put_stored = 0;
    put_resubmission_of = "EARLIER";
    simple();
    divert_message(s, NULL, &mta);
    assert_string_equal(story, "put bob@b.test. delete <bob@b.test>.");
    story[0] = '\0';
    deletions_left = 0;
    simple();
    divert_message(s, NULL, &mta);
    assert_string_equal(story, "put bob@b.test."); /* nothing was stored, so nothing is taken back */
}

/* One message, three ways: diverted, shadowed, by SMTP. */
static void three_ways(void **state)
{
    (void)state;
    assert_true(mail("<alice@a.test>", none));
    rcpt("<bob@b.test>");
    rcpt("<look@b.test>");
    rcpt("<vip@b.test>");
    rcpt("<bob@testing.test>");
    rcpt("<Look@b.test>");
    assert_true(session_begin_content(s, "/tmp"));
    send_body("x\r\n");
    assert_int_equal(divert_message(s, NULL, &mta), DIVERT_CONTINUE);
    assert_string_equal(story, "put bob@b.test. delete <bob@b.test>. release."
                               "shadow look@b.test bob@testing.test. release.");
    assert_int_equal(session_count(s, RULES_SHADOW), 3);
    assert_string_equal(session_rcpt_rule(s, 0), "default");
    assert_string_equal(session_rcpt_rule(s, 4), "look");

    story[0] = '\0'; /* nobody diverted: nothing is deleted */
    assert_true(mail("<alice@a.test>", none));
    rcpt("<look@b.test>");
    assert_true(session_begin_content(s, "/tmp"));
    send_body("\r\n");
    divert_message(s, NULL, &mta);
    assert_string_equal(story, "shadow look@b.test. release.");
}

/* Whatever becomes of the copy, the mail goes on. */
static void shadow_failures(void **state)
{
    (void)state;
    shadow_result = RESULT_TEMP;
    current->tempfail = true;
    assert_true(mail("<alice@a.test>", none));
    rcpt("<bob@b.test>");
    rcpt("<look@b.test>");
    assert_true(session_begin_content(s, "/tmp"));
    send_body("\r\n");
    assert_int_equal(divert_message(s, NULL, &mta), DIVERT_CONTINUE);
    assert_string_equal(story, "put bob@b.test. delete <bob@b.test>. release.shadow look@b.test.");

    static char big[100000];
    assert_true(mail("<alice@a.test>", none)); /* the spool's directory is not there */
    rcpt("<look@b.test>");
    assert_true(session_begin_content(s, "/nonexistent"));
    memset(big, 'x', sizeof big);
    assert_false(session_body(s, big, sizeof big));
    assert_int_equal(divert_message(s, NULL, &mta), DIVERT_CONTINUE);

    story[0] = '\0'; /* the MTA goes away: the client comes again, and the copy is made then */
    deletions_left = 0;
    assert_true(mail("<alice@a.test>", none));
    rcpt("<bob@b.test>");
    rcpt("<look@b.test>");
    assert_true(session_begin_content(s, "/tmp"));
    send_body("\r\n");
    divert_message(s, NULL, &mta);
    assert_string_equal(story, "put bob@b.test. withdraw.");
}

/* Rules by size and header are open until the end of the message. */
static void open_rules(void **state)
{
    (void)state;
    char big[2048];
    memset(big, 'x', sizeof big);
    memcpy(big + sizeof big - 2, "\r\n", 2);
    for (int size = 0; size < 2; size++) {
        story[0] = '\0';
        assert_true(mail("<alice@a.test>", none));
        rcpt("<big@b.test>");
        assert_null(session_rcpt_rule(s, 0));
        assert_int_equal(session_rcpt_way(s, 0), RULES_DIVERT);
        assert_true(session_begin_content(s, "/tmp"));
        session_body(s, big + (size == 0 ? 500 : 0), sizeof big - (size == 0 ? 500 : 0));
        divert_message(s, NULL, &mta);
        assert_string_equal(story, size == 0 ? "put big@b.test. delete <big@b.test>. release." : "");
        assert_string_equal(session_rcpt_rule(s, 0), size == 0 ? "default" : "big");
    }
    story[0] = '\0';
    assert_true(mail("<alice@a.test>", none));
    rcpt("<big@b.test>");
    rcpt("<bob@b.test>");
    assert_true(session_begin_content(s, "/tmp"));
    session_header(s, "Precedence", " Bulk\r\n");
    session_body(s, big, sizeof big);
    divert_message(s, NULL, &mta);
    assert_string_equal(story, "shadow bob@b.test. release.");
    assert_string_equal(session_rcpt_rule(s, 1), "bulk");
}

static void snapshots(void **state)
{
    (void)state;
    struct settings *old = settings_current();
    struct settings *other;
    struct config *c;
    struct error err;
    assert_int_equal(config_parse("milter { on-store-failure = tempfail }", "t.conf", &c, &err), RESULT_OK);
    assert_int_equal(settings_new(c, &other, &err), RESULT_OK);
    config_free(&c); /* settings don't point into it */
    settings_install(other);
    struct settings *fresh = settings_current();
    assert_false(old->tempfail); /* still whole */
    assert_true(fresh->tempfail);
    settings_release(&old);
    settings_release(&fresh);
    assert_null(fresh);
}

static bool emptied;

static void on_empty(void *arg)
{
    (void)arg;
    assert_false(emptied);
    emptied = true;
}

static void gate(void **state)
{
    (void)state;
    assert_true(gate_enter());
    assert_true(gate_enter());
    assert_int_equal(gate_count(), 2);
    gate_close(on_empty, NULL);
    assert_false(gate_enter());
    gate_leave();
    assert_false(emptied);
    gate_leave();
    assert_true(emptied);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(order_of_events),
        TEST(bytes),
        TEST(eight_bit_is_declared),
        TEST(trace_shows_a_sole_recipient),
        TEST(left_to_smtp),
        TEST(content_left_to_smtp),
        TEST(policy_sizes),
        TEST(one_address_many_times),
        TEST(store_failures),
        TEST(discards_when_nobody_is_left),
        TEST(mta_gone),
        TEST(whole_header_is_diverted),
        TEST(resubmission),
        TEST(three_ways),
        TEST(shadow_failures),
        TEST(open_rules),
        TEST(snapshots),
        cmocka_unit_test(gate),
    };
    return test_run("milter_session", tests);
}
