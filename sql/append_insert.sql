-- append behaves as INSERT: partitions, triggers, rules, policies, privileges
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ledger;
CREATE SCHEMA append_insert_test;
SET search_path = append_insert_test;
SET timezone = 'UTC';
SET datestyle = 'ISO';

CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
	message text;
	detail text;
	context text;
BEGIN
	EXECUTE command INTO n;
	RETURN format('returned %s', n);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, context = PG_EXCEPTION_CONTEXT;
	RETURN concat_ws(' | ', SQLSTATE, message, nullif(detail, ''), (regexp_match(context, 'append to [^\n]*'))[1]);
END
$$;

-- Partitions: two levels, columns dropped and in another order. Defaults and
-- identity are those of the relation named, constraints those of the leaf.
CREATE TABLE parted (gone int, app text, ts timestamptz, n int DEFAULT 1, t text DEFAULT 'parent') PARTITION BY LIST (app);
ALTER TABLE parted DROP gone;
ALTER TABLE parted ADD id bigint;
CREATE SEQUENCE ids;
ALTER TABLE parted ALTER id SET DEFAULT nextval('ids');
CREATE TABLE parted_a (id bigint DEFAULT -1, t text DEFAULT 'leaf', gone text, n int DEFAULT 9, ts timestamptz, app text) PARTITION BY RANGE (ts);
ALTER TABLE parted_a DROP gone;
ALTER TABLE parted ATTACH PARTITION parted_a FOR VALUES IN ('a');
CREATE TABLE parted_a_1 PARTITION OF parted_a FOR VALUES FROM ('2026-09-01') TO ('2026-09-02') USING ledger;
CREATE TABLE parted_a_2 (t text, id bigint, gone int, ts timestamptz, n int CHECK (n < 100), app text) USING ledger;
ALTER TABLE parted_a_2 DROP gone;
ALTER TABLE parted_a ATTACH PARTITION parted_a_2 FOR VALUES FROM ('2026-09-02') TO ('2026-09-03');
CREATE TABLE parted_b PARTITION OF parted (n DEFAULT 7) FOR VALUES IN ('b') USING ledger;
CREATE UNIQUE INDEX ON parted_b (n);
SELECT ledger.append('parted', ARRAY[ROW('a', '2026-09-01'), ROW('b', '2026-09-01'), ROW('a', '2026-09-02'), ROW('a', '2026-09-01 12:00')]);
SELECT ledger.append('parted', ARRAY[ROW('a', '2026-09-02', 2, 'given'), ROW('b', '2026-09-01', 2, NULL)]);
SELECT ledger.append_json('parted', '[{"app": "a", "ts": "2026-09-01T01:00:00Z"}, {"t": "j", "n": 3, "app": "b"}]');
SELECT tableoid::regclass, * FROM parted ORDER BY id;
-- named at a lower level, its own defaults count
SELECT ledger.append('parted_a', ROW(100, 'x', 5, '2026-09-01', 'a'));
SELECT ledger.append_json('parted_a', '{"ts": "2026-09-02", "app": "a"}');
SELECT ledger.append_json('parted_b', '{"app": "b"}');
SELECT tableoid::regclass, * FROM parted WHERE id IN (-1, 100) OR n = 7 ORDER BY id;
-- errors name the entry; the batch is all or nothing
SELECT try($$SELECT ledger.append('parted', ARRAY[ROW('a', '2026-09-01'), ROW('c', '2026-09-01')])$$);
SELECT try($$SELECT ledger.append('parted', ARRAY[ROW('a', '2026-09-01'), ROW('a', '2026-09-03')])$$);
SELECT try($$SELECT ledger.append('parted', ARRAY[ROW('a', '2026-09-01'), ROW('a', NULL)])$$);
SELECT try($$SELECT ledger.append('parted', ARRAY[ROW('a', '2026-09-01'), ROW('a', '2026-09-02', 100)]::record[])$$) ~ '^23514 .* entry 2$';
SELECT try($$SELECT ledger.append('parted', ARRAY[ROW('b', '2026-09-01', 50), ROW('a', '2026-09-02', 50), ROW('b', '2026-09-02', 50)])$$);
SELECT try($$SELECT ledger.append_json('parted_b', '[{"app": "b", "n": 8}, {"app": "a", "n": 9}]')$$) ~ '^23514 .* partition constraint .* entry 2$';
SELECT try($$SELECT ledger.append('parted_a', ROW(1, 't', 1, '2026-09-01'::timestamptz, 'b'))$$) ~ '^23514 .* partition constraint .* entry 1$';
SELECT count(*) FROM parted;
-- partitions that come and go
CREATE TABLE parted_c PARTITION OF parted FOR VALUES IN ('c') USING ledger;
SELECT ledger.append('parted', ROW('c', '2026-09-01'));
ALTER TABLE parted DETACH PARTITION parted_c;
SELECT try($$SELECT ledger.append('parted', ROW('c', '2026-09-01'))$$);
ALTER TABLE parted ATTACH PARTITION parted_c DEFAULT;
SELECT ledger.append('parted', ROW('z', '2026-09-01'));
SELECT count(*) FROM parted_c;
DROP TABLE parted_c;
SELECT try($$SELECT ledger.append('parted', ROW('z', '2026-09-01'))$$);
-- 200 leaves in a batch that is stored in several groups, in order in each leaf
CREATE TABLE wide (n int, k int) PARTITION BY LIST (k);
DO $$
BEGIN
	FOR g IN 0..199 LOOP
		EXECUTE format('CREATE TABLE wide_%s PARTITION OF wide FOR VALUES IN (%s) USING ledger', g, g);
	END LOOP;
