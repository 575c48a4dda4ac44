/*
 * SSMP/1 as a model: one message, from the moment the sender's MTA has answered 250, to several recipients at one site. Crashes, losses
 * and delays may happen at any step. doc/protocol.md ("The model") says which state here is which in the code.
 *
 * Recipients are alike, so what holds for any one of them holds for all. The model follows one, "ours"; of the others it has whatever can
 * touch ours, at any time and in any order: they are notified with it or without it, the message may be fetched for them, and the bridge
 * may be busy with them. They never settle: if they did, a fetch could only be refused more often, and that may happen here anyway.
 * -DALONE: there are no others.
 *
 * Checked: nothing is lost; it arrives once, and once more only for each time that one of three named windows was open:
 *   window_mta     site B went down between its MTA's final 250 and the bridge's durable note of it
 *   window_return  site A went down between its own MTA's 250 for a return and the store's durable note of it
 *   window_settle  the peer had fetched, and never said what became of it until settle-after had run out
 *
 * Every atomic block is one durable transaction, or one step that nobody else can see the middle of. Variables that mean nothing in a
 * state have one value there, and what nobody will read is not sent: both only make the search smaller.
 *
 * -DBREAK_… leaves out one rule of the protocol; t/model/check wants to see each of these fail.
 */

#ifndef NOTIFICATIONS
#define NOTIFICATIONS 2         /* how often the sender asks about ours, */
#endif
#ifndef OTHERS
#define OTHERS 1                /* and about others only */
#endif
#ifndef CRASHES
#define CRASHES 2               /* of both sites together */
#endif
#ifndef LATER
#define LATER 1                 /* how often the receiving MTA says 4xx */
#endif
#ifndef RECEIPTS
#define RECEIPTS 2              /* how often a receipt is posted */
#endif
#ifdef ALONE
#define BESIDE false
#else
#define BESIDE true
#endif

mtype = { queued, accepted, returning, bouncing, reporting, delivered, returned, bounced };       /* lib/rcpt_state.h */
mtype = { none, pending, done, failed, deferred };                                /* lib/jobs.h; none: no row */
mtype = { say_delivered, say_accepted, say_deferred, say_rejected };              /* verdicts, receipts */
mtype = { idle, asking, fetching, handing, noting };                              /* bridge/delivery.c */

/* ---- durable at the sender's site: the store ---- */
mtype state = queued;
bool offered = false;                           /* store_rcpt.offered: the peer may know of it */
bool fetch_begun = false, fetched = false;      /* store_rcpt.fetching, .fetched */
byte round = 0, serial = 0;                     /* of the last notification, and of the last that named ours: store_rcpt.serial */
byte asked = 0, asked_others = 0;

/* ---- durable at the recipient's site: the queue ---- */
mtype job = none;
bool told = true;
byte job_serial = 0;                            /* jobs.serial: of the message, whoever was named */

/* ---- the world ---- */
byte may_come = 1;                              /* copies: one, and one more for each window that was open */
bool taken = false;                             /* an MTA has it, or the sender was told */
byte crashes = 0, laters = 0, posts = 0;

/* ---- volatile ---- */
byte waiting_for = 0;                           /* the sender's open request, 0 none */
bool giving_back = false;                       /* a return is under way: store/give_back.c */
mtype step = idle;                              /* the bridge's delivery */
bool with_ours = false;                         /* ours is in it */
bool promised = false;
bool mta_took = false;                          /* the final 250 is known to nobody but the bridge's memory */
mtype result = none;
byte its_serial = 0;                            /* of the last notification that concerns it */
byte answering = 0;                             /* the request that the bridge still may answer */

chan request = [NOTIFICATIONS + OTHERS] of { byte, bool };     /* serial; whether ours is named */
chan answer = [1] of { mtype };                 /* to the open request */
chan receipt = [RECEIPTS] of { byte, mtype };   /* with the serial that it answers */

#define OPEN (state == queued || state == accepted)
#define TAKEN_BACK (state == returning || state == bouncing || state == returned || state == bounced)

#ifndef BREAK_URL
#define OLD(n) (n != serial)
#else
#define OLD(n) (n < serial)                     /* all those since bear the same one */
#endif

inline arrives()
{
    taken = true;
    assert(may_come > 0);                       /* once, or in a named window */
    may_come--
}

/* One event at the store, as rcpt_state_next() and store_apply_event() have it. */
inline take_news(what)
{
    if
    :: what == say_delivered && (OPEN || state == returning || state == bouncing) ->
       fetch_begun = false; fetched = false; offered = false;
       if
       :: state = delivered
       :: state = reporting                     /* the success DSN is ours to make */
       fi
#ifndef BREAK_PROMISE
    :: what == say_accepted && OPEN -> state = accepted
#else
    :: what == say_accepted && OPEN -> state = delivered
#endif
    :: what == say_deferred && OPEN -> state = queued; fetch_begun = false; fetched = false; offered = false
    :: what == say_rejected && OPEN -> state = bouncing; fetch_begun = false; fetched = false; offered = false
    :: else -> skip
    fi
}

