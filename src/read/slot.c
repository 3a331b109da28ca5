/*-------------------------------------------------------------------------
 *
 * slot.c
 *	  The TupleTableSlot of ledgers: lazy decoding, system columns.
 *
 * What it holds is one of:
 *
 * - virtual values, as ExecStoreVirtualTuple leaves them: batch, tuple and
 *   header are NULL;
 * - a heap tuple (header), in a tuple of its own or in its batch's page;
 * - a row of a segment (batch, without header), whose values come into being
 *   when getsomeattrs is called.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/toast_compression.h"
#include "access/xact.h"
#include "read/read_internal.h"
#include "utils/expandeddatum.h"
#include "utils/memutils.h"
#include "utils/relcache.h"

pg_attribute_hot static void
tts_ledger_init(TupleTableSlot *slot)
{
	LedgerTupleTableSlot *lslot = (LedgerTupleTableSlot *) slot;

	lslot->data = NULL;
	lslot->batch = NULL;
	lslot->tuple = NULL;
	lslot->header = NULL;
	lslot->has_xmin = false;
}

/* Let go of what the slot holds, except for values that are its own. */
pg_attribute_hot static void
drop_row(LedgerTupleTableSlot *lslot)
{
	LedgerBatch *batch = lslot->batch;
	HeapTuple	tuple = lslot->tuple;

	lslot->batch = NULL;
	lslot->tuple = NULL;
	lslot->header = NULL;
	if (batch != NULL)
		ledger_batch_release(batch);
	if (tuple != NULL)
		pfree(tuple);
}

pg_attribute_hot static void
tts_ledger_clear(TupleTableSlot *slot)
{
	LedgerTupleTableSlot *lslot = (LedgerTupleTableSlot *) slot;

	drop_row(lslot);
	if (lslot->data != NULL)
		pfree(lslot->data);
	lslot->data = NULL;
	lslot->has_xmin = false;
	slot->tts_nvalid = 0;
	slot->tts_flags |= TTS_FLAG_EMPTY;
	ItemPointerSetInvalid(&slot->tts_tid);
}

pg_attribute_hot static void
tts_ledger_release(TupleTableSlot *slot)
{
	/* ExecClearTuple has been called before, unless memory is just reset */
}

/* Begin to show a tuple. */
static inline void
set_header(LedgerTupleTableSlot *lslot, HeapTupleHeader header, uint32 len,
		   BlockNumber block)
{
	lslot->header = header;
	lslot->len = len;
	lslot->off = 0;
	lslot->block = block;
}

static inline void
set_row(LedgerTupleTableSlot *lslot, Oid relid, LedgerRow row)
{
	TupleTableSlot *slot = &lslot->base;

	lslot->relid = relid;
	lslot->rownum = row;
	slot->tts_nvalid = 0;
	slot->tts_flags &= ~TTS_FLAG_EMPTY;
	slot->tts_tableOid = relid;
	LedgerRowToTid(row, &slot->tts_tid);
}

/* Show a row of a batch, of which the slot takes a reference. */
void
ledger_slot_show_row(TupleTableSlot *slot, LedgerBatch *batch, int row)
{
	LedgerTupleTableSlot *lslot = (LedgerTupleTableSlot *) slot;

	Assert(slot->tts_ops == &LedgerSlotOps);
	Assert(row >= 0 && row < batch->nrows);

	/* From row to row of a batch there is nothing to clean up. */
	if (lslot->batch != batch || lslot->tuple != NULL || lslot->data != NULL)
	{
		batch->refs++;
		tts_ledger_clear(slot);
		lslot->batch = batch;
	}
	lslot->row = row;
	lslot->has_xmin = false;
	set_row(lslot, batch->relid, batch->first_row + row);
	if (batch->page != NULL)
	{
		/* checked when the batch was made */
		ItemId		itemid = PageGetItemId((Page) batch->page, row + 1);

		set_header(lslot, (HeapTupleHeader) PageGetItem((Page) batch->page, itemid),
				   ItemIdGetLength(itemid), batch->block);
	}
	else
		lslot->header = NULL;
}

