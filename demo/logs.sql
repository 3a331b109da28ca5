-- This machine's logs: the package manager's through ledger.append_ndjson, the
-- server's own through ledger.append_json; and the same rows as heap.
SELECT count(*) AS rows FROM raw_lines \gset

CALL demo.store('machine_log', $$SELECT ledger.append_ndjson('machine_log', string_agg(line, E'\n' ORDER BY n))
    FROM raw_lines WHERE n BETWEEN $1 AND $2$$, :rows, $$SELECT ledger.seal('machine_log')$$);

CALL demo.store('machine_log_heap', $$INSERT INTO machine_log_heap SELECT r.*
    FROM raw_lines, jsonb_populate_record(NULL::machine_log_heap, line::jsonb) r
    WHERE n BETWEEN $1 AND $2 ORDER BY n$$, :rows, NULL);

CREATE TEMP TABLE server_log AS
    SELECT row_number() OVER () AS n, line::jsonb AS entry
    FROM regexp_split_to_table(rtrim(pg_read_file(:'log'), E'\n'), E'\n') AS line;

SELECT ledger.append_json('machine_log', jsonb_agg(jsonb_build_object(
        'ts', entry->'timestamp', 'source', 'postgresql', 'level', entry->'error_severity',
        'message', entry->'message', 'detail', entry - 'timestamp' - 'error_severity' - 'message') ORDER BY n)) AS "from the server's log"
FROM server_log;

SELECT ledger.seal('machine_log'), ledger.seal('entries') \g /dev/null
INSERT INTO machine_log_heap SELECT * FROM machine_log WHERE source = 'postgresql';
DROP TABLE raw_lines;

VACUUM ANALYZE entries;
VACUUM ANALYZE entries_heap;
VACUUM ANALYZE machine_log;
VACUUM ANALYZE machine_log_heap;
