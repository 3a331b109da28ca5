/*-------------------------------------------------------------------------
 *
 * path_value.c
 *	  Single values of jsonb documents as the server's -> and ->> give them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "codec/numeric.h"
#include "codec/path.h"
#include "utils/jsonb.h"

static const LedgerColumnType text_type = {TEXTOID, InvalidOid, -1, false, TYPALIGN_INT};

Datum
ledger_bytes_text(LedgerBytes bytes, LedgerArena *arena)
{
	Datum		value;

	memcpy(ledger_arena_value(arena, &text_type, bytes.len, LEDGER_ARENA_PIECE / 8, &value),
		   bytes.data, bytes.len);
	return value;
}

/* value / 10^scale as the server prints it. */
Datum
ledger_number_text(int64 number, int scale, LedgerArena *arena)
{
	char		room[32];
	char	   *end = room + sizeof(room);
	char	   *p = end;
	uint64		rest = number < 0 ? 0 - (uint64) number : (uint64) number;
	LedgerBytes bytes;

	Assert(scale >= 0 && scale <= LEDGER_NUMBER_SCALE_MAX);
	for (int digits = 0; digits <= scale || rest > 0; digits++)
	{
		if (digits == scale && scale > 0)
			*--p = '.';
		*--p = '0' + rest % 10;
		rest /= 10;
	}
	if (number < 0)
		*--p = '-';
	bytes.data = p;
	bytes.len = end - p;
	return ledger_bytes_text(bytes, arena);
}

/* With its header of four bytes */
static bool
parse_numeric(LedgerBytes bytes, LedgerNumeric *numeric)
{
	return bytes.len >= VARHDRSZ &&
		ledger_numeric_parse(bytes.data + VARHDRSZ, bytes.len - VARHDRSZ, numeric);
}

static inline void
put_group(char *dst, int digit)
{
	for (int i = LEDGER_NUMERIC_BASE_DIGITS - 1; i >= 0; i--, digit /= 10)
		dst[i] = '0' + digit % 10;
}

/* As the server prints it; false if it is no number. */
bool
ledger_numeric_text(LedgerBytes bytes, LedgerArena *arena, Datum *text)
{
	LedgerNumeric numeric;
	char		group[LEDGER_NUMERIC_BASE_DIGITS];
	char	   *dst;
	char	   *start;
	int			skip = 0;
	Size		before;

	if (!parse_numeric(bytes, &numeric))
		return false;
	for (int i = 0; i < numeric.ndigits; i++)
	{
		int			digit = ledger_numeric_digit(&numeric, i);

		if (digit < 0 || digit >= LEDGER_NUMERIC_BASE)
			return false;
	}

	/* before the point, without zeros in front, but for a last one */
	put_group(group, numeric.weight >= 0 ? ledger_numeric_digit(&numeric, 0) : 0);
	while (skip < LEDGER_NUMERIC_BASE_DIGITS - 1 && group[skip] == '0')
		skip++;
	before = LEDGER_NUMERIC_BASE_DIGITS - skip + (Size) LEDGER_NUMERIC_BASE_DIGITS * Max(numeric.weight, 0);
	start = dst = ledger_arena_value(arena, &text_type, numeric.negative + before +
									 (numeric.scale > 0) + numeric.scale, 0, text);
	if (numeric.negative)
		*dst++ = '-';
	memcpy(dst, group + skip, LEDGER_NUMERIC_BASE_DIGITS - skip);
	dst += LEDGER_NUMERIC_BASE_DIGITS - skip;
	for (int place = 1; place <= numeric.weight; place++, dst += LEDGER_NUMERIC_BASE_DIGITS)
		put_group(dst, ledger_numeric_digit(&numeric, place));
	if (numeric.scale > 0)
		*dst++ = '.';
	for (int done = 0; done < numeric.scale; done += LEDGER_NUMERIC_BASE_DIGITS)
	{
		int			n = Min(LEDGER_NUMERIC_BASE_DIGITS, numeric.scale - done);
		int			place = numeric.weight + 1 + done / LEDGER_NUMERIC_BASE_DIGITS;

		put_group(group, ledger_numeric_digit(&numeric, place));
		memcpy(dst, group, n);
		dst += n;
	}
	Assert((Size) (dst - start) == VARSIZE(DatumGetPointer(*text)) - VARHDRSZ);
	(void) start;
	return true;
}

/* The numeric itself, with a header of our own. */
bool
ledger_numeric_datum(LedgerBytes bytes, LedgerArena *arena, Datum *value)
{
	LedgerNumeric numeric;

	if (!parse_numeric(bytes, &numeric))
		return false;
	bytes.data += VARHDRSZ;
	bytes.len -= VARHDRSZ;
	*value = ledger_bytes_text(bytes, arena);
	return true;
}

/* A document that is one value, of the type that its JEntry has. */
Datum
ledger_scalar_jsonb(uint32 type, LedgerBytes bytes, LedgerArena *arena)
{
	uint32		head[2];
	Datum		value;
	char	   *dst;

	head[0] = 1 | JB_FARRAY | JB_FSCALAR;
	head[1] = type | JENTRY_HAS_OFF | (uint32) bytes.len;
	dst = ledger_arena_value(arena, &text_type, sizeof(head) + bytes.len,
							 LEDGER_ARENA_PIECE / 8, &value);
	memcpy(dst, head, sizeof(head));
	memcpy(dst + sizeof(head), bytes.data, bytes.len);
	return value;
}

/* The same of a numeric; its own header is made anew, as the server believes it. */
bool
ledger_numeric_jsonb(LedgerBytes bytes, LedgerArena *arena, Datum *value)
{
	LedgerNumeric numeric;
	varattrib_4b header;

	if (!parse_numeric(bytes, &numeric))
		return false;
	*value = ledger_scalar_jsonb(JENTRY_ISNUMERIC, bytes, arena);
	SET_VARSIZE(&header, bytes.len);
	memcpy(VARDATA(DatumGetPointer(*value)) + 2 * sizeof(uint32), &header, VARHDRSZ);
	return true;
}