/* Show a tuple that is palloc'd, and becomes the slot's own. */
void
ledger_slot_show_tuple(TupleTableSlot *slot, Relation rel, LedgerRow row,
					   BlockNumber block, HeapTuple tuple,
					   TransactionId xmin, CommandId cid)
{
	LedgerTupleTableSlot *lslot = (LedgerTupleTableSlot *) slot;

	Assert(slot->tts_ops == &LedgerSlotOps);
	tts_ledger_clear(slot);
	lslot->tuple = tuple;
	set_header(lslot, tuple->t_data, tuple->t_len, block);
	set_row(lslot, RelationGetRelid(rel), row);
	lslot->has_xmin = true;
	lslot->xmin = xmin;
	lslot->cid = cid;
}

/*
 * Show a row whose values nobody knows but the backend that is inserting it:
 * all are NULL.
 */
void
ledger_slot_show_nothing(TupleTableSlot *slot, Relation rel, LedgerRow row,
						 TransactionId xmin)
{
	LedgerTupleTableSlot *lslot = (LedgerTupleTableSlot *) slot;
	int			natts = slot->tts_tupleDescriptor->natts;

	Assert(slot->tts_ops == &LedgerSlotOps);
	tts_ledger_clear(slot);
	set_row(lslot, RelationGetRelid(rel), row);
	memset(slot->tts_values, 0, natts * sizeof(Datum));
	memset(slot->tts_isnull, true, natts * sizeof(bool));
	slot->tts_nvalid = natts;
	lslot->has_xmin = true;
	lslot->xmin = xmin;
	lslot->cid = FirstCommandId;
}

/* ---- Values ---- */

static void
corrupt_value(LedgerTupleTableSlot *lslot, int attnum)
{
	bool		opened;
	Relation	rel = ledger_borrow_relation(lslot->batch ? lslot->batch->rel : NULL,
											 lslot->relid, &opened);

	ledger_corrupt(rel, lslot->block, "column %d of row " UINT64_FORMAT " is damaged",
				   attnum + 1, lslot->rownum);
}

/*
 * Length of a varlena value of which "size" bytes (at least one) are there, or
 * 0 if it cannot be one.
 */
static inline uint32
varlena_length(const char *p, uint32 size)
{
	uint32		len;

	if (VARATT_IS_1B_E(p))
		return 0;				/* a ledger has no other table to point to */
	if (VARATT_IS_1B(p))
		len = VARSIZE_1B(p);
	else
	{
		if (size < VARHDRSZ)
			return 0;
		len = VARSIZE_4B(p);
		if (len < VARHDRSZ ||
			(VARATT_IS_4B_C(p) &&
			 (len < VARHDRSZ_COMPRESSED || size < VARHDRSZ_COMPRESSED ||
			  VARDATA_COMPRESSED_GET_EXTSIZE(p) > MaxAllocSize - VARHDRSZ ||
			  (VARDATA_COMPRESSED_GET_COMPRESS_METHOD(p) != TOAST_PGLZ_COMPRESSION_ID &&
			   VARDATA_COMPRESSED_GET_COMPRESS_METHOD(p) != TOAST_LZ4_COMPRESSION_ID))))
			return 0;
	}
	return len <= size ? len : 0;
}

/*
 * As core's slot_deform_heap_tuple, but it believes nothing: the bytes may
 * come from a damaged page.
 */
