/*-------------------------------------------------------------------------
 *
 * jsonb_number.c
 *	  Numerics in jsonb as integers with a decimal scale, and back.
 *
 * Most have few digits and the short header; those are what is understood here,
 * behind a varlena header of four bytes: see numeric.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/numeric.h"
#include "codec/shred.h"

#define DIGITS_MAX		6

#define HEADER_BYTES	(VARHDRSZ + (int) sizeof(uint16))

int64
ledger_power_of_10(int n)
{
	static const int64 powers[] = {
		1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000,
		INT64CONST(10000000000), INT64CONST(100000000000), INT64CONST(1000000000000),
		INT64CONST(10000000000000), INT64CONST(100000000000000),
		INT64CONST(1000000000000000), INT64CONST(10000000000000000),
		INT64CONST(100000000000000000), INT64CONST(1000000000000000000)
	};

	Assert(n >= 0 && n < (int) lengthof(powers));
	return powers[n];
}

/*
 * Write the numeric that the server makes of value / 10^scale; returns its
 * length, at most LEDGER_NUMBER_BYTES.
 */
Size
ledger_number_write(int64 value, int scale, char *dst)
{
	int			behind = (scale + LEDGER_NUMERIC_BASE_DIGITS - 1) / LEDGER_NUMERIC_BASE_DIGITS;	/* digits after the point */
	uint64		rest = value < 0 ? -(uint64) value : (uint64) value;
	uint16		digits[DIGITS_MAX + 1];
	int			ndigits = 0;
	int			weight = 0;
	int			place = -behind;
	uint16		header;
	varattrib_4b varlena;
	Size		len;

	Assert(value >= -LEDGER_JSONB_NUMBER_MAX && value <= LEDGER_JSONB_NUMBER_MAX);
	Assert(scale >= 0 && scale <= LEDGER_NUMBER_SCALE_MAX);

	/* up to 18 digits, from the last on, without zeros at either end */
	rest *= ledger_power_of_10(behind * LEDGER_NUMERIC_BASE_DIGITS - scale);
	for (; rest != 0; rest /= LEDGER_NUMERIC_BASE, place++)
	{
		uint16		digit = rest % LEDGER_NUMERIC_BASE;

		if (ndigits == 0 && digit == 0)
			continue;
		digits[ndigits++] = digit;
		weight = place;
	}
	header = LEDGER_NUMERIC_SHORT | (value < 0 ? LEDGER_NUMERIC_NEGATIVE : 0) |
		scale << LEDGER_NUMERIC_SCALE_SHIFT | (weight & LEDGER_NUMERIC_WEIGHT_MASK);
	len = HEADER_BYTES + ndigits * sizeof(uint16);
	SET_VARSIZE(&varlena, len);
	memcpy(dst, &varlena, VARHDRSZ);
	memcpy(dst + VARHDRSZ, &header, sizeof(header));
	dst += HEADER_BYTES;
	while (ndigits > 0)
	{
		memcpy(dst, &digits[--ndigits], sizeof(uint16));
		dst += sizeof(uint16);
	}
	return len;
}

/*
 * Is a numeric the one that ledger_number_write makes of some number?
 */
bool
ledger_number_parse(const char *numeric, Size len, int64 *value, int *scale)
{
	int			ndigits = ((int) len - HEADER_BYTES) / (int) sizeof(uint16);
	char		again[LEDGER_NUMBER_BYTES];
	uint64		number = 0;
	uint16		header;
	int			shift;

	if (len < HEADER_BYTES || ndigits > DIGITS_MAX - 1)
		return false;
	memcpy(&header, numeric + VARHDRSZ, sizeof(header));
	if ((header & LEDGER_NUMERIC_FORM) != LEDGER_NUMERIC_SHORT || LEDGER_NUMERIC_SCALE(header) > LEDGER_NUMBER_SCALE_MAX)
		return false;
	*scale = LEDGER_NUMERIC_SCALE(header);
	for (int i = 0; i < ndigits; i++)
	{
		uint16		digit;

		memcpy(&digit, numeric + HEADER_BYTES + i * sizeof(uint16), sizeof(digit));
		if (digit >= LEDGER_NUMERIC_BASE || number > PG_UINT64_MAX / LEDGER_NUMERIC_BASE - 1)
			return false;
		number = number * LEDGER_NUMERIC_BASE + digit;
	}

	/* so far the last digit of base 10,000 has the weight 0 */
	shift = *scale + LEDGER_NUMERIC_BASE_DIGITS * (LEDGER_NUMERIC_WEIGHT(header) - (ndigits - 1));
	if (ndigits == 0)
		shift = 0;
	if (shift < -18 || shift > 18)
		return false;
	if (shift < 0)
		number /= ledger_power_of_10(-shift);
	else if (number > LEDGER_JSONB_NUMBER_MAX / ledger_power_of_10(shift))
		return false;
	else
		number *= ledger_power_of_10(shift);
	if (number > LEDGER_JSONB_NUMBER_MAX)
		return false;
	*value = (header & LEDGER_NUMERIC_NEGATIVE) ? -(int64) number : (int64) number;
	return ledger_number_write(*value, *scale, again) == len &&
		memcmp(again, numeric, len) == 0;
}
