--
-- Scans: whole tables, few columns, conditions, samples, TIDs, system columns,
-- over an empty table, a tail, segments, gaps left by aborted rows.
--
SET client_min_messages = warning;
CREATE SCHEMA scan;
SET search_path = scan, public;
SET timezone = 'UTC';
CREATE TABLE h (id int, ts timestamptz, level text, message text, n float8, doc jsonb, extra bytea) USING heap;
CREATE TABLE l (LIKE h) USING ledger;
CREATE PROCEDURE fill(start int, n int) LANGUAGE plpgsql AS $f$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY ARRAY['h', 'l'] LOOP
			EXECUTE format($q$INSERT INTO %s
				SELECT i, CASE WHEN i %% 101 > 0 THEN timestamptz '2026-01-01 00:00+00' + i * interval '1 s' END, (ARRAY['info', 'warn', NULL, 'error'])[i / 100 %% 4 + 1],
					'message ' || md5(i::text), CASE i %% 50 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' WHEN 2 THEN 'Infinity' ELSE i / 10.0 END,
					jsonb_build_object('i', i, 'tag', 't' || i %% 5), CASE WHEN i %% 3 = 0 THEN decode(md5(i::text), 'hex') END
				FROM generate_series(%s, %s) i$q$, t, start, start + n - 1);
	END LOOP;
END $f$;

CREATE TABLE queries (q text) USING heap;
INSERT INTO queries VALUES
	('SELECT * FROM # ORDER BY id'),
	('SELECT id FROM # ORDER BY id'),
	('SELECT extra, id FROM # ORDER BY id'),
	('SELECT count(*) FROM #'),
	('SELECT count(level), count(ts), count(extra), sum(id), min(ts), max(ts), min(message) FROM #'),
	('SELECT level, count(*), avg(n) FILTER (WHERE n < 1e9) FROM # GROUP BY level ORDER BY level'),
	('SELECT id FROM # WHERE ts >= ''2026-01-01 00:10+00'' AND ts < ''2026-01-01 00:20+00'' ORDER BY id'),
	('SELECT id FROM # WHERE ts < ''2025-01-01'''),
	('SELECT id FROM # WHERE ts IS NULL ORDER BY id'),
	('SELECT id, message FROM # WHERE level = ''error'' AND id % 7 = 0 ORDER BY id'),
	('SELECT id FROM # WHERE level IS NULL AND extra IS NOT NULL ORDER BY id'),
	('SELECT id FROM # WHERE message LIKE ''%abc%'' ORDER BY id'),
	('SELECT id FROM # WHERE message = ''message '' || md5(''500'')'),
	('SELECT id FROM # WHERE message IN (''message '' || md5(''500''), ''message '' || md5(''5''), ''x'') ORDER BY id'),
	('SELECT id FROM # WHERE doc->>''tag'' = ''t3'' AND doc @> ''{"i": 503}'''),
	('SELECT id FROM # WHERE n = ''NaN'' ORDER BY id'),
	('SELECT id FROM # WHERE n = 0 ORDER BY id'),
	('SELECT id FROM # WHERE n > 1e10 ORDER BY id'),
	('SELECT id FROM # WHERE n <> 1.5 AND n < 2 ORDER BY id'),
	('SELECT id FROM # WHERE id = 1'),
	('SELECT id FROM # WHERE id BETWEEN 250 AND 260 OR id = 1 ORDER BY id'),
	('SELECT id FROM # WHERE id = ANY (ARRAY[1, 1000, NULL, 99999999]) ORDER BY id'),
	('SELECT id FROM # WHERE (id, level) > (1000, ''i'') ORDER BY id'),
	('SELECT id FROM # ORDER BY ts DESC NULLS LAST, id DESC LIMIT 10'),
	('SELECT id FROM # ORDER BY ts NULLS FIRST, id LIMIT 10'),
	('SELECT id FROM # ORDER BY ts DESC NULLS LAST, id DESC OFFSET 1000 LIMIT 10'),
	('SELECT DISTINCT level FROM # ORDER BY level'),
	('SELECT a.id FROM # a JOIN # b ON b.id = a.id + 1 WHERE a.level = ''warn'' ORDER BY a.id'),
	('SELECT a.id FROM # a WHERE NOT EXISTS (SELECT FROM # b WHERE b.id = a.id + 1) ORDER BY a.id'),
	('SELECT a.id, (SELECT count(*) FROM # b WHERE b.id < a.id) FROM # a WHERE a.id % 500 = 0 ORDER BY a.id'),
	('SELECT id, lag(level) OVER (ORDER BY id) FROM # WHERE id < 300 ORDER BY id'),
	('SELECT # FROM # WHERE id % 250 = 0 ORDER BY id'),
	('SELECT count(*) FROM # WHERE #.level IS DISTINCT FROM ''info'''),
	('SELECT count(*) FROM # WHERE tableoid = ''#''::regclass AND ctid IS NOT NULL'),
	('SELECT count(*) FROM # TABLESAMPLE SYSTEM (100)'),
	('SELECT count(*) FROM # TABLESAMPLE BERNOULLI (100)'),
	('SELECT count(*) FROM # TABLESAMPLE SYSTEM (0)'),
	('SELECT 1 FROM #'),
	('SELECT id FROM # WHERE false'),
	('(SELECT id FROM # LIMIT 0) UNION ALL (SELECT count(*) FROM (SELECT id FROM # LIMIT 3) x)');
