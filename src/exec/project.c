/*-------------------------------------------------------------------------
 *
 * project.c
 *	  LedgerScan: target lists and quals that need of jsonb columns no more than
 *	  what paths lead to.
 *
 * Such expressions are replaced, in a copy, by columns of a second slot, which
 * the paths' values are put into; so no document is rebuilt for them.  The plan
 * and what core has made of it stay as they are, and are used for rows of tail
 * pages, rows in doubt and by EvalPlanQual.  The second slot takes the place of
 * a join's inner one, which a scan has none of.
 *
 * A column is left alone if anything else reads it, as its documents are then
 * decoded anyway.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "exec/exec_internal.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"

typedef struct Replacement
{
	Index		relid;
	Bitmapset  *alone;			/* columns that are left alone, as pull_varattnos has them */
	List	   *paths;			/* expressions, by their number in the slot */
} Replacement;

/* ---- Expressions ---- */

static bool
is_replaced(const Replacement *replacement, Node *node)
{
	LedgerFilterInput input;

	if (!IsA(node, OpExpr) && !IsA(node, SubscriptingRef))
		return false;
	return ledger_input_of_expr(node, replacement->relid, &input) &&
		input.kind != LEDGER_INPUT_COLUMN && input.kind != LEDGER_INPUT_CAST &&
		!bms_is_member(input.attnum - FirstLowInvalidHeapAttributeNumber, replacement->alone);
}

static int
number_of(Replacement *replacement, Node *node)
{
	ListCell   *lc;

	foreach(lc, replacement->paths)
		if (equal(lfirst(lc), node))
			return foreach_current_index(lc);
	replacement->paths = lappend(replacement->paths, node);
	return list_length(replacement->paths) - 1;
}

static Node *
replace_paths(Node *node, void *context)
{
	Replacement *replacement = context;

	if (node == NULL)
		return NULL;
	if (is_replaced(replacement, node))
		return (Node *) makeVar(INNER_VAR, number_of(replacement, node) + 1, exprType(node),
								exprTypmod(node), exprCollation(node), 0);
	return expression_tree_mutator(node, replace_paths, context);
}

/* The columns that are read even if all paths are replaced. */
static Bitmapset *
find_alone(Index relid, List *qual, List *tlist)
{
	Replacement replacement = {relid, NULL, NIL};
	Bitmapset  *columns = NULL;

	pull_varattnos(replace_paths((Node *) qual, &replacement), relid, &columns);
	pull_varattnos(replace_paths((Node *) tlist, &replacement), relid, &columns);
	return columns;
}

/* ---- Begin ---- */

static TupleDesc
make_desc(const Replacement *replacement)
{
	TupleDesc	desc = CreateTemplateTupleDesc(list_length(replacement->paths));
	ListCell   *lc;

	foreach(lc, replacement->paths)
	{
		Node	   *path = lfirst(lc);
		AttrNumber	attnum = foreach_current_index(lc) + 1;

		TupleDescInitEntry(desc, attnum, NULL, exprType(path), exprTypmod(path), 0);
		TupleDescInitEntryCollation(desc, attnum, exprCollation(path));
	}
	return desc;
}

/* Paths number "first" to "end" - 1 */
static void
make_set(LedgerPathSet *set, const Replacement *replacement, int first, int end, PlanState *ps)
{
	set->first = first;
	set->n = end - first;
	set->window = LEDGER_WINDOW_FIRST;
	set->inputs = palloc0(Max(set->n, 1) * sizeof(LedgerFilterInput));
	set->values = palloc0(Max(set->n, 1) * sizeof(LedgerInputValues));
	for (int i = 0; i < set->n; i++)
	{
		if (!ledger_input_of_expr(list_nth(replacement->paths, first + i), replacement->relid,
								  &set->inputs[i]))
			elog(ERROR, "an expression that was replaced is no path");
		ledger_input_begin(&set->inputs[i], ps);
	}
}

/*
 * Have paths replaced, where there are some; what is then left to be read of
 * columns is told by *qual and *tlist, which come as the plan has them.
 */
void
ledger_project_begin(LedgerScanState *state, List **qual, List **tlist)
{
	PlanState  *ps = &state->css.ss.ps;
	Relation	rel = state->css.ss.ss_currentRelation;
	Replacement replacement = {((Scan *) ps->plan)->scanrelid, NULL, NIL};
	int			whole = 0 - FirstLowInvalidHeapAttributeNumber;
	LedgerProjection *project;
	List	   *new_qual;
	List	   *new_tlist;
	int			nfirst;

	/* a subplan bears only one state */
	if (ps->state->es_epq_active != NULL || LedgerPlanOrder((CustomScan *) ps->plan) != NIL ||
		ps->ps_ProjInfo == NULL ||
		contain_subplans((Node *) *qual) || contain_subplans((Node *) *tlist))
		return;
	replacement.alone = find_alone(replacement.relid, *qual, *tlist);
	if (bms_is_member(whole, replacement.alone))
		return;
	new_qual = (List *) replace_paths((Node *) *qual, &replacement);
	nfirst = list_length(replacement.paths);
	new_tlist = (List *) replace_paths((Node *) *tlist, &replacement);
	if (replacement.paths == NIL)
		return;

	project = palloc0(sizeof(LedgerProjection));
	project->slot = ExecAllocTableSlot(&ps->state->es_tupleTable, make_desc(&replacement),
									   &TTSOpsVirtual);
	make_set(&project->sets[0], &replacement, 0, nfirst, ps);
	make_set(&project->sets[1], &replacement, nfirst, list_length(replacement.paths), ps);
	project->qual = ExecInitQual(new_qual, ps);
	project->info = ExecBuildProjectionInfo(new_tlist, ps->ps_ExprContext, ps->ps_ResultTupleSlot,
											ps, RelationGetDescr(rel));
	ps->ps_ExprContext->ecxt_innertuple = project->slot;
	state->project = project;
	*qual = new_qual;
	*tlist = new_tlist;
}

/* ---- Rows ---- */

/* A batch begins. */
void
ledger_project_restart(LedgerProjection *project)
{
	ExecClearTuple(project->slot);
	project->sets[0].next = project->sets[1].next = 0;
}

/*
 * Put a set's values of the visible row "index" into the slot.  They are read
 * for a window of rows, or, if few of these will be asked for, for that one.
 */
void
ledger_project_fill(LedgerScanState *state, LedgerPathSet *set, int index, bool few)
{
	LedgerScan *scan = state->fs.scan;
	TupleTableSlot *slot = state->project->slot;
	int			row = scan->visible[index];

	if (set->n > 0 && index >= set->next)
	{
		int			n = few ? 1 : Min(set->window, scan->nvisible - index);

		if (!few)
			set->window = Min(set->window * LEDGER_WINDOW_FACTOR, LEDGER_VECTOR_ROWS);
		for (int i = 0; i < set->n; i++)
			ledger_input_values(&set->inputs[i], scan->batch, RelationGetDescr(state->fs.rel),
								scan->visible + index, n, true, &set->values[i]);
		set->next = index + n;
	}
	for (int i = 0; i < set->n; i++)
	{
		slot->tts_values[set->first + i] = set->values[i].values[row];
		slot->tts_isnull[set->first + i] = set->values[i].isnull[row];
	}
	slot->tts_flags &= ~TTS_FLAG_EMPTY;
	slot->tts_nvalid = slot->tts_tupleDescriptor->natts;
}
