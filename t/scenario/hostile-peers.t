# Hostile peers, one table: each deed gets a clear answer, is bounded in time, memory and log, and nothing of it is delivered; and
# the daemons serve decent peers as before. What bad-notification.t, bad-policy.t, bad-fetch.t and lmtp-bad-client.t show is not repeated.
use Pontoon::Test;
use Digest::SHA ();
use IO::Select;
use IO::Socket::INET;
use MIME::Base64 qw(encode_base64url);
use POSIX ();
use Pontoon::Test::Ca;
use Pontoon::Test::Hostile;
use Pontoon::Test::HostileClient;
use Pontoon::Test::HostileMta;
use Pontoon::Test::HostileReceipt;
use Pontoon::Test::HostileStore;
use Pontoon::Test::Https;
use Pontoon::Test::Stranger;
use Pontoon::Test::Taker;

my $world = new_world();
# Who is refused often is soon not heard at all; here each deed is to be judged by itself.
my %unlimited = map { ("bridge.$_" => 0) } qw(requests-per-address refusals-per-address lookups-per-address messages-per-domain);
my $b     = $world->site('b', config => {
    %unlimited,
    'bridge.fetch-timeout'              => '2s',
    'bridge.answer-within'              => '60s',
    'bridge.verify-whole-max'           => '4K',
    'bridge.mta-connections'            => 100,
    'bridge.mta-connections-per-domain' => 100,
    'bridge.connections-per-address'    => 200,
    'bridge.queue-max-per-domain'       => 60,
    'bridge.idle-timeout'               => '3s',
    'discovery.timeout'                 => '10s',
});

# A second site, whose own MTA is hostile to its bridge, and whose store and milter have hostile peers.
my $c = $world->site('c');
$c->{settings} = {%{$c->{settings}}, %unlimited,
    'bridge.mta'                        => $c->address . ':' . (my $mta_port = $world->port($c->address)),
    'bridge.xclient'                    => 'no',
    'bridge.mta-timeout'                => '2s',
    'bridge.answer-within'              => '60s',
    'bridge.mta-connections'            => 100,
    'bridge.mta-connections-per-domain' => 100,
    'store.refusals-per-address'        => 0,
};
my $mta = Pontoon::Test::HostileMta->start(address => $c->address, port => $mta_port, hello => $c->dir . '/hello');