CREATE PROCEDURE check_queries(what text) LANGUAGE plpgsql AS $f$
DECLARE
	r record;
	v text;
BEGIN
	FOR r IN SELECT q FROM queries LOOP
		v := oracle.query(r.q);
		IF v NOT LIKE 'same%' THEN
			RAISE WARNING '% %: %', what, r.q, v;
		END IF;
	END LOOP;
	IF (SELECT count(*) <> count(DISTINCT ctid) FROM l) THEN
		RAISE WARNING '%: a TID occurs twice', what;
	END IF;
	-- each row by its TID, alone and in ranges
	IF (SELECT count(*) FROM l a JOIN l b ON a.ctid = b.ctid WHERE a.id = b.id) <> (SELECT count(*) FROM l)
		OR EXISTS (SELECT FROM (SELECT ctid AS tid, id FROM l WHERE id % 97 = 0) a, LATERAL (SELECT count(*) FROM l b WHERE b.ctid = a.tid AND b.id = a.id) c WHERE c.count <> 1) THEN
		RAISE WARNING '%: rows by TID', what;
	END IF;
	IF (SELECT count(*) FROM l) <> (SELECT count(*) FROM l WHERE ctid < '(3,7)') + (SELECT count(*) FROM l WHERE ctid >= '(3,7)')
		OR (SELECT count(*) FROM l) <> (SELECT count(*) FROM l WHERE ctid >= '(0,0)') THEN
		RAISE WARNING '%: TID ranges', what;
	END IF;
END $f$;
CALL check_queries('empty');
CALL fill(1, 1);
CALL check_queries('one row');
CALL fill(2, 700);
CALL check_queries('tail');
BEGIN;
CALL fill(702, 3500);
CALL check_queries('bulk, in the transaction');
COMMIT;
CALL check_queries('tail and bulk');
SELECT ledger.seal('l') >= 0 AS sealed;
CALL check_queries('sealed');
CALL fill(4202, 300);
CALL check_queries('sealed and tail');
-- aborted rows in a run with committed ones
DO $$
BEGIN
	FOR i IN 1 .. 400 LOOP
		CALL scan.fill(4501 + i, 1);
		IF i % 3 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
	END LOOP;
END $$;
BEGIN;
CALL fill(10000, 3000);
ROLLBACK;
CALL check_queries('aborted rows');
SELECT ledger.seal('l') >= 0 AS sealed;
CALL check_queries('aborted rows sealed');
VACUUM l;
CALL check_queries('vacuumed');
CALL fill(20000, 10);
-- a whole run that was aborted, and segments before and after it
BEGIN;
CALL fill(30000, 9000);
ROLLBACK;
CALL fill(40000, 9000);
BEGIN;
CALL fill(50000, 20);
ROLLBACK;
CALL check_queries('an aborted bulk load');
SELECT ledger.seal('l') >= 0 AS sealed;
CALL check_queries('an aborted bulk load, sealed');
VACUUM (FREEZE) l;
CALL check_queries('frozen');
SELECT oracle.same('h', 'l');

