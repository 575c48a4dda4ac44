# The store's side of bad input: tokens, paths, ranges and receipts. Each gets a clear answer and changes nothing; and
# what is right is served, whole and in parts.
use Pontoon::Test;
use Digest::SHA qw(sha256_base64);
use JSON::PP ();
use MIME::Base64 qw(decode_base64url);
use Pontoon::Test::Https;
use Pontoon::Test::Stranger;

my $world = new_world();
my $a     = $world->site('a', config => {'store.fallback-after' => '0s'});
# A receiver that takes notes of what it is notified of, and promises everything.
my $notes = $world->dir . '/notes';
my $peer  = Pontoon::Test::Stranger->new($world, 'peer', handler => sub {
    my ($request) = @_;
    return 0 if $request->{path} ne '/notifications';
    open my $fh, '>>', $notes;
    my $payload = decode_base64url(JSON::PP::decode_json($request->{body})->{payload});
    syswrite $fh, "$payload\n";
    my @messages = map {
        +{id => $_->{id}, recipients => [map { +{address => $_->{address}, verdict => 'accepted'} } @{$_->{recipients}}]}
    } @{JSON::PP::decode_json($payload)->{messages}};
    return [200, {'Content-Type' => 'application/json'}, JSON::PP::encode_json({messages => \@messages})];
});
$peer->start;
$world->start;

my $body = Pontoon::Test::Mail->plain(to => 'x@peer.test', body => join '', map { "line $_\r\n" } 1 .. 20_000);
my $sent = $a->submit(from => 'alice@a.test', to => ['x@peer.test', 'y@peer.test'], message => $body);
wait_for('the notification', sub { -s $notes });
my ($first) = do { local @ARGV = ($notes); <> };
my $n     = JSON::PP::decode_json($first);
my $m     = $n->{messages}[0];
my $url   = $a->outbound . "/messages/$m->{id}";
my @token = (Authorization => "Bearer $m->{token}");
is $n->{iss}, 'a.test', 'iss';
is $n->{aud}, 'peer.test', 'aud';

sub ask {
    my ($what, %o) = @_;
    return Pontoon::Test::Https->request(url => $what, address => $a->address, ca => $world->ca->file, %o);
}
sub fetch { my (%headers) = @_; return ask($url, headers => {@token, %headers}) }

# Served as it was signed.
my $whole = fetch();
is $whole->{status}, 200, 'the message is served';
is length $whole->{body}, $m->{size}, 'with the signed size';
is sha256_base64($whole->{body}) =~ tr{+/}{-_}r, $m->{digest}, 'and digest';
ok substr($whole->{body}, -length $body) eq $body, 'it is what was sent, behind one header';
is $whole->{headers}{'content-type'}, 'message/rfc822', 'as message/rfc822';
like $whole->{headers}{etag}, qr/^"[^"]+"$/, 'with a strong ETag';
is $whole->{headers}{'repr-digest'}, 'sha-256=:' . sha256_base64($whole->{body}) . '=:', 'and Repr-Digest';
is fetch()->{headers}{etag}, $whole->{headers}{etag}, 'the same the next time';
my $head = ask($url, method => 'HEAD', headers => {@token});
is $head->{status}, 200, 'HEAD';
is $head->{headers}{'content-length'}, $m->{size}, 'says the size';

# Ranges.
my $size = $m->{size};
for my $range (['bytes=0-0', 0, 1], ['bytes=0-', 0, $size], ['bytes=100-199', 100, 100], ["bytes=-7", $size - 7, 7],
    ["bytes=70000-", 70000, $size - 70000], ['bytes=' . ($size - 1) . '-', $size - 1, 1], ["bytes=5-99999999999", 5, $size - 5],
    ["bytes=-99999999", 0, $size])
{
    my ($value, $from, $length) = @$range;
    my $part = fetch(Range => $value);
    is $part->{status}, 206, "Range: $value is honoured";
    ok $part->{body} eq substr($whole->{body}, $from, $length), 'with the right bytes';
    is $part->{headers}{'content-range'}, sprintf('bytes %d-%d/%d', $from, $from + $length - 1, $size), 'and Content-Range';
}
for my $value ("bytes=$size-", 'bytes=99999999999-', 'bytes=-0') {
    my $part = fetch(Range => $value);
    is $part->{status}, 416, "Range: $value lies outside";
    is $part->{headers}{'content-range'}, "bytes */$size", 'and Content-Range says the size';
    is $part->{headers}{'content-type'}, 'application/problem+json', 'in a problem document';
}
for my $value ('bytes=5-2', 'bytes=a-b', 'bytes=', 'bytes', 'bytes=-', 'items=0-1', 'bytes=0-1,3-4', 'bytes=0x1-2', 'bytes=--5',
    'bytes=18446744073709551616-', '', 'bytes=1-2-3', 'bytes= 1-2 x')
{
    my $part = fetch(Range => $value);
    ok $part->{status} == 200 && $part->{body} eq $whole->{body} || $part->{status} == 416, "malformed Range \"$value\": ignored"
        or diag $part->{status};
}

