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
ok wait_until(sub { $a->mta->relayed('carol@b.test') }), "carol's went by SMTP";
ok !$a->mta->relayed('bob@b.test'), "bob's did not";
$a->wait_settled;
my ($trace) = @{$a->trace($sent->{queue_id})};
is_deeply {map { $_->{address} => $_->{state} } @{$trace->{recipients}}},
    {'bob@b.test' => 'delivered', 'carol@b.test' => 'returned'}, 'the store knows both';
is scalar($b->mailbox($_)), 1, "$_ has it once" for qw(bob carol);
is scalar($a->mailbox('alice')), 0, 'alice hears nothing';

if ($a->{mta} eq 'sendmail') {    # its sendmail(1) asks the daemon, which would not even take the message now
    $world->nothing_broke;
    done_testing;
    exit;
}

# The return waits for A's own MTA; meanwhile bob's part of the message is fetched. That fetch was not carol's.
$a->postfix->set_access('carol@b.test' => '450 4.3.2 not now');
$b->postfix->set_access('bob@b.test' => '450 4.2.1 busy');
$a->mta->submit('alice@a.test', ['bob@b.test', 'carol@b.test'], "Subject: again\nMessage-ID: <again\@a.test>\n\nold and new\n");
wait_for('the return to be put off', sub {
    my ($entry) = @{$a->pontoon_json('queue')} or return;
    my %r = map { $_->{address} => $_ } @{$entry->{recipients}};
    return ($r{'carol@b.test'}{state} // '') eq 'returning' && $r{'carol@b.test'}{attempts} >= 1;
});
$b->postfix->set_access();
$b->wait_mail('bob', 2);
pass 'bob has his';
$a->postfix->set_access();
$b->wait_mail('carol', 2);
pass "and carol hers, as soon as A's MTA takes it back";
$a->wait_settled;
$world->nothing_broke;
done_testing;
