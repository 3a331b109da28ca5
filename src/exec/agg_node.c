/*-------------------------------------------------------------------------
 *
 * agg_node.c
 *	  LedgerAggregate in the executor.
 *
 * The node reads all its rows before it gives the first group, unless it is a
 * partial one that has come to the end of its memory: that gives what it has,
 * forgets it and goes on.  A complete one that comes to the end of its memory
 * begins anew, with the groups in a part of the hash values only, and reads the
 * rows again for each of the other parts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/parallel.h"
#include "exec/aggregate.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "pgstat.h"
#include "utils/memutils.h"

/* Of the hash values that were too many, one part in so many is tried next. */
#define PASS_FACTOR_MIN	4
#define PASS_FACTOR_MAX	65536

/* Passes are made narrower by this, as estimates are rough. */
#define PASS_RESERVE	1.25

/* One that has filled less of the memory is followed by a wider one, but not by too wide. */
#define PASS_FILL_MIN	0.5
#define PASS_WIDEN_MAX	16

/*
 * However much they take, so many groups are taken in a pass: where it is not
 * that they are many but that their values are large, as those of string_agg, a
 * pass with few of them has large ones, too, and there would be passes without end.
 */
#define PASS_GROUPS_MIN	256

static void begin_aggregate(CustomScanState *css, EState *estate, int eflags);
static TupleTableSlot *exec_aggregate(CustomScanState *css);
static void end_aggregate(CustomScanState *css);
static void rescan(CustomScanState *css);
static Size estimate_dsm(CustomScanState *css, ParallelContext *pcxt);
static void initialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate);
static void reinitialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate);
static void initialize_worker(CustomScanState *css, shm_toc *toc, void *coordinate);
static void shutdown_aggregate(CustomScanState *css);

static const CustomExecMethods exec_methods = {
	.CustomName = "LedgerAggregate",
	.BeginCustomScan = begin_aggregate,
	.ExecCustomScan = exec_aggregate,
	.EndCustomScan = end_aggregate,
	.ReScanCustomScan = rescan,
	.EstimateDSMCustomScan = estimate_dsm,
	.InitializeDSMCustomScan = initialize_dsm,
	.ReInitializeDSMCustomScan = reinitialize_dsm,
	.InitializeWorkerCustomScan = initialize_worker,
	.ShutdownCustomScan = shutdown_aggregate,
	.ExplainCustomScan = ledger_aggregate_explain
};

Node *
ledger_aggregate_create_state(CustomScan *cscan)
{
	LedgerAggregateState *state =
		(LedgerAggregateState *) newNode(sizeof(LedgerAggregateState), T_CustomScanState);

	state->css.methods = &exec_methods;
	return (Node *) state;
}

/* ---- Begin ---- */

static int
add_filter(LedgerAggregateState *state, Expr *expr)
{
	LedgerAggregateFilter *filter;

	if (expr == NULL)
		return -1;
	for (int i = 0; i < state->nfilters; i++)
		if (equal(state->filters[i].expr, expr))
			return i;
	filter = &state->filters[state->nfilters];
	memset(filter, 0, sizeof(*filter));
	filter->expr = expr;
	/* this checks the right to execute the functions, too */
	filter->qual = ExecInitExpr(expr, NULL);
	filter->filter = ledger_filter_of_clause((Node *) expr,
											 ((Scan *) state->css.ss.ps.plan)->scanrelid);
	if (filter->filter != NULL)
		ledger_filter_begin(filter->filter, &state->css.ss.ps);
	return state->nfilters++;
}

static void
add_call(LedgerAggregateState *state, Aggref *aggref)
{
	LedgerAggregateCall *call = &state->calls[state->ncalls++];
	ListCell   *lc;

	ledger_call_init(state, call, aggref, state->split);
	call->answer = aggref->aggdistinct != NIL ? LEDGER_ANSWER_NONE :
		ledger_answer_of(aggref->aggfnoid, call->trans.transfn_oid);
	call->filter = add_filter(state, aggref->aggfilter);
	call->args = palloc(list_length(aggref->args) * sizeof(int) + 1);
	foreach(lc, aggref->args)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		call->args[call->nargs++] =
			ledger_aggregate_add_input(state, tle->expr, call->filter,
									   call->answer != LEDGER_ANSWER_VALUES);
	}
	if (call->nargs > 0)
		call->argtype = exprType((Node *) linitial_node(TargetEntry, aggref->args)->expr);
	ledger_distinct_init(state, call);
	call->offset = state->group_size;
	state->group_size += MAXALIGN(call->kernel->size);
}

