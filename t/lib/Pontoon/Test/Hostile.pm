# A table of hostile deeds: each is done in a process of its own, several at one time, and is judged by its answer, the time it took, and
# what the site logged about it.
package Pontoon::Test::Hostile;
use strict;
use warnings;
use JSON::PP ();
use List::Util qw(max sum0);
use POSIX ();
use Test::More ();
use Time::HiRes qw(time);

my $json    = JSON::PP->new->canonical->utf8;

# world; site: whose daemons, log and memory are watched; lines_max, bytes_max: the most of its log for one case, time_max: seconds; at_once: cases
# (the bridge looks up 20 unknown domains at one time for one address).
sub new {
    my ($class, %o) = @_;
    my $self = bless {rows => [], lines_max => 8, bytes_max => 4096, time_max => 30, at_once => 16, %o}, $class;
    $self->{scale} = $ENV{PONTOON_TEST_PATIENCE} || 1;
    $self->{dir}   = $self->{world}->mkdir($o{dir_name} // 'hostile');
    return $self;
}

# Cases, each {who, name, does => sub { … return what was answered, a string }, answer_is => qr/…/, log => qr/…/ (of the lines that have `tag`,
# or without one undef), tag => what the site's log lines about it contain, lines => more lines are all right}.
sub run {
    my ($self, @cases) = @_;
    my (%running, @waiting);
    my $start = @{$self->{rows}};
    push @{$self->{rows}}, @cases;
    @waiting = $start .. $#{$self->{rows}};
    while (@waiting || %running) {
        while (@waiting && keys %running < $self->{at_once}) {
            my $i   = shift @waiting;
            my $pid = fork // die "fork: $!";
            $self->deed($i) if !$pid;
            $running{$pid} = 1;
        }
        my $pid = waitpid -1, 0;
        last if $pid < 0;
        delete $running{$pid};
    }
    $self->judge($_) for @cases;
}

sub deed {
    my ($self, $i) = @_;
    my $case  = $self->{rows}[$i];
    my $begun = time;
    @SIG{qw(INT TERM HUP ALRM)} = ('DEFAULT') x 4;
    alarm 120;
    my $answer = eval { $case->{does}->() } // ($@ ? "died: $@" : 'no answer');
    open my $fh, '>', "$self->{dir}/$i" or POSIX::_exit(1);
    print $fh $json->encode({answer => "$answer", time => time - $begun});
    close $fh;
    POSIX::_exit(0);
}

sub judge {
    my ($self, $case) = @_;
    my ($i) = grep { $self->{rows}[$_] == $case } 0 .. $#{$self->{rows}};
    my $file = "$self->{dir}/$i";
    my $done = -s $file ? $json->decode(do { local (@ARGV, $/) = ($file); <> }) : {answer => 'nothing', time => 0};
    $case->{$_} = $done->{$_} for keys %$done;
    my $what = "$case->{who}, $case->{name}";
    Test::More::like($case->{answer}, $case->{answer_is}, "$what: answered as it should be");
    Test::More::cmp_ok($case->{time}, '<', ($case->{within} // $self->{time_max}) * $self->{scale}, "$what: bounded in time");
    return unless defined $case->{tag};
    my @lines = grep { /\Q$case->{tag}\E/ } split /\n/, $self->{site}->log_after(0);
    $case->{lines} = @lines;
    $case->{bytes} = sum0 map { 1 + length } @lines;
    Test::More::cmp_ok($case->{lines}, '<=', $case->{lines_max} // $self->{lines_max}, "$what: bounded in log lines");
    Test::More::cmp_ok($case->{bytes}, '<=', $self->{bytes_max}, "$what: and in bytes of them");
    Test::More::like(join("\n", @lines), $case->{log}, "$what: logged") if $case->{log};
}

# The table, for who reads the test's output.
sub report {
    my ($self) = @_;
    Test::More::note(sprintf '%-12s %-44s %6s %5s %6s  %s', qw(who what time lines bytes answer));
    for my $row (@{$self->{rows}}) {
        Test::More::note(sprintf '%-12s %-44.44s %5.1fs %5s %6s  %.90s', $row->{who}, $row->{name}, $row->{time}, $row->{lines} // '-',
            $row->{bytes} // '-', $row->{answer} =~ s/[^ -~]/?/gr);
    }
    Test::More::note(sprintf '%d cases; longest %.1f s; most log %d lines, %d bytes', scalar @{$self->{rows}},
        max(map { $_->{time} } @{$self->{rows}}), max(map { $_->{lines} // 0 } @{$self->{rows}}), max(map { $_->{bytes} // 0 } @{$self->{rows}}));
}

sub count { scalar @{$_[0]{rows}} }

1;
