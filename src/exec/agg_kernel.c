/*-------------------------------------------------------------------------
 *
 * agg_kernel.c
 *	  Loops that advance aggregates as core's transition functions do.
 *
 * A kernel stands for a transition function, whatever aggregates have it.  It
 * keeps the transition value in a form of its own, does with it what the
 * function would, in the same order, and makes a value of core's of it in the
 * end, for the aggregate's final or serialization function.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/transam.h"
#include "catalog/pg_type_d.h"
#include "exec/aggregate.h"
#include "utils/array.h"
#include "utils/float.h"
#include "utils/fmgroids.h"

/*
 * A kernel's loop: for each row that has a value, "datum", advance "own", the
 * state of its group, which is a Type.
 */
#define LOOP(name, Type, statement) \
static void \
name(LedgerAggregateState *state, LedgerAggregateCall *call, LedgerGroup **groups, \
	 const uint16 *rows, int n) \
{ \
	const LedgerAggregateInput *in = &state->inputs[call->args[0]]; \
	const Datum *values = in->values; \
	const bool *isnull = in->isnull; \
	Size		offset = call->offset; \
	\
	for (int i = 0; i < n; i++) \
	{ \
		int			row = rows[i]; \
		Datum		datum = values[row]; \
		Type	   *own = (Type *) ((char *) groups[row] + offset); \
		\
		if (!isnull[row]) \
			statement; \
	} \
}

/* ---- count ---- */

static void
count_rows(LedgerAggregateState *state, LedgerAggregateCall *call, LedgerGroup **groups,
		   const uint16 *rows, int n)
{
	Size		offset = call->offset;

	if (state->nkeys == 0 && n > 0)
		*(int64 *) ((char *) groups[rows[0]] + offset) += n;
	else
		for (int i = 0; i < n; i++)
			++*(int64 *) ((char *) groups[rows[i]] + offset);
}

static void
count_values(LedgerAggregateState *state, LedgerAggregateCall *call, LedgerGroup **groups,
			 const uint16 *rows, int n)
{
	const bool *isnull = state->inputs[call->args[0]].isnull;
	Size		offset = call->offset;

	for (int i = 0; i < n; i++)
		*(int64 *) ((char *) groups[rows[i]] + offset) += !isnull[rows[i]];
}

static Datum
count_value(LedgerAggregateState *state, LedgerAggregateCall *call, char *own, bool *isnull)
{
	*isnull = false;
	return Int64GetDatum(*(int64 *) own);
}

/* ---- sum of int2, int4 ---- */

typedef struct Sum
{
	int64		sum;
	bool		seen;
} Sum;

LOOP(sum_int4, Sum, (own->sum += DatumGetInt32(datum), own->seen = true))
LOOP(sum_int2, Sum, (own->sum += DatumGetInt16(datum), own->seen = true))

static Datum
sum_value(LedgerAggregateState *state, LedgerAggregateCall *call, char *own, bool *isnull)
{
	Sum		   *sum = (Sum *) own;

	*isnull = !sum->seen;
	return Int64GetDatum(sum->sum);
}

/* ---- avg of int2, int4 ---- */

typedef struct Average
{
	int64		count;
	int64		sum;
} Average;

LOOP(average_int4, Average, (own->count++, own->sum += DatumGetInt32(datum)))
LOOP(average_int2, Average, (own->count++, own->sum += DatumGetInt16(datum)))

