# One site that sends to many: over pontoon, where each of them has a bridge, a policy, certificates and an address of its own; and by Postfix's
# relaying over TLS, where each has a listener at an address of its own. Behind them is one receiving Postfix in either case, as a hundred of
# them would measure this machine's memory. Needs a network namespace of its own, for Pontoon::Bench::Wire.
package Pontoon::Bench::FanOut;
use strict;
use warnings;
use Carp qw(croak);
use JSON::PP ();
use Time::HiRes qw(time);
use Pontoon::Files qw(spew);
use Pontoon::Bench::LogCounter;
use Pontoon::Bench::Mail;
use Pontoon::Bench::Nginx;
use Pontoon::Bench::Usage qw(cpu_of cpu_of_family cpu_of_group);
use Pontoon::Bench::Wire;
use Pontoon::Test::Smtp;
use Pontoon::Test::Stranger;

my $FIRST_ADDRESS = 100;    # of the sites, up to a hundred of them

# world, n sites. Makes both systems; returns (pontoon, relay). Nothing runs before start().
sub pair {
    my ($class, $world, $n) = @_;
    my @domains  = map { sprintf 's%03d.test', $_ } 1 .. $n;
    my %taker    = (%{Pontoon::Bench::Mail::taker_settings()}, virtual_mailbox_domains => "@domains", virtual_mailbox_maps => 'static:all', transport_maps => '');
    my %endpoint = map { my $address = $world->address($FIRST_ADDRESS + $_); ($domains[$_] => "$address:" . $world->port($address)) } 0 .. $#domains;
    return map { bless {world => $world, domains => \@domains, %$_}, $class } pontoon_of($world, \@domains, \%taker), relay_of($world, \%endpoint, \%taker);
}

sub pontoon_of {
    my ($world, $domains, $taker) = @_;
    my %config = (%{Pontoon::Bench::Mail::pontoon_settings()}, 'store.connections-per-address' => 1000);    # all come from 127.0.0.1 here
    my $from   = $world->site('sender', config => \%config, main => Pontoon::Bench::Mail::sender_settings());
    my $to     = $world->site('takers', pontoon => 0, main => $taker);
    my @sites;
    for my $number (0 .. $#$domains) {
        my ($name) = $domains->[$number] =~ /^(\w+)/;
        push @sites, $world->site($name, address => $world->address($FIRST_ADDRESS + $number), config => {%config, 'bridge.mta' => $to->postfix->endpoint('inject')});
    }
    return {key => 'pontoon', title => 'pontoon', pontoon => 1, from => $from, to => $to, sites => \@sites};
}

sub relay_of {
    my ($world, $endpoint, $taker) = @_;
    my ($chain, $key) = $world->ca->issue('mx.relaytakers.test');
    my $routes = $world->write('routes', join '', map { my $to = $endpoint->{$_}; "$_ smtp:[" . ($to =~ s/:/]:/r) . "\n" } sort keys %$endpoint);
    my $from   = $world->site('relay', address => $world->address(30), pontoon => 0, main => {
        %{Pontoon::Bench::Mail::sender_settings()},
        %{Pontoon::Bench::Mail::tls_sender_settings("$world->{dir}/relay/postfix/data")},
        transport_maps => "texthash:$routes",
    });
    my $to = $world->site('relaytakers', address => $world->address(40), pontoon => 0, main => {%$taker, %{Pontoon::Bench::Mail::tls_taker_settings($chain, $key)}},
        master => join '', map { "$_ inet n - n - - smtpd\n" } sort values %$endpoint);
    return {key => 'tls', title => 'relay over TLS', from => $from, to => $to, sites => [], servers => [values %$endpoint]};
}

# Both must have been made before: the sites know each other's ports.
sub start {
    my ($self) = @_;
    my @ends = @$self{qw(from to)};
    $_->prepare   for @ends, @{$self->{sites}};
    $_->start_mta for @ends;
    $_->wait_mta  for @ends;
    if ($self->{pontoon}) {
        $self->publish;
        $_->launch('bridge')     for @{$self->{sites}};
        $_->wait_ready('bridge') for @{$self->{sites}};
        $self->{from}->start($_) for $self->{from}->daemons;
        $self->{servers} = [map { $_->[0]->address . ":$_->[0]{port}{$_->[1]}" } [$self->{from}, 'store'], map { ([$_, 'store'], [$_, 'bridge']) } @{$self->{sites}}];
    }
    $self->{wire} = Pontoon::Bench::Wire->new($self->{key}, @{$self->{servers}});
}

