# HTTPS by hand for tests: a server that answers whatever a test wants (malformed, late, short, too long), and a client
# that sends whatever it wants.
package Pontoon::Test::Https;
use strict;
use warnings;
use Carp qw(croak);
use IO::Select;
use IO::Socket::SSL;
use Pontoon::Test::Proc;

# ---- server ----

# address, port, chain, key, handler => sub { my ($request) = @_; … return [status, {header => value}, body] },
# log => FILE gets one line a request. A request has method, path, headers (names in lower case), body. An answer may be
# a plain string instead: the bytes to send before the connection is closed; undef: it is closed without a word; or code, which is called with the connection and does as it likes. The handler runs in
# the server's process: it sees the test as it was when serve() was called. tls => {…}: more for start_SSL().
sub serve {
    my ($class, %o) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => $o{address}, LocalPort => $o{port}, Listen => 64, ReuseAddr => 1)
        or croak "listen on $o{address}:$o{port}: $!";
    my $proc = Pontoon::Test::Proc->fork_code('https server', sub {
        $SIG{CHLD} = 'IGNORE';
        for (;;) {
            my $client = $listener->accept or next;
            my $pid = fork // next;
            if ($pid == 0) {
                eval { serve_connection($client, \%o) };
                POSIX::_exit(0);
            }
            close $client;
        }
    });
    close $listener;
    return $proc;
}

sub serve_connection {
    my ($client, $o) = @_;
    alarm 60;
    my $tls = IO::Socket::SSL->start_SSL($client, SSL_server => 1, SSL_cert_file => $o->{chain}, SSL_key_file => $o->{key},
        %{$o->{tls} // {}})
        or return;
    while (my $request = read_message($tls)) {
        if ($o->{log}) {
            open my $fh, '>>', $o->{log};
            syswrite $fh, "$request->{method} $request->{path}"
                . (defined $request->{headers}{range} ? " $request->{headers}{range}" : '') . "\n";
        }
        my $answer = $o->{handler}->($request) // return;
        return $answer->($tls) if ref $answer eq 'CODE';
        if (!ref $answer) {
            print $tls $answer;
            return;
        }
        my ($status, $headers, $body) = @$answer;
        my %h = ('Content-Length' => length $body, %$headers);
        print $tls "HTTP/1.1 $status Whatever\r\n", (map { "$_: $h{$_}\r\n" } sort keys %h), "\r\n$body" or return;
    }
}

# A request or response with headers and body: {start, method, path, status, headers, raw_head, body}.
sub read_message {
    my ($tls, %o) = @_;
    my $buffer = '';
    until ($buffer =~ /\r\n\r\n/) {
        sysread($tls, $buffer, 16384, length $buffer) or return;
    }
    my ($head, $body) = split /\r\n\r\n/, $buffer, 2;
    my ($start, @lines) = split /\r\n/, $head;
    my %headers = map { /^([^:]+):\s*(.*)/ ? (lc $1 => $2) : () } @lines;
    my $length = $headers{'content-length'};
    if (($headers{'transfer-encoding'} // '') eq 'chunked') {
        $body = read_chunked($tls, $body);
    } elsif (!$o{head}) {
        while (defined $length ? length $body < $length : $start =~ /^HTTP/) {
            sysread($tls, $body, 65536, length $body) or last;
        }
    }
    my ($method, $path) = split / /, $start;
    my ($status) = $start =~ m{^HTTP/\S+ (\d+)};
    return {start => $start, method => $method, path => $path, status => $status, headers => \%headers, raw_head => $head,
        body => $body};
}

sub read_chunked {
    my ($tls, $buffer) = @_;
    my $body = '';
    for (;;) {
        until ($buffer =~ /^([0-9a-fA-F]+)[^\n]*\r\n/) { sysread($tls, $buffer, 65536, length $buffer) or return $body }
        $buffer =~ s/^([0-9a-fA-F]+)[^\n]*\r\n//;
        my $size = hex $1;
        while (length $buffer < $size + 2) { sysread($tls, $buffer, 65536, length $buffer) or return $body }
        return $body if $size == 0;
        $body .= substr $buffer, 0, $size;
        substr($buffer, 0, $size + 2) = '';
    }
}

# ---- client ----

# One request: url, ca => FILE, address to connect to; optional method, headers => {…}, body; or raw => the bytes to
# send. Returns the response as read_message() does (with `status`), or undef when there was none.
sub request {
    my ($class, %o) = @_;
    my $tls      = $class->connect(%o);
    my $response = $class->exchange($tls, %o);
    $tls->close(SSL_no_shutdown => 1);
    return $response;
}

# The same in two steps, for a connection that is kept: with headers => {Connection => 'keep-alive'}.
sub connect {
    my ($class, %o) = @_;
    my ($host, $port) = url_parts($o{url});
    return IO::Socket::SSL->new(
        PeerAddr            => $o{address},
        PeerPort            => $port,
        LocalAddr           => $o{source},
        SSL_hostname        => $host,
        SSL_verifycn_name   => $host,
        SSL_verifycn_scheme => 'http',
        SSL_ca_file         => $o{ca},
        Timeout             => 20,
    ) // croak "TLS to $o{url}: $SSL_ERROR $!";
}

sub exchange {
    my ($class, $tls, %o) = @_;
    my ($host, $port, $path) = url_parts($o{url});
    my $body    = $o{body} // '';
    my %headers = (Host => "$host:$port", Connection => 'close', %{$o{headers} // {}});
    $headers{'Content-Length'} //= length $body if length $body || ($o{method} // '') eq 'POST';
    my $bytes = $o{raw} // ($o{method} // 'GET') . ' ' . ($path || '/') . " HTTP/1.1\r\n"
        . join('', map { "$_: $headers{$_}\r\n" } grep { defined $headers{$_} } sort keys %headers) . "\r\n$body";
    local $SIG{PIPE} = 'IGNORE';
    for (my $done = 0; $done < length $bytes;) {
        my $n = syswrite $tls, $bytes, 65536, $done or last;
        $done += $n;
    }
    return read_message($tls, head => ($o{method} // '') eq 'HEAD');
}

sub url_parts { my ($url) = @_; return $url =~ m{^https://([^/:]+):(\d+)(.*)$} ? ($1, $2, $3) : croak "url $url" }

1;
