-- on_conflict, on_error, unknown_fields, and source with batch.
SET client_min_messages = warning;
SET ledger.maintenance = off;
CREATE SCHEMA options_test;
SET search_path = options_test, public;
CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	detail text; hint text; context text;
BEGIN
	EXECUTE command INTO result;
	RETURN 'ok ' || result;
EXCEPTION WHEN others THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''),
		nullif((regexp_match(context, '^append to .*?(?=$)', 'n'))[1], ''));
END $$;

-- arguments
CREATE TABLE t (id int PRIMARY KEY, v text NOT NULL DEFAULT 'default', n int CHECK (n < 100), extra jsonb, twice int GENERATED ALWAYS AS (n * 2) STORED) USING ledger;
SELECT try($$SELECT ledger.append('t', ROW(1), on_conflict => 'ignore')$$);
SELECT try($$SELECT ledger.append('t', ROW(1), on_conflict => NULL)$$);
SELECT try($$SELECT ledger.append_json('t', '{"id":1}', on_error => 'maybe')$$);
SELECT try($$SELECT ledger.append_json('t', '{"id":1}', unknown_fields => 'drop')$$);
SELECT try($$SELECT ledger.append_json('t', '{"id":1}', unknown_fields => 'collect')$$);
SELECT try($$SELECT ledger.append_json('t', '{"id":1}', unknown_into => 'extra')$$);
SELECT try($$SELECT ledger.append_json('t', '{"id":1}', unknown_fields => 'collect', unknown_into => 'other')$$);
SELECT try($$SELECT ledger.append_json('t', '{"id":1}', unknown_fields => 'collect', unknown_into => 'v')$$);
SELECT try($$SELECT ledger.append_json('t', '{"id":1}', unknown_fields => 'collect', unknown_into => 'other', on_error => 'skip')$$);
SELECT try($$SELECT ledger.append_ndjson('t', '{"id":1}', source => 's')$$);
SELECT try($$SELECT ledger.append_ndjson('t', '{"id":1}', batch => 1)$$);
SELECT count(*) FROM t;

-- on_conflict => 'skip'
SELECT ledger.append('t', ARRAY[ROW(1, 'a'), ROW(2, 'b'), ROW(1, 'again')], on_conflict => 'skip');
SELECT ledger.append('t', ROW(2, 'again'), on_conflict => 'skip');
SELECT ledger.append('t', ROW(3, 'c'), on_conflict => 'skip');
SELECT ledger.append_json('t', '[{"id":3,"v":"again"},{"id":4,"v":"d"}]', on_conflict => 'skip');
SELECT ledger.append_ndjson('t', E'{"id":4,"v":"again"}\n{"id":5,"v":"e"}\n', on_conflict => 'skip');
SELECT try($$SELECT ledger.append('t', ROW(5, 'again'))$$);
SELECT try($$SELECT ledger.append('t', ARRAY[ROW(6, 'f'), ROW(7, NULL::text)], on_conflict => 'skip')$$);
SELECT id, v FROM t ORDER BY id;
-- of many, against sealed rows too
SELECT ledger.seal('t');
SELECT ledger.append('t', array_agg(ROW(g, 'many')), on_conflict => 'skip') FROM generate_series(1, 3000) g;
SELECT ledger.append('t', array_agg(ROW(g, 'more')), on_conflict => 'skip') FROM generate_series(1, 6000, 2) g;
SELECT v, count(*) FROM t GROUP BY v ORDER BY v;
-- an index of a partition counts, and an exclusion constraint, and a partial index
CREATE TABLE no_index (id int, v text) USING ledger;
CREATE INDEX ON no_index (id);
SELECT try($$SELECT ledger.append('no_index', ROW(1, 'a'), on_conflict => 'skip')$$);
SELECT try($$SELECT ledger.append('no_index', '{}'::record[], on_conflict => 'skip')$$);
CREATE TABLE parted (id int, k int, v text) PARTITION BY LIST (k);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1) USING ledger;
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2) USING ledger;
CREATE UNIQUE INDEX ON parted_1 (id);
SELECT ledger.append('parted', ARRAY[ROW(1, 1, 'a'), ROW(1, 1, 'b'), ROW(2, 1, 'c')], on_conflict => 'skip');
SELECT try($$SELECT ledger.append('parted', ARRAY[ROW(3, 1, 'a'), ROW(1, 2, 'b')], on_conflict => 'skip')$$);
SELECT * FROM parted ORDER BY id;
CREATE TABLE excluded (r int4range, v text, EXCLUDE USING gist (r WITH &&)) USING ledger;
SELECT ledger.append('excluded', ARRAY[ROW(int4range(1, 5), 'a'), ROW(int4range(4, 8), 'b'), ROW(int4range(5, 6), 'c')], on_conflict => 'skip');
SELECT * FROM excluded;
CREATE TABLE partial (id int, live boolean) USING ledger;
CREATE UNIQUE INDEX ON partial (id) WHERE live;
SELECT ledger.append('partial', ARRAY[ROW(1, true), ROW(1, false), ROW(1, true), ROW(1, false)], on_conflict => 'skip');
-- where the executor is needed
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := upper(NEW.v); RETURN NEW; END $$;
CREATE TRIGGER shout BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION shout();
SELECT ledger.append('t', ARRAY[ROW(1, 'x'), ROW(10001, 'y'), ROW(10001, 'z')], on_conflict => 'skip');
SELECT id, v FROM t WHERE id IN (1, 10001) ORDER BY id;
CREATE TRIGGER shout BEFORE INSERT ON no_index FOR EACH ROW EXECUTE FUNCTION shout();
SELECT try($$SELECT ledger.append('no_index', ROW(1, 'a'), on_conflict => 'skip')$$);
DROP TRIGGER shout ON t;
CREATE TABLE deferred (id int UNIQUE DEFERRABLE INITIALLY DEFERRED) USING ledger;
SELECT try($$SELECT ledger.append('deferred', ROW(1), on_conflict => 'skip')$$);
-- a row that the transaction's snapshot does not see is an error, as for ON CONFLICT
-- (see the isolation tests)

