-- ledger.manage(): settings, and the partitions that it makes.
SET client_min_messages = warning;
SET ledger.maintenance = off;
CREATE SCHEMA manage_test;
SET search_path = manage_test, public;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET IntervalStyle = 'postgres';
CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text; hint text;
BEGIN
	EXECUTE command;
	RETURN 'ok';
EXCEPTION WHEN others THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;
-- partitions, with times as offsets in periods from the present one
CREATE FUNCTION bounds(parent regclass) RETURNS TABLE (name text, bounds text, am name) LANGUAGE sql AS $$
	SELECT c.relname::text, pg_get_expr(c.relpartbound, c.oid), a.amname
	FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid LEFT JOIN pg_am a ON a.oid = c.relam
	WHERE i.inhparent = parent ORDER BY c.oid $$;

-- every unit: the present period and the next ones, aligned
CREATE VIEW units (unit, expected_start, expected_end) AS
	SELECT '15 minutes'::interval, s, s + '15 minutes' FROM date_bin('15 minutes', now(), '2000-01-01 00:00+00') s
	UNION ALL SELECT '1 hour', s, s + '1 hour' FROM date_trunc('hour', now()) s
	UNION ALL SELECT '6 hours', s, s + '6 hours' FROM date_bin('6 hours', now(), '2000-01-01 00:00+00') s
	UNION ALL SELECT '1 day', s, s + '1 day' FROM date_trunc('day', now()) s
	UNION ALL SELECT '3 days', s, s + '3 days' FROM date_bin('3 days', now(), '2000-01-01 00:00+00') s
	UNION ALL SELECT '1 week', s, s + '1 week' FROM date_trunc('week', now()) s
	UNION ALL SELECT '2 weeks', s, s + '2 weeks' FROM date_bin('14 days', now(), '2000-01-03 00:00+00') s
	UNION ALL SELECT '1 month', s, s + '1 month' FROM date_trunc('month', now()) s
	UNION ALL SELECT '3 months', s, s + '3 months' FROM date_trunc('quarter', now()) s
	UNION ALL SELECT '1 year', s, s + '1 year' FROM date_trunc('year', now()) s
	UNION ALL SELECT '10 years', s, s + '10 years' FROM date_trunc('decade', now()) s;
