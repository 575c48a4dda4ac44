# 429 and 503 with Retry-After are obeyed, within the bound that the configuration sets: by notifications, by fetches, by receipts, and by all that
# goes to the same peer meanwhile. A site of the test's own says when it was asked.
use Pontoon::Test;
use Pontoon::Test::Stranger;
use Time::HiRes qw(time);

my $WAIT  = 2;    # seconds asked for
my $world = new_world();
my ($a, $b, $c) = map { $world->site($_, config => {'milter.discovery-wait' => '30s', map { ("$_.retry-min" => '100ms', "$_.retry-max" => '10s') } qw(store bridge)}) } qw(a b c);
$c->{settings}{'store.fallback-after'} = '1s';
$b->{settings}{'bridge.answer-within'}  = '0s';

# Each kind of request is answered once that it comes too soon, and then as usual.
my $book = $world->dir . '/book';
sub busy {
    my ($request) = @_;
    my ($kind) = $request->{path} =~ m{^/(notifications|messages)(?:/\w+)?$|/(receipts)$} ? $1 // $2 : return 0;
    open my $fh, '+>>', $book or die;
    flock $fh, 2;
    seek $fh, 0, 0;
    my $seen = grep { /^\S+ $kind / } <$fh>;
    my $refused = $kind eq 'messages' && $request->{path} =~ /HOUR/ ? 3600 : $seen ? 0 : $WAIT;
    syswrite $fh, sprintf "%.3f %s %s %d\n", time, $kind, $request->{path}, $refused;
    return [$kind eq 'messages' ? 429 : 503, {'Retry-After' => $refused}, ''] if $refused;
    return [500, {}, ''] if $kind eq 'notifications';
    return 0;
}
sub book {
    my ($kind) = @_;
    open my $fh, '<', $book or return;
    return map { my %e; @e{qw(time kind path refused)} = split; $e{kind} eq $kind ? \%e : () } <$fh>;
}

my $lone = Pontoon::Test::Stranger->new($world, 'lone', handler => sub {
    my ($request) = @_;
    return 0 if $request->{path} ne '/notifications';
    open my $fh, '>>', "$book.lone" or die;
    syswrite $fh, "asked\n";
    return [503, {'Retry-After' => 5}, ''];
});
my $peer   = Pontoon::Test::Stranger->new($world, 'peer', handler => \&busy);
my @offers = map { $peer->offer(Pontoon::Test::Mail->plain(from => 'x@peer.test', subject => "number $_"), id => "FETCH$_", sender => 'x@peer.test') } 1 .. 2;
my $hour   = $peer->offer(Pontoon::Test::Mail->plain(from => 'x@peer.test'), id => 'HOUR1', sender => 'x@peer.test');
$_->start for $peer, $lone;
$world->start;

# ---- notifications: the second message is there while the peer is to be left in peace ----
$a->submit(from => 'alice@a.test', to => ['x@peer.test'], message => Pontoon::Test::Mail->plain(to => 'x@peer.test'));
$a->wait_log(qr/notification for peer.test refused by .*HTTP 503/);
$a->submit(from => 'alice@a.test', to => ['y@peer.test'], message => Pontoon::Test::Mail->plain(to => 'y@peer.test'));

# ---- fetches and receipts ----
is $peer->notify($b, $peer->sign($peer->payload([$_])))->{status}, 200, "$_->{id} was notified" for @offers;
$b->wait_mail('bob', 2);
wait_for('receipts for both', sub { (grep { !$_->{refused} } book('receipts')) >= 2 });
wait_for('another notification', sub { book('notifications') >= 2 });

for my $kind (qw(notifications messages receipts)) {
    my ($refused, @later) = book($kind);
    @later = grep { $_->{time} - $refused->{time} > 0.5 } @later;    # what was on its way already could not know
    is $refused->{refused}, $WAIT, "$kind: the first was asked to wait";
    my $gap = $later[0]{time} - $refused->{time};
    cmp_ok $gap, '>=', $WAIT - 0.01, sprintf '%s: nothing comes for %d s: %.2f s', $kind, $WAIT, $gap;
    cmp_ok $gap, '<', $WAIT + 8, 'but then it does';
}

# ---- a wait that is too long to hold a place for: deferred, and not asked again before it is over, at most retry-max ----
my $long = $peer->notify($b, $peer->sign($peer->payload([$hour])));
wait_for('a fetch', sub { grep { $_->{path} =~ /HOUR/ } book('messages') });
$b->wait_log(qr/HOUR1: .*status=deferred .*Retry-After/);
$peer->notify($b, $peer->sign($peer->payload([$hour])));
wait_for('the answer to the second one', sub { (() = $b->log_after(0) =~ /HOUR1: .*status=deferred/g) >= 2 });
is scalar(grep { $_->{path} =~ /HOUR/ } book('messages')), 1, 'asked to wait for an hour: notified again, it does not fetch again';
# ---- what comes while a peer is left in peace is put back, and comes again by itself, though nothing else happens at this site ----
my (undef, $second) = map {
    my $sent = $c->submit(from => 'alice@c.test', to => ["$_\@lone.test"], message => Pontoon::Test::Mail->plain(to => "$_\@lone.test"));
    $c->wait_log(qr/$sent->{queue_id}: .*returned to SMTP/) if $_ eq 'x';
    $sent;
} qw(x y);
my $begin = time;
$c->wait_log(qr/$second->{queue_id}: .*returned to SMTP/);
cmp_ok time - $begin, '<', 40, 'it is not forgotten for a minute';
$world->nothing_broke;
done_testing;
