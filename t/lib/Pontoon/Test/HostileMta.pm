# An MTA behind the bridge that has been taken over or is strange. What it does wrong with a message, the local part of the sender says.
package Pontoon::Test::HostileMta;
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();
use Pontoon::Test::Proc;
use Time::HiRes qw(sleep);

my $LATER = qr/^deferred 4\.\d\.\d /;

# name => [command at which it strikes, what it says then: bytes, or code called with the socket; the verdict expected].
our %deeds = (
    endlesslines   => ['MAIL', sub { endless($_[0], "250-more\r\n" x 100) }, $LATER],
    endlessline    => ['MAIL', sub { endless($_[0], '250 ' . 'x' x 1000) }, $LATER],
    letters        => ['MAIL', "abc def\r\n", $LATER],
    shortcode      => ['MAIL', "25\r\n", $LATER],
    longcode       => ['MAIL', "2500 ok\r\n", $LATER],
    code999        => ['MAIL', "999 ok\r\n", $LATER],
    code100        => ['MAIL', "100 wait\r\n", $LATER],
    twocodes       => ['MAIL', "250-ok\r\n550 no\r\n", $LATER],
    nul            => ['MAIL', "250 a\0b\r\n", $LATER],
    go             => ['MAIL', "354 go ahead\r\n", $LATER],
    closesatmail   => ['MAIL', '', $LATER],
    closesatrcpt   => ['RCPT', '', $LATER],
    closesatdata   => ['DATA', '', $LATER],
    closesatdot    => ['.',    '', $LATER],
    silence        => ['MAIL', sub { sleep 15 }, $LATER],
    byteasecond    => ['MAIL', sub { slow($_[0], '250 2.1.0 very slow indeed') }, $LATER],
    silentdot      => ['.',    sub { sleep 15 }, $LATER],
    controls       => ['RCPT', "550 5.1.1 \e[2J\a\r no\x7f \xff\xfe\r\n", qr/^rejected 5\.1\.1 550 5\.1\.1 [ -~]*$/],
    longtext       => ['RCPT', '550 5.1.1 ' . 'x' x 1500 . "\r\n", qr/^rejected 5\.1\.1 .{1,500}$/],
    wrongclass     => ['RCPT', "550 2.0.0 delivered\r\n", qr/^rejected 5\./],
    dot250early    => ['DATA', "354 go\r\n250 2.0.0 Ok: queued as EARLY\r\n", $LATER],
    data250        => ['DATA', "250 2.0.0 Ok: queued as NODATA\r\n", $LATER],
    unasked        => ['MAIL', "250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 Ok: queued as UNASKED\r\n", $LATER],
);

sub endless {
    my ($socket, $bytes) = @_;
    my $until = time + 15;
    while (time < $until) { print $socket $bytes or return }
}

sub slow {
    my ($socket, $bytes) = @_;
    for (split //, $bytes) { print $socket $_ or return; sleep 0.5 }
}

# address, port.
sub start {
    my ($class, %o) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => $o{address}, LocalPort => $o{port}, Listen => 64, ReuseAddr => 1) or die "listen: $!";
    my $proc = Pontoon::Test::Proc->fork_code('hostile MTA', sub {
        local $SIG{CHLD} = 'IGNORE';
        for (;;) {
            my $client = $listener->accept or next;
            if (!(fork // next)) {
                alarm 60;
                eval { converse($client) };
                POSIX::_exit(0);
            }
            close $client;
        }
    });
    close $listener;
    return bless {proc => $proc, %o}, $class;
}

sub converse {
    my ($client) = @_;
    my ($deed, $data);
    $client->autoflush;
    print $client "220 hostile.test ESMTP\r\n";
    while (defined(my $line = <$client>)) {
        next if $data && $line ne ".\r\n";
        $deed = $deeds{lc $1} if $line =~ /^MAIL FROM:<(\w+)@/i;
        my $verb = $data ? '.' : uc substr $line =~ s/\s+\z//r, 0, 4;
        $data = 0;
        if ($deed && $deed->[0] eq $verb) {
            return $deed->[1]->($client) if ref $deed->[1];
            return if $deed->[1] eq '';
            print $client $deed->[1];
        } elsif ($verb eq 'DATA') {
            print $client "354 go\r\n";
            $data = 1;
        } elsif ($verb eq 'EHLO') {
            print $client "250-hostile.test\r\n250-8BITMIME\r\n250 SIZE 0\r\n";
        } else {
            print $client $verb eq 'QUIT' ? "221 bye\r\n" : "250 2.0.0 ok\r\n";
        }
    }
}

1;
