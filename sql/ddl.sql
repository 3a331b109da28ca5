--
-- Commands on tables: TRUNCATE, ALTER TABLE, rewrites, other access methods,
-- tablespaces, unlogged and temporary tables, partitions, COPY, materialized
-- views, triggers, ANALYZE.  Compared with heap where heap can tell.
--
SET client_min_messages = warning;
\getenv abs_builddir PG_ABS_BUILDDIR
CREATE SCHEMA ddl;
SET search_path = ddl, public;
SET timezone = 'UTC';
CREATE TABLE h (id int, t text) USING heap;
CREATE TABLE l (id int, t text) USING ledger;
CREATE PROCEDURE fill(start int, n int) LANGUAGE plpgsql AS $f$
BEGIN
	EXECUTE format('INSERT INTO h (id, t) SELECT i, ''row '' || i FROM generate_series(%s, %s) i', start, start + n - 1);
	EXECUTE format('INSERT INTO l (id, t) SELECT i, ''row '' || i FROM generate_series(%s, %s) i', start, start + n - 1);
END $f$;
CREATE FUNCTION same() RETURNS text LANGUAGE sql AS $f$ SELECT oracle.same('h', 'l') $f$;

-- TRUNCATE: of an empty table, committed, rolled back, to a savepoint, of a
-- table created or truncated in the same transaction.
TRUNCATE l;
SELECT count(*) FROM l;
CALL fill(1, 3000);
BEGIN;
CALL fill(5001, 10);
CALL fill(6001, 2000);
TRUNCATE l;
SELECT count(*) FROM l;
INSERT INTO l VALUES (1, 'gone');
INSERT INTO l SELECT i, 'gone' FROM generate_series(1, 2000) i;
SELECT count(*) FROM l;
ROLLBACK;
SELECT same();
BEGIN;
CALL fill(10001, 10);
CALL fill(11001, 2000);
SAVEPOINT a;
TRUNCATE l;
INSERT INTO l SELECT i, 'gone' FROM generate_series(1, 2000) i;
ROLLBACK TO a;
SELECT same();
CALL fill(14001, 2000);
COMMIT;
SELECT same();
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT same();
BEGIN;
CALL fill(20001, 2000);
SAVEPOINT a;
TRUNCATE h, l;
CALL fill(1, 2000);
SAVEPOINT b;
TRUNCATE h, l;
CALL fill(3001, 7);
ROLLBACK TO b;
SELECT same();
CALL fill(4001, 3);
COMMIT;
SELECT same();
BEGIN;
TRUNCATE h, l;
CALL fill(1, 2000);
TRUNCATE h, l;
CALL fill(3001, 1500);
TRUNCATE h, l;
CALL fill(5001, 20);
SELECT same();
COMMIT;
SELECT same();
BEGIN;
CREATE TABLE c (id int) USING ledger;
INSERT INTO c SELECT generate_series(1, 2000);
TRUNCATE c;
SELECT count(*) FROM c;
INSERT INTO c SELECT generate_series(1, 3000);
SAVEPOINT a;
TRUNCATE c;
INSERT INTO c SELECT generate_series(1, 10);
ROLLBACK TO a;
SELECT count(*) FROM c;
TRUNCATE c;
INSERT INTO c SELECT generate_series(1, 5);
SELECT count(*) FROM c;
COMMIT;
SELECT count(*) FROM c;
DROP TABLE c;
BEGIN;
CREATE TABLE c (id int) USING ledger;
INSERT INTO c SELECT generate_series(1, 3000);
ROLLBACK;
CREATE TABLE c (id serial PRIMARY KEY, r int) USING ledger;
INSERT INTO c (r) SELECT generate_series(1, 3000);
TRUNCATE c RESTART IDENTITY;
INSERT INTO c (r) VALUES (1) RETURNING id;
SELECT pg_relation_size('c') > 0 AS stored;
TRUNCATE c;
SELECT pg_relation_size('c');
DROP TABLE c;

-- DROP: rolled back, and with rows of the same transaction.
BEGIN;
CALL fill(6001, 2000);
SAVEPOINT a;
DROP TABLE l;
ROLLBACK TO a;
CALL fill(9001, 2000);
SELECT same();
COMMIT;
SELECT same();
BEGIN;
CREATE TABLE c USING ledger AS SELECT generate_series(1, 3000) AS id;
INSERT INTO c SELECT * FROM c;
DROP TABLE c;
COMMIT;