# A store that answers each fetch as its table says.
my %deed = map { $_->{id} => $_ } Pontoon::Test::HostileStore::answers();
my $evil = Pontoon::Test::Stranger->new($world, 'evil', handler => sub {
    my ($request) = @_;
    return [410, {}, ''] if $request->{path} eq '/messages/RECALLED';
    return sub { sleep 5 } if $request->{path} eq '/messages/TWICE';
    my ($id)  = $request->{path} =~ m{^/messages/(\w+)$};
    my $deed  = $deed{$id // ''} // return 0;
    return $deed->{does}->($deed->{good}, $deed->{bad}, $request->{headers}{range});
});
my $plain  = Pontoon::Test::HostileStore::message(600, 'p');
$evil->{messages}{uc "MTA-$_"} = $plain for keys %Pontoon::Test::HostileMta::deeds, keys %Pontoon::Test::HostileMta::hellos;
my $decent = Pontoon::Test::Stranger->new($world, 'decent');
my $honest = $decent->offer(Pontoon::Test::Mail->plain(from => 'mallory@decent.test', subject => 'decent'), id => 'DECENT');
my @takers = map { Pontoon::Test::Taker->new($world, $_, from => $c, script => sub { 'accepted' }) } qw(peer other);

# Domains whose hosts have good addresses while their policies are fetched, and others afterwards. `in` is where one takes notifications.
my %rebound = (rebound1 => 'A 127.0.0.1', rebound2 => 'A 169.254.169.254', rebound3 => 'AAAA ::1', rebound4 => 'A 10.1.2.3');
my %rebinder = map { $_ => Pontoon::Test::Stranger->new($world, $_) } sort keys %rebound;
my $turncoat = Pontoon::Test::Stranger->new($world, 'turncoat', policy => {inbound => ['https://in.turncoat.test:' . $world->policy_port]});
$world->dns->set_host('in.turncoat.test', $world->address(239));    # nobody listens there
$_->start for $evil, $decent, @takers, $turncoat, values %rebinder;

# Domains whose policy or outbound URLs lead where nobody may be led; all served by one server, all signed by one key.
my $host    = $world->address(240);
my $port    = $world->policy_port;
my $refused = qr/not globally routable/;
my (%policy, @domains);
sub domain {
    my ($name, $answer, $dns, $policy) = @_;
    my $domain = 'p' . scalar(@domains) . '.test';
    push @domains, [$domain, $name, $answer];
    $world->dns->set("_sender-store.$domain", 'TXT "v=SSMP1; id=1"');
    ref $dns ? $world->dns->set("sender-store.$domain", @$dns) : $world->dns->set_host("sender-store.$domain", $host);
    $policy{"sender-store.$domain"} = ref $policy eq 'HASH'
        ? do { local $evil->{policy} = $policy; [200, {'Content-Type' => 'application/json'}, $evil->policy_text] } : $policy;
    return $domain;
}
domain("a policy at $_", qr/^HTTP (401|503) .*$refused/, [/:/ ? "AAAA $_" : "A $_"])
    for qw(127.0.0.1 127.1.2.3 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 224.0.0.1 255.255.255.255 0.0.0.0 192.0.2.1
    198.18.0.1 240.0.0.1 ::1 :: fe80::1 fc00::1 ff02::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 2002:7f00:1:: 2001:db8::1);
$world->dns->set('loopback.test', 'A 127.0.0.1');
domain('a policy at a CNAME of loopback', qr/^HTTP (401|503) .*$refused/, ['CNAME loopback.test.']);
domain('a policy at a CNAME of itself', qr/^HTTP (401|503) /, ['CNAME sender-store.p' . @domains . '.test.']);
domain("outbound $_", qr/^HTTP (401|503) .*outbound/, undef, {outbound => [$_]})
    for 'https://127.0.0.1', 'https://[::1]', 'https://[::ffff:7f00:1]:25', 'http://sender-store.evil.test', 'https://u:p@sender-store.evil.test',
    'file:///etc/passwd', 'gopher://sender-store.evil.test', "https://sender-store.evil.test/\r\nX: y";
domain("outbound $_", qr/^(HTTP (401|503) .*outbound|deferred 4\.4\.2 )/, undef, {outbound => [$_]})
    for 'https://2130706433', 'https://0x7f000001', 'https://0177.0.0.1', 'https://127.1', 'https://localhost';
domain('outbound at a name of loopback', qr/^deferred 4\.4\.2 .*$refused/, undef, {outbound => ["https://loopback.test:$port"]});
domain('an endless policy', qr/^HTTP (401|503) /, undef,
    sub { Pontoon::Test::HostileStore::endless($_[0], "HTTP/1.1 200 OK\r\n\r\n", ' ' x 65536) });
domain('a policy of a byte a second', qr/^HTTP 503 /, undef, sub { Pontoon::Test::HostileStore::endless($_[0], "HTTP/1.1 200 OK\r\n\r\n", '{', 1) });
domain('a policy with 10,000 inbound URLs', qr/^HTTP (401|503) /, undef, {inbound => [map { "https://i$_.test" } 1 .. 10_000]});
domain('a policy with 1000 keys', qr/^HTTP (401|503) /, undef, {keys => {keys => [map { +{%{$evil->jwk}, kid => "k$_"} } 1 .. 1000]}});
domain('a redirected policy', qr/^HTTP (401|503) /, undef, [302, {Location => "https://loopback.test:$port/x"}, '']);

# Stores whose TLS is wrong.
my @tls;
for my $wrong (['expired' => $world->ca->issue_expired('tls0.test')], ['of another name' => $world->ca->issue('elsewhere.test')],
    ['self-signed' => self_signed('tls2.test')], ['TLS 1.1 only' => $world->ca->issue('tls3.test'),
        {SSL_version => 'TLSv1_1', SSL_cipher_list => 'DEFAULT:@SECLEVEL=0'}])
{
    my ($name, $chain, $key, $tls) = @$wrong;
    my ($tls_host, $tls_port) = ('tls' . @tls . '.test', $world->port($host));
    $world->dns->set_host($tls_host, $host);
    push @tls, Pontoon::Test::Https->serve(address => $host, port => $tls_port, chain => $chain, key => $key, tls => $tls,
        handler => sub { Pontoon::Test::HostileStore::plain($plain) });
    domain("a certificate or TLS that is wrong: $name", qr/^deferred 4\.4\.2 .*(SSL|TLS|certificate)/i, undef,
        {outbound => ["https://$tls_host:$tls_port"]});
}

sub self_signed {
    my ($name) = @_;
    my $base = $world->dir . "/$name";
    Pontoon::Test::Ca::openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', "$base.key",
        '-out', "$base.pem", '-subj', "/CN=$name", '-addext', "subjectAltName=DNS:$name");
    return ("$base.pem", "$base.key");
}

