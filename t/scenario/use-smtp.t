# A recipient whom B has not migrated: the bridge says use-smtp, A hands the message back to its own MTA, which sends it
# by SMTP. The others of the same message cross the bridge.
use Pontoon::Test;

my ($world, $a, $b) = two_sites(b => {config => {'bridge.not-migrated' => ['carol@b.test']}});
my $message = Pontoon::Test::Mail->plain(subject => 'old and new');
my $sent    = $a->submit(from => 'alice@a.test', to => ['bob@b.test', 'carol@b.test'], message => $message);

my ($bob)   = $b->wait_mail('bob',   1);
my ($carol) = $b->wait_mail('carol', 1);
ok $bob->carries($message),   'bob has it';
ok $carol->carries($message), 'carol has it';
like $a->postfix->log_after(0), qr/to=<carol\@b\.test>.*status=sent/, "carol's went by SMTP";
unlike $a->postfix->log_after(0), qr/to=<bob\@b\.test>.*postfix-a\/smtp/, "bob's did not";
$a->wait_settled;
my ($trace) = @{$a->trace($sent->{queue_id})};
is_deeply {map { $_->{address} => $_->{state} } @{$trace->{recipients}}},
    {'bob@b.test' => 'delivered', 'carol@b.test' => 'returned'}, 'the store knows both';
is scalar($b->mailbox($_)), 1, "$_ has it once" for qw(bob carol);
is scalar($a->mailbox('alice')), 0, 'alice hears nothing';
$world->nothing_broke;
done_testing;