static void
deform(LedgerTupleTableSlot *lslot, int natts)
{
	TupleTableSlot *slot = &lslot->base;
	TupleDesc	desc = slot->tts_tupleDescriptor;
	HeapTupleHeader header = lslot->header;
	Datum	   *values = slot->tts_values;
	bool	   *isnull = slot->tts_isnull;
	bits8	   *nulls = (header->t_infomask & HEAP_HASNULL) ? header->t_bits : NULL;
	char	   *data = (char *) header + header->t_hoff;
	uint32		size = lslot->len - header->t_hoff;
	uint32		off = lslot->off;
	int			attnum;

	natts = Min(HeapTupleHeaderGetNatts(header), natts);
	for (attnum = slot->tts_nvalid; attnum < natts; attnum++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, attnum);

		if (nulls != NULL && att_isnull(attnum, nulls))
		{
			values[attnum] = (Datum) 0;
			isnull[attnum] = true;
			continue;
		}
		isnull[attnum] = false;

		if (att->attlen > 0)
		{
			off = att_align_nominal(off, att->attalign);
			if (off > size || (uint32) att->attlen > size - off)
				corrupt_value(lslot, attnum);
			values[attnum] = fetchatt(att, data + off);
			off += att->attlen;
		}
		else if (att->attlen == -1)
		{
			uint32		len;

			if (off >= size)
				corrupt_value(lslot, attnum);
			off = att_align_pointer(off, att->attalign, -1, data + off);
			len = off < size ? varlena_length(data + off, size - off) : 0;
			if (len == 0)
				corrupt_value(lslot, attnum);
			values[attnum] = PointerGetDatum(data + off);
			off += len;
		}
		else
		{
			char	   *end;

			off = att_align_nominal(off, att->attalign);
			end = off < size ? memchr(data + off, '\0', size - off) : NULL;
			if (end == NULL)
				corrupt_value(lslot, attnum);
			values[attnum] = PointerGetDatum(data + off);
			off = end + 1 - data;
		}
	}
	lslot->off = off;
	slot->tts_nvalid = Max(slot->tts_nvalid, natts);
}

static inline bool
is_stub(const LedgerTupleTableSlot *lslot)
{
	return lslot->header != NULL && ledger_is_stub(lslot->header, lslot->len);
}

/* Show a packed row's own tuple; its header has the same transaction ids. */
static void
unpack(LedgerTupleTableSlot *lslot)
{
	HeapTuple	tuple = ledger_batch_unpack(lslot->batch, lslot->row);

	set_header(lslot, tuple->t_data, tuple->t_len, lslot->block);
}

/* Remember the system columns before their source goes away. */
static void
keep_xmin(LedgerTupleTableSlot *lslot)
{
	if (lslot->has_xmin)
		return;
	if (lslot->header != NULL)
	{
		lslot->xmin = HeapTupleHeaderGetXmin(lslot->header);
		lslot->cid = HeapTupleHeaderGetRawCommandId(lslot->header);
	}
	else if (lslot->batch != NULL)
	{
		lslot->xmin = lslot->batch->xmin;
		lslot->cid = ledger_batch_cid(lslot->batch, lslot->row);
	}
	else
		return;
	lslot->has_xmin = true;
}

/* Put the row in the place of its stub. */
static void
fetch_overflow(LedgerTupleTableSlot *lslot)
{
	TupleTableSlot *slot = &lslot->base;
	MemoryContext oldcontext;
	LedgerOverflowStub stub;
	Relation	rel;
	bool		opened;
	HeapTuple	tuple;
	LedgerRow	row = lslot->rownum;

	Assert(slot->tts_nvalid == 0);
	memcpy(&stub, (char *) lslot->header + lslot->header->t_hoff, sizeof(stub));
	keep_xmin(lslot);
	rel = ledger_borrow_relation(lslot->batch ? lslot->batch->rel : NULL,
								 lslot->relid, &opened);

	oldcontext = MemoryContextSwitchTo(slot->tts_mcxt);
	tuple = ledger_read_overflow(rel, &stub);
	MemoryContextSwitchTo(oldcontext);
	if (tuple != NULL)
	{
		BlockNumber block = stub.first;

		ledger_check_tuple(rel, block, tuple->t_data, tuple->t_len);
		drop_row(lslot);
		lslot->tuple = tuple;
		set_header(lslot, tuple->t_data, tuple->t_len, block);
	}
	else
	{
		TransactionId xmin = lslot->xmin;
		CommandId	cid = lslot->cid;

		/* The run has been sealed since. */
		ledger_fetch_sealed(rel, row, slot);
		lslot->has_xmin = true;
		lslot->xmin = xmin;
		lslot->cid = cid;
	}
	if (opened)
		RelationClose(rel);
}