-- ALTER TABLE without a rewrite: constraints, defaults, names, owners.
SELECT pg_relation_filenode('l') AS before \gset
ALTER TABLE l ADD CONSTRAINT positive CHECK (id > 0);
ALTER TABLE l ADD CONSTRAINT small CHECK (id < 10000);
ALTER TABLE l ALTER id SET NOT NULL;
ALTER TABLE l ALTER t SET DEFAULT 'default';
ALTER TABLE l ALTER t SET STATISTICS 50;
ALTER TABLE l RENAME t TO text;
ALTER TABLE l RENAME text TO t;
ALTER TABLE l SET (fillfactor = 50);
ALTER TABLE l SET (autovacuum_enabled = off);
ALTER TABLE l RESET (autovacuum_enabled, fillfactor);
ALTER TABLE l ADD COLUMN n int;
ALTER TABLE l DROP COLUMN n;
ALTER TABLE l RENAME TO l2;
ALTER TABLE l2 RENAME TO l;
ALTER TABLE l REPLICA IDENTITY FULL;
ALTER TABLE l ADD CONSTRAINT l_key UNIQUE (id);
ALTER TABLE l REPLICA IDENTITY DEFAULT;
ALTER TABLE l DROP CONSTRAINT l_key;
SELECT pg_relation_filenode('l') = :before AS in_place;
INSERT INTO l VALUES (-1, 'x');
INSERT INTO l VALUES (NULL, 'x');
INSERT INTO l (id) VALUES (7) RETURNING *;
INSERT INTO h (id, t) VALUES (7, 'default');
SELECT same();

-- With a rewrite, and in a transaction with rows of its own.
BEGIN;
CALL fill(30001, 10);
CALL fill(31001, 2000);
ALTER TABLE l ALTER id TYPE bigint;
ALTER TABLE h ALTER id TYPE bigint;
SELECT same();
CALL fill(34001, 2000);
SAVEPOINT a;
ALTER TABLE l ALTER id TYPE numeric, ADD COLUMN r timestamptz DEFAULT clock_timestamp();
SELECT count(*), count(r) = count(*) AS filled FROM l;
INSERT INTO l SELECT generate_series(1, 2000);
ROLLBACK TO a;
SELECT same();
CALL fill(37001, 2000);
COMMIT;
SELECT same();
ALTER TABLE l DROP CONSTRAINT positive;
ALTER TABLE h ALTER id TYPE text;
ALTER TABLE l ALTER id TYPE text;
SELECT same();
ALTER TABLE l ALTER id TYPE int USING (id::int + 1 / (id::int - 31500));
ALTER TABLE h ALTER id TYPE int USING id::int;
ALTER TABLE l ALTER id TYPE int USING id::int;
ALTER TABLE l ADD CONSTRAINT positive CHECK (id > 0);
SELECT same();
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT same();

-- To heap and back.
ALTER TABLE l SET ACCESS METHOD heap;
SELECT same(), (SELECT amname FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE c.oid = 'l'::regclass);
INSERT INTO l VALUES (1, 'as heap');
INSERT INTO h VALUES (1, 'as heap');
UPDATE l SET t = 'changed' WHERE id = 1;
UPDATE h SET t = 'changed' WHERE id = 1;
CREATE INDEX l_id ON l (id);
ALTER TABLE l SET ACCESS METHOD ledger;
SELECT same(), (SELECT amname FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE c.oid = 'l'::regclass);
SET enable_seqscan = off;
SELECT * FROM l WHERE id = 1;
RESET enable_seqscan;
DROP INDEX l_id;
CALL fill(50001, 2000);
SELECT same();
BEGIN;
CALL fill(60001, 2000);
ALTER TABLE l SET ACCESS METHOD heap;
CALL fill(70001, 2000);
SELECT same();
ALTER TABLE l SET ACCESS METHOD ledger;
CALL fill(80001, 2000);
SELECT same();
COMMIT;
SELECT same();

-- Tablespaces.
SET allow_in_place_tablespaces = true;
CREATE TABLESPACE regress_ledger_space LOCATION '';
ALTER TABLE l SET TABLESPACE regress_ledger_space;
SELECT same();
CALL fill(90001, 1500);
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT same();
BEGIN;
CALL fill(100001, 10);
CALL fill(110001, 2000);
ALTER TABLE l SET TABLESPACE pg_default;
SELECT same();
CALL fill(120001, 2000);
SAVEPOINT a;
ALTER TABLE l SET TABLESPACE regress_ledger_space;
INSERT INTO l SELECT i FROM generate_series(1, 2000) i;
ROLLBACK TO a;
CALL fill(130001, 2000);
SELECT same();
COMMIT;
SELECT same();
CREATE TABLE c (id int PRIMARY KEY USING INDEX TABLESPACE regress_ledger_space) USING ledger TABLESPACE regress_ledger_space;
INSERT INTO c SELECT generate_series(1, 3000);
SELECT count(*) FROM c;
DROP TABLE c;
DROP TABLESPACE regress_ledger_space;

