# Hostile peers, one table: each deed gets a clear answer, is bounded in time, memory and log, and nothing of it is delivered; and
# the daemons serve decent peers as before. What bad-notification.t, bad-policy.t, bad-fetch.t and lmtp-bad-client.t show is not repeated.
use Pontoon::Test;
use Digest::SHA ();
use Pontoon::Test::Hostile;
use Pontoon::Test::HostileStore;
use Pontoon::Test::Stranger;

my $world = new_world();
my $b     = $world->site('b', config => {
    'bridge.fetch-timeout'              => '2s',
    'bridge.answer-within'              => '60s',
    'bridge.verify-whole-max'           => '4K',
    'bridge.mta-connections'            => 100,
    'bridge.mta-connections-per-domain' => 100,
    'bridge.connections-per-address'    => 200,
    'bridge.idle-timeout'               => '3s',
});

# A store that answers each fetch as its table says.
my %deed = map { $_->{id} => $_ } Pontoon::Test::HostileStore::answers();
my $evil = Pontoon::Test::Stranger->new($world, 'evil', handler => sub {
    my ($request) = @_;
    my ($id)  = $request->{path} =~ m{^/messages/(\w+)$};
    my $deed  = $deed{$id // ''} // return 0;
    return $deed->{does}->($deed->{good}, $deed->{bad}, $request->{headers}{range});
});
my $decent = Pontoon::Test::Stranger->new($world, 'decent');
my $honest = $decent->offer(Pontoon::Test::Mail->plain(from => 'mallory@decent.test', subject => 'decent'), id => 'DECENT');
$_->start for $evil, $decent;
$world->start;

# What a notification of one message got: "VERDICT STATUS TEXT", or "HTTP CODE DETAIL".
sub answer {
    my ($response) = @_;
    return 'no answer' unless $response;
    return "HTTP $response->{status} " . ($response->{json}{detail} // '') if $response->{status} != 200;
    my $v = $response->{json}{messages}[0]{recipients}[0];
    return join ' ', map { $_ // '' } @$v{qw(verdict status text)};
}

my $table  = Pontoon::Test::Hostile->new(world => $world, site => $b);
my $before = $b->peak_memory('bridge');

# ---- stores ----

my @stores = map {
    my $deed = $_;
    my $body = $evil->sign($evil->payload([$evil->offer($deed->{good}, id => $deed->{id})]));
    +{who => 'store', tag => $deed->{id}, does => sub { answer($evil->notify($b, $body)) }, answer_is => $deed->{verdict},
        log => qr/status=(bounced|deferred)/, map { $_ => $deed->{$_} } grep { exists $deed->{$_} } qw(name lines_max)}
} sort { $a->{id} cmp $b->{id} } values %deed;
$table->run(@stores);

# ---- the audit ----

$table->report;
cmp_ok $table->count, '>=', 60, 'cases: ' . $table->count;
is scalar($b->mailbox($_)), 0, "nothing was delivered to $_" for qw(alice bob carol dave);
unlike $b->log_after(0), qr/[^ -~\n]/, 'no control characters in the log';
my $peak = $b->peak_memory('bridge');
note "peak memory of the bridge: $before KiB before, $peak KiB after";
is answer($decent->notify($b, $decent->sign($decent->payload([$honest])))) =~ s/ .*//r, 'delivered', 'a decent peer is served';
is scalar($b->wait_mail('bob', 1)), 1, 'and his message is there';
$world->nothing_broke;
done_testing;
