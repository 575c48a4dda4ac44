# The promise: B's MTA takes longer than the answer to a notification can wait. B's bridge says "accepted", and later tells
# A's store by a receipt what became of it: although the bridge and the store are restarted in between, and although
# the store is down when the receipt is due. A asks nothing meanwhile, so only receipts can bring the news.
use Pontoon::Test;

my $world = new_world();
my $a     = $world->site('a', config => {'store.retry-min' => '1h', 'store.retry-max' => '1h'});
my $b     = $world->site('b',
    config => {'bridge.answer-within' => '300ms', 'bridge.drain-timeout' => '100ms'},
    main   => {smtpd_end_of_data_restrictions => 'check_recipient_access inline:{{dave@b.test = sleep 3}}'});
$world->start;

# Sends one message to a recipient whom B's MTA is slow with; returns when it is promised.
sub send_slowly {
    my ($user, $subject) = @_;
    my $sent = $a->submit(from => 'alice@a.test', to => ["$user\@b.test"], message => Pontoon::Test::Mail->plain(subject => $subject));
    wait_for("$subject: the promise", sub { $a->events($sent->{queue_id}, qr/^accepted$/) });
    is scalar($b->mailbox($user)), 0, "$subject: promised before it is delivered";
    return $sent->{queue_id};
}

sub settled_by_receipt {
    my ($user, $subject, $queue_id) = @_;
    my ($mail) = $b->wait_mail($user, 1);
    is $mail->header('Subject'), $subject, "$subject: delivered";
    $a->wait_settled;
    my ($trace) = @{$a->trace($queue_id)};
    is $trace->{recipients}[0]{state}, 'delivered', "$subject: A's store knows";
    is scalar(grep { $_->{event} =~ /^accepted/ } @{$trace->{hops}}), 1, "$subject: asked once";
    is scalar(grep { $_->{event} eq 'fetched' } @{$trace->{hops}}), 1, "$subject: fetched once";
    wait_for("$subject: the bridge to know that A knows", sub { !$b->pontoon_json('status')->{bridge}{untold} });
    is scalar($b->mailbox($user)), 1, "$subject: delivered once";
}

# Nothing in between.
$b->postfix->set_access('alice@b.test' => 'sleep 2');
settled_by_receipt('alice', 'slow', send_slowly('alice', 'slow'));

# Both daemons restarted while the MTA thinks about the envelope: asked again, fetched, delivered.
$b->postfix->set_access('bob@b.test' => 'sleep 10');
my $id  = send_slowly('bob', 'restarts');
my $log = $b->log_size;
is $b->stop('bridge'), 0, 'the bridge is stopped';
like $b->log_after($log), qr/stopping with 1 pieces? of work under way/, 'with the promise to keep';
is $a->stop('store'), 0, 'the store too';
is $b->pontoon_json('status')->{bridge}{pending}, 1, 'the promise is in the queue';
$a->start('store');
$b->postfix->set_access();
$b->start('bridge');
like $b->log_after($log), qr/took up 1 promised message/, 'and is taken up by the next bridge';
settled_by_receipt('bob', 'restarts', $id);

# The store goes away after the fetch, while the MTA thinks about the message: the receipt has to wait.
$id  = send_slowly('dave', 'store down');
wait_for('the fetch', sub { $a->events($id, qr/^fetched$/) });
$log = $b->log_size;
is $a->stop('store'), 0, 'the store is stopped while the MTA works';
$b->wait_mail('dave', 1);
$b->wait_log(qr/receipt for a\.test deferred: .*receipt for a\.test deferred: /s, $log);
is $b->pontoon_json('status')->{bridge}{untold}, 1, 'the receipt is tried again and again, and kept';
is $a->pontoon_json('queue')->[0]{recipients}[0]{state}, 'accepted', 'A does not know yet';
$b->restart('bridge');
$a->start('store');
settled_by_receipt('dave', 'store down', $id);
is scalar($a->mailbox('alice')), 0, 'alice was not bothered';
$world->nothing_broke;
done_testing;
