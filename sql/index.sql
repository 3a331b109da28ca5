--
-- Indexes: every kind and every way to scan them, built before and after the
-- rows, over the tail and over segments; uniqueness, exclusion, foreign keys.
--
SET client_min_messages = warning;
CREATE SCHEMA idx;
SET search_path = idx, public;
CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA public;
CREATE TABLE h (id int, app text, ts timestamptz, n numeric, tags text[], doc jsonb, span int4range, words tsvector, p point) USING heap;
CREATE TABLE l (LIKE h) USING ledger;
CREATE PROCEDURE fill(start int, n int) LANGUAGE plpgsql AS $f$
BEGIN
	FOR i IN 0 .. 1 LOOP
		EXECUTE format($q$INSERT INTO %s
			SELECT i, CASE WHEN i %% 17 > 0 THEN 'app-' || i %% 23 END, timestamptz '2026-01-01 00:00+00' + i * interval '1 s', (i * 7919 %% 1000) / 10.0,
				ARRAY['t' || i %% 7, 't' || i %% 11], jsonb_build_object('level', (ARRAY['info', 'warn', 'error'])[i %% 3 + 1], 'n', i %% 50),
				int4range(i, i + i %% 10), to_tsvector('simple', 'word' || i %% 13 || ' message ' || i %% 29), point(i %% 100, i / 100)
			FROM generate_series(%s, %s) i$q$, (ARRAY['h', 'l'])[i + 1], start, start + n - 1);
	END LOOP;
END $f$;

-- Built over a tail, a segment, and rows that came in one command.
CALL fill(1, 500);
CALL fill(501, 3000);
SELECT ledger.seal('l') >= 0 AS sealed;
CALL fill(3501, 700);
CREATE PROCEDURE make_indexes(t text) LANGUAGE plpgsql AS $f$
BEGIN
	EXECUTE replace($q$
		CREATE UNIQUE INDEX #_id ON # (id);
		CREATE INDEX #_app_ts ON # (app, ts DESC) INCLUDE (n);
		CREATE INDEX #_partial ON # (ts) WHERE app IS NULL;
		CREATE INDEX #_expr ON # ((id % 100), lower(app));
		CREATE INDEX #_hash ON # USING hash (app);
		CREATE INDEX #_tags ON # USING gin (tags);
		CREATE INDEX #_doc ON # USING gin (doc jsonb_path_ops) WITH (fastupdate = off);
		CREATE INDEX #_words ON # USING gin (words);
		CREATE INDEX #_span ON # USING gist (span);
		CREATE INDEX #_p ON # USING gist (p);
		CREATE INDEX #_sp ON # USING spgist (p);
	$q$, '#', t);
END $f$;
CALL make_indexes('h');
CALL make_indexes('l');
SELECT count(*), bool_and(indisvalid AND indisready) FROM pg_index WHERE indrelid = 'l'::regclass;

