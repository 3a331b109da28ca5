# Merging thin segments: the same rows before and after, by scan and by index,
# under old snapshots on the primary and on a standby, with gaps, frozen rows and
# not, columns dropped and added; and after kill -9 in the middle.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = ledger_node('merge', init => { allows_streaming => 1 },
	conf => "wal_consistency_checking = 'heap,heap2,btree,generic'\nautovacuum = off\nmax_standby_streaming_delay = 0\nmax_wal_size = 1GB\nwal_keep_size = 2GB\n");

prepare_oracle($node);
$node->safe_psql('postgres', 'DROP TABLE h, l');

sub sql { return $node->safe_psql('postgres', $_[0]) }

sql(q(
	CREATE TABLE h (k int, ts timestamptz NOT NULL, v text, j jsonb, b bytea, n numeric, gone text) USING heap;
	CREATE TABLE p (LIKE h) PARTITION BY RANGE (ts);
	CREATE TABLE l PARTITION OF p FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') USING ledger;
	CREATE INDEX l_k ON l (k);
	SET ledger.maintenance = off;
	SELECT ledger.manage('p', '1 day', 0, seal_after => '0', max_past => '100 years');
	CREATE SEQUENCE s;
	-- n rows of a key, some of them big or NULL, to both
	CREATE FUNCTION put(count int) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		key int := nextval('s');
	BEGIN
		CREATE TEMP TABLE rows ON COMMIT DROP AS
			SELECT key AS k, timestamptz '2020-03-01' + g * interval '1 second' AS ts, 'message ' || key || ' ' || g AS v,
				CASE WHEN g % 3 > 0 THEN jsonb_build_object('g', g, 'key', key, 'text', repeat('x', g % 50)) END AS j,
				CASE WHEN g = 7 THEN decode(repeat(md5(key::text), 800), 'hex') WHEN g % 5 = 0 THEN '\xde' END AS b,
				CASE WHEN g % 4 > 0 THEN g * 1.50 END AS n
			FROM generate_series(1, count) g;
		INSERT INTO h (k, ts, v, j, b, n) SELECT k, ts, v, j, b, n FROM rows;
		INSERT INTO p (k, ts, v, j, b, n) SELECT k, ts, v, j, b, n FROM rows;
		DROP TABLE rows;
	END $$));
$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
$standby->start;
my $catch_up = sub { $node->wait_for_catchup($standby, 'replay', $node->lsn('insert')); };

sub segments { return sql(q(SELECT count(*) FROM ledger.segments('l'))) }
my $rows = 0;

# A thin segment; with_gaps: rows rolled back in between.
sub thin
{
	my ($n, $with_gaps) = @_;
	my $gaps = $with_gaps ? 'BEGIN; SELECT put(20); ROLLBACK; BEGIN; SELECT put(3); SAVEPOINT a; SELECT put(5); ROLLBACK TO a; SELECT put(2); COMMIT;' : '';
	sql("SET ledger.maintenance = off; $gaps SELECT put($n); SELECT ledger.seal('l')");
}

# What scans and the index say is the same; on the standby, too.
sub check
{
	my $name = shift;
	same_ok($node, "$name: same rows", 'h', 'l');
	my $query = q(SELECT k, count(*), sum(hashtext(l::text)) FROM l WHERE k % 3 = 0 GROUP BY k ORDER BY k);
	is(sql("SET enable_seqscan = off; SET enable_bitmapscan = off; $query"), sql("SET enable_indexscan = off; SET enable_bitmapscan = off; $query"), "$name: by index");
	$catch_up->();
	is(digest($standby, 'l'), digest($node, 'l'), "$name: on the standby");
	is(sql(q(SELECT sum(entries) FROM ledger.segments('l'))), sql(q(SELECT entries - tail_entries FROM ledger.stats('l'))), "$name: counted rightly");
	is(sql(q(SELECT sum(blocks) * 8192 <= (SELECT stored_bytes + free_bytes FROM ledger.stats('l')) FROM ledger.segments('l'))), 't', "$name: blocks");
}

