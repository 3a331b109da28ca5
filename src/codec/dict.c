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
 * Bytes of the encoding's part of the header:
 *
 *		0	4	number of entries
 *		4	1	1 if there is a template
 *			..	the template, if any
 *			4	number of blocks
 *			16	for each: DictBlock; with a template 4: CRC-32C
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

struct LedgerDict
{
	uint32		nentries;
	bool		templated;
	LedgerTemplate tmpl;
	uint32		per_block;		/* entries, if templated */
	uint32		nblocks;
	DictBlock  *blocks;
	uint32	   *first;			/* first code of each block */
	uint64	   *offsets;
	uint8	  **data;			/* raw bytes of each block read so far */
	uint32	  **starts;			/* and, without template, of each entry */

	/* for who looks for entries again: codes by hash, plus 1; 0: none */
	int			asked;			/* times that an entry was looked for */
	uint16	   *index;			/* NULL: there is none */
	uint32		index_mask;
};

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

/* Write the blocks, and fill in the encoding's part of the header. */
void
ledger_dict_write(LedgerEncoder *enc, const LedgerDictBuild *dict)
{
	StringInfoData blocks;
	uint32		nentries = dict->nentries;
	uint32		nblocks;

	initStringInfo(&blocks);
	if (enc->templated)
		write_packed(enc, dict, &blocks);
	else
		write_plain(enc, dict, &blocks);
	nblocks = blocks.len / DESCRIPTION_SIZE(enc->templated);

	appendBinaryStringInfo(&enc->extra, (char *) &nentries, sizeof(nentries));
	appendStringInfoCharMacro(&enc->extra, enc->templated ? 1 : 0);
	if (enc->templated)
		ledger_template_write(&enc->tmpl, &enc->extra);
	appendBinaryStringInfo(&enc->extra, (char *) &nblocks, sizeof(nblocks));
	appendBinaryStringInfo(&enc->extra, blocks.data, blocks.len);
	pfree(blocks.data);
}

/*
 * Understand what the header has of block i, which starts at code "first", and
 * check it.
 */
static void
open_block(LedgerChunk *chunk, const LedgerDict *dict, uint32 i, uint32 first, const uint8 *p)
{
	DictBlock  *block = &dict->blocks[i];
	uint32		left = dict->nentries - first;

	if (dict->templated)
	{
		block->nentries = Min(dict->per_block, left);
		block->length = block->nentries * LEDGER_TEMPLATE_STRIDE(&dict->tmpl);
		block->raw_length = block->length;
		memcpy(&block->crc, p, sizeof(block->crc));
	}
	else
		memcpy(block, p, sizeof(*block));
	if (block->nentries == 0 || block->length == 0 || block->length > block->raw_length ||
		block->raw_length > BLOCK_RAW_MAX || block->nentries > left ||
		(!dict->templated && (block->nentries > BLOCK_ENTRIES_MAX ||
							  block->raw_length < 2 * block->nentries)))
		ledger_corrupt(chunk, "dictionary has a bad block entry");
}

/*
 * Open the dictionary that the header's bytes p to end describe, and whose
 * blocks are the first "preamble" bytes of the chunk.
 */
