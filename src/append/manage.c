/*-------------------------------------------------------------------------
 *
 * manage.c
 *	  ledger.manage() and ledger.unmanage().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/manage.h"
#include "compat.h"

#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* More periods ahead than that are a mistake. */
#define PREMAKE_MAX		1000

LEDGER_FUNCTION(ledger_manage);
LEDGER_FUNCTION(ledger_unmanage);

static Interval
interval_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	Interval	none = {0};

	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"%s\" must not be null", name)));
	if (DatumGetBool(DirectFunctionCall2(interval_lt, PG_GETARG_DATUM(number),
										 IntervalPGetDatum(&none))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must not be negative", name)));
	return *PG_GETARG_INTERVAL_P(number);
}

static void
read_arguments(FunctionCallInfo fcinfo, LedgerSettings *settings)
{
	memset(settings, 0, sizeof(*settings));
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"ledger\" must not be null")));
	settings->relid = PG_GETARG_OID(0);
	settings->partition_interval = interval_argument(fcinfo, 1, "partition_interval");
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"premake\" must not be null")));
	settings->premake = PG_GETARG_INT32(2);
	if (settings->premake < 0 || settings->premake > PREMAKE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"premake\" must be between 0 and %d", PREMAKE_MAX)));
	settings->has_retention = !PG_ARGISNULL(3);
	if (settings->has_retention)
		settings->retention = interval_argument(fcinfo, 3, "retention");
	settings->seal_after = interval_argument(fcinfo, 4, "seal_after");
	settings->max_past = interval_argument(fcinfo, 5, "max_past");
	settings->max_future = interval_argument(fcinfo, 6, "max_future");
}

/* The owner of partitions to be must be able to make them. */
static void
check_schema(Relation branch)
{
	Oid			schema = RelationGetNamespace(branch);
	Oid			owner = branch->rd_rel->relowner;
	Datum		allowed = DirectFunctionCall3(has_schema_privilege_id_id,
											  ObjectIdGetDatum(owner), ObjectIdGetDatum(schema),
											  PointerGetDatum(cstring_to_text("CREATE")));

	if (!DatumGetBool(allowed))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for schema %s", get_namespace_name(schema)),
				 errdetail("Role \"%s\", who owns \"%s\", may not create its partitions there.",
						   GetUserNameFromId(owner, false), RelationGetRelationName(branch))));
}

static bool
has_rows(Oid relid)
{
	StringInfoData sql;
	bool		result;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT FROM %s LIMIT 1", ledger_qualified_name(relid));
	SPI_connect();
	if (SPI_execute(sql.data, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "\"%s\" failed", sql.data);
	result = SPI_processed > 0;
	SPI_finish();
	return result;
}

/* Rows in a default partition forbid partitions of their own. */
static void
check_default(Relation branch)
{
	Oid			relid = ledger_default_partition(branch);

	if (!OidIsValid(relid))
		return;
	if (has_rows(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("default partition \"%s\" of \"%s\" has rows",
						get_rel_name(relid), RelationGetRelationName(branch)),
				 errdetail("No partition can be made for times that it holds."),
				 errhint("Detach it, call ledger.manage() and then ledger.append() or INSERT to bring its rows back, and drop it.")));
	ereport(NOTICE,
			(errmsg("\"%s\" has a default partition, \"%s\"",
					RelationGetRelationName(branch), get_rel_name(relid)),
			 errdetail("Each new partition has to lock and look through it."),
			 errhint("Drop it: a managed ledger makes the partitions that it needs.")));
}

static void
check_branch(Oid relid, const LedgerSettings *settings)
{
	Relation	branch = table_open(relid, AccessShareLock);
	LedgerBranchKey key;
	LedgerTimes times;

	(void) ledger_branch_key(branch, &key);
	(void) ledger_period_of(&settings->partition_interval, key.typid);
	/* an error if out of range, which else maintenance would meet */
	ledger_times_taken(settings, &key, &times);
	(void) ledger_shift_back(ledger_branch_now(&key), &settings->seal_after);
	check_schema(branch);
	check_default(branch);
	table_close(branch, NoLock);
}

/* manage(ledger, partition_interval, premake, retention, seal_after, max_past, max_future) */
Datum
ledger_manage(PG_FUNCTION_ARGS)
{
	LedgerSettings settings;
	List	   *branches;
	ListCell   *cell;

	PreventCommandIfReadOnly("ledger.manage()");
	PreventCommandDuringRecovery("ledger.manage()");
	read_arguments(fcinfo, &settings);
	ledger_check_owner(settings.relid);

	/* one at a time, and nobody changes the tree meanwhile */
	LockRelationOid(settings.relid, ShareUpdateExclusiveLock);
	/* it may have got another owner while we waited */
	ledger_check_owner(settings.relid);
	settings.owner = ledger_owner_of(settings.relid);
	branches = ledger_find_branches(settings.relid);
	foreach(cell, branches)
		check_branch(lfirst_oid(cell), &settings);

	ledger_write_settings(&settings);
	CommandCounterIncrement();
	foreach(cell, branches)
	{
		LedgerSettings holding;	/* a branch may have settings of its own */

		if (ledger_settings_of(lfirst_oid(cell), &holding))
			(void) ledger_premake(lfirst_oid(cell), &holding);
	}
	CacheInvalidateRelcacheByRelid(settings.relid);
	PG_RETURN_VOID();
}

/* Whether a relation is gone that has a row, which the user may delete. */
static bool
is_left_over(Oid relid)
{
	LedgerSettings settings;

	return get_rel_relkind(relid) == '\0' && ledger_read_settings(relid, &settings) &&
		has_privs_of_role(GetUserId(), settings.owner);
}

/* unmanage(ledger) */
Datum
ledger_unmanage(PG_FUNCTION_ARGS)
{
	Oid			relid;
	bool		left_over;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"ledger\" must not be null")));
	relid = PG_GETARG_OID(0);
	PreventCommandIfReadOnly("ledger.unmanage()");
	PreventCommandDuringRecovery("ledger.unmanage()");
	left_over = is_left_over(relid);
	if (!left_over)
		ledger_check_owner(relid);
	if (!ledger_delete_settings(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("ledger \"%s\" is not managed", get_rel_name(relid))));
	if (!left_over)
		CacheInvalidateRelcacheByRelid(relid);
	PG_RETURN_VOID();
}
