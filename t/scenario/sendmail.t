# What other scenarios show with Postfix, with a real Sendmail as the MTA of site A, which sends, or of site B, which receives: each of
# these runs once more, some at one time, as they mostly wait.
use Pontoon::Test time => 900;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp ();
use POSIX ();

my $AT_ONE_TIME = 4;
# Those that take longest stand first.
my %SCENARIOS = (
    a => [qw(discard dkim-survives expired store-failure byte-for-byte fallback-to-smtp switch-off bridge-crossing mixed-envelope
        odd-envelopes submissions-only monitoring-probes resubmission use-smtp recall mta-4xx-then-250 restart)],
    b => [qw(dkim-survives kill-bridge one-copy-one-fetch bridge-crossing mixed-envelope envelope-first mta-4xx-then-250)],
);
my $here = abs_path(dirname(__FILE__));

sub begin {
    my ($site, $name) = @_;
    my $output = File::Temp->new;
    my $pid    = fork // die "fork: $!";
    if (!$pid) {
        $ENV{'PONTOON_TEST_MTA_' . uc $site} = 'sendmail';
        open STDOUT, '>&', $output or POSIX::_exit(127);
        open STDERR, '>&', $output or POSIX::_exit(127);
        exec $^X, "-I$here/../lib", "$here/$name.t" or POSIX::_exit(127);
    }
    return ($pid, {site => $site, name => $name, output => $output});
}

sub judge {
    my ($status, $run) = @_;
    my $output = do { local (@ARGV, $/) = ("$run->{output}"); <> } // '';
    is $status, 0, "$run->{name}, with Sendmail at $run->{site}" or diag $output;
    like $output, qr/^# site $run->{site}: sendmail$/m, 'it was there';
}

my @todo = map { my $site = $_; map { [$site, $_] } @{$SCENARIOS{$site}} } sort keys %SCENARIOS;
my %running;
while (@todo || %running) {
    while (@todo && keys %running < $AT_ONE_TIME) {
        my ($pid, $run) = begin(@{shift @todo});
        $running{$pid} = $run;
    }
    my $pid = wait;
    my $run = delete $running{$pid} or next;
    judge($?, $run);
}
done_testing;
