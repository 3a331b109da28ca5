# Clients that share a server connection through pgbouncer, a transaction each;
# and parameters as drivers send them: as text, without a type.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = ledger_node('pooled', conf => "autovacuum = off\n");
my $dir = PostgreSQL::Test::Utils::tempdir_short();

sub sql { return $node->safe_psql('postgres', $_[0]) }

sql(q(
	CREATE ROLE writer;
	CREATE ROLE other_writer;
	CREATE ROLE reader;
	CREATE SCHEMA one;
	CREATE SCHEMA two;
	CREATE TABLE one.entries (ts timestamptz NOT NULL, app text NOT NULL DEFAULT current_user, n int, data jsonb, pid int DEFAULT pg_backend_pid()) PARTITION BY RANGE (ts);
	CREATE TABLE two.entries (n int, note text DEFAULT 'two', ts date NOT NULL DEFAULT '2026-01-01', pid int DEFAULT pg_backend_pid()) USING ledger;
	GRANT USAGE ON SCHEMA one, two TO writer, other_writer, reader;
	GRANT INSERT ON one.entries, two.entries TO writer, other_writer;
	GRANT SELECT ON one.entries, two.entries TO reader;
	SELECT ledger.manage('one.entries', '1 day', 1)));

# pgbench sends parameters as text without a type, but for -M simple.
my $script = "$dir/script.sql";
sub bench
{
	my ($name, $mode, $text, %opt) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($out, $err) = ('', '');
	spew_raw($script, $text);
	my @define = map { ('-D', "$_=$opt{define}{$_}") } sort keys %{ $opt{define} || {} };
	my $ok = IPC::Run::run([ 'pgbench', '-n', '-M', $mode, '-c', $opt{clients} // 1, '-j', 1, '-t', $opt{transactions} // 2, '-f', $script, @define,
			'-h', $opt{pool} ? $dir : $node->host, '-p', $node->port, '-U', scalar(getpwuid($<)), 'postgres' ], '<', \'', '>', \$out, '2>', \$err);
	ok($ok && $err !~ /ERROR|aborted/, "$name, $mode") or diag($err);
	return;
}

