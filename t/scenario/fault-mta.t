# A mail server that hangs, in each state of a transaction: that behind the bridge by SMTP and by LMTP, and our own, where what returns to SMTP
# is handed over. The log says where it hangs, mail waits, and is delivered when the server is well again: once. Only who has taken a message
# and does not say so may get it twice, as with SMTP.
use Pontoon::Test;
use Time::HiRes qw(time);
use Pontoon::Test::Dovecot;
use Pontoon::Test::SlowMta;

my $TIMEOUT = 1;    # s; twice that after the dot
my @states  = qw(content banner EHLO MAIL RCPT DATA dot .);
my %says    = (
    banner  => 'connection',
    MAIL    => 'MAIL FROM',
    RCPT    => 'RCPT TO',
    content => 'message content',
    dot     => 'end of DATA',
    '.'     => 'end of DATA',
    second  => 'end of DATA',
    map { $_ => $_ } qw(EHLO XCLIENT DATA)
);

my $world   = new_world();
my %bridge  = ('bridge.mta-timeout' => "${TIMEOUT}s", 'bridge.answer-within' => '3s', 'bridge.mta-connections-per-domain' => 20);
my $a       = $world->site('a', config => {
    'store.mta-timeout' => "${TIMEOUT}s", 'store.mta-connections' => 20, 'store.fallback-after' => '0s', 'store.breaker-failures' => 0});
my $b       = $world->site('b', config => {%bridge, 'bridge.not-migrated' => ['dave@b.test']});
my $c       = $world->site('c', config => {%bridge, 'bridge.mta-protocol' => 'lmtp'});
my $dovecot = Pontoon::Test::Dovecot->new($world, $c);

# For each server: who writes of it, how its mail is addressed, and what its connections, in order, hold back for good.
my %server = (
    smtp   => {site => $b, parameter => 'bridge.mta', to => $b->mta->endpoint('inject'), user => 'bob',  at => $b, states => [@states, 'XCLIENT']},
    lmtp   => {site => $c, parameter => 'bridge.mta', to => $dovecot->endpoint('inet'),  user => 'bob',  at => $c, states => [@states, 'XCLIENT', 'second']},
    return => {site => $a, parameter => 'store.mta',  to => $a->mta->endpoint('return'), user => 'dave', at => $b, states => [@states]},
);
for my $name (sort keys %server) {
    my $s = $server{$name};
    $s->{slow} = Pontoon::Test::SlowMta->start(address => $s->{site}->address, port => $world->port($s->{site}->address), to => $s->{to},
        dir => $world->mkdir("slow-$name"), holds => [map { [$_, 3600] } @{$s->{states}}]);
    $s->{site}{settings}{$s->{parameter}} = $s->{slow}->endpoint;
}
$dovecot->start;
$world->start;

# By LMTP to two, so that there is a second answer.
sub send_one {
    my ($s, $subject, $size) = @_;
    my @to = map { $_ . '@' . $s->{at}->domain } $s->{user}, $s->{to} eq $dovecot->endpoint('inet') ? 'carol' : ();
    my $message = Pontoon::Test::Mail->plain(subject => $subject, to => $to[0], body => "0123456789abcdef\r\n" x ($size / 18));
    my $sent = $a->submit(from => 'alice@a.test', to => \@to, message => $message);
    $s->{sent}{$subject} = $sent->{queue_id};
    return $sent->{queue_id};
}

# What the log says that a message may arrive twice, by Postfix's queue id at A.
sub may_repeat {
    my ($s, $queue_id) = @_;
    my $id = $a->trace($queue_id)->[0]{id};
    return $s->{site}->log_after(0) =~ /MTA did not answer the final dot: it may have taken the message, which may arrive twice, pontoon=$id\n/;
}

