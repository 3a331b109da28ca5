/*-------------------------------------------------------------------------
 *
 * dict.c
 *	  Dictionaries over the whole chunk, for values by reference.
 *
 * Codes count distinct values in order of first appearance, so that the codes
 * of a vector of new values are close together and take few bits.
 *
 * The entries are in the preamble, in blocks that are read when first needed
 * and kept.  Entries that follow a template are packed by it, the same number
 * to each block; others are, block by block, their lengths (two bytes each)
 * and then their bytes, all in LZ4 where that helps.  Blocks of packed entries are
 * small: who looks one row up wants one of them.
 *
 * Behind the blocks, unless there are few entries, is a locator (locator.c) that
 * tells which group of GROUP entries has one of given bytes: to look through all
 * is dear for who looks one value up in many segments.  Sub-columns have none, as
 * nobody asks so of them.
 *
 * Bytes of the encoding's part of the header:
 *
 *		0	4	number of entries
 *		4	1	1 if there is a template, plus 2 if there is a locator
 *			..	the template, if any
 *			4	number of blocks
 *			16	for each: DictBlock; with a template 4: CRC-32C
 *			1	seed of the locator's hashes, if there is one
 *			4	and CRC-32C of it
 *			..	least code of each vector (ledger_numbers_write); 0 if it has none
 *			..	greatest code of each, less the least, likewise
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/codec_internal.h"
#include "port/pg_bitutils.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/*
 * Most stored bytes of a block of packed entries, which says how many each of them
 * has: never change.  Raw bytes of one of others.
 */
#define PACKED_BLOCK		2048
#define PLAIN_BLOCK			16384

/* Most bytes of entries, so that an open chunk can keep all its blocks. */
#define PLAIN_TOTAL_MAX		(1024 * 1024)
#define BLOCK_RAW_MAX		(PLAIN_BLOCK + LEDGER_DICT_ENTRY_MAX + 3 * PLAIN_BLOCK)

/* Entries of a block: even empty ones take two bytes each. */
#define BLOCK_ENTRIES_MAX	8192

/* Room for a decoded entry, on average */
#define ENTRY_GUESS			64

/* After this many values, give up if nearly all of them were new. */
#define EARLY_LOOK			8192

#define DICT_HC_LEVEL(effort)	((effort) == LEDGER_EFFORT_QUICK ? 3 : 6)

typedef struct DictBlock
{
	uint32		length;			/* as stored; equal to raw_length: not LZ4 */
	uint32		raw_length;
	pg_crc32c	crc;			/* of the stored bytes */
	uint32		nentries;
} DictBlock;

typedef struct DictPlace
{
	DictBlock	block;
	uint32		first;			/* its first entry's code */
	uint64		offset;
} DictPlace;

/* Bytes that the header has of a block */
#define DESCRIPTION_SIZE(templated)	((templated) ? sizeof(pg_crc32c) : sizeof(DictBlock))

/*
 * A hash table of the values found so far, with open addressing.  It keeps
 * hashes and codes only; the values themselves are in the rows.
 */
typedef struct DictSlot
{
	uint32		hash;
	uint32		code;			/* plus 1; 0 if the slot is empty */
} DictSlot;

typedef struct DictTable
{
	DictSlot   *slots;
	uint32		mask;			/* number of slots, a power of 2, less 1 */
	uint64		steps;			/* from slot to slot, in all */
} DictTable;

#define TABLE_FIRST_SIZE	1024

/* Steps a row from which on the hashes are no good, by chance or by intent. */
#define STEPS_MAX			64

#define HAS_TEMPLATE		1
#define HAS_LOCATOR			2

/* Entries of a group are 1 << GROUP_SHIFT.  Never change. */
#define GROUP_SHIFT			7
#define GROUP				(1 << GROUP_SHIFT)

/* Fewer entries are looked through as fast; only sub-columns have more. */
#define LOCATOR_MIN			(2 * GROUP)
#define LOCATOR_MAX			LEDGER_SEGMENT_ROWS

StaticAssertDecl(LOCATOR_MAX <= GROUP << LEDGER_LOCATOR_WIDTH_MAX, "groups do not fit");

