# What every measurement in t/bench begins with: `use Pontoon::Bench;`. It runs pontoon and its peers in turn, A B A B, and writes
# every value down, in JSON; Pontoon::Bench::Report makes medians, ratios and pages of them. Nothing is judged here.
#
#   t/bench/NAME.pl [--quick|--smoke] [--rounds=N] [--only=REGEXP] [--out=FILE]
#
# --smoke runs each thing once, with hardly any messages: it shows that the measurement works, not a figure.
package Pontoon::Bench;
use strict;
use warnings;
use Carp qw(croak);
use Getopt::Long ();
use JSON::PP ();
use List::Util qw(max min);
use Time::HiRes qw(time);
use Pontoon::Files qw(spew);
use Pontoon::Bench::Numbers qw(human median);

sub import { strict->import; warnings->import }

# group: the letter of the measurement in doc/performance.md; title. Takes its options from the command line.
sub new {
    my ($class, %o) = @_;
    my $self = bless {%o, rounds => undef, comparisons => [], figures => [], began => time}, $class;
    my %option;
    Getopt::Long::GetOptions(\%option, 'quick', 'smoke', 'rounds=i', 'only=s', 'out=s') or exit 64;
    die "$0: unknown argument \"$ARGV[0]\"\n" if @ARGV;
    $self->{mode} = $option{smoke} ? 'smoke' : $option{quick} ? 'quick' : 'whole';
    $self->{rounds} = $option{rounds} // $self->pick(whole => 5, quick => 3, smoke => 1);
    $self->{$_} = $option{$_} for qw(only out);
    $| = 1;
    print "== $o{title}\n";
    return $self;
}

# What this mode takes: pick(whole => 5, quick => 3, smoke => 1). What is not named falls back to the next larger.
sub pick {
    my ($self, %choice) = @_;
    my @order = $self->{mode} eq 'smoke' ? qw(smoke quick whole) : $self->{mode} eq 'quick' ? qw(quick whole) : 'whole';
    my ($name) = grep { exists $choice{$_} } @order;
    return $choice{$name // croak 'nothing to pick'};
}

# Whether --only leaves this one in.
sub wanted {
    my ($self, $name) = @_;
    return !defined $self->{only} || $name =~ /$self->{only}/;
}

# One thing measured on several systems. name, title, unit, higher_is_better => 0|1;
# systems => [{key, title, run => sub { my ($n) = @_; … }, goal => RATIO}, …]: the first is pontoon, the others are peers; a peer's
# goal is what pontoon's figure divided by the peer's must reach (or not exceed). run() returns {value => N, more => {NAME => N, …}}.
# count => how many of whatever it is each run takes; or {trial, seconds, max}: as many as the slowest does in so many seconds,
# found out by a trial, but no fewer than that had. The trial is thrown away: it also warms up.
# rounds => other than usual.
# also => [{name, title, unit, more => NAME, …}]: further comparisons, of what the runs returned in `more`.
sub compare {
    my ($self, %o) = @_;
    return if !$self->wanted($o{name});
    my @systems = @{delete $o{systems}};
    my $rounds  = delete $o{rounds} // $self->{rounds};
    my $n       = $self->count_for($o{count} // 1, @systems);
    my %values  = map { $_->{key} => {value => [], more => {}} } @systems;
    for (1 .. $rounds) {
        for my $system (@systems) {
            my $result = $system->{run}->($n);
            my $to     = $values{$system->{key}};
            push @{$to->{value}}, $result->{value};
            push @{$to->{more}{$_}}, $result->{more}{$_} for sort keys %{$result->{more} // {}};
        }
    }
    $o{systems} = [map { {key => $_->{key}, title => $_->{title}, goal => $_->{goal}, %{$values{$_->{key}}}} } @systems];
    my @also = @{delete $o{also} // []};
    $self->add({%o, count => $n});
    $self->add_also(\%o, $_) for @also;
    $self->save;
}

sub add_also {
    my ($self, $of, $o) = @_;
    my @systems = map { {key => $_->{key}, title => $_->{title}, goal => $o->{goal}{$_->{key}}, value => $_->{more}{$o->{more}}, more => {}} }
        grep { $_->{more}{$o->{more}} } @{$of->{systems}};
    $self->add({higher_is_better => 0, %$o, name => "$of->{name}.$o->{name}", title => "$of->{title}: $o->{title}", systems => \@systems});
}

sub add {
    my ($self, $comparison) = @_;
    push @{$self->{comparisons}}, $comparison;
    printf "%-28s %s  %s\n", $comparison->{name}, join('  ', map { "$_->{key} " . human(median(@{$_->{value}})) } @{$comparison->{systems}}),
        $comparison->{unit};
}

sub count_for {
    my ($self, $count, @systems) = @_;
    return $count if !ref $count;
    return $count->{trial} if $self->{mode} eq 'smoke';
    my $longest = max map { my $begin = time; $_->{run}->($count->{trial}); time - $begin } @systems;
    return max $count->{trial}, min $count->{max}, int $count->{trial} * $count->{seconds} / $longest;
}

# A figure without a peer: name, title, value, unit; optional: limit => what it must reach or not exceed, higher_is_better.
sub figure {
    my ($self, %o) = @_;
    push @{$self->{figures}}, {higher_is_better => 0, %o};
    printf "%-34s %s %s\n", $o{name}, human($o{value}), $o{unit};
    $self->save;
}

# After each step, so that what was measured is there if a later step fails.
sub save {
    my ($self) = @_;
    defined $self->{out} or return;
    my %result = map { $_ => $self->{$_} } qw(group title mode rounds comparisons figures);
    $result{seconds} = time - $self->{began};
    spew($self->{out}, JSON::PP->new->canonical->pretty->encode(\%result));
}

1;
