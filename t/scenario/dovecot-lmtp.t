# The bridge delivers by LMTP into a real Dovecot, over TCP and over a unix socket: the bytes are equal, each recipient's own answer
# goes back to the sender, XCLIENT works, a large message fits, and a restart of Dovecot loses and doubles nothing.
use Pontoon::Test;
use Pontoon::Test::Dovecot;
use Pontoon::Test::Dsn;
use Pontoon::Test::Stranger;

for my $kind (qw(inet unix)) {
    my $world   = new_world();
    my $a       = $world->site('a', config => {'store.expire-after' => '1h'});
    my $b       = $world->site('b');
    my $dovecot = Pontoon::Test::Dovecot->new($world, $b,
        users => {full => 'userdb_quota_rule=*:bytes=1', later => 'userdb_quota_rule=*:bytes=1 userdb_quota_full_tempfail=yes'});
    $b->configure('bridge.mta' => $dovecot->endpoint($kind), 'bridge.mta-protocol' => 'lmtp');
    my $other = Pontoon::Test::Stranger->new($world, 'other');
    my $bytes = Pontoon::Test::Mail->plain(from => 'x@other.test');
    my $offer = $other->offer($bytes);
    $other->start;
    $dovecot->start;
    $world->start;

    # XCLIENT: a site with an address of its own. Dovecot offers it by TCP only.
    my $response = $other->notify($b, $other->sign($other->payload([$offer])));
    if ($kind eq 'unix') {
        my $verdict = $response->{json}{messages}[0]{recipients}[0];
        is $verdict->{verdict}, 'deferred', "$kind: without XCLIENT, which is required, nothing is delivered";
        like $b->log_after(0), qr/offers no XCLIENT ADDR.*login_trusted_networks/, "$kind: the log says what to do";
        $b->configure('bridge.xclient' => 'try');
        $b->restart('bridge');
        $response = $other->notify($b, $other->sign($other->payload([$offer])));
    }
    is $response->{json}{messages}[0]{recipients}[0]{verdict}, 'delivered', "$kind: a stranger's message is delivered";
    my ($first) = $b->wait_mail('bob', 1);
    my ($received) = grep { /with LMTP/ } $first->trace;
    like $received, qr/\[\Q$other->{address}\E\]/, "$kind: Dovecot knows the notifying site's address" if $kind eq 'inet';

    # Byte for byte.
    my $message = Pontoon::Test::Mail->plain(
        subject => "by LMTP ($kind)", headers => "X-Folded: one\r\n  two\r\nX-Empty:\r\n", body => ".\r\n..\r\n  Gr\xfc\xdfe \r\n\r\n");
    my $sent = $a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $message, mail => 'BODY=8BITMIME');
    my $mail = ($b->wait_mail('bob', 2))[-1];
    ok $mail->carries($message), "$kind: it lies in the mailbox byte for byte" or diag $mail->text;
    $a->wait_settled;
    my $relay = $kind eq 'unix' ? 'mx.b.test[' . $dovecot->endpoint('unix') . ']' : $b->address . '[' . $dovecot->endpoint('inet') =~ s/:/]:/r;
    like $b->log_after(0), qr/relay=\Q$relay\E, .*dsn=2\.0\.0, status=sent \(250 2\.0\.0 .* Saved\)/, "$kind: the log has Dovecot's words";

    # Each recipient's own answer: at RCPT, and after the final dot.
    # Dovecot offers no DSN: who asks to hear of success hears it from A, as final delivery, for each who has it.
    my %told;
    my @to = map { "$_\@b.test" } qw(carol full nobody later);
    my $reports = sub {
        %told = map { %{$_->rcpts} } Pontoon::Test::Dsn::all($a->mailbox('alice'));
        return keys %told;
    };
    $sent = $a->submit(from => 'alice@a.test', to => \@to, mail => 'ENVID=four', rcpt => {map { $_ => 'NOTIFY=SUCCESS,FAILURE' } @to},
        message => Pontoon::Test::Mail->plain(subject => 'to four'));
    $b->wait_mail('carol', 1);
    wait_for('three reports', sub { $reports->() >= 3 });
    my $summary = sub { join ' ', @{$told{"$_[0]\@b.test"} // {}}{qw(action status)} };
    is $summary->('full'),   'failed 5.2.2',    "$kind: over quota, after the content: reported as failed";
    is $summary->('nobody'), 'failed 5.1.1',    "$kind: unknown at RCPT: reported as failed";
    is $summary->('carol'),  'delivered 2.0.0', "$kind: taken: reported as delivered";
    like $told{'carol@b.test'}{'diagnostic-code'}, qr/^smtp; 250 2\.0\.0 .* Saved/, "$kind: in Dovecot's words";
    my ($trace) = @{$a->trace($sent->{queue_id})};
    my %rcpt = map { $_->{address} => $_ } @{$trace->{recipients}};
    is $rcpt{'carol@b.test'}{state}, 'delivered', "$kind: one is delivered";
    is_deeply [@{$rcpt{'later@b.test'}}{qw(state status)}], ['queued', '4.2.2'], "$kind: over quota for now: deferred"
        or diag explain $rcpt{'later@b.test'};
    $dovecot->set_user('later', 'userdb_quota_rule=*:storage=1G userdb_quota_full_tempfail=yes');
    $b->wait_mail('later', 1);
    $a->wait_settled;
    is scalar($b->mailbox($_)), 1, "$kind: $_ has it once" for qw(carol later);
    wait_for('the report about the last', sub { $reports->() == 4 });
    is $summary->('later'), 'delivered 2.0.0', "$kind: taken at last: reported as delivered";
    my @dsns = Pontoon::Test::Dsn::all($a->mailbox('alice'));
    is_deeply [sort map { $_->summary } @dsns], ['delivered carol@b.test', 'delivered later@b.test', 'failed full@b.test nobody@b.test'],
        "$kind: a report for each outcome, about each recipient once";
    is_deeply [map { join ' ', $_->reporter, $_->message->{'original-envelope-id'} } @dsns], [('mx.a.test four') x 3], "$kind: made by A";

    # What the doctor says of it.
    my @found = map { "$_->{level}: $_->{found}" } grep { $_->{check} eq 'mta' && $_->{found} =~ /bridge\.mta/ } @{$b->pontoon_json('check')->{findings}};
    is scalar(grep { !/^(?:ok|note): / } @found), 0, "$kind: pontoon check has nothing against it" or diag @found;
    ok scalar(grep { /^ok: .*refuses mail for other domains/ } @found), "$kind: but has asked it" or diag @found;

    # Large, and more than one transaction on a connection.
    my $large = Pontoon::Test::Mail->plain(subject => 'large', body => join '', map { "line $_ of many\r\n" } 1 .. 600_000);
    $a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $_) for $large, Pontoon::Test::Mail->plain;
    wait_for('both', sub { 4 <= $b->mta->mailbox_files('bob') });
    ok((grep { $_->carries($large) } $b->mailbox('bob')), sprintf '%s: %.0f MB arrive unchanged', $kind, length($large) / 1e6);

    # Dovecot is away for a while.
    is $dovecot->stop, 0, "$kind: Dovecot stops";
    $sent = $a->submit(from => 'alice@a.test', to => ['dave@b.test'], message => $message);
    my $waiting;
    wait_for('it to be deferred', sub {
        ($waiting) = map { @{$_->{recipients}} } grep { $_->{queue} eq 'store' } @{$a->pontoon_json('queue')};
        return $waiting && $waiting->{attempts} >= 1;
    });
    like $waiting->{status}, qr/^4\./, "$kind: while it is away the mail waits: $waiting->{status} $waiting->{error}";
    $dovecot->start;
    $b->wait_mail('dave', 1);
    $a->wait_settled;
    is scalar($b->mailbox('dave')), 1, "$kind: it is back: delivered, once";
    $world->nothing_broke;
}
done_testing;
