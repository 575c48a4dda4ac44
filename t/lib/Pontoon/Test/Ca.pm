# A certification authority for one test: `openssl` makes the certificates.
package Pontoon::Test::Ca;
use strict;
use warnings;
use Carp qw(croak);
use POSIX ();

my @key = qw(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes);

sub new {
    my ($class, $dir) = @_;
    mkdir $dir or croak "mkdir $dir: $!";
    my $self = bless {dir => $dir}, $class;
    openssl('req', '-x509', @key, '-keyout', "$dir/root.key", '-out', "$dir/root.pem",
        '-subj', '/CN=Pontoon Test Root', '-days', 30, '-addext', 'keyUsage=critical,keyCertSign,cRLSign');
    return $self;
}

sub file { "$_[0]{dir}/root.pem" }

# A certificate for these host names: (chain file, key file), named after the first.
sub issue {
    my ($self, @names) = @_;
    my $base = "$self->{dir}/$names[0]";
    openssl('req', '-CA', "$self->{dir}/root.pem", '-CAkey', "$self->{dir}/root.key", @key,
        '-keyout', "$base.key", '-out', "$base.pem", '-subj', "/CN=$names[0]", '-days', 30,
        '-addext', 'subjectAltName=' . join(',', map { "DNS:$_" } @names),
        '-addext', 'basicConstraints=critical,CA:FALSE', '-addext', 'extendedKeyUsage=serverAuth');
    return ("$base.pem", "$base.key");
}

# One that ended yesterday.
sub issue_expired {
    my ($self, $name) = @_;
    my $base = "$self->{dir}/expired-$name";
    open my $fh, '>', "$base.ext" or croak "$base.ext: $!";
    print $fh "subjectAltName=DNS:$name\nextendedKeyUsage=serverAuth\n";
    close $fh or croak "$base.ext: $!";
    openssl('req', '-new', @key, '-keyout', "$base.key", '-out', "$base.csr", '-subj', "/CN=$name");
    openssl('x509', '-req', '-in', "$base.csr", '-CA', "$self->{dir}/root.pem", '-CAkey', "$self->{dir}/root.key",
        '-CAcreateserial', '-days', -1, '-extfile', "$base.ext", '-out', "$base.pem");
    return ("$base.pem", "$base.key");
}

sub openssl {
    my (@argv) = @_;
    my $pid = open(my $out, '-|') // croak "fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec('openssl', @argv) or POSIX::_exit(127);
    }
    my $text = do { local $/; <$out> };
    close $out or croak "openssl @argv:\n$text";
    return $text;
}

1;
