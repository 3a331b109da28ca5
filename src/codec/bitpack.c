/*-------------------------------------------------------------------------
 *
 * bitpack.c
 *	  Vectors of integers: frame of reference or differences, bit-packed.
 *
 * Bytes of a packed vector:
 *
 *		0	1	flags: 1 differences, 2 scaled
 *		1	1	width in bits, 0 to 64
 *		2	8	base
 *			8	start, if differences
 *			8	scale, if scaled
 *			..	n numbers of "width" bits, low bits first
 *
 * Value i is base + scale * number i.  With differences that is value i + 1
 * less value i, "start" is value 0, and there are n - 1 numbers.  All
 * arithmetic wraps around at 2^64, so it is lossless for any bit pattern.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/codec_internal.h"
#include "port/pg_bitutils.h"
#include "port/pg_bswap.h"

#define FLAG_DELTA		1
#define FLAG_SCALED		2
#define FLAG_ALL		3

#ifdef WORDS_BIGENDIAN
#define LITTLE_ENDIAN_64(x) pg_bswap64(x)
#else
#define LITTLE_ENDIAN_64(x) (x)
#endif

/* How a series of numbers would be packed. */
typedef struct Frame
{
	uint64		base;
	uint64		scale;
	int			width;
} Frame;

static uint64
greatest_common_divisor(uint64 a, uint64 b)
{
	while (b != 0)
	{
		uint64		rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/*
 * Find base, scale and width.  The scale is what makes timestamps of whole
 * seconds or milliseconds small; in other data the first few numbers show
 * that there is none.
 */
static void
frame_measure(const uint64 *numbers, int n, Frame *frame)
{
	int64		least = 0;
	int64		greatest = 0;
	uint64		range;
	uint64		scale = 0;

	if (n > 0)
		least = greatest = (int64) numbers[0];
	for (int i = 1; i < n; i++)
	{
		int64		number = (int64) numbers[i];

		least = Min(least, number);
		greatest = Max(greatest, number);
	}
	range = (uint64) greatest - (uint64) least;
	for (int i = 0; i < n && scale != 1; i++)
	{
		uint64		distance = numbers[i] - (uint64) least;

		/* the division is slow, and most numbers change nothing */
		if (scale == 0 || (distance != scale && distance % scale != 0))
			scale = greatest_common_divisor(distance, scale);
	}
	frame->base = (uint64) least;
	frame->scale = scale == 0 ? 1 : scale;
	range /= frame->scale;
	frame->width = range == 0 ? 0 : pg_leftmost_one_pos64(range) + 1;
}

static Size
frame_size(const Frame *frame, int n)
{
	return 2 + sizeof(uint64) + (frame->scale != 1 ? sizeof(uint64) : 0) +
		((uint64) n * frame->width + 7) / 8;
}

static void
pack(const uint64 *numbers, int n, const Frame *frame, StringInfo out)
{
	Size		size = ((uint64) n * frame->width + 7) / 8;
	int			width = frame->width;
	uint64		word = 0;
	int			used = 0;
	char	   *dst;

	if (width == 0)
		return;
	enlargeStringInfo(out, size + sizeof(uint64));
	dst = out->data + out->len;
	for (int i = 0; i < n; i++)
	{
		uint64		number = numbers[i] - frame->base;

		if (frame->scale != 1)
			number /= frame->scale;
		word |= number << used;
		used += width;
		if (used >= 64)
		{
			uint64		full = LITTLE_ENDIAN_64(word);

			memcpy(dst, &full, sizeof(full));
			dst += sizeof(full);
			used -= 64;
			word = used == 0 ? 0 : number >> (width - used);
		}
	}
	word = LITTLE_ENDIAN_64(word);
	memcpy(dst, &word, sizeof(word));
	out->len += size;
	out->data[out->len] = '\0';
}

/*
 * Choose the smaller of the two ways: true for differences, which are left in
 * "deltas".
 */
static bool
choose_frame(const uint64 *values, int n, uint64 *deltas, Frame *frame)
{
	Frame		delta;

	Assert(n <= LEDGER_VECTOR_ROWS);
	frame_measure(values, n, frame);
	for (int i = 1; i < n; i++)
		deltas[i - 1] = values[i] - values[i - 1];
	frame_measure(deltas, Max(n - 1, 0), &delta);
	if (n <= 1 || frame_size(&delta, n - 1) + sizeof(uint64) >= frame_size(frame, n))
		return false;
	*frame = delta;
	return true;
}

/* Bytes that ledger_integers_write would append. */
Size
ledger_integers_size(const uint64 *values, int n)
{
	uint64		deltas[LEDGER_VECTOR_ROWS];
	Frame		frame;

	if (choose_frame(values, n, deltas, &frame))
		return frame_size(&frame, n - 1) + sizeof(uint64);
	return frame_size(&frame, n);
}

/*
 * Append "n" packed values to "out", in the smaller of the two ways.
 */
void
ledger_integers_write(const uint64 *values, int n, StringInfo out)
{
	uint64		deltas[LEDGER_VECTOR_ROWS];
	Frame		chosen;
	const Frame *frame = &chosen;
	bool		use_delta = choose_frame(values, n, deltas, &chosen);
	uint8		head[2];

	head[0] = (use_delta ? FLAG_DELTA : 0) | (frame->scale != 1 ? FLAG_SCALED : 0);
	head[1] = frame->width;
	appendBinaryStringInfo(out, (char *) head, sizeof(head));
	appendBinaryStringInfo(out, (const char *) &frame->base, sizeof(uint64));
	if (use_delta)
		appendBinaryStringInfo(out, (const char *) &values[0], sizeof(uint64));
	if (frame->scale != 1)
		appendBinaryStringInfo(out, (const char *) &frame->scale, sizeof(uint64));
	if (use_delta)
		pack(deltas, n - 1, frame, out);
	else
		pack(values, n, frame, out);
}

/*
 * Understand what ledger_integers_write made of n values; returns what follows
 * it, or NULL if this is no such thing.  At least LEDGER_SLACK bytes after
 * "end" must be readable.
 */
const uint8 *
ledger_integers_open(LedgerIntegers *ints, int n, const uint8 *p, const uint8 *end)
{
	Size		size;
	uint8		flags;

	if (end - p < 2 + (int) sizeof(uint64))
		return NULL;
	flags = p[0];
	ints->n = n;
	ints->delta = (flags & FLAG_DELTA) != 0;
	ints->width = p[1];
	if ((flags & ~FLAG_ALL) != 0 || ints->width > 64 || (ints->delta && n < 1))
		return NULL;
	memcpy(&ints->base, p + 2, sizeof(uint64));
	p += 2 + sizeof(uint64);
	ints->start = 0;
	ints->scale = 1;
	size = (ints->delta ? sizeof(uint64) : 0) + ((flags & FLAG_SCALED) ? sizeof(uint64) : 0);
	size += ((uint64) (ints->delta ? n - 1 : n) * ints->width + 7) / 8;
	if ((Size) (end - p) < size)
		return NULL;
	if (ints->delta)
	{
		memcpy(&ints->start, p, sizeof(uint64));
		p += sizeof(uint64);
		size -= sizeof(uint64);
	}
	if (flags & FLAG_SCALED)
	{
		memcpy(&ints->scale, p, sizeof(uint64));
		p += sizeof(uint64);
		size -= sizeof(uint64);
	}
	ints->bits = p;
	return p + size;
}

/* Numbers first .. first + count - 1 as packed, times scale, plus base. */
static inline void
unpack(const LedgerIntegers *ints, int first, int count, uint64 *numbers)
{
	int			width = ints->width;
	uint64		mask = width == 64 ? ~UINT64CONST(0) : (UINT64CONST(1) << width) - 1;
	uint64		base = ints->base;
	uint64		scale = ints->scale;
	uint64		position = (uint64) first * width;

	for (int i = 0; i < count; i++, position += width)
	{
		const uint8 *p = ints->bits + (position >> 3);
		int			shift = position & 7;
		uint64		word;

		memcpy(&word, p, sizeof(word));
		word = LITTLE_ENDIAN_64(word) >> shift;
		if (shift + width > 64)
			word |= (uint64) p[8] << (64 - shift);
		numbers[i] = base + scale * (word & mask);
	}
}

/* Decode values first .. first + count - 1. */
void
ledger_integers_read(const LedgerIntegers *ints, int first, int count, uint64 *values)
{
	Assert(first >= 0 && count >= 0 && first + count <= ints->n);
	if (!ints->delta)
	{
		unpack(ints, first, count, values);
		return;
	}

	if (count > 0)
	{
		uint64		skipped[64];
		uint64		sum = ints->start;

		for (int done = 0; done < first;)
		{
			int			some = Min(first - done, (int) lengthof(skipped));

			unpack(ints, done, some, skipped);
			for (int i = 0; i < some; i++)
				sum += skipped[i];
			done += some;
		}
		unpack(ints, first, count - 1, values + 1);
		values[0] = sum;
		for (int i = 1; i < count; i++)
			values[i] += values[i - 1];
	}
}
