/*-------------------------------------------------------------------------
 *
 * bitpack_read.c
 *	  Vectors of integers: opening and decoding one.  See bitpack.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/bitpack.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

/* A vector in another's runs, which must not have runs itself. */
static const uint8 *
open_nested(LedgerIntegers *ints, int n, const uint8 *p, const uint8 *end)
{
	/* looked at before it is opened: what is nested deep must not be followed */
	if (p == end || (*p & FLAG_RUNS))
		return NULL;
	return ledger_integers_open(ints, n, p, end);
}

static const uint8 *
open_runs(LedgerIntegers *ints, int n, const uint8 *p, const uint8 *end)
{
	uint64		runs;
	uint64		length;
	LedgerIntegers nested;

	p = ledger_get_varint(p, end, &runs);
	if (p)
		p = ledger_get_varint(p, end, &length);
	if (p == NULL || runs == 0 || runs > (uint64) n || length > (uint64) (end - p))
		return NULL;
	ints->nruns = (int) runs;
	ints->bits = p;
	ints->lengths = p + length;
	if (open_nested(&nested, ints->nruns, p, ints->lengths) != ints->lengths)
		return NULL;
	ints->end = open_nested(&nested, ints->nruns, ints->lengths, end);
	return ints->end;
}

static const uint8 *
open_coded(LedgerIntegers *ints, const uint8 *p, const uint8 *end)
{
	uint64		last;
	uint64		length;

	p = ledger_get_varint(p, end, &last);
	if (p)
		p = ledger_get_varint(p, end, &length);
	if (p == NULL || last >= CODED_SYMBOLS || length > (uint64) (end - p))
		return NULL;
	ints->nsymbols = (int) last + 1;
	ints->bits = p;
	ints->end = p + length;
	return ints->end;
}

static const uint8 *
open_packed(LedgerIntegers *ints, int n, bool patched, const uint8 *p, const uint8 *end)
{
	Size		size = packed_size(n, ints->width);

	if (patched)
	{
		uint64		last;

		p = ledger_get_varint(p, end, &last);
		if (p == NULL || p == end || last >= (uint64) n)
			return NULL;
		ints->nexceptions = (int) last + 1;
		ints->high_width = *p++;
		if (ints->high_width == 0 || ints->high_width + ints->width > 64)
			return NULL;
	}
	ints->bits = p;
	ints->places = p + size;
	size += packed_size(ints->nexceptions, PLACE_BITS);
	ints->highs = p + size;
	size += packed_size(ints->nexceptions, ints->high_width);
	if ((Size) (end - p) < size)
		return NULL;
	return p + size;
}

/*
 * Understand what ledger_integers_write made of n values; returns what follows
 * it, or NULL if this is no such thing.  At least LEDGER_SLACK bytes after
 * "end" must be readable, whenever values are read.
 */
const uint8 *
ledger_integers_open(LedgerIntegers *ints, int n, const uint8 *p, const uint8 *end)
{
	uint8		flags;
	uint64		number;

	memset(ints, 0, sizeof(*ints));
	if (end - p < 2)
		return NULL;
	flags = *p++;
	ints->n = n;
	ints->order = flags & FLAG_ORDER;
	if ((flags & ~FLAG_ALL) != 0 || ints->order > Min(n, 2))
		return NULL;
	if (flags & FLAG_RUNS)
		return flags == FLAG_RUNS ? open_runs(ints, n, p, end) : NULL;
	if (!(flags & (FLAG_CODED | FLAG_CONSTANT)))
		ints->width = *p++;
	if (ints->width > 64)
		return NULL;
	for (int i = 0; i <= ints->order; i++)
	{
		p = ledger_get_varint(p, end, &number);
		if (p == NULL)
			return NULL;
		if (i < ints->order)
			ints->start[i] = ledger_unzigzag(number);
		else
			ints->base = ledger_unzigzag(number);
	}
	ints->scale = 1;
	if (flags & FLAG_SCALED)
		p = ledger_get_varint(p, end, &ints->scale);
	if (p == NULL)
		return NULL;
	if (flags & FLAG_CODED)
		return open_coded(ints, p, end);
	return open_packed(ints, n - ints->order, (flags & FLAG_PATCHED) != 0, p, end);
}