-- Each query by each kind of plan that core has for it.
CREATE TABLE queries (q text) USING heap;
INSERT INTO queries VALUES
	('SELECT * FROM # WHERE id = 777'),
	('SELECT * FROM # WHERE id = -1'),
	('SELECT * FROM # WHERE id IN (1, 500, 501, 3500, 3501, 4200, 4201) ORDER BY id'),
	('SELECT id FROM # WHERE id BETWEEN 490 AND 510 ORDER BY id'),
	('SELECT id, n FROM # WHERE app = ''app-5'' ORDER BY id'),
	('SELECT app, ts, n FROM # WHERE app = ''app-5'' AND ts > ''2026-01-01 00:30+00'' ORDER BY app, ts DESC'),
	('SELECT app, ts FROM # WHERE app > ''app-2'' ORDER BY app, ts DESC, id LIMIT 50'),
	('SELECT app, ts FROM # WHERE app > ''app-2'' ORDER BY app DESC, ts LIMIT 50'),
	('SELECT id FROM # WHERE app IS NULL AND ts < ''2026-01-01 00:20+00'' ORDER BY id'),
	('SELECT id FROM # WHERE id % 100 = 7 AND lower(app) >= ''app-1'' ORDER BY id'),
	('SELECT id FROM # WHERE tags @> ''{t3}'' ORDER BY id'),
	('SELECT id FROM # WHERE tags && ''{t3,t9}'' AND app = ''app-3'' ORDER BY id'),
	('SELECT id FROM # WHERE doc @> ''{"level": "error", "n": 7}'' ORDER BY id'),
	('SELECT id FROM # WHERE words @@ ''word5 & 17''::tsquery ORDER BY id'),
	('SELECT id FROM # WHERE words @@ ''wor:* & !3''::tsquery AND id < 900 ORDER BY id'),
	('SELECT id FROM # WHERE span @> 1234 ORDER BY id'),
	('SELECT id FROM # WHERE span && int4range(3490, 3510) ORDER BY id'),
	('SELECT id FROM # WHERE p <@ box ''(3,10),(9,31)'' ORDER BY id'),
	('SELECT id FROM # ORDER BY p <-> point ''(50.2,20.3)'' LIMIT 20'),
	('SELECT id FROM # WHERE app = ''app-5'' OR id BETWEEN 100 AND 200 OR tags @> ''{t6,t10}'' ORDER BY id'),
	('SELECT max(id), min(id), max(ts) FROM #'),
	('SELECT count(*) FROM # WHERE id > 0'),
	('SELECT app, count(*), sum(n) FROM # GROUP BY app ORDER BY app'),
	('SELECT a.id, b.id FROM # a JOIN # b ON b.id = a.id * 2 WHERE a.app = ''app-9'' ORDER BY 1');
CREATE PROCEDURE check_queries(what text) LANGUAGE plpgsql AS $f$
DECLARE
	r record;
	v text;
	sets text[] := '{seqscan,"indexscan,indexonlyscan",bitmapscan}';
BEGIN
	FOR r IN SELECT q, s FROM queries, unnest(ARRAY['enable_seqscan', 'enable_indexscan', 'enable_bitmapscan', 'lossy']) s LOOP
		-- one kind of scan at a time
		PERFORM set_config('enable_seqscan', (r.s = 'enable_seqscan')::text, true), set_config('enable_indexscan', (r.s = 'enable_indexscan')::text, true),
			set_config('enable_indexonlyscan', (r.s = 'enable_indexscan')::text, true), set_config('enable_bitmapscan', (r.s IN ('enable_bitmapscan', 'lossy'))::text, true),
			set_config('work_mem', CASE r.s WHEN 'lossy' THEN '64kB' ELSE '4MB' END, true);
		v := oracle.query(r.q);
		IF v NOT LIKE 'same%' OR (v = 'same 0 rows' AND r.q NOT LIKE '%-1') THEN
			RAISE WARNING '% % %: %', what, r.s, r.q, v;
		END IF;
	END LOOP;
END $f$;
CALL check_queries('built afterwards');
-- the plans that this is about
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM l WHERE id = 777;
EXPLAIN (COSTS OFF) SELECT * FROM l WHERE tags @> '{t3}';
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT app, ts, n FROM l WHERE app = 'app-5' AND ts > '2026-01-01 00:30+00';
RESET enable_seqscan;
RESET enable_bitmapscan;

-- More rows, into the indexes that are there: single rows, many, aborted ones.
DO $$
BEGIN
	FOR i IN 4201 .. 4400 LOOP
		CALL idx.fill(i, 1);
	END LOOP;
