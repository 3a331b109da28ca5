--
-- LedgerAggregate: every aggregate and kind of key against heap, with the node
-- and without, of rows in segments and in tail runs.
--
SET client_min_messages = warning;
CREATE SCHEMA agg;
SET search_path = agg, public;
SET extra_float_digits = 3;
SET TimeZone = 'Europe/Berlin';
-- without ICU, one more that is deterministic
DO $$
BEGIN
	CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
EXCEPTION WHEN OTHERS THEN
	CREATE COLLATION nocase FROM "C";
END $$;
CREATE TABLE h (gone int, id int, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric,
	t text, c text COLLATE "C", ci text COLLATE nocase, v varchar(20), b bool, d date, tm time,
	ts timestamp, tz timestamptz, o oid, u uuid, y bytea, nothing text, iv interval, j jsonb, void text) USING heap;
CREATE TABLE l (LIKE h) USING ledger;
-- NULL for one in seven, and what is special of a type now and then
CREATE FUNCTION pick(r float8, VARIADIC choices text[]) RETURNS text LANGUAGE sql IMMUTABLE AS
	$f$ SELECT CASE WHEN r < 0.14 THEN NULL ELSE choices[1 + (r * 1000)::int % cardinality(choices)] END $f$;
CREATE PROCEDURE fill(start int, rows int) LANGUAGE plpgsql AS $f$
BEGIN
	INSERT INTO l (gone, id, i2, i4, i8, f4, f8, n, t, c, ci, v, b, d, tm, ts, tz, o, u, y, iv, j)
	SELECT i, i, (random() * 60000 - 30000)::int2, (random() * 4e9 - 2e9)::int4,
		CASE WHEN random() < 0.5 THEN (random() * 1.8e19 - 9e18)::int8 ELSE i % 5 END,
		CASE WHEN i % 50 = 0 THEN pick(random(), 'NaN', 'Infinity', '-0', '0')::float4 ELSE random() END,
		CASE WHEN i % 40 = 0 THEN pick(random(), 'NaN', '-Infinity', '-0', '0', '1e300', '-1e300')::float8 ELSE random() * 1e6 END,
		CASE WHEN i % 30 = 0 THEN pick(random(), 'NaN', 'Infinity', '1.0', '1.00', '0.000')::numeric ELSE round((random() * 1000)::numeric, (random() * 6)::int) END,
		pick(random(), 'a', 'b', '', 'ä', 'Z', 'ab', 'a b'), pick(random(), 'a', 'B', 'b', 'A', ''),
		pick(random(), 'a', 'A', 'b', 'B', 'ä'), pick(random(), 'x', 'x ', 'y'), pick(random(), 't', 'f')::bool,
		date '2024-01-01' + i / 100, time '10:00' + (i % 1000) * interval '1 second',
		timestamp '2024-03-30 22:00' + i * interval '7.7 s', timestamptz '2024-03-30 22:00+00' + i * interval '7.7 s',
		(i % 77)::oid, md5((i % 9)::text)::uuid, decode(md5((i % 5)::text), 'hex'), (i % 3) * interval '1 day',
		jsonb_build_object('k', i % 4, 's', pick(random(), 'p', 'q'))
	FROM generate_series(start, start + rows - 1) i;
END $f$;
-- heap's rows in the ledger's order, which sums of floats depend on
CREATE PROCEDURE copy_rows() LANGUAGE plpgsql AS $f$
BEGIN
	TRUNCATE h;
	INSERT INTO h SELECT * FROM l;
END $f$;
-- what comes of a query, whatever the order
CREATE FUNCTION result(q text) RETURNS text LANGUAGE plpgsql AS $f$
DECLARE r text; BEGIN
	EXECUTE format('SELECT count(*) || '' '' || coalesce(md5(string_agg(x, E''\n'' ORDER BY x COLLATE "C")), '''') FROM (SELECT q::text AS x FROM (%s) q) s', q) INTO r;
	RETURN r;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $f$;
-- 1 if the query gives another result of the ledger than of heap
CREATE FUNCTION differs(q text, ledger text, heap text) RETURNS int LANGUAGE plpgsql AS $f$
DECLARE
	found text := result(replace(q, '#', ledger));
	expected text := result(replace(q, '#', heap));
BEGIN
	IF found IS NOT DISTINCT FROM expected THEN RETURN 0; END IF;
	RAISE WARNING '%: heap %, ledger %', q, expected, found;
	RETURN 1;
END $f$;
CREATE FUNCTION plan(q text) RETURNS text LANGUAGE plpgsql AS $f$
DECLARE r text := ''; line text; BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || q LOOP r := r || line || E'\n'; END LOOP;
	RETURN r;
END $f$;
CREATE TABLE aggs (a text) USING heap;
INSERT INTO aggs VALUES
	('count(*), count(t), count(void), count(1), count(id + 1)'),
	('sum(i2), sum(i4), sum(i8), avg(i2), avg(i4), avg(i8), sum(n), avg(n)'),
	('sum(f4), sum(f8 / 1e10), avg(f4), avg(f8 / 1e200), stddev(f8 / 1e200), var_pop(f4), corr(f4, f8 / 1e200)'),
	('min(i2), max(i2), min(i4), max(i4), min(i8), max(i8), min(o), max(o), min(d), max(d), min(tm), max(tm)'),
	('min(f4), max(f4), min(f8), max(f8), min(n), max(n), min(ts), max(ts), min(tz), max(tz), min(iv), max(iv), sum(iv), avg(iv)'),
	('min(t), max(t), min(c), max(c), max(ci), min(v), max(v)'),
	('count(*) FILTER (WHERE i4 > 0), sum(i4) FILTER (WHERE t = ''a'' OR c IS NULL), sum(1 / (i8 % 5)) FILTER (WHERE i8 % 5 <> 0), max(t) FILTER (WHERE length(t) = 1), count(t) FILTER (WHERE false), count(*) FILTER (WHERE t LIKE ''a%'')'),
	('string_agg(t, ''-''), array_agg(i2), md5(json_agg(c)::text), bool_and(b), bool_or(b), bit_or(i2), every(i4 > 0)'),
	('sum(i4 + 1), sum(i8 + 1), avg(length(t)), max(upper(t)), count(CASE WHEN b THEN 1 END)'),
	('stddev(i4), variance(i8), stddev_samp(n), regr_slope(i2, i4), count(j), max((j->>''k'')::int), avg((j->>''k'')::int), min(j->>''s''), count(j->>''s'')'),
	('sum(1000 / (i8 % 5))'), ('sum(f8 * 1e8)'), ('avg(f8)'), ('sum(i4::int8 * i8)'),
	('NULL'), ('1');
CREATE TABLE keys (k text) USING heap;
INSERT INTO keys VALUES
	(''), ('t'), ('c'), ('ci'), ('v'), ('b'), ('b, t'), ('c, t, b'), ('d'), ('i8 % 5'), ('id % 7, t'), ('void, b'), ('void'),
	('n'), ('round(f4::numeric, 1)'), ('f8'), ('f4'), ('o'), ('u'), ('y'), ('iv'), ('upper(t), u'), ('tm'), ('j->>''s'''), ('(j->>''k'')::int, t'), ('j'),
	('date_trunc(''minute'', tz)'), ('date_trunc(''hour'', tz)'), ('date_trunc(''day'', tz), t'), ('date_trunc(''month'', tz)'),
	('date_trunc(''hour'', ts)'), ('date_trunc(''day'', tz, ''Asia/Kathmandu'')'), ('date_bin(''17 minutes'', tz, timestamptz ''2024-05-01'')'),
	('date_bin(''17 minutes'', ts, timestamp ''2001-01-01'')'), ('id');
