# The power goes, at any step that pontoon's daemons make on their disk: at the sender's site, at the receiver's, at both. What was not
# fsynced is gone, or half there, or there in another order (t/lib/powerloss.c). Every message that was answered 250 is delivered, with
# equal bytes, and comes twice only if the receiving site went down between its MTA's 250 and the note of it. Then the journal of one
# stretch is cut at many other points, without starting anything; and with the fsyncs of one file ignored, which must be seen.
# PONTOON_SEED=N repeats the choices.
BEGIN { $ENV{PONTOON_BUILD} = $ENV{PONTOON_PLAIN_BUILD} if $ENV{PONTOON_PLAIN_BUILD} }    # nothing is preloaded before a sanitizer; and durability is no matter of memory
use Pontoon::Test;
use DBI;
use Digest::SHA qw(sha256);
use Time::HiRes qw(sleep time);
use Pontoon::Test::PowerLoss;
use Pontoon::Test::Proc;
use Pontoon::Test::Smtp;

my $ROUNDS  = $ENV{PONTOON_POWER_ROUNDS} // 7;
my $CLIENTS = 2;          # a sending site
my $POINTS  = 25;         # of the offline cuts
my $WINDOW  = 3;          # seconds around a cut at B in which a message may have been under way
my $seed    = $ENV{PONTOON_SEED} // int rand 1_000_000;
diag "PONTOON_SEED=$seed";
srand $seed;

my $world  = new_world();
my %sender = (config => {'store.inline-max' => '4k', 'milter.spool-memory' => '4k', 'lmtp.spool-memory' => '4k', 'store.breaker-failures' => 0,
    'store.lease' => '2s'});
my %site;
$site{a} = $world->site('a', %sender);
$site{b} = $world->site('b', config => {'bridge.answer-within' => '20ms'});
$site{c} = $world->site('c', %sender, lmtp => 1);
my %power = map { $_->{name} => Pontoon::Test::PowerLoss->new($_) } $site{a}, $site{b}, $site{c};
$world->start;
$_->started for values %power;

# ---- the traffic ----

my @USERS = qw(bob carol dave);

sub message {
    my ($key) = @_;
    my ($n)   = $key =~ /(\d+)$/;
    return "X-Power: $key\r\n" . Pontoon::Test::Mail->plain(subject => $key, id => "$key\@power.test", body => "line of $key\r\n" x (10, 400, 3000)[$n % 3]);
}

sub users_of { my ($n) = $_[0] =~ /(\d+)$/; @USERS[0 .. $n % 7 % 3] }

sub client {
    my ($site, $number) = @_;
    my $file = $site->dir . "/taken.$number";
    return Pontoon::Test::Proc->fork_code("client $number of $site->{name}", sub {
        open my $log, '>', $file or die "$file: $!";
        $log->autoflush;
        for (my $n = 0; !-e $world->dir . '/stop'; $n++) {
            my $key = "$site->{name}.$number.$n";
            Pontoon::Test::Smtp->deliver($site->client_options, from => 'alice@' . $site->domain, to => [map { "$_\@b.test" } users_of($key)],
                message => message($key), timeout => 60)->{code} == 250 or die "$key was refused\n";
            print $log join(' ', $key, time, @{Pontoon::Test::PowerLoss::moment($site)}), "\n";
            sleep 0.15;
        }
        return 0;
    });
}

# {key => [time, number of the journal, position in it]}: what was answered 250.
sub taken {
    my ($site) = @_;
    my %taken;
    local $_;
    for my $file (glob $site->dir . '/taken.*') {
        open my $fh, '<', $file or die "$file: $!";
        /^(\S+) (\S+) (\d+) (\d+)$/ && ($taken{$1} = [$2, $3, $4]) while <$fh>;
    }
    return \%taken;
}

