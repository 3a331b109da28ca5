# Storms of appends across midnights, by the clock that the entries give, into
# partitions that are not there; and retention while others append and read.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = ledger_node('clock', conf => "autovacuum = off\n");
my $dir = PostgreSQL::Test::Utils::tempdir();

sub sql { return $node->safe_psql('postgres', $_[0]) }

# Rows of a and not of b, of b and not of a, and how many b has
sub compare
{
	my ($a, $b) = @_;
	return sql("SELECT (SELECT count(*) FROM ($a EXCEPT ALL $b) d), (SELECT count(*) FROM ($b EXCEPT ALL $a) d), (SELECT count(*) FROM ($b) b)");
}

# Each client's clock goes the same way, an entry and a batch at each tick, so
# that all come to a midnight, or a full hour, at about the same time.
my $clients = 8;
my $ticks = 150;
foreach my $case ([ 'days', '1 day', '1 hour', 'simple' ], [ 'hours', '1 hour', '20 minutes', 'prepared' ])
{
	my ($table, $interval, $tick, $mode) = @$case;
	my $base = sql(q(SELECT date_trunc('day', now(), 'UTC') - interval '15 days 90 minutes'));
	my $at = "timestamptz '$base' + :i * interval '$tick'";
	sql("CREATE TABLE $table (id int, ts timestamptz NOT NULL, v text) PARTITION BY RANGE (ts);
		CREATE INDEX ON $table (id);
		SELECT ledger.manage('$table', '$interval', premake => 0)");
	spew_raw("$dir/$table.sql", <<"SQL");
\\set i :i + 1
\\set id :client_id * 100000 + :i * 10
SELECT ledger.append('$table', ROW(:id::int, $at, 'single'));
SELECT ledger.append('$table', ARRAY[ROW(:id::int + 1, $at + interval '$tick' / 2, 'batch'), ROW(:id::int + 2, $at - interval '$tick', 'batch'), ROW(:id::int + 3, $at + interval '$tick', 'batch')]);
SQL
	$node->command_checks_all(
		[ 'pgbench', '-n', '-M', $mode, '-c', $clients, '-j', 2, '-t', $ticks, '-D', 'i=0', '-f', "$dir/$table.sql", 'postgres' ],
		0, [ qr/number of transactions actually processed: ${\ ($clients * $ticks)}\// ], [ qr/^(?!.*(ERROR|aborted))/s ], "a storm over $table");
	sql("CREATE TABLE h_$table AS
		SELECT c * 100000 + i * 10 + k AS id, timestamptz '$base' + i * interval '$tick' + (ARRAY[0, 0.5, -1, 1])[k + 1] * interval '$tick' AS ts, CASE k WHEN 0 THEN 'single' ELSE 'batch' END AS v
		FROM generate_series(0, $clients - 1) c, generate_series(1, $ticks) i, generate_series(0, 3) k");
	is(compare("TABLE h_$table", "TABLE $table"), '0|0|' . $clients * $ticks * 4, 'the rows that heap has');
	my $unit = $table eq 'days' ? 'day' : 'hour';
	is(sql("SELECT count(DISTINCT tableoid) - count(DISTINCT date_trunc('$unit', ts, 'UTC')), count(DISTINCT tableoid) > 6 FROM $table"), '0|t', "a partition for each of the $table");
	is(sql("SELECT count(*) FROM (SELECT tableoid FROM $table GROUP BY tableoid HAVING min(date_trunc('$unit', ts, 'UTC')) <> max(date_trunc('$unit', ts, 'UTC'))) x"), '0', 'with its entries');
	is(sql("SELECT count(*) FROM ledger.activity WHERE ledger = '$table'::regclass AND action IN ('failed', 'ignored')"), '0', 'and nothing failed');
	is(sql("SET enable_seqscan = off; SELECT count(*) FROM $table a JOIN h_$table b USING (id, ts, v)"), $clients * $ticks * 4, 'by index');
}

# A batch that fails in its last entry leaves nothing, nor the partitions that it
# has made before.
my $all = sql(q(SELECT count(*), (SELECT count(*) FROM pg_inherits), (SELECT count(*) FROM ledger.activity) FROM days));
my ($ret, $out, $err) = $node->psql('postgres', q(SET ledger.maintenance = off; SELECT ledger.append_json('days', jsonb_agg(jsonb_build_object('id', g, 'ts', CASE WHEN g < 100 THEN (now() - g % 5 * interval '1 day' - interval '20 days')::text ELSE 'never' END))) FROM generate_series(1, 100) g));
like($err, qr/invalid input syntax for type timestamp with time zone: "never".*entry 100/s, 'a batch fails in its last entry');
is(sql(q(SELECT count(*), (SELECT count(*) FROM pg_inherits), (SELECT count(*) FROM ledger.activity) FROM days)), $all, 'and leaves nothing');

# skip, divert, source and batch all at once, of clients that have the first entry
# in common; then sent again; and again after a crash.
sql(q(CREATE TABLE mixed (id int, ts timestamptz, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
	SELECT ledger.manage('mixed', '1 day', premake => 0)));
my $at = 'timestamptz ' . sql(q(SELECT quote_literal(date_trunc('day', now(), 'UTC') - interval '5 days'))) . " + :i * interval '1 hour'";
spew_raw("$dir/mixed.sql", <<"SQL");
\\set i :i + 1
SELECT ledger.append_json('mixed', jsonb_build_array(jsonb_build_object('id', :i, 'ts', $at), jsonb_build_object('id', 'bad', 'ts', $at), jsonb_build_object('id', - :client_id * 1000 - :i, 'ts', $at)),
	on_conflict => 'skip', on_error => 'divert', source => 'client ' || :client_id, batch => :i);
SQL
foreach my $time ('sent', 'sent again', 'sent after a crash')
{
	if ($time =~ /crash/)
	{
		kill_all($node);
		$node->start;
	}
	$node->command_checks_all(
		[ 'pgbench', '-n', '-c', $clients, '-j', 2, '-t', 60, '-D', 'i=0', '-f', "$dir/mixed.sql", 'postgres' ],
		0, [ qr/processed: ${\ ($clients * 60)}\// ], [ qr/^(?!.*(ERROR|aborted))/s ], "skip, divert, source and batch, $time");
	is(sql('SELECT count(*), count(*) FILTER (WHERE id > 0), count(DISTINCT id) FROM mixed'), $clients * 60 + 60 . '|60|' . ($clients * 60 + 60), 'each entry once');
	is(sql(q(SELECT count(*), count(DISTINCT entry) FROM ledger.rejected WHERE ledger = 'mixed'::regclass)), $clients * 60 . '|60', 'each bad one is in ledger.rejected');
}

# Retention, two of them, while clients append and read and a report is running.
sql(q(
	CREATE TABLE h (kind text, ts timestamptz, id int);
	CREATE TABLE tree (kind text NOT NULL, ts timestamptz NOT NULL, id int) PARTITION BY LIST (kind);
	CREATE TABLE tree_http PARTITION OF tree FOR VALUES IN ('http') PARTITION BY RANGE (ts);
	CREATE TABLE tree_event PARTITION OF tree FOR VALUES IN ('event') PARTITION BY RANGE (ts);
	CREATE INDEX ON tree (id);
	SET ledger.maintenance = off;
	SELECT ledger.manage('tree', '1 day', 0);
	INSERT INTO h SELECT k, now() - g * interval '1 hour', g FROM generate_series(0, 330) g, unnest(ARRAY['http', 'event']) k;
	SELECT ledger.append('tree', array_agg(h)) FROM h));
my $begun = sql('SELECT now()');
sql(q(SET ledger.maintenance = off;
	SELECT ledger.manage('tree', '1 day', 2, retention => '10 days');
	SELECT ledger.manage('tree_http', '1 day', 2, retention => '3 days')));
sub leaves { return sql("SELECT count(*) FROM pg_inherits WHERE inhparent = '$_[0]'::regclass") }

my $report = LedgerSession->new($node);
my $ask = q(SELECT count(*), sum(id) FROM tree WHERE kind = 'http' AND ts > ') . sql("SELECT timestamptz '$begun' - interval '2 days'") . q(');
$report->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
my $answer = $report->query($ask);
my $put = "\\sleep 10 ms\n\\set m random(0, 2000)\n\\set e random(0, 1)\nBEGIN;\nINSERT INTO h VALUES ((ARRAY['http', 'event'])[:e + 1], timestamptz '$begun' - :m * interval '1 minute', :m);\n";
my $load = load_start(
	$node, 6,
	append => [ 2, "${put}SELECT ledger.append('tree', ROW((ARRAY['http', 'event'])[:e + 1], timestamptz '$begun' - :m * interval '1 minute', :m));\nEND;\n" ],
	json => [ 2, "${put}SELECT ledger.append_json('tree', jsonb_build_object('kind', (ARRAY['http', 'event'])[:e + 1], 'ts', timestamptz '$begun' - :m * interval '1 minute', 'id', :m));\nEND;\n" ],
	insert => [ 1, "${put}INSERT INTO tree VALUES ((ARRAY['http', 'event'])[:e + 1], timestamptz '$begun' - :m * interval '1 minute', :m);\nEND;\n" ],
	read => [ 1, "\\sleep 10 ms\nSELECT 1 / (count(*) >= 48)::int FROM tree WHERE ts > timestamptz '$begun' - interval '2 days';\n" ]);
my ($http, $event) = (leaves('tree_http'), leaves('tree_event'));
my $failed = '';
sub maintain
{
	my ($ret, $out, $err) = $node->psql('postgres', 'CALL ledger.maintain()');
	# of a step that is skipped, or another who is at it, we are told
	$failed .= $err if $ret != 0 || $err =~ /failed|ERROR/;
	return $err;
}
my $told = '';
for (1 .. 12)
{
	$told .= maintain();
	last if sql(q(SELECT count(*) FROM tree WHERE kind = 'http' AND ts < date_trunc('day', now(), 'UTC') - interval '4 days')) == 0
		&& sql(q(SELECT count(*) FROM tree WHERE kind = 'event' AND ts < date_trunc('day', now(), 'UTC') - interval '11 days')) == 0;
	usleep(100_000);
}
is(sql(q(SELECT kind, count(*) FROM tree WHERE ts < date_trunc('day', now(), 'UTC') - CASE kind WHEN 'http' THEN interval '4 days' ELSE '11 days' END GROUP BY kind)), '', 'all expired partitions are emptied');
is($report->query($ask), $answer, 'the report reads what it has read');
is(leaves('tree_http') >= $http, 1, 'those beside it are not dropped');
like($told, qr/maintenance of "public\.tree_http_p\d+" skipped a step: could not obtain lock on relation "tree_http"/, 'which is told');
$report->query('COMMIT');
is($report->{error}, '', 'the report has no error');
for (1 .. 200)
{
	maintain();
	last if sql(q(SELECT count(*) FROM ledger.partitions WHERE ledger IN ('tree'::regclass, 'tree_http'::regclass)
		AND upper(range) <= now() - CASE ledger WHEN 'tree'::regclass THEN interval '10 days' ELSE '3 days' END)) == 0;
	usleep(100_000);
}
my $busy = sql('SELECT count(*) FROM h');
for (1 .. 600)
{
	last if sql('SELECT count(*) FROM h') >= $busy + 20 || !$load->{run}->pumpable;
	usleep(100_000);
}
cmp_ok(sql('SELECT count(*) FROM h'), '>=', $busy + 20, 'appends go on to the end');
my $said = load_stop($load);
unlike($said, qr/ERROR|FATAL|aborted/, 'nobody had an error') or diag($said);
is($failed, '', 'nor had maintenance');
my $kept = sub { return "SELECT * FROM h WHERE ts >= date_trunc('day', timestamptz '$_[0]', 'UTC') - CASE kind WHEN 'http' THEN interval '3 days' ELSE '10 days' END" };
my $now = sql('SELECT clock_timestamp()');
is((split /\|/, compare($kept->($now), 'SELECT kind, ts, id FROM tree'))[0], '0', 'nothing else is gone');
is((split /\|/, compare($kept->($begun), 'SELECT kind, ts, id FROM tree'))[1], '0', 'and all that has expired is');
is(sql('SELECT count(*) FILTER (WHERE k), count(*) FILTER (WHERE NOT k) FROM (SELECT upper(range) > now() - interval \'10 days\' AS k FROM ledger.partitions WHERE ledger = \'tree\'::regclass) p') =~ /^\d+\|0$/, 1, 'the partitions, too');
cmp_ok(leaves('tree_http'), '<', leaves('tree_event'), 'each by its own retention');
$report->quit;

# Appenders whose transactions overlap all the time do not keep a partition from being dropped.
sql(q(
	CREATE TABLE busy (ts timestamptz NOT NULL, id int) PARTITION BY RANGE (ts);
	SET ledger.maintenance = off;
	SELECT ledger.manage('busy', '1 day', 0);
	SELECT ledger.append('busy', array_agg(ROW(now() - g * interval '1 day', g))) FROM generate_series(0, 5) g;
	SELECT ledger.manage('busy', '1 day', retention => '2 days')));
my $leaves = leaves('busy');
$load = load_start($node, 6, append => [ 1, "BEGIN;\nSELECT ledger.append('busy', ROW(now(), 0));\n\\sleep 20 ms\nEND;\n" ]);
$node->poll_query_until('postgres', q(SELECT count(*) > 12 FROM busy));
my $tries = 0;
maintain() while leaves('busy') == $leaves && $tries++ < 5;
cmp_ok(leaves('busy'), '<', $leaves, 'partitions are dropped under appenders who never pause');
ok($load->{run}->pumpable, 'who are still at it');
$said = load_stop($load);
unlike($said, qr/ERROR|FATAL|aborted/, 'and have no error') or diag($said);
is($failed, '', 'nor has maintenance');
$node->stop;
no_crash_ok($node);
done_testing();
