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
use Pontoon::Test::Proc;

# address, port: where it listens; to => "ADDRESS:PORT"; log => FILE, one line "NUMBER BYTES" when a connection has ended: its
# number (from 1) and how many bytes went to the client. cuts => [...]: the connections, in order, end after so many bytes
# to the client; every second one by RST, the others by FIN. Those behind the list pass.
sub start {
    my ($class, %o) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => $o{address}, LocalPort => $o{port}, Listen => 64, ReuseAddr => 1)
        or croak "listen on $o{address}:$o{port}: $!";
    my $proc = Pontoon::Test::Proc->fork_code('proxy', sub {
        local $SIG{CHLD} = 'IGNORE';
        for (my $number = 1;; $number++) {
            my $client = $listener->accept or next;
            if (!(fork // next)) {
                relay(\%o, $number, $client);
                POSIX::_exit(0);
            }
            close $client;
        }
    });
    close $listener;
    return bless {proc => $proc, log => $o{log}}, $class;
}

sub stop { $_[0]{proc}->stop }

sub relay {
    my ($o, $number, $client) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $limit  = $o->{cuts}[$number - 1];
    my $server = IO::Socket::INET->new(PeerAddr => $o->{to}) or return;
    setsockopt $client, SOL_SOCKET, SO_SNDBUF, 65536;    # what is written is nearly what has arrived
    my $sent = 0;
    my $both = IO::Select->new($client, $server);
    RELAY: until (defined $limit && $sent >= $limit) {
        for my $from ($both->can_read) {
            my $most = $from == $server && defined $limit && $limit - $sent < 16384 ? $limit - $sent : 16384;
            my $n = sysread($from, my $bytes, $most);
            last RELAY unless $n && write_all($from == $server ? $client : $server, $bytes);
            $sent += $n if $from == $server;
            last RELAY if defined $limit && $sent >= $limit;
        }
    }
    setsockopt $client, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0 if defined $limit && $number % 2;
    open my $log, '>>', $o->{log} or die "$o->{log}: $!";
    syswrite $log, "$number $sent\n";
}

sub write_all {
    my ($to, $bytes) = @_;
    for (my $done = 0; $done < length $bytes;) {
        $done += syswrite($to, $bytes, length($bytes) - $done, $done) // return;
    }
    return 1;
}

# Bytes that went to clients, one number for each ended connection, in the order of their beginning.
sub bytes {
    my ($self) = @_;
    open my $fh, '<', $self->{log} or return;
    my %bytes = map { /^(\d+) (\d+)/ } <$fh>;
    return @bytes{sort { $a <=> $b } keys %bytes};
}

1;
