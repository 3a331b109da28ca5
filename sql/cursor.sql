--
-- Cursors: both directions, holding, and what they see of rows written after
-- they were opened.  Over a tail, over segments, and over both.
--
SET client_min_messages = warning;
CREATE SCHEMA cur;
SET search_path = cur, public;
CREATE TABLE l (id int, t text) USING ledger;
CREATE TABLE h (id int, t text) USING heap;
CREATE PROCEDURE fill(start int, n int) LANGUAGE sql AS $f$
	INSERT INTO h SELECT i, 'row ' || i FROM generate_series(start, start + n - 1) i;
	INSERT INTO l SELECT i, 'row ' || i FROM generate_series(start, start + n - 1) i;
$f$;
-- The rows that moves forward and back meet.
CREATE FUNCTION walk(q text, moves text[]) RETURNS text LANGUAGE plpgsql AS $f$
DECLARE
	c refcursor;
	result text := '';
	m text;
	r record;
BEGIN
	OPEN c SCROLL FOR EXECUTE q;
	FOREACH m IN ARRAY moves LOOP
		CASE split_part(m, ' ', 1)
			WHEN 'next' THEN FETCH NEXT FROM c INTO r;
			WHEN 'prior' THEN FETCH PRIOR FROM c INTO r;
			WHEN 'first' THEN FETCH FIRST FROM c INTO r;
			WHEN 'last' THEN FETCH LAST FROM c INTO r;
			WHEN 'rel' THEN FETCH RELATIVE split_part(m, ' ', 2)::int FROM c INTO r;
			WHEN 'abs' THEN FETCH ABSOLUTE split_part(m, ' ', 2)::int FROM c INTO r;
		END CASE;
		result := result || CASE WHEN FOUND THEN r.id::text ELSE '-' END || ' ';
	END LOOP;
	CLOSE c;
	RETURN result;
END $f$;
-- The rows that they should meet.
CREATE FUNCTION steps(q text, moves text[]) RETURNS text LANGUAGE plpgsql AS $f$
DECLARE
	ids int[];
	n int;
	at int := 0;
	result text := '';
	m text;
	k int;
BEGIN
	EXECUTE format('SELECT array_agg(id) FROM (%s) x', q) INTO ids;
	n := coalesce(cardinality(ids), 0);
	FOREACH m IN ARRAY moves LOOP
		k := NULLIF(split_part(m, ' ', 2), '')::int;
		at := CASE split_part(m, ' ', 1)
			WHEN 'next' THEN at + 1
			WHEN 'prior' THEN at - 1
			WHEN 'first' THEN 1
			WHEN 'last' THEN n
			WHEN 'rel' THEN at + k
			WHEN 'abs' THEN CASE WHEN k >= 0 THEN k ELSE n + 1 + k END
		END;
		at := least(greatest(at, 0), n + 1);
		result := result || coalesce(ids[at]::text, '-') || ' ';
	END LOOP;
	RETURN result;
END $f$;
CREATE PROCEDURE walks(queries text DEFAULT '') LANGUAGE plpgsql AS $f$
DECLARE
	m text[];
	q text;
BEGIN
	FOREACH q IN ARRAY ARRAY['SELECT * FROM l', 'SELECT id FROM l WHERE id % 5 = 0', 'SELECT id FROM l WHERE ctid >= ''(0,3)'' AND id > 7', 'SELECT * FROM l ORDER BY id', 'SELECT * FROM l WHERE id > 40 AND id < 3900'] LOOP
		CONTINUE WHEN q NOT LIKE '%' || queries || '%';
		FOR m IN SELECT string_to_array(x, ',') FROM unnest(ARRAY['next,next,prior,prior,prior,next,next', 'last,prior,next,next,next,prior,prior', 'abs 1023,next,next,next,prior,prior,prior,prior',
			'abs -1,abs -2,rel -100,rel 50,abs 0,next,first,last', 'rel 100,rel 1000,rel -1000,rel 1000,rel 1000,rel -2000,prior', 'abs 2500,abs 2400,abs 500,abs 260,abs 250,abs 3000,abs 2999']) x LOOP
			IF walk(q, m) <> steps(q, m) THEN
				RAISE WARNING '% %: % should be %', q, m, walk(q, m), steps(q, m);
			END IF;
		END LOOP;
		IF oracle.query(replace(q, 'FROM l', 'FROM #') || CASE WHEN q LIKE '%ORDER%' THEN '' ELSE ' ORDER BY id' END) NOT LIKE 'same%' AND q NOT LIKE '%ctid%' THEN
			RAISE WARNING '%', q;
		END IF;
	END LOOP;
