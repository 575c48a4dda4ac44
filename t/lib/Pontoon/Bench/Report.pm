# What the measurements wrote, made into one result: ratios with their goals, figures with their limits; as a table for people and as
# the content of bench.json. Pure functions.
package Pontoon::Bench::Report;
use strict;
use warnings;
use Exporter qw(import);
use JSON::PP ();
use Pontoon::Bench::Numbers qw(human ratio_of summary);

our @EXPORT_OK = qw(result table missed);

# results: what Pontoon::Bench::save() wrote, decoded. Returns {machine, ratios => {NAME => …}, figures => {NAME => …}, measurements}.
sub result {
    my ($machine, @results) = @_;
    my (%ratios, %figures);
    my $order = 0;
    for my $r (@results) {
        $ratios{$_->{name}} = {%$_, order => $order++} for map { ratios($_, $r->{group}) } @{$r->{comparisons}};
        $figures{$_->{name}} = {%$_, group => $r->{group}, order => $order++, verdict($_->{value}, $_->{limit}, $_->{higher_is_better})}
            for @{$r->{figures}};
    }
    return {machine => $machine, ratios => \%ratios, figures => \%figures, measurements => \@results};
}

# One for each peer of a comparison; one without a ratio if there was no peer.
sub ratios {
    my ($c, $group) = @_;
    my ($ours, @peers) = @{$c->{systems}};
    my %common = (group => $group, title => $c->{title}, unit => $c->{unit}, higher_is_better => $c->{higher_is_better} ? JSON::PP::true() : JSON::PP::false(),
        ours => summary(@{$ours->{value}}));
    return {%common, name => $c->{name}, peer => undef, ratio => undef, goal => undef} if !@peers;
    return map { ratio($c, $ours, $_, %common) } @peers;
}

sub ratio {
    my ($c, $ours, $peer, %common) = @_;
    my $ratio = ratio_of($ours->{value}, $peer->{value});
    return {
        %common,
        name         => "$c->{name}.$peer->{key}",
        peer         => $peer->{title},
        theirs       => summary(@{$peer->{value}}),
        ratio        => $ratio && $ratio->{median},
        ratio_spread => $ratio && [@$ratio{qw(low high)}],
        goal         => $peer->{goal},
        verdict($ratio && $ratio->{median}, $peer->{goal}, $c->{higher_is_better})
    };
}

# (met => true or false), or nothing where there is no goal.
sub verdict {
    my ($value, $goal, $higher) = @_;
    return if !defined $goal || !defined $value;
    return (met => ($higher ? $value >= $goal : $value <= $goal) ? JSON::PP::true() : JSON::PP::false());
}

sub missed {
    my ($result) = @_;
    return grep { defined $_->{met} && !$_->{met} } map { my $of = $result->{$_}; map { $of->{$_} } sort keys %$of } qw(ratios figures);
}

sub spread { sprintf '%s (%s-%s)', map { human($_) } @{$_[0]}{qw(median low high)} }

# Lines for a terminal.
sub table {
    my ($result) = @_;
    my @rows = (['measurement', 'pontoon', 'peer', '', 'ratio', 'goal', '']);
    for my $r (in_order($result->{ratios})) {
        push @rows, [
            $r->{name}, spread($r->{ours}) . " $r->{unit}", $r->{theirs} ? spread($r->{theirs}) : '', $r->{peer} // '',
            defined $r->{ratio} ? human($r->{ratio}) : '', goal_text($r->{goal}, $r->{higher_is_better}), met_text($r)
        ];
    }
    for my $f (in_order($result->{figures})) {
        push @rows, [$f->{name}, human($f->{value}) . " $f->{unit}", '', '', '', goal_text($f->{limit}, $f->{higher_is_better}), met_text($f)];
    }
    my @width = map { my $column = $_; (sort { $b <=> $a } map { length $_->[$column] } @rows)[0] } 0 .. 6;
    return map { my $row = $_; join('  ', map { sprintf "%-$width[$_]s", $row->[$_] } 0 .. 6) =~ s/ +$//r } @rows;
}

sub in_order {
    my ($of) = @_;
    return map { $of->{$_} } sort { $of->{$a}{order} <=> $of->{$b}{order} } keys %$of;
}

sub goal_text { defined $_[0] ? ($_[1] ? '>= ' : '<= ') . $_[0] : '' }
sub met_text  { !defined $_[0]{met} ? '' : $_[0]{met} ? 'met' : 'MISSED' }

1;
