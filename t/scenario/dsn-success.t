# NOTIFY=SUCCESS: where B's MTA offers DSN, NOTIFY and the rest are passed on and that MTA reports, once; where it does not, A's own site
# says "relayed" (RFC 3461 section 5.2.2), at once or by receipt. A recipient that returns to SMTP is the MTAs' business.
use Pontoon::Test;
use Pontoon::Test::Dsn;

my $world = new_world();
my $a = $world->site('a', config => {'store.dsn-hold' => '1s'});
my $b = $world->site('b', config => {'bridge.not-migrated' => ['carol@b.test']});
my $c = $world->site('c', listeners => {inject => ['smtpd_discard_ehlo_keywords=dsn']});
my $d = $world->site('d', config => {'bridge.answer-within' => '0s'}, listeners => {inject => ['smtpd_discard_ehlo_keywords=dsn']});
$world->start;

my $n = 0;
sub success {
    my ($to, %o) = @_;
    my $id = 'id' . ++$n;
    $a->submit(from => 'alice@a.test', to => [$to], mail => "ENVID=$id", rcpt => {$to => "NOTIFY=SUCCESS ORCPT=rfc822;$to"},
        message => Pontoon::Test::Mail->plain(subject => $id, to => $to));
    my ($dsn) = grep { $_->message->{'original-envelope-id'} eq $id } Pontoon::Test::Dsn::all($a->wait_mail('alice', $n));
    ok $dsn, "$to: a report about $id" or return;
    is $dsn->python, 'text/plain message/delivery-status ' . ($dsn->types)[2], 'sound MIME';
    is $dsn->rcpts->{$to}{'original-recipient'} =~ s/; */;/r, "rfc822;$to", 'with the original recipient';
    return $dsn;
}

my $dsn = success('bob@b.test');
is $dsn->reporter, 'mx.b.test', "B's MTA offers DSN: it reports";
like $dsn->summary, qr/^(?:delivered|relayed) bob\@b\.test$/, 'success';

$dsn = success('bob@c.test');
is $dsn->reporter, 'mx.a.test', "C's MTA offers none: A reports";
is $dsn->summary, 'relayed bob@c.test', 'that it was relayed';
like $dsn->rcpts->{'bob@c.test'}{'diagnostic-code'}, qr/^smtp; 250 /, "with the MTA's words";
is +($dsn->types)[2], 'text/rfc822-headers', 'the header only';

$dsn = success('bob@d.test');
is $dsn->reporter, 'mx.a.test', 'the same by receipt';
is $dsn->summary, 'relayed bob@d.test', 'relayed';

$dsn = success('carol@b.test');
is $dsn->reporter, 'mx.b.test', 'not migrated: by SMTP, with NOTIFY, to the last MTA';

$a->wait_settled;
$a->kill9('store');    # nothing is reported again after a crash
$a->start('store');
$a->submit(from => 'alice@a.test', to => ['dave@c.test'], message => Pontoon::Test::Mail->plain);
$c->wait_mail('dave', 1);
$a->wait_settled;
is scalar($a->mailbox('alice')), $n, 'one report for each, none where none was asked for';
$world->nothing_broke;
done_testing;
