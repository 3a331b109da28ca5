--
-- Tail pages that are read again are skipped by what was noted of them; against heap.
--
SET client_min_messages = warning;
CREATE SCHEMA notes;
SET search_path = notes, public;
SET timezone = 'UTC';
CREATE DOMAIN code AS text COLLATE "C";
CREATE DOMAIN amount AS numeric(10, 2);
CREATE TABLE h (id int, k text, c code, n amount, f float8, ts timestamptz, d date, u uuid, y bytea, b bool, o oid, few text, big text, j jsonb) USING heap;
CREATE TABLE l (LIKE h) USING ledger;
CREATE FUNCTION make(start int, n int) RETURNS SETOF h LANGUAGE sql AS $$
	SELECT i, md5((i / 3)::text), 'c' || lpad(i::text, 6, '0'), CASE i % 20 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' ELSE i / 8.0 END,
		CASE i % 30 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' WHEN 2 THEN NULL WHEN 3 THEN '-Infinity' ELSE i / 4.0 END, timestamptz '2026-01-01' + i * interval '1 s', date '2026-01-01' + i / 100,
		md5((i / 2)::text)::uuid, decode(left(md5((i / 5)::text), 10), 'hex'), CASE WHEN i % 900 < 300 THEN NULL ELSE i % 900 < 600 END, (i * 1000000::int8 % 4200000000)::oid,
		CASE WHEN i % 1000 < 500 THEN NULL ELSE 'few ' || i % 3 END, CASE WHEN i % 700 < 2 THEN repeat(md5(i::text), 400) ELSE 'small ' || i END, jsonb_build_object('n', i)
	FROM generate_series(start, start + n - 1) i
$$;
-- row by row, so that they go to a tail
CREATE PROCEDURE fill(start int, n int) LANGUAGE plpgsql AS $$
DECLARE r h; BEGIN
	FOR r IN SELECT * FROM make(start, n) LOOP
		INSERT INTO h SELECT r.*;
		INSERT INTO l SELECT r.*;
	END LOOP;
END $$;
CREATE FUNCTION pages(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE plan json; BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) SELECT id FROM l WHERE ' || condition INTO plan;
	RETURN (CASE WHEN (plan->0->'Plan'->>'Tail Pages Read')::int = 0 THEN 'none' ELSE 'some' END) || ' read, ' ||
		(CASE WHEN (plan->0->'Plan'->>'Tail Pages Skipped')::int = 0 THEN 'none' ELSE 'some' END) || ' skipped';
END $$;
CREATE TABLE conditions (c text);
INSERT INTO conditions VALUES ('id = 700'), ('id < 30'), ('id > 5000000'), ('id BETWEEN 100 AND 110'), ('id = ANY (''{5,1100,9999}'')'), ('id <> 5'), ('id IS NULL'),
	('k = md5(''100'')'), ('k = ''none'''), ('k IN (md5(''3''), md5(''200''))'), ('k LIKE ''c4ca%'''), ('k > ''zzz'''), ('k IS NULL'), ('k IS NOT NULL'), ('k ~ ''nothing'''),
	('c = ''c000500'''), ('c < ''c000040'''), ('c LIKE ''c0011%'''), ('c >= ''c001190'''), ('n = 100.25'), ('n < 3'), ('n > 140'), ('n = ''NaN'''), ('n IS NULL'), ('n <> ''NaN'' AND n < 2'),
	('f = 25.5'), ('f = 0'), ('f = ''NaN'''), ('f < -1e300'), ('f > 295'), ('f IS NULL'), ('ts < ''2026-01-01 00:01:00+00'''), ('ts > now()'), ('ts = ''2026-01-01 00:10:00+00'''), ('ts > timestamp ''2026-01-01 00:19:00'''),
	('d = ''2026-01-03'''), ('d > timestamptz ''2026-01-12 00:00+00'''), ('u = md5(''50'')::uuid'), ('u = md5(''none'')::uuid'), ('y = ''\x00'''), ('y = decode(left(md5(''50''), 10), ''hex'')'),
	('b'), ('NOT b'), ('b IS NULL'), ('o = 1100000000'), ('o > 4000000000'), ('few = ''few 1'''), ('few = ''none'''), ('few IS NULL'), ('big = ''small 1000'''), ('big = repeat(md5(''700''), 400)'), ('big LIKE ''b%'''),
	('id = 5 OR k = md5(''300'')'), ('id = 5000000 OR few = ''none'''), ('id > 1000 AND k = ''none'''), ('(id < 10 OR id > 1190) AND few = ''few 2'''), ('(j->>''n'')::int = 77'), ('id = 7 AND j->>''n'' = ''7'''),
	('id = (SELECT 900)'), ('ts < ''2026-01-01''::timestamptz + (id - id + 5) * interval ''1 s'''), ('id < 0 AND 1 / (id - id) > 0');