/* At least "width" bits from a position on; what is above these is anything. */
static inline uint64
word_at(const uint8 *bits, uint64 position, int width)
{
	const uint8 *p = bits + (position >> 3);
	int			shift = position & 7;
	uint64		word;

	memcpy(&word, p, sizeof(word));
	word = LITTLE_ENDIAN_64(word) >> shift;
	if (shift + width > 64)
		word |= (uint64) p[8] << (64 - shift);
	return word;
}

static inline uint64
get_packed(const uint8 *bits, int width, uint64 i)
{
	return word_at(bits, i * width, width) & low_bits(width);
}

/* Widest numbers of which a word has all bits, whatever bit of a byte they start at. */
#define WORD_WIDTH	57

/*
 * Groups of eight numbers from one that starts a byte on: these take "width"
 * bytes, and where each is in its group is always the same.
 */
static void
unpack_groups(const uint8 *bits, int width, int ngroups, uint64 base, uint64 scale,
			  uint64 *numbers)
{
	uint64		mask = low_bits(width);
	int			offsets[8];
	int			shifts[8];

	for (int k = 0; k < 8; k++)
	{
		offsets[k] = k * width / 8;
		shifts[k] = k * width % 8;
	}
	for (int g = 0; g < ngroups; g++, bits += width, numbers += 8)
	{
		for (int k = 0; k < 8; k++)
		{
			uint64		word;

			memcpy(&word, bits + offsets[k], sizeof(word));
			numbers[k] = base + scale * ((LITTLE_ENDIAN_64(word) >> shifts[k]) & mask);
		}
	}
}

/* Numbers first .. first + count - 1 as packed, times scale, plus base. */
static inline void
unpack(const LedgerIntegers *ints, int first, int count, uint64 *numbers)
{
	int			width = ints->width;
	uint64		mask = low_bits(width);
	uint64		base = ints->base;
	uint64		scale = ints->scale;
	uint64		position = (uint64) first * width;
	int			i = 0;

	if (width == 0)
	{
		for (; i < count; i++)
			numbers[i] = base;
		return;
	}
	if (width <= WORD_WIDTH && first % 8 == 0)
	{
		i = count - count % 8;
		unpack_groups(ints->bits + position / 8, width, i / 8, base, scale, numbers);
		position += (uint64) i * width;
	}
	for (; i < count; i++, position += width)
		numbers[i] = base + scale * (word_at(ints->bits, position, width) & mask);
}

/* Give the exceptions among numbers first .. first + count - 1 the rest. */
static void
patch(const LedgerIntegers *ints, int first, int count, uint64 *numbers)
{
	for (int i = 0; i < ints->nexceptions; i++)
	{
		int			place = (int) get_packed(ints->places, PLACE_BITS, i);

		if (place >= first && place < first + count)
			numbers[place - first] += ints->scale *
				(get_packed(ints->highs, ints->high_width, i) << ints->width);
	}
}

/* A gamma code, or 0 if there is none; *position is in bits. */
static inline uint32
get_gamma(const uint8 *bits, Size nbits, Size *position)
{
	uint64		word;
	int			extra;

	if (*position >= nbits)
		return 0;
	memcpy(&word, bits + *position / 8, sizeof(word));
	word = LITTLE_ENDIAN_64(word) >> (*position % 8);
	if (word == 0)
		return 0;
	extra = pg_rightmost_one_pos64(word);
	if (extra > CODED_BITS || *position + 1 + 2 * extra > nbits)
		return 0;
	*position += 1 + 2 * extra;
	return (uint32) ((word >> (extra + 1)) & ((1u << extra) - 1)) | (1u << extra);
}

typedef struct CodedSymbol
{
	uint16		symbol;
	uint16		freq;
	uint16		offset;			/* of the slot among the symbol's */
} CodedSymbol;

