# Objection 6: more programs are a larger surface to attack. What somebody who took a daemon over could do is tried from within each
# of them (t/lib/probe.c, preloaded into the unchanged programs): a forbidden call ends the daemon, a forbidden file or port is
# refused; with sandbox = no the same attempts succeed, so it is the sandbox that stops them. Also: root is given up for good, the key is
# the store's alone, and a reload goes on.
BEGIN { $ENV{PONTOON_BUILD} = $ENV{PONTOON_PLAIN_BUILD} if $ENV{PONTOON_PLAIN_BUILD} }    # nothing is preloaded before a sanitizer
use Pontoon::Test time => 200;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IO::Socket::INET;
use POSIX qw(SIGSYS);

my $world = Pontoon::Test::World->new;
my $a     = $world->site('a');
$world->dns->start;
$a->prepare;
my $probe = $world->dir . '/probe.so';
my $made  = `cc -D_GNU_SOURCE -shared -fPIC -o $probe @{[abs_path(dirname(__FILE__) . '/../lib/probe.c')]} -ldl 2>&1`;
is $?, 0, 'the probe is built' or BAIL_OUT($made);
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die "listen: $!";
my $outside  = $world->mkdir('outside');
my @daemons  = qw(milter lmtp store bridge);

# Runs the probes within a daemon; the lines they wrote, and how the daemon ended.
sub probe {
    my ($daemon, @words) = @_;
    my $err = $a->dir . "/$daemon.err";
    unlink $err;
    $a->launch($daemon, LD_PRELOAD => $probe, PONTOON_PROBE => join ' ', @words);
    my $read = sub { open my $fh, '<', $err or return ''; local $/; <$fh> // '' };
    wait_for("probes of $daemon", sub { $read->() =~ /^probes: end/m || !$a->daemon($daemon)->alive });
    my $ended = $a->daemon($daemon)->alive ? 0 : $a->daemon($daemon)->status;
    $a->daemon($daemon)->kill9;
    return ($read->(), $ended);
}

$a->{settings}{"$_." . ($_ eq 'lmtp' ? 'listen' : 'socket')} = 'unix:' . $a->dir . "/run/$_.sock" for qw(milter lmtp);    # not beside other things
delete @{$a->{settings}}{qw(milter.socket-group lmtp.socket-group)};
$a->{settings}{'store.token-secret'} = $a->dir . '/secret/token-secret';
mkdir $a->dir . '/secret', 0700;
$a->configure;
$a->start('store');    # makes the token secret and the store
is $a->stop('store'), 0, 'the store starts and ends in its sandbox';
$a->start('bridge');
is $a->stop('bridge'), 0, 'so does the bridge';

# ---- calls: the end ----

my @calls = ('exec', 'fork', 'kill', 'raw', 'packet', 'bind', 'ptrace', "mount:$outside", 'root', 'code');
for my $daemon (@daemons) {
    my @alive;
    for my $call (@calls) {
        my ($said, $ended) = probe($daemon, $call);
        my ($name) = $call =~ /^(\w+)/;
        push @alive, "$name: ended $ended, said $said" unless ($ended & 127) == SIGSYS && $said =~ /^probe $name: begins$/m;
    }
    is_deeply \@alive, [], "pontoon-$daemon: " . join(', ', map { /^(\w+)/ } @calls) . ' end it (SIGSYS)';
}

# ---- files and ports: refused ----

my $key    = $a->dir . '/keys/signing.pem';
my %theirs = (    # what is somebody else's
    milter => [$key, $a->dir . '/secret/token-secret', $a->dir . '/bridge/jobs.db'],
    lmtp   => [$key, $a->dir . '/secret/token-secret', $a->dir . '/bridge/jobs.db'],
    store  => [$a->dir . '/secret/token-secret', $a->dir . '/bridge/jobs.db'],
    bridge => [$key, $a->dir . '/secret/token-secret', $a->dir . '/store/store.db'],
);
my $port = $listener->sockport;
for my $daemon (@daemons) {
    -e $_ or BAIL_OUT("$_ is not there") for grep { !/jobs/ } @{$theirs{$daemon}};
    my @files = ((map { "read:$_" } '/etc/shadow', '/root/.', grep { -e } @{$theirs{$daemon}}), "write:$outside/x", 'write:' . $a->conf,
        'write:/etc/cron.d/x', 'unlink:' . $a->conf, $daemon =~ /milter|lmtp/ ? "connect:$port" : ());
    my ($said, $ended) = probe($daemon, @files);
    is $ended, 0, "pontoon-$daemon lives on";
    my @refused = $said =~ /^probe \w+ \S*: (?:Permission denied|Operation not permitted)$/mg;
    is scalar @refused, scalar @files, "and is refused: @files" or diag $said;
}
ok !-e "$outside/x" && !-e '/etc/cron.d/x' && -e $a->conf, 'nothing was written or removed';

# ---- the same without: it is the sandbox that refuses ----

$a->configure(sandbox => 'no');
for my $daemon (@daemons) {
    my @tries = ('fork', 'raw', 'bind', 'ptrace', 'code', 'read:/etc/shadow', "read:$key", "write:$outside/$daemon", "connect:$port", 'exec');
    my ($said) = probe($daemon, @tries);
    my @done = $said =~ /^probe \w+ \S*: done$/mg;
    is scalar @done, @tries - 1, "pontoon-$daemon with sandbox = no: all of that works" or diag $said;
    like $said . $a->log_after(0), qr/sandbox = no/, 'which is warned of';
    is(($said =~ /^probe exec: begins$/m && $said !~ /^probe exec .*:/m) ? 'another program' : $said, 'another program', 'exec too');
}
$a->configure(sandbox => undef);

# ---- another user, for good ----

my %user = (milter => 'daemon:mail', lmtp => 'daemon:mail', store => 'backup:mail', bridge => 'nobody:nogroup');
$a->configure(map { ("$_.user" => $user{$_}) } @daemons);
for ([qw(backup mail), 'store'], [qw(backup mail), 'keys'], [qw(backup mail), 'secret'], [qw(nobody nogroup), 'bridge']) {
    my ($owner, $group, $folder) = @$_;
    system('chown', '-R', "$owner:$group", $a->dir . "/$folder") == 0 or die 'chown';
}
chmod 0777, map { $a->dir . "/$_" } qw(log run);
system('chmod', '-R', 'g+rwX', $a->dir . '/store') == 0 or die 'chmod';
chmod 0666, $a->log;
chmod 0644, $a->{settings}{'store.key'};    # of both; reloads read it again
for my $daemon (@daemons) {
    $a->start($daemon);
    open my $fh, '<', '/proc/' . $a->daemon($daemon)->pid . '/status' or die "status: $!";
    my %is  = map { /^(\w+):\s*(.*)/ } <$fh>;
    my $uid = getpwnam $user{$daemon} =~ s/:.*//r;
    my $gid = getgrnam $user{$daemon} =~ s/.*://r;
    is "$is{Uid} $is{Gid}", join("\t", ($uid) x 4) . ' ' . join("\t", ($gid) x 4), "pontoon-$daemon is $user{$daemon}, real, effective and saved";
    is_deeply [grep { $_ ne $gid } split ' ', $is{Groups}], [], 'in no other group';
    is_deeply [@is{qw(CapPrm CapEff CapInh CapAmb)}], [('0' x 16) x 4], 'without capabilities';
    is "$is{NoNewPrivs} $is{Seccomp}", '1 2', 'can gain none, and its calls are filtered';
}

# ---- reload ----

my $offset = $a->log_size;
$a->reload($_) for @daemons;
my @reloaded = $a->log_after($offset) =~ /: reload -- version/g;
is scalar @reloaded, scalar @daemons, 'a reload goes on within the sandbox';
my ($chain, $tls_key) = $world->ca->issue('sender-store.a.test');
my $elsewhere = $world->mkdir('elsewhere');
system('cp', $chain, "$elsewhere/chain.pem") == 0 or die 'cp';
chmod 0755, $elsewhere;
$a->configure('store.certificate' => "$elsewhere/chain.pem");
$a->daemon('store')->signal('HUP');
$a->wait_log(qr{store\.certificate \(.*\): restart needed: \Q$elsewhere\E/chain\.pem is outside});
$a->wait_log(qr/reload refused: the old configuration stays/);
ok $a->daemon('store')->alive, 'a file in another folder wants a restart, and the log says so';
$_->stop for map { $a->daemon($_) } @daemons;

# ---- the key is for one ----

$a->configure('store.certificate' => $chain);
chmod 0640, $key;
$a->launch('store');
$a->daemon('store')->wait_end(20);
like do { local (@ARGV, $/) = ($a->dir . '/store.err'); <> } . $a->log_after(0), qr/\Q$key\E: mode 0640 lets its group at a secret: chmod 600 it/,
    'a key that its group can read is refused, with what to do';
done_testing;