CREATE TABLE filters (w text) USING heap;
INSERT INTO filters VALUES ('true'), ('id BETWEEN 700 AND 5200'), ('t = ''a'''), ('c IN (''a'', ''B'') AND b'),
	('tz < timestamptz ''2024-03-31 03:00'''), ('t IS NULL'), ('id < 0'), ('i4 > 0 OR t = ''b''');
CREATE FUNCTION check_all(what text, aggregates text DEFAULT '%', exact bool DEFAULT true) RETURNS TABLE (queries bigint, in_node bigint, different bigint) LANGUAGE plpgsql AS $f$
DECLARE q text; r record; expected text; found text; BEGIN
	queries := 0; in_node := 0; different := 0;
	FOR r IN SELECT * FROM aggs, keys, filters WHERE a LIKE aggregates
		AND (hashtext(a || k || w) % 24 = 0 OR k IN ('', 't', 'b, t') AND w = 'true') LOOP
		q := format('SELECT %s%s FROM # WHERE %s%s', CASE WHEN r.k <> '' THEN r.k || ', ' ELSE '' END, r.a, r.w,
			CASE WHEN r.k <> '' THEN ' GROUP BY ' || r.k ELSE '' END);
		CONTINUE WHEN r.k = '' AND r.a IN ('NULL', '1') OR NOT exact AND r.k IN ('ci', 'n', 'f4', 'f8', 'round(f4::numeric, 1)');
		-- heap may have put rows elsewhere than where they were inserted
		IF r.a ~ 'string_agg|f8|f4' THEN
			SET LOCAL ledger.enable_scan = off;
			expected := result(replace(q, '#', 'l'));
			SET LOCAL ledger.enable_scan = on;
		ELSE
			expected := result(replace(q, '#', 'h'));
		END IF;
		found := result(replace(q, '#', 'l'));
		queries := queries + 1;
		in_node := in_node + (plan(replace(q, '#', 'l')) LIKE '%LedgerAggregate%')::int;
		IF expected IS DISTINCT FROM found THEN
			different := different + 1;
			RAISE WARNING '% %: heap %, ledger %', what, q, expected, found;
		END IF;
	END LOOP;
	RETURN NEXT;
END $f$;
SET enable_sort = off;
SET max_parallel_workers_per_gather = 0;
SELECT setseed(0.25);
SELECT different FROM check_all('empty', 'count%');
CALL fill(1, 300);
CALL copy_rows();
SELECT in_node > queries * 0.9 AS mostly, different FROM check_all('tail', 'c%');
CALL fill(301, 6000);
ALTER TABLE h DROP COLUMN nothing;
ALTER TABLE l DROP COLUMN nothing;
ALTER TABLE h ADD added int DEFAULT 5, ADD more text;
ALTER TABLE l ADD added int DEFAULT 5, ADD more text;
INSERT INTO l (id, added, more, i4) SELECT i, i % 3, 'm' || i % 2, 1 FROM generate_series(6301, 6400) i;
CALL copy_rows();
INSERT INTO aggs VALUES ('sum(added), count(more), max(more), min(added), count(*)');
INSERT INTO keys VALUES ('added'), ('more, added'), ('added, t'), ('more');
ANALYZE h, l;
SELECT in_node > queries * 0.8 AS mostly, different FROM check_all('segment');
SET ledger.enable_scan = off;
SELECT in_node, different FROM check_all('off', 'count%');
RESET ledger.enable_scan;
SELECT ledger.seal('l') IS NOT NULL AS sealed;
INSERT INTO l (id, t, b, i4, added) SELECT i, 't', i % 2 = 0, i, i % 2 FROM generate_series(6401, 6600) i;
CALL copy_rows();
SELECT in_node > queries * 0.8 AS mostly, different FROM check_all('sealed');

