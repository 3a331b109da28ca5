/*-------------------------------------------------------------------------
 *
 * lz4_read.c
 *	  Values of any kind as LZ4 blocks: the decoder.  See lz4_write.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "codec/codec_internal.h"
#include "miscadmin.h"
#include "utils/memutils.h"

struct LedgerLz4Reader
{
	LedgerRowref rowref;
	uint32		seed_length;
	uint32		seed_stored;
	pg_crc32c	seed_crc;
	bool		seed_loaded;
	char	   *buffer;			/* the seed, then the current block */
	uint32		room_size;		/* for a block; 0 if there is no buffer */
	char	   *scratch;		/* for a stored value that spans blocks */

	/* the current vector */
	uint32		block_size;
	uint32		nblocks;
	const uint8 *blocks;		/* LedgerLz4Block, not aligned */
	uint64	   *offsets;		/* of the blocks in the chunk */
	uint32		offsets_size;	/* allocated */
	uint64	   *starts;			/* of the values, and where the last ends */
	int64		current;		/* block in the buffer, -1 if none */
};

/*
 * Understand the encoding's part of the header.
 */
LedgerLz4Reader *
ledger_lz4_open(LedgerChunk *chunk, const uint8 *p, const uint8 *end, uint64 preamble)
{
	LedgerLz4Reader *lz4 = MemoryContextAllocZero(chunk->context, sizeof(LedgerLz4Reader));
	LedgerRowref *rowref = &lz4->rowref;

	if (end - p < 14)
		ledger_corrupt(chunk, "LZ4 header is malformed");
	memcpy(&lz4->seed_length, p, sizeof(uint32));
	memcpy(&lz4->seed_stored, p + 4, sizeof(uint32));
	memcpy(&lz4->seed_crc, p + 8, sizeof(uint32));
	rowref->escape = p[12];
	rowref->ncolumns = p[13];
	p += 14;
	if (lz4->seed_length > LEDGER_LZ4_SEED_MAX || lz4->seed_stored > lz4->seed_length ||
		lz4->seed_stored != preamble || (lz4->seed_length > 0 && lz4->seed_stored == 0))
		ledger_corrupt(chunk, "LZ4 seed has a bad length");
	if (rowref->ncolumns > LEDGER_ROWREF_COLUMNS ||
		(Size) (end - p) != rowref->ncolumns * sizeof(int))
		ledger_corrupt(chunk, "bad number of columns referred to");
	memcpy(rowref->columns, p, rowref->ncolumns * sizeof(int));
	for (int k = 0; k < rowref->ncolumns; k++)
	{
		if (rowref->columns[k] < 0 || rowref->columns[k] >= MaxHeapAttributeNumber)
			ledger_corrupt(chunk, "bad column referred to");
	}
	lz4->starts = MemoryContextAlloc(chunk->context, sizeof(uint64) *
									 (Min(chunk->nrows, LEDGER_VECTOR_ROWS) + 1));
	lz4->current = -1;
	return lz4;
}

const LedgerRowref *
ledger_lz4_rowref(const LedgerLz4Reader *lz4)
{
	return &lz4->rowref;
}

/* Compute where the n values of a vector start; returns what follows. */
static const uint8 *
locate_values(LedgerChunk *chunk, const uint8 *p, const uint8 *end, int n)
{
	LedgerLz4Reader *lz4 = chunk->lz4;
	LedgerIntegers lengths;

	lz4->starts[0] = 0;
	if (chunk->type.attlen > 0)
	{
		for (int i = 1; i <= n; i++)
			lz4->starts[i] = (uint64) chunk->type.attlen * i;
		return p;
	}
	p = ledger_integers_open(&lengths, n, p, end);
	if (p == NULL)
		ledger_corrupt(chunk, "lengths of values are malformed");
	ledger_integers_read(&lengths, 0, n, lz4->starts + 1);
	for (int i = 1; i <= n; i++)
	{
		if (lz4->starts[i] > MaxAllocSize)
			ledger_corrupt(chunk, "value is too long");
		lz4->starts[i] += lz4->starts[i - 1];
	}
	return p;
}

static inline LedgerLz4Block
get_block(const LedgerLz4Reader *lz4, uint32 i)
{
	LedgerLz4Block block;

	memcpy(&block, lz4->blocks + i * sizeof(block), sizeof(block));
	return block;
}

