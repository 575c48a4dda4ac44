# The result of a benchmark as one HTML page that needs nothing else: a table of the ratios, and a plot of each comparison in SVG.
package Pontoon::Bench::Page;
use strict;
use warnings;
use Exporter qw(import);
use List::Util qw(max);
use Pontoon::Bench::Numbers qw(human summary);
use Pontoon::Bench::Report;

our @EXPORT_OK = qw(page);

my ($LABEL, $BAR, $VALUE, $ROW) = (240, 420, 180, 22);    # pixels of a plot

my $STYLE = <<'END';
body { font: 15px/1.45 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff }
table { border-collapse: collapse } td, th { padding: 2px 10px; text-align: left; border-bottom: 1px solid #ddd; vertical-align: top }
td.n { text-align: right; white-space: nowrap } .missed { color: #b3261e; font-weight: bold } .met { color: #1b6e2d }
h3 { margin: 1.4em 0 .2em; font-size: 1em } svg text { font: 12px sans-serif; fill: #222 }
.ours { fill: #1f77b4 } .peer { fill: #b0b8c0 } .spread { stroke: #222; stroke-width: 1.5 }
END

sub page {
    my ($result) = @_;
    my @missed = Pontoon::Bench::Report::missed($result);
    my $goals  = grep { defined $_->{met} } map { values %{$result->{$_}} } qw(ratios figures);
    return join '', qq(<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>pontoon: benchmark</title>\n<style>\n$STYLE</style></head><body>\n),
        "<h1>pontoon beside its peers</h1>\n",
        '<p>', scalar @missed, " of $goals goals missed. Runs alternated between the systems; a ratio is the median of the rounds' ratios. ",
        "Absolute figures are this machine's, at that time.</p>\n",
        machine_table($result->{machine}), "<h2>Ratios and goals</h2>\n", ratio_table($result),
        (map { "<h2>$_->[0]</h2>\n$_->[1]" } map { [text($_->{title}), plots($_)] } grep { @{$_->{comparisons}} } @{$result->{measurements}}),
        "</body></html>\n";
}

sub text { $_[0] =~ s/&/&amp;/gr =~ s/</&lt;/gr =~ s/>/&gt;/gr =~ s/"/&quot;/gr }

sub machine_table {
    my ($machine) = @_;
    return "<table>\n" . join('', map { '<tr><td>' . text($_) . '</td><td>' . text($machine->{$_}) . "</td></tr>\n" } grep { length $machine->{$_} } sort keys %$machine)
        . "</table>\n";
}

sub ratio_table {
    my ($result) = @_;
    my $out = "<table><tr><th>what</th><th>pontoon</th><th>peer</th><th></th><th>ratio</th><th>goal</th></tr>\n";
    for my $r (Pontoon::Bench::Report::in_order($result->{ratios})) {
        $out .= row($r, spread($r->{ours}) . " $r->{unit}", $r->{theirs} ? spread($r->{theirs}) : '', $r->{peer} // '',
            defined $r->{ratio} ? human($r->{ratio}) : '', $r->{goal});
    }
    for my $f (Pontoon::Bench::Report::in_order($result->{figures})) {
        $out .= row($f, human($f->{value}) . " $f->{unit}", '', '', '', $f->{limit});
    }
    return "$out</table>\n";
}

sub spread { Pontoon::Bench::Report::spread(@_) }

sub row {
    my ($of, $ours, $theirs, $peer, $ratio, $goal) = @_;
    my $class = defined $of->{met} ? $of->{met} ? 'n met' : 'n missed' : 'n';
    return '<tr><td>' . text($of->{title}) . qq(</td><td class="n">$ours</td><td class="n">$theirs</td><td>) . text($peer)
        . qq(</td><td class="$class">$ratio</td><td class="$class">) . text(Pontoon::Bench::Report::goal_text($goal, $of->{higher_is_better}))
        . "</td></tr>\n";
}

sub plots {
    my ($measurement) = @_;
    return join '', map { '<h3>' . text("$_->{title} ($_->{unit}" . ($_->{higher_is_better} ? '' : ', less is better') . ')') . "</h3>\n" . plot($_) }
        @{$measurement->{comparisons}};
}

# A bar for the median of each system, a line for what was seen from lowest to highest.
sub plot {
    my ($c) = @_;
    my @sums  = map { summary(@{$_->{value}}) } @{$c->{systems}};
    my $scale = $BAR / (max(map { $_->{high} } @sums) || 1);
    my $out   = sprintf qq(<svg width="%d" height="%d" role="img">\n), $LABEL + $BAR + $VALUE, $ROW * @sums;
    for my $n (0 .. $#sums) {
        my ($s, $y) = ($sums[$n], $n * $ROW);
        my $middle = $y + $ROW / 2;
        $out .= sprintf qq(<text x="0" y="%.1f">%s</text>), $middle + 4, text($c->{systems}[$n]{title});
        $out .= sprintf qq(<rect class="%s" x="%d" y="%.1f" width="%.1f" height="%d"/>), $n ? 'peer' : 'ours', $LABEL, $y + 3, $s->{median} * $scale, $ROW - 6;
        $out .= sprintf qq(<line class="spread" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>), $LABEL + $s->{low} * $scale, $LABEL + $s->{high} * $scale,
            $middle, $middle;
        $out .= sprintf qq(<text x="%.1f" y="%.1f">%s</text>\n), $LABEL + $s->{high} * $scale + 8, $middle + 4, text(spread($s));
    }
    return "$out</svg>\n";
}

1;