END $$;
BEGIN;
CALL fill(4401, 1500);
CALL check_queries('in the transaction');
ROLLBACK;
CALL check_queries('after its abort');
CALL fill(4401, 1500);
CALL check_queries('more rows');
SELECT ledger.seal('l') >= 0 AS sealed;
CALL check_queries('sealed');
CREATE VIEW amcheck AS
SELECT count(bt_index_check(indexrelid, true)) AS checked FROM pg_index i JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = c.relam
WHERE indrelid = 'l'::regclass AND amname = 'btree' AND indisvalid;
SELECT * FROM amcheck;
VACUUM l;
CALL check_queries('vacuumed');
SELECT * FROM amcheck;
REINDEX TABLE l;
CALL check_queries('reindexed');
REINDEX TABLE CONCURRENTLY l;
CALL check_queries('reindexed concurrently');
SELECT count(*), bool_and(indisvalid AND indisready) FROM pg_index WHERE indrelid = 'l'::regclass;
SELECT * FROM amcheck;
DROP INDEX l_id, l_app_ts, l_expr;
CREATE UNIQUE INDEX CONCURRENTLY l_id ON l (id);
CREATE INDEX CONCURRENTLY l_app_ts ON l (app, ts DESC) INCLUDE (n);
CREATE INDEX CONCURRENTLY l_expr ON l ((id % 100), lower(app));
CALL check_queries('created concurrently');
SELECT * FROM amcheck;
SELECT reltuples FROM pg_class WHERE oid = 'l_id'::regclass;
-- an index built in the transaction that wrote the rows
CREATE TABLE m (LIKE l) USING ledger;
BEGIN;
INSERT INTO m SELECT * FROM l;
INSERT INTO m SELECT * FROM l WHERE id <= 10;
SAVEPOINT a;
INSERT INTO m SELECT * FROM l;
ROLLBACK TO a;
CREATE INDEX m_id ON m (id);
SET LOCAL enable_seqscan = off;
SELECT count(*), sum(id) FROM m WHERE id BETWEEN 1 AND 20;
SELECT count(*), sum(id) FROM m WHERE id >= 0;
COMMIT;
SELECT count(*), sum(id) FROM m WHERE id BETWEEN 1 AND 20;
SELECT bt_index_check('m_id', true);
-- a unique index cannot be made of these
\set VERBOSITY terse
CREATE UNIQUE INDEX m_unique ON m (id);
CREATE UNIQUE INDEX CONCURRENTLY m_unique ON m (id);
SELECT indisvalid FROM pg_index WHERE indexrelid = 'm_unique'::regclass;
DROP TABLE m;

-- TIDs stay when rows are sealed, so indexes need no change.
CREATE TABLE tids USING heap AS SELECT ctid AS tid, id FROM l;
CALL fill(5901, 2000);
INSERT INTO tids SELECT ctid, id FROM l WHERE id > 5900;
SELECT ledger.seal('l') >= 0 AS sealed;
VACUUM l;
SELECT count(*) AS moved FROM l JOIN tids USING (id) WHERE l.ctid <> tid;
SELECT count(*) FROM l JOIN tids ON l.ctid = tid AND l.id = tids.id;

-- Unique violations name the key, whether its row is in the tail or sealed.
\set VERBOSITY terse
INSERT INTO l (id) VALUES (7);
INSERT INTO l (id) VALUES (7000);
INSERT INTO l (id) SELECT i FROM generate_series(10000, 8000, -1) i WHERE i <> 8000 UNION ALL SELECT 7900;
INSERT INTO l (id) SELECT i FROM generate_series(10000, 7900, -1) i;
INSERT INTO l (id) VALUES (10000), (10001), (10000);
SELECT count(*) FROM l WHERE id > 7900;
INSERT INTO l (id) VALUES (NULL), (NULL);
SELECT count(*) FROM l WHERE id IS NULL;

-- Deferrable ones.
CREATE TABLE d (id int UNIQUE DEFERRABLE INITIALLY DEFERRED, t text) USING ledger;
INSERT INTO d VALUES (1), (2);
BEGIN;
INSERT INTO d VALUES (1);
SELECT count(*) FROM d;
COMMIT;
BEGIN;
INSERT INTO d VALUES (3), (3);
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK;
BEGIN;
INSERT INTO d SELECT i FROM generate_series(10, 3000) i;
SAVEPOINT a;
INSERT INTO d SELECT i FROM generate_series(10, 3000) i;
ROLLBACK TO a;
COMMIT;
BEGIN;
INSERT INTO d SELECT i FROM generate_series(3000, 6000) i;
COMMIT;
SELECT count(*), count(DISTINCT id) FROM d;
INSERT INTO d VALUES (1) ON CONFLICT DO NOTHING;
DROP TABLE d;

