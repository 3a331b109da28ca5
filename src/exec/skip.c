/*-------------------------------------------------------------------------
 *
 * skip.c
 *	  What zone maps and Bloom filters tell of a segment's vectors.
 *
 * Zone maps of numbers are asked by the operator itself, and by its family's
 * "<=" and ">=" for "=": their order is total, NaN and infinities included.
 * What is known of a text is bytes; that serves equality where this is one of
 * bytes, and order in the C collation only.  Of numerics, a number is known that
 * tells the order of most.
 *
 * A map or filter is believed only if it was made of the type that the filter
 * takes: a column's type may have changed since, without a rewrite.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "catalog/pg_type_d.h"
#include "exec/exec_internal.h"
#include "miscadmin.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* More elements of an array are not held against each map one by one. */
#define ELEMENTS_MAX	64

/* The same holds of all vectors. */
void
ledger_filter_set_all(LedgerFilter *filter, LedgerTruth truth)
{
	memset(filter->truth, truth, sizeof(filter->truth));
}

static inline int
vector_rows(const LedgerJudgedChunk *chunk, int vector)
{
	return Min(chunk->nrows - vector * LEDGER_VECTOR_ROWS, LEDGER_VECTOR_ROWS);
}

/* ---- Order ---- */

/* Values are from min to max: what of "value = constant"? */
static LedgerTruth
judge_equal(LedgerFilter *filter, const LedgerZone *zone, Datum constant)
{
	if (filter->less_equal == NULL || filter->greater_equal == NULL)
		return LEDGER_TRUTH_SOME;
	if (!ledger_operator_holds(filter->less_equal, zone->min, constant) ||
		!ledger_operator_holds(filter->greater_equal, zone->max, constant))
		return LEDGER_TRUTH_NONE;
	if (ledger_operator_holds(filter->greater_equal, zone->min, constant) &&
		ledger_operator_holds(filter->less_equal, zone->max, constant))
		return LEDGER_TRUTH_ALL;
	return LEDGER_TRUTH_SOME;
}

/* Likewise of the filter's operator; NULLs not counted. */
static LedgerTruth
judge_order(LedgerFilter *filter, const LedgerZone *zone, Datum constant)
{
	Datum		first;			/* if any value passes, this one does */
	Datum		last;			/* and if this one does, all do */

	switch (filter->strategy)
	{
		case BTLessStrategyNumber:
		case BTLessEqualStrategyNumber:
			first = zone->min;
			last = zone->max;
			break;
		case BTGreaterStrategyNumber:
		case BTGreaterEqualStrategyNumber:
			first = zone->max;
			last = zone->min;
			break;
		case BTEqualStrategyNumber:
			return judge_equal(filter, zone, constant);
		case LEDGER_STRATEGY_NOT_EQUAL:
			return LEDGER_TRUTH_ALL - judge_equal(filter, zone, constant);
		default:
			return LEDGER_TRUTH_SOME;
	}
	if (!ledger_operator_holds(filter->call, first, constant))
		return LEDGER_TRUTH_NONE;
	return ledger_operator_holds(filter->call, last, constant) ? LEDGER_TRUTH_ALL : LEDGER_TRUTH_SOME;
}

/* Is one of these, which ascend, from min to max? */
#define HAS_BETWEEN(name, type, precedes) \
static bool \
name(const type *values, int n, type min, type max) \
{ \
	int			low = 0; \
	int			high = n; \
 \
	while (low < high) \
	{ \
		int			middle = (low + high) / 2; \
 \
		if (precedes(values[middle], min)) \
			low = middle + 1; \
		else \
			high = middle; \
	} \
	return low < n && !precedes(max, values[low]); \
}
#define IS_LESS(a, b)	((a) < (b))

HAS_BETWEEN(has_integer_between, int64, IS_LESS)
HAS_BETWEEN(has_number_between, uint64, IS_LESS)
HAS_BETWEEN(has_float_between, double, float8_lt)

