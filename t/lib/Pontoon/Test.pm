# What every scenario begins with: `use Pontoon::Test;`. Strict, Test::More, waiting, and the test's own world; skips
# the scenario (and says why) where real servers can't be run; ends it when it hangs.
#
# Environment: PONTOON_BUILD, the directory of the programs (default: the source tree); KEEP=1 keeps the files;
# VERBOSE=1 makes the daemons verbose; PONTOON_TEST_PATIENCE=N multiplies all time limits (slow or instrumented builds).
package Pontoon::Test;
use strict;
use warnings;
use parent qw(Exporter);
use Cwd ();
use File::Basename ();
use Test::More;
use Pontoon::Test::Mail;
use Pontoon::Test::Proc;
use Pontoon::Test::Wait;
use Pontoon::Test::World;

our @EXPORT = (@Test::More::EXPORT, qw(wait_for wait_until new_world two_sites));

my $TIME_LIMIT = 180;    # seconds for one scenario
my @NEEDED     = (
    ['/usr/lib/postfix/sbin/master', 'postfix'],
    ['/usr/sbin/knotd',              'knot'],
    ['/usr/bin/kdig',                'knot-dnsutils'],
    ['/usr/bin/openssl',             'openssl'],
);

# `use Pontoon::Test time => 600;` for a long story.
sub import {
    my ($class, %o) = @_;
    strict->import;
    warnings->import;
    $ENV{PONTOON_BUILD} //= Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../../..');
    $ENV{PONTOON_BUILD} = Cwd::abs_path($ENV{PONTOON_BUILD}) // $ENV{PONTOON_BUILD};
    if (my $why = missing()) {
        plan(skip_all => $why);
    }
    $SIG{ALRM} = sub { die "this scenario hangs\n" };
    alarm(($o{time} // $TIME_LIMIT) * ($ENV{PONTOON_TEST_PATIENCE} || 1));
    $class->export_to_level(1, $class);
}

sub missing {
    return 'needs root: Postfix changes to its own users' if $> != 0;
    my @lack = map { $_->[1] } grep { !-x $_->[0] } @NEEDED;
    return @lack ? "needs the Debian packages @lack" : undef;
}

sub new_world { Pontoon::Test::World->new }

# The usual story: sites a and b with everything running. Options for each: two_sites(a => {...}, b => {...}).
sub two_sites {
    my (%o) = @_;
    my $world = new_world();
    my @sites = map { $world->site($_, %{$o{$_} // {}}) } qw(a b);
    $world->start;
    return ($world, @sites);
}

1;
