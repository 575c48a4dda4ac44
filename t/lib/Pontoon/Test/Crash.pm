# The story of the kill-*.t scenarios: many messages on their way, one daemon killed (SIGKILL) and started again several
# times meanwhile; then all messages must be there, each once.
package Pontoon::Test::Crash;
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);
use Pontoon::Test::Mail;
use Pontoon::Test::Proc;
use Pontoon::Test::Smtp;
use Pontoon::Test::Wait;

my $MESSAGES = 200;
my $CLIENTS  = 4;
my $KILLS    = 5;

# world, from (site), to (site), kill => [site, daemon].
sub run {
    my (%o) = @_;
    my ($from, $to) = @o{qw(from to)};
    my ($site, $daemon) = @{$o{kill}};
    my @clients = map { client($from, $_) } 0 .. $CLIENTS - 1;
    for my $n (1 .. $KILLS) {
        my $at = int $MESSAGES * $n / ($KILLS + 1);
        wait_for("message $at to arrive", sub { arrived($to) >= $at - $CLIENTS }, 60);
        $site->kill9($daemon);
        sleep 0.1 if $n % 2;    # now and then the others notice
        $site->start($daemon);
    }
    for my $client (@clients) {
        is $client->wait_end(120), 0, 'a client got rid of all its messages';
    }
    wait_for('all messages to arrive', sub { arrived($to) >= $MESSAGES }, 90);
    $from->wait_settled(60);
    my %count;
    $count{$_->header('Subject')}++ for $to->mailbox('bob');
    my @missing = grep { !$count{"number $_"} } 1 .. $MESSAGES;
    my @twice   = grep { $count{"number $_"} > 1 } grep { $count{"number $_"} } 1 .. $MESSAGES;
    is "@missing", '', "all $MESSAGES are there, after $KILLS times kill -9 of pontoon-$daemon";
    is "@twice",   '', 'none is there twice';
    is scalar($from->mailbox('alice')), 0, 'and nothing bounced';
    $o{world}->nothing_broke;
}

sub arrived { scalar @{[$_[0]->postfix->mailbox_files('bob')]} }

# Sends its share of the messages, each until it was taken.
sub client {
    my ($site, $i) = @_;
    my @options = $site->client_options;
    return Pontoon::Test::Proc->fork_code("client $i", sub {
        for my $n (grep { $_ % $CLIENTS == $i } 1 .. $MESSAGES) {
            Pontoon::Test::Smtp->deliver(
                @options,
                from    => 'alice@a.test',
                to      => ['bob@b.test'],
                message => Pontoon::Test::Mail->plain(
                    subject => "number $n",
                    id      => "$n.$i.$$\@a.test",
                    body    => 'x' x 500 . "\r\n" . ("line $n\r\n" x (($n % 10) * 200))
                ),
            );
        }
        return 0;
    });
}

1;