-- time zones and the pieces of time: all transitions there are
CREATE TABLE times (tz timestamptz, ts timestamp) USING heap;
CREATE TABLE ltimes (LIKE times) USING ledger;
INSERT INTO times SELECT tz, tz AT TIME ZONE 'UTC' FROM (
	SELECT timestamptz '1900-01-01' + i * interval '20 days 7 hours 13 min 17.3 s' FROM generate_series(1, 1200) i
	UNION ALL SELECT timestamptz '2024-03-30 12:00' + i * interval '247.7 s' FROM generate_series(1, 1200) i
	UNION ALL SELECT timestamptz '2024-11-02 12:00' + i * interval '241 s' FROM generate_series(1, 1200) i
	UNION ALL SELECT timestamptz '1972-01-06 20:00' + i * interval '13 s' FROM generate_series(1, 1500) i
	UNION ALL SELECT x::timestamptz FROM unnest('{infinity,-infinity,4713-01-01 BC,294000-01-01}'::text[]) x) s(tz);
INSERT INTO ltimes SELECT * FROM times;
CREATE FUNCTION check_zones() RETURNS TABLE (queries bigint, different bigint) LANGUAGE plpgsql AS $f$
DECLARE z text; u text; q text; BEGIN
	queries := 0; different := 0;
	FOREACH z IN ARRAY '{Europe/Berlin,Asia/Kathmandu,Australia/Lord_Howe,Africa/Monrovia,America/St_Johns,Antarctica/Troll,<+03:17>-3:17}'::text[] LOOP
		PERFORM set_config('TimeZone', z, true);
		FOREACH u IN ARRAY '{second,minute,hour,day,week,quarter,year,decade}'::text[] LOOP
			FOREACH q IN ARRAY ARRAY['date_trunc(%L, tz)', 'date_trunc(%L, ts)', 'date_trunc(%L, tz, ''America/New_York'')', 'date_trunc(%L, tz, ''EST'')'] LOOP
				q := format('SELECT ' || q || ', count(*) FROM # GROUP BY 1', u);
				queries := queries + 1;
				different := different + differs(q, 'ltimes', 'times');
			END LOOP;
		END LOOP;
	END LOOP;
	RETURN NEXT;
END $f$;
SELECT * FROM check_zones();

