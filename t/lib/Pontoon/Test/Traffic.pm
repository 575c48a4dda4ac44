# A steady stream of real messages (Pontoon::Test::Corpus) from one site to recipients at several, while a scenario changes
# things under it; then the audit: every recipient has every message once, with equal bytes.
package Pontoon::Test::Traffic;
use strict;
use warnings;
use Carp qw(croak);
use Time::HiRes qw(time sleep);
use Pontoon::Test::Corpus;
use Pontoon::Test::Proc;
use Pontoon::Test::Smtp;
use Pontoon::Test::Wait;

my $CLIENTS = 4;
my $FIELD   = 'X-Traffic';    # on top of every message: its number

# site: whose clients send; messages: how many; rate: messages a second; recipients => {address => site}; each message goes to
# one to three of them; seed: the same one makes the same messages.
sub start {
    my ($class, %o) = @_;
    my $self = bless {seed => int rand 1 << 30, corpus => [Pontoon::Test::Corpus::messages()], %o}, $class;
    $self->{plan} = [$self->plan];
    $self->{logs} = [map { $self->{site}->dir . "/traffic.$_" } 0 .. $CLIENTS - 1];
    my $begin = time;
    $self->{clients} = [
        map {
            my $n = $_;
            Pontoon::Test::Proc->fork_code("traffic $n", sub { $self->send_share($n, $begin) })
        } 0 .. $CLIENTS - 1
    ];
    return $self;
}

sub seed { $_[0]{seed} }

# Who gets which message: [index in the corpus, address…] by number.
sub plan {
    my ($self) = @_;
    srand $self->{seed};
    my @all = sort keys %{$self->{recipients}};
    return map {
        my @pool = @all;
        my @to   = map { splice @pool, int rand @pool, 1 } 1 .. 1 + int rand 3;
        [int rand @{$self->{corpus}}, @to];
    } 1 .. $self->{messages};
}

sub message {
    my ($self, $number) = @_;
    return "$FIELD: $number\r\n$self->{corpus}[$self->{plan}[$number][0]]";
}

sub send_share {
    my ($self, $client, $begin) = @_;
    open my $log, '>', $self->{logs}[$client] or die "$self->{logs}[$client]: $!";
    $log->autoflush;
    for (my $number = $client; $number < $self->{messages}; $number += $CLIENTS) {
        my $wait = $begin + $number / $self->{rate} - time;
        sleep $wait if $wait > 0 && !-e $self->hurry_file;
        my (undef, @to) = @{$self->{plan}[$number]};
        my $result = Pontoon::Test::Smtp->deliver($self->{site}->client_options,
            from => 'alice@' . $self->{site}->domain, to => \@to, message => $self->message($number), timeout => 120);
        die "message $number was refused: $result->{data}{text}\n" if $result->{code} != 250;
        print $log "$number\n";
    }
    return 0;
}

# How many the MTA has taken so far.
sub sent {
    my ($self) = @_;
    my $n = 0;
    for my $file (@{$self->{logs}}) {
        open my $fh, '<', $file or next;
        $n++ while <$fh>;
    }
    return $n;
}

sub wait_sent {
    my ($self, $n) = @_;
    wait_for("message $n to be taken", sub {
        croak 'a client of the traffic ended early' if grep { ($_->status // 0) != 0 } @{$self->{clients}};
        return $self->sent >= $n;
    }, 120);
}

# From now on as fast as the MTA takes them: for when nothing more is to be done meanwhile.
sub hurry {
    my ($self) = @_;
    open my $fh, '>', $self->hurry_file or croak $self->hurry_file . ": $!";
    close $fh;
}
sub hurry_file { $_[0]{site}->dir . '/traffic.hurry' }    # a signal would interrupt a client's reading

sub wait_all_sent {
    my ($self) = @_;
    $_->wait_end(300) == 0 or croak 'a client of the traffic failed' for @{$self->{clients}};
}

sub copies_expected {
    my ($self) = @_;
    my $n = 0;
    $n += @$_ - 1 for @{$self->{plan}};
    return $n;
}

sub copies_there {
    my ($self) = @_;
    my $n = 0;
    $n += $_->[0]->postfix->mailbox_files($_->[1]) for $self->mailboxes;
    return $n;
}

sub mailboxes {
    my ($self) = @_;
    return map { [$self->{recipients}{$_}, /^([^@]+)@/, $_] } sort keys %{$self->{recipients}};
}

sub wait_arrived {
    my ($self, $timeout) = @_;
    wait_for('every copy to arrive', sub { $self->copies_there >= $self->copies_expected }, $timeout // 120);
}

# {missing => [...], doubled => [...], altered => [...]}: "NUMBER ADDRESS" each.
sub audit {
    my ($self) = @_;
    my (%count, %bad);
    $bad{$_} = [] for qw(missing doubled altered);
    for my $box ($self->mailboxes) {
        my ($site, $user, $address) = @$box;
        for my $mail ($site->mailbox($user)) {
            my $number = $mail->header($FIELD) // 'without number';
            $count{"$number $address"}++;
            push @{$bad{altered}}, "$number $address (" . $mail->path . ')'
                if $number !~ /^\d+$/ || $number >= $self->{messages} || !$mail->carries($self->message($number));
        }
    }
    for my $number (0 .. $self->{messages} - 1) {
        my (undef, @to) = @{$self->{plan}[$number]};
        for my $key (map { "$number $_" } @to) {
            my $n = delete $count{$key} // 0;
            push @{$bad{missing}}, $key if !$n;
            push @{$bad{doubled}}, $key if $n > 1;
        }
    }
    push @{$bad{altered}}, map { "$_ (not sent to)" } sort keys %count;
    return \%bad;
}

1;
