# Malformed records and policies of other domains, over real DNS and TLS: each gets a clear error, the domain takes no part,
# and mail to it goes by SMTP.
use Pontoon::Test;
use JSON::PP ();
use Pontoon::Test::Https;
use Pontoon::Test::Stranger;

my $world = new_world();
my $a     = $world->site('a', config => {'discovery.timeout' => '3s', 'discovery.refresh-min' => '0s'});
my $b     = $world->site('b', pontoon => 0);
my $key   = Pontoon::Test::Stranger->new($world, 'model')->jwk;
my $json  = JSON::PP->new->canonical;

# A policy with changes; undef removes a member.
sub policy {
    my (%changes) = @_;
    my %p = (version => 'SSMP1', mode => 'enforce', max_age => 3600, inbound => ['https://bridge.x.test'],
        outbound => ['https://sender-store.x.test'], keys => {keys => [$key]}, max_size => 1000, %changes);
    delete @p{grep { !defined $p{$_} } keys %p};
    return $json->encode(\%p);
}

my $good = policy();
# name; the answer: a policy's text, or what Https::serve takes; what the error must say.
my @documents = (
    ['good'            => $good, undef],
    ['unknown members' => policy(colour => 'red', later => {x => [1]}), undef],
    ['no outbound'     => policy(outbound => undef, keys => undef), undef],
    ['empty'           => '', qr/./],
    ['no JSON'         => 'hello', qr/JSON|policy/i],
    ['an array'        => '[]', qr/object|policy/],
    ['half'            => substr($good, 0, 50), qr/./],
    ['bytes behind'    => $good . 'x', qr/./],
    ['two documents'   => $good . $good, qr/./],
    ['a name twice'    => $good =~ s/"mode"/"mode":"none","mode"/r, qr/mode|duplicate/i],
    ['invalid UTF-8'   => policy(note => 'NOTE') =~ s/NOTE/\xff\xfe/r, qr/UTF-8|./],
    ['a NUL'           => policy(note => 'NOTE') =~ s/NOTE/\\u0000/r, qr/./],
    ['too deep'        => policy(note => 'NOTE') =~ s/"NOTE"/'[' x 50 . ']' x 50/er, qr/deep|depth|nest/i],
    ['no version'      => policy(version => undef), qr/version/],
    ['version 2'       => policy(version => 'SSMP2'), qr/version/],
    ['version a number' => policy(version => 1), qr/version/],
    ['no mode'         => policy(mode => undef), qr/mode/],
    ['unknown mode'    => policy(mode => 'maybe'), qr/mode/],
    ['no max_age'      => policy(max_age => undef), qr/max_age/],
    ['max_age text'    => policy(max_age => '3600'), qr/max_age/],
    ['max_age 0'       => policy(max_age => 0), qr/max_age/],
    ['max_age < 0'     => policy(max_age => -1), qr/max_age/],
    ['max_age huge'    => policy(max_age => 99999999999), qr/max_age/],
    ['max_age 1.5'     => policy(max_age => 60.5), qr/max_age/],
    ['inbound a string' => policy(inbound => 'https://bridge.x.test'), qr/inbound/],
    ['inbound http'    => policy(inbound => ['http://bridge.x.test']), qr/inbound/],
    ['inbound file'    => policy(inbound => ['file:///etc/passwd']), qr/inbound/],
    ['inbound literal' => policy(inbound => ['https://127.0.0.1']), qr/inbound/],
    ['inbound user'    => policy(inbound => ['https://me:you@bridge.x.test']), qr/inbound/],
    ['inbound query'   => policy(inbound => ['https://bridge.x.test/?x=1']), qr/inbound/],
    ['inbound fragment' => policy(inbound => ['https://bridge.x.test/#x']), qr/inbound/],
    ['inbound port'    => policy(inbound => ['https://bridge.x.test:99999']), qr/inbound/],
    ['inbound CRLF'    => policy(inbound => ["https://bridge.x.test/\r\nX: y"]), qr/inbound/],
    ['inbound number'  => policy(inbound => [1]), qr/inbound/],
    ['too many'        => policy(inbound => [map { "https://b$_.x.test" } 1 .. 17]), qr/inbound/],
    ['a long URL'      => policy(inbound => ['https://bridge.x.test/' . 'x' x 600]), qr/inbound/],
    ['nothing at all'  => policy(inbound => undef, outbound => undef), qr/inbound|outbound/],
    ['no keys'         => policy(keys => undef), qr/key/],
    ['empty keys'      => policy(keys => {keys => []}), qr/key/],
    ['keys an array'   => policy(keys => [$key]), qr/key/],
    ['a short key'     => policy(keys => {keys => [{%$key, x => 'AAAA'}]}), qr/key/],
    ['a key in base64' => policy(keys => {keys => [{%$key, x => 'A' x 42 . '+='}]}), qr/key/],
    ['a private key'   => policy(keys => {keys => [{%$key, d => $key->{x}}]}), qr/key/],
    ['two of one kid'  => policy(keys => {keys => [$key, $key]}), qr/key|kid/],
    ['17 keys'         => policy(keys => {keys => [map { +{%$key, kid => "k$_"} } 1 .. 17]}), qr/key/],
    ['max_size text'   => policy(max_size => 'big'), qr/max_size/],
    ['max_size < 0'    => policy(max_size => -5), qr/max_size/],
    ['over 64 KiB'     => policy(note => 'x' x 70_000), qr/./],
    ['status 404'      => [404, {}, 'no'], qr/404/],
    ['status 500'      => [500, {}, $good], qr/500/],
    ['status 204'      => [204, {}, ''], qr/204/],
    ['a redirect'      => [301, {Location => 'https://sender-store.good.test/.well-known/sender-store'}, $good], qr/301|redirect/i],
    ['cut off'         => "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n$good", qr/./],
    ['no HTTP'         => "220 mx ESMTP\r\n", qr/./],
    ['silence'         => undef, qr/./],
    ['endless headers' => "HTTP/1.1 200 OK\r\n" . 'X-Long: ' . 'x' x 500_000 . "\r\n\r\n", qr/./],
);
my %answer;
for my $document (@documents) {
    my ($name, $answer) = @$document;
    my $host = 'd' . scalar(keys %answer);
    $document->[3] = "$host.test";
    $answer{"sender-store.$host.test"} =
        !defined $answer || ref $answer || $answer =~ /^(HTTP|220)/ ? $answer : [200, {'Content-Type' => 'application/json'}, $answer];
}
my @records = (
    ['no version first'  => ['TXT "id=1; v=SSMP1"']],
    ['no id'             => ['TXT "v=SSMP1"']],
    ['an empty id'       => ['TXT "v=SSMP1; id="']],
    ['two ids'           => ['TXT "v=SSMP1; id=1; id=2"']],
    ['a bad id'          => ['TXT "v=SSMP1; id=a b"']],
    ['a long id'         => ['TXT "v=SSMP1; id=' . 'x' x 65 . '"']],
    ['version 2'         => ['TXT "v=SSMP2; id=1"']],
    ['two records'       => ['TXT "v=SSMP1; id=1"', 'TXT "v=SSMP1; id=2"']],
    ['something else'    => ['TXT "v=spf1 -all"']],
    ['no text'           => ['TXT ""']],
    ['binary'            => ['TXT "v=SSMP1; id=\000\001\255"']],
);
my $address = $world->address(100);
my $dns     = $world->dns;
$dns->set_host($_, $address), $dns->set($_ =~ s/sender-store/_sender-store/r, 'TXT "v=SSMP1; id=1"') for keys %answer;
my $n = 0;
for my $record (@records) {
    $record->[2] = 'r' . $n++ . '.test';
    $dns->set("_sender-store.$record->[2]", @{$record->[1]});
    $dns->set_host("sender-store.$record->[2]", $address);
    $answer{"sender-store.$record->[2]"} = [200, {}, $good];
}
$dns->set_host("sender-store.$_.test", $address), $dns->set("_sender-store.$_.test", 'TXT "v=SSMP1; id=1"') for qw(wrongname b nowhere);
my ($chain, $tls_key) = $world->ca->issue(keys %answer, 'sender-store.b.test');
$answer{"sender-store.$_.test"} = $answer{'sender-store.d3.test'} for qw(wrongname b);
Pontoon::Test::Https->serve(
    address => $address, port => $world->policy_port, chain => $chain, key => $tls_key,
    handler => sub { $answer{$_[0]{headers}{host} =~ s/:\d+$//r} }
);
$dns->set_host('sender-store.nowhere.test', $world->address(101));    # nobody listens
$world->start;

sub look_up {
    my ($domain) = @_;
    my ($out, $status) = $a->pontoon('policy', $domain, '--json');
    return {%{$json->decode($out)}, code => $status >> 8};
}

for my $document (@documents) {
    my ($name, undef, $says, $domain) = @$document;
    my $found = look_up($domain);
    if ($says) {
        isnt $found->{result}, 'takes-part', "policy, $name: takes no part";
        isnt $found->{code}, 0, "policy, $name: and that is an error";
        like $found->{error} // '', $says, "policy, $name: " . ($found->{error} // 'no error');
    } else {
        is $found->{result}, 'takes-part', "policy, $name: takes part" or diag $found->{error};
    }
}
for my $record (@records) {
    my $found = look_up($record->[2]);
    is $found->{result}, 'no', "record, $record->[0]: takes no part";
    ok length($found->{error} // ''), "record, $record->[0]: " . ($found->{error} // '');
}
my $found = look_up('wrongname.test');
isnt $found->{result}, 'takes-part', 'a certificate for another name';
like $found->{error}, qr/certificate|SSL|TLS|name/i, "says so: $found->{error}";
isnt look_up('nowhere.test')->{result}, 'takes-part', 'a policy host where nobody listens';

# And mail to a domain with a broken policy goes by SMTP.
my $message = Pontoon::Test::Mail->plain;
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $message) for 1, 2;
my ($mail) = $b->wait_mail('bob', 2);
ok $mail->carries($message), 'mail to a domain with a broken policy arrives';
unlike join('', map { $_->trace } $b->mailbox('bob')), qr/pontoon/, 'by SMTP';
is $a->pontoon_json('status')->{store}{bodies}, 0, 'the store has nothing of it';
$world->nothing_broke;
done_testing;
