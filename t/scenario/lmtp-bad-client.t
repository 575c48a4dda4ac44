# Clients that pontoon-lmtp must survive: wrong order, lines that are too long or never end, silence, too many recipients, too many of
# them, line ends that try to end a message early. None does any harm to another, and nothing of theirs becomes mail by mistake.
use Pontoon::Test time => 120;
use IO::Select;
use IO::Socket::UNIX;
use Time::HiRes qw(time);

my ($world, $a, $b) = two_sites(
    a => {lmtp => 1, config => {'lmtp.timeout' => '2s', 'lmtp.connections' => 8, 'lmtp.max-size' => '1M', 'lmtp.max-recipients' => 100}});

sub client {
    my $socket = IO::Socket::UNIX->new(Peer => $a->dir . '/lmtp.sock') or die "lmtp.sock: $!";
    return {socket => $socket, in => ''};
}

# Everything that comes until nothing does for a while, or until the pattern is there, or the end.
sub hear {
    my ($c, $until) = @_;
    my $deadline = time + 15;
    while (time < $deadline && $c->{in} !~ $until) {
        IO::Select->new($c->{socket})->can_read(0.1) or next;
        sysread($c->{socket}, $c->{in}, 65536, length $c->{in}) or last;
    }
    my $heard = $c->{in};
    $c->{in} = '';
    return $heard;
}

