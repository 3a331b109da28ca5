# What the encodings make of entries: part of run.pl.
use strict;
use warnings;

our ($bindir, $work, $ROWS, $RUNS, $CLIENTS, $NSRC, $BATCH, $COLUMNS, $DEFINITION, %with, @KINDS, $s);

our @encodings = (
	[ wal => \&wal_section ],
	[ jitter => \&jitter_section ],
	[ compressions => \&compressions_section ],
	[ kinds => \&kinds_section ],
	[ loghub => \&loghub_section ]);

sub encodings_section
{
	$_->[1]->() foreach @encodings;
}

#
# WAL of batches, beside a heap without indexes
#

# WAL bytes an entry of src appended in batches, once, in the file's order; a ledger's
# until all of it is sealed
sub batch_wal
{
	my ($kind, $table, $file) = @_;
	$s->run('CHECKPOINT');
	my $lsn = lsn();
	batch($kind eq 'heap' ? 'values' : 'append_ndjson', $table, $file, $BATCH, $CLIENTS, 0, '-1');
	if ($kind eq 'ledger')
	{
		$s->run("SELECT ledger.seal('$table')");
		my $tail = $s->run("SELECT sum(tail_entries) FROM ledger.stats('$table')");
		die "$table: $tail entries are not sealed\n" if $tail > 0;
	}
	my $n = $s->run("SELECT count(*) FROM $table");
	return wal_since($lsn) / $n;
}

sub wal_section
{
	$s->run("SET timezone = 'UTC'");
	my %file = (one => batch_file('one', "SELECT $COLUMNS FROM src ORDER BY id"), three => spread_file());
	my $days = spread_days();
	for my $leaves ('one', 'three')
	{
		my %wal;
		for my $run (1 .. $RUNS)
		{
			for my $kind (qw(heap ledger))
			{
				if ($leaves eq 'one')
				{
					create("w_$kind", $kind);
				}
				else
				{
					create_days("w_$kind", $kind, $days);
				}
				push @{ $wal{$kind} }, batch_wal($kind, "w_$kind", $file{$leaves});
				$s->run("DROP TABLE w_$kind");
			}
		}
		my %m = map { $_ => median(@{ $wal{$_} }) } keys %wal;
		report("$BATCH entries, $leaves " . ($leaves eq 'one' ? 'leaf' : 'leaves') . ', sealed: WAL bytes an entry', \%m,
			[ 'of heap', $m{ledger} / $m{heap}, '<=', $leaves eq 'one' ? 0.3 : 0.4 ]);
	}
	unlink values %file;
}

#
# What is stored
#

# Where a ledger's bytes are
sub report_parts
{
	my ($table, $n) = @_;
	my $parts = $s->run(<<"SQL");
SELECT column_name, string_agg(DISTINCT encoding, ', '), sum(bytes)
FROM ledger.chunks('$table') WHERE path IS NULL GROUP BY column_name ORDER BY sum(bytes) DESC
SQL
	my $sum = 0;
	for my $part (split /\n/, $parts)
	{
		my ($column, $encoding, $bytes) = split /\|/, $part;
		$sum += $bytes;
		report("  $column: $encoding", { ledger => $bytes / $n });
	}
	my $segments = $s->run("SELECT sum(stored_bytes) FROM ledger.segments('$table')");
	report('  the rest of the segments', { ledger => ($segments - $sum) / $n });
	report('  the rest of the table', { ledger => ($s->run("SELECT pg_table_size('$table')") - $segments) / $n });
}

# A trace's entries thousands of rows apart
sub jitter_section
{
	my %size;
	my $file = "$work/jitter.copy";
	system("$work/gen_entries $ROWS $ENV{SEED} --rate 4000 --jitter 5 --late 0.01 >$file && chmod a+r $file") == 0 or die "gen_entries failed\n";
	my %file = (ordered => "$work/entries.copy", jitter => $file);
	for my $what (qw(ordered jitter))
	{
		create('j_ledger', 'ledger');
		$s->run("COPY j_ledger FROM '$file{$what}'");
		settle('j_ledger', 'ledger');
		$size{$what} = size('j_ledger');
		next if $what eq 'jitter';
		report('in order of arrival: bytes an entry', { ledger => $size{ordered} }, [ 'ledger', $size{ordered}, '<=', 40 ]);
		report_parts('j_ledger', $ROWS);
	}
	$s->run('DROP TABLE j_ledger');
	report('--rate 4000 --jitter 5 --late 0.01: bytes', { ledger => $size{jitter} }, [ 'of 40', $size{jitter} / 40, '<=', 1.3 ]);
	report('  of in order', { ledger => $size{jitter} / $size{ordered} });
	unlink $file;
}

# What the option does: a load, and single-row inserts until these are sealed
sub compressions_section
{
	my $file = "$work/entries.copy";
	my (%size, %time, %wal);
	for my $kind ('heap', 'lz4', 'zstd', 'none')
	{
		for my $run (1 .. $RUNS)
		{
			create('o_table', $kind eq 'heap' ? 'heap' : 'ledger');
			$s->run("SELECT ledger.set_option('o_table', 'compression', '$kind')") if $kind ne 'heap';
			push @{ $time{$kind} }, scalar timed($s, "COPY o_table FROM '$file'");
			settle('o_table', $kind eq 'heap' ? 'heap' : 'ledger');
			$size{$kind} = size('o_table');
		}
		create('o_table', $kind eq 'heap' ? 'heap' : 'ledger');
		$s->run("SELECT ledger.set_option('o_table', 'compression', '$kind')") if $kind ne 'heap';
		$s->run('CHECKPOINT');
		my $lsn = lsn();
		my $n = pgbench(insert_script('o_table'), '-t ' . int($NSRC / 2 / $CLIENTS))->{n};
		$s->run("SELECT ledger.seal('o_table')") if $kind ne 'heap';
		$wal{$kind} = wal_since($lsn) / $n;
		$s->run('DROP TABLE o_table');
	}
	for my $kind ('lz4', 'zstd', 'none')
	{
		print "compression = $kind\n";
		report('  COPY, s', { heap => median(@{ $time{heap} }), ledger => median(@{ $time{$kind} }) });
		report('  stored bytes an entry', { heap => $size{heap}, ledger => $size{$kind} });
		report('  single rows, sealed: WAL bytes an entry', { heap => $wal{heap}, ledger => $wal{$kind} });
	}
}

