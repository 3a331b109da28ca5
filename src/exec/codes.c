/*-------------------------------------------------------------------------
 *
 * codes.c
 *	  Filters on the codes of a segment's dictionaries.
 *
 * Where a chunk keeps each distinct value once, a filter is tried on each of
 * these once a segment, and rows are told apart by their codes: no value is
 * decoded for it.  Rows of a path that have no code are asked for their values.
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

/*
 * Distinct values for each constant that is to be found among them by its bytes, at
 * least.  Fewer are as well compared with the constants.
 */
#define VALUES_PER_FIND	8

/* Of fewer values, most vectors have most. */
#define RARE_VALUES		LEDGER_VECTOR_ROWS

/* So many values are tried at once. */
#define PIECE			256

/* What is known of a value. */
enum
{
	NOT_TRIED,
	FAILS,
	PASSES,
	DOUBTED
};

/* No code of a segment before counts any more. */
void
ledger_filter_forget_codes(LedgerFilter *filter)
{
	for (int i = 0; i < filter->nargs; i++)
		ledger_filter_forget_codes(filter->args[i]);
	filter->known = NULL;
	filter->has_single = false;
	filter->templates = NULL;
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

/* Try values first .. first + count - 1; returns how many pass, or may. */
static int
try_values(LedgerFilter *filter, LedgerSegmentReader *reader, Relation rel, uint32 first,
		   int count)
{
	Datum		values[PIECE];
	bool		isnull[PIECE];
	bool		unknown[PIECE];
	LedgerInputValues in = {values, isnull, unknown};
	LedgerDoubt doubt;
	uint16		rows[PIECE];
	int			n;

	Assert(count <= PIECE);
	ledger_input_distinct_values(&filter->input, reader, rel, first, count, values, isnull, unknown);
	for (int i = 0; i < count; i++)
		rows[i] = i;
	doubt.any = false;
	n = ledger_filter_match_values(filter, &in, &doubt, rows, count);
	memset(filter->known + first, FAILS, count);
	for (int i = 0; i < n; i++)
		filter->known[first + rows[i]] = doubt.any && doubt.rows[rows[i]] ? DOUBTED : PASSES;
	return n;
}

/* Are the values that pass known by their bytes, so that they can be found? */
static bool
can_find(const LedgerFilter *filter)
{
	return (filter->kind == LEDGER_FILTER_COMPARE || filter->kind == LEDGER_FILTER_ANY) &&
		filter->method == LEDGER_METHOD_BYTES && filter->strategy == BTEqualStrategyNumber &&
		filter->input.kind == LEDGER_INPUT_COLUMN;
}

/*
 * Try values until some pass: that there is none is worth most, and a query
 * that has enough with a few rows should not wait for more.
 */
static bool
any_passes(LedgerFilter *filter, LedgerSegmentReader *reader, Relation rel, uint32 nvalues)
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
		passed = try_values(filter, reader, rel, next, count);
		next += count;
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(context);
	return passed > 0;
}

/* Is a row surely not NULL if it has a code? */
static bool
codes_are_values(const LedgerFilterInput *input, LedgerPath *path)
{
	return input->kind == LEDGER_INPUT_COLUMN ||
		(path != NULL && input->kind == LEDGER_INPUT_TEXT);
}

static bool
may_have_any(LedgerChunk *chunk, int vector, const uint32 *codes, int n)
{
	for (int i = 0; i < n; i++)
		if (ledger_chunk_may_have_code(chunk, vector, codes[i]))
			return true;
	return false;
}

/*
 * Leave out vectors that have no row with one of the codes.  Codes count values as
 * they first appear, so that a value which recurs for a while is in few vectors, and
 * those that have one of its neighbours are few, too.
 */
static void
exclude_vectors(LedgerFilter *filter, LedgerChunk *chunk, const uint32 *codes, int n,
				const bool *wanted, int nrows)
{
	for (int v = 0; v * LEDGER_VECTOR_ROWS < nrows; v++)
	{
		if (wanted[v] && filter->truth[v] == LEDGER_TRUTH_SOME &&
			!may_have_any(chunk, v, codes, n))
		{
			filter->truth[v] = LEDGER_TRUTH_NONE;
			filter->by_codes = true;
		}
	}
}

/* Constants' numbers become codes, of those that the dictionary has; returns how many. */
static int
find_codes(const LedgerFilter *filter, LedgerChunk *chunk, uint32 *found, int n)
{
	int			ncodes = 0;

	for (int i = 0; i < n; i++)
	{
		const LedgerString *value = &filter->constants.strings[found[i]];

		if (ledger_chunk_find_code(chunk, value->data, value->len, &found[ncodes]))
			ncodes++;
	}
	return ncodes;
}

/*
 * Have the values that pass found in the dictionary; returns false if the constants
 * that may be among them are so many that this does not pay.  "some" tells whether
 * there are any.
 */
