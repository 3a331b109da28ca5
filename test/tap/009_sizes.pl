# Rows from 1 byte to 40 MB, in every place a row can be: alone, among small
# ones, from tables and from clients, sealed, copied out and in, after a crash.
# (PG_TEST_EXTRA=large: to 600 MB, which takes memory and time.)
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = ledger_node('sizes', conf => "autovacuum = off\nmax_wal_size = 2GB\n");
$node->safe_psql('postgres', q(
	CREATE TABLE h (k int, t text, b bytea) USING heap;
	CREATE TABLE l (k int, t text, b bytea) USING ledger;
	ALTER TABLE h ALTER b SET STORAGE external;
	ALTER TABLE l ALTER b SET STORAGE external;
	CREATE SEQUENCE s;
	-- n bytes that do not compress, quickly
	CREATE FUNCTION noise(n int) RETURNS bytea LANGUAGE plpgsql AS $$
	DECLARE
		x bytea := '';
	BEGIN
		SELECT string_agg(sha512((random()::text || g)::bytea), '') INTO x FROM generate_series(1, least(n, 1000000) / 64 + 1) g;
		WHILE length(x) < n LOOP
			x := x || x;
		END LOOP;
		RETURN substr(x, 1, n);
	END $$;
	CREATE FUNCTION same() RETURNS text LANGUAGE sql AS $$
		SELECT CASE WHEN count(*) FILTER (WHERE d) = 0 THEN format('same %s rows', count(*)) ELSE 'DIFFERENT: keys ' || string_agg(k::text, ' ') FILTER (WHERE d) END FROM (
			SELECT coalesce(h.k, l.k) AS k, (h.n, h.t, h.b, h.lt, h.lb) IS DISTINCT FROM (l.n, l.t, l.b, l.lt, l.lb) AS d
			FROM (SELECT k, count(*) AS n, sum(hashtextextended(t, 0)) AS t, string_agg(encode(sha256(b), 'hex'), '' ORDER BY sha256(b)) AS b, sum(length(t)) AS lt, sum(length(b)) AS lb FROM h GROUP BY k) h
			FULL JOIN (SELECT k, count(*) AS n, sum(hashtextextended(t, 0)) AS t, string_agg(encode(sha256(b), 'hex'), '' ORDER BY sha256(b)) AS b, sum(length(t)) AS lt, sum(length(b)) AS lb FROM l GROUP BY k) l USING (k)) x $$));

my @sizes = (1, 10, 100, 1000, 2000, 4000, 8000, 8150, 9000, 20_000, 65_535, 100_000, 1_000_000, 3_000_000, 10_000_000, 40_000_000);
push @sizes, 100_000_000, 300_000_000, 600_000_000 if ($ENV{PG_TEST_EXTRA} || '') =~ /\blarge\b/;
foreach my $n (@sizes)
{
	# noise, and text that compresses well
	my $lower = int($n / 10) + 1;
	$node->safe_psql('postgres', "INSERT INTO h VALUES (nextval('s'), NULL, noise($n))");
	$node->safe_psql('postgres', "INSERT INTO l SELECT * FROM h WHERE k = (SELECT max(k) FROM h)");
	$node->safe_psql('postgres', "INSERT INTO h VALUES (nextval('s'), repeat('text $n ', $lower), noise($lower)); INSERT INTO l SELECT * FROM h WHERE k = (SELECT max(k) FROM h)");
	is($node->safe_psql('postgres', 'SELECT length(b) FROM l WHERE k = (SELECT max(k) - 1 FROM l)'), $n, "a row of $n bytes");
}
same_ok($node, 'same rows, of all sizes');
$node->stop('immediate');
$node->start;
same_ok($node, 'same rows after a crash');
$node->safe_psql('postgres', q(SELECT ledger.seal('l')));
is($node->safe_psql('postgres', q(SELECT tail_entries FROM ledger.stats('l'))), '0', 'all are sealed');
same_ok($node, 'same rows, sealed');
$node->stop('immediate');
$node->start;
same_ok($node, 'same rows, sealed, after a crash');

# a few wide ones among many small ones, in one command, and out of order
$node->safe_psql('postgres', q(TRUNCATE h, l;
	INSERT INTO h SELECT g, repeat('m' || g, g % 30), CASE WHEN g % 700 = 0 THEN noise(g * 300) WHEN g % 50 = 0 THEN noise(9000) ELSE noise(g % 90) END FROM generate_series(1, 6000) g));
