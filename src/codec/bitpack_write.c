/*-------------------------------------------------------------------------
 *
 * bitpack_write.c
 *	  Vectors of integers: the smallest way to write one.  See bitpack.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "codec/bitpack.h"
#include "port/pg_bitutils.h"

/* Numbers looked at for a better base, and from how many bits on. */
#define SAMPLE			24
#define WIDE			12

/* Fewest numbers for which an entropy code can pay. */
#define CODED_MIN		24

/* It must be smaller by this part, as it takes longer to decode. */
#define CODED_GAIN		6

/* How a series of numbers would be written. */
typedef struct Frame
{
	int			order;
	uint64		start[2];
	uint64		base;
	uint64		scale;
	int			full_width;		/* of the greatest number */
	int			width;
	int			nexceptions;
	bool		runs;
	bool		coded;
	Size		size;			/* in bytes, all in all */
} Frame;

static inline int
bits_of(uint64 number)
{
	return number == 0 ? 0 : pg_leftmost_one_pos64(number) + 1;
}

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

/* ---- planning ---- */

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
	uint64		scale = 0;

	if (n > 0)
		least = greatest = (int64) numbers[0];
	for (int i = 1; i < n; i++)
	{
		int64		number = (int64) numbers[i];

		least = Min(least, number);
		greatest = Max(greatest, number);
	}
	for (int i = 0; i < n && scale != 1; i++)
	{
		uint64		distance = numbers[i] - (uint64) least;

		/* the division is slow, and most numbers change nothing */
		if (scale == 0 || (distance != scale && distance % scale != 0))
			scale = greatest_common_divisor(distance, scale);
	}
	frame->base = (uint64) least;
	frame->scale = scale == 0 ? 1 : scale;
	frame->full_width = bits_of(((uint64) greatest - (uint64) least) / frame->scale);
}

static Size
head_size(const Frame *frame)
{
	Size		size = 2 + ledger_varint_size(ledger_zigzag(frame->base));

	for (int i = 0; i < frame->order; i++)
		size += ledger_varint_size(ledger_zigzag(frame->start[i]));
	if (frame->scale != 1)
		size += ledger_varint_size(frame->scale);
	return size;
}

/*
 * Choose the width: of the greatest number, or less, with those that need
 * more as exceptions.
 */
static void
choose_width(const uint64 *numbers, int n, Frame *frame)
{
	int			counts[65] = {0};
	int			above = 0;
	Size		head = head_size(frame);

	frame->width = frame->full_width;
	frame->nexceptions = 0;
	frame->size = head + packed_size(n, frame->width);
	if (frame->full_width == 0)
		frame->size--;
	if (frame->full_width < 2 || n < 8)
		return;
	if (frame->scale == 1)
		for (int i = 0; i < n; i++)
			counts[bits_of(numbers[i] - frame->base)]++;
	else
		for (int i = 0; i < n; i++)
			counts[bits_of((numbers[i] - frame->base) / frame->scale)]++;
	for (int width = frame->full_width - 1; width >= 1; width--)
	{
		Size		size;

		above += counts[width + 1];
		if (above > n / 4)
			break;
		size = head + ledger_varint_size(above) + 1 + packed_size(n, width) +
			packed_size(above, PLACE_BITS) + packed_size(above, frame->full_width - width);
		if (size < frame->size)
		{
			frame->size = size;
			frame->width = width;
			frame->nexceptions = above;
		}
	}
}

/*
 * With outliers on the low side, too, the least number is no good base.  Take a
 * low one of a sample: what is below it wraps around to a large number, and is
 * an exception.
 */
static void
consider_middle(const uint64 *numbers, int n, Frame *frame)
{
	Frame		middle = *frame;
	int64		sample[SAMPLE];
	int			step = n / SAMPLE;

	if (n < 4 * SAMPLE || frame->full_width < WIDE)
		return;
	for (int i = 0; i < SAMPLE; i++)
	{
		int64		number = (int64) numbers[i * step];
		int			k = i;

		for (; k > 0 && sample[k - 1] > number; k--)
			sample[k] = sample[k - 1];
		sample[k] = number;
	}
	middle.base = (uint64) sample[SAMPLE / 8];
	middle.scale = 1;
	middle.full_width = 64;
	choose_width(numbers, n, &middle);
	if (middle.nexceptions > 0 && middle.size < frame->size)
		*frame = middle;
}

