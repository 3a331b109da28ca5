/*-------------------------------------------------------------------------
 *
 * chunk_read.c
 *	  Open a chunk and decode rows of it.
 *
 * Nothing that is read is believed: whatever the bytes say, the result is
 * values or a call of corrupt().  What a chunk keeps is marked as valid only
 * when it is complete, so that an error leaves it usable.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/codec_internal.h"
#include "codec/shred.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

/* What is read at first: the trailer, and the header or its end. */
#define FIRST_READ			2048

/* A larger vector's bytes are not kept when another vector is read. */
#define META_KEEP			(1024 * 1024)

static void
check_trailer(LedgerChunk *chunk, const LedgerChunkTrailer *trailer)
{
	uint64		rest = chunk->length - sizeof(LedgerChunkTrailer);
	uint64		header;

	if (trailer->magic != LEDGER_CHUNK_MAGIC)
		ledger_corrupt(chunk, "chunk has no trailer");
	if (trailer->version != LEDGER_CHUNK_VERSION)
	{
		char		detail[128];

		snprintf(detail, sizeof(detail),
				 "chunk has format version %u, but this version of ledger reads %u only",
				 trailer->version, LEDGER_CHUNK_VERSION);
		ledger_corrupt(chunk, detail);
	}
	header = (uint64) trailer->header_length + trailer->inner_length;
	if (header > rest || trailer->preamble_length > rest - header ||
		trailer->header_length > MaxAllocSize - sizeof(LedgerChunkTrailer) ||
		(trailer->inner_length > 0 && trailer->encoding != LEDGER_ENC_SHREDDED) ||
		(chunk->source.header_length > 0 &&
		 chunk->source.header_length != header + sizeof(LedgerChunkTrailer)))
		ledger_corrupt(chunk, "chunk header has a bad length");
	if (trailer->nrows != (uint32) chunk->nrows)
		ledger_corrupt(chunk, "chunk has a wrong number of rows");
	if (trailer->encoding > LEDGER_ENC_LAST || (trailer->flags & ~LEDGER_CHUNK_FLAGS) != 0 ||
		((trailer->flags & LEDGER_CHUNK_ZONES) && (trailer->flags & LEDGER_CHUNK_CUT_ZONES)))
		ledger_corrupt(chunk, "chunk has an unknown encoding");
}

/*
 * Read trailer and header, check them, and return the header's bytes, with
 * LEDGER_SLACK behind them.
 */
static uint8 *
read_header(LedgerChunk *chunk, LedgerChunkTrailer *trailer)
{
	uint32		known = chunk->source.header_length;
	Size		some = (Size) Min(known > 0 ? known : chunk->length, FIRST_READ);
	Size		size;
	uint8		first[FIRST_READ];
	uint8	   *header;
	pg_crc32c	crc;

	if (some < sizeof(*trailer) || some > chunk->length)
		ledger_corrupt(chunk, "chunk is too short");
	chunk->source.read(chunk->source.arg, chunk->length - some, some, first);
	memcpy(trailer, first + some - sizeof(*trailer), sizeof(*trailer));
	check_trailer(chunk, trailer);

	size = (Size) trailer->header_length + sizeof(*trailer);
	header = MemoryContextAllocHuge(chunk->context, size + LEDGER_SLACK);
	if (size <= some)
		memcpy(header, first + some - size, size);
	else
	{
		memcpy(header + size - some, first, some);
		chunk->source.read(chunk->source.arg, chunk->length - size, size - some, header);
	}
	crc = ledger_crc(header, size - sizeof(trailer->crc));
	if (crc != trailer->crc ||
		memcmp(header + trailer->header_length, trailer, sizeof(*trailer)) != 0)
		ledger_corrupt(chunk, "chunk header has a wrong checksum");
	memset(header + size, 0, LEDGER_SLACK);
	return header;
}

/* A list of numbers of the vectors, which precedes other things in the header. */
static const uint8 *
read_list(const LedgerChunk *chunk, const uint8 *p, const uint8 *end, uint64 *numbers)
{
	p = ledger_numbers_read(p, end, chunk->nvectors, numbers);
	if (p == NULL)
		ledger_corrupt(chunk, "chunk header is malformed");
	return p;
}

static uint32
small_number(const LedgerChunk *chunk, uint64 number)
{
	if (number > PG_UINT32_MAX)
		ledger_corrupt(chunk, "vector has a bad length or number of NULLs");
	return (uint32) number;
}

