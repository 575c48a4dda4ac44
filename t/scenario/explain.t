# `pontoon explain`: every gate and rule in order, which decides, and what discovery says; and the milter does as it says.
use Pontoon::Test;

my $world = new_world();
my $a     = $world->site('a');
my $b     = $world->site('b', config => {'policy.max-size' => '1M'});
my $t     = $world->site('testing', config => {'policy.mode' => 'testing'});
$a->{rules} = [
    [vip   => {recipients => ['dave@b.test'], action => 'smtp'}],
    [night => {hours => ['22:00-06:00'], users => ['robot'], action => 'smtp'}],
    [big   => {'min-size' => '20K', action => 'smtp'}],
    [news  => {headers => ['X-News: *daily*'], recipients => ['b.test'], action => 'shadow'}],
    [lan   => {clients => ['192.0.2.0/24'], action => 'shadow'}],
];
$world->start;

sub asked { $a->pontoon_json('explain', @_) }
sub steps {
    my ($answer, $part) = @_;
    return join ' ', map { "$_->{name}:$_->{outcome}" } grep { $_->{part} eq $part } @{$answer->{steps}};
}

my $e = asked('alice@a.test', 'bob@b.test', '--size', '5K', '--header', 'X-Other: 1', '--time', 'Wed 12:00');
is $e->{way}, 'divert', 'nothing against it: divert';
is $e->{rule}, 'default', 'by default';
is $e->{reason}, undef, 'for no other reason';
is steps($e, 'rule'), 'vip:no night:no big:no news:no lan:no default:decides', 'the rules in order';
is steps($e, 'message'), 'switched on:open MTA:open sender:open client:open MAIL parameters:open max-size:open', 'the gates';
is steps($e, 'policy'), 'drain and breaker:open discovery:open policy mode:open policy inbound:open policy max_size:open', "B's policy";
is $e->{policy}{mode}, 'enforce', 'as it is published';
is $e->{record_id}, 1, 'and its record';
my %why = map { $_->{name} => $_->{why} } grep { $_->{part} eq 'rule' } @{$e->{steps}};
like $why{big}, qr/^min-size: the message has 5120 bytes, it must have 20480$/, 'why not big';
like $why{night}, qr/^hours: it is Wed 12:00$/, 'why not night';

# Half a question: what is not known leaves it open.
$e = asked('alice@a.test', 'bob@b.test');
is $e->{way}, undef, 'open';
is_deeply $e->{possible}, [qw(divert smtp shadow)], 'between these';
like steps($e, 'rule'), qr/big:perhaps news:perhaps/, 'by these rules';
my ($text) = scalar $a->pontoon('explain', 'alice@a.test', 'bob@b.test');
like $text, qr/^=> open: divert smtp shadow, as size and headers will say/m, 'in words';
is asked('alice@a.test', 'dave@b.test')->{way}, 'smtp', 'settled by an earlier rule';

my @all = ('--size', '5K', '--header', 'X-Other: 1', '--time', 'Wed 12:00');
for my $case (
    [['alice@a.test', 'bob@b.test', @all, '--header', 'X-News: The Daily Mail'], 'shadow', 'news', undef],
    [['alice@a.test', 'bob@b.test', '--size', '20K', '--header', 'A: b'],        'smtp',   'big',  undef],
    [['alice@a.test', 'bob@b.test', '--size', '2M',  '--header', 'A: b'],        'smtp',   'big',  undef],
    [['alice@a.test', 'bob@b.test', '--user', 'robot', '--time', '2026-11-25 23:00'], 'smtp', 'night', undef],
    [['alice@a.test', 'bob@b.test', @all, '--client', '192.0.2.1'], 'smtp', 'lan', 'client is not in divert-clients'],
    [['alice@a.test', 'bob@b.test', @all, '--client', '192.0.2.1', '--user', 'x'], 'shadow', 'lan', undef],
    [['alice@a.test',     'x@testing.test', @all], 'shadow', 'default', undef],
    [['alice@a.test',     'x@nowhere.test', @all], 'smtp',   'default', 'domain takes no part'],
    [['x@elsewhere.test', 'bob@b.test',     @all], 'smtp',   'default', 'sender domain is not ours'],
    [['<>',               'bob@b.test',     @all], 'smtp',   'default', 'null sender'],
) {
    my ($arguments, $way, $rule, $reason) = @$case;
    my $got = asked(@$arguments);
    is_deeply [@$got{qw(way rule reason)}], [$way, $rule, $reason], "@$arguments: $way";
}
like scalar($a->pontoon('explain', 'alice@a.test', 'x@testing.test', @all)),
    qr/^=> shadow \(rule default\) \(the policy is in mode testing\): /m, 'mode testing is named';
like scalar($a->pontoon('explain', 'alice@a.test', 'x@nowhere.test', @all)),
    qr/^discovery\n  nowhere\.test: .*no such name$/m, 'discovery in words';

# A drain is a gate, too.
$a->pontoon('drain', '--domain', 'b.test');
$e = asked('alice@a.test', 'bob@b.test', @all);
is $e->{way}, 'smtp', 'drained: SMTP';
like steps($e, 'policy'), qr/^drain and breaker:closed$/, 'closed there';
$a->pontoon('drain', '--domain', 'b.test', '--cancel');

for my $case (
    [['alice@a.test', 'bob'],        qr/has no domain/],
    [['alice@a.test', 'bob@b.test', '--size', 'big'],     qr/--size: "big" is no size/],
    [['alice@a.test', 'bob@b.test', '--time', 'soon'],    qr/--time: "soon" is neither/],
    [['alice@a.test', 'bob@b.test', '--client', 'there'], qr/--client: "there" is no address/],
    [['alice@a.test', 'bob@b.test', '--header', 'X'],     qr/--header: "X" is not "NAME: VALUE"/],
) {
    my (undef, $status, $err) = $a->pontoon('explain', @{$case->[0]});
    is $status >> 8, 64, "@{$case->[0]}: 64";
    like $err, $case->[1], 'and why';
}
$world->nothing_broke;
done_testing;
