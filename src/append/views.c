/*-------------------------------------------------------------------------
 *
 * views.c
 *	  What the views ledger.ledgers, partitions and sealing show.
 *
 * They never wait for a lock: of a table that somebody has for himself, they
 * show only what the catalogs tell.  A leaf is shown under the ledger whose
 * settings hold for it, so that none is counted twice.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/manage.h"
#include "compat.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_partitioned_table.h"
#include "commands/defrem.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "read/read.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "write/write.h"

LEDGER_FUNCTION(ledger_partition_stats);
LEDGER_FUNCTION(ledger_time_range);
LEDGER_FUNCTION(ledger_tail_stats);

/* Open a relation without waiting for a lock; NULL if that cannot be. */
static Relation
open_at_once(Oid relid)
{
	Relation	rel;

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return NULL;
	rel = try_relation_open(relid, NoLock);
	if (rel == NULL)
		UnlockRelationOid(relid, AccessShareLock);
	return rel;
}

/*
 * Whether the user may see how much is in a leaf, and of when: by SELECT on it,
 * or on a table above it, without policies that keep rows from him.
 */
static bool
may_see(Oid leaf)
{
	for (Oid relid = leaf; OidIsValid(relid);)
	{
		if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
			check_enable_rls(relid, InvalidOid, true) != RLS_ENABLED)
			return true;
		relid = ledger_partition_parent(relid);
	}
	return false;
}

/* ---- ledger.partition_stats() ---- */

enum
{
	PART_LEDGER,
	PART_PARTITION,
	PART_START,
	PART_END,
	PART_METHOD,
	PART_ENTRIES,
	PART_TAIL_ENTRIES,
	PART_RAW_BYTES,
	PART_STORED_BYTES,
	PART_COLUMNS
};

static void
set_time(Datum *values, bool *nulls, int i, Timestamp at)
{
	values[i] = TimestampTzGetDatum(at);
	nulls[i] = TIMESTAMP_NOT_FINITE(at);
}

static void
set_count(Datum *values, bool *nulls, int i, int64 count)
{
	values[i] = Int64GetDatum(count);
	nulls[i] = false;
}

static void
measure_leaf(Relation rel, Datum *values, bool *nulls)
{
	int64		stored = 0;

	if (!RELKIND_HAS_TABLE_AM(rel->rd_rel->relkind) || RELATION_IS_OTHER_TEMP(rel))
		return;
	stored = (int64) RelationGetNumberOfBlocks(rel) * BLCKSZ;
	set_count(values, nulls, PART_STORED_BYTES, stored);
	if (ledger_is_ledger(rel))
	{
		LedgerMetaData meta = {0};
		LedgerTail	tail;
		int64		rows;

		(void) ledger_read_meta(rel, &meta);
		ledger_look_at_tail(rel, &tail);
		rows = tail.open_rows + tail.closed_rows;
		set_count(values, nulls, PART_ENTRIES, (int64) meta.totals.entries + rows);
		set_count(values, nulls, PART_TAIL_ENTRIES, rows);
		set_count(values, nulls, PART_RAW_BYTES,
				  (int64) meta.totals.raw_bytes + tail.open_bytes + tail.closed_bytes);
	}
	else
	{
		if (rel->rd_rel->reltuples >= 0)
			set_count(values, nulls, PART_ENTRIES, (int64) rel->rd_rel->reltuples);
		set_count(values, nulls, PART_RAW_BYTES, stored);
	}
}

