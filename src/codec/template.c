/*-------------------------------------------------------------------------
 *
 * template.c
 *	  Values of one length that differ in hexadecimal or decimal digits only.
 *
 * 'tr-309d57ed44e32dbdc910c2013f98e0ee', a UUID's text or '1788825600068-2':
 * the chunk keeps one copy of what all values share, and where the digits
 * are.  Hexadecimal digits take four bits each; at most 18 decimal digits are
 * a number, which bitpack.h makes small.
 *
 * Bytes of a template:
 *
 *		0	1	1 if decimal
 *		1	1	length of a value
 *		2	1	number of runs of digits
 *			2	for each: start, length
 *			..	the bytes of a value; those in runs are without meaning
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/codec_internal.h"

#define DECIMAL_DIGITS_MAX	18

#define NOT_HEX			1
#define NOT_DECIMAL		2

/*
 * What is known of a column's values, eight bytes a word.  Word i is about the
 * bytes from word_start(i) on; the last may overlap the one before.
 */
#define TEMPLATE_WORDS	(LEDGER_TEMPLATE_MAX / 8)

typedef struct Comparison
{
	int			len;			/* of the values */
	int			nwords;
	char		example[LEDGER_TEMPLATE_MAX];
	uint64		differs[TEMPLATE_WORDS];
	uint64		not_decimal[TEMPLATE_WORDS];	/* highest bit of each byte */
	uint64		not_hex[TEMPLATE_WORDS];
} Comparison;

static inline int
word_start(const Comparison *comparison, int i)
{
	return Max(Min(8 * i, comparison->len - 8), 0);
}

static inline uint64
get_word(const Comparison *comparison, const char *value, int i)
{
	uint64		word = 0;

	if (comparison->len >= 8)
		memcpy(&word, value + word_start(comparison, i), sizeof(word));
	else
		memcpy(&word, value, comparison->len);
	return word;
}

#define EACH_BYTE(x)	(UINT64CONST(0x0101010101010101) * (x))

/* Look at one more value, of the right length. */
static void
compare_value(Comparison *comparison, const char *value)
{
	for (int i = 0; i < comparison->nwords; i++)
	{
		uint64		word = get_word(comparison, value, i);
		uint64		low = word & EACH_BYTE(0x7F);
		uint64		digit = low ^ EACH_BYTE(0x30);	/* 0 to 9, for '0' to '9' */
		uint64		letter = low ^ EACH_BYTE(0x60); /* 1 to 6, for 'a' to 'f' */
		uint64		not_digit = (digit + EACH_BYTE(0x7F - 9)) | word;
		uint64		not_letter = (letter + EACH_BYTE(0x7F - 6)) |
			~(letter + EACH_BYTE(0x7F)) | word;

		comparison->differs[i] |= word ^ get_word(comparison, comparison->example, i);
		comparison->not_decimal[i] |= not_digit;
		comparison->not_hex[i] |= not_digit & not_letter;
	}
}

/* Which bytes differ between values, and what kinds of digit they are not. */
static void
spread_words(const Comparison *comparison, uint8 *differs, uint8 *flaws)
{
	for (int i = 0; i < comparison->nwords; i++)
	{
		uint8		words[3][8];
		int			start = word_start(comparison, i);

		memcpy(words[0], &comparison->differs[i], 8);
		memcpy(words[1], &comparison->not_decimal[i], 8);
		memcpy(words[2], &comparison->not_hex[i], 8);
		for (int b = 0; b < 8 && start + b < comparison->len; b++)
		{
			differs[start + b] = words[0][b];
			flaws[start + b] = ((words[1][b] & 0x80) ? NOT_DECIMAL : 0) |
				((words[2][b] & 0x80) ? NOT_HEX : 0);
		}
	}
}

static bool
hopeless(const uint8 *differs, const uint8 *flaws, int len)
{
	for (int i = 0; i < len; i++)
	{
		if (differs[i] != 0 && (flaws[i] & NOT_HEX))
			return true;
	}
	return false;
}

/*
 * Fill in differs and flaws for all values.  Returns the values' length, or 0
 * if they have no length or not the same.
 */
