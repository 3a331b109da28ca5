--
-- Every built-in type comes back bit for bit: random values of each type that
-- a column can have, with NULLs, in the tail and in segments, from a bulk
-- writer and from single rows, compared with a heap table of the same rows.
--
SET client_min_messages = warning;
CREATE SCHEMA types;
SET search_path = types, public, pg_catalog;
SET timezone = 'UTC';
SELECT setseed(0.42);

CREATE TYPE colour AS ENUM ('red', 'green', 'blue', 'a colour whose name is as long as a name can get to be, 63 b');
CREATE DOMAIN posint AS int CHECK (VALUE > 0);
CREATE DOMAIN shorttext AS varchar(5);
CREATE TYPE pair AS (n int, t text);
CREATE TYPE nested AS (p pair, a int[], c colour);
CREATE TYPE textrange AS RANGE (subtype = text, collation = "C");

-- Random text: short, long, repetitive, not ASCII, empty.
CREATE FUNCTION rtext() RETURNS text LANGUAGE sql VOLATILE AS $f$
	SELECT CASE (random() * 7)::int
		WHEN 0 THEN ''
		WHEN 1 THEN repeat('ab', (random() * 40)::int)
		WHEN 2 THEN md5(random()::text)
		WHEN 3 THEN 'häß–日本語 ' || chr((random() * 1000)::int + 19968)
		WHEN 4 THEN repeat(md5(random()::text), (random() * 20)::int)
		WHEN 5 THEN 'tr-' || md5((random() * 10)::int::text)
		WHEN 6 THEN E'line\tone\nline "two" \\ {},()'
		ELSE (random() * 100000)::int::text END
$f$;
CREATE FUNCTION rbytes(n int) RETURNS bytea LANGUAGE sql VOLATILE AS $f$
	SELECT decode(string_agg(lpad(to_hex((random() * 255)::int), 2, '0'), ''), 'hex') FROM generate_series(1, n)
$f$;
CREATE FUNCTION rjson(depth int) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $f$
BEGIN
	RETURN CASE (random() * CASE WHEN depth > 2 THEN 6 ELSE 9 END)::int
		WHEN 0 THEN 'null'
		WHEN 1 THEN 'true'
		WHEN 2 THEN to_jsonb((random() * 1000)::int)
		WHEN 3 THEN to_jsonb((random() * 1e10)::numeric(20, 7))
		WHEN 4 THEN '1.500'
		WHEN 5 THEN to_jsonb(rtext())
		WHEN 6 THEN '[]'
		WHEN 7 THEN '{}'
		WHEN 8 THEN jsonb_build_array(rjson(depth + 1), rjson(depth + 1))
		ELSE jsonb_build_object('level', 'info', 'tokens', (random() * 500)::int, rtext(), rjson(depth + 1), 'x', rjson(depth + 1)) END;
END $f$;

