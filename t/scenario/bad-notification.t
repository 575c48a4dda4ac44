# Malformed, forged and forbidden notifications, over real TLS and with real signatures: each gets a clear error, and
# changes nothing: nothing fetched, nothing delivered, nothing remembered.
use Pontoon::Test;
use MIME::Base64 qw(encode_base64url);
use Pontoon::Test::Https;
use Pontoon::Test::Stranger;

my $world   = new_world();
my $b       = $world->site('b', config => {'bridge.refuse-senders' => ['unwelcome.test'], 'bridge.idle-timeout' => '2s'});
my $evil    = Pontoon::Test::Stranger->new($world, 'evil');
my $refused = Pontoon::Test::Stranger->new($world, 'unwelcome');
my $bytes   = Pontoon::Test::Mail->plain(from => 'mallory@evil.test', body => "evil\r\n");
my $other   = $evil->new_key('other');
$evil->offer($bytes, id => 'OFFER');
$evil->offer($bytes, id => 'GOOD');
$_->start for $evil, $refused;
$world->start;

sub offer { return $evil->offer($bytes, id => 'OFFER', @_) }
sub signed { my (@o) = @_; return $evil->sign($evil->payload([offer()]), @o) }
sub with_payload { return $evil->sign($evil->payload([offer()], @_)) }
sub with_message { return $evil->sign($evil->payload([offer(@_)])) }
sub with_rcpt { return with_message(recipients => [{address => 'bob@b.test', @_}]) }