-- plans
EXPLAIN (COSTS OFF) SELECT count(*) FROM l;
EXPLAIN (COSTS OFF, VERBOSE) SELECT t, count(*) + 1, sum(i4) FILTER (WHERE b) FROM l WHERE id > 10 GROUP BY t HAVING max(id) > 5 ORDER BY 2 LIMIT 3;
EXPLAIN (COSTS OFF) SELECT date_trunc('hour', tz), avg(f8) FROM l WHERE t = 'a' AND id < 100 GROUP BY 1;
EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*), min(id), max(tz) FROM l WHERE id > 2100;
-- not these
CREATE FUNCTION no_node(q text) RETURNS bool LANGUAGE sql AS $f$ SELECT plan(q) NOT LIKE '%LedgerAggregate%' $f$;
SELECT no_node('SELECT count(*) FROM l WHERE upper(t) = ''A'''), no_node('SELECT sum(random()) FROM l'), no_node('SELECT sum(DISTINCT n) FROM l'),
	no_node('SELECT string_agg(t, '''' ORDER BY t) FROM l'), no_node('SELECT t, count(*) FROM l GROUP BY ROLLUP (t)'),
	no_node('SELECT count(*) FROM l TABLESAMPLE BERNOULLI (50)'), no_node('SELECT count(ctid) FROM l'), no_node('SELECT count(l) FROM l'),
	no_node('SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY f8) FROM l'), no_node('SELECT count((SELECT 1)) FROM l WHERE b = (SELECT b)'),
	no_node('SELECT count(*) FROM l a JOIN l b USING (id)');

-- parameters, rescans, views, CTEs, cursors
PREPARE p(int, text) AS SELECT c, count(*), sum(id + $1) FROM l WHERE id < $1 AND t = $2 GROUP BY c ORDER BY c;
SET plan_cache_mode = force_generic_plan;
EXECUTE p(200, 'a');
EXECUTE p(NULL, 'a');
EXECUTE p(300, 'b');
RESET plan_cache_mode;
SELECT oracle.query('SELECT x, (SELECT count(*) FROM # WHERE id % 5 = 3 AND id <= x), (SELECT max(tz) FROM # WHERE id < x) FROM generate_series(0, 4000, 500) x');
SELECT oracle.query('SELECT x, s.* FROM generate_series(0, 4000, 1300) x, LATERAL (SELECT t, count(*), sum(i4 % (x + 1)), count(*) FILTER (WHERE id < x) FROM # WHERE id BETWEEN x AND x + 700 GROUP BY t HAVING min(id) > x ORDER BY t) s');
SELECT oracle.query('SELECT x, s.* FROM generate_series(0, 6) x, LATERAL (SELECT b, count(*) FILTER (WHERE j @> jsonb_build_object(''k'', x, ''s'', ''p'')), count(*) FILTER (WHERE j @> ''{"s": "q"}'' OR id = x) FROM # WHERE id > x GROUP BY b ORDER BY b) s');
SELECT plan('SELECT x, s.* FROM generate_series(0, 4000, 1300) x, LATERAL (SELECT t, count(*), sum(i4 % (x + 1)) FROM l WHERE id BETWEEN x AND x + 700 GROUP BY t HAVING min(id) > x ORDER BY t) s');
SELECT oracle.query('SELECT a.t, a.c, b.m FROM (SELECT t, count(*) c FROM # GROUP BY t) a JOIN (SELECT t, max(id) m FROM # WHERE b GROUP BY t) b USING (t) ORDER BY 1');
SELECT oracle.query('WITH w AS MATERIALIZED (SELECT b, count(*) c FROM # GROUP BY b) SELECT x.b, y.c FROM w x, w y WHERE x.c >= y.c ORDER BY 1, 2');
SELECT oracle.query('SELECT t, count(*), sum(count(*)) OVER (ORDER BY t) FROM # GROUP BY t ORDER BY t');
SELECT oracle.query('SELECT DISTINCT count(*) > 100 FROM # GROUP BY t ORDER BY 1');
SELECT oracle.query('SELECT generate_series(1, 2), b, count(*) FROM # GROUP BY b ORDER BY 1, 2');
SELECT oracle.query('SELECT count(*), (SELECT max(x.id) FROM # x WHERE x.id < min(y.id) + 9) FROM # y HAVING count(*) > 1');
SELECT oracle.query('SELECT t, EXISTS (SELECT FROM # x WHERE x.t = y.t AND x.id > max(y.id) - 100) FROM # y GROUP BY t ORDER BY t');
SELECT oracle.query('SELECT 1 FROM # HAVING count(*) > 1000000');
SELECT oracle.query('SELECT t FROM # GROUP BY t ORDER BY t NULLS FIRST LIMIT 2');
SELECT oracle.query('SELECT count(*) FROM # WHERE id > (SELECT avg(id) FROM #)');
SELECT oracle.query('SELECT sum(id * (SELECT 2)) FROM #');
BEGIN;
DECLARE cur SCROLL CURSOR FOR SELECT b, count(*) FROM l GROUP BY b ORDER BY b;
FETCH 2 FROM cur;
INSERT INTO l (id, b) SELECT i, true FROM generate_series(1, 5000) i;
FETCH 1 FROM cur;
FETCH BACKWARD ALL FROM cur;
SELECT count(*), count(b) FROM l;
SAVEPOINT s;
INSERT INTO l (id, t) VALUES (-1, 'own');
SELECT count(*), min(id), count(*) FILTER (WHERE t = 'own') FROM l;
ROLLBACK TO s;
SELECT count(*), min(id), count(*) FILTER (WHERE t = 'own') FROM l;
ROLLBACK;
SELECT count(*), min(id) FROM l;
-- a cursor sees what was there, and is closed in the middle
BEGIN;
DECLARE cur CURSOR FOR SELECT id, count(*) FROM l GROUP BY id;
FETCH 1 FROM cur \g /dev/null
CLOSE cur;
SAVEPOINT s;
SELECT sum(1 / (id - 5000)) FROM l;
ROLLBACK TO s;
SELECT count(*) FROM l WHERE id = 5000;
COMMIT;
-- gaps, and rows of transactions that rolled back
CREATE TABLE hg (id int, t text) USING heap;
CREATE TABLE lg (id int, t text) USING ledger;
DO $$ BEGIN
	FOR i IN 1..300 LOOP
		BEGIN
			INSERT INTO hg SELECT i, 'x' || i % 3; INSERT INTO lg SELECT i, 'x' || i % 3;
			IF i % 3 = 0 THEN RAISE EXCEPTION 'no'; END IF;
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
END $$;
SELECT ledger.seal('lg') IS NOT NULL AS sealed;
SELECT oracle.query('SELECT count(*), min(id), max(id), count(t), max(t) FROM #', 'hg', 'lg');
SELECT oracle.query('SELECT t, count(*), min(id), max(id) FROM # GROUP BY t ORDER BY t', 'hg', 'lg');

-- aggregates of users
CREATE FUNCTION strict_max(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS $f$ BEGIN RETURN CASE WHEN $2 = 13 THEN NULL ELSE greatest($1, $2) END; END $f$;
CREATE AGGREGATE smax(int) (SFUNC = strict_max, STYPE = int);
CREATE FUNCTION text_list(text, anyelement) RETURNS text LANGUAGE sql IMMUTABLE AS $f$ SELECT right(coalesce($1, '-') || ',' || coalesce($2::text, 'null'), 300) $f$;
CREATE FUNCTION text_done(text) RETURNS text LANGUAGE sql IMMUTABLE AS $f$ SELECT '[' || $1 || ']' $f$;
CREATE AGGREGATE tlist(anyelement) (SFUNC = text_list, STYPE = text, FINALFUNC = text_done, INITCOND = 'start');
CREATE AGGREGATE two(int8) (SFUNC = int8inc_any, STYPE = int8, INITCOND = '2');
CREATE FUNCTION alist_add(anyarray, anyelement) RETURNS anyarray LANGUAGE sql IMMUTABLE AS $f$ SELECT $1 || $2 $f$;
CREATE AGGREGATE alist(anyelement) (SFUNC = alist_add, STYPE = anyarray, INITCOND = '{}');
CREATE VIEW of_users AS SELECT b, smax(id % 20), tlist(t), tlist(i2) AS tlist2, two(i8), md5(alist(i2)::text) FROM l GROUP BY b;
SELECT result('TABLE of_users') AS with_node \gset
SET ledger.enable_scan = off;
SELECT result('TABLE of_users') = :'with_node' AS same;
RESET ledger.enable_scan;
SELECT plan('SELECT b, smax(id % 20), tlist(t), two(i8), alist(i2) FROM l GROUP BY b') LIKE '%LedgerAggregate%' AS in_node;
CREATE ROLE regress_agg;
GRANT USAGE ON SCHEMA agg TO regress_agg;
GRANT SELECT ON h, l TO regress_agg;
REVOKE EXECUTE ON FUNCTION smax(int) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pick(float8, text[]) FROM PUBLIC;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM l WHERE b;
CREATE VIEW hbarrier WITH (security_barrier) AS SELECT * FROM h WHERE b;
GRANT SELECT ON barrier, hbarrier TO regress_agg;
SET ROLE regress_agg;
SELECT smax(id) FROM l;
SELECT count(pick(f8, t)) FROM l;
SELECT count(*) FROM l WHERE t = pick(0.5, 'a');
SELECT t, count(*) FROM l GROUP BY pick(f8, t), t;
RESET ROLE;
SELECT oracle.query('SELECT t, count(*) FROM # WHERE id > 100 GROUP BY t ORDER BY t', 'hbarrier', 'barrier');
ALTER TABLE l ENABLE ROW LEVEL SECURITY;
CREATE POLICY those ON l USING (t = 'a' OR current_user <> 'regress_agg');
SET ROLE regress_agg;
SELECT t FROM l WHERE id < 1000 GROUP BY t ORDER BY t;
SELECT count(*) = (SELECT count(*) FROM h WHERE t = 'a') AS policy FROM l;
RESET ROLE;
ALTER TABLE l DISABLE ROW LEVEL SECURITY;
DROP OWNED BY regress_agg;
DROP ROLE regress_agg;

-- more groups than memory has room for: several passes
ALTER TABLE l ALTER id SET (n_distinct = 5);
ANALYZE l;
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
CREATE FUNCTION passes(q text) RETURNS bool LANGUAGE plpgsql AS $f$
DECLARE line text; BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF) ' || q LOOP
		IF line ~ 'Passes: [0-9]{1,3}$' THEN RETURN true; END IF;
	END LOOP;
	RETURN false;
END $f$;
SELECT passes('SELECT id, count(*), sum(i8), max(t) FROM l GROUP BY id');
SELECT result('SELECT id, count(*), sum(i8), max(t), string_agg(t, '''') FROM l GROUP BY id') = result('SELECT id, count(*), sum(i8), max(t), string_agg(t, '''') FROM h GROUP BY id');
SELECT result('SELECT id % 3000, t, count(*), sum(i8), max(t) FROM l GROUP BY 1, 2') = result('SELECT id % 3000, t, count(*), sum(i8), max(t) FROM h GROUP BY 1, 2');
-- but not for a few large ones
SELECT passes('SELECT id % 9, string_agg(u::text, '''') FROM l GROUP BY 1');
SELECT result('SELECT id % 9, length(string_agg(u::text, '''')) FROM l GROUP BY 1') = result('SELECT id % 9, length(string_agg(u::text, '''')) FROM h GROUP BY 1');
-- known beforehand: in parts, which core makes one of
ALTER TABLE l ALTER id RESET (n_distinct);
ANALYZE l;
SET enable_hashagg = on;
SET enable_sort = on;
SELECT result('SELECT id, count(*), sum(i8), max(t) FROM l GROUP BY id') = result('SELECT id, count(*), sum(i8), max(t) FROM h GROUP BY id');
RESET work_mem;
RESET hash_mem_multiplier;
SET enable_sort = off;

