# f) One message of 1 MB to 1,000 recipients at 100 sites: time until the last site has it, bytes between the sites, CPU time; beside Postfix's
# relaying over TLS. And what of it is stored. Policies and TLS sessions are known: one small message to all of them went before.
use Pontoon::Test::Namespace qw(net);
use Pontoon::Bench;
use Pontoon::Bench::FanOut;
use Pontoon::Bench::Wire;
use Pontoon::Test::Mail;
use Pontoon::Test::World;

my $SIZE  = 1 << 20;
my $EACH  = 10;
my $bench = Pontoon::Bench->new(group => 'f', title => 'One message to many sites');
my $world = Pontoon::Test::World->new;
my $sites = $bench->pick(whole => 100, quick => 20, smoke => 3);
my ($over, $relay) = Pontoon::Bench::FanOut->pair($world, $sites);
$world->dns->start;
$_->start for $over, $relay;
my @to = $over->recipients($EACH);

sub message {
    my ($bytes) = @_;
    return Pontoon::Test::Mail->plain(body => join '', ('x' x 78 . "\r\n") x ($bytes / 80));
}
$_->run(message(1000), @to) for $over, $relay;

# Both, with the goal.
sub systems {
    my ($run) = @_;
    return [map { my ($system, @goal) = @$_; {key => $system->{key}, title => $system->{title}, @goal, run => sub { $run->($system) }} } [$over], [$relay, goal => 1.0]];
}

my $title = "1M to " . @to . " recipients at $sites sites";
$bench->compare(
    name             => "fan-out.$sites",
    title            => $title,
    unit             => 's',
    higher_is_better => 0,
    systems          => systems(sub { $_[0]->run(message($SIZE), @to) }),
    also => [
        {name => 'accepted', title => "of that, until the sender's client has its 250", unit => 's', more => 'accepted'},
        {name => 'cpu', title => 'CPU time of all', unit => 's', more => 'cpu'},
    ]
);

# What is stored while it waits: nobody takes it away meanwhile.
my $from = $over->{from};
$from->stop('store');
my $message = message($SIZE);
$over->submit($message, @to);
my $status = $from->pontoon_json('status')->{store};
$bench->figure(name => 'fan-out.copies', title => "$title: bytes of bodies in the store, as copies of the message", unit => 'copies', limit => 1.01,
    value => $status->{body_bytes} / length $message);
$from->start('store');
$from->wait_settled(60);

# On the wire; not timed.
Pontoon::Bench::Wire::as_ethernet();
$bench->compare(
    name             => "fan-out.$sites.wire",
    title            => "$title: bytes between the sites",
    unit             => 'bytes',
    higher_is_better => 0,
    rounds           => $bench->pick(whole => 3, quick => 1),
    systems          => systems(sub { my ($system) = @_; return {value => $system->run(message($SIZE), @to)->{more}{wire}} }),
);
