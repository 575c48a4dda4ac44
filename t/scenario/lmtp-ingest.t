# Mail that Postfix hands to pontoon-lmtp by a transport entry, after aliasing: what takes part crosses the bridge, the rest returns to
# SMTP, once and as it was; each recipient is answered for himself; and while the store fails, Postfix keeps the mail.
use Pontoon::Test time => 300;

my $world = new_world();
my $a = $world->site('a', lmtp => 1, rules => [
    ['carol-stays' => {recipients => ['carol@b.test'],      action => 'smtp'}],
    ['look-first'  => {recipients => ['postmaster@b.test'], action => 'shadow'}]]);
my $b     = $world->site('b');
my $plain = $world->site('plain', pontoon => 0);
$world->start;

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

# Nobody can write the store: Postfix is asked to keep it; afterwards it arrives, once.
my $offset = -s "$world->{dir}/a/mail.log";
rename $a->dir . '/store/store.db', $a->dir . '/store/hidden' or die "rename: $!";
$a->stop('lmtp');
$a->submit(from => 'alice@a.test', to => ['dave@b.test'], message => Pontoon::Test::Mail->plain(subject => 'patience'));
wait_for('Postfix to defer', sub { $a->postfix->log_after($offset) =~ m{/lmtp\[\d+\]: .*to=<dave\@b\.test>.* status=deferred} });
rename $a->dir . '/store/hidden', $a->dir . '/store/store.db' or die "rename: $!";
$a->start('lmtp');
my @mail = $b->wait_mail('dave', 2);
is $mail[-1]->header('Subject'), 'patience', 'a message that Postfix had to keep arrives';
$a->wait_settled;
is scalar($b->mailbox('dave')), 2, 'once';

# A shadow: the mail by SMTP, once, and a copy of it for comparison in the store.
$a->submit(from => 'alice@a.test', to => ['postmaster@b.test'], message => Pontoon::Test::Mail->plain(subject => 'shadow'));
$b->wait_mail('postmaster', 1);
like answers(0)->{'postmaster@b.test'}, qr/goes on by SMTP \(with a shadow\)/, 'a shadow goes by SMTP';
$a->wait_log(qr/rule=look-first/);
like $a->log_after(0), qr/diverted=0, shadow=1, smtp=0, rule=look-first/, 'and its copy is stored';
$a->wait_settled;
is scalar($b->mailbox('postmaster')), 1, 'delivered once';

# The mistake that makes a loop: the listener for returned mail uses the transport too. No storm and no loss: it waits in Postfix's queue.
$offset = $a->log_size;
$a->postfix->write('pontoon_return', '');
$a->restart('store');    # a kept connection sees what was before
$a->postfix->reload;
$a->submit(from => 'alice@a.test', to => ['carol@plain.test'], message => Pontoon::Test::Mail->plain(subject => 'round'));
$a->wait_log(qr/not taken: a loop: the MTA's listener for returned mail \(store\.mta\) must not use the transport/, $offset);
my $rounds = sub { scalar(() = $a->log_after($offset) =~ m{/store\[.*to=<carol\@plain\.test>.*returned to SMTP}g) };
wait_for('the rounds to be logged', sub { $rounds->() >= 5 });
is $rounds->(), 5, 'five rounds, then a pause';
is scalar($a->postfix->queue), 1, 'it waits in the queue';

$world->nothing_broke;
done_testing;
