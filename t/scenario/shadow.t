# Shadows: the mail goes by SMTP as ever, and a copy is notified, fetched, verified and compared, never delivered. Whatever becomes of
# the copy, the mail arrives once, and no DSN is made from it.
use Pontoon::Test;

my $world = new_world();
my $checks = $world->write('header_checks', <<'END');
/^Subject: retouch me/ REPLACE Subject: [seen by a filter] retouch me
/^Subject: hold back/ REJECT by order of a filter
END
my $a = $world->site(a => rules => [['look-first' => {action => 'shadow'}]]);
my $b = $world->site(
    b => main => {header_checks => "regexp:$checks"},
    config => {'milter.observe' => 'yes', 'bridge.answer-within' => '300ms', 'bridge.shadow-wait' => '3s'});
$world->start;
$b->wait_log(qr/looks on/);
my $looks_on = time;
my %expected = (bob => 0, carol => 0);

# One message by SMTP with its shadow; returns the shadow's trace at A, once it is settled.
sub send_one {
    my ($subject, %o) = @_;
    my $to = $o{to} // ['bob@b.test'];
    my $sent = $a->submit(from => 'alice@a.test', to => $to,
        message => $o{message} // Pontoon::Test::Mail->plain(subject => $subject, headers => "Received: from elsewhere\r\n"));
    $o{meanwhile}->($sent) if $o{meanwhile};
    wait_for("the shadow of \"$subject\" to be settled", sub { !$a->pontoon_json('status')->{store}{shadow_messages} });
    my ($trace) = @{$a->trace($sent->{queue_id})};
    ok $trace, "$subject: it has a shadow" or return;
    return $trace;
}

sub rcpt {
    my ($trace, $address) = @_;
    return (grep { $_->{address} eq $address } @{$trace->{recipients}})[0];
}

sub events {
    my ($trace, $what) = @_;
    return grep { $_->{event} eq $what } @{$trace->{hops}};
}

sub arrived_once {
    my ($name, $user) = @_;
    $b->wait_mail($user, ++$expected{$user});
    is scalar($b->mailbox($user)), $expected{$user}, "$name: $user has it once";
    unlike join('', ($b->mailbox($user))[-1]->trace), qr/with SSMP/, "$name: by SMTP";
}

# ---- nothing stands against it ----
my $trace = send_one('all is well');
arrived_once('all is well', 'bob');
is rcpt($trace, 'bob@b.test')->{state}, 'shadowed', 'the copy is a shadow';
my ($same) = events($trace, 'the same by SMTP');
ok $same, 'and was the same by SMTP';
like $same->{text}, qr/^[+-]\d+\.\d{3} s$/, "with the difference in time: $same->{text}";
ok events($trace, 'fetched'), 'it was fetched';
my $log = $b->log_after(0);
like $log, qr/bridge\[\d+\]: $trace->{id}: to=<bob\@b\.test>, .*dsn=2\.1\.5, status=deliverable/, "B's log calls it a probe";
unlike $log, qr/status=sent/, 'and no mail';
like $a->log_after(0), qr/store\[\d+\]: $trace->{queue_id}: to=<bob\@b\.test>, .*status=deliverable .*pontoon=$trace->{id}/, 'so does A\'s';
unlike $a->log_after(0), qr/status=(?:sent|bounced)/, 'which counts nothing';

# ---- a recipient whom B does not know: refused both ways; the one DSN is Postfix's ----
$trace = send_one('partly', to => ['bob@b.test', 'nobody@b.test']);
arrived_once('partly', 'bob');
is rcpt($trace, $_)->{state}, 'shadowed', "$_: a shadow" for qw(bob@b.test nobody@b.test);
is rcpt($trace, 'nobody@b.test')->{status}, '5.1.1', 'B would have refused the unknown user';
is scalar(events($trace, 'the same by SMTP')), 1, "bob's is compared by itself";
my ($dsn) = $a->wait_mail('alice', 1);
like $dsn->text, qr/nobody\@b\.test/, "alice has A's MTA's DSN";

# ---- a filter at B changes what comes by SMTP ----
$trace = send_one('retouch me');
arrived_once('retouch me', 'bob');
like +($b->mailbox('bob'))[-1]->header('Subject'), qr/seen by a filter/, 'the filter has changed the mail';
my ($differs) = events($trace, 'differs by SMTP');
like $differs->{text}, qr/ s; header Subject changed$/, "which is the difference: $differs->{text}";

# ---- no Message-ID: nothing to compare by ----
$trace = send_one('nameless', message => "From: <alice\@a.test>\r\nSubject: nameless\r\n\r\nHello.\r\n");
arrived_once('nameless', 'bob');

# ---- B defers: the shadow waits as the mail does ----
$b->postfix->set_access('carol@b.test' => '450 4.2.1 not now');
$trace = send_one('later', to => ['carol@b.test'], meanwhile => sub {
    my ($sent) = @_;
    wait_for('a deferral', sub { $a->events($sent->{queue_id}, qr/^deferred$/) });
    $b->postfix->set_access();
});
arrived_once('later', 'carol');
is rcpt($trace, 'carol@b.test')->{state}, 'shadowed', 'later: a shadow in the end';

# ---- a filter at B refuses what comes by SMTP: no copy ----
# B says so only if it has looked on for longer than the message is old, and ages are rounded up to seconds.
wait_for('a milter to have looked on for a while', sub { time - $looks_on > 2 });
$trace = send_one('hold back');
is rcpt($trace, 'bob@b.test')->{state}, 'shadowed', 'hold back: the shadow does not know of the filter';
ok events($trace, 'accepted'), 'it was promised a receipt';
ok events($trace, 'not seen by SMTP'), 'which says that the mail was not seen';
$a->wait_mail('alice', 2);
pass "alice has A's MTA's DSN for that, too";

# ---- B's bridge is down: the mail does not care ----
my $down = $b->log_size;
$b->stop('bridge');
$trace = send_one('no bridge', meanwhile => sub {
    my ($sent) = @_;
    arrived_once('no bridge', 'bob');
    wait_for('two attempts', sub { my ($q) = @{$a->pontoon_json('queue')}; $q && $q->{shadow} && $q->{recipients}[0]{attempts} >= 2 });
    $b->start('bridge');
});
is rcpt($trace, 'bob@b.test')->{state}, 'shadowed', 'no bridge: asked when it was back';
ok !events($trace, $_), "no bridge: B does not claim \"$_\": it has not looked" for 'not seen by SMTP', 'the same by SMTP';

# ---- killed while a promised shadow waits for its copy: it stays one ----
$b->wait_log(qr/looks on/, $down);
$trace = send_one('hold back', meanwhile => sub {
    my ($sent) = @_;
    wait_for('the promise', sub { $a->events($sent->{queue_id}, qr/^accepted$/) });
    $b->kill9('bridge');
    $b->start('bridge');
});
is rcpt($trace, 'bob@b.test')->{state}, 'shadowed', 'killed: the promise is kept, and it is still a shadow';
$a->wait_mail('alice', 3);

# ---- withdrawn: nobody is ever told ----
$b->stop('bridge');
$a->configure('store.fallback-after' => '1s');
$a->reload('store');
$trace = send_one('too late');
arrived_once('too late', 'bob');
is rcpt($trace, 'bob@b.test')->{state}, 'shadowed', 'too late: given up, without mail or DSN';

is scalar($b->mailbox($_)), $expected{$_}, "$_ has had everything once" for qw(bob carol);
is scalar($a->mailbox('alice')), 3, 'alice has the DSNs of the MTA, and no others';
is_deeply [$a->postfix->queue], [], "nothing is left in A's MTA";
my $status = $a->pontoon_json('status')->{store};
is $status->{messages} + $status->{shadow_messages}, 0, 'nothing is left in the store';
is $status->{bodies}, 0, 'nor a body';
unlike $b->postfix->log_after(0), qr/inject.*status=sent/, 'nothing came in by the injection listener';
$world->nothing_broke;
done_testing;