-- Unique over expressions, partial, NULLS NOT DISTINCT, several at once.
CREATE TABLE h2 (a int, b text) USING heap;
CREATE TABLE l2 (a int, b text) USING ledger;
CREATE UNIQUE INDEX ON h2 (lower(b)) WHERE a > 0;
CREATE UNIQUE INDEX ON l2 (lower(b)) WHERE a > 0;
CREATE UNIQUE INDEX ON h2 (a) NULLS NOT DISTINCT;
CREATE UNIQUE INDEX ON l2 (a) NULLS NOT DISTINCT;
SELECT c, oracle.both('INSERT INTO # ' || c, 'h2', 'l2') FROM unnest(ARRAY[
	$$VALUES (1, 'A')$$, $$VALUES (2, 'a')$$, $$VALUES (-1, 'a')$$, $$VALUES (-1, 'b')$$, $$VALUES (NULL, 'a')$$, $$VALUES (NULL, 'n')$$,
	$$SELECT i, 'v' || i FROM generate_series(10, 3000) i$$, $$VALUES (9, 'V2999')$$, $$VALUES (3000, 'x')$$,
	$$SELECT i, 'V' || i FROM generate_series(3001, 5000) i ON CONFLICT DO NOTHING$$, $$SELECT i, 'V' || i % 1000 + 1000 FROM generate_series(5001, 7000) i ON CONFLICT DO NOTHING$$,
	$$SELECT i, 'w' || i % 1000 FROM generate_series(7001, 9000) i$$, $$SELECT i, 'w' || i % 1000 FROM generate_series(7001, 9000) i ON CONFLICT DO NOTHING$$]) c;