/* What the header has of the vectors; returns what follows. */
static const uint8 *
open_vectors(LedgerChunk *chunk, const uint8 *p, const uint8 *end)
{
	int			nvectors = chunk->nvectors;
	LedgerChunkVector *vectors;
	uint64	   *numbers;		/* at last, bytes of LZ4 blocks, for locate_vectors */

	vectors = MemoryContextAlloc(chunk->context, sizeof(LedgerChunkVector) * (nvectors + 1));
	chunk->vectors = vectors;
	numbers = MemoryContextAlloc(chunk->context, sizeof(uint64) * (nvectors + 1));
	chunk->offsets = numbers;
	p = read_list(chunk, p, end, numbers);
	for (int v = 0; v < nvectors; v++)
		vectors[v].nulls = small_number(chunk, numbers[v]);
	p = read_list(chunk, p, end, numbers);
	for (int v = 0; v < nvectors; v++)
		vectors[v].meta_length = small_number(chunk, numbers[v]);
	if (chunk->encoding == LEDGER_ENC_LZ4)
		p = read_list(chunk, p, end, numbers);
	else
		memset(numbers, 0, sizeof(uint64) * nvectors);
	if ((Size) (end - p) < nvectors * sizeof(pg_crc32c))
		ledger_corrupt(chunk, "chunk header is malformed");
	for (int v = 0; v < nvectors; v++, p += sizeof(pg_crc32c))
		memcpy(&vectors[v].crc, p, sizeof(pg_crc32c));
	return p;
}

/* Check the vectors' entries, and compute where the vectors are. */
static void
locate_vectors(LedgerChunk *chunk, uint64 offset, uint64 end)
{
	for (int v = 0; v < chunk->nvectors; v++)
	{
		const LedgerChunkVector *entry = &chunk->vectors[v];
		int			rows = Min(chunk->nrows - v * LEDGER_VECTOR_ROWS, LEDGER_VECTOR_ROWS);
		uint64		blocks = chunk->offsets[v];

		chunk->offsets[v] = offset;
		if (blocks > end - offset || entry->meta_length > end - offset - blocks ||
			entry->nulls > (uint32) rows ||
			(chunk->encoding == LEDGER_ENC_NULL && entry->nulls != (uint32) rows))
			ledger_corrupt(chunk, "vector has a bad length or number of NULLs");
		offset += blocks + entry->meta_length;
	}
	chunk->offsets[chunk->nvectors] = offset;
	if (offset != end)
		ledger_corrupt(chunk, "vectors do not fill their chunk");
}

/* Understand the encoding's part of the header. */
static void
open_extra(LedgerChunk *chunk, const uint8 *p, const uint8 *end, uint64 preamble)
{
	bool		byval = chunk->type.attbyval;

	if (chunk->encoding != LEDGER_ENC_NULL &&
		byval != (chunk->encoding == LEDGER_ENC_INTEGER || chunk->encoding == LEDGER_ENC_FLOAT))
		ledger_corrupt(chunk, "encoding does not fit the column's type");
	if (chunk->encoding != LEDGER_ENC_DICTIONARY && chunk->encoding != LEDGER_ENC_LZ4 &&
		chunk->encoding != LEDGER_ENC_LINES && chunk->encoding != LEDGER_ENC_SHREDDED &&
		preamble != 0)
		ledger_corrupt(chunk, "chunk has an unexpected preamble");
	switch (chunk->encoding)
	{
		case LEDGER_ENC_NULL:
		case LEDGER_ENC_INTEGER:
			break;
		case LEDGER_ENC_FLOAT:
			if (chunk->type.attlen != 4 && chunk->type.attlen != 8)
				ledger_corrupt(chunk, "encoding does not fit the column's type");
			break;
		case LEDGER_ENC_NUMBER:
			chunk->numbering = MemoryContextAlloc(chunk->context, sizeof(LedgerNumbering));
			if (!ledger_numbering_open(&chunk->type, chunk->numbering, p, end))
				ledger_corrupt(chunk, "description of numbers is malformed");
			break;
		case LEDGER_ENC_CONSTANT:
			chunk->constant.data = (const char *) p;
			chunk->constant.len = end - p;
			if (chunk->type.attlen > 0 && end - p != chunk->type.attlen)
				ledger_corrupt(chunk, "constant has a wrong length");
			break;
		case LEDGER_ENC_DICTIONARY:
			chunk->dict = ledger_dict_open(chunk, p, end, preamble);
			break;
		case LEDGER_ENC_HEX:
		case LEDGER_ENC_DECIMAL:
			chunk->tmpl = MemoryContextAlloc(chunk->context, sizeof(LedgerTemplate));
			if (ledger_template_open(chunk->tmpl, p, end) != end ||
				chunk->tmpl->decimal != (chunk->encoding == LEDGER_ENC_DECIMAL))
				ledger_corrupt(chunk, "template is malformed");
			if (chunk->type.attlen > 0 && chunk->tmpl->len != chunk->type.attlen)
				ledger_corrupt(chunk, "template has a wrong length");
			break;
		case LEDGER_ENC_LZ4:
			chunk->lz4 = ledger_lz4_open(chunk, p, end, preamble);
			break;
		case LEDGER_ENC_LINES:
			chunk->lines = ledger_lines_open(chunk, p, end, preamble);
			break;
		case LEDGER_ENC_SHREDDED:
			chunk->shred = ledger_shred_open(chunk, p, end, preamble);
			break;
	}
}

