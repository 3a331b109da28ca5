# Random tables for 023_random_queries: what columns there are, and rows.
#
# A value of a type has a number, k: the same number gives the same value, so
# that constants of queries can be those of rows, and tables can be joined.
# How a column's rows take their numbers is its distribution.
package RandomTables;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(random_columns random_table rows_of value_of pick chance literal document_paths);

sub pick { return $_[ int rand @_ ]; }
sub chance { return rand() < $_[0]; }

# a number that looks random, and is the same for the same k
sub mix
{
	my ($k) = @_;
	$k = (($k ^ ($k >> 15)) * 0x2c1b3c6d) & 0xffffffff;
	return (($k ^ ($k >> 12)) * 0x297a2d39 & 0xffffffff) >> 7;
}

sub hex_of
{
	my ($k, $n) = @_;
	my $hex = join '', map { sprintf '%07x', mix($k + 1000003 * $_) & 0xfffffff } 1 .. int($n / 7) + 1;
	return substr $hex, 0, $n;
}

my @words = ('', ' ', 'a', 'A', 'ab', 'AB', 'abc', 'abc ', 'Abd', "\x{e9}", "\x{c9}", 'zz', 'a%b', 'a_b', 'a\b', "stra\x{df}e", 'refund', 'Refund due',
	'time out', 'timeout', 'a refund b', 'refunds', '10.00', '-7', "two\nlines", 'null', 'x' x 90);

sub word { return $words[ mix($_[0]) % @words ]; }

# log lines: a few texts, and what varies in them
sub line
{
	my ($k) = @_;
	my $m = mix($k);
	my $n = $k % 7;
	return "GET /apps/$m status=" . (200 + 100 * ($m % 4)) . ' took ' . ($k % 997) . ' ms' if $n < 3;
	return 'connection from 10.0.' . ($m % 256) . '.' . ($k % 256) . ' closed: timeout' if $n < 5;
	return 'job ' . hex_of($k, 12) . ' refund of ' . ($m % 1000) . '.50 ' . ($m % 2 ? 'done' : 'refused') if $n == 5;
	return $m % 3 ? 'heartbeat' : word($k) . ' unusual ' . hex_of($k, 6);
}

sub stamp
{
	my ($minutes, $with_seconds) = @_;
	my @t = gmtime(978307200 + 60 * $minutes);
	return sprintf '%04d-%02d-%02d %02d:%02d:%s', $t[5] + 1900, $t[4] + 1, $t[3], $t[2], $t[1], $with_seconds ? sprintf('%02d.%03d', $minutes % 60, $minutes * 7 % 1000) : '00';
}

# What documents have: in all, in some of a kind, of several types, nested.
# Numbers at clean paths are numbers wherever they are there.
sub document
{
	my ($k) = @_;
	my $m = mix($k);
	return ('null', '17', '"text"', '[]', '{}', '[1, "a", null]', 'true', '{"type": null}')[ $m % 8 ] if $k % 97 == 13;
	my @members = ('"type": "' . (qw(say ask http job))[ $m % 4 ] . '"', '"n": ' . ($m % 500), '"f": ' . (-20 + $m % 40) . '.' . sprintf('%02d', $m % 100));
	push @members, '"s": ' . quoted(word($k)) if $m % 3;
	push @members, '"id": "' . hex_of($k, 32) . '"' if $m % 4 < 2;
	push @members, '"at": "' . stamp($k, 1) . '+00"' if $m % 4 != 1;
	push @members, '"ok": ' . ($m % 5 ? 'true' : 'false') if $m % 7;
	push @members, '"mix": ' . ($m % 50, quoted(word($k)), 'null', 'true', '{"a": 1}', '"12"', '1.50', '1e400')[ $k % 8 ] if $m % 6;
	push @members, '"in": {"a": ' . ($k % 9) . ', "b": {"c": ' . quoted(word($k + 1)) . '}, "l": ["x", ' . ($k % 4) . ']}' if $m % 2;
	push @members, '"tags": [' . join(', ', map { quoted(word($k + $_)) } 1 .. $m % 4) . ']' if $m % 3 == 0;
	push @members, '"line": ' . quoted(line($k)) if $m % 4 == 0;
	push @members, '"rare": ' . ($m % 10) if $k % 211 == 5;
	push @members, '"k' . ($k % 23) . '": 1' if $m % 31 == 0;
	return '{' . join(', ', @members) . '}';
}

