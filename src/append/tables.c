/*-------------------------------------------------------------------------
 *
 * tables.c
 *	  The extension's own tables: what is written there, by whom it may be.
 *
 * Rows of the configuration tables, the log of what was done and the entries
 * that were turned away are written as the tables' owner, by and for those who
 * may not write there.  What may be written is for the caller to know.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/manage.h"

#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/*
 * Rows kept of a log: it is cut when the number of a new row is a multiple of
 * the interval.  That is a prime, as ledgers that take turns share the numbers,
 * and none of them may get all the multiples.
 */
#define LOG_ROWS			10000
#define LOG_CUT_INTERVAL	101

/* More than that of an entry, and of the reason, is not kept in ledger.rejected. */
#define REJECTED_BYTES		65536
#define REASON_BYTES		1000

Oid
ledger_owner_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			result;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	result = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return result;
}

/* An error unless there is such a relation and the user has its owner's rights. */
void
ledger_check_owner(Oid relid)
{
	if (get_rel_relkind(relid) == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (!ledger_owns(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
}

/* A relation's name with its schema, quoted; NULL if it is gone. */
char *
ledger_qualified_name(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		return NULL;
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), name);
}

/*
 * Become a role, with a search path that nobody else can put anything in.  An
 * error ends that, too.
 */
void
ledger_become(Oid role, LedgerIdentity *before)
{
	GetUserIdAndSecContext(&before->user, &before->context);
	before->nesting = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	SetUserIdAndSecContext(role, before->context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
}

/*
 * The same for calling functions of the role's indexes, as REINDEX does: before
 * PostgreSQL 17 with the caller's search path, which they may rely on.
 */
void
ledger_become_rebuilder(Oid role, LedgerIdentity *before)
{
	GetUserIdAndSecContext(&before->user, &before->context);
	SetUserIdAndSecContext(role, before->context | SECURITY_RESTRICTED_OPERATION);
	before->nesting = NewGUCNestLevel();
	LedgerRestrictSearchPath();
}

void
ledger_become_again(const LedgerIdentity *before)
{
	AtEOXact_GUC(false, before->nesting);
	SetUserIdAndSecContext(before->user, before->context);
}

/*
 * Run a statement as the owner of the tables; returns how many rows it was
 * about.  "result", if not NULL, becomes the first column of the first row.
 */
static uint64
run(LedgerStatement *statement, Datum *values, const char *nulls, int64 *result)
{
	Oid			schema = get_namespace_oid("ledger", false);
	LedgerIdentity before;
	uint64		nrows;
	int			rc;

	bool		pushed = !ActiveSnapshotSet();

	/* a worker has none between its steps */
	if (pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	ledger_become(ledger_owner_of(get_relname_relid("managed", schema)), &before);
	SPI_connect();
	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(statement->sql, statement->nargs, statement->types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "\"%s\" failed: %s", statement->sql, SPI_result_code_string(SPI_result));
		statement->plan = plan;
	}
	rc = SPI_execute_plan(statement->plan, values, nulls, false, 0);
	if (rc < 0)
		elog(ERROR, "\"%s\" failed: %s", statement->sql, SPI_result_code_string(rc));
	nrows = SPI_processed;
	if (result != NULL && nrows > 0)
	{
		bool		isnull;

		*result = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	}
	SPI_finish();
	ledger_become_again(&before);
	if (pushed)
		PopActiveSnapshot();
	return nrows;
}

uint64
ledger_run_statement(LedgerStatement *statement, Datum *values, const char *nulls)
{
	return run(statement, values, nulls, NULL);
}

/*
 * The row that was numbered so is a log's newest: forget the oldest, if it is
 * time to.  Who is at that already is not waited for.
 */
static void
cut_log(LedgerStatement *statement, int64 id, Oid relid)
{
	Datum		values[3] = {Int32GetDatum(LOG_ROWS), Int64GetDatum(id), ObjectIdGetDatum(relid)};

	if (id % LOG_CUT_INTERVAL == 0)
		(void) run(statement, values, NULL, NULL);
}

/* Put on record what was done to a ledger. */
void
ledger_note_activity(Oid ledger, const char *partition, const char *action, const char *detail)
{
	static LedgerStatement note = {
		"INSERT INTO ledger.activity_log (ledger, partition, action, detail)"
		" VALUES ($1, $2, $3, $4) RETURNING id",
		4, {OIDOID, TEXTOID, TEXTOID, TEXTOID}
	};
	static LedgerStatement cut = {
		"DELETE FROM ledger.activity_log WHERE id IN (SELECT id FROM ledger.activity_log"
		" WHERE id <= $2 - $1 AND $3 IS NOT NULL FOR UPDATE SKIP LOCKED)",
		3, {INT4OID, INT8OID, OIDOID}
	};
	Datum		values[4];
	char		nulls[5] = "    ";
	int64		id = 0;

	values[0] = ObjectIdGetDatum(ledger);
	nulls[0] = OidIsValid(ledger) ? ' ' : 'n';
	values[1] = partition == NULL ? (Datum) 0 : CStringGetTextDatum(partition);
	nulls[1] = partition == NULL ? 'n' : ' ';
	values[2] = CStringGetTextDatum(action);
	values[3] = detail == NULL ? (Datum) 0 : CStringGetTextDatum(detail);
	nulls[3] = detail == NULL ? 'n' : ' ';
	(void) run(&note, values, nulls, &id);
	cut_log(&cut, id, ledger);
}

/* Put on record what could not be done, unless that was within the last hour. */
void
ledger_note_trouble(Oid ledger, const char *partition, const char *action, const char *detail)
{
	static LedgerStatement look = {
		"SELECT 1::bigint FROM ledger.activity_log WHERE ledger = $1 AND partition IS NOT DISTINCT FROM $2"
		" AND action = $3 AND detail = $4 AND at > clock_timestamp() - interval '1 hour' LIMIT 1",
		4, {OIDOID, TEXTOID, TEXTOID, TEXTOID}
	};
	Datum		values[4] = {
		ObjectIdGetDatum(ledger),
		partition == NULL ? (Datum) 0 : CStringGetTextDatum(partition),
		CStringGetTextDatum(action),
		CStringGetTextDatum(detail)
	};

	if (run(&look, values, partition == NULL ? " n  " : NULL, NULL) == 0)
		ledger_note_activity(ledger, partition, action, detail);
}

/* Put on record that maintenance has been done. */
void
ledger_note_maintenance(void)
{
	static LedgerStatement note = {
		"INSERT INTO ledger.maintained VALUES (true, clock_timestamp())"
		" ON CONFLICT (one) DO UPDATE SET at = EXCLUDED.at"
	};

	(void) run(&note, NULL, NULL, NULL);
}

/* Whether maintenance was last done longer ago than so many seconds. */
bool
ledger_maintenance_is_overdue(int seconds)
{
	static LedgerStatement look = {
		"SELECT 1::bigint FROM ledger.maintained WHERE at > clock_timestamp() - make_interval(secs => $1)",
		1, {INT4OID}
	};
	Datum		values[1] = {Int32GetDatum(seconds)};

	return run(&look, values, NULL, NULL) == 0;
}

/* How many partitions of a ledger appends have made in the last hour. */
int64
ledger_partitions_made(Oid ledger)
{
	static LedgerStatement count = {
		"SELECT count(*) FROM ledger.activity_log WHERE ledger = $1"
		" AND action = '" LEDGER_MADE_BY_APPEND "' AND at > clock_timestamp() - interval '1 hour'",
		1, {OIDOID}
	};
	Datum		values[1] = {ObjectIdGetDatum(ledger)};
	int64		result = 0;

	(void) run(&count, values, NULL, &result);
	return result;
}

/* Keep an entry that could not be stored. */
void
ledger_reject(Oid ledger, const char *reason, text *entry)
{
	static LedgerStatement reject = {
		"INSERT INTO ledger.rejected (ledger, reason, entry)"
		" VALUES ($1, $2, $3) RETURNING id",
		3, {OIDOID, TEXTOID, TEXTOID}
	};
	static LedgerStatement cut = {
		"DELETE FROM ledger.rejected WHERE id IN (SELECT id FROM ledger.rejected"
		" WHERE ledger = $3 AND id <= (SELECT id FROM ledger.rejected WHERE ledger = $3 AND id <= $2"
		" ORDER BY id DESC OFFSET $1 LIMIT 1) FOR UPDATE SKIP LOCKED)",
		3, {INT4OID, INT8OID, OIDOID}
	};
	Datum		values[3];
	int64		id = 0;
	int			length = VARSIZE_ANY_EXHDR(entry);

	if (strlen(reason) > REASON_BYTES)
		reason = psprintf("%.*s...", pg_mbcliplen(reason, strlen(reason), REASON_BYTES), reason);
	if (length > REJECTED_BYTES)
	{
		reason = psprintf("%s (%d of the entry's %d bytes are kept)", reason, REJECTED_BYTES, length);
		length = pg_mbcliplen(VARDATA_ANY(entry), length, REJECTED_BYTES);
		entry = cstring_to_text_with_len(VARDATA_ANY(entry), length);
	}
	values[0] = ObjectIdGetDatum(ledger);
	values[1] = CStringGetTextDatum(reason);
	values[2] = PointerGetDatum(entry);
	(void) run(&reject, values, NULL, &id);
	cut_log(&cut, id, ledger);
}

/*
 * Claim a batch of a source: false if one not below it is stored already.
 * Waits for a transaction that is storing one of the same source.
 */
bool
ledger_claim_batch(Oid ledger, const char *source, int64 batch)
{
	static LedgerStatement claim = {
		"INSERT INTO ledger.batches AS b (ledger, source, batch) VALUES ($1, $2, $3)"
		" ON CONFLICT (ledger, source) DO UPDATE SET batch = $3, at = clock_timestamp() WHERE b.batch < $3",
		3, {OIDOID, TEXTOID, INT8OID}
	};
	Datum		values[3] = {ObjectIdGetDatum(ledger), CStringGetTextDatum(source), Int64GetDatum(batch)};

	return run(&claim, values, NULL, NULL) > 0;
}

/* Forget batches of, and entries meant for, tables that have been dropped. */
void
ledger_forget_dropped(void)
{
	static LedgerStatement batches = {
		"DELETE FROM ledger.batches b WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = b.ledger)"
	};

	/* there may be many rows of few tables */
	static LedgerStatement rejected = {
		"WITH RECURSIVE t (ledger) AS ("
		" (SELECT ledger FROM ledger.rejected ORDER BY ledger LIMIT 1)"
		" UNION ALL SELECT (SELECT r.ledger FROM ledger.rejected r WHERE r.ledger > t.ledger ORDER BY r.ledger LIMIT 1)"
		" FROM t WHERE t.ledger IS NOT NULL)"
		" DELETE FROM ledger.rejected r USING t"
		" WHERE r.ledger = t.ledger AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.ledger)"
	};

	(void) run(&batches, NULL, NULL, NULL);
	(void) run(&rejected, NULL, NULL, NULL);
}
