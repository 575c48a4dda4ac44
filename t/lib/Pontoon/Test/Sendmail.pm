# A private Sendmail for one site, as Postfix.pm is a private Postfix: the same listeners, what is different inside. It is unpacked,
# not installed (see Unpacked). Its listeners and milter are those of conf/sendmail.mc.snippet, with the test's addresses.
package Pontoon::Test::Sendmail;
use strict;
use warnings;
use parent qw(Pontoon::Test::Mta);
use Carp qw(croak);
use Cwd ();
use File::Basename ();
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);
use Pontoon::Test::Proc;
use Pontoon::Test::Unpacked;
use Pontoon::Test::Wait;

my $TOP      = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../../../..');
my $PROGRAM  = '/usr/libexec/sendmail/sendmail';
my $MAX_SIZE = 300 * 1024 * 1024;

# See Mta.
sub new {
    my ($class, %o) = @_;
    my $self = $class->SUPER::new(%o, program => 'sendmail');
    $self->{queue} = $o{world}->mkdir("$o{name}/sendmail/queue");
    chmod 0700, $self->{queue};
    $o{world}->mkdir("$o{name}/sendmail/clientqueue", 'nobody');
    chmod 0770, "$self->{dir}/clientqueue";
    $self->{syslog} = "$self->{dir}/syslog";
    return $self;
}

