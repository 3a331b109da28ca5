/*-------------------------------------------------------------------------
 *
 * quick.c
 *	  The leaf of a row, without a look at all partitions.
 *
 * To route a row, the server reads the bounds of all partitions into the
 * relation cache, which with a thousand of them takes a new session longer than
 * all the rest.  The partitions of a managed ledger have names that tell their
 * period, and mostly a session appends to the newest.  So, as long as the
 * relation cache does not have the bounds, a leaf is looked up by its name; that
 * it is a partition of the ledger's, and its bounds, are read from the catalogs,
 * with the leaf locked.  What is not found so, the server's routing finds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/append.h"
#include "append/manage.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/tupconvert.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/defrem.h"
#include "executor/executor.h"
#include "nodes/primnodes.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "storage/storage.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* Leaves of a call found so, and leaves remembered: more are for the server. */
#define QUICK_LEAVES_MAX	8

static LedgerLeaf known[QUICK_LEAVES_MAX];	/* branch is InvalidOid: none */
static int	next_known = 0;

/* A leaf that is open */
typedef struct QuickLeaf
{
	LedgerLeaf	leaf;
	ResultRelInfo *rri;
} QuickLeaf;

static void
relation_changed(Datum arg, Oid relid)
{
	for (int i = 0; i < QUICK_LEAVES_MAX; i++)
	{
		if (!OidIsValid(relid) || known[i].branch == relid || known[i].stretch.leaf == relid)
			known[i].branch = InvalidOid;
	}
}

/* Whether leaves of the relation named may be looked for so. */
void
quick_begin(AppendRouter *router)
{
	static bool registered = false;
	Relation	rel = router->call->rel;

	if (!registered)
	{
		ledger_watch_relations(relation_changed);
		registered = true;
	}
	router->quick_leaves = NIL;
	router->quick = rel->rd_partdesc == NULL && rel->rd_partdesc_nodetached == NULL &&
		ledger_branch_key(rel, &router->key);
}

void
quick_end(AppendRouter *router)
{
	ListCell   *lc;

	foreach(lc, router->quick_leaves)
	{
		QuickLeaf  *quick = lfirst(lc);

		ExecCloseIndices(quick->rri);
		relation_close(quick->rri->ri_RelationDesc, NoLock);
	}
	router->quick_leaves = NIL;
}

/* A bound's time; false if it is none. */
static bool
bound_time(List *datums, const LedgerBranchKey *key, Timestamp *at)
{
	PartitionRangeDatum *datum;

	if (list_length(datums) != 1)
		return false;
	datum = linitial_node(PartitionRangeDatum, datums);
	if (datum->kind == PARTITION_RANGE_DATUM_MINVALUE)
		*at = DT_NOBEGIN;
	else if (datum->kind == PARTITION_RANGE_DATUM_MAXVALUE)
		*at = DT_NOEND;
	else if (IsA(datum->value, Const) && !castNode(Const, datum->value)->constisnull)
		*at = ledger_branch_time(key, castNode(Const, datum->value)->constvalue);
	else
		return false;
	return true;
}

/* What a partition covers, of itself. */
static bool
read_stretch(Oid relid, const LedgerBranchKey *key, LedgerStretch *stretch)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	PartitionBoundSpec *spec;
	Datum		bound;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		return false;
	bound = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relpartbound, &isnull);
	spec = isnull ? NULL : stringToNode(TextDatumGetCString(bound));
	ReleaseSysCache(tuple);
	stretch->leaf = relid;
	return spec != NULL && !spec->is_default && spec->strategy == PARTITION_STRATEGY_RANGE &&
		bound_time(spec->lowerdatums, key, &stretch->start) &&
		bound_time(spec->upperdatums, key, &stretch->end);
}

static inline bool
covers(const LedgerLeaf *leaf, Timestamp at)
{
	return at >= leaf->stretch.start && at < leaf->stretch.end;
}

/* The table that has the name of the partition for a time; InvalidOid if none. */
static Oid
find_by_name(AppendRouter *router, Timestamp at, LedgerLeaf *leaf)
{
	Relation	branch = router->call->rel;
	LedgerPeriod period;
	char		label[64];

	leaf->branch = RelationGetRelid(branch);
	leaf->key = router->key;
	/* only its own settings: then a change of these is a change of the branch */
	if (TIMESTAMP_NOT_FINITE(at) || !ledger_settings_of(leaf->branch, &leaf->settings) ||
		leaf->settings.relid != leaf->branch)
		return InvalidOid;
	period = ledger_period_of(&leaf->settings.partition_interval, leaf->key.typid);
	ledger_period_label(&period, ledger_period_at(&period, at).start, label, sizeof(label));
	return get_relname_relid(makeObjectName(RelationGetRelationName(branch), NULL, label),
							 RelationGetNamespace(branch));
}

