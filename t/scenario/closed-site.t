# B publishes "testing", then "none", then a policy without inbound, while A still has the old one cached and goes on
# diverting: B's bridge tells it to use SMTP, for every recipient, and the mail arrives that way, once. What the bridge
# promised before is kept, and what is under way is not said to go by SMTP. Back in "enforce" the mail crosses the bridge again.
use Pontoon::Test;

my ($world, $a, $b) = two_sites(b => {
    config => {'bridge.answer-within' => '500ms', 'bridge.max-size' => '100k'},
    main   => {smtpd_end_of_data_restrictions => 'check_recipient_access inline:{{dave@b.test = sleep 4}}'},
});
my $expected = 0;
my $large    = "a line of the message\r\n" x 10_000;

# One message to bob; its recipient's last state in A's store.
sub send_one {
    my ($subject, %o) = @_;
    my $sent = $a->submit(from => 'alice@a.test', to => ['bob@b.test'],
        message => Pontoon::Test::Mail->plain(subject => $subject, body => $o{body}));
    my ($mail) = grep { $_->header('Subject') eq $subject } $b->wait_mail('bob', ++$expected);
    ok $mail, "$subject: it arrived";
    $a->wait_settled;
    return ($a->trace($sent->{queue_id})->[0]{recipients}[0]{state}, join '', $mail->trace);
}

is((send_one('enforce'))[0], 'delivered', 'enforce: delivered by the bridge');

# A promise is under way while the policy changes: B's MTA takes its time.
$b->postfix->set_access('carol@b.test' => 'sleep 3');
my $promised = $a->submit(from => 'alice@a.test', to => ['carol@b.test'], message => Pontoon::Test::Mail->plain(subject => 'promised'));
wait_for('the promise', sub { $a->events($promised->{queue_id}, qr/^accepted$/) });

my @inbound = @{$b->{settings}{'policy.inbound'}};
for my $closed (['testing', {'policy.mode' => 'testing'}, qr/is testing/], ['none', {'policy.mode' => 'none'}, qr/is leaving/],
    ['no inbound', {'policy.mode' => 'enforce', 'policy.inbound' => []}, qr/no inbound URL/])
{
    my ($name, $settings, $says) = @$closed;
    my $log = $b->log_size;
    $b->configure(%$settings);
    $b->reload('bridge');
    like $b->log_after($log), qr/bridge\[\d+\]: warning: .*every recipient is answered "use-smtp": .*$says/, "$name: the log says so";
    my $size = $a->log_size;
    my ($state, $trace) = send_one("while $name");
    is $state, 'returned', "$name: returned to SMTP";
    unlike $trace, qr/with SSMP/, "$name: not by the bridge";
    like $a->log_after($size), qr/pontoon=.*\Q: its mail comes by SMTP\E|its mail comes by SMTP.*pontoon=/, "$name: A's log says why";
    unlike $b->log_after($log), qr/from=<alice.*fetch/, "$name: nothing was fetched";
}
is((send_one('too large for the bridge', body => $large))[0], 'returned', 'no size limit for what goes by SMTP');

my ($carol) = $b->wait_mail('carol', 1);
like join('', $carol->trace), qr/with SSMP/, 'what was promised before came by the bridge';
$b->configure('policy.inbound' => \@inbound);
$b->reload('bridge');
is((send_one('enforce again'))[0], 'delivered', 'enforce again: delivered by the bridge');

# Its MTA has a message and thinks about it; nothing is promised yet. Then the site closes, and A, whose store died meanwhile, asks again.
$b->configure('bridge.answer-within' => '60s');
$b->reload('bridge');
my $handed = $a->submit(from => 'alice@a.test', to => ['dave@b.test'], message => Pontoon::Test::Mail->plain(subject => 'under way'));
wait_for('the fetch', sub { $a->events($handed->{queue_id}, qr/^fetched$/) });
$b->configure('policy.mode' => 'none');
$b->reload('bridge');
$a->kill9('store');
$a->start('store');
$a->wait_settled;
is $a->trace($handed->{queue_id})->[0]{recipients}[0]{state}, 'delivered', 'what is under way is waited for';
is scalar($b->mailbox('dave')), 1, 'and arrives once';
$b->configure('policy.mode' => 'enforce');
$b->reload('bridge');

is scalar($b->mailbox('bob')), $expected, 'each once';
is scalar($b->mailbox('carol')), 1, 'hers too';
is scalar($a->mailbox('alice')), 0, 'alice hears nothing';
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain(body => $large));
my ($dsn) = $a->wait_mail('alice', 1);
like $dsn->text, qr/^Status: 5\.3\.4$/m, 'until she sends what is too large for the bridge: 5.3.4';
$world->nothing_broke;
done_testing;
