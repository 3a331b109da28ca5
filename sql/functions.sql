--
-- seal, stats, segments, chunks: what they count, of which relations, for whom.
--
SET client_min_messages = warning;
CREATE SCHEMA functions;
SET search_path = functions, public;
SET timezone = 'UTC';
CREATE TABLE l (id int, ts timestamptz, level text, j jsonb) USING ledger;
ALTER TABLE l SET (autovacuum_enabled = off);
CREATE FUNCTION fill(t regclass, start int, n int) RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
	EXECUTE format('INSERT INTO %s SELECT i, timestamptz ''2026-01-01 00:00+00'' + i * interval ''1 min'', (ARRAY[''info'', ''warn''])[i %% 2 + 1], jsonb_build_object(''i'', i) FROM generate_series(%s, %s) i', t, start, start + n - 1);
END $f$;

-- An empty ledger.
SELECT ledger.seal('l');
SELECT relation, entries, tail_entries, segments, raw_bytes, stored_bytes, slots_used FROM ledger.stats('l');
SELECT count(*) FROM ledger.segments('l');
SELECT count(*) FROM ledger.chunks('l');

-- Single rows are in the tail until sealed; each is sealed once.
SELECT fill('l', 1, 700);
SELECT entries, tail_entries, segments, raw_bytes > 0 AS raw, stored_bytes > 0 AS stored, slots_used FROM ledger.stats('l');
SELECT ledger.seal('l');
SELECT entries, tail_entries, segments, raw_bytes > 0 AS raw, stored_bytes > 0 AS stored, free_bytes > 0 AS free FROM ledger.stats('l');
SELECT ledger.seal('l');
SELECT first_row, entries, blocks > 0 AS blocks, raw_bytes > 0 AS raw, stored_bytes > 0 AS stored, frozen FROM ledger.segments('l');
SELECT relation, column_name, count(*), bool_and(encoding <> '') AS encoded, bool_and(bytes >= 0) AS bytes, count(DISTINCT first_row) FROM ledger.chunks('l') WHERE path IS NULL GROUP BY 1, 2 ORDER BY 2;
-- aborted rows are not entries
BEGIN;
SELECT fill('l', 1001, 500);
ROLLBACK;
SELECT fill('l', 2001, 10);
SELECT ledger.seal('l');
SELECT entries, tail_entries, segments > 0 AS segments FROM ledger.stats('l');
-- a large load needs no seal
SELECT fill('l', 3001, 20000);
SELECT entries, tail_entries < 2000 AS few, segments > 0 AS segments FROM ledger.stats('l');
SELECT tail_entries AS rest FROM ledger.stats('l') \gset
SELECT ledger.seal('l') = :rest AS rest;
SELECT entries, tail_entries, raw_bytes > 2 * stored_bytes AS compressed, compression_ratio > 2 AS ratio FROM ledger.stats('l');
SELECT count(*) = (SELECT segments FROM ledger.stats('l')) AS segments, sum(entries) = (SELECT entries FROM ledger.stats('l')) AS entries, count(DISTINCT first_row) = count(*) AS apart FROM ledger.segments('l');
SELECT sum(entries) = (SELECT count(*) FROM l) AS all FROM ledger.segments('l');
VACUUM (FREEZE) l;
SELECT bool_and(frozen) AS frozen FROM ledger.segments('l');
SELECT pg_relation_size('l') >= stored_bytes AS fits, stored_bytes + free_bytes <= pg_relation_size('l') AS within FROM ledger.stats('l');
-- rows of the transaction itself
BEGIN;
SELECT fill('l', 100001, 5);
SELECT ledger.seal('l');
SELECT fill('l', 110001, 3000);
SELECT ledger.seal('l');
SELECT count(*) FROM l;
ROLLBACK;
SELECT ledger.seal('l');
SELECT count(*) FROM l;
TRUNCATE l;
SELECT entries, tail_entries, segments, slots_used FROM ledger.stats('l');

-- A partitioned table: a row for each leaf that is a ledger.
CREATE TABLE p (id int, ts timestamptz, level text, j jsonb) PARTITION BY RANGE (ts);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2026-01-02') USING ledger;
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('2026-01-02') TO ('2026-01-04') PARTITION BY RANGE (id);
CREATE TABLE p21 PARTITION OF p2 FOR VALUES FROM (0) TO (2000) USING ledger;
CREATE TABLE p22 PARTITION OF p2 FOR VALUES FROM (2000) TO (10000) USING ledger;
SELECT fill('p', 1, 750);
SELECT fill('p', 751, 750);
SELECT fill('p', 1501, 750);
SELECT fill('p', 2251, 750);
SELECT tableoid::regclass, count(*) FROM p GROUP BY tableoid ORDER BY tableoid::regclass::text;
SELECT relation, entries, tail_entries FROM ledger.stats('p') ORDER BY relation::text;
SELECT ledger.seal('p1');
SELECT relation, entries, tail_entries, segments FROM ledger.stats('p') ORDER BY relation::text;
SELECT relation, sum(entries) FROM ledger.segments('p') GROUP BY 1 ORDER BY relation::text;
SELECT relation, count(DISTINCT column_name) FROM ledger.chunks('p') GROUP BY 1 ORDER BY relation::text;
SELECT relation FROM ledger.stats('p2') ORDER BY relation::text;

