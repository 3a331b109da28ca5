--
-- The extension and its objects, a first table, and what a ledger refuses.
-- Also makes the functions by which the other tests compare with heap.
--
SET client_min_messages = warning;

\set VERBOSITY terse
-- A schema ledger that another role owns is not trusted.
CREATE ROLE regress_ledger_other;
CREATE SCHEMA ledger AUTHORIZATION regress_ledger_other;
DO $$
BEGIN
	BEGIN
		CREATE EXTENSION ledger;
		RAISE WARNING 'not refused';
	EXCEPTION WHEN others THEN
		RAISE WARNING 'refused';
	END;
END $$;
-- Nor is what someone left in it beforehand taken over.
ALTER SCHEMA ledger OWNER TO CURRENT_USER;
CREATE FUNCTION ledger.seal(ledger regclass) RETURNS bigint LANGUAGE sql AS 'SELECT 42::bigint';
DO $$
BEGIN
	BEGIN
		CREATE EXTENSION ledger;
		RAISE WARNING 'not refused';
	EXCEPTION WHEN others THEN
		RAISE WARNING 'refused';
	END;
END $$;
DROP SCHEMA ledger CASCADE;
\set VERBOSITY sqlstate

CREATE EXTENSION ledger;
SELECT extname, extrelocatable, extnamespace::regnamespace FROM pg_extension WHERE extname = 'ledger';
SELECT amname, amtype FROM pg_am WHERE amname = 'ledger';
-- functions that every release has
SELECT DISTINCT proname, prosecdef, provolatile, proparallel
FROM pg_proc WHERE pronamespace = 'ledger'::regnamespace
	AND proname IN ('append', 'append_json', 'append_ndjson', 'seal', 'stats', 'segments', 'chunks')
ORDER BY 1;
-- objects without a comment (none)
SELECT pg_describe_object(classid, objid, objsubid)
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ledger')
	AND deptype = 'e'
	AND obj_description(objid, classid::regclass::name) IS NULL
	-- from 17 on, row types are listed beside their tables
	AND classid <> 'pg_type'::regclass
ORDER BY 1;
SELECT has_schema_privilege('regress_ledger_other', 'ledger', 'USAGE') AS usage,
	has_schema_privilege('regress_ledger_other', 'ledger', 'CREATE') AS create;
-- views and tables that PUBLIC cannot read (none)
SELECT oid::regclass FROM pg_class
WHERE relnamespace = 'ledger'::regnamespace AND relkind IN ('v', 'r')
	AND NOT has_table_privilege('regress_ledger_other', oid, 'SELECT');

-- The oracle: compares two tables as multisets of rows, by their bytes.
CREATE SCHEMA oracle;
CREATE FUNCTION oracle.same(a regclass, b regclass, columns text DEFAULT '*') RETURNS text
LANGUAGE plpgsql AS $f$
DECLARE
	na bigint;
	nb bigint;
	nd bigint;
BEGIN
	EXECUTE format($q$
		WITH a AS (SELECT "row" AS r, row_number() OVER (ORDER BY "row" USING OPERATOR(pg_catalog.*<)) AS n FROM (SELECT %3$s FROM %1$s) "row"),
			b AS (SELECT "row" AS r, row_number() OVER (ORDER BY "row" USING OPERATOR(pg_catalog.*<)) AS n FROM (SELECT %3$s FROM %2$s) "row")
		SELECT count(a.n), count(b.n), count(*) FILTER (WHERE a.n IS NULL OR b.n IS NULL OR NOT (a.r OPERATOR(pg_catalog.*=) b.r))
		FROM a FULL JOIN b ON a.n = b.n $q$, a, b, columns) INTO na, nb, nd;
	IF nd <> 0 THEN
		RETURN format('DIFFERENT: %s has %s rows, %s has %s, %s differ', a, na, b, nb, nd);
	END IF;
	RETURN format('same %s rows', na);
END $f$;

-- Runs a command: ok, or its SQLSTATE.
CREATE FUNCTION oracle.outcome(command text) RETURNS text
LANGUAGE plpgsql AS $f$
BEGIN
	EXECUTE command;
	RETURN 'ok';