static int
compare_numbers(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

static double
float_of(Oid type, Datum value)
{
	return type == FLOAT4OID ? DatumGetFloat4(value) : DatumGetFloat8(value);
}

/* Of an array of many elements: may a value be one of them? */
static LedgerTruth
judge_array(const LedgerFilter *filter, const LedgerZone *zone)
{
	const LedgerConstants *constants = &filter->constants;
	Oid			type = filter->input.typid;
	bool		any = true;

	if (filter->method == LEDGER_METHOD_INTEGER)
		any = has_integer_between(constants->integers, constants->n,
								  ledger_integer_of(type, zone->min), ledger_integer_of(type, zone->max));
	else if (filter->method == LEDGER_METHOD_FLOAT)
		any = has_float_between(constants->floats, constants->n, float_of(type, zone->min),
								float_of(type, zone->max));
	return any ? LEDGER_TRUTH_SOME : LEDGER_TRUTH_NONE;
}

/* Of several constants, what is best for any row. */
LedgerTruth
ledger_filter_judge_zone(LedgerFilter *filter, const LedgerZone *zone)
{
	const LedgerConstants *constants = &filter->constants;
	LedgerTruth truth = LEDGER_TRUTH_NONE;

	if (constants->n > ELEMENTS_MAX)
		return judge_array(filter, zone);
	for (int i = 0; i < constants->n && truth == LEDGER_TRUTH_NONE; i++)
		truth = judge_order(filter, zone, constants->values[i]);
	return truth;
}

static LedgerTruth
judge_boolean(const LedgerFilter *filter, const LedgerZone *zone)
{
	bool		min = DatumGetBool(zone->min) != filter->negate;
	bool		max = DatumGetBool(zone->max) != filter->negate;

	if (min != max)
		return LEDGER_TRUTH_SOME;
	return min ? LEDGER_TRUTH_ALL : LEDGER_TRUTH_NONE;
}

static void
judge_zones(LedgerFilter *filter, const LedgerJudgedChunk *chunk)
{
	for (int v = 0; v < chunk->nvectors; v++)
	{
		LedgerZone	zone;
		LedgerTruth truth;

		ledger_chunk_zone(chunk->chunk, v, &zone);
		if (!zone.valid)
			continue;
		truth = filter->kind == LEDGER_FILTER_BOOL ? judge_boolean(filter, &zone) :
			ledger_filter_judge_zone(filter, &zone);
		if (truth == LEDGER_TRUTH_ALL && zone.nulls > 0)
			truth = LEDGER_TRUTH_SOME;
		filter->truth[v] = truth;
	}
}

/* ---- What is cut from values ---- */

/*
 * Where a value is beside a chunk's, as far as their common prefix tells:
 * below all (-1), above all (1), or among them, with a number to be compared.
 */
typedef struct CutPlace
{
	int			order;
	uint64		number;
} CutPlace;

static CutPlace
place_in_chunk(const LedgerCutZone *zone, const LedgerString *string)
{
	Size		prefix = zone->prefix_length;
	CutPlace	place = {memcmp(string->data, zone->prefix, Min(string->len, prefix))};

	if (place.order == 0 && string->len < prefix)
		place.order = -1;
	else if (place.order == 0)
		place.number = ledger_zone_number(zone->typid, string->data, string->len, prefix);
	return place;
}

/* The same beside a zone's values; 0 if nobody knows. */
static inline int
place_in_zone(const LedgerCutZone *zone, CutPlace place)
{
	if (place.order != 0)
		return place.order < 0 ? -1 : 1;
	if (place.number < zone->min)
		return -1;
	return place.number > zone->max ? 1 : 0;
}

/* Can a value of the zone begin with the filter's prefix? */
static bool
may_begin(const LedgerCutZone *zone, const LedgerConstants *constants)
{
	int			len = constants->prefix_len;
	int			common = Min(len, zone->prefix_length);
	char		least[8];
	char		greatest[8];

	if (memcmp(zone->prefix, constants->prefix, common) != 0)
		return false;
	if (len <= zone->prefix_length)
		return true;
	memset(least, 0, 8);
	memset(greatest, 0xFF, 8);
	memcpy(least, constants->prefix + common, Min(len - common, 8));
	memcpy(greatest, constants->prefix + common, Min(len - common, 8));
	return ledger_zone_number(zone->typid, greatest, 8, 0) >= zone->min &&
		ledger_zone_number(zone->typid, least, 8, 0) <= zone->max;
}

static LedgerTruth
judge_place(const LedgerFilter *filter, int place)
{
	if (place == 0)
		return LEDGER_TRUTH_SOME;
	switch (filter->strategy)
	{
		case BTEqualStrategyNumber:
			return LEDGER_TRUTH_NONE;
		case LEDGER_STRATEGY_NOT_EQUAL:
			return LEDGER_TRUTH_ALL;
		case BTLessStrategyNumber:
		case BTLessEqualStrategyNumber:
			if (filter->ordered_cuts)
				return place > 0 ? LEDGER_TRUTH_ALL : LEDGER_TRUTH_NONE;
			return LEDGER_TRUTH_SOME;
		case BTGreaterStrategyNumber:
		case BTGreaterEqualStrategyNumber:
			if (filter->ordered_cuts)
				return place < 0 ? LEDGER_TRUTH_ALL : LEDGER_TRUTH_NONE;
			return LEDGER_TRUTH_SOME;
		default:
			return LEDGER_TRUTH_SOME;
	}
}

/*
 * An array's elements beside a chunk's values; of many, only those that may be among
 * these count, and of them the numbers, which ascend.
 */
typedef struct CutPlaces
{
	int			n;
	CutPlace	places[ELEMENTS_MAX];
	uint64	   *numbers;		/* or NULL */
} CutPlaces;

static void
find_places(const LedgerFilter *filter, const LedgerCutZone *zone, CutPlaces *places)
{
	const LedgerConstants *constants = &filter->constants;
	bool		many = constants->n > ELEMENTS_MAX;

	places->n = 0;
	places->numbers = many ? palloc(constants->n * sizeof(uint64)) : NULL;
	for (int i = 0; i < constants->n; i++)
	{
		LedgerString string = ledger_string_of(&filter->input, constants->values[i]);
		CutPlace	place = place_in_chunk(zone, &string);

		if (!many)
			places->places[places->n++] = place;
		else if (place.order == 0)
			places->numbers[places->n++] = place.number;
	}
	if (many)
		qsort(places->numbers, places->n, sizeof(uint64), compare_numbers);
}

static LedgerTruth
judge_cut_zone(const LedgerFilter *filter, const LedgerCutZone *zone, const CutPlaces *places)
{
	const LedgerConstants *constants = &filter->constants;
	LedgerTruth truth = LEDGER_TRUTH_NONE;

	if (constants->prefix != NULL)
		return may_begin(zone, constants) ? LEDGER_TRUTH_SOME : LEDGER_TRUTH_NONE;
	if (places->numbers != NULL)
		return has_number_between(places->numbers, places->n, zone->min, zone->max) ?
			LEDGER_TRUTH_SOME : LEDGER_TRUTH_NONE;
	for (int i = 0; i < places->n && truth == LEDGER_TRUTH_NONE; i++)
		truth = judge_place(filter, place_in_zone(zone, places->places[i]));
	return truth;
}

/* False if there are no zones, or they tell nothing. */
static bool
judge_cut_zones(LedgerFilter *filter, const LedgerJudgedChunk *chunk)
{
	const LedgerConstants *constants = &filter->constants;
	CutPlaces	places;
	LedgerCutZone zone;
	const uint64 *numbers = ledger_chunk_cut_numbers(chunk->chunk, &zone);

	if (numbers == NULL || constants->n > Max(chunk->nrows, ELEMENTS_MAX) ||
		(constants->prefix == NULL && filter->strategy == LEDGER_STRATEGY_NONE))
		return false;
	places.n = 0;
	places.numbers = NULL;
	if (constants->prefix == NULL)
		find_places(filter, &zone, &places);
	for (int v = 0; v < chunk->nvectors; v++)
	{
		LedgerTruth truth = LEDGER_TRUTH_NONE;

		zone.min = numbers[2 * v];
		zone.max = numbers[2 * v + 1];
		if (zone.min <= zone.max)	/* there are not NULLs only */
			truth = judge_cut_zone(filter, &zone, &places);
		if (truth == LEDGER_TRUTH_ALL && ledger_chunk_nulls(chunk->chunk, v) > 0)
			truth = LEDGER_TRUTH_SOME;
		filter->truth[v] = truth;
	}
	if (places.numbers != NULL)
		pfree(places.numbers);
	return true;
}

/* ---- NULLs ---- */

static void
judge_nulls(LedgerFilter *filter, const LedgerJudgedChunk *chunk)
{
	for (int v = 0; v < chunk->nvectors; v++)
	{
		uint32		nulls = ledger_chunk_nulls(chunk->chunk, v);

		if (nulls == 0)
			filter->truth[v] = filter->negate ? LEDGER_TRUTH_ALL : LEDGER_TRUTH_NONE;
		else if (nulls == (uint32) vector_rows(chunk, v))
			filter->truth[v] = filter->negate ? LEDGER_TRUTH_NONE : LEDGER_TRUTH_ALL;
	}
}

/* Where all are NULL, only IS NULL is true. */
static void
judge_empty_vectors(LedgerFilter *filter, const LedgerJudgedChunk *chunk)
{
	for (int v = 0; v < chunk->nvectors; v++)
	{
		uint32		nulls = ledger_chunk_nulls(chunk->chunk, v);

		if (nulls > 0 && nulls == (uint32) vector_rows(chunk, v))
			filter->truth[v] = LEDGER_TRUTH_NONE;
	}
}

/* ---- Bloom filters ---- */

static bool
is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID;
}