static int
compare_values(const LedgerColumnInput *input, char *example, uint8 *differs, uint8 *flaws)
{
	Comparison	comparison;

	memset(&comparison, 0, sizeof(comparison));
	for (int row = 0; row < input->nrows; row++)
	{
		LedgerBytes value;

		if (input->isnull[row])
			continue;
		value = ledger_datum_bytes(&input->type, input->values[row]);
		if (comparison.len == 0)
		{
			if (value.len == 0 || value.len > LEDGER_TEMPLATE_MAX)
				return 0;
			comparison.len = value.len;
			comparison.nwords = (value.len + 7) / 8;
			memcpy(comparison.example, value.data, value.len);
		}
		if (value.len != comparison.len)
			return 0;
		compare_value(&comparison, value.data);

		/* a look now and then whether this can still come to something */
		if ((row & 127) == 0)
		{
			spread_words(&comparison, differs, flaws);
			if (hopeless(differs, flaws, comparison.len))
				return 0;
		}
	}
	spread_words(&comparison, differs, flaws);
	memcpy(example, comparison.example, comparison.len);
	return comparison.len;
}

/* Collect the runs of bytes between first and last that lack the flaw. */
static bool
collect_runs(LedgerTemplate *tmpl, const uint8 *flaws, uint8 flaw, int first, int last)
{
	bool		open = false;

	tmpl->nruns = 0;
	tmpl->ndigits = 0;
	for (int i = first; i <= last; i++)
	{
		if (flaws[i] & flaw)
		{
			open = false;
			continue;
		}
		if (!open)
		{
			if (tmpl->nruns == LEDGER_TEMPLATE_RUNS)
				return false;
			tmpl->runs[tmpl->nruns].start = i;
			tmpl->runs[tmpl->nruns].len = 0;
			tmpl->nruns++;
			open = true;
		}
		tmpl->runs[tmpl->nruns - 1].len++;
		tmpl->ndigits++;
	}
	return tmpl->ndigits > 0;
}

/*
 * Do the column's values follow a template?  Bytes between the first and the
 * last that differ count as digits wherever they can, so that digits that
 * happen to be the same in all values do not cut the runs in pieces.
 */
bool
ledger_template_detect(const LedgerColumnInput *input, LedgerTemplate *tmpl)
{
	uint8		differs[LEDGER_TEMPLATE_MAX] = {0};
	uint8		flaws[LEDGER_TEMPLATE_MAX] = {0};
	uint8		found = 0;
	int			first = -1;
	int			last = -1;

	memset(tmpl, 0, sizeof(*tmpl));
	tmpl->len = compare_values(input, tmpl->bytes, differs, flaws);
	for (int i = 0; i < tmpl->len; i++)
	{
		if (differs[i] == 0)
			continue;
		if (first < 0)
			first = i;
		last = i;
		found |= flaws[i];
	}
	if (first < 0 || (found & NOT_HEX))
		return false;
	tmpl->decimal = !(found & NOT_DECIMAL) &&
		collect_runs(tmpl, flaws, NOT_DECIMAL, first, last) &&
		tmpl->ndigits <= DECIMAL_DIGITS_MAX;
	return tmpl->decimal || collect_runs(tmpl, flaws, NOT_HEX, first, last);
}

void
ledger_template_write(const LedgerTemplate *tmpl, StringInfo out)
{
	appendStringInfoCharMacro(out, tmpl->decimal ? 1 : 0);
	appendStringInfoCharMacro(out, (char) tmpl->len);
	appendStringInfoCharMacro(out, (char) tmpl->nruns);
	for (int i = 0; i < tmpl->nruns; i++)
	{
		appendStringInfoCharMacro(out, (char) tmpl->runs[i].start);
		appendStringInfoCharMacro(out, (char) tmpl->runs[i].len);
	}
	appendBinaryStringInfo(out, tmpl->bytes, tmpl->len);
}

/* Returns what follows the template, or NULL if this is none. */
const uint8 *
ledger_template_open(LedgerTemplate *tmpl, const uint8 *p, const uint8 *end)
{
	int			reached = 0;

	memset(tmpl, 0, sizeof(*tmpl));
	if (end - p < 3 || p[0] > 1)
		return NULL;
	tmpl->decimal = p[0] == 1;
	tmpl->len = p[1];
	tmpl->nruns = p[2];
	p += 3;
	if (tmpl->len > LEDGER_TEMPLATE_MAX || tmpl->nruns > LEDGER_TEMPLATE_RUNS ||
		end - p < 2 * tmpl->nruns + tmpl->len)
		return NULL;
	for (int i = 0; i < tmpl->nruns; i++, p += 2)
	{
		tmpl->runs[i].start = p[0];
		tmpl->runs[i].len = p[1];
		if (p[0] < reached || p[1] == 0 || p[0] + p[1] > tmpl->len)
			return NULL;
		reached = p[0] + p[1];
		tmpl->ndigits += p[1];
	}
	if (tmpl->ndigits == 0 || (tmpl->decimal && tmpl->ndigits > DECIMAL_DIGITS_MAX))
		return NULL;
	memcpy(tmpl->bytes, p, tmpl->len);
	return p + tmpl->len;
}

