# ledger.convert(): a heap table becomes a ledger under load, and keeps its rows
# and all that hangs on it.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = ledger_node('convert', init => { allows_streaming => 'logical' }, conf => "autovacuum = off\nwal_level = replica\n");

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub what_is { return sql(qq(SELECT a.amname FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE c.relname = '$_[0]')) }

# A table with all that may hang on one; some of its pages all-visible, some not.
sql(q(
	CREATE ROLE reader;
	CREATE TABLE t (id bigserial PRIMARY KEY, gone int, k int NOT NULL DEFAULT 7, v text, j jsonb, twice int GENERATED ALWAYS AS (k * 2) STORED, CHECK (k >= 0));
	CREATE INDEX t_k ON t (k) INCLUDE (id);
	CREATE INDEX t_v ON t (lower(v)) WHERE k > 3;
	GRANT SELECT, INSERT ON t TO reader; GRANT USAGE ON SEQUENCE t_id_seq TO reader;
	CREATE VIEW w AS SELECT id, k FROM t WHERE k > 5;
	CREATE PUBLICATION p FOR TABLE t;
	CREATE STATISTICS st ON k, id FROM t;
	COMMENT ON TABLE t IS 'a table';
	INSERT INTO t (k, v, j) SELECT g % 10, repeat(md5(g::text), g % 40), jsonb_build_object('g', g) FROM generate_series(1, 30000) g;
	INSERT INTO t (k, v) SELECT 3, string_agg(md5(g::text || h), '') FROM generate_series(1, 1000) g, generate_series(1, 5) h GROUP BY h;
	ALTER TABLE t DROP COLUMN gone;
	DELETE FROM t WHERE id % 100 = 0;
	UPDATE t SET k = 8 WHERE id % 101 = 0;
	VACUUM t;
	DELETE FROM t WHERE id % 103 = 0;
	INSERT INTO t (k) SELECT 1 FROM generate_series(1, 500);
	ALTER TABLE t ADD COLUMN late text DEFAULT 'late';
	CREATE TABLE copy AS SELECT * FROM t));
my $oid = sql(q(SELECT 't'::regclass::oid));
my $hangs = q(SELECT relacl, (SELECT string_agg(indexrelid::regclass::text || indexrelid, ',' ORDER BY indexrelid) FROM pg_index WHERE indrelid = c.oid), obj_description(oid),
	(SELECT count(*) FROM pg_publication_rel WHERE prrelid = c.oid), (SELECT count(*) FROM pg_statistic_ext WHERE stxrelid = c.oid), (SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid) FROM pg_class c WHERE relname = 't');
my $hung = sql($hangs);

# Others append all the while.
my $load = load_start($node, 3, add => [ 1, "INSERT INTO t (k, v) VALUES (2, 'by pgbench');\n" ], batch => [ 1, "BEGIN;\nSELECT ledger.append('t', ARRAY[ROW(nextval('t_id_seq'), 4, 'batch'), ROW(nextval('t_id_seq'), 4, 'batch')]);\nSAVEPOINT a;\nINSERT INTO t (k) VALUES (5);\nROLLBACK TO a;\nEND;\n" ],
	undone => [ 1, "BEGIN;\nINSERT INTO t (k, v) VALUES (6, 'rolled back');\nROLLBACK;\n" ]);