/* What functions are told of where they are called: see agg_call.c. */
static void
make_aggstate(LedgerAggregateState *state, EState *estate)
{
	AggState   *aggstate = makeNode(AggState);

	state->aggcontext = CreateExprContext(estate);
	state->callcontext = CreateExprContext(estate);
	aggstate->ss.ps.state = estate;
	aggstate->aggsplit = state->split;
	aggstate->aggstrategy = AGG_HASHED;
	aggstate->curaggcontext = state->aggcontext;
	aggstate->hashcontext = state->aggcontext;
	aggstate->tmpcontext = state->callcontext;
	state->aggstate = aggstate;
}

static void
first_pass(LedgerAggregateState *state)
{
	LedgerPass	all = {0, LEDGER_ALL_HASHES, 1};

	state->pass = all;
	state->values = all;
	state->again = false;
}

static void
begin_aggregate(CustomScanState *css, EState *estate, int eflags)
{
	LedgerAggregateState *state = (LedgerAggregateState *) css;
	CustomScan *plan = (CustomScan *) css->ss.ps.plan;
	TupleDesc	desc = RelationGetDescr(css->ss.ss_currentRelation);
	List	   *pushed;
	LedgerAggregation *aggregation = ledger_aggregation_of_plan(plan, &pushed);
	int			naggs = list_length(aggregation->aggs);
	ListCell   *lc;

	state->split = aggregation->split;
	state->row_slot = ExecInitExtraTupleSlot(estate, desc, &LedgerSlotOps);
	state->values_slot = ExecInitExtraTupleSlot(estate, desc, &TTSOpsVirtual);
	ledger_filtered_begin(&state->fs, css->ss.ss_currentRelation, plan->scan.scanrelid, pushed,
						  &css->ss.ps, state->row_slot);
	/* for the right to execute the operators' functions */
	(void) ExecInitQual(pushed, NULL);
	make_aggstate(state, estate);
	state->batch_context = AllocSetContextCreate(CurrentMemoryContext, "ledger values",
												 ALLOCSET_DEFAULT_SIZES);
	state->segment_context = AllocSetContextCreate(CurrentMemoryContext, "ledger segment",
												   ALLOCSET_DEFAULT_SIZES);

	ledger_groups_init(state, aggregation->keys, aggregation->operators);
	state->group_size = state->states_offset;
	state->filters = palloc0(naggs * sizeof(LedgerAggregateFilter) + 1);
	state->calls = palloc0(naggs * sizeof(LedgerAggregateCall) + 1);
	foreach(lc, aggregation->aggs)
		add_call(state, lfirst_node(Aggref, lc));
	ledger_aggregate_begin_inputs(state);
	if (ledger_aggregate_can_answer(state))
	{
		state->fs.answer = ledger_aggregate_answer;
		state->fs.answer_arg = state;
	}
	first_pass(state);
}

/* ---- Segments ---- */

static void
leave_segment(LedgerAggregateState *state)
{
	if (state->segment != NULL)
		ledger_reader_release(state->segment);
	state->segment = NULL;
	for (int i = 0; i < state->nfilters; i++)
		if (state->filters[i].filter != NULL)
			ledger_filter_forget_codes(state->filters[i].filter);
	ledger_groups_new_segment(state);
	MemoryContextReset(state->segment_context);
}

/* FILTERs are judged for a segment as the scan's filters are. */
static void
enter_segment(LedgerAggregateState *state, LedgerSegmentReader *reader)
{
	bool		wanted[LEDGER_VECTORS_MAX];
	MemoryContext oldcontext;

	leave_segment(state);
	state->segment = ledger_reader_share(reader);
	oldcontext = MemoryContextSwitchTo(state->batch_context);
	for (int v = 0; v < LEDGER_VECTORS_MAX; v++)
		wanted[v] = true;
	for (int i = 0; i < state->nfilters; i++)
	{
		LedgerFilter *filter = state->filters[i].filter;

		if (filter == NULL)
			continue;
		memset(filter->truth, LEDGER_TRUTH_SOME, sizeof(filter->truth));
		ledger_filter_judge(filter, reader, state->fs.rel);
		ledger_filter_prepare_codes(filter, reader, state->fs.rel, wanted,
									state->segment_context);
	}
	MemoryContextSwitchTo(oldcontext);
}

/* ---- Batches ---- */

