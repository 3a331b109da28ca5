/*-------------------------------------------------------------------------
 *
 * constant.c
 *	  The constants of filters, evaluated once a scan, and made ready to be
 *	  compared with.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "exec/exec_internal.h"
#include "executor/executor.h"
#include "mb/pg_wchar.h"
#include "regex/regex.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/lsyscache.h"

/* The bytes of a value, which may be compressed or have a short header. */
LedgerString
ledger_string_of(const LedgerFilterInput *input, Datum value)
{
	LedgerString string;

	if (input->typlen > 0)
	{
		string.data = DatumGetPointer(value);
		string.len = input->typlen;
	}
	else
	{
		struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);

		string.data = VARDATA_ANY(bytes);
		string.len = VARSIZE_ANY_EXHDR(bytes);
	}
	return string;
}

/* An order of LedgerStrings that is quick to tell. */
int
ledger_string_compare(const void *a, const void *b)
{
	const LedgerString *x = a;
	const LedgerString *y = b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->data, y->data, x->len);
}

int
ledger_integer_compare(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/* The server's order, with NaN above all. */
int
ledger_float_compare(const void *a, const void *b)
{
	return float8_cmp_internal(*(const double *) a, *(const double *) b);
}

/* A value of a type that METHOD_INTEGER is for. */
int64
ledger_integer_of(Oid type, Datum value)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
		case DATEOID:
			return DatumGetInt32(value);
		case OIDOID:
			return DatumGetObjectId(value);
		default:
			return DatumGetInt64(value);
	}
}

static int
compare_strings_of(const void *a, const void *b, void *input)
{
	LedgerString x = ledger_string_of(input, *(const Datum *) a);
	LedgerString y = ledger_string_of(input, *(const Datum *) b);

	return ledger_string_compare(&x, &y);
}

/* Have each value once, in the order of their strings. */
static void
make_strings(LedgerFilter *filter)
{
	LedgerConstants *constants = &filter->constants;
	int			n = 0;

	constants->strings = palloc(Max(constants->n, 1) * sizeof(LedgerString));
	qsort_arg(constants->values, constants->n, sizeof(Datum), compare_strings_of, &filter->input);
	for (int i = 0; i < constants->n; i++)
	{
		LedgerString string = ledger_string_of(&filter->input, constants->values[i]);

		if (n > 0 && ledger_string_compare(&string, &constants->strings[n - 1]) == 0)
			continue;
		constants->values[n] = constants->values[i];
		constants->strings[n++] = string;
	}
	constants->n = n;
}

/* Have the values in the form that the method compares. */
static void
convert(LedgerFilter *filter)
{
	LedgerConstants *constants = &filter->constants;
	int			n = constants->n;

	switch (filter->method)
	{
		case LEDGER_METHOD_INTEGER:
			constants->integers = palloc(Max(n, 1) * sizeof(int64));
			for (int i = 0; i < n; i++)
				constants->integers[i] = ledger_integer_of(filter->righttype, constants->values[i]);
			qsort(constants->integers, n, sizeof(int64), ledger_integer_compare);
			break;
		case LEDGER_METHOD_FLOAT:
			constants->floats = palloc(Max(n, 1) * sizeof(double));
			for (int i = 0; i < n; i++)
				constants->floats[i] = filter->righttype == FLOAT4OID ?
					DatumGetFloat4(constants->values[i]) : DatumGetFloat8(constants->values[i]);
			qsort(constants->floats, n, sizeof(double), ledger_float_compare);
			break;
		case LEDGER_METHOD_BYTES:
			make_strings(filter);
			break;
		case LEDGER_METHOD_CALL:
			ledger_filter_make_table(filter);
			break;
	}
}