# Their policies: files of one nginx, that has a name, a certificate and an address for each.
sub publish {
    my ($self) = @_;
    my $key = Pontoon::Test::Stranger->new($self->{world}, 'signer')->jwk;    # nothing is signed with it: they send nothing
    my @servers;
    for my $site (@{$self->{sites}}) {
        my $root = $self->{world}->mkdir("$site->{name}/www");
        mkdir "$root/.well-known";
        spew("$root/.well-known/sender-store", JSON::PP::encode_json({version => 'SSMP1', mode => 'enforce', max_age => 86400, max_size => 100_000_000,
            inbound => [$site->inbound], outbound => [], keys => {keys => [$key]}}));
        push @servers, {address => $site->address, port => $self->{world}->policy_port, chain => $site->{settings}{'store.certificate'},
            key => $site->{settings}{'store.key'}, root => $root};
    }
    Pontoon::Bench::Nginx->start(world => $self->{world}, name => 'policies', type => 'application/json', servers => \@servers);
}

# All addresses: `each` at each site.
sub recipients {
    my ($self, $each) = @_;
    return map { my $domain = $_; map { "user$_\@$domain" } 1 .. $each } @{$self->{domains}};
}

sub submit {
    my ($self, $message, @to) = @_;
    my $from   = $self->{from};
    my $client = Pontoon::Test::Smtp->new(endpoint => $from->postfix->endpoint('smtp'), source => '127.0.0.1') // croak 'no connection';
    my $sent   = $client->send(from => 'alice@' . $from->domain, to => \@to, message => $message);
    croak "refused: $sent->{data}{text}" if $sent->{code} != 250;
    $client->quit;
}

# One message to these. Returns {value => seconds from the client's connection until the last site's MTA has it, more => {accepted => seconds
# until the client had its 250, wire => bytes between the sites, cpu => seconds of all processes on the way, until all is settled}}.
sub run {
    my ($self, $message, @to) = @_;
    my ($from, $to) = @$self{qw(from to)};
    my $taken = Pontoon::Bench::LogCounter->new($to->postfix->{log},   $Pontoon::Bench::Mail::TAKEN);
    my $gone  = Pontoon::Bench::LogCounter->new($to->postfix->{log},   $Pontoon::Bench::Mail::REMOVED);
    my $sent  = Pontoon::Bench::LogCounter->new($from->postfix->{log}, $Pontoon::Bench::Mail::REMOVED);
    my ($cpu, $wire, $log) = ($self->cpu, $self->{wire}->bytes, -s $to->postfix->{log});
    my $begin = time;
    $self->submit($message, @to);
    my $accepted = time - $begin;
    my $sites    = @{$self->{domains}};
    my $seconds  = $taken->wait_count($sites) - $begin;
    $gone->wait_count($sites);
    $self->{pontoon} ? $from->wait_settled(60) : $sent->wait_count(1);
    my %more = (accepted => $accepted, wire => $self->{wire}->bytes - $wire, cpu => $self->cpu - $cpu);
    my $rcpts = 0;
    $rcpts += $_ for $to->postfix->log_after($log) =~ /nrcpt=(\d+) \(queue active\)/g;
    croak "$rcpts recipients in " . $taken->count . " transactions, not " . @to . " in $sites" if $rcpts != @to || $taken->count != $sites;
    return {value => $seconds, more => \%more};
}

sub cpu {
    my ($self) = @_;
    my $sum = 0;
    $sum += cpu_of_group($_->postfix->{proc}->pid) for @$self{qw(from to)};
    $sum += cpu_of(map { $self->{from}->daemon($_)->pid } qw(milter store)) + cpu_of_family(map { $_->daemon('bridge')->pid } @{$self->{sites}}) if $self->{pontoon};
    return $sum;
}

1;
