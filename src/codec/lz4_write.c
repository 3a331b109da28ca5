/*-------------------------------------------------------------------------
 *
 * lz4_write.c
 *	  Values of any kind as LZ4 blocks: the encoder.
 *
 * The bytes of a vector's values, one after the other, are cut into blocks of
 * a fixed number of raw bytes wherever that falls, so that a value of 1 GB
 * needs no more memory than a small one, and a single row needs only the
 * blocks that it lies in.  Every block can be decompressed on its own; what a
 * small block would lose by that, the seed makes up for: a sample of the
 * column's values that every block starts with as if it came before it.
 *
 * Bytes of the encoding's part of the header:
 *
 *		0	4	raw length of the seed
 *		4	4	stored length of the seed (the whole preamble); equal: not LZ4
 *		8	4	CRC-32C of the stored seed
 *		12	1	escape byte of row references
 *		13	1	number of columns referred to
 *			4	for each: index of the column
 *
 * Bytes of a vector's meta, after the null bitmap:
 *
 *		0	4	raw bytes of a block (the last has what is left)
 *			..	lengths of the stored values, as of bitpack.h; not for types
 *				of fixed length
 *			8	for each block: LedgerLz4Block
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <lz4.h>
#include <lz4hc.h>

#include "codec/codec_internal.h"
#include "miscadmin.h"

/* Fewest bytes of a column that make a seed worth its bytes. */
#define SEED_COLUMN_MIN		262144

/* And the part of it that LZ4 must save on it, at the least. */
#define SEED_GAIN_MIN		64

/* Longest part of one value that goes into the seed or the estimate. */
#define SAMPLE_VALUE_MAX	4096

/* Mean length below which values are short: many vectors are less than a block. */
#define SHORT_VALUE			64

/* Mean length from which on values are large and blocks, too. */
#define LARGE_VALUE			32768

/*
 * A look-up decompresses a block and the seed, so these are small, unless what
 * larger ones save in a sample is more than one part in so many.
 */
#define LARGER_GAIN_MIN		64

#define ESTIMATE_BYTES		65536
#define SIZES_SAMPLE		262144

/* What the thorough compressor leaves of the fast one's bytes, about. */
#define FAST_TO_HC			0.85

/* And zstd of that. */
#define HC_TO_ZSTD			0.75

/* Measured on bot entries: 2 gives 7 % more bytes, 5 half the speed. */
#ifndef LEDGER_HC_LEVEL
#define LEDGER_HC_LEVEL		3
#endif

/* Raw bytes of a column's blocks and of its seed */
typedef struct Lz4Sizes
{
	int			block;
	int			seed;
} Lz4Sizes;

static const Lz4Sizes small_sizes = {16384, 8192};
static const Lz4Sizes larger_sizes = {32768, LEDGER_LZ4_SEED_MAX};
static const Lz4Sizes large_value_sizes = {LEDGER_LZ4_BLOCK_MAX, 0};

struct LedgerLz4Writer
{
	LedgerRowref rowref;
	LedgerRowrefFinder *finder; /* NULL without references */
	Lz4Sizes	sizes;
	int			seed_length;
	char	   *buffer;			/* the seed, then the current block */
	int			fill;			/* bytes of the current block */
	char	   *room;			/* for a compressed block */
	bool		quick;			/* the fast compressor's streams are used */
	LedgerEffort effort;
	LedgerCompression compression;

	/* a stream as it is after reading the seed, NULL without one */
	union
	{
		LZ4_stream_t *fast;
		LZ4_streamHC_t *hc;
	}			seeded;
	union
	{
		LZ4_stream_t *fast;
		LZ4_streamHC_t *hc;
	}			stream;
	bool		stubborn;		/* the last block hardly shrank */
	StringInfoData blocks;		/* LedgerLz4Block of the current vector */
};

