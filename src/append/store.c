/*-------------------------------------------------------------------------
 *
 * store.c
 *	  The fast path: entries straight to the tables they belong in.
 *
 * What ExecInsert() does for a row of a relation without triggers, rules and
 * policies, with rows collected per leaf and stored by one multi-insert, index
 * entries after it, as COPY does.  Order is kept inside a leaf.  Permission to
 * insert is asked of the relation named only, as for INSERT.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/append.h"
#include "compat.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "write/write.h"

/*
 * Rows and memory collected before they are stored: COPY's number of rows, and
 * enough bytes that only wide entries are cut into smaller groups.
 */
#define MAX_COLLECTED_ROWS	1000
#define MAX_COLLECTED_BYTES (4 * 1024 * 1024)

/* The rows collected for one leaf (or for the relation named, if plain) */
typedef struct StoreLeaf
{
	ResultRelInfo *rri;
	TupleConversionMap *map;	/* from the relation named; NULL: same layout */
	int			nrows;
	int			nslots;
	int			maxslots;
	TupleTableSlot **slots;
	int64	   *entries;		/* number of the entry of each row */
	AppendLimits *limits;		/* NULL: no time needs a look */
} StoreLeaf;

typedef struct Store
{
	AppendCall *call;
	ResultRelInfo *root;		/* the relation named */
	List	   *leaves;			/* in the order first met */
	int			ncollected;
	CommandId	cid;

	bool		partitioned;
	AppendRouter router;
} Store;

static bool begin_store(Store *store, AppendCall *call);
static StoreOutcome collect_batch(Store *store, AppendSource *source, bool *more);
static void end_store(Store *store);
static bool collect_entry(Store *store, AppendSource *source, bool *more);
static void fill_slot(AppendCall *call, AppendSource *source,
					  TupleTableSlot *slot, bool *more);
static StoreLeaf *route_row(Store *store);
static StoreLeaf *add_leaf(Store *store, ResultRelInfo *rri);
static bool leaf_needs_executor(ResultRelInfo *rri);
static bool checks_may_look(Relation rel);
static TupleTableSlot *next_slot(Store *store, StoreLeaf *leaf);
static void copy_row(StoreLeaf *leaf, TupleTableSlot *from, TupleTableSlot *to);
static void check_row(Store *store, StoreLeaf *leaf, TupleTableSlot *slot);
static int64 flush(Store *store);
static int64 flush_leaf(Store *store, StoreLeaf *leaf);
static int64 flush_unless_conflict(Store *store, StoreLeaf *leaf);
static void flush_multi(Store *store, StoreLeaf *leaf);
static void discard(Store *store);


/*
 * Store the source's entries and add their number to *stored.  Where that ends
 * early, the source stands at the first entry that is not stored.
 */
StoreOutcome
store_entries(AppendCall *call, AppendSource *source, int64 *stored)
{
	Store		store;
	bool		more = true;
	StoreOutcome outcome;

	if (call->target->needs_executor ||
		OidIsValid(call->target->executor_leaf) ||
		(call->target->row_security &&
		 check_enable_rls(RelationGetRelid(call->rel), InvalidOid, true) == RLS_ENABLED))
		return STORE_NEEDS_EXECUTOR;

	outcome = begin_store(&store, call) ? STORE_DONE : STORE_NEEDS_EXECUTOR;
	while (outcome == STORE_DONE && more)
	{
		AppendSource start = *source;

		outcome = collect_batch(&store, source, &more);
		if (outcome == STORE_DONE)
			*stored += flush(&store);
		else
		{
			discard(&store);
			source->position = start.position;
		}
		if (outcome != STORE_NEEDS_PARTITION)
			*call->entry = 0;
	}
	end_store(&store);
	return outcome;
}

