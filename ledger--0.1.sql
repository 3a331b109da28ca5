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
	OUT slots_used bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'ledger_stats'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION ledger.stats(regclass) IS
	'one row a ledger (of a partitioned table, one a leaf): entries (those of open and aborted transactions counted until they are sealed), those still in the tail, segments, bytes of row data uncompressed, bytes stored, bytes free for reuse, raw to stored, and slots of 8,192 row numbers used of 134,217,727. Needs SELECT.';

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
	OUT bytes bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'ledger_chunks'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION ledger.chunks(regclass) IS
	'one row a column of a segment: how it is encoded, and its bytes. Needs SELECT.';

CREATE FUNCTION ledger.append(ledger regclass, entry record, on_conflict text DEFAULT 'error')
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ledger_append';

COMMENT ON FUNCTION ledger.append(regclass, record, text) IS
'append one entry: field i of the record goes to the i-th column that is not generated';

CREATE FUNCTION ledger.append(ledger regclass, entries record[], on_conflict text DEFAULT 'error')
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ledger_append_batch';

COMMENT ON FUNCTION ledger.append(regclass, record[], text) IS
'append a batch of entries, all or none, and return how many were stored';

CREATE FUNCTION ledger.append_json(ledger regclass, entries jsonb,
	on_conflict text DEFAULT 'error', on_error text DEFAULT 'error',
	unknown_fields text DEFAULT 'error', unknown_into name DEFAULT NULL,
	source text DEFAULT NULL, batch bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ledger_append_json';

COMMENT ON FUNCTION ledger.append_json(regclass, jsonb, text, text, text, name, text, bigint) IS
'append a JSON object, or an array of objects, whose keys are column names';

CREATE FUNCTION ledger.append_ndjson(ledger regclass, lines text,
	on_conflict text DEFAULT 'error', on_error text DEFAULT 'error',
	unknown_fields text DEFAULT 'error', unknown_into name DEFAULT NULL,
	source text DEFAULT NULL, batch bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ledger_append_ndjson';

COMMENT ON FUNCTION ledger.append_ndjson(regclass, text, text, text, text, name, text, bigint) IS
'append lines of text, each a JSON object whose keys are column names';
