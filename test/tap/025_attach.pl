# A session lists a branch's partitions while another attaches one, for the very
# entry that the first one has: it must not attach a second for the same time, whose
# rows nobody would see.  The first is stopped at ever later moments.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = ledger_node('attach', conf => "autovacuum = off\nmax_locks_per_transaction = 512\n");
my $trials = 90;

sub sql { return $node->safe_psql('postgres', $_[0]) }

# many partitions, so that it takes a while to list them
sql(q(CREATE TABLE t (id int, ts timestamptz NOT NULL) PARTITION BY RANGE (ts); CREATE INDEX ON t (id);
	SET ledger.maintenance = off;
	SELECT ledger.manage('t', '1 hour', premake => 400, max_future => '30 days')));
my $now = sql('SELECT now()');
my $settings = 'SET ledger.maintenance = off; SET client_min_messages = warning';

sub append
{
	my ($id, $hour) = @_;
	return "SELECT ledger.append('t', ROW($id, timestamptz '$now' - $hour * interval '1 hour'))";
}

# how long it takes, in a new session
my @took;
foreach my $hour (1 .. 3)
{
	my $session = LedgerSession->new($node);
	$session->query($settings);
	my $start = time;
	$session->query(append(0, $hour));
	push @took, time - $start;
	$session->quit;
}
my $most = (sort { $a <=> $b } @took)[1];

my @errors;
foreach my $trial (1 .. $trials)
{
	my $first = LedgerSession->new($node);
	my $second = LedgerSession->new($node);
	my $hour = 3 + $trial;
	$second->query($settings);
	my $pid = $first->query("$settings; SELECT pg_backend_pid()");
	$first->begin_query(append(1, $hour));
	usleep(1_000_000 * $most * ($trial - 1) / $trials);
	kill 'STOP', $pid;
	$second->begin_query(append(2, $hour));
	# done soon, unless the first one has been stopped with a lock in its hands
	usleep(1_000_000 * (2 * $most + 0.02));
	kill 'CONT', $pid;
	$_->end_query foreach $first, $second;
	push @errors, grep { $_ ne '' } $first->{error}, $second->{error};
	$_->quit foreach $first, $second;
}
is(join("\n", @errors), '', 'all were appended');
is(sql(q(SELECT count(*) - count(DISTINCT pg_get_expr(relpartbound, oid)) FROM pg_class WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 't'::regclass))), '0', 'no two partitions for the same time');
is(sql('SELECT count(*), count(DISTINCT ts) FROM t WHERE id > 0'), 2 * $trials . "|$trials", 'all are seen');
$node->stop;
done_testing();
