# What a soak does to its sites: faults drawn from the seed, each at its time, on one site, mended after its duration. Of one thing
# only one fault at a time, so that each can be mended without regard to others.
package Pontoon::Test::SoakFaults;
use strict;
use warnings;
use Carp qw(croak);
use DBI;
use Time::HiRes qw(time);
use Pontoon::Test::Disk;
use Pontoon::Test::Failpoints;


# KIND => [weight, longest duration, what it takes hold of]
my %KINDS = (
    kill      => [6, 2,   'daemon'],
    failpoint => [6, 0,   'daemon'],
    stop      => [3, 2,   'daemon'],
    freeze    => [3, 3,   'daemon'],
    reload    => [2, 0,   'daemon'],
    disk      => [2, 3,   'disk'],
    lock      => [2, 3,   'disk'],
    mta       => [2, 3,   'mta'],
    cut       => [3, 4,   'link'],
    reset     => [2, 3,   'link'],
    loss      => [2, 5,   'link'],
    dns       => [1, 3,   'dns'],
    withdraw  => [1, 4,   'policy'],
);

# What becomes of packets to a site's store and bridge.
my %RULE = (cut => 'drop', reset => 'reject with tcp reset', loss => 'numgen random mod 5 0 drop');
my %DOWN = map { $_ => 1 } qw(kill stop);    # meanwhile the daemon is not started again