# Tokens and paths.
my ($aud, $mac) = split /~/, $m->{token};
my $flipped = "$aud~" . ($mac =~ s/^(.)/$1 eq 'A' ? 'B' : 'A'/er);
my %bad_token = (
    'no token' => undef, 'another scheme' => "Basic $m->{token}", 'empty' => 'Bearer ', 'one bit' => "Bearer $flipped",
    'another domain' => "Bearer b.test~$mac", 'no MAC' => "Bearer $aud~", 'no domain' => "Bearer ~$mac", 'longer' => "Bearer $m->{token}x",
    'huge' => 'Bearer ' . 'x' x 4000,
);
for my $name (sort keys %bad_token) {
    my $answer = ask($url, headers => {Authorization => $bad_token{$name}});
    like $answer->{status}, qr/^(401|403)$/, "token, $name: $answer->{status}";
    unlike $answer->{body}, qr/line 1/, 'and not a byte of the message';
    is $answer->{headers}{'content-type'}, 'application/problem+json', 'but a problem document';
}
like ask($a->outbound . "/messages/$_", headers => {@token})->{status}, qr/^40[01345]$/, "path \"$_\""
    for 'NOSUCHMESSAGE', '', '../../etc/passwd', "$m->{id}/", "$m->{id}x", "$m->{id}/receipts", 'x' x 100, '%00', "$m->{id}%2f";
for my $method (qw(PUT DELETE POST PATCH OPTIONS PROPFIND)) {
    my $answer = ask($url, method => $method, headers => {@token, Connection => 'keep-alive'}, body => "GET / HTTP/1.1\r\n\r\n");
    is $answer->{status}, 405, "$method is not allowed";
    is $answer->{headers}{allow}, 'GET, HEAD', 'Allow says what is';
    is $answer->{headers}{'content-type'}, 'application/problem+json', 'and a problem document';
    is $answer->{headers}{connection}, 'close', 'its body is not taken for the next request' if $method ne 'POST';
}
is ask($a->outbound . $_)->{status}, 404, "GET $_: nothing is there" for '/', '/messages/', '/.well-known/', '/notifications';

# Receipts.
sub receipt {
    my ($text, %headers) = @_;
    return ask("$url/receipts", method => 'POST', headers => {@token, 'Content-Type' => 'application/json', %headers},
        body => ref $text ? JSON::PP::encode_json($text) : $text);
}
sub line { return {recipients => [{address => 'x@peer.test', outcome => 'delivered', status => '2.0.0', text => 'ok', @_}]} }
my @bad_receipts = (
    ['empty', ''], ['no JSON', 'x'], ['an array', '[]'], ['bytes behind', JSON::PP::encode_json(line()) . 'x'],
    ['no recipients', {}], ['empty recipients', {recipients => []}], ['recipients an object', {recipients => {}}],
    ['no address', line(address => undef)], ['a stranger', line(address => 'z@peer.test')], ['another domain', line(address => 'x@b.test')],
    ['no outcome', line(outcome => undef)], ['an unknown outcome', line(outcome => 'eaten')], ['accepted', line(outcome => 'accepted')],
    ['no status', line(outcome => 'failed', status => undef)], ['a wrong class', line(outcome => 'failed', status => '2.0.0')],
    ['a bad status', line(status => '2.0')], ['status a number', line(status => 2)],
    ['a long text', line(text => 'x' x 2000)],
    ['one good, one stranger', {recipients => [@{line()->{recipients}}, @{line(address => 'z@peer.test')->{recipients}}]}],
    ['the same twice', {recipients => [(@{line()->{recipients}}) x 2]}],
);
for my $case (@bad_receipts) {
    my ($name, $text) = @$case;
    my $answer = receipt($text);
    is $answer->{status}, 400, "receipt, $name: 400" or diag $answer->{body};
    is $answer->{headers}{'content-type'}, 'application/problem+json', 'a problem document';
    ok length((eval { JSON::PP::decode_json($answer->{body})->{detail} }) // ''), 'with words: ' . $answer->{body};
}
is receipt(line(), Authorization => "Bearer $flipped")->{status}, 401, 'receipt, a wrong token';
is receipt('x' x 2_000_000)->{status} // 413, 413, 'receipt, too large';
my %state = map { $_->{address} => $_->{state} } @{$a->trace($sent->{queue_id})->[0]{recipients}};
is_deeply \%state, {'x@peer.test' => 'accepted', 'y@peer.test' => 'accepted'}, 'none of them changed anything';

# Good ones; said twice; then the message is gone.
is receipt(line())->{status}, 204, 'a good receipt';
is receipt(line())->{status}, 204, 'and again: no news';
is receipt(line(outcome => 'failed', status => '5.1.1'))->{status}, 204, 'a late "failed" is taken, and changes nothing';
%state = map { $_->{address} => $_->{state} } @{$a->trace($sent->{queue_id})->[0]{recipients}};
is $state{'x@peer.test'}, 'delivered', 'x is delivered';
is fetch()->{status}, 200, 'still served for y';
is receipt(line(address => 'y@peer.test'))->{status}, 204, 'y too';
$a->wait_settled;
is fetch()->{status}, 410, 'all settled: 410';
is $a->pontoon_json('status')->{store}{bodies}, 0, 'and the body is deleted';
is scalar($a->mailbox('alice')), 0, 'alice heard nothing of all that';
$world->nothing_broke;
done_testing;
