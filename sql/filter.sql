--
-- LedgerScan: filters pushed into the scan, and what is skipped, against heap,
-- with the scan on and off.
--
SET client_min_messages = warning;
CREATE SCHEMA filter;
SET search_path = filter, public;
SET timezone = 'UTC';
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN small AS int CHECK (VALUE < 1000000);
-- without ICU, one more that is deterministic
DO $$
BEGIN
	CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
EXCEPTION WHEN OTHERS THEN
	CREATE COLLATION nocase FROM "C";
END $$;
CREATE TABLE h (id int, gone text, i2 int2, i4 int, i8 int8, o oid, s small, f4 float4, f8 float8, n numeric, b bool,
	t text, tc text COLLATE "C", tn text COLLATE nocase, v varchar(20), c char(8), nm name, d date, ts timestamp, tz timestamptz, tm time,
	u uuid, y bytea, m mood, a int[], ip inet, j jsonb) USING heap;
CREATE TABLE l (LIKE h) USING ledger;
CREATE FUNCTION word(r float8) RETURNS text LANGUAGE sql IMMUTABLE AS
	$$ SELECT (ARRAY['', ' ', 'a', 'A', 'ab', 'AB', 'abc', 'abc ', 'Abd', 'é', 'É', 'zz', 'a%b', 'a_b', 'straße'])[floor(r * 15)::int + 1] $$;
-- rows start .. start + n - 1, in runs of alike ones, so that there is something to skip
CREATE FUNCTION make(start int, n int) RETURNS SETOF h LANGUAGE sql AS $$
	SELECT k, 'gone', CASE WHEN r[1] < 0.9 THEN k / 700 - 3 END, CASE WHEN r[2] < 0.95 THEN k / 10 * 10 END, CASE WHEN r[3] < 0.95 THEN (r[4] * 1e10)::int8 END,
		(k % 50 * 80000000::int8)::oid, k % 977,
		(ARRAY['NaN', '-0', '0', 'Infinity', '-Infinity', (k / 100)::text, (r[5] * 10)::text, NULL])[floor(r[6] * 8)::int + 1]::float4,
		CASE WHEN k % 3000 < 1100 THEN k ELSE (ARRAY['NaN', '-0', '0', 'Infinity', '-Infinity', (r[5] * 100)::text, NULL])[floor(r[7] * 7)::int + 1]::float8 END,
		(ARRAY['NaN', '1.0', '1.00', '-1.5', '0', (k / 7)::text, NULL])[floor(r[8] * 7)::int + 1]::numeric,
		CASE WHEN k % 4000 < 1500 THEN true WHEN r[9] < 0.1 THEN NULL ELSE r[9] < 0.5 END,
		CASE WHEN r[10] < 0.5 THEN word(r[11]) WHEN r[10] < 0.9 THEN 'key-' || md5((k / 3)::text) END,
		CASE WHEN r[10] < 0.9 THEN 'p' || lpad((k / 5)::text, 8, '0') END,
		word(r[12]) || CASE WHEN r[12] < 0.3 THEN k::text ELSE '' END,
		CASE WHEN r[13] < 0.9 THEN left(word(r[14]) || k % 300, 20) END, word(r[15]), word(r[16]) || k % 40,
		CASE WHEN r[17] < 0.02 THEN 'infinity' WHEN r[17] < 0.04 THEN '-infinity' WHEN r[17] < 0.95 THEN date '2026-01-01' + k / 1000 END,
		CASE WHEN r[18] < 0.02 THEN 'infinity' ELSE timestamp '2026-01-01' + k * interval '1 min' END,
		CASE WHEN r[19] < 0.01 THEN '-infinity' ELSE timestamptz '2026-01-01 00:00+00' + (k + r[20] * 100) * interval '1 min' END, time '00:00' + k % 1440 * interval '1 min',
		md5((k % 997)::text)::uuid, CASE WHEN r[21] < 0.9 THEN decode(left(md5((k / 2)::text), 8), 'hex') ELSE '' END,
		(enum_range(NULL::mood))[floor(r[22] * 4)::int + 1], CASE WHEN r[23] < 0.9 THEN ARRAY[k % 5, NULL, k % 7] END,
		('10.0.' || k / 1000 || '.' || k % 200)::inet, jsonb_build_object('k', k % 10, 't', word(r[24]))
	FROM (SELECT k, array_agg(random() ORDER BY x) AS r FROM generate_series(start, start + n - 1) k, generate_series(1, 24) x GROUP BY k) x ORDER BY k
$$;
CREATE TABLE src (LIKE h);
CREATE PROCEDURE fill(start int, n int) LANGUAGE sql AS $$
	INSERT INTO src SELECT * FROM make(start, n);
	INSERT INTO h SELECT * FROM src WHERE id >= start;
	INSERT INTO l SELECT * FROM src WHERE id >= start;
$$;

