# What pontoon-replay's options do, without an MTA: every kind of source in one run into its own sink; nothing for a domain that was not named,
# whatever the mail says; the same seed, the same traffic; ramp, original timing, duration; a resumed run after kill; progress on a terminal
# and elsewhere; the report on standard output.
use Pontoon::Test;
use Pontoon::Test::Corpus;
use Pontoon::Test::Recorder;
use Pontoon::Test::Replay;
use DBI;
use JSON::PP ();
use Time::HiRes qw(time);

my $world   = new_world();
my $replay  = Pontoon::Test::Replay::program();
my $address = $world->address(9);
my $sink    = "$address:" . $world->port($address);
my @to_sink = ('--to', $sink, '--sink', $sink, '--from', 'alice@a.test', '--rcpt', 'bob@b.test', '--wait', '5s', '--linger', '100ms');

sub replay { Pontoon::Test::Replay::run($world, @_) }

# ---- sources ----

my @messages = map { s/\r\n/\n/gr } (Pontoon::Test::Corpus::messages())[0 .. 11];
my $from_line = "From alice\@a.test Thu Nov 26 10:00:00 2026\n";
sub mboxcl {    # Content-Length, and lines that begin with From left as they are
    return join '', map { my ($head, $body) = /\A(.*?\n)(?:\n(.*))?\z/s; $body //= '';
        $from_line . $head . 'Content-Length: ' . length($body) . "\n\n$body\n" } @_;
}
my $folder = $world->mkdir('sources');
my $quote  = sub { join '', map { $from_line . s/^(>*From )/>$1/mgr . "\n" } @_ };
$world->write('sources/rd.mbox', $quote->(@messages));
$world->write('sources/cl.mbox', mboxcl("Subject: cl\n\nFrom me at 10:00 to you\n", @messages));
for (qw(Maildir Maildir/cur Maildir/new Maildir/tmp Maildir/.Sent Maildir/.Sent/cur Maildir/.Sent/new Maildir/.Sent/tmp MH MH/inbox eml)) {
    $world->mkdir("sources/$_");
}
$world->write("sources/Maildir/new/1.M$_.h", $messages[$_])       for 0 .. 3;
$world->write("sources/Maildir/cur/2.M$_.h:2,S", $messages[$_])   for 4 .. 7;
$world->write("sources/Maildir/.Sent/cur/3.M$_.h:2,", $messages[$_]) for 8 .. 11;
$world->write('sources/Maildir/.Sent/maildirfolder', '');
$world->write("sources/MH/inbox/$_", $messages[$_ - 1]) for 1 .. 12;
$world->write('sources/MH/inbox/.mh_sequences', "unseen: 1-12\n");
$world->write("sources/eml/$_.eml", $messages[$_]) for 0 .. 11;
Pontoon::Test::Site::run('tar', '-C', $folder, '-cf', "$folder/all.tar", 'Maildir', 'MH', 'eml');
for my $tool ([gzip => 'gz'], [xz => 'xz'], [zstd => 'zst'], [bzip2 => 'bz2']) {
    my ($program, $end) = @$tool;
    Pontoon::Test::Site::run('sh', '-c', "$program -c <$folder/all.tar >$folder/all.tar.$end && $program -c <$folder/rd.mbox >$folder/rd.mbox.$end");
}
my ($report, $code, $text, $errors) = replay(@to_sink, $folder);
my $n = 12 + 13 + 3 * 12 + (5 * 36) + 4 * 12;
is $code, 0, 'every kind of source: all is well' or diag $text, $errors;
is $report->{messages}, $n, "each message of each, $n in all";
($report, $code) = replay(@to_sink, '-', map { "$folder/$_" } 'eml/0.eml', 'Maildir') if open STDIN, '<', "$folder/all.tar.zst";
is $report->{messages}, 36 + 1 + 12, 'standard input, compressed, among others';
is $code, 0, 'also well';

my $lmtp = "lmtp:$sink";
($report, $code, $text) = replay('--to', $lmtp, '--sink', $lmtp, '--from', '<>', map({ ('--rcpt', "u$_\@b.test") } 1 .. 3), '--linger', '100ms', "$folder/rd.mbox");
is $code, 0, 'by LMTP, with an answer for each recipient' or diag $text;
is $report->{ways}[0]{arrived}, 36, 'each recipient has each message';

# ---- nothing for a domain that was not named ----

