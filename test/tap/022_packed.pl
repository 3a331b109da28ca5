# Packed rows and their dictionaries: crashes while these are published, a
# standby that reads while they are replaced and dropped, damaged bytes, and
# logical decoding, for which nothing is packed.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

# Entries whose look changes with their key, so that a dictionary ages.
sub prepare
{
	my ($node) = @_;
	prepare_oracle($node);
	$node->safe_psql('postgres', q(
		CREATE FUNCTION entry(key bigint, g int) RETURNS l LANGUAGE sql AS $$
			SELECT ROW(key, g, 'tr-' || md5(key::text || g) || upper(md5((key / 200)::text)), jsonb_build_object('trace', 'tr-' || md5((key / 3)::text), 'sensitive', false,
				md5((key / 200)::text), upper(md5((g % 5)::text)) || upper(md5((key / 200)::text || g % 3)), 'url', 'https://grid.example.com/gateway/v2/' || upper(md5((key % 7)::text)),
				'noise', CASE WHEN g % 23 = 1 THEN upper(md5(random()::text)) || repeat('x', g) END))::l $$;
		CREATE FUNCTION put(key bigint, n int) RETURNS void LANGUAGE plpgsql AS $$
		DECLARE rows l[] := (SELECT array_agg(entry(key, g)) FROM generate_series(1, n) g);
		BEGIN
			INSERT INTO h SELECT * FROM unnest(rows);
			IF key % 3 = 0 THEN INSERT INTO l SELECT * FROM unnest(rows); ELSE PERFORM ledger.append('l', rows); END IF;
		END $$;
		CREATE SEQUENCE s;
		CREATE INDEX l_k ON l (k, i)));
	return;
}

# The metapage's numbers: dictionaries made so far, and the one for new pages.
sub dictionaries
{
	my ($node) = @_;
	$node->safe_psql('postgres', 'CHECKPOINT');
	my $d = slurp_raw(data_path($node, 'l'));
	return (unpack('V', substr($d, 24 + 140, 4)), unpack('V', substr($d, 24 + 160, 4)));
}

our %scripts = (
	single => [ 30, "SELECT put(nextval('s'), 1);\n" ],
	few => [ 6, "\\set n random(2, 300)\nSELECT put(nextval('s'), :n);\n" ],
	mixed => [ 3, "BEGIN;\nSELECT put(nextval('s'), 5);\nSAVEPOINT a;\nSELECT put(nextval('s'), 40);\nROLLBACK TO a;\nSELECT put(nextval('s'), 30);\nCOMMIT;\n" ],
	abort => [ 2, "BEGIN;\nSELECT put(nextval('s'), 30);\nROLLBACK;\n" ],
	seal => [ 1, "SELECT ledger.seal('l');\n" ],
	vacuum => [ 1, "VACUUM l;\n" ]);

# ---- crashes, and a standby ----
my $primary = ledger_node('primary', init => { allows_streaming => 1, extra => without_checksums() },
	conf => "wal_consistency_checking = 'heap,heap2,generic'\nautovacuum = off\nmax_wal_size = 1GB\n");