/* Evaluate a FILTER as it stands, for the rows of which it could not tell. */
static void
settle_doubt(LedgerAggregateState *state, LedgerAggregateFilter *filter,
			 const LedgerDoubt *doubt)
{
	uint16		doubted[LEDGER_VECTOR_ROWS];
	int			ndoubted = 0;
	int			kept = 0;

	for (int i = 0; i < filter->nrows; i++)
	{
		uint16		row = filter->rows[i];

		if (doubt->rows[row])
			doubted[ndoubted++] = row;
		else
			filter->rows[kept++] = row;
	}
	if (ndoubted > 0)
		ndoubted = ledger_aggregate_match(state, filter->qual, doubted, ndoubted);
	filter->nrows = ledger_merge_rows(filter->rows, kept, doubted, ndoubted);
}

/* Those of the rows that pass a FILTER; evaluated once a batch. */
static LedgerAggregateFilter *
match_filter(LedgerAggregateState *state, int number, const uint16 *rows, int n)
{
	LedgerAggregateFilter *filter = &state->filters[number];
	LedgerScan *scan = state->fs.scan;

	if (filter->loaded)
		return filter;
	memcpy(filter->rows, rows, n * sizeof(uint16));
	if (filter->filter != NULL && scan->batch->page == NULL && n > 0)
	{
		LedgerDoubt doubt;
		LedgerFilterRows source = {RelationGetDescr(state->fs.rel), scan->batch, NULL, &doubt};
		MemoryContext oldcontext = MemoryContextSwitchTo(state->batch_context);

		doubt.any = false;
		filter->nrows = ledger_filter_match(filter->filter, &source, filter->rows, n);
		MemoryContextSwitchTo(oldcontext);
		if (doubt.any)
			settle_doubt(state, filter, &doubt);
	}
	else
		filter->nrows = ledger_aggregate_match(state, filter->qual, filter->rows, n);
	filter->loaded = true;
	return filter;
}

static void
advance_call(LedgerAggregateState *state, LedgerAggregateCall *call, const uint16 *rows, int n)
{
	uint16		distinct[LEDGER_VECTOR_ROWS];

	if (state->again && call->distinct == NULL)
		return;
	if (call->filter >= 0)
	{
		LedgerAggregateFilter *filter = match_filter(state, call->filter, rows, n);

		rows = filter->rows;
		n = filter->nrows;
	}
	if (n == 0)
		return;
	for (int k = 0; k < call->nargs; k++)
		(void) ledger_aggregate_load(state, call->args[k], rows, n);
	if (call->distinct != NULL)
	{
		n = ledger_distinct_rows(state, call, rows, n, distinct);
		rows = distinct;
	}
	call->kernel->advance(state, call, state->of_row, rows, n);
}

static void
take_batch(LedgerAggregateState *state)
{
	LedgerScan *scan = state->fs.scan;
	int			n = scan->nvisible;

	/* core counts rows of tables one by one, but by the same counter */
	pgstat_count_index_tuples(state->fs.rel, n);
	ledger_aggregate_new_batch(state);
	if (scan->batch->page == NULL && state->segment != scan->batch->reader)
		enter_segment(state, scan->batch->reader);
	n = ledger_groups_find(state, scan->visible, n);
	state->rows += n;
	for (int i = 0; i < state->ncalls && n > 0; i++)
		advance_call(state, &state->calls[i], scan->visible, n);
}

/* ---- All rows ---- */

static void
set_constants(LedgerAggregateState *state)
{
	for (int i = 0; i < state->nfilters; i++)
		if (state->filters[i].filter != NULL)
			ledger_filter_set_constants(state->filters[i].filter, state->callcontext,
										state->fs.constants_context);
}

static bool
is_ready(LedgerAggregateState *state)
{
	bool		had_constants = state->fs.constants_set;
	bool		ready = ledger_filtered_is_ready(&state->fs);

	/* FILTERs have no segment at hand then; what they had made of the constants is gone */
	Assert(had_constants || state->segment == NULL);
	if (!had_constants)
		set_constants(state);
	return ready;
}

/*
 * How many distinct values "all" rows have, if "rows" of them have "seen", and each
 * is as likely to have one value as another.  They would be n in the end, where
 * seen = n (1 - exp(-rows / n)).
 */
