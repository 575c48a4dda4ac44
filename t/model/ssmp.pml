/*
 * SSMP/1 as a model: one message, one recipient, from the moment the sender's MTA has answered 250. Crashes, losses and delays
 * may happen at any step. doc/protocol.md ("The model") says which state here is which in the code.
 *
 * Checked: nothing is lost; it arrives once, and more than once only where one of three named windows was open:
 *   window_mta     site B went down between its MTA's final 250 and the bridge's durable note of it
 *   window_return  site A went down between its own MTA's 250 for a return and the store's durable note of it
 *   window_settle  the peer had fetched, and never said what became of it until settle-after had run out
 *
 * Every atomic block is one durable transaction, or one step that nobody else can see the middle of.
 *
 * -DBREAK_… leaves out one rule of the protocol; t/model/check wants to see each of these fail.
 */

#ifndef NOTIFICATIONS
#define NOTIFICATIONS 3         /* how often the sender asks */
#endif
#ifndef CRASHES
#define CRASHES 2               /* of both sites together */
#endif
#ifndef LATER
#define LATER 1                 /* how often the receiving MTA says 4xx */
#endif
#ifndef RECEIPTS
#define RECEIPTS 3              /* how often a receipt is posted */
#endif

/* lib/rcpt_state.h; delivered: also reporting, from which a success DSN leads to delivered and nothing leads elsewhere */
mtype = { queued, accepted, returning, bouncing, delivered, returned, bounced };
mtype = { none, pending, done, failed, deferred };                                /* lib/jobs.h; none: no row */
mtype = { say_delivered, say_accepted, say_deferred, say_rejected };              /* verdicts, receipts */
mtype = { idle, asking, fetching, handing, noting };                              /* bridge/delivery.c */

/* ---- durable at the sender's site: the store ---- */
mtype state = queued;
bool fetch_begun = false, fetched = false;      /* store_rcpt.fetching, .fetched */
byte round = 0;                                 /* notifications so far: store_rcpt.attempts counts them */

/* ---- durable at the recipient's site: the queue ---- */
mtype job = none;
bool told = true;
byte job_round = 0;                             /* of the notification that the job, or its last news, answers */

/* ---- the world ---- */
byte by_bridge = 0, by_smtp = 0, reports = 0;
bool window_mta = false, window_return = false, window_settle = false;
byte crashes = 0, laters = 0, posts = 0;

/* ---- volatile ---- */
byte waiting_for = 0;                           /* the sender's open request, 0 none */
mtype step = idle;                              /* the bridge's delivery */
bool promised = false;
bool mta_took = false;                          /* the final 250 is known to nobody but the bridge's memory */
mtype result = none;
byte answering = 0;                             /* the request that the bridge still may answer */

chan request = [NOTIFICATIONS] of { byte };     /* in the order of arrival, which the bridge may pick from */
chan answer = [NOTIFICATIONS] of { byte, mtype };
chan receipt = [RECEIPTS] of { byte, mtype };   /* with the round that it answers */

#define OPEN (state == queued || state == accepted)

/* One event at the store, as rcpt_state_next() and store_apply_event() have it. */
inline take_news(what)
{
    if
    :: what == say_delivered && (OPEN || state == returning || state == bouncing) -> state = delivered
#ifndef BREAK_PROMISE
    :: what == say_accepted && OPEN -> state = accepted
#else
    :: what == say_accepted && OPEN -> state = delivered
#endif
    :: what == say_deferred && OPEN -> state = queued; fetch_begun = false; fetched = false
    :: what == say_rejected && OPEN -> state = bouncing; fetch_begun = false; fetched = false
    :: else -> skip
    fi
}

/* ---- site A ---- */

active proctype store()
{
    byte n;
    mtype what;
    do
    /* notify; one request at a time for one message (store/destination.c, id_under_way()) */
    :: atomic { OPEN && waiting_for == 0 && round < NOTIFICATIONS ->
           round++; waiting_for = round; request ! round }
    :: atomic { answer ? n, what ->
           if
           :: n == waiting_for -> waiting_for = 0; take_news(what)
           :: else -> skip                      /* nobody waits on that connection any more */
           fi }
    :: atomic { waiting_for != 0 -> waiting_for = 0 }           /* store.notify-timeout, or no connection */
    :: atomic { receipt ? n, what ->
           if                                   /* what answers an older question says nothing about what came after it */
#ifndef BREAK_SERIAL
           :: what == say_deferred && n != round -> skip
           :: !(what == say_deferred && n != round) -> take_news(what)
#else
           :: take_news(what)
#endif
           fi
       }
    :: atomic { receipt ?? n, what -> skip }                    /* lost */
    /* fallback-after: only while the peer can't have it; the capability goes in the same transaction */
#ifndef BREAK_FALLBACK
    :: atomic { OPEN && !fetch_begun && !fetched -> state = returning }
#else
    :: atomic { OPEN -> state = returning }
#endif
    /* settle-after: it may have it, and we have asked for long */
    :: atomic { OPEN && (fetch_begun || fetched) && round == NOTIFICATIONS && waiting_for == 0 ->
           state = returning; window_settle = true }
    /* expire-after */
    :: atomic { OPEN && round == NOTIFICATIONS && waiting_for == 0 -> state = bouncing }
    /* the return: our own MTA's 250, then the note */
    :: atomic { state == returning -> by_smtp++ };
       if
       :: atomic { state == returning -> state = returned }
       :: atomic { state != returning -> skip }                 /* a receipt came in between: see below */
       :: atomic { crashes < CRASHES -> crashes++; window_return = true; waiting_for = 0 }
       fi
    :: atomic { state == bouncing -> reports++ };
       if
       :: atomic { state == bouncing -> state = bounced }
       :: atomic { state != bouncing -> skip }
       :: atomic { crashes < CRASHES -> crashes++; waiting_for = 0 }
       fi
    /* a crash of site A: requests and answers under way are gone for it */
    :: atomic { crashes < CRASHES -> crashes++; waiting_for = 0 }
    /* the end: nothing is due any more. Late news may still come. */
    :: atomic { (state == delivered || state == returned || state == bounced) && empty(receipt) && empty(answer) -> break }
    od
}

