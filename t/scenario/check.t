# `pontoon check`, the doctor: nothing wrong with a healthy site or partner; then one thing after the other is broken, and each time the
# problem is named, with what to do about it.
use Pontoon::Test;

my ($world, $a, $b) = two_sites();

sub check {
    my ($site, @domain) = @_;
    my ($text, $status, $errors) = $site->pontoon('check', @domain, '--json');
    my $report = eval { JSON::PP::decode_json($text) } or do { diag "no JSON: $text $errors"; return ([], $status >> 8) };
    return ([grep { $_->{level} eq 'problem' } @{$report->{findings}}], $status >> 8);
}

sub shown { return map { "$_->{check}: $_->{found} -> $_->{advice}" } @{$_[0]} }

# Breaks something, looks, and mends it.
sub problem {
    my ($what, $break, $mend, $pattern, @domain) = @_;
    $break->();
    my ($problems, $code) = check($a, @domain);
    $mend->();
    is $code, 1, "$what: exit 1";
    ok scalar(grep { /$pattern/ } shown($problems)), "$what: named, with what to do" or diag join "\n", shown($problems);
}

my ($problems, $code) = check($a);
is_deeply [shown($problems)], [], 'a healthy site has no problem';
is $code, 0, 'exit 0';
like scalar $a->pontoon('check'), qr/pontoon-bridge answers/, 'as text';
($problems, $code) = check($a, 'b.test');
is_deeply [shown($problems)], [], 'nor has a healthy partner';
is $code, 0, 'exit 0';

my $dns = $world->dns;
my %o = %{$a->{settings}};
problem('no record', sub { $a->withdraw }, sub { $a->announce }, qr/^record: a\.test takes no part.* -> publish exactly one record/);
problem('two records', sub { $dns->set('_sender-store.a.test', 'TXT "v=SSMP1; id=1"', 'TXT "v=SSMP1; id=2"') }, sub { $a->announce },
    qr/^record: .* -> publish exactly one record/);
problem('another policy than configured', sub { $a->configure('policy.max-size' => '10M') }, sub { $a->configure('policy.max-size' => undef) },
    qr/^policy: the policy of a\.test is not what .* makes -> systemctl reload pontoon-store/);
problem('no bridge', sub { $a->stop('bridge') }, sub { $a->start('bridge') }, qr/^endpoint: inbound .* does not answer.* -> see that the daemon runs/);
problem('no milter', sub { $a->stop('milter') }, sub { $a->start('milter') }, qr/^daemon: pontoon-milter does not answer.* -> systemctl status/);
problem('an open signing key', sub { chmod 0644, $o{'store.signing-key'} }, sub { chmod 0600, $o{'store.signing-key'} }, qr/^signing-key: /);
problem('a partner without record', sub { $b->withdraw }, sub { $b->announce }, qr/^record: b\.test takes no part.* -> mail to it goes by SMTP/, 'b.test');
problem("a partner's bridge is down", sub { $b->stop('bridge') }, sub { $b->start('bridge') }, qr/^endpoint: inbound .* does not answer/, 'b.test');
my (undef, $status) = $a->pontoon('check', 'no domain');
is $status >> 8, 64, 'what is no domain: wrong usage';
($problems, $code) = check($a);
is_deeply [shown($problems)], [], 'mended, it is well again';
$world->nothing_broke;
done_testing;
