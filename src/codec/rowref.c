/*-------------------------------------------------------------------------
 *
 * rowref.c
 *	  Values that contain the values of earlier columns of their row.
 *
 * A log entry's jsonb repeats ids that have columns of their own.  Each such
 * occurrence becomes two bytes before LZ4 sees the value: the escape byte and
 * the number of the reference, from 1 on.  The escape byte itself becomes the
 * escape byte and 0.  A value that begins with the escape byte and
 * LEDGER_ROWREF_VERBATIM is stored as it is after these two.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/codec_internal.h"

/* Earlier columns looked at, and rows of the first and second look. */
#define CANDIDATES_MAX		32
#define FIRST_LOOK_ROWS		16
#define SECOND_LOOK_ROWS	256

/* Bytes that a reference must save in a row, on average, to be used. */
#define SAVING_MIN			4

#define GRAM				4
#define SHORT_STEP			8
#define GRAM_SLOTS			2048

/*
 * The four-byte substrings of the current row's references, by hash.  A slot
 * whose "row" is not the current one is empty.
 */
typedef struct GramSlot
{
	uint32		row;			/* plus 1 */
	uint16		reference;
	uint16		offset;			/* of the substring in the reference */
} GramSlot;

struct LedgerRowrefFinder
{
	const LedgerColumnInput *columns;
	LedgerRowref rowref;
	GramSlot	slots[GRAM_SLOTS];
	char		room[LEDGER_ROWREF_VALUE_MAX + 2];
	char	   *verbatim;		/* for a larger value, kept for the next */
};

static inline uint32
gram_at(const char *p)
{
	uint32		gram;

	memcpy(&gram, p, sizeof(gram));
	return gram;
}

static inline uint32
gram_slot(uint32 gram)
{
	return (gram * 2654435761u) >> 21;
}

StaticAssertDecl(GRAM_SLOTS == 1 << 11, "gram_slot keeps 11 bits");

/* A row's value of a column as a reference; empty if it cannot serve. */
static LedgerBytes
reference_value(const LedgerColumnInput *column, int row)
{
	LedgerBytes value = {NULL, 0};

	if (!column->isnull[row])
	{
		value = ledger_datum_bytes(&column->type, column->values[row]);
		if (value.len < LEDGER_ROWREF_MIN || value.len > LEDGER_ROWREF_MAX)
			value.len = 0;
	}
	return value;
}

static Size
count_occurrences(LedgerBytes value, LedgerBytes reference)
{
	Size		n = 0;
	const char *p = value.data;
	const char *end = p + value.len;

	while (end - p >= (ptrdiff_t) reference.len)
	{
		p = memchr(p, reference.data[0], end - p - reference.len + 1);
		if (p == NULL)
			break;
		if (memcmp(p, reference.data, reference.len) == 0)
		{
			n++;
			p += reference.len;
		}
		else
			p++;
	}
	return n;
}

/* Bytes that referring to "candidate" would save in about "looks" rows. */
static uint64
count_savings(const LedgerColumnInput *columns, int self, int candidate, int looks)
{
	const LedgerColumnInput *input = &columns[self];
	int			step = Max(input->nrows / looks, 1);
	uint64		saved = 0;

	for (int row = step / 2; row < input->nrows; row += step)
	{
		LedgerBytes value;
		LedgerBytes reference = reference_value(&columns[candidate], row);

		if (input->isnull[row] || reference.len == 0)
			continue;
		value = ledger_datum_bytes(&input->type, input->values[row]);
		value.len = Min(value.len, 4096);
		saved += count_occurrences(value, reference) * (reference.len - 2);
	}
	return saved;
}

static uint8
rarest_byte(const LedgerColumnInput *input)
{
	uint32		counts[256] = {0};
	int			step = Max(input->nrows / SECOND_LOOK_ROWS, 1);
	int			rarest = 255;

	for (int row = 0; row < input->nrows; row += step)
	{
		LedgerBytes value;

		if (input->isnull[row])
			continue;
		value = ledger_datum_bytes(&input->type, input->values[row]);
		for (Size i = 0; i < Min(value.len, 4096); i++)
			counts[(uint8) value.data[i]]++;
	}
	for (int c = 254; c >= 0; c--)
	{
		if (counts[c] < counts[rarest])
			rarest = c;
	}
	return rarest;
}

/*
 * Find out from a sample which earlier columns are worth referring to; false
 * if none is.  Most columns are dismissed after a few rows.
 */