-- parallel
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_leader_participation = off;
ALTER TABLE h SET (parallel_workers = 0);
EXPLAIN (COSTS OFF) SELECT t, count(*), sum(i4 + (SELECT 1)) FROM l WHERE id < 5000 GROUP BY t HAVING count(*) > 10;
EXPLAIN (COSTS OFF) SELECT count(*), avg(i8) FROM l;
-- nothing that depends on the order of the rows
SELECT in_node > queries * 0.8 AS mostly, different FROM check_all('parallel', 'count%', false);
SELECT in_node > queries * 0.8 AS mostly, different FROM check_all('parallel', 'sum(i2)%', false);
SELECT in_node > queries * 0.8 AS mostly, different FROM check_all('parallel', 'min(i2)%', false);
SELECT oracle.query('SELECT x, (SELECT sum(i4) FROM # WHERE id < x) FROM generate_series(1, 5000, 2500) x');
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SELECT result('SELECT id, count(*), sum(i8), max(t) FROM l GROUP BY id') = result('SELECT id, count(*), sum(i8), max(t) FROM h GROUP BY id');
RESET work_mem;
RESET hash_mem_multiplier;
RESET parallel_leader_participation;

-- partitions: ledgers with other columns' places, of two levels, and a heap
CREATE TABLE p (id int, k int, t text, f float8, i8 int8, d date) PARTITION BY RANGE (id);
CREATE TABLE p1 (x int, t text, f float8, id int, k int, i8 int8, d date) USING ledger;
ALTER TABLE p1 DROP COLUMN x;
ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (1000);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (1000) TO (3000) PARTITION BY LIST (k);
CREATE TABLE p2a PARTITION OF p2 FOR VALUES IN (0, 1, 2) USING ledger;
CREATE TABLE p2b PARTITION OF p2 DEFAULT USING ledger;
CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (3000) TO (4000) USING heap;
CREATE TABLE p4 PARTITION OF p FOR VALUES FROM (4000) TO (5000) USING ledger;
CREATE TABLE p5 PARTITION OF p FOR VALUES FROM (5000) TO (6000) USING ledger;
CREATE TABLE hp (LIKE p) USING heap;
INSERT INTO hp SELECT i, i % 5, pick(random(), 'a', 'b', ''), random(), (random() * 1e18)::int8, date '2024-01-01' + i / 50 FROM generate_series(0, 4999) i;
INSERT INTO p SELECT * FROM hp;
ANALYZE p, hp;
SET max_parallel_workers_per_gather = 0;
EXPLAIN (COSTS OFF) SELECT t, count(*), avg(i8) FROM p WHERE id < 3500 AND k > 1 GROUP BY t HAVING count(*) > 1 ORDER BY t;
CREATE FUNCTION check_partitions() RETURNS TABLE (queries bigint, different bigint) LANGUAGE plpgsql AS $f$
DECLARE q text; BEGIN
	queries := 0; different := 0;
	FOR q IN SELECT format('SELECT %s count(*), sum(i8), avg(k), min(d), max(t), count(t) FILTER (WHERE k < 2), stddev(i8), max(upper(t)) FROM # WHERE %s %s',
			k || CASE WHEN k <> '' THEN ',' ELSE '' END, w, CASE WHEN k <> '' THEN 'GROUP BY ' || k ELSE '' END)
		FROM unnest('{"",t,"k, t",id % 10,"date_trunc(''week'', d)",id}'::text[]) k,
			unnest('{true,id < 900,id > 5000,k = 3,id BETWEEN 2900 AND 4100,t IS NULL,upper(t) = ''A'',false}'::text[]) w LOOP
		queries := queries + 1;
		different := different + differs(q, 'p', 'hp');
	END LOOP;
	RETURN NEXT;
