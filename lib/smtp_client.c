/* The SMTP and LMTP client as callers see it: see smtp_client.h; its parts: see smtp_internal.h. */
#include "lib/smtp_client.h"

#include "lib/smtp_internal.h"

struct smtp_transaction *smtp_begin(struct smtp_pool *pool, const struct envelope *envelope,
                                    const struct smtp_peer *peer, const struct smtp_callbacks *callbacks, void *arg)
{
    struct error err;
    struct smtp_transaction *t = smtp_transaction_new(smtp_pool_loop(pool), envelope, peer, callbacks, arg);
    smtp_pool_add(pool, t);
    if (smtp_envelope_check(envelope, &err) != RESULT_OK) {
        smtp_transaction_failed(t, &err, NULL, false);
    } else if (smtp_pool_full(pool)) {
        error_set_dsn(&err, RESULT_TEMP, "4.3.2", "too many transactions wait for %s", smtp_pool_relay(pool));
        smtp_transaction_failed(t, &err, NULL, false);
    } else {
        smtp_pool_wait(pool, t);
    }
    return t;
}

/* Without a session the transaction has failed, and on_failed is on its way: nothing is to be done here. */

void smtp_data(struct smtp_transaction *t)
{
    if (t->session != NULL)
        smtp_session_data(t->session);
}

bool smtp_write(struct smtp_transaction *t, const void *data, size_t len)
{
    if (t->session != NULL)
        smtp_session_write(t->session, data, len);
    return !t->data.bare_lf;
}

size_t smtp_backlog(const struct smtp_transaction *t)
{
    return t->session != NULL ? smtp_session_backlog(t->session) : 0;
}

void smtp_end(struct smtp_transaction *t)
{
    if (t->session != NULL)
        smtp_session_end(t->session);
}

void smtp_abort(struct smtp_transaction **t_p)
{
    struct smtp_transaction *t = *t_p;
    *t_p = NULL;
    if (t == NULL || t->ending)
        return;
    smtp_pool_remove(t);
    if (t->session != NULL)
        smtp_session_abort(t->session);
    else
        smtp_transaction_free(&t);
}

const char *smtp_relay(const struct smtp_transaction *t)
{
    return t->pool != NULL ? smtp_pool_relay(t->pool) : "";
}

bool smtp_offers_dsn(const struct smtp_transaction *t)
{
    return t->offers_dsn;
}

int smtp_fd(const struct smtp_transaction *t)
{
    return t->session != NULL ? smtp_session_final_fd(t->session) : -1;
}