# All that was sent that way is there, once.
sub audit {
    my ($name, $when, @users) = @_;
    my $s = $server{$name};
    for my $user ($s->{user}, @users) {
        my %got;
        $got{$_->header('Subject')}++ for $s->{at}->mailbox($user);
        is_deeply [grep { !$got{$_} } sort keys %{$s->{sent}}], [], "$name, $when: $user has all";
        is_deeply [grep { $got{$_} > 1 && !may_repeat($s, $s->{sent}{$_}) } sort keys %got], [],
            'and nothing twice, but what the log says was taken without an answer: ' . join ', ', grep { $got{$_} > 1 } sort keys %got;
    }
}

# ---- each connection hangs somewhere else, for good ----

my $begin = time;
send_one($server{$_}, 'large', 6_000_000) for sort keys %server;    # more than the kernel's buffers hold
for my $name (sort keys %server) {
    wait_for("$name: the first connection to hang in the content", sub { $server{$name}{slow}->held('content') });
}
for my $n (1 .. 9) {
    send_one($server{$_}, "number $n", 600) for sort keys %server;
}
$a->wait_settled(60);
for my $name (sort keys %server) {
    my $s   = $server{$name};
    my $log = $s->{site}->log_after(0);
    is_deeply [grep { !$s->{slow}->held($_) } @{$s->{states}}], [], "$name: each state has hung once";
    is_deeply [grep { $log !~ /status=deferred \((?:451 4.4.2 )?conversation with \S+ timed out while sending \Q$says{$_}\E\)/ } @{$s->{states}}], [],
        "$name: the log says where, and that mail waits for it";
    like $log, qr/MTA did not answer the final dot: it may have taken the message/, "$name: and what may come twice";
    audit($name, 'every state', $name eq 'lmtp' ? 'carol' : ());
}
printf "# all states of three servers: %.1f s\n", time - $begin;

# ---- it hangs, whoever connects, until somebody mends it ----

$begin = time;
$_->{slow}->hold('MAIL') for values %server;
my %id = map { $_ => send_one($server{$_}, 'patience', 600) } sort keys %server;
for my $name (sort keys %server) {
    my $recipient;
    wait_for("$name: an attempt", sub {
        my ($entry) = grep { $_->{queue} eq 'store' && $_->{queue_id} eq $id{$name} } @{$a->pontoon_json('queue')};
        $recipient = $entry && $entry->{recipients}[0];
        return $recipient && ($recipient->{attempts} // 0) >= 1 && ($recipient->{error} // '') =~ /timed out/;
    });
    like $recipient->{error}, qr/timed out while sending MAIL FROM/, "$name: the sender's `pontoon queue` says where it hangs";
}
$_->{slow}->let_go('MAIL') for values %server;
$a->wait_settled(60);
audit($_, 'well again') for sort keys %server;
printf "# hanging until mended: %.1f s\n", time - $begin;

# ---- RSET and QUIT: nobody waits for the answers ----

$begin = time;
$_->hold('RSET') for map { $_->{slow} } values %server;
$a->submit(from => 'alice@a.test', to => ['nobody@b.test'], message => Pontoon::Test::Mail->plain(subject => 'refused'));
wait_for('RSET', sub { $server{smtp}{slow}->held('RSET') });
send_one($server{smtp}, 'behind RSET', 600);
$a->wait_settled(60);
audit('smtp', 'a connection hangs in RSET and is given up');
$_->{slow}->hold('QUIT') for values %server;
for my $site ($b, $c) {
    my $stop = time;
    is $site->stop('bridge'), 0, 'the bridge ends';
    cmp_ok time - $stop, '<', 5, 'and waits for no answer to QUIT';
}
printf "# RSET and QUIT: %.1f s\n", time - $begin;
like(join('', map { $_->text } $a->mailbox('alice')), qr/nobody\@b\.test/, 'alice has one report, about the recipient who does not exist');
is scalar($a->mailbox('alice')), 1, 'and no other';
$world->nothing_broke;
done_testing;
