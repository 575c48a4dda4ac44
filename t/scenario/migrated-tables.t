# Who is migrated at B stands in a cdb table that postmap edits while mail flows: a user moves over, and back, without
# a restart or reload. The others are answered use-smtp and have their mail by SMTP within seconds; everything once, no DSN.
use Pontoon::Test;
use Time::HiRes qw(time);

my $world = new_world();
my $a     = $world->site('a');
my $b     = $world->site('b');
my $table = $b->dir . '/migrated';
$b->{config} = undef;
$b->{settings}{'bridge.migrated'} = ["cdb:$table"];
$b->{settings}{'bridge.refuse-senders'} = ["regexp:" . $world->write('refused', "/^spam\\.test\$/ REJECT\n")];

sub migrate {
    $world->write('b/migrated', join '', map { "$_ yes\n" } @_);
    my (undef, $status, $err) = Pontoon::Test::Site::run('postmap', '-c', $b->postfix->{dir} . '/etc', "cdb:$table");
    die "postmap: $err" if $status;
}

# The table is read when the bridge starts; postmap wants the main.cf that start() writes.
$b->postfix->prepare(routes => {}, filters => [], milters => [], main => {});
migrate('bob@b.test');
$world->start;

my (%sent, @messages);
sub submit {
    my ($user) = @_;
    my $message = Pontoon::Test::Mail->plain(subject => 'to ' . $user);
    my $begin   = time;
    $a->submit(from => 'alice@a.test', to => ["$user\@b.test"], message => $message);
    push @messages, [$user, $message];
    my @mail = $b->wait_mail($user, ++$sent{$user});
    my ($mail) = grep { $_->carries($message) } @mail;
    return (join('', $mail->trace) =~ /with SSMP/ ? 1 : 0, time - $begin);
}

my ($bridged) = submit('bob');
ok $bridged, 'bob is migrated: over the bridge';
($bridged, my $took) = submit('carol');
ok !$bridged, 'carol is not: by SMTP';
cmp_ok $took, '<', 5 * ($ENV{PONTOON_TEST_PATIENCE} || 1), 'within seconds';

# A stream for both, while the table is edited again and again: carol moves over, bob moves back.
my $log    = $b->log_size;
my $stream = Pontoon::Test::Proc->fork_code('stream', sub {
    for my $n (1 .. 40) {
        $a->submit(from => 'alice@a.test', to => [map { "$_\@b.test" } $n % 4 ? qw(bob carol) : qw(carol)],
            message => Pontoon::Test::Mail->plain(id => "stream$n\@a.test", subject => 'stream'));
    }
});
for my $n (1 .. 20) {
    migrate($n % 2 ? ('bob@b.test', 'carol@b.test') : ('carol@b.test'));
}
is $stream->wait_end, 0, 'the stream is out';
migrate('carol@b.test');
$sent{bob} += 30;
$sent{carol} += 40;
$b->wait_mail($_, $sent{$_}) for qw(bob carol);
$a->wait_settled;
for my $user (qw(bob carol)) {
    my %seen;
    $seen{$_->header('Message-ID')}++ for grep { $_->header('Subject') eq 'stream' } $b->mailbox($user);
    is scalar(keys %seen), $user eq 'bob' ? 30 : 40, "$user has the whole stream";
    is scalar(grep { $_ != 1 } values %seen), 0, 'each once';
}
unlike $b->log_after($log), qr/reload/i, 'nothing was reloaded';

($bridged) = submit('carol');
ok $bridged, 'carol is migrated now';
($bridged) = submit('bob');
ok !$bridged, 'bob is not any more';

# A table that can't be read: SMTP, with a warning; and all is well once it is there again.
rename "$table.cdb", "$table.away" or die $!;
($bridged) = submit('carol');
ok !$bridged, 'the table is gone: SMTP';
$b->wait_log(qr/warning: table cdb:\Q$table\E can't be read: .*No such file.*run postmap/);
rename "$table.away", "$table.cdb" or die $!;
($bridged) = submit('carol');
ok $bridged, 'there again';
$b->wait_log(qr/table cdb:\Q$table\E can be read again/);

$a->wait_settled;
for my $sent (@messages) {
    my ($user, $message) = @$sent;
    is scalar(grep { $_->carries($message) } $b->mailbox($user)), 1, "once in the mailbox of $user";
}
is scalar($a->mailbox('alice')), 0, 'no DSN';
$world->nothing_broke;
done_testing;
