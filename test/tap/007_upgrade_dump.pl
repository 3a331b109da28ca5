# Dump and restore, unlogged tables after a crash, prepared transactions across
# restarts.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = ledger_node('dump', conf => "autovacuum = off\n");
prepare_oracle($node);

# Dumped and restored: a table with all that hangs on it, partitions, a
# materialized view, an unlogged one.
$node->safe_psql('postgres', q(
	SELECT load(1, 100); SELECT load(2, 9000);
	CREATE UNIQUE INDEX l_k ON l (k, i);
	ALTER TABLE l ADD COLUMN late text DEFAULT 'late', ADD CHECK (i > 0);
	ALTER TABLE h ADD COLUMN late text DEFAULT 'late';
	CREATE TABLE p (ts timestamptz, m text) PARTITION BY RANGE (ts);
	CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2026-02-01') USING ledger;
	CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('2026-02-01') TO ('2026-03-01') USING ledger;
	INSERT INTO p SELECT timestamptz '2026-01-01 00:00+00' + g * interval '30 min', 'm' || g FROM generate_series(1, 2500) g;
	CREATE MATERIALIZED VIEW mv USING ledger AS SELECT k, count(*) FROM l GROUP BY k;
	CREATE UNLOGGED TABLE u (i int) USING ledger;
	INSERT INTO u SELECT generate_series(1, 2000);
	CREATE TABLE w (b bytea) USING ledger;
	INSERT INTO w SELECT decode(repeat(md5(g::text), 5000), 'hex') FROM generate_series(1, 5) g));
$node->safe_psql('postgres', q(SELECT ledger.seal('l'); SELECT ledger.seal('p1')));
$node->safe_psql('postgres', 'SELECT load(3, 10); REFRESH MATERIALIZED VIEW mv');
$node->safe_psql('postgres', q(SELECT ledger.set_option('l', 'compression', 'none'), ledger.set_option('p', 'compression', 'none'), ledger.set_option('p2', 'compression', 'lz4');
	CREATE TABLE gone () USING ledger; SELECT ledger.set_option('gone', 'compression', 'none'); DROP TABLE gone));
my $dir = PostgreSQL::Test::Utils::tempdir();
foreach my $format (qw(custom plain directory))
{
	$node->command_ok([ 'pg_dump', '-F', $format, '-f', "$dir/$format", ($format eq 'directory' ? ('-j', 2) : ()), 'postgres' ], "pg_dump $format");
	$node->safe_psql('postgres', "CREATE DATABASE restored");
	if ($format eq 'plain')
	{
		$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain", 'restored' ], 'restored from plain');
	}
	else
	{
		$node->command_ok([ 'pg_restore', '-d', 'restored', '-e', ($format eq 'directory' ? ('-j', 2) : ('-1')), "$dir/$format" ], "restored from $format");
	}
	is($node->safe_psql('restored', 'SELECT same()'), $node->safe_psql('postgres', 'SELECT same()'), "$format: same rows");
	foreach my $q (q(SELECT string_agg(relname || ' ' || amname, ',' ORDER BY relname) FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE amname = 'ledger' AND relkind IN ('r', 'm')),
		'SELECT count(*), min(ts), max(ts), sum(length(m)) FROM p', 'SELECT sum(count), count(*) FROM mv', 'SELECT count(*) FROM u', 'SELECT count(*), sum(hashtext(b::text)) FROM w',
		q(SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'l'::regclass), q(SELECT relpersistence FROM pg_class WHERE relname = 'u'),
		q(SELECT string_agg(format('%s %s %s', relation, option, value), ', ' ORDER BY relation::text) FROM ledger.options WHERE relation IN (SELECT oid FROM pg_class)),
		q(SELECT string_agg(relation || ' ' || compression, ', ' ORDER BY relation::text) FROM (SELECT * FROM ledger.stats('l') UNION ALL SELECT * FROM ledger.stats('p')) s))
	{
		is($node->safe_psql('restored', $q), $node->safe_psql('postgres', $q), "$format: $q");
	}
	is($node->safe_psql('restored', q(SELECT ledger.get_option('p1', 'compression') || ' ' || count(*) FROM ledger.options)), 'none 3', "$format: options are there, none of a table that has gone");
	$node->safe_psql('restored', q(SELECT ledger.seal('l'); ALTER TABLE l DROP COLUMN late; ALTER TABLE h DROP COLUMN late; SELECT load(4, 2000)));
	is($node->safe_psql('restored', 'SELECT same() ~ \'^same\''), 't', "$format: usable");
	$node->safe_psql('postgres', 'DROP DATABASE restored');
}

