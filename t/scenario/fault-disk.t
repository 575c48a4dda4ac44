# Disks that are full, out of inodes, or read-only, and a store that somebody holds locked: at the sender's store and at the bridge's queue.
# Mail goes by SMTP or waits, nothing is lost or comes twice, the log says what is wrong, and all goes on without a restart. What is
# hardest: the MTA has taken a message, and that can't be noted.
use Pontoon::Test::Namespace qw(mount);
use Pontoon::Test;
use DBI;
use Time::HiRes qw(sleep);
use Pontoon::Test::Disk;
use Pontoon::Test::SlowMta;

my $world = new_world();
my %busy  = ('store.lease' => '1s', 'store.busy-timeout' => '300ms');
my $a = $world->site('a', config => \%busy);
my $b = $world->site('b', config => {'bridge.busy-timeout' => '300ms', 'bridge.answer-within' => '1s', 'bridge.not-migrated' => ['dave@b.test']});
my %slow = (
    return => Pontoon::Test::SlowMta->in_front_of($world, $a, 'return'),
    inject => Pontoon::Test::SlowMta->in_front_of($world, $b, 'inject'),
);
my $stored = Pontoon::Test::Disk->mount($a->dir . '/store', size => '6m');
my $queued = Pontoon::Test::Disk->mount($b->dir . '/bridge', size => '4m');
$world->start;

my (%sent, $n);

