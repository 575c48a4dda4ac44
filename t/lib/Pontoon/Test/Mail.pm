# Messages: made for a test, and as they lie in a Maildir. A delivered message is what was sent (with LF line ends)
# behind the headers that MTAs and pontoon prepend; nothing else may differ.
package Pontoon::Test::Mail;
use strict;
use warnings;
use Carp qw(croak);
use Digest::SHA;

my $TRACE   = qr/(?:Return-Path|X-Original-To|Delivered-To|Received):[^\n]*\n(?:[ \t][^\n]*\n)*/;
my $counter = 0;

# A small message with CRLF line ends: from, to, subject, body, id (Message-ID without brackets), headers (more of them).
sub plain {
    my ($class, %o) = @_;
    my $from = $o{from} // 'alice@a.test';
    my $to   = $o{to}   // 'bob@b.test';
    my $id   = $o{id}   // sprintf '%d.%d.%d@test', time, $$, ++$counter;
    my $body = $o{body} // "Hello.\r\n";
    return
          "From: <$from>\r\nTo: <$to>\r\nSubject: "
        . ($o{subject} // 'test')
        . "\r\nMessage-ID: <$id>\r\nDate: Tue, 24 Nov 2026 03:12:00 +0000\r\n"
        . ($o{headers} // '')
        . "\r\n$body";
}

sub from_file {
    my ($class, $path) = @_;
    return bless {path => $path}, $class;
}

sub path { $_[0]{path} }
sub size { -s $_[0]{path} }

sub text {
    my ($self) = @_;
    open my $fh, '<:raw', $self->{path} or croak "$self->{path}: $!";
    local $/;
    return scalar <$fh>;
}

# Headers on top that are not the sender's: (their number of bytes, then one string each).
sub trace {
    my ($self) = @_;
    open my $fh, '<:raw', $self->{path} or croak "$self->{path}: $!";
    read $fh, my $head, 65536;
    my @headers;
    push @headers, $1 while $head =~ /\G($TRACE)/gc;
    return (pos($head) // 0, @headers);
}

sub header {
    my ($self, $name) = @_;
    my ($head) = split /\n\n/, $self->text, 2;
    return $head =~ /^\Q$name\E:[ \t]*((?:[^\n]|\n[ \t])*)/mi ? $1 : undef;
}

sub lf { $_[0] =~ s/\r\n/\n/gr }

# Whether the end of the delivered message is these CRLF bytes, and all before it is trace headers.
sub carries {
    my ($self, $sent) = @_;
    my $text = $self->text;
    my $want = lf($sent);
    return if length $text < length $want || substr($text, length($text) - length $want) ne $want;
    return substr($text, 0, length($text) - length $want) =~ /\A(?:$TRACE)*\z/;
}

# The message without the trace headers on top. Takes those of the original too: for comparing two deliveries.
sub untraced {
    my ($self) = @_;
    my ($skip) = $self->trace;
    return substr $self->text, $skip;
}

# SHA-256 (hex) of the last `length` bytes of the file, in pieces: for what is too large to hold.
sub digest_of_end {
    my ($self, $length) = @_;
    open my $fh, '<:raw', $self->{path} or croak "$self->{path}: $!";
    my $start = (-s $fh) - $length;
    return 'shorter than that' if $start < 0;
    seek $fh, $start, 0;
    return Digest::SHA->new(256)->addfile($fh)->hexdigest;
}

1;
