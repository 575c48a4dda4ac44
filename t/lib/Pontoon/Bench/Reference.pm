# Figures that are kept in the repository, so that a change can't worsen them unnoticed; with what they were made with (compiler,
# libraries), as they are comparable only where that is the same. A file of lines: "# text", "with NAME VALUE", "NAME FIGURE". Less is better.
package Pontoon::Bench::Reference;
use strict;
use warnings;
use Carp qw(croak);
use Exporter qw(import);
use Pontoon::Bench::Numbers qw(human);

our @EXPORT_OK = qw(parse format_text compare);

my $TOLERANCE = 0.05;    # of what the figure was

# {with => {NAME => VALUE}, figures => {NAME => N}}
sub parse {
    my ($text) = @_;
    my %reference = (with => {}, figures => {});
    for my $line (grep { !/^(#|$)/ } split /\n/, $text) {
        if    ($line =~ /^with (\S+) (.*)$/)  { $reference{with}{$1}    = $2 }
        elsif ($line =~ /^(\S+) ([\d.]+)$/)   { $reference{figures}{$1} = $2 }
        else                                  { croak "not understood: $line" }
    }
    return \%reference;
}

sub format_text {
    my ($reference, @comment) = @_;
    my ($with, $figures) = @$reference{qw(with figures)};
    return join '', map { "$_\n" } (map { "# $_" } @comment), (map { "with $_ $with->{$_}" } sort keys %$with), map { "$_ $figures->{$_}" } sort keys %$figures;
}

# What is measured beside the reference: {differs => [what it was made with and this is not], worse => [...], better => [...]},
# all lines for people. Where something differs there is no verdict.
sub compare {
    my ($measured, $reference) = @_;
    my ($was, $is) = map { $_->{with} } $reference, $measured;
    my %names   = (%$was, %$is);
    my %verdict = (differs => [], worse => [], better => []);
    for (sort keys %names) {
        my ($then, $now) = ($was->{$_} // 'none', $is->{$_} // 'none');
        push @{$verdict{differs}}, "$_ $now, not $then" if $then ne $now;
    }
    my %figures = (%{$reference->{figures}}, %{$measured->{figures}});
    for (sort keys %figures) {
        my ($then, $now) = ($reference->{figures}{$_}, $measured->{figures}{$_});
        my $kind = !defined $then || !defined $now ? 'differs' : $now > $then * (1 + $TOLERANCE) ? 'worse' : $now < $then * (1 - $TOLERANCE) ? 'better' : next;
        push @{$verdict{$kind}}, sprintf '%s: %s, was %s', $_, human($now), human($then);
    }
    return \%verdict;
}

1;
