# What other scenarios show with Postfix, with a real Sendmail as site A's MTA: each of these runs once more.
use Pontoon::Test time => 900;
use Cwd qw(abs_path);
use File::Basename qw(dirname);

my @SCENARIOS = qw(
    bridge-crossing mixed-envelope byte-for-byte dkim-survives odd-envelopes submissions-only monitoring-probes
    resubmission store-failure kill-milter use-smtp fallback-to-smtp switch-off expired recall mta-4xx-then-250 restart
);
my $here = abs_path(dirname(__FILE__));
$ENV{PONTOON_TEST_MTA_A} = 'sendmail';

for my $name (@SCENARIOS) {
    my $output = `$^X -I$here/../lib $here/$name.t 2>&1`;
    is $?, 0, $name or diag $output;
    like $output, qr/^# site a: sendmail$/m, 'with Sendmail';
}
done_testing;
