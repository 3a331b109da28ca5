--
-- Zone maps of numerics, whose numbers are cut from the values, and of domains,
-- against heap.
--
SET client_min_messages = warning;
CREATE SCHEMA zones;
SET search_path = zones, public;
CREATE DOMAIN price AS numeric(10, 2);
CREATE DOMAIN listed AS price CHECK (VALUE < 1000);
CREATE DOMAIN code AS text COLLATE "C";
CREATE DOMAIN stamp AS timestamptz;
CREATE DOMAIN document AS jsonb;
-- ascending; ascending, with what is cut off telling some apart; any; few; domains; of all magnitudes; large
CREATE TABLE h (id int, asc_2 numeric(14, 2), fine numeric, any_n numeric, few numeric, p listed, wide numeric, long numeric, c code, ts stamp, j document) USING heap;
CREATE TABLE l (LIKE h) USING ledger;
CREATE FUNCTION number(r float8, k int) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE floor(r * 12)::int WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' WHEN 2 THEN '-Infinity' WHEN 3 THEN 0 WHEN 4 THEN 0.000 WHEN 5 THEN NULL
		WHEN 6 THEN k WHEN 7 THEN -k WHEN 8 THEN k / 7.0 WHEN 9 THEN -k / 1000.0 WHEN 10 THEN k * 1e30 ELSE 1e-60 * k END
$$;
CREATE FUNCTION make(start int, n int) RETURNS SETOF h LANGUAGE sql AS $$
	SELECT k, CASE WHEN k % 10 > 0 THEN k / 4.0 END, 10000000000000 + k * 0.0001, number(random(), k), number((k / 2500 + k % 2) / 12.0, 7),
		CASE WHEN k / 1500 % 3 > 0 THEN k / 100.0 - 40 END, (CASE WHEN k / 4000 % 2 = 1 THEN '-' ELSE '' END || (1 + k % 9) || 'e' || (k / 40 - 110))::numeric,
		repeat('12345', 30 + k / 3000)::numeric + k, 'c' || lpad((k / 3)::text, 6, '0'), timestamptz '2026-01-01 00:00+00' + k * interval '1 s',
		jsonb_build_object('code', 'c' || lpad((k / 3)::text, 6, '0'), 'n', k / 8)
	FROM generate_series(start, start + n - 1) k
$$;
CREATE PROCEDURE fill(start int, n int) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO h SELECT * FROM make(start, n);
	INSERT INTO l SELECT * FROM h WHERE id >= start ORDER BY id;
END $$;
SELECT setseed(0.31);
CALL fill(1, 9000);
SELECT ledger.seal('l') IS NOT NULL AS sealed;
CALL fill(9001, 3000);
SELECT ledger.seal('l') IS NOT NULL AS sealed;
CALL fill(12001, 300);
ANALYZE h, l;

CREATE TABLE constants (c numeric);
INSERT INTO constants VALUES ('NaN'), ('Infinity'), ('-Infinity'), (0), (-0.0), (1), (1.00), (-1), (2250), (2250.25), (2250.13), (1e-300), (-1e-300), (1e-44), (1e60), (-1e60),
	(9e83), (1e131071), (-1e131071), (10000000000000.9), (10000000000000.90001), (10000000000001), (-39.99), (6e-107), (2e100), (7), (-7), (0.007), (7e30), (7e-60),
	(repeat('12345', 31)::numeric + 3500), (repeat('12345', 33)::numeric);
