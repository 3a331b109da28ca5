--
-- Per-ledger options: what they do to what is stored, whose they are, how they
-- come to partitions, and that whatever is stored is heap's rows.
--
SET client_min_messages = warning;
\set VERBOSITY sqlstate
CREATE EXTENSION IF NOT EXISTS ledger;
CREATE SCHEMA options;
SET search_path = options;
SET timezone = 'UTC';

-- zstd, or, where the build lacks it, lz4 once more
SELECT oracle.outcome('SET ledger.compression = zstd') = 'ok' AS zstd \gset
SELECT CASE WHEN :'zstd' THEN 'zstd' ELSE 'lz4' END AS third \gset
SHOW ledger.compression;
RESET ledger.compression;
SHOW ledger.compression;

CREATE FUNCTION make(n int, OUT k int, OUT ts timestamptz, OUT m text, OUT data jsonb, OUT b bytea, OUT f float8) LANGUAGE sql IMMUTABLE AS $$
	SELECT n, timestamptz '2026-01-01 00:00+00' + n * interval '11 ms',
		'took ' || left(md5(n::text), n % 30) || ' ' || (SELECT string_agg(w[1 + (n * g * 7919) % 40], ' ') FROM generate_series(1, 20) g,
			(SELECT array_agg(md5(i::text)) FROM generate_series(1, 40) i) w(w)),
		jsonb_build_object('user', md5((n % 50)::text), 'n', n, 'words', repeat(md5((n % 7)::text), 3)),
		CASE WHEN n % 97 = 3 THEN decode(repeat(md5((n % 3)::text), 200), 'hex') END, n / 7.0 $$;
CREATE TABLE data AS SELECT (make(n)).* FROM generate_series(1, 3000) n;
CREATE TABLE h (LIKE data) USING heap;

-- Rows one by one, in batches and in bulk, sealed and not.
CREATE PROCEDURE fill(t regclass) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 60 LOOP
		EXECUTE format('INSERT INTO %s SELECT * FROM data WHERE k = %s', t, i);
	END LOOP;
	EXECUTE format('INSERT INTO %s SELECT * FROM data WHERE k BETWEEN 61 AND 560', t);
	COMMIT;
	IF t <> 'h'::regclass THEN
		PERFORM ledger.seal(t);
		COMMIT;
	END IF;
	EXECUTE format('INSERT INTO %s SELECT * FROM data', t);
	EXECUTE format('INSERT INTO %s SELECT * FROM data WHERE k <= 300', t);
	COMMIT;
END $$;
CREATE FUNCTION segments(t regclass) RETURNS bigint LANGUAGE sql AS 'SELECT sum(bytes)::bigint FROM ledger.chunks(t) WHERE path IS NULL';

-- What an option does: the same rows in fewer bytes, or more.
CALL fill('h');
CREATE TABLE l_lz4 (LIKE data) USING ledger WITH (autovacuum_enabled = off);
CREATE TABLE l_none (LIKE data) USING ledger WITH (autovacuum_enabled = off);
CREATE TABLE l_third (LIKE data) USING ledger WITH (autovacuum_enabled = off);
SELECT ledger.set_option('l_none', 'compression', 'none'), ledger.set_option('l_third', 'compression', :'third');
CALL fill('l_lz4');
CALL fill('l_none');
CALL fill('l_third');
SELECT oracle.same('h', 'l_lz4'), oracle.same('h', 'l_none'), oracle.same('h', 'l_third');
SELECT segments('l_third') < segments('l_lz4') OR NOT :'zstd' AS third, segments('l_lz4') * 1.2 < segments('l_none') AS lz4;
-- rows in row format are compressed, or not
SELECT pg_relation_size('l_lz4') < pg_relation_size('l_none') AS smaller;
SELECT ledger.seal('l_lz4') > 0 AND ledger.seal('l_none') > 0 AND ledger.seal('l_third') > 0 AS sealed;
SELECT oracle.same('h', 'l_lz4'), oracle.same('h', 'l_none'), oracle.same('h', 'l_third');
SELECT segments('l_third') < segments('l_lz4') OR NOT :'zstd' AS third, segments('l_lz4') * 1.2 < segments('l_none') AS lz4;
SELECT relation, compression FROM ledger.stats('l_lz4') UNION ALL SELECT relation, compression FROM ledger.stats('l_none');
SELECT compression = :'third' AS third FROM ledger.stats('l_third');

