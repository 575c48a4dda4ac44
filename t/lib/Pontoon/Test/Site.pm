# A mail site of a test: a domain, its MTA, and (unless pontoon => 0) the daemons with their configuration.
package Pontoon::Test::Site;
use strict;
use warnings;
use Carp qw(croak);
use File::Temp ();
use JSON::PP ();
use POSIX ();
use Pontoon::Test::Postfix;
use Pontoon::Test::Proc;
use Pontoon::Test::Sendmail;
use Pontoon::Test::Smtp;
use Pontoon::Test::Wait;

# The signal that a daemon crashed; otherwise it ends by exit 0.
my $BAD_LINE = qr/: panic: |AddressSanitizer|LeakSanitizer|UndefinedBehavior|runtime error: |ThreadSanitizer/;
my %MTAS     = (postfix => 'Pontoon::Test::Postfix', sendmail => 'Pontoon::Test::Sendmail');

# Options: pontoon => 0; users => [...]; config => {"section.name" => value or [list]}; main => {main.cf};
# rules => [[NAME => {parameter => value}], ...]; listeners => {smtp|return|inject => ["parameter=value", ...]};
# master => "more lines of master.cf"; filters => [...] (milters before pontoon's, as smtpd_milters has them);
# discovery => 0 (no record in the DNS); env => {what the daemons have in their environment};
# lmtp => 1 (the MTA hands all mail for other sites to pontoon-lmtp, and there is no milter);
# mta => 'sendmail' (default: postfix), mc => lines for its sendmail.mc. The environment's PONTOON_TEST_MTA_A is stronger, for
# site "a": so a scenario can be run with another MTA (see sendmail.t).
sub new {
    my ($class, $world, $name, %o) = @_;
    my $self = bless {
        world   => $world,
        name    => $name,
        domain  => "$name.test",
        pontoon => 1,
        users   => [qw(alice bob carol dave postmaster)],
        expect  => {},
        %o
    }, $class;
    $self->{dir} = $world->mkdir($name);
    $self->{mta} = $ENV{'PONTOON_TEST_MTA_' . uc $name} // $o{mta} // 'postfix';
    Test::More::note("site $name: $self->{mta}") if $self->{mta} ne 'postfix';
    my $class_of = $MTAS{$self->{mta}} // croak "no MTA \"$self->{mta}\"";
    $self->{postfix} = $class_of->new(
        world    => $world,
        hostname => "mx.$self->{domain}",
        map { $_ => $self->{$_} } qw(name domain address users)
    );
    $self->{port} = {store => $world->policy_port, bridge => $world->port($self->{address})};
    $world->dns->set_host("mx.$self->{domain}", $self->{address});
    $world->dns->set($self->{domain}, "MX 10 mx.$self->{domain}.");
    $self->prepare_pontoon if $self->{pontoon};
    return $self;
}

sub domain  { $_[0]{domain} }
sub address { $_[0]{address} }
sub dir     { $_[0]{dir} }
sub mta     { $_[0]{postfix} }
sub postfix { $_[0]{postfix} }    # what most tests call it, whichever it is
sub log     { "$_[0]{dir}/log/pontoon.log" }
sub conf    { "$_[0]{dir}/etc/pontoon.conf" }
sub outbound { "https://sender-store.$_[0]{domain}:$_[0]{port}{store}" }
sub inbound  { "https://bridge.$_[0]{domain}:$_[0]{port}{bridge}" }

