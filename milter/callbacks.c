/*
 * libmilter's callbacks: see callbacks.h. SMFIS_ACCEPT means "leave me out of this message": it goes on by SMTP.
 * SMFIS_DISCARD, which drops what always_bcc and other milters have added, too, is only used when milter.discard says that it may be.
 */
#include "milter/callbacks.h"

#include <libmilter/mfapi.h>
#include <string.h>

#include "lib/failpoint.h"
#include "lib/log.h"
#include "milter/divert.h"
#include "milter/gate.h"
#include "milter/observe.h"
#include "milter/session.h"

static struct backend *the_backend;

void callbacks_init(struct backend *backend)
{
    the_backend = backend;
}

/* ---- sessions ---- */

static struct session *session_of(SMFICTX *ctx)
{
    void *p = smfi_getpriv(ctx);
    if (p == NULL) { /* after QUIT_NC libmilter begins anew without negotiating: nothing known, nothing diverted */
        p = session_new();
        smfi_setpriv(ctx, p);
    }
    return session_check(p);
}

/* From its content on a message is behind the gate. Not before: Postfix keeps RSET to itself until the next command. */
static bool begin_content(struct session *s)
{
    if (!gate_enter()) {
        s->m.reason = "pontoon-milter is stopping";
        return false;
    }
    if (session_begin_content(s, store_incoming_dir(the_backend->store)))
        return true;
    gate_leave();
    return false;
}

static void end_message(struct session *s)
{
    bool inside = s->m.content != NULL;
    session_reset(s);
    if (inside)
        gate_leave();
}

/* Nothing more is needed of this message, unless it is observed. */
static sfsistat no_more(const struct session *s)
{
    return s->observed != NULL ? SMFIS_CONTINUE : SMFIS_ACCEPT;
}

static sfsistat leave_to_smtp(struct session *s)
{
    divert_log_untouched(s);
    end_message(s);
    return no_more(s);
}

/* ---- connection ---- */

/* Macros by name, so that an MTA configured to send fewer still sends these. */
static void ask_for_macros(SMFICTX *ctx)
{
    char mail[] = "i v {auth_authen} {tls_version}";
    char rcpt[] = "i {rcpt_mailer}";
    char content[] = "i";
    smfi_setsymlist(ctx, SMFIM_ENVFROM, mail);
    smfi_setsymlist(ctx, SMFIM_ENVRCPT, rcpt);
    smfi_setsymlist(ctx, SMFIM_DATA, content);
    smfi_setsymlist(ctx, SMFIM_EOM, content);
}

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps, unsigned long f2,
                             unsigned long f3, unsigned long *actions_r, unsigned long *steps_r, unsigned long *f2_r,
                             unsigned long *f3_r)
{
    (void)f2, (void)f3;
    struct session *s = session_of(ctx);
    /* libmilter answers for us where the MTA can't do without (so they are always on offer). */
    const unsigned long no_reply =
        SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_RCPT | SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY;
    s->can_divert = (actions & SMFIF_DELRCPT) != 0 && (steps & SMFIP_HDR_LEADSPC) != 0;
    if (!s->can_divert)
        log_warning("the MTA's milter protocol is too old (no delete-recipient or exact headers): nothing is diverted");
    *actions_r = actions & (SMFIF_DELRCPT | SMFIF_SETSYMLIST);
    *steps_r = steps & (SMFIP_NOUNKNOWN | no_reply | SMFIP_HDR_LEADSPC);
    *f2_r = *f3_r = 0;
    if (actions & SMFIF_SETSYMLIST)
        ask_for_macros(ctx);
    return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *ctx, char *name, _SOCK_ADDR *address)
{
    session_connect(session_of(ctx), name, address);
    return SMFIS_NOREPLY;
}

static sfsistat on_helo(SMFICTX *ctx, char *helo)
{
    session_helo(session_of(ctx), helo);
    return SMFIS_NOREPLY;
}

static sfsistat on_close(SMFICTX *ctx)
{
    struct session *s = smfi_getpriv(ctx);
    if (s == NULL)
        return SMFIS_CONTINUE;
    end_message(session_check(s));
    observe_drop(&s->observed);
    session_free(&s);
    smfi_setpriv(ctx, NULL);
    return SMFIS_CONTINUE;
}

/* ---- envelope ---- */

/*
 * Postfix adds what headers it adds before it asks us. Sendmail, which tells its version only, completes a message when
 * it sends it; whoever says nothing may do likewise.
 */
static bool adds_headers_later(SMFICTX *ctx)
{
    const char *version = smfi_getsymval(ctx, "v");
    return version == NULL || strncmp(version, "Postfix ", strlen("Postfix ")) != 0;
}

static sfsistat on_mail(SMFICTX *ctx, char **argv)
{
    struct session *s = session_of(ctx);
    end_message(s);
    observe_drop(&s->observed);
    s->observed = observe_begin(argv[0]);
    struct session_mail mail = {
        .settings = settings_current(),
        .path = argv[0],
        .params = argv + 1,
        .login = smfi_getsymval(ctx, "{auth_authen}"),
        .tls = smfi_getsymval(ctx, "{tls_version}") != NULL,
        .mta_adds_headers = adds_headers_later(ctx),
    };
    bool candidate = session_mail(s, &mail);
    session_set_queue_id(s, smfi_getsymval(ctx, "i"));
    return candidate ? SMFIS_CONTINUE : leave_to_smtp(s);
}

