# Objection 2: "the sender's load is decided by its receivers". One message to sixty sites: what is notified and not yet
# fetched never exceeds the pacer's bound, all get it, a site that never fetches keeps nobody waiting, and sites that fetch it again and again, and
# heed no 429, take nothing from the others. `make load`: 200 sites, of which 100 do that.
use Pontoon::Test time => 900;
use JSON::PP ();
use MIME::Base64 qw(decode_base64url);
use POSIX ();
use Pontoon::Test::Stranger;
use Time::HiRes qw(time sleep);

my ($BOUND, $SITES, $IGNORANT) = $ENV{PONTOON_LOAD} ? (120, 200, 100) : (20, 60, 10);
my $world = new_world();
my $a     = $world->site('a', config => {'store.pace-messages' => $BOUND, 'store.pace-messages-per-domain' => 5, 'store.fallback-after' => '0s',
    'store.pace-bytes-per-domain' => '1M', 'store.fetch-bytes-per-domain' => '1K', 'store.pace-timeout' => '1h', 'milter.discovery-wait' => '30s', map { ("store.$_" => $ENV{PONTOON_LOAD} ? '10s' : '1h') } qw(retry-min retry-max)});    # the test's own server is no good at many handshakes at one time
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
    my $out = grep { !$_->{ignorant} && !$fetched{"$_->{aud} $_->{id}"} } @tell;    # the ignorant ones have fetched, some moment
    $most = $out if $out > $most;
}
sub fetch {
    my ($m) = @_;
    my $r = Pontoon::Test::Https->request(url => $a->outbound . "/messages/$m->{id}", address => $a->address, ca => $world->ca->file,
        source => $many->{address}, headers => {Authorization => "Bearer $m->{token}"});
    is length $r->{body}, $m->{size}, "$m->{aud} has it" if length $r->{body} != $m->{size};
    $fetched{"$m->{aud} $m->{id}"} = time;
}

# They fetch again what they have, from addresses of their own, as fast as they can, whatever is answered.
sub hammer {
    my @sites = @_;
    $SIG{PIPE} = 'IGNORE';
    POSIX::nice(5);
    for (my $i = 0;; $i++) {
        my $m = $sites[$i % @sites];
        my $r = eval {
            Pontoon::Test::Https->request(url => $a->outbound . "/messages/$m->{id}", address => $a->address, ca => $world->ca->file,
                source => $world->address(100 + $i % @sites % 100), headers => {Authorization => "Bearer $m->{token}"});
        };
        sleep 0.002 if !$r;
    }
}
sub median { my @l = sort { $::a <=> $::b } @_; return $l[@l / 2] // 0 }

my $begin = time;
$a->submit(from => 'alice@a.test', to => [map { "x\@$_" } @names], timeout => 600,
    message => Pontoon::Test::Mail->plain(to => 'all@many.test') . ('x' x 70 . "\r\n") x 2800);
wait_for("$BOUND notifications", sub { read_notes(); @tell >= $BOUND }, 600);
sleep 0.5;
read_notes();
is scalar @tell, $BOUND, 'nobody fetches: no more is notified than the bound';
# One site never fetches; the others do, one after the other.
my $silent = $tell[0];
$_->{ignorant} = 1 for @tell[1 .. $IGNORANT];
my $hammer = Pontoon::Test::Proc->fork_code('sites that ignore the pace', sub { hammer(@tell[1 .. $IGNORANT]) });
my @took   = ([], []);    # how long a fetch took while they were stopped, and while they were at it
my ($first, $at_it) = (time, 1);
while (keys %fetched < $SITES - 1 && time - $first < 300) {
    read_notes();
    my @next = grep { $_ != $silent && !$fetched{"$_->{aud} $_->{id}"} } @tell;
    $at_it = !$at_it;
    $hammer->signal($at_it ? 'CONT' : 'STOP');
    for my $m (splice @next, 0, 10) {
        my $t = time;
        fetch($m);
        push @{$took[$at_it]}, time - $t;
    }
    sleep 0.01 if !@next;
}
my $took = time - $first;
$hammer->signal('CONT');
my $limit;
wait_for('them to be refused', sub {
    ($limit) = grep { $_->{name} eq 'store.fetch-bytes-per-domain' && $_->{refused} > 0 } @{$a->pontoon_json('status')->{limits}{store}};
    return $limit;
});
$hammer->stop;
is scalar keys %fetched, $SITES - 1, 'all others have it, whatever one site does';
cmp_ok $most, '<=', $BOUND, 'and the bound was never exceeded';
my @waits = sort { $::a <=> $::b } map { $_->{told} - $begin } @tell;
diag sprintf '%d sites: at most %d messages notified and not fetched (bound %d); %.0f fetches a second; notified after %.2f s (median), %.2f s (last)',
    $SITES, $most, $BOUND, ($SITES - 1) / $took, $waits[@waits / 2], $waits[-1];
cmp_ok $limit->{refused}, '>', 0, 'who ignored the pace was refused';
is scalar(grep { !/^s\d+\.many\.test$/ } map { $_->{peer} } @{$limit->{top}}), 0, 'by domain';
diag sprintf 'a fetch took %.1f ms while %d sites ignored the pace, %.1f ms while they did not (medians of %d and %d, in turns); they were refused %d times',
    1000 * median(@{$took[1]}), $IGNORANT, 1000 * median(@{$took[0]}), scalar @{$took[1]}, scalar @{$took[0]}, $limit->{refused};
$world->nothing_broke;
done_testing;
