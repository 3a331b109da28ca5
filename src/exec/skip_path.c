/*-------------------------------------------------------------------------
 *
 * skip_path.c
 *	  What can be said of a segment's vectors, if a filter reads a path in
 *	  shredded documents.
 *
 * A path leads to one of a few branches: nothing, constants, a column of the
 * row, sub-columns.  Of each is found out whether its rows pass; if none of a
 * branch do, whatever branch it is, no row does.  Where a sub-column's rows are
 * among the documents is not asked: that takes about as long as to filter them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_type_d.h"
#include "exec/exec_internal.h"
#include "fmgr.h"

/* Digits of the numbers that sub-columns of numbers have, at most. */
#define NUMBER_DIGITS	15

#define NUMBER_MAX		INT64CONST(999999999999999)

/* Longest text of such a number: sign, "0.", digits */
#define NUMBER_ROOM		(NUMBER_DIGITS + 8)

/* ---- Constants ---- */

static LedgerTruth
judge_value(LedgerFilter *filter, Datum value, bool isnull)
{
	if (!ledger_filter_may_try(filter, isnull))
		return LEDGER_TRUTH_SOME;
	return ledger_filter_match_one(filter, value, isnull) ? LEDGER_TRUTH_ALL : LEDGER_TRUTH_NONE;
}

static LedgerTruth
judge_constant(LedgerFilter *filter, const LedgerPathBranch *branch)
{
	bool		unknown;
	Datum		value;

	if (filter->input.kind == LEDGER_INPUT_JSONB)
		return LEDGER_TRUTH_SOME;
	value = ledger_input_of_text(&filter->input, branch->text, &unknown);
	return unknown ? LEDGER_TRUTH_SOME : judge_value(filter, value, false);
}

/* ---- Numbers ---- */

/* number / 10^scale */
static void
print_number(int64 number, int scale, char *room)
{
	char		digits[NUMBER_ROOM];
	int			len = snprintf(digits, sizeof(digits), "%0*lld", scale + 1,
							   (long long) (number < 0 ? -number : number));

	snprintf(room, NUMBER_ROOM, "%s%.*s%s%s", number < 0 ? "-" : "", len - scale, digits,
			 scale > 0 ? "." : "", digits + len - scale);
}

static Datum
cast_number(const LedgerFilter *filter, int64 number, int scale, bool *unknown)
{
	char		room[NUMBER_ROOM];
	struct
	{
		struct varlena header;
		char		bytes[NUMBER_ROOM];
	}			value;

	print_number(number, scale, room);
	SET_VARSIZE(&value, VARHDRSZ + strlen(room));
	memcpy(VARDATA(&value), room, strlen(room));
	return ledger_input_of_text(&filter->input, PointerGetDatum(&value), unknown);
}

/* The least and greatest number of a sub-column; false if nobody knows. */
static bool
find_bounds(const LedgerSubcolumn *sub, int64 *min, int64 *max)
{
	int			nvectors = LEDGER_VECTORS_OF(sub->nvalues);

	for (int v = 0; v < nvectors; v++)
	{
		LedgerZone	zone;

		ledger_chunk_zone(sub->chunk, v, &zone);
		if (!zone.valid)
			return false;
		if (v == 0 || DatumGetInt64(zone.min) < *min)
			*min = DatumGetInt64(zone.min);
		if (v == 0 || DatumGetInt64(zone.max) > *max)
			*max = DatumGetInt64(zone.max);
	}
	return nvectors > 0 && ledger_is_within(*min, NUMBER_MAX) &&
		ledger_is_within(*max, NUMBER_MAX);
}

/*
 * A cast keeps the order of numbers.  Where it might be an error for one of
 * them, which is so for integers if a number shows decimals, or is out of the
 * type's range, it is for the least or the greatest.
 */
