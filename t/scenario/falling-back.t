# Every way in which a domain that took part can fail: each returns the message to SMTP after its configured time, with its original
# envelope and DSN parameters, once, and nobody gets a DSN. The capability is gone by then: a fetch gets 410.
use Pontoon::Test;
use DBI;
use IO::Socket::INET;
use Time::HiRes qw(time);
use Pontoon::Test::Ca;
use Pontoon::Test::Recorder;
use Pontoon::Test::Taker;

my $AFTER = 6;     # store.fallback-after, seconds
my $world = new_world();
my $mx    = Pontoon::Test::Recorder->start(address => $world->address(8), port => $world->port($world->address(8)),
    dir => $world->mkdir('recorded'));
my $routes = $world->write('routes', "a.test virtual\n.test smtp:[" . ($mx->endpoint =~ s/:/]:/r) . "\n");
my $a = $world->site('a',
    main   => {transport_maps => "texthash:$routes", parent_domain_matches_subdomains => ''},
    config => {'store.fallback-after' => "${AFTER}s", 'store.notify-timeout' => '3s', 'store.breaker-failures' => 0});

# ---- the cases ----

my $busy  = sub { [503, {'Content-Type' => 'application/problem+json', 'Retry-After' => 1}, '{"detail":"come back later"}'] };
my $other = Pontoon::Test::Ca->new($world->dir . '/other-ca');

# An inbound URL of its own for a taker, at a port where something else than its bridge is.
sub elsewhere {
    my ($taker) = @_;
    my $port = $world->port($taker->{address});
    $taker->{policy} = {inbound => ["https://sender-store.$taker->{domain}:$port"]};
    return ($taker->{address}, $port);
}

sub with_certificate {
    my ($taker, $chain, $key) = @_;
    my ($address, $port) = elsewhere($taker);
    Pontoon::Test::Https->serve(address => $address, port => $port, chain => $chain, key => $key, handler => sub {
        [200, {'Content-Type' => 'application/json'}, '{"messages":[]}']
    });
}
my @held;    # sockets

sub silent {
    my ($taker, $queue) = @_;
    my ($address, $port) = elsewhere($taker);
    my $listener = IO::Socket::INET->new(LocalAddr => $address, LocalPort => $port, Listen => $queue) // die $!;
    push @held, $listener;
    return ($address, $port);
}

# When the queue of a listener is full the kernel drops what would connect: no answer at all.
sub blackhole {
    my ($taker) = @_;
    my ($address, $port) = silent($taker, 1);
    push @held, IO::Socket::INET->new(PeerAddr => $address, PeerPort => $port, Blocking => 0) for 1 .. 4;
}

