/*-------------------------------------------------------------------------
 *
 * node.c
 *	  LedgerScan in the executor.
 *
 * The filters have shortened the list of visible rows of a batch (filtered.c);
 * the other columns are decoded, for the rows that are left, a window of rows at
 * a time, so that a query that stops early has not decoded much for nothing.
 *
 * The rows are shown in a TupleTableSlot of ledgers: rows of a tail run as
 * ever, those of a segment with the values put into it here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/sysattr.h"
#include "exec/exec_internal.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"

static void begin_scan(CustomScanState *css, EState *estate, int eflags);
static TupleTableSlot *exec_scan(CustomScanState *css);
static void end_scan(CustomScanState *css);
static void rescan(CustomScanState *css);
static Size estimate_dsm(CustomScanState *css, ParallelContext *pcxt);
static void initialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate);
static void reinitialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate);
static void initialize_worker(CustomScanState *css, shm_toc *toc, void *coordinate);
static void shutdown_scan(CustomScanState *css);

static const CustomExecMethods exec_methods = {
	.CustomName = "LedgerScan",
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.EstimateDSMCustomScan = estimate_dsm,
	.InitializeDSMCustomScan = initialize_dsm,
	.ReInitializeDSMCustomScan = reinitialize_dsm,
	.InitializeWorkerCustomScan = initialize_worker,
	.ShutdownCustomScan = shutdown_scan,
	.ExplainCustomScan = ledger_scan_explain
};

Node *
ledger_scan_create_state(CustomScan *cscan)
{
	LedgerScanState *state = (LedgerScanState *) newNode(sizeof(LedgerScanState), T_CustomScanState);

	state->css.methods = &exec_methods;
	LedgerSetCustomSlotOps(&state->css, &LedgerSlotOps);
	return (Node *) state;
}

/* ---- Begin ---- */

/* Make columns of attribute numbers as pull_varattnos has them. */
static void
make_set(LedgerColumnSet *set, Bitmapset *attributes, Bitmapset *without, int natts)
{
	int			whole = 0 - FirstLowInvalidHeapAttributeNumber;
	bool		all = bms_is_member(whole, attributes);
	bool		none = bms_is_member(whole, without);

	set->columns = palloc(natts * sizeof(int));
	set->decoded = palloc0(natts * sizeof(LedgerBatchColumn *));
	for (int i = 0; i < natts && !none; i++)
	{
		int			member = i + 1 - FirstLowInvalidHeapAttributeNumber;

		if ((all || bms_is_member(member, attributes)) && !bms_is_member(member, without))
			set->columns[set->ncolumns++] = i;
	}
}

/* The plan's qual without the clauses that are filters, too: see plan.c. */
static List *
sure_clauses(const CustomScan *plan)
{
	List	   *sure = NIL;
	ListCell   *clause;
	ListCell   *is_filter;

	forboth(clause, plan->scan.plan.qual, is_filter, LedgerPlanAgain(plan))
	{
		if (!lfirst_int(is_filter))
			sure = lappend(sure, lfirst(clause));
	}
	return sure;
}

static void
find_columns(LedgerScanState *state)
{
	CustomScan *plan = (CustomScan *) state->css.ss.ps.plan;
	int			natts = RelationGetDescr(state->css.ss.ss_currentRelation)->natts;
	List	   *clauses = sure_clauses(plan);
	List	   *tlist = plan->scan.plan.targetlist;
	Bitmapset  *sure = NULL;
	Bitmapset  *qual = NULL;
	Bitmapset  *all = NULL;

	ledger_project_begin(state, &clauses, &tlist);
	pull_varattnos((Node *) clauses, plan->scan.scanrelid, &sure);
	pull_varattnos((Node *) plan->scan.plan.qual, plan->scan.scanrelid, &qual);
	pull_varattnos((Node *) plan->custom_exprs, plan->scan.scanrelid, &qual);
	pull_varattnos((Node *) tlist, plan->scan.scanrelid, &all);
	make_set(&state->first, sure, NULL, natts);
	make_set(&state->doubted, qual, sure, natts);
	make_set(&state->rest, all, sure, natts);
}

/*
 * Of rows in doubt, the qual asks again what filters have asked; if there is
 * none, these clauses alone are.  It is only asked of a row in its turn: who
 * wants but a few rows may never come to one that is an error.
 */
static void
set_quals(LedgerScanState *state)
{
	PlanState  *ps = &state->css.ss.ps;
	List	   *sure = sure_clauses((CustomScan *) ps->plan);

	if (list_length(sure) == list_length(ps->plan->qual))
		state->sure = ps->qual;
	else
		state->sure = ExecInitQual(sure, ps);
	state->fs.leave_doubt = true;
}

/*
 * Where core has made the scan's slot a virtual one, put one of ours in its
 * place, with what depends on it.
 */
static void
set_slot(LedgerScanState *state, EState *estate)
{
#ifndef LEDGER_CUSTOM_SLOT_OPS
	ScanState  *ss = &state->css.ss;

	ss->ps.subPlan = NIL;
	ExecInitScanTupleSlot(estate, ss, RelationGetDescr(ss->ss_currentRelation), &LedgerSlotOps);
	ExecAssignScanProjectionInfo(ss);
	ss->ps.qual = ExecInitQual(ss->ps.plan->qual, &ss->ps);
#endif
}

