/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Batches of rows: see read_internal.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "read/read_internal.h"
#include "utils/memutils.h"
#include "utils/relcache.h"

/* Room for the copy of a page and its dictionary, without going back to malloc. */
#define BATCH_INIT_SIZE		(8 * BLCKSZ)

/* Memory that a scan's batch of decoded rows keeps for the next, at most. */
#define BATCH_KEEP_MAX		(4 * 1024 * 1024)

static void
forget_contents(LedgerBatch *batch)
{
	if (batch->reader != NULL)
		ledger_reader_release(batch->reader);
	batch->reader = NULL;
	batch->page = NULL;
	batch->dictionary = NULL;
	batch->unpacked = NULL;
	batch->columns = NULL;
	batch->inputs = NULL;
	batch->ndecoded = 0;
}

/*
 * Empty the batch's memory.  The next batch will need about as much, and to get
 * it anew, page by page, takes longer than much of the decoding.
 */
static void
reset_context(LedgerBatch *batch)
{
	Size		used = batch->context->mem_allocated;

	if (used > 2 * batch->kept && used <= BATCH_KEEP_MAX)
	{
		MemoryContext old = batch->context;

		batch->context = AllocSetContextCreate(MemoryContextGetParent(old), "ledger batch",
											   MAXALIGN(used), BATCH_INIT_SIZE,
											   ALLOCSET_DEFAULT_MAXSIZE);
		batch->kept = used;
		MemoryContextDelete(old);
	}
	else
		MemoryContextReset(batch->context);
}

/*
 * An empty batch for a scan that has had "batch" (or NULL) so far: that one's
 * memory is used again if no TupleTableSlot shows a row of it.
 */
LedgerBatch *
ledger_batch_renew(LedgerBatch *batch, MemoryContext parent, Relation rel)
{
	if (batch != NULL && batch->refs == 1)
	{
		forget_contents(batch);
		reset_context(batch);
	}
	else
	{
		if (batch != NULL)
			ledger_batch_leave(batch);
		batch = MemoryContextAllocZero(parent, sizeof(LedgerBatch));
		batch->context = AllocSetContextCreate(parent, "ledger batch",
											   0, BATCH_INIT_SIZE, ALLOCSET_DEFAULT_MAXSIZE);
		batch->refs = 1;
		batch->kept = BATCH_INIT_SIZE;
	}
	batch->rel = rel;
	batch->relid = RelationGetRelid(rel);
	return batch;
}

/* A batch of the same rows of a segment, nothing decoded yet, in little memory. */
LedgerBatch *
ledger_batch_again(const LedgerBatch *batch, MemoryContext parent)
{
	LedgerBatch *result = MemoryContextAllocZero(parent, sizeof(LedgerBatch));

	Assert(batch->reader != NULL);
	result->context = AllocSetContextCreate(parent, "ledger batch", ALLOCSET_DEFAULT_SIZES);
	result->refs = 1;
	result->sparse = true;
	result->relid = batch->relid;
	result->rel = batch->rel;
	result->reader = ledger_reader_share(batch->reader);
	result->first_row = batch->first_row;
	result->nrows = batch->nrows;
	result->position = batch->position;
	result->xmin = batch->xmin;
	result->has_cids = batch->has_cids;
	return result;
}

void
ledger_batch_release(LedgerBatch *batch)
{
	Assert(batch->refs > 0);
	if (--batch->refs > 0)
		return;
	forget_contents(batch);
	MemoryContextDelete(batch->context);
	pfree(batch);
}

/*
 * Drop a scan's reference.  From here on nobody vouches for the relation's
 * being open.
 */
void
ledger_batch_leave(LedgerBatch *batch)
{
	batch->rel = NULL;
	ledger_batch_release(batch);
}

/* Make the (new) batch one of rows at consecutive positions of a segment. */
void
ledger_batch_set_segment(LedgerBatch *batch, LedgerSegmentReader *reader,
						 const LedgerSlotEntry *entry, LedgerRow first_row,
						 int position, int nrows)
{
	bool		bulk = entry->state == LEDGER_SLOT_BULK_WRITTEN;

	batch->reader = ledger_reader_share(reader);
	batch->first_row = first_row;
	batch->position = position;
	batch->nrows = nrows;
	batch->xmin = bulk ?
		XidFromFullTransactionId(FullTransactionIdFromU64(entry->newest_xid)) :
		FrozenTransactionId;
	batch->has_cids = bulk;
}

/*
 * Make the (new) batch a copy of a tail page, which is locked by
 * ledger_lock_tail_page().  The dictionary may be gone when rows are unpacked,
 * so that is copied as well.
 */