static void
put_leaf(ReturnSetInfo *result, Oid ledger, Oid relid, Timestamp start, Timestamp end)
{
	Datum		values[PART_COLUMNS] = {0};
	bool		nulls[PART_COLUMNS];
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			method;
	Relation	rel;

	if (!HeapTupleIsValid(tuple))
		return;
	method = ((Form_pg_class) GETSTRUCT(tuple))->relam;
	ReleaseSysCache(tuple);

	memset(nulls, true, sizeof(nulls));
	values[PART_LEDGER] = ObjectIdGetDatum(ledger);
	values[PART_PARTITION] = ObjectIdGetDatum(relid);
	nulls[PART_LEDGER] = nulls[PART_PARTITION] = false;
	set_time(values, nulls, PART_START, start);
	set_time(values, nulls, PART_END, end);
	if (OidIsValid(method))
	{
		char	   *name = get_am_name(method);

		if (name != NULL)
		{
			values[PART_METHOD] = DirectFunctionCall1(namein, CStringGetDatum(name));
			nulls[PART_METHOD] = false;
		}
	}
	rel = may_see(relid) ? open_at_once(relid) : NULL;
	if (rel != NULL)
	{
		measure_leaf(rel, values, nulls);
		relation_close(rel, AccessShareLock);
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_branch(ReturnSetInfo *result, Oid ledger, Relation branch)
{
	List	   *covered = ledger_covered(branch);
	Oid			other = ledger_default_partition(branch);
	ListCell   *lc;

	foreach(lc, covered)
	{
		LedgerStretch *stretch = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		put_leaf(result, ledger, stretch->leaf, stretch->start, stretch->end);
	}
	if (OidIsValid(other))
		put_leaf(result, ledger, other, DT_NOBEGIN, DT_NOEND);
	list_free_deep(covered);
}

/* By the catalogs, as the table may be locked */
static bool
is_ranged(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(PARTRELID, ObjectIdGetDatum(relid));
	bool		ranged = false;

	if (HeapTupleIsValid(tuple))
	{
		ranged = ((Form_pg_partitioned_table) GETSTRUCT(tuple))->partstrat == PARTITION_STRATEGY_RANGE;
		ReleaseSysCache(tuple);
	}
	return ranged;
}

/*
 * Of a table that is not a branch, or that somebody has for himself: add the
 * partitions that have none of their own settings to "todo", and show the
 * leaves of a branch, whose ranges are not known then.
 */
static List *
put_children(ReturnSetInfo *result, Oid ledger, Oid relid, List *todo)
{
	List	   *children = find_inheritance_children(relid, NoLock);
	bool		ranged = is_ranged(relid);
	LedgerSettings settings;
	ListCell   *lc;

	foreach(lc, children)
	{
		if (ledger_read_settings(lfirst_oid(lc), &settings))
			continue;
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_PARTITIONED_TABLE)
			todo = lappend_oid(todo, lfirst_oid(lc));
		else if (ranged)
			put_leaf(result, ledger, lfirst_oid(lc), DT_NOBEGIN, DT_NOEND);
	}
	list_free(children);
	return todo;
}

/*
 * The leaves below a table, but for what has settings of its own.  A tree may
 * be deeper than the stack.
 */
static void
put_tree(ReturnSetInfo *result, Oid ledger)
{
	List	   *todo = list_make1_oid(ledger);

	while (todo != NIL)
	{
		Oid			relid = llast_oid(todo);
		Relation	rel = open_at_once(relid);
		LedgerBranchKey key;

		CHECK_FOR_INTERRUPTS();
		todo = list_delete_last(todo);
		if (rel != NULL && ledger_branch_key(rel, &key))
			put_branch(result, ledger, rel);
		else
			todo = put_children(result, ledger, relid, todo);
		if (rel != NULL)
			relation_close(rel, AccessShareLock);
	}
}

Datum
ledger_partition_stats(PG_FUNCTION_ARGS)
{
	List	   *relids = ledger_all_managed();
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, relids)
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_PARTITIONED_TABLE)
			put_tree((ReturnSetInfo *) fcinfo->resultinfo, lfirst_oid(lc));
	}
	return (Datum) 0;
}

/* ---- ledger.time_range() ---- */

/* time_range(ledger regclass, partition regclass, OUT oldest timestamptz, OUT newest timestamptz) */
Datum
ledger_time_range(PG_FUNCTION_ARGS)
{
	Oid			ledger = PG_GETARG_OID(0);
	Oid			relid = PG_GETARG_OID(1);
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};
	TupleDesc	desc;
	LedgerLeaf	leaf;
	Relation	rel;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	if (ledger_find_leaf(relid, false, &leaf) && leaf.settings.relid == ledger && may_see(relid) &&
		(rel = open_at_once(relid)) != NULL)
	{
		AttrNumber	attnum = get_attnum(relid, get_attname(leaf.branch, leaf.key.attnum, false));

		if (ledger_is_ledger(rel) && !RELATION_IS_OTHER_TEMP(rel) &&
			ledger_column_bounds(rel, attnum, &values[0], &values[1]))
		{
			values[0] = TimestampTzGetDatum(ledger_branch_time(&leaf.key, values[0]));
			values[1] = TimestampTzGetDatum(ledger_branch_time(&leaf.key, values[1]));
			nulls[0] = nulls[1] = false;
		}
		relation_close(rel, AccessShareLock);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* ---- ledger.tail_stats() ---- */

/*
 * tail_stats(partition regclass, OUT open_entries bigint, OUT closed_entries bigint,
 * OUT open_bytes bigint, OUT closed_bytes bigint, OUT oldest timestamptz, OUT holder xid)
 */
Datum
ledger_tail_stats(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Datum		values[6] = {0};
	bool		nulls[6];
	TupleDesc	desc;
	Relation	rel;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	memset(nulls, true, sizeof(nulls));
	rel = get_rel_relkind(relid) == '\0' || !may_see(relid) ? NULL : open_at_once(relid);
	if (rel != NULL)
	{
		if (ledger_is_ledger(rel) && !RELATION_IS_OTHER_TEMP(rel))
		{
			LedgerTail	tail;
			TransactionId holder;

			ledger_look_at_tail(rel, &tail);
			set_count(values, nulls, 0, tail.open_rows);
			set_count(values, nulls, 1, tail.closed_rows);
			set_count(values, nulls, 2, tail.open_bytes);
			set_count(values, nulls, 3, tail.closed_bytes);
			values[4] = TimestampTzGetDatum((TimestampTz) tail.oldest * USECS_PER_SEC);
			nulls[4] = tail.oldest == 0;
			holder = tail.closed_rows > 0 ? ledger_find_holder(rel) : InvalidTransactionId;
			values[5] = TransactionIdGetDatum(holder);
			nulls[5] = !TransactionIdIsValid(holder);
		}
		relation_close(rel, AccessShareLock);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