static double
extrapolate(double seen, double rows, double all)
{
	double		low = 0;		/* of rows / n */
	double		high = rows / seen;

	if (seen >= rows)
		return all;
	for (int i = 0; i < 50; i++)
	{
		double		middle = (low + high) / 2;

		if (-expm1(-middle) / middle > seen / rows)
			low = middle;
		else
			high = middle;
	}
	return rows / high * -expm1(-high * all / rows);
}

/*
 * The groups, or the distinct values, are too many: begin anew with a part of them.
 * That part is chosen by what "seen" of them in "rows" rows, and the part of the
 * ledger that has been read, let expect.
 */
static void
narrow_pass(LedgerAggregateState *state, LedgerPass *pass, double seen, double rows)
{
	const LedgerScan *scan = state->fs.scan;
	double		all = rows * ((double) (scan->end - scan->start) / (scan->high + 1 - scan->start));
	double		factor = ceil(PASS_RESERVE * extrapolate(seen, rows, Max(all, rows)) / seen);
	uint64		width = (pass->high - pass->low) / (uint64) Max(Min(factor, PASS_FACTOR_MAX), PASS_FACTOR_MIN);

	pass->high = pass->low + Max(width, 1);
	state->rows = 0;
	leave_segment(state);
	ledger_groups_reset(state);
	ledger_distinct_reset(state);
	ledger_filtered_restart(&state->fs);
	(void) is_ready(state);
}

/* How wide a pass should be after one, of "width", that took so many bytes. */
static uint64
next_width(uint64 width, Size used)
{
	double		fill = (double) used / get_hash_memory_limit();

	if (fill >= PASS_FILL_MIN)
		return width;
	return (uint64) (width * Min(1 / (PASS_RESERVE * Max(fill, 1e-6)), PASS_WIDEN_MAX));
}

/*
 * Distinct values that are too many for a pass of the groups are looked for in
 * passes within that one: the next of these, if there is one.
 */
static bool
next_values(LedgerAggregateState *state)
{
	LedgerPass *values = &state->values;
	uint64		width = next_width(values->high - values->low, ledger_distinct_memory(state));

	state->again = values->high < LEDGER_ALL_HASHES;
	if (!state->again)
	{
		/* the next pass of the groups begins as narrow */
		values->low = 0;
		values->high = Min(width, LEDGER_ALL_HASHES);
		return false;
	}
	values->low = values->high;
	values->high = Min(values->low + width, LEDGER_ALL_HASHES);
	values->number++;
	state->rows = 0;
	leave_segment(state);
	ledger_distinct_reset(state);
	ledger_filtered_restart(&state->fs);
	return is_ready(state);
}

/*
 * Make room, if groups or distinct values take more than "limit"; false if a
 * partial node is to give what it has.  What has been aggregated for good must
 * not be forgotten.
 */
static bool
make_room(LedgerAggregateState *state, Size limit)
{
	bool		groups = state->nkeys > 0 && ledger_groups_memory(state) > limit;

	if (groups && state->split != AGGSPLIT_SIMPLE)
	{
		state->flushes++;
		return false;
	}
	if (state->again)
		return true;
	if (groups && state->pass.high - state->pass.low > 1 &&
		ledger_groups_count(state) > PASS_GROUPS_MIN)
		narrow_pass(state, &state->pass, ledger_groups_count(state), state->rows);
	else if (state->values.high - state->values.low > 1)
	{
		double		nvalues;
		double		rows;

		if (ledger_distinct_too_many(state, limit, &nvalues, &rows))
			narrow_pass(state, &state->values, nvalues, rows);
	}
	return true;
}

/* Take rows until there are no more, or a partial node has no more room. */
static void
collect(LedgerAggregateState *state)
{
	Size		limit = get_hash_memory_limit();

	state->rows = 0;
	ledger_groups_reset(state);
	ledger_distinct_reset(state);
	if (!is_ready(state))
	{
		state->done = true;
		return;
	}
	do
	{
		while (ledger_filtered_next_batch(&state->fs))
		{
			take_batch(state);
			if (!make_room(state, limit))
				return;
		}
	} while (next_values(state));
	state->done = state->pass.high > PG_UINT32_MAX;
}

/* After a pass: the next part of the hash values, as wide. */
static void
next_pass(LedgerAggregateState *state)
{
	uint64		width;

	if (state->split != AGGSPLIT_SIMPLE)
		return;
	width = next_width(state->pass.high - state->pass.low, ledger_groups_memory(state));
	state->pass.low = state->pass.high;
	state->pass.high = Min(state->pass.low + width, LEDGER_ALL_HASHES);
	state->pass.number++;
	leave_segment(state);
	ledger_filtered_restart(&state->fs);
}

