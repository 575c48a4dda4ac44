# A client that did not get our answer comes again with the same message: it is stored once and arrives once. What differs in
# Message-ID or recipient is another message.
use Pontoon::Test;

my ($world, $a, $b) = two_sites();
my $message = Pontoon::Test::Mail->plain(id => 'same@a.test');
my @to      = ('bob@b.test', 'carol@b.test');
$a->submit(from => 'alice@a.test', to => \@to, message => $message) for 1 .. 3;
$b->wait_mail($_, 1) for qw(bob carol);
$a->wait_settled;
is scalar($b->mailbox($_)), 1, "three times the same: $_ has it once" for qw(bob carol);
like $a->log_after(0), qr/resubmission/, 'the log says so';

$a->submit(from => 'alice@a.test', to => ['bob@b.test', 'dave@b.test'], message => $message);
$b->wait_mail('dave', 1);
$a->wait_settled;
is scalar($b->mailbox('bob')),  1, 'again, with one recipient more: bob still has it once';
is scalar($b->mailbox('dave')), 1, 'and the new one has it';

$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $message =~ s/same\@/other\@/r);
$b->wait_mail('bob', 2);
pass 'another Message-ID is another message';
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $message =~ s/Message-ID:.*\r\n//r) for 1, 2;
$b->wait_mail('bob', 4);
pass 'without a Message-ID nobody can say: both arrive';
$world->nothing_broke;
done_testing;