void
ledger_batch_set_page(LedgerBatch *batch, BlockNumber block, LedgerRow first_row, Page page)
{
	uint32		number = ledger_page_tag(page)->dictionary;

	batch->page = MemoryContextAlloc(batch->context, BLCKSZ);
	memcpy(batch->page, page, BLCKSZ);
	if (number != 0)
	{
		const LedgerRowDictionary *dictionary = ledger_dictionary(batch->rel, number);

		batch->dictionary = MemoryContextAlloc(batch->context, sizeof(LedgerRowDictionary));
		memcpy(batch->dictionary, dictionary,
			   offsetof(LedgerRowDictionary, bytes) + dictionary->length);
	}
	batch->block = block;
	batch->first_row = first_row;
	batch->nrows = PageGetMaxOffsetNumber(page);
}

/* The tuple of a row that is packed. */
HeapTuple
ledger_batch_unpack(LedgerBatch *batch, int row)
{
	if (batch->unpacked == NULL)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(batch->context);
		HeapTuple  *unpacked = palloc(batch->nrows * sizeof(HeapTuple));
		bool		opened;
		Relation	rel = ledger_borrow_relation(batch->rel, batch->relid, &opened);

		ledger_unpack(rel, batch->block, (Page) batch->page, batch->dictionary, unpacked);
		for (int i = 0; i < batch->nrows; i++)
			if (unpacked[i] != NULL)
				ledger_check_tuple(rel, batch->block, unpacked[i]->t_data, unpacked[i]->t_len);
		batch->unpacked = unpacked;
		if (opened)
			RelationClose(rel);
		MemoryContextSwitchTo(oldcontext);
	}
	return batch->unpacked[row];
}

/*
 * An open relation: "rel" if there is one, else the caller has to close it.
 */
Relation
ledger_borrow_relation(Relation rel, Oid relid, bool *opened)
{
	*opened = false;
	if (rel != NULL)
		return rel;
	rel = RelationIdGetRelation(relid);
	if (rel == NULL)
		elog(ERROR, "could not open relation with OID %u", relid);
	*opened = true;
	return rel;
}

/* ---- Columns of a segment ---- */

/* With a larger part of the rows wanted, all are decoded at once. */
#define WHOLE_PART			16

/*
 * To begin to decode takes about as long as this many rows do, unless these are
 * large; so rows between two that are wanted are decoded along.
 */
#define GAP_ROWS			10
#define GAP_ROW_BYTES		2048

/* Where there is room for few rows, it is for a multiple of so many. */
#define ROOM_ROWS			64

/* Are the rows that are wanted (NULL: all)? */
static bool
is_decoded(const LedgerBatchColumn *decoded, int first, int count, const bool *wanted)
{
	if (decoded->values == NULL)
		return false;
	if (decoded->done == NULL)
		return true;
	if (first < decoded->start || first + count > decoded->end)
		return false;
	if (wanted == NULL)
		return memchr(decoded->done + first, false, count) == NULL;
	for (int i = 0; i < count; i++)
		if (wanted[i] && !decoded->done[first + i])
			return false;
	return true;
}

/*
 * Move a column to larger arrays, for rows start to end - 1.  The old ones stay,
 * as somebody may still read them.
 */
static void
set_room(LedgerBatchColumn *decoded, int start, int end)
{
	LedgerBatchColumn old = *decoded;
	int			n = end - start;
	int			had = old.end - old.start;
	char	   *room = palloc(n * (sizeof(Datum) + 2 * sizeof(bool)));

	decoded->values = (Datum *) room - start;
	decoded->isnull = (bool *) (room + n * sizeof(Datum)) - start;
	decoded->done = decoded->isnull + n;
	decoded->start = start;
	decoded->end = end;
	memset(decoded->done + start, false, n);
	if (old.values == NULL)
		return;
	memcpy(decoded->values + old.start, old.values + old.start, had * sizeof(Datum));
	memcpy(decoded->isnull + old.start, old.isnull + old.start, had * sizeof(bool));
	memcpy(decoded->done + old.start, old.done + old.start, had * sizeof(bool));
}

/*
 * Make room for a column's values in rows first to first + count - 1.  A sparse
 * batch has no more than it needs: an ordered scan has one for each vector that it
 * takes a row or two of, and whole arrays for each of their columns are megabytes
 * to be got from the system, and given back, for one answer.  Others begin like
 * that, too, for a lookup's few rows, and take whole arrays when they grow.
 */