/* A row's value as it is stored, if it is not too large to be changed. */
static LedgerBytes
stored_value(LedgerEncoder *enc, LedgerLz4Writer *lz4, int row)
{
	LedgerBytes value = ledger_encoder_value(enc, row);

	if (lz4->finder && value.len <= LEDGER_ROWREF_VALUE_MAX)
		value = ledger_rowref_apply(lz4->finder, row, value);
	return value;
}

/*
 * Collect stored values from all over the column, at most "max" bytes, in
 * runs of "run" rows.
 */
static int
sample_values(LedgerEncoder *enc, LedgerLz4Writer *lz4, const LedgerSummary *summary,
			  int run, int max, char *dst)
{
	const LedgerColumnInput *input = enc->input;
	uint64		mean = summary->total / summary->nvalues + 1;
	uint64		pieces = Max(max / (Min(mean, SAMPLE_VALUE_MAX) * run), 1);
	int			step = Max(input->nrows / (int) pieces, run);
	int			fill = 0;

	for (int start = 0; start < input->nrows && fill < max; start += step)
	{
		int			end = Min(start + run, input->nrows);

		for (int row = start; row < end && fill < max; row++)
		{
			LedgerBytes value;
			int			len;

			if (input->isnull[row])
				continue;
			value = stored_value(enc, lz4, row);
			len = Min(Min(value.len, SAMPLE_VALUE_MAX), max - fill);
			memcpy(dst + fill, value.data, len);
			fill += len;
		}
	}
	return fill;
}

/* Write the seed as the chunk's preamble. */
static void
write_seed(LedgerEncoder *enc, LedgerLz4Writer *lz4)
{
	ledger_write_stored(enc, lz4->quick ? LEDGER_HC_LEVEL : LZ4HC_CLEVEL_DEFAULT,
						lz4->buffer, lz4->seed_length, lz4->room);
	appendStringInfoCharMacro(&enc->extra, (char) lz4->rowref.escape);
	appendStringInfoCharMacro(&enc->extra, (char) lz4->rowref.ncolumns);
	appendBinaryStringInfo(&enc->extra, (char *) lz4->rowref.columns,
						   lz4->rowref.ncolumns * sizeof(int));
}

static LedgerLz4Writer *
prepare(LedgerEncoder *enc)
{
	LedgerLz4Writer *lz4 = enc->lz4;

	if (lz4 == NULL)
	{
		lz4 = enc->lz4 = palloc0(sizeof(LedgerLz4Writer));
		if (ledger_rowref_learn(enc->columns, enc->self, &lz4->rowref))
			lz4->finder = ledger_rowref_finder(enc->columns, &lz4->rowref);
		else
			lz4->rowref.ncolumns = 0;
	}
	return lz4;
}

static void
prepare_fast(LedgerLz4Writer *lz4)
{
	lz4->stream.fast = palloc(sizeof(LZ4_stream_t));
	LZ4_initStream(lz4->stream.fast, sizeof(LZ4_stream_t));
	if (lz4->seed_length > 0)
	{
		lz4->seeded.fast = palloc(sizeof(LZ4_stream_t));
		LZ4_initStream(lz4->seeded.fast, sizeof(LZ4_stream_t));
		LZ4_loadDict(lz4->seeded.fast, lz4->buffer, lz4->seed_length);
	}
}

static void
prepare_hc(LedgerLz4Writer *lz4)
{
	lz4->stream.hc = palloc(sizeof(LZ4_streamHC_t));
	LZ4_initStreamHC(lz4->stream.hc, sizeof(LZ4_streamHC_t));
	if (lz4->seed_length > 0)
	{
		lz4->seeded.hc = palloc(sizeof(LZ4_streamHC_t));
		LZ4_initStreamHC(lz4->seeded.hc, sizeof(LZ4_streamHC_t));
		LZ4_resetStreamHC_fast(lz4->seeded.hc, LEDGER_HC_LEVEL);
		LZ4_loadDictHC(lz4->seeded.hc, lz4->buffer, lz4->seed_length);
	}
}

