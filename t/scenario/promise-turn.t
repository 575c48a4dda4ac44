# A bridge with more promises than it takes up at once (500) is restarted, and asked about a message whose turn has not come. What was promised
# comes before anything else of that message: it is tried now, and "deferred" is the end of the promise, with a receipt, and not only an answer.
use Pontoon::Test;
use DBI;
use Pontoon::Test::Stranger;

my $PROMISES = 500;
my $world = new_world();
my $b = $world->site('b', config => {'bridge.answer-within' => '200ms', 'bridge.drain-timeout' => '100ms', 'bridge.mta-connections-per-domain' => 1});
my $x = Pontoon::Test::Stranger->new($world, 'x');
my $message = $x->offer("Subject: x\r\n\r\nbody\r\n", serial => 1);
$x->start;
$world->start;

# The verdicts, by recipient.
sub ask {
    my ($serial, @users) = @_;
    my %m = (%$message, serial => $serial, recipients => [map { {address => "$_\@b.test"} } @users]);
    my $answer = $x->notify($b, $x->sign($x->payload([\%m])));
    return {map { $_->{address} => $_->{verdict} } @{$answer->{json}{messages}[0]{recipients}}};
}

sub database { DBI->connect('dbi:SQLite:dbname=' . $b->dir . '/bridge/jobs.db', '', '', {RaiseError => 1, sqlite_use_immediate_transaction => 1}) }

$b->postfix->set_access('bob@b.test' => 'sleep 20');
is_deeply ask(1, 'bob'), {'bob@b.test' => 'accepted'}, 'bob is promised';
$b->kill9('bridge');

# Promises to another site, before it: of a recipient with whom the MTA takes its time.
my $db = database();
$db->do('PRAGMA foreign_keys = OFF');
$db->begin_work;
my ($job) = $db->selectrow_array('SELECT job FROM jobs');
my $late = $job + $PROMISES;
$db->do("UPDATE $_ SET job = ? WHERE job = ?", undef, $late, $job) for qw(jobs job_rcpts);
for my $table (qw(jobs job_rcpts)) {
    my ($row) = $db->selectall_array("SELECT * FROM $table WHERE job = ?", {Slice => {}}, $late);
    my @columns = sort keys %$row;
    my $insert  = $db->prepare("INSERT INTO $table (" . join(', ', @columns) . ') VALUES (' . join(', ', map { '?' } @columns) . ')');
    for my $n (0 .. $PROMISES - 1) {
        my %copy = (%$row, job => $job + $n);
        @copy{qw(iss id)} = ('other.test', "OTHER$n") if $table eq 'jobs';
        $copy{address} = 'carol@b.test' if $table eq 'job_rcpts';
        $insert->execute(@copy{@columns});
    }
}
$db->commit;
$db->disconnect;

$b->postfix->set_access('carol@b.test' => 'sleep 20', 'bob@b.test' => '450 4.2.1 later');
my $size = $b->log_size;
$b->start('bridge');
$b->wait_log(qr/took up $PROMISES promised messages/, $size);
is_deeply ask(2, 'dave'), {'dave@b.test' => 'deferred'}, 'dave waits for him';
is_deeply ask(3, 'bob'), {'bob@b.test' => 'deferred'}, 'the MTA says later to bob';
$db = database();
my ($left) = $db->selectrow_array('SELECT count(*) FROM job_rcpts WHERE job = ? AND state = 0', undef, $late);
is $left, 0, 'and nothing is promised to him any more';
$db->disconnect;
is scalar($b->mailbox('dave')), 0, 'nobody has it yet';
$world->nothing_broke;
done_testing;
