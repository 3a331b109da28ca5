# Tail runs with pages that have no row, and runs that cannot be read.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = ledger_node('runs', init => { extra => without_checksums() }, conf => "autovacuum = off\n");
prepare_oracle($node);
# text that no compression makes smaller
sub noise { my ($seed, $pieces) = @_; return "(SELECT string_agg(encode(sha256(($seed * 1000 + j)::text::bytea), 'base64'), '') FROM generate_series(1, $pieces) j)" }
my $rows = 'SELECT 1, i, ' . noise('i', 16) . ', NULL FROM generate_series(%1$d, %2$d) i';
my $fill = "INSERT INTO h $rows; INSERT INTO l $rows";

# Changes some bytes of a table's file with the server down.
sub change_file
{
	my ($table, $change, $database) = @_;
	my $path = data_path($node, $table, $database);
	$node->stop;
	my $data = slurp_raw($path);
	$data = $change->($data);
	spew_raw($path, $data);
	$node->start;
	return;
}

# The blocks of the kind, by the tag at their end: (number, offset in the slot)...
sub blocks_of
{
	my ($data, $kind) = @_;
	return map { [ $_, unpack('L', substr($data, $_ * 8192 + 8192 - 12, 4)) ] }
	  grep { unpack('C', substr($data, $_ * 8192 + 8192 - 21, 1)) == $kind } 0 .. length($data) / 8192 - 1;
}

# An insertion that has to add a page and then fails to serialize leaves the page
# without a row.
$node->safe_psql('postgres', 'CREATE TABLE other (i int); ALTER TABLE l ALTER t SET STORAGE external');
$node->safe_psql('postgres', sprintf($fill, 1, 110));
my ($s1, $s2) = (LedgerSession->new($node), LedgerSession->new($node));
$s1->query('BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM other');
$s2->query('BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM l; INSERT INTO other VALUES (1); COMMIT');
$s1->query('INSERT INTO l VALUES (2, 0, ' . noise(0, 160) . ')');
like($s1->{error}, qr/could not serialize/, 'an insertion fails after it has added a page');
$s1->query('ROLLBACK');
$_->quit foreach $s1, $s2;

# If that page is then marked full, which is a hint that may reach the disk alone
# before a crash, the next one begins at the same offset.
change_file('l', sub {
	my ($data) = @_;
	my ($last) = sort { $b->[1] <=> $a->[1] } blocks_of($data, 5);
	my $at = $last->[0] * 8192;
	is(unpack('S', substr($data, $at + 12, 2)), 24, 'its last page has no row');
	substr($data, $at + 10, 2) = pack('S', unpack('S', substr($data, $at + 10, 2)) | 2);
	return $data;
});
$node->safe_psql('postgres', sprintf($fill, 200, 260));
same_ok($node, 'same rows after more of them');
$node->safe_psql('postgres', q(CREATE INDEX ON l (i)));
is($node->safe_psql('postgres', 'SET enable_seqscan = off; SELECT count(*), sum(i) FROM l WHERE i > 0'), $node->safe_psql('postgres', 'SELECT count(*), sum(i) FROM h'), 'by index');
is($node->safe_psql('postgres', 'SELECT count(*) FROM l WHERE ctid = ANY (ARRAY(SELECT ctid FROM l))'), '171', 'by TID');
$node->safe_psql('postgres', 'ANALYZE l; VACUUM (FREEZE) l');
same_ok($node, 'same rows, frozen in place');
$node->safe_psql('postgres', q(SELECT ledger.seal('l')));
same_ok($node, 'same rows, sealed');

