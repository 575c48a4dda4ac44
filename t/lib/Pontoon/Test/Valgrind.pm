# pontoon's daemons run by valgrind. It can't run a build with sanitizers, and the daemons' sandbox must be off (sandbox => 'no').
package Pontoon::Test::Valgrind;
use strict;
use warnings;

sub available { scalar grep { -x "$_/valgrind" } split /:/, $ENV{PATH} }

# Makes a directory, NAME in the world's, that can stand for PONTOON_BUILD: the daemons there are scripts that run those of the build by
# valgrind. options: of each daemon, {DAEMON => [...]}. Returns its path.
sub programs {
    my ($world, $name, $options) = @_;
    my $build = $ENV{PONTOON_BUILD};
    my $dir   = $world->mkdir($name);
    for my $daemon (sort keys %$options) {
        my $arguments = join ' ', map { "'$_'" } @{$options->{$daemon}};
        chmod 0755, $world->write("$name/pontoon-$daemon", qq(#!/bin/sh\nexec valgrind $arguments $build/pontoon-$daemon "\$@"\n));
    }
    symlink "$build/pontoon", "$dir/pontoon";
    return $dir;
}

1;
