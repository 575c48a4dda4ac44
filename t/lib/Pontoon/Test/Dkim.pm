# OpenDKIM: a signing milter with a key of its own, and a verifier that knows the key.
package Pontoon::Test::Dkim;
use strict;
use warnings;
use Carp qw(croak);
use IO::Socket::INET;
use MIME::Base64 qw(encode_base64);
use Pontoon::Test::Ca;
use Pontoon::Test::Proc;
use Pontoon::Test::Wait;

sub available { -x '/usr/sbin/opendkim' }

# world; domain, canonicalization => "simple/simple".
sub new {
    my ($class, $world, %o) = @_;
    my $dir  = $world->mkdir('dkim');
    my $self = bless {%o, world => $world, dir => $dir, address => $world->address(2)}, $class;
    $self->{port} = $world->port($self->{address});
    Pontoon::Test::Ca::openssl(qw(genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out), "$dir/key.pem");
    Pontoon::Test::Ca::openssl(qw(pkey -pubout -outform DER -in), "$dir/key.pem", '-out', "$dir/key.der");
    my $public = do { local (@ARGV, $/) = ("$dir/key.der"); <> };
    $world->write('dkim/keys', "s1._domainkey.$o{domain} v=DKIM1; k=rsa; p=" . encode_base64($public, '') . "\n");
    $world->write('dkim/clients', $world->network . "\n");
    my $common = "Syslog no\nUserID root\nRequireSafeKeys no\n";
    $world->write('dkim/sign.conf', <<END);
${common}Mode s
Domain $o{domain}
Selector s1
KeyFile $dir/key.pem
Canonicalization $o{canonicalization}
InternalHosts $dir/clients
Socket inet:$self->{port}\@$self->{address}
END
    $world->write('dkim/verify.conf', "${common}Mode v\nTestPublicKeys $dir/keys\n");
    return $self;
}

# Starts the signing milter; returns what smtpd_milters calls it.
sub start {
    my ($self) = @_;
    my $proc = Pontoon::Test::Proc->start(
        name   => 'opendkim',
        argv   => ['/usr/sbin/opendkim', '-f', '-x', "$self->{dir}/sign.conf"],
        output => "$self->{dir}/opendkim.log"
    );
    wait_for('OpenDKIM to listen', sub {
        $proc->alive or croak "opendkim ended: see $self->{dir}/opendkim.log";
        return IO::Socket::INET->new("$self->{address}:$self->{port}");
    });
    return "inet:$self->{address}:$self->{port}";
}

# "pass", "fail", or what else OpenDKIM says about a message (with LF line ends).
sub verify {
    my ($self, $text) = @_;
    my $file = $self->{world}->write('dkim/message', $text);
    my $out  = `/usr/sbin/opendkim -x $self->{dir}/verify.conf -vv -t $file 2>/dev/null`;
    return $out =~ /\bdkim=(\w+)/ ? $1 : "no result: $out";
}

1;