/* Types that inet's operators compare, and whose values are hashed as such. */
static bool
is_inet(Oid type)
{
	return type == INETOID || type == CIDROID;
}

/* Does the chunk's filter hash as the operator compares? */
static bool
hashes_alike(const LedgerFilter *filter, Oid type)
{
	Oid			right = filter->righttype;

	if (filter->strategy != BTEqualStrategyNumber)
		return false;
	if (filter->method == LEDGER_METHOD_INTEGER &&
		(type == INT2OID || type == INT4OID || type == INT8OID))
		return right == INT2OID || right == INT4OID || right == INT8OID;
	if (filter->method == LEDGER_METHOD_FLOAT)
		return type == FLOAT4OID || type == FLOAT8OID;
	if (is_text(type) || is_text(right))
		return is_text(type) && is_text(right) && filter->by_bytes;
	if (is_inet(type) && is_inet(right))
		return is_inet(filter->input.typid);
	if (type != right || type != filter->input.typid)
		return false;
	return !OidIsValid(filter->collation) || ledger_is_deterministic(filter->collation);
}

/* The constants' hashes, made once for chunks of a type. */
static bool
make_hashes(LedgerFilter *filter, const LedgerJudgedChunk *chunk)
{
	LedgerConstants *constants = &filter->constants;
	LedgerColumnType type;
	MemoryContext context;

	if (constants->hashes != NULL && constants->hashed_for == chunk->typid)
		return true;
	memset(&type, 0, sizeof(type));
	type.typid = is_text(chunk->typid) ? chunk->typid : filter->righttype;
	type.collation = chunk->collation;
	get_typlenbyvalalign(type.typid, &type.attlen, &type.attbyval, &type.attalign);
	context = GetMemoryChunkContext(constants->values);
	if (constants->hashes == NULL)
		constants->hashes = MemoryContextAlloc(context, constants->n * sizeof(uint64));
	for (int i = 0; i < constants->n; i++)
		if (!ledger_value_hash(&type, constants->values[i], &constants->hashes[i]))
		{
			constants->hashed_for = InvalidOid;
			return false;
		}
	constants->hashed_for = chunk->typid;
	return true;
}