prepare($primary);
$primary->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'b', has_streaming => 1);
$standby->start;
my $catch_up = sub { $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert')); };

my $made = 0;
foreach my $round (1 .. 6)
{
	# the first dictionary comes soon after a TRUNCATE, in the midst of the load
	$primary->safe_psql('postgres', 'TRUNCATE h, l') if $round % 2;
	# Without full pages, a block that was truncated away and added again is all
	# zeros when what it had before is replayed, and there the server's check of
	# WAL stops recovery (as it does for a heap): then the file is not truncated.
	local $scripts{vacuum} = [ 1, "VACUUM (TRUNCATE off) l;\n" ] unless $round % 2;
	my $load = load_start($primary, 4, %scripts);
	my $reader = LedgerSession->new($standby);
	my $wrong = '';
	my $until = time + ($round == 1 ? 6 : 2);
	while (time < $until)
	{
		my $said = $reader->query('SELECT same()');
		# a standby's queries may be cancelled where VACUUM gives blocks back
		$wrong .= "$said $reader->{error}\n" if $said !~ /^same \d+ rows$/ && $reader->{error} !~ /conflict with recovery/;
	}
	is($wrong, '', "round $round: the standby is right all the time");
	$reader->quit;
	usleep(137_000 * $round);
	if ($round % 3 == 0) { $primary->stop('immediate'); }
	else { kill_all($primary); }
	my $said = load_stop($load);
	unlike($said, qr/ERROR:/, "round $round: no errors before the crash");
	$primary->append_conf('postgresql.conf', 'full_page_writes = ' . ($round % 2 ? 'off' : 'on'));
	$primary->start;
	same_ok($primary, "round $round: same rows after the crash");
	$catch_up->();
	same_ok($standby, "round $round: same rows on the standby");
	is($primary->safe_psql('postgres', 'SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT count(*), sum(hashtext(x::text)) FROM l x WHERE k >= 0'),
		$primary->safe_psql('postgres', 'SELECT count(*), sum(hashtext(x::text)) FROM h x'), "round $round: the index agrees");
	my ($n, $current) = dictionaries($primary);
	$made = $n if $n > $made;
}
cmp_ok($made, '>', 1, 'dictionaries were replaced, or dropped and made again');

# replaced by what is sealed, and dropped at last
$primary->safe_psql('postgres', 'TRUNCATE h, l; SELECT setval(\'s\', 100000)');
foreach my $look (1 .. 3)
{
	$primary->safe_psql('postgres', q(DO $$ BEGIN FOR n IN 1 .. 30 LOOP PERFORM put(nextval('s'), 90); COMMIT; END LOOP; END $$; SELECT ledger.seal('l')));
	$primary->safe_psql('postgres', "SELECT setval('s', 100000 * $look + 100000)");
	$primary->safe_psql('postgres', q(SELECT put(nextval('s'), 1); SELECT put(nextval('s'), 60)));
	$catch_up->();
	same_ok($standby, "look $look: same rows on the standby");
}
my ($n, $current) = dictionaries($primary);
cmp_ok($n, '>=', 2, 'rows that look different bring a new dictionary');
cmp_ok($current, '>', 0, 'which is there');
$primary->safe_psql('postgres', q(SELECT ledger.seal('l'); VACUUM l));
($n, $current) = dictionaries($primary);
is($current, 0, 'VACUUM drops it when all is sealed');
$primary->safe_psql('postgres', q(DO $$ BEGIN FOR n IN 1 .. 30 LOOP PERFORM put(nextval('s'), 90); COMMIT; END LOOP; END $$));
my ($again, $then) = dictionaries($primary);
cmp_ok($then, '>', $n, 'the next has a number of its own');
$catch_up->();
same_ok($primary, 'same rows');
same_ok($standby, 'same rows on the standby');

# ---- damage ----
# Bytes of dictionaries' blocks, and of packed rows behind their header.
$primary->safe_psql('postgres', q(
	CREATE TABLE orig (LIKE l) USING ledger WITH (autovacuum_enabled = off);
	DO $$ BEGIN FOR n IN 1 .. 45 LOOP INSERT INTO orig SELECT (entry(n * 5, g)).* FROM generate_series(1, 60) g; COMMIT; END LOOP; END $$;
	CREATE TABLE damaged (LIKE orig) USING ledger WITH (autovacuum_enabled = off);
	CREATE TABLE wanted (q int, t text, want text);
	INSERT INTO wanted VALUES (1, 'SELECT string_agg(md5(x::text), '''' ORDER BY ctid) FROM # x'),
		(2, 'SELECT string_agg(x::text, '''') FROM # x WHERE ctid IN (SELECT format(''(%s,%s)'', b, i)::tid FROM generate_series(0, 9) b, generate_series(1, 256, 9) i)'),
		(3, 'SELECT count(*)::text FROM (SELECT j FROM # TABLESAMPLE SYSTEM (50) REPEATABLE (3)) x WHERE j IS NOT NULL');
	DO $$ DECLARE w record; a text; BEGIN
		FOR w IN SELECT * FROM wanted LOOP
			EXECUTE replace(w.t, '#', 'orig') INTO a;
			UPDATE wanted SET want = a WHERE q = w.q;
		END LOOP;
	END $$;
	CREATE TABLE f (d bytea); CREATE TABLE results (block int, pos int, q int, outcome text, message text);
	CHECKPOINT));
my $file = slurp_raw(data_path($primary, 'orig'));
$primary->safe_psql('postgres', q(INSERT INTO f SELECT pg_read_binary_file(pg_relation_filepath('orig'));
	CREATE PROCEDURE try(block int, pos int, mask int) LANGUAGE plpgsql AS $$
	DECLARE
		data bytea := (SELECT d FROM f);
		at int := block * 8192 + pos;
		lo oid;
		want text;
		got text;
		t text;
	BEGIN
		data := set_byte(data, at, get_byte(data, at) # mask);
		TRUNCATE damaged;
		COMMIT;
		lo := lo_from_bytea(0, data);
		PERFORM lo_export(lo, pg_relation_filepath('damaged'));
		PERFORM lo_unlink(lo);
		COMMIT;
		FOR n IN 1 .. 3 LOOP
			SELECT w.t, w.want INTO t, want FROM wanted w WHERE w.q = n;
			BEGIN
				EXECUTE replace(t, '#', 'damaged') INTO got;
				INSERT INTO results VALUES (block, pos, n, CASE WHEN got IS NOT DISTINCT FROM want THEN 'right' ELSE 'WRONG' END);
			EXCEPTION WHEN others THEN
				INSERT INTO results VALUES (block, pos, n, SQLSTATE, SQLERRM);
			END;
		END LOOP;
		COMMIT;
	END $$));
srand(7);
my (@dictionary, @rows);
for my $b (0 .. length($file) / 8192 - 1)
{
	my $page = substr($file, $b * 8192, 8192);
	my $kind = unpack('C', substr($page, 8171, 1));
	push @dictionary, map { [ $b, $_ ] } (8168 .. 8191), (map { 24 + int(rand(8100)) } 1 .. 12) if $kind == 10;
	next if $kind != 5 || unpack('V', substr($page, 8172, 4)) == 0;
	my $lower = unpack('v', substr($page, 12, 2));
	for (my $i = 24; $i < $lower; $i += 4)
	{
		my $item = unpack('V', substr($page, $i, 4));
		my ($at, $len) = ($item & 0x7fff, $item >> 17);
		next if (unpack('v', substr($page, $at + 18, 2)) & 2047) != 2047;
		push @rows, [ $b, $at + 24 + $_ ] foreach 0 .. 4;
		push @rows, [ $b, $at + 29 + int(rand($len - 29)) ] foreach 1 .. 5;
	}
}
cmp_ok(scalar(@dictionary), '>', 60, 'there is a dictionary');
cmp_ok(scalar(@rows), '>', 2000, 'and packed rows that need it');
my @some = map { $rows[ int(rand(@rows)) ] } 1 .. 150;
my @calls = map { sprintf 'CALL try(%d, %d, %d)', @$_, 1 << int(rand(8)) } @dictionary, @some;
$primary->safe_psql('postgres', join ';', @calls[ 200 * $_ .. (200 * $_ + 199 < $#calls ? 200 * $_ + 199 : $#calls) ]) foreach 0 .. int($#calls / 200);
is($primary->safe_psql('postgres', "SELECT count(*) FROM results JOIN wanted USING (q) WHERE want <> ''"), 3 * @calls, 'all were tried');
is($primary->safe_psql('postgres', "SELECT * FROM results WHERE outcome = 'WRONG' LIMIT 10"), '', 'no wrong rows');
is($primary->safe_psql('postgres', "SELECT * FROM results WHERE outcome NOT IN ('right', 'XX001') LIMIT 10"), '', 'no other errors');
is($primary->safe_psql('postgres', q(SELECT * FROM results WHERE outcome = 'XX001' AND message !~ 'ledger "damaged" is corrupted in block \d+' LIMIT 10)), '', 'errors name a block');
my $in = join ',', map { "$_->[0]" } @some;
is($primary->safe_psql('postgres', "SELECT * FROM results WHERE outcome = 'XX001' AND block IN ($in) AND message !~ (' block ' || block || '\$') LIMIT 10"), '', 'the one whose row is damaged');
cmp_ok($primary->safe_psql('postgres', "SELECT count(*) FROM results WHERE outcome = 'XX001' AND block IN ($in)"), '>', 200, 'damage to rows is noticed');
cmp_ok($primary->safe_psql('postgres', "SELECT count(*) FROM results WHERE outcome = 'XX001' AND block NOT IN ($in)"), '>', 60, 'damage to the dictionary is noticed');
no_crash_ok($primary);
no_crash_ok($standby);

# ---- takes over ----
same_ok($primary, 'same rows');
$catch_up->();
$primary->stop('immediate');
$standby->promote;
same_ok($standby, 'same rows after promotion');
$standby->safe_psql('postgres', q(DO $$ BEGIN FOR n IN 1 .. 30 LOOP PERFORM put(nextval('s'), 90); COMMIT; END LOOP; END $$; SELECT ledger.seal('l'); SELECT put(nextval('s'), 90)));
same_ok($standby, 'same rows after more of them');

# ---- logical decoding: from now on nothing is packed ----
$standby->append_conf('postgresql.conf', 'wal_level = logical');
$standby->restart;
$standby->safe_psql('postgres', q(SELECT pg_create_logical_replication_slot('d', 'test_decoding'); SELECT put(3000000, 50); SELECT put(3000001, 200); SELECT put(3000002, 1)));
same_ok($standby, 'same rows of both kinds');
is($standby->safe_psql('postgres', q(CREATE TABLE changes AS SELECT data FROM pg_logical_slot_get_changes('d', NULL, NULL); SELECT count(*) FROM
	(SELECT replace(data, 'table public.h:', '') AS d FROM changes WHERE data LIKE 'table public.h: INSERT%') h FULL JOIN
	(SELECT replace(data, 'table public.l:', '') AS d FROM changes WHERE data LIKE 'table public.l: INSERT%') l USING (d) WHERE h.d IS NULL OR l.d IS NULL)), '0', 'the same changes decoded');
is($standby->safe_psql('postgres', q(SELECT count(*) FROM changes WHERE data LIKE 'table public.l: INSERT%')), '251', 'which are all');
no_crash_ok($standby);
$standby->stop;
done_testing();
