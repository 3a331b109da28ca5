--
-- VACUUM: seals, freezes, gives blocks back, cleans indexes of aborted rows.
--
SET client_min_messages = warning;
CREATE SCHEMA vac;
SET search_path = vac, public;
CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA public;
CREATE TABLE h (id int, t text) USING heap;
CREATE TABLE l (id int, t text) USING ledger;
CREATE PROCEDURE fill(start int, n int) LANGUAGE sql AS $f$
	INSERT INTO h SELECT i, 'row ' || i || repeat(md5(i::text), 10) FROM generate_series(start, start + n - 1) i;
	INSERT INTO l SELECT i, 'row ' || i || repeat(md5(i::text), 10) FROM generate_series(start, start + n - 1) i;
$f$;
CREATE FUNCTION same() RETURNS text LANGUAGE sql AS $f$ SELECT oracle.same('h', 'l') $f$;
-- n transactions with a row each
CREATE PROCEDURE singles(start int, n int) LANGUAGE plpgsql AS $f$
BEGIN
	FOR i IN start .. start + n - 1 LOOP
		CALL fill(i, 1);
		COMMIT;
	END LOOP;
END $f$;

VACUUM l;
CALL singles(1, 20000);
-- VACUUM seals, which makes it smaller; free blocks at the end are given back.
SELECT pg_relation_size('l') AS before, pg_relation_size('h') AS heap \gset
VACUUM l;
SELECT same();
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT same();
VACUUM l;
VACUUM l;
SELECT same();
SELECT pg_relation_size('l') < :before AS smaller, pg_relation_size('l') < :heap * 0.8 AS compressed;
SELECT ledger.seal('l') AS unsealed;
-- nothing is left to do
SELECT pg_relation_size('l') AS before \gset
VACUUM l;
VACUUM (FREEZE) l;
SELECT same(), pg_relation_size('l') <= :before AS size;

-- Freezing: age(relfrozenxid).
CALL singles(30001, 300);
CALL fill(31001, 3000);
BEGIN;
CALL fill(40001, 3000);
ROLLBACK;
CALL singles(50001, 10);
SELECT age(relfrozenxid) > 300 AS old FROM pg_class WHERE oid = 'l'::regclass;
CREATE VIEW frozen AS
SELECT age(l.relfrozenxid) <= age(h.relfrozenxid) + 50 AS young, l.relfrozenxid::text <> '0' AS known, mxid_age(l.relminmxid) <= mxid_age(h.relminmxid) + 50 AS mxid
FROM pg_class l, pg_class h WHERE l.oid = 'l'::regclass AND h.oid = 'h'::regclass;
VACUUM (FREEZE) h, l;
SELECT * FROM frozen;
SELECT same();
-- a tail with few rows that nothing closed
CALL singles(60001, 3);
SELECT count(txid_current()) FROM generate_series(1, 3);
CALL singles(60101, 100);
VACUUM (FREEZE) h, l;
SELECT * FROM frozen;
SELECT same();
CALL singles(60301, 2);
SELECT same();
-- an old snapshot does not hold sealing back, in this session
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT same();
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT same();
COMMIT;
VACUUM (INDEX_CLEANUP off, TRUNCATE off) l;
VACUUM (DISABLE_PAGE_SKIPPING) l;
VACUUM (INDEX_CLEANUP on) l;
VACUUM (ANALYZE) l;
VACUUM (VERBOSE false, SKIP_LOCKED) l;
SELECT same();
SELECT reltuples = (SELECT count(*) FROM l) AS rows FROM pg_class WHERE oid = 'l'::regclass;

-- Space of aborted rows and of TRUNCATE comes back.
TRUNCATE h, l;
CALL fill(1, 100);
SELECT ledger.seal('l') >= 0 AS sealed;
DO $$
BEGIN
	FOR round IN 1 .. 10 LOOP
		FOR n IN 1 .. 3 LOOP
			INSERT INTO vac.l SELECT i, repeat(md5(i::text), 10) FROM generate_series(1, 900) i;
			ROLLBACK;
		END LOOP;
		INSERT INTO vac.l SELECT i, repeat(md5(i::text), 10) FROM generate_series(1, 9000) i;
		ROLLBACK;
	END LOOP;
