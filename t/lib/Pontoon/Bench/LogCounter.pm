# Counts lines of a growing log that match, reading each byte once: how a measurement knows that an MTA has taken a message.
package Pontoon::Bench::LogCounter;
use strict;
use warnings;
use Carp qw(croak);
use Time::HiRes qw(sleep time);

# Counts from the end that the file has now.
sub new {
    my ($class, $path, $pattern) = @_;
    return bless {path => $path, pattern => $pattern, offset => -s $path // 0, rest => '', count => 0}, $class;
}

sub count {
    my ($self) = @_;
    $self->{fh} //= do { open my $fh, '<', $self->{path} or return $self->{count}; $fh };
    seek $self->{fh}, $self->{offset}, 0;
    while (my $n = sysread $self->{fh}, $self->{rest}, 262_144, length $self->{rest}) {
        $self->{offset} += $n;
        my $end = rindex $self->{rest}, "\n";
        next if $end < 0;
        my $lines = substr $self->{rest}, 0, $end + 1, '';
        $self->{count}++ while $lines =~ /$self->{pattern}/g;
    }
    sysseek $self->{fh}, $self->{offset}, 0;
    return $self->{count};
}

# Returns the time at which there were `n`; looks every `step` seconds.
sub wait_count {
    my ($self, $n, %o) = @_;
    my $deadline = time + ($o{timeout} // 300);
    while ($self->count < $n) {
        croak "$self->{path}: only $self->{count} of $n lines match $self->{pattern}" if time > $deadline;
        sleep($o{step} // 0.005);
    }
    return time;
}

1;
