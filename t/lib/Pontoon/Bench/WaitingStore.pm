# A store in which many messages wait. A thousand come through store_put() (t/bench/store_rate.c); the others are copies of their rows with ids,
# digests and Message-IDs of their own, at a thousand domains, made by one statement for each table: the same tables, indexes and
# triggers, without a flush for each.
package Pontoon::Bench::WaitingStore;
use strict;
use warnings;
use Carp qw(croak);
use DBI;
use Pontoon::Test::Site;

my $MODELS  = 1000;
my $DOMAINS = 1000;

# What differs between the copies, as SQL with the number k. Their ids are older than any that is made now, as those of waiting messages are.
my %OWN = (
    bodies   => {body => 'k', digest => 'randomblob(32)'},
    messages => {
        message    => 'k',
        body       => 'k',
        id         => "printf('00%024d', k)",
        digest     => 'randomblob(32)',
        submission => 'randomblob(32)',
        queue_id   => "printf('%012X', k)",
        message_id => "printf('<%d\@waiting.test>', k)"
    },
    recipients => {rid => 'k', message => 'k', domain => "printf('d%d.test', k % $DOMAINS)"},
);

# Makes the store in the empty directory: n messages with bodies of `size` bytes that are due in an hour.
sub make {
    my ($dir, $n, $size) = @_;
    my $first = $n < $MODELS ? $n : $MODELS;
    Pontoon::Test::Site::run("$ENV{PONTOON_BUILD}/t/bench/store_rate", 'fill', $dir, 1, $first, $size);
    return if $n == $first;
    my $db = DBI->connect("dbi:SQLite:dbname=$dir/store.db", '', '', {RaiseError => 1});
    $db->do("PRAGMA $_") for 'journal_mode = OFF', 'synchronous = OFF', 'locking_mode = EXCLUSIVE', 'cache_size = -4000000';    # KiB at most
    $db->begin_work;
    copy($db, $_, $first + 1, $n) for qw(bodies messages recipients);
    $db->commit;
    my ($there) = $db->selectrow_array('SELECT n FROM totals WHERE what = 102');
    croak "the store has $there open messages, not $n" if $there != $n;
    $db->do('PRAGMA journal_mode = WAL');
    $db->disconnect;
}

sub copy {
    my ($db, $table, $from, $to) = @_;
    my @columns = map { $_->[1] } @{$db->selectall_arrayref("PRAGMA table_info($table)")};    # without generated ones
    my $values  = join ', ', map { $OWN{$table}{$_} // "model.$_" } @columns;
    my $columns = join ', ', @columns;
    $db->do("INSERT INTO $table ($columns) WITH RECURSIVE n(k) AS (SELECT $from UNION ALL SELECT k + 1 FROM n WHERE k < $to)"
            . " SELECT $values FROM n JOIN $table AS model ON model.rowid = 1 + k % $MODELS");
}

1;
