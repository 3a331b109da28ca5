# No space for a segment: the ledger stays readable and takes rows where a heap
# does.  With a limit on the size of files, which takes no privilege, and on the
# small file system (of at most 64 MB) that LEDGER_TMPFS names; test/run-check
# mounts one where it may.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Utils;
use Test::More;

# Rows that do not compress, so that a segment needs as much as its tail.
my $setup = q(
	CREATE FUNCTION noise(n int) RETURNS bytea LANGUAGE sql VOLATILE AS $$ SELECT string_agg(uuid_send(gen_random_uuid()), '') FROM generate_series(1, n) $$;
	CREATE TABLE h (k int, b bytea) USING heap %1$s;
	CREATE TABLE l (k int, b bytea) USING ledger %1$s;
	ALTER TABLE l SET (autovacuum_enabled = off);
	CREATE PROCEDURE add(start int, n int) LANGUAGE plpgsql AS $$
	DECLARE x bytea;
	BEGIN
		FOR i IN start .. start + n - 1 LOOP
			x := noise(50);
			INSERT INTO h VALUES (i, x);
			INSERT INTO l VALUES (i, x);
			-- a small transaction's rows go to the tail
			IF i %% 500 = 0 THEN COMMIT; END IF;
		END LOOP;
	END $$;
	CREATE FUNCTION compare(a regclass, b regclass) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE x text; y text;
	BEGIN
		EXECUTE format('SELECT count(*) || coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM %%s t', a) INTO x;
		EXECUTE format('SELECT count(*) || coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM %%s t', b) INTO y;
		RETURN CASE WHEN x = y THEN 'same 1 rows' ELSE format('DIFFERENT: %%s %%s', x, y) END;
	END $$;
	CREATE FUNCTION same() RETURNS text LANGUAGE sql AS $$ SELECT compare('h', 'l') $$;
);

# What is so however space runs out.
sub check
{
	my ($node, $name, $fails) = @_;
	same_ok($node, "$name: same rows before");
	my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT ledger.seal('l')");
	isnt($rc, 0, "$name: no space for the seal");
	like($err, $fails, "$name: and it says why");
	same_ok($node, "$name: same rows after the seal failed");
	($rc, $out, $err) = $node->psql('postgres', "VACUUM l");
	same_ok($node, "$name: same rows after VACUUM");
	# as long as heap takes rows, so does the ledger
	my $both = 0;
	for my $i (1 .. 20)
	{
		my ($hrc) = $node->psql('postgres', "INSERT INTO h VALUES (100000 + $i, 'x')");
		my ($lrc) = $node->psql('postgres', "INSERT INTO l VALUES (100000 + $i, 'x')");
		$both++ if $hrc == 0 && $lrc == 0;
	}
	is($both, 20, "$name: both take rows");
	same_ok($node, "$name: same rows after that");
	# a load that needs more than there is fails, and leaves nothing
	($rc, $out, $err) = $node->psql('postgres', 'INSERT INTO l SELECT i, noise(500) FROM generate_series(1, 8000) i');
	isnt($rc, 0, "$name: no space for a load");
	same_ok($node, "$name: same rows after the load failed");
	for my $i (1 .. 3)
	{
		($rc, $out, $err) = $node->psql('postgres', "SELECT ledger.seal('l')");
		isnt($rc, 0, "$name: still no space for the seal") if $i == 3;
	}
	same_ok($node, "$name: same rows after several tries");
	return;
}