END $f$;
SELECT * FROM check_partitions();
-- pruned at run time
PREPARE pp(int) AS SELECT count(*), max(id) FROM p WHERE id < $1;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE pp(500);
EXECUTE pp(500);
EXECUTE pp(-1);
RESET plan_cache_mode;
SET max_parallel_workers_per_gather = 2;
ALTER TABLE hp SET (parallel_workers = 0);
SELECT plan('SELECT t, count(*) FROM p GROUP BY t') ~ 'Gather.*Parallel Append.*LedgerAggregate' AS parallel;
SELECT * FROM check_partitions();
SET enable_partitionwise_aggregate = on;
SELECT * FROM check_partitions();
RESET enable_partitionwise_aggregate;

-- serializable: who counts is in the way of who inserts
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) > 0 AS rows FROM l;
SELECT locktype, mode FROM pg_locks WHERE relation = 'l'::regclass AND mode = 'SIReadLock';
COMMIT;
-- a group shows the keys of its first row, also if that has no code and others have
CREATE TABLE first_h (k int, j jsonb) USING heap;
CREATE TABLE first (LIKE first_h) USING ledger;
INSERT INTO first_h SELECT i, jsonb_build_object('a', i) || CASE WHEN i % 600 = 0 THEN jsonb_build_object('x', (i / 600)::numeric(10, 1)) ELSE jsonb_build_object('x', i / 600 || '.' || repeat('0', 2 + i / 600 % 3)) END FROM generate_series(1, 3000) i;
INSERT INTO first SELECT * FROM first_h;
SELECT ledger.seal('first') >= 0 AS sealed;
SELECT encoding FROM ledger.chunks('first') WHERE path = '$.x' GROUP BY encoding ORDER BY encoding;
SELECT oracle.query('SELECT (j->>''x'')::numeric AS x, count(*) FROM # GROUP BY 1 ORDER BY 1', 'first_h', 'first');
SELECT (j->>'x')::numeric AS x, count(*) FROM first GROUP BY 1 ORDER BY 1;

-- overflow is the error that it is on heap, also where a later row would make it good
CREATE TABLE over_h (k int, f4 float4, f8 float8, m money, i interval, i8 int8, i4 int4, j jsonb) USING heap;
CREATE TABLE over (LIKE over_h) USING ledger;
INSERT INTO over_h SELECT g, CASE g % 3 WHEN 0 THEN '-3e38' ELSE '3e38' END::float4, CASE g % 3 WHEN 0 THEN '-1.7e308' ELSE '1.7e308' END::float8,
	'92233720368547758.07'::money, '178000000 years', 9223372036854775807, 2147483647, jsonb_build_object('k', g, 'f', 1.7e308, 'i', 9223372036854775807) FROM generate_series(1, 2500) g;
INSERT INTO over SELECT * FROM over_h;
SELECT ledger.seal('over') >= 0 AS sealed;
SELECT c AS aggregate, oracle.both('SELECT ' || c || ' FROM #', 'over_h', 'over') AS of_all, oracle.both('SELECT ' || c || ' FROM # WHERE k < 2', 'over_h', 'over') AS of_one,
	oracle.both('SELECT k % 2, ' || c || ' FROM # GROUP BY 1 HAVING ' || c || ' IS NOT NULL', 'over_h', 'over') AS of_groups
FROM unnest('{sum(f4),sum(f8),avg(f8),stddev(f8),sum(m),sum(i),avg(i),sum(i8),sum(i4),sum(i8 + 1),sum(i4 * 2),sum((j->>''f'')::float8),sum((j->>''f'')::float4),sum((j->>''i'')::int8),sum((j->>''i'')::int4),max((j->>''i'')::int4),sum(k) FILTER (WHERE i4 + 1 > 0)}'::text[]) AS c;

-- where nobody knows how many groups there are, core finishes them, which can use the disk
CREATE TABLE unknown (a text, b int, j jsonb) USING ledger WITH (autovacuum_enabled = off);
INSERT INTO unknown SELECT md5((g % 15000)::text), g % 5, jsonb_build_object('k', g % 4, 'g', g) FROM generate_series(1, 30000) g;
SET work_mem = '1MB';
SET max_parallel_workers_per_gather = 0;
EXPLAIN (COSTS OFF) SELECT a, count(*) FROM unknown GROUP BY a;
EXPLAIN (COSTS OFF) SELECT a, json_agg(b) FROM unknown GROUP BY a;
EXPLAIN (COSTS OFF) SELECT b, json_agg(a) FROM unknown GROUP BY b;
SELECT count(*), sum(n) FROM (SELECT a, count(*) AS n FROM unknown GROUP BY a) x;
ANALYZE unknown;
EXPLAIN (COSTS OFF) SELECT a, count(*) FROM unknown GROUP BY a;
EXPLAIN (COSTS OFF) SELECT b, count(*) FROM unknown GROUP BY b;
-- parts of documents are taken to be few, but not relied upon to be
EXPLAIN (COSTS OFF) SELECT j->>'k', count(*) FROM unknown GROUP BY 1;
EXPLAIN (COSTS OFF) SELECT j->>'k', json_agg(b) FROM unknown GROUP BY 1;
SELECT j->>'k', count(*) FROM unknown GROUP BY 1 ORDER BY 1;
SELECT count(*), sum(n) FROM (SELECT j->>'g', count(*) AS n FROM unknown GROUP BY 1) x;
CREATE STATISTICS unknown_k ON (j->>'k') FROM unknown;
ANALYZE unknown;
EXPLAIN (COSTS OFF) SELECT j->>'k', count(*) FROM unknown GROUP BY 1;
RESET work_mem;
RESET max_parallel_workers_per_gather;
DROP TABLE unknown;

-- passes are as narrow as they must be, also where the first rows let expect far more groups
CREATE TABLE clustered (id int, k int) USING ledger;
INSERT INTO clustered SELECT i, CASE WHEN i <= 6000 THEN i ELSE 0 END FROM generate_series(1, 200000) i;
SELECT ledger.seal('clustered') >= 0 AS sealed;
ALTER TABLE clustered ALTER k SET (n_distinct = 100);
ANALYZE clustered;
CREATE FUNCTION pass_count(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, FORMAT json) ' || query INTO plan;
	RETURN jsonb_path_query_first(plan, 'strict $.**?(exists(@."Passes")).Passes');
