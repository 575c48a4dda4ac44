# A DNS server between a site and the test's real one (Pontoon::Test::Dns), that answers as it is told: for resolvers that fail.
package Pontoon::Test::Resolver;
use strict;
use warnings;
use Carp qw(croak);
use IO::Select;
use IO::Socket::INET;
use Pontoon::Test::Proc;

# The answers it can give but the right one: flags and RCODE of the header (RFC 1035 section 4.1.1), over the question as it came.
my %ANSWERS = (
    servfail => 0x8182,
    nxdomain => 0x8583,
    refused  => 0x8185,    # a server that does not know the zone: lame
    empty    => 0x8580,    # there is nothing of that type
);

# address, port: where it listens; to => "ADDRESS:PORT"; dir: its own.
sub start {
    my ($class, %o) = @_;
    my $self = bless {%o}, $class;
    my $socket = IO::Socket::INET->new(LocalAddr => $o{address}, LocalPort => $o{port}, Proto => 'udp')
        or croak "$o{address}:$o{port}: $!";
    $self->answer('right');
    $self->{proc} = Pontoon::Test::Proc->fork_code('resolver', sub { $self->serve($socket) });
    close $socket;
    return $self;
}

sub server { "$_[0]{address}:$_[0]{port}" }

# From now on: right, silent, or one of the above; only questions for names that match, if there is a pattern.
sub answer {
    my ($self, $how, $names) = @_;
    open my $fh, '>', "$self->{dir}/answer.new" or croak "$self->{dir}: $!";
    print $fh $how, ' ', $names // '';
    close $fh or croak "$self->{dir}: $!";
    rename "$self->{dir}/answer.new", "$self->{dir}/answer" or croak "$self->{dir}: $!";
}

sub how {
    my ($self) = @_;
    open my $fh, '<', "$self->{dir}/answer" or return 'right';
    return split / /, <$fh> // 'right', 2;
}

sub serve {
    my ($self, $socket) = @_;
    my $real = IO::Socket::INET->new(PeerAddr => $self->{to}, Proto => 'udp') or die "$self->{to}: $!";
    my $both = IO::Select->new($socket, $real);
    my %asker;    # by the id that the real server sees
    my $id = 0;
    for (;;) {
        for my $from ($both->can_read) {
            if ($from == $real) {
                defined $real->recv(my $answer, 65535) or next;
                my $asked = delete $asker{unpack 'n', $answer} or next;
                $socket->send(pack('n', $asked->{id}) . substr($answer, 2), 0, $asked->{by});
                next;
            }
            my $by = $socket->recv(my $question, 65535) // next;
            my ($how, $names) = $self->how;
            my $answer = $ANSWERS{$how};
            if ($how eq 'right' || (($names // '') ne '' && name($question) !~ /$names/)) {
                $id = ($id + 1) % 65536;
                $asker{$id} = {id => unpack('n', $question), by => $by};
                $real->send(pack('n', $id) . substr($question, 2));
            } elsif (defined $answer) {
                my $end = 12 + length(name($question)) + 2 + 4;    # header; the name, with its lengths and the last 0; type and class
                $socket->send(pack('a2n5', $question, $answer, 1, 0, 0, 0) . substr($question, 12, $end - 12), 0, $by);
            }
        }
    }
}

# The name that is asked for, with dots.
sub name {
    my ($question) = @_;
    return join '.', grep { length } unpack 'x12(C/a)*', $question =~ s/\0.{4}(?:\0\0\x29.*)?\z//sr;
}

1;
