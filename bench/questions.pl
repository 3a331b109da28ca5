# Questions that ledgers answer without any index: part of run.pl.
use strict;
use warnings;
use Digest::MD5 qw(md5_hex);

our ($bindir, $work, $ROWS, $RUNS, $DEFINITION, $s);

our @questions = (
	[ ordered => \&ordered_section ],
	[ late => \&late_section ],
	[ tail => \&tail_section ],
	[ days => \&days_section ],
	[ planning => \&planning_section ]);

sub questions_section
{
	$_->[1]->() foreach @questions;
}

my $KEYS = 100;

# Lookups: name, column of the keys, query of key $1 on table t
my @lookups = (
	[ 'one trace', 'trace_id', 'SELECT * FROM t WHERE trace_id = $1' ],
	[ 'one thread, in order', 'thread_id', 'SELECT * FROM t WHERE thread_id = $1 ORDER BY ts' ],
	[ 'last 50 of an app', 'app_id', 'SELECT * FROM t WHERE app_id = $1 ORDER BY ts DESC LIMIT 50' ],
	[ 'one request', 'request_id', 'SELECT * FROM t WHERE request_id = $1' ]);

# Aggregates: name, query on table t, of heap's time
my @aggregates = (
	[ 'count(*)', 'SELECT count(*) FROM t', 0.02 ],
	[ 'min, max of ts', 'SELECT min(ts), max(ts) FROM t' ],
	[ 'counts by type, 5 min', "SELECT type, count(*) FROM t WHERE ts >= ':from' AND ts < ':to' GROUP BY type ORDER BY type", 0.1 ],
	[ 'counts by ledger and type', 'SELECT ledger, type, count(*) FROM t GROUP BY ledger, type ORDER BY ledger, type', 0.08 ],
	[ 'events that say a word', "SELECT count(*) FROM t WHERE type = 'meya.text.event.say' AND data->>'text' LIKE '%refund%'", 0.25 ],
	[ 'status >= 500 by minute', "SELECT date_trunc('minute', ts) AS m, count(*) FROM t WHERE type = 'meya.http.entry.response' AND (data->>'status')::int >= 500 GROUP BY m ORDER BY m", 0.15 ],
	[ 'average elapsed_ms by app, top 10', "SELECT app_id, avg((data->>'elapsed_ms')::numeric) AS ms FROM t WHERE type = 'meya.http.entry.response' GROUP BY app_id ORDER BY ms DESC, app_id LIMIT 10", 0.15 ]);

#
# One table
#

# the query on another table, with a key or with parameters
sub query_on
{
	my ($query, $table, %with) = @_;
	$query =~ s/ FROM t\b/ FROM $table/;
	$query =~ s/\Q$_\E\b/$with{$_}/g foreach keys %with;
	return $query;
}

# Random keys of a column, a tenth of them absent ones
sub random_keys
{
	my ($table, $column) = @_;
	return [ split /\n/, $s->run(<<"SQL") ];
SELECT CASE WHEN i % 10 = 0 THEN key || 'x' ELSE key END
FROM (SELECT $column AS key, row_number() OVER (ORDER BY random()) AS i
	  FROM (SELECT DISTINCT $column FROM $table WHERE $column IS NOT NULL) d ORDER BY random() LIMIT $KEYS) k
SQL
}

# What a client waits for each key's rows, in ms, and a hash of what it is given, by
# table; each key is asked of one table after the other
sub lookup_times
{
	my ($query, $keys, @tables) = @_;
	my (%ms, %found, %hash);
	for my $key (@$keys)
	{
		for my $table (@tables)
		{
			my ($t, $out) = timed($s, query_on($query, $table, '$1' => "'$key'"));
			my @rows = sort split /\n/, $out;
			push @{ $ms{$table} }, $t * 1000;
			push @{ $found{$table} }, $query =~ /LIMIT/ ? scalar @rows : md5_hex(join "\n", @rows);	# equal times may be cut
		}
	}
	for my $table (@tables)
	{
		my $hits = grep { $_ && $_ ne md5_hex('') } @{ $found{$table} };
		die "$query: $hits keys of " . @$keys . " found\n" if $hits < 0.85 * @$keys || $hits == @$keys;
		$hash{$table} = md5_hex(join ',', @{ $found{$table} });
	}
	return (\%hash, \%ms);
}

