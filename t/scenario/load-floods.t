# Slowloris and floods of connections, from a few addresses, at store and bridge at one time, while a well-behaved peer at another
# address fetches and notifies at his pace: he keeps 90% of his rate. Measured without and with the flood in turns, in the same run, and
# not on a build with sanitizers: there a connection takes ten times the memory.
BEGIN { $ENV{PONTOON_BUILD} = $ENV{PONTOON_PLAIN_BUILD} if $ENV{PONTOON_PLAIN_BUILD} }
use Pontoon::Test time => 240;
use IO::Socket::SSL;
use JSON::PP ();
use MIME::Base64 qw(decode_base64url);
use POSIX ();
use Pontoon::Test::Flood;
use Pontoon::Test::Https;
use Pontoon::Test::Stranger;
use Time::HiRes qw(sleep time);

my $LONG     = $ENV{PONTOON_LOAD};                  # `make load`: longer
my $TURNS    = $LONG ? 7 : 3;                       # without, with, without, ...
my $SECONDS  = $LONG ? 8 : 2;                       # each
my $WARM     = 0.5;                                 # before that, not counted
my %PACE     = (fetches => 24, notifications => 12); # a second; less if the machine is too busy for that without a flood
my %WORKERS  = (fetches => 2, notifications => 3);  # so that it is his pace that bounds his rate, not how long one takes
my $HELD     = 250;                                 # connections that each daemon takes
my $SOURCES  = 6;
my %KINDS    = (silent => 60, hello => 30, header => 60, body => 60, read => 60, hasty => 30);

my $world = new_world();
my $b     = $world->site('b', config => {'store.connections' => $HELD, 'bridge.connections' => $HELD,
    'store.retry-min' => '10m', 'store.retry-max' => '10m', 'store.pace-timeout' => '1h', 'bridge.answer-within' => '30s'});

# Both are sent a message, and promise to take it: from then on they may fetch it. One will do so as he should.
my ($decent, $evil) = map { my $name = $_; Pontoon::Test::Stranger->new($world, $name, handler => sub { take_note($name, @_) }) } qw(decent evil);
sub notes { my ($name) = @_; return $world->dir . "/$name.notes" }
sub take_note {
    my ($name, $request) = @_;
    return 0 if $request->{path} ne '/notifications';
    my $n = JSON::PP::decode_json(decode_base64url(JSON::PP::decode_json($request->{body})->{payload}));
    open my $fh, '>', notes($name) . '.new';
    print $fh JSON::PP::encode_json($n->{messages}[0]);
    close $fh;
    rename notes($name) . '.new', notes($name);
    my @verdicts = map { +{address => $_->{address}, verdict => 'accepted'} } @{$n->{messages}[0]{recipients}};
    return [200, {'Content-Type' => 'application/json'}, JSON::PP::encode_json({messages => [{id => $n->{messages}[0]{id}, recipients => \@verdicts}]})];
}

my @batches = map { batch($_) } 0 .. 2 * $TURNS * 2 + 3;    # enough to measure twice; signed when needed
sub batch {
    my ($k) = @_;
    return [map {
        my $mail = Pontoon::Test::Mail->plain(from => 'carol@decent.test', to => 'bob@b.test', subject => "turn $k, number $_");
        $decent->offer($mail, id => "TURN$k-$_", sender => 'carol@decent.test');
    } 1 .. $PACE{notifications} * ($SECONDS + $WARM) + $WORKERS{notifications}];
}
$_->start for $decent, $evil;
$world->start;

my %message;
for my $who (['decent', 20_000], ['evil', 3_000_000]) {
    my ($name, $size) = @$who;
    my $mail = Pontoon::Test::Mail->plain(from => 'alice@b.test', to => "x\@$name.test", subject => "for $name");
    $b->submit(from => 'alice@b.test', to => ["x\@$name.test"], message => $mail . ('x' x 70 . "\r\n") x ($size / 72));
    wait_for("a notification for $name", sub { -s notes($name) });
    open my $fh, '<', notes($name) or die;
    $message{$name} = JSON::PP::decode_json(join '', <$fh>);
}

# ---- the well-behaved peer ----