-- on_error
TRUNCATE t;
SELECT ledger.append_json('t', '[{"id":1},{"id":"two"},{"id":3,"n":100},{"id":1},{"id":4,"v":null},{"id":5,"other":1},17,{"id":6,"twice":1},{"id":7}]', on_error => 'skip');
SELECT id, v FROM t ORDER BY id;
SELECT ledger.append_ndjson('t', E'{"id":11}\n\n{"id":"x"}\r\n{"id":12}\n{not json\n{"id":11}\n\n\n{"id":13}', on_error => 'divert');
SELECT id FROM t WHERE id > 10 ORDER BY id;
SELECT ledger, reason, entry FROM ledger.rejected WHERE ledger = 't'::regclass ORDER BY id;
SELECT ledger.append_json('t', '{"id":"one object"}', on_error => 'divert');
SELECT ledger.append_json('t', '[]', on_error => 'divert');
SELECT ledger.append_ndjson('t', E'\n\n', on_error => 'skip');
SELECT count(*), max(entry) FROM ledger.rejected WHERE ledger = 't'::regclass AND entry ~ 'one object';
-- all good, all bad; in batches of thousands
TRUNCATE t;
SELECT ledger.append_json('t', jsonb_agg(jsonb_build_object('id', g, 'n', g % 101)), on_error => 'skip') FROM generate_series(1, 5050) g;
SELECT count(*), count(*) FILTER (WHERE n = 100) FROM t;
SELECT ledger.append_ndjson('t', string_agg(format('{"id":%s}', g), E'\n'), on_error => 'skip') FROM generate_series(1, 300) g;
SELECT ledger.append_json('t', jsonb_agg(jsonb_build_object('id', g + 10000)), on_error => 'skip') FROM generate_series(1, 5000) g;
-- with conflicts skipped
SELECT ledger.append_json('t', '[{"id":1},{"id":20001},{"id":20002,"n":1000},{"id":20003}]', on_conflict => 'skip', on_error => 'skip');
-- errors that no entry can be blamed for are errors
SET ROLE NONE;
CREATE ROLE options_user;
GRANT USAGE ON SCHEMA options_test TO options_user;
SET ROLE options_user;
SELECT try($$SELECT ledger.append_json('t', '{"id":1}', on_error => 'skip')$$);
RESET ROLE;
SELECT try($$SELECT ledger.append_json('t', '"scalar"', on_error => 'skip')$$);
BEGIN READ ONLY;
SELECT try($$SELECT ledger.append_json('t', '{"id":1}', on_error => 'skip')$$);
COMMIT;
CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF NEW.n = 1 THEN RAISE EXCEPTION 'no one'; END IF;
	IF NEW.n = 2 THEN RAISE EXCEPTION USING ERRCODE = 'query_canceled', MESSAGE = 'stop it'; END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER stop BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION stop();