static void
tts_ledger_getsomeattrs(TupleTableSlot *slot, int natts)
{
	LedgerTupleTableSlot *lslot = (LedgerTupleTableSlot *) slot;

	Assert(!TTS_EMPTY(slot));
	if (is_stub(lslot))
		fetch_overflow(lslot);
	else if (lslot->header != NULL && ledger_is_packed(lslot->header))
		unpack(lslot);

	if (lslot->header != NULL)
		deform(lslot, natts);
	else if (lslot->batch != NULL)
	{
		LedgerBatch *batch = lslot->batch;
		int			row = lslot->row;
		TupleDesc	desc = slot->tts_tupleDescriptor;
		int			n = ledger_batch_decode(batch, desc, natts);
		const LedgerBatchColumn *columns = batch->columns;

		for (int i = slot->tts_nvalid; i < n; i++)
		{
			/* a dropped column may be decoded in part, as another refers to it */
			if (columns[i].values != NULL && !TupleDescAttr(desc, i)->attisdropped)
			{
				slot->tts_values[i] = columns[i].values[row];
				slot->tts_isnull[i] = columns[i].isnull[row];
			}
			else
			{
				slot->tts_values[i] = (Datum) 0;
				slot->tts_isnull[i] = true;
			}
		}
		slot->tts_nvalid = Max(slot->tts_nvalid, n);
	}
	else
		elog(ERROR, "getsomeattrs is not required to be called on virtual values");
}

static Datum
tts_ledger_getsysattr(TupleTableSlot *slot, int attnum, bool *isnull)
{
	LedgerTupleTableSlot *lslot = (LedgerTupleTableSlot *) slot;

	Assert(!TTS_EMPTY(slot));
	keep_xmin(lslot);
	if (!lslot->has_xmin)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot retrieve a system column in this context")));

	*isnull = false;
	switch (attnum)
	{
		case MinTransactionIdAttributeNumber:
			return TransactionIdGetDatum(lslot->xmin);
		case MaxTransactionIdAttributeNumber:
			return TransactionIdGetDatum(InvalidTransactionId);
		case MinCommandIdAttributeNumber:
		case MaxCommandIdAttributeNumber:
			return CommandIdGetDatum(lslot->cid);
		default:
			elog(ERROR, "invalid system attribute number %d", attnum);
			return (Datum) 0;
	}
}

#ifdef LEDGER_SLOT_IS_CURRENT_XACT
static bool
tts_ledger_is_current_xact_tuple(TupleTableSlot *slot)
{
	LedgerTupleTableSlot *lslot = (LedgerTupleTableSlot *) slot;

	Assert(!TTS_EMPTY(slot));
	keep_xmin(lslot);
	if (!lslot->has_xmin)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("don't have transaction information for this context")));
	return TransactionIdIsCurrentTransactionId(lslot->xmin);
}
#endif

/* ---- Copies ---- */

static inline bool
is_expanded(Form_pg_attribute att, Datum value)
{
	return att->attlen == -1 && VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(value));
}

/* Copy the values by reference into one piece of the slot's own memory. */
pg_attribute_hot static void
own_values(TupleTableSlot *slot)
{
	LedgerTupleTableSlot *lslot = (LedgerTupleTableSlot *) slot;
	TupleDesc	desc = slot->tts_tupleDescriptor;
	Size		size = 0;
	char	   *data;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Datum		value = slot->tts_values[i];

		if (att->attbyval || slot->tts_isnull[i])
			continue;
		size = att_align_nominal(size, att->attalign);
		if (is_expanded(att, value))
			size += EOH_get_flat_size(DatumGetEOHP(value));
		else
			size = att_addlength_datum(size, att->attlen, value);
	}
	if (size == 0)
		return;

	lslot->data = data = MemoryContextAllocHuge(slot->tts_mcxt, size);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Datum		value = slot->tts_values[i];
		Size		length;

		if (att->attbyval || slot->tts_isnull[i])
			continue;
		data = (char *) att_align_nominal(data, att->attalign);
		if (is_expanded(att, value))
		{
			ExpandedObjectHeader *object = DatumGetEOHP(value);

			length = EOH_get_flat_size(object);
			EOH_flatten_into(object, data, length);
		}
		else
		{
			length = att_addlength_datum(0, att->attlen, value);
			memcpy(data, DatumGetPointer(value), length);
		}
		slot->tts_values[i] = PointerGetDatum(data);
		data += length;
	}
}

