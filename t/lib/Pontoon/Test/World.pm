# All that one test has of its own: a directory, a range of loopback addresses, a certification authority, a DNS
# server, and sites. Tests that run at one time never meet: each holds its range by listening on its first address.
package Pontoon::Test::World;
use strict;
use warnings;
use Carp qw(croak);
use File::Path qw(remove_tree);
use File::Temp ();
use IO::Socket::INET;
use Time::HiRes qw(time);
use Test::More ();
use Pontoon::Test::Ca;
use Pontoon::Test::Dns;
use Pontoon::Test::Proc;
use Pontoon::Test::Site;

my $CLAIM_PORT = 9;         # on the first address of a range
my $FIRST_PORT = 20_001;    # below what the kernel gives to clients
my $LAST_PORT  = 29_999;
my $HTTPS_PORT = 30_443;    # where all sites of a world publish their policies
my @worlds;

sub new {
    my ($class) = @_;
    my $dir = File::Temp::tempdir('pontoon-XXXXXXXX', DIR => $ENV{TMPDIR} // '/tmp');
    chmod 0755, $dir;       # Postfix's and Knot's users pass through
    my $self = bless {dir => $dir, sites => [], ports => {}, owner => $$}, $class;
    push @worlds, $self;
    $self->claim_addresses;
    $self->{policy_port} = $HTTPS_PORT;
    $self->{policy_port}++
        until IO::Socket::INET->new(LocalAddr => $self->client, LocalPort => $self->{policy_port}, Listen => 1);
    $self->{ca}  = Pontoon::Test::Ca->new("$dir/ca");
    $self->{dns} = Pontoon::Test::Dns->new($self);
    return $self;
}

sub claim_addresses {
    my ($self) = @_;
    for (1 .. 200) {
        my $net = sprintf '127.%d.%d', 1 + int rand 254, int rand 256;
        $self->{claim} = IO::Socket::INET->new(LocalAddr => "$net.1", LocalPort => $CLAIM_PORT, Listen => 1) or next;
        $self->{net} = $net;
        return;
    }
    croak "no loopback addresses are free: $!";
}

sub dir { $_[0]{dir} }
sub ca  { $_[0]{ca} }
sub dns { $_[0]{dns} }
sub policy_port { $_[0]{policy_port} }

# An address of our own: 1 the DNS server, 9 the clients, the sites 10, 20, …
sub address { "$_[0]{net}.$_[1]" }
sub client  { $_[0]->address(9) }
sub network { "$_[0]{net}.0/24" }

# A free port: the addresses are ours alone, so only ports that we gave away and wildcard listeners are in the way.
sub port {
    my ($self, $address) = @_;
    for (;;) {
        my $port = $FIRST_PORT + $self->{ports}{$address}++;
        croak "no free port on $address" if $port > $LAST_PORT;
        return $port if IO::Socket::INET->new(LocalAddr => $address, LocalPort => $port, Listen => 1);
    }
}

sub mkdir {
    my ($self, $name, $owner) = @_;
    my $path = "$self->{dir}/$name";
    CORE::mkdir $path or croak "mkdir $path: $!";
    if (defined $owner) {
        my (undef, undef, $uid, $gid) = getpwnam $owner or croak "no user $owner";
        chown $uid, $gid, $path or croak "chown $path: $!";
    }
    return $path;
}

sub write {
    my ($self, $name, $text) = @_;
    my $path = "$self->{dir}/$name";
    open my $fh, '>', $path or croak "$path: $!";
    print $fh $text;
    close $fh or croak "$path: $!";
    return $path;
}

# A site for DOMAIN "NAME.test"; %options: see Site.
sub site {
    my ($self, $name, %options) = @_;
    my $site = Pontoon::Test::Site->new($self, $name, address => $self->address(10 * (1 + @{$self->{sites}})), %options);
    push @{$self->{sites}}, $site;
    return $site;
}

sub sites { @{$_[0]{sites}} }

# Everything up and ready when this returns.
sub start {
    my ($self) = @_;
    $self->{dns}->start;
    $_->prepare     for $self->sites;
    $_->start_mta   for $self->sites;
    $_->start_pontoon for $self->sites;
    $_->wait_mta    for $self->sites;
    return $self;
}

# For the end of a scenario: no daemon of ours crashed, complained about a bug, or tripped a sanitizer.
sub nothing_broke {
    my ($self) = @_;
    my @bad = map { $_->complaints } $self->sites;
    Test::More::ok(!@bad, 'no daemon crashed or reported a bug') or Test::More::diag(map { "$_\n" } @bad);
}

sub failed {
    my $builder = Test::More->builder;
    return $? != 0 || !$builder->is_passing;
}

sub clean_up {
    my ($self, $failed) = @_;
    if ($failed) {
        Test::More::diag("what happened is in $self->{dir} (kept)");
        $_->show_logs for $self->sites;
    } elsif ($ENV{KEEP}) {
        Test::More::diag("kept: $self->{dir}");
    } else {
        remove_tree($self->{dir});
    }
}

END {
    my $status = $?;
    my $failed = failed();
    for my $world (grep { $_->{owner} == $$ } @worlds) {
        Pontoon::Test::Proc::stop_all();
        $world->clean_up($failed);
    }
    $? = $status;
}

1;
