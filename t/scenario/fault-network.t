# Networks as they are. Connections are reset (or closed) after any number of bytes of a notification and of a fetch, both ways; peers fall silent in
# the middle and come back, or come back without remembering; links are away for a while; one packet in twenty is lost; every byte takes a
# second. All messages arrive, once; the log says what is wrong; nobody restarts anything.
#
# Connections are cut at each end of a TLS record, before and after it, and at bytes chosen by a seed; with PONTOON_FAULT_BYTES=all at every
# byte, by RST and by FIN (make fault-bytes). PONTOON_SEED repeats a choice.
use Pontoon::Test::Namespace qw(net);
use Pontoon::Test time => 1800;
use List::Util qw(sum max shuffle);
use Socket qw(inet_aton);
use Time::HiRes qw(time sleep);
use Pontoon::Test::Packets;
use Pontoon::Test::Proxy;

my $ALL    = ($ENV{PONTOON_FAULT_BYTES} // '') eq 'all';
my $SAMPLE = 40;                                            # bytes of each way, besides the ends of records
my $SEED   = $ENV{PONTOON_SEED} // int rand 1 << 30;
my $world  = new_world();
my %eager  = map { ("$_.retry-min" => '50ms', "$_.retry-max" => '300ms') } qw(store bridge);
my %many   = map { ("$_.connections-per-address" => 1000, "$_.refusals-per-address" => 0, "$_.requests-per-address" => 0) } qw(store bridge);
my $a      = $world->site('a', config => {
    %eager, %many, 'store.notify-timeout' => '2s', 'store.notify-batch' => 1, 'store.notify-connections' => 20, 'store.breaker-failures' => 0,
    'store.fallback-after' => '0s', 'store.idle-timeout' => '2s'});
my $b = $world->site('b', config => {
    %eager, %many, 'bridge.fetch-timeout' => '1s', 'bridge.fetch-min-rate' => '200K', 'bridge.answer-within' => '1s', 'bridge.mta-connections-per-domain' => 20,
    'bridge.idle-timeout' => '2s'});
my $c = $world->site('c');    # is far away: its mail to A takes its time all the while

# The ways from A to B's bridge, and from B to A's store; and those between A and C, where each byte takes a second.
my %way = (
    notify => {from => $a, to => $b->address . ":$b->{port}{bridge}"},
    fetch  => {from => $b, to => $a->address . ':' . $world->policy_port},
);
for my $name (sort keys %way) {
    my $address = $name eq 'notify' ? $b->address : $a->address;
    $way{$name} = {%{$way{$name}}, address => $address, port => $world->port($address)};
}
$b->{settings}{'policy.inbound'}  = ["https://bridge.b.test:$way{notify}{port}"];
$a->{settings}{'policy.outbound'} = ["https://sender-store.a.test:$way{fetch}{port}"];
for my $at ([$a, 'policy.inbound', 'bridge', $a->{port}{bridge}], [$c, 'policy.outbound', 'sender-store', $world->policy_port]) {
    my ($site, $parameter, $host, $to) = @$at;
    my $port = $world->port($site->address);
    $site->{settings}{$parameter} = ["https://$host." . $site->domain . ":$port"];
    Pontoon::Test::Proxy->start(address => $site->address, port => $port, to => $site->address . ":$to", delay => 1,
        log => $world->dir . "/far-$host");
}
my $proxies = 0;

sub proxy {
    my ($name, %o) = @_;
    my $way = $way{$name};
    $way->{proxy}->stop if $way->{proxy};
    my $file = $world->dir . "/$name." . $proxies++;
    return $way->{proxy} = Pontoon::Test::Proxy->start(
        address => $way->{address}, port => $way->{port}, to => $way->{to}, log => $file, records => "$file.records", %o);
}
proxy($_) for sort keys %way;
$world->start;

my (%sent, $n);

sub send_to_b {
    my ($what, $size) = @_;
    my $subject = "$what " . ++$n;
    $sent{$subject} = Pontoon::Test::Mail->plain(subject => $subject, body => "0123456789abcdef\r\n" x (($size // 600) / 18));
    return $a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $sent{$subject});
}

sub arrived { scalar @{[$b->postfix->mailbox_files('bob')]} }

# All that was sent so far is there, once, with equal bytes, and A's store knows it.
sub audit {
    my ($what, $time) = @_;
    $a->wait_settled($time // 60);
    wait_for('the last ones to reach the mailbox', sub { arrived() >= keys %sent });
    my (%got, @altered);
    for my $mail ($b->mailbox('bob')) {
        my $subject = $mail->header('Subject');
        push @altered, $subject if !$mail->carries($sent{$subject} // 'nothing');
        $got{$subject}++;
    }
    is_deeply [grep { !$got{$_} } sort keys %sent], [], "$what: all " . keys(%sent) . ' messages are there';
    is_deeply [grep { $got{$_} > 1 } sort keys %got], [], 'none twice';
    is_deeply \@altered, [], 'none altered';
}

my @far = map { "far $_" } 1 .. 6;
sub send_far {
    my ($subject) = @_;
    $c->submit(from => 'carol@c.test', to => ['dave@a.test'], message => Pontoon::Test::Mail->plain(from => 'carol@c.test', to => 'dave@a.test', subject => $subject));
}
send_far($_) for @far[0 .. 2];

# ---- cut after so many bytes ----

send_to_b('first');
$b->wait_mail('bob', 1);
$a->wait_settled;
my $begin = time;
srand $SEED;
my %todo;
for my $name (sort keys %way) {
    my @cuts;
    for my $direction (qw(down up)) {
        my @ends  = $way{$name}{proxy}->record_ends($direction);
        my $total = max @ends;
        my @bytes = $ALL ? 0 .. $total - 1 : ((map { ($_ - 1, $_, $_ + 1) } 0, @ends), map { int rand $total } 1 .. $SAMPLE);
        my %once  = map { ($_ => 1) } grep { $_ >= 0 && $_ < $total } @bytes;
        push @cuts, map { {$direction => $_, by => 'RST'}, $ALL ? {$direction => $_, by => 'FIN'} : () } sort keys %once;
        note "$name, $direction: $total bytes, records end at @ends";
    }
    $cuts[$_]{by} = 'FIN' for $ALL ? () : grep { $_ % 4 == 3 } 0 .. $#cuts;
    $todo{$name} = [shuffle @cuts];
}
my %count = map { ($_ => scalar @{$todo{$_}}) } keys %todo;

# Those that ended where they should. (One that was kept, and had nothing more to carry, is tried again.)
sub not_reached {
    my ($name) = @_;
    my %ended = $way{$name}{proxy}->ended;
    my $cuts  = $todo{$name};
    return grep {
        my ($cut, $end) = ($cuts->[$_], $ended{$_ + 1});
        my ($direction) = grep { defined $cut->{$_} } qw(down up);
        !$end || $end->{$direction} != $cut->{$direction};
    } 0 .. $#$cuts;
}

my %log = map { ($_->{name} => $_->log_size) } $a, $b;
for my $round (1 .. 10) {
    proxy($_, cuts => $todo{$_}) for sort keys %way;
    my $before = time;
    my $open;    # cuts that are still to come
    do {
        my $waiting = keys(%sent) - arrived();
        send_to_b('cut') for 1 .. $waiting < 10 ? 5 : 0;
        sleep 0.1;
        $open = sum map { scalar not_reached($_) } keys %way;
    } while ($open && time - $before < ($round == 1 ? 30 + sum(values %count) / 10 : 5));
    $todo{$_} = [@{$todo{$_}}[not_reached($_)]] for keys %way;
    last if !$open;
}
is_deeply \%todo, {notify => [], fetch => []}, "connections were cut at $count{notify} places of a notification and $count{fetch} of a fetch (seed $SEED)";
proxy($_) for sort keys %way;
audit('connections that are cut', 120);
like $a->log_after($log{a}), qr/notification for b\.test: bridge\.b\.test\[[\d.]+\]:\d+: .*(?:reset|closed|SSL|eof)/i, "A's log says what is wrong";
like $b->log_after($log{b}), qr/fetch from a\.test broke off at \d+ of \d+ bytes \(.+\), trying again/, "B's too";
printf "# %d connections cut, %d messages: %.1f s\n", sum(values %count), arrived(), time - $begin;
if ($ALL) {
    $world->nothing_broke;
    done_testing;
    exit;
}

# ---- a peer falls silent ----

my %link = map { ($_ => Pontoon::Test::Packets->new(@{$way{$_}}{qw(address port)})) } keys %way;
$begin = time;
my ($log_a, $log_b) = ($a->log_size, $b->log_size);
$link{notify}->drop;
send_to_b('silent bridge') for 1 .. 3;
$a->wait_log(qr/notification for b\.test: bridge\.b\.test\S+: .*no complete response within/, $log_a);
$link{notify}->pass;
audit('a bridge that is silent for a while');

# In the middle of a large message; the rest is fetched when it is back, not all of it.
$link{fetch}->drop_after(150_000);
my $large = send_to_b('silent store', 3_000_000);
$b->wait_log(qr/fetch from a\.test broke off at [1-9]\d+ of \d+ bytes \(.*(?:too slow|timed out).*\), trying again/i, $log_b);
$link{fetch}->pass;
audit('a store that is silent in the middle of a message');
printf "# silent peers: %.1f s\n", time - $begin;

# ---- half-open: the peer has forgotten the connection, and its end was never heard ----

sub established {
    my ($address, $port) = @_;
    my $local = sprintf '%08X:%04X', unpack('V', inet_aton($address)), $port;    # as a little-endian machine writes it
    open my $fh, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!";
    return scalar grep { /^\s*\d+: $local \S+ 01 / } <$fh>;
}
$begin = time;
wait_for('connections that both sides keep', sub {
    send_to_b('kept');
    $a->wait_settled;
    return !grep { !established(@{$way{$_}}{qw(address port)}) } keys %way;
});
$_->drop for values %link;
$_->{proxy}->stop for values %way;
$_->pass for values %link;
proxy($_) for sort keys %way;
send_to_b('half-open') for 1 .. 3;
audit('connections that only one side remembers');
printf "# half-open: %.1f s\n", time - $begin;

# ---- the link is away ----

send_far($_) for @far[3 .. 5];
$begin = time;
($log_a, $log_b) = ($a->log_size, $b->log_size);
$_->{proxy}->stop for values %way;    # no kept connection carries it over
$_->unreachable for values %link;
proxy($_) for sort keys %way;
send_to_b('no link') for 1 .. 3;
$a->wait_log(qr/notification for b\.test: bridge\.b\.test\S*: .*(?:No route to host|connect)/, $log_a);
$link{notify}->pass;
$b->wait_log(qr/fetch from a\.test broke off at 0 of \d+ bytes \(.*(?:No route to host|connect).*\)/, $log_b);
$link{fetch}->pass;
audit('links that are away for a while');
printf "# links away: %.1f s\n", time - $begin;

# ---- one packet in twenty is lost ----

$begin = time;
$_->lose(5) for values %link;
send_to_b('lossy') for 1 .. 20;
send_to_b('lossy', 3_000_000);
audit('5% loss');
$_->pass for values %link;
my $lost = sum map { $_->swallowed } values %link;
cmp_ok $lost, '>', 0, "$lost packets were lost";
printf "# 5%% loss: %.1f s\n", time - $begin;

# ---- silent clients are let go ----

$begin = time;
wait_for('clients', sub {
    send_to_b('kept');
    $a->wait_settled;
    return !grep { !established(split /:/, $way{$_}{to}) } keys %way;
});
$_->drop for values %link;
ok wait_until(sub { !grep { established(split /:/, $way{$_}{to}) } keys %way }), 'the servers let go of silent clients';
$_->pass for values %link;
printf "# silent clients: %.1f s\n", time - $begin;

# ---- a second for each byte, all the while ----

wait_for('all mail from far away', sub { @far <= $a->postfix->mailbox_files('dave') }, 60);
$c->wait_settled(60);
is_deeply [sort map { $_->header('Subject') } $a->mailbox('dave')], \@far, 'from a site a second away: all, once';
my @delays = map { s/ *(?:ms|s)$//r } $c->log_after(0) =~ /to=<dave\@a\.test>, .*delay=([\d.]+), .*status=sent/g;
cmp_ok max(@delays), '>', 3, 'which took its time: ' . join ' ', @delays;
unlike $c->log_after(0), qr/goes back to SMTP/, 'and nothing of it took the other way';

is scalar($_->mailbox('alice')), 0, 'no sender heard of it' for $a;
$world->nothing_broke;
done_testing;
