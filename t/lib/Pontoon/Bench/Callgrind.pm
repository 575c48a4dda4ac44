# Counts the instructions of pontoon's daemons with valgrind's callgrind: their own and those of the libraries they call, in user space. Unlike
# times they are nearly the same whatever else the machine does.
package Pontoon::Bench::Callgrind;
use strict;
use warnings;
use Carp qw(croak);
use Exporter qw(import);
use File::Basename qw(basename);
use Pontoon::Test::Site;
use Pontoon::Test::Valgrind;

our @EXPORT_OK = qw(read_dump);

# Starts the daemons of a Pontoon::Bench::Mail, which run already, anew by callgrind. Their sandbox must be off.
sub new {
    my ($class, $world, $mail) = @_;
    my $self = bless {mail => $mail, dumps => {}}, $class;
    my $name = 'callgrind';
    my %options = map { $_ => ['--tool=callgrind', '--fair-sched=try', "--callgrind-out-file=$world->{dir}/$name/$_.out", "--log-file=$world->{dir}/$name/$_.log"] }
        map { $_->[1] } $mail->way;
    $self->{dir} = Pontoon::Test::Valgrind::programs($world, $name, \%options);
    $_->[0]->stop($_->[1]) for $mail->way;
    local $ENV{PONTOON_BUILD} = $self->{dir};
    $_->[0]->start($_->[1]) for $mail->way;
    return $self;
}

# What each daemon executed while `code` ran, each of so many times: {DAEMON => [{total => N, parts => {OBJECT => N, …}}, …]}.
sub count {
    my ($self, $times, $code) = @_;
    my %counts;
    $self->dump($_) for $self->{mail}->way;
    for (1 .. $times) {
        $code->();
        push @{$counts{$_->[1]}}, read_dump($self->dump($_)) for $self->{mail}->way;
    }
    return \%counts;
}

# Has callgrind write down what it counted since the last time; returns the file.
sub dump {
    my ($self, $of) = @_;
    my ($site, $daemon) = @$of;
    my ($out, $status, $errors) = Pontoon::Test::Site::run('callgrind_control', '--dump', $site->daemon($daemon)->pid);
    my $file = "$self->{dir}/$daemon.out." . ++$self->{dumps}{$daemon};
    croak "callgrind_control --dump, pontoon-$daemon: $errors$out" if $status || !-s $file;
    return $file;
}

# A dump by objects (program and libraries). In this format a line of costs is "POSITION COST"; the one that follows "calls=" is
# what the callee cost, which has lines of its own. Names are written once, then their number alone.
sub read_dump {
    my ($file) = @_;
    my (%name, %sum, $object, $total);
    open my $fh, '<', $file or croak "$file: $!";
    while (my $line = <$fh>) {
        if    ($line =~ /^(c?)ob=\((\d+)\)(?: (.+))?$/)  { $name{$2} = $3 if defined $3; $object = $2 if !$1 }
        elsif ($line =~ /^calls=/)                       { <$fh> }
        elsif ($line =~ /^[-+*\d]\S* (\d+)$/)            { $sum{$object} += $1 }
        elsif ($line =~ /^(?:summary|totals): (\d+)$/)   { $total = $1 }
    }
    my %parts;
    $parts{basename($name{$_}) =~ s/\.so.*//r} += $sum{$_} for keys %sum;
    my $parts = 0;
    $parts += $_ for values %parts;
    croak "$file: not understood" if !$total || abs($parts - $total) > $total / 1000;
    return {total => $total, parts => \%parts};
}

1;
