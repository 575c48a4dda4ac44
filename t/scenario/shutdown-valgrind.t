# Each daemon under valgrind: some mail, a reload, and its end while work is under way that it can't finish. Nothing is read or freed that
# isn't there (any more), and nothing is lost to leaks (what is lost indirectly has a definite loss above it).
BEGIN { $ENV{PONTOON_BUILD} = $ENV{PONTOON_PLAIN_BUILD} if $ENV{PONTOON_PLAIN_BUILD} }    # valgrind can't run what a sanitizer is built in
use Pontoon::Test time => 120;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IO::Socket::SSL;
use IO::Socket::UNIX;
use Pontoon::Test::HostileClient;
use Pontoon::Test::Proc;
use Pontoon::Test::Stranger;
use Pontoon::Test::Valgrind;

my $build = $ENV{PONTOON_BUILD};
plan skip_all => 'needs the Debian package valgrind' unless Pontoon::Test::Valgrind::available();
plan skip_all => 'needs a build without sanitizers' if `ldd $build/pontoon-milter` =~ /lib(asan|tsan)/;

my $world = new_world();
my %short = map { ("$_.drain-timeout" => '1s') } qw(milter lmtp store bridge);
my $a     = $world->site('a', config => {sandbox => 'no', %short, 'store.drain-timeout' => '100s'});
my $b     = $world->site('b', lmtp => 1, config => {sandbox => 'no', %short, 'bridge.answer-within' => '60s'});

# The daemons' programs, for Site.pm.
my $reports = $world->dir . '/valgrind';
my @strict  = qw(-q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --num-callers=30 --fair-sched=try);
$ENV{PONTOON_BUILD} = Pontoon::Test::Valgrind::programs($world, 'valgrind', {map { $_ => [@strict, "--log-file=$reports/$_.%p"] } qw(milter lmtp store bridge)});

my @running = ([$a, 'milter'], [$a, 'store'], [$b, 'bridge'], [$b, 'lmtp']);
my $x = Pontoon::Test::Stranger->new($world, 'x', handler => sub {    # a store that stalls in the middle
    my ($request) = @_;
    return 0 unless $request->{path} =~ m{^/messages/};
    return sub { print { $_[0] } "HTTP/1.1 200 OK\r\nContent-Type: message/rfc822\r\nContent-Length: 1000\r\n\r\nSubject: x\r\n"; sleep 60 };
});
my $hang = Pontoon::Test::Stranger->new($world, 'hang', handler => sub { sub { sleep 60 } });    # one that doesn't show its policy
$_->start for $x, $hang;
$world->dns->start;
$_->prepare     for $a, $b;
$_->start_mta   for $a, $b;
{
    local $ENV{PONTOON_BUILD} = $build;
    $b->start('store');    # not watched: it publishes the policy
}
$_->[0]->launch($_->[1]) for @running;
$_->[0]->wait_ready($_->[1]) for @running;
$_->wait_mta for $a, $b;

sub submit_at {
    my ($site, $to, %o) = @_;
    my $from = 'alice@' . $site->domain;
    return $site->submit(from => $from, to => [ref $to ? @$to : $to], message => Pontoon::Test::Mail->plain(from => $from, %o));
}

# Clients that send to a's milter what it leaves to SMTP, one message after the other, as long as there is somebody.
sub milter_clients {
    my $log     = $a->log_size;
    my @clients = map { my $n = $_; Pontoon::Test::Proc->fork_code('a milter client', sub {
        while (my $socket = IO::Socket::UNIX->new(Peer => $a->dir . '/milter.sock')) {
            print $socket Pontoon::Test::HostileClient::messages("m$n", 50) or last;
            1 while sysread $socket, my $replies, 4096;
        }
        0;
    }) } 1 .. 3;
    $a->wait_log(qr/m3\@a\.test/, $log);
    return @clients;
}

# ---- mail and a reload ----

submit_at($a, ['bob@b.test', 'nobody@b.test'], subject => 'one');
my $line = 'x' x 70 . "\r\n";
submit_at($a, 'bob@b.test', subject => 'large', body => $line x 4000);
submit_at($b, 'bob@a.test', subject => 'back');    # waits: there is no bridge
$b->wait_mail('bob', 2);
$a->wait_mail('alice', 1);
pass 'mail is delivered, and what is refused comes back';
$_->[0]->reload($_->[1]) for @running;
submit_at($a, 'bob@b.test', subject => 'after the reload');
$b->wait_mail('bob', 3);

# ---- the end, with work under way ----

$b->postfix->set_access('carol@b.test' => 'sleep 30');
my $log = $b->log_size;
submit_at($a, 'carol@b.test', subject => 'slow');
$b->wait_log(qr/notified by a\.test/, $log);
my @clients = map {
    my $stranger = $_;
    my $body = $stranger->sign($stranger->payload([$stranger->offer('x' x 1000, id => 'STALLS')]));
    Pontoon::Test::Proc->fork_code("notifier $stranger->{domain}", sub { $stranger->notify($b, $body); 0 });
} $x, $hang;
wait_for('the fetch that stalls', sub { grep { m{/messages/} } $x->requests });
wait_for('the policy that does not come', sub { $hang->requests });
my @halves = map {
    my $half = IO::Socket::SSL->new(PeerAddr => $_->[0]->address, PeerPort => $_->[0]{port}{$_->[1]}, SSL_verify_mode => SSL_VERIFY_NONE) // die 'TLS';
    print $half "POST /notifications HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf";
    $half
} [$a, 'store'], [$b, 'bridge'];
my @milters = milter_clients();
my $idle = $a->client;

my $begun = time;
$_->[0]->daemon($_->[1])->signal('TERM') for @running;
for (@running) {
    my ($site, $daemon) = @$_;
    my $name = "pontoon-$daemon";
    is Pontoon::Test::Proc::describe_status($site->daemon($daemon)->wait_end(120)), 'exit 0', "$name: an orderly end";
    my @report = map { local @ARGV = ($_); <> } grep { -s } glob "$reports/$daemon.*";
    ok !@report, "$name: valgrind has nothing to say" or diag(@report > 60 ? (@report[0 .. 59], '...') : @report);
}
cmp_ok time - $begun, '<', 60, "a bridge that does not answer keeps nobody's store from stopping";
$b->stop('store');
$_->stop for @milters, @clients;

# ---- libmilter's threads can't be stopped: they go on while exit() runs ----

my $linger = $world->dir . '/linger.so';
my $made   = `cc -shared -fPIC -o $linger @{[abs_path(dirname(__FILE__) . '/../lib/linger.c')]} 2>&1`;
is $?, 0, 'what holds the milter at its end is built' or diag($made);
$ENV{PONTOON_BUILD} = $build;
$a->start('milter', LD_PRELOAD => $linger);
@milters = milter_clients();
is Pontoon::Test::Proc::describe_status($a->stop('milter')), 'exit 0', 'messages that come while the milter exits do no harm';
$_->stop for @milters;
done_testing;
