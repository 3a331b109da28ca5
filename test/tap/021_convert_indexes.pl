# ledger.convert() builds the indexes while the table is in use: afterwards each
# answers as a heap table's does, whatever has come meanwhile; a crash at any
# point leaves the old table.  WAL is minimal, so new files are not logged.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = ledger_node('convert_indexes', conf => "autovacuum = off\nwal_level = minimal\nmax_wal_senders = 0\nallow_in_place_tablespaces = on\n");

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub what_is { return sql(qq(SELECT a.amname FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE c.relname = '$_[0]')) }
sub fails_ok
{
	my ($statement, $error, $name) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', $statement);
	like($err, $error, $name);
	return;
}

# Starts to convert a table and waits until an index function waits for $others,
# who holds the advisory lock.
sub start_convert
{
	my ($table, $others) = @_;
	my $convert = LedgerSession->new($node);
	$others->query('SELECT pg_advisory_lock(17017)');
	$convert->send("CALL ledger.convert('$table')");
	wait_for($node, q(SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted), "$table: an index is being built");
	return $convert;
}

sub finish_convert
{
	my ($convert, $others) = @_;
	$others->query('SELECT pg_advisory_unlock_all()');
	$convert->query('SELECT 1');
	my $error = $convert->{error};
	$convert->quit;
	return $error;
}

