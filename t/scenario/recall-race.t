# A recall while the other site fetches: one of the two is first, and the other finds out. A fetch under way is waited out; one that
# breaks off leaves the message to the recall; of many that are recalled just when they are fetched, none is both.
use Pontoon::Test;
use IO::Socket::SSL;
use Pontoon::Test::Taker;

my $world = new_world();
my $a     = $world->site('a', config => {'store.retry-min' => '1h', 'store.retry-max' => '1h', 'store.notify-timeout' => '60s'});
my ($began, $go) = map { $world->dir . "/$_" } qw(began go);
my $fetched = $world->mkdir('fetched');

# Reads some of a large message and holds the connection until it is told to drop it.
my $slow = Pontoon::Test::Taker->new($world, 'slow', from => $a, script => sub {
    my ($self, undef, $message) = @_;
    my $tls = IO::Socket::SSL->new(PeerAddr => $a->address, PeerPort => $a->{port}{store}, LocalAddr => $self->{address},
        SSL_hostname => 'sender-store.a.test', SSL_verifycn_name => 'sender-store.a.test', SSL_verifycn_scheme => 'http',
        SSL_ca_file => $world->ca->file) or die "TLS: $SSL_ERROR";
    print $tls "GET /messages/$message->{id} HTTP/1.1\r\nHost: sender-store.a.test\r\nAuthorization: Bearer $message->{token}\r\n\r\n";
    sysread $tls, my $some, 1000;
    $world->write('began', '');
    wait_for('the word to go', sub { -e $go }, 60);
    close $tls;
    return;
});
# Fetches at once, and notes for itself whether it got the message.
my $fast = Pontoon::Test::Taker->new($world, 'fast', from => $a, script => sub {
    my ($self, undef, @messages) = @_;
    for my $message (@messages) {
        my $response = $self->ask($message);
        $world->write("fetched/$message->{id}", $response->{status});
    }
    return 'accepted';
});
$_->start for $slow, $fast;
$world->start;

my $body = join '', map { sprintf "line %06d of a message that is not small at all\r\n", $_ } 1 .. 200_000;
my $sent = $a->submit(from => 'alice@a.test', to => ['bob@slow.test'], message => Pontoon::Test::Mail->plain(to => 'bob@slow.test', body => $body));
wait_for('the fetch to begin', sub { -e $began });
my ($out, $code) = $a->pontoon('recall', $sent->{queue_id});
is $code >> 8, 69, 'nothing can be recalled while it is fetched';
like $out, qr/<bob\@slow\.test>\s+not recalled: being fetched by the other site, 20\S+Z/, 'since when, the command says';
$world->write('go', '');
wait_for('the recall to come through', sub { ($out, $code) = $a->pontoon('recall', $sent->{queue_id}); return $code == 0 });
like $out, qr/<bob\@slow\.test>\s+recalled$/m, 'the fetch broke off: recalled';
is $slow->ask(($slow->notified)[0])->{status}, 410, 'and not to be fetched any more';

# As close to each other as can be: the recall of each comes just when it is notified.
my ($both, $neither, %count) = (0, 0);
for my $n (1 .. 30) {
    my $queue_id = $a->submit(from => 'alice@a.test', to => ['bob@fast.test'], message => Pontoon::Test::Mail->plain(to => 'bob@fast.test'))->{queue_id};
    my ($list) = $a->pontoon('recall', $queue_id, '--json');
    my ($rcpt) = @{JSON::PP::decode_json($list)->[0]{recipients}};
    my ($event) = $a->events($queue_id, qr/^fetched$/);
    $both++ if $rcpt->{recalled} && $event;
    $neither++ if !$rcpt->{recalled} && !wait_until(sub { $a->events($queue_id, qr/^fetched$/) });
    $count{$rcpt->{recalled} ? 'recalled' : 'fetched'}++;
}
for my $file (glob "$fetched/*") {
    my ($id) = $file =~ m{([^/]+)$};
    open my $fh, '<', $file or die $!;
    my $status = <$fh> // next;
    my $state  = $a->trace($id)->[0]{recipients}[0]{state};
    $both++ if $status == 200 && $state eq 'recalled';
    $neither++ if $status != 200 && $state ne 'recalled';
}
is $both, 0, 'none was recalled and fetched';
is $neither, 0, 'and of none was the fetch refused without a recall';
diag sprintf 'of 30 messages recalled as they were notified, %d were recalled and %d were fetched first', map { $_ // 0 } @count{qw(recalled fetched)};
$world->nothing_broke;
done_testing;
