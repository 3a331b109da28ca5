# A hundred sessions that insert, load, abort, read, seal and vacuum at once: no
# error, and at the end what heap has.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = ledger_node('sessions', conf => "max_connections = 130\nshared_buffers = 32MB\nautovacuum_naptime = 1s\nautovacuum_vacuum_insert_threshold = 1000\nsynchronous_commit = off\nmax_wal_size = 1GB\n");
prepare_oracle($node);
$node->safe_psql('postgres', q(
	CREATE SEQUENCE s;
	CREATE UNIQUE INDEX l_k ON l (k, i);
	CREATE UNIQUE INDEX h_k ON h (k, i);
	-- keys that sessions compete for: each that is in h is in l, and no other
	CREATE TABLE hkeys (key int PRIMARY KEY, by int) USING heap;
	CREATE TABLE lkeys (key int PRIMARY KEY, by int) USING ledger;
	CREATE FUNCTION compete(k int, me int) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		inserted int;
	BEGIN
		INSERT INTO lkeys VALUES (k, me) ON CONFLICT DO NOTHING;
		GET DIAGNOSTICS inserted = ROW_COUNT;
		IF inserted = 1 THEN
			INSERT INTO hkeys VALUES (k, me);
		END IF;
		IF k % 7 = 0 THEN
			RAISE EXCEPTION USING ERRCODE = '40001';
		END IF;
	EXCEPTION WHEN serialization_failure THEN
		NULL;
	END $$));
my %scripts = (
	single => [ 60, "SELECT load(nextval('s'), 1);\n" ],
	few => [ 20, "BEGIN;\nSELECT load(nextval('s'), 3);\nSELECT load(nextval('s'), 2);\nCOMMIT;\n" ],
	bulk => [ 1, "SELECT load(nextval('s'), 2500);\n" ],
	abort => [ 5, "BEGIN;\nSELECT load(nextval('s'), 5);\nROLLBACK;\n" ],
	bulkabort => [ 1, "BEGIN;\nSELECT load(nextval('s'), 1500);\nROLLBACK;\n" ],
	sub => [ 3, "BEGIN;\nSELECT load(nextval('s'), 2);\nSAVEPOINT a;\nSELECT load(nextval('s'), 30);\nROLLBACK TO a;\nSELECT load(nextval('s'), 2);\nCOMMIT;\n" ],
	compete => [ 30, "\\set k random(1, 3000)\nSELECT compete(:k, :client_id);\n" ],
	read => [ 5, "\\set k random(1, 1000)\nSELECT count(*) FROM l WHERE k = :k;\n" ],
	scan => [ 1, "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT same();\nCOMMIT;\n" ],
	seal => [ 1, "SELECT ledger.seal('l');\nSELECT ledger.seal('lkeys');\n" ]);
my $load = load_start($node, 100, %scripts);
my $until = time + 15;
my $wrong = '';
my $scans = 0;
while (time < $until)
{
	my $said = $node->safe_psql('postgres', 'SELECT same()');
	$wrong .= "$said\n" if $said !~ /^same/;
	$scans++;
	$node->safe_psql('postgres', 'VACUUM l') if $scans % 3 == 0;
}
my $said = load_stop($load);
unlike($said, qr/ERROR|aborted|FATAL/, 'no session had an error') or diag($said);
is($wrong, '', 'a scan at any time had the same rows');
cmp_ok($scans, '>', 2, 'which was looked at');
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgbench'");
cmp_ok(same_ok($node, 'same rows at the end'), '>', 5000, 'which are many');
same_ok($node, 'same keys won', 'hkeys', 'lkeys');
is($node->safe_psql('postgres', 'SELECT count(*) - count(DISTINCT key) FROM lkeys'), '0', 'each key once');
is($node->safe_psql('postgres', 'SET enable_seqscan = off; SELECT count(*) - (SELECT count(*) FROM h) FROM l WHERE k >= 0'), '0', 'the index agrees');
$node->safe_psql('postgres', q(SELECT ledger.seal('l')));
$node->safe_psql('postgres', 'VACUUM (FREEZE) l');
same_ok($node, 'same rows, sealed and frozen');
$node->safe_psql('postgres', 'CREATE EXTENSION amcheck');
is($node->safe_psql('postgres', "SELECT bt_index_check('l_k', true)"), '', 'the index is consistent with the table');
$node->stop('immediate');
$node->start;
same_ok($node, 'same rows after a crash');
no_crash_ok($node);
$node->stop;
done_testing();
