# Messages with too many Received: fields. A's milter leaves them to the MTA, whose own limit refuses them; B's bridge, whose limit is lower
# here than its MTA's, rejects what it fetches: one DSN at A, and nothing is delivered. At the limit both take it.
use Pontoon::Test;
use Pontoon::Test::Dsn;

my ($world, $a, $b) = two_sites(
    a => {config => {'hop-limit' => 20, postmaster => 'help@a.test'}},
    b => {config => {'hop-limit' => 10, 'bridge.verify-whole-max' => '64K'}});
sub with_hops {
    my ($n, $body) = @_;
    my $hop = "Received: from x.test by y.test;\r\n\tTue, 24 Nov 2026 03:12:00 +0000\r\n";
    return $hop x $n . Pontoon::Test::Mail->plain(subject => "$n hops", body => ($body // 'x') . "\r\nReceived: in the body\r\n");
}

# A's trace is one of those that B sees.
my $message = with_hops(9);
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $message);
my ($mail) = $b->wait_mail('bob', 1);
ok $mail->untraced =~ /^Subject: 9 hops$/m, 'at the limit: delivered';
is scalar(() = $b->log_after(0) =~ /notified by/g), 1, 'over the bridge';

# One more; and the same for a large message, which streams into DATA while it is counted.
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => with_hops(10));
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => with_hops(10, "line\r\n" x 100_000));
my @dsns = Pontoon::Test::Dsn::all($a->wait_mail('alice', 2));
$a->wait_settled;
for my $dsn (@dsns) {
    is $dsn->summary, 'failed bob@b.test', 'beyond the limit: a DSN at the sending site';
    is $dsn->rcpts->{'bob@b.test'}{status}, '5.4.6', 'that says so';
    is $dsn->reporter, 'mx.a.test', 'made by A';
    is $dsn->mail->header('From'), 'Mail Delivery System <help@a.test>', 'from the postmaster that is configured';
}
is scalar($b->mailbox('bob')), 1, 'and nothing is delivered';

# Beyond A's own limit the milter does not touch it.
my $before = $a->log_size;
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => with_hops(21));
$b->wait_mail('bob', 2);
like $a->log_after($before), qr/diverted=0,.* smtp=1,.* by SMTP: too many hops/, 'the milter leaves it to SMTP, and says why';
is scalar($a->mailbox('alice')), 2, 'no more DSNs';
$world->nothing_broke;
done_testing;
