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

#include "access/table.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/timestamp.h"

/*
 * A table's partition key.  To build it evaluates what is constant in it, with
 * functions that its owner may have written: as the owner, then, not as whoever
 * looks at the views, or the worker.
 */
static PartitionKey
partition_key(Relation rel)
{
	if (rel->rd_partkey == NULL)
	{
		LedgerIdentity before;

		ledger_become(rel->rd_rel->relowner, &before);
		(void) RelationGetPartitionKey(rel);
		ledger_become_again(&before);
	}
	return rel->rd_partkey;
}

/*
 * Whether a relation is partitioned by range of one column of a time type, and
 * by which.
 */
bool
ledger_branch_key(Relation rel, LedgerBranchKey *key)
{
	PartitionKey partkey;

	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return false;
	partkey = partition_key(rel);
	if (partkey->strategy != PARTITION_STRATEGY_RANGE || partkey->partnatts != 1 ||
		partkey->partattrs[0] == 0)
		return false;
	key->attnum = partkey->partattrs[0];
	key->typid = partkey->parttypid[0];
	return key->typid == TIMESTAMPTZOID || key->typid == TIMESTAMPOID || key->typid == DATEOID;
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
	char		strategy;

	CHECK_FOR_INTERRUPTS();
	check_stack_depth();
	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		refuse_structure(relid, _("It is not partitioned."));
	is_branch = ledger_branch_key(rel, &key);
	strategy = partition_key(rel)->strategy;
	table_close(rel, AccessShareLock);

	if (!is_branch && strategy == PARTITION_STRATEGY_RANGE)
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

	/* before the descriptor, which asks for the key, too */
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
	PartitionDesc desc;

	(void) partition_key(branch);
	desc = RelationGetPartitionDesc(branch, false);
	if (desc->boundinfo == NULL || !partition_bound_has_default(desc->boundinfo))
		return InvalidOid;
	return desc->oids[desc->boundinfo->default_index];
}