# $allowed: times each bound
sub lookups
{
	my ($prefix, $allowed) = @_;
	for my $lookup (@lookups)
	{
		my ($name, $column, $query) = @$lookup;
		my (%p50, %p99);
		for my $run (1 .. $RUNS)
		{
			my $keys = random_keys("${prefix}_heap4", $column);
			my %answer;
			for my $kind (qw(heap4 ledger))
			{
				# once to warm up, once to measure
				my $table = "${prefix}_$kind";
				lookup_times($query, $keys, $table);
				my ($hash, $ms) = lookup_times($query, $keys, $table);
				my @ms = sort { $a <=> $b } @{ $ms->{$table} };
				$answer{$kind} = $hash->{$table};
				push @{ $p50{$kind} }, percentile(0.5, @ms);
				push @{ $p99{$kind} }, percentile(0.99, @ms);
			}
			die "$name: heap and ledger answer differently\n" if $answer{heap4} ne $answer{ledger};
		}
		my %m = map { $_ => median(@{ $p50{$_} }) } keys %p50;
		report("$name: median, ms", \%m, [ 'of btree', ratio(@p50{qw(ledger heap4)}), '<=', 3 * $allowed ]);
		%m = map { $_ => median(@{ $p99{$_} }) } keys %p99;
		report('  p99, ms', \%m, $name eq 'one trace' ? [ 'ledger', $m{ledger}, '<=', 4 * $allowed ] : ());
	}
}

sub aggregates
{
	my ($prefix, $allowed) = @_;
	my ($from, $to) = split /\|/, $s->run("SELECT max(ts) - interval '20 min', max(ts) - interval '15 min' FROM ${prefix}_heap");
	for my $aggregate (@aggregates)
	{
		my ($name, $query, $limit) = @$aggregate;
		my (%t, %answer);
		my @kinds = $name =~ /5 min/ ? qw(heap heap4 ledger) : qw(heap ledger);
		$s->run("CREATE INDEX ${prefix}_brin ON ${prefix}_heap4 USING brin (ts)") if @kinds == 3;
		for my $run (0 .. 2 * $RUNS)
		{
			for my $kind (@kinds)
			{
				my ($t, $out) = timed($s, query_on($query, "${prefix}_$kind", ':from' => $from, ':to' => $to));
				push @{ $t{$kind} }, $t * 1000 if $run > 0;
				$answer{$kind} = md5_hex($out);
			}
		}
		$s->run("DROP INDEX ${prefix}_brin") if @kinds == 3;
		$answer{$_} eq $answer{heap} or die "$name: heap and ledger answer differently\n" foreach @kinds;
		my %m = map { $_ => median(@{ $t{$_} }) } @kinds;
		my @bounds = $limit ? [ 'of heap', $m{ledger} / $m{heap}, '<=', $limit * $allowed ] : [ 'ledger', $m{ledger}, '<=', 2 * $allowed ];
		push @bounds, [ 'of BRIN', $m{ledger} / $m{heap4}, '<=', $allowed ] if @kinds == 3;
		report("$name, ms", \%m, @bounds);
	}
}

# A new connection's first lookup, library load included, by turns
sub first_lookup
{
	my ($prefix, $allowed) = @_;
	my @keys = @{ random_keys("${prefix}_heap4", 'trace_id') }[ 0 .. 4 * $RUNS ];
	my %ms;
	# warm as the look-ups above: what a connection finds cold is its own memory
	for my $key (@keys)
	{
		$s->run("SELECT * FROM ${prefix}_$_ WHERE trace_id = '$key'") for qw(heap4 ledger);
	}
	for my $key (@keys)
	{
		for my $kind (qw(heap4 ledger))
		{
			my $new = Session->new;
			$new->run('SELECT 1');
			push @{ $ms{$kind} }, 1000 * timed($new, "SELECT * FROM ${prefix}_$kind WHERE trace_id = '$key'");
			$new->finish;
		}
	}
	my %m = map { $_ => median(@{ $ms{$_} }) } keys %ms;
	report('first lookup of a connection, ms', \%m, [ 'ledger', $m{ledger}, '<=', 15 * $allowed ]);
}

sub ordered_section
{
	loaded();
	lookups('t', 1);
	aggregates('t', 1);
	first_lookup('t', 1);
}

# Entries that come seconds or hours after their time, with all bounds half as large again
sub late_section
{
	my $file = "$work/late.copy";
	system("$work/gen_entries $ROWS 1 --rate 4000 --jitter 5 --late 0.01 >$file && chmod a+r $file") == 0 or die "gen_entries failed\n";
	for my $kind (qw(heap heap4 ledger))
	{
		create("l_$kind", $kind);
		$s->run("COPY l_$kind FROM '$file'");
		settle("l_$kind", $kind);
		$s->run("ANALYZE l_$kind");
	}
	unlink $file;
	printf "  --rate 4000 --jitter 5 --late 0.01, at 1.5 of the bounds:\n";
	lookups('l', 1.5);
	aggregates('l', 1.5);
	first_lookup('l', 1.5);
	$s->run('DROP TABLE l_heap, l_heap4, l_ledger');
}

