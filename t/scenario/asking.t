# What the other site has fetched may have arrived: the sender's site asks what became of it, also where its policy is gone, before
# anything goes by SMTP. The branches of the procedure in doc/protocol.md, section 9.
use Pontoon::Test;
use Time::HiRes qw(time);
use Pontoon::Test::Recorder;
use Pontoon::Test::Taker;

my $SETTLE = 8;    # store.settle-after, seconds
my $world  = new_world();
my $mx     = Pontoon::Test::Recorder->start(address => $world->address(8), port => $world->port($world->address(8)),
    dir => $world->mkdir('recorded'));
my $routes = $world->dir . '/routes';
my $a      = $world->site('a',
    main   => {transport_maps => "texthash:$routes", parent_domain_matches_subdomains => ''},
    config => {'store.fallback-after' => '3s', 'store.settle-after' => "${SETTLE}s", 'store.notify-timeout' => '1s',
        'store.breaker-failures' => 0});
my $b = $world->site('b', config => {'bridge.answer-within' => '20s'},
    main => {smtpd_end_of_data_restrictions => 'check_recipient_access inline:{{bob@b.test = sleep 3}}'});
$world->write('routes', "a.test virtual\nb.test smtp:[" . ($b->postfix->endpoint('smtp') =~ s/:/]:/r) . "\n"
    . '.test smtp:[' . ($mx->endpoint =~ s/:/]:/r) . "\n");

# The first notification is fetched and not answered; the others as the case says.
sub taker {
    my ($name, $answer) = @_;
    return Pontoon::Test::Taker->new($world, $name, from => $a, policy => {max_age => 60}, script => sub {
        my ($self, $number, @messages) = @_;
        return ref $answer eq 'CODE' ? $answer->() : $answer if $number > 1;
        $self->ask($_)->{status} == 200 or die "not served\n" for @messages;
        return;
    });
}
my $refused = [403, {}, ''];
my %taker = (
    aborted => taker('aborted', 'deferred'),
    gone    => taker('gone',    undef),
    left    => taker('left',    'delivered'),
    smtp    => taker('smtp',    'use-smtp'),
    shut    => taker('shut',    $refused),
    late    => taker('late',    sub { -e $world->dir . '/closed' ? 'use-smtp' : undef }),
    drained => taker('drained', 'delivered'),
    silent  => taker('silent',  undef),
);
$_->start for values %taker;
$world->start;

my (%id, %begin);

sub send_to {
    my ($to) = @_;
    my ($domain) = $to =~ /@(\w+)/;
    $begin{$domain} = time;
    $id{$domain} = $a->submit(from => 'alice@a.test', to => [$to], message => Pontoon::Test::Mail->plain(to => $to))->{queue_id};
}

sub rcpt { my ($domain) = @_; return $a->trace($id{$domain})->[0]{recipients}[0] }
sub fetched { my ($domain) = @_; return wait_for("$domain to fetch", sub { $a->events($id{$domain}, qr/^fetched$/) }) }
sub leave { my ($domain) = @_; $world->dns->set("_sender-store.$domain.test") }
sub by_smtp { my ($domain) = @_; return $mx->mails("bob\@$domain.test") }

# With a real bridge: fetched, delivered, and the answer is lost, as it comes after A has given up; meanwhile B leaves. A asks where B
# was last notified, and learns that it was delivered.
send_to('bob@b.test');
fetched('b');
leave('b');

send_to("bob\@$_.test") for qw(aborted gone left smtp shut late);
fetched($_) for qw(aborted gone left smtp shut late);
leave($_)   for qw(left smtp);
$a->postfix->set_access('bob@late.test' => '450 4.3.2 not now');    # for the return, too
$world->write('closed', '');

