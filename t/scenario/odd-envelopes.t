# Envelopes that are odd but real: the null sender, quoted and 8-bit local parts, source routes, control characters,
# very long addresses. None stops the milter; what can't cross goes by SMTP or is refused by the MTA, as without pontoon.
use Pontoon::Test;

my ($world, $a, $b) = two_sites(
    b => {main => {smtputf8_enable => 'yes'}, users => ['bob', 'carol', 'bob+tag', 'o\'brien', "j\xc3\xb6rg"]});
my $milter = $a->daemon('milter')->pid;

sub try {
    my ($what, %o) = @_;
    my $client = $a->client;
    my $result = $client->send(message => Pontoon::Test::Mail->plain(subject => 'odd'), to => ['bob@b.test'], from => 'alice@a.test', %o);
    $client->quit if $result->{code};
    note "$what: $result->{code} $result->{data}{text}";
    return $result->{code};
}

is try('null sender', from => ''), 250, 'the null sender is taken';
$b->wait_mail('bob', 1);
is try('plus', to => ['bob+tag@b.test']), 250, 'a tag';
$b->wait_mail('bob+tag', 1);
is try('apostrophe', to => [q(o'brien@b.test)]), 250, 'an apostrophe';
$b->wait_mail(q(o'brien), 1);
is try('quoted sender', from => '"alice smith"@a.test'), 250, 'a quoted local part with a space';
$b->wait_mail('bob', 2);
SKIP: {
    skip "A's MTA knows no SMTPUTF8", 1 unless $a->client->offers('SMTPUTF8');
    is try('UTF-8 recipient', to => ["j\xc3\xb6rg\@b.test"], mail => 'SMTPUTF8'), 250, 'an internationalized local part';
    $b->wait_mail("j\xc3\xb6rg", 1);
}
is try('source route', to => ['@a.test,@b.test:bob@b.test']), 250, 'a source route';
$b->wait_mail('bob', 3);
is try('upper case', to => ['BOB@B.TEST'], from => 'Alice@A.TEST'), 250, 'upper case';
$b->wait_mail('bob', 4);

# These the MTA may take or refuse; pontoon must live, and no message may vanish.
try('8-bit without SMTPUTF8', to => ["j\xf6rg\@b.test"]);
try('control characters',      from => "al\x01ice\@a.test");
try('quoted control',          from => qq("al\x07ice"\@a.test));
try('quoted at',               from => '"alice@home"@a.test', to => ['"bob@work"@b.test']);
try('domain literal',          to   => ['bob@[127.0.0.1]']);
try('long local part',         from => ('a' x 300) . '@a.test');
try('very long',               from => ('a' x 990) . '@a.test');
try('no domain',               from => 'alice', to => ['bob']);
try('dots',                    from => 'a..b.@a.test');
try('a hundred times the same', to => [('bob@b.test') x 100]);
$a->client->command("MAIL FROM:<$_>") for 'alice@a.test> BODY=8BITMIME', "alice\@", '@', '<>', "\x00";

ok $a->daemon('milter')->alive, 'the milter is alive';
is $a->daemon('milter')->pid, $milter, 'and the same';
my $last = Pontoon::Test::Mail->plain(subject => 'the last');
is try('a plain one', message => $last), 250, 'a plain message is taken after all that';
wait_for('the last message', sub { grep { $_->carries($last) } $b->mailbox('bob') });
$a->wait_settled;
unlike $a->log_after(0), qr/[\x00-\x08\x0b-\x1f]/, 'no control characters in the log';
$world->nothing_broke;
done_testing;
