# This machine's package logs as NDJSON: {"ts", "source", "level", "message"} a line.
use strict;
use warnings;
use Encode;
use JSON::PP;

my $json = JSON::PP->new->canonical->utf8;

sub emit
{
	my ($ts, $source, $level, $message) = @_;
	print $json->encode({ ts => $ts, source => $source, level => $level, message => $message }), "\n";
	return;
}

# a file, or its rotated and compressed sibling
sub lines
{
	my $file = shift;
	open my $f, '-|', 'gzip', '-cdf', $file or return ();
	my @lines = <$f>;
	close $f;
	chomp @lines;
	$_ = decode("UTF-8", $_) for @lines;
	return @lines;
}

for my $file (reverse sort glob '/var/log/dpkg.log*')
{
	for (lines($file))
	{
		emit($1, 'dpkg', $2, $3) if /^(\S+ \S+) (\S+) (.*)/;
	}
}
for my $file (reverse sort glob '/var/log/apt/history.log*')
{
	my $start;
	for (lines($file))
	{
		if (/^Start-Date: (\S+)\s+(\S+)/) { $start = "$1 $2" }
		elsif ($start && /^(?!End-Date)([\w-]+): (.*)/) { emit($start, 'apt', $1, $2) }
	}
}