static void
begin_scan(CustomScanState *css, EState *estate, int eflags)
{
	LedgerScanState *state = (LedgerScanState *) css;
	CustomScan *plan = (CustomScan *) css->ss.ps.plan;

	set_slot(state, estate);
	find_columns(state);
	ledger_filtered_begin(&state->fs, css->ss.ss_currentRelation, plan->scan.scanrelid,
						  plan->custom_exprs, &css->ss.ps, css->ss.ss_ScanTupleSlot);
	/* this also checks the right to execute the operators' functions */
	state->recheck = ExecInitQual(plan->custom_exprs, &css->ss.ps);
	set_quals(state);
	state->first.window = state->rest.window = LEDGER_WINDOW_FIRST;
	if (LedgerPlanOrder(plan) != NIL)
		ledger_order_begin(state);
}

/* ---- Batches ---- */

static void
restart_set(LedgerColumnSet *set)
{
	set->next = 0;
	memset(set->decoded, 0, set->ncolumns * sizeof(LedgerBatchColumn *));
}

/* The next batch that has a row for us; false if there is none. */
static bool
next_batch(LedgerScanState *state)
{
	if (!ledger_filtered_next_batch(&state->fs))
		return false;
	state->current = -1;
	state->values_reset = false;
	restart_set(&state->first);
	restart_set(&state->doubted);
	restart_set(&state->rest);
	if (state->project != NULL)
		ledger_project_restart(state->project);
	return true;
}

/* ---- Rows ---- */

/*
 * Have the set's columns decoded for visible rows from "index" on: a window of
 * them, or, if few of these will be asked for, for that one.
 */
static void
decode_window(LedgerScanState *state, LedgerColumnSet *set, int index, bool few)
{
	LedgerScan *scan = state->fs.scan;
	LedgerBatch *batch = scan->batch;
	int			ncolumns = ledger_reader_root(batch->reader)->ncolumns;
	int			n = few ? 1 : Min(set->window, scan->nvisible - index);

	if (!few)
		set->window = Min(set->window * LEDGER_WINDOW_FACTOR, LEDGER_VECTOR_ROWS);
	for (int i = 0; i < set->ncolumns; i++)
		set->decoded[i] = set->columns[i] >= ncolumns ? NULL :
			ledger_batch_column(batch, RelationGetDescr(scan->base.rs_rd), set->columns[i],
								scan->visible + index, n);
	set->next = index + n;
}

/* Put a set's values of the current row into the slot. */
static void
fill(LedgerScanState *state, LedgerColumnSet *set, bool few)
{
	TupleTableSlot *slot = state->css.ss.ss_ScanTupleSlot;
	int			row = state->fs.scan->visible[state->current];

	if (set->ncolumns == 0)
		return;
	if (state->current >= set->next)
		decode_window(state, set, state->current, few);
	for (int i = 0; i < set->ncolumns; i++)
	{
		int			column = set->columns[i];
		const LedgerBatchColumn *decoded = set->decoded[i];

		if (decoded != NULL)
		{
			slot->tts_values[column] = decoded->values[row];
			slot->tts_isnull[column] = decoded->isnull[row];
		}
		else
			slot->tts_values[column] = getmissingattr(slot->tts_tupleDescriptor, column + 1,
													  &slot->tts_isnull[column]);
	}
}

/* Show the next row, with what the plan's qual needs; false at the end. */
static bool
advance(LedgerScanState *state)
{
	TupleTableSlot *slot = state->css.ss.ss_ScanTupleSlot;
	LedgerScan *scan = state->fs.scan;

	if (state->order != NULL)
		return ledger_order_advance(state);
	if (!scan->loaded || state->current + 1 >= scan->nvisible)
	{
		if (!next_batch(state))
			return false;
	}
	state->current++;
	ledger_slot_show_row(slot, scan->batch, scan->visible[state->current]);
	pgstat_count_heap_getnext(scan->base.rs_rd);
	if (scan->batch->page != NULL)
		return true;

	if (!state->values_reset)
	{
		/* columns that nobody reads, which may have been a tail row's */
		memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
		state->values_reset = true;
	}
	if (state->project != NULL)
		ledger_project_fill(state, &state->project->sets[0], state->current, false);
	fill(state, &state->first, false);
	slot->tts_nvalid = slot->tts_tupleDescriptor->natts;
	return true;
}

/* The row has passed: what else is needed of it. */
static void
complete(LedgerScanState *state)
{
	if (state->order != NULL)
		ledger_order_complete(state);
	else if (state->fs.scan->batch->page == NULL)
	{
		bool		few = state->passed * 8 < state->tried;

		if (state->project != NULL)
			ledger_project_fill(state, &state->project->sets[1], state->current, few);
		fill(state, &state->rest, few);
	}
}

/* Are the row's paths in a slot of their own? */
static bool
has_paths(const LedgerScanState *state)
{
	return state->project != NULL && state->fs.scan->batch->page == NULL;
}