/* Frequencies that add up to CODED_TOTAL, none of a used symbol zero. */
static bool
scale_frequencies(const int *counts, int nsymbols, int n, uint16 *freqs)
{
	int			total = 0;
	int			most = 0;

	for (int s = 0; s < nsymbols; s++)
	{
		int			freq = (int) (((int64) counts[s] * CODED_TOTAL + n / 2) / n);

		if (counts[s] > 0 && freq == 0)
			freq = 1;
		freqs[s] = freq;
		total += freq;
		if (freq > freqs[most])
			most = s;
	}
	if (freqs[most] + CODED_TOTAL - total < 1)
		return false;
	freqs[most] += CODED_TOTAL - total;
	return true;
}

static inline int
gamma_bits(uint32 number)
{
	return 2 * pg_leftmost_one_pos32(number) + 1;
}

/* The symbols' counts; false if there are too many. */
static bool
count_symbols(const uint64 *numbers, int n, const Frame *frame, int *counts, int *nsymbols)
{
	if (frame->full_width > 9)
		return false;
	memset(counts, 0, CODED_SYMBOLS * sizeof(int));
	*nsymbols = 0;
	for (int i = 0; i < n; i++)
	{
		int			symbol = (int) ((numbers[i] - frame->base) / frame->scale);

		counts[symbol]++;
		*nsymbols = Max(*nsymbols, symbol + 1);
	}
	return true;
}

/* Would an entropy code be smaller?  The estimate is good to a few bytes. */
static void
consider_coded(const uint64 *numbers, int n, Frame *frame)
{
	int			counts[CODED_SYMBOLS];
	uint16		freqs[CODED_SYMBOLS] = {0};
	int			nsymbols;
	int			table = 0;
	float		bits = 0;
	Size		size;

	if (n < CODED_MIN || frame->full_width == 0 ||
		!count_symbols(numbers, n, frame, counts, &nsymbols) ||
		!scale_frequencies(counts, nsymbols, n, freqs))
		return;
	for (int s = 0; s < nsymbols; s++)
	{
		table += gamma_bits(freqs[s] + 1);
		if (counts[s] > 0)
			bits += counts[s] * (CODED_BITS - log2f(freqs[s]));
	}
	size = head_size(frame) - 1 + 4 + (table + 7) / 8 + CODED_POINTS(n) * CODED_POINT_SIZE +
		(Size) (bits / 8) + 5;
	if (size + size / CODED_GAIN < frame->size)
	{
		frame->coded = true;
		frame->size = size;
	}
}

static int
count_runs(const uint64 *values, int n)
{
	int			runs = n > 0;

	for (int i = 1; i < n; i++)
		runs += values[i] != values[i - 1];
	return runs;
}

static void
differences(const uint64 *values, int n, uint64 *deltas)
{
	for (int i = 1; i < n; i++)
		deltas[i - 1] = values[i] - values[i - 1];
}

/* Consider differences of one order more; true if these are better. */
static bool
consider_deltas(const uint64 *numbers, int n, uint64 *deltas, Frame *frame)
{
	Frame		delta = *frame;

	if (n < 3)
		return false;
	differences(numbers, n, deltas);
	delta.coded = false;
	delta.start[delta.order++] = numbers[0];
	frame_measure(deltas, n - 1, &delta);
	if (delta.full_width > frame->full_width + 8)
		return false;
	choose_width(deltas, n - 1, &delta);
	consider_middle(deltas, n - 1, &delta);
	consider_coded(deltas, n - 1, &delta);
	if (delta.size >= frame->size)
		return false;
	*frame = delta;
	return true;
}

static Size runs_size(const uint64 *values, int n, int runs);

/*
 * Choose the smallest of the ways.  The numbers to write, n less the order of
 * them, are left in "numbers", unless there are to be runs.
 */
static void
make_plan(const uint64 *values, int n, bool may_run, uint64 *numbers, Frame *frame)
{
	uint64		deltas[LEDGER_VECTOR_ROWS];
	int			runs = may_run ? count_runs(values, n) : n;

	Assert(n <= LEDGER_VECTOR_ROWS);
	memset(frame, 0, sizeof(*frame));
	frame_measure(values, n, frame);
	choose_width(values, n, frame);
	consider_middle(values, n, frame);
	memcpy(numbers, values, n * sizeof(uint64));
	if (frame->full_width == 0)
		return;
	consider_coded(values, n, frame);
	if (consider_deltas(values, n, deltas, frame))
	{
		memcpy(numbers, deltas, (n - 1) * sizeof(uint64));
		if (frame->full_width > 1 && consider_deltas(numbers, n - 1, deltas, frame))
			memcpy(numbers, deltas, (n - 2) * sizeof(uint64));
	}
	if (runs <= n / 4)
	{
		Size		size = runs_size(values, n, runs);

		if (size < frame->size)
		{
			frame->runs = true;
			frame->size = size;
		}
	}
}