/* Who waits no more does not hear the answer. */
inline stop_waiting()
{
    waiting_for = 0;
    if
    :: answer ? _
    :: empty(answer) -> skip
    fi
}

inline crash_a()
{
    crashes++;
    giving_back = false;
    stop_waiting()
}

/* ---- site A ---- */

active proctype store()
{
    byte n;
    mtype what;
end:
    do
    /* notify; one request at a time for one message (store/destination.c, id_under_way()). The claim notes that it was offered. */
    :: atomic { OPEN && waiting_for == 0 && asked < NOTIFICATIONS ->
           asked++; round++; serial = round; waiting_for = round;
#ifndef BREAK_OFFERED
           offered = true;
#endif
           request ! round, true }
#ifdef BREAK_URL
    /* the same notification again, to the next of the peer's URLs */
    :: atomic { OPEN && waiting_for != 0 && asked < NOTIFICATIONS ->
           asked++; round++;
           stop_waiting(); waiting_for = round; request ! round, true }
#endif
    :: atomic { BESIDE && asked_others < OTHERS -> asked_others++; round++; request ! round, false }
    :: atomic { answer ? what ->
           waiting_for = 0;
#ifdef BREAK_OFFERED
           offered = true;
#endif
           take_news(what); what = 0 }
    :: atomic { waiting_for != 0 ->                             /* store.notify-timeout, or no connection */
#ifdef BREAK_OFFERED
           offered = true;
#endif
           stop_waiting() }
    :: atomic { receipt ? n, what ->
           if                                   /* what answers an older question says nothing about what came after it */
#ifndef BREAK_SERIAL
           :: what == say_deferred && OLD(n) -> skip
           :: !(what == say_deferred && OLD(n)) -> take_news(what)
#else
           :: take_news(what)
#endif
           fi;
           n = 0; what = 0 }
    :: atomic { receipt ?? n, what -> n = 0; what = 0 }         /* lost */
    /* fallback-after, recall: only while the peer can't have it; the capability goes in the same transaction */
#ifndef BREAK_FALLBACK
    :: atomic { OPEN && !fetch_begun && !fetched -> state = returning }
#else
    :: atomic { OPEN -> state = returning }
#endif
    /* settle-after: it may have it, and we have asked for long */
    :: atomic { OPEN && (fetch_begun || fetched) && asked == NOTIFICATIONS && waiting_for == 0 ->
           fetch_begun = false; fetched = false;
           state = returning; may_come++ }                      /* window_settle */
    /* expire-after */
    :: atomic { OPEN && asked == NOTIFICATIONS && waiting_for == 0 ->
           fetch_begun = false; fetched = false;
           state = bouncing }
    /* the return: our own MTA's 250, then the note; late news may come in between */
    :: atomic { state == returning && !giving_back -> giving_back = true }
    :: atomic { giving_back ->
           arrives();
           if
           :: giving_back = false;
              if
              :: state == returning -> state = returned
              :: else -> skip
              fi
           :: crashes < CRASHES -> crash_a(); may_come++        /* window_return */
           fi }
    :: atomic { state == bouncing ->
           taken = true;
           if
           :: state = bounced
           :: crashes < CRASHES -> crash_a()
           fi }
    :: atomic { state == reporting -> state = delivered }       /* a crash here repeats a DSN, no mail */
    :: atomic { crashes < CRASHES -> crash_a() }
    od
}

/* ---- site B ---- */

inline at_rest()
{
    step = idle; with_ours = false; promised = false; mta_took = false; result = none; its_serial = 0; answering = 0
}

/* The news in the answer to the open request, or nothing if there is none. */
inline tell(n, what)
{
    if
    :: n != 0 && n == waiting_for -> answer ! what
    :: else -> skip
    fi
}

inline note(outcome, known)
{
    job = outcome; told = known; job_serial = its_serial
}

#ifdef BREAK_REVOKE
#define MAY_FETCH true
#else
#ifdef BREAK_BESIDE
#define MAY_FETCH (OPEN || BESIDE)
#else
#define MAY_FETCH ((OPEN || BESIDE) && !(TAKEN_BACK && offered))        /* store_check_access() */
#endif
#endif