EXCEPTION WHEN others THEN
	RETURN SQLSTATE;
END $f$;

-- Runs the same command, # standing for the table, on h (heap) and l (ledger):
-- the outcome, if it is the same.
CREATE FUNCTION oracle.both(command text, h text DEFAULT 'h', l text DEFAULT 'l') RETURNS text
LANGUAGE plpgsql AS $f$
DECLARE
	oh text := oracle.outcome(replace(command, '#', h));
	ol text := oracle.outcome(replace(command, '#', l));
BEGIN
	IF oh <> ol THEN
		RETURN format('DIFFERENT: %s on heap, %s on ledger', oh, ol);
	END IF;
	RETURN oh;
END $f$;

-- Runs the same query, # standing for the table, on both, whose result is
-- compared as a whole, in order.
CREATE FUNCTION oracle.query(query text, h text DEFAULT 'h', l text DEFAULT 'l') RETURNS text
LANGUAGE plpgsql AS $f$
DECLARE
	rh text;
	rl text;
	nh bigint;
	nl bigint;
BEGIN
	EXECUTE format('SELECT string_agg(q::text, E''\n''), count(*) FROM (%s) q', replace(query, '#', h)) INTO rh, nh;
	EXECUTE format('SELECT string_agg(q::text, E''\n''), count(*) FROM (%s) q', replace(query, '#', l)) INTO rl, nl;
	IF rh IS DISTINCT FROM rl THEN
		RETURN format('DIFFERENT: heap %s rows, ledger %s: %s <> %s', nh, nl, left(rh, 200), left(rl, 200));
	END IF;
	RETURN format('same %s rows', nh);
END $f$;
GRANT USAGE ON SCHEMA oracle TO PUBLIC;

-- A first table.
CREATE TABLE first (id int PRIMARY KEY, ts timestamptz NOT NULL DEFAULT '2026-01-01 00:00+00', message text CHECK (message <> 'bad')) USING ledger;
SELECT amname FROM pg_class c JOIN pg_am a ON c.relam = a.oid WHERE c.oid = 'first'::regclass;
SELECT pg_relation_size('first'), count(*) FROM first;
INSERT INTO first VALUES (1, '2026-01-02 00:00+00', 'one'), (2, DEFAULT, NULL);
INSERT INTO first (id, message) VALUES (3, 'three') RETURNING id, message, tableoid::regclass, ctid IS NOT NULL AS ctid;
SELECT id, ts AT TIME ZONE 'UTC' AS ts, message FROM first ORDER BY id;
SELECT pg_relation_size('first') > 0 AS stored, pg_relation_size('first') % current_setting('block_size')::int AS part;
INSERT INTO first VALUES (1, now(), 'again');
INSERT INTO first VALUES (4, NULL, 'no time');
INSERT INTO first VALUES (4, now(), 'bad');
INSERT INTO first VALUES ('x', now(), 'bad');
SELECT count(*) FROM first;

-- ON CONFLICT DO NOTHING is an insert; DO UPDATE is not.
INSERT INTO first VALUES (1, now(), 'again'), (5, now(), 'five'), (5, now(), 'five') ON CONFLICT DO NOTHING;
INSERT INTO first VALUES (6, now(), 'six'), (6, now(), 'six') ON CONFLICT (id) DO NOTHING RETURNING id;
INSERT INTO first VALUES (1, now(), 'again') ON CONFLICT (id) DO UPDATE SET message = 'changed';
INSERT INTO first VALUES (7, now(), 'new') ON CONFLICT (id) DO UPDATE SET message = 'changed';
SELECT id, message FROM first ORDER BY id;

-- Nothing is updated or deleted.
UPDATE first SET message = 'changed';
UPDATE first SET message = 'changed' WHERE id = 1;
UPDATE first SET message = 'changed' WHERE id = -1;
UPDATE first SET message = 'changed' WHERE false;
DELETE FROM first;
DELETE FROM first WHERE id = 1;
DELETE FROM first WHERE id = -1;
DELETE FROM first WHERE ctid = (SELECT min(ctid) FROM first);
MERGE INTO first f USING (VALUES (1)) v (id) ON f.id = v.id WHEN MATCHED THEN UPDATE SET message = 'changed';
MERGE INTO first f USING (VALUES (1)) v (id) ON f.id = v.id WHEN MATCHED THEN DELETE;
MERGE INTO first f USING (VALUES (1), (100)) v (id) ON f.id = v.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT VALUES (v.id, now(), 'merged');
-- the message has a hint
\set VERBOSITY terse
DO $$
DECLARE
	hint text;
