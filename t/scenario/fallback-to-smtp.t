# B's bridge stays away: after fallback-after the message goes back to SMTP by itself, and arrives once, even when the
# bridge comes back later.
use Pontoon::Test;

my ($world, $a, $b) = two_sites(a => {config => {'store.fallback-after' => '2s'}});
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain);
$b->wait_mail('bob', 1);
$b->stop('bridge');

my $message = Pontoon::Test::Mail->plain(subject => 'the old way');
my $sent    = $a->submit(from => 'alice@a.test', to => ['carol@b.test'], message => $message);
my ($mail)  = $b->wait_mail('carol', 1);
ok $mail->carries($message), 'it arrived';
ok wait_until(sub { $a->mta->relayed('carol@b.test') }), 'by SMTP';
$a->wait_settled;
my ($trace) = @{$a->trace($sent->{queue_id})};
is $trace->{recipients}[0]{state}, 'returned', 'the store knows that the MTA has it';
like $a->log_after(0), qr/to=<carol\@b\.test>.*status=sent/, 'the log has its final line';

$b->start('bridge');
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain);
$b->wait_mail('bob', 2);
$a->wait_settled;
is scalar($b->mailbox('carol')), 1, 'the bridge is back: carol still has it once';
$world->nothing_broke;
done_testing;
