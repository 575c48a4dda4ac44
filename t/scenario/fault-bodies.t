# A store that was restored without bodies/: what is kept in files has lost its content. The log and `pontoon queue` say so, and the mail waits: whoever
# puts the files back has lost nothing. What has expired by then ends in a DSN to its sender, without the content. Small mail, kept in
# the database, is delivered as ever.
use Pontoon::Test;
use DBI;
use Time::HiRes qw(sleep);

my ($world, $a, $b) = two_sites(a => {config => {'store.fallback-after' => '1h', 'store.dsn-hold' => '0s', 'store.breaker-failures' => 0}});
$b->mta->set_access(map { ("$_\@b.test" => '450 4.2.1 busy') } qw(bob carol dave));

sub send_to {
    my ($user, $subject, $size) = @_;
    my $message = Pontoon::Test::Mail->plain(subject => $subject, to => "$user\@b.test", id => "$user\@a.test", body => "line\r\n" x ($size / 6));
    return [$a->submit(from => 'alice@a.test', to => ["$user\@b.test"], message => $message)->{queue_id}, $message];
}
my $back  = send_to('bob',   'comes back', 200_000);
my $lost  = send_to('carol', 'is lost',    200_000);
my $small = send_to('dave',  'is small',   600);
wait_for('all to be tried', sub { 3 == grep { $_->{queue} eq 'store' && $_->{recipients}[0]{attempts} } @{$a->pontoon_json('queue')} });
$a->stop($_) for qw(milter store);
my $bodies = $a->dir . '/store/bodies';
system('mv', $bodies, "$bodies.away") == 0 or die "mv: $?";
my $log = $a->log_size;
$a->configure('store.fallback-after' => '1s');    # and no sooner: they must be in the store till now
$a->start($_) for qw(store milter);

sub recipient {
    my ($what) = @_;
    my ($entry) = grep { $_->{queue} eq 'store' && $_->{queue_id} eq $what->[0] } @{$a->pontoon_json('queue')};
    return $entry && $entry->{recipients}[0];
}

my $missing = qr{bodies/\S+: No such file or directory: was the store restored without bodies/\? It goes on when the file is back};
for my $what ($back, $lost) {
    $a->wait_log(qr/error: $what->[0]: can't open the stored message: .*$missing, pontoon=/, $log);
    wait_for('an attempt', sub { my $r = recipient($what); return $r && $r->{state} eq 'returning' && $r->{attempts} });
    like recipient($what)->{error}, $missing, '`pontoon queue` says what is missing';
}
$b->mta->set_access();
wait_for('the small one to arrive', sub { $a->mta->flush; sleep 0.5; $b->mailbox('dave') });    # it may wait in the MTA by now
my ($mail) = $b->mailbox('dave');
ok $mail->carries($small->[1]), 'what is kept in the database arrives';
is scalar($a->mailbox('alice')), 0, 'nobody is told that anything is lost while it may come back';

# A file comes back.
my $db = DBI->connect('dbi:SQLite:dbname=' . $a->dir . '/store/store.db', '', '', {RaiseError => 1});
my ($file) = $db->selectrow_array('SELECT b.file FROM messages AS m JOIN bodies AS b ON b.body = m.body WHERE m.queue_id = ?', {}, $back->[0]);
system('cp', '-p', "$bodies.away/$file", "$bodies/$file") == 0 or die "cp: $?";
($mail) = $b->wait_mail('bob', 1);
ok $mail->carries($back->[1]), 'the file is back: it is delivered, by SMTP';

# The other one's time runs out.
$db->do('UPDATE messages SET expires = created WHERE queue_id = ?', {}, $lost->[0]);
($mail) = $a->wait_mail('alice', 1);
my $text = $mail->text;
like $text, qr/^Final-Recipient: rfc822; ?carol\@b\.test$/m, 'the other one has expired: a DSN to its sender';
like $text, qr/^Action: failed$/m,                           'which says so';
like $text, qr/^Status: 5\.3\.0$/m,                          'and that it is our fault';
like $text, qr/^Message-ID: <carol\@a\.test>$/m,             'and which message it is';
like $a->log_after($log), qr/$lost->[0]: to=<carol\@b\.test>, .*dsn=5\.3\.0, status=bounced \(.*$missing/, 'the log, too';
$a->wait_settled;
is scalar($b->mailbox('carol')), 0, 'carol has nothing';
is scalar($a->mailbox('alice')), 1, 'alice one DSN';
is $a->pontoon_json('status')->{store}{bodies}, 0, 'and nothing is left';
$world->nothing_broke;
done_testing;
