# A session lists a branch's partitions while another attaches one.  If it has an
# entry for the same time, it must not attach a second, whose rows nobody would see;
# if it has a query, the next ones must see the other's rows.  The session is stopped
# at ever later moments.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = ledger_node('attach', conf => "autovacuum = off\nmax_locks_per_transaction = 512\nmax_prepared_transactions = 1\n");
my $trials = 36;
my @errors;

sub sql { return $node->safe_psql('postgres', $_[0]) }

# many partitions, so that it takes a while to list them
sql(q(CREATE TABLE t (id int CHECK (id <> 13), ts timestamptz NOT NULL) PARTITION BY RANGE (ts); CREATE INDEX ON t (id);
	SET ledger.maintenance = off;
	SELECT ledger.manage('t', '1 hour', premake => 400, max_future => '30 days')));
my $now = sql('SELECT now()');
my $settings = 'SET ledger.maintenance = off; SET client_min_messages = warning';

sub append
{
	my ($id, $hour) = @_;
	return "SELECT ledger.append('t', ROW($id, timestamptz '$now' - $hour * interval '1 hour'))";
}

# Starts "first" in a new session, stops that after a part of the time that it takes,
# does "second" meanwhile, and lets the first go on; returns the first session.
sub meet
{
	my ($first_query, $second_query, $seconds) = @_;
	my $first = LedgerSession->new($node);
	my $second = LedgerSession->new($node);
	my $pid = $first->query("$settings; SELECT pg_backend_pid()");

	$second->query($settings);
	$first->begin_query($first_query);
	usleep(1_000_000 * $seconds);
	kill 'STOP', $pid;
	$second->begin_query($second_query);
	# done soon, unless the first one has been stopped with a lock in its hands
	usleep(1_000_000 * ($seconds + 0.05));
	kill 'CONT', $pid;
	$_->end_query foreach $first, $second;
	push @errors, grep { $_ ne '' } $first->{error}, $second->{error};
	$second->quit;
	return $first;
}

# How long a query takes in a new session
sub measure
{
	my @took;
	foreach my $query (@_)
	{
		my $session = LedgerSession->new($node);
		$session->query($settings);
		my $start = time;
		$session->query($query);
		push @took, time - $start;
		$session->quit;
	}
	return (sort { $a <=> $b } @took)[ @took / 2 ];
}

my $most = measure(map { append(0, $_) } 1 .. 3);
foreach my $trial (1 .. $trials)
{
	my $hour = 3 + $trial;
	meet(append(1, $hour), append(2, $hour), $most * ($trial - 1) / $trials)->quit;
}
is(join("\n", @errors), '', 'all were appended');
is(sql(q(SELECT count(*) - count(DISTINCT pg_get_expr(relpartbound, oid)) FROM pg_class WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 't'::regclass))), '0', 'no two partitions for the same time');
is(sql('SELECT count(*), count(DISTINCT ts) FROM t WHERE id > 0'), 2 * $trials . "|$trials", 'all are seen');

# Queries: the session's next one sees all there is, planned anew or not, however the
# transaction ends, and if it has heard of more changes than are told one by one.
my $missed = 0;
my $hour = -410;
sql(q(DELETE FROM ledger.activity_log WHERE action = 'partition made by an append'));
my $count = 'SELECT count(*) FROM t WHERE id > 0';
my @ends = (
	'COMMIT', 'ROLLBACK', "PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p'",
	"DO 'BEGIN FOR i IN 1 .. 300 LOOP EXECUTE ''CREATE TEMP TABLE many_'' || i || '' ()''; END LOOP; END'; COMMIT");
$most = measure(($count) x 3);
foreach my $trial (1 .. $trials)
{
	my $first = meet("SET plan_cache_mode = force_generic_plan; PREPARE c AS $count; BEGIN; EXECUTE c; $ends[$trial % @ends]", append(3, $hour--), $most * ($trial - 1) / $trials);
	my $all = 2 * $trials + $trial;
	$missed++ if $first->query($count) != $all || $first->query('EXECUTE c') != $all;
	$first->quit;
}
is($missed, 0, 'queries see the new partition');

# Rows by INSERT, as the server routes them: the session's next query sees all, too,
# also if the INSERT has failed.
$missed = 0;
sub insert
{
	my ($id) = @_;
	return "INSERT INTO t VALUES ($id, timestamptz '$now' + interval '1 hour')";
}
sql(q(DELETE FROM ledger.activity_log WHERE action = 'partition made by an append'));
$most = measure((insert(4)) x 3);
my $all = sql($count);
foreach my $trial (1 .. $trials)
{
	my $fails = $trial % 3 == 0;
	my $first = meet(insert($fails ? 13 : 4), append(5, $hour--), $most * ($trial - 1) / $trials);
	$all += $fails ? 1 : 2;
	$missed++ if $first->query($count) != $all;
	$first->quit;
}
is($missed, 0, 'so do those after an INSERT');

# An INSERT that may or may not find the new partition; the next one must, as must
# a query whose conditions leave nothing of an old list, with the library loaded.
$missed = 0;
sql(q(DELETE FROM ledger.activity_log WHERE action = 'partition made by an append'));
my $here = "LOAD 'ledger'";
my $late = sub { return "INSERT INTO t VALUES (6, timestamptz '$now' - $_[0] * interval '1 hour')" };
foreach my $trial (1 .. $trials)
{
	my $query = $trial % 2 ? $late->($hour) : "SELECT count(*) FROM t WHERE ts = timestamptz '$now' - $hour * interval '1 hour'";
	my $first = meet("$here; $query", append(7, $hour), $most * ($trial - 1) / $trials);
	my $found = $first->query("SELECT count(*) > 0 FROM t WHERE ts = timestamptz '$now' - $hour * interval '1 hour'");
	$first->query($late->($hour));
	$missed++ if $found ne 't' || $first->{error} ne '';
	$first->quit;
	$hour--;
}
@errors = grep { !/no partition of relation "t" found for row|violates check constraint "t_id_check"/ } @errors;
is(join("\n", @errors), '', 'no errors');
is($missed, 0, 'an INSERT finds it at the second try, and a query that asks for it alone');
$node->stop;
done_testing();