-- Conditions: a column with a constant of its values or of others
CREATE TABLE columns (name text, type text, extra text[]);
INSERT INTO columns VALUES ('id', 'int', '{-1,1000000}'), ('i2', 'int2', '{-32768,32767}'), ('i2', 'int8', '{-32769,4000000000}'), ('i4', 'int', '{-2147483648,2147483647}'),
	('i4', 'int8', '{-3000000000,3000000000}'), ('i8', 'int2', '{0}'), ('i8', 'int8', '{9223372036854775807,-9223372036854775808}'),
	('o', 'oid', '{0,4000000000}'), ('s', 'int', '{0}'), ('f4', 'float4', '{NaN,-0,Infinity,-Infinity}'), ('f4', 'float8', '{NaN,0,Infinity,0.1}'), ('f8', 'float8', '{NaN,-0,Infinity,-Infinity}'),
	('f8', 'float4', '{NaN,0}'), ('n', 'numeric', '{NaN,1,1.000,-1.50,Infinity}'), ('t', 'text', '{key-,key-1,zzz,"é"}'), ('tc', 'text', '{p,p00000100,q,""}'),
	('tn', 'text', '{A,É,ABC}'), ('v', 'text', '{a1,""}'), ('v', 'varchar', '{a1,""}'), ('c', 'char(8)', '{a,"a   ","",abc}'), ('t', 'char(8)', '{a,ab}'),
	('nm', 'name', '{a1}'), ('nm', 'text', '{ab2}'), ('d', 'date', '{infinity,-infinity,2026-01-02}'), ('d', 'timestamp', '{infinity,2026-01-02 12:00}'),
	('d', 'timestamptz', '{-infinity,2026-01-02 12:00+00}'), ('ts', 'timestamp', '{infinity,-infinity,2026-01-02 12:00}'), ('ts', 'date', '{2026-01-03}'),
	('tz', 'timestamptz', '{infinity,-infinity,2026-01-02 12:00+00}'), ('tz', 'date', '{2026-01-03,infinity}'), ('tz', 'timestamp', '{2026-01-03}'), ('tm', 'time', '{00:00,24:00}'),
	('u', 'uuid', '{00000000-0000-0000-0000-000000000000}'), ('y', 'bytea', '{"",\\x00,\\xff}'), ('m', 'mood', '{ok}'), ('a', 'int[]', '{"{1,NULL,2}"}'), ('ip', 'inet', '{10.0.1.0/24}');
CREATE FUNCTION pick(a anyarray) RETURNS anyelement LANGUAGE sql AS $$ SELECT a[floor(random() * array_length(a, 1))::int + 1] $$;
CREATE FUNCTION constant(col columns) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	value text;
BEGIN
	IF random() < 0.04 THEN RETURN 'NULL::' || col.type; END IF;
	IF random() < 0.3 OR col.name = 'i8' THEN
		value := pick(col.extra);
	ELSE
		EXECUTE format('SELECT %I::text FROM src WHERE id = $1', col.name) INTO value USING floor(random() * 9000)::int;
		BEGIN
			EXECUTE format('SELECT %L::%s', value, col.type);
		EXCEPTION WHEN OTHERS THEN
			value := pick(col.extra);
		END;
	END IF;
	RETURN format('%L::%s', value, col.type);
