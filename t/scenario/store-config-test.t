# `-t` of each daemon and `pontoon config --test`: silent about a good file, one clear error with file and line about
# a bad one; a daemon that gets a bad one on SIGHUP goes on with the old one.
use Pontoon::Test;

my ($world, $a, $b) = two_sites();

sub check {
    my ($program, $file) = @_;
    my @argv = $program eq 'pontoon' ? ('pontoon', '-c', $file, 'config', '--test') : ($program, '-t', '-c', $file);
    my ($out, $status, $err) = Pontoon::Test::Site::run("$ENV{PONTOON_BUILD}/$argv[0]", @argv[1 .. $#argv]);
    return ($status >> 8, $out . $err, $status & 127);
}

my $good = do { local (@ARGV, $/) = ($a->conf); <> };
for my $program (qw(pontoon-milter pontoon-store pontoon-bridge pontoon)) {
    my ($code, $text) = check($program, $a->conf);
    is $code, 0, "$program: a good file" or diag $text;
}

# What is wrong; the change; what the error must name (the line is checked too); for which programs.
my @all = qw(pontoon-milter pontoon-store pontoon-bridge pontoon);
my @bad = (
    ['an unknown parameter', sub { s/^store \{\n/store {\n    colour = "red"\n/mr }, qr/colour/],
    ['an unknown section',   sub { $_ . "colours {\n}\n" }, qr/colours/],
    ['a missing brace',      sub { s/\}\n\z//r }, qr/./],
    ['a bad time',           sub { s/(retry-min = )"[^"]*"/$1"soon"/r }, qr/retry-min/],
    ['a time out of range',  sub { s/(retry-min = )"[^"]*"/$1"900d"/r }, qr/retry-min/],
    ['a bad size',           sub { s/^store \{\n/store {\n    inline-max = "many"\n/mr }, qr/inline-max/],
    ['a bad count',          sub { s/^store \{\n/store {\n    connections = "-1"\n/mr }, qr/connections/],
    ['a bad word',           sub { $_ . "milter {\n on-store-failure = \"panic\"\n}\n" }, qr/on-store-failure|milter/],
    ['a relative path',      sub { s/(directory = )"[^"]*"/$1"here"/r }, qr/directory/],
    ['a bad mode',           sub { s/(socket-mode = )"[^"]*"/$1"0999"/r }, qr/socket-mode/],
    ['a bad endpoint',       sub { s/(mta = )"[^"]*"/$1"nowhere"/r }, qr/mta/],
    ['a bad domain',         sub { s/^(domains = )\{.*\}/$1\{"under_score"\}/mr }, qr/domains|under_score/],
    ['a bad postmaster',     sub { "postmaster = nobody\n$_" }, qr/postmaster.*"nobody"/],
    ['a bad yes or no',      sub { s/(verbose = )"[^"]*"/$1"perhaps"/r }, qr/verbose/],
);
for my $case (@bad) {
    my ($name, $change, $names) = @$case;
    my $text = do { local $_ = $good; $change->() };
    isnt $text, $good, "$name: the file is changed";
    my $file = $world->write('bad.conf', $text);
    for my $program (@all) {
        my ($code, $said, $signal) = check($program, $file);
        is $signal, 0, "$program, $name: no crash";
        is $code, 78, "$program, $name: EX_CONFIG";
        like $said, qr/bad\.conf:\d+.*/, "$program, $name: file and line";
        like $said, $names, "$program, $name: names it" or diag $said;
    }
}
my ($code, $said) = check('pontoon-store', "$world->{dir}/none.conf");
isnt $code, 0, 'a missing file is an error';
like $said, qr/none\.conf/, 'which names it';

# SIGHUP with a bad file.
my $before = $a->log_size;
$a->configure('store.retry-min' => 'soon');
$a->daemon('store')->signal('HUP');
$a->wait_log(qr/retry-min/, $before);
ok $a->daemon('store')->alive, 'the store daemon lives on with the old configuration';
$a->configure('store.retry-min' => '200ms');
$a->submit(from => 'alice@a.test', to => ['bob@b.test'], message => Pontoon::Test::Mail->plain);
$b->wait_mail('bob', 1);
$a->reload('store');
pass 'and takes a good one';
$world->nothing_broke;
done_testing;
