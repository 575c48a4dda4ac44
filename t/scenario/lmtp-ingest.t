# Mail that Postfix hands to pontoon-lmtp by a transport entry, after aliasing: what takes part crosses the bridge, the rest returns to
# SMTP, once and as it was; each recipient is answered for himself; and while the store fails, Postfix keeps the mail.
use Pontoon::Test time => 300;
use DBI;
use Pontoon::Test::Dsn;

my $world = new_world();
my $a = $world->site('a', lmtp => 1, main => {hopcount_limit => 14}, config => {'lmtp.loop-pause' => '2s', 'store.busy-timeout' => '500ms'}, rules => [
    ['carol-stays' => {recipients => ['carol@b.test'],      action => 'smtp'}],
    ['look-first'  => {recipients => ['postmaster@b.test'], action => 'shadow'}]]);
my $b     = $world->site('b');
my $plain = $world->site('plain', pontoon => 0);
$SIG{XFSZ} = 'DEFAULT';    # whatever we were started with
$world->start;
my $return = do { local (@ARGV, $/) = $a->postfix->{dir} . '/etc/pontoon_return'; <> };

# What a daemon may write to a file from now on, in bytes: the nearest thing to a full disk that needs none.
sub limit_files {
    my ($daemon, $bytes) = @_;
    system('prlimit', '--pid', $a->daemon($daemon)->pid, "--fsize=$bytes:unlimited") == 0 or die 'prlimit failed';
}

# What Postfix says of a recipient on its way to us.
sub answers {
    my ($offset) = @_;
    return {$a->postfix->log_after($offset) =~ m{/lmtp\[\d+\]: \w+: to=<(\S+?)>.*? status=(.*)}g};
}

# One message: by an alias to two at B (a rule keeps one of them with SMTP), to a stranger by name, and to us.
$a->postfix->set_aliases('team@a.test' => 'bob@b.test, carol@b.test', 'list@a.test' => 'dave@b.test');
my $message = Pontoon::Test::Mail->plain(subject => 'to the team', to => 'team@a.test', id => 'team.1@a.test',
    body => "A line\r\n.\r\n..two dots\r\n" . "h\xc3\xa4\r\n");
