# What a disk holds after a loss of power: the journal that t/lib/powerloss.c writes, played back. A file or folder is an object with what
# is durable, and a list of what was done since and not fsynced; a seed decides what of that list has reached the disk, and how.
package Pontoon::Test::DiskJournal;
use strict;
use warnings;
use Carp qw(croak);
use File::Find ();

my $HEAD   = 40;    # struct head: end, count, off_at, off, making
my $RECORD = 40;    # struct record
my ($MADE, $MADE_DIR, $WRITTEN, $CUT, $SYNC_BEGINS, $SYNCED, $LINKED, $REMOVED, $MOVED) = 1 .. 9;

# file: the journal, made here; size: what it may grow to; folders: paths, in which nothing is running.
sub new {
    my ($class, %o) = @_;
    my $self = bless {size => 1 << 30, %o}, $class;
    open my $fh, '>', $self->{file} or croak "$self->{file}: $!";
    truncate $fh, $self->{size} or croak "$self->{file}: $!";
    $self->poke(0, $HEAD);
    $self->rewind;
    return $self;
}

# ---- the head ----

sub poke {
    my ($self, $field, $value) = @_;
    open my $fh, '+<', $self->{file} or croak "$self->{file}: $!";
    seek $fh, 8 * $field, 0;
    syswrite $fh, pack 'Q', $value;
}

sub peek {
    my ($self, $field) = @_;
    open my $fh, '<', $self->{file} or croak "$self->{file}: $!";
    sysseek $fh, 8 * $field, 0;
    sysread $fh, my $value, 8;
    return unpack 'Q', $value;
}

sub end   { $_[0]->peek(0) }
sub count { $_[0]->peek(1) }
sub off   { $_[0]->peek(3) }
sub cut_at  { $_[0]->poke(2, $_[1]) }    # with the record of this number
sub cut_now { $_[0]->poke(3, 1) }

# ---- objects ----

# The durable state is what the folders hold now; it is what rewind() goes back to.
sub snapshot {
    my ($self, $path, $label) = @_;
    my ($inode) = (lstat $path)[1] or croak "$path: $!";
    my $object = {label => $label, pending => []};
    if (-d _) {
        $object->{names} = {};
        opendir my $dir, $path or croak "$path: $!";
        for my $name (readdir $dir) {
            next if $name =~ /^\.\.?$|-shm$/ || !-d "$path/$name" && !-f _;
            $object->{names}{$name} = $self->snapshot("$path/$name", "$label/$name");
        }
    } else {
        $object->{bytes} = slurp($path);
    }
    return $self->{inode}{$inode} = $object;
}

sub slurp {
    my ($path) = @_;
    open my $fh, '<:raw', $path or croak "$path: $!";
    local $/;
    return <$fh> // '';
}

# As at the beginning. Only while the folders are as they were then, or after keep().
sub rewind {
    my ($self) = @_;
    if (!$self->{base}) {
        $self->{inode} = {};
        $self->{base}  = {map { (my $label = $_) =~ s{.*/}{}; $_ => $self->snapshot($_, $label) } @{$self->{folders}}};
        $self->{base_inode} = $self->{inode};
    }
    my %copy;
    my $copy = sub {
        my ($copy, $old) = @_;
        return $copy{$old} //= do {
            my %new = (%$old, pending => []);
            $new{names} = {map { $_ => $copy->($copy, $old->{names}{$_}) } keys %{$old->{names}}} if $old->{names};
            \%new;
        };
    };
    $self->{root}  = {map { $_ => $copy->($copy, $self->{base}{$_}) } keys %{$self->{base}}};
    $self->{inode} = {map { $_ => $copy->($copy, $self->{base_inode}{$_}) } keys %{$self->{base_inode}}};
    $self->{at}    = $HEAD;
    return $self;
}

# The journal as it is now, once for many play(). Its processes are gone.
sub load {
    my ($self) = @_;
    open my $fh, '<:raw', $self->{file} or croak "$self->{file}: $!";
    read $fh, $self->{data}, $self->end;
    return $self;
}

# Where the records begin, each position a point at which the power can go; $self->load first.
sub positions {
    my ($self) = @_;
    my @all;
    for (my $at = $HEAD; $at < length $self->{data};) {
        push @all, $at;
        $at += unpack('L', substr $self->{data}, $at, 4) || 8;
    }
    return @all;
}