-- An expression for each base type; i counts the rows.
CREATE TABLE generators (typ text PRIMARY KEY, expr text) USING heap;
INSERT INTO generators VALUES
	('bool', 'random() < 0.3'),
	('bytea', 'rbytes((random() * 40)::int)'),
	('char', 'chr((random() * 126)::int + 1)::"char"'),
	('name', 'left(rtext(), 20)::name'),
	('int2', '(random() * 65535 - 32768)::int2'),
	('int4', 'CASE i % 5 WHEN 0 THEN -2147483648 WHEN 1 THEN 2147483647 ELSE (random() * 1000)::int + i END'),
	('int8', 'CASE i % 5 WHEN 0 THEN -9223372036854775808 WHEN 1 THEN 9223372036854775807 ELSE (random() * 1e15)::int8 END'),
	('int2vector', '(i || '' '' || (random() * 1000)::int)::int2vector'),
	('oidvector', '(i || '' '' || (random() * 100000)::int)::oidvector'),
	('regproc', '(ARRAY[''now'', ''pi'', ''-'', ''version''])[i % 4 + 1]::regproc'),
	('regprocedure', '(ARRAY[''now()'', ''pi()'', ''-''])[i % 3 + 1]::regprocedure'),
	('regoper', '(ARRAY[''||/'', ''|/'', ''0''])[i % 3 + 1]::regoper'),
	('regoperator', '(ARRAY[''+(int4,int4)'', ''*(int8,int4)'', ''0''])[i % 3 + 1]::regoperator'),
	('regclass', '(''{pg_class,pg_type,-,1234567890}''::regclass[])[i % 4 + 1]'),
	('regcollation', '(ARRAY[''"C"'', ''"POSIX"'', ''-''])[i % 3 + 1]::regcollation'),
	('regtype', '(ARRAY[''int4'', ''text[]'', ''-'', ''types.pair''])[i % 4 + 1]::regtype'),
	('regrole', '(i * 77)::oid::regrole'),
	('regnamespace', '(ARRAY[''pg_catalog'', ''types'', ''-''])[i % 3 + 1]::regnamespace'),
	('regconfig', '(ARRAY[''simple'', ''english'', ''0''])[i % 3 + 1]::regconfig'),
	('regdictionary', '(ARRAY[''simple'', ''english_stem'', ''0''])[i % 3 + 1]::regdictionary'),
	('text', 'rtext()'),
	('oid', '(random() * 4294967295)::int8::oid'),
	('tid', 'format(''(%s,%s)'', (random() * 4e9)::int8, (random() * 65535)::int)::tid'),
	('xid', '((random() * 4294967295)::int8)::text::xid'),
	('cid', '((random() * 4294967295)::int8)::text::cid'),
	('xid8', '((random() * 1e18)::int8)::text::xid8'),
	('json', '(''  '' || rjson(0)::text || E''\n'')::json'),
	('jsonb', 'rjson(0)'),
	('jsonpath', '(ARRAY[''$'', ''strict $.a[*] ? (@.b > 1.5)'', ''$.x.y[0 to 3].type()'', ''$."k" ? (@ like_regex "^a")''])[i % 4 + 1]::jsonpath'),
	('xml', 'xmlelement(name x, xmlattributes(i AS n), rtext())'),
	('point', 'point(random() * 1000, -random())'),
	('lseg', 'lseg(point(random(), i), point(i, random()))'),
	('path', 'format(CASE WHEN i % 2 = 0 THEN ''((%s,%s),(1,1),(2.5,0))'' ELSE ''[(%s,%s),(1,1)]'' END, random(), random())::path'),
	('box', 'box(point(random() * 10, random()), point(-random(), i))'),
	('polygon', 'polygon(i % 7 + 3, circle(point(random(), i), 5))'),
	('line', 'line(point(random(), i), point(i + 1, random()))'),
	('circle', 'circle(point(random(), i), random() * 100)'),
	('float4', '(ARRAY[''NaN'', ''-0'', ''Infinity'', ''-Infinity'', ''1e-40'', random()::text, i::text])[i % 7 + 1]::float4'),
	('float8', '(ARRAY[''NaN'', ''-0'', ''Infinity'', ''-Infinity'', ''5e-324'', random()::text, i::text])[i % 7 + 1]::float8'),
	('money', '((random() * 1e15 - 5e14)::int8)::numeric::money / 100'),
	('macaddr', 'lpad(to_hex((random() * 281474976710655)::int8), 12, ''0'')::macaddr'),
	('macaddr8', 'lpad(to_hex((random() * 9e18)::int8), 16, ''0'')::macaddr8'),
	('inet', 'CASE WHEN i % 2 = 0 THEN format(''10.%s.%s.1/%s'', i % 256, (random() * 255)::int, i % 33) ELSE format(''2001:db8::%s:%s'', to_hex(i % 65536), to_hex((random() * 65535)::int)) END::inet'),
	('cidr', 'CASE WHEN i % 2 = 0 THEN format(''10.%s.%s.0/24'', i % 256, (random() * 255)::int) ELSE format(''2001:db8:%s::/48'', to_hex(i % 65536)) END::cidr'),
	('aclitem', 'makeaclitem(10, (random() * 100000)::int::oid, ''SELECT'', i % 2 = 0)'),
	('bpchar', 'left(rtext(), 10)::char(12)'),
	('varchar', 'left(rtext(), 30)::varchar'),
	('date', '(ARRAY[''infinity'', ''-infinity'', ''4713-01-01 BC'', ''5874897-12-31'', (date ''2026-01-01'' + i)::text])[i % 5 + 1]::date'),
	('time', 'time ''00:00'' + random() * interval ''24 h'''),
	('timetz', '((time ''00:00'' + random() * interval ''24 h'')::text || (ARRAY[''+00'', ''+05:30'', ''-11:59:59''])[i % 3 + 1])::timetz'),
	('timestamp', 'CASE i % 9 WHEN 0 THEN ''infinity'' WHEN 1 THEN ''-infinity'' WHEN 2 THEN ''4713-01-01 00:00 BC'' ELSE timestamp ''2026-01-01'' + i * interval ''1.000001 s'' END'),
	('timestamptz', 'CASE i % 9 WHEN 0 THEN ''infinity'' WHEN 1 THEN ''-infinity'' WHEN 2 THEN ''294276-12-31 23:59:59.999999'' ELSE timestamptz ''2026-01-01 00:00+00'' + i * interval ''17 ms'' END'),
	('interval', 'make_interval(i % 3, i % 13, 0, (random() * 40 - 20)::int, 0, 0, random() * 1e6)'),
	('bit', '(random() * 4294967295)::int8::bit(17)'),
	('varbit', 'left(repeat((random() * 255)::int::bit(8)::text, 9), (random() * 70)::int)::varbit'),
	('numeric', '(ARRAY[''NaN'', ''Infinity'', ''-Infinity'', ''0'', ''0.000'', ''1.50'', ''1.5'', (random() * 1e6)::numeric(12, 2)::text, ''-'' || repeat(''9'', i % 300) || ''1e-'' || i % 400, (random() * 1e9)::int8::text])[i % 10 + 1]::numeric'),
	('refcursor', 'rtext()::refcursor'),
	('uuid', 'md5(random()::text)::uuid'),
	('pg_lsn', '(to_hex((random() * 4e9)::int8) || ''/'' || to_hex((random() * 4e9)::int8))::pg_lsn'),
	('tsvector', 'to_tsvector(''simple'', rtext() || '' '' || rtext()) || setweight(''a:1 b:2''::tsvector, ''A'')'),
	('tsquery', 'plainto_tsquery(''simple'', rtext()) && ''a <-> (b | !c:*)''::tsquery'),
	('txid_snapshot', 'format(''%s:%s:%s'', i + 1, i + 1000, i + 7)::txid_snapshot'),
	('pg_snapshot', 'format(''%s:%s:'', i + 1, i + 10)::pg_snapshot'),
	-- these have no input: what the catalogs hold, or nothing
	('pg_node_tree', '(SELECT ev_action FROM pg_rewrite WHERE ev_class = (ARRAY[''pg_user'', ''pg_group'', ''pg_views''])[i % 3 + 1]::regclass)'),
	('pg_ndistinct', '(SELECT stxdndistinct FROM pg_statistic_ext_data, (SELECT i) j WHERE stxdndistinct IS NOT NULL LIMIT 1)'),
	('pg_dependencies', '(SELECT stxddependencies FROM pg_statistic_ext_data, (SELECT i) j WHERE stxddependencies IS NOT NULL LIMIT 1)'),
	('pg_mcv_list', '(SELECT stxdmcv FROM pg_statistic_ext_data, (SELECT i) j WHERE stxdmcv IS NOT NULL LIMIT 1)'),
	('gtsvector', 'NULL::gtsvector'),
	('pg_brin_bloom_summary', 'NULL::pg_brin_bloom_summary'),
	('pg_brin_minmax_multi_summary', 'NULL::pg_brin_minmax_multi_summary'),
	-- ours, one of each kind
	('colour', '(enum_range(NULL::colour))[i % 4 + 1]'),
	('posint', '(i + 1)::posint'),
	('shorttext', 'left(rtext(), 5)::shorttext'),
	('pair', 'ROW(i, rtext())::pair'),
	('nested', 'ROW(ROW(i, NULL), ARRAY[i, NULL, 3], ''red'')::nested'),
	('textrange', 'textrange(''a'', ''a'' || rtext(), ''[]'')');