# He does something at his pace from now on; what is late goes at once. Returns code that waits for the end, and then tells the rate in the
# $SECONDS after the first $WARM, how long each took, and what went wrong.
sub work {
    my ($what, $deed) = @_;
    my ($begin, $every) = (time, $WORKERS{$what} / $PACE{$what});
    my @workers = map {
        my $worker = $_;
        my $file   = $world->dir . "/$what.$worker";
        unlink $file;
        [$file, Pontoon::Test::Proc->fork_code($what, sub {
            my @done;
            $SIG{PIPE} = 'IGNORE';
            for (my $i = 0; $i * $every < $WARM + $SECONDS; $i++) {
                my $wait = $begin + ($i + $worker / $WORKERS{$what}) * $every - time;
                sleep $wait if $wait > 0;
                last if time > $begin + $WARM + $SECONDS;
                my $t      = time;
                my $answer = eval { $deed->($i * $WORKERS{$what} + $worker) } // "died: $@";
                push @done, [time, time - $t, $answer];
            }
            open my $fh, '>', $file or die;
            print $fh JSON::PP::encode_json(\@done);
            return 0;
        })]
    } 0 .. $WORKERS{$what} - 1;
    return sub {
        my %r = (n => 0, took => [], wrong => {});
        for my $w (@workers) {
            my ($file, $proc) = @$w;
            $proc->wait_end(60);
            open my $fh, '<', $file or die "$what left no result";
            for my $done (@{JSON::PP::decode_json(join '', <$fh>)}) {
                my ($at, $took, $answer) = @$done;
                push @{$r{took}}, $took;
                $r{wrong}{$answer}++ if $answer ne '';
                $r{n}++ if $answer eq '' && $at >= $begin + $WARM && $at < $begin + $WARM + $SECONDS;
            }
        }
        return {%r, rate => $r{n} / $SECONDS};
    };
}

my $tls = IO::Socket::SSL::SSL_Context->new(SSL_ca_file => $world->ca->file);
my $kept;
# Every other one over a new connection.
sub fetch {
    my ($i) = @_;
    my $m = $message{decent};
    if ($i % 2 == 0 || !$kept) {
        $kept = IO::Socket::SSL->new(PeerAddr => $b->address, PeerPort => $b->{port}{store}, LocalAddr => $decent->{address}, Timeout => 20,
            SSL_reuse_ctx => $tls, SSL_hostname => 'sender-store.b.test', SSL_verifycn_name => 'sender-store.b.test', SSL_verifycn_scheme => 'http')
            // return "no connection: $SSL_ERROR $!";
    }
    syswrite $kept, "GET /messages/$m->{id} HTTP/1.1\r\nHost: sender-store.b.test\r\nAuthorization: Bearer $m->{token}\r\n\r\n";
    my $r = Pontoon::Test::Https::read_message($kept);
    if (!$r) {
        $kept = undef;
        return 'no answer';
    }
    return $r->{status} == 200 && length $r->{body} == $m->{size} ? '' : "HTTP $r->{status}, " . length $r->{body};
}

sub notify {
    my ($body) = @_;
    my $r = $decent->notify($b, $body) // return 'no answer';
    my $verdict = $r->{json}{messages}[0]{recipients}[0]{verdict} // $r->{json}{detail} // "HTTP $r->{status}";
    return $verdict eq 'delivered' ? '' : $verdict;
}

# ---- the flood ----

my @sources = map { $world->address(150 + $_) } 1 .. $SOURCES;
my %port    = (store => $b->{port}{store}, bridge => $b->{port}{bridge});
my %get     = (
    store  => "GET /messages/$message{evil}{id} HTTP/1.1\r\nHost: sender-store.b.test\r\nAuthorization: Bearer $message{evil}{token}\r\n\r\n",
    bridge => "GET /notifications HTTP/1.1\r\nHost: bridge.b.test\r\n\r\n" x 20,
);
sub flood {
    return map {
        Pontoon::Test::Flood->start(address => $b->address, port => $port{$_}, sources => \@sources, kinds => \%KINDS, per_second => 150,
            post => $_ eq 'store' ? "/messages/$message{evil}{id}/receipts" : '/notifications', get => $get{$_}, figures => $world->dir . "/flood.$_")
    } qw(store bridge);
}

sub resident {
    my ($daemon) = @_;
    open my $fh, '<', '/proc/' . $b->daemon($daemon)->pid . '/status' or die;
    return (map { /^VmRSS:\s+(\d+) kB/ ? $1 : () } <$fh>)[0];
}

