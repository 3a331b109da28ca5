/*-------------------------------------------------------------------------
 *
 * match.c
 *	  Which rows a filter lets through.
 *
 * Rows are lists of their numbers in a batch, in ascending order; to filter is
 * to shorten the list.  Loops over integers and floats have no branch that
 * depends on the values.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "exec/exec_internal.h"
#include "miscadmin.h"
#include "utils/float.h"

/* Values by row number. */
typedef struct Values
{
	const Datum *values;
	const bool *isnull;
} Values;

/* ---- Integers ---- */

/* The values that pass lie between two, inclusive, or just not. */
typedef struct Bounds
{
	int64		low;
	int64		high;
	bool		outside;
} Bounds;

static Bounds
bounds_of(int strategy, int64 constant)
{
	Bounds		bounds = {PG_INT64_MIN, PG_INT64_MAX, false};

	switch (strategy)
	{
		case BTLessStrategyNumber:
			bounds.low = constant;
			bounds.outside = true;
			break;
		case BTLessEqualStrategyNumber:
			bounds.high = constant;
			break;
		case BTGreaterEqualStrategyNumber:
			bounds.low = constant;
			break;
		case BTGreaterStrategyNumber:
			bounds.high = constant;
			bounds.outside = true;
			break;
		default:
			bounds.low = bounds.high = constant;
			bounds.outside = strategy == LEDGER_STRATEGY_NOT_EQUAL;
			break;
	}
	return bounds;
}

/* The loop for values of one width; "wide" makes an int64 of a Datum. */
#define BOUNDS_LOOP(wide) \
	for (int i = 0; i < n; i++) \
	{ \
		uint16		row = rows[i]; \
		int64		value = wide(in->values[row]); \
		bool		inside = (value >= bounds.low) & (value <= bounds.high); \
		\
		rows[kept] = row; \
		kept += (inside != bounds.outside) & !in->isnull[row]; \
	}

static int
match_bounds(Oid type, Bounds bounds, const Values *in, uint16 *rows, int n)
{
	int			kept = 0;

	switch (type)
	{
		case INT2OID:
			BOUNDS_LOOP(DatumGetInt16);
			break;
		case INT4OID:
		case DATEOID:
			BOUNDS_LOOP(DatumGetInt32);
			break;
		case OIDOID:
			BOUNDS_LOOP(DatumGetObjectId);
			break;
		default:
			BOUNDS_LOOP(DatumGetInt64);
			break;
	}
	return kept;
}

static int
match_integers(LedgerFilter *filter, const Values *in, uint16 *rows, int n)
{
	const LedgerConstants *constants = &filter->constants;
	Oid			type = filter->input.typid;
	Bounds		bounds;
	int			kept = 0;

	if (filter->kind == LEDGER_FILTER_COMPARE)
		return match_bounds(type, bounds_of(filter->strategy, constants->integers[0]),
							  in, rows, n);

	bounds.low = constants->integers[0];
	bounds.high = constants->integers[constants->n - 1];
	bounds.outside = false;
	n = match_bounds(type, bounds, in, rows, n);
	for (int i = 0; i < n; i++)
	{
		int64		value = ledger_integer_of(type, in->values[rows[i]]);

		if (bsearch(&value, constants->integers, constants->n, sizeof(int64), ledger_integer_compare))
			rows[kept++] = rows[i];
	}
	return kept;
}

/* ---- Floats ---- */

static inline bool
float_passes(int strategy, double value, double constant)
{
	switch (strategy)
	{
		case BTLessStrategyNumber:
			return float8_lt(value, constant);
		case BTLessEqualStrategyNumber:
			return float8_le(value, constant);
		case BTGreaterEqualStrategyNumber:
			return float8_ge(value, constant);
		case BTGreaterStrategyNumber:
			return float8_gt(value, constant);
		case LEDGER_STRATEGY_NOT_EQUAL:
			return float8_ne(value, constant);
		default:
			return float8_eq(value, constant);
	}
}