END
$$;
SELECT ledger.append('wide', array_agg(ROW(g, g % 200) ORDER BY g)) FROM generate_series(1, 4000) g;
SELECT count(*), count(DISTINCT tableoid), sum(n) FROM wide;
SELECT array_agg(n ORDER BY ctid) = array_agg(n ORDER BY n) AS in_order FROM wide WHERE k = 7;

-- Triggers: row and statement, before and after, transition tables
CREATE TABLE fired (what text, rows bigint);
CREATE TABLE triggered (n int, t text DEFAULT 'd') USING ledger;
CREATE FUNCTION fire_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO append_insert_test.fired VALUES (TG_NAME || ' ' || TG_WHEN || ' ' || TG_LEVEL || ' ' || NEW.n, (SELECT count(*) FROM append_insert_test.triggered));
	IF NEW.n = 0 THEN RETURN NULL; END IF;
	IF NEW.n < 0 THEN RAISE 'negative' USING ERRCODE = 'LE001'; END IF;
	RETURN NEW;
END
$$;
CREATE FUNCTION fire_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO append_insert_test.fired VALUES (TG_NAME || ' ' || TG_WHEN || ' ' || TG_LEVEL, (SELECT count(*) FROM append_insert_test.triggered));
	RETURN NULL;
END
$$;
CREATE FUNCTION fire_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO append_insert_test.fired SELECT TG_NAME, sum(n) FROM added;
	RETURN NULL;