-- TIDs that are none, or of gaps.
SELECT count(*) FROM l WHERE ctid = '(4294967295,65535)';
SELECT count(*) FROM l WHERE ctid = '(0,0)';
SELECT count(*) FROM l WHERE ctid = '(0,300)';
SELECT count(*) FROM l WHERE ctid = '(1000000,1)';
SELECT count(*) FROM l WHERE ctid = ANY ('{"(0,1)","(0,1)","(0,2)","(99999999,9)"}'::tid[]);
SELECT count(*) FROM l WHERE ctid > '(4294967294,1)';
SELECT count(*) FROM l WHERE ctid > '(2,5)' AND ctid <= '(2,5)';
SELECT count(*) = 0 AS none FROM l WHERE ctid < '(0,1)';
EXPLAIN (COSTS OFF) SELECT id FROM l WHERE ctid = '(0,1)';
EXPLAIN (COSTS OFF) SELECT id FROM l WHERE ctid >= '(0,1)' AND ctid < '(1,1)';
SELECT currtid2('l', '(0,1)') IS NOT NULL AS latest;
-- a window over TID ranges is the whole
SELECT (SELECT count(*) FROM l) = sum((SELECT count(*) FROM l WHERE ctid >= format('(%s,0)', b)::tid AND ctid < format('(%s,0)', b + 8)::tid)) AS whole
FROM generate_series(0, 2000, 8) b;
-- in both directions
SELECT (SELECT array_agg(id) FROM (SELECT id FROM l WHERE ctid >= '(0,1)' AND ctid < '(8,1)') x) = (SELECT array_agg(id ORDER BY ctid) FROM l WHERE ctid < '(8,1)') AS ordered;

-- Samples are of the table's rows, about so many, and repeat.
SELECT count(*) BETWEEN 3500 AND 6500 AS half, count(DISTINCT id) = count(*) AS once FROM l TABLESAMPLE BERNOULLI (50) WHERE id BETWEEN 40000 AND 50000;
SELECT count(*) > 0 AS some, count(DISTINCT id) = count(*) AS once FROM l TABLESAMPLE SYSTEM (50) REPEATABLE (7);
SELECT (SELECT array_agg(id ORDER BY id) FROM l TABLESAMPLE SYSTEM (30) REPEATABLE (7)) = (SELECT array_agg(id ORDER BY id) FROM l TABLESAMPLE SYSTEM (30) REPEATABLE (7)) AS repeats;
SELECT (SELECT array_agg(id ORDER BY id) FROM l TABLESAMPLE BERNOULLI (30) REPEATABLE (7)) = (SELECT array_agg(id ORDER BY id) FROM l TABLESAMPLE BERNOULLI (30) REPEATABLE (7)) AS repeats;
SELECT count(*) FROM (SELECT id FROM l TABLESAMPLE BERNOULLI (20) EXCEPT SELECT id FROM h) x;

-- A row that is held on to after the scan went on.
SELECT count(*) FROM (SELECT DISTINCT ON (level) level, message, doc FROM l ORDER BY level, id DESC) x JOIN h USING (level, message, doc);
SELECT (SELECT l FROM l WHERE id = 5)::text = (SELECT h FROM h WHERE id = 5)::text AS row;
SELECT count(*) FROM (SELECT l AS r FROM l ORDER BY message) x JOIN h ON (x.r).id = h.id AND x.r::text = h::text;
-- merge join with mark and restore, nested loop with rescans, hash join
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT oracle.query('SELECT count(*), sum(a.id) FROM # a JOIN # b ON a.level = b.level AND a.id % 100 = b.id % 100 WHERE a.id < 600 AND b.id < 900');
SET enable_nestloop = on;
SET enable_mergejoin = off;
SET enable_material = off;
SELECT oracle.query('SELECT count(*), sum(a.id) FROM # a, # b WHERE a.id < 30 AND b.id % 30 = a.id');
RESET enable_hashjoin;
RESET enable_nestloop;
RESET enable_mergejoin;
RESET enable_material;
-- a rescan with parameters
SELECT oracle.query('SELECT g, (SELECT count(*) FROM # WHERE id % 10 = g), (SELECT max(message) FROM # WHERE id < g * 100) FROM generate_series(0, 9) g');
-- a function that scans the same table for each row of it
CREATE FUNCTION below(tab text, n int) RETURNS bigint STABLE LANGUAGE plpgsql AS $f$
DECLARE c bigint; BEGIN EXECUTE format('SELECT count(*) FROM %s WHERE id < %s', tab, n) INTO c; RETURN c; END $f$;
SELECT oracle.query('SELECT id, below(''#'', id) FROM # WHERE id % 300 = 0 ORDER BY id');

-- Columns' widths and order in the presence of dropped columns.
ALTER TABLE h DROP COLUMN level, ADD COLUMN late int DEFAULT 3;
ALTER TABLE l DROP COLUMN level, ADD COLUMN late int DEFAULT 3;
SELECT oracle.query('SELECT * FROM # ORDER BY id'), oracle.query('SELECT late, extra FROM # WHERE late = 3 AND id < 50 ORDER BY id'), oracle.query('SELECT count(*) FROM # WHERE late IS NULL OR late <> 3');
DROP SCHEMA scan CASCADE;
