# milter.discard: a message of which nobody is left is discarded by A's MTA, in one answer; one of which somebody is left goes on for him. The milter is killed
# again and again meanwhile: all arrive, none twice.
use Pontoon::Test time => 400;
use Pontoon::Test::Crash;

my ($world, $a, $b) = two_sites(a => {config => {'milter.discard' => 'yes'}});
my $all = $a->submit(from => 'alice@a.test', to => ['carol@b.test', 'dave@b.test'],
    message => Pontoon::Test::Mail->plain(to => 'carol@b.test', subject => 'nobody is left', id => 'all@a.test'));
for my $user (qw(carol dave)) {
    my ($mail) = $b->wait_mail($user, 1);
    like join('', $mail->trace), qr/with SSMP/, "$user: over the bridge";
}
my $some = $a->submit(from => 'alice@a.test', to => ['carol@b.test', 'dave@a.test'],
    message => Pontoon::Test::Mail->plain(to => 'carol@b.test', subject => 'dave is left', id => 'some@a.test'));
my ($own) = $a->wait_mail('dave', 1);
is $own->header('Subject'), 'dave is left', 'a recipient of our own has it from the MTA';
my (undef, $mail) = $b->wait_mail('carol', 2);
ok $mail, 'the other over the bridge';
$a->wait_settled;
my $log = $a->mta->log_after(0);
if (!$a->mta->isa('Pontoon::Test::Sendmail')) {
    like $log, qr/cleanup\[\d+\]: \Q$all->{queue_id}\E: milter-discard: /, 'the MTA was told to discard the first';
    unlike $log, qr/\Q$some->{queue_id}\E: milter-discard: /, 'and not the second';
    unlike $log, qr/qmgr\[\d+\]: \Q$all->{queue_id}\E: /, 'no queue manager ever saw it';
}
is scalar(@{$a->trace($_->{queue_id})}), 1, "pontoon knows it by the MTA's queue id" for $all, $some;

Pontoon::Test::Crash::run(world => $world, from => $a, to => $b, kill => [$a, 'milter']);
done_testing;
