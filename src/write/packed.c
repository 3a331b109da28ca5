/*-------------------------------------------------------------------------
 *
 * packed.c
 *	  Packed rows: see packed.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/catalog.h"
#include "utils/memutils.h"
#include "write/packed.h"
#include "write/write.h"

/* Shorter rows are not worth the while, nor are smaller gains. */
#define ROW_MIN			64
#define GAIN_MIN		8

/*
 * Logical decoding reads rows from the log as they are inserted, so a relation
 * that it may read has them unpacked; so has one that is not to be compressed.
 * May read catalogs: no buffer may be locked.
 */
bool
ledger_packs(Relation rel)
{
	return !ledger_is_decoded(rel) && ledger_compression(rel) != LEDGER_COMPRESSION_NONE;
}

/* Bytes of a packed row's header that its check covers, besides the row. */
#define CHECKED_HEADER	3

static uint16
check_of(const char *header, const char *row, int len)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, header, CHECKED_HEADER);
	COMP_CRC32C(crc, row, len);
	FIN_CRC32C(crc);
	return (uint16) crc;
}

/* Where a tuple's data begins, which its other fields say, too */
static int
header_size(int natts, bool hasnull)
{
	return MAXALIGN(SizeofHeapTupleHeader + (hasnull ? BITMAPLEN(natts) : 0));
}

/* ---- Packing ---- */

/*
 * Get ready for a chain of rows on pages that name this dictionary; false if
 * the relation does not have it (any more).  No buffer may be locked.  What
 * comes of it is good until invalidations are processed.
 */
bool
ledger_begin_packing(LedgerPacking *packing, Relation rel, uint32 dictionary)
{
	packing->continues = false;
	packing->dictionary = ledger_dictionary(rel, dictionary);
	return dictionary == 0 || packing->dictionary != NULL;
}

static LedgerRowPacker *
the_packer(void)
{
	static LedgerRowPacker *packer = NULL;

	if (packer == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		packer = ledger_rowpacker_create();
		MemoryContextSwitchTo(old);
	}
	return packer;
}

/*
 * The packed form of a row, in CurrentMemoryContext, or the tuple itself where
 * that is as good.  A row that is not packed is no part of the chain.
 */
HeapTuple
ledger_pack(LedgerPacking *packing, HeapTuple tuple)
{
	HeapTupleHeader header = tuple->t_data;
	const char *row = (const char *) header + SizeofHeapTupleHeader;
	int			len = tuple->t_len - SizeofHeapTupleHeader;
	bool		hasnull = (header->t_infomask & HEAP_HASNULL) != 0;
	uint16		natts = HeapTupleHeaderGetNatts(header);
	uint16		check;
	char		packed[LEDGER_ROWPACK_ROW_MAX];
	int			hoff = MAXALIGN(SizeofHeapTupleHeader);
	int			n;
	char	   *data;
	HeapTuple	result;
	LedgerRowPacker *packer;

	if (len < ROW_MIN || len > LEDGER_ROWPACK_ROW_MAX ||
		(header->t_infomask & (HEAP_HASEXTERNAL | HEAP_HASOID_OLD)) ||
		header->t_hoff != header_size(natts, hasnull))
		return tuple;
	packer = the_packer();
	if (!packing->continues)
		ledger_rowpacker_begin(packer, packing->dictionary);
	n = ledger_rowpacker_add(packer, row, len, packed, len - LEDGER_PACKED_HEADER - GAIN_MIN);
	if (n == 0)
	{
		packing->continues = false;
		return tuple;
	}

	result = (HeapTuple) palloc(HEAPTUPLESIZE + hoff + LEDGER_PACKED_HEADER + n);
	result->t_len = hoff + LEDGER_PACKED_HEADER + n;
	result->t_self = tuple->t_self;
	result->t_tableOid = tuple->t_tableOid;
	result->t_data = (HeapTupleHeader) ((char *) result + HEAPTUPLESIZE);
	memcpy(result->t_data, header, SizeofHeapTupleHeader);
	((char *) result->t_data)[SizeofHeapTupleHeader] = 0;
	HeapTupleHeaderSetNatts(result->t_data, LEDGER_PACKED_NATTS);
	result->t_data->t_infomask &= ~(HEAP_HASNULL | HEAP_HASVARWIDTH);
	result->t_data->t_hoff = hoff;

	data = (char *) result->t_data + hoff;
	data[0] = (hasnull ? LEDGER_PACKED_HASNULL : 0) |
		((header->t_infomask & HEAP_HASVARWIDTH) ? LEDGER_PACKED_VARWIDTH : 0) |
		(packing->continues ? LEDGER_PACKED_CONTINUES : 0);
	memcpy(data + 1, &natts, sizeof(natts));
	check = check_of(data, row, len);
	memcpy(data + 3, &check, sizeof(check));
	memcpy(data + LEDGER_PACKED_HEADER, packed, n);
	packing->continues = true;
	return result;
}

/* ---- Unpacking ---- */

/*
 * Lock a tail page in share mode, with its dictionary at hand for as long as
 * nothing else is read.  False, without the lock, if it is no longer the page
 * of that slot, or its dictionary has gone, as the slot has been sealed.
 */