static int
match_floats(LedgerFilter *filter, const Values *in, uint16 *rows, int n)
{
	const LedgerConstants *constants = &filter->constants;
	bool		single = filter->input.typid == FLOAT4OID;
	int			kept = 0;

	for (int i = 0; i < n; i++)
	{
		uint16		row = rows[i];
		Datum		datum = in->values[row];
		double		value;
		bool		passes;

		if (in->isnull[row])
			continue;
		value = single ? (double) DatumGetFloat4(datum) : DatumGetFloat8(datum);
		if (constants->n == 1)
			passes = float_passes(filter->strategy, value, constants->floats[0]);
		else
			passes = bsearch(&value, constants->floats, constants->n, sizeof(double),
							 ledger_float_compare) != NULL;
		rows[kept] = row;
		kept += passes;
	}
	return kept;
}

/* ---- Bytes ---- */

static bool
has_string(const LedgerConstants *constants, const LedgerString *value)
{
	if (constants->n == 1)		/* mostly the lengths tell */
		return value->len == constants->strings[0].len &&
			memcmp(value->data, constants->strings[0].data, value->len) == 0;
	return bsearch(value, constants->strings, constants->n, sizeof(LedgerString),
				   ledger_string_compare) != NULL;
}

static int
match_strings(LedgerFilter *filter, const Values *in, uint16 *rows, int n)
{
	const LedgerConstants *constants = &filter->constants;
	bool		outside = filter->strategy == LEDGER_STRATEGY_NOT_EQUAL;
	int			kept = 0;

	for (int i = 0; i < n; i++)
	{
		uint16		row = rows[i];
		LedgerString value;

		if (in->isnull[row])
			continue;
		value = ledger_string_of(&filter->input, in->values[row]);
		rows[kept] = row;
		kept += has_string(constants, &value) != outside;
	}
	return kept;
}

/* ---- All others ---- */

/* Does the operator hold?  NULL is as false. */
bool
ledger_operator_holds(FunctionCallInfo call, Datum left, Datum right)
{
	Datum		result;

	call->args[0].value = left;
	call->args[0].isnull = false;
	call->args[1].value = right;
	call->args[1].isnull = false;
	call->isnull = false;
	result = FunctionCallInvoke(call);
	return !call->isnull && DatumGetBool(result);
}

/* Fewer elements of an array are as well compared one by one; core has the same. */
#define HASHED_MIN		9

/* One of many constants; a value that equals one hashes as that does. */
typedef struct HashedValue
{
	Datum		value;
	uint32		hash;
	char		status;
} HashedValue;

static uint32
hash_of(LedgerFilter *filter, Datum value)
{
	filter->hash->args[0].value = value;
	filter->hash->args[0].isnull = false;
	filter->hash->isnull = false;
	return murmurhash32(DatumGetUInt32(FunctionCallInvoke(filter->hash)));
}

#define SH_PREFIX values
#define SH_ELEMENT_TYPE HashedValue
#define SH_KEY_TYPE Datum
#define SH_KEY value
#define SH_HASH_KEY(tb, key) hash_of((tb)->private_data, key)
#define SH_EQUAL(tb, a, b) ledger_operator_holds(((LedgerFilter *) (tb)->private_data)->call, b, a)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* An array's elements are mostly compared with one of them, then. */
void
ledger_filter_make_table(LedgerFilter *filter)
{
	LedgerConstants *constants = &filter->constants;

	if (filter->hash == NULL || constants->n < HASHED_MIN)
		return;
	constants->table = values_create(CurrentMemoryContext, constants->n, filter);
	for (int i = 0; i < constants->n; i++)
	{
		bool		found;

		values_insert(constants->table, constants->values[i], &found);
	}
}

static int
match_by_call(LedgerFilter *filter, const Values *in, uint16 *rows, int n)
{
	const LedgerConstants *constants = &filter->constants;
	int			kept = 0;

	for (int i = 0; i < n; i++)
	{
		uint16		row = rows[i];
		bool		passes = false;

		CHECK_FOR_INTERRUPTS();
		if (in->isnull[row])
			continue;
		if (constants->table != NULL)
			passes = values_lookup(constants->table, in->values[row]) != NULL;
		for (int k = 0; constants->table == NULL && k < constants->n && !passes; k++)
			passes = ledger_operator_holds(filter->call, in->values[row], constants->values[k]);
		if (passes)
			rows[kept++] = row;
	}
	return kept;
}

