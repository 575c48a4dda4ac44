# A private Postfix instance for one site: own configuration, queue, log and Maildirs, on the site's address only.
#
# Three listeners: `smtp` for clients and other sites; `return`, where pontoon-store hands mail back (no milters);
# `inject`, where pontoon-bridge asks and delivers (XCLIENT, and nobody is trusted there).
package Pontoon::Test::Postfix;
use strict;
use warnings;
use parent qw(Pontoon::Test::Mta);
use Carp qw(croak);
use Pontoon::Test::Proc;
use Pontoon::Test::Table;
use Pontoon::Test::Wait;

my $MASTER   = '/usr/lib/postfix/sbin/master';
my $MAX_SIZE = 300 * 1024 * 1024;

# See Mta.
sub new {
    my ($class, %o) = @_;
    my $self = $class->SUPER::new(%o, program => 'postfix');
    $o{world}->mkdir("$o{name}/postfix/data", 'postfix');
    $self->make_queue;
    $self->{access_port} = $o{world}->port($o{address});
    return $self;
}

# The directories that `postfix check` would make, as in its postfix-files.
sub make_queue {
    my ($self) = @_;
    my ($uid, $gid) = ((getpwnam 'postfix')[2], (getgrnam 'postdrop')[2]);
    my %special = (
        ''       => [0755, 0,    0],
        pid      => [0755, 0,    0],
        maildrop => [0730, $uid, $gid],
        public   => [0710, $uid, $gid]
    );
    for my $name ('', qw(active bounce corrupt defer deferred flush hold incoming maildrop pid private public saved trace)) {
        my $path = "$self->{dir}/queue/$name";
        my ($mode, $owner, $group) = @{$special{$name} // [0700, $uid, 0]};
        mkdir $path or croak "$path: $!";
        chown $owner, $group, $path or croak "$path: $!";
        chmod $mode, $path or croak "$path: $!";
    }
}

# routes: domain => endpoint; filters: [...] milters that all mail from outside passes; milters: [...] those behind them, for
# what clients send; main: {...} further parameters of main.cf; lmtp: pontoon-lmtp's socket, where all routes lead then, and only the
# `return` listener goes by them (as conf/postfix-master.cf.snippet says).
sub prepare {
    my ($self, %o) = @_;
    my $etc = "$self->{dir}/etc";
    my %smtp = map { $_ => "smtp:[" . ($o{routes}{$_} =~ s/:/]:/r) } keys %{$o{routes}};
    $self->write('transport',      join '', map { "$_ " . (defined $o{lmtp} ? "lmtp:$o{lmtp}" : $smtp{$_}) . "\n" } sort keys %smtp);
    $self->write('pontoon_return', join '', map { defined $o{lmtp} ? "$_ FILTER $smtp{$_}\n" : () } sort keys %smtp);
    $self->write('mailboxes', join '', map { "$_\@$self->{domain} $_/\n" } @{$self->{users}});
    $self->write('access', '');
    $self->write('aliases', '');
    my ($uid, $gid) = (getpwnam 'nobody')[2, 3];
    my $client  = $self->{world}->client;
    my $filters = join ', ', @{$o{filters}};
    my $milters = join ', ', @{$o{filters}}, @{$o{milters}};
    my %main    = (
        compatibility_level          => '3.6',
        queue_directory              => "$self->{dir}/queue",
        data_directory               => "$self->{dir}/data",
        maillog_file                 => $self->{log},
        maillog_file_prefixes        => $self->{world}->dir,
        syslog_name                  => "postfix-$self->{name}",
        myhostname                   => $self->{hostname},
        mydomain                     => $self->{domain},
        myorigin                     => $self->{domain},
        mydestination                => '',
        inet_interfaces              => 'loopback-only',    # knows only 127.0.0.1; master.cf names ours
        smtp_bind_address            => $self->{address},
        inet_protocols               => 'ipv4',
        mynetworks                   => "$client $self->{address}",
        smtpd_relay_restrictions     => 'permit_mynetworks, reject_unauth_destination',
        smtpd_recipient_restrictions => "check_recipient_access tcp:$self->{address}:$self->{access_port}",
        smtpd_peername_lookup        => 'no',
        smtp_host_lookup             => 'native',
        transport_maps               => "texthash:$etc/transport",
        virtual_mailbox_domains      => $self->{domain},
        virtual_mailbox_base         => $self->{mail},
        virtual_mailbox_maps         => "texthash:$etc/mailboxes",
        virtual_alias_maps           => "texthash:$etc/aliases",
        virtual_uid_maps             => "static:$uid",
        virtual_gid_maps             => "static:$gid",
        virtual_mailbox_limit        => 0,
        mailbox_size_limit           => 0,
        message_size_limit           => $MAX_SIZE,
        alias_maps                   => '',
        alias_database               => '',
        local_recipient_maps         => '',
        queue_run_delay              => '2s',
        minimal_backoff_time         => '1s',
        maximal_backoff_time         => '2s',
        in_flow_delay                => 0,
        milter_protocol              => 6,
        milter_default_action        => 'tempfail',
        smtpd_milters                => $milters,
        non_smtpd_milters            => $milters,
        %{$o{main} // {}},
    );
    $self->write('main.cf', join '', map { "$_ = $main{$_}\n" } sort keys %main);
    $self->write('master.cf', $self->master_cf($filters, %{$o{listeners} // {}}) . ($o{master} // ''));
}

sub master_cf {
    my ($self, $filters, %more) = @_;
    my %own   = map { my $listener = $_; ($_ => join '', map { "\n  -o $_" } @{$more{$listener} // []}) } qw(smtp return inject);
    my $local = "127.0.0.1/32";    # what the kernel connects from, on this machine
    return <<END;
@{[$self->endpoint('smtp')]} inet n - n - - smtpd$own{smtp}
@{[$self->endpoint('return')]} inet n - n - - smtpd
  -o smtpd_milters=
  -o mynetworks=$local
  -o local_header_rewrite_clients=
  -o { smtpd_recipient_restrictions = check_recipient_access texthash:$self->{dir}/etc/pontoon_return, check_recipient_access tcp:$self->{address}:$self->{access_port}, permit_mynetworks, reject }$own{return}
@{[$self->endpoint('inject')]} inet n - n - - smtpd
  -o { smtpd_milters = $filters }
  -o mynetworks=
  -o local_header_rewrite_clients=
  -o smtpd_authorized_xclient_hosts=$local$own{inject}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
END
}

# The master stays our child, so its pid is known; its processes are in its group.
sub start {
    my ($self) = @_;
    $self->{table} = Pontoon::Test::Table->serve(
        address => $self->{address}, port => $self->{access_port}, file => "$self->{dir}/etc/access");
    $self->{proc} = Pontoon::Test::Proc->start(
        name   => "postfix of $self->{name}",
        argv   => [$MASTER, '-c', "$self->{dir}/etc", '-s'],
        output => "$self->{dir}/master.log",
        group  => 1,
    );
}

sub stop {
    my ($self) = @_;
    $self->{table}->stop;
    return $self->{proc}->stop;
}

# What clients are told at RCPT from now on: set_access('bob@b.test' => '450 4.2.1 later'). No arguments: as before.
sub set_access { shift->set_table('access', @_) }

sub set_aliases {
    my ($self, %aliases) = @_;
    $self->set_table('aliases', %aliases);
    $self->reload;
}

sub set_table {
    my ($self, $table, %entries) = @_;
    $self->write($table, join '', map { "$_ $entries{$_}\n" } sort keys %entries);
}

# Idle processes end at once, busy ones after their client: kept connections see what was before.
sub reload {
    my ($self) = @_;
    my $size = -s $self->{log} // 0;
    $self->{proc}->signal('HUP');
    wait_for('Postfix to reload', sub { $self->log_after($size) =~ m{/master\[\d+\]: reload } });
}

# Whether the log says that this MTA sent a message for `address` on to another.
sub relayed {
    my ($self, $address) = @_;
    return $self->log_after(0) =~ m{/smtp\[\d+\]: \w+: to=<\Q$address\E>, .*status=sent};
}

# Whether it made a bounce.
sub bounced { $_[0]->log_after(0) =~ m{/bounce\[\d+\]: \w+: sender non-delivery} }

sub submit_command { return ('sendmail', '-C', "$_[0]{dir}/etc") }

# Tries what it holds now. A queue manager that finds a message still in the hands of the delivery before waits a minute otherwise.
sub flush { system('postqueue', '-c', "$_[0]{dir}/etc", '-f') == 0 or croak 'postqueue -f failed' }

# Queue ids of what the MTA still holds.
sub queue {
    my ($self) = @_;
    my @lines = `postqueue -c $self->{dir}/etc -j 2>/dev/null`;
    return map { /"queue_id": "([^"]+)"/ } @lines;
}

1;
