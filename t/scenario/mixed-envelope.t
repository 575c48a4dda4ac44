# One message to recipients at B, at a domain without pontoon, and to some who don't exist at B: each gets exactly what
# it should: delivery over the bridge, SMTP, and one DSN for each unknown one.
use Pontoon::Test;

my $world = new_world();
my ($a, $b) = map { $world->site($_) } qw(a b);
my $plain = $world->site('plain', pontoon => 0);
$world->start;

my $message = Pontoon::Test::Mail->plain(subject => 'to all of you', to => 'all@b.test');
my @to = qw(bob@b.test carol@b.test nobody@b.test bob@plain.test nobody@plain.test nowhere@b.test);
my $sent = $a->submit(from => 'alice@a.test', to => \@to, message => $message);

my ($mail) = $b->wait_mail('bob', 1);
ok $mail->carries($message), 'bob at B has it';
like join('', $mail->trace), qr/pontoon/, 'over the bridge';
($mail) = $b->wait_mail('carol', 1);
ok $mail->carries($message), 'carol at B has it';
($mail) = $plain->wait_mail('bob', 1);
ok $mail->carries($message), 'bob at the plain domain has it';
ok wait_until(sub { $a->mta->relayed('bob@plain.test') }), 'by SMTP';

# A's MTA bounces the one it sent itself; pontoon those it took: alice hears of each recipient once.
my %told;
wait_for('all DSNs', sub {
    %told = ();
    for my $dsn ($a->mailbox('alice')) {
        $told{$_}++ for $dsn->text =~ /^Final-Recipient: rfc822; ?(\S+)/mgi;
    }
    return keys %told >= 3;
});
$a->wait_settled;
is_deeply \%told, {map { $_ => 1 } qw(nobody@b.test nowhere@b.test nobody@plain.test)}, 'one report for each unknown recipient';
for my $dsn (grep { $_->text =~ /Final-Recipient: rfc822; ?\S+\@b\.test/i } $a->mailbox('alice')) {
    like $dsn->text, qr{^Content-Type: multipart/report;\s+report-type="?delivery-status}mi, 'it is an RFC 3464 report';
    like $dsn->text, qr/^Status: 5\.1\.1/m, "with B's status";
    like $dsn->text, qr/^Return-Path: <(MAILER-DAEMON\S*)?>/m, 'from the null sender';
}
is scalar($_->[0]->mailbox($_->[1])), 1, "$_->[1] at " . $_->[0]->domain . ' got it once'
    for [$b, 'bob'], [$b, 'carol'], [$plain, 'bob'];
ok $a->mta->bounced, 'A made a bounce';
ok !$b->mta->bounced, 'B made none: no backscatter';

my ($trace) = @{$a->trace($sent->{queue_id})};
my %state = map { $_->{address} => $_->{state} } @{$trace->{recipients}};
is_deeply \%state, {
    'bob@b.test' => 'delivered', 'carol@b.test' => 'delivered', 'nobody@b.test' => 'bounced', 'nowhere@b.test' => 'bounced'
}, 'the store knows what became of each of its recipients';

$world->nothing_broke;
done_testing;