/* Fill in what each slot means; returns where the codes start, or NULL. */
static const uint8 *
read_table(const LedgerIntegers *ints, CodedSymbol *slots)
{
	Size		nbits = (Size) (ints->end - ints->bits) * 8;
	Size		position = 0;
	int			sum = 0;

	for (int s = 0; s < ints->nsymbols; s++)
	{
		uint32		freq = get_gamma(ints->bits, nbits, &position);

		if (freq == 0 || sum + (int) freq - 1 > CODED_TOTAL)
			return NULL;
		freq--;
		for (uint32 i = 0; i < freq; i++)
		{
			slots[sum + i].symbol = s;
			slots[sum + i].freq = freq;
			slots[sum + i].offset = i;
		}
		sum += freq;
	}
	return sum == CODED_TOTAL ? ints->bits + (position + 7) / 8 : NULL;
}

/*
 * Where to begin so as to come to a number: its stretch's first one is returned.
 * "p" is where the points are.
 */
static int
find_point(const LedgerIntegers *ints, int number, const uint8 **p, uint32 *state)
{
	const uint8 *points = *p;
	const uint8 *end = ints->end;
	Size		size = CODED_POINTS(ints->n - ints->order) * CODED_POINT_SIZE;
	int			stretch = number / CODED_STRETCH;
	uint16		before;

	*state = 0;
	*p = (Size) (end - points) < size ? end : points + size;
	if (stretch == 0 || *p == end)
	{
		for (int i = 0; i < 4 && *p < end; i++)
			*state = *state << 8 | *(*p)++;
		return 0;
	}
	points += (stretch - 1) * CODED_POINT_SIZE;
	memcpy(&before, points, sizeof(before));
	memcpy(state, points + sizeof(before), sizeof(*state));
	*p += Min((Size) before, (Size) (end - *p));
	return stretch * CODED_STRETCH;
}

/*
 * Decode numbers "first" to first + count - 1, or their symbols.  Damage gives
 * wrong numbers, but no more: who reads numbers has to check what they stand for.
 */
static inline void
decode_coded(const LedgerIntegers *ints, int first, int count, bool as_symbols, void *result)
{
	CodedSymbol slots[CODED_TOTAL];
	const uint8 *p = read_table(ints, slots);
	const uint8 *end = ints->end;
	uint16	   *symbols = result;
	uint64	   *numbers = result;
	uint32		state;
	int			i;

	if (p == NULL)
	{
		memset(result, 0, count * (as_symbols ? sizeof(uint16) : sizeof(uint64)));
		return;
	}
	for (i = find_point(ints, first, &p, &state) - first; i < count; i++)
	{
		const CodedSymbol *slot = &slots[state & (CODED_TOTAL - 1)];

		if (i >= 0 && as_symbols)
			symbols[i] = slot->symbol;
		else if (i >= 0)
			numbers[i] = ints->base + ints->scale * slot->symbol;
		state = slot->freq * (state >> CODED_BITS) + slot->offset;
		while (state < CODED_LOW && p < end)
			state = state << 8 | *p++;
	}
}

static void
read_coded(const LedgerIntegers *ints, int first, int count, uint64 *numbers)
{
	decode_coded(ints, first, count, false, numbers);
}

/*
 * Numbers of an open vector as uint16; false if it does not keep them as symbols,
 * or one might be "limit" or more.
 */
bool
ledger_integers_symbols(const LedgerIntegers *ints, uint32 limit, int first, int count,
						uint16 *symbols)
{
	if (ints->nsymbols == 0 || ints->order != 0 || ints->base != 0 || ints->scale != 1 ||
		(uint32) ints->nsymbols > limit)
		return false;
	decode_coded(ints, first, count, true, symbols);
	return true;
}

/* The symbols of all numbers, as they are kept; NULL if they are not. */
static const uint16 *
keep_symbols(const LedgerIntegers *ints)
{
	int			n = ints->n - ints->order;

	if (ints->kept == NULL)
		return NULL;
	if (*ints->kept == NULL &&
		MemoryContextMemAllocated(ints->keep_in, false) <= LEDGER_KEPT_MAX)
	{
		uint16	   *symbols = MemoryContextAlloc(ints->keep_in, n * sizeof(uint16));

		decode_coded(ints, 0, n, true, symbols);
		*ints->kept = symbols;
	}
	return *ints->kept;
}

