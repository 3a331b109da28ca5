# What the TAP tests share.
package LedgerTest;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

our @EXPORT = qw(ledger_node prepare_oracle same_ok digest no_crash_ok load_start load_stop
  kill_all wait_for wait_up slurp_raw spew_raw lie_all_free data_path without_checksums);

# A cluster's init options: PostgreSQL 18 has data checksums unless told not to.
sub without_checksums
{
	my ($version) = `pg_config --version` =~ /(\d+)/;
	return $version >= 18 ? ['--no-data-checksums'] : [];
}

# ledger_node(name, init => {...}, conf => "...", start => 1)
sub ledger_node
{
	my ($name, %opt) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(%{ $opt{init} || {} });
	$node->append_conf('postgresql.conf', <<"CONF");
fsync = on
shared_buffers = 8MB
max_wal_size = 256MB
max_prepared_transactions = 20
log_statement = none
log_min_messages = warning
max_connections = 40
log_autovacuum_min_duration = -1
restart_after_crash = off
CONF
	# a standby on a busy machine may be far behind when a restart removes WAL
	$node->append_conf('postgresql.conf', 'wal_keep_size = 2GB') if $opt{init} && $opt{init}{allows_streaming};
	$node->append_conf('postgresql.conf', $opt{conf}) if $opt{conf};
	if (!exists $opt{start} || $opt{start})
	{
		$node->start;
		$node->safe_psql('postgres', 'CREATE EXTENSION ledger');
	}
	return $node;
}

