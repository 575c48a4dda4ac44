# A delivery status notification as it lies in a mailbox (RFC 3464): its fields, recipient by recipient.
package Pontoon::Test::Dsn;
use strict;
use warnings;
use Carp qw(croak);
use Pontoon::Test::Site;

# Of a Pontoon::Test::Mail: {mail, message => {fields about the message}, rcpts => [{fields}…], original => part, text => part,
# types => [of the three parts]}. Field names are in lower case.
sub new {
    my ($class, $mail) = @_;
    my ($boundary) = ($mail->header('Content-Type') // '') =~ /boundary="([^"]+)"/ or croak $mail->path . ': no report';
    my @parts = split /^--\Q$boundary\E(?:--)?\n/m, $mail->text;
    shift @parts;
    my $self = bless {mail => $mail, types => [map { /^Content-Type: ([^;\n]+)/m } @parts[0 .. 2]]}, $class;
    $self->{$_->[0]} = (split /\n\n/, $parts[$_->[1]], 2)[1] for [text => 0], [original => 2];
    my (undef, @groups) = split /\n\n+/, $parts[1];
    ($self->{message}, @{$self->{rcpts}}) = map { fields($_) } grep { /\S/ } @groups;
    return $self;
}

# All of a mailbox: what is not a report has no place there.
sub all { map { __PACKAGE__->new($_) } @_ }

sub fields {
    my ($text) = @_;
    $text =~ s/\n[ \t]+/ /g;
    return {map { /^([^:]+):[ \t]*(.*)$/ ? (lc $1 => $2) : () } split /\n/, $text};
}

sub mail     { $_[0]{mail} }
sub message  { $_[0]{message} }
sub original { $_[0]{original} }
sub text     { $_[0]{text} }
sub types    { @{$_[0]{types}} }
sub reporter { $_[0]{message}{'reporting-mta'} =~ s/^dns; *//r }

# {address => fields} by Final-Recipient.
sub rcpts {
    my ($self) = @_;
    return {map { ($_->{'final-recipient'} =~ s/^[^;]*; *//r => $_) } @{$self->{rcpts}}};
}

# "failed bob@b.test carol@b.test": the actions, and whom they are about.
sub summary {
    my ($self) = @_;
    my %by;
    push @{$by{$_->{action}}}, $_->{'final-recipient'} =~ s/^[^;]*; *//r for @{$self->{rcpts}};
    return join '; ', map { join ' ', $_, sort @{$by{$_}} } sort keys %by;
}

# What an independent reader of such reports (flufl.bounce) takes for failed for good; undef where it is not installed.
sub failures {
    my ($self) = @_;
    my ($out, $status) = Pontoon::Test::Site::run('/usr/bin/python3', '-c', <<'END', $self->{mail}->path);
import sys, email
try:
    from flufl.bounce import all_failures
except ImportError:
    sys.exit(3)
with open(sys.argv[1], 'rb') as f:
    print(*sorted(a.decode() for a in all_failures(email.message_from_binary_file(f))[1]))
END
    return $status == 3 << 8 ? undef : $out =~ s/\n//r;
}

# A list of the defects that Python's email package finds in it, and the types of its parts.
sub python {
    my ($self) = @_;
    my ($out) = Pontoon::Test::Site::run('/usr/bin/python3', '-c', <<'END', $self->{mail}->path);
import sys, email, email.policy
with open(sys.argv[1], 'rb') as f:
    m = email.message_from_binary_file(f, policy=email.policy.default)
print(*[d for p in m.walk() for d in p.defects], *[p.get_content_type() for p in m.get_payload()])
END
    return $out =~ s/\n//r;
}

1;
