# h) Memory of a connection that is open and idle, of each daemon: resident memory with so many of them, less that with one, divided. HTTPS
# connections have had one answer, milter connections their negotiation and a client. Each run begins with a daemon that was just started, as
# memory given back is not always returned. Beside nginx, and beside the empty libmilter filter. (The peak of each daemon under load is in a).)
use Pontoon::Bench;
use IO::Socket::UNIX;
use Pontoon::Bench::EmptyFilter;
use Pontoon::Bench::Nginx;
use Pontoon::Bench::Usage qw(resident_of resident_of_family);
use Pontoon::Test::HostileClient;
use Pontoon::Test::Https;
use Pontoon::Test::World;
use Time::HiRes qw(sleep);

my $bench = Pontoon::Bench->new(group => 'h', title => 'Memory of an idle connection');
my $world = Pontoon::Test::World->new;
my $count = $bench->pick(whole => 500, quick => 100, smoke => 10);
my $a     = $world->site('a', config => {map { ("$_.connections-per-address" => 1000, "$_.requests-per-address" => 0, "$_.idle-timeout" => '10m') } qw(store bridge)});
$world->dns->start;
$a->prepare;
my $number = 0;

# A connection on which one request was answered.
sub https {
    my ($address, $url) = @_;
    my $tls = Pontoon::Test::Https->connect(url => $url, address => $address, ca => $world->ca->file);
    Pontoon::Test::Https->exchange($tls, url => $url, headers => {Connection => 'keep-alive'}) or die "$url: no answer\n";
    return $tls;
}

# One that waits for mail. libmilter asks for a version, and what it wants to see; then nothing of the client is refused.
sub milter {
    my ($path) = @_;
    my $socket = IO::Socket::UNIX->new(Peer => $path) or die "$path: $!\n";
    print {$socket} Pontoon::Test::HostileClient::greeting();
    $socket->flush;
    sysread $socket, my $answer, 4096 or die "$path: no answer\n";
    return $socket;
}

# KiB for each connection.
sub idle {
    my ($resident, $connect) = @_;
    my @open   = ($connect->());
    my $before = settled($resident);
    push @open, $connect->() for 1 .. $count;
    return {value => 1024 * (settled($resident) - $before) / $count};
}

# When it no longer changes.
sub settled {
    my ($resident) = @_;
    my ($last, $now) = (-1, $resident->());
    while ($now != $last) {
        sleep 0.2;
        ($last, $now) = ($now, $resident->());
    }
    return $now;
}

sub of_daemon {
    my ($daemon, $connect) = @_;
    $a->start($daemon);
    my $result = idle(sub { resident_of($a->daemon($daemon)->pid) }, $connect);
    $a->stop($daemon);
    return $result;
}

sub of_nginx {
    my $name  = 'nginx' . ++$number;
    my $nginx = Pontoon::Bench::Nginx->start_one(world => $world, name => $name, address => $world->address(100), chain => $a->{settings}{'store.certificate'},
        key => $a->{settings}{'store.key'});
    my $result = idle(sub { resident_of_family($nginx->pid) }, sub { https($nginx->address, 'https://sender-store.a.test:' . $nginx->port . '/none') });
    $nginx->stop;
    return $result;
}

sub of_empty_filter {
    my $filter = Pontoon::Bench::EmptyFilter->start($world, 'empty' . ++$number);
    my $result = idle(sub { resident_of($filter->pid) }, sub { milter($filter->path) });
    $filter->stop;
    return $result;
}

my %nginx = (key => 'nginx', title => 'nginx', run => \&of_nginx);
my %CONNECT = (
    store  => [sub { https($a->address, $a->outbound . '/messages') }, \%nginx],
    bridge => [sub { https($a->address, $a->inbound . '/notifications') }, \%nginx],
    milter => [sub { milter($a->dir . '/milter.sock') }, {key => 'empty', title => 'empty filter', run => \&of_empty_filter}],
);
for my $daemon (qw(store bridge milter)) {
    my ($connect, $peer) = @{$CONNECT{$daemon}};
    $bench->compare(
        name             => "idle.$daemon",
        title            => "an idle connection of pontoon-$daemon",
        unit             => 'KiB',
        higher_is_better => 0,
        rounds           => $bench->pick(whole => 3, quick => 1),    # hardly differs from run to run
        systems          => [{key => 'pontoon', title => "pontoon-$daemon", run => sub { of_daemon($daemon, $connect) }}, $peer]
    );
}
