# Invariant 4: what is delivered is what was signed. A store that swaps, truncates, extends, stalls, lies about the length or has
# lost the message: nothing reaches a mailbox, small or large; and the sender is told.
use Pontoon::Test;
use Pontoon::Test::Stranger;

my $world = new_world();
my $b     = $world->site('b', config => {
    'bridge.answer-within'  => '20s', 'bridge.fetch-timeout' => '500ms',
    'bridge.verify-whole-max' => '64K', 'bridge.retry-max' => '300ms'});
my $small = Pontoon::Test::Mail->plain(from => 'mallory@evil.test', body => "original\r\n");
my $large = Pontoon::Test::Mail->plain(from => 'mallory@evil.test', body => "original line\r\n" x 30_000);

sub whole { my ($bytes, %h) = @_; return [200, {'Content-Type' => 'message/rfc822', ETag => '"x"', %h}, $bytes] }

# name; what the store answers instead of $bytes; the verdict's status.
my @tricks = (
    ['swapped byte'   => sub { whole($_[0] =~ s/original/0riginal/r) }, qr/^5\.6\.0/],
    ['last byte'      => sub { whole(substr($_[0], 0, -3) . "!\r\n") }, qr/^5\.6\.0/],
    ['another message' => sub { whole(Pontoon::Test::Mail->plain(body => "x" x 600 . "\r\n")) }, qr/^5\.6\.0/],
    ['extended'       => sub { whole($_[0] . "more\r\n") }, qr/^5\.6\.0/],
    ['shortened'      => sub { whole(substr $_[0], 0, -10) }, qr/^[45]\./],
    ['empty'          => sub { whole('') }, qr/^[45]\./],
    ['cut off'        => sub { "HTTP/1.1 200 OK\r\nContent-Type: message/rfc822\r\nContent-Length: " . length($_[0]) . "\r\n\r\n" . substr $_[0], 0, -20 }, qr/^[45]\./],
    ['404'            => sub { [404, {}, ''] }, qr/^4\./],
    ['410'            => sub { [410, {}, ''] }, qr/^4\./],
    ['401'            => sub { [401, {}, ''] }, qr/^4\./],
    ['a redirect'     => sub { [302, {Location => 'https://sender-store.evil.test/other'}, $_[0]] }, qr/^4\./],
    ['silence'        => sub { sleep 30; undef }, qr/^4\./],
    ['bad Repr-Digest only' => sub { whole($_[0], 'Repr-Digest' => 'sha-256=:AAAA:') }, 'delivered'],
);
my (%by_id, @offers);
my $evil = Pontoon::Test::Stranger->new($world, 'evil', handler => sub {
    my ($request) = @_;
    my ($id) = $request->{path} =~ m{^/messages/(\w+)$} or return 0;
    return $by_id{$id}->();
});
for my $size (['small', $small], ['large', $large]) {
    for my $i (0 .. $#tricks) {
        my ($name, $answer, $status) = @{$tricks[$i]};
        my $bytes = $size->[1];
        my $id    = uc "$size->[0]$i";
        $by_id{$id} = sub { $answer->($bytes) };
        push @offers, [$evil->offer($bytes, id => $id), "$size->[0], $name", $status, $id];
    }
}
$evil->start;
$world->start;

my $delivered = 0;
for my $offer (@offers) {
    my ($message, $name, $status) = @$offer;
    my $response = $evil->notify($b, $evil->sign($evil->payload([$message])));
    is $response->{status}, 200, "$name: answered" or diag $response->{body};
    my $verdict = $response->{json}{messages}[0]{recipients}[0];
    note "$name: $verdict->{verdict} $verdict->{status} $verdict->{text}";
    if (!ref $status) {
        is $verdict->{verdict}, 'delivered', "$name: the signed digest is what counts";
        $delivered++;
    } else {
        like $verdict->{verdict}, qr/^(deferred|rejected)$/, "$name: not delivered";
        like $verdict->{status}, $status, "$name: $verdict->{status} $verdict->{text}";
    }
}
my @mails = $b->wait_mail('bob', $delivered);
is @mails, $delivered, 'nothing else reached the mailbox';
is scalar(grep { !$_->carries($small) && !$_->carries($large) } @mails), 0, 'and that is as it was signed';

# The same id for other content is refused, and the earlier message is not touched.
my ($first) = grep { $_->[1] eq 'small, bad Repr-Digest only' } @offers;
my $changed = $evil->offer($small =~ s/original/changed!/r, id => $first->[3]);
my $verdict = $evil->notify($b, $evil->sign($evil->payload([$changed])))->{json}{messages}[0]{recipients}[0];
is "$verdict->{verdict} $verdict->{status}", 'rejected 5.7.1', 'an id that was used for another message';
$verdict = $evil->notify($b, $evil->sign($evil->payload([$first->[0]])))->{json}{messages}[0]{recipients}[0];
is $verdict->{verdict}, 'delivered', 'the same again is answered with what is known';
is scalar(grep { m{/messages/$first->[3]\b} } $evil->requests), 1, 'and fetched only once';
is scalar($b->mailbox('bob')), $delivered, 'delivered only once';
$world->nothing_broke;
done_testing;
