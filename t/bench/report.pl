# t/bench/report.pl DIRECTORY BUILD: makes bench.json and bench.html of the results/*.json in DIRECTORY, and prints the table. Ends with 1 if
# there is no result.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use JSON::PP ();
use Pontoon::Files qw(slurp spew);
use Pontoon::Bench::Machine;
use Pontoon::Bench::Page;
use Pontoon::Bench::Report;

my ($dir, $build) = @ARGV;
my $top = abs_path(dirname(__FILE__) . '/../..');

my @results = sort { $a->{group} cmp $b->{group} } map { JSON::PP::decode_json(slurp($_)) } glob "$dir/results/*.json";
die "nothing was measured: $dir/results is empty\n" if !@results;
my $result = Pontoon::Bench::Report::result(Pontoon::Bench::Machine::describe(top => $top, build => $build, work => $ENV{TMPDIR} // '/tmp'), @results);
spew("$dir/bench.json", JSON::PP->new->canonical->pretty->utf8->encode($result));
spew("$dir/bench.html", Pontoon::Bench::Page::page($result));
print "$_\n" for '', Pontoon::Bench::Report::table($result);
my @missed = Pontoon::Bench::Report::missed($result);
print "\n", scalar @missed, " goals missed; written: $dir/bench.json, $dir/bench.html\n";
