# Row numbers running out: a warning at three quarters of the slots, an error at
# the end, and nothing stored.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Utils;
use Test::More;

# Where the metapage keeps what, from its page's start (storage.h).
my $NEXT_SLOT = 24 + 8;
my $SEAL_FROM = 24 + 132;
my $CRC_END = 268;
my $MAX_SLOTS = 2**27 - 1;

my @table = map { my $c = $_; $c = $c & 1 ? ($c >> 1) ^ 0x82F63B78 : $c >> 1 for 1 .. 8; $c } 0 .. 255;

sub crc32c
{
	my $crc = 0xFFFFFFFF;
	$crc = $table[($crc ^ $_) & 0xFF] ^ ($crc >> 8) for unpack 'C*', $_[0];
	return $crc ^ 0xFFFFFFFF;
}

my $node = ledger_node('limits', init => { extra => without_checksums() });

# Let the table's next slot be $slot, with all before it long sealed.
sub set_next_slot
{
	my ($table, $slot) = @_;
	my $path = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('$table')");
	$node->stop;
	my $data = slurp_raw($path);
	die 'the checksum is not where it should be'
	  if crc32c(substr($data, 24, $CRC_END)) != unpack('V', substr($data, 24 + $CRC_END, 4));
	substr($data, $NEXT_SLOT, 4) = pack('V', $slot);
	substr($data, $SEAL_FROM, 4) = pack('V', $slot);
	substr($data, 24 + $CRC_END, 4) = pack('V', crc32c(substr($data, 24, $CRC_END)));
	spew_raw($path, $data);
	$node->start;
}

$node->safe_psql('postgres', q{
	CREATE TABLE l (i int) USING ledger;
	INSERT INTO l VALUES (1);
});
# no open run is left: the next row needs a slot
$node->safe_psql('postgres', q{SELECT ledger.seal('l')});

my $step = 4096;
my $warn_at = int(($MAX_SLOTS / 4 * 3) / $step + 1) * $step;
set_next_slot('l', $warn_at);
my ($rc, $out, $err) = $node->psql('postgres', 'INSERT INTO l VALUES (2)');
is($rc, 0, 'a row past three quarters is stored');
like($err, qr/WARNING:  ledger "l" has used $warn_at of $MAX_SLOTS slots/, 'with a warning');
my $tid = '(' . $warn_at * 32 . ',1)';
is($node->safe_psql('postgres', "SELECT i FROM l WHERE ctid = '$tid'"), '2', 'under the right TID');

$node->safe_psql('postgres', q{SELECT ledger.seal('l')});
set_next_slot('l', $MAX_SLOTS);
for my $sql ('INSERT INTO l VALUES (3)',
	'INSERT INTO l SELECT 3 FROM generate_series(1, 5000)',
	q{SELECT ledger.append('l', ROW(3))})
{
	($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql");
	isnt($rc, 0, "error at the end: $sql");
	like($err, qr/54000: ledger "l" has run out of row numbers/, 'with its SQLSTATE');
}
# not a sequential scan, which would look at all those slots
is($node->safe_psql('postgres', "SET enable_seqscan = off; SELECT count(*) FROM l WHERE ctid < '(32,1)'"), '1', 'nothing stored');
no_crash_ok($node);
$node->stop;
done_testing();