my $recorder = Pontoon::Test::Recorder->start(address => $address, port => $world->port($address), dir => $world->mkdir('recorded'));
sub envelopes {
    my (@arguments) = @_;
    unlink glob $world->dir . '/recorded/*';
    my ($report, $code, $text) = replay('--to', $recorder->endpoint, @arguments);
    my @files = sort { ($a =~ /(\d+)$/)[0] <=> ($b =~ /(\d+)$/)[0] } glob $world->dir . '/recorded/*';    # of one connection: in order
    return ($report, map { Pontoon::Test::Replay::report($_) } @files);
}
my @elsewhere = ('u@foreign.test', 'U <u@foreign.test>', 'friends: u@foreign.test, v@foreign.test;', 'u@b.test.foreign.test', 'u@notb.test', 'u@sub.b.test',
    'u%foreign.test@b.test', 'foreign.test!u@b.test', '"u@foreign.test"@b.test', '<@b.test:u@foreign.test>', 'u@[192.0.2.1]', 'u@b.test@foreign.test',
    '"x\" <y@b.test>, " <u@foreign.test>', "u\@foreign.test,\n w\@foreign.test", 'u@foreign.test (u@b.test)', 'u@b.test.', 'u@xn--bcher-kva.test', 'u@bücher.test');
my $i = 0;
my $mail = $world->mkdir('hostile');
for my $value (@elsewhere) {
    for my $field ('To', (qw(Cc Delivered-To X-Original-To Envelope-To))[$i % 4]) {
        $world->write(sprintf('hostile/%03d.eml', $i++), "From: a\@a.test\n$field: $value\nBcc: u\@foreign.test\nResent-To: u\@foreign.test\nSubject: x\n\nx\n");
    }
    $world->write(sprintf('hostile/%03d.eml', $i++), "Return-Path: <" . ($value =~ /<(.*?)>/ ? $1 : $value) . ">\nFrom: $value\nTo: bob\@b.test\n\nx\n");
}
$world->write('hostile/999.eml', "From: a\@a.test\nTo: u\@foreign.test, bob\@b.test, v\@foreign.test\n\nx\n");
my @named = ('--domain', 'b.test');
for my $case (
    ['no sender named',  [@named], qr/\@b\.test$/],
    ['a sender',         [@named, '--from', 'me@c.test'], qr/\@(?:b|c)\.test$/],
    ['domains below',    ['--domain', '.b.test', '--from', '<>'], qr/^$|\@sub\.b\.test$/],
    ['senders mapped',   [@named, '--map-sender', '*=c.test'], qr/\@(?:b|c)\.test$/],
    ['one map',          ['--map', 'foreign.test=c.test', '--from', '<>'], qr/^$|\@c\.test$/],
    ['everything mapped', ['--map', '*=c.test', '--from', '<>'], qr/^$|\@c\.test$/],
    ['each below one',   ['--map', '*=.c.test', '--map-sender', '*=.c.test'], qr/\.c\.test$|^$/],
    ['spread',           ['--spread', '3=d%.c.test', '--from', '<>'], qr/^$|\@d[123]\.c\.test$/],
    ['one for all',      ['--rcpt', 'one@b.test', '--map-sender', 'foreign.test=c.test'], qr/\@(?:b|c)\.test$/],
) {
    my ($name, $options, $allowed) = @$case;
    my ($report, @got) = envelopes(@$options, $mail);
    my @paths = map { my $mail = $_; map { /^<([^>]*)>/ ? $1 : $_ } $mail->{mail}, @{$mail->{rcpts}} } @got;
    is_deeply [grep { $_ !~ $allowed || /[%!]|\@.*\@/ } @paths], [], "$name: " . @got . ' messages sent, ' . @paths . ' addresses, all at domains that were named';
    is @got + $report->{unsendable}, $i + 1, "$name: the others are counted";
}
($report, my @got) = envelopes(@named, '--from', '<>', "$mail/999.eml");
is $report->{recipients_left_out}, 2, 'recipients elsewhere are left out';
is_deeply $got[0]{rcpts}, ['<bob@b.test>'], 'the one who was named gets it';

# ---- the same seed ----

sub traffic { my ($report, @got) = envelopes(@_); return [map { [@$_{qw(mail rcpts content)}] } @got] }
my @sampled = ('--from', 'a@a.test', '--rcpt', 'b@b.test', '--sample', 40, '--concurrency', 1, "$folder/rd.mbox.gz", "$folder/cl.mbox");
my $first = traffic(@sampled, '--seed', 7);
cmp_ok scalar @$first, '>', 3, 'a sample of ' . @$first . ' messages';
cmp_ok scalar @$first, '<', 20, 'is not all';
is_deeply traffic(@sampled, '--seed', 7), $first, 'the same seed: the same traffic, byte for byte';
my $subjects = sub { join '|', map { $_->[2] =~ /^Subject: ([^\r\n]*)/m ? $1 : '' } @{$_[0]} };
isnt $subjects->(traffic(@sampled, '--seed', 8)), $subjects->($first), 'another one: another sample';
my $many = $world->write('many.eml', "From: a\@a.test\nTo: " . join(', ', map { "u$_\@b.test" } 1 .. 9) . "\n\nx\n");
(undef, @got) = envelopes(@named, '--from', '<>', '--max-rcpts', 2, $many);
is scalar @{$got[0]{rcpts}}, 2, 'recipients per message';