-- In row format: packed rows are smaller, and of one that is not compressed none
-- is packed, however many there are; images of whole pages are not compressed.
CREATE TABLE packed (LIKE data) USING ledger WITH (autovacuum_enabled = off);
CREATE TABLE unpacked (LIKE data) USING ledger WITH (autovacuum_enabled = off);
SELECT ledger.set_option('unpacked', 'compression', 'none');
CREATE FUNCTION wal(t regclass) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE before pg_lsn := pg_current_wal_insert_lsn();
BEGIN
	EXECUTE format('INSERT INTO %s SELECT * FROM data WHERE k <= 900', t);
	RETURN pg_current_wal_insert_lsn() - before;
END $$;
SELECT wal('packed') * 1.5 < wal('unpacked') AS less;
SELECT pg_relation_size('packed') * 1.5 < pg_relation_size('unpacked') AS smaller;
SELECT oracle.same('packed', 'unpacked');

-- One table with segments, and rows, of all kinds; changed while it has both.
CREATE TABLE hm (LIKE data) USING heap;
CREATE TABLE lm (LIKE data) USING ledger WITH (autovacuum_enabled = off);
CREATE PROCEDURE each(t regclass, variadic names text[]) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. array_length(names, 1) LOOP
		PERFORM ledger.set_option(t, 'compression', names[i]);
		COMMIT;
		INSERT INTO hm SELECT * FROM data WHERE k <= 200 + i;
		EXECUTE format('INSERT INTO %s SELECT * FROM data WHERE k <= $1', t) USING 200 + i;
		COMMIT;
		IF i % 2 = 0 THEN PERFORM ledger.seal(t); COMMIT; END IF;
		INSERT INTO hm SELECT * FROM data WHERE k > i;
		EXECUTE format('INSERT INTO %s SELECT * FROM data WHERE k > $1', t) USING i;
		COMMIT;
	END LOOP;
END $$;
CALL each('lm', 'none', 'lz4', :'third', 'none', NULL, :'third', 'LZ4');
SELECT oracle.same('hm', 'lm'), (SELECT count(*) > 7 FROM ledger.segments('lm')) AS segments;
SELECT ledger.seal('lm') > 0 AS sealed;
SELECT oracle.same('hm', 'lm');
SELECT oracle.query('SELECT m, data, b FROM # WHERE k % 113 = 5 ORDER BY k, m', 'hm', 'lm');

-- A rewrite is written as the table; another access method keeps the option.
TRUNCATE hm, lm;
INSERT INTO hm SELECT * FROM data;
INSERT INTO lm SELECT * FROM data;
SELECT ledger.set_option('lm', 'compression', 'none');
ALTER TABLE lm ALTER k TYPE bigint;
SELECT segments('lm') AS none \gset
SELECT ledger.set_option('lm', 'compression', 'lz4');
ALTER TABLE lm ALTER k TYPE int;
SELECT segments('lm') * 1.2 < :none AS smaller;
SELECT oracle.same('hm', 'lm');
SELECT ledger.set_option('lm', 'compression', 'none');
ALTER TABLE lm SET ACCESS METHOD heap;
ALTER TABLE lm SET ACCESS METHOD ledger;
SELECT segments('lm') = :none AS none, ledger.get_option('lm', 'compression');
TRUNCATE lm;
INSERT INTO lm SELECT * FROM data;
SELECT segments('lm') > :none * 0.9 AS none, compression FROM ledger.stats('lm');
SELECT oracle.same('data', 'lm');
CREATE TABLE c (LIKE data) USING heap;
INSERT INTO c SELECT * FROM data;
SELECT ledger.set_option('c', 'compression', 'none');
SET ledger.compression = none;
CALL ledger.convert('c');
RESET ledger.compression;
SELECT segments('c') = segments('lm') AS none, ledger.get_option('c', 'compression'), oracle.same('data', 'c');

