--
-- LedgerScan in the order of a column, against heap: what comes, in which
-- order, and when it is planned.
--
SET client_min_messages = warning;
CREATE SCHEMA ord;
SET search_path = ord, public;
SET timezone = 'UTC';
SELECT setseed(0.5);
CREATE TABLE h (id int, gone text, ts timestamptz, tl timestamp, d date, tm time, i2 int2, n int, i8 int8, o oid, f4 float4, f8 float8, late timestamptz NOT NULL, t text) USING heap;
CREATE TABLE l (LIKE h) USING ledger;
-- ts has jitter, d many ties, late some that are late, the others no order at all
CREATE PROCEDURE fill(start int, n int) LANGUAGE sql AS $$
	INSERT INTO h SELECT k, 'gone', timestamptz '2026-01-01' + (k + random() * 30) * interval '1 s',
		CASE WHEN k % 5000 < 100 THEN 'infinity' WHEN k % 5000 < 150 THEN '-infinity' WHEN k % 5000 < 300 THEN NULL ELSE timestamp '2026-01-01' - k * interval '1 min' END,
		date '2026-01-01' + k / 300, time '00:00' + (random() * 86399) * interval '1 s', (random() * 100)::int2, CASE WHEN random() < 0.9 THEN (random() * 1000)::int END,
		CASE WHEN k % 3000 > 1000 THEN (random() * 1e15)::int8 - 500000000000000 END, (random() * 4e9)::int8::oid,
		(ARRAY['NaN', '-0', '0', 'Infinity', '-Infinity', NULL, (k / 100)::text, (random() - 0.5)::text])[floor(random() * 8)::int + 1]::float4,
		(ARRAY['NaN', '-0', '0', 'Infinity', '-Infinity', NULL, (k / 100)::text, (random() - 0.5)::text])[floor(random() * 8)::int + 1]::float8,
		timestamptz '2026-01-01' + (k - CASE WHEN random() < 0.01 THEN random() * 4000 ELSE 0 END) * interval '1 s', 'text ' || k % 50
	FROM generate_series(start, start + n - 1) k;
	INSERT INTO l SELECT * FROM h WHERE id >= start ORDER BY id;
$$;
CALL fill(0, 5000);
BEGIN;
SAVEPOINT s;
INSERT INTO l SELECT * FROM h WHERE id < 3000;
ROLLBACK TO s;
CALL fill(5000, 700);
COMMIT;
SELECT ledger.seal('l') IS NOT NULL AS sealed;
CALL fill(5700, 2500);
-- gaps in a sealed run
DO $$
BEGIN
	FOR i IN 8200..8260 LOOP
		BEGIN
			INSERT INTO l (id, late) VALUES (i, 'infinity');
			RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN
			CALL ord.fill(i, 1);
		END;
	END LOOP;
END $$;
SELECT ledger.seal('l') IS NOT NULL AS sealed;
ALTER TABLE h ADD COLUMN added int DEFAULT 7;
ALTER TABLE l ADD COLUMN added int DEFAULT 7;
ALTER TABLE h ADD COLUMN empty timestamptz;
ALTER TABLE l ADD COLUMN empty timestamptz;
ALTER TABLE h DROP COLUMN gone;
ALTER TABLE l DROP COLUMN gone;
CREATE OR REPLACE PROCEDURE fill(start int, n int) LANGUAGE sql AS $$
	INSERT INTO h SELECT k, timestamptz '2026-01-01' + (k + random() * 30) * interval '1 s', NULL, date '2026-01-01' + k / 300, '12:00', 5, k % 11, k, k, 'NaN', k,
		timestamptz '2026-01-01' + k * interval '1 s', 'text ' || k % 50, k % 9, CASE WHEN k % 2 = 0 THEN 'infinity'::timestamptz END
	FROM generate_series(start, start + n - 1) k;
	INSERT INTO l SELECT * FROM h WHERE id >= start ORDER BY id;
