-- Leaves found by their names in a new session: the same rows in the same
-- partitions as by INSERT, whatever has the names.
CREATE SCHEMA route;
SET search_path = route;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
CREATE TABLE l (ts timestamptz NOT NULL, app text, n int) PARTITION BY RANGE (ts);
CREATE TABLE h (ts timestamptz NOT NULL, app text, n int) PARTITION BY RANGE (ts);
SELECT ledger.manage('l', '1 day', 0, max_past => '100 years', max_future => '100 years');
SELECT ledger.append_json('l', (SELECT jsonb_agg(jsonb_build_object('ts', d, 'n', 0)) FROM generate_series('2026-01-01'::timestamptz, '2026-01-12', '1 day') d));
CREATE FUNCTION same() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	-- each row must be where its partition's bounds are
	FOR r IN SELECT l.*, c.relname, pg_get_expr(c.relpartbound, c.oid) AS bound, p.range
		FROM l JOIN pg_class c ON c.oid = l.tableoid JOIN ledger.partitions p ON p.partition = c.oid
	LOOP
		IF NOT r.range @> r.ts THEN
			RETURN format('%s is in %s', r.ts, r.relname);
		END IF;
	END LOOP;
	RETURN 'all where they belong';
END $$;
-- names that lie: exchanged, of a table that is no partition, of another
-- ledger's partition, of a view
ALTER TABLE l_p20260101 RENAME TO x;
ALTER TABLE l_p20260102 RENAME TO l_p20260101;
ALTER TABLE x RENAME TO l_p20260102;
ALTER TABLE l DETACH PARTITION l_p20260103;
CREATE TABLE elsewhere (ts timestamptz NOT NULL, app text, n int) PARTITION BY RANGE (ts);
ALTER TABLE elsewhere ATTACH PARTITION l_p20260103 FOR VALUES FROM ('2026-01-03 00:00+00') TO ('2026-01-04 00:00+00');
ALTER TABLE l DETACH PARTITION l_p20260104;
ALTER TABLE l DETACH PARTITION l_p20260105;
DROP TABLE l_p20260105;
CREATE VIEW l_p20260105 AS SELECT 1 AS one;
-- another layout, another name, an index, a constraint, a trigger, heap
ALTER TABLE l DETACH PARTITION l_p20260106;
DROP TABLE l_p20260106;
CREATE TABLE l_p20260106 (gone int, n int, app text DEFAULT 'leaf', ts timestamptz NOT NULL) USING ledger;
ALTER TABLE l_p20260106 DROP gone;
ALTER TABLE l ATTACH PARTITION l_p20260106 FOR VALUES FROM ('2026-01-06 00:00+00') TO ('2026-01-07 00:00+00');
ALTER TABLE l_p20260107 RENAME TO of_another_name;
CREATE UNIQUE INDEX ON l_p20260108 (n);
ALTER TABLE l_p20260109 ADD CHECK (n < 100);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.app := 'trigger'; RETURN NEW; END $$;
CREATE TRIGGER note BEFORE INSERT ON l_p20260110 FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE l DETACH PARTITION l_p20260111;
ALTER TABLE l_p20260111 SET ACCESS METHOD heap;
ALTER TABLE l ATTACH PARTITION l_p20260111 FOR VALUES FROM ('2026-01-11 00:00+00') TO ('2026-01-12 00:00+00');
-- each call in a session of its own, those first that can be found by name
CREATE FUNCTION day(d int) RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2026-01-01 13:00+00'::timestamptz + (d - 1) * interval '1 day' $$;
\c -
SET search_path = route;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT d, ledger.append('l', ROW(day(d), 'a', d)) FROM unnest('{6,8,9,11,12}'::int[]) d;
\c -
SET search_path = route;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT ledger.append('l', array_agg(ROW(day(d), 'b', 100 + d) ORDER BY n, d)) FROM unnest('{6,8,11,12}'::int[]) d, generate_series(1, 30) n WHERE d <> 8 OR n = 1;
\c -
SET search_path = route;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
-- after some that are found by name, all the others
SELECT ledger.append('l', array_agg(ROW(day(d), 'c', 1000 + n) ORDER BY n)) FROM unnest('{12,11,6,1,2,7,12}'::int[]) WITH ORDINALITY o (d, i), generate_series(i::int * 10, i::int * 10 + 9) n;
DO $$
DECLARE
	d int;
