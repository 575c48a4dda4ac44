# Leaving. `pontoon drain` stops the diversion in the store itself and reports until nothing is left: what the other side has not
# fetched goes back to SMTP at once, what it has is asked for. After an empty drain the daemons and their directories can go.
use Pontoon::Test;
use Pontoon::Test::Proc;
use File::Path qw(remove_tree);
use Time::HiRes qw(time);

my ($world, $a, $b, $c) = do {
    my $w = new_world();
    ($w, $w->site('a', config => {'store.fallback-after' => '1h', 'store.settle-after' => '1h', 'store.breaker-failures' => 0}),
        map { $w->site($_) } qw(b c));
};
$world->start;
my %sent;

sub send_to {
    my (@to) = @_;
    $sent{$_}++ for @to;
    return $a->submit(from => 'alice@a.test', to => \@to, message => Pontoon::Test::Mail->plain(subject => "to @to"));
}
sub site { my ($address) = @_; return $address =~ /c\.test/ ? $c : $b }
sub all_there {
    for my $address (sort keys %sent) {
        my ($user) = split /@/, $address;
        site($address)->wait_mail($user, $sent{$address});
        is scalar(site($address)->mailbox($user)), $sent{$address}, "$address has each message once ($sent{$address})";
    }
}

send_to('bob@b.test');
send_to('bob@c.test');
$b->wait_mail('bob', 1);
$c->wait_mail('bob', 1);
$a->wait_settled;

# One domain. Its bridge is away, and something waits for it; another domain's bridge too.
$_->stop('bridge') for $b, $c;
send_to('carol@b.test');
send_to('carol@c.test');
my ($out, $code, $err) = $a->pontoon('drain', '--domain', 'b.test');
is $code >> 8, 75, 'something waits: exit 75' or diag "$out$err";
like $out, qr/^draining b\.test: /m,           'it says what it does';
like $out, qr/^  1 to b\.test: .*(?:SMTP|about)/m, 'and what waits for what';
unlike $out, qr/to c\.test/, 'of that domain only';
my $begin = time;
($out, $code, $err) = $a->pontoon('drain', '--domain', 'b.test', '--wait');
is $code, 0, '--wait ends when it is empty' or diag "$out$err";
printf "# empty after %.1f s\n", time - $begin;
like $out, qr/^empty/m, 'and says so';
my $drains = $a->pontoon_json('status')->{drains};
is $drains->[0]{domain}, 'b.test', 'status shows the drain';
is @$drains, 1, 'one';
like scalar $a->pontoon('status'), qr/^drain\s+b\.test since/m, 'in words, too';
is $a->pontoon_json('status')->{store}{messages}, 1, "the other domain's message still waits";

wait_for('the milter to know', sub {
    my $before = $a->log_size;
    send_to('dave@b.test');
    return $a->log_after($before) =~ /diverted=0.*by SMTP: being drained/;
});
$_->start('bridge') for $b, $c;
$c->wait_mail('carol', 1);
$a->wait_settled;
# Even a milter that does not know yet can't put anything in: the store refuses, and the mail goes by SMTP without a failure.
$a->pontoon('drain', '--domain', 'b.test', '--cancel');
wait_for('mail to be diverted again', sub {
    my $before = $a->log_size;
    send_to('bob@b.test');
    return $a->log_after($before) =~ /diverted=1/;
});
$a->wait_settled;
my $client = $a->client;
$client->command('MAIL FROM:<alice@a.test>');
$client->command('RCPT TO:<bob@b.test>');    # here the milter looks
$a->pontoon('drain', '--domain', 'a.test');
$sent{'bob@b.test'}++;
$client->command('DATA');
my $before = $a->log_size;
$client->content(Pontoon::Test::Mail->plain(subject => 'too late'));
is $client->reply->{code}, 250, 'a drain that begins in the middle of a message';
like $a->log_after($before), qr/being drained: it goes by SMTP/, 'is kept by the store itself';
unlike $a->log_after($before), qr/error:/, 'and is no failure';
($out, $code) = $a->pontoon('drain', '--domain', 'a.test', '--wait');
is $code, 0, 'mail from a domain can be drained, too';
$a->pontoon('drain', '--domain', 'a.test', '--cancel');
($out, $code) = $a->pontoon('drain', '--domain', 'a.test', '--cancel');
like $out, qr/was not being drained/, 'a second --cancel';
($out, $code, $err) = $a->pontoon('drain', '--domain', 'a..b');
is $code >> 8, 64, 'a malformed domain is wrong usage';

# Everything, for good.
wait_for('mail to be diverted again', sub {
    $before = $a->log_size;
    send_to('bob@b.test');
    return $a->log_after($before) =~ /diverted=1/;
});
$a->wait_settled;
$_->stop('bridge') for $b, $c;
send_to('carol@b.test', 'carol@c.test') for 1 .. 3;
$begin = time;
my $report = JSON::PP::decode_json((split /\n/, $a->pontoon('drain', '--wait', '--json'))[-1]);
ok $report->{empty}, 'everything is drained';
is $report->{recipients}, 0, 'nothing is left';
printf "# 6 recipients at 2 domains were back in SMTP after %.1f s\n", time - $begin;
is $a->stop($_), 0, "A's $_ stops" for qw(milter store bridge);
$a->withdraw;
my $main = do { local (@ARGV, $/) = $a->postfix->{dir} . '/etc/main.cf'; <> };
# Not appended: each of Postfix's processes would warn of a parameter that is there twice, postlogd among them, which then waits for itself.
$a->postfix->write('main.cf', $main =~ s/^((?:non_)?smtpd_milters) = .*/$1 =/mgr);
$a->postfix->reload;
remove_tree(map { $a->dir . "/$_" } qw(store bridge keys));
all_there();
send_to('bob@b.test');
$b->wait_mail('bob', $sent{'bob@b.test'});
pass 'without pontoon mail goes as before';
is scalar($a->mailbox('alice')), 0, 'alice never hears of it';
$world->nothing_broke;
done_testing;