my $amcheck = sql(q(SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'));
sql('CREATE EXTENSION amcheck') if $amcheck;

sub same_rows
{
	my ($name) = @_;
	is(digest($node, 't'), digest($node, 'h'), $name);
	return;
}

# Every btree index has exactly the table's rows.
sub btrees_ok
{
	my ($table) = @_;
	return if !$amcheck;
	my ($rc, $out, $err) = $node->psql('postgres', "SELECT count(bt_index_check(indexrelid, true)::text) FROM pg_index JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = relam WHERE indrelid = '$table'::regclass AND amname = 'btree' AND indisvalid");
	is($err, '', "$table: amcheck");
	cmp_ok($out, '>', 0, 'of some');
	return;
}

# The same question to both tables, by that index.
sub answer_ok
{
	my ($index, $condition) = @_;
	my $force = 'SET enable_seqscan = off; SET random_page_cost = 1;';
	my $plan = sql("$force EXPLAIN (COSTS OFF) SELECT * FROM t WHERE $condition");
	like($plan, qr/\b$index\b/, "$index is used");
	my $digest = "SELECT count(*) || ' ' || coalesce(sum(hashtextextended(x::text, 0)), 0) FROM";
	my $answer = sql("$force $digest t x WHERE $condition");
	is($answer, sql("SET enable_indexscan = off; SET enable_bitmapscan = off; $digest h x WHERE $condition"), "$condition");
	unlike($answer, qr/^0 /, 'some rows');
	return;
}

# Functions in indexes: one waits for whoever has the lock, one is for the owner only.
sql(q(
	CREATE ROLE owner;
	GRANT ALL ON SCHEMA public TO owner;
	CREATE TABLESPACE elsewhere LOCATION '';
	GRANT CREATE ON TABLESPACE elsewhere TO owner;
	CREATE FUNCTION slow(v text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(17017); RETURN upper(v); END $$;
	CREATE FUNCTION own(v text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
	BEGIN
		IF current_user <> 'owner' THEN RAISE 'called by %', current_user; END IF;
		RETURN reverse(v);
	END $$));

# t is converted; h, a heap table, gets the same rows.
my $indexes = '';
foreach my $table (qw(t h))
{
	$indexes .= "
	CREATE INDEX ${table}_include ON $table (k) INCLUDE (id) WITH (fillfactor = 70);
	CREATE INDEX ${table}_partial ON $table (d) WHERE k = 3;
	CREATE INDEX ${table}_slow ON $table (slow(v), k);
	CREATE INDEX ${table}_own ON $table (own(v));
	CREATE UNIQUE INDEX ${table}_lower ON $table (lower(v));
	CREATE INDEX ${table}_hash ON $table USING hash (hashed);
	CREATE INDEX ${table}_gin ON $table USING gin (many) WITH (fastupdate = on);
	CREATE INDEX ${table}_gist ON $table USING gist (place) WITH (fillfactor = 80);
	CREATE INDEX ${table}_spgist ON $table USING spgist (tree);
	CREATE INDEX ${table}_order ON $table (price DESC NULLS FIRST, tree text_pattern_ops) TABLESPACE elsewhere;
	CREATE UNIQUE INDEX ${table}_nulls ON $table (replica);
	CREATE INDEX ${table}_invalid ON $table (hashed text_pattern_ops)";
	$indexes .= ';';
}
sub rows
{
	my ($from, $to) = @_;
	return "SELECT g, g % 7, 'Row ' || g, 'h' || g % 1000, ARRAY[g % 50, g], point(g % 100, g / 100), md5(g::text), nullif(g % 90, 0) * 1.5, g, int4range(g, g + 1), g, repeat('long ' || g, 3000 * (g % 500 = 0)::int) FROM generate_series($from, $to) g";
}
foreach my $table (qw(t h))
{
	sql("SET ROLE owner; CREATE TABLE $table (id int PRIMARY KEY, k int, v text, hashed text, many int[], place point, tree text, price numeric, d int UNIQUE DEFERRABLE INITIALLY DEFERRED, span int4range,
		replica int NOT NULL, big text, CONSTRAINT ${table}_span EXCLUDE USING gist (span WITH &&)) USING heap");
}
sql("SET ROLE owner; $indexes " . join(';', map { "INSERT INTO $_ " . rows(1, 4000) } qw(t h)));
sql(q(
	DELETE FROM t WHERE id <= 100; DELETE FROM h WHERE id <= 100;
	VACUUM t;
	ALTER TABLE t CLUSTER ON t_include;
	ALTER TABLE t REPLICA IDENTITY USING INDEX t_nulls;
	ALTER INDEX t_slow ALTER COLUMN 1 SET STATISTICS 55;
	COMMENT ON INDEX t_slow IS 'slow';
	UPDATE pg_index SET indcheckxmin = true WHERE indexrelid = 't_gin'::regclass;
	SET ROLE owner;
	ANALYZE t;
	RESET ROLE;
	UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_invalid'::regclass));
my $catalogs = q(SELECT i.indexrelid, c.relname, i.indisunique, i.indisprimary, i.indisexclusion, i.indimmediate, i.indisclustered, i.indisready, i.indislive, i.indisreplident, i.indkey, i.indclass, i.indoption,
	pg_get_indexdef(i.indexrelid), c.reltablespace, c.reloptions, c.relpersistence, c.relowner, obj_description(c.oid, 'pg_class'), (SELECT string_agg(conname || contype::text || condeferrable || condeferred || conindid, ',' ORDER BY oid) FROM pg_constraint WHERE conindid = c.oid),
	(SELECT string_agg(attname || coalesce(attstattarget, -1), ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid), (SELECT count(*) FROM pg_statistic WHERE starelid = c.oid),
	(SELECT string_agg(d::text, ',' ORDER BY d::text) FROM pg_depend d WHERE (classid = 'pg_class'::regclass AND objid = c.oid) OR (refclassid = 'pg_class'::regclass AND refobjid = c.oid))
	FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = 't'::regclass ORDER BY 1);
my $before = sql($catalogs);
my $files = sql(q(CREATE TABLE files AS SELECT relname, relfilenode FROM pg_class WHERE relname ~ '^t_' AND relkind = 'i'; SELECT count(*) FROM files));
is($files, 15, 'so many indexes');

# A crash in the middle: nothing has happened.
my $others = LedgerSession->new($node);
my $convert = start_convert('t', $others);
kill_all($node);
$_->quit foreach $others, $convert;
$node->start;
is(what_is('t'), 'heap', 'killed while an index is built: still heap');
is(sql(q(SELECT count(*) FROM pg_class WHERE relname LIKE 'pg_temp%')), '0', 'nothing is left');
is(sql($catalogs), $before, 'no index has changed');
is(sql('SELECT count(*) FROM files f JOIN pg_class c USING (relname, relfilenode)'), $files, 'nor its file');
btrees_ok('t');
same_rows('the same rows');

# Meanwhile come: a large transaction, small ones, some that roll back, and one
# that is in progress when all indexes are built.
$others = LedgerSession->new($node);
my $late = LedgerSession->new($node);
$convert = start_convert('t', $others);
$others->query('SET ROLE owner');
foreach my $table (qw(t h))
{
	$others->query("INSERT INTO $table " . rows(4001, 6500));
	$others->query("BEGIN; INSERT INTO $table " . rows(7001, 7500) . '; ROLLBACK') if $table eq 't';
	$others->query("INSERT INTO $table " . rows($_, $_)) foreach 6501 .. 6550;
	is($others->{error}, '', "$table: rows come while an index is built");
}
is($others->query('SELECT count(*) FROM t WHERE id > 4000'), '2550', 'and are there to be read');
$others->query('RESET ROLE');
# (with its expressions known: the advisory lock is free by now)
$others->query('SELECT pg_advisory_unlock_all()');
$late->query('SET ROLE owner');
foreach my $table (qw(t h))
{
	$late->query("BEGIN; INSERT INTO $table " . rows(8001, 8050)) if $table eq 't';
	$late->query("INSERT INTO $table " . rows(8001, 8050)) if $table eq 'h';
	is($late->{error}, '', "$table: late rows");
}
is(what_is('t'), 'heap', 'who is not done is waited for');
usleep(300_000);
is(sql('SELECT count(*) FROM t WHERE id > 4000'), '2550', 'and nobody waits meanwhile');
$late->query('COMMIT');
is(finish_convert($convert, $others), '', 'converted');
is(what_is('t'), 'ledger', 'indeed');
is(sql($catalogs), $before, 'the indexes and what hangs on them are the same');
is(sql('SELECT count(*) FROM files f JOIN pg_class c USING (relname, relfilenode)'), '0', 'with new files');
is(sql(q(SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND (NOT indisvalid OR indcheckxmin))), '0', 'all valid');
is(sql(q(SELECT count(*) FROM pg_class WHERE relname LIKE 'pg_temp%')), '0', 'nothing is left');
is(sql(q(SELECT count(*) FROM pg_class WHERE relname ~ '^t_' AND relkind = 'i' AND relpages = 0)), '0', 'sizes are known');

sub check_all
{
	my ($when) = @_;
	same_rows("$when: the same rows");
	btrees_ok('t');
	answer_ok('t_pkey', 'id BETWEEN 3990 AND 4010');
	answer_ok('t_include', 'k = 5');
	answer_ok('t_partial', 'k = 3 AND d BETWEEN 2000 AND 8040');
	answer_ok('t_slow', q(slow(v) = 'ROW 6510'));
	answer_ok('t_lower', q(lower(v) = 'row 8003'));
	answer_ok('t_hash', q(hashed = 'h17'));
	answer_ok('t_gin', 'many @> ARRAY[17]');
	answer_ok('t_gin', 'many @> ARRAY[6520]');
	answer_ok('t_gist', q(place <@ box '(3,3),(60,70)'));
	answer_ok('t_spgist', q(tree ^@ 'a'));
	answer_ok('t_order', 'price IS NULL');
	answer_ok('t_nulls', 'replica IN (200, 6000, 8010)');
	answer_ok('t_span', q(span && '[8007,8009]'));
	is(sql(q(SET ROLE owner; SET enable_seqscan = off; SELECT count(*) FROM t WHERE own(v) = '0056 woR')), '1', 'the function that is the owner\'s');
	# one each: nothing has got into the table
	fails_ok('SET ROLE owner; INSERT INTO t ' . rows($_, $_), qr/duplicate key.*t_pkey|duplicate key.*t_lower/, "unique: $_") foreach 150, 5000, 8050;
	fails_ok(q(SET ROLE owner; INSERT INTO t (id, v, replica) VALUES (10001, 'rOW 5000', 10001)), qr/duplicate key.*t_lower/, 'unique: expression');
	fails_ok(q(SET ROLE owner; INSERT INTO t (id, v, replica, d) VALUES (10001, 'new', 10001, 6000)), qr/duplicate key.*t_d_key/, 'unique: deferred');
	fails_ok(q(SET ROLE owner; INSERT INTO t (id, v, replica, span) VALUES (10001, 'new', 10001, '[6000,6001]')), qr/exclusion constraint "t_span"/, 'excluded');
	return;
}
check_all('converted');
$node->stop('immediate');
$node->start;
sql("SET ROLE owner; INSERT INTO $_ " . rows(9001, 9100)) foreach qw(t h);
sql('VACUUM t');
check_all('after a crash, with further rows');
$_->quit foreach $others, $late;

# The bulk writer's rows are added to indexes that are there.
$others = LedgerSession->new($node);
sql(q(CREATE TABLE b (id int PRIMARY KEY, v text) USING heap; INSERT INTO b SELECT g, 'x' || g FROM generate_series(1, 3000) g; CREATE INDEX b_slow ON b (slow(v))));
$convert = start_convert('b', $others);
$others->query(q(INSERT INTO b SELECT g, 'x' || g FROM generate_series(3001, 20000) g));
is(finish_convert($convert, $others), '', 'b is converted');
is(what_is('b'), 'ledger', 'indeed');
cmp_ok(sql(q(SELECT count(*) FROM ledger.segments('b') WHERE entries > 10000)), '>', 0, 'in segments') or diag(sql(q(SELECT * FROM ledger.segments('b'))));
is(sql('SELECT count(*), sum(id) FROM b'), '20000|200010000', 'all rows');
is(sql(q(SET enable_seqscan = off; SELECT (SELECT count(*) FROM b WHERE id BETWEEN 2000 AND 15000), (SELECT id FROM b WHERE slow(v) = 'X2222'), (SELECT id FROM b WHERE slow(v) = 'X19999'))), '13001|2222|19999', 'by index');
btrees_ok('b');

# A row is deleted and its key comes again, far in front of it, with more rows
# than a batch has: the error is that of the deletion.
sql(q(ALTER TABLE b SET ACCESS METHOD heap; DELETE FROM b WHERE id <= 3000; VACUUM b));
$convert = start_convert('b', $others);
$others->query(q(BEGIN; DELETE FROM b WHERE id = 19000; INSERT INTO b SELECT g % 2999 + (g = 0)::int * 19000, 'y' FROM generate_series(0, 2998) g; COMMIT));
is($others->{error}, '', 'deleted, and the key again');
like(finish_convert($convert, $others), qr/could not convert "b".*updated or deleted meanwhile/s, 'that is told');
is(what_is('b') . sql('SELECT count(*) FROM b'), 'heap19998', 'and all is as it was');
btrees_ok('b');

# A unique index of the old table that is damaged
sql(q(CREATE TABLE damaged (id int PRIMARY KEY, v text) USING heap; INSERT INTO damaged SELECT g, 'x' || g FROM generate_series(1, 3000) g; CREATE INDEX ON damaged (slow(v))));
$convert = start_convert('damaged', $others);
$others->query(q(UPDATE pg_index SET indisready = false WHERE indexrelid = 'damaged_pkey'::regclass));
$others->query(q(INSERT INTO damaged VALUES (17, 'again')));
$others->query(q(UPDATE pg_index SET indisready = true WHERE indexrelid = 'damaged_pkey'::regclass));
is($others->{error}, '', 'a key is there twice');
like(finish_convert($convert, $others), qr/could not convert "damaged".*Unique index "damaged_pkey" has duplicate keys/s, 'that is told');
is(what_is('damaged'), 'heap', 'and not converted');
$others->quit;

# Killed with everybody locked out, the indexes' files exchanged.
sql(q(CREATE TABLE x (id int PRIMARY KEY, v text, CONSTRAINT x_slow EXCLUDE USING btree (slow(v) WITH =)) USING heap; INSERT INTO x SELECT g, 'x' || g FROM generate_series(1, 3000) g; CREATE INDEX x_v ON x (v)));
$files = sql(q(SELECT string_agg(relname || relfilenode, ',' ORDER BY relname) FROM pg_class WHERE relname ~ '^x(_|$)'));
$others = LedgerSession->new($node);
$convert = start_convert('x', $others);
is(sql(q(SELECT count(*) FROM pg_locks WHERE relation = 'x'::regclass AND mode = 'AccessExclusiveLock' AND granted)), '1', 'locked out');
kill_all($node);
$_->quit foreach $others, $convert;
$node->start;
is(what_is('x') . sql('SELECT count(*) FROM x'), 'heap3000', 'killed when the indexes have their new files: still heap');
is(sql(q(SELECT string_agg(relname || relfilenode, ',' ORDER BY relname) FROM pg_class WHERE relname ~ '^x(_|$)')), $files, 'with the old files');
is(sql(q(SET enable_seqscan = off; SELECT (SELECT v FROM x WHERE id = 2999), (SELECT id FROM x WHERE v = 'x17'))), 'x2999|17', 'and indexes');
btrees_ok('x');
sql(q(CALL ledger.convert('x')));
is(what_is('x') . sql('SELECT count(*) FROM x'), 'ledger3000', 'then converted');
fails_ok(q(INSERT INTO x VALUES (0, 'x17')), qr/exclusion constraint "x_slow"/, 'with its constraint');

# A partition's indexes stay attached.
sql(q(CREATE TABLE parted (i int, v text, PRIMARY KEY (i)) PARTITION BY RANGE (i); CREATE INDEX parted_v ON parted (v); CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (10000) USING heap; CREATE TABLE part2 PARTITION OF parted FOR VALUES FROM (10000) TO (20000) USING heap;
	INSERT INTO parted SELECT g, 'x' || g FROM generate_series(1, 3000) g));
my $attached = q(SELECT string_agg(inhrelid::regclass || ' ' || inhrelid || ' of ' || inhparent::regclass, ',' ORDER BY inhrelid) FROM pg_inherits);
my $was = sql($attached);
sql(q(CALL ledger.convert('part')));
is(what_is('part'), 'ledger', 'a partition');
is(sql($attached), $was, 'its indexes are attached');
is(sql(q(SET enable_seqscan = off; SELECT i FROM parted WHERE v = 'x2500')), '2500', 'and used');
btrees_ok('part');
fails_ok(q(INSERT INTO parted VALUES (2500, '')), qr/duplicate key.*part_pkey/, 'unique');
sql('DROP INDEX parted_v; ALTER TABLE parted DROP CONSTRAINT parted_pkey');
is(sql(q(SELECT count(*) FROM pg_index WHERE indrelid = 'part'::regclass)), '0', 'they go with the parent\'s');

# Unlogged and temporary tables
sql(q(CREATE UNLOGGED TABLE u (i int PRIMARY KEY, many int[]) USING heap; INSERT INTO u SELECT g, ARRAY[g] FROM generate_series(1, 3000) g; CREATE INDEX ON u USING gin (many); CREATE INDEX ON u USING hash (i); CALL ledger.convert('u')));
is(sql('SET enable_seqscan = off; SELECT count(*) FROM u WHERE many @> ARRAY[17]'), '1', 'unlogged');
is(sql(q(CREATE TEMP TABLE tt (i int PRIMARY KEY) USING heap; INSERT INTO tt SELECT generate_series(1, 3000); CALL ledger.convert('tt'); SET enable_seqscan = off; SELECT count(*) FROM tt WHERE i = 17)), '1', 'temporary');
$node->stop('immediate');
$node->start;
is(what_is('u') . sql('SELECT count(*) FROM u'), 'ledger0', 'unlogged: empty after a crash');
sql('INSERT INTO u SELECT g, ARRAY[g] FROM generate_series(1, 100) g');
is(sql('SET enable_seqscan = off; SELECT count(*) FROM u WHERE many @> ARRAY[17] OR i = 18'), '2', 'and usable');
btrees_ok('u');

# Refused at once
sql('CREATE INDEX b_brin ON b USING brin (id)');
fails_ok(q(CALL ledger.convert('b')), qr/cannot convert "b".*do not support BRIN indexes, such as "b_brin"/s, 'BRIN');

# A unique index that CREATE INDEX CONCURRENTLY has left behind: told at once.
sql('CREATE TABLE dup AS SELECT g / 2 AS i FROM generate_series(1, 10) g');
fails_ok('CREATE UNIQUE INDEX CONCURRENTLY dup_i ON dup (i)', qr/could not create unique index/, 'duplicate keys');
fails_ok(q(CALL ledger.convert('dup')), qr/cannot convert "dup".*Unique index "dup_i" is not valid/s, 'a unique index that is not valid');
sql('DROP INDEX dup_i');
sql(q(CALL ledger.convert('dup')));
is(what_is('dup'), 'ledger', 'converted without it');
$node->stop;
no_crash_ok($node);
done_testing();