/* Can the chunk's filter be asked for the constants?  Then they have hashes. */
static bool
has_hashes(LedgerFilter *filter, const LedgerJudgedChunk *chunk)
{
	return ledger_chunk_has_filter(chunk->chunk) && hashes_alike(filter, chunk->typid) &&
		make_hashes(filter, chunk);
}

/* Returns whether that tells that no row passes. */
static bool
ask_bloom(LedgerFilter *filter, const LedgerJudgedChunk *chunk)
{
	const LedgerConstants *constants = &filter->constants;

	if (!has_hashes(filter, chunk))
		return false;
	for (int i = 0; i < constants->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (ledger_chunk_may_contain(chunk->chunk, constants->hashes[i]))
			return false;
	}
	ledger_filter_set_all(filter, LEDGER_TRUTH_NONE);
	filter->by_bloom = true;
	return true;
}

/* Those of tokens */
static void
ask_tokens(LedgerFilter *filter, const LedgerJudgedChunk *chunk)
{
	if (filter->constants.words == NULL || !is_text(chunk->typid) ||
		ledger_words_may_be_in(filter, chunk->chunk))
		return;
	ledger_filter_set_all(filter, LEDGER_TRUTH_NONE);
	filter->by_bloom = true;
}

/* ---- Filters ---- */

static bool
any_vector_left(const LedgerFilter *filter, int nvectors)
{
	for (int v = 0; v < nvectors; v++)
		if (filter->truth[v] != LEDGER_TRUTH_NONE)
			return true;
	return false;
}

static bool
is_cut_zone_of(const LedgerFilter *filter, Oid type)
{
	if (!filter->by_bytes && !filter->ordered_cuts)
		return false;
	return is_text(type) ? is_text(filter->input.typid) : type == filter->input.typid;
}

