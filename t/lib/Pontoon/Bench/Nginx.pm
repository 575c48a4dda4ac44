# An nginx that serves files over TLS, set up as Debian's package has it: a process for each processor, a line of log for each request.
package Pontoon::Bench::Nginx;
use strict;
use warnings;
use IO::Socket::INET;
use Pontoon::Test::Proc;
use Pontoon::Test::Wait;

# world, name (of its directory there), address, chain and key => FILE. Serves what is below root().
sub start {
    my ($class, %o) = @_;
    my $dir  = $o{world}->mkdir($o{name});
    my $self = bless {address => $o{address}, port => $o{world}->port($o{address}), root => $o{world}->mkdir("$o{name}/root")}, $class;
    my $temp = join '', map { "    ${_}_temp_path $dir/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi);
    $o{world}->write("$o{name}/nginx.conf", <<END);
daemon off;
worker_processes auto;
pid $dir/pid;
error_log $dir/error.log;
events { worker_connections 768; }
http {
$temp    sendfile on;
    tcp_nopush on;
    default_type message/rfc822;
    ssl_protocols TLSv1.2 TLSv1.3;
    access_log $dir/access.log;
    server {
        listen $self->{address}:$self->{port} ssl;
        ssl_certificate $o{chain};
        ssl_certificate_key $o{key};
        root $self->{root};
    }
}
END
    $self->{proc} = Pontoon::Test::Proc->start(name => 'nginx', argv => ['nginx', '-p', $dir, '-e', "$dir/error.log", '-c', "$dir/nginx.conf"],
        output => "$dir/nginx.err");
    wait_for('nginx to listen', sub {
        $self->{proc}->alive or die "nginx ended: see $dir\n";
        return IO::Socket::INET->new(PeerAddr => $self->{address}, PeerPort => $self->{port});
    });
    return $self;
}

sub address { $_[0]{address} }
sub port    { $_[0]{port} }
sub root    { $_[0]{root} }
sub pid     { $_[0]{proc}->pid }
sub stop    { $_[0]{proc}->stop }

1;
