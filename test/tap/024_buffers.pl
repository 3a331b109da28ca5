# Blocks that look-ups read over and over count as used, so that the server keeps
# them rather than others.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = ledger_node('buffers', conf => "autovacuum = off\n");
plan skip_all => 'pg_buffercache is not installed' if $node->safe_psql('postgres', q(SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_buffercache')) == 0;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_buffercache');

# more strings than the cache of decoded values takes
$node->safe_psql('postgres', q(
	CREATE TABLE l (k int, t text) USING ledger;
	INSERT INTO l SELECT g, sha512(g::text::bytea)::text FROM generate_series(1, 40000) g;
	SELECT ledger.seal('l')));
$node->restart;
$node->safe_psql('postgres', q(
	SET ledger.decode_cache = '2MB';
	DO $$
	DECLARE
		n int;
	BEGIN
		FOR i IN 1 .. 1000 LOOP
			SELECT length(t) INTO STRICT n FROM l WHERE k = 1 + i % 20 * 2000;
		END LOOP;
	END $$));
my $used = $node->safe_psql('postgres', q(
	SELECT count(*) FILTER (WHERE usagecount = 5), count(*) FROM pg_buffercache
	WHERE reldatabase = (SELECT oid FROM pg_database WHERE datname = 'postgres') AND relfilenode = pg_relation_filenode('l') AND relforknumber = 0));
note("blocks used and read: $used");
my ($often, $all) = split /\|/, $used;
cmp_ok($often, '>=', $all / 2, 'blocks that are read again and again count as used');
$node->stop;
done_testing();