-- Unlogged and back.
ALTER TABLE l SET UNLOGGED;
SELECT same();
CALL fill(140001, 2000);
CALL fill(150001, 2);
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT same();
ALTER TABLE l SET LOGGED;
CALL fill(160001, 2000);
SELECT same();
CREATE UNLOGGED TABLE u (id int PRIMARY KEY) USING ledger;
INSERT INTO u SELECT generate_series(1, 3000);
BEGIN;
INSERT INTO u SELECT generate_series(5000, 8000);
ROLLBACK;
INSERT INTO u VALUES (4000);
SELECT ledger.seal('u') >= 0 AS sealed;
SELECT count(*), sum(id) FROM u;
TRUNCATE u;
INSERT INTO u SELECT generate_series(1, 3000);
SELECT count(*), sum(id) FROM u;
DROP TABLE u;

-- Temporary tables.
CREATE TEMP TABLE tl (id int PRIMARY KEY, t text) USING ledger;
CREATE TEMP TABLE th (id int PRIMARY KEY, t text) USING heap;
INSERT INTO tl SELECT i, repeat('x', i % 3000) FROM generate_series(1, 5000) i;
INSERT INTO th SELECT i, repeat('x', i % 3000) FROM generate_series(1, 5000) i;
SELECT oracle.same('th', 'tl');
SELECT ledger.seal('tl') >= 0 AS sealed;
SELECT oracle.same('th', 'tl');
INSERT INTO tl VALUES (5001, repeat('wide', 100000));
INSERT INTO th VALUES (5001, repeat('wide', 100000));
BEGIN;
INSERT INTO tl SELECT i FROM generate_series(6000, 9000) i;
SAVEPOINT a;
TRUNCATE tl;
ROLLBACK TO a;
SELECT count(*) FROM tl;
ROLLBACK;
VACUUM tl;
SELECT oracle.same('th', 'tl');
TRUNCATE tl, th;
INSERT INTO tl VALUES (1);
SELECT * FROM tl;
DROP TABLE tl, th;
CREATE TEMP TABLE tl (id int) USING ledger ON COMMIT DELETE ROWS;
BEGIN;
INSERT INTO tl SELECT generate_series(1, 3000);
SELECT count(*) FROM tl;
COMMIT;
SELECT count(*) FROM tl;
BEGIN;
INSERT INTO tl VALUES (1), (2);
SAVEPOINT a;
INSERT INTO tl SELECT generate_series(1, 3000);
RELEASE a;
SELECT count(*) FROM tl;
COMMIT;
SELECT count(*) FROM tl;
BEGIN;
INSERT INTO tl VALUES (1);
SELECT count(*) FROM tl;
ROLLBACK;
DROP TABLE tl;
BEGIN;
CREATE TEMP TABLE tl (id int) USING ledger ON COMMIT DROP;
INSERT INTO tl SELECT generate_series(1, 3000);
COMMIT;
SELECT to_regclass('tl');

