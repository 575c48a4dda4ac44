# What processes took of the machine, as /proc tells it: CPU seconds (user and system, threads that ended included) and memory.
package Pontoon::Bench::Usage;
use strict;
use warnings;
use Exporter qw(import);
use List::Util qw(sum0);
use POSIX ();

our @EXPORT_OK = qw(cpu_of cpu_of_family cpu_of_group peak_of resident_of resident_of_family reset_peak);

my $TICKS = POSIX::sysconf(&POSIX::_SC_CLK_TCK);

# The fields of /proc/PID/stat from "state" on (proc(5): field 3), or nothing when the process is gone.
sub fields {
    my ($pid) = @_;
    open my $fh, '<', "/proc/$pid/stat" or return;
    my $line = <$fh> // return;
    return split ' ', $line =~ s/^.*\) //sr;
}

sub cpu_of {
    my (@pids) = @_;
    my $sum = 0;
    for my $pid (@pids) {
        my @f = fields($pid) or next;
        $sum += $f[11] + $f[12];
    }
    return $sum / $TICKS;
}

# A process group whose leader reaps all others, as Postfix's master does: what has ended stands in the leader's account.
sub cpu_of_group {
    my ($leader) = @_;
    my $sum = 0;
    for my $pid (map { m{(\d+)$} ? $1 : () } glob '/proc/[0-9]*') {
        my @f = fields($pid) or next;
        next if $f[2] != $leader;
        $sum += $f[11] + $f[12];
        $sum += $f[13] + $f[14] if $pid == $leader;
    }
    return $sum / $TICKS;
}

# Processes, and their children that live.
sub family {
    my %parent = map { $_ => 1 } @_;
    return grep { my @f = fields($_); @f && ($parent{$_} || $parent{$f[1]}) } map { m{(\d+)$} ? $1 : () } glob '/proc/[0-9]*';
}

sub cpu_of_family { cpu_of(family(@_)) }

sub status_kib {
    my ($pid, $name) = @_;
    open my $fh, '<', "/proc/$pid/status" or return;
    return (map { /^\Q$name\E:\s+(\d+) kB/ ? $1 : () } <$fh>)[0];
}

# MiB.
sub peak_of     { (status_kib($_[0], 'VmHWM') // 0) / 1024 }
sub resident_of { (status_kib($_[0], 'VmRSS') // 0) / 1024 }

# Pages that they share count for each of them.
sub resident_of_family { sum0(map { resident_of($_) } family(@_)) }

# The peak counts from now on.
sub reset_peak {
    my ($pid) = @_;
    open my $fh, '>', "/proc/$pid/clear_refs" or return;
    syswrite $fh, "5\n";
}

1;
