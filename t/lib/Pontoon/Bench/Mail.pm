# Two sites with mail flowing from the first to the second, over pontoon or by Postfix's own relaying: the systems that most
# measurements compare. The receiving MTA takes each message as any Postfix does (queue file, flush, 250), and its delivery
# is discard(8): what a mailbox costs is not the question. The MTAs of all systems are configured alike; what Postfix leaves to
# defaults stays there.
package Pontoon::Bench::Mail;
use strict;
use warnings;
use Carp qw(croak);
use Time::HiRes qw(time);
use Pontoon::Bench::LogCounter;
use Pontoon::Bench::Usage qw(cpu_of cpu_of_group peak_of);
use Pontoon::Test::Smtp;
use Pontoon::Test::Wait;
use Pontoon::Test::World;

# In Postfix's log: a message is in its queue; it has left.
our $TAKEN   = qr{/qmgr\[\d+\]: \w+: from=<};
our $REMOVED = qr{/qmgr\[\d+\]: \w+: removed$}m;

my @WAY = ([from => 'milter'], [from => 'store'], [to => 'bridge']);    # of a message through the daemons

# smtp-source connects from 127.0.0.1. The access table of the test site is a Perl program, and would be measured with the rest.
my %MTA = (mynetworks => '127.0.0.1/32', smtpd_recipient_restrictions => '', maximal_backoff_time => '4000s', minimal_backoff_time => '300s');
my %TAKER = (%MTA, virtual_transport => 'discard:');

# How a site is set up when it is no test: nothing is looked up every second, and as its Postfix makes no copies, what is diverted is discarded.
my %PONTOON = (
    'milter.discard'           => 'yes',
    'discovery.negative-ttl'   => '60s',
    'discovery.record-ttl-min' => '60s',
    'discovery.refresh-min'    => '60s',
    'store.retry-min'          => '60s',
    'store.retry-max'          => '4h',
    'bridge.retry-min'         => '60s',
    'bridge.retry-max'         => '1h',
    'log.verbose'              => 'no',
);

sub pontoon_settings { return {%PONTOON} }
sub sender_settings  { return {%MTA} }
sub taker_settings   { return {%TAKER} }

