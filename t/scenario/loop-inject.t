# B is set up wrongly: the listener that its bridge delivers to has pontoon-milter in it, which takes mail of any client and for any
# transport. What the bridge brings is not diverted again: it is delivered, once.
use Pontoon::Test;

my $world = new_world();
my $a     = $world->site('a');
my $b     = $world->site('b', config => {'milter.divert-clients' => ['any'], 'milter.transports' => []});
$b->{listeners} = {inject => ['smtpd_milters=unix:' . $b->dir . '/milter.sock']};
$world->start;
sub transfers { scalar(my @all = map { $_->log_after(0) =~ /notified by/g } $a, $b) }

my $message = Pontoon::Test::Mail->plain(subject => 'from A');
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $message);
my ($mail) = $b->wait_mail('bob', 1);
ok $mail->carries($message), 'from A: delivered';
is transfers(), 1, 'after one transfer';

# Worse: B's own mail to itself goes to its own store, and through its own bridge.
$message = Pontoon::Test::Mail->plain(subject => 'from B', from => 'carol@b.test');
$b->submit(from => 'carol@b.test', to => ['dave@b.test'], message => $message);
($mail) = $b->wait_mail('dave', 1);
ok $mail->carries($message), 'from B to itself: delivered';
$_->wait_settled for $a, $b;
cmp_ok transfers(), '<=', 2, 'after one more transfer, ' . transfers() . ' in all';
is scalar($b->mailbox($_)), 1, "$_ has it once" for qw(bob dave);
like $b->log_after(0), qr/by SMTP: it comes back from the store/, 'the milter says why it let it pass';
$world->nothing_broke;
done_testing;
