# Rspamd as a milter: what it thinks of a message goes into X-Spamd-Result, with each rule that fired, and nothing is ever refused. It asks
# the test's DNS only.
package Pontoon::Test::Rspamd;
use strict;
use warnings;
use Carp qw(croak);
use IO::Socket::INET;
use Pontoon::Test::Proc;
use Pontoon::Test::Wait;

my $PROGRAM = '/usr/bin/rspamd';
# What would ask services in the network, or remembers what it saw before: the same mail comes twice here.
my @OFF = qw(fuzzy_check rbl surbl asn phishing greylist ratelimit replies history_redis neural reputation bayes_expiry dmarc mx_check dkim_signing arc);

sub available { -x $PROGRAM }

sub new {
    my ($class, $world) = @_;
    my $dir  = $world->mkdir('rspamd');
    my $self = bless {world => $world, dir => $dir, address => $world->address(3)}, $class;
    $world->mkdir("rspamd/$_") for qw(local.d override.d data log run);
    $self->{port} = $world->port($self->{address});
    my %files = (
        'worker-normal.inc'     => "enabled = false;\ncount = 0;\n",
        'worker-controller.inc' => "enabled = false;\ncount = 0;\n",
        'worker-proxy.inc'      => "bind_socket = \"$self->{address}:$self->{port}\";\nmilter = yes;\ncount = 1;\ntimeout = 60s;\n"
            . "upstream \"local\" { default = yes; self_scan = yes; }\n",
        'options.inc'         => "dns { nameserver = [\"" . $world->dns->server . "\"]; timeout = 1s; retransmits = 1; }\nlocal_addrs = [];\n"
            . "disable_hyperscan = true;\nurl_tld = \"$dir/tlds\";\n",
        'logging.inc'         => "type = \"file\";\nfilename = \"$dir/log/rspamd.log\";\nlevel = \"warning\";\n",
        'actions.conf'        => "reject = null;\ngreylist = null;\nadd_header = 6;\n",
        'milter_headers.conf' => "use = [\"x-spamd-result\"];\nskip_local = false;\nskip_authenticated = false;\n"
            . "routines { x-spamd-result { sort_by = \"name\"; } }\n",
        'dkim.conf'           => "check_local = true;\ncheck_authed = true;\n",
        map { ("$_.conf" => "enabled = false;\n") } @OFF,
    );
    $world->write('rspamd/tlds', join '', map { "$_\n" } qw(test com net org edu gov de fr uk jp ru cn info biz));    # all would compile for long
    $world->write("rspamd/local.d/$_", $files{$_}) for keys %files;
    return $self;
}

# Starts it; returns what smtpd_milters calls it. Its rules are compiled while other things start: see wait_ready().
sub start {
    my ($self) = @_;
    my $dir = $self->{dir};
    $self->{proc} = Pontoon::Test::Proc->start(
        name => 'rspamd',
        argv => [$PROGRAM, '-f', '-i', '-c', '/etc/rspamd/rspamd.conf', map { "--var=$_" } "LOCAL_CONFDIR=$dir", "DBDIR=$dir/data",
            "RUNDIR=$dir/run", "LOGDIR=$dir/log"],
        output => "$dir/log/start.log"
    );
    return "inet:$self->{address}:$self->{port}";
}

sub wait_ready {
    my ($self) = @_;
    wait_for('Rspamd to listen', sub {
        $self->{proc}->alive or croak "rspamd ended: see $self->{dir}/log";
        return IO::Socket::INET->new("$self->{address}:$self->{port}");
    }, 60);
}

1;
