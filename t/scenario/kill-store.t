# kill -9 of A's store daemon, again and again, in the middle of 200 messages: all arrive, none twice.
use Pontoon::Test time => 400;
use Pontoon::Test::Crash;

my ($world, $a, $b) = two_sites();
Pontoon::Test::Crash::run(world => $world, from => $a, to => $b, kill => [$a, 'store']);
done_testing;
