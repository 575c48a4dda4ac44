# What limits and pacer do is seen: in `pontoon status` and in its JSON, of running daemons; and nothing is made up when none runs.
use Pontoon::Test;
use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(encode_base64url);
use Pontoon::Test::Https;

my ($world, $a, $b) = two_sites(
    a => {config => {'store.requests-per-address' => 5, 'store.refusals-per-address' => 0}},
    b => {config => {'bridge.requests-per-address' => 5, 'bridge.refusals-per-address' => 0}});

sub limit {
    my ($site, $daemon, $name) = @_;
    my ($limit) = grep { $_->{name} eq $name } @{$site->pontoon_json('status')->{limits}{$daemon}};
    return $limit // {refused => 0};
}

$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain(to => 'bob@b.test'));
$a->wait_settled;
my $pacer = $a->pontoon_json('status')->{pacer};
is $pacer->{outstanding}, 0, 'the pacer: nothing is out any more';
is $pacer->{most_outstanding}, 1, 'but one was';
is $pacer->{window}, $pacer->{window_max}, 'the store is quick';
is limit($a, store => 'store.requests-per-address')->{refused}, 0, 'nothing was refused';

for my $to ([$a, store => $a->outbound . '/messages'], [$b, bridge => $b->inbound . '/notifications']) {
    my ($site, $daemon, $url) = @$to;
    my %status;
    my @sources = map { $world->address(150 + $_) } 0, 0, 0, 1;
    for my $i (0 .. 59) {
        $status{Pontoon::Test::Https->request(url => $url, address => $site->address, ca => $world->ca->file, source => $sources[$i % 4])->{status}}++;
    }
    my $n     = $status{429};
    my $limit = limit($site, $daemon => "$daemon.requests-per-address");
    cmp_ok $n, '>', 0, "$daemon: some of 60 requests were refused: $n";
    is $limit->{refused}, $n, 'and that is what it says';
    is $limit->{top}[0]{peer}, $world->address(150), 'and to whom most of them';
    my $text = $site->pontoon('status');
    like $text, qr/^ {8}limit $daemon\.requests-per-address: refused $n, .*; most of all \Q$limit->{top}[0]{peer}\E $limit->{top}[0]{refused}/m,
        'in words, too';
}
like $a->pontoon('status'), qr/^ {8}pacer: 0 messages \(0 bytes\) notified and not yet fetched, 1 at most; window (\d+) of \1;/m, 'and the pacer';

# A token is looked at before any database is: a stranger who guesses costs no statement. Whoever has a token does.
sub statements { return $a->pontoon_json('status')->{statements}{store} }
sub ask {
    my ($n, $path, $token, %o) = @_;
    my %status;
    $status{Pontoon::Test::Https->request(url => $a->outbound . $path, address => $a->address, ca => $world->ca->file,
        source => $world->address(160 + $_), headers => {Authorization => "Bearer $token"}, %o)->{status}}++ for 1 .. $n;
    return \%status;
}
my $id     = '01M8AAAAAAAAAAAAAAAAAAAAAA';
my $secret = do { local (@ARGV, $/) = ($a->dir . '/token-secret'); <> } =~ s/\n.*//sr;
my $good   = 'b.test~' . encode_base64url(hmac_sha256("$id\0b.test", $secret));
my $before = statements();
is_deeply ask(40, "/messages/$id", 'b.test~' . 'A' x 43), {401 => 40}, '40 fetches with a bad token';
is_deeply ask(40, "/messages/$id/receipts", 'b.test~' . 'A' x 43, method => 'POST', body => '{}'), {401 => 40}, 'and 40 receipts';
my $after = statements();
# (the store's own work on a slow machine is a good part of that)
cmp_ok $after - $before, '<', 80, 'cost no statement: ' . ($after - $before) . ', of what the store does by itself';
is_deeply ask(40, "/messages/$id", $good), {404 => 40}, '40 fetches with a good token';
cmp_ok statements() - $after, '>=', 40, 'cost one or more each';

# Who fetches the same again and again is stopped by bytes; what he is notified of he may fetch.
$a->configure('store.fetch-bytes-per-domain' => '1K', 'store.pace-bytes-per-domain' => '1M', 'store.requests-per-address' => 0);
$a->reload('store');
$b->stop('bridge');
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain(to => 'bob@b.test') . ('x' x 70 . "\r\n") x 7000);
my ($waiting) = @{$a->pontoon_json('queue')};
my $token = 'b.test~' . encode_base64url(hmac_sha256("$waiting->{id}\0b.test", $secret));
my $got   = ask(6, "/messages/$waiting->{id}", $token);
is_deeply $got, {200 => 3, 429 => 3}, '6 fetches of 0.5 MB with an allowance of 1 MB: 3 are served' or diag explain $got;
is limit($a, store => 'store.fetch-bytes-per-domain')->{top}[0]{peer}, 'b.test', 'which pontoon status shows';
$b->start('bridge');
$b->wait_mail('bob', 2);

$a->stop('store');
my $status = $a->pontoon_json('status');
is $status->{pacer}, undef, 'without pontoon-store there are no figures of the pacer';
is $status->{limits}{store}, undef, 'nor of its limits';
is ref $status->{limits}{bridge}, 'ARRAY', 'the bridge has its own';
$a->kill9('bridge');
is $a->pontoon_json('status')->{limits}{bridge}, undef, 'a socket that was left behind says nothing';
$a->start($_) for qw(store bridge);
is ref $a->pontoon_json('status')->{limits}{$_}, 'ARRAY', "and is made anew: $_" for qw(store bridge);
$world->nothing_broke;
done_testing;