/*
 * Take a sample for a seed; returns its length.  What does not shrink by itself
 * has nothing in it that recurs, so blocks would not refer to it: it would only
 * cost its bytes.
 */
static int
make_seed(LedgerEncoder *enc, LedgerLz4Writer *lz4, const LedgerSummary *summary, int max,
		  char *seed)
{
	char		room[LEDGER_LZ4_SEED_MAX];
	int			length;

	if (max == 0 || summary->total < SEED_COLUMN_MIN)
		return 0;
	length = sample_values(enc, lz4, summary, 1, max, seed);
	return LZ4_compress_default(seed, room, length,
								length - length / SEED_GAIN_MIN) > 0 ? length : 0;
}

/*
 * How many bytes the column would take with blocks and a seed of such sizes, by
 * how the fast compressor does on a sample.
 */
static double
try_sizes(LedgerEncoder *enc, LedgerLz4Writer *lz4, const LedgerSummary *summary, Lz4Sizes sizes,
		  const char *sample, int length)
{
	LZ4_stream_t *seeded = palloc(sizeof(LZ4_stream_t));
	LZ4_stream_t *stream = palloc(sizeof(LZ4_stream_t));
	int			bound = LZ4_compressBound(LEDGER_LZ4_SEED_MAX);
	char	   *room = palloc(bound);
	char	   *seed = palloc(LEDGER_LZ4_SEED_MAX);
	int			seed_length = make_seed(enc, lz4, summary, sizes.seed, seed);
	double		blocks = 0;
	double		result = 0;

	LZ4_initStream(seeded, sizeof(LZ4_stream_t));
	if (seed_length > 0)
	{
		result = LZ4_compress_default(seed, room, seed_length, bound);
		LZ4_loadDict(seeded, seed, seed_length);
	}
	for (int start = 0; start < length; start += sizes.block)
	{
		memcpy(stream, seeded, sizeof(LZ4_stream_t));
		blocks += LZ4_compress_fast_continue(stream, sample + start, room,
											 Min(sizes.block, length - start), bound, 1);
	}
	result += blocks / length * summary->total;
	pfree(seeded);
	pfree(stream);
	pfree(room);
	pfree(seed);
	return result;
}

static Lz4Sizes
choose_sizes(LedgerEncoder *enc, LedgerLz4Writer *lz4, const LedgerSummary *summary)
{
	char	   *sample;
	int			length;
	double		small;
	double		larger;

	if (summary->total / summary->nvalues >= LARGE_VALUE)
		return large_value_sizes;
	if (enc->compression == LEDGER_COMPRESSION_NONE || summary->total <= small_sizes.block)
		return small_sizes;
	sample = palloc(SIZES_SAMPLE);
	/* runs of rows as long as the larger blocks */
	length = sample_values(enc, lz4, summary,
						   Max(Min(larger_sizes.block / (int) (summary->total / summary->nvalues + 1), 64), 1),
						   SIZES_SAMPLE, sample);
	if (length == 0)
	{
		pfree(sample);
		return small_sizes;
	}
	small = try_sizes(enc, lz4, summary, small_sizes, sample, length);
	larger = try_sizes(enc, lz4, summary, larger_sizes, sample, length);
	pfree(sample);
	return larger < small - small / LARGER_GAIN_MIN ? larger_sizes : small_sizes;
}

/*
 * The part of the column's bytes that LZ4 leaves, by how the fast compressor does
 * on a sample.  Short values are compressed a vector at a time, or less, so what
 * recurs farther apart is found in the seed only.
 */
