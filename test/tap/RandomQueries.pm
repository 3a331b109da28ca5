# Random queries of the tables of RandomTables, whose results can be compared:
# what they show does not depend on the order in which rows are read.
#
# A query is { sql, explain, ordered, may_fail, big }: ordered if its rows come in one
# order; may_fail if it has an expression that is an error for some values, so
# that whether it comes to that can depend on the plan; big if it takes long by
# nested loops.
package RandomQueries;

use strict;
use warnings;

use Exporter 'import';
use RandomTables;

our @EXPORT = qw(random_query random_settings);

# Of the query that is being made: constants that are parameters, if any are
my ($parameters, $may_fail);

sub columns_of
{
	my ($table, $kinds) = @_;
	return grep { !$kinds || $_->{kind} =~ /^(?:$kinds)$/ } @{ $table->{columns} };
}

# ---- Constants ----

sub quote
{
	my ($value) = @_;
	return "'" . ($value =~ s/'/''/gr) . "'";
}

# As a literal of the type, a parameter, or an expression with one value
sub constant
{
	my ($value, $type) = @_;
	my $text = defined $value ? quote($value) : 'NULL';
	if ($parameters && chance(0.6))
	{
		push @$parameters, [ $type, $text ];
		return '$' . @$parameters;
	}
	return "(SELECT ${text}::$type)" if chance(0.04);
	return "coalesce(${text}::$type, NULL)" if chance(0.02);
	return "${text}::$type";
}

sub constant_of
{
	my ($column) = @_;
	my $type = $column->{beside} && chance(0.5) ? pick(@{ $column->{beside} }) : $column->{type};
	return constant(undef, $type) if chance(0.03);
	my $value = value_of($column);
	$type = 'int8' if $type =~ /^int[24]$/ && ($value !~ /^-?\d+$/ || abs($value) > ($type eq 'int2' ? 32000 : 2e9));
	$type = $column->{type} if $type eq 'int8' && $value !~ /^-?\d{1,19}$/;
	return constant($value, $type);
}

# Part of a value, for patterns
sub piece_of
{
	my ($value) = @_;
	$value = substr $value, 0, 60;
	my $from = int rand(length($value) + 1);
	return substr $value, $from, 1 + int rand 8;
}

sub like_pattern
{
	my ($value) = @_;
	my $piece = piece_of($value);
	$piece =~ s/([\\%_])/\\$1/g if chance(0.7);
	$piece =~ s/\\$//;
	substr($piece, int rand length $piece, 1) = pick('_', '%') if length $piece > 1 && chance(0.3) && $piece !~ /\\/;
	return pick("%$piece%", "%$piece%", "%$piece%", "$piece%", "%$piece", $piece, "%$piece%" . piece_of($value) =~ s/[\\%_]//gr . '%', '% ' . $piece =~ s/\\//gr . ' %', '', '%', '_%');
}

sub regex_of
{
	my ($value) = @_;
	my $piece = quotemeta(piece_of($value) =~ s/[^ -~]//gr);
	return pick($piece, "^$piece", "$piece\$", "$piece|zz", "[a-c]+$piece", '\d{2}', "(?i)$piece", "$piece.*e", '\m' . $piece);
}

# ---- Conditions ----

sub compare
{
	my ($left, $right) = @_;
	return chance(0.85) ? "$left " . pick(qw(= = = <> < <= > >=)) . " $right" : "$right " . pick(qw(= <> < <= > >=)) . " $left";
}

sub any_condition
{
	my ($left, $make, $is_array) = @_;
	my @list = map { $make->() } 1 .. pick(1, 2, 3, 3, 9);
	my $list = join ', ', @list;
	return "$left IN ($list)" if $is_array;
	return pick("$left IN ($list)", "$left = ANY (ARRAY[$list])", "$left NOT IN ($list)", "$left <> ALL (ARRAY[$list])", "$left " . pick(qw(< >= <>)) . " ANY (ARRAY[$list])");
}

sub plain_condition
{
	my ($left, $make, $is_array) = @_;
	my $kind = rand;
	return any_condition($left, $make, $is_array) if $kind < 0.25;
	return "$left IS " . pick('NULL', 'NOT NULL') if $kind < 0.32;
	return "$left BETWEEN " . pick('', 'SYMMETRIC ') . $make->() . ' AND ' . $make->() if $kind < 0.45;
	return "$left IS " . pick('', 'NOT ') . 'DISTINCT FROM ' . $make->() if $kind < 0.5;
	return compare($left, $make->());
}

sub text_condition
{
	my ($left, $value, $make, $bytes) = @_;
	return plain_condition($left, $make) if chance(0.45);
	$left .= ' COLLATE "C"' if !$bytes && chance(0.8);
	$may_fail = 1 if !$bytes && $left !~ /COLLATE/;
	return "$left " . pick('LIKE', 'LIKE', 'NOT LIKE', 'ILIKE', 'ILIKE') . ' ' . constant(like_pattern($value), 'text') if chance(0.6);
	return "$left " . pick('~', '~', '~*', '!~') . ' ' . constant(regex_of($value), 'text') if chance(0.3);
	return "starts_with($left, " . constant(piece_of($value), 'text') . ')' if chance(0.15);
	return 'length(' . $left . ') ' . pick(qw(< = >)) . ' ' . length $value if chance(0.3);
	return "ledger.has_token($left, " . constant(pick((grep { length } split /[^A-Za-z0-9_]+/, $value), piece_of($value), 'refund'), 'text') . ')' if chance(0.8);
	return "upper($left) = upper(" . constant($value, 'text') . ')';
}

sub path_condition
{
	my ($name, $column) = @_;
	my ($path, $what) = @{ pick(document_paths()) };
	my $left = "$name$path";
	my $value = value_of($column);
	my $string = $value =~ /"([^"]*)"[^"]*$/ ? $1 : 'say';
	$string = $1 if $path =~ /'(\w+)'$/ && $value =~ /"$1": "?([^",}]*)/;
	$string =~ s/\\(.)/$1/g;
	my $number = $string =~ /^-?\d+(\.\d+)?$/ ? $string : int rand 30;
	my $kind = rand;
	return "$left IS " . pick('', 'NOT ') . 'NULL' if $kind < 0.08;
	if ($kind < 0.45 && $what ne 'text')
	{
		my $type = { integer => pick(qw(int4 int8 numeric float8 int2)), number => pick(qw(numeric float8)), boolean => 'bool', time => pick(qw(timestamptz timestamp date)), mixed => pick(qw(int4 numeric float8 bool)) }->{$what};
		$may_fail = 1 if $what eq 'mixed';
		return pick('', 'NOT ') . "($left)::bool" if $type eq 'bool';
		return plain_condition("($left)::$type", sub { constant($string =~ /^\d{4}-/ ? $string : '2001-01-05', $type) }) if $what eq 'time';
		return plain_condition("($left)::$type", sub { my $n = int($number) + pick(-1, 0, 0, 1, 100); constant($type =~ /int/ || chance(0.5) ? $n : "$n.50", $type) });
	}
	return text_condition("($left)", $string, sub { constant(chance(0.7) ? $string : pick('say', 'http', '17', 'zz', ''), 'text') }, 1);
}

