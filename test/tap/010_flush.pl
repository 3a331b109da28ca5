# Rows that a session holds in memory are seen wherever SQL can look for them, in
# that session, and become everyone's exactly at commit: every point at which
# they have to be written.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = ledger_node('flush', conf => "autovacuum = off\nmax_worker_processes = 16\nallow_in_place_tablespaces = on\n");
prepare_oracle($node);
$node->safe_psql('postgres', q(
	CREATE SEQUENCE s;
	CREATE INDEX l_k ON l (k, i);
	CREATE INDEX h_k ON h (k, i);
	CREATE TABLESPACE other LOCATION '';
	CREATE FUNCTION many() RETURNS void LANGUAGE sql AS $$ SELECT load(nextval('s'), 3000) $$;
	CREATE TABLE keys (key int);
	INSERT INTO keys SELECT generate_series(0, 20);
	CREATE FUNCTION rows_of(key bigint) RETURNS text STABLE PARALLEL SAFE LANGUAGE sql AS $$ SELECT (SELECT count(*) FROM l WHERE k = key) || ' ' || (SELECT count(*) FROM h WHERE k = key) $$;
	CREATE FUNCTION parallel() RETURNS void LANGUAGE sql AS $$
		SELECT set_config('parallel_setup_cost', '0', true), set_config('parallel_tuple_cost', '0', true), set_config('min_parallel_table_scan_size', '0', true),
			set_config('min_parallel_index_scan_size', '0', true), set_config('max_parallel_workers_per_gather', '3', true), set_config(name, 'on', true)
		FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') $$;
	ALTER TABLE keys SET (parallel_workers = 2);
	ALTER TABLE l SET (parallel_workers = 2)));
my $me = LedgerSession->new($node);
my $other = LedgerSession->new($node);
my $step = 0;

# Runs commands in a transaction of a session that has loaded rows before them,
# looks at the rows in it, and from another session, before and after its end.
sub flush_ok
{
	my ($name, $sql, %opt) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $end = $opt{end} || 'COMMIT';
	my $seen = $other->query('SELECT count(*) FROM h');
	$me->query(($opt{begin} || 'BEGIN') . "; SELECT many(); SELECT load(nextval('s'), 3)");
	my $said = $me->query($sql);
	is($me->{error}, '', "$name: no error") unless $opt{error};
	like($me->{error}, $opt{error}, "$name: its error") if $opt{error};
	is($said, $opt{says}, "$name: says") if exists $opt{says};
	if (!$opt{error})
	{
		like($me->query('SELECT same()'), qr/^same/, "$name: same rows in the transaction");
		is($me->{error}, '', "$name: no error in the transaction");
	}
	if (!$opt{locked})
	{
		is($other->query('SELECT (SELECT count(*) FROM l) || \' \' || (SELECT count(*) FROM h)'), "$seen $seen", "$name: none of it for others");
	}
	$me->query($end);
	is($me->{error}, '', "$name: $end");
	like($other->query('SELECT same()'), qr/^same/, "$name: same rows for others");
	my $now = $other->query('SELECT count(*) FROM h');
	cmp_ok($now, ($end eq 'COMMIT' && !$opt{error} && !$opt{fewer} ? '>' : '<='), $seen, "$name: as many as should be") unless $opt{any};
	is($other->query('SET enable_seqscan = off; SELECT count(*) FROM l WHERE k >= 0; RESET enable_seqscan'), $now, "$name: by the index, too") unless $opt{noindex};
	if (++$step % 4 == 0)
	{
		$other->query(q(SELECT ledger.seal('l')));
		is($other->{error}, '', "$name: sealed");
		like($other->query('SELECT same()'), qr/^same/, "$name: same rows, sealed");
	}
	return;
}

flush_ok('commit', 'SELECT 1');
flush_ok('rollback', 'SELECT 1', end => 'ROLLBACK');
flush_ok('an error', 'SELECT 1 / 0', end => 'ROLLBACK', error => qr/division by zero/);