static int
split_runs(const uint64 *values, int n, uint64 *run_values, uint64 *run_lengths)
{
	int			runs = 0;

	for (int i = 0; i < n;)
	{
		int			start = i;

		while (i < n && values[i] == values[start])
			i++;
		run_values[runs] = values[start];
		run_lengths[runs++] = i - start - 1;
	}
	return runs;
}

static Size
runs_size(const uint64 *values, int n, int runs)
{
	uint64		run_values[LEDGER_VECTOR_ROWS];
	uint64		run_lengths[LEDGER_VECTOR_ROWS];
	uint64		numbers[LEDGER_VECTOR_ROWS];
	Frame		frame;
	Size		size;

	split_runs(values, n, run_values, run_lengths);
	make_plan(run_values, runs, false, numbers, &frame);
	size = 1 + ledger_varint_size(runs) + ledger_varint_size(frame.size) + frame.size;
	make_plan(run_lengths, runs, false, numbers, &frame);
	return size + frame.size;
}

/* About the bytes that ledger_integers_write would append. */
Size
ledger_integers_size(const uint64 *values, int n)
{
	uint64		numbers[LEDGER_VECTOR_ROWS];
	Frame		frame;

	make_plan(values, n, true, numbers, &frame);
	return frame.size;
}

/* ---- writing ---- */

