/*-------------------------------------------------------------------------
 *
 * route.c
 *	  Which leaf a row goes to; and what to do if there is none.
 *
 * The server's own routing keeps the bounds in the relation cache, which knows
 * when they change.  That there is no partition for a row is its error, raised
 * before anything is changed, so it can be caught: of a managed ledger the
 * partition is made, and routing begins anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/append.h"
#include "append/manage.h"

#include "catalog/namespace.h"
#include "executor/execPartition.h"
#include "executor/executor.h"
#include "partitioning/partdesc.h"
#include "utils/lsyscache.h"
#include "write/write.h"

/* "root" is of the relation named, which is partitioned */
void
router_begin(AppendRouter *router, AppendCall *call, ResultRelInfo *root)
{
	EState	   *estate = call->estate;

	/* as copyfrom.c:CopyFrom(): routing wants the node of an INSERT */
	router->call = call;
	router->root = root;
	router->finding = false;
	router->mtstate = makeNode(ModifyTableState);
	router->mtstate->ps.state = estate;
	router->mtstate->operation = CMD_INSERT;
	router->mtstate->mt_nrels = 1;
	router->mtstate->resultRelInfo = root;
	router->mtstate->rootResultRelInfo = root;
	if (call->options->skip_conflicts)
	{
		ModifyTable *plan = makeNode(ModifyTable);

		plan->operation = CMD_INSERT;
		plan->onConflictAction = ONCONFLICT_NOTHING;
		router->mtstate->ps.plan = (Plan *) plan;
	}
	router->routing = NULL;
	quick_begin(router);
	router->slot = ExecInitExtraTupleSlot(estate, RelationGetDescr(call->rel), &TTSOpsVirtual);
}

void
router_end(AppendRouter *router)
{
	EState	   *estate = router->call->estate;

	quick_end(router);
	if (router->routing != NULL)
		ExecCleanupTupleRouting(router->mtstate, router->routing);
	/* it keeps the partitioned tables open */
	if (estate->es_partition_directory)
		DestroyPartitionDirectory(estate->es_partition_directory);
	estate->es_partition_directory = NULL;
	router->routing = NULL;
}

/*
 * An error is being raised.  If no other callback has come after ours, it is
 * not raised inside of a function that the partition key calls.
 */
static void
note_error(void *arg)
{
	AppendRouter *router = arg;

	router->raised_here = error_context_stack == router->context;
}

/* The leaf of the row in router->slot */
ResultRelInfo *
router_find(AppendRouter *router)
{
	ResultRelInfo *result = quick_find(router);
	ErrorContextCallback callback;

	if (result != NULL)
		return result;
	if (router->routing == NULL)
	{
		MemoryContext oldcxt = MemoryContextSwitchTo(router->call->cxt);

		router->routing = ExecSetupPartitionTupleRouting(router->call->estate, router->call->rel);
		MemoryContextSwitchTo(oldcxt);
	}

	callback.callback = note_error;
	callback.arg = router;
	callback.previous = error_context_stack;
	router->context = error_context_stack = &callback;
	router->finding = true;
	router->raised_here = false;
	result = ExecFindPartition(router->mtstate, router->root, router->routing,
							   router->slot, router->call->estate);
	router->finding = false;
	error_context_stack = callback.previous;
	return quick_same(router, result);
}

/*
 * An error has been raised since router_begin(): whether it is that there is no
 * partition for the row in router->slot.
 *
 * Only that can be caught without a subtransaction: what a function in a
 * partition key was at when it failed, as whom, would have to be undone.
 */
bool
router_found_none(AppendRouter *router, const ErrorData *error)
{
	bool		finding = router->finding;

	router->finding = false;
	return finding && router->raised_here && error->sqlerrcode == ERRCODE_CHECK_VIOLATION &&
		error->funcname != NULL && strcmp(error->funcname, "ExecFindPartition") == 0 &&
		error->schema_name != NULL && error->table_name != NULL;
}

static bool
is_within(Oid relid, Oid root)
{
	while (OidIsValid(relid) && relid != root)
		relid = ledger_partition_parent(relid);
	return OidIsValid(relid);
}

/*
 * Whether the table that has no partition for the row is managed, and part of
 * the relation named.  Then notes in the call which that is, and when the row is of.
 */
bool
router_note_missing(AppendRouter *router, const ErrorData *error)
{
	AppendCall *call = router->call;
	TupleTableSlot *slot = router->slot;
	AttrNumber	attnum;
	LedgerBranchKey key;

	call->missing_branch = get_relname_relid(error->table_name,
											 get_namespace_oid(error->schema_name, true));
	if (!is_within(call->missing_branch, RelationGetRelid(call->rel)) ||
		!ledger_is_managed(call->missing_branch, &key))
		return false;
	attnum = get_attnum(RelationGetRelid(call->rel),
						get_attname(call->missing_branch, key.attnum, false));
	if (attnum <= 0 || slot->tts_isnull[attnum - 1])
		return false;
	call->missing_at = ledger_branch_time(&key, slot->tts_values[attnum - 1]);
	return true;
}

/*
 * Whether rows that go to a leaf have to be looked at for their times: NULL if
 * all times that the leaf covers are taken.
 */
AppendLimits *
router_limits(AppendRouter *router, Oid leafid)
{
	const LedgerLeaf *quick = quick_leaf(router, leafid);
	LedgerLeaf	leaf;
	LedgerTimes times;
	AppendLimits *result;

	if (quick != NULL)
		leaf = *quick;
	else if (!ledger_find_leaf(leafid, true, &leaf))
		return NULL;
	ledger_times_taken(&leaf.settings, &leaf.key, &times);
	if (leaf.stretch.end <= times.future && leaf.stretch.start >= times.expired)
		return NULL;
	result = palloc(sizeof(AppendLimits));
	result->branch = get_rel_name(leaf.branch);
	result->key = leaf.key;
	result->times = times;
	result->attnum = get_attnum(RelationGetRelid(router->call->rel),
								get_attname(leaf.branch, leaf.key.attnum, false));
	return result;
}

/* Check the time of the row in router->slot. */
void
router_check_limits(AppendRouter *router, const AppendLimits *limits)
{
	TupleTableSlot *slot = router->slot;
	int			i = limits->attnum - 1;

	if (i >= 0 && !slot->tts_isnull[i])
		ledger_check_time(limits->branch, &limits->key, &limits->times,
						  ledger_branch_time(&limits->key, slot->tts_values[i]));
}
