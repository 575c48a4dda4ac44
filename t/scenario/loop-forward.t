# Two sites whose aliases forward to each other. The message crosses the bridge once; then it runs in a circle by SMTP, whose own hop limit
# ends that: one DSN to the sender. Then two people whose mail programs forward to each other, as senders of their own: the message
# crosses once: from then on it bears the traces of both sites, and neither diverts it again. And forwards with rewritten senders (SRS).
use Pontoon::Test;
use Pontoon::Test::Dsn;

my $world = new_world();
my ($a, $b) = map { $world->site($_, main => {hopcount_limit => 20}, config => {'milter.divert-clients' => [$world->client]}) } qw(a b);
$world->start;
sub transfers { scalar(my @all = map { $_->log_after(0) =~ /notified by/g } $a, $b) }
sub transactions { scalar(my @all = map { $_->postfix->log_after(0) =~ m{/smtpd\[\d+\]: \w+: client=}g } $a, $b) }

$a->postfix->set_aliases('carol@a.test' => 'bob@b.test');
$b->postfix->set_aliases('bob@b.test' => 'carol@a.test');
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain(subject => 'round and round'));
my ($dsn) = Pontoon::Test::Dsn::all($a->wait_mail('alice', 1, 60));
$a->wait_settled;
$b->wait_settled;
wait_for('both queues to be empty', sub { !$a->postfix->queue && !$b->postfix->queue });
is scalar($a->mailbox('alice')), 1, 'one DSN';
like $dsn->summary, qr/^failed \S+$/, 'about one recipient' or diag $dsn->mail->text;
like +(values %{$dsn->rcpts})[0]{status}, qr/^5\.4\./, 'for its way';
is transfers(), 1, 'one transfer over the bridge';
my $count = transactions();
cmp_ok $count, '<=', 30, "a bounded number of SMTP transactions: $count";
note transfers() . " transfer(s) over the bridge, $count SMTP transactions";

# Programs that send anew what they get, with all its headers.
$a->postfix->set_aliases();
$b->postfix->set_aliases();
my ($from, $to, $site, $other) = ('carol@a.test', 'bob@b.test', $a, $b);
my $text = Pontoon::Test::Mail->plain(subject => 'by programs');
my %number;
for my $round (1 .. 6) {
    $site->submit(from => $from, to => [$to], message => $text);
    my ($user) = $to =~ /^(\w+)/;
    my @mails = $other->wait_mail($user, ++$number{$to});
    $text = $mails[-1]->text =~ s/\A(?:Return-Path|X-Original-To|Delivered-To):[^\n]*\n//r;
    $text =~ s/^(?:X-Original-To|Delivered-To):[^\n]*\n//mg;
    $text =~ s/\n/\r\n/g;
    ($from, $to, $site, $other) = ($to, $from, $other, $site);
}
is transfers() - 1, 1, 'six times sent on: over the bridge once';
is scalar(() = $a->log_after(0) =~ /by SMTP: it comes back from the store/g), 2, 'then A says why it did not';
is scalar(() = $b->log_after(0) =~ /by SMTP: it comes back from the store/g), 3, 'and so does B';

# A forwarder that rewrites senders (SRS) hands in, as mail of the site's own, what came from elsewhere. Where it is no client whose mail is
# diverted, nothing of it is; where it is one, what did not cross the bridge yet crosses it once.
my $srs = 'SRS0=Kx1a=T5=b.test=bob@a.test';
for my $case (['not in milter.divert-clients', $a->address, 0], ['in milter.divert-clients', $world->client, 1]) {
    my ($what, $source, $diverted) = @$case;
    my $before = $a->log_size;
    $a->submit(source => $source, from => $srs, to => ['dave@b.test'], message => Pontoon::Test::Mail->plain(subject => "SRS, $what"));
    my ($mail) = grep { $_->header('Subject') eq "SRS, $what" } $b->wait_mail('dave', 1 + $diverted);
    is scalar(() = join('', $mail->trace) =~ /with SSMP/g), $diverted, "a rewritten forward by a client $what: " . ($diverted ? 'over the bridge' : 'by SMTP');
    is scalar(() = $a->log_after($before) =~ /diverted=1/g), $diverted, 'and so A decided';
}
$world->nothing_broke;
done_testing;