static void
make_room(const LedgerBatch *batch, LedgerBatchColumn *decoded, int first, int count)
{
	int			start = first / ROOM_ROWS * ROOM_ROWS;
	int			end = first + count;
	bool		grows = decoded->values != NULL;

	if (grows)
	{
		if (first >= decoded->start && end <= decoded->end)
			return;
		start = Min(start, decoded->start);
		end = Max(end, decoded->end);
	}
	end = Min((end + ROOM_ROWS - 1) / ROOM_ROWS * ROOM_ROWS, batch->nrows);
	if ((grows && !batch->sparse) || 2 * (end - start) > batch->nrows)
	{
		start = 0;
		end = batch->nrows;
	}
	set_room(decoded, start, end);
}

static void
mark_decoded(const LedgerBatch *batch, LedgerBatchColumn *decoded, int first, int count,
			 const bool *wanted)
{
	if (wanted != NULL)
		memcpy(decoded->done + first, wanted, count);
	else if (count == batch->nrows)
		decoded->done = NULL;
	else if (decoded->done != NULL)
		memset(decoded->done + first, true, count);
}

/*
 * Decode a column for "count" of the batch's rows, from "first" on, and the
 * columns that it refers to; if "wanted" is not NULL, for those of them for which
 * it is set.
 */
static void
decode_column(LedgerBatch *batch, Relation rel, int column, int first, int count,
			  const bool *wanted)
{
	LedgerSegmentReader *reader = batch->reader;
	LedgerBatchColumn *decoded = &batch->columns[column];
	const LedgerColumnEntry *entry = ledger_reader_column(reader, rel, column);
	bool		some[LEDGER_VECTOR_ROWS];

	if (is_decoded(decoded, first, count, wanted))
		return;

	check_stack_depth();
	make_room(batch, decoded, first, count);
	if (wanted != NULL)
	{
		/* what is there stays */
		for (int i = 0; i < count; i++)
			some[i] = wanted[i] || decoded->done[first + i];
		wanted = some;
	}
	if (entry->length == 0)
	{
		memset(decoded->values + first, 0, count * sizeof(Datum));
		memset(decoded->isnull + first, true, count * sizeof(bool));
	}
	else
	{
		LedgerDecoded *referred = NULL;
		const int  *references;
		int			n = ledger_reader_references(reader, rel, column, &references);

		if (n > 0)
			referred = palloc(n * sizeof(LedgerDecoded));
		for (int i = 0; i < n; i++)
		{
			int			other = entry->base + references[i];

			decode_column(batch, rel, other, first, count, wanted);
			referred[i].values = batch->columns[other].values + first;
			referred[i].isnull = batch->columns[other].isnull + first;
		}
		ledger_reader_decode(reader, rel, column, batch->position + first, count,
							 wanted, referred, decoded->values + first, decoded->isnull + first);
	}
	mark_decoded(batch, decoded, first, count, wanted);
}

/* The type may have changed since, if its values are stored alike. */
static void
check_type(LedgerBatch *batch, Relation rel, Form_pg_attribute att)
{
	int			column = att->attnum - 1;
	const LedgerColumnEntry *entry = ledger_reader_column(batch->reader, rel, column);

	if (entry->length > 0 &&
		(entry->attlen != att->attlen || (entry->attbyval != 0) != att->attbyval))
		ledger_corrupt(rel, ledger_reader_block(batch->reader),
					   "column %d (\"%s\") has values of another type",
					   column + 1, NameStr(att->attname));
}

/* Have the columns' places at hand. */
static void
begin_columns(LedgerBatch *batch)
{
	int			ncolumns = ledger_reader_root(batch->reader)->ncolumns;

	if (batch->columns == NULL)
		batch->columns = MemoryContextAllocZero(batch->context,
												ncolumns * sizeof(LedgerBatchColumn));
}

/* Decode some rows, which ascend, in runs of neighbours. */
static void
decode_rows(LedgerBatch *batch, Relation rel, int column, const uint16 *rows, int nrows)
{
	const LedgerSegmentRoot *root = ledger_reader_root(batch->reader);
	int			gap = root->raw_bytes / Max(root->nrows, 1) <= GAP_ROW_BYTES ? GAP_ROWS : 0;
	bool		wanted[LEDGER_VECTOR_ROWS];
	int			end;

	/* once for all of them */
	if (nrows > 0)
		make_room(batch, &batch->columns[column], rows[0], rows[nrows - 1] - rows[0] + 1);
	for (int i = 0; i < nrows; i = end)
	{
		int			count;

		for (end = i + 1; end < nrows && rows[end] - rows[end - 1] - 1 <= gap; end++)
			;
		count = rows[end - 1] - rows[i] + 1;
		memset(wanted, false, count);
		for (int k = i; k < end; k++)
			wanted[rows[k] - rows[i]] = true;
		decode_column(batch, rel, column, rows[i], count, count > end - i ? wanted : NULL);
	}
}

