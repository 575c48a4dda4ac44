# Failpoints (lib/failpoint.h): the table and the source agree, a mistake in PONTOON_FAIL is refused, and a build without them has none.
use Pontoon::Test;
use Cwd ();
use Pontoon::Test::Failpoints;

my $top   = Cwd::abs_path(__FILE__ =~ s{t/scenario/[^/]*$}{.}r);
my $build = $ENV{PONTOON_BUILD};

# ---- the source ----
my (%used, %listed);
my @folders = map { "$top/$_" } qw(lib milter store bridge);
for my $file (map { glob "$_/*.c" } @folders) {
    open my $fh, '<', $file or die "$file: $!";
    my $text = do { local $/; <$fh> };
    $used{$1}++ while $text =~ /\bFAILPOINT\((\w+)\)/g;
}
open my $fh, '<', "$top/lib/failpoint_table.h" or die $!;
/^\s+X\((\w+), / && $listed{$1}++ while <$fh>;
is_deeply [sort keys %used], [sort keys %listed], 'each failpoint of the table is in the source, and the reverse';
is join(' ', grep { $listed{$_} > 1 } sort keys %listed), '', 'no name is there twice';

# ---- a build without them ----
sub without {
    my ($dir, $which) = @_;
    for my $daemon (Pontoon::Test::Failpoints::DAEMONS()) {
        my $program = "$dir/pontoon-$daemon";
        my ($text, $status, $errors) = Pontoon::Test::Site::run($program, '--failpoints');
        isnt $status, 0, "$which pontoon-$daemon --failpoints fails";
        like $errors, qr/without failpoints/, 'and says why';
        system('strip', '-o', "$dir/pontoon-$daemon.stripped", $program) == 0 or die 'strip';    # functions may be named like them
        open my $bin, '<:raw', "$dir/pontoon-$daemon.stripped" or die "$program: $!";
        unlink "$dir/pontoon-$daemon.stripped";
        my $bytes = do { local $/; <$bin> };
        my @there = grep { index($bytes, "\0$_\0") >= 0 } grep { /_/ } sort keys %listed;    # other names are words
        is "@there", '', 'none of their names is in it';
        unlike $bytes, qr/PONTOON_FAIL|failpoint_pass/, 'nor what arms them';
    }
}
my $plain = $ENV{PONTOON_PLAIN_BUILD};
if (!Pontoon::Test::Failpoints::compiled_in()) {
    without($build, 'this');
    done_testing;
    exit;
}
without($plain, 'the plain') if $plain && -x "$plain/pontoon-store";

# ---- one with them ----
my %of_some;
for my $daemon (Pontoon::Test::Failpoints::DAEMONS()) {
    for my $point (Pontoon::Test::Failpoints::list($daemon)) {
        $of_some{$point->{name}}++;
        like $point->{text}, qr/\w/, "pontoon-$daemon: $point->{name}: $point->{text}";
    }
}
is_deeply [sort keys %of_some], [sort keys %listed], '--failpoints of the daemons list all';

sub refused {
    my ($daemon, $fail, $says) = @_;
    local $ENV{PONTOON_FAIL} = $fail;
    my (undef, $status, $errors) = Pontoon::Test::Site::run("$build/pontoon-$daemon", '-t');
    is $status >> 8, 64, "pontoon-$daemon refuses \"$fail\"";
    like $errors, $says, 'and says why';
}
refused(store  => 'nonsense:kill',       qr/no failpoint "nonsense" in pontoon-store: see pontoon-store --failpoints/);
refused(bridge => 'claimed:kill',        qr/no failpoint "claimed" in pontoon-bridge/);
refused(store  => 'claimed:eat',         qr/no action "eat"/);
refused(store  => 'claimed',             qr/is not NAME/);
refused(store  => 'claimed@0:kill',      qr/"0" is no count/);
refused(lmtp   => 'spool_fsync:delay:x', qr/no action "delay:x"/);
refused(milter => 'milter_stored:error', qr/can't fail by itself/);
done_testing;
