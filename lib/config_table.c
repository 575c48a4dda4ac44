/*
 * Every parameter of pontoon.conf, once: see config.h. The sample file and the man page are made
 * from this table; after a change run `make conf-docs`.
 */
#include "lib/config.h"

#define MS   1LL
#define SEC  (1000 * MS)
#define MIN  (60 * SEC)
#define HOUR (60 * MIN)
#define DAY  (24 * HOUR)
#define KIB  1024LL
#define MIB  (1024 * KIB)
#define GIB  (1024 * MIB)

const struct config_section config_sections[] = {
    {"", "What all programs share.", NULL, 0},
    {"log", "Where log lines go.", NULL, 0},
    {"discovery", "How other domains' records and policies are looked up and cached.", NULL, 0},
    {"rule",
     "Which way outgoing mail takes, recipient by recipient. Rules are tried in the order of the file; the first whose "
     "conditions all hold decides, and rules-default where none does. A condition that is left out always holds. "
     "The name, which is in the log lines, is up to you. A recipient of whom a rule can't say because a table can't be "
     "read goes by SMTP.",
     "NAME", 1000},
    {"milter", "pontoon-milter, the filter beside the sending MTA.", NULL, 0},
    {"lmtp",
     "pontoon-lmtp, which takes outgoing mail by LMTP from MTAs that route it there. The rules, milter.divert and "
     "milter.max-size hold for it, too.",
     NULL, 0},
    {"store", "The sender store, and pontoon-store, which serves it and notifies.", NULL, 0},
    {"policy", "What pontoon-store publishes about our domains.", NULL, 0},
    {"bridge", "pontoon-bridge, which takes notifications and hands messages to the receiving MTA.", NULL, 0},
    {NULL, NULL, NULL, 0},
};

