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
		EXECUTE $$WITH c AS MATERIALIZED (SELECT * FROM pg_backend_memory_contexts),
			p AS (SELECT * FROM c WHERE name = 'ledger decode cache')
			SELECT sum(total_bytes) FROM c WHERE $1 AND name = 'ledger decode cache' OR ($1 OR name = 'ledger segment') AND
				EXISTS (SELECT FROM p WHERE c.level = p.level + 1 AND c.path[p.level] = p.path[p.level])$$ INTO n USING of_all;
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
-- A look-up that comes again decompresses nothing: of texts, of parts of documents,
-- of zstd; a scan decompresses twice.
CREATE FUNCTION pg_temp.words(n int, i int) RETURNS text LANGUAGE sql AS
	$f$ SELECT string_agg((ARRAY['amber','birch','cedar','dune','ember','fjord','grove','heath'])[1 + get_byte(decode(md5(i::text || k / 16), 'hex'), k % 16) % 8], ' ') FROM generate_series(0, n - 1) k $f$;
CREATE TABLE parts (id int, d jsonb) USING ledger;
INSERT INTO parts SELECT id, jsonb_build_object('n', id, 'text', t) FROM texts;
SELECT ledger.seal('parts') > 0 AS sealed;
SELECT encoding FROM ledger.chunks('parts') WHERE path LIKE '%text%';
CREATE TABLE tight (id int, t text) USING ledger;
SELECT ledger.set_option('tight', 'compression', 'zstd');
INSERT INTO tight SELECT * FROM texts;
SELECT ledger.seal('tight') > 0 AS sealed;
CREATE FUNCTION pg_temp.thrice(q text) RETURNS text LANGUAGE sql AS
	$f$ SELECT string_agg((n > 0)::text, ' ') FROM (SELECT pg_temp.decompressed(q) n FROM generate_series(1, 3)) a $f$;
SELECT pg_temp.thrice('SELECT t FROM texts WHERE id = 77') AS nothing_kept;
RESET ledger.decode_cache;
SELECT pg_temp.thrice('SELECT t FROM texts WHERE id = 77') AS texts,
	pg_temp.thrice('SELECT d->>''text'' FROM parts WHERE id = 77') AS parts,
	pg_temp.thrice('SELECT d FROM parts WHERE id = 3077') AS documents,
	pg_temp.thrice('SELECT t FROM tight WHERE id = 77') AS zstd,
	pg_temp.thrice('SELECT sum(length(t)) FROM texts') AS scan;
-- each the right one, in whatever room, when others take it, and in a cursor
CREATE TABLE oracle USING heap AS SELECT id, t FROM texts;
CREATE INDEX ON oracle (id);
CREATE FUNCTION pg_temp.differing_texts(seed float8) RETURNS bigint LANGUAGE plpgsql AS $f$
DECLARE n bigint := 0; a text; b text; c text; wanted text; k int; BEGIN
	PERFORM setseed(seed);
	FOR i IN 1..300 LOOP
		k := 1 + (random() * 5200)::int;
		SELECT t INTO wanted FROM oracle WHERE id = k;
		SELECT t INTO a FROM texts WHERE id = k;
		SELECT d->>'text' INTO b FROM parts WHERE id = k;
		SELECT t INTO c FROM tight WHERE id = k;
		n := n + (ROW(a, b, c) IS DISTINCT FROM ROW(wanted, wanted, wanted))::int;
	END LOOP;
	RETURN n;
