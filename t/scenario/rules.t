# Rules choose among what could be diverted: one message's recipients go three ways, size and headers decide at its end,
# a percentage always takes the same people, and a table that can't be read means SMTP.
use Pontoon::Test;

my $world = new_world();
my $a     = $world->site('a');
my $b     = $world->site('b');
my $plain = $world->site('plain', pontoon => 0);
my $table = $world->write('table', "dave\@b.test  here\n");
$a->{rules} = [
    [tabled => {recipients => ["texthash:$table"], action => 'smtp'}],
    [bulk   => {headers => ['Precedence: bulk', 'X-Newsletter'], action => 'smtp'}],
    [look   => {recipients => ['carol@b.test'], action => 'shadow'}],
    [big    => {recipients => ['b.test'], 'min-size' => '20K', action => 'smtp'}],
];
$world->start;

sub submit {
    my (%o) = @_;
    my $message = Pontoon::Test::Mail->plain(%o);
    my $log     = $a->log_size;
    my $sent    = $a->submit(from => 'alice@a.test', to => $o{rcpts}, message => $message);
    my ($line)  = $a->log_after($log) =~ /^(.*\/milter.*: $sent->{queue_id}: .*)$/m;
    return ($message, $line // '', $sent);
}
sub bridged { join('', $_[0]->trace) =~ /pontoon/ ? 1 : 0 }
my %have;    # how many messages each mailbox has had so far

# The next message of a mailbox must be this one; returns whether it crossed the bridge.
sub next_mail {
    my ($site, $user, $message) = @_;
    my ($mail) = grep { $_->carries($message) } $site->wait_mail($user, ++$have{$site->domain}{$user});
    ok $mail, "$user\@" . $site->domain . ' has it';
    return $mail && bridged($mail);
}

my ($message, $line, $sent) = submit(rcpts => [qw(bob@b.test carol@b.test dave@b.test bob@plain.test)]);
like $line, qr/, nrcpt=4, diverted=1, shadow=1, smtp=2, rule=default,look,tabled, by SMTP: domain takes no part\b/,
    'the log line names the rules in the order of the recipients';
like $line, qr/, shadow is [0-9A-Z]{26}$/, 'and the id of the shadow';
ok next_mail($b, 'bob', $message), 'diverted by default';
ok !next_mail($b, 'dave', $message), 'by SMTP: the table of the first rule';
ok !next_mail($b, 'carol', $message), 'by SMTP, and shadowed';
ok !next_mail($plain, 'bob', $message), 'by SMTP: no part taken';
$a->wait_settled;
my %seen = map { $_->{id} => {map { $_->{address} => $_->{state} } @{$_->{recipients}}} } @{$a->trace($sent->{queue_id})};
is_deeply [sort map { join ' ', %$_ } values %seen], ['bob@b.test delivered', 'carol@b.test shadowed'],
    'two messages in the store: one delivered, one that only looked';

# The same message comes again: SMTP brings it twice, as ever, but there is one shadow.
($message, $line) = submit(rcpts => ['carol@b.test']);
like $line, qr/, diverted=0, shadow=1, smtp=0, rule=look$/, 'shadow only';
my ($first) = $line =~ /pontoon=(\w+)/;
my $log = $a->log_size;
$a->submit(from => 'alice@a.test', to => ['carol@b.test'], message => $message);
like $a->log_after($log), qr/, shadow: resubmission of $first$/m, 'come again: no second shadow';
$have{'b.test'}{carol}++;
ok !next_mail($b, 'carol', $message), 'by SMTP, both times';

# What only the end of a message tells.
($message, $line) = submit(rcpts => ['bob@b.test'], headers => "Precedence:  Bulk\r\n");
like $line, qr/smtp=1, rule=bulk$/, 'a header';
ok !next_mail($b, 'bob', $message), 'by SMTP';
($message, $line) = submit(rcpts => [qw(bob@b.test carol@b.test)], body => "0123456789abcdef\r\n" x 1200);
like $line, qr/diverted=0, shadow=1, smtp=1, rule=big,look$/, 'a size; carol has been decided before that rule';
ok !next_mail($b, $_, $message), 'by SMTP' for qw(bob carol);
($message) = submit(rcpts => ['bob@b.test'], body => "0123456789abcdef\r\n" x 900);
ok next_mail($b, 'bob', $message), 'a smaller one is diverted';

# The table changes under the running milter, disappears, and is there again.
rename $world->write('new', "erin\@b.test no\n"), $table or die $!;
($message) = submit(rcpts => ['dave@b.test']);
ok next_mail($b, 'dave', $message), 'not in the table any more: diverted, without a reload';
unlink $table or die $!;
($message, $line) = submit(rcpts => ['dave@b.test']);
like $line, qr/rule=tabled, by SMTP: a table of the rule can't be read$/, 'the table is gone: SMTP';
like $a->log_after(0), qr/warning: table texthash:\Q$table\E can't be read: .*No such file.*correct the file/, 'with a warning that helps';
ok !next_mail($b, 'dave', $message), 'by SMTP';
$world->write('table', "x\@b.test\n");
($message) = submit(rcpts => ['dave@b.test']);
ok next_mail($b, 'dave', $message), 'there again: diverted';

# Percentages, by reload: raising them only adds people.
my @people = map { "user$_\@b.test" } 1 .. 40;
my %before;
for my $percent (0, 20, 60, 100) {
    $a->set_rules([share => {percent => $percent, action => 'divert'}], [rest => {action => 'smtp'}]);
    $a->reload('milter');
    my %now = map { $_ => 1 } grep { $a->pontoon_json('explain', 'alice@a.test', $_, '--client', $world->client)->{rule} eq 'share' }
        @people[0 .. 9];
    is scalar(grep { !$now{$_} } keys %before), 0, "$percent%: nobody leaves";
    %before = %now;
    ($message, $line) = submit(rcpts => [qw(bob@b.test)]);
    my $here = $line =~ /rule=share$/ ? 1 : 0;
    is next_mail($b, 'bob', $message), $here, "$percent%: what the log says is what happened";
    is $here, $percent == 100 ? 1 : $percent == 0 ? 0 : (3166 < 100 * $percent) + 0, 'and what pontoon.conf(5) says';
}
is scalar(keys %before), 10, '100%: all';
$a->wait_settled;
is scalar($b->mailbox($_)), $have{'b.test'}{$_}, "$_ has nothing twice" for qw(bob carol dave);
is scalar($a->mailbox('alice')), 0, 'no DSN';
$world->nothing_broke;
done_testing;
