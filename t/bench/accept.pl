# c) How fast A's Postfix accepts, with pontoon-milter diverting all of it, beside no milter, an empty libmilter filter and OpenDKIM signing. In each
# case the 250 says that the message is durable: in pontoon's store, or in Postfix's queue, where HOLD keeps it from being delivered meanwhile. Only
# the empty filter that discards is easier: nothing becomes durable, so that is the ceiling for any filter that takes mail away.
use Pontoon::Bench;
use Pontoon::Bench::EmptyFilter;
use Pontoon::Bench::Mail;
use Pontoon::Test::Dkim;
use Time::HiRes qw(time);

my $bench = Pontoon::Bench->new(group => 'c', title => 'Accepting, with a milter');
my $world = Pontoon::Test::World->new;
my %over  = (
    discards => Pontoon::Bench::Mail->pontoon($world, 'pontoon'),
    deletes  => Pontoon::Bench::Mail->pontoon($world, 'deletes', config => {'milter.discard' => 'no'})
);

my %filters = (none => [], empty => [empty_filter('empty')], discard => [empty_filter('discard', '-d')]);
my $dkim    = Pontoon::Test::Dkim->new($world, domain => 'bydkim.test', canonicalization => 'relaxed/simple');
$world->write('dkim/clients', "127.0.0.1\n");    # whose mail it signs: smtp-source's
$filters{dkim} = [$dkim->signer];
my %holding = (%{Pontoon::Bench::Mail::sender_settings()}, smtpd_recipient_restrictions => 'check_client_access static:HOLD');
my %site    = map { $_ => $world->site("by$_", pontoon => 0, main => \%holding, filters => $filters{$_}) } keys %filters;
$world->start;
$_->from->stop('store') for values %over;        # what is accepted stays where it is

sub empty_filter { return 'unix:' . Pontoon::Bench::EmptyFilter->start($world, @_)->path }

sub held { glob $_[0]->postfix->{dir} . '/queue/hold/*' }

# Postfix alone, with the filter of that name.
sub accept_by {
    my ($name, %load) = @_;
    my $site   = $site{$name};
    my $result = timed($site, 'bob@elsewhere.test', %load);
    my @held   = held($site);
    die "$name: " . @held . " of $load{messages} are in the queue\n" if @held != ($name eq 'discard' ? 0 : $load{messages});
    die "OpenDKIM signs nothing\n" if $name eq 'dkim' && `postcat -q -c $site->{postfix}{dir}/etc $held[0] 2>/dev/null; cat $held[0]` !~ /DKIM-Signature/;
    unlink @held;
    return $result;
}

my %stored;

sub divert {
    my ($name, %load) = @_;
    my $over   = $over{$name};
    my $result = timed($over->from, 'bob@' . $over->to->domain, %load);
    $stored{$name} += $load{messages};
    my $there = $over->from->pontoon_json('status')->{store}{messages};
    die "the store has $there messages, not $stored{$name}\n" if $there != $stored{$name};
    return $result;
}

sub timed {
    my ($site, $to, %load) = @_;
    my $begin = time;
    Pontoon::Bench::Mail::load('smtp-source', '-s', $load{sessions}, '-m', $load{messages}, '-l', $load{size}, '-f', 'alice@' . $site->domain,
        '-t', $to, $site->postfix->endpoint('smtp'));
    return {value => $load{messages} / (time - $begin)};
}

my %SIZES = ('4K' => [4096, 60], '50K' => [50 * 1024, 50], '1M' => [1 << 20, 20]);
my @runs = @{$bench->pick(whole => [['4K', 1], ['4K', 10], ['4K', 50], ['50K', 10], ['1M', 10]], quick => [['4K', 10], ['50K', 10]], smoke => [['4K', 2]])};
for my $run (@runs) {
    my ($size, $sessions) = @$run;
    my ($bytes, $trial) = @{$SIZES{$size}};
    my $peer = sub {
        my ($name, $title, $goal) = @_;
        return {key => $name, title => $title, goal => $goal,
            run => sub { accept_by($name, size => $bytes, sessions => $sessions, messages => $_[0]) }};
    };
    my $ours = sub {
        my ($key, $title, $way) = @_;
        return {key => $key, title => $title, run => sub { divert($way, size => $bytes, sessions => $sessions, messages => $_[0]) }};
    };
    $bench->compare(
        name             => "accept.$size.$sessions",
        title            => "$size, $sessions at a time",
        unit             => 'messages/s',
        higher_is_better => 1,
        count            => {trial => $bench->pick(whole => $trial, smoke => 4), seconds => $bench->pick(whole => 3, quick => 0.6), max => 3000},
        systems          => [
            $ours->('pontoon', 'pontoon-milter diverting', 'discards'),
            $peer->('none', 'no milter'),
            $peer->('empty', 'empty filter', 0.95),
            $peer->('dkim', 'OpenDKIM signing', 1.3),
            $peer->('discard', 'empty filter that discards'),
            $ours->('deletes', 'pontoon-milter, milter.discard = no', 'deletes'),
        ]
    );
}