END $$;
CREATE FUNCTION condition(depth int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	col columns;
	kind float8 := random();
BEGIN
	IF depth > 0 AND kind < 0.4 THEN
		RETURN format('(%s %s %s)', condition(depth - 1), pick('{AND,OR}'::text[]), condition(depth - 1));
	END IF;
	SELECT * INTO col FROM columns OFFSET floor(random() * (SELECT count(*) FROM columns)) LIMIT 1;
	kind := floor(random() * 12);
	IF col.type LIKE '%[]' THEN kind := 11; END IF;
	CASE kind
		WHEN 0 THEN RETURN format('%s IS %s', col.name, pick('{"NULL",NOT NULL}'::text[]));
		WHEN 1 THEN RETURN pick('{b,NOT b,b IS TRUE,b IS FALSE,b IS NOT TRUE,b IS NULL,b = false}'::text[]);
		WHEN 2 THEN RETURN format('%s BETWEEN %s AND %s', col.name, constant(col), constant(col));
		WHEN 3, 4 THEN RETURN format('%s IN (%s, %s, %s)', col.name, constant(col), constant(col), constant(col));
		WHEN 5 THEN RETURN format('%s %s ALL (ARRAY[%s, %s])', col.name, pick('{<>,<,=}'::text[]), constant(col), constant(col));
		WHEN 6 THEN RETURN format('%s %s %L', pick('{t,tc,v,c,nm}'::text[]), pick('{LIKE,NOT LIKE,ILIKE}'::text[]),
			pick('{key-1%,key-%7,a%,A_%,%b%,p0000012%,p_00,"",%,a\\%b,a\\_%,q%,"abc "}'::text[]));
		WHEN 7 THEN RETURN pick('{id % 7 = 3,i4 + 1 > 500,lower(t) = ''a'',j->>''t'' = ''ab'',(id; i4) > (500; 20),t IS DISTINCT FROM ''a'',coalesce(b; true),tableoid > 0,ctid IS NOT NULL}'::text[]);
		ELSE RETURN CASE WHEN random() < 0.8 THEN format('%s %s %s', col.name, pick('{=,=,<>,<,<=,>,>=}'::text[]), constant(col))
			ELSE format('%s %s %s', constant(col), pick('{=,<>,<,<=,>,>=}'::text[]), col.name) END;
	END CASE;
END $$;
CREATE FUNCTION query() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	w text := replace(condition(2), ';', ',');
BEGIN
	RETURN CASE floor(random() * 8)
		WHEN 0 THEN format('SELECT count(*) FROM # WHERE %s', w)
		WHEN 1 THEN format('SELECT * FROM # WHERE %s ORDER BY id', w)
		WHEN 2 THEN format('SELECT count(x), sum(hashtext(x::text)) FROM # x WHERE %s', w)
		WHEN 3 THEN format('SELECT id, t, f8 FROM # WHERE %s ORDER BY id DESC LIMIT 7', w)
		WHEN 4 THEN format('SELECT m, b, count(*), min(tz), max(tc), sum(i8) FROM # WHERE %s GROUP BY m, b ORDER BY m, b', w)
		WHEN 5 THEN format('WITH q AS MATERIALIZED (SELECT id, n, v FROM # WHERE %s) SELECT * FROM q WHERE id < 4000 ORDER BY id', w)
		WHEN 6 THEN format('SELECT x.id, y.k FROM (SELECT DISTINCT id %% 50 AS k FROM # WHERE id < 40) y, LATERAL (SELECT id FROM # WHERE s = y.k AND %s ORDER BY id LIMIT 3) x ORDER BY 2, 1', w)
		ELSE format('SELECT id, c, ip FROM # WHERE %s AND id >= ALL (SELECT min(id) FROM #) ORDER BY id', w)
	END;
END $$;
CREATE PROCEDURE check_random(what text, n int) LANGUAGE plpgsql AS $$
DECLARE
	q text;
	v text;
BEGIN
	FOR k IN 1 .. n LOOP
		q := query();
		PERFORM set_config('ledger.enable_scan', (k % 8 <> 0)::text, false);
		v := oracle.query(q);
		IF v NOT LIKE 'same%' THEN
			RAISE WARNING '% %: %', what, q, v;
		END IF;
	END LOOP;
	RESET ledger.enable_scan;
END $$;

SELECT setseed(0.25);
CALL check_random('empty', 10);
CALL fill(0, 900);
CALL check_random('tail', 60);
CALL fill(900, 5000);
CALL check_random('both', 60);
BEGIN;
SAVEPOINT a;
CALL fill(5900, 2600);
CALL check_random('own', 40);
SAVEPOINT b;
INSERT INTO h SELECT * FROM src WHERE id < 200;
INSERT INTO l SELECT * FROM src WHERE id < 200;
CALL check_random('own, subtransaction', 40);
ROLLBACK TO b;
CALL check_random('rolled back', 20);
COMMIT;
CALL fill(8500, 500);
SELECT ledger.seal('l') >= 0 AS sealed;
ANALYZE h, l;
CALL check_random('sealed', 160);

-- columns that segments have no more, or not yet
ALTER TABLE h DROP COLUMN gone;
ALTER TABLE l DROP COLUMN gone;
ALTER TABLE h ADD COLUMN late int DEFAULT 7, ADD COLUMN later text DEFAULT 'abc', ADD COLUMN none numeric;
ALTER TABLE l ADD COLUMN late int DEFAULT 7, ADD COLUMN later text DEFAULT 'abc', ADD COLUMN none numeric;
ALTER TABLE src DROP COLUMN gone;
ALTER TABLE src ADD COLUMN late int DEFAULT 7, ADD COLUMN later text DEFAULT 'abc', ADD COLUMN none numeric;
INSERT INTO columns VALUES ('late', 'int', '{7,8}'), ('late', 'int8', '{7}'), ('later', 'text', '{abc,x}'), ('none', 'numeric', '{1}');
INSERT INTO h SELECT * FROM src WHERE id < 100;
INSERT INTO l SELECT * FROM src WHERE id < 100;
INSERT INTO h (id, late, later, none) SELECT k, k % 10, 'later ' || k, k FROM generate_series(20000, 20099) k;
INSERT INTO l (id, late, later, none) SELECT k, k % 10, 'later ' || k, k FROM generate_series(20000, 20099) k;
CALL check_random('columns', 60);
SELECT oracle.query('SELECT count(*), sum(id) FROM # WHERE late = 7'), oracle.query('SELECT count(*) FROM # WHERE later LIKE ''lat%'''),
	oracle.query('SELECT count(*), sum(late) FROM # WHERE none IS NULL AND later = ''abc''');
-- parallel, with counts from all processes
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CALL check_random('parallel', 40);
EXPLAIN (COSTS OFF) SELECT count(*) FROM l WHERE id < 100;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- types that change without a rewrite
ALTER TABLE h ALTER v TYPE text, ALTER i4 TYPE oid USING i4::oid;
ALTER TABLE l ALTER v TYPE text, ALTER tc TYPE text COLLATE nocase;
ALTER TABLE h ALTER tc TYPE text COLLATE nocase;
ALTER TABLE l ALTER i4 TYPE oid USING i4::oid;
SELECT oracle.query('SELECT count(*) FROM # WHERE v = ''a1'''), oracle.query('SELECT count(*) FROM # WHERE tc = ''P00000100'''), oracle.query('SELECT count(*) FROM # WHERE i4 > 1000');

-- Dictionaries: filters on codes, of columns with few distinct values, some NULL
CREATE TABLE dh (id int, t text, nd text COLLATE nocase, c char(6), n numeric, a int[], y bytea, one text, part text, none text, b bool) USING heap;
CREATE TABLE dl (LIKE dh) USING ledger;
CREATE FUNCTION few(start int, n int) RETURNS SETOF dh LANGUAGE sql AS $$
	SELECT k, CASE WHEN k < 100 THEN 'zzz' WHEN k % 11 > 0 THEN 'val-' || chr(97 + (hashint4(k) & 7)) || repeat('q', hashint4(k) & 7) END, CASE WHEN k % 13 > 0 THEN word((hashint4(k + 1) & 15) / 16.0) END,
		word((hashint4(k + 2) & 15) / 16.0)::char(6), CASE WHEN k % 7 > 0 THEN (hashint4(k + 3) & 3)::numeric + CASE WHEN k % 2 = 0 THEN 0.0 ELSE 0.00 END END,
		CASE WHEN k % 3 > 0 THEN ARRAY[hashint4(k + 4) & 3, NULL, hashint4(k + 5) & 3] END, decode(md5((hashint4(k + 6) & 255)::text), 'hex'), 'one', CASE WHEN k > 3000 THEN 'some' END, NULL::text, k % 4 = 0
	FROM generate_series(start, start + n - 1) k
$$;
INSERT INTO dh SELECT * FROM few(0, 9000);
INSERT INTO dl SELECT * FROM few(0, 9000);
SELECT ledger.seal('dl') >= 0 AS sealed;
SELECT column_name, bool_and(encoding = 'dictionary') AS codes FROM ledger.chunks('dl') WHERE column_name IN ('nd', 'c', 'n', 'a', 'y') GROUP BY column_name ORDER BY column_name COLLATE "C";
-- of a transaction that is not over, and of a tail
BEGIN;
SAVEPOINT a;
INSERT INTO dl SELECT * FROM few(9000, 2500);
ROLLBACK TO a;
INSERT INTO dh SELECT * FROM few(9000, 3000);
INSERT INTO dl SELECT * FROM few(9000, 3000);
COMMIT;
INSERT INTO dh SELECT * FROM few(12000, 50);
INSERT INTO dl SELECT * FROM few(12000, 50);
ANALYZE dh, dl;
CREATE TABLE tests (test text);
INSERT INTO tests SELECT format('%s %s %s', col, op, val) FROM unnest('{=,<>,<,<=,>,>=}'::text[]) op,
	(VALUES ('t', '''val-dqqq'''), ('t', '''val-dd'''), ('t', '''zzz'''), ('t', '''a'''), ('t', 'NULL'), ('nd', '''AB'''), ('nd', '''É'''), ('nd', '''nothing'''), ('c', '''a'''), ('c', '''abc'''),
		('n', '2'), ('n', '2.5'), ('n', '''NaN'''), ('a', '''{1,NULL,2}'''), ('a', '''{}'''), ('y', 'decode(md5(''77''), ''hex'')'), ('y', '''\x77'''), ('one', '''one'''), ('one', '''on'''),
		('part', '''some'''), ('part', '''soma'''), ('none', '''x''')) x (col, val);
INSERT INTO tests SELECT col || ' ' || test FROM unnest('{t,c,one,part,none}'::text[]) col,
	unnest(ARRAY['LIKE ''val-%''', 'LIKE ''%-dqqq''', 'LIKE ''_n%''', 'ILIKE ''VAL-DQQQ''', 'NOT LIKE ''%dqqq''', '~ ''[bdf]q+$''', '~* ''^A''', 'LIKE ''''', 'LIKE ''%e''']) test;
INSERT INTO tests SELECT col || ' ' || test FROM unnest('{t,nd,c,n,a,y,one,part,none,b}'::text[]) col, unnest('{IS NULL,IS NOT NULL}'::text[]) test;
INSERT INTO tests VALUES ('t IN (''val-bq'', ''val-i'', ''val-bb'', NULL)'), ('t IN (''val-bb'', ''val-bc'')'), ('nd IN (''ABC'', ''zz'')'), ('c IN (''a'', ''zz'', ''q'')'), ('n IN (1, 3.00, 9)'),
	('t BETWEEN ''val-cqq'' AND ''val-eqqqq'''), ('nd BETWEEN ''a'' AND ''abc'''), ('NOT b'), ('t <> ALL (ARRAY[''val-bq'', ''val-cqq''])'),
	('id >= 5000 AND t LIKE (SELECT ''zz\'')'), ('id >= 8000 AND (t = ''zzz'' OR nd = ''ab'')');
-- the pattern is an error for values that other rows have only; others alone, and in trees
CREATE FUNCTION check_codes() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	q text;
	v text;
	checked int := 0;
BEGIN
	FOR q IN SELECT test FROM tests UNION ALL
		SELECT format('(%s %s (%s %s %s))', x, o[1], y, o[2], z)
		FROM (SELECT pick(array_agg(test)) AS x, pick(array_agg(test)) AS y, pick(array_agg(test)) AS z, k FROM tests, generate_series(1, 150) k WHERE test NOT LIKE 'id%' GROUP BY k) q,
			unnest(ARRAY[k]) i, LATERAL (SELECT CASE i % 3 WHEN 0 THEN '{OR,AND}'::text[] WHEN 1 THEN '{AND,OR}' ELSE '{OR,OR}' END AS o) p
	LOOP
		FOR k IN 1 .. 2 LOOP
			PERFORM set_config('ledger.enable_scan', (k = 1)::text, false);
			v := oracle.query(format('SELECT count(*), sum(id), min(t), max(nd COLLATE "C"), count(c), sum(n) FROM d# WHERE %s', q));
			IF v NOT LIKE 'same%' THEN RAISE WARNING '%: %', q, v; END IF;
			checked := checked + 1;
		END LOOP;
		v := oracle.query(format('SELECT id, one, part FROM (SELECT * FROM d# WHERE %s ORDER BY id LIMIT 20) x', q));
		IF v NOT LIKE 'same%' THEN RAISE WARNING '%: %', q, v; END IF;
	END LOOP;
	RESET ledger.enable_scan;
	RETURN checked;
END $$;
SELECT check_codes();
-- a value that makes the pattern an error, of rows that are skipped
CREATE TABLE eh (id int, x text) USING heap;
CREATE TABLE el (LIKE eh) USING ledger;
INSERT INTO eh SELECT k, md5((CASE WHEN k BETWEEN 1000 AND 1100 THEN 9 ELSE hashint4(k) & 7 END)::text) FROM generate_series(0, 8999) k;
INSERT INTO el SELECT * FROM eh ORDER BY id;
SELECT ledger.seal('el') >= 0 AS sealed;
SELECT oracle.query('SELECT count(*), sum(id) FROM e# WHERE id >= 5000 AND x LIKE (SELECT ''45c4\'')');

-- Plans
SET max_parallel_workers_per_gather = 0;
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || query LOOP
		-- 18 has more to tell
		CONTINUE WHEN line ~ 'Index Searches|Buffers|Storage';
		RETURN NEXT regexp_replace(line, 'rows=(\d+)\.00', 'rows=\1');
	END LOOP;
END $$;
CREATE TABLE p (id int, ts timestamptz, k text, t text COLLATE "C", n int) USING ledger;
INSERT INTO p SELECT i, timestamptz '2026-01-01 00:00+00' + i * interval '1 s', 'key-' || md5(i::text), 'row ' || lpad(i::text, 6, '0'), i % 3 FROM generate_series(0, 16383) i;
SELECT ledger.seal('p') >= 0 AS sealed;
INSERT INTO p SELECT 20000, '2027-01-01 00:00+00', 'new', 'row 020000', 5;
ANALYZE p;
-- what says so depends on whether the chunk is open
SET ledger.decode_cache = 0;
SELECT plan('SELECT * FROM p WHERE id = 3000');
RESET ledger.decode_cache;
SELECT plan('SELECT id FROM p WHERE ts >= ''2026-01-01 04:00+00''::timestamptz AND ts < ''2026-01-01 04:00:10+00''::timestamptz AND n = 1');
SELECT plan('SELECT id FROM p WHERE k = ''key-'' || md5(''77'')');
SELECT plan('SELECT id FROM p WHERE k = ''key-0123456789abcdef0123456789abcdef''');
SELECT plan('SELECT id FROM p WHERE t LIKE ''row 0110%'' AND id % 2 = 0 AND (n = 1 OR n IS NULL)');
SELECT plan('SELECT count(*) FROM p');
SELECT plan('SELECT id FROM p WHERE id IN (5, 16000, 99999) OR t > ''row 02''');
SELECT plan('SELECT id FROM p WHERE k = NULL::text || ''x''');
-- what dictionaries say: here a segment has none of the values, and there some rows
CREATE TABLE dp (id int, t text) USING ledger;
INSERT INTO dp SELECT i, CASE WHEN i % 10 > 0 THEN md5((hashint4(i) & 7)::text) END FROM generate_series(0, 8191) i;
SELECT ledger.seal('dp') >= 0 AS sealed;
ANALYZE dp;
SELECT plan('SELECT id FROM dp WHERE t = repeat(''7'', 32)');
SELECT plan('SELECT id FROM dp WHERE id < 2000 AND (t = repeat(''7'', 32) OR t IN (repeat(''8'', 32), repeat(''9'', 32)))');
SELECT plan('SELECT id FROM dp WHERE t LIKE ''77%'' AND id < 2000');
SELECT plan('SELECT count(*) FROM dp WHERE t = md5(''3'')');
-- keys of each rescan
SELECT k, (SELECT count(*) FROM dp WHERE t = md5(k)) FROM unnest('{1,11,NULL,2,1}'::text[]) k;
EXPLAIN (COSTS OFF, VERBOSE) SELECT t FROM p WHERE NOT (n > 1) AND ctid <> '(0,1)';
CREATE FUNCTION json_plan() RETURNS json LANGUAGE plpgsql AS $$
DECLARE
	j json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, FORMAT JSON) SELECT t FROM p WHERE n > 4' INTO j;
	RETURN j;
