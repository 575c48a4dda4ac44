# pontoon-replay as a test runs it.
package Pontoon::Test::Replay;
use strict;
use warnings;
use JSON::PP ();
use Pontoon::Test::Site;

sub program { "$ENV{PONTOON_BUILD}/pontoon-replay" }

# A report that it wrote; undef: it wrote none.
sub report {
    my ($file) = @_;
    return -s $file ? JSON::PP::decode_json(do { local (@ARGV, $/) = ($file); <> }) : undef;
}

# Runs it to its end. Returns (report, exit code as a shell has it: 128 and more for a signal, standard output, standard error).
sub run {
    my ($world, @arguments) = @_;
    my $json = $world->dir . '/report.json';
    unlink $json;
    my ($text, $status, $errors) = Pontoon::Test::Site::run(program(), '--json', $json, @arguments);
    return (report($json), $status & 127 ? 128 + ($status & 127) : $status >> 8, $text, $errors);
}

1;
