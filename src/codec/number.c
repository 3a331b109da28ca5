/*-------------------------------------------------------------------------
 *
 * number.c
 *	  Values by reference that are integers in disguise.
 *
 * Numerics of one display scale are integers, a power of ten less.  Values of
 * one length that begin alike and end in at most eight other bytes (addresses,
 * small binary keys) are the number that those bytes are.
 *
 * Bytes of the encoding's part of the header:
 *
 *		0	1	kind: 0 numeric, 1 bytes
 *		1	1	display scale, or length of a value
 *			..	what all values begin with, if bytes
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "codec/codec_internal.h"
#include "codec/numeric.h"

#define KIND_NUMERIC		0
#define KIND_BYTES			1

/* Greatest integer of a numeric, so that three more digits fit. */
#define NUMERIC_MAX			UINT64CONST(999999999999999)
#define SCALE_MAX			15

/* ---- numerics ---- */

bool
ledger_numeric_parse(const char *data, Size len, LedgerNumeric *numeric)
{
	uint16		header;

	if (len < sizeof(header))
		return false;
	memcpy(&header, data, sizeof(header));
	data += sizeof(header);
	len -= sizeof(header);
	if ((header & LEDGER_NUMERIC_FORM) == LEDGER_NUMERIC_SPECIAL)
		return false;
	if (header & LEDGER_NUMERIC_SHORT)
	{
		numeric->negative = (header & LEDGER_NUMERIC_NEGATIVE) != 0;
		numeric->scale = LEDGER_NUMERIC_SCALE(header);
		numeric->weight = LEDGER_NUMERIC_WEIGHT(header);
	}
	else
	{
		int16		weight;

		if (len < sizeof(weight))
			return false;
		memcpy(&weight, data, sizeof(weight));
		data += sizeof(weight);
		len -= sizeof(weight);
		numeric->negative = (header & LEDGER_NUMERIC_LONG_NEGATIVE) != 0;
		numeric->scale = LEDGER_NUMERIC_LONG_SCALE(header);
		numeric->weight = weight;
	}
	numeric->digits = data;
	numeric->ndigits = (int) (len / sizeof(int16));
	return len % sizeof(int16) == 0;
}

/* The bytes of a numeric; returns their length, at most LEDGER_NUMBER_MAX. */
static int
format_numeric(int scale, uint64 number, char *dst)
{
	bool		negative = (int64) number < 0;
	uint64		rest = negative ? 0 - number : number;
	int			pad = (4 - scale % 4) % 4;
	int16		digits[8];
	int			ndigits = 0;
	int			weight;
	uint16		header;
	int			skip = 0;

	rest = Min(rest, NUMERIC_MAX);
	for (int i = 0; i < pad; i++)
		rest *= 10;
	for (; rest > 0; rest /= LEDGER_NUMERIC_BASE)
		digits[ndigits++] = (int16) (rest % LEDGER_NUMERIC_BASE);	/* last one first */
	weight = ndigits - 1 - (scale + pad) / 4;
	while (skip < ndigits && digits[skip] == 0)
		skip++;
	if (skip == ndigits)
	{
		weight = 0;
		negative = false;
	}
	header = LEDGER_NUMERIC_SHORT | (negative ? LEDGER_NUMERIC_NEGATIVE : 0) |
		scale << LEDGER_NUMERIC_SCALE_SHIFT | (weight & LEDGER_NUMERIC_WEIGHT_MASK);
	memcpy(dst, &header, sizeof(header));
	for (int i = ndigits - 1, at = sizeof(header); i >= skip; i--, at += sizeof(int16))
		memcpy(dst + at, &digits[i], sizeof(int16));
	return (int) sizeof(header) + (ndigits - skip) * (int) sizeof(int16);
}

/* A numeric as a number; false if it is not of the scale, or does not fit. */
static bool
parse_numeric(LedgerBytes value, int scale, uint64 *number)
{
	uint16		header;
	int			weight;
	int			ndigits;
	uint64		sum = 0;

	if (value.len < sizeof(header) || value.len > 12 || value.len % 2 != 0)
		return false;
	memcpy(&header, value.data, sizeof(header));
	if ((header & LEDGER_NUMERIC_FORM) != LEDGER_NUMERIC_SHORT ||
		LEDGER_NUMERIC_SCALE(header) != scale)
		return false;
	weight = LEDGER_NUMERIC_WEIGHT(header);
	ndigits = (int) (value.len - sizeof(header)) / 2;
	for (int i = 0; i < ndigits; i++)
	{
		int16		digit;
		int			exponent = 4 * (weight - i) + scale;
		uint64		part;

		memcpy(&digit, value.data + sizeof(header) + i * sizeof(digit), sizeof(digit));
		if (digit < 0 || digit >= LEDGER_NUMERIC_BASE || exponent > 15)
			return false;
		part = digit;
		for (; exponent > 0; exponent--)
			part = part > NUMERIC_MAX ? part : part * 10;
		for (; exponent < 0; exponent++)
		{
			if (part % 10 != 0)
				return false;
			part /= 10;
		}
		sum += part;
		if (part > NUMERIC_MAX || sum > NUMERIC_MAX)
			return false;
	}
	*number = (header & LEDGER_NUMERIC_NEGATIVE) ? 0 - sum : sum;
	return true;
}