CREATE TABLE s (a int, b int, c text) USING heap;
CREATE STATISTICS s_stat (ndistinct, dependencies, mcv) ON a, b, c FROM s;
INSERT INTO s SELECT i % 5, i % 10, 'v' || i % 7 FROM generate_series(1, 1000) i;
ANALYZE s;

-- Ranges and multiranges are made of their subtypes.
INSERT INTO generators
SELECT typname, CASE
	WHEN typname IN ('int4range', 'int8range', 'numrange') THEN format('%I(CASE WHEN i %% 5 = 0 THEN NULL ELSE i END, CASE WHEN i %% 7 = 0 THEN NULL ELSE i + (random() * 100)::int END, (ARRAY[''[]'', ''()'', ''[)''])[i %% 3 + 1])', typname)
	WHEN typname = 'daterange' THEN 'CASE WHEN i % 5 = 0 THEN ''empty'' ELSE daterange(date ''2026-01-01'' + i, date ''2026-02-01'' + i) END'
	WHEN typname = 'tsrange' THEN 'tsrange(timestamp ''2026-01-01'' + i * interval ''1 s'', CASE WHEN i % 7 = 0 THEN NULL ELSE ''infinity'' END::timestamp)'
	WHEN typname = 'tstzrange' THEN 'tstzrange(timestamptz ''2026-01-01 00:00+00'', timestamptz ''2026-01-01 00:00+00'' + i * interval ''1 ms'', ''[]'')'
	END
