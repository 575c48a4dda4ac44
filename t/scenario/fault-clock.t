# The clock of running daemons is set by a day, forward and back, at the sender's site and at the receiver's. Mail that waits keeps its age:
# nothing is returned, expired, warned about or sent twice for it. The other site refuses what is signed by such a clock, and says why; that mail
# goes by SMTP meanwhile. When the clock is right again so is everything, without a restart.
BEGIN { $ENV{PONTOON_BUILD} = $ENV{PONTOON_PLAIN_BUILD} if $ENV{PONTOON_PLAIN_BUILD} }    # libfaketime and the sanitizers are no friends
use Pontoon::Test;
use Time::HiRes qw(sleep);
use Pontoon::Test::SlowMta;

my ($faketime) = glob '/usr/lib/*/faketime/libfaketime.so.1';
plan(skip_all => 'needs the Debian package libfaketime') if !$faketime;

sub fake { return (LD_PRELOAD => $faketime, FAKETIME_NO_CACHE => 1, FAKETIME_DONT_FAKE_MONOTONIC => 1, DONT_FAKE_MONOTONIC => 1, @_) }

# Certificates that are three days old.
my ($world, $a, $b, $c);
{
    my %past = fake(FAKETIME => '-3d');
    local @ENV{keys %past} = values %past;
    $world = new_world();
    $a = $world->site('a', config => {'store.delay-warning' => '4h', 'store.breaker-failures' => 0});
    $b = $world->site('b', config => {'bridge.answer-within' => '300ms'});
    $c = $world->site('c', config => {'bridge.answer-within' => '300ms', 'bridge.clock-skew' => '1d'});    # takes it from wrong clocks, too
}
my %slow = map { ($_->{name} => Pontoon::Test::SlowMta->in_front_of($world, $_, 'inject')) } $b, $c;

# What clock the daemons of a site have: "+0", "+23h", "-1d".
sub set_clock {
    my ($site, $offset) = @_;
    my $file = $site->dir . '/etc/clock';    # where the sandbox lets them read
    open my $fh, '>', "$file.new" or die "$file: $!";
    print $fh "$offset\n";
    close $fh or die "$file: $!";
    rename "$file.new", $file or die "$file: $!";
}
$world->dns->start;
$_->prepare   for $world->sites;
$_->start_mta for $world->sites;
$_->wait_mta  for $world->sites;
for my $site ($world->sites) {
    set_clock($site, '+0');
    $site->launch($_, fake(FAKETIME_TIMESTAMP_FILE => $site->dir . '/etc/clock')) for $site->daemons;
    $site->wait_ready($_) for $site->daemons;
}

my %sent;
sub send_to {
    my ($to, $subject) = @_;
    my ($user, $domain) = split /@/, $to;
    $sent{$domain}{$user}{$subject} = 1;
    return $a->submit(from => 'alice@a.test', to => [$to], message => Pontoon::Test::Mail->plain(subject => $subject, to => $to))->{queue_id};
}

# Whether it came over the bridge.
sub arrives {
    my ($site, $user, $subject) = @_;
    my $mail;
    wait_for("$subject to arrive", sub { ($mail) = grep { $_->header('Subject') eq $subject } $site->mailbox($user); return $mail });
    return join('', $mail->trace) =~ /with SSMP/ ? 'bridge' : 'SMTP';
}

# The way of a message that is to be refused. Now and then libfaketime tells the time as it is, just when a notification is signed or read.
sub refused_at_b {
    my ($subject) = @_;
    my $way;
    for my $try (1 .. 4) {
        send_to('dave@b.test', "$subject, $try");
        $way = arrives($b, 'dave', "$subject, $try");
        last if $way eq 'SMTP';
    }
    return $way;
}

sub promised {
    my ($site, $to, $subject) = @_;
    $slow{$site->{name}}->hold('.');
    my $held = $slow{$site->{name}}->held('.');
    my $id   = send_to($to, $subject);
    wait_for("$subject: the promise", sub { $slow{$site->{name}}->held('.') > $held && $a->events($id, qr/^accepted$/) });
    return $id;
}

sub log_sizes { return map { ($_->{name} => $_->log_size) } $world->sites }

# The first ones make the policies known. (Under libfaketime nobody waits for them: it mistakes the wait of milter.discovery-wait.)
for my $site ($b, $c) {
    my $domain = $site->domain;
    send_to("dave\@$domain", 'first');
    $a->wait_log(qr/discovery: \Q$domain\E: policy/);
    send_to("dave\@$domain", 'before');
    is arrives($site, 'dave', 'before'), 'bridge', "all is well with $domain";
}

# ---- the sender's clock ----

