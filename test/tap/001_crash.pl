# Crashes during single-row inserts, bulk loads and sealing: each committed
# transaction's rows are there exactly once, no other's, by the word of a heap
# table that the same transactions wrote.  Then free space maps that lie.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = ledger_node('crash', init => { extra => without_checksums() },
	conf => "autovacuum_naptime = 1s\nautovacuum_vacuum_insert_threshold = 500\ncheckpoint_timeout = 30s\n");
prepare_oracle($node);
$node->safe_psql('postgres', 'CREATE SEQUENCE s; CREATE INDEX l_k ON l (k, i)');

my %scripts = (
	single => [ 30, "BEGIN;\nSELECT singles(nextval('s'), 1);\nCOMMIT;\n" ],
	few => [ 10, "SELECT load(nextval('s'), 20);\n" ],
	bulk => [ 3, "\\set n random(1500, 9500)\nSELECT load(nextval('s'), :n);\n" ],
	mixed => [ 3, "BEGIN;\nSELECT load(nextval('s'), 5);\nSAVEPOINT a;\nSELECT load(nextval('s'), 2000);\nROLLBACK TO a;\nSELECT load(nextval('s'), 1200);\nCOMMIT;\n" ],
	abort => [ 5, "BEGIN;\nSELECT load(nextval('s'), 7);\nROLLBACK;\n" ],
	bulkabort => [ 1, "BEGIN;\nSELECT load(nextval('s'), 3000);\nROLLBACK;\n" ],
	seal => [ 2, "SELECT ledger.seal('l');\n" ],
	vacuum => [ 1, "VACUUM l;\n" ],
	checkpoint => [ 1, "CHECKPOINT;\n" ]);

# Rows reachable by the index are those of the scan.
sub index_ok
{
	my ($name) = @_;
	is($node->safe_psql('postgres', q(SET enable_seqscan = off; SET enable_bitmapscan = off;
		SELECT (SELECT count(*) FROM l) = (SELECT count(*) FROM l WHERE k >= 0) AND (SELECT sum(i) FROM l) = (SELECT sum(i) FROM l WHERE k >= 0))),
		't', "$name: the index agrees");
	return;
}

sub stop_now { return shift->stop('immediate'); }

my @rounds = (
	[ 'single rows', 4, [qw(single few abort)], 1.0, \&kill_all ],
	[ 'bulk loads', 3, [qw(bulk bulkabort mixed)], 1.3, \&kill_all ],
	[ 'everything', 5, [ keys %scripts ], 1.7, \&stop_now ],
	[ 'everything, without full page writes', 5, [ keys %scripts ], 1.2, \&kill_all ],
	[ 'everything, soon after the last crash', 5, [ keys %scripts ], 0.5, \&stop_now ]);
my $rows = 0;
foreach my $round (@rounds)
{
	my ($name, $clients, $which, $seconds, $crash) = @$round;
	if ($name =~ /without/)
	{
		$node->append_conf('postgresql.conf', 'full_page_writes = off');
		$node->restart;
	}
	my $load = load_start($node, $clients, map { $_ => $scripts{$_} } @$which);
	$node->poll_query_until('postgres', "SELECT count(*) > $rows FROM h");
	usleep($seconds * 1_000_000);
	$crash->($node);
	my $said = load_stop($load);
	unlike($said, qr/ERROR:/, "$name: no errors before the crash");
	$node->start;
	my $n = same_ok($node, "$name: same rows after the crash");
	cmp_ok($n, '>', $rows, "$name: rows were written");
	index_ok($name);
	$node->safe_psql('postgres', q(SELECT load(nextval('s'), 3); SELECT load(nextval('s'), 1500)));
	$node->safe_psql('postgres', q(SELECT ledger.seal('l')));
	$rows = same_ok($node, "$name: same rows after loading and sealing more");
}

# At several points while a session does nothing but load and seal.
$node->safe_psql('postgres', 'ALTER TABLE l SET (autovacuum_enabled = off)');
foreach my $point (0.3, 0.45, 0.61, 0.8, 1.03, 1.27)
{
	my $session = LedgerSession->new($node);
	$session->query('SELECT 1');
	$session->send(q(DO $$ BEGIN FOR n IN 1 .. 1000 LOOP PERFORM load(nextval('s'), 800); COMMIT; PERFORM ledger.seal('l'); COMMIT; END LOOP; END $$));
	usleep($point * 1_000_000);
	kill_all($node);
	$session->quit;
	$node->start;
	same_ok($node, "same rows after a crash $point s into loading and sealing");
}
$node->safe_psql('postgres', q(SELECT ledger.seal('l'); VACUUM l));
same_ok($node, 'same rows after the seal was done');
index_ok('sealed');