# See Postfix. `mc` instead of `main`: more lines for sendmail.mc, a text.
sub prepare {
    my ($self, %o) = @_;
    my $hosts = $o{routes};
    my %ports = map { (split /:/)[1] => 1 } values %$hosts;
    croak 'Sendmail knows one port for all other sites' if keys %ports > 1;
    $self->write('mailertable', join '', map { "$_\tesmtp:[" . (split /:/, $hosts->{$_})[0] . "]\n" } sort keys %$hosts);
    $self->write('service.switch', "hosts files\naliases files\n");
    $self->set_aliases;
    my $mc = $self->mc(port => (keys %ports)[0] // 25, filters => $o{filters}, milters => $o{milters}, more => $o{mc} // '');
    $self->write('sendmail.mc', $mc);
    $self->write('submit.mc',   $self->submit_mc);
    $self->make_cf($_) for qw(sendmail submit);
}

# NAME.cf from NAME.mc.
sub make_cf {
    my ($self, $name) = @_;
    my $cf   = Pontoon::Test::Unpacked::tree('sendmail') . '/usr/share/sendmail/cf';
    my $made = `m4 -D_CF_DIR_=$cf/ $cf/m4/cf.m4 $self->{dir}/etc/$name.mc 2>$self->{dir}/$name.m4.log`;
    croak "$self->{dir}/etc/$name.mc has errors: see $self->{dir}/$name.m4.log" if $? || -s "$self->{dir}/$name.m4.log";
    $self->write("$name.cf", $made);
}

# sendmail(1) hands its mail to the daemon.
sub submit_mc {
    my ($self) = @_;
    return <<"END";
divert(0)dnl
OSTYPE(`linux')dnl
define(`MSP_QUEUE_DIR', `$self->{dir}/clientqueue')dnl
define(`confPID_FILE', `$self->{dir}/submit.pid')dnl
define(`confRUN_AS_USER', `nobody:nogroup')dnl
define(`confDOMAIN_NAME', `$self->{hostname}')dnl
define(`confSERVICE_SWITCH_FILE', `$self->{dir}/etc/service.switch')dnl
define(`confDONT_BLAME_SENDMAIL', `TrustStickyBit,GroupWritableDirPathSafe')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`RELAY_MAILER_ARGS', `TCP \$h $self->{port}{smtp}')dnl
FEATURE(`msp', `[$self->{address}]')dnl
END
}

sub submit_command {
    my ($self) = @_;
    return Pontoon::Test::Unpacked::command(
        name     => 'sendmail',
        hostname => $self->{hostname},
        syslog   => $self->{syslog},
        argv     => [$PROGRAM, '-C', "$self->{dir}/etc/submit.cf"]
    );
}

# S= of a milter from what Postfix's smtpd_milters calls it.
sub milter_socket {
    my ($milter) = @_;
    return $milter =~ /^inet:(.+):(\d+)$/ ? "inet:$2\@$1" : 'local:' . ($milter =~ s/^unix://r);
}

# The lines of conf/sendmail.mc.snippet, for this site.
sub snippet {
    my ($self, %o) = @_;
    my $filters = join ';', map { "filter$_" } 1 .. @{$o{filters}};
    open my $fh, '<', "$TOP/conf/sendmail.mc.snippet" or croak "sendmail.mc.snippet: $!";
    my $text = do { local $/; <$fh> };
    my %socket = (inject => 10025, return => 10026);
    for my $listener (keys %socket) {
        $text =~ s/Addr=127\.0\.0\.1, Port=$socket{$listener},/Addr=$self->{address}, Port=$self->{port}{$listener},/ == 1
            or croak "no listener on port $socket{$listener} in the snippet";
    }
    $text =~ s/(Name=pontoon-in, .*InputMailFilters=)/$1$filters/ == 1 or croak 'no pontoon-in in the snippet';
    if (my ($milter) = map { milter_socket($_) } @{$o{milters}}) {
        $text =~ s/S=local:[^,]+,/S=$milter,/ == 1 or croak 'no milter in the snippet';
    } else {
        $text =~ s/^INPUT_MAIL_FILTER.*\n//m;
    }
    my $n = 0;
    return join('', map { 'INPUT_MAIL_FILTER(`filter' . ++$n . "', `S=" . milter_socket($_) . ", F=T')dnl\n" } @{$o{filters}}) . $text;
}

# Deliver by SMTP as fast as Postfix does in these tests; nothing outside of the test's directory; no DNS.
sub mc {
    my ($self, %o) = @_;
    my $etc    = "$self->{dir}/etc";
    my $client = $self->{world}->client;
    my %define = (
        MAIL_SETTINGS_DIR       => "$etc/",
        QUEUE_DIR               => $self->{queue},
        STATUS_FILE             => "$self->{dir}/statistics",
        HELP_FILE               => '',
        ALIAS_FILE              => "stab:$etc/aliases",
        LOCAL_MAILER_PATH       => "$TOP/t/lib/maildir",
        LOCAL_MAILER_ARGS       => "maildir $self->{mail}/\$u",
        LOCAL_MAILER_FLAGS      => 'Pn8',
        ESMTP_MAILER_ARGS       => "TCP \$h $o{port}",
        confPID_FILE            => "$self->{dir}/sendmail.pid",
        confDOMAIN_NAME         => $self->{hostname},
        confSERVICE_SWITCH_FILE => "$etc/service.switch",
        confDEF_USER_ID         => 'nobody:nogroup',
        confDONT_BLAME_SENDMAIL => 'TrustStickyBit,GroupWritableDirPathSafe',
        confTO_IDENT            => '0s',
        confQUEUE_LA            => 10_000,    # a busy machine is no reason to let mail lie
        confREFUSE_LA           => 10_000,
        confTO_QUEUEWARN        => '',
        confMIN_QUEUE_AGE       => '0',
        confMAX_MESSAGE_SIZE    => $MAX_SIZE,
        confLOG_LEVEL           => '10',
        confDELIVERY_MODE       => 'background',
        confAUTH_MECHANISMS     => 'PLAIN',
        confDONT_PROBE_INTERFACES => 'True',
    );
    my $defines = join '', map { "define(`$_', `$define{$_}')dnl\n" } sort keys %define;
    my $snippet = $self->snippet(%o);
    return <<"END";
divert(0)dnl
OSTYPE(`linux')dnl
$defines
undefine(`confCW_FILE')dnl
MODIFY_MAILER_FLAGS(`LOCAL', `-w')dnl
LOCAL_DOMAIN(`$self->{domain}')dnl
TRUST_AUTH_MECH(`PLAIN')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`access_db', `text -k0 -v1 -z\\t -T<TMPF> $etc/access')dnl
FEATURE(`blocklist_recipients')dnl
FEATURE(`mailertable', `text -k0 -v1 -z\\t $etc/mailertable')dnl
CLIENT_OPTIONS(`Family=inet, Addr=$self->{address}')dnl
DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=$self->{address}, Port=$self->{port}{smtp}')dnl
$o{more}MAILER(`local')dnl
MAILER(`smtp')dnl
$snippet
END
}

# Users who may authenticate (PLAIN, in the clear: it is a test): passwords by name. Before prepare().
sub set_passwords {
    my ($self, %passwords) = @_;
    my $dir = $self->{dir};
    for my $user (sort keys %passwords) {
        open my $pipe, '|-', 'saslpasswd2', '-p', '-c', '-f', "$dir/sasldb", '-u', $self->{hostname}, $user or croak "saslpasswd2: $!";
        print $pipe $passwords{$user};
        close $pipe or croak 'saslpasswd2 failed';
    }
    $self->{sasl} = $self->{world}->write("$self->{name}/sendmail/Sendmail.conf",
        "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: $dir/sasldb\nmech_list: PLAIN\n");
}

# Its main process stays our child; it and its own are one process group.
sub start {
    my ($self) = @_;
    $self->{logger} //= $self->start_syslog;
    my @argv = ($PROGRAM, '-C', "$self->{dir}/etc/sendmail.cf", '-bD', '-q1s', '-L', "sendmail-$self->{name}");
    unshift @argv, 'sh', '-c', 'mkdir -p /usr/lib/sasl2 && cp "$0" /usr/lib/sasl2 && exec "$@"', $self->{sasl} if $self->{sasl};
    my @command = Pontoon::Test::Unpacked::command(
        name     => 'sendmail',
        hostname => $self->{hostname},
        syslog   => $self->{syslog},
        argv     => \@argv,
    );
    $self->{proc} = Pontoon::Test::Proc->start(
        name   => "sendmail of $self->{name}",
        argv   => ['setsid', @command],
        output => "$self->{dir}/daemon.log",
        group  => 1,
    );
}

# Sendmail logs to /dev/log only.
sub start_syslog {
    my ($self) = @_;
    my $socket = IO::Socket::UNIX->new(Local => $self->{syslog}, Type => SOCK_DGRAM) or croak "$self->{syslog}: $!";
    chmod 0666, $self->{syslog};
    my $proc = Pontoon::Test::Proc->fork_code('syslog', sub {
        open my $fh, '>>', $self->{log} or die "$self->{log}: $!";
        while (defined recv $socket, my $line, 65536, 0) {
            syswrite $fh, $line =~ s/^<\d+>//r =~ s/\n?\z/\n/r;
        }
        return 1;
    });
    close $socket;
    return $proc;
}

# See Postfix.
sub set_access {
    my ($self, %entries) = @_;
    $self->{entries} = \%entries;
    $self->write_access;
}

# See Postfix.
sub set_aliases {
    my ($self, %aliases) = @_;
    $self->{aliases} = \%aliases;
    $self->write('aliases', join '', map { (s/\@.*//r) . ": $aliases{$_}\n" } sort keys %aliases);
    $self->write_access;
    $self->reload if $self->{proc};
}

# Who may relay, who is to be refused, and who is known here: nobody else is.
sub write_access {
    my ($self) = @_;
    my %to = ($self->{domain} => 'ERROR:5.1.1:550 User unknown');
    $to{$_} = 'OK' for keys %{$self->{aliases}}, map { "$_\@$self->{domain}" } @{$self->{users}};
    for my $address (keys %{$self->{entries}}) {
        my ($code, $dsn, $text) = $self->{entries}{$address} =~ /^(\d{3}) (\d\.\d+\.\d+) (.*)/ or croak "$address: no reply";
        $to{$address} = "ERROR:$dsn:$code $text";
    }
    $self->write('access', join '', 'Connect:' . $self->{world}->client . "\tRELAY\n", map { "To:$_\t$to{$_}\n" } sort keys %to);
}

# The daemon begins anew in the same process.
sub reload {
    my ($self) = @_;
    my $size = -s $self->{log} // 0;
    $self->{proc}->signal('HUP');
    wait_for('Sendmail to start again', sub { $self->log_after($size) =~ /daemon invoked|starting daemon/ });
    $self->wait_ready;
}

# Queue ids of what the MTA still holds.
sub queue {
    my ($self) = @_;
    return map { m{/[qhQ]f([^/]+)$} ? $1 : () } glob "$self->{queue}/*";
}

# See Postfix.
sub relayed {
    my ($self, $address) = @_;
    return $self->log_after(0) =~ /: to=<\Q$address\E>,.* mailer=esmtp,.* stat=Sent/;
}

sub bounced { $_[0]->log_after(0) =~ /: \w+: DSN: / }

1;
