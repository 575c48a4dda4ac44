# The units for systemd: well-formed, and each daemon's exposure as `systemd-analyze security` counts it is 1.5 at most; and
# who crashes is started anew, however often that is.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Temp qw(tempdir);
use Test::More;

my $packaging = abs_path(dirname(__FILE__) . '/../../packaging/systemd');
my $dir       = tempdir(CLEANUP => 1);
my @units     = glob "$packaging/*.service";
cmp_ok scalar @units, '>=', 3, 'there are units';

for my $unit (@units) {
    my $name = basename($unit);
    my ($exposure) = `systemd-analyze security --offline=yes --threshold=15 $unit 2>&1` =~ /exposure level for \Q$name\E: ([0-9.]+)/;
    is $?, 0, "$name: exposure " . ($exposure // 'unknown');

    # `verify` wants the program to be there, and says what is wrong on standard error only.
    open my $in, '<', $unit or die "$unit: $!";
    open my $out, '>', "$dir/$name" or die "$dir/$name: $!";
    print $out map { s{^ExecStart=\S+}{ExecStart=/bin/true}r } <$in>;
    close $out;
    my $complaints = join '', grep { /\Q$name\E/ } `systemd-analyze verify --man=no $dir/$name 2>&1`;
    is $complaints, '', "$name: systemd has no complaints";

    my $text = do { local (@ARGV, $/) = ($unit); <> };
    like $text, qr/^\Q$_\E$/m, "$name: $_" for 'Restart=on-failure', 'StartLimitIntervalSec=0', 'RestartPreventExitStatus=78';
}
done_testing;
