# A network that loses packets: nftables in the test's own namespace (Pontoon::Test::Namespace qw(net)), for TCP from and to one server.
# One rule at a time holds, until pass(). What it swallowed is counted.
package Pontoon::Test::Packets;
use strict;
use warnings;
use Carp qw(croak);

my $count = 0;

# The server whose packets, both ways, are meant.
sub new {
    my ($class, $address, $port) = @_;
    return bless {address => $address, port => $port, table => 'inet pontoon_test_' . ++$count}, $class;
}

# Every packet, with nobody told: a peer that has died, a firewall.
sub drop { $_[0]->rule('counter drop') }

# One in a hundred, times `percent`.
sub lose {
    my ($self, $percent) = @_;
    $self->rule("numgen random mod 100 < $percent counter drop");
}

# After so many bytes more, every packet.
sub drop_after {
    my ($self, $bytes) = @_;
    $self->rule("quota over $bytes bytes counter drop");
}

# The kernel says that there is no way.
sub unreachable { $_[0]->rule('counter reject with icmp type host-unreachable') }

sub pass {
    my ($self) = @_;
    my $text = `nft list table $self->{table}`;
    $self->{swallowed} = 0;
    $self->{swallowed} += $_ for $text =~ /counter packets (\d+)/g;
    nft("delete table $self->{table}");
}

# Packets that the last rule swallowed.
sub swallowed { $_[0]{swallowed} }

sub rule {
    my ($self, $verdict) = @_;
    nft("table $self->{table} {\n chain out {\n  type filter hook output priority 0;\n"
            . join('', map { "  ip ${_}addr $self->{address} tcp ${_}port $self->{port} $verdict\n" } qw(d s))
            . " }\n}");
}

sub nft {
    my ($commands) = @_;
    open my $nft, '|-', 'nft', '-f', '-' or croak "nft: $!";
    print $nft "$commands\n";
    close $nft or croak "nft: $commands";
}

1;
