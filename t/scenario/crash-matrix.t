# Each failpoint of each daemon in turn, under a stream of mail: the daemon dies (or the step fails), is started again, and in the
# end every message is where it belongs, once. What may be there twice was in one of the named windows of doc/protocol.md. The list is
# that of --failpoints: a failpoint that is not passed fails the test. PONTOON_CRASH_ONLY=REGEXP takes some of them.
use Pontoon::Test time => 400;
use Pontoon::Test::CrashMatrix;
use Pontoon::Test::Failpoints;

if (!Pontoon::Test::Failpoints::compiled_in()) {
    plan(skip_all => 'needs a build with --enable-failpoints');
}
my $world  = new_world();
my %sender = (
    rules  => [['look-first' => {recipients => ['dave@b.test'], action => 'shadow'}]],
    config => {
        'store.inline-max'    => '4k',
        'milter.spool-memory' => '4k',
        'lmtp.spool-memory'   => '4k',
        'store.lease'         => '10s',
        'store.dsn-hold'      => '100ms',
    }
);
my $a = $world->site('a', %sender);
my $b = $world->site('b', config => {'bridge.not-migrated' => ['carol@b.test']});
my $c = $world->site('c', %sender, lmtp => 1);
$world->start;
my $matrix = Pontoon::Test::CrashMatrix->new(world => $world, senders => [$a, $c], receiver => $b, only => $ENV{PONTOON_CRASH_ONLY});
$matrix->run;
my @faults = $matrix->audit;
$matrix->run_alone;
diag join "\n", 'failpoints and what came of them, with ' . keys(%{$matrix->{messages}}) . ' messages:', $matrix->table;
is "@faults", '', 'nothing is lost, nothing there twice but in a named window' or diag map { "$_\n" } @faults;
is join("\n", grep { !/once each/ } $matrix->table), '', 'each failpoint was passed, and did no harm';
$world->nothing_broke;
done_testing;
