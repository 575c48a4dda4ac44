# store.delay-warning: alice is warned once, in one DSN, about those who have not got her message by then and may be spoken of;
# through a restart too, and never again. When it arrives at last she hears nothing more.
use Pontoon::Test;
use Pontoon::Test::Dsn;

my ($world, $a, $b) = two_sites(a => {config => {'store.delay-warning' => '2s'}});
$b->postfix->set_access(map { ("$_\@b.test" => '450 4.2.1 mailbox busy') } qw(bob carol dave));
my $message = Pontoon::Test::Mail->plain(subject => 'late');
my $sent = $a->submit(from => 'alice@a.test', to => [map { "$_\@b.test" } qw(bob carol dave postmaster)], mail => 'ENVID=late+2B1', message => $message,
    rcpt => {'carol@b.test' => 'NOTIFY=NEVER', 'dave@b.test' => 'NOTIFY=DELAY,FAILURE'});
$b->wait_mail('postmaster', 1);

my @dsns = Pontoon::Test::Dsn::all($a->wait_mail('alice', 1));
is $dsns[0]->summary, 'delayed bob@b.test dave@b.test', 'a warning about the two that wait and may be spoken of';
my $bob = $dsns[0]->rcpts->{'bob@b.test'};
is $bob->{status}, '4.2.1', 'with the status of the last try';
like $bob->{'diagnostic-code'}, qr/450 4\.2\.1 .*mailbox busy/, "the MTA's words";
like $bob->{'will-retry-until'}, qr/^\w{3}, \d+ \w{3} \d{4} /, 'and until when it is tried';
is $dsns[0]->message->{'original-envelope-id'}, 'late+1', 'ENVID';
is $dsns[0]->python, 'text/plain message/delivery-status text/rfc822-headers', "the header comes along, and Python's email package finds nothing wrong";
like $dsns[0]->text, qr/warning only/, 'it says that nothing need be done';

# More tries, and another daemon: still one.
$a->kill9('store');
$a->start('store');
my $tried = sub { my ($e) = @{$a->pontoon_json('queue')} or return 0; return $e->{recipients}[0]{attempts} };
my $before = $tried->();
wait_for('three more tries', sub { $tried->() >= $before + 3 });
is scalar($a->mailbox('alice')), 1, 'one warning';

$b->postfix->set_access();
($b->wait_mail($_, 1))[0]->carries($message) or fail "$_ has it" for qw(bob carol dave);
$a->wait_settled;
is scalar($a->mailbox('alice')), 1, 'delivered at last: nothing more to say';

# A message that arrives in time is not spoken of.
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain(subject => 'in time'));
$b->wait_mail('bob', 2);
$a->wait_settled;
is scalar($a->mailbox('alice')), 1, 'in time: no warning';
$world->nothing_broke;
done_testing;