thin(300 + 10 * $_, $_ % 2) for 1 .. 8;
my $old = LedgerSession->new($node);
my $old_there = LedgerSession->new($standby);
$catch_up->();
# without a lock on the leaf, which would keep it from being merged
$old->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT txid_current_snapshot()');
$old_there->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT txid_current_snapshot()');
my $seen = sql("SELECT compare('h', 'l')");
thin(200, 1) for 1 .. 4;
is(segments(), 12, 'thin segments');
sql('CALL ledger.maintain()');
is(segments(), 1, 'are one');
check('merged');
is($old->query("SELECT compare('h', 'l')"), $seen, 'an old snapshot sees what it saw');
$old->query('COMMIT');
is($old_there->query("SELECT compare('h', 'l')"), $seen, 'so does one on the standby') or diag($old_there->{error});
$old_there->query('ROLLBACK');

# Frozen ones among others; columns dropped and added.
sql('VACUUM (FREEZE) l');
sql(q(SET ledger.maintenance = off; ALTER TABLE p DROP COLUMN gone; ALTER TABLE h DROP COLUMN gone; ALTER TABLE p ADD COLUMN late text DEFAULT 'late'; ALTER TABLE h ADD COLUMN late text DEFAULT 'late'));
thin(500, $_ % 2) for 1 .. 5;
$old->query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT txid_current_snapshot()");
my $before = digest($node, 'l');
thin(100, 1) for 1 .. 3;
sql('CALL ledger.maintain()');
is(segments(), 1, 'frozen and not, with other columns: one');
check('frozen and not');
is($old->query('SELECT count(*) || \' \' || coalesce(sum(hashtextextended(x::text, 0)), 0) FROM l x'), $before, 'an old snapshot sees what it saw');
$old->query('COMMIT');
my $age = sql(q(SELECT age(relfrozenxid) FROM pg_class WHERE relname = 'l'));
sql('VACUUM (FREEZE) l');
cmp_ok(sql(q(SELECT age(relfrozenxid) FROM pg_class WHERE relname = 'l')), '<', $age, 'can be frozen');
is(sql(q(SELECT bool_and(frozen) FROM ledger.segments('l'))), 't', 'all of it');
check('frozen');

# More rows than a segment holds: as few as can be.
sql(q(SET ledger.maintenance = off; SELECT put(20000)));
thin(20000, 0) for 1 .. 5;
thin(10, 0) for 1 .. 10;
sql('CALL ledger.maintain()');
my $entries = sql(q(SELECT count(*) FROM l));
cmp_ok(segments(), '<=', 1.1 * int(($entries + 65535) / 65536) + 1, "$entries rows: few segments");
check('many');

# A reader keeps segments from being merged, without being in the way; nor is he.
thin(50, 0) for 1 .. 6;
my $n = segments();
my $reader = LedgerSession->new($node);
$reader->query('BEGIN; DECLARE c CURSOR FOR SELECT v FROM l; FETCH 10 FROM c');
sql('CALL ledger.maintain()');
is(segments(), $n, 'not merged under a reader');
is($reader->query('FETCH 3 FROM c; SELECT count(*) FROM l'), join("\n", (split /\n/, sql('SELECT v FROM l LIMIT 13'))[ 10 .. 12 ], sql('SELECT count(*) FROM l')), 'who reads on');
$reader->query('COMMIT');
sql('CALL ledger.maintain()');
cmp_ok(segments(), '<', $n, 'merged when he has gone');
check('after a reader');

# Killed in the middle, at some point or other.
for my $round (1 .. 8)
{
	thin(3000 + 100 * $_, $_ % 2) for 1 .. 4;
	my $runner = LedgerSession->new($node);
	$runner->send('CALL ledger.maintain()');
	usleep(20_000 * $round);
	kill_all($node);
	$runner->quit;
	$node->start;
	same_ok($node, "killed $round: same rows", 'h', 'l');
}
sql('CALL ledger.maintain()');
check('after kills');
cmp_ok(segments(), '<=', 1.1 * int((sql('SELECT count(*) FROM l') + 65535) / 65536) + 1, 'few segments');
my ($used, $size) = split /\|/, sql(q(SELECT stored_bytes, stored_bytes + free_bytes FROM ledger.stats('l')));
sql('VACUUM l');
cmp_ok(sql(q(SELECT free_bytes FROM ledger.stats('l'))), '<=', 0.2 * $size + 100000, 'nothing leaks');

$standby->stop;
$node->stop;
no_crash_ok($node);
no_crash_ok($standby);
done_testing();
