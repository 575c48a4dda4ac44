# Byte for byte on hard messages: what comes over the bridge is what the plain SMTP path between the same MTAs
# delivers; where that is what was sent, so is this. (The MTAs' own SMTP clients would fold lines of more than 998 bytes:
# switched off here for the comparison.) Nothing in a message ends DATA early.
#
# One thing the milter protocol does not tell: whether an empty line came after the last header of a message without a
# body. So those go by SMTP (`smtp`).
use Pontoon::Test;

my @cases = (
    ['plain text'                  => headers() . "\r\nhello\r\n"],
    ['8BITMIME, Latin-1 and UTF-8' => headers() . "\r\nGr\xfc\xdfe, \xe2\x82\xac, \xff\xfe\x80\r\n", mail => 'BODY=8BITMIME'],
    ['8-bit without BODY'          => headers() . "\r\nGr\xfc\xdfe\r\n"],
    ['8-bit in headers'            => headers("X-Name: J\xf6rg\r\n") . "\r\nhi\r\n", mail => 'BODY=8BITMIME'],
    ['SMTPUTF8 headers' => headers("Subject: Gr\xc3\xbc\xc3\x9fe\r\nX-Absender: J\xc3\xb6rg <j\xc3\xb6rg\@a.test>\r\n") . "\r\nhi\r\n",
        from => "j\xc3\xb6rg\@a.test", mail => 'BODY=8BITMIME SMTPUTF8'],
    ['lines of 998 bytes'      => headers() . "\r\n" . ('x' x 998 . "\r\n") x 3],
    ['lines of 100,000 bytes'  => headers() . "\r\n" . ('y' x 100_000 . "\r\n") x 2],
    ['a line of 1,000,000'     => headers() . "\r\n" . ('z' x 1_000_000) . "\r\n"],
    ['dots at line starts'     => headers() . "\r\n.\r\n..\r\n...\r\n.x\r\n. \r\n.." . ".\r\n.\r\n"],
    ['folded headers'          => headers("X-Folded: one\r\n two\r\n\tthree\r\n  \t four  \r\nX-Then: y\r\n") . "\r\nhi\r\n"],
    ['blank folds'             => headers("X-Folded: one\r\n \r\n two\r\n\t\r\n") . "\r\nhi\r\n"],
    ['empty headers'           => headers("X-Empty:\r\nX-Space: \r\nX-Spaces:    \r\nX-Tab:\t\r\n") . "\r\nhi\r\n"],
    ['spaces around values'    => headers("X-Tight:x\r\nX-Wide:     x   \r\nX-Tabs:\t\tx\t\r\nX-Before : x\r\n") . "\r\nhi\r\n"],
    ['odd names'               => headers("x-lower: x\r\nX_Under: x\r\n" . 'X-' . 'L' x 200 . ": x\r\nX-1234567890!#\$%&'*+: x\r\n") . "\r\nhi\r\n"],
    ['long header lines'       => headers("X-Long: " . 'h' x 5_000 . "\r\nX-Longer: " . ('w' x 70 . "\r\n ") x 500 . "end\r\n") . "\r\nhi\r\n"],
    ['a header over the limit' => headers("X-Huge: " . 'h' x 150_000 . "\r\n") . "\r\nhi\r\n"],
    ['a thousand headers'      => headers(join '', map { "X-Number-$_: $_\r\n" } 1 .. 1000) . "\r\nhi\r\n"],
    ['the same header often'   => headers("X-Same: 1\r\nX-Same: 2\r\nX-Same: 1\r\nReceived: by x.test; now\r\n") . "\r\nhi\r\n"],
    ['Received on top'         => "Received: from y.test\r\n\tby x.test; now\r\n" . headers() . "\r\nhi\r\n"],
    ['headers that MTAs drop'  => headers("Bcc: carol\@b.test\r\nReturn-Path: <x\@y.test>\r\nContent-Length: 5\r\n") . "\r\nhi\r\n"],
    ['no header end'           => "Subject: only headers\r\n", smtp => 1],
    ['no body'                 => headers() . "\r\n", smtp => 1],
    ['an empty first line'     => "\r\nno headers here\r\n"],
    ['no headers'              => "just text, no headers\r\nsecond line\r\n"],
    ['a line that is no header' => "Subject: x\r\nthis is no header\r\nX-After: y\r\n\r\nbody\r\n"],
    ['folded first line'       => " folded: x\r\nSubject: y\r\n\r\nbody\r\n"],
    ['From line on top'        => "From alice\@a.test Tue Nov 24 03:12:00 2026\r\n" . headers() . "\r\nhi\r\n"],
    ['From lines in the body'  => headers() . "\r\nFrom me\r\n>From you\r\n"],
    ['0 bytes'                 => '', smtp => 1],
    ['one empty line'          => "\r\n", smtp => 1],
    ['many empty lines'        => headers() . "\r\n" . "\r\n" x 50],
    ['trailing white space'    => headers() . "\r\nhi   \r\n\t\r\n  \r\n"],
    ['NUL bytes in the body'   => headers() . "\r\nzero\0zero\0\0\r\n\0\r\n"],
    ['NUL bytes in a header'   => headers("X-Nul: a\0b\r\nX-Next: c\r\n") . "\r\nhi\r\n"],
    ['control characters'      => headers() . "\r\n" . join('', map { chr } 1 .. 9, 11, 12, 14 .. 31, 127) . "\r\n"],
    ['bare CR in the body'     => headers() . "\r\none\rtwo\r\rthree\r\r\nfour\r\n"],
    ['bare CR in a header'     => headers("X-Cr: a\rb\r\n") . "\r\nhi\r\n"],
    ['bare LF in the body'     => headers() . "\r\none\ntwo\n\nthree\r\n"],
    ['bare LF in the headers'  => "From: <alice\@a.test>\nSubject: lf\n\nbody\n"],
    ['CR dot CR'               => headers() . "\r\none\r.\rtwo\r\n", raw => 1],
    ['CRLF dot CR'             => headers() . "\r\none\r\n.\rtwo\r\n", raw => 1],
    ['CR dot CRLF'             => headers() . "\r\none\r.\r\ntwo\r\n", raw => 1],
    ['CRLF dot CR CR LF'       => headers() . "\r\none\r\n..\r\r\ntwo\r\n", raw => 1],
    ['LF dot dot LF'           => headers() . "\r\none\n..\ntwo\r\n", raw => 1],
    ['a hidden second message' => headers() . "\r\none\r.\r\nMAIL FROM:<x\@a.test>\r\nRCPT TO:<bob\@b.test>\r\nDATA\r\n\r\nhidden\r\n", raw => 1],
    ['a megabyte of 8 bit'     => headers() . "\r\n" . join('', map { join('', map { chr(128 + $_ % 128) } $_ .. $_ + 75) . "\r\n" } 1 .. 14_000),
        mail => 'BODY=8BITMIME'],
);