static int
match_nulls(bool wanted, const Values *in, uint16 *rows, int n)
{
	int			kept = 0;

	for (int i = 0; i < n; i++)
	{
		uint16		row = rows[i];

		rows[kept] = row;
		kept += in->isnull[row] == wanted;
	}
	return kept;
}

static int
match_booleans(bool wanted, const Values *in, uint16 *rows, int n)
{
	int			kept = 0;

	for (int i = 0; i < n; i++)
	{
		uint16		row = rows[i];

		rows[kept] = row;
		kept += !in->isnull[row] & (DatumGetBool(in->values[row]) == wanted);
	}
	return kept;
}

/* ---- Trees ---- */

static int
match_values(LedgerFilter *filter, const Values *in, uint16 *rows, int n)
{
	switch (filter->kind)
	{
		case LEDGER_FILTER_NULL:
			return match_nulls(!filter->negate, in, rows, n);
		case LEDGER_FILTER_BOOL:
			return match_booleans(!filter->negate, in, rows, n);
		default:
			break;
	}
	if (filter->constants.never)
		return 0;
	if (filter->constants.words != NULL)
		return ledger_words_match(filter, in->values, in->isnull, rows, n);
	switch (filter->method)
	{
		case LEDGER_METHOD_INTEGER:
			return match_integers(filter, in, rows, n);
		case LEDGER_METHOD_FLOAT:
			return match_floats(filter, in, rows, n);
		case LEDGER_METHOD_BYTES:
			return match_strings(filter, in, rows, n);
		default:
			return match_by_call(filter, in, rows, n);
	}
}

/* ---- Doubt ---- */

void
ledger_doubt_row(LedgerDoubt *doubt, int row)
{
	if (!doubt->any)
		memset(doubt->rows, false, sizeof(doubt->rows));
	doubt->any = true;
	doubt->rows[row] = true;
}

static int
doubt_all(LedgerDoubt *doubt, const uint16 *rows, int n)
{
	for (int i = 0; i < n; i++)
		ledger_doubt_row(doubt, rows[i]);
	return n;
}

/* Rows whose value is unknown stay. */
static int
match_known(LedgerFilter *filter, const LedgerInputValues *values, LedgerDoubt *doubt,
			uint16 *rows, int n)
{
	Values		in = {values->values, values->isnull};
	uint16		unknown[LEDGER_VECTOR_ROWS];
	int			nunknown = 0;
	int			nknown = 0;

	for (int i = 0; i < n; i++)
	{
		if (values->unknown[rows[i]])
			unknown[nunknown++] = rows[i];
		else
			rows[nknown++] = rows[i];
	}
	nknown = match_values(filter, &in, rows, nknown);
	return ledger_merge_rows(rows, nknown, unknown, doubt_all(doubt, unknown, nunknown));
}

/* Shorten a list of values' numbers to those of values that pass. */
int
ledger_filter_match_values(LedgerFilter *filter, const LedgerInputValues *values,
						   LedgerDoubt *doubt, uint16 *rows, int n)
{
	Values		in = {values->values, values->isnull};

	if (filter->constants.never)
		return 0;
	if (values->unknown != NULL)
		return match_known(filter, values, doubt, rows, n);
	return match_values(filter, &in, rows, n);
}

/* Would a row with this value pass? */
bool
ledger_filter_match_one(LedgerFilter *filter, Datum value, bool isnull)
{
	Values		in = {&value, &isnull};
	uint16		row = 0;

	return match_values(filter, &in, &row, 1) == 1;
}

static int
read_and_match(LedgerFilter *filter, const LedgerFilterRows *source, uint16 *rows, int n)
{
	LedgerInputValues values;

	if (filter->kind == LEDGER_FILTER_NULL && filter->input.kind != LEDGER_INPUT_CAST)
	{
		values.values = NULL;
		values.isnull = ledger_input_nulls(&filter->input, source->batch, source->desc, rows, n);
		values.unknown = NULL;
	}
	else
		ledger_input_values(&filter->input, source->batch, source->desc, rows, n, false, &values);
	return ledger_filter_match_values(filter, &values, source->doubt, rows, n);
}

