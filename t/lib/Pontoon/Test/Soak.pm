# A soak: random mail between all sites of a world, and what became of it, message by message. All that is random comes from one
# seed; only the machine's own timing does not repeat.
package Pontoon::Test::Soak;
use strict;
use warnings;
use Carp qw(croak);
use Time::HiRes qw(time sleep);
use Pontoon::Test::Mail;
use Pontoon::Test::Proc;
use Pontoon::Test::Smtp;
use Pontoon::Test::Wait;

my $FIELD   = 'X-Soak';
my $CLIENTS = 2;                                  # a site
my @USERS   = qw(alice bob carol dave nobody);    # carol is not migrated, dave's are looked at by shadows, nobody is not there
my @SIZES   = (200, 900, 3_000, 20_000, 120_000, 600_000);

# world, sites => those with pontoon, outside => those without; seconds of traffic; rate: messages a second in all.
sub new {
    my ($class, %o) = @_;
    my $self = bless {%o}, $class;
    for my $n (0 .. $o{seconds} * $o{rate} - 1) {
        push @{$self->{plan}}, $self->draw(sprintf('m%05d', $n), $n / $o{rate});
    }
    return $self;
}

sub draw {
    my ($self, $key, $at) = @_;
    my $from = $self->{sites}[rand @{$self->{sites}}];
    my @all  = map { my $s = $_; map { "$_\@" . $s->domain } @USERS } grep { $_ != $from } @{$self->{sites}}, @{$self->{outside}};
    my @to   = map { splice @all, int rand @all, 1 } 1 .. 1 + int rand(rand 8);
    my %m    = (key => $key, at => $at, from => $from, to => \@to, size => int $SIZES[rand @SIZES] * (0.5 + rand), kind => int rand 5);
    $m{never} = 1 if rand() < 0.2;
    return \%m;
}

# Its bytes; nothing of them is kept.
sub message {
    my ($m) = @_;
    my $line = (
        "line of $m->{key}\r\n",
        ".leading dots of $m->{key}\r\n",
        "\xe4\xf6\xfc, eight bits, $m->{key}\r\n",
        "x" x 900 . " $m->{key}\r\n",
        "\r\n..\r\n $m->{key} \t \r\n"
    )[$m->{kind}];
    return "$FIELD: $m->{key}\r\n"
        . Pontoon::Test::Mail->plain(
        from    => 'alice@' . $m->{from}->domain,
        subject => "soak $m->{key}",
        id      => "$m->{key}\@soak.test",
        body    => $line x (1 + $m->{size} / length $line)
        );
}

# ---- traffic ----