/*
 * Lock the table and open it, if it is the branch's partition for that time,
 * which is as good as it was when the lock was had; else NULL.
 */
static Relation
open_leaf(Oid relid, Timestamp at, LedgerLeaf *leaf)
{
	Relation	rel;

	LockRelationOid(relid, RowExclusiveLock);
	rel = try_relation_open(relid, NoLock);
	if (rel != NULL && rel->rd_rel->relkind == RELKIND_RELATION &&
		rel->rd_rel->relispartition && get_partition_parent(relid, true) == leaf->branch &&
		!PartitionHasPendingDetach(relid) &&
		read_stretch(relid, &leaf->key, &leaf->stretch) && covers(leaf, at))
		return rel;
	if (rel != NULL)
		relation_close(rel, NoLock);
	UnlockRelationOid(relid, RowExclusiveLock);
	return NULL;
}

/* The leaf for that time, open and locked; NULL if that is for the server to find. */
static Relation
find_leaf(AppendRouter *router, Timestamp at, LedgerLeaf *leaf)
{
	Oid			branch = RelationGetRelid(router->call->rel);
	Relation	rel;
	Oid			relid;

	for (int i = 0; i < QUICK_LEAVES_MAX; i++)
	{
		if (known[i].branch != branch || !covers(&known[i], at))
			continue;
		*leaf = known[i];
		LockRelationOid(leaf->stretch.leaf, RowExclusiveLock);
		/* what has changed since has been heard of, now that we have the lock */
		if (known[i].branch == branch && known[i].stretch.leaf == leaf->stretch.leaf)
			return relation_open(leaf->stretch.leaf, NoLock);
		UnlockRelationOid(leaf->stretch.leaf, RowExclusiveLock);
		break;
	}

	memset(leaf, 0, sizeof(*leaf));
	relid = find_by_name(router, at, leaf);
	rel = OidIsValid(relid) ? open_leaf(relid, at, leaf) : NULL;
	if (rel != NULL)
	{
		known[next_known] = *leaf;
		next_known = (next_known + 1) % QUICK_LEAVES_MAX;
	}
	return rel;
}

/* As the executor does it for a leaf that it has found. */
static ResultRelInfo *
init_leaf(AppendRouter *router, Relation rel)
{
	ResultRelInfo *rri = makeNode(ResultRelInfo);

	InitResultRelInfo(rri, rel, 0, router->root, 0);
	LedgerSetRootToLeafMap(rri, router->root);
	if (rel->rd_rel->relhasindex)
		ExecOpenIndices(rri, router->call->options->skip_conflicts);
	return rri;
}

/* The leaf of the row in router->slot, or NULL if that is for the server to find. */
ResultRelInfo *
quick_find(AppendRouter *router)
{
	TupleTableSlot *slot = router->slot;
	int			i = router->key.attnum - 1;
	MemoryContext oldcxt;
	QuickLeaf  *quick;
	Relation	rel;
	LedgerLeaf	leaf;
	Timestamp	at;
	ListCell   *lc;

	if (!router->quick || slot->tts_isnull[i])
		return NULL;
	at = ledger_branch_time(&router->key, slot->tts_values[i]);
	foreach(lc, router->quick_leaves)
	{
		quick = lfirst(lc);
		if (covers(&quick->leaf, at))
			return quick->rri;
	}
	if (list_length(router->quick_leaves) == QUICK_LEAVES_MAX)
		return NULL;

	oldcxt = MemoryContextSwitchTo(router->call->cxt);
	rel = find_leaf(router, at, &leaf);
	if (rel != NULL)
	{
		quick = palloc(sizeof(QuickLeaf));
		quick->leaf = leaf;
		quick->rri = init_leaf(router, rel);
		router->quick_leaves = lappend(router->quick_leaves, quick);
	}
	MemoryContextSwitchTo(oldcxt);
	return rel == NULL ? NULL : quick->rri;
}

/* The same leaf, if it was found so before: a row must not overtake another. */
ResultRelInfo *
quick_same(AppendRouter *router, ResultRelInfo *rri)
{
	ListCell   *lc;

	foreach(lc, router->quick_leaves)
	{
		QuickLeaf  *quick = lfirst(lc);

		if (RelationGetRelid(quick->rri->ri_RelationDesc) == RelationGetRelid(rri->ri_RelationDesc))
			return quick->rri;
	}
	return rri;
}

/* What is known of a leaf that was found so; NULL if it was not. */
const LedgerLeaf *
quick_leaf(AppendRouter *router, Oid relid)
{
	ListCell   *lc;

	foreach(lc, router->quick_leaves)
	{
		QuickLeaf  *quick = lfirst(lc);

		if (quick->leaf.stretch.leaf == relid)
			return &quick->leaf;
	}
	return NULL;
}