static void
pack(const uint64 *numbers, int n, int width, StringInfo out)
{
	Size		size = packed_size(n, width);
	uint64		mask = low_bits(width);
	uint64		word = 0;
	int			used = 0;
	char	   *dst;

	if (width == 0)
		return;
	enlargeStringInfo(out, size + sizeof(uint64));
	dst = out->data + out->len;
	for (int i = 0; i < n; i++)
	{
		uint64		number = numbers[i] & mask;

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

static void
write_exceptions(const uint64 *numbers, int n, const Frame *frame, StringInfo out)
{
	uint64		places[LEDGER_VECTOR_ROWS];
	uint64		rest[LEDGER_VECTOR_ROWS];
	int			count = 0;

	for (int i = 0; i < n; i++)
	{
		if (numbers[i] >> frame->width == 0)
			continue;
		places[count] = i;
		rest[count++] = numbers[i] >> frame->width;
	}
	Assert(count == frame->nexceptions);
	pack(places, count, PLACE_BITS, out);
	pack(rest, count, frame->full_width - frame->width, out);
}

/* As many zeros as there are bits after the first, a one, and these bits. */
static void
put_gamma(BitWriter *writer, uint32 number)
{
	int			extra = pg_leftmost_one_pos32(number);

	put_bits(writer, 0, extra);
	put_bits(writer, 1, 1);
	put_bits(writer, number & ((1u << extra) - 1), extra);
}

static void
write_table(const uint16 *freqs, int nsymbols, StringInfo out)
{
	BitWriter	writer = {out, 0, 0};

	for (int s = 0; s < nsymbols; s++)
		put_gamma(&writer, freqs[s] + 1);
	if (writer.used > 0)
		put_bits(&writer, 0, 8 - writer.used);
}

/*
 * The numbers, last one first, as rANS makes its bytes backwards: the reader
 * begins with the final state.
 */
static void
write_codes(const uint64 *numbers, int n, const uint16 *freqs, int nsymbols, StringInfo out)
{
	uint8		room[2 * LEDGER_VECTOR_ROWS + 8];
	uint8	   *p = room + sizeof(room);
	uint16		starts[CODED_SYMBOLS];
	uint32		state = CODED_LOW;
	uint16		places[CODED_POINTS(LEDGER_VECTOR_ROWS)];	/* of points, from the end */
	uint32		states[CODED_POINTS(LEDGER_VECTOR_ROWS)];
	uint16		length;

	for (int s = 0, sum = 0; s < nsymbols; s++)
	{
		starts[s] = sum;
		sum += freqs[s];
	}
	for (int i = n - 1; i >= 0; i--)
	{
		uint32		freq = freqs[numbers[i]];
		uint32		limit = ((CODED_LOW >> CODED_BITS) << 8) * freq;

		while (state >= limit)
		{
			*--p = (uint8) state;
			state >>= 8;
		}
		state = ((state / freq) << CODED_BITS) + state % freq + starts[numbers[i]];
		if (i > 0 && i % CODED_STRETCH == 0)
		{
			places[i / CODED_STRETCH - 1] = room + sizeof(room) - p;
			states[i / CODED_STRETCH - 1] = state;
		}
	}
	for (int i = 0; i < 4; i++)
	{
		*--p = (uint8) state;
		state >>= 8;
	}
	length = room + sizeof(room) - p;
	for (int i = 0; i < CODED_POINTS(n); i++)
	{
		uint16		before = length - places[i];

		appendBinaryStringInfo(out, (char *) &before, sizeof(before));
		appendBinaryStringInfo(out, (char *) &states[i], sizeof(states[i]));
	}
	appendBinaryStringInfo(out, (char *) p, length);
}

/* Numbers here are less base and scale already. */
static void
write_coded(const uint64 *numbers, int n, StringInfo out)
{
	int			counts[CODED_SYMBOLS] = {0};
	uint16		freqs[CODED_SYMBOLS] = {0};
	int			nsymbols = 0;
	StringInfoData body;

	for (int i = 0; i < n; i++)
	{
		counts[numbers[i]]++;
		nsymbols = Max(nsymbols, (int) numbers[i] + 1);
	}
	if (!scale_frequencies(counts, nsymbols, n, freqs))
		pg_unreachable();
	initStringInfo(&body);
	write_table(freqs, nsymbols, &body);
	write_codes(numbers, n, freqs, nsymbols, &body);
	ledger_put_varint(out, nsymbols - 1);
	ledger_put_varint(out, body.len);
	appendBinaryStringInfo(out, body.data, body.len);
	pfree(body.data);
}

static void write_vector(const uint64 *values, int n, bool may_run, StringInfo out);

static void
write_runs(const uint64 *values, int n, StringInfo out)
{
	uint64		run_values[LEDGER_VECTOR_ROWS];
	uint64		run_lengths[LEDGER_VECTOR_ROWS];
	int			runs = split_runs(values, n, run_values, run_lengths);
	StringInfoData part;

	initStringInfo(&part);
	write_vector(run_values, runs, false, &part);
	appendStringInfoCharMacro(out, FLAG_RUNS);
	ledger_put_varint(out, runs);
	ledger_put_varint(out, part.len);
	appendBinaryStringInfo(out, part.data, part.len);
	pfree(part.data);
	write_vector(run_lengths, runs, false, out);
}

static void
write_vector(const uint64 *values, int n, bool may_run, StringInfo out)
{
	uint64		numbers[LEDGER_VECTOR_ROWS];
	Frame		frame;
	int			flags;

	make_plan(values, n, may_run, numbers, &frame);
	if (frame.runs)
	{
		write_runs(values, n, out);
		return;
	}
	n -= frame.order;
	for (int i = 0; i < n; i++)
		numbers[i] -= frame.base;
	if (frame.scale != 1)
		for (int i = 0; i < n; i++)
			numbers[i] /= frame.scale;

	flags = frame.order | (frame.scale != 1 ? FLAG_SCALED : 0);
	if (frame.coded)
		flags |= FLAG_CODED;
	else if (frame.width == 0)
		flags |= FLAG_CONSTANT;
	else if (frame.nexceptions > 0)
		flags |= FLAG_PATCHED;
	appendStringInfoCharMacro(out, flags);
	if (!(flags & (FLAG_CODED | FLAG_CONSTANT)))
		appendStringInfoCharMacro(out, frame.width);
	for (int i = 0; i < frame.order; i++)
		ledger_put_varint(out, ledger_zigzag(frame.start[i]));
	ledger_put_varint(out, ledger_zigzag(frame.base));
	if (frame.scale != 1)
		ledger_put_varint(out, frame.scale);
	if (frame.coded)
	{
		write_coded(numbers, n, out);
		return;
	}
	if (frame.nexceptions > 0)
	{
		ledger_put_varint(out, frame.nexceptions - 1);
		appendStringInfoCharMacro(out, frame.full_width - frame.width);
	}
	pack(numbers, n, frame.width, out);
	if (frame.nexceptions > 0)
		write_exceptions(numbers, n, &frame, out);
}

/*
 * Append "n" values to "out", in the smallest of the ways.
 */
void
ledger_integers_write(const uint64 *values, int n, StringInfo out)
{
	write_vector(values, n, true, out);
}

/* The same for any number of values. */
void
ledger_numbers_write(const uint64 *values, int n, StringInfo out)
{
	for (int first = 0; first < n; first += LEDGER_VECTOR_ROWS)
		ledger_integers_write(values + first, Min(n - first, LEDGER_VECTOR_ROWS), out);
}