sub start {
    my ($self) = @_;
    $self->{begin} = time;
    for my $site (@{$self->{sites}}) {
        my @mine = grep { $_->{from} == $site } @{$self->{plan}};
        for my $n (0 .. $CLIENTS - 1) {
            my @share = @mine[grep { $_ % $CLIENTS == $n } 0 .. $#mine];
            push @{$self->{clients}}, Pontoon::Test::Proc->fork_code("client $n of $site->{name}", sub { $self->send_all($site, $n, @share) });
        }
    }
}

# Notes of each message when the site's MTA took it, and with which attempt.
sub send_all {
    my ($self, $site, $n, @messages) = @_;
    open my $log, '>', $site->dir . "/soak.$n" or die $!;
    $log->autoflush;
    for my $m (@messages) {
        my $wait = $self->{begin} + $m->{at} - time;
        sleep $wait if $wait > 0;
        my $result = Pontoon::Test::Smtp->deliver(
            $site->client_options,
            from    => 'alice@' . $site->domain,
            to      => $m->{to},
            mail    => 'BODY=8BITMIME',
            rcpt    => {map { $_ => $m->{never} ? 'NOTIFY=NEVER' : 'NOTIFY=FAILURE' } @{$m->{to}}},
            message => message($m),
            timeout => 200
        );
        die "$m->{key} was refused: $result->{data}{text}\n" if $result->{code} != 250;
        printf $log "%s %.2f %d\n", $m->{key}, time - $self->{begin}, $result->{attempts};
    }
    return 0;
}

# Waits until the clients are done; true if all got rid of all.
sub finish {
    my ($self, $patience) = @_;
    my $failed = grep { $_->wait_end($patience) } @{$self->{clients}};
    for my $file (map { glob $_->dir . '/soak.*' } @{$self->{sites}}) {
        open my $fh, '<', $file or croak "$file: $!";
        while (<$fh>) {
            my ($key, $when, $attempts) = split;
            $self->{taken}{$key} = {when => $when, attempts => $attempts};
        }
    }
    return !$failed;
}

# Nothing is under way at any site, or the time is over.
sub settle {
    my ($self, $patience) = @_;
    return wait_until(sub {
        for my $site (@{$self->{sites}}) {
            if ($site->postfix->queue) {
                $site->postfix->flush;
                sleep 0.5;
                return 0;
            }
            my $status = $site->pontoon_json('status');
            return 0 if $status->{store}{messages} || $status->{bridge}{jobs};
        }
        return !grep { $_->postfix->queue } @{$self->{outside}};
    }, $patience);
}

# ---- the audit ----

# {"KEY USER@DOMAIN" => number of copies}, those whose bytes differ; a DSN counts as "KEY dsn".
sub arrived {
    my ($self) = @_;
    my %by_key = map { $_->{key} => $_ } @{$self->{plan}};
    my (%copies, @bad);
    for my $site (@{$self->{sites}}, @{$self->{outside}}) {
        for my $user (qw(alice bob carol dave)) {
            for my $mail ($site->mailbox($user)) {
                my ($key) = $mail->text =~ /^$FIELD: (\S+)/m;
                my $m = $by_key{$key // ''};
                if (!$m) {
                    push @bad, 'unknown mail ' . $mail->path;
                } elsif ($m->{from} == $site) {
                    $copies{"$key dsn"}++;
                } else {
                    $copies{"$key $user\@" . $site->domain}++;
                    push @bad, "$key for $user\@$site->{domain} is altered: " . $mail->path if !$mail->carries(message($m));
                }
            }
        }
    }
    return (\%copies, \@bad);
}

# Faults, one line each. $may_repeat->(message, recipient): whether a named window was open for it. How many repeats: {repeats}.
sub audit {
    my ($self, $may_repeat) = @_;
    my ($copies, $bad) = $self->arrived;
    my @faults = @$bad;
    for my $m (grep { $self->{taken}{$_->{key}} } @{$self->{plan}}) {
        for my $to (@{$m->{to}}) {
            next if $to =~ /^nobody@/;
            push @faults, $self->judge($m, $to, delete $copies->{"$m->{key} $to"} // 0, $may_repeat);
        }
        my $dsns   = delete $copies->{"$m->{key} dsn"} // 0;
        my $nobody = grep { /^nobody@/ } @{$m->{to}};
        push @faults, "$m->{key}: no DSN about nobody" if $nobody && !$m->{never} && !$dsns;
        push @faults, "$m->{key}: $dsns DSNs where none is due" if (!$nobody || $m->{never}) && $dsns;
        push @faults, "$m->{key}: $dsns DSNs about $nobody" if $nobody && $dsns > $nobody && !$may_repeat->($m, 'nobody');
        $self->{deliveries} += @{$m->{to}} - $nobody;
    }
    for my $what (sort keys %$copies) {    # of a message that no client was told of: it may be there, but once
        push @faults, "$what is there $copies->{$what} times, and was never answered 250" if $copies->{$what} > 1;
    }
    return @faults;
}

sub judge {
    my ($self, $m, $to, $n, $may_repeat) = @_;
    return if $n == 1;
    return $self->story($m, $to, 'is lost') if $n == 0;
    my $window = $may_repeat->($m, $to) // return $self->story($m, $to, "is there $n times");
    $self->{repeats}{$window} += $n - 1;
    return $n > 2 ? $self->story($m, $to, "is there $n times") : ();
}

sub story {
    my ($self, $m, $to, $what) = @_;
    my $taken = $self->{taken}{$m->{key}};
    return sprintf '%s for %s %s (%d bytes, from %s, taken at %.2f s, attempt %d)', $m->{key}, $to, $what, $m->{size},
        $m->{from}{name}, $taken->{when}, $taken->{attempts};
}

1;
