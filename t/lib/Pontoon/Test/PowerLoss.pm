# The power of a site's pontoon daemons: they run on the disk of t/lib/powerloss.c, it is cut at any step of theirs, and what is on the disk
# afterwards is what was fsynced, and of the rest what a seed says. (The MTA stays: its queue is its own business.)
package Pontoon::Test::PowerLoss;
use strict;
use warnings;
use Carp qw(croak);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use Time::HiRes ();
use Pontoon::Test::DiskJournal;
use Pontoon::Test::Wait;

my @FOLDERS = qw(store bridge secret);

# The site has not been started yet; its daemons must be a build without sanitizers.
sub new {
    my ($class, $site) = @_;
    my $self = bless {site => $site, cuts => [], journals => []}, $class;
    my $dir  = $site->dir;
    mkdir "$dir/secret", 0700 or croak "$dir/secret: $!";
    $site->{settings}{'store.token-secret'} = "$dir/secret/token-secret";
    $self->{folders} = [map { "$dir/$_" } @FOLDERS];
    $site->{env}     = {LD_PRELOAD => library($site->{world}), PONTOON_POWER_FOLDERS => join ':', @{$self->{folders}}};
    $self->new_journal;
    return $self;
}

sub library {
    my ($world) = @_;
    my $file   = $world->dir . '/powerloss.so';
    my $source = dirname(__FILE__) . '/../../powerloss.c';
    return $file if -e $file;
    my $said = `cc -D_GNU_SOURCE -Wall -Wextra -Werror -O1 -shared -fPIC -o $file $source 2>&1`;
    croak "cc: $said" if $?;
    return $file;
}

# The power is on, and the disk as it is.
sub new_journal {
    my ($self) = @_;
    my $number = @{$self->{journals}};
    my $file   = $self->{site}->dir . "/power.$number";
    push @{$self->{journals}}, Pontoon::Test::DiskJournal->new(file => $file, folders => $self->{folders});
    $self->{site}{env}{PONTOON_POWER_JOURNAL} = $file;
    my $link = $self->{site}->dir . '/power';
    symlink "power.$number", "$link.new" or croak "$link: $!";
    rename "$link.new", $link or croak "$link: $!";
}

sub journals { $_[0]{journals} }
sub journal  { $_[0]{journals}[-1] }

# For a client in another process, when it got an answer: [number of the journal, position in it]. Any later cut finds what was promised.
sub moment {
    my ($site) = @_;
    my $link = $site->dir . '/power';
    for (;;) {
        my ($number) = readlink($link) =~ /(\d+)$/ or croak "$link: $!";
        open my $fh, '<', $site->dir . "/power.$number" or croak "power.$number: $!";
        sysread $fh, my $end, 8;
        return [$number, unpack 'Q', $end] if readlink($link) =~ /\.\Q$number\E$/;
    }
}

# ---- cuts ----

# The power goes with the n-th record from now; wait_cut() then.
sub cut_in {
    my ($self, $n) = @_;
    $self->journal->cut_at($self->journal->count + $n);
}

sub is_off { $_[0]->journal->off }

# Waits for it, or cuts after so many seconds; all processes are gone then.
sub wait_cut {
    my ($self, $patience) = @_;
    wait_until(sub { $self->is_off }, $patience);
    $self->{at} = $self->is_off ? 'in the middle' : 'at rest';
    $self->kill_all;
}

# At once, for the whole site; its witnesses, which are children of its bridge and store, too.
sub kill_all {
    my ($self) = @_;
    my $site   = $self->{site};
    my @all    = map { $site->daemon($_) } grep { $site->daemon($_) } $site->daemons;
    my @pids   = map { ($_->pid, children($_->pid)) } grep { $_->alive } @all;
    push @pids, grep { alive($_) } @{$self->{witnesses} // []};
    $self->journal->cut_now;
    kill KILL => @pids;
    $_->wait_end for @all;
    wait_for('the witnesses to end', sub { !grep { alive($_) } @{$self->{witnesses} // []} });
    $site->{expect}{$_} = 1 for $site->daemons;
    push @{$self->{cuts}}, Time::HiRes::time();
}

sub children {
    my ($parent) = @_;
    my @all;
    for my $file (glob '/proc/[0-9]*/stat') {
        open my $fh, '<', $file or next;
        push @all, $1 if (<$fh> // '') =~ /^(\d+) \(.*\) \S $parent /;
    }
    return @all;
}

# Not reaped, as it is not our child: it may be dead and still there.
sub alive {
    my ($pid) = @_;
    open my $fh, '<', "/proc/$pid/stat" or return 0;
    return (<$fh> // '') =~ /\) ([^ZX]) / ? 1 : 0;
}

# The disk as the seed says; returns what was lost.
sub restore {
    my ($self, $seed) = @_;
    my $journal = $self->journal->load;
    $self->{tree} = $journal->rewind->play->outcome(seed => $seed);
    Pontoon::Test::DiskJournal::write_tree($self->{tree});
    my $dice = Pontoon::Test::DiskJournal::dice($seed);
    spoil($_, $dice->(3)) for map { glob "$_/*-shm" } @{$self->{folders}};
    $self->new_journal;
    return $journal->told;
}

# A copy of one of its folders ("store") as restore() left it, or of another tree: to be looked at by SQLite, which would change it.
sub copy {
    my ($self, $name, $tree) = @_;
    my $from = $self->{site}->dir . "/$name";
    my $to   = $self->{site}{world}->dir . "/copy-of-$name";
    $tree //= $self->{tree};
    remove_tree($to);
    Pontoon::Test::DiskJournal::write_tree({map { (s/^\Q$from\E/$to/r => $tree->{$_}) } grep { m{^\Q$from\E(?:/|$)} } keys %$tree});
    return $to;
}

# SQLite's shared memory: nobody relies on what it says after a crash.
sub spoil {
    my ($file, $how) = @_;
    my $size = -s $file;
    unlink $file if $how == 0;
    return if $how != 1;
    open my $fh, '>:raw', $file or croak "$file: $!";
    print $fh join '', map { chr int rand 256 } 1 .. $size;
    close $fh;
}

# The daemons again. False if the power went already while they started.
sub start {
    my ($self) = @_;
    my $site = $self->{site};
    $site->launch($_) for $site->daemons;
    for my $daemon ($site->daemons) {
        wait_for("pontoon-$daemon of $site->{name}", sub { -s $site->pid_file($daemon) || $self->is_off || !$site->daemon($daemon)->alive }, 60);
        return if $self->is_off;
        $site->daemon($daemon)->alive or croak "pontoon-$daemon of $site->{name} ended: see " . $site->log;
    }
    return $self->started;
}

# Everything runs.
sub started {
    my ($self) = @_;
    $self->{witnesses} = [map { children($self->{site}->daemon($_)->pid) } qw(store bridge)];
    return 1;
}

1;
