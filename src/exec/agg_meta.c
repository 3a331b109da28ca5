/*-------------------------------------------------------------------------
 *
 * agg_meta.c
 *	  Aggregates of all rows, answered from what is known of vectors.
 *
 * Where every row of a vector is seen and passes the filters, their number is
 * that of the vector's rows, and the zone map has their least and greatest
 * value.  Where that is not so, a zone map can still tell that no row would
 * change a minimum or maximum.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "exec/aggregate.h"
#include "nodes/nodeFuncs.h"

/* Could vectors be answered, were all rows seen? */
bool
ledger_aggregate_can_answer(const LedgerAggregateState *state)
{
	if (state->nkeys > 0 || state->ncalls == 0)
		return false;
	for (int i = 0; i < state->ncalls; i++)
	{
		const LedgerAggregateCall *call = &state->calls[i];

		if (call->answer == LEDGER_ANSWER_NONE || call->filter >= 0)
			return false;
		if (call->answer != LEDGER_ANSWER_ROWS && state->inputs[call->args[0]].attnum == 0)
			return false;
	}
	return true;
}

/* What is known of an aggregate's column in a vector; false if it is nothing. */
static bool
find_zone(LedgerAggregateState *state, const LedgerAggregateCall *call,
		  LedgerSegmentReader *reader, int position, int count, LedgerZone *zone)
{
	int			column;
	const LedgerColumnEntry *entry;

	memset(zone, 0, sizeof(*zone));
	if (call->answer == LEDGER_ANSWER_ROWS)
		return true;
	column = state->inputs[call->args[0]].attnum - 1;
	if (column >= ledger_reader_root(reader)->ncolumns)
		return false;
	entry = ledger_reader_column(reader, state->fs.rel, column);
	if (entry->length == 0)
	{
		zone->nulls = count;
		return true;
	}
	/* the column's type may be another since */
	if (call->answer != LEDGER_ANSWER_VALUES && entry->typid != call->argtype)
		return false;
	ledger_chunk_zone(ledger_reader_chunk(reader, state->fs.rel, column),
					  position / LEDGER_VECTOR_ROWS, zone);
	return true;
}

/* A LedgerAnswer */
bool
ledger_aggregate_answer(void *arg, LedgerSegmentReader *reader, int position, int count)
{
	LedgerAggregateState *state = arg;
	LedgerFilteredScan *fs = &state->fs;
	int			vector = position / LEDGER_VECTOR_ROWS;
	int			nrows = ledger_reader_root(reader)->nrows;
	bool		counted = ledger_scan_sees_all(fs->scan) && ledger_filtered_passes_all(fs, vector);
	bool		exact = counted && position % LEDGER_VECTOR_ROWS == 0 &&
		count == Min(nrows - position, LEDGER_VECTOR_ROWS);
	char	   *group = (char *) state->single;
	LedgerScanCounts *counts;

	for (int i = 0; i < state->ncalls; i++)
	{
		LedgerAggregateCall *call = &state->calls[i];
		LedgerZone	zone;

		if ((call->answer == LEDGER_ANSWER_ROWS && !counted) ||
			!find_zone(state, call, reader, position, count, &zone) ||
			!ledger_kernel_answer(call, group + call->offset, count, exact, &zone, false))
			return false;
	}
	for (int i = 0; i < state->ncalls; i++)
	{
		LedgerAggregateCall *call = &state->calls[i];
		LedgerZone	zone;

		(void) find_zone(state, call, reader, position, count, &zone);
		(void) ledger_kernel_answer(call, group + call->offset, count, exact, &zone, true);
	}
	counts = ledger_filtered_counts(fs);
	counts->vectors_answered++;
	counts->rows_answered += count;
	return true;
}