static const uint8 *
read_uint32(const LedgerChunk *chunk, const uint8 *p, const uint8 *end, uint32 *number)
{
	if ((Size) (end - p) < sizeof(*number))
		ledger_corrupt(chunk, "chunk header is malformed");
	memcpy(number, p, sizeof(*number));
	return p + sizeof(*number);
}

/*
 * Understand what the header has of a filter, which ends at *filter_end and for which
 * there are "room" bytes.
 */
static const uint8 *
open_filter(LedgerChunk *chunk, LedgerChunkFilter *filter, const uint8 *p, const uint8 *end,
			uint64 room, uint64 *filter_end)
{
	uint32		nblocks;
	uint64		size;

	p = read_uint32(chunk, p, end, &nblocks);
	size = LEDGER_FILTER_SIZE(nblocks);
	if (nblocks == 0 || nblocks > LEDGER_FILTER_BLOCKS_MAX || size > room)
		ledger_corrupt(chunk, "filter has a bad length");
	*filter_end -= size;
	filter->nblocks = nblocks;
	filter->offset = *filter_end;
	return p;
}

/* Where the zone maps are; returns what follows. */
static const uint8 *
open_zones(LedgerChunk *chunk, const uint8 *p, const uint8 *end)
{
	uint32		length;

	p = read_uint32(chunk, p, end, &length);
	if (length > (Size) (end - p))
		ledger_corrupt(chunk, "zone maps have a bad length");
	chunk->stored_zones = p;
	chunk->stored_zones_end = p + length;
	if (chunk->has_cut_zones)
	{
		p = read_uint32(chunk, p, chunk->stored_zones_end, &length);
		if (length > LEDGER_ZONE_PREFIX_MAX || length > (Size) (chunk->stored_zones_end - p))
			ledger_corrupt(chunk, "zone maps have a bad prefix");
		chunk->zone_prefix.data = (const char *) p;
		chunk->zone_prefix.len = length;
		chunk->stored_zones = p + length;
	}
	return chunk->stored_zones_end;
}

/*
 * The zone maps, or NULL.  They are unpacked when they are first asked for: most
 * columns that a look-up reads are not asked.
 */
const uint64 *
ledger_chunk_zones(LedgerChunk *chunk)
{
	int			nvectors = chunk->nvectors;
	Size		size = sizeof(uint64) * (nvectors + 1);
	uint64	   *zones;
	uint64	   *ranges;
	const uint8 *p;

	if (chunk->zones != NULL || chunk->stored_zones == NULL)
		return chunk->zones;
	zones = MemoryContextAlloc(chunk->context, 2 * size);
	ranges = MemoryContextAlloc(chunk->context, size);
	p = read_list(chunk, chunk->stored_zones, chunk->stored_zones_end, zones);
	p = read_list(chunk, p, chunk->stored_zones_end, ranges);
	if (p != chunk->stored_zones_end)
		ledger_corrupt(chunk, "zone maps are malformed");
	for (int v = nvectors - 1; v >= 0; v--)
	{
		uint64		least = zones[v];

		zones[2 * v] = least;
		zones[2 * v + 1] = least + ranges[v];
	}
	pfree(ranges);
	chunk->zones = zones;
	return zones;
}

/* Can a chunk of this length have its filter there? */
bool
ledger_filter_fits(LedgerFilterPlace place, uint64 length)
{
	if (place.nblocks == 0)
		return place.behind == 0;
	return place.nblocks <= LEDGER_FILTER_BLOCKS_MAX && place.behind <= length &&
		LEDGER_FILTER_SIZE(place.nblocks) <= length - place.behind;
}