/* Hashes that are tried.  Where they fail again and again it is not by chance. */
#define LOCATOR_SEEDS		8

struct LedgerDict
{
	uint32		nentries;
	bool		templated;
	LedgerTemplate tmpl;
	uint32		per_block;		/* entries, if templated */
	uint32		nblocks;
	const uint8 *crcs;			/* of the blocks, in the header, if templated */
	DictPlace  *places;			/* of the blocks, if not: else it can be computed */
	uint8	  **data;			/* raw bytes of each block read so far */
	uint32	  **starts;			/* and, without template, of each entry */

	bool		has_locator;
	uint8		seed;
	pg_crc32c	locator_crc;
	uint64		locator_offset;
	int			locator_width;
	uint8	   *locator;		/* NULL until read */

	const uint8 *stored_ranges;	/* in the header */
	const uint8 *stored_ranges_end;
	uint64	   *least;			/* codes, by vector; NULL until asked for */
	uint64	   *range;			/* greatest less least */
};

/* Bits of a group's number. */
static int
group_width(uint32 nentries)
{
	return pg_leftmost_one_pos32((nentries - 1) >> GROUP_SHIFT) + 1;
}

/* Sum of the sizes of the codes, packed vector by vector. */
static uint64
measure_codes(LedgerEncoder *enc, const uint32 *codes)
{
	const LedgerColumnInput *input = enc->input;
	uint64		size = 0;
	uint64		numbers[LEDGER_VECTOR_ROWS];

	for (int start = 0; start < input->nrows; start += LEDGER_VECTOR_ROWS)
	{
		int			end = Min(start + LEDGER_VECTOR_ROWS, input->nrows);
		int			n = 0;

		for (int row = start; row < end; row++)
		{
			if (!input->isnull[row])
				numbers[n++] = codes[row];
		}
		size += ledger_integers_size(numbers, n);
	}
	return size;
}

/*
 * Eight bytes at a time.  hash_bytes() is better, but took longer than all
 * else here.
 */
static uint32
hash_value(LedgerBytes value)
{
	const uint64 factor = UINT64CONST(0x9E3779B97F4A7C15);
	uint64		hash = value.len * factor;
	const char *p = value.data;
	Size		left = value.len;
	uint64		word;

	for (; left >= sizeof(word); p += sizeof(word), left -= sizeof(word))
	{
		memcpy(&word, p, sizeof(word));
		hash = (hash ^ word) * factor;
		hash ^= hash >> 29;
	}
	word = 0;
	for (; left > 0; left--)
		word = (word << 8) | (uint8) *p++;
	hash = (hash ^ word) * factor;
	return (uint32) (hash >> 32);
}

static void
grow_table(DictTable *table)
{
	DictSlot   *old = table->slots;
	uint32		old_size = old ? table->mask + 1 : 0;
	uint32		size = old ? 2 * old_size : TABLE_FIRST_SIZE;

	table->slots = palloc0(size * sizeof(DictSlot));
	table->mask = size - 1;
	for (uint32 i = 0; i < old_size; i++)
	{
		uint32		place = old[i].hash & table->mask;

		if (old[i].code == 0)
			continue;
		while (table->slots[place].code != 0)
			place = (place + 1) & table->mask;
		table->slots[place] = old[i];
	}
	if (old)
		pfree(old);
}

/* The slot of a value: its own, or the empty one where it belongs. */
static DictSlot *
find_slot(LedgerEncoder *enc, const LedgerDictBuild *dict, DictTable *table,
		  LedgerBytes value, uint32 hash)
{
	uint32		place = hash & table->mask;

	for (;;)
	{
		DictSlot   *slot = &table->slots[place];

		if (slot->code == 0)
			return slot;
		if (slot->hash == hash)
		{
			LedgerBytes known = ledger_encoder_value(enc, dict->rows[slot->code - 1]);

			if (known.len == value.len && memcmp(known.data, value.data, value.len) == 0)
				return slot;
		}
		place = (place + 1) & table->mask;
		table->steps++;
	}
}

/*
 * Give every distinct value a code; false if that cannot pay: too many
 * distinct values, or too many bytes of them.
 */
