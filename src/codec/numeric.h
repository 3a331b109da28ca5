/*-------------------------------------------------------------------------
 *
 * numeric.h
 *	  The server's numerics as they are stored, which no header of its tells.
 *
 * Digits of base 10,000, without zeros at either end, follow a header of two
 * bytes, of which the upper two bits tell the form:
 *
 *		1 0		short: sign (1 bit), scale (6), weight of the first digit (7, signed)
 *		1 1		NaN, infinities
 *		0 x		long: sign, scale (14); the weight follows (int16)
 *
 * It has been so in all versions that we build for, and data types' files on
 * disk depend on it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_NUMERIC_H
#define LEDGER_NUMERIC_H

#define LEDGER_NUMERIC_BASE			10000
#define LEDGER_NUMERIC_BASE_DIGITS	4	/* decimal ones */

#define LEDGER_NUMERIC_FORM			0xC000
#define LEDGER_NUMERIC_SHORT		0x8000
#define LEDGER_NUMERIC_SPECIAL		0xC000

/* of short ones */
#define LEDGER_NUMERIC_NEGATIVE		0x2000
#define LEDGER_NUMERIC_SCALE_SHIFT	7
#define LEDGER_NUMERIC_SCALE(h)		(((h) & 0x1F80) >> LEDGER_NUMERIC_SCALE_SHIFT)
#define LEDGER_NUMERIC_WEIGHT_MASK	0x7F
#define LEDGER_NUMERIC_WEIGHT(h)	((int) ((h) & 0x3F) - (int) ((h) & 0x40))

/* of long ones */
#define LEDGER_NUMERIC_LONG_NEGATIVE	0x4000
#define LEDGER_NUMERIC_LONG_SCALE(h)	((h) & 0x3FFF)

/* of infinities: the negative one has it */
#define LEDGER_NUMERIC_NEGATIVE_INFINITY	0xF000
#define LEDGER_NUMERIC_POSITIVE_INFINITY	0xD000

/* One that is finite, taken apart */
typedef struct LedgerNumeric
{
	bool		negative;
	int			scale;
	int			weight;			/* of the first digit */
	const char *digits;			/* int16s, wherever they are */
	int			ndigits;
} LedgerNumeric;

/* False if these bytes, without those of the length, are no finite numeric. */
extern bool ledger_numeric_parse(const char *data, Size len, LedgerNumeric *numeric);

/* The digit of base 10,000 at a place, counted from the first. */
static inline int
ledger_numeric_digit(const LedgerNumeric *numeric, int place)
{
	int16		digit;

	if (place < 0 || place >= numeric->ndigits)
		return 0;
	memcpy(&digit, numeric->digits + place * sizeof(digit), sizeof(digit));
	return digit;
}

#endif							/* LEDGER_NUMERIC_H */
