--
-- Searches in texts: LIKE, ILIKE, ~ and ledger.has_token() by distinct values,
-- templates of log lines and filters of tokens, against heap, with the scan on
-- and off.
--
SET client_min_messages = warning;
CREATE SCHEMA words;
SET search_path = words, public;
SET max_parallel_workers_per_gather = 0;
-- without ICU, one more that is deterministic
DO $$
BEGIN
	CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	CREATE COLLATION turkish (provider = icu, locale = 'tr');
EXCEPTION WHEN OTHERS THEN
	CREATE COLLATION nocase FROM "C";
	CREATE COLLATION turkish FROM "C";
END $$;
CREATE FUNCTION line(k int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE k % 6
		WHEN 0 THEN format('GET /apps/%s status=%s took %s ms', abs(hashint4(k)) % 9999, 200 + k % 4 * 100, k % 997)
		WHEN 1 THEN format('connection from 10.0.%s.7 closed: timeout', k % 256)
		WHEN 2 THEN format('job %s refund of %s.50 done', left(md5(k::text), 12), k % 1000)
		WHEN 3 THEN format('user %s said "%s" and refunds', k, (ARRAY['Straße', 'refund me', 'İstanbul ISPARTA', 'a_b%c', 'GET off'])[k / 6 % 5 + 1])
		WHEN 4 THEN format('2026-01-%s 10:%s:00 ÜBER error code=0x%s', to_char(k % 28 + 1, 'FM00'), to_char(k % 60, 'FM00'), to_hex(k))
		ELSE format('heartbeat_%s', k) END
$$;
-- lines; the same under other collations; few values; texts that share nothing;
-- documents with all of these
CREATE TABLE h (id int, t text, nc text COLLATE nocase, tr text COLLATE turkish, few text, any_text text, j jsonb) USING heap;
CREATE TABLE l (LIKE h) USING ledger;
CREATE FUNCTION make(start int, n int) RETURNS SETOF h LANGUAGE sql AS $$
	SELECT k, CASE WHEN k % 41 > 0 THEN line(k) END, line(k + 1), line(k + 2), (ARRAY['', 'refund', 'no refund here', 'Refunds', 'x_y', NULL])[hashint4(k) & 7],
		md5(k::text) || ' ' || md5((k + 1)::text) || CASE WHEN k % 500 = 7 THEN ' needle ' || k ELSE '' END,
		CASE WHEN k % 17 > 0 THEN jsonb_build_object('line', line(k + 3), 'few', (ARRAY['a refund', 'none', NULL, 'REFUND'])[hashint4(k + 1) & 3], 'any', md5(k::text) || ' thing',
			'mixed', CASE k % 4 WHEN 0 THEN to_jsonb(line(k)) WHEN 1 THEN to_jsonb(k) WHEN 2 THEN '[1, "refund"]' ELSE 'null' END, 'same', 'refund of all') END
	FROM generate_series(start, start + n - 1) k
$$;
INSERT INTO h SELECT * FROM make(0, 2600);
INSERT INTO l SELECT * FROM make(0, 2600);
SELECT ledger.seal('l') >= 0 AS sealed;
BEGIN;
SAVEPOINT a;
INSERT INTO l SELECT * FROM make(20000, 1000);
ROLLBACK TO a;
INSERT INTO h SELECT * FROM make(2600, 1500);
INSERT INTO l SELECT * FROM make(2600, 1500);
COMMIT;
SELECT ledger.seal('l') >= 0 AS sealed;
INSERT INTO h SELECT * FROM make(9000, 100);
INSERT INTO l SELECT * FROM make(9000, 100);
ANALYZE h, l;
SELECT column_name, bool_or(encoding = 'lines') AS lines, bool_or(encoding = 'dictionary') AS dictionary FROM ledger.chunks('l') WHERE column_name IN ('t', 'nc', 'tr', 'few', 'any_text', 'j') GROUP BY 1 ORDER BY column_name COLLATE "C";

-- every search of every text
CREATE TABLE tests (op text, pattern text);
INSERT INTO tests SELECT op, p FROM unnest('{LIKE,NOT LIKE,ILIKE}'::text[]) op, unnest(ARRAY['%refund%', '% refund %', '%REFUND%', 'refund', '', '%', '%%', '_', '%_%', 'job%done', 'job %refund%done', '%refund of%0.50%', '%of%refund%',
	'GET%', '%timeout', '%: timeout', '%a\_b\%c%', '%a_b%', '%\\%', '%straße%', '%STRASSE%', '%über%', '%ÜBER%', '%istanbul%', '%ISPARTA%', '%ısparta%', '%10.0._.7%', '%0x1_%', '%needle%', '%heartbeat_7%', '%heartbeat\_7%', '%nowhere at all%',
	'%"refund me"%', 'connection%from%10%7%timeout', '%status=500%', '%status=500 took 1%', '%2026-01-1%', '%code=0x%', 'x_y', 'x\_y', '[1, "refund"]', '12%', '%\', '\', 'refund\', NULL]) p;
INSERT INTO tests SELECT op, p FROM unnest('{~,~*,!~}'::text[]) op, unnest(ARRAY['refund', ' refund ', '^job', 'done$', '^refund$', '^$', '', '^', '$', 'job.*refund', 'refund.*job', 'took 1\d+ ms', '\mrefund\M', 'refunds?', 'refund+', 'x*refund', '10\.0\.1', '10.0.1',
	'(refund|timeout)', '[Rr]efund', 'ref.nd', 'ref.?und', 'Straße', 'straSSE', 'ÜBER', 'ü*ber', 'é?code', 'İstanbul', 'isparta', 'a_b%c', 'off"', '\"refund', 'refund{1}', '***=refund', '(?i)REFUND', 'a\', '(', '*', NULL]) p;
INSERT INTO tests SELECT 'token', p FROM unnest(ARRAY['refund', 'refunds', 'REFUND', 'timeout', 'Straße', 'Stra', 'ÜBER', 'heartbeat_7', 'needle', 'nowhere', '', 'a b', '10', '0x1b', 'ms', 'all', NULL]) p;
-- or the error
CREATE FUNCTION answer(tab text, test text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	a text;
BEGIN
	EXECUTE format('SELECT count(*) || '' '' || sum(id) FROM %s WHERE %s', tab, test) INTO a;
	RETURN a;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
CREATE FUNCTION check_searches() RETURNS TABLE (checked int) LANGUAGE plpgsql AS $$
DECLARE
	r record;
	v text;
	q text;
	n int := 0;
BEGIN
	FOR r IN SELECT * FROM tests, unnest('{t,nc,tr,few,any_text,j->>''line'',j->>''few'',j->>''any'',j->>''mixed'',j->>''same'',j->>''gone''}'::text[]) col
		WHERE col = 't' OR op = 'token' OR hashtext(concat(op, pattern, col)) % 4 = 0
	LOOP
		q := CASE r.op WHEN 'token' THEN format('ledger.has_token(%s, %L)', r.col, r.pattern) ELSE format('%s %s %L', r.col, r.op, r.pattern) END;
		n := n + 1;
		PERFORM set_config('ledger.enable_scan', (n % 8 <> 0)::text, false);
		v := answer('l', q);
		IF v IS DISTINCT FROM answer('h', q) THEN
			RAISE WARNING '%: % and not %', q, v, answer('h', q);
		END IF;
	END LOOP;
	RESET ledger.enable_scan;
	checked := n;
	RETURN NEXT;
END $$;
SELECT check_searches();
-- the pattern known at run time, differing from row to row, in trees
PREPARE search (text) AS SELECT count(*), sum(id) FROM l WHERE t LIKE $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE search ('%refund%');
EXECUTE search ('%nowhere%');
EXECUTE search (NULL);
RESET plan_cache_mode;
SELECT oracle.query('SELECT p, (SELECT count(*) FROM # WHERE t LIKE p), (SELECT sum(id) FROM # WHERE ledger.has_token(j->>''line'', trim(p, ''%''))) FROM unnest(''{%refund%,%done,GET%,NULL,%nowhere%,%needle%}''::text[]) p');
SELECT oracle.query('SELECT count(*), sum(id) FROM # WHERE (t LIKE ''%refund%'' OR few LIKE ''%refund%'' OR any_text LIKE ''%needle%'') AND (j->>''line'' ILIKE ''%get%'' OR ledger.has_token(t, ''done''))'),
	oracle.query('SELECT id FROM # WHERE t LIKE ''%status=500%'' AND t LIKE ''%took 9%'' ORDER BY id LIMIT 5'), oracle.query('SELECT count(*) FROM # WHERE NOT ledger.has_token(t, ''refund'')'),
	oracle.query('SELECT count(*) FROM # WHERE ledger.has_token(few, few)'), oracle.query('SELECT count(*) FROM # WHERE ledger.has_token(''a refund'', few)');
-- vectors in descending order
SELECT oracle.query('SELECT id FROM # WHERE t LIKE ''%refund%'' ORDER BY id DESC LIMIT 1000'), oracle.query('SELECT id FROM # WHERE ledger.has_token(j->>''line'', ''refund'') ORDER BY id DESC LIMIT 1000');

-- What is skipped
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || query LOOP
		-- 18 has more to tell
		CONTINUE WHEN line !~ 'Filter|Segments|Vectors|Removed';
		RETURN NEXT line;
	END LOOP;
END $$;
CREATE TABLE s (id int, line text, few text, any_text text, j jsonb) USING ledger;
INSERT INTO s SELECT id, line(id), few, any_text, jsonb_build_object('line', line(id + 3), 'any', any_text) FROM make(0, 8192);
SELECT ledger.seal('s') >= 0 AS sealed;
INSERT INTO s SELECT id, line(id) || ' zebra', few, any_text || ' zebra', jsonb_build_object('line', line(id + 3) || ' zebra', 'any', any_text || ' zebra') FROM make(10000, 8192);
SELECT ledger.seal('s') >= 0 AS sealed;
-- by tokens of the chunk: of a column, of a path; in the middle of a pattern
SELECT plan('SELECT id FROM s WHERE ledger.has_token(any_text, ''zebra'')');
SELECT plan('SELECT id FROM s WHERE ledger.has_token(j->>''any'', ''zebra'')');
SELECT plan('SELECT id FROM s WHERE any_text LIKE ''% zebra''');
SELECT plan('SELECT id FROM s WHERE j->>''any'' LIKE ''% zebra''');
SELECT plan('SELECT id FROM s WHERE any_text ~ ''^\w+ \w+ zebra$''');
-- not where it need not be a token of its own
SELECT plan('SELECT id FROM s WHERE any_text LIKE ''% zebra%''');
SELECT plan('SELECT id FROM s WHERE any_text LIKE ''% nowhere %''');
SELECT plan('SELECT id FROM s WHERE ledger.has_token(any_text, ''no token'')');
-- by dictionaries
SELECT plan('SELECT id FROM s WHERE few LIKE ''%zebra%''');
SELECT plan('SELECT id FROM s WHERE few ILIKE ''%ZEBRA%''');
SELECT plan('SELECT id FROM s WHERE few ~ ''z.bra''');
-- a function that has but the name, or a setting of its own
CREATE FUNCTION has_token(text, text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2 OR length($1) > 1000';
SELECT plan('SELECT id FROM s WHERE words.has_token(few, ''zebra'')') LIKE '%Pushed%' AS pushed LIMIT 1;
BEGIN;
ALTER FUNCTION ledger.has_token SET search_path = pg_catalog;
SELECT count(*) FROM s WHERE ledger.has_token(few, 'refund');
SELECT plan('SELECT id FROM s WHERE ledger.has_token(few, ''refund'')') LIKE '%Pushed%' AS pushed LIMIT 1;
ROLLBACK;
-- a pattern that is an error for some rows is one, and only if there are such
SELECT count(*) FROM s WHERE id < 0 AND few LIKE 'no refund\';
SELECT count(*) FROM s WHERE few LIKE 'no refund\';
DROP SCHEMA words CASCADE;