my $now = time;
my $ok  = signed();
# name; body; status expected; what the detail must say; more for notify().
my @cases = (
    # The JWS.
    ['empty body'              => '', 400],
    ['no JSON'                 => 'hello', 400],
    ['an array'                => '[]', 400],
    ['a compact JWS'           => join('.', map { encode_base64url($_) } qw({} {} x)), 400],
    ['bytes behind'            => $ok . '{}', 400],
    ['a member too many'       => $ok =~ s/\{/{"header":{},/r, 400],
    ['no signature'            => $ok =~ s/,"signature":"[^"]*"//r, 400],
    ['padding in base64url'    => $ok =~ s/("signature":"[^"]*)"/$1=="/r, 400],
    ['alg none'                => signed(protected => {alg => 'none'}), 400],
    ['alg HS256'               => signed(protected => {alg => 'HS256'}), 400],
    ['another typ'             => signed(protected => {typ => 'JWT'}), 400],
    ['no typ'                  => signed(protected => {typ => undef}), 400],
    ['no kid'                  => signed(protected => {kid => undef}), 400],
    ['crit'                    => signed(protected => {crit => ['b64'], b64 => JSON::PP::false()}), 400],
    ['a key of its own'        => signed(protected => {jwk => {kty => 'OKP', crv => 'Ed25519', x => $other->{x}}}, key => $other), 400],
    ['an unknown key'          => signed(key => $other), 401],
    ['another key, right kid'  => signed(key => {%$other, kid => $evil->{key}{kid}}), 401],
    ['a changed signature'     => $ok =~ s/("signature":")(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/er, 401],
    ['a short signature'       => $ok =~ s/("signature":"[^"]{40})[^"]*/$1/r, 40],
    ['a changed payload'       => $ok =~ s/("payload":")[^"]*/$1 . encode_base64url(JSON::PP->new->encode($evil->payload([offer(id => 'FORGED')])))/er, 401],
    # The payload as a whole.
    ['payload no JSON'         => $evil->sign('hello'), 400],
    ['payload an array'        => $evil->sign([]), 400],
    ['no iss'                  => with_payload(iss => undef), 400, qr/iss/],
    ['iss no domain'           => with_payload(iss => 'local host'), 400, qr/iss/],
    ['iss of somebody else'    => with_payload(iss => 'model.test'), 40],
    ['iss a site of no policy' => $evil->sign($evil->payload([offer(sender => 'x@nopolicy.test')], iss => 'nopolicy.test')), 401],
    ['our own domain as iss'   => $evil->sign($evil->payload([offer(sender => 'alice@b.test')], iss => 'b.test')), 40],
    ['no aud'                  => with_payload(aud => undef), 400, qr/aud/],
    ['aud not ours'            => $evil->sign($evil->payload([offer(recipients => [{address => 'bob@c.test'}])], aud => 'c.test')), 403],
    ['no iat'                  => with_payload(iat => undef), 400, qr/iat/],
    ['iat in the future'       => with_payload(iat => $now + 3600, exp => $now + 7200), 400],
    ['exp passed'              => with_payload(iat => $now - 7200, exp => $now - 3600), 400],
    ['exp before iat'          => with_payload(exp => $now - 10), 400, qr/exp/],
    ['exp far away'            => with_payload(exp => $now + 30 * 86400), 400],
    ['exp a string'            => with_payload(exp => "soon"), 400, qr/exp/],
    ['no messages'             => $evil->sign($evil->payload(undef)), 400, qr/messages/],
    ['empty messages'          => $evil->sign($evil->payload([])), 400, qr/messages/],
    ['101 messages'            => $evil->sign($evil->payload([map { offer(id => "M$_") } 1 .. 101])), 400, qr/messages/],
    ['an id twice'             => $evil->sign($evil->payload([offer(), offer()])), 400, qr/id/],
    # One message.
    ['no id'                   => $evil->sign($evil->payload([do { my $m = offer(); delete $m->{id}; $m }])), 400, qr/id/],
    ['an id with a slash'      => with_message(id => '../etc'), 400, qr/id/],
    ['a long id'               => with_message(id => 'x' x 65), 400, qr/id/],
    ['no token'                => with_message(token => undef), 400, qr/token/],
    ['a token with CRLF'       => with_message(token => "x\r\nX-Evil: y"), 400, qr/token/],
    ['a long token'            => with_message(token => 'x' x 500), 400, qr/token/],
    ['sender elsewhere'        => with_message(sender => 'alice@a.test'), 400, qr/sender/],
    ['null sender'             => with_message(sender => ''), 400, qr/sender/],
    ['sender with CRLF'        => with_message(sender => "m\r\nRCPT TO:<x\@b.test>\@evil.test"), 400, qr/sender/],
    ['no recipients'           => with_message(recipients => []), 400, qr/recipients/],
    ['recipients a string'     => with_message(recipients => 'bob@b.test'), 400, qr/recipients/],
    ['recipient elsewhere'     => with_rcpt(address => 'bob@c.test'), 400, qr/address/],
    ['recipient with >'        => with_rcpt(address => 'bob>x@b.test'), 400, qr/address/],
    ['recipient twice'         => with_message(recipients => [{address => 'bob@b.test'}, {address => 'bob@B.TEST'}]), 400, qr/address/],
    ['UTF-8, no smtputf8'      => with_rcpt(address => "j\x{f6}rg\@b.test"), 400, qr/address/],
    ['size negative'           => with_message(size => -1), 400, qr/size/],
    ['size a string'           => with_message(size => '12'), 400, qr/size/],
    ['size 1.5'                => with_message(size => 1.5), 400, qr/size/],
    ['size beyond 63 bits'     => with_message(size => 1e30), 400],
    ['no digest'               => with_message(digest => undef), 400, qr/digest/],
    ['digest short'            => with_message(digest => 'AAAA'), 400, qr/digest/],
    ['digest in hex'           => with_message(digest => 'a' x 64), 400, qr/digest/],
    ['body 9bit'               => with_message(body => '9bit'), 400, qr/body/],
    ['smtputf8 a string'       => with_message(smtputf8 => 'yes'), 400, qr/smtputf8/],
    ['ret SOME'                => with_message(ret => 'SOME'), 400, qr/ret/],
    ['envid no xtext'          => with_message(envid => 'a b'), 400, qr/envid/],
    ['notify SOMETIMES'        => with_rcpt(notify => 'SOMETIMES'), 400, qr/notify/],
    ['notify NEVER,FAILURE'    => with_rcpt(notify => 'NEVER,FAILURE'), 400, qr/notify/],
    ['orcpt without a type'    => with_rcpt(orcpt => 'bob'), 400, qr/orcpt/],
    # HTTP.
    ['over 64 KiB'             => 'x' x 66_000, 413, qr/66000 bytes; 65536 are the most/],
    ['another content type'    => $ok, 400, qr/content.type/i, headers => {'Content-Type' => 'text/plain'}],
    ['another path'            => $ok, 404, undef, path => '/notification'],
    ['the root'                => $ok, 404, undef, path => '/'],
    ['PUT'                     => $ok, 405, qr/takes only GET, HEAD, POST/, method => 'PUT'],
);
for my $case (@cases) {
    my ($name, $body, $status, $says, %o) = @$case;
    my $response = $evil->notify($b, $body, %o);
    ok $response, "$name: an answer" or next;
    like $response->{status}, qr/^$status/, "$name: $response->{status}" or diag $response->{body};
    is $response->{headers}{'content-type'}, 'application/problem+json', "$name: a problem document";
    is $response->{json}{status}, $response->{status}, "$name: with the status";
    ok length($response->{json}{detail} // ''), "$name: and words: " . ($response->{json}{detail} // '');
    like $response->{json}{detail}, $says, "$name: which name it" if $says;
}
my $response = $refused->notify($b, $refused->sign($refused->payload([$refused->offer($bytes)])));
is $response->{status}, 403, 'a sender that is not welcome: 403';

# No HTTP at all.
for my $raw ("\0\1\2\3" x 10, "GET\r\n\r\n", "POST /notifications HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "POST /notifications HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "GET / HTTP/1.1\r\n" . "X-Header: y\r\n" x 20_000 . "\r\n")
{
    my $answer = Pontoon::Test::Https->request(url => $b->inbound . '/', address => $b->address, ca => $world->ca->file, raw => $raw);
    ok !$answer || $answer->{status} >= 400, 'bytes that are no request: ' . ($answer ? $answer->{status} : 'cut off');
}

is scalar(grep { m{/messages/} } $evil->requests), 0, 'nothing was fetched';
is $b->pontoon_json('status')->{bridge}{known}, 0, 'the bridge remembers nothing';
is scalar($b->mailbox($_)), 0, "$_ got nothing" for qw(alice bob);
my %asked = map { $_ => 1 } grep { m{well-known} } $evil->requests;
is scalar($evil->requests) <= 5, 1, 'and the policy was not asked for again and again' or diag join "\n", $evil->requests;

# All of this would have been seen: the good one is fetched and delivered.
$response = $evil->notify($b, $evil->sign($evil->payload([$evil->offer($bytes, id => 'GOOD')])));
is $response->{status}, 200, 'a good notification is taken' or diag $response->{body};
my ($mail) = $b->wait_mail('bob', 1);
ok $mail->carries($bytes), 'and delivered';
$world->nothing_broke;
done_testing;
