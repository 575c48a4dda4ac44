# Objection 4c, invariant 6: what a store learns from a fetch is a fixed, minimal set of request headers, one fetch for
# all recipients of a site, at once; and who does not own the token learns nothing.
use Pontoon::Test;
use Pontoon::Test::Stranger;

my $world = new_world();
my $b     = $world->site('b');
my $heads = $world->dir . '/heads';
my $peer  = Pontoon::Test::Stranger->new($world, 'peer', handler => sub {
    my ($request) = @_;
    open my $fh, '>>', $heads;
    syswrite $fh, "$request->{raw_head}\n\n";
    return 0;
});
my $bytes = Pontoon::Test::Mail->plain(from => 'mallory@peer.test');
my $offer = $peer->offer($bytes, recipients => [map { +{address => "$_\@b.test"} } qw(alice bob carol)]);
$peer->start;
$world->start;

is $peer->notify($b, $peer->sign($peer->payload([$offer])))->{status}, 200, 'notified';
$b->wait_mail($_, 1) for qw(alice bob carol);
my $text = do { local (@ARGV, $/) = ($heads); <> };
my @fetches = grep { m{^GET /messages/} } split /\n\n/, $text;
is @fetches, 1, 'three recipients, one fetch';
my ($start, @lines) = split /\r\n/, $fetches[0];
is $start, "GET /messages/$offer->{id} HTTP/1.1", 'the request';
is_deeply [sort map { lc s/:.*//r } @lines], ['authorization', 'host'], 'Host and Authorization, nothing else' or diag $fetches[0];
my ($policy) = grep { /well-known/ } split /\n\n/, $text;
unlike $policy, qr/user-agent|cookie|referer/i, 'the policy look-up says nothing about us either' or diag $policy;
unlike $text, qr/alice|bob\b|carol/, 'no recipient is named in any request';
$world->nothing_broke;
done_testing;