/* Collect entries, until there are enough or no more. */
static StoreOutcome
collect_batch(Store *store, AppendSource *source, bool *more)
{
	MemoryContext oldcxt = CurrentMemoryContext;
	volatile StoreOutcome outcome = STORE_DONE;

	PG_TRY();
	{
		while (outcome == STORE_DONE && *more && store->ncollected < MAX_COLLECTED_ROWS &&
			   MemoryContextMemAllocated(store->call->batchcxt, false) < MAX_COLLECTED_BYTES)
		{
			CHECK_FOR_INTERRUPTS();
			if (!collect_entry(store, source, more))
				outcome = STORE_NEEDS_EXECUTOR;
		}
	}
	PG_CATCH();
	{
		ErrorData  *error;

		if (!store->partitioned || !store->router.finding)
			PG_RE_THROW();
		MemoryContextSwitchTo(oldcxt);
		error = CopyErrorData();
		FlushErrorState();
		if (!router_found_none(&store->router, error) ||
			!router_note_missing(&store->router, error))
			ReThrowError(error);
		FreeErrorData(error);
		outcome = STORE_NEEDS_PARTITION;
	}
	PG_END_TRY();
	return outcome;
}

/* False if the relation named has what the fast path does not do. */
static bool
begin_store(Store *store, AppendCall *call)
{
	EState	   *estate = call->estate;
	MemoryContext oldcxt = MemoryContextSwitchTo(call->cxt);
	bool		able;

	memset(store, 0, sizeof(Store));
	store->call = call;
	store->cid = GetCurrentCommandId(true);
	LedgerInitRangeTable(estate, call->range_table, call->perminfos);

	store->root = makeNode(ResultRelInfo);
	InitResultRelInfo(store->root, call->rel, 1, NULL, 0);

	if (call->rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
	{
		store->partitioned = true;
		router_begin(&store->router, call, store->root);
		able = true;
	}
	else
	{
		ExecOpenIndices(store->root, call->options->skip_conflicts);
		able = !leaf_needs_executor(store->root);
		add_leaf(store, store->root);
	}
	MemoryContextSwitchTo(oldcxt);
	return able;
}

static void
end_store(Store *store)
{
	ExecResetTupleTable(store->call->estate->es_tupleTable, false);
	store->call->estate->es_tupleTable = NIL;
	if (store->partitioned)
		router_end(&store->router);
	else
		ExecCloseIndices(store->root);
	CommandCounterIncrement();
}

/*
 * Take one entry from the source (*more tells whether there was one), check
 * it, and keep it with its leaf.  False if its leaf needs the executor.
 */
static bool
collect_entry(Store *store, AppendSource *source, bool *more)
{
	AppendCall *call = store->call;
	StoreLeaf  *leaf;
	TupleTableSlot *slot;

	if (!store->partitioned)
	{
		leaf = linitial(store->leaves);
		slot = next_slot(store, leaf);
		fill_slot(call, source, slot, more);
		if (!*more)
			return true;
	}
	else
	{
		fill_slot(call, source, store->router.slot, more);
		if (!*more)
			return true;
		leaf = route_row(store);
		if (leaf == NULL)
			return false;
		if (leaf->limits != NULL)
			router_check_limits(&store->router, leaf->limits);
		slot = next_slot(store, leaf);
		copy_row(leaf, store->router.slot, slot);
	}

	check_row(store, leaf, slot);
	leaf->entries[leaf->nrows++] = *call->entry;
	store->ncollected++;
	ResetPerTupleExprContext(call->estate);
	return true;
}

/* The values stay in the batch's memory; the slot only points to them. */
static void
fill_slot(AppendCall *call, AppendSource *source, TupleTableSlot *slot,
		  bool *more)
{
	int			natts = slot->tts_tupleDescriptor->natts;
	MemoryContext oldcxt = MemoryContextSwitchTo(call->batchcxt);

	ExecClearTuple(slot);
	/* dropped and generated columns */
	memset(slot->tts_values, 0, natts * sizeof(Datum));
	memset(slot->tts_isnull, true, natts * sizeof(bool));
	*more = source->next(source, call, slot->tts_values, slot->tts_isnull);
	if (*more)
		ExecStoreVirtualTuple(slot);
	MemoryContextSwitchTo(oldcxt);
}

/* The leaf of the row in the router's slot, or NULL if that needs the executor */
static StoreLeaf *
route_row(Store *store)
{
	ResultRelInfo *rri = router_find(&store->router);

	/*
	 * COPY keeps its buffer of a leaf there, and these ResultRelInfos are
	 * ours, so this field is where to find our own.
	 */
	if (rri->ri_CopyMultiInsertBuffer != NULL)
		return (StoreLeaf *) rri->ri_CopyMultiInsertBuffer;

	if (leaf_needs_executor(rri))
	{
		store->call->target->executor_leaf = RelationGetRelid(rri->ri_RelationDesc);
		return NULL;
	}
	return add_leaf(store, rri);
}

static StoreLeaf *
add_leaf(Store *store, ResultRelInfo *rri)
{
	MemoryContext oldcxt = MemoryContextSwitchTo(store->call->cxt);
	StoreLeaf  *leaf = palloc0(sizeof(StoreLeaf));

	leaf->rri = rri;
	if (store->call->options->skip_conflicts && !conflict_possible(rri))
		conflict_refuse(rri->ri_RelationDesc);
	if (store->partitioned)
	{
		leaf->map = LedgerRootToLeafMap(rri, store->call->estate);
		leaf->limits = router_limits(&store->router, RelationGetRelid(rri->ri_RelationDesc));
	}
	rri->ri_CopyMultiInsertBuffer = (struct CopyMultiInsertBuffer *) leaf;
	store->leaves = lappend(store->leaves, leaf);
	MemoryContextSwitchTo(oldcxt);
	return leaf;
}

static bool
leaf_needs_executor(ResultRelInfo *rri)
{
	TriggerDesc *triggers = rri->ri_TrigDesc;

	if (rri->ri_FdwRoutine != NULL)
		return true;
	if (triggers != NULL &&
		(triggers->trig_insert_before_row || triggers->trig_insert_after_row ||
		 triggers->trig_insert_new_table))
		return true;
	for (int i = 0; i < rri->ri_NumIndices; i++)
	{
		if (rri->ri_IndexRelationInfo[i]->ii_ExclusionOps != NULL)
			return true;
	}
	return checks_may_look(rri->ri_RelationDesc);
}

/* Whether a CHECK constraint might look at rows stored before. */
static bool
checks_may_look(Relation rel)
{
	TupleConstr *constr = RelationGetDescr(rel)->constr;

	for (int i = 0; constr != NULL && i < constr->num_check; i++)
	{
		if (target_may_look(stringToNode(constr->check[i].ccbin)))
			return true;
	}
	return false;
}

/* The slot for the leaf's next row */
static TupleTableSlot *
next_slot(Store *store, StoreLeaf *leaf)
{
	if (leaf->nrows == leaf->nslots)
	{
		EState	   *estate = store->call->estate;
		Relation	rel = leaf->rri->ri_RelationDesc;
		MemoryContext oldcxt = MemoryContextSwitchTo(store->call->cxt);

		if (leaf->nslots == leaf->maxslots)
		{
			int			max = leaf->maxslots == 0 ? 16 : leaf->maxslots * 2;

			leaf->slots = leaf->maxslots == 0 ?
				palloc(max * sizeof(TupleTableSlot *)) :
				repalloc(leaf->slots, max * sizeof(TupleTableSlot *));
			leaf->entries = leaf->maxslots == 0 ?
				palloc(max * sizeof(int64)) :
				repalloc(leaf->entries, max * sizeof(int64));
			leaf->maxslots = max;
		}
		leaf->slots[leaf->nslots] = table_slot_create(rel, &estate->es_tupleTable);
		leaf->slots[leaf->nslots++]->tts_tableOid = RelationGetRelid(rel);
		MemoryContextSwitchTo(oldcxt);
	}
	return leaf->slots[leaf->nrows];
}

static void
copy_row(StoreLeaf *leaf, TupleTableSlot *from, TupleTableSlot *to)
{
	int			natts = to->tts_tupleDescriptor->natts;

	ExecClearTuple(to);
	if (leaf->map == NULL)
	{
		memcpy(to->tts_values, from->tts_values, natts * sizeof(Datum));
		memcpy(to->tts_isnull, from->tts_isnull, natts * sizeof(bool));
	}
	else
	{
		AttrNumber *attnums = leaf->map->attrMap->attnums;

		for (int i = 0; i < natts; i++)
		{
			bool		absent = attnums[i] == 0;

			to->tts_values[i] = absent ? (Datum) 0 : from->tts_values[attnums[i] - 1];
			to->tts_isnull[i] = absent || from->tts_isnull[attnums[i] - 1];
		}
	}
	ExecStoreVirtualTuple(to);
}

/* Generated columns and constraints, in ExecInsert()'s order */
static void
check_row(Store *store, StoreLeaf *leaf, TupleTableSlot *slot)
{
	EState	   *estate = store->call->estate;
	ResultRelInfo *rri = leaf->rri;
	Relation	rel = rri->ri_RelationDesc;
	TupleConstr *constr = RelationGetDescr(rel)->constr;

	slot->tts_tableOid = RelationGetRelid(rel);
	if (constr != NULL && constr->has_generated_stored)
		ExecComputeStoredGenerated(rri, estate, slot, CMD_INSERT);
	if (constr != NULL)
		ExecConstraints(rri, slot, estate);
	/* what was routed is where it belongs */
	if (rel->rd_rel->relispartition && !store->partitioned)
		ExecPartitionCheck(rri, slot, estate, true);
}

/* Store what is collected; the number of rows that are stored then. */
static int64
flush(Store *store)
{
	AppendCall *call = store->call;
	int64		n = 0;
	ListCell   *lc;

	*call->entry = 0;
	if (call->used_grew && !call->table_privilege)
		LedgerCheckPermissions(call->range_table, call->perminfos);
	call->used_grew = false;

	foreach(lc, store->leaves)
	{
		StoreLeaf  *leaf = lfirst(lc);

		if (leaf->nrows > 0)
			n += flush_leaf(store, leaf);
	}
	store->ncollected = 0;
	MemoryContextReset(call->batchcxt);
	return n;
}

static int64
flush_leaf(Store *store, StoreLeaf *leaf)
{
	int64		n = leaf->nrows;

	if (store->call->options->skip_conflicts)
		n = flush_unless_conflict(store, leaf);
	else
		flush_multi(store, leaf);
	for (int i = 0; i < leaf->nrows; i++)
		ExecClearTuple(leaf->slots[i]);
	leaf->nrows = 0;
	ResetPerTupleExprContext(store->call->estate);
	return n;
}

/* Store the leaf's rows one by one, but for those that conflict. */
static int64
flush_one_by_one(Store *store, StoreLeaf *leaf)
{
	EState	   *estate = store->call->estate;
	MemoryContext oldcxt = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
	int64		n = 0;

	for (int i = 0; i < leaf->nrows; i++)
	{
		*store->call->entry = leaf->entries[i];
		if (conflict_insert(leaf->rri, leaf->slots[i], estate, store->cid))
			n++;
		ResetPerTupleExprContext(estate);
	}
	MemoryContextSwitchTo(oldcxt);
	return n;
}

/*
 * Move the rows that conflict with what is stored behind the others; returns how
 * many others there are.
 */
static int
find_conflicts(Store *store, StoreLeaf *leaf)
{
	EState	   *estate = store->call->estate;
	TupleTableSlot **conflicting = palloc(leaf->nrows * sizeof(TupleTableSlot *));
	int64	   *entries = palloc(leaf->nrows * sizeof(int64));
	int			nfree = 0;
	int			nconflicting = 0;

	for (int i = 0; i < leaf->nrows; i++)
	{
		MemoryContext oldcxt = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
		bool		conflicts;

		*store->call->entry = leaf->entries[i];
		conflicts = conflict_exists(leaf->rri, leaf->slots[i], estate);
		MemoryContextSwitchTo(oldcxt);
		ResetPerTupleExprContext(estate);
		if (conflicts)
		{
			conflicting[nconflicting] = leaf->slots[i];
			entries[nconflicting++] = leaf->entries[i];
		}
		else
		{
			TupleTableSlot *slot = leaf->slots[i];

			leaf->slots[nfree] = slot;
			leaf->entries[nfree++] = leaf->entries[i];
		}
	}
	for (int i = 0; i < nconflicting; i++)
	{
		leaf->slots[nfree + i] = conflicting[i];
		leaf->entries[nfree + i] = entries[i];
	}
	pfree(conflicting);
	pfree(entries);
	return nfree;
}

typedef struct FlushWork
{
	Store	   *store;
	StoreLeaf  *leaf;
} FlushWork;

static void
flush_work(void *arg)
{
	FlushWork  *work = arg;

	flush_multi(work->store, work->leaf);
}

/*
 * Store the leaf's rows but for those that conflict; returns how many.
 *
 * Those that do not conflict now are stored together, in a subtransaction.  If
 * one does after all, with a row of the same batch or of somebody who was
 * quicker, they are taken one by one.
 */
static int64
flush_unless_conflict(Store *store, StoreLeaf *leaf)
{
	FlushWork	work = {store, leaf};
	ErrorData  *error;
	int			nrows = leaf->nrows;
	int			nfree;

	if (nrows == 1)
		return flush_one_by_one(store, leaf);
	nfree = find_conflicts(store, leaf);
	leaf->nrows = nfree;
	error = nfree == 0 ? NULL : ledger_try_work(flush_work, &work);
	if (error != NULL)
	{
		if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION)
			ReThrowError(error);
		FreeErrorData(error);
		nfree = flush_one_by_one(store, leaf);
	}
	leaf->nrows = nrows;
	return nfree;
}