bool
ledger_dict_build(LedgerEncoder *enc, LedgerDictBuild *dict)
{
	const LedgerColumnInput *input = enc->input;
	DictTable	table = {0};
	int			nvalues = 0;
	bool		ok = true;

	memset(dict, 0, sizeof(*dict));
	dict->codes = palloc(sizeof(uint32) * input->nrows);
	dict->rows = palloc(sizeof(uint32) * input->nrows);
	grow_table(&table);
	for (int row = 0; row < input->nrows && ok; row++)
	{
		LedgerBytes value;
		DictSlot   *slot;
		uint32		hash;

		if ((row & 1023) == 0)
			CHECK_FOR_INTERRUPTS();
		if (input->isnull[row])
			continue;
		value = ledger_encoder_value(enc, row);
		hash = hash_value(value);
		slot = find_slot(enc, dict, &table, value, hash);
		if (slot->code == 0)
		{
			dict->rows[dict->nentries++] = row;
			dict->total += value.len;
			slot->hash = hash;
			slot->code = dict->nentries;
			dict->codes[row] = dict->nentries - 1;
			if ((uint32) dict->nentries > table.mask / 2)
				grow_table(&table);
		}
		else
			dict->codes[row] = slot->code - 1;
		nvalues++;
		if (nvalues == EARLY_LOOK && dict->nentries > nvalues - nvalues / 16)
			ok = false;
		if (!enc->templated && dict->total + 2 * (uint64) dict->nentries > PLAIN_TOTAL_MAX)
			ok = false;
		if (table.steps > STEPS_MAX * ((uint64) nvalues + 1024))
			ok = false;
	}
	pfree(table.slots);
	/* a load does not plan the packing of codes twice: here, and to write them */
	if (ok)
		dict->code_bytes = enc->effort == LEDGER_EFFORT_QUICK ?
			(uint64) nvalues * (pg_leftmost_one_pos32(Max(dict->nentries, 1)) + 1) / 8 :
			measure_codes(enc, dict->codes);
	else
	{
		pfree(dict->codes);
		pfree(dict->rows);
	}
	return ok;
}

/* Write one block's bytes, by LZ4 if that makes them fewer. */
static void
write_block(LedgerEncoder *enc, const char *raw, uint32 raw_length, uint32 nentries,
			bool compress, StringInfo blocks)
{
	char	   *room = compress ? palloc(raw_length) : NULL;
	int			length = 0;
	const char *stored = raw;
	DictBlock	block;

	if (compress)
		length = ledger_compress(enc, DICT_HC_LEVEL(enc->effort), raw, raw_length, room);
	if (length > 0)
		stored = room;
	else
		length = raw_length;
	block.length = length;
	block.raw_length = raw_length;
	block.nentries = nentries;
	block.crc = ledger_crc(stored, length);
	ledger_encoder_write(enc, stored, length);
	if (enc->templated)
		appendBinaryStringInfo(blocks, (char *) &block.crc, sizeof(block.crc));
	else
		appendBinaryStringInfo(blocks, (char *) &block, sizeof(block));
	if (room)
		pfree(room);
}

static void
write_packed(LedgerEncoder *enc, const LedgerDictBuild *dict, StringInfo blocks)
{
	int			stride = LEDGER_TEMPLATE_STRIDE(&enc->tmpl);
	int			per_block = PACKED_BLOCK / stride;
	uint8	   *room = palloc(PACKED_BLOCK);
	int			n = 0;

	for (int code = 0; code < dict->nentries; code++)
	{
		ledger_template_pack(&enc->tmpl, ledger_encoder_value(enc, dict->rows[code]).data,
							 room + n * stride);
		n++;
		if (n == per_block || code == dict->nentries - 1)
		{
			CHECK_FOR_INTERRUPTS();
			write_block(enc, (char *) room, n * stride, n, false, blocks);
			n = 0;
		}
	}
	pfree(room);
}