END $$;
SELECT ledger.seal('l') AS sealed;
VACUUM l;
VACUUM l;
SELECT same(), pg_relation_size('l') < 1000000 AS small;
-- the same load again and again stays within bounds
DO $$
BEGIN
	FOR round IN 1 .. 15 LOOP
		INSERT INTO vac.l SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 800) i;
		ROLLBACK;
		PERFORM ledger.seal('vac.l');
		COMMIT;
	END LOOP;
END $$;
VACUUM l;
SELECT same(), pg_relation_size('l') < 4000000 AS small;

-- Index entries of aborted rows go; what is there is found.
TRUNCATE h, l;
CREATE INDEX l_id ON l (id);
CREATE INDEX l_t ON l USING hash (t);
CREATE INDEX l_gin ON l USING gin (to_tsvector('simple', left(t, 12)));
CREATE UNIQUE INDEX l_u ON l (id, t);
DO $$
BEGIN
	FOR i IN 1 .. 1500 LOOP
		CALL vac.fill(i, 1);
		IF i % 3 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
	END LOOP;
	CALL vac.fill(10000, 3000);
	ROLLBACK;
	CALL vac.fill(10000, 3000);
	COMMIT;
	CALL vac.fill(20000, 900);
	ROLLBACK;
END $$;
CREATE FUNCTION entries(i regclass) RETURNS bigint LANGUAGE sql AS $f$ SELECT reltuples::bigint FROM pg_class WHERE oid = i $f$;
SELECT ledger.seal('l') >= 0 AS sealed;
VACUUM (INDEX_CLEANUP on) l;
VACUUM (INDEX_CLEANUP on) l;
SELECT same();
SELECT entries('l_id'), entries('l_u');
SELECT bt_index_check('l_id', true), bt_index_check('l_u', true);
SET enable_seqscan = off;
SELECT count(*) FROM l WHERE id BETWEEN 10000 AND 12999;
SELECT count(*) FROM l WHERE id BETWEEN 20000 AND 20899;
SELECT count(*) FROM l WHERE id < 10000;
SELECT count(*) FROM l WHERE t = (SELECT t FROM h WHERE id = 10500);
SELECT count(*) FROM l WHERE to_tsvector('simple', left(t, 12)) @@ '11111'::tsquery;
RESET enable_seqscan;
CALL fill(20000, 900);
SELECT same();
SELECT bt_index_check('l_id', true), bt_index_check('l_u', true);
DROP INDEX l_t, l_gin, l_u;

-- By autovacuum's accounts: rows inserted, live rows.
SELECT pg_stat_force_next_flush();
SELECT n_tup_ins >= 6400 AS inserted, n_tup_upd, n_tup_del FROM pg_stat_all_tables WHERE relid = 'l'::regclass;

