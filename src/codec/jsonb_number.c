/*-------------------------------------------------------------------------
 *
 * jsonb_number.c
 *	  Numerics in jsonb as integers with a decimal scale, and back.
 *
 * The server keeps a numeric as digits of base 10,000 with the number's weight
 * and the digits to show after the point.  Most have few digits and the short
 * header; those are what is understood here:
 *
 *		0	4	varlena header
 *		4	2	1 0 sign(1) scale(6) weight(7, signed)
 *		6	2	for each digit of base 10,000
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/shred.h"

#define BASE			10000
#define BASE_DIGITS		4
#define DIGITS_MAX		6

#define HEADER_BYTES	(VARHDRSZ + (int) sizeof(uint16))

#define SHORT_MASK		0xC000
#define SHORT			0x8000
#define SHORT_NEGATIVE	0x2000
#define SHORT_SCALE(h)	(((h) & 0x1F80) >> 7)
#define SHORT_WEIGHT(h) (((h) & 0x40) ? (int) ((h) & 0x3F) - 64 : (int) ((h) & 0x3F))

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
	int			behind = (scale + BASE_DIGITS - 1) / BASE_DIGITS;	/* digits after the point */
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
	rest *= ledger_power_of_10(behind * BASE_DIGITS - scale);
	for (; rest != 0; rest /= BASE, place++)
	{
		uint16		digit = rest % BASE;

		if (ndigits == 0 && digit == 0)
			continue;
		digits[ndigits++] = digit;
		weight = place;
	}
	header = SHORT | (value < 0 ? SHORT_NEGATIVE : 0) | scale << 7 | (weight & 0x7F);
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
	if ((header & SHORT_MASK) != SHORT || SHORT_SCALE(header) > LEDGER_NUMBER_SCALE_MAX)
		return false;
	*scale = SHORT_SCALE(header);
	for (int i = 0; i < ndigits; i++)
	{
		uint16		digit;

		memcpy(&digit, numeric + HEADER_BYTES + i * sizeof(uint16), sizeof(digit));
		if (digit >= BASE || number > PG_UINT64_MAX / BASE - 1)
			return false;
		number = number * BASE + digit;
	}

	/* so far the last digit of base 10,000 has the weight 0 */
	shift = *scale + BASE_DIGITS * (SHORT_WEIGHT(header) - (ndigits - 1));
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
	*value = (header & SHORT_NEGATIVE) ? -(int64) number : (int64) number;
	return ledger_number_write(*value, *scale, again) == len &&
		memcmp(again, numeric, len) == 0;
}