static void
write_plain(LedgerEncoder *enc, const LedgerDictBuild *dict, StringInfo blocks)
{
	StringInfoData lengths;
	StringInfoData bytes;
	int			n = 0;

	initStringInfo(&lengths);
	initStringInfo(&bytes);
	for (int code = 0; code < dict->nentries; code++)
	{
		LedgerBytes value = ledger_encoder_value(enc, dict->rows[code]);
		uint16		length = value.len;

		appendBinaryStringInfo(&lengths, (char *) &length, sizeof(length));
		appendBinaryStringInfo(&bytes, value.data, value.len);
		n++;
		if (bytes.len >= PLAIN_BLOCK || n == BLOCK_ENTRIES_MAX || code == dict->nentries - 1)
		{
			CHECK_FOR_INTERRUPTS();
			appendBinaryStringInfo(&lengths, bytes.data, bytes.len);
			write_block(enc, lengths.data, lengths.len, n, true, blocks);
			resetStringInfo(&lengths);
			resetStringInfo(&bytes);
			n = 0;
		}
	}
	pfree(lengths.data);
	pfree(bytes.data);
}

/* The hash of an entry as it is stored. */
static uint64
entry_hash(const LedgerEncoder *enc, const LedgerDictBuild *dict, int code, uint64 seed)
{
	LedgerBytes value = ledger_encoder_value(enc, dict->rows[code]);
	uint8		packed[LEDGER_TEMPLATE_MAX];

	if (enc->templated)
	{
		ledger_template_pack(&enc->tmpl, value.data, packed);
		value.data = (char *) packed;
		value.len = LEDGER_TEMPLATE_STRIDE(&enc->tmpl);
	}
	return ledger_hash_bytes(value.data, value.len, seed);
}

/* Write the locator, if there is to be one, and what the header has of it. */
static bool
write_locator(LedgerEncoder *enc, const LedgerDictBuild *dict, StringInfo header)
{
	uint32		nentries = dict->nentries;
	uint64	   *hashes;
	uint8	   *locator = NULL;
	pg_crc32c	crc;
	Size		size;

	if (enc->no_locator || nentries < LOCATOR_MIN || nentries > LOCATOR_MAX)
		return false;
	size = ledger_locator_size(nentries, group_width(nentries));
	hashes = palloc(sizeof(uint64) * nentries);
	for (int seed = 0; seed < LOCATOR_SEEDS && locator == NULL; seed++)
	{
		CHECK_FOR_INTERRUPTS();
		for (uint32 code = 0; code < nentries; code++)
			hashes[code] = entry_hash(enc, dict, code, seed);
		locator = ledger_locator_make(hashes, nentries, GROUP_SHIFT, group_width(nentries));
		if (locator != NULL)
			appendStringInfoCharMacro(header, seed);
	}
	pfree(hashes);
	if (locator == NULL)
		return false;
	crc = ledger_crc(locator, size);
	appendBinaryStringInfo(header, (char *) &crc, sizeof(crc));
	ledger_encoder_write(enc, locator, size);
	pfree(locator);
	return true;
}

/* Append which codes the vectors have. */
static void
write_ranges(LedgerEncoder *enc, const LedgerDictBuild *dict)
{
	const LedgerColumnInput *input = enc->input;
	int			nvectors = LEDGER_VECTORS_OF(input->nrows);
	uint64	   *least = palloc(sizeof(uint64) * nvectors);
	uint64	   *range = palloc(sizeof(uint64) * nvectors);

	for (int v = 0; v < nvectors; v++)
	{
		int			start = v * LEDGER_VECTOR_ROWS;
		int			end = Min(start + LEDGER_VECTOR_ROWS, input->nrows);
		uint32		low = PG_UINT32_MAX;
		uint32		high = 0;

		for (int row = start; row < end; row++)
		{
			if (input->isnull[row])
				continue;
			low = Min(low, dict->codes[row]);
			high = Max(high, dict->codes[row]);
		}
		low = Min(low, high);
		least[v] = low;
		range[v] = high - low;
	}
	ledger_numbers_write(least, nvectors, &enc->extra);
	ledger_numbers_write(range, nvectors, &enc->extra);
	pfree(least);
	pfree(range);
}

