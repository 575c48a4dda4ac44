# DNS that fails (SERVFAIL, no answer, a lame server, no such name for a while) and certificates that do not verify (expired, of an unknown authority,
# for another name), at both sites and in all three places: policy, notification, fetch. Mail waits or goes by SMTP as configured, nothing is lost
# or comes twice, the log names the cause, and when it is mended all goes on without a restart.
use Pontoon::Test;
use Pontoon::Test::Ca;
use Pontoon::Test::Resolver;

my $world  = new_world();
$world->dns->nothing_is_kept;    # else a fault shows only when the last answer's time is over
my %config = ('discovery.dns-timeout' => '500ms', 'discovery.timeout' => '2s', 'milter.discovery-wait' => '3s');
my ($a, $b, $c) = map {
    $world->site($_, config => {%config, 'store.fallback-after' => '0s', 'store.breaker-failures' => 0})
} qw(a b c);
my %resolver;
for my $site ($a, $b) {
    my $name = $site->{name};
    $resolver{$name} = Pontoon::Test::Resolver->start(address => $site->address, port => $world->port($site->address),
        to => $world->dns->server, dir => $world->mkdir("resolver-$name"));
    $site->{settings}{'discovery.resolvers'} = [$resolver{$name}->server];
}
$world->start;

my %sent;
sub send_from {
    my ($from, $to, $subject) = @_;
    $sent{$to}{$subject} = 1;
    return $from->submit(from => 'alice@' . $from->domain, to => [$to],
        message => Pontoon::Test::Mail->plain(from => 'alice@' . $from->domain, to => $to, subject => $subject))->{queue_id};
}

# Whether it came over the bridge.
sub arrives {
    my ($site, $user, $subject) = @_;
    my $mail;
    wait_for("$subject to arrive", sub { ($mail) = grep { $_->header('Subject') eq $subject } $site->mailbox($user); return $mail });
    return join('', $mail->trace) =~ /with SSMP/ ? 'bridge' : 'SMTP';
}

send_from($a, 'bob@b.test', 'all is well');
is arrives($b, 'bob', 'all is well'), 'bridge', 'all is well';

# ---- names that can't be looked up ----

my $failing = qr/no DNS server has an answer: they can't be reached, fail \(SERVFAIL\) or refuse us/;
my %says    = (servfail => $failing, refused => $failing, silent => qr/no answer within 500 ms/);
for my $fault (sort keys %says) {
    my $says = $says{$fault};
    my $subject = "the sender's DNS: $fault";
    my $log = $a->log_size;
    $resolver{a}->answer($fault);
    send_from($a, 'bob@b.test', $subject);    # its policy is known
    $a->wait_log(qr/notification for b\.test: bridge\.b\.test\S*: .*$says/, $log);
    if ($fault eq 'silent') {                 # this one's is not
        send_from($a, 'bob@c.test', $subject);
        is arrives($c, 'bob', $subject), 'SMTP', "$subject: a domain that is not known yet gets its mail by SMTP";
        like $a->log_after($log), qr/c\.test: .*$says/, 'and the log says why';
    }
    $resolver{a}->answer('right');
    is arrives($b, 'bob', $subject), 'bridge', "$subject: mail waits, and crosses the bridge when it is mended";

    $subject = "the receiver's DNS: $fault";
    $log = $b->log_size;
    $resolver{b}->answer($fault);
    send_from($a, 'bob@b.test', $subject);
    send_from($c, 'bob@b.test', "$subject, from a stranger") if $fault eq 'servfail';
    $b->wait_log(qr/fetch from a\.test broke off at 0 of .*$says|sender-store\.a\.test: .*$says/, $log);
    $b->wait_log(qr/c\.test.*$says/, $log) if $fault eq 'servfail';
    $resolver{b}->answer('right');
    is arrives($b, 'bob', $subject), 'bridge', "$subject: mail waits, and is fetched when it is mended";
    is arrives($b, 'bob', "$subject, from a stranger"), 'bridge', 'also from a site whose policy could not be had' if $fault eq 'servfail';
}

