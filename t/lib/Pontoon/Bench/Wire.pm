# Counts the bytes of TCP, headers included, from and to some servers: nftables, in a network namespace of the program's own
# (Pontoon::Test::Namespace qw(net)), so that what is sent is counted and not disturbed.
package Pontoon::Bench::Wire;
use strict;
use warnings;
use Carp qw(croak);
use Pontoon::Test::Packets;

# From now on segments are as large as on an Ethernet, one packet each, so that there are as many headers and acknowledgements as there. Otherwise
# the loopback interface carries 64 KB at once. It takes time: not for what is timed.
sub as_ethernet { system('ip', 'link', 'set', 'lo', 'mtu', 1500, 'gso_max_segs', 1) == 0 or croak "ip link: $?" }

# name: a word; servers: "ADDRESS:PORT", ...
sub new {
    my ($class, $name, @servers) = @_;
    my $self = bless {table => "inet pontoon_bench_$name"}, $class;
    my $set  = join ', ', map { s/:/ . /r } @servers;
    Pontoon::Test::Packets::nft("table $self->{table} {\n set servers { type ipv4_addr . inet_service; elements = { $set } }\n"
            . " chain out {\n  type filter hook output priority 0;\n"
            . "  ip daddr . tcp dport \@servers counter\n  ip saddr . tcp sport \@servers counter\n }\n}");
    return $self;
}

# Since it was made.
sub bytes {
    my ($self) = @_;
    my $text = `nft list table $self->{table}`;
    croak "nft list: $?" if $?;
    my $sum = 0;
    $sum += $_ for $text =~ /counter packets \d+ bytes (\d+)/g;
    return $sum;
}

1;
