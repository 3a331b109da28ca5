--
-- Transactions: what commands see of their own transaction, savepoints,
-- aborts, exceptions, triggers, isolation levels.  The same is done to a heap
-- table and to a ledger, for few rows (the tail) and many (a bulk writer).
--
SET client_min_messages = warning;
CREATE SCHEMA xact;
SET search_path = xact, public;
CREATE TABLE h (id int, t text) USING heap;
CREATE TABLE l (id int, t text) USING ledger;
-- n rows from "start" on into both
CREATE PROCEDURE fill(start int, n int) LANGUAGE sql AS $f$
	INSERT INTO h SELECT i, 'row ' || i FROM generate_series(start, start + n - 1) i;
	INSERT INTO l SELECT i, 'row ' || i FROM generate_series(start, start + n - 1) i;
$f$;
CREATE VIEW verdict AS SELECT oracle.same('h', 'l') AS same, (SELECT count(DISTINCT ctid) FROM l) AS tids;

-- Commit and abort.
BEGIN;
CALL fill(1, 10);
ROLLBACK;
SELECT * FROM verdict;
BEGIN;
CALL fill(1, 3000);
SELECT * FROM verdict;
ROLLBACK;
SELECT * FROM verdict;
BEGIN;
CALL fill(1, 10);
CALL fill(11, 3000);
SELECT * FROM verdict;
COMMIT;
SELECT * FROM verdict;
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT * FROM verdict;

-- A command does not see its own rows, the next one does.
INSERT INTO h SELECT id + 10000, t FROM h WHERE id <= 5;
INSERT INTO l SELECT id + 10000, t FROM l WHERE id <= 5;
SELECT * FROM verdict;
BEGIN;
INSERT INTO h SELECT id + 20000, t FROM h;
INSERT INTO l SELECT id + 20000, t FROM l;
SELECT * FROM verdict;
INSERT INTO h SELECT id + 40000, t FROM h;
INSERT INTO l SELECT id + 40000, t FROM l;
SELECT * FROM verdict;
INSERT INTO h VALUES ((SELECT max(id) + 1 FROM h), 'max'), ((SELECT max(id) + 1 FROM h), 'max');
INSERT INTO l VALUES ((SELECT max(id) + 1 FROM l), 'max'), ((SELECT max(id) + 1 FROM l), 'max');
INSERT INTO h VALUES ((SELECT max(id) + 1 FROM h), 'max');
INSERT INTO l VALUES ((SELECT max(id) + 1 FROM l), 'max');
SELECT * FROM verdict;
COMMIT;
SELECT * FROM verdict;
WITH n AS (INSERT INTO h VALUES (-1, 'cte') RETURNING id) SELECT (SELECT count(*) FROM h WHERE id = -1), (SELECT id FROM n);
WITH n AS (INSERT INTO l VALUES (-1, 'cte') RETURNING id) SELECT (SELECT count(*) FROM l WHERE id = -1), (SELECT id FROM n);
SELECT * FROM verdict;
TRUNCATE h, l;

-- The same through an index.
CREATE INDEX h_id ON h (id);
CREATE INDEX l_id ON l (id);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
CALL fill(1, 2000);
BEGIN;
INSERT INTO h SELECT id + 5000, t FROM h WHERE id BETWEEN 100 AND 20000;
INSERT INTO l SELECT id + 5000, t FROM l WHERE id BETWEEN 100 AND 20000;
SELECT * FROM verdict;
INSERT INTO h SELECT id + 20000, t FROM h WHERE id BETWEEN 100 AND 60000;
INSERT INTO l SELECT id + 20000, t FROM l WHERE id BETWEEN 100 AND 60000;
SELECT * FROM verdict;
SELECT oracle.query('SELECT * FROM # WHERE id BETWEEN 5100 AND 26000 ORDER BY id');
COMMIT;
SELECT oracle.query('SELECT * FROM # WHERE id BETWEEN 5100 AND 26000 ORDER BY id');
-- each row read back by the index right after it was written
BEGIN;
DO $$
BEGIN
	FOR i IN 100000 .. 103000 LOOP
		INSERT INTO xact.h VALUES (i, 'single');
		INSERT INTO xact.l VALUES (i, 'single');
		ASSERT (SELECT count(*) FROM xact.l WHERE id = i AND t = 'single') = 1;
		ASSERT (SELECT count(*) FROM xact.l WHERE id = i + 1) = 0;
	END LOOP;
