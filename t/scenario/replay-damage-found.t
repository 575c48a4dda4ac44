# Deliberate damage behind a real MTA: a filter that changes one byte, one that drops a message in a thousand, one that delivers one
# twice, and one that does no harm. pontoon-replay finds and names each.
use Pontoon::Test time => 240;
use Pontoon::Test::Corpus;
use Pontoon::Test::Filter;
use Pontoon::Test::Replay;

my $N     = $ENV{REPLAY_MESSAGES} // 1_000;
my $FEW   = int $N / 4;    # for what needs no thousand
my $world = new_world();
my $address = $world->address(70);
my ($filter_port, $sink_port) = map { $world->port($address) } 1, 2;
my $a = $world->site('a', pontoon => 0, main => {
    mynetworks => '127.0.0.0/8', smtp_line_length_limit => 0, local_header_rewrite_clients => '',
    transport_maps => "inline:{sink.test=smtp:[$address]:$filter_port}"});
$world->start;

# Messages of the world, each with a line of its own at the end.
my @messages = grep { length $_ < 20_000 } Pontoon::Test::Corpus::messages();
mkdir $world->dir . '/maildir' or die;
mkdir $world->dir . "/maildir/$_" or die for qw(cur new tmp);
for my $i (1 .. $N) {
    my $message = $messages[$i % @messages] =~ s/\r\n/\n/gr;
    $world->write(sprintf('maildir/new/%06d.M.h', $i), $message . "number $i\n");
}

sub replay {
    my ($n, $damage) = @_;
    my $filter = Pontoon::Test::Filter->start(address => $address, port => $filter_port, to => "$address:$sink_port", damage => $damage);
    my ($report, $code, $text, $errors) = Pontoon::Test::Replay::run($world, '--to', $a->mta->endpoint('smtp'),
        '--from', 'tester@a.test', '--rcpt', 'sink@sink.test', '--sink', "$address:$sink_port", '--wait', '3s', '--linger', '300ms', '--limit', $n,
        $world->dir . '/maildir');
    $filter->stop;
    $report or die "no report ($code): $text$errors";
    note join ', ', map { "$_ " . ($report->{ways}[0]{$_} // '-') } qw(sent arrived missing doubled altered messages_per_second);
    return ($report, $code, "$text$errors");
}

my @COUNTS = qw(sent arrived missing doubled altered);
sub found {
    my ($what, $n, $report, $code, @counts) = @_;
    is_deeply [map { $report->{ways}[0]{$_} } @COUNTS], \@counts, "$what: " . join ', ', map { "$COUNTS[$_] $counts[$_]" } 0 .. $#COUNTS;
    is $code, ($counts[1] == $n && !grep { $_ } @counts[2 .. 4]) ? 0 : 1, "$what: and the exit code says so";
}

# Which message it was: the filter notes its last line.
my $noted = $world->dir . '/noted';
sub note_message {
    my ($message) = @_;
    open my $fh, '>', $noted or die;
    print $fh $message =~ /number (\d+)\r\n\z/;
    close $fh;
}
sub noted_file { sprintf '%06d.M.h', do { local (@ARGV, $/) = ($noted); <> } }

my ($report, $code, $text) = replay($FEW, sub { $_[1] });
found('no harm', $FEW, $report, $code, $FEW, $FEW, 0, 0, 0) or diag $text;
is_deeply $report->{findings}, [], 'no harm: no finding';

my $victim = int $FEW / 2;
($report, $code, $text) = replay($FEW, sub {
    my ($number, $message) = @_;
    return $message if $number != $victim;
    note_message($message);
    substr $message, -5, 1, substr($message, -5, 1) eq 'X' ? 'Y' : 'X';
    return $message;
});
found('one byte', $FEW, $report, $code, $FEW, $FEW, 0, 0, 1);
my ($finding) = @{$report->{findings}};
is scalar @{$report->{findings}}, 1, 'one byte: one finding';
is $finding->{kind}, 'altered', 'one byte: named as altered';
like $finding->{origin}, qr/\Q@{[noted_file()]}\E$/, 'one byte: the file is named';
like $finding->{what}, qr/^byte \d+ \(line \d+\): sent "number .*", arrived "num/, 'one byte: and where' or diag $finding->{what};
note $finding->{what};
like $text, qr/altered: by first .*: byte \d+/, 'one byte: on the terminal, too';

($report, $code) = replay($N, sub {
    my ($number, $message) = @_;
    return $message if $number % 1000 != $victim % 1000;
    note_message($message);
    return;
});
my $dropped = grep { $_ % 1000 == $victim % 1000 } 1 .. $N;
found('one in a thousand', $N, $report, $code, $N, $N - $dropped, $dropped, 0, 0);
($finding) = @{$report->{findings}};
is $finding->{kind}, 'missing', 'one in a thousand: named as missing';
like $finding->{origin}, qr/\Q@{[noted_file()]}\E$/, 'one in a thousand: the file is named' if $dropped == 1;
is $finding->{recipient}, 'sink@sink.test', 'one in a thousand: and who lacks it';
like $finding->{what}, qr/^250 .*queued as/, 'one in a thousand: and under which queue id it was taken';

($report, $code) = replay($FEW, sub {
    my ($number, $message) = @_;
    return $message if $number != $victim;
    note_message($message);
    return ($message, $message);
});
found('twice', $FEW, $report, $code, $FEW, $FEW, 0, 1, 0);
($finding) = @{$report->{findings}};
is $finding->{kind}, 'doubled', 'twice: named as doubled';
like $finding->{origin}, qr/\Q@{[noted_file()]}\E$/, 'twice: the file is named';

$world->nothing_broke;
done_testing;
