# What hostile clients send: to the bridge's HTTPS port, and to the milter's socket.
package Pontoon::Test::HostileClient;
use strict;
use warnings;
use IO::Select;
use IO::Socket::SSL;
use IO::Socket::UNIX;
use Time::HiRes qw(time sleep);

my $POST = "POST /notifications HTTP/1.1\r\nHost: bridge.b.test\r\nContent-Type: application/jose+json\r\n";
my $NEXT = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

# name, bytes (or code that returns the next piece, undef at the end; between pieces 0.3 s pass), the answer expected: the status codes of all
# responses, "cut off" if there is none.
our @http = (
    ['Content-Length and chunked' => $POST . "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$NEXT", qr/^(400|413|cut off)/],
    ['two Content-Lengths' => $POST . "Content-Length: 4\r\nContent-Length: 40\r\n\r\n{}{}$NEXT", qr/^(400|cut off)/],
    ['Content-Length with a sign' => $POST . "Content-Length: +4\r\n\r\n{}{}", qr/^(400|cut off)/],
    ['Content-Length too large, then silence' => $POST . "Content-Length: 60000\r\n\r\n{}", qr/^cut off/],
    ['Content-Length of 2^63' => $POST . "Content-Length: 9223372036854775808\r\n\r\n{}", qr/^(400|413|cut off)/],
    ['chunks for ever' => sub { $_[0]++ ? "ff\r\n" . 'x' x 255 . "\r\n" : $POST . "Transfer-Encoding: chunked\r\n\r\n" }, qr/^(413|cut off)/],
    ['a chunk of 2^64' => $POST . "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx", qr/^(400|413|cut off)/],
    ['a chunk size that is none' => $POST . "Transfer-Encoding: chunked\r\n\r\n-1\r\nx", qr/^(400|413|cut off)/],
    ['an upload of a byte now and then' => sub { $_[0]++ ? '{' : $POST . "Content-Length: 1000\r\n\r\n" }, qr/^cut off/],
    ['a header of a byte now and then' => sub { $_[0]++ ? 'x' : $POST . 'X-Slow: ' }, qr/^cut off/],
    ['silence' => '', qr/^cut off/],
    ['a URL of 100 kB' => 'GET /' . 'x' x 100_000 . " HTTP/1.1\r\nHost: x\r\n\r\n", qr/^(400|413|414|cut off)/],
    ['an unknown method' => "PROPFIND /notifications HTTP/1.1\r\nHost: x\r\n\r\n", qr/^405/],
    ['CONNECT' => "CONNECT 127.0.0.1:25 HTTP/1.1\r\nHost: x\r\n\r\n", qr/^(40[045]|cut off)/],
    ['TRACE' => "TRACE /notifications HTTP/1.1\r\nHost: x\r\n\r\n", qr/^405/],
    ['another host in the request line' => "GET http://169.254.169.254/latest HTTP/1.1\r\nHost: x\r\n\r\n", qr/^(40[04]|cut off)/],
    ['pipelined garbage' => $POST . "Content-Length: 2\r\n\r\n{}\0\1\2\3garbage\r\n\r\n", qr/^400/],
    ['Expect: 100-continue, then silence' => $POST . "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n", qr/^(100|417|cut off)/],
    ['HTTP/9.9' => "GET /notifications HTTP/9.9\r\nHost: x\r\n\r\n", qr/^(400|505|200|cut off)/],
    ['a header without a colon' => "GET /notifications HTTP/1.1\r\nHost x\r\n\r\n", qr/^(400|cut off)/],
    ['NUL in a header' => "GET /nothing HTTP/1.1\r\nHost: x\r\nX-Nul: a\0b\r\n\r\n", qr/^(40[04]|cut off)/],
    ['ESC in the path' => "GET /\e[2J\a HTTP/1.1\r\nHost: x\r\n\r\n", qr/^(40[04]|cut off)/],
);

# Sends it over TLS; the status codes of the answers.
sub http {
    my ($bytes, %to) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $tls = IO::Socket::SSL->new(PeerAddr => $to{address}, PeerPort => $to{port}, SSL_verify_mode => SSL_VERIFY_NONE) or return 'cut off';
    my ($in, $until) = ('', time + 14);
    my $n = 0;
    print $tls $bytes if !ref $bytes;
    while (time < $until) {
        if (ref $bytes) {
            my $piece = $bytes->($n);
            print $tls $piece or last;
        }
        next unless $tls->pending || IO::Select->new($tls)->can_read(0.3);
        sysread($tls, $in, 65536, length $in) or last;
    }
    return 'not cut off in 14 s' if time >= $until;
    return join(' ', $in =~ m{^HTTP/1\.\d (\d{3})}mg) || 'cut off';
}