-- Partitions: all leaves ledgers, or some of them.
CREATE TABLE p (id int, ts timestamptz NOT NULL, t text) PARTITION BY RANGE (ts);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2026-01-02') USING ledger;
SET default_table_access_method = ledger;
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('2026-01-02') TO ('2026-01-03');
RESET default_table_access_method;
CREATE TABLE p3 PARTITION OF p FOR VALUES FROM ('2026-01-03') TO ('2026-01-04') USING heap;
CREATE TABLE p4 (LIKE p) USING ledger;
INSERT INTO p4 SELECT i, timestamptz '2026-01-04 00:00+00' + i * interval '1 s', 'attached' FROM generate_series(1, 2000) i;
ALTER TABLE p ATTACH PARTITION p4 FOR VALUES FROM ('2026-01-04') TO ('2026-01-05');
CREATE INDEX ON p (id);
INSERT INTO p SELECT i, timestamptz '2026-01-01 00:00+00' + (i * 7919 % 4000) * interval '1 minute', 'row ' || i FROM generate_series(1, 10000) i;
SELECT tableoid::regclass, count(*), min(ts), max(ts) FROM p GROUP BY tableoid ORDER BY tableoid::regclass::text;
INSERT INTO p VALUES (1, '2026-02-01', 'none');
SELECT ledger.seal('p1') >= 0 AS sealed;
SELECT count(*) FROM p WHERE ts >= '2026-01-01 12:00+00' AND ts < '2026-01-02 12:00+00';
SELECT count(*) FROM p WHERE id = 77;
BEGIN;
DROP TABLE p1;
ALTER TABLE p DETACH PARTITION p4;
SELECT count(*) FROM p;
ROLLBACK;
ALTER TABLE p DETACH PARTITION p2 CONCURRENTLY;
SELECT count(*) FROM p2;
\set VERBOSITY sqlstate
UPDATE p SET t = 'x' WHERE ts < '2026-01-01 12:00+00';
UPDATE p SET t = 'x' WHERE ts >= '2026-01-03' AND ts < '2026-01-03 00:10';
UPDATE p SET ts = '2026-01-03' WHERE ts < '2026-01-01 00:10+00';
-- a row that moves from a heap partition to a ledger is deleted and inserted
UPDATE p SET ts = '2026-01-01 13:00+00', t = 'moved' WHERE ts = (SELECT min(ts) FROM p3);
DELETE FROM p WHERE ts < '2026-01-01 12:00+00';
\set VERBOSITY default
SELECT tableoid::regclass, count(*) FROM p WHERE t = 'moved' GROUP BY 1;
TRUNCATE p;
SELECT count(*) FROM p;
-- COPY through a parent into more leaves than COPY buffers at once
CREATE TABLE q (id int, k int) PARTITION BY LIST (k);
CREATE TABLE qh (id int, k int) USING heap;
DO $$
BEGIN
	FOR i IN 0 .. 49 LOOP
		EXECUTE format('CREATE TABLE ddl.q%s PARTITION OF ddl.q FOR VALUES IN (%s) USING ledger', i, i);
	END LOOP;
END $$;
INSERT INTO qh SELECT i, i * 7919 % 50 FROM generate_series(1, 60000) i;
\set file :abs_builddir '/results/ledger_ddl.copy'
COPY qh TO :'file';
BEGIN;
COPY q FROM :'file';
SELECT oracle.same('qh', 'q');
SAVEPOINT a;
COPY q FROM :'file';
ROLLBACK TO a;
COMMIT;
SELECT oracle.same('qh', 'q');
SELECT sum(ledger.seal(inhrelid::regclass)) >= 0 AS sealed FROM pg_inherits WHERE inhparent = 'q'::regclass;
SELECT oracle.same('qh', 'q');
DROP TABLE p, p2, q, qh;
-- inheritance
CREATE TABLE child (extra int DEFAULT 5) INHERITS (l) USING ledger;
INSERT INTO child VALUES (-5, 'x');
INSERT INTO child VALUES (5, 'child', 6);
SELECT count(*) FROM l WHERE t = 'child';
DROP TABLE child;

-- COPY: out and in, text, csv, binary, with defaults, errors, FREEZE.
SELECT count(*) AS n FROM l \gset
COPY l TO :'file';
COPY h TO :'file' (FORMAT csv, HEADER, FORCE_QUOTE *);
TRUNCATE l;
COPY l FROM :'file' (FORMAT csv, HEADER);
SELECT same(), count(*) = :n AS all FROM l;
COPY l TO :'file' (FORMAT binary);
TRUNCATE l;
COPY l FROM :'file' (FORMAT binary);
SELECT same();
SELECT ledger.seal('l') >= 0 AS sealed;
COPY l (t, id) TO :'file';
BEGIN;
TRUNCATE l;
COPY l (t, id) FROM :'file' (FREEZE);
SELECT same();
COMMIT;
SELECT same();
COPY l FROM :'file' (FREEZE);
BEGIN;
CREATE TABLE f (t text, id int) USING ledger;
COPY f FROM :'file' (FREEZE);
SELECT count(*) = :n AS all FROM f;
ROLLBACK;
COPY (SELECT id FROM l WHERE id < 3) TO stdout;
COPY l (id) FROM stdin;
3
4
five
\.
SELECT same();
COPY l (id) FROM stdin;
3
4
\.
INSERT INTO h VALUES (3, 'default'), (4, 'default');
SELECT same();
COPY l FROM :'file' WHERE id < 0;
CREATE TABLE f (LIKE l) USING ledger;
COPY f (t, id) FROM :'file' WHERE id % 2 = 0;
SELECT count(*) FROM f WHERE id % 2 = 1;
SELECT count(*) = (SELECT count(*) FROM l WHERE id % 2 = 0) - 1 AS half FROM f;
DROP TABLE f;