END $$;
SET work_mem = '64kB';
SET max_parallel_workers_per_gather = 0;
SELECT q, pass_count(q) BETWEEN 2 AND 60 AS few FROM unnest('{"SELECT k, count(*), sum(id) FROM clustered GROUP BY k","SELECT count(DISTINCT k) FROM clustered","SELECT count(DISTINCT k) FROM clustered WHERE id < 20000"}'::text[]) AS q;
SELECT count(*), sum(n), sum(s) FROM (SELECT k, count(*) AS n, sum(id) AS s FROM clustered GROUP BY k) x;
SELECT count(DISTINCT k) FROM clustered;
RESET work_mem;
RESET max_parallel_workers_per_gather;
DROP TABLE clustered;
DROP FUNCTION pass_count;

-- numerics of all sizes, where sums go over from integers to core's own
SET max_parallel_workers_per_gather = 0;
CREATE TABLE hn (k int, n numeric, j jsonb) USING heap;
CREATE TABLE ln (k int, n numeric, j jsonb) USING ledger;
INSERT INTO hn SELECT i % 23, CASE i % 23
		WHEN 0 THEN NULL
		WHEN 1 THEN 999999999999.9999999999999999
		WHEN 2 THEN -1000000000000
		WHEN 3 THEN 0.0000000000000001 * i
		WHEN 4 THEN -0.00000000000000001 * i
		WHEN 5 THEN i::numeric ^ 40
		WHEN 6 THEN 1 / i::numeric
		WHEN 7 THEN round(i / 7.0, i % 17)
		WHEN 8 THEN 0.000
		WHEN 9 THEN CASE WHEN i < 100 THEN numeric 'NaN' ELSE i END
		WHEN 10 THEN CASE WHEN i < 200 THEN numeric 'Infinity' WHEN i < 300 THEN '-Infinity' ELSE i END
		WHEN 11 THEN CASE WHEN i < 300 THEN numeric '-Infinity' ELSE i END
		WHEN 12 THEN -9999.0001
		WHEN 13 THEN 1e-30 + i
		WHEN 14 THEN 100000000
		ELSE (i - 5000) / 100.0 END
	FROM generate_series(1, 10000) i;
UPDATE hn SET j = jsonb_build_object('n', n) WHERE n::text !~ '[yN]';
INSERT INTO ln SELECT * FROM hn WHERE k % 2 = 0;
SELECT ledger.seal('ln') > 0 AS sealed;
INSERT INTO ln SELECT * FROM hn WHERE k % 2 = 1;
CREATE FUNCTION check_numerics() RETURNS TABLE (queries bigint, most_in_node bool, different bigint) LANGUAGE plpgsql AS $f$
DECLARE q text; in_node int := 0; BEGIN
	queries := 0; different := 0;
	FOREACH q IN ARRAY ARRAY[
		'SELECT k, sum(n), avg(n), count(n) FROM # GROUP BY k',
		'SELECT sum(n), avg(n) FROM #',
		'SELECT sum(n), avg(n) FROM # WHERE k NOT IN (9, 10, 11)',
		'SELECT sum(n), avg(n) FROM # WHERE k IN (3, 7, 12)',
		'SELECT k % 5, sum(n) FILTER (WHERE n > 0), avg(n) FILTER (WHERE k <> 5) FROM # WHERE k NOT BETWEEN 9 AND 11 GROUP BY 1',
		'SELECT sum(n), avg(n) FROM # WHERE k = 0', 'SELECT sum(n), avg(n) FROM # WHERE k < 0',
		'SELECT k, sum((j->>''n'')::numeric), avg((j->>''n'')::numeric) FROM # WHERE k NOT BETWEEN 9 AND 11 GROUP BY k'] LOOP
		queries := queries + 1;
		in_node := in_node + (plan(replace(q, '#', 'ln')) LIKE '%LedgerAggregate%')::int;
		different := different + differs(q, 'ln', 'hn');
	END LOOP;
	most_in_node := in_node > queries / 2;
	RETURN NEXT;
END $f$;
SELECT * FROM check_numerics();
SELECT ledger.seal('ln') > 0 AS sealed;
SELECT * FROM check_numerics();
-- partial states, joined by core
SET max_parallel_workers_per_gather = 2;
ALTER TABLE hn SET (parallel_workers = 0);
SELECT plan('SELECT k, avg(n) FROM ln GROUP BY k') ~ 'Gather.*LedgerAggregate' AS parallel;
SELECT * FROM check_numerics();
-- distinct values, by group, in one pass or in many
SET max_parallel_workers_per_gather = 0;
CREATE FUNCTION check_distinct() RETURNS TABLE (queries bigint, in_node bigint, different bigint) LANGUAGE plpgsql AS $f$
DECLARE a text; k text; w text; q text; BEGIN
	queries := 0; in_node := 0; different := 0;
	FOREACH a IN ARRAY ARRAY['count(DISTINCT i2), count(*), sum(i4)', 'count(DISTINCT t), count(DISTINCT c), min(id)', 'count(DISTINCT ci)', 'count(DISTINCT v), count(v)',
		'count(DISTINCT b), count(DISTINCT d), count(DISTINCT tm), max(ts)', 'count(DISTINCT tz), count(DISTINCT ts)', 'count(DISTINCT f8), count(DISTINCT f4)', 'count(DISTINCT n), sum(n)',
		'count(DISTINCT u), count(DISTINCT y), count(DISTINCT o)', 'count(DISTINCT iv)', 'count(DISTINCT void), count(void)', 'count(DISTINCT j)',
		'sum(DISTINCT i2), avg(DISTINCT i4), sum(DISTINCT i8 % 5), avg(DISTINCT i2 % 7), count(DISTINCT i4)', 'count(DISTINCT id), count(id)',
		'count(DISTINCT i4) FILTER (WHERE b), count(DISTINCT t) FILTER (WHERE id % 3 = 0), count(*) FILTER (WHERE NOT b)',
		'count(DISTINCT j->>''s''), count(DISTINCT (j->>''k'')::int)', 'count(DISTINCT 1), count(DISTINCT id % 4 * 2.5)', 'sum(DISTINCT n)', 'string_agg(DISTINCT t, ''-'')'] LOOP
		FOREACH k IN ARRAY ARRAY['', 't', 'id % 7', 'b, d', 'date_trunc(''hour'', tz)'] LOOP
			FOREACH w IN ARRAY ARRAY['true', 'id < 700 OR id > 5000', 'id < 0'] LOOP
				q := format('SELECT %s%s FROM # WHERE %s%s', k || CASE WHEN k <> '' THEN ', ' ELSE '' END, a, w, CASE WHEN k <> '' THEN ' GROUP BY ' || k ELSE '' END);
				queries := queries + 1;
				in_node := in_node + (plan(replace(q, '#', 'l')) LIKE '%LedgerAggregate%')::int;
				different := different + differs(q, 'l', 'h');
			END LOOP;
		END LOOP;
	END LOOP;
	RETURN NEXT;
