# `pontoon check` and the MTA: nothing is wrong with a healthy Postfix; then one thing after the other is set up wrongly, as people do, and
# each is found and named, with what to do about it.
use File::Copy qw(copy);
use File::Basename qw(dirname);
use POSIX ();
use Pontoon::Test;
use Pontoon::Test::Stranger;

my @LISTENERS = (
    inject => ['smtpd_soft_error_limit=1000', 'smtpd_hard_error_limit=1000', 'smtpd_client_connection_count_limit=0'],
    return => ['smtpd_client_connection_count_limit=0'],
);
my $world = new_world();
my $a     = $world->site('a', listeners => {@LISTENERS});
$world->start;
my ($in, $return, $smtp) = map { $a->mta->endpoint($_) } qw(inject return smtp);
my $etc = $a->mta->{dir} . '/etc';

sub check {
    my (@options) = @_;
    my ($text, $status, $errors) = $a->pontoon('check', @options, '--json');
    my $report = eval { JSON::PP::decode_json($text) } or die "no JSON: $text $errors";
    return ($report->{findings}, $status >> 8);
}

sub shown { return map { "$_->{level} $_->{check}: $_->{found} -> " . ($_->{advice} // '') } @_ }

sub bad {
    my (@options) = @_;
    my ($findings) = check(@options);
    return shown(grep { $_->{level} =~ /problem|warning/ } @$findings);
}

# Postfix is configured like this (main => {...}, LISTENER => ["parameter=value"], master => text, edit => sub that gets master.cf), and
# pontoon like that (config => {...}); the running Postfix sees it with reload => 1; then => something more to do before we look; quiet => checks that find nothing: each pattern is found in a finding and its advice. Several faults that don't meet may be made at once.
sub faults {
    my ($what, $how, @patterns) = @_;
    my %listeners = @LISTENERS;
    my %settings  = %{$a->{settings}};
    $listeners{$_} = [@{$listeners{$_} // []}, @{$how->{$_}}] for grep { $how->{$_} } qw(smtp inject return);
    {
        local @$a{qw(main listeners master)} = ($how->{main}, \%listeners, $how->{master});
        $a->prepare_mta;
        if ($how->{edit}) {
            my $text = do { local (@ARGV, $/) = "$etc/master.cf"; <> };
            $a->mta->write('master.cf', $how->{edit}->($text));
        }
    }
    $a->configure(%{$how->{config}}) if $how->{config};
    $a->mta->reload if $how->{reload};
    $how->{then}->() if $how->{then};
    my ($findings, $code) = check();
    my @all = shown(@$findings);
    for my $pattern (@patterns) {
        ok scalar(grep { /$pattern/ } @all), "$what: $pattern" or diag join "\n", grep { !/^ok/ } @all;
    }
    is_deeply [shown(grep { $how->{quiet} && $_->{check} =~ $how->{quiet} && $_->{level} ne 'ok' } @$findings)], [], "$what: nothing else" if $how->{quiet};
    is $code, (scalar(grep { $_->{level} eq 'problem' } @$findings) ? 1 : 0), "$what: exit $code";
    $a->{settings} = {%settings};
    $a->configure if $how->{config};
    return @all;
}

# ---- well ----
my ($findings, $code) = check();
is_deeply [shown(grep { $_->{level} =~ /problem|warning/ } @$findings)], [], 'a healthy site has no problem and no warning';
is $code, 0, 'exit 0';
my $ok = join "\n", shown(grep { $_->{level} eq 'ok' } @$findings);
like $ok, qr/^ok $_/m, $_
    for 'postfix: Postfix 3', 'milter: smtpd_milters .* has pontoon-milter last', qr/listener: "\Q$in\E inet" is as bridge\.mta/,
    qr/listener: "\Q$return\E inet" is as store\.mta/;

# ---- as the snippets have it ----
my $queue = $a->mta->{dir} . '/queue';
mkdir "$queue/pontoon" or die "$queue/pontoon: $!";
sub snippet {
    my ($name) = @_;
    my $text = do { local (@ARGV, $/) = dirname(__FILE__) . "/../../conf/postfix-$name.cf.snippet"; <> };
    return $text =~ s/^#.*\n|^\n//mgr;
}
my %snippet_main = snippet('main') =~ /^(\w+) = (.*)$/mg;
ok keys %snippet_main >= 2, 'the snippet for main.cf';
faults('the snippets', {main => \%snippet_main, config => {'milter.socket' => "unix:$queue/pontoon/milter.sock", 'milter.socket-group' => 'postfix'},
        edit => sub {
            my $own = snippet('master') =~ s/^127\.0\.0\.1:10025 /$in /mr =~ s/^127\.0\.0\.1:10026 /$return /mr;
            return $_[0] =~ s/^(?:\Q$in\E|\Q$return\E) inet.*\n(?:  .*\n)*//mgr =~ s/^(\Q$smtp\E inet n -) n /$1 y /mr . $own;
        }, quiet => qr/^(?:milter|listener|mta-settings|postfix)$/},
    qr/^problem daemon: pontoon-milter does not answer/);

# ---- the milter ----
my $sock  = "unix:$a->{dir}/milter.sock";
my $other = 'inet:127.0.0.1:8891';
faults('a milter behind ours', {main => {smtpd_milters => "$sock, { $other, default_action=accept }"}},
    qr/^problem milter: pontoon-milter is not the last of smtpd_milters.* \Q$other\E .*main\.cf: smtpd_milters = \{ \Q$other\E, default_action=accept \}, \Q$sock\E/);
faults('no milter', {main => {smtpd_milters => $other, non_smtpd_milters => ''}},
    qr/^problem milter: no listener of Postfix asks pontoon-milter.*smtpd_milters = \Q$other\E, \{ \Q$sock\E, default_action=tempfail \}/);
faults('no_milters', {main => {receive_override_options => 'no_milters'}}, qr/^problem milter: no listener of Postfix asks/);
faults('another socket', {main => {smtpd_milters => 'unix:pontoon/milter.sock'}},
    qr{^problem milter: smtpd_milters has unix:pontoon/milter\.sock, which is \S+/queue/pontoon/milter\.sock .*not chrooted.* but milter\.socket is \Q$sock\E});
faults('a chroot', {edit => sub { $_[0] =~ s/^(\Q$smtp\E inet n -) n /$1 y /mr }},
    qr{^problem milter: .* is chrooted.* -> smtpd is chrooted to \S+/queue .*milter \{ socket = "unix:\S+/queue/pontoon/milter\.sock" socket-group = postfix \}.*smtpd_milters = \{ unix:pontoon/milter\.sock});
faults('refused while down', {main => {milter_default_action => 'reject', milter_protocol => 2, milter_command_timeout => '10s', non_smtpd_milters => ''}},
    qr/^problem milter: while pontoon-milter is down \(default_action=reject.*default_action=tempfail/,
    qr/^problem milter: milter protocol 2 .*nothing is diverted -> .*milter_protocol = 6/,
    qr/^problem milter: milter\.discovery-wait .* not shorter than milter_command_timeout/,
    qr/^note milter: non_smtpd_milters does not have pontoon-milter.*non_smtpd_milters = \$smtpd_milters/);
faults('accepted while down', {main => {smtpd_milters => "{ $sock, default_action=accept }"}},
    qr/^note milter: while pontoon-milter is down \(default_action=accept.*may arrive twice -> .*smtpd_milters = \{ \Q$sock\E, default_action=tempfail/);
faults('copies that are discarded', {main => {always_bcc => 'archive@a.test'}, config => {'milter.discard' => 'yes'}},
    qr/^problem milter: milter\.discard: the copies that always_bcc makes .* are lost .* -> milter \{ discard = no \}/);
chmod 0700, "$a->{dir}/milter.sock";
faults("a socket that Postfix can't use", {}, qr/^problem milter: Postfix .* can't connect to pontoon-milter: user postfix may not .*socket-group = postfix/);
chmod 0660, "$a->{dir}/milter.sock";

# ---- the listeners ----
faults('the bridge is a stranger, and trusted', {inject => ['smtpd_authorized_xclient_hosts=192.0.2.1', 'mynetworks=127.0.0.0/8',
            'local_header_rewrite_clients=permit_inet_interfaces', 'smtpd_tls_security_level=encrypt', "smtpd_milters=$sock",
            'smtpd_relay_restrictions=permit', 'smtpd_recipient_restrictions=']},
    qr/^problem listener: .*\Q$in\E \(bridge\.mta\) does not let 127\.0\.0\.1 use XCLIENT: nothing is delivered -> below "\Q$in\E inet" in \S+master\.cf: -o smtpd_authorized_xclient_hosts=127\.0\.0\.0\/8/,
    qr/^warning listener: .*in mynetworks.* -o mynetworks=;/, qr/^warning listener: .*rewrites headers.* -o local_header_rewrite_clients=;/,
    qr/^problem listener: .*wants TLS.* -o smtpd_tls_security_level=none/,
    qr/^problem listener: .*bridge\.mta\) asks pontoon-milter .*circle -> .*smtpd_milters=;/,
    qr/^problem listener: .*open relay -> .*smtpd_relay_restrictions=reject_unauth_destination/);
faults('limits of the bridge; XCLIENT for everybody', {smtp => ['smtpd_authorized_xclient_hosts=0.0.0.0/0'], inject => ['smtpd_client_connection_count_limit=5', 'smtpd_client_message_rate_limit=10',
            'smtpd_hard_error_limit=20', 'soft_bounce=yes', 'smtpd_reject_unlisted_recipient=no'],
        edit => sub { $_[0] =~ s/^(\Q$in\E inet n - n - )-/${1}3/mr }},
    qr/^warning listener: .* takes 5 connections of one client, bridge\.mta-connections is 20 -> .*count_limit=0/,
    qr/^warning listener: .*smtpd_client_message_rate_limit is 10 -> .*_rate_limit=0/, qr/^note listener: .*after 20 errors/,
    qr/^warning listener: soft_bounce/, qr/^warning listener: .*unknown users and bounces it later.*smtpd_reject_unlisted_recipient=yes/,
    qr/^warning listener: .* has 3 processes at most.*maxproc of "\Q$in\E inet": 20/,
    qr/^problem listener: "\Q$smtp\E inet" lets everybody use XCLIENT.* -o smtpd_authorized_xclient_hosts=;/);
faults('filtered twice', {return => ["smtpd_milters=$other", 'content_filter=amavis:[127.0.0.1]:10024'],
        main => {header_checks => 'regexp:/dev/null', always_bcc => 'archive@a.test'}},
    qr/^warning listener: .*\Q$return\E \(store\.mta\) asks \Q$other\E .*twice -> .*-o smtpd_milters=;/,
    qr/^warning listener: .*through content_filter again -> .*-o content_filter=;/,
    qr/^warning listener: .*applies header_checks to mail a second time -> .*no_header_body_checks/,
    qr/^warning listener: always_bcc: .*copied a second time -> .*cleanup_service_name=pontoon_cleanup/);
faults('what returns is refused, or runs in a circle', {return => ['mynetworks=192.0.2.0/24', 'message_size_limit=1000000', "smtpd_milters=$sock"]},
    qr/^problem listener: .*store\.mta\) does not have 127\.0\.0\.1 in mynetworks.* -o mynetworks=127\.0\.0\.0\/8;/,
    qr/^problem mta-settings: .*store\.mta\) takes 1000000 bytes at most.* -o message_size_limit=314572800/,
    qr/^problem listener: .*store\.mta\) asks pontoon-milter/);
my $without = sub { $_[0] =~ s/^(?:\Q$in\E|\Q$return\E) inet.*\n(?:  .*\n)*//mgr };
my @advice = faults('no listeners', {edit => $without},
    qr/^problem listener: no service in \S+ listens at \Q$in\E \(bridge\.mta\) -> add to it, in one line: \Q$in\E inet/,
    qr/^problem listener: no service in \S+ listens at \Q$return\E \(store\.mta\) -> add to it/);
my %line = map { /in one line: (\S+) (.*); then: postfix reload$/ ? ($1 => "$2\n") : () } @advice;
my %snippet = snippet('master') =~ /^\S+:(1002[56]) (inet .*\n(?:  .*\n)*)/mg;
is $line{$_->[0]} =~ s/\s+/ /gr, $snippet{$_->[1]} =~ s/\s+/ /gr, "the advice is what the snippet has for $_->[1]" for [$in, 10025], [$return, 10026];
faults('what was advised', {edit => sub { $without->($_[0]) . join '', map { "$_ $line{$_}" } sort keys %line }, quiet => qr/^(?:listener|milter|mta-settings)$/});
faults('one listener for both, without XCLIENT', {config => {'bridge.mta' => $return, 'bridge.xclient' => 'no'}},
    qr/^problem listener: bridge\.mta and store\.mta are one listener/, qr/^problem listener: .*in mynetworks: what others send is trusted as our own/);

# ---- what else is done to mail ----
faults('what touches mail behind the milter', {main => {content_filter => 'amavis:[127.0.0.1]:10024', smtp_generic_maps => 'texthash:/etc/generic',
            relayhost => '[relay.example]', default_transport => 'uucp', hopcount_limit => 30, maximal_queue_lifetime => '2d', delay_warning_time => '4h'},
        config => {'policy.max-size' => '400M'}},
    qr/^warning mta-settings: content_filter .* comes behind pontoon-milter/,
    qr/^warning mta-settings: smtp_generic_maps .* leaves without that/, qr/^note mta-settings: relayhost/,
    qr/^problem mta-settings: default_transport is uucp.* -> add "uucp" to milter\.transports/, qr/^note mta-settings: hopcount_limit is 30.*hop-limit = 30/,
    qr/^note mta-settings: maximal_queue_lifetime is 2d00h.*store\.expire-after/, qr/^note mta-settings: delay_warning_time/,
    qr/^warning mta-settings: policy\.max-size .* is more than the MTA takes.*policy\.max-size = 314572800/);

# ---- the MTA as it answers ----
my @discard = ('smtpd_discard_ehlo_keywords=8bitmime,smtputf8,size,dsn');
faults('a running MTA that is not as it should be', {reload => 1, inject => ['{ smtpd_relay_restrictions = check_recipient_access static:OK, reject }', 'smtpd_recipient_restrictions=', @discard],
        return => ['mynetworks=', @discard]},
    qr/^problem mta: bridge\.mta .* takes mail from a stranger for .*example\.com.*open relay -> reject_unauth_destination/,
    qr/^warning mta: bridge\.mta .* does not offer 8BITMIME.*-> see smtpd_discard_ehlo_keywords/, qr/^note mta: bridge\.mta .*SMTPUTF8/, qr/^note mta: bridge\.mta .*SIZE/,
    qr/^warning mta: store\.mta .* does not offer DSN/, qr/^problem mta: store\.mta .* does not take mail for other domains .*Access denied/i);
faults('an MTA that refuses our own domain, without XCLIENT', {reload => 1, inject => ['smtpd_authorized_xclient_hosts='],
        config => {'bridge.xclient' => 'try'}, then => sub { $a->mta->set_access('postmaster@a.test' => '550 5.7.1 not from you') }},
    qr/^warning listener: .*does not let 127\.0\.0\.1 use XCLIENT: filters take/, qr/^problem mta: bridge\.mta .* refuses mail for postmaster\@a\.test: 550 5\.7\.1 .*not from you -> /);
faults('configured, but not reloaded', {}, qr/^problem mta: bridge\.mta .* does not offer XCLIENT: nothing is delivered -> it is allowed in \S+, but not in force: postfix reload/);
faults('reloaded', {reload => 1, quiet => qr/^(?:mta|listener)$/});
my ($nine, $ten) = map { $a->address . ":$_" } 9, 10;
faults('no MTA', {config => {'bridge.mta' => $nine, 'store.mta' => $ten}, edit => sub { $_[0] =~ s/^\Q$in\E /$nine /mr =~ s/^\Q$return\E /$ten /mr }},
    qr/^problem mta: bridge\.mta: connect to \S+:9: Connection refused -> see that the MTA runs/, qr/^problem mta: store\.mta: connect to/);

# ---- our own listeners ----
sub stand_in {
    my ($greeting) = @_;
    my $server = IO::Socket::INET->new(LocalAddr => $a->address, Listen => 10) or die "listen: $!";
    my $proc = Pontoon::Test::Proc->fork_code('stand-in', sub {
        while (my $client = $server->accept) { print $client $greeting; <$client> if $greeting }
        return 1;
    });
    return ($a->address . ':' . $server->sockport, $proc);
}
my ($impostor, $proc) = stand_in("220 I am no milter, and I talk much\r\n");
faults('neither pontoon-milter nor pontoon-lmtp there', {config => {'milter.socket' => "inet:$impostor", 'lmtp.listen' => $impostor}},
    qr/^problem milter: milter\.socket .*: what answers there does not speak the milter protocol/, qr/^problem mta: what listens at lmtp\.listen is no pontoon-lmtp/);
$proc->stop;
my $copy = $world->mkdir('bin') . '/pontoon-lmtp';
copy("$ENV{PONTOON_BUILD}/pontoon-lmtp", $_) && chmod 0755, $_ or die "$_: $!" for $copy, "$copy.new";
{
    local $ENV{PONTOON_BUILD} = "$world->{dir}/bin";
    $a->start('lmtp');
}
rename "$copy.new", $copy or die "$copy: $!";
faults('pontoon-lmtp instead of the milter, and half an update', {main => {smtpd_milters => '', non_smtpd_milters => ''}},
    qr/^note milter: .*mail goes out by pontoon-lmtp/, qr/^ok mta: pontoon-lmtp answers LHLO/,
    qr/^note process: pontoon-lmtp .*: its program was replaced since it started -> systemctl restart pontoon-lmtp/);
is $a->stop('lmtp'), 0, 'which ends well';
delete $a->{lmtp};

# ---- rights, processes, resolvers, a partner's clock ----
sub with_modes {
    my ($modes, $code) = @_;
    my %before = map { $_ => (stat)[2] & 07777 } keys %$modes;
    chmod $modes->{$_}, $_ for sort keys %$modes;
    $code->();
    chmod $before{$_}, $_ for sort { length $b <=> length $a } keys %before;
}
my %o = %{$a->{settings}};
with_modes({"$a->{dir}/milter.sock" => 0666, $o{'store.directory'} => 0755, "$o{'store.directory'}/store.db" => 0644, $o{'store.key'} => 0644,
        $o{'store.published-keys'} => 0755, $o{'store.signing-key'} => 0644},
    sub {
        faults('open to everybody', {config => {'bridge.user' => 'nobody'}},
            qr/^problem socket: \S+milter\.sock: everybody on this machine can connect.* -> milter \{ socket-mode = 0660/,
            qr/^problem directory: \S+store\.db: everybody on this machine can read the mail.* -> chmod o-rwx/,
            qr/^problem directory: pontoon-bridge can't work: user nobody may not .* -> .*pontoon\.tmpfiles/,
            qr/^problem secret: \S+ \(store\.signing-key\) can be read by pontoon-bridge \(user nobody\).* -> chmod 600/,
            qr/^problem secret: \Q$o{'store.key'}\E \(store\.key\): everybody on this machine can read it/);
        faults('one user for all', {config => {'bridge.user' => 'nobody', 'store.user' => 'nobody'}},
            qr/^warning secret: .*store\.signing-key.*runs as the same user as its owner -> give each daemon a user of its own/);
    });
my @nofile = ('prlimit', '--pid', $a->daemon('store')->pid);
my ($soft) = scalar(Pontoon::Test::Site::run(@nofile, '--nofile', '--raw', '--noheadings', '--output', 'SOFT')) =~ /(\d+)/;
Pontoon::Test::Site::run(@nofile, '--nofile=500:');
faults('few files, a resolver that is gone, a milter that the world can reach',
    {config => {'milter.socket' => 'inet:*:20999', 'discovery.resolvers' => [@{$o{'discovery.resolvers'}}, $a->address . ':9']}},
    qr/^warning process: pontoon-store .* may open 500 files, and store\.connections asks for 1\d{3}: .* -> LimitNOFILE=1\d{3} in its unit/,
    qr/^warning resolver: resolver \S+:9: .*look-ups wait for it/, qr/^warning socket: milter\.socket .*whoever can connect there may put mail/);
Pontoon::Test::Site::run(@nofile, "--nofile=$soft:");
my $late = Pontoon::Test::Stranger->new($world, 'late', handler => sub {
    my @t = gmtime(time - 3600);
    return 0 if $_[0]{path} =~ /well-known/;
    return [200, {'Content-Type' => 'application/json', Date => POSIX::strftime('%a, %d %b %Y %H:%M:%S GMT', @t)}, '{"version":"SSMP1"}'];
})->start;
ok scalar(grep { /^problem clock: the clock of \S+ is (59m|1h)\S+ short of this machine's: notifications are refused -> compare both/ } bad('late.test')), 'a partner whose clock is wrong'
    or diag join "\n", bad('late.test');
ok scalar(grep { /^ok clock: the clocks of .* agree/ } shown(@{(check('a.test'))[0]})), 'one whose clock is right';

# ---- no Postfix, a broken one ----
faults('a configuration with errors', {edit => sub { "$_[0]smtp inet n n\n" }}, qr/^warning postfix: .*bad field count -> .*postfix check/);
faults('all is well again', {quiet => qr/^(?!settings|process|clock)/});
($findings) = check('--postfix-config', '/nonexistent');
ok scalar(grep { /^note postfix: no Postfix is here.*--postfix-config/ } shown(@$findings)), 'no Postfix: a note' or diag join "\n", shown(@$findings);
$world->nothing_broke;
done_testing;
