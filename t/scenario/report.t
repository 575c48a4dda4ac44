# `pontoon report`: what an admin decides by. Shadows first: some would be delivered, one refused for its address, one is altered by a filter;
# then real mail: delivered, not migrated, refused by policy. Each time the last line says whether anything stands against it.
use Pontoon::Test;

my $world = new_world();
my $checks = $world->write('header_checks', "/^Subject: retouch me/ REPLACE Subject: retouched\n");
my $a = $world->site(a => rules => [[look => {action => 'shadow'}]]);
my $b = $world->site(
    b => main => {header_checks => "regexp:$checks"},
    config => {'milter.observe' => 'yes', 'bridge.shadow-wait' => '10s', 'bridge.not-migrated' => ['dave@b.test']});
$world->start;
$b->wait_log(qr/looks on/);

sub send_one {
    my ($subject, @to) = @_;
    $a->submit(from => 'alice@a.test', to => [@to], message => Pontoon::Test::Mail->plain(subject => $subject));
    wait_for("\"$subject\" to be settled", sub {
        my $store = $a->pontoon_json('status')->{store};
        return !$store->{messages} && !$store->{shadow_messages};
    });
}

is $a->pontoon('report'), "nothing was diverted or shadowed, as far as the store remembers (store.history)\n", 'nothing yet';

# ---- shadows ----
send_one("good $_", 'bob@b.test') for 1 .. 3;
send_one('unknown', 'nobody@b.test', 'dave@b.test');
my ($report) = @{$a->pontoon_json('report')};
my $s = $report->{shadows};
is $report->{domain}, 'b.test', 'by destination';
is_deeply [@$s{qw(recipients delivered refused use_smtp unreached under_way same different unseen)}], [5, 3, 1, 1, 0, 0, 3, 0, 0],
    'shadows are counted by what would have become of them';
is $s->{refusals}[0]{text}, '550 5.1.1 <...>: Recipient address rejected: User unknown in virtual mailbox table', 'refused, and why';
is scalar(@{$s->{refusals}[0]{ids}}), 1, 'with an example';
ok $a->trace($s->{refusals}[0]{ids}[0])->[0]{id}, 'which pontoon trace knows';
for my $way (qw(ssmp_ms smtp_ms)) {
    my $t = $s->{$way};
    ok $t->{n} == 3 && $t->{p50} <= $t->{p90} && $t->{p90} <= $t->{p99} && $t->{p99} <= $t->{max} && $t->{max} < 20_000,
        "$way: p50 $t->{p50}, p90 $t->{p90}, p99 $t->{p99}, max $t->{max}";
}
ok $report->{ready}, "$report->{verdict}";
like $a->pontoon('report'), qr/^  ready, as far as 5 recipients can tell$/m, 'as text, too';

send_one('retouch me', 'bob@b.test');
my $text = $a->pontoon('report', '--domain', 'b.test');
like $text, qr/^      1 x  header Subject changed  \(\w{26}\)$/m, 'a difference, with an example';
like $text, qr/^  not ready: 1 of 4 differ from what came by SMTP, mostly: header Subject changed$/m, 'stands against it';

# ---- nobody there ----
$a->configure('store.fallback-after' => '1s');
$a->reload('store');
$b->stop('bridge');
send_one('not reached', 'bob@b.test');
$b->start('bridge');
($report) = @{$a->pontoon_json('report')};
is $report->{shadows}{unreached}, 1, 'a shadow that was not reached';
like $report->{verdict}, qr/^not ready: 1 of 7 shadows could not be asked about, mostly: \S/, $report->{verdict};

# ---- real mail ----
$a->configure('store.fallback-after' => '15m');
$a->reload('store');
$a->set_rules();
$a->reload('milter');
my ($yesterday, $tomorrow) = map { my @t = localtime(time + $_ * 86_400); sprintf '%d-%02d-%02d', $t[5] + 1900, $t[4] + 1, $t[3] } -1, 1;
send_one("real $_", 'bob@b.test') for 1 .. 2;
send_one('mixed', 'carol@b.test', 'dave@b.test', 'nobody@b.test');
($report) = @{$a->pontoon_json('report', '--since', $yesterday)};
my $d = $report->{diverted};
is_deeply [@$d{qw(recipients delivered returned returned_use_smtp bounced under_way deferred)}], [5, 3, 1, 1, 1, 0, 0],
    'diverted mail is counted by what became of it';
is $d->{returns}[0]{text}, 'this recipient does not take part yet', 'returned, and why';
like $d->{bounces}[0]{text}, qr/User unknown/, 'bounced, and why';
is $d->{ssmp_ms}{n}, 3, 'times of what was delivered';
like $report->{verdict}, qr/shadows could not be asked about/, 'the shadows still stand against it';
unlike $report->{verdict}, qr/bounced|went back/, 'what is as by SMTP does not';

is_deeply $a->pontoon_json('report', '--since', $tomorrow), [], '--since leaves out what came before';
is_deeply $a->pontoon_json('report', '--since', '0s'), [], 'or by how long ago';
is_deeply $a->pontoon_json('report', '--domain', 'c.test'), [], '--domain leaves out the others';
for my $bad (['--since', 'soon'], ['--since', '2026-13-45x'], ['--domain', 'no domain']) {
    my ($out, $status, $error) = $a->pontoon('report', @$bad);
    is $status >> 8, 64, "@$bad: wrong usage";
    like $error, qr/^pontoon: (?:error: )?$bad->[0]: "$bad->[1]"/, "@$bad: " . $error =~ s/\n//r;
}
$world->nothing_broke;
done_testing;
