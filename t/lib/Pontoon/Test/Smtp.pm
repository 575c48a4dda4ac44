# An SMTP client for tests: sends exactly the bytes it is told to, streams what is too large to hold, and
# (deliver) tries again as a real client does when it gets a 4xx or loses the connection.
package Pontoon::Test::Smtp;
use strict;
use warnings;
use Carp qw(croak);
use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time sleep);

my $PATIENCE = 90;    # seconds for a reply: Postfix answers a 200 MB message only when it is on disk

# endpoint => "ADDRESS:PORT"; optional: source => address to connect from, helo, ehlo => 0 (say nothing yet).
# Returns undef when nobody listens.
sub new {
    my ($class, %o) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => $o{endpoint}, LocalAddr => $o{source}, Timeout => 10) or return;
    binmode $socket;
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    my $self = bless {socket => $socket, in => '', keywords => {}}, $class;
    $self->{greeting} = $self->reply;
    $self->ehlo($o{helo} // 'client.test') if $o{ehlo} // 1;
    return $self;
}

sub ehlo {
    my ($self, $name) = @_;
    my $reply = $self->command("EHLO $name");
    $self->{keywords} = {map { /^(\S+)\s*(.*)/ ? (uc $1 => $2) : () } split /\n/, $reply->{text}};
    return $reply;
}

sub offers { exists $_[0]{keywords}{$_[1]} }

sub write {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    for (my $done = 0; $done < length $bytes;) {
        my $n = syswrite $self->{socket}, $bytes, length($bytes) - $done, $done;
        return unless defined $n;
        $done += $n;
    }
    return 1;
}

# One reply: {code, text (lines joined by newlines)}. Code 0: the connection is gone.
sub reply {
    my ($self) = @_;
    my @lines;
    for (;;) {
        while ($self->{in} =~ s/^([^\n]*?)\r?\n//) {
            my $line = $1;
            $line =~ /^(\d{3})([ -]?)(.*)/s or croak "no SMTP reply: $line";
            push @lines, $3;
            return {code => $1, text => join "\n", @lines} if $2 ne '-';
        }
        IO::Select->new($self->{socket})->can_read($PATIENCE) or croak "no SMTP reply in $PATIENCE s";
        sysread($self->{socket}, $self->{in}, 65536, length $self->{in})
            or return {code => 0, text => 'connection lost'};
    }
}

sub command {
    my ($self, $line) = @_;
    $self->write("$line\r\n");
    return $self->reply;
}

# One transaction: from, to => [...]; message => bytes with CRLF, or code that returns the next piece (of whole lines)
# and undef at the end; optional: mail => "BODY=8BITMIME …", rcpt => {address => "NOTIFY=NEVER …"}, raw => 1 (the
# message goes out as it is, with the final dot in it). Returns {mail, rcpt => {address => reply}, data, code, queue_id}:
# `code` is what decided, `queue_id` what the MTA said in its 250.
sub send {
    my ($self, %o) = @_;
    my %result = (rcpt => {}, code => 0);
    $result{mail} = $self->command("MAIL FROM:<$o{from}>" . (defined $o{mail} ? " $o{mail}" : ''));
    return $self->refused(\%result, $result{mail}) if $result{mail}{code} != 250;
    my $last;
    for my $to (@{$o{to}}) {
        my $params = $o{rcpt}{$to};
        $last = $result{rcpt}{$to} = $self->command("RCPT TO:<$to>" . (defined $params ? " $params" : ''));
    }
    return $self->refused(\%result, $last) unless grep { $_->{code} == 250 } values %{$result{rcpt}};
    my $go = $result{data} = $self->command('DATA');
    return $self->refused(\%result, $go) if $go->{code} != 354;
    $self->content(@o{qw(message raw)});
    my $final = $result{data} = $self->reply;
    $result{code} = $final->{code};
    $result{queue_id} = $final->{text} =~ /queued as (\S+)|(\S+) Message accepted/ ? $1 // $2 : undef;
    return \%result;
}

sub refused {
    my ($self, $result, $reply) = @_;
    @$result{qw(code data)} = ($reply->{code}, $reply);
    $self->command('RSET') if $reply->{code};
    return $result;
}

sub content {
    my ($self, $message, $raw) = @_;
    return $self->write($message) if $raw;
    my $next = ref $message ? $message : do { my @once = $message; sub { shift @once } };
    my $end = "\r\n";    # of the last piece
    while (defined(my $piece = $next->())) {
        next if $piece eq '';
        $end = substr $piece, -2;
        $piece =~ s/(^|\r\n)\./$1../g;
        $self->write($piece) or return;
    }
    $self->write(($end eq "\r\n" ? '' : "\r\n") . ".\r\n");
}

sub quit {
    my ($self) = @_;
    my $reply = $self->command('QUIT');
    close $self->{socket};
    return $reply;
}

sub close_now { close $_[0]{socket} }

# A message's way to a 2xx or 5xx, with new connections as often as it takes: a class method with the arguments of
# new() and send(), and timeout => seconds. Returns what send() returned last, with `attempts`.
sub deliver {
    my ($class, %o) = @_;
    my $deadline = time + ($o{timeout} // 60);
    for (my $attempts = 1;; $attempts++) {
        my $smtp   = $class->new(%o);
        my $result = $smtp && $smtp->{greeting}{code} == 220 ? $smtp->send(%o) : {code => 0};
        $smtp->close_now if $smtp;
        $result->{attempts} = $attempts;
        return $result if $result->{code} =~ /^[25]/;
        croak "not taken within $o{timeout} s: " . ($result->{data}{text} // 'no connection') if time > $deadline;
        sleep 0.2;
    }
}

1;