-- Tables and views made of queries.
CREATE TABLE ctas USING ledger AS SELECT * FROM h;
SELECT oracle.same('h', 'ctas');
CREATE TABLE ctas_none USING ledger AS SELECT * FROM h WITH NO DATA;
SELECT count(*) FROM ctas_none;
SET default_table_access_method = ledger;
SELECT * INTO ctas_into FROM h;
CREATE TABLE like_l (LIKE l INCLUDING ALL);
RESET default_table_access_method;
SELECT oracle.same('h', 'ctas_into');
INSERT INTO like_l VALUES (-1, 'x');
SELECT relname FROM pg_class JOIN pg_am a ON a.oid = relam WHERE amname = 'ledger' AND relnamespace = 'ddl'::regnamespace ORDER BY 1;
DROP TABLE ctas, ctas_none, ctas_into, like_l;
CREATE MATERIALIZED VIEW mv USING ledger AS SELECT id % 2000 AS k, count(*) FROM h GROUP BY 1;
CREATE MATERIALIZED VIEW mh USING heap AS SELECT id % 2000 AS k, count(*) FROM h GROUP BY 1;
SELECT oracle.same('mh', 'mv');
INSERT INTO h VALUES (5, 'more'), (100000000, 'more');
INSERT INTO l SELECT * FROM h WHERE t = 'more';
REFRESH MATERIALIZED VIEW mv;
REFRESH MATERIALIZED VIEW mh;
SELECT oracle.same('mh', 'mv');
CREATE UNIQUE INDEX ON mv (k);
REFRESH MATERIALIZED VIEW mv;
SELECT oracle.same('mh', 'mv');
\set VERBOSITY sqlstate
REFRESH MATERIALIZED VIEW CONCURRENTLY mv;
INSERT INTO h VALUES (5, 'more');
INSERT INTO l VALUES (5, 'more');
REFRESH MATERIALIZED VIEW CONCURRENTLY mv;
\set VERBOSITY default
SELECT oracle.same('mh', 'mv');
REFRESH MATERIALIZED VIEW mv WITH NO DATA;
DROP MATERIALIZED VIEW mv, mh;

-- Triggers: rows changed before, left out, transition tables, RETURNING.
CREATE TABLE log (tab text, what text, n bigint, s bigint) USING heap;
CREATE FUNCTION before_row() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
	IF NEW.id % 10 = 3 THEN RETURN NULL; END IF;
	NEW.t := upper(NEW.t);
	RETURN NEW;
END $f$;
CREATE FUNCTION after_row() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
	IF NEW.id % 500 = 0 THEN INSERT INTO log VALUES (TG_TABLE_NAME, NEW.t, NEW.id); END IF;
	RETURN NULL;
END $f$;
CREATE FUNCTION after_statement() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
	INSERT INTO log SELECT TG_TABLE_NAME, 'transition', count(*), sum(id) FROM new_rows;
	RETURN NULL;
END $f$;
CREATE FUNCTION after_truncate() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
	INSERT INTO log VALUES (TG_TABLE_NAME, TG_OP);
	RETURN NULL;
END $f$;
ALTER TABLE l DROP CONSTRAINT positive;
DO $$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY '{h,l}'::text[] LOOP
		EXECUTE format('CREATE TRIGGER a BEFORE INSERT ON ddl.%s FOR EACH ROW EXECUTE FUNCTION ddl.before_row()', t);
		EXECUTE format('CREATE TRIGGER b AFTER INSERT ON ddl.%s FOR EACH ROW WHEN (NEW.id > 0) EXECUTE FUNCTION ddl.after_row()', t);
		EXECUTE format('CREATE TRIGGER c AFTER INSERT ON ddl.%s REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ddl.after_statement()', t);
		EXECUTE format('CREATE TRIGGER d AFTER TRUNCATE ON ddl.%s EXECUTE FUNCTION ddl.after_truncate()', t);
	END LOOP;
