# `pontoon check` and the MTA: nothing is wrong with a healthy Postfix; then one thing after the other is set up wrongly, as people do, and
# each is found and named, with what to do about it.
use Pontoon::Test;

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
# pontoon like that (config => {...}): each pattern is found in a finding and its advice. Several faults that don't meet may be made at once.
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
    my ($findings, $code) = check();
    my @all = shown(@$findings);
    for my $pattern (@patterns) {
        ok scalar(grep { /$pattern/ } @all), "$what: $pattern" or diag join "\n", @all;
    }
    is $code, (scalar(grep { $_->{level} eq 'problem' } @$findings) ? 1 : 0), "$what: exit $code";
    $a->{settings} = {%settings};
    $a->configure if $how->{config};
}

# ---- well ----
my ($findings, $code) = check();
is_deeply [shown(grep { $_->{level} =~ /problem|warning/ } @$findings)], [], 'a healthy site has no problem and no warning';
is $code, 0, 'exit 0';
my $ok = join "\n", shown(grep { $_->{level} eq 'ok' } @$findings);
like $ok, qr/^ok $_/m, $_
    for 'postfix: Postfix 3', 'milter: smtpd_milters .* has pontoon-milter last', qr/listener: "\Q$in\E inet" is as bridge\.mta/,
    qr/listener: "\Q$return\E inet" is as store\.mta/;

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
faults('trusted without XCLIENT', {inject => ['mynetworks=127.0.0.0/8'], config => {'bridge.xclient' => 'no'}},
    qr/^problem listener: .*in mynetworks: what others send is trusted as our own/);
faults('limits of the bridge', {inject => ['smtpd_client_connection_count_limit=5', 'smtpd_client_message_rate_limit=10',
            'smtpd_hard_error_limit=20', 'soft_bounce=yes', 'smtpd_reject_unlisted_recipient=no'],
        edit => sub { $_[0] =~ s/^(\Q$in\E inet n - n - )-/${1}3/mr }},
    qr/^warning listener: .* takes 5 connections of one client, bridge\.mta-connections is 20 -> .*count_limit=0/,
    qr/^warning listener: .*smtpd_client_message_rate_limit is 10 -> .*_rate_limit=0/, qr/^note listener: .*after 20 errors/,
    qr/^warning listener: soft_bounce/, qr/^warning listener: .*unknown users and bounces it later.*smtpd_reject_unlisted_recipient=yes/,
    qr/^warning listener: .* has 3 processes at most.*maxproc of "\Q$in\E inet": 20/);
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
faults('no listeners', {edit => sub { $_[0] =~ s/^(?:\Q$in\E|\Q$return\E) inet.*\n(?:  .*\n)*//mgr }},
    qr/^problem listener: no service in \S+ listens at \Q$in\E \(bridge\.mta\) -> add it .*"\Q$in\E inet/,
    qr/^problem listener: no service in \S+ listens at \Q$return\E \(store\.mta\)/);
faults('one listener for both', {config => {'bridge.mta' => $return}}, qr/^problem listener: bridge\.mta and store\.mta are one listener/);

# ---- what else is done to mail ----
faults('what touches mail behind the milter', {main => {content_filter => 'amavis:[127.0.0.1]:10024', smtp_generic_maps => 'texthash:/etc/generic',
            relayhost => '[relay.example]', default_transport => 'uucp', hopcount_limit => 30, maximal_queue_lifetime => '2d', delay_warning_time => '4h'},
        config => {'policy.max-size' => '400M'}},
    qr/^warning mta-settings: content_filter .* comes behind pontoon-milter/,
    qr/^warning mta-settings: smtp_generic_maps .* leaves without that/, qr/^note mta-settings: relayhost/,
    qr/^problem mta-settings: default_transport is uucp.* -> add "uucp" to milter\.transports/, qr/^note mta-settings: hopcount_limit is 30.*hop-limit = 30/,
    qr/^note mta-settings: maximal_queue_lifetime is 2d00h.*store\.expire-after/, qr/^note mta-settings: delay_warning_time/,
    qr/^warning mta-settings: policy\.max-size .* is more than the MTA takes.*policy\.max-size = 314572800/);

# ---- no Postfix, a broken one ----
faults('a configuration with errors', {edit => sub { "$_[0]smtp inet n n\n" }}, qr/^warning postfix: .*bad field count -> .*postfix check/);
faults('all is well again', {});
is_deeply [bad()], [], 'which it is';
($findings) = check('--postfix-config', '/nonexistent');
ok scalar(grep { /^note postfix: no Postfix is here.*--postfix-config/ } shown(@$findings)), 'no Postfix: a note' or diag join "\n", shown(@$findings);
$world->nothing_broke;
done_testing;
