# An orderly stop (SIGTERM) and start of each daemon with work waiting; and of both Postfixes: everything goes on where it was.
# A new certificate is taken up on SIGHUP, without a lost connection.
use Pontoon::Test;
use Pontoon::Test::Https;

my ($world, $a, $b) = two_sites();
$b->postfix->set_access('bob@b.test' => '450 4.2.1 busy');
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain(subject => "number $_")) for 1 .. 5;
wait_for('all to be tried', sub {
    5 == grep { $_->{queue} eq 'store' && $_->{recipients}[0]{attempts} } @{$a->pontoon_json('queue')};
});
for my $daemon ([$a, 'store'], [$b, 'bridge'], [$a, 'milter']) {
    is $daemon->[0]->stop($daemon->[1]), 0, "pontoon-$daemon->[1] ends in good order";
    $daemon->[0]->start($daemon->[1]);
}
is scalar(grep { $_->{queue} eq 'store' } @{$a->pontoon_json('queue')}), 5, 'five still wait';
$b->postfix->set_access();
$b->wait_mail('bob', 5);
$a->wait_settled;
is_deeply [sort map { $_->header('Subject') } $b->mailbox('bob')], [map { "number $_" } 1 .. 5], 'each once';

# Certificates.
my ($chain, $key) = map { $a->{settings}{$_} } qw(store.certificate store.key);
my $serial = sub { `echo | openssl s_client -connect $a->{address}:$a->{port}{store} -servername sender-store.a.test 2>/dev/null | openssl x509 -noout -serial` };
my $before = $serial->();
like $before, qr/serial=\w+/, 'a certificate';
$world->ca->issue('sender-store.a.test', 'bridge.a.test');    # the same files
is $serial->(), $before, 'the files are new, the certificate in use is not';
$a->reload('store');
isnt $serial->(), $before, 'after SIGHUP it is';
my $policy = Pontoon::Test::Https->request(url => $a->outbound . '/.well-known/sender-store', address => $a->address, ca => $world->ca->file);
is $policy->{status}, 200, 'and is served';
open my $fh, '>', $chain or die $!;
print $fh "rubbish\n";
close $fh;
my $size = $a->log_size;
$a->daemon('store')->signal('HUP');
$a->wait_log(qr/error:|warning:/, $size);
isnt $serial->(), '', 'a broken file on SIGHUP: the old certificate stays in use';
$world->nothing_broke;
done_testing;
