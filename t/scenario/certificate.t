# A certificate is replaced on disk, or in the configuration, and the daemons get SIGHUP: both HTTPS servers present the new one to
# new connections, and cut none that they have. A new certificate that can't be used is refused in clear words, and the old
# one stays.
use Pontoon::Test;
use IO::Socket::SSL;
use Pontoon::Test::Https;

my ($world, $a, $b) = two_sites();
my %host = (store => 'sender-store', bridge => 'bridge');

sub connect_to {
    my ($daemon) = @_;
    my $name = "$host{$daemon}.b.test";
    return IO::Socket::SSL->new(
        PeerAddr => $b->address, PeerPort => $b->{port}{$daemon}, SSL_hostname => $name, SSL_verifycn_name => $name,
        SSL_verifycn_scheme => 'http', SSL_ca_file => $world->ca->file) // die "TLS to $daemon: $SSL_ERROR";
}

sub presented { return connect_to($_[0])->get_fingerprint }

# What both servers answer 200 or 405 to; sent in two halves.
my $begin = "GET /.well-known/sender-store HTTP/1.1\r\nHost: ";
sub end { return "sender-store.b.test\r\n\r\n" }
sub status { return Pontoon::Test::Https::read_message($_[0])->{status} }
my %answer = (store => 200, bridge => 404);

my %before = map { $_ => presented($_) } sort keys %host;
my %kept   = map { $_ => connect_to($_) } sort keys %host;
for my $daemon (sort keys %host) {
    print {$kept{$daemon}} $begin . end();
    is status($kept{$daemon}), $answer{$daemon}, "$daemon: a connection";
    print {$kept{$daemon}} $begin;    # half of its next request
}
my ($chain, $key) = $world->ca->issue(map { "$_.b.test" } qw(sender-store bridge));    # the files that are configured
is presented($_), $before{$_}, "$_: new files alone change nothing" for sort keys %host;
for my $daemon (sort keys %host) {
    $b->reload($daemon);
    isnt presented($daemon), $before{$daemon}, "$daemon: after SIGHUP it presents the new certificate";
    print {$kept{$daemon}} end();
    is status($kept{$daemon}), $answer{$daemon}, "$daemon: the connection of before goes on, in the middle of a request";
    print {$kept{$daemon}} $begin . end();
    is status($kept{$daemon}), $answer{$daemon}, "$daemon: and is kept";
}
is presented('store'), presented('bridge'), 'both present the same one';

# A new certificate that is none, or has no key.
my $good = do { local (@ARGV, $/) = ($chain); <> };
my %current = map { $_ => presented($_) } sort keys %host;
my ($other) = $world->ca->issue('other.b.test');
sub put { my ($text) = @_; open my $fh, '>', $chain or die $!; print $fh $text; close $fh or die $! }
for my $broken (
    ['rubbish', sub { put("rubbish\n") }, qr/\Q$chain\E: no usable PEM certificate chain/],
    ['missing', sub { unlink $chain }, qr/\Q$chain\E: no usable PEM certificate chain: No such file/],
    ['of another key', sub { local (@ARGV, $/) = ($other); put(<>) }, qr/\Q$key\E: not the private key of the certificate in \Q$chain\E/],
) {
    my ($name, $break, $says) = @$broken;
    $break->();
    for my $daemon (sort keys %host) {
        my $log = $b->log_size;
        $b->daemon($daemon)->signal('HUP');
        $b->wait_log(qr/$daemon\[\d+\]: error: reload refused: the old configuration stays in use/, $log);
        like $b->log_after($log), qr/$daemon\[\d+\]: error: .*$says/, "$daemon, a certificate that is $name: the log says what is wrong";
        is presented($daemon), $current{$daemon}, "$daemon, a certificate that is $name: the old one stays in use";
    }
}
put($good);

# Another file in the configuration; and mail that crosses meanwhile is not disturbed.
my $message = Pontoon::Test::Mail->plain(from => 'bob@b.test', to => 'alice@a.test', body => "a line of the message, one of many\r\n" x 600_000);
my ($from_b, $from_a) = ($b->log_size, $a->log_size);
$b->submit(from => 'bob@b.test', to => ['alice@a.test'], message => $message);
my $during = 0;
for (my $n = 1; !$a->mailbox('alice'); $n++) {
    my ($new_chain, $new_key) = $world->ca->issue("new$n.b.test", map { "$_.b.test" } qw(sender-store bridge));
    $b->configure(map { ("$_.certificate" => $new_chain, "$_.key" => $new_key) } qw(store bridge));
    my $begun = $a->log_after($from_a) =~ /notified by/;
    $b->reload('store');
    $during++ if $begun && $b->log_after($from_b) !~ /fetched by a\.test/;
}
my ($mail) = $a->wait_mail('alice', 1);
ok $mail->carries($message), 'a message of 21 MB crosses';
$b->wait_settled;
cmp_ok $during, '>', 1, 'while its store takes up new certificates';
unlike $a->log_after($from_a), qr/broke off/, 'without a break';
$b->reload('bridge');
isnt presented($_), $current{$_}, "$_: presents what the configuration names now" for sort keys %host;
is presented('store'), presented('bridge'), 'both the same';
$world->nothing_broke;
done_testing;
