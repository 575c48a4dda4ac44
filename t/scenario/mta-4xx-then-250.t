# B's MTA answers 4xx at RCPT, then takes it: the message waits in A's store, nothing is fetched meanwhile, and it is
# delivered once.
use Pontoon::Test;

my ($world, $a, $b) = two_sites();
$b->postfix->set_access('bob@b.test' => '450 4.2.1 mailbox busy');
my $message = Pontoon::Test::Mail->plain(subject => 'later');
my $sent    = $a->submit(from => 'alice@a.test', to => ['bob@b.test', 'carol@b.test'], message => $message);

my ($carol) = $b->wait_mail('carol', 1);
ok $carol->carries($message), 'carol has it at once';
my $waiting;
wait_for('bob to be deferred', sub {
    my ($entry) = grep { $_->{queue} eq 'store' } @{$a->pontoon_json('queue')};
    ($waiting) = $entry ? grep { $_->{address} eq 'bob@b.test' } @{$entry->{recipients}} : ();
    return $waiting && $waiting->{attempts} >= 2;
});
is $waiting->{status}, '4.2.1', "pontoon queue shows the MTA's status";
like $waiting->{error}, qr/mailbox busy/, 'and its words';
is scalar($a->events($sent->{queue_id}, qr/^fetched$/)), 1, 'only one fetch so far, for carol: envelope first';

$b->postfix->set_access();
my ($bob) = $b->wait_mail('bob', 1);
ok $bob->carries($message), 'bob has it when the MTA takes it';
$a->wait_settled;
is scalar($b->mailbox('bob')),   1, 'once';
is scalar($b->mailbox('carol')), 1, 'carol still once';
is scalar($a->mailbox('alice')), 0, 'and alice was not bothered';
$world->nothing_broke;
done_testing;
