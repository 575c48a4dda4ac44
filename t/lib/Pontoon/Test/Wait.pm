# Waiting for a condition, with a deadline and a message. Polls, so it is only for what makes no event that we could
# await: a file that another program writes, a port that it opens, a line in its log.
package Pontoon::Test::Wait;
use strict;
use warnings;
use Carp qw(croak);
use Exporter qw(import);
use Time::HiRes qw(time sleep);

our @EXPORT = qw(wait_for wait_until);
our $TIMEOUT = 20;    # seconds, when the caller names none; PONTOON_TEST_PATIENCE multiplies all of them

sub wait_until {
    my ($condition, $timeout) = @_;
    my $deadline = time + ($timeout // $TIMEOUT) * ($ENV{PONTOON_TEST_PATIENCE} || 1);
    for (;;) {
        my $value = $condition->();
        return $value if $value;
        return if time > $deadline;
        sleep 0.02;
    }
}

# Returns what the condition returned; dies with the message when it stays false.
sub wait_for {
    my ($what, $condition, $timeout) = @_;
    return wait_until($condition, $timeout) // croak sprintf('waited %s s in vain: %s', $timeout // $TIMEOUT, $what);
}

1;