static double
estimate_share(LedgerEncoder *enc, LedgerLz4Writer *lz4, const LedgerSummary *summary)
{
	int			mean = Min(summary->total / summary->nvalues + 1, SAMPLE_VALUE_MAX);
	bool		is_short = mean < SHORT_VALUE;
	int			run = is_short ? Min(small_sizes.block / mean, LEDGER_VECTOR_ROWS) : 64;
	char	   *sample = palloc(ESTIMATE_BYTES);
	int			fill = sample_values(enc, lz4, summary, run, ESTIMATE_BYTES, sample);
	double		share = 0;

	if (fill > 0 && is_short)
	{
		Lz4Sizes	sizes = {run * mean, small_sizes.seed};

		share = try_sizes(enc, lz4, summary, sizes, sample, fill) / summary->total;
	}
	else if (fill > 0)
	{
		int			bound = LZ4_compressBound(ESTIMATE_BYTES);
		char	   *room = palloc(bound);

		share = (double) LZ4_compress_default(sample, room, fill, bound) / fill;
		pfree(room);
	}
	pfree(sample);
	return FAST_TO_HC * Min(share, 1);
}

/* About how many bytes the column will take in LZ4, or what stands for it */
uint64
ledger_lz4_estimate(LedgerEncoder *enc, const LedgerSummary *summary)
{
	LedgerLz4Writer *lz4 = prepare(enc);
	double		share = 1;

	if (enc->compression != LEDGER_COMPRESSION_NONE)
		share = estimate_share(enc, lz4, summary);
	if (enc->compression == LEDGER_COMPRESSION_ZSTD)
		share *= HC_TO_ZSTD;
	return (uint64) (summary->total * share) + (enc->input->type.attlen < 0 ? summary->nvalues / 2 : 0);
}

/* Make the writer, and write what precedes the vectors. */
LedgerLz4Writer *
ledger_lz4_begin(LedgerEncoder *enc, const LedgerSummary *summary)
{
	LedgerLz4Writer *lz4 = prepare(enc);

	lz4->sizes = choose_sizes(enc, lz4, summary);
	lz4->buffer = palloc(lz4->sizes.seed + lz4->sizes.block);
	lz4->room = palloc(Max(lz4->sizes.block, lz4->sizes.seed));
	lz4->quick = enc->effort == LEDGER_EFFORT_QUICK;
	lz4->effort = enc->effort;
	lz4->compression = enc->compression;
	initStringInfo(&lz4->blocks);
	if (lz4->compression != LEDGER_COMPRESSION_NONE)
		lz4->seed_length = make_seed(enc, lz4, summary, lz4->sizes.seed, lz4->buffer);
	if (lz4->compression == LEDGER_COMPRESSION_LZ4 && lz4->quick)
		prepare_fast(lz4);
	else if (lz4->compression == LEDGER_COMPRESSION_LZ4)
		prepare_hc(lz4);
	write_seed(enc, lz4);
	return lz4;
}

/* The seed lies just before the block, as LZ4 wants its history. */
static int
compress_fast(LedgerLz4Writer *lz4, const char *raw)
{
	if (lz4->seed_length > 0)
		memcpy(lz4->stream.fast, lz4->seeded.fast, sizeof(LZ4_stream_t));
	else
		LZ4_resetStream_fast(lz4->stream.fast);
	return LZ4_compress_fast_continue(lz4->stream.fast, raw, lz4->room, lz4->fill,
									  lz4->fill - 1, 1);
}

static int
compress_hc(LedgerLz4Writer *lz4, const char *raw)
{
	if (lz4->seed_length > 0)
		memcpy(lz4->stream.hc, lz4->seeded.hc, sizeof(LZ4_streamHC_t));
	else
		LZ4_resetStreamHC_fast(lz4->stream.hc, LEDGER_HC_LEVEL);
	return LZ4_compress_HC_continue(lz4->stream.hc, raw, lz4->room, lz4->fill, lz4->fill - 1);
}

/*
 * Compress the current block into the room; returns its length, or 0 if it
 * does not shrink.  Trying hard on incompressible bytes is slow (47 MB/s on
 * random ones), so after a block that did not shrink the fast compressor has
 * a look first.
 */