/* Write the blocks, and fill in the encoding's part of the header. */
void
ledger_dict_write(LedgerEncoder *enc, const LedgerDictBuild *dict)
{
	StringInfoData blocks;
	uint32		nentries = dict->nentries;
	uint32		nblocks;
	uint8		has = enc->templated ? HAS_TEMPLATE : 0;

	initStringInfo(&blocks);
	if (enc->templated)
		write_packed(enc, dict, &blocks);
	else
		write_plain(enc, dict, &blocks);
	nblocks = blocks.len / DESCRIPTION_SIZE(enc->templated);
	if (write_locator(enc, dict, &blocks))
		has |= HAS_LOCATOR;

	appendBinaryStringInfo(&enc->extra, (char *) &nentries, sizeof(nentries));
	appendStringInfoCharMacro(&enc->extra, has);
	if (enc->templated)
		ledger_template_write(&enc->tmpl, &enc->extra);
	appendBinaryStringInfo(&enc->extra, (char *) &nblocks, sizeof(nblocks));
	appendBinaryStringInfo(&enc->extra, blocks.data, blocks.len);
	write_ranges(enc, dict);
	pfree(blocks.data);
}

static DictPlace
block_place(const LedgerDict *dict, uint32 i)
{
	DictPlace	place;
	uint32		stride;

	if (!dict->templated)
		return dict->places[i];
	stride = LEDGER_TEMPLATE_STRIDE(&dict->tmpl);
	place.first = i * dict->per_block;
	place.offset = (uint64) place.first * stride;
	place.block.nentries = Min(dict->per_block, dict->nentries - place.first);
	place.block.length = place.block.nentries * stride;
	place.block.raw_length = place.block.length;
	memcpy(&place.block.crc, dict->crcs + i * sizeof(pg_crc32c), sizeof(pg_crc32c));
	return place;
}

/* What the header has of blocks that are not of packed entries; returns their length. */
static uint64
open_plain_blocks(LedgerChunk *chunk, LedgerDict *dict, const uint8 *p)
{
	uint32		first = 0;
	uint64		offset = 0;
	uint64		raw_total = 0;

	dict->places = MemoryContextAlloc(chunk->context, sizeof(DictPlace) * (dict->nblocks + 1));
	dict->starts = MemoryContextAllocZero(chunk->context, sizeof(uint32 *) * (dict->nblocks + 1));
	for (uint32 i = 0; i < dict->nblocks; i++)
	{
		DictBlock  *block = &dict->places[i].block;

		memcpy(block, p + i * sizeof(DictBlock), sizeof(DictBlock));
		if (block->nentries == 0 || block->length == 0 || block->length > block->raw_length ||
			block->raw_length > BLOCK_RAW_MAX || block->nentries > dict->nentries - first ||
			block->nentries > BLOCK_ENTRIES_MAX || block->raw_length < 2 * block->nentries)
			ledger_corrupt(chunk, "dictionary has a bad block entry");
		dict->places[i].first = first;
		dict->places[i].offset = offset;
		first += block->nentries;
		offset += block->length;
		raw_total += block->raw_length;
	}
	if (first != dict->nentries || raw_total > 2 * PLAIN_TOTAL_MAX)
		ledger_corrupt(chunk, "dictionary's blocks do not add up");
	return offset;
}

/* What the header has of the locator, which starts at "offset"; returns what follows. */
static const uint8 *
open_locator(LedgerChunk *chunk, LedgerDict *dict, uint64 offset, const uint8 *p)
{
	if (dict->nentries == 0 || dict->nentries > LOCATOR_MAX)
		ledger_corrupt(chunk, "dictionary has an unexpected locator");
	dict->locator_offset = offset;
	dict->locator_width = group_width(dict->nentries);
	dict->seed = *p++;
	memcpy(&dict->locator_crc, p, sizeof(dict->locator_crc));
	return p + sizeof(dict->locator_crc);
}

/*
 * Open the dictionary that the header's bytes p to end describe, and whose
 * blocks, and locator, are the first "preamble" bytes of the chunk.
 */
