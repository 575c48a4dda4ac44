# Objection 2: "the sender's load is decided by its receivers". One message to sixty sites: what is notified and not yet
# fetched never exceeds the pacer's bound, all get it, and a site that never fetches keeps nobody waiting.
use Pontoon::Test;
use JSON::PP ();
use MIME::Base64 qw(decode_base64url);
use Pontoon::Test::Stranger;
use Time::HiRes qw(time sleep);

my $BOUND = 20;
my $SITES = 60;
my $world = new_world();
my $a     = $world->site('a', config => {'store.pace-messages' => $BOUND, 'store.pace-messages-per-domain' => 5, 'store.fallback-after' => '0s',
    'store.pace-timeout' => '1h', 'milter.discovery-wait' => '30s', 'store.retry-min' => '1h', 'store.retry-max' => '1h'});
# A receiver with many names: it promises everything, and keeps what it was told of. The test fetches.
my $notes = $world->dir . '/notes';
my $many  = Pontoon::Test::Stranger->new($world, 'many', handler => sub {
    my ($request) = @_;
    return 0 if $request->{path} ne '/notifications';
    my $payload = decode_base64url(JSON::PP::decode_json($request->{body})->{payload});
    open my $fh, '>>', $notes;
    syswrite $fh, "$payload\n";
    my @messages = map {
        +{id => $_->{id}, recipients => [map { +{address => $_->{address}, verdict => 'accepted'} } @{$_->{recipients}}]}
    } @{JSON::PP::decode_json($payload)->{messages}};
    return [200, {'Content-Type' => 'application/json'}, JSON::PP::encode_json({messages => \@messages})];
});
my @names = map { sprintf 's%03d.many.test', $_ } 1 .. $SITES;
$world->dns->{records}{'*.many.test'} = ["A $many->{address}"];
for my $name (@names) {
    $world->dns->{records}{"_sender-store.$name"} = ['TXT "v=SSMP1; id=1"'];
    $world->dns->{records}{"sender-store.$name"}  = ["A $many->{address}"];
}
($many->{chain}, $many->{tls_key}) = $world->ca->issue('sender-store.many.test', map { "sender-store.$_" } @names);
$many->start;
$world->start;

my (%told, %fetched, @tell, @fetch);
my $most = 0;
sub read_notes {
    open my $fh, '<', $notes or return;
    while (my $line = <$fh>) {
        my $n = JSON::PP::decode_json($line);
        for my $m (@{$n->{messages}}) {
            next if $told{"$n->{aud} $m->{id}"}++;
            push @tell, {aud => $n->{aud}, %$m, told => time};
        }
    }
    my $out = @tell - keys %fetched;
    $most = $out if $out > $most;
}
sub fetch {
    my ($m) = @_;
    my $r = Pontoon::Test::Https->request(url => $a->outbound . "/messages/$m->{id}", address => $a->address, ca => $world->ca->file,
        source => $many->{address}, headers => {Authorization => "Bearer $m->{token}"});
    is length $r->{body}, $m->{size}, "$m->{aud} has it" if length $r->{body} != $m->{size};
    $fetched{"$m->{aud} $m->{id}"} = time;
}

my $begin = time;
$a->submit(from => 'alice@a.test', to => [map { "x\@$_" } @names], message => Pontoon::Test::Mail->plain(to => 'all@many.test'));
wait_for("$BOUND notifications", sub { read_notes(); @tell >= $BOUND });
sleep 0.5;
read_notes();
is scalar @tell, $BOUND, 'nobody fetches: no more is notified than the bound';
# One site never fetches; the others do, one after the other.
my $silent = $tell[0];
while (keys %fetched < $SITES - 1 && time - $begin < 100) {
    read_notes();
    my @next = grep { $_ != $silent && !$fetched{"$_->{aud} $_->{id}"} } @tell;
    fetch($_) for @next;
    sleep 0.01 if !@next;
}
my $took = time - $begin;
is scalar keys %fetched, $SITES - 1, 'all others have it, whatever one site does';
cmp_ok $most, '<=', $BOUND, 'and the bound was never exceeded';
my @waits = sort { $::a <=> $::b } map { $_->{told} - $begin } @tell;
diag sprintf '%d sites: at most %d messages notified and not fetched (bound %d); %.0f fetches a second; notified after %.2f s (median), %.2f s (last)',
    $SITES, $most, $BOUND, ($SITES - 1) / $took, $waits[@waits / 2], $waits[-1];
$world->nothing_broke;
done_testing;
