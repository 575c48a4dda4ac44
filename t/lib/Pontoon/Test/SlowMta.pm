# An MTA that takes its time: an SMTP (or LMTP) proxy in front of a real one that holds back the reply to a chosen command, or what the
# client says. It knows enough SMTP to tell which reply answers what.
package Pontoon::Test::SlowMta;
use strict;
use warnings;
use Carp qw(croak);
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Time::HiRes qw(sleep time);
use Pontoon::Test::Proc;
use Pontoon::Test::Proxy;

# address, port: where it listens; to => "ADDRESS:PORT"; dir: its own; holds => [[COMMAND, seconds], ...]: what the connections, in
# order, hold back (COMMAND: banner, EHLO, MAIL, RCPT, DATA, "." for the answer to the content, "second" for that to the second recipient
# by LMTP, RSET, QUIT, XCLIENT; "content": all from the first bytes of the content on; "dot": the end of the content, so the MTA never has the
# message), undef: nothing. While there is a file DIR/hold-COMMAND, every connection holds that.
sub start {
    my ($class, %o) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => $o{address}, LocalPort => $o{port}, Listen => 64, ReuseAddr => 1)
        or croak "listen on $o{address}:$o{port}: $!";
    my $proc = Pontoon::Test::Proc->fork_code('slow mta', sub {
        local $SIG{CHLD} = 'IGNORE';
        for (my $number = 0;; $number++) {
            my $client = $listener->accept or next;
            if (!(fork // next)) {
                setsockopt $client, SOL_SOCKET, SO_RCVBUF, 16384 if ($o{holds}[$number][0] // '') eq 'content';    # is soon full
                my $self = bless {%o, client => $client, hold => $o{holds}[$number], queue => ['banner'], in => '', out => ''}, $class;
                eval { $self->relay; 1 } or print STDERR "# slow mta: $@";
                POSIX::_exit(0);
            }
            close $client;
        }
    });
    close $listener;
    return bless {%o, proc => $proc}, $class;
}

# In front of a listener of a site's MTA (`return`, `inject`), as the site's configuration then has it.
sub in_front_of {
    my ($class, $world, $site, $listener) = @_;
    my $self = $class->start(address => $site->address, port => $world->port($site->address), to => $site->mta->endpoint($listener),
        dir => $world->mkdir("slow-$listener-$site->{name}"), holds => []);
    $site->{settings}{$listener eq 'return' ? 'store.mta' : 'bridge.mta'} = $self->endpoint;
    return $self;
}

sub endpoint { "$_[0]{address}:$_[0]{port}" }

# From now on all hold this back, until let_go().
sub hold {
    my ($self, $command) = @_;
    open my $fh, '>', "$self->{dir}/hold-$command" or croak "$self->{dir}/$command: $!";
}

sub let_go { unlink "$_[0]{dir}/hold-$_[1]" or croak "$_[0]{dir}/$_[1]: $!" }

# How often a reply to this was held back.
sub held {
    my ($self, $command) = @_;
    open my $fh, '<', "$self->{dir}/held" or return 0;
    return scalar grep { $_ eq "$command\n" } <$fh>;
}

sub relay {
    my ($self) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $client = $self->{client};
    my $server = IO::Socket::INET->new(PeerAddr => $self->{to}) or return;
    my $both   = IO::Select->new($client, $server);
    for (;;) {
        for my $from ($both->can_read) {
            sysread($from, my $bytes, 16384) or return;
            if ($from == $client) {
                $self->commands($bytes);
                Pontoon::Test::Proxy::write_all($server, $bytes) or return;
            } else {
                $self->replies($bytes) or return;
            }
        }
    }
}

# Notes which replies are to be expected.
sub commands {
    my ($self, $bytes) = @_;
    $self->{in} .= $bytes;
    for (;;) {
        if ($self->{content}) {
            $self->wait_for_it('content') if length $self->{in} > 2;
            $self->{in} =~ s/^.*?\r\n\.\r\n//s or last;
            $self->{content} = 0;
            $self->wait_for_it('dot');
            push @{$self->{queue}}, '.', 'second';    # a second answer comes by LMTP only
        } else {
            $self->{in} =~ s/^([^\r\n]*)\r\n// or last;
            my ($verb) = $1 =~ /^(\w+)/;
            @{$self->{queue}} = grep { $_ ne 'second' } @{$self->{queue}};
            push @{$self->{queue}}, uc $verb =~ s/^LHLO$/EHLO/ir;
            $self->{content} = uc $verb eq 'DATA';
            $self->{in} = "\r\n$self->{in}" if $self->{content};    # the dot may be all there is
        }
    }
    $self->{in} = substr $self->{in}, -4 if $self->{content} && length $self->{in} > 4;
}

sub replies {
    my ($self, $bytes) = @_;
    $self->{out} .= $bytes;
    while ($self->{out} =~ s/^((?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\r?\n)//) {
        my $reply = $1;
        my $to    = shift @{$self->{queue}} // '';
        @$self{qw(content in)} = (0, $self->{in} =~ s/^\r\n//r) if $to eq 'DATA' && $reply !~ /^354/;
        $self->wait_for_it($to);
        Pontoon::Test::Proxy::write_all($self->{client}, $reply) or return;
    }
    return 1;
}

sub wait_for_it {
    my ($self, $command) = @_;
    my ($what, $seconds) = @{$self->{hold} // []};
    my $mine = defined $what && $what eq $command;
    return if !$mine && !-e "$self->{dir}/hold-$command";
    open my $fh, '>>', "$self->{dir}/held" or die "held: $!";
    syswrite $fh, "$command\n";
    delete $self->{hold} if $mine;
    sleep $seconds if $mine;
    sleep 0.02 while -e "$self->{dir}/hold-$command";
}

1;