LedgerChunk *
ledger_chunk_prepare(const LedgerSource *source, uint64 length, LedgerFilterPlace filter,
					 const LedgerColumnType *type, int nrows, MemoryContext context)
{
	LedgerChunk *chunk = MemoryContextAllocZero(context, sizeof(LedgerChunk));

	Assert(nrows >= 0 && nrows <= LEDGER_CHUNK_ROWS_MAX);
	Assert(ledger_filter_fits(filter, length));
	chunk->source = *source;
	chunk->length = length;
	chunk->type = *type;
	chunk->nrows = nrows;
	chunk->nvectors = LEDGER_VECTORS_OF(nrows);
	chunk->context = context;
	chunk->vector = -1;
	if (filter.nblocks > 0)
	{
		chunk->filter.nblocks = filter.nblocks;
		chunk->filter.offset = length - filter.behind - LEDGER_FILTER_SIZE(filter.nblocks);
	}
	return chunk;
}

/*
 * Take over what the header says of filters.  A prepared chunk has pieces of
 * its filter already.
 */
static const uint8 *
open_filters(LedgerChunk *chunk, const LedgerChunkTrailer *trailer, const uint8 *p,
			 const uint8 *end, uint64 *vectors_end)
{
	LedgerChunkFilter filter = {0};
	LedgerChunkFilter tokens = {0};
	uint64		first = trailer->preamble_length;

	if (trailer->flags & LEDGER_CHUNK_TOKENS)
		p = open_filter(chunk, &tokens, p, end, *vectors_end - first, vectors_end);
	if (trailer->flags & LEDGER_CHUNK_FILTER)
		p = open_filter(chunk, &filter, p, end, *vectors_end - first, vectors_end);
	chunk->token_words = (trailer->flags & LEDGER_CHUNK_WORDS) != 0;
	chunk->tokens = tokens;
	if (chunk->filter.nblocks == 0)
		chunk->filter = filter;
	else if (chunk->filter.nblocks != filter.nblocks || chunk->filter.offset != filter.offset)
		ledger_corrupt(chunk, "filter is not where it should be");
	return p;
}

bool
ledger_chunk_is_loaded(const LedgerChunk *chunk)
{
	return chunk->loaded;
}

void
ledger_chunk_load(LedgerChunk *chunk)
{
	LedgerChunkTrailer trailer;
	const uint8 *p;
	const uint8 *end;
	uint64		vectors_end;

	if (chunk->loaded)
		return;
	p = read_header(chunk, &trailer);
	end = p + trailer.header_length;
	chunk->encoding = trailer.encoding;
	chunk->inner_length = trailer.inner_length;
	chunk->body_length = chunk->length - sizeof(trailer) - trailer.header_length -
		trailer.inner_length;
	chunk->zstd = (trailer.flags & LEDGER_CHUNK_ZSTD) != 0;
	if (chunk->zstd && !ledger_has_zstd())
		ledger_unsupported(chunk, "chunk is compressed with zstd, which this build of ledger lacks");

	vectors_end = chunk->body_length;
	p = open_vectors(chunk, p, end);
	p = open_filters(chunk, &trailer, p, end, &vectors_end);
	chunk->has_cut_zones = (trailer.flags & LEDGER_CHUNK_CUT_ZONES) != 0;
	if (trailer.flags & (LEDGER_CHUNK_ZONES | LEDGER_CHUNK_CUT_ZONES))
		p = open_zones(chunk, p, end);
	locate_vectors(chunk, trailer.preamble_length, vectors_end);
	open_extra(chunk, p, end, trailer.preamble_length);
	if (chunk->encoding == LEDGER_ENC_FLOAT)
		chunk->floats = MemoryContextAlloc(chunk->context, sizeof(LedgerFloats));
	chunk->loaded = true;
}

LedgerChunk *
ledger_chunk_open(const LedgerSource *source, uint64 length, const LedgerColumnType *type,
				  int nrows, MemoryContext context)
{
	LedgerFilterPlace unknown = {0};
	LedgerChunk *chunk = ledger_chunk_prepare(source, length, unknown, type, nrows, context);

	ledger_chunk_load(chunk);
	return chunk;
}

int
ledger_chunk_references(const LedgerChunk *chunk, const int **columns)
{
	const LedgerRowref *rowref;

	*columns = NULL;
	if (chunk->shred)
		return ledger_shred_references(chunk->shred, columns);
	if (chunk->lz4 == NULL)
		return 0;
	rowref = ledger_lz4_rowref(chunk->lz4);
	*columns = rowref->columns;
	return rowref->ncolumns;
}