-- The default is the parameter, of the session that writes; an option comes before it.
CREATE TABLE d (LIKE data) USING ledger;
SET ledger.compression = 'none';
SELECT ledger.get_option('d', 'compression'), ledger.get_option('l_lz4', 'compression'), ledger.get_option('l_third', 'compression') = :'third' AS third;
INSERT INTO d SELECT * FROM data;
SELECT segments('d') AS none \gset
RESET ledger.compression;
TRUNCATE d;
INSERT INTO d SELECT * FROM data;
SELECT segments('d') * 1.2 < :none AS smaller;
SET ledger.compression = 'none';
SELECT ledger.set_option('d', 'compression', 'lz4');
TRUNCATE d;
INSERT INTO d SELECT * FROM data;
SELECT segments('d') * 1.2 < :none AS smaller;
RESET ledger.compression;
SET ledger.compression = 'brotli';

-- Transactions: an option counts at once, and goes with a rollback.
SELECT ledger.set_option('d', 'compression', NULL);
TRUNCATE d;
BEGIN;
INSERT INTO d SELECT * FROM data WHERE k <= 10;
SELECT ledger.set_option('d', 'compression', 'none');
SAVEPOINT a;
SELECT ledger.set_option('d', 'compression', :'third');
INSERT INTO d SELECT * FROM data WHERE k <= 10;
ROLLBACK TO a;
SELECT ledger.get_option('d', 'compression'), (SELECT compression FROM ledger.stats('d'));
INSERT INTO d SELECT * FROM data;
ROLLBACK;
SELECT ledger.get_option('d', 'compression'), (SELECT compression FROM ledger.stats('d'));
INSERT INTO d SELECT * FROM data;
SELECT segments('d') * 1.2 < :none AS smaller, (SELECT count(*) FROM ledger.options WHERE relation = 'd'::regclass);
BEGIN;
CREATE TABLE young (LIKE data) USING ledger;
INSERT INTO young SELECT * FROM data WHERE k <= 1;
SELECT ledger.set_option('young', 'compression', 'none');
INSERT INTO young SELECT * FROM data;
COMMIT;
SELECT segments('young') > segments('d') * 1.2 AS larger;
SELECT ledger.set_option('young', 'compression', 'none');
DROP TABLE young;
-- nothing is kept of a table that has gone
SELECT ledger.set_option('d', 'compression', 'lz4');
SELECT count(*) FROM ledger.options o WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = o.relation);

-- Partitions: the nearest option, whoever made them, and as the tree changes.
CREATE TABLE p (k int, m text) PARTITION BY RANGE (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100) USING ledger;
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (300) PARTITION BY RANGE (k);
CREATE TABLE p2a PARTITION OF p2 FOR VALUES FROM (100) TO (200) USING ledger;
CREATE VIEW shown AS SELECT c.oid::regclass AS relation, ledger.get_option(c.oid, 'compression') FROM pg_class c
	WHERE relnamespace = 'options'::regnamespace AND relname ~ '^p\d?[ab]?$' ORDER BY 1;
