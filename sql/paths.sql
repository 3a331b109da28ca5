--
-- LedgerScan: what paths of jsonb columns lead to, and casts of it, against
-- heap, with the scan on and off.
--
SET client_min_messages = warning;
CREATE SCHEMA paths;
SET search_path = paths, public;
SET timezone = 'UTC';
CREATE FUNCTION pick(a anyarray) RETURNS anyelement LANGUAGE sql AS $$ SELECT a[floor(random() * array_length(a, 1))::int + 1] $$;

-- Runs a query, TAB standing for the table, on both: the outcome if it is the
-- same.  An error may be one of heap alone, as filters that remove a row come
-- first, or another's, as rows come in another order.
CREATE FUNCTION outcome(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	n bigint;
BEGIN
	EXECUTE format('SELECT string_agg(q::text, E''\n''), count(*) FROM (%s) q', query) INTO result, n;
	RETURN n || ' rows: ' || coalesce(result, '');
EXCEPTION WHEN data_exception OR invalid_text_representation OR numeric_value_out_of_range OR invalid_datetime_format OR datetime_field_overflow
	OR invalid_regular_expression OR invalid_escape_sequence OR division_by_zero THEN
	RETURN 'error ' || SQLSTATE;
END $$;
CREATE FUNCTION compare(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	h text := outcome(replace(query, 'TAB', 'h'));
	l text := outcome(replace(query, 'TAB', 'l'));
BEGIN
	IF h = l THEN
		RETURN 'same ' || CASE WHEN h LIKE 'error%' THEN h WHEN h LIKE '0 rows%' THEN 'none' ELSE 'rows' END;
	ELSIF h LIKE 'error%' THEN
		RETURN 'same error, another or of heap only';
	END IF;
	RETURN format('DIFFERENT: heap %s, ledger %s', left(h, 200), left(l, 200));
END $$;

CREATE TABLE h (id int, gone text, kind text, ref text, data jsonb, few jsonb, whole jsonb) USING heap;
CREATE TABLE l (LIKE h) USING ledger;
CREATE FUNCTION word(r float8) RETURNS text LANGUAGE sql IMMUTABLE AS
	$$ SELECT (ARRAY['', ' ', 'a', 'A', 'ab', 'AB', 'abc', 'abc ', 'é', 'É', 'zz', 'a%b', 'a_b', 'straße', '500', 'true', 'null', 'say "x"', E'tab\t', 'refund asked'])[floor(r * 20)::int + 1] $$;
CREATE FUNCTION document(k int, r float8[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN r[1] < 0.02 THEN NULL
		WHEN r[1] < 0.03 THEN (ARRAY['null', '"text"', '"a"', '12', 'true', '[]', '["text", "a", 1]', '[{"text": "a"}]', '{}', '{"text": {}}', '{"o": []}', '{"o": "a"}', '{"o": {"b": 5}}', '{"o": null}', '{"o": ["a"]}'])[k % 15 + 1]::jsonb
		WHEN r[1] < 0.2 THEN jsonb_build_object('text', word(r[2]), 'kind', 'say', 'ref', 'ref-' || md5((k / 2)::text))
		WHEN r[1] < 0.25 THEN jsonb_build_object('text', NULL, 'int', NULL, 'num', NULL, 'flag', NULL, 'at', NULL, 'dirty', NULL, 'o', NULL)
		WHEN r[1] < 0.26 THEN jsonb_build_object('text', repeat(md5(k::text), (r[2] * 300)::int), 'int', 7)
		ELSE jsonb_build_object('text', CASE WHEN r[2] < 0.5 THEN word(r[3]) WHEN r[2] < 0.9 THEN 'line ' || md5(k::text) || CASE WHEN r[3] < 0.1 THEN ' refund' ELSE '' END ELSE repeat('x', (r[3] * 50)::int) END,
			'kind', 'http', 'same', 'the same', 'ref', CASE WHEN r[2] < 0.8 THEN 'ref-' || md5((k / 2)::text) ELSE word(r[3]) END,
			'int', CASE WHEN r[4] < 0.7 THEN to_jsonb((r[5] * 1000)::int) WHEN r[4] < 0.9 THEN to_jsonb(((r[5] * 1000)::int)::text) ELSE to_jsonb((r[5] * 4 - 2)::int) END,
			'big', (r[5] * 1e18)::numeric::int8 / CASE WHEN r[4] < 0.5 THEN 1 ELSE 1000000 END,
			'num', CASE WHEN r[6] < 0.6 THEN to_jsonb((r[7] * 100)::numeric(8, 3)) WHEN r[6] < 0.8 THEN to_jsonb((r[7] * 10)::int::numeric + CASE WHEN r[8] < 0.5 THEN 0.0 ELSE 0.00 END) WHEN r[6] < 0.9 THEN to_jsonb(((r[7] * 10)::numeric(5, 2))::text)
				WHEN r[6] < 0.95 THEN to_jsonb(r[7] * 1e-7) ELSE '1234567890123456789012.5'::jsonb END,
			'cents', ((r[7] * 1000)::int / 100.0)::numeric(8, 2),
			'flag', CASE WHEN r[8] < 0.9 THEN to_jsonb(r[8] < 0.4) WHEN r[8] < 0.95 THEN '"yes"'::jsonb ELSE '"F"'::jsonb END,
			'at', CASE WHEN r[9] < 0.8 THEN to_char(timestamp '2026-01-01' + k * interval '1 min' + r[9] * interval '1 s', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') WHEN r[9] < 0.9 THEN '2026-01-0' || k % 9 + 1 WHEN r[9] < 0.95 THEN '2026-01-01 00:00:00+02' ELSE 'Jan 2 2026 10:00' END,
			'u', md5((k % 300)::text)::uuid,
			'dirty', CASE WHEN k % 2000 < 1000 THEN to_jsonb((r[10] * 600)::int) ELSE (ARRAY['"abc"', '500', '"500"', '" 7 "', '1.0', '1.50', '1e2', '99999999999', '-0', 'true', '{}', '[1]', 'null', '""', '"NaN"', '"0x10"', '3000000000', '40000', '1e300'])[floor(r[10] * 19)::int + 1]::jsonb END)
			|| CASE WHEN r[11] < 0.7 THEN jsonb_build_object('o', jsonb_build_object('a', CASE WHEN r[11] < 0.5 THEN to_jsonb(k % 10) ELSE to_jsonb(word(r[12])) END, 'b', jsonb_build_object('c', k % 5 = 0, 'd', word(r[12]) || k % 50), '1', 'one', 'list', to_jsonb(ARRAY[k % 3, 7])))
				WHEN r[11] < 0.8 THEN jsonb_build_object('o', k % 3) ELSE '{}' END
			|| CASE WHEN r[13] < 0.3 THEN jsonb_build_object('q"k', word(r[14]), 'ключ', word(r[14]) || 'ж', '', k % 4, 'a.b', 'dot') ELSE '{}' END
	END $$;
-- rows start .. start + n - 1
CREATE FUNCTION make(start int, n int) RETURNS SETOF h LANGUAGE sql AS $$
	SELECT k, 'gone', CASE WHEN r[15] < 0.5 THEN 'say' ELSE 'http' END, CASE WHEN r[16] < 0.95 THEN 'ref-' || md5((k / 2)::text) END, document(k, r),
		CASE k % 7 WHEN 0 THEN NULL WHEN 1 THEN '{"a": 1}' WHEN 2 THEN '{"a": "1", "b": {"c": null}}' WHEN 3 THEN '[1]' ELSE '{"a": null, "b": {"c": 2}}' END::jsonb,
		to_jsonb(ARRAY[jsonb_build_object('a', r[17]), to_jsonb(repeat('y', (r[18] * 20)::int))]) || '{"a": "in an array"}'
	FROM (SELECT k, array_agg(random() ORDER BY x) AS r FROM generate_series(start, start + n - 1) k, generate_series(1, 18) x GROUP BY k) x ORDER BY k
$$;
CREATE PROCEDURE fill(start int, n int) LANGUAGE sql AS $$
	INSERT INTO h SELECT * FROM make(start, n);
	INSERT INTO l SELECT * FROM h WHERE id >= start ORDER BY id;
$$;

-- Conditions: an expression with a constant of its values or of others
CREATE TABLE inputs (expr text, type text, extra text[]);
INSERT INTO inputs VALUES ('data->>''text''', 'text', '{"",a,abc,"refund asked","line ",zzz}'), ('data->>''kind''', 'text', '{say,http,x}'), ('data->>''same''', 'text', '{the same,other}'),
	('data->>''ref''', 'text', '{a,ref-,"ref-cfcd208495d565ef66e7dff9f98764da"}'), ('data->>''int''', 'text', '{500,0,-1,007,1.0,abc}'), ('data->>''cents''', 'text', '{1.50,1.5,0.00}'), ('data->>''num''', 'text', '{1.50,1.5,3.00}'), ('data->>''dirty''', 'text', '{500,abc,1.0}'),
	('data->>''flag''', 'text', '{true,false,yes}'), ('data->''o''->>''a''', 'text', '{3,a,""}'), ('data#>>''{o,b,d}''', 'text', '{a7,abc}'), ('data->''o''->''b''->>''c''', 'text', '{true,false}'), ('data->>''o''', 'text', '{2}'),
	('data->>''q"k''', 'text', '{abc}'), ('data->>''ключ''', 'text', '{"aж"}'), ('data->>''''', 'text', '{2}'), ('data->>''a.b''', 'text', '{dot}'), ('data->>''nowhere''', 'text', '{x}'), ('data->''o''->''list''->>''a''', 'text', '{x}'), ('data->''o''->>''1''', 'text', '{one}'),
	('data#>>''{o,1}''', 'text', '{one}'), ('data#>>''{o,list,1}''', 'text', '{7}'), ('data->''text''', 'jsonb', '{"\"a\"",null,"1"}'), ('data->''int''', 'jsonb', '{5,"\"5\""}'), ('data->''num''', 'jsonb', '{5,5.0}'), ('data->''o''', 'jsonb', '{"{}",2,null}'),
	('data[''o''][''a'']', 'jsonb', '{3,"\"a\""}'), ('data#>''{o,b}''', 'jsonb', '{"{}"}'), ('data->''flag''', 'jsonb', '{true}'),
	('(data->>''int'')::int', 'int', '{500,0,-1,100000}'), ('(data->>''int'')::int2', 'int2', '{500,32767}'), ('(data->>''int'')::int8', 'int8', '{500}'), ('(data->>''int'')::int8', 'int', '{500,1001}'), ('(data->>''big'')::int8', 'int8', '{0,1000000000000}'), ('(data->>''big'')::numeric', 'numeric', '{1e15}'),
	('(data->>''int'')::numeric', 'numeric', '{500.0}'), ('(data->>''num'')::numeric', 'numeric', '{1.5,3.00,1234567890123456789012.5,NaN}'), ('(data->>''num'')::float8', 'float8', '{1.5,NaN,Infinity}'), ('(data->>''num'')::float4', 'float4', '{1.5}'), ('(data->>''cents'')::float4', 'float8', '{1.5,3.14}'), ('(data->>''cents'')::float8', 'float8', '{1.5,3.14}'),
	('(data->>''cents'')::numeric', 'numeric', '{3.14,10}'), ('(data->>''at'')::timestamptz', 'timestamptz', '{2026-01-01 05:00+00,infinity}'), ('(data->>''at'')::timestamp', 'timestamp', '{2026-01-02 05:00}'), ('(data->>''at'')::timestamptz', 'date', '{2026-01-03}'), ('(data->>''at'')::date', 'date', '{2026-01-03}'),
	('(data->>''u'')::uuid', 'uuid', '{cfcd2084-95d5-65ef-66e7-dff9f98764da}'), ('(data->>''flag'')::bool', 'bool', '{true}'), ('few->>''a''', 'text', '{1,2}'), ('few->''b''->>''c''', 'text', '{2}'), ('few->''a''', 'jsonb', '{1,"\"1\""}'), ('(few->''b''->>''c'')::int', 'int', '{2}'), ('whole->>''a''', 'text', '{x}'),
	('(data->>''dirty'')::int', 'int', '{500,7}'), ('(data->>''dirty'')::numeric', 'numeric', '{500}'), ('(data->>''dirty'')::float8', 'float8', '{500}'), ('(data->>''text'')::bool', 'bool', '{true}'), ('(data->>''text'')::varchar', 'text', '{abc}'), ('ref', 'text', '{a}'), ('kind', 'text', '{say}');
CREATE FUNCTION constant(i inputs) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	value text;
BEGIN
	IF random() < 0.03 THEN RETURN 'NULL::' || i.type; END IF;
	value := pick(i.extra);
	IF random() < 0.6 THEN
		BEGIN
			EXECUTE format('SELECT (%s)::%s::text FROM h WHERE id = $1', i.expr, i.type) INTO value USING floor(random() * 6000)::int;
		EXCEPTION WHEN OTHERS THEN
			NULL;
		END;
		value := coalesce(value, pick(i.extra));
	END IF;
	RETURN format('%L::%s', value, i.type);
END $$;
CREATE FUNCTION condition(depth int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	i inputs;
	kind float8 := random();
BEGIN
	IF depth > 0 AND kind < 0.4 THEN
		RETURN format('(%s %s %s)', condition(depth - 1), pick('{AND,OR}'::text[]), condition(depth - 1));
	END IF;
	SELECT * INTO i FROM inputs OFFSET floor(random() * (SELECT count(*) FROM inputs)) LIMIT 1;
	kind := floor(random() * 14);
	CASE kind
		WHEN 0 THEN RETURN format('%s IS %s', i.expr, pick('{"NULL",NOT NULL}'::text[]));
		WHEN 1 THEN RETURN pick(ARRAY['(data->>''flag'')::bool', 'NOT (data->>''flag'')::bool', '(data->>''flag'')::bool IS TRUE', '(data->>''flag'')::bool IS FALSE', '(data->>''flag'')::bool IS NOT TRUE', 'data->''o''->''b''->''c'' = ''true''']);
		WHEN 2 THEN RETURN format('%s BETWEEN %s AND %s', i.expr, constant(i), constant(i));
		WHEN 3, 4 THEN RETURN format('%s IN (%s, %s, %s)', i.expr, constant(i), constant(i), constant(i));
		WHEN 5 THEN RETURN format('%s %s ALL (ARRAY[%s, %s])', i.expr, pick('{<>,<,=}'::text[]), constant(i), constant(i));
		WHEN 6 THEN RETURN format('%s %s %L', pick(ARRAY['data->>''text''', 'data->>''ref''', 'data#>>''{o,b,d}''', 'data->>''int''', 'few->>''a''', 'kind']), pick('{LIKE,NOT LIKE,ILIKE}'::text[]),
			pick('{line 1%,%refund%,a%,A_%,%b%,ref-c%,_00,"",%,a\\%b,%REFUND,1%,s%}'::text[]));
		WHEN 7 THEN RETURN format('%s %s %L', pick(ARRAY['data->>''text''', 'data->''o''->>''a''', 'ref']), pick('{~,~*,!~}'::text[]), pick(ARRAY['refund', '^a', '(a|b)c', '[0-9]$', '^$', 'É', 'x{20,}']));
		WHEN 8 THEN RETURN pick(ARRAY['data ? ''text''', 'data ? ''o''', '(data->''o'') ? ''b''', 'data->''o''->''list'' ? ''a''', 'NOT data ? ''q"k''', 'data ? ''a''', '(data->''o'') ? ''a''', 'data ? ''nowhere''', 'few ? ''b''', 'whole ? ''a''', '(data ? ''int'') IS FALSE', 'data ?| ''{int,q"k}''', 'data ?& ''{int,text}''']);
		WHEN 9 THEN RETURN format('data @> %L', pick(ARRAY['{"kind": "http"}', '{"o": {"a": 3}}', '{"o": {"b": {"c": true}}, "kind": "http"}', '{"int": 500}', '{"num": 3}', '{"text": null}', '{"o": {}}', '{}', '[]', '["a"]', '"a"', '{"o": {"list": [7]}}', '{"flag": true, "dirty": 500}', '{"text": "a", "text": "abc"}', '{"nowhere": 1}', '{"num": 3.00, "text": "abc"}', '{"big": 5}', '{"": 2}']));
		WHEN 10 THEN RETURN pick(ARRAY['id % 7 = 3', 'id / 10 > 500', 'lower(data->>''text'') = ''a''', '1000 / nullif(id, 0) >= 0', 'kind || ref > ''s''', 'id < 1500', 'data->0 IS NULL', 'jsonb_typeof(data->''int'') = ''number''', 'data IS NULL', 'length(data->>''text'') > 30', 'coalesce((data->>''flag'')::bool, true)', 'data->>''text'' IS DISTINCT FROM ''a''']);
		ELSE RETURN CASE WHEN random() < 0.8 THEN format('%s %s %s', i.expr, pick('{=,=,<>,<,<=,>,>=}'::text[]), constant(i))
			ELSE format('%s %s %s', constant(i), pick('{=,<>,<,<=,>,>=}'::text[]), i.expr) END;
	END CASE;
END $$;
CREATE FUNCTION query() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	w text := condition(2);
BEGIN
	RETURN CASE floor(random() * 9)
		WHEN 0 THEN format('SELECT count(*) FROM TAB WHERE %s', w)
		WHEN 1 THEN format('SELECT * FROM TAB WHERE %s ORDER BY id', w)
		WHEN 2 THEN format('SELECT count(x), sum(hashtext(x::text)) FROM TAB x WHERE %s', w)
		WHEN 3 THEN format('SELECT id, data->>''text'', data->''o'' FROM TAB WHERE %s ORDER BY id DESC LIMIT 7', w)
		WHEN 4 THEN format('SELECT data->>''kind'' AS k, count(*), min(ref), max(data->>''text'' COLLATE "C"), count(data->''o''->>''a'') FROM TAB WHERE %s GROUP BY 1 ORDER BY 1', w)
		WHEN 5 THEN format('SELECT id, data->''o''->>''a'', data->>''text'', few->''b'' FROM TAB WHERE %s ORDER BY id', w)
		WHEN 6 THEN format('SELECT x.id, y.k FROM (SELECT DISTINCT data->>''text'' AS k FROM TAB WHERE id < 40) y, LATERAL (SELECT id FROM TAB WHERE data->>''text'' = y.k AND %s ORDER BY id LIMIT 3) x ORDER BY 2, 1', w)
		WHEN 7 THEN format('SELECT id, kind FROM TAB WHERE %s AND kind = ''http'' ORDER BY id', w)
		ELSE format('SELECT id FROM TAB WHERE %s AND id >= ALL (SELECT min(id) FROM TAB) ORDER BY id', w)
	END;
END $$;
CREATE TABLE tally (what text, n int, errors int);
CREATE PROCEDURE check_random(what text, n int) LANGUAGE plpgsql AS $$
DECLARE
	q text;
	v text;
	errors int := 0;
BEGIN
	FOR k IN 1 .. n LOOP
		q := query();
		PERFORM set_config('ledger.enable_scan', (k % 8 <> 0)::text, false);
		v := compare(q);
		IF v LIKE 'same error%' THEN errors := errors + 1; END IF;
		IF v NOT LIKE 'same%' THEN
			RAISE WARNING '% %: %', what, q, v;
		END IF;
	END LOOP;
	RESET ledger.enable_scan;
	INSERT INTO tally VALUES (what, n, errors);
END $$;

SELECT setseed(0.5);
CALL fill(0, 600);
CALL check_random('tail', 40);
CALL fill(600, 4000);
BEGIN;
SAVEPOINT a;
CALL fill(4600, 1200);
CALL check_random('own', 40);
SAVEPOINT b;
CALL fill(5800, 300);
ROLLBACK TO b;
CALL check_random('rolled back', 20);
COMMIT;
SELECT ledger.seal('l') >= 0 AS sealed;
CALL fill(5800, 100);
ANALYZE h, l;
SELECT DISTINCT encoding FROM ledger.chunks('l') WHERE column_name = 'data' AND path IS NULL;
CALL check_random('sealed', 160);
-- so that most queries have an answer
SELECT sum(errors) < sum(n) / 2 AS answered FROM tally;

-- columns that segments have no more, or not yet
ALTER TABLE h DROP COLUMN gone, ADD COLUMN late jsonb DEFAULT '{"a": {"b": "5"}, "c": null}', ADD COLUMN none jsonb;
ALTER TABLE l DROP COLUMN gone, ADD COLUMN late jsonb DEFAULT '{"a": {"b": "5"}, "c": null}', ADD COLUMN none jsonb;
INSERT INTO h (id, late, none) SELECT k, jsonb_build_object('a', jsonb_build_object('b', k % 10), 'c', k), '{"x": 1}' FROM generate_series(10000, 10049) k;
INSERT INTO l (id, late, none) SELECT k, jsonb_build_object('a', jsonb_build_object('b', k % 10), 'c', k), '{"x": 1}' FROM generate_series(10000, 10049) k;
SELECT q, compare('SELECT count(*), sum(id) FROM TAB WHERE ' || q) FROM unnest(ARRAY['late->''a''->>''b'' = ''5''', '(late->''a''->>''b'')::int = 5', 'late->>''c'' IS NULL', 'late->''c'' IS NULL', '(late->''a'') ? ''b''',
	'(none->>''x'')::int = 1', 'none->>''x'' IS NULL', 'late @> ''{"a": {"b": "5"}}''', '(late->>''a'')::int = 5']) q;

-- a cast that fails: alone, behind what removes the rows, in CASE, after LIMIT
SELECT q, compare(q) FROM unnest(ARRAY['SELECT count(*) FROM TAB WHERE (data->>''dirty'')::int = 500', 'SELECT count(*) FROM TAB WHERE id < 900 AND (data->>''dirty'')::int = 500', 'SELECT count(*) FROM TAB WHERE (data->>''dirty'')::int = 500 AND id < 900',
	'SELECT count(*) FROM TAB WHERE id % 2000 < 900 AND (data->>''dirty'')::int > 500', 'SELECT count(*) FROM TAB WHERE CASE WHEN id % 2000 < 900 THEN (data->>''dirty'')::int > 500 END', 'SELECT count(*) FROM TAB WHERE id < 0 AND (data->>''text'')::int = 500',
	'SELECT count(*) FROM (SELECT 1 FROM TAB WHERE (data->>''dirty'')::int >= 0 LIMIT 10) x', 'SELECT count(*) FROM (SELECT 1 FROM TAB WHERE (data->>''dirty'')::int >= 0 AND id % 2 = 0 LIMIT 10) x',
	'SELECT count(*) FROM TAB WHERE (data->>''dirty'')::int = 500 OR id < 900', 'SELECT count(*) FROM TAB WHERE data->>''text'' LIKE ''abc\'' AND id < 0', 'SELECT count(*) FROM TAB WHERE data->>''dirty'' = ''1.0'' AND (data->>''dirty'')::int = 1',
	'SELECT count(*) FROM TAB WHERE data->>''dirty'' = ''1e2'' AND (data->>''dirty'')::int = 100', 'SELECT count(*) FROM TAB WHERE data->>''dirty'' = ''100'' AND (data->>''dirty'')::int = 100', 'SELECT count(*) FROM TAB WHERE data->>''dirty'' = ''40000'' AND (data->>''dirty'')::int2 = 100',
	'SELECT count(*) FROM TAB WHERE id IN (SELECT id FROM TAB WHERE id < 50) AND (data->>''dirty'')::int IS NOT NULL']) q;
-- where heap has no error, there must be none
SELECT outcome('SELECT count(*) > 0 FROM l WHERE id < 900 AND (data->>''dirty'')::int >= 0'), outcome('SELECT count(*) FROM (SELECT 1 FROM l WHERE (data->>''dirty'')::int >= 0 LIMIT 10) x'),
	outcome('SELECT count(*) FROM l WHERE (data->>''dirty'')::int >= 0');

-- each value is as the server has it
SELECT c, compare(format('SELECT count(*), sum(id) FROM TAB WHERE (%1$s)::%2$s = ANY (ARRAY(SELECT (%1$s)::%2$s FROM h))', c[1], c[2])), (SELECT count(*) FROM (SELECT outcome(format('SELECT count(*) FROM l WHERE (%1$s)::%2$s = ANY (ARRAY(SELECT (%1$s)::%2$s FROM h))', c[1], c[2])) AS l, outcome(format('SELECT count((%1$s)::%2$s) FROM h', c[1], c[2])) AS h) x WHERE l = h) AS all
FROM (SELECT ARRAY[c, t] AS c FROM (VALUES ('data->>''cents''', 'float8'), ('data->>''cents''', 'float4'), ('data->>''num''', 'float8'), ('data->>''num''', 'float4'), ('data->>''num''', 'numeric'), ('data->>''big''', 'int8'), ('data->>''big''', 'float8'), ('data->>''big''', 'float4'), ('data->>''int''', 'int2'),
	('data->>''at''', 'timestamptz'), ('data->>''at''', 'timestamp'), ('data->>''at''', 'date'), ('data->>''u''', 'uuid'), ('data->>''flag''', 'bool'), ('data->>''text''', 'varchar')) x (c, t)) x;

-- what documents contain
SELECT q, compare('SELECT count(*), sum(id) FROM TAB WHERE ' || q) FROM unnest(ARRAY['data @> ''{"kind": "http"}''', '''{"kind": "say"}'' <@ data', 'data @> ''{"o": {"a": 3}, "kind": "http"}''', 'data->''o'' @> ''{"b": {"c": true}}''', 'data @> ''{"flag": true}''', 'data @> ''{"flag": "yes"}''',
	'data @> ''{"num": 3}''', 'data @> ''{"dirty": 500}''', 'data @> ''{"dirty": "500"}''', 'data @> ''{"text": null}''', 'data @> ''{"text": "true"}''', 'data @> ''{"text": ""}''', 'data @> ''{"o": {}}''', 'data @> ''{"o": {"list": [7], "a": 3}}''', 'data @> ''[]''', 'data @> ''"a"''', 'data @> ''{}''',
	'NOT data @> ''{"kind": "http"}''', 'data @> ''{"kind": "http", "nowhere": 1}''', 'data @> ''{"o": {"b": {"c": true, "d": "abc7"}}, "same": "the same"}''', 'few @> ''{"b": {"c": 2}}''', 'few @> ''{"a": "1"}''', 'whole @> ''{"a": 1}''', 'data @> ''{"int": 500}'' OR data @> ''{"text": "abc"}''',
	'data @> (SELECT jsonb_build_object(''text'', ''abc''))', 'data @> NULL', 'data->''o'' @> ''3''', 'data @> jsonb_build_object(''ref'', ref)', 'data @> ''{"": 2, "a.b": "dot"}''']) q;

-- parallel
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CALL check_random('parallel', 30);
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- keys and constants of prepared statements, in custom and generic plans
CREATE FUNCTION run(tab text, name text, args text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('EXECUTE %s_%s(%s)', name, tab, args) INTO result;
	RETURN coalesce(result, 'nothing');
EXCEPTION WHEN data_exception THEN
	RETURN SQLSTATE;
END $$;
DO $$
DECLARE
	tab text;
BEGIN
	FOREACH tab IN ARRAY '{h,l}'::text[] LOOP
		EXECUTE format('PREPARE text_%1$s(text) AS SELECT count(*) || '' '' || sum(id) FROM %1$I WHERE data->>''text'' = $1', tab);
		EXECUTE format('PREPARE key_%1$s(text, text) AS SELECT count(*) || '' '' || sum(id) FROM %1$I WHERE data->>$1 = $2', tab);
		EXECUTE format('PREPARE int_%1$s(int) AS SELECT count(*) || '' '' || sum(id) FROM %1$I WHERE (data->>''int'')::int > $1', tab);
		EXECUTE format('PREPARE like_%1$s(text) AS SELECT count(*) || '' '' || sum(id) FROM %1$I WHERE data->>''text'' LIKE $1 AND id %% 3 > 0', tab);
		EXECUTE format('PREPARE regex_%1$s(text, int) AS SELECT count(*) || '' '' || sum(id) FROM %1$I WHERE id < $2 AND data->>''text'' ~ $1', tab);
		EXECUTE format('PREPARE contains_%1$s(jsonb) AS SELECT count(*) || '' '' || sum(id) FROM %1$I WHERE data @> $1', tab);
	END LOOP;
END $$;
SELECT mode, name, args, regexp_replace(run('l', name, args), '^\d+ \d+$', 'rows') AS ledger, run('l', name, args) = run('h', name, args) AS same
FROM unnest('{force_custom_plan,force_generic_plan}'::text[]) mode, LATERAL (SELECT set_config('plan_cache_mode', mode, false)) s,
	(VALUES ('text', '''abc'''), ('text', 'NULL'), ('text', '''nowhere'''), ('key', '''kind'', ''http'''), ('key', '''a.b'', ''dot'''), ('key', 'NULL, ''x'''), ('int', '500'), ('int', 'NULL'), ('like', '''%refund%'''), ('like', '''line 1%'''), ('like', '''abc\'''),
		('regex', '''x('', -1'), ('regex', '''x('', 100'), ('regex', '''^a.c$'', 4000'), ('contains', '''{"kind": "http", "o": {"a": 3}}'''), ('contains', '''[]'''), ('contains', 'NULL'), ('contains', '''{"kind": "http"}''')) x (name, args);
RESET plan_cache_mode;

-- a path as the key of joins
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_memoize = off;
CREATE TABLE keys (k text, n int);
INSERT INTO keys VALUES ('abc', 5), ('refund asked', 7), (NULL, NULL), ('nowhere', -5), ('a%b', 500);
ANALYZE keys;
-- which side of the clause comes first depends on the version
CREATE FUNCTION join_plan() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXPLAIN (COSTS OFF) SELECT l.id FROM keys JOIN l ON l.data->>'text' = keys.k LOOP
		RETURN NEXT replace(line, '(keys.k = (data ->> ''text''::text))', '((data ->> ''text''::text) = keys.k)');
	END LOOP;
END $$;
SELECT join_plan();
SELECT compare('SELECT keys.k, x.id FROM keys JOIN TAB x ON x.data->>''text'' = keys.k ORDER BY 1, 2'), compare('SELECT keys.k, x.id FROM keys LEFT JOIN TAB x ON (x.data->>''int'')::int = keys.n AND x.kind = ''say'' ORDER BY 1, 2'),
	compare('SELECT keys.k, (SELECT count(*) FROM TAB x WHERE x.data->''o''->''a'' = to_jsonb(keys.n)) FROM keys ORDER BY 1'), compare('SELECT a.id, b.id FROM TAB a JOIN TAB b ON a.data->>''ref'' = b.ref WHERE a.id < 20 ORDER BY 1, 2');
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_memoize;
-- target lists: of paths alone, beside what else reads the column, in CASE, below locks
SELECT q, compare(q) FROM unnest(ARRAY['SELECT id, data->>''text'', data->''o''->''b'', data ? ''int'' FROM TAB ORDER BY id', 'SELECT data->>''text'' AS t, count(*) FROM TAB GROUP BY 1 ORDER BY 1',
	'SELECT id, CASE WHEN data->>''flag'' = ''true'' THEN data->>''int'' ELSE data->>''text'' END FROM TAB WHERE lower(data->>''kind'') = ''http'' ORDER BY id', 'SELECT x, data->>''text'' FROM TAB x ORDER BY id',
	'SELECT id, data->>''text'', (SELECT count(*) FROM keys k WHERE k.k = x.data->>''text'') FROM TAB x ORDER BY id', 'SELECT id, data->>''text'' FROM TAB WHERE lower(data->>''text'') LIKE ''%refund%'' ORDER BY id LIMIT 5', 'SELECT (data->>''cents'')::numeric * 2, few->>''a'', late->''a'' FROM TAB ORDER BY id',
	'SELECT id, data->>''text'' FROM TAB WHERE length(data->>''text'') > 3 AND (data->>''int'')::int > 500 ORDER BY id FOR SHARE', 'SELECT id, data->>''text'', jsonb_typeof(data) FROM TAB ORDER BY id', 'SELECT x.id, x.data->>''text'', y.data->''o'' FROM TAB x JOIN TAB y ON x.id = y.id + 1 AND x.data->>''kind'' = y.data->>''kind'' ORDER BY 1',
	'SELECT id, data->>''text'' FROM TAB WHERE (data->>''dirty'')::int >= 0 AND length(data->>''text'') > 3 AND id < 900 ORDER BY id', 'SELECT id, (data->>''dirty'')::int FROM TAB WHERE id < 900 ORDER BY id', 'SELECT tableoid::regclass::text = ''TAB'', data->>''text'' FROM TAB ORDER BY id']) q;
CREATE TABLE copied (id int, t text);
INSERT INTO copied SELECT id, data->>'text' FROM l WHERE data->>'kind' = 'say';
UPDATE copied SET t = l.data->>'ref' FROM l WHERE copied.id = l.id AND length(l.data->>'text') > 2;
SELECT count(*) AS different FROM (SELECT * FROM copied EXCEPT SELECT id, CASE WHEN length(data->>'text') > 2 THEN data->>'ref' ELSE data->>'text' END FROM h) x;


-- views: barriers, other names, unions
CREATE FUNCTION noisy(text) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN IF $1 = 'abc' THEN RAISE EXCEPTION 'seen'; END IF; RETURN true; END $$;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM l WHERE data->>'text' <> 'abc';
SELECT count(*) > 0 AS seen FROM barrier WHERE noisy(data->>'text');
EXPLAIN (COSTS OFF) SELECT id FROM barrier WHERE data->>'ref' LIKE '%a%' AND data->>'kind' = 'say' AND (data->>'int')::int = 3;
SELECT (SELECT count(*) FROM barrier WHERE data->>'ref' LIKE '%a%' AND data->>'kind' = 'http' AND (data->>'int')::int > 3) = (SELECT count(*) FROM h WHERE data->>'text' <> 'abc' AND data->>'ref' LIKE '%a%' AND data->>'kind' = 'http' AND (data->>'int')::int > 3) AS same;
CREATE VIEW named AS SELECT id, data->>'text' AS text, (data->>'int')::int AS int, data->'o' AS o FROM l UNION ALL SELECT id + 100000, data->>'text', (data->>'int')::int, data->'o' FROM l;
SELECT count(*) > 0 AS some, sum(id) = (SELECT 2 * sum(id) + 100000 * count(*) FROM h WHERE data->>'text' = 'abc' AND (data->>'int')::int > 100) AS same FROM named WHERE text = 'abc' AND int > 100;

-- cursors, backward too
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id, late->'a'->>'b', data->>'kind' FROM l WHERE id >= 10000 AND (late->'a'->>'b')::int = 5 ORDER BY id;
FETCH 3 FROM c;
FETCH BACKWARD 2 FROM c;
COMMIT;

-- what EXPLAIN says, and what is skipped
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
CREATE TABLE p (id int, k text, data jsonb) USING ledger;
INSERT INTO p SELECT i, 'key-' || md5(i::text), jsonb_build_object('key', 'key-' || md5(i::text), 'own', md5((i + 1)::text), 'n', i % 1000, 'at', '2026-01-01T00:00:' || lpad((i % 60)::text, 2, '0'), 'level', (ARRAY['info', 'debug', 'error'])[i % 3 + 1], 'one', 'single', 'note', CASE WHEN i % 2 = 0 THEN 'even' END)
	FROM generate_series(0, 8191) i;
SELECT ledger.seal('p') >= 0 AS sealed;
ANALYZE p;
SELECT plan('SELECT id FROM p WHERE data->>''key'' = ''key-'' || md5(''77'')');
SELECT plan('SELECT id FROM p WHERE data->>''key'' = ''key-0123456789abcdef0123456789abcdef''');
SELECT plan('SELECT id FROM p WHERE data->>''own'' = md5(''-7'')');
SELECT plan('SELECT id FROM p WHERE (data->>''n'')::int >= 1000');
SELECT plan('SELECT id FROM p WHERE data->>''n'' = ''1000''');
SELECT plan('SELECT id FROM p WHERE data->>''n'' = ''077''');
SELECT plan('SELECT id FROM p WHERE data->>''level'' = ''warning''');
SELECT plan('SELECT id FROM p WHERE data->>''level'' ILIKE ''%RR%'' AND (data->>''n'')::int < 10 AND id % 2 = 0');
SELECT plan('SELECT id FROM p WHERE data->>''one'' = ''double'' OR data->>''nowhere'' IS NOT NULL');
SELECT plan('SELECT id FROM p WHERE data->>''note'' IS NULL AND data ? ''note''');
SELECT plan('SELECT id FROM p WHERE data ? ''nowhere''');
SELECT plan('SELECT id FROM p WHERE data->>''n'' < ''10'' AND (data->>''at'')::timestamp < ''2026-01-01 00:00:03''');
SET ledger.enable_scan = off;
EXPLAIN (COSTS OFF) SELECT id FROM p WHERE data->>'level' = 'error';
RESET ledger.enable_scan;

-- Strings in @> that look like numbers, or nearly: of the latter their text tells.
CREATE FUNCTION as_json(v text, i int) RETURNS jsonb LANGUAGE sql IMMUTABLE AS
	$$ SELECT CASE WHEN i % 3 > 0 AND v ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?$' THEN v::jsonb ELSE to_jsonb(v) END $$;
CREATE TABLE near (v text, n int GENERATED ALWAYS AS IDENTITY);
INSERT INTO near (v) SELECT unnest(ARRAY['0', '-1', '1.5', '-', '.', '', '1e5', '12-3', '1-', '--1', '0x1f', '1.5.2', '-.', '00', 'true', '{"a": 1}', '[1]', '-1.50', '4a31']);
CREATE TABLE nh (id int, data jsonb);
INSERT INTO nh SELECT i, jsonb_build_object('v', as_json(v, i), 'w', as_json(md5(i::text), i)) FROM generate_series(1, 20000) i JOIN near ON n = 1 + i % 19;
CREATE TABLE nl USING ledger AS SELECT * FROM nh ORDER BY id;
SELECT ledger.seal('nl') >= 0 AS sealed;
DO $$
DECLARE
	condition text;
	h text;
	l text;
BEGIN
	FOR condition IN SELECT format('data @> %L', jsonb_build_object('v', as_json(v, i))) FROM (SELECT v FROM near UNION ALL VALUES ('99'), ('9a9')) x, generate_series(0, 1) i LOOP
		EXECUTE 'SELECT count(*) || '' '' || coalesce(sum(id), 0) FROM nh WHERE ' || condition INTO h;
		EXECUTE 'SELECT count(*) || '' '' || coalesce(sum(id), 0) FROM nl WHERE ' || condition INTO l;
		IF h <> l THEN RAISE 'DIFFERENT: %: % %', condition, h, l; END IF;
	END LOOP;
END $$;
CREATE FUNCTION segments_told(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) ' || query LOOP
		IF line ~ 'Segments:' THEN RETURN substring(line FROM 'Segments: (.*)'); END IF;
	END LOOP;
	RETURN 'nothing';
END $$;
SELECT segments_told('SELECT id FROM nl WHERE data @> ''{"w": "0b5c"}''') AS nearly, segments_told('SELECT id FROM nl WHERE data @> ''{"w": "777"}''') AS number;

DROP SCHEMA paths CASCADE;
