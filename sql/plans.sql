--
-- Which plan the planner picks where a ledger has indexes, too.
--
SET client_min_messages = warning;
CREATE SCHEMA plans;
SET search_path = plans, public;
SET timezone = 'UTC';
SET max_parallel_workers_per_gather = 0;
CREATE TABLE l (id int, ts timestamptz, k text, n int, v text) USING ledger;
INSERT INTO l SELECT i, timestamptz '2026-01-01 00:00+00' + i * interval '1 s', md5((i * 7919 % 200000)::text), hashint4(i) & 1023, 'value ' || i % 100 FROM generate_series(1, 200000) i;
SELECT ledger.seal('l') IS NOT NULL AS sealed;
-- nodes, with the index of each
CREATE FUNCTION plan(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; nodes text[]; BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || q LOOP
		CONTINUE WHEN line !~ '^ *(-> *)?(Custom Scan|Index|Bitmap|Limit|Aggregate|Nested Loop|Hash|Merge|Sort|Seq)' OR line ~ '(Cond|Key|Filter|Aggregates|Searches):';
		nodes := nodes || regexp_replace(regexp_replace(line, '^ *(-> *)?(Custom Scan \((\w+)\))?', '\3'), ' on l.*$', '');
	END LOOP;
	RETURN array_to_string(nodes, ', ');
END $$;
CREATE TABLE queries (i serial, q text);
INSERT INTO queries (q) VALUES
	('SELECT * FROM l WHERE k = md5(''5'')'),
	('SELECT * FROM l WHERE k IN (md5(''5''), md5(''6''), md5(''7''))'),
	('SELECT count(*) FROM l WHERE k = md5(''5'')'),
	('SELECT * FROM l WHERE k = md5(''5'') OR k = md5(''9'') AND n > 3'),
	('SELECT * FROM l WHERE k > ''1'''),
	('SELECT * FROM l WHERE ts BETWEEN ''2026-01-01 01:00+00'' AND ''2026-01-01 01:00:10+00'''),
	('SELECT * FROM l WHERE ts > ''2026-01-02'''),
	('SELECT count(*) FROM l WHERE ts > ''2026-01-02'''),
	('SELECT count(*), max(ts) FROM l'),
	('SELECT v, count(*) FROM l GROUP BY v'),
	('SELECT * FROM l ORDER BY ts DESC LIMIT 5'),
	('SELECT * FROM l WHERE v = ''value 7'' ORDER BY ts DESC LIMIT 5'),
	('SELECT * FROM l WHERE v = ''none'' ORDER BY ts DESC LIMIT 5'),
	('SELECT max(ts) FROM l'),
	('SELECT * FROM l WHERE n = 3'),
	('SELECT * FROM l WHERE n < 300'),
	('SELECT avg(n) FROM l WHERE n < 300'),
	('SELECT * FROM l a JOIN l b ON b.k = a.v WHERE a.k = md5(''5'')');
ANALYZE l;
SELECT q, plan(q) FROM queries ORDER BY i;
CREATE INDEX l_k ON l (k);
CREATE INDEX l_ts ON l (ts);
CREATE INDEX l_n ON l (n);
ANALYZE l;
SELECT q, plan(q) FROM queries ORDER BY i;
-- neither costs anybody an answer
CREATE FUNCTION answer(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text; BEGIN
	EXECUTE format('SELECT count(*) || '' '' || coalesce(sum(hashtext(x::text)), 0) FROM (%s) x', q) INTO r;
	RETURN r;
END $$;
CREATE TEMP TABLE answers AS SELECT i, answer(q) FROM queries;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SELECT q FROM queries JOIN answers USING (i) WHERE answer(q) <> answer;
RESET enable_indexscan;
RESET enable_bitmapscan;
SET ledger.enable_scan = off;
SELECT q, plan(q) FROM queries WHERE i IN (1, 5, 8, 11) ORDER BY i;
SELECT q FROM queries JOIN answers USING (i) WHERE answer(q) <> answer;
DROP SCHEMA plans CASCADE;