END $f$;
SELECT queries, in_node > queries / 3 AS many_in_node, different FROM check_distinct();
SELECT plan('SELECT count(DISTINCT id), count(*) FROM l');
-- the planner is made to believe that there are few
ALTER TABLE l ALTER id SET (n_distinct = 10), ALTER i4 SET (n_distinct = 10), ALTER tz SET (n_distinct = 10);
ANALYZE l;
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
CREATE FUNCTION several_passes(q text) RETURNS bool LANGUAGE plpgsql AS $f$
DECLARE line text; BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || q LOOP
		IF line ~ 'Passes: ' THEN RETURN substring(line FROM '[0-9]+')::int > 1; END IF;
	END LOOP;
	RETURN false;
END $f$;
SELECT several_passes('SELECT count(DISTINCT id), count(*), sum(DISTINCT i4) FROM l') AS one_group,
	several_passes('SELECT b, count(DISTINCT id), count(*) FROM l GROUP BY b') AS few_groups,
	several_passes('SELECT id, count(DISTINCT i4), count(*) FROM l GROUP BY id') AS many_groups;
SELECT queries, in_node > queries / 3 AS many_in_node, different FROM check_distinct();
-- what rows are compared with is the same in all passes
CREATE SEQUENCE calls;
CREATE FUNCTION steady() RETURNS int STABLE LANGUAGE plpgsql AS $f$ BEGIN PERFORM nextval('calls'); RETURN 0; END $f$;
CREATE FUNCTION calls_in(q text) RETURNS bigint LANGUAGE plpgsql AS $f$
DECLARE line text; before bigint := nextval('calls'); BEGIN
	FOR line IN EXECUTE q LOOP END LOOP;
	RETURN nextval('calls') - before - 1;
END $f$;
SELECT several_passes('SELECT count(DISTINCT id) FROM l WHERE id > steady()'),
	calls_in('EXPLAIN ANALYZE SELECT count(DISTINCT id) FROM l WHERE id > steady()') - calls_in('EXPLAIN SELECT count(DISTINCT id) FROM l WHERE id > steady()') AS calls;
-- a rescan after it
SET enable_material = off;
SELECT x, (SELECT count(DISTINCT i4) FROM l WHERE id % 3 <> x) = (SELECT count(DISTINCT i4) FROM h WHERE id % 3 <> x) AS same FROM generate_series(0, 2) x;
RESET enable_material;
RESET hash_mem_multiplier;
RESET work_mem;
-- what is made of types that cannot be hashed is core's to group and to tell apart
CREATE TYPE price AS (n int, m money);
CREATE TABLE prices (i int, m money, ma money[], p price) USING ledger;
INSERT INTO prices SELECT i, (i % 5)::money, ARRAY[(i % 3)::money], ROW(i % 2, (i % 3)::money)::price FROM generate_series(1, 2000) i;
SELECT count(DISTINCT ma) AS arrays, count(DISTINCT p) AS rows, count(DISTINCT (i % 2, m)) AS records FROM prices;
SELECT ma = ARRAY[1::money] AS one, count(*) FROM prices GROUP BY ma ORDER BY ma;
SELECT p = ROW(1, 1::money)::price AS one, count(*) FROM prices GROUP BY p ORDER BY p;
SELECT count(*) FROM (SELECT 1 FROM prices GROUP BY (i % 2, m)) g;
-- expressions that equal a filter
CREATE TABLE few (a int, b bool) USING ledger;
INSERT INTO few SELECT i % 5, i % 5 < 3 FROM generate_series(1, 20000) i;
SELECT ledger.seal('few') > 0 AS sealed;
ANALYZE few;
SET max_parallel_workers_per_gather = 0;
SELECT plan('SELECT a, a > 2 AS f, NOT a > 2 AS g, count(*) FROM few WHERE a > 2 GROUP BY a HAVING a > 2 OR count(*) > 1000000') LIKE '%LedgerAggregate%' AS in_node;
SELECT a, a > 2 AS f, NOT a > 2 AS g, count(*) FROM few WHERE a > 2 GROUP BY a HAVING a > 2 OR count(*) > 1000000 ORDER BY a;
SELECT a IN (1, 2) AS f, b, a + 1 > 2 AS g, count(*) FROM few WHERE b AND a IN (1, 2) GROUP BY a, b ORDER BY a;
SET max_parallel_workers_per_gather = 2;
SELECT a, a > 2 AS f, count(*) FROM few WHERE a > 2 GROUP BY a HAVING a > 2 OR count(*) > 1000000 ORDER BY a;
DROP SCHEMA agg CASCADE;
