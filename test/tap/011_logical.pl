# Logical decoding: changes of a ledger come out like those of a heap.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = ledger_node('publisher', init => { allows_streaming => 'logical' }, conf => "autovacuum = off\nlogical_decoding_work_mem = 64kB\n");
is($node->safe_psql('postgres', 'SHOW wal_level'), 'logical', 'wal_level');
prepare_oracle($node);
$node->safe_psql('postgres', q(CREATE SEQUENCE s; SELECT pg_create_logical_replication_slot('d', 'test_decoding')));

# Single rows, many in a command, COPY, subtransactions, aborts, wide values.
$node->safe_psql('postgres', $_) foreach
  q(SELECT load(nextval('s'), 1)),
  q(SELECT load(nextval('s'), 50)),
  q(SELECT load(nextval('s'), 3000)),
  q(BEGIN; SELECT load(nextval('s'), 3); SAVEPOINT a; SELECT load(nextval('s'), 2000); ROLLBACK TO a; SAVEPOINT b; SELECT load(nextval('s'), 1200); RELEASE b; COMMIT),
  q(BEGIN; SELECT load(nextval('s'), 2000); ROLLBACK),
  q(INSERT INTO h VALUES (-1, 1, repeat('compresses', 1000), NULL); INSERT INTO l VALUES (-1, 1, repeat('compresses', 1000), NULL)),
  q(INSERT INTO h VALUES (-2, NULL, NULL, NULL), (-2, 1, '', 'null'); INSERT INTO l VALUES (-2, NULL, NULL, NULL), (-2, 1, '', 'null')),
  q(SELECT ledger.seal('l')),
  q(VACUUM l),
  q(SELECT load(nextval('s'), 1100)),
  q(BEGIN; SELECT load(nextval('s'), 7); TRUNCATE h; TRUNCATE l; SELECT load(nextval('s'), 1500); COMMIT);
my $file = PostgreSQL::Test::Utils::tempdir() . '/copy';
$node->safe_psql('postgres', "COPY h TO '$file'; COPY h FROM '$file'; COPY l FROM '$file'");
same_ok($node, 'same rows');
$node->safe_psql('postgres', q(CREATE TABLE changes AS SELECT row_number() OVER () AS n, data FROM pg_logical_slot_get_changes('d', NULL, NULL, 'include-xids', '0')));
is($node->safe_psql('postgres', q(SELECT count(*) FROM changes WHERE data LIKE 'table public.h: INSERT%')), $node->safe_psql('postgres', q(SELECT count(*) FROM changes WHERE data LIKE 'table public.l: INSERT%')), 'as many inserts decoded');
cmp_ok($node->safe_psql('postgres', q(SELECT count(*) FROM changes WHERE data LIKE 'table public.l: INSERT%')), '>', 5000, 'which are many');
is($node->safe_psql('postgres', q(SELECT count(*) FROM (
	SELECT row_number() OVER (ORDER BY n) AS r, replace(data, 'table public.h:', '') AS d FROM changes WHERE data LIKE 'table public.h: INSERT%') h FULL JOIN (
	SELECT row_number() OVER (ORDER BY n) AS r, replace(data, 'table public.l:', '') AS d FROM changes WHERE data LIKE 'table public.l: INSERT%') l USING (r) WHERE h.d IS DISTINCT FROM l.d)), '0', 'the same changes in the same order');
is($node->safe_psql('postgres', q(SELECT count(*) FROM changes WHERE data LIKE 'table public.l: TRUNCATE%')), '1', 'TRUNCATE decoded');

# Decoded in the transaction's order, also where it is streamed to disk.
is($node->safe_psql('postgres', q(SELECT count(*) FILTER (WHERE data = 'BEGIN') - count(*) FILTER (WHERE data LIKE 'COMMIT%') FROM changes)), '0', 'transactions are whole');

# A publication, to a ledger and to a heap.
my $sub = ledger_node('subscriber', conf => "autovacuum = off\n");
prepare_oracle($sub);
$node->safe_psql('postgres', 'CREATE PUBLICATION pub FOR TABLE h, l');
$sub->safe_psql('postgres', sprintf q(CREATE SUBSCRIPTION sub CONNECTION '%s dbname=postgres' PUBLICATION pub), $node->connstr);
$sub->wait_for_subscription_sync($node, 'sub');
is($sub->safe_psql('postgres', 'SELECT same()'), $node->safe_psql('postgres', 'SELECT same()'), 'same rows copied at first');
$node->safe_psql('postgres', $_) foreach
  q(SELECT load(nextval('s'), 1)),
  q(SELECT load(nextval('s'), 4000)),
  q(BEGIN; SELECT load(nextval('s'), 3); SAVEPOINT a; SELECT load(nextval('s'), 2000); ROLLBACK TO a; COMMIT),
  q(SELECT ledger.seal('l'));