END $$;
TRUNCATE h, l;
CALL fill(-20, 31);
CALL fill(100, 3000);
COPY h TO :'file';
COPY h FROM :'file';
COPY l FROM :'file';
INSERT INTO h VALUES (1, 'a'), (3, 'b'), (5, NULL) RETURNING *;
INSERT INTO l VALUES (1, 'a'), (3, 'b'), (5, NULL) RETURNING *;
SELECT same();
SELECT what, n, s, count(*), count(*) FILTER (WHERE tab = 'h') = count(*) FILTER (WHERE tab = 'l') AS same FROM log GROUP BY what, n, s ORDER BY what, n, s;
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT same();
DROP TRIGGER a ON l; DROP TRIGGER b ON l; DROP TRIGGER c ON l; DROP TRIGGER d ON l;
DROP TRIGGER a ON h; DROP TRIGGER b ON h; DROP TRIGGER c ON h; DROP TRIGGER d ON h;
-- rules and row-level security
CREATE RULE r AS ON INSERT TO l WHERE NEW.id = -7 DO INSTEAD NOTHING;
INSERT INTO l VALUES (-7, 'no');
DROP RULE r ON l;
ALTER TABLE l ENABLE ROW LEVEL SECURITY;
CREATE POLICY even ON l USING (id % 2 = 0) WITH CHECK (id > 0);
GRANT USAGE ON SCHEMA ddl TO regress_ledger_other;
GRANT SELECT, INSERT ON l TO regress_ledger_other;
SET ROLE regress_ledger_other;
SELECT count(*) FILTER (WHERE id % 2 = 0) > 0 AS even, count(*) FILTER (WHERE id % 2 <> 0) AS odd FROM ddl.l;
INSERT INTO ddl.l VALUES (9);
INSERT INTO ddl.l VALUES (-2);
TRUNCATE ddl.l;
RESET ROLE;
ALTER TABLE l DISABLE ROW LEVEL SECURITY;
DROP POLICY even ON l;
REVOKE ALL ON l FROM regress_ledger_other;
REVOKE ALL ON SCHEMA ddl FROM regress_ledger_other;

-- RETURNING and system columns of rows just written, few and many.
WITH i AS (INSERT INTO l SELECT i, 'returned' FROM generate_series(1, 3000) i RETURNING id, ctid AS tid, xmin AS x, tableoid AS o, l AS r)
SELECT count(*), count(DISTINCT tid), count(DISTINCT x::text), min(o::regclass::text), bool_and((r).id = id), sum(id) FROM i;
BEGIN;
CREATE TEMP TABLE returned ON COMMIT DROP AS WITH i AS (INSERT INTO l SELECT i, 'again' FROM generate_series(1, 3000) i RETURNING id, ctid AS tid) SELECT * FROM i;
SELECT count(*) FROM returned r JOIN l ON l.ctid = r.tid AND l.id = r.id AND t = 'again';
SELECT count(*) FROM l WHERE xmin::text = (pg_current_xact_id()::text::bigint % 4294967296)::text;
COMMIT;

TRUNCATE h, l;
-- loaded after a rewrite in the same transaction, and not read in it
BEGIN;
ALTER TABLE h ALTER id TYPE bigint;
ALTER TABLE l ALTER id TYPE bigint;
CALL fill(400001, 3000);
COMMIT;
SELECT same();
BEGIN;
ALTER TABLE l SET ACCESS METHOD heap;
ALTER TABLE l SET ACCESS METHOD ledger;
CALL fill(410001, 3000);
COMMIT;
SELECT same();

-- ANALYZE: what it learns is what it learns of a heap.
TRUNCATE h, l;
DROP TABLE h, l;
CREATE TABLE h (id int, k int, level text, skew int, nulls text, rnd float8, wide text) USING heap;
CREATE TABLE l (LIKE h) USING ledger;
SELECT setseed(0.5);
INSERT INTO h SELECT i, i % 100, (ARRAY['info', 'info', 'info', 'warn', 'error'])[i % 5 + 1], (random() * random() * random() * 50)::int, CASE WHEN i % 4 = 0 THEN 'x' || i % 10 END, random(), repeat(md5(i::text), 3) FROM generate_series(1, 26000) i;
INSERT INTO l SELECT * FROM h;
CREATE VIEW statistics AS
SELECT a.attname, a.n_distinct = b.n_distinct AS n_distinct, a.null_frac = b.null_frac AS null_frac, a.avg_width = b.avg_width AS avg_width,
	(a.most_common_vals::text, a.most_common_freqs) IS NOT DISTINCT FROM (b.most_common_vals::text, b.most_common_freqs) AS mcv,
	a.histogram_bounds::text IS NOT DISTINCT FROM b.histogram_bounds::text AS histogram, a.correlation IS NULL AND b.correlation IS NULL OR abs(a.correlation - b.correlation) < 0.1 AS correlation
