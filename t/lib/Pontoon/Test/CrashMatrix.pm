# What crash-matrix.t does: a stream of mail through three sites, and for each daemon a track that arms one failpoint after the other,
# waits until it was passed, and starts the daemon again as a supervisor would. Then the audit, message by message.
package Pontoon::Test::CrashMatrix;
use strict;
use warnings;
use Carp qw(croak);
use Time::HiRes qw(time sleep);
use Pontoon::Test::Failpoints;
use Pontoon::Test::Mail;
use Pontoon::Test::Proc;
use Pontoon::Test::Smtp;
use Pontoon::Test::Wait;

my $CLIENTS  = 2;      # a site
my $PAUSE    = 0.5;    # seconds between a client's messages
my $PATIENCE = 40;     # seconds for one failpoint to be passed: while a bridge dies every second, little is settled
my $FIELD    = 'X-Crash';

# Points that ordinary mail does not reach: what is armed beside them.
my %TOGETHER = (milter_withdraw => 'milter_delrcpt:error', witness_note => 'mta_answered:kill',
    return_witness => 'return_answered:kill');

# At which pass: the first ones are those of the daemon's start.
my %PASS = (commit_before => 5, commit_after => 5);

# Points that are passed when the bridge has promised the message: it answers `accepted' at once.
my %PROMISED = map { $_ => 1 } qw(promise_durable receipt_post receipt_taken receipt_answer receipt_answered receipt_noted);

# In a situation of their own, after the stream: time alone decides.
my %ALONE = map { $_ => 1 } qw(fallback_decided expiry_decided);

# The named windows (doc/protocol.md, section 18): what may be there twice, after the death of a daemon and of its witness. Returns and DSNs.
my %RETURNS = map { $_ => 1 } qw(carol dave alice);

# world, senders => [sites], receiver => site, where bob takes part, carol doesn't (use-smtp), dave is a shadow, nobody isn't there.
# only => regexp: of the points (for a developer).
sub new {
    my ($class, %o) = @_;
    my $self = bless {%o, tracks => [], rows => []}, $class;
    my $only = $o{only} // qr/./;
    my @senders = @{$o{senders}};
    for my $daemon (Pontoon::Test::Failpoints::DAEMONS()) {
        my @sites = grep { my $s = $_; grep { $_ eq $daemon } $s->daemons } $daemon eq 'bridge' ? $o{receiver} : @senders;
        my @rows  = sort { $a->{order} <=> $b->{order} } map { rows($_) } grep { $_->{name} =~ $only } Pontoon::Test::Failpoints::list($daemon);
        for my $n (0 .. $#sites) {    # the sites share them
            my @mine = map { {%{$rows[$_]}, site => $sites[$n], daemon => $daemon} } grep { $_ % @sites == $n } 0 .. $#rows;
            push @{$self->{rows}},   @mine;
            push @{$self->{tracks}}, {site => $sites[$n], daemon => $daemon, rows => [grep { !$ALONE{$_->{name}} } @mine]};
        }
    }
    return $self;
}

