/*-------------------------------------------------------------------------
 *
 * codes.c
 *	  Filters on the codes of a segment's dictionaries.
 *
 * Where a chunk keeps each distinct value once, a filter is tried on each of
 * these once a segment, and rows are told apart by their codes: no value is
 * decoded for it.
 *
 * A dictionary may have values that only rows have which nobody is to see, as
 * those of gaps.  On these no function may be run that can fail.  So a value is
 * tried when a row that is looked at has it; but all are tried beforehand,
 * which can tell that no row of the segment passes, where that cannot fail: by
 * a loop of our own, or by a leakproof function.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "exec/exec_internal.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/*
 * Rows to be looked at for each distinct value, at least.  To get a value from
 * the dictionary is about as dear as to decode it for a row, and the codes are
 * to be unpacked, too.
 */
#define ROWS_PER_VALUE	2

/* So many values are tried at once. */
#define PIECE			256

/* What is known of a value. */
enum
{
	NOT_TRIED,
	FAILS,
	PASSES
};

/* No code of a segment before counts any more. */
void
ledger_filter_forget_codes(LedgerFilter *filter)
{
	for (int i = 0; i < filter->nargs; i++)
		ledger_filter_forget_codes(filter->args[i]);
	filter->known = NULL;
	filter->by_codes = false;
}

/* ---- Of a segment ---- */

/* Rows in vectors that this filter, and the others, leave open. */
static int
rows_left(const LedgerFilter *filter, const bool *wanted, int nrows)
{
	int			n = 0;

	for (int v = 0; v * LEDGER_VECTOR_ROWS < nrows; v++)
		if (wanted[v] && filter->truth[v] == LEDGER_TRUTH_SOME)
			n += Min(nrows - v * LEDGER_VECTOR_ROWS, LEDGER_VECTOR_ROWS);
	return n;
}

/* Try values first .. first + count - 1; returns how many pass. */
static int
try_values(LedgerFilter *filter, LedgerChunk *chunk, uint32 first, int count)
{
	Datum		values[PIECE];
	bool		isnull[PIECE];
	uint16		rows[PIECE];
	int			n;

	Assert(count <= PIECE);
	ledger_chunk_distinct_values(chunk, first, count, values);
	memset(isnull, false, sizeof(isnull));
	for (int i = 0; i < count; i++)
		rows[i] = i;
	n = ledger_filter_match_values(filter, values, isnull, rows, count);
	memset(filter->known + first, FAILS, count);
	for (int i = 0; i < n; i++)
		filter->known[first + rows[i]] = PASSES;
	return n;
}

/* Is there at most one value that passes? */
static bool
is_single(const LedgerFilter *filter)
{
	return filter->kind == LEDGER_FILTER_COMPARE && filter->method == LEDGER_METHOD_BYTES &&
		filter->strategy == BTEqualStrategyNumber;
}

/*
 * Try values until some pass: that there is none is worth most, and a query
 * that has enough with a few rows should not wait for more.
 */
static bool
any_passes(LedgerFilter *filter, LedgerChunk *chunk, uint32 nvalues)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ledger distinct values",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	int			passed = 0;
	uint32		next = 0;

	while (next < nvalues && passed == 0)
	{
		int			count = Min(nvalues - next, PIECE);

		CHECK_FOR_INTERRUPTS();
		passed = try_values(filter, chunk, next, count);
		next += count;
		MemoryContextReset(context);
	}
	if (passed > 0 && is_single(filter))
		memset(filter->known + next, FAILS, nvalues - next);
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(context);
	return passed > 0;
}

static void
prepare_column(LedgerFilter *filter, LedgerSegmentReader *reader, Relation rel,
			   const bool *wanted, MemoryContext context)
{
	const LedgerSegmentRoot *root = ledger_reader_root(reader);
	int			column = filter->input.attnum - 1;
	int			nrows = rows_left(filter, wanted, root->nrows);
	const LedgerColumnEntry *entry;
	LedgerChunk *chunk;
	uint32		nvalues;

	/* of the column itself, see skip.c:judge_column() */
	if (nrows == 0 || column >= root->ncolumns || filter->input.kind != LEDGER_INPUT_COLUMN)
		return;
	entry = ledger_reader_column(reader, rel, column);
	if (entry->length == 0 || entry->attlen != filter->input.typlen ||
		(entry->attbyval != 0) != filter->input.typbyval)
		return;
	chunk = ledger_reader_chunk(reader, rel, column);
	if (!ledger_chunk_distinct(chunk, &nvalues) ||
		(uint64) nvalues * ROWS_PER_VALUE > (uint64) nrows)
		return;

	filter->known = MemoryContextAllocZero(context, Max(nvalues, 1));
	if (filter->kind == LEDGER_FILTER_NULL)
		memset(filter->known, filter->negate ? PASSES : FAILS, nvalues);
	else if (filter->cannot_fail && !any_passes(filter, chunk, nvalues))
	{
		memset(filter->truth, LEDGER_TRUTH_NONE, sizeof(filter->truth));
		filter->by_codes = true;
	}
}

/*
 * Have codes used for a segment, which the filter has judged, where that pays;
 * of the vectors that are wanted.  What is kept is in "context", which lives
 * until the filter is made to forget.
 */
void
ledger_filter_prepare_codes(LedgerFilter *filter, LedgerSegmentReader *reader, Relation rel,
							const bool *wanted, MemoryContext context)
{
	check_stack_depth();
	if (filter->kind != LEDGER_FILTER_AND && filter->kind != LEDGER_FILTER_OR)
	{
		prepare_column(filter, reader, rel, wanted, context);
		return;
	}
	for (int i = 0; i < filter->nargs; i++)
	{
		ledger_filter_prepare_codes(filter->args[i], reader, rel, wanted, context);
		filter->by_codes |= filter->args[i]->by_codes;
	}
	if (filter->by_codes)
		ledger_filter_join_truths(filter);
}

/* ---- Of rows ---- */

static bool
passes(LedgerFilter *filter, LedgerChunk *chunk, uint32 code)
{
	if (code == LEDGER_CODE_NULL)
		return filter->kind == LEDGER_FILTER_NULL && !filter->negate;
	if (filter->known[code] == NOT_TRIED)
		try_values(filter, chunk, code, 1);
	return filter->known[code] == PASSES;
}

/* Shorten a list of a batch's rows; as ledger_filter_match does. */
int
ledger_filter_match_codes(LedgerFilter *filter, LedgerBatch *batch, uint16 *rows, int n)
{
	uint32		codes[LEDGER_VECTOR_ROWS];
	LedgerChunk *chunk = ledger_reader_chunk(batch->reader, batch->rel,
											 filter->input.attnum - 1);
	int			first = rows[0];
	int			kept = 0;

	ledger_chunk_codes(chunk, batch->position + first, rows[n - 1] - first + 1, codes);
	for (int i = 0; i < n; i++)
	{
		uint16		row = rows[i];

		rows[kept] = row;
		kept += passes(filter, chunk, codes[row - first]);
	}
	return kept;
}
