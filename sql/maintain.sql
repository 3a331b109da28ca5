--
-- Maintenance where something is in its way: row-level security that the owner
-- is subject to, partitions and tables that are dropped.
--
SET ledger.maintenance = off;
CREATE SCHEMA maintain_test;
CREATE ROLE maintain_owner;
GRANT ALL ON SCHEMA maintain_test TO maintain_owner;
SET search_path = maintain_test, public;
CREATE FUNCTION leaves(parent regclass) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = parent AND inhrelid::regclass::text !~ '_p2'
$$;
CREATE FUNCTION troubles(parent regclass) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(': ', action, partition, detail) FROM ledger.activity_log WHERE ledger = parent AND action IN ('failed', 'skipped') ORDER BY id
$$;

-- Retention counts from the newest entry, which a policy would hide.
SET ROLE maintain_owner;
CREATE TABLE forced (id int, ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
CREATE TABLE forced_new PARTITION OF forced FOR VALUES FROM ('2020-01-01') TO (MAXVALUE) USING ledger;
CREATE TABLE forced_old PARTITION OF forced FOR VALUES FROM (MINVALUE) TO ('2020-01-01') USING ledger;
SELECT ledger.append('forced', ARRAY[ROW(1, '2019-01-01 00:00+00'), ROW(2, '2025-01-01 00:00+00')]);
CREATE TABLE forced_heap (LIKE forced) PARTITION BY RANGE (ts);
CREATE TABLE forced_heap_new PARTITION OF forced_heap FOR VALUES FROM ('2020-01-01') TO (MAXVALUE) USING heap;
CREATE TABLE forced_heap_old PARTITION OF forced_heap FOR VALUES FROM (MINVALUE) TO ('2020-01-01') USING ledger;
INSERT INTO forced_heap SELECT * FROM forced;
SELECT ledger.manage('forced', '1 year', retention => '3 years');
SELECT ledger.manage('forced_heap', '1 year', retention => '3 years');
ALTER TABLE forced_new ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE forced_heap_new ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT * FROM forced_new;
RESET ROLE;
RESET ledger.maintenance;
CALL ledger.maintain('forced');
SELECT leaves('forced');
SELECT troubles('forced');
-- of a heap table an answer can only be had with SQL: that it cannot be had is told
CALL ledger.maintain('forced_heap');
SELECT leaves('forced_heap');
SELECT troubles('forced_heap');
ALTER TABLE forced_heap_new NO FORCE ROW LEVEL SECURITY;
CALL ledger.maintain('forced_heap');
SELECT leaves('forced_heap');

-- A partition that is dropped between two steps is none of maintenance's troubles.
SET ledger.maintenance = off;
CREATE TABLE gone (id int, ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
CREATE TABLE gone_old PARTITION OF gone FOR VALUES FROM (MINVALUE) TO ('2015-01-01') USING ledger;
CREATE TABLE gone_new PARTITION OF gone FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') USING ledger;
CREATE TABLE gone_future PARTITION OF gone FOR VALUES FROM ('2100-01-01') TO ('2101-01-01') USING heap;
SELECT ledger.append('gone', ARRAY[ROW(1, '2010-01-01 00:00+00'), ROW(2, '2020-06-01 00:00+00')]);
SELECT ledger.manage('gone', '1 month', premake => 0, retention => '3 years');
CREATE FUNCTION drop_meanwhile() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	DROP TABLE IF EXISTS maintain_test.gone_future;
END $$;
-- there is a partition to make, after a look at all
DO $$
BEGIN
	EXECUTE (SELECT format('DROP TABLE %s', string_agg(inhrelid::regclass::text, ', ')) FROM pg_inherits WHERE inhparent = 'gone'::regclass AND inhrelid::regclass::text ~ '_p2');
END $$;
CREATE EVENT TRIGGER drop_meanwhile ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION drop_meanwhile();
RESET ledger.maintenance;
CALL ledger.maintain('gone');
DROP EVENT TRIGGER drop_meanwhile;
SELECT leaves('gone');
SELECT troubles('gone');

-- What is kept of a table goes after it has been dropped.
SET ledger.maintenance = off;
CREATE TABLE stays (id int NOT NULL) USING ledger;
CREATE TABLE goes (LIKE stays) USING ledger;
CREATE TABLE goes_too (LIKE stays) USING ledger;
SELECT t, ledger.append_json(t, '[{"id":1},{}]', on_error => 'divert', source => 's', batch => 1)
FROM unnest('{stays, goes, goes_too}'::regclass[]) t;
SELECT ledger.append_json('goes', '[{},{}]', on_error => 'divert');
CREATE TABLE kept USING heap AS SELECT unnest('{stays, goes, goes_too}'::regclass[])::oid AS relid;
DROP TABLE goes, goes_too;
RESET ledger.maintenance;
CALL ledger.maintain('gone');
SELECT (SELECT count(*) FROM ledger.batches WHERE ledger IN (SELECT relid FROM kept)) AS batches,
	(SELECT count(*) FROM ledger.rejected WHERE ledger IN (SELECT relid FROM kept)) AS rejected;
SET client_min_messages = error;	-- what other tests have left may be in the way
CALL ledger.maintain();
RESET client_min_messages;
SELECT (SELECT count(*) FROM ledger.batches WHERE ledger IN (SELECT relid FROM kept)) AS batches,
	(SELECT count(*) FROM ledger.rejected WHERE ledger IN (SELECT relid FROM kept)) AS rejected;
SELECT batch FROM ledger.batches WHERE ledger = 'stays'::regclass;

SELECT ledger.unmanage(relation) FROM ledger.managed WHERE relation IN ('forced'::regclass, 'forced_heap', 'gone');
SET client_min_messages = warning;
DROP SCHEMA maintain_test CASCADE;
DROP ROLE maintain_owner;
