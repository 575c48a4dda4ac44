# Objection 2: "the sender's load is decided by its receivers". One message to many sites: what is notified and not yet
# fetched never exceeds the pacer's bound, all get it, a site that never fetches keeps nobody waiting, and sites that fetch it again and again, and
# heed no 429, take nothing from the others. `make load`: 1,000 sites, of which 100 do that.
use Pontoon::Test time => 900;
use Pontoon::Test::Https;
use Pontoon::Test::ManySites;
use POSIX ();
use Time::HiRes qw(time sleep);

my ($BOUND, $SITES, $IGNORANT) = $ENV{PONTOON_LOAD} ? (150, 1000, 100) : (20, 60, 10);
my $world = new_world();
my $a     = $world->site('a', config => {'store.pace-messages' => $BOUND, 'store.pace-messages-per-domain' => 5, 'store.fallback-after' => '0s',
    'store.pace-bytes-per-domain' => '1M', 'store.fetch-bytes-per-domain' => '1K', 'store.pace-timeout' => '1h', 'milter.discovery-wait' => '30s',
    'store.retry-min' => '1h', 'store.retry-max' => '1h'});
my $many = Pontoon::Test::ManySites->new($world, $SITES);
$many->start;
$world->start;

my (%told, %fetched, @tell, @fetch);
my $most = 0;
sub read_notes {
    for my $m ($many->told) {
        push @tell, {%$m, told => time} if !$told{"$m->{aud} $m->{id}"}++;
    }
    my $out = grep { !$_->{ignorant} && !$fetched{"$_->{aud} $_->{id}"} } @tell;    # the ignorant ones have fetched, some moment
    $most = $out if $out > $most;
}
sub fetch {
    my ($m) = @_;
    my $r = Pontoon::Test::Https->request(url => $a->outbound . "/messages/$m->{id}", address => $a->address, ca => $world->ca->file,
        source => $many->address, headers => {Authorization => "Bearer $m->{token}"});
    is length $r->{body}, $m->{size}, "$m->{aud} has it" if length $r->{body} != $m->{size};
    $fetched{"$m->{aud} $m->{id}"} = time;
}

# They fetch again what they have, each from its own address and as fast as it can, whatever is answered.
sub hammer {
    my @sites = @_;
    $SIG{PIPE} = 'IGNORE';
    POSIX::nice(10);
    for (my $i = 0;; $i = ($i + 1) % @sites) {
        my $m    = $sites[$i];
        my %what = (url => $a->outbound . "/messages/$m->{id}", address => $a->address, ca => $world->ca->file,
            source => $world->address(100 + $i % 100), headers => {Authorization => "Bearer $m->{token}", Connection => 'keep-alive'});
        my $r = eval { $m->{tls} //= Pontoon::Test::Https->connect(%what); Pontoon::Test::Https->exchange($m->{tls}, %what) };
        delete $m->{tls} if !$r || ($r->{headers}{connection} // '') eq 'close';
        sleep 0.002 if !$r;
    }
}
sub median { my @l = sort { $::a <=> $::b } @_; return $l[@l / 2] // 0 }

my $begin = time;
$a->submit(from => 'alice@a.test', to => [map { "x\@$_" } $many->domains], timeout => 600,
    message => Pontoon::Test::Mail->plain(to => 'all@many.test') . ('x' x 70 . "\r\n") x 2800);
wait_for("$BOUND notifications", sub { read_notes(); @tell >= $BOUND }, 600);
sleep 0.5;
read_notes();
is scalar @tell, $BOUND, 'nobody fetches: no more is notified than the bound';
# One site never fetches; the others do, one after the other.
my $silent = $tell[0];
$_->{ignorant} = 1 for @tell[1 .. $IGNORANT];
my $hammer = Pontoon::Test::Proc->fork_code('sites that ignore the pace', sub { hammer(@tell[1 .. $IGNORANT]) });
my @took   = ([], []);    # how long a fetch took while they were stopped, and while they were at it
my ($first, $at_it) = (time, 1);
while (keys %fetched < $SITES - 1 && time - $first < 300) {
    read_notes();
    my @next = grep { $_ != $silent && !$fetched{"$_->{aud} $_->{id}"} } @tell;
    $at_it = !$at_it;
    $hammer->signal($at_it ? 'CONT' : 'STOP');
    for my $m (splice @next, 0, 10) {
        my $t = time;
        fetch($m);
        push @{$took[$at_it]}, time - $t;
    }
    sleep 0.01 if !@next;
}
my $took = time - $first;
$hammer->signal('CONT');
my $limit;
wait_for('them to be refused', sub {
    ($limit) = grep { $_->{name} eq 'store.fetch-bytes-per-domain' && $_->{refused} > 0 } @{$a->pontoon_json('status')->{limits}{store}};
    return $limit;
});
$hammer->stop;
is scalar keys %fetched, $SITES - 1, 'all others have it, whatever one site does';
cmp_ok $most, '<=', $BOUND, 'and the bound was never exceeded';
my @waits = sort { $::a <=> $::b } map { $_->{told} - $begin } @tell;
diag sprintf '%d sites: at most %d messages notified and not fetched (bound %d); %.0f fetches a second; notified after %.2f s (median), %.2f s (last)',
    $SITES, $most, $BOUND, ($SITES - 1) / $took, $waits[@waits / 2], $waits[-1];
cmp_ok $limit->{refused}, '>', 0, 'who ignored the pace was refused';
is scalar(grep { !/^s\d+\.many\.test$/ } map { $_->{peer} } @{$limit->{top}}), 0, 'by domain';
diag sprintf 'a fetch took %.1f ms while %d sites ignored the pace, %.1f ms while they did not (medians of %d and %d, in turns); they were refused %d times',
    1000 * median(@{$took[1]}), $IGNORANT, 1000 * median(@{$took[0]}), scalar @{$took[1]}, scalar @{$took[0]}, $limit->{refused};
$world->nothing_broke;
done_testing;
