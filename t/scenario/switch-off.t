# Invariant 10: switching pontoon off strands nothing. The milter looks on only, the policy says "none", the store daemon goes
# on until it is empty: what waits there goes out by SMTP.
use Pontoon::Test;

my ($world, $a, $b) = two_sites();
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain);
$b->wait_mail('bob', 1);
$b->stop('bridge');
$a->submit(from => 'alice@a.test', to => ["$_\@b.test"], message => Pontoon::Test::Mail->plain(subject => 'waits')) for qw(bob carol dave);
wait_for('three to wait', sub { 3 == grep { $_->{queue} eq 'store' } @{$a->pontoon_json('queue')} });

# B leaves: its record goes; what A has for it goes back to SMTP.
$b->withdraw;
$b->wait_mail($_, $_ eq 'bob' ? 2 : 1) for qw(bob carol dave);
$a->wait_settled;
pass 'B left: everything that waited arrived';
is $a->pontoon_json('status')->{store}{bodies}, 0, "A's store is empty";

# A leaves: the milter only looks on.
$b->announce;
$b->start('bridge');
$a->configure('milter.divert' => 'no');
$a->restart('milter');
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain(subject => 'as before'));
my ($mail) = grep { $_->header('Subject') eq 'as before' } $b->wait_mail('bob', 3);
unlike join('', $mail->trace), qr/pontoon/, 'A left: by SMTP, untouched';
is scalar($b->mailbox('bob')), 3, 'each once';
$world->nothing_broke;
done_testing;
