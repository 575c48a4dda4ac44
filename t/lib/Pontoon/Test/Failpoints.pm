# The failpoints of this build (lib/failpoint.h), as the daemons list them.
package Pontoon::Test::Failpoints;
use strict;
use warnings;
use Pontoon::Test::Site;

use constant DAEMONS => qw(milter lmtp store bridge);

# Those of one daemon: {name, actions => [...], text}; none in a build without them.
sub list {
    my ($daemon) = @_;
    my ($text, $status) = Pontoon::Test::Site::run("$ENV{PONTOON_BUILD}/pontoon-$daemon", '--failpoints');
    return if $status;
    return map { /^(\S+)\s+(\S+)\s+(.+)$/ ? {name => $1, actions => [split /,/, $2], text => $3} : () } split /\n/, $text;
}

sub compiled_in { scalar list('store') }

1;
