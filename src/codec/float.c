/*-------------------------------------------------------------------------
 *
 * float.c
 *	  Vectors of float4 and float8.
 *
 * Measurements are mostly decimal numbers of few digits, though not one bit
 * pattern in memory shows it: such a vector is integers, a power of ten less.
 * It must be exact: what does not come back bit for bit is an exception.  In
 * others, neighbours often share sign, exponent and some digits: only the bits
 * that differ from the last value are kept.
 *
 * Bytes of a vector of n values:
 *
 *		0	1	way: 0 bit patterns, 1 decimal, 2 differing bits
 *
 *	   bit patterns:
 *			..	a vector of bitpack.h
 *
 *	   decimal:
 *			1	digits after the point
 *			..	number of exceptions, varint
 *			..	their places, a vector of bitpack.h, if any
 *			8	for each: its bit pattern
 *			..	all values times that power of ten, a vector of bitpack.h
 *
 *	   differing bits:
 *			..	bytes that follow, varint
 *			..	bits, low ones first: the first pattern (32 or 64); then for
 *				each value 0 if it is that of the one before, else 1 and what
 *				differs: 0 if that is within the last "window", else 1, and the
 *				new window's leading zeros (5 or 6 bits) and its length less 1
 *				(likewise); then the bits in the window
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "codec/bitpack.h"
#include "port/pg_bitutils.h"

#define WAY_PATTERNS	0
#define WAY_DECIMAL		1
#define WAY_XOR			2

#define DIGITS_MAX		15
#define EXCEPTION_SHARE 16		/* one of so many values */

static const double powers[DIGITS_MAX + 1] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15
};

/* Greatest integer that doubles count to. */
#define EXACT_MAX		9007199254740992.0

static inline double
pattern_value(int width, uint64 pattern)
{
	double		d;
	float		f;
	uint32		half = (uint32) pattern;

	if (width == 32)
	{
		memcpy(&f, &half, sizeof(f));
		return f;
	}
	memcpy(&d, &pattern, sizeof(d));
	return d;
}

static inline uint64
value_pattern(int width, double value)
{
	uint64		pattern;
	uint32		half;
	float		f = (float) value;

	if (width == 32)
	{
		memcpy(&half, &f, sizeof(half));
		return half;
	}
	memcpy(&pattern, &value, sizeof(pattern));
	return pattern;
}

static inline uint64
decimal_pattern(int width, int64 number, int digits)
{
	return value_pattern(width, (double) number / powers[digits]);
}

/* The integer that makes a pattern again; false if there is none. */
static inline bool
decimal_number(int width, uint64 pattern, int digits, uint64 *number)
{
	double		scaled = pattern_value(width, pattern) * powers[digits];

	if (!(fabs(scaled) < EXACT_MAX))
		return false;
	*number = (uint64) (int64) rint(scaled);
	return decimal_pattern(width, (int64) *number, digits) == pattern;
}

/* ---- writing ---- */

/* Digits that most of a sample need; -1 if it is not decimal. */
static int
find_digits(int width, const uint64 *patterns, int n)
{
	int			step = Max(n / 32, 1);
	int			digits = 0;
	int			bad = 0;
	int			looked = 0;

	for (int i = 0; i < n; i += step)
	{
		int			needed = 0;
		uint64		number;

		looked++;
		while (needed <= DIGITS_MAX && !decimal_number(width, patterns[i], needed, &number))
			needed++;
		if (needed > DIGITS_MAX)
			bad++;
		else
			digits = Max(digits, needed);
	}
	return bad > looked / 8 ? -1 : digits;
}

static bool
write_decimal(int width, const uint64 *patterns, int n, StringInfo out)
{
	uint64		numbers[LEDGER_VECTOR_ROWS];
	uint64		places[LEDGER_VECTOR_ROWS];
	int			nexceptions = 0;
	int			digits = find_digits(width, patterns, n);

	if (digits < 0)
		return false;
	for (int i = 0; i < n; i++)
	{
		if (decimal_number(width, patterns[i], digits, &numbers[i]))
			continue;
		numbers[i] = i > 0 ? numbers[i - 1] : 0;
		places[nexceptions++] = i;
		if (nexceptions > n / EXCEPTION_SHARE)
			return false;
	}
	appendStringInfoCharMacro(out, WAY_DECIMAL);
	appendStringInfoCharMacro(out, digits);
	ledger_put_varint(out, nexceptions);
	if (nexceptions > 0)
		ledger_integers_write(places, nexceptions, out);
	for (int i = 0; i < nexceptions; i++)
		appendBinaryStringInfo(out, (const char *) &patterns[places[i]], sizeof(uint64));
	ledger_integers_write(numbers, n, out);
	return true;
}

static void
write_xor(int width, const uint64 *patterns, int n, StringInfo out)
{
	StringInfoData bits;
	BitWriter	writer = {&bits, 0, 0};
	int			size_bits = width == 64 ? 6 : 5;
	int			leading = -1;	/* of the window */
	int			length = 0;

	initStringInfo(&bits);
	put_bits(&writer, patterns[0], width);
	for (int i = 1; i < n; i++)
	{
		uint64		differs = patterns[i] ^ patterns[i - 1];
		int			lead;
		int			trail;

		put_bits(&writer, differs != 0, 1);
		if (differs == 0)
			continue;
		lead = width - 1 - pg_leftmost_one_pos64(differs);
		trail = pg_rightmost_one_pos64(differs);
		if (leading >= 0 && lead >= leading && trail >= width - leading - length &&
			length <= width - lead - trail + 2 * size_bits)
			put_bits(&writer, 0, 1);
		else
		{
			leading = lead;
			length = width - lead - trail;
			put_bits(&writer, 1, 1);
			put_bits(&writer, leading, size_bits);
			put_bits(&writer, length - 1, size_bits);
		}
		put_bits(&writer, differs >> (width - leading - length), length);
	}
	if (writer.used > 0)
		put_bits(&writer, 0, 8 - writer.used);
	appendStringInfoCharMacro(out, WAY_XOR);
	ledger_put_varint(out, bits.len);
	appendBinaryStringInfo(out, bits.data, bits.len);
	pfree(bits.data);
}