pg_attribute_hot static void
tts_ledger_materialize(TupleTableSlot *slot)
{
	LedgerTupleTableSlot *lslot = (LedgerTupleTableSlot *) slot;

	Assert(!TTS_EMPTY(slot));
	if (lslot->data != NULL)
		return;

	/* A tuple of its own is as good, unless the row is elsewhere. */
	if (is_stub(lslot))
		slot_getallattrs(slot);
	if (lslot->tuple != NULL)
		return;

	slot_getallattrs(slot);
	keep_xmin(lslot);
	own_values(slot);
	drop_row(lslot);
}

/* dst is one of ours; src may be anything. */
pg_attribute_hot static void
tts_ledger_copyslot(TupleTableSlot *dst, TupleTableSlot *src)
{
	LedgerTupleTableSlot *lslot = (LedgerTupleTableSlot *) dst;
	int			natts = src->tts_tupleDescriptor->natts;

	Assert(natts <= dst->tts_tupleDescriptor->natts);
	tts_ledger_clear(dst);
	slot_getallattrs(src);
	memcpy(dst->tts_values, src->tts_values, natts * sizeof(Datum));
	memcpy(dst->tts_isnull, src->tts_isnull, natts * sizeof(bool));
	for (int i = natts; i < dst->tts_tupleDescriptor->natts; i++)
		dst->tts_isnull[i] = true;
	dst->tts_nvalid = dst->tts_tupleDescriptor->natts;
	dst->tts_flags &= ~TTS_FLAG_EMPTY;
	dst->tts_tid = src->tts_tid;
	dst->tts_tableOid = src->tts_tableOid;
	if (src->tts_ops == &LedgerSlotOps)
	{
		LedgerTupleTableSlot *lsrc = (LedgerTupleTableSlot *) src;

		keep_xmin(lsrc);
		lslot->has_xmin = lsrc->has_xmin;
		lslot->xmin = lsrc->xmin;
		lslot->cid = lsrc->cid;
	}
	own_values(dst);
}

pg_attribute_hot static HeapTuple
tts_ledger_copy_heap_tuple(TupleTableSlot *slot)
{
	HeapTuple	tuple;

	Assert(!TTS_EMPTY(slot));
	slot_getallattrs(slot);
	tuple = heap_form_tuple(slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull);
	tuple->t_self = slot->tts_tid;
	tuple->t_tableOid = slot->tts_tableOid;
	return tuple;
}

static MinimalTuple
tts_ledger_copy_minimal_tuple(TupleTableSlot *slot LEDGER_MINIMAL_EXTRA_PARAM)
{
	Assert(!TTS_EMPTY(slot));
	slot_getallattrs(slot);
	return heap_form_minimal_tuple(slot->tts_tupleDescriptor, slot->tts_values,
								   slot->tts_isnull LEDGER_MINIMAL_EXTRA_ARG);
}

const TupleTableSlotOps LedgerSlotOps = {
	.base_slot_size = sizeof(LedgerTupleTableSlot),
	.init = tts_ledger_init,
	.release = tts_ledger_release,
	.clear = tts_ledger_clear,
	.getsomeattrs = tts_ledger_getsomeattrs,
	.getsysattr = tts_ledger_getsysattr,
#ifdef LEDGER_SLOT_IS_CURRENT_XACT
	.is_current_xact_tuple = tts_ledger_is_current_xact_tuple,
#endif
	.materialize = tts_ledger_materialize,
	.copyslot = tts_ledger_copyslot,

	/* it cannot own a heap tuple or minimal tuple in the sense meant here */
	.get_heap_tuple = NULL,
	.get_minimal_tuple = NULL,
	.copy_heap_tuple = tts_ledger_copy_heap_tuple,
	.copy_minimal_tuple = tts_ledger_copy_minimal_tuple
};

/*
 * The slot's row has just been inserted: let RETURNING show its system
 * columns.  Of another kind of slot, nothing is known to say.
 */
pg_attribute_hot void
ledger_slot_set_inserted(TupleTableSlot *slot, TransactionId xmin, CommandId cid)
{
	LedgerTupleTableSlot *lslot = (LedgerTupleTableSlot *) slot;

	if (slot->tts_ops != &LedgerSlotOps)
		return;
	lslot->has_xmin = true;
	lslot->xmin = xmin;
	lslot->cid = cid;
}

pg_attribute_hot const TupleTableSlotOps *
ledger_slot_callbacks(Relation rel)
{
	return &LedgerSlotOps;
}
