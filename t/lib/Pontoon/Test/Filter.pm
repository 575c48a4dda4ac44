# A content filter of a test: takes mail by SMTP, does to it what the test says, and hands it on by SMTP. One process takes all
# clients, so that it can count messages.
package Pontoon::Test::Filter;
use strict;
use warnings;
use Carp qw(croak);
use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Pontoon::Test::Proc;
use Pontoon::Test::Smtp;

# address, port: where it listens; to => "ADDRESS:PORT"; damage => sub { my ($number, $message) = @_; return the messages that go on } is called
# for each, in the order of their final dots, from 1. The message is bytes with CRLF, dots undone.
sub start {
    my ($class, %o) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => $o{address}, LocalPort => $o{port}, Listen => 64, ReuseAddr => 1)
        or croak "listen on $o{address}:$o{port}: $!";
    my $proc = Pontoon::Test::Proc->fork_code('filter', sub { serve($listener, \%o) });
    close $listener;
    return bless {proc => $proc}, $class;
}

sub stop { $_[0]{proc}->stop }

sub serve {
    my ($listener, $o) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $select = IO::Select->new($listener);
    my (%clients, $number);
    for (;;) {
        for my $fh ($select->can_read) {
            if ($fh == $listener) {
                my $client = $listener->accept or next;
                setsockopt $client, IPPROTO_TCP, TCP_NODELAY, 1;
                $select->add($client);
                $clients{$client} = {fh => $client, in => ''};
                print $client "220 filter.test ESMTP\r\n";
                $client->flush;
                next;
            }
            my $c = $clients{$fh};
            if (!sysread($fh, $c->{in}, 262144, length $c->{in}) || !talk($c, \$number, $o)) {
                $select->remove($fh);
                delete $clients{$fh};
                close $fh;
            }
        }
    }
}

# All that is whole; false: the client is gone.
sub talk {
    my ($c, $number, $o) = @_;
    my $out = '';
    my $end = 0;
    for (;;) {
        if ($c->{data}) {
            my $at = index "\r\n$c->{in}", "\r\n.\r\n";
            last if $at < 0;
            my $message = substr $c->{in}, 0, $at;
            substr $c->{in}, 0, $at + 3, '';
            $message =~ s/^\.//mg;
            $c->{data} = 0;
            $out .= hand_on($c, [$o->{damage}->(++$$number, $message)], $o) . "\r\n";
            next;
        }
        $c->{in} =~ s/^(.*?)\r\n//s or last;
        my $line = $1;
        if ($line =~ /^MAIL FROM:<(.*?)>/i) { @$c{qw(from to)} = ($1, []); $out .= "250 2.1.0 Ok\r\n" }
        elsif ($line =~ /^RCPT TO:<(.*?)>/i) { push @{$c->{to}}, $1; $out .= "250 2.1.5 Ok\r\n" }
        elsif ($line =~ /^DATA/i) { $c->{data} = 1; $out .= "354 Go on\r\n" }
        elsif ($line =~ /^EHLO/i) { $out .= "250-filter.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n" }
        elsif ($line =~ /^QUIT/i) { $out .= "221 Bye\r\n"; $end = 1; last }
        else { $out .= "250 Ok\r\n" }
    }
    syswrite $c->{fh}, $out;
    return !$end;
}

sub hand_on {
    my ($c, $messages, $o) = @_;
    for my $message (@$messages) {
        $o->{client} //= Pontoon::Test::Smtp->new(endpoint => $o->{to}) or return '451 4.4.1 Nobody takes it';
        my $sent = $o->{client}->send(from => $c->{from}, to => $c->{to}, message => $message, mail => 'BODY=8BITMIME');
        return "451 4.3.0 $sent->{code}" if $sent->{code} != 250;
    }
    return '250 2.0.0 Ok';
}

1;
