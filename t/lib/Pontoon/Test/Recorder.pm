# An SMTP server that takes everything and writes down what it was told: for what real MTAs take but don't show, such as DSN
# parameters (RFC 3461). Offers SIZE, 8BITMIME, SMTPUTF8 and DSN.
package Pontoon::Test::Recorder;
use strict;
use warnings;
use Carp qw(croak);
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Time::HiRes ();
use Pontoon::Test::Proc;

my $json = JSON::PP->new->canonical->latin1;

# address, port, dir: where each transaction becomes a file.
sub start {
    my ($class, %o) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => $o{address}, LocalPort => $o{port}, Listen => 64, ReuseAddr => 1)
        or croak "listen on $o{address}:$o{port}: $!";
    my $proc = Pontoon::Test::Proc->fork_code('smtp recorder', sub {
        local $SIG{CHLD} = 'IGNORE';
        for (;;) {
            my $client = $listener->accept or next;
            if (!(fork // next)) {
                eval { converse($client, $o{dir}) };
                POSIX::_exit(0);
            }
            close $client;
        }
    });
    close $listener;
    return bless {proc => $proc, %o}, $class;
}

sub endpoint { "$_[0]{address}:$_[0]{port}" }

sub converse {
    my ($client, $dir) = @_;
    my ($count, %mail) = (0);
    my $say = sub { print $client join("\r\n", @_), "\r\n" };
    $client->autoflush;
    $say->('220 recorder.test ESMTP');
    while (defined(my $line = <$client>)) {
        $line =~ s/\r?\n\z//;
        if ($line =~ /^EHLO/i) {
            $say->('250-recorder.test', '250-PIPELINING', '250-SIZE 0', '250-8BITMIME', '250-SMTPUTF8', '250 DSN');
        } elsif ($line =~ /^MAIL FROM:(.*)/i) {
            %mail = (mail => $1, rcpts => []);
            $say->('250 2.1.0 ok');
        } elsif ($line =~ /^RCPT TO:(.*)/i) {
            push @{$mail{rcpts}}, $1;
            $say->('250 2.1.5 ok');
        } elsif ($line =~ /^DATA/i) {
            $say->('354 go');
            $mail{content} = content($client) // return;
            write_file("$dir/$$." . ++$count, $json->encode(\%mail));
            $say->('250 2.0.0 recorded');
        } elsif ($line =~ /^QUIT/i) {
            return $say->('221 2.0.0 bye');
        } else {
            $say->('250 2.0.0 ok');
        }
    }
}

sub content {
    my ($client) = @_;
    my $content = '';
    while (defined(my $line = <$client>)) {
        return $content if $line eq ".\r\n";
        $line =~ s/^\.//;
        $content .= $line;
    }
    return;
}

sub write_file {
    my ($path, $text) = @_;
    open my $fh, '>:raw', "$path.new" or die "$path: $!";
    print $fh $text;
    close $fh or die "$path: $!";
    rename "$path.new", $path or die "$path: $!";
}

# The transactions that have this recipient (without brackets): ({mail, rcpts => [...], content, when}, …).
sub mails {
    my ($self, $address) = @_;
    my @found;
    for my $file (grep { !/\.new$/ } glob "$self->{dir}/*") {
        open my $fh, '<:raw', $file or next;
        my $mail = $json->decode(do { local $/; <$fh> });
        $mail->{when} = (Time::HiRes::stat($fh))[9];
        push @found, $mail if grep { /^<\Q$address\E>/i } @{$mail->{rcpts}};
    }
    return @found;
}

1;
