/*-------------------------------------------------------------------------
 *
 * agg_input.c
 *	  The values that keys and arguments have in the rows of a batch.
 *
 * Columns of a segment, and what paths in its jsonb columns lead to, are the
 * batch's own arrays.  Everything else is put into arrays here: columns of tail
 * rows, and what expressions come to.
 * Expressions are compiled without a parent node, as their rows are not of
 * the kind that the node's scan slot has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "exec/aggregate.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

/* ---- Begin ---- */

/*
 * The number of an expression's input; "filter" is the FILTER it is under, or -1.
 * Who does not want values only asks whether they are NULL.
 */
int
ledger_aggregate_add_input(LedgerAggregateState *state, Expr *expr, int filter,
						   bool wants_values)
{
	LedgerAggregateInput *input;

	for (int i = 0; i < state->ninputs; i++)
		if (state->inputs[i].filter == filter && equal(state->inputs[i].expr, expr))
		{
			state->inputs[i].wants_values |= wants_values;
			return i;
		}

	state->inputs = state->ninputs == 0 ? palloc(sizeof(LedgerAggregateInput)) :
		repalloc(state->inputs, (state->ninputs + 1) * sizeof(LedgerAggregateInput));
	input = &state->inputs[state->ninputs];
	memset(input, 0, sizeof(*input));
	input->expr = expr;
	input->filter = filter;
	input->wants_values = wants_values;
	get_typlenbyval(exprType((Node *) expr), &input->typlen, &input->typbyval);
	input->read = palloc(sizeof(LedgerFilterInput));
	if (!ledger_input_of_expr((Node *) expr, ((Scan *) state->css.ss.ps.plan)->scanrelid, input->read))
		input->read = NULL;
	if (input->read != NULL)
		ledger_input_begin(input->read, &state->css.ss.ps);
	if (input->read != NULL && input->read->kind == LEDGER_INPUT_COLUMN)
		input->attnum = input->read->attnum;
	else
		input->state = ExecInitExpr(expr, NULL);
	return state->ninputs++;
}

/* All inputs are there: those that others read may be added now. */
void
ledger_aggregate_begin_inputs(LedgerAggregateState *state)
{
	int			n = state->ninputs;

	for (int i = 0; i < n; i++)
		if (state->inputs[i].state != NULL)
		{
			LedgerBucket *bucket = ledger_bucket_of(state, state->inputs[i].expr,
													state->inputs[i].filter);

			state->inputs[i].bucket = bucket;
		}
}

/* ---- Columns ---- */

static void
make_room(LedgerAggregateState *state, LedgerAggregateInput *input)
{
	if (input->own_values == NULL)
	{
		MemoryContext context = state->css.ss.ps.state->es_query_cxt;

		input->own_values = MemoryContextAlloc(context, LEDGER_VECTOR_ROWS * sizeof(Datum));
		input->own_isnull = MemoryContextAlloc(context, LEDGER_VECTOR_ROWS * sizeof(bool));
	}
	input->values = input->own_values;
	input->isnull = input->own_isnull;
}

/* Of rows of a tail page; a row that is not in the page is read for each. */
static void
load_tail_column(LedgerAggregateState *state, LedgerAggregateInput *input,
				 const uint16 *rows, int n)
{
	make_room(state, input);
	for (int i = 0; i < n; i++)
	{
		int			row = rows[i];
		Datum		value;

		ledger_slot_show_row(state->row_slot, state->fs.scan->batch, row);
		value = slot_getattr(state->row_slot, input->attnum, &input->own_isnull[row]);
		if (!input->own_isnull[row] && !input->typbyval)
			value = datumCopy(value, false, input->typlen);
		input->own_values[row] = value;
	}
}

/* Of a segment, columns and paths are read as those of filters are. */
static void
load_from_segment(LedgerAggregateState *state, LedgerAggregateInput *input,
				  const uint16 *rows, int n)
{
	LedgerBatch *batch = state->fs.scan->batch;
	TupleDesc	desc = RelationGetDescr(state->fs.rel);
	LedgerInputValues values;

	if (!input->wants_values && input->read->kind != LEDGER_INPUT_CAST)
	{
		input->isnull = ledger_input_nulls(input->read, batch, desc, rows, n);
		return;
	}
	ledger_input_values(input->read, batch, desc, rows, n, true, &values);
	input->values = values.values;
	input->isnull = values.isnull;
}

/* ---- Expressions ---- */

/* The rows of a batch, one after the other, for an expression. */
typedef struct Shown
{
	TupleTableSlot *slot;
	int			ncolumns;
	int			columns[MaxTupleAttributeNumber];	/* from 0 */
	const LedgerBatchColumn *decoded[MaxTupleAttributeNumber];
} Shown;

