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
    Pontoon::Test::Ca::openssl(qw(genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out), "$dir/key.pem");
    Pontoon::Test::Ca::openssl(qw(pkey -pubout -outform DER -in), "$dir/key.pem", '-out', "$dir/key.der");
    my $public = do { local (@ARGV, $/) = ("$dir/key.der"); <> };
    $self->{public} = 'v=DKIM1; k=rsa; p=' . encode_base64($public, '');
    $world->write('dkim/keys', "s1._domainkey.$o{domain} $self->{public}\n");
    $world->write('dkim/clients', $world->network . "\n");
    return $self;
}

# The key as the strings of a TXT record.
sub record { join ' ', map { qq("$_") } $_[0]{public} =~ /.{1,200}/g }

sub signer {
    my ($self) = @_;
    return $self->start('sign', <<END);
Mode s
Domain $self->{domain}
Selector s1
KeyFile $self->{dir}/key.pem
Canonicalization $self->{canonicalization}
InternalHosts $self->{dir}/clients
END
}

# Adds Authentication-Results on top, for any client: see result().
sub verifier {
    my ($self) = @_;
    return $self->start('verify', <<END);
Mode v
TestPublicKeys $self->{dir}/keys
AuthservID $self->{domain}
AlwaysAddARHeader yes
InternalHosts /dev/null
END
}

# Starts a milter; returns what smtpd_milters calls it.
sub start {
    my ($self, $name, $config) = @_;
    my $port = $self->{world}->port($self->{address});
    my $file = $self->{world}->write("dkim/$name.conf", <<END);
Syslog no
UserID root
RequireSafeKeys no
Socket inet:$port\@$self->{address}
$config
END
    my $proc = Pontoon::Test::Proc->start(
        name   => "opendkim ($name)",
        argv   => ['/usr/sbin/opendkim', '-f', '-x', $file],
        output => "$self->{dir}/$name.log"
    );
    wait_for('OpenDKIM to listen', sub {
        $proc->alive or croak "opendkim ended: see $self->{dir}/$name.log";
        return IO::Socket::INET->new("$self->{address}:$port");
    });
    return "inet:$self->{address}:$port";
}

# "pass", "fail", …: what the verifier wrote into a delivered message.
sub result {
    my ($self, $mail) = @_;
    return $mail->text =~ /^Authentication-Results: [^\n]*(?:\n[ \t][^\n]*)*\bdkim=(\w+)/m ? $1 : 'no result';
}

1;