# Plays on to a position, or to the end. ignore => regexp of labels ("store/store.db-wal"): their fsyncs do nothing.
sub play {
    my ($self, %o) = @_;
    my $until = $o{until} // length $self->{data};
    while ($self->{at} < $until) {
        my $at = $self->{at};
        my ($size, $kind, $inode, $folder, $where, $len) = unpack 'LLQQQL', substr $self->{data}, $at, $RECORD;
        $self->{at} += $size || 8;
        next if !$size || !$kind;    # its process was killed while it wrote it
        my $object = $self->{inode}{$inode};
        if ($kind == $WRITTEN || $kind == $CUT) {
            push @{$object->{pending}}, [$at, $where, $kind == $WRITTEN ? ($at + $RECORD, $len) : ()] if $object;
        } elsif ($kind == $SYNCED) {
            $self->synced($object, $where) if $object && !($o{ignore} && $object->{label} =~ $o{ignore});
        } elsif ($kind != $SYNC_BEGINS) {
            $self->named($at, $kind, $inode, @{$self->{inode}}{$folder, $where}, substr $self->{data}, $at + $RECORD, $len);
        }
    }
    return $self;
}

# Changes of names are pending where the folder is: [at, folder, name, object or undef if it goes, what must have been done before].
sub named {
    my ($self, $at, $kind, $inode, $folder, $to, $names) = @_;
    my ($name, $new) = split /\0/, $names;
    croak "the journal names a folder that nobody knows" if !$folder || $kind == $MOVED && !$to;
    if ($kind == $MADE || $kind == $MADE_DIR) {
        my $object = $self->{inode}{$inode} = {label => "$folder->{label}/$name", pending => [], $kind == $MADE ? (bytes => '') : (names => {})};
        push @{$folder->{pending}}, [$at, $folder, $name, $object];
    } elsif ($kind == $LINKED) {
        push @{$folder->{pending}}, [$at, $folder, $name, $self->{inode}{$inode}];
    } elsif ($kind == $REMOVED) {
        push @{$folder->{pending}}, [$at, $folder, $name, undef];
    } elsif ($kind == $MOVED) {    # never gone at both
        my $object = names_now($folder)->{$name} // return;
        my $there = [$at, $to, $new, $object];
        push @{$to->{pending}},     $there;
        push @{$folder->{pending}}, [$at, $folder, $name, undef, $there];
    }
}

sub names_now {
    my ($folder) = @_;
    my %names = %{$folder->{names}};
    rename_in(\%names, $_) for @{$folder->{pending}};
    return \%names;
}

sub rename_in {
    my ($names, $change) = @_;
    my (undef, undef, $name, $object) = @$change;
    $object ? ($names->{$name} = $object) : delete $names->{$name};
}

# All that was done before this position stays.
sub synced {
    my ($self, $object, $position) = @_;
    my (@now, @later);
    push @{$_->[0] < $position ? \@now : \@later}, $_ for @{$object->{pending}};
    $object->{pending} = \@later;
    if (!$object->{names}) {
        $self->apply(\$object->{bytes}, $_) for @now;
        return;
    }
    for my $change (@now) {
        if (my $first = $change->[4]) {
            my $there = $first->[1];
            rename_in($there->{names}, $first) if grep { $_ == $first } @{$there->{pending}};
            $there->{pending} = [grep { $_ != $first } @{$there->{pending}}];
        }
        rename_in($object->{names}, $change);
    }
}

# One write, of which only `length` bytes from `skip` on arrived; or a cut.
sub apply {
    my ($self, $bytes, $write, $skip, $length) = @_;
    my (undef, $where, $data, $len) = @$write;
    if (!defined $data) {
        $where < length $$bytes ? substr($$bytes, $where) = '' : ($$bytes .= "\0" x ($where - length $$bytes));
        return;
    }
    $skip   //= 0;
    $length //= $len - $skip;
    my $end = $where + $skip + $length;
    $$bytes .= "\0" x ($end - length $$bytes) if $end > length $$bytes;
    substr($$bytes, $where + $skip, $length) = substr $self->{data}, $data + $skip, $length;
}

# ---- what is there when the power is back ----

# A dice for one seed: $dice->(n) is 0 .. n - 1.
sub dice {
    my ($state) = @_;
    return sub {
        $state = ($state * 1103515245 + 12345) % 2147483648;
        return int(($state >> 8) / 8388608 * $_[0]);
    };
}

my @FATES = qw(none all prefix torn some some-torn size);    # of what was written to a file and not synced

# Which of n changes arrive, as their indexes, for one fate.
sub chosen {
    my ($fate, $n, $dice) = @_;
    return () if $fate =~ /none|size/;
    return 0 .. $n - 1 if $fate eq 'all';
    return 0 .. $dice->($n + 1) - 1 if $fate eq 'prefix';
    return 0 .. $dice->($n) if $fate eq 'torn';
    return grep { $dice->(2) } 0 .. $n - 1;
}

