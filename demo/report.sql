-- What the ledger costs and answers, beside heap.
\pset footer off
\pset border 1

\echo
\echo Stored; and WAL by appending 100 at a time, of the ledger with sealing:
SELECT name AS "table", entries, pg_size_pretty(ledger) AS ledger, pg_size_pretty(heap) AS heap,
    round(ledger / nullif(entries, 0), 1) AS "bytes an entry", round(heap / nullif(entries, 0), 1) AS "in heap",
    (SELECT round(bytes_an_entry) FROM demo.wal w WHERE w.name = s.name) AS "WAL an entry",
    (SELECT round(bytes_an_entry) FROM demo.wal w WHERE w.name = s.name || '_heap') AS "of heap"
FROM (VALUES
    ('entries', (SELECT count(*) FROM entries), demo.size('entries'), demo.size('entries_heap')),
    ('machine_log', (SELECT count(*) FROM machine_log), demo.size('machine_log'), demo.size('machine_log_heap'))
) AS s (name, entries, ledger, heap);

\echo Questions, milliseconds (neither table has an index):
CREATE TEMP TABLE pick AS
    SELECT app_id, trace_id, thread_id, request_id, (SELECT max(ts) FROM entries_heap) AS newest
    FROM entries_heap WHERE request_id IS NOT NULL OFFSET (SELECT count(*) / 4 FROM entries_heap) LIMIT 1;

SELECT question, round(demo.ms(format(query, 'entries')), 1) AS ledger, round(demo.ms(format(query, 'entries_heap')), 1) AS heap
FROM pick, LATERAL (VALUES
    ('the newest ten minutes', format('SELECT * FROM %%s WHERE ts > timestamptz %L - interval ''10 min''', newest)),
    ('one trace', format('SELECT * FROM %%s WHERE trace_id = %L ORDER BY ts', trace_id)),
    ('one thread, in order', format('SELECT * FROM %%s WHERE thread_id = %L ORDER BY ts', thread_id)),
    ('one request', format('SELECT * FROM %%s WHERE request_id = %L ORDER BY ts', request_id)),
    ('the last 50 of an app', format('SELECT * FROM %%s WHERE app_id = %L ORDER BY ts DESC LIMIT 50', app_id)),
    ('responses >= 500 by hour', 'SELECT date_trunc(''hour'', ts), count(*) FROM %s WHERE type = ''meya.http.entry.response'' AND (data->>''status'')::int >= 500 GROUP BY 1'),
    ('average elapsed_ms by app', 'SELECT app_id, avg((data->>''elapsed_ms'')::numeric) FROM %s WHERE type = ''meya.http.entry.response'' GROUP BY 1')
) AS q (question, query);

\echo Of this machine:
SELECT source, count(*) AS entries, min(ts) AS first, max(ts) AS last FROM machine_log GROUP BY source ORDER BY source;