# world; name, which begins the names of its two sites. Nothing runs before the world is started.
sub pontoon {
    my ($class, $world, $name, %o) = @_;
    my %config = (%PONTOON, %{$o{config} // {}});
    return $class->pair(
        $world, $name, title => 'pontoon', pontoon => 1,
        sender => {config => \%config, main => {%MTA}},
        taker  => {config => \%config, main => {%TAKER}}
    );
}

sub relay {
    my ($class, $world, $name) = @_;
    my %plain = (pontoon => 0);
    return $class->pair($world, $name, title => 'relay in the clear', sender => {%plain, main => {%MTA}}, taker => {%plain, main => {%TAKER}});
}

# With what a site has today: TLS to whoever offers it, sessions resumed. reuse => 1: connections are kept for more than one message, too,
# which is not Postfix's default.
sub tls_relay {
    my ($class, $world, $name, %o) = @_;
    my ($chain, $key) = $world->ca->issue("mx.${name}2.test");
    my %sender = (%MTA, %{tls_sender_settings("$world->{dir}/${name}1/postfix/data")}, smtp_tls_connection_reuse => $o{reuse} ? 'yes' : 'no');
    return $class->pair(
        $world, $name,
        title  => $o{reuse} ? 'relay over TLS, connections reused' : 'relay over TLS',
        sender => {pontoon => 0, main => \%sender, master => "tlsproxy unix - - n - 0 tlsproxy\n"},
        taker  => {pontoon => 0, main => {%TAKER, %{tls_taker_settings($chain, $key)}}}
    );
}

# data: Postfix's data_directory.
sub tls_sender_settings {
    my ($data) = @_;
    return {smtp_tls_security_level => 'encrypt', smtp_tls_session_cache_database => "btree:$data/smtp_scache"};
}

sub tls_taker_settings {
    my ($chain, $key) = @_;
    return {smtpd_tls_security_level => 'may', smtpd_tls_cert_file => $chain, smtpd_tls_key_file => $key};
}

sub pair {
    my ($class, $world, $name, %o) = @_;
    my $self = bless {key => $name, title => $o{title}, pontoon => $o{pontoon}}, $class;
    $self->{from} = $world->site("${name}1", %{$o{sender}});
    $self->{to}   = $world->site("${name}2", %{$o{taker}});
    return $self;
}

sub from { $_[0]{from} }
sub to   { $_[0]{to} }

# Runs a Postfix load tool to its end.
sub load {
    my (@argv) = @_;
    system(@argv) == 0 or croak "@argv: " . Pontoon::Test::Proc::describe_status($?);
}

# Sends `messages` of `size` bytes in `sessions` at a time, each on a connection of its own as clients do. Returns {value => messages a
# second, from the first connection until the receiving MTA has taken the last; more => CPU seconds, …}.
sub run {
    my ($self, %o) = @_;
    my ($from, $to, $n) = (@$self{qw(from to)}, $o{messages});
    my $taken   = Pontoon::Bench::LogCounter->new($to->postfix->{log},   $TAKEN);
    my $removed = Pontoon::Bench::LogCounter->new($to->postfix->{log},   $REMOVED);
    my $gone    = Pontoon::Bench::LogCounter->new($from->postfix->{log}, $REMOVED);
    my $before  = $self->cpu;
    my $begin   = time;
    load('smtp-source', '-s', $o{sessions}, '-m', $n, '-l', $o{size}, '-f', 'alice@' . $from->domain, '-t', 'bob@' . $to->domain,
        $from->postfix->endpoint('smtp'));
    my $accepted = time - $begin;
    my $seconds  = $taken->wait_count($n) - $begin;
    $removed->wait_count($n);
    $self->{pontoon} ? $from->wait_settled(60) : $gone->wait_count($n);
    my $after = $self->cpu;
    my %more  = (mb_per_second => $n * $o{size} / 1e6 / $seconds, accepted_per_second => $n / $accepted);
    for (keys %$after) {
        $more{"${_}_cpu_ms"} = 1000 * ($after->{$_} - $before->{$_}) / $n;
        $more{cpu_ms} += $more{"${_}_cpu_ms"};
    }
    return {value => $n / $seconds, more => \%more};
}

# One message by a client of our own; milliseconds from its connection until the other MTA has taken it. Both are idle again afterwards.
sub one {
    my ($self, %o) = @_;
    my ($from, $to) = @$self{qw(from to)};
    my $taken   = Pontoon::Bench::LogCounter->new($to->postfix->{log}, $TAKEN);
    my $removed = Pontoon::Bench::LogCounter->new($to->postfix->{log}, $REMOVED);
    my $begin   = time;
    my $client  = Pontoon::Test::Smtp->new(endpoint => $from->postfix->endpoint('smtp'), source => $o{source}) // croak 'no connection';
    my $sent    = $client->send(from => 'alice@' . $from->domain, to => ['bob@' . $to->domain], message => $o{message});
    croak "refused: $sent->{data}{text}" if $sent->{code} != 250;
    my $ms = 1000 * ($taken->wait_count(1, step => 0.0005) - $begin);
    $client->quit;
    $removed->wait_count(1);
    return $ms;
}

# CPU seconds so far: the daemons that are on the message's way, and both MTAs.
sub cpu {
    my ($self) = @_;
    my %cpu = (mta => 0);
    $cpu{mta} += cpu_of_group($_->postfix->{proc}->pid) for @$self{qw(from to)};
    $cpu{pontoon} = cpu_of($self->daemons) if $self->{pontoon};
    return \%cpu;
}

# The daemons on the message's way: [SITE, DAEMON], ...
sub way {
    my ($self) = @_;
    return map { [$self->{$_->[0]}, $_->[1]] } @WAY;
}

sub daemons {
    my ($self) = @_;
    return map { $_->[0]->daemon($_->[1])->pid } $self->way;
}

# The peak of each daemon since it was started, as figures of Pontoon::Bench.
sub memory {
    my ($self, $name) = @_;
    return map {
        my ($site, $daemon) = @$_;
        {
            name  => ($name // 'memory') . ".$daemon",
            title => "peak memory of pontoon-$daemon in all of this",
            unit  => 'MiB',
            limit => 32,
            value => peak_of($site->daemon($daemon)->pid)
        }
    } $self->way;
}

1;