# [ expression behind the column, what a value is: number, integer, boolean, time, text, or mixed ]
sub document_paths
{
	return (
		[ q(->>'type'), 'text' ], [ q(->>'n'), 'integer' ], [ q(->>'f'), 'number' ], [ q(->>'s'), 'text' ], [ q(->>'id'), 'text' ], [ q(->>'at'), 'time' ],
		[ q(->>'ok'), 'boolean' ], [ q(->>'mix'), 'mixed' ], [ q(->'in'->>'a'), 'integer' ], [ q(->'in'->'b'->>'c'), 'text' ], [ q(#>>'{in,b,c}'), 'text' ],
		[ q(->'in'->>'b'), 'text' ], [ q(->>'tags'), 'text' ], [ q(->'tags'->>0), 'text' ], [ q(->>'line'), 'text' ], [ q(->>'rare'), 'integer' ], [ q(->>'gone'), 'text' ],
		[ q(->>'k3'), 'integer' ]);
}

sub quoted
{
	my ($text) = @_;
	$text =~ s/(["\\])/\\$1/g;
	$text =~ s/\n/\\n/g;
	return "\"$text\"";
}

# For each type: a value by number, values that are special, types of constants
# to compare with, and how a value is shown, where equal ones can look different.
my %types = (
	int2 => { value => sub { ($_[0] * 3) % 20000 - 9000 }, special => [ 32767, -32768, 0 ], beside => [qw(int2 int4 int8)], kind => 'integer' },
	int4 => { value => sub { $_[0] - 500 }, special => [ 2147483647, -2147483648, 0 ], beside => [qw(int4 int4 int8 int2 numeric)], kind => 'integer' },
	int8 => { value => sub { $_[0] * 4294967311 - 1000 }, special => [ '9223372036854775807', '-9223372036854775808', 0 ], beside => [qw(int8 int8 int4)], kind => 'integer' },
	oid => { value => sub { $_[0] * 300007 % 4294967296 }, special => [ 0, 4294967295 ], kind => 'order' },
	numeric => { value => sub { sprintf '%.' . ($_[0] % 4) . 'f', $_[0] / 7 - 30 }, special => [qw(NaN Infinity -Infinity 1.0 1.000 -0.00)], beside => [qw(numeric int4)], kind => 'number', shown => 'trim_scale(%s)' },
	float4 => { value => sub { $_[0] / 8 - 40 }, special => [qw(NaN -0 0 Infinity -Infinity)], beside => [qw(float4 float8)], kind => 'float', shown => '(%s + 0)' },
	float8 => { value => sub { $_[0] / 8 - 40 }, special => [qw(NaN -0 0 Infinity -Infinity)], beside => [qw(float8 float4 numeric)], kind => 'float', shown => '(%s + 0)' },
	bool => { value => sub { mix($_[0]) % 3 ? 't' : 'f' }, kind => 'boolean' },
	date => { value => sub { substr stamp($_[0] * 300), 0, 10 }, special => [qw(infinity -infinity)], beside => [qw(date timestamp timestamptz)], kind => 'day' },
	timestamp => { value => sub { stamp($_[0] * 11, 1) }, special => [qw(infinity -infinity)], beside => [qw(timestamp timestamptz date)], kind => 'time' },
	timestamptz => { value => sub { stamp($_[0] * 11, 1) . '+00' }, special => [qw(infinity -infinity)], beside => [qw(timestamptz timestamptz date timestamp)], kind => 'time' },
	time => { value => sub { substr stamp($_[0] * 13, 1), 11 }, special => [qw(00:00 24:00)], kind => 'order' },
	uuid => { value => sub { hex_of($_[0], 32) =~ s/^(.{8})(.{4})(.{4})(.{4})/$1-$2-$3-$4-/r }, special => [ '0' x 32 ], kind => 'plain' },
	inet => { value => sub { '10.' . $_[0] % 3 . '.' . mix($_[0]) % 256 . '.' . $_[0] % 256 . ($_[0] % 11 ? '' : '/24') }, special => [ '::1', '0.0.0.0/0' ], kind => 'order' },
	bytea => { value => sub { '\x' . hex_of($_[0], 2 * ($_[0] % 12)) }, special => [ '\x', '\x00', '\xff' ], kind => 'plain' },
	'int4[]' => { value => sub { '{' . join(',', map { $_ == 2 ? 'NULL' : ($_[0] * $_) % 7 } 1 .. $_[0] % 5) . '}' }, special => ['{}'], kind => 'array' },
	'text[]' => { value => sub { '{' . join(',', map { quoted(word($_[0] + $_)) } 1 .. mix($_[0]) % 4) . '}' }, special => ['{NULL}'], kind => 'array' },
	mood => { value => sub { (qw(sad ok happy))[ mix($_[0]) % 3 ] }, kind => 'plain' },
	text => { value => \&word, special => [ '', 'y' x 3000 ], kind => 'text' },
	key => { type => 'text', value => sub { 'key-' . hex_of($_[0], 16) }, special => [''], kind => 'text' },
	line => { type => 'text', value => \&line, kind => 'text' },
	'text C' => { type => 'text', collate => 'C', value => sub { 'p' . sprintf('%06d', $_[0] / 3) . word($_[0]) }, special => [''], kind => 'text' },
	'text nocase' => { type => 'text', collate => 'nocase', value => sub { word($_[0]) . ($_[0] % 3 ? '' : $_[0]) }, kind => 'text', shown => 'lower(%s COLLATE "C")' },
	'text icu' => { type => 'text', collate => 'other', value => sub { word($_[0]) . $_[0] % 20 }, kind => 'text' },
	varchar => { type => 'varchar(120)', value => sub { word($_[0]) . $_[0] % 300 }, beside => [qw(text varchar)], kind => 'text' },
	char => { type => 'char(8)', value => sub { substr word($_[0]), 0, 8 }, kind => 'text' },
	name => { value => sub { substr(word($_[0]), 0, 20) . $_[0] % 40 }, beside => [qw(name text)], kind => 'text' },
	jsonb => { value => \&document, kind => 'document' });

# How row number i takes its k
sub distribution
{
	my $range = pick(3, 20, 300, 4000);
	my $step = pick(1, 3, 50);
	my $salt = int rand 1000;
	return pick(
		[ 'sorted', sub { int($_[0] / $step) } ],
		[ 'random', sub { int rand $range } ],
		[ 'random', sub { int rand $range } ],
		[ 'skewed', sub { int($range * rand()**4) } ],
		[ 'runs', sub { mix(int($_[0] / 700) + $salt) % $range } ],
		[ 'nearly sorted', sub { int(($_[0] + rand 200) / $step) } ],
		[ 'constant', sub { $salt % 5 } ]);
}

sub random_column
{
	my ($name, $typename) = @_;
	my $type = $types{$typename};
	my ($distribution, $number) = @{ distribution() };
	return { %$type, name => $name, typename => $typename, type => $type->{type} || $typename, distribution => $distribution, number => $number,
		special_part => pick(0, 0, 0.02, 0.2), null_part => pick(0, 0, 0.05, 0.5, 0.97), null_run => chance(0.2), seen => [ 0, 1, 2 ] };
}

# Columns c1, c2, ...: documents and texts more often than others
sub random_columns
{
	my ($first, $n) = @_;
	my @names = sort keys %types;
	return map { random_column("c$_", chance(0.15) ? 'jsonb' : chance(0.2) ? pick(qw(text key line)) : pick(@names)) } $first .. $first + $n - 1;
}

sub definition
{
	my ($column) = @_;
	return "$column->{name} $column->{type}" . ($column->{collate} ? " COLLATE \"$column->{collate}\"" : '') . (defined $column->{default} ? ' DEFAULT ' . literal($column, $column->{default}) : '');
}

# CREATE TABLE with a unique id, perhaps partitioned by it; "upto" is what it gets to
sub random_table
{
	my ($name, $columns, $upto) = @_;
	my $parts = $upto > 500 && chance(0.25) ? 3 : 0;
	my $table = { name => $name, columns => $columns, next => 0, parts => $parts ? [ map { "${name}_$_" } 1 .. $parts ] : [$name] };
	my $ddl = "CREATE TABLE $name (id " . pick(qw(int4 int8)) . ', ' . join(', ', map { definition($_) } @$columns) . ')';
	$table->{ddl} = $parts ? "$ddl PARTITION BY RANGE (id)" : "$ddl USING \$am";
	for my $p (1 .. $parts)
	{
		my $from = $p == 1 ? 'MINVALUE' : int($upto / $parts * ($p - 1));
		my $to = $p == $parts ? 'MAXVALUE' : int($upto / $parts * $p);
		$table->{ddl} .= ";\nCREATE TABLE ${name}_$p PARTITION OF $name FOR VALUES FROM ($from) TO ($to) USING " . ($p == 2 && chance(0.2) ? 'heap' : '$am');
	}
	return $table;
}

# ALTER TABLE ... ADD COLUMN; rows that are there have the default
sub add_column
{
	my ($table, $name) = @_;
	my ($column) = random_columns(substr($name, 1), 1);
	$column->{default} = int rand 50 if chance(0.7);
	push @{ $table->{columns} }, $column;
	return "ALTER TABLE $table->{name} ADD COLUMN " . definition($column);
}

sub drop_column
{
	my ($table) = @_;
	my ($gone) = splice @{ $table->{columns} }, int(rand @{ $table->{columns} }), 1;
	return "ALTER TABLE $table->{name} DROP COLUMN $gone->{name}";
}

# The next n rows, as COPY reads them
sub rows_of
{
	my ($table, $n) = @_;
	my @rows;
	foreach my $i ($table->{next} .. $table->{next} + $n - 1)
	{
		push @rows, join("\t", $i, map { escaped(next_value($_, $i)) } @{ $table->{columns} }) . "\n";
	}
	$table->{next} += $n;

	# ids not quite in order
	@rows = map { $_->[1] } sort { $a->[0] <=> $b->[0] } map { [ $_ + rand 30, $rows[$_] ] } 0 .. $#rows if chance(0.4);
	return join '', @rows;
}

sub next_value
{
	my ($column, $i) = @_;
	return undef if $column->{null_run} ? mix(int($i / 1500)) % 100 < 100 * $column->{null_part} : rand() < $column->{null_part};
	return pick(@{ $column->{special} }) if $column->{special} && rand() < $column->{special_part};
	my $k = $column->{number}->($i);
	$column->{seen}[ int rand 60 ] = $k if rand() < 0.05 || @{ $column->{seen} } < 10;
	return $column->{value}->($k);
}

sub escaped
{
	my ($value) = @_;
	return '\N' unless defined $value;
	$value =~ s/\\/\\\\/g;
	$value =~ s/\n/\\n/g;
	$value =~ s/\t/\\t/g;
	return $value;
}

# A value as rows of the column have, or nearly; in the words of the type
sub value_of
{
	my ($column) = @_;
	return pick(@{ $column->{special} }) if $column->{special} && chance(0.12);
	my $k = pick(grep { defined } @{ $column->{seen} });
	$k += int(rand 7) - 3 if chance(0.2);
	return $column->{value}->($k < 0 ? 0 : $k);
}

sub literal
{
	my ($column, $k) = @_;
	return "'" . ($column->{value}->($k) =~ s/'/''/gr) . "'";
}

1;
