# What run.pl's section "managed" measures: appends to managed ledgers, and their
# life.  Heap beside them is partitioned in the same way, with the four indexes
# (heap4) or without any (heap).
use strict;
use warnings;

our ($bindir, $work, $s);
our ($ROWS, $RUNS, $SECONDS, $PACED, $CLIENTS, $NSRC, $BATCH);
our ($COLUMNS, $DEFINITION, %with, @KINDS);

my $seconds = int($SECONDS / 2) || 1;

# Its parts, which are sections of their own, too
our @managed = (
	[ batches => \&batches_section ],
	[ single => \&single_section ],
	[ instructions => \&instructions_section ],
	[ partitions => \&partitions_section ],
	[ missing => \&missing_section ],
	[ retention => \&retention_section ],
	[ leaves => \&leaves_section ],
	[ skip => \&skip_section ]);

sub managed_section
{
	$_->[1]->() foreach @managed;
}

#
# Tables, files and clients
#

# what a query gives, in a file that batch reads
sub batch_file
{
	my ($name, $select) = @_;
	my $file = "$work/$name.copy";
	system("$bindir/psql", '-XAtq', '-c', "COPY ($select) TO STDOUT", '-o', $file) == 0 or die "psql failed\n";
	return $file;
}

# batch(form, table, file, size, clients, seconds, option...): entries a second
sub batch
{
	my ($form, $table, $file, $size, $clients, $for, @options) = @_;
	my $r = `$work/batch @options $form $table $file $size $clients $for`;
	die "batch $form failed\n" if $? || $r !~ /^[1-9]/;
	return $r + 0;
}

# what batch -l has written: a list of ms for each connection
sub latencies
{
	my $file = shift;
	my @ms;
	open my $f, '<', $file or die "$file: $!";
	while (my $line = <$f>)
	{
		my ($client, $us) = split ' ', $line;
		push @{ $ms[$client] }, $us / 1000;
	}
	close $f;
	unlink $file;
	return @ms;
}

# A table with a partition for each of so many days from 2026-09-08 on; a ledger
# is managed.
my $DAY0 = "timestamptz '2026-09-08 00:00+00'";

sub create_days
{
	my ($table, $kind, $days) = @_;
	$s->run("DROP TABLE IF EXISTS $table");
	$s->run("CREATE TABLE $table ($DEFINITION) PARTITION BY RANGE (ts)");
	$s->run(<<"SQL");
DO \$\$
BEGIN
	FOR i IN 0 .. $days - 1 LOOP
		-- named as ledger.manage() names them
		EXECUTE format('CREATE TABLE ${table}_p%s PARTITION OF $table FOR VALUES FROM (%L) TO (%L) USING $with{$kind}',
			to_char(($DAY0 + i * interval '1 day') AT TIME ZONE 'UTC', 'YYYYMMDD'), $DAY0 + i * interval '1 day', $DAY0 + (i + 1) * interval '1 day');
	END LOOP;
END \$\$
SQL
	if ($kind eq 'ledger')
	{
		$s->run("SELECT ledger.manage('$table', '1 day', 0, max_past => '100 years', max_future => '100 years')");
	}
	create_indexes($table) if $kind eq 'heap4';
}

sub drop_all
{
	my $table = shift;
	# a few at a time, for the lock table's sake
	my @leaves = split /\n/, $s->run("SELECT relid FROM pg_partition_tree('$table') WHERE isleaf");
	while (my @some = splice @leaves, 0, 100) { $s->run('DROP TABLE ' . join ', ', @some) }
	$s->run("DROP TABLE $table");
}

