# Random mail between three sites and a fourth without pontoon, while daemons are killed, stopped, frozen and made to fail, disks fill up,
# databases are locked, MTAs stop, the DNS is away, policies are withdrawn and packets are lost; then the audit. SOAK_MINUTES says
# for how long; PONTOON_SEED repeats the plan of an earlier run.
use Pontoon::Test::Namespace qw(mount net);
use Pontoon::Test time => 400 + 60 * ($ENV{SOAK_MINUTES} || 1);
use Time::HiRes qw(time sleep);
use Pontoon::Test::Disk;
use Pontoon::Test::Soak;
use Pontoon::Test::SoakFaults;

my $minutes = $ENV{SOAK_MINUTES} || 1;
my $seconds = 60 * $minutes;
my $seed    = $ENV{PONTOON_SEED} // int rand 1 << 30;
diag "seed $seed";

my $world  = new_world();
my %common = (
    rules  => [['look-first' => {recipients => [map { "dave\@$_.test" } qw(a b c)], action => 'shadow'}]],
    config => {
        'bridge.not-migrated'   => [map { "carol\@$_.test" } qw(a b c)],
        'bridge.answer-within'  => '2s',
        'store.inline-max'      => '4k',
        'milter.spool-memory'   => '4k',
        'lmtp.spool-memory'     => '4k',
        'store.lease'           => '30s',
        'store.dsn-hold'        => '100ms',
        'store.busy-timeout'    => '1s',
        'bridge.busy-timeout'   => '1s',
        'store.fallback-after'  => '15s',
    },
);
my @sites = map { $world->site($_, %common, lmtp => $_ eq 'c') } qw(a b c);
my $d     = $world->site('d', pontoon => 0);
my %disks;
for my $site (@sites) {
    $disks{"$site->{name} $_"} = Pontoon::Test::Disk->mount($site->dir . "/$_", size => '48m', inodes => 20_000) for qw(store bridge);
}
$world->start;

srand $seed;
my $soak   = Pontoon::Test::Soak->new(world => $world, sites => \@sites, outside => [$d], seconds => $seconds, rate => 5);
my $faults = Pontoon::Test::SoakFaults->new(world => $world, sites => \@sites, disks => \%disks, seconds => $seconds, every => 0.9);
my $begin  = time;
$soak->start;
sleep 0.02 while $faults->step(time - $begin);
$_->announce for grep { $faults->{announce}{$_->{name}} } @sites;
for my $site (@sites) {
    $faults->supervise;
    $site->wait_ready($_) for $site->daemons;
}
my $all_sent = $soak->finish(240);
$faults->supervise;    # a failpoint may have been passed late
my $settled = $soak->settle(60);

# A repeat wants a window (doc/protocol.md, section 18) to have been open while the message was under way: at the sender's site for what
# was returned, at the receiver's for what was delivered, and at either for plain SMTP: an MTA that went between taking and saying so.
my @done = $faults->all;

sub may_repeat {
    my ($m, $to) = @_;
    my ($domain) = $to =~ /@(.+)/;
    my $from = $m->{at} - 1;
    for my $f (grep { $_->{end} + 5 >= $from } @done) {
        my $here  = $f->{site} == $m->{from};
        my $there = !defined $domain || $f->{site}->domain eq $domain;
        return 'smtp' if $f->{kind} eq 'mta' && ($here || $there);
        return 'window_return' if $here && ($f->{arm} // '') =~ /^return_witness/;
        return 'window_mta' if $there && ($f->{arm} // '') =~ /^(witness_note|mta_answered)/;
    }
    return;
}
my @lost = $soak->audit(\&may_repeat);
my $story = join "\n", map { Pontoon::Test::SoakFaults::describe($_) } sort { $a->{at} <=> $b->{at} } @done;
ok $all_sent, 'all messages were taken';
is "@lost", '', 'nothing is lost, altered, or there twice but in a named window'
    or diag join "\n", @lost, 'what happened:', $story, "again: PONTOON_SEED=$seed SOAK_MINUTES=$minutes t/run soak";
ok $settled, 'in the end nothing is under way any more' or diag map { $_->{name} . ': ' . $_->pontoon('queue') } @sites;
my %kinds;
$kinds{$_->{kind}}++ for @done;
diag sprintf '%d messages to %d recipients, %d faults (%s), %d unplanned restarts, repeats: %s', scalar keys %{$soak->{taken}},
    $soak->{deliveries}, scalar @done, join(', ', map { "$kinds{$_} $_" } sort keys %kinds), $faults->{restarts} // 0,
    join(', ', map { "$soak->{repeats}{$_} $_" } sort keys %{$soak->{repeats} // {}}) || 'none';
$world->nothing_broke;
done_testing;