# Readers in the same session.
flush_ok('sequential scan', 'SELECT count(*) = (SELECT count(*) FROM h) FROM l', says => 't');
flush_ok('index scan', 'SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SELECT count(*) = (SELECT count(*) FROM h WHERE k > 0) FROM l WHERE k > 0', says => 't');
flush_ok('bitmap scan', 'SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SELECT count(*) = (SELECT count(*) FROM h WHERE k > 0) FROM l WHERE k > 0', says => 't');
flush_ok('TID scan', 'SELECT count(*) > 0 FROM l a WHERE ctid = (SELECT max(ctid) FROM l)', says => 't');
flush_ok('TID range scan', q(SELECT count(*) = (SELECT count(*) FROM h) FROM l WHERE ctid >= '(0,1)'), says => 't');
flush_ok('sample', 'SELECT count(*) = (SELECT count(*) FROM h) FROM l TABLESAMPLE SYSTEM (100)', says => 't');
flush_ok('parallel scan', 'SELECT parallel(); SELECT count(*) = (SELECT count(*) FROM h) FROM l', says => "\nt");
flush_ok('parallel scan of keys, index scans of rows', 'SELECT parallel(); SELECT count(*) > 0 FROM keys WHERE (SELECT count(*) FROM l WHERE k = key) = (SELECT count(*) FROM h WHERE k = key)', says => "\nt");
flush_ok('functions in parallel workers', q(SELECT parallel(); SELECT bool_and(split_part(rows_of(key), ' ', 1) = split_part(rows_of(key), ' ', 2)) FROM keys), says => "\nt");
flush_ok('parallel index join', 'SELECT parallel(); SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SELECT count(*) = (SELECT count(*) FROM h a JOIN h b ON a.k = b.k AND a.i = b.i + 1) FROM l a JOIN l b ON a.k = b.k AND a.i = b.i + 1', says => "\nt");
flush_ok('FETCH', 'DECLARE c CURSOR FOR SELECT count(*) FROM l; SELECT many(); FETCH c');
flush_ok('WITH HOLD', 'DECLARE held CURSOR WITH HOLD FOR SELECT count(*) FROM l; SELECT many()');
$me->query('CLOSE held');
flush_ok('COPY TO', q(COPY (SELECT count(*) = (SELECT count(*) FROM h) FROM l) TO STDOUT), says => 't');
flush_ok('ANALYZE', 'ANALYZE l', any => 1);
flush_ok('INSERT ... SELECT from itself', 'INSERT INTO h SELECT k + 1000000, i, t, j FROM h WHERE k > (SELECT last_value - 2 FROM s); INSERT INTO l SELECT k + 1000000, i, t, j FROM l WHERE k > (SELECT last_value - 2 FROM s)');
flush_ok('CREATE TABLE AS', 'CREATE TABLE c USING ledger AS SELECT * FROM l; SELECT compare(\'c\', \'h\') LIKE \'same%\'; DROP TABLE c', says => 't');
flush_ok('materialized view', 'CREATE MATERIALIZED VIEW m USING ledger AS SELECT * FROM l; SELECT many(); REFRESH MATERIALIZED VIEW m; SELECT compare(\'m\', \'h\') LIKE \'same%\'; DROP MATERIALIZED VIEW m', says => "\nt");
flush_ok('serializable', 'SELECT current_setting($$transaction_isolation$$)', begin => 'BEGIN ISOLATION LEVEL SERIALIZABLE', says => 'serializable');