-- the rows that pass, by id, of all columns, operators and constants
CREATE FUNCTION differing(columns text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	of_heap text;
	of_ledger text;
	condition text;
	args text[];
BEGIN
	SELECT array_agg(c::text) INTO args FROM constants;
	FOR condition IN
		SELECT format('%I %s', col, rest) FROM unnest(columns) col, LATERAL (
			SELECT format('%s %L::numeric', op, c) FROM constants, unnest('{=,<>,<,<=,>,>=}'::text[]) op
			UNION ALL SELECT format(t, c, lead(c, 4, 'NaN') OVER (PARTITION BY t ORDER BY c)) FROM constants,
				unnest('{= ANY (ARRAY[%L::numeric\, %L]),BETWEEN %L::numeric AND %L,NOT BETWEEN %L::numeric AND %L}'::text[]) t
			UNION ALL SELECT format('= ANY (%L::numeric[])', args)
			UNION ALL SELECT format('= ANY (%L::numeric[])', (SELECT array_agg(x / 4.0) FROM generate_series(0, 60000, 350) x))) q (rest)
	LOOP
		EXECUTE format('SELECT count(*) || '' '' || coalesce(sum(hashint4(id)), 0) FROM h WHERE %s', condition) INTO of_heap;
		EXECUTE format('SELECT count(*) || '' '' || coalesce(sum(hashint4(id)), 0) FROM l WHERE %s', condition) INTO of_ledger;
		IF of_heap <> of_ledger THEN
			RETURN NEXT format('%s: %s, %s', condition, of_heap, of_ledger);
		END IF;
	END LOOP;
END $$;
SELECT * FROM differing('{asc_2,fine,any_n,few,p,wide,long}');
-- What is read: of 9 + 3 vectors, and a tail
CREATE FUNCTION vectors_read(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) SELECT id FROM l WHERE ' || condition INTO plan;
	RETURN format('%s of %s, %s rows', plan->0->'Plan'->>'Vectors Read', (plan->0->'Plan'->>'Vectors Read')::int + (plan->0->'Plan'->>'Vectors Skipped by Zone Map')::int +
		(plan->0->'Plan'->>'Vectors Skipped by Bloom Filter')::int + coalesce((plan->0->'Plan'->>'Vectors Skipped by Dictionary')::int, 0), (plan->0->'Plan'->>'Actual Rows')::numeric::int);
END $$;
SELECT c, vectors_read(c) FROM unnest(ARRAY['asc_2 BETWEEN 1000 AND 1100', 'asc_2 > 3050', 'asc_2 = 2250.25', 'asc_2 = ANY (''{10.25, 20, 2900.50}'')', 'asc_2 > ''NaN''',
	'fine < 10000000000000.1', 'fine = 10000000000000.9', 'p < -25.5', 'p >= 79.5', 'c = ''c001234''', 'c < ''c0001''', 'ts >= ''2026-01-01 03:20+00''', 'j->>''code'' = ''c001234'' AND id > 0', '(j->>''n'')::int < 10 AND id > 0', 'wide > 1e100', 'wide < 0', 'long > ' || repeat('12345', 33), 'any_n > 1e100']) c;
PREPARE at_least(numeric) AS SELECT count(*), min(id), sum(asc_2) FROM l WHERE asc_2 >= $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE at_least(3000.5);
EXECUTE at_least('NaN');
EXECUTE at_least(NULL);
SELECT count(*), min(id), sum(asc_2) FROM h WHERE asc_2 >= 3000.5;
RESET plan_cache_mode;
SELECT min(p), max(p), min(ts), max(ts), min(c), max(c), min(wide), max(wide), min(any_n), max(any_n) FROM l
EXCEPT SELECT min(p), max(p), min(ts), max(ts), min(c), max(c), min(wide), max(wide), min(any_n), max(any_n) FROM h;
SELECT array_agg(ts) = (SELECT array_agg(ts) FROM (SELECT ts FROM h ORDER BY ts DESC LIMIT 7) h) AS same FROM (SELECT ts FROM l ORDER BY ts DESC LIMIT 7) l;
SELECT count(*) FROM (SELECT * FROM l EXCEPT SELECT * FROM h) d;
SELECT count(*) FROM (SELECT j->>'code', c, j->'n', p FROM h EXCEPT SELECT j->>'code', c, j->'n', p FROM l) d;
-- joins, and the type changed to and from one with other zones
SELECT count(*), sum(l.id) FROM generate_series(100, 2900, 700) x, LATERAL (SELECT id FROM l WHERE asc_2 = x + 0.25 OFFSET 0) l;
SELECT count(*), sum(h.id) FROM generate_series(100, 2900, 700) x, LATERAL (SELECT id FROM h WHERE asc_2 = x + 0.25 OFFSET 0) h;
ALTER TABLE l ALTER p TYPE numeric, ALTER asc_2 TYPE numeric, ALTER few TYPE text;
ALTER TABLE h ALTER p TYPE numeric, ALTER asc_2 TYPE numeric, ALTER few TYPE text;
SELECT count(*) FROM l WHERE p < -35.5 AND asc_2 > 100 OR few < '0' EXCEPT SELECT count(*) FROM h WHERE p < -35.5 AND asc_2 > 100 OR few < '0';
ALTER TABLE l ALTER few TYPE numeric USING few::numeric;
ALTER TABLE h ALTER few TYPE numeric USING few::numeric;
SELECT * FROM differing('{few,p}');


-- A type that is dropped while rows are loaded, and are not written yet
CREATE DOMAIN passing AS numeric;
CREATE TYPE colour AS ENUM ('red');
CREATE TABLE loads (id int, p passing, c colour) USING ledger;
BEGIN;
INSERT INTO loads SELECT i, i, 'red' FROM generate_series(1, 5000) i;
ALTER TABLE loads ALTER p TYPE numeric, DROP COLUMN c;
DROP DOMAIN passing;
DROP TYPE colour;
COMMIT;
SELECT count(*), sum(p) FROM loads WHERE p > 10;
CREATE DOMAIN passing AS numeric;
ALTER TABLE loads ADD COLUMN q passing;
BEGIN;
INSERT INTO loads SELECT i, i, i FROM generate_series(1, 5000) i;
SAVEPOINT s;
DROP DOMAIN passing CASCADE;
SELECT count(*), sum(p) FROM loads WHERE p > 10;
ROLLBACK TO s;
SELECT count(*), sum(p), sum(q) FROM loads WHERE p > 10;
DROP DOMAIN passing CASCADE;
COMMIT;
SELECT count(*), sum(p) FROM loads WHERE p > 10;
-- Where zones overlap, values have a Bloom filter, too, whatever rare ones lie far off
CREATE TABLE amounts (id int, rarely_zero numeric, rarely_huge int8, any_n numeric, ordered numeric, late int) USING ledger;
INSERT INTO amounts SELECT g, CASE WHEN g % 2000 = 7 THEN (ARRAY[0, -5])[g / 2000 % 2 + 1] ELSE 1000 + hashint4(g)::int8 % 1000000 / 1000.0 END, CASE WHEN g % 2000 = 7 THEN 9e17 ELSE hashint4(g) % 1000000 * 2 END,
	hashint4(g) % 1000000 * 0.02, g * 0.01, CASE WHEN g % 100 = 0 THEN g - 3000 ELSE g END FROM generate_series(1, 20000) g;
SELECT ledger.seal('amounts') IS NOT NULL AS sealed;
CREATE FUNCTION skipped(condition text, tab text DEFAULT 'amounts') RETURNS text LANGUAGE plpgsql AS $$
DECLARE plan json; BEGIN
	EXECUTE format('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) SELECT id FROM %s WHERE ', tab) || condition INTO plan;
	RETURN CASE WHEN (plan->0->'Plan'->>'Segments Read')::int = 0 THEN 'by Bloom filter' WHEN (plan->0->'Plan'->>'Vectors Skipped by Zone Map')::int > 10 THEN 'by zone map' ELSE 'not' END;
END $$;
SELECT skipped('rarely_zero = 1000.00001'), skipped('rarely_huge = 777777'), skipped('any_n = 0.01'), skipped('ordered = 77.775'), skipped('late = 7700');
-- What zone maps have of oids above 2^31 is another Datum than what rows have
CREATE TABLE oids (id int, o oid) USING ledger;
INSERT INTO oids SELECT g, (CASE WHEN g < 1000 THEN 4000000000 ELSE 3000000000 END + g)::oid FROM generate_series(1, 5000) g;
SELECT ledger.seal('oids') IS NOT NULL AS sealed;
INSERT INTO oids VALUES (6000, 3999999999), (6001, 5);
SELECT max(o), count(*) FROM oids WHERE id > 1;
SELECT max(o), min(o), count(*) FROM oids WHERE id BETWEEN 2 AND 4500;
SELECT max(o), min(o), count(*) FROM oids WHERE id > 1500;
-- a default that no row is asked about, whose comparison is an error
CREATE TYPE pair AS (a int, b text);
CREATE TABLE later (id int) USING ledger;
INSERT INTO later SELECT 2 * g FROM generate_series(1, 5000) g;
SELECT ledger.seal('later') IS NOT NULL AS sealed;
ALTER TABLE later ADD COLUMN c pair DEFAULT row(1, 'a')::pair;
CREATE FUNCTION other_pair() RETURNS record STABLE LANGUAGE plpgsql AS 'BEGIN RETURN row(''x''::text, 1); END';
SELECT count(*) FILTER (WHERE id < 0 AND c < row('x'::text, 1)) FROM later;
SELECT id FROM later WHERE id >= 501 AND id <= 501 AND c < other_pair();
SELECT count(*) FROM later WHERE c = row(1, 'a')::pair AND id < 11;
-- Bloom filters of cidr, which inet's operators compare.
CREATE TABLE nets (id int, c cidr, i inet) USING ledger;
INSERT INTO nets SELECT g, x::cidr, x FROM (SELECT g, set_masklen(('10.' || (g * 7919) % 250 || '.' || (g * 31) % 250 || '.0')::inet, 24) x FROM generate_series(1, 20000) g) s;
SELECT ledger.seal('nets') >= 0 AS sealed;
CREATE TABLE nets_h AS SELECT * FROM nets;
SELECT condition, skipped(condition, 'nets') FROM unnest(ARRAY['c = ''10.1.251.0/24''', 'c = ''10.1.251.0/24''::cidr', 'i = ''10.1.251.0/24''::cidr', 'c = ''10.169.31.0/24''']) condition;
SELECT (SELECT row(count(*), sum(id)) FROM nets WHERE c = '10.169.31.0/24') = (SELECT row(count(*), sum(id)) FROM nets_h WHERE c = '10.169.31.0/24') AS same,
	(SELECT row(count(*), sum(id)) FROM nets WHERE c IN ('10.169.31.0/24', '10.88.62.0/24', '1.0.0.0/8')) = (SELECT row(count(*), sum(id)) FROM nets_h WHERE c IN ('10.169.31.0/24', '10.88.62.0/24', '1.0.0.0/8')) AS same;
DROP SCHEMA zones CASCADE;
