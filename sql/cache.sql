--
-- ledger.decode_cache: what a session keeps of segments is never out of date,
-- nor more than it may be.
--
SET client_min_messages = warning;
CREATE SCHEMA cache;
SET search_path = cache, public;
CREATE TABLE l (id int, k text, v text) USING ledger;
CREATE PROCEDURE fill(mark text) LANGUAGE sql AS $$
	INSERT INTO l SELECT i, md5(i::text), mark || i FROM generate_series(1, 3000) i;
$$;
CREATE FUNCTION look(n int) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(v, ' ' ORDER BY v) FROM l WHERE k = md5(n::text) $$;
-- bytes of the cache's segments, or of all of it
CREATE FUNCTION pg_temp.bytes(of_all bool) RETURNS int8 LANGUAGE plpgsql AS $f$
DECLARE
	n int8;
BEGIN
	IF current_setting('server_version_num')::int < 180000 THEN
		EXECUTE $$SELECT sum(total_bytes) FROM pg_backend_memory_contexts
			WHERE parent = 'ledger decode cache' AND ($1 OR name = 'ledger segment') OR $1 AND name = 'ledger decode cache'$$ INTO n USING of_all;
	ELSE
		EXECUTE $$WITH c AS MATERIALIZED (SELECT * FROM pg_backend_memory_contexts)
			SELECT sum(m.total_bytes) FROM c m JOIN c p ON p.name = 'ledger decode cache' AND m.path[p.level] = p.path[p.level]
			WHERE m.level = p.level + 1 AND ($1 OR m.name = 'ledger segment') OR $1 AND m.level = p.level$$ INTO n USING of_all;
	END IF;
	RETURN coalesce(n, 0);
END $f$;
CREATE FUNCTION kept() RETURNS bool LANGUAGE sql AS $$ SELECT pg_temp.bytes(false) > 0 $$;
CALL fill('a');
SELECT ledger.seal('l') IS NOT NULL AS sealed;
SELECT kept();
SELECT look(7), look(7), look(8), look(-1);
SELECT kept();
-- another file, the same in a transaction that made it, and one that is rolled back
TRUNCATE l;
SELECT kept(), look(7);
CALL fill('b');
SELECT ledger.seal('l') IS NOT NULL AS sealed;
SELECT look(7), look(7);
BEGIN;
TRUNCATE l;
CALL fill('c');
SELECT look(7), look(7);
TRUNCATE l;
CALL fill('d');
SELECT look(7), look(7);
SAVEPOINT s;
TRUNCATE l;
CALL fill('e');
SELECT look(7);
ROLLBACK TO s;
SELECT look(7);
ROLLBACK;
SELECT look(7);
BEGIN;
CREATE TABLE n (id int, v text) USING ledger;
INSERT INTO n SELECT i, 'first ' || i FROM generate_series(1, 3000) i;
SELECT v FROM n WHERE id = 3;
TRUNCATE n;
INSERT INTO n SELECT i, 'second ' || i FROM generate_series(1, 3000) i;
SELECT v FROM n WHERE id = 3;
COMMIT;
SELECT v FROM n WHERE id = 3;
-- rewrites, and what needs none
ALTER TABLE l SET ACCESS METHOD heap;
SELECT kept(), look(7);
ALTER TABLE l SET ACCESS METHOD ledger;
SELECT look(7);
ALTER TABLE l ALTER id TYPE int8;
SELECT look(7), look(7);
ALTER TABLE l ADD COLUMN w int DEFAULT 5;
SELECT look(7), (SELECT w FROM l WHERE k = md5('7'));
ALTER TABLE l ALTER v TYPE varchar;
SELECT look(7), look(8);
VACUUM FULL n;
SELECT v FROM n WHERE id = 3;
VACUUM (FREEZE) l;
SELECT look(7), look(7);
INSERT INTO l SELECT 7, md5('7'), 'late' FROM generate_series(1, 3);
SELECT look(7);
SELECT ledger.seal('l') IS NOT NULL AS sealed;
SELECT look(7), look(7);
-- the same name, and perhaps the same file
DROP TABLE n;
CREATE TABLE n (id int, v text) USING ledger;
INSERT INTO n SELECT i, 'third ' || i FROM generate_series(1, 3000) i;
SELECT ledger.seal('n') IS NOT NULL AS sealed;
SELECT v FROM n WHERE id = 3;
SELECT v FROM n WHERE id = 3;
-- temporary ones, too
CREATE TEMP TABLE n2 (id int, v text) USING ledger ON COMMIT DELETE ROWS;
BEGIN;
INSERT INTO n2 SELECT i, 'fourth ' || i FROM generate_series(1, 3000) i;
SELECT v FROM n2 WHERE id = 3;
COMMIT;
SELECT v FROM n2 WHERE id = 3;
BEGIN;
INSERT INTO n2 SELECT i, 'fifth ' || i FROM generate_series(1, 3000) i;
SELECT v FROM n2 WHERE id = 3;
COMMIT;

