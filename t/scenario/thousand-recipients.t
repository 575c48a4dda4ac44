# One message to a thousand recipients at one site: stored once, asked for in one notification, fetched once, handed over in one
# transaction, delivered to all, and settled.
use Pontoon::Test;
use Time::HiRes qw(time);

my @users = map { sprintf 'user%04d', $_ } 1 .. 1000;
my ($world, $a, $b) = two_sites(b => {users => ['bob', @users]});
my $message = Pontoon::Test::Mail->plain(subject => 'to all', body => "a line of the message\r\n" x 10_000);
my $begin   = time;

# While it waits: how much a thousand recipients take.
$b->stop('bridge');
my $sent = $a->submit(from => 'alice@a.test', to => [map { "$_\@b.test" } @users], message => $message);
my $took = time - $begin;
my $status = $a->pontoon_json('status')->{store};
is $status->{messages}, 1, 'one message waits';
is $status->{bodies},   1, 'with one body';
cmp_ok $status->{body_bytes}, '<', 1.01 * length $message, 'of its size';
my $files = sum_of_sizes(glob $a->dir . '/store/*');
cmp_ok $files, '<', 10 * length $message, 'and the store on disk, with its log and a thousand rows, is no thousand messages large';

my $go = time;
$b->start('bridge');
wait_for('all to have it', sub { 1000 == grep { @{[$b->postfix->mailbox_files($_)]} } @users }, 120);
$a->wait_settled(60);
my $done = time - $go;
is scalar(grep { !($b->mailbox($_))[0]->carries($message) } @users), 0, 'all have it, as it was sent';
is scalar(grep { @{[$b->postfix->mailbox_files($_)]} > 1 } @users), 0, 'nobody has it twice';
my $fetches       = () = $a->log_after(0) =~ /: fetched by/g;
my $notifications = () = $b->log_after(0) =~ /: notified by/g;
my $transactions  = () = $b->postfix->log_after(0) =~ m{/qmgr\[\d+\]: \w+: from=<alice\@a\.test>}g;
is $fetches,       1, 'fetched once';
is $notifications, 1, 'one notification';
is $transactions,  1, "one transaction with B's MTA";
my %state;
$state{$_->{state}}++ for @{$a->trace($sent->{queue_id})->[0]{recipients}};
is_deeply \%state, {delivered => 1000}, 'the store knows it of each';
is scalar(() = $a->log_after(0) =~ /to=<user\d+\@b\.test>.*status=sent/g), 1000, 'and logged it of each';
is $a->pontoon_json('status')->{store}{bodies}, 0, 'the body is deleted';
is scalar($a->mailbox('alice')), 0, 'alice heard nothing';
diag sprintf '1000 recipients, a message of %d bytes: taken in %.2f s, body stored %d bytes (store on disk %d), '
    . '%d notification, %d fetch, %d SMTP transaction, all delivered in %.1f s',
    length $message, $took, $status->{body_bytes}, $files, $notifications, $fetches, $transactions, $done;
$world->nothing_broke;
done_testing;

sub sum_of_sizes {
    my $sum = 0;
    $sum += -s $_ // 0 for grep { -f } @_;
    return $sum;
}
