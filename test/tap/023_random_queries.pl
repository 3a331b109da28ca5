# Random queries of random tables, of heap and of ledgers with the same rows:
# they must give the same.
#
# LEDGER_RANDOM_SECONDS says for how long (20), LEDGER_RANDOM_SEED where to
# begin.  Each round, of other tables, has a seed of its own, the last round's
# plus one; with what is printed where results differ, the round is the first.
use strict;
use warnings;
use Encode qw(encode);
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Utils;
use RandomQueries;
use RandomTables;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{LEDGER_RANDOM_SECONDS} || 20;
my $seed = $ENV{LEDGER_RANDOM_SEED} || 1 + int rand 1_000_000_000;
note("LEDGER_RANDOM_SEED=$seed");

# More differences than that are not shown.
my $differences_max = 5;

my $node = ledger_node('random', conf => "autovacuum = off\ndefault_statistics_target = 10\nfsync = off\nwal_level = minimal\nmax_wal_senders = 0\nmax_worker_processes = 8\n");
$node->safe_psql('postgres', <<'SQL');
CREATE SCHEMA h;
CREATE SCHEMA l;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
-- without ICU, others that are deterministic
DO $$
BEGIN
	CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	CREATE COLLATION other (provider = icu, locale = 'de-u-co-phonebk');
EXCEPTION WHEN OTHERS THEN
	CREATE COLLATION nocase FROM "C";
	CREATE COLLATION other FROM "C";
END $$;
SQL
my %sessions = (h => LedgerSession->new($node), l => LedgerSession->new($node));
my @names = ('h', 'l');
$sessions{$_}->query("\\set ON_ERROR_ROLLBACK on\n\\pset null (null)\nSET search_path = $_, public; SET statement_timeout = '10s'; SET jit = off") foreach @names;

# What made the tables of this round, to be shown
my @history;
my %count = (queries => 0, empty => 0, errors => 0, tolerated => 0, timeouts => 0, different => 0, scans => 0, aggregates => 0, views => 0, plans => 0);

# Of both sessions, at the same time: [output, error]
sub ask
{
	my (%sql) = @_;
	$sessions{$_}->begin_query(encode('UTF-8', $sql{$_})) foreach @names;
	my %said = map { $_ => [ $sessions{$_}->end_query, $sessions{$_}->{error} ] } @names;
	$said{$_}[1] =~ s/^psql:<stdin>:\d+: //mg foreach @names;
	return \%said;
}

# Something that changes the tables; in both, or in one
sub change
{
	my ($sql, @where) = @_;
	@where = @names unless @where;
	push @history, "$sql;" . (@where == 1 ? "  -- $where[0] only" : '');
	my $said = ask(map { my $name = $_; $name => (grep { $_ eq $name } @where) ? $sql =~ s/\$am/$name eq 'l' ? 'ledger' : 'heap'/egr : '' } @names);
	foreach my $name (@where)
	{
		die "$sql: $said->{$name}[1]" if $said->{$name}[1] =~ /ERROR/;
	}
	return;
}

# ---- Rows ----

my $files = 0;

sub load
{
	my ($table, $n) = @_;
	my $path = PostgreSQL::Test::Utils::tempdir() . '/rows' . ++$files;
	my $columns = join ', ', 'id', map { $_->{name} } @{ $table->{columns} };
	spew_raw($path, encode('UTF-8', rows_of($table, $n)));
	my $copy = "COPY $table->{name} ($columns) FROM '$path'";
	if (chance(0.4))
	{
		change("CREATE TEMP TABLE staged AS SELECT $columns FROM $table->{name} LIMIT 0");
		change("COPY staged FROM '$path'");
		$copy = "INSERT INTO $table->{name} ($columns) SELECT * FROM staged; DROP TABLE staged";
	}
	change($copy);
	unlink $path;
	return;
}

sub seal
{
	my ($table) = @_;
	foreach my $part (@{ $table->{parts} })
	{
		change("SELECT ledger.seal(c.oid) FROM pg_class c JOIN pg_am m ON m.oid = relam WHERE c.oid = '$part'::regclass AND amname = 'ledger'", 'l');
	}
	return;
}

