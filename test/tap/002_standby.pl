# A streaming standby answers as its primary does: under load, across seals, in
# an old snapshot, through freezing, after promotion.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = ledger_node('primary', init => { allows_streaming => 1 },
	conf => "wal_consistency_checking = 'heap,heap2,btree,generic'\nautovacuum = off\nmax_standby_streaming_delay = 0\nhot_standby_feedback = off\nmax_wal_size = 1GB\n");
prepare_oracle($primary);
$primary->safe_psql('postgres', 'CREATE SEQUENCE s; CREATE INDEX l_k ON l (k, i); SELECT load(0, 100); SELECT load(0, 3000)');
# a row with an overflow chain, in each
$primary->safe_psql('postgres', q(CREATE FUNCTION big(key bigint) RETURNS void LANGUAGE sql AS $$
	INSERT INTO h SELECT key, 0, string_agg(md5(key::text || g), ''), NULL FROM generate_series(1, 900) g;
	INSERT INTO l SELECT key, 0, string_agg(md5(key::text || g), ''), NULL FROM generate_series(1, 900) g;
$$));
$primary->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'b', has_streaming => 1);
$standby->start;

my $catch_up = sub { $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert')); };
$catch_up->();
same_ok($standby, 'same rows at first');
is($standby->safe_psql('postgres', 'SHOW transaction_read_only'), 'on', 'standby is one');
my ($rc, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY sqlstate\nINSERT INTO l VALUES (1)");
like($err, qr/25006/, 'no insert on a standby');
foreach my $append (q(append('l', ROW(1))), q(append('l', ARRAY[ROW(1)])), q(append_json('l', '{"i": 1}')), q(append_ndjson('l', '{"i": 1}')))
{
	($rc, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY sqlstate\nSELECT ledger.$append");
	like($err, qr/25006/, "no $append on a standby");
}
($rc, $out, $err) = $standby->psql('postgres', "SELECT ledger.seal('l')");
isnt($rc, 0, 'no seal on a standby');
like($err, qr/recovery|read-only/, 'and it says why');

# An old snapshot on the standby, rows of a transaction in progress at the time.
my $writer = LedgerSession->new($primary);
$writer->query('BEGIN; SELECT load(-1, 5); SELECT load(-2, 2500)');
my $old = LedgerSession->new($standby);
my $seen = $old->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT same()');
is($seen, 'same 3100 rows', 'an old snapshot is taken');
$writer->query('COMMIT');
my $reader = LedgerSession->new($standby);

# What a session on the standby has noted of tail pages holds until rows are added.
$reader->query('SET enable_indexscan = off; SET enable_bitmapscan = off');
my $look = sub { return $reader->query('SELECT count(*) FROM l WHERE k = -77') };
for my $rows (0 .. 3)
{
	is($look->(), $rows, "$rows rows are found in tail pages") for 1 .. 3;
	like($reader->query('EXPLAIN (ANALYZE) SELECT * FROM l WHERE k = -78'), qr/Tail Pages: read=0 skipped=[1-9]/, "they are skipped, $rows rows") if $rows > 0;
	$primary->safe_psql('postgres', 'SELECT load(-77, 1)');
	$catch_up->();
}
$reader->query('RESET enable_indexscan; RESET enable_bitmapscan');

for my $round (1 .. 12)
{
	$primary->safe_psql('postgres', q(
		SELECT load(nextval('s'), 40);
		BEGIN; SELECT load(nextval('s'), 6); SAVEPOINT a; SELECT load(nextval('s'), 1800); ROLLBACK TO a; COMMIT;
		BEGIN; SELECT load(nextval('s'), 2000); ROLLBACK;
		BEGIN; SELECT load(nextval('s'), 2); SELECT big(nextval('s')); SELECT count(*) FROM l; SELECT big(nextval('s')); COMMIT;
		SELECT load(nextval('s'), 1500);
		SELECT singles(nextval('s'), 60)));
	# queries run on the standby while what they read is sealed
	$reader->send('SELECT same(), pg_sleep(0.05); SELECT count(*) FROM l a JOIN l b USING (k, i)');
	$primary->safe_psql('postgres', q(SELECT ledger.seal('l')));
	$catch_up->();
	$reader->query('SELECT 1');
	is($reader->{error}, '', "queries during seal $round");
	same_ok($standby, "same rows after seal $round");
	is($old->query('SELECT same()'), $seen, "the old snapshot sees what it saw, seal $round");
	is($old->query('SET LOCAL enable_seqscan = off; SELECT count(*) FROM l WHERE k > -10; SET LOCAL enable_seqscan = on'), 3100, "by index, too, seal $round") if $round % 4 == 0;
	is(digest($primary, 'l'), digest($standby, 'l'), "same digest, seal $round") if $round % 3 == 0;
}

# A load of several sessions while the standby is read all the time.  Each row of
# "keys" is inserted speculatively.
$primary->safe_psql('postgres', 'CREATE TABLE keys (k int PRIMARY KEY, t text) USING ledger');
my $load = load_start($primary, 4,
	one => [ 20, "SELECT load(nextval('s'), 1);\n" ],
	many => [ 2, "SELECT load(nextval('s'), 1400);\n" ],
	skip => [ 20, "\\set k random(1, 3000)\nINSERT INTO keys VALUES (:k, 'x') ON CONFLICT DO NOTHING;\n" ],
	abort => [ 2, "BEGIN;\nSELECT load(nextval('s'), 1200);\nROLLBACK;\n" ],
	seal => [ 1, "SELECT ledger.seal('l');\n" ]);
my ($checks, $wrong) = (0, '');
my $until = time + 5;
while (time < $until)
{
	my $said = $reader->query('SELECT same()');
	$wrong .= "$said $reader->{error}\n" if $said !~ /^same \d+ rows$/;
	$checks++;
}
my $said = load_stop($load);
unlike($said, qr/ERROR:/, 'load without errors');
is($wrong, '', 'standby was right all the time');
cmp_ok($checks, '>', 3, 'which was checked');
$catch_up->();
same_ok($standby, 'same rows after the load');
is(digest($primary, 'keys'), digest($standby, 'keys'), 'and the same keys');
cmp_ok($standby->safe_psql('postgres', 'SELECT count(*) FROM keys'), '>', 20, 'which are some');
is($old->query('SELECT same()'), $seen, 'the old snapshot still sees what it saw');

# Freezing rows that the old snapshot must not see cancels it, and no other.
$reader->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM l');
my $new = $primary->safe_psql('postgres', 'SELECT count(*) FROM l');
# (not by the lock that giving back blocks takes)
$primary->safe_psql('postgres', 'VACUUM (FREEZE, TRUNCATE false, INDEX_CLEANUP off) l');
$catch_up->();
my $then = $old->query('SELECT same()');
like($old->{error}, qr/conflict with recovery|terminating connection/, 'freezing cancels the old snapshot')
  or diag("it said: $then");
unlike($then, qr/DIFFERENT|same (?!3100 )/, 'and it saw nothing wrong before');
same_ok($standby, 'same rows after freezing');
is($standby->safe_psql('postgres', "SELECT age(relfrozenxid) FROM pg_class WHERE oid = 'l'::regclass"),
	$primary->safe_psql('postgres', "SELECT age(relfrozenxid) FROM pg_class WHERE oid = 'l'::regclass"), 'same age(relfrozenxid)');
$old->quit;
$reader->quit;

# VACUUM moves a page of the directory: a session on the standby that remembers where it
# was is told.
$primary->safe_psql('postgres', q(CREATE TABLE dir (id int) USING ledger;
	CREATE FUNCTION fill() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO dir SELECT hashint4(i) FROM generate_series(1, 1100000) i;
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN NULL;
	END $$;
	CREATE FUNCTION fails(id int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
	BEGIN
		IF current_setting('test.fails', true) = 'on' THEN RAISE 'no index today'; END IF;
		RETURN id;
	END $$;
	CREATE INDEX ON dir (fails(id)) WHERE id BETWEEN 1 AND 5;
	SELECT fill();
	INSERT INTO dir SELECT generate_series(1, 1000)));
$reader = LedgerSession->new($standby);
for my $vacuum ('VACUUM dir', 'VACUUM FULL dir', 'SET test.fails = on; VACUUM FULL dir', 'VACUUM dir')
{
	$catch_up->();
	is($reader->query('SELECT count(*), sum(id) FROM dir'), '1000|500500', "rows of a long directory, $vacuum");
	my $large = $primary->safe_psql('postgres', "SELECT pg_relation_size('dir')");
	($rc, $out, $err) = $primary->psql('postgres', join "\n", map { "$_;" } split /; /, $vacuum);
	is($err =~ /no index today/, $vacuum =~ /fails/, "$vacuum fails if it is to") or diag($err);
	$catch_up->();
	cmp_ok($primary->safe_psql('postgres', "SELECT pg_relation_size('dir')"), '<', $large / 10, "the file ends lower, $vacuum");
	is($reader->query('SELECT count(*), sum(id) FROM dir'), '1000|500500', "the same rows then, $vacuum");
	is($reader->{error}, '', "and no error, $vacuum");
	$primary->safe_psql('postgres', 'SELECT fill()');
}
$reader->quit;

# Between the release of VACUUM's lock and its commit, which would tell of changes, too:
# a session that has looked again since VACUUM began, which tells of some at once.
{
	my ($s1, $vacuum, $holder, $blocker) = map { LedgerSession->new($primary) } 1 .. 4;
	$s1->query('SELECT count(*) FROM dir');
	$holder->query('BEGIN; SELECT 1 FROM dir LIMIT 1');
	$vacuum->send('VACUUM dir');
	wait_for($primary, q(SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query ~ '^VACUUM dir' AND state = 'active' AND pid <> pg_backend_pid())), 'VACUUM is at work');
	sleep 1;
	is($s1->query('SELECT count(*), sum(id) FROM dir'), '1000|500500', 'rows while VACUUM waits for its lock');
	$blocker->query('BEGIN; LOCK TABLE pg_class IN SHARE MODE');
	$holder->query('COMMIT');
	wait_for($primary, q(SELECT pg_relation_size('dir') < 200000), 'VACUUM has moved and cut');
	is($s1->query('SELECT count(*), sum(id) FROM dir; INSERT INTO dir SELECT generate_series(1001, 1010)'), '1000|500500', 'the same rows before it commits');
	is($s1->{error}, '', 'and no error');
	is($vacuum->{run}->pumpable && $primary->safe_psql('postgres', q(SELECT count(*) FROM pg_stat_activity WHERE query ~ '^VACUUM dir' AND state = 'active')), 1, 'which it has not');
	$blocker->query('COMMIT');
	$vacuum->query('SELECT 1');
	is($s1->query('SELECT count(*), sum(id) FROM dir'), '1010|510555', 'nor afterwards');
	$_->quit for $s1, $vacuum, $holder, $blocker;
}

# VACUUM gives blocks back, TRUNCATE, a new table, an abort that never ends.
$primary->safe_psql('postgres', q(VACUUM l; TRUNCATE h, l; SELECT load(nextval('s'), 2500); CREATE TABLE c USING ledger AS SELECT * FROM l));
$catch_up->();
same_ok($standby, 'same rows after TRUNCATE');
same_ok($standby, 'same rows in a new table', 'h', 'c');
$writer->query(q(BEGIN; SELECT load(nextval('s'), 5); SELECT load(nextval('s'), 2500)));
$primary->safe_psql('postgres', q(SELECT load(nextval('s'), 7)));
$catch_up->();

# The standby takes over.
$primary->stop('immediate');
$writer->quit;
$standby->promote;
same_ok($standby, 'same rows after promotion');
$standby->safe_psql('postgres', q(SELECT load(nextval('s'), 3); SELECT load(nextval('s'), 2500); SELECT ledger.seal('l'); VACUUM l));
same_ok($standby, 'same rows after more of them');
is($standby->safe_psql('postgres', 'SET enable_seqscan = off; SELECT count(*) FROM l WHERE k > -10'), $standby->safe_psql('postgres', 'SELECT count(*) FROM h'), 'the index agrees');
$standby->stop('immediate');
$standby->start;
same_ok($standby, 'same rows after its crash');
no_crash_ok($primary);
no_crash_ok($standby);
$standby->stop;
done_testing();