FROM pg_type WHERE typtype = 'r' AND typnamespace = 'pg_catalog'::regnamespace;
INSERT INTO generators
SELECT m.typname, format('CASE WHEN i %% 9 = 0 THEN ''{}''::%1$I ELSE %1$I(%2$s) + %1$I(%2$s) END', m.typname, g.expr)
FROM pg_range r JOIN pg_type m ON m.oid = r.rngmultitypid JOIN pg_type t ON t.oid = r.rngtypid JOIN generators g ON g.typ = t.typname;

-- Types without a generator (none), so that a new one is noticed.
SELECT typname FROM pg_type t
WHERE typtype IN ('b', 'r', 'm', 'e', 'd') AND typnamespace IN ('pg_catalog'::regnamespace, 'types'::regnamespace)
	AND typcategory <> 'A' AND typelem = 0
	AND NOT EXISTS (SELECT FROM generators WHERE typ = typname AND expr IS NOT NULL)
ORDER BY 1;
SELECT count(*) > 85 AS many FROM generators;

-- One table a type: the value, an array of it, both with NULLs.  Values that
-- stay the same for long, too, so that run-length and constant chunks occur.
CREATE PROCEDURE one_type(typ text, expr text) LANGUAGE plpgsql AS $f$
DECLARE
	r record;
	-- the plain type, without a length: "bpchar", not char, which is char(1)
	t text := (SELECT format('%s.%I', typnamespace::regnamespace, typname) FROM pg_type WHERE typname = typ AND typnamespace IN ('pg_catalog'::regnamespace, 'types'::regnamespace));
	has_array bool := (SELECT typarray <> 0 FROM pg_type WHERE oid = t::regtype);
	verdict text;
BEGIN
	EXECUTE format('CREATE TABLE h (i int, v %s, a %s[], k %1$s) USING heap', t, CASE WHEN has_array THEN t ELSE 'int' END);
	CREATE TABLE l (LIKE h) USING ledger;
	EXECUTE format('INSERT INTO h SELECT i, v, %3$s, k FROM (SELECT i, CASE WHEN %2$s THEN %1$s END AS v, (SELECT %1$s) AS k FROM generate_series(1, 2100) i) q',
		expr, 'i % 11 <> 3 AND i NOT BETWEEN 1024 AND 2048',
		CASE WHEN NOT has_array THEN 'NULL' ELSE 'CASE WHEN i % 3 = 0 THEN ARRAY[v, NULL, k] WHEN i % 3 = 1 THEN ARRAY[[k], [v]] WHEN i % 30 = 2 THEN ''{}'' END' END);
	COMMIT;
	-- few rows in one command, single rows, and the rest in one command
	INSERT INTO l SELECT * FROM h WHERE i <= 300;
	COMMIT;
	FOR r IN SELECT * FROM h WHERE i BETWEEN 301 AND 320 LOOP
		INSERT INTO l VALUES (r.i, r.v, r.a, r.k);
	END LOOP;
	COMMIT;
	INSERT INTO l SELECT * FROM h WHERE i > 320;
	verdict := oracle.same('h', 'l');
	IF verdict <> 'same 2100 rows' THEN
		RAISE WARNING '% before commit: %', typ, verdict;
	END IF;
	COMMIT;
	verdict := oracle.same('h', 'l');
	IF verdict <> 'same 2100 rows' THEN
		RAISE WARNING '% before sealing: %', typ, verdict;
	END IF;
	PERFORM ledger.seal('l');
	COMMIT;
	verdict := oracle.same('h', 'l');
	IF verdict <> 'same 2100 rows' THEN
		RAISE WARNING '% sealed: %', typ, verdict;
	END IF;
	-- a second segment, only NULLs, then a constant, and a tail after it
	INSERT INTO h SELECT i, v, NULL, k FROM h WHERE i <= 5;
	INSERT INTO h SELECT 2, v, a, k FROM (SELECT * FROM h WHERE i = 5 LIMIT 1) q, generate_series(1, 1100);
	INSERT INTO l SELECT i, v, NULL, k FROM l WHERE i <= 5;
	INSERT INTO l SELECT 2, v, a, k FROM (SELECT * FROM l WHERE i = 5 LIMIT 1) q, generate_series(1, 1100);
	COMMIT;
	PERFORM ledger.seal('l');
	COMMIT;
	INSERT INTO l SELECT * FROM h WHERE i BETWEEN 1000 AND 1010;
	INSERT INTO h SELECT * FROM h WHERE i BETWEEN 1000 AND 1010;
	COMMIT;
	verdict := oracle.same('h', 'l');
	IF verdict <> 'same 3216 rows' THEN
		RAISE WARNING '% in two segments and a tail: %', typ, verdict;
	END IF;
	DROP TABLE h, l;
	COMMIT;
