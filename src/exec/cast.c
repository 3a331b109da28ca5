/*-------------------------------------------------------------------------
 *
 * cast.c
 *	  Texts made into values of other types, as (data->>'key')::int does,
 *	  without errors.
 *
 * A cast of text calls the type's input function, which raises an error for
 * what it does not understand.  A scan that looks at a row before its turn must
 * not raise it: another condition may remove the row, and then nobody would
 * have seen the error.  So a text is made into a value here only if it has a
 * plain form that the function surely takes; of any other we say that we do
 * not know, and it is left to who evaluates the expression as it stands.
 *
 * A plain form is one that means the same whatever the version and settings of
 * the server are, but for the time zone, which the function looks up itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "exec/exec_internal.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datetime.h"

/* Longer texts are no plain numbers. */
#define INTEGER_DIGITS	18
#define FLOAT_LENGTH	30		/* greater than 1e-30 and less than 1e30, or 0 */
#define PLAIN_LENGTH	200

bool
ledger_cast_is_known(Oid type)
{
	switch (type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case UUIDOID:
			return true;
		default:
			return false;
	}
}

/* Is ledger_cast_number() worth a try? */
bool
ledger_cast_takes_numbers(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID ||
		type == FLOAT4OID || type == FLOAT8OID;
}

/* An integer as the type has it; false if it is out of its range. */
bool
ledger_integer_datum(Oid type, int64 number, Datum *value)
{
	switch (type)
	{
		case INT2OID:
			*value = Int16GetDatum((int16) number);
			return number >= PG_INT16_MIN && number <= PG_INT16_MAX;
		case INT4OID:
			*value = Int32GetDatum((int32) number);
			return number >= PG_INT32_MIN && number <= PG_INT32_MAX;
		default:
			*value = Int64GetDatum(number);
			return true;
	}
}

/* ---- Forms ---- */

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int
count_digits(const char *p, const char *end)
{
	const char *start = p;

	while (p < end && is_digit(*p))
		p++;
	return p - start;
}

static bool
read_integer(const char *p, Size len, int64 *number)
{
	const char *end = p + len;
	bool		negative = len > 0 && *p == '-';

	*number = 0;
	if (len > 0 && (*p == '-' || *p == '+'))
		p++;
	if (p == end || end - p > INTEGER_DIGITS || count_digits(p, end) != end - p)
		return false;
	for (; p < end; p++)
		*number = *number * 10 + (*p - '0');
	if (negative)
		*number = -*number;
	return true;
}

/* Digits, which may have a sign before them, and a point and more of them after. */
static bool
is_decimal(const char *p, Size len)
{
	const char *end = p + len;
	int			n;

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	n = count_digits(p, end);
	p += n;
	if (n == 0 || p == end)
		return n > 0;
	if (*p++ != '.')
		return false;
	n = count_digits(p, end);
	return n > 0 && p + n == end;
}

/* So many digits, as a number, or -1; what has been read is left behind. */
static int
take_digits(const char **p, const char *end, int n)
{
	int			value = 0;

	if (end - *p < n || count_digits(*p, *p + n) != n)
		return -1;
	for (; n > 0; n--)
		value = value * 10 + (*(*p)++ - '0');
	return value;
}

static bool
take_char(const char **p, const char *end, char c)
{
	if (*p == end || **p != c)
		return false;
	(*p)++;
	return true;
}

/* 2026-01-31 */
static bool
take_date(const char **p, const char *end)
{
	int			year = take_digits(p, end, 4);
	int			month;
	int			day;

	if (year < 1 || !take_char(p, end, '-'))
		return false;
	month = take_digits(p, end, 2);
	if (month < 1 || month > MONTHS_PER_YEAR || !take_char(p, end, '-'))
		return false;
	day = take_digits(p, end, 2);
	return day >= 1 && day <= day_tab[isleap(year)][month - 1];
}

/* 23:59:59.999999, also without what is after a colon or the point */
static bool
take_time(const char **p, const char *end)
{
	int			hour = take_digits(p, end, 2);
	int			part;

	if (hour < 0 || hour >= HOURS_PER_DAY || !take_char(p, end, ':'))
		return false;
	part = take_digits(p, end, 2);
	if (part < 0 || part >= MINS_PER_HOUR)
		return false;
	if (!take_char(p, end, ':'))
		return true;
	part = take_digits(p, end, 2);
	if (part < 0 || part >= SECS_PER_MINUTE)
		return false;
	if (take_char(p, end, '.'))
	{
		int			n = count_digits(*p, end);

		*p += n;
		return n > 0 && n <= 9;
	}
	return true;
}

