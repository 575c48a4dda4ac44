# `pontoon recall`: what the other site has not fetched is taken back, for good; of what it has, the command says so.
use Pontoon::Test;

my ($world, $a, $b) = two_sites(a => {rules => [[dave => {action => 'smtp', recipients => ['dave@b.test']}], [rest => {action => 'divert'}]]});
my $first = $a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain(subject => 'first'));
$b->wait_mail('bob', 1);
$a->wait_settled;

my ($out, $code, $err) = $a->pontoon('recall', $first->{queue_id});
is $code >> 8, 69, 'what was delivered can\'t be recalled: exit 69';
like $out, qr/<bob\@b\.test>\s+not recalled: delivered, 20\S+Z \(250 /, 'and the command says when it was, and the answer';

is $b->stop('bridge'), 0, "B's bridge is away";
my $second = $a->submit(
    from    => 'alice@a.test',
    to      => ['bob@b.test', 'carol@b.test'],
    message => Pontoon::Test::Mail->plain(subject => 'second', id => 'regret@a.test')
);
wait_for('an attempt', sub {
    my ($entry) = grep { $_->{queue} eq 'store' } @{$a->pontoon_json('queue')};
    return $entry && $entry->{recipients}[0]{attempts};
});
my $recalled = $a->pontoon_json('recall', '<regret@a.test>');
is_deeply [map { $_->{recalled} ? 1 : 0 } @{$recalled->[0]{recipients}}], [1, 1], 'by Message-ID: both recipients are recalled';
is $a->pontoon_json('status')->{store}{messages}, 0, 'nothing waits any more';
is_deeply [grep { -f } glob $a->dir . '/store/bodies/*/*'], [], 'and no body is left';

# Of a mixed message a part went by SMTP.
my $mixed = $a->submit(from => 'alice@a.test', to => ['bob@b.test', 'dave@b.test'], message => Pontoon::Test::Mail->plain(subject => 'mixed'));
$b->wait_mail('dave', 1);
($out, $code) = $a->pontoon('recall', $mixed->{queue_id});
is $code >> 8, 1, 'some could be stopped, some not: exit 1';
like $out, qr/<bob\@b\.test>\s+recalled$/m, 'bob\'s is';
like $out, qr/^\s+1 more recipient went by SMTP: out of reach/m, 'dave\'s is out of reach, and the command says so';

$b->start('bridge');
my $third = $a->submit(from => 'alice@a.test', to => ['carol@b.test'], message => Pontoon::Test::Mail->plain(subject => 'third'));
my ($mail) = $b->wait_mail('carol', 1);
is $mail->header('Subject'), 'third', 'the bridge is back: only what was sent later arrives';
$a->wait_settled;
is scalar($b->mailbox('bob')),   1, 'bob never sees the second message';
is scalar($a->mailbox('alice')), 0, 'and alice gets no report of what she took back';

($out, $code, $err) = $a->pontoon('recall', $second->{queue_id});
is $code >> 8, 69, 'a second recall';
like $out, qr/recalled before/, 'finds nothing to do';
($out, $code, $err) = $a->pontoon('recall', 'NOSUCH');
like $err, qr/no message "NOSUCH"/, 'an unknown id is an error';
is $code >> 8, 65, 'exit 65';
$world->nothing_broke;
done_testing;
