/*-------------------------------------------------------------------------
 *
 * filter.c
 *	  Bloom filters of a chunk's values, for equality.
 *
 * A filter is blocks of 256 bits, eight words of 32.  A value's hash names a
 * block, and a bit in each of its words.  With 10.5 bits a distinct value one
 * in a hundred others seems to be there.
 *
 * What is hashed is not a value's bytes but what its type's equality compares:
 * 1.0 and 1.00 are one numeric, -0.0 and 0.0 one float.  Integers of different
 * widths hash alike, and so do floats.
 *
 * The filter lies before that of tokens, at the end of the chunk's body, and is read
 * piece by piece, as it is asked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/transam.h"
#include "catalog/pg_type_d.h"
#include "codec/codec_internal.h"
#include "codec/numeric.h"
#include "miscadmin.h"

#define WORDS				LEDGER_FILTER_WORDS

/* With so few distinct values, a filter says little that is worth its bytes. */
#define DISTINCT_MIN		16

/* Values this long on average are not what one looks for by equality. */
#define MEAN_MAX			128

static const uint32 salts[WORDS] = {
	0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1, 0xD3A2646D, 0xFD7046C5, 0xB55A4F09
};

/* ---- hashing ---- */

static inline uint64
mix(uint64 x)
{
	x = (x ^ (x >> 32)) * UINT64CONST(0xD6E8FEB86659FD93);
	x = (x ^ (x >> 29)) * UINT64CONST(0xA0761D6478BD642F);
	return x ^ (x >> 32);
}

uint64
ledger_hash_bytes(const char *data, Size len, uint64 seed)
{
	uint64		hash = mix(seed ^ (len * UINT64CONST(0x9E3779B97F4A7C15)));
	uint64		word;

	for (; len >= sizeof(word); data += sizeof(word), len -= sizeof(word))
	{
		memcpy(&word, data, sizeof(word));
		hash = mix(hash ^ word);
	}
	word = 0;
	for (; len > 0; len--)
		word = (word << 8) | (uint8) *data++;
	return mix(hash ^ word ^ UINT64CONST(0x5851F42D4C957F2D));
}

static uint64
hash_float(double value)
{
	uint64		bits;

	if (value == 0)
		value = 0;				/* of either sign */
	if (isnan(value))
		return mix(UINT64CONST(0x7FF8000000000000));
	memcpy(&bits, &value, sizeof(bits));
	return mix(bits);
}

/*
 * The digits, the weight and the sign, but not the display scale: the server
 * stores no zero digits at either end.
 */
static bool
hash_numeric(LedgerBytes bytes, uint64 *hash)
{
	LedgerNumeric numeric;
	uint16		header;

	if (ledger_numeric_parse(bytes.data, bytes.len, &numeric))
	{
		*hash = numeric.ndigits == 0 ? mix(1) :
			ledger_hash_bytes(numeric.digits, numeric.ndigits * sizeof(int16),
							  (uint64) (int64) numeric.weight * 2 + numeric.negative);
		return true;
	}
	if (bytes.len < sizeof(header))
		return false;
	memcpy(&header, bytes.data, sizeof(header));
	*hash = mix(header);
	return (header & LEDGER_NUMERIC_FORM) == LEDGER_NUMERIC_SPECIAL;	/* NaN, infinities */
}

/*
 * Is equality of this collation that of bytes?  Those that initdb makes are
 * all deterministic; of others we cannot know here.
 */
static bool
is_deterministic(Oid collation)
{
	return OidIsValid(collation) && collation < FirstNormalObjectId;
}

static bool
is_hashable(const LedgerColumnType *type)
{
	switch (type->typid)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return type->attbyval;
		case FLOAT4OID:
		case FLOAT8OID:
			return type->attbyval;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
			return is_deterministic(type->collation);
		case NUMERICOID:
		case UUIDOID:
		case BYTEAOID:
		case INETOID:
		case CIDROID:
		case MACADDROID:
		case MACADDR8OID:
			return !type->attbyval;
		default:
			return false;
	}
}