/* Nothing, Z, +01, +01:00 */
static bool
take_zone(const char **p, const char *end)
{
	int			part;

	if (*p == end || take_char(p, end, 'Z'))
		return true;
	if (!take_char(p, end, '+') && !take_char(p, end, '-'))
		return false;
	part = take_digits(p, end, 2);
	if (part < 0 || part > 14)
		return false;
	if (*p == end)
		return true;
	if (!take_char(p, end, ':'))
		return false;
	part = take_digits(p, end, 2);
	return part >= 0 && part < MINS_PER_HOUR;
}

static bool
is_timestamp(const char *p, Size len)
{
	const char *end = p + len;

	if (!take_date(&p, end))
		return false;
	if (p == end)
		return true;
	return (take_char(&p, end, 'T') || take_char(&p, end, ' ')) && take_time(&p, end) &&
		take_zone(&p, end) && p == end;
}

static bool
is_uuid(const char *p, Size len)
{
	if (len != 36)
		return false;
	for (int i = 0; i < 36; i++)
	{
		bool		dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? p[i] != '-' : !is_digit(p[i]) && !(p[i] >= 'a' && p[i] <= 'f') &&
			!(p[i] >= 'A' && p[i] <= 'F'))
			return false;
	}
	return true;
}

static bool
has_plain_form(Oid type, const char *p, Size len)
{
	switch (type)
	{
		case FLOAT4OID:
		case FLOAT8OID:
			return len <= FLOAT_LENGTH && is_decimal(p, len);
		case NUMERICOID:
			return len <= PLAIN_LENGTH && is_decimal(p, len);
		case DATEOID:			/* what it does not need, it leaves out */
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return is_timestamp(p, len);
		case UUIDOID:
			return is_uuid(p, len);
		default:
			return false;
	}
}

/* ---- Values ---- */

static Datum
call_input(const LedgerCast *cast, const char *p, Size len)
{
	char		room[PLAIN_LENGTH + 1];

	Assert(len <= PLAIN_LENGTH);
	memcpy(room, p, len);
	room[len] = '\0';
	return InputFunctionCall(unconstify(FmgrInfo *, &cast->function), room, cast->ioparam, -1);
}

/*
 * The value that a text is cast to; false if we do not know, as the cast might
 * be an error.  What is by reference is in CurrentMemoryContext.
 */
bool
ledger_cast_text(const LedgerCast *cast, Datum text, Datum *value)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(text);
	const char *p = VARDATA_ANY(bytes);
	Size		len = VARSIZE_ANY_EXHDR(bytes);
	int64		number;
	bool		boolean;

	switch (cast->type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return read_integer(p, len, &number) && ledger_integer_datum(cast->type, number, value);
		case BOOLOID:
			if (!parse_bool_with_len(p, len, &boolean))
				return false;
			*value = BoolGetDatum(boolean);
			return true;
		default:
			if (!has_plain_form(cast->type, p, len))
				return false;
			*value = call_input(cast, p, len);
			return true;
	}
}

/* The same as the server does it, with its errors. */
Datum
ledger_cast_text_or_fail(const LedgerCast *cast, Datum datum)
{
	return InputFunctionCall(unconstify(FmgrInfo *, &cast->function), TextDatumGetCString(datum),
							 cast->ioparam, -1);
}

/*
 * The value that number / 10^scale, as ->> shows it, is cast to; false if the
 * text must be looked at.
 *
 * To integers, what shows decimals is an error, be they zeros.  A quotient of
 * two numbers that a float has exactly is rounded but once, and so is the float
 * that is nearest to it, as the input function finds it: these are integers
 * with no more bits than the mantissa has, and powers of ten of which, without
 * the factors of two, the same holds.
 */
bool
ledger_cast_number(const LedgerCast *cast, int64 number, int scale, Datum *value)
{
	static const double power[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10,
	1e11, 1e12, 1e13, 1e14, 1e15};

	switch (cast->type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return scale == 0 && ledger_integer_datum(cast->type, number, value);
		case FLOAT8OID:
			if (scale >= (int) lengthof(power) || !ledger_is_within(number, INT64CONST(1) << 53))
				return false;
			*value = Float8GetDatum((double) number / power[scale]);
			return true;
		case FLOAT4OID:
			if (scale > 10 || !ledger_is_within(number, 1 << 24))
				return false;
			*value = Float4GetDatum((float4) number / (float4) power[scale]);
			return true;
		default:
			return false;
	}
}