active proctype bridge()
{
    byte n;
    bool ours;
end:
    do
    /* a notification: bridge/batch.c, begin_message() */
    :: atomic { request ? n, ours ->
           if
           :: ours && step != idle && with_ours -> answering = n; its_serial = n       /* wait for its end */
           :: ours && !(step != idle && with_ours) && job == done -> tell(n, say_delivered)
           :: ours && !(step != idle && with_ours) && job == failed -> tell(n, say_rejected)
           :: ours && step != idle && !with_ours && job != done && job != failed ->     /* busy with others of the message */
              tell(n, say_deferred)
           :: ours && step == idle && (job == none || job == deferred) ->
              step = asking; with_ours = true; answering = n; its_serial = n
           :: ours && step == idle && job == pending ->         /* promised before a restart: its turn comes now, */
              step = asking; with_ours = true; answering = n; its_serial = n;
#ifndef BREAK_STANDS
              promised = true                                   /* and it is owed a receipt, whatever is answered */
#else
              skip
#endif
           :: !ours && step == idle && job != pending -> step = asking; its_serial = n
#ifndef BREAK_TURN
           :: !ours && step == idle && job == pending ->        /* the same: nothing of a message goes before what was promised */
              step = asking; with_ours = true; promised = true; its_serial = n
#else
           :: !ours && step == idle && job == pending -> step = asking; its_serial = n
#endif
           :: !ours && step != idle -> its_serial = n           /* of those under way, */
           :: !ours -> skip                                     /* or settled, or turned away */
           fi;
           n = 0; ours = false }
    :: atomic { request ? n, ours -> n = 0; ours = false }      /* lost */
    /* after a restart the promised ones are taken up, in time */
    :: atomic { step == idle && job == pending ->
           step = asking; with_ours = true; promised = true; its_serial = job_serial }
    /* answer-within runs out: promise */
    :: atomic { step != idle && step != noting && answering != 0 ->
           if
           :: !promised -> note(pending, true); promised = true
           :: else -> skip
           fi;
           tell(answering, say_accepted); answering = 0 }
    /* the envelope; whoever is refused, the others may be fetched for */
    :: atomic { step == asking ->
           if
           :: step = fetching
           :: laters < LATER && with_ours -> laters++; result = deferred; step = fetching
           :: laters < LATER && with_ours -> laters++; result = deferred; step = noting
           :: with_ours -> result = failed; step = noting
           :: BESIDE && with_ours -> result = failed; step = fetching
           :: !with_ours -> step = noting
           fi }
    /* the fetch: store_fetch_begin() is one transaction with what revokes, and counts for all that are open there */
    :: atomic { step == fetching ->
           if
           :: MAY_FETCH ->
              if
#ifndef BREAK_UNKNOWN
              :: OPEN && fetch_begun -> fetched = true; offered = true         /* an earlier one, whose end nobody knows: it may be ours */
#endif
              :: OPEN && !fetch_begun -> fetch_begun = true; offered = true
              :: else -> skip
              fi;
              if
              :: step = handing;                                        /* whole, and noted */
                 if
                 :: fetch_begun -> fetched = true; fetch_begun = false
                 :: else -> skip
                 fi
              :: step = handing                                         /* whole; A went down before the note */
              :: step = noting; fetch_begun = false                     /* broke off, and noted */
              :: step = noting                                          /* broke off; A went down before the note */
              fi
           :: !MAY_FETCH -> step = noting                               /* 410 */
           :: step = noting                                             /* no store to be reached */
           fi;
           if
           :: step == noting && result == none && with_ours -> result = deferred
           :: step == handing && (result != none || !with_ours) -> step = noting        /* only others are handed over */
           :: else -> skip
           fi }
    /* DATA and the final reply */
    :: atomic { step == handing ->
           if
           :: arrives(); mta_took = true; result = done; step = noting
           :: laters < LATER -> laters++; result = deferred; step = noting
           :: result = failed; step = noting
           fi }
    /* the durable note, then the answer or a receipt: bridge/delivery.c, settle() */
    :: atomic { step == noting ->
           if
           :: !with_ours && job != none -> job_serial = its_serial
           :: !with_ours -> skip
           :: with_ours && promised -> note(result, false)
           :: with_ours && !promised ->
              if
#ifdef BREAK_NOTE
              :: true -> skip
#else
              :: result == deferred -> skip
              :: result != deferred -> note(result, true)
#endif
              fi;
              if
              :: result == done -> tell(answering, say_delivered)
              :: result == failed -> tell(answering, say_rejected)
              :: result == deferred -> tell(answering, say_deferred)
              fi
           fi;
           at_rest() }
    /* a receipt: posted, perhaps lost, perhaps late; repeated until the store has it */
    :: atomic { !told && posts < RECEIPTS ->
           posts++;
           if
           :: job == done -> receipt ! job_serial, say_delivered
           :: job == failed -> receipt ! job_serial, say_rejected
           :: job == deferred -> receipt ! job_serial, say_deferred
           fi;
           if
           :: told = true;                                      /* 204 was heard */
              if
              :: job == deferred -> job = none; job_serial = 0
              :: else -> skip
              fi
           :: skip                                              /* it was not */
           fi }
    :: atomic { crashes < CRASHES ->
           crashes++;
           if
           :: mta_took -> may_come++                            /* window_mta */
           :: else -> skip
           fi;
           at_rest() }
    od
}

/* Nothing lost: at every moment it is open, returning or bouncing in the store, or an MTA has it, or the sender was told. */
active proctype invariant()
{
end:
    do
    :: atomic { !(OPEN || state == returning || state == bouncing || taken) -> assert(false) }
    od
}
