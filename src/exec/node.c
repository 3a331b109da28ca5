/*-------------------------------------------------------------------------
 *
 * node.c
 *	  LedgerScan in the executor.
 *
 * It drives a scan of src/read, which decides what is visible, from batch to
 * batch.  Of a segment's rows, those in vectors that cannot have any that
 * passes are stepped over; the filters shorten the list of visible rows of a
 * batch, decoding their columns only; and the other columns are decoded, for
 * the rows that are left, a window of rows at a time, so that a query that
 * stops early has not decoded much for nothing.
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
#include "utils/memutils.h"

/* The first window of a batch, and by what the next one is greater. */
#define WINDOW_FIRST	16
#define WINDOW_FACTOR	4

/* In a parallel scan, what EXPLAIN tells is counted by process. */
typedef struct LedgerScanShared
{
	int			nprocesses;		/* the leader's counts are the first */
	LedgerScanCounts counts[FLEXIBLE_ARRAY_MEMBER];
} LedgerScanShared;

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

static void
find_columns(LedgerScanState *state)
{
	CustomScan *plan = (CustomScan *) state->css.ss.ps.plan;
	int			natts = RelationGetDescr(state->css.ss.ss_currentRelation)->natts;
	Bitmapset  *qual = NULL;
	Bitmapset  *all = NULL;

	pull_varattnos((Node *) plan->scan.plan.qual, plan->scan.scanrelid, &qual);
	pull_varattnos((Node *) plan->scan.plan.targetlist, plan->scan.scanrelid, &all);
	make_set(&state->first, qual, NULL, natts);
	make_set(&state->rest, all, qual, natts);
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
	ListCell   *lc;

	set_slot(state, estate);
	find_columns(state);
	state->filters = palloc(list_length(plan->custom_exprs) * sizeof(LedgerFilter *));
	foreach(lc, plan->custom_exprs)
	{
		LedgerFilter *filter = ledger_filter_of_clause(lfirst(lc), plan->scan.scanrelid);

		if (filter == NULL)
			elog(ERROR, "a clause that was pushed into a ledger's scan is no filter");
		ledger_filter_begin(filter, &css->ss.ps);
		state->filters[state->nfilters++] = filter;
	}
	/* this also checks the right to execute the operators' functions */
	state->recheck = ExecInitQual(plan->custom_exprs, &css->ss.ps);
	state->constants_context = AllocSetContextCreate(CurrentMemoryContext, "ledger constants",
													 ALLOCSET_SMALL_SIZES);
	state->judged_context = AllocSetContextCreate(CurrentMemoryContext, "ledger codes",
												  ALLOCSET_DEFAULT_SIZES);
	state->first.window = state->rest.window = WINDOW_FIRST;
}

/* ---- What need not be looked at ---- */

static LedgerScanCounts *
counts_of(LedgerScanState *state)
{
	if (state->shared == NULL)
		return &state->counts;
	return &state->shared->counts[IsParallelWorker() ? ParallelWorkerNumber + 1 : 0];
}

static void
set_constants(LedgerScanState *state)
{
	MemoryContextReset(state->constants_context);
	state->never = false;
	for (int i = 0; i < state->nfilters; i++)
	{
		LedgerFilter *filter = state->filters[i];

		ledger_filter_set_constants(filter, state->css.ss.ps.ps_ExprContext,
									state->constants_context);
		state->never |= filter->constants.never;
	}
	state->constants_set = true;
}

static void
forget_segment(LedgerScanState *state)
{
	if (state->judged != NULL)
		ledger_reader_release(state->judged);
	state->judged = NULL;
	for (int i = 0; i < state->nfilters; i++)
		ledger_filter_forget_codes(state->filters[i]);
	MemoryContextReset(state->judged_context);
}

/* Does a filter say that no row of a vector passes? */
static LedgerFilter *
who_excludes(LedgerScanState *state, int vector)
{
	for (int i = 0; i < state->nfilters; i++)
		if (state->filters[i]->truth[vector] == LEDGER_TRUTH_NONE)
			return state->filters[i];
	return NULL;
}