# Seconds that it has computed.
sub cpu {
    my ($daemon) = @_;
    open my $fh, '<', '/proc/' . $b->daemon($daemon)->pid . '/stat' or die;
    my @f = split ' ', <$fh> =~ s/^.*\) //r;
    return ($f[11] + $f[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# ---- the measurement ----

sub median { my @l = sort { $::a <=> $::b } @_; return @l % 2 ? $l[@l / 2] : ($l[@l / 2 - 1] + $l[@l / 2]) / 2 }
sub percentile { my ($p, @l) = @_; @l = sort { $::a <=> $::b } @l; return $l[$p / 100 * $#l] }

my (%wrong, %most, %flooded, %cpu);
sub turn {
    my ($offers, $flooded) = @_;
    my $n      = $PACE{notifications} * ($SECONDS + $WARM) + $WORKERS{notifications};
    my @signed = map { $decent->sign($decent->payload([$_])) } grep { defined } @$offers[0 .. $n - 1];
    my @flood  = $flooded ? flood() : ();
    wait_for('the flood to be up', sub { $_->figures->{most} >= $HELD || return 0 for @flood; 1 }) if $flooded;
    $cpu{$_}[$flooded] -= cpu($_) for qw(store bridge);
    my @work = (work('fetches', \&fetch), work('notifications', sub { notify($signed[$_[0]]) }));
    my ($fetches, $notifications) = map { $_->() } @work;
    $cpu{$_}[$flooded] += cpu($_) for qw(store bridge);
    for my $daemon ($flooded ? qw(store bridge) : ()) {
        my $rss = resident($daemon);
        $most{$daemon} = $rss if $rss > ($most{$daemon} // 0);
    }
    for my $f (map { $_->stop } @flood) {
        $flooded{$_} += $f->{$_} for keys %$f;
    }
    return {fetches => $fetches, notifications => $notifications};
}

sub measure {
    %cpu = map { $_ => [0, 0] } qw(store bridge);
    my @turns = map { my $flooded = $_ % 2; [$flooded, turn(shift @batches, $flooded)] } 0 .. 2 * $TURNS - 1;
    my %ratio;
    for my $what (qw(fetches notifications)) {
        my (%rate, %took);
        for my $t (@turns) {
            my ($flooded, $r) = ($t->[0], $t->[1]{$what});
            push @{$rate{$flooded}}, $r->{rate};
            push @{$took{$flooded}}, @{$r->{took}};
            $wrong{"$what: $_"} += $r->{wrong}{$_} for keys %{$r->{wrong}};
        }
        my ($without, $with) = map { median(@{$rate{$_}}) } 0, 1;
        $ratio{$what} = $with / $without;
        diag sprintf '%s: %.1f a second without the flood, %.1f with it: %.0f%%; one took %.0f ms (p95 %.0f) without, %.0f ms (p95 %.0f) with it',
            $what, $without, $with, 100 * $ratio{$what}, map { (1000 * percentile(50, @{$took{$_}}), 1000 * percentile(95, @{$took{$_}})) } 0, 1;
    }
    diag sprintf '%s computed %.0f%% of the time without the flood, %.0f%% with it', $_, map { 100 * $_ / $TURNS / ($SECONDS + $WARM) } @{$cpu{$_}}
        for sort keys %cpu;
    return \%ratio;
}

my %before = map { $_ => resident($_) } qw(store bridge);
for (1 .. 3) {
    my $turn = turn(shift @batches, 0);
    my @lags = grep { $turn->{$_}{rate} < 0.95 * $PACE{$_} } sort keys %PACE or last;
    diag "the machine is busy: at half the pace: @lags";
    $PACE{$_} /= 2 for @lags;
}
my $ratio = measure();
if (grep { $_ < 0.9 } values %$ratio) {
    diag 'once more: the machine may have been busy';
    $ratio = measure();
}
cmp_ok $ratio->{$_}, '>=', 0.9, "$_: 90% of the rate or more" for sort keys %$ratio;
is_deeply \%wrong, {}, 'and each was answered as without a flood';
diag sprintf 'the floods opened %d connections, %d were cut; each daemon takes %d, from %d addresses they held them all', $flooded{opened}, $flooded{cut},
    $HELD, $SOURCES;
for my $daemon (qw(store bridge)) {
    diag sprintf 'memory of the %s: %d KiB before, %d KiB under the flood, %d KiB at most', $daemon, $before{$daemon}, $most{$daemon}, $b->peak_memory($daemon);
    cmp_ok $most{$daemon} - $before{$daemon}, '<', 64 * 1024, "memory of the $daemon is bounded";
}
my %lines;
$lines{$_}++ for $b->log_after(0) =~ /\((\w+\.[\w-]+)\)/g;
diag 'lines about limits: ' . join(', ', map { "$_ $lines{$_}" } sort keys %lines);
$world->nothing_broke;
done_testing;