END $$;
SELECT * FROM verdict;
COMMIT;
SELECT * FROM verdict;
-- and each read by id just after many came in one command
BEGIN;
CALL fill(200000, 5000);
DO $$
BEGIN
	FOR i IN 200000 .. 204999 LOOP
		ASSERT (SELECT t FROM xact.l WHERE id = i) = 'row ' || i;
		IF i % 1000 = 0 THEN
			CALL xact.fill(i + 10000, 1500);
		END IF;
	END LOOP;
END $$;
ROLLBACK;
SELECT count(*) FROM l WHERE id >= 200000;
RESET enable_seqscan;
RESET enable_bitmapscan;
SELECT * FROM verdict;
DROP INDEX h_id, l_id;
TRUNCATE h, l;

-- Savepoints: which rows stay.
BEGIN;
CALL fill(1, 5);
SAVEPOINT a;
CALL fill(100, 5);
SAVEPOINT b;
CALL fill(200, 5);
ROLLBACK TO a;
SELECT * FROM verdict;
CALL fill(300, 5);
SAVEPOINT c;
CALL fill(400, 5);
RELEASE c;
SELECT * FROM verdict;
COMMIT;
SELECT * FROM verdict;
SELECT oracle.query('SELECT id FROM # ORDER BY id');
BEGIN;
CALL fill(1000, 3000);
SAVEPOINT a;
CALL fill(10000, 3000);
SAVEPOINT b;
CALL fill(20000, 3000);
SELECT * FROM verdict;
ROLLBACK TO b;
SELECT * FROM verdict;
CALL fill(30000, 3000);
ROLLBACK TO b;
CALL fill(40000, 20);
RELEASE b;
CALL fill(50000, 3000);
SELECT * FROM verdict;
ROLLBACK TO a;
SELECT * FROM verdict;
CALL fill(60000, 3000);
SAVEPOINT c;
CALL fill(70000, 3000);
RELEASE c;
RELEASE a;
SELECT * FROM verdict;
COMMIT;
SELECT * FROM verdict;
SELECT oracle.query('SELECT min(id), max(id), count(*) FROM # GROUP BY id / 1000 ORDER BY 1');
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT * FROM verdict;
-- all of it gone
BEGIN;
CALL fill(1000000, 3000);
SAVEPOINT a;
CALL fill(1100000, 3000);
RELEASE a;
SAVEPOINT b;
CALL fill(1200000, 300);
SELECT * FROM verdict;
ROLLBACK;
SELECT * FROM verdict;
-- many subtransactions in a transaction, every third of which is rolled back,
-- with a few rows and with many
DO $$
BEGIN
	FOR i IN 1 .. 300 LOOP
		BEGIN
			CALL xact.fill(2000000 + i * 10000, CASE WHEN i % 30 = 0 THEN 1500 ELSE 7 END);
			IF i % 3 = 0 THEN
				RAISE EXCEPTION 'undone';
			END IF;
		EXCEPTION WHEN raise_exception THEN
			NULL;
		END;
	END LOOP;
	IF oracle.same('xact.h', 'xact.l') NOT LIKE 'same%' THEN
		RAISE WARNING 'in the transaction: %', oracle.same('xact.h', 'xact.l');
	END IF;
END $$;
SELECT * FROM verdict;
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT * FROM verdict;
TRUNCATE h, l;