# Entries that are not sealed: what a session's look-ups take the first time, when it
# makes notes of the pages, and when it has them
sub tail_section
{
	my $n = $ROWS < 20_000 ? $ROWS : 20_000;
	my $file = "$work/tail.copy";
	system("$work/gen_entries $n 1 >$file && chmod a+r $file") == 0 or die "gen_entries failed\n";
	create("u_$_", $_) for qw(heap heap4 ledger);
	$s->run("COPY u_heap FROM '$file'");
	unlink $file;
	# few at a time, so that they come in row format
	for my $kind (qw(heap4 ledger))
	{
		$s->run("INSERT INTO u_$kind SELECT * FROM u_heap WHERE ctid >= '($_,0)' AND ctid < '(" . ($_ + 50) . ",0)'")
			for map { 50 * $_ } 0 .. $s->run("SELECT pg_relation_size('u_heap') / 8192 / 50");
	}
	my $tail = $s->run("SELECT tail_entries FROM ledger.stats('u_ledger')");
	die "only $tail of $n entries are in the tail\n" if $tail < $n;
	$s->run("VACUUM ANALYZE u_$_") for qw(heap heap4);
	$s->run('ANALYZE u_ledger');
	my ($name, $column, $query) = @{ $lookups[0] };
	my %ms;
	for my $run (1 .. $RUNS)
	{
		my $keys = random_keys('u_heap4', $column);
		$s->finish;
		$s = Session->new;
		my (%answer, %all);
		for my $kind (qw(heap heap4 ledger))
		{
			my ($hash, $ms) = lookup_times($query, $keys, "u_$kind");
			my @ms = @{ $ms->{"u_$kind"} };
			$answer{$kind} = $hash->{"u_$kind"};
			push @{ $ms{'the first'}->{$kind} }, $ms[0];
			push @{ $ms{'the second'}->{$kind} }, $ms[1];
			push @{ $ms{'those that follow'}->{$kind} }, median(@ms[ 2 .. $#ms ]);
		}
		$answer{$_} eq $answer{heap} or die "$name: heap and ledger answer differently\n" foreach keys %answer;
	}
	print "  one trace among $n entries that are not sealed, of a session:\n";
	for my $which ('the first', 'the second', 'those that follow')
	{
		my %m = map { $_ => median(@{ $ms{$which}->{$_} }) } qw(heap heap4 ledger);
		report("  $which, ms", \%m);
	}
	$s->run('DROP TABLE u_heap, u_heap4, u_ledger');
}

#
# Ten days, a partition each, beside the table that holds one of these days
#

sub days_section
{
	my $days = 10;
	my $rows = $days * $ROWS;
	my $rate = sprintf '%.4f', $ROWS / 86_400 / 7;	# about 7 entries a trace
	$s->run("SET timezone = 'UTC'");
	$s->run("CREATE TABLE d_all ($DEFINITION) PARTITION BY RANGE (ts)");
	$s->run("CREATE UNLOGGED TABLE d_in ($DEFINITION)");
	$s->run("COPY d_in FROM PROGRAM '$work/gen_entries $rows 1 --rate $rate'");
	my $first = $s->run("SELECT date_trunc('day', min(ts)) FROM d_in");
	my $last = $s->run("SELECT extract(day FROM max(ts) - '$first'::timestamptz) FROM d_in");
	for my $day (0 .. $last)
	{
		my ($from, $to) = split /\|/, $s->run("SELECT timestamptz '$first' + $day * interval '1 day', timestamptz '$first' + ($day + 1) * interval '1 day'");
		$s->run("CREATE TABLE d_all_$day PARTITION OF d_all FOR VALUES FROM ('$from') TO ('$to') USING ledger");
	}
	$s->run('INSERT INTO d_all SELECT * FROM d_in');
	my $day = int($last / 2);
	create('d_one', 'ledger');
	$s->run("INSERT INTO d_one SELECT * FROM d_all_$day");
	for my $table ('d_one', map { "d_all_$_" } 0 .. $last)
	{
		settle($table, 'ledger');
	}
	$s->run('DROP TABLE d_in');
	$s->run('ANALYZE d_all');
	$s->run('ANALYZE d_one');
	my ($n, $all) = map { $s->run("SELECT count(*) FROM $_") } qw(d_one d_all);
	printf "  %d partitions, %d entries, beside one table of %d:\n", $last + 1, $all, $n;

	my ($low, $high, $from, $to) = split /\|/, $s->run(<<"SQL");
SELECT min(ts), max(ts), min(ts) + interval '12 h', min(ts) + interval '12 h 5 min' FROM d_one
SQL
	my $range = "ts >= '$low' AND ts <= '$high'";
	for my $question (
		[ 'a range of 5 min', "SELECT * FROM t WHERE ts >= '$from' AND ts < '$to' ORDER BY ts, entry_id, type, data" ],
		(map { [ "$_->[0], that day", $_->[2] =~ s/WHERE/WHERE $range AND/r, $_->[1] ] } @lookups),
		(map { [ "$_->[0], that day", $_->[1] =~ /WHERE/ ? $_->[1] =~ s/WHERE/WHERE $range AND/r : $_->[1] =~ s/FROM t/FROM t WHERE $range/r ] } @aggregates),
		[ 'one trace, any day', $lookups[0][2], 'trace_id', 6 ])
	{
		my ($name, $query, $column, $limit) = @$question;
		my (%t, %answer);
		for my $run (1 .. $RUNS)
		{
			my @tables = qw(d_one d_all);
			my %ms;
			# by turns, as a few queries of a tenth of a millisecond see one mood of the machine
			if (defined $column)
			{
				my $keys = random_keys('d_one', $column);
				lookup_times($query, $keys, @tables);
				my ($hash, $ms) = lookup_times($query, $keys, @tables);
				%answer = %$hash;
				%ms = %$ms;
			}
			else
			{
				for my $n (0 .. 20)
				{
					for my $table (@tables)
					{
						my ($t, $out) = timed($s, query_on($query, $table, ':from' => $from, ':to' => $to));
						$answer{$table} = md5_hex($out);
						push @{ $ms{$table} }, $t * 1000 if $n > 0;
					}
				}
			}
			push @{ $t{$_} }, median(@{ $ms{$_} }) foreach @tables;
			die "$name: the partitions answer differently\n" if $answer{d_one} ne $answer{d_all};
		}
		$limit //= 1.2;
		report("$name, ms", { ledger => median(@{ $t{d_all} }) }, [ 'of one table', ratio(@t{qw(d_all d_one)}), '<=', $limit ]);
	}
	$s->run('DROP TABLE d_all, d_one');
	$s->run('RESET timezone');
}

#
# Planning
#

sub planning_time
{
	my $sql = shift;
	my @ms = map { $s->run("EXPLAIN (SUMMARY) $sql") =~ /Planning Time: ([\d.]+)/ ? $1 : die "no planning time\n" } 0 .. 50;
	return median(@ms[ 1 .. $#ms ]);
}

# A thousand segments of a thousand rows
sub planning_section
{
	my $segments = $ROWS < 100_000 ? 50 : 1000;
	create("p_$_", $_) foreach qw(heap ledger);
	$s->run(<<"SQL");
DO \$\$ BEGIN
	FOR i IN 1 .. $segments LOOP
		INSERT INTO p_ledger SELECT app_id, ledger, entry_id, ts + i * interval '1 h', type, trace_id, thread_id, user_id, request_id, data FROM src LIMIT 1000;
		COMMIT;
		PERFORM ledger.seal('p_ledger');
		COMMIT;
	END LOOP;
END \$\$
SQL
	my $n = $s->run("SELECT count(*) FROM ledger.segments('p_ledger')");
	die "$n segments\n" if $n < 0.9 * $segments;
	$s->run('INSERT INTO p_heap SELECT * FROM p_ledger');
	$s->run("VACUUM ANALYZE p_$_") foreach qw(heap ledger);
	for my $question (
		[ 'a trace', "SELECT * FROM t WHERE trace_id = 'x'" ],
		[ 'last 50 of an app', "SELECT * FROM t WHERE app_id = 'x' ORDER BY ts DESC LIMIT 50" ],
		[ 'an average', "SELECT app_id, avg((data->>'elapsed_ms')::numeric) FROM t WHERE ts > now() - interval '1 day' AND type = 'meya.http.entry.response' GROUP BY app_id" ],
		[ 'a join', 'SELECT count(*) FROM t a JOIN src b USING (trace_id, ts) WHERE b.id < 10' ])
	{
		my ($name, $query) = @$question;
		my %ms = map { $_ => planning_time(query_on($query, "p_$_")) } qw(heap ledger);
		report("planning of $name, $n segments, ms", \%ms, [ 'more than heap', $ms{ledger} - $ms{heap}, '<=', 1 ]);
	}
	$s->run("DROP TABLE p_$_") foreach qw(heap ledger);
}

1;
