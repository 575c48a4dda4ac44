# A small file system (tmpfs) of a test, mounted over one of its directories, that can be filled, made read-only, and mended.
# Needs Pontoon::Test::Namespace qw(mount).
package Pontoon::Test::Disk;
use strict;
use warnings;
use Carp qw(croak);

my @disks;

# directory (its files are moved in; none may be open), size => "4m", inodes => number.
sub mount {
    my ($class, $directory, %o) = @_;
    my ($mode, $uid, $gid) = (stat $directory)[2, 4, 5] or croak "$directory: $!";
    my $options = sprintf 'size=%s,nr_inodes=%d,mode=%04o,uid=%d,gid=%d', $o{size} // '4m', $o{inodes} // 400, $mode & 07777, $uid, $gid;
    run('mount', '-t', 'tmpfs', '-o', $options, 'pontoon-test', $directory);
    my $self = bless {directory => $directory, owner => $$}, $class;
    push @disks, $self;
    return $self;
}

sub run { system(@_) == 0 or croak "@_: $?" }

# Not a byte is left.
sub fill {
    my ($self) = @_;
    open my $fh, '>', "$self->{directory}/filler" or croak "filler: $!";
    for (my $size = 65536; $size >= 1; $size = int $size / 2) {
        1 while (syswrite($fh, "\0" x $size) // 0) == $size;
    }
    close $fh;
}

# No file can be made any more.
sub use_up_inodes {
    my ($self) = @_;
    mkdir "$self->{directory}/fillers" or croak "fillers: $!";
    for (my $n = 0; open my $fh, '>', "$self->{directory}/fillers/$n"; $n++) { close $fh }
}

sub read_only { run('mount', '-o', 'remount,ro', $_[0]{directory}) }

# As it was.
sub mend {
    my ($self) = @_;
    run('mount', '-o', 'remount,rw', $self->{directory});
    unlink "$self->{directory}/filler", glob "$self->{directory}/fillers/*";
    rmdir "$self->{directory}/fillers";
}

# Before World removes the directories below; daemons may still have files open.
END {
    my $status = $?;
    system 'umount', '-l', $_->{directory} for grep { $_->{owner} == $$ } @disks;
    $? = $status;
}

1;