sub lines_of { return join "\n", sort split /\n/, $_[0], -1; }

# ---- Queries ----

sub show_difference
{
	my ($query, $said, @settings) = @_;
	my %lines = map { $_ => [ split /\n/, $query->{ordered} ? $said->{$_}[0] : lines_of($said->{$_}[0]), -1 ] } @names;
	my $at = 0;
	$at++ while $at < @{ $lines{h} } && $at < @{ $lines{l} } && $lines{h}[$at] eq $lines{l}[$at];
	my $text = "LEDGER_RANDOM_SEED=$seed\n" . join("\n", @history, map { "$_;" } @settings) . "\n$query->{sql};\n";
	foreach my $name (@names)
	{
		my $line = $at < @{ $lines{$name} } ? substr($lines{$name}[$at], 0, 300) : '(no more rows)';
		$text .= "-- $name, row " . ($at + 1) . ' of ' . @{ $lines{$name} } . ": $line $said->{$name}[1]\n";
	}
	my @reset = map { 'RESET ' . (split)[1] } @settings;
	$text .= $sessions{l}->query(encode('UTF-8', join ";\n", @settings, $query->{explain}, @reset)) . "\n" if $query->{explain};
	diag(encode('UTF-8', $text =~ s/[^\x00-\x{ffff}]/?/gr));
	return;
}

# Are the results the same, as far as they must be?
sub same
{
	my ($query, $said) = @_;
	my ($h, $l) = @{$said}{@names};
	my ($h_fails, $l_fails) = map { $_->[1] =~ /ERROR/ ? 1 : 0 } $h, $l;
	if (grep { $_->[1] =~ /statement timeout/ } $h, $l)
	{
		$count{timeouts}++;
		return 1;
	}
	if ($h_fails != $l_fails && $query->{may_fail})
	{
		$count{tolerated}++;
		return 1;
	}
	return 0 if $h_fails != $l_fails;
	if ($h_fails)
	{
		$count{errors}++;
		return 1 if $query->{may_fail};
		my ($h_error, $l_error) = map { $_->[1] =~ /(ERROR.*)/ } $h, $l;
		return $h_error eq $l_error;
	}
	$count{empty}++ if $h->[0] =~ /^(?:0|f|\||\(null\))*$/;
	return 1 if $h->[0] eq $l->[0];
	return !$query->{ordered} && lines_of($h->[0]) eq lines_of($l->[0]);
}

# Have the query ask a view of the table
sub through_view
{
	my ($query) = @_;
	return unless $query->{sql} =~ s/ FROM a a\b/ FROM a_view a/g;
	$query->{sql} = "CREATE TEMP VIEW a_view AS SELECT * FROM a;\n$query->{sql};\nDROP VIEW a_view";
	delete $query->{explain};
	$count{views}++;
	return;
}

# One query of both; false if they differ
sub try_query
{
	my ($a, $b, $in_transaction, $quiet) = @_;
	my $query = random_query($a, $b, $in_transaction);
	through_view($query) if chance(0.1);
	my @settings = grep { !$query->{big} || !/_\w+join = off/ } random_settings();
	push @settings, $query->{settings} if $query->{settings};
	my @reset = map { 'RESET ' . (split)[1] } @settings;
	my $said = ask(map { $_ => join(";\n", @settings, $query->{sql}, @reset) } @names);
	my $same = same($query, $said);
	$count{queries}++;
	if (!$same && !$quiet)
	{
		$count{different}++;
		show_difference($query, $said, @settings);
	}
	elsif ($count{queries} % 10 == 0 && $query->{explain})
	{
		$count{plans}++;
		my $plan = $sessions{l}->query(encode('UTF-8', $query->{explain}));
		$count{scans}++ if $plan =~ /LedgerScan/;
		$count{aggregates}++ if $plan =~ /LedgerAggregate/;
	}
	return $same;
}

# ---- Rounds ----

my $until = time + $seconds;

sub is_over { return time >= $until || $count{different} >= $differences_max; }

