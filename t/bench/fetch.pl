# e) Serving messages over TLS: pontoon-store, which notes each fetch durably before its first byte and again at its end, beside nginx with the
# same bytes in files. The same client (t/bench/fetch_load.c), cipher and certificate; ten connections.
use Pontoon::Bench;
use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(encode_base64url);
use Pontoon::Files qw(slurp spew);
use Pontoon::Bench::Nginx;
use Pontoon::Bench::Usage qw(cpu_of cpu_of_family);
use Pontoon::Test::Https;
use Pontoon::Test::World;

my $CONNECTIONS = 10;
my $bench = Pontoon::Bench->new(group => 'e', title => 'Serving messages over TLS');
my $world = Pontoon::Test::World->new;
# All fetches come from one address and for one domain; and nothing is to be notified while we are at it.
my $a = $world->site('a', config => {'store.fetch-bytes-per-domain' => 0, 'store.requests-per-address' => 0, 'store.retry-min' => '60s', 'store.retry-max' => '4h'});
$world->dns->start;
$a->prepare;
$a->start($_) for qw(store bridge);    # `pontoon queue' looks at both
my $host  = 'sender-store.a.test';
my $nginx = Pontoon::Bench::Nginx->start_one(world => $world, name => 'nginx', address => $world->address(100),
    chain => $a->{settings}{'store.certificate'}, key => $a->{settings}{'store.key'});
mkdir $nginx->root . '/messages';

my ($secret) = slurp($a->{settings}{'store.token-secret'}) =~ /^(\S+)/;
my $aud      = 'b.test';
my %seen;

sub token { my ($id) = @_; return "$aud~" . encode_base64url(hmac_sha256("$id\0$aud", $secret)) }

# So many messages into the store, and the same bytes into files. Returns {bytes of each, list of paths and tokens}.
sub fill {
    my ($name, $bytes, $count) = @_;
    Pontoon::Test::Site::run("$ENV{PONTOON_BUILD}/t/bench/store_rate", 'fill', $a->{settings}{'store.directory'}, 1, $count, $bytes);
    my @ids = grep { !$seen{$_}++ } map { $_->{id} } @{$a->pontoon_json('queue')};
    die "$name: the store has " . @ids . " new messages, not $count\n" if @ids != $count;
    my %length;
    for my $id (@ids) {
        my $answer = Pontoon::Test::Https->request(url => $a->outbound . "/messages/$id", address => $a->address, ca => $world->ca->file,
            headers => {Authorization => 'Bearer ' . token($id)});
        die "$id: $answer->{start}\n" if $answer->{status} != 200;
        spew($nginx->root . "/messages/$id", $answer->{body});
        $length{length $answer->{body}}++;
    }
    my @lists = map { my $token = $_; $world->write("$name." . ($token ? 'pontoon' : 'nginx'), join '', map { "/messages/$_ " . ($token ? token($_) : '-') . "\n" } @ids) } 1, 0;
    return {bytes => keys %length, pontoon => $lists[0], nginx => $lists[1]};
}

my %SERVER = (
    pontoon => {address => $a->address, port => $a->{port}{store}, cpu => sub { cpu_of($a->daemon('store')->pid) }},
    nginx   => {address => $nginx->address, port => $nginx->port, cpu => sub { cpu_of_family($nginx->pid) }},
);

sub load {
    my ($key, $how, $messages) = @_;
    my $server = $SERVER{$key};
    my $before = $server->{cpu}->();
    my ($n, $seconds) = split ' ', Pontoon::Test::Site::run("$ENV{PONTOON_BUILD}/t/bench/fetch_load", $how, $server->{address}, $server->{port}, $host, $CONNECTIONS,
        $bench->pick(whole => 3, quick => 0.7, smoke => 0.2), $messages->{bytes}, $messages->{$key});
    return {value => $n / $seconds, more => {cpu_ms => 1000 * ($server->{cpu}->() - $before) / $n}};
}

# At 50 KB and more it is encryption and copying; at 4 KB, what a request costs.
my %SIZES = ('4K' => [4096, 200, 0.6], '50K' => [50 * 1024, 200, 0.9], '1M' => [1 << 20, 40, 0.9]);
my %runs = map { $_ => [qw(keep new)] } keys %SIZES;
$runs{'1M'} = ['keep'] if $bench->pick(whole => 0, quick => 1);
for my $size (@{$bench->pick(whole => [qw(4K 50K 1M)], quick => [qw(4K 1M)], smoke => ['4K'])}) {
    my ($bytes, $count, $goal) = @{$SIZES{$size}};
    my $messages = fill($size, $bytes, $bench->pick(whole => $count, quick => $count / 4, smoke => 5));
    for my $how (@{$runs{$size}}) {
        $bench->compare(
            name             => "fetch.$size.$how",
            title            => "$size, " . ($how eq 'keep' ? 'connections kept' : 'a connection for each'),
            unit             => 'messages/s',
            higher_is_better => 1,
            systems          => [
                {key => 'pontoon', title => 'pontoon-store', run => sub { load('pontoon', $how, $messages) }},
                {key => 'nginx', title => 'nginx', goal => $goal, run => sub { load('nginx', $how, $messages) }},
            ],
            also => [{name => 'cpu', title => "the server's CPU time for one", unit => 'ms', more => 'cpu_ms'}]
        );
    }
}