END $$;
SELECT p->>'Pushed Filter' AS filter, p->'Columns' AS columns, p->'Segments Read' AS segments, p->'Vectors Skipped by Zone Map' AS vectors, p->'Rows Removed by Pushed Filter' AS removed
FROM (SELECT json_plan()->0->'Plan' AS p) x;
SET ledger.enable_scan = off;
EXPLAIN (COSTS OFF) SELECT t FROM p WHERE n > 1;
RESET ledger.enable_scan;

-- an index wins where it is better, and comes back when dropped
CREATE INDEX p_k ON p (k);
EXPLAIN (COSTS OFF) SELECT * FROM p WHERE k = 'new';
EXPLAIN (COSTS OFF) SELECT * FROM p WHERE k > 'key-1';
DROP INDEX p_k;

-- run-time keys: joins, prepared statements, stable expressions
CREATE TABLE keys (k int);
INSERT INTO keys VALUES (1), (9000), (NULL), (16383), (50000);
ANALYZE keys;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
-- 15 has the clause the other way round
CREATE FUNCTION join_plan() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXPLAIN (COSTS OFF) SELECT p.id FROM keys JOIN p ON p.id = keys.k ORDER BY 1 LOOP
		RETURN NEXT replace(line, '(keys.k = id)', '(id = keys.k)');
	END LOOP;
