# A stranger who takes notifications, and does with them what a test says: fetches or not, answers or not.
package Pontoon::Test::Taker;
use strict;
use warnings;
use parent -norequire, qw(Pontoon::Test::Stranger);
use JSON::PP qw(decode_json encode_json);
use MIME::Base64 qw(decode_base64url);
use Pontoon::Test::Https;
use Pontoon::Test::Stranger;

my %status = (delivered => '2.0.0', accepted => '2.0.0', deferred => '4.2.0', rejected => '5.1.1', 'use-smtp' => '4.7.0');

# world, name, from => the site whose store is asked; script => sub { my ($self, $number, @messages) = @_; … } is called for each
# notification (number from 1) and returns the verdict for all of it, an answer as Https::serve has it, or undef: none.
# Other options as Stranger's.
sub new {
    my ($class, $world, $name, %o) = @_;
    my $self;
    $self = $class->SUPER::new($world, $name,
        handler => sub {
            my ($request) = @_;
            return $self->published if $request->{path} eq '/.well-known/sender-store' && -e "$self->{dir}/policy";
            return 0 unless $request->{method} eq 'POST' && $request->{path} =~ m{/notifications$};
            return $self->take($request->{body});
        },
        %o);
    $self->{heard} = "$self->{dir}/heard";
    return $self;
}

# From now on this is the policy (changes as in new()); with no argument there is no answer to who asks for it.
sub republish {
    my ($self, $policy) = @_;
    local $self->{policy} = $policy;
    open my $fh, '>', "$self->{dir}/policy.new" or die "$self->{dir}: $!";
    print $fh $self->policy_text if $policy;
    close $fh or die "$self->{dir}: $!";
    rename "$self->{dir}/policy.new", "$self->{dir}/policy" or die "$self->{dir}: $!";
}

sub published {
    my ($self) = @_;
    open my $fh, '<', "$self->{dir}/policy" or return;
    my $text = do { local $/; <$fh> } // '';
    return $text eq '' ? undef : [200, {'Content-Type' => 'application/json'}, $text];
}

sub take {
    my ($self, $body) = @_;
    my $payload = decode_base64url(decode_json($body)->{payload});
    open my $fh, '>>', $self->{heard} or die "$self->{heard}: $!";
    syswrite $fh, "$payload\n";
    close $fh;
    my @messages = @{decode_json($payload)->{messages}};
    my $answer   = $self->{script}->($self, scalar(my @all = $self->payloads), @messages);
    return $answer if !defined $answer || ref $answer;
    my @verdicts = map {
        {id => $_->{id}, recipients => [map { {address => $_->{address}, verdict => $answer, status => $status{$answer}} } @{$_->{recipients}}]}
    } @messages;
    return [200, {'Content-Type' => 'application/json'}, encode_json({messages => \@verdicts})];
}

sub payloads {
    my ($self) = @_;
    open my $fh, '<', $self->{heard} or return;
    return map { decode_json($_) } <$fh>;
}

# The messages that were notified, one for each time.
sub notified { my ($self) = @_; return map { @{$_->{messages}} } $self->payloads }

# One request to the sender's store about a message, with its token: fetch, or with a path ("/receipts") and body.
sub ask {
    my ($self, $message, %o) = @_;
    my $path = delete $o{path} // '';
    return Pontoon::Test::Https->request(
        url     => $self->{from}->outbound . "/messages/$message->{id}$path",
        address => $self->{from}->address,
        ca      => $self->{world}->ca->file,
        source  => $self->{address},
        headers => {Authorization => "Bearer $message->{token}", 'Content-Type' => 'application/json'},
        %o
    );
}

# A receipt with one outcome for all recipients of a message; its status code.
sub receipt {
    my ($self, $message, $outcome) = @_;
    my @lines = map { {address => $_->{address}, outcome => $outcome, status => $outcome eq 'delivered' ? '2.0.0' : '4.2.0'} }
        @{$message->{recipients}};
    return $self->ask($message, path => '/receipts', method => 'POST',
        body => encode_json({serial => $message->{serial}, recipients => \@lines}))->{status};
}

1;
