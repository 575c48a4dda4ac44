# A TCP proxy of a test that cuts connections: a network that fails when the test says so. It knows nothing of what
# passes through (TLS stays between the two ends).
package Pontoon::Test::Proxy;
use strict;
use warnings;
use Carp qw(croak);
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER SO_SNDBUF);
use Time::HiRes qw(time sleep);
use Pontoon::Test::Proc;

# address, port: where it listens; to => "ADDRESS:PORT"; log => FILE, one line "NUMBER DOWN UP" when a connection has ended: its
# number (from 1), and how many bytes went to the client and came from it. cuts => [...]: the connections, in order, end after so many bytes
# to the client (every second one by RST, the others by FIN), or as {down => bytes} or {up => bytes} says, with by => 'RST' or 'FIN'. Those
# behind the list pass. records => FILE: there "down BYTES" and "up BYTES" are written for the end of each TLS record of the first connection.
# delay => seconds: every byte comes so much later, both ways.
sub start {
    my ($class, %o) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => $o{address}, LocalPort => $o{port}, Listen => 64, ReuseAddr => 1)
        or croak "listen on $o{address}:$o{port}: $!";
    my $proc = Pontoon::Test::Proc->fork_code('proxy', sub {
        local $SIG{CHLD} = 'IGNORE';
        for (my $number = 1;; $number++) {
            my $client = $listener->accept or next;
            if (!(fork // next)) {
                close $listener;    # another proxy may take the place of this one
                relay(\%o, $number, $client);
                POSIX::_exit(0);
            }
            close $client;
        }
    });
    close $listener;
    return bless {proc => $proc, log => $o{log}, records => $o{records}}, $class;
}

sub stop { $_[0]{proc}->stop }

sub relay {
    my ($o, $number, $client) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $cut    = cut_of($o->{cuts}[$number - 1], $number);
    my $server = IO::Socket::INET->new(PeerAddr => $o->{to}) or return;
    setsockopt $client, SOL_SOCKET, SO_SNDBUF, 65536;    # what is written is nearly what has arrived
    my %from  = (down => $server, up => $client);
    my %to    = (down => $client, up => $server);
    my %bytes = (down => 0,       up => 0);
    my @late;    # [when, way, bytes], in order
    my $both = IO::Select->new($client, $server);
    RELAY: until (grep { defined $cut->{$_} && $bytes{$_} >= $cut->{$_} } qw(down up)) {
        for my $from ($both->can_read(@late ? 0.01 : undef)) {
            my $way  = $from == $server ? 'down' : 'up';
            my $room = defined $cut->{$way} ? $cut->{$way} - $bytes{$way} : 16384;
            my $n = sysread $from, my $bytes, $room < 16384 ? $room : 16384;
            if (!$n) {
                sleep $o->{delay} if $o->{delay};    # what was said before still comes
                write_all($to{$_->[1]}, $_->[2]) for @late;
                last RELAY;
            }
            push @late, [time + ($o->{delay} // 0), $way, $bytes];
            note_records($o, $way, $bytes) if $o->{records} && $number == 1;
        }
        while (@late && $late[0][0] <= time) {
            my (undef, $way, $bytes) = @{shift @late};
            write_all($to{$way}, $bytes) or last RELAY;
            $bytes{$way} += length $bytes;
        }
    }
    if (($cut->{by} // '') eq 'RST') {
        setsockopt $_, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0 for $client, $server;
    }
    append($o->{log}, "$number $bytes{down} $bytes{up}\n");
}

sub cut_of {
    my ($cut, $number) = @_;
    return $cut if ref $cut;
    return {down => $cut, by => defined $cut && $number % 2 ? 'RST' : 'FIN'};
}

my %stream;    # of the first connection, each way: {end => of the record under way, head => bytes of it, at => bytes so far}

# A record: its type, its version and its length, five bytes in all, then as much as that.
sub note_records {
    my ($o, $way, $bytes) = @_;
    my $s = $stream{$way} //= {end => 0, head => '', at => 0};
    for my $byte (split //, $bytes) {
        if ($s->{at}++ >= $s->{end}) {
            $s->{head} .= $byte;
            next if length $s->{head} < 5;
            $s->{end}  = $s->{at} + unpack 'x3n', $s->{head};
            $s->{head} = '';
        }
        append($o->{records}, "$way $s->{at}\n") if $s->{at} == $s->{end};
    }
}

sub append {
    my ($file, $line) = @_;
    open my $fh, '>>', $file or die "$file: $!";
    syswrite $fh, $line;
}

sub write_all {
    my ($to, $bytes) = @_;
    for (my $done = 0; $done < length $bytes;) {
        $done += syswrite($to, $bytes, length($bytes) - $done, $done) // return;
    }
    return 1;
}

# Bytes that went to clients, one number for each ended connection, in the order of their beginning; with 'up', that came from them.
sub bytes {
    my ($self, $way) = @_;
    my %ended = $self->ended;
    return map { $ended{$_}{$way // 'down'} } sort { $a <=> $b } keys %ended;
}

# By number, {down, up}.
sub ended {
    my ($self) = @_;
    open my $fh, '<', $self->{log} or return;
    return map { /^(\d+) (\d+) (\d+)/ ? ($1 => {down => $2, up => $3}) : () } <$fh>;
}

# Ends of TLS records of the first connection, one way.
sub record_ends {
    my ($self, $way) = @_;
    open my $fh, '<', $self->{records} or return;
    return map { /^\Q$way\E (\d+)/ ? $1 : () } <$fh>;
}

1;