# A backend that is killed takes all others with it.
{
	$node->append_conf('postgresql.conf', 'restart_after_crash = on');
	$node->reload;
	my $session = LedgerSession->new($node);
	my $pid = $session->query('SELECT pg_backend_pid()');
	$session->query(q(SELECT load(nextval('s'), 50); BEGIN; SELECT load(nextval('s'), 5000)));
	kill 'KILL', $pid;
	$session->quit;
	sleep 1;
	wait_up($node);
	same_ok($node, 'same rows after kill -9 of a loading backend');
}

# Free space maps that lie.  The map's file is changed with the server down.
sub fsm_path { return data_path($node, 'l') . '_fsm'; }

sub use_more
{
	my ($name) = @_;
	$node->safe_psql('postgres', q(DO $$ BEGIN FOR n IN 1 .. 20 LOOP PERFORM load(nextval('s'), 700); COMMIT; END LOOP; END $$));
	$node->safe_psql('postgres', q(SELECT load(nextval('s'), 9000)));
	same_ok($node, "$name: same rows after loading more");
	$node->safe_psql('postgres', q(SELECT ledger.seal('l')));
	same_ok($node, "$name: same rows after sealing");
	$node->safe_psql('postgres', q(DO $$ BEGIN FOR n IN 1 .. 20 LOOP PERFORM load(nextval('s'), 700); COMMIT; END LOOP; END $$; VACUUM l; SELECT ledger.seal('l'); VACUUM l));
	same_ok($node, "$name: same rows after more of both and VACUUM");
	index_ok($name);
	return;
}

my $fsm = fsm_path();
$node->stop;
lie_all_free($fsm);
$node->start;
use_more('a map of free blocks only');

# one kept from an earlier point, when much was free
$node->safe_psql('postgres', q(TRUNCATE h, l; SELECT singles(nextval('s'), 9000); SELECT ledger.seal('l')));
$fsm = fsm_path();
$node->stop;
my $early = -e $fsm ? slurp_raw($fsm) : '';
$node->start;
$node->safe_psql('postgres', q(SELECT singles(nextval('s'), 9000)));
$node->stop;
my $late = -e $fsm ? slurp_raw($fsm) : '';
spew_raw($fsm, $early) if $early ne '';
unlink $fsm if $early eq '';
$node->start;
use_more('a map from an earlier point');
$node->stop;
spew_raw($fsm, $late) if $late ne '';
$node->start;
use_more('another such map');
$node->stop;
unlink $fsm;
$node->start;
use_more('no map');
$node->stop;
lie_all_free($fsm);
$node->start;
my $load = load_start($node, 5, %scripts);
sleep 3;
$node->stop('immediate');
load_stop($load);
lie_all_free($fsm);
$node->start;
same_ok($node, 'same rows after a crash under a lying map');
use_more('a lying map and a crash');

# A crash before the WAL of a ledger's first row is flushed.
$node->safe_psql('postgres', q(ALTER SYSTEM SET wal_writer_delay = '10s'; SELECT pg_reload_conf()));
for my $n (1 .. 3)
{
	$node->safe_psql('postgres', "CREATE TABLE first$n (i int) USING ledger; CHECKPOINT");
	my $session = LedgerSession->new($node);
	$session->query("BEGIN; INSERT INTO first$n VALUES (1)");
	$node->stop('immediate');
	$node->start;
	is($node->safe_psql('postgres', "SELECT count(*) FROM first$n"), '0', 'a crash after the first row leaves none');
	is($node->safe_psql('postgres', "INSERT INTO first$n VALUES (2), (3); SELECT count(*), sum(i) FROM first$n; VACUUM first$n"), '2|5', 'and others can be inserted');
}

# What a crash may leave of a ledger's first use: one block of zeros.
$node->safe_psql('postgres', 'CREATE TABLE zero (i int) USING ledger');
my $zero = data_path($node, 'zero');
$node->stop;
spew_raw($zero, "\0" x 8192);
$node->start;
is($node->safe_psql('postgres', q(SELECT ledger.seal('zero'); SELECT count(*) FROM zero)), "0\n0", 'a block of zeros is an empty ledger');
is($node->safe_psql('postgres', q(VACUUM zero; SELECT entries FROM ledger.stats('zero'); INSERT INTO zero VALUES (1); SELECT ledger.seal('zero'); SELECT * FROM zero)), "0\n1\n1", 'and can be used');

no_crash_ok($node);
$node->stop;
done_testing();
