# An nginx that serves files over TLS, set up as Debian's package has it: a process for each processor, a line of log for each request.
package Pontoon::Bench::Nginx;
use strict;
use warnings;
use IO::Socket::INET;
use Pontoon::Test::Proc;
use Pontoon::Test::Wait;

# world, name (of its directory there); servers => [{address, port, chain, key, root}, ...]; type (of the files; default: messages).
sub start {
    my ($class, %o) = @_;
    my $dir  = $o{world}->mkdir($o{name});
    my $type = $o{type} // 'message/rfc822';
    my $temp = join '', map { "    ${_}_temp_path $dir/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi);
    my $servers = join '', map { server(%$_) } @{$o{servers}};
    my $self = bless {first => $o{servers}[0]}, $class;
    $o{world}->write("$o{name}/nginx.conf", <<END);
daemon off;
worker_processes auto;
pid $dir/pid;
error_log $dir/error.log;
events { worker_connections 768; }
http {
$temp    sendfile on;
    tcp_nopush on;
    default_type $type;
    ssl_protocols TLSv1.2 TLSv1.3;
    access_log $dir/access.log;
$servers}
END
    $self->{proc} = Pontoon::Test::Proc->start(name => 'nginx', argv => ['nginx', '-p', $dir, '-e', "$dir/error.log", '-c', "$dir/nginx.conf"],
        output => "$dir/nginx.err");
    wait_for('nginx to listen', sub {
        $self->{proc}->alive or die "nginx ended: see $dir\n";
        return IO::Socket::INET->new(PeerAddr => $self->address, PeerPort => $self->port);
    });
    return $self;
}

# With one server, which has a directory of its own: address, chain, key.
sub start_one {
    my ($class, %o) = @_;
    my $root = $o{world}->mkdir("$o{name}-root");
    return $class->start(%o, servers => [{%o, port => $o{world}->port($o{address}), root => $root}]);
}

sub server {
    my (%s) = @_;
    return <<END;
    server {
        listen $s{address}:$s{port} ssl;
        ssl_certificate $s{chain};
        ssl_certificate_key $s{key};
        root $s{root};
    }
END
}

# Of the first server.
sub address { $_[0]{first}{address} }
sub port    { $_[0]{first}{port} }
sub root    { $_[0]{first}{root} }
sub pid     { $_[0]{proc}->pid }
sub stop    { $_[0]{proc}->stop }

1;