static void
flush_multi(Store *store, StoreLeaf *leaf)
{
	AppendCall *call = store->call;
	EState	   *estate = call->estate;
	Relation	rel = leaf->rri->ri_RelationDesc;
	MemoryContext oldcxt;

	/* what goes wrong here cannot be laid at one entry's door, unless alone */
	if (leaf->nrows > 1)
		*call->entry = 0;
	else
		*call->entry = leaf->entries[0];

	/* an access method may leak here */
	oldcxt = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
	if (leaf->nrows > 1)
		table_multi_insert(rel, leaf->slots, leaf->nrows, store->cid, 0, NULL);
	else
		table_tuple_insert(rel, leaf->slots[0], store->cid, 0, NULL);
	MemoryContextSwitchTo(oldcxt);

	for (int i = 0; leaf->rri->ri_NumIndices > 0 && i < leaf->nrows; i++)
	{
		*call->entry = leaf->entries[i];
		/* no deferrable constraint: that would be a trigger */
		(void) LedgerInsertIndexTuples(leaf->rri, leaf->slots[i], estate);
		ResetPerTupleExprContext(estate);
	}
}

/* Forget what is collected. */
static void
discard(Store *store)
{
	ListCell   *lc;

	foreach(lc, store->leaves)
	{
		StoreLeaf  *leaf = lfirst(lc);

		for (int i = 0; i < leaf->nrows; i++)
			ExecClearTuple(leaf->slots[i]);
		leaf->nrows = 0;
	}
	store->ncollected = 0;
	MemoryContextReset(store->call->batchcxt);
}
