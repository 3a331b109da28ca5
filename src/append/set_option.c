/*-------------------------------------------------------------------------
 *
 * set_option.c
 *	  ledger.set_option() and ledger.get_option().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "append/append.h"
#include "append/manage.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "write/write.h"

LEDGER_FUNCTION(ledger_set_option);
LEDGER_FUNCTION(ledger_get_option);

/* An error unless there is such an option. */
static void
check_option(const char *option)
{
	if (strcmp(option, LEDGER_OPTION_COMPRESSION) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized option \"%s\"", option),
				 errhint("Valid options are: %s.", LEDGER_OPTION_COMPRESSION)));
}

/* The value as it is kept; an error if it is none that this build can write. */
static const char *
check_compression(const char *value)
{
	LedgerCompression compression;

	if (!ledger_compression_named(value, &compression))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", LEDGER_OPTION_COMPRESSION, value),
				 errhint("Valid values are: lz4, zstd, none; NULL for the default.")));
	if (compression == LEDGER_COMPRESSION_ZSTD && !ledger_has_zstd())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this build of ledger lacks zstd"),
				 errhint("Choose lz4 or none, or build ledger with libzstd.")));
	return ledger_compression_name(compression);
}

/* An option of what never becomes a ledger would be a mistake unnoticed. */
static void
check_kind(Oid relid)
{
	Relation	rel = relation_open(relid, NoLock);

	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE && !ledger_is_ledger(rel))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is neither a ledger nor a partitioned table",
						RelationGetRelationName(rel)),
				 errhint("Make it a ledger first; for that, ledger.compression has the default.")));
	relation_close(rel, NoLock);
}

/*
 * Rows of tables that are gone: OIDs may come again.  Who is at that already
 * is not waited for; and with a snapshot of before that the transaction would
 * fail, so others are left to it.
 */
static void
delete_left_over(void)
{
	static LedgerStatement clean = {
		"DELETE FROM ledger.options WHERE relation IN (SELECT relation FROM ledger.options o"
		" WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = o.relation) FOR UPDATE SKIP LOCKED)"
	};

	if (!IsolationUsesXactSnapshot())
		(void) ledger_run_statement(&clean, NULL, NULL);
}

static void
write_option(Oid relid, const char *option, const char *value)
{
	static LedgerStatement write = {
		"INSERT INTO ledger.options (relation, option, value) VALUES ($1, $2, $3)"
		" ON CONFLICT (relation, option) DO UPDATE SET value = $3",
		3, {OIDOID, NAMEOID, TEXTOID}
	};
	static LedgerStatement delete = {
		"DELETE FROM ledger.options WHERE relation = $1 AND option = $2", 2, {OIDOID, NAMEOID}
	};
	NameData	name;
	Datum		values[3] = {ObjectIdGetDatum(relid), NameGetDatum(&name)};

	namestrcpy(&name, option);
	if (value == NULL)
	{
		(void) ledger_run_statement(&delete, values, NULL);
		return;
	}
	values[2] = CStringGetTextDatum(value);
	(void) ledger_run_statement(&write, values, NULL);
}

/* set_option(ledger, option, value) */
Datum
ledger_set_option(PG_FUNCTION_ARGS)
{
	Oid			relid;
	char	   *option;
	const char *value = NULL;

	append_refuse_null(fcinfo, 0, "ledger");
	append_refuse_null(fcinfo, 1, "option");
	PreventCommandIfReadOnly("ledger.set_option()");
	PreventCommandDuringRecovery("ledger.set_option()");
	relid = PG_GETARG_OID(0);
	option = text_to_cstring(PG_GETARG_TEXT_PP(1));
	ledger_check_owner(relid);
	check_option(option);
	if (!PG_ARGISNULL(2))
		value = check_compression(text_to_cstring(PG_GETARG_TEXT_PP(2)));

	/* nobody drops it meanwhile; it may have got another owner while we waited */
	LockRelationOid(relid, AccessShareLock);
	ledger_check_owner(relid);
	if (value != NULL)
		check_kind(relid);
	delete_left_over();
	write_option(relid, option, value);
	CacheInvalidateRelcacheByRelid(ledger_options_table());
	CommandCounterIncrement();
	PG_RETURN_VOID();
}

/* get_option(ledger, option) */
Datum
ledger_get_option(PG_FUNCTION_ARGS)
{
	Oid			relid;

	append_refuse_null(fcinfo, 1, "option");
	check_option(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	relid = PG_GETARG_OID(0);
	if (get_rel_relkind(relid) == '\0')
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(ledger_compression_name(ledger_compression_of(relid))));
}
