/*-------------------------------------------------------------------------
 *
 * tuple.c
 *	  Checks of tail tuples, which a damaged page must not let crash us.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/toast_compression.h"
#include "access/toast_internals.h"
#include "access/tupmacs.h"
#include "storage/storage.h"
#include "utils/memutils.h"

/* Whether a line pointer points to a tuple that lies on its page. */
bool
ledger_item_is_sane(Page page, OffsetNumber offset)
{
	ItemId		item = PageGetItemId(page, offset);
	HeapTupleHeader header;

	if (!ItemIdIsNormal(item) || ItemIdGetOffset(item) < ((PageHeader) page)->pd_upper ||
		ItemIdGetOffset(item) != MAXALIGN(ItemIdGetOffset(item)) ||
		ItemIdGetLength(item) < SizeofHeapTupleHeader ||
		ItemIdGetOffset(item) + ItemIdGetLength(item) > ((PageHeader) page)->pd_special)
		return false;
	header = (HeapTupleHeader) PageGetItem(page, item);
	return header->t_hoff >= SizeofHeapTupleHeader &&
		header->t_hoff == MAXALIGN(header->t_hoff) &&
		header->t_hoff <= ItemIdGetLength(item);
}

/* Whether the tuple stands for a row in overflow blocks. */
bool
ledger_is_stub(HeapTupleHeader header, uint32 len)
{
	return HeapTupleHeaderGetNatts(header) == 0 &&
		len == header->t_hoff + sizeof(LedgerOverflowStub);
}

/* Length of the varlena value at "value", or 0 if it cannot be one here. */
static uint32
varlena_length(const char *value, uint32 room)
{
	uint32		length;

	if (room < 1 || VARATT_IS_1B_E(value))
		return 0;
	if (VARATT_IS_1B(value))
		length = VARSIZE_1B(value);
	else
	{
		if (room < VARHDRSZ)
			return 0;
		length = VARSIZE_4B(value);
		if (length < VARHDRSZ)
			return 0;
		if (VARATT_IS_4B_C(value) &&
			(length < VARHDRSZ_COMPRESSED ||
			 VARDATA_COMPRESSED_GET_EXTSIZE(value) > MaxAllocSize - VARHDRSZ ||
			 (VARDATA_COMPRESSED_GET_COMPRESS_METHOD(value) != TOAST_PGLZ_COMPRESSION_ID &&
			  VARDATA_COMPRESSED_GET_COMPRESS_METHOD(value) != TOAST_LZ4_COMPRESSION_ID)))
			return 0;
	}
	return length <= room ? length : 0;
}

/*
 * What is wrong with the tuple as a row of the descriptor's, or NULL.  A tuple
 * that passes can be deformed without reading past its end.
 */
const char *
ledger_tuple_problem(TupleDesc desc, HeapTuple tuple)
{
	HeapTupleHeader header = tuple->t_data;
	int			natts;
	bool		hasnulls;
	char	   *data;
	uint32		length,
				offset = 0;

	if (tuple->t_len < SizeofHeapTupleHeader || header->t_hoff > tuple->t_len ||
		header->t_hoff < SizeofHeapTupleHeader)
		return "a tuple has a header of impossible size";
	natts = HeapTupleHeaderGetNatts(header);
	hasnulls = (header->t_infomask & HEAP_HASNULL) != 0;
	if (natts > desc->natts)
		return "a tuple has more attributes than its table";
	if (hasnulls && SizeofHeapTupleHeader + BITMAPLEN(natts) > header->t_hoff)
		return "a tuple's null bitmap does not fit in its header";

	data = (char *) header + header->t_hoff;
	length = tuple->t_len - header->t_hoff;
	for (int i = 0; i < natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		uint32		size;

		if (hasnulls && att_isnull(i, header->t_bits))
			continue;
		if (att->attlen == -1)
		{
			if (offset >= length)
				return "a value lies past the end of its tuple";
			offset = att_align_pointer(offset, att->attalign, -1, data + offset);
			size = offset < length ? varlena_length(data + offset, length - offset) : 0;
			if (size == 0)
				return "a value has an impossible length";
		}
		else
		{
			offset = att_align_nominal(offset, att->attalign);
			if (offset > length)
				return "a value lies past the end of its tuple";
			if (att->attlen == -2)
			{
				size = strnlen(data + offset, length - offset) + 1;
				if (size > length - offset)
					return "a string does not end in its tuple";
			}
			else
				size = att->attlen;
			if (size > length - offset)
				return "a value lies past the end of its tuple";
		}
		offset += size;
	}
	return NULL;
}
