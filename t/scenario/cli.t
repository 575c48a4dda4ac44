# What the admin sees: `pontoon status`, `queue`, `trace`, `policy`, `keys` and `config`, as text and as JSON.
use Pontoon::Test;

my ($world, $a, $b) = two_sites();

sub pontoon {
    my ($site, @arguments) = @_;
    my ($out, $status, $err) = $site->pontoon(@arguments);
    return {out => $out, code => $status >> 8, err => $err};
}

# Nothing yet.
my $status = $a->pontoon_json('status');
is $status->{store}{messages}, 0, 'status: nothing under way';
is scalar(grep { $_->{answers} } @{$status->{daemons}}), 3, 'status: three daemons answer';
like pontoon($a, 'queue')->{out}, qr/nothing/, 'queue: says that it is empty';
is pontoon($a, 'trace', 'NOSUCH')->{code} != 0, 1, 'trace: an unknown id is an error';
like pontoon($a, 'trace', 'NOSUCH')->{err}, qr/NOSUCH/, 'which names it';

# One delivered, one waiting.
my $done = $a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain(id => 'done@a.test'));
$b->wait_mail('bob', 1);
$a->wait_settled;
$b->postfix->set_access('carol@b.test' => '451 4.7.1 not now');
my $waiting = $a->submit(from => 'alice@a.test', to => ['carol@b.test'], message => Pontoon::Test::Mail->plain);
my ($entry);
wait_for('it to wait', sub {
    ($entry) = grep { $_->{queue} eq 'store' } @{$a->pontoon_json('queue')};
    return $entry && $entry->{recipients}[0]{attempts} >= 1;
});
is $entry->{queue_id}, $waiting->{queue_id}, "queue --json: A's queue id";
is $entry->{sender}, 'alice@a.test', 'the sender';
my $rcpt = $entry->{recipients}[0];
is $rcpt->{address}, 'carol@b.test', 'the recipient';
is $rcpt->{status}, '4.7.1', 'the last status';
like $rcpt->{error}, qr/not now/, 'the last error';
like $rcpt->{$_}, qr/^\d{4}-\d\d-\d\dT[\d:.]+Z$/, "$_ is a time" for qw(since next);
my $text = pontoon($a, 'queue')->{out};
like $text, qr/$waiting->{queue_id}/, 'queue: the queue id';
like $text, qr/carol\@b\.test.*attempts \d+/, 'recipient and attempts';
like $text, qr/not now/, 'and the error';
like pontoon($a, 'status')->{out}, qr/under way: 1/, 'status: one under way';

# Trace by each of the three names, from one side and from both.
my ($trace) = @{$a->trace($done->{queue_id})};
ok $trace, 'trace: by queue id';
is $a->trace($_)->[0]{id}, $trace->{id}, "trace: by $_" for $trace->{id}, 'done@a.test', '<done@a.test>';
my $both;
wait_for("B's hops, which are written a moment after the delivery", sub {
    ($both) = @{$a->trace($trace->{id}, $b)};
    return @{$both->{hops}} > @{$trace->{hops}};
});
cmp_ok scalar(@{$both->{hops}}), '>', scalar(@{$trace->{hops}}), 'trace: with B\'s configuration too, more hops';
is $both->{receiver_queue_id} ? 1 : 0, 1, "and B's queue id";
my @times = map { $_->{time} } @{$both->{hops}};
is_deeply \@times, [sort @times], 'in order of time';
$text = pontoon($a, 'trace', $trace->{id})->{out};
like $text, qr/$_/, "trace: the text has $_" for $trace->{id}, $done->{queue_id}, 'bob@b.test', 'delivered', 'stored';
is $b->trace($trace->{id})->[0]{id}, $trace->{id}, 'B knows it by the same id';
is $b->trace($both->{receiver_queue_id})->[0]{id}, $trace->{id}, 'and by its own queue id';

# Policy, keys, configuration.
my $policy = $a->pontoon_json('policy', 'b.test');
is $policy->{result}, 'takes-part', 'policy: b.test takes part';
is $policy->{policy}{mode}, 'enforce', 'and how';
like pontoon($a, 'policy', 'b.test')->{out}, qr/takes part/, 'as text';
isnt pontoon($a, 'policy', 'nowhere.test')->{code}, 0, 'policy: one that takes no part';
like pontoon($a, 'keys', 'list')->{out}, qr/signing\.pem/, 'keys: the signing key is listed';
is pontoon($a, 'config', '--test')->{code}, 0, 'config --test: fine';
my $sample = pontoon($a, 'config', '--sample')->{out};
like $sample, qr/^#? ?milter \{/m, 'config --sample: a file';
is Pontoon::Test::Site::run("$ENV{PONTOON_BUILD}/pontoon", '-c', $world->write('sample.conf', $sample), 'config', '--test') =~ /no errors/, 1,
    'which passes its own test';
isnt pontoon($a, @$_)->{code}, 0, "wrong use: @$_" for ['nonsense'], ['trace'], ['queue', 'x'], ['status', '--test'], ['keys', 'eat'];

is $b->stop('bridge'), 0, 'B stops its bridge';
my ($bridge) = grep { $_->{program} eq 'pontoon-bridge' } @{$b->pontoon_json('status')->{daemons}};
ok !$bridge->{answers}, 'status: it does not answer any more';
$b->start('bridge');
$b->postfix->set_access();
$b->wait_mail('carol', 1);
$world->nothing_broke;
done_testing;
