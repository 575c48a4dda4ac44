# An MTA behind the bridge that has been taken over or is strange. What it does wrong with a message, the local part of the sender says; what
# it does wrong before there is a message, a file.
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

# The same before there is a message: at the greeting or at EHLO.
our %hellos = (
    greeting554      => ['greeting', "554 5.7.1 go away\r\n", $LATER],
    greeting421      => ['greeting', "421 4.3.2 closing\r\n", $LATER],
    greeting354      => ['greeting', "354 go ahead\r\n", $LATER],
    greetingbinary   => ['greeting', "\0\1\2\xff\xfe\e[2J\r\n", $LATER],
    greetinghttp     => ['greeting', "HTTP/1.1 400 Bad Request\r\n\r\n", $LATER],
    greetingendless  => ['greeting', sub { endless($_[0], '220 ' . 'x' x 1000) }, $LATER],
    greetinglines    => ['greeting', sub { endless($_[0], "220-more\r\n" x 100) }, $LATER],
    greetingcloses   => ['greeting', '', $LATER],
    greetingsilence  => ['greeting', sub { sleep 15 }, $LATER],
    greetingtalks    => ['greeting', "220 hi\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 Ok: queued as EARLY\r\n", $LATER],
    ehlo502          => ['EHLO', "502 5.5.1 what\r\n", $LATER],
    ehlo354          => ['EHLO', "354 go\r\n", $LATER],
    ehlocloses       => ['EHLO', '', $LATER],
    ehloendless      => ['EHLO', sub { endless($_[0], "250-X-MORE\r\n" x 100) }, $LATER],
    ehlomixed        => ['EHLO', "250-hostile.test\r\n550-no\r\n250 SIZE 0\r\n", $LATER],
    ehlocontrols     => ['EHLO', "550 \e[2J\a \x7f\xff fake\r\n", $LATER],
    ehlostarttls     => ['EHLO', "250-hostile.test\r\n250 STARTTLS\r\n220 ready\r\n250 ok\r\n250 ok\r\n354 go\r\n", $LATER],
    size1            => ['EHLO', "250-hostile.test\r\n250 SIZE 1\r\n", qr/^rejected 5\.3\.4 /],    # the last: the connection is kept
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

# address, port; hello => FILE that names one of %hellos, or is not there.
sub start {
    my ($class, %o) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => $o{address}, LocalPort => $o{port}, Listen => 64, ReuseAddr => 1) or die "listen: $!";
    my $proc = Pontoon::Test::Proc->fork_code('hostile MTA', sub {
        local $SIG{CHLD} = 'IGNORE';
        for (;;) {
            my $client = $listener->accept or next;
            if (!(fork // next)) {
                alarm 60;
                eval { converse($client, $o{hello}) };
                POSIX::_exit(0);
            }
            close $client;
        }
    });
    close $listener;
    return bless {proc => $proc, %o}, $class;
}

# From now on connections begin so; undef: as they should.
sub begin_with {
    my ($self, $name) = @_;
    unlink $self->{hello};
    return unless defined $name;
    open my $fh, '>', $self->{hello} or die "$self->{hello}: $!";
    print $fh $name;
    close $fh or die "$self->{hello}: $!";
}

sub read_hello {
    my ($file) = @_;
    open my $fh, '<', $file // return or return;
    return scalar <$fh>;
}

# Does it; false if nothing more is said.
sub strike {
    my ($client, $what) = @_;
    return $what->($client), 0 if ref $what;
    print $client $what;
    return $what ne '';
}

sub converse {
    my ($client, $file) = @_;
    my ($deed, $data);
    my $begun = read_hello($file);
    my $hello = $hellos{$begun // ''} // [''];
    $client->autoflush;
    if ($hello->[0] eq 'greeting') {
        strike($client, $hello->[1]) or return;
    } else {
        print $client "220 hostile.test ESMTP\r\n";
    }
    while (defined(my $line = <$client>)) {
        next if $data && $line ne ".\r\n";
        $deed = $deeds{lc $1} if $line =~ /^MAIL FROM:<(\w+)@/i;
        my $verb = $data ? '.' : uc substr $line =~ s/\s+\z//r, 0, 4;
        return if $verb eq 'MAIL' && (read_hello($file) // '') ne ($begun // '');    # a kept connection, which did not begin so
        $data = 0;
        if ($deed && $deed->[0] eq $verb) {
            strike($client, $deed->[1]) or return;
        } elsif ($verb eq $hello->[0]) {
            strike($client, $hello->[1]) or return;
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