bool
ledger_rowref_learn(const LedgerColumnInput *columns, int self, LedgerRowref *rowref)
{
	int			rows = Min(columns[self].nrows, SECOND_LOOK_ROWS);
	int			oldest = Max(self - CANDIDATES_MAX, 0);

	rowref->ncolumns = 0;
	if (columns[self].type.attlen != -1)
		return false;
	for (int i = oldest; i < self && rowref->ncolumns < LEDGER_ROWREF_COLUMNS; i++)
	{
		if (columns[i].type.attlen != -1 || !OidIsValid(columns[i].type.typid))
			continue;
		if (count_savings(columns, self, i, FIRST_LOOK_ROWS) == 0)
			continue;
		if (count_savings(columns, self, i, SECOND_LOOK_ROWS) >= (uint64) rows * SAVING_MIN)
			rowref->columns[rowref->ncolumns++] = i;
	}
	if (rowref->ncolumns == 0)
		return false;
	rowref->escape = rarest_byte(&columns[self]);
	return true;
}

LedgerRowrefFinder *
ledger_rowref_finder(const LedgerColumnInput *columns, const LedgerRowref *rowref)
{
	LedgerRowrefFinder *finder = palloc0(sizeof(LedgerRowrefFinder));

	finder->columns = columns;
	finder->rowref = *rowref;
	return finder;
}

/* Get the row's references; returns the length of the shortest, or 0. */
static Size
get_references(const LedgerRowrefFinder *finder, int row, LedgerBytes *references)
{
	Size		shortest = 0;

	for (int k = 0; k < finder->rowref.ncolumns; k++)
	{
		references[k] = reference_value(&finder->columns[finder->rowref.columns[k]], row);
		if (references[k].len > 0 && (shortest == 0 || references[k].len < shortest))
			shortest = references[k].len;
	}
	return shortest;
}

/* Enter each reference's first "ngrams" substrings into the slots. */
static void
enter_references(LedgerRowrefFinder *finder, int row, const LedgerBytes *references,
				 int ngrams)
{
	for (int k = 0; k < finder->rowref.ncolumns; k++)
	{
		if (references[k].len == 0)
			continue;
		Assert(references[k].len >= ngrams + GRAM - 1);
		for (int i = 0; i < ngrams; i++)
		{
			GramSlot   *slot = &finder->slots[gram_slot(gram_at(references[k].data + i))];

			slot->row = row + 1;
			slot->reference = k;
			slot->offset = i;
		}
	}
}

/* Copy bytes, doubling the escape byte's meaning; NULL if dst gets full. */
static char *
copy_escaped(char *dst, const char *dst_end, const char *src, Size len, uint8 escape)
{
	while (len > 0)
	{
		const char *found = memchr(src, escape, len);
		Size		plain = found ? (Size) (found - src) : len;

		if ((Size) (dst_end - dst) < plain + 2)
			return NULL;
		memcpy(dst, src, plain);
		dst += plain;
		src += plain;
		len -= plain;
		if (found)
		{
			*dst++ = escape;
			*dst++ = 0;
			src++;
			len--;
		}
	}
	return dst;
}

/*
 * The start of the occurrence of a reference that covers p, not before
 * "from", and which one it is; or NULL.
 */
static inline const char *
match_at(const LedgerRowrefFinder *finder, int row, const LedgerBytes *references,
		 const char *p, const char *from, const char *end, int *reference)
{
	const GramSlot *slot = &finder->slots[gram_slot(gram_at(p))];
	const LedgerBytes *ref;

	if (slot->row != (uint32) row + 1)
		return NULL;
	ref = &references[slot->reference];
	if (p - from < slot->offset || (Size) (end - (p - slot->offset)) < ref->len)
		return NULL;
	p -= slot->offset;
	if (memcmp(p, ref->data, ref->len) != 0)
		return NULL;
	*reference = slot->reference;
	return p;
}

/*
 * The whole value as it is, after its mark.  The copy of a huge value is what
 * the caller avoids by asking ledger_rowref_apply for small values only.
 */
static LedgerBytes
verbatim(LedgerRowrefFinder *finder, LedgerBytes value)
{
	LedgerBytes stored;

	finder->verbatim = finder->verbatim ? repalloc(finder->verbatim, value.len + 2) :
		palloc(value.len + 2);
	finder->verbatim[0] = finder->rowref.escape;
	finder->verbatim[1] = (char) LEDGER_ROWREF_VERBATIM;
	memcpy(finder->verbatim + 2, value.data, value.len);
	stored.data = finder->verbatim;
	stored.len = value.len + 2;
	return stored;
}

/*
 * The value of a row, at most LEDGER_ROWREF_VALUE_MAX bytes, as it is stored.
 * The result is good until the next call.
 *
 * With every "step"th position looked up, an occurrence's first "step"
 * substrings have one among them; twice as many make up for references whose
 * substrings share a slot.  Short values have short steps, as it takes as long
 * to enter a substring as to look one up.
 */