/* Read a vector's meta, with LEDGER_SLACK behind it, and check it. */
static void
read_meta(LedgerChunk *chunk, int v)
{
	const LedgerChunkVector *entry = &chunk->vectors[v];
	Size		size = (Size) entry->meta_length + LEDGER_SLACK;

	if (size > MaxAllocSize)
		ledger_corrupt(chunk, "vector is too long");
	if (size > chunk->meta_size || chunk->meta_size > META_KEEP)
	{
		if (chunk->meta)
			pfree(chunk->meta);
		chunk->meta = NULL;
		chunk->meta_size = 0;
		chunk->meta = MemoryContextAlloc(chunk->context, size);
		chunk->meta_size = size;
	}
	chunk->source.read(chunk->source.arg, chunk->offsets[v + 1] - entry->meta_length,
					   entry->meta_length, chunk->meta);
	memset(chunk->meta + entry->meta_length, 0, LEDGER_SLACK);
	if (ledger_crc(chunk->meta, entry->meta_length) != entry->crc)
		ledger_corrupt(chunk, "vector has a wrong checksum");
}

/* Number of values that are not NULL among the first n of the bitmap. */
static int
count_notnull(const uint8 *bitmap, int n)
{
	int			count = (int) pg_popcount((const char *) bitmap, n / 8);

	if (n & 7)
		count += pg_number_of_ones[bitmap[n / 8] & ((1 << (n & 7)) - 1)];
	return count;
}

/*
 * May something be kept of a vector, for who turns to it again?  Unless "at_once",
 * not for who does so once, as scans do, of which "asked" takes note; nor without end.
 */
bool
ledger_chunk_may_keep(const LedgerChunk *chunk, uint64 *asked, int v, bool at_once)
{
	uint64		bit = UINT64CONST(1) << (v % LEDGER_KEPT_VECTORS);
	bool		again = (*asked & bit) != 0;

	*asked |= bit;
	return (again || at_once) && chunk->nvectors <= LEDGER_KEPT_VECTORS &&
		MemoryContextMemAllocated(chunk->context, false) <= LEDGER_KEPT_MAX;
}

/*
 * To read one number of an entropy code, all before it in its stretch are read.
 * So who comes back again and again has the vector's symbols kept, and a look-up at
 * once if there is room; see also codes.c:keep_codes.
 */
static void
offer_to_keep(LedgerChunk *chunk, int v)
{
	uint64		bit = UINT64CONST(1) << (v % LEDGER_KEPT_VECTORS);

	if (chunk->nvectors > LEDGER_KEPT_VECTORS)
		return;
	for (int i = 0; i < 2 && !chunk->keep_at_once; i++)
	{
		if ((chunk->symbols_asked[i] & bit) == 0)
		{
			chunk->symbols_asked[i] |= bit;
			return;
		}
	}
	if (chunk->kept_symbols == NULL)
		chunk->kept_symbols = MemoryContextAllocZero(chunk->context,
													 chunk->nvectors * sizeof(uint16 *));
	chunk->ints.kept = &chunk->kept_symbols[v];
	chunk->ints.keep_in = chunk->context;
}