# Those that pontoon has answered: at C the client's 250 is Postfix's, and that of pontoon-lmtp is in Postfix's log.
sub answered {
    my ($site) = @_;
    return keys %{taken($site)} if !$site->{lmtp};
    my (%key, @stored);
    local $_;
    open my $fh, '<', $site->mta->{log} or die "mail.log: $!";
    while (<$fh>) {
        $key{$1} = $2 if / ([0-9A-F]+): message-id=<(\S+)\@power\.test>/;
        push @stored, $key{$1} if / ([0-9A-F]+): to=.*status=sent \(250 2\.0\.0 Stored/;
    }
    return @stored;
}

# ---- what a store must hold ----

sub database { DBI->connect("dbi:SQLite:dbname=$_[0]", '', '', {RaiseError => 1, PrintError => 0, ReadOnly => $_[1] // 0}) }

# Of these messages: what is not there, or not whole.
sub missing {
    my ($folder, @keys) = @_;
    my @bad;
    my $db = database("$folder/store.db");
    my ($whole) = eval { $db->selectrow_array('PRAGMA quick_check(1)') };
    return "the database: $@" . ($whole // '') if ($whole // '') ne 'ok';
    my $rows = $db->selectall_hashref('SELECT trim(m.message_id, \' <>\') AS name, m.settled, b.file, b.data, b.digest, b.size FROM messages AS m'
        . ' LEFT JOIN bodies AS b ON b.body = m.body', 'name');
    for my $key (@keys) {
        my $row = $rows->{"$key\@power.test"};
        push @bad, "$key is not there" if !$row;
        next if !$row || $row->{settled};
        my $bytes = $row->{data} // eval { Pontoon::Test::DiskJournal::slurp("$folder/bodies/$row->{file}") };
        push @bad, "$key: no body" if !defined $bytes;
        push @bad, "$key: the body is another" if defined $bytes && sha256($bytes) ne $row->{digest};
    }
    return @bad;
}

# What the other sites' stores know of B (delivered, or a receipt was promised), and B's queue must know as well. Except where B has said
# "deferred" and was not believed, as it answered an earlier notification: the store still sees a promise, and asks again.
sub unknown {
    my ($folder) = @_;
    my $db   = database("$folder/jobs.db");
    my %here = map { ("$_->[0] $_->[1]" => $_->[2]) } @{$db->selectall_arrayref('SELECT j.id, r.address, r.state FROM jobs AS j JOIN job_rcpts AS r ON r.job = j.job')};
    my @bad;
    for my $site ($site{a}, $site{c}) {
        my $log   = $site->log_after(0);
        my $there = database($site->dir . '/store/store.db', 1)
            ->selectall_arrayref('SELECT m.id, r.address, r.state FROM messages AS m JOIN recipients AS r ON r.message = m.message WHERE r.state IN (1, 4)');
        for my $row (@$there) {
            my $state = $here{"$row->[0] $row->[1]"};
            push @bad, "$row->[0] for $row->[1]: promised" if !defined $state && $log !~ /to=<\Q$row->[1]\E>, \S+ says deferred, .*: asking again, pontoon=$row->[0]$/m;
            push @bad, "$row->[0] for $row->[1]: delivered" if defined $state && $row->[2] == 4 && $state != 1;
        }
    }
    return @bad;
}

# ---- the power goes ----

my @wrong;
my @clients = map { my $site = $_; map { client($site, $_) } 1 .. $CLIENTS } $site{a}, $site{c};

sub one_cut {
    my ($round, @sites) = @_;
    my @power = map { $power{$_->{name}} } @sites;
    $_->cut_in(1 + int rand 400) for @power;
    $power[0]->wait_cut(2);
    $_->wait_cut(0) for @power[1 .. $#power];
    my @lost;
    for my $n (0 .. $#power) {
        push @lost, map { "$sites[$n]{name}: $_" } $power[$n]->restore($seed + 100 * $round + $n);
        if ($sites[$n] == $site{b} && @sites == 1) {
            push @wrong, map { "round $round: B forgot $_" } unknown($power[$n]->copy('bridge'));
        } elsif ($sites[$n] != $site{b}) {
            push @wrong, map { "round $round: $_" } missing($power[$n]->copy('store'), answered($sites[$n]));
        }
    }
    diag "round $round, $power[0]{at}: " . join('; ', @lost ? @lost : 'nothing was pending');
    for my $power (@power) {
        $power->cut_in(1 + int rand 40) if $round % 4 == 3;    # and again, while they start or soon after
        $power->start;
        next if $round % 4 != 3;
        $power->wait_cut(2);
        $power->restore($seed + 100 * $round + 50);
        $power->start or die 'the power is off';
    }
}
my @order = ([$site{a}], [$site{b}], [$site{c}], [$site{a}, $site{b}], [$site{b}], [$site{a}], [$site{c}, $site{b}], [$site{b}], [$site{a}, $site{b}, $site{c}]);
for my $round (1 .. $ROUNDS) {
    sleep 0.3;
    one_cut($round, @{$order[($round - 1) % @order]});
}
sleep 1;
$world->write('stop', '');
is $_->wait_end(90), 0, 'a client got rid of all its messages' for @clients;
is "@wrong", '', "after $ROUNDS cuts each store has what was answered 250, and B's queue has what it had promised" or diag map { "$_\n" } @wrong;

# ---- the audit ----

my @keys = map { sort keys %{taken($_)} } $site{a}, $site{c};
my $want = map { users_of($_) } @keys;
sub copies_there { my $n = 0; $n += $site{b}->postfix->mailbox_files($_) for @USERS; $n }
wait_until(sub { copies_there() >= $want }, 30);
$_->wait_settled(30) for $site{a}, $site{c};
my (%when, @altered);
for my $user (@USERS) {
    for my $mail ($site{b}->mailbox($user)) {
        my $key = $mail->header('X-Power');
        push @{$when{"$key $user"}}, (stat $mail->path)[9];
        push @altered, "$key for $user" if !$mail->carries(message($key));
    }
}
my @expected = map { my $key = $_; map { "$key $_" } users_of($key) } @keys;
my @cuts_of_b = @{$power{b}{cuts}};
my @twice    = grep { @{$when{$_} // []} > 1 } @expected;
my @outside  = grep { my @copies = sort @{$when{$_}}; @copies > 1 + grep { abs($_ - $copies[0]) < $WINDOW } @cuts_of_b } @twice;
is join(', ', grep { !$when{$_} } @expected), '', 'none of ' . @expected . ' copies of ' . @keys . ' messages is lost';
is "@altered", '', 'none is altered';
is join(', ', @outside), '', 'twice came only what was between the MTA and the note of it at a cut: ' . (join(', ', @twice) || 'none');
is scalar($_->mailbox('alice')), 0, "nothing bounced at $_->{name}" for $site{a}, $site{c};

like $_->log_after(0), qr{store/store\.db-wal: not closed in order: \d+ pages? recovered}, "the log of $_->{name} says what was recovered" for @site{qw(a c)};

# ---- the same, at many points of the longest stretch of A ----

my $journals = $power{a}->journals;
my ($number) = sort { $journals->[$b]->count <=> $journals->[$a]->count } 0 .. $#$journals;
my $taken = taken($site{a});

# Cuts at these positions, in order; what is missing after each, until something is if `once`.
sub cuts_at {
    my ($journal, $positions, %o) = @_;
    my @bad;
    $journal->rewind;
    for my $position (@$positions) {
        my @then = grep { $taken->{$_}[1] < $number || $taken->{$_}[1] == $number && $taken->{$_}[2] <= $position } keys %$taken;
        my $tree = $journal->play(until => $position, ignore => $o{ignore})->outcome(seed => $seed + $position);
        push @bad, map { "cut at $position: $_ (" . join('; ', $journal->told) . ')' } missing($power{a}->copy('store', $tree), @then);
        last if @bad && $o{once};
    }
    return @bad;
}

{
    my $journal = $journals->[$number]->load;
    my @all     = $journal->positions;
    my %chosen  = map { $all[rand @all] => 1 } 1 .. $POINTS;
    my @points  = sort { $a <=> $b } keys %chosen;
    my @bad     = cuts_at($journal, \@points);
    is scalar @bad, 0, scalar(@points) . ' cuts within ' . @all . ' steps of A: everything answered by then is there, and whole' or diag map { "$_\n" } @bad;
    for ([qr{^store/store\.db-wal$}, 'the database log'], [qr{^store/incoming/}, 'a body'], [qr{^store/bodies/..$}, "a body's folder"]) {
        my ($ignore, $what) = @$_;
        ok cuts_at($journal, \@points, ignore => $ignore, once => 1) > 0, "without the fsyncs of $what something would be lost";
    }
}

# ---- the layer sees everything ----

for my $site ($site{a}, $site{b}, $site{c}) {
    is $site->stop($_), 0, "pontoon-$_ of $site->{name} ends in order" for $site->daemons;
    my $journal = $power{$site->{name}}->journal->load;
    is_deeply [Pontoon::Test::DiskJournal::differences($journal->rewind->play->outcome(all => 1))], [], "what the disk of $site->{name} holds is in the journal";
}

done_testing;