LedgerDict *
ledger_dict_open(LedgerChunk *chunk, const uint8 *p, const uint8 *end, uint64 preamble)
{
	LedgerDict *dict = MemoryContextAllocZero(chunk->context, sizeof(LedgerDict));
	uint32		first = 0;
	uint64		offset = 0;
	uint64		raw_total = 0;

	if (end - p < 5 || p[4] > 1)
		ledger_corrupt(chunk, "dictionary is malformed");
	memcpy(&dict->nentries, p, sizeof(uint32));
	dict->templated = p[4] == 1;
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
	if (dict->nentries > (uint32) chunk->nrows || dict->nblocks > dict->nentries ||
		(Size) (end - p) != (Size) dict->nblocks * DESCRIPTION_SIZE(dict->templated))
		ledger_corrupt(chunk, "dictionary has a bad number of entries or blocks");

	dict->blocks = MemoryContextAlloc(chunk->context, sizeof(DictBlock) * (dict->nblocks + 1));
	dict->first = MemoryContextAlloc(chunk->context, sizeof(uint32) * (dict->nblocks + 1));
	dict->offsets = MemoryContextAlloc(chunk->context, sizeof(uint64) * (dict->nblocks + 1));
	dict->data = MemoryContextAllocZero(chunk->context, sizeof(uint8 *) * (dict->nblocks + 1));
	if (!dict->templated)
		dict->starts = MemoryContextAllocZero(chunk->context,
											  sizeof(uint32 *) * (dict->nblocks + 1));
	for (uint32 i = 0; i < dict->nblocks; i++)
	{
		open_block(chunk, dict, i, first, p + i * DESCRIPTION_SIZE(dict->templated));
		dict->first[i] = first;
		dict->offsets[i] = offset;
		first += dict->blocks[i].nentries;
		offset += dict->blocks[i].length;
		raw_total += dict->blocks[i].raw_length;
	}
	if (first != dict->nentries || offset != preamble ||
		(!dict->templated && raw_total > 2 * PLAIN_TOTAL_MAX))
		ledger_corrupt(chunk, "dictionary's blocks do not add up");
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
	const DictBlock *block = &dict->blocks[i];
	LedgerStored stored = {dict->offsets[i], block->length, block->raw_length, block->crc,
	"dictionary block"};
	uint8	   *raw = MemoryContextAlloc(chunk->context, block->raw_length);

	CHECK_FOR_INTERRUPTS();
	ledger_read_stored(chunk, &stored, raw, NULL, 0);
	if (!dict->templated)
		dict->starts[i] = locate_entries(chunk, block, raw);
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

		if (dict->first[middle] <= code)
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
	uint32		entry = code - dict->first[i];
	LedgerBytes bytes;

	if (dict->templated)
	{
		bytes.len = LEDGER_TEMPLATE_STRIDE(&dict->tmpl);
		bytes.data = (char *) dict->data[i] + entry * bytes.len;
	}
	else
	{
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
ledger_dict_decode(LedgerChunk *chunk, const LedgerIntegers *ints, int first, int count,
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

/* Would ledger_dict_decode give these values? */
bool
ledger_dict_matches(LedgerChunk *chunk, const LedgerIntegers *ints, int first, int count,
					const int *rows, const Datum *values)
{
	uint64		codes[LEDGER_VECTOR_ROWS];
	char		room[LEDGER_TEMPLATE_MAX];

	ledger_integers_read(ints, first, count, codes);
	for (int i = 0; i < count; i++)
	{
		if (!ledger_bytes_equal(ledger_datum_bytes(&chunk->type, values[rows[i]]),
								get_entry(chunk, codes[i], room)))
			return false;
	}
	return true;
}

/* Fewer entries are looked through as fast; an index of more is too large to keep. */
#define INDEX_MIN		256
#define INDEX_MAX		(PG_UINT16_MAX - 1)

static void
fill_index(LedgerDict *dict, uint16 *index, uint32 mask)
{
	uint64		steps = 0;

	for (uint32 code = 0; code < dict->nentries; code++)
	{
		uint32		place = hash_value(stored_entry(dict, find_block(dict, code), code)) & mask;

		for (; index[place] != 0; place = (place + 1) & mask)
			steps++;
		index[place] = (uint16) (code + 1);
		if (steps > STEPS_MAX * ((uint64) code + 1024))
			return;				/* the hashes are no good */
	}
	dict->index = index;
	dict->index_mask = mask;
}

/*
 * Who looks for an entry a second time will do so again, and is given an index.
 */
static void
consider_index(LedgerChunk *chunk, LedgerDict *dict)
{
	uint32		size = INDEX_MIN;
	uint16	   *index;

	if (++dict->asked != 2 || dict->nentries < INDEX_MIN || dict->nentries > INDEX_MAX ||
		MemoryContextMemAllocated(chunk->context, false) > LEDGER_KEPT_MAX)
		return;
	for (uint32 i = 0; i < dict->nblocks; i++)
		if (dict->data[i] == NULL)
			load_block(chunk, i);
	while (size < dict->nentries + dict->nentries / 3)
		size *= 2;
	index = MemoryContextAllocZero(chunk->context, size * sizeof(uint16));
	fill_index(dict, index, size - 1);
	if (dict->index == NULL)
		pfree(index);
}

static bool
find_in_index(const LedgerDict *dict, LedgerBytes stored, uint32 *code)
{
	uint32		place = hash_value(stored) & dict->index_mask;

	for (; dict->index[place] != 0; place = (place + 1) & dict->index_mask)
	{
		*code = dict->index[place] - 1;
		if (ledger_bytes_equal(stored_entry(dict, find_block(dict, *code), *code), stored))
			return true;
	}
	return false;
}

/* The first entry of a block of packed ones that is "packed", or -1. */
static int
find_packed(const LedgerDict *dict, uint32 i, const uint8 *packed)
{
	int			stride = LEDGER_TEMPLATE_STRIDE(&dict->tmpl);
	const uint8 *entry = dict->data[i];

	for (uint32 k = 0; k < dict->blocks[i].nentries; k++, entry += stride)
	{
		if (entry[0] == packed[0] && memcmp(entry, packed, stride) == 0)
			return (int) k;
	}
	return -1;
}

static int
find_plain(const LedgerDict *dict, uint32 i, const char *data, Size len)
{
	const uint32 *starts = dict->starts[i];

	for (uint32 k = 0; k < dict->blocks[i].nentries; k++)
	{
		if (starts[k + 1] - starts[k] == len && memcmp(dict->data[i] + starts[k], data, len) == 0)
			return (int) k;
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
	consider_index(chunk, dict);
	if (dict->index != NULL)
		return find_in_index(dict, stored, code);
	for (uint32 i = 0; i < dict->nblocks; i++)
	{
		int			entry;

		if (dict->data[i] == NULL)
			load_block(chunk, i);
		entry = dict->templated ? find_packed(dict, i, packed) : find_plain(dict, i, data, len);
		if (entry >= 0)
		{
			*code = dict->first[i] + entry;
			return true;
		}
	}
	return false;
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
