/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  The table AM's insertion callbacks: rows made ready, and sent to the tail
 *	  or the bulk writer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/toast_internals.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/predicate.h"
#include "utils/memutils.h"
#include "write/write.h"

/* Tuples above this size have their values compressed, as in heap. */
#define COMPRESS_ABOVE		TOAST_TUPLE_THRESHOLD

/* Where the last speculative tuple of this backend is. */
static ItemPointerData speculative_place;
static ItemPointerData speculative_tid;

/* ---- making rows ready ---- */

/*
 * Form a tuple of the slot's row with no value out of line, in
 * CurrentMemoryContext.  *excess becomes the number of bytes that compression
 * saves.
 */
pg_attribute_hot static HeapTuple
form_tuple(Relation rel, TupleTableSlot *slot, uint64 *excess)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Datum	   *values = NULL;
	HeapTuple	tuple;

	*excess = 0;
	slot_getallattrs(slot);
	for (int i = 0; i < desc->natts; i++)
	{
		void	   *value;

		if (slot->tts_isnull[i] || TupleDescAttr(desc, i)->attlen != -1)
			continue;
		value = DatumGetPointer(slot->tts_values[i]);
		if (!VARATT_IS_EXTENDED(value))
			continue;
		if (VARATT_IS_EXTERNAL(value))
		{
			if (values == NULL)
			{
				values = palloc(desc->natts * sizeof(Datum));
				memcpy(values, slot->tts_values, desc->natts * sizeof(Datum));
			}
			value = detoast_external_attr(value);
			values[i] = PointerGetDatum(value);
		}
		if (VARATT_IS_COMPRESSED(value))
			*excess += VARDATA_COMPRESSED_GET_EXTSIZE(value) + VARHDRSZ - VARSIZE(value);
	}

	if (values == NULL)
		return ExecCopySlotHeapTuple(slot);
	tuple = heap_form_tuple(desc, values, slot->tts_isnull);
	for (int i = 0; i < desc->natts; i++)
		if (values[i] != slot->tts_values[i] && !slot->tts_isnull[i])
			pfree(DatumGetPointer(values[i]));
	pfree(values);
	return tuple;
}

pg_attribute_hot void
ledger_set_header(Relation rel, HeapTuple tuple, TransactionId xid, CommandId cid)
{
	HeapTupleHeader header = tuple->t_data;

	header->t_infomask &= ~HEAP_XACT_MASK;
	header->t_infomask2 &= ~HEAP2_XACT_MASK;
	header->t_infomask |= HEAP_XMAX_INVALID;
	HeapTupleHeaderSetXmin(header, xid);
	HeapTupleHeaderSetCmin(header, cid);
	HeapTupleHeaderSetXmax(header, 0);
	ItemPointerSetInvalid(&header->t_ctid);
	tuple->t_tableOid = RelationGetRelid(rel);
}

/* The attribute that most can be saved on by compression, or -1. */
static int
biggest_attribute(TupleDesc desc, const Datum *values, const bool *isnull, const bool *tried)
{
	int			biggest = -1;
	Size		biggest_size = 64;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		struct varlena *value;

		if (isnull[i] || tried[i] || att->attlen != -1 ||
			(att->attstorage != TYPSTORAGE_EXTENDED && att->attstorage != TYPSTORAGE_MAIN))
			continue;
		value = (struct varlena *) DatumGetPointer(values[i]);
		if (!VARATT_IS_COMPRESSED(value) && VARSIZE_ANY(value) > biggest_size)
		{
			biggest = i;
			biggest_size = VARSIZE_ANY(value);
		}
	}
	return biggest;
}

/*
 * Compress the values of a big tuple, biggest first, until it has the size
 * that heap aims at or nothing is left to compress.
 */
static HeapTuple
compress_tuple(Relation rel, HeapTuple tuple, uint64 *excess)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *isnull = palloc(desc->natts * sizeof(bool));
	bool	   *tried = palloc0(desc->natts * sizeof(bool));
	Size		size = tuple->t_len;
	HeapTuple	result = tuple;

	heap_deform_tuple(tuple, desc, values, isnull);
	while (size > COMPRESS_ABOVE)
	{
		int			i = biggest_attribute(desc, values, isnull, tried);
		Datum		compressed;
		Size		before;

		if (i < 0)
			break;
		tried[i] = true;
		compressed = toast_compress_datum(values[i], TupleDescAttr(desc, i)->attcompression);
		if (DatumGetPointer(compressed) == NULL)
			continue;
		before = VARSIZE_ANY(DatumGetPointer(values[i]));
		*excess += before - VARSIZE(DatumGetPointer(compressed));
		size -= before - VARSIZE(DatumGetPointer(compressed));
		values[i] = compressed;
		result = NULL;
	}
	if (result == NULL)
	{
		result = heap_form_tuple(desc, values, isnull);
		ledger_set_header(rel, result, HeapTupleHeaderGetRawXmin(tuple->t_data),
				   HeapTupleHeaderGetRawCommandId(tuple->t_data));
	}
	return result;
}

/*
 * Make a row ready for the tail, in CurrentMemoryContext.
 */
pg_attribute_hot static HeapTuple
prepare_for_tail(Relation rel, TupleTableSlot *slot, CommandId cid, uint64 *excess)
{
	HeapTuple	tuple = form_tuple(rel, slot, excess);

	ledger_set_header(rel, tuple, GetCurrentTransactionId(), cid);
	if (tuple->t_len > COMPRESS_ABOVE)
		tuple = compress_tuple(rel, tuple, excess);
	if (ledger_tuple_overflows(tuple) && ledger_is_decoded(rel))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("row is too big for logical decoding: size %u, maximum size %u",
						tuple->t_len, (uint32) LEDGER_MAX_TAIL_TUPLE),
				 errdetail("With wal_level = logical, a row of ledger \"%s\" must fit in a page after compression.",
						   RelationGetRelationName(rel))));
	return tuple;
}

