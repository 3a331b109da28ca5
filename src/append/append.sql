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