SELECT ledger.append_json('t', '[{"id":30001,"n":1},{"id":30002,"n":3}]', on_error => 'skip');
SELECT try($$SELECT ledger.append_json('t', '[{"id":30003,"n":3},{"id":30004,"n":2}]', on_error => 'skip')$$);
DROP TRIGGER stop ON t;
-- after triggers fail when all rows are there: the entry is found all the same
CREATE TRIGGER stop AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION stop();
SELECT ledger.append_json('t', jsonb_agg(jsonb_build_object('id', 40000 + g, 'n', CASE WHEN g = 37 THEN 1 ELSE 5 END)), on_error => 'skip') FROM generate_series(1, 50) g;
SELECT count(*), count(*) FILTER (WHERE n = 1) FROM t WHERE id > 40000;
DROP TRIGGER stop ON t;
-- rolled back with the transaction
BEGIN;
SELECT ledger.append_json('t', '[{"id":50001},{"id":"bad"}]', on_error => 'divert');
ROLLBACK;
SELECT count(*) FROM t WHERE id = 50001;
-- row-level security: a policy is about an entry, a privilege is not
CREATE TABLE own (who name, v text) USING ledger;
ALTER TABLE own ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON own USING (who = current_user) WITH CHECK (who = current_user);
GRANT INSERT ON own TO options_user;
SET ROLE options_user;
SELECT ledger.append_json('own', '[{"who":"options_user","v":"a"},{"who":"postgres","v":"b"},{"who":"options_user","v":"c"}]', on_error => 'divert');
-- what was rejected is the owner's to read
SELECT count(*) FROM ledger.rejected;
RESET ROLE;
SELECT ledger, reason, entry FROM ledger.rejected WHERE ledger = 'own'::regclass;
ALTER TABLE own OWNER TO options_user;
SET ROLE options_user;
SELECT ledger, reason, entry FROM ledger.rejected;
DELETE FROM ledger.rejected;
SELECT try($$INSERT INTO ledger.rejected (ledger, reason, entry) VALUES ('t', 'a', 'b')$$);
RESET ROLE;
SELECT count(*) > 0 FROM ledger.rejected;
-- bounded
CREATE TABLE bounded (id int) USING ledger;
SELECT ledger.append_ndjson('bounded', repeat(E'{"id":"x"}\n', 10300), on_error => 'divert');
SELECT count(*) BETWEEN 10000 AND 10100 FROM ledger.rejected WHERE ledger = 'bounded'::regclass;
SELECT ledger.append_ndjson('bounded', format('{"id":"%s"}', repeat('ü', 100000)), on_error => 'divert');
SELECT octet_length(entry) BETWEEN 65000 AND 65536 AS cut, right(reason, 60) FROM ledger.rejected WHERE ledger = 'bounded'::regclass ORDER BY id DESC LIMIT 1;
-- also where ledgers take turns
CREATE TABLE in_turn (id int) USING ledger;
DELETE FROM ledger.rejected WHERE ledger = 'bounded'::regclass;
INSERT INTO ledger.rejected (ledger, reason, entry)
	SELECT l, 'none', 'none' FROM generate_series(1, 10000), unnest(ARRAY['bounded', 'in_turn']::regclass[]) l;
SELECT sum(ledger.append_ndjson('bounded', '{"id":"x"}', on_error => 'divert') + ledger.append_ndjson('in_turn', '{"id":"x"}', on_error => 'divert'))
	FROM generate_series(1, 150);
SELECT ledger, count(*) BETWEEN 10000 AND 10100 FROM ledger.rejected
	WHERE ledger IN ('bounded'::regclass, 'in_turn'::regclass) GROUP BY ledger ORDER BY ledger::text;

