# Only submissions divert: mail of our own domain from clients that may. Incoming mail, other senders, other
# clients, excepted recipients and local addresses stay with SMTP; aliases and always_bcc copies are not harmed.
use Pontoon::Test;

my $world = new_world();
my $a     = $world->site('a',
    config => {'milter.divert-clients' => ['authenticated', $world->client . '/32']},
    rules  => [[vip => {recipients => ['dave@b.test'], action => 'smtp'}]]);
my $b = $world->site('b');
$a->{main} = {
    always_bcc => 'postmaster@a.test',
    mynetworks => join(' ', map { $world->address($_) } 8, 9, 10),
};
$a->{mc} = join '', map { "RELAY_DOMAIN(`" . $world->address($_) . "')dnl\n" } 8, 9, 10;
$world->start;
$a->postfix->set_aliases('team@a.test' => 'alice@a.test, bob@b.test');

sub bridged { join('', $_[0]->trace) =~ /pontoon/ ? 1 : 0 }
sub submit {
    my (%o) = @_;
    my $message = Pontoon::Test::Mail->plain;
    $a->submit(from => 'alice@a.test', message => $message, %o);
    return $message;
}

submit(to => ['bob@b.test']);
my ($mail) = $b->wait_mail('bob', 1);
ok bridged($mail), 'a submission crosses the bridge';
SKIP: {
    skip 'Sendmail has no always_bcc', 1 if $a->{mta} eq 'sendmail';
    $a->wait_mail('postmaster', 1);
    pass 'always_bcc has its copy, although the only recipient was diverted';
}

submit(to => ['carol@b.test'], source => $world->address(8));
($mail) = $b->wait_mail('carol', 1);
ok !bridged($mail), 'a client that is not named: SMTP';
submit(to => ['carol@b.test'], from => 'somebody@elsewhere.test');
($mail) = grep { ($_->header('Return-Path') // '') =~ /elsewhere/ } $b->wait_mail('carol', 2);
ok !bridged($mail), "a sender of another domain: SMTP";
submit(to => ['dave@b.test']);
($mail) = $b->wait_mail('dave', 1);
ok !bridged($mail), 'a recipient whom a rule leaves to SMTP';
submit(to => ['carol@a.test']);
($mail) = $a->wait_mail('carol', 1);
ok !bridged($mail), 'a local recipient: delivered here';
submit(to => ['team@a.test']);
$a->wait_mail('alice', 1);
($mail) = $b->wait_mail('bob', 2);
pass 'a local alias reaches both its members';

# From the other side: mail that comes in is not touched.
my $in = Pontoon::Test::Mail->plain(from => 'x@elsewhere.test', to => 'alice@a.test');
Pontoon::Test::Smtp->deliver(endpoint => $a->postfix->endpoint('smtp'), source => $world->address(77),
    from => 'x@elsewhere.test', to => ['alice@a.test'], message => $in);
($mail) = grep { $_->carries($in) } $a->wait_mail('alice', 2);
ok $mail && !bridged($mail), 'incoming mail is untouched';

# sendmail(1): local submission.
$a->mta->submit('alice@a.test', ['bob@b.test'], "Subject: by sendmail\n\nhello\n.\n..\n");
($mail) = grep { ($_->header('Subject') // '') eq 'by sendmail' } $b->wait_mail('bob', 3);
ok $mail, 'sendmail(1) works';
$a->wait_settled;
is scalar($b->mailbox('bob')), 3, 'each once';
$world->nothing_broke;
done_testing;