END $$;
SELECT join_plan();
SELECT p.id FROM keys JOIN p ON p.id = keys.k ORDER BY 1;
SELECT keys.k, p.id FROM keys LEFT JOIN p ON p.id = keys.k AND p.n = 0 ORDER BY 1;
EXPLAIN (COSTS OFF) SELECT keys.k, x.id FROM keys, LATERAL (SELECT id FROM p WHERE p.id > keys.k ORDER BY id LIMIT 1) x;
SELECT keys.k, x.id FROM keys, LATERAL (SELECT id FROM p WHERE p.id > keys.k ORDER BY id LIMIT 1) x ORDER BY 1;
RESET enable_hashjoin;
RESET enable_mergejoin;
SET plan_cache_mode = force_generic_plan;
PREPARE q (int, text) AS SELECT id FROM p WHERE id = $1 OR k = $2 ORDER BY id;
EXPLAIN (COSTS OFF) EXECUTE q (5, 'new');
EXECUTE q (5, 'new');
EXECUTE q (NULL, 'new');
EXECUTE q (16000, NULL);
PREPARE a (int[]) AS SELECT id FROM p WHERE id = ANY ($1) ORDER BY id;
EXECUTE a ('{1,NULL,20000,3,3}');
EXECUTE a ('{}');
EXECUTE a (NULL);
RESET plan_cache_mode;
SELECT count(*) FROM p WHERE ts > now() - interval '1000 years' AND ts < now() + interval '1000 years';