# Commands on the table.
flush_ok('CREATE INDEX', 'CREATE INDEX x ON l (i, t); SET LOCAL enable_seqscan = off; SELECT count(*) = (SELECT count(*) FROM h WHERE i = 2500) FROM l WHERE i = 2500; DROP INDEX x', says => 't', locked => 1);
flush_ok('ADD COLUMN', q(ALTER TABLE l ADD COLUMN x int DEFAULT 5; ALTER TABLE h ADD COLUMN x int DEFAULT 5; SELECT many()), locked => 1);
flush_ok('DROP COLUMN', q(ALTER TABLE l DROP COLUMN x; ALTER TABLE h DROP COLUMN x; SELECT many()), locked => 1);
flush_ok('rewrite', q(ALTER TABLE l ALTER i TYPE bigint; ALTER TABLE h ALTER i TYPE bigint; SELECT many(); ALTER TABLE l ALTER i TYPE int; ALTER TABLE h ALTER i TYPE int), locked => 1);
flush_ok('rewrite undone', q(SAVEPOINT a; ALTER TABLE l ALTER i TYPE bigint; INSERT INTO l SELECT 1, g FROM generate_series(1, 3000) g; ROLLBACK TO a; SELECT many()), locked => 1);
flush_ok('SET TABLESPACE', 'ALTER TABLE l SET TABLESPACE other; SELECT many()', locked => 1);
flush_ok('SET TABLESPACE undone', 'SAVEPOINT a; ALTER TABLE l SET TABLESPACE pg_default; INSERT INTO l SELECT 1, g FROM generate_series(1, 3000) g; ROLLBACK TO a; SELECT many()', locked => 1);
flush_ok('SET ACCESS METHOD', 'ALTER TABLE l SET ACCESS METHOD heap; SELECT many(); ALTER TABLE l SET ACCESS METHOD ledger; SELECT many()', locked => 1);
flush_ok('SET UNLOGGED', 'ALTER TABLE l SET UNLOGGED; SELECT many(); ALTER TABLE l SET LOGGED; SELECT many()', locked => 1);
flush_ok('TRUNCATE', 'TRUNCATE h, l; SELECT many()', locked => 1, fewer => 1);
flush_ok('TRUNCATE, ROLLBACK TO', 'SAVEPOINT a; TRUNCATE l; INSERT INTO l SELECT 1, g FROM generate_series(1, 3000) g; ROLLBACK TO a; SELECT many()', locked => 1);
flush_ok('TRUNCATE twice', 'SAVEPOINT a; TRUNCATE h, l; SELECT many(); SAVEPOINT b; TRUNCATE h, l; SELECT many(); ROLLBACK TO b; SELECT many()', locked => 1, any => 1);
flush_ok('DROP, ROLLBACK TO', 'SAVEPOINT a; DROP TABLE l CASCADE; ROLLBACK TO a; SELECT many()', locked => 1);
flush_ok('DROP of another table with rows', 'CREATE TABLE c (i int) USING ledger; INSERT INTO c SELECT generate_series(1, 3000); DROP TABLE c; SELECT many()');
flush_ok('LOCK and seal', q(SELECT ledger.seal('l'); SELECT many()));
# a table that is gone at commit, with rows in memory
$me->query('CREATE TABLE c (i int) USING ledger; BEGIN; INSERT INTO c SELECT generate_series(1, 3000); DROP TABLE c; COMMIT');
is($me->{error}, '', 'DROP and COMMIT');
$me->query('BEGIN; CREATE TABLE c (i int) USING ledger; INSERT INTO c SELECT generate_series(1, 3000); ROLLBACK');
is($me->{error}, '', 'CREATE and ROLLBACK');
$me->query('BEGIN; CREATE TABLE c (i int) USING ledger; INSERT INTO c SELECT generate_series(1, 3000); TRUNCATE c; INSERT INTO c SELECT generate_series(1, 2500); COMMIT');
is($other->query('SELECT count(*) FROM c'), '2500', 'CREATE, TRUNCATE, COMMIT');

# Subtransactions.
flush_ok('savepoint released', 'SAVEPOINT a; SELECT many(); RELEASE a; SELECT many()');
flush_ok('savepoint undone', 'SAVEPOINT a; SELECT many(); ROLLBACK TO a; SELECT many()');
flush_ok('savepoints within', 'SAVEPOINT a; SELECT many(); SAVEPOINT b; SELECT many(); RELEASE b; SAVEPOINT c; SELECT many(); ROLLBACK TO c; RELEASE a');
flush_ok('released, then undone', 'SAVEPOINT a; SELECT many(); SAVEPOINT b; SELECT many(); RELEASE b; ROLLBACK TO a; SELECT many()');
flush_ok('an exception caught', q(DO $$ BEGIN PERFORM many(); BEGIN PERFORM many(); PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END; PERFORM many(); END $$));

# At the end of the transaction.
$node->safe_psql('postgres', q(
	CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM load(nextval('s'), NEW.i); RETURN NULL; END $$;
	CREATE TABLE t (i int) USING ledger;
	CREATE CONSTRAINT TRIGGER c AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()));
