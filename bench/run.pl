# What bench/run measures, in a cluster that bench/run started.
# usage: run.pl BINDIR WORK [section...]
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Digest::MD5 qw(md5_hex);
use Time::HiRes qw(time sleep);
use Session;

# `our` is what managed.pl uses, too
our ($bindir, $work, @sections) = @ARGV;
our $ROWS = $ENV{ROWS};
our $RUNS = $ENV{RUNS};
our $SECONDS = $ENV{INSERT_SECONDS};
our $PACED = $ENV{PACED_SECONDS};
our $CLIENTS = 8;
our $NSRC = $ROWS < 100_000 ? $ROWS : 100_000;
our $BATCH = 100;
my $FILE = "$work/entries.copy";
my $FILE_BYTES = -s $FILE;

$Session::psql = "$bindir/psql";
$| = 1;
$ENV{PGOPTIONS} = "-c client_min_messages=warning";

my %section = (
	copy => \&copy_section,
	insert => \&insert_section,
	append => \&append_section,
	managed => \&managed_section,
	encodings => \&encodings_section,
	questions => \&questions_section,
	scan => \&scan_section,
	lookup => \&lookup_section,
	seal => \&seal_section,
	vacuum => \&vacuum_section,
	memory => \&memory_section);
my @order = qw(copy encodings questions scan lookup vacuum insert append managed seal memory);
my ($ok, $missed) = (0, 0);

our $COLUMNS = 'app_id, ledger, entry_id, ts, type, trace_id, thread_id, user_id, request_id, data';
our $DEFINITION = 'app_id text NOT NULL, ledger text NOT NULL, entry_id text NOT NULL,
	ts timestamptz NOT NULL, type text NOT NULL, trace_id text, thread_id text,
	user_id text, request_id text, data jsonb NOT NULL';
our %with = (heap => 'heap', heap4 => 'heap', ledger => 'ledger');
our @KINDS = qw(heap heap4 ledger);

our $s = Session->new;
$s->run('CREATE EXTENSION ledger');
$s->run("CREATE TABLE src ($DEFINITION, id serial PRIMARY KEY)");
$s->run("COPY src ($COLUMNS) FROM PROGRAM 'head -n $NSRC $FILE'");
$s->run('VACUUM ANALYZE src');

require "$FindBin::Bin/managed.pl";
require "$FindBin::Bin/encodings.pl";
require "$FindBin::Bin/questions.pl";
our (@managed, @encodings, @questions);
$section{ $_->[0] } = $_->[1] for @managed, @encodings, @questions;

@sections = @order unless @sections;
for my $name (@sections)
{
	my $do = $section{$name} or die "no section $name: @order\n";
	printf "\n%-44s %12s %12s %12s   %s\n", $name, 'heap', 'heap+4 btrees', 'ledger', 'bound';
	$do->();
}
print "\n$ok bounds met, $missed missed\n";
exit 0;

#
# Reporting
#