CREATE FUNCTION differing() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE condition text; of_heap text; of_ledger text; BEGIN
	FOR times IN 1..3 LOOP
		FOR condition IN SELECT c FROM conditions LOOP
			EXECUTE format('SELECT count(*) || '' '' || coalesce(sum(id), 0) FROM h WHERE %s', condition) INTO of_heap;
			EXECUTE format('SELECT count(*) || '' '' || coalesce(sum(id), 0) FROM l WHERE %s', condition) INTO of_ledger;
			IF of_heap <> of_ledger THEN
				RETURN NEXT format('%s. %s: %s, %s', times, condition, of_heap, of_ledger);
			END IF;
		END LOOP;
	END LOOP;
END $$;
CALL fill(1, 1200);
-- the first time it is remembered that a page was read, the second time what it has
SELECT pages('k = md5(''100'')') AS first, pages('k = md5(''100'')') AS second, pages('k = md5(''100'')') AS third, pages('k = md5(''101'')') AS another, pages('id < 30') AS another_column;
SELECT * FROM differing();
SELECT c, pages(c) FROM conditions WHERE c NOT LIKE '%SELECT%';
-- what comes is seen, in pages that were known, too; what did not last is not
SELECT pages('id = 1201');
CALL fill(1201, 5);
SELECT pages('id = 1201');
BEGIN;
SAVEPOINT s;
CALL fill(1206, 20);
SELECT * FROM differing();
ROLLBACK TO s;
SELECT * FROM differing();
CALL fill(1206, 3);
SELECT * FROM differing();
COMMIT;
SELECT * FROM differing();
BEGIN;
DECLARE a CURSOR FOR SELECT id FROM l WHERE id > 1200 ORDER BY id;
FETCH 2 FROM a;
CALL fill(1300, 30);
SELECT count(*) FROM l WHERE id > 1290;
FETCH ALL FROM a;
COMMIT;
-- a column that was added with one default, and then with another
BEGIN;
ALTER TABLE l ADD COLUMN later int DEFAULT 1;
SELECT pages('later = 1') AS first, pages('later = 1') AS second, pages('later = 1') AS third, pages('later = 2') AS another;
ROLLBACK;
ALTER TABLE l ADD COLUMN later int DEFAULT 2;
SELECT count(*) FILTER (WHERE later = 2), count(*) FROM l WHERE later = 2;
SELECT count(*) FROM l WHERE later = 1;
SELECT count(*) FROM l WHERE later = 2 AND id > 0;
ALTER TABLE l DROP COLUMN later;
-- rows that came to nothing, of a column whose number is another's by now
CREATE TABLE added (id int) USING ledger;
INSERT INTO added VALUES (1);
BEGIN;
ALTER TABLE added ADD COLUMN x int;
INSERT INTO added VALUES (2, 1000);
SAVEPOINT s;
ALTER TABLE added ADD COLUMN y numeric;
INSERT INTO added VALUES (3, 1000, 10000);
ROLLBACK TO s;
ALTER TABLE added ADD COLUMN y text;
INSERT INTO added VALUES (4, 1000, 'abc');
SELECT count(*) FROM added WHERE y = 'abc';
SELECT count(*) FROM added WHERE y = 'abc';
SELECT count(*) FROM added WHERE y = 'abc';
ROLLBACK;
ALTER TABLE added ADD COLUMN x text;
INSERT INTO added VALUES (5, 'a');
SELECT * FROM added WHERE x = 'a';
SELECT * FROM added WHERE x = 'a';
SELECT * FROM added WHERE x = 'a' OR x IS NULL;
SELECT * FROM added WHERE x = 'b';
-- other rows at the same place
TRUNCATE h, l;
CALL fill(5000, 300);
SELECT * FROM differing();
BEGIN;
TRUNCATE h, l;
CALL fill(300, 300);
SELECT * FROM differing();
ROLLBACK;
SELECT * FROM differing();
ALTER TABLE l ALTER k TYPE varchar, ALTER c TYPE text COLLATE "C";
ALTER TABLE h ALTER k TYPE varchar, ALTER c TYPE text COLLATE "C";
SELECT * FROM differing();
ALTER TABLE l ALTER k TYPE text, ALTER c TYPE code;
ALTER TABLE h ALTER k TYPE text, ALTER c TYPE code;
SELECT * FROM differing();
-- not without a cache, without WAL, or where all that might be seen matters
CALL fill(6000, 500);
SELECT pages('id = 1'), pages('id = 1'), pages('id = 1');
SET ledger.decode_cache = 0;
SELECT pages('id = 1'), pages('id = 1'), pages('id = 1');
RESET ledger.decode_cache;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT pages('id = 1'), pages('id = 1'), pages('id = 1');
COMMIT;
ALTER TABLE l SET UNLOGGED;
CALL fill(7000, 200);
SELECT pages('id = 1'), pages('id = 1'), pages('id = 1');
SELECT * FROM differing();
ALTER TABLE l SET LOGGED;
-- what is too big for a page, whoever sees it
INSERT INTO h SELECT 7500, 'big', big FROM (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 1000) i) b (big);
INSERT INTO l SELECT * FROM h WHERE id = 7500;
BEGIN;
INSERT INTO l SELECT id + 1, k, c FROM h WHERE id = 7500;
ROLLBACK;
SELECT * FROM differing();
SELECT count(*) FROM l WHERE id = 7500 AND c LIKE 'c4ca%';
-- in no more room than that
CALL fill(8000, 1000);
CREATE FUNCTION notes() RETURNS int8 LANGUAGE sql AS $$ SELECT sum(used_bytes) FROM pg_backend_memory_contexts WHERE name = 'ledger tail pages' $$;
SELECT * FROM differing();
SELECT notes() > 100 * 1024 AS many;
SET ledger.decode_cache = '512kB';
SELECT * FROM differing();
SELECT notes() BETWEEN 32 * 1024 AND 80 * 1024 AS bounded;
SET ledger.decode_cache = 0;
SELECT notes() < 1024 AS nothing;
RESET ledger.decode_cache;
SELECT pages('id = 1'), pages('id = 1'), pages('id = 1');
ANALYZE l;
SELECT pages('id = 1'), pages('id = 1'), pages('id = 1');
-- invalidations that are heard while a page is judged (in a server with assertions)
CREATE TABLE padded (id int, v char(10) COLLATE "POSIX") USING ledger;
DO $$ BEGIN FOR i IN 1..86 LOOP INSERT INTO padded VALUES (i, 'row ' || i); END LOOP; END $$;
CREATE TABLE keys AS SELECT i AS id, ('row ' || i)::char(10) COLLATE "POSIX" AS v FROM generate_series(1, 86) i;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SET enable_memoize = off;
SELECT count(*), count(x.id) FROM keys LEFT JOIN LATERAL (SELECT id FROM padded WHERE padded.v = keys.v OFFSET 0) x ON true;
SELECT set_config(name, least(max_val::int, 1)::text, false) IS NOT NULL AS set FROM pg_settings WHERE name = 'debug_discard_caches';
SELECT count(*), count(x.id) FROM keys LEFT JOIN LATERAL (SELECT id FROM padded WHERE padded.v = keys.v OFFSET 0) x ON true;
SET debug_discard_caches = 0;
DROP SCHEMA notes CASCADE;