$$;
CALL fill(8300, 1500);
SELECT ledger.seal('l') IS NOT NULL AS sealed;
-- a tail, with a row that is too big for a page
CALL fill(9800, 150);
INSERT INTO h (id, ts, late, t) SELECT 9990, '2026-01-01 00:01', '2026-01-01', string_agg(md5(i::text), '') FROM generate_series(1, 2000) i;
INSERT INTO l SELECT * FROM h WHERE id = 9990;
ANALYZE h, l;
SELECT (SELECT count(*) FROM h) = (SELECT count(*) FROM l) AS alike, count(DISTINCT segment) AS segments FROM ledger.segments('l');

-- Plans: an order that goes with the rows, to the first n, and one that does not
EXPLAIN (COSTS OFF) SELECT * FROM l ORDER BY ts DESC LIMIT 5;
EXPLAIN (COSTS OFF) SELECT * FROM l WHERE t = 'text 7' ORDER BY ts LIMIT 5;
EXPLAIN (COSTS OFF) SELECT * FROM l ORDER BY i8 LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM l ORDER BY ts DESC NULLS LAST LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM l ORDER BY ts NULLS FIRST LIMIT 5;
EXPLAIN (COSTS OFF) SELECT * FROM l ORDER BY d, id LIMIT 5;
EXPLAIN (COSTS OFF) SELECT xmin, * FROM l ORDER BY ts LIMIT 5;
EXPLAIN (COSTS OFF) SELECT ctid, tableoid FROM l ORDER BY ts LIMIT 5;
EXPLAIN (COSTS OFF) SELECT * FROM l WHERE ts = '2026-01-01' ORDER BY ts LIMIT 5;
EXPLAIN (COSTS OFF) SELECT DISTINCT d FROM l ORDER BY d LIMIT 5;
SET ledger.enable_scan = off;
EXPLAIN (COSTS OFF) SELECT * FROM l ORDER BY ts DESC LIMIT 5;
RESET ledger.enable_scan;

