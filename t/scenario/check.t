# `pontoon check`, the doctor: nothing wrong with a healthy site or partner; then one thing after the other is broken, and each time the
# problem is named, with what to do about it.
use Pontoon::Test;
use File::Find qw(find);
use Pontoon::Test::Stranger;

my ($world, $a, $b) = two_sites();

sub check {
    my ($site, @domain) = @_;
    my ($text, $status, $errors) = $site->pontoon('check', @domain, '--json');
    my $report = eval { JSON::PP::decode_json($text) } or do { diag "no JSON: $text $errors"; return ([], $status >> 8) };
    return ([grep { $_->{level} eq 'problem' } @{$report->{findings}}], $status >> 8, $report->{findings});
}

sub shown { return map { "$_->{check}: $_->{found}" . (defined $_->{advice} ? " -> $_->{advice}" : '') } @{$_[0]} }

# Breaks something, looks, and mends it.
sub problem {
    my ($what, $break, $mend, $pattern, @domain) = @_;
    $break->();
    my ($problems, $code) = check($a, @domain);
    $mend->();
    is $code, 1, "$what: exit 1";
    ok scalar(grep { /$pattern/ } shown($problems)), "$what: named, with what to do" or diag join "\n", shown($problems);
}

# The same for what is less than a problem: the exit code stays.
sub worth {
    my ($level, $what, $break, $mend, $pattern, @domain) = @_;
    $break->();
    my ($problems, $code, $all) = check($a, @domain);
    $mend->();
    is_deeply [shown($problems)], [], "$what: no problem" if $level ne 'problem';
    ok scalar(grep { /$pattern/ } shown([grep { $_->{level} eq $level } @$all])), "$what: a $level, with what to do" or diag join "\n", shown($all);
}

