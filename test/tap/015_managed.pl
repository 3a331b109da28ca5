# Managed ledgers: what maintenance does, by a call and by workers; what it must
# not do; dump and restore; a crash; appends while partitions come and go.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes;

my $node = ledger_node('managed', conf => "autovacuum = off\n");

sub sql { return $node->safe_psql('postgres', $_[0]) }

# That a command ends well, and without failed transactions; else, what it says.
sub succeeds
{
	my ($command, $name) = @_;
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres');
	my ($out, $err) = PostgreSQL::Test::Utils::run_command($command);
	my $rc = $?;

	ok($rc == 0 && $out !~ /failed transactions: [1-9]/, $name) or diag("exit code $rc\n$out\n$err");
}

# The same rows in heap and ledger, over 30 days, by small transactions: thin segments.
sql(q(
	CREATE TABLE h (id int, ts timestamptz NOT NULL, v text) USING heap;
	CREATE TABLE m (LIKE h) PARTITION BY RANGE (ts);
	CREATE INDEX ON m (id);
	SET ledger.maintenance = off;
	SELECT ledger.manage('m', '1 day', premake => 2, seal_after => '0', max_past => '60 days')));
my $now = sql('SELECT now()');
sub fill
{
	my ($from, $to, $days) = @_;

	sql("SET ledger.maintenance = off;
		INSERT INTO h SELECT g, timestamptz '$now' - (g % $days) * interval '1 day', 'v' || g FROM generate_series($from, $to) g;
		SELECT ledger.append('m', array_agg(ROW(id, ts, v) ORDER BY id)) FROM h WHERE id BETWEEN $from AND $to");
}
sub same { return sql('SELECT count(*) FROM (TABLE h EXCEPT ALL TABLE m) a') . '/' . sql('SELECT count(*) FROM m') . '/' . sql('SELECT count(*) FROM h') }
fill($_ * 1000 + 1, ($_ + 1) * 1000, 3) for 0 .. 19;
is(same(), '0/20000/20000', 'appended');

# In a transaction block, in a function: a clear error.
my ($ret, $out, $err) = $node->psql('postgres', 'BEGIN; CALL ledger.maintain(); COMMIT');
like($err, qr/ledger\.maintain\(\) cannot run inside a transaction block/, 'not in a transaction block');
($ret, $out, $err) = $node->psql('postgres', q(DO $$ BEGIN EXECUTE 'CALL ledger.maintain()'; END $$));
like($err, qr/cannot run inside a transaction block/, 'nor where it cannot commit');
($ret, $out, $err) = $node->psql('postgres', 'SET ledger.maintenance = off; CALL ledger.maintain()');
like($err, qr/NOTICE:  nothing was done/, 'off');
is(sql('SELECT sum(tail_entries) FROM ledger.partitions'), '20000', 'and nothing was done');

# Sealed in small parts: then one segment a past leaf, and no more room than needed.
sql(q(SELECT ledger.seal('m')));
for my $i (20 .. 29)
{
	fill($i * 1000 + 1, ($i + 1) * 1000, 3);
	sql(q(SELECT ledger.seal('m')));
}
cmp_ok(sql(q(SELECT max(n) FROM (SELECT count(*) AS n FROM ledger.segments('m') GROUP BY relation) s)), '>', 5, 'thin segments');
my $before = sql('SELECT sum(stored_bytes) FROM ledger.partitions');
($ret, $out, $err) = $node->psql('postgres', 'CALL ledger.maintain()');
is("$ret$err", '0', 'maintained');
is(same(), '0/30000/30000', 'the same rows');
is(sql(q(SELECT string_agg(n::text, ',') FROM (SELECT count(*) AS n FROM ledger.segments('m') s JOIN ledger.partitions p ON p.partition = s.relation WHERE upper(p.range) <= now() GROUP BY relation) s)), '1,1', 'past leaves have one segment each');
cmp_ok(sql('SELECT sum(stored_bytes) FROM ledger.partitions'), '<', $before, 'and are smaller');
is(sql('SET enable_seqscan = off; SELECT count(*), sum(id) FROM m WHERE id IN (1, 17, 20500, 29999, 30001)'), '4|50517', 'indexes hold');
like(sql(q(SELECT string_agg(DISTINCT action, ',' ORDER BY action) FROM ledger.activity)), qr/merged.*partition made ahead.*space given back/s, 'told in ledger.activity');
is(sql('SELECT partitions, entries FROM ledger.ledgers'), '5|30000', 'shown in ledger.ledgers');
is(sql("SELECT compression FROM ledger.ledgers"), 'lz4', 'with the compression');
sql("SELECT ledger.set_option('m', 'compression', 'none')");
is(sql("SELECT newest = timestamptz '$now' AND oldest <= timestamptz '$now' - interval '2 days' FROM ledger.ledgers"), 't', 'with the oldest and newest entry');

# Again there is nothing to do.
my $done = sql('SELECT count(*) FROM ledger.activity');
sql('CALL ledger.maintain()');
is(sql('SELECT count(*) FROM ledger.activity'), $done, 'nothing to do');

# Sealed by maintenance; and there after a crash.
fill(30001, 31000, 3);
sql(q(CALL ledger.maintain()));
is(sql('SELECT sum(tail_entries) FROM ledger.partitions'), '333', 'sealed in past leaves; the present one has too few rows');
is(sql(q(SELECT count(*) FROM ledger.activity WHERE action = 'sealed')), '2', 'which is told');
$node->stop('immediate');
$node->start;
is(same(), '0/31000/31000', 'after a crash');
is(sql(q(SELECT (SELECT compression FROM ledger.ledgers) || ' ' || string_agg(DISTINCT compression, ',') FROM ledger.stats('m'))), 'none none', 'with the option');


# Retention: a tenth or two a run; only what is older than the newest entry less
# retention; leaves that somebody has detached are not touched.
sql(q(
	CREATE TABLE r (id int, ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
	SET ledger.maintenance = off;
	SELECT ledger.manage('r', '1 day', premake => 1, max_past => '60 days');
	SELECT ledger.append('r', array_agg(ROW(g, now() - g * interval '1 day'))) FROM generate_series(3, 32) g));
is(sql('SELECT count(*) FROM r'), '30', 'thirty days');
sql(q(SET ledger.maintenance = off; SELECT ledger.manage('r', '1 day', premake => 1, retention => '10 days', max_past => '60 days')));
my $leaves = sql(q(SELECT count(*) FROM pg_inherits WHERE inhparent = 'r'::regclass));
my $kept = sql(q(SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'r'::regclass ORDER BY c.relname LIMIT 1));
sql("ALTER TABLE r DETACH PARTITION $kept");
sql(q(CALL ledger.maintain('r')));
is(sql(q(SELECT count(*) FROM pg_inherits WHERE inhparent = 'r'::regclass)), $leaves - 1 - 3, 'a tenth');
sql(q(CALL ledger.maintain('r'))) for 1 .. 12;
is(sql('SELECT min(id), max(id), count(*) FROM r'), '3|13|11', 'counted from the newest entry') or diag(sql('TABLE ledger.activity'));
is(sql("SELECT count(*) FROM $kept"), '1', 'what was detached is kept');
($ret, $out, $err) = $node->psql('postgres', q(SET ledger.maintenance = off; SELECT ledger.append('r', ROW(99, now() - interval '11 days'))));
like($err, qr/ledger "r" takes no entry of .*\n.*It is older than the ledger's retention/s, 'older than retention');

# A report on another partition: the leaf is emptied at once, dropped when the report has ended.
sql(q(SET ledger.maintenance = off; SELECT ledger.append('r', ARRAY[ROW(0, now()), ROW(1, now() - interval '1 day')])));
my $report = start_report();

sub start_report
{
	my ($in, $out) = ('', '');
	my $h = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, IPC::Run::timeout(60));
	$in .= "BEGIN; SELECT count(*) FROM r WHERE ts > '" . sql("SELECT now() - interval '2 days'") . "'; SELECT 'reading';\n";
	IPC::Run::pump($h) until $out =~ /reading/;
	return { h => $h, in => \$in, out => \$out };
}
($ret, $out, $err) = $node->psql('postgres', q(CALL ledger.maintain('r')));
like($err, qr/skipped a step/, 'skipped and told');
is(sql(q(SELECT count(*) FROM ledger.activity WHERE ledger = 'r'::regclass AND action = 'skipped')) > 0, 1, 'in ledger.activity, too');
is(sql('SELECT max(id) FROM r'), '11', 'but the expired ones are empty');
is(sql(q(SET ledger.maintenance = off; SELECT ledger.append('r', ROW(2, now())))), '1', 'appends go on');
${ $report->{in} } .= "COMMIT;\n\\q\n";
$report->{h}->finish;
$leaves = sql(q(SELECT count(*) FROM pg_inherits WHERE inhparent = 'r'::regclass));
sql(q(CALL ledger.maintain('r')));
cmp_ok(sql(q(SELECT count(*) FROM pg_inherits WHERE inhparent = 'r'::regclass)), '<', $leaves, 'dropped when it has ended');

# Two retentions under LIST: each branch drops its own.
sql(q(
	CREATE TABLE tree (kind text NOT NULL, ts timestamptz NOT NULL) PARTITION BY LIST (kind);
	CREATE TABLE tree_http PARTITION OF tree FOR VALUES IN ('http') PARTITION BY RANGE (ts);
	CREATE TABLE tree_event PARTITION OF tree FOR VALUES IN ('event') PARTITION BY RANGE (ts);
	SET ledger.maintenance = off;
	SELECT ledger.manage('tree', '1 day', 0, max_past => '60 days');
	SELECT ledger.append('tree', array_agg(ROW(k, now() - g * interval '1 day'))) FROM generate_series(0, 12) g, unnest(ARRAY['http', 'event']) k;
	SELECT ledger.manage('tree', '1 day', 0, retention => '10 days', max_past => '60 days');
	SELECT ledger.manage('tree_http', '1 day', 0, retention => '3 days')));
sql('CALL ledger.maintain()') for 1 .. 6;
is(sql(q(SELECT string_agg(kind || n, ' ' ORDER BY kind) FROM (SELECT kind, count(*) AS n FROM tree GROUP BY kind) k)), 'event11 http4', 'two retentions');
is(sql(q(SELECT string_agg(ledger || ' ' || partitions, ', ' ORDER BY ledger::text) FROM ledger.ledgers WHERE ledger::text LIKE 'tree%')), 'tree 11, tree_http 4', 'each leaf under its own settings');

# A storm of appends into partitions that are not there yet: none fails.
sql(q(CREATE TABLE storm (id int, ts timestamptz NOT NULL) PARTITION BY RANGE (ts); CREATE INDEX ON storm (id);
	SELECT ledger.manage('storm', '1 hour', 1)));
my $script = PostgreSQL::Test::Utils::tempdir() . '/storm.sql';
spew_raw($script, "\\set h random(0, 59)\nSELECT ledger.append('storm', ARRAY[ROW(:client_id, now() - :h * interval '1 hour'), ROW(-1, now() - (:h + 1) * interval '1 hour')]);\n");
succeeds([ 'pgbench', '-n', '-c', 8, '-j', 2, '-t', 100, '-f', $script ], 'a storm');
is(sql('SELECT count(*), count(*) FILTER (WHERE id >= 0) FROM storm'), '1600|800', 'all are stored')
	or diag(sql('SELECT tableoid::regclass, count(*), count(*) FILTER (WHERE id >= 0), min(ts), max(ts) FROM storm GROUP BY 1 ORDER BY 1'),
		"\n", sql(q(SELECT p.partition, p.range, p.entries FROM ledger.partitions p WHERE ledger = 'storm'::regclass ORDER BY 1)));
is(sql(q(SELECT count(*) - count(DISTINCT range) FROM ledger.partitions WHERE ledger = 'storm'::regclass)), '0', 'once each');
cmp_ok(sql(q(SELECT count(*) FROM ledger.partitions WHERE ledger = 'storm'::regclass)), '<=', 64, 'no more than needed');

# Two branches whose partitions would have the same name, at the same time.
my $long = 'a_name_that_is_so_long_that_what_tells_them_apart_has_to_be_cut';
sql(qq(CREATE TABLE twins (k int, ts timestamptz NOT NULL) PARTITION BY LIST (k);
	CREATE TABLE ${long}_1 PARTITION OF twins FOR VALUES IN (1) PARTITION BY RANGE (ts);
	ALTER TABLE ${long} RENAME TO x_1; ALTER TABLE x_1 RENAME TO "${\ substr($long, 0, 62)}1";
	CREATE TABLE "${\ substr($long, 0, 62)}2" PARTITION OF twins FOR VALUES IN (2) PARTITION BY RANGE (ts);
	SET ledger.maintenance = off;
	SELECT ledger.manage('twins', '1 day', 0)));
my $twin = LedgerSession->new($node);
$twin->query("SET ledger.maintenance = off; BEGIN; SELECT ledger.append('twins', ROW(1, now() - interval '4 days'))");
my $other = LedgerSession->new($node);
$other->send("SET ledger.maintenance = off; SELECT ledger.append('twins', ROW(2, now() - interval '4 days'))");
Time::HiRes::usleep(500_000);
$twin->query('COMMIT');
$other->query('SELECT 1');
is($other->{error}, '', 'partitions of the same name at the same time');
is(sql('SELECT count(*), count(DISTINCT tableoid) FROM twins'), '2|2', 'have two names');

# A rule that asks for a value out of turn does not make a good entry a bad one.
sql(q(CREATE TABLE ruled (ok boolean, id int CHECK (id < 100)) USING ledger; CREATE TABLE aside (id int);
	CREATE RULE r AS ON INSERT TO ruled WHERE NEW.ok DO ALSO INSERT INTO aside VALUES (NEW.id)));
is(sql(q(SELECT ledger.append_json('ruled', jsonb_agg(jsonb_build_object('ok', g % 3 = 0, 'id', CASE WHEN g = 40 THEN 1000 ELSE g END)), on_error => 'divert') FROM generate_series(1, 60) g)), '59', 'one is bad');
is(sql(q(SELECT entry FROM ledger.rejected WHERE ledger = 'ruled'::regclass)), '{"id": 1000, "ok": false}', 'the right one');

# source and batch: each batch is stored once, however often the server dies and
# the batch is sent again.
sql('CREATE TABLE shipped (batch int, i int) USING ledger');
for my $batch (1 .. 30)
{
	my $rows = join "\n", map { "{\"batch\":$batch,\"i\":$_}" } 1 .. 7;
	my $send = "SELECT ledger.append_ndjson('shipped', '$rows', source => 'shipper', batch => $batch)";
	if ($batch % 6 == 0)
	{
		# it may or may not have been stored
		my $session = LedgerSession->new($node);
		$session->query('SELECT 1');
		$session->send($send);
		Time::HiRes::usleep(200 * $batch);
		kill_all($node);
		$session->quit;
		$node->start;
	}
	my $n = sql($send);
	$n = sql($send) + $n if $batch % 4 == 0;
	cmp_ok($n, '<=', 7, "batch $batch") if $batch % 6 == 0;
}
is(sql('SELECT count(*), count(DISTINCT (batch, i)) FROM shipped'), '210|210', 'each batch once');

# While a partition is being detached, concurrently, it takes no rows, and no other
# can be made in its place: an error, not an endless attempt.
sql(q(
	CREATE TABLE leaving (id int, ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
	SET ledger.maintenance = off;
	SELECT ledger.manage('leaving', '1 day', 0);
	SELECT ledger.append('leaving', ROW(1, now() - interval '3 days'))));
my $leaf = sql('SELECT tableoid::regclass FROM leaving');
my $holder = LedgerSession->new($node);
$holder->query('BEGIN; SELECT count(*) FROM leaving');
my $detacher = LedgerSession->new($node);
$detacher->send("ALTER TABLE leaving DETACH PARTITION $leaf CONCURRENTLY");
$node->poll_query_until('postgres', 'SELECT bool_or(inhdetachpending) FROM pg_inherits') or die;
foreach my $how ("ledger.append('leaving', ROW(2, now() - interval '3 days'))", "ledger.append_json('leaving', jsonb_build_object('id', 2, 'ts', now() - interval '3 days'), on_error => 'skip')")
{
	($ret, $out, $err) = $node->psql('postgres', "SET ledger.maintenance = off; SET statement_timeout = '20s'; SELECT $how");
	like($err, qr/cannot make a partition of relation "leaving".*is being detached/s, 'being detached');
}
$holder->query('COMMIT');
$detacher->query('SELECT 1');
is(sql("SET ledger.maintenance = off; SELECT ledger.append('leaving', ROW(2, now() - interval '3 days'))"), '1', 'detached');
is(sql("SELECT (SELECT count(*) FROM leaving) || ' ' || (SELECT count(*) FROM $leaf)"), '1 1', 'and kept');

# An error that only looks like that of a missing partition is an error.
sql(q(
	CREATE FUNCTION trick(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
		IF $1 = 'trick' THEN RAISE EXCEPTION USING ERRCODE = '23514', SCHEMA = 'public', TABLE = 'tricky_a', MESSAGE = 'tricked'; END IF;
		RETURN $1; END $$;
	CREATE TABLE tricky (kind text, ts timestamptz NOT NULL) PARTITION BY LIST (trick(kind));
	CREATE TABLE tricky_a PARTITION OF tricky FOR VALUES IN ('a') PARTITION BY RANGE (ts);
	SET ledger.maintenance = off;
	SELECT ledger.manage('tricky', '1 day', 0)));
($ret, $out, $err) = $node->psql('postgres', q(SET ledger.maintenance = off; SELECT ledger.append('tricky', ARRAY[ROW('a', now() - interval '2 days'), ROW('trick', now())])));
like($err, qr/tricked/, 'an error of a function in the partition key');
is(sql(q(SET ledger.maintenance = off; SELECT ledger.append('tricky', ROW('a', now() - interval '2 days')))), '1', 'and a real one');
# nor one of an INSERT that such a function does, as somebody else
sql(q(
	CREATE ROLE trickster;
	CREATE FUNCTION do_it() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO tricky_a VALUES ('a', now() - interval '5 days'); END $$;
	CREATE OR REPLACE FUNCTION trick(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
		IF $1 = 'trick' THEN PERFORM do_it(); END IF;
		RETURN $1; END $$;
	GRANT INSERT ON tricky TO trickster;
	GRANT CREATE ON SCHEMA public TO trickster));
foreach my $trigger ('', 'CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; CREATE TRIGGER nothing BEFORE INSERT ON tricky FOR EACH ROW EXECUTE FUNCTION nothing()')
{
	sql($trigger) if $trigger;
	($ret, $out, $err) = $node->psql('postgres', q(SET ledger.maintenance = off; SET ROLE trickster; BEGIN; SELECT ledger.append('tricky', ARRAY[ROW('trick', now() - interval '5 days')]); SELECT 'I am ' || current_user));
	like($err, qr/no partition of relation "tricky_a" found for row.*do_it/s, 'an error of an INSERT in the partition key');
	unlike($out, qr/I am/, 'which aborts the transaction');
}

# Who looks at the views, or maintains, does not run what owners have put into
# partition keys, and is not stopped by it; nor by other odd things of theirs.
sql(q(
	CREATE ROLE sly;
	CREATE SCHEMA of_sly AUTHORIZATION sly;
	CREATE TABLE seen_as (who name, at timestamptz DEFAULT now());
	GRANT INSERT ON seen_as TO PUBLIC;
	SET ROLE sly;
	CREATE FUNCTION of_sly.put() RETURNS void LANGUAGE sql AS $$ INSERT INTO public.seen_as VALUES (current_user) $$;
	CREATE FUNCTION of_sly.look(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM of_sly.put(); RETURN $1; END $$;
	CREATE TABLE of_sly.t (kind text, ts timestamptz NOT NULL) PARTITION BY LIST ((kind || of_sly.look('x')));
	CREATE TABLE of_sly.t_a PARTITION OF of_sly.t FOR VALUES IN ('ax') PARTITION BY RANGE (ts);
	CREATE TABLE of_sly.later (day date NOT NULL) PARTITION BY RANGE (day);
	CREATE TABLE of_sly.latest PARTITION OF of_sly.later FOR VALUES FROM ('300000-01-01') TO ('5000000-01-01');
	));
sql(q(SET ROLE sly; SET ledger.maintenance = off; SELECT ledger.manage('of_sly.t', '1 day', 0), ledger.manage('of_sly.later', '1 day', 0)));
my $others = q(SELECT md5(string_agg(p::text, ' ' ORDER BY partition)) FROM ledger.partitions p WHERE ledger::text !~ 'of_sly');
my $seen = sql($others);
sql('TRUNCATE seen_as');
sql('SELECT count(*) FROM ledger.partitions; SELECT count(*) FROM ledger.ledgers; SELECT count(*) FROM ledger.sealing');
is(sql(q(SELECT count(*) FROM seen_as)), '0', 'the views do not ask for it');
sql('CALL ledger.maintain()');
is(sql(q(SELECT string_agg(DISTINCT who::text, ',') FROM seen_as WHERE who <> 'sly')), '', 'maintenance at most as the owner');
sql(q(CREATE OR REPLACE FUNCTION of_sly.look(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION 'go away'; END $$));
is(sql($others), $seen, 'and does not fail by it');
is(sql(q(SELECT count(*), count(range), count(entries) FROM ledger.partitions WHERE ledger = 'of_sly.t'::regclass)), '1|1|1', 'not even here');
is(sql(q(SELECT ledger, partitions FROM ledger.ledgers WHERE ledger::text ~ 'of_sly' ORDER BY ledger::text)), "of_sly.later|2\nof_sly.t|1", 'which is counted');
is(sql('SELECT count(*) FROM ledger.sealing WHERE ledger::text ~ \'of_sly\''), '0', 'nothing to seal');
sql(q(SET TimeZone = 'Pacific/Auckland'; SELECT count(p::text) FROM ledger.partitions p));
sql(q(UPDATE ledger.managed SET premake = 1 WHERE relation = 'of_sly.t'::regclass));
($ret, $out, $err) = $node->psql('postgres', 'CALL ledger.maintain()');
is($ret, 0, 'maintenance goes on');
like($err, qr/maintenance of "t_a" failed in a step: go away/, 'where the owner lets it');
unlike($err, qr/maintenance of "(?!t_a")/, 'and elsewhere');
# another order than the type's own
sql(q(
	CREATE FUNCTION backwards(timestamptz, timestamptz) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT timestamptz_cmp($2, $1) $$;
	CREATE OPERATOR CLASS backwards FOR TYPE timestamptz USING btree AS
		OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 backwards(timestamptz, timestamptz);
	CREATE TABLE backward (ts timestamptz NOT NULL) PARTITION BY RANGE (ts backwards)));
($ret, $out, $err) = $node->psql('postgres', q(SELECT ledger.manage('backward', '1 day')));
like($err, qr/cannot manage "backward"/, 'by an order of its own');
sql(q(SELECT ledger.unmanage('of_sly.t'), ledger.unmanage('of_sly.later'); DROP TABLE backward; DROP SCHEMA of_sly CASCADE));

# A partition that cannot be made is not the fault of the entry that needs it.
sql(q(
	CREATE ROLE poor;
	CREATE SCHEMA of_poor;
	GRANT ALL ON SCHEMA of_poor TO poor;
	CREATE TABLE of_poor.t (id int, ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
	ALTER TABLE of_poor.t OWNER TO poor;
	SET ledger.maintenance = off;
	SELECT ledger.manage('of_poor.t', '1 day', 0);
	REVOKE CREATE ON SCHEMA of_poor FROM poor;
	CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no tables today'; END $$));
($ret, $out, $err) = $node->psql('postgres', q(SET ledger.maintenance = off; SELECT ledger.append_json('of_poor.t', jsonb_build_array(jsonb_build_object('ts', now()), jsonb_build_object('ts', now() - interval '5 days')), on_error => 'divert')));
like($err, qr/permission denied for schema of_poor/, 'no privilege');
sql('GRANT ALL ON SCHEMA of_poor TO poor; CREATE EVENT TRIGGER refuse ON ddl_command_start EXECUTE FUNCTION refuse()');
($ret, $out, $err) = $node->psql('postgres', q(SET ledger.maintenance = off; SELECT ledger.append_json('of_poor.t', jsonb_build_array(jsonb_build_object('ts', now()), jsonb_build_object('ts', now() - interval '5 days')), on_error => 'divert')));
like($err, qr/no tables today/, 'an event trigger');
sql('DROP EVENT TRIGGER refuse');
is(sql(q(SET ledger.maintenance = off; SELECT ledger.append_json('of_poor.t', jsonb_build_array(jsonb_build_object('ts', now()), jsonb_build_object('ts', now() - interval '5 days')), on_error => 'divert'))), '2', 'and then');
is(sql(q(SELECT count(*) FROM ledger.rejected WHERE ledger = 'of_poor.t'::regclass)), '0', 'none was turned away');

# Rows of ledger.managed that are not to be heeded.
sql(q(
	CREATE ROLE other;
	CREATE TABLE gone (ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
	CREATE TABLE given (ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
	SET ledger.maintenance = off;
	SELECT ledger.manage('gone', '1 day', 0), ledger.manage('given', '1 day', 0);
	UPDATE ledger.managed SET premake = 5 WHERE relation = 'given'::regclass;
	DROP TABLE gone;
	ALTER TABLE given OWNER TO other));
sql('CALL ledger.maintain()');
is(sql(q(SELECT count(*) FROM pg_inherits WHERE inhparent = 'given'::regclass)), '1', 'of another owner: ignored');
is(sql(q(SELECT count(*), count(DISTINCT detail) FROM ledger.activity WHERE action = 'ignored')), '2|2', 'and reported');

# Who owns nothing maintains nothing; an owner what is his.
sql(q(GRANT CREATE ON SCHEMA public TO other));
sql(q(SET ROLE other; SELECT ledger.manage('given', '1 day', 3)));
($ret, $out, $err) = $node->psql('postgres', q(SET ROLE other; CALL ledger.maintain('m')));
like($err, qr/must be owner of/, 'not the owner');
sql(q(UPDATE ledger.managed SET premake = 6 WHERE relation = 'given'::regclass));
sql(q(SET ROLE other; CALL ledger.maintain()));
is(sql(q(SELECT count(*) FROM pg_inherits WHERE inhparent = 'given'::regclass)), '7', 'the owner');
is(sql(q(SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE inhparent = 'given'::regclass AND pg_get_userbyid(relowner) = 'other')), '6', 'as the owner');

# Dump and restore into a new database: the settings come along, and maintenance
# drops nothing that it should not.
my $dir = PostgreSQL::Test::Utils::tempdir();
succeeds([ 'pg_dump', '-Fc', '-f', "$dir/dump" ], 'dumped');
sql('CREATE DATABASE restored');
succeeds([ 'pg_restore', '-d', 'restored', '-e', "$dir/dump" ], 'restored');
my $list = q(SELECT relation, owner, partition_interval, premake, retention FROM ledger.managed WHERE relation IN (SELECT oid FROM pg_class) ORDER BY relation::text);
is($node->safe_psql('restored', $list), sql($list), 'settings');
is($node->safe_psql('restored', 'SELECT count(*), sum(id) FROM m'), sql('SELECT count(*), sum(id) FROM m'), 'rows');
$node->safe_psql('restored', 'CALL ledger.maintain()');
is($node->safe_psql('restored', 'SELECT count(*), sum(id) FROM m'), sql('SELECT count(*), sum(id) FROM m'), 'rows after maintenance');
is($node->safe_psql('restored', 'SELECT count(*), sum(id) FROM r'), sql('SELECT count(*), sum(id) FROM r'), 'where there is retention, too');
$node->safe_psql('postgres', 'DROP DATABASE restored');

# Without a launcher: who first writes into the newest partition has more made.
sql(q(
	CREATE TABLE w (id int, ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
	SET ledger.maintenance = off;
	SELECT ledger.manage('w', '1 day', premake => 0);
	UPDATE ledger.managed SET premake = 3 WHERE relation = 'w'::regclass));
sql('INSERT INTO w VALUES (1, now())');
$node->poll_query_until('postgres', q(SELECT count(*) = 4 FROM pg_inherits WHERE inhparent = 'w'::regclass)) or die 'no worker made partitions';
pass('a worker makes partitions');
$node->poll_query_until('postgres', q(SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'ledger maintenance')) or die 'the worker stays';
pass('and goes');
is(sql(q(SELECT count(*) FROM ledger.maintained WHERE at > now() - interval '1 minute')), '1', 'having noted that it is done');
# one that is not due to do anything: of another owner's making, in a schema called ledger
sql('CREATE DATABASE fake');
$node->safe_psql('fake', 'CREATE SCHEMA ledger; CREATE TABLE ledger.maintained (one int); CREATE TABLE ledger.managed (a int, b int, c int, d int, e int, f int, g int, h int); INSERT INTO ledger.managed VALUES (1, 2, 3, 4, 5, 6, 7, 8)');

# With one: by itself, and only where it is to.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'ledger'\nledger.maintenance_databases = 'postgres, fake'\n");
sql(q(UPDATE ledger.managed SET premake = 5 WHERE relation = 'w'::regclass));
# a step that fails does not keep the worker from the others
sql(q(CREATE TABLE broken (ts timestamptz NOT NULL) PARTITION BY RANGE (ts); SELECT ledger.manage('broken', '1 day', 0);
	CREATE TABLE broken_rest PARTITION OF broken DEFAULT; INSERT INTO broken VALUES (now() + interval '1 day');
	UPDATE ledger.managed SET premake = 2 WHERE relation = 'broken'::regclass;
	DELETE FROM ledger.managed WHERE relation = 'w'::regclass; SELECT ledger.manage('w', '1 day', 3); UPDATE ledger.managed SET premake = 5 WHERE relation = 'w'::regclass));
$node->restart;
$node->poll_query_until('postgres', q(SELECT count(*) = 6 FROM pg_inherits WHERE inhparent = 'w'::regclass)) or die 'the launcher had no partitions made';
pass('the launcher has partitions made');
is(sql(q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'ledger launcher')), '1', 'and stays');
is(sql(q(SELECT count(*) FROM ledger.activity WHERE ledger = 'broken'::regclass AND action = 'failed')), '1', 'what fails is told');
sql('CREATE DATABASE unwanted');
sql('DROP DATABASE unwanted');
$node->stop;
my $log = slurp_file($node->logfile);
unlike($log, qr/ledger maintenance.*(?:ERROR|FATAL)|(?:ERROR|FATAL).*snapshot or portal/, 'no worker failed');
unlike($log, qr/PANIC|TRAP|was terminated by signal (?!9)/, 'no crash');
done_testing();