static void
read_runs(const LedgerIntegers *ints, int first, int count, uint64 *values)
{
	uint64		run_values[LEDGER_VECTOR_ROWS];
	uint64		run_lengths[LEDGER_VECTOR_ROWS];
	LedgerIntegers nested;
	int			run = 0;
	uint64		left;

	run_lengths[0] = 0;			/* the compiler does not see that there is a run */
	ledger_integers_open(&nested, ints->nruns, ints->bits, ints->lengths);
	ledger_integers_read(&nested, 0, ints->nruns, run_values);
	ledger_integers_open(&nested, ints->nruns, ints->lengths, ints->end);
	ledger_integers_read(&nested, 0, ints->nruns, run_lengths);
	while (run < ints->nruns - 1 && run_lengths[run] < (uint64) first)
		first -= (int) run_lengths[run++] + 1;
	left = run_lengths[run] - first;
	for (int i = 0; i < count; i++)
	{
		values[i] = run_values[run];
		if (left-- == 0 && run < ints->nruns - 1)
			left = run_lengths[++run];
	}
}

/* Numbers first .. first + count - 1, without what differences make of them. */
static void
read_numbers(const LedgerIntegers *ints, int first, int count, uint64 *numbers)
{
	if (ints->nsymbols > 0)
	{
		const uint16 *symbols = keep_symbols(ints);

		if (symbols != NULL)
		{
			for (int i = 0; i < count; i++)
				numbers[i] = ints->base + ints->scale * symbols[first + i];
		}
		else
			read_coded(ints, first, count, numbers);
		return;
	}
	unpack(ints, first, count, numbers);
	if (ints->nexceptions > 0)
		patch(ints, first, count, numbers);
}

/*
 * Values that are stored as differences, or as differences of these.  All before
 * them are summed up; who asks for a few here and there, in order, goes on from
 * where the last call ended.
 */
static void
read_sums(LedgerIntegers *ints, int first, int count, uint64 *values)
{
	uint64		differences[LEDGER_VECTOR_ROWS];
	int			order = ints->order;
	int			end = first + count;
	int			next = ints->next;
	uint64		value = ints->reached[0];
	uint64		step = ints->reached[1];
	uint64	   *difference = differences;

	if (next < order || next > first)
	{
		value = ints->start[0];
		step = ints->start[1];
		if (first == 0)
			values[0] = value;
		if (order == 2 && end > 1)
		{
			value += step;
			if (first <= 1)
				values[1 - first] = value;
		}
		next = order;
		if (end <= next)
			return;
	}
	read_numbers(ints, next - order, end - next, differences);
	if (order == 2)
		for (int i = 0; i < end - next; i++)
			differences[i] = step += differences[i];
	for (; next < first; next++)
		value += *difference++;
	for (; next < end; next++)
		values[next - first] = value += *difference++;
	ints->next = end;
	ints->reached[0] = value;
	ints->reached[1] = step;
}

/* Decode values first .. first + count - 1. */
void
ledger_integers_read(LedgerIntegers *ints, int first, int count, uint64 *values)
{
	Assert(first >= 0 && count >= 0 && first + count <= ints->n);
	if (count == 0)
		return;
	if (ints->nruns > 0)
		read_runs(ints, first, count, values);
	else if (ints->order > 0)
		read_sums(ints, first, count, values);
	else
		read_numbers(ints, first, count, values);
}

/*
 * Decode what ledger_numbers_write appended; returns what follows, or NULL if
 * it is malformed.  LEDGER_SLACK bytes can be read at "end".
 */
const uint8 *
ledger_numbers_read(const uint8 *p, const uint8 *end, int n, uint64 *values)
{
	for (int first = 0; first < n && p != NULL; first += LEDGER_VECTOR_ROWS)
	{
		int			count = Min(n - first, LEDGER_VECTOR_ROWS);
		LedgerIntegers ints;

		p = ledger_integers_open(&ints, count, p, end);
		if (p != NULL)
			ledger_integers_read(&ints, 0, count, values + first);
	}
	return p;
}