static LedgerTruth
judge_cast_numbers(LedgerFilter *filter, const LedgerPathBranch *branch,
				   const LedgerSubcolumn *sub)
{
	LedgerZone	zone = {true, 0};
	Oid			cast = filter->input.cast;
	bool		is_integer = cast == INT2OID || cast == INT4OID || cast == INT8OID;
	int64		min;
	int64		max;
	bool		unknown;

	if ((!is_integer && cast != NUMERICOID && cast != FLOAT8OID && cast != FLOAT4OID) ||
		(is_integer && branch->scale != 0) || filter->strategy == LEDGER_STRATEGY_NONE ||
		!find_bounds(sub, &min, &max))
		return LEDGER_TRUTH_SOME;
	zone.min = cast_number(filter, min, sub->scale, &unknown);
	if (unknown)
		return LEDGER_TRUTH_SOME;
	zone.max = cast_number(filter, max, sub->scale, &unknown);
	if (unknown)
		return LEDGER_TRUTH_SOME;
	return ledger_filter_judge_zone(filter, &zone);
}

/*
 * The number that ->> shows as this text, by 10^scale; false if there is none
 * in a sub-column of that scale.
 */
static bool
number_of_text(LedgerString string, int scale, int64 *number)
{
	char		room[NUMBER_ROOM];
	bool		negative = string.len > 0 && string.data[0] == '-';
	int			decimals = -1;
	int			digits = 0;

	*number = 0;
	for (Size i = negative; i < string.len; i++)
	{
		char		c = string.data[i];

		if (c == '.' && decimals < 0)
			decimals = 0;
		else if (c >= '0' && c <= '9' && digits++ < NUMBER_DIGITS + 1)
		{
			*number = *number * 10 + (c - '0');
			decimals += decimals >= 0;
		}
		else
			return false;
	}
	decimals = Max(decimals, 0);
	if (negative)
		*number = -*number;
	if (digits == 0 || decimals > scale || string.len >= NUMBER_ROOM)
		return false;
	print_number(*number, decimals, room);
	if (strlen(room) != string.len || memcmp(room, string.data, string.len) != 0)
		return false;
	for (; decimals < scale; decimals++)
	{
		*number *= 10;
		if (!ledger_is_within(*number, NUMBER_MAX))
			return false;
	}
	return true;
}

/* Equality with the text of a number: each number shows as one text only. */
static LedgerTruth
judge_number_texts(LedgerFilter *filter, const LedgerSubcolumn *sub)
{
	const LedgerConstants *constants = &filter->constants;
	int64		min;
	int64		max;

	if (filter->method != LEDGER_METHOD_BYTES || filter->strategy != BTEqualStrategyNumber)
		return LEDGER_TRUTH_SOME;
	if (!find_bounds(sub, &min, &max))
	{
		min = PG_INT64_MIN;
		max = PG_INT64_MAX;
	}
	for (int i = 0; i < constants->n; i++)
	{
		int64		number;

		if (number_of_text(constants->strings[i], sub->scale, &number) &&
			number >= min && number <= max)
			return LEDGER_TRUTH_SOME;
	}
	return LEDGER_TRUTH_NONE;
}

/* ---- Branches ---- */

static LedgerTruth
judge_subcolumn(LedgerFilter *filter, const LedgerPathBranch *branch, LedgerChunk *documents)
{
	LedgerSubcolumn sub;
	LedgerJudgedChunk chunk;
	LedgerTruth truth = LEDGER_TRUTH_NONE;

	ledger_chunk_subcolumn(documents, branch->subcolumn, &sub);
	if (branch->class == LEDGER_PATH_NUMBER && filter->input.kind == LEDGER_INPUT_CAST)
		return judge_cast_numbers(filter, branch, &sub);
	if (filter->input.kind != LEDGER_INPUT_TEXT)
		return LEDGER_TRUTH_SOME;
	if (branch->class == LEDGER_PATH_NUMBER)
		return judge_number_texts(filter, &sub);
	if (branch->class != LEDGER_PATH_STRING || sub.nvalues > LEDGER_SEGMENT_ROWS)
		return LEDGER_TRUTH_SOME;

	chunk.chunk = sub.chunk;
	chunk.typid = sub.type.typid;
	chunk.collation = sub.type.collation;
	chunk.nrows = sub.nvalues;
	chunk.nvectors = LEDGER_VECTORS_OF(sub.nvalues);
	ledger_filter_set_all(filter, LEDGER_TRUTH_SOME);
	ledger_filter_judge_chunk(filter, &chunk);
	for (int v = 0; v < chunk.nvectors; v++)
		if (filter->truth[v] != LEDGER_TRUTH_NONE)
			truth = LEDGER_TRUTH_SOME;
	return truth;
}

