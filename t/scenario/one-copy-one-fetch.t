# A hundred recipients at one site: one stored body, one fetch, one transaction; and a hundred copies of one mail in as
# many transactions share one body in the store.
use Pontoon::Test;

my @users = map { "user$_" } 1 .. 100;
my ($world, $a, $b) = two_sites(b => {users => ['bob', @users]});
my $message = Pontoon::Test::Mail->plain(subject => 'to all', body => "a line\r\n" x 20_000);
my $sent = $a->submit(from => 'alice@a.test', to => [map { "$_\@b.test" } @users], message => $message);
$b->wait_mail($_, 1) for @users;
$a->wait_settled;
ok((($b->mailbox($_))[0])->carries($message), "$_ has it") for @users[0, 42, 99];
is scalar($a->events($sent->{queue_id}, qr/^fetched$/)), 1, 'fetched once';
is scalar(() = $a->log_after(0) =~ /fetched by/g), 1, 'says the log too';
is scalar(() = $a->log_after(0) =~ /status=sent/g), 100, 'and has a line for each recipient';
is scalar(grep { !@{[$b->postfix->mailbox_files($_)]} } @users), 0, 'all have it';

# Many transactions of one body: held back by a bridge that is down.
$b->stop('bridge');
my $body = Pontoon::Test::Mail->plain(subject => 'VERP', body => "b line\r\n" x 20_000);
$a->submit(from => "bounce+$_\@a.test", to => ["$_\@b.test"], message => $body) for @users[0 .. 9];
my $status = $a->pontoon_json('status')->{store};
is $status->{messages}, 10, 'ten messages wait';
is $status->{bodies}, 1, 'with one body';
cmp_ok $status->{body_bytes}, '<', 1.1 * length $body, 'of its size';
$b->start('bridge');
$b->wait_mail($_, 2) for @users[0 .. 9];
$a->wait_settled;
is $a->pontoon_json('status')->{store}{bodies}, 0, 'delivered: the body is deleted';
$world->nothing_broke;
done_testing;
