# GET {inbound}/notifications, and {outbound}/messages: whether the bridge would take notifications now, for a peer's breaker and for monitoring.
use Pontoon::Test;
use Pontoon::Test::Https;
use Pontoon::Test::Stranger;
use JSON::PP ();

my $world = new_world();
my $b     = $world->site('b', config => {'bridge.queue-max' => 1, 'bridge.answer-within' => '200ms', 'bridge.fetch-timeout' => '60s',
    'bridge.drain-timeout' => '100ms'});
my $slow  = Pontoon::Test::Stranger->new($world, 'slow', handler => sub {
    my ($request) = @_;
    sleep 60 if $request->{path} =~ m{^/messages/};    # holds the fetch
    return 0;
});
my $offer = $slow->offer(Pontoon::Test::Mail->plain(from => 'x@slow.test'));
my $good  = Pontoon::Test::Stranger->new($world, 'good');
my @offer = map { $good->offer(Pontoon::Test::Mail->plain(from => 'x@good.test')) } 1 .. 2;
$_->start for $slow, $good;
$world->start;

sub status {
    my ($method) = @_;
    return Pontoon::Test::Https->request(
        url => $b->inbound . '/notifications', address => $b->address, ca => $world->ca->file, method => $method // 'GET');
}
sub verdict { my ($site, $offer) = @_; $site->notify($b, $site->sign($site->payload([$offer])))->{json}{messages}[0]{recipients}[0] }

my $ready = status();
is $ready->{status}, 200, 'ready';
is $ready->{headers}{'content-type'}, 'application/json', 'as JSON';
is $ready->{body}, '{"version":"SSMP1"}', 'and nothing but the version';
is status('HEAD')->{status}, 200, 'HEAD';

# The MTA is gone: the first who tries finds out, then the resource knows.
$b->postfix->stop;
my $v = verdict($good, $offer[0]);
is $v->{verdict}, 'deferred', 'without its MTA the bridge defers' or diag $v->{text};
my $busy = status();
is $busy->{status}, 503, 'and is not ready';
is $busy->{headers}{'content-type'}, 'application/problem+json', 'a problem document';
like JSON::PP::decode_json($busy->{body})->{detail}, qr/mail server/, 'says why';
cmp_ok $busy->{headers}{'retry-after'}, '>', 0, 'and when to come back';
$b->postfix->start;
$b->postfix->wait_ready;
$v = verdict($good, $offer[1]);    # a slow MTA: a receipt follows
like $v->{verdict}, qr/^(?:delivered|accepted)$/, 'the MTA is back' or diag $v->{text};
ok wait_until(sub { status()->{status} == 200 }), 'ready again';

$v = verdict($slow, $offer);
is $v->{verdict}, 'accepted', 'a message whose store dawdles';
$busy = status();
is $busy->{status}, 503, 'the queue is full';
like JSON::PP::decode_json($busy->{body})->{detail}, qr/queue is full/, 'it says so';

# The store has one, too; under any base path, and not for the policy's own path.
sub store_status {
    my ($path, $method) = @_;
    return Pontoon::Test::Https->request(
        url => $b->outbound . $path, address => $b->address, ca => $world->ca->file, method => $method // 'GET');
}
is store_status("$_/messages")->{status}, 200, "the store's, at $_/messages" for '', '/base';
is store_status('/messages')->{body}, '{"version":"SSMP1"}', 'says the version, and nothing else';
is store_status('/messages', 'POST')->{status}, 405, 'it is only asked';
is store_status('/base/.well-known/sender-store')->{status}, 404, 'the policy has one place';
is store_status('/messages/')->{status}, 404, 'no message without an id';
$world->nothing_broke;
done_testing;
