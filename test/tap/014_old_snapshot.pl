# old_snapshot_threshold, which lets VACUUM go beyond a snapshot in use: heap's
# readers find it too old, ours must go on seeing what they saw.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($version) = `pg_config --version` =~ /(\d+)/;
plan skip_all => 'PostgreSQL 17 and later have no old_snapshot_threshold' if $version >= 17;

my $node = ledger_node('old_snapshot', conf => "autovacuum = off\nold_snapshot_threshold = 1min\n");
$node->safe_psql('postgres', 'CREATE TABLE l (k int, i int) USING ledger; CREATE TABLE h (k int, i int) USING heap');
my $add = sub { my $k = shift; $node->safe_psql('postgres', "INSERT INTO $_ SELECT $k, g FROM generate_series(1, 300) g") foreach 'h', 'l'; };
my $answer = 'SELECT k, count(*) FROM l GROUP BY 1 ORDER BY 1';

$add->(1);
my $old = LedgerSession->new($node);
$old->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($old->query($answer), '1|300', 'what the snapshot sees');

# in the tail and in a segment, and older than the threshold
$add->(2);
$node->safe_psql('postgres', q(SELECT ledger.seal('l'); INSERT INTO l SELECT 3, g FROM generate_series(1, 300) g));
for (1 .. 2)
{
	sleep 62;
	$add->(4);
}
$node->safe_psql('postgres', 'DELETE FROM h WHERE k = 1');
$node->safe_psql('postgres', 'VACUUM (FREEZE) l');
$node->safe_psql('postgres', 'VACUUM (FREEZE) h');
is($old->query($answer), '1|300', 'and still sees after VACUUM (FREEZE)');
$old->query('SELECT count(*) FROM h');
like($old->{error}, qr/snapshot too old/, 'which has passed the snapshot by');
$old->quit;
is($node->safe_psql('postgres', $answer), "1|300\n2|300\n3|300\n4|600", 'others see all rows');
no_crash_ok($node);
$node->stop;
done_testing();
