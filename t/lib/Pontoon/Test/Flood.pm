# Connections that only cost: one process holds a bounded number of them open to one HTTPS server, from a few addresses, and opens
# them again when they are cut, at a bounded pace. Each is of one kind:
#   silent  TCP, and not a byte
#   hello   the first bytes of TLS, and no more
#   header  TLS, then a request whose headers come a byte at a time, for ever
#   body    the same with the body of a POST
#   read    a request whose answer is read a byte at a time
#   hasty   closed at once and opened again, with or without garbage
package Pontoon::Test::Flood;
use strict;
use warnings;
use Carp qw(croak);
use IO::Socket::INET;
use IO::Socket::SSL;
use POSIX ();
use Pontoon::Test::Proc;
use Socket qw(MSG_DONTWAIT MSG_PEEK SOL_SOCKET SO_RCVBUF);
use Time::HiRes qw(sleep time);

my $TURN  = 0.05;    # seconds: one look at all connections
my $DRIP  = 0.5;     # between two bytes
my $PAUSE = 2;       # before what was cut, or closed in haste, is opened again

# address, port; sources => [addresses]; kinds => {KIND => connections}; per_second: connections opened; post => path of a POST;
# get => bytes of a request with a large answer; figures => FILE.
sub start {
    my ($class, %o) = @_;
    my @kinds = map { ($_) x $o{kinds}{$_} } sort keys %{$o{kinds}};
    my $self = bless {%o, conns => [map { +{kind => $_} } @kinds], opened => 0, cut => 0, most => 0}, $class;
    my $proc = Pontoon::Test::Proc->fork_code("flood of $o{address}:$o{port}", sub { $self->run });
    return bless {proc => $proc, figures => $o{figures}}, $class;
}

# Ends it: its connections are gone when this returns. What it did: {opened, cut, most}.
sub stop {
    my ($self) = @_;
    $self->{proc}->stop;
    return $self->figures;
}

sub figures {
    my ($self) = @_;
    open my $fh, '<', $self->{figures} or return {opened => 0, cut => 0, most => 0};
    my ($line) = reverse <$fh>;
    my %f;
    @f{qw(opened cut most)} = split ' ', $line // '0 0 0';
    return \%f;
}

# ---- in its process ----

# A flood's own work would be done by other machines: here it gives way to what it is meant to disturb.
sub run {
    my ($self) = @_;
    POSIX::nice(5);
    local $SIG{PIPE} = 'IGNORE';
    my $ended = 0;
    local $SIG{TERM} = sub { $ended = 1 };
    my $ctx = IO::Socket::SSL::SSL_Context->new(SSL_verify_mode => SSL_VERIFY_NONE) or croak "no TLS: $SSL_ERROR";
    my ($begin, $written) = (time, 0);
    $self->{ctx} = $ctx;
    until ($ended) {
        my $now = time;
        my $may = int(($now - $begin) * $self->{per_second}) + 20 - $self->{opened};
        for my $c (@{$self->{conns}}) {
            if ($c->{socket}) {
                $self->look_at($c, $now);
            } elsif ($may > 0 && $now >= ($c->{not_before} // 0)) {
                $may--;
                $self->open_one($c, $now);
            }
        }
        my $open = grep { $_->{socket} } @{$self->{conns}};
        $self->{most} = $open if $open > $self->{most};
        if ($now - $written > 0.25) {
            $written = $now;
            $self->note;
        }
        sleep $TURN;
    }
    $self->note;
    return 0;
}

sub note {
    my ($self) = @_;
    open my $fh, '>>', $self->{figures} or return;
    syswrite $fh, "$self->{opened} $self->{cut} $self->{most}\n";
}

sub open_one {
    my ($self, $c, $now) = @_;
    my $sources = $self->{sources};
    $c->{source} //= $sources->[$self->{next}++ % @$sources];
    my $socket = IO::Socket::INET->new(LocalAddr => $c->{source}, PeerAddr => $self->{address}, PeerPort => $self->{port}, Timeout => 2);
    if (!$socket) {
        $c->{not_before} = $now + 1;
        return;
    }
    $self->{opened}++;
    $socket->blocking(0);
    setsockopt $socket, SOL_SOCKET, SO_RCVBUF, pack('i', 4096) if $c->{kind} eq 'read';
    @$c{qw(socket since drip ready)} = ($socket, $now, $now, 0);
    syswrite $socket, "\x16\x03\x01" if $c->{kind} eq 'hello';
    if ($c->{kind} =~ /^(header|body|read)$/) {
        $c->{socket} = IO::Socket::SSL->start_SSL($socket, SSL_startHandshake => 0, SSL_reuse_ctx => $self->{ctx}, SSL_verify_mode => SSL_VERIFY_NONE);
    }
}

sub lost {
    my ($self, $c, $now) = @_;
    $self->{cut}++ unless $c->{kind} eq 'hasty';
    $self->drop($c, $now);
}

sub drop {
    my ($self, $c, $now) = @_;
    $c->{socket}->isa('IO::Socket::SSL') ? $c->{socket}->close(SSL_no_shutdown => 1, SSL_fast_shutdown => 1) : close $c->{socket};
    $c->{socket} = undef;
    $c->{not_before} = $now + $PAUSE;
}

sub look_at {
    my ($self, $c, $now) = @_;
    if ($c->{kind} eq 'hasty') {
        syswrite $c->{socket}, "GET / HTTP/1.1\r\n\r\n" if $self->{opened} % 2;
        $self->drop($c, $now);
        return;
    }
    if (!$c->{ready} && $c->{socket}->isa('IO::Socket::SSL')) {
        if ($c->{socket}->connect_SSL) {
            $c->{ready} = 1;
            my $post = "POST $self->{post} HTTP/1.1\r\nHost: flood.test\r\n";
            my %first = (header => $post . 'X-Slow: ', body => $post . "Content-Length: 60000\r\n\r\n", read => $self->{get});
            syswrite $c->{socket}, $first{$c->{kind}};
        } elsif ($SSL_ERROR != SSL_WANT_READ && $SSL_ERROR != SSL_WANT_WRITE) {
            $self->lost($c, $now);
        }
        return;
    }
    return if $now < $c->{drip};
    $c->{drip} = $now + $DRIP;
    if ($c->{kind} eq 'header' || $c->{kind} eq 'body') {
        syswrite($c->{socket}, 'x') // ($!{EAGAIN} || return $self->lost($c, $now));
    }
    if ($c->{kind} eq 'read') {
        my $n = sysread $c->{socket}, my ($byte), 1;
        $self->lost($c, $now) if defined $n ? $n == 0 : !$!{EAGAIN};
        return;
    }
    my $n = recv $c->{socket}, my ($byte), 1, MSG_PEEK | MSG_DONTWAIT;
    $self->lost($c, $now) if defined $n ? $byte eq '' : !$!{EAGAIN};
}

1;