static bool
in_doubt(const LedgerScanState *state)
{
	const LedgerDoubt *doubt = &state->fs.doubt;

	/* an ordered scan has one qual for all rows */
	return state->order == NULL && doubt->any &&
		doubt->rows[state->fs.scan->visible[state->current]];
}

/* What the qual asks of a row in doubt is put into the slot. */
static void
show_doubted(LedgerScanState *state)
{
	if (state->fs.scan->batch->page == NULL)
		fill(state, &state->doubted, true);
}

/* The qual that the row must pass. */
static ExprState *
qual_of_row(LedgerScanState *state)
{
	if (!in_doubt(state))
		return has_paths(state) ? state->project->qual : state->sure;
	show_doubted(state);
	return state->css.ss.ps.qual != NULL ? state->css.ss.ps.qual : state->fs.doubted;
}

/* Does the row pass what filters could not tell of it, where no qual asks that? */
static bool
passes_doubt(LedgerScanState *state)
{
	ExprContext *econtext = state->css.ss.ps.ps_ExprContext;

	if (!in_doubt(state) || state->css.ss.ps.qual != NULL)
		return true;
	econtext->ecxt_scantuple = state->css.ss.ss_ScanTupleSlot;
	return ExecQual(state->fs.doubted, econtext);
}

/* For EvalPlanQual: the next row without the plan's qual. */
static TupleTableSlot *
access_row(ScanState *ss)
{
	LedgerScanState *state = (LedgerScanState *) ss;

	if (!ledger_filtered_is_ready(&state->fs))
		return ExecClearTuple(ss->ss_ScanTupleSlot);
	while (advance(state))
	{
		if (state->order == NULL)
			show_doubted(state);
		if (passes_doubt(state))
		{
			complete(state);
			return ss->ss_ScanTupleSlot;
		}
	}
	return ExecClearTuple(ss->ss_ScanTupleSlot);
}

/* A row that EvalPlanQual puts in our place must pass our filters. */
static bool
recheck_row(ScanState *ss, TupleTableSlot *slot)
{
	LedgerScanState *state = (LedgerScanState *) ss;
	ExprContext *econtext = ss->ps.ps_ExprContext;

	econtext->ecxt_scantuple = slot;
	return ExecQual(state->recheck, econtext);
}

static TupleTableSlot *
next_row(CustomScanState *css)
{
	LedgerScanState *state = (LedgerScanState *) css;
	ProjectionInfo *projection = css->ss.ps.ps_ProjInfo;
	ExprContext *econtext = css->ss.ps.ps_ExprContext;
	TupleTableSlot *slot = css->ss.ss_ScanTupleSlot;

	if (unlikely(css->ss.ps.state->es_epq_active != NULL))
		return ExecScan(&css->ss, access_row, recheck_row);

	ResetExprContext(econtext);
	if (!ledger_filtered_is_ready(&state->fs))
		return NULL;
	while (advance(state))
	{
		CHECK_FOR_INTERRUPTS();
		econtext->ecxt_scantuple = slot;
		state->tried++;
		if (ExecQual(qual_of_row(state), econtext))
		{
			state->passed++;
			complete(state);
			if (has_paths(state))
				return ExecProject(state->project->info);
			return projection != NULL ? ExecProject(projection) : slot;
		}
		if (css->ss.ps.qual != NULL)
			InstrCountFiltered1(css, 1);
		else
			ledger_filtered_counts(&state->fs)->removed++;
		ResetExprContext(econtext);
	}
	return NULL;
}

static TupleTableSlot *
exec_scan(CustomScanState *css)
{
	return ledger_filtered_exec(&((LedgerScanState *) css)->fs, css, next_row);
}

/* ---- End, rescan ---- */

static void
end_scan(CustomScanState *css)
{
	LedgerScanState *state = (LedgerScanState *) css;

	if (state->order != NULL)
		ledger_order_forget(state);
	ledger_filtered_end(&state->fs);
}

static void
rescan(CustomScanState *css)
{
	LedgerScanState *state = (LedgerScanState *) css;

	state->current = -1;
	if (state->order != NULL)
		ledger_order_forget(state);
	ledger_filtered_rescan(&state->fs);
	ExecScanReScan(&css->ss);
}

/* ---- Parallel scans ---- */

static Size
estimate_dsm(CustomScanState *css, ParallelContext *pcxt)
{
	return ledger_filtered_estimate_dsm(&((LedgerScanState *) css)->fs, pcxt);
}

static void
initialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate)
{
	ledger_filtered_initialize_dsm(&((LedgerScanState *) css)->fs, pcxt, coordinate);
}

static void
reinitialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate)
{
	ledger_filtered_reinitialize_dsm(&((LedgerScanState *) css)->fs, coordinate);
}

static void
initialize_worker(CustomScanState *css, shm_toc *toc, void *coordinate)
{
	ledger_filtered_attach(&((LedgerScanState *) css)->fs, coordinate);
}

static void
shutdown_scan(CustomScanState *css)
{
	ledger_filtered_shutdown(&((LedgerScanState *) css)->fs);
}
