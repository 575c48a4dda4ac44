# What is made from the program's own table is current, the manual pages are clean, and what they show works.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Pontoon::Files qw(slurp spew);
use Test::More;

my $top     = abs_path(dirname(__FILE__) . '/../..');
my $pontoon = "$ENV{PONTOON_BUILD}/pontoon";
my $dir     = tempdir(CLEANUP => 1);

is system("$top/doc/conf-docs.sh", $pontoon, $top, $dir), 0, 'conf-docs.sh';
is slurp("$dir/pontoon.conf"), slurp("$top/conf/pontoon.conf"), 'conf/pontoon.conf is current (else: make conf-docs)';
is slurp("$dir/pontoon.conf.5"), slurp("$top/doc/pontoon.conf.5"), 'doc/pontoon.conf.5 is current (else: make conf-docs)';

SKIP: {
    my @pages = glob "$top/doc/*.[158]";
    skip 'no mandoc here', scalar @pages if !grep { -x "$_/mandoc" } split /:/, $ENV{PATH};
    is scalar(`mandoc -Tlint -W warning $_`), '', "$_ is clean" for @pages;
}

# Each test that doc/threats.md names is there.
my ($table) = slurp("$top/doc/threats.md") =~ /^## Threats and tests\n(.*)/ms;
my @tests = map { /`([\w-]+)`/g } map { (split /\s*\|\s*/)[3] // () } $table =~ /^(\|.*)$/mg;
is_deeply [grep { !-e "$top/t/scenario/$_.t" && !-e "$top/t/unit/$_.c" && !-e "$top/t/fuzz/$_.c" } @tests], [], 'threats.md names tests that exist';
cmp_ok scalar @tests, '>', 30, 'and names many';

# Each option of pontoon-replay is in its manual page, and the reverse; and its completion offers them.
my %listed  = map { $_ => 1 } `$ENV{PONTOON_BUILD}/pontoon-replay --help` =~ /^  (?:--)([a-z-]+)/mg;
my %written = map { s/\\//gr => 1 } slurp("$top/doc/pontoon-replay.1") =~ /^\.(?:It |Op )?Fl -([a-z-]+)/mg;
delete @listed{qw(help version)};
is_deeply [sort keys %written], [sort keys %listed], 'pontoon-replay(1) has the options that there are';
my $completed = `bash -c '. $top/packaging/bash-completion/pontoon-replay; COMP_WORDS=($ENV{PONTOON_BUILD}/pontoon-replay --co); COMP_CWORD=1; _pontoon_replay; echo "\${COMPREPLY[*]}"'`;
is $completed, "--compress --concurrency --compare\n", 'the completion offers them';

# The example of the manual page is a configuration.
my ($example) = slurp("$top/doc/pontoon.conf.5") =~ /^\.Sh EXAMPLES\n.*?^\.Bd [^\n]*\n(.*?)^\.Ed$/ms;
$example =~ s/\\\(dq/"/g;
$example =~ s/\\-/-/g;
my $file = spew("$dir/example.conf", $example);
like scalar(`$pontoon -c $file config 2>&1`), qr/: no errors$/m, 'the example of pontoon.conf(5) is valid';

# Exit codes that the manual page promises, where no site is needed.
sub code {
    my (@arguments) = @_;
    my $quoted = join ' ', map { "'$_'" } @arguments;
    `$pontoon $quoted 2>$dir/err >$dir/out`;
    return $? >> 8;
}
my $bad = spew("$dir/bad.conf", "hostname = x\nnonsense = 1\n");
my $hash = spew("$dir/hash.conf", "\nrule a {\n recipients = hash:/x\n}\n");
is code('-c', $hash, 'config'), 78, 'a table that can\'t be read: 78';
like slurp("$dir/err"), qr{hash\.conf:3: rule "a": recipients: hash:/x: no table of type "hash"}, 'with file, line and rule';
my $empty = spew("$dir/empty.conf", qq(store { directory = "$dir/no" }\nbridge { directory = "$dir/none" }\n));
is code('-c', $bad, 'config'), 78, 'a bad configuration: 78';
like slurp("$dir/err"), qr/bad\.conf:2: /, 'with file and line';
is code('-c', $empty, 'queue'), 69, 'no database: 69';
like slurp("$dir/err"), qr/$dir\/no /, 'which is named';
is code('-c', $empty, 'status'), 0, 'but there is a status';
is code('-c', $empty, 'policy', 'not a domain'), 64, 'no domain name: 64';
is code(@$_), 64, "wrong use: @$_"
    for [], ['nonsense'], ['trace'], ['queue', 'x'], ['status', '--test'], ['config', '--test', '--sample'],
    ['--json', 'config'], ['-c', $empty, '-c', $empty, 'queue'], ['keys', 'eat'], ['--nonsense'];
is code('help'), 0, 'help';
is code('-h'), 0, '-h';
is code('help', 'trace'), 0, 'help trace';
is code('version'), 0, 'version';

# Keys: the first signs, the next are published, none is overwritten.
my $keys = spew("$dir/keys.conf", qq(store { signing-key = "$dir/keys/signing.pem" published-keys = "$dir/keys" }\n));
is code('-c', $keys, 'keys', 'list'), 69, 'keys list without a key: 69';
is code('-c', $keys, 'keys', 'make'), 0, 'keys make';
my $first = slurp("$dir/keys/signing.pem");
is code('-c', $keys, 'keys', 'make'), 0, 'and again' for 1 .. 2;
is slurp("$dir/keys/signing.pem"), $first, 'which leaves the first alone';
is scalar(() = glob "$dir/keys/*.pem"), 3, 'and makes new files';
is((stat "$dir/keys/signing.pem")[2] & 07777, 0600, 'readable by its owner only');
is code('-c', $keys, 'keys', 'list', '--json'), 0, 'keys list';
is scalar(() = slurp("$dir/out") =~ /"use": "signs"/g), 1, 'one signs';
is scalar(() = slurp("$dir/out") =~ /"use": "published"/g), 2, 'two are published';
done_testing;