# ---- time ----

# How many were sent, and how long it took.
sub timed {
    my (@arguments) = @_;
    my $begun = time;
    my ($report) = envelopes('--from', 'a@a.test', '--rcpt', 'b@b.test', @arguments);
    return ($report->{messages}, time - $begun);
}
my ($sent, $took) = timed('--duration', '1s', '--rate', '40/s', '--repeat', 1000, "$folder/rd.mbox");
ok $sent > 10 && $sent <= 41, "40 a second for a second: $sent messages" or diag $took;
($sent, $took) = timed('--rate', '60/s', '--ramp', '2s', '--duration', '1s', '--repeat', 1000, "$folder/rd.mbox");
ok $sent > 3 && $sent <= 18, "in the first half of a ramp: $sent messages, a quarter of 60" or diag $took;
my $spaced = $world->write('spaced.mbox', join '', map { sprintf "From a\@a.test Thu Nov 26 10:0%d:00 2026\nSubject: %d\n\nx\n\n", $_, $_ } 0 .. 4);
($sent, $took) = timed('--compress', 300, $spaced);
is $sent, 5, 'four minutes, compressed by 300';
cmp_ok $took, '>=', 0.8, sprintf 'take 0.8 s (%.2f)', $took;
my $dated = $world->mkdir('dated');
$world->write("dated/$_.eml", sprintf "Date: Thu, 26 Nov 2026 10:0%d:00 +0000\nSubject: %d\n\nx\n", $_, $_) for 0 .. 4;
($sent, $took) = timed('--compress', 300, $dated);
cmp_ok $took, '>=', 0.8, sprintf 'and by the Date fields of single messages, too (%.2f)', $took;
($sent, $took) = timed('--compress', 1, '--max-gap', '100ms', $dated);
ok $sent == 5 && $took >= 0.4 && $took < 60, sprintf 'no distance longer than --max-gap (%.2f)', $took;

# ---- a Maildir that is watched ----

# What the recorder took is put there as MTAs and others do it: by rename, by link, and written in place in two pieces. The message says itself
# whom it was delivered to when it came first; only what stands above the token is the way's.
my $box = $world->mkdir('box');
$world->mkdir("box/$_") for qw(new cur tmp);
$world->write("box/new/0.old.h", "Subject: was there\n\n");
my $three = $world->mkdir('three');
$world->write("three/$_.eml", "Delivered-To: somebody\@else.test\nSubject: $_\n\n" . 'x' x 5000 . "\n") for 1 .. 3;
unlink glob $world->dir . '/recorded/*';
my $watching = Pontoon::Test::Proc->start(name => 'pontoon-replay', output => $world->dir . '/watching.log', argv => [$replay, '--to', $recorder->endpoint,
    '--maildir', $box, '--from', '<>', '--rcpt', 'bob@b.test', '--wait', '30s', '--linger', '300ms', '--json', $world->dir . '/watching.json', $three]);
wait_for('the messages to be taken', sub { $recorder->mails('bob@b.test') == 3 });
my @taken = map { "Return-Path: <>\n" . ($_->{content} =~ s/\r\n/\n/gr) } $recorder->mails('bob@b.test');
$world->write("box/tmp/$_.h", $taken[$_]) for 0, 1;
rename "$box/tmp/0.h", "$box/new/0.h:2,S" or die;
link "$box/tmp/1.h", "$box/new/1.h" or die;
open my $slow, '>', "$box/new/2.h" or die;
syswrite $slow, substr $taken[2], 0, 1000;
select undef, undef, undef, 0.3;    # long enough for what was written to be taken for the whole
syswrite $slow, substr $taken[2], 1000;
close $slow;
$watching->wait_end(30);
$report = Pontoon::Test::Replay::report($world->dir . '/watching.json');
is_deeply [map { $report->{ways}[0]{$_} } qw(arrived missing doubled altered)], [3, 0, 0, 0], 'a Maildir, by rename, by link, in two pieces: all three' or diag explain $report->{findings};
is $report->{strays}, 0, 'and what was there before does not count';

