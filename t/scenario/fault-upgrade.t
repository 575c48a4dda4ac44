# An upgrade with mail waiting: the databases of both sites as earlier versions made them (their schema cut after a few steps, with what those versions
# knew of each message), then this version. Mail in every state arrives, once. A schema that is newer than the program is refused.
use Pontoon::Test;
use DBI;
use Pontoon::Test::SlowMta;

my $schema_at = "$ENV{PONTOON_BUILD}/t/unit/schema_at";
plan(skip_all => 'needs t/unit/schema_at: make unit-tests') if !-x $schema_at;

my $world = new_world();
my $a = $world->site('a', config => {'store.fallback-after' => '0s', 'store.breaker-failures' => 0, 'store.dsn-hold' => '0s', 'store.drain-timeout' => '100ms'});
my $b = $world->site('b', config => {
    'bridge.answer-within' => '300ms', 'bridge.drain-timeout' => '100ms', 'bridge.not-migrated' => ['dave@b.test'], 'bridge.mta-timeout' => '30s'});
my %slow = (
    return => Pontoon::Test::SlowMta->in_front_of($world, $a, 'return'),
    inject => Pontoon::Test::SlowMta->in_front_of($world, $b, 'inject'),
);
$world->start;

my %sent;
sub send_to {
    my ($user, $subject, $size) = @_;
    $sent{$user}{$subject} = 1;
    return $a->submit(from => 'alice@a.test', to => ["$user\@b.test"],
        message => Pontoon::Test::Mail->plain(subject => $subject, to => "$user\@b.test", body => "line\r\n" x (($size // 600) / 6)))->{queue_id};
}

sub wait_state {
    my ($queue_id, $state) = @_;
    wait_for("a recipient $state", sub { $a->trace($queue_id)->[0]{recipients}[0]{state} eq $state });
}

sub connect_to { return DBI->connect("dbi:SQLite:dbname=$_[0]", '', '', {RaiseError => 1}) }

sub columns { my ($db, $schema, $table) = @_; return map { $_->[6] ? () : $_->[1] } @{$db->selectall_arrayref("PRAGMA $schema.table_xinfo($table)")} }

# The database of that many steps, with what it can hold of what is in this one; triggers keep its totals.
sub downgrade {
    my ($file, $kind, $step) = @_;
    unlink "$file.old";
    system($schema_at, $kind, $step, "$file.old") == 0 or die "schema_at: $?";
    my $db = connect_to("$file.old");
    $db->do("ATTACH '$file' AS new");
    for my $table (qw(bodies messages recipients claims jobs job_rcpts)) {
        my %has     = map { $_ => 1 } columns($db, 'new', $table);
        my @columns = grep { $has{$_} } columns($db, 'main', $table) or next;
        my $list    = join ', ', @columns;
        $db->do("DELETE FROM main.$table");
        $db->do("INSERT INTO main.$table ($list) SELECT $list FROM new.$table");
    }
    $db->disconnect;
    unlink "$file-wal", "$file-shm";
    rename "$file.old", $file or die "$file: $!";
}

sub schema { return connect_to($_[0])->selectrow_array("SELECT value FROM meta WHERE name = 'schema'") }

my %file = (store => $a->dir . '/store/store.db', queue => $b->dir . '/bridge/jobs.db');
my %now  = map { $_ => schema($file{$_}) } keys %file;
my $round = 0;
for my $steps ([1, 1], [4, 4], [$now{store} - 1, $now{queue} - 1]) {
    my ($store_step, $queue_step) = @$steps;
    my $what = "store at step $store_step, queue at $queue_step";
    $round++;
    $slow{return}->hold('MAIL');
    $b->postfix->set_access('carol@b.test' => '450 4.2.1 busy', "nobody$round\@b.test" => '550 5.1.1 no such user');
    my @ids = (send_to('carol', "queued $round"), send_to('carol', "queued $round, large", 200_000));
    wait_for('them to be tried', sub { 2 == grep { $_->{queue} eq 'store' && $_->{recipients}[0]{attempts} } @{$a->pontoon_json('queue')} });
    wait_state(send_to('dave', "returning $round"), 'returning');
    wait_state($a->submit(from => 'alice@a.test', to => ["nobody$round\@b.test"], message => Pontoon::Test::Mail->plain)->{queue_id}, 'bouncing');
    my $hangs = $round == 2 ? '.' : 'MAIL';
    $slow{inject}->hold($hangs);
    wait_state(send_to('bob', "promised $round"), 'accepted');
    $a->stop($_) for qw(milter store);
    if ($round == 2) {    # it is delivered, and nobody there to be told
        $slow{inject}->let_go($hangs);
        $b->wait_mail('bob', scalar keys %{$sent{bob}});
        wait_for('the receipt to be due', sub { $b->pontoon_json('status')->{bridge}{untold} });
    }
    is $b->stop('bridge'), 0, "$what: all stopped";
    downgrade($file{store}, 'store', $store_step);
    downgrade($file{queue}, 'queue', $queue_step);
    $slow{inject}->let_go($hangs) if $round != 2;
    $slow{return}->let_go('MAIL');
    $b->postfix->set_access("nobody$round\@b.test" => '550 5.1.1 no such user');
    $a->start($_) for qw(store milter);
    $b->start('bridge');
    is schema($file{$_}), $now{$_}, "$what: the schema of the $_ is of today" for sort keys %file;
    $a->wait_settled;
    for my $user (sort keys %sent) {
        $b->wait_mail($user, scalar keys %{$sent{$user}});
        my %got;
        $got{$_->header('Subject')}++ for $b->mailbox($user);
        is_deeply \%got, $sent{$user}, "$what: $user has all, once";
    }
    $a->wait_mail('alice', $round);
    is scalar($a->mailbox('alice')), $round, "$what: and alice one report about who does not exist";
    wait_for('the bridge to know that all is told', sub { !$b->pontoon_json('status')->{bridge}{untold} });
}

# ---- a newer schema ----

for my $at ([$a, 'store', 'store', 'milter'], [$b, 'queue', 'bridge']) {
    my ($site, $kind, @daemons) = @$at;
    $site->stop($_) for @daemons;
    connect_to($file{$kind})->do('UPDATE meta SET value = value + 1 WHERE name = ?', {}, 'schema');
    my $log = $site->log_size;
    for my $daemon (@daemons) {
        $site->launch($daemon);
        isnt $site->daemon($daemon)->wait_end, 0, "pontoon-$daemon does not start with a newer $kind";
        like $site->log_after($log), qr{/$daemon\[\d+\]: fatal: .*\Q$file{$kind}\E: schema @{[$now{$kind} + 1]} of the .* is newer than this program knows \($now{$kind}\): update pontoon},
            'and says what to do';
    }
    connect_to($file{$kind})->do('UPDATE meta SET value = value - 1 WHERE name = ?', {}, 'schema');
    $site->start($_) for @daemons;
}
send_to('bob', 'the end');
$b->wait_mail('bob', scalar keys %{$sent{bob}});
$a->wait_settled;
$world->nothing_broke;
done_testing;