/* ---- Groups ---- */

/* Put a group into the scan's slot; what it is made of goes with the row. */
static void
show_group(LedgerAggregateState *state, LedgerGroup *group)
{
	TupleTableSlot *slot = state->css.ss.ss_ScanTupleSlot;
	ExprContext *econtext = state->css.ss.ps.ps_ExprContext;
	MemoryContext oldcontext = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);

	ExecClearTuple(slot);
	/* columns behind are filters, which an expression over keys may be found equal to */
	for (int i = state->nkeys + state->ncalls; i < slot->tts_tupleDescriptor->natts; i++)
	{
		slot->tts_values[i] = BoolGetDatum(true);
		slot->tts_isnull[i] = false;
	}
	for (int k = 0; k < state->nkeys; k++)
		slot->tts_values[k] = ledger_group_key(state, group, k, &slot->tts_isnull[k]);
	for (int i = 0; i < state->ncalls; i++)
	{
		int			attribute = state->nkeys + i;

		slot->tts_values[attribute] = ledger_call_result(state, &state->calls[i],
														 (char *) group + state->calls[i].offset,
														 &slot->tts_isnull[attribute]);
	}
	ExecStoreVirtualTuple(slot);
	MemoryContextSwitchTo(oldcontext);
}

static TupleTableSlot *
next_group(CustomScanState *css)
{
	LedgerAggregateState *state = (LedgerAggregateState *) css;
	ExprContext *econtext = css->ss.ps.ps_ExprContext;
	LedgerGroup *group;

	for (;;)
	{
		ResetExprContext(econtext);
		if (!state->emitting)
		{
			if (state->done)
				return NULL;
			collect(state);
			state->emitting = true;
		}
		while ((group = ledger_groups_next(state)) != NULL)
		{
			CHECK_FOR_INTERRUPTS();
			ResetExprContext(econtext);
			show_group(state, group);
			econtext->ecxt_scantuple = css->ss.ss_ScanTupleSlot;
			if (css->ss.ps.qual == NULL || ExecQual(css->ss.ps.qual, econtext))
				return css->ss.ps.ps_ProjInfo != NULL ? ExecProject(css->ss.ps.ps_ProjInfo) :
					css->ss.ss_ScanTupleSlot;
			InstrCountFiltered1(css, 1);
		}
		state->emitting = false;
		if (!state->done)
			next_pass(state);
	}
}

static TupleTableSlot *
exec_aggregate(CustomScanState *css)
{
	return ledger_filtered_exec(&((LedgerAggregateState *) css)->fs, css, next_group);
}

/* ---- End, rescan ---- */

static void
end_aggregate(CustomScanState *css)
{
	LedgerAggregateState *state = (LedgerAggregateState *) css;

	ExecClearTuple(css->ss.ss_ScanTupleSlot);
	leave_segment(state);
	ledger_filtered_end(&state->fs);
}

static void
rescan(CustomScanState *css)
{
	LedgerAggregateState *state = (LedgerAggregateState *) css;

	ExecClearTuple(css->ss.ss_ScanTupleSlot);
	leave_segment(state);
	ledger_filtered_rescan(&state->fs);
	first_pass(state);
	state->emitting = false;
	state->done = false;
	ExecScanReScan(&css->ss);
}

/* ---- Parallel ---- */

static Size
estimate_dsm(CustomScanState *css, ParallelContext *pcxt)
{
	return ledger_filtered_estimate_dsm(&((LedgerAggregateState *) css)->fs, pcxt);
}

static void
initialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate)
{
	ledger_filtered_initialize_dsm(&((LedgerAggregateState *) css)->fs, pcxt, coordinate);
}

static void
reinitialize_dsm(CustomScanState *css, ParallelContext *pcxt, void *coordinate)
{
	ledger_filtered_reinitialize_dsm(&((LedgerAggregateState *) css)->fs, coordinate);
}

static void
initialize_worker(CustomScanState *css, shm_toc *toc, void *coordinate)
{
	ledger_filtered_attach(&((LedgerAggregateState *) css)->fs, coordinate);
}

static void
shutdown_aggregate(CustomScanState *css)
{
	LedgerAggregateState *state = (LedgerAggregateState *) css;

	if (state->fs.shared != NULL && !IsParallelWorker())
		leave_segment(state);
	ledger_filtered_shutdown(&state->fs);
}