const struct config_entry config_table[] = {
    /* ---- top level ---- */
    {"", "hostname", CONFIG_STRING, "", 0, 0, NULL, "mail.example.org",
     "Our name in trace headers, greetings and DSNs. Empty: the machine's fully qualified host name."},
    {"", "domains", CONFIG_LIST, "", 0, 0, NULL, "example.org",
     "The mail domains of this site: mail from them may be diverted, notifications for them are taken, and policies "
     "for them are published."},
    {"", "postmaster", CONFIG_ADDRESS, "", 0, 0, NULL, "postmaster@example.org",
     "The From: address of DSNs. Empty: MAILER-DAEMON@HOSTNAME."},
    {"", "hop-limit", CONFIG_COUNT, "50", 1, 1000, NULL, NULL,
     "A message with more Received: fields than this runs in a circle: the milter leaves it to the MTA (Postfix's hopcount_limit bounces it), "
     "and the bridge rejects it (5.4.6). Give it the value that the MTA has."},
    {"", "rules-default", CONFIG_CHOICE, "divert", 0, 0, "divert smtp shadow", NULL,
     "What becomes of a recipient whom no rule decides about; see the sections rule."},
    {"", "sandbox", CONFIG_BOOL, "yes", 0, 0, NULL, NULL,
     "The daemons give up, for good, what they don't need once they serve: system calls, files, ports. A reload may name other files, "
     "but in the folders that were named at start. No: only to find out whether the sandbox is what is in the way."},

    /* ---- log ---- */
    {"log", "target", CONFIG_STRING, "syslog:mail", 0, 0, NULL, NULL,
     "syslog:FACILITY (journald takes it too), stderr, or an absolute file name; a file is opened again on SIGHUP."},
    {"log", "name", CONFIG_STRING, "pontoon", 0, 0, NULL, NULL,
     "First part of the program name in log lines, as Postfix's syslog_name."},
    {"log", "verbose", CONFIG_BOOL, "no", 0, 0, NULL, NULL, "Log every step, as -v does."},

    /* ---- discovery ---- */
    {"discovery", "resolvers", CONFIG_LIST, "", 0, 0, NULL, "127.0.0.1:53",
     "DNS servers as ADDRESS:PORT. Empty: those of /etc/resolv.conf."},
    {"discovery", "dns-timeout", CONFIG_TIME, "5s", 100 * MS, 60 * SEC, NULL, NULL,
     "How long one DNS look-up may take."},
    {"discovery", "ca-file", CONFIG_PATH, "", 0, 0, NULL, "/etc/ssl/certs/ca-certificates.crt",
     "PEM file of the certification authorities that peers' certificates are verified with. Empty: the system's."},
    {"discovery", "policy-port", CONFIG_COUNT, "443", 1, 65535, NULL, NULL,
     "The port that policies are fetched from. Anything but 443 is for tests: no other site publishes there."},
    {"discovery", "timeout", CONFIG_TIME, "15s", 100 * MS, 5 * MIN, NULL, NULL, "How long fetching a policy may take."},
    {"discovery", "allow-addresses", CONFIG_LIST, "", 0, 0, NULL, "10.0.0.0/8",
     "Networks that pontoon may connect to besides globally routable addresses. A stranger's policy names the hosts, "
     "so leave it empty unless a partner really is on a private network."},
    {"discovery", "record-ttl-min", CONFIG_TIME, "1m", 0, DAY, NULL, NULL,
     "A domain's record is looked at again after its TTL, but not before this."},
    {"discovery", "record-ttl-max", CONFIG_TIME, "1h", 1 * SEC, 7 * DAY, NULL, NULL,
     "A domain's record is looked at again after this at the latest."},
    {"discovery", "negative-ttl", CONFIG_TIME, "10m", 0, DAY, NULL, NULL,
     "How long \"takes no part\" and failed look-ups are remembered."},
    {"discovery", "refresh-min", CONFIG_TIME, "1m", 0, DAY, NULL, NULL,
     "A policy is fetched anew for an unknown key at most this often."},
    {"discovery", "lookups-max", CONFIG_COUNT, "100", 1, 10000, NULL, NULL,
     "Look-ups under way at one time; more are refused."},
    {"discovery", "cache-max", CONFIG_COUNT, "10000", 10, 10000000, NULL, NULL, "Domains kept in memory."},

    /* ---- rule ---- */
    {"rule", "recipients", CONFIG_LIST, "", 0, 0, NULL, "b.test, !vip@b.test, cdb:/etc/postfix/migrated",
     "Recipients: patterns and tables, as pontoon.conf(5) explains them."},
    {"rule", "senders", CONFIG_LIST, "", 0, 0, NULL, "alice@example.org, .lab.example.org",
     "Senders (of the envelope): patterns and tables."},
    {"rule", "users", CONFIG_LIST, "", 0, 0, NULL, "alice, test-*",
     "Authenticated users (SASL logins): names, * for any characters, tables. A client that did not log in never matches."},
    {"rule", "clients", CONFIG_LIST, "", 0, 0, NULL, "local, 192.0.2.0/24",
     "Clients: \"local\" (submitted on the machine, or from a loopback address), ADDRESS/BITS, tables."},
    {"rule", "min-size", CONFIG_SIZE, "0", 0, 1024 * GIB, NULL, NULL, "Messages of at least this size."},
    {"rule", "max-size", CONFIG_SIZE, "0", 0, 1024 * GIB, NULL, NULL, "Messages of at most this size. 0: of any size."},
    {"rule", "headers", CONFIG_LIST, "", 0, 0, NULL, "Precedence: bulk, X-Newsletter",
     "Messages with one of these headers: \"NAME: VALUE\", where VALUE may have * for any characters and case doesn't "
     "count, or \"NAME\" with whatever value."},
    {"rule", "hours", CONFIG_LIST, "", 0, 0, NULL, "Mon-Fri 08:00-18:00, Sat 10:00-12:00",
     "Local time when the message comes in: days, hours, or both. Hours may go past midnight (22:00-06:00) and then "
     "belong to the day on which they begin."},
    {"rule", "percent", CONFIG_PERCENT, "100", 0, 10000, NULL, NULL,
     "This share of all recipients, chosen by a hash of the address: the same people every time, whatever the rule, and "
     "those of a smaller share are among those of a larger one. Steps of 0.01."},
    {"rule", "seed", CONFIG_STRING, "", 0, 0, NULL, "second-trial",
     "Rules with another seed choose other people for the same percentage."},
    {"rule", "action", CONFIG_CHOICE, "smtp", 0, 0, "divert smtp shadow", NULL,
     "divert: into the store, if the recipient's domain takes part; smtp: as ever; shadow: as ever, and a copy crosses "
     "the bridge for comparison and is not delivered."},

    /* ---- milter ---- */
    {"milter", "socket", CONFIG_ENDPOINT, "unix:/run/pontoon/milter.sock", 0, 0, NULL, NULL,
     "Where the MTA reaches the milter: unix:PATH or inet:ADDRESS:PORT. A stale unix socket is removed."},
    {"milter", "socket-mode", CONFIG_MODE, "0660", 0, 0777, NULL, NULL, "Mode of a unix socket."},
    {"milter", "socket-group", CONFIG_STRING, "", 0, 0, NULL, "postfix",
     "Group of a unix socket. Empty: the process's own."},
    {"milter", "user", CONFIG_STRING, "", 0, 0, NULL, "pontoon-milter",
     "User to become after start, as USER or USER:GROUP. Empty: stay."},
    {"milter", "divert", CONFIG_BOOL, "yes", 0, 0, NULL, NULL, "No: look on only; every message goes by SMTP."},
    {"milter", "divert-clients", CONFIG_LIST, "authenticated, local", 0, 0, NULL, NULL,
     "Whose mail may be diverted: \"authenticated\" (SASL), \"local\" (submitted on the machine or from a loopback address), "
     "\"any\", and networks as ADDRESS/BITS."},
    {"milter", "transports", CONFIG_LIST, "smtp, relay, esmtp", 0, 0, NULL, NULL,
     "A recipient is diverted only if the MTA would have used one of these for it (milter macro {rcpt_mailer}), so that "
     "local, virtual and specially routed addresses are left alone. Empty: any."},
    {"milter", "discovery-wait", CONFIG_TIME, "0s", 0, 30 * SEC, NULL, NULL,
     "How long RCPT may wait for an unknown domain's look-up. 0: never; the message goes by SMTP and the next one knows."},
    {"milter", "max-size", CONFIG_SIZE, "0", 0, 1024 * GIB, NULL, NULL,
     "Larger messages go by SMTP. 0: no limit of our own (the MTA's message_size_limit and the policy's max_size hold)."},
    {"milter", "spool-memory", CONFIG_SIZE, "128K", 4 * KIB, 16 * MIB, NULL, NULL,
     "A message is held in memory up to this size, beyond that in a file of the store."},
    {"milter", "on-store-failure", CONFIG_CHOICE, "smtp", 0, 0, "smtp tempfail", NULL,
     "When the store can't take a message: hand it to plain SMTP, or answer 451 so that the client tries again."},
    {"milter", "discard", CONFIG_BOOL, "no", 0, 0, NULL, NULL,
     "Yes: a message whose recipients are all diverted is discarded by the MTA, instead of going on without recipients. That is much less work "
     "for it, above all with many recipients. But copies that it makes itself or that another milter adds (Postfix: always_bcc, "
     "sender_bcc_maps, recipient_bcc_maps, BCC in header_checks) are lost with it: say yes only where there are none, and with "
     "milter_default_action = tempfail."},
    {"milter", "notify-hold", CONFIG_TIME, "2s", 0, MIN, NULL, NULL,
     "A stored message is notified as soon as the MTA was told; this is how long it waits if the milter dies just then."},
    {"milter", "resubmission-window", CONFIG_TIME, "1h", 0, 30 * DAY, NULL, NULL,
     "The same message (bytes, Message-ID, sender, client, recipients) within this time is a client that did not get our "
     "answer: it is not stored twice. 0: off."},
    {"milter", "observe", CONFIG_BOOL, "no", 0, 0, NULL, NULL,
     "Tell pontoon-bridge (bridge.arrivals) what arrives by SMTP for our domains, for comparing others' shadows with it: envelope, "
     "and hashes of header fields and body."},
    {"milter", "timeout", CONFIG_TIME, "2h", 10 * SEC, DAY, NULL, NULL,
     "How long the MTA may be silent on a milter connection."},
    {"milter", "drain-timeout", CONFIG_TIME, "30s", 0, 10 * MIN, NULL, NULL,
     "How long SIGTERM waits for messages under way; new ones go by SMTP meanwhile. What is cut off then is up to the MTA "
     "(Postfix: milter_default_action)."},

    /* ---- lmtp ---- */
    {"lmtp", "listen", CONFIG_ENDPOINT, "unix:/run/pontoon/lmtp.sock", 0, 0, NULL, NULL,
     "Where the MTA hands mail over: unix:PATH or ADDRESS:PORT. A stale unix socket is removed."},
    {"lmtp", "socket-mode", CONFIG_MODE, "0660", 0, 0777, NULL, NULL,
     "Mode of a unix socket: who may connect may send mail in the name of our users."},
    {"lmtp", "socket-group", CONFIG_STRING, "", 0, 0, NULL, "postfix",
     "Group of a unix socket. Empty: the process's own."},
    {"lmtp", "clients", CONFIG_LIST, "127.0.0.0/8, ::1/128", 0, 0, NULL, NULL,
     "Networks that may connect to ADDRESS:PORT."},
    {"lmtp", "user", CONFIG_STRING, "", 0, 0, NULL, "pontoon-milter",
     "User to become after start, as USER or USER:GROUP. Empty: stay."},
    {"lmtp", "connections", CONFIG_COUNT, "100", 1, 10000, NULL, NULL,
     "Connections at one time; more are answered 421, and the MTA tries again."},
    {"lmtp", "connections-per-address", CONFIG_COUNT, "50", 1, 10000, NULL, NULL,
     "The same, from one address; clients of a unix socket have none."},
    {"lmtp", "timeout", CONFIG_TIME, "5m", 100 * MS, HOUR, NULL, NULL,
     "How long a client may take for a command, or be silent within DATA."},
    {"lmtp", "max-size", CONFIG_SIZE, "0", 0, 1024 * GIB, NULL, NULL,
     "Larger messages are refused (552), so it should not be less than the MTA's limit. 0: none of our own."},
    {"lmtp", "max-recipients", CONFIG_COUNT, "1000", 100, 1000, NULL, NULL,
     "Recipients of one message; the rest is answered 452, and the MTA sends it as another one."},
    {"lmtp", "max-errors", CONFIG_COUNT, "20", 1, 1000, NULL, NULL,
     "Commands that may be refused in one session before it is ended."},
    {"lmtp", "spool-memory", CONFIG_SIZE, "128K", 4 * KIB, 16 * MIB, NULL, NULL,
     "A message is held in memory up to this size, beyond that in a file of the store."},
    {"lmtp", "discovery-wait", CONFIG_TIME, "5s", 0, 30 * SEC, NULL, NULL,
     "How long a message may wait for its recipients' domains to be looked up. What is not known then goes by SMTP."},
    {"lmtp", "resubmission-window", CONFIG_TIME, "6d", 0, 30 * DAY, NULL, NULL,
     "The same message (bytes, sender, recipients) within this time is the MTA that did not get our answer: it is not stored twice. "
     "Longer than the MTA keeps trying, not longer than store.history. 0: off."},
    {"lmtp", "loop-pause", CONFIG_TIME, "5m", 100 * MS, DAY, NULL, NULL,
     "A message that has come back from the store four times must wait this long before each further round (451): so a wrong route makes no "
     "storm, and the mail goes out by itself when it is mended."},
    {"lmtp", "drain-timeout", CONFIG_TIME, "30s", 0, 10 * MIN, NULL, NULL,
     "How long SIGTERM waits for messages under way; the MTA keeps the others."},

    /* ---- store ---- */
    {"store", "directory", CONFIG_PATH, "/var/lib/pontoon/store", 0, 0, NULL, NULL,
     "The store's directory, on a local file system. Owned by the store's user, writable by the milter's."},
    {"store", "inline-max", CONFIG_SIZE, "64K", 0, 16 * MIB, NULL, NULL,
     "Bodies up to this size are kept in the database, larger ones in files beside it."},
    {"store", "queue-max", CONFIG_COUNT, "100000", 0, 1000000000, NULL, NULL,
     "Messages that are stored and not yet settled. When there are so many, mail is not diverted any more, and goes by SMTP until there are 5% "
     "less. It is looked at once a second. 0: any number."},
    {"store", "queue-max-per-domain", CONFIG_COUNT, "20000", 0, 1000000000, NULL, NULL,
     "The same for the recipients of one domain, of whose bridge nothing definite was heard: only mail to this domain then goes by SMTP. "
     "0: any number."},
    {"store", "queue-bytes-max", CONFIG_SIZE, "0", 0, 1048576 * GIB, NULL, NULL,
     "The same as queue-max in bytes of stored bodies, each counted once. 0: as many as the disk holds."},
    {"store", "busy-timeout", CONFIG_TIME, "10s", 100 * MS, 5 * MIN, NULL, NULL,
     "How long a change waits for another process's lock on the database. A daemon that starts waits half a minute at least."},
    {"store", "user", CONFIG_STRING, "", 0, 0, NULL, "pontoon-store",
     "User to become after start, as USER or USER:GROUP. Empty: stay."},
    {"store", "listen", CONFIG_LIST, "", 0, 0, NULL, "*:443",
     "Where pontoon-store serves policies and messages, as ADDRESS:PORT. Must be reachable as "
     "https://sender-store.DOMAIN/ for each of our domains."},
    {"store", "certificate", CONFIG_PATH, "", 0, 0, NULL, "/etc/pontoon/tls/chain.pem",
     "PEM file: certificate for sender-store.DOMAIN of all our domains, then the chain."},
    {"store", "key", CONFIG_PATH, "", 0, 0, NULL, "/etc/pontoon/tls/key.pem", "PEM file of its private key."},
    {"store", "signing-key", CONFIG_PATH, "/var/lib/pontoon/keys/signing.pem", 0, 0, NULL, NULL,
     "The Ed25519 key that signs notifications; made by `pontoon keys make'."},
    {"store", "published-keys", CONFIG_PATH, "/var/lib/pontoon/keys", 0, 0, NULL, NULL,
     "Directory of all keys (*.pem) whose public halves the policy publishes: put a new one there max-age before signing with it, "
     "and leave an old one there as long."},
    {"store", "token-secret", CONFIG_PATH, "/var/lib/pontoon/token-secret", 0, 0, NULL, NULL,
     "File of the secrets that fetch tokens are made from; made at first start."},
    {"store", "connections", CONFIG_COUNT, "1000", 1, 100000, NULL, NULL,
     "Client connections at one time. When all are taken, the address that has most of them loses its oldest one to a newcomer who has "
     "fewer."},
    {"store", "connections-per-address", CONFIG_COUNT, "100", 1, 100000, NULL, NULL,
     "The same, from one address (of IPv6: from one /64; so it is with all limits by address)."},
    {"store", "requests-per-address", CONFIG_COUNT, "1000", 0, 1000000, NULL, NULL,
     "Requests a second from one address; more are answered 429. 0: any number."},
    {"store", "refusals-per-address", CONFIG_COUNT, "10", 0, 1000000, NULL, NULL,
     "Requests a second that may be refused (bad tokens, 429 that is not heeded) to one address, and 30 seconds' worth at once; beyond it "
     "its connections are cut before TLS. 0: any number."},
    {"store", "fetches-per-domain", CONFIG_COUNT, "100", 1, 100000, NULL, NULL,
     "Fetches under way at one time for one recipient domain; more are answered 429."},
    {"store", "fetch-bytes-per-domain", CONFIG_SIZE, "10M", 0, 1024 * GIB, NULL, NULL,
     "Bytes a second that one domain may fetch beyond those that it is notified of, as when it fetches again and again; more is answered "
     "429. At once: 10 seconds' worth, or pace-bytes-per-domain if that is more. 0: any number."},
    {"store", "idle-timeout", CONFIG_TIME, "60s", 1 * SEC, HOUR, NULL, NULL,
     "A client that is silent for so long is cut off."},
    {"store", "notify-timeout", CONFIG_TIME, "60s", 1 * SEC, 10 * MIN, NULL, NULL,
     "How long a peer may take to answer a notification."},
    {"store", "notify-connections", CONFIG_COUNT, "4", 1, 100, NULL, NULL,
     "Notifications under way to one domain at one time."},
    {"store", "notify-batch", CONFIG_COUNT, "20", 1, 100, NULL, NULL, "Messages in one notification."},
    {"store", "pace-messages", CONFIG_COUNT, "500", 1, 100000, NULL, NULL,
     "The pacer's bound on messages that are notified and not yet fetched, in all. It is lowered by itself while the store serves slowly."},
    {"store", "pace-messages-per-domain", CONFIG_COUNT, "100", 1, 100000, NULL, NULL, "The same for one domain."},
    {"store", "pace-bytes", CONFIG_SIZE, "1G", 1 * MIB, 1024 * GIB, NULL, NULL,
     "The same in bytes, in all. One larger message may go when nothing else is out."},
    {"store", "pace-bytes-per-domain", CONFIG_SIZE, "512M", 1 * MIB, 1024 * GIB, NULL, NULL,
     "The same for one domain."},
    {"store", "pace-latency", CONFIG_TIME, "250ms", 1 * MS, MIN, NULL, NULL,
     "If most fetches wait longer for the store, less is notified at one time."},
    {"store", "pace-timeout", CONFIG_TIME, "1m", 1 * SEC, HOUR, NULL, NULL,
     "A message that is not fetched so long after its notification counts no longer."},
    {"store", "retry-min", CONFIG_TIME, "30s", 10 * MS, DAY, NULL, NULL,
     "First wait before a deferred recipient is notified again; it doubles each time."},
    {"store", "retry-max", CONFIG_TIME, "1h", 10 * MS, 7 * DAY, NULL, NULL, "Longest such wait."},
    {"store", "fallback-after", CONFIG_TIME, "15m", 0, 30 * DAY, NULL, NULL,
     "A recipient whose message the peer has neither taken nor fetched goes back to SMTP after this. 0: never."},
    {"store", "settle-after", CONFIG_TIME, "4h", 0, 30 * DAY, NULL, NULL,
     "The same when the peer has fetched the message but never said what became of it: it may have arrived, so we ask for longer. 0: never."},
    {"store", "breaker-failures", CONFIG_COUNT, "5", 0, 1000000, NULL, NULL,
     "So many requests to a domain's bridge that fail in a row open its breaker: mail for it goes by SMTP at once until the bridge answers "
     "again. 0: never."},
    {"store", "breaker-time", CONFIG_TIME, "1m", 0, DAY, NULL, NULL, "But not before it has failed for so long."},
    {"store", "expire-after", CONFIG_TIME, "5d", 1 * SEC, 60 * DAY, NULL, NULL,
     "A recipient that is still undecided after this gets a DSN, as with Postfix's maximal_queue_lifetime."},
    {"store", "history", CONFIG_TIME, "7d", 0, 400 * DAY, NULL, NULL,
     "How long settled messages stay visible in `pontoon trace' (their bodies go at once)."},
    {"store", "lease", CONFIG_TIME, "2m", 1 * SEC, HOUR, NULL, NULL,
     "How long claimed work of a node that died stays claimed."},
    {"store", "mta", CONFIG_ENDPOINT, "127.0.0.1:10026", 0, 0, NULL, NULL,
     "Our own MTA's listener for mail that returns to SMTP and for DSNs. It must accept mail from us and should have no milters."},
    {"store", "mta-connections", CONFIG_COUNT, "4", 1, 100, NULL, NULL, "Connections to it at one time."},
    {"store", "mta-timeout", CONFIG_TIME, "5m", 100 * MS, HOUR, NULL, NULL,
     "How long it may take to answer a command."},
    {"store", "dsn-full-max", CONFIG_SIZE, "50K", 0, 100 * MIB, NULL, NULL,
     "Larger messages come back in a DSN by their headers only, unless RET=FULL was asked for."},
    {"store", "dsn-hold", CONFIG_TIME, "1m", 0, HOUR, NULL, NULL,
     "How long a DSN waits for other recipients of its message to fail (or be delivered, for a success DSN) as well, so that there is one "
     "for all of them. It goes at once when none is left that has not been tried."},
    {"store", "delay-warning", CONFIG_TIME, "0s", 0, 60 * DAY, NULL, "4h",
     "A sender whose message is still undecided after this is warned, once, unless NOTIFY says otherwise. 0: never, as with Postfix's "
     "delay_warning_time; give both the same value, so that the sender sees no difference. Mail that is back in SMTP, after "
     "fallback-after, is the MTA's to warn about."},
    {"store", "drain-timeout", CONFIG_TIME, "30s", 0, 10 * MIN, NULL, NULL,
     "How long SIGTERM waits for what is being returned to the MTA; for requests of and to peers, which are made again, 5 seconds at most."},

    /* ---- policy ---- */
    {"policy", "mode", CONFIG_CHOICE, "enforce", 0, 0, "enforce testing none", NULL,
     "What others do with our domains (see protocol). pontoon-bridge heeds it too: but for enforce it tells whoever still "
     "notifies it to use SMTP."},
    {"policy", "max-age", CONFIG_TIME, "1d", MIN, 365 * DAY, NULL, NULL,
     "How long others may go on using a policy they have fetched."},
    {"policy", "inbound", CONFIG_LIST, "", 0, 0, NULL, "https://bridge.example.org",
     "Base URLs of our bridges, in order of preference. Empty: we send by sender-store, but take nothing (pontoon-bridge "
     "tells whoever notifies it to use SMTP)."},
    {"policy", "outbound", CONFIG_LIST, "", 0, 0, NULL, "https://sender-store.example.org",
     "Base URLs where our messages are fetched, any of them good for any message. Empty: we take, but send nothing."},
    {"policy", "max-size", CONFIG_SIZE, "0", 0, 1024 * GIB, NULL, NULL,
     "Largest message our bridge fetches; 0: what the MTA takes."},

    /* ---- bridge ---- */
    {"bridge", "listen", CONFIG_LIST, "", 0, 0, NULL, "*:8443", "Where notifications are taken, as ADDRESS:PORT."},
    {"bridge", "certificate", CONFIG_PATH, "", 0, 0, NULL, "/etc/pontoon/tls/chain.pem",
     "PEM file: certificate for the host of policy.inbound, then the chain."},
    {"bridge", "key", CONFIG_PATH, "", 0, 0, NULL, "/etc/pontoon/tls/key.pem", "PEM file of its private key."},
    {"bridge", "directory", CONFIG_PATH, "/var/lib/pontoon/bridge", 0, 0, NULL, NULL,
     "Directory of the notification queue."},
    {"bridge", "busy-timeout", CONFIG_TIME, "10s", 100 * MS, 5 * MIN, NULL, NULL,
     "How long a change waits for another process's lock on the queue."},
    {"bridge", "user", CONFIG_STRING, "", 0, 0, NULL, "pontoon-bridge",
     "User to become after start, as USER or USER:GROUP. Empty: stay."},
    {"bridge", "connections", CONFIG_COUNT, "500", 1, 100000, NULL, NULL,
     "Client connections at one time. When all are taken, the address that has most of them loses its oldest one to a newcomer who has "
     "fewer."},
    {"bridge", "connections-per-address", CONFIG_COUNT, "50", 1, 100000, NULL, NULL,
     "The same, from one address (of IPv6: from one /64; so it is with all limits by address)."},
    {"bridge", "requests-per-address", CONFIG_COUNT, "500", 0, 1000000, NULL, NULL,
     "Requests a second from one address; more are answered 429. 0: any number."},
    {"bridge", "refusals-per-address", CONFIG_COUNT, "10", 0, 1000000, NULL, NULL,
     "Requests a second that may be refused (bad signatures, 429 that is not heeded) to one address, and 30 seconds' worth at once; beyond "
     "it its connections are cut before TLS. 0: any number."},
    {"bridge", "lookups-per-address", CONFIG_COUNT, "1", 0, 1000000, NULL, NULL,
     "Policies of domains that we don't know, looked up on the word of one address: so many a second, a minute's worth at once, and 20 "
     "under way; more are answered 429. 0: any number. See also discovery.lookups-max."},
    {"bridge", "messages-per-domain", CONFIG_COUNT, "1000", 0, 1000000, NULL, NULL,
     "Messages a second that one sender domain may notify, 10 seconds' worth at once; more are answered 429. 0: any number."},
    {"bridge", "idle-timeout", CONFIG_TIME, "60s", 1 * SEC, HOUR, NULL, NULL,
     "A client that is silent for so long is cut off."},
    {"bridge", "mta", CONFIG_ENDPOINT, "127.0.0.1:10025", 0, 0, NULL, NULL,
     "The receiving MTA's listener meant for pontoon, ADDRESS:PORT or unix:/PATH: it asks and delivers there."},
    {"bridge", "mta-protocol", CONFIG_CHOICE, "smtp", 0, 0, "smtp lmtp", NULL, "What it speaks."},
    {"bridge", "mta-connections", CONFIG_COUNT, "20", 1, 1000, NULL, NULL, "Transactions with it at one time, in all."},
    {"bridge", "mta-connections-per-domain", CONFIG_COUNT, "10", 1, 1000, NULL, NULL,
     "The same for one sender domain, so that a slow store can't hold all of them."},
    {"bridge", "mta-timeout", CONFIG_TIME, "5m", 100 * MS, HOUR, NULL, NULL,
     "How long it may take to answer a command (twice that after the final dot)."},
    {"bridge", "xclient", CONFIG_CHOICE, "required", 0, 0, "required try no", NULL,
     "XCLIENT tells the MTA the notifying site's address, so that its filters don't take the mail for local. \"required\": "
     "without it nothing is delivered; \"try\": if offered; \"no\": never."},
    {"bridge", "migrated", CONFIG_LIST, "*", 0, 0, NULL, NULL,
     "Recipients that take part: patterns and tables, as for rules. The others are answered use-smtp."},
    {"bridge", "not-migrated", CONFIG_LIST, "", 0, 0, NULL, "old@example.org",
     "Recipients that don't; stronger than migrated."},
    {"bridge", "senders", CONFIG_LIST, "*", 0, 0, NULL, NULL,
     "Sender domains whose notifications are taken: domains, .domains, *, tables."},
    {"bridge", "refuse-senders", CONFIG_LIST, "", 0, 0, NULL, "spam.example",
     "Sender domains that are refused (403); stronger than senders."},
    {"bridge", "max-size", CONFIG_SIZE, "0", 0, 1024 * GIB, NULL, NULL,
     "Larger messages are rejected (5.3.4). 0: what the MTA's SIZE says."},
    {"bridge", "verify-whole-max", CONFIG_SIZE, "256K", 0, 16 * MIB, NULL, NULL,
     "Messages up to this size are fetched and verified before DATA begins; larger ones are verified while they stream, before the final dot."},
    {"bridge", "answer-within", CONFIG_TIME, "5s", 0, 5 * MIN, NULL, NULL,
     "How long a notification's answer waits for the messages to be delivered; what is not done by then is answered \"accepted\"."},
    {"bridge", "arrivals", CONFIG_PATH, "/run/pontoon-bridge/arrivals", 0, 0, NULL, NULL,
     "A socket, by which pontoon-milter (milter.observe) tells what arrives by SMTP, for comparing shadows with it. Members of the "
     "group of its directory may write to it. \"\": none."},
    {"bridge", "shadow-wait", CONFIG_TIME, "10m", 0, HOUR, NULL, NULL,
     "How long a shadow that was fetched and verified waits for the same message by SMTP, if milter.observe is on."},
    {"bridge", "fetch-timeout", CONFIG_TIME, "30s", 100 * MS, 10 * MIN, NULL, NULL,
     "A store that sends nothing, or less than fetch-min-rate, for so long is given up."},
    {"bridge", "fetch-min-rate", CONFIG_SIZE, "10K", 1, GIB, NULL, NULL,
     "A fetch slower than so many bytes a second, measured over fetch-timeout, is broken off and resumed."},
    {"bridge", "clock-skew", CONFIG_TIME, "5m", 0, DAY, NULL, NULL, "How far a notification's times may be off ours."},
    {"bridge", "retry-min", CONFIG_TIME, "5s", 10 * MS, DAY, NULL, NULL,
     "First wait before a receipt or an accepted message is tried again; it doubles each time."},
    {"bridge", "retry-max", CONFIG_TIME, "10m", 10 * MS, 7 * DAY, NULL, NULL, "Longest such wait."},
    {"bridge", "queue-max", CONFIG_COUNT, "100000", 1, 100000000, NULL, NULL,
     "Messages accepted and not yet settled; beyond it notifications are answered 503."},
    {"bridge", "queue-max-per-domain", CONFIG_COUNT, "10000", 1, 100000000, NULL, NULL,
     "The same for one sender domain (429)."},
    {"bridge", "history", CONFIG_TIME, "10d", HOUR, 400 * DAY, NULL, NULL,
     "How long settled messages are remembered: longer than any sender keeps asking (its expire-after)."},
    {"bridge", "drain-timeout", CONFIG_TIME, "30s", 0, 10 * MIN, NULL, NULL,
     "How long SIGTERM waits for messages under way."},

    {NULL, NULL, CONFIG_STRING, NULL, 0, 0, NULL, NULL, NULL},
};