static Shown *
begin_rows(LedgerAggregateState *state, Node *expr, const uint16 *rows, int n)
{
	LedgerBatch *batch = state->fs.scan->batch;
	TupleDesc	desc = RelationGetDescr(state->fs.rel);
	Shown	   *shown = palloc(sizeof(Shown));
	Bitmapset  *columns = NULL;
	int			member = -1;

	shown->ncolumns = 0;
	shown->slot = batch->page != NULL ? state->row_slot : state->values_slot;
	if (batch->page != NULL)
		return shown;
	ExecClearTuple(shown->slot);
	memset(shown->slot->tts_isnull, true, desc->natts * sizeof(bool));
	pull_varattnos(expr, ((Scan *) state->css.ss.ps.plan)->scanrelid, &columns);
	while ((member = bms_next_member(columns, member)) >= 0)
	{
		int			column = member + FirstLowInvalidHeapAttributeNumber - 1;

		if (column >= ledger_reader_root(batch->reader)->ncolumns)
			shown->slot->tts_values[column] = getmissingattr(desc, column + 1,
															 &shown->slot->tts_isnull[column]);
		else
		{
			shown->columns[shown->ncolumns] = column;
			shown->decoded[shown->ncolumns++] = ledger_batch_column(batch, desc, column, rows, n);
		}
	}
	ExecStoreVirtualTuple(shown->slot);
	return shown;
}

static inline void
show_row(LedgerAggregateState *state, Shown *shown, int row)
{
	TupleTableSlot *slot = shown->slot;

	if (slot == state->row_slot)
		ledger_slot_show_row(slot, state->fs.scan->batch, row);
	for (int i = 0; i < shown->ncolumns; i++)
	{
		slot->tts_values[shown->columns[i]] = shown->decoded[i]->values[row];
		slot->tts_isnull[shown->columns[i]] = shown->decoded[i]->isnull[row];
	}
}

/*
 * What comes by reference may be a piece of a row that is gone when the next
 * is shown, if that is one of a tail page.
 */
static Datum
evaluate(LedgerAggregateState *state, LedgerAggregateInput *input, Shown *shown, int row,
		 bool *isnull)
{
	ExprContext *econtext = state->callcontext;
	Datum		value;

	CHECK_FOR_INTERRUPTS();
	show_row(state, shown, row);
	econtext->ecxt_scantuple = shown->slot;
	value = ExecEvalExpr(input->state, econtext, isnull);
	if (!*isnull && !input->typbyval && shown->slot == state->row_slot)
		value = datumCopy(value, false, input->typlen);
	return value;
}

static void
load_expression(LedgerAggregateState *state, LedgerAggregateInput *input,
				const uint16 *rows, int n)
{
	Shown	   *shown = begin_rows(state, (Node *) input->expr, rows, n);

	make_room(state, input);
	for (int i = 0; i < n; i++)
		input->own_values[rows[i]] = evaluate(state, input, shown, rows[i],
											  &input->own_isnull[rows[i]]);
}

/* As an expression, but the function is called once for a piece of time. */
static void
load_bucket(LedgerAggregateState *state, LedgerAggregateInput *input, const uint16 *rows, int n)
{
	LedgerBucket *bucket = input->bucket;
	LedgerAggregateInput *time = ledger_aggregate_load(state, bucket->input, rows, n);
	Shown	   *shown = NULL;

	make_room(state, input);
	ledger_bucket_check(bucket);
	for (int i = 0; i < n; i++)
	{
		int			row = rows[i];
		int64		value = DatumGetInt64(time->values[row]);

		if (bucket->valid && value >= bucket->low && value < bucket->high && !time->isnull[row])
		{
			input->own_values[row] = bucket->result;
			input->own_isnull[row] = false;
			continue;
		}
		if (shown == NULL)
			shown = begin_rows(state, (Node *) input->expr, rows, n);
		input->own_values[row] = evaluate(state, input, shown, row, &input->own_isnull[row]);
		if (!input->own_isnull[row])
			ledger_bucket_set(bucket, value, input->own_values[row]);
	}
}

/* ---- Batches ---- */

void
ledger_aggregate_new_batch(LedgerAggregateState *state)
{
	for (int i = 0; i < state->ninputs; i++)
		state->inputs[i].loaded = false;
	for (int i = 0; i < state->nfilters; i++)
		state->filters[i].loaded = false;
	MemoryContextReset(state->batch_context);
}

/*
 * Have an input's values for rows of the batch: all that are aggregated, or all
 * that pass the input's FILTER.
 */
LedgerAggregateInput *
ledger_aggregate_load(LedgerAggregateState *state, int number, const uint16 *rows, int n)
{
	LedgerAggregateInput *input = &state->inputs[number];
	MemoryContext oldcontext;

	if (input->loaded)
		return input;
	oldcontext = MemoryContextSwitchTo(state->batch_context);
	if (input->read != NULL && state->fs.scan->batch->page == NULL)
		load_from_segment(state, input, rows, n);
	else if (input->attnum != 0)
		load_tail_column(state, input, rows, n);
	else if (input->bucket != NULL)
		load_bucket(state, input, rows, n);
	else
		load_expression(state, input, rows, n);
	MemoryContextSwitchTo(oldcontext);
	input->loaded = true;
	return input;
}

/* Shorten a list of rows to those for which an expression is true. */
int
ledger_aggregate_match(LedgerAggregateState *state, ExprState *qual, uint16 *rows, int n)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(state->batch_context);
	Shown	   *shown = begin_rows(state, (Node *) qual->expr, rows, n);
	int			kept = 0;

	for (int i = 0; i < n; i++)
	{
		uint16		row = rows[i];
		bool		isnull;
		Datum		value;

		CHECK_FOR_INTERRUPTS();
		show_row(state, shown, row);
		state->callcontext->ecxt_scantuple = shown->slot;
		value = ExecEvalExpr(qual, state->callcontext, &isnull);
		rows[kept] = row;
		kept += !isnull && DatumGetBool(value);
	}
	MemoryContextSwitchTo(oldcontext);
	return kept;
}