# ---- a record that is not there for a while: the domain has left, as far as anyone knows ----

for my $fault (qw(nxdomain empty)) {
    my $log = $a->log_size;
    $b->postfix->set_access('carol@b.test' => '450 4.2.1 busy');
    my $id = send_from($a, 'carol@b.test', "$fault: waits");
    wait_for('an attempt', sub { grep { ($_->{queue_id} // '') eq $id && $_->{recipients}[0]{attempts} } @{$a->pontoon_json('queue')} });
    $resolver{a}->answer($fault, '_sender-store');
    $a->wait_log(qr/to=<carol\@b\.test>, .*goes back to SMTP: .*(?:no policy|no record|takes no part|no such)/i, $log);
    send_from($a, 'bob@b.test', "$fault: new");
    is arrives($b, 'bob', "$fault: new"), 'SMTP', "$fault: new mail goes by SMTP";
    $b->postfix->set_access();
    is arrives($b, 'carol', "$fault: waits"), 'SMTP', "$fault: and so does what waited";
    $resolver{a}->answer('right');
    my $n = 0;
    ok wait_until(sub { $n++; send_from($a, 'bob@b.test', "$fault: mended $n"); arrives($b, 'bob', "$fault: mended $n") eq 'bridge' }),
        "$fault: when the record is back, over the bridge again";
}

# ---- certificates ----

my $stranger = Pontoon::Test::Ca->new($world->dir . '/stranger');
my %issue    = (
    expired              => [sub { $world->ca->issue_expired($_[0]) }, qr/certificate has expired/],
    'of an unknown CA'   => [sub { $stranger->issue($_[0]) },          qr/unable to get local issuer certificate|self.signed certificate/],
    'for another name'   => [sub { $world->ca->issue("not-$_[0]") },   qr/no alternative certificate subject name matches/],
);
for my $what (sort keys %issue) {
    my ($make, $says) = @{$issue{$what}};
    for my $place (['notification', $b, 'bridge', 'bridge.b.test'], ['fetch', $a, 'store', 'sender-store.a.test'], ['policy', $b, 'store', 'sender-store.b.test']) {
        my ($step, $site, $daemon, $host) = @$place;
        my %good = map { ("$daemon.$_" => $site->{settings}{"$daemon.$_"}) } qw(certificate key);
        my ($chain, $key) = $make->($host);
        $site->configure("$daemon.certificate" => $chain, "$daemon.key" => $key);
        $site->restart($daemon);    # cuts the connections that are kept
        my ($victim, $line) = $step eq 'fetch' ? ($b, qr/fetch from a\.test broke off at 0 of/) : ($a, $step eq 'policy' ? qr/discovery: b\.test: / : qr/notification for b\.test: bridge\.b\.test/);
        my $log     = $victim->log_size;
        my $subject = "$step: a certificate $what";
        $b->announce if $step eq 'policy';
        my ($n, %ways) = (0);
        wait_for("$subject in the log", sub {    # the policy is looked at when its record's time is over and mail asks
            send_from($a, 'bob@b.test', "$subject " . ++$n) if !$n || $step eq 'policy';
            $ways{arrives($b, 'bob', "$subject $n")}++ if $step eq 'policy';
            return $victim->log_after($log) =~ /$line.*$says/;
        });
        is join(' ', keys %ways), 'bridge', "$subject: the log says so, and the policy that is known is used" if $step eq 'policy';
        $site->configure(%good);
        $site->reload($daemon);
        is arrives($b, 'bob', "$subject 1"), 'bridge', "$subject: the log says so, and when it is mended the message comes" if $step ne 'policy';
    }
}

$a->wait_settled;
$c->wait_settled;
for my $to (sort keys %sent) {
    my ($user, $site) = $to =~ /^(\w+)\@b/ ? ($1, $b) : ('bob', $c);
    my %got;
    $got{$_->header('Subject')}++ for $site->mailbox($user);
    is_deeply \%got, $sent{$to}, "$to has all, once";
}
is scalar($_->mailbox('alice')), 0, 'and no sender heard of it' for $a, $c;
$world->nothing_broke;
done_testing;
