# pontoon-store dies while our own MTA has what it was handed (a return to SMTP, a DSN) and has not answered yet. The witness hears the
# answer and notes it before the next store works, so that nothing goes out twice.
use Pontoon::Test;
use Pontoon::Test::Recorder;
use Pontoon::Test::SlowMta;
use Pontoon::Test::Taker;

my $world = new_world();
my ($there, $between) = map { $world->address($_) } 8, 9;
my $mx   = Pontoon::Test::Recorder->start(address => $there, port => $world->port($there), dir => $world->mkdir('recorded'));
my $slow = Pontoon::Test::SlowMta->start(address => $between, port => $world->port($between), to => $mx->endpoint,
    dir => $world->mkdir('slow'), holds => []);
my $a = $world->site('a', config => {'store.mta' => $slow->endpoint, 'store.dsn-hold' => '100ms'});
Pontoon::Test::Taker->new($world, $_, from => $a, script => do { my $word = $_; sub { $word } })->start for qw(use-smtp rejected);
$world->start;

sub state_of { $a->trace($_[0])->[0]{recipients}[0]{state} }

$slow->hold('.');
my %queue_id = map {
    my $to = "bob\@$_.test";
    ($_ => $a->submit(from => 'alice@a.test', to => [$to], message => Pontoon::Test::Mail->plain(to => $to))->{queue_id})
} qw(use-smtp rejected);
wait_for('both to be handed over', sub { $slow->held('.') >= 2 });
my $size = $a->log_size;
$a->kill9('store');
$a->wait_log(qr{/store-witness\[\d+\]: the store is gone: waiting for the MTA's last answers}, $size);
$slow->let_go('.');
$a->start('store');
wait_for("$_ to be settled", sub { state_of($queue_id{$_}) =~ /^(?:returned|bounced)$/ }) for sort keys %queue_id;
my $log = $a->log_after($size);
is scalar(my @noted = $log =~ /store-witness.*noted for the store that went: 250 /g), 2, 'the witness has noted both';
is scalar(my @returned = $mx->mails('bob@use-smtp.test')), 1, 'returned once';
is scalar(my @dsns = $mx->mails('alice@a.test')), 1, 'one DSN';
$world->nothing_broke;
done_testing;
