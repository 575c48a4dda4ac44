# A stale milter socket (left by kill -9) is repaired at start, with the configured group and mode; a live one, and what is
# no socket at all, is left alone.
use Pontoon::Test;

my ($world, $a, $b) = two_sites();
my $path  = "$a->{dir}/milter.sock";
my $group = (getgrnam 'postfix')[2];

sub right {
    my ($when) = @_;
    my @s = stat $path;
    ok -S _, "$when: there is a socket";
    is $s[2] & 07777, 0660, 'with the configured mode';
    is $s[5], $group, 'and group';
}
right('started');

$a->kill9('milter');
ok -S $path, 'kill -9 leaves the socket behind';
$a->start('milter');
right('started over a stale one');
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain);
$b->wait_mail('bob', 1);
pass 'mail flows';

my ($out, $status, $err) = Pontoon::Test::Site::run("$ENV{PONTOON_BUILD}/pontoon-milter", '-c', $a->conf);
isnt $status, 0, 'a second milter on a live socket refuses to start';
like $err . $a->log_after(0), qr/\Q$path\E/, 'and names the socket';
ok $a->daemon('milter')->alive, 'the first lives on';
right('after that');
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain);
$b->wait_mail('bob', 2);

is $a->stop('milter'), 0, 'an orderly stop';
unlink $path;
$world->write('a/milter.sock', "precious\n");
($out, $status, $err) = Pontoon::Test::Site::run("$ENV{PONTOON_BUILD}/pontoon-milter", '-c', $a->conf);
isnt $status, 0, 'what is no socket is not removed';
is -s $path, 9, 'it is still there';
$world->nothing_broke;
done_testing;