-- Dropped and added columns in chunks; a column that came after the segment.
SELECT fill('l', 1, 2000);
SELECT ledger.seal('l') >= 0 AS sealed;
ALTER TABLE l DROP COLUMN level, ADD COLUMN late int DEFAULT 5;
SELECT DISTINCT column_name FROM ledger.chunks('l') WHERE column_name NOT LIKE '%dropped%' ORDER BY 1;

-- Who may: the owner seals; SELECT allows a look, which shows no values.
GRANT USAGE ON SCHEMA functions TO regress_ledger_other;
SET ROLE regress_ledger_other;
\set VERBOSITY sqlstate
SELECT ledger.seal('functions.l');
SELECT * FROM ledger.stats('functions.l');
SELECT * FROM ledger.segments('functions.l');
SELECT * FROM ledger.chunks('functions.l');
RESET ROLE;
GRANT SELECT, INSERT ON l TO regress_ledger_other;
SET ROLE regress_ledger_other;
SELECT ledger.seal('functions.l');
SELECT count(*) FROM ledger.stats('functions.l');
SELECT count(*) > 0 AS some FROM ledger.segments('functions.l');
SELECT count(*) > 0 AS some FROM ledger.chunks('functions.l');
RESET ROLE;
-- from 17 on, MAINTAIN will do
DO $$ BEGIN
	IF current_setting('server_version_num')::int >= 170000 THEN
		GRANT MAINTAIN ON functions.l TO regress_ledger_other;
		SET LOCAL ROLE regress_ledger_other;
		ASSERT ledger.seal('functions.l') >= 0;
		RESET ROLE;
		REVOKE MAINTAIN ON functions.l FROM regress_ledger_other;
	END IF;
END $$;
ALTER TABLE l OWNER TO regress_ledger_other;
GRANT CREATE ON SCHEMA functions TO regress_ledger_other;
SET ROLE regress_ledger_other;
SELECT ledger.seal('functions.l') >= 0 AS sealed;
RESET ROLE;

-- of a partitioned table, the partitions that one may
ALTER TABLE p OWNER TO regress_ledger_other;
ALTER TABLE p22 OWNER TO regress_ledger_other;
SET ROLE regress_ledger_other;
\set VERBOSITY default
SELECT ledger.seal('functions.p');
\set VERBOSITY sqlstate
RESET ROLE;
SELECT relation, tail_entries FROM ledger.stats('p') ORDER BY relation::text;

-- What is no ledger; a read-only transaction may look.
BEGIN READ ONLY;
SELECT count(*) FROM ledger.stats('l');
ROLLBACK;
SELECT * FROM ledger.stats('pg_class');
SELECT ledger.seal('pg_class');
SELECT ledger.seal('nothing');

-- tokens, against a regular expression of what they are
CREATE TABLE words (haystack text, token text);
INSERT INTO words VALUES ('GET /bots/17: timeout', 'timeout'), ('GET /bots/17: timeout', 'time'), ('GET /bots/17: timeout', '17'),
	('timeout', 'timeout'), ('Timeout', 'timeout'), ('a_b c', 'a_b'), ('a_b c', 'b'), ('a b c', 'a b'), ('', ''), ('a', ''), ('', 'a'),
	('aa aaa a', 'a'), ('aaa', 'a'), (NULL, 'a'), ('a', NULL), ('x-1.5', '1'), ('x-1.5', '1.5'), ('tab' || chr(9) || 'word', 'word'),
	('caf' || chr(233) || ' noir', 'caf'), ('caf' || chr(233) || ' noir', 'caf' || chr(233)), ('caf' || chr(233) || ' noir', chr(233)), ('a' || chr(8212) || 'b', 'b');
INSERT INTO words SELECT haystack || repeat(' filler', 5000), token FROM words WHERE haystack <> '';
SELECT count(*) AS differ FROM words WHERE ledger.has_token(haystack, token) IS DISTINCT FROM
	CASE WHEN haystack IS NULL OR token IS NULL THEN NULL
	ELSE token ~ '^[^\u0001-\u002f\u003a-\u0040\u005b-\u005e\u0060\u007b-\u007f]+$' AND token = ANY (regexp_split_to_array(haystack, '[\u0001-\u002f\u003a-\u0040\u005b-\u005e\u0060\u007b-\u007f]+')) END;
SELECT haystack, token, ledger.has_token(haystack, token) FROM words WHERE length(haystack) < 100 AND octet_length(haystack) = length(haystack) ORDER BY 1, 2;
SELECT provolatile, proisstrict, proparallel FROM pg_proc WHERE oid = 'ledger.has_token(text, text)'::regprocedure;
-- short values that come round after more than a block
CREATE TABLE round (t text) USING ledger;
INSERT INTO round SELECT 'n' || g % 700 FROM generate_series(1, 70000) g;
SELECT ledger.seal('round') >= 0 AS sealed;
SELECT DISTINCT encoding, bytes < 10000 AS small FROM ledger.chunks('round');
DROP SCHEMA functions CASCADE;