-- What comes: the values in order, and the rows in any
CREATE FUNCTION ordered(q text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || q LOOP
		IF line ~ '^ *Order: ' THEN RETURN true; END IF;
	END LOOP;
	RETURN false;
END $$;
CREATE FUNCTION answer(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format($f$ SELECT count(*) || ' ' || md5(coalesce(string_agg(coalesce(k::text, 'NULL'), ','), '')) FROM (%s) s $f$, q) INTO result;
	RETURN result;
END $$;
CREATE FUNCTION probe(col text, way text, cond text, lim text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	q text := 'SELECT %I AS k FROM %s WHERE %s ORDER BY 1 %s %s';
	rows text := 'SELECT s AS k FROM (SELECT * FROM %2$s WHERE %3$s ORDER BY %1$I %4$s) s ORDER BY id + 0';
	wrong text := '';
BEGIN
	IF NOT ordered(format(q, col, 'l', cond, way, lim)) THEN RETURN 'not in order'; END IF;
	IF answer(format(q, col, 'l', cond, way, lim)) <> answer(format(q, col, 'h', cond, way, lim)) THEN wrong := ' values'; END IF;
	-- -0 and 0 are equal, and may come in either order
	IF col ~ '^f' THEN
		wrong := CASE WHEN answer(format('SELECT k + 0 AS k FROM (' || q || ') x', col, 'l', cond, way, lim)) <>
			answer(format('SELECT k + 0 AS k FROM (' || q || ') x', col, 'h', cond, way, lim)) THEN ' values' ELSE '' END;
	END IF;
	IF lim = '' AND answer(format(rows, col, 'l', cond, way)) <> answer(format(rows, col, 'h', cond, way)) THEN wrong := wrong || ' rows'; END IF;
	RETURN CASE WHEN wrong = '' THEN 'alike' ELSE 'wrong:' || wrong || ': ' || concat_ws(' ', col, way, cond, lim) END;
END $$;
CREATE TABLE columns (col text);
INSERT INTO columns VALUES ('id'), ('ts'), ('tl'), ('d'), ('tm'), ('i2'), ('n'), ('i8'), ('o'), ('f4'), ('f8'), ('late'), ('added'), ('empty');
CREATE TABLE ways (way text);
INSERT INTO ways VALUES (''), ('DESC'), ('NULLS FIRST'), ('DESC NULLS LAST');
-- a sort of our own would be cheaper for most
SET enable_sort = off;
SET work_mem = '64kB';
SELECT probe(col, way, 'true', ''), count(*) FROM columns, ways GROUP BY 1;
RESET work_mem;
SELECT probe(col, way, cond, ''), count(*) FROM columns, ways, unnest(ARRAY['id % 7 = 0 AND n < 500', $$t = 'text 3'$$, $$ts > '2026-01-01 01:00' AND (n IS NULL OR id > 9900)$$]) cond GROUP BY 1;
SELECT probe(col, way, cond, lim), count(*) FROM columns, ways, unnest(ARRAY['true', $$t LIKE 'text 4%'$$]) cond, unnest(ARRAY['LIMIT 1', 'LIMIT 300', 'OFFSET 2000 LIMIT 7']) lim GROUP BY 1;
-- without a cache, all at once
SET ledger.decode_cache = 0;
SELECT probe(col, way, 'n < 900', ''), count(*) FROM columns, ways GROUP BY 1;
RESET ledger.decode_cache;
SET ledger.enable_scan = off;
SELECT probe('ts', '', 'true', '');
RESET ledger.enable_scan;

-- What a scan reads that stops early, and what does not fit into memory
CREATE FUNCTION explain(q text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || q LOOP
		RETURN NEXT line;
	END LOOP;
END $$;
CREATE TABLE s (id int, n int, t text) USING ledger;
INSERT INTO s SELECT k, (k * 7919::int8) % 30011, 'text ' || k % 10 FROM generate_series(1, 30000) k;
SELECT ledger.seal('s') IS NOT NULL AS sealed;
-- without statistics, zone maps tell what goes with the rows
EXPLAIN (COSTS OFF) SELECT id FROM s ORDER BY id DESC LIMIT 5;
SET enable_sort = on;
EXPLAIN (COSTS OFF) SELECT id FROM s ORDER BY n LIMIT 5;
SET enable_sort = off;
ANALYZE s;
SELECT explain('SELECT * FROM s WHERE t = ''text 3'' ORDER BY id DESC LIMIT 5');
SELECT explain('SELECT id FROM s WHERE id > 20000 ORDER BY id LIMIT 5');
SELECT line FROM explain('SELECT id FROM s ORDER BY id') line WHERE line ~ 'Order|Sorted';
SET work_mem = '64kB';
SELECT line FROM explain('SELECT * FROM s ORDER BY n') line WHERE line ~ 'Order: ';
SELECT substring(line FROM 'Rows Sorted: (\d+)')::int BETWEEN 30000 AND 60000 AS sorted_once_or_so FROM explain('SELECT * FROM s ORDER BY n') line WHERE line ~ 'Sorted';
SELECT count(*), count(*) FILTER (WHERE n < before) AS wrong FROM (SELECT n, lag(n) OVER () AS before FROM (SELECT n FROM s ORDER BY n) x) x;
RESET work_mem;
RESET enable_sort;

-- Least and greatest
EXPLAIN (COSTS OFF) SELECT max(id) FROM s;
SELECT min(id), max(id), min(n), max(n) FROM s;
SELECT (SELECT ROW(min(ts), max(ts), min(f8), max(f8), max(empty), min(added)) FROM l) = (SELECT ROW(min(ts), max(ts), min(f8), max(f8), max(empty), min(added)) FROM h) AS alike;

-- Joins by merging, a further key, groups, windows
SET enable_hashjoin = off;
SET enable_nestloop = off;
SET max_parallel_workers_per_gather = 0;
EXPLAIN (COSTS OFF) SELECT count(*) FROM s JOIN l USING (id);
SELECT (SELECT count(*) FROM s JOIN l USING (id)) = (SELECT count(*) FROM s JOIN h USING (id)) AS alike;
SELECT (SELECT count(*) FROM l a JOIN l b USING (d) WHERE a.id < 2000) = (SELECT count(*) FROM h a JOIN h b USING (d) WHERE a.id < 2000) AS alike;
RESET enable_hashjoin;
RESET enable_nestloop;
SELECT (SELECT md5(string_agg(id::text, ',')) FROM (SELECT id FROM l ORDER BY d, id DESC) x) = (SELECT md5(string_agg(id::text, ',')) FROM (SELECT id FROM h ORDER BY d, id DESC) x) AS alike;
SELECT (SELECT md5(string_agg(x::text, ',')) FROM (SELECT d, count(*) FROM l GROUP BY d ORDER BY d) x) = (SELECT md5(string_agg(x::text, ',')) FROM (SELECT d, count(*) FROM h GROUP BY d ORDER BY d) x) AS alike;
SELECT (SELECT md5(string_agg(x::text, ',')) FROM (SELECT id, row_number() OVER (ORDER BY id) FROM l) x) = (SELECT md5(string_agg(x::text, ',')) FROM (SELECT id, row_number() OVER (ORDER BY id) FROM h) x) AS alike;

-- For each outer row; prepared; views
EXPLAIN (COSTS OFF) SELECT * FROM generate_series(0, 3) g, LATERAL (SELECT id FROM s WHERE t = 'text ' || g ORDER BY id DESC LIMIT 2) x;
SELECT * FROM generate_series(0, 3) g, LATERAL (SELECT id FROM s WHERE t = 'text ' || g ORDER BY id DESC LIMIT 2) x;
SELECT (SELECT md5(string_agg(x::text, ',' ORDER BY g, id)) FROM (SELECT g, x.* FROM generate_series(0, 60) g, LATERAL (SELECT * FROM l WHERE t = 'text ' || g ORDER BY id LIMIT g % 5) x) x) =
	(SELECT md5(string_agg(x::text, ',' ORDER BY g, id)) FROM (SELECT g, x.* FROM generate_series(0, 60) g, LATERAL (SELECT * FROM h WHERE t = 'text ' || g ORDER BY id LIMIT g % 5) x) x) AS alike;
PREPARE last(text, int) AS SELECT id FROM s WHERE t = $1 ORDER BY id DESC LIMIT $2;
SET plan_cache_mode = force_generic_plan;
EXECUTE last('text 1', 2);
EXECUTE last('text 2', 1);
EXECUTE last('text 3', 0);
EXECUTE last(NULL, 2);
EXECUTE last('none', 2);
RESET plan_cache_mode;
CREATE VIEW v AS SELECT id, t FROM s WHERE id < 100;
SELECT * FROM v ORDER BY id DESC LIMIT 2;
WITH x AS MATERIALIZED (SELECT id FROM s ORDER BY id LIMIT 3) SELECT sum(id) FROM x;

-- Cursors: both ways, what comes later, errors in their midst
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM s WHERE id > 10 ORDER BY id;
FETCH 2 FROM c;
INSERT INTO s VALUES (11, 0, 'new'), (12, 0, 'new'), (13, 0, 'new');
FETCH 2 FROM c;
FETCH BACKWARD 3 FROM c;
MOVE FORWARD ALL IN c;
FETCH PRIOR FROM c;
SELECT id, t FROM s WHERE id > 10 ORDER BY id, t LIMIT 4;
ROLLBACK;
CREATE FUNCTION interrupted(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	n int;
	result text := '';
BEGIN
	FOR i IN 1..3 LOOP
		n := 0;
		BEGIN
			FOR r IN EXECUTE q LOOP
				n := n + 1;
				result := result || r.id || ' ';
				IF n = 2 THEN PERFORM 1 / (n - 2); END IF;
			END LOOP;
		EXCEPTION WHEN division_by_zero THEN
			result := result || '- ';
		END;
	END LOOP;
	RETURN result;
END $$;
SELECT interrupted('SELECT id FROM s ORDER BY id DESC'), interrupted('SELECT id, t FROM s WHERE t = ''text 5'''), interrupted('SELECT id FROM s ORDER BY id LIMIT 1');
-- a filter's error in the midst of a scan
CREATE FUNCTION picky(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN 1 / ($1 - 29990) IS NOT NULL; END';
SELECT id FROM s WHERE picky(id) ORDER BY id DESC LIMIT 2;
SELECT id FROM s WHERE picky(id) ORDER BY id DESC LIMIT 20;
SELECT id FROM s WHERE picky(id) ORDER BY id DESC LIMIT 2;

-- Partitions: one after the other, where their bounds follow the order
CREATE TABLE p (id int, ts timestamptz NOT NULL, t text) PARTITION BY RANGE (ts);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2026-01-02') USING ledger;
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('2026-01-02') TO ('2026-01-03') USING ledger;
CREATE TABLE p3 PARTITION OF p FOR VALUES FROM ('2026-01-03') TO ('2026-01-04') USING ledger;
INSERT INTO p SELECT k, timestamptz '2026-01-01' + k * interval '20 s' + k % 7 * interval '1 s', 'text ' || k % 10 FROM generate_series(0, 12900) k;
SELECT ledger.seal('p1') + ledger.seal('p2') > 0 AS sealed;
ANALYZE p;
EXPLAIN (COSTS OFF) SELECT * FROM p WHERE t = 'text 4' ORDER BY ts DESC LIMIT 3;
SELECT * FROM p WHERE t = 'text 4' ORDER BY ts DESC LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM p ORDER BY id LIMIT 3;
SELECT id FROM p ORDER BY id LIMIT 3;
SELECT count(*), count(*) FILTER (WHERE ts < before) AS wrong FROM (SELECT ts, lag(ts) OVER () AS before FROM (SELECT ts FROM p ORDER BY ts OFFSET 0) x) x;

-- From 18 on, NULLs from before a constraint may be left in peace.
CREATE TABLE nulls (id int, v int) USING ledger;
INSERT INTO nulls SELECT k, CASE WHEN k % 5 > 0 THEN k END FROM generate_series(1, 3000) k;
SELECT ledger.seal('nulls') IS NOT NULL AS sealed;
DO $$
BEGIN
	EXECUTE 'ALTER TABLE nulls ADD CONSTRAINT has_v NOT NULL v NOT VALID';
EXCEPTION WHEN syntax_error THEN
END $$;
SET enable_sort = off;
SELECT count(*), count(v) FROM (SELECT v FROM nulls ORDER BY v OFFSET 0) x;
RESET enable_sort;

-- What is decoded of vectors whose rows come by turns counts towards work_mem.
CREATE TABLE wide (n int, t text) USING ledger;
INSERT INTO wide SELECT i % 1000 * 20 + i / 1000, repeat('wide', 500) || i FROM generate_series(0, 19999) i;
SELECT ledger.seal('wide') IS NOT NULL AS sealed;
SET enable_sort = off;
SET max_parallel_workers_per_gather = 0;
SELECT substring(line FROM 'Rows Sorted: (\d+)')::int > 0 AS sorted FROM explain('SELECT * FROM wide ORDER BY n') line WHERE line ~ 'Sorted';
SELECT count(*), bool_and(n = k AND t = repeat('wide', 500) || k % 20 * 1000 + k / 20) AS right FROM (SELECT n, t, row_number() OVER () - 1 AS k FROM (SELECT * FROM wide ORDER BY n OFFSET 0) x) y;
RESET max_parallel_workers_per_gather;
RESET enable_sort;

-- A few rows here and there of vectors that each have some of all times: neighbours,
-- rows far apart, more and more of them; log lines before and after what is kept.
CREATE TABLE few_heap (n int, k int, ref text, line text, j jsonb);
INSERT INTO few_heap
SELECT i % 40 * 1000 + i / 40, i * i % 97, md5((i / 7)::text),
	CASE i % 5 WHEN 0 THEN 'GET /a/' || i || ' took ' || i % 300 || ' ms' WHEN 1 THEN 'user ' || i % 50 || ' said ' || md5(i::text)
		WHEN 2 THEN 'retry ' || i % 3 || ' of ' || i || ' and ' || i * 3 || ' after ' || i % 7 || ' s' WHEN 3 THEN 'done' ELSE NULL END,
	jsonb_build_object('ref', md5((i / 7)::text), 'i', i, 's', CASE WHEN i % 3 > 0 THEN 'in ' || i % 11 || ' of ' || i END)
FROM generate_series(0, 39999) i;
CREATE TABLE few (LIKE few_heap) USING ledger;
INSERT INTO few SELECT * FROM few_heap;
SELECT ledger.seal('few') IS NOT NULL AS sealed;
ANALYZE few;
SELECT bool_or(encoding = 'lines') AS lines FROM ledger.chunks('few') WHERE column_name = 'line';
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT * FROM few WHERE k = 4 ORDER BY n LIMIT 5;
CREATE FUNCTION few_differ(OUT asked int, OUT differ int) LANGUAGE plpgsql AS $$
DECLARE
	query text;
	a text;
	b text;
BEGIN
	asked := 0;
	differ := 0;
	FOR key IN 0 .. 8 LOOP
		FOREACH query IN ARRAY ARRAY['n LIMIT 1', 'n DESC LIMIT 3', 'n LIMIT 20', 'n DESC LIMIT 150', 'n'] LOOP
			query := format('SELECT md5(string_agg(x::text, '' '')) FROM (SELECT * FROM %%s WHERE k IN (%s, %s) ORDER BY %s) x', key, key * key, query);
			EXECUTE format(query, 'few') INTO a;
			EXECUTE format(query, 'few_heap') INTO b;
			asked := asked + 1;
			differ := differ + (a IS DISTINCT FROM b)::int;
		END LOOP;
	END LOOP;
END $$;
SELECT * FROM few_differ();
SELECT * FROM few_differ();
RESET enable_sort;

-- Row locks, types that have changed, empty ones
SELECT id FROM s ORDER BY id LIMIT 2 FOR SHARE;
SELECT id FROM s ORDER BY id LIMIT 2 FOR UPDATE;
CREATE TABLE c (k int, o int) USING ledger;
INSERT INTO c SELECT k, k - 1500 FROM generate_series(1, 3000) k;
SELECT ledger.seal('c') IS NOT NULL AS sealed;
ALTER TABLE c ALTER o TYPE oid;
ANALYZE c;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT o FROM c ORDER BY o LIMIT 2;
SELECT o FROM c ORDER BY o LIMIT 2;
SELECT o FROM c ORDER BY o DESC LIMIT 2;
RESET enable_sort;
TRUNCATE c;
SELECT * FROM c ORDER BY k LIMIT 1;

-- what is read is told without filters, too
CREATE TABLE told (k int, t text) USING ledger;
INSERT INTO told SELECT g, 't' || g FROM generate_series(1, 20000) g;
INSERT INTO told SELECT g, 't' || g FROM generate_series(20001, 40000) g;
SELECT ledger.seal('told') >= 0 AS sealed;
CREATE FUNCTION parts_read(query text, OUT node text, OUT columns jsonb, OUT segments int, OUT vectors int) LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, FORMAT json) ' || query INTO plan;
	plan := jsonb_path_query_first(plan, 'strict $.**?(exists(@."Vectors Read"))');
	SELECT plan->>'Custom Plan Provider', plan->'Columns', plan->>'Segments Read', plan->>'Vectors Read' INTO node, columns, segments, vectors;
END $$;
SELECT q, (parts_read(q)).* FROM unnest('{SELECT * FROM told,SELECT t FROM told ORDER BY k LIMIT 3,SELECT t FROM told ORDER BY k DESC LIMIT 3,SELECT k FROM told ORDER BY k,SELECT sum(length(t)) FROM told,SELECT count(*) FROM told,SELECT count(*) FROM told WHERE k < 3000,SELECT 1 FROM told LIMIT 1}'::text[]) AS q;
DROP TABLE told;
DROP FUNCTION parts_read;

DROP SCHEMA ord CASCADE;
