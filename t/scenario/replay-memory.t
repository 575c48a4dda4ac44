# pontoon-replay and its sink in one process: an mbox that comes by standard input, of 200 MB, or as many as REPLAY_MB says
# (`make replay-memory`: 5000). Its peak memory is the same at the end, with the report written, as after the first 20 MB, but for the journal's
# page cache of 1 MB and the allocator's pools, which fill in the first GB; and from half of a longer run on it is flat. Sanitizers take memory of their own:
# PONTOON_PLAIN_BUILD names a build without them, if PONTOON_BUILD is one with.
BEGIN { $ENV{PONTOON_BUILD} = $ENV{PONTOON_PLAIN_BUILD} if $ENV{PONTOON_PLAIN_BUILD} }
use Pontoon::Test time => 1800;
use JSON::PP ();
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep);

my $MB      = $ENV{REPLAY_MB} // 200;
my $FIRST   = 20;
my $GROWTH  = 3 * 1024;    # KiB
my $world   = new_world();
my $sink    = $world->address(9) . ':' . $world->port($world->address(9));
my ($json, $log) = map { $world->dir . "/$_" } qw(report.json replay.log);

pipe my $input, my $mbox or die "pipe: $!";
my $pid = fork // die "fork: $!";
if (!$pid) {
    close $mbox;
    open STDIN, '<&', $input or die "stdin: $!";
    open STDOUT, '>', $log and open STDERR, '>&', \*STDOUT or die "$log: $!";
    exec "$ENV{PONTOON_BUILD}/pontoon-replay", '--to', $sink, '--sink', $sink, '--from', 'alice@a.test', '--rcpt', 'bob@b.test',
        '--wait', '30s', '--json', $json, '-' or die "exec: $!";
}
close $input;
binmode $mbox;

# KiB.
sub peak {
    open my $status, '<', "/proc/$pid/status" or return;
    return (map { /^VmHWM:\s+(\d+)/ ? $1 : () } <$status>)[0];
}

my $body = join '', map { sprintf "%05d %s\n", $_, 'x' x ($_ % 67) } 1 .. 2500;    # 100 KB
my ($bytes, $n, $next, $half, %peak) = (0, 0, $FIRST);
while ($bytes < $MB * 1e6) {
    my $message = sprintf "From alice\@a.test Thu Nov 26 10:%02d:%02d 2026\nFrom: alice\@a.test\nMessage-ID: <%d\@a.test>\nSubject: %d\n\n%s\n",
        $n / 60 % 60, $n % 60, $n, $n, $body;
    print $mbox $message or last;
    $bytes += length $message;
    $n++;
    $half //= peak() if $bytes >= $MB * 5e5;
    next if $bytes < $next * 1e6;
    diag sprintf 'after %5d MB: peak RSS %5.1f MiB', $next, ($peak{$next} = peak()) / 1024;
    $next *= 2;
}
close $mbox or die "pipe: $!";
my $last = 0;
while (waitpid($pid, WNOHANG) == 0) {    # the report is made when all has arrived
    $last = peak() // $last;
    sleep 0.01;
}
diag sprintf 'after %5d MB, and the report: peak RSS %5.1f MiB', $bytes / 1e6, $last / 1024;
is $? >> 8, 0, 'all is well' or diag do { local (@ARGV, $/) = ($log); <> };
my $report = JSON::PP::decode_json(do { local (@ARGV, $/) = ($json); <> });
is $report->{ways}[0]{arrived}, $n, "$n messages arrived";
is $report->{ways}[0]{altered}, 0, 'unaltered';
SKIP: {
    skip 'sanitizers take memory of their own', 2 if `ldd $ENV{PONTOON_BUILD}/pontoon-replay` =~ /lib[at]san/;
    cmp_ok $last - $peak{$FIRST}, '<', $GROWTH, sprintf 'memory grew by %.1f MiB since the first %d MB', ($last - $peak{$FIRST}) / 1024, $FIRST;
    skip 'too short to be flat', 1 if $MB < 2000;
    cmp_ok $last - $half, '<', 1024, sprintf 'and by %d KiB since half of it', $last - $half;
}
done_testing;