-- cursors: backward needs a Material
BEGIN;
EXPLAIN (COSTS OFF) DECLARE c SCROLL CURSOR FOR SELECT id FROM p WHERE id BETWEEN 1020 AND 1030;
DECLARE c SCROLL CURSOR FOR SELECT id FROM p WHERE id BETWEEN 1020 AND 1030;
FETCH 3 FROM c;
FETCH BACKWARD 2 FROM c;
FETCH LAST FROM c;
FETCH PRIOR FROM c;
DECLARE d CURSOR FOR SELECT id FROM p WHERE id >= 1023;
FETCH 2 FROM d;
INSERT INTO p VALUES (1023, NULL, NULL, NULL, NULL);
FETCH 1 FROM d;
COMMIT;

-- what a filter must not see before the row's owner does
CREATE ROLE ledger_filter_reader;
GRANT USAGE ON SCHEMA filter TO ledger_filter_reader;
CREATE VIEW safe WITH (security_barrier) AS SELECT * FROM p WHERE id % 2 = 0;
GRANT SELECT ON safe TO ledger_filter_reader;
SET ROLE ledger_filter_reader;
EXPLAIN (COSTS OFF) SELECT id FROM safe WHERE id < 4 AND t LIKE 'row%';
SELECT id FROM safe WHERE id < 4 AND t LIKE 'row%' ORDER BY id;
RESET ROLE;
DROP VIEW safe;
DROP OWNED BY ledger_filter_reader;
DROP ROLE ledger_filter_reader;

-- partitions, inheritance, system columns, whole rows
CREATE TABLE parts (id int, t text) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100) USING ledger;
CREATE TABLE parts_2 (t text, x int, id int) USING ledger;
ALTER TABLE parts_2 DROP COLUMN x;
ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES FROM (100) TO (200);
INSERT INTO parts SELECT i, 'row ' || i FROM generate_series(0, 199) i;
EXPLAIN (COSTS OFF) SELECT * FROM parts WHERE t = 'row 150';
SELECT tableoid::regclass, parts FROM parts WHERE t IN ('row 15', 'row 150') ORDER BY id;
SELECT count(*) FROM parts x JOIN parts y USING (id) WHERE y.t < 'row 2';
-- FOR UPDATE of a heap table looks at the ledger's row again
BEGIN;
SELECT keys.k, parts.t FROM keys JOIN parts ON parts.id = keys.k WHERE parts.t = 'row 1' FOR UPDATE OF keys;
SELECT t FROM parts WHERE id = 7 FOR SHARE;
COMMIT;

-- a timestamp beside one with time zone: not in order where the clock leaps
CREATE TABLE leap_h (ts timestamp) USING heap;
CREATE TABLE leap (ts timestamp) USING ledger;
INSERT INTO leap_h SELECT timestamp '2026-03-08 02:55' + k * interval '1 s' FROM generate_series(1, 1500) k;
INSERT INTO leap SELECT * FROM leap_h;
SELECT ledger.seal('leap');
SET timezone = 'America/New_York';
SELECT count(*) FROM leap_h WHERE ts < timestamptz '2026-03-08 07:01+00';
SELECT count(*) FROM leap WHERE ts < timestamptz '2026-03-08 07:01+00';
SELECT count(*) FROM leap WHERE ts = timestamptz '2026-03-08 07:01+00';
SET timezone = 'UTC';
DROP TABLE leap_h, leap;

-- arrays of many, of types that are compared by their functions: these are hashed
CREATE TYPE hue AS ENUM ('c', 'b', 'a');
CREATE TABLE many_h (id int, n numeric, f float8, g float4, bp char(4), h hue, i inet, j jsonb) USING heap;
CREATE TABLE many (LIKE many_h) USING ledger;
CREATE FUNCTION many_rows(start int, rows int) RETURNS SETOF many_h LANGUAGE sql AS $$
	SELECT i, CASE WHEN i % 10 = 0 THEN 'NaN' WHEN i % 9 > 0 THEN round(i / 4.0, i % 5) END, CASE i % 8 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' ELSE i / 8.0 END, CASE i % 8 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' ELSE (i % 40) / 8.0 END,
		chr(97 + i % 20) || repeat(' ', i % 2), ('{c,b,a}'::hue[])[1 + i % 3], '10.0.0.0'::inet + i % 300, jsonb_build_object('d', (i % 20) / 4.0)
	FROM generate_series(start, start + rows - 1) i
