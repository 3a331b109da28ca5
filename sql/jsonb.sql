--
-- jsonb in segments: what comes back has the bytes that went in, as heap keeps
-- them, whatever the documents are.
--
SET client_min_messages = warning;
CREATE SCHEMA jsonb;
SET search_path = jsonb, public;
-- a jsonb's own bytes, not its text or value
CREATE FUNCTION bytes_hash(jsonb) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'sha256_bytea';
CREATE TABLE h (kind text, i int, id text, other text, j jsonb);
CREATE TABLE l (LIKE h) USING ledger;
ALTER TABLE l SET (autovacuum_enabled = off);

-- Entries of a few shapes that repeat columns of their row, but not always.
INSERT INTO h SELECT 'entry', i, 'tr-' || md5(i::text), 'u-' || md5((i / 10)::text), jsonb_build_object(
		'id', CASE WHEN i % 97 = 0 THEN 'tr-other' ELSE 'tr-' || md5(i::text) END, 'user', 'u-' || md5((i / 10)::text),
		'always', 'the same', 'n', i % 1000, 'price', (i % 1000) / 100.0, 'ok', i % 3 = 0, 'none', NULL) ||
	CASE i % 4 WHEN 0 THEN '{}' WHEN 1 THEN jsonb_build_object('status', 200 + i % 3, 'elapsed_ms', round(i / 7.0, 2))
		WHEN 2 THEN jsonb_build_object('parent', jsonb_build_object('ledger', 'event', 'id', 1788825600000 + i || '-' || i % 10, 'data', '{}'::jsonb))
		ELSE jsonb_build_object('replies', (SELECT jsonb_agg(jsonb_build_object('text', k, 'button', md5((i * k)::text))) FROM generate_series(1, i % 5) k)) END
	FROM generate_series(1, 3000) i;
-- Missing keys, types that change from row to row, NULL rows, scalars.
INSERT INTO h SELECT 'changing', i, NULL, NULL, CASE i % 11
		WHEN 0 THEN NULL WHEN 1 THEN '{}' WHEN 2 THEN '[]' WHEN 3 THEN to_jsonb(i) WHEN 4 THEN to_jsonb(md5(i::text))
		WHEN 5 THEN 'null' WHEN 6 THEN to_jsonb(i % 2 = 0) WHEN 7 THEN jsonb_build_object('a', i) WHEN 8 THEN jsonb_build_object('a', i::text)
		WHEN 9 THEN jsonb_build_object('a', jsonb_build_array(i, i::text, NULL)) ELSE jsonb_build_object('a', NULL, 'b', jsonb_build_object('a', '[]'::jsonb)) END
	FROM generate_series(1, 2200) i;
-- Numbers: scales, zeros, signs, what needs a long header, NaN cannot be.
INSERT INTO h SELECT 'numbers', i, NULL, NULL, jsonb_build_object('fixed', (i / 100.0)::numeric(12, 2), 'mixed', round(i / 8.0, i % 5), 'zero', CASE i % 4 WHEN 0 THEN 0 WHEN 1 THEN 0.0 WHEN 2 THEN 0.000 ELSE -0.50 END,
		'huge', (i || repeat('0', i % 300))::numeric, 'tiny', ('0.' || repeat('0', i % 200) || i)::numeric, 'edge', (ARRAY[999999999999999, 1000000000000000, -999999999999999, 9999, 10000, 1e15, 1e-15, 1.5e-16])[i % 8 + 1],
		'int8', 9223372036854775807 - i % 3, 'one', (ARRAY[1, 1.0, 1.00])[i % 3 + 1])
	FROM generate_series(1, 1500) i;
-- Keys: by length, empty, in other scripts, with dots, quotes and control characters; given twice.
INSERT INTO h SELECT 'keys', i, NULL, NULL, ('{"": ' || i || ', "zz": 1, "b": 2, "aaa": ' || i % 5 || ', "b": ' || i % 7 || ', "été": "à ' || i || '", "a.b": {"c d": {"\"q\\": [' || i || ', "x\ty"]}}, "k\u0001": null}')::jsonb
	FROM generate_series(1, 500) i;
-- Deep nesting, and many elements and keys, so that offsets and lengths alternate.
INSERT INTO h SELECT 'deep', i, NULL, NULL, (repeat('{"a":[', i) || i || repeat(']}', i))::jsonb FROM generate_series(1, 60) i;
INSERT INTO h SELECT 'arrays', i, NULL, NULL, jsonb_build_object('list', (SELECT jsonb_agg(CASE k % 4 WHEN 0 THEN to_jsonb(k * i) WHEN 1 THEN to_jsonb(md5(k::text)) WHEN 2 THEN '{"x": 1.50}' ELSE 'null' END) FROM generate_series(1, i % 150) k))
	FROM generate_series(1, 450) i;
