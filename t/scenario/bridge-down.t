# B's bridge is down when the message is sent, and comes up later: delivered, once, over the bridge.
use Pontoon::Test;

my ($world, $a, $b) = two_sites();
# A knows B's policy from an earlier message.
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain);
$b->wait_mail('bob', 1);
is $b->stop('bridge'), 0, "B's bridge stops in good order";

my $message = Pontoon::Test::Mail->plain(subject => 'patience');
my $sent    = $a->submit(from => 'alice@a.test', to => ['carol@b.test'], message => $message);
my $attempts;
wait_for('two attempts', sub {
    my ($entry) = grep { $_->{queue} eq 'store' } @{$a->pontoon_json('queue')};
    $attempts = $entry && $entry->{recipients}[0];
    return $attempts && $attempts->{attempts} >= 2;
});
is $attempts->{state}, 'queued', 'it waits in the store';
ok length $attempts->{error}, "pontoon queue says why: $attempts->{error}";
ok $attempts->{next}, "and when it tries again: $attempts->{next}";
is scalar($b->mailbox('carol')), 0, 'nothing has arrived';

$b->start('bridge');
my ($mail) = $b->wait_mail('carol', 1);
ok $mail->carries($message), 'the bridge is up: delivered';
$a->wait_settled;
is scalar($b->mailbox('carol')), 1, 'once';
like $mail->text, qr/pontoon/, 'over the bridge';
$world->nothing_broke;
done_testing;