sub packet { my ($command, $data) = @_; return pack('N', 1 + length($data // '')) . $command . ($data // '') }

my $HELLO  = packet('O', pack 'N3', 6, 0x1ff, 0x1fffff);
my $PLAIN  = packet('O', pack 'N3', 6, 0, 0);
my $PEER   = packet('C', "client.test\0" . '4' . pack('n', 25) . "127.0.0.1\0");
my $MAIL   = packet('M', "<alice\@b.test>\0");
my $RCPT   = packet('R', "<bob\@decent.test>\0");
my $MACRO  = packet('D', "M{auth_authen}\0alice\0i\0QUEUEID\0");

# What any client begins with.
sub greeting { return $PLAIN . $PEER }

# libmilter (8.17) itself reads past the end of an odd number of macro strings, and may die of it: not in the table, see doc/threats.md.
our $odd_macros = $PLAIN . $PEER . packet('D', "M" . join('', map { "x$_\0" } 1 .. 4) . "odd\0") . $MAIL . $RCPT . packet('A') . packet('Q');

# name, bytes. The milter answers or closes the connection; nothing may be diverted or die.
our @milter = (
    ['the end of a message first' => $PLAIN . packet('E')],
    ['RCPT before MAIL' => $PLAIN . $RCPT . packet('E')],
    ['body before headers' => $PLAIN . $PEER . packet('B', "body\r\n") . packet('E')],
    ['MAIL before the connection' => $PLAIN . $MAIL . $RCPT . packet('N') . packet('E')],
    ['negotiation twice' => $PLAIN . $PLAIN . $PEER . $MAIL],
    ['no negotiation' => $PEER . $MAIL . $RCPT . packet('E')],
    ['a negotiation of 3 bytes' => packet('O', 'abc')],
    ['version 0' => packet('O', pack 'N3', 0, 0, 0)],
    ['a packet of length 0' => $PLAIN . pack('N', 0) . $PEER],
    ['a packet of 4 GiB' => $PLAIN . pack('N', 0xffffffff) . 'Mxxx'],
    ['a packet of 100 MB, of which 10 bytes come' => $PLAIN . pack('N', 100_000_000) . 'M123456789'],
    ['MAIL without NUL' => $PLAIN . $PEER . packet('M', '<alice@b.test>')],
    ['MAIL without anything' => $PLAIN . $PEER . packet('M')],
    ['RCPT without NUL' => $PLAIN . $PEER . $MAIL . packet('R', '<bob@decent.test>')],
    ['a header without NULs' => $PLAIN . $PEER . $MAIL . $RCPT . packet('L', 'Subject')],
    ['macros without NULs' => $PLAIN . packet('D', 'MMMMMM') . $PEER . $MAIL],
    ['macros of garbage' => $PLAIN . packet('D', "C\0\0\xff\xfe{\0}\0") . $PEER . $MACRO . $MAIL],
    ['a connection of an unknown family' => $PLAIN . packet('C', "x\0Zabc")],
    ['an unknown command' => $PLAIN . packet("\x07", 'x') . $PEER],
    ['10,000 recipients, then gone' => $PLAIN . $PEER . $MACRO . $MAIL . join('', map { packet('R', "<u$_\@decent.test>\0") } 1 .. 10_000)],
    ['20,000 header lines, then gone' => $PLAIN . $PEER . $MACRO . $MAIL . $RCPT . packet('L', "X-More\0" . 'y' x 500 . "\0") x 20_000],
    ['CR, LF and NUL in addresses' => $PLAIN . $PEER . $MACRO . packet('M', "<a\r\nRCPT TO:<x\@b.test>\@b.test>\0") . packet('R', "<b\r\n\@decent.test>\0")
        . packet('N') . packet('E')],
    ['the end twice' => $PLAIN . $PEER . packet('E') . packet('E')],
);

# A connection of a decent client, with $n messages from NAME@a.test; it ends by itself.
sub messages {
    my ($name, $n) = @_;
    my $one = $MACRO . packet('M', "<$name\@a.test>\0") . packet('R', "<bob\@nowhere.test>\0") . packet('L', "Subject\0 x\0") . packet('N')
        . packet('B', "body\r\n") . packet('E');
    return $HELLO . $PEER . $one x $n . packet('Q');
}

# Sends it to the socket; what came back: the letters of the replies, or "closed".
sub milter {
    my ($path, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $socket = IO::Socket::UNIX->new(Peer => $path) or return "no milter: $!";
    $socket->blocking(0);
    my ($in, $out, $quiet) = ('', $bytes, 0);
    my $select = IO::Select->new($socket);
    while ($quiet < 3) {
        my ($can_read, $can_write) = IO::Select->select($select, length $out ? $select : undef, undef, 0.3);
        $quiet = @{$can_read // []} || @{$can_write // []} ? 0 : $quiet + 1;
        if (@{$can_read // []}) { sysread($socket, $in, 65536, length $in) or last }
        if (@{$can_write // []}) {
            my $n = syswrite($socket, $out, 65536) // last;
            substr($out, 0, $n) = '';
        }
    }
    my $letters = '';
    while (length $in >= 5) {
        my ($n, $c) = unpack 'Na', $in;
        $letters .= $c;
        last if length $in < 4 + $n;
        substr($in, 0, 4 + $n) = '';
    }
    return $letters eq '' ? 'closed' : 'answered ' . (length $letters > 20 ? substr($letters, 0, 20) . '…' : $letters) =~ s/…/.../r;
}

1;
