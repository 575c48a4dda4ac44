# Memory of the daemons over many messages on the whole way: pontoon-replay -> Postfix with pontoon-milter -> store -> bridge -> a sink as the
# last MTA. LEAK_MESSAGES says how many (`make leak`: 100,000). Each tenth of them is a run of pontoon-replay, which proves that all arrived
# once and unaltered; then, with nothing under way, the memory of each daemon is read. It grows at first, until caches and the allocator's pools
# are full; over the last half it may grow by what LEAK_BOUND says (KiB), or less. Sanitizers take memory of their own: PONTOON_PLAIN_BUILD
# names a build without them, if PONTOON_BUILD is one with.
BEGIN { $ENV{PONTOON_BUILD} = $ENV{PONTOON_PLAIN_BUILD} if $ENV{PONTOON_PLAIN_BUILD} }
use Pontoon::Test time => $ENV{LEAK_MESSAGES} ? 3600 : 300;
use Pontoon::Test::Corpus;
use Pontoon::Test::Replay;
use Time::HiRes qw(time);

my $N     = $ENV{LEAK_MESSAGES} // 1_000;
my $BOUND = $ENV{LEAK_BOUND} // ($ENV{LEAK_MESSAGES} ? 1024 : 3072);
my $STEPS = 10;

my $world = new_world();
my $sink  = $world->address(9) . ':' . $world->port($world->address(9));
my $a = $world->site('a', main => {mynetworks => '127.0.0.0/8', local_header_rewrite_clients => '', smtp_line_length_limit => 0,
    smtpd_client_connection_count_limit => 0});
my $b = $world->site('b', config => {'bridge.mta' => $sink, 'bridge.xclient' => 'no'});
$world->start;

my $text = join '', map { "From x\@a.test Thu Nov 26 10:00:00 2026\n" . (s/\r\n/\n/gr =~ s/^(>*From )/>$1/mgr) . "\n" } Pontoon::Test::Corpus::messages();
my $mbox = $world->write('archive.mbox', $text);

# KiB: what a process holds, and how much of that is its own (not files).
sub memory {
    my ($pid) = @_;
    open my $status, '<', "/proc/$pid/status" or die "process $pid is gone\n";
    my %of = map { /^(\w+):\s+(\d+) kB/ ? ($1 => $2) : () } <$status>;
    return @of{qw(VmRSS RssAnon)};
}
sub children {
    my ($pid) = @_;
    open my $fh, '<', "/proc/$pid/task/$pid/children" or return;
    return split ' ', <$fh> // '';
}

my %pid = (
    'milter at a' => $a->daemon('milter')->pid, 'store at a' => $a->daemon('store')->pid, 'bridge at b' => $b->daemon('bridge')->pid,
    (map { ("witness $_ at b" => $_) } children($b->daemon('bridge')->pid)),
    (map { ("witness $_ at a" => $_) } children($a->daemon('store')->pid)),
);
my @names = sort keys %pid;
my %own;
my $begun = time;
for my $step (1 .. $STEPS) {
    my ($report, $code, $said, $errors) = Pontoon::Test::Replay::run($world, '--to', $a->mta->endpoint('smtp'),
        '--sink', $sink, '--from', 'alice@a.test', '--rcpt', 'bob@b.test', '--repeat', 1_000_000, '--limit', $N / $STEPS, '--concurrency', 20,
        '--wait', '60s', '--linger', '0', '--quiet', $mbox);
    my $way = $report->{ways}[0];
    is $code, 0, sprintf '%d more arrived once, unaltered (%d in all, %.0f/s)', $way->{arrived}, $step * $N / $STEPS, $step * $N / $STEPS / (time - $begun)
        or diag $said, $errors;
    $a->wait_settled(60);
    my @memory = map { [memory($pid{$_})] } @names;
    push @{$own{$names[$_]}}, $memory[$_][1] for 0 .. $#names;
    diag sprintf '%6d messages, %4d s: RSS (of its own) in MiB: %s', $step * $N / $STEPS, time - $begun,
        join ', ', map { sprintf '%s %.1f (%.1f)', $names[$_], map { $_ / 1024 } @{$memory[$_]} } 0 .. $#names;
}
is scalar(() = $a->log_after(0) =~ /diverted=1/g), $N, 'all went by the bridge';

SKIP: {
    skip 'sanitizers take memory of their own', scalar @names if `ldd $ENV{PONTOON_BUILD}/pontoon-store` =~ /lib[at]san/;
    for my $name (@names) {
        my $growth = $own{$name}[-1] - $own{$name}[$STEPS / 2 - 1];
        cmp_ok $growth, '<', $BOUND, sprintf '%s: %+d KiB over the last %d messages', $name, $growth, $N / 2;
        diag sprintf '%s: %+d KiB over the last %d messages', $name, $growth, $N / 2;
    }
}
$world->nothing_broke;
done_testing;