static bool
excludes_all(LedgerScanState *state, int nvectors)
{
	for (int v = 0; v < nvectors; v++)
		if (who_excludes(state, v) == NULL)
			return false;
	return true;
}

/* Look at what is in dictionaries; true if no row of the segment passes. */
static bool
prepare_codes(LedgerScanState *state, LedgerSegmentReader *reader, int nvectors)
{
	bool		wanted[LEDGER_VECTORS_MAX];

	for (int i = 0; i < state->nfilters; i++)
	{
		LedgerFilter *filter = state->filters[i];

		for (int v = 0; v < nvectors; v++)
			wanted[v] = who_excludes(state, v) == NULL;
		ledger_filter_prepare_codes(filter, reader, state->css.ss.ss_currentRelation, wanted,
									state->judged_context);
		if (filter->by_codes && excludes_all(state, nvectors))
			return true;
	}
	return false;
}

/* Come to a segment. */
static void
judge_segment(LedgerScanState *state, LedgerSegmentReader *reader)
{
	const LedgerSegmentRoot *root = ledger_reader_root(reader);
	int			nvectors = (root->nrows + LEDGER_VECTOR_ROWS - 1) / LEDGER_VECTOR_ROWS;
	LedgerScanCounts *counts = counts_of(state);
	bool		excluded = false;
	bool		by_bloom = false;
	bool		by_codes = false;
	MemoryContext oldcontext;

	forget_segment(state);
	oldcontext = MemoryContextSwitchTo(state->css.ss.ps.ps_ExprContext->ecxt_per_tuple_memory);
	for (int i = 0; i < state->nfilters; i++)
		memset(state->filters[i]->truth, LEDGER_TRUTH_SOME, sizeof(state->filters[i]->truth));
	for (int i = 0; i < state->nfilters && !excluded; i++)
	{
		ledger_filter_judge(state->filters[i], reader, state->css.ss.ss_currentRelation);
		by_bloom |= state->filters[i]->by_bloom;
		excluded = excludes_all(state, nvectors);
	}
	if (!excluded)
		excluded = by_codes = prepare_codes(state, reader, nvectors);
	MemoryContextSwitchTo(oldcontext);
	state->judged = ledger_reader_share(reader);
	if (!excluded)
		counts->segments++;
	else if (by_codes)
		counts->segments_by_codes++;
	else if (by_bloom)
		counts->segments_by_bloom++;
	else
		counts->segments_by_zone++;
}

/* A LedgerSkip */
static int
skip_rows(void *arg, LedgerSegmentReader *reader, int position, int count)
{
	LedgerScanState *state = arg;
	LedgerScanCounts *counts = counts_of(state);
	int			next = position;

	if (state->judged != reader)
		judge_segment(state, reader);
	while (next < position + count)
	{
		LedgerFilter *filter = who_excludes(state, next / LEDGER_VECTOR_ROWS);

		if (filter == NULL)
			break;
		if (filter->by_codes)
			counts->vectors_by_codes++;
		else if (filter->by_bloom)
			counts->vectors_by_bloom++;
		else
			counts->vectors_by_zone++;
		next += LEDGER_VECTOR_ROWS - next % LEDGER_VECTOR_ROWS;
	}
	return Min(next, position + count) - position;
}

/* ---- Batches ---- */

static void
start(LedgerScanState *state)
{
	ScanState  *ss = &state->css.ss;

	state->scan = (LedgerScan *) table_beginscan(ss->ss_currentRelation,
												 ss->ps.state->es_snapshot, 0, NULL);
}

/* Rows of a tail page, one by one */
static int
filter_page(LedgerScanState *state)
{
	LedgerScan *scan = state->scan;
	TupleTableSlot *slot = state->css.ss.ss_ScanTupleSlot;
	LedgerFilterRows source = {RelationGetDescr(scan->base.rs_rd), NULL, slot};
	int			kept = 0;

	for (int k = 0; k < scan->nvisible; k++)
	{
		uint16		row = scan->visible[k];
		uint16		list = 0;
		int			n = 1;

		ledger_slot_show_row(slot, scan->batch, row);
		for (int i = 0; i < state->nfilters && n > 0; i++)
			n = ledger_filter_match(state->filters[i], &source, &list, n);
		scan->visible[kept] = row;
		kept += n;
	}
	ExecClearTuple(slot);
	return kept;
}

