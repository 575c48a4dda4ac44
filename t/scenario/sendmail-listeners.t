# The listeners of conf/sendmail.mc.snippet on a real Sendmail: nobody relays through the one for the bridge, however the address is
# written, although Sendmail trusts this machine; the one for the store passes mail on, untouched by the milter. And what only
# Sendmail does: it completes messages, and its virtual users live elsewhere.
use Pontoon::Test;

my $world = new_world();
my $a     = $world->site('a', mta => 'sendmail');
my $b     = $world->site('b', mta => 'sendmail');
my $users = $world->write('a/virtusers', "sales\@a.test\tbob\@b.test\n");
$a->{users} = [@{$a->{users}}, 'sales'];
$a->mta->{users} = $a->{users};
$a->{mc} = "FEATURE(`virtusertable', `text -k0 -v1 -z\\t $users')dnl\n";
$world->start;

# The bridge's listener.
my $client = Pontoon::Test::Smtp->new(endpoint => $b->mta->endpoint('inject'));
for my $ours ('bob@b.test', 'BOB@B.TEST', 'bob') {
    $client->command('MAIL FROM:<x@elsewhere.test>');
    like $client->command("RCPT TO:<$ours>")->{code}, $ours =~ /\@/ ? qr/^250/ : qr/^5/, "pontoon-in: <$ours>";
    $client->command('RSET');
}
for my $victim (qw(victim@elsewhere.test victim%elsewhere.test@b.test elsewhere.test!victim elsewhere.test!victim@b.test
    @b.test:victim@elsewhere.test victim@elsewhere.test@b.test "victim@elsewhere.test"@b.test victim%elsewhere.test
    victim@[192.0.2.1] victim%[192.0.2.1]@b.test))
{
    $client->command('MAIL FROM:<x@elsewhere.test>');
    like $client->command("RCPT TO:<$victim>")->{code}, qr/^5/, "pontoon-in: no way on to <$victim>";
    $client->command('RSET');
}
$client->quit;

# The store's.
$client = Pontoon::Test::Smtp->new(endpoint => $a->mta->endpoint('return'));
my $message = Pontoon::Test::Mail->plain(subject => 'returned');
is $client->send(from => 'alice@a.test', to => ['bob@b.test'], message => $message)->{code}, 250, 'pontoon-return: takes mail for others';
$client->quit;
my ($mail) = $b->wait_mail('bob', 1);
ok $mail->carries($message), 'and passes it on';
ok wait_until(sub { $a->mta->relayed('bob@b.test') }), 'by SMTP';
unlike $a->log_after(0), qr/milter\[\d+\]: \w+: pontoon=/, 'past pontoon-milter';
$client = Pontoon::Test::Smtp->new(endpoint => $a->mta->endpoint('return'), source => $world->address(77));
$client->command('MAIL FROM:<alice@a.test>');
like $client->command('RCPT TO:<bob@b.test>')->{code}, qr/^5/, 'pontoon-return: only for this machine';
$client->quit;

# A message that Sendmail completes when it sends it.
for my $missing (qw(Date From Message-ID)) {
    my $size = $a->log_size;
    $a->submit(from => 'alice@a.test', to => ['carol@b.test'], message => Pontoon::Test::Mail->plain =~ s/^$missing:.*\r\n//mr);
    $a->wait_log(qr/diverted=0, .*by SMTP: the MTA adds/, $size);
}
for my $mail ($b->wait_mail('carol', 3)) {
    ok $mail->header($_), "$_ is there" for qw(Date From Message-ID);
}
$a->submit(from => 'alice@a.test', to => ['dave@b.test'], message => $message);
like join('', map { $_->trace } $b->wait_mail('dave', 1)), qr/pontoon/, 'a whole one crosses the bridge';

# A virtual user whose mailbox is at B, and one who hides among others. Bcc does not get out.
my $secret = Pontoon::Test::Mail->plain(headers => "Bcc: dave\@b.test\r\n");
$a->submit(from => 'alice@a.test', to => ['sales@a.test', 'bob@b.test'], message => $secret);
$b->wait_mail('bob', 3);
unlike join('', map { $_->text } $b->mailbox('bob')), qr/^Bcc:/m, 'no Bcc';
$a->wait_settled;
is scalar($b->mailbox('bob')), 3, 'the virtual user and the plain one: one copy for each';
# What `pontoon check` makes of its sendmail.cf, as m4 made it; then with what people do to it.
my $cf = $b->mta->{dir} . '/etc/sendmail.cf';
my $made = do { local (@ARGV, $/) = $cf; <> };

sub findings {
    my ($edit) = @_;
    my $text = $edit->($made);
    my $file = $world->write('b/edited.cf', $text);
    my ($json) = $b->pontoon('check', '--sendmail-cf', $file, '--json');
    return map { "$_->{level}: $_->{found} -> " . ($_->{advice} // '') } grep { $_->{check} eq 'sendmail' } @{JSON::PP::decode_json($json)->{findings}};
}
my @found = findings(sub { $_[0] });
is scalar(grep { !/^ok: / } @found), 0, 'pontoon check: nothing is wrong with sendmail.cf' or diag @found;
like "@found", qr/ok: InputMailFilters=pontoon has pontoon-milter last .*store\.mta.*bridge\.mta/, 'the filter and the listeners are found';
for (
    ['a filter behind ours', sub { $_[0] =~ s/^(O InputMailFilters=pontoon)/$1,other/mr }, qr/problem: pontoon-milter .* not the last .* -> in sendmail\.mc, put/],
    ['no filter',            sub { $_[0] =~ s/^O InputMailFilters=.*\n//mr }, qr/problem: .* does not ask pontoon-milter .* -> .*INPUT_MAIL_FILTER/],
    ['another socket',       sub { $_[0] =~ s/^(Xpontoon, S=local:)[^,]+/$1\/nowhere/mr }, qr/problem: .* does not ask pontoon-milter/],
    ['refused while down',   sub { $_[0] =~ s/^(Xpontoon, .*)F=T/$1F=R/mr }, qr/problem: F=R .* -> F=T/],
    ['no F=',                sub { $_[0] =~ s/^(Xpontoon, .*)F=T, /$1/mr }, qr/note: filter pontoon has no F=/],
    ['our filter behind the bridge', sub { $_[0] =~ s/^(O DaemonPortOptions=Name=pontoon-in.*), InputMailFilters=/$1/mr }, qr/problem: the listener at \S+ \(bridge\.mta\) asks pontoon-milter/],
    ['no listeners',         sub { $_[0] =~ s/^O DaemonPortOptions=Name=pontoon-.*\n//mgr }, qr/problem: no DaemonPortOptions .*store\.mta.*problem: no DaemonPortOptions .*bridge\.mta/],
    )
{
    my ($what, $edit, $pattern) = @$_;
    like join(' ', findings($edit)), $pattern, "pontoon check: $what";
}
$world->nothing_broke;
done_testing;
