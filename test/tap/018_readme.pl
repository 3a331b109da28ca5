# README.md is true: every sql block runs as pasted, in order, in a fresh
# database; the recipes also while the tables are in use; what is said of
# functions, columns and settings is what there is.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $readme = slurp_file("$FindBin::RealBin/../../README.md");
my $node = ledger_node('readme', conf => "autovacuum = off\n");
my $dir = PostgreSQL::Test::Utils::tempdir();

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

# A block and the line that it begins in
my @blocks;
while ($readme =~ /^```sql\n(.*?)^```$/msg)
{
	push @blocks, { sql => $1, line => 1 + (substr($readme, 0, $-[1]) =~ tr/\n//) };
}
cmp_ok(@blocks, '>', 10, 'README.md has sql blocks');

my $partman = sql(q(SELECT default_version FROM pg_available_extensions WHERE name = 'pg_partman'));
my $no_partman = $partman eq '' ? 'this server has no pg_partman' : $partman =~ /^4\.[67]/ ? '' : "pg_partman is $partman, not 4.7";

# Run a block as psql -f does; what it had to complain of
sub paste
{
	my ($block, $database, %env) = @_;
	my $file = "$dir/block.sql";
	my ($out, $err) = ('', '');

	spew_raw($file, $block->{sql});
	local @ENV{ keys %env } = values %env;
	my $ok = IPC::Run::run([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-f', $file ], '<', \'', '>', \$out, '2>', \$err);
	return $ok && $err !~ /ERROR|FATAL|WARNING/ ? '' : $err || 'failed';
}

# Wherever the reader is.
foreach my $case ([ 'here', {} ], [ 'there', { PGTZ => 'Pacific/Auckland', PGDATESTYLE => 'German' } ])
{
	my ($database, $env) = @$case;
	sql("CREATE DATABASE $database");
	foreach my $block (@blocks)
	{
	  SKIP:
		{
			skip $no_partman, 1 if $no_partman && $block->{sql} =~ /partman|\bhits\b/;
			is(paste($block, $database, %$env), '', "$database: the block in line $block->{line}");
		}
	}
	my %counts = (entries => 109, old_log => 1000, calls => 1, shipped => 1, 'ledger.rejected' => 1, big_log => 9999);
	foreach my $table (sort keys %counts)
	{
		is(sql("SELECT count(*) FROM $table", $database), $counts{$table}, "$database: $table");
	}
	is(sql(q(SELECT am.amname FROM pg_class c JOIN pg_am am ON am.oid = c.relam WHERE c.oid = 'big_log_old'::regclass), $database), 'ledger', "$database: the big table is a ledger");
	is(sql(q(SELECT count(*) FROM ledger.partitions WHERE ledger = 'big_log'::regclass), $database), '4', "$database: and has partitions to come");
}

# From pg_partman, in use: nobody has an error, misses a row or loses one.
SKIP:
{
	skip $no_partman, 7 if $no_partman;
	my @recipe = grep { $_->{sql} =~ /partman/ } @blocks;
	is(@recipe, 2, 'a table, and what becomes of it');
	is(paste($recipe[0], 'postgres'), '', 'a table of pg_partman');
	sql('CREATE TABLE h AS TABLE hits');
	my $default = sql('SELECT count(*) FROM hits_default');
	cmp_ok($default, '>', 0, 'with rows in its default partition');
	my $now = sql('SELECT now()');
	my $put = "\\set m random(0, 5000)\nBEGIN;\nINSERT INTO h VALUES (timestamptz '$now' - :m * interval '1 minute', 'demo', :client_id);\n";
	my $load = load_start(
		$node, 4,
		insert => [ 2, "${put}INSERT INTO hits VALUES (timestamptz '$now' - :m * interval '1 minute', 'demo', :client_id);\nEND;\n" ],
		append => [ 2, "${put}SELECT ledger.append('hits', ROW(timestamptz '$now' - :m * interval '1 minute', 'demo', :client_id));\nEND;\n" ],
		read => [ 1, "SELECT 1 / (count(*) >= 201)::int FROM hits;\n" ]);
	my $busy = sub {
		my $n = sql('SELECT count(*) FROM hits') + 20;
		for (1 .. 600)
		{
			return if sql('SELECT count(*) FROM hits') >= $n;
			usleep(100_000);
			last unless $load->{run}->pumpable;
		}
		die 'nobody writes: ' . load_stop($load);
	};
	$busy->();
	is(paste($recipe[1], 'postgres'), '', 'becomes a managed ledger');
	$busy->();
	my $said = load_stop($load);
	unlike($said, qr/ERROR|FATAL|aborted/, 'in use') or diag($said);
	is(sql('SELECT count(*) FROM (TABLE h EXCEPT ALL TABLE hits) d') . '/' . sql('SELECT count(*) FROM hits'), '0/' . sql('SELECT count(*) FROM h'), 'with the same rows');
	is(sql(q(SELECT string_agg(DISTINCT access_method, ',') FROM ledger.partitions WHERE ledger = 'hits'::regclass)), 'ledger', 'as ledgers all');
}

# Signatures.  What is only for a view is not for the reader.
sub value { return sql("SELECT coalesce(($_[0])::$_[1]::text, 'NULL')") }
sub signature
{
	my ($kind, $name, $args, $result) = @_;
	return "$kind$name(" . join(', ', map { "$_->{name} $_->{type}" . (defined $_->{default} ? ' DEFAULT ' . value($_->{default}, $_->{type}) : '') } @$args) . ') ' . lc($result // '');
}
my (@said, %args_of);
while ($readme =~ /(CALL )?\bledger\.(\w+)\(((?:(?:ledger|relation) regclass|haystack text)[^()]*)\)(?: returns (setof record|\w+))?/g)
{
	my ($call, $name, $args, $result) = ($1 // '', $2, $3, $4);
	my @args = map { /^(\w+) (\S+)(?: DEFAULT (.+))?$/s ? { name => $1, type => $2, default => $3 } : { rest => $_ } } split /,\s+/, $args;
	# "...the same...": as of the function before
	@args = map { $_->{rest} ? @{ $args_of{append_json} }[ 2 .. $#{ $args_of{append_json} } ] : $_ } @args;
	$args_of{$name} = \@args;
	$result //= 'void' unless $call;
	push @said, signature($call, $name, \@args, $result);
}
my @are;
foreach my $line (split /\n/, sql(q(
	SELECT oid, CASE prokind WHEN 'p' THEN 'CALL ' END, proname, pg_get_function_result(oid)
	FROM pg_proc p WHERE pronamespace = 'ledger'::regnamespace
	AND obj_description(oid, 'pg_proc') !~ '^(for view|handler of)')))
{
	my ($oid, $kind, $name, $result) = split /\|/, $line, 4;
	my @args = map { my ($n, $t, $d) = split /\|/, $_, 3; { name => $n, type => $t, default => $d eq '' ? undef : $d } }
	  split /\n/, sql("SELECT proargnames[i + 1], format_type(proargtypes[i], NULL), pg_get_function_arg_default(oid, i + 1)
		FROM pg_proc, generate_series(0, pronargs - 1) i WHERE oid = $oid ORDER BY i");
	push @are, signature($kind, $name, \@args, $result);
}
is(join("\n", sort @said), join("\n", sort @are), 'functions, arguments and defaults');
my ($declared) = $readme =~ /All are (`VOLATILE`, `PARALLEL UNSAFE` and `SECURITY INVOKER`), but for \[has_token\]\(#has_token\), which is `IMMUTABLE` and `PARALLEL SAFE`/;
ok($declared, 'how they are declared');
is(sql(q(SELECT count(*) FROM pg_proc WHERE pronamespace = 'ledger'::regnamespace AND proname <> 'ledger_am_handler' AND (prosecdef OR provolatile::text || proparallel::text <> CASE proname WHEN 'has_token' THEN 'is' ELSE 'vu' END))), '0', 'so they are');

# Columns that functions return
foreach my $name (qw(stats segments chunks))
{
	my ($section) = $readme =~ /^### $name\n(.*?)^##/ms;
	my @types = split /\n/, sql("SELECT proargnames[i], format_type(proallargtypes[i], NULL) FROM pg_proc, generate_series(pronargs + 1, cardinality(proargnames)) i WHERE oid = 'ledger.$name'::regproc ORDER BY i");
	my @described;
	while ($section =~ /^\| (`[^|]+) \|([^|]*)\|/mg)
	{
		my ($names, $type) = ($1, $2);
		$type =~ s/^\s+|\s+$//g;
		# those that were described before have no type
		push @described, map { my $n = $_; "$n|" . ($type ne q() ? $type : (map { /^$n\|(.*)/ } @types)[0] // '') } $names =~ /`(\w+)`/g;
	}
	is(join("\n", @described), join("\n", @types), "columns of $name");
}

# Views, and a table
foreach my $line ($readme =~ /^(\| `ledger\.\w+` \| .*)$/mg)
{
	my ($name, $columns) = $line =~ /^\| `(\S+)` \|.*\| (.*) \|$/;
	my @said = $columns =~ /`(\w+)`/g;
	unshift @said, map { s/^relation$/ledger/r } split /\n/, sql(q(SELECT attname FROM pg_attribute WHERE attrelid = 'ledger.managed'::regclass AND attnum > 0 ORDER BY attnum)) if $columns =~ /^its settings;/;
	is(join(' ', @said), sql("SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '$name'::regclass AND attnum > 0"), "columns of $name");
}
is(join(' ', sort map { /`(\w+)`/g } $readme =~ /^`ledger\.rejected` has the columns (.*?), and keeps/m), sql(q(SELECT string_agg(attname, ' ' ORDER BY attname) FROM pg_attribute WHERE attrelid = 'ledger.rejected'::regclass AND attnum > 0)), 'columns of ledger.rejected');
foreach my $relation (split /\n/, sql(q(SELECT oid::regclass FROM pg_class WHERE relnamespace = 'ledger'::regnamespace AND relkind IN ('r', 'v') AND relname NOT IN ('maintained', 'activity_log'))))
{
	like($readme, qr/`\Q$relation\E`/, "$relation is told of");
}

# Settings
foreach my $name (split /\n/, sql(q(SELECT count(*) FROM ledger.partitions; SELECT name FROM pg_settings WHERE name ~ '^ledger\.')))
{
	next if $name =~ /^\d+$/;
	like($readme, qr/`\Q$name\E( = [^`]*)?`/, "setting $name");
}

# Links within the page
my %anchors = map { my $a = lc $_; $a =~ s/[^\w\- ]//g; $a =~ s/ /-/g; ($a => 1) } $readme =~ /^#+ (.*)$/mg;
foreach my $link ($readme =~ /\]\(#([^)]+)\)/g)
{
	ok($anchors{$link}, "link to $link");
}
$node->stop;
no_crash_ok($node);
done_testing();