# Killed; one message comes while nobody looks, the others when the run is resumed.
unlink glob $world->dir . '/recorded/*';
my $taken = 0;
sub deliver {
    my @new = sort { $a->{content} cmp $b->{content} } $recorder->mails('bob@b.test');
    for my $mail (@new[$taken .. $#new]) {
        $world->write("box/tmp/r$taken.h", $mail->{content} =~ s/\r\n/\n/gr);
        rename "$box/tmp/r$taken.h", "$box/new/r$taken.h" or die;
        $taken++;
    }
}
my @watched = ('--to', $recorder->endpoint, '--maildir', $box, '--from', '<>', '--rcpt', 'bob@b.test', '--wait', '30s', '--linger', '300ms',
    '--journal', $world->dir . '/watched', '--json', $world->dir . '/watching.json', '--concurrency', 1);
$watching = Pontoon::Test::Proc->start(name => 'pontoon-replay', output => $world->dir . '/watching.log', argv => [$replay, @watched, '--rate', '1', $three]);
wait_for('one to be taken and noted', sub {
    my $db = DBI->connect('dbi:SQLite:' . $world->dir . '/watched/journal.db', '', '', {PrintError => 0}) // return;
    return ($db->selectrow_array('SELECT count(*) FROM copies WHERE state = 1') // 0) >= 1;
});
$watching->kill9;
deliver();
$watching = Pontoon::Test::Proc->start(name => 'pontoon-replay', output => $world->dir . '/watching.log', argv => [$replay, @watched, '--resume', $three]);
wait_for('the others', sub { $recorder->mails('bob@b.test') >= 3 });
deliver();
$watching->wait_end(30);
$report = Pontoon::Test::Replay::report($world->dir . '/watching.json');
is_deeply [map { $report->{ways}[0]{$_} } qw(arrived missing doubled altered)], [3, 0, 0, 0], 'killed and resumed: what came in between was found'
    or diag explain $report;

# ---- killed, and resumed ----

my $journal = $world->dir . '/journal';
my @resumable = (@to_sink, '--rate', '200', '--repeat', 1000, '--limit', 240, '--journal', $journal, "$folder/rd.mbox");
my $killed = Pontoon::Test::Proc->start(name => 'pontoon-replay', argv => [$replay, @resumable], output => $world->dir . '/killed.log');
wait_for('the first messages', sub { -s "$journal/journal.db-wal" && -s _ > 100_000 }, 20);
$killed->kill9;
($report, $code, $text, $errors) = replay(@resumable, '--resume');
is $report->{messages}, 240, 'killed in the middle and resumed: each message was begun' or diag $text, $errors;
my $way = $report->{ways}[0];
is $way->{doubled}, 0, 'none twice';
cmp_ok $way->{arrived} + $way->{unknown}, '>=', 240, "$way->{unknown} were under way, and are said to be unknown" or diag $text;
cmp_ok $way->{unknown}, '<=', 40, 'and not many';
is $code, $way->{unknown} ? 1 : 0, 'as the exit code says';

# ---- progress ----

my @slow = (@to_sink, '--rate', '80', '--repeat', 4, "$folder/rd.mbox", "$folder/cl.mbox");
my ($typed) = Pontoon::Test::Site::run('script', '-qec', join(' ', map { "'$_'" } $replay, @slow), '/dev/null');
my @shown = grep { /^\[/ } split /\r/, $typed;
cmp_ok scalar @shown, '>', 2, 'on a terminal one line is written again and again';
like $shown[-1], qr/^\[#{20}\] 100% 100 sent, \d+\/s, accepted 100, refused 0, unsendable 0, p50 \S+, p99 \S+, arrived 100 of 100/, 'in the end it is full';
like join("\n", @shown), qr/\[#+\.+\] +\d+% .* left\b/, 'before that it has the time that is left' or diag explain \@shown;
(undef, undef, undef, $errors) = replay(@slow);
unlike $errors, qr/[\r\e]|\[#/, 'elsewhere there are plain lines';
like $errors, qr/^100 sent, \d+\/s, accepted 100, refused 0/m, 'with the same facts';
(undef, undef, undef, $errors) = replay(@to_sink, '--quiet', "$folder/rd.mbox");
is $errors, '', 'and none with --quiet';

# ---- reports on standard output ----

my ($json, undef, $said) = Pontoon::Test::Site::run($replay, @to_sink, '--quiet', '--json', '-', "$folder/rd.mbox");
is JSON::PP::decode_json($json)->{messages}, 12, '--json - writes the JSON alone there';
like $said, qr/All is well/, 'and the text elsewhere';
my ($html) = Pontoon::Test::Site::run($replay, @to_sink, '--quiet', '--html', '-', "$folder/rd.mbox");
like $html, qr/\A<!DOCTYPE html>.*<\/html>\s*\z/s, '--html - writes the page';
unlike $html, qr/(?:src|href)=|url\(|\@import/, 'which needs nothing else';


$world->nothing_broke;
done_testing;