$c->postfix->set_access('carol@c.test' => '450 4.2.1 busy');
send_to('carol@c.test', 'deferred');
my $promise = promised($c, 'bob@c.test', 'promised');
for my $jump (['+23h', 'forward', qr/iat: is in the future by our clock/], ['-23h', 'back', qr/exp: the notification has expired by our clock/]) {
    my ($offset, $way, $refusal) = @$jump;
    my %log = log_sizes();
    set_clock($a, $offset);
    $a->wait_log(qr/the clock was set $way by 82\d\d\d s: \d waiting messages keep their age.*set it right/, $log{a});
    is refused_at_b("sent at $offset"), 'SMTP', "sender $offset: the other site refuses it, so it goes by SMTP";
    like $_->log_after($log{$_->{name}}), $refusal, "sender $offset: the log of $_->{name} says why" for $a, $b;
    send_to('dave@c.test', "sent at $offset");
    is arrives($c, 'dave', "sent at $offset"), 'bridge', "sender $offset: a more patient site takes it";
    my ($entry) = grep { $_->{queue} eq 'store' && $_->{recipients}[0]{address} eq 'carol@c.test' } @{$a->pontoon_json('queue')};
    my $attempts = $entry->{recipients}[0]{attempts};
    wait_for('two more attempts', sub {
        my ($now) = grep { $_->{queue} eq 'store' && $_->{recipients}[0]{address} eq 'carol@c.test' } @{$a->pontoon_json('queue')};
        return $now && $now->{recipients}[0]{attempts} >= $attempts + 2;
    });
    my @returned = $a->log_after($log{a}) =~ /(to=<(?:bob|carol)\@c\.test>.*(?:goes back to SMTP|status=bounced|duplicate).*)/g;
    is "@returned", '', "sender $offset: what waits goes on waiting";
    is scalar($a->mailbox('alice')), 0, 'and its sender is not warned';
    $log{a} = $a->log_size;
    set_clock($a, '+0');
    $a->wait_log(qr/the clock was set (?:back|forward) by 82\d\d\d s/, $log{a});
    send_to('dave@b.test', "after $offset");
    is arrives($b, 'dave', "after $offset"), 'bridge', 'the clock is right again: over the bridge';
}
$c->postfix->set_access();
$slow{c}->let_go('.');
is arrives($c, 'carol', 'deferred'), 'bridge', 'what waited all the while is delivered over the bridge';
is arrives($c, 'bob',   'promised'), 'bridge', 'and so is what was promised';
$a->wait_settled;
is $a->trace($promise)->[0]{recipients}[0]{state}, 'delivered', 'which the store knows';

my %log = log_sizes();
set_clock($a, '-5d');
$b->stop('bridge');    # so that a new connection is made
$b->start('bridge', fake(FAKETIME_TIMESTAMP_FILE => $b->dir . '/etc/clock'));
send_to('dave@b.test', 'before certificates');    # makes the store look at the clock, as nothing waits
$a->wait_log(qr/the clock was set back/, $log{a});
$a->wait_log(qr/notification for b\.test: .*certificate is not yet valid/, $log{a});
set_clock($a, '+0');
is arrives($b, 'dave', 'before certificates'), 'bridge', 'a clock before all certificates: the log says so, and the message waits';

# ---- the receiver's clock ----

for my $jump (['+23h', qr/exp: the notification has expired by our clock/], ['-23h', qr/iat: is in the future by our clock/]) {
    my ($offset, $refusal) = @$jump;
    my $id = promised($b, 'bob@b.test', "promised before $offset");
    my %log = log_sizes();
    set_clock($b, $offset);
    is refused_at_b("received at $offset"), 'SMTP', "receiver $offset: it refuses, so mail goes by SMTP";
    like $_->log_after($log{$_->{name}}), $refusal, "receiver $offset: the log of $_->{name} says why" for $a, $b;
    $slow{b}->let_go('.');
    is arrives($b, 'bob', "promised before $offset"), 'bridge', 'what it promised before it delivers';
    $a->wait_settled;
    is $a->trace($id)->[0]{recipients}[0]{state}, 'delivered', 'and says so';
    set_clock($b, '+0');
    send_to('dave@b.test', "received after $offset");
    is arrives($b, 'dave', "received after $offset"), 'bridge', 'the clock is right again: over the bridge';
}

$a->wait_settled;
for my $site ($b, $c) {
    for my $user (sort keys %{$sent{$site->domain}}) {
        my %got;
        $got{$_->header('Subject')}++ for $site->mailbox($user);
        my %want = %{$sent{$site->domain}{$user}};
        is_deeply \%got, \%want, "$user\@" . $site->domain . ' has all, once';
    }
}
is scalar($a->mailbox('alice')), 0, 'alice heard nothing of all that';
$world->nothing_broke;
done_testing;