bool
ledger_lock_tail_page(Relation rel, Buffer buffer, LedgerSlotNumber slot, uint32 first)
{
	for (;;)
	{
		Page		page = BufferGetPage(buffer);
		uint32		number;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (!ledger_tag_is(page, LEDGER_BLOCK_TAIL, slot, first, 0))
		{
			LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
			return false;
		}
		number = ledger_page_tag(page)->dictionary;
		if (ledger_has_dictionary(rel, number))
			return true;
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		if (ledger_dictionary(rel, number) == NULL)
			return false;
	}
}

static LedgerRowUnpacker *
the_unpacker(void)
{
	static LedgerRowUnpacker *unpacker = NULL;

	if (unpacker == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		unpacker = ledger_rowunpacker_create();
		MemoryContextSwitchTo(old);
	}
	return unpacker;
}

/* The row of a packed tuple; NULL if the bytes are damaged. */
static HeapTuple
unpack_row(LedgerRowUnpacker *unpacker, HeapTupleHeader header, uint32 len)
{
	const char *data = (const char *) header + header->t_hoff;
	char		row[LEDGER_ROWPACK_ROW_MAX];
	uint16		natts,
				check;
	bool		hasnull = (data[0] & LEDGER_PACKED_HASNULL) != 0;
	int			n;
	HeapTuple	result;

	memcpy(&natts, data + 1, sizeof(natts));
	memcpy(&check, data + 3, sizeof(check));
	n = ledger_rowunpacker_add(unpacker, data + LEDGER_PACKED_HEADER,
							   len - header->t_hoff - LEDGER_PACKED_HEADER, row, sizeof(row));
	if (n < 0 || check_of(data, row, n) != check || (data[0] & ~LEDGER_PACKED_FLAGS) ||
		natts > MaxHeapAttributeNumber ||
		header_size(natts, hasnull) > (int) SizeofHeapTupleHeader + n)
		return NULL;

	result = (HeapTuple) palloc(HEAPTUPLESIZE + SizeofHeapTupleHeader + n);
	result->t_len = SizeofHeapTupleHeader + n;
	ItemPointerSetInvalid(&result->t_self);
	result->t_tableOid = InvalidOid;
	result->t_data = (HeapTupleHeader) ((char *) result + HEAPTUPLESIZE);
	memcpy(result->t_data, header, SizeofHeapTupleHeader);
	memcpy((char *) result->t_data + SizeofHeapTupleHeader, row, n);
	HeapTupleHeaderSetNatts(result->t_data, natts);
	result->t_data->t_infomask |= (hasnull ? HEAP_HASNULL : 0) |
		((data[0] & LEDGER_PACKED_VARWIDTH) ? HEAP_HASVARWIDTH : 0);
	result->t_data->t_hoff = header_size(natts, hasnull);
	return result;
}

/*
 * Unpack the rows of a copy of a tail page: tuples[i] becomes row i's tuple, in
 * CurrentMemoryContext, or NULL if it is not packed.  "tuples" has room for as
 * many rows as the page says that it has, or MaxHeapTuplesPerPage.
 */
void
ledger_unpack(Relation rel, BlockNumber block, Page page,
			  const LedgerRowDictionary *dictionary, HeapTuple *tuples)
{
	LedgerRowUnpacker *unpacker = the_unpacker();
	int			nrows = PageGetMaxOffsetNumber(page);
	bool		begun = false;

	if (((PageHeader) page)->pd_lower > ((PageHeader) page)->pd_upper ||
		((PageHeader) page)->pd_upper > ((PageHeader) page)->pd_special ||
		nrows > MaxHeapTuplesPerPage)
		ledger_corrupt(rel, block, "the page header is damaged");
	for (int i = 0; i < nrows; i++)
	{
		ItemId		item = PageGetItemId(page, i + 1);
		HeapTupleHeader header;
		uint32		len = ItemIdGetLength(item);
		const char *data;

		tuples[i] = NULL;
		if (!ItemIdIsUsed(item))
			continue;
		if (!ledger_item_is_sane(page, i + 1))
			ledger_corrupt(rel, block, "line pointer %d is damaged", i + 1);
		header = (HeapTupleHeader) PageGetItem(page, item);
		if (!ledger_is_packed(header))
			continue;
		data = (const char *) header + header->t_hoff;
		if (header->t_hoff != MAXALIGN(SizeofHeapTupleHeader) ||
			len < header->t_hoff + LEDGER_PACKED_HEADER)
			ledger_corrupt(rel, block, "packed row %d has a damaged header", i + 1);
		if (!(data[0] & LEDGER_PACKED_CONTINUES))
			ledger_rowunpacker_begin(unpacker, dictionary);
		else if (!begun)
			ledger_corrupt(rel, block, "packed row %d goes on with a chain that has not begun", i + 1);
		begun = true;
		tuples[i] = unpack_row(unpacker, header, len);
		if (tuples[i] == NULL)
			ledger_corrupt(rel, block, "packed row %d is damaged", i + 1);
	}
}