/*
 * Append n bit patterns of "width" bits, in the smallest of the ways.
 */
void
ledger_floats_write(int width, const uint64 *patterns, int n, StringInfo out)
{
	StringInfoData best;
	StringInfoData other;

	initStringInfo(&best);
	initStringInfo(&other);
	appendStringInfoCharMacro(&best, WAY_PATTERNS);
	ledger_integers_write(patterns, n, &best);
	if (write_decimal(width, patterns, n, &other) && other.len < best.len)
	{
		StringInfoData swap = best;

		best = other;
		other = swap;
	}
	/* what is decimal is not made smaller by its bits */
	if (best.data[0] != WAY_DECIMAL && n > 1)
	{
		resetStringInfo(&other);
		write_xor(width, patterns, n, &other);
		if (other.len < best.len)
		{
			StringInfoData swap = best;

			best = other;
			other = swap;
		}
	}
	appendBinaryStringInfo(out, best.data, best.len);
	pfree(best.data);
	pfree(other.data);
}

/* ---- reading ---- */

/*
 * Understand what ledger_floats_write made of n patterns; returns what follows
 * it, or NULL if this is no such thing.
 */
const uint8 *
ledger_floats_open(LedgerFloats *floats, int width, int n, const uint8 *p, const uint8 *end)
{
	uint64		number;

	memset(floats, 0, sizeof(*floats));
	if (p == end)
		return NULL;
	floats->width = width;
	floats->way = *p++;
	switch (floats->way)
	{
		case WAY_PATTERNS:
			return ledger_integers_open(&floats->ints, n, p, end);
		case WAY_DECIMAL:
			if (p == end || *p > DIGITS_MAX)
				return NULL;
			floats->digits = *p++;
			p = ledger_get_varint(p, end, &number);
			if (p == NULL || number > (uint64) n)
				return NULL;
			floats->nexceptions = (int) number;
			if (number > 0)
				p = ledger_integers_open(&floats->places, (int) number, p, end);
			if (p == NULL || (uint64) (end - p) < number * sizeof(uint64))
				return NULL;
			floats->exceptions = p;
			return ledger_integers_open(&floats->ints, n, p + number * sizeof(uint64), end);
		case WAY_XOR:
			p = ledger_get_varint(p, end, &number);
			if (p == NULL || number > (uint64) (end - p))
				return NULL;
			floats->exceptions = p;
			floats->end = p + number;
			return floats->end;
		default:
			return NULL;
	}
}

/* Bits that are not there are zeros. */
static inline uint64
get_bits(const uint8 *bits, const uint8 *end, uint64 *position, int n)
{
	uint64		result = 0;
	int			got = 0;

	while (got < n)
	{
		const uint8 *p = bits + *position / 8;
		int			shift = (int) (*position % 8);
		int			some = Min(n - got, 8 - shift);

		if (p < end)
			result |= (uint64) ((*p >> shift) & ((1u << some) - 1)) << got;
		got += some;
		*position += some;
	}
	return result;
}

static void
read_xor(const LedgerFloats *floats, int first, int count, uint64 *patterns)
{
	const uint8 *bits = floats->exceptions;
	const uint8 *end = floats->end;
	int			width = floats->width;
	int			size_bits = width == 64 ? 6 : 5;
	int			leading = 0;
	int			length = width;
	uint64		position = 0;
	uint64		pattern = get_bits(bits, end, &position, width);

	for (int i = 0; i < first + count; i++)
	{
		if (i > 0 && get_bits(bits, end, &position, 1))
		{
			if (get_bits(bits, end, &position, 1))
			{
				leading = (int) get_bits(bits, end, &position, size_bits);
				length = (int) get_bits(bits, end, &position, size_bits) + 1;
				length = Min(length, width - leading);
			}
			pattern ^= get_bits(bits, end, &position, length) << (width - leading - length);
		}
		if (i >= first)
			patterns[i - first] = pattern;
	}
}

/* Decode patterns first .. first + count - 1. */
void
ledger_floats_read(LedgerFloats *floats, int first, int count, uint64 *patterns)
{
	uint64		places[LEDGER_VECTOR_ROWS];

	if (floats->way == WAY_XOR)
	{
		read_xor(floats, first, count, patterns);
		return;
	}
	ledger_integers_read(&floats->ints, first, count, patterns);
	if (floats->way == WAY_PATTERNS)
		return;
	for (int i = 0; i < count; i++)
		patterns[i] = decimal_pattern(floats->width, (int64) patterns[i], floats->digits);
	if (floats->nexceptions == 0)
		return;
	ledger_integers_read(&floats->places, 0, floats->nexceptions, places);
	for (int i = 0; i < floats->nexceptions; i++)
	{
		if (places[i] >= (uint64) first && places[i] < (uint64) (first + count))
			memcpy(&patterns[places[i] - first], floats->exceptions + i * sizeof(uint64),
				   sizeof(uint64));
	}
}
