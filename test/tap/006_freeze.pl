# Freezing: age(relfrozenxid) on primary and standby, long snapshots, autovacuum
# against wraparound, and transaction ids that do wrap around.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = ledger_node('freeze', init => { allows_streaming => 1, extra => without_checksums() },
	conf => "autovacuum = off\nautovacuum_naptime = 1s\nautovacuum_freeze_max_age = 100000\nvacuum_freeze_min_age = 0\nvacuum_freeze_table_age = 50000\nmax_standby_streaming_delay = -1\n");
prepare_oracle($node);
# uses up n transaction ids
$node->safe_psql('postgres', q(
	CREATE SEQUENCE s;
	CREATE TABLE burnt (i int);
	CREATE PROCEDURE burn(n int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. n / 1000 LOOP
			FOR j IN 1 .. 1000 LOOP
				BEGIN
					INSERT INTO burnt VALUES (1);
					RAISE EXCEPTION 'undone';
				EXCEPTION WHEN raise_exception THEN
					NULL;
				END;
			END LOOP;
			ROLLBACK;
		END LOOP;
	END $$));
my $age = sub { $_[0]->safe_psql('postgres', "SELECT age(relfrozenxid) FROM pg_class WHERE oid = '" . ($_[1] || 'l') . "'::regclass") };
my $fill = sub {
	$node->safe_psql('postgres', q(SELECT load(nextval('s'), 30)));
	$node->safe_psql('postgres', q(BEGIN; SELECT load(nextval('s'), 4); SAVEPOINT a; SELECT load(nextval('s'), 1500); ROLLBACK TO a; SELECT load(nextval('s'), 4); COMMIT));
	$node->safe_psql('postgres', q(SELECT load(nextval('s'), 2000)));
	$node->safe_psql('postgres', q(BEGIN; SELECT load(nextval('s'), 9); ROLLBACK));
};
$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('freeze_standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
$standby->start;

# Frozen: the tail, runs that are closed, segments, rows of a bulk writer.
for my $round (1 .. 3)
{
	$fill->();
	$node->safe_psql('postgres', q(SELECT ledger.seal('l'))) if $round == 2;
	$fill->() if $round == 3;
	$node->safe_psql('postgres', 'CALL burn(2000)');
	cmp_ok($age->($node), '>=', 2000, "round $round: old before VACUUM");
	$node->safe_psql('postgres', $_) foreach 'VACUUM (FREEZE) h', 'VACUUM (FREEZE) l';
	cmp_ok($age->($node), '<=', $age->($node, 'h') + 20, "round $round: as young as heap after VACUUM (FREEZE)");
	same_ok($node, "round $round: same rows");
	$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
	is($age->($standby), $age->($node), "round $round: same age on the standby");
	same_ok($standby, "round $round: same rows on the standby");
}
$node->restart;
same_ok($node, 'same rows after a restart');

# A long snapshot: rows younger than it are sealed, but not frozen.
my $old = LedgerSession->new($node);
my $seen = $old->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT same()');
my $open = LedgerSession->new($node);
$open->query(q(BEGIN; SELECT load(nextval('s'), 2); SELECT load(nextval('s'), 1500)));
$fill->();
$node->safe_psql('postgres', 'CALL burn(3000)');
my ($held) = $node->safe_psql('postgres', q(SELECT ledger.seal('l') > 0));
is($held, 't', 'a long snapshot does not hold sealing back');
$node->safe_psql('postgres', 'VACUUM (FREEZE) l');
cmp_ok($age->($node), '>=', 3000, 'but it holds freezing back');
is($old->query('SELECT same()'), $seen, 'and sees what it saw');
same_ok($node, 'same rows for others');
$old->quit;
$node->safe_psql('postgres', 'VACUUM (FREEZE) l');
cmp_ok($age->($node), '>=', 3000, 'an open transaction does so, too');
$open->query('COMMIT');
same_ok($node, 'same rows after its commit');
$node->safe_psql('postgres', $_) foreach 'VACUUM (FREEZE) h', 'VACUUM (FREEZE) l';
cmp_ok($age->($node), '<=', $age->($node, 'h') + 20, 'then all is frozen');
$open->quit;

# VACUUM without FREEZE does not claim what it did not do.
$fill->();
$node->safe_psql('postgres', q(SELECT ledger.seal('l')));
$node->safe_psql('postgres', 'SET vacuum_freeze_min_age = 1000000; SET vacuum_freeze_table_age = 2000000; VACUUM l');
same_ok($node, 'same rows after VACUUM that need not freeze');

# VACUUM locks out readers to give blocks back, but only if there are any: such
# a lock is logged for standbys.
{
	my $locks = sub {
		my ($sql) = @_;
		my $from = $node->lsn('insert');
		$node->safe_psql('postgres', $sql);
		$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
		return $node->safe_psql('postgres', "SELECT count(*) FROM pg_get_wal_records_info('$from', '" . $node->lsn('flush') . "') WHERE resource_manager = 'Standby' AND record_type = 'LOCK'");
	};
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_walinspect');
	$node->safe_psql('postgres', q(CREATE TABLE v (i int, t text) USING ledger; INSERT INTO v SELECT i, md5(i::text) FROM generate_series(1, 900) i));
	$node->safe_psql('postgres', q(INSERT INTO v SELECT i, md5(i::text) FROM generate_series(1, 900) i)) for 1 .. 40;
	$node->safe_psql('postgres', q(SELECT ledger.seal('v')));
	cmp_ok($locks->('VACUUM v'), '>', 0, 'VACUUM locks out readers when it gives blocks back');
	is($locks->('VACUUM v'), '0', 'and does not when there is nothing to give');
	$node->safe_psql('postgres', 'DROP TABLE v');
}

# Autovacuum against wraparound, with autovacuum off, and the rows left alone.
$fill->();
my $frozen = $node->safe_psql('postgres', "SELECT relfrozenxid FROM pg_class WHERE oid = 'l'::regclass");
$node->safe_psql('postgres', 'CALL burn(130000)');
wait_for($node, "SELECT relfrozenxid::text <> '$frozen' AND age(relfrozenxid) < 100000 FROM pg_class WHERE oid = 'l'::regclass", 'autovacuum freezes a ledger that is too old');
same_ok($node, 'same rows after that');
$standby->stop;

# Transaction ids that wrap around: 2^32 of them in three steps.
sub jump
{
	my ($to, $epoch) = @_;
	$node->safe_psql('postgres', 'VACUUM (FREEZE)');
	$node->safe_psql('template1', 'VACUUM (FREEZE)');
	$node->safe_psql('postgres', "UPDATE pg_database SET datallowconn = true WHERE datname = 'template0'");
	$node->safe_psql('template0', 'VACUUM (FREEZE)');
	$node->safe_psql('postgres', "UPDATE pg_database SET datallowconn = false WHERE datname = 'template0'");
	$node->safe_psql('postgres', 'CHECKPOINT');
	$node->stop;
	# the page of the commit log that the new id is on
	my $segment = $node->data_dir . sprintf('/pg_xact/%04X', int($to / (8192 * 4 * 32)));
	spew_raw($segment, "\0" x (8192 * 32)) unless -e $segment;
	command_ok([ 'pg_resetwal', '-f', '-x', $to, '-e', $epoch, '-D', $node->data_dir ], "on to $epoch:$to");
	$node->start;
	return;
}
my $step = 0;
foreach my $to ([ 1_400_000_000, 0 ], [ 2_800_000_000, 0 ], [ 4_200_000_000, 0 ], [ 1_300_000_000, 1 ], [ 2_700_000_000, 1 ])
{
	$fill->();
	$node->safe_psql('postgres', q(SELECT ledger.seal('l'))) if $step++ % 2;
	$fill->();
	jump(@$to);
	same_ok($node, 'same rows after the jump');
	$fill->();
	$node->safe_psql('postgres', q(SELECT ledger.seal('l')));
	same_ok($node, 'same rows after more');
	cmp_ok($age->($node), '<', 1_900_000_000, 'not too old');
}
$node->safe_psql('postgres', $_) foreach 'VACUUM (FREEZE) h', 'VACUUM (FREEZE) l';
cmp_ok($age->($node), '<=', $age->($node, 'h') + 20, 'all is frozen');
same_ok($node, 'same rows at the end');
no_crash_ok($node);
no_crash_ok($standby);
$node->stop;
done_testing();