/*
 * A timestamp of the hour that is left out in spring is taken for one of the
 * hour after, so that it comes after timestamps that are greater.
 */
static bool
is_ordered(const LedgerFilter *filter)
{
	return !(filter->input.typid == TIMESTAMPOID && filter->righttype == TIMESTAMPTZOID);
}

/*
 * What a chunk whose values are those of the filter's input tells.  The Bloom
 * filter comes last, as a piece of it may have to be read; but if zone maps would
 * have to be read, too, it comes first, and is all that is read if it excludes the
 * chunk.
 */
void
ledger_filter_judge_chunk(LedgerFilter *filter, const LedgerJudgedChunk *chunk)
{
	bool		has_value = filter->kind == LEDGER_FILTER_COMPARE || filter->kind == LEDGER_FILTER_ANY;
	bool		bloom_first = has_value && !ledger_chunk_is_loaded(chunk->chunk);

	if (bloom_first && ask_bloom(filter, chunk))
		return;
	ledger_chunk_load(chunk->chunk);
	if (filter->kind == LEDGER_FILTER_NULL)
	{
		judge_nulls(filter, chunk);
		return;
	}
	if (!is_cut_zone_of(filter, chunk->typid) || !judge_cut_zones(filter, chunk))
		judge_empty_vectors(filter, chunk);
	if (!is_cut_zone_of(filter, chunk->typid) && chunk->typid == filter->input.typid &&
		is_ordered(filter) &&
		(filter->strategy != LEDGER_STRATEGY_NONE || filter->kind == LEDGER_FILTER_BOOL))
		judge_zones(filter, chunk);
	if (!has_value || !any_vector_left(filter, chunk->nvectors))
		return;
	if (bloom_first || !ask_bloom(filter, chunk))
		ask_tokens(filter, chunk);
}

/* ---- Tail pages ---- */

static bool
is_out_of_page_range(LedgerFilter *filter, const LedgerPageColumn *column)
{
	LedgerZone	zone = {.valid = true};
	LedgerCutZone cuts = {.valid = true};
	CutPlaces	places;

	if (filter->strategy == LEDGER_STRATEGY_NONE && filter->constants.prefix == NULL)
		return false;
	if (column->has_zone && column->typid == filter->input.typid && is_ordered(filter))
	{
		zone.min = (Datum) column->min;
		zone.max = (Datum) column->max;
		return filter->strategy != LEDGER_STRATEGY_NONE &&
			ledger_filter_judge_zone(filter, &zone) == LEDGER_TRUTH_NONE;
	}
	if (!column->has_cuts || !is_cut_zone_of(filter, column->typid) ||
		filter->constants.n > ELEMENTS_MAX)
		return false;
	cuts.typid = column->typid;
	cuts.prefix = "";
	cuts.min = column->min;
	cuts.max = column->max;
	places.n = 0;
	places.numbers = NULL;
	if (filter->constants.prefix == NULL)
		find_places(filter, &cuts, &places);
	return judge_cut_zone(filter, &cuts, &places) == LEDGER_TRUTH_NONE;
}

static bool
boolean_may_be_in_page(const LedgerFilter *filter, const LedgerPageColumn *column)
{
	LedgerZone	zone = {.valid = true, .min = (Datum) column->min, .max = (Datum) column->max};

	return !column->has_zone || column->typid != BOOLOID ||
		judge_boolean(filter, &zone) != LEDGER_TRUTH_NONE;
}

/* Can a value that passes be in a tail page? */
bool
ledger_filter_may_be_in_page(LedgerFilter *filter, const LedgerPageColumn *column)
{
	const LedgerConstants *constants = &filter->constants;
	LedgerJudgedChunk chunk = {NULL, column->typid, column->collation};

	if (column->has_values && filter->kind == LEDGER_FILTER_BOOL)
		return boolean_may_be_in_page(filter, column);
	if (!column->has_values || is_out_of_page_range(filter, column))
		return false;
	if (!column->has_bits || constants->n > ELEMENTS_MAX || !hashes_alike(filter, column->typid) ||
		!make_hashes(filter, &chunk))
		return true;
	for (int i = 0; i < constants->n; i++)
		if (ledger_page_has_hash(column, constants->hashes[i]))
			return true;
	return false;
}

/* ---- Segments ---- */

/* A column whose value is the same in all rows. */
static void
judge_single(LedgerFilter *filter, Datum value, bool isnull)
{
	ledger_filter_set_all(filter, ledger_filter_match_one(filter, value, isnull) ?
			LEDGER_TRUTH_ALL : LEDGER_TRUTH_NONE);
}

