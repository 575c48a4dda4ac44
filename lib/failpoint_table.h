/*
 * The failpoints: every step that makes something durable or tells somebody about it. One line each:
 *
 *     X(name, daemons, error, description)
 *
 * `daemons` are those that pass it: M pontoon-milter, L pontoon-lmtp, S pontoon-store, B pontoon-bridge, W the bridge's witness and V
 * the store's (armed with the daemon's). `error` says whether the step can fail here by itself: 1 if FAILPOINT() returning true takes that way.
 * The order is that of a message's way. A new one gets its line here, FAILPOINT(name) at the step, and a situation that reaches it in
 * t/lib/Pontoon/Test/CrashMatrix.pm if ordinary mail does not.
 */
#ifndef PONTOON_FAILPOINT_TABLE_H
#define PONTOON_FAILPOINT_TABLE_H

#define FAILPOINT_TABLE(X)                                                                                            \
    X(spool_create, M | L, 1, "before the file of a large body is made")                                              \
    X(spool_write, M | L, 1, "before a piece of the body is written to its file")                                     \
    X(spool_fsync, M | L, 1, "the body's file is written, before its fsync")                                          \
    X(body_rename, M | L, 1, "the body's file is durable, before it is moved into the store")                         \
    X(body_folder_sync, M | L, 1, "the body is moved, before the fsync of its folder")                                \
    X(body_adopted, M | L, 0, "the body is in the store, before the row that names it")                               \
    X(commit_before, M | L | S | B, 1, "a group of changes is applied, before the commit")                            \
    X(commit_after, M | L | S | B, 0, "the commit is durable, before anybody hears of it")                            \
    X(policy_save, M | L | S | B, 1, "before a peer's policy is kept in the database")                                \
    X(milter_stored, M, 0, "the message is durable, before its recipients are deleted from the MTA's envelope")       \
    X(milter_delrcpt, M, 1, "before one recipient is deleted from the MTA's envelope")                                \
    X(milter_withdraw, M, 0, "the MTA is gone, before the message is taken out of the store again")                   \
    X(milter_deleted, M, 0, "the recipients are deleted, before the notification is released")                        \
    X(milter_answer, M, 0, "before the milter's answer to the end of the message")                                    \
    X(lmtp_stored, L, 0, "the message is durable, before anything else is done")                                      \
    X(lmtp_answer, L, 0, "before the LMTP answers are written")                                                       \
    X(lmtp_answered, L, 0, "the LMTP answers are written")                                                            \
    X(shadow_store, M | L, 1, "before the copy for a shadow is stored")                                               \
    X(wakeup, M | L, 1, "before pontoon-store is woken; error: the datagram is lost")                                 \
    X(secret_create, S, 1, "before a secret is written")                                                              \
    X(secret_link, S, 1, "the secret is written, before it has its name")                                             \
    X(secret_sync, S, 1, "the secret has its name, before the fsync of its folder")                                   \
    X(claim, S, 1, "before due work is claimed")                                                                      \
    X(claimed, S, 0, "the work is claimed, before anything is done")                                                  \
    X(fallback_decided, S, 0, "a recipient shall go back to SMTP, before that is noted")                              \
    X(expiry_decided, S, 0, "a recipient has expired, before that is noted")                                          \
    X(notify_sign, S, 0, "before a notification is signed")                                                           \
    X(notify_post, S, 1, "the notification is signed, before it is sent; error: no connection")                       \
    X(notified, B, 0, "a notification is verified, before anything is done")                                          \
    X(mta_ask, B, 0, "before the MTA is asked about the envelope")                                                    \
    X(mta_asked, B, 0, "the MTA has answered the envelope, before the fetch")                                         \
    X(fetch_begin, B, 1, "before a fetch; error: no connection")                                                      \
    X(serve_begin, S, 1, "a fetch is asked for, before its begin is noted")                                           \
    X(serve_begun, S, 0, "the begin of a fetch is durable, before the first byte")                                    \
    X(fetch_data, B, 0, "before a piece of a fetch is used")                                                          \
    X(serve_end, S, 1, "the last byte is sent, before that is noted")                                                 \
    X(fetch_end, B, 0, "the message is whole and verified")                                                           \
    X(data_begin, B, 0, "before DATA")                                                                                \
    X(dot_before, B, 0, "before the final dot")                                                                       \
    X(dot_sent, B, 0, "the final dot is sent, before the MTA's answer")                                               \
    X(mta_answered, B, 0, "after the MTA's answer to the final dot, before the durable note of it")                   \
    X(witness_note, W, 0, "the witness has the MTA's answer, before it notes it for a bridge that went")              \
    X(job_note, B, 1, "before a promise or an end is handed to the queue")                                            \
    X(promise_durable, B, 0, "the promise is durable, before the answer `accepted'")                                  \
    X(delivery_noted, B, 0, "the end is durable, before the sender's site is told")                                   \
    X(notification_answer, B, 1, "before the answer to a notification")                                               \
    X(notification_answered, B, 0, "the answer to a notification is written")                                         \
    X(notify_answer, S, 1, "the answer to a notification is read, before anything of it is noted; error: it is lost") \
    X(settle, S, 1, "before news about recipients are handed to the store")                                           \
    X(body_remove, S, 1, "the message is settled, before its body file is deleted")                                   \
    X(receipt_post, B, 1, "before a receipt is sent; error: no connection")                                           \
    X(receipt_taken, S, 1, "a receipt is read, before it is noted")                                                   \
    X(receipt_answer, S, 0, "the receipt is durable, before its answer")                                              \
    X(receipt_answered, B, 1, "a receipt is answered, before that is noted; error: the answer is lost")               \
    X(receipt_noted, B, 0, "it is durable that the sender's site knows")                                              \
    X(return_begin, S, 1, "before a message goes back to SMTP")                                                       \
    X(return_answered, S, 0, "after our MTA's answer to a return, before the durable note of it")                     \
    X(return_witness, V, 0, "the witness has our MTA's answer, before it notes it for a store that went")             \
    X(dsn_written, S, 0, "a DSN is written, before it is submitted")                                                  \
    X(dsn_answered, S, 0, "after our MTA's answer to a DSN, before the durable note of it")                           \
    X(local_dot, S, 0, "before the final dot of what goes to our own MTA")

#endif