static int
compress_block(LedgerLz4Writer *lz4, const char *raw)
{
	int			length = 0;
	int			little = lz4->fill - lz4->fill / 16;

	CHECK_FOR_INTERRUPTS();
	if (lz4->fill < 2 || lz4->compression == LEDGER_COMPRESSION_NONE)
		return 0;
	if (lz4->compression == LEDGER_COMPRESSION_ZSTD)
		return ledger_zstd_compress(lz4->effort, raw, lz4->fill, lz4->room, lz4->fill - 1,
									lz4->buffer, lz4->seed_length);
	if (lz4->quick)
		return compress_fast(lz4, raw);
	if (lz4->stubborn)
		length = LZ4_compress_default(raw, lz4->room, lz4->fill, little);
	if (lz4->stubborn && length == 0)
		return 0;
	length = compress_hc(lz4, raw);
	lz4->stubborn = length == 0 || length > little;
	return length;
}

/* Compress and write the current block. */
static void
write_block(LedgerEncoder *enc, LedgerLz4Writer *lz4)
{
	char	   *raw = lz4->buffer + lz4->seed_length;
	const char *stored = lz4->room;
	int			length = compress_block(lz4, raw);
	LedgerLz4Block block;

	if (length <= 0)
	{
		stored = raw;
		length = lz4->fill;
	}
	block.length = length;
	block.crc = ledger_crc(stored, length);
	ledger_encoder_write(enc, stored, length);
	appendBinaryStringInfo(&lz4->blocks, (char *) &block, sizeof(block));
	lz4->fill = 0;
}

static void
append_bytes(LedgerEncoder *enc, LedgerLz4Writer *lz4, const char *data, Size len)
{
	while (len > 0)
	{
		Size		some = Min(len, (Size) (lz4->sizes.block - lz4->fill));

		memcpy(lz4->buffer + lz4->seed_length + lz4->fill, data, some);
		lz4->fill += some;
		data += some;
		len -= some;
		if (lz4->fill == lz4->sizes.block)
			write_block(enc, lz4);
	}
}

/*
 * Write the blocks of the current vector, and append to its meta.
 */
void
ledger_lz4_vector(LedgerEncoder *enc)
{
	LedgerLz4Writer *lz4 = enc->lz4;
	uint64		lengths[LEDGER_VECTOR_ROWS];
	uint32		block_size = lz4->sizes.block;

	resetStringInfo(&lz4->blocks);
	for (int i = 0; i < enc->ndense; i++)
	{
		LedgerBytes value = ledger_encoder_value(enc, enc->dense[i]);
		LedgerBytes stored = value;

		lengths[i] = 0;
		if (lz4->finder && value.len > LEDGER_ROWREF_VALUE_MAX)
		{
			char		mark[2] = {lz4->rowref.escape, (char) LEDGER_ROWREF_VERBATIM};

			append_bytes(enc, lz4, mark, sizeof(mark));
			lengths[i] = sizeof(mark);
		}
		else if (lz4->finder)
		{
			stored = ledger_rowref_apply(lz4->finder, enc->dense[i], value);
			/* whoever encodes quickly does not look at all values again */
			if (lz4->quick && !ledger_rowref_check(lz4->finder, enc->dense[i], stored, value))
				elog(ERROR, "references of a value do not lead back to it");
		}
		lengths[i] += stored.len;
		append_bytes(enc, lz4, stored.data, stored.len);
	}
	if (lz4->fill > 0)
		write_block(enc, lz4);
	appendBinaryStringInfo(&enc->meta, (char *) &block_size, sizeof(block_size));
	if (enc->input->type.attlen < 0)
		ledger_integers_write(lengths, enc->ndense, &enc->meta);
	appendBinaryStringInfo(&enc->meta, lz4->blocks.data, lz4->blocks.len);
}
