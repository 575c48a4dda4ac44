# The arithmetic of a benchmark: medians, spreads, ratios, and figures as people read them.
package Pontoon::Bench::Numbers;
use strict;
use warnings;
use Exporter qw(import);
use List::Util qw(max min);

our @EXPORT_OK = qw(median percentile summary ratio_of human);

# The value below which p percent lie, between two values where it falls between them.
sub percentile {
    my ($p, @values) = @_;
    return if !@values;
    @values = sort { $a <=> $b } @values;
    my $at    = $p / 100 * $#values;
    my $below = int $at;
    return $values[$below] if $below == $#values;
    return $values[$below] + ($at - $below) * ($values[$below + 1] - $values[$below]);
}

sub median { percentile(50, @_) }

# {median, low, high, n}: the spread is all that was seen.
sub summary {
    my (@values) = @_;
    return {median => median(@values), low => min(@values), high => max(@values), n => scalar @values};
}

# Runs alternate, so the Nth of ours and the Nth of the peer's saw about the same machine: the ratio is the median of those
# pairs' ratios, and a load from outside that comes and goes counts in one pair only.
sub ratio_of {
    my ($ours, $theirs) = @_;
    my @pairs = map { $theirs->[$_] ? $ours->[$_] / $theirs->[$_] : () } 0 .. min($#$ours, $#$theirs);
    return @pairs ? summary(@pairs) : undef;
}

# Three digits that say something; large numbers with commas.
sub human {
    my ($n) = @_;
    return '-' if !defined $n;
    my $size = abs $n;
    return '0' if $size == 0;
    my $text = $size >= 100 ? sprintf('%.0f', $n) : $size >= 10 ? sprintf('%.1f', $n) : $size >= 0.1 ? sprintf('%.2f', $n) : sprintf('%.2g', $n);
    1 while $text =~ s/^(-?\d+)(\d{3})/$1,$2/;
    return $text;
}

1;