sub try_queries
{
	my ($n, @tables) = @_;
	for (1 .. $n)
	{
		return if is_over();
		try_query(@tables);
	}
	return;
}

# In a transaction: own rows, and such as are rolled back
sub in_transaction
{
	my ($a, $b) = @_;
	change('BEGIN');
	load($a, pick(10, 1200)) if chance(0.7);
	change('SAVEPOINT s');
	load($a, pick(5, 1500));
	try_queries(5, $a, $b, 1) if chance(0.5);
	change('ROLLBACK TO s');
	load($a, pick(1, 300)) if chance(0.5);
	try_queries(10, $a, $b, 1);
	change(pick('COMMIT', 'COMMIT', 'ROLLBACK'));
	return;
}

sub step
{
	my ($a, $b, $n) = @_;
	my $kind = rand;
	if ($kind < 0.2) { load($a, pick(1, 30)) for 1 .. 4; }
	elsif ($kind < 0.5) { load($a, $n); }
	elsif ($kind < 0.65) { in_transaction($a, $b); }
	elsif ($kind < 0.72) { change(RandomTables::drop_column($a)) if @{ $a->{columns} } > 3; }
	elsif ($kind < 0.82) { change(RandomTables::add_column($a, 'c' . ++$a->{last})); }
	elsif ($kind < 0.87) { change("CREATE INDEX ON $a->{name} (" . pick('id', map { $_->{name} } grep { $_->{kind} =~ /^(integer|time|boolean)$/ } @{ $a->{columns} }) . ')'); }
	else { seal($a); }
	change("ANALYZE $_->{name}") foreach chance(0.5) ? ($a, $b) : ();
	change('VACUUM ' . $a->{name}) if chance(0.1);
	return;
}

sub round
{
	my $n = pick(300, 1500, 3000, 3000, 9000);
	my @columns = random_columns(1, 5 + int rand 9);
	my $a = random_table('a', \@columns, 3 * $n);
	my $b = random_table('b', [ map { { %{ $columns[$_] } } } grep { chance(0.6) || $_ < 2 } 0 .. $#columns ], 1);
	$a->{last} = @columns;
	@history = ();
	change('SET timezone = ' . pick("'UTC'", "'America/New_York'", "'Asia/Kolkata'"));
	change('DROP TABLE IF EXISTS a, b');
	change($_->{ddl}) foreach $a, $b;
	load($b, pick(30, 200));
	load($a, $n) unless chance(0.05);
	for (1 .. 7)
	{
		try_queries(25, $a, $b);
		return ($a, $b) if is_over();
		step($a, $b, $n);
	}
	seal($a);
	change("ANALYZE $_->{name}") foreach $a, $b;
	try_queries(40, $a, $b);
	return ($a, $b);
}

my @tables;
do
{
	srand($seed);
	@tables = round();
	$seed++;
} until is_over();

note(join ', ', map { "$_ $count{$_}" } sort keys %count);
is($count{different}, 0, 'same results');
cmp_ok($count{queries}, '>', 50, 'there were queries');
cmp_ok($count{errors} + $count{tolerated} + $count{timeouts}, '<', 5 + 0.1 * $count{queries}, 'few of which are errors');
cmp_ok($count{empty}, '<', 10 + 0.6 * $count{queries}, 'and not too many without a row');
cmp_ok($count{scans}, '>', 0.3 * $count{plans}, 'many by a LedgerScan');
cmp_ok($count{aggregates}, '>', 0.05 * $count{plans} - 1, 'some by a LedgerAggregate');
cmp_ok($count{views}, '>', 0, 'some through a view');

# would it be seen if rows were wrong?
change('INSERT INTO a SELECT * FROM a ORDER BY id LIMIT greatest(1, (SELECT count(*) / 20 FROM a))', 'l');
my $seen = 0;
for (1 .. 300)
{
	$seen = !try_query(@tables, 0, 1);
	last if $seen;
}
ok($seen, 'rows that one table only has are noticed');
$sessions{$_}->quit foreach @names;
no_crash_ok($node);
done_testing();
