# What `make bench` says about what it measured: medians, the ratio of each pair of runs, goals in either direction, the table, bench.json
# and the page. And that the measurement of the whole path works, with a handful of messages.
use Pontoon::Test;
use File::Basename qw(dirname);
use JSON::PP ();
use Pontoon::Bench::Numbers qw(human median percentile ratio_of summary);
use Pontoon::Bench::Page;
use Pontoon::Bench::Reference;
use Pontoon::Bench::Report;

my $bench = dirname(__FILE__) . '/../bench';

is median(3, 1, 2), 2, 'the median of three';
is median(1, 2, 3, 10), 2.5, 'of four';
is percentile(99, 1 .. 101), 100, 'p99';
is_deeply summary(5, 1, 3), {median => 3, low => 1, high => 5, n => 3}, 'the spread is all that was seen';
is_deeply ratio_of([10, 200, 12], [5, 100, 4]), {median => 2, low => 2, high => 3, n => 3}, 'ratios are of runs that were neighbours';
is ratio_of([1], [0]), undef, 'no ratio to nothing';
is_deeply [map { human($_) } 0, 0.0123, 0.5, 12.34, 1234567, undef], ['0', '0.012', '0.50', '12.3', '1,234,567', '-'], 'figures to read';

my $faster = {
    name    => 'rate', title => 'rate & <more>', unit => 'messages/s', higher_is_better => 1,
    systems => [
        {key => 'pontoon', title => 'pontoon', value => [100, 300, 200]},
        {key => 'tls', title => 'relay over TLS', value => [100, 150, 100], goal => 1.5},
        {key => 'clear', title => 'relay in the clear', value => [200, 300, 400], goal => 1},
        {key => 'other', title => 'without a goal', value => [1, 1, 1]},
    ]
};
my $slower = {
    name    => 'latency', title => 'latency', unit => 'ms', higher_is_better => 0,
    systems => [{key => 'pontoon', title => 'pontoon', value => [9, 9]}, {key => 'tls', title => 'relay', value => [10, 10], goal => 1}]
};
my @measured = (
    {group => 'a', title => 'first',  comparisons => [$faster], figures => [{name => 'peak', title => 'peak', value => 40, unit => 'MiB', limit => 32}]},
    {group => 'b', title => 'second', comparisons => [$slower], figures => [{name => 'size', title => 'size', value => 4, unit => 'bytes'}]},
);
my $result = Pontoon::Bench::Report::result({cpu => 'a <machine>'}, @measured);
my $ratios = $result->{ratios};
is_deeply [sort keys %$ratios], [qw(latency.tls rate.clear rate.other rate.tls)], 'a ratio for each peer';
is $ratios->{'rate.tls'}{ratio}, 2, 'the ratio';
is_deeply $ratios->{'rate.tls'}{ratio_spread}, [1, 2], 'its spread';
is_deeply $ratios->{'rate.tls'}{theirs}, {median => 100, low => 100, high => 150, n => 3}, "the peer's median and spread";
is $ratios->{'rate.tls'}{peer}, 'relay over TLS', 'its name';
ok $ratios->{'rate.tls'}{met},    'at least 1.5: met';
ok !$ratios->{'rate.clear'}{met}, 'at least 1: missed';
ok $ratios->{'latency.tls'}{met}, 'at most 1: met';
ok !exists $ratios->{'rate.other'}{met}, 'no goal, no verdict';
is_deeply [map { $_->{name} } Pontoon::Bench::Report::missed($result)], [qw(rate.clear peak)], 'what was missed';

my @table = Pontoon::Bench::Report::table($result);
like join("\n", @table), qr/^rate\.clear .* 0\.50 .*MISSED$/m, 'the table says so';
my $page = Pontoon::Bench::Page::page($result);
like $page, qr{<svg.*</svg>}s, 'the page has plots';
like $page, qr{rate &amp; &lt;more&gt;}, 'text is escaped';
unlike $page, qr{<script|<link|src=|url\(|https?://}, 'and nothing comes from elsewhere';

# Instructions, which are kept in the repository.
my $kept = {with => {gcc => '12', flags => '-O2 -g'}, figures => {'one.milter' => 1000, 'one.store' => 2000}};
sub verdict { Pontoon::Bench::Reference::compare({with => {%{$kept->{with}}, %{$_[1] // {}}}, figures => {%{$kept->{figures}}, %{$_[0]}}}, $kept) }
is_deeply Pontoon::Bench::Reference::parse(Pontoon::Bench::Reference::format_text($kept, 'what it is')), $kept, 'a reference is read as it was written';
is_deeply verdict({'one.store' => 2099, 'one.milter' => 951}), {worse => [], better => [], differs => []}, 'some percent are nothing';
is_deeply verdict({'one.store' => 2101}), {worse => ['one.store: 2,101, was 2,000'], better => [], differs => []}, 'more are noticed';
is_deeply verdict({'one.milter' => 900}), {worse => [], better => ['one.milter: 900, was 1,000'], differs => []}, 'fewer as well';
is_deeply verdict({}, {gcc => 13})->{differs}, ['gcc 13, not 12'], 'another compiler';
is_deeply verdict({'one.lmtp' => 1})->{differs}, ['one.lmtp: 1.00, was -'], 'a figure that is new';
is_deeply Pontoon::Bench::Reference::compare({with => $kept->{with}, figures => {'one.store' => 2000}}, $kept)->{differs}, ['one.milter: -, was 1,000'],
    'and one that is gone';

# The real thing, small.
my $world = new_world();
mkdir $world->dir . '/results';
my $out = $world->dir . '/results/end_to_end.json';
is system($^X, '-I', dirname(__FILE__) . '/../lib', "$bench/end_to_end.pl", '--smoke', "--out=$out"), 0, 'end_to_end.pl --smoke';
is system($^X, '-I', dirname(__FILE__) . '/../lib', "$bench/report.pl", $world->dir, $ENV{PONTOON_BUILD}), 0, 'report.pl';
my $json = JSON::PP::decode_json(do { local (@ARGV, $/) = ($world->dir . '/bench.json'); <> });
cmp_ok $json->{ratios}{'end-to-end.4K.2.tls'}{ratio}, '>', 0, 'a ratio to relay over TLS was measured';
like $json->{machine}{kernel}, qr/^Linux/, 'the machine is recorded';
ok -s $world->dir . '/bench.html', 'the page is there';
done_testing;
