/*-------------------------------------------------------------------------
 *
 * branch.c
 *	  The partitioned tables of a managed ledger, and what they cover.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/manage.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/*
 * What is asked of partition keys is asked of the catalogs.  Where a key has
 * expressions, the relation cache evaluates what is constant in them to build
 * it, by functions that the table's owner may have written: whoever looks at
 * the views, or maintains, must neither run these nor be stopped by them.
 */
static HeapTuple
partition_key(Relation rel)
{
	HeapTuple	tuple = SearchSysCache1(PARTRELID, ObjectIdGetDatum(RelationGetRelid(rel)));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for partition key of relation %u", RelationGetRelid(rel));
	return tuple;
}

static bool
is_by_range(Relation rel)
{
	HeapTuple	tuple = partition_key(rel);
	bool		result = ((Form_pg_partitioned_table) GETSTRUCT(tuple))->partstrat == PARTITION_STRATEGY_RANGE;

	ReleaseSysCache(tuple);
	return result;
}

/* The operator class of the first column of a partition key */
static Oid
key_class(HeapTuple tuple)
{
	bool		isnull;
	Datum		classes = SysCacheGetAttr(PARTRELID, tuple, Anum_pg_partitioned_table_partclass, &isnull);

	return ((oidvector *) DatumGetPointer(classes))->values[0];
}

/*
 * Whether a relation is partitioned by range of one column of a time type, and
 * by which.  Such a key has no expressions, and is compared by the server's own
 * functions, so the relation cache may be asked for the rest.
 */
bool
ledger_branch_key(Relation rel, LedgerBranchKey *key)
{
	HeapTuple	tuple;
	Form_pg_partitioned_table form;
	bool		result = false;

	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return false;
	tuple = partition_key(rel);
	form = (Form_pg_partitioned_table) GETSTRUCT(tuple);
	if (form->partstrat == PARTITION_STRATEGY_RANGE && form->partnatts == 1 &&
		form->partattrs.values[0] > 0)
	{
		key->attnum = form->partattrs.values[0];
		key->typid = TupleDescAttr(RelationGetDescr(rel), key->attnum - 1)->atttypid;
		result = (key->typid == TIMESTAMPTZOID || key->typid == TIMESTAMPOID ||
				  key->typid == DATEOID) &&
			key_class(tuple) == GetDefaultOpClass(key->typid, BTREE_AM_OID);
	}
	ReleaseSysCache(tuple);
	return result;
}

static void
refuse_structure(Oid relid, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("cannot manage \"%s\"", get_rel_name(relid)),
			 errdetail_internal("%s", detail),
			 errhint("A managed ledger is partitioned by range of a timestamptz, timestamp or date column, or by list or hash into tables that are.")));
}

static void
find_branches(Oid relid, List **result)
{
	Relation	rel = table_open(relid, AccessShareLock);
	LedgerBranchKey key;
	List	   *children;
	ListCell   *cell;
	bool		is_branch;
	bool		by_range;

	CHECK_FOR_INTERRUPTS();
	check_stack_depth();
	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		refuse_structure(relid, _("It is not partitioned."));
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		refuse_structure(relid, _("It is temporary."));
	is_branch = ledger_branch_key(rel, &key);
	by_range = is_by_range(rel);
	table_close(rel, AccessShareLock);

	if (!is_branch && by_range)
		refuse_structure(relid, _("It is partitioned by range of something else than one such column."));
	if (is_branch)
		*result = lappend_oid(*result, relid);
	/* leaves are only looked at, and may be many */
	children = find_inheritance_children(relid, is_branch ? NoLock : AccessShareLock);
	foreach(cell, children)
	{
		Oid			child = lfirst_oid(cell);
		bool		partitioned = get_rel_relkind(child) == RELKIND_PARTITIONED_TABLE;

		if (is_branch && partitioned)
			refuse_structure(child, _("It is below a table that is partitioned by time, and is partitioned again."));
		if (!is_branch)
			find_branches(child, result);
	}
	list_free(children);
}

/* The branches of a tree, in the order of their tables; an error if it is none. */
List *
ledger_find_branches(Oid relid)
{
	List	   *result = NIL;

	find_branches(relid, &result);
	return result;
}

/* The present, as the column would have it. */
Timestamp
ledger_branch_now(const LedgerBranchKey *key)
{
	TimestampTz now = GetCurrentTimestamp();

	if (key->typid == TIMESTAMPTZOID)
		return now;
	return DatumGetTimestamp(DirectFunctionCall1(timestamptz_timestamp,
												 TimestampTzGetDatum(now)));
}

/* A value of the column as a time. */
Timestamp
ledger_branch_time(const LedgerBranchKey *key, Datum value)
{
	if (key->typid == DATEOID)
	{
		DateADT		date = DatumGetDateADT(value);

		if (DATE_IS_NOBEGIN(date))
			return DT_NOBEGIN;
		if (DATE_IS_NOEND(date))
			return DT_NOEND;
		/* a date may be later than any timestamp */
		if (date >= TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE)
			return END_TIMESTAMP - 1;
		return (Timestamp) date * USECS_PER_DAY;
	}
	return DatumGetTimestamp(value);
}

static Timestamp
bound_time(PartitionBoundInfo bounds, int i, const LedgerBranchKey *key)
{
	switch (bounds->kind[i][0])
	{
		case PARTITION_RANGE_DATUM_MINVALUE:
			return DT_NOBEGIN;
		case PARTITION_RANGE_DATUM_MAXVALUE:
			return DT_NOEND;
		case PARTITION_RANGE_DATUM_VALUE:
			break;
	}
	return ledger_branch_time(key, bounds->datums[i][0]);
}

/* What a branch's partitions cover: LedgerStretches, ascending. */
List *
ledger_covered(Relation branch)
{
	PartitionDesc desc;
	PartitionBoundInfo bounds;
	LedgerBranchKey key;
	List	   *result = NIL;

	if (!ledger_branch_key(branch, &key))
		elog(ERROR, "relation %u is not partitioned by time", RelationGetRelid(branch));
	desc = RelationGetPartitionDesc(branch, false);
	bounds = desc->boundinfo;
	for (int i = 0; bounds != NULL && i + 1 < bounds->ndatums; i++)
	{
		LedgerStretch *stretch;

		/* indexes[i + 1] is the partition between bounds i and i + 1 */
		if (bounds->indexes[i + 1] < 0)
			continue;
		stretch = palloc(sizeof(LedgerStretch));
		stretch->leaf = desc->oids[bounds->indexes[i + 1]];
		stretch->start = bound_time(bounds, i, &key);
		stretch->end = bound_time(bounds, i + 1, &key);
		result = lappend(result, stretch);
	}
	return result;
}

/* A branch's default partition, or InvalidOid. */
Oid
ledger_default_partition(Relation branch)
{
	PartitionDesc desc = RelationGetPartitionDesc(branch, false);

	if (desc->boundinfo == NULL || !partition_bound_has_default(desc->boundinfo))
		return InvalidOid;
	return desc->oids[desc->boundinfo->default_index];
}