static Datum
average_value(LedgerAggregateState *state, LedgerAggregateCall *call, char *own, bool *isnull)
{
	Average    *average = (Average *) own;
	Datum		values[2] = {Int64GetDatum(average->count), Int64GetDatum(average->sum)};

	*isnull = false;
	return PointerGetDatum(construct_array(values, 2, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* ---- sum, avg of int8 ---- */

#ifdef HAVE_INT128

typedef struct Wide
{
	int64		count;
	int128		sum;
} Wide;

LOOP(sum_int8, Wide, (own->count++, own->sum += DatumGetInt64(datum)))

/*
 * What core keeps here is its own affair, so a state is made by its functions:
 * of as many values, with the same sum.  It goes with the row that is made of it.
 */
static Datum
wide_value(LedgerAggregateState *state, LedgerAggregateCall *call, char *own, bool *isnull)
{
	Wide	   *wide = (Wide *) own;
	int128		quotient;
	int64		rest;
	Datum		sum = 0;
	ExprContext *lasting = state->aggstate->curaggcontext;

	*isnull = true;
	if (wide->count == 0)
		return (Datum) 0;
	state->aggstate->curaggcontext = state->css.ss.ps.ps_ExprContext;
	quotient = wide->sum / wide->count;
	rest = (int64) (wide->sum % wide->count);
	if (rest < 0)
	{
		rest += wide->count;
		quotient--;
	}
	sum = ledger_call_repeat(call, sum, isnull, Int64GetDatum((int64) quotient), wide->count - rest);
	sum = ledger_call_repeat(call, sum, isnull, Int64GetDatum((int64) quotient + 1), rest);
	state->aggstate->curaggcontext = lasting;
	return sum;
}

#endif							/* HAVE_INT128 */

/* ---- sum of float4, float8 ---- */

typedef struct FloatSum
{
	double		sum;
	bool		seen;
} FloatSum;

LOOP(sum_float8, FloatSum, {
	double		value = DatumGetFloat8(datum);

	own->sum = own->seen ? float8_pl(own->sum, value) : value;
	own->seen = true;
})

LOOP(sum_float4, FloatSum, {
	float4		value = DatumGetFloat4(datum);

	own->sum = own->seen ? float4_pl((float4) own->sum, value) : value;
	own->seen = true;
})

static Datum
float8_value(LedgerAggregateState *state, LedgerAggregateCall *call, char *own, bool *isnull)
{
	FloatSum   *sum = (FloatSum *) own;

	*isnull = !sum->seen;
	return Float8GetDatum(sum->sum);
}

static Datum
float4_value(LedgerAggregateState *state, LedgerAggregateCall *call, char *own, bool *isnull)
{
	FloatSum   *sum = (FloatSum *) own;

	*isnull = !sum->seen;
	return Float4GetDatum((float4) sum->sum);
}

/* ---- avg, variance of float4, float8 ---- */

typedef struct Moments
{
	double		n;
	double		sum;
	double		squares;		/* of what values differ from the mean */
} Moments;

/* The sum of squares by Youngs and Cramer, as core has it; errors included. */
static inline void
advance_moments(Moments *own, double value)
{
	double		n = own->n;
	double		sum = own->sum + value;
	double		squares = own->squares;

	own->n = n + 1;
	if (n > 0)
	{
		double		difference = value * own->n - sum;

		squares += difference * difference / (own->n * n);
		if (isinf(sum) || isinf(squares))
		{
			if (!isinf(own->sum) && !isinf(value))
				float_overflow_error();
			squares = get_float8_nan();
		}
	}
	else if (isnan(value) || isinf(value))
		squares = get_float8_nan();
	own->sum = sum;
	own->squares = squares;
}

LOOP(moments_float8, Moments, advance_moments(own, DatumGetFloat8(datum)))
LOOP(moments_float4, Moments, advance_moments(own, DatumGetFloat4(datum)))

static Datum
moments_value(LedgerAggregateState *state, LedgerAggregateCall *call, char *own, bool *isnull)
{
	Moments    *moments = (Moments *) own;
	Datum		values[3] = {
		Float8GetDatum(moments->n),
		Float8GetDatum(moments->sum),
		Float8GetDatum(moments->squares)
	};

	*isnull = false;
	return PointerGetDatum(construct_array(values, 3, FLOAT8OID, sizeof(double), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* ---- min, max ---- */

typedef struct Extreme
{
	Datum		value;
	bool		seen;
} Extreme;

/* Of equal values, the later one is kept; which one shows with zeros of floats. */
#define EXTREME(name, type, get, keeps) \
LOOP(name, Extreme, { \
	type		a = get(own->value); \
	type		b = get(datum); \
	\
	if (!own->seen || !(keeps)) \
		own->value = datum; \
	own->seen = true; \
})

EXTREME(max_int2, int16, DatumGetInt16, a > b)
EXTREME(min_int2, int16, DatumGetInt16, a < b)
EXTREME(max_int4, int32, DatumGetInt32, a > b)
EXTREME(min_int4, int32, DatumGetInt32, a < b)
EXTREME(max_int8, int64, DatumGetInt64, a > b)
EXTREME(min_int8, int64, DatumGetInt64, a < b)
EXTREME(max_oid, Oid, DatumGetObjectId, a > b)
EXTREME(min_oid, Oid, DatumGetObjectId, a < b)
EXTREME(max_float4, float4, DatumGetFloat4, float4_gt(a, b))
EXTREME(min_float4, float4, DatumGetFloat4, float4_lt(a, b))
EXTREME(max_float8, float8, DatumGetFloat8, float8_gt(a, b))
EXTREME(min_float8, float8, DatumGetFloat8, float8_lt(a, b))

static Datum
extreme_value(LedgerAggregateState *state, LedgerAggregateCall *call, char *own, bool *isnull)
{
	*isnull = !((Extreme *) own)->seen;
	return ((Extreme *) own)->value;
}

/* ---- All ---- */

typedef struct Known
{
	Oid			function;
	LedgerAnswerKind answer;
	bool		wide;			/* values of eight bytes */
	LedgerKernel kernel;
} Known;

static const Known known[] = {
	{F_INT8INC, LEDGER_ANSWER_ROWS, true, {sizeof(int64), count_rows, count_value}},
	{F_INT8INC_ANY, LEDGER_ANSWER_VALUES, true, {sizeof(int64), count_values, count_value}},
	{F_INT4_SUM, LEDGER_ANSWER_NONE, true, {sizeof(Sum), sum_int4, sum_value}},
	{F_INT2_SUM, LEDGER_ANSWER_NONE, true, {sizeof(Sum), sum_int2, sum_value}},
	{F_INT4_AVG_ACCUM, LEDGER_ANSWER_NONE, true, {sizeof(Average), average_int4, average_value}},
	{F_INT2_AVG_ACCUM, LEDGER_ANSWER_NONE, true, {sizeof(Average), average_int2, average_value}},
#ifdef HAVE_INT128
	{F_INT8_AVG_ACCUM, LEDGER_ANSWER_NONE, true, {sizeof(Wide), sum_int8, wide_value, F_INT8_AVG_COMBINE}},
	{F_NUMERIC_AVG_ACCUM, LEDGER_ANSWER_NONE, false, {sizeof(LedgerNumericSum), ledger_numeric_advance,
	ledger_numeric_value, F_NUMERIC_AVG_COMBINE}},
#endif
	{F_FLOAT8PL, LEDGER_ANSWER_NONE, true, {sizeof(FloatSum), sum_float8, float8_value}},
	{F_FLOAT4PL, LEDGER_ANSWER_NONE, false, {sizeof(FloatSum), sum_float4, float4_value}},
	{F_FLOAT8_ACCUM, LEDGER_ANSWER_NONE, true, {sizeof(Moments), moments_float8, moments_value}},
	{F_FLOAT4_ACCUM, LEDGER_ANSWER_NONE, false, {sizeof(Moments), moments_float4, moments_value}},
	{F_INT2LARGER, LEDGER_ANSWER_MAX, false, {sizeof(Extreme), max_int2, extreme_value}},
	{F_INT2SMALLER, LEDGER_ANSWER_MIN, false, {sizeof(Extreme), min_int2, extreme_value}},
	{F_INT4LARGER, LEDGER_ANSWER_MAX, false, {sizeof(Extreme), max_int4, extreme_value}},
	{F_INT4SMALLER, LEDGER_ANSWER_MIN, false, {sizeof(Extreme), min_int4, extreme_value}},
	{F_DATE_LARGER, LEDGER_ANSWER_MAX, false, {sizeof(Extreme), max_int4, extreme_value}},
	{F_DATE_SMALLER, LEDGER_ANSWER_MIN, false, {sizeof(Extreme), min_int4, extreme_value}},
	{F_OIDLARGER, LEDGER_ANSWER_MAX, false, {sizeof(Extreme), max_oid, extreme_value}},
	{F_OIDSMALLER, LEDGER_ANSWER_MIN, false, {sizeof(Extreme), min_oid, extreme_value}},
	{F_INT8LARGER, LEDGER_ANSWER_MAX, true, {sizeof(Extreme), max_int8, extreme_value}},
	{F_INT8SMALLER, LEDGER_ANSWER_MIN, true, {sizeof(Extreme), min_int8, extreme_value}},
	{F_TIME_LARGER, LEDGER_ANSWER_MAX, true, {sizeof(Extreme), max_int8, extreme_value}},
	{F_TIME_SMALLER, LEDGER_ANSWER_MIN, true, {sizeof(Extreme), min_int8, extreme_value}},
	{F_TIMESTAMP_LARGER, LEDGER_ANSWER_MAX, true, {sizeof(Extreme), max_int8, extreme_value}},
	{F_TIMESTAMP_SMALLER, LEDGER_ANSWER_MIN, true, {sizeof(Extreme), min_int8, extreme_value}},
	{F_TIMESTAMPTZ_LARGER, LEDGER_ANSWER_MAX, true, {sizeof(Extreme), max_int8, extreme_value}},
	{F_TIMESTAMPTZ_SMALLER, LEDGER_ANSWER_MIN, true, {sizeof(Extreme), min_int8, extreme_value}},
	{F_FLOAT4LARGER, LEDGER_ANSWER_MAX, false, {sizeof(Extreme), max_float4, extreme_value}},
	{F_FLOAT4SMALLER, LEDGER_ANSWER_MIN, false, {sizeof(Extreme), min_float4, extreme_value}},
	{F_FLOAT8LARGER, LEDGER_ANSWER_MAX, true, {sizeof(Extreme), max_float8, extreme_value}},
	{F_FLOAT8SMALLER, LEDGER_ANSWER_MIN, true, {sizeof(Extreme), min_float8, extreme_value}}
};

/* Of aggregates of core only: another's may begin with another value. */
static const Known *
find_known(Oid aggregate, Oid function)
{
	if (aggregate >= FirstNormalObjectId)
		return NULL;
	for (int i = 0; i < lengthof(known); i++)
		if (known[i].function == function && (!known[i].wide || FLOAT8PASSBYVAL))
			return &known[i];
	return NULL;
}

/* The kernel that stands for a transition function, or the one that calls it. */
const LedgerKernel *
ledger_kernel_of(Oid aggregate, Oid function)
{
	const Known *found = find_known(aggregate, function);

	return found != NULL ? &found->kernel : &ledger_call_kernel;
}

/* What could be answered from metadata, if the argument is a column. */
LedgerAnswerKind
ledger_answer_of(Oid aggregate, Oid function)
{
	const Known *found = find_known(aggregate, function);

	return found != NULL ? found->answer : LEDGER_ANSWER_NONE;
}

/* ---- Answers ---- */

/* Would a value be kept, if it came after those that were seen? */
static bool
improves(LedgerAggregateCall *call, const Extreme *extreme, Datum value)
{
	bool		isnull = false;
	Datum		kept;

	if (!extreme->seen)
		return true;
	kept = ledger_call_advance(call, extreme->value, &isnull, value);
	/* fetch_att() extends an oid's sign, zone maps do not: compare the four bytes */
	return call->trans.transtypeByVal && call->trans.transtypeLen == sizeof(int32) ?
		DatumGetInt32(kept) != DatumGetInt32(extreme->value) : kept != extreme->value;
}

static bool
is_zero(LedgerAggregateCall *call, Datum value)
{
	switch (call->argtype)
	{
		case FLOAT4OID:
			return DatumGetFloat4(value) == 0;
		case FLOAT8OID:
			return DatumGetFloat8(value) == 0;
		default:
			return false;
	}
}

/*
 * Advance a state by what is known of some rows of a vector, if that is enough;
 * "exact" says that the zone map is of just these rows, which all count.  With
 * "apply" false, only tell whether it is enough.  Where a zone's value would not
 * be kept, its rows cannot matter, even if not all of them count.
 *
 * Of the two zeros of floats, a map has one, and it matters which comes last.
 */
bool
ledger_kernel_answer(LedgerAggregateCall *call, char *own, int64 nrows, bool exact,
					 const LedgerZone *zone, bool apply)
{
	Extreme    *extreme = (Extreme *) own;
	Datum		value;

	switch (call->answer)
	{
		case LEDGER_ANSWER_NONE:
			return false;
		case LEDGER_ANSWER_ROWS:
			if (apply)
				*(int64 *) own += nrows;
			return true;
		case LEDGER_ANSWER_VALUES:
			if (apply)
				*(int64 *) own += nrows - zone->nulls;
			return exact;
		case LEDGER_ANSWER_MIN:
		case LEDGER_ANSWER_MAX:
			break;
	}
	if (exact && zone->nulls == nrows)
		return true;
	if (!zone->valid)
		return false;
	value = call->answer == LEDGER_ANSWER_MIN ? zone->min : zone->max;
	if (is_zero(call, value))
		return false;
	if (!improves(call, extreme, value))
		return true;
	if (apply)
	{
		extreme->value = value;
		extreme->seen = true;
	}
	return exact;
}
