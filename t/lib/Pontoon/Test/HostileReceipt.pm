# What a hostile bridge may say in receipts, or somebody who would like to be one: each about a recipient of its own of one message.
package Pontoon::Test::HostileReceipt;
use strict;
use warnings;
use JSON::PP qw(encode_json);

my $REFUSED = qr/^HTTP 400 ./;

# A receipt with one line, which %changes alters.
sub receipt {
    my ($o, %changes) = @_;
    my $serial = exists $changes{serial} ? delete $changes{serial} : $o->{m}{serial};
    return encode_json({serial => $serial, recipients => [{address => $o->{rcpt}, outcome => 'delivered', status => '2.0.0', %changes}]});
}

sub failed   { receipt(@_, outcome => 'failed',   status => '5.1.1') }
sub deferred { receipt(@_, outcome => 'deferred', status => '4.2.0') }

# What is said of a recipient several times, one after the other.
sub several { my ($o, @bodies) = @_; return join ' ', map { $o->{say}->($_) } @bodies }

# A token with another one's domain in front of its code.
sub renamed { my ($token, $like) = @_; return $token =~ s/^[^~]+/$like =~ s{~.*}{}r/er }

# name, what is done with {say => sub { my ($body, token => …, id => …, method => …) = @_; … } that returns the answer, rcpt => the recipient,
# m => the message as it was notified, other => another one to the same domain, foreign => this one as it was notified to another domain};
# the answer expected; whether the recipient is settled by it.
our @receipts = (
    ['control characters in the text' => sub { $_[0]{say}->(receipt($_[0], text => "250 \e[2J\r\nNov 25 fake: line\a\x7f \x{9b}31m\x{85}")) },
        qr/^HTTP 204/, 1],
    ['a text that forges a log line' => sub { $_[0]{say}->(receipt($_[0], text => "ok)\npostfix/smtpd[1]: connect from x[127.0.0.1]")) }, qr/^HTTP 204/, 1],
    ['a text of 501 bytes' => sub { $_[0]{say}->(receipt($_[0], text => 'x' x 501)) }, $REFUSED],
    ['a text of invalid UTF-8' => sub { $_[0]{say}->(receipt($_[0], text => 'BAD') =~ s/BAD/\xff\xfe\xc0\x80/r) }, $REFUSED],
    ['a text with NUL' => sub { $_[0]{say}->(receipt($_[0], text => "a\0b")) }, $REFUSED],
    ['a status with CR and LF' => sub { $_[0]{say}->(receipt($_[0], status => "2.0.0\r\nX: y")) }, $REFUSED],
    ['a status of another class' => sub { $_[0]{say}->(receipt($_[0], status => '5.0.0')) }, $REFUSED],
    ['a forged token' => sub { $_[0]{say}->(receipt($_[0]), token => $_[0]{m}{token} =~ tr/A-Za-z/B-ZAb-za/r) }, qr/^HTTP 401/],
    ['no token' => sub { $_[0]{say}->(receipt($_[0]), token => '') }, qr/^HTTP 401/],
    ['a token of 10 kB' => sub { $_[0]{say}->(receipt($_[0]), token => 'peer.test~' . 'A' x 10_000) }, qr/^HTTP (401|400|413)/],
    ['another message\'s token' => sub { $_[0]{say}->(receipt($_[0]), token => $_[0]{other}{token}) }, qr/^HTTP 401/],
    ['another domain\'s token' => sub { $_[0]{say}->(receipt($_[0]), token => $_[0]{foreign}{token}) }, qr/^HTTP 400 .*no recipient/],
    ['another domain\'s token under this name' => sub {
        $_[0]{say}->(receipt($_[0]), token => renamed($_[0]{foreign}{token}, $_[0]{m}{token})) }, qr/^HTTP 401/],
    ['an unknown message' => sub { $_[0]{say}->(receipt($_[0]), id => 'NOSUCHMESSAGE') }, qr/^HTTP 401/],
    ['a recipient of another message' => sub { $_[0]{say}->(receipt($_[0], address => $_[0]{other}{recipients}[0]{address})) }, qr/^HTTP 400 .*no recipient/],
    ['one line that is good, one that isn\'t' => sub {
        $_[0]{say}->(receipt($_[0]) =~ s/\[\{/[{"address":"nobody\@peer.test","outcome":"delivered"},{/r) }, qr/^HTTP 400 .*no recipient/],
    ['a recipient twice, delivered and failed' => sub {
        $_[0]{say}->(receipt($_[0]) =~ s/\[\{/[{"address":"$_[0]{rcpt}","outcome":"failed","status":"5.1.1"},{/r) }, $REFUSED],
    ['delivered, then failed, then deferred' => sub { several($_[0], receipt($_[0]), failed($_[0]), deferred($_[0])) }, qr/^(HTTP 204 ?){3}$/, 1],
    ['replayed twenty times' => sub { several($_[0], (receipt($_[0])) x 20) }, qr/^(HTTP 204 ?){20}$/, 1],
    ['deferred, under a serial that was' => sub { $_[0]{say}->(receipt($_[0], outcome => 'deferred', status => '4.2.0', serial => 1)) }, qr/^HTTP 204/],
    ['a serial to come' => sub { $_[0]{say}->(receipt($_[0], outcome => 'deferred', status => '4.2.0', serial => 2147483647)) }, qr/^HTTP 204/],
    ['serial 0' => sub { $_[0]{say}->(receipt($_[0], serial => 0)) }, $REFUSED],
    ['a serial of 2^63' => sub { $_[0]{say}->(receipt($_[0], serial => 7) =~ s/"serial":7/"serial":9223372036854775808/r) }, $REFUSED],
    ['serial "1e3"' => sub { $_[0]{say}->(receipt($_[0], serial => '1e3')) }, $REFUSED],
    ['accepted, which is no outcome' => sub { $_[0]{say}->(receipt($_[0], outcome => 'accepted')) }, $REFUSED],
    ['1001 recipients' => sub {
        $_[0]{say}->(encode_json({recipients => [map { +{address => "r$_\@peer.test", outcome => 'delivered'} } 1 .. 1001]})) }, $REFUSED],
    ['2 MB' => sub { $_[0]{say}->(receipt($_[0]) . ' ' x 2_000_000) }, qr/^(HTTP 413|HTTP 400|no answer)/],
    ['deep JSON' => sub { $_[0]{say}->('{"recipients":' . '[' x 5000 . ']' x 5000 . '}') }, $REFUSED],
    ['a member twice' => sub { $_[0]{say}->(receipt($_[0]) =~ s/"outcome"/"outcome":"failed","outcome"/r) }, $REFUSED],
    ['no JSON' => sub { $_[0]{say}->("delivered\r\n") }, $REFUSED],
    ['a shadow\'s comparison of 10,000 lines' => sub {
        $_[0]{say}->(receipt($_[0], shadow => {smtp => 'arrived', delta_ms => 1, differences => [('x') x 10_000]})) }, $REFUSED],
    ['by PUT' => sub { $_[0]{say}->(receipt($_[0]), method => 'PUT') }, qr/^HTTP 405/],
);

1;
