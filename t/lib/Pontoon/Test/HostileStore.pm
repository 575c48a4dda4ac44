# What a hostile store may answer to a fetch: each a name, the size of the message it signed, what it does, and the verdict that
# the sender's side must get.
package Pontoon::Test::HostileStore;
use strict;
use warnings;
use IO::Compress::Gzip ();
use Time::HiRes qw(sleep);

my $WRONG  = qr/^rejected 5\.6\.0 /;    # for good: what was signed can't come right
my $BROKEN = qr/^deferred 4\.4\.2 /;
my $GONE   = qr/^deferred 4\.3\.0 /;

sub message {
    my ($size, $fill) = @_;
    my $head = "From: <mallory\@evil.test>\r\nSubject: hostile\r\n\r\n";
    my $line = $fill x 70 . "\r\n";
    my $text = $head . $line x ($size / length $line);
    return substr($text, 0, $size - 2) . "\r\n";
}

sub head {
    my ($status, %h) = @_;
    %h = ('Content-Type' => 'message/rfc822', ETag => '"x"', %h);
    return "HTTP/1.1 $status\r\n" . join('', map { "$_: $h{$_}\r\n" } sort grep { defined $h{$_} } keys %h) . "\r\n";
}

sub plain { my ($bytes, %h) = @_; return head('200 OK', 'Content-Length' => length $bytes, %h) . $bytes }

# Bytes for ever, until the other side has enough of it or 20 s have passed.
sub endless {
    my ($tls, $begin, $again, $pause) = @_;
    my $until = time + 20;
    print $tls $begin;
    while (time < $until) {
        print $tls $again or return;
        sleep $pause if $pause;
    }
}

