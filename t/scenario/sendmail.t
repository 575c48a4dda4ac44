# What other scenarios show with Postfix, with a real Sendmail as the MTA of site A, which sends, or of site B, which receives: each of
# these runs once more.
use Pontoon::Test time => 900;
use Cwd qw(abs_path);
use File::Basename qw(dirname);

my %SCENARIOS = (
    a => [qw(bridge-crossing mixed-envelope byte-for-byte dkim-survives odd-envelopes submissions-only monitoring-probes resubmission
        store-failure kill-milter use-smtp fallback-to-smtp switch-off expired recall mta-4xx-then-250 restart)],
    b => [qw(bridge-crossing mixed-envelope dkim-survives envelope-first kill-bridge mta-4xx-then-250 one-copy-one-fetch)],
);
my $here = abs_path(dirname(__FILE__));

for my $site (sort keys %SCENARIOS) {
    local $ENV{'PONTOON_TEST_MTA_' . uc $site} = 'sendmail';
    for my $name (@{$SCENARIOS{$site}}) {
        my $output = `$^X -I$here/../lib $here/$name.t 2>&1`;
        is $?, 0, "$name, with Sendmail at $site" or diag $output;
        like $output, qr/^# site $site: sendmail$/m, 'it was there';
    }
}
done_testing;
