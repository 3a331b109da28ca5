-- Store what is in incoming: as a ledger with a partition a day, and as heap.
DO $$
DECLARE
    day date;
BEGIN
    FOR day IN SELECT DISTINCT (ts AT TIME ZONE 'UTC')::date FROM incoming ORDER BY 1 LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF entries FOR VALUES FROM (%L) TO (%L) USING ledger',
            'entries_' || to_char(day, 'YYYY_MM_DD'), day || ' 00:00+00', day + 1 || ' 00:00+00');
    END LOOP;
END $$;

CREATE PROCEDURE demo.store(name text, statement text, rows bigint, finish text) LANGUAGE plpgsql AS $$
DECLARE
    lsn pg_lsn := pg_current_wal_insert_lsn();
    t0  timestamptz := clock_timestamp();
BEGIN
    FOR i IN 0 .. (rows + 99) / 100 - 1 LOOP
        EXECUTE statement USING i * 100 + 1, i * 100 + 100;
        COMMIT;
    END LOOP;
    IF finish IS NOT NULL THEN
        EXECUTE finish;
    END IF;
    INSERT INTO demo.wal VALUES (name, (pg_current_wal_insert_lsn()  - lsn) / nullif(rows, 0), 1000 * extract(epoch FROM clock_timestamp() - t0));
END $$;

SELECT count(*) AS rows FROM incoming \gset

CALL demo.store('entries', $$SELECT ledger.append('entries', array_agg(
    ROW(app_id, ledger, entry_id, ts, type, trace_id, thread_id, user_id, request_id, data) ORDER BY n))
    FROM incoming WHERE n BETWEEN $1 AND $2$$, :rows, $$SELECT ledger.seal('entries')$$);

CALL demo.store('entries_heap', $$INSERT INTO entries_heap
    SELECT app_id, ledger, entry_id, ts, type, trace_id, thread_id, user_id, request_id, data
    FROM incoming WHERE n BETWEEN $1 AND $2 ORDER BY n$$, :rows, NULL);

DROP TABLE incoming;