/*
 * Have a column, which the segment has, decoded for some of the batch's rows,
 * which ascend.  The relation is open: only a scan asks.
 */
const LedgerBatchColumn *
ledger_batch_column(LedgerBatch *batch, TupleDesc desc, int column,
					const uint16 *rows, int nrows)
{
	LedgerBatchColumn *decoded;
	MemoryContext oldcontext;

	Assert(batch->rel != NULL && column < ledger_reader_root(batch->reader)->ncolumns);
	begin_columns(batch);
	decoded = &batch->columns[column];
	if (decoded->values != NULL && decoded->done == NULL)
		return decoded;

	oldcontext = MemoryContextSwitchTo(batch->context);
	if (decoded->values == NULL)
		check_type(batch, batch->rel, TupleDescAttr(desc, column));
	if (nrows * WHOLE_PART >= batch->nrows)
		decode_column(batch, batch->rel, column, 0, batch->nrows, NULL);
	else
		decode_rows(batch, batch->rel, column, rows, nrows);
	MemoryContextSwitchTo(oldcontext);
	return decoded;
}

/*
 * Have the first natts columns of the batch's rows decoded, as far as the
 * segment has them; returns how many are.
 */
int
ledger_batch_decode(LedgerBatch *batch, TupleDesc desc, int natts)
{
	int			ncolumns = ledger_reader_root(batch->reader)->ncolumns;
	MemoryContext oldcontext;
	Relation	rel;
	bool		opened;

	natts = Min(Min(natts, ncolumns), desc->natts);
	if (natts <= batch->ndecoded)
		return natts;

	rel = ledger_borrow_relation(batch->rel, batch->relid, &opened);
	oldcontext = MemoryContextSwitchTo(batch->context);
	begin_columns(batch);
	for (int i = batch->ndecoded; i < natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		CHECK_FOR_INTERRUPTS();
		if (!att->attisdropped)
		{
			check_type(batch, rel, att);
			decode_column(batch, rel, i, 0, batch->nrows, NULL);
		}
		batch->ndecoded = i + 1;
	}
	MemoryContextSwitchTo(oldcontext);
	if (opened)
		RelationClose(rel);
	return natts;
}

/* Command id of a row of a segment, for the system columns. */
CommandId
ledger_batch_cid(LedgerBatch *batch, int row)
{
	const LedgerSegmentRoot *root = ledger_reader_root(batch->reader);
	CommandId	cid = root->cid;

	if (!batch->has_cids)
		return FirstCommandId;
	if (root->xmin_bytes > 0)
	{
		bool		opened;
		Relation	rel = ledger_borrow_relation(batch->rel, batch->relid, &opened);

		/* once the transaction is over, nobody can care */
		if (!ledger_reader_xids(batch->reader, rel, batch->position + row, 1, &cid))
			cid = FirstCommandId;
		if (opened)
			RelationClose(rel);
	}
	return cid;
}

/* Check what lies before a tuple's data, and the bounds of that. */
void
ledger_check_tuple(Relation rel, BlockNumber block, HeapTupleHeader header, uint32 len)
{
	uint32		least = SizeofHeapTupleHeader;

	if (len >= SizeofHeapTupleHeader && (header->t_infomask & HEAP_HASNULL))
		least += BITMAPLEN(HeapTupleHeaderGetNatts(header));
	if (len < SizeofHeapTupleHeader || header->t_hoff < least || header->t_hoff > len ||
		header->t_hoff != MAXALIGN(header->t_hoff))
		ledger_corrupt(rel, block, "a row of %u bytes has a damaged header", len);
}

/*
 * A tuple of a tail page, locked or copied, after a look at whether it can be
 * one; NULL if there is none at that line pointer.
 */
HeapTupleHeader
ledger_page_tuple(Relation rel, BlockNumber block, Page page, OffsetNumber offset,
				  uint32 *len)
{
	ItemId		itemid = PageGetItemId(page, offset);
	HeapTupleHeader header;
	uint32		start = ItemIdGetOffset(itemid);

	if (!ItemIdIsUsed(itemid))
		return NULL;
	*len = ItemIdGetLength(itemid);
	if (!ItemIdIsNormal(itemid) || *len < SizeofHeapTupleHeader || start != MAXALIGN(start) ||
		start < SizeOfPageHeaderData ||
		start + *len > BLCKSZ - MAXALIGN(sizeof(LedgerTag)))
		ledger_corrupt(rel, block, "line pointer %u is damaged", offset);
	header = (HeapTupleHeader) PageGetItem(page, itemid);
	ledger_check_tuple(rel, block, header, *len);
	return header;
}