CREATE FUNCTION check_unit(u units, type text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	first record;
	n int;
BEGIN
	EXECUTE format('CREATE TABLE t (ts %s NOT NULL, v text) PARTITION BY RANGE (ts)', type);
	PERFORM ledger.manage('t', u.unit, premake => 2);
	SELECT (regexp_match(b.bounds, 'FROM \(''(.*)''\) TO'))[1]::timestamptz AS s, (regexp_match(b.bounds, 'TO \(''(.*)''\)'))[1]::timestamptz AS e, b.am, b.name
		INTO first FROM bounds('t') b LIMIT 1;
	SELECT count(*) INTO n FROM bounds('t');
	PERFORM ledger.unmanage('t');
	DROP TABLE t;
	IF n = 3 AND first.am = 'ledger' AND first.s = u.expected_start AND first.e = u.expected_end THEN
		RETURN 'ok ' || regexp_replace(first.name, '\d', 'n', 'g');
	END IF;
	RETURN format('%s partitions, the first %s by %s from %s to %s, not from %s to %s', n, first.name, first.am, first.s, first.e, u.expected_start, u.expected_end);
END $$;
SELECT unit, check_unit(u, 'timestamptz') FROM units u ORDER BY unit;
SELECT unit, check_unit(u, 'timestamp') FROM units u WHERE unit IN ('1 hour', '1 month') ORDER BY unit;
SELECT unit, check_unit(u, 'date') FROM units u WHERE unit >= '1 day' ORDER BY unit;

-- intervals that are none
CREATE TABLE t (ts timestamptz NOT NULL, v text) PARTITION BY RANGE (ts);
SELECT i, try(format('SELECT ledger.manage(''t'', %L)', i)) FROM unnest(ARRAY['0', '-1 day', '90 seconds', '1 day 1 hour', '1 month 1 day', '2000 years']) i;
SELECT try($$SELECT ledger.manage('t', NULL)$$);
SELECT try($$SELECT ledger.manage(NULL, '1 day')$$);
SELECT try($$SELECT ledger.manage('t', '1 day', premake => -1)$$);
SELECT try($$SELECT ledger.manage('t', '1 day', premake => NULL)$$);
SELECT try($$SELECT ledger.manage('t', '1 day', retention => '-1 day')$$);
SELECT try($$SELECT ledger.manage('t', '1 day', max_past => NULL)$$);
SELECT count(*) FROM ledger.managed WHERE relation IN (SELECT oid FROM pg_class);
SELECT count(*) FROM bounds('t');

-- the settings; called again, it changes them
SELECT ledger.manage('t', '1 day', 3, retention => '90 days');
SELECT relation, owner = current_user::regrole AS owner, partition_interval, premake, retention, seal_after, max_past, max_future FROM ledger.managed;
SELECT count(*) FROM bounds('t');
SELECT ledger.manage('t', '1 day', 5, max_past => '1 year', seal_after => '1 hour');
SELECT relation, partition_interval, premake, retention, seal_after, max_past, max_future FROM ledger.managed;
SELECT count(*) FROM bounds('t');
INSERT INTO t SELECT now() + i * interval '1 day', 'v' FROM generate_series(0, 4) i;
SELECT count(*), count(DISTINCT tableoid) FROM t;
SELECT ledger.unmanage('t');
SELECT try($$SELECT ledger.unmanage('t')$$);
SELECT count(*) FROM ledger.managed WHERE relation IN (SELECT oid FROM pg_class);
DROP TABLE t;

-- partitions of any bounds are respected, and gaps filled exactly
CREATE TABLE t (ts timestamptz NOT NULL, v text) PARTITION BY RANGE (ts);
DO $$ BEGIN
	EXECUTE format('CREATE TABLE t_old PARTITION OF t FOR VALUES FROM (MINVALUE) TO (%L)', date_trunc('day', now()) + interval '3 hours');
	EXECUTE format('CREATE TABLE t_odd PARTITION OF t FOR VALUES FROM (%L) TO (%L)', date_trunc('day', now()) + interval '20 hours', date_trunc('day', now()) + interval '30 hours');
	EXECUTE format('CREATE TABLE t_far PARTITION OF t FOR VALUES FROM (%L) TO (MAXVALUE)', date_trunc('day', now()) + interval '50 hours');
END $$;
SELECT ledger.manage('t', '1 day');
SELECT am, (regexp_match(bounds, 'FROM \(''(.*)''\) TO'))[1]::timestamptz - date_trunc('day', now()) AS "from", (regexp_match(bounds, 'TO \(''(.*)''\)'))[1]::timestamptz - date_trunc('day', now()) AS "to" FROM bounds('t') ORDER BY 2 NULLS FIRST;
DROP TABLE t;

-- a default partition
CREATE TABLE t (ts timestamptz NOT NULL, v text) PARTITION BY RANGE (ts);
CREATE TABLE t_default PARTITION OF t DEFAULT;
INSERT INTO t VALUES (now(), 'v');
SELECT try($$SELECT ledger.manage('t', '1 day')$$);
TRUNCATE t;
SET client_min_messages = notice;
SELECT ledger.manage('t', '1 day');
SET client_min_messages = warning;
SELECT count(*) FROM bounds('t');
DROP TABLE t;

-- names: taken, and too long
CREATE TABLE t (ts date NOT NULL) PARTITION BY RANGE (ts);
DO $$ BEGIN EXECUTE format('CREATE TABLE t_p%s ()', to_char(now(), 'YYYYMMDD')); END $$;
SELECT ledger.manage('t', '1 day', 0);
SELECT regexp_replace(name, '\d{8}', 'YYYYMMDD') FROM bounds('t');
CREATE TABLE "Ein sehr langer Name, länger als ein Name sein kann, äöü ß" (ts date NOT NULL) PARTITION BY RANGE (ts);
SELECT ledger.manage('"Ein sehr langer Name, länger als ein Name sein kann, äöü ß"', '1 day', 1);
SELECT regexp_replace(name, '\d{8}', 'YYYYMMDD') FROM bounds('"Ein sehr langer Name, länger als ein Name sein kann, äöü ß"');

-- trees
CREATE TABLE tree (app text NOT NULL, kind text NOT NULL, ts timestamptz NOT NULL, PRIMARY KEY (app, kind, ts)) PARTITION BY LIST (kind);
CREATE TABLE tree_http PARTITION OF tree FOR VALUES IN ('http') PARTITION BY RANGE (ts);
CREATE TABLE tree_event PARTITION OF tree FOR VALUES IN ('event') PARTITION BY HASH (app);
CREATE TABLE tree_event_0 PARTITION OF tree_event FOR VALUES WITH (MODULUS 2, REMAINDER 0) PARTITION BY RANGE (ts);
CREATE TABLE tree_event_1 PARTITION OF tree_event FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY RANGE (ts);
SELECT ledger.manage('tree', '1 month', 1);
SELECT ledger.manage('tree_http', '1 hour', 2);
SELECT relation, partition_interval FROM ledger.managed WHERE relation IN (SELECT oid FROM pg_class) ORDER BY relation;
SELECT t, count(*), bool_and(am = 'ledger') FROM unnest(ARRAY['tree_http', 'tree_event_0', 'tree_event_1']::regclass[]) t, bounds(t) GROUP BY t ORDER BY t;
INSERT INTO tree SELECT 'app' || i, k, now() FROM generate_series(1, 20) i, unnest(ARRAY['http', 'event']) k;
SELECT tableoid::regclass::text ~ '^tree_(http|event_.)_p' AS leaf, count(*) FROM tree GROUP BY 1;

-- appends make the partition that is missing
CREATE TABLE made (id int, ts timestamptz NOT NULL, v text DEFAULT 'default', CHECK (id < 1000000)) PARTITION BY RANGE (ts);
CREATE INDEX ON made (id);
SELECT ledger.manage('made', '1 day', 0, retention => '20 days', max_past => '10 days', max_future => '5 days');
SELECT count(*) FROM bounds('made');
SELECT ledger.append('made', ARRAY[ROW(1, now()), ROW(2, now() - interval '3 days'), ROW(3, now() - interval '3 days'), ROW(4, now() + interval '2 days')]);
SELECT count(*), bool_and(am = 'ledger') FROM bounds('made');
SELECT id, v, tableoid = (SELECT tableoid FROM made WHERE id = 2) AS with_2 FROM made ORDER BY id;
-- in a batch of many, with what was collected before
SELECT ledger.append('made', array_agg(ROW(g, now() - (g / 700) * interval '1 day'))) FROM generate_series(100, 4000) g;
SELECT count(*), count(DISTINCT id), count(DISTINCT tableoid) FROM made WHERE id >= 100;
SELECT count(*) FROM bounds('made');
SELECT ledger.append_json('made', jsonb_build_array(jsonb_build_object('id', 5, 'ts', now() - interval '8 days'), jsonb_build_object('id', 6, 'ts', now() - interval '9 days')));
SELECT ledger.append_ndjson('made', format('{"id":7,"ts":"%s"}', now() + interval '4 days'));
SELECT count(*) FROM bounds('made');
-- too far away
CREATE FUNCTION undated(t text) RETURNS text LANGUAGE sql AS $$ SELECT regexp_replace(t, '\d{4}-\d\d-\d\d [\d:.+]+', 'DATE', 'g') $$;
SELECT undated(try($$SELECT ledger.append('made', ARRAY[ROW(8, now()), ROW(9, now() + interval '6 days')])$$));
SELECT undated(try($$SELECT ledger.append('made', ROW(8, now() - interval '11 days'))$$));
SELECT undated(try($$SELECT ledger.append('made', ROW(8, 'infinity'::timestamptz))$$));
SELECT undated(try($$SELECT ledger.append('made', ROW(8, '-infinity'::timestamptz))$$));
SELECT undated(try($$SELECT ledger.append('made', ROW(8, NULL::timestamptz))$$));
SELECT try($$SELECT ledger.append('made', ARRAY[ROW(8, now() - interval '6 days'), ROW(1000000, now())])$$) ~ '^23514 .*made_id_check';
SELECT count(*) FROM made WHERE id IN (8, 9);
-- undone with the transaction
BEGIN;
SELECT count(*) FROM bounds('made');
SAVEPOINT a;
SELECT ledger.append('made', ROW(10, now() + interval '3 days'));
ROLLBACK TO a;
SELECT ledger.append('made', ROW(11, now() + interval '3 days'));
COMMIT;
SELECT id FROM made WHERE id IN (10, 11);
-- who may append to the ledger need not be able to make tables
CREATE ROLE manage_appender;
GRANT USAGE ON SCHEMA manage_test TO manage_appender;
GRANT INSERT ON made TO manage_appender;
SELECT count(*) FROM bounds('made') \gset before_
SET ROLE manage_appender;
SELECT ledger.append('made', ROW(12, now() - interval '9 days 12 hours'));
RESET ROLE;
SELECT count(*) - :before_count <= 1 AS made, bool_and(pg_get_userbyid(relowner) = current_user) FROM bounds('made') b JOIN pg_class c ON c.relname = b.name AND c.relnamespace = 'manage_test'::regnamespace;
-- a tree: the branch is made as it should, a missing LIST value is an error
SELECT ledger.append('tree', ARRAY[ROW('a', 'http', now() - interval '5 hours'), ROW('b', 'event', now() - interval '29 days')]);
SELECT ledger.append_json('tree', jsonb_build_object('app', 'a', 'kind', 'http', 'ts', now() - interval '6 hours'));
SELECT try($$SELECT ledger.append('tree', ROW('a', 'other', now()))$$);
SELECT tableoid::regclass::text ~ '^tree_(http|event_.)_p' AS leaf, count(*) FROM tree GROUP BY 1;
-- not managed: as ever
SELECT ledger.unmanage('made');
SELECT undated(try($$SELECT ledger.append('made', ROW(13, now() - interval '15 days'))$$));

-- where the executor is needed: triggers, and defaults that no entry gives
CREATE TABLE heard (id int, ts timestamptz NOT NULL DEFAULT now() - interval '4 days', v text) PARTITION BY RANGE (ts);
SELECT ledger.manage('heard', '1 day', 0);
CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := 'heard'; RETURN NEW; END $$;
CREATE TRIGGER hear BEFORE INSERT ON heard FOR EACH ROW EXECUTE FUNCTION hear();
SELECT ledger.append('heard', ARRAY[ROW(1, now()), ROW(2, now() - interval '2 days'), ROW(3, now() - interval '8 days')]);
SELECT ledger.append_json('heard', '[{"id":4},{"id":5}]');
SELECT undated(try($$SELECT ledger.append('heard', ARRAY[ROW(6, now()), ROW(7, now() + interval '2 days')])$$));
SELECT undated(try($$SELECT ledger.append('heard', ARRAY[ROW(6, now()), ROW(7, now() - interval '40 days')])$$));
SELECT id, v, tableoid = (SELECT tableoid FROM heard WHERE id = 4) AS with_4 FROM heard ORDER BY id;
SELECT count(*) FROM bounds('heard');

-- times that are not taken, though there is a partition
CREATE TABLE limited (id int, ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
CREATE TABLE limited_all PARTITION OF limited FOR VALUES FROM (MINVALUE) TO (MAXVALUE) USING ledger;
SELECT ledger.manage('limited', '1 day', retention => '10 days', max_future => '2 hours', max_past => '1 day');
SELECT ledger.append('limited', ARRAY[ROW(1, now()), ROW(2, now() + interval '1 hour'), ROW(3, now() - interval '9 days')]);
SELECT undated(try($$SELECT ledger.append('limited', ARRAY[ROW(4, now()), ROW(5, now() + interval '3 hours')])$$));
SELECT undated(try($$SELECT ledger.append('limited', ARRAY[ROW(4, now()), ROW(5, now() - interval '11 days')])$$));
SELECT undated(try($$SELECT ledger.append('limited', ROW(6, 'infinity'::timestamptz))$$));
SELECT ledger.append_json('limited', jsonb_build_array(jsonb_build_object('id', 7, 'ts', now()), jsonb_build_object('id', 8, 'ts', 'infinity')), on_error => 'skip');
INSERT INTO limited VALUES (9, now() + interval '1 year');
SELECT ledger.manage('limited', '1 day', retention => '10 days', max_future => '1 day', max_past => '1 day');
SELECT ledger.append('limited', ROW(10, now() + interval '3 hours'));
SELECT id FROM limited ORDER BY id;

-- no more than 100 by appends in an hour
CREATE TABLE often (id int, ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
SELECT ledger.manage('often', '1 minute', 0);
SELECT regexp_replace(undated(try($$SELECT ledger.append('often', array_agg(ROW(g, now() - g * interval '1 minute'))) FROM generate_series(1, 150) g$$)), '\d\d\d\d\d+', 'N');
SELECT count(*), (SELECT count(*) FROM often) FROM bounds('often');
SELECT ledger.append('often', array_agg(ROW(g, now() - g * interval '1 minute'))) FROM generate_series(2, 61) g;
SELECT count(*) FROM ledger.activity WHERE ledger = 'often'::regclass AND action = 'partition made by an append';

-- what the views show, and to whom
CREATE ROLE manage_reader;
GRANT USAGE ON SCHEMA manage_test TO manage_reader;
CREATE TABLE seen (id int, ts timestamp NOT NULL) PARTITION BY RANGE (ts);
CREATE TABLE seen_old PARTITION OF seen FOR VALUES FROM (MINVALUE) TO ('2020-01-01') USING heap;
CREATE TABLE seen_a PARTITION OF seen FOR VALUES FROM ('2020-01-01') TO ('2020-01-02') USING ledger;
CREATE TABLE seen_b PARTITION OF seen FOR VALUES FROM ('2020-01-02') TO ('2020-01-03') USING ledger;
CREATE TABLE seen_rest PARTITION OF seen FOR VALUES FROM ('2020-01-03') TO (MAXVALUE) USING ledger;
SELECT ledger.manage('seen', '1 day', 0);
INSERT INTO seen SELECT g, timestamp '2020-01-01' + g * interval '1 minute' FROM generate_series(0, 2000) g;
SELECT ledger.seal('seen_a');
SELECT partition, range, access_method, entries, tail_entries, raw_bytes > 0 AS raw, stored_bytes > 0 AS stored FROM ledger.partitions WHERE ledger = 'seen'::regclass ORDER BY range;
SELECT partition_interval, premake, partitions, entries, oldest, newest FROM ledger.ledgers WHERE ledger = 'seen'::regclass;
SELECT partition, open_entries, closed_entries, open_bytes > 0, closed_bytes, oldest_unsealed <= now(), holder, holder_pid FROM ledger.sealing WHERE ledger = 'seen'::regclass;
SET ROLE manage_reader;
SELECT partition, range, access_method, entries, tail_entries, raw_bytes, stored_bytes FROM ledger.partitions WHERE ledger = 'seen'::regclass ORDER BY range;
SELECT partition_interval, premake, partitions, entries, oldest, newest FROM ledger.ledgers WHERE ledger = 'seen'::regclass;
SELECT count(*) FROM ledger.sealing WHERE ledger = 'seen'::regclass;
SELECT * FROM ledger.time_range('seen', 'seen_a');
RESET ROLE;
GRANT SELECT ON seen TO manage_reader;
SET ROLE manage_reader;
SELECT sum(entries), max(oldest), max(newest) FROM ledger.ledgers WHERE ledger = 'seen'::regclass;
RESET ROLE;
SELECT try('CALL ledger.maintain()');
SELECT try($$SELECT ledger.manage('seen', '1 day', max_past => '100000000 years')$$);
SELECT try($$SELECT ledger.manage('seen', '1 day', seal_after => '9000 years')$$);
-- nor under policies that keep rows away, nor by the functions behind the views
ALTER TABLE seen ENABLE ROW LEVEL SECURITY;
SET ROLE manage_reader;
SELECT sum(entries), max(oldest), max(newest) FROM ledger.ledgers WHERE ledger = 'seen'::regclass;
SELECT * FROM ledger.tail_stats('seen_b');
RESET ROLE;
SELECT ledger.unmanage('seen');
SELECT count(*) FROM ledger.partitions WHERE ledger = 'seen'::regclass;

-- where branches are side by side, any of them may have the oldest or newest entry
CREATE TABLE beside (k text, ts timestamp NOT NULL) PARTITION BY LIST (k);
DO $$
DECLARE k text;
BEGIN
	FOREACH k IN ARRAY ARRAY['a', 'b', 'c'] LOOP
		EXECUTE format('CREATE TABLE beside_%1$s PARTITION OF beside FOR VALUES IN (%1$L) PARTITION BY RANGE (ts)', k);
		EXECUTE format('CREATE TABLE beside_%1$s_1 PARTITION OF beside_%1$s FOR VALUES FROM (%2$L) TO (%3$L) USING ledger', k,
			CASE k WHEN 'b' THEN '2020-01-01' ELSE '2019-12-30' END, CASE k WHEN 'b' THEN '2020-01-02' ELSE '2020-01-06' END);
	END LOOP;
END $$;
SELECT ledger.manage('beside', '1 week', 0);
INSERT INTO beside VALUES ('a', '2020-01-01 03:00'), ('b', '2020-01-01 01:00'), ('b', '2020-01-01 04:00'), ('c', '2020-01-01 02:00');
SELECT oldest, newest FROM ledger.ledgers WHERE ledger = 'beside'::regclass;
INSERT INTO beside VALUES ('a', '2019-12-31 03:00'), ('c', '2020-01-05 02:00');
SELECT oldest, newest FROM ledger.ledgers WHERE ledger = 'beside'::regclass;

-- the row of a table that is gone
CREATE TABLE dropped (ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
SELECT ledger.manage('dropped', '1 day', 0);
SELECT 'dropped'::regclass::oid AS dropped \gset
DROP TABLE dropped;
SELECT count(*) FROM ledger.managed WHERE relation = :dropped;
SET ROLE manage_reader;
SELECT regexp_replace(try('SELECT ledger.unmanage(' || :dropped || '::regclass)'), 'OID \d+', 'OID n');
RESET ROLE;
SELECT ledger.unmanage(:dropped::regclass);
SELECT count(*) FROM ledger.managed WHERE relation = :dropped;
SELECT regexp_replace(try('SELECT ledger.unmanage(' || :dropped || '::regclass)'), 'OID \d+', 'OID n');

-- what cannot be managed
CREATE TABLE plain (ts timestamptz) USING ledger;
SELECT try($$SELECT ledger.manage('plain', '1 day')$$);
CREATE TEMP TABLE passing (ts timestamptz) PARTITION BY RANGE (ts);
SELECT try($$SELECT ledger.manage('passing', '1 day')$$);
CREATE TABLE by_int (i int) PARTITION BY RANGE (i);
SELECT try($$SELECT ledger.manage('by_int', '1 day')$$);
CREATE TABLE by_expression (ts timestamp) PARTITION BY RANGE (date_trunc('day', ts));
SELECT try($$SELECT ledger.manage('by_expression', '1 day')$$);
CREATE TABLE by_list (k int, ts timestamptz) PARTITION BY LIST (k);
CREATE TABLE by_list_1 PARTITION OF by_list FOR VALUES IN (1);
SELECT try($$SELECT ledger.manage('by_list', '1 day')$$);
CREATE TABLE deeper (k int, ts timestamptz) PARTITION BY RANGE (ts);
CREATE TABLE deeper_1 PARTITION OF deeper FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY LIST (k);
SELECT try($$SELECT ledger.manage('deeper', '1 day')$$);
CREATE TABLE by_date (d date) PARTITION BY RANGE (d);
SELECT try($$SELECT ledger.manage('by_date', '12 hours')$$);
SELECT try($$SELECT ledger.manage(1::oid::regclass, '1 day')$$);

-- rights
CREATE ROLE manage_owner;
CREATE ROLE manage_other;
GRANT USAGE ON SCHEMA manage_test TO manage_owner, manage_other;
CREATE TABLE owned (ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
ALTER TABLE owned OWNER TO manage_owner;
SET ROLE manage_other;
SELECT try($$SELECT ledger.manage('owned', '1 day')$$);
SELECT try($$SELECT ledger.unmanage('owned')$$);
SELECT try($$INSERT INTO ledger.managed SELECT * FROM ledger.managed$$);
SELECT count(*) FROM ledger.managed WHERE relation IN (SELECT oid FROM pg_class);
SET ROLE manage_owner;
SELECT try($$SELECT ledger.manage('owned', '1 day')$$);
RESET ROLE;
GRANT CREATE ON SCHEMA manage_test TO manage_owner;
SET ROLE manage_owner;
SELECT try($$SELECT ledger.manage('owned', '1 day')$$);
SELECT bool_and(pg_get_userbyid(relowner) = 'manage_owner') FROM bounds('owned') b JOIN pg_class c ON c.relname = b.name;
SELECT ledger.unmanage('owned');
RESET ROLE;
-- a superuser manages for the owner
SELECT ledger.manage('owned', '1 day', 6);
SELECT count(*), bool_and(pg_get_userbyid(relowner) = 'manage_owner') FROM bounds('owned') b JOIN pg_class c ON c.relname = b.name;
SELECT owner FROM ledger.managed WHERE relation = 'owned'::regclass;
BEGIN READ ONLY;
SELECT try($$SELECT ledger.manage('owned', '1 day')$$);
COMMIT;

DROP SCHEMA manage_test CASCADE;
DELETE FROM ledger.managed;
DELETE FROM ledger.activity_log;
DROP ROLE manage_owner, manage_other, manage_appender, manage_reader;
