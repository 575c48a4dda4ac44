# What a benchmark ran on: recorded with its figures, which mean nothing without.
package Pontoon::Bench::Machine;
use strict;
use warnings;
use POSIX qw(strftime);

my %PACKAGE = (
    postfix   => 'postfix',
    nginx     => 'nginx-light',
    opendkim  => 'opendkim',
    openssl   => 'openssl',
    sqlite    => 'libsqlite3-0',
    libevent  => 'libevent-2.1-7',
    libmilter => 'libmilter-dev',
    libc      => 'libc6',
    curl      => 'libcurl4',
    jansson   => 'libjansson4',
    valgrind  => 'valgrind'
);

# What the number of instructions depends on. (Of the processor only this: valgrind emulates one of two.)
my @TOOLCHAIN = qw(avx2 curl flags gcc jansson libc libevent libmilter openssl postfix sqlite valgrind);

# The first line that a program prints; empty if it failed.
sub line {
    my (@argv) = @_;
    open my $pipe, '-|', 'sh', '-c', '"$@" 2>&1', 'sh', @argv or return '';
    my ($first) = my @lines = <$pipe>;
    close $pipe or return '';
    chomp $first if defined $first;
    return $first // '';
}

sub lines_of {
    my ($file) = @_;
    open my $fh, '<', $file or return;
    return my @lines = <$fh>;
}

sub match {
    my ($file, $pattern) = @_;
    my ($found) = map { /$pattern/ ? "$1" : () } lines_of($file);
    return $found // '';
}

# build: the directory of pontoon's programs; work: where the measurements write.
sub describe {
    my (%o) = @_;
    my $cores = grep { /^processor/ } lines_of('/proc/cpuinfo');
    my %is    = (
        date    => strftime('%Y-%m-%d %H:%M:%S %z', localtime),
        cpu     => match('/proc/cpuinfo', qr/^model name\s*: (.*)/) . ", $cores cores",
        memory  => sprintf('%.0f GiB', match('/proc/meminfo', qr/^MemTotal:\s+(\d+)/) / (1 << 20)),
        kernel  => line('uname', '-srm'),
        system  => match('/etc/os-release', qr/^PRETTY_NAME="(.*)"/),
        disk    => line('findmnt', '-n', '-o', 'SOURCE,FSTYPE,OPTIONS', '-T', $o{work}),
        load    => match('/proc/loadavg', qr/^(\S+ \S+ \S+)/),
        pontoon => line("$o{build}/pontoon", '--version'),
        commit  => line('git', '-C', $o{top}, 'describe', '--always', '--dirty'),
        flags   => match("$o{build}/config.status", qr/^S\["CFLAGS"\]="(.*)"/),
        gcc     => line('gcc', '-dumpfullversion'),
    );
    $is{$_} = line('dpkg-query', '-W', '-f', '${Version}', $PACKAGE{$_}) for keys %PACKAGE;
    return \%is;
}

# The part of describe() that says whether two builds can be expected to execute the same.
sub toolchain {
    my (%o) = @_;
    my %is = (%{describe(%o)}, avx2 => match('/proc/cpuinfo', qr/^flags\s*:.* (avx2) /) ? 'yes' : 'no');
    return {map { $_ => $is{$_} } @TOOLCHAIN};
}

1;