# The CPU time that the server's processes have used so far, in seconds: of those
# that there are, and of those that the postmaster has waited for.
sub server_cpu
{
	my ($postmaster) = $s->run("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)");
	open my $c, '<', "/proc/$postmaster/task/$postmaster/children" or die "children: $!";
	my $ticks = 0;
	for my $pid ($postmaster, split ' ', <$c> // '')
	{
		open my $f, '<', "/proc/$pid/stat" or next;
		(my $stat = <$f> // '') =~ s/^.*\) //s or next;
		my (undef, @field) = split ' ', $stat;
		# utime, stime, cutime, cstime
		$ticks += $_ for @field[ 10 .. 13 ];
	}
	require POSIX;
	return $ticks / POSIX::sysconf(&POSIX::_SC_CLK_TCK);
}

#
# Batches over three partitions
#

sub spread_file
{
	return batch_file('spread',
		'SELECT ' . columns_with(ts => "ts + (id % 3) * interval '1 day'") . ' FROM src ORDER BY id');
}

# the columns of src, some of them replaced by an expression
sub columns_with
{
	my %other = @_;
	return join ', ', map { $other{$_} || $_ } split /, /, $COLUMNS;
}

# so many days as src is long, and three more
sub spread_days
{
	return 3 + $s->run("SELECT max(ts)::date - ($DAY0)::date FROM src");
}

sub batches_section
{
	$s->run("SET timezone = 'UTC'");
	my $spread = spread_file();
	my $days = spread_days();
	my %form = (
		values => 'heap4', append_ndjson => 'ledger', append_rows => 'ledger', append_array => 'ledger',
		populate => 'heap4', append_json => 'ledger');
	my (%rate, %wal, %cpu, %sealed_cpu);
	my @forms = sort keys %form;
	for my $run (1 .. $RUNS)
	{
		for my $form ($run % 2 ? @forms : reverse @forms)
		{
			my $kind = $form{$form};
			create_days("p_$kind", $kind, $days);
			$s->run('CHECKPOINT');
			my $lsn = lsn();
			my $cpu = server_cpu();
			push @{ $rate{$form} }, batch($form, "p_$kind", $spread, $BATCH, $CLIENTS, $seconds);
			my $used = server_cpu() - $cpu;
			$s->run("SELECT ledger.seal('p_$kind')") if $kind eq 'ledger';
			my $sealed = server_cpu() - $cpu;
			$s->run("VACUUM p_$kind") if $kind eq 'ledger';
			my $wal = wal_since($lsn);
			my $n = $s->run("SELECT count(*) FROM p_$kind");
			die "$form: $n rows\n" if $n == 0 || $n % $BATCH;
			my $leaves = $s->run("SELECT count(DISTINCT tableoid) FROM p_$kind");
			die "$form: $leaves partitions\n" if $leaves < 3;
			push @{ $wal{$form} }, $wal / $n;
			push @{ $cpu{$form} }, 1e6 * $used / $n;
			push @{ $sealed_cpu{$form} }, 1e6 * $sealed / $n;
		}
	}
	my %m = map { $_ => median(@{ $rate{$_} }) } @forms;
	my %w = map { $_ => median(@{ $wal{$_} }) } @forms;
	my %c = map { $_ => median(@{ $cpu{$_} }) } @forms;
	my %sc = map { $_ => median(@{ $sealed_cpu{$_} }) } @forms;
	my ($best) = sort { $m{$b} <=> $m{$a} } qw(append_rows append_array append_ndjson);
	report("$BATCH each over 3 partitions; entries/s", { heap4 => $m{values}, ledger => $m{$best} },
		[ 'of INSERT', ratio(@rate{$best, 'values'}), '>=', 2.5 ]);
	report('  WAL bytes an entry, with sealing', { heap4 => $w{values}, ledger => $w{$best} },
		[ 'of INSERT', $w{$best} / $w{values}, '<=', 0.7 ]);
	report('  append_json, jsonb_populate_recordset', { heap4 => $m{populate}, ledger => $m{append_json} },
		[ 'of INSERT', ratio(@rate{qw(append_json populate)}), '>=', 2.0 ]);
	report('  append(ARRAY[ROW($1, ...), ...])', { ledger => $m{append_rows} });
	report('  append($1::entries[])', { ledger => $m{append_array} });
	# all processes of the server, workers too
	report('  CPU us an entry, all of the server', { heap4 => $c{values}, ledger => $c{$best} },
		[ 'of INSERT', ratio(@cpu{$best, 'values'}), '<=', 0.4 ]);
	# more than is asked for: the work of the sealer, too, which waits for idle CPU
	report('  the same, until all is sealed', { heap4 => $sc{values}, ledger => $sc{$best} },
		[ 'of INSERT', ratio(@sealed_cpu{$best, 'values'}) ]);
	report('  CPU us an entry, of JSON', { heap4 => $c{populate}, ledger => $c{append_json} });

	$s->run('DROP TABLE p_heap4, p_ledger');
	unlink $spread;
}

#
# Single entries over three partitions
#

# Into partitions that hold the entries of src already, as those of a running
# platform do; and into ones that were just made, whose indexes are small.  There a
# commit's wait for the disk is nearly all of a heap's transaction too, so that no
# table can be much faster, and the bound is not asked for.  Both also without that
# wait.
sub single_section
{
	$s->run("SET timezone = 'UTC'");
	my $spread = spread_file();
	my $days = spread_days();
	my $async = "$ENV{PGOPTIONS} -c synchronous_commit=off";
	create_days("p_$_", $_, $days) for qw(heap4 ledger);
	single_rows($spread, 'into empty partitions');
	{
		local $ENV{PGOPTIONS} = $async;
		create_days("p_$_", $_, $days) for qw(heap4 ledger);
		single_rows($spread, 'the same, synchronous_commit = off');
	}
	# what a transaction costs here that writes a few bytes of WAL and no more
	report('  tps of the least transaction that writes',
		{ heap => pgbench("SELECT pg_logical_emit_message(true, '', '');\n", "-T $seconds")->{tps} });

	$s->run("CREATE UNLOGGED TABLE held ($DEFINITION, id serial)");
	$s->run("COPY held ($COLUMNS) FROM '$work/entries.copy'");
	for my $kind (qw(heap4 ledger))
	{
		create_days("p_$kind", $kind, $days);
		$s->run("INSERT INTO p_$kind SELECT " . columns_with(ts => "ts + (id % 3) * interval '1 day'") . ' FROM held');
		$s->run("VACUUM ANALYZE p_$kind");
	}
	single_rows($spread, "into partitions that hold $ROWS entries", 1.25);
	local $ENV{PGOPTIONS} = $async;
	single_rows($spread, 'the same, synchronous_commit = off', 1.25);
	$s->run('DROP TABLE p_heap4, p_ledger, held');
	unlink $spread;
}

# Many short rounds by turns, as the disk's speed changes from minute to minute
sub single_rows
{
	my ($spread, $name, @bound) = @_;
	my %form = (heap4 => 'values', ledger => 'append_row');
	my (%rate, %wal);
	for my $run (1 .. ($RUNS < 2 ? 1 : 2 * $RUNS + 1))
	{
		for my $kind ($run % 2 ? qw(heap4 ledger) : qw(ledger heap4))
		{
			$s->run('CHECKPOINT');
			my $before = $s->run("SELECT count(*) FROM p_$kind");
			my $lsn = lsn();
			push @{ $rate{$kind} }, batch($form{$kind}, "p_$kind", $spread, 1, $CLIENTS, $seconds);
			my $wal = wal_since($lsn);
			push @{ $wal{$kind} }, $wal / ($s->run("SELECT count(*) FROM p_$kind") - $before);
		}
	}
	printf "single entries, $CLIENTS clients, $name\n";
	report('  tps', { map { $_ => median(@{ $rate{$_} }) } keys %rate },
		[ 'of INSERT', ratio(@rate{qw(ledger heap4)}), map { ('>=', $_) } @bound ]);
	report('  WAL bytes an entry', { map { $_ => median(@{ $wal{$_} }) } keys %wal });
}

# Instructions in user mode, counted by valgrind, as machines without counters
# for them are common: all of a small server's, for one and for two portions of
# batches from one connection; the difference is a portion's.  Without
# maintenance, as starting its worker costs more than a portion does, once.
sub instructions_section
{
	if (system('command -v valgrind >/dev/null') != 0)
	{
		printf "  (instructions are not counted: there is no valgrind)\n";
		return;
	}
	$s->run("SET timezone = 'UTC'");
	my $spread = spread_file();
	my $portion = $RUNS < 2 ? 5 : 20;
	local $ENV{PGHOST} = $work;
	local $ENV{PGPORT} = $ENV{PGPORT} + 1;
	make_counted(spread_days());
	my $per_entry = sub {
		my @total = map { count_instructions(@_, $_ * $portion, $spread) } 1, 2;
		return ($total[1] - $total[0]) / ($portion * $BATCH);
	};
	my $heap = $per_entry->('values', 'heap4', 0);
	report('instructions an entry, append_ndjson', { heap4 => $heap, ledger => $per_entry->('append_ndjson', 'ledger', 0) });
	report('  the same, until all is sealed', { heap4 => $heap, ledger => $per_entry->('append_ndjson', 'ledger', 1) })
	  if $RUNS > 1;
	report('  append(ARRAY[ROW($1, ...), ...])', { heap4 => $heap, ledger => $per_entry->('append_rows', 'ledger', 0) })
	  if $RUNS > 1;
	system("rm -rf $work/counted $work/counted.*");
	unlink $spread;
}

my @as_server = $> == 0 ? qw(runuser -u postgres --) : ();

sub as_server
{
	my $command = "@as_server " . shift;
	system("cd / && $command >>$work/counted.log 2>&1") == 0 or die "$command failed: see $work/counted.log\n";
}

sub counted_settings
{
	return "-c autovacuum=off -c ledger.maintenance=off -c fsync=off -c listen_addresses= -c unix_socket_directories=$work -c port=$ENV{PGPORT}";
}

# What is counted starts from a copy of this: valgrind makes all of it slow.
sub make_counted
{
	my $days = shift;
	my $dir = "$work/counted";
	system("rm -rf $dir");
	as_server("$bindir/initdb -D $dir -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N");
	as_server("$bindir/pg_ctl -D $dir -w -l $dir/log -o '@{[ counted_settings() ]}' start");
	local $s = Session->new;
	$s->run("SET timezone = 'UTC'; CREATE EXTENSION ledger");
	create_days("p_$_", $_, $days) for qw(heap4 ledger);
	$s->finish;
	as_server("$bindir/pg_ctl -D $dir -w stop");
}

sub count_instructions
{
	my ($form, $kind, $seal, $nbatches, $file) = @_;
	my $dir = "$work/counted.now";
	my $few = "$work/few.copy";
	my $total = 0;

	system("rm -rf $dir $work/instructions.* && cp -a $work/counted $dir") == 0 or die "cp failed\n";
	system("head -n @{[ $nbatches * $BATCH ]} $file >$few") == 0 or die "head failed\n";
	my $pid = fork // die "fork: $!";
	if (!$pid)
	{
		exec "cd / && exec @as_server valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=$work/instructions.%p "
		  . "$bindir/postgres -D $dir @{[ counted_settings() ]} >>$work/counted.log 2>&1";
	}
	for (1 .. 600)
	{
		last if system("$bindir/psql -XAtqc 'SELECT 1' >/dev/null 2>&1") == 0;
		sleep 0.1;
	}
	batch($form, "p_$kind", $few, $BATCH, 1, 0, '-1');
	local $s = Session->new;
	$s->run("SELECT ledger.seal('p_$kind')") if $seal;
	my $n = $s->run("SELECT count(*) FROM p_$kind");
	die "$n entries counted\n" if $n != $nbatches * $BATCH;
	$s->finish;
	as_server("$bindir/pg_ctl -D $dir -w -t 300 stop");
	waitpid $pid, 0;

	for my $out (glob "$work/instructions.*")
	{
		open my $f, '<', $out or die "$out: $!";
		while (my $line = <$f>) { $total += $1 if $line =~ /^summary: (\d+)/ }
	}
	system("rm -rf $dir $work/instructions.* $few");
	die "no instructions counted\n" if $total == 0;
	return $total;
}

#
# Many partitions
#

# One connection sends batches of which each has entries of three leaves, all
# leaves one after the other; first each batch once, so that it has opened all.
sub partitions_section
{
	my $many = $ROWS < 100000 ? 200 : 1000;
	my @counts = (10, $many);
	my $nbatches = 334;
	my (%file, %warm, %first, %opening);
	for my $n (@counts)
	{
		$file{$n} = batch_file("days_$n",
			'SELECT ' . columns_with(ts => "$DAY0 + mod(b * 3 + i % 3, $n) * interval '1 day' + i * interval '1 second'")
			  . " FROM generate_series(0, $nbatches - 1) AS b, generate_series(0, $BATCH - 1) AS i, src"
			  . " WHERE src.id = mod(b * $BATCH + i, $NSRC) + 1 ORDER BY b, i");
		create_days("days_heap_$n", 'heap4', $n);
		create_days("days_ledger_$n", 'ledger', $n);
	}
	my @kinds = map { ([ 'ledger', $_ ], [ 'heap', $_ ]) } @counts;
	for my $run (1 .. $RUNS)
	{
		for my $which ($run % 2 ? @kinds : reverse @kinds)
		{
			my ($kind, $n) = @$which;
			my $form = $kind eq 'heap' ? 'values' : 'append_ndjson';
			my $table = "days_${kind}_$n";
			$s->run("TRUNCATE $table; CHECKPOINT");
			push @{ $warm{"$kind$n"} }, 1e6 / batch($form, $table, $file{$n}, $BATCH, 1, $seconds, '-w', '-l', "$work/latencies");
			my ($ms) = latencies("$work/latencies");
			push @{ $opening{"$kind$n"} }, median(@$ms[ 1 .. $nbatches - 1 ]);
			for (1 .. 5)
			{
				batch($form, $table, $file{$n}, $BATCH, 1, 0, '-l', "$work/latencies");
				my ($first) = latencies("$work/latencies");
				push @{ $first{"$kind$n"} }, $first->[0];
			}
		}
	}
	my %m = map { $_ => median(@{ $warm{$_} }) } keys %warm;
	my %o = map { $_ => median(@{ $opening{$_} }) } keys %opening;
	my %f = map { $_ => median(@{ $first{$_} }) } keys %first;
	report('10 partitions, 3 a batch: us an entry', { heap4 => $m{heap10}, ledger => $m{ledger10} });
	report("$many partitions", { heap4 => $m{"heap$many"}, ledger => $m{"ledger$many"} },
		[ 'of with 10', ratio(@warm{"ledger$many", 'ledger10'}), '<=', 1.2 ]);
	report('  a batch of 3 not met before, ms', { heap4 => $o{"heap$many"}, ledger => $o{"ledger$many"} });
	report('  first of a new connection, ms', { heap4 => $f{"heap$many"}, ledger => $f{"ledger$many"} },
		[ 'ledger', $f{"ledger$many"}, '<=', 20 ]);
	report('  the same with 10 partitions', { heap4 => $f{heap10}, ledger => $f{ledger10} });
	for my $view (qw(ledgers partitions sealing))
	{
		my @ms = map { 1000 * (timed($s, "SELECT * FROM ledger.$view WHERE ledger = 'days_ledger_$many'::regclass"))[0] } 0 .. 4;
		report("  ledger.$view of it, ms", { ledger => median(@ms) });
	}
	for my $n (@counts)
	{
		drop_all("days_${_}_$n") for qw(heap ledger);
		unlink $file{$n};
	}
}

# All clients append an entry of the same day without a partition, day after day.
sub missing_section
{
	my $days = $RUNS < 2 ? 20 : 80;
	my $file = batch_file('missing',
		'SELECT ' . columns_with(ts => "$DAY0 + id * interval '1 day'") . " FROM src WHERE id <= $days ORDER BY id");
	my (@all, @max);
	for my $run (1 .. $RUNS)
	{
		create_days('m_ledger', 'ledger', 1);
		batch('append_row', 'm_ledger', $file, 1, $CLIENTS, 0, '-t', '-l', "$work/latencies");
		# that of the first day counts the new connections, too
		my @ms = map { shift @$_; @$_ } latencies("$work/latencies");
		push @all, @ms;
		my ($used, $n) = split /\|/, $s->run('SELECT count(DISTINCT tableoid), count(*) FROM m_ledger');
		die "$used partitions, $n entries\n" if $used != $days || $n != $days * $CLIENTS;
		$s->run('DROP TABLE m_ledger');
	}
	@all = sort { $a <=> $b } @all;
	report("first into a missing partition, $CLIENTS at once, ms", { ledger => $all[-1] }, [ 'the longest', $all[-1], '<=', 200 ]);
	report('  median', { ledger => percentile(0.5, @all) });
	unlink $file;
}

#
# Retention
#

# A managed ledger with expired partitions, as many rows in each, and current ones
sub create_expired
{
	my ($table, $partitions, $rows) = @_;
	$s->run("DROP TABLE IF EXISTS $table");
	$s->run("CREATE TABLE $table ($DEFINITION) PARTITION BY RANGE (ts)");
	my $today = "date_trunc('day', now(), 'UTC')";
	$s->run(<<"SQL");
DO \$\$
BEGIN
	FOR i IN 2 .. $partitions + 1 LOOP
		EXECUTE format('CREATE TABLE ${table}_%s PARTITION OF $table FOR VALUES FROM (%L) TO (%L) USING ledger',
			i, $today - i * interval '1 day', $today - (i - 1) * interval '1 day');
		EXECUTE format('INSERT INTO ${table}_%s SELECT @{[ columns_with(ts => '$1') ]} FROM src WHERE id <= $rows', i)
			USING $today - i * interval '1 day';
		COMMIT;
	END LOOP;
END \$\$
SQL
	$s->run("SELECT ledger.manage('$table', '1 day')");
	# what the report reads, and what is newest
	$s->run("SELECT ledger.append('$table', ROW(@{[ columns_with(ts => $_) ]})) FROM src WHERE id <= $rows")
	  for "$today - interval '1 hour'", 'now()';
}

# idle; or with maintenance all the time, and a report on yesterday's partition,
# by way of its parent, which then no partition can be dropped of, or by itself
sub retention_run
{
	my $how = shift;
	my ($report, $maintainer, $stop);
	create_expired('r_ledger', $RUNS < 2 ? 20 : 200, 500);
	$s->run('CHECKPOINT');
	if ($how ne 'idle')
	{
		my $yesterday = "date_trunc('day', now(), 'UTC') - interval '1 hour'";
		my $leaf = $s->run("SELECT DISTINCT tableoid::regclass FROM r_ledger WHERE ts = $yesterday");
		$report = Session->new;
		$report->run('BEGIN ISOLATION LEVEL REPEATABLE READ');
		my ($from, $where) = $how eq 'parent' ? ('r_ledger', "WHERE ts = '" . $s->run("SELECT $yesterday") . "'") : ($leaf, '');
		my $n = $report->run("SELECT count(data::text) FROM $from $where");
		die "the report has read nothing\n" if $n == 0;
		my $locked = $report->run("SELECT string_agg(relation::regclass::text, ' ') FROM pg_locks WHERE pid = pg_backend_pid() AND relation::regclass::text LIKE 'r\\_ledger%'");
		die "the report locks $locked\n" if $locked ne ($how eq 'parent' ? "r_ledger $leaf" : $leaf) && $locked ne "$leaf r_ledger";
		$s->run("SELECT ledger.manage('r_ledger', '1 day', retention => '1 day')");
		$maintainer = Session->new;
		$maintainer->run('SET client_min_messages = error');
		$stop = $maintainer->background("CALL ledger.maintain('r_ledger')", 0.5);
	}
	my $now = columns_with(ts => 'now()');
	my $p99 = paced_p99("\\set id random(1, $NSRC)\nSELECT ledger.append('r_ledger', ROW($now)) FROM src WHERE id = :id;\n");
	my $done = '';
	if ($how ne 'idle')
	{
		$stop->();
		$maintainer->finish;
		$report->run('COMMIT');
		$report->finish;
		my ($truncated, $dropped) = split /\|/, $s->run(<<'SQL');
SELECT count(*) FILTER (WHERE action = 'partition truncated'), count(*) FILTER (WHERE action = 'partition dropped')
FROM ledger.activity WHERE ledger = 'r_ledger'::regclass
SQL
		die "$how: $truncated partitions truncated, $dropped dropped\n" if !$truncated || ($how eq 'leaf') != ($dropped > 0);
	}
	drop_all('r_ledger');
	return $p99;
}

sub retention_section
{
	my %p99;
	$s->run("SET timezone = 'UTC'");
	for my $run (1 .. $RUNS)
	{
		push @{ $p99{$_} }, retention_run($_) for $run % 2 ? qw(idle parent leaf) : qw(leaf parent idle);
	}
	my %m = map { $_ => median(@{ $p99{$_} }) } keys %p99;
	report("2,000 appends/s, ${PACED} s: p99 ms, idle", { ledger => $m{idle} });
	report('  retention, a report by the parent', { ledger => $m{parent} },
		[ 'of idle', ratio(@p99{qw(parent idle)}), '<=', 2 ]);
	report('  retention, a report on a partition', { ledger => $m{leaf} },
		[ 'of idle', ratio(@p99{qw(leaf idle)}), '<=', 2 ]);
}

#
# Many leaves that get few entries each
#

# A partition for each app, which has one leaf for the day.  That the day ends
# is played by giving the leaf an end that has passed.
sub create_apps
{
	my ($table, $kind, $apps) = @_;
	$s->run("DROP TABLE IF EXISTS $table");
	$s->run("CREATE TABLE $table ($DEFINITION) PARTITION BY LIST (app_id)");
	$s->run(<<"SQL");
DO \$\$
BEGIN
	FOR i IN 1 .. $apps LOOP
		EXECUTE format('CREATE TABLE ${table}_%1\$s PARTITION OF $table FOR VALUES IN (%1\$L) PARTITION BY RANGE (ts)', i);
		EXECUTE format('CREATE TABLE ${table}_%1\$s_day PARTITION OF ${table}_%1\$s FOR VALUES FROM (''2000-01-01'') TO (''2100-01-01'') USING $with{$kind}', i);
		COMMIT;
	END LOOP;
END \$\$
SQL
	create_indexes($table) if $kind eq 'heap4';
	# the other settings are for partitions that are made; here none is
	$s->run("SELECT ledger.manage('$table', '1 day', 0, seal_after => '0')") if $kind eq 'ledger';
}

sub end_day
{
	my ($table, $apps) = @_;
	$s->run(<<"SQL");
DO \$\$
BEGIN
	FOR i IN 1 .. $apps LOOP
		EXECUTE format('ALTER TABLE ${table}_%1\$s DETACH PARTITION ${table}_%1\$s_day', i);
		EXECUTE format('ALTER TABLE ${table}_%1\$s ATTACH PARTITION ${table}_%1\$s_day FOR VALUES FROM (''2000-01-01'') TO (%L)',
			i, date_trunc('day', now(), 'UTC'));
		COMMIT;
	END LOOP;
END \$\$
SQL
}

sub leaves_size
{
	my ($table, $n) = @_;
	return $s->run("SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('$table') WHERE isleaf") / $n;
}

# Hours in which each leaf gets 100 entries, with a checkpoint each five minutes
# and maintenance each hour: (WAL and size an entry after the first hour; both
# after the last; both when the day has passed)
sub leaves_run
{
	my ($kind, $apps, $hours) = @_;
	my $table = "e_$kind";
	my $each = int($apps * 100 / 12 / $CLIENTS + 0.5) || 1;
	my $row = columns_with(app_id => ':app::text');
	my $store = $kind eq 'ledger' ? "SELECT ledger.append('$table', ROW($row))" : "INSERT INTO $table SELECT $row";
	$store .= ' FROM src WHERE id = :id';
	my %m;
	my ($wal, $n) = (0, 0);
	create_apps($table, $kind, $apps);
	my $tail = sub { return $s->run("SELECT sum(tail_entries) FROM ledger.stats('$table')") };
	my $maintain = sub {
		my $lsn = lsn();
		$s->run("CALL ledger.maintain('$table')") if $kind eq 'ledger';
		$wal += wal_since($lsn);
	};
	for my $hour (1 .. $hours)
	{
		for (1 .. 12)
		{
			$s->run('CHECKPOINT');
			my $lsn = lsn();
			$n += pgbench("\\set id random(1, $NSRC)\n\\set app random(1, $apps)\n$store;\n", "-t $each")->{n};
			$wal += wal_since($lsn);
		}
		$maintain->();
		@m{qw(hour_wal hour_size)} = ($wal / $n, leaves_size($table, $n)) if $hour == 1;
	}
	@m{qw(day_wal day_size)} = ($wal / $n, leaves_size($table, $n));
	end_day($table, $apps);
	$s->run('CHECKPOINT');
	if ($kind eq 'ledger')
	{
		# a leaf that autovacuum is at is left for the next time
		my $tries = 0;
		do { $maintain->() } while $tail->() > 0 && ++$tries < 10;
		die "entries of past leaves are not sealed\n" if $tail->() > 0;
	}
	else
	{
		$s->run("VACUUM $table");
	}
	@m{qw(past_wal past_size)} = ($wal / $n, leaves_size($table, $n));
	my $count = $s->run("SELECT count(*) FROM $table");
	die "$table: $n appended, $count rows\n" if $count != $n;
	drop_all($table);
	return \%m;
}

sub leaves_section
{
	my $apps = int($ROWS / 1000) || 1;
	$apps = 8 if $apps < 8;
	my $hours = $RUNS < 2 ? 2 : 12;
	my (%r, %m);
	$s->run("SET timezone = 'UTC'");
	local $ENV{PGOPTIONS} = "$ENV{PGOPTIONS} -c synchronous_commit=off";
	$s->run('SET synchronous_commit = off; SET client_min_messages = error');
	$r{$_} = leaves_run($_, $apps, $hours) for @KINDS;
	$s->run('RESET synchronous_commit; RESET client_min_messages');
	my $of = sub {
		my $what = shift;
		return { map { $_ => $r{$_}{$what} } @KINDS };
	};
	my $bound = sub {
		my ($what, $limit) = @_;
		return [ 'of heap', $r{ledger}{$what} / $r{heap}{$what}, '<=', $limit ];
	};
	printf "$apps leaves, 100 single entries an hour each, $hours hours\n";
	report('  stored bytes an entry, after an hour', $of->('hour_size'), $bound->('hour_size', 1));
	report("  after $hours hours", $of->('day_size'), $bound->('day_size', 1));
	report('  when the day has passed', $of->('past_size'), $bound->('past_size', 1));
	report('  WAL bytes an entry, after an hour', $of->('hour_wal'), $bound->('hour_wal', 1.3));
	report("  after $hours hours", $of->('day_wal'), $bound->('day_wal', 1.3));
	report('  when the day has passed', $of->('past_wal'), $bound->('past_wal', 1.3));
}

#
# Conflicts
#

# Batches of which a tenth is there already, or is just being stored by another
# connection: each entry whose id ends in 9 is the one 1,000 before.
sub skip_section
{
	$s->run("SET timezone = 'UTC'");
	my $n = $NSRC - $NSRC % $BATCH;
	my $file = batch_file('skip',
		'SELECT ' . join(', ', map { "CASE WHEN s.id % 10 = 9 AND s.id > 1000 THEN o.$_ ELSE s.$_ END" } split /, /, $COLUMNS)
		  . " FROM src s LEFT JOIN src o ON o.id = CASE WHEN s.id > 1010 THEN s.id - 999 - s.id % 10 ELSE 1 END"
		  . " WHERE s.id <= $n ORDER BY s.id");
	my %form = (values => 'heap', append_ndjson => 'ledger', append_rows => 'ledger', populate => 'heap', append_json => 'ledger');
	my @forms = qw(append_json populate append_rows values append_ndjson);
	my (%rate, $stored);
	for my $run (1 .. $RUNS)
	{
		for my $form ($run % 2 ? @forms : reverse @forms)
		{
			my $kind = $form{$form};
			create_days("c_$kind", $kind, spread_days());
			$s->run("CREATE UNIQUE INDEX ON c_$kind (entry_id, type, ts)");
			$s->run('CHECKPOINT');
			push @{ $rate{$form} }, batch("${form}_skip", "c_$kind", $file, $BATCH, $CLIENTS, 0, '-1');
			my $count = $s->run("SELECT count(*) FROM c_$kind");
			$stored //= $count;
			die "$form: $count entries, not $stored\n" if $count != $stored || $count == $n;
		}
	}
	my %m = map { $_ => median(@{ $rate{$_} }) } @forms;
	my ($best) = sort { $m{$b} <=> $m{$a} } qw(append_rows append_ndjson);
	printf "on_conflict => 'skip', a unique index on both, %.1f %% conflict: entries/s\n", 100 * (1 - $stored / $n);
	report("  the best append, INSERT VALUES", { heap => $m{values}, ledger => $m{$best} },
		[ 'of INSERT', ratio(@rate{$best, 'values'}), '>=', 1.0 ]);
	report('  append_json, jsonb_populate_recordset', { heap => $m{populate}, ledger => $m{append_json} },
		[ 'of INSERT', ratio(@rate{qw(append_json populate)}), '>=', 1.0 ]);
	report('  append_ndjson', { ledger => $m{append_ndjson} });
	report('  append(ARRAY[ROW($1, ...), ...])', { ledger => $m{append_rows} });
	$s->run('DROP TABLE c_heap, c_ledger');
	unlink $file;
}

1;
