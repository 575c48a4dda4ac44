# A thousand receivers at one address: domains s0001.many.test and on, each with its own record, policy and inbound URL. nginx speaks TLS for all
# of them, one process of the test answers. They promise everything ("accepted") and keep what they were told of; the test fetches.
package Pontoon::Test::ManySites;
use strict;
use warnings;
use Carp qw(croak);
use IO::Socket::UNIX;
use JSON::PP ();
use MIME::Base64 qw(decode_base64url);
use Pontoon::Test::Proc;
use Pontoon::Test::Stranger;
use Pontoon::Test::Wait;

use constant NAMES_PER_CERTIFICATE => 50;

sub new {
    my ($class, $world, $n) = @_;
    my $self = bless {world => $world, dir => $world->mkdir('many'), address => $world->address(200), port => $world->policy_port}, $class;
    $self->{domains} = [map { sprintf 's%04d.many.test', $_ } 1 .. $n];
    my $records = $world->dns->{records};
    $records->{'*.many.test'} = ["A $self->{address}"];
    for my $domain ($self->domains) {
        $records->{"_sender-store.$domain"} = ['TXT "v=SSMP1; id=1"'];
        $records->{"sender-store.$domain"}  = ["A $self->{address}"];
    }
    # Their signatures are of no use here: they notify nobody. But a policy has a key.
    $self->{key} = Pontoon::Test::Stranger->new($world, 'signer')->jwk;
    return $self;
}

sub domains { @{$_[0]{domains}} }
sub address { $_[0]{address} }

sub start {
    my ($self) = @_;
    $self->start_backend;
    my $config = "$self->{dir}/nginx.conf";
    open my $fh, '>', $config or croak "$config: $!";
    print $fh $self->nginx_config;
    close $fh or croak "$config: $!";
    $self->{nginx} = Pontoon::Test::Proc->start(name => 'nginx', output => "$self->{dir}/nginx.log",
        argv => ['nginx', '-p', $self->{dir}, '-e', "$self->{dir}/error.log", '-c', $config]);
    wait_for('nginx', sub { IO::Socket::INET->new(PeerAddr => $self->{address}, PeerPort => $self->{port}) });
    return $self;
}

sub nginx_config {
    my ($self) = @_;
    my $servers = '';
    my @rest    = map { "sender-store.$_" } $self->domains;
    while (my @names = splice @rest, 0, NAMES_PER_CERTIFICATE) {
        my ($chain, $key) = $self->{world}->ca->issue(@names);
        my $backlog = $servers ? '' : ' backlog=1024';
        $servers .= "    server {\n        listen $self->{address}:$self->{port} ssl$backlog;\n        server_name @names;\n"
            . "        ssl_certificate $chain;\n        ssl_certificate_key $key;\n"
            . "        location / { proxy_pass http://unix:$self->{dir}/backend; proxy_set_header Host \$http_host; }\n    }\n";
    }
    return <<~"END";
        daemon off;
        user root;
        worker_processes 1;
        pid $self->{dir}/nginx.pid;
        events { worker_connections 4096; }
        http {
            access_log off;
            server_names_hash_max_size 8192;
            client_body_temp_path $self->{dir}/body;
            proxy_temp_path $self->{dir}/proxy;
            fastcgi_temp_path $self->{dir}/fastcgi;
            uwsgi_temp_path $self->{dir}/uwsgi;
            scgi_temp_path $self->{dir}/scgi;
        $servers}
        END
}

# ---- what answers ----

sub start_backend {
    my ($self) = @_;
    my $listener = IO::Socket::UNIX->new(Local => "$self->{dir}/backend", Listen => 1024) or croak "$self->{dir}/backend: $!";
    $self->{backend} = Pontoon::Test::Proc->fork_code('many sites', sub {
        while (1) {
            my $client = $listener->accept or next;
            my ($path, $host, $body) = read_request($client) or next;
            my $answer = $self->answer($path, $host, $body);
            print $client $answer ? "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: " . length($answer) . "\r\n\r\n$answer"
                : "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n";
            close $client;
        }
    });
    return;
}

sub read_request {
    my ($client) = @_;
    my $buffer = '';
    until ($buffer =~ /\r\n\r\n/) { sysread($client, $buffer, 65536, length $buffer) or return }
    my ($head, $body) = split /\r\n\r\n/, $buffer, 2;
    my ($path)   = $head =~ m{^\S+ (\S+)};
    my ($host)   = $head =~ /^Host: (\S+)/mi;
    my ($length) = $head =~ /^Content-Length: (\d+)/mi;
    while (length $body < ($length // 0)) { sysread($client, $body, 65536, length $body) or return }
    return ($path, $host, $body);
}

sub answer {
    my ($self, $path, $host, $body) = @_;
    if ($path eq '/.well-known/sender-store') {
        my $base = "https://$host";
        $base .= ":$self->{port}" if $base !~ /:\d+$/;
        return JSON::PP::encode_json({version => 'SSMP1', mode => 'enforce', max_age => 3600, max_size => 100_000_000, outbound => [$base],
            inbound => [$base], keys => {keys => [$self->{key}]}});
    }
    return if $path ne '/notifications';
    my $payload = decode_base64url(JSON::PP::decode_json($body)->{payload});
    open my $fh, '>>', "$self->{dir}/notes";
    syswrite $fh, "$payload\n";
    my @messages = map {
        +{id => $_->{id}, recipients => [map { +{address => $_->{address}, verdict => 'accepted'} } @{$_->{recipients}}]}
    } @{JSON::PP::decode_json($payload)->{messages}};
    return JSON::PP::encode_json({messages => \@messages});
}

# What they were told since the last call: the notifications' messages, each with `aud`.
sub told {
    my ($self) = @_;
    $self->{notes} //= do { open my $fh, '<', "$self->{dir}/notes" or return; $fh };
    my $fh = $self->{notes};
    seek $fh, 0, 1;
    my @told;
    while (my $line = <$fh>) {
        if ($line !~ /\n\z/) {    # half of it
            seek $fh, -length $line, 1;
            last;
        }
        my $n = JSON::PP::decode_json($line);
        push @told, map { +{aud => $n->{aud}, %$_} } @{$n->{messages}};
    }
    return @told;
}

1;
