\echo Use "CREATE EXTENSION ledger" to load this file. \quit

-- Objects in a schema that somebody else owns could be replaced by theirs.
DO $$
BEGIN
	IF (SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname = 'ledger')
		IS DISTINCT FROM (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
	THEN
		RAISE EXCEPTION 'schema "ledger" is owned by another role'
			USING ERRCODE = 'insufficient_privilege',
				  HINT = 'Drop or rename the schema, or make yourself its owner.';
	END IF;
END
$$;

GRANT USAGE ON SCHEMA ledger TO PUBLIC;
COMMENT ON SCHEMA ledger IS 'compressed append-only tables, and functions that append to them';

CREATE FUNCTION ledger.ledger_am_handler(internal) RETURNS table_am_handler
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION ledger.ledger_am_handler(internal) IS
	'handler of the table access method ledger';

CREATE ACCESS METHOD ledger TYPE TABLE HANDLER ledger.ledger_am_handler;
COMMENT ON ACCESS METHOD ledger IS
	'compressed append-only table: recent rows in row format, older ones in compressed columnar segments';

CREATE FUNCTION ledger.seal(ledger regclass) RETURNS bigint
	AS 'MODULE_PATHNAME', 'ledger_seal'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION ledger.seal(regclass) IS
	'compress all rows of ended transactions now; returns the number of entries sealed. Of a partitioned table, all leaves that are ledgers. For the owner (from PostgreSQL 17 on, MAINTAIN). Not undone by a rollback.';

CREATE FUNCTION ledger.stats(
	ledger regclass,
	OUT relation regclass,
	OUT entries bigint,
	OUT tail_entries bigint,
	OUT segments bigint,
	OUT raw_bytes bigint,
	OUT stored_bytes bigint,
	OUT free_bytes bigint,
	OUT compression_ratio double precision,
	OUT slots_used bigint,
	OUT compression text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'ledger_stats'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION ledger.stats(regclass) IS
	'one row a ledger (of a partitioned table, one a leaf): entries (those of open and aborted transactions counted until they are sealed), those still in the tail, segments, bytes of row data uncompressed, bytes stored, bytes free for reuse, raw to stored, slots of 8,192 row numbers used of 134,217,727, and the compression that new segments get. Needs SELECT.';

CREATE FUNCTION ledger.segments(
	ledger regclass,
	OUT relation regclass,
	OUT first_row bigint,
	OUT entries bigint,
	OUT blocks integer,
	OUT raw_bytes bigint,
	OUT stored_bytes bigint,
	OUT frozen boolean)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'ledger_segments'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION ledger.segments(regclass) IS
	'one row a segment: its first row number, entries, blocks of 8 kB, bytes of row data uncompressed and stored, and whether every snapshot sees it. Needs SELECT.';

CREATE FUNCTION ledger.chunks(
	ledger regclass,
	OUT relation regclass,
	OUT first_row bigint,
	OUT column_name name,
	OUT encoding text,
	OUT bytes bigint,
	OUT path text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'ledger_chunks'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION ledger.chunks(regclass) IS
	'one row a column of a segment, and one for each sub-column that shredded jsonb has at a path: how it is encoded, and its bytes. Needs SELECT.';

CREATE FUNCTION ledger.append(ledger regclass, entry record,
	on_conflict text DEFAULT 'error', on_error text DEFAULT 'error',
	source text DEFAULT NULL, batch bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ledger_append';

COMMENT ON FUNCTION ledger.append(regclass, record, text, text, text, bigint) IS
'append one entry: field i of the record goes to the i-th column that is not generated. The other arguments as for append_json. Returns how many were stored. Needs INSERT.';

CREATE FUNCTION ledger.append(ledger regclass, entries record[],
	on_conflict text DEFAULT 'error', on_error text DEFAULT 'error',
	source text DEFAULT NULL, batch bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ledger_append_batch';

COMMENT ON FUNCTION ledger.append(regclass, record[], text, text, text, bigint) IS
'append a batch of entries, and return how many were stored: all or none, unless on_error says otherwise. The other arguments as for append_json. Needs INSERT.';

CREATE FUNCTION ledger.append_json(ledger regclass, entries jsonb,
	on_conflict text DEFAULT 'error', on_error text DEFAULT 'error',
	unknown_fields text DEFAULT 'error', unknown_into name DEFAULT NULL,
	source text DEFAULT NULL, batch bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ledger_append_json';

COMMENT ON FUNCTION ledger.append_json(regclass, jsonb, text, text, text, name, text, bigint) IS
'append a JSON object, or an array of objects, whose keys are column names, and return how many were stored. on_conflict: error, skip; on_error: error, skip or divert (to ledger.rejected) bad entries; unknown_fields: error, ignore, or collect in the jsonb column unknown_into; with source and batch, a batch not above the last one of its source returns 0. Needs INSERT.';

CREATE FUNCTION ledger.append_ndjson(ledger regclass, lines text,
	on_conflict text DEFAULT 'error', on_error text DEFAULT 'error',
	unknown_fields text DEFAULT 'error', unknown_into name DEFAULT NULL,
	source text DEFAULT NULL, batch bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ledger_append_ndjson';

COMMENT ON FUNCTION ledger.append_ndjson(regclass, text, text, text, text, name, text, bigint) IS
'append lines of text, each a JSON object whose keys are column names, and return how many were stored; the other arguments as for append_json. Needs INSERT.';

CREATE TABLE ledger.managed (
	relation regclass PRIMARY KEY,
	owner regrole NOT NULL,
	partition_interval interval NOT NULL,
	premake integer NOT NULL,
	retention interval,
	seal_after interval NOT NULL,
	max_past interval NOT NULL,
	max_future interval NOT NULL
);
COMMENT ON TABLE ledger.managed IS
	'settings of managed ledgers, by ledger.manage(); on a sub-partition, instead of its ancestors'' for that branch';
GRANT SELECT ON ledger.managed TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('ledger.managed',
	'WHERE EXISTS (SELECT FROM pg_catalog.pg_class WHERE pg_class.oid = relation)');

CREATE FUNCTION ledger.manage(ledger regclass, partition_interval interval,
	premake integer DEFAULT 4, retention interval DEFAULT NULL,
	seal_after interval DEFAULT '10 minutes', max_past interval DEFAULT '30 days',
	max_future interval DEFAULT '1 day')
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ledger_manage';
COMMENT ON FUNCTION ledger.manage(regclass, interval, integer, interval, interval, interval, interval) IS
	'let a table that is partitioned by time make its partitions itself, as ledgers; called again, changes its settings. For the owner.';

CREATE FUNCTION ledger.unmanage(ledger regclass)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ledger_unmanage';
COMMENT ON FUNCTION ledger.unmanage(regclass) IS
	'forget the settings that ledger.manage() made; the partitions stay. For the owner.';

CREATE TABLE ledger.options (
	relation regclass,
	option name,
	value text NOT NULL,
	PRIMARY KEY (relation, option)
);
COMMENT ON TABLE ledger.options IS
	'options of ledgers, and of partitioned tables for those of their partitions that have none, by ledger.set_option()';
GRANT SELECT ON ledger.options TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('ledger.options',
	'WHERE EXISTS (SELECT FROM pg_catalog.pg_class WHERE pg_class.oid = relation)');

CREATE FUNCTION ledger.set_option(ledger regclass, option text, value text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ledger_set_option';
COMMENT ON FUNCTION ledger.set_option(regclass, text, text) IS
	'set an option of a ledger, or of a partitioned table for those of its partitions that have none of their own: compression, to lz4, zstd or none; null for the default. For what is written from now on. For the owner.';

CREATE FUNCTION ledger.get_option(ledger regclass, option text)
RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ledger_get_option';
COMMENT ON FUNCTION ledger.get_option(regclass, text) IS
	'the value of an option that holds for a ledger or partitioned table: its own, that of the nearest table above it, or the default';

CREATE FUNCTION ledger.has_token(haystack text, token text)
RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ledger_text_has_token';
COMMENT ON FUNCTION ledger.has_token(text, text) IS
	'whether a text has a token: a longest run of letters, digits and _, where all characters beyond ASCII count as letters; compared by bytes, so case matters. False if the token is empty or has other characters.';

CREATE TABLE ledger.batches (
	ledger regclass,
	source text,
	batch bigint NOT NULL,
	at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (ledger, source)
) WITH (fillfactor = 50);
COMMENT ON TABLE ledger.batches IS
	'the highest batch stored of each source that appends by source and batch, and when';
GRANT SELECT ON ledger.batches TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('ledger.batches',
	'WHERE EXISTS (SELECT FROM pg_catalog.pg_class WHERE pg_class.oid = ledger)');

CREATE TABLE ledger.rejected (
	at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	ledger regclass NOT NULL,
	reason text NOT NULL,
	entry text NOT NULL,
	id bigint GENERATED ALWAYS AS IDENTITY,
	PRIMARY KEY (ledger, id)
);
COMMENT ON TABLE ledger.rejected IS
	'entries that on_error => ''divert'' has turned away, with SQLSTATE and message; of each ledger the newest 10,000. A ledger''s owner may read and delete its rows.';
COMMENT ON SEQUENCE ledger.rejected_id_seq IS 'numbers of the rows of ledger.rejected';
ALTER TABLE ledger.rejected ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON ledger.rejected
	USING ((SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE') FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) rejected.ledger));
COMMENT ON POLICY owner ON ledger.rejected IS
	'a ledger''s owner, and roles that have the owner''s privileges';
GRANT SELECT, DELETE ON ledger.rejected TO PUBLIC;

CREATE TABLE ledger.activity_log (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	ledger regclass,
	partition text,
	action text NOT NULL,
	detail text
);
COMMENT ON TABLE ledger.activity_log IS
	'what view ledger.activity shows: the newest 10,000 rows are kept';
COMMENT ON SEQUENCE ledger.activity_log_id_seq IS 'numbers of the rows of ledger.activity_log';
GRANT SELECT ON ledger.activity_log TO PUBLIC;

CREATE VIEW ledger.activity AS
	SELECT at, ledger, partition, action, detail FROM ledger.activity_log;
COMMENT ON VIEW ledger.activity IS
	'what has been done to managed ledgers of its own accord: partitions made, sealed, merged and dropped, and what went wrong; the last 10,000 rows';
GRANT SELECT ON ledger.activity TO PUBLIC;

CREATE TABLE ledger.maintained (
	one boolean PRIMARY KEY CHECK (one),
	at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE ledger.maintained IS
	'when all managed ledgers of this database were last maintained';
GRANT SELECT ON ledger.maintained TO PUBLIC;

CREATE PROCEDURE ledger.maintain(ledger regclass DEFAULT NULL)
LANGUAGE C
AS 'MODULE_PATHNAME', 'ledger_maintain';
COMMENT ON PROCEDURE ledger.maintain(regclass) IS
	'do what managed ledgers (the one named, or all that the caller owns) are due: make partitions ahead, seal, give space back, drop what is older than retention. Commits after each step. For the owner.';

CREATE FUNCTION ledger.partition_stats(
	OUT ledger regclass,
	OUT partition regclass,
	OUT range_start timestamptz,
	OUT range_end timestamptz,
	OUT access_method name,
	OUT entries bigint,
	OUT tail_entries bigint,
	OUT raw_bytes bigint,
	OUT stored_bytes bigint)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ledger_partition_stats';
COMMENT ON FUNCTION ledger.partition_stats() IS
	'for view ledger.partitions: one row a leaf of the managed ledgers; what needs SELECT or a lock that somebody has is null';

CREATE FUNCTION ledger.time_range(ledger regclass, partition regclass,
	OUT oldest timestamptz, OUT newest timestamptz)
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ledger_time_range';
COMMENT ON FUNCTION ledger.time_range(regclass, regclass) IS
	'for view ledger.ledgers: the times of the oldest and newest entry of a leaf of a managed ledger; null without SELECT, or if it is locked';

CREATE FUNCTION ledger.tail_stats(partition regclass,
	OUT open_entries bigint, OUT closed_entries bigint,
	OUT open_bytes bigint, OUT closed_bytes bigint,
	OUT oldest timestamptz, OUT holder xid)
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ledger_tail_stats';
COMMENT ON FUNCTION ledger.tail_stats(regclass) IS
	'for view ledger.sealing: entries of a ledger that are not sealed, and bytes of their pages; when the oldest of their runs was begun, and the transaction in progress that keeps closed ones from being sealed';

CREATE VIEW ledger.partitions AS
	SELECT ledger, partition,
		CASE WHEN range_start IS NOT NULL OR range_end IS NOT NULL THEN pg_catalog.tstzrange(range_start, range_end) END AS range,
		access_method,
		entries, tail_entries, raw_bytes, stored_bytes
	FROM ledger.partition_stats();
COMMENT ON VIEW ledger.partitions IS
	'one row a leaf of the managed ledgers: the ledger whose settings hold for it, the range of time it covers (in UTC; null of a DEFAULT partition), access method, entries (of a table that is no ledger, as of its last ANALYZE), those not sealed, bytes uncompressed and stored. Null where a lock is held, or without SELECT.';
GRANT SELECT ON ledger.partitions TO PUBLIC;

CREATE VIEW ledger.ledgers AS
	SELECT m.relation AS ledger, m.owner, m.partition_interval, m.premake, m.retention,
		m.seal_after, m.max_past, m.max_future,
		ledger.get_option(m.relation, 'compression') AS compression,
		s.partitions, s.entries, s.raw_bytes, s.stored_bytes,
		pg_catalog.round(s.raw_bytes OPERATOR(pg_catalog./) nullif(s.stored_bytes, 0), 2) AS compression_ratio,
		s.oldest, s.newest
	FROM ledger.managed m
		LEFT JOIN (
			-- branches overlap: each leaf is looked into that may have the oldest, or newest
			SELECT ledger, pg_catalog.count(*) AS partitions, pg_catalog.sum(entries) AS entries,
				pg_catalog.sum(raw_bytes) AS raw_bytes, pg_catalog.sum(stored_bytes) AS stored_bytes,
				pg_catalog.min(CASE WHEN entries OPERATOR(pg_catalog.>) 0 AND range_start OPERATOR(pg_catalog.<) first_end
					THEN (ledger.time_range(ledger, partition)).oldest END) AS oldest,
				pg_catalog.max(CASE WHEN entries OPERATOR(pg_catalog.>) 0 AND range_end OPERATOR(pg_catalog.>) last_start
					THEN (ledger.time_range(ledger, partition)).newest END) AS newest
			FROM (
				SELECT ledger, partition, entries, raw_bytes, stored_bytes, range_start, range_end,
					pg_catalog.min(range_end) FILTER (WHERE entries OPERATOR(pg_catalog.>) 0) OVER of_ledger AS first_end,
					pg_catalog.max(range_start) FILTER (WHERE entries OPERATOR(pg_catalog.>) 0) OVER of_ledger AS last_start
				FROM (
					SELECT ledger, partition, entries, raw_bytes, stored_bytes,
						coalesce(range_start, '-infinity') AS range_start, coalesce(range_end, 'infinity') AS range_end
					FROM ledger.partition_stats()
				) b
				WINDOW of_ledger AS (PARTITION BY ledger)
			) p GROUP BY ledger
		) s ON s.ledger OPERATOR(pg_catalog.=) m.relation;
COMMENT ON VIEW ledger.ledgers IS
	'one row a managed ledger: its settings and compression, and of the leaves that they hold for how many there are, entries, bytes uncompressed and stored, their ratio, and the times of the oldest and newest entry. Null where a lock is held, or without SELECT.';
GRANT SELECT ON ledger.ledgers TO PUBLIC;

CREATE VIEW ledger.sealing AS
	SELECT p.ledger, p.partition, t.open_entries, t.closed_entries, t.open_bytes, t.closed_bytes,
		t.oldest AS oldest_unsealed, t.holder,
		(SELECT a.pid FROM pg_catalog.pg_stat_activity a WHERE a.backend_xid OPERATOR(pg_catalog.=) t.holder) AS holder_pid,
		l.last_seal, l.last_error
	FROM (
			SELECT s.ledger, s.partition, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
			FROM ledger.partition_stats() s
				JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) s.partition
				JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
			WHERE s.tail_entries OPERATOR(pg_catalog.>) 0
		) p
		CROSS JOIN LATERAL ledger.tail_stats(p.partition) t
		LEFT JOIN (
			SELECT partition, pg_catalog.max(at) FILTER (WHERE action OPERATOR(pg_catalog.=) 'sealed') AS last_seal,
				(pg_catalog.array_agg(detail ORDER BY id DESC) FILTER (WHERE action OPERATOR(pg_catalog.=) 'failed'))[1] AS last_error
			FROM ledger.activity_log GROUP BY partition
		) l ON l.partition OPERATOR(pg_catalog.=) p.name;
COMMENT ON VIEW ledger.sealing IS
	'one row a leaf that has entries not sealed yet: how many, and bytes of their pages, in runs that take more entries and in closed ones; when the oldest of these runs was begun; the transaction in progress that the closed ones wait for, and its process; when the leaf was last sealed by maintenance or the sealer, and what went wrong last';
GRANT SELECT ON ledger.sealing TO PUBLIC;

CREATE PROCEDURE ledger.convert(relation regclass)
LANGUAGE C
AS 'MODULE_PATHNAME', 'ledger_convert';
COMMENT ON PROCEDURE ledger.convert(regclass) IS
	'make a heap table a ledger while it is appended to: it keeps its OID, indexes, privileges, views and publications. Fails if rows are updated or deleted meanwhile. For the owner.';
