# g) What a message costs in a store where 10^3, 10^5, 10^6 and 10^7 others wait: its way through the store (t/bench/store_rate.c, "cycle"), one
# after the other, and the start of pontoon-store. The peer is pontoon itself with 10^3 waiting.
use Pontoon::Bench;
use DBI;
use Pontoon::Bench::Numbers qw(human);
use Pontoon::Bench::Usage qw(cpu_of peak_of);
use Pontoon::Bench::WaitingStore;
use Pontoon::Test::World;
use Time::HiRes qw(sleep time);

my $GOAL    = 1.25;
my $WAITING = 200;    # bytes of the bodies that wait: a database of 10^7 has 9 GB
my $bench   = Pontoon::Bench->new(group => 'g', title => 'Growth: with many messages waiting');
my $world   = Pontoon::Test::World->new;
my $few     = 1000;
my @many    = @{$bench->pick(whole => [100_000, 1_000_000, 10_000_000], quick => [100_000], smoke => [2000])};
my %site    = map { $_ => $world->site("a$_", config => {'store.retry-min' => '60s', 'store.retry-max' => '4h'}) } $few, @many;
$world->dns->start;
$_->prepare for values %site;
for my $n ($few, @many) {
    my $begin = time;
    Pontoon::Bench::WaitingStore::make($site{$n}{settings}{'store.directory'}, $n, $WAITING);
    printf "%s messages wait in %.0f MB, made in %.0f s\n", human($n), (-s "$site{$n}{settings}{'store.directory'}/store.db") / 1e6, time - $begin;
}

# Through the store, without a daemon; `count` messages.
sub way {
    my ($n, $count) = @_;
    my ($us, $cpu_us) = split ' ',
        Pontoon::Test::Site::run("$ENV{PONTOON_BUILD}/t/bench/store_rate", 'cycle', $site{$n}{settings}{'store.directory'}, 1, $count, 4096);
    return {value => $cpu_us, more => {all => $us}};
}

# From fork() to the pid file, which says that it is ready.
sub start {
    my ($n) = @_;
    my $site = $site{$n};
    my $file = $site->pid_file('store');
    my $begin = time;
    $site->launch('store');
    until (-s $file) {
        $site->daemon('store')->alive or die "pontoon-store ended: see $site->{dir}\n";
        sleep 0.001;
    }
    my $seconds = time - $begin;
    my $pid     = $site->daemon('store')->pid;
    my %more    = (cpu => 1000 * cpu_of($pid));
    $site->wait_log(qr/daemon started/);
    $site->{peak} = peak_of($pid);
    $site->stop('store');
    return {value => 1000 * $seconds, more => \%more};
}

# As after a pause of an hour: all that waits is asked about. It is due then, so this is the last thing done with a store.
sub start_after_pause {
    my ($n) = @_;
    my $db = DBI->connect("dbi:SQLite:dbname=$site{$n}{settings}{'store.directory'}/store.db", '', '', {RaiseError => 1});
    $db->do("UPDATE meta SET value = value - 3600000 WHERE name = 'alive'") == 1 or die "the store was never in use\n";
    $db->disconnect;
    my $log    = $site{$n}->log_size;
    my $result = start($n);
    $site{$n}->log_after($log) =~ /what became of $n recipients/ or die "no pause was noticed\n";
    return $result->{value} / 1000;
}

sub beside_few {
    my ($n, %o) = @_;
    my $run = delete $o{run};
    $bench->compare(
        %o,
        higher_is_better => 0,
        systems          => [
            {key => $n, title => human($n) . ' waiting', run => sub { $run->($n, $_[0]) }},
            {key => $few, title => human($few) . ' waiting', goal => $GOAL, run => sub { $run->($few, $_[0]) }}
        ]
    );
}

for my $n (@many) {
    beside_few($n, name => "growth.$n", title => 'a message, CPU time, ' . human($n) . ' waiting', unit => 'us', run => \&way,
        count => $bench->pick(whole => 500, quick => 100, smoke => 5), also => [{name => 'all', title => 'and all the time', unit => 'us', more => 'all'}]);
    beside_few($n, name => "growth.$n.start", title => 'start of pontoon-store, ' . human($n) . ' waiting', unit => 'ms', run => \&start,
        also => [{name => 'cpu', title => 'CPU time', unit => 'ms', more => 'cpu'}]);
    my $waiting = human($n) . ' waiting';
    my %memory  = (unit => 'MiB', limit => 32);
    $bench->figure(%memory, name => "memory.store.$n", title => "peak memory of pontoon-store at its start, $waiting", value => $site{$n}{peak});
    next if $n > 1_000_000;    # takes minutes
    $bench->figure(name => "growth.$n.pause", title => "start of pontoon-store after a pause, $waiting", unit => 's', value => start_after_pause($n));
    $bench->figure(%memory, name => "memory.store.$n.pause", title => "peak memory after a pause, $waiting", value => $site{$n}{peak});
}
