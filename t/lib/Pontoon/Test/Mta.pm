# The mail server of a test's site, as far as all of them are alike: its directory, its listeners (`smtp` for clients and other
# sites, `return` where pontoon-store hands mail back, `inject` where pontoon-bridge delivers), log and Maildirs. Postfix and
# Sendmail are made of it: each adds prepare, start, reload, set_access, set_aliases, submit_command, queue, relayed and bounced.
package Pontoon::Test::Mta;
use strict;
use warnings;
use Carp qw(croak);
use IO::Socket::INET;
use Time::HiRes ();
use Pontoon::Test::Mail;
use Pontoon::Test::Wait;

# world, name, domain, hostname, address, users => [...], program (names the directory).
sub new {
    my ($class, %o) = @_;
    my $world = $o{world};
    my $self  = bless {%o, dir => $world->mkdir("$o{name}/$o{program}")}, $class;
    mkdir "$self->{dir}/etc" or croak "$self->{dir}/etc: $!";
    $self->{mail} = $world->mkdir("$o{name}/mail", 'nobody');
    $self->{log}  = "$world->{dir}/$o{name}/mail.log";
    $self->{port}{$_} = $world->port($o{address}) for qw(smtp return inject);
    return $self;
}

sub endpoint { "$_[0]{address}:$_[0]{port}{$_[1]}" }

# A file of its configuration.
sub write {
    my ($self, $name, $text) = @_;
    open my $fh, '>', "$self->{dir}/etc/$name.new" or croak "$name: $!";
    print $fh $text;
    close $fh or croak "$name: $!";
    utime time - 60, time - 60, "$self->{dir}/etc/$name.new";    # Postfix waits until main.cf is some seconds old
    rename "$self->{dir}/etc/$name.new", "$self->{dir}/etc/$name" or croak "$name: $!";
}

sub wait_ready {
    my ($self) = @_;
    for my $listener (sort keys %{$self->{port}}) {
        wait_for("the $self->{program} of $self->{name} to listen ($listener)", sub {
            $self->{proc}->alive or croak "the $self->{program} of $self->{name} ended: see $self->{log}";
            return IO::Socket::INET->new($self->endpoint($listener));
        });
    }
}

sub stop { $_[0]{proc}->stop }

sub log_after {
    my ($self, $offset) = @_;
    open my $fh, '<', $self->{log} or return '';
    seek $fh, $offset // 0, 0;
    local $/;
    return <$fh> // '';
}

# sendmail(1): from, to => [...], message with LF line ends.
sub submit {
    my ($self, $from, $to, $message) = @_;
    open my $pipe, '|-', $self->submit_command, '-i', '-f', $from, @$to or croak "sendmail: $!";
    print $pipe $message;
    close $pipe or croak "sendmail: exit $?";
}

# Files of the Maildir of one user, oldest first.
sub mailbox_files {
    my ($self, $user) = @_;
    my @files = glob "$self->{mail}/$user/new/*";
    my %mtime = map { $_ => (Time::HiRes::stat($_))[9] } @files;
    @files = sort { $mtime{$a} <=> $mtime{$b} || $a cmp $b } @files;
    return @files;
}

# The messages in it: see Mail.
sub mailbox {
    my ($self, $user) = @_;
    return map { Pontoon::Test::Mail->from_file($_) } $self->mailbox_files($user);
}

1;
