# Real mail by plain SMTP and by pontoon into the same MTA, with OpenDKIM and Rspamd as its filters (objection 4a): the same bytes, the same
# result of DKIM, and the same verdict, rule by rule, for each message. Here with some of what other tests use, too; `make corpus-check` gives
# all there is (CORPUS names a folder of messages), with each MTA.
use Pontoon::Test time => 900;
use Pontoon::Test::Corpus;
use Pontoon::Test::Dkim;
use Pontoon::Test::Mail;
use Pontoon::Test::Rspamd;
use Pontoon::Test::Replay;
use DBI;
use IPC::Open2 qw(open2);

plan skip_all => 'needs the Debian packages rspamd and opendkim' unless Pontoon::Test::Rspamd->available && Pontoon::Test::Dkim->available;

my $world  = new_world();
my $dkim   = Pontoon::Test::Dkim->new($world, domain => 'a.test', canonicalization => 'relaxed/simple');
my $rspamd = Pontoon::Test::Rspamd->new($world);
my @filters = ($dkim->verifier, $rspamd->start);
my $a = $world->site('a', main => {mynetworks => '127.0.0.0/8', local_header_rewrite_clients => '', smtp_line_length_limit => 0});
my $b = $world->site('b', users => ['bob'], filters => \@filters);
$world->dns->set('s1._domainkey.a.test', 'TXT ' . $dkim->record);
$world->start;
$rspamd->wait_ready;

# ---- what is sent ----

