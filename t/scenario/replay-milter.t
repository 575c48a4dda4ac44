# pontoon-replay as the MTA's side of the milter protocol: real messages through pontoon-milter and OpenDKIM, in all orders that Postfix
# and Sendmail use, without an MTA; and filters that break the protocol, each of which is named for what it does.
use Pontoon::Test time => 240;
use Pontoon::Test::Corpus;
use Pontoon::Test::Dkim;
use IO::Socket::UNIX;
use JSON::PP ();

my ($world, $a, $b) = two_sites();
my $replay = "$ENV{PONTOON_BUILD}/pontoon-replay";
my $mail   = $world->mkdir('archive');
my $i = 0;
# Whole ones: to others the MTA adds fields when it sends, so pontoon leaves them to SMTP.
my @whole = grep { my ($head) = /\A(.*?\r\n)\r\n/s; !grep { $head !~ /^$_:/mi } qw(Date From Message-ID) } Pontoon::Test::Corpus::messages();
for my $message (@whole[0 .. 39]) {
    $world->write(sprintf('archive/%03d.eml', ++$i), $message);
}

sub at_milter {
    my ($socket, @arguments) = @_;
    my $json = $world->dir . '/milter.json';
    unlink $json;
    my ($text, $status, $errors) = Pontoon::Test::Site::run($replay, '--milter', $socket, '--from', 'alice@a.test', '--rcpt', 'bob@b.test',
        '--rcpt', 'carol@elsewhere.test', '--concurrency', 4, '--client', $world->client, '--json', $json, @arguments);
    my $report = -s $json ? JSON::PP::decode_json(do { local (@ARGV, $/) = ($json); <> }) : undef;
    return ($report, $status >> 8, "$text$errors");
}

# Our own milter, with a discovery that knows b.test: each message is stored, and one recipient taken away.
$a->submit(from => 'alice@a.test', to => ['bob@b.test']);
$b->wait_mail('bob', 1);
my ($report, $code, $text) = at_milter('unix:' . $a->dir . '/milter.sock', $mail);
is $code, 0, 'real messages through pontoon-milter' or diag $text;
my ($postfix) = @{$report->{scripts}};
is_deeply [@$postfix{qw(script sessions failed changed)}], ['postfix', 40, 0, 40], 'each was changed: one recipient is diverted';
is $postfix->{verdicts}{continue}, 40, 'and goes on for the other one';
ok wait_until(sub { $b->mailbox('bob') == 41 }, 30), 'what it took arrives at b' or diag scalar $b->mailbox('bob');

($report, $code, $text) = at_milter('unix:' . $a->dir . '/milter.sock', '--milter-script', 'all', '--limit', 5, $mail);
is $code, 0, 'all orders of commands' or diag $text;
cmp_ok scalar @{$report->{scripts}}, '>=', 28, scalar(@{$report->{scripts}}) . ' scripts';
is_deeply [grep { $_->{failed} || $_->{sessions} != 5 } @{$report->{scripts}}], [], 'none failed';
my %by_name = map { $_->{script} => $_ } @{$report->{scripts}};
is $by_name{'null-sender'}{changed}, 0, 'a null sender is never diverted';
is $by_name{'lost-in-body'}{changed}, 5, 'after a lost message the next one is';
is_deeply [map { $by_name{$_}{changed} } qw(rejected-rcpt only-rejected sendmail-rejected not-by-smtp starttls)], [(5) x 5],
    'refused recipients, mail that came by sendmail(1), EHLO after STARTTLS';
is $by_name{'sendmail'}{changed}, 5, 'with the macros of Sendmail, too';

# A script of one's own.
my $script = $world->write('script', "connect x.test - 25 # a comment\nhelo x.test\nmail <bob\@a.test> SIZE=10\n" .
    "rcpt <bob\@b.test>\ndata\nheader Subject a test\n" .
    "header Date Thu, 26 Nov 2026 10:00:00 +0000\nheader From bob\@a.test\nheader Message-ID <script\@a.test>\neoh\nbody\nend\nquit\n");
($report, $code, $text) = at_milter('unix:' . $a->dir . '/milter.sock', '--milter-script', $script, '--limit', 2, $mail);
is $code, 0, 'a script from a file' or diag $text;
is $report->{scripts}[0]{changed}, 2, 'its only recipient is diverted';
my $bad = $world->write('bad', "connect x.test 192.0.2.1\nsing\n");
(undef, $code, $text) = at_milter('unix:' . $a->dir . '/milter.sock', '--milter-script', $bad, $mail);
is $code, 64, 'a bad script';
like $text, qr{/bad:2: no step "sing"}, 'is refused with its line';

# Somebody else's: OpenDKIM signs.
my $dkim = Pontoon::Test::Dkim->new($world, domain => 'a.test', canonicalization => 'simple/simple');
($report, $code, $text) = at_milter($dkim->signer, '--milter-script', $script, $mail);
is $code, 0, 'real messages through OpenDKIM' or diag $text;
is $report->{scripts}[0]{changed}, 40, 'it adds its header to each';

