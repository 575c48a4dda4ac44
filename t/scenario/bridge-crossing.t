# One message crosses the bridge: from A's Postfix through A's store and B's bridge into a mailbox at B, byte for byte;
# A's store knows that it was delivered, both logs and the trace tell its way.
use Pontoon::Test;

my ($world, $a, $b) = two_sites();
my $message = Pontoon::Test::Mail->plain(
    subject => 'over the bridge', id => 'crossing@a.test', body => "Dear Bob,\r\n.\r\n..\r\nyours, Alice\r\n");
my $sent = $a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $message);
like $sent->{queue_id}, qr/^\w+$/, 'A answered 250 with a queue id';

my ($mail) = $b->wait_mail('bob', 1);
ok $mail->carries($message), 'it lies at B byte for byte' or diag $mail->text;
$a->wait_settled;

my (undef, @trace) = $mail->trace;
my @received = grep { /^Received:/ } @trace;
is @received, 3, 'three hops: B, its bridge, A' or diag @received;
like $received[1], qr/pontoon/, 'the bridge says so';
unlike $mail->text, qr/X-Pontoon/i, 'and nothing else was added';

my ($trace) = @{$a->trace($sent->{queue_id}, $b)};
ok $trace, "pontoon trace knows A's queue id";
is $trace->{message_id} =~ s/[<>]//gr, 'crossing@a.test', 'and the Message-ID';
my %state = map { $_->{side} => $_->{state} } @{$trace->{recipients}};
is $state{store},  'delivered', "A's store knows that it was delivered";
is $state{bridge}, 'delivered', 'so does the bridge';
my @events = map { $_->{event} } @{$trace->{hops}};
for my $hop (qw(stored fetched delivered)) {
    ok + (grep { $_ eq $hop } @events), "the trace shows \"$hop\"" or diag "@events";
}

my $line = qr/\Q$sent->{queue_id}\E: to=<bob\@b\.test>, relay=\S+, delay=[\d.]+, .*dsn=2\.\S+, status=sent/;
like $a->log_after(0), $line, "A's log has one final line in Postfix's shape";
is + (() = $a->log_after(0) =~ /status=sent/g), 1, 'just one';
like $b->log_after(0), qr/to=<bob\@b\.test>.*status=sent.*pontoon=$trace->{id}/, "B's log has one with pontoon's id";
ok !$a->mta->relayed('bob@b.test'), "A's MTA sent nothing by SMTP";
is scalar($a->postfix->queue), 0, "and holds nothing";

$world->nothing_broke;
done_testing;
