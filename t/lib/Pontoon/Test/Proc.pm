# Processes of a test: started with a known pid, always reaped, all stopped when the test ends however it ends. Only
# pids that we started are ever signalled. Should the test itself be killed, the kernel sends them SIGTERM.
package Pontoon::Test::Proc;
use strict;
use warnings;
use Carp qw(croak);
use POSIX qw(WNOHANG setsid);
use Pontoon::Test::Wait;

my $owner = $$;
my @started;    # in order; stopped in reverse

$SIG{$_} = sub { exit 128 } for qw(INT TERM HUP);    # so that END blocks run

# name, argv => [...]; optional: output => FILE (stdout and stderr), env => {...}, cwd, group => 1 (TERM and KILL go to
# its process group: for programs that make one of their own, as Postfix's master does).
sub start {
    my ($class, %o) = @_;
    my $pid = fork // croak "fork: $!";
    if (!$pid) {
        @SIG{qw(INT TERM HUP PIPE ALRM)} = ('DEFAULT') x 5;
        my $out = $o{output} // '/dev/null';
        if (   open(STDIN, '<', '/dev/null')
            && open(STDOUT, '>>', $out)
            && open(STDERR, '>&', \*STDOUT)
            && (!defined $o{cwd} || chdir $o{cwd}))
        {
            @ENV{keys %{$o{env}}} = values %{$o{env}};
            exec 'setpriv', '--pdeathsig', 'TERM', @{$o{argv}};
        }
        print STDERR "$o{name}: $!\n";
        POSIX::_exit(127);
    }
    my $self = bless {name => $o{name}, pid => $pid, output => $o{output}, group => $o{group}}, $class;
    push @started, $self;
    return $self;
}

# Code of the test's own in a child process; its return value (0..255) becomes the exit status. Stops as others do.
sub fork_code {
    my ($class, $name, $code) = @_;
    my $pid = fork // croak "fork: $!";
    if (!$pid) {
        @SIG{qw(INT TERM HUP ALRM)} = ('DEFAULT') x 4;
        setpgrp;    # what it forks goes with it
        my $status = eval { $code->() };
        print STDERR "# $name: $@" if $@;
        POSIX::_exit($@ ? 255 : $status // 0);
    }
    my $self = bless {name => $name, pid => $pid, group => 1}, $class;
    push @started, $self;
    return $self;
}

sub pid  { $_[0]{pid} }
sub name { $_[0]{name} }

# The wait status once it has ended, else undef.
sub status {
    my ($self) = @_;
    if (!defined $self->{status} && waitpid($self->{pid}, WNOHANG) == $self->{pid}) {
        $self->{status} = $?;
    }
    return $self->{status};
}

sub alive { !defined $_[0]->status }

sub signal {
    my ($self, $signal) = @_;
    return unless $self->alive;
    kill $signal, $self->{pid};
    kill $signal, -$self->{pid} if $self->{group} && $signal =~ /^(TERM|KILL)$/;
}

# Waits for its end; the wait status.
sub wait_end {
    my ($self, $timeout) = @_;
    wait_for("end of $self->{name} (pid $self->{pid})", sub { !$self->alive }, $timeout);
    return $self->{status};
}

sub kill9 {
    my ($self) = @_;
    $self->signal('KILL');
    return $self->wait_end(10);
}

# SIGTERM, and SIGKILL if that is not enough; the wait status.
sub stop {
    my ($self, $patience) = @_;
    return $self->{status} unless $self->alive;
    $self->signal('TERM');
    return $self->{status} if wait_until(sub { !$self->alive }, $patience // 15);
    print STDERR "# $self->{name} (pid $self->{pid}) does not end on SIGTERM: killed\n";
    return $self->kill9;
}

sub stop_all {
    $_->signal('TERM') for reverse @started;
    $_->stop           for reverse @started;
    @started = ();
}

# For a process that forked before anything was started, and lives on instead of its parent.
sub owned_by_this_process { $owner = $$ }

sub describe_status {
    my ($status) = @_;
    return $status & 127 ? 'signal ' . ($status & 127) : 'exit ' . ($status >> 8);
}

END {
    if ($$ == $owner) {
        my $status = $?;
        eval { stop_all(); 1 } or print STDERR "# $@";
        $? = $status;
    }
}

1;