/* Without the gate the domain stays unknown. */
static void look_up(struct session *s, const char *domain, struct eligibility_policy *facts)
{
    if (!gate_enter())
        return;
    backend_look_up(the_backend, &s->m, domain, facts);
    gate_leave();
}

static sfsistat on_rcpt(SMFICTX *ctx, char **argv)
{
    struct session *s = session_of(ctx);
    char domain[DOMAIN_MAX + 1];
    observe_rcpt(s->observed, argv[0]);
    if (!session_has_message(s))
        return SMFIS_NOREPLY;
    session_set_queue_id(s, smfi_getsymval(ctx, "i"));
    if (session_rcpt(s, argv[0], argv + 1, smfi_getsymval(ctx, "{rcpt_mailer}"), domain)) {
        struct eligibility_policy facts = {.state = DISCOVERY_UNKNOWN};
        look_up(s, domain, &facts);
        session_judge(s, &facts);
    }
    return SMFIS_NOREPLY;
}

static sfsistat on_data(SMFICTX *ctx)
{
    struct session *s = session_of(ctx);
    if (!session_has_message(s))
        return no_more(s);
    session_set_queue_id(s, smfi_getsymval(ctx, "i"));
    return begin_content(s) ? SMFIS_CONTINUE : leave_to_smtp(s);
}

/* ---- content ---- */

/* An MTA without the DATA step begins here. */
static bool has_content(struct session *s)
{
    return session_has_message(s) && (s->m.content != NULL || begin_content(s));
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
    struct session *s = session_of(ctx);
    observe_header(s->observed, name, value);
    if (has_content(s))
        session_header(s, name, value); /* no reply is possible here: on_body() or on_eom() sees what came of it */
    return SMFIS_NOREPLY;
}

/* Not wanted, but without this step libmilter (8.17) takes the body of a message without headers for an error. */
static sfsistat on_eoh(SMFICTX *ctx)
{
    (void)ctx;
    return SMFIS_NOREPLY;
}

/*
 * Without a reply the MTA sends the next piece while we work on this one. The price: when we give up half-way, which is rare (a size
 * that was not declared), it sends us the rest for nothing.
 */
static sfsistat on_body(SMFICTX *ctx, unsigned char *data, size_t len)
{
    struct session *s = session_of(ctx);
    observe_body(s->observed, data, len);
    if (!session_has_message(s))
        return SMFIS_NOREPLY;
    if (!has_content(s) ||
        (!session_body(s, data, len) && s->m.reason != NULL)) /* a store failure is answered at the end */
        (void)leave_to_smtp(s);
    return SMFIS_NOREPLY;
}

static bool delete_rcpt(void *arg, char *path)
{
    return smfi_delrcpt(arg, path) == MI_SUCCESS;
}

static bool progress(void *arg)
{
    return smfi_progress(arg) == MI_SUCCESS;
}

static sfsistat on_eom(SMFICTX *ctx)
{
    struct session *s = session_of(ctx);
    struct divert_mta mta = {delete_rcpt, progress, ctx};
    char code[] = "451", dsn[] = "4.3.0", text[] = "Message store is not available; please try again later";
    observe_end(&s->observed);
    if (!has_content(s))
        return session_has_message(s) ? leave_to_smtp(s) : SMFIS_ACCEPT;
    session_set_queue_id(s, smfi_getsymval(ctx, "i"));
    enum divert_end end = divert_message(s, the_backend->store, &mta);
    end_message(s);
    (void)FAILPOINT(milter_answer);
    if (end != DIVERT_TEMPFAIL)
        return end == DIVERT_DISCARD ? SMFIS_DISCARD : SMFIS_CONTINUE;
    smfi_setreply(ctx, code, dsn, text);
    return SMFIS_TEMPFAIL;
}

/* RSET, a refused message, a lost connection. */
static sfsistat on_abort(SMFICTX *ctx)
{
    struct session *s = session_of(ctx);
    if (session_has_message(s))
        log_debug("%s: transaction aborted", s->m.queue_id[0] != '\0' ? s->m.queue_id : "NOQUEUE");
    end_message(s);
    observe_drop(&s->observed);
    return SMFIS_CONTINUE;
}

static char filter_name[] = "pontoon-milter";

struct smfiDesc callbacks_description = {
    .xxfi_name = filter_name,
    .xxfi_version = SMFI_VERSION,
    .xxfi_flags = SMFIF_DELRCPT,
    .xxfi_negotiate = on_negotiate,
    .xxfi_connect = on_connect,
    .xxfi_helo = on_helo,
    .xxfi_envfrom = on_mail,
    .xxfi_envrcpt = on_rcpt,
    .xxfi_data = on_data,
    .xxfi_header = on_header,
    .xxfi_eoh = on_eoh,
    .xxfi_body = on_body,
    .xxfi_eom = on_eom,
    .xxfi_abort = on_abort,
    .xxfi_close = on_close,
};
