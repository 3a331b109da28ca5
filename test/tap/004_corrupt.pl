# Corruption: bytes changed at many positions of every block give an error that
# names the relation and a block, or the right answer; never a crash, never a
# wrong answer.  Rows in tail pages are heap tuples and have no check of their
# own: there any answer will do, but no crash, for types whose output functions
# can stand any bytes (jsonb's cannot, in a heap either).
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = ledger_node('corrupt', init => { extra => without_checksums() }, conf => "autovacuum = off\nfsync = off\nrestart_after_crash = on\nignore_checksum_failure = on\nzero_damaged_pages = off\n");
is($node->safe_psql('postgres', 'SHOW data_checksums'), 'off', 'no data checksums');

# A small ledger with a block of each kind: a metapage, a directory, run maps,
# a segment with gaps and xmins, a bulk-written segment, a tail, overflow.
$node->safe_psql('postgres', q(
	CREATE TABLE orig (k int, ts timestamptz, level text, t text, n numeric, b bytea) USING ledger;
	CREATE FUNCTION fill(start int, n int) RETURNS void LANGUAGE sql AS $$
		INSERT INTO orig SELECT i, timestamptz '2026-01-01 00:00+00' + i * interval '1 s', CASE WHEN i % 5 > 0 THEN (ARRAY['info', 'warn', 'error'])[i % 3 + 1] END,
			'message ' || md5(i::text), i * 1.10, decode(md5(i::text) || md5((-i)::text), 'hex') FROM generate_series(start, start + n - 1) i $$;
	CREATE SEQUENCE s;
	DO $$ BEGIN
		FOR i IN 1 .. 300 LOOP
			PERFORM fill(i * 10, 3);
			IF i % 4 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
		END LOOP;
	END $$));
$node->safe_psql('postgres', q(SELECT ledger.seal('orig')));
$node->safe_psql('postgres', q(SELECT fill(10000, 2500)));
$node->safe_psql('postgres', q(
	SELECT fill(20000, 1); SELECT fill(20001, 60);
	INSERT INTO orig SELECT 30000 + i, NULL, 'wide', string_agg(md5((i * g)::text), ''), NULL, NULL FROM generate_series(1, 2) i, generate_series(1, 700) g GROUP BY i));
$node->safe_psql('postgres', 'CHECKPOINT');
my $path = data_path($node, 'orig');
my $blocks = $node->safe_psql('postgres', q(SELECT pg_relation_size('orig') / 8192));
cmp_ok($blocks, '>=', 8, 'blocks of several kinds');