static int
filter_vector(LedgerScanState *state)
{
	LedgerScan *scan = state->scan;
	LedgerFilterRows source = {RelationGetDescr(scan->base.rs_rd), scan->batch, NULL};
	int			n = scan->nvisible;

	counts_of(state)->vectors++;
	for (int i = 0; i < state->nfilters && n > 0; i++)
		n = ledger_filter_match(state->filters[i], &source, scan->visible, n);
	return n;
}

/* Let the filters see the batch at hand; what they allocate goes with the row's. */
static void
filter_batch(LedgerScanState *state)
{
	LedgerScan *scan = state->scan;
	ExprContext *econtext = state->css.ss.ps.ps_ExprContext;
	MemoryContext oldcontext = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	int			before = scan->nvisible;

	scan->nvisible = scan->batch->page != NULL ? filter_page(state) : filter_vector(state);
	counts_of(state)->removed += before - scan->nvisible;
	MemoryContextSwitchTo(oldcontext);
	ResetExprContext(econtext);
}

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
	LedgerScan *scan = state->scan;

	ExecClearTuple(state->css.ss.ss_ScanTupleSlot);
	for (;;)
	{
		if (!ledger_scan_next_batch(scan, true))
			return false;
		if (scan->nvisible == 0)
			continue;
		filter_batch(state);
		if (scan->nvisible == 0)
			continue;
		state->current = -1;
		state->values_reset = false;
		restart_set(&state->first);
		restart_set(&state->rest);
		return true;
	}
}

/* ---- Rows ---- */

/*
 * Have the set's columns decoded for visible rows from "index" on: a window of
 * them, or, if few of these will be asked for, for that one.
 */
static void
decode_window(LedgerScanState *state, LedgerColumnSet *set, int index, bool few)
{
	LedgerScan *scan = state->scan;
	LedgerBatch *batch = scan->batch;
	int			ncolumns = ledger_reader_root(batch->reader)->ncolumns;
	int			n = few ? 1 : Min(set->window, scan->nvisible - index);

	if (!few)
		set->window = Min(set->window * WINDOW_FACTOR, LEDGER_VECTOR_ROWS);
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
	int			row = state->scan->visible[state->current];

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
	LedgerScan *scan = state->scan;

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
	fill(state, &state->first, false);
	slot->tts_nvalid = slot->tts_tupleDescriptor->natts;
	return true;
}

/* The row has passed: what else is needed of it. */
static void
complete(LedgerScanState *state)
{
	if (state->scan->batch->page == NULL)
		fill(state, &state->rest, state->passed * 8 < state->tried);
}

/* Begin, if this is the first row; false if no row can pass. */
static bool
is_ready(LedgerScanState *state)
{
	if (state->scan == NULL)
		start(state);
	if (!state->constants_set)
	{
		set_constants(state);
		forget_segment(state);
		if (state->nfilters > 0)
		{
			state->scan->skip = skip_rows;
			state->scan->skip_arg = state;
		}
	}
	return !state->never;
}