/* Turn to a vector: read its meta and understand what precedes the values. */
static void
open_vector(LedgerChunk *chunk, int v)
{
	const LedgerChunkVector *entry = &chunk->vectors[v];
	int			rows = Min(chunk->nrows - v * LEDGER_VECTOR_ROWS, LEDGER_VECTOR_ROWS);
	int			n = rows - entry->nulls;
	uint64		length = chunk->offsets[v + 1] - chunk->offsets[v];
	const uint8 *p;
	const uint8 *end;

	chunk->vector = -1;
	read_meta(chunk, v);
	p = chunk->meta;
	end = p + entry->meta_length;
	chunk->notnull = NULL;
	if (entry->nulls > 0 && n > 0)
	{
		if (end - p < (rows + 7) / 8 || count_notnull(p, rows) != n)
			ledger_corrupt(chunk, "null bitmap is malformed");
		chunk->notnull = p;
		p += (rows + 7) / 8;
	}
	chunk->ints.n = n;
	if (n == 0)
	{
		if (length != 0)
			ledger_corrupt(chunk, "vector without values is not empty");
		chunk->vector = v;
		return;
	}
	switch (chunk->encoding)
	{
		case LEDGER_ENC_NULL:
		case LEDGER_ENC_CONSTANT:
			break;
		case LEDGER_ENC_INTEGER:
		case LEDGER_ENC_DICTIONARY:
		case LEDGER_ENC_DECIMAL:
		case LEDGER_ENC_NUMBER:
			p = ledger_integers_open(&chunk->ints, n, p, end);
			break;
		case LEDGER_ENC_FLOAT:
			p = ledger_floats_open(chunk->floats, 8 * chunk->type.attlen, n, p, end);
			break;
		case LEDGER_ENC_HEX:
			chunk->packed = p;
			p += (Size) n * LEDGER_TEMPLATE_STRIDE(chunk->tmpl);
			break;
		case LEDGER_ENC_LZ4:
			ledger_lz4_vector_open(chunk, p, end, n, chunk->offsets[v],
								   length - entry->meta_length);
			p = end;
			break;
		case LEDGER_ENC_LINES:
			ledger_lines_vector_open(chunk, v, p, end, n);
			p = end;
			break;
		case LEDGER_ENC_SHREDDED:
			p = ledger_shred_vector_open(chunk, p, end, n);
			break;
	}
	if (p != end)
		ledger_corrupt(chunk, "vector has a wrong length");
	if (chunk->ints.nsymbols > 0)
		offer_to_keep(chunk, v);
	chunk->vector = v;
}

static void
read_integers(LedgerChunk *chunk, int first, int count, uint64 *numbers)
{
	if (chunk->encoding == LEDGER_ENC_FLOAT)
		ledger_floats_read(chunk->floats, first, count, numbers);
	else
		ledger_integers_read(&chunk->ints, first, count, numbers);
}

static void
decode_integers(LedgerChunk *chunk, int first, int count, Datum *values)
{
	uint64		numbers[LEDGER_VECTOR_ROWS];

	if (chunk->type.attlen == sizeof(uint64) && sizeof(Datum) == sizeof(uint64))
	{
		read_integers(chunk, first, count, (uint64 *) values);
		return;
	}
	read_integers(chunk, first, count, numbers);
	switch (chunk->type.attlen)
	{
		case 1:
			for (int i = 0; i < count; i++)
				values[i] = CharGetDatum((char) numbers[i]);
			break;
		case 2:
			for (int i = 0; i < count; i++)
				values[i] = Int16GetDatum((int16) numbers[i]);
			break;
		case 4:
			for (int i = 0; i < count; i++)
				values[i] = Int32GetDatum((int32) numbers[i]);
			break;
		default:
			for (int i = 0; i < count; i++)
				values[i] = (Datum) numbers[i];
			break;
	}
}

void
ledger_constant_value(LedgerChunk *chunk, Datum *value)
{
	LedgerArena arena = {NULL, 0};
	char	   *dst = ledger_arena_value(&arena, &chunk->type, chunk->constant.len, 0, value);

	memcpy(dst, chunk->constant.data, chunk->constant.len);
}

static void
decode_constant(LedgerChunk *chunk, int count, Datum *values)
{
	ledger_constant_value(chunk, &values[0]);
	for (int i = 1; i < count; i++)
		values[i] = values[0];
}

static void
decode_numbers(LedgerChunk *chunk, int first, int count, Datum *values)
{
	Size		hint = count * ledger_value_size(&chunk->type, LEDGER_NUMBER_MAX / 4);
	LedgerArena arena = {NULL, 0};
	uint64		numbers[LEDGER_VECTOR_ROWS];

	ledger_integers_read(&chunk->ints, first, count, numbers);
	for (int i = 0; i < count; i++)
	{
		char		room[LEDGER_NUMBER_MAX];
		int			len = ledger_number_format(chunk->numbering, numbers[i], room);

		memcpy(ledger_arena_value(&arena, &chunk->type, len, hint, &values[i]), room, len);
	}
}

static void
decode_templated(LedgerChunk *chunk, int first, int count, Datum *values)
{
	const LedgerTemplate *tmpl = chunk->tmpl;
	int			stride = LEDGER_TEMPLATE_STRIDE(tmpl);
	Size		hint = count * ledger_value_size(&chunk->type, tmpl->len);
	LedgerArena arena = {NULL, 0};
	uint64		numbers[LEDGER_VECTOR_ROWS];

	if (tmpl->decimal)
		ledger_integers_read(&chunk->ints, first, count, numbers);
	for (int i = 0; i < count; i++)
	{
		char	   *dst = ledger_arena_value(&arena, &chunk->type, tmpl->len, hint, &values[i]);

		if (!tmpl->decimal)
			ledger_template_unpack(tmpl, chunk->packed + (Size) (first + i) * stride, dst);
		else if (!ledger_template_format(tmpl, numbers[i], dst))
			ledger_corrupt(chunk, "number has too many digits");
	}
}

