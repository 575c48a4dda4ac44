# b) One message on an idle system: from the client's connection to A's MTA until B's MTA has taken it.
use Pontoon::Bench;
use Pontoon::Bench::Mail;
use Pontoon::Bench::Numbers qw(percentile);
use Pontoon::Test::Mail;

my $bench = Pontoon::Bench->new(group => 'b', title => 'Latency on an idle system');
my $world = Pontoon::Test::World->new;
my $over  = Pontoon::Bench::Mail->pontoon($world, 'pontoon');
my $tls   = Pontoon::Bench::Mail->tls_relay($world, 'tls');
my $clear = Pontoon::Bench::Mail->relay($world, 'clear');
$world->start;

my $body = join '', ('x' x 78 . "\r\n") x 48;

# p50 and p99 of so many, one after the other.
sub latency {
    my ($system, $n) = @_;
    my @ms = map { $system->one(source => '127.0.0.1', message => Pontoon::Test::Mail->plain(body => $body)) } 1 .. $n;
    return {value => percentile(50, @ms), more => {p99 => percentile(99, @ms)}};
}

$bench->compare(
    name             => 'latency.p50',
    title            => '4K, the median',
    unit             => 'ms',
    higher_is_better => 0,
    count            => {trial => $bench->pick(whole => 20, smoke => 3), seconds => $bench->pick(whole => 5, quick => 1.5), max => 300},
    systems          => [
        map { my ($system, $goal) = @$_; {key => $system->{key}, title => $system->{title}, goal => $goal, run => sub { latency($system, $_[0]) }} }
            [$over], [$tls, 1.0], [$clear]
    ],
    also => [{name => 'p99', title => 'p99', unit => 'ms', more => 'p99', goal => {tls => 1.0}}]
);