END $f$;
SELECT pg_temp.differing_texts(0.1), pg_temp.differing_texts(0.1), kept_below(48 * 1024);
SET ledger.decode_cache = '1MB';
SELECT kept_below(1024);
SELECT pg_temp.differing_texts(0.2), pg_temp.differing_texts(0.2), kept_below(1024);
SELECT sum(length(t)) = (SELECT sum(length(t)) FROM oracle) AS same FROM generate_series(1, 3) i, LATERAL (SELECT t FROM texts WHERE i > 0 OFFSET 0) t GROUP BY i;
SELECT kept_below(1024);
SET ledger.decode_cache = '100kB';
SELECT kept_below(100);
SELECT total_bytes - used_bytes < 8192 AS nothing_free FROM pg_backend_memory_contexts WHERE name = 'ledger blocks';
SELECT pg_temp.differing_texts(0.3), kept_below(100);
BEGIN;
DECLARE c CURSOR FOR SELECT t.t = o.t AS same FROM texts t, LATERAL (SELECT t FROM oracle o WHERE o.id = t.id OFFSET 0) o WHERE t.id % 500 = 3;
FETCH 3 FROM c;
SET LOCAL ledger.decode_cache = 0;
FETCH 2 FROM c;
SET LOCAL ledger.decode_cache = '1MB';
FETCH ALL FROM c;
COMMIT;
RESET ledger.decode_cache;
SELECT pg_temp.differing_texts(0.4);
-- what another file has at the same place, and who still reads the old one
BEGIN;
DECLARE c CURSOR FOR SELECT id, md5(t) = md5(pg_temp.words(32, id)) AS same FROM texts WHERE id > 70;
FETCH c;
SAVEPOINT s;
CREATE TABLE other (LIKE texts) USING ledger;
INSERT INTO other SELECT id, reverse(t) FROM texts;
SELECT ledger.seal('other') > 0 AS sealed;
SELECT t = (SELECT reverse(t) FROM oracle WHERE id = 77) AS same FROM other WHERE id = 77;
ROLLBACK TO s;
FETCH RELATIVE 4000 FROM c;
COMMIT;
TRUNCATE texts;
INSERT INTO texts SELECT id, upper(t) FROM oracle;
SELECT ledger.seal('texts') > 0 AS sealed;
SELECT pg_temp.thrice('SELECT t FROM texts WHERE id = 77') AS texts, (SELECT t FROM texts WHERE id = 77) = (SELECT upper(t) FROM oracle WHERE id = 77) AS same;
BEGIN;
TRUNCATE texts;
INSERT INTO texts SELECT id, reverse(t) FROM oracle;
SELECT (SELECT t FROM texts WHERE id = 77) = (SELECT reverse(t) FROM oracle WHERE id = 77) AS same FROM generate_series(1, 3);
ROLLBACK;
SELECT (SELECT t FROM texts WHERE id = 77) = (SELECT upper(t) FROM oracle WHERE id = 77) AS same;
-- A scan of documents is one, too, if few of them have what it decompresses.
CREATE TABLE seldom (id int, d jsonb) USING ledger;
INSERT INTO seldom SELECT id, CASE WHEN id % 8 = 1 THEN jsonb_build_object('n', id, 'text', t) ELSE jsonb_build_object('n', id) END FROM oracle;
SELECT ledger.seal('seldom') > 0 AS sealed;
SELECT encoding FROM ledger.chunks('seldom') WHERE path LIKE '%text%';
SELECT pg_temp.thrice('SELECT sum(length(d::text)) FROM seldom') AS documents;
SET ledger.decode_cache = 0;
RESET ledger.decode_cache;
SELECT pg_temp.thrice('SELECT sum(length(d->>''text'')) FROM seldom') AS parts;
SET ledger.decode_cache = 0;
RESET ledger.decode_cache;
CREATE TABLE nulls (id int, d jsonb) USING ledger;
INSERT INTO nulls SELECT id, CASE WHEN id % 10 = 1 THEN jsonb_build_object('n', id, 'text', t) END FROM oracle;
SELECT ledger.seal('nulls') > 0 AS sealed;
SELECT pg_temp.thrice('SELECT sum(length(d::text)) FROM nulls') AS documents;
-- and a look-up is one if documents have many such values
CREATE TABLE lists (id int, d jsonb) USING ledger;
INSERT INTO lists SELECT i, jsonb_build_object('n', i, 't', (SELECT jsonb_agg(pg_temp.words(8, i * 20 + k)) FROM generate_series(1, 12) k)) FROM generate_series(1, 3000) i;
SELECT ledger.seal('lists') > 0 AS sealed;
SELECT encoding FROM ledger.chunks('lists') WHERE path LIKE '$.t%';
SELECT pg_temp.thrice('SELECT d FROM lists WHERE id BETWEEN 100 AND 119') AS lists;
-- What has no room drives nothing out; and a reader that has, if there are blocks,
-- too, stays.
CREATE TABLE large (id int, t text) USING ledger;
INSERT INTO large SELECT i, pg_temp.words(16000, i) FROM generate_series(1, 30) i;
SELECT ledger.seal('large') > 0 AS sealed;
SELECT encoding FROM ledger.chunks('large') WHERE column_name = 't';
SET ledger.decode_cache = '1MB';
SELECT pg_temp.thrice('SELECT t FROM tight WHERE id = 77') AS small, pg_temp.thrice('SELECT t FROM large WHERE id IN (7, 20)') AS large;
SELECT pg_temp.thrice('SELECT t FROM tight WHERE id = 77') AS small;
SET ledger.decode_cache = 0;
RESET ledger.decode_cache;
SELECT pg_temp.thrice('SELECT d FROM parts WHERE id = 77') AS parts;
SELECT set_config('ledger.decode_cache', (pg_temp.bytes(false) / 1024 + 12)::text, false) IS NOT NULL AS set;
SELECT pg_temp.thrice('SELECT d FROM parts WHERE id = 77') AS parts, kept();
SELECT pg_temp.thrice('SELECT d FROM parts WHERE id % 600 = 77') AS many, kept();
RESET ledger.decode_cache;
DROP SCHEMA cache CASCADE;
SELECT pg_temp.bytes(false) > 0 AS kept;
