--
-- Rows of the tail that are compressed: against a dictionary, and against each
-- other.  Whatever is done to them, they are heap's rows.
--
SET client_min_messages = warning;
\set VERBOSITY sqlstate
CREATE EXTENSION IF NOT EXISTS ledger;
CREATE SCHEMA packed;
SET search_path = packed;
SET timezone = 'UTC';

-- What is in a table's file, after a checkpoint: dictionaries' blocks, tail pages that name one, and
-- packed rows, which have 2047 attributes.
CREATE FUNCTION file_of(t regclass, OUT dictionary_blocks int, OUT pages_with int, OUT packed int) LANGUAGE plpgsql AS $$
DECLARE
	d bytea;
	page bytea;
	at int;
BEGIN
	d := pg_read_binary_file(pg_relation_filepath(t));
	dictionary_blocks := 0;
	pages_with := 0;
	packed := 0;
	FOR b IN 0 .. length(d) / 8192 - 1 LOOP
		page := substr(d, b * 8192 + 1, 8192);
		IF get_byte(page, 8171) = 10 THEN
			dictionary_blocks := dictionary_blocks + 1;
		ELSIF get_byte(page, 8171) = 5 THEN
			pages_with := pages_with + (get_byte(page, 8172) + get_byte(page, 8173) > 0)::int;
			FOR i IN 0 .. (get_byte(page, 12) + 256 * get_byte(page, 13) - 24) / 4 - 1 LOOP
				at := (get_byte(page, 24 + 4 * i) + 256 * get_byte(page, 25 + 4 * i)) & 32767;
				packed := packed + ((get_byte(page, at + 18) + 256 * get_byte(page, at + 19)) & 2047 = 2047)::int;
			END LOOP;
		END IF;
	END LOOP;
END $$;

-- Entries like a bot's; some wide, some too wide for a page, some not to be
-- compressed, some with NULLs, some short.
CREATE TYPE entry AS (k int, id text, ts timestamptz, kind text, trace text, data jsonb, blob bytea, gone int);
CREATE FUNCTION noise(n int, bytes int) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
	SELECT substr(string_agg(decode(md5(n || ':' || g) || md5(g || ':' || n), 'hex'), '' ORDER BY g), 1, bytes) FROM generate_series(1, bytes / 32 + 1) g $$;
CREATE FUNCTION make(n int) RETURNS entry LANGUAGE sql IMMUTABLE AS $$
	SELECT ROW(n, 'tr-' || md5(n::text), timestamptz '2026-09-08 00:00+00' + n * interval '37 ms',
		CASE WHEN n % 7 <> 3 THEN 'meya.http.entry.request' END, CASE WHEN n % 11 <> 5 THEN 'tr-' || md5((n / 9)::text) END,
		CASE WHEN n % 13 = 4 THEN NULL
			ELSE jsonb_build_object('trace_id', 'tr-' || md5((n / 9)::text), 'sensitive', false, 'method', 'POST', 'integration_id', 'integration.messenger',
				'url', 'https://grid.example.com/gateway/v2/integration.messenger/app-' || md5((n % 3)::text), 'upper', upper(md5(n::text)),
				'headers', jsonb_build_object('content-type', 'application/json', 'x-forwarded-for', '10.227.75.' || n % 256)) END,
		CASE WHEN n % 101 = 50 THEN noise(n, 2500) WHEN n % 499 = 77 THEN noise(n, 20000) WHEN n % 17 = 1 THEN noise(n, n % 300)
			WHEN n % 19 = 2 THEN decode(repeat('fe', n % 200), 'hex') WHEN n % 251 = 9 THEN decode(repeat('fe00ff41', 1500), 'hex') END, n)::entry $$;
