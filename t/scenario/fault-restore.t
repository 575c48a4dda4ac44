# The databases come back from a backup of an hour ago. What was delivered since is asked about before anything goes by SMTP, and nobody
# gets it twice; no serial is used again. The bridge's queue, restored, has forgotten what it took: the sender knows.
use Pontoon::Test;
use DBI;
use File::Copy ();

my $HOUR = 3_600_000;
my ($world, $a, $b) = two_sites(a => {config => {'store.breaker-failures' => 0}});

sub database {
    my ($file) = @_;
    return DBI->connect("dbi:SQLite:dbname=$file", '', '', {RaiseError => 1});
}

# As doc/operations.md says: the database by SQLite's own means, then the bodies.
sub back_up {
    my ($directory, $name, $to) = @_;
    mkdir $to or die "$to: $!";
    database("$directory/$name")->sqlite_backup_to_file("$to/$name");
    system('cp', '-a', "$directory/bodies", "$to/bodies") == 0 or die "cp: $?" if -d "$directory/bodies";
}

sub restore {
    my ($directory, $name, $from) = @_;
    unlink "$directory/$name-wal", "$directory/$name-shm";
    File::Copy::copy("$from/$name", "$directory/$name") or die "$directory/$name: $!";
    system("rm -rf $directory/bodies && cp -a $from/bodies $directory/bodies") == 0 or die "cp: $?" if -d "$from/bodies";
}

sub send_to {
    my ($subject, $size, $user) = @_;
    $user //= 'bob';
    return $a->submit(from => 'alice@a.test', to => ["$user\@b.test"],
        message => Pontoon::Test::Mail->plain(subject => $subject, to => "$user\@b.test", body => "line\r\n" x ($size / 6)));
}

sub serial { (database($a->dir . '/store/store.db')->selectrow_array('SELECT n FROM claims'))[0] }

sub subjects {
    my ($user) = @_;
    return [sort map { $_->header('Subject') } $b->mailbox($user)];
}

# Three wait while the backup is made.
$b->mta->set_access('bob@b.test' => '450 4.2.1 busy');
my @waiting = map { send_to("waits $_", $_ == 3 ? 200_000 : 600) } 1 .. 3;
wait_for('all to be tried', sub { 3 == grep { $_->{queue} eq 'store' && $_->{recipients}[0]{attempts} } @{$a->pontoon_json('queue')} });
my $before = serial();
back_up($a->dir . '/store', 'store.db', $a->dir . '/backup');
back_up($b->dir . '/bridge', 'jobs.db', $b->dir . '/backup');

# An hour passes.
$b->mta->set_access();
$b->wait_mail('bob', 3);
send_to("later $_", 600) for 1 .. 2;
$b->wait_mail('bob', 5);
$a->wait_settled;
my $all = subjects('bob');

# ---- the sender's store ----

$b->stop('bridge');
is $a->stop($_), 0, "the $_ is stopped" for qw(milter store);
restore($a->dir . '/store', 'store.db', $a->dir . '/backup');
my $db = database($a->dir . '/store/store.db');
$db->do("UPDATE meta SET value = value - $HOUR WHERE name = 'alive'");    # instead of waiting
$db->do("UPDATE messages SET created = created - $HOUR");
$db->disconnect;
my $log = $a->log_size;
$a->start($_) for qw(store milter);
like $a->log_after($log), qr/last in use 36\d\d s ago: .*restored from a backup; .* asked what became of 3 recipients/, 'the log says what is done';
cmp_ok abs(serial() - $before), '>', 1000, 'serials go on elsewhere';
wait_for('attempts', sub { 3 == grep { ($_->{recipients}[0]{attempts} // 0) >= 2 } grep { $_->{queue} eq 'store' } @{$a->pontoon_json('queue')} });
unlike $a->log_after($log), qr/goes back to SMTP/, 'the other site can\'t be asked: it waits, though fallback-after has long passed';
$b->start('bridge');
$a->wait_settled;
is_deeply subjects('bob'), $all, 'asked, and answered: nothing comes twice';
is $a->trace($_->{queue_id})->[0]{recipients}[0]{state}, 'delivered', 'and the store knows' for @waiting;
unlike $a->log_after($log), qr/goes back to SMTP|returned to SMTP/, 'nothing went by SMTP';

# A short pause is no reason for doubt.
$b->stop('bridge');
send_to('short pause', 600, 'carol');
wait_for('an attempt', sub { grep { $_->{queue} eq 'store' && $_->{recipients}[0]{attempts} } @{$a->pontoon_json('queue')} });
$a->kill9('store');
$log = $a->log_size;
$a->start('store');
$b->start('bridge');
$b->wait_mail('carol', 1);
$a->wait_settled;
unlike $a->log_after($log), qr/last in use/, 'a crash and a quick start: no doubt';

# ---- the bridge's queue ----

is $b->stop('bridge'), 0, 'the bridge is stopped';
restore($b->dir . '/bridge', 'jobs.db', $b->dir . '/backup');
$b->start('bridge');
send_to('after', 600);
$b->wait_mail('bob', 6);
$a->wait_settled;
is_deeply subjects('bob'), [sort 'after', @$all], 'the queue of an hour ago: nothing comes twice, new mail does';
is scalar($a->mailbox('alice')), 0, 'alice heard nothing of it';
$world->nothing_broke;
done_testing;
