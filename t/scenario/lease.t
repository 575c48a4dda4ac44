# Work that takes longer than its lease is claimed again by the same store, which must see that it has it in hand: a peer that answers late
# is asked once, and what it says counts; a return and a DSN for which our own MTA takes its time go out once. And so it is with a store that
# itself is slower than its leases (in a build with failpoints).
use Pontoon::Test;
use DBI;
use Pontoon::Test::Failpoints;
use Pontoon::Test::Recorder;
use Pontoon::Test::SlowMta;
use Pontoon::Test::Taker;

my $LEASE = 1;    # s
my $world = new_world();
my ($there, $between) = map { $world->address($_) } 8, 9;
my $mx   = Pontoon::Test::Recorder->start(address => $there, port => $world->port($there), dir => $world->mkdir('recorded'));
my $slow = Pontoon::Test::SlowMta->start(address => $between, port => $world->port($between), to => $mx->endpoint,
    dir => $world->mkdir('slow'), holds => []);
my $a = $world->site('a', config => {
    'store.mta'            => $slow->endpoint,
    'store.lease'          => "${LEASE}s",
    'store.notify-timeout' => '60s',
    'store.retry-min'      => '1h',
    'store.retry-max'      => '1h',
    'store.dsn-hold'       => '100ms',
});
my $go    = $world->dir . '/go';
my @words = qw(use-smtp rejected deferred accepted);
my %taker = map {
    my $word = $_;
    ($word => Pontoon::Test::Taker->new($world, $word, from => $a, script => sub { wait_for('the word to go', sub { -e $go }, 60); return $word })->start)
} @words;
$world->start;

my $db = DBI->connect('dbi:SQLite:dbname=' . $a->dir . '/store/store.db', '', '', {RaiseError => 1, ReadOnly => 1});

# Returns when the leases of so many recipients in these states were given anew twice. The store looks for work when it has reason to: a reload is one.
sub outlast {
    my ($what, $count, @states) = @_;
    my %seen;
    wait_for("$what: to take longer than two leases", sub {
        $a->reload('store');
        my $rows = $db->selectall_arrayref('SELECT rid, due FROM recipients WHERE owner IS NOT NULL AND state IN (' . join(',', @states) . ')');
        $seen{$_->[0]}{$_->[1]} = 1 for @$rows;
        return $count == grep { keys %$_ > 2 } values %seen;
    });
}

sub send_all {
    my %queue_id = map {
        my $to = "bob\@$_.test";
        ($_ => $a->submit(from => 'alice@a.test', to => [$to], message => Pontoon::Test::Mail->plain(to => $to))->{queue_id})
    } @words;
    wait_for('four notifications', sub { 4 == grep { $_->notified } values %taker });
    return %queue_id;
}

sub state_of { $a->trace($_[0])->[0]{recipients}[0]{state} }

sub reach {
    my ($queue_id, %state) = @_;
    for my $word (sort keys %state) {
        wait_for("$word: $state{$word}", sub { state_of($queue_id->{$word}) eq $state{$word} });
    }
}

# How each of them ended, once. Asked again are only those whose answer a new claim may have overtaken.
sub all_once {
    my ($name, $queue_id) = @_;
    reach($queue_id, 'use-smtp' => 'returned', rejected => 'bounced', accepted => 'delivered');
    is scalar(my @returned = $mx->mails('bob@use-smtp.test')), 1, "$name: returned once";
    is scalar(my @dsns = $mx->mails('alice@a.test')), 1, "$name: one DSN";
    is scalar(my @others = map { $mx->mails("bob\@$_.test") } qw(rejected deferred accepted)), 0, "$name: nothing else went by SMTP";
    is $taker{$_}->notified, 1, "$name: $_: asked once" for @words;
    is state_of($queue_id->{deferred}), 'queued', "$name: what was deferred waits";
}

$slow->hold('.');
my %sent = send_all();
outlast('the peers', 4, 0);
$world->write('go', '');
reach(\%sent, deferred => 'queued', accepted => 'accepted');
outlast('our MTA', 2, 2, 3);
$slow->let_go('.');
is $taker{accepted}->receipt(($taker{accepted}->notified)[0], 'delivered'), 204, 'a receipt';
all_once('slow peers and a slow MTA', \%sent);
$db->disconnect;

# Each of these steps between a claim and its end takes longer than a lease, so that whatever is claimed is due again before it is noted.
if (Pontoon::Test::Failpoints::compiled_in()) {
    my $delay = 1000 * $LEASE + 100;
    my @steps = qw(settle return_answered dsn_answered receipt_answer);
    is $a->stop('store'), 0, 'the store is stopped';
    unlink $_->{heard}, glob "$mx->{dir}/*" for values %taker;
    $a->start('store', PONTOON_FAIL => join(',', map { "$_:delay:$delay" } @steps));
    %sent = send_all();
    reach(\%sent, accepted => 'accepted');
    is $taker{accepted}->receipt(($taker{accepted}->notified)[0], 'delivered'), 204, 'a receipt';
    all_once('a slow store', \%sent);
}
$world->nothing_broke;
done_testing;