END $f$;
DO $$
DECLARE
	g record;
BEGIN
	FOR g IN SELECT * FROM types.generators ORDER BY typ COLLATE "C" LOOP
		CALL types.one_type(g.typ, g.expr);
	END LOOP;
END $$;

-- All of them in one table, wide rows, across the border of a slot.
DO $$
DECLARE
	columns text;
	exprs text;
BEGIN
	SELECT string_agg(format('c_%s "%1$s"', typ), ', ' ORDER BY typ COLLATE "C"),
		string_agg(format('CASE WHEN (i + %s) %% 13 > 4 THEN %s END', length(typ), expr), ', ' ORDER BY typ COLLATE "C")
	INTO columns, exprs FROM types.generators WHERE typ <> 'pg_node_tree';
	EXECUTE format('CREATE TABLE types.h (i int, %s) USING heap', columns);
	CREATE TABLE types.l (LIKE types.h) USING ledger;
	EXECUTE format('INSERT INTO types.h SELECT i, %s FROM generate_series(1, 9000) i', exprs);
END $$;
INSERT INTO l SELECT * FROM h;
SELECT oracle.same('h', 'l');
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT oracle.same('h', 'l');
-- some columns only, in another order, and system columns of sealed rows
SELECT oracle.query('SELECT c_uuid, c_text, i, c_int8 FROM # WHERE i % 100 = 7 ORDER BY i');
SELECT count(*), count(DISTINCT ctid), count(DISTINCT tableoid) FROM l;
DROP TABLE h, l;

-- Every count of rows around a border, and NULLs of every pattern.
CREATE PROCEDURE borders(n int) LANGUAGE plpgsql AS $f$
DECLARE
	verdict text;
	want text := format('same %s rows', n);
BEGIN
	CREATE TABLE h (i int, none int, every int, first int, last text, alternate bool, vectors bigint, const text NOT NULL) USING heap;
	CREATE TABLE l (LIKE h) USING ledger;
	INSERT INTO h SELECT i, NULL, -i, CASE WHEN i = 1 THEN 7 END, CASE WHEN i = n THEN 'last' END, CASE WHEN i % 2 = 0 THEN i % 4 = 0 END,
		CASE WHEN (i / 1024) % 2 = 0 THEN i * 1000000007::bigint END, 'constant' FROM generate_series(1, n) i;
	INSERT INTO l SELECT * FROM h;
	COMMIT;
	verdict := oracle.same('h', 'l');
	IF verdict <> want THEN
		RAISE WARNING '% rows before sealing: %', n, verdict;
	END IF;
	PERFORM ledger.seal('l');
	COMMIT;
	verdict := oracle.same('h', 'l');
	IF verdict <> want THEN
		RAISE WARNING '% rows sealed: %', n, verdict;
	END IF;
	-- the last row, the first, and one past the end, in any order
	IF (SELECT string_agg(i::text, ' ' ORDER BY i) FROM l WHERE i IN (1, n, n + 1)) IS DISTINCT FROM (SELECT string_agg(i::text, ' ' ORDER BY i) FROM h WHERE i IN (1, n, n + 1)) THEN
		RAISE WARNING '% rows: first or last is wrong', n;
	END IF;
	INSERT INTO h VALUES (0, 1, 2, 3, 'tail', true, 4, 'c');
	INSERT INTO l VALUES (0, 1, 2, 3, 'tail', true, 4, 'c');
	verdict := oracle.same('h', 'l');
	IF verdict <> format('same %s rows', n + 1) THEN
		RAISE WARNING '% rows and one: %', n, verdict;
	END IF;
	DROP TABLE h, l;
	COMMIT;
END $f$;
DO $$
DECLARE
	n int;
BEGIN
	FOREACH n IN ARRAY '{0,1,2,7,8,9,255,256,257,999,1000,1001,1023,1024,1025,2047,2048,2049,8191,8192,8193,16384,16385,65536,65537,73729}'::int[] LOOP
		CALL types.borders(n);
	END LOOP;
END $$;