# world, sites => [...], seconds: when the last is over; every: seconds between two, in the mean. Takes rand() as it was seeded.
sub new {
    my ($class, %o) = @_;
    my $self = bless {%o, open => [], done => []}, $class;
    $self->{points} = {map { $_ => [grep { $_->{name} !~ /^secret_/ } Pontoon::Test::Failpoints::list($_)] } Pontoon::Test::Failpoints::DAEMONS()};
    my (%busy, @plan);
    for (my $at = 2; $at < $o{seconds} - 3; $at += $o{every} * (0.3 + 1.4 * rand)) {
        my $fault = $self->draw($at);
        next if ($busy{$fault->{what}} // 0) > $at;
        $busy{$fault->{what}} = $fault->{end} + 2;
        push @plan, $fault;
    }
    $self->{plan} = \@plan;
    return $self;
}

sub pick { $_[int rand @_] }

sub draw {
    my ($self, $at) = @_;
    my $kind = pick(map { ($_) x $KINDS{$_}[0] } sort keys %KINDS);
    my (undef, $longest, $hold) = @{$KINDS{$kind}};
    my $site = pick(@{$self->{sites}});
    my $daemon = pick($site->daemons);
    my $directory = pick(qw(store bridge));
    $kind = 'kill' if $kind eq 'failpoint' && !@{$self->{points}{$daemon}};
    my %f = (at => $at, end => $at + $longest * (0.2 + 0.8 * rand), kind => $kind, site => $site);
    if ($hold eq 'daemon') {
        @f{qw(daemon what)} = ($daemon, "$site->{name} $daemon");
    } elsif ($hold eq 'disk') {
        @f{qw(directory what)} = ($directory, "$site->{name} disk $directory");
    } else {
        $f{what} = $hold eq 'dns' ? 'dns' : "$site->{name} $hold";
    }
    if ($kind eq 'failpoint') {
        my $point = pick(@{$self->{points}{$daemon}});
        # No delays: an armed one comes at every pass, for good; t/scenario/lease.t is about them.
        $f{arm} = sprintf '%s@%d:%s', $point->{name}, 1 + int rand 4, pick(grep { $_ ne 'delay' } @{$point->{actions}});
        $f{end} = $at + 6;
    }
    return \%f;
}

sub describe {
    my ($f) = @_;
    return sprintf '%6.2f-%6.2f %-9s %s %s', $f->{at}, $f->{end}, $f->{kind}, $f->{what}, $f->{arm} // '';
}

# ---- the clock ----

# Begins what is due, mends what is over, and starts again what has died. True while faults are to come or to be mended.
sub step {
    my ($self, $now) = @_;
    for my $f (grep { $_->{end} <= $now } @{$self->{open}}) {
        $f->{mend}->() if $f->{mend};
        push @{$self->{done}}, $f;
    }
    @{$self->{open}} = grep { $_->{end} > $now } @{$self->{open}};
    while (@{$self->{plan}} && $self->{plan}[0]{at} <= $now) {
        my $f = shift @{$self->{plan}};
        my $begin = 'begin_' . ($RULE{$f->{kind}} ? 'link' : $f->{kind});
        $f->{mend} = $self->$begin($f);
        push @{$self->{open}}, $f;
    }
    $self->supervise;
    return @{$self->{plan}} + @{$self->{open}};
}

# As systemd would: what ended is started again, unless a fault wants it down.
sub supervise {
    my ($self) = @_;
    for my $site (@{$self->{sites}}) {
        for my $daemon ($site->daemons) {
            next if $site->daemon($daemon)->alive || grep { $DOWN{$_->{kind}} && $_->{what} eq "$site->{name} $daemon" } @{$self->{open}};
            next if time - ($self->{started}{"$site->{name} $daemon"} // 0) < 0.5;
            $self->{started}{"$site->{name} $daemon"} = time;
            $self->{restarts}++;
            $site->launch($daemon);
        }
    }
}

sub all { return (@{$_[0]{done}}, @{$_[0]{open}}, @{$_[0]{plan}}) }

# ---- the faults; each returns how it is mended, if there is something to do ----

sub begin_kill {
    my ($self, $f) = @_;
    $f->{site}->kill9($f->{daemon});
    return;
}

sub begin_failpoint {
    my ($self, $f) = @_;
    $f->{site}->kill9($f->{daemon});
    $f->{site}->launch($f->{daemon}, PONTOON_FAIL => $f->{arm});
    return;
}

sub begin_stop {
    my ($self, $f) = @_;
    $f->{site}->daemon($f->{daemon})->signal('TERM');
    return sub { $f->{site}->daemon($f->{daemon})->stop };
}

sub begin_freeze {
    my ($self, $f) = @_;
    my $process = $f->{site}->daemon($f->{daemon});
    $process->signal('STOP');
    return sub { $process->signal('CONT') };
}

sub begin_reload {
    my ($self, $f) = @_;
    my $site = $f->{site};
    $site->daemon($f->{daemon})->signal('HUP') if -s $site->pid_file($f->{daemon});    # before it is ready it would end
    return;
}

sub begin_disk {
    my ($self, $f) = @_;
    my $disk = $self->{disks}{"$f->{site}{name} $f->{directory}"} // croak 'no disk';
    $disk->fill;
    return sub { $disk->mend };
}

sub begin_lock {
    my ($self, $f) = @_;
    my $file = $f->{site}->dir . ($f->{directory} eq 'store' ? '/store/store.db' : '/bridge/jobs.db');
    my $db = DBI->connect("dbi:SQLite:dbname=$file", '', '', {RaiseError => 0, PrintError => 0}) // return;
    $db->do('BEGIN IMMEDIATE');
    return sub { $db->do('ROLLBACK'); $db->disconnect };
}

sub begin_mta {
    my ($self, $f) = @_;
    $f->{site}->mta->stop;
    return sub { $f->{site}->start_mta };
}

sub begin_dns {
    my ($self, $f) = @_;
    my $dns = $self->{world}->dns;
    $dns->stop;
    return sub { $dns->start };
}

sub begin_withdraw {
    my ($self, $f) = @_;
    $f->{site}->withdraw if $self->{world}->dns->alive;
    return sub { $f->{site}->announce if $self->{world}->dns->alive; $self->{announce}{$f->{site}{name}} = 1 };
}

sub begin_link {
    my ($self, $f) = @_;
    my $table = "soak_$f->{site}{name}";
    my $ports = join ', ', values %{$f->{site}{port}};
    nft("add table ip $table; add chain ip $table in { type filter hook input priority 0 ; }; "
            . "add rule ip $table in ip daddr $f->{site}{address} tcp dport { $ports } $RULE{$f->{kind}}");
    return sub { nft("delete table ip $table") };
}

sub nft { system('nft', $_[0]) == 0 or croak "nft: $?" }

1;