# An unlogged table is empty after a crash, and usable; after a clean stop it is as it was.
$node->safe_psql('postgres', q(CREATE INDEX ON u (i); SELECT ledger.seal('u'); INSERT INTO u VALUES (-1), (-2)));
$node->restart;
is($node->safe_psql('postgres', 'SELECT count(*), sum(i) FROM u'), '2002|2000997', 'unlogged: there after a restart');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*) FROM u'), '0', 'unlogged: empty after a crash');
$node->safe_psql('postgres', q(INSERT INTO u VALUES (1), (2); INSERT INTO u SELECT generate_series(1, 3000); SELECT ledger.seal('u'); INSERT INTO u VALUES (3); VACUUM u));
is($node->safe_psql('postgres', 'SELECT count(*), sum(i) FROM u'), '3003|4501506', 'unlogged: usable');
is($node->safe_psql('postgres', 'SET enable_seqscan = off; SELECT count(*) FROM u WHERE i = 2'), '2', 'unlogged: by its index');
$node->safe_psql('postgres', 'ALTER TABLE u SET LOGGED');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*), sum(i) FROM u'), '3003|4501506', 'logged: there after a crash');

# Prepared transactions: few rows, many, with subtransactions; locks and rows
# across a restart and a crash; committed and rolled back.
$node->safe_psql('postgres', 'ALTER TABLE h DROP COLUMN late; ALTER TABLE l DROP COLUMN late; ALTER TABLE l ADD UNIQUE (i, k)');
my $n = 100;
my $prepare = sub {
	my ($name) = @_;
	$n += 10;
	$node->safe_psql('postgres', "BEGIN; SELECT load($n + 1, 3); SELECT load($n + 2, 4000); SAVEPOINT a; SELECT load($n + 3, 2000); ROLLBACK TO a; SAVEPOINT b; SELECT load($n + 4, 1500); RELEASE b; PREPARE TRANSACTION '$name'");
};
my $rows = same_ok($node, 'prepared: same rows before');
foreach my $how (qw(nothing fast immediate))
{
	$prepare->("commit");
	$prepare->("rollback");
	is(same_ok($node, "$how: same rows while prepared"), $rows, "$how: as many as before");
	$node->safe_psql('postgres', q(SELECT ledger.seal('l')));
	$node->safe_psql('postgres', 'VACUUM (FREEZE) l');
	is(same_ok($node, "$how: same rows while prepared, sealed"), $rows, "$how: still as many");
	if ($how ne 'nothing') { $node->stop($how); $node->start; }
	is(same_ok($node, "$how: same rows later"), $rows, "$how: still as many later");
	my ($rc, $out, $err) = $node->psql('postgres', "SET lock_timeout = '300ms'; INSERT INTO l (k, i) VALUES ($n - 10 + 2, 3999)");
	like($err, qr/lock timeout/, "$how: a key of a prepared row is waited for");
	$node->safe_psql('postgres', "ROLLBACK PREPARED 'rollback'");
	is(same_ok($node, "$how: same rows after the rollback"), $rows, "$how: as many after the rollback");
	$node->safe_psql('postgres', "COMMIT PREPARED 'commit'");
	is(same_ok($node, "$how: same rows after the commit"), $rows + 5503, "$how: the committed ones came");
	$rows += 5503;
	($rc, $out, $err) = $node->psql('postgres', "INSERT INTO l (k, i) VALUES ($n - 10 + 2, 3999)");
	like($err, qr/duplicate key/, "$how: and their keys are taken");
	$node->safe_psql('postgres', "BEGIN; INSERT INTO l (k, i) VALUES ($n + 2, 3999); ROLLBACK");
	$node->safe_psql('postgres', q(SELECT ledger.seal('l'); VACUUM (FREEZE) l));
	same_ok($node, "$how: same rows, sealed and frozen");
}
no_crash_ok($node);
$node->stop;
done_testing();
