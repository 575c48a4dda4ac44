# B's own rules see the notifying site, not "localhost, trusted": XCLIENT brings its address and verified name to the
# injection listener, so block lists by address decide, before anything is fetched; and nobody may relay there.
use Pontoon::Test;
use Pontoon::Test::Stranger;

my $world = new_world();
my $b     = $world->site('b');
my $good  = Pontoon::Test::Stranger->new($world, 'good');
my $evil  = Pontoon::Test::Stranger->new($world, 'evil');
my %bytes = map { $_->{domain} => Pontoon::Test::Mail->plain(from => "x\@$_->{domain}") } $good, $evil;
my %offer = map { $_->{domain} => $_->offer($bytes{$_->{domain}}) } $good, $evil;
$world->write('b/blocked', "$evil->{address} 554 5.7.1 your network is not welcome\n");
$b->{main} = {smtpd_client_restrictions => "check_client_access texthash:$b->{dir}/blocked", smtpd_delay_reject => 'yes'};
$world->dns->set_host('mail.good.test', $good->{address});
$_->start for $good, $evil;
$world->start;

sub verdict {
    my ($site, @o) = @_;
    my $response = $site->notify($b, $site->sign($site->payload([@o])));
    return $response->{json}{messages}[0]{recipients}[0];
}
my $v = verdict($good, $offer{'good.test'});
is $v->{verdict}, 'delivered', 'a site that is not blocked' or diag $v->{text};
my ($mail) = $b->wait_mail('bob', 1);
my ($received) = grep { /by mx\.b\.test \(Postfix\)/ } $mail->trace;
like $received, qr/\[\Q$good->{address}\E\]/, "B's Postfix knows the notifier's address: $received";
$v = verdict($evil, $offer{'evil.test'});
is $v->{verdict}, 'rejected', "a blocked address: the MTA's own rules decide";
like $v->{text}, qr/not welcome/, 'in its own words';
is scalar(grep { m{/messages/} } $evil->requests), 0, 'before anything was fetched';
is scalar($b->mailbox('bob')), 1, 'and nothing was delivered';

# The listener itself: who says nothing of XCLIENT is still nobody.
my $client = Pontoon::Test::Smtp->new(endpoint => $b->postfix->endpoint('inject'));
$client->command('MAIL FROM:<x@evil.test>');
like $client->command('RCPT TO:<victim@elsewhere.test>')->{code}, qr/^5/, 'no relaying on that listener';
$client->quit;
$world->nothing_broke;
done_testing;
