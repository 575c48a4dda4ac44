# The migration chapter of doc/operations.md, step by step, under a steady stream of real messages in both directions: to people
# who have been migrated at the other site, who have not, and at a domain that takes no part. A bridge is killed and a policy
# withdrawn while mail flows, and in the end all is drained. Every recipient has every message once, with equal bytes.
use Pontoon::Test time => 600;
use Pontoon::Test::Traffic;
use Time::HiRes qw(time);

my $OUT  = 2_000;    # messages from a to the others
my $IN   = 240;      # and from b to a
my $RATE = 40;       # a second, out

my $world    = new_world();
my $migrated = $world->write('migrated', join '', map { "$_\@b.test yes\n" } qw(alice bob dave erin));
my $a = $world->site('a', discovery => 0,
    config => {'policy.mode' => 'none', 'rules-default' => 'smtp', 'policy.max-age' => '60s', 'milter.discovery-wait' => '0s'});
my $b = $world->site('b', users => [qw(alice bob carol dave erin frank)], config => {'bridge.migrated' => ["texthash:$migrated"]});
my $c = $world->site('c', pontoon => 0);
$world->start;

my $begin = time;
sub step { note sprintf '%5.1f s: %s', time - $begin, $_[0] }

# What an admin does: edit, test, reload.
sub settings {
    my ($step, $rules, %changes) = @_;
    $a->configure(%changes);
    $a->set_rules(@$rules);
    $a->pontoon('config');
    $a->reload($_) for qw(store bridge milter);
    step($step);
}

# Waits for a decision of a's milter, about a message that is still to come, that matches.
sub wait_decision {
    my ($what, $pattern, $site) = @_;
    $site //= $a;
    my $from = $site->log_size;
    ok wait_until(sub { $site->log_after($from) =~ $pattern }, 60), $what;
}

sub report_about {
    my ($site, $domain) = @_;
    my ($report) = grep { $_->{domain} eq $domain } @{$site->pontoon_json('report', '--domain', $domain)};
    return $report;
}

my $out = Pontoon::Test::Traffic->start(
    site => $a, messages => $OUT, rate => $RATE,
    recipients => {(map { ("$_\@b.test" => $b) } qw(bob carol dave erin frank)), (map { ("$_\@c.test" => $c) } qw(bob dave))},
);
my $in = Pontoon::Test::Traffic->start(
    site => $b, messages => $IN, rate => $RATE * $IN / $OUT, recipients => {map { ("$_\@a.test" => $a) } qw(bob carol dave)});
note 'seeds ' . $out->seed . ' and ' . $in->seed;

# Step 0: installed, nothing changed.
$out->wait_sent(100);
is $a->pontoon_json('status')->{store}{messages}, 0, 'step 0: all mail goes by SMTP, nothing is stored';
unlike $a->log_after(0), qr/diverted=[1-9]|shadow=[1-9]/, 'step 0: nothing is diverted';

