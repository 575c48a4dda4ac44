# A receipt that was held up on its way says "deferred", in answer to an earlier notification than the last one. It is no news
# about now: the peer may have taken the message since, so it changes nothing. One that answers the last notification counts. Here the first
# one went to the first of two URLs, which took it without an answer, and the second at once to the other.
use Pontoon::Test;
use JSON::PP qw(decode_json encode_json);
use MIME::Base64 qw(decode_base64url);
use Pontoon::Test::Https;
use Pontoon::Test::Stranger;

my $world = new_world();
my $a     = $world->site('a', config => {'store.retry-min' => '500ms', 'store.retry-max' => '500ms'});
my $heard = $world->dir . '/heard';    # a payload a line
my @urls  = map { 'https://sender-store.x.test:' . $world->policy_port . "/$_" } qw(one other);
my $x     = Pontoon::Test::Stranger->new($world, 'x', policy => {inbound => \@urls}, handler => sub {
    my ($request) = @_;
    return 0 if $request->{path} !~ m{/notifications$};
    my $payload = decode_base64url(decode_json($request->{body})->{payload});
    open my $fh, '>>', $heard or die "$heard: $!";
    syswrite $fh, "$payload\n";
    return if $request->{path} =~ m{^/one/} && notifications() == 1;
    my @answer = map {
        {id => $_->{id}, recipients => [map { {address => $_->{address}, verdict => 'accepted'} } @{$_->{recipients}}]}
    } @{decode_json($payload)->{messages}};
    return [200, {'Content-Type' => 'application/json'}, encode_json({messages => \@answer})];
});
$x->start;
$world->start;

sub notifications {
    return scalar(my @all = all_notifications());
}

sub all_notifications {
    open my $fh, '<', $heard or return ();
    return map { @{decode_json($_)->{messages}} } <$fh>;
}

sub state_of {
    my ($entry) = @{$a->pontoon_json('queue')} or return 'gone';
    return $entry->{recipients}[0]{state};
}

my $sent = $a->submit(from => 'alice@a.test', to => ['bob@x.test'], message => Pontoon::Test::Mail->plain(to => 'bob@x.test'));
wait_for('two notifications', sub { notifications() >= 2 });
my ($first, $second) = all_notifications();
is $second->{id}, $first->{id}, 'the message is notified again';
$a->wait_log(qr/notification for x\.test: .*trying the next URL/);
cmp_ok $second->{serial}, '>', $first->{serial}, 'under another serial';

sub ask {
    my ($path, %o) = @_;
    return Pontoon::Test::Https->request(url => $a->outbound . "/messages/$first->{id}$path", address => $a->address,
        ca => $world->ca->file, headers => {Authorization => "Bearer $first->{token}", 'Content-Type' => 'application/json'}, %o);
}

sub receipt {
    my ($outcome, $status, $serial) = @_;
    my %line = (address => 'bob@x.test', outcome => $outcome, status => $status);
    return ask('/receipts', method => 'POST',
        body => encode_json({(defined $serial ? (serial => $serial) : ()), recipients => [\%line]}))->{status};
}

wait_for('the answer to be noted', sub { state_of() eq 'accepted' });
is ask('')->{status}, 200, 'the message is fetched';
for my $late ([$first->{serial}, 'an earlier notification'], [undef, 'no notification that it names']) {
    my $size = $a->log_size;
    is receipt('deferred', '4.2.0', $late->[0]), 204, "deferred, in answer to $late->[1]: taken";
    like $a->log_after($size), qr/to=<bob\@x\.test>, x\.test\[.* says deferred, but not to the last notification/, 'the log says what it is';
    is state_of(), 'accepted', 'and changes nothing';
}
wait_for('an answer to the last notification to count', sub {
    my $last = (all_notifications())[-1];
    receipt('deferred', '4.2.0', $last->{serial});
    return (grep { $_->{event} eq 'queued' } @{$a->trace($sent->{queue_id})->[0]{hops}}) ? 1 : 0;
});
pass 'deferred, in answer to the last one: the peer holds nothing';
is receipt('delivered', '2.0.0', $first->{serial}), 204, 'delivered counts, whatever it answers';
is state_of(), 'gone', 'it is settled';
is scalar($a->postfix->queue), 0, 'nothing went by SMTP';
$world->nothing_broke;
done_testing;