FROM pg_stats a JOIN pg_stats b USING (attname) WHERE a.tablename = 'h' AND b.tablename = 'l' AND a.schemaname = 'ddl' AND b.schemaname = 'ddl' ORDER BY attname;
CREATE VIEW planner AS SELECT oid::regclass, reltuples, relpages > 0 AS pages, relpages <= pg_relation_size(oid) / current_setting('block_size')::int AS physical FROM pg_class WHERE relname IN ('h', 'l') AND relnamespace = 'ddl'::regnamespace ORDER BY relname;
ANALYZE h, l;
SELECT * FROM statistics;
SELECT * FROM planner;
SELECT ledger.seal('l') >= 0 AS sealed;
ANALYZE l;
SELECT * FROM statistics;
SELECT * FROM planner;
-- more than a sample holds, of which some were aborted
BEGIN;
INSERT INTO l SELECT * FROM h;
INSERT INTO h SELECT * FROM h;
ROLLBACK;
INSERT INTO h SELECT id + 26000 * g, k, level, skew, nulls, random(), wide FROM h, generate_series(1, 4) g;
INSERT INTO l SELECT * FROM h WHERE id > 26000;
ANALYZE h, l;
CREATE VIEW near AS
SELECT a.attname, abs(a.n_distinct - b.n_distinct) <= 0.25 * abs(a.n_distinct) AS n_distinct, abs(a.null_frac - b.null_frac) < 0.03 AS null_frac, abs(a.avg_width - b.avg_width) <= 1 AS avg_width, abs(a.correlation - b.correlation) < 0.15 AS correlation,
	abs(a.most_common_freqs[1] - b.most_common_freqs[1]) < 0.03 AS mcv
FROM pg_stats a JOIN pg_stats b USING (attname) WHERE a.tablename = 'h' AND b.tablename = 'l' AND a.schemaname = 'ddl' AND b.schemaname = 'ddl' AND attname <> 'wide' ORDER BY attname;
SELECT * FROM near;
SELECT oid, abs(reltuples - 130000) < 6500 AS rows FROM planner;
SELECT ledger.seal('l') >= 0 AS sealed;
VACUUM ANALYZE l;
SELECT * FROM near;
SELECT oid, abs(reltuples - 130000) < 6500 AS rows FROM planner;
-- the planner's guess before any ANALYZE is of the right size
CREATE TABLE fresh USING ledger AS SELECT * FROM h;
CREATE FUNCTION guess(q text) RETURNS bigint LANGUAGE plpgsql AS $f$
DECLARE j json; BEGIN EXECUTE 'EXPLAIN (FORMAT json) ' || q INTO j; RETURN (j->0->'Plan'->>'Plan Rows')::numeric; END $f$;
SELECT guess('SELECT * FROM fresh') BETWEEN 65000 AND 260000 AS guessed;
SELECT guess('SELECT * FROM l') BETWEEN 120000 AND 140000 AS known;
DROP TABLE fresh;
-- and so are the columns' widths, which the metapage has of all segments
CREATE FUNCTION width(q text) RETURNS int LANGUAGE plpgsql AS $f$
DECLARE j json; BEGIN EXECUTE 'EXPLAIN (FORMAT json) ' || q INTO j; RETURN j->0->'Plan'->>'Plan Width'; END $f$;
CREATE TABLE w1 (i int, b bigint, t text, n numeric, nothing text, gone text, f char(7), d jsonb, many int[], c name) USING heap;
CREATE TABLE w2 (LIKE w1) USING ledger WITH (autovacuum_enabled = off);
INSERT INTO w1 SELECT i, i, repeat('x', i % 300), i / 7.0, NULL, 'gone', 'f', jsonb_build_object('k', repeat('y', i % 100)), array_fill(i, ARRAY[i % 9]), 'name' FROM generate_series(1, 20000) i;
INSERT INTO w2 SELECT * FROM w1;
SELECT ledger.seal('w2') >= 0 AS sealed;
ANALYZE w1;
CREATE VIEW widths AS SELECT attname, abs(width(format('SELECT %I FROM w1', attname)) - width(format('SELECT %I FROM w2', attname))) AS off
FROM pg_attribute WHERE attrelid = 'w1'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
SELECT * FROM widths WHERE off > 1;
SELECT abs(width('SELECT * FROM w1') - width('SELECT * FROM w2')) <= 9 AS all_columns;
SELECT count(*) AS analyzed FROM pg_stats WHERE tablename = 'w2' AND schemaname = 'ddl';
ALTER TABLE w1 DROP COLUMN gone, ADD COLUMN late text DEFAULT 'late', ADD COLUMN later int;
ALTER TABLE w2 DROP COLUMN gone, ADD COLUMN late text DEFAULT 'late', ADD COLUMN later int;
SELECT * FROM widths WHERE off > 1;
-- one wide row, sealed by itself, is one of many, and what was rolled back is none
INSERT INTO w1 (i, t) VALUES (0, repeat('wide', 200000));
INSERT INTO w2 (i, t) VALUES (0, repeat('wide', 200000));
SELECT ledger.seal('w2') AS sealed;
ANALYZE w1;
SELECT width('SELECT t FROM w2') - width('SELECT t FROM w1') BETWEEN -10 AND 60 AS near;
BEGIN;
INSERT INTO w2 (i, t) SELECT i, repeat(md5(i::text), 100) FROM generate_series(1, 20000) i;
ROLLBACK;
VACUUM w2;
SELECT width('SELECT t FROM w2') - width('SELECT t FROM w1') BETWEEN -10 AND 60 AS near;
-- what is loaded counts when VACUUM has seen that it was committed
INSERT INTO w1 (i, t) SELECT i, repeat('y', 500) FROM generate_series(1, 60000) i;
INSERT INTO w2 (i, t) SELECT i, repeat('y', 500) FROM generate_series(1, 60000) i;
VACUUM w2;
ANALYZE w1;
SELECT width('SELECT t FROM w2') - width('SELECT t FROM w1') BETWEEN -20 AND 30 AS near;
-- a column that comes late is not as wide as its first value
ALTER TABLE w2 ADD COLUMN last text;
INSERT INTO w2 (i, last) VALUES (0, repeat('wide', 2000));
SELECT ledger.seal('w2') AS sealed;
INSERT INTO w2 (i, last) SELECT i, 'a note' FROM generate_series(1, 9000) i;
SELECT ledger.seal('w2') AS sealed;
SELECT width('SELECT last FROM w2') BETWEEN 7 AND 9 AS narrow;
-- nor one that earlier rows have a value of that is in no segment
ALTER TABLE w2 ADD COLUMN added text DEFAULT 'x';
INSERT INTO w2 (i, added) VALUES (0, repeat('wide', 2000));
SELECT ledger.seal('w2') AS sealed;
ANALYZE w2;
SELECT width('SELECT added FROM w2') < 20 AS narrow;
-- rows that were rolled back count neither here nor there
CREATE TABLE w3 (t text) USING ledger WITH (autovacuum_enabled = off);
DO $$ BEGIN
	FOR i IN 1 .. 3 LOOP
		FOR k IN 1 .. 40 LOOP
			INSERT INTO w3 VALUES (repeat('x', 99));
			IF k % 4 = 0 THEN COMMIT; ELSE ROLLBACK; END IF;
		END LOOP;
		PERFORM ledger.seal('w3');
		COMMIT;
	END LOOP;