sub send_to {
    my ($user, $size) = @_;
    my $subject = 'number ' . ++$n;
    my $message = Pontoon::Test::Mail->plain(subject => $subject, to => "$user\@b.test", body => "line\r\n" x (($size // 600) / 6));
    $sent{"$user $subject"} = $message;
    return $a->submit(from => 'alice@a.test', to => ["$user\@b.test"], message => $message);
}

sub count_of {
    my ($user) = @_;
    return scalar grep { /^$user / } keys %sent;
}
send_to('bob');
$b->wait_mail('bob', 1);

# ---- the sender's store ----

my @faults = (
    ['disk full',  sub { $stored->fill },          qr/disk full/],
    ['no inodes',  sub { $stored->use_up_inodes }, qr/disk full|No space left/],
);
for my $fault (@faults) {
    my ($what, $break, $says) = @$fault;
    $b->stop('bridge');
    send_to('bob', $_) for 600, 200_000;    # they wait
    wait_for('attempts', sub { 2 == grep { $_->{recipients}[0]{attempts} } grep { $_->{queue} eq 'store' } @{$a->pontoon_json('queue')} });
    my $log = $a->log_size;
    $break->();
    send_to('carol', 200_000);              # a body needs a file
    $b->wait_mail('carol', count_of('carol'));
    like $a->log_after($log), $says, "$what: the log says so";
    like $a->log_after($log), qr/; it goes by SMTP/, "$what: and what becomes of new mail";
    $b->start('bridge');
    wait_for('the store daemon to notice', sub { $a->log_after($log) =~ m{/store\[\d+\]: (?:error|warning): } }) if $what ne 'no inodes';
    $stored->mend;
    $b->wait_mail('bob', count_of('bob'));
    send_to('bob', 200_000);
    my ($mail) = ($b->wait_mail('bob', count_of('bob')))[-1];
    like join('', $mail->trace), qr/SSMP/, "$what: mended, over the bridge again";
    $a->wait_settled;
}

# ---- our MTA has taken what goes back to SMTP, and that can't be noted ----

sub lock_database {
    my ($file) = @_;
    my $db = DBI->connect("dbi:SQLite:dbname=$file", '', '', {RaiseError => 1});
    $db->do('BEGIN IMMEDIATE');
    return $db;
}

for my $how ('disk full', 'locked') {
    my $log = $a->log_size;
    my $held = $slow{return}->held('.');
    $slow{return}->hold('.');
    send_to('dave');
    wait_for('the return to be handed over', sub { $slow{return}->held('.') > $held });
    my $lock;
    $how eq 'locked' ? ($lock = lock_database($a->dir . '/store/store.db')) : $stored->fill;
    $slow{return}->let_go('.');
    $a->wait_log(qr/can't note what went back to the MTA: .*(?:disk full|locked by another process).*; trying until/, $log);
    $b->wait_mail('dave', count_of('dave'));
    sleep 1.2;    # its lease runs out
    $lock ? $lock->do('ROLLBACK') : $stored->mend;
    $a->wait_log(qr/what went back to the MTA is noted, after \d+ failures/, $log);
    $a->wait_settled;
    is scalar($b->mailbox('dave')), count_of('dave'), "$how between our MTA's 250 and the note of it: returned once";
}

# ---- the receiving MTA has taken the message, and that can't be noted ----

for my $how ('disk full', 'locked') {
    for my $told ('before the answer', 'promised') {
        my $log  = $b->log_size;
        my $held = $slow{inject}->held('.');
        $slow{inject}->hold('.');
        send_to('bob');
        wait_for('it to be handed over', sub { $slow{inject}->held('.') > $held });
        $a->wait_log(qr/status=deferred \(accepted, a receipt will follow/, 0) if $told eq 'promised';
        wait_for('the promise', sub { grep { $_->{queue} eq 'bridge' } @{$b->pontoon_json('queue')} }) if $told eq 'promised';
        my $lock;
        $how eq 'locked' ? ($lock = lock_database($b->dir . '/bridge/jobs.db')) : $queued->fill;
        $slow{inject}->let_go('.');
        $b->wait_log(qr/can't note what became of it: .*(?:disk full|locked by another|may not be written|disk I\/O|unable to open).*; trying until/, $log);
        sleep 1.5;    # the sender asks again
        $lock ? $lock->do('ROLLBACK') : $queued->mend;
        $b->wait_log(qr/what became of it is noted, after \d+ failures/, $log);
        $a->wait_settled;
        is scalar($b->mailbox('bob')), count_of('bob'), "$how between the MTA's 250 and the note of it, $told: delivered once";
    }
}

# ---- nothing can be promised ----

my $log = $a->log_size;
$slow{inject}->hold('MAIL');
$queued->fill;
send_to('bob');
$a->wait_log(qr/HTTP 503/, $log);
$slow{inject}->let_go('MAIL');
$queued->mend;
$b->wait_mail('bob', count_of('bob'));
$a->wait_settled;
unlike $a->log_after($log), qr/dsn=4\.3\.0/, 'a promise that can\'t be written is no "deferred": the message may arrive';

for my $user (qw(bob carol dave)) {
    my %got;
    $got{$user . ' ' . $_->header('Subject')}++ for $b->mailbox($user);
    my @want = grep { /^$user / } keys %sent;
    is_deeply [grep { ($got{$_} // 0) != 1 } @want], [], "all that was sent to $user is there, once";
    my %by = map { ($user . ' ' . $_->header('Subject') => $_) } $b->mailbox($user);
    is_deeply [grep { !$by{$_}->carries($sent{$_}) } @want], [], 'with equal bytes';
}
is scalar($a->mailbox('alice')), 0, 'and alice heard nothing of it';

# ---- read-only: the kernel makes it so only while nothing is open for writing ----

for my $at ([$a, 'store', $stored, 'store/'], [$b, 'bridge', $queued, 'bridge/']) {
    my ($site, $daemon, $disk, $file) = @$at;
    $site->stop($_) for $site == $a ? qw(store milter) : 'bridge';
    $disk->read_only;
    my $log = $site->log_size;
    $site->launch($daemon);
    isnt $site->daemon($daemon)->wait_end, 0, "pontoon-$daemon does not start on a read-only file system";
    like $site->log_after($log), qr/fatal: .*\Q$file\E.*(?:may not be written|Read-only|unable to open)/, 'and says what is wrong';
    $disk->mend;
    $site->start($_) for $site == $a ? qw(store milter) : 'bridge';
}
send_to('bob');
$b->wait_mail('bob', count_of('bob'));
$a->wait_settled;
$world->nothing_broke;
done_testing;