my $sent = $a->submit(
    from    => 'alice@a.test',
    to      => ['team@a.test', 'bob@plain.test', 'dave@a.test'],
    mail    => 'BODY=8BITMIME ENVID=E1 RET=HDRS',
    rcpt    => {'team@a.test' => 'NOTIFY=FAILURE ORCPT=rfc822;team@a.test'},
    message => $message
);
for ([$b, 'bob', 1], [$b, 'carol', 0], [$plain, 'bob', 0], [$a, 'dave', undef]) {
    my ($site, $user, $bridge) = @$_;
    my ($mail) = $site->wait_mail($user, 1);
    my $who = "$user\@" . $site->domain;
    ok $mail->carries($message), "$who has it, byte for byte";
    next unless defined $bridge;
    like join('', $mail->trace), qr/\(pontoon\) with LMTP id/, "$who: it went through pontoon-lmtp";
    is scalar(() = join('', $mail->trace) =~ /with SSMP/g), $bridge, "$who: " . ($bridge ? 'over the bridge' : 'by SMTP');
}
my $said = answers(0);
like $said->{'bob@b.test'},   qr/^sent \(250 2\.0\.0 Stored, pontoon=\S+\)/, 'Postfix was answered for each recipient: stored';
like $said->{'carol@b.test'}, qr/^sent \(250 2\.0\.0 Taken, goes on by SMTP \(.*rule/, 'taken, but not for the bridge: a rule';
like $said->{'bob@plain.test'}, qr/^sent \(250 2\.0\.0 Taken, goes on by SMTP \(domain takes no part/, 'and: no part';
ok !exists $said->{'dave@a.test'}, 'what is local never came near';
$a->wait_settled;
my ($trace) = grep { grep { $_->{address} eq 'bob@b.test' } @{$_->{recipients}} } @{$a->trace($sent->{queue_id})};
is_deeply {map { $_->{address} => $_->{state} } @{$trace->{recipients}}},
    {'bob@b.test' => 'delivered', 'carol@b.test' => 'returned', 'bob@plain.test' => 'returned'}, "`pontoon trace' finds it by Postfix's queue id";

# Back in SMTP with its original envelope: the DSN parameters came through both ways.
my $before = $b->postfix->log_after(0);
$a->submit(from => 'alice@a.test', to => ['nobody@plain.test'], mail => 'ENVID=E2 RET=HDRS',
    rcpt => {'nobody@plain.test' => 'NOTIFY=NEVER'}, message => Pontoon::Test::Mail->plain(subject => 'never'));
$a->submit(from => 'alice@a.test', to => ['nobody@plain.test'], mail => 'ENVID=E3 RET=HDRS',
    rcpt => {'nobody@plain.test' => 'NOTIFY=FAILURE ORCPT=rfc822;first@plain.test'}, message => Pontoon::Test::Mail->plain(subject => 'failure'));
my ($dsn) = $a->wait_mail('alice', 1);
like $dsn->text, qr/^Original-Envelope-Id: E3$/m,                       'a DSN has the envelope id';
like $dsn->text, qr/^Original-Recipient: rfc822;\s*first\@plain\.test/m, 'and the original recipient';
$a->wait_settled;
wait_for('the queue to be empty', sub { !$a->postfix->queue });
is scalar($a->mailbox('alice')), 1, 'of NOTIFY=NEVER there is none';

# A bounce of Postfix's to a remote sender: the null sender never crosses the bridge, and arrives.
$a->submit(from => 'alice@b.test', to => ['nobody@a.test'], may_fail => 1,
    message => Pontoon::Test::Mail->plain(subject => 'bounces', from => 'alice@b.test'));
# The other site's mail that an alias sends on: not from our domain, so by SMTP.
$b->submit(from => 'alice@b.test', to => ['list@a.test'], message => Pontoon::Test::Mail->plain(subject => 'forwarded', from => 'alice@b.test'));
my ($forwarded) = $b->wait_mail('dave', 1);
is $forwarded->header('Subject'), 'forwarded', 'a forwarded message of a stranger arrives';
like answers(0)->{'dave@b.test'}, qr/goes on by SMTP \(sender domain is not ours/, 'by SMTP';

# As wait_mail() for what waits in A's queue.
sub wait_flushed {
    my ($site, $user, $n) = @_;
    my $next = 0;
    wait_for("message $n for $user\@" . $site->domain, sub {
        ($next) = (time + 1, $a->postfix->flush) if time >= $next;
        return $site->postfix->mailbox_files($user) >= $n;
    });
    return $site->mailbox($user);
}

# The store can't be written: each of these in turn. Postfix is asked, for each recipient, to keep its mail; when the store can be written again
# it arrives, once, and pontoon-lmtp was not restarted.
my $lmtp = $a->daemon('lmtp')->pid;
sub while_store_fails {
    my ($how, $says, $begin, $end, %mail) = @_;
    my $offset = -s $a->postfix->{log};
    my $from   = $a->log_size;
    $begin->();
    my @users = qw(alice dave);
    my %have  = map { $_ => scalar $b->mailbox($_) } @users;
    my $patience = Pontoon::Test::Mail->plain(subject => "patience: $how", %mail);
    $a->submit(from => 'alice@a.test', to => [map { "$_\@b.test" } @users], message => $patience);
    my $said = wait_for("$how: Postfix to defer", sub {
        my $said = answers($offset);
        return $said if 2 == grep { ($said->{"$_\@b.test"} // '') =~ /^deferred/ } @users;
        return;
    });
    like $said->{"$_\@b.test"}, qr/said: 451 4\.3\.0 Message store is not available; please try again later/, "$how: $_ is answered 451" for @users;
    like $a->log_after($from), $says, "$how: the log says what is wrong";
    $end->();
    for my $user (@users) {
        my @mail = wait_flushed($b, $user, $have{$user} + 1);
        is scalar(grep { $_->carries($patience) } @mail), 1, "$how: it arrives afterwards for $user, once";
    }
}
my $lock;
my $store = $a->dir . '/store';
while_store_fails('locked', qr/not taken: .*(?:locked|busy)/, sub {
    $lock = DBI->connect("dbi:SQLite:dbname=$store/store.db", '', '', {RaiseError => 1});
    $lock->do('BEGIN EXCLUSIVE');
}, sub { $lock->do('ROLLBACK'); $lock->disconnect });
while_store_fails('full', qr/not taken: .*File too large/, sub { limit_files('lmtp', $a->log_size + 100_000) },
    sub { limit_files('lmtp', 'unlimited') }, body => "line\r\n" x 60_000);
while_store_fails('unreadable', qr/not taken: .*incoming/, sub { rename "$store/incoming", "$store/hidden" or die "rename: $!" },
    sub { rename "$store/hidden", "$store/incoming" or die "rename: $!" }, body => "line\r\n" x 60_000);
is $a->daemon('lmtp')->pid, $lmtp, 'by the same pontoon-lmtp';
ok $a->daemon('lmtp')->alive, 'which is alive';

# A shadow: the mail by SMTP, once, and a copy of it for comparison in the store.
$a->submit(from => 'alice@a.test', to => ['postmaster@b.test'], message => Pontoon::Test::Mail->plain(subject => 'shadow'));
$b->wait_mail('postmaster', 1);
like answers(0)->{'postmaster@b.test'}, qr/goes on by SMTP \(with a shadow\)/, 'a shadow goes by SMTP';
$a->wait_log(qr/rule=look-first/);
like $a->log_after(0), qr/diverted=0, shadow=1, smtp=0, rule=look-first/, 'and its copy is stored';
$a->wait_settled;
is scalar($b->mailbox('postmaster')), 1, 'delivered once';

# The mistake that makes a loop: the listener for returned mail uses the transport too. No storm and no loss: it waits in Postfix's queue for
# lmtp.loop-pause before each further round, and arrives when the mistake is mended.
sub mistake {
    my ($made) = @_;
    $a->postfix->write('pontoon_return', $made ? '' : $return);
    $a->restart('store');    # a kept connection sees what was before
    $a->postfix->reload;
}
sub rounds { my ($who, $from) = @_; return scalar(() = $a->log_after($from) =~ m{/store\[.*to=<\Q$who\E>.*returned to SMTP}g) }
my $offset = $a->log_size;
mistake(1);
$a->submit(from => 'alice@a.test', to => ['carol@plain.test'], message => Pontoon::Test::Mail->plain(subject => 'round'));
$a->wait_log(qr/not taken: a loop: the MTA's listener for returned mail \(store\.mta\) must not use the transport/, $offset);
wait_for('the rounds to be logged', sub { rounds('carol@plain.test', $offset) >= 5 });
is rounds('carol@plain.test', $offset), 5, 'a loop: five rounds, then a pause';
is scalar($a->postfix->queue), 1, 'it waits in the queue';
mistake(0);
my ($mail) = wait_flushed($plain, 'carol', 1);
is $mail->header('Subject'), 'round', 'mended: it arrives';
wait_for('the queue to be empty', sub { !$a->postfix->queue });
$a->wait_settled;
is scalar($plain->mailbox('carol')), 1, 'once';

# If nobody mends it, the MTA's hop limit ends it, in one DSN.
$offset = $a->log_size;
mistake(1);
$a->submit(from => 'alice@a.test', to => ['dave@plain.test'], message => Pontoon::Test::Mail->plain(subject => 'for ever'));
my @reports = wait_flushed($a, 'alice', 2);
$a->wait_settled;
wait_for('the queue to be empty', sub { !$a->postfix->queue });
is scalar($a->mailbox('alice')), 2, 'a loop for ever: one DSN';
my ($end) = grep { ($_->rcpts->{'dave@plain.test'} // {})->{action} } Pontoon::Test::Dsn::all(@reports);
like $end->rcpts->{'dave@plain.test'}{'diagnostic-code'}, qr/too many hops/, 'that says why';
cmp_ok rounds('dave@plain.test', $offset), '<=', 7, 'after ' . rounds('dave@plain.test', $offset) . ' rounds';
is scalar($plain->mailbox('dave')), 0, 'and it did not arrive';
mistake(0);

# A drain of everything: nothing is taken any more, so that it comes to an end. Postfix keeps the mail until its transport leads elsewhere.
$offset = -s $a->postfix->{log};
my ($text, $code, $err) = $a->pontoon('drain', '--wait');
is $code, 0, 'a drain ends' or diag "$text$err";
like $err, qr/pontoon-lmtp is running: it takes no mail any more \(451\)/, 'and says what is still to be done';
$a->submit(from => 'alice@a.test', to => ['dave@b.test'], message => Pontoon::Test::Mail->plain(subject => 'drained'));
wait_for('Postfix to defer', sub { (answers($offset)->{'dave@b.test'} // '') =~ /^deferred .*451 4\.3\.2 Being drained: mail must not be routed/ });
is $a->pontoon_json('status')->{store}{messages}, 0, 'a drained store stays empty';
my $had = $b->mailbox('dave');
is $a->stop($_), 0, "the $_ stops" for qw(lmtp store);
$a->postfix->write('transport', $return =~ s/FILTER //gr);
$a->postfix->reload;
my @mail = wait_flushed($b, 'dave', $had + 1);
is $mail[-1]->header('Subject'), 'drained', 'without the transport it goes by SMTP at once';

$world->nothing_broke;
done_testing;
