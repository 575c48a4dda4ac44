# pontoon-replay through two real sites: an archive of real messages is sent by plain SMTP and by pontoon, every one arrives once and
# unaltered by both ways, and the report says so; a run that is interrupted goes on where it was; what can't be sent is named.
# REPLAY_MESSAGES says how many by both ways, in rounds if the corpora have fewer; the report is printed then (`make replay-proof`: 10,000).
use Pontoon::Test time => $ENV{REPLAY_MESSAGES} ? 3600 : 300;
use Pontoon::Test::Corpus;
use Pontoon::Test::Replay;

my $world = new_world();
my $a = $world->site('a', main => {mynetworks => '127.0.0.0/8', local_header_rewrite_clients => '', smtp_line_length_limit => 0});
my $b = $world->site('b', users => [qw(alice bob carol)]);
$world->start;
my $replay = Pontoon::Test::Replay::program();

sub replay { Pontoon::Test::Replay::run($world, @_) }

# An mbox as mail readers write it, of N real messages.
my @messages = Pontoon::Test::Corpus::messages();
sub mbox {
    my ($name, $n) = @_;
    my $text = '';
    for my $i (0 .. $n - 1) {
        my $message = $messages[$i % @messages] =~ s/\r\n/\n/gr;
        $message =~ s/^(>*From )/>$1/mg;
        $text .= sprintf "From someone\@a.test Thu Nov 26 10:%02d:%02d 2026\n%s\n", $i / 60 % 60, $i % 60, $message;
    }
    return $world->write($name, $text);
}
my $N      = $ENV{REPLAY_MESSAGES} // 300;
my $mbox   = mbox('archive.mbox', 0 + @messages);
my $rounds = int(($N + $#messages) / @messages);
diag sprintf '%d messages, of %d different ones in the corpora, %.1f KB on average', $N, scalar @messages, (-s $mbox) / @messages / 1000
    if $ENV{REPLAY_MESSAGES};
my @to_b = ('--from', 'alice@a.test', '--rcpt', 'bob@b.test', '--maildir', $b->mta->{mail}, '--wait', '30s');
# A user's folder is made with the first message; the replay watches what is there.
$a->submit(from => 'alice@a.test', to => ['bob@b.test']);
$b->wait_mail('bob', 1);

# By both ways, in one command.
my ($report, $code, $text, $errors) = replay(@to_b, '--compare', '--html', $world->dir . '/report.html',
    '--to', 'plain=' . $a->mta->endpoint('return'), '--to', 'pontoon=' . $a->mta->endpoint('smtp'),
    '--repeat', $rounds, '--limit', $N, $mbox);
diag $text, $errors if $ENV{REPLAY_MESSAGES};
is $code, 0, 'all is well' or diag $text, $errors;
is_deeply [map { $_->{name} } @{$report->{ways}}], [qw(plain pontoon)], 'two ways';
for my $way (@{$report->{ways}}) {
    is_deeply {map { $_ => $way->{$_} } qw(sent accepted arrived missing doubled altered)},
        {sent => $N, accepted => $N, arrived => $N, missing => 0, doubled => 0, altered => 0},
        "$way->{name}: all $N arrived once, unaltered";
    is $way->{whole_ms}{n}, $N, "$way->{name}: with the time of each";
    note sprintf '%s: %.0f messages/s, arrived p50 %d ms, p99 %d ms', @$way{qw(name messages_per_second)}, @{$way->{whole_ms}}{qw(p50 p99)};
}
is $report->{compared},  $N, 'each was compared';
is $report->{different}, 0,  'and none differs';
is_deeply $report->{comparison}{same}, [{name => 'bytes', n => $N, same => $N}, {name => 'DKIM results', n => 0, same => 0}],
    'the bytes of each are the same; no filter spoke of DKIM';
is $report->{comparison}{later_ms}{n} + $report->{comparison}{earlier_ms}{n}, $N, 'and how much longer each took';
my $bodiless = () = $a->log_after(0) =~ /by SMTP: it has no body/g;
cmp_ok scalar(() = $a->log_after(0) =~ /diverted=1/g), '>=', $N - $bodiless, "one way was the bridge, but for $bodiless without a body";
cmp_ok $bodiless, '<', $N / 50, 'and those are few';
cmp_ok scalar @{$report->{timeline}}, '>', 1, 'a timeline';
like do { local (@ARGV, $/) = ($world->dir . '/report.html'); <> }, qr/"good":true/, 'the page has the report';

# The page, in a real browser: the script has drawn what the report says, and nothing was loaded from elsewhere.
SKIP: {
    skip 'needs the Debian package chromium', 5 if !-x '/usr/bin/chromium';
    my $profile = $world->mkdir('browser');
    my ($dom, $status, $errors) = Pontoon::Test::Site::run('timeout', 60, '/usr/bin/chromium', '--headless', '--no-sandbox', '--disable-gpu',
        '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
        "--user-data-dir=$profile", '--virtual-time-budget=5000', '--dump-dom', 'file://' . $world->dir . '/report.html');
    like $dom, qr/<body data-drawn="yes">/, 'the page draws itself' or diag $errors;
    like $dom, qr/<p id="verdict" class="verdict good">All is well\.</, 'it says that all is well';
    like $dom, qr/<svg id="whole".*?<rect class="fill0".*?<rect class="fill1"/s, 'it has a histogram of both ways';
    like $dom, qr/<h2 id="compared">$N messages arrived by both ways, of which 0 differ.*<td>bytes<.*<td>pontoon took longer by</s, 'the comparison';
    like $dom, qr/<svg id="timeline".*?<polyline class="line0" points="\d.*?<polyline class="line1" points="\d/s, 'and a timeline';
}

# Interrupted in the middle, and resumed.
$N = 300;
$mbox = mbox('paced.mbox', $N);
my $journal = $world->dir . '/journal';
my @paced = (@to_b, '--to', $a->mta->endpoint('smtp'), '--journal', $journal, '--rate', 100, $mbox);
my $run = Pontoon::Test::Proc->start(name => 'pontoon-replay', argv => [$replay, '--json', $world->dir . '/first.json', @paced],
    output => $world->dir . '/replay.log');
my $seen = -s $a->log;
wait_for('some messages to be sent', sub { (() = $a->log_after($seen) =~ /diverted=1/g) >= 20 });
$run->signal('INT');
$run->wait_end;
my $first = Pontoon::Test::Replay::report($world->dir . '/first.json');
cmp_ok $first->{messages}, '<', $N, "interrupted after $first->{messages}";
is $first->{ways}[0]{missing}, 0, 'with nothing missing';
(undef, $code, undef, $errors) = replay(@paced);
isnt $code, 0, 'the journal is not begun anew';
like $errors, qr/--resume goes on with it/, 'and it says how to go on';
(undef, $code, undef, $errors) = replay((grep { $_ ne $mbox } @paced), '--resume', '--from', 'bob@a.test', $mbox);
like $errors, qr/had other sources or options/, 'a resumed run must be the same';
($report, $code, $text) = replay(@paced, '--resume');
is $code, 0, 'resumed: all is well' or diag $text;
is $report->{messages}, $N, 'each message was sent once';
is $report->{ways}[0]{arrived}, $N, 'and arrived' or diag $text;
is $report->{ways}[0]{doubled}, 0,  'once';

# What can't be sent is named, and makes the end no good one.
my $broken = $world->mkdir('broken');
$world->write('broken/1.eml', "Subject: good\r\n\r\nx\r\n");
$world->write('broken/2.eml', "Subject: bare\r\n\r\nx\ny\r\n");
$world->write('broken/notes.html', 'no mail');
($report, $code, $text, $errors) = replay(@to_b, '--to', $a->mta->endpoint('smtp'), $broken);
is $code, 1, 'a message that SMTP can not carry: not all is well';
is_deeply [map { "$_->{kind}: $_->{what}" } @{$report->{findings}}],
    ['unsendable: a bare LF at byte 18, in a message whose lines end in CRLF'], 'it is named';
is $report->{ways}[0]{arrived}, 1, 'the other one arrived';
like $errors, qr/1 files were not read.*notes\.html/, 'a file that is no mail is named, too';

# A header only, with and without the empty line behind it. The milter protocol does not tell them apart, so SMTP has them.
my $headers = $world->mkdir('headers');
$world->write('headers/1.eml', "From: alice\@a.test\r\nSubject: with an empty line\r\n\r\n");
$world->write('headers/2.eml', "From: alice\@a.test\r\nSubject: without\r\n");
($report, $code, $text) = replay(@to_b, '--compare', '--to', 'plain=' . $a->mta->endpoint('return'), '--to', 'pontoon=' . $a->mta->endpoint('smtp'), $headers);
is $report->{notes}{'a header only'}, 1, 'a header only: said';
is_deeply [map { "$_->{altered} altered" } @{$report->{ways}}], ['0 altered', '0 altered'], 'it has its bytes by both ways';
is_deeply [map { "$_->{name}: $_->{same} of $_->{n}" } @{$report->{comparison}{same}}], ['bytes: 2 of 2', 'DKIM results: 0 of 0'],
    'the comparison says so';

# Nothing goes where the user did not say.
(undef, $code, $text) = replay('--to', $a->mta->endpoint('smtp'), '--domain', 'b.test', '--wait', '1s', $broken);
is $code, 1, 'without an envelope';
like $text, qr/names no sender/, 'nothing is sent';

# Refused recipients are named with what the server said.
($report, $code, $text) = replay('--to', $a->mta->endpoint('smtp'), '--from', 'alice@a.test', '--rcpt', 'nobody@a.test', "$broken/1.eml");
is $code, 1, 'a recipient that is refused';
like $report->{findings}[0]{what}, qr/^550 5\.1\.1 /, 'with the reply';

$world->nothing_broke;
done_testing;