my ($chain, $key) = $world->ca->issue(keys %policy);
Pontoon::Test::Https->serve(address => $host, port => $port, chain => $chain, key => $key, handler => sub {
    my ($request) = @_;
    return $request->{path} =~ /well-known/ ? $policy{$request->{headers}{host} =~ s/:\d+$//r} : [503, {}, ''];
});
my $trap = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 5);    # where no one may come
$world->start;

# What a notification of one message got: "VERDICT STATUS TEXT", or "HTTP CODE DETAIL".
sub answer {
    my ($response) = @_;
    return 'no answer' unless $response;
    return "HTTP $response->{status} " . ($response->{json}{detail} // '') if $response->{status} != 200;
    my $v = $response->{json}{messages}[0]{recipients}[0];
    return join ' ', map { $_ // '' } @$v{qw(verdict status text)};
}

# From here on both sites know evil.test: many notifications at one time would be many look-ups.
for my $site ($b, $c) {
    my $offer = $evil->offer($plain, id => 'NOTHERE', recipients => [{address => 'nobody@' . $site->domain}], sender => 'x@evil.test');
    like answer($evil->notify($site, $evil->sign($evil->payload([$offer], aud => $site->domain)))), qr/^(rejected|deferred) /, 'a first notification';
}

# They know these domains, too, while their hosts' addresses are good.
for my $r (map { $rebinder{$_} } sort keys %rebinder) {
    my $offer = $r->offer($plain, id => 'NOTHERE', recipients => [{address => 'nobody@b.test'}]);
    like answer($r->notify($b, $r->sign($r->payload([$offer])))), qr/^rejected /, "a first notification of $r->{domain}";
}
my $sender = 'alice@c.test';
sub submit_at_c { $c->submit(from => $sender, to => [@_], message => Pontoon::Test::Mail->plain(from => $sender, subject => 'from c')) }
submit_at_c('x@turncoat.test');
$c->wait_log(qr/to=<x\@turncoat\.test>, .*status=deferred/);
my $turned = $c->log_size;
$world->dns->{records}{"sender-store.$_.test"} = [$rebound{$_}] for keys %rebound;
$world->dns->set('in.turncoat.test', 'A 127.0.0.1');

my $table  = Pontoon::Test::Hostile->new(world => $world, site => $b);
my $before = $b->peak_memory('bridge');

# ---- stores ----

my @stores = map {
    my $deed = $deed{$_};
    my $body = $evil->sign($evil->payload([$evil->offer($deed->{good}, id => $deed->{id})]));
    +{who => 'objection-4b', tag => $deed->{id}, does => sub { answer($evil->notify($b, $body)) }, answer_is => $deed->{verdict},
        log => qr/status=(bounced|deferred)/, map { $_ => $deed->{$_} } grep { exists $deed->{$_} } qw(name lines_max)}
} sort keys %deed;
$table->run(@stores);

# ---- policies ----

my @policies = map {
    my ($domain, $name, $answer) = @$_;
    my $offer = $evil->offer($plain, id => uc($domain) =~ s/\W/-/gr . '-X', sender => "mallory\@$domain");
    my $body  = $evil->sign($evil->payload([$offer], iss => $domain));
    +{who => 'policy', name => $name, tag => "$domain", does => sub { answer($evil->notify($b, $body)) }, answer_is => $answer}
} @domains;
$table->run(@policies, map {
    my $r    = $rebinder{$_};
    my $body = $r->sign($r->payload([$r->offer($plain, id => uc $_)]));
    +{who => 'rebinding', name => "an outbound host that has turned to $rebound{$_}", tag => uc $_, does => sub { answer($r->notify($b, $body)) },
        answer_is => qr/^deferred 4\.4\.2 .*$refused/}
} sort keys %rebinder);
$c->wait_log(qr/to=<x\@turncoat\.test>, .*$refused/, $turned);
pass 'nor is anybody notified at an address that a host turned to';

# ---- notifiers ----

my %signed = (
    'deep JSON'                => '{"a":' x 5000 . '1' . '}' x 5000,
    'iss twice'                => '{"iss":"evil.test","iss":"b.test","aud":"b.test","iat":1,"exp":2,"messages":[]}',
    'invalid UTF-8'            => "{\"iss\":\"evil\xff\xfe.test\"}",
    'NUL'                      => "{\"iss\":\"evil.test\0\"}",
    'a number of 400 digits'   => '{"iss":"evil.test","aud":"b.test","iat":' . '9' x 400 . ',"exp":2,"messages":[]}',
    'iat a float'              => '{"iss":"evil.test","aud":"b.test","iat":1e9,"exp":2e9,"messages":[]}',
    'numbers out of range'     => '{"iss":"evil.test","aud":"b.test","iat":9223372036854775807,"exp":-9223372036854775808,"messages":[]}',
    'id ".."'                  => $evil->payload([$evil->offer($plain, id => '..')]),
    'id with %2f'              => $evil->payload([$evil->offer($plain, id => 'a%2f..%2fb')]),
    'NUL in a recipient'       => $evil->payload([$evil->offer($plain, id => 'NUL1', recipients => [{address => "bob\0\@b.test"}])]),
    'CRLF in a recipient'      => $evil->payload([$evil->offer($plain, id => 'CRLF1',
        recipients => [{address => "bob>\r\nDATA\r\nSubject: x\r\n.\r\nRCPT TO:<bob\@b.test"}])]),
    'quoted CRLF in a sender'  => $evil->payload([$evil->offer($plain, id => 'CRLF2', sender => "\"a\r\nRSET\r\n\"\@evil.test")]),
    'CRLF in envid'            => $evil->payload([$evil->offer($plain, id => 'CRLF3', envid => "x\r\nRSET")]),
    'CRLF in orcpt'            => $evil->payload([$evil->offer($plain, id => 'CRLF4',
        recipients => [{address => 'bob@b.test', orcpt => "rfc822;x\r\nRSET"}])]),
    '1001 recipients'          => $evil->payload([$evil->offer($plain, id => 'MANY', recipients => [map { +{address => "$_\@b.test"} } 1 .. 1001])]),
);
my @notifiers = map {
    my $body = $evil->sign($signed{$_});
    +{who => 'notifier', name => $_, does => sub { answer($evil->notify($b, $body)) }, answer_is => qr/^HTTP 400 ./}
} sort keys %signed;
push @notifiers, {who => 'notifier', name => '64 KiB and one byte', does => sub { answer($evil->notify($b, 'x' x 65537)) }, answer_is => qr/^HTTP 413/},
    {who => 'notifier', name => 'a compact HS256 JWS with our public key', answer_is => qr/^HTTP 400/, does => sub {
        answer($evil->notify($b, join '.', map { encode_base64url($_) } '{"alg":"HS256"}', '{}', 'x')) }};
my $recalled = $evil->sign($evil->payload([$evil->offer($plain, id => 'RECALLED')]));
push @notifiers, {who => 'notifier', name => 'replays of what was recalled', tag => 'RECALLED', lines_max => 20,
    does => sub { join ' ', map { answer($evil->notify($b, $recalled)) =~ s/^(\S+ \S+).*/$1/r } 1 .. 5 }, answer_is => qr/^(deferred 4\.3\.0 ?){5}$/};
my @twice = map { $evil->sign($evil->payload([$evil->offer($_, id => 'TWICE')])) } $plain, "$plain\r\n";
push @notifiers, {who => 'notifier', name => 'another digest under the id of what is being fetched', tag => 'TWICE', does => sub {
    my $pid = fork // die $!;
    POSIX::_exit(!$evil->notify($b, $twice[0])) if !$pid;
    wait_for('the first fetch', sub { grep { m{/messages/TWICE} } $evil->requests });
    my $answer = answer($evil->notify($b, $twice[1]));
    waitpid $pid, 0;
    return $answer;
}, answer_is => qr/^rejected 5\.7\.1 .*another message/};
my $flood = $evil->sign($evil->payload([map { $evil->offer($plain, id => "FLOOD$_") } 1 .. 100]));
push @notifiers, map { +{who => 'objection-8', name => "a flood of one domain, $_", answer_is => qr/^HTTP 429 .*this domain/,
    does => sub { answer($evil->notify($b, $flood)) }} } 1 .. 5;
push @notifiers, map {
    my ($name, $bytes, $answer) = @$_;
    +{who => 'client', name => $name, answer_is => $answer,
        does => sub { Pontoon::Test::HostileClient::http($bytes, address => $b->address, port => $b->{port}{bridge}) }}
} @Pontoon::Test::HostileClient::http;
$table->run(@notifiers);

# ---- the bridge's own MTA ----

my $table_c = Pontoon::Test::Hostile->new(world => $world, site => $c, dir_name => 'hostile-c');
$table_c->run(map {
    my $deed  = $Pontoon::Test::HostileMta::deeds{$_};
    my $id    = uc "MTA-$_";
    my $offer = $evil->offer($plain, id => $id, sender => "$_\@evil.test", recipients => [{address => 'bob@c.test'}]);
    my $body  = $evil->sign($evil->payload([$offer], aud => 'c.test'));
    +{who => 'MTA', name => "$_ at $deed->[0]", tag => $id, does => sub { answer($evil->notify($c, $body)) }, answer_is => $deed->[2],
        log => qr/status=(bounced|deferred)/}
} sort keys %Pontoon::Test::HostileMta::deeds);

my $table_hello = Pontoon::Test::Hostile->new(world => $world, site => $c, dir_name => 'hostile-hello', at_once => 1);
$table_hello->run(map {
    my $name  = $_;
    my $deed  = $Pontoon::Test::HostileMta::hellos{$name};
    my $id    = uc "MTA-$name";
    my $offer = $evil->offer($plain, id => $id, sender => 'x@evil.test', recipients => [{address => 'bob@c.test'}]);
    my $body  = $evil->sign($evil->payload([$offer], aud => 'c.test'));
    +{who => 'MTA', name => $name, tag => $id, does => sub { $mta->begin_with($name); answer($evil->notify($c, $body)) }, answer_is => $deed->[2],
        log => qr/status=(bounced|deferred)/}
} sort keys %Pontoon::Test::HostileMta::hellos);
$mta->begin_with(undef);

# ---- receipts ----

my @receipts = @Pontoon::Test::HostileReceipt::receipts;
my @about    = map { "r$_\@peer.test" } 0 .. $#receipts;
submit_at_c(@about, 'x@other.test');
submit_at_c('y@peer.test');
my ($peer, $other) = @takers;
my $last = sub { my ($taker, $rcpt) = @_; (grep { grep { $_->{address} eq $rcpt } @{$_->{recipients}} } $taker->notified)[-1] };
wait_for('two notifications of all that', sub { ($last->($peer, $about[-1]) // {serial => 0})->{serial} > 1 && $last->($peer, 'y@peer.test') && $last->($other, 'x@other.test') });
my %notified = (m => $last->($peer, $about[-1]), other => $last->($peer, 'y@peer.test'), foreign => $last->($other, 'x@other.test'));
my $say = sub {
    my ($body, %o) = @_;
    my $message = {%{$notified{m}}, map { exists $o{$_} ? ($_ => $o{$_}) : () } qw(id token)};
    my $response = eval { $peer->ask($message, path => '/receipts', method => $o{method} // 'POST', body => $body) } or return 'no answer';
    return "HTTP $response->{status}" . ($response->{body} =~ /"detail":\s*"([^"]*)/ ? " $1" : '');
};
my $receipts_log = $c->log_size;
$table_c->run(map {
    my ($name, $does, $answer) = @{$receipts[$_]};
    my %o = (%notified, say => $say, rcpt => $about[$_]);
    +{who => 'receipt', name => $name, does => sub { $does->(\%o) }, answer_is => $answer, tag => "to=<$about[$_]>"}
} 0 .. $#receipts);
my ($entry) = grep { $_->{id} eq $notified{m}{id} } @{$c->pontoon_json('queue')};
my %state = map { $_->{address} => $_->{state} } @{$entry->{recipients}};
is_deeply [map { ($state{$about[$_]} // 'gone') eq ($receipts[$_][3] ? 'gone' : 'accepted') ? () : "$receipts[$_][0]: $state{$about[$_]}" } 0 .. $#receipts], [],
    'receipts settle whom they may settle, and nobody else';
cmp_ok length($c->log_after($receipts_log)), '<', 2000 * @receipts, 'the log of all that is bounded';

# ---- milter clients ----

my $socket = $c->dir . '/milter.sock';
my $stored = $c->pontoon_json('status')->{store}{messages};
$table_c->run(map {
    my ($name, $bytes) = @$_;
    +{who => 'milter', name => $name, answer_is => qr/^(answered|closed)/, does => sub { Pontoon::Test::HostileClient::milter($socket, $bytes) }}
} @Pontoon::Test::HostileClient::milter);
cmp_ok $c->pontoon_json('status')->{store}{messages}, '<=', $stored, 'nothing of that was diverted'; # what waited may have come to its end

# libmilter itself may die of this one (doc/threats.md: only the MTA's group may open the socket). Then it is as after any crash: the client of
# a message that is under way comes again, and systemd starts the milter anew.
$c->stop('milter');
$c->start('milter', ASAN_OPTIONS => join ':', grep { defined } $ENV{ASAN_OPTIONS}, 'handle_segv=0');
my $through = sub { Pontoon::Test::Mail->plain(from => $sender, to => 'alice@b.test', subject => "honest $_[0]") };
my @pieces  = ($through->(1) =~ /^(.*?\r\n)(.*)$/s, undef);
my $died;
my $first = $c->client->send(from => $sender, to => ['alice@b.test'], message => sub {
    my $piece = shift @pieces;
    return $piece if @pieces != 1;
    for (1 .. 20) {
        Pontoon::Test::HostileClient::milter($socket, $Pontoon::Test::HostileClient::odd_macros);
        last if $died = !$c->daemon('milter')->alive;
    }
    $died ||= wait_until(sub { !$c->daemon('milter')->alive }, 0.5);    # of the last, a moment later
    $c->start('milter') if $died;
    return $piece;
});
note 'an odd number of macro strings: ' . ($died ? 'libmilter died' : 'libmilter lived') . ", the client got $first->{code}";
$c->submit(from => $sender, to => ['alice@b.test'], message => $through->(1)) if $first->{code} !~ /^2/;
$c->submit(from => $sender, to => ['alice@b.test'], message => $through->(2));

# ---- the audit ----

$_->report for $table, $table_c, $table_hello;
my $count = $table->count + $table_c->count + $table_hello->count;
cmp_ok $count, '>=', 60, "cases: $count";
ok !IO::Select->new($trap)->can_read(0), 'nobody was led to 127.0.0.1' if $trap;
my @through = $b->wait_mail('alice', 2);
is_deeply [sort map { $_->text =~ /^Subject: (.*?)\r?\n/m } @through], ['honest 1', 'honest 2'], 'honest mail went through, each once';
is scalar(grep { $_->text =~ /^Received: [^\n]*\n[^\n]*\(pontoon\)/m } @through), 2, 'by the store';
is scalar($b->mailbox($_)), 0, "nothing was delivered to $_" for qw(bob carol dave);
unlike $_->log_after(0), qr/[^ -~\n]/, 'no control characters in the log of ' . $_->domain for $b, $c;
my $peak = $b->peak_memory('bridge');
note "peak memory of the bridge: $before KiB before, $peak KiB after";
cmp_ok $peak - $before, '<', 32 * 1024, 'memory is bounded' unless $ENV{PONTOON_PLAIN_BUILD};    # sanitizers take memory of their own
is answer($decent->notify($b, $decent->sign($decent->payload([$honest])))) =~ s/ .*//r, 'delivered', 'a decent peer is served';
is scalar($b->wait_mail('bob', 1)), 1, 'and his message is there';

# With `iss` an id names a message for good: a replay is answered with what became of it, other content is refused, nothing fetched.
my $same = $decent->offer("Subject: another\r\n\r\nother bytes\r\n", id => 'DECENT');
like answer($decent->notify($b, $decent->sign($decent->payload([$honest])))), qr/^delivered /, 'told again what became of it';
like answer($decent->notify($b, $decent->sign($decent->payload([$same])))), qr/^rejected 5\.\d\.\d .*id/, 'its id with another digest: refused';
is scalar($b->mailbox('bob')), 1, 'but nothing comes twice, nor under an id that is taken';
is scalar(grep { m{^GET /messages/DECENT} } $decent->requests), 1, 'nor is it fetched again';
$world->nothing_broke;
done_testing;