$node->wait_for_catchup('sub');
is($sub->safe_psql('postgres', 'SELECT same()'), $node->safe_psql('postgres', 'SELECT same()'), 'same rows after changes');
$sub->safe_psql('postgres', q(SELECT ledger.seal('l')));
$node->safe_psql('postgres', 'TRUNCATE h, l; SELECT load(0, 30)');
$node->wait_for_catchup('sub');
is($sub->safe_psql('postgres', 'SELECT same()'), 'same 30 rows', 'TRUNCATE replicated');
$sub->safe_psql('postgres', 'DROP SUBSCRIPTION sub');
$sub->stop;

# A row too big for a page cannot be decoded, so it is refused.
my ($rc, $out, $err) = $node->psql('postgres', q(\set VERBOSITY sqlstate
	INSERT INTO l SELECT 1, 1, string_agg(md5(g::text), ''), NULL FROM generate_series(1, 2000) g));
like($err, qr/54000/, 'a row too big is refused');
($rc, $out, $err) = $node->psql('postgres', q(\set VERBOSITY sqlstate
	INSERT INTO l SELECT 1, 1, CASE WHEN n = 2500 THEN (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 2000) g) END, NULL FROM generate_series(1, 3000) n));
like($err, qr/54000/, 'also among many');
same_ok($node, 'and nothing is stored');
$node->safe_psql('postgres', q(CREATE UNLOGGED TABLE u (t text) USING ledger; CREATE TEMP TABLE tt (t text) USING ledger;
	INSERT INTO u SELECT string_agg(md5(g::text), '') FROM generate_series(1, 2000) g;
	INSERT INTO tt SELECT string_agg(md5(g::text), '') FROM generate_series(1, 2000) g));
is($node->safe_psql('postgres', 'SELECT length(t) FROM u'), '64000', 'but for tables that are not decoded');

# Rows that are copied to a new file are not decoded either; those that come after, in the same transaction or another, are.
$node->safe_psql('postgres', q(
	CREATE TABLE wide (id int PRIMARY KEY, t text); CREATE TABLE wide2 (id int PRIMARY KEY, t text);
	ALTER TABLE wide ALTER t SET STORAGE EXTERNAL; ALTER TABLE wide2 ALTER t SET STORAGE EXTERNAL;
	INSERT INTO wide SELECT n, repeat(md5(n::text), CASE WHEN n % 100 = 0 THEN 400 ELSE 3 END) FROM generate_series(1, 4000) n;
	INSERT INTO wide2 SELECT * FROM wide; CREATE TABLE wide_copy AS SELECT * FROM wide));
$node->safe_psql('postgres', q(SELECT pg_logical_slot_get_changes('d', NULL, NULL)));
$node->safe_psql('postgres', $_) foreach
  q(CALL ledger.convert('wide')),
  q(INSERT INTO wide VALUES (-1, 'after')),
  q(BEGIN; ALTER TABLE wide2 SET ACCESS METHOD ledger; INSERT INTO wide2 SELECT -n, 'after' FROM generate_series(1, 3000) n; COMMIT);
is($node->safe_psql('postgres', 'SELECT count(*) FROM (SELECT * FROM wide_copy EXCEPT SELECT * FROM wide) d') . $node->safe_psql('postgres', 'SELECT count(*) FROM (SELECT * FROM wide_copy EXCEPT SELECT * FROM wide2) d'), '00', 'rows too big are converted');
is($node->safe_psql('postgres', 'SELECT count(*) FROM wide') . ' ' . $node->safe_psql('postgres', 'SELECT count(*) FROM wide2'), '4001 7000', 'all of them');
is($node->safe_psql('postgres', q(SELECT count(*) FILTER (WHERE data LIKE 'table public.wide: INSERT%') || ' ' || count(*) FILTER (WHERE data LIKE 'table public.wide2: INSERT%') || ' ' || count(*) FILTER (WHERE data LIKE 'table %') FROM pg_logical_slot_get_changes('d', NULL, NULL))), '1 3000 3001', 'only later ones are decoded');

# Crash and go on decoding.
$node->safe_psql('postgres', q(SELECT pg_logical_slot_get_changes('d', NULL, NULL); SELECT load(nextval('s'), 1300)));
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', q(SELECT count(*) FILTER (WHERE data LIKE 'table public.h: INSERT%') || ' ' || count(*) FILTER (WHERE data LIKE 'table public.l: INSERT%') FROM pg_logical_slot_get_changes('d', NULL, NULL))), '1300 1300', 'decoded after a crash');
same_ok($node, 'same rows after a crash');
no_crash_ok($node);
$node->stop;
done_testing();
