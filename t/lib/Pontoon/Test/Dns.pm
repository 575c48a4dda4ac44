# The DNS of a test: a private Knot, authoritative for "test." and for the reverse zone of the test's addresses.
# Records can be changed while it runs.
package Pontoon::Test::Dns;
use strict;
use warnings;
use Carp qw(croak);
use IO::Socket::INET;
use Pontoon::Test::Proc;
use Pontoon::Test::Wait;

sub new {
    my ($class, $world) = @_;
    my $dir     = $world->mkdir('dns');
    my $address = $world->address(1);
    my $self    = bless {
        dir     => $dir,
        address => $address,
        port    => $world->port($address),
        serial  => 1,
        records => {},
        reverse => reverse_name($address) =~ s/^\d+\.//r,
    }, $class;
    $world->write('dns/knot.conf', <<END);
server:
    rundir: "$dir"
    listen: $self->{address}\@$self->{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "$dir/db"
log:
  - target: stderr
    any: warning
template:
  - id: default
    storage: "$dir"
    file: "%s.zone"
    journal-content: none
    zonefile-sync: -1
zone:
  - domain: test
  - domain: $self->{reverse}
END
    return $self;
}

sub server { "$_[0]{address}:$_[0]{port}" }

sub reverse_name { join('.', reverse split /\./, $_[0]) . '.in-addr.arpa' }

# Replaces all records of `name` (absolute, without the last dot): set('b.test', 'MX 10 mx.b.test.'). None: removes it.
sub set {
    my ($self, $name, @records) = @_;
    $self->{records}{$name} = [@records];
    $self->reload if $self->{proc};
}

# Name to address; and back, if the address has no name yet.
sub set_host {
    my ($self, $name, $address) = @_;
    $self->{records}{$name} = ["A $address"];
    $self->{records}{reverse_name($address)} //= ["PTR $name."];
    $self->reload if $self->{proc};
}

sub start {
    my ($self) = @_;
    $self->write_zones;
    $self->{proc} = Pontoon::Test::Proc->start(
        name   => 'knotd',
        argv   => ['knotd', '-c', "$self->{dir}/knot.conf"],
        output => "$self->{dir}/knotd.log"
    );
    wait_for('knotd to answer', sub {
        $self->{proc}->alive or croak "knotd ended: see $self->{dir}/knotd.log";
        return IO::Socket::INET->new($self->server) && $self->serial_served == $self->{serial};
    });
}

sub stop  { $_[0]{proc}->stop }
sub alive { $_[0]{proc} && $_[0]{proc}->alive }

# When this returns, the new records are served.
sub reload {
    my ($self) = @_;
    $self->{serial}++;
    $self->write_zones;
    for my $zone ('test', $self->{reverse}) {
        system("knotc -s $self->{dir}/knot.sock -b zone-reload $zone >/dev/null") == 0 or croak "knotc failed: $?";
    }
}

sub serial_served {
    my ($self) = @_;
    my $soa = `kdig \@$self->{address} -p $self->{port} +short +timeout=1 +retry=0 test SOA 2>/dev/null`;
    return $soa =~ /^\S+ \S+ (\d+)/ ? $1 : 0;
}

# From now on every question comes here: nobody may keep an answer.
sub nothing_is_kept { $_[0]{ttl} = 0 }

sub write_zones {
    my ($self) = @_;
    my $ttl = $self->{ttl} // 1;
    for my $zone ('test', $self->{reverse}) {
        my $text = "\$TTL $ttl\n$zone. SOA ns.test. hostmaster.test. $self->{serial} 3600 600 86400 1\n$zone. NS ns.test.\n";
        $text .= "ns.test. A $self->{address}\n" if $zone eq 'test';
        for my $name (sort grep { /(^|\.)\Q$zone\E$/ } keys %{$self->{records}}) {
            $text .= "$name. $_\n" for @{$self->{records}{$name}};
        }
        open my $fh, '>', "$self->{dir}/$zone.zone.new" or croak $!;
        print $fh $text;
        close $fh or croak $!;
        rename "$self->{dir}/$zone.zone.new", "$self->{dir}/$zone.zone" or croak $!;
    }
}

1;