-- The same counts filled by single-row commands (the tail), sealed in pieces.
CREATE TABLE h (i int, t text, n numeric) USING heap;
CREATE TABLE l (LIKE h) USING ledger;
DO $$
BEGIN
	FOR i IN 1 .. 8200 LOOP
		INSERT INTO types.h VALUES (i, CASE WHEN i % 3 > 0 THEN repeat('x', i % 50) END, i * 1.10);
		INSERT INTO types.l VALUES (i, CASE WHEN i % 3 > 0 THEN repeat('x', i % 50) END, i * 1.10);
		IF i IN (1, 2, 255, 256, 257, 1024, 1025, 8191, 8192, 8193) THEN
			COMMIT;
			IF oracle.same('types.h', 'types.l') <> format('same %s rows', i) THEN
				RAISE WARNING '% rows: %', i, oracle.same('types.h', 'types.l');
			END IF;
			PERFORM ledger.seal('types.l');
			COMMIT;
			IF oracle.same('types.h', 'types.l') <> format('same %s rows', i) THEN
				RAISE WARNING '% rows sealed: %', i, oracle.same('types.h', 'types.l');
			END IF;
		END IF;
	END LOOP;
END $$;
SELECT oracle.same('h', 'l');
DROP TABLE h, l;

-- Values as they may be in a heap tuple: out of line, compressed in line with
-- either method, short and long headers, storage kinds.
CREATE TABLE h (i int, p text, m text, e text, x text, j jsonb, b bytea) USING heap;
ALTER TABLE h ALTER p SET STORAGE plain, ALTER m SET STORAGE main, ALTER e SET STORAGE external;
CREATE TABLE l (LIKE h INCLUDING STORAGE) USING ledger;
INSERT INTO h SELECT i, repeat('p', i * 4), repeat('main' || i, i * 200), repeat('external' || i, i * 90), repeat(md5(i::text), i * 50),
	jsonb_build_object('k', repeat(md5(i::text), i * 40), 'n', i), rbytes(i * 30)
FROM generate_series(1, 150) i;
SELECT count(*) > 0 AS toasted, bool_or(pg_column_compression(m) IS NOT NULL) AS compressed FROM h WHERE pg_column_size(x) < length(x);
INSERT INTO l SELECT * FROM h WHERE i <= 100;
INSERT INTO l SELECT * FROM h WHERE i > 100 AND i % 2 = 0;
INSERT INTO l SELECT i, p, m, e, x, j, b FROM h WHERE i > 100 AND i % 2 = 1;
SELECT oracle.same('h', 'l');
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT oracle.same('h', 'l');
-- and from a ledger to a heap and to a ledger
CREATE TABLE h2 USING heap AS SELECT * FROM l;
CREATE TABLE l2 USING ledger AS SELECT * FROM l;
SELECT oracle.same('h', 'h2'), oracle.same('h', 'l2');
DROP TABLE h, l, h2, l2;
-- the source of a toasted value may be gone at the end of the transaction
CREATE TABLE src (t text) USING heap;
ALTER TABLE src ALTER t SET STORAGE external;
CREATE TABLE l (t text) USING ledger;
BEGIN;
INSERT INTO src SELECT repeat(md5(i::text), 300) FROM generate_series(1, 2000) i;
INSERT INTO l SELECT t FROM src;
TRUNCATE src;
SELECT count(*), sum(length(t)) FROM l;
DROP TABLE src;
COMMIT;
SELECT count(*), sum(length(t)), count(DISTINCT md5(t)) FROM l;
DROP TABLE l;

-- Sizes of one value, also of a row that nearly fills a page, or just not.
CREATE TABLE h (i int, b bytea) USING heap;
ALTER TABLE h ALTER b SET STORAGE external;
CREATE TABLE l (LIKE h INCLUDING STORAGE) USING ledger;
INSERT INTO h SELECT n, rbytes(n) FROM unnest('{0,1,2,125,126,127,128,129,1000,2000,2030,2031,2032,2033,4000,4060,8000,8090}'::int[]) n;
INSERT INTO h SELECT n, rbytes(n) FROM generate_series(8100, 8200) n;
INSERT INTO h SELECT n, rbytes(n) FROM unnest('{16000,16384,24000,65535,65536,100000}'::int[]) n;
INSERT INTO l SELECT * FROM h;
SELECT oracle.same('h', 'l');
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT oracle.same('h', 'l');
DO $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT * FROM types.h ORDER BY i LOOP
		INSERT INTO types.l VALUES (r.i, r.b);
	END LOOP;
END $$;
INSERT INTO h SELECT * FROM h;
SELECT oracle.same('h', 'l');
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT oracle.same('h', 'l');
DROP TABLE h, l;

-- Dropped and added columns.
CREATE TABLE h (a int, b text, c bigint, d jsonb NOT NULL) USING heap;
CREATE TABLE l (LIKE h) USING ledger;
CREATE PROCEDURE more(n int, columns text, exprs text) LANGUAGE plpgsql AS $f$
BEGIN
	EXECUTE format('INSERT INTO h (%s) SELECT %s FROM generate_series(1, %s) i', columns, exprs, n);
	EXECUTE format('INSERT INTO l (%s) SELECT %s FROM generate_series(1, %s) i', columns, exprs, n);