END
$$;
CREATE TRIGGER before_row BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION fire_row();
CREATE TRIGGER after_row AFTER INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION fire_row();
CREATE TRIGGER before_statement BEFORE INSERT ON triggered FOR EACH STATEMENT EXECUTE FUNCTION fire_statement();
CREATE TRIGGER after_statement AFTER INSERT ON triggered FOR EACH STATEMENT EXECUTE FUNCTION fire_statement();
CREATE TRIGGER transition AFTER INSERT ON triggered REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION fire_transition();
SELECT ledger.append('triggered', ARRAY[ROW(1), ROW(0), ROW(2)]);
SELECT * FROM triggered ORDER BY n;
SELECT * FROM fired;
SELECT try($$SELECT ledger.append('triggered', ARRAY[ROW(3), ROW(4), ROW(-1), ROW(5)])$$);
SELECT try($$SELECT ledger.append('triggered', ARRAY[ROW(3), ROW('x')]::record[])$$);
SELECT try($$SELECT ledger.append('triggered', ARRAY[]::record[])$$);
SELECT count(*) FROM triggered;
DROP TRIGGER before_row ON triggered;
DROP TRIGGER after_row ON triggered;
DROP TRIGGER before_statement ON triggered;
DROP TRIGGER after_statement ON triggered;
TRUNCATE fired;
SELECT ledger.append('triggered', ARRAY[ROW(3), ROW(0)]);
SELECT * FROM fired;
DROP TRIGGER transition ON triggered;
SELECT ledger.append('triggered', ROW(4));
SELECT * FROM fired;
-- a trigger on one leaf only, met after rows for others
TRUNCATE fired;
CREATE TRIGGER leaf_row BEFORE INSERT ON parted_a_2 FOR EACH ROW EXECUTE FUNCTION fire_row();
SELECT ledger.append('parted', ARRAY[ROW('b', '2026-09-01', 60), ROW('a', '2026-09-02', 61), ROW('a', '2026-09-01', 62)]);
SELECT ledger.append('parted', ROW('b', '2026-09-01', 63));
SELECT tableoid::regclass, n, t FROM parted WHERE n >= 60 ORDER BY n;
SELECT what FROM fired;
DROP TRIGGER leaf_row ON parted_a_2;
SELECT ledger.append('parted', ROW('a', '2026-09-02', 64));
SELECT what FROM fired;

-- Foreign keys and deferred constraints
CREATE TABLE referenced (k int PRIMARY KEY);
INSERT INTO referenced VALUES (1), (2);
CREATE TABLE referencing (k int REFERENCES referenced, u int UNIQUE DEFERRABLE INITIALLY DEFERRED) USING ledger;
SELECT ledger.append('referencing', ARRAY[ROW(1, 1), ROW(2, 2)]);
SELECT split_part(try($$SELECT ledger.append('referencing', ARRAY[ROW(1, 3), ROW(3, 4)])$$), '|', 1) AS fk;
BEGIN;
SELECT ledger.append('referencing', ARRAY[ROW(1, 1)]);
\set VERBOSITY sqlstate
COMMIT;
\set VERBOSITY default
SELECT count(*) FROM referencing;
-- exclusion constraints
CREATE TABLE excluded (r int4range, EXCLUDE USING gist (r WITH &&)) USING ledger;
SELECT ledger.append('excluded', ARRAY[ROW('[1,3)'), ROW('[3,5)')]);
SELECT try($$SELECT ledger.append('excluded', ARRAY[ROW('[7,9)'), ROW('[4,6)')])$$);
SELECT * FROM excluded;

-- Rules
CREATE TABLE ruled (n int, t text DEFAULT 'd') USING ledger;
CREATE TABLE rule_log (n int, t text);
CREATE RULE also AS ON INSERT TO ruled WHERE NEW.n > 1 DO ALSO INSERT INTO rule_log VALUES (NEW.n, NEW.t);
SELECT ledger.append('ruled', ARRAY[ROW(1), ROW(2), ROW(3, 'x')]::record[]);
SELECT * FROM ruled ORDER BY n;
SELECT * FROM rule_log ORDER BY n;
CREATE RULE instead AS ON INSERT TO ruled DO INSTEAD NOTHING;
SELECT ledger.append('ruled', ARRAY[ROW(4), ROW(5)]);
SELECT count(*) FROM ruled;
DROP RULE instead ON ruled;
DROP RULE also ON ruled;
SELECT ledger.append('ruled', ROW(6));
SELECT count(*) FROM ruled;

