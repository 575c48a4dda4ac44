# The second half of ./quickstart: two sites, one message from one to the other, its trace, and the proof that the bytes
# are equal. Exits 0 only then.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use MIME::Base64 qw(encode_base64 decode_base64);
use POSIX qw(setsid strftime);
use Time::HiRes qw(time);
use Pontoon::Test::Mail;
use Pontoon::Test::Wait;
use Pontoon::Test::World;

$| = 1;
my $stay  = grep { $_ eq '--stay' } @ARGV;
my $begin = time;

if ($stay) {
    leave_in_background();
} else {
    my ($world, $a, $b) = build_sites();
    cross($a, $b);
    say_it('Done: everything is stopped and removed again; ./quickstart --stay leaves it running');
}

sub say_it { printf "==> [%5.2f s] %s\n", time - $begin, join '', @_ }

sub build_sites {
    my $world = Pontoon::Test::World->new;
    say_it("A test CA and a DNS server for \"test.\", in ", $world->dir);
    my $a = $world->site('a');
    my $b = $world->site('b');
    say_it('Starting sites a.test and b.test: each a Postfix, pontoon-milter, pontoon-store, pontoon-bridge and Maildirs');
    $world->start;
    printf "    %-7s %-15s SMTP port %s, policy and store %s, bridge %s\n", $_->domain, $_->address,
        $_->postfix->{port}{smtp}, $_->outbound, $_->inbound
        for $a, $b;
    return ($world, $a, $b);
}

# A letter with an attachment: the licence, in base64.
sub letter {
    my $licence  = read_file(dirname(__FILE__) . '/../../COPYING');
    my $boundary = 'pontoon-quickstart';
    my $text     = <<"END";
From: Alice <alice\@a.test>
To: Bob <bob\@b.test>
Subject: Over the bridge
Date: @{[strftime('%a, %d %b %Y %H:%M:%S +0000', gmtime)]}
Message-ID: <quickstart.$$\@a.test>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="$boundary"

--$boundary
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Dear Bob,

this stayed in my store until your site fetched it. Sch\xc3\xb6ne Gr\xc3\xbc\xc3\x9fe,
Alice
.
--$boundary
Content-Type: application/octet-stream; name="COPYING"
Content-Disposition: attachment; filename="COPYING"
Content-Transfer-Encoding: base64

@{[encode_base64($licence)]}--$boundary--
END
    return ($text =~ s/\n/\r\n/gr, $licence);
}

sub read_file {
    my ($path) = @_;
    open my $fh, '<:raw', $path or die "$path: $!\n";
    local $/;
    return scalar <$fh>;
}

sub cross {
    my ($a, $b) = @_;
    my ($message, $attachment) = letter();
    say_it('alice@a.test sends bob@b.test a letter with an attachment: SMTP to the Postfix of a.test');
    my $submitted = time;
    my $sent = $a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $message, mail => 'BODY=8BITMIME');
    printf "    %s\n", $sent->{data}{text};
    my ($mail) = $b->wait_mail('bob', 1);
    say_it(sprintf "It lies in bob's Maildir, %.0f ms after the first byte was submitted:", 1000 * (time - $submitted));
    printf "    %s\n", $mail->path;
    $a->wait_settled;
    say_it("The trace, from both sites: pontoon -c @{[$a->conf]} -c @{[$b->conf]} trace $sent->{queue_id}");
    my $id = $a->trace($sent->{queue_id})->[0]{id};
    wait_for('both traces to be written', sub { grep { $_->{event} eq 'delivered' } map { @{$_->{hops}} } @{$b->trace($id)} });
    print $a->pontoon('-c', $b->conf, 'trace', $sent->{queue_id}) =~ s/^(?=.)/    /gmr;
    prove_equal($message, $attachment, $mail);
}

# The proof, by digests: of all that was sent (with the line ends of a Maildir), and of the attachment.
sub prove_equal {
    my ($message, $attachment, $mail) = @_;
    my ($trace) = $mail->trace;
    my $arrived = substr $mail->text, $trace;
    my ($base64) = $arrived =~ /filename="COPYING"\n.*?\n\n(.*?)--/s;
    my @digests = (
        ['the message as sent',               sha256_hex($message =~ s/\r\n/\n/gr)],
        ['the message as it lies at b.test',  sha256_hex($arrived)],
        ['the attachment as sent',            sha256_hex($attachment)],
        ['the attachment as it lies there',   sha256_hex(decode_base64($base64 // ''))],
    );
    say_it('Byte for byte? SHA-256, without the trace headers that each hop puts on top:');
    printf "    %s  %s\n", reverse @$_ for @digests;
    die "the bytes DIFFER\n" if $digests[0][1] ne $digests[1][1] || $digests[2][1] ne $digests[3][1];
    print "    equal\n";
}

# The sites belong to a process of their own, which the terminal doesn't take with it.
sub leave_in_background {
    pipe(my $ready, my $tell) or die "pipe: $!\n";
    my $holder = fork // die "fork: $!\n";
    if ($holder) {
        close $tell;
        my $told = <$ready>;
        exit(defined $told ? 0 : 1);
    }
    close $ready;
    setsid();
    Pontoon::Test::Proc::owned_by_this_process();
    my ($world, $a, $b) = build_sites();
    cross($a, $b);
    print_how_to($a, $b);
    open STDIN,  '<', '/dev/null';
    open STDOUT, '>', "$world->{dir}/quickstart.log";
    open STDERR, '>&', \*STDOUT;
    print {$tell} "ready\n";
    close $tell;
    $SIG{TERM} = sub { exit 0 };    # and END ends everything else
    sleep 3600 while 1;
}

sub print_how_to {
    my ($a, $b) = @_;
    my $source = $a->{world}->client;
    say_it('The sites stay. More mail, from any client on this machine:');
    printf "    swaks --server %s:%s --local-interface %s --from alice\@a.test --to bob\@b.test\n",
        $a->address, $a->postfix->{port}{smtp}, $source;
    printf "    echo hello | sendmail -C %s/postfix/etc -f alice\@a.test bob\@b.test\n", $a->dir;
    print "  Known users: alice, bob, carol, dave, at either site. What the admin sees:\n";
    printf "    %s/pontoon -c %s status        (queue, trace ID, policy b.test …)\n", $ENV{PONTOON_BUILD}, $_->conf for $a, $b;
    printf "    tail -f %s\n", join ' ', map { ($_->log, $_->dir . '/mail.log') } $a, $b;
    print "  Stop everything, and remove it:\n    kill $$\n";
}
