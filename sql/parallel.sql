--
-- Parallel scans, joins and index builds, also of rows of the transaction
-- itself, however they were written.
--
SET client_min_messages = warning;
CREATE SCHEMA par;
SET search_path = par, public;
CREATE TABLE h (id int, k int, t text) USING heap;
CREATE TABLE l (id int, k int, t text) USING ledger;
CREATE PROCEDURE fill(start int, n int) LANGUAGE sql AS $f$
	INSERT INTO h SELECT i, i % 100, 'row ' || i FROM generate_series(start, start + n - 1) i;
	INSERT INTO l SELECT i, i % 100, 'row ' || i FROM generate_series(start, start + n - 1) i;
$f$;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET min_parallel_index_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET max_parallel_maintenance_workers = 3;
CREATE TABLE queries (q text) USING heap;
INSERT INTO queries VALUES
	('SELECT count(*), sum(id), min(t), max(t) FROM #'),
	('SELECT k, count(*), sum(id) FROM # GROUP BY k ORDER BY k'),
	('SELECT id FROM # WHERE k = 7 AND t LIKE ''%7'' ORDER BY id'),
	('SELECT id, t FROM # ORDER BY t DESC LIMIT 20'),
	('SELECT count(*), sum(a.id) FROM # a JOIN # b ON a.id = b.id + 1 WHERE b.k < 50'),
	('SELECT count(*) FROM (SELECT id FROM # WHERE k = 1 UNION ALL SELECT id FROM # WHERE k = 2 UNION ALL SELECT k FROM # WHERE id < 100) x'),
	('SELECT a.k, count(*) FROM # a WHERE EXISTS (SELECT FROM # b WHERE b.id = a.id + 100) GROUP BY a.k ORDER BY a.k'),
	('SELECT count(*) FROM # WHERE id > (SELECT avg(id) FROM #)');
-- how many of the queries were parallel
CREATE FUNCTION check_queries(what text) RETURNS text LANGUAGE plpgsql AS $f$
DECLARE
	r record;
	v text;
	line text;
	p bool;
	n int := 0;
BEGIN
	FOR r IN SELECT q FROM queries LOOP
		v := oracle.query(r.q);
		IF v NOT LIKE 'same%' THEN
			RAISE WARNING '% %: %', what, r.q, v;
		END IF;
		p := false;
		FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || replace(r.q, '#', 'l') LOOP
			p := p OR line LIKE '%Gather%';
		END LOOP;
		n := n + p::int;
	END LOOP;
	RETURN CASE WHEN n > 5 THEN 'most' ELSE n::text END;
END $f$;
SELECT check_queries('empty') IS NOT NULL AS checked;
CALL fill(1, 900);
SELECT check_queries('tail');
CALL fill(901, 9000);
ANALYZE h, l;
SELECT check_queries('bulk');
-- workers run at all
CREATE FUNCTION workers(q text) RETURNS int LANGUAGE plpgsql AS $f$
DECLARE line text; BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || q LOOP
		IF line ~ 'Workers Launched: ' THEN RETURN substring(line FROM 'Launched: (\d+)'); END IF;
	END LOOP; RETURN 0; END $f$;
SELECT workers('SELECT count(*) FROM l') > 0 AS workers;
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT check_queries('sealed');
SELECT workers('SELECT count(*) FROM l') > 0 AS workers;
CALL fill(30001, 500);
BEGIN;
CALL fill(31001, 700);
ROLLBACK;
SELECT check_queries('all kinds');

-- Rows of this transaction: in the tail, from a bulk writer, of a
-- subtransaction, of one that was rolled back.
BEGIN;
CALL fill(100001, 50);
SELECT check_queries('own, tail');
CALL fill(110001, 5000);
SELECT check_queries('own, bulk');
SAVEPOINT a;
CALL fill(120001, 5000);
SELECT check_queries('own, subtransaction');
ROLLBACK TO a;
SELECT check_queries('own, rolled back');
SAVEPOINT b;
CALL fill(130001, 12);
CALL fill(140001, 3000);
RELEASE b;
-- a command's snapshot in the workers, too
DECLARE c CURSOR FOR SELECT count(*), sum(id) FROM l;
CALL fill(150001, 3000);
FETCH c;
SELECT check_queries('own, several commands');
COMMIT;
SELECT check_queries('committed');
BEGIN ISOLATION LEVEL SERIALIZABLE;
CALL fill(160001, 2000);
SELECT check_queries('serializable');
COMMIT;

-- Into a ledger from a parallel query, also of itself.
BEGIN;
CREATE TABLE c USING ledger AS SELECT * FROM l WHERE k < 50;
CREATE TABLE ch USING heap AS SELECT * FROM h WHERE k < 50;
SELECT oracle.same('ch', 'c');
INSERT INTO c SELECT * FROM l WHERE k >= 50;
INSERT INTO ch SELECT * FROM h WHERE k >= 50;
SELECT oracle.same('ch', 'c');
CREATE MATERIALIZED VIEW m USING ledger AS SELECT k, count(*), sum(id) FROM c GROUP BY k;
SELECT count(*), sum(count) = (SELECT count(*) FROM c) AS all FROM m;
COMMIT;

