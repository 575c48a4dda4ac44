# A site that is not ours: a domain with its own record, policy, key and store, all served by the test, so that it can say
# and sign whatever a hostile or broken peer might.
package Pontoon::Test::Stranger;
use strict;
use warnings;
use Carp qw(croak);
use Digest::SHA qw(sha256);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use Pontoon::Test::Ca;
use Pontoon::Test::Https;
use Time::HiRes qw(time);

my $json  = JSON::PP->new->canonical->utf8;
my $count = 0;

# world, name ("evil" for evil.test), number of its address in the world's range; policy => changes to the policy (hash
# of members; undef removes one) or its text; handler => as Https::serve, asked first (return 0: the usual answer).
sub new {
    my ($class, $world, $name, %o) = @_;
    my $self = bless {world => $world, domain => "$name.test", dir => $world->mkdir($name), %o}, $class;
    $self->{address} //= $world->address(200 + ++$count);
    $self->{port} = $world->policy_port;
    $self->{log}  = "$self->{dir}/requests";
    $world->dns->set_host("sender-store.$self->{domain}", $self->{address});
    $world->dns->set("_sender-store.$self->{domain}", 'TXT "v=SSMP1; id=1"');
    $self->{key} = $self->new_key('signing');
    ($self->{chain}, $self->{tls_key}) = $world->ca->issue("sender-store.$self->{domain}");
    return $self;
}

sub base { "https://sender-store.$_[0]{domain}:$_[0]{port}" }

# An Ed25519 key: {file, kid, x}.
sub new_key {
    my ($self, $name) = @_;
    my $file = "$self->{dir}/$name.pem";
    Pontoon::Test::Ca::openssl('genpkey', '-algorithm', 'ED25519', '-out', $file);
    Pontoon::Test::Ca::openssl('pkey', '-in', $file, '-pubout', '-outform', 'DER', '-out', "$file.pub");
    open my $fh, '<:raw', "$file.pub" or croak $!;
    local $/;
    my $x = encode_base64url(substr <$fh>, -32);
    return {file => $file, x => $x, kid => encode_base64url(sha256(qq({"crv":"Ed25519","kty":"OKP","x":"$x"})))};
}

sub jwk { +{kty => 'OKP', crv => 'Ed25519', kid => $_[0]{key}{kid}, x => $_[0]{key}{x}} }

sub policy_text {
    my ($self) = @_;
    return $self->{policy} if defined $self->{policy} && !ref $self->{policy};
    my %policy = (
        version  => 'SSMP1',
        mode     => 'enforce',
        max_age  => 3600,
        outbound => [$self->base],
        inbound  => [$self->base],
        keys     => {keys => [$self->jwk]},
        max_size => 100_000_000,
        %{$self->{policy} // {}},
    );
    delete @policy{grep { !defined $policy{$_} } keys %policy};
    return $json->encode(\%policy);
}

# Serves policy, messages (offer()) and takes receipts, until the test ends. Whatever is offered later is not known to it:
# offer first.
sub start {
    my ($self) = @_;
    my $policy = $self->policy_text;
    $self->{server} = Pontoon::Test::Https->serve(
        address => $self->{address}, port => $self->{port}, chain => $self->{chain}, key => $self->{tls_key},
        log     => $self->{log},
        handler => sub {
            my ($request) = @_;
            my $own = $self->{handler} ? $self->{handler}->($request) : 0;
            return $own if !defined $own || ref $own || $own ne '0';
            return [200, {'Content-Type' => 'application/json'}, $policy]
                if $request->{path} eq '/.well-known/sender-store';
            return [204, {}, ''] if $request->{path} =~ m{/receipts$};
            my ($id) = $request->{path} =~ m{^/messages/([^/]+)$} or return [404, {}, ''];
            my $bytes = $self->{messages}{$id} // return [404, {}, ''];
            return [200, {'Content-Type' => 'message/rfc822', ETag => '"x"'}, $bytes];
        },
    );
    return $self;
}

# What was asked of us: one line a request.
sub requests {
    my ($self) = @_;
    open my $fh, '<', $self->{log} or return;
    chomp(my @lines = <$fh>);
    return @lines;
}

# A message on offer, as the member of a notification that announces it; %changes replaces members (undef removes).
sub offer {
    my ($self, $bytes, %changes) = @_;
    my $id = $changes{id} // sprintf 'STRANGER%08d', ++$count;
    $self->{messages}{$id} = $bytes;
    my %message = (
        id         => $id,
        token      => 'b.test~' . 'A' x 43,
        sender     => "mallory\@$self->{domain}",
        recipients => [{address => 'bob@b.test'}],
        size       => length $bytes,
        digest     => encode_base64url(sha256($bytes)),
        body       => '7bit',
        %changes,
    );
    delete @message{grep { !defined $message{$_} } keys %message};
    return \%message;
}

sub payload {
    my ($self, $messages, %changes) = @_;
    my %payload = (iss => $self->{domain}, aud => 'b.test', iat => int time, exp => int(time) + 300, messages => $messages,
        %changes);
    delete @payload{grep { !defined $payload{$_} } keys %payload};
    return \%payload;
}

# The flattened JWS of a payload (data, or its text): key => another key, protected => changes to the header.
sub sign {
    my ($self, $payload, %o) = @_;
    my $key = $o{key} // $self->{key};
    my %header = (alg => 'EdDSA', kid => $key->{kid}, typ => 'ssmp-notification', %{$o{protected} // {}});
    delete @header{grep { !defined $header{$_} } keys %header};
    my $protected = encode_base64url($json->encode(\%header));
    my $body      = encode_base64url(ref $payload ? $json->encode($payload) : $payload);
    my $input     = "$self->{dir}/input";
    open my $fh, '>:raw', $input or croak $!;
    print $fh "$protected.$body";
    close $fh;
    Pontoon::Test::Ca::openssl('pkeyutl', '-sign', '-rawin', '-inkey', $key->{file}, '-in', $input, '-out', "$input.sig");
    open $fh, '<:raw', "$input.sig" or croak $!;
    local $/;
    return $json->encode({protected => $protected, payload => $body, signature => encode_base64url(<$fh>)});
}

# Posts a body to a site's bridge; the response, with its JSON (if it is some) in `json`.
sub notify {
    my ($self, $site, $body, %o) = @_;
    my $response = Pontoon::Test::Https->request(
        url     => $site->inbound . ($o{path} // '/notifications'),
        address => $site->address,
        ca      => $self->{world}->ca->file,
        method  => $o{method} // 'POST',
        source  => $self->{address},
        headers => {'Content-Type' => 'application/jose+json', %{$o{headers} // {}}},
        body    => $body,
    ) or return;
    $response->{json} = eval { $json->decode($response->{body}) };
    return $response;
}

1;