bool
ledger_value_hash(const LedgerColumnType *type, Datum value, uint64 *hash)
{
	LedgerBytes bytes;

	if (!is_hashable(type))
		return false;
	switch (type->typid)
	{
		case INT2OID:
			*hash = mix((uint64) (int64) DatumGetInt16(value));
			return true;
		case INT4OID:
		case DATEOID:
			*hash = mix((uint64) (int64) DatumGetInt32(value));
			return true;
		case OIDOID:
			*hash = mix((uint64) DatumGetObjectId(value));
			return true;
		case INT8OID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			*hash = mix((uint64) value);
			return true;
		case FLOAT4OID:
			*hash = hash_float(DatumGetFloat4(value));
			return true;
		case FLOAT8OID:
			*hash = hash_float(DatumGetFloat8(value));
			return true;
		default:
			break;
	}
	bytes = ledger_datum_bytes(type, value);
	if (type->typid == NUMERICOID)
		return hash_numeric(bytes, hash);
	if (type->typid == NAMEOID)
		bytes.len = strnlen(bytes.data, bytes.len);
	if (type->typid == BPCHAROID)
		while (bytes.len > 0 && bytes.data[bytes.len - 1] == ' ')
			bytes.len--;
	*hash = ledger_hash_bytes(bytes.data, bytes.len, 0);
	return true;
}

/* ---- making ---- */

static inline uint32
block_of(uint64 hash, uint32 nblocks)
{
	return (uint32) (((hash >> 32) * nblocks) >> 32);
}

static inline uint32
bit_of(uint64 hash, int word)
{
	return (uint32) 1 << (((uint32) hash * salts[word]) >> 27);
}

/* How many blocks a filter of n values has. */
uint32
ledger_filter_blocks(uint32 n)
{
	return (uint32) ceil(n * LEDGER_FILTER_BITS / (32 * WORDS));
}

void
ledger_filter_add(uint32 *filter, uint32 nblocks, uint64 hash)
{
	uint32	   *block = filter + block_of(hash, nblocks) * WORDS;

	for (int w = 0; w < WORDS; w++)
		block[w] |= bit_of(hash, w);
}

/* The distinct hashes among n; returns how many, in place. */
static int
distinct_hashes(uint64 *hashes, int n)
{
	uint32		size = 64;
	uint64	   *slots;
	int			kept = 0;

	while (size < 2 * (uint32) n)
		size *= 2;
	slots = palloc0(sizeof(uint64) * size);
	for (int i = 0; i < n; i++)
	{
		uint64		hash = hashes[i] != 0 ? hashes[i] : 1;	/* 0 is an empty slot */
		uint32		place = (uint32) hash & (size - 1);

		while (slots[place] != 0 && slots[place] != hash)
			place = (place + 1) & (size - 1);
		if (slots[place] == 0)
		{
			slots[place] = hash;
			hashes[kept++] = hash;
		}
	}
	pfree(slots);
	return kept;
}

/* The hashes of the column's values, or of the dictionary's; -1: no filter. */
static int
collect_hashes(LedgerEncoder *enc, uint64 **hashes)
{
	const LedgerColumnInput *input = enc->input;
	bool		entries = enc->encoding == LEDGER_ENC_DICTIONARY;
	int			count = entries ? enc->nentries : input->nrows;
	int			n = 0;

	*hashes = palloc(sizeof(uint64) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		int			row = entries ? (int) enc->entries[i] : i;

		if ((i & 8191) == 0)
			CHECK_FOR_INTERRUPTS();
		if (input->isnull[row])
			continue;
		if (!ledger_value_hash(&input->type, input->values[row], &(*hashes)[n++]))
			return -1;
	}
	return distinct_hashes(*hashes, n);
}

/*
 * Make the chunk's filter, if it is any use; returns the number of its blocks,
 * or 0.  "answered" tells that zone maps do its work.
 */