-- A command that fails halfway leaves nothing.
INSERT INTO h SELECT i, (1 / (2500 - i))::text FROM generate_series(1, 3000) i;
INSERT INTO l SELECT i, (1 / (2500 - i))::text FROM generate_series(1, 3000) i;
SELECT * FROM verdict;
BEGIN;
CALL fill(1, 20);
SAVEPOINT a;
INSERT INTO l SELECT i, (1 / (2500 - i))::text FROM generate_series(1, 3000) i;
ROLLBACK TO a;
SELECT * FROM verdict;
CALL fill(30, 20);
COMMIT;
SELECT * FROM verdict;
TRUNCATE h, l;

-- A unique key: a violation in a subtransaction, then the same key again.
ALTER TABLE h ADD PRIMARY KEY (id);
ALTER TABLE l ADD PRIMARY KEY (id);
CREATE FUNCTION try_keys(tab text, keys int[]) RETURNS text LANGUAGE plpgsql AS $f$
DECLARE
	result text := '';
	k int;
BEGIN
	FOREACH k IN ARRAY keys LOOP
		BEGIN
			EXECUTE format('INSERT INTO %s VALUES (%s)', tab, k);
			IF k % 2 = 0 THEN
				RAISE EXCEPTION 'undone';
			END IF;
			result := result || k || '+ ';
		EXCEPTION WHEN unique_violation THEN
			result := result || k || '! ';
		WHEN raise_exception THEN
			result := result || k || '- ';
		END;
	END LOOP;
	RETURN result;
END $f$;
SELECT try_keys('h', '{1,2,2,1,3,5,3,4}'), try_keys('l', '{1,2,2,1,3,5,3,4}');
SELECT try_keys('h', '{1,2,2,7,3,9,7,4}'), try_keys('l', '{1,2,2,7,3,9,7,4}');
SELECT * FROM verdict;
-- many keys that repeat, in one command: nothing is left
INSERT INTO l SELECT i % 2500 + 100 FROM generate_series(1, 3000) i;
SELECT * FROM verdict;
-- keys of an aborted transaction are free
BEGIN;
CALL fill(1000, 3000);
ROLLBACK;
CALL fill(1000, 3000);
SELECT * FROM verdict;
SELECT oracle.both('INSERT INTO # VALUES (1000)'), oracle.both('INSERT INTO # VALUES (3999)'), oracle.both('INSERT INTO # VALUES (999)'), oracle.both('INSERT INTO # VALUES (4000)');
BEGIN;
CALL fill(10000, 3000);
SELECT oracle.both('INSERT INTO # VALUES (12999)'), oracle.both('INSERT INTO # SELECT i FROM generate_series(9000, 12500) i');
SELECT oracle.both('INSERT INTO # SELECT i FROM generate_series(9000, 12500) i ON CONFLICT DO NOTHING');
SELECT * FROM verdict;
COMMIT;
SELECT * FROM verdict;
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT oracle.both('INSERT INTO # VALUES (12999)'), oracle.both('INSERT INTO # SELECT i FROM generate_series(8999, 12500) i'), oracle.both('INSERT INTO # SELECT i FROM generate_series(8000, 9000) i ON CONFLICT DO NOTHING');
SELECT * FROM verdict;
ALTER TABLE h DROP CONSTRAINT h_pkey;
ALTER TABLE l DROP CONSTRAINT l_pkey;
TRUNCATE h, l;

-- Triggers that read the table they are on.
CREATE TABLE seen (tab text, op text, n bigint) USING heap;
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $f$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM %s', TG_RELID::regclass) INTO n;
	INSERT INTO seen VALUES (TG_TABLE_NAME, TG_WHEN || ' ' || TG_LEVEL, n);
	RETURN NEW;