/* ---- site B ---- */

inline crash_b()
{
    crashes++;
    if
    :: mta_took -> window_mta = true
    :: else -> skip
    fi;
    step = idle; mta_took = false; answering = 0; result = none; promised = false
}

/* The news in the answer to the open request, or nothing if there is none. */
inline tell(what)
{
    if
    :: answering != 0 -> answer ! answering, what; answering = 0
    :: else -> skip
    fi
}

active proctype bridge()
{
    byte n;
    do
    /* a notification: bridge/batch.c */
    :: atomic { request ? n ->
           if
           :: step != idle ->                                   /* under way: wait for its end */
              answering = n; job_round = n
           :: step == idle && job == done -> answer ! n, say_delivered
           :: step == idle && job == failed -> answer ! n, say_rejected
           :: step == idle && (job == none || job == deferred) ->
              answering = n; job_round = n; step = asking
           :: step == idle && job == pending -> answering = n; job_round = n; step = asking; promised = true
           fi }
    :: atomic { request ?? n -> skip }                          /* lost */
    /* after a restart the promised ones are taken up */
    :: atomic { step == idle && job == pending -> step = asking; promised = true }
    /* answer-within runs out: promise */
    :: atomic { step != idle && step != noting && answering != 0 ->
           if
           :: !promised -> job = pending; told = true; promised = true
           :: else -> skip
           fi;
           tell(say_accepted) }
    /* the envelope */
    :: atomic { step == asking ->
           if
           :: step = fetching
           :: laters < LATER -> laters++; result = deferred; step = noting
           :: result = failed; step = noting
           fi }
    /* the fetch: store_fetch_begin() is one transaction with what revokes */
    :: atomic { step == fetching ->
           if
#ifndef BREAK_REVOKE
           :: OPEN -> fetch_begun = true;
#else
           :: fetch_begun = true;
#endif
              if
              :: step = handing; fetched = true; fetch_begun = false          /* whole, and noted */
              :: step = handing                                               /* whole; A went down before the note */
              :: result = deferred; step = noting; fetch_begun = false        /* broke off, and noted */
              :: result = deferred; step = noting                             /* broke off; A went down before the note */
              fi
           :: !OPEN -> result = deferred; step = noting         /* 410 */
           :: result = deferred; step = noting                  /* no store to be reached */
           fi }
    /* DATA and the final reply */
    :: atomic { step == handing ->
           if
           :: by_bridge++; mta_took = true; result = done; step = noting
           :: laters < LATER -> laters++; result = deferred; step = noting
           :: result = failed; step = noting
           fi }
    /* the durable note, then the answer or a receipt: bridge/delivery.c, settle() */
    :: atomic { step == noting ->
           mta_took = false;
           if
           :: promised -> job = result; told = false
#ifdef BREAK_NOTE
           :: !promised -> job = none
#endif
           :: !promised && result == deferred -> job = none
           :: !promised && result != deferred -> job = result; told = true
           fi;
           if
           :: promised -> skip
           :: !promised && result == done -> tell(say_delivered)
           :: !promised && result == failed -> tell(say_rejected)
           :: !promised && result == deferred -> tell(say_deferred)
           fi;
           answering = 0;
           promised = false; result = none; step = idle }
    /* a receipt: posted, perhaps lost, perhaps late; repeated until the store has it */
    :: atomic { !told && step == idle && posts < RECEIPTS && job != none && job != pending ->
           posts++;
           if
           :: job == done -> receipt ! job_round, say_delivered
           :: job == failed -> receipt ! job_round, say_rejected
           :: job == deferred -> receipt ! job_round, say_deferred
           fi;
           if
           :: told = true;                                      /* 204 was heard */
              if
              :: job == deferred -> job = none
              :: else -> skip
              fi
           :: skip                                              /* it was not */
           fi }
    :: atomic { crashes < CRASHES -> crash_b() }
    :: atomic { (state == delivered || state == returned || state == bounced) && empty(request) && step == idle && job != pending -> break }
    od
}

/* ---- what must hold at every moment ---- */

#define STORED (OPEN || state == returning || state == bouncing)

active proctype invariants()
{
    do
    /* 1 nothing lost */
    :: atomic { !(STORED || by_bridge + by_smtp > 0 || reports > 0) -> assert(false) }
    /* 2 once, or in a named window */
    :: atomic { by_bridge + by_smtp > 1 && !window_mta && !window_return && !window_settle -> assert(false) }
    /* at most one repeat a window */
    :: atomic { by_bridge + by_smtp > 1 + window_mta * CRASHES + window_return * CRASHES + window_settle -> assert(false) }
    :: atomic { timeout -> break }
    od
}