-- Privileges: INSERT on the relation named, not on its leaves
CREATE ROLE regress_appender;
CREATE ROLE regress_column_appender;
CREATE ROLE regress_reader;
GRANT USAGE ON SCHEMA append_insert_test TO regress_appender, regress_column_appender, regress_reader;
GRANT INSERT ON parted, triggered TO regress_appender;
GRANT USAGE ON SEQUENCE ids TO regress_appender;
GRANT INSERT (app, ts) ON parted TO regress_column_appender;
GRANT USAGE ON SEQUENCE ids TO regress_column_appender;
GRANT SELECT ON parted TO regress_reader;
SET ROLE regress_appender;
SELECT ledger.append('parted', ARRAY[ROW('a', '2026-09-01', 70), ROW('b', '2026-09-01', 71)]);
SELECT ledger.append('triggered', ROW(70));
SELECT try($$SELECT ledger.append('parted_b', ROW('b', '2026-09-01', 72))$$);
SELECT try($$SELECT ledger.append('ruled', ROW(1))$$);
SELECT try($$SELECT ledger.append('parted', ROW('a', '2026-09-02', 100))$$) ~ 'Failing row contains \(.*2026-09-02';
SET ROLE regress_reader;
SELECT try($$SELECT ledger.append('parted', ROW('b', '2026-09-01', 72))$$);
SELECT try($$SELECT ledger.append('parted', ARRAY[]::record[])$$);
SELECT try($$SELECT ledger.append_json('parted', '[{"no such column": 1}]')$$);
SET ROLE regress_column_appender;
SELECT ledger.append('parted', ROW('a', '2026-09-01'));
SELECT ledger.append_json('parted', '[{"app": "a", "ts": "2026-09-01"}, {"ts": "2026-09-01", "app": "a"}]');
SELECT try($$SELECT ledger.append('parted', ROW('a', '2026-09-01', 5))$$);
SELECT try($$SELECT ledger.append_json('parted', '[{"app": "a", "ts": "2026-09-01"}, {"ts": "2026-09-01", "app": "a", "t": "x"}]')$$);
RESET ROLE;
SELECT count(*) FROM parted WHERE n >= 70;

-- Row-level security
CREATE TABLE policed (owner text, n int) USING ledger;
GRANT INSERT, SELECT ON policed TO regress_appender;
ALTER TABLE policed ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON policed FOR INSERT WITH CHECK (owner = current_user);
CREATE POLICY small ON policed AS RESTRICTIVE FOR INSERT WITH CHECK (n < 10);
SELECT ledger.append('policed', ROW('anyone', 100));
SET ROLE regress_appender;
SELECT ledger.append('policed', ARRAY[ROW('regress_appender', 1), ROW('regress_appender', 2)]);
SELECT try($$SELECT ledger.append('policed', ARRAY[ROW('regress_appender', 1), ROW('other', 2)])$$);
SELECT try($$SELECT ledger.append('policed', ROW('regress_appender', 10))$$);
SET row_security = off;
SELECT try($$SELECT ledger.append('policed', ROW('regress_appender', 1))$$);
RESET row_security;
RESET ROLE;
SELECT * FROM policed ORDER BY n;

-- names that need quoting
CREATE TABLE "Odd ""Name""" ("select" int, "c1" text, "Entry 'x'" text DEFAULT 'd', entry int) USING ledger;
CREATE TRIGGER nothing AFTER INSERT ON "Odd ""Name""" FOR EACH STATEMENT EXECUTE FUNCTION fire_statement();
SELECT ledger.append('"Odd ""Name"""', ARRAY[ROW(1, 'a'), ROW(2, 'b', '''; DROP TABLE fired; --', 4)]::record[]);
SELECT ledger.append_json('"Odd ""Name"""', '{"entry": 3, "Entry ''x''": "y"}');
SELECT * FROM "Odd ""Name""" ORDER BY 1;

-- a table called as the ephemeral relation of planned.c
CREATE TABLE ledger_entries (n int);
SELECT ledger.append('ledger_entries', ROW(1));
CREATE TRIGGER nothing AFTER INSERT ON ledger_entries FOR EACH STATEMENT EXECUTE FUNCTION fire_statement();
SELECT ledger.append('ledger_entries', ARRAY[ROW(2), ROW(3)]);
SELECT count(*) FROM ledger_entries;

-- through a function of the owner, his privileges count
CREATE FUNCTION append_as_owner(n int) RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = append_insert_test
	AS $$ SELECT ledger.append('policed', ROW('definer', n)) $$;
SET ROLE regress_appender;
SELECT append_as_owner(50);
RESET ROLE;

DROP SCHEMA append_insert_test CASCADE;
DROP ROLE regress_appender, regress_column_appender, regress_reader;
