# Internationalized mail (RFC 6531): the DSN has the forms of RFC 6533, the addresses in UTF-8, and goes to a sender with a UTF-8 address.
use Pontoon::Test;
use Pontoon::Test::Dsn;
use Encode qw(encode decode);

my ($world, $a, $b) = two_sites(a => {users => ['alice', "\xc3\xa5sa"]});    # åsa
my $sender  = "\xc3\xa5sa\@a.test";
my $nobody  = "\xd0\xb1\xd0\xbe\xd0\xb1\@b.test";                            # боб, whom nobody knows
my $message = "From: <$sender>\r\nTo: <$nobody>\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\nMessage-ID: <utf8\@a.test>\r\n\r\nhallo\r\n";
$a->submit(from => $sender, to => [$nobody, 'nobody@b.test'], mail => 'SMTPUTF8 BODY=8BITMIME ENVID=u1', message => $message,
    rcpt => {$nobody => 'NOTIFY=FAILURE ORCPT=utf-8;\\x{431}\\x{43E}\\x{431}@b.test'});
my ($mail) = $a->wait_mail("\xc3\xa5sa", 1);
my $dsn = Pontoon::Test::Dsn->new($mail);
is_deeply [$dsn->types], ['text/plain', 'message/global-delivery-status', 'message/global'], 'the types of RFC 6533';
is $mail->header('To'), "<$sender>", 'to the sender as he writes himself';
is $dsn->summary, "failed nobody\@b.test $nobody", 'about both';
my $rcpt = $dsn->rcpts->{$nobody};
like $rcpt->{'final-recipient'}, qr/^utf-8; *\Q$nobody\E$/, 'Final-Recipient in UTF-8';
like $dsn->rcpts->{'nobody@b.test'}{'final-recipient'}, qr/^rfc822;/, 'an ASCII address stays rfc822';
like $rcpt->{'original-recipient'} // '', qr/^utf-8; *(?:\Q$nobody\E|\\x\{431\})/, 'Original-Recipient';
is $rcpt->{status}, '5.1.1', 'status';
ok index($dsn->original, "Subject: gr\xc3\xbc\xc3\x9fe") >= 0, 'the message comes back as it was';
$a->wait_settled;
is scalar($a->mailbox("\xc3\xa5sa")), 1, 'one DSN';

# An ASCII message of the same session type: the old forms.
$a->submit(from => 'alice@a.test', to => ['nobody@b.test'], message => Pontoon::Test::Mail->plain);
my ($plain) = Pontoon::Test::Dsn::all($a->wait_mail('alice', 1));
is_deeply [$plain->types], ['text/plain', 'message/delivery-status', 'message/rfc822'], 'without SMTPUTF8: the types of RFC 3464';
$world->nothing_broke;
done_testing;
