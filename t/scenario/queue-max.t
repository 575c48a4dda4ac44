# The store's queue has bounds: in all, for one domain, in bytes. When one is reached mail goes by SMTP, the log says why, once; and when there is
# less it is diverted again.
use Pontoon::Test;
use Pontoon::Test::Stranger;
use Time::HiRes qw(sleep);

my $world = new_world();
my $a     = $world->site('a', config => {'store.queue-max' => 5, 'store.queue-max-per-domain' => 3, 'store.breaker-failures' => 0,
    'store.fallback-after' => '0s'});
my $b     = $world->site('b');
my $other = Pontoon::Test::Stranger->new($world, 'other', handler => sub { $_[0]{path} eq '/notifications' ? [500, {}, ''] : 0 })->start;
$world->start;
$b->stop('bridge');

my $n = 0;
# Submits one message; the milter's line about it. What the store holds is looked at once a second: `news` waits for that.
sub line_for {
    my ($domain, $news) = @_;
    sleep 1.1 if $news;
    my $before = $a->log_size;
    my $mail = Pontoon::Test::Mail->plain(to => "bob\@$domain", subject => 'number ' . ++$n);
    $a->submit(from => 'alice@a.test', to => ["bob\@$domain"], message => $mail);
    my $line;
    wait_for('a line of the milter', sub { ($line) = $a->log_after($before) =~ /^(.*, diverted=.*)$/m });
    return $line;
}
sub full { return [map { [$_->{bound}, $_->{domain}, $_->{n}] } @{$a->pontoon_json('status')->{full}}] }
sub lines { my ($pattern) = @_; return scalar(() = $a->log_after(0) =~ /$pattern/g) }

like line_for('b.test'), qr/diverted=1/, "to b, number $_" for 1 .. 3;
is_deeply full(), [['store.queue-max-per-domain', 'b.test', 3]], 'the bound for b is reached';
for (1 .. 2) {
    like line_for('b.test', $_ == 1), qr/diverted=0, .*smtp=1, .*by SMTP: too much waits for the domain \(store\.queue-max-per-domain\)/, 'then by SMTP';
}
is scalar($b->wait_mail('bob', 2)), 2, 'which arrives';
is lines(qr/warning: b\.test: 3 recipients wait for it, store\.queue-max-per-domain is 3/), 1, 'the log says so once';
my ($explained, $status, $errors) = $a->pontoon('explain', 'alice@a.test', 'bob@b.test');
like $explained, qr/store\.queue-max-per-domain/, 'and pontoon explain';
is $errors, '', 'in its answer only';
like line_for('other.test'), qr/diverted=1/, "to another domain, number $_" for 1 .. 2;
is_deeply full(), [['store.queue-max', undef, 5], ['store.queue-max-per-domain', 'b.test', 3]], 'the bound in all is reached, too';
like line_for('other.test', 1), qr/diverted=0, .*by SMTP: the store's queue is full \(store\.queue-max\)/, 'then by SMTP';
like $a->pontoon('status'), qr/^full    store\.queue-max is 5, and there are 5: mail goes by SMTP\nfull    b\.test: store\.queue-max-per-domain is 3/m,
    'pontoon status';

$b->start('bridge');
$b->wait_mail('bob', 5);
wait_for('the store to have less', sub { $a->pontoon_json('status')->{store}{messages} == 2 });
is_deeply full(), [], 'nothing is full any more';
like line_for('b.test', 1), qr/diverted=1/, 'and mail is diverted again';
is lines(qr/b\.test: less waits for it than store\.queue-max-per-domain: mail to it is diverted again/), 1, 'which the log says';
is lines(qr/warning: the store's queue is full/), 1, "how often it was full";
is lines(qr/the store's queue is not full any more/), 1, 'and was not';
$b->wait_mail('bob', 6);

$a->configure('store.queue-bytes-max' => '100');
$a->reload('milter');
like line_for('b.test', 1), qr/diverted=0, .*by SMTP: the store is full \(store\.queue-bytes-max\)/, 'a bound in bytes';
$world->nothing_broke;
done_testing;