$$;
INSERT INTO many_h SELECT * FROM many_rows(1, 3000);
INSERT INTO many SELECT * FROM many_rows(1, 3000);
SELECT ledger.seal('many') >= 0 AS sealed;
INSERT INTO many_h SELECT * FROM many_rows(3001, 50);
INSERT INTO many SELECT * FROM many_rows(3001, 50);
DO $$
DECLARE q text; v text; BEGIN
	FOREACH q IN ARRAY ARRAY['n IN (1, 1.25, 2, 2.50, 3.000, 4, 5, 6, 7, 760, ''NaN'', NULL)', 'n = ANY (ARRAY(SELECT i / 4.0 FROM generate_series(1, 500) i))', 'n IN (1, 2)',
		'f = ANY (''{0, 1, 1.25, NaN, 4, 5, 6, 7, 8, 9, 380.5}''::float8[])', 'f = ANY (''{0.125, 1.25}''::float4[])', 'g = ANY (''{0, 1, 1.25, NaN, 4, 5, 6, 7, 8, 9}''::float8[])',
		'bp IN (''a'', ''b '', ''c  '', ''d'', ''e'', ''f'', ''g'', ''h'', ''i'', ''j'')', 'h = ANY (''{a,a,a,a,a,a,a,a,a,b}''::hue[])', 'i = ANY (ARRAY(SELECT ''10.0.0.7/32''::inet + k FROM generate_series(1, 20) k))',
		'(j->>''d'')::numeric IN (1, 2, 3, 4, 1.25, 1.50, 1.75, 2.25, 0, 17)', 'j->''d'' = ANY (''{1,2.0,3,4,1.25,1.5,1.75,2.25,0,true}''::jsonb[])'] LOOP
		v := oracle.query(format('SELECT count(*), sum(id) FROM # WHERE %s', q), 'many_h', 'many');
		IF v NOT LIKE 'same%' THEN
			RAISE WARNING '%: %', q, v;
		END IF;
	END LOOP;
END $$;

-- arrays of more elements than are held against each map, or found in a dictionary, one by one
CREATE TABLE lists_h (id int, trace text, c text COLLATE "C", u uuid, y bytea, v varchar, k int8, o oid, f float8, g float4, d date, tz timestamptz, n numeric, i2 int2, uniq text, few text) USING heap;
CREATE TABLE lists (LIKE lists_h) USING ledger;
CREATE TYPE list_row AS (id int, trace text, c text, u uuid, y bytea, v varchar, k int8, o oid, f float8, g float4, d date, tz timestamptz, n numeric, i2 int2, uniq text, few text);
CREATE FUNCTION list_rows(start int, rows int) RETURNS SETOF list_row LANGUAGE sql AS $$
	SELECT i, CASE WHEN i % 50 > 0 THEN 'tr-' || md5((i / 6)::text) END, 'p' || lpad((i / 3)::text, 8, '0'), md5((i / 4)::text)::uuid, decode(md5((i / 5)::text), 'hex'), (i / 7)::text || repeat('x', i / 7 % 40),
		CASE WHEN i % 60 > 0 THEN (i - 5000) * 1000000007::int8 END, ((i + 1000) * 100000::int8)::oid, CASE i % 900 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' WHEN 2 THEN 'Infinity' ELSE i / 8.0 END, (i - 9000) / 4.0,
		date '2026-01-01' + i / 9, timestamptz '2026-01-01 00:00+00' + i * interval '1 s', i / 16.0, i - 9000, 'entry ' || i, 'val-' || hashint4(i / 10) % 700
	FROM generate_series(start, start + rows - 1) i
$$;
CREATE PROCEDURE fill_lists(start int, rows int) LANGUAGE sql AS $$
	INSERT INTO lists_h SELECT * FROM list_rows(start, rows);
	INSERT INTO lists SELECT * FROM list_rows(start, rows);
$$;
CALL fill_lists(0, 9000);
SELECT ledger.seal('lists') >= 0 AS sealed;
CALL fill_lists(9000, 9000);
SELECT ledger.seal('lists') >= 0 AS sealed;
CALL fill_lists(18000, 100);
ALTER TABLE lists_h ADD COLUMN later text DEFAULT 'p00000007';
ALTER TABLE lists ADD COLUMN later text DEFAULT 'p00000007';
CREATE PROCEDURE check_lists() LANGUAGE plpgsql AS $$
DECLARE
	col record;
	rows text;
	absent text;
	list text;
	q text;
	v text;