/* The elements of an array; those that are NULL equal nothing. */
static void
take_array(LedgerFilter *filter, Datum value)
{
	LedgerConstants *constants = &filter->constants;
	ArrayType  *array = DatumGetArrayTypePCopy(value);
	Oid			type = ARR_ELEMTYPE(array);
	int16		typlen;
	bool		typbyval;
	char		typalign;
	bool	   *nulls;
	int			n;

	get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
	deconstruct_array(array, type, typlen, typbyval, typalign, &constants->values, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			constants->values[constants->n++] = typlen == -1 ?
				PointerGetDatum(PG_DETOAST_DATUM(constants->values[i])) : constants->values[i];
	constants->never = constants->n == 0;
}

static void
take_value(LedgerFilter *filter, Datum value)
{
	LedgerConstants *constants = &filter->constants;
	int16		typlen;
	bool		typbyval;

	get_typlenbyval(filter->righttype, &typlen, &typbyval);
	constants->values = palloc(sizeof(Datum));
	constants->values[0] = typlen == -1 ? PointerGetDatum(PG_DETOAST_DATUM_COPY(value)) :
		datumCopy(value, typbyval, typlen);
	constants->n = 1;
}

/*
 * What every value that a pattern matches begins with, by bytes.  A backslash
 * makes the next byte stand for itself.
 */
static void
find_prefix(LedgerFilter *filter)
{
	LedgerString pattern = ledger_string_of(&filter->input, filter->constants.values[0]);
	char	   *prefix = palloc(pattern.len + 1);
	int			n = 0;

	for (Size i = 0; i < pattern.len; i++)
	{
		char		c = pattern.data[i];

		if (c == '%' || c == '_')
			break;
		if (c == '\\')
		{
			if (++i == pattern.len)
				return;			/* an error, if it comes to that */
			c = pattern.data[i];
		}
		prefix[n++] = c;
	}
	filter->constants.prefix = prefix;
	filter->constants.prefix_len = n;
}

/* ---- Patterns ---- */

/* A pattern for LIKE must not end with a backslash that stands for itself. */
static bool
ends_well(LedgerString pattern)
{
	Size		n = 0;

	while (n < pattern.len && pattern.data[pattern.len - 1 - n] == '\\')
		n++;
	return n % 2 == 0;
}

static bool
is_regex(LedgerString pattern, Oid opno, Oid collation)
{
	int			flags = opno == OID_TEXT_ICREGEXEQ_OP ? REG_ADVANCED | REG_ICASE : REG_ADVANCED;
	pg_wchar   *wide;
	int			len;
	regex_t		regex;
	bool		good = true;

	for (Size i = 0; i < pattern.len && good; i++)
		good = isalnum((unsigned char) pattern.data[i]) || strchr(" _-:/^$.", pattern.data[i]);
	if (good)
		return true;			/* without anything that could be wrong */
	wide = palloc((pattern.len + 1) * sizeof(pg_wchar));
	len = pg_mb2wchar_with_len(pattern.data, wide, pattern.len);
	good = pg_regcomp(&regex, wide, len, flags, collation) == REG_OKAY;
	if (good)
		pg_regfree(&regex);
	pfree(wide);
	return good;
}

/*
 * Is the pattern one that the operator surely takes?  What else could be an
 * error of it does not depend on the values.
 */
bool
ledger_pattern_is_good(const LedgerFilter *filter, Datum value)
{
	LedgerString pattern = ledger_string_of(&filter->input, value);

	if (!OidIsValid(filter->collation) || !ledger_is_deterministic(filter->collation) ||
		memchr(pattern.data, '\0', pattern.len) != NULL)
		return false;
	if (filter->opno == OID_TEXT_LIKE_OP || filter->opno == OID_TEXT_ICLIKE_OP)
		return ends_well(pattern);
	return is_regex(pattern, filter->opno, filter->collation);
}

/*
 * Evaluate a filter's constants; what comes of it is in "context", which the
 * caller resets before the next time.
 */
void
ledger_filter_set_constants(LedgerFilter *filter, ExprContext *econtext,
							MemoryContext context)
{
	MemoryContext oldcontext;
	Datum		value;
	bool		isnull;

	if (filter->kind == LEDGER_FILTER_CONTAINS)
		filter->nargs = 0;
	for (int i = 0; i < filter->nargs; i++)
		ledger_filter_set_constants(filter->args[i], econtext, context);
	memset(&filter->constants, 0, sizeof(filter->constants));
	if (filter->state == NULL)
		return;

	value = ExecEvalExprSwitchContext(filter->state, econtext, &isnull);
	if (isnull)
	{
		filter->constants.never = true;
		return;
	}
	oldcontext = MemoryContextSwitchTo(context);
	if (filter->kind == LEDGER_FILTER_ANY)
		take_array(filter, value);
	else
		take_value(filter, value);
	convert(filter);
	if (filter->kind == LEDGER_FILTER_CONTAINS)
		ledger_contains_set(filter);
	if (filter->is_search)
		filter->constants.fails = !ledger_pattern_is_good(filter, filter->constants.values[0]);
	if (filter->is_like && filter->by_bytes)
		find_prefix(filter);
	if (filter->is_token || (filter->is_search && !filter->constants.fails))
		filter->constants.words = ledger_words_of(filter);
	filter->constants.never |= filter->is_token && filter->constants.words == NULL;
	MemoryContextSwitchTo(oldcontext);
}