# Data that nobody tuned for
sub kinds_section
{
	my $n = int($ROWS / 10);
	my $few = int($n / 50) || 1;
	my @kinds = (
		[ 'metrics: 2 floats, 2 labels', $n,
			"SELECT timestamptz '2026-09-08' + i * interval '10 s' AS ts, 'host' || i % 50 AS host, 'cpu' || i % 4 AS name, 50 + 20 * sin(i / 500.0) + random() AS load, random() AS noise FROM generate_series(1, $n) i" ],
		[ 'one int column, random', $n, "SELECT (random() * 2e9)::int AS a FROM generate_series(1, $n) i" ],
		[ 'two columns: int, short text', $n, "SELECT i AS a, md5(i::text) AS b FROM generate_series(1, $n) i" ],
		[ 'documents with few common keys', $n,
			"SELECT jsonb_build_object('k' || (random() * 5000)::int, random(), 'k' || (random() * 5000)::int, md5(i::text)) AS doc FROM generate_series(1, $n) i" ],
		[ 'random bytes, 2 kB each', $few,
			"SELECT i AS a, decode(string_agg(md5(i || '.' || j), ''), 'hex') AS blob FROM generate_series(1, $few) i, generate_series(1, 128) j GROUP BY i" ],
		[ 'random bytes, 100 kB each', int($few / 20) || 1,
			"SELECT i AS a, decode(string_agg(md5(i || '.' || j), ''), 'hex') AS blob FROM generate_series(1, " . (int($few / 20) || 1) . ') i, generate_series(1, 6250) j GROUP BY i' ],
		[ '1,600 int columns', int($n / 100) || 1,
			'SELECT ' . join(', ', map { "(i * $_) % 100000 AS c$_" } 1 .. 1600) . ' FROM generate_series(1, ' . (int($n / 100) || 1) . ') i' ]);
	for my $kind (@kinds)
	{
		my ($name, $rows, $select) = @$kind;
		my %size;
		# the same values in both
		$s->run("CREATE TABLE k_heap USING heap AS $select");
		$s->run('CREATE TABLE k_ledger (LIKE k_heap) USING ledger');
		$s->run('INSERT INTO k_ledger SELECT * FROM k_heap');
		settle("k_$_", $_) for qw(heap ledger);
		my $differ = $s->run('SELECT (SELECT count(*) FROM (TABLE k_heap EXCEPT ALL TABLE k_ledger) d) + (SELECT count(*) FROM (TABLE k_ledger EXCEPT ALL TABLE k_heap) d)')
		  if $name !~ /1,600/;
		die "$name: $differ rows differ\n" if $differ;
		$size{$_} = $s->run("SELECT pg_table_size('k_$_')") / $rows for qw(heap ledger);
		report("$name: bytes a row", \%size, [ 'of heap', $size{ledger} / $size{heap}, '<=', 1 ]);
		$s->run('DROP TABLE k_heap, k_ledger');
	}
}

# Real log lines: a table of one text column for each of the files
sub loghub_section
{
	my $dir = $ENV{LOGHUB} || "$FindBin::Bin/../../shared/data/loghub";
	my @files = glob "$dir/*.log";
	if (!@files)
	{
		print "  (no log files: LOGHUB names their directory)\n";
		return;
	}
	my $sum = 0;
	for my $file (@files)
	{
		my ($name) = $file =~ m{([^/]+)_2k\.log$} or next;
		# as COPY text: a line is a row, with the carriage return that it may end in
		system(q{sed -e 's/\\\\/\\\\\\\\/g' -e 's/\t/\\\\t/g' -e 's/\r$/\\\\r/' } . "$file >$work/lines.copy && chmod a+r $work/lines.copy") == 0 or die "sed failed\n";
		$s->run("CREATE TABLE h_$_ (line text) USING $with{$_}") for qw(heap ledger);
		$s->run("COPY h_$_ FROM '$work/lines.copy'") for qw(heap ledger);
		$s->run("SELECT ledger.seal('h_ledger')");
		my $differ = $s->run('SELECT count(*) FROM (TABLE h_heap EXCEPT ALL TABLE h_ledger) d');
		die "$name: $differ lines differ\n" if $differ;
		my ($bytes, $blocks) = split /\|/, $s->run("SELECT sum(stored_bytes), sum(blocks) FROM ledger.segments('h_ledger')");
		die "$name: $bytes bytes in $blocks blocks\n" if $bytes > $blocks * 8192 || $bytes < ($blocks - 2) * 8192;
		my ($heap) = $s->run("SELECT pg_table_size('h_heap')");
		my $packed = `zstd -3 -c '$file' 2>/dev/null | wc -c` + 0;
		report("$name: bytes" . ($packed ? "; zstd -3: $packed" : ''), { heap => $heap, ledger => $bytes });
		$sum += $bytes;
		$s->run('DROP TABLE h_heap, h_ledger');
	}
	unlink "$work/lines.copy";
	report('all eight: bytes', { ledger => $sum }, [ 'ledger', $sum, '<=', 203639 ]);
}

1;
