# Exim 4, which has no milters, hands outgoing mail to pontoon-lmtp, by the lines of conf/exim4.snippet: after aliasing, with DSN parameters,
# and what doesn't cross the bridge comes back to it and goes on by SMTP, once.
use Pontoon::Test time => 200;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IO::Socket::INET;
use Pontoon::Test::Unpacked;

my $tree = eval { Pontoon::Test::Unpacked::tree('exim') } or plan(skip_all => "no Exim here: $@");
my $world = new_world();
my $a     = $world->site('a', lmtp => 1, rules => [['carol-stays' => {recipients => ['carol@b.test'], action => 'smtp'}]]);
my $b     = $world->site('b');
my $plain = $world->site('plain', pontoon => 0);

# The lines of the snippet with this test's ports: the routers' part and the transports' part.
my ($smtp, $lmtp, $return) = map { $world->port($a->address) } 1 .. 3;
my $address = $a->address;
my $snippet = do { local (@ARGV, $/) = (dirname(abs_path(__FILE__)) . '/../../conf/exim4.snippet'); <> };
$snippet =~ s/\b10026\b/$return/g;
$snippet =~ s/\b10024\b/$lmtp/g;
$snippet =~ s/^  hosts = 127\.0\.0\.1$/  hosts = $address/m;
my ($routers, $transports) = $snippet =~ /^begin routers\n(.*?)^begin transports\n(.*)/ms or die 'the snippet has changed';
my ($dsn) = $snippet =~ /^(dsn_advertise_hosts.*)/m;
my $dir = $world->mkdir('a/exim', 'nobody');
$world->mkdir("a/exim/$_", 'nobody') for qw(spool log);
my %route = map { $_->domain => $_->postfix->endpoint('smtp') =~ s/:/::/r } $a, $b, $plain;
my $route_list = join ' ; ', map { "$_ $route{$_}" } sort grep { $_ ne 'a.test' } keys %route;
my ($uid, $gid) = (getpwnam 'nobody')[2, 3];
my $conf = $world->write('a/exim.conf', <<END);
primary_hostname = mx.a.test
daemon_smtp_ports = $smtp : $return
local_interfaces = $address.$smtp : $address.$return
spool_directory = $dir/spool
log_file_path = $dir/log/%slog
pid_file_path = $dir/pid
exim_user = $uid
exim_group = $gid
never_users =
trusted_users = root
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
$dsn
domainlist local_domains = a.test
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data
begin acl
acl_rcpt:
  accept condition = \${if eq{\$received_port}{$return}}
         hosts     = 127.0.0.0/8
  accept condition = \${if eq{\$received_port}{$smtp}}
         hosts     = 127.0.0.0/8
acl_data:
  accept
begin routers
aliases:
  driver = redirect
  domains = +local_domains
  data = \${lookup{\$local_part}lsearch{$dir/aliases}}
local:
  driver = manualroute
  domains = +local_domains
  route_list = * $route{'a.test'}
  transport = remote_smtp
  self = send
$routers
remote:
  driver = manualroute
  route_list = $route_list
  transport = remote_smtp
  self = send
begin transports
remote_smtp:
  driver = smtp
  allow_localhost
  interface = $address
$transports
begin retry
* * F,1d,1s
END
$world->write('a/exim/aliases', "team: bob\@b.test, carol\@b.test\n");
$a->{settings}{'lmtp.listen'} = "$address:$lmtp";
$a->{settings}{'store.mta'}   = "$address:$return";
$world->start;
my $exim = Pontoon::Test::Proc->start(
    name   => 'exim of a',
    argv   => [Pontoon::Test::Unpacked::command(name => 'exim', hostname => 'mx.a.test', users => ['Debian-exim'],
        argv => ['/usr/sbin/exim4', '-C', $conf, '-bdf', '-q1s'])],
    output => "$dir/exim.err",
);
wait_for('Exim to listen', sub {
    $exim->alive or die "Exim ended: see $dir/exim.err";
    return IO::Socket::INET->new("$address:$_") for $smtp;
});

sub submit {
    my (%o) = @_;
    my $r = Pontoon::Test::Smtp->deliver(endpoint => "$address:$smtp", source => '127.0.0.1', from => 'alice@a.test', %o);
    is $r->{code}, 250, 'Exim takes it' or diag explain $r->{data};
}
# In the foreground it writes what it delivers to standard error.
sub exim_log { return join '', map { local (@ARGV, $/) = ($_); <> // '' } grep { -s } "$dir/log/mainlog", "$dir/exim.err" }

my $message = Pontoon::Test::Mail->plain(subject => 'to the team', to => 'team@a.test', body => "A line\r\n.\r\n..two dots\r\n");
submit(to => ['team@a.test', 'bob@plain.test'], message => $message);
for ([$b, 'bob', 1], [$b, 'carol', 0], [$plain, 'bob', 0]) {
    my ($site, $user, $bridge) = @$_;
    my ($mail) = $site->wait_mail($user, 1);
    my $who = "$user\@" . $site->domain;
    ok $mail->carries($message), "$who has it, byte for byte";
    like join('', $mail->trace), qr/\(pontoon\) with LMTP id/, "$who: it went through pontoon-lmtp";
    is scalar(() = join('', $mail->trace) =~ /with SSMP/g), $bridge, "$who: " . ($bridge ? 'over the bridge' : 'by SMTP');
}
$a->wait_settled;
like exim_log(), qr/=> bob\@b\.test .*T=pontoon .*C="250 2\.0\.0 Stored, pontoon=/, 'Exim was answered for each recipient: stored';
like exim_log(), qr/[=-]> carol\@b\.test .*T=pontoon .*C="250 2\.0\.0 Taken, goes on by SMTP/, 'and taken';
like $a->log_after(0), qr{/lmtp\[\d+\]: [0-9A-Za-z]{6}-[0-9A-Za-z-]+: pontoon=\S+, from=<alice\@a\.test>}, "with Exim's message id in our log";

# DSN parameters come through, both ways.
submit(to => ['nobody@plain.test'], mail => 'ENVID=E3 RET=HDRS', rcpt => {'nobody@plain.test' => 'NOTIFY=FAILURE ORCPT=rfc822;first@plain.test'},
    message => Pontoon::Test::Mail->plain(subject => 'failure'));
submit(to => ['nobody@plain.test'], rcpt => {'nobody@plain.test' => 'NOTIFY=NEVER'}, message => Pontoon::Test::Mail->plain(subject => 'never'));
my ($dsn_mail) = $a->wait_mail('alice', 1);
like $dsn_mail->text, qr/nobody\@plain\.test/, 'a failure is reported';

# While pontoon-lmtp is away, Exim keeps the mail.
$a->stop('lmtp');
submit(to => ['dave@b.test'], message => Pontoon::Test::Mail->plain(subject => 'patience'));
wait_for('Exim to defer', sub { exim_log() =~ /dave\@b\.test .*(?:defer|Connection refused)/i || exim_log() =~ /== dave\@b\.test/ });
$a->start('lmtp');
my ($mail) = $b->wait_mail('dave', 1);
is $mail->header('Subject'), 'patience', 'and delivers it afterwards';
$a->wait_settled;
is scalar($b->mailbox($_)), 1, "$_ has one message" for qw(bob carol dave);
is scalar($a->mailbox('alice')), 1, 'of NOTIFY=NEVER there was no report';
$exim->stop;
$world->nothing_broke;
done_testing;