SELECT oracle.same('h2', 'l2');
SELECT ledger.seal('l2') >= 0 AS sealed;
SELECT oracle.both($$INSERT INTO # VALUES (100000, 'W5')$$, 'h2', 'l2'), oracle.both($$INSERT INTO # VALUES (1, 'q')$$, 'h2', 'l2'), oracle.both($$INSERT INTO # VALUES (100000, 'W5') ON CONFLICT (lower(b)) WHERE a > 0 DO NOTHING$$, 'h2', 'l2');
SELECT oracle.same('h2', 'l2');
DROP TABLE h2, l2;

-- Exclusion constraints.
CREATE TABLE h2 (span int4range, EXCLUDE USING gist (span WITH &&)) USING heap;
CREATE TABLE l2 (span int4range, EXCLUDE USING gist (span WITH &&)) USING ledger;
SELECT c, oracle.both('INSERT INTO # ' || c, 'h2', 'l2') FROM unnest(ARRAY[
	$$VALUES ('[1,5)')$$, $$VALUES ('[4,9)')$$, $$VALUES ('[5,9)')$$, $$VALUES ('[20,25)'), ('[24,26)')$$, $$SELECT int4range(i * 10, i * 10 + 5) FROM generate_series(10, 3000) i$$,
	$$VALUES ('[29999,30001)')$$, $$SELECT int4range(i * 10, i * 10 + 11) FROM generate_series(5000, 7500) i$$, $$SELECT int4range(i * 10, i * 10 + 11) FROM generate_series(3000, 5500) i ON CONFLICT DO NOTHING$$]) c;
SELECT oracle.same('h2', 'l2');
SELECT ledger.seal('l2') >= 0 AS sealed;
SELECT oracle.both($$INSERT INTO # VALUES ('[104,106)')$$, 'h2', 'l2'), oracle.both($$INSERT INTO # VALUES ('[105,110)')$$, 'h2', 'l2');
SELECT oracle.same('h2', 'l2');
DROP TABLE h2, l2;
CREATE TABLE h2 (a int, b text, EXCLUDE (lower(b) WITH =, a WITH =) DEFERRABLE INITIALLY DEFERRED) USING heap;
CREATE TABLE l2 (a int, b text, EXCLUDE (lower(b) WITH =, a WITH =) DEFERRABLE INITIALLY DEFERRED) USING ledger;
BEGIN;
INSERT INTO l2 SELECT i % 1500, 'x' FROM generate_series(1, 3000) i;
COMMIT;
INSERT INTO l2 SELECT i, 'x' FROM generate_series(1, 3000) i;
SELECT count(*) FROM l2;
DROP TABLE h2, l2;

-- Foreign keys from a ledger and to one.
CREATE TABLE apps (id int PRIMARY KEY, name text) USING ledger;
INSERT INTO apps SELECT i, 'app ' || i FROM generate_series(1, 2000) i;
CREATE TABLE hkeys (id int PRIMARY KEY) USING heap;
INSERT INTO hkeys SELECT i FROM generate_series(1, 100) i;
CREATE TABLE lrefs (app int REFERENCES apps, hkey int REFERENCES hkeys) USING ledger;
CREATE TABLE hrefs (app int REFERENCES apps) USING heap;
INSERT INTO hrefs VALUES (1), (2000), (NULL);
INSERT INTO hrefs VALUES (2001);
INSERT INTO lrefs VALUES (1, 1), (2000, 100);
INSERT INTO lrefs VALUES (2001, 1);
INSERT INTO lrefs VALUES (1, 101);
INSERT INTO lrefs SELECT i, i % 100 + 1 FROM generate_series(1, 2000) i;
INSERT INTO lrefs SELECT i, i % 100 + 1 FROM generate_series(2, 2001) i;
SELECT count(*) FROM lrefs;
SELECT ledger.seal('apps') >= 0 AS sealed;
INSERT INTO hrefs VALUES (1234);
INSERT INTO hrefs VALUES (2001);
INSERT INTO lrefs SELECT i, i % 100 + 1 FROM generate_series(1, 2000) i;
UPDATE hrefs SET app = 2 WHERE app = 1;
UPDATE hrefs SET app = 20000 WHERE app = 2;
DELETE FROM hkeys WHERE id = 50;
BEGIN;
INSERT INTO apps SELECT i, 'new' FROM generate_series(3000, 5000) i;
INSERT INTO hrefs VALUES (3000), (5000);
INSERT INTO lrefs SELECT i, NULL FROM generate_series(3000, 5000) i;
SELECT count(*) FROM lrefs;
COMMIT;
SELECT count(*) FROM lrefs;
-- referring to itself, the row it refers to being in the same command
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree) USING ledger;
INSERT INTO tree SELECT i, NULLIF(i / 2, 0) FROM generate_series(1, 3000) i;
INSERT INTO tree SELECT i, i + 1 FROM generate_series(4000, 6000) i;
SELECT count(*) FROM tree;
-- added and validated over rows that are there
ALTER TABLE lrefs DROP CONSTRAINT lrefs_app_fkey;
ALTER TABLE lrefs ADD CONSTRAINT again FOREIGN KEY (app) REFERENCES apps NOT VALID;
ALTER TABLE lrefs VALIDATE CONSTRAINT again;
INSERT INTO lrefs VALUES (2001, 1);
TRUNCATE apps;
TRUNCATE apps, lrefs, hrefs;
SELECT count(*) FROM lrefs;
DROP TABLE lrefs, hrefs, apps, hkeys, tree;

-- Duplicates enough for the index to try deleting entries from the bottom up.
CREATE TABLE dup (k int, v int) USING ledger;
CREATE INDEX dup_k ON dup (k);
BEGIN;
INSERT INTO dup SELECT 1, i FROM generate_series(1, 4000) i;
ROLLBACK;
INSERT INTO dup SELECT 1, i FROM generate_series(1, 4000) i;
INSERT INTO dup SELECT i % 3, i FROM generate_series(1, 4000) i;
CREATE TABLE dup2 (k int PRIMARY KEY) USING ledger;
DO $$
BEGIN
	FOR i IN 1 .. 2000 LOOP
		BEGIN
			INSERT INTO idx.dup2 VALUES (1);
			RAISE EXCEPTION 'undone';
		EXCEPTION WHEN raise_exception THEN
			NULL;
		END;
	END LOOP;
	INSERT INTO idx.dup2 VALUES (1);
END $$;
SELECT count(*) FROM dup2;
SET enable_seqscan = off;
SELECT k, count(*), sum(v) FROM dup WHERE k >= 0 GROUP BY k ORDER BY k;
SELECT bt_index_check('dup_k', true), bt_index_check('dup2_pkey', true);
RESET enable_seqscan;

-- GIN's pending list, and a lossy bitmap over many rows.
CREATE TABLE h2 (id int, words text[]) USING heap;
CREATE TABLE l2 (id int, words text[]) USING ledger;
CREATE INDEX ON h2 USING gin (words);
CREATE INDEX ON l2 USING gin (words);
INSERT INTO h2 SELECT i, ARRAY['a' || i % 2, 'b' || i % 97, 'c' || i % 1009] FROM generate_series(1, 60000) i;
INSERT INTO l2 SELECT * FROM h2;
INSERT INTO h2 SELECT 100000 + i, ARRAY['a1', 'pending'] FROM generate_series(1, 30) i;
INSERT INTO l2 SELECT 100000 + i, ARRAY['a1', 'pending'] FROM generate_series(1, 30) i;
SET enable_seqscan = off;
SET work_mem = '64kB';
CREATE VIEW gin AS SELECT oracle.query($$SELECT count(*), sum(id) FROM # WHERE words @> '{a1}'$$, 'h2', 'l2') AS a, oracle.query($$SELECT id FROM # WHERE words @> '{a1,b5}' ORDER BY id$$, 'h2', 'l2') AS b,
	oracle.query($$SELECT id FROM # WHERE words && '{pending,c7}' ORDER BY id$$, 'h2', 'l2') AS c;
SELECT * FROM gin;
-- A bitmap that is lossy, for both: more blocks, of either kind, than fit.
CREATE FUNCTION lossy(q text) RETURNS bool LANGUAGE plpgsql AS $f$
DECLARE line text; found bool := false;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || q LOOP
		found := found OR line ~ 'lossy=[1-9]';
	END LOOP;
	RETURN found;
END $f$;
SELECT ledger.seal('l2') >= 0 AS sealed;
SELECT * FROM gin;
RESET work_mem;
SELECT * FROM gin;
SET effective_io_concurrency = 100;
SELECT * FROM gin;
RESET effective_io_concurrency;
SELECT gin_clean_pending_list('l2_words_idx') > 0 AS cleaned;
SELECT * FROM gin;
CREATE TABLE h3 (id int, k int) USING heap;
CREATE TABLE l3 (id int, k int) USING ledger;
INSERT INTO h3 SELECT i, i % 7 FROM generate_series(1, 270000) i;
INSERT INTO l3 SELECT i, i % 7 FROM generate_series(1, 270000) i;
CREATE INDEX ON h3 (id);
CREATE INDEX ON l3 (id);
SET work_mem = '64kB';
SET enable_indexscan = off;
SELECT lossy('SELECT count(*) FROM h3 WHERE id > 10 AND k = 3') AS heap, lossy('SELECT count(*) FROM l3 WHERE id > 10 AND k = 3') AS ledger;
SELECT oracle.query('SELECT count(*), sum(id) FROM # WHERE id BETWEEN 100 AND 269000 AND k = 3', 'h3', 'l3');
SELECT ledger.seal('l3') >= 0 AS sealed;
SELECT oracle.query('SELECT count(*), sum(id) FROM # WHERE id BETWEEN 100 AND 269000 AND k = 3', 'h3', 'l3'),
	oracle.query('SELECT count(*), sum(id) FROM # WHERE (id BETWEEN 100 AND 200000 OR id BETWEEN 210000 AND 269000) AND k = 3', 'h3', 'l3');

DROP SCHEMA idx CASCADE;
DROP EXTENSION amcheck;