BEGIN
	BEGIN
		UPDATE first SET message = 'changed';
	EXCEPTION WHEN feature_not_supported THEN
		GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
		RAISE WARNING 'UPDATE: %', CASE WHEN hint <> '' THEN 'with a hint' ELSE 'no hint' END;
	END;
	BEGIN
		DELETE FROM first;
	EXCEPTION WHEN feature_not_supported THEN
		GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
		RAISE WARNING 'DELETE: %', CASE WHEN hint <> '' THEN 'with a hint' ELSE 'no hint' END;
	END;
	BEGIN
		CREATE INDEX ON first USING brin (ts);
	EXCEPTION WHEN feature_not_supported THEN
		GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
		RAISE WARNING 'BRIN: %', CASE WHEN hint <> '' THEN 'with a hint' ELSE 'no hint' END;
	END;
END $$;
\set VERBOSITY sqlstate
-- the same of rows in a segment
SELECT ledger.seal('first');
UPDATE first SET message = 'changed' WHERE id = 1;
DELETE FROM first WHERE id = 1;
INSERT INTO first VALUES (1, now(), 'again') ON CONFLICT (id) DO UPDATE SET message = 'changed';
INSERT INTO first VALUES (1, now(), 'again') ON CONFLICT (id) DO NOTHING;
INSERT INTO first VALUES (1, now(), 'again');
-- and through a view and a foreign key's action
CREATE VIEW first_view AS SELECT * FROM first;
UPDATE first_view SET message = 'changed';
DELETE FROM first_view;
DROP VIEW first_view;
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent VALUES (1);
CREATE TABLE child (parent int REFERENCES parent ON UPDATE CASCADE ON DELETE CASCADE) USING ledger;
INSERT INTO child VALUES (1);
UPDATE parent SET id = 2;
DELETE FROM parent;
TRUNCATE parent CASCADE;
SELECT count(*) FROM child;
DROP TABLE child, parent;

-- Row locks that shut nobody out are no-ops; the others would be lies.
SELECT id FROM first WHERE id = 1 FOR KEY SHARE;
SELECT id FROM first WHERE id = 1 FOR SHARE;
SELECT id FROM first WHERE id = 1 FOR NO KEY UPDATE;
SELECT id FROM first WHERE id = 1 FOR UPDATE;
SELECT id FROM first WHERE id = 1 FOR UPDATE NOWAIT;
SELECT id FROM first WHERE id = 1 FOR UPDATE SKIP LOCKED;

-- No BRIN index.
CREATE INDEX ON first USING brin (ts);
CREATE INDEX first_id2 ON first (id);
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid = 'first'::regclass ORDER BY indexrelid::regclass::text;
DROP INDEX first_id2;

-- A ledger holds user tables only.
CREATE SEQUENCE no_ledger_seq USING ledger;

-- Functions given something else than a ledger.
CREATE TABLE plain (id int) USING heap;
CREATE VIEW plain_view AS SELECT * FROM plain;
SELECT what, f, oracle.outcome(format('SELECT * FROM ledger.%I(%L)', f, what)) <> 'ok' AS refused
FROM unnest('{plain,plain_view,first_pkey,pg_class,0}'::text[]) what, unnest('{seal,stats,segments,chunks}'::text[]) f
ORDER BY what COLLATE "C", f COLLATE "C";
DROP VIEW plain_view;
DROP TABLE plain;

-- Read-only transactions.
BEGIN READ ONLY;
INSERT INTO first VALUES (8, now(), 'eight');
ROLLBACK;
BEGIN READ ONLY;
SELECT count(*) FROM first;
ROLLBACK;

-- Dependencies.
DROP ACCESS METHOD ledger;
DROP EXTENSION ledger;
SELECT count(*) FROM first;
DROP TABLE first;
