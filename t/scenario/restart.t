# An orderly stop (SIGTERM) and start of each daemon with work waiting; and of both Postfixes: everything goes on where it was.
use Pontoon::Test;

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
$world->nothing_broke;
done_testing;