# Tables h (heap) and l (ledger), and functions that do the same to both:
#   load(k, n)     n rows with key k in one command each
#   singles(k, n)  n rows in a command each
#   same()         'same N rows', or how h and l differ
sub prepare_oracle
{
	my ($node, %opt) = @_;
	my $extra = $opt{columns} || '';
	$node->safe_psql('postgres', <<"SQL");
CREATE TABLE h (k bigint, i int, t text, j jsonb$extra) USING heap;
CREATE TABLE l (k bigint, i int, t text, j jsonb$extra) USING ledger;
CREATE FUNCTION load(key bigint, n int) RETURNS void LANGUAGE sql AS \$\$
	INSERT INTO h SELECT key, g, 'message ' || md5(key::text || g), jsonb_build_object('n', g, 'level', (ARRAY['info','warn'])[g % 2 + 1]) FROM generate_series(1, n) g;
	-- by turns as an INSERT, and as a batch, which fills whole pages
	INSERT INTO l SELECT key, g, 'message ' || md5(key::text || g), jsonb_build_object('n', g, 'level', (ARRAY['info','warn'])[g % 2 + 1]) FROM generate_series(1, n) g WHERE key % 2 <> 0;
	SELECT ledger.append('l', array_agg(ROW(key, g, 'message ' || md5(key::text || g), jsonb_build_object('n', g, 'level', (ARRAY['info','warn'])[g % 2 + 1])))) FROM generate_series(1, n) g HAVING key % 2 = 0;
\$\$;
CREATE FUNCTION singles(key bigint, n int) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
	FOR g IN 1 .. n LOOP
		PERFORM load(key * 1000 + g, 1);
	END LOOP;
END \$\$;
CREATE FUNCTION compare(a regclass, b regclass) RETURNS text LANGUAGE plpgsql STABLE AS \$\$
DECLARE
	na bigint;
	nb bigint;
	nd bigint;
	example text;
BEGIN
	-- quickly, whatever the order of the rows
	EXECUTE format('SELECT a.n, b.n, (a.s IS DISTINCT FROM b.s OR a.n <> b.n)::int FROM (SELECT count(*) AS n, sum(hashtextextended(x::text, 0)) AS s FROM %s x) a,
		(SELECT count(*) AS n, sum(hashtextextended(x::text, 0)) AS s FROM %s x) b', a, b) INTO na, nb, nd;
	IF nd = 0 THEN
		RETURN format('same %s rows', na);
	END IF;
	-- what differs
	EXECUTE format('SELECT sum(a), sum(b), count(*) FILTER (WHERE a <> b), min(r) FILTER (WHERE a <> b)
		FROM (SELECT r, sum(a) AS a, sum(b) AS b FROM (SELECT md5(x::text) || left(x::text, 60) AS r, 1 AS a, 0 AS b FROM %s x
			UNION ALL SELECT md5(x::text) || left(x::text, 60), 0, 1 FROM %s x) u GROUP BY r) d', a, b) INTO na, nb, nd, example;
	RETURN format('DIFFERENT: %s has %s rows, %s has %s, %s differ, such as %s', a, na, b, nb, nd, example);
END \$\$;
CREATE FUNCTION same() RETURNS text LANGUAGE sql STABLE AS \$\$ SELECT compare('h', 'l') \$\$;
SQL
	return;
}

# Tests that h and l have the same rows; returns their number.
sub same_ok
{
	my ($node, $name, $a, $b) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($rc, $out, $err) = $node->psql('postgres', $a ? "SELECT compare('$a', '$b')" : 'SELECT same()');
	my $ok = defined $out && $out =~ /^same (\d+) rows$/;
	ok($ok, $name) or diag("$name: " . ($out || '') . ($err || ''));
	return $ok ? $1 : -1;
}

# A number that stands for a table's rows, whatever their order.
sub digest
{
	my ($node, $table) = @_;
	return $node->safe_psql('postgres', "SELECT count(*) || ' ' || coalesce(sum(hashtextextended(x::text, 0)), 0) FROM $table x");
}

# Tests that the server's log tells of no crash (other than by kill -9, or what
# else the test allows).
sub no_crash_ok
{
	my ($node, $name, $allowed) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$allowed //= qr/terminated by signal 9: Killed/;
	my @bad = grep { !/$allowed/ && /PANIC|TRAP|was terminated by signal|inconsistent page found|invalid page in block/ } split /\n/, slurp_file($node->logfile);
	ok(!@bad, $name || 'no crash in the log') or diag(join "\n", @bad[ 0 .. ($#bad < 9 ? $#bad : 9) ]);
	return;
}

# Starts pgbench with the scripts given, name => [weight, text]; it goes on
# until load_stop, or until the server goes away.
sub load_start
{
	my ($node, $clients, %scripts) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my @args;
	foreach my $name (sort keys %scripts)
	{
		spew_raw("$dir/$name.sql", $scripts{$name}[1]);
		push @args, '-f', "$dir/$name.sql\@$scripts{$name}[0]";
	}
	my ($out, $err) = ('', '');
	my @command = ('pgbench', '-n', '-c', $clients, '-j', 1, '-T', 600, '-h', $node->host, '-p', $node->port, '-U', scalar(getpwuid($<)), @args, 'postgres');
	my $run = IPC::Run::start(\@command, '<', \'', '>', \$out, '2>', \$err);
	return { run => $run, out => \$out, err => \$err };
}

# Ends it and returns what it had to say.
sub load_stop
{
	my ($load) = @_;
	$load->{run}->signal('INT') if $load->{run}->pumpable;
	eval { $load->{run}->finish; };
	return ${ $load->{out} } . ${ $load->{err} };
}

# kill -9 of the server's processes, all of them
sub kill_all
{
	my $node = shift;
	my $postmaster = (split /\n/, PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/postmaster.pid'))[0];
	my @children = split ' ', `ps -o pid= --ppid $postmaster`;
	$node->kill9;
	kill 'KILL', @children;

	# nobody may reap them where the tests run in a container
	for (1 .. 500)
	{
		last unless kill 0, @children;
		usleep(10_000);
	}
	return;
}

# Waits until the query returns true.
sub wait_for
{
	my ($node, $query, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($node->poll_query_until('postgres', $query), $name);
	return;
}

# Wait until a server that restarts after a crash answers.  (poll_query_until
# dies of a broken pipe where psql has ended before it reads its query.)
sub wait_up
{
	my ($node) = @_;
	for (1 .. 1800)
	{
		return if system("psql -XAtq -h '" . $node->host . "' -p " . $node->port . " -d postgres -c 'SELECT 1' >/dev/null 2>&1") == 0;
		usleep(100_000);
	}
	die 'the server does not come up';
}

sub slurp_raw
{
	my ($path) = @_;
	open my $fh, '<:raw', $path or die "$path: $!";
	local $/;
	my $data = <$fh>;
	close $fh;
	return $data;
}

sub spew_raw
{
	my ($path, $data) = @_;
	open my $fh, '>:raw', $path or die "$path: $!";
	print $fh $data;
	close $fh or die "$path: $!";
	return;
}

sub data_path
{
	my ($node, $table, $database) = @_;
	return $node->data_dir . '/' . $node->safe_psql($database // 'postgres', "SELECT pg_relation_filepath('$table')");
}

# Makes a free space map call every block free: three levels, all bytes 255.
sub lie_all_free
{
	my ($path) = @_;
	my $data = -e $path ? slurp_raw($path) : '';
	$data .= "\0" x (3 * 8192 - length $data) if length $data < 3 * 8192;
	for (my $b = 0; $b < length($data) / 8192; $b++)
	{
		my $page = substr($data, $b * 8192, 8192);
		# an initialized page: pd_lower, pd_upper, pd_special, size and version
		substr($page, 12, 8) = pack('SSSS', 24, 8192, 8192, 8192 | 4) if unpack('S', substr($page, 14, 2)) == 0;
		substr($page, 28) = chr(255) x (8192 - 28);
		substr($data, $b * 8192, 8192) = $page;
	}
	spew_raw($path, $data);
	return;
}

# A psql that stays, for sessions with a state.
package LedgerSession;

use strict;
use warnings;
use IPC::Run;

sub new
{
	my ($class, $node) = @_;
	my $self = bless { in => '', out => '', err => '', n => 0 }, $class;
	$self->{timer} = IPC::Run::timeout(300);
	$self->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-h', $node->host, '-p', $node->port, '-d', 'postgres', '-v', 'ON_ERROR_STOP=0', '-f', '-' ],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err}, $self->{timer});
	return $self;
}

# Runs commands; returns the output, and errors in $self->{error}.
sub query
{
	my ($self, $sql) = @_;
	$self->begin_query($sql);
	return $self->end_query;
}

# The same in two steps, so that several sessions can be at work.
sub begin_query
{
	my ($self, $sql) = @_;
	my $mark = 'mark-' . ++$self->{n};
	$self->{err} = '';
	$self->{out} = '';
	$self->{timer}->start(300);
	$self->{in} .= "$sql\n;\n\\echo $mark\n\\warn $mark\n";
	$self->{run}->pump_nb;
	return;
}

sub end_query
{
	my ($self) = @_;
	my $mark = 'mark-' . $self->{n};
	eval {
		$self->{run}->pump until ($self->{out} =~ /^$mark$/m && $self->{err} =~ /$mark/) || !$self->{run}->pumpable;
	};
	(my $out = $self->{out}) =~ s/^$mark\n?//m;
	($self->{error} = $self->{err}) =~ s/\s*$mark\s*//;
	$out =~ s/\n$//;
	return $out;
}

# Sends commands without waiting for them.
sub send
{
	my ($self, $sql) = @_;
	$self->{in} .= "$sql\n;\n";
	$self->{run}->pump_nb;
	return;
}

sub quit
{
	my ($self) = @_;
	$self->{in} .= "\\q\n";
	eval { $self->{run}->finish; };
	return;
}

1;
