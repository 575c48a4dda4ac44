# NOTIFY, RET, ENVID and ORCPT (RFC 3461) by every outcome: which DSNs arrive at alice, and what is in them. B's MTA offers no DSN here, so
# that success is A's to report as well.
use Pontoon::Test;
use Pontoon::Test::Dsn;

my ($world, $a, $b) = two_sites(
    a => {users => [qw(alice zoe)], config => {'store.dsn-hold' => '1s'}},
    b => {listeners => {inject => ['smtpd_discard_ehlo_keywords=dsn']}});

my %want = (    # NOTIFY => [DSN about success, DSN about failure]
    ''                      => [0, 1],
    'NEVER'                 => [0, 0],
    'SUCCESS'               => [1, 0],
    'FAILURE'               => [0, 1],
    'DELAY'                 => [0, 0],
    'SUCCESS,FAILURE,DELAY' => [1, 1],
);
my @expected;
my $n = 0;
for my $notify (sort keys %want) {
    for my $outcome (0, 1) {
        my $to = $outcome ? 'nobody@b.test' : 'bob@b.test';
        my $id = 'n' . ++$n;
        $a->submit(from => 'alice@a.test', to => [$to], mail => "ENVID=$id", message => Pontoon::Test::Mail->plain(subject => $id),
            rcpt => {$to => $notify ? "NOTIFY=$notify" : undef});
        push @expected, "$id: " . ($outcome ? 'failed ' : 'relayed ') . $to if $want{$notify}[$outcome];
    }
}
# The message itself is returned as RET says, and only when it failed.
my $body = "the very body\r\n" x 10;
my @ret = (    # RET, size of the body, outcome => is the body returned?
    ['',     1,     'nobody', 1],
    ['FULL', 1,     'nobody', 1],
    ['HDRS', 1,     'nobody', 0],
    ['',     1000,  'nobody', 0],    # over dsn-full-max
    ['FULL', 1000,  'nobody', 1],
    ['FULL', 1,     'bob',    0],
);
for my $i (0 .. $#ret) {
    my ($ret, $times, $user) = @{$ret[$i]};
    $a->submit(from => 'alice@a.test', to => ["$user\@b.test"], mail => "ENVID=r$i" . ($ret ? " RET=$ret" : ''),
        message => Pontoon::Test::Mail->plain(subject => "r$i", body => $body x $times),
        rcpt => {"$user\@b.test" => 'NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Old+2BName@b.test'});
    push @expected, "r$i: " . ($user eq 'bob' ? 'relayed ' : 'failed ') . "$user\@b.test";
}

my %dsns;
wait_for(@expected . ' DSNs', sub { $a->postfix->mailbox_files('alice') >= @expected });
$a->wait_settled;
$dsns{$_->message->{'original-envelope-id'}} = $_ for Pontoon::Test::Dsn::all($a->mailbox('alice'));
is_deeply [sort map { "$_: " . $dsns{$_}->summary } keys %dsns], [sort @expected], 'each outcome is told to whom asked for it';
is scalar($a->postfix->mailbox_files('alice')), @expected, 'once';
for my $i (0 .. $#ret) {
    my $dsn = $dsns{"r$i"};
    my $has = index($dsn->original, 'the very body') >= 0;
    ok !$has == !$ret[$i][3], "RET: @{$ret[$i]}[0 .. 2]";
    like $dsn->original, qr/^Subject: r$i$/m, 'the header is there in any case';
    is +($dsn->types)[2], $ret[$i][3] ? 'message/rfc822' : 'text/rfc822-headers', 'with the right type';
    is $dsn->python, join(' ', 'text/plain', 'message/delivery-status', ($dsn->types)[2]), 'and is sound MIME';
}
my ($failed) = values %{$dsns{r0}->rcpts};
is $failed->{'original-recipient'}, 'rfc822; Old+Name@b.test', 'ORCPT';
is $failed->{status}, '5.1.1', 'status';
like $failed->{'diagnostic-code'}, qr/^smtp; 550 5\.1\.1 <nobody\@b\.test>: Recipient address rejected/, "the MTA's words";
like $failed->{'remote-mta'}, qr/^dns; bridge\.b\.test$/, 'who said it';
like $failed->{'last-attempt-date'}, qr/^\w{3}, \d+ \w{3} \d{4} /, 'when';
my ($relayed) = values %{$dsns{r5}->rcpts};
is $relayed->{status}, '2.0.0', 'success has its status';
like $relayed->{'diagnostic-code'}, qr/^smtp; 250 /, "and B's words";
is $dsns{$_}->reporter, 'mx.a.test', "reported by A: $_" for qw(r0 r5);
is $dsns{r0}->mail->header('Return-Path'), '<>', 'from the null sender';
like $dsns{r0}->mail->header('Auto-Submitted'), qr/^auto-/, 'marked as automatic';

# The null sender hears nothing of anything.
$a->submit(from => '', to => ['nobody@b.test'], message => Pontoon::Test::Mail->plain(subject => 'from nobody'), may_fail => 1);
$a->wait_settled;
is scalar($a->postfix->mailbox_files('alice')), @expected, 'and that was all';
is $a->pontoon_json('status')->{store}{recipients}{bouncing}, 0, 'nothing waits';
unlike $b->postfix->log_after(0), qr/sender (?:non-)?delivery/, 'B made none';
$world->nothing_broke;
done_testing;
