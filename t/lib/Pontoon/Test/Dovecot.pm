# A private Dovecot of one site, as the LMTP server that pontoon-bridge delivers to. It is unpacked, not installed (see Unpacked), and
# puts mail into the same Maildirs as the site's MTA.
package Pontoon::Test::Dovecot;
use strict;
use warnings;
use Carp qw(croak);
use IO::Socket::INET;
use Pontoon::Test::Proc;
use Pontoon::Test::Unpacked;
use Pontoon::Test::Wait;

# world, site; optional: users => {name => 'extra fields of the userdb'} besides the site's own.
sub new {
    my ($class, $world, $site, %o) = @_;
    my $dir  = $world->mkdir("$site->{name}/dovecot");
    my $self = bless {
        dir     => $dir,
        site    => $site,
        address => $site->address,
        port    => $world->port($site->address),
        log     => "$dir/dovecot.log",
        users   => {(map { $_ => '' } @{$site->{users}}), %{$o{users} // {}}},
    }, $class;
    $self->write_users;
    $world->write("$site->{name}/dovecot/dovecot.conf", $self->conf($site->mta->{mail}));
    return $self;
}

# Dovecot sees the change.
sub set_user {
    my ($self, $name, $fields) = @_;
    $self->{users}{$name} = $fields // '';
    $self->write_users;
}

sub write_users {
    my ($self) = @_;
    my ($uid, $gid) = (getpwnam 'nobody')[2, 3];
    my $mail = $self->{site}->mta->{mail};
    open my $fh, '>', "$self->{dir}/users.new" or croak "users: $!";
    for my $user (sort keys %{$self->{users}}) {
        print $fh join(':', "$user\@$self->{site}{domain}", '', $uid, $gid, '', "$mail/$user", '', $self->{users}{$user}), "\n";
    }
    close $fh or croak "users: $!";
    rename "$self->{dir}/users.new", "$self->{dir}/users" or croak "users: $!";
}

# What bridge.mta calls it: by TCP, or "unix".
sub endpoint {
    my ($self, $kind) = @_;
    return $kind eq 'unix' ? "unix:$self->{dir}/lmtp" : "$self->{address}:$self->{port}";
}

# XCLIENT is for who connects from this machine; by the unix socket everybody may.
sub conf {
    my ($self, $mail) = @_;
    return <<"END";
protocols = lmtp
base_dir = $self->{dir}/run
state_dir = $self->{dir}/state
log_path = $self->{log}
instance_name = pontoon
hostname = mail.$self->{site}{domain}
listen = $self->{address}
ssl = no
login_trusted_networks = 127.0.0.0/8
mail_location = maildir:$mail/%n
first_valid_uid = 1
mailbox_list_index = no
mail_plugins = quota
plugin {
  quota = maildir:User quota
}
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = passwd-file
  args = username_format=%u $self->{dir}/users
}
service lmtp {
  unix_listener $self->{dir}/lmtp {
    mode = 0600
  }
  inet_listener lmtp {
    address = $self->{address}
    port = $self->{port}
  }
}
END
}

sub start {
    my ($self) = @_;
    my @command = Pontoon::Test::Unpacked::command(
        name     => 'dovecot',
        hostname => "mail.$self->{site}{domain}",
        users    => [qw(dovecot dovenull)],
        argv     => ['/usr/sbin/dovecot', '-F', '-c', "$self->{dir}/dovecot.conf"],
    );
    $self->{proc} = Pontoon::Test::Proc->start(
        name   => "dovecot of $self->{site}{name}",
        argv   => ['setsid', @command],
        output => "$self->{dir}/dovecot.out",
        group  => 1,
    );
    wait_for('Dovecot to listen', sub {
        $self->{proc}->alive or croak "Dovecot ended: see $self->{log} and $self->{dir}/dovecot.out";
        return IO::Socket::INET->new("$self->{address}:$self->{port}");
    });
}

# Its lmtp processes would stay with their clients, waiting for an auth process that is gone; systemd kills them in the end, too.
sub stop {
    my ($self) = @_;
    my $status = $self->{proc}->stop;
    kill 'KILL', -$self->{proc}->pid;
    return $status;
}

1;
