# Every input that fuzzing found, and the seeds, through every fuzz target (built with replay.c): none crashes, none breaks what
# must hold.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;

my $here  = abs_path(dirname(__FILE__));
my $build = $ENV{PONTOON_BUILD} // "$here/../..";
$ENV{ASAN_OPTIONS} = 'detect_leaks=0' . (defined $ENV{ASAN_OPTIONS} ? ":$ENV{ASAN_OPTIONS}" : '');    # libConfuse leaks after errors

for my $source (glob "$here/fuzz_*.c") {
    my ($name) = $source =~ m{/(fuzz_\w+)\.c$};
    my @inputs = glob "$here/corpus/$name/*";
    ok scalar @inputs, "$name has a corpus" or next;
    my $output = `$build/t/fuzz/$name @inputs 2>&1`;
    ok $? == 0, "$name: " . @inputs . ' inputs' or diag($output);
}
done_testing;