END $f$;
CREATE TRIGGER t1 BEFORE INSERT ON h FOR EACH STATEMENT EXECUTE FUNCTION look();
CREATE TRIGGER t2 BEFORE INSERT ON h FOR EACH ROW EXECUTE FUNCTION look();
CREATE TRIGGER t3 AFTER INSERT ON h FOR EACH ROW EXECUTE FUNCTION look();
CREATE TRIGGER t4 AFTER INSERT ON h FOR EACH STATEMENT EXECUTE FUNCTION look();
CREATE TRIGGER t1 BEFORE INSERT ON l FOR EACH STATEMENT EXECUTE FUNCTION look();
CREATE TRIGGER t2 BEFORE INSERT ON l FOR EACH ROW EXECUTE FUNCTION look();
CREATE TRIGGER t3 AFTER INSERT ON l FOR EACH ROW EXECUTE FUNCTION look();
CREATE TRIGGER t4 AFTER INSERT ON l FOR EACH STATEMENT EXECUTE FUNCTION look();
CALL fill(1, 3);
SELECT op, n, count(*) FILTER (WHERE tab = 'h') AS heap, count(*) FILTER (WHERE tab = 'l') AS ledger FROM seen GROUP BY op, n ORDER BY op, n;
TRUNCATE seen;
-- many rows: an AFTER trigger for each sees them all, a BEFORE trigger those before it
CALL fill(100, 1500);
SELECT op, min(n), max(n), count(DISTINCT n), count(*) FROM seen WHERE tab = 'h' GROUP BY op ORDER BY op;
SELECT op, min(n), max(n), count(DISTINCT n), count(*) FROM seen WHERE tab = 'l' GROUP BY op ORDER BY op;
SELECT * FROM verdict;
DROP TRIGGER t1 ON h; DROP TRIGGER t2 ON h; DROP TRIGGER t3 ON h; DROP TRIGGER t4 ON h;
DROP TRIGGER t1 ON l; DROP TRIGGER t2 ON l; DROP TRIGGER t3 ON l; DROP TRIGGER t4 ON l;
TRUNCATE h, l, seen;

-- Volatile functions in an INSERT see its earlier rows, stable ones do not.
CREATE FUNCTION count_volatile(tab text) RETURNS bigint VOLATILE LANGUAGE plpgsql AS $f$
DECLARE n bigint; BEGIN EXECUTE 'SELECT count(*) FROM ' || tab INTO n; RETURN n; END $f$;
CREATE FUNCTION count_stable(tab text) RETURNS bigint STABLE LANGUAGE plpgsql AS $f$
DECLARE n bigint; BEGIN EXECUTE 'SELECT count(*) FROM ' || tab INTO n; RETURN n; END $f$;
INSERT INTO h SELECT i, count_volatile('h') || ' ' || count_stable('h') FROM generate_series(1, 1200) i;
INSERT INTO l SELECT i, count_volatile('l') || ' ' || count_stable('l') FROM generate_series(1, 1200) i;
SELECT * FROM verdict;
SELECT min(t), max(t) FROM h WHERE id IN (1, 1200);
TRUNCATE h, l;

-- A function that writes, called for each row of a scan of the same table.
CALL fill(1, 100);
CREATE FUNCTION add_row(tab text, n int) RETURNS int VOLATILE LANGUAGE plpgsql AS $f$
BEGIN EXECUTE format('INSERT INTO %s VALUES (%s, ''added'')', tab, n); RETURN n; END $f$;
SELECT count(add_row('h', id + 1000)) FROM h;
SELECT count(add_row('l', id + 1000)) FROM l;
SELECT * FROM verdict;
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT count(add_row('h', id + 5000)) FROM h;
SELECT count(add_row('l', id + 5000)) FROM l;
SELECT * FROM verdict;
TRUNCATE h, l;

-- Command ids as a row's system columns show them.
BEGIN;
CALL fill(1, 2);
SAVEPOINT a;
CALL fill(3, 2);
RELEASE a;
INSERT INTO l SELECT i, 'many' FROM generate_series(10, 3000) i;
INSERT INTO l VALUES (5);
SELECT count(DISTINCT cmin::text::int) >= 4 AS commands, min(cmin::text::int) < max(cmin::text::int) AS several, count(DISTINCT xmin::text) AS xids,
	bool_and(xmax = 0 AND tableoid = 'l'::regclass) AS others FROM l;