sub rows {
    my ($point) = @_;
    my $name = $point->{name};
    my $order = $PROMISED{$name} // ($name eq 'policy_save' ? -1 : 0);    # policies are looked up at the beginning
    return map { {name => $name, action => $_, promised => $PROMISED{$name} // 0, order => $order} } grep { $_ ne 'delay' } @{$point->{actions}};
}

# ---- the stream ----

sub message {
    my ($key) = @_;
    my ($number) = $key =~ /(\d+)$/;
    return "$FIELD: $key\r\n" . Pontoon::Test::Mail->plain(
        subject => "crash $key",
        id      => "$key\@crash.test",
        body    => "line of $key\r\n" x ($number % 2 ? 5 : 400)    # in the database, and in a file
    );
}

sub send_one {
    my ($site, $key, @to) = @_;
    return Pontoon::Test::Smtp->deliver($site->client_options, from => 'alice@' . $site->domain, to => \@to, message => message($key), timeout => 100);
}

my @TO = map { "$_\@b.test" } qw(bob carol dave nobody);

sub client {
    my ($self, $site, $n) = @_;
    my $file = $site->dir . "/crash.$n";
    push @{$self->{logs}}, $file;
    return Pontoon::Test::Proc->fork_code("client $n of $site->{name}", sub {
        open my $log, '>', $file or die "$file: $!";
        $log->autoflush;
        for (my $i = 0; !-e $self->{world}->dir . '/stop'; $i++) {
            my $key = "$site->{name}.$n.$i";
            send_one($site, $key, @TO)->{code} == 250 or die "$key was refused\n";
            printf $log "%s %.3f\n", $key, time;
            sleep $PAUSE;
        }
        return 0;
    });
}

# {key => when it was taken}
sub taken {
    my ($self) = @_;
    my %taken;
    for my $file (@{$self->{logs}}) {
        open my $fh, '<', $file or next;
        /^(\S+) (\S+)$/ && ($taken{$1} = $2) while <$fh>;
    }
    return \%taken;
}

# ---- the tracks ----

sub armed {
    my ($row) = @_;
    my $name = $row->{name};
    return join ',', $name . ($PASS{$name} ? "\@$PASS{$name}" : '') . ":$row->{action}", $TOGETHER{$name} // ();
}

sub arm {
    my ($self, $track, $row) = @_;
    my ($site, $daemon) = @$track{qw(site daemon)};
    $site->configure('bridge.answer-within' => $row && $row->{promised} || !$row ? '1ms' : '20s') if $daemon eq 'bridge';
    unlink "$site->{dir}/token-secret" if $row && $row->{name} =~ /^secret_/;
    @$track{qw(row since from ready)} = ($row, time, $site->log_size, 0);
    $site->launch($daemon, $row ? (PONTOON_FAIL => armed($row)) : ());
}

# True when its failpoint was passed; then the daemon is gone.
sub passed {
    my ($self, $track) = @_;
    my ($site, $daemon, $row) = @$track{qw(site daemon row)};
    my $process = $site->daemon($daemon);
    return if $site->log_after($track->{from}) !~ /failpoint $row->{name}: $row->{action}/;
    if ($row->{action} eq 'kill') {
        return if $process->alive;
        $row->{outcome} = Pontoon::Test::Proc::describe_status($process->status) if $process->status != 9;
    } else {
        $process->kill9;    # an orderly stop is another story: a milter that stops leaves mail to SMTP, and a bridge waits
    }
    $row->{at} = time;
    return 1;
}

sub step {
    my ($self, $track) = @_;
    my $row = $track->{row};
    if ($row && !$self->passed($track)) {
        $self->announce_again($track) if $row->{name} eq 'policy_save';
        return if time - $track->{since} < $PATIENCE * ($ENV{PONTOON_TEST_PATIENCE} || 1);
        $row->{outcome} = 'never passed';
        $track->{site}->daemon($track->{daemon})->kill9;
    }
    return 1 if $track->{done};
    $track->{done} = !@{$track->{rows}};
    $self->arm($track, shift @{$track->{rows}});
    return $track->{done};
}

# Others' policies are new, so that somebody must keep them.
sub announce_again {
    my ($self, $track) = @_;
    return if time - ($track->{announced} // 0) < 1.5;
    $track->{announced} = time;
    $_->announce for $track->{daemon} eq 'bridge' ? @{$self->{senders}} : $self->{receiver};
}

sub run {
    my ($self) = @_;
    my @clients = map { my $site = $_; map { $self->client($site, $_) } 1 .. $CLIENTS } @{$self->{senders}};
    $self->{tracks} = [grep { @{$_->{rows}} } @{$self->{tracks}}];
    $_->{site}->stop($_->{daemon}) for @{$self->{tracks}};
    $self->arm($_, shift @{$_->{rows}}) for @{$self->{tracks}};
    while (grep { !$_->{done} } @{$self->{tracks}}) {
        $self->step($_) for grep { !$_->{done} } @{$self->{tracks}};
        sleep 0.02;
    }
    $_->{site}->wait_ready($_->{daemon}) for @{$self->{tracks}};
    $self->{world}->write('stop', '');
    $_->wait_end(120) == 0 or croak 'a client failed' for @clients;
    $self->{messages} = $self->taken;
    $self->drain;
}

# ---- the audit ----

# Where copies are: {"KEY RECIPIENT" => [when, ...]}; a DSN about nobody is a copy for alice. What is damaged: its list.
sub arrived {
    my ($self) = @_;
    my (%copies, @bad);
    for my $user (qw(bob carol dave)) {
        for my $mail ($self->{receiver}->mailbox($user)) {
            my $key = $mail->header($FIELD) // 'unknown';
            push @{$copies{"$key $user"}}, (stat $mail->path)[9];
            push @bad, "$key for $user is altered" if !$mail->carries(message($key));
        }
    }
    for my $site (@{$self->{senders}}) {
        for my $dsn ($site->mailbox('alice')) {
            my ($key) = $dsn->text =~ /^$FIELD: (\S+)/m;
            push @{$copies{($key // 'unknown') . ' alice'}}, (stat $dsn->path)[9];
        }
    }
    return (\%copies, \@bad);
}

sub expected {
    my ($self) = @_;
    return map { my $key = $_; map { "$key $_" } qw(bob carol dave alice) } sort keys %{$self->{messages}};
}

sub drain {
    my ($self) = @_;
    for my $mta (map { $_->postfix } @{$self->{senders}}) {
        wait_until(sub { !$mta->queue || !$mta->flush }, 30);    # what an MTA puts off, it may put off for a minute
    }
    my $want = 3 * keys %{$self->{messages}};
    wait_until(sub {
        my $there = 0;
        $there += $self->{receiver}->postfix->mailbox_files($_) for qw(bob carol dave);
        return $there >= $want;
    }, 25);
    for my $site (@{$self->{senders}}) {
        wait_until(sub { !$site->pontoon_json('status')->{store}{messages} }, 25);
    }
    wait_until(sub { my ($copies) = $self->arrived; !grep { !$copies->{$_} } $self->expected }, 10);
}

# The rows that a message was under way at: of its own site, or of the receiver's.
sub rows_of {
    my ($self, $key, $until) = @_;
    my ($name) = $key =~ /^(\w+)\./;
    my $taken = $self->{messages}{$key};
    return grep { $_->{at} && $_->{at} >= $taken - 5 && $_->{at} <= $until + 1 && ($_->{site}{name} eq $name || $_->{daemon} eq 'bridge') }
        @{$self->{rows}};
}

# The window that a row opens for this recipient, or undef. pontoon-lmtp takes all mail, so that even a bob may be a return.
sub window {
    my ($row, $user) = @_;
    return 'window_mta' if $row->{name} eq 'witness_note' && $user eq 'bob';
    return 'window_return' if $row->{name} eq 'return_witness' && ($RETURNS{$user} || $user eq 'bob' && $row->{site}{lmtp});
    return;
}

# Faults, one line each; and the rows know of theirs.
sub audit {
    my ($self) = @_;
    my ($copies, $bad) = $self->arrived;
    my @faults = @$bad;
    for my $what ($self->expected) {
        my ($key, $user) = split / /, $what;
        my @when = sort { $a <=> $b } @{delete $copies->{$what} // []};
        my @rows = $self->rows_of($key, $when[-1] // time);
        next if @when == 1;
        my ($window, @more) = grep { window($_, $user) } @rows;
        if (@when >= 2 && $window && @when - 2 <= @more) {    # one repeat a window
            $window->{repeats}++;
            $window->{window} = window($window, $user);
            next;
        }
        my $fault = @when ? 'is there ' . @when . ' times' : 'is lost';
        $_->{outcome} //= "$key for $user $fault?" for @rows;
        push @faults, "$key for $user $fault; it was under way at " . join ', ', map { "$_->{name}:$_->{action} of $_->{daemon}" } @rows;
    }
    push @faults, map { "$_ was never sent" } sort keys %$copies;
    return @faults;
}

# The table: a line for each row.
sub table {
    my ($self) = @_;
    my $messages = $self->{messages};
    return map {
        my $row = $_;
        my $n   = $row->{at} ? grep { abs($messages->{$_} - $row->{at}) < 3 } keys %$messages : 0;
        sprintf '%-8s %-22s %-6s %3d messages near it  %s', $row->{daemon}, $row->{name}, $row->{action}, $n,
            $row->{outcome} // ($row->{repeats} ? "once each, but $row->{repeats} twice: $row->{window}" : 'once each');
    } @{$self->{rows}};
}

# ---- time decides ----

# The receiver's bridge is away: what goes back to SMTP after fallback-after arrives once, what expires has one DSN.
sub run_alone {
    my ($self) = @_;
    my %settings = (
        fallback_decided => {'store.fallback-after' => '1s'},
        expiry_decided   => {'store.fallback-after' => '0s', 'store.settle-after' => '0s', 'store.expire-after' => '1s'},
    );
    my @rows = grep { $ALONE{$_->{name}} } @{$self->{rows}};
    return if !@rows;
    $self->{receiver}->stop('bridge');
    my $n = 0;
    for my $row (@rows) {
        my ($site, $front) = ($row->{site}, ($row->{site}->daemons)[0]);
        my $key = $site->{name} . '.alone.' . $n++;
        $site->configure(%{$settings{$row->{name}}});
        $site->restart($front);
        $site->stop('store');
        my $track = {site => $site, daemon => 'store'};
        $self->arm($track, $row);
        $site->wait_ready('store');
        send_one($site, $key, 'bob@b.test');
        my $found = wait_until(sub { $self->passed($track) }, $PATIENCE);
        $row->{outcome} = 'never passed' if !$found;
        $site->daemon('store')->kill9 if !$found;
        $site->start('store');
        my $where = "$key " . ($row->{name} eq 'expiry_decided' ? 'alice' : 'bob');
        wait_until(sub { ($self->arrived)[0]{$where} }, 20);
        my ($copies) = $self->arrived;
        my $there = @{$copies->{$where} // []};
        $row->{outcome} = "there $there times" if $there != 1;
        $row->{outcome} = 'delivered and returned' if $row->{name} eq 'expiry_decided' && $copies->{"$key bob"};
        $site->configure('store.fallback-after' => undef, 'store.settle-after' => undef, 'store.expire-after' => undef);
    }
}

1;