usleep(500_000);
my $busy = sql('SELECT count(*) FROM t');
sql(q(CALL ledger.convert('t')));
is(what_is('t'), 'ledger', 'converted');
my $then = sql('SELECT count(*) FROM t');
usleep(500_000);
my $said = load_stop($load);
unlike($said, qr/ERROR|aborted|FATAL/, 'no appender had an error') or diag($said);
cmp_ok(sql('SELECT count(*) FROM t'), '>', $then, 'appends go on');
cmp_ok($then, '>', $busy, 'and went on meanwhile');
is(sql(q(SELECT count(*) FROM t WHERE v = 'batch')) % 2, 0, 'whole batches');
is(sql(q(SELECT count(*) FROM t WHERE v = 'rolled back' OR k = 5 AND v IS NULL AND id > (SELECT max(id) FROM copy))), '0', 'nothing rolled back');
is(sql('SELECT count(*), count(DISTINCT id) FROM t'), sql('SELECT count(*), count(*) FROM t'), 'no row twice');
is(sql('SELECT count(*) FROM (SELECT copy::text FROM copy EXCEPT SELECT t::text FROM t) d'), '0', 'no row lost');
# the sequence gives each number once: what is not there was rolled back
my $last = sql('SELECT max(id) FROM t');
is(sql("SELECT count(*) FROM t WHERE id > (SELECT max(id) FROM copy) AND (v IN ('by pgbench', 'batch'))"), sql('SELECT count(*) FROM t WHERE id > (SELECT max(id) FROM copy)'), 'all of them ours');
is(sql(q(SELECT 't'::regclass::oid)), $oid, 'same OID');
SKIP:
{
	skip 'no amcheck', 1 if sql(q(SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck')) == 0;
	my ($rc, $out, $err) = $node->psql('postgres', q(CREATE EXTENSION amcheck; SELECT bt_index_check(indexrelid, true) FROM pg_index WHERE indrelid = 't'::regclass));
	is($err, '', 'indexes have all rows, and no others');
}
is(sql($hangs), $hung, 'and what hangs on it');
is(sql('SET enable_seqscan = off; SELECT count(*) FROM t WHERE k = 8'), sql('SET enable_indexscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM t WHERE k = 8'), 'by index');
like(sql('SET ROLE reader; INSERT INTO t (k, v) VALUES (9, \'reader\'); SELECT count(*) FROM t'), qr/^\d+$/, 'privileges');
cmp_ok(sql('SELECT count(*) FROM w'), '>', 0, 'the view');
my ($rc, $out, $err) = $node->psql('postgres', 'INSERT INTO t (id, k) VALUES (1, 1)');
like($err, qr/duplicate key/, 'unique');
($rc, $out, $err) = $node->psql('postgres', 'INSERT INTO t (k) VALUES (-1)');
like($err, qr/check constraint/, 'constraints');
$node->stop('immediate');
$node->start;
is(sql('SELECT count(*) FROM (SELECT copy::text FROM copy EXCEPT SELECT t::text FROM t) d'), '0', 'after a crash');

# And back.
sql('ALTER TABLE t SET ACCESS METHOD heap');
is(what_is('t'), 'heap', 'back');
is(sql('SELECT count(*) FROM (SELECT copy::text FROM copy EXCEPT SELECT t::text FROM t) d'), '0', 'no row lost');

# An UPDATE or DELETE meanwhile: an error, and nothing has changed.
foreach my $change ('UPDATE t SET k = 9 WHERE id = 17', 'DELETE FROM t WHERE id = 19')
{
	my $reader = LedgerSession->new($node);
	$reader->query('BEGIN; SELECT count(*) FROM t');
	my $convert = LedgerSession->new($node);
	$convert->send(q(CALL ledger.convert('t')));
	# copied, and waiting for the reader
	$node->poll_query_until('postgres', q(SELECT count(*) = 1 FROM pg_locks WHERE relation = 't'::regclass AND mode = 'ShareUpdateExclusiveLock' AND granted)) or die;
	usleep(2_000_000);
	sql($change);
	$reader->query('COMMIT');
	$convert->query('SELECT 1');
	like($convert->{error}, qr/could not convert "t".*updated or deleted meanwhile/s, "$change meanwhile");
	is(what_is('t'), 'heap', 'still heap');
	$convert->quit;
	$reader->quit;
}
is(sql('SELECT k FROM t WHERE id = 17') . sql('SELECT count(*) FROM t WHERE id = 19'), '90', 'the changes hold');
is(sql(q(SELECT count(*) FROM pg_class WHERE relname LIKE 'pg_temp_%')), '0', 'nothing is left');

# A row that is there when it begins, of a transaction that commits later.
my $writer = LedgerSession->new($node);
$writer->query(q(BEGIN; INSERT INTO t (k, v) VALUES (11, 'late')));
my $convert = LedgerSession->new($node);
$convert->send(q(CALL ledger.convert('t')));
usleep(1_000_000);
is(sql(q(INSERT INTO t (k, v) VALUES (11, 'meanwhile') RETURNING 1)), '1', 'another appends');
$writer->query('COMMIT');
$convert->query('SELECT 1');
is($convert->{error}, '', 'converted');
is(what_is('t'), 'ledger', 'indeed');
is(sql('SELECT string_agg(v, \',\' ORDER BY v) FROM t WHERE k = 11'), 'late,meanwhile', 'with both rows');

# Transactions that overlap all the time, so that nobody ever finds the table free.
sql('CREATE TABLE busy (i int, t text); CREATE INDEX ON busy (i)');
$load = load_start($node, 8, add => [ 1, "BEGIN;\nINSERT INTO busy VALUES (1, 'x');\n\\sleep 40 ms\nEND;\n" ]);
$node->poll_query_until('postgres', 'SELECT count(*) > 0 FROM busy') or die;
($rc, $out, $err) = $node->psql('postgres', q(CALL ledger.convert('busy'); SHOW lock_timeout));
is($err, '', 'converted under transactions that overlap');
is($out, '0', 'lock_timeout is what it was');
is(what_is('busy'), 'ledger', 'indeed');
usleep(300_000);
$said = load_stop($load);
unlike($said, qr/ERROR|aborted|FATAL/, 'none of them had an error') or diag($said);
is(sql('SELECT count(*) FROM busy WHERE i = 1'), sql('SET enable_seqscan = off; SELECT count(*) FROM busy WHERE i = 1'), 'by index');

# What cannot be converted.
sql(q(CREATE TABLE parted (i int) PARTITION BY LIST (i); CREATE TABLE part PARTITION OF parted FOR VALUES IN (1) USING heap; INSERT INTO parted SELECT 1 FROM generate_series(1, 3000);
	CREATE TABLE b (i int); CREATE INDEX ON b USING brin (i); CREATE UNLOGGED TABLE u (i int); INSERT INTO u SELECT generate_series(1, 2000)));
foreach ([ 't', qr/is a ledger already/ ], [ 'parted', qr/It is not a table/ ], [ 'w', qr/It is not a table/ ], [ 'b', qr/BRIN|brin/ ], [ 'pg_class', qr/system/ ])
{
	($rc, $out, $err) = $node->psql('postgres', "CALL ledger.convert('$_->[0]')");
	like($err, $_->[1], "$_->[0]");
}
($rc, $out, $err) = $node->psql('postgres', q(SET ROLE reader; CALL ledger.convert('b')));
like($err, qr/must be owner/, 'not the owner');
($rc, $out, $err) = $node->psql('postgres', q(BEGIN; CALL ledger.convert('u')));
like($err, qr/cannot run inside a transaction block/, 'in a transaction block');
sql(q(CALL ledger.convert('part')));
is(what_is('part') . sql('SELECT count(*) FROM parted'), 'ledger3000', 'a partition');
sql(q(CALL ledger.convert('u')));
is(sql(q(SELECT relpersistence FROM pg_class WHERE relname = 'u')) . sql('SELECT count(*) FROM u'), 'u2000', 'unlogged');
$node->stop;
no_crash_ok($node);
done_testing();