sub say_it {
    my ($c, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    for (my $done = 0; $done < length $bytes;) {
        my $n = syswrite $c->{socket}, $bytes, 65536, $done;
        return unless defined $n;
        $done += $n;
    }
}

my $END = qr/^\d{3} .*\r\n\z/m;
sub ask { my ($c, $line, $until) = @_; say_it($c, "$line\r\n"); return hear($c, $until // $END) }

sub greeted {
    my $c = client();
    hear($c, $END);
    ask($c, 'LHLO bad.test', qr/^250 /m);
    return $c;
}

sub in_data {
    my $c = greeted();
    ask($c, $_) for 'MAIL FROM:<alice@a.test>', 'RCPT TO:<bob@b.test>', 'DATA';
    return $c;
}

# Order.
my $c = client();
like hear($c, $END), qr/^220 mx\.a\.test LMTP/, 'a greeting';
like ask($c, 'MAIL FROM:<a@a.test>'), qr/^503 5\.5\.1/, 'MAIL before LHLO';
like ask($c, 'EHLO x'), qr/^500 5\.5\.1/, 'EHLO';
like ask($c, 'LHLO x', qr/^250 /m), qr/^250-PIPELINING\r\n/m, 'LHLO';
like ask($c, 'DATA'), qr/^503 5\.5\.1/, 'DATA without recipients';
say_it($c, "MAIL FROM:<alice\@a.test>\r\nRCPT TO:<nobody>\r\nRCPT TO:bob\r\nDATA\r\n");
like hear($c, qr/^354 /m), qr/^250 .*\r\n250 .*\r\n501 .*\r\n354 /, 'a group of commands is answered in order';
close $c->{socket};

# Lines.
$c = greeted();
like ask($c, 'NOOP ' . 'x' x 5000), qr/^500 5\.5\.6 Line too long\r\n\z/, 'a long line';
like ask($c, 'NOOP ' . 'x' x 500_000), qr/^500 5\.5\.6 Line too long\r\n\z/, 'a very long one, refused once';
like ask($c, 'NOOP'), qr/^250 /, 'and then it goes on';
say_it($c, 'x' x 3_000_000);
like hear($c, qr/^421 /m), qr/^421 4\.7\.0/, 'a line that does not end';
$c = greeted();
say_it($c, "NOOP\nMAIL FROM:<a\@a.test>\r\n");
like hear($c, qr/^521 /m), qr/^521 5\.5\.2/, 'a command that ends in LF alone ends the session';
$c = greeted();
my $errors = '';
$errors .= ask($c, 'NONSENSE') for 1 .. 20;
like $errors, qr/^421 4\.7\.0 Too many errors/m, 'too many errors';

# Who talks on behind DATA without waiting.
$c = greeted();
ask($c, $_) for 'MAIL FROM:<alice@a.test>', 'RCPT TO:<bob@b.test>';
say_it($c, "DATA\r\nSubject: pipelined\r\n\r\nx\r\n.\r\n");
like hear($c, qr/^521 /m), qr/^521 5\.5\.1 Improper command pipelining\r\n\z/, 'content before the 354';

# Recipients.
$c = greeted();
ask($c, 'MAIL FROM:<alice@a.test>');
my %codes;
$codes{substr ask($c, "RCPT TO:<user$_\@b.test>"), 0, 3}++ for 1 .. 105;
is_deeply \%codes, {250 => 100, 452 => 5}, 'no more recipients than max-recipients';
close $c->{socket};

# Ends that are none. What is behind them stays content, so that nobody sends a second message in the first.
my $smuggled = "MAIL FROM:<alice\@a.test>\r\nRCPT TO:<carol\@b.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n";
for my $end ("\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r\n\0.\r\n", "\r.\r\n") {
    my $name = $end =~ s/\r/<CR>/gr =~ s/\n/<LF>/gr =~ s/\0/<NUL>/gr;
    $c = in_data();
    say_it($c, "Subject: harmless\r\n\r\nx$end$smuggled.\r\n");
    my $answer = hear($c, $END);
    is scalar(() = $answer =~ /^\d{3} /mg), 1, "$name does not end a message";
    like $answer, $end =~ /(?<!\r)\n/ ? qr/^554 5\.6\.0/ : qr/^250 2\.0\.0/, "$name: " . substr $answer, 0, 9;
    close $c->{socket};
}

# Size, and a client that leaves in the middle.
$c = greeted();
like ask($c, 'MAIL FROM:<alice@a.test> SIZE=1048577'), qr/^552 5\.3\.4/, 'a declared size above max-size';
close $c->{socket};
$c = in_data();
say_it($c, "Subject: large\r\n\r\n" . ('x' x 70 . "\r\n") x 20_000 . ".\r\n");
like hear($c, $END), qr/^552 5\.3\.4/, 'a message above max-size';
like ask($c, 'NOOP'), qr/^250 /, 'was read to its end';
$c = in_data();
say_it($c, "Subject: half\r\n\r\nhalf a mess");
close $c->{socket};

# Silence, in each place.
my @silent = (client(), greeted(), in_data());
like hear($_, qr/^421 /m), qr/^421 4\.4\.2 Timeout/m, 'silence is not waited for' for @silent;
my $slow = client();
my $heard = '';
for (1 .. 60) {    # a byte now and then does not buy more time
    say_it($slow, 'x');
    $heard = hear($slow, qr/^421/m) if IO::Select->new($slow->{socket})->can_read(0.1);
    last if $heard =~ /^421/m;
}
like $heard, qr/^421 4\.4\.2/m, 'nor a line that comes byte by byte';

# Too many at one time.
my @many = map { greeted() } 1 .. 8;
my $ninth = client();
like hear($ninth, $END), qr/^421 4\.7\.0 Too many connections/, 'no more connections than allowed';
close $_->{socket} for @many;

# A client that doesn't hear our answer comes again: known by its bytes, without a Message-ID, and stored once.
my $again = "Received: from x by mx.a.test (Test) with ESMTP id 4ABCDEF\r\n\tfor <dave\@b.test>; Tue, 24 Nov 2026 10:00:00 +0000\r\nSubject: again\r\n\r\nx\r\n.\r\n";
for my $round (1, 2) {
    wait_for('a free place', sub { $c = client(); hear($c, $END) =~ /^220/ });
    ask($c, 'LHLO bad.test', qr/^250 /m);
    ask($c, $_) for 'MAIL FROM:<alice@a.test>', 'RCPT TO:<alice@b.test>', 'RCPT TO:<ALICE@b.test>', 'DATA';
    say_it($c, $again);
    my $answer = hear($c, qr/^\d{3} .*\r\n\d{3} .*\r\n\z/m);
    is scalar(() = $answer =~ /^250 2\.0\.0/mg), 2, 'an answer for each RCPT, also of one address';
    like $answer, $round == 1 ? qr/Stored, pontoon=/ : qr/Taken before, pontoon=/, $round == 1 ? 'stored' : 'taken before';
    close $c->{socket};
}

# And now somebody decent.
wait_for('a free place', sub { my $c = client(); my $ok = hear($c, $END) =~ /^220/; close $c->{socket}; $ok });
$a->submit(from => 'alice@a.test', to => ['dave@b.test'], message => Pontoon::Test::Mail->plain(subject => 'decent'));
my ($mail) = $b->wait_mail('dave', 1);
is $mail->header('Subject'), 'decent', 'an honest message arrives';
$a->wait_settled;
is scalar($b->mailbox('alice')), 1, 'what came twice arrived once';
is scalar($b->mailbox('carol')), 0, 'nothing was smuggled';
is_deeply [grep { $_->header('Subject') ne 'harmless' } $b->mailbox('bob')], [], 'and no half or refused message arrived';
is scalar($b->mailbox('bob')), 4, 'only those that were answered 250';

# SIGTERM: who is between messages is told, who is within one comes to the end of it.
my $idle = greeted();
$c = in_data();
say_it($c, "Subject: last\r\n\r\n");
$a->daemon('lmtp')->signal('TERM');
like hear($idle, qr/^421 /m), qr/^421 4\.3\.2/, 'SIGTERM: 421 for who is between messages';
say_it($c, "the end\r\n.\r\n");
like hear($c, $END), qr/^250 2\.0\.0/, 'and the end for who is within one';
is $a->stop('lmtp'), 0, 'an orderly end';
$b->wait_mail('bob', 5);
$a->wait_settled;
$world->nothing_broke;
done_testing;