# Text parameters.
my $lines = qq({"ts": "2026-11-20 10:00+00", "app": "é\\\\n", "n": 1}\n{"ts": "2026-11-20 10:00+00", "app": "b", "data": {"x": null}});
my %define = (ts => sql(q(SELECT now() - interval '3 days')), app => q(it's "text"), n => 42, data => '{"a": [1, 2]}', ledger => 'one.entries',
	doc => '[{"ts": "' . sql('SELECT now()') . '", "app": "json", "n": 7, "data": {"b": 1}}]', lines => $lines =~ s/2026-11-20 10:00\+00/sql('SELECT now()')/ger, source => "driver's", batch => 5, skip => 'error');
foreach my $mode (qw(extended prepared))
{
	sql('TRUNCATE one.entries; TRUNCATE ledger.batches');
	bench('typed fields', $mode, "SELECT ledger.append('one.entries', ROW(:ts::timestamptz, :app::text, :n::int, :data::jsonb));\n", define => \%define);
	bench('fields as text', $mode, "SELECT ledger.append(:ledger, ROW(:ts::text, :app::text, :n::text, :data::text), :skip);\n", define => \%define);
	bench('a batch', $mode, "SELECT ledger.append(:ledger, ARRAY[ROW(:ts::text, :app::text, :n::int), ROW(:ts::timestamptz, :app::varchar, :n::text)]);\n", define => \%define);
	is(sql(q(SELECT count(*), count(DISTINCT ts), string_agg(DISTINCT app, ','), string_agg(DISTINCT n::text, ','), count(*) FILTER (WHERE data = '{"a": [1, 2]}') FROM one.entries)), q(8|1|it's "text"|42|4), "as they were sent, $mode");
	bench('JSON', $mode, "SELECT ledger.append_json('one.entries', :doc);\n", define => \%define);
	bench('lines', $mode, "SELECT ledger.append_ndjson(:ledger, :lines, on_conflict => :skip, source => :source, batch => :batch);\n", define => \%define);
	is(sql(q(SELECT string_agg(app || coalesce(n::text, '') || coalesce(data::text, ''), ' ' ORDER BY app) FROM one.entries WHERE app !~ 'it')), 'b{"x": null} json7{"b": 1} json7{"b": 1} é\n1', "read as columns are, and the batch once, $mode");
}
my ($ret, $out, $err) = $node->psql('postgres', q(PREPARE p AS SELECT ledger.append('one.entries', ROW($1, $2))));
like($err, qr/could not determine data type of parameter/, 'a field needs a type');

# pgbouncer, with one connection to the server, as one user
my ($pgbouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin';
if (!$pgbouncer)
{
	note('there is no pgbouncer: the rest is not tested');
  SKIP: { skip 'no pgbouncer', 1; }
	$node->stop;
	done_testing();
	exit;
}
my $version = `$pgbouncer --version` =~ /PgBouncer (\d+)\.(\d+)/ ? $1 * 100 + $2 : 0;
my $user = getpwuid($<);
spew_raw("$dir/ini", join "\n", '[databases]', "postgres = host=${\ $node->host} port=${\ $node->port} dbname=postgres user=$user pool_size=1", '[pgbouncer]',
	'pool_mode = transaction', 'auth_type = any', 'listen_addr =', 'listen_port = ' . $node->port, "unix_socket_dir = $dir", "logfile = $dir/log",
	'max_client_conn = 100', ($version >= 121 ? 'max_prepared_statements = 100' : ()), '');
my $pool = IPC::Run::start([ $pgbouncer, "$dir/ini" ], '<', \'', '>', '/dev/null', '2>', "$dir/err");
sub pooled
{
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'psql', '-XAtq', '-h', $dir, '-p', $node->port, '-U', $user, '-d', 'postgres', '-f', '-' ], '<', \$_[0], '>', \$out, '2>', \$err);
	chomp $out;
	return wantarray ? ($out, $err) : $err eq '' ? $out : $err;
}
for (1 .. 100)
{
	last if (pooled('SELECT 1'))[0] eq '1';
	usleep(100_000);
}
my $backend = pooled('SELECT pg_backend_pid()');
like($backend, qr/^\d+$/, 'pgbouncer runs') or BAIL_OUT(-e "$dir/log" ? slurp_file("$dir/log") : 'no log');

# Clients of two roles and two search paths, by turns.
my @modes = ('simple', 'extended', $version >= 121 ? 'prepared' : ());
sql('TRUNCATE one.entries, two.entries');
foreach my $mode (@modes)
{
	my $text = <<'SQL';
\set d random(0, 9)
\set n random(1, 1000000)
BEGIN;
SET LOCAL search_path = one;
SET LOCAL ROLE writer;
SELECT ledger.append('entries', ROW(now() - :d::int * interval '1 day', 'one', :n::int));
SELECT ledger.append_json('entries', jsonb_build_array(jsonb_build_object('n', :n::int, 'ts', now()), jsonb_build_object('n', :n::int, 'ts', now() - interval '15 days')));
COMMIT;
BEGIN;
SET LOCAL ledger.maintenance = off;
SET LOCAL ROLE other_writer;
SET LOCAL search_path = two, one;
SELECT ledger.append('entries', ARRAY[ROW(:n::int), ROW(:n::int + 1)]);
COMMIT;
SELECT ledger.append('one.entries', ROW(now(), 'plain', :n::int));
SQL
	bench('eight clients', $mode, $text, pool => 1, clients => 8, transactions => 20);
}
my $runs = 160 * @modes;
is(sql(q(SELECT string_agg(app || ' ' || n, ', ' ORDER BY app) FROM (SELECT app, count(*) AS n FROM one.entries GROUP BY app) a)), "one $runs, plain $runs, writer " . 2 * $runs, 'each where it belongs, with its own defaults');
is(sql(q(SELECT count(*), count(DISTINCT note || ts) FROM two.entries)), 2 * $runs . '|1', 'in the other schema, too');
is(sql(q(SELECT string_agg(DISTINCT pid::text, ',') FROM (SELECT pid FROM one.entries UNION SELECT pid FROM two.entries) p)), $backend, 'by one backend');
is(pooled('SHOW ledger.maintenance; SHOW search_path; SELECT current_user'), "on\n\"\$user\", public\n$user", 'nothing is left behind');

# What a backend knows of a table is not what a role may do with it.
sub as { return "BEGIN; SET LOCAL ROLE $_[0]; SET LOCAL search_path = one; SELECT ledger.append('entries', ROW(now(), $_[1], 0)); COMMIT" }
is(pooled(as('writer', "'x'")), '1', 'may append');
like(pooled(as('reader', "'x'")), qr/permission denied for table entries/, 'may only read');
is(pooled(as('writer', "'x'")), '1', 'may still append');
like(pooled(as('writer', "'x'") =~ s/SELECT.*;/SELECT count(*) FROM entries;/r), qr/permission denied for table entries/, 'but not read');
sql('ALTER TABLE one.entries ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON one.entries FOR INSERT WITH CHECK (app = current_user)');
is(pooled(as('writer', "'writer'")), '1', 'what the policy allows');
like(pooled(as('other_writer', "'writer'")), qr/new row violates row-level security policy/, 'what it does not');
is(pooled(as('other_writer', "'other_writer'")), '1', 'each by his name');
is(pooled(as($user, "'anybody'")), '1', 'who is above it');
sql('REVOKE INSERT ON one.entries FROM other_writer');
like(pooled(as('other_writer', "'other_writer'")), qr/permission denied for table entries/, 'revoked');

# Partitions and columns that others change are seen by the next transaction.
my $put = "BEGIN; SET LOCAL ROLE writer; SELECT ledger.append('one.entries', ROW(now() - interval '20 days', 'writer', 1)); COMMIT";
is(pooled($put), '1', 'makes a partition');
# one that somebody has attached in the place of another
my $older = $put =~ s/20 days/25 days/r;
is(pooled($older), '1', 'another');
sql(q(DO $$ DECLARE old text; bounds text; BEGIN
	SELECT DISTINCT tableoid::regclass::text INTO STRICT old FROM one.entries WHERE ts < now() - interval '24 days';
	SELECT pg_get_expr(relpartbound, oid) INTO bounds FROM pg_class WHERE oid = old::regclass;
	EXECUTE format('ALTER TABLE one.entries DETACH PARTITION %s; CREATE TABLE one.by_hand (LIKE one.entries INCLUDING DEFAULTS) USING heap; ALTER TABLE one.entries ATTACH PARTITION one.by_hand %s', old, bounds);
END $$));
is(pooled($older), '1', 'attached');
is(sql('SELECT count(*) FROM one.by_hand'), '1', 'goes there');
sql('DROP TABLE one.by_hand');
my $leaf = sql(q(SELECT DISTINCT tableoid::regclass FROM one.entries WHERE ts < now() - interval '19 days'));
sql("ALTER TABLE one.entries DETACH PARTITION $leaf");
is(pooled($put), '1', 'detached');
is(sql("SELECT count(*) FROM $leaf"), '1', 'goes there no more');
sql("DROP TABLE $leaf; ALTER TABLE one.entries RENAME TO kept; ALTER TABLE one.kept ADD COLUMN late int DEFAULT 9");
like(pooled($put), qr/relation "one.entries" does not exist/, 'renamed');
is(pooled($put =~ s/entries/kept/r), '1', 'appends by the new name');
is(sql(q(SELECT string_agg(coalesce(late::text, '-'), ',') FROM one.kept WHERE ts < now() - interval '19 days')), '9,9', 'with the new column');
is(pooled('SELECT pg_backend_pid()'), $backend, 'all by one backend');
$pool->signal('INT');
eval { $pool->finish };
$node->stop;
no_crash_ok($node);
done_testing();