END $$;
INSERT INTO w3 VALUES (repeat('x', 99));
SELECT ledger.seal('w3') AS sealed;
SELECT count(*) AS rows FROM w3;
SELECT width('SELECT t FROM w3') AS known;
DROP TABLE w3;
-- of a few rows nothing is believed, where there are others, but the statistics are
CREATE TABLE w3 (t text) USING ledger WITH (autovacuum_enabled = off);
INSERT INTO w3 VALUES (repeat('wide', 2000));
SELECT ledger.seal('w3') AS sealed;
SELECT width('SELECT t FROM w3') AS one_row;
INSERT INTO w3 SELECT 'narrow' FROM generate_series(1, 9000);
ANALYZE w3;
SELECT width('SELECT t FROM w3') BETWEEN 7 AND 10 AS narrow;
VACUUM w3;
SELECT width('SELECT t FROM w3') BETWEEN 7 AND 10 AS narrow;
DROP TABLE w3;
-- of many columns, the first
DO $$ BEGIN EXECUTE (SELECT 'CREATE TABLE w3 (' || string_agg('c' || c || ' text', ',') || ') USING ledger WITH (autovacuum_enabled = off)' FROM generate_series(1, 300) c); END $$;
DO $$ BEGIN EXECUTE (SELECT 'INSERT INTO w3 VALUES (' || string_agg(format('%L', repeat('x', 99)), ',') || ')' FROM generate_series(1, 300) c); END $$;
SELECT ledger.seal('w3') AS sealed;
SELECT width('SELECT c1 FROM w3') AS c1, width('SELECT c128 FROM w3') AS c128, width('SELECT c129 FROM w3') AS c129;
DROP TABLE w3;
CREATE TABLE w3 (t text) USING ledger WITH (autovacuum_enabled = off);
INSERT INTO w3 SELECT repeat('x', 1000000);
SELECT ledger.seal('w3') AS sealed;
SELECT width('SELECT t FROM w3') AS limited;
DROP TABLE w3;
DROP VIEW widths;
DROP TABLE w1, w2;

-- VACUUM FULL and CLUSTER.
CREATE INDEX l_id ON l (id);
VACUUM FULL l;
SELECT same();
CLUSTER l USING l_id;
SELECT same();
SET enable_seqscan = off;
SELECT count(*), sum(k) FROM l WHERE id BETWEEN 100 AND 1000;
DROP SCHEMA ddl CASCADE;