uint32
ledger_filter_make(LedgerEncoder *enc, const LedgerSummary *summary, bool answered,
				   uint32 **filter)
{
	uint64	   *hashes;
	uint32		nblocks;
	int			n;

	/* nor does one look for measurements by equality */
	if (!is_hashable(&enc->input->type) || answered || enc->encoding == LEDGER_ENC_FLOAT ||
		enc->encoding == LEDGER_ENC_NULL || enc->encoding == LEDGER_ENC_CONSTANT ||
		enc->encoding == LEDGER_ENC_LINES ||
		(enc->encoding == LEDGER_ENC_DICTIONARY && enc->nentries <= DISTINCT_MIN) ||
		summary->total > (uint64) summary->nvalues * MEAN_MAX)
		return 0;
	n = collect_hashes(enc, &hashes);
	if (n <= DISTINCT_MIN)
		return 0;
	nblocks = ledger_filter_blocks(n);
	/* a sub-column can have more distinct values than a filter may have blocks for */
	if (nblocks > LEDGER_FILTER_BLOCKS_MAX)
		return 0;
	*filter = palloc0(nblocks * LEDGER_FILTER_BLOCK);
	for (int i = 0; i < n; i++)
		ledger_filter_add(*filter, nblocks, hashes[i]);
	pfree(hashes);
	return nblocks;
}

/* ---- asking ---- */

LedgerFilterPlace
ledger_chunk_filter_place(const LedgerChunk *chunk)
{
	LedgerFilterPlace place = {0};

	if (chunk->filter.nblocks > 0)
	{
		place.nblocks = chunk->filter.nblocks;
		place.behind = chunk->length - chunk->filter.offset - LEDGER_FILTER_SIZE(place.nblocks);
	}
	return place;
}

bool
ledger_chunk_has_filter(const LedgerChunk *chunk)
{
	return chunk->filter.nblocks > 0;
}

/* Read, check and keep a piece of a filter. */
static void
load_piece(LedgerChunk *chunk, LedgerChunkFilter *filter, uint32 i)
{
	uint32		nblocks = Min(filter->nblocks - i * LEDGER_FILTER_PIECE, LEDGER_FILTER_PIECE);
	Size		size = nblocks * LEDGER_FILTER_BLOCK;
	uint32	   *piece;

	if (filter->pieces == NULL)
		filter->pieces = MemoryContextAllocZero(chunk->context,
												LEDGER_FILTER_PIECES(filter->nblocks) * sizeof(uint32 *));
	piece = MemoryContextAlloc(chunk->context, LEDGER_FILTER_SIZE(nblocks));
	chunk->source.read(chunk->source.arg,
					   filter->offset + i * LEDGER_FILTER_SIZE(LEDGER_FILTER_PIECE),
					   LEDGER_FILTER_SIZE(nblocks), piece);
	if (ledger_crc(piece, size) != piece[size / sizeof(uint32)])
		ledger_corrupt(chunk, "filter has a wrong checksum");
	filter->pieces[i] = piece;
}

/* Is the hash, which is not 0, in a filter, or seems to be? */
bool
ledger_filter_has(LedgerChunk *chunk, LedgerChunkFilter *filter, uint64 hash)
{
	uint32		number = block_of(hash, filter->nblocks);
	uint32		piece = number / LEDGER_FILTER_PIECE;
	const uint32 *block;

	if (filter->pieces == NULL || filter->pieces[piece] == NULL)
		load_piece(chunk, filter, piece);
	block = filter->pieces[piece] + number % LEDGER_FILTER_PIECE * WORDS;
	for (int w = 0; w < WORDS; w++)
		if (!(block[w] & bit_of(hash, w)))
			return false;
	return true;
}

/*
 * Can a value with this hash be in the chunk?  If not, it is not.
 */
bool
ledger_chunk_may_contain(LedgerChunk *chunk, uint64 hash)
{
	if (chunk->filter.nblocks == 0)
		return true;
	return ledger_filter_has(chunk, &chunk->filter, hash != 0 ? hash : 1);
}