static bool
find_values(LedgerFilter *filter, LedgerSegmentReader *reader, Relation rel, uint32 nvalues,
			const bool *wanted, MemoryContext context, bool *some)
{
	LedgerChunk *chunk;
	uint32	   *codes;
	int			n;

	if (!can_find(filter) || nvalues <= 1 || (uint32) filter->constants.n > nvalues)
		return false;
	codes = palloc(filter->constants.n * sizeof(uint32));
	n = ledger_filter_possible_constants(filter, reader, rel, codes);
	if (n > 1 && (uint32) n > nvalues / VALUES_PER_FIND)
	{
		pfree(codes);
		return false;
	}
	chunk = ledger_input_chunk(&filter->input, reader, rel);
	n = find_codes(filter, chunk, codes, n);
	*some = n > 0;
	if (n == 1)
	{
		filter->has_single = true;
		filter->single = codes[0];
	}
	else if (n > 1)
	{
		filter->known = MemoryContextAlloc(context, nvalues);
		memset(filter->known, FAILS, nvalues);
		for (int i = 0; i < n; i++)
			filter->known[codes[i]] = PASSES;
	}
	if (n > 0 && nvalues >= RARE_VALUES)
		exclude_vectors(filter, chunk, codes, n, wanted, ledger_reader_root(reader)->nrows);
	pfree(codes);
	return true;
}

/*
 * Have all values be tried, now or when a row has one; returns whether some may pass.
 */
static bool
try_all(LedgerFilter *filter, LedgerSegmentReader *reader, Relation rel, LedgerPath *path,
		uint32 nvalues, MemoryContext context)
{
	filter->known = MemoryContextAllocZero(context, Max(nvalues, 1));
	if (filter->kind == LEDGER_FILTER_NULL)
	{
		if (codes_are_values(&filter->input, path))
			memset(filter->known, filter->negate ? PASSES : FAILS, nvalues);
		return true;
	}
	return !filter->cannot_fail || any_passes(filter, reader, rel, nvalues) ||
		(path != NULL && ledger_path_has_other(path));
}

static void
prepare_input(LedgerFilter *filter, LedgerSegmentReader *reader, Relation rel,
			  const bool *wanted, MemoryContext context)
{
	int			nrows = rows_left(filter, wanted, ledger_reader_root(reader)->nrows);
	LedgerPath *path;
	uint32		nvalues;
	bool		some;

	if (nrows == 0 || filter->constants.never || filter->constants.fails)
		return;
	if (filter->constants.words != NULL)
		ledger_words_judge_templates(filter, reader, rel, nrows, context);
	if (!ledger_input_distinct(&filter->input, reader, rel, &nvalues))
		return;
	if (!find_values(filter, reader, rel, nvalues, wanted, context, &some))
	{
		if ((uint64) nvalues * ROWS_PER_VALUE > (uint64) nrows)
			return;
		path = ledger_input_path(&filter->input, reader, rel);
		if (filter->kind == LEDGER_FILTER_NULL && path != NULL)
			return;				/* shapes tell that at once */
		some = try_all(filter, reader, rel, path, nvalues, context);
	}
	if (!some)
	{
		ledger_filter_set_all(filter, LEDGER_TRUTH_NONE);
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
	if (filter->kind == LEDGER_FILTER_CONTAINS && !filter->by_leaves)
		return;
	if (filter->nargs == 0)
	{
		prepare_input(filter, reader, rel, wanted, context);
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

static int
look_up(LedgerFilter *filter, const LedgerBatch *batch, uint32 code)
{
	if (code == LEDGER_CODE_NULL)
		return filter->kind == LEDGER_FILTER_NULL && !filter->negate ? PASSES : FAILS;
	if (filter->known[code] == NOT_TRIED)
		try_values(filter, batch->reader, batch->rel, code, 1);
	return filter->known[code];
}

/* Add rows to a list; both ascend. */
int
ledger_merge_rows(uint16 *rows, int n, const uint16 *others, int nothers)
{
	int			total = n + nothers;

	for (int i = total - 1; nothers > 0; i--)
		rows[i] = n > 0 && rows[n - 1] > others[nothers - 1] ? rows[--n] : others[--nothers];
	return total;
}

/* Shorten a list of a batch's rows; as ledger_filter_match does. */
int
ledger_filter_match_codes(LedgerFilter *filter, const LedgerFilterRows *source,
						  uint16 *rows, int n)
{
	uint32		codes[LEDGER_VECTOR_ROWS];
	uint16		others[LEDGER_VECTOR_ROWS];
	int			first = rows[0];
	int			nothers = 0;
	int			kept = 0;

	if (filter->has_single)
		return ledger_chunk_match_code(ledger_input_chunk(&filter->input, source->batch->reader,
														  source->batch->rel),
									   source->batch->position, filter->single, rows, n);
	ledger_input_codes(&filter->input, source->batch, first, rows[n - 1] - first + 1, codes);
	for (int i = 0; i < n; i++)
	{
		uint16		row = rows[i];
		uint32		code = codes[row - first];
		int			known;

		if (code == LEDGER_CODE_OTHER)
		{
			others[nothers++] = row;
			continue;
		}
		known = look_up(filter, source->batch, code);
		if (known == DOUBTED)
			ledger_doubt_row(source->doubt, row);
		rows[kept] = row;
		kept += known != FAILS;
	}
	if (nothers > 0)
		nothers = ledger_filter_match_read(filter, source, others, nothers);
	return ledger_merge_rows(rows, kept, others, nothers);
}