CREATE FUNCTION put(low int, high int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE e entry;
BEGIN
	FOR n IN low .. high LOOP
		e := make(n);
		INSERT INTO h SELECT (e).*;
		INSERT INTO l SELECT (e).*;
	END LOOP;
END $$;
CREATE FUNCTION put_batch(low int, high int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE rows entry[] := (SELECT array_agg(make(n) ORDER BY n) FROM generate_series(low, high) n);
BEGIN
	INSERT INTO h SELECT * FROM unnest(rows);
	PERFORM ledger.append('l', rows);
END $$;
CREATE FUNCTION put_select(low int, high int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE rows entry[] := (SELECT array_agg(make(n) ORDER BY n) FROM generate_series(low, high) n);
BEGIN
	INSERT INTO h SELECT * FROM unnest(rows);
	INSERT INTO l SELECT * FROM unnest(rows);
END $$;

CREATE TABLE h (k int, id text, ts timestamptz, kind text, trace text, data jsonb, blob bytea, gone int) USING heap;
CREATE TABLE l (k int, id text, ts timestamptz, kind text, trace text, data jsonb, blob bytea, gone int) USING ledger WITH (autovacuum_enabled = off);
ALTER TABLE h ALTER blob SET STORAGE EXTERNAL;
ALTER TABLE l ALTER blob SET STORAGE EXTERNAL;

-- chains without a dictionary, then a dictionary, then rows one by one
SELECT put_batch(1, 100);
SELECT oracle.same('h', 'l');
CHECKPOINT;
SELECT dictionary_blocks, pages_with, packed > 80 AS packed FROM file_of('l');
DO $$ BEGIN FOR n IN 1 .. 40 LOOP PERFORM put_batch(n * 300 - 199, n * 300 - 199 + n * 7); COMMIT; END LOOP; END $$;
SELECT oracle.same('h', 'l');
SELECT put(20001, 20600);
SELECT put_select(21001, 21900);
SELECT put_select(22001, 22001), put_select(22002, 22003);
SELECT oracle.same('h', 'l');
CHECKPOINT;
SELECT dictionary_blocks, pages_with > 20 AS pages_with, packed > 5000 AS packed FROM file_of('l');
SELECT pg_relation_size('l') * 2 < pg_table_size('h') AS smaller;

-- in transactions: savepoints rolled back in the middle of chains, cursors that
-- see what their command saw
BEGIN;
SELECT put_batch(30001, 30010);
DECLARE c CURSOR FOR SELECT k FROM l WHERE k > 30000;
SAVEPOINT a;
SELECT put_batch(30011, 30040);
SELECT put(30041, 30044);
SELECT oracle.same('h', 'l');
ROLLBACK TO a;
SELECT put_batch(30045, 30060);
SAVEPOINT b;
SELECT put_select(30061, 30065);
RELEASE b;
SELECT put(30066, 30067);
FETCH ALL FROM c;
SELECT oracle.query('SELECT * FROM # WHERE k > 30000 ORDER BY k');
COMMIT;
BEGIN;
SELECT put_batch(31001, 31050);
SELECT put(31051, 31053);
ROLLBACK;
SELECT oracle.same('h', 'l');
SELECT oracle.query('SELECT xmin IS NOT NULL, count(*) FROM # GROUP BY 1');

-- columns that come and go
SELECT oracle.both('ALTER TABLE # ADD COLUMN late text DEFAULT ''late'''), oracle.both('ALTER TABLE # DROP COLUMN gone');
INSERT INTO h SELECT (make(n)).k, (make(n)).id, (make(n)).ts, NULL, NULL, (make(n)).data, NULL, 'in time' FROM generate_series(32001, 32200) n;
INSERT INTO l SELECT (make(n)).k, (make(n)).id, (make(n)).ts, NULL, NULL, (make(n)).data, NULL, 'in time' FROM generate_series(32001, 32200) n;
SELECT oracle.both('ALTER TABLE # ADD COLUMN number int');
SELECT oracle.both($$INSERT INTO # SELECT n, 'x' || n, NULL, NULL, repeat('nulls at the end', 8), NULL, NULL, NULL, NULL FROM generate_series(33001, 33100) n$$);
SELECT oracle.same('h', 'l');
SELECT oracle.query('SELECT late, count(*), count(number), count(blob) FROM # GROUP BY 1 ORDER BY 1');

-- indexes on rows that are packed
SELECT oracle.both('CREATE INDEX #_k ON # (k)'), oracle.both('CREATE INDEX #_data ON # USING gin (data jsonb_path_ops)'), oracle.both('CREATE UNIQUE INDEX #_id ON # (id)'), oracle.both('ANALYZE #');
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT oracle.query('SELECT * FROM # WHERE k BETWEEN 20100 AND 20400 ORDER BY k'), oracle.query('SELECT * FROM # WHERE k < 3000 ORDER BY k DESC');
SELECT oracle.query('SELECT k, data FROM # WHERE id IN (SELECT ''tr-'' || md5(n::text) FROM generate_series(1, 30000, 97) n) ORDER BY k');
SET enable_indexscan = off;
SET enable_bitmapscan = on;
SELECT oracle.query('SELECT * FROM # WHERE k BETWEEN 20100 AND 20400 ORDER BY k'), oracle.query(format('SELECT * FROM # WHERE data @> %L ORDER BY k', jsonb_build_object('trace_id', 'tr-' || md5('2250'))));
RESET enable_seqscan;
RESET enable_bitmapscan;
RESET enable_indexscan;
INSERT INTO l (k, id) SELECT k, id FROM h WHERE k % 5 = 0 ON CONFLICT DO NOTHING;
SELECT oracle.both($$INSERT INTO # (k, id, trace) SELECT n, 'tr-' || md5(n::text), repeat('on conflict', 10) FROM generate_series(40001, 40100) n ON CONFLICT DO NOTHING$$);
SELECT oracle.both($$INSERT INTO # (k, id, trace) VALUES (0, 'tr-' || md5('40050'), repeat('on conflict', 10))$$);
SELECT oracle.same('h', 'l');

-- by TID, backwards, samples
SELECT count(*) = count(x.k) AS found FROM l y JOIN LATERAL (SELECT k, data FROM l WHERE ctid = y.ctid) x ON x.k = y.k AND x.data IS NOT DISTINCT FROM y.data WHERE y.k % 37 = 0;
SELECT count(*) > 0 AS some, count(*) = count(h.k) AS all_there FROM l TABLESAMPLE SYSTEM (40) REPEATABLE (1) LEFT JOIN h ON h.k = l.k AND h.id = l.id AND h.data IS NOT DISTINCT FROM l.data;
SELECT count(*) > 0 AS some, count(*) = count(h.k) AS all_there FROM l TABLESAMPLE BERNOULLI (10) REPEATABLE (1) LEFT JOIN h ON h.k = l.k AND h.id = l.id AND h.data IS NOT DISTINCT FROM l.data;
CREATE FUNCTION there_and_back(t text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE c refcursor; forth text := ''; back text := ''; r record;
BEGIN
	OPEN c SCROLL FOR EXECUTE format('SELECT k, id, data FROM %s', t);
	LOOP FETCH c INTO r; EXIT WHEN NOT FOUND; forth := forth || md5(r::text); END LOOP;
	LOOP FETCH BACKWARD FROM c INTO r; EXIT WHEN NOT FOUND; back := md5(r::text) || back; END LOOP;
	RETURN CASE WHEN forth = back THEN 'same rows backwards' ELSE 'DIFFERENT backwards' END;
END $$;
SELECT there_and_back('l'), there_and_back('l TABLESAMPLE SYSTEM (5) REPEATABLE (2)');
SELECT oracle.query('SELECT k FROM # WHERE k < 500 ORDER BY k FOR SHARE');

-- frozen in place
VACUUM (FREEZE) l;
SELECT oracle.same('h', 'l');
CHECKPOINT;
SELECT packed > 5000 AS packed FROM file_of('l');

-- sealed: VACUUM drops the dictionary, and what it took
SELECT ledger.seal('l') > 0 AS sealed;
SELECT oracle.same('h', 'l');
VACUUM l;
VACUUM l;
CHECKPOINT;
SELECT dictionary_blocks, pages_with, packed FROM file_of('l');
SELECT oracle.same('h', 'l');
-- and then there is another
INSERT INTO h (k, id, ts, kind, trace, data) SELECT (make(n)).k, (make(n)).id, (make(n)).ts, (make(n)).kind, (make(n)).trace, (make(n)).data FROM generate_series(50001, 50900) n;
INSERT INTO l (k, id, ts, kind, trace, data) SELECT (make(n)).k, (make(n)).id, (make(n)).ts, (make(n)).kind, (make(n)).trace, (make(n)).data FROM generate_series(50001, 50900) n;
INSERT INTO h (k, id, ts, kind, trace, data) SELECT (make(n)).k, (make(n)).id, (make(n)).ts, (make(n)).kind, (make(n)).trace, (make(n)).data FROM generate_series(51001, 51900) n;
INSERT INTO l (k, id, ts, kind, trace, data) SELECT (make(n)).k, (make(n)).id, (make(n)).ts, (make(n)).kind, (make(n)).trace, (make(n)).data FROM generate_series(51001, 51900) n;
SELECT oracle.same('h', 'l');
CHECKPOINT;
SELECT dictionary_blocks, pages_with > 5 AS pages_with, packed > 1500 AS packed FROM file_of('l');

-- rewritten, copied and moved while rows are packed
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE regress_ledger_packed LOCATION '';
-- (after a rollback of this, indexes name rows that never were; heap's, too)
DROP INDEX h_k, l_k, h_data, l_data, h_id, l_id;
BEGIN;
ALTER TABLE l SET TABLESPACE regress_ledger_packed;
SELECT oracle.same('h', 'l');
SELECT oracle.both($$INSERT INTO # (k, id, trace) SELECT n, n, repeat('moved away', 10) FROM generate_series(60001, 60100) n$$);
SELECT oracle.same('h', 'l');
ROLLBACK;
SELECT oracle.same('h', 'l');
ALTER TABLE l SET TABLESPACE regress_ledger_packed;
SELECT oracle.both($$INSERT INTO # (k, id, trace) SELECT n, n, repeat('moved', 20) FROM generate_series(60001, 60100) n$$);
SELECT oracle.same('h', 'l');
CHECKPOINT;
SELECT dictionary_blocks, pages_with > 5 AS pages_with, packed > 1500 AS packed FROM file_of('l');
ALTER TABLE l SET TABLESPACE pg_default;
DROP TABLESPACE regress_ledger_packed;
VACUUM FULL l;
SELECT oracle.same('h', 'l');
SELECT ledger.seal('l') IS NOT NULL AS sealed;
VACUUM FULL l;
CHECKPOINT;
SELECT dictionary_blocks, pages_with, packed FROM file_of('l');
SELECT oracle.same('h', 'l');
SELECT oracle.both($$INSERT INTO # (k, id, trace) SELECT n, n, repeat('again', 20) FROM generate_series(61001, 61100) n$$);
ALTER TABLE l SET ACCESS METHOD heap;
SELECT oracle.same('h', 'l');
ALTER TABLE l SET ACCESS METHOD ledger;
SELECT oracle.same('h', 'l');
ALTER TABLE l SET LOGGED;
VACUUM FULL l;
SELECT oracle.same('h', 'l');
DROP TABLE h, l;

-- the same numbers for other dictionaries: TRUNCATE in the transaction that made
-- the table, in a savepoint, and after
-- fewer than 1,000 rows, which the bulk writer would take, on more than 24 pages
CREATE FUNCTION fill(t regclass, salt text, n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format($q$INSERT INTO %s SELECT g, md5(g::text) || (SELECT string_agg(upper(md5(%L || g %% 30 || i)), '' ORDER BY i) FROM generate_series(1, 16) i) FROM generate_series(1, %s) g$q$, t, salt, n);
END $$;
CREATE FUNCTION both_filled(salt text, n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM fill('h', salt, n), fill('l', salt, n);
	RETURN oracle.same('h', 'l');
END $$;
BEGIN;
CREATE TABLE h (n int, t text) USING heap;
CREATE TABLE l (n int, t text) USING ledger;
SELECT both_filled('first', 480);
SELECT both_filled('first again', 100);
TRUNCATE h, l;
SELECT both_filled('second', 480);
SELECT both_filled('second again', 100);
SAVEPOINT a;
TRUNCATE h, l;
SELECT both_filled('third', 480);
SELECT both_filled('third again', 100);
ROLLBACK TO a;
SELECT oracle.same('h', 'l');
SELECT both_filled('fourth', 300);
COMMIT;
CHECKPOINT;
SELECT dictionary_blocks > 0 AS dictionary, packed > 300 AS packed FROM file_of('l');
TRUNCATE h, l;
SELECT both_filled('fifth', 480), both_filled('fifth again', 100);
BEGIN;
TRUNCATE h, l;
SELECT both_filled('sixth', 480), both_filled('sixth again', 100);
ROLLBACK;
SELECT both_filled('seventh', 100);
DROP TABLE h, l;

-- tables that are not logged
CREATE TEMP TABLE h (n int, t text) USING heap;
CREATE TEMP TABLE l (n int, t text) USING ledger;
SET search_path = pg_temp, packed;
SELECT both_filled('temporary', 480), both_filled('temporary', 300), both_filled('temporary', 3);
SELECT ledger.seal('l') > 0 AS sealed;
SELECT both_filled('temporary', 300);
DROP TABLE h, l;
SET search_path = packed;
CREATE UNLOGGED TABLE h (n int, t text) USING heap;
CREATE UNLOGGED TABLE l (n int, t text) USING ledger;
SELECT both_filled('unlogged', 480), both_filled('unlogged', 300), both_filled('unlogged', 3);
SELECT pg_relation_size('l') < pg_relation_size('h') AS smaller;
SELECT ledger.seal('l') > 0 AS sealed;
SELECT both_filled('unlogged', 300);
DROP TABLE h, l;

-- many tables at once: more than a backend keeps dictionaries of
DO $$
BEGIN
	FOR i IN 1 .. 40 LOOP
		EXECUTE format('CREATE TABLE h%1$s (n int, t text) USING heap; CREATE TABLE l%1$s (n int, t text) USING ledger', i);
		PERFORM fill(('h' || i)::regclass, 'table ' || i, 480), fill(('l' || i)::regclass, 'table ' || i, 480);
	END LOOP;
	FOR round IN 1 .. 5 LOOP
		FOR i IN 1 .. 40 LOOP
			PERFORM fill(('h' || i)::regclass, 'round ' || round, 6), fill(('l' || i)::regclass, 'round ' || round, 6);
		END LOOP;
	END LOOP;
END $$;
SELECT oracle.same(('h' || i)::regclass, ('l' || i)::regclass), count(*) FROM generate_series(1, 40) i GROUP BY 1;
CHECKPOINT;
SELECT sum((file_of(('l' || i)::regclass)).dictionary_blocks) >= 40 AS dictionaries FROM generate_series(1, 40, 1) i;
-- rows of several by turns
SELECT count(*), count(DISTINCT l1.t || l2.t || l3.t || l9.t || l17.t || l33.t || l4.t || l5.t || l6.t || l7.t) FROM l1 JOIN l2 USING (n) JOIN l3 USING (n) JOIN l9 USING (n) JOIN l17 USING (n) JOIN l33 USING (n)
	JOIN l4 USING (n) JOIN l5 USING (n) JOIN l6 USING (n) JOIN l7 USING (n) WHERE n BETWEEN 300 AND 350;

-- A past leaf's last rows bring no dictionary, as its maintenance would drop it
-- again: the first one that later rows get has number 1.
CREATE TABLE p (ts timestamptz NOT NULL, n int, t text) PARTITION BY RANGE (ts);
CREATE TABLE l PARTITION OF p FOR VALUES FROM ('2020-01-01') TO ('2020-01-02') USING ledger;
SELECT ledger.manage('p', '1 day', premake => 0, seal_after => '0');
CREATE FUNCTION past(low int, high int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN low .. high LOOP
		INSERT INTO l VALUES ('2020-01-01 12:00', n, noise(0, 200)::text || n || noise(n, 400)::text);
	END LOOP;
END $$;
SELECT past(1, 200);
SELECT pg_sleep(1.1);
CALL ledger.maintain('p');
SELECT entries, tail_entries FROM ledger.stats('l');
SELECT past(201, 900);
CHECKPOINT;
SELECT max(get_byte(page, 8172) + 256 * get_byte(page, 8173)) AS newest
FROM (SELECT pg_read_binary_file(pg_relation_filepath('l'), b * 8192, 8192) AS page FROM generate_series(0, pg_relation_size('l') / 8192 - 1) b) x
WHERE get_byte(page, 8171) = 5;

RESET search_path;
SET client_min_messages = error;
DROP SCHEMA packed CASCADE;
