# d) How many messages of 10 KB a second become durable in the store, by the number of sessions that hand them in; beside a file with its
# flush for each, and beside what the disk can do at best.
use Pontoon::Bench;
use File::Path qw(remove_tree);
use File::Temp ();

my $bench   = Pontoon::Bench->new(group => 'd', title => 'Durable store');
my $dir     = File::Temp::tempdir('pontoon-bench-XXXXXXXX', DIR => $ENV{TMPDIR} // '/tmp', CLEANUP => 1);
my $seconds = $bench->pick(whole => 3, quick => 1, smoke => 0.2);

sub rate {
    my ($mode, $threads) = @_;
    my $at = "$dir/$mode";
    mkdir $at or die "$at: $!\n";
    my $rate = `"$ENV{PONTOON_BUILD}/t/bench/store_rate" $mode $at $threads $seconds 10240`;
    die "store_rate $mode failed\n" if $? || $rate !~ /^[\d.]+$/;
    remove_tree($at);
    return {value => $rate + 0};
}

for my $threads (@{$bench->pick(whole => [1, 4, 16, 64], quick => [16])}) {
    $bench->compare(
        name             => "durable.$threads",
        title            => "10 KB, $threads at a time",
        unit             => 'messages/s',
        higher_is_better => 1,
        systems          => [
            map { my ($mode, $title, $goal) = @$_; {key => $mode, title => $title, goal => $goal, run => sub { rate($mode, $threads) }} }
                ['store', 'the store'],
            ['file', 'a file and a flush each', $threads == 16 ? 5 : undef],
            ['file-dir', 'the same, and a flush of the folder'],
            ['flush', 'flushes of the disk alone']
        ]
    );
}