/* For EvalPlanQual: the next row without the plan's qual. */
static TupleTableSlot *
access_row(ScanState *ss)
{
	LedgerScanState *state = (LedgerScanState *) ss;

	if (!is_ready(state) || !advance(state))
		return ExecClearTuple(ss->ss_ScanTupleSlot);
	complete(state);
	return ss->ss_ScanTupleSlot;
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
exec_scan(CustomScanState *css)
{
	LedgerScanState *state = (LedgerScanState *) css;
	ProjectionInfo *projection = css->ss.ps.ps_ProjInfo;
	ExprContext *econtext = css->ss.ps.ps_ExprContext;
	ExprState  *qual = css->ss.ps.qual;
	TupleTableSlot *slot = css->ss.ss_ScanTupleSlot;

	if (unlikely(css->ss.ps.state->es_epq_active != NULL))
		return ExecScan(&css->ss, access_row, recheck_row);

	ResetExprContext(econtext);
	if (!is_ready(state))
		return NULL;
	while (advance(state))
	{
		econtext->ecxt_scantuple = slot;
		state->tried++;
		if (qual == NULL || ExecQual(qual, econtext))
		{
			state->passed++;
			complete(state);
			return projection != NULL ? ExecProject(projection) : slot;
		}
		InstrCountFiltered1(css, 1);
		ResetExprContext(econtext);
	}
	return NULL;
}

/* ---- End, rescan ---- */

static void
end_scan(CustomScanState *css)
{
	LedgerScanState *state = (LedgerScanState *) css;

	ExecClearTuple(css->ss.ss_ScanTupleSlot);
	forget_segment(state);
	if (state->scan != NULL)
		table_endscan(&state->scan->base);
	state->scan = NULL;
}

static void
rescan(CustomScanState *css)
{
	LedgerScanState *state = (LedgerScanState *) css;

	ExecClearTuple(css->ss.ss_ScanTupleSlot);
	state->constants_set = false;
	state->current = -1;
	if (state->scan != NULL)
		table_rescan(&state->scan->base, NULL);
	ExecScanReScan(&css->ss);
}

/* ---- Parallel scans ---- */

static Size
shared_size(int nprocesses)
{
	return MAXALIGN(offsetof(LedgerScanShared, counts) + nprocesses * sizeof(LedgerScanCounts));
}

static ParallelTableScanDesc
shared_scan(LedgerScanShared *shared)
{
	return (ParallelTableScanDesc) ((char *) shared + shared_size(shared->nprocesses));
}

static Size
estimate_dsm(CustomScanState *css, ParallelContext *pcxt)
{
	return shared_size(pcxt->nworkers + 1) +
		table_parallelscan_estimate(css->ss.ss_currentRelation, css->ss.ps.state->es_snapshot);
}

static void
attach(LedgerScanState *state, LedgerScanShared *shared)
{
	state->shared = shared;
	state->scan = (LedgerScan *) table_beginscan_parallel(state->css.ss.ss_currentRelation,
														  shared_scan(shared));
}

static void
initialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate)
{
	LedgerScanShared *shared = coordinate;

	shared->nprocesses = pcxt->nworkers + 1;
	memset(shared->counts, 0, shared->nprocesses * sizeof(LedgerScanCounts));
	table_parallelscan_initialize(css->ss.ss_currentRelation, shared_scan(shared),
								  css->ss.ps.state->es_snapshot);
	attach((LedgerScanState *) css, shared);
}

static void
reinitialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate)
{
	table_parallelscan_reinitialize(css->ss.ss_currentRelation, shared_scan(coordinate));
}

static void
initialize_worker(CustomScanState *css, shm_toc *toc, void *coordinate)
{
	attach((LedgerScanState *) css, coordinate);
}

static void
add_counts(LedgerScanCounts *sum, const LedgerScanCounts *counts)
{
	sum->segments += counts->segments;
	sum->segments_by_zone += counts->segments_by_zone;
	sum->segments_by_bloom += counts->segments_by_bloom;
	sum->segments_by_codes += counts->segments_by_codes;
	sum->vectors += counts->vectors;
	sum->vectors_by_zone += counts->vectors_by_zone;
	sum->vectors_by_bloom += counts->vectors_by_bloom;
	sum->vectors_by_codes += counts->vectors_by_codes;
	sum->removed += counts->removed;
}

/* What all processes have counted so far. */
void
ledger_scan_sum_counts(LedgerScanState *state, LedgerScanCounts *sum)
{
	*sum = state->counts;
	if (state->shared != NULL)
		for (int i = 0; i < state->shared->nprocesses; i++)
			add_counts(sum, &state->shared->counts[i]);
}

/* The shared memory is about to go, which the scan uses, too. */
static void
shutdown_scan(CustomScanState *css)
{
	LedgerScanState *state = (LedgerScanState *) css;

	if (state->shared == NULL || IsParallelWorker())
		return;
	ledger_scan_sum_counts(state, &state->counts);
	state->shared = NULL;
	end_scan(css);
}