sub document_condition
{
	my ($name, $column) = @_;
	my $value = value_of($column);
	my $kind = rand;
	return path_condition($name, $column) if $kind < 0.6;
	return "$name ? " . constant(pick(qw(type n s id rare ok in k3 gone a text)), 'text') if $kind < 0.68;
	return "$name->'in' ? " . constant(pick(qw(a b l x)), 'text') if $kind < 0.72;
	return "$name " . pick('?|', '?&') . " ARRAY['type', 'rare', 'k3']" if $kind < 0.75;
	if ($kind < 0.9)
	{
		my @members = $value =~ /("\w+": (?:"[^"]*"|-?[\d.]+|true|false))/g;
		my $part = @members ? '{' . join(', ', map { pick(@members) } 1 .. pick(1, 1, 2)) . '}' : $value;
		$part = '{"in": {"a": ' . int(rand 9) . '}}' if chance(0.15);
		$part = pick('{}', '[]', '{"mix": null}', '{"tags": ["ab"]}', '17', '{"in": {}}', '[1]', '"text"', '{"n": 7.0}', '{"f": -1.50}') if chance(0.2);
		return "$name @> " . constant($part, 'jsonb');
	}
	return pick("$name = ", "$name <> ") . constant($value, 'jsonb') if $kind < 0.93;
	return "$name" . pick("->'n'", "->'mix'", "->'in'->'a'", "->'s'") . ' = ' . constant(pick('7', '7.0', 'null', 'true', '"ab"', '{"a": 1}'), 'jsonb') if $kind < 0.97;
	return "jsonb_typeof($name->'mix') = " . constant(pick(qw(number string null object)), 'text');
}

sub time_condition
{
	my ($name, $column) = @_;
	return compare($name, pick('now()', "now() - interval '20 years'", "'2001-01-04 12:00'::timestamptz - interval '90 min'", 'current_date', 'localtimestamp')) if chance(0.2);
	return "date_trunc('" . pick(qw(minute hour day)) . "', $name) = date_trunc('hour', " . constant(value_of($column), $column->{type}) . ')' if chance(0.1);
	return plain_condition($name, sub { constant_of($column) });
}

sub array_condition
{
	my ($name, $column) = @_;
	return "$name " . pick('@>', '<@', '&&', '=') . ' ' . constant(value_of($column), $column->{type}) if chance(0.6);
	return $column->{type} eq 'int4[]' ? constant(int rand 8, 'int4') . " = ANY ($name)" : constant(pick('a', 'ab', ''), 'text') . " = ANY ($name)" if chance(0.5);
	return plain_condition($name, sub { constant(value_of($column), $column->{type}) }, 1);
}

# A condition on one column
sub leaf
{
	my ($table, $alias) = @_;
	my $column = pick(@{ $table->{columns} });
	my $name = "$alias.$column->{name}";
	my $kind = $column->{kind};
	return compare("$alias.id", constant(int rand($table->{next} * 1.1 + 1), pick(qw(int4 int8)))) if chance(0.07);
	return "$alias.id " . pick('% 7 = 3', '+ 1 > 500', 'IS NOT NULL') if chance(0.03);
	return two_columns($table, $alias, $column) if chance(0.04);
	return pick('', 'NOT ') . $name . pick('', ' IS TRUE', ' IS FALSE', ' IS NOT TRUE', ' IS NOT FALSE', ' IS UNKNOWN', ' IS NULL', ' = true', ' <> false') if $kind eq 'boolean';
	return document_condition($name, $column) if $kind eq 'document';
	return time_condition($name, $column) if $kind =~ /^(time|day)$/;
	return array_condition($name, $column) if $kind eq 'array';
	return text_condition($name, value_of($column), sub { constant_of($column) }, !$column->{collate} || $column->{collate} ne 'nocase') if $kind eq 'text';
	return "$name " . pick('<<=', '>>', '&&') . ' ' . constant(pick('10.1.0.0/16', '10.0.0.0/8', '10.2.3.0/24'), 'inet') if $column->{type} eq 'inet' && chance(0.3);
	return "$name " . pick(qw(= <> <)) . ' (SELECT ' . $name =~ s/^\w+/z/r . " FROM $table->{name} z WHERE z.id = " . int(rand 900) . ')' if chance(0.05);
	return plain_condition($name, sub { constant_of($column) });
}

sub two_columns
{
	my ($table, $alias, $column) = @_;
	my ($other) = pick(grep { $_->{type} eq $column->{type} && ($_->{collate} || '') eq ($column->{collate} || '') } @{ $table->{columns} });
	return "$alias.$column->{name} " . pick(qw(= <> <)) . " $alias.$other->{name}" if chance(0.5);
	return "($alias.$column->{name}, $alias.id) < (" . constant(value_of($column), $column->{type}) . ', 500)';
}

sub condition
{
	my ($table, $alias, $depth) = @_;
	my $kind = rand;
	if ($depth > 0 && $kind < 0.55)
	{
		return 'NOT (' . condition($table, $alias, $depth - 1) . ')' if $kind < 0.07;
		my $with = $kind < 0.33 ? ' AND ' : ' OR ';
		return '(' . join($with, map { condition($table, $alias, $depth - 1) } 1 .. pick(2, 2, 2, 3)) . ')';
	}
	return leaf($table, $alias);
}

sub where
{
	my ($table, $alias) = @_;
	return chance(0.06) ? 'true' : condition($table, $alias, pick(0, 0, 1, 1, 2, 3));
}

# ---- What is shown ----

sub shown
{
	my ($column, $name) = @_;
	return $column->{shown} ? sprintf($column->{shown}, $name) : $name;
}

sub some_columns
{
	my ($table, $alias, $n) = @_;
	my %taken;
	return map { shown($_, "$alias.$_->{name}") } grep { !$taken{ $_->{name} }++ } map { pick(@{ $table->{columns} }) } 1 .. $n;
}

sub sort_keys
{
	my ($table, $alias) = @_;
	return "$alias.id" . pick('', '', ' DESC') if chance(0.3);
	return join(', ', map { "$alias.$_->{name}" . pick('', ' DESC', ' DESC NULLS LAST', ' NULLS FIRST') } map { pick(@{ $table->{columns} }) } 1 .. pick(1, 1, 2)) . ", $alias.id" . pick('', ' DESC');
}

# What to group by, in a form in which equal values look alike
sub group_key
{
	my ($table, $alias) = @_;
	my $column = pick(@{ $table->{columns} });
	my $name = "$alias.$column->{name}";
	return pick("date_trunc('hour', $name)", "date_bin('7 min', $name, '2001-01-01')", "date_trunc('day', $name)") if $column->{kind} eq 'time' && chance(0.7);
	return $name . pick(document_paths())->[0] if $column->{kind} eq 'document';
	return pick("$alias.id % 10", "$alias.id / 1000") if chance(0.1);
	return shown($column, $name);
}

sub aggregate
{
	my ($table, $alias) = @_;
	my $column = pick(@{ $table->{columns} });
	my $name = "$alias.$column->{name}";
	my $kind = $column->{kind};
	my $filter = chance(0.2) ? ' FILTER (WHERE ' . leaf($table, $alias) . ')' : '';
	return 'count(*)' . $filter if chance(0.2);
	return "count($name)$filter" if chance(0.15);
	return 'count(DISTINCT ' . shown($column, $name) . ")$filter" if chance(0.12);
	if ($kind eq 'document')
	{
		my ($path, $what) = @{ pick(grep { $_->[1] ne 'mixed' } document_paths()) };
		return pick(qw(sum avg min max)) . "(($name$path)::" . pick(qw(numeric int8)) . ")$filter" if $what eq 'integer';
		return pick(qw(sum avg min max)) . "(($name$path)::numeric)$filter" if $what eq 'number';
		return pick(qw(min max count)) . "($name$path)$filter";
	}
	return pick(qw(sum avg min max stddev)) . "($name)$filter" if $kind eq 'integer';
	return pick(qw(sum avg)) . "($name)$filter" if $kind eq 'number' && chance(0.5);

	# eighths, whose sums are exact in any order
	return pick(qw(sum avg)) . "($name" . ($column->{type} eq 'float4' ? '::float8' : '') . ")$filter" if $kind eq 'float' && chance(0.5);
	return shown($column, pick(qw(min max)) . "($name)") if $kind =~ /^(number|float|text|time|day|order|array)$/ && $column->{type} !~ /^(name|oid\[\])/;
	return pick(qw(bool_and bool_or)) . "($name)$filter" if $kind eq 'boolean';
	return "count($name)$filter";
}

# ---- Queries ----

my @kinds = (
	[ 2, \&q_count ], [ 4, \&q_columns ], [ 1, \&q_rows ], [ 4, \&q_top ], [ 6, \&q_groups ], [ 3, \&q_aggregates ], [ 1, \&q_cte ], [ 2, \&q_lateral ],
	[ 2, \&q_join ], [ 2, \&q_semijoin ], [ 1, \&q_cursor ], [ 1, \&q_distinct ], [ 1, \&q_window ], [ 1, \&q_some ]);

sub q_count { my ($a) = @_; return { sql => "SELECT count(*) FROM $a->{name} a WHERE " . where($a, 'a') }; }

sub q_columns
{
	my ($a) = @_;
	return { sql => 'SELECT ' . join(', ', 'a.id', some_columns($a, 'a', pick(0, 1, 2, 4))) . " FROM $a->{name} a WHERE " . where($a, 'a') };
}

sub q_rows { my ($a) = @_; return { sql => "SELECT count(a), sum(hashtextextended(a::text, 0)) FROM $a->{name} a WHERE " . where($a, 'a') }; }

sub q_top
{
	my ($a) = @_;
	return { ordered => 1, sql => 'SELECT ' . join(', ', 'a.id', some_columns($a, 'a', pick(0, 1, 3))) . " FROM $a->{name} a WHERE " . where($a, 'a') . ' ORDER BY ' . sort_keys($a, 'a') .
		' LIMIT ' . pick(1, 3, 7, 50, 1500) . (chance(0.2) ? ' OFFSET ' . pick(1, 10, 2000) : '') };
}

sub q_groups
{
	my ($a) = @_;
	my @keys = map { group_key($a, 'a') } 1 .. pick(1, 1, 2);
	my $having = chance(0.25) ? ' HAVING ' . pick('count(*) > 2', 'min(a.id) % 2 = 0', 'max(a.id) > 700') : '';
	my $by = join ', ', 1 .. @keys;
	my $order = chance(0.2) ? { ordered => 1, text => " ORDER BY count(*) DESC, min(a.id) LIMIT 10" } : { text => '' };
	return { ordered => $order->{ordered}, sql => 'SELECT ' . join(', ', @keys, map { aggregate($a, 'a') } 1 .. pick(1, 1, 2, 4)) . " FROM $a->{name} a WHERE " . where($a, 'a') . " GROUP BY $by$having$order->{text}" };
}

sub q_aggregates
{
	my ($a) = @_;
	my @all = chance(0.3) ? map { pick("min(a.id)", "max(a.id)", "count(*)", aggregate($a, 'a')) } 1 .. 3 : map { aggregate($a, 'a') } 1 .. pick(1, 2, 5);
	return { sql => 'SELECT ' . join(', ', @all) . " FROM $a->{name} a" . (chance(0.6) ? ' WHERE ' . where($a, 'a') : '') };
}

sub q_cte
{
	my ($a) = @_;
	return { big => 1, sql => 'WITH q AS ' . pick('', 'MATERIALIZED ', 'NOT MATERIALIZED ') . "(SELECT * FROM $a->{name} a WHERE " . where($a, 'a') . ') SELECT count(*), sum(q.id) FROM q JOIN q r USING (id) WHERE ' . where($a, 'q') };
}

# pairs of columns whose values can be equal
sub pairs
{
	my ($a, $b) = @_;
	my @pairs;
	foreach my $x (@{ $a->{columns} })
	{
		push @pairs, map { [ $x, $_ ] } grep { $_->{typename} eq $x->{typename} && $x->{kind} ne 'document' } @{ $b->{columns} };
	}
	return @pairs;
}

sub join_condition
{
	my ($a, $b) = @_;
	my @pairs = pairs($a, $b);
	return 'a.id = b.id' . pick('', ' + 1', ' * 10') if !@pairs || chance(0.25);
	my ($x, $y) = @{ pick(@pairs) };
	return "a.$x->{name} = b.$y->{name}" . (chance(0.2) ? ' AND a.id ' . pick('<', '>') . ' b.id' : '');
}

sub few { my ($b) = @_; return "(SELECT * FROM $b->{name} b ORDER BY id LIMIT " . pick(3, 20) . ') b'; }

sub q_lateral
{
	my ($a, $b) = @_;
	my $on = join_condition($a, $b) . (chance(0.5) ? ' AND ' . where($a, 'a') : '');
	my ($join, $end) = chance(0.5) ? ('CROSS JOIN', '') : ('LEFT JOIN', ' ON true');
	return { sql => 'SELECT b.id, x.* FROM ' . few($b) . " $join LATERAL (SELECT " . join(', ', 'a.id AS aid', map { "$_ AS v" } some_columns($a, 'a', 1)) .
		" FROM $a->{name} a WHERE $on ORDER BY " . sort_keys($a, 'a') . ' LIMIT ' . pick(1, 3) . ") x$end" };
}

sub q_join
{
	my ($a, $b) = @_;
	my $from = chance(0.5) ? few($b) : "$b->{name} b";
	return { sql => "SELECT count(*), sum(a.id), sum(b.id), count(b.id) FROM $a->{name} a " . pick('JOIN', 'JOIN', 'LEFT JOIN', 'RIGHT JOIN') . " $from ON " . join_condition($a, $b) . ' WHERE ' . where($a, 'a') };
}

sub q_semijoin
{
	my ($a, $b) = @_;
	my @pairs = pairs($a, $b);
	my $where = where($a, 'a');
	return { sql => "SELECT a.id FROM $a->{name} a WHERE " . pick('', 'NOT ') . "EXISTS (SELECT FROM $b->{name} b WHERE " . join_condition($a, $b) . ") AND $where" } if !@pairs || chance(0.4);
	my ($x, $y) = @{ pick(@pairs) };
	return { sql => "SELECT a.id FROM $a->{name} a WHERE a.$x->{name} " . pick('', 'NOT ') . "IN (SELECT b.$y->{name} FROM $b->{name} b WHERE b.id < " . int(rand 150) . ") AND $where" } if chance(0.6);
	return { sql => "SELECT b.id, (SELECT count(*) FROM $a->{name} a WHERE " . join_condition($a, $b) . " AND $where) FROM " . few($b) };
}

sub q_distinct
{
	my ($a) = @_;
	return { sql => 'SELECT DISTINCT ' . join(', ', map { group_key($a, 'a') } 1 .. pick(1, 2)) . " FROM $a->{name} a WHERE " . where($a, 'a') } if chance(0.5);
	return { sql => "SELECT a.id FROM $a->{name} a WHERE " . where($a, 'a') . pick(' UNION ', ' EXCEPT ', ' INTERSECT ', ' UNION ALL ') . "SELECT a.id FROM $a->{name} a WHERE " . where($a, 'a') };
}

sub q_window
{
	my ($a) = @_;
	return { sql => "SELECT a.id, row_number() OVER w, lag(a.id) OVER w FROM $a->{name} a WHERE " . where($a, 'a') . ' WINDOW w AS (PARTITION BY ' . group_key($a, 'a') . ' ORDER BY ' . sort_keys($a, 'a') . ')' };
}

# some rows, whichever: they are counted
sub q_some
{
	my ($a) = @_;
	return { sql => "SELECT count(*) FROM (SELECT " . pick('1', 'a.id', 'a.*') . " FROM $a->{name} a WHERE " . where($a, 'a') . ' LIMIT ' . pick(1, 5, 1000) . ') x' };
}

sub q_cursor
{
	my ($a) = @_;
	my $scroll = chance(0.7);
	my @steps = map { $scroll ? pick('NEXT', 3, 100, 'BACKWARD 2', 'PRIOR', 'LAST', 'FIRST', 'ABSOLUTE 5', 'ABSOLUTE -3', 'RELATIVE -1', 'RELATIVE 4', 'BACKWARD ALL', 'ALL') : pick('NEXT', 2, 50, 'RELATIVE 3') } 1 .. 6;
	my $query = 'SELECT ' . join(', ', 'a.id', some_columns($a, 'a', 1)) . " FROM $a->{name} a WHERE " . where($a, 'a') . ' ORDER BY ' . sort_keys($a, 'a');
	return { ordered => 1, sql => join ";\n", 'BEGIN', 'DECLARE c' . ($scroll ? ' SCROLL' : '') . " CURSOR FOR $query", (map { pick('FETCH', 'FETCH', 'MOVE') . " $_ FROM c" } @steps), 'COMMIT' };
}

sub prepared
{
	my ($query) = @_;
	my $values = join ', ', map { "$_->[1]::$_->[0]" } @$parameters;
	my $types = join ', ', map { $_->[0] } @$parameters;
	my $n = pick(1, 1, 2, 7);	# the seventh can be of a generic plan
	$query->{explain} = "PREPARE p ($types) AS $query->{sql};\nEXPLAIN EXECUTE p ($values);\nDEALLOCATE p";
	$query->{sql} = "PREPARE p ($types) AS $query->{sql};\n" . "EXECUTE p ($values);\n" x $n . 'DEALLOCATE p';
	$query->{settings} = 'SET plan_cache_mode = ' . pick(qw(auto force_generic_plan force_custom_plan));
	return;
}

# in_transaction: no statement may begin or end one
sub random_query
{
	my ($a, $b, $in_transaction) = @_;
	my $total = 0;
	my $make;
	foreach my $kind (@kinds)
	{
		$total += $kind->[0];
		$make = $kind->[1] if rand() < $kind->[0] / $total;
	}
	$make = \&q_count if $in_transaction && $make == \&q_cursor;
	$parameters = $make != \&q_cursor && chance(0.25) ? [] : undef;
	$may_fail = 0;
	my $query = $make->($a, $b);
	prepared($query) if $parameters && @$parameters;
	$query->{explain} //= "EXPLAIN $query->{sql}" unless $query->{sql} =~ /;/;
	$query->{may_fail} = $may_fail;
	return $query;
}

# Settings that lead to other plans, all back to what they are with RESET ALL
sub random_settings
{
	my @set;
	push @set, 'ledger.enable_scan = off' if chance(0.12);
	push @set, 'min_parallel_table_scan_size = 0', 'parallel_setup_cost = 0', 'parallel_tuple_cost = 0' if chance(0.25);
	push @set, 'max_parallel_workers_per_gather = 0' if chance(0.1);
	push @set, 'parallel_leader_participation = off' if chance(0.05);
	push @set, map { "$_ = off" } grep { chance(0.1) } qw(enable_hashjoin enable_mergejoin enable_nestloop enable_hashagg enable_sort enable_material enable_memoize enable_bitmapscan enable_indexscan);
	push @set, 'enable_hashjoin = off', 'enable_mergejoin = off' if chance(0.2);
	push @set, 'enable_seqscan = off' if chance(0.04);
	push @set, 'enable_partitionwise_aggregate = on', 'enable_partitionwise_join = on' if chance(0.1);
	push @set, "work_mem = '64kB'" if chance(0.1);
	push @set, 'enable_gathermerge = off' if chance(0.05);
	return map { "SET $_" } @set;
}

1;