wait_for('B to be asked', sub { rcpt('b')->{state} eq 'delivered' });
like $a->log_after(0), qr/b\.test: .*asking where it was last notified/, 'B has left: it is asked where it was last notified';
is scalar($b->mailbox('bob')), 1, 'the answer was lost: asked again, delivered once';
unlike $a->postfix->log_after(0), qr/to=<bob\@b\.test>/, 'and nothing went by SMTP';
is scalar(grep { $_->{event} eq 'fetched' } @{$a->trace($id{b})->[0]{hops}}), 1, 'fetched once';

wait_for('an answer', sub { rcpt('left')->{state} eq 'delivered' });
is scalar(by_smtp('left')), 0, 'its policy is gone, it says delivered: nothing by SMTP';
wait_for('a return', sub { by_smtp('smtp') });
is rcpt('smtp')->{state}, 'returned', 'its policy is gone, it says use-smtp: by SMTP';

wait_for('a return', sub { by_smtp('aborted') });
my $seconds = (by_smtp('aborted'))[0]{when} - $begin{aborted};
cmp_ok $seconds, '<', $SETTLE, "fetched, then deferred: it has nothing, so fallback-after holds";
printf "# fetched, then deferred: back in SMTP after %.1f s (fallback-after = 3 s)\n", $seconds;

# A receipt that comes while our own MTA does not take the return yet.
wait_for('the return to be put off', sub { my $r = rcpt('late'); $r->{state} eq 'returning' && $r->{text} =~ /not now/ });
my $message = (grep { $_->{id} } $taker{late}->notified)[-1];
is $taker{late}->ask($message)->{status}, 410, 'what is going back can\'t be fetched any more';
is $taker{late}->receipt($message, 'delivered'), 204, 'but a receipt that says "delivered"';
is rcpt('late')->{state}, 'delivered', 'is faster than the return';
$a->postfix->set_access();

# Nobody ever says what became of it.
for my $domain (qw(gone shut)) {
    wait_for('the last resort', sub { by_smtp($domain) });
    $seconds = (by_smtp($domain))[0]{when} - $begin{$domain};
    cmp_ok $seconds, '>=', $SETTLE, "$domain: asked until settle-after";
    cmp_ok scalar($taker{$domain}->notified), '>', 3, 'again and again';
    like $a->log_after(0), qr/to=<bob\@$domain\.test>, .*status=deferred \(goes back to SMTP: .*a possible duplicate\)/, 'the log says that it may arrive twice';
    printf "# fetched, and never answered for: back in SMTP after %.1f s (settle-after = %d s)\n", $seconds, $SETTLE;
}
$a->wait_settled;

# Draining: no backoff keeps what was fetched from being asked for at once.
$a->configure('store.retry-min' => '1h', 'store.retry-max' => '1h');
$a->reload('store');
send_to("bob\@$_.test") for qw(drained silent);
fetched($_) for qw(drained silent);
wait_for('both to be put off', sub { 2 == grep { $_->{recipients}[0]{attempts} } @{$a->pontoon_json('queue')} });
my ($out, $code) = $a->pontoon('drain');
is $code >> 8, 75, 'a drain has to wait for both';
like $out, qr/^  1 to $_\.test: fetched by the other site, which is asked.*by SMTP at the latest 20/m, "$_: for what, and until when" for qw(drained silent);
wait_for('an answer', sub { rcpt('drained')->{state} eq 'delivered' });
cmp_ok time - $begin{drained}, '<', $SETTLE, 'a site that answers settles it';
($out, $code) = $a->pontoon('drain', '--wait');
is $code, 0, 'the drain ends';
wait_for('the MTA to deliver it', sub { by_smtp('silent') });
is scalar(by_smtp('silent')), 1, 'when the other has been asked for long enough, and its message has gone by SMTP';
is scalar(by_smtp($_)), 0, "$_: nothing by SMTP" for qw(drained late left);
is scalar(by_smtp($_)), 1, "$_: once by SMTP" for qw(aborted gone smtp shut);
is scalar($a->mailbox('alice')), 0, 'alice got no report about any of it';
$world->nothing_broke;
done_testing;