# The median of what the rounds, which are next to each other in time, say.
sub ratio
{
	my ($ours, $theirs) = @_;
	return median(map { $ours->[$_] / $theirs->[$_] } 0 .. $#$ours);
}

sub median
{
	my @v = sort { $a <=> $b } @_;
	return @v % 2 ? $v[ $#v / 2 ] : ($v[ @v / 2 - 1 ] + $v[ @v / 2 ]) / 2;
}

# of sorted values
sub percentile
{
	my ($share, @v) = @_;
	my $i = int($share * @v);
	return $v[ $i < @v ? $i : $#v ];
}

sub number
{
	my $v = shift;
	return '' unless defined $v;
	return $v unless $v =~ /^-?[\d.]+(e-?\d+)?$/;
	return sprintf(abs($v) >= 100 ? '%.0f' : abs($v) >= 10 ? '%.1f' : '%.3f', $v);
}

# report(what, {heap, heap4, ledger}, [text, value, op, limit]...)
sub report
{
	my ($what, $v, @bounds) = @_;
	my $text = join '; ', map {
		my ($name, $value, $op, $limit) = @$_;
		my $verdict = '';
		if (defined $limit)
		{
			my $met = $op eq '>=' ? $value >= $limit : $value <= $limit;
			$met ? $ok++ : $missed++;
			$verdict = sprintf ' (%s %s) %s', $op, $limit, $met ? 'ok' : 'MISS';
		}
		sprintf '%s %s%s', $name, number($value), $verdict;
	} @bounds;
	if (!@bounds && $v->{heap} && $v->{ledger} && $v->{heap} =~ /^[\d.]+$/ && $v->{ledger} =~ /^[\d.]+$/)
	{
		$text = sprintf '%.2f of heap', $v->{ledger} / $v->{heap};
	}
	printf "%-44s %12s %12s %12s   %s\n", $what, (map { number($v->{$_}) } @KINDS), $text;
}

#
# Tables
#

sub create
{
	my ($table, $kind) = @_;
	$s->run("DROP TABLE IF EXISTS $table");
	$s->run("CREATE TABLE $table ($DEFINITION) USING $with{$kind}");
	return if $kind ne 'heap4';
	create_indexes($table);
}

sub create_indexes
{
	my $table = shift;
	$s->run("CREATE INDEX ON $table $_")
	  for '(app_id, ts)', '(trace_id)', '(thread_id, ts)', '(request_id) WHERE request_id IS NOT NULL';
}

# seal what is left, then VACUUM: of heap, VACUUM only
sub settle
{
	my ($table, $kind) = @_;
	$s->run("SELECT ledger.seal('$table')") if $kind eq 'ledger';
	$s->run("VACUUM $table");
}

sub lsn { return $s->run('SELECT pg_current_wal_insert_lsn()') }

sub wal_since { return $s->run("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$_[0]')") }

sub size { return $s->run("SELECT pg_total_relation_size('$_[0]')") / ($_[1] || $ROWS) }

sub timed
{
	my ($session, $sql) = @_;
	my $t = time;
	my $out = $session->run($sql);
	return wantarray ? (time - $t, $out) : time - $t;
}

sub load
{
	my ($table, $kind) = @_;
	create($table, $kind);
	$s->run('CHECKPOINT');
	my $lsn = lsn();
	my $t = timed($s, "COPY $table FROM '$FILE'");
	return ($t, wal_since($lsn));
}

# t_heap, t_heap4 and t_ledger, loaded, sealed and vacuumed
my $loaded;
my %settled_wal;

sub loaded
{
	return if $loaded++;
	load("t_$_", $_) for @KINDS;
	settle_loaded();
}

sub settle_loaded
{
	for (@KINDS)
	{
		my $lsn = lsn();
		settle("t_$_", $_);
		$settled_wal{$_} = wal_since($lsn) / $ROWS;
		$s->run("ANALYZE t_$_");
	}
}

# a transaction with a snapshot, until the session is finished
sub old_snapshot
{
	my $old = Session->new;
	$old->run('BEGIN ISOLATION LEVEL REPEATABLE READ');
	$old->run('SELECT count(*) FROM pg_class');
	return $old;
}

#
# Sections
#

sub copy_section
{
	my (%t, %wal);
	my $load = sub {
		my $kind = shift;
		my ($t, $wal) = load("t_$kind", $kind);
		push @{ $t{$kind} }, $t;
		push @{ $wal{$kind} }, $wal / $ROWS;
	};
	$load->('heap4') for 1 .. $RUNS;
	# what is compared next to each other in time, in more rounds: the two are close
	for my $run (1 .. 2 * $RUNS + 1)
	{
		$load->($_) foreach $run % 2 ? qw(heap ledger) : qw(ledger heap);
	}
	$loaded = 1;
	settle_loaded();
	my %m = map { $_ => median(@{ $t{$_} }) } @KINDS;
	my %w = map { $_ => median(@{ $wal{$_} }) } @KINDS;
	report('COPY, s', \%m, [ 'of heap', ratio(@t{qw(ledger heap)}), '<=', 1.0 ]);
	report('COPY, WAL bytes an entry', \%w, [ 'of heap', $w{ledger} / $w{heap}, '<=', 0.08 ]);
	report('then seal and VACUUM, WAL bytes an entry', \%settled_wal);
	my %size = map { $_ => size("t_$_") } @KINDS;
	report('stored bytes an entry', \%size, [ 'ledger', $size{ledger}, '<=', 40 ]);

	my $old = old_snapshot();
	load('t_old', 'ledger');
	settle('t_old', 'ledger');
	my $held = size('t_old');
	$old->finish;
	report('stored, a REPEATABLE READ open all the while',
		{ ledger => $held }, [ 'of without', $held / $size{ledger}, '<=', 1.2 ]);
	$s->run('DROP TABLE t_old');
}

# pgbench(script, option...): what it printed as a hash
sub pgbench
{
	my ($script, @options) = @_;
	my $file = "$work/pgbench.sql";
	open my $f, '>', $file or die "$file: $!";
	print $f $script;
	close $f;
	open my $p, '-|', "$bindir/pgbench -n -M prepared -c $CLIENTS -j 2 @options -f $file 2>&1" or die;
	my $out = do { local $/; <$p> };
	close $p or die "pgbench: $out";
	die "pgbench: $out" if $out =~ /aborted|number of failed transactions: [1-9]/;
	my ($tps) = $out =~ /^tps = ([\d.]+)/m or die $out;
	my ($n) = $out =~ /actually processed: (\d+)/ or die $out;
	return { tps => $tps, n => $n };
}

sub insert_script
{
	my $table = shift;
	return "\\set id random(1, $NSRC)\nINSERT INTO $table SELECT $COLUMNS FROM src WHERE id = :id;\n";
}

# One pgbench run of single-row inserts into an empty table: (tps, WAL bytes an
# entry before and after sealing, size an entry; of a ledger filled by a number of
# inserts also the size of the same rows in one load)
sub insert_run
{
	my ($kind, @options) = @_;
	my $table = "i_$kind";
	create($table, $kind);
	$s->run('CHECKPOINT');
	my $lsn = lsn();
	my $r = pgbench(insert_script($table), @options);
	my $wal = wal_since($lsn) / $r->{n};
	settle($table, $kind);
	my $count = $s->run("SELECT count(*) FROM $table");
	die "$table: $r->{n} inserts, $count rows\n" if $count != $r->{n};
	my %m = (tps => $r->{tps}, wal => $wal, sealed_wal => wal_since($lsn) / $r->{n}, size => size($table, $r->{n}));
	if ($kind eq 'ledger' && "@options" =~ /^-t/)
	{
		create('i_again', 'ledger');
		$s->run("INSERT INTO i_again SELECT * FROM $table");
		settle('i_again', 'ledger');
		$m{loaded} = size('i_again', $r->{n});
		$s->run('DROP TABLE i_again');
	}
	$s->run("DROP TABLE $table");
	return \%m;
}

sub insert_section
{
	my %r;
	push @{ $r{heap4} }, insert_run('heap4', "-T $SECONDS")->{tps} for 1 .. $RUNS;
	for my $run (1 .. 3 * $RUNS)
	{
		for my $kind ($run % 2 ? qw(heap ledger) : qw(ledger heap))
		{
			push @{ $r{$kind} }, insert_run($kind, "-T $SECONDS")->{tps};
		}
	}
	my %tps = map { $_ => median(@{ $r{$_} }) } @KINDS;
	report("$CLIENTS clients, $SECONDS s: tps", \%tps, [ 'of heap', ratio(@r{qw(ledger heap)}), '>=', 0.95 ]);

	# the WAL of heap is that of the inserts alone
	my $each = int($ROWS / $CLIENTS);
	my (%runs, %full);
	for my $run (1 .. $RUNS)
	{
		push @{ $runs{$_} }, insert_run($_, "-t $each") foreach $run == 1 ? @KINDS : qw(heap ledger);
		my $old = old_snapshot();
		push @{ $runs{held} }, insert_run('ledger', "-t $each");
		$old->finish;
	}
	for my $kind (keys %runs)
	{
		for my $measure (keys %{ $runs{$kind}[0] })
		{
			$full{$kind}{$measure} = median(map { $_->{$measure} } @{ $runs{$kind} });
		}
	}
	my $n = $each * $CLIENTS;
	my ($heap, $ledger, $held) = @full{qw(heap ledger held)};
	report("$n inserts: tps", { map { $_ => $full{$_}{tps} } @KINDS });
	report('  WAL bytes an entry, before sealing', { map { $_ => $full{$_}{wal} } @KINDS });
	report('  WAL bytes an entry, with seal and VACUUM', { map { $_ => $full{$_}{sealed_wal} } @KINDS },
		[ 'of heap before VACUUM', $ledger->{sealed_wal} / $heap->{wal}, '<=', 0.5 ]);
	report('  stored bytes an entry', { map { $_ => $full{$_}{size} } @KINDS },
		[ 'of the same in one load', $ledger->{size} / $ledger->{loaded}, '<=', 1.15 ]);

	report('  the same, a REPEATABLE READ open: stored', { ledger => $held->{size} },
		[ 'of without', $held->{size} / $ledger->{size}, '<=', 1.2 ]);
	report('  the same: tps', { ledger => $held->{tps} });
}

# Batches as a client sends them (batch.c says how); and without the cost of
# parameters, from arrays in a small table, uncompressed.
sub append_section
{
	my @columns = split /, /, $COLUMNS;
	my $nbatches = int($NSRC / $BATCH);
	$s->run("CREATE TABLE entry ($DEFINITION)");
	$s->run(
		"CREATE TABLE batches AS SELECT (id - 1) / $BATCH + 1 AS batch, array_agg(ROW($COLUMNS)::entry ORDER BY id) AS entries, "
		  . join(', ', map { "array_agg($_ ORDER BY id) AS ${_}s" } @columns)
		  . ' FROM src GROUP BY 1');
	$s->run("ALTER TABLE batches " . join(', ', map { "ALTER $_ SET STORAGE EXTERNAL" } 'entries', map { "${_}s" } @columns));
	# rewritten, as what is stored is compressed
	$s->run('CREATE TABLE b2 (LIKE batches INCLUDING STORAGE); ALTER TABLE b2 ADD PRIMARY KEY (batch)');
	$s->run('INSERT INTO b2 SELECT batch, ' . join(', ', map { "$_ || '{}'" } 'entries', map { "${_}s" } @columns) . ' FROM batches');
	$s->run('DROP TABLE batches; ALTER TABLE b2 RENAME TO batches; VACUUM ANALYZE batches');

	my $pick = "\\set batch random(1, $nbatches)\n";
	my $arrays = join ', ', map { "${_}s" } @columns;
	my %stored = (
		insert => [ 'heap', "INSERT INTO b_heap SELECT e.* FROM batches, unnest(entries) e WHERE batch = :batch;" ],
		unnest => [ 'heap', "INSERT INTO b_heap SELECT u.* FROM batches, unnest($arrays) u WHERE batch = :batch;" ],
		append => [ 'ledger', "SELECT ledger.append('b_ledger', entries) FROM batches WHERE batch = :batch;" ]);
	my @forms = qw(insert append unnest heap_unnest append_ndjson values append_rows append_array);
	my $seconds = int($SECONDS / 2) || 1;
	my %rate;
	for my $run (1 .. $RUNS)
	{
		for my $form ($run % 2 ? @forms : reverse @forms)
		{
			my ($kind, $sql) = $stored{$form} ? @{ $stored{$form} } : $form =~ /append/ ? ('ledger') : ('heap');
			create("b_$kind", $kind);
			$s->run('CHECKPOINT');
			if ($sql)
			{
				push @{ $rate{$form} }, pgbench("$pick$sql\n", "-T $seconds")->{tps} * $BATCH;
			}
			else
			{
				(my $name = $form) =~ s/heap_//;
				my $r = `$work/batch $name b_$kind $FILE $BATCH $CLIENTS $seconds`;
				die "batch $name failed\n" if $? || $r !~ /^[1-9]/;
				push @{ $rate{$form} }, $r + 0;
			}
			my $n = $s->run("SELECT count(*) FROM b_$kind");
			die "$form: $n rows\n" if $n == 0 || $n % $BATCH;
		}
	}
	my %m = map { $_ => median(@{ $rate{$_} }) } @forms;
	my ($best) = sort { $m{$b} <=> $m{$a} } qw(append_rows append_array append_ndjson);
	my $append = $m{$best};
	report("$BATCH each, $CLIENTS clients; entries/s by INSERT", { heap => $m{values}, ledger => $append },
		[ 'of INSERT', ratio(@rate{$best, 'values'}), '>=', 1.0 ]);
	report('  by unnest(arrays); the best append', { heap => $m{heap_unnest}, ledger => $append },
		[ 'of unnest', ratio(@rate{$best, 'heap_unnest'}), '>=', 1.0 ]);
	report('  append(ARRAY[ROW($1, ...), ...])', { ledger => $m{append_rows} });
	report('  append($1::entries[])', { ledger => $m{append_array} });
	report('  append_ndjson($1)', { ledger => $m{append_ndjson} });
	report('from arrays stored in a table: INSERT, append', { heap => $m{insert}, ledger => $m{append} },
		[ 'of INSERT', ratio(@rate{qw(append insert)}), '>=', 1.0 ]);
	report('  unnest(arrays), append', { heap => $m{unnest}, ledger => $m{append} },
		[ 'of unnest', ratio(@rate{qw(append unnest)}), '>=', 1.0 ]);
	$s->run('DROP TABLE b_heap, b_ledger, batches, entry');
}

sub scan_section
{
	loaded();
	my %t;
	for my $run (1 .. $RUNS)
	{
		push @{ $t{$_} }, scalar timed($s, "COPY t_$_ TO '/dev/null'") for qw(heap ledger);
	}
	my %m = map { $_ => median(@{ $t{$_} }) } keys %t;
	report("COPY TO '/dev/null', s", \%m, [ 'of heap', $m{ledger} / $m{heap}, '<=', 1.3 ]);
}

sub lookup_section
{
	loaded();
	# by the index, though LedgerScan is as good where there is one segment only
	$s->run('SET enable_seqscan = off');
	my $n = 1000;
	my (%p50, %p99, %first);
	for my $kind (qw(heap ledger))
	{
		$s->run("CREATE INDEX lookup_$kind ON t_$kind (entry_id)");
		$s->run(<<"SQL");
CREATE FUNCTION lookup_$kind(keys text[]) RETURNS TABLE (us float8, hit int) LANGUAGE plpgsql AS \$\$
DECLARE
	k text;
	e t_$kind;
	t timestamptz;
BEGIN
	FOREACH k IN ARRAY keys LOOP
		t := clock_timestamp();
		SELECT * INTO e FROM t_$kind WHERE entry_id = k;
		us := extract(epoch FROM clock_timestamp() - t) * 1e6;
		hit := CASE WHEN e.entry_id IS NULL THEN 0 ELSE 1 END;
		RETURN NEXT;
	END LOOP;
END \$\$
SQL
	}
	for my $run (1 .. $RUNS)
	{
		# absent keys fall between those that are there
		my $keys = $s->run(<<"SQL");
SELECT array_agg(CASE WHEN i % 10 = 0 THEN entry_id || 'x' ELSE entry_id END)
FROM (SELECT entry_id, row_number() OVER (ORDER BY random()) AS i FROM t_heap ORDER BY random() LIMIT $n) k
SQL
		for my $kind (qw(heap ledger))
		{
			my $plan = $s->run("EXPLAIN SELECT * FROM t_$kind WHERE entry_id = 'x'");
			die "no index scan: $plan\n" if $plan !~ /lookup_$kind/;
			my @rows = map { [ split /\|/ ] } split /\n/, $s->run("SELECT * FROM lookup_$kind('$keys')");
			my $found = grep { $_->[1] } @rows;
			my $want = @rows - int(@rows / 10);
			die "$kind: $found found of $want\n" if abs($found - $want) > 5;
			my @us = sort { $a <=> $b } map { $_->[0] } @rows;
			push @{ $p50{$kind} }, percentile(0.5, @us) / 1000;
			push @{ $p99{$kind} }, percentile(0.99, @us) / 1000;

			my ($key) = $keys =~ /([\d-]+)[,}]/;
			for (1 .. 5)
			{
				my $new = Session->new;
				$new->run('SELECT 1');
				push @{ $first{$kind} }, 1000 * timed($new, "SELECT * FROM t_$kind WHERE entry_id = '$key'");
				$new->finish;
			}
		}
	}
	my %m = map { $_ => median(@{ $p50{$_} }) } keys %p50;
	report("$n lookups, 10 % absent: median, ms", \%m, [ 'ledger', $m{ledger}, '<=', 0.5 ]);
	%m = map { $_ => median(@{ $p99{$_} }) } keys %p99;
	report('  p99, ms', \%m, [ 'ledger', $m{ledger}, '<=', 1.5 ]);
	%m = map { $_ => median(@{ $first{$_} }) } keys %first;
	report('  first of a new connection, ms', \%m, [ 'ledger', $m{ledger}, '<=', 10 ]);
	$s->run('RESET enable_seqscan');
	$s->run("DROP INDEX lookup_$_; DROP FUNCTION lookup_$_(text[])") for qw(heap ledger);
}

# Rows in the tail, none sealed: a held lock keeps the sealer out.
sub fill_tail
{
	my ($table, $rows) = @_;
	create($table, 'ledger');
	my $holder = Session->new;
	$holder->run("BEGIN; LOCK TABLE $table IN SHARE UPDATE EXCLUSIVE MODE");
	$s->run('SET synchronous_commit = off');
	$s->run(<<"SQL");
DO \$\$
BEGIN
	FOR i IN 0 .. $rows / 500 - 1 LOOP
		INSERT INTO $table SELECT $COLUMNS FROM src WHERE id > (i * 500) % $NSRC AND id <= (i * 500) % $NSRC + 500;
		COMMIT;
	END LOOP;
END \$\$
SQL
	$s->run('RESET synchronous_commit');
	return $holder;
}

# The 99th percentile of a paced run, ms.  `sealing` off: the sealer is kept
# out by a held lock; on: what is there is sealed each second, too.
sub paced_run
{
	my $sealing = shift;
	create('p_ledger', 'ledger');
	my $holder = Session->new;
	my $stop;
	if ($sealing)
	{
		$stop = $holder->background("SELECT ledger.seal('p_ledger')", 1);
	}
	else
	{
		$holder->run("BEGIN; LOCK TABLE p_ledger IN SHARE UPDATE EXCLUSIVE MODE");
	}
	my $p99 = paced_p99(insert_script('p_ledger'));
	$stop->() if $stop;
	$holder->finish;
	$s->run('DROP TABLE p_ledger');
	return $p99;
}

# The 99th percentile, ms, of 2,000 transactions a second for $PACED seconds
sub paced_p99
{
	my $script = shift;
	my @us;
	pgbench($script, "-R 2000 -T $PACED -l --log-prefix=$work/pgbench.log");
	for my $file (glob "$work/pgbench.log*")
	{
		open my $f, '<', $file or die "$file: $!";
		while (my $line = <$f>)
		{
			my (undef, undef, $us) = split ' ', $line;
			push @us, $us;
		}
		unlink $file;
	}
	return percentile(0.99, sort { $a <=> $b } @us) / 1000;
}

sub seal_section
{
	my @rate;
	for my $run (1 .. $RUNS)
	{
		my $holder = fill_tail('s_ledger', $ROWS);
		$holder->run('COMMIT');
		$holder->finish;
		my ($t, $n) = timed($s, "SELECT ledger.seal('s_ledger')");
		push @rate, $n * $FILE_BYTES / $ROWS / 1e6 / $t;
		printf "  (the worker sealed %d of %d)\n", $ROWS - $n, $ROWS if $n < 0.9 * $ROWS;
	}
	$s->run('DROP TABLE s_ledger');
	my $rate = median(@rate);
	report('sealing, MB/s of COPY text, one backend', { ledger => $rate }, [ 'ledger', $rate, '>=', 100 ]);

	my %p99;
	for my $run (1 .. $RUNS)
	{
		push @{ $p99{$_} }, paced_run($_) for $run % 2 ? (0, 1) : (1, 0);
	}
	my ($without, $with) = (median(@{ $p99{0} }), median(@{ $p99{1} }));
	report("2,000 inserts/s, ${PACED} s: p99 ms, no sealing", { ledger => $without });
	report('  while sealing', { ledger => $with }, [ 'of without', $with / $without, '<=', 2 ]);
}

sub vacuum_section
{
	loaded();
	my %t;
	for my $kind (qw(heap ledger))
	{
		$s->run("VACUUM (FREEZE) t_$kind");
		push @{ $t{$kind} }, 1000 * timed($s, "VACUUM t_$kind") for 1 .. 5;
	}
	my %m = map { $_ => median(@{ $t{$_} }) } keys %t;
	report('VACUUM of a frozen table, ms', \%m, [ 'ledger', $m{ledger}, '<=', 20 ]);
}

# The most anonymous memory (RssAnon, MB) of a new session's backend while it
# runs sql, read every 2 ms.
sub peak_memory
{
	my $sql = shift;
	my $new = Session->new;
	my $pid = $new->run('SELECT pg_backend_pid()');
	my $peak = 0;
	$new->send($sql);
	until ($new->ready(0.002))
	{
		open my $f, '<', "/proc/$pid/status" or last;
		while (my $line = <$f>)
		{
			$peak = $1 if $line =~ /^RssAnon:\s+(\d+)/ && $1 > $peak;
		}
	}
	$new->result;
	$new->finish;
	return $peak / 1024;
}

# what a query gives, as a file that COPY reads
sub make_file
{
	my ($name, $select) = @_;
	my $file = "$work/$name.copy";
	unlink $file;
	$s->run("COPY ($select) TO '$file'");
	return $file;
}

sub memory_section
{
	my @limit = ('<=', 128);
	my %m;
	for my $kind (qw(heap ledger))
	{
		create("m_$kind", $kind);
		$m{$kind} = peak_memory("COPY m_$kind FROM '$FILE'");
	}
	report("COPY of $ROWS entries, MB", \%m, [ 'ledger', $m{ledger}, @limit ]);

	my $wide = int($ROWS / 25);
	my $file = make_file('wide', "SELECT i, (SELECT string_agg(md5((i * 1000 + j)::text), '') FROM generate_series(1, 625) j) FROM generate_series(1, $wide) i");
	for my $kind (qw(heap ledger))
	{
		$s->run("CREATE TABLE wide_$kind (id int, body text) USING $with{$kind}");
		$m{$kind} = peak_memory("COPY wide_$kind FROM '$file'");
		$s->run("DROP TABLE wide_$kind");
	}
	unlink $file;
	report("COPY of $wide rows of 20 kB, MB", \%m, [ 'ledger', $m{ledger}, @limit ]);

	my $rows = int($ROWS / 25);
	$file = make_file('columns', 'SELECT ' . join(', ', map { "(i * $_) % 100000" } 1 .. 1600) . " FROM generate_series(1, $rows) i");
	my $columns = join ', ', map { "c$_ int" } 1 .. 1600;
	for my $kind (qw(heap ledger))
	{
		$s->run("CREATE TABLE columns_$kind ($columns) USING $with{$kind}");
		$m{$kind} = peak_memory("COPY columns_$kind FROM '$file'");
		$s->run("DROP TABLE columns_$kind");
	}
	unlink $file;
	report("COPY of $rows rows of 1,600 columns, MB", \%m, [ 'ledger', $m{ledger}, @limit ]);

	my $leaves = 500;
	for my $kind (qw(heap ledger))
	{
		$s->run("CREATE TABLE parent_$kind ($DEFINITION) PARTITION BY HASH (entry_id)");
		$s->run("CREATE TABLE parent_${kind}_$_ PARTITION OF parent_$kind FOR VALUES WITH (MODULUS $leaves, REMAINDER $_) USING $with{$kind}")
		  for 0 .. $leaves - 1;
		$m{$kind} = peak_memory("COPY parent_$kind FROM '$FILE'");
		my @all = map { "parent_${kind}_$_" } 0 .. $leaves - 1;
		# a few at a time, for the lock table's sake
		while (my @some = splice @all, 0, 50) { $s->run('DROP TABLE ' . join ', ', @some) }
		$s->run("DROP TABLE parent_$kind");
	}
	report("COPY of $ROWS entries to $leaves leaves, MB", \%m, [ 'ledger', $m{ledger}, @limit ]);

	my $holder = fill_tail('m_seal', $ROWS);
	$holder->run('COMMIT');
	$holder->finish;
	my $mb = peak_memory("SELECT ledger.seal('m_seal')");
	report("ledger.seal of $ROWS entries, MB", { ledger => $mb }, [ 'ledger', $mb, @limit ]);

	# values that compress a hundredfold: few pages, much to encode
	$s->run('CREATE TABLE m_big (id int, body text) USING ledger');
	$rows = int($ROWS / 1000);
	$s->run("DO \$\$ BEGIN FOR i IN 1 .. $rows LOOP INSERT INTO m_big VALUES (i, repeat(md5(i::text), 10000)); COMMIT; END LOOP; END \$\$");
	$mb = peak_memory("SELECT ledger.seal('m_big')");
	report("ledger.seal of $rows rows of 320 kB, MB", { ledger => $mb }, [ 'ledger', $mb, @limit ]);
	$s->run('DROP TABLE m_big');
	$s->run('DROP TABLE m_heap, m_ledger, m_seal');
}