-- unknown_fields
TRUNCATE t;
SELECT ledger.append_json('t', '[{"id":1,"a":1,"b":{"c":[1,2]}},{"id":2}]', unknown_fields => 'ignore');
SELECT ledger.append_ndjson('t', E'{"id":3,"a":"x"}\n{"id":4,"a":{"b":1}}\n{"id":5,"a":1,"a":2,"id":6}', unknown_fields => 'ignore');
SELECT try($$SELECT ledger.append_ndjson('t', E'{"id":7,"a":{broken}', unknown_fields => 'ignore')$$);
SELECT try($$SELECT ledger.append_ndjson('t', E'{"id":7,"twice":1}', unknown_fields => 'ignore')$$);
SELECT id, extra FROM t ORDER BY id;
TRUNCATE t;
SELECT ledger.append_json('t', '[{"id":1,"a":1,"b":{"c":[1,2.50,null]}},{"id":2},{"id":3,"extra":{"own":true},"z":null},{"id":4,"extra":{"own":1}},{"id":5,"extra":null,"y":"text"}]', unknown_fields => 'collect', unknown_into => 'extra');
SELECT ledger.append_ndjson('t', E'{"id":6,"a":"x","b":"y\\n"}\n{"id":7}', unknown_fields => 'collect', unknown_into => 'extra');
SELECT id, extra FROM t ORDER BY id;
SELECT try($$SELECT ledger.append_json('t', '{"id":8,"extra":{"a":1},"a":2}', unknown_fields => 'collect', unknown_into => 'extra')$$);
SELECT try($$SELECT ledger.append_json('t', '{"id":8,"extra":[1],"a":2}', unknown_fields => 'collect', unknown_into => 'extra')$$);
-- privileges: of the collecting column
CREATE TABLE partly (id int, v text, extra jsonb) USING ledger;
GRANT INSERT (id, v) ON partly TO options_user;
SET ROLE options_user;
SELECT try($$SELECT ledger.append_json('partly', '{"id":1,"v":"a"}', unknown_fields => 'collect', unknown_into => 'extra')$$);
SELECT try($$SELECT ledger.append_json('partly', '{"id":1,"w":"a"}', unknown_fields => 'collect', unknown_into => 'extra')$$);
RESET ROLE;
-- through the executor
CREATE TRIGGER shout BEFORE INSERT ON partly FOR EACH ROW EXECUTE FUNCTION shout();
SELECT ledger.append_ndjson('partly', E'{"id":2,"v":"b","w":[1]}\n{"id":3,"w":2}', unknown_fields => 'collect', unknown_into => 'extra');
SELECT ledger.append_json('partly', '[{"id":4,"v":"b","w":[1]}]', unknown_fields => 'ignore');
SELECT * FROM partly ORDER BY id;

