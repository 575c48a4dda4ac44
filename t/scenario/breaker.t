# A peer's bridge is away: after a few failures its breaker opens. What is stored goes back to SMTP at once, new mail is not even
# diverted; probes find out when the bridge is back, and mail is diverted again. All of it is in `pontoon status` and, once, in the log.
use Pontoon::Test;
use Time::HiRes qw(time);

my ($world, $a, $b) = two_sites(
    a => {config => {'store.breaker-failures' => 3, 'store.breaker-time' => '500ms', 'store.fallback-after' => '1h'}},
);
my %sent;

sub send_to {
    my ($user, $subject) = @_;
    $sent{$user}++;
    return $a->submit(from => 'alice@a.test', to => ["$user\@b.test"], message => Pontoon::Test::Mail->plain(subject => $subject));
}

sub peer { my ($peer) = @{$a->pontoon_json('status')->{peers}}; return $peer }

send_to('bob', 'over the bridge');
$b->wait_mail('bob', 1);
is peer(), undef, 'all is well: status names no peer';
is $b->stop('bridge'), 0, "B's bridge goes away";

my $begin = time;
send_to('carol', 'stored');
$b->wait_mail('carol', 1);
printf "# the stored message was back in SMTP after %.1f s (3 failures, over 0.5 s at least)\n", time - $begin;
$a->wait_settled;
my $peer = peer();
is $peer->{breaker},  'open',   'the breaker is open';
is $peer->{domain},   'b.test', 'for that domain';
cmp_ok $peer->{failures}, '>=', 3, 'after as many failures as configured';
like $peer->{error},      qr/connect/, "the last: $peer->{error}";
ok $peer->{next_probe} && $peer->{since}, 'since when, and when it is asked again';
like scalar $a->pontoon('status'), qr/^peer\s+b\.test: .*breaker open: mail to it goes by SMTP, next probe/m, 'in words, too';

# The milter knows within a second, without asking anybody.
wait_for('mail to go by SMTP at once', sub {
    my $before = $a->log_size;
    send_to('dave', 'direct');
    return $a->log_after($before) =~ /diverted=0.*by SMTP: the domain's bridge fails/;
});
$a->wait_settled;
is scalar(() = $a->log_after(0) =~ /peer b\.test: breaker open/g), 1, 'one line in the log says that it opened';

# It is durable.
$a->restart($_) for qw(store milter);
is peer()->{breaker}, 'open', 'a restart changes nothing';
my $before = $a->log_size;
send_to('dave', 'direct');
like $a->log_after($before), qr/by SMTP: the domain's bridge fails/, 'also for a milter that has just started';

$begin = time;
$b->start('bridge');
$a->wait_log(qr/peer b\.test: it is there again.*on trial/);
printf "# the bridge was found again %.1f s after its start\n", time - $begin;
wait_for('mail to cross the bridge again', sub {
    $before = $a->log_size;
    send_to('bob', 'again');
    return $a->log_after($before) =~ /diverted=1/;
});
$a->wait_log(qr/peer b\.test: breaker closed/);
$a->wait_settled;
is peer(), undef, 'the breaker is closed, and status silent';

# On trial one failure is enough.
$b->stop('bridge');
send_to('carol', 'once more');
$b->wait_mail('carol', 2);
wait_for('the breaker to open', sub { (peer() // {})->{breaker} eq 'open' });
$b->start('bridge');
$a->wait_log(qr/on trial/, $a->log_size);
$b->stop('bridge');
$before = $a->log_size;
wait_for('one failure on trial', sub { send_to('dave', 'on trial'); $a->log_after($before) =~ /breaker open again/ });

$b->wait_mail($_, $sent{$_}) for sort keys %sent;
$a->wait_settled;
is scalar($b->mailbox($_)), $sent{$_}, "$_ has each message once ($sent{$_})" for sort keys %sent;
is scalar($a->mailbox('alice')), 0, 'and alice hears nothing';
$world->nothing_broke;
done_testing;