/*
 * Decode values first .. first + count - 1 of the open vector, not counting
 * NULLs; value i is that of row rows[i] of the references, and of "wanted", which
 * is NULL if all are.
 */
static void
decode_dense(LedgerChunk *chunk, int first, int count, const int *rows, const bool *wanted,
			 const LedgerDecoded *references, Datum *values)
{
	if (count == 0)
		return;
	switch (chunk->encoding)
	{
		case LEDGER_ENC_NULL:
			break;
		case LEDGER_ENC_CONSTANT:
			decode_constant(chunk, count, values);
			break;
		case LEDGER_ENC_INTEGER:
		case LEDGER_ENC_FLOAT:
			decode_integers(chunk, first, count, values);
			break;
		case LEDGER_ENC_DICTIONARY:
			ledger_dict_decode(chunk, &chunk->ints, first, count, values);
			break;
		case LEDGER_ENC_NUMBER:
			decode_numbers(chunk, first, count, values);
			break;
		case LEDGER_ENC_HEX:
		case LEDGER_ENC_DECIMAL:
			decode_templated(chunk, first, count, values);
			break;
		case LEDGER_ENC_LZ4:
			ledger_lz4_decode(chunk, first, count, rows, wanted, references, values);
			break;
		case LEDGER_ENC_LINES:
			ledger_lines_decode(chunk, first, count, values);
			break;
		case LEDGER_ENC_SHREDDED:
			ledger_shred_decode(chunk, first, count, rows, wanted, references, values);
			break;
	}
}

/*
 * Turn to the vector of row "first", and find the rows among the "count" from
 * there on that are not NULL: their number is returned, their places, counted
 * from "first", are put in "rows", and *dense is the first one's number in the
 * vector, not counting NULLs.
 */
int
ledger_chunk_select(LedgerChunk *chunk, int first, int count, int *rows, int *dense)
{
	int			start = first % LEDGER_VECTOR_ROWS;
	int			n = 0;

	Assert(first >= 0 && count >= 0 && first + count <= chunk->nrows);
	Assert(start + count <= LEDGER_VECTOR_ROWS);
	chunk->look_up = chunk->by_documents ? *chunk->by_documents : count <= LEDGER_LOOK_UP_ROWS;
	if (chunk->vector != first / LEDGER_VECTOR_ROWS)
	{
		chunk->keep_at_once = chunk->look_up && chunk->source.has_room &&
			chunk->source.has_room(chunk->source.arg);
		open_vector(chunk, first / LEDGER_VECTOR_ROWS);
	}
	*dense = start;
	if (chunk->ints.n == 0)
		return 0;
	if (chunk->notnull == NULL)
	{
		for (int i = 0; i < count; i++)
			rows[i] = i;
		return count;
	}
	*dense = count_notnull(chunk->notnull, start);
	for (int i = 0; i < count; i++)
	{
		int			bit = start + i;

		if (chunk->notnull[bit >> 3] & (1 << (bit & 7)))
			rows[n++] = i;
	}
	return n;
}

void
ledger_chunk_decode(LedgerChunk *chunk, int first, int count,
					const LedgerDecoded *references, Datum *values, bool *isnull)
{
	ledger_chunk_decode_some(chunk, first, count, NULL, references, values, isnull);
}

void
ledger_chunk_decode_some(LedgerChunk *chunk, int first, int count, const bool *wanted,
						 const LedgerDecoded *references, Datum *values, bool *isnull)
{
	int			rows[LEDGER_VECTOR_ROWS];
	int			dense;
	int			n;

	if (count == 0)
		return;
	n = ledger_chunk_select(chunk, first, count, rows, &dense);
	decode_dense(chunk, dense, n, rows, wanted, references, values);
	memset(isnull, n < count, count);
	if (n == count)
		return;

	/* move the values to their rows, from the last on as these move up */
	for (int i = count - 1; i >= 0; i--)
	{
		if (n > 0 && rows[n - 1] == i)
		{
			isnull[i] = false;
			values[i] = values[--n];
		}
		else
			values[i] = (Datum) 0;
	}
}