sub prepare_pontoon {
    my ($self) = @_;
    my $dns = $self->{world}->dns;
    $dns->set_host("$_.$self->{domain}", $self->{address}) for qw(sender-store bridge);
    $self->announce unless defined $self->{discovery} && !$self->{discovery};
    mkdir "$self->{dir}/$_", 0700 or croak "$self->{dir}/$_: $!" for qw(store bridge keys);
    mkdir "$self->{dir}/$_", 0755 or croak "$self->{dir}/$_: $!" for qw(etc log run);    # apart, as the sandbox opens whole folders
    my ($chain, $key) = $self->{world}->ca->issue(map { "$_.$self->{domain}" } qw(sender-store bridge));
    my $net  = $self->{world}->network;
    my $host = $self->{address};
    $self->{settings} = {
        hostname                    => "mx.$self->{domain}",
        domains                     => [$self->{domain}],
        'log.target'                => $self->log,
        'log.name'                  => "pontoon-$self->{name}",
        'log.verbose'               => $ENV{VERBOSE} ? 'yes' : 'no',
        'discovery.resolvers'       => [$dns->server],
        'discovery.ca-file'         => $self->{world}->ca->file,
        'discovery.allow-addresses' => [$net],
        'discovery.policy-port'     => $self->{world}->policy_port,
        'discovery.negative-ttl'    => '1s',
        'discovery.record-ttl-min'  => '1s',
        'discovery.refresh-min'     => '1s',
        'milter.socket'             => "unix:$self->{dir}/milter.sock",
        'milter.socket-mode'        => '0660',
        'milter.socket-group'       => 'postfix',
        'lmtp.listen'               => "unix:$self->{dir}/lmtp.sock",
        'lmtp.socket-group'         => 'postfix',
        'lmtp.discovery-wait'       => '10s',
        'milter.divert-clients'     => ['authenticated', 'local'],
        'milter.discovery-wait'     => '10s',
        'store.directory'           => "$self->{dir}/store",
        'store.listen'              => ["$host:$self->{port}{store}"],
        'store.certificate'         => $chain,
        'store.key'                 => $key,
        'store.signing-key'         => "$self->{dir}/keys/signing.pem",
        'store.published-keys'      => "$self->{dir}/keys",
        'store.token-secret'        => "$self->{dir}/token-secret",
        'store.mta'                 => $self->{postfix}->endpoint('return'),
        'store.retry-min'           => '200ms',
        'store.retry-max'           => '1s',
        (map { ("$_.drain-timeout" => '10s') } qw(milter lmtp store bridge)),    # Proc::stop() waits for 15 s
        'policy.inbound'            => [$self->inbound],
        'policy.outbound'           => [$self->outbound],
        'bridge.listen'             => ["$host:$self->{port}{bridge}"],
        'bridge.certificate'        => $chain,
        'bridge.key'                => $key,
        'bridge.directory'          => "$self->{dir}/bridge",
        'bridge.arrivals'           => "$self->{dir}/run/arrivals",
        'bridge.mta'                => $self->{postfix}->endpoint('inject'),
        'bridge.xclient'            => $self->{mta} eq 'sendmail' ? 'no' : 'required',
        'bridge.retry-min'          => '200ms',
        'bridge.retry-max'          => '1s',
        %{$self->{config} // {}},
    };
}

# The record that tells the others that this domain takes part; a new id makes them fetch the policy again.
sub announce {
    my ($self, $id) = @_;
    $self->{world}->dns->set("_sender-store.$self->{domain}", sprintf 'TXT "v=SSMP1; id=%s"', $id // ++$self->{policy_id});
}

sub withdraw { $_[0]{world}->dns->set("_sender-store.$_[0]{domain}") }

# Settings of pontoon.conf as a text in its syntax.
sub config_text {
    my (%settings) = @_;
    my (%section, $text);
    for my $key (sort keys %settings) {
        my ($section, $name) = $key =~ /^(?:(\w+)\.)?(.+)$/;
        my $value = $settings{$key};
        my $written = ref $value ? '{' . join(', ', map { qq("$_") } @$value) . '}' : qq("$value");
        $section{$section // ''} .= ($section ? '    ' : '') . "$name = $written\n";
    }
    $text = delete $section{''} // '';
    return $text . join '', map { "$_ {\n$section{$_}}\n" } sort keys %section;
}

# Sections with titles, in order: [rule => name => {parameter => value}], ...
sub titled_text {
    return join '', map {
        my ($section, $title, $values) = @$_;
        qq($section "$title" {\n) . config_text(%$values) . "}\n";
    } @_;
}

# Replaces the rules, each [NAME => {parameter => value}], and writes the file.
sub set_rules {
    my ($self, @rules) = @_;
    $self->{rules} = \@rules;
    $self->configure;
}

# Changes settings and writes the file; reload() or restart() makes the daemons see them.
sub configure {
    my ($self, %changes) = @_;
    $self->{settings} = {%{$self->{settings}}, %changes};
    delete @{$self->{settings}}{grep { !defined $changes{$_} } keys %changes};
    open my $fh, '>', $self->conf or croak $self->conf . ": $!";
    print $fh config_text(%{$self->{settings}}), titled_text(map { [rule => @$_] } @{$self->{rules} // []});
    close $fh or croak $self->conf . ": $!";
}

# ---- start and stop ----

# Everything written down, nothing running. Ports of all sites are known by now.
sub prepare {
    my ($self) = @_;
    $self->prepare_mta;
    return unless $self->{pontoon};
    $self->configure;
    my $made = $self->pontoon('keys', 'make');
}

# The MTA's configuration, as main, mc, listeners, master and filters say now.
sub prepare_mta {
    my ($self) = @_;
    my %routes = map { $_->domain => $_->postfix->endpoint('smtp') } grep { $_ != $self } $self->{world}->sites;
    $self->{postfix}->prepare(
        routes  => \%routes,
        filters => $self->{filters} // [],
        milters => [$self->{pontoon} && !$self->{lmtp} ? "unix:$self->{dir}/milter.sock" : ()],
        lmtp    => $self->{lmtp} ? "unix:$self->{dir}/lmtp.sock" : undef,
        map { $_ => $self->{$_} } qw(main mc listeners master)
    );
}

# Which daemons there are.
sub daemons { return ($_[0]{lmtp} ? 'lmtp' : 'milter', 'store', 'bridge') }

sub start_mta { $_[0]{postfix}->start }
sub wait_mta  { $_[0]{postfix}->wait_ready }

sub start_pontoon {
    my ($self) = @_;
    return unless $self->{pontoon};
    $self->launch($_)    for $self->daemons;
    $self->wait_ready($_) for $self->daemons;
}

sub build { $ENV{PONTOON_BUILD} }

sub launch {
    my ($self, $daemon, %env) = @_;
    unlink $self->pid_file($daemon);
    $self->{$daemon} = Pontoon::Test::Proc->start(
        name   => "pontoon-$daemon of $self->{name}",
        argv   => [build() . "/pontoon-$daemon", '-c', $self->conf, '-p', $self->pid_file($daemon)],
        output => "$self->{dir}/$daemon.err",
        env    => {%{$self->{env} // {}}, %env},
    );
}

sub pid_file { "$_[0]{dir}/run/$_[1].pid" }

sub wait_ready {
    my ($self, $daemon) = @_;
    wait_for("pontoon-$daemon of $self->{name} to be ready", sub {
        $self->{$daemon}->alive or croak "pontoon-$daemon of $self->{name} ended: see $self->{dir}/$daemon.err and " . $self->log;
        return -s $self->pid_file($daemon);
    }, 60);    # a bridge waits for the witness of the one before it
}

sub start {
    my ($self, $daemon, %env) = @_;
    $self->launch($daemon, %env);
    $self->wait_ready($daemon);
}

sub daemon { $_[0]{$_[1]} }

# Returns the wait status: 0 for an orderly end.
sub stop { $_[0]{$_[1]}->stop }

sub kill9 {
    my ($self, $daemon) = @_;
    $self->{expect}{$daemon} = 1;
    $self->{$daemon}->kill9;
}

sub restart {
    my ($self, $daemon) = @_;
    $self->stop($daemon);
    $self->start($daemon);
}

sub reload {
    my ($self, $daemon) = @_;
    my $before = $self->log_size;
    $self->{$daemon}->signal('HUP');
    wait_for("pontoon-$daemon to reload", sub { $self->log_after($before) =~ m{/$daemon\[\d+\]: .*reload}i });
}

# ---- the admin's view ----

# Runs `pontoon`; returns its standard output, or (output, exit status, standard error) in list context. The MTA of this machine is
# the site's.
sub pontoon {
    my ($self, @arguments) = @_;
    local $ENV{MAIL_CONFIG} = "$self->{postfix}{dir}/etc";
    return run(build() . '/pontoon', '-c', $self->conf, @arguments);
}

# Any program. In scalar context a failure dies.
sub run {
    my (@argv) = @_;
    my $err = File::Temp->new;
    my $pid = open(my $out, '-|') // croak "fork: $!";
    if (!$pid) {
        open STDERR, '>&', $err;
        exec(@argv) or POSIX::_exit(127);
    }
    my $text = do { local $/; <$out> } // '';
    close $out;
    my $status = $?;
    my $errors = do { local (@ARGV, $/) = ("$err"); <> } // '';
    return ($text, $status, $errors) if wantarray;
    croak "@argv: " . Pontoon::Test::Proc::describe_status($status) . ": $errors" if $status;
    return $text;
}

# `pontoon … --json`: one document; or, for `queue`, a list of one object a message.
sub pontoon_json {
    my ($self, @arguments) = @_;
    my $text = $self->pontoon(@arguments, '--json');
    return JSON::PP::decode_json($text) unless grep { $_ eq 'queue' } @arguments;
    return [map { JSON::PP::decode_json($_) } split /\n/, $text];
}

# The traces of a message; with `others` (sites) as they see it too.
sub trace {
    my ($self, $what, @others) = @_;
    return $self->pontoon_json((map { ('-c', $_->conf) } @others), 'trace', $what);
}

# The events of one trace: all, or those that match.
sub events {
    my ($self, $what, $pattern) = @_;
    return grep { !defined $pattern || $_->{event} =~ $pattern } map { @{$_->{hops}} } @{$self->trace($what)};
}

sub log_size { -s $_[0]->log // 0 }

sub log_after {
    my ($self, $offset) = @_;
    open my $fh, '<', $self->log or return '';
    seek $fh, $offset // 0, 0;
    local $/;
    return <$fh> // '';
}

sub wait_log {
    my ($self, $pattern, $offset) = @_;
    wait_for("$pattern in the log of $self->{name}", sub { $self->log_after($offset) =~ /$pattern/ });
}

# ---- mail ----

# A client of this site: an SMTP connection from a host that may relay.
sub client {
    my ($self, %o) = @_;
    return Pontoon::Test::Smtp->new($self->client_options, %o) // croak "no SMTP at $self->{name}";
}

sub client_options {
    my ($self) = @_;
    return (endpoint => $self->{postfix}->endpoint('smtp'), source => $self->{world}->client);
}

# Submits one message, retrying as a real client does: arguments of Smtp::send.
sub submit {
    my ($self, %o) = @_;
    my $result = Pontoon::Test::Smtp->deliver($self->client_options, %o);
    croak "submission refused: $result->{data}{text}" if $result->{code} != 250 && !$o{may_fail};
    return $result;
}

sub mailbox { shift->{postfix}->mailbox(@_) }

# Waits until the mailbox holds `n` messages; returns them.
sub wait_mail {
    my ($self, $user, $n, $timeout) = @_;
    wait_for("$n message(s) for $user\@$self->{domain}", sub { $self->{postfix}->mailbox_files($user) >= $n }, $timeout);
    return $self->mailbox($user);
}

# Nothing is under way any more: the store has no recipient that is not final.
sub wait_settled {
    my ($self, $timeout) = @_;
    wait_for("the store of $self->{name} to settle", sub { !$self->pontoon_json('status')->{store}{messages} }, $timeout);
}

# Peak resident memory of a daemon in KiB.
sub peak_memory {
    my ($self, $daemon) = @_;
    open my $fh, '<', '/proc/' . $self->{$daemon}->pid . '/status' or croak "pontoon-$daemon is gone";
    return (map { /^VmHWM:\s+(\d+) kB/ ? $1 : () } <$fh>)[0];
}

# ---- the end ----

# Signs of bugs: crashes, panics, sanitizer reports.
sub complaints {
    my ($self) = @_;
    my @bad;
    for my $daemon (grep { $self->{$_} } $self->daemons) {
        my $status = $self->{$daemon}->stop;
        push @bad, "pontoon-$daemon of $self->{name}: " . Pontoon::Test::Proc::describe_status($status) if $status;
    }
    for my $file ($self->log, map { "$self->{dir}/$_.err" } $self->daemons) {
        open my $fh, '<', $file or next;
        push @bad, map { "$file: $_" } grep { /$BAD_LINE/ } <$fh>;
    }
    return @bad;
}

sub show_logs {
    my ($self) = @_;
    for my $file (grep { -s } $self->log, "$self->{dir}/mail.log", map { "$self->{dir}/$_.err" } $self->daemons) {
        my @lines = split /\n/, `tail -n 25 $file`;
        Test::More::diag("-- end of $file", map { "\n   $_" } @lines);
    }
}

1;