sub settle_file {
    my ($self, $object, $dice) = @_;
    my @pending = @{$object->{pending}};
    my $bytes   = $object->{bytes};
    return $bytes if !@pending;
    my $fate = $FATES[$dice->(scalar @FATES)];
    my @kept = chosen($fate, scalar @pending, $dice);
    for my $n (@kept) {
        my $write = $pending[$n];
        my @part;
        if ($fate =~ /torn/ && $n == $kept[-1] && ($write->[3] // 0) > 1) {    # its first or its last bytes
            my $length = 1 + $dice->($write->[3] - 1);
            @part = ($dice->(2) ? $write->[3] - $length : 0, $length);
        }
        $self->apply(\$bytes, $write, @part);
    }
    if ($fate eq 'size') {    # the length has arrived, the data has not
        my ($end) = sort { $b <=> $a } length $bytes, map { $_->[1] + ($_->[3] // 0) } @pending;
        $bytes .= "\0" x ($end - length $bytes);
    }
    push @{$self->{told}}, sprintf '%s: %d of %d writes (%s)', $object->{label}, scalar @kept, scalar @pending, $fate if $fate ne 'all';
    return $bytes;
}

# The changes of names that arrive, over all folders, as {folder => [change, …]}.
sub settle_names {
    my ($self, $dice) = @_;
    my %seen;
    my @pending = sort { $a->[0] <=> $b->[0] || defined $a->[4] <=> defined $b->[4] }
        map { @{$_->{pending}} } grep { $_->{names} && !$seen{$_}++ } values %{$self->{inode}};
    my $fate = (qw(none all prefix some))[$dice->(4)];
    my %kept = map { ($pending[$_] => $pending[$_]) } chosen($fate, scalar @pending, $dice);
    my %arrives;
    for my $change (@pending) {
        next if !$kept{$change} || $change->[4] && !$kept{$change->[4]} && grep { $_ == $change->[4] } @pending;
        push @{$arrives{$change->[1]}}, $change;
    }
    push @{$self->{told}}, sprintf '%d of %d changes of names (%s)', scalar keys %kept, scalar @pending, $fate if @pending && $fate ne 'all';
    return \%arrives;
}

# {path => bytes, or undef for a folder}, with seed => number; or all => 1: as if everything had arrived.
sub outcome {
    my ($self, %o) = @_;
    my $dice = $o{all} ? undef : dice($o{seed});
    $self->{told} = [];
    my $arrives = $dice ? $self->settle_names($dice) : undef;
    my %tree;
    my $walk = sub {
        my ($walk, $path, $object) = @_;
        if (!$object->{names}) {
            my $bytes = $object->{bytes};
            $dice ? ($bytes = $self->settle_file($object, $dice)) : map { $self->apply(\$bytes, $_) } @{$object->{pending}};
            $tree{$path} = $bytes;
            return;
        }
        $tree{$path} = undef;
        my %names = %{$object->{names}};
        rename_in(\%names, $_) for $arrives ? @{$arrives->{$object} // []} : @{$object->{pending}};
        $walk->($walk, "$path/$_", $names{$_}) for sort keys %names;
    };
    $walk->($walk, $_, $self->{root}{$_}) for sort keys %{$self->{root}};
    return \%tree;
}

sub told { @{$_[0]{told}} }    # what the last outcome() has lost

# Makes the real folders so; sockets and -shm files are not looked at.
sub write_tree {
    my ($tree) = @_;
    my %is;
    File::Find::find({no_chdir => 1, bydepth => 1, wanted => sub {
        return if /-shm$/ || !-d && !-f _;
        $is{$_} = 1;
        return if exists $tree->{$_};
        (-d _ ? rmdir : unlink) or croak "$_: $!";
    }}, grep { -d && exists $tree->{$_} } top_of($tree));
    for my $path (sort keys %$tree) {
        if (!defined $tree->{$path}) {
            $is{$path} || -d $path || (mkdir($path) && chmod 02770, $path) or croak "$path: $!";
            next;
        }
        open my $fh, '>:raw', $path or croak "$path: $!";
        print $fh $tree->{$path};
        close $fh or croak "$path: $!";
        chmod 0660, $path if !$is{$path};
    }
}

sub top_of {
    my ($tree) = @_;
    return grep { my ($up) = m{^(.*)/}; !exists $tree->{$up} } keys %$tree;
}

# What of the real folders is not what this tree says: paths. None, when the journal has seen everything.
sub differences {
    my ($tree) = @_;
    my %left = %$tree;
    my @bad;
    File::Find::find({no_chdir => 1, wanted => sub {
        return if /-shm$/ || !-d && !-f _;
        my $should = exists $left{$_} ? delete $left{$_} : (push(@bad, "$_ is not in the journal") && return);
        push @bad, "$_ differs" if defined $should && $should ne slurp($_);
    }}, top_of($tree));
    return (@bad, map { "$_ is in the journal only" } sort keys %left);
}

1;