END $f$;
-- What is left of a cursor, forward or back.
CREATE FUNCTION rest(c refcursor, back bool DEFAULT false, OUT n int, OUT highest int) LANGUAGE plpgsql AS $f$
DECLARE
	r record;
BEGIN
	n := 0;
	LOOP
		IF back THEN FETCH PRIOR FROM c INTO r; ELSE FETCH NEXT FROM c INTO r; END IF;
		EXIT WHEN NOT FOUND;
		n := n + 1;
		highest := greatest(highest, r.id);
	END LOOP;
END $f$;
CALL walks();
CALL fill(1, 20);
CALL walks();
CALL fill(21, 600);
CALL walks();
SELECT ledger.seal('l') >= 0 AS sealed;
CALL walks();
BEGIN;
CALL fill(621, 3000);
CALL walks();
COMMIT;
CALL walks();
CALL fill(3621, 400);
CALL walks();
SELECT ledger.seal('l') >= 0 AS sealed;
CALL walks();
-- by an index (a parallel scan, in the oracle, would have no order)
SET max_parallel_workers_per_gather = 0;
CREATE INDEX ON h (id);
CREATE INDEX ON l (id);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
CALL walks('ORDER BY');
RESET enable_seqscan;
RESET enable_bitmapscan;
DROP INDEX h_id_idx, l_id_idx;

-- A cursor does not see rows written after it was opened, in its own
-- transaction, whether few or many, wherever its scan is by then.
BEGIN;
DECLARE before CURSOR FOR SELECT count(*), max(id) FROM l;
DECLARE slow SCROLL CURSOR FOR SELECT id FROM l;
MOVE 2 IN slow;
CALL fill(100001, 5);
CALL fill(100011, 3000);
DECLARE after CURSOR FOR SELECT count(*), max(id) FROM l;
FETCH before;
FETCH after;
SELECT * FROM rest('slow');
SELECT * FROM rest('slow', true);
SAVEPOINT a;
CALL fill(200001, 3000);
DECLARE inside CURSOR FOR SELECT count(*), max(id) FROM l;
FETCH inside;
ROLLBACK TO a;
SELECT count(*), max(id) FROM l;
SELECT * FROM rest('slow');
COMMIT;

-- A cursor opened between the commands of a transaction sees those before.
BEGIN;
CALL fill(300001, 2000);
DECLARE c1 CURSOR FOR SELECT count(*) FROM l WHERE id > 300000;
CALL fill(302001, 2000);
DECLARE c2 CURSOR FOR SELECT count(*) FROM l WHERE id > 300000;
INSERT INTO l SELECT id + 10000 FROM l WHERE id > 300000;
DECLARE c3 CURSOR FOR SELECT count(*) FROM l WHERE id > 300000;
FETCH c1;
FETCH c2;
FETCH c3;
FETCH c1;
ROLLBACK;

-- Cursors that outlive the transaction, and the rows' sealing, and the table.
BEGIN;
DECLARE held SCROLL CURSOR WITH HOLD FOR SELECT id, t FROM l WHERE id > 100000 ORDER BY id;
CALL fill(400001, 3000);
DECLARE held2 SCROLL CURSOR WITH HOLD FOR SELECT count(*), max(id) FROM l;
MOVE 1 IN held;
CALL fill(500001, 1);
COMMIT;
SELECT ledger.seal('l') >= 0 AS sealed;
INSERT INTO l VALUES (1000000, 'later');
FETCH LAST FROM held;
FETCH RELATIVE -1 FROM held;
FETCH held2;
TRUNCATE l, h;
FETCH FIRST FROM held;
CLOSE held;
CLOSE held2;

-- A seal while a cursor of this session is open.
CALL fill(1, 3000);
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id, t FROM l;
MOVE 1500 IN c;
SELECT ledger.seal('l') >= 0 AS sealed;
SELECT * FROM rest('c');
SELECT * FROM rest('c', true);
COMMIT;

-- plpgsql loops over what they add to.
DO $$
DECLARE
	r record;
	n int := 0;
BEGIN
	FOR r IN SELECT id FROM cur.l LOOP
		INSERT INTO cur.l VALUES (r.id + 1000000, 'looped');
		n := n + 1;
	END LOOP;
	RAISE WARNING '% rounds', n;
END $$;
SELECT count(*) FROM l;

-- WHERE CURRENT OF.
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM l;
MOVE NEXT FROM c;
\set VERBOSITY sqlstate
DELETE FROM l WHERE CURRENT OF c;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM l FOR UPDATE;
MOVE NEXT FROM c;
ROLLBACK;
SELECT count(*) FROM l;
DROP SCHEMA cur CASCADE;
