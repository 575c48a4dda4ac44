# 200 MB cross the bridge; the peak memory of each daemon stays under 64 MiB. Sanitizers take memory of their own:
# PONTOON_PLAIN_BUILD names a build without them, if PONTOON_BUILD is one with.
BEGIN { $ENV{PONTOON_BUILD} = $ENV{PONTOON_PLAIN_BUILD} if $ENV{PONTOON_PLAIN_BUILD} }
use Pontoon::Test time => 600;
use Digest::SHA;

my $SIZE  = 200 * 1000 * 1000;
my $DATE  = 'Tue, 24 Nov 2026 03:12:00 +0000';
my $LIMIT = 64 * 1024;           # KiB
my ($world, $a, $b) = two_sites();

# Headers, then lines that differ, made as they go out; their digest and length as a Maildir has them, with LF.
my $digest = Digest::SHA->new(256);
my ($length, $stored, $line) = (0, 0, 0);

sub next_piece {
    return if $length >= $SIZE;
    my $piece = $length ? '' : "From: <alice\@a.test>\r\nSubject: large\r\nDate: $DATE\r\nMessage-ID: <large\@a.test>\r\n\r\n";
    $piece .= sprintf "%09d %s\r\n", ++$line, 'x' x ($line % 67) while length $piece < 65_000;
    my $lf = $piece =~ s/\r\n/\n/gr;
    $digest->add($lf);
    $length += length $piece;
    $stored += length $lf;
    return $piece;
}

my $sent = $a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => \&next_piece, timeout => 300);
is $sent->{attempts}, 1, sprintf 'A took %.1f MB', $length / 1e6;

my ($mail) = $b->wait_mail('bob', 1, 300);
is $mail->digest_of_end($stored), $digest->hexdigest, 'what lies at B has the same SHA-256';
my ($skip, @trace) = $mail->trace;
like join('', @trace), qr/pontoon/, 'over the bridge';
is $mail->size, $skip + $stored, 'with trace headers before it and nothing else';
$a->wait_settled(60);

my %peak = (
    'pontoon-milter at A' => $a->peak_memory('milter'),
    'pontoon-store at A'  => $a->peak_memory('store'),
    'pontoon-bridge at B' => $b->peak_memory('bridge'),
);
my $sanitized = `ldd $ENV{PONTOON_BUILD}/pontoon-store` =~ /lib[at]san/;
for my $daemon (sort keys %peak) {
    diag sprintf '%-20s peak RSS %5.1f MiB', $daemon, $peak{$daemon} / 1024;
  SKIP: {
        skip 'sanitizers take memory of their own', 1 if $sanitized;
        cmp_ok $peak{$daemon}, '<', $LIMIT, "$daemon stays under 64 MiB";
    }
}
$world->nothing_broke;
done_testing;
