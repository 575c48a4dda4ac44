# Who authenticated is known to the milter from a real Sendmail with a real SASL: only such mail is diverted, when the configuration says
# so. The Received header says that somebody did, and not who.
use Pontoon::Test;
use MIME::Base64 qw(encode_base64);

my $world = new_world();
my $a     = $world->site('a', mta => 'sendmail', config => {'milter.divert-clients' => ['authenticated']});
my $b     = $world->site('b');
$a->mta->set_passwords(alice => 'secret');
$world->start;

my $client = $a->client;
like $client->{keywords}{AUTH}, qr/PLAIN/, 'Sendmail offers AUTH PLAIN';
is $client->command('AUTH PLAIN ' . encode_base64("\0alice\0wrong", ''))->{code}, 535, 'a wrong password';
is $client->command('AUTH PLAIN ' . encode_base64("\0alice\0secret", ''))->{code}, 235, 'the right one';
my $message = Pontoon::Test::Mail->plain;
is $client->send(from => 'alice@a.test', to => ['bob@b.test'], message => $message, mail => 'AUTH=alice@a.test')->{code}, 250, 'sent';
$client->quit;
my ($mail) = $b->wait_mail('bob', 1);
ok $mail->carries($message), 'it arrived';
like join('', $mail->trace), qr/by mx\.a\.test \(pontoon\) with ESMTPA /, 'over the bridge, as authenticated mail';
unlike $mail->text, qr/alice\@mx/, 'without the login';

$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain);
my $other = ($b->wait_mail('bob', 2))[-1];
unlike join('', $other->trace), qr/pontoon/, 'the same without AUTH: by SMTP';
$a->wait_settled;
$world->nothing_broke;
done_testing;