INSERT INTO h SELECT 'wide', i, NULL, NULL, (SELECT jsonb_object_agg('k' || k, CASE WHEN k % 5 = i % 5 THEN to_jsonb(k) ELSE to_jsonb(md5(k::text)) END) FROM generate_series(1, 90 + i % 3) k) FROM generate_series(1, 100) i;
INSERT INTO h SELECT 'large', i, NULL, NULL, jsonb_build_object('n', i, 'list', (SELECT jsonb_agg(k % 1000) FROM generate_series(1, 100000) k)) FROM generate_series(1, 3) i;
-- A thousand shapes, and as many as there are documents.
INSERT INTO h SELECT 'shapes', i, NULL, NULL, jsonb_build_object('always', i, 'k' || i % 1000, i % 7, 'type', CASE i % 2 WHEN 0 THEN 'a' ELSE 'b' END) FROM generate_series(1, 8000) i;
INSERT INTO h SELECT 'unlike', i, NULL, NULL, jsonb_build_object('k' || i, i) FROM generate_series(1, 3000) i;

-- Each kind for itself, loaded; then all together, in order and mixed.
CREATE FUNCTION differences() RETURNS bigint LANGUAGE sql AS
$$ SELECT count(*) FROM (SELECT kind, i, id, other, bytes_hash(j) FROM h EXCEPT ALL SELECT kind, i, id, other, bytes_hash(j) FROM l) x $$;
DO $do$
DECLARE
	k text;
	missing bigint;
BEGIN
	FOR k IN SELECT DISTINCT kind FROM h ORDER BY 1 LOOP
		TRUNCATE l;
		INSERT INTO l SELECT * FROM h WHERE kind = k ORDER BY i;
		PERFORM ledger.seal('l');
		SELECT count(*) INTO missing FROM (SELECT i, id, bytes_hash(j) FROM h WHERE kind = k EXCEPT ALL SELECT i, id, bytes_hash(j) FROM l) x;
		IF missing > 0 OR (SELECT count(*) FROM l) <> (SELECT count(*) FROM h WHERE kind = k) THEN
			RAISE WARNING '%: % documents differ', k, missing;
		END IF;
	END LOOP;
END $do$;
TRUNCATE l;
INSERT INTO l SELECT * FROM h;
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT differences(), (SELECT count(*) FROM l) = (SELECT count(*) FROM h) AS all;
TRUNCATE l;
INSERT INTO l SELECT * FROM h ORDER BY md5(kind || i);
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT differences();
-- a few at a time, which stay in the tail until they are sealed
TRUNCATE l;
DO $do$
BEGIN
	FOR n IN 0 .. 3000 BY 100 LOOP
		INSERT INTO l SELECT * FROM h WHERE kind IN ('entry', 'changing', 'numbers', 'keys') AND i >= n AND i < n + 100 ORDER BY i, kind;
		COMMIT;
	END LOOP;
END $do$;
SELECT ledger.seal('l');
SELECT count(*), count(*) FILTER (WHERE bytes_hash(l.j) IS NOT DISTINCT FROM bytes_hash(h.j) AND l.id IS NOT DISTINCT FROM h.id) AS same FROM l JOIN h USING (kind, i);
SELECT DISTINCT encoding FROM ledger.chunks('l') WHERE column_name = 'j' AND path IS NULL;
-- single rows by index
CREATE INDEX ON l (i);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT count(*), count(*) FILTER (WHERE bytes_hash(l.j) = bytes_hash(h.j)) AS same FROM generate_series(7, 1500, 31) n, LATERAL (SELECT * FROM l WHERE l.i = n AND l.kind = 'entry' OFFSET 0) l JOIN h ON h.i = l.i AND h.kind = l.kind;
RESET enable_seqscan;
RESET enable_bitmapscan;

-- What is shown of sub-columns: their paths.
TRUNCATE l;
INSERT INTO l SELECT * FROM h WHERE kind = 'entry' ORDER BY i;
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT path, bool_and(bytes > 0) AS bytes, bool_and(encoding = 'shredded') AS shredded FROM ledger.chunks('l') WHERE column_name = 'j' GROUP BY path ORDER BY path COLLATE "C" NULLS FIRST;
SELECT sum(bytes) FILTER (WHERE path IS NOT NULL) < sum(bytes) FILTER (WHERE path IS NULL) AS part FROM ledger.chunks('l') WHERE column_name = 'j';
SELECT count(*) FROM ledger.chunks('l') WHERE column_name <> 'j' AND path IS NOT NULL;
TRUNCATE l;
INSERT INTO l SELECT * FROM h WHERE kind = 'keys' ORDER BY i;
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT path FROM ledger.chunks('l') WHERE path IS NOT NULL ORDER BY path COLLATE "C";
-- each is a path that jsonpath understands
SELECT DISTINCT jsonb_path_exists((SELECT j FROM l LIMIT 1), path::jsonpath) AS exists FROM ledger.chunks('l') WHERE path IS NOT NULL;
-- a domain, and a column added later
CREATE DOMAIN document AS jsonb CHECK (VALUE IS NOT NULL);
CREATE TABLE d (i int, j document) USING ledger;
INSERT INTO d SELECT i, j FROM h WHERE kind = 'entry' ORDER BY i;
ALTER TABLE d ADD COLUMN j2 jsonb DEFAULT '{"a": 1}';
SELECT ledger.seal('d') >= 0 AS sealed;
SELECT count(*) FROM (SELECT i, bytes_hash(j), j2 FROM d EXCEPT ALL SELECT i, bytes_hash(j), '{"a": 1}' FROM h) x;
SELECT DISTINCT encoding FROM ledger.chunks('d') WHERE column_name = 'j' AND path IS NULL;
DROP SCHEMA jsonb CASCADE;