static inline uint32
block_raw_length(const LedgerLz4Reader *lz4, uint32 i, uint64 total)
{
	return (uint32) Min(total - (uint64) i * lz4->block_size, (uint64) lz4->block_size);
}

/*
 * Turn to the vector of n values whose meta, but for the null bitmap, is p to
 * end, and whose blocks are "length" bytes at "offset" in the chunk.
 */
void
ledger_lz4_vector_open(LedgerChunk *chunk, const uint8 *p, const uint8 *end, int n,
					   uint64 offset, uint64 length)
{
	LedgerLz4Reader *lz4 = chunk->lz4;
	uint64		limit = offset + length;
	uint64		total;

	lz4->current = -1;
	if (end - p < (int) sizeof(uint32))
		ledger_corrupt(chunk, "LZ4 vector is malformed");
	memcpy(&lz4->block_size, p, sizeof(uint32));
	if (lz4->block_size == 0 || lz4->block_size > LEDGER_LZ4_BLOCK_MAX)
		ledger_corrupt(chunk, "LZ4 vector has a bad block size");
	p = locate_values(chunk, p + sizeof(uint32), end, n);
	total = lz4->starts[n];
	if ((uint64) (end - p) % sizeof(LedgerLz4Block) != 0 ||
		(uint64) (end - p) / sizeof(LedgerLz4Block) !=
		(total + lz4->block_size - 1) / lz4->block_size)
		ledger_corrupt(chunk, "LZ4 vector has a bad number of blocks");
	lz4->nblocks = (end - p) / sizeof(LedgerLz4Block);
	lz4->blocks = p;
	if (lz4->nblocks > lz4->offsets_size)
	{
		if (lz4->offsets)
			pfree(lz4->offsets);
		lz4->offsets = NULL;
		lz4->offsets_size = 0;
		lz4->offsets = MemoryContextAlloc(chunk->context, sizeof(uint64) * lz4->nblocks);
		lz4->offsets_size = lz4->nblocks;
	}
	for (uint32 i = 0; i < lz4->nblocks; i++)
	{
		uint32		stored = get_block(lz4, i).length;
		uint32		raw = block_raw_length(lz4, i, total);

		if (stored > raw || stored > limit - offset ||
			!ledger_ratio_good(chunk, stored, raw))
			ledger_corrupt(chunk, "LZ4 block has a bad length");
		lz4->offsets[i] = offset;
		offset += stored;
	}
	if (offset != limit)
		ledger_corrupt(chunk, "LZ4 blocks do not fill their vector");
}

/* Read the seed, which has its place before the block, if not yet done. */
static void
load_seed(LedgerChunk *chunk, LedgerLz4Reader *lz4)
{
	LedgerStored seed = {0, lz4->seed_stored, lz4->seed_length, lz4->seed_crc, "LZ4 seed"};

	if (lz4->seed_loaded || lz4->seed_length == 0)
		return;
	ledger_read_stored(chunk, &seed, lz4->buffer, NULL, 0);
	lz4->seed_loaded = true;
}

/*
 * Have a buffer for the current vector's blocks.  It is no larger than it must be,
 * as a table of many columns has many open chunks.
 */
static void
make_room(LedgerChunk *chunk, LedgerLz4Reader *lz4, uint64 total)
{
	uint32		size = (uint32) Min(lz4->block_size, total);

	if (size <= lz4->room_size)
		return;
	if (lz4->buffer)
		pfree(lz4->buffer);
	lz4->buffer = NULL;
	lz4->room_size = 0;
	lz4->seed_loaded = false;
	lz4->buffer = MemoryContextAlloc(chunk->context, lz4->seed_length + size);
	lz4->room_size = size;
}

/* Read a block to "dst", which has the seed before it in the buffer. */
static void
read_block(LedgerChunk *chunk, const LedgerStored *stored, char *dst)
{
	LedgerLz4Reader *lz4 = chunk->lz4;
	const LedgerSource *source = &chunk->source;
	bool		compressed = stored->length < stored->raw_length;

	if (compressed && source->recall &&
		source->recall(source->arg, stored->offset, stored->raw_length, dst))
		return;
	load_seed(chunk, lz4);
	ledger_read_stored(chunk, stored, dst, lz4->buffer, lz4->seed_length);
	if (compressed && source->keep)
		source->keep(source->arg, stored->offset, stored->raw_length, dst, chunk->look_up);
}