# name, what the peer answers, what is prepared before it starts, what happens once the message is in the store, and whether it
# comes back at once (for this reason, as the log gives it) or after fallback-after; what the log says of it.
my @cases = (
    ['record gone', $busy, undef, sub { $world->dns->set("_sender-store.$_[0]{domain}") }, qr/no such name/],
    ['record of version 2', $busy, undef, sub { $world->dns->set("_sender-store.$_[0]{domain}", 'TXT "v=SSMP2; id=2"') }, qr/unknown version/],
    ['mode none under a new id', $busy, undef, sub {
        $_[0]->republish({mode => 'none'});
        $world->dns->set("_sender-store.$_[0]{domain}", 'TXT "v=SSMP1; id=2"');
    }, qr/policy mode none/],
    ['policy of version 2', $busy, undef, sub {
        $_[0]->republish({version => 'SSMP2'});
        $world->dns->set("_sender-store.$_[0]{domain}", 'TXT "v=SSMP1; id=2"');
    }, 0],
    ['no inbound any more', $busy, undef, sub {
        $_[0]->republish({inbound => []});
        $world->dns->set("_sender-store.$_[0]{domain}", 'TXT "v=SSMP1; id=2"');
    }, qr/no inbound URL/],
    ['403',                    sub { [403, {}, ''] }, undef, undef, qr/HTTP 403/],
    ['400 to a lone message',  sub { [400, {}, ''] }, undef, undef, qr/HTTP 400/],
    ['use-smtp',               sub { 'use-smtp' },    undef, undef, qr/use-smtp/],
    ['401 for ever',           sub { [401, {}, ''] }, undef, undef, 0],
    ['404 for ever',           sub { [404, {}, ''] }, undef, undef, 0],
    ['503 for ever',           $busy,                 undef, undef, 0],
    ['500 for ever',           sub { [500, {}, ''] }, undef, undef, 0],
    ['nonsense',               sub { [200, {'Content-Type' => 'application/json'}, '{"messages":'] }, undef, undef, 0],
    ['no answer',              sub { undef },         undef, undef, 0],
    ['deferred for ever',      sub { 'deferred' },    undef, undef, 0],
    ['accepted, never fetched', sub { 'accepted' },   undef, undef, 0],
    ['wrong authority',        undef, sub { with_certificate($_[0], $other->issue("sender-store.$_[0]{domain}")) }, undef, 0, qr/certificate/i],
    ['wrong host name',        undef, sub { with_certificate($_[0], $world->ca->issue("elsewhere.$_[0]{domain}")) }, undef, 0, qr/does not match|no alternative certificate/],
    ['expired certificate',    undef, sub { with_certificate($_[0], $world->ca->issue_expired("sender-store.$_[0]{domain}")) }, undef, 0, qr/expired/],
    ['connection refused',     undef, sub { elsewhere($_[0]) }, undef, 0, qr/connect/],
    ['silence after connect',  undef, sub { silent($_[0], 64) }, undef, 0, qr/no complete response within/],
    ['no answer to connect',   undef, sub { blackhole($_[0]) }, undef, 0, qr/no complete response within/],
    # These two after a restart, see below.
    ['mode none under the same id', $busy, undef, undef, qr/policy mode none/],
    ['policy ran out',              $busy, undef, undef, 0],
);
my @takers;
for my $n (0 .. $#cases) {
    my ($name, $script, $prepare) = @{$cases[$n]};
    my $taker = Pontoon::Test::Taker->new($world, "d$n", from => $a, script => $script, policy => {max_age => 60});
    $prepare->($taker) if $prepare;
    $taker->{policy}{max_age} = 60;
    push @takers, $taker->start;
}
$world->start;

# ---- sending and looking ----

sub user { $_[0] % 3 ? 'bob' : "j\xc3\xb6rg" }    # every third is an SMTPUTF8 address

sub send_to {
    my ($n) = @_;
    my $to   = user($n) . "\@d$n.test";
    my $utf8 = $to =~ /[^ -~]/;
    my $text = Pontoon::Test::Mail->plain(subject => $cases[$n][0], to => $utf8 ? 'bob@b.test' : $to, body => "gr\xc3\xbc\xc3\x9fe\r\n.\r\n..dots\r\n");
    $a->submit(from => 'alice@a.test', to => [$to], message => $text,
        mail => "BODY=8BITMIME RET=HDRS ENVID=env+2B$n" . ($utf8 ? ' SMTPUTF8' : ''),
        rcpt => {$to => 'NOTIFY=FAILURE,DELAY ORCPT=' . ($utf8 ? "utf-8;orig$n\@home.test" : "rfc822;orig+2B$n\@home.test")});
    return ($to, $text);
}

my (%begin, %to, %text, %seconds);

sub start_case {
    my ($n) = @_;
    ($to{$n}, $text{$n}) = send_to($n);
    $begin{$n} = time;
}

# Notes when each of these is back.
sub wait_back {
    my (@numbers) = @_;
    wait_for('all to be back in SMTP', sub {
        for my $n (grep { !$seconds{$_} } @numbers) {
            my ($mail) = $mx->mails($to{$n}) or next;
            $seconds{$n} = $mail->{when} - $begin{$n};
        }
        return !grep { !$seconds{$_} } @numbers;
    }, 30);
}

