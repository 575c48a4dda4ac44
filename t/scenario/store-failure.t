# The store can't take a message (its database is locked by somebody else): plain SMTP, or tempfail, as configured; nothing is
# lost, nothing comes twice.
use Pontoon::Test;
use DBI;

for my $choice (qw(smtp tempfail)) {
    my ($world, $a, $b) = two_sites(a => {config => {'milter.on-store-failure' => $choice, 'store.busy-timeout' => '500ms'}});
    my $before = Pontoon::Test::Mail->plain(subject => 'before');
    $a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $before);
    $b->wait_mail('bob', 1);
    $a->wait_settled;

    my ($file) = glob "$a->{dir}/store/*.{db,sqlite,sqlite3}";
    my $lock = DBI->connect("dbi:SQLite:dbname=$file", '', '', {RaiseError => 1});
    $lock->do('BEGIN EXCLUSIVE');
    my $message = Pontoon::Test::Mail->plain(subject => 'locked');
    is $a->client->send(from => 'alice@a.test', to => ['bob@b.test'], message => $before)->{code}, 451,
        "$choice: what the store has from before is not sent by SMTP: the client did not hear us";
    if ($choice eq 'smtp') {
        is $a->client->send(from => 'alice@a.test', to => ['carol@b.test'], message => $message)->{code}, 250, 'smtp: taken';
        my ($mail) = $b->wait_mail('carol', 1);
        ok $mail->carries($message), 'smtp: delivered while the store is locked';
        unlike join('', $mail->trace), qr/pontoon/, 'by SMTP';
    } else {
        is $a->client->send(from => 'alice@a.test', to => ['carol@b.test'], message => $message)->{code}, 451, 'tempfail: 451';
        is scalar($a->postfix->queue), 0, 'tempfail: the MTA has not kept it';
    }
    $lock->do('ROLLBACK');
    $lock->disconnect;
    $a->submit(from => 'alice@a.test', to => ['carol@b.test'], message => $message) if $choice eq 'tempfail';
    $b->wait_mail('carol', 1);
    $a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain);
    my $mail = ($b->wait_mail('bob', 2))[-1];
    like join('', $mail->trace), qr/pontoon/, "$choice: unlocked, over the bridge again";
    $a->wait_settled;
    is $a->client->send(from => 'alice@a.test', to => ['bob@b.test'], message => $before)->{code}, 250, "$choice: now it is taken";
    like $a->log_after(0), qr/it may have it from an earlier attempt/, 'the log says why it was not';
    is scalar($b->mailbox('carol')), 1, "$choice: once";
    is scalar($b->mailbox('bob')),   2, "$choice: this one too";
    $world->nothing_broke;
}
done_testing;
