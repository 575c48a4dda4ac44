# Discovery never delays SMTP: the first message to an unknown domain goes by SMTP while the look-up runs in the
# background, the next one crosses the bridge. A domain that leaves goes back to SMTP; a policy that says "none" or
# "testing" keeps the mail itself in SMTP.
use Pontoon::Test;

my $world = new_world();
my $a     = $world->site('a', config => {'milter.discovery-wait' => '0s'});
my $b     = $world->site('b');
$world->start;
my $n = 0;

# Sends one message; "bridge" or "SMTP", by the headers with which it arrived.
sub way {
    my $message = Pontoon::Test::Mail->plain(subject => 'number ' . ++$n);
    $a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $message);
    $b->wait_mail('bob', $n);
    my ($mail) = grep { $_->header('Subject') eq "number $n" } $b->mailbox('bob');
    die "number $n is changed" unless $mail->carries($message);
    return join('', $mail->trace) =~ /pontoon/ ? 'bridge' : 'SMTP';
}
sub way_becomes {
    my ($want) = @_;
    return wait_until(sub { way() eq $want });
}

is way(), 'SMTP', 'an unknown domain: by SMTP';
ok way_becomes('bridge'), 'soon the policy is known: over the bridge';
$b->withdraw;
ok way_becomes('SMTP'), 'the record is gone: by SMTP';
$b->announce;
ok way_becomes('bridge'), 'it is back: over the bridge';

$b->configure('policy.mode' => 'none');
$b->reload('store');
$b->announce;
ok way_becomes('SMTP'), 'mode none, told by a new id in the record: by SMTP';
$b->configure('policy.mode' => 'testing');
$_->signal('HUP') for map { $b->daemon($_) } qw(store bridge);
$b->announce;
is way(), 'SMTP', 'mode testing: the mail itself goes by SMTP';
$b->configure('policy.mode' => 'enforce');
$_->signal('HUP') for map { $b->daemon($_) } qw(store bridge);
$b->announce;
ok way_becomes('bridge'), 'mode enforce again: over the bridge';

# B's policy can't be had for the moment: the one that is known is used.
$b->stop('store');
$b->announce;
is way(), 'bridge', 'the policy host is away, the record changed: the policy that is known is used';
is scalar($b->mailbox('bob')), $n, 'each message once';
$world->nothing_broke;
done_testing;