sub check {
    my ($n) = @_;
    my ($name, undef, undef, undef, $at_once, $says) = @{$cases[$n]};
    my @mails = $mx->mails($to{$n});
    is scalar(@mails), 1, "$name: once";
    my ($mail, $rcpt) = ($mails[0]{mail}, $mails[0]{rcpts}[0]);
    like $mail, qr/^<alice\@a\.test>/, "$name: the envelope's sender";
    like $mail, qr/ \Q$_\E(?: |$)/, "$name: $_" for 'BODY=8BITMIME', 'RET=HDRS', "ENVID=env+2B$n", (user($n) eq 'bob' ? () : 'SMTPUTF8');
    is scalar(@{$mails[0]{rcpts}}), 1, "$name: one recipient";
    like $rcpt, qr/ NOTIFY=(?:FAILURE,DELAY|DELAY,FAILURE)(?: |$)/, "$name: NOTIFY" or diag $rcpt;
    my $orcpt = user($n) eq 'bob' ? "rfc822;orig+2B$n\@home.test" : "utf-8;orig$n\@home.test";
    like $rcpt, qr/ ORCPT=\Q$orcpt\E(?: |$)/i, "$name: ORCPT" or diag $rcpt;
    ok substr($mails[0]{content}, -length $text{$n}) eq $text{$n}, "$name: the content";
    # A busy machine takes its time over it: not the clock tells that nothing was waited for, but the reason.
    like $a->log_after(0), qr/to=<[^>]*\@d$n\.test>.*goes back to SMTP: [^\n]*$at_once/, "$name: at once" if $at_once;
    cmp_ok $seconds{$n}, '>=', $AFTER - 1, "$name: after fallback-after" if !$at_once;
    my @lines = $a->log_after(0) =~ /^.*notification for d$n\.test.*$/mg;
    like join("\n", @lines), $says, "$name: the log says what was wrong" if $says;
    my ($message) = $takers[$n]->notified or return;
    is $takers[$n]->ask($message)->{status}, 410, "$name: it can't be fetched any more";
    is $takers[$n]->receipt($message, 'delivered'), 204, "$name: late news are taken";
}

# ---- all at one time ----

my @running = grep { $cases[$_][0] !~ /^(?:mode none under the same id|policy ran out)$/ } 0 .. $#cases;
for my $n (@running) {
    start_case($n);
    my $break = $cases[$n][3] or next;
    wait_for('a notification', sub { $takers[$n]->notified });
    $break->($takers[$n]);
}
wait_back(@running);
$a->wait_settled;
check($_) for @running;

# ---- what takes half of max_age, and all of it: instead of waiting for it, what is remembered of these policies is made older ----

my ($none, $out) = ($#cases - 1, $#cases);
for my $n ($none, $out) {
    start_case($n);
    wait_for('a notification', sub { $takers[$n]->notified });
}
$takers[$none]->republish({mode => 'none'});
$takers[$out]->republish();
is $a->stop($_), 0, "the $_ is stopped" for qw(milter store);
my $db  = DBI->connect('dbi:SQLite:dbname=' . $a->dir . '/store/store.db', '', '', {RaiseError => 1});
my %age = ("d$none.test" => 31_000, "d$out.test" => 61_000);
$db->do('UPDATE policies SET fetched = fetched - ?2, usable_until = usable_until - ?2, checked = checked - ?2, check_next = check_next - ?2'
    . ' WHERE domain = ?1', undef, $_, $age{$_}) for keys %age;
$db->disconnect;
$begin{$none} = time;
$a->start($_) for qw(store milter);
wait_back($none, $out);
$a->wait_settled;
check($_) for $none, $out;
my $size = $a->log_size;
wait_for('the milter to know of mode none', sub {
    $size = $a->log_size;
    send_to($none);
    return $a->log_after($size) =~ /diverted=0/;
});
pass 'mode none: the milter does not divert to it either, within max_age';

$a->wait_settled;
is scalar($a->mailbox('alice')), 0, 'alice got no report about any of it';
diag sprintf '%-30s back in SMTP after %4.1f s (%s)', $cases[$_][0], $seconds{$_},
    $cases[$_][4] ? 'at once' : "fallback-after = $AFTER s" for 0 .. $#cases;
$world->nothing_broke;
done_testing;