/* ---- both ---- */

/* A value as a number; false if it is none, or would not come back. */
bool
ledger_number_of(const LedgerNumbering *numbering, LedgerBytes value, uint64 *number)
{
	char		room[LEDGER_NUMBER_MAX];

	if (numbering->kind == KIND_NUMERIC)
		return parse_numeric(value, numbering->scale, number) &&
			(Size) format_numeric(numbering->scale, *number, room) == value.len &&
			memcmp(room, value.data, value.len) == 0;
	*number = 0;
	for (Size i = numbering->prefix_length; i < value.len; i++)
		*number = *number << 8 | (uint8) value.data[i];
	return true;
}

/* The bytes of the value; returns how many. */
int
ledger_number_format(const LedgerNumbering *numbering, uint64 number, char *dst)
{
	if (numbering->kind == KIND_NUMERIC)
		return format_numeric(numbering->scale, number, dst);
	memcpy(dst, numbering->prefix, numbering->prefix_length);
	for (int i = numbering->len - 1; i >= numbering->prefix_length; i--, number >>= 8)
		dst[i] = (char) number;
	return numbering->len;
}

static bool
detect_bytes(const LedgerColumnInput *input, LedgerNumbering *numbering)
{
	bool		first = true;

	for (int row = 0; row < input->nrows; row++)
	{
		LedgerBytes value;
		int			i = 0;

		if (input->isnull[row])
			continue;
		value = ledger_datum_bytes(&input->type, input->values[row]);
		if (first)
		{
			if (value.len == 0 || value.len > LEDGER_NUMBER_MAX)
				return false;
			numbering->len = numbering->prefix_length = (int) value.len;
			memcpy(numbering->prefix, value.data, value.len);
			first = false;
		}
		if ((int) value.len != numbering->len)
			return false;
		while (i < numbering->prefix_length && value.data[i] == numbering->prefix[i])
			i++;
		numbering->prefix_length = i;
		if (numbering->len - i > 8)
			return false;
	}
	return !first;
}

static bool
detect_numeric(const LedgerColumnInput *input, LedgerNumbering *numbering)
{
	bool		first = true;

	for (int row = 0; row < input->nrows; row++)
	{
		LedgerBytes value;
		uint64		number;

		if (input->isnull[row])
			continue;
		value = ledger_datum_bytes(&input->type, input->values[row]);
		if (first)
		{
			uint16		header;

			if (value.len < sizeof(header))
				return false;
			memcpy(&header, value.data, sizeof(header));
			numbering->scale = LEDGER_NUMERIC_SCALE(header);
			if (numbering->scale > SCALE_MAX)
				return false;
			first = false;
		}
		if (!ledger_number_of(numbering, value, &number))
			return false;
	}
	return !first;
}

/* Are the column's values all numbers of one kind? */
bool
ledger_numbering_detect(const LedgerColumnInput *input, LedgerNumbering *numbering)
{
	memset(numbering, 0, sizeof(*numbering));
	if (input->type.attlen == -2)
		return false;
	if (input->type.typid == NUMERICOID)
	{
		numbering->kind = KIND_NUMERIC;
		return detect_numeric(input, numbering);
	}
	numbering->kind = KIND_BYTES;
	return detect_bytes(input, numbering);
}

void
ledger_numbering_write(const LedgerNumbering *numbering, StringInfo out)
{
	appendStringInfoCharMacro(out, numbering->kind);
	appendStringInfoCharMacro(out, numbering->kind == KIND_NUMERIC ? numbering->scale :
							  numbering->len);
	appendBinaryStringInfo(out, numbering->prefix, numbering->prefix_length);
}

/* Understand the encoding's part of the header; false if it is none. */
bool
ledger_numbering_open(const LedgerColumnType *type, LedgerNumbering *numbering, const uint8 *p,
					  const uint8 *end)
{
	memset(numbering, 0, sizeof(*numbering));
	if (end - p < 2)
		return false;
	numbering->kind = p[0];
	if (numbering->kind == KIND_NUMERIC)
	{
		numbering->scale = p[1];
		return end - p == 2 && numbering->scale <= SCALE_MAX && type->attlen == -1;
	}
	numbering->len = p[1];
	numbering->prefix_length = (int) (end - p) - 2;
	if (numbering->kind != KIND_BYTES || numbering->len == 0 ||
		numbering->len > LEDGER_NUMBER_MAX || end - p - 2 > numbering->len ||
		numbering->len - numbering->prefix_length > 8 || type->attlen == -2 ||
		(type->attlen > 0 && numbering->len != type->attlen))
		return false;
	memcpy(numbering->prefix, p + 2, numbering->prefix_length);
	return true;
}