my $archive = $ENV{CORPUS} // $world->mkdir('archive');
my $own = $world->mkdir('own');
sub own { $world->write("own/$_[0]", $_[1]) }
if (!$ENV{CORPUS}) {
    my @messages = Pontoon::Test::Corpus::messages();
    my $each = int(@messages / ($ENV{CORPUS_MESSAGES} // 60)) || 1;
    $world->write(sprintf('archive/%04d.eml', $_), $messages[$_]) for grep { $_ % $each == 0 } 0 .. $#messages;
}
# Some whose verdict is known: spam by Rspamd's own rules; signed; signed and changed.
own('9000-spam.eml', "From: \"PayPal\" <alice\@a.test>\r\nTo: undisclosed-recipients:;\r\nReply-To: win\@lottery.test\r\nSubject: YOU HAVE WON \$1,000,000 !!!\r\n"
    . "MIME-Version: 1.0\r\nX-Mailer: The Bat! 0.1\r\nContent-Type: text/html; charset=\"iso-8859-1\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    . "PGh0bWw+PGZvcm0gYWN0aW9uPSJodHRwOi8vMTkyLjAuMi4xL3giPjxpbWcgc3JjPSJodHRwOi8vMTkyLjAuMi4xL3kiPjwvZm9ybT48L2h0bWw+\r\n");
my $plain = Pontoon::Test::Mail->plain(body => "signed\r\n");
sub sign {
    my ($message) = @_;
    my $pid = open2(my $out, my $in, '/usr/bin/python3', '-c', 'import sys, dkim; m = sys.stdin.buffer.read(); '
        . 'sys.stdout.buffer.write(dkim.sign(m, b"s1", b"a.test", open(sys.argv[1], "rb").read()) + m)', "$dkim->{dir}/key.pem");
    print $in $message;
    close $in;
    my $text = do { local $/; <$out> };
    waitpid $pid, 0;
    $? == 0 or die 'python3-dkim does not sign';
    return $text;
}
my $good = sign($plain);
own('9001-signed.eml', $good);
own('9002-changed.eml', $good =~ s/signed\r\n\z/Signed, not!\r\n/r);

# ---- by both ways ----

my $N = () = glob "$own/* $archive/*";
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $plain);
$b->wait_mail('bob', 1);
my $journal = $world->dir . '/journal';
my $begun = time;
my ($report, $code, $text, $errors) = Pontoon::Test::Replay::run($world, '--compare', '--to', 'plain=' . $a->mta->endpoint('return'),
    '--to', 'pontoon=' . $a->mta->endpoint('smtp'), '--from', 'alice@a.test', '--rcpt', 'bob@b.test', '--maildir', $b->mta->{mail},
    '--watch', 'X-Spamd-Result', '--watch', 'X-Spam', '--wait', '60s', '--timeout', '120s', '--journal', $journal, $archive, $own);
$report or BAIL_OUT("no report: $text$errors");
note sprintf '%d messages in %d s', $report->{messages}, time - $begun;

# Each message that arrived: its bytes behind the token, and what the filters wrote.
my $db = DBI->connect("dbi:SQLite:$journal/journal.db", '', '', {RaiseError => 1});
my %copies = map { $_->[0] => $_ } @{$db->selectall_arrayref('SELECT id, number, way, origin FROM copies')};
my %arrived;
for my $file ($b->mta->mailbox_files('bob')) {
    my $message = do { local (@ARGV, $/) = ($file); <> };
    my ($head, $copy, $rest) = $message =~ /\A(.*?^X-Pontoon-Replay: \w+-(\d+)\n)(.*)\z/ms or next;
    my $verdict = '';
    $verdict .= $1 while $rest =~ s/^(X-Spam(?:d-Result)?: [^\n]*\n(?:[ \t][^\n]*\n)*)//m;
    my ($results) = $head =~ /^Authentication-Results: b?[^\n]*?;\s*([^\n]*(?:\n[ \t][^\n]*)*)/m;
    my (undef, $number, $way, $origin) = @{$copies{$copy} // die "copy $copy was not sent"};
    $arrived{$number}{$way} = {origin => $origin =~ s{.*/}{}r, bytes => $rest, verdict => $verdict, dkim => $results // 'none'};
}
my %of = map { my $both = $_; map { $_->{origin} => $both } values %$both } values %arrived;
my (%differ, @alone, @rewritten, @other_hour);
my $rewrites = $a->{mta} eq 'sendmail';    # its header, in what it relays itself; the milter, and so pontoon, has it as it came
for my $both (values %arrived) {
    my ($one, $two) = @$both{qw(plain pontoon)};
    push @alone, ($one // $two)->{origin} if !$one || !$two;
    next if !$one || !$two;
    # How many hours old a message is may change between the two ways.
    if ($one->{verdict} ne $two->{verdict}) {
        my ($before, $after) = map { $_->{verdict} =~ s/DATE_IN_(?:PAST|FUTURE)\([\d.]+\)\K\[\d+\]//r } $one, $two;
        if ($before eq $after) {
            push @other_hour, $one->{origin};
            $two->{verdict} = $one->{verdict};
        }
    }
    push @rewritten, $one->{origin} if $rewrites && $one->{bytes} ne $two->{bytes};
    for my $what ($rewrites && $one->{bytes} ne $two->{bytes} ? 'dkim' : qw(bytes dkim verdict)) {
        push @{$differ{$what}}, "$one->{origin}:\n$one->{$what}\n--\n$two->{$what}" if $one->{$what} ne $two->{$what};
    }
}
is_deeply \@alone, [], 'what arrived by one way arrived by the other';
my $pairs = grep { keys %$_ == 2 } values %arrived;
my $unsendable = grep { $_->{kind} eq 'unsendable' } @{$report->{findings}};
# Such as GTUBE, which the filter refuses always, or a message whose header begins so badly that its first fields are lost.
my %missing;
push @{$missing{$_->{origin} =~ s{.*/}{}r}}, $_->{way} for grep { $_->{kind} eq 'missing' } @{$report->{findings}};
note "by neither way: $_" for sort keys %missing;
is_deeply [grep { @{$missing{$_}} != 2 } sort keys %missing], [], 'what is missing by one way is missing by the other';
cmp_ok scalar(keys %missing), '<=', $ENV{CORPUS} ? 5 : 0, keys(%missing) . ' arrived by neither way' or diag $text, $errors;
cmp_ok $pairs, '>=', $report->{messages} - $unsendable - keys %missing, "$pairs of $report->{messages} messages by both ways";
note 'Sendmail, relaying by itself, rewrote ' . @rewritten . ': ' . join ', ', sort @rewritten if @rewritten;
for my $what (qw(bytes dkim verdict)) {
    ok !$differ{$what}, sprintf 'the same %s for %d of %d', $what, $pairs - @{$differ{$what} // []}, $pairs
        or diag map { length > 3000 ? substr($_, 0, 3000) . "...\n" : "$_\n" } grep { defined } @{$differ{$what}}[0 .. 2];
}

# The report of pontoon-replay counts the same.
my %counted = map { $_->{name} => $_ } @{$report->{comparison}{same}};
is $counted{bytes}{n}, $pairs, 'the report compares as many';
cmp_ok $counted{$_}{n}, '>=', 3, "$counted{$_}{n} with $_" for 'DKIM results', 'X-Spam', 'X-Spamd-Result';
note sprintf '%s: the same in %d of %d', @{$counted{$_}}{qw(name same n)} for sort keys %counted;
note sprintf 'the second way took longer for %d by p50 %d ms, p99 %d ms; less for %d', @{$report->{comparison}{later_ms}}{qw(n p50 p99)},
    $report->{comparison}{earlier_ms}{n};
$rewrites or is $report->{different}, scalar @other_hour, 'and differ no more than those' or diag map { "$_->{origin}: $_->{what}\n" } grep { $_->{kind} eq 'different' } @{$report->{findings}};

# What the MTA itself changes, or no MTA could carry, is named.
for my $finding (grep { $_->{kind} eq 'unsendable' || $_->{kind} eq 'altered' } @{$report->{findings}}) {
    note join ': ', $finding->{kind}, $finding->{way} // '', ($finding->{origin} =~ s{.*/}{}r), $finding->{what};
}
$rewrites or is $report->{ways}[1]{altered}, $report->{ways}[0]{altered}, "the MTAs changed $report->{ways}[0]{altered} messages, by both ways alike";
if (!$ENV{CORPUS}) {
    is $report->{ways}[0]{altered}, 0, 'these arrive as they were sent';
    is $unsendable, 0, 'and all can be sent';
}

# The filters were there, and can tell.
like $of{'9001-signed.eml'}{pontoon}{dkim}, qr/dkim=pass/, 'a signature that holds';
like $of{'9002-changed.eml'}{pontoon}{dkim}, qr/dkim=fail/, 'one that does not';
like $of{'9001-signed.eml'}{pontoon}{verdict}, qr/R_DKIM_ALLOW/, 'to Rspamd, too';
my @spam = grep { $_->{pontoon}{verdict} =~ /^X-Spam: Yes/m } values %arrived;
cmp_ok scalar @spam, '>=', 1, @spam . ' are spam to it';
cmp_ok scalar(@spam), '<', $pairs, 'and others are not';
my %rules = map { $_ => 1 } map { $_->{pontoon}{verdict} =~ /\b([A-Z][A-Z0-9_]{3,})\(/g } values %arrived;
note scalar(keys %rules) . ' different rules fired';

$world->nothing_broke;
done_testing;