BEGIN
	FOR col IN SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute WHERE attrelid = 'lists_h'::regclass AND attnum > 0 AND attname <> 'later' LOOP
		FOREACH rows IN ARRAY ARRAY['false', 'id < 2', 'id = 17999', 'id BETWEEN 500 AND 560', 'id BETWEEN 4000 AND 4070', 'id %% 300 = 5', 'id %% 200 = 1 AND id > 9000', 'id %% 60 = 0', 'id %% 20 = 3', 'id BETWEEN 8900 AND 9900', 'id %% 3 = 0', 'true'] LOOP
			-- of all, mostly such as lie between or beside those stored
			FOREACH absent IN ARRAY ARRAY['', ' UNION ALL SELECT %1$I FROM list_rows(-90, 80) UNION ALL SELECT %1$I FROM list_rows(20000, 200)'] LOOP
				EXECUTE format('SELECT ARRAY(SELECT %1$I FROM lists_h WHERE ' || rows || absent || ')::text', col.name) INTO list;
				q := format('SELECT count(*), sum(id), sum(hashtext(trace)) FROM # WHERE %I = ANY (%L::%s[])', col.name, list, col.type);
				v := oracle.query(q, 'lists_h', 'lists');
				IF v NOT LIKE 'same%' THEN
					RAISE WARNING '%: %: %', col.name, rows || absent, v;
				END IF;
			END LOOP;
		END LOOP;
	END LOOP;
END $$;
CALL check_lists();
SELECT oracle.query('SELECT count(*), sum(id) FROM # WHERE later = ANY (ARRAY(SELECT c FROM lists_h WHERE id < 1000))', 'lists_h', 'lists'),
	oracle.query('SELECT count(*), sum(id) FROM # WHERE trace = ANY (ARRAY(SELECT trace FROM lists_h WHERE id % 100 = 7)) AND (c = ANY (ARRAY(SELECT c FROM lists_h WHERE id % 90 = 7)) OR k = ANY (ARRAY(SELECT k FROM lists_h WHERE id < 100)))', 'lists_h', 'lists'),
	oracle.query('SELECT id FROM # WHERE v = ANY (ARRAY(SELECT v FROM lists_h WHERE id % 80 = 7)) ORDER BY id DESC LIMIT 9', 'lists_h', 'lists'),
	oracle.query('SELECT count(*), sum(id) FROM # WHERE g = ANY (ARRAY(SELECT g::float8 FROM lists_h WHERE id % 80 = 7))', 'lists_h', 'lists'),
	oracle.query('SELECT count(*), sum(id) FROM # WHERE i2 = ANY (ARRAY(SELECT k FROM lists_h WHERE id % 3 = 1 UNION ALL SELECT 40 UNION ALL SELECT 32768 UNION ALL SELECT -9000))', 'lists_h', 'lists'),
	oracle.query('SELECT x, (SELECT count(*) FROM # WHERE trace = ANY (ARRAY(SELECT trace FROM lists_h WHERE id BETWEEN x AND x + 600))) FROM generate_series(0, 18000, 3000) x', 'lists_h', 'lists');
-- what is skipped, of 18 vectors
CREATE FUNCTION vectors_read(condition text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, FORMAT json) SELECT id FROM lists WHERE ' || condition INTO plan;
	RETURN jsonb_path_query_first(plan::jsonb, '$.**."Vectors Read"');
END $$;
SELECT col, vectors_read(format('%1$I = ANY (ARRAY(SELECT %1$I FROM lists_h WHERE id BETWEEN 4100 AND 4800))', col)) AS of_700_rows, vectors_read(format('%1$I = ANY (ARRAY(SELECT %1$I FROM lists_h WHERE id IN (101, 5003, 10007)))', col)) AS of_3_rows
FROM unnest('{id,trace,c,u,y,v,k,o,g,d,tz,n,i2,uniq}'::name[]) AS col;
DROP PROCEDURE check_lists, fill_lists;
DROP FUNCTION list_rows, vectors_read;
DROP TABLE lists_h, lists;
DROP TYPE list_row;

-- the right to execute an operator's function
CREATE TYPE tone AS ENUM ('a', 'b');
CREATE TABLE moods_h (m tone) USING heap;
CREATE TABLE moods (m tone) USING ledger;
INSERT INTO moods_h VALUES ('a'), ('b');
INSERT INTO moods VALUES ('a'), ('b');
CREATE ROLE regress_ledger_filter;
GRANT USAGE ON SCHEMA filter TO regress_ledger_filter;
GRANT SELECT ON moods_h, moods TO regress_ledger_filter;
BEGIN;
REVOKE EXECUTE ON FUNCTION pg_catalog.enum_eq FROM public;
SET LOCAL ROLE regress_ledger_filter;
SAVEPOINT before;
SELECT * FROM moods_h WHERE m = 'b';
ROLLBACK TO before;
SELECT * FROM moods WHERE m = 'b';
ROLLBACK TO before;
SELECT * FROM moods WHERE m < 'b';
ROLLBACK;
-- What is read of segments to exclude them is kept from the second time on, of however many
CREATE TABLE segs (id int, t text) USING ledger;
DO $$ BEGIN
	FOR i IN 1 .. 300 LOOP
		INSERT INTO segs SELECT g, md5(g || '/' || i) FROM generate_series(1, 40) g;
		COMMIT;
		PERFORM ledger.seal('segs');
		COMMIT;
	END LOOP;
END $$;
SELECT segments FROM ledger.stats('segs');
CREATE FUNCTION hits(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT json) ' || query INTO plan;
	RETURN plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks';
END $$;
SELECT hits($$SELECT * FROM segs WHERE t = 'absent'$$) > 300 AS opened;
SELECT min(hits($$SELECT * FROM segs WHERE t = 'absent'$$)) < 100 AS kept FROM generate_series(1, 6);
DROP OWNED BY regress_ledger_filter;
DROP ROLE regress_ledger_filter;
DROP SCHEMA filter CASCADE;
