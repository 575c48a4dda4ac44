# Three recipients fail at two domains, one of them seconds later and by receipt: alice gets one DSN that names the three, although the
# store's daemon is killed while it waits for the last. A program that reads DSNs understands it.
use Pontoon::Test;
use Pontoon::Test::Dsn;

my $world = new_world();
my ($a, $b) = map { $world->site($_) } qw(a b);
my $c = $world->site('c',
    config => {'bridge.answer-within' => '0s'},
    listeners => {inject => ['{ smtpd_recipient_restrictions = sleep 4, permit }']});
$world->start;

my $message = Pontoon::Test::Mail->plain(subject => 'to five');
my @lost    = qw(nobody@b.test nobody@c.test nowhere@b.test);
my $sent    = $a->submit(from => 'alice@a.test', to => [@lost, 'bob@b.test', 'carol@c.test'], message => $message);

my $states = sub {
    return {map { $_->{address} => $_->{state} } map { @{$_->{recipients}} } @{$a->trace($sent->{queue_id})}};
};
wait_for('the answers of the two sites', sub {
    my $now = $states->();
    return $now->{'nowhere@b.test'} eq 'bouncing' && $now->{'nobody@c.test'} eq 'accepted';
});
is scalar($a->mailbox('alice')), 0, 'the DSN waits for what may still fail';
$a->kill9('store');
$a->start('store');
my @dsns = Pontoon::Test::Dsn::all($a->wait_mail('alice', 1));
$a->wait_settled;
is scalar($a->mailbox('alice')), 1, 'one DSN';
is $dsns[0]->summary, "failed @{[sort @lost]}", 'about all three';
is $states->()->{$_}, 'bounced', "$_ is settled" for @lost;
is $states->()->{$_}, 'delivered', "$_ has it" for qw(bob@b.test carol@c.test);
is $dsns[0]->python, 'text/plain message/delivery-status message/rfc822', "Python's email package finds nothing wrong in it";
SKIP: {
    my $found = $dsns[0]->failures // skip 'needs the Debian package python3-flufl.bounce', 1;
    is $found, "@{[sort @lost]}", 'a bounce detector finds the three';
}
$world->nothing_broke;
done_testing;
