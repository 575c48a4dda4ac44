# B publishes mode "testing": A's mail, which its rules would divert, goes by SMTP, and B is notified of a shadow of each. In mode
# "enforce" the same mail crosses the bridge.
use Pontoon::Test;

my ($world, $a, $b) = two_sites(b => {config => {'policy.mode' => 'testing'}});
my $expected = 0;

# How the message arrived, and the state of its recipient in A's store.
sub send_one {
    my ($subject, $message) = @_;
    my $sent = $a->submit(from => 'alice@a.test', to => ['bob@b.test'],
        message => $message // Pontoon::Test::Mail->plain(subject => $subject));
    $b->wait_mail('bob', ++$expected);
    wait_for("\"$subject\" to be settled", sub {
        my $store = $a->pontoon_json('status')->{store};
        return !$store->{messages} && !$store->{shadow_messages};
    });
    my ($trace) = @{$a->trace($sent->{queue_id})};
    return (join('', ($b->mailbox('bob'))[-1]->trace) =~ /with SSMP/ ? 'SSMP' : 'SMTP', $trace->{recipients}[0]{state}, $trace);
}

my ($way, $state, $trace) = send_one('a trial');
is $way,   'SMTP',     'testing: by SMTP';
is $state, 'shadowed', 'with a shadow';
ok scalar(grep { $_->{event} eq 'fetched' } @{$trace->{hops}}), 'that B fetched';
like $b->log_after(0), qr/notified of a shadow by a\.test/, 'it was notified as a shadow';
unlike $b->log_after(0), qr/: notified by /, 'and as nothing else';
is $trace->{recipients}[0]{text}, 'fetched and verified, not delivered', 'B would have delivered it';

# The client did not get the answer and comes again: the mail twice (as ever by SMTP), the shadow once.
my $message = Pontoon::Test::Mail->plain(subject => 'again');
send_one('again', $message);
my $before = $b->log_size;
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $message);
$b->wait_mail('bob', ++$expected);
is $a->pontoon_json('status')->{store}{shadow_recipients}{shadowed}, 2, 'a resubmission makes no second shadow';

$b->configure('policy.mode' => 'enforce');
$b->reload($_) for qw(store bridge);
$b->announce;
wait_for('A to know', sub { $a->pontoon('policy', 'b.test') =~ /enforce/ });
wait_for('mail to cross the bridge', sub { (send_one('the real thing'))[1] eq 'delivered' });
($way, $state) = send_one('and more');
is $way,   'SSMP',      'enforce: by the bridge';
is $state, 'delivered', 'delivered';
is scalar($b->mailbox('bob')), $expected, 'each once';

# Back: what was diverted by an old policy, goes to SMTP; from then on there are shadows again.
$b->configure('policy.mode' => 'testing');
$b->reload($_) for qw(store bridge);
$b->announce;
wait_for('shadows', sub { (send_one('a trial again'))[1] eq 'shadowed' });
is scalar($b->mailbox('bob')), $expected, 'each once';
is scalar($a->mailbox('alice')), 0, 'no DSN';
$world->nothing_broke;
done_testing;