END $f$;
CALL more(500, 'a, b, c, d', $$i, 'b' || i, i * 10, jsonb_build_object('i', i)$$);
ALTER TABLE h DROP COLUMN b;
ALTER TABLE l DROP COLUMN b;
SELECT oracle.same('h', 'l');
CALL more(1500, 'a, c, d', $$i, NULL, '[]'$$);
SELECT oracle.same('h', 'l');
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT oracle.same('h', 'l');
ALTER TABLE h ADD COLUMN e int, ADD COLUMN f text DEFAULT 'default ' || repeat('f', 100), ADD COLUMN g timestamptz NOT NULL DEFAULT '2026-02-03 04:05:06+00', ADD COLUMN n numeric DEFAULT 1.500;
ALTER TABLE l ADD COLUMN e int, ADD COLUMN f text DEFAULT 'default ' || repeat('f', 100), ADD COLUMN g timestamptz NOT NULL DEFAULT '2026-02-03 04:05:06+00', ADD COLUMN n numeric DEFAULT 1.500;
SELECT oracle.same('h', 'l');
CALL more(10, 'a, c, d, e', $$i, 5, '{}', i$$);
SELECT oracle.same('h', 'l');
CALL more(1500, 'a, c, d, f', $$i, 5, '{}', CASE WHEN i % 2 = 0 THEN 'given' END$$);
SELECT oracle.same('h', 'l');
ALTER TABLE h ALTER COLUMN f SET DEFAULT 'other', DROP COLUMN c;
ALTER TABLE l ALTER COLUMN f SET DEFAULT 'other', DROP COLUMN c;
CALL more(100, 'a, d', $$i, 'null'$$);
SELECT oracle.same('h', 'l');
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT oracle.same('h', 'l');
ALTER TABLE h DROP COLUMN d, DROP COLUMN g, DROP COLUMN e, ADD COLUMN d date DEFAULT '2026-01-01';
ALTER TABLE l DROP COLUMN d, DROP COLUMN g, DROP COLUMN e, ADD COLUMN d date DEFAULT '2026-01-01';
SELECT oracle.same('h', 'l');
SELECT oracle.query('SELECT a, f, n, d FROM # WHERE a = 7 ORDER BY f, n, d');
-- a rewrite, and one to another type
ALTER TABLE h ADD COLUMN r float8 DEFAULT random() * 0, ALTER COLUMN a TYPE bigint, ALTER COLUMN n TYPE text;
ALTER TABLE l ADD COLUMN r float8 DEFAULT random() * 0, ALTER COLUMN a TYPE bigint, ALTER COLUMN n TYPE text;
SELECT oracle.same('h', 'l');
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT oracle.same('h', 'l');
-- a type changed without a rewrite
ALTER TABLE h ADD COLUMN v varchar(20) DEFAULT 'v';
ALTER TABLE l ADD COLUMN v varchar(20) DEFAULT 'v';
CALL more(1200, 'a, v', $$i, 'V' || i$$);
SELECT ledger.seal('l') >= 0 AS sealed;
ALTER TABLE h ALTER COLUMN v TYPE text;
ALTER TABLE l ALTER COLUMN v TYPE text;
CALL more(3, 'a, v', $$i, 'a longer value than twenty characters ' || i$$);
SELECT oracle.same('h', 'l');
SELECT oracle.query($$SELECT v, count(*) FROM # WHERE v >= 'V1' AND v < 'V2' GROUP BY v ORDER BY v COLLATE "C"$$);
-- no column at all
ALTER TABLE h DROP COLUMN a, DROP COLUMN f, DROP COLUMN n, DROP COLUMN d, DROP COLUMN r, DROP COLUMN v;
ALTER TABLE l DROP COLUMN a, DROP COLUMN f, DROP COLUMN n, DROP COLUMN d, DROP COLUMN r, DROP COLUMN v;
SELECT (SELECT count(*) FROM h), (SELECT count(*) FROM l);
INSERT INTO l DEFAULT VALUES;
SELECT count(*) FROM l;
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT count(*) FROM l;
ALTER TABLE l ADD COLUMN again int DEFAULT 3;
INSERT INTO l VALUES (4);
SELECT again, count(*) FROM l GROUP BY again ORDER BY again;
DROP TABLE h, l;
CREATE TABLE l () USING ledger;
INSERT INTO l DEFAULT VALUES;
INSERT INTO l SELECT FROM generate_series(1, 3000);
SELECT count(*) FROM l;
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT count(*), count(DISTINCT ctid) FROM l;
DROP TABLE l;

-- ADD COLUMN in a transaction with rows that no one has written out yet.
CREATE TABLE h (a int) USING heap;
CREATE TABLE l (a int) USING ledger;
BEGIN;
CALL more(3000, 'a', 'i');
ALTER TABLE h ADD COLUMN b text DEFAULT 'b';
ALTER TABLE l ADD COLUMN b text DEFAULT 'b';
CALL more(3000, 'a, b', $$i, 'x' || i$$);
ALTER TABLE h DROP COLUMN a;
ALTER TABLE l DROP COLUMN a;
CALL more(3000, 'b', $$'y' || i$$);
SELECT oracle.same('h', 'l');
COMMIT;
SELECT oracle.same('h', 'l');
DROP TABLE h, l;

-- 1,600 columns.
DO $$
BEGIN
	EXECUTE (SELECT format('CREATE TABLE types.h (%s) USING heap', string_agg(format('c%s %s', i, (ARRAY['int2', 'bool', '"char"', 'int4'])[i % 4 + 1]), ', ')) FROM generate_series(1, 1600) i);
	CREATE TABLE types.l (LIKE types.h) USING ledger;
	EXECUTE (SELECT format('INSERT INTO types.h SELECT %s FROM generate_series(1, 1200) r',
		string_agg(CASE WHEN i % 5 = 0 THEN 'NULL' ELSE format((ARRAY['(r %% %s)::int2', 'r %% %s = 0', 'chr(r %% %s %% 100 + 32)::"char"', 'r * %s'])[i % 4 + 1], i) END, ', ')) FROM generate_series(1, 1600) i);
END $$;
INSERT INTO l SELECT * FROM h LIMIT 10;
INSERT INTO l SELECT * FROM h OFFSET 10;
SELECT oracle.same('h', 'l');
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT oracle.same('h', 'l');
SELECT oracle.query('SELECT c1, c800, c1599, c1600 FROM # ORDER BY c3, c7, c11, c1, c1599');
DROP TABLE h, l;

-- Generated columns, identity, defaults, domains with constraints.
CREATE TABLE h (id int GENERATED ALWAYS AS IDENTITY, a int DEFAULT 5, g int GENERATED ALWAYS AS (a * 2) STORED, s bigserial, d posint DEFAULT 1, t text GENERATED ALWAYS AS ('<' || a::text || '>') STORED) USING heap;
CREATE TABLE l (id int GENERATED ALWAYS AS IDENTITY, a int DEFAULT 5, g int GENERATED ALWAYS AS (a * 2) STORED, s bigserial, d posint DEFAULT 1, t text GENERATED ALWAYS AS ('<' || a::text || '>') STORED) USING ledger;
SELECT oracle.both('INSERT INTO # DEFAULT VALUES'), oracle.both('INSERT INTO # (a, d) VALUES (7, 0)'), oracle.both('INSERT INTO # (id) VALUES (100)'),
	oracle.both('INSERT INTO # (g) VALUES (100)'), oracle.both('INSERT INTO # (id) OVERRIDING SYSTEM VALUE VALUES (100)');
SELECT oracle.both('INSERT INTO # (a) SELECT i FROM generate_series(1, 3000) i');
SELECT oracle.same('h', 'l', 'a, g, d, t');
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT oracle.same('h', 'l', 'a, g, d, t');
SELECT oracle.query('SELECT * FROM # WHERE g = 20 ORDER BY 1');
DROP TABLE h, l;

-- Row types of tables, also after the table changed.
CREATE TABLE rowtype (x int, y text) USING heap;
CREATE TABLE h (r rowtype, rs rowtype[], n nested) USING heap;
CREATE TABLE l (LIKE h) USING ledger;
CALL more(1100, 'r, rs, n', $$ROW(i, 'y' || i)::rowtype, ARRAY[ROW(i, NULL)::rowtype, NULL], ROW(ROW(i, repeat('z', i)), NULL, 'green')::nested$$);
SELECT ledger.seal('l') >= 0 AS sealed;
ALTER TYPE pair ADD ATTRIBUTE extra int;
ALTER TYPE colour ADD VALUE 'pink' BEFORE 'green';
CALL more(3, 'r, rs, n', $$ROW(i, 'y' || i)::rowtype, NULL, ROW(ROW(i, 'q', 4), NULL, 'pink')::nested$$);
SELECT oracle.same('h', 'l');
SELECT oracle.query('SELECT (n).p, (n).c, (r).x FROM # ORDER BY (r).x, (n).c');
DROP TABLE h, l;

DROP SCHEMA types CASCADE;
