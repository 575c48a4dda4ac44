# kill -9 of A's pontoon-lmtp, again and again, in the middle of 200 messages that Postfix hands to it: all arrive, none twice.
use Pontoon::Test time => 400;
use Pontoon::Test::Crash;

my ($world, $a, $b) = two_sites(a => {lmtp => 1});
Pontoon::Test::Crash::run(world => $world, from => $a, to => $b, kill => [$a, 'lmtp']);
done_testing;