# Big rows, whose blocks are written between two looks at the run, beside batches
# that fill whole pages, and seals that close the run.
$node->safe_psql('postgres', 'TRUNCATE h, l');
my $load = load_start($node, 24,
	big => [ 5, "\\set k random(1, 1000000)\nBEGIN;\nINSERT INTO h VALUES (:k, 0, repeat('B', 100000));\nINSERT INTO l VALUES (:k, 0, repeat('B', 100000));\nCOMMIT;\n" ],
	batch => [ 5, "\\set k random(1, 1000000)\nBEGIN;\nINSERT INTO h SELECT :k, i, repeat('s', 772) FROM generate_series(1, 300) i;\nSELECT ledger.append('l', array_agg(ROW(:k::bigint, i, repeat('s', 772)))) FROM generate_series(1, 300) i;\nCOMMIT;\n" ],
	seal => [ 1, "SELECT ledger.seal('l');\n" ]);
sleep 8;
unlike(load_stop($load), qr/ERROR/, 'big rows and batches: no error');
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgbench'");
cmp_ok(same_ok($node, 'big rows and batches: same rows'), '>', 1000, 'which are many');
$node->safe_psql('postgres', q(SELECT ledger.seal('l')));
same_ok($node, 'the same, sealed');

# A run that cannot be read: the others are sealed, and nobody is told too often.
$node->safe_psql('postgres', q(
	CREATE TABLE d (i int, t text) USING ledger;
	CREATE PROCEDURE fill_d(n int) LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1 .. n LOOP INSERT INTO d SELECT j, 'row' FROM generate_series(1, 900) j; COMMIT; END LOOP; END $$;
	BEGIN; LOCK TABLE d IN SHARE UPDATE EXCLUSIVE MODE; COMMIT));
my $holder = LedgerSession->new($node);
$holder->query('BEGIN; LOCK TABLE d IN SHARE UPDATE EXCLUSIVE MODE');
$node->safe_psql('postgres', 'CALL fill_d(40)');
$holder->query('COMMIT');
$holder->quit;
change_file('d', sub {
	my ($data) = @_;
	my ($first) = blocks_of($data, 4);
	substr($data, $first->[0] * 8192 + 24, 4) = pack('L', 60000);
	return $data;
});
my ($rc, $out, $err) = $node->psql('postgres', q(SELECT ledger.seal('d') > 20000, tail_entries FROM ledger.seal('d') AS first, LATERAL (SELECT 0 AS tail_entries) t));
is($rc, 0, 'a run that cannot be read does not stop ledger.seal()');
like($err, qr/WARNING:  could not seal slot 0 of ledger "d": ledger "d" is corrupted in block \d+/, 'which warns of it');
($rc, $out, $err) = $node->psql('postgres', q(SELECT sum(entries) FROM ledger.segments('d')));
is($out, 40 * 900 - 8192, 'and seals the others');
($rc, $out, $err) = $node->psql('postgres', 'SELECT count(*) FROM d');
like($err, qr/is corrupted in block/, 'a query that needs the run says so');
is(scalar $node->psql('postgres', 'EXPLAIN SELECT * FROM d WHERE i = 1'), 0, 'planning goes on');
my $before = () = slurp_file($node->logfile) =~ /could not seal slot 0/g;
$node->safe_psql('postgres', 'CALL fill_d(200)');
wait_for($node, q(SELECT sum(entries) > 60000 FROM ledger.segments('d')), 'the worker seals the others');
my $after = () = slurp_file($node->logfile) =~ /could not seal slot 0/g;
cmp_ok($after - $before, '<', 60, 'with few attempts at it');

# A sealer that waits leaves a database that is to be dropped.
$node->safe_psql('postgres', 'CREATE DATABASE x');
$node->safe_psql('x', q(
	CREATE EXTENSION ledger;
	CREATE TABLE d (i int, t text) USING ledger;
	CREATE PROCEDURE fill_d(n int) LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1 .. n LOOP INSERT INTO d SELECT j, 'row' FROM generate_series(1, 900) j; COMMIT; END LOOP; END $$));