sub headers {
    my ($more) = @_;
    return "From: Alice <alice\@a.test>\r\nTo: somebody\@example.test\r\nSubject: hard\r\nMessage-ID: <hard\@a.test>\r\n"
        . "Date: Tue, 24 Nov 2026 03:12:00 +0000\r\n" . ($more // '');
}

my $world = new_world();
my @users = map { "u$_" } 0 .. $#cases;
my $a     = $world->site('a', main => {smtp_line_length_limit => 0}, mc => "define(`SMTP_MAILER_LL', `0')dnl\n");
my $b     = $world->site('b', users => ['bob', @users]);
my $plain = $world->site('plain', pontoon => 0, users => ['bob', @users]);
$world->start;

# All are sent first, then compared: they cross side by side.
my %code;
for my $to ($plain, $b) {
    my $client = $a->client;
    for my $i (0 .. $#cases) {
        my ($name, $bytes, %o) = @{$cases[$i]};
        $bytes .= ".\r\n" if $o{raw};
        my $result = $client->send(from => 'alice@a.test', %o, to => ["u$i\@" . $to->domain], message => $bytes);
        $code{$to->domain}[$i] = $result->{code};
        note "$name: $result->{code} $result->{data}{text}";
        $client = $a->client unless $client->command('RSET')->{code};
    }
}

for my $i (0 .. $#cases) {
    my ($name, $bytes, %o) = @{$cases[$i]};
    is $code{'b.test'}[$i], $code{'plain.test'}[$i], "$name: A's answer is the same";
    next if $code{'plain.test'}[$i] != 250;
    my ($direct) = $plain->wait_mail("u$i", 1);
    my ($mail)   = $b->wait_mail("u$i", 1);
    if ($a->{mta} eq 'sendmail' && $bytes !~ /^Date: /m) {
        unlike join('', $mail->trace), qr/pontoon/, "$name: Sendmail will complete it: by SMTP";
        like $_->text, qr/^Date: /m, 'it did' for $mail, $direct;
        next;
    }
    my $bridged = join('', $mail->trace) =~ /pontoon/;
    ok $o{smtp} ? !$bridged : $bridged, "$name: came " . ($o{smtp} ? 'by SMTP' : 'over the bridge');
    my $expected = $direct->untraced;
    ok $mail->untraced eq $expected, "$name: is what SMTP delivers" or show($mail->untraced, $expected);
    ok $mail->carries($bytes), "$name: is what was sent" if $direct->carries($bytes);
}
$a->wait_settled;
is scalar($b->mailbox("u$_")), 1, "$cases[$_][0]: one message" for grep { $code{'b.test'}[$_] == 250 } 0 .. $#cases;
is scalar($b->mailbox('bob')), 0, 'no message hidden in another came out';
$world->nothing_broke;
done_testing;

# Where two texts part.
sub show {
    my ($got, $want) = @_;
    my $same = 0;
    $same++ while $same < length $got && $same < length $want && substr($got, $same, 1) eq substr($want, $same, 1);
    my $from = $same > 30 ? $same - 30 : 0;
    for my $text (["bridge", $got], ["SMTP", $want]) {
        my $piece = substr($text->[1], $from, 80) =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ger;
        diag "  $text->[0] (", length $text->[1], " bytes) from byte $from: $piece";
    }
}
