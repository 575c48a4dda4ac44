# The way between B's bridge and A's store breaks again and again while a large message is fetched. Each time it goes on where it
# was: one transaction with B's MTA, one delivery, equal bytes, and hardly a byte more on the wire than the message has.
use Pontoon::Test;
use Digest::SHA;
use List::Util qw(sum);
use Pontoon::Test::Proxy;

my $SIZE = 30_000_000;
my @CUTS = (0, 300_000, 4_000_000, 1_000, 5_000_000, 20_000, 6_000_000, 3_000_000, 2_000_000, 1_000_000);

my $world = new_world();
my $a     = $world->site('a');
my $b     = $world->site('b', config => {'bridge.answer-within' => '60s'});
my $port  = $world->port($a->address);
$a->{settings}{'policy.outbound'} = ["https://sender-store.a.test:$port"];
my $proxy = Pontoon::Test::Proxy->start(
    address => $a->address, port => $port, to => $a->address . ':' . $world->policy_port,
    log     => $world->dir . '/proxy', cuts => \@CUTS);
$world->start;

my $message = Pontoon::Test::Mail->plain(body => join '', map { sprintf "%08d %s\r\n", $_, 'x' x 50 } 1 .. $SIZE / 61);
my $sent    = $a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $message);
my ($mail)  = $b->wait_mail('bob', 1, 60);
my $want    = Pontoon::Test::Mail::lf($message);
is $mail->digest_of_end(length $want), Digest::SHA::sha256_hex($want), 'delivered, with equal bytes';
$a->wait_settled;
is $a->trace($sent->{queue_id})->[0]{recipients}[0]{state}, 'delivered', 'the store knows';

my @broken = $b->log_after(0) =~ /broke off at (\d+) of \d+ bytes/g;
is @broken, @CUTS, 'as many breaks as were made: at ' . join ' ', @broken;
is scalar(grep { $broken[$_] < $broken[$_ - 1] } 1 .. $#broken), 0, 'none lost what the one before had got';
$b->stop('bridge');    # and with it the last connection
wait_for('the last connection to end', sub { @CUTS < $proxy->bytes });
my $total = sum($proxy->bytes);
cmp_ok $total, '<', 1.02 * length $message, sprintf '%d bytes passed for a message of %d', $total, length $message;
is scalar(() = $b->postfix->log_after(0) =~ m{/smtpd\[\d+\]: \w+: client=}g), 1, "one transaction with B's MTA";
is scalar($b->mailbox('bob')), 1, 'one delivery';
is scalar($a->events($sent->{queue_id}, qr/^fetched$/)), 1, 'the store counts one fetch';
is scalar($a->mailbox('alice')), 0, 'alice heard nothing of it';
$world->nothing_broke;
done_testing;
