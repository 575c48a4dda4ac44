# A look-up table that Postfix asks over TCP (tcp_table(5)), read from a file each time: changes count at once, also
# on connections that an smtpd has kept open.
package Pontoon::Test::Table;
use strict;
use warnings;
use Carp qw(croak);
use IO::Select;
use IO::Socket::INET;
use Pontoon::Test::Proc;

# address, port, file (lines of "KEY VALUE"). What Postfix calls it: "tcp:ADDRESS:PORT".
sub serve {
    my ($class, %o) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => $o{address}, LocalPort => $o{port}, Listen => 64, ReuseAddr => 1)
        or croak "listen on $o{address}:$o{port}: $!";
    my $proc = Pontoon::Test::Proc->fork_code('table', sub {
        my $clients = IO::Select->new($listener);
        for (;;) {
            for my $socket ($clients->can_read) {
                if ($socket == $listener) {
                    $clients->add($listener->accept // next);
                } elsif (!answer($socket, $o{file})) {
                    $clients->remove($socket);
                    close $socket;
                }
            }
        }
    });
    close $listener;
    return $proc;
}

# Postfix sends one short line and waits: it comes in one piece.
sub answer {
    my ($socket, $file) = @_;
    sysread($socket, my $line, 4096) or return;
    my ($key) = $line =~ /^get (\S+)\n/ or return;
    $key =~ s/%([0-9a-f]{2})/chr hex $1/gei;
    open my $fh, '<', $file or return;
    my %table = map { /^(\S+) (.*)/ ? (lc $1 => $2) : () } <$fh>;
    my $value = $table{lc $key};
    return syswrite $socket, defined $value ? '200 ' . ($value =~ s/([% \n])/sprintf '%%%02x', ord $1/ger) . "\n" : "500 none\n";
}

1;