-- Errors, and two scans of a segment at a time
CREATE FUNCTION fails(int8) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN 1 / ($1 - 2000) IS NOT NULL; END';
CREATE FUNCTION tries(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c refcursor;
	r record;
	result text := '';
BEGIN
	FOR i IN 1..4 LOOP
		BEGIN
			OPEN c FOR EXECUTE q;
			FETCH c INTO r;
			result := result || r.id || ' ' || cache.look(7) || ' ';
			FETCH RELATIVE 2500 FROM c INTO r;
			result := result || 'not reached';
		EXCEPTION WHEN division_by_zero THEN
			result := result || cache.look(8) || '; ';
		END;
	END LOOP;
	RETURN result;
END $$;
ANALYZE l;
SELECT tries('SELECT id FROM l WHERE fails(id)');
SELECT tries('SELECT id FROM l WHERE fails(id) ORDER BY id');
BEGIN;
DECLARE a CURSOR FOR SELECT id FROM l WHERE id > 5;
DECLARE b CURSOR WITH HOLD FOR SELECT id FROM l WHERE id > 6 ORDER BY id;
FETCH a;
SAVEPOINT s;
FETCH b;
FETCH a;
SELECT 1 / 0;
ROLLBACK TO s;
FETCH a;
COMMIT;
FETCH b;
CLOSE b;
SELECT count(*) FROM l a JOIN l b USING (k) WHERE a.id < 20;
SELECT look(7), look(7);

-- Bounded: a segment of each of many tables, and then less, and nothing
DO $$
BEGIN
	FOR i IN 1..40 LOOP
		EXECUTE format('CREATE TABLE t%s (id int, k text) USING ledger', i);
		EXECUTE format('INSERT INTO t%s SELECT k, md5((k * %1$s)::text) FROM generate_series(1, 3000) k', i);
		PERFORM ledger.seal(format('t%s', i)::regclass);
	END LOOP;
END $$;
CREATE PROCEDURE read_all() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..40 LOOP
		FOR times IN 1..3 LOOP
			EXECUTE format('SELECT count(*) FROM cache.t%s WHERE k > ''5''', i);
			EXECUTE format('SELECT count(*) FROM cache.t%s WHERE k = md5(%L)', i, i * 5);
		END LOOP;
	END LOOP;
END $$;
CREATE FUNCTION kept_below(kb int) RETURNS bool LANGUAGE sql AS $$
	SELECT pg_temp.bytes(true) <= kb * 1024::int8 + 65536
$$;
SET ledger.decode_cache = '256kB';
CALL read_all();
SELECT kept_below(256), kept();
SET ledger.decode_cache = '64kB';
SELECT kept_below(64);
CALL read_all();
SELECT kept_below(64);
SET ledger.decode_cache = 0;
SELECT kept();
CALL read_all();
SELECT kept();
SELECT look(7), look(7);
-- of values that recur for a while, the vectors that have them are known the
-- second time; in some vectors all are NULL, and some rows are gaps
RESET ledger.decode_cache;
CREATE TABLE rare (id int, v text) USING ledger;
CREATE FUNCTION pg_temp.value_of(i int) RETURNS text LANGUAGE sql AS
	$f$ SELECT CASE WHEN i BETWEEN 3000 AND 5200 OR i % 11 = 0 THEN NULL ELSE md5(((i / 4) + (i * 37 % 50) * (i % 3 / 2))::text) END $f$;
INSERT INTO rare SELECT i, pg_temp.value_of(i) FROM generate_series(1, 9000) i;
BEGIN;
SAVEPOINT s;
INSERT INTO rare SELECT i, pg_temp.value_of(i) FROM generate_series(9001, 9500) i;
ROLLBACK TO s;
INSERT INTO rare SELECT i, pg_temp.value_of(i) FROM generate_series(9501, 20000) i;
COMMIT;
SELECT ledger.seal('rare') > 0 AS sealed;
SELECT DISTINCT encoding FROM ledger.chunks('rare') WHERE column_name = 'v';
CREATE TABLE known USING heap AS SELECT * FROM rare;
CREATE INDEX ON known (v);
ANALYZE known;
CREATE FUNCTION pg_temp.differing() RETURNS bigint LANGUAGE plpgsql AS $f$
DECLARE r record; n bigint := 0; found int[]; BEGIN
	FOR r IN SELECT v, array_agg(id ORDER BY id) AS ids FROM known WHERE v IS NOT NULL GROUP BY v ORDER BY md5(v) LOOP
		SELECT array_agg(id ORDER BY id) INTO found FROM rare WHERE v = r.v;
		n := n + (found IS DISTINCT FROM r.ids)::int;
	END LOOP;
	RETURN n;
END $f$;
SELECT pg_temp.differing() AS first, pg_temp.differing() AS second;
CREATE FUNCTION pg_temp.plan_of(q text) RETURNS SETOF text LANGUAGE plpgsql AS $f$
BEGIN
	RETURN QUERY EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || q;
END $f$;
SELECT plan FROM pg_temp.plan_of('SELECT id FROM rare WHERE v = md5(''250'')') plan WHERE plan ~ 'Vectors';
-- what EXPLAIN tells of bytes decompressed is each node's own
SET ledger.decode_cache = 0;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE texts (id int, t text) USING ledger;
INSERT INTO texts SELECT i, (SELECT string_agg((ARRAY['amber','birch','cedar','dune','ember','fjord','grove','heath'])[1 + get_byte(decode(md5(i::text || k / 16), 'hex'), k % 16) % 8], ' ') FROM generate_series(0, 31) k)
	FROM generate_series(1, 5000) i;
SELECT ledger.seal('texts') > 0 AS sealed;
SELECT encoding FROM ledger.chunks('texts') WHERE column_name = 't';
CREATE FUNCTION pg_temp.decompressed(q text) RETURNS SETOF bigint LANGUAGE plpgsql AS $f$
DECLARE line text; BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) ' || q LOOP
		IF line ~ 'Decompressed: [0-9]+ bytes' THEN RETURN NEXT substring(line FROM '([0-9]+) bytes')::bigint; END IF;
	END LOOP;
END $f$;
SELECT pg_temp.decompressed('SELECT id FROM texts WHERE id > 10') AS ids, pg_temp.decompressed('SELECT t FROM texts') > 100000 AS texts;
SELECT array_agg(n) = array_agg(alone) AS own FROM pg_temp.decompressed('SELECT id FROM texts WHERE length(t) > (SELECT min(length(t)) FROM texts)') n,
	pg_temp.decompressed('SELECT t FROM texts') alone;
DROP SCHEMA cache CASCADE;
SELECT pg_temp.bytes(false) > 0 AS kept;
