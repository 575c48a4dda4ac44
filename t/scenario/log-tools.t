# pontoon's log is counted by a log tool made for Postfix (pflogsumm): one sent, one bounced, one deferred recipient, at the
# sender's site.
use Pontoon::Test;

my $tool = '/usr/sbin/pflogsumm';
plan(skip_all => 'needs the Debian package pflogsumm') if !-e $tool;

my ($world, $a, $b) = two_sites();
$b->postfix->set_access('carol@b.test' => '450 4.2.1 busy');
$a->submit(from => 'alice@a.test', to => [map { "$_\@b.test" } qw(bob carol nobody)], message => Pontoon::Test::Mail->plain);
$b->wait_mail('bob', 1);
$a->wait_mail('alice', 1);    # the DSN about nobody
$a->wait_log(qr/to=<carol\@b\.test>.*status=deferred/);
my $report = Pontoon::Test::Site::run($tool, '--syslog-name=pontoon-a', $a->log);
like $report, qr/^ +1 +delivered$/m, 'one is delivered';
like $report, qr/^ +1 +deferred +\(\d+ +deferrals\)$/m, 'one is deferred';
like $report, qr/^ +1 +bounced$/m, 'one is bounced';
like $report, qr/b\.test.*no such|nobody|5\.1\.1|unknown/i, 'and the reason is in the report';
$b->postfix->set_access();
$b->wait_mail('carol', 1);
$a->wait_settled;
like Pontoon::Test::Site::run($tool, '--syslog-name=pontoon-a', $a->log), qr/^ +2 +delivered$/m, 'then two are delivered';
$world->nothing_broke;
done_testing;