LedgerDict *
ledger_dict_open(LedgerChunk *chunk, const uint8 *p, const uint8 *end, uint64 preamble)
{
	LedgerDict *dict = MemoryContextAllocZero(chunk->context, sizeof(LedgerDict));
	uint64		offset;
	Size		described;

	if (end - p < 5 || (p[4] & ~(HAS_TEMPLATE | HAS_LOCATOR)) != 0)
		ledger_corrupt(chunk, "dictionary is malformed");
	memcpy(&dict->nentries, p, sizeof(uint32));
	dict->templated = (p[4] & HAS_TEMPLATE) != 0;
	dict->has_locator = (p[4] & HAS_LOCATOR) != 0;
	p += 5;
	if (dict->templated)
	{
		p = ledger_template_open(&dict->tmpl, p, end);
		if (p == NULL)
			ledger_corrupt(chunk, "dictionary has a bad template");
		dict->per_block = PACKED_BLOCK / LEDGER_TEMPLATE_STRIDE(&dict->tmpl);
	}
	if (end - p < (int) sizeof(uint32))
		ledger_corrupt(chunk, "dictionary is malformed");
	memcpy(&dict->nblocks, p, sizeof(uint32));
	p += sizeof(uint32);
	described = (Size) dict->nblocks * DESCRIPTION_SIZE(dict->templated) +
		(dict->has_locator ? 1 + sizeof(pg_crc32c) : 0);
	if (dict->nentries > (uint32) chunk->nrows || dict->nblocks > dict->nentries ||
		(Size) (end - p) < described)
		ledger_corrupt(chunk, "dictionary has a bad number of entries or blocks");

	dict->data = MemoryContextAllocZero(chunk->context, sizeof(uint8 *) * (dict->nblocks + 1));
	if (dict->templated)
	{
		if (dict->nblocks != (dict->nentries + dict->per_block - 1) / dict->per_block)
			ledger_corrupt(chunk, "dictionary's blocks do not add up");
		dict->crcs = p;
		offset = (uint64) dict->nentries * LEDGER_TEMPLATE_STRIDE(&dict->tmpl);
	}
	else
		offset = open_plain_blocks(chunk, dict, p);
	p += dict->nblocks * DESCRIPTION_SIZE(dict->templated);
	if (dict->has_locator)
	{
		p = open_locator(chunk, dict, offset, p);
		offset += ledger_locator_size(dict->nentries, dict->locator_width);
	}
	if (offset != preamble)
		ledger_corrupt(chunk, "dictionary's blocks do not add up");
	dict->stored_ranges = p;
	dict->stored_ranges_end = end;
	return dict;
}

/* Compute where the entries of a plain block start. */
static uint32 *
locate_entries(LedgerChunk *chunk, const DictBlock *block, const uint8 *raw)
{
	uint32	   *starts = MemoryContextAlloc(chunk->context,
											sizeof(uint32) * (block->nentries + 1));
	uint32		start = 2 * block->nentries;

	for (uint32 i = 0; i < block->nentries; i++)
	{
		uint16		length;

		memcpy(&length, raw + 2 * i, sizeof(length));
		starts[i] = start;
		start += length;
	}
	starts[block->nentries] = start;
	if (start != block->raw_length)
		ledger_corrupt(chunk, "dictionary's entries do not fill their block");
	return starts;
}

/* Read, check and keep a block. */
static void
load_block(LedgerChunk *chunk, uint32 i)
{
	LedgerDict *dict = chunk->dict;
	DictPlace	place = block_place(dict, i);
	LedgerStored stored = {place.offset, place.block.length, place.block.raw_length,
	place.block.crc, "dictionary block"};
	uint8	   *raw = MemoryContextAlloc(chunk->context, place.block.raw_length);

	CHECK_FOR_INTERRUPTS();
	ledger_read_stored(chunk, &stored, raw, NULL, 0);
	if (!dict->templated)
		dict->starts[i] = locate_entries(chunk, &place.block, raw);
	dict->data[i] = raw;
}

