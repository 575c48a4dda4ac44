# Invariant 5: nothing is fetched for an envelope that the receiving MTA refuses. A size that it would not take is
# refused likewise.
use Pontoon::Test;

my ($world, $a, $b) = two_sites();
$b->postfix->set_access('carol@b.test' => '550 5.7.1 not from you');
my $message = Pontoon::Test::Mail->plain(subject => 'refused');
my $sent    = $a->submit(from => 'alice@a.test', to => ['nobody@b.test', 'carol@b.test'], message => $message);
wait_for('the DSN', sub { join('', map { $_->text } $a->mailbox('alice')) =~ /nobody\@b\.test.*carol\@b\.test|carol\@b\.test.*nobody\@b\.test/s });
$a->wait_settled;
is scalar($a->events($sent->{queue_id}, qr/^fetched$/)), 0, 'no fetch in the trace of the store';
unlike $a->log_after(0), qr/fetched by/, 'none in its log';
like join('', map { $_->text } $a->mailbox('alice')), qr/not from you/, "alice reads the MTA's own words";
is scalar($b->postfix->mailbox_files($_) // ()), 0, "nothing for $_" for qw(carol);

my $before = $a->log_size;
$sent = $a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $message);
$b->wait_mail('bob', 1);
$a->wait_settled;
like $a->log_after($before), qr/fetched by/, 'the log would have shown it: an accepted one is fetched';
$world->nothing_broke;
done_testing;