/* The rows of a branch that have the value of a column; by vector. */
static void
judge_column(LedgerFilter *filter, const LedgerPathBranch *branch, LedgerSegmentReader *reader,
			 Relation rel)
{
	int			column = filter->input.attnum - 1;
	const LedgerColumnEntry *entry = ledger_reader_column(reader, rel, column);
	int			nrows = ledger_reader_root(reader)->nrows;
	const int  *references;
	LedgerJudgedChunk chunk;

	ledger_filter_set_all(filter, LEDGER_TRUTH_SOME);
	if (filter->input.kind != LEDGER_INPUT_TEXT)
		return;
	ledger_reader_references(reader, rel, column, &references);
	column = entry->base + references[branch->reference];
	entry = ledger_reader_column(reader, rel, column);
	if (entry->length == 0)
		return;
	chunk.chunk = ledger_reader_chunk(reader, rel, column);
	chunk.typid = entry->typid;
	chunk.collation = entry->collation;
	chunk.nrows = nrows;
	chunk.nvectors = LEDGER_VECTORS_OF(nrows);
	ledger_filter_judge_chunk(filter, &chunk);
}

/* Set the filter's truths to those of one branch's rows. */
static void
judge_branch(LedgerFilter *filter, const LedgerPathBranch *branch, LedgerSegmentReader *reader,
			 Relation rel)
{
	LedgerTruth truth = LEDGER_TRUTH_SOME;

	if (branch->kind == LEDGER_PATH_ABSENT ||
		(branch->kind == LEDGER_PATH_NULL && filter->input.kind != LEDGER_INPUT_JSONB))
		truth = judge_value(filter, (Datum) 0, true);
	else if (filter->kind == LEDGER_FILTER_NULL)
	{
		/* a container on the way may lack the key; a cast may be an error */
		if (branch->kind != LEDGER_PATH_DOCUMENT && filter->input.kind != LEDGER_INPUT_CAST)
			truth = filter->negate ? LEDGER_TRUTH_ALL : LEDGER_TRUTH_NONE;
	}
	else if (branch->kind == LEDGER_PATH_CONSTANT)
		truth = judge_constant(filter, branch);
	else if (branch->kind == LEDGER_PATH_SUBCOLUMN)
		truth = judge_subcolumn(filter, branch, ledger_reader_chunk(reader, rel,
																	filter->input.attnum - 1));
	else if (branch->kind == LEDGER_PATH_COLUMN)
	{
		judge_column(filter, branch, reader, rel);
		return;
	}
	ledger_filter_set_all(filter, truth);
}

static void
judge_exists(LedgerFilter *filter, const LedgerPath *path)
{
	/* whether a document is NULL does not matter to who wants true */
	if (filter->kind == LEDGER_FILTER_BOOL && !filter->negate && !ledger_path_may_exist(path))
		ledger_filter_set_all(filter, LEDGER_TRUTH_NONE);
}

/*
 * Set the filter's truths of a segment's vectors; the path is open there.
 */
void
ledger_filter_judge_path(LedgerFilter *filter, LedgerPath *path, LedgerSegmentReader *reader,
						 Relation rel)
{
	uint8		truth[LEDGER_VECTORS_MAX];
	LedgerPathInfo info;
	bool		by_bloom;

	ledger_filter_set_all(filter, LEDGER_TRUTH_SOME);
	if (filter->input.kind == LEDGER_INPUT_EXISTS)
	{
		judge_exists(filter, path);
		return;
	}
	ledger_path_info(path, &info);
	judge_branch(filter, &info.branches[0], reader, rel);
	memcpy(truth, filter->truth, sizeof(truth));
	for (int b = 1; b < info.nbranches; b++)
	{
		judge_branch(filter, &info.branches[b], reader, rel);
		for (int v = 0; v < LEDGER_VECTORS_MAX; v++)
			if (truth[v] != filter->truth[v])
				truth[v] = LEDGER_TRUTH_SOME;
	}
	by_bloom = filter->by_bloom && memchr(truth, LEDGER_TRUTH_SOME, sizeof(truth)) == NULL;
	memcpy(filter->truth, truth, sizeof(truth));
	filter->by_bloom = by_bloom;
}