# Filters that break the protocol.
sub filter {
    my ($name, $talk) = @_;
    my $path = $world->dir . "/$name.sock";
    my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die "$path: $!";
    my $proc = Pontoon::Test::Proc->fork_code($name, sub {
        while (my $c = $listener->accept) {
            binmode $c;
            $talk->($c);
            close $c;
        }
    });
    return ("unix:$path", $proc);
}
sub packet { pack 'N/a', $_[0] }
# One command is read, past the macros before it; then answered.
sub answer {
    my ($c, $bytes) = @_;
    for (my $command = 'D'; $command eq 'D';) {
        read $c, my $size, 4 or return;
        read $c, my $packet, unpack('N', $size) or return;
        $command = substr $packet, 0, 1;
    }
    syswrite $c, $bytes;
}
my $negotiated = packet('O' . pack 'NNN', 6, 0, 0);
my %cases = (
    'closes at once'      => [sub { }, qr/closed the connection|reset|Broken pipe/],
    'no milter'           => [sub { answer($_[0], "220 smtp.test ESMTP\r\n") }, qr/does not speak the milter protocol: a packet of \d+ bytes/],
    'other version'       => [sub { answer($_[0], packet('O' . pack 'NNN', 7, 0, 0)) }, qr/speaks version 7/],
    'wants too much'      => [sub { answer($_[0], packet('O' . pack 'NNN', 6, 0xffff, 0)) }, qr/wants what was not offered/],
    'answers nonsense'    => [sub { answer($_[0], $negotiated); answer($_[0], packet('?')) }, qr/answered '\?' .*no place there/],
    'changes too early'   => [sub { answer($_[0], $negotiated); answer($_[0], packet("hX-A\0b\0")) }, qr/answered 'h' .*no place there/],
    'empty packet'        => [sub { answer($_[0], $negotiated); answer($_[0], pack 'N', 0) }, qr/milter protocol: a packet of 0 bytes/],
    'says nothing'        => [sub { answer($_[0], $negotiated); sleep 3 }, qr/no answer in 700 ms/],
    'closes in the middle' => [sub { answer($_[0], $negotiated); answer($_[0], packet('c')); }, qr/closed the connection|reset|Broken pipe/],
    'only progress'       => [sub { answer($_[0], $negotiated); answer($_[0], packet('p') x 20_000) }, qr/more than 10000 packets without a verdict/],
);
for my $name (sort keys %cases) {
    my ($socket, $proc) = filter($name =~ s/ /-/gr, $cases{$name}[0]);
    ($report, $code, $text) = at_milter($socket, '--limit', 1, '--timeout', '700ms', $mail);
    is $code, 1, "a filter that $name: not all is well";
    like $report->{failures}[0]{what}, $cases{$name}[1], "$name: is named" or diag $text;
    $proc->stop;
}
# What a filter is told, in which order, one letter a command as the protocol has them; macros with their command, repeated ones once.
my $told = $world->dir . '/told';
my ($recording, $recorder) = filter('recording', sub {
    my ($c) = @_;
    my $heard = '';
    while (read $c, my $size, 4) {
        read $c, my $packet, unpack('N', $size) or last;
        my $command = substr $packet, 0, 1;
        my $rejected = $command eq 'D' && substr($packet, 1, 1) eq 'R' && $packet =~ /\{rcpt_mailer\}\0error\0/;
        $heard .= $command eq 'D' ? '' : $command;
        $heard .= 'r' if $rejected;    # before the R that it is about
        syswrite $c, packet('O' . pack 'NNN', 6, 0, 0x800) if $command eq 'O';
        syswrite $c, packet('c') if $command !~ /[ODAQK]/;
    }
    open my $fh, '>>', $told or die;
    print $fh $heard =~ s/L+/L/gr =~ s/B+/B/gr, "\n";
    close $fh;
});
my %order = (
    'postfix'           => 'OCHMRRTLNBEQ',
    'postfix-session'   => 'OCHMRRTLNBEAMRRTLNBEAMRRTLNBEAQ',
    'sendmail-session'  => 'OCHMRRTLNBEMRRTLNBEMRRTLNBEQ',
    'sendmail-reuse'    => 'OCHMRRTLNBEKCHMRRTLNBEQ',
    'rset-after-mail'   => 'OCHMAMRRTLNBEQ',
    'lost-after-connect' => 'OCQ',
    'lost-in-body'      => 'OCHMRRTLNBAMRRTLNBEQ',
    'starttls'          => 'OCHHMRRTLNBEQ',
    'unknown-command'   => 'OCHUMURRUAMRRTLNBEQ',
    'rejected-rcpt'     => 'OCHMrRRRrRTLNBEQ',
    'not-by-smtp'       => 'OCHMRRTLNBEAQ',
    'no-body'           => 'OCHMRRTLNEQ',
    'no-goodbye'        => 'OCHMRRTLNBE',
    'null-sender'       => 'OCHMRRTLNBEQ',
);
for my $name (sort keys %order) {
    unlink $told;
    at_milter($recording, '--milter-script', $name, '--limit', 1, $mail);
    wait_for("$name to be told", sub { -s $told });
    is do { local (@ARGV, $/) = ($told); <> }, "$order{$name}\n", "$name: in that order";
}
$recorder->stop;

(undef, $code, $text) = at_milter('unix:' . $world->dir . '/nobody.sock', '--limit', 1, $mail);
is $code, 1, 'nobody there';
like $text, qr/nobody\.sock: No such file/, 'is said';

$world->nothing_broke;
done_testing;
