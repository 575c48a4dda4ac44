# a) End to end: messages a second from A's SMTP client until B's MTA has taken them, over pontoon and by Postfix's own relaying; and
# the CPU time of a message on all its way, which other load on the machine disturbs less.
use Pontoon::Bench;
use Pontoon::Bench::Mail;

my $bench = Pontoon::Bench->new(group => 'a', title => 'End to end, from the client of A to the MTA of B');
my $world = Pontoon::Test::World->new;
my $over  = Pontoon::Bench::Mail->pontoon($world, 'pontoon');
my $tls   = Pontoon::Bench::Mail->tls_relay($world, 'tls');
my $clear = Pontoon::Bench::Mail->relay($world, 'clear');
my @reuse = $bench->pick(whole => 1, quick => 0) ? Pontoon::Bench::Mail->tls_relay($world, 'reuse', reuse => 1) : ();
$world->start;

# The goal: against relay over TLS.
my %SIZES = (
    '4K'  => {bytes => 4096,      goal => 1.5, trial => 60},
    '50K' => {bytes => 50 * 1024, goal => 1.5, trial => 50},
    '1M'  => {bytes => 1 << 20,   goal => 1.2, trial => 20},
    '25M' => {bytes => 25 << 20,  goal => 1.2, trial => 3},
);
my $seconds = $bench->pick(whole => 3, quick => 0.8);

for my $size (@{$bench->pick(whole => [qw(4K 50K 1M 25M)], quick => [qw(4K 50K 1M)], smoke => ['4K'])}) {
    my $s = $SIZES{$size};
    for my $sessions (@{$bench->pick(whole => [1, 10, 50], quick => [10], smoke => [2])}) {
        $bench->compare(
            name             => "end-to-end.$size.$sessions",
            title            => "$size, $sessions at a time",
            unit             => 'messages/s',
            higher_is_better => 1,
            count            => {trial => $bench->pick(whole => $s->{trial}, smoke => 4), seconds => $seconds, max => 2000},
            systems          => [
                map {
                    my ($system, $goal) = @$_;
                    {
                        key   => $system->{key},
                        title => $system->{title},
                        goal  => $goal,
                        run   => sub { $system->run(size => $s->{bytes}, sessions => $sessions, messages => $_[0]) }
                    }
                } [$over], [$tls, $s->{goal}], [$clear, 1.0], map { [$_] } @reuse
            ],
            also => [
                {name => 'cpu', title => 'CPU time of a message on all its way', unit => 'ms', more => 'cpu_ms'},
                {name => 'pontoon-cpu', title => 'of that, the three daemons', unit => 'ms', more => 'pontoon_cpu_ms'},
            ]
        );
    }
}
$bench->figure(%$_) for $over->memory;