static uint32
find_block(const LedgerDict *dict, uint32 code)
{
	uint32		low = 0;
	uint32		high = dict->nblocks;

	if (dict->templated)
		return code / dict->per_block;
	while (high - low > 1)
	{
		uint32		middle = (low + high) / 2;

		if (dict->places[middle].first <= code)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The bytes that an entry has in its block i, which has been read. */
static inline LedgerBytes
stored_entry(const LedgerDict *dict, uint32 i, uint32 code)
{
	LedgerBytes bytes;

	if (dict->templated)
	{
		bytes.len = LEDGER_TEMPLATE_STRIDE(&dict->tmpl);
		bytes.data = (char *) dict->data[i] + (code - i * dict->per_block) * bytes.len;
	}
	else
	{
		uint32		entry = code - dict->places[i].first;

		bytes.len = dict->starts[i][entry + 1] - dict->starts[i][entry];
		bytes.data = (char *) dict->data[i] + dict->starts[i][entry];
	}
	return bytes;
}

/*
 * The bytes of an entry: where they are, or, for packed ones, in the room,
 * which has LEDGER_TEMPLATE_MAX bytes.
 */
static inline LedgerBytes
get_entry(LedgerChunk *chunk, uint64 code, char *room)
{
	LedgerDict *dict = chunk->dict;
	LedgerBytes bytes;
	uint32		i;

	if (code >= dict->nentries)
		ledger_corrupt(chunk, "code is not in the dictionary");
	i = find_block(dict, code);
	if (dict->data[i] == NULL)
		load_block(chunk, i);
	bytes = stored_entry(dict, i, code);
	if (dict->templated)
	{
		ledger_template_unpack(&dict->tmpl, (const uint8 *) bytes.data, room);
		bytes.data = room;
		bytes.len = dict->tmpl.len;
	}
	return bytes;
}

static Datum
decode_entry(LedgerChunk *chunk, uint64 code, LedgerArena *arena, Size hint)
{
	char		room[LEDGER_TEMPLATE_MAX];
	LedgerBytes entry = get_entry(chunk, code, room);
	Datum		value;

	if (chunk->type.attlen > 0 && entry.len != chunk->type.attlen)
		ledger_corrupt(chunk, "dictionary entry has a wrong length");
	memcpy(ledger_arena_value(arena, &chunk->type, entry.len, hint, &value),
		   entry.data, entry.len);
	return value;
}

/*
 * Decode "count" values.  Rows of one code share the bytes where the codes
 * lie close enough together to remember those seen.
 */
void
ledger_dict_decode(LedgerChunk *chunk, LedgerIntegers *ints, int first, int count,
				   Datum *values)
{
	uint64		codes[LEDGER_VECTOR_ROWS];
	Datum		seen[LEDGER_VECTOR_ROWS];
	LedgerArena arena = {NULL, 0};
	Size		hint = (Size) count * ENTRY_GUESS;
	uint64		least = PG_UINT64_MAX;
	uint64		greatest = 0;

	ledger_integers_read(ints, first, count, codes);
	if (count == 1)
	{
		values[0] = decode_entry(chunk, codes[0], &arena, 0);
		return;
	}
	for (int i = 0; i < count; i++)
	{
		least = Min(least, codes[i]);
		greatest = Max(greatest, codes[i]);
	}
	if (count == 0 || greatest - least >= lengthof(seen))
	{
		for (int i = 0; i < count; i++)
			values[i] = decode_entry(chunk, codes[i], &arena, hint);
		return;
	}
	memset(seen, 0, sizeof(Datum) * (greatest - least + 1));
	for (int i = 0; i < count; i++)
	{
		Datum	   *known = &seen[codes[i] - least];

		if (*known == (Datum) 0)
			*known = decode_entry(chunk, codes[i], &arena, hint);
		values[i] = *known;
	}
}

/* Would ledger_dict_decode give these values, and may the open vector have them? */
bool
ledger_dict_matches(LedgerChunk *chunk, LedgerIntegers *ints, int first, int count,
					const int *rows, const Datum *values)
{
	uint64		codes[LEDGER_VECTOR_ROWS];
	char		room[LEDGER_TEMPLATE_MAX];

	ledger_integers_read(ints, first, count, codes);
	for (int i = 0; i < count; i++)
	{
		if (!ledger_bytes_equal(ledger_datum_bytes(&chunk->type, values[rows[i]]),
								get_entry(chunk, codes[i], room)) ||
			!ledger_dict_may_be_in(chunk, chunk->vector, (uint32) codes[i]))
			return false;
	}
	return true;
}

static void
load_locator(LedgerChunk *chunk, LedgerDict *dict)
{
	Size		size = ledger_locator_size(dict->nentries, dict->locator_width);
	uint8	   *locator = MemoryContextAlloc(chunk->context, size + LEDGER_SLACK);

	chunk->source.read(chunk->source.arg, dict->locator_offset, size, locator);
	if (ledger_crc(locator, size) != dict->locator_crc)
		ledger_corrupt(chunk, "dictionary's locator has a wrong checksum");
	memset(locator + size, 0, LEDGER_SLACK);
	dict->locator = locator;
}

/* The first of entries "code" to "end" - 1, and of one block i, that is "stored", or -1. */
static int64
find_in_block(LedgerChunk *chunk, uint32 i, uint32 code, uint32 end, LedgerBytes stored)
{
	const LedgerDict *dict = chunk->dict;

	if (dict->data[i] == NULL)
		load_block(chunk, i);
	for (; code < end; code++)
	{
		if (ledger_bytes_equal(stored_entry(dict, i, code), stored))
			return code;
	}
	return -1;
}

/* The code of the entry with these bytes; false if there is none. */
bool
ledger_dict_find(LedgerChunk *chunk, const char *data, Size len, uint32 *code)
{
	LedgerDict *dict = chunk->dict;
	LedgerBytes stored = {data, len};
	uint8		packed[LEDGER_TEMPLATE_MAX];
	char		unpacked[LEDGER_TEMPLATE_MAX];
	uint32		next = 0;
	uint32		end = dict->nentries;

	if (dict->templated)
	{
		if (len != (Size) dict->tmpl.len)
			return false;
		/* what does not follow the template comes back as something else */
		ledger_template_pack(&dict->tmpl, data, packed);
		ledger_template_unpack(&dict->tmpl, packed, unpacked);
		if (memcmp(data, unpacked, len) != 0)
			return false;
		stored.data = (char *) packed;
		stored.len = LEDGER_TEMPLATE_STRIDE(&dict->tmpl);
	}
	if (dict->has_locator)
	{
		if (dict->locator == NULL)
			load_locator(chunk, dict);
		next = ledger_locator_find(dict->locator, dict->nentries, dict->locator_width,
								   ledger_hash_bytes(stored.data, stored.len, dict->seed));
		next = Min(next << GROUP_SHIFT, dict->nentries);
		end = Min(next + GROUP, dict->nentries);
	}
	while (next < end)
	{
		uint32		i = find_block(dict, next);
		DictPlace	place = block_place(dict, i);
		uint32		block_end = Min(end, place.first + place.block.nentries);
		int64		found = find_in_block(chunk, i, next, block_end, stored);

		if (found >= 0)
		{
			*code = (uint32) found;
			return true;
		}
		next = block_end;
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}

static void
load_ranges(LedgerChunk *chunk, LedgerDict *dict)
{
	int			nvectors = chunk->nvectors;
	const uint8 *end = dict->stored_ranges_end;
	uint64	   *least = MemoryContextAlloc(chunk->context, sizeof(uint64) * 2 * (nvectors + 1));
	const uint8 *p;

	p = ledger_numbers_read(dict->stored_ranges, end, nvectors, least);
	if (p != NULL)
		p = ledger_numbers_read(p, end, nvectors, least + nvectors);
	if (p != end)
		ledger_corrupt(chunk, "dictionary has malformed ranges of codes");
	dict->range = least + nvectors;
	dict->least = least;
}

/* May a vector's rows have the code? */
bool
ledger_dict_may_be_in(LedgerChunk *chunk, int vector, uint32 code)
{
	LedgerDict *dict = chunk->dict;

	if (dict->least == NULL)
		load_ranges(chunk, dict);
	return code >= dict->least[vector] && code - dict->least[vector] <= dict->range[vector];
}

uint32
ledger_dict_entries(const LedgerDict *dict)
{
	return dict->nentries;
}

/* Entries first .. first + count - 1. */
void
ledger_dict_values(LedgerChunk *chunk, uint32 first, uint32 count, Datum *values)
{
	LedgerArena arena = {NULL, 0};

	for (uint32 i = 0; i < count; i++)
		values[i] = decode_entry(chunk, first + i, &arena, count > 1 ? count * ENTRY_GUESS : 0);
}