BEGIN
	FOREACH d IN ARRAY '{1,2,3,4,5,7,10}'::int[] LOOP
		PERFORM ledger.append('l', ROW(day(d), 'a', d));
	END LOOP;
END $$;
SELECT same(), count(*) FROM l WHERE n > 0;
SELECT app, count(*) FROM l WHERE n > 0 GROUP BY app ORDER BY app;
-- by index of the order in each leaf: as it was given
SELECT bool_and(n > before) FROM (SELECT n, lag(n, 1, 0) OVER (PARTITION BY tableoid ORDER BY ctid) AS before FROM l WHERE app = 'c') s;
\c -
SET search_path = route;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
-- the server's own errors and checks
SELECT ledger.append('l', ROW('2026-01-09 13:00+00'::timestamptz, 'c', 100));
SELECT ledger.append('l', ROW('2026-01-08 13:00+00'::timestamptz, 'c', 20));
SELECT ledger.append('l', ROW('2026-01-08 13:00+00'::timestamptz, 'c', 20), on_conflict => 'skip');
SELECT ledger.append('l', ROW(NULL::timestamptz, 'c', 20));
SELECT ledger.append('l', ROW('infinity'::timestamptz, 'c', 20));
-- what a session knows of a leaf goes when that changes
SELECT ledger.append('l', ROW('2026-01-12 13:00+00'::timestamptz, 'd', 1));
ALTER TABLE l DETACH PARTITION l_p20260112;
CREATE TABLE whole PARTITION OF l FOR VALUES FROM ('2026-01-12 00:00+00') TO ('2026-01-13 00:00+00') USING ledger;
SELECT ledger.append('l', ROW('2026-01-12 14:00+00'::timestamptz, 'd', 2));
SELECT tableoid::regclass, n FROM l WHERE app = 'd';
SELECT ledger.manage('l', '1 day', 0, retention => '1 day', max_past => '100 years');
\c -
SET search_path = route;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
DO $$ BEGIN PERFORM ledger.append('l', ROW('2026-01-02 14:00+00'::timestamptz, 'd', 2)); EXCEPTION WHEN check_violation THEN RAISE NOTICE 'too old'; END $$;
SELECT same(), count(*) FROM l WHERE n > 0;
-- a date column, weeks, and a name that is cut
CREATE TABLE a_ledger_whose_name_is_so_long_that_the_partitions_have_it_cut (d date NOT NULL, n int) PARTITION BY RANGE (d);
SELECT ledger.manage('a_ledger_whose_name_is_so_long_that_the_partitions_have_it_cut', '1 week', 0, max_past => '100 years');
SELECT ledger.append('a_ledger_whose_name_is_so_long_that_the_partitions_have_it_cut', ROW('2026-01-07'::date, 1));
\c -
SET search_path = route;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT ledger.append('a_ledger_whose_name_is_so_long_that_the_partitions_have_it_cut', array_agg(ROW('2026-01-05'::date + i, i))) FROM generate_series(0, 6) i;
SELECT tableoid::regclass, count(*) FROM a_ledger_whose_name_is_so_long_that_the_partitions_have_it_cut GROUP BY 1;
-- settings of a table many levels above the leaf, which they hold for no more
DO $$
BEGIN
	CREATE TABLE deep_0 (ts timestamptz NOT NULL, app text, n int) PARTITION BY LIST (app);
	FOR i IN 1 .. 11 LOOP
		EXECUTE format('CREATE TABLE deep_%s PARTITION OF deep_%s FOR VALUES IN (''a'') PARTITION BY %s', i, i - 1,
			CASE WHEN i = 11 THEN 'RANGE (ts)' ELSE 'LIST (app)' END);
	END LOOP;
END $$;
SELECT ledger.manage('deep_0', '1 day', 0, max_past => '100 years');
SELECT ledger.append('deep_0', ROW('2026-01-05 12:00+00'::timestamptz, 'a', n)) FROM generate_series(1, 2) n;
SELECT ledger.manage('deep_0', '1 day', 0, retention => '1 day', max_past => '100 years');
SELECT ledger.append('deep_0', ROW('2026-01-05 12:00+00'::timestamptz, 'a', 3));
ALTER TABLE deep_0 DETACH PARTITION deep_1;
SELECT ledger.append('deep_1', ROW('2026-01-05 12:00+00'::timestamptz, 'a', 4));
SELECT tableoid::regclass, n FROM deep_1;
SET client_min_messages = warning;
DROP SCHEMA route CASCADE;