# Half of it the first time; then $then->(offset) is the answer.
sub in_parts {
    my ($then) = @_;
    return sub {
        my ($good, undef, $range) = @_;
        my ($from) = ($range // '') =~ /^bytes=(\d+)-$/;
        return $from ? $then->($good, $from) : head('200 OK', 'Content-Length' => length $good) . substr($good, 0, length($good) / 2);
    };
}

sub part {
    my ($good, $from, $bytes, %h) = @_;
    return head('206 Partial', 'Content-Length' => length $bytes,
        'Content-Range' => sprintf('bytes %d-%d/%d', $from, length($good) - 1, length $good), %h) . $bytes;
}

# The answer that begins well, whichever range was asked for: headers, then $n bytes of what they promise.
sub begun {
    my ($good, $range, $n) = @_;
    my ($from) = ($range // '') =~ /^bytes=(\d+)-$/ or return head('200 OK', 'Content-Length' => length $good) . substr($good, 0, $n);
    return part($good, $from, substr($good, $from)) =~ s/\r\n\r\n\K.*//sr . substr($good, $from, $n);
}

my $BOMB = do { IO::Compress::Gzip::gzip(\('x' x 1e7), \my $z); $z };

# [name, what it does: sub { my ($good, $bad, $range) = @_; … } returns bytes or code, as Https::serve has it; verdict expected; options].
# $good is what was signed, $bad is of the same length.
my @answers = (
    ['other bytes, swapped at the last moment' => sub { plain($_[1]) }, $WRONG],
    ['one byte differs' => sub { my $g = $_[0]; substr($g, -9, 1) = 'Y'; plain($g) }, $WRONG],
    ['one byte fewer' => sub { plain(substr $_[0], 0, -1) }, $WRONG],
    ['one byte more' => sub { plain("$_[0]\n") }, $WRONG],
    ['other bytes, Repr-Digest and ETag of the signed' => sub {
        plain($_[1], 'Repr-Digest' => 'sha-256=:' . Digest::SHA::sha256_base64($_[0]) . '=:', ETag => '"x"') }, $WRONG],
    ['a web page instead' => sub { plain(substr('<html>' . $_[1], 0, length $_[0]), 'Content-Type' => 'text/html') }, $WRONG],
    ['another answer at every fetch' => sub { my $b = $_[1]; substr($b, 80, 8) = sprintf '%08d', rand 1e8; plain($b) }, $WRONG],
    ['the announced length, then the end too early' => sub { begun(@_[0, 2], 100) }, $BROKEN],
    ['one byte, then the end, for ever' => sub { begun(@_[0, 2], 1) }, $BROKEN],
    ['endless body without a length' => sub { sub { endless($_[0], head('200 OK'), 'x' x 65536) } }, $WRONG],
    ['endless body in chunks' => sub { sub { endless($_[0], head('200 OK', 'Transfer-Encoding' => 'chunked'), "8000\r\n" . 'x' x 32768 . "\r\n") } }, $WRONG],
    ['one byte a second' => sub { my $begun = begun(@_[0, 2], 1); sub { endless($_[0], $begun, 'x', 1) } }, $BROKEN],
    ['silence behind the headers' => sub { my $g = $_[0]; sub { print {$_[0]} head('200 OK', 'Content-Length' => length $g); sleep 10 } }, $BROKEN],
    ['silence' => sub { sub { sleep 10 } }, $BROKEN],
    ['headers byte by byte' => sub { sub { endless($_[0], 'HTTP/1.1 200 OK' . "\r\nX-Slow: ", 'x', 0.2) } }, $BROKEN],
    ['closes without a word' => sub { undef }, $BROKEN],
    ['TLS cut off without close_notify in the middle' => sub { my $begun = begun(@_[0, 2], 50);
        sub { print {$_[0]} $begun; $_[0]->close(SSL_no_shutdown => 1) } }, $BROKEN],
    ['200 instead of 206' => in_parts(sub { plain($_[0]) }), $WRONG],
    ['other bytes in the second part' => in_parts(sub { my ($g, $from) = @_; part($g, $from, 'Z' x (length($g) - $from)) }), $WRONG],
    ['Content-Range of another place' => in_parts(sub { my ($g, $from) = @_;
        part($g, $from, substr($g, $from), 'Content-Range' => sprintf 'bytes 0-%d/%d', length($g) - $from - 1, length $g) }), $WRONG],
    ['Content-Range of a larger whole' => in_parts(sub { my ($g, $from) = @_;
        part($g, $from, substr($g, $from), 'Content-Range' => sprintf 'bytes %d-%d/%d', $from, length($g) - 1, 10 * length $g) }), $WRONG],
    ['no Content-Range' => in_parts(sub { my ($g, $from) = @_; part($g, $from, substr($g, $from), 'Content-Range' => undef) }), $WRONG],
    ['a longer second part' => in_parts(sub { my ($g, $from) = @_; part($g, $from, substr($g, $from) . 'more') }), $WRONG],
    ['multipart/byteranges' => in_parts(sub { my ($g, $from) = @_;
        part($g, $from, "--b\r\n\r\n" . substr($g, $from) . "\r\n--b--\r\n", 'Content-Type' => 'multipart/byteranges; boundary=b') }), $WRONG],
    ['416 to its own range' => in_parts(sub { head('416 No', 'Content-Length' => 0) }), $BROKEN],
    ['another ETag and other bytes for the range' => in_parts(sub { my ($g, $from) = @_;
        part($g, $from, 'Q' x (length($g) - $from), ETag => '"y"') }), $WRONG],
    ['Content-Length of 8 EiB' => sub { head('200 OK', 'Content-Length' => '9223372036854775807') . $_[0] }, $WRONG],
    ['Content-Length beyond 64 bits' => sub { head('200 OK', 'Content-Length' => '99999999999999999999999') . $_[0] }, qr/^(rejected 5\.6\.0|deferred 4\.4\.2) /],
    ['a negative Content-Length' => sub { head('200 OK', 'Content-Length' => '-1') . $_[0] }, qr/^(rejected 5\.6\.0|deferred 4\.4\.2) /],
    ['two Content-Lengths, other bytes' => sub { head('200 OK', 'Content-Length' => "5\r\nContent-Length: " . length $_[1]) . $_[1] }, qr/^(rejected 5\.6\.0|deferred 4\.4\.2) /],
    ['Content-Length in letters' => sub { head('200 OK', 'Content-Length' => 'many') . $_[0] }, qr/^(rejected 5\.6\.0|deferred 4\.4\.2) /],
    ['gzip' => sub { my $g = $_[0]; IO::Compress::Gzip::gzip(\$g, \my $z); plain($z, 'Content-Encoding' => 'gzip') }, $WRONG],
    ['a gzip bomb of the right length' => sub { plain(substr($BOMB, 0, length $_[0]), 'Content-Encoding' => 'gzip') }, $WRONG],
    ['"br" of the right length' => sub { plain($_[1], 'Content-Encoding' => 'br') }, $WRONG],
    ['one huge chunk' => sub { head('200 OK', 'Transfer-Encoding' => 'chunked') . "ffffffffffffffff\r\n$_[0]" }, $WRONG],
    ['a chunk size that is none' => sub { head('200 OK', 'Transfer-Encoding' => 'chunked') . "xyz\r\n$_[0]\r\n0\r\n\r\n" }, $WRONG],
    ['a negative chunk size' => sub { head('200 OK', 'Transfer-Encoding' => 'chunked') . "-5\r\n$_[0]\r\n0\r\n\r\n" }, $WRONG],
    ['chunked, Content-Length and trailers' => sub { head('200 OK', 'Transfer-Encoding' => 'chunked', 'Content-Length' => length $_[0])
        . sprintf("%x\r\n", length $_[1]) . "$_[1]\r\n0\r\nContent-Length: 1\r\nX-Trailer: " . 'x' x 5000 . "\r\n\r\n" }, $WRONG],
    ['301 to loopback' => sub { head('301 Moved', Location => 'https://127.0.0.1/x', 'Content-Length' => 0) }, $BROKEN],
    ['302 to another host' => sub { head('302 Found', Location => 'https://sender-store.a.test/x', 'Content-Length' => 0) }, $BROKEN],
    ['307 to itself' => sub { head('307 Again', Location => '/messages/GOOD', 'Content-Length' => 0) }, $BROKEN],
    ['307 to file://' => sub { head('307 Again', Location => 'file:///etc/passwd', 'Content-Length' => 0) }, $BROKEN],
    ['a flood of 100 Continue' => sub { sub { endless($_[0], '', "HTTP/1.1 100 Continue\r\n\r\n" x 1000) } }, $BROKEN],
    ['a flood of 103 Early Hints' => sub { sub { endless($_[0], '', "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" x 1000) } }, $BROKEN],
    ['endless headers' => sub { sub { endless($_[0], "HTTP/1.1 200 OK\r\n", "X-More: and more\r\n" x 1000) } }, $BROKEN],
    ['a header of 1 MB' => sub { head('200 OK', 'X-Long' => 'x' x 1_000_000) }, qr/^deferred 4\.4\.2 .*too long/],
    ['a header with NUL and ESC' => sub { head('200 OK', 'Content-Length' => length $_[1], 'X-Esc' => "\e[2J\0\a") . $_[1] }, qr/^(rejected 5\.6\.0|deferred 4\.4\.2) /],
    ['HTTP/0.9' => sub { $_[0] }, $BROKEN],
    ['an SMTP greeting' => sub { "220 mx ESMTP\r\n" }, $BROKEN],
    ['HTTP/1.1 without a status' => sub { "HTTP/1.1\r\n\r\n" }, $BROKEN],
    ['status 999' => sub { head('999 What', 'Content-Length' => 0) }, $BROKEN],
    ['status 204' => sub { head('204 Nothing') }, $BROKEN],
    ['status 206 to a whole fetch' => sub { part($_[0], 0, $_[0]) }, $BROKEN],
    ['101 Switching Protocols' => sub { head('101 Switch', Upgrade => 'smtp', Connection => 'Upgrade') . $_[0] }, $BROKEN],
    ['503 with Retry-After of 68 years' => sub { head('503 Later', 'Retry-After' => 2147483647, 'Content-Length' => 0) }, $BROKEN],
    ['401 to its own token' => sub { head('401 Who', 'Content-Length' => 0) }, $GONE],
    ['410 at once' => sub { head('410 Gone', 'Content-Length' => 0) }, $GONE],
    ['signed content with a bare LF' => sub { plain($_[0]) }, $WRONG, good => sub { $_[0] =~ s/\r\n(x+)\r\n/\r\n$1\n.\n/r }],
    ['signed content that ends no line' => sub { plain($_[0]) }, $WRONG, good => sub { substr $_[0], 0, -2 }],
    ['signed content with a hundred hops' => sub { plain($_[0]) }, qr/^rejected 5\.4\.6 /, good => sub { "Received: from x by y\r\n" x 100 . $_[0] }],
);

# The hostile answers as cases: a hash each, with id, good, bad, name, does, verdict and options.
sub answers {
    my @cases;
    for my $answer (@answers) {
        my ($name, $does, $verdict, %o) = @$answer;
        for my $size (600, 6000) {    # verified whole, and streamed to the MTA (verify-whole-max lies between)
            next if $size == 600 && @cases > 16;
            my $good = message($size, 'x');
            $good = delete($o{good})->($good) if $o{good};
            my $bad = substr message(length $good, 'b'), 0, length $good;
            push @cases, {id => sprintf('HOSTILE%03d', scalar @cases), good => $good, bad => $bad, name => "$name, $size bytes",
                does => $does, verdict => $verdict, %o};
        }
    }
    return @cases;
}

1;