-- A function in a worker that reads the table, rows of the transaction included.
CREATE FUNCTION rows_of(tab text, key int) RETURNS bigint STABLE PARALLEL SAFE LANGUAGE plpgsql AS $f$
DECLARE n bigint; BEGIN EXECUTE format('SELECT count(*) FROM %s WHERE k = %s', tab, key) INTO n; RETURN n; END $f$;
CREATE TABLE keys USING heap AS SELECT i AS key FROM generate_series(0, 3) i;
BEGIN;
CALL fill(170001, 3000);
SELECT oracle.query('SELECT key, rows_of(''#'', key) FROM keys WHERE rows_of(''#'', key) > 0 ORDER BY key');
CALL fill(180001, 3);
SELECT oracle.query('SELECT key, rows_of(''#'', key) FROM keys WHERE rows_of(''#'', key) > 0 ORDER BY key');
ROLLBACK;

-- Index builds: with workers, and over rows of this transaction.
CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA public;
ALTER TABLE l SET (parallel_workers = 3);
CREATE INDEX l_id ON l (id);
CREATE UNIQUE INDEX l_id_k ON l (id, k);
SELECT bt_index_check('l_id', true), bt_index_check('l_id_k', true);
SET enable_seqscan = off;
SELECT check_queries('indexed') IS NOT NULL AS checked;
-- an index scan that is parallel, an inner one that is not, a bitmap
SELECT oracle.query('SELECT count(*), sum(k) FROM # WHERE id BETWEEN 500 AND 150500');
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
SELECT oracle.query('SELECT count(*), sum(k) FROM # WHERE id BETWEEN 500 AND 150500');
RESET enable_indexscan;
RESET enable_indexonlyscan;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
BEGIN;
CALL fill(200001, 3000);
SELECT oracle.query('SELECT count(*), sum(b.id) FROM (SELECT id FROM # WHERE k = 3) a JOIN # b ON b.id = a.id + 1');
CREATE INDEX l_t ON l (t);
SELECT oracle.query('SELECT id FROM # WHERE t = ''row 202000''');
SELECT bt_index_check('l_t', true);
ROLLBACK;
RESET enable_seqscan;
RESET enable_hashjoin;
RESET enable_mergejoin;
DROP INDEX l_id, l_id_k;
VACUUM (PARALLEL 2) l;
SELECT check_queries('vacuumed');

-- Partitions scanned by parallel append.
CREATE TABLE p (id int, k int, t text) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10000) USING ledger;
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10000) TO (30000) USING ledger;
CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (30000) TO (1000000) USING heap;
INSERT INTO p SELECT * FROM h;
SELECT ledger.seal('p1') >= 0 AS sealed;
BEGIN;
INSERT INTO p SELECT * FROM h WHERE id < 20000;
SELECT count(*) = (SELECT count(*) + count(*) FILTER (WHERE id < 20000) FROM h) AS all FROM p;
ROLLBACK;
SELECT oracle.same('h', 'p');
SELECT oracle.query('SELECT k, count(*), sum(id) FROM # GROUP BY k ORDER BY k', 'h', 'p');
-- debug_parallel_query runs everything in a worker, under either name
SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
BEGIN;
CALL fill(300001, 3000);
SELECT check_queries('in a worker');
COMMIT;
SELECT check_queries('in a worker');
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');

-- A segment's slots are handed out together, in two pieces where there are but
-- two segments; one by one, most workers would read both.
CREATE TABLE big (id int, t text) USING ledger WITH (parallel_workers = 4);
INSERT INTO big SELECT i, 'row ' || i % 100 FROM generate_series(1, 131072) i;
SET max_parallel_workers_per_gather = 4;
SET parallel_leader_participation = off;
CREATE FUNCTION segments_read(q text) RETURNS int LANGUAGE plpgsql AS $f$
DECLARE line text; BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || q LOOP
		IF line ~ 'Segments: ' THEN RETURN substring(line FROM 'read=(\d+)'); END IF;
	END LOOP; RETURN 0; END $f$;
SELECT workers('SELECT sum(id) FROM big WHERE id > 0') > 0 AS workers, segments_read('SELECT sum(id), max(md5(t || id)) FROM big WHERE id > 0') BETWEEN 2 AND 4 AS pieces;
SELECT count(*), sum(id) FROM big WHERE id > 0;
RESET parallel_leader_participation;
-- keys that are all constant leave nothing to sort by
CREATE TABLE halves (id int, a int) PARTITION BY HASH (id);
CREATE TABLE half_0 PARTITION OF halves FOR VALUES WITH (modulus 2, remainder 0) USING ledger;
CREATE TABLE half_1 PARTITION OF halves FOR VALUES WITH (modulus 2, remainder 1) USING ledger;
INSERT INTO halves SELECT i, i % 3 FROM generate_series(1, 20000) i;
ANALYZE halves, big;
SET enable_hashagg = off;
SELECT 'k' AS k, count(*) FROM halves GROUP BY 1;
SELECT a, count(*), sum(id) FROM halves WHERE a = 1 GROUP BY a;
SELECT a, count(*), sum(id) FROM halves WHERE a = 1 GROUP BY a, id % 2 ORDER BY id % 2;
SELECT t, count(*), sum(id) FROM big WHERE t = 'row 7' GROUP BY t;
SELECT a, count(*) FROM halves WHERE a = 5 GROUP BY a;
RESET enable_hashagg;
DROP SCHEMA par CASCADE;
DROP EXTENSION amcheck;
