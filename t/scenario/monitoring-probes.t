# Monitoring connects and leaves, at every stage and to every socket: normal traffic, without a warning.
use Pontoon::Test;
use Pontoon::Test::Https;
use IO::Socket::INET;
use IO::Socket::UNIX;

my ($world, $a, $b) = two_sites();
my $before = $a->log_size;

sub tcp { IO::Socket::INET->new($_[0]) // die "$_[0]: $!" }

# The MTA in front of the milter.
tcp($a->postfix->endpoint('smtp'));
my $client = $a->client;
$client->quit;
for my $upto (1 .. 4) {
    $client = $a->client;
    my @steps = ('MAIL FROM:<alice@a.test>', 'RCPT TO:<bob@b.test>', 'DATA', "Subject: half\r\n\r\nhalf a mess");
    $client->command($_)  for @steps[0 .. ($upto > 3 ? 2 : $upto - 1)];
    $client->write($steps[3]) if $upto == 4;
    $client->close_now;
}
for my $command (qw(RSET NOOP VRFY)) {
    $client = $a->client;
    $client->command("$command bob\@b.test");
    $client->quit;
}
# The sockets of the daemons themselves.
for my $n (1 .. 3) {
    my $socket = IO::Socket::UNIX->new(Peer => "$a->{dir}/milter.sock") // die "milter: $!";
    print $socket "\0\0\0\1X" if $n == 2;
    close $socket;
    for my $port (@{$a->{port}}{qw(store bridge)}) {
        $socket = tcp("$a->{address}:$port");
        print $socket "GET / HTTP/1.0\r\n\r\n" if $n == 2;
        close $socket;
    }
}
for my $endpoint (qw(store bridge)) {
    my $base     = $endpoint eq 'store' ? $a->outbound : $a->inbound;
    my $response = Pontoon::Test::Https->request(url => "$base/", address => $a->address, ca => $world->ca->file);
    ok $response->{status} >= 200 && $response->{status} < 500, "GET / at the $endpoint is answered: $response->{status}";
}

my $sent = $a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain);
$b->wait_mail('bob', 1);
$a->wait_settled;
is scalar($b->mailbox('bob')), 1, 'mail flows, and no half message came through';
ok $a->daemon($_)->alive, "pontoon-$_ is alive" for qw(milter store bridge);
my @warnings = grep { /warning:|error:/ && !/milter/ } split /\n/, $a->log_after($before);
is @warnings, 0, 'the probes of HTTPS and SMTP left no warnings' or diag join "\n", @warnings;
$world->nothing_broke;
done_testing;
