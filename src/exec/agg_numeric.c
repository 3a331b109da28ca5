/*-------------------------------------------------------------------------
 *
 * agg_numeric.c
 *	  The kernel of sum and avg of numeric.
 *
 * A sum of numerics is exact, whatever the order, and shows as many decimals as
 * the value that shows most.  So values of a moderate size are added up as
 * integers; the others (NaN and infinities among them) are left to core, and in
 * the end both are one state of core's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/numeric.h"
#include "exec/aggregate.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#ifdef HAVE_INT128

/*
 * Integers count 10^-16.  Values below 10^12 come to at most 10^28, of which
 * COUNT_MAX fit.
 */
#define UNIT_DIGITS			4	/* of base 10,000 */
#define UNIT_SCALE			16
#define WEIGHT_MAX			2
#define COUNT_MAX			(INT64CONST(1) << 33)

/* Digits of base 10,000 of a value, and so many of them in an int64. */
#define DIGITS_MAX			(WEIGHT_MAX + 1 + UNIT_DIGITS)
#define WORD_DIGITS			4

/* The value as an integer; false if it is not of a moderate size. */
static inline bool
to_units(Datum datum, int128 *units, int *scale)
{
	static const int128 powers[] = {
		1, INT64CONST(10000), INT64CONST(100000000), INT64CONST(1000000000000),
		INT64CONST(10000000000000000), (int128) INT64CONST(10000000000000000) * 10000,
		(int128) INT64CONST(10000000000000000) * 100000000
	};
	const struct varlena *value = (const struct varlena *) DatumGetPointer(datum);
	const char *p = VARDATA_ANY(value);
	int64		word = 0;
	uint16		header;
	uint16		digit;
	int			ndigits;
	int			power;

	StaticAssertStmt(lengthof(powers) == DIGITS_MAX, "powers are of all places");
	if (VARATT_IS_COMPRESSED(value) || VARATT_IS_EXTERNAL(value) ||
		VARSIZE_ANY_EXHDR(value) < sizeof(header))
		return false;
	memcpy(&header, p, sizeof(header));
	ndigits = (int) (VARSIZE_ANY_EXHDR(value) - sizeof(header)) / (int) sizeof(digit);
	power = LEDGER_NUMERIC_WEIGHT(header) - (ndigits - 1) + UNIT_DIGITS;	/* of the last digit */
	*scale = LEDGER_NUMERIC_SCALE(header);
	if ((header & LEDGER_NUMERIC_FORM) != LEDGER_NUMERIC_SHORT || ndigits > WORD_DIGITS || *scale > UNIT_SCALE ||
		(ndigits > 0 && (power < 0 || LEDGER_NUMERIC_WEIGHT(header) > WEIGHT_MAX)))
		return false;
	for (int i = 0; i < ndigits; i++)
	{
		memcpy(&digit, p + sizeof(header) + i * sizeof(digit), sizeof(digit));
		word = word * LEDGER_NUMERIC_BASE + digit;
	}
	*units = ndigits > 0 ? word * powers[power] : 0;
	if (header & LEDGER_NUMERIC_NEGATIVE)
		*units = -*units;
	return true;
}

/* Have core add a value to the group's state. */
static void
advance_other(LedgerAggregateState *state, LedgerAggregateCall *call, LedgerNumericSum *own, Datum value)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(state->callcontext->ecxt_per_tuple_memory);
	bool		isnull = !own->has_other;

	own->other = ledger_call_advance(call, own->other, &isnull, value);
	own->has_other = true;
	MemoryContextSwitchTo(oldcontext);
	ResetExprContext(state->callcontext);
}

void
ledger_numeric_advance(LedgerAggregateState *state, LedgerAggregateCall *call,
					   LedgerGroup **groups, const uint16 *rows, int n)
{
	const LedgerAggregateInput *in = &state->inputs[call->args[0]];

	for (int i = 0; i < n; i++)
	{
		int			row = rows[i];
		LedgerNumericSum *own = (LedgerNumericSum *) ((char *) groups[row] + call->offset);
		int128		units;
		int			scale;

		if (in->isnull[row])
			continue;
		if (own->count < COUNT_MAX && to_units(in->values[row], &units, &scale))
		{
			own->count++;
			own->sum += units;
			own->scale = Max(own->scale, scale);
		}
		else
			advance_other(state, call, own, in->values[row]);
	}
}

/* The sum as a numeric. */
static Datum
sum_numeric(const LedgerNumericSum *own)
{
	const uint64 unit = UINT64CONST(10000000000000000);
	uint128		rest = own->sum < 0 ? -(uint128) own->sum : (uint128) own->sum;
	uint128		whole = rest / unit;
	char		text[64];

	StaticAssertStmt(UNIT_SCALE == 16, "the number printed has 16 decimals");
	snprintf(text, sizeof(text), "%s%llu%016llu.%016llu", own->sum < 0 ? "-" : "",
			 (unsigned long long) (whole / unit), (unsigned long long) (whole % unit),
			 (unsigned long long) (rest % unit));
	/* the decimals that are not shown are zeros */
	text[strlen(text) - (own->scale > 0 ? UNIT_SCALE - own->scale : UNIT_SCALE + 1)] = '\0';
	return DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

/*
 * What core keeps is its own affair, so a state is made by its functions: of the
 * sum, and as many zeros as make up the number of values.  It goes with the row
 * that is made of it.
 */
Datum
ledger_numeric_value(LedgerAggregateState *state, LedgerAggregateCall *call, char *place,
					 bool *isnull)
{
	LedgerNumericSum *own = (LedgerNumericSum *) place;
	ExprContext *lasting = state->aggstate->curaggcontext;
	Datum		result;
	Datum		zero;

	*isnull = !own->has_other;
	if (own->count == 0)
		return own->other;
	state->aggstate->curaggcontext = state->css.ss.ps.ps_ExprContext;
	*isnull = true;
	result = ledger_call_advance(call, (Datum) 0, isnull, sum_numeric(own));
	zero = DirectFunctionCall1(int4_numeric, Int32GetDatum(0));
	result = ledger_call_repeat(call, result, isnull, zero, own->count - 1);
	if (own->has_other)
		result = ledger_call_combine(call, result, isnull, own->other);
	state->aggstate->curaggcontext = lasting;
	return result;
}

#endif							/* HAVE_INT128 */
