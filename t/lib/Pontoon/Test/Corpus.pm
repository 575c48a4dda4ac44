# Real messages of the world, from Debian packages that carry them as test data: bounces of many systems, and MIME as it really
# comes. As a client would send them: CRLF, without an mbox "From " line, and without the fields that MTAs drop.
package Pontoon::Test::Corpus;
use strict;
use warnings;
use Carp qw(croak);

my @SOURCES = (
    '/usr/lib/python3/dist-packages/flufl/bounce/tests/data/*.txt',                     # python3-flufl.bounce
    '/usr/share/gocode/src/github.com/jhillyerd/enmime/testdata/mail/*',                # golang-github-jhillyerd-enmime-dev
    '/usr/share/gocode/src/github.com/jhillyerd/enmime/testdata/low-quality/*',
);
my $DROPPED = qr/^(?:Return-Path|Bcc|Resent-Bcc|Content-Length):[^\n]*\n(?:[ \t][^\n]*\n)*/mi;    # as Postfix does
my $MAX     = 1_000_000;

# All that SMTP carries unchanged: no NUL, no bare CR, no line over 998 bytes. CORPUS in the environment names a folder with more of them
# (t/corpus/collect makes one).
sub messages {
    my (@list, %seen);
    for my $file (sort map { glob } @SOURCES, defined $ENV{CORPUS} ? "$ENV{CORPUS}/*" : ()) {
        next if !-f $file || -s _ > $MAX || !-s _;
        open my $fh, '<:raw', $file or croak "$file: $!";
        my $text = do { local $/; <$fh> };
        my $message = clean($text) // next;
        push @list, $message if !$seen{$message}++;
    }
    croak 'no real messages: python3-flufl.bounce and golang-github-jhillyerd-enmime-dev are not installed' if @list < 100;
    return @list;
}

sub clean {
    my ($text) = @_;
    $text =~ s/\r\n/\n/g;
    return if $text =~ /[\0\r]/ || $text =~ /[^\n]{990}/;
    $text =~ s/\AFrom [^\n]*\n//;
    $text .= "\n" if $text !~ /\n\z/;
    my ($head, $body) = $text =~ /\A((?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*)+)(\n.*)?\z/s or return;    # what MTAs take for a header
    $head =~ s/$DROPPED//g;
    return if $head eq '';
    return ($head . ($body // "\n")) =~ s/\n/\r\n/gr;
}

1;