static void
forbid_in_worker(void)
{
	if (IsParallelWorker())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("cannot insert tuples in a parallel worker")));
}

pg_attribute_hot static void
set_tid(Relation rel, TupleTableSlot *slot, LedgerRow row)
{
	slot->tts_tableOid = RelationGetRelid(rel);
	LedgerRowToTid(row, &slot->tts_tid);
}

/* A context for tuples under way, reset after each call. */
pg_attribute_hot static MemoryContext
scratch_context(void)
{
	static MemoryContext context = NULL;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "ledger insertion",
										ALLOCSET_DEFAULT_SIZES);
	/* a call that failed has left something */
	MemoryContextReset(context);
	return context;
}

/* ---- callbacks ---- */

pg_attribute_hot static void
insert_one(Relation rel, TupleTableSlot *slot, CommandId cid, int options)
{
	LedgerBulkBuffer *buffer = ledger_bulk_target(rel, 1);
	LedgerRow	row;

	if (buffer != NULL)
		row = ledger_bulk_add(rel, buffer, slot, cid);
	else
	{
		MemoryContext scratch = scratch_context();
		MemoryContext old = MemoryContextSwitchTo(scratch);
		uint64		excess;
		HeapTuple	tuple = prepare_for_tail(rel, slot, cid, &excess);

		ledger_tail_insert(rel, tuple, excess, options, false, &row);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
	set_tid(rel, slot, row);
}

pg_attribute_hot void
ledger_tuple_insert(Relation rel, TupleTableSlot *slot, CommandId cid, int options,
					BulkInsertState bistate)
{
	forbid_in_worker();
	insert_one(rel, slot, cid, options);
}

/*
 * ON CONFLICT rows always take the tail: other backends look at the token in
 * the tuple's header.
 */
void
ledger_tuple_insert_speculative(Relation rel, TupleTableSlot *slot, CommandId cid,
								int options, BulkInsertState bistate, uint32 token)
{
	MemoryContext scratch = scratch_context();
	MemoryContext old;
	HeapTuple	tuple;
	uint64		excess;
	LedgerRow	row;

	forbid_in_worker();
	old = MemoryContextSwitchTo(scratch);
	tuple = prepare_for_tail(rel, slot, cid, &excess);
	HeapTupleHeaderSetSpeculativeToken(tuple->t_data, token);
	ledger_tail_insert(rel, tuple, excess, options, true, &row);
	speculative_place = tuple->t_self;
	MemoryContextSwitchTo(old);
	MemoryContextReset(scratch);
	set_tid(rel, slot, row);
	speculative_tid = slot->tts_tid;
}

/*
 * The run cannot have been sealed since, as our transaction is in progress, so
 * the tuple is where it was put.
 */
void
ledger_tuple_complete_speculative(Relation rel, TupleTableSlot *slot, uint32 token,
								  bool succeeded)
{
	if (!ItemPointerEquals(&slot->tts_tid, &speculative_tid))
		elog(ERROR, "speculative insertion of another row is pending");
	if (succeeded)
		heap_finish_speculative(rel, &speculative_place);
	else
		heap_abort_speculative(rel, &speculative_place);
	ItemPointerSetInvalid(&speculative_tid);
}

static void
multi_insert_tail(Relation rel, TupleTableSlot **slots, int nslots, CommandId cid, int options)
{
	MemoryContext scratch = scratch_context();
	MemoryContext old = MemoryContextSwitchTo(scratch);
	HeapTuple  *tuples = palloc(nslots * sizeof(HeapTuple));
	uint64	   *excess = palloc(nslots * sizeof(uint64));
	LedgerRow  *rows = palloc(nslots * sizeof(LedgerRow));

	for (int i = 0; i < nslots; i++)
		tuples[i] = prepare_for_tail(rel, slots[i], cid, &excess[i]);
	ledger_tail_multi_insert(rel, tuples, excess, nslots, options, rows);
	for (int i = 0; i < nslots; i++)
		set_tid(rel, slots[i], rows[i]);
	MemoryContextSwitchTo(old);
	MemoryContextReset(scratch);
}

void
ledger_multi_insert(Relation rel, TupleTableSlot **slots, int nslots, CommandId cid,
					int options, BulkInsertState bistate)
{
	LedgerBulkBuffer *buffer;

	forbid_in_worker();
	buffer = ledger_bulk_target(rel, nslots);
	if (buffer == NULL)
	{
		multi_insert_tail(rel, slots, nslots, cid, options);
		return;
	}

	for (int i = 0; i < nslots; i++)
		set_tid(rel, slots[i], ledger_bulk_add(rel, buffer, slots[i], cid));
	CheckForSerializableConflictIn(rel, NULL, InvalidBlockNumber);
}

/*
 * A COPY into many partitions comes here each time that it evicts one, which
 * must not cut a segment short: rows stay in memory until somebody needs them,
 * or the transaction ends.  But the file of a relation made by this very
 * transaction may be about to be given to another relation (ALTER TABLE,
 * REFRESH MATERIALIZED VIEW), by which name we could not find it then.
 */
void
ledger_finish_bulk_insert(Relation rel, int options)
{
	if (rel->rd_createSubid != InvalidSubTransactionId)
		ledger_bulk_flush(rel);
}