/* Both for digits that are known to be hexadecimal and in lower case. */
static inline uint8
digit_value(char c)
{
	return (c & 15) + (c >> 6) * 9;
}

static inline char
digit_char(uint8 value)
{
	return value + '0' + (value > 9 ? 'a' - '0' - 10 : 0);
}

/* Two digits a byte, the first in the high half. */
static void
pack_digits(const char *digits, int n, uint8 *packed)
{
	for (int i = 0; i < n / 2; i++)
		packed[i] = (digit_value(digits[2 * i]) << 4) | digit_value(digits[2 * i + 1]);
	if (n & 1)
		packed[n / 2] = digit_value(digits[n - 1]) << 4;
}

static void
unpack_digits(const uint8 *packed, int n, char *digits)
{
	int			i = 0;

#ifndef WORDS_BIGENDIAN
	/* eight digits at a time, a byte of a word each */
	for (; i + 8 <= n; i += 8)
	{
		uint32		four;
		uint64		x;
		uint64		letters;

		memcpy(&four, packed + i / 2, sizeof(four));
		x = four;
		x = (x | (x << 16)) & UINT64CONST(0x0000FFFF0000FFFF);
		x = (x | (x << 8)) & UINT64CONST(0x00FF00FF00FF00FF);
		x = ((x >> 4) & UINT64CONST(0x000F000F000F000F)) |
			((x & UINT64CONST(0x000F000F000F000F)) << 8);
		letters = ((x + UINT64CONST(0x0606060606060606)) >> 4) & UINT64CONST(0x0101010101010101);
		x += UINT64CONST(0x3030303030303030) + letters * ('a' - '0' - 10);
		memcpy(digits + i, &x, sizeof(x));
	}
#endif
	for (; i < n; i++)
		digits[i] = digit_char((i & 1) ? packed[i / 2] & 15 : packed[i / 2] >> 4);
}

static const char *
gather_digits(const LedgerTemplate *tmpl, const char *value, char *room)
{
	char	   *p = room;

	if (tmpl->nruns == 1)
		return value + tmpl->runs[0].start;
	for (int i = 0; i < tmpl->nruns; i++)
	{
		memcpy(p, value + tmpl->runs[i].start, tmpl->runs[i].len);
		p += tmpl->runs[i].len;
	}
	return room;
}

static void
scatter_digits(const LedgerTemplate *tmpl, const char *digits, char *value)
{
	for (int i = 0; i < tmpl->nruns; i++)
	{
		memcpy(value + tmpl->runs[i].start, digits, tmpl->runs[i].len);
		digits += tmpl->runs[i].len;
	}
}

/* LEDGER_TEMPLATE_STRIDE bytes from a value that follows the template. */
void
ledger_template_pack(const LedgerTemplate *tmpl, const char *value, uint8 *packed)
{
	char		room[LEDGER_TEMPLATE_MAX];

	pack_digits(gather_digits(tmpl, value, room), tmpl->ndigits, packed);
}

void
ledger_template_unpack(const LedgerTemplate *tmpl, const uint8 *packed, char *value)
{
	memcpy(value, tmpl->bytes, tmpl->len);
	if (tmpl->nruns == 1)
		unpack_digits(packed, tmpl->ndigits, value + tmpl->runs[0].start);
	else
	{
		char		room[LEDGER_TEMPLATE_MAX];

		unpack_digits(packed, tmpl->ndigits, room);
		scatter_digits(tmpl, room, value);
	}
}

/* The digits of a value as a number; only for a decimal template. */
uint64
ledger_template_number(const LedgerTemplate *tmpl, const char *value)
{
	char		room[LEDGER_TEMPLATE_MAX];
	const char *digits = gather_digits(tmpl, value, room);
	uint64		number = 0;

	for (int i = 0; i < tmpl->ndigits; i++)
		number = number * 10 + (digits[i] - '0');
	return number;
}

/* The reverse; false if the number has too many digits. */
bool
ledger_template_format(const LedgerTemplate *tmpl, uint64 number, char *value)
{
	char		digits[DECIMAL_DIGITS_MAX];
	int			i = tmpl->ndigits;

	for (; i >= 2; i -= 2, number /= 100)
	{
		int			two = number % 100;

		digits[i - 1] = '0' + two % 10;
		digits[i - 2] = '0' + two / 10;
	}
	if (i == 1)
	{
		digits[0] = '0' + number % 10;
		number /= 10;
	}
	if (number != 0)
		return false;
	memcpy(value, tmpl->bytes, tmpl->len);
	scatter_digits(tmpl, digits, value);
	return true;
}
