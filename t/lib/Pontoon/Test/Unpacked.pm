# Mail servers that are not installed on this machine: unpacked by t/servers, each in a tree of its own, and run as if that tree were
# part of the machine: in a mount namespace with the tree laid over /usr and /etc. What they write there is gone with them; all
# else (the test's directory, /var, /run, the network) is the machine's.
package Pontoon::Test::Unpacked;
use strict;
use warnings;
use Carp qw(croak);

my $TREES = $ENV{PONTOON_TEST_SERVERS} // '/var/cache/pontoon-test';

# Everything here goes away with the last process. The upper layers lie on a tmpfs, as overlays can't lie on every file system.
my $ENTER = <<'END';
set -e
tree=$1 hostname=$2 users=$3 syslog=$4
shift 4
mount -t tmpfs -o mode=755 tmpfs /mnt
lay() {
    mkdir "/mnt/$1" "/mnt/$1.work"
    mount -t overlay -o "lowerdir=$2,upperdir=/mnt/$1,workdir=/mnt/$1.work" overlay "/$1"
}
lay usr "$tree/usr:/usr"
lay etc "$tree/etc:/etc"
if [ -n "$syslog" ]; then
    lay dev /dev
    ln -sf "$syslog" /dev/log
fi
id=61000
for user in $users; do
    id=$((id + 1))
    getent passwd "$user" >/dev/null && continue
    echo "$user:x:$id:$id::/nonexistent:/usr/sbin/nologin" >>/etc/passwd
    echo "$user:x:$id:" >>/etc/group
done
echo "$hostname" >/etc/hostname
hostname "$hostname"
exec "$@"
END

# The tree of a server, by its name in UNPACKED_SERVERS (t/packages.sh).
sub tree {
    my ($name) = @_;
    -s "$TREES/$name/packages" or croak "$name is not in $TREES: run t/servers (or ./check) first, as root";
    return "$TREES/$name";
}

# The command that runs `argv` within the tree: name, hostname (what the machine is called there), argv => [...]; optional:
# users => [...] that the server insists on, syslog => PATH of the socket that is /dev/log there. It is the same process all the way: its pid is the server's.
sub command {
    my (%o) = @_;
    return ('unshare', '--mount', '--uts', '--propagation', 'private', '--', 'sh', '-c', $ENTER, 'sh',
        tree($o{name}), $o{hostname}, join(' ', @{$o{users} // []}), $o{syslog} // '', @{$o{argv}});
}

1;