static LedgerJudgedChunk
judged_column(const LedgerFilterInput *input, LedgerSegmentReader *reader, Relation rel)
{
	const LedgerColumnEntry *entry = ledger_reader_column(reader, rel, input->attnum - 1);
	LedgerJudgedChunk chunk;

	chunk.chunk = ledger_reader_prepare(reader, rel, input->attnum - 1);
	chunk.typid = entry->typid;
	chunk.collation = entry->collation;
	chunk.nrows = ledger_reader_root(reader)->nrows;
	chunk.nvectors = LEDGER_VECTORS_OF(chunk.nrows);
	return chunk;
}

/*
 * The numbers of those constants that a column's Bloom filter does not exclude;
 * returns how many.
 */
int
ledger_filter_possible_constants(LedgerFilter *filter, LedgerSegmentReader *reader,
								 Relation rel, uint32 *numbers)
{
	const LedgerConstants *constants = &filter->constants;
	LedgerJudgedChunk chunk;
	bool		excludes;
	int			n = 0;

	if (constants->n == 1)		/* all of the chunk would have been excluded */
	{
		numbers[0] = 0;
		return 1;
	}
	chunk = judged_column(&filter->input, reader, rel);
	excludes = has_hashes(filter, &chunk);
	for (int i = 0; i < constants->n; i++)
		if (!excludes || ledger_chunk_may_contain(chunk.chunk, constants->hashes[i]))
			numbers[n++] = i;
	return n;
}

static void
judge_input(LedgerFilter *filter, LedgerSegmentReader *reader, Relation rel)
{
	const LedgerFilterInput *input = &filter->input;
	LedgerJudgedChunk chunk;
	Datum		value;
	bool		isnull;
	bool		unknown;

	if (filter->constants.never)
	{
		ledger_filter_set_all(filter, LEDGER_TRUTH_NONE);
		return;
	}
	if (filter->constants.fails)
		return;
	if (ledger_input_is_single(input, reader, rel, false, &value, &isnull, &unknown))
	{
		if (!unknown && ledger_filter_may_try(filter, isnull))
			judge_single(filter, value, isnull);
		return;
	}
	if (!ledger_input_has_chunk(input, reader, rel))
		return;
	if (input->kind != LEDGER_INPUT_COLUMN)
	{
		LedgerPath *path = ledger_input_path(input, reader, rel);

		if (path != NULL)
			ledger_filter_judge_path(filter, path, reader, rel);
		return;
	}
	chunk = judged_column(input, reader, rel);
	ledger_filter_judge_chunk(filter, &chunk);
}

/* AND is the least of what its arguments say, OR the greatest. */
void
ledger_filter_join_truths(LedgerFilter *filter)
{
	bool		is_and = filter->kind != LEDGER_FILTER_OR;

	ledger_filter_set_all(filter, is_and ? LEDGER_TRUTH_ALL : LEDGER_TRUTH_NONE);
	for (int i = 0; i < filter->nargs; i++)
	{
		LedgerFilter *arg = filter->args[i];

		for (int v = 0; v < LEDGER_VECTORS_MAX; v++)
			filter->truth[v] = is_and ? Min(filter->truth[v], arg->truth[v]) :
				Max(filter->truth[v], arg->truth[v]);
	}
}

static void
judge_arguments(LedgerFilter *filter, LedgerSegmentReader *reader, Relation rel)
{
	for (int i = 0; i < filter->nargs; i++)
	{
		ledger_filter_judge(filter->args[i], reader, rel);
		filter->by_bloom |= filter->args[i]->by_bloom;
	}
	ledger_filter_join_truths(filter);
}

/*
 * Find out what can be said of each vector of a segment, with nothing decoded.
 */
void
ledger_filter_judge(LedgerFilter *filter, LedgerSegmentReader *reader, Relation rel)
{
	check_stack_depth();
	filter->by_bloom = false;
	if (filter->kind == LEDGER_FILTER_AND || filter->kind == LEDGER_FILTER_OR)
	{
		judge_arguments(filter, reader, rel);
		return;
	}
	if (filter->kind == LEDGER_FILTER_CONTAINS && !filter->constants.never)
	{
		ledger_contains_judge(filter, reader, rel);
		return;
	}
	ledger_filter_set_all(filter, LEDGER_TRUTH_SOME);
	judge_input(filter, reader, rel);
}