# The whole of it happens in the server: the damaged copy is put in the place of
# a table's file that no one has opened yet.
$node->safe_psql('postgres', q(
	CREATE TABLE damaged (LIKE orig) USING ledger;
	CREATE TABLE answers (q text, answer text);
	CREATE TABLE queries (id int, q text);
	CREATE FUNCTION plan(rel regclass) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE format('EXPLAIN SELECT * FROM %s WHERE k = 1', rel);
		RETURN 'planned';
	END $$;
	INSERT INTO queries VALUES
		(-2, 'SELECT plan(''#'')'),
		-- by filters, the first of a value that is there
		(-1, 'SELECT count(*)::text FROM # WHERE t = ''message '' || md5(''10007'')'),
		(0, 'SELECT count(*)::text FROM # WHERE b = decode(md5(''11'') || md5(''-11''), ''hex'')'),
		(1, 'SELECT count(*) || '' '' || coalesce(sum(hashtextextended(x::text, 0)), 0) FROM # x'),
		(2, 'SELECT coalesce(sum(k), 0)::text FROM # WHERE level = ''warn'' AND ts > ''2026-01-01 01:00+00'''),
		(3, 'SELECT string_agg(x::text, '','') FROM # x WHERE ctid IN (''(0,1)'', ''(0,200)'', ''(32,7)'', ''(64,7)'', ''(96,3)'', ''(1,5)'')'),
		(4, 'SELECT count(*)::text FROM # TABLESAMPLE SYSTEM (100)');
	INSERT INTO answers SELECT 'x', 'x' WHERE false;
	CREATE TABLE results (block int, pos int, how text, q int, outcome text, message text, detail text);
	CREATE FUNCTION outcome(query text, want text, OUT outcome text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
	DECLARE got text;
	BEGIN
		EXECUTE query INTO got;
		IF got IS NOT DISTINCT FROM want THEN outcome := 'right'; ELSE outcome := 'WRONG'; message := left(got, 100); END IF;
	EXCEPTION WHEN query_canceled OR others THEN
		GET STACKED DIAGNOSTICS outcome = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	END $$;
	CREATE FUNCTION put(path text, data bytea) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE lo oid := lo_from_bytea(0, data);
	BEGIN
		PERFORM lo_export(lo, path);
		PERFORM lo_unlink(lo);
	END $$;
	CREATE PROCEDURE try(block int, pos int, how text, data bytea, writes bool) LANGUAGE plpgsql AS $$
	DECLARE
		r record;
		o record;
		path text;
	BEGIN
		-- what hangs is told below, and need not happen often
		IF (SELECT count(*) > 4 FROM results WHERE outcome = '57014') THEN
			RETURN;
		END IF;
		TRUNCATE damaged;
		COMMIT;
		PERFORM put(pg_relation_filepath('damaged'), data);
		COMMIT;
		FOR r IN SELECT id, q, answer FROM queries JOIN answers USING (q) LOOP
			o := outcome(replace(r.q, '#', 'damaged'), r.answer);
			INSERT INTO results VALUES (block, pos, how, r.id, o.outcome, o.message, o.detail);
		END LOOP;
		COMMIT;
		IF writes THEN
			o := outcome('WITH i AS (INSERT INTO damaged SELECT (fill_row(g)).* FROM generate_series(1, 30) g RETURNING 1) SELECT count(*)::text FROM i', '30');
			INSERT INTO results VALUES (block, pos, how, 5, o.outcome, o.message, o.detail);
			COMMIT;
			o := outcome('SELECT (ledger.seal(''damaged'') >= 0)::text', 'true');
			INSERT INTO results VALUES (block, pos, how, 6, o.outcome, o.message, o.detail);
			COMMIT;
			o := outcome('SELECT (count(*) IS NULL)::text FROM ledger.stats(''damaged''), ledger.segments(''damaged''), ledger.chunks(''damaged'')', 'false');
			INSERT INTO results VALUES (block, pos, how, 7, o.outcome, o.message, o.detail);
			COMMIT;
		END IF;
	END $$;
	CREATE FUNCTION fill_row(g int) RETURNS orig LANGUAGE sql AS $$ SELECT ROW(g, now(), 'new', 'new', NULL, NULL)::orig $$;
	DO $$ DECLARE r record; a text; BEGIN
		FOR r IN SELECT q FROM queries LOOP
			EXECUTE replace(r.q, '#', 'orig') INTO a;
			INSERT INTO answers VALUES (r.q, a);
		END LOOP;
	END $$));

# the copy undamaged is what it was
$node->safe_psql('postgres', q(
	CREATE TABLE f AS SELECT pg_read_binary_file(pg_relation_filepath('orig')) AS d;
	CREATE PROCEDURE whole(b int, pos int, how text, i int) LANGUAGE plpgsql AS $$
	DECLARE
		data bytea := (SELECT d FROM f);
		n int := length(data) / 8192;
		at int := b * 8192 + pos;
	BEGIN
		CALL try(b, pos, how, CASE how
			WHEN 'none' THEN data
			WHEN 'bit' THEN set_byte(data, at, get_byte(data, at) # (1 << i % 8))
			WHEN 'not' THEN set_byte(data, at, 255 - get_byte(data, at))
			WHEN 'less' THEN set_byte(data, at, get_byte(data, at) - 1)
			WHEN 'more' THEN set_byte(data, at, (get_byte(data, at) + 1) % 256)
			WHEN 'zero' THEN overlay(data placing decode(repeat('00', 8192), 'hex') from b * 8192 + 1)
			WHEN 'fill' THEN overlay(data placing decode(repeat('ff', 8192), 'hex') from b * 8192 + 1)
			WHEN 'hole' THEN overlay(data placing decode(repeat('5a', 2000), 'hex') from b * 8192 + 1 + 3000)
			WHEN 'next' THEN overlay(data placing substr(data, ((b + 1) % n) * 8192 + 1, 8192) from b * 8192 + 1)
			WHEN 'other' THEN overlay(data placing substr(data, ((b + n / 2) % n) * 8192 + 1, 8192) from b * 8192 + 1)
			WHEN 'first' THEN overlay(data placing substr(data, at + 9, 2) from at + 1)
			WHEN 'cut' THEN substr(data, 1, b * 8192) END, i % 5 = 0 AND how <> 'cut');
	END $$));
$node->safe_psql('postgres', "CALL whole(0, 0, 'none', 0)");
is($node->safe_psql('postgres', "SELECT count(*) FROM results WHERE outcome <> 'right'"), '0', 'a copy answers like the original')
  or diag($node->safe_psql('postgres', 'SELECT * FROM results'));

# One byte at a time: in the page's header, its tag, its first contents, and at
# positions all over it.  Then whole blocks: zeroed, filled, another block's
# contents; and the file cut short.
my @calls;
srand(1);
foreach my $block (0 .. $blocks - 1)
{
	my %at = map { $_ => 1 } (grep { ($_ + $block) % 2 == 0 } 8 .. 32, 8168 .. 8191), (map { 24 + int(rand(240)) } 1 .. 6), (map { int(rand(8192)) } 1 .. 10);
	foreach my $pos (sort { $a <=> $b } keys %at)
	{
		push @calls, [ $block, $pos, (qw(bit not more))[ @calls % 3 ] ];
	}
	push @calls, [ $block, -1, $_ ] foreach qw(zero fill hole next other cut);
}
# A run map's item that says that its page begins where the next one does, and
# a map with a page less
foreach my $item (split /\n/, $node->safe_psql('postgres', q(SELECT b || ' ' || k FROM f, generate_series(0, length(d) / 8192 - 1) b, generate_series(1, get_byte(d, b * 8192 + 24) - 2) k
	WHERE get_byte(d, b * 8192 + 8168 + 3) = 4)))
{
	my ($block, $k) = split / /, $item;
	push @calls, [ $block, 24 + 16 + 8 * $k + 4, 'first' ];
	push @calls, [ $block, 24, 'less' ] if $k == 1;
}
my @crashes;
for (my $i = 0; $i < @calls;)
{
	my $session = LedgerSession->new($node);
	$session->query('SET client_min_messages = error; SET statement_timeout = 20000');
	while ($i < @calls)
	{
		my $to = $i + 24 < $#calls ? $i + 24 : $#calls;
		$session->query(join '; ', map { "CALL whole($calls[$_][0], $calls[$_][1], '$calls[$_][2]', " . ($calls[$_][1] < 0 ? 0 : $_) . ')' } $i .. $to);
		if ($session->{error} =~ /connection to server was lost|terminating connection/)
		{
			# which of them it was, and on with the next
			wait_up($node);
			$i++ while $i < $to && $node->safe_psql('postgres', "SELECT count(*) FROM results WHERE block = $calls[$i][0] AND pos = $calls[$i][1] AND how = '$calls[$i][2]' AND q = 4") > 0;
			push @crashes, "block $calls[$i][0] position $calls[$i][1] $calls[$i][2] (" . ($calls[$i][1] < 0 ? 0 : $i) . ')';
			$i++;
			last;
		}
		diag($session->{error}) if $session->{error} !~ /^\s*$/;
		$i = $to + 1;
	}
	$session->quit;
	last if @crashes > 20;
}

# Nothing crashed.
is(join("\n", @crashes), '', 'nothing crashed');
no_crash_ok($node, 'nor does the log tell of a crash', qr/(WARNING|LOG):  .*invalid page in block/);
my $tried = $node->safe_psql('postgres', 'SELECT count(*) FROM results');
cmp_ok($tried, '>', 1000, 'many were tried');
cmp_ok($node->safe_psql('postgres', q(SELECT count(*) FROM results WHERE outcome NOT IN ('right', 'WRONG') AND how <> 'none')), '>', 200, 'many were noticed');

cmp_ok($node->safe_psql('postgres', q(SELECT count(*) FROM results WHERE how IN ('first', 'less') AND q = 1)), '>', 5, 'run maps among them');

my $few = 'ORDER BY block, pos LIMIT 25';
# tail pages, by their tags
$node->safe_psql('postgres', q(CREATE TABLE tails AS SELECT b AS block FROM (SELECT pg_read_binary_file(pg_relation_filepath('orig')) AS d) f, generate_series(0, length(d) / 8192 - 1) b
	WHERE get_byte(d, b * 8192 + 8168 + 3) = 5));
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM tails'), '>', 0, 'there are tail pages');
my $report = sub {
	my ($name, $where) = @_;
	my $bad = $node->safe_psql('postgres', "SELECT * FROM results WHERE how <> 'none' AND $where $few");
	is($bad, '', $name);
};
$report->('no wrong answer from blocks with a check', q(outcome = 'WRONG' AND q <= 4 AND how NOT IN ('cut') AND block NOT IN (SELECT block FROM tails)));
$report->('a file cut short: no wrong answer', q(outcome = 'WRONG' AND q <= 4 AND how = 'cut' AND block > 0));
$report->('nothing hangs', q(outcome = '57014'));
$report->('errors name the relation and a block', q(outcome NOT IN ('right', 'WRONG', '57014') AND message !~ '"damaged".*block|block.*"damaged"|block \d+ (of|in) (relation|file)' AND block NOT IN (SELECT block FROM tails)));
# of a segment, the block that is damaged: itself, or among those that the bytes are in
$node->safe_psql('postgres', q(
	CREATE TABLE streams AS SELECT b AS block FROM (SELECT pg_read_binary_file(pg_relation_filepath('orig')) AS d) f, generate_series(0, length(d) / 8192 - 1) b
		WHERE get_byte(d, b * 8192 + 8168 + 3) IN (7, 8, 9);
	CREATE FUNCTION names(n int, message text, detail text) RETURNS boolean LANGUAGE sql AS $$
		SELECT message ~ (' in block ' || n || '( of relation|$)') OR EXISTS (SELECT FROM regexp_matches(substring(detail FROM 'in blocks ([^:]*):'), '(\d+)(?: to (\d+))?', 'g') m
			WHERE n BETWEEN m[1]::int AND coalesce(m[2], m[1])::int) $$));
cmp_ok($node->safe_psql('postgres', q(SELECT count(*) FROM results JOIN streams USING (block) WHERE outcome = 'XX001')), '>', 50, 'damaged segments are noticed');
$report->('errors name the block of a segment that is damaged', q(outcome = 'XX001' AND how <> 'cut' AND block IN (SELECT block FROM streams) AND NOT names(block, message, detail)));
# what the planner wants to know of columns' widths is in the metapage
cmp_ok($node->safe_psql('postgres', q(SELECT count(*) FROM results JOIN streams USING (block) WHERE q = -2)), '>', 50, 'queries were planned');
$report->('nor does planning fail over them', q(q = -2 AND block IN (SELECT block FROM streams) AND outcome <> 'right'));
$report->('no internal errors', q(outcome = 'XX000' AND message !~ 'damaged' AND block NOT IN (SELECT block FROM tails)));

# The tag of a segment's root, which readers do not look at, says whether its block
# is free: one that is damaged frees nothing, even where the free space map says
# that all is free.
$node->safe_psql('postgres', q(
	CREATE TABLE tags (block int, pos int, nth int, before text, said text, after text);
	CREATE PROCEDURE try_tag(b int, pos int, nth int) LANGUAGE plpgsql AS $$
	DECLARE
		data bytea := (SELECT d FROM f);
		q text := $q$SELECT count(*) || ' ' || sum(hashtextextended(x::text, 0)) FROM # x WHERE level IS DISTINCT FROM 'new'$q$;
		at int := b * 8192 + pos;
		-- a page of the free space map: its header, and all nodes full
		fsm bytea := decode('00000000000000000000000018000020002004200000000000000000' || repeat('ff', 8164), 'hex');
		want text;
		r record;
		t tags;
	BEGIN
		EXECUTE replace(q, '#', 'orig') INTO want;
		TRUNCATE damaged;
		COMMIT;
		PERFORM put(pg_relation_filepath('damaged'), set_byte(data, at, get_byte(data, at) # (1 << nth)));
		PERFORM put(pg_relation_filepath('damaged') || '_fsm', fsm || fsm || fsm);
		COMMIT;
		t.block := b;
		t.pos := pos;
		t.nth := nth;
		r := outcome(replace(q, '#', 'damaged'), want);
		t.before := r.outcome;
		COMMIT;
		r := outcome('WITH i AS (INSERT INTO damaged (level, t) SELECT ''new'', sha512(g::text::bytea)::text FROM generate_series(1, 9000) g RETURNING 1) SELECT count(*)::text FROM i', '9000');
		t.said := r.outcome;
		COMMIT;
		r := outcome(replace(q, '#', 'damaged'), want);
		t.after := r.outcome;
		INSERT INTO tags VALUES (t.*);
		COMMIT;
	END $$));
my @roots = split / /, $node->safe_psql('postgres', q(SELECT string_agg(b::text, ' ') FROM f, generate_series(0, length(d) / 8192 - 1) b WHERE get_byte(d, b * 8192 + 8168 + 3) = 8));
cmp_ok(scalar @roots, '>', 1, 'there are roots');
# of the tag: what it is, whose, and of which segment
my @bits = ([ 8168, 0 ], [ 8170, 0 ], [ 8171, 0 ], [ 8176, 0 ], [ 8176, 1 ], [ 8184, 0 ], [ 8184, 1 ], [ 8190, 2 ]);
foreach my $root (@roots)
{
	$node->safe_psql('postgres', "SET ledger.decode_cache = 0; CALL try_tag($root, $$_[0], $$_[1])") foreach @bits;
}
is($node->safe_psql('postgres', q(SELECT count(*) FROM tags WHERE before = 'right' AND said = 'right')), @roots * @bits, 'all were read, and appended to')
  or diag($node->safe_psql('postgres', q(SELECT * FROM tags WHERE before <> 'right' OR said <> 'right')));
is($node->safe_psql('postgres', q(SELECT * FROM tags WHERE after <> before)), '', 'no block of a root was taken because of its tag');

# Columns' widths in the metapage, which no check covers: what cannot be one is not
# believed, and the next segment begins anew.
$node->safe_psql('postgres', q(
	CREATE FUNCTION width(q text) RETURNS int LANGUAGE plpgsql AS $$
	DECLARE j json; BEGIN EXECUTE 'EXPLAIN (FORMAT json) ' || q INTO j; RETURN j->0->'Plan'->>'Plan Width'; END $$;
	CREATE TABLE widths (nvalues bytea, mean bytea, known int, mended int);
	CREATE PROCEDURE try_width(nvalues bytea, mean bytea) LANGUAGE plpgsql AS $$
	DECLARE t widths;
	BEGIN
		TRUNCATE damaged;
		COMMIT;
		-- behind the page's header, of the fourth column; and all rows' widths are known
		PERFORM put(pg_relation_filepath('damaged'), (SELECT overlay(overlay(d placing nvalues || mean from 24 + 4720 + 3 * 8 + 1)
			placing '\xffffffff00000000' from 24 + 5744 + 1) FROM f));
		COMMIT;
		t.nvalues := nvalues;
		t.mean := mean;
		t.known := width('SELECT t FROM damaged');
		COMMIT;
		INSERT INTO damaged (t) SELECT repeat('x', 71) FROM generate_series(1, 20000);
		COMMIT;
		PERFORM ledger.seal('damaged');
		t.mended := width('SELECT t FROM damaged');
		INSERT INTO widths VALUES (t.*);
		COMMIT;
	END $$));
my %float = (one => '0000803f', negative => '000080bf', zero => '00000000', nan => '0000c07f', infinity => '0000807f', huge => 'caf24971', tiny => '01000000', ten => '00002041');
foreach my $nvalues (sort keys %float)
{
	$node->safe_psql('postgres', "CALL try_width('\\x$float{$nvalues}', '\\x$float{$_}')") foreach sort keys %float;
}
is($node->safe_psql('postgres', "SELECT known FROM widths WHERE nvalues = '\\x$float{one}' AND mean = '\\x$float{ten}'"), '10', 'a width that can be one is believed');
is($node->safe_psql('postgres', "SELECT count(*) FROM widths"), '64', 'all were tried');
is($node->safe_psql('postgres', "SELECT * FROM widths WHERE known NOT IN (1, 10, 32)"), '', 'others are not');
is($node->safe_psql('postgres', "SELECT * FROM widths WHERE mended NOT BETWEEN 66 AND 72"), '', 'and are mended');

# Where a segment's directory of columns is damaged, its widths are not noted, but
# what has been loaded is settled.
$node->safe_psql('postgres', q(
	DO $$ BEGIN
		EXECUTE (SELECT 'CREATE TABLE wide (' || string_agg('c' || c || ' text', ',') || ') USING ledger' FROM generate_series(1, 300) c);
		EXECUTE (SELECT 'INSERT INTO wide SELECT ' || string_agg('g::text', ',') || ' FROM generate_series(1, 3000) g' FROM generate_series(1, 300) c);
	END $$));
$node->safe_psql('postgres', q(
	CHECKPOINT;
	CREATE TABLE w AS SELECT pg_read_binary_file(pg_relation_filepath('wide')) AS d;
	CREATE TABLE wide_damaged (LIKE wide) USING ledger;
	CREATE TABLE settled (block int, outcome text, message text, detail text);
	CREATE PROCEDURE try_settle(b int) LANGUAGE plpgsql AS $$
	DECLARE r record;
	BEGIN
		TRUNCATE wide_damaged;
		COMMIT;
		PERFORM put(pg_relation_filepath('wide_damaged'), (SELECT overlay(d placing decode(repeat('5a', 8000), 'hex') from b * 8192 + 24 + 1) FROM w));
		COMMIT;
		r := outcome('SELECT (ledger.seal(''wide_damaged'') >= 0)::text', 'true');
		INSERT INTO settled VALUES (b, r.outcome, r.message, r.detail);
		COMMIT;
	END $$));
my @streams = split / /, $node->safe_psql('postgres', q(SELECT string_agg(b::text, ' ') FROM w, generate_series(0, length(d) / 8192 - 1) b WHERE get_byte(d, b * 8192 + 8168 + 3) = 7));
cmp_ok(scalar @streams, '>', 5, 'there are data blocks');
my $warned = 0;
foreach my $block (@streams)
{
	my ($ret, $out, $err) = $node->psql('postgres', "CALL try_settle($block)");
	$warned++ if $err =~ /WARNING:  could not note the columns' widths of a segment of ledger "wide_damaged"/;
}
cmp_ok($warned, '>', 0, 'directories were damaged');
is($node->safe_psql('postgres', q(SELECT * FROM settled WHERE outcome <> 'right')), '', 'loads are settled all the same');

diag($node->safe_psql('postgres', q(SELECT format('%s results; on tail pages %s wrong answers, elsewhere %s', count(*),
	count(*) FILTER (WHERE outcome = 'WRONG' AND block IN (SELECT block FROM tails)), count(*) FILTER (WHERE outcome = 'WRONG' AND block NOT IN (SELECT block FROM tails))) FROM results)));
$node->stop;
done_testing();
