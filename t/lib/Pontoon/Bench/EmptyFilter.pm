# The filter that does nothing (t/bench/empty_milter.c), running.
package Pontoon::Bench::EmptyFilter;
use strict;
use warnings;
use Pontoon::Test::Proc;
use Pontoon::Test::Wait;

# world, name; options of the program ("-d": it discards).
sub start {
    my ($class, $world, $name, @options) = @_;
    my $self = bless {path => "$world->{dir}/$name.sock"}, $class;
    $self->{proc} = Pontoon::Test::Proc->start(name => "$name filter", argv => ["$ENV{PONTOON_BUILD}/t/bench/empty_milter", @options, $self->{path}],
        output => "$world->{dir}/$name.log");
    wait_for("the $name filter to listen", sub { -S $self->{path} });
    chmod 0666, $self->{path};
    return $self;
}

sub path { $_[0]{path} }
sub pid  { $_[0]{proc}->pid }
sub stop { $_[0]{proc}->stop }

1;
