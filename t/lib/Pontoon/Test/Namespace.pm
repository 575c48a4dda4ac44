# A namespace of the test's own, in which it can mount, or lose packets, without anybody else's notice: `use Pontoon::Test::Namespace
# qw(mount);` or `qw(mount net)`, before the world is made. The program starts anew inside it; all of it ends with the test.
package Pontoon::Test::Namespace;
use strict;
use warnings;
use Carp qw(croak);

my $MARK = 'PONTOON_TEST_NAMESPACES';

sub import {
    my ($class, @kinds) = @_;
    return if !@kinds || $> != 0;    # Pontoon::Test says what is missing
    if (($ENV{$MARK} // '') ne $$) {
        $ENV{$MARK} = $$;            # exec keeps the pid
        exec 'unshare', (map { "--$_" } @kinds), ((grep { $_ eq 'mount' } @kinds) ? ('--propagation', 'private') : ()), '--', $^X,
            (map { "-I$_" } @INC), $0, @ARGV
            or croak "unshare: $!";
    }
    system('ip', 'link', 'set', 'lo', 'up') == 0 or croak "ip: $?" if grep { $_ eq 'net' } @kinds;
}

1;
