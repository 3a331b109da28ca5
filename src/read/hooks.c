/*-------------------------------------------------------------------------
 *
 * hooks.c
 *	  What the executor and the planner must be told.
 *
 * The library is loaded before any plan that reads a ledger is made or run,
 * because the relation cache calls its handler, and in parallel workers
 * because the leader had it loaded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/plancat.h"
#include "read/read_internal.h"
#include "utils/relcache.h"

static ExecutorStart_hook_type prev_executor_start = NULL;

#ifdef LEDGER_CORE_PREFETCHES_BITMAP

/*
 * Core's bitmap scan prefetches the blocks that TIDs name, in the main fork.
 * Ours are logical: such a block may be any, or lie past the end of the file,
 * which is an error.
 */
static bool
stop_prefetch(PlanState *planstate, void *context)
{
	if (IsA(planstate, BitmapHeapScanState))
	{
		BitmapHeapScanState *scan = (BitmapHeapScanState *) planstate;
		Relation	rel = scan->ss.ss_currentRelation;

		if (rel != NULL && rel->rd_tableam == ledger_routine())
			scan->prefetch_maximum = 0;
	}
	return planstate_tree_walker(planstate, stop_prefetch, context);
}

/* Whether a plan can have a bitmap scan of a ledger. */
pg_attribute_hot static bool
has_indexed_ledger(const EState *estate)
{
	for (Index i = 0; i < estate->es_range_table_size; i++)
	{
		Relation	rel = estate->es_relations[i];

		if (rel != NULL && rel->rd_tableam == ledger_routine() && rel->rd_rel->relhasindex)
			return true;
	}
	return false;
}

static void
stop_all_prefetch(QueryDesc *queryDesc)
{
	ListCell   *lc;

	if (!has_indexed_ledger(queryDesc->estate))
		return;
	if (queryDesc->planstate != NULL)
		stop_prefetch(queryDesc->planstate, NULL);
	foreach(lc, queryDesc->estate->es_subplanstates)
	{
		PlanState  *planstate = lfirst(lc);

		if (planstate != NULL)
			stop_prefetch(planstate, NULL);
	}
}

static get_relation_info_hook_type prev_get_relation_info = NULL;

/* Whether a query, or one in it, locks rows or changes them. */
static bool
locks_rows(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		if (query->commandType != CMD_SELECT || query->rowMarks != NIL ||
			query->hasModifyingCTE)
			return true;
		return query_tree_walker(query, locks_rows, context, 0);
	}
	return expression_tree_walker(node, locks_rows, context);
}

/*
 * EvalPlanQual starts its copy of the plan without calling ExecutorStart, so
 * the above does not reach it.  Where it could happen, there are no bitmap
 * scans of ledgers.
 */
static void
avoid_bitmap_scans(PlannerInfo *root, Oid relid, bool inhparent, RelOptInfo *rel)
{
	Relation	relation;
	bool		ours;
	bool		rechecks = false;

	if (prev_get_relation_info)
		prev_get_relation_info(root, relid, inhparent, rel);
	if (rel->indexlist == NIL)
		return;

	relation = RelationIdGetRelation(relid);
	ours = relation != NULL && relation->rd_tableam == ledger_routine();
	if (relation != NULL)
		RelationClose(relation);
	if (!ours)
		return;

	for (PlannerInfo *level = root; level != NULL && !rechecks; level = level->parent_root)
		rechecks = level->parent_root != NULL ?
			level->parse->commandType != CMD_SELECT || level->parse->rowMarks != NIL :
			locks_rows((Node *) level->parse, NULL);
	if (rechecks)
	{
		ListCell   *lc;

		foreach(lc, rel->indexlist)
			((IndexOptInfo *) lfirst(lc))->amhasgetbitmap = false;
	}
}

#endif							/* LEDGER_CORE_PREFETCHES_BITMAP */

pg_attribute_hot static void
executor_start(QueryDesc *queryDesc, int eflags)
{
	/* Workers cannot read what is in the leader's memory. */
	if (queryDesc->plannedstmt->parallelModeNeeded && !IsParallelWorker())
		ledger_bulk_flush_all();

	if (prev_executor_start)
		prev_executor_start(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);

#ifdef LEDGER_CORE_PREFETCHES_BITMAP
	stop_all_prefetch(queryDesc);
#endif
}

void
ledger_read_init(void)
{
	prev_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
#ifdef LEDGER_CORE_PREFETCHES_BITMAP
	prev_get_relation_info = get_relation_info_hook;
	get_relation_info_hook = avoid_bitmap_scans;
#endif
	ledger_cache_init();
	ledger_notes_init();
}
