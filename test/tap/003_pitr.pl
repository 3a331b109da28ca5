# A base backup taken under load, recovered to a point in time, with data
# checksums.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LedgerTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = ledger_node('origin', init => { allows_streaming => 1, has_archiving => 1, extra => ['--data-checksums'] },
	conf => "autovacuum_naptime = 1s\nautovacuum_vacuum_insert_threshold = 500\n");
is($node->safe_psql('postgres', 'SHOW data_checksums'), 'on', 'data checksums are on');
prepare_oracle($node);
$node->safe_psql('postgres', q(CREATE SEQUENCE s; CREATE INDEX l_k ON l (k, i);
	SELECT load(0, 300); SELECT load(0, 12000); SELECT ledger.seal('l'); SELECT singles(nextval('s'), 400)));
my %scripts = (
	one => [ 20, "SELECT load(nextval('s'), 1);\n" ],
	many => [ 2, "SELECT load(nextval('s'), 3000);\n" ],
	abort => [ 2, "BEGIN;\nSELECT load(nextval('s'), 1500);\nROLLBACK;\n" ],
	seal => [ 1, "SELECT ledger.seal('l');\n" ],
	vacuum => [ 1, "VACUUM l;\n" ]);
my $load = load_start($node, 4, %scripts);
$node->poll_query_until('postgres', 'SELECT count(*) > 13000 FROM h');
$node->backup('b');
sleep 1;
unlike(load_stop($load), qr/ERROR:/, 'load during the backup without errors');

# the point to recover to
my $n = same_ok($node, 'same rows at the point');
my $digest = digest($node, 'l');
$node->safe_psql('postgres', q(SELECT pg_create_restore_point('here')));
$node->safe_psql('postgres', q(SELECT load(nextval('s'), 5000); SELECT ledger.seal('l'); VACUUM l; SELECT singles(nextval('s'), 100)));
isnt(digest($node, 'l'), $digest, 'rows came after it');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
my $archived = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn())');
$node->poll_query_until('postgres', "SELECT last_archived_wal >= '$archived' OR pg_walfile_name(pg_current_wal_lsn()) <= last_archived_wal OR last_archived_wal IS NOT NULL AND last_failed_wal IS NULL AND NOT EXISTS (SELECT FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') FROM pg_stat_archiver");

my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($node, 'b', has_restoring => 1, standby => 0);
$copy->append_conf('postgresql.conf', "recovery_target_name = 'here'\nrecovery_target_action = 'promote'\narchive_mode = off\n");
$copy->start;
wait_for($copy, 'SELECT NOT pg_is_in_recovery()', 'recovered to the point');
is(same_ok($copy, 'same rows in the copy'), $n, 'as many as then');
is(digest($copy, 'l'), $digest, 'and the very same');
is($copy->safe_psql('postgres', 'SET enable_seqscan = off; SELECT count(*) FROM l WHERE k >= 0'), $n, 'the index agrees');

# life goes on there, another way than at the origin
$copy->safe_psql('postgres', q(SELECT load(nextval('s'), 4); SELECT load(nextval('s'), 4000); SELECT ledger.seal('l'); VACUUM (FREEZE) l; SELECT singles(nextval('s'), 100)));
same_ok($copy, 'same rows after more of them');
$copy->stop;
command_ok([ 'pg_checksums', '--check', '-D', $copy->data_dir ], 'checksums of the copy');
$copy->start;
same_ok($copy, 'same rows after a restart');
$copy->stop;

# the origin, too: also after a crash, and a plain recovery of all its log
$node->stop('immediate');
$node->start;
same_ok($node, 'same rows at the origin after a crash');
my $end = digest($node, 'l');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
$node->stop;
command_ok([ 'pg_checksums', '--check', '-D', $node->data_dir ], 'checksums of the origin');
my $whole = PostgreSQL::Test::Cluster->new('whole');
$whole->init_from_backup($node, 'b', has_restoring => 1, standby => 0);
$whole->append_conf('postgresql.conf', "archive_mode = off\n");
$whole->start;
wait_for($whole, 'SELECT NOT pg_is_in_recovery()', 'recovered to the end');
is(digest($whole, 'l'), $end, 'all rows are there');
same_ok($whole, 'the same as in heap');
$whole->stop;
no_crash_ok($_) foreach $node, $copy, $whole;
done_testing();