/* Have block i of the current vector in the buffer; returns its raw bytes. */
static const char *
load_block(LedgerChunk *chunk, uint32 i, uint64 total)
{
	LedgerLz4Reader *lz4 = chunk->lz4;
	LedgerLz4Block block;
	LedgerStored stored;
	char	   *dst;

	if (lz4->current == i)
		return lz4->buffer + lz4->seed_length;

	CHECK_FOR_INTERRUPTS();
	lz4->current = -1;
	make_room(chunk, lz4, total);
	dst = lz4->buffer + lz4->seed_length;
	block = get_block(lz4, i);
	stored.offset = lz4->offsets[i];
	stored.length = block.length;
	stored.raw_length = block_raw_length(lz4, i, total);
	stored.crc = block.crc;
	stored.what = "LZ4 block";
	read_block(chunk, &stored, dst);
	lz4->current = i;
	return dst;
}

/* Copy bytes of the current vector's stream of values. */
static void
copy_stream(LedgerChunk *chunk, uint64 start, Size len, uint64 total, char *dst)
{
	uint32		block_size = chunk->lz4->block_size;

	while (len > 0)
	{
		uint32		i = start / block_size;
		uint32		within = start % block_size;
		Size		some = Min(len, (Size) (block_size - within));

		memcpy(dst, load_block(chunk, i, total) + within, some);
		dst += some;
		start += some;
		len -= some;
	}
}

/* Are the bytes of the stream these? */
static bool
stream_matches(LedgerChunk *chunk, uint64 start, uint64 total, LedgerBytes bytes)
{
	uint32		block_size = chunk->lz4->block_size;

	while (bytes.len > 0)
	{
		uint32		within = start % block_size;
		Size		some = Min(bytes.len, (Size) (block_size - within));

		if (memcmp(bytes.data, load_block(chunk, start / block_size, total) + within, some) != 0)
			return false;
		bytes.data += some;
		bytes.len -= some;
		start += some;
	}
	return true;
}

/* The bytes of the stream, without copying if they lie in one block. */
static const char *
view_stream(LedgerChunk *chunk, uint64 start, Size len, uint64 total)
{
	LedgerLz4Reader *lz4 = chunk->lz4;
	uint32		within = start % lz4->block_size;

	if (len == 0)
		return "";
	if (within + len <= lz4->block_size)
		return load_block(chunk, start / lz4->block_size, total) + within;
	if (lz4->scratch == NULL)
		lz4->scratch = MemoryContextAlloc(chunk->context, LEDGER_ROWREF_VALUE_MAX + 2);
	copy_stream(chunk, start, len, total, lz4->scratch);
	return lz4->scratch;
}

/*
 * Decode a value that may refer to its row's other values.  What is longer
 * than any changed value can get must be verbatim.
 */
static Datum
decode_referring(LedgerChunk *chunk, uint64 start, Size len, uint64 total,
				 const LedgerBytes *references, LedgerArena *arena, Size hint)
{
	const LedgerRowref *rowref = &chunk->lz4->rowref;
	LedgerBytes stored;
	int64		full;
	char	   *dst;
	Datum		value;

	if (len > LEDGER_ROWREF_VALUE_MAX + 2)
	{
		char		mark[2];

		copy_stream(chunk, start, sizeof(mark), total, mark);
		if ((uint8) mark[0] != rowref->escape || (uint8) mark[1] != LEDGER_ROWREF_VERBATIM)
			ledger_corrupt(chunk, "long value is not stored as it is");
		len -= sizeof(mark);
		dst = ledger_arena_value(arena, &chunk->type, len, hint, &value);
		copy_stream(chunk, start + sizeof(mark), len, total, dst);
		return value;
	}
	stored.data = view_stream(chunk, start, len, total);
	stored.len = len;
	full = ledger_rowref_length(rowref, references, stored);
	if (full < 0)
		ledger_corrupt(chunk, "value has a bad reference to another column");
	dst = ledger_arena_value(arena, &chunk->type, full, hint, &value);
	ledger_rowref_expand(rowref, references, stored, dst);
	return value;
}

