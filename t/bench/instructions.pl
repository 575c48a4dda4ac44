# i) Instructions of a message of 4 KB in each daemon, by callgrind. Messages that come one after the other give the same median within
# some percent, whatever else the machine does: t/bench/instructions.ref keeps it, and this ends with an error if a daemon takes 5% more.
# What it measured is in BUILD/instructions.ref. "busy" (ten sessions) is not compared: how much is done together depends on speeds.
use Pontoon::Bench;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Pontoon::Bench::Callgrind;
use Pontoon::Files qw(slurp spew);
use Pontoon::Bench::Machine;
use Pontoon::Bench::Mail;
use Pontoon::Bench::Numbers qw(median);
use Pontoon::Bench::Reference;
use Pontoon::Test::Mail;

my $SIZE  = 4096;
my $top   = abs_path(dirname(__FILE__) . '/../..');
my $kept  = "$top/t/bench/instructions.ref";
my $bench = Pontoon::Bench->new(group => 'i', title => 'Instructions of a message');
my $world = Pontoon::Test::World->new;
my $over  = Pontoon::Bench::Mail->pontoon($world, 'pontoon', config => {sandbox => 'no'});
$world->start;
my $callgrind = Pontoon::Bench::Callgrind->new($world, $over);
my $body      = join '', ('x' x 78 . "\r\n") x 48;

sub one_by_one {
    my ($n) = @_;
    $over->one(source => '127.0.0.1', message => Pontoon::Test::Mail->plain(body => $body)) for 1 .. $n;
    $over->from->wait_settled(60);
}

# Medians of so many times n messages, as figures; returns {NAME => instructions of a message}.
sub measure {
    my ($name, $title, $times, $n, $code) = @_;
    my $counts = $callgrind->count($times, sub { $code->($n) });
    my %figures;
    for my $daemon (sort keys %$counts) {
        my @of    = @{$counts->{$daemon}};
        my $each  = $figures{"$name.$daemon"} = int median(map { $_->{total} / $n } @of);
        my %parts = map { my $part = $_; $part => int median(map { ($_->{parts}{$part} // 0) / $n } @of) } map { keys %{$_->{parts}} } @of;
        $bench->figure(name => "instructions.$name.$daemon", title => "pontoon-$daemon, $title", unit => 'instructions', value => $each, parts => \%parts);
        print '    ', join(', ', map { sprintf '%s %.0f%%', $_, 100 * $parts{$_} / $each } grep { $parts{$_} > $each / 50 } sort { $parts{$b} <=> $parts{$a} } keys %parts), "\n";
    }
    return \%figures;
}

one_by_one($bench->pick(whole => 10, smoke => 1));    # policies, connections, statements
my $figures = measure('one', 'one message after the other', $bench->pick(whole => 15, quick => 5, smoke => 1), $bench->pick(whole => 5, smoke => 1), \&one_by_one);
measure('busy', 'ten at a time', 1, $bench->pick(whole => 200, quick => 30, smoke => 10), sub { $over->run(sessions => 10, size => $SIZE, messages => $_[0]) });

my %measured = (with => Pontoon::Bench::Machine::toolchain(top => $top, build => $ENV{PONTOON_BUILD}, work => $world->dir), figures => $figures);
my $file     = "$ENV{PONTOON_BUILD}/instructions.ref";
spew($file, Pontoon::Bench::Reference::format_text(\%measured,
        'Instructions of a message of 4 KB in each daemon, made by `t/bench/run instructions` with the compiler and libraries named here:',
        'doc/performance.md, i). A change that makes more of them on purpose brings the new file, and says why.'));
exit 0 if $bench->pick(whole => 0, smoke => 1);    # too few to be compared

my $verdict = Pontoon::Bench::Reference::compare(\%measured, Pontoon::Bench::Reference::parse(slurp($kept)));
print "$kept was made otherwise, so nothing is judged: ", join('; ', @{$verdict->{differs}}), "\n" if @{$verdict->{differs}};
print "better than $kept by more than 5%: $_ (keep that: cp $file $kept)\n" for @{$verdict->{better}};
print "worse than $kept by more than 5%: $_\n"                              for @{$verdict->{worse}};
die "A message takes more instructions than it did. If that is meant: cp $file $kept, and say why in the commit.\n"
    if @{$verdict->{worse}} && !@{$verdict->{differs}};
