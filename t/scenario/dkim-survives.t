# A DKIM signature that OpenDKIM made as a milter before pontoon verifies after the crossing, for simple/simple and
# relaxed/relaxed, on messages that invite changes.
use Pontoon::Test;
use Pontoon::Test::Dkim;

plan skip_all => 'needs the Debian packages opendkim opendkim-tools' unless Pontoon::Test::Dkim->available;

my %messages = (
    'odd white space' => "From: <alice\@a.test>\r\nTo:bob\@b.test\r\nSubject:   two  spaces,\r\n\tand a fold  \r\nX-Empty:\r\n"
        . "Date: Tue, 24 Nov 2026 03:12:00 +0000\r\nMessage-ID:<odd\@a.test>\r\n\r\nline  with   spaces \r\n\r\n.dot\r\n..\r\n\ttab\r\n\r\n\r\n",
    '8 bit'   => Pontoon::Test::Mail->plain(body => "Gr\xc3\xbc\xc3\x9fe\r\n\xa0\xff\r\n"),
    'long'    => Pontoon::Test::Mail->plain(body => join '', ('x' x 3000 . "\r\n") x 100),
    'no body' => Pontoon::Test::Mail->plain(body => ''),
);

for my $canonicalization ('simple/simple', 'relaxed/relaxed') {
    my $world = new_world();
    my $dkim  = Pontoon::Test::Dkim->new($world, domain => 'a.test', canonicalization => $canonicalization);
    my $a     = $world->site('a', filters => [$dkim->signer]);
    my $b     = $world->site('b', filters => [$dkim->verifier]);
    $world->start;
    my ($n, $last) = (0);
    for my $name (sort keys %messages) {
        $a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => $messages{$name}, mail => 'BODY=8BITMIME');
        $last = ($b->wait_mail('bob', ++$n))[-1];
        like $last->text, qr/^DKIM-Signature: .*c=\Q$canonicalization\E/m, "$canonicalization, $name: signed before pontoon";
        my $bridged = $last->text =~ /^Received: [^\n]*(\n\t[^\n]*)*\(pontoon\)/m;
        ok $name eq 'no body' ? !$bridged : $bridged, $name eq 'no body' ? 'by SMTP: its bytes are not known' : 'crossed the bridge';
        is $dkim->result($last), 'pass', "$canonicalization, $name: B's verifier says pass" or diag $last->text;
    }
    # It would have noticed.
    my $changed = $last->text =~ s/^Authentication-Results:.*\n(?:[ \t].*\n)*//mr =~ s/two  spaces/two spaces!/r =~ s/\n/\r\n/gr;
    Pontoon::Test::Smtp->deliver(endpoint => $b->postfix->endpoint('smtp'), source => $world->address(77),
        from => 'alice@a.test', to => ['carol@b.test'], message => $changed);
    is $dkim->result(($b->wait_mail('carol', 1))[0]), 'fail', 'and to the same, changed: fail';
    $world->nothing_broke;
}
done_testing;