# A limit on the size of files.
{
	my $node = ledger_node('limit', init => { extra => ['--wal-segsize=1'] }, conf => "autovacuum = off\nmax_wal_size = 64MB\nlog_min_messages = error\nlog_min_error_statement = panic\n", start => 0);
	my $pgdata = $node->data_dir;
	my $log = $node->logfile;
	my $limit = 8 * 1024;	# kB
	my $start = sub {
		my ($ulimit) = @_;
		system('bash', '-c', ($ulimit ? "ulimit -f $limit; " : '') . 'exec pg_ctl -w -D "$0" -l "$1" -o "--cluster-name=limit" start >/dev/null', $pgdata, $log) == 0 or die 'cannot start';
		$node->_update_pid(1);
	};
	$start->(1);
	$node->safe_psql('postgres', 'CREATE EXTENSION ledger');
	$node->safe_psql('postgres', sprintf($setup, ''));
	# some sealed, and a tail that takes more than half of what a file can have
	$node->safe_psql('postgres', 'CALL add(1, 1000)');
	$node->safe_psql('postgres', q(SELECT ledger.seal('l')));
	$node->safe_psql('postgres', 'CALL add(2001, 5500)');
	check($node, 'limit', qr/File too large|could not extend|No space/);
	$node->stop;
	$start->(0);
	$node->safe_psql('postgres', q(SELECT ledger.seal('l')));
	same_ok($node, 'limit: same rows after a seal with space');
	is($node->safe_psql('postgres', q(SELECT tail_entries FROM ledger.stats('l'))), '0', 'limit: all is sealed');
	$node->safe_psql("postgres", $_) foreach "VACUUM l", "CALL add(50000, 2000)", "SELECT ledger.seal('l')";
	same_ok($node, 'limit: same rows after more');
	$node->stop('immediate');
	$node->start;
	same_ok($node, 'limit: same rows after a crash');
	no_crash_ok($node);
	$node->stop;
}

# A small file system.
SKIP:
{
	my $dir = $ENV{LEDGER_TMPFS};
	skip 'LEDGER_TMPFS names no small file system', 1 unless $dir;
	my $space = "$dir/space$$";
	mkdir $space or die "$space: $!";
	my $node = ledger_node('tmpfs', conf => "autovacuum = off\nlog_min_messages = error\nlog_min_error_statement = panic\n");
	$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$space'");
	$node->safe_psql('postgres', sprintf($setup, 'TABLESPACE small'));
	$node->safe_psql('postgres', 'CREATE TABLE stuffing (b bytea) TABLESPACE small; ALTER TABLE stuffing ALTER b SET STORAGE external');
	$node->safe_psql('postgres', 'CALL add(1, 8000)');
	# all but a little taken
	$node->psql('postgres', 'DO $$ BEGIN LOOP BEGIN INSERT INTO stuffing SELECT noise(4000); EXCEPTION WHEN disk_full THEN EXIT; END; COMMIT; END LOOP; END $$');
	while ($node->psql('postgres', 'INSERT INTO stuffing SELECT noise(100)') == 0) { }
	$node->safe_psql('postgres', 'CHECKPOINT');
	my $node_check = sub {
		my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT ledger.seal('l')");
		isnt($rc, 0, 'tmpfs: no space for the seal');
		like($err, qr/53100|No space/, 'tmpfs: and it says why');
		same_ok($node, 'tmpfs: same rows after the seal failed');
	};
	$node_check->();
	# a row goes into the page that is there, for heap and ledger
	my ($hrc) = $node->psql('postgres', "INSERT INTO h VALUES (-1, 'x')");
	my ($lrc) = $node->psql('postgres', "INSERT INTO l VALUES (-1, 'x')");
	is($lrc, $hrc, 'tmpfs: a row where heap takes one');
	same_ok($node, 'tmpfs: same rows after that');
	my ($rc) = $node->psql('postgres', 'INSERT INTO l SELECT i, noise(500) FROM generate_series(1, 3000) i');
	isnt($rc, 0, 'tmpfs: no space for a load');
	$node_check->();
	$node->safe_psql('postgres', 'DROP TABLE stuffing');
	$node->safe_psql('postgres', q(SELECT ledger.seal('l')));
	same_ok($node, 'tmpfs: same rows after a seal with space');
	$node->stop('immediate');
	$node->start;
	same_ok($node, 'tmpfs: same rows after a crash');
	no_crash_ok($node);
	$node->safe_psql('postgres', 'DROP TABLE h, l');
	$node->safe_psql('postgres', 'DROP TABLESPACE small');
	$node->stop;
	rmdir $space;
}
done_testing();