-- source and batch
TRUNCATE t;
SELECT ledger.append_json('t', '[{"id":1},{"id":2}]', source => 'a', batch => 10);
SELECT ledger.append_json('t', '[{"id":1},{"id":2}]', source => 'a', batch => 10);
SELECT ledger.append_json('t', '[{"id":3}]', source => 'a', batch => 9);
SELECT ledger.append_ndjson('t', '{"id":3}', source => 'a', batch => 11);
SELECT ledger.append_ndjson('t', '{"id":4}', source => 'b', batch => -5);
SELECT ledger.append_ndjson('t', '{"id":4}', source => 'b', batch => -5);
-- a batch that fails is not taken as stored
SELECT try($$SELECT ledger.append_ndjson('t', '{"id":4}', source => 'b', batch => 6)$$);
SELECT ledger.append_ndjson('t', '{"id":5}', source => 'b', batch => 6);
SELECT ledger.append_ndjson('t', E'{"id":6}\n{"id":"bad"}', source => 'b', batch => 7, on_error => 'divert');
SELECT ledger.append_ndjson('t', E'{"id":6}\n{"id":"bad"}', source => 'b', batch => 7, on_error => 'divert');
SELECT ledger, source, batch FROM ledger.batches WHERE ledger = 't'::regclass ORDER BY source;
SELECT id FROM t ORDER BY id;
-- no right to append, no right to claim a batch; nor to write the table
SET ROLE options_user;
SELECT try($$SELECT ledger.append_json('t', '{"id":1}', source => 'a', batch => 100)$$);
SELECT try($$UPDATE ledger.batches SET batch = 0$$);
SELECT ledger, source, batch FROM ledger.batches WHERE ledger = 't'::regclass ORDER BY source;
-- and nobody's operators are used to write it
RESET ROLE;
GRANT CREATE ON SCHEMA options_test TO options_user;
GRANT INSERT ON t TO options_user;
SET ROLE options_user;
CREATE FUNCTION wrong(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'as %', current_user; END $$;
CREATE OPERATOR < (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = wrong);
SET search_path = options_test, pg_catalog;
SELECT ledger.append_json('t', '{"id":100}', source => 'a', batch => 12);
RESET ROLE;
SET search_path = options_test, public;

-- records take the same options, but for unknown fields, which they do not have
DELETE FROM ledger.rejected;
CREATE TABLE records (id int PRIMARY KEY, v text NOT NULL, n int CHECK (n < 100)) USING ledger;
SELECT try($$SELECT ledger.append('records', ROW(1, 'a'), on_error => 'maybe')$$);
SELECT try($$SELECT ledger.append('records', ROW(1, 'a'), on_error => NULL)$$);
SELECT try($$SELECT ledger.append('records', ROW(1, 'a'), source => 's')$$);
SELECT try($$SELECT ledger.append('records', ARRAY[ROW(1, 'a')], batch => 1)$$);
SELECT try($$SELECT ledger.append('records', ARRAY[ROW(1, 'a')], unknown_fields => 'ignore')$$);
SELECT ledger.append('records', ARRAY[ROW(1, 'a', 1), ROW(2, NULL, 1), ROW(3, 'c', 100), ROW(1, 'again', 1), ROW(4, 'd', NULL)], on_error => 'skip');
-- of several kinds, some of which are none that the table can take
SELECT ledger.append('records', ARRAY[ROW('5'::text, 'e'), ROW('six'::text, 'f'), ROW(7, 'g', '7', 'more'), ROW(point(8, 8), 'h'), NULL, ROW(9), ROW(10, 'j', '10'::text)], on_error => 'divert');
SELECT ledger.append('records', ROW(11, 'k', 200), on_error => 'divert');
SELECT ledger.append('records', ROW(11, 'k', 20), on_error => 'divert');
SELECT ledger.append('records', ROW(11, NULL::text), on_error => 'skip');
SELECT reason, entry FROM ledger.rejected WHERE ledger = 'records'::regclass ORDER BY id;
SELECT * FROM records ORDER BY id;
-- many, of which each attempt is a call of its own
SELECT ledger.append('records', array_agg(ROW(g + 100, CASE WHEN g % 100 > 0 THEN 'many' END, (g % 50)::text)), on_error => 'skip') FROM generate_series(1, 2000) g;
SELECT count(*), count(DISTINCT n), max(id) FROM records WHERE v = 'many';
-- casts, a row of the table's own type, and the executor
SELECT ledger.append('records', ARRAY[ROW(3000::numeric, 'cast'), ROW(1e20::numeric, 'cast'), ROW(3001::numeric, 'cast')], on_error => 'skip');
SELECT ledger.append('records', array_agg(r), on_error => 'skip', on_conflict => 'skip') FROM (VALUES (ROW(3001, 'own', 1)::records), (ROW(3002, 'own', 1)::records), (NULL::records)) v (r);
CREATE TRIGGER shout BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION shout();
SELECT ledger.append('records', ARRAY[ROW(3003, 'loud', 1), ROW(3004, 'loud', 100), ROW(3005, 'loud', 1)], on_error => 'divert');
SELECT * FROM records WHERE id >= 3000 ORDER BY id;
DROP TRIGGER shout ON records;
-- each batch once, and each entry
TRUNCATE records;
SELECT ledger.append('records', ARRAY[ROW(1, 'a'), ROW(2, 'b')], source => 'r', batch => 1);
SELECT ledger.append('records', ARRAY[ROW(1, 'a'), ROW(2, 'b')], source => 'r', batch => 1);
SELECT ledger.append('records', ROW(3, 'c'), source => 'r', batch => 2);
SELECT ledger.append('records', ROW(3, 'c'), source => 'r', batch => 2);
SELECT try($$SELECT ledger.append('records', ROW(3, 'c'), source => 'r', batch => 3)$$);
SELECT ledger.append('records', ARRAY[ROW(4, 'd'), ROW(4, 'd')], source => 'r', batch => 3, on_error => 'skip');
SELECT batch FROM ledger.batches WHERE ledger = 'records'::regclass;
SELECT id FROM records ORDER BY id;

DROP SCHEMA options_test CASCADE;
DELETE FROM ledger.batches;
DELETE FROM ledger.rejected;
DROP ROLE options_user;