# Step 1: take part as a receiver, in the dark.
settings('step 1: a receiver in the dark', [], 'policy.mode' => 'testing', 'milter.observe' => 'yes');
$a->announce;
wait_decision('step 1: b sends shadows', qr/shadow=[1-9]/, $b);
ok wait_until(sub { (report_about($b, 'a.test') // return)->{shadows}{delivered} >= 3 }, 60), 'step 1: they would have been delivered';
like $a->log_after(0), qr/status=deliverable/, 'step 1: and are dropped here';

# Step 2: look before you leap, as a sender.
my $look = [look => {recipients => ['b.test'], action => 'shadow'}];
settings('step 2: looking', [$look]);
wait_decision('step 2: copies go to b', qr/shadow=[1-9]\d*, smtp=\d+, rule=[\w,]*\blook\b/);
ok wait_until(sub { (report_about($a, 'b.test') // return)->{shadows}{delivered} >= 50 }, 60), 'step 2: 50 would have been delivered';
my $shadows = report_about($a, 'b.test')->{shadows};
is $shadows->{different} + $shadows->{refused}, 0, 'step 2: nothing refused, no difference';
like scalar $a->pontoon('explain', 'alice@a.test', 'bob@b.test'), qr/\blook\b/, 'step 2: pontoon explain names the rule';

# Step 3: the first people, and mail for us for real.
settings('step 3: the first people', [[first => {recipients => ['bob@b.test'], action => 'divert'}], $look], 'policy.mode' => 'enforce');
$a->announce;
wait_decision('step 3: bob is diverted, others are looked at', qr/diverted=1, shadow=[1-9]\d*, smtp=\d+, rule=[\w,]*\bfirst\b/);
wait_decision('step 3: b diverts to us', qr/diverted=[1-9]/, $b);

# Step 4: by percentage.
for my $percent (40, 80) {
    settings("step 4: $percent percent", [[some => {recipients => ['b.test'], percent => $percent, action => 'divert'}], $look]);
    wait_decision("step 4: some of them, at $percent percent", qr/diverted=[1-9]\d*, shadow=\d+, smtp=\d+, rule=[\w,]*\bsome\b/);
    $out->wait_sent($out->sent + 100);
}

# Step 5: everything.
settings('step 5: everything', [], 'rules-default' => 'divert', 'milter.observe' => 'no');
wait_decision('step 5: whoever takes part', qr/diverted=[2-9], shadow=0, smtp=\d+, rule=default\b/);
ok wait_until(sub { (report_about($a, 'b.test') // return)->{diverted}{returned} > 0 }, 60),
    'step 5: who is not migrated at b gets it by SMTP';

step('the bridge at b is killed');
$b->kill9('bridge');
$out->wait_sent($out->sent + 60);
$b->start('bridge');
step('and is back');
wait_decision('mail is diverted again', qr/diverted=[1-9]/);

step('b withdraws its record');
$b->withdraw;
wait_decision('all by SMTP, then', qr/nrcpt=3, diverted=0, shadow=0, smtp=3, rule=default, by SMTP: domain takes no part/); # two at most are at c
$out->wait_sent($out->sent + 8); # what was on its way
my $gone = $a->log_size;
$out->wait_sent($out->sent + 60);
unlike $a->log_after($gone), qr/diverted=[1-9]/, 'nothing more is diverted';
$b->announce;
step('b is back');
wait_decision('and is found again', qr/diverted=[1-9]/);

# The way back: under the same stream of mail.
step('drain, with ' . ($OUT - $out->sent) . ' messages still to come');
cmp_ok $out->sent, '<', $OUT - 100, 'mail still flows';
$a->configure('policy.mode' => 'none');
$a->reload($_) for qw(store bridge milter);
$a->withdraw;
my ($text, $status) = $a->pontoon('drain', '--wait');
is $status, 0, 'pontoon drain ends when nothing is left' or diag $text;
step('drained');
$out->wait_sent($out->sent + 50);
is $a->pontoon_json('status')->{store}{messages}, 0, 'nothing new has come in';
$_->hurry         for $out, $in;
$_->wait_all_sent for $out, $in;
step('all is sent');
$b->pontoon('drain', '--wait');

$_->wait_arrived for $out, $in;
step('all has arrived');
for my $traffic ($out, $in) {
    my $bad = $traffic->audit;
    for my $kind (sort keys %$bad) {
        my @list = @{$bad->{$kind}};
        is scalar(@list), 0, sprintf 'of %d messages, %d copies: none %s', $traffic->{messages}, $traffic->copies_expected, $kind
            or diag map { "$_\n" } @list[0 .. ($#list < 20 ? $#list : 20)];
    }
}
for my $site ($a, $b) {
    my $s = $site->pontoon_json('status');
    is "$s->{store}{messages} $s->{store}{bodies} $s->{bridge}{pending} $s->{bridge}{untold}", '0 0 0 0', $site->domain . ': the store is empty';
    is scalar($site->mailbox('alice')), 0, $site->domain . ': no sender heard of a failure';
}
my $sums = report_about($a, 'b.test');
diag sprintf "%d messages, %d copies out in %.0f s: %d recipients shadowed, %d diverted and delivered, %d returned to SMTP; %d copies in",
    $OUT, $out->copies_expected, time - $begin, $sums->{shadows}{recipients}, $sums->{diverted}{delivered}, $sums->{diverted}{returned},
    $in->copies_expected;
$world->nothing_broke;
done_testing;
