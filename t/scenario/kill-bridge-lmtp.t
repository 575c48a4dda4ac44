# kill -9 of B's bridge, again and again, in the middle of 200 messages that it delivers by LMTP into Dovecot: all arrive, none twice.
use Pontoon::Test time => 400;
use Pontoon::Test::Crash;
use Pontoon::Test::Dovecot;

my $world   = new_world();
my ($a, $b) = map { $world->site($_) } qw(a b);
my $dovecot = Pontoon::Test::Dovecot->new($world, $b);
$b->configure('bridge.mta' => $dovecot->endpoint('unix'), 'bridge.mta-protocol' => 'lmtp', 'bridge.xclient' => 'no');
$dovecot->start;
$world->start;
Pontoon::Test::Crash::run(world => $world, from => $a, to => $b, kill => [$b, 'bridge']);
done_testing;