$node->safe_psql('x', 'CALL fill_d(70)');
change_file('d', sub {
	my ($data) = @_;
	my @closed = grep { unpack('L', substr($data, $_->[0] * 8192 + 28, 4)) == 1 } blocks_of($data, 4);
	is(scalar @closed, 7, 'seven runs are closed');
	substr($data, $_->[0] * 8192 + 24, 4) = pack('L', 60000) foreach @closed;
	return $data;
}, 'x');
$node->safe_psql('x', 'CALL fill_d(30)');
wait_for($node, q(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'ledger sealer' AND datname = 'x'), 'a sealer waits');
is($node->safe_psql('postgres', 'DROP DATABASE x'), '', 'its database can be dropped');
is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'ledger sealer')), '0', 'and it is gone');

# A big row is written once, however many runs others fill meanwhile.
$node->safe_psql('postgres', 'CREATE TABLE big (t text) USING ledger; ALTER TABLE big ALTER t SET STORAGE EXTERNAL');
$load = load_start($node, 4, fill => [ 1, "INSERT INTO big SELECT repeat('x', 7000) FROM generate_series(1, 40);\n" ]);
$node->poll_query_until('postgres', 'SELECT count(*) > 1000 FROM big');
$node->safe_psql('postgres', q(INSERT INTO big SELECT string_agg(md5(i::text), '') FROM generate_series(1, 700000) i)) foreach 1 .. 3;
load_stop($load);
is($node->safe_psql('postgres', q(SELECT count(*), count(DISTINCT md5(t)), md5(min(t)) = (SELECT md5(string_agg(md5(i::text), '')) FROM generate_series(1, 700000) i) FROM big WHERE length(t) > 7000)),
	'3|1|t', 'big rows between others');
is($node->safe_psql('postgres', q(SELECT pg_relation_size('big') < 1.2 * (3 * 22.4e6 + 8192 * count(*)) FROM big)), 't', 'each is written once');
is($node->safe_psql('postgres', q(SELECT ledger.seal('big') > 0; SELECT count(*), count(DISTINCT md5(t)) FROM big WHERE length(t) > 7000)), "t\n3|1", 'and sealed');

# VACUUM moves many segments down and cuts the file while others insert and read,
# and so wait for its lock.
$node->safe_psql('postgres', q(
	CREATE TABLE mh (k int, u uuid, v uuid, w uuid, x uuid) USING heap;
	CREATE TABLE ml (LIKE mh) USING ledger));
my $bulk = sub {
	my ($table, $key, $rows) = @_;
	return "INSERT INTO $table SELECT $key, md5(i || 'u')::uuid, md5(i || 'v')::uuid, md5(i || 'w')::uuid, md5(i || 'x')::uuid FROM generate_series(1, $rows) i";
};
my $lost = LedgerSession->new($node);
$lost->query('BEGIN');
$lost->query($bulk->('ml', 0, 320000));
$node->safe_psql('postgres', $bulk->($_, 1, 250000)) foreach 'mh', 'ml';
$lost->query('ROLLBACK');
$lost->quit;
my $size = $node->safe_psql('postgres', q(SELECT pg_relation_size('ml')));
$load = load_start($node, 6,
	add => [ 2, "\\set k random(2, 1000000)\nBEGIN;\nINSERT INTO mh VALUES (:k);\nINSERT INTO ml VALUES (:k);\nCOMMIT;\n" ],
	ask => [ 1, "SELECT k FROM ml WHERE ctid = '(0,1)';\n" ]);
wait_for($node, q(SELECT count(*) > 100 FROM mh WHERE k > 1), 'others are at it');
for (1 .. 20)
{
	# an open run at the end would keep it there
	$node->safe_psql('postgres', q(SELECT ledger.seal('ml')));
	$node->safe_psql('postgres', 'VACUUM ml');
	last if $node->safe_psql('postgres', "SELECT pg_relation_size('ml') < 0.55 * $size") eq 't';
}
unlike(load_stop($load), qr/ERROR/, 'none of them fails');
cmp_ok($node->safe_psql('postgres', q(SELECT pg_relation_size('ml'))), '<', 0.55 * $size, 'the file has shrunk meanwhile');
same_ok($node, 'same rows while VACUUM moves them', 'mh', 'ml');

no_crash_ok($node);
$node->stop;
done_testing();