LedgerBytes
ledger_rowref_apply(LedgerRowrefFinder *finder, int row, LedgerBytes value)
{
	LedgerBytes references[LEDGER_ROWREF_COLUMNS];
	Size		shortest = get_references(finder, row, references);
	const char *end = value.data + value.len;
	const char *from = value.data;	/* copied up to here */
	char	   *dst = finder->room;
	char	   *dst_end = finder->room + sizeof(finder->room);
	uint8		escape = finder->rowref.escape;
	LedgerBytes stored;

	Assert(value.len <= LEDGER_ROWREF_VALUE_MAX);
	if (shortest > 0)
	{
		Size		step = Min((shortest - GRAM + 1) / 2, Max(value.len / 64, SHORT_STEP));
		const char *p = from;

		enter_references(finder, row, references, 2 * step);

		while (end - p >= GRAM)
		{
			int			k;
			const char *match = match_at(finder, row, references, p, from, end, &k);

			if (match == NULL)
			{
				p += step;
				continue;
			}
			dst = copy_escaped(dst, dst_end, from, match - from, escape);
			if (dst == NULL || dst_end - dst < 2)
				return verbatim(finder, value);
			*dst++ = escape;
			*dst++ = k + 1;
			p = from = match + references[k].len;
		}
	}
	dst = copy_escaped(dst, dst_end, from, end - from, escape);
	if (dst == NULL)
		return verbatim(finder, value);
	stored.data = finder->room;
	stored.len = dst - finder->room;
	return stored;
}

/* Does what ledger_rowref_apply has made of a row's value lead back to it? */
bool
ledger_rowref_check(const LedgerRowrefFinder *finder, int row, LedgerBytes stored,
					LedgerBytes value)
{
	LedgerBytes references[LEDGER_ROWREF_COLUMNS];

	(void) get_references(finder, row, references);
	return ledger_rowref_matches(&finder->rowref, references, stored, value);
}

/*
 * The length of the value that is stored so, or -1 if nothing is.
 */
int64
ledger_rowref_length(const LedgerRowref *rowref, const LedgerBytes *references,
					 LedgerBytes stored)
{
	const char *p = stored.data;
	const char *end = p + stored.len;
	int64		len = stored.len;

	if (stored.len >= 2 && (uint8) p[0] == rowref->escape &&
		(uint8) p[1] == LEDGER_ROWREF_VERBATIM)
		return len - 2;
	while (p < end && (p = memchr(p, rowref->escape, end - p)) != NULL)
	{
		int			k;

		if (end - p < 2)
			return -1;
		k = (uint8) p[1];
		if (k > rowref->ncolumns || (k > 0 && references[k - 1].data == NULL))
			return -1;
		len += k == 0 ? -1 : (int64) references[k - 1].len - 2;
		p += 2;
	}
	return len <= LEDGER_ROWREF_VALUE_MAX ? len : -1;
}

/* Write the value to dst, which has room for ledger_rowref_length bytes. */
void
ledger_rowref_expand(const LedgerRowref *rowref, const LedgerBytes *references,
					 LedgerBytes stored, char *dst)
{
	const char *p = stored.data;
	const char *end = p + stored.len;

	if (stored.len >= 2 && (uint8) p[0] == rowref->escape &&
		(uint8) p[1] == LEDGER_ROWREF_VERBATIM)
	{
		memcpy(dst, p + 2, stored.len - 2);
		return;
	}
	while (p < end)
	{
		const char *found = memchr(p, rowref->escape, end - p);
		Size		plain = (found ? found : end) - p;
		int			k;

		memcpy(dst, p, plain);
		if (!found)
			break;
		dst += plain;
		p = found + 2;
		k = (uint8) found[1];
		if (k == 0)
			*dst++ = (char) rowref->escape;
		else
		{
			memcpy(dst, references[k - 1].data, references[k - 1].len);
			dst += references[k - 1].len;
		}
	}
}

/* Is this what ledger_rowref_expand would write? */
bool
ledger_rowref_matches(const LedgerRowref *rowref, const LedgerBytes *references,
					  LedgerBytes stored, LedgerBytes value)
{
	const char *p = stored.data;
	const char *end = p + stored.len;
	const char *v = value.data;
	const char *v_end = v + value.len;

	if (stored.len >= 2 && (uint8) p[0] == rowref->escape &&
		(uint8) p[1] == LEDGER_ROWREF_VERBATIM)
		return stored.len - 2 == value.len && memcmp(p + 2, v, value.len) == 0;
	while (p < end)
	{
		const char *found = memchr(p, rowref->escape, end - p);
		LedgerBytes piece = {p, (found ? found : end) - p};

		if ((Size) (v_end - v) < piece.len || memcmp(v, piece.data, piece.len) != 0)
			return false;
		v += piece.len;
		if (!found)
			break;
		if (end - found < 2 || (uint8) found[1] > rowref->ncolumns)
			return false;
		if (found[1] == 0)
		{
			piece.data = found;
			piece.len = 1;
		}
		else
			piece = references[(uint8) found[1] - 1];
		if (piece.data == NULL || (Size) (v_end - v) < piece.len ||
			memcmp(v, piece.data, piece.len) != 0)
			return false;
		v += piece.len;
		p = found + 2;
	}
	return v == v_end;
}
