-- The tables of the demo: a ledger by day, a ledger of logs, and heap tables
-- for the same rows.
CREATE EXTENSION ledger;

CREATE TABLE entries (
    app_id     text        NOT NULL,   -- tenant
    ledger     text        NOT NULL,   -- event, bot, http, log
    entry_id   text        NOT NULL,
    ts         timestamptz NOT NULL,
    type       text        NOT NULL,
    trace_id   text,
    thread_id  text,
    user_id    text,
    request_id text,
    data       jsonb       NOT NULL
) PARTITION BY RANGE (ts);

CREATE TABLE entries_heap (LIKE entries);

CREATE TABLE machine_log (
    ts      timestamptz NOT NULL,
    source  text        NOT NULL,   -- dpkg, apt, postgresql
    level   text,
    message text        NOT NULL,
    detail  jsonb
) USING ledger;

CREATE TABLE machine_log_heap (LIKE machine_log);

-- what a bot platform would send: here from a generator
CREATE UNLOGGED TABLE incoming (LIKE entries, n serial PRIMARY KEY);
CREATE UNLOGGED TABLE raw_lines (n serial PRIMARY KEY, line text);

CREATE SCHEMA demo;
CREATE TABLE demo.wal (name text PRIMARY KEY, bytes_an_entry numeric, ms numeric);

CREATE FUNCTION demo.size(relation regclass) RETURNS numeric LANGUAGE sql AS
$$SELECT pg_total_relation_size(relation) + coalesce(sum(pg_total_relation_size(relid)), 0)
  FROM pg_partition_tree(relation) WHERE relid <> relation$$;

-- how long a query takes: the middle of three, in milliseconds
CREATE FUNCTION demo.ms(query text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    t0    timestamptz;
    times numeric[];
BEGIN
    FOR i IN 1 .. 3 LOOP
        t0 := clock_timestamp();
        EXECUTE query;
        times := times || (1000 * extract(epoch FROM clock_timestamp() - t0))::numeric;
    END LOOP;
    RETURN (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(times) t);
END $$;
