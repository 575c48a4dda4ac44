# B never takes it: after expire-after alice gets one DSN, with the last error; NOTIFY=NEVER and the RET and ENVID parameters are
# honoured; a success DSN that was asked for comes from B's MTA.
use Pontoon::Test;

my ($world, $a, $b) = two_sites(a => {config => {'store.expire-after' => '4s', 'store.fallback-after' => '0s', 'store.settle-after' => '0s'}});
$b->postfix->set_access('carol@b.test' => '451 4.7.1 come back tomorrow');
my $body    = "a very particular line\r\n";
my $message = Pontoon::Test::Mail->plain(subject => 'too late', body => $body);
$a->submit(from => 'alice@a.test', to => ['carol@b.test'], message => $message,
    mail => 'RET=HDRS ENVID=env+2Bid', rcpt => {'carol@b.test' => 'NOTIFY=FAILURE ORCPT=rfc822;Carol+40home.test'});
$a->submit(from => 'bob@a.test', to => ['carol@b.test'], message => $message, rcpt => {'carol@b.test' => 'NOTIFY=NEVER'});
my ($dsn) = $a->wait_mail('alice', 1);
my $text = $dsn->text;
like $text, qr/^Content-Type: multipart\/report;\s+report-type="?delivery-status/mi, 'a DSN';
like $text, qr/^Action: failed/m, 'failed';
like $text, qr/^Status: [45]\.4\.7|^Status: 4\.7\.1/m, 'expired' or diag $text;
like $text, qr/^Final-Recipient: rfc822; ?carol\@b\.test/m, 'whom';
like $text, qr/^Original-Recipient: rfc822; ?Carol(\@|\+40)home\.test/m, 'ORCPT';
like $text, qr/^Original-Envelope-Id: env\+id/m, 'ENVID';
like $text, qr/come back tomorrow/, "the MTA's words";
like $text, qr/^Subject: too late/m, 'the headers of the message';
unlike $text, qr/a very particular line/, 'RET=HDRS: and not its body';
$a->wait_settled;
is scalar($a->mailbox('alice')), 1, 'one DSN';
is scalar($a->mailbox('bob')),   0, 'NOTIFY=NEVER: none';
is scalar($b->mailbox('carol')), 0, 'nothing was delivered';

$b->postfix->set_access();
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $message, mail => 'ENVID=success1',
    rcpt => {'bob@b.test' => 'NOTIFY=SUCCESS,FAILURE'});
$b->wait_mail('bob', 1);
my ($success) = grep { $_->text =~ /^Action: (delivered|relayed)/m } $a->wait_mail('alice', 2);
ok $success, 'NOTIFY=SUCCESS: the MTA that delivered says so';
like $success->text, qr/^Original-Envelope-Id: success1/m, 'with the ENVID that it got over the bridge';
$world->nothing_broke;
done_testing;