/* Read the values of a batch's rows, as far as needed, and shorten the list. */
int
ledger_filter_match_read(LedgerFilter *filter, const LedgerFilterRows *source,
						 uint16 *rows, int n)
{
	uint16		unknown[LEDGER_VECTOR_ROWS];
	int			nunknown;

	if (filter->templates == NULL)
		return read_and_match(filter, source, rows, n);
	n = ledger_words_match_templates(filter, source->batch, rows, n, unknown, &nunknown);
	if (nunknown > 0)
		nunknown = read_and_match(filter, source, unknown, nunknown);
	return ledger_merge_rows(rows, n, unknown, nunknown);
}

/* All rows of the list have this value. */
static int
match_same(LedgerFilter *filter, const LedgerFilterRows *source, Datum value, bool isnull,
		   bool unknown, uint16 *rows, int n)
{
	if (unknown)
		return doubt_all(source->doubt, rows, n);
	return ledger_filter_match_one(filter, value, isnull) ? n : 0;
}

static int
match_input(LedgerFilter *filter, const LedgerFilterRows *source, uint16 *rows, int n)
{
	LedgerFilterInput *input = &filter->input;
	Datum		value;
	bool		isnull;
	bool		unknown;

	if (filter->constants.never)
		return 0;
	if (filter->constants.fails)
		return doubt_all(source->doubt, rows, n);
	if (source->slot != NULL)
	{
		value = ledger_input_of_slot(input, source->slot, false, &isnull, &unknown);
		return match_same(filter, source, value, isnull, unknown, rows, n);
	}
	if (filter->known != NULL || filter->has_single)
		return ledger_filter_match_codes(filter, source, rows, n);
	if (ledger_input_is_single(input, source->batch->reader, source->batch->rel, false,
							   &value, &isnull, &unknown))
		return match_same(filter, source, value, isnull, unknown, rows, n);
	return ledger_filter_match_read(filter, source, rows, n);
}

/* Rows that one of the arguments lets through; each is tried on what is left. */
static int
match_or(LedgerFilter *filter, const LedgerFilterRows *source, uint16 *rows, int n)
{
	bool		passed[LEDGER_VECTOR_ROWS];
	uint16		left[LEDGER_VECTOR_ROWS];
	int			kept = 0;

	for (int i = 0; i < n; i++)
		passed[rows[i]] = false;
	for (int a = 0; a < filter->nargs; a++)
	{
		int			nleft = 0;

		for (int i = 0; i < n; i++)
			if (!passed[rows[i]])
				left[nleft++] = rows[i];
		nleft = ledger_filter_match(filter->args[a], source, left, nleft);
		for (int i = 0; i < nleft; i++)
			passed[left[i]] = true;
	}
	for (int i = 0; i < n; i++)
		if (passed[rows[i]])
			rows[kept++] = rows[i];
	return kept;
}

/*
 * Shorten a list of rows to those that pass; returns how many.  If the source
 * is a slot, the list is of its one row.  What the operators allocate is in
 * CurrentMemoryContext.
 */
int
ledger_filter_match(LedgerFilter *filter, const LedgerFilterRows *source,
					uint16 *rows, int n)
{
	check_stack_depth();
	if (source->batch != NULL && n > 0)
	{
		LedgerTruth truth = filter->truth[source->batch->position / LEDGER_VECTOR_ROWS];

		if (truth != LEDGER_TRUTH_SOME)
			return truth == LEDGER_TRUTH_ALL ? n : 0;
	}
	switch (filter->kind)
	{
		case LEDGER_FILTER_AND:
			for (int i = 0; i < filter->nargs && n > 0; i++)
				n = ledger_filter_match(filter->args[i], source, rows, n);
			return n;
		case LEDGER_FILTER_OR:
			return n > 0 ? match_or(filter, source, rows, n) : 0;
		case LEDGER_FILTER_CONTAINS:
			if (source->slot == NULL && !filter->constants.never)
				return n > 0 ? ledger_contains_match(filter, source, rows, n) : 0;
			/* FALLTHROUGH */
		default:
			return n > 0 ? match_input(filter, source, rows, n) : 0;
	}
}
