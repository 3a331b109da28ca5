/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  Rows of ledger.managed: who may read the table, may read them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/manage.h"
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "write/write.h"

#define COLUMNS "relation, owner, partition_interval, premake, retention, seal_after, max_past, max_future"

/* The same, as they are numbered */
enum
{
	Anum_relation = 1,
	Anum_owner,
	Anum_partition_interval,
	Anum_premake,
	Anum_retention,
	Anum_seal_after,
	Anum_max_past,
	Anum_max_future,
	Natts_managed = Anum_max_future
};

static Interval
interval_of(Datum *values, bool *isnull, int attnum)
{
	Interval	none = {0};

	return isnull[attnum - 1] ? none : *DatumGetIntervalP(values[attnum - 1]);
}

static void
read_row(HeapTuple tuple, TupleDesc desc, LedgerSettings *settings)
{
	Datum		values[Natts_managed];
	bool		isnull[Natts_managed];

	heap_deform_tuple(tuple, desc, values, isnull);
	settings->relid = DatumGetObjectId(values[Anum_relation - 1]);
	settings->owner = DatumGetObjectId(values[Anum_owner - 1]);
	settings->partition_interval = interval_of(values, isnull, Anum_partition_interval);
	settings->premake = DatumGetInt32(values[Anum_premake - 1]);
	settings->has_retention = !isnull[Anum_retention - 1];
	settings->retention = interval_of(values, isnull, Anum_retention);
	settings->seal_after = interval_of(values, isnull, Anum_seal_after);
	settings->max_past = interval_of(values, isnull, Anum_max_past);
	settings->max_future = interval_of(values, isnull, Anum_max_future);
}

static Relation
open_table(void)
{
	Oid			relid = get_relname_relid("managed", get_namespace_oid("ledger", false));
	Relation	result = table_open(relid, AccessShareLock);

	if (RelationGetDescr(result)->natts != Natts_managed)
		elog(ERROR, "ledger.managed has %d columns", RelationGetDescr(result)->natts);
	return result;
}

/* A relation's own row; false if it has none. */
bool
ledger_read_settings(Oid relid, LedgerSettings *settings)
{
	Relation	rel = open_table();
	Oid			index = LedgerPrimaryKeyIndex(rel);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found;

	ScanKeyInit(&key, Anum_relation, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, index, OidIsValid(index), snapshot, 1, &key);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple);
	if (found)
		read_row(tuple, RelationGetDescr(rel), settings);
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return found;
}

/* The relations that have a row, in no order. */
List *
ledger_all_managed(void)
{
	Relation	rel = open_table();
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	List	   *result = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		LedgerSettings settings;

		read_row(tuple, RelationGetDescr(rel), &settings);
		result = lappend_oid(result, settings.relid);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return result;
}

/* The settings that hold for a branch: its own, or of the nearest ancestor. */
bool
ledger_settings_of(Oid branch, LedgerSettings *settings)
{
	for (Oid relid = branch; OidIsValid(relid);)
	{
		if (ledger_read_settings(relid, settings))
			return true;
		relid = ledger_partition_parent(relid);
	}
	return false;
}

void
ledger_write_settings(const LedgerSettings *settings)
{
	static LedgerStatement write = {
		"INSERT INTO ledger.managed (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
		" ON CONFLICT (relation) DO UPDATE SET (" COLUMNS ") = ($1, $2, $3, $4, $5, $6, $7, $8)",
		Natts_managed,
		{OIDOID, OIDOID, INTERVALOID, INT4OID, INTERVALOID, INTERVALOID, INTERVALOID, INTERVALOID}
	};
	Datum		values[Natts_managed] = {
		ObjectIdGetDatum(settings->relid),
		ObjectIdGetDatum(settings->owner),
		IntervalPGetDatum(&settings->partition_interval),
		Int32GetDatum(settings->premake),
		IntervalPGetDatum(&settings->retention),
		IntervalPGetDatum(&settings->seal_after),
		IntervalPGetDatum(&settings->max_past),
		IntervalPGetDatum(&settings->max_future)
	};
	char		nulls[Natts_managed + 1] = "        ";

	if (!settings->has_retention)
		nulls[Anum_retention - 1] = 'n';
	(void) ledger_run_statement(&write, values, nulls);
}

/* Returns whether there was a row. */
bool
ledger_delete_settings(Oid relid)
{
	static LedgerStatement delete = {
		"DELETE FROM ledger.managed WHERE relation = $1", 1, {OIDOID}
	};
	Datum		values[1] = {ObjectIdGetDatum(relid)};

	return ledger_run_statement(&delete, values, NULL) > 0;
}