flush_ok('deferred triggers', 'INSERT INTO t VALUES (3), (2500), (1)');
flush_ok('deferred triggers that fail', 'INSERT INTO t VALUES (2500); ALTER TABLE t ADD CHECK (i > 0)', error => qr/pending trigger/, end => 'ROLLBACK');
flush_ok('deferred triggers set immediate', 'INSERT INTO t VALUES (2500); SET CONSTRAINTS ALL IMMEDIATE; SELECT many()');
$me->query("BEGIN; SELECT many(); SELECT load(nextval('s'), 2); INSERT INTO t VALUES (2600); PREPARE TRANSACTION 'p'");
is($me->{error}, '', 'PREPARE TRANSACTION');
my $seen = $other->query('SELECT same()');
like($seen, qr/^same/, 'same rows while prepared');
$other->query(q(SELECT ledger.seal('l'); VACUUM l));
is($other->query('SELECT same()'), $seen, 'and still');
$me->query("COMMIT PREPARED 'p'");
is($me->{error}, '', 'COMMIT PREPARED');
like($other->query('SELECT same()'), qr/^same/, 'same rows after it');
isnt($other->query('SELECT same()'), $seen, 'more of them');

# COPY from a client, in pieces, into partitions, more than COPY buffers at once.
$node->safe_psql('postgres', q(
	CREATE TABLE p (k int, v text) PARTITION BY LIST (k);
	CREATE TABLE ph (k int, v text);
	DO $$ BEGIN FOR i IN 0 .. 59 LOOP EXECUTE format('CREATE TABLE p%s PARTITION OF p FOR VALUES IN (%s) USING ledger', i, i); END LOOP; END $$));
my $data = join '', map { ($_ * 7919 % 60) . "\tvalue $_\n" } 1 .. 90_000;
my $in = LedgerSession->new($node);
foreach my $table (qw(p ph))
{
	my ($rc, $out, $err) = $node->psql('postgres', "BEGIN;\nCOPY $table FROM STDIN;\n$data\\.\nSELECT count(*) FROM $table;\nCOMMIT;\n");
	is($out, '90000', "COPY $table");
}
same_ok($node, 'same rows in partitions', 'ph', 'p');
is($node->safe_psql('postgres', q(SELECT count(*) FROM ledger.segments('p') WHERE entries < 300)), '0', 'and no tiny segments');
my ($rc, $out, $err) = $node->psql('postgres', "COPY p FROM STDIN;\n${data}bad\n\\.\n");
like($err, qr/invalid input syntax|missing data/, 'a COPY that fails at its last row');
same_ok($node, 'leaves nothing', 'ph', 'p');

# Memory is written out when there is much, in a transaction that stays open.
$me->query(q(BEGIN; INSERT INTO l SELECT 5, g, md5(g::text) || repeat('x', 500), NULL FROM generate_series(1, 120000) g));
is($me->{error}, '', 'a load of more than memory holds');
is($me->query('SELECT count(*), sum(i) FROM l WHERE k = 5'), '120000|7200060000', 'is there');
is($other->query('SELECT count(*) FROM l WHERE k = 5'), '0', 'for itself only');
$me->query('ROLLBACK');
is($other->query('SELECT count(*) FROM l WHERE k = 5'), '0', 'and gone');
$other->query(q(SELECT ledger.seal('l'); VACUUM l));
like($other->query('SELECT same()'), qr/^same/, 'same rows');

# Sessions that end without a word.
my $gone = LedgerSession->new($node);
$gone->query('BEGIN; SELECT many()');
$gone->quit;
$node->poll_query_until('postgres', 'SELECT count(*) <= 4 FROM pg_stat_activity WHERE backend_type = \'client backend\'');
like($other->query('SELECT same()'), qr/^same/, 'same rows after a session went');
$gone = LedgerSession->new($node);
my $pid = $gone->query('SELECT pg_backend_pid(); BEGIN; SELECT many()');
$pid =~ s/\D.*//s;
$other->query("SELECT pg_terminate_backend($pid, 5000)");
$gone->quit;
like($other->query('SELECT same()'), qr/^same/, 'same rows after one was terminated');
$_->quit foreach $me, $other, $in;
$node->stop('immediate');
$node->start;
same_ok($node, 'same rows after a crash');
no_crash_ok($node);
$node->stop;
done_testing();