/* The values that row "row" of a decoded range may refer to. */
static void
get_references(const LedgerRowref *rowref, const LedgerDecoded *decoded, int row,
			   LedgerBytes *references)
{
	for (int k = 0; k < rowref->ncolumns; k++)
	{
		if (!decoded[k].isnull[row])
			references[k] = ledger_varlena_bytes(decoded[k].values[row]);
		else
		{
			references[k].data = NULL;
			references[k].len = 0;
		}
	}
}

/*
 * Decode "count" values from the first'th on (not counting NULLs).  Value i is
 * that of row rows[i] of the decoded references; it is left out if that is not
 * "wanted", where that is not NULL.
 */
void
ledger_lz4_decode(LedgerChunk *chunk, int first, int count, const int *rows, const bool *wanted,
				  const LedgerDecoded *decoded, Datum *values)
{
	LedgerLz4Reader *lz4 = chunk->lz4;
	const uint64 *starts = lz4->starts;
	uint64		total = lz4->starts[chunk->ints.n];
	LedgerArena arena = {NULL, 0};
	Size		hint = 0;

	if (count > 1 && lz4->rowref.ncolumns > 0)
		hint = LEDGER_ARENA_PIECE;
	else if (count > 1)
		hint = starts[first + count] - starts[first] +
			(Size) count * (VARHDRSZ + MAXIMUM_ALIGNOF);
	for (int i = 0; i < count; i++)
	{
		uint64		start = starts[first + i];
		Size		len = starts[first + i + 1] - start;

		if (wanted && !wanted[rows[i]])
		{
			values[i] = (Datum) 0;
			continue;
		}
		if (len > MaxAllocSize - VARHDRSZ)
			ledger_corrupt(chunk, "value is too long");
		if (lz4->rowref.ncolumns > 0)
		{
			LedgerBytes references[LEDGER_ROWREF_COLUMNS];

			get_references(&lz4->rowref, decoded, rows[i], references);
			values[i] = decode_referring(chunk, start, len, total, references, &arena, hint);
		}
		else
			copy_stream(chunk, start, len, total,
						ledger_arena_value(&arena, &chunk->type, len, hint, &values[i]));
	}
}

/* Is a value that may refer to its row's other values this one? */
static bool
referring_matches(LedgerChunk *chunk, uint64 start, Size len, uint64 total,
				  const LedgerBytes *references, LedgerBytes value)
{
	const LedgerRowref *rowref = &chunk->lz4->rowref;
	LedgerBytes stored;

	if (len > LEDGER_ROWREF_VALUE_MAX + 2)
	{
		char		mark[2];

		copy_stream(chunk, start, sizeof(mark), total, mark);
		return (uint8) mark[0] == rowref->escape &&
			(uint8) mark[1] == LEDGER_ROWREF_VERBATIM && len - sizeof(mark) == value.len &&
			stream_matches(chunk, start + sizeof(mark), total, value);
	}
	stored.data = view_stream(chunk, start, len, total);
	stored.len = len;
	return ledger_rowref_matches(rowref, references, stored, value);
}

/* Would ledger_lz4_decode give these values?  Value i is values[rows[i]]. */
bool
ledger_lz4_matches(LedgerChunk *chunk, int first, int count, const int *rows,
				   const LedgerDecoded *decoded, const Datum *values)
{
	LedgerLz4Reader *lz4 = chunk->lz4;
	uint64		total = lz4->starts[chunk->ints.n];

	for (int i = 0; i < count; i++)
	{
		LedgerBytes value = ledger_datum_bytes(&chunk->type, values[rows[i]]);
		uint64		start = lz4->starts[first + i];
		Size		len = lz4->starts[first + i + 1] - start;
		bool		same;

		if (lz4->rowref.ncolumns > 0)
		{
			LedgerBytes references[LEDGER_ROWREF_COLUMNS];

			get_references(&lz4->rowref, decoded, rows[i], references);
			same = referring_matches(chunk, start, len, total, references, value);
		}
		else
			same = len == value.len && stream_matches(chunk, start, total, value);
		if (!same)
			return false;
	}
	return true;
}