$node->safe_psql('postgres', 'INSERT INTO l SELECT * FROM h');
same_ok($node, 'same rows, wide among small');
my $file = PostgreSQL::Test::Utils::tempdir() . '/copy';
$node->safe_psql('postgres', qq(COPY l TO '$file' (FORMAT binary); TRUNCATE l; COPY l FROM '$file' (FORMAT binary)));
same_ok($node, 'same rows, copied out and in');
$node->safe_psql('postgres', q(SELECT ledger.seal('l')));
same_ok($node, 'same rows, copied and sealed');
$node->safe_psql('postgres', 'INSERT INTO l SELECT k + 10000, t, b FROM l; INSERT INTO h SELECT k + 10000, t, b FROM h');
same_ok($node, 'same rows, from itself');
# single transactions of each, and half of them aborted
$node->safe_psql('postgres', q(TRUNCATE h, l;
	DO $$ BEGIN
		FOR i IN 1 .. 60 LOOP
			INSERT INTO h VALUES (i, NULL, noise(i * 1500));
			INSERT INTO l SELECT * FROM h WHERE k = i;
			IF i % 2 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
		END LOOP;
	END $$));
same_ok($node, 'same rows, of which half were aborted');
my $before = $node->safe_psql('postgres', "SELECT pg_relation_size('l')");
$node->safe_psql('postgres', $_) foreach q(SELECT ledger.seal('l')), 'VACUUM l', 'VACUUM l';
same_ok($node, 'same rows, sealed and vacuumed');
cmp_ok($node->safe_psql('postgres', "SELECT pg_relation_size('l')"), '<', $before, 'aborted wide rows leave nothing');
# a value that a table of more than one wide column has
$node->safe_psql('postgres', q(CREATE TABLE w USING ledger AS SELECT g, noise(2000000) AS a, noise(3000000) AS b, repeat('c', 5000000) AS c FROM generate_series(1, 6) g));
is($node->safe_psql('postgres', q(SELECT count(*), sum(length(a)), sum(length(b)), sum(length(c)) FROM w)), '6|12000000|18000000|30000000', 'several wide columns');
$node->safe_psql('postgres', q(SELECT ledger.seal('w')));
is($node->safe_psql('postgres', q(SELECT count(*), sum(length(a)), sum(length(b)), sum(length(c)) FROM w)), '6|12000000|18000000|30000000', 'several wide columns, sealed');
# A file whose first half is free, and more than is moved at a time in the
# second, shrinks to what is in use in one VACUUM.
$node->safe_psql('postgres', q(
	CREATE TABLE big (k int, t text) USING ledger;
	CREATE PROCEDURE fill_big(n int) LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1 .. n LOOP INSERT INTO big SELECT i * 1000 + j, repeat(chr(97 + i % 26), 600) FROM generate_series(1, 900) j; COMMIT; END LOOP; END $$));
my $holder = LedgerSession->new($node);
$holder->query('BEGIN; LOCK TABLE big IN SHARE UPDATE EXCLUSIVE MODE');
$node->safe_psql('postgres', 'SET synchronous_commit = off; CALL fill_big(300)');
$node->safe_psql('postgres', q(INSERT INTO big SELECT i, encode(sha512(i::text::bytea) || sha512((-i)::text::bytea) || sha512((i / 7.0)::text::bytea), 'hex') FROM generate_series(1, 450000) i));
$holder->query('COMMIT');
$holder->quit;
$node->safe_psql('postgres', q(SELECT ledger.seal('big')));
my $digest = digest($node, 'big');
# even if the free space map lies
my $fsm = data_path($node, 'big') . '_fsm';
$node->stop;
lie_all_free($fsm);
$node->start;
$node->safe_psql('postgres', 'VACUUM big');
my ($size, $stored) = split /\|/, $node->safe_psql('postgres', q(SELECT pg_relation_size('big'), stored_bytes FROM ledger.stats('big')));
cmp_ok($stored, '>', 80_000_000, 'much is stored');
cmp_ok($size, '<', 1.1 * $stored + 2_000_000, 'after VACUUM, little more than what is stored');
is(digest($node, 'big'), $digest, 'with the same rows');

no_crash_ok($node);
$node->stop;
done_testing();