my $log = $a->log_size;
my ($problems, $code) = check($a);
is_deeply [shown($problems)], [], 'a healthy site has no problem';
is $code, 0, 'exit 0';
unlike $a->log_after($log), qr/store\[.*warning/, 'the doctor leaves no warning in the log';
like scalar $a->pontoon('check'), qr/pontoon-bridge answers/, 'as text';
($problems, $code) = check($a, 'b.test');
is_deeply [shown($problems)], [], 'nor has a healthy partner';
is $code, 0, 'exit 0';

my $dns = $world->dns;
my %o = %{$a->{settings}};
worth(warning => 'no record', sub { $a->withdraw }, sub { $a->announce },
    qr/^record: a\.test takes no part.* -> publish exactly one record: _sender-store\.a\.test\. TXT "v=SSMP1; id=[0-9a-f]{16}"/);
problem('no record, and no bridge', sub { $a->withdraw; $a->stop('bridge') }, sub { $a->announce; $a->start('bridge') },
    qr/^endpoint: inbound .* does not answer.* -> see that the daemon runs/);
problem('a malformed record', sub { $dns->set('_sender-store.a.test', 'TXT "v=SSMP1; id=?"') }, sub { $a->announce },
    qr/^record: .*takes no part.* -> publish exactly one record/);
problem('two records', sub { $dns->set('_sender-store.a.test', 'TXT "v=SSMP1; id=1"', 'TXT "v=SSMP1; id=2"') }, sub { $a->announce },
    qr/^record: .* -> publish exactly one record/);
problem('another policy than configured', sub { $a->configure('policy.max-size' => '10M') }, sub { $a->configure('policy.max-size' => undef) },
    qr/^policy: the policy of a\.test is not what .* makes -> systemctl reload pontoon-store/);
problem('no bridge', sub { $a->stop('bridge') }, sub { $a->start('bridge') }, qr/^endpoint: inbound .* does not answer.* -> see that the daemon runs/);
problem('no milter', sub { $a->stop('milter') }, sub { $a->start('milter') }, qr/^daemon: pontoon-milter does not answer.* -> systemctl status/);
problem('an open signing key', sub { chmod 0644, $o{'store.signing-key'} }, sub { chmod 0600, $o{'store.signing-key'} }, qr/^signing-key: /);
problem('a partner without record', sub { $b->withdraw }, sub { $b->announce }, qr/^record: b\.test takes no part.* -> mail to it goes by SMTP/, 'b.test');
problem("a partner's bridge is down", sub { $b->stop('bridge') }, sub { $b->start('bridge') }, qr/^endpoint: inbound .* does not answer/, 'b.test');
# An id that was taken from the policy tells when it was not changed with it.
my ($id) = map { /id=([0-9a-f]{16})/ } shown([map { $a->withdraw; my @r = check($a); $a->announce; @{$r[2]} } 1]);
worth(warning => 'an id that was not changed with the policy', sub {
        $dns->set('_sender-store.a.test', qq(TXT "v=SSMP1; id=$id"));
        $a->configure('policy.max-size' => '10M');
        $a->reload('store');
    }, sub { $a->configure('policy.max-size' => undef); $a->reload('store'); $a->announce },
    qr/^record: .* has the id of another policy .* -> change the record: .*id=[0-9a-f]{16}/);

# Certificates.
my @issued = map { [$world->ca->issue_expired($_)] } 'sender-store.a.test';
sub with_certificate {
    my ($site, $chain, $key) = @_;
    my %old = map { my $name = $_; map { ("$name.$_" => $site->{settings}{"$name.$_"}) } qw(certificate key) } qw(store bridge);
    return (sub { $site->configure(map { ("$_.certificate" => $chain, "$_.key" => $key) } qw(store bridge)); $site->restart($_) for qw(store bridge) },
        sub { $site->configure(%old); $site->restart($_) for qw(store bridge) });
}
problem('an expired certificate', with_certificate($a, @{$issued[0]}), qr/^certificate: .* has expired, on \d{4}-.* -> renew it/);
problem('a certificate for another host', with_certificate($a, $world->ca->issue('elsewhere.test')),
    qr/^certificate: .* is not for sender-store\.a\.test, .* -> get a certificate that names sender-store\.a\.test too/);
problem('a partner whose certificate has expired', with_certificate($b, $world->ca->issue_expired('sender-store.b.test')),
    qr/^policy: the policy of b\.test can't be had: .*expired.* -> mail to it goes by SMTP/, 'b.test');
problem('a partner with an address that nobody may connect to', sub { $a->configure('discovery.allow-addresses' => ['203.0.113.0/24']) },
    sub { $a->configure('discovery.allow-addresses' => $o{'discovery.allow-addresses'}) },
    qr/^policy: the policy of b\.test can't be had: .*address.* -> /, 'b.test');
my $bad = Pontoon::Test::Stranger->new($world, 'bad', policy => '{"version":"SSMP1","mode":"enforce","max_age":"soon"}');
$bad->start;
my ($bad_problems) = check($a, 'bad.test');
ok scalar(grep { /^policy: the policy of bad\.test can't be had: .*max_age.* -> mail to it goes by SMTP; tell its postmaster/ } shown($bad_problems)),
    'a partner with a bad policy' or diag shown($bad_problems);

# What our store knows of a partner.
$a->submit(from => 'alice@a.test', to => ['bob@b.test']);
$b->wait_mail('bob', 1);
my (undef, undef, $all) = check($a, 'b.test');
ok scalar(grep { /^known: pontoon-store has the policy of b\.test, id \S+, usable until \d{4}-/ } shown($all)), 'what is remembered of a partner' or diag shown($all);
$dns->set('_sender-store.b.test', 'TXT "v=SSMP1; id=new"');
(undef, undef, $all) = check($a, 'b.test');
ok scalar(grep { /^known: pontoon-store still has the policy of b\.test with id .* -> it looks at the record again at \d{4}-/ } shown($all)),
    'and that it is not the newest' or diag shown($all);
$b->announce;

# A site that runs only some of the daemons.
worth(ok => 'no bridge at this site', sub { $a->configure('bridge.certificate' => undef, 'bridge.key' => undef, 'policy.inbound' => []); $a->stop('bridge'); $a->reload('store') },
    sub { $a->configure(map { ($_ => $o{$_}) } qw(bridge.certificate bridge.key policy.inbound)); $a->start('bridge'); $a->reload('store') },
    qr/^configuration: pontoon-bridge does not run here/);

# As a user who may not see all: what can't be seen is a note that says so.
my ($text, $state, $errors) = Pontoon::Test::Site::run('setpriv', '--reuid', 'nobody', '--regid', 'nogroup', '--clear-groups',
    "$ENV{PONTOON_BUILD}/pontoon", '-c', $a->conf, 'check', '--json');
my $as_nobody = eval { JSON::PP::decode_json($text) } // {findings => []};
is_deeply [shown([grep { $_->{level} eq 'problem' } @{$as_nobody->{findings}}])], [], 'as nobody: no problem is invented' or diag $errors;
ok scalar(grep { /run this as root/ } shown([grep { $_->{level} eq 'note' } @{$as_nobody->{findings}}])), 'as nobody: notes say to run it as root';

# As root it leaves nothing behind.
sub files { my %seen; find({no_chdir => 1, wanted => sub { my @s = lstat; $seen{$_} = "$s[4]:$s[5]" if !-d _ }}, $a->dir); return \%seen }
$a->stop($_) for qw(milter store bridge);
my $before = files();
check($a);
my $after = files();
is_deeply [map { "$_ $after->{$_}" } grep { !exists $before->{$_} || $before->{$_} ne $after->{$_} } sort grep { !/\.db-(?:shm|wal)$/ } keys %$after], [],
    'it makes no files, but for those of SQLite, which get the owner of their database';
$a->start($_) for qw(store bridge milter);

my (undef, $status) = $a->pontoon('check', 'no domain');
is $status >> 8, 64, 'what is no domain: wrong usage';
($problems, $code) = check($a);
is_deeply [shown($problems)], [], 'mended, it is well again';
$world->nothing_broke;
done_testing;