/* The same for encodings whose values must be decoded to be compared. */
static bool
decoded_matches(LedgerChunk *chunk, int first, int count, const int *rows, const Datum *values)
{
	const LedgerColumnType *type = &chunk->type;
	Datum		decoded[LEDGER_VECTOR_ROWS];

	decode_dense(chunk, first, count, rows, NULL, NULL, decoded);
	for (int i = 0; i < count; i++)
	{
		Datum		value = values[rows[i]];

		if (type->attbyval ? decoded[i] != value :
			!ledger_bytes_equal(ledger_datum_bytes(type, decoded[i]),
								ledger_datum_bytes(type, value)))
			return false;
	}
	return true;
}

bool
ledger_chunk_matches(LedgerChunk *chunk, int first, int count, const LedgerDecoded *references,
					 const Datum *values, const bool *isnull)
{
	int			rows[LEDGER_VECTOR_ROWS];
	int			dense;
	int			n;
	int			nulls = 0;

	if (count == 0)
		return true;
	n = ledger_chunk_select(chunk, first, count, rows, &dense);
	for (int i = 0; i < count; i++)
		nulls += isnull[i];
	if (nulls != count - n)
		return false;
	for (int i = 0; i < n; i++)
	{
		if (isnull[rows[i]])
			return false;
	}
	switch (n == 0 ? LEDGER_ENC_NULL : chunk->encoding)
	{
		case LEDGER_ENC_NULL:
			return n == 0;
		case LEDGER_ENC_DICTIONARY:
			return ledger_dict_matches(chunk, &chunk->ints, dense, n, rows, values);
		case LEDGER_ENC_LZ4:
			return ledger_lz4_matches(chunk, dense, n, rows, references, values);
		case LEDGER_ENC_LINES:
			return ledger_lines_matches(chunk, dense, n, rows, values);
		case LEDGER_ENC_SHREDDED:
			return ledger_shred_matches(chunk, dense, n, rows, references, values);
		default:
			return decoded_matches(chunk, dense, n, rows, values);
	}
}

bool
ledger_chunk_checks_itself(const LedgerChunk *chunk, LedgerEffort effort)
{
	return chunk->encoding == LEDGER_ENC_LZ4 && effort == LEDGER_EFFORT_QUICK;
}

const char *
ledger_chunk_encoding(const LedgerChunk *chunk)
{
	switch (chunk->encoding)
	{
		case LEDGER_ENC_NULL:
			return "null";
		case LEDGER_ENC_CONSTANT:
			return "constant";
		case LEDGER_ENC_INTEGER:
			return "integer";
		case LEDGER_ENC_DICTIONARY:
			return "dictionary";
		case LEDGER_ENC_HEX:
			return "hex";
		case LEDGER_ENC_DECIMAL:
			return "decimal";
		case LEDGER_ENC_LZ4:
			return ledger_lz4_rowref(chunk->lz4)->ncolumns > 0 ? "lz4+refs" : "lz4";
		case LEDGER_ENC_LINES:
			return "lines";
		case LEDGER_ENC_FLOAT:
			return "float";
		case LEDGER_ENC_NUMBER:
			return "number";
		case LEDGER_ENC_SHREDDED:
			return "shredded";
	}
	pg_unreachable();
}

uint32
ledger_chunk_nulls(const LedgerChunk *chunk, int vector)
{
	Assert(vector >= 0 && vector < chunk->nvectors);
	return chunk->vectors[vector].nulls;
}

void
ledger_chunk_zone(LedgerChunk *chunk, int vector, LedgerZone *zone)
{
	int			rows = Min(chunk->nrows - vector * LEDGER_VECTOR_ROWS, LEDGER_VECTOR_ROWS);
	const uint64 *zones = chunk->has_cut_zones ? NULL : ledger_chunk_zones(chunk);

	Assert(vector >= 0 && vector < chunk->nvectors);
	memset(zone, 0, sizeof(*zone));
	zone->nulls = chunk->vectors[vector].nulls;
	if (zones && zone->nulls < (uint32) rows)
	{
		zone->valid = true;
		zone->min = (Datum) zones[2 * vector];
		zone->max = (Datum) zones[2 * vector + 1];
	}
}

/* Make room for more values; what is left of the last piece is given up. */
char *
ledger_arena_more(LedgerArena *arena, Size size, Size hint)
{
	arena->left = Max(size, Min(hint, LEDGER_ARENA_PIECE));
	arena->next = palloc_extended(arena->left, MCXT_ALLOC_HUGE);
	return arena->next;
}