COMMIT;
-- (autovacuum may have frozen some)
SELECT count(DISTINCT xmin::text) FILTER (WHERE xmin <> '2') <= 2 AS xids, bool_and(xmax = 0) AS others FROM l;
TRUNCATE h, l;

-- An isolation level's snapshot, within one session.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM verdict;
CALL fill(1, 1500);
SELECT * FROM verdict;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM verdict;
CALL fill(2000, 1500);
CALL fill(9000, 3);
SELECT * FROM verdict;
SAVEPOINT a;
CALL fill(12000, 1500);
ROLLBACK TO a;
SELECT * FROM verdict;
COMMIT;
SELECT * FROM verdict;
BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE;
SELECT * FROM verdict;
COMMIT;
TRUNCATE h, l;

-- Deferred triggers write at commit.
CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
	IF NEW.id < 10 THEN
		EXECUTE format('INSERT INTO %s SELECT i, ''at commit of %s'' FROM generate_series(%s, %2$s * 10000 + 1500) i', TG_RELID::regclass, NEW.id, NEW.id * 10000);
	END IF;
	RETURN NULL;
END $f$;
CREATE CONSTRAINT TRIGGER c AFTER INSERT ON h DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit();
CREATE CONSTRAINT TRIGGER c AFTER INSERT ON l DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit();
BEGIN;
CALL fill(1, 2);
SELECT * FROM verdict;
COMMIT;
SELECT * FROM verdict;
BEGIN;
CALL fill(3, 1);
SAVEPOINT a;
CALL fill(4, 1);
ROLLBACK TO a;
CALL fill(5, 1500);
COMMIT;
SELECT * FROM verdict;
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT * FROM verdict;
DROP TRIGGER c ON h;
DROP TRIGGER c ON l;
TRUNCATE h, l;

-- Procedures that commit between their rows.
CREATE PROCEDURE rounds() LANGUAGE plpgsql AS $f$
BEGIN
	FOR i IN 1 .. 12 LOOP
		CALL fill(i * 10000, CASE WHEN i % 2 = 0 THEN 1800 ELSE 9 END);
		IF i % 3 = 0 THEN
			ROLLBACK;
		ELSE
			COMMIT;
		END IF;
		PERFORM ledger.seal('l');
	END LOOP;
END $f$;
CALL rounds();
SELECT * FROM verdict;
TRUNCATE h, l;

-- Prepared plans and generic plans over a table that gets sealed under them.
CALL fill(1, 3000);
PREPARE p AS SELECT count(*), sum(id), max(t) FROM l WHERE id > $1;
EXECUTE p(2500); EXECUTE p(2500); EXECUTE p(2500); EXECUTE p(2500); EXECUTE p(2500); EXECUTE p(2500);
SELECT ledger.seal('l') >= 0 AS sealed;
EXECUTE p(2500);
CALL fill(3001, 1500);
EXECUTE p(2500);
ALTER TABLE l ADD COLUMN n int DEFAULT 1;
EXECUTE p(2500);
DEALLOCATE p;

-- Nothing of a failed transaction ever shows.
BEGIN;
INSERT INTO l SELECT i, 'failed' FROM generate_series(1, 2000) i;
SELECT 1 / 0;
INSERT INTO l VALUES (1, 'failed');
COMMIT;
SELECT count(*) FROM l WHERE t = 'failed';
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT count(*) FROM l WHERE t = 'failed';

-- Rows in memory of a table that is dropped, and brought back by a rollback to
-- a savepoint, with a parallel plan in between, before which they are written.
CREATE TABLE dropped (a int, b text) USING ledger;
BEGIN;
INSERT INTO dropped SELECT i, 'x' || i FROM generate_series(1, 5000) i;
SAVEPOINT s;
DROP TABLE dropped;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SELECT count(*) > 0 AS some FROM pg_class;
ROLLBACK TO s;
COMMIT;
SELECT count(*), sum(a) FROM dropped;
VACUUM dropped;
SELECT count(*), sum(a) FROM dropped;

DROP SCHEMA xact CASCADE;