SELECT compression FROM ledger.stats('p');
SELECT ledger.set_option('p', 'compression', 'none');
SELECT * FROM shown;
SELECT relation, compression FROM ledger.stats('p') ORDER BY 1;
CREATE TABLE p2b PARTITION OF p2 FOR VALUES FROM (200) TO (300) USING ledger;
CREATE TABLE p3 (k int, m text) USING ledger;
INSERT INTO p3 VALUES (301, 'x');
SELECT compression FROM ledger.stats('p3');
ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (300) TO (400);
SELECT ledger.set_option('p2', 'compression', :'third'), ledger.set_option('p2b', 'compression', 'lz4');
SELECT relation, compression, compression = :'third' AS third FROM ledger.stats('p') WHERE relation <> 'p2a'::regclass ORDER BY 1;
SELECT compression = :'third' AS third FROM ledger.stats('p2a');
SELECT ledger.set_option('p2', 'compression', NULL);
SELECT relation, compression FROM ledger.stats('p') ORDER BY 1;
ALTER TABLE p DETACH PARTITION p2;
SELECT relation, compression FROM ledger.stats('p2') ORDER BY 1;
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (100) TO (300);
SELECT relation, compression FROM ledger.stats('p2') ORDER BY 1;
SELECT ledger.set_option('p', 'compression', NULL);
SELECT * FROM shown;

-- Managed ledgers.
CREATE TABLE managed (ts timestamptz NOT NULL, m text) PARTITION BY RANGE (ts);
SELECT ledger.set_option('managed', 'compression', 'none');
SELECT ledger.manage('managed', '1 day', premake => 1);
SELECT ledger.append('managed', ROW(now() - interval '3 days', 'made by this'));
SELECT count(*) FILTER (WHERE compression = 'none') AS none, count(*) FROM ledger.stats('managed');
SELECT compression FROM ledger.ledgers WHERE ledger = 'managed'::regclass;
SELECT ledger.set_option('managed', 'compression', NULL);
SELECT compression FROM ledger.ledgers WHERE ledger = 'managed'::regclass;
DROP TABLE managed;

-- Errors.
\set VERBOSITY default
SELECT ledger.set_option('d', 'comprehension', 'lz4');
SELECT ledger.set_option('d', 'compression', 'brotli');
SELECT ledger.set_option('data', 'compression', 'lz4');
SELECT ledger.get_option('d', 'comprehension');
\set VERBOSITY sqlstate
SELECT ledger.set_option(NULL, 'compression', 'lz4');
SELECT ledger.set_option('d', NULL, 'lz4');
SELECT ledger.set_option(0, 'compression', 'lz4');
SELECT ledger.get_option('d', NULL);
SELECT ledger.get_option(0, 'compression'), ledger.get_option(NULL, 'compression');
SELECT oracle.outcome($$SELECT ledger.set_option('d', 'compression', 'zstd')$$) = CASE WHEN :'zstd' THEN 'ok' ELSE '0A000' END AS zstd,
	oracle.outcome('SET ledger.compression = zstd') = CASE WHEN :'zstd' THEN 'ok' ELSE '0A000' END AS parameter;
RESET ledger.compression;
BEGIN READ ONLY;
SELECT ledger.set_option('d', 'compression', 'lz4');
ROLLBACK;
CREATE ROLE regress_ledger_options;
GRANT USAGE ON SCHEMA options TO regress_ledger_options;
SET ROLE regress_ledger_options;
SELECT ledger.set_option('d', 'compression', 'none');
SELECT ledger.set_option('d', 'compression', NULL);
SELECT ledger.set_option('p', 'compression', 'none');
INSERT INTO ledger.options VALUES ('d'::regclass, 'compression', 'none');
SELECT ledger.get_option('d', 'compression') IS NOT NULL AS seen;
RESET ROLE;
ALTER TABLE d OWNER TO regress_ledger_options;
SET ROLE regress_ledger_options;
SELECT ledger.set_option('d', 'compression', 'none');
SELECT ledger.get_option('d', 'compression');
RESET ROLE;
DROP OWNED BY regress_ledger_options;
DROP ROLE regress_ledger_options;

SET client_min_messages = error;
DROP SCHEMA options CASCADE;