-- A whole database, and partitions.
CREATE TABLE p (id int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (5000) USING ledger;
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (5000) TO (10000) USING ledger;
INSERT INTO p SELECT i FROM generate_series(0, 9999) i;
INSERT INTO p VALUES (5), (6000);
VACUUM (ANALYZE) p;
SELECT relname, reltuples FROM pg_class WHERE relname IN ('p1', 'p2') AND relnamespace = 'vac'::regnamespace ORDER BY 1;
VACUUM (FREEZE);
SELECT count(*), sum(id) FROM p;
SELECT * FROM frozen;
-- A segment whose slots are on two pages of the directory moves down as well.
CREATE TABLE straddle (id int, t text) USING ledger;
BEGIN;
INSERT INTO straddle SELECT i, md5(i::text) || md5((i + 1)::text) FROM generate_series(1, 300000) i;
ROLLBACK;
SELECT slots_used AS dead FROM ledger.stats('straddle') \gset
DO $$ BEGIN
	FOR i IN 1 .. 122 - (SELECT slots_used FROM ledger.stats('straddle')) LOOP
		INSERT INTO straddle VALUES (i, 'single');
		COMMIT;
		PERFORM ledger.seal('straddle');
		COMMIT;
	END LOOP;
END $$;
INSERT INTO straddle SELECT i, md5(i::text) || md5((i + 1)::text) FROM generate_series(1, 60000) i;
SELECT :dead > 30 AS dead, min(first_row) / 8192 < 126 AS on_first, max(first_row + entries) / 8192 >= 126 AS on_second
	FROM ledger.segments('straddle') WHERE entries > 10000;
SELECT pg_relation_size('straddle') AS before \gset
VACUUM straddle;
SELECT pg_relation_size('straddle') < 0.6 * :before AS low;
SELECT count(*), sum(id), md5(string_agg(t, '' ORDER BY id, t)) = (SELECT md5(string_agg(t, '' ORDER BY id, t)) FROM
	(SELECT i AS id, md5(i::text) || md5((i + 1)::text) AS t FROM generate_series(1, 60000) i
	 UNION ALL SELECT i, 'single' FROM generate_series(1, 122 - :dead) i) x) AS same
	FROM straddle;
DROP TABLE straddle;

-- So does a page of the directory that was made at the end of a large file.
CREATE FUNCTION fill_directory(ledger regclass) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	EXECUTE format('INSERT INTO %s SELECT hashint4(i) FROM generate_series(1, 1100000) i', ledger);
	RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN NULL;
END $$;
CREATE TABLE dir (id int) USING ledger;
SELECT fill_directory('dir');
INSERT INTO dir SELECT generate_series(1, 1000);
SELECT slots_used > 126 AS two_pages, pg_relation_size('dir') > 4000000 AS large FROM ledger.stats('dir');
VACUUM dir;
SELECT pg_relation_size('dir') < 200000 AS low;
SELECT count(*), sum(id) FROM dir;
INSERT INTO dir SELECT generate_series(1001, 2000);
SELECT count(*), sum(id) FROM dir;
SELECT fill_directory('dir');
VACUUM FULL dir;
SELECT pg_relation_size('dir') < 200000 AS low;
INSERT INTO dir SELECT generate_series(2001, 3000);
SELECT count(*), sum(id) FROM dir;
DROP TABLE dir;
DROP FUNCTION fill_directory;

-- A segment that is moved to blocks here and there needs more room for their numbers,
-- and perhaps another block for that, which is not to be one at the end.
CREATE TABLE scattered (id int, t text) USING ledger;
DO $$ BEGIN
	FOR i IN 1 .. 900 LOOP
		INSERT INTO scattered VALUES (i, 'single');
		COMMIT;
		INSERT INTO scattered VALUES (i, 'single');
		COMMIT;
		PERFORM ledger.seal('scattered');
		COMMIT;
	END LOOP;
END $$;
BEGIN;
INSERT INTO scattered SELECT i, md5(i::text) || md5((i + 1)::text) FROM generate_series(1, 120000) i;
ROLLBACK;
INSERT INTO scattered SELECT i, md5(i::text) || md5((i + 1)::text) FROM generate_series(1, 120000) i;
SELECT ledger.seal('scattered') >= 0 AS sealed;
SELECT pg_relation_size('scattered') AS before \gset
VACUUM scattered;
SELECT pg_relation_size('scattered') < 0.7 * :before AS low, free_bytes < stored_bytes / 16 AS nothing_free
	FROM ledger.stats('scattered');
SELECT count(*), sum(id), sum(hashtext(t)) = (SELECT sum(hashtext(md5(i::text) || md5((i + 1)::text))) FROM generate_series(1, 120000) i) +
	1800 * hashtext('single')::bigint AS same FROM scattered;
DROP TABLE scattered;

-- VACUUM FULL must not lose the default of a column added later.
CREATE TABLE added (a int) USING ledger;
INSERT INTO added SELECT generate_series(1, 5000);
SELECT ledger.seal('added') >= 0 AS sealed;
ALTER TABLE added ADD COLUMN c int NOT NULL DEFAULT 7;
VACUUM FULL added;
SELECT count(*), count(c), sum(c) FROM added;
INSERT INTO added SELECT generate_series(1, 5000);
VACUUM FULL added;
SELECT count(*), count(c), sum(c) FROM added;
TRUNCATE added;
INSERT INTO added SELECT generate_series(1, 5000);
VACUUM FULL added;
SELECT count(*), count(c), sum(c) FROM added;
DROP TABLE added;

DROP SCHEMA vac CASCADE;
DROP EXTENSION amcheck;
