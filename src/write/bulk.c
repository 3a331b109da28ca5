/*-------------------------------------------------------------------------
 *
 * bulk.c
 *	  The bulk writer: rows of a large transaction go to a segment directly.
 *
 * After the first rows of a (sub)transaction in a relation, further ones are
 * given TIDs from slots published as BULK_OPEN, and kept in memory until there
 * are enough for a segment, or until somebody must be able to read them.
 * Other backends that meet such a TID learn from the slot's entry that its
 * transaction is in progress.
 *
 * Buffers are kept by relation file and subtransaction: a slot has one xid,
 * and an ALTER TABLE or REFRESH may exchange files under one relation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/relation.h"
#include "access/xact.h"
#include "access/xloginsert.h"
#include "access/hio.h"
#include "catalog/catalog.h"
#include "catalog/pg_index.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/predicate.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "write/write.h"

/* Rows of a (sub)transaction in a relation that go to the tail first. */
#define TAIL_ROWS_FIRST		1000

/* What is less than both is not worth a segment: it becomes a tail run. */
#define SEGMENT_MIN_ROWS	1024
#define SEGMENT_MIN_BYTES	(1024 * 1024)

/* Memory for rows of all relations together. */
#define BUFFERED_BYTES		((uint64) LEDGER_SEGMENT_RAW_BYTES)

struct LedgerBulkBuffer
{
	dlist_node	node;
	LedgerFile	file;
	Oid			relid;
	SubTransactionId subid;
	TransactionId xid;
	TupleDesc	desc;			/* our own: the relation's may change */

	MemoryContext context;		/* rows; NULL while there are none */
	int			nrows;
	LedgerColumnRows *rows;
	uint32	   *cids;
	uint64		bytes;
	bool		stranded;		/* relation dropped: they count no more */
	int			expected;		/* rows, from the last segment's */

	int			nslots;
	LedgerSegmentSlot slots[LEDGER_SEGMENT_SLOTS];
	uint64		segment;		/* id, of the first slot */
	bool		attempted;		/* to write the segment */
};

/*
 * The context of a large load is kept for its next segment: memory that goes
 * back and forth between us and the kernel cost 3 % of a COPY.
 */
static MemoryContext kept_context = NULL;
static bool kept_in_use = false;

#define KEPT_BYTES			(BUFFERED_BYTES + 4 * 1024 * 1024)

static dlist_head buffers = DLIST_STATIC_INIT(buffers);
static uint64 buffered_bytes = 0;

/* From the commit's begin on, everything goes to the tail. */
static bool committing = false;

/*
 * Rows seen of late, by relation and (sub)transaction.  A collision only makes
 * a bulk writer start later.
 */
typedef struct RowCount
{
	Oid			relid;
	TransactionId xid;
	uint32		rows;
} RowCount;

#define ROW_COUNTS		1024
static RowCount row_counts[ROW_COUNTS];

/* ---- whether to ---- */

/*
 * Other backends cannot compute index expressions of rows that they cannot
 * see, which a unique index with expressions or an exclusion constraint would
 * have them do.
 */
static bool
indexes_permit(Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *cell;
	bool		result = true;

	foreach(cell, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
		Form_pg_index index;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for index %u", lfirst_oid(cell));
		index = (Form_pg_index) GETSTRUCT(tuple);
		if (index->indisexclusion ||
			(index->indisunique && !heap_attisnull(tuple, Anum_pg_index_indexprs, NULL)))
			result = false;
		ReleaseSysCache(tuple);
	}
	list_free(indexes);
	return result;
}

static LedgerBulkBuffer *
find_buffer(Relation rel, SubTransactionId subid)
{
	dlist_iter	iter;

	dlist_foreach(iter, &buffers)
	{
		LedgerBulkBuffer *buffer = dlist_container(LedgerBulkBuffer, node, iter.cur);

		if (buffer->subid == subid && LedgerSameFile(buffer->file, LedgerFileOf(rel)))
			return buffer;
	}
	return NULL;
}

static LedgerBulkBuffer *
make_buffer(Relation rel, SubTransactionId subid)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	LedgerBulkBuffer *buffer = palloc0(sizeof(LedgerBulkBuffer));

	buffer->file = LedgerFileOf(rel);
	buffer->relid = RelationGetRelid(rel);
	buffer->subid = subid;
	buffer->xid = GetCurrentTransactionId();
	buffer->desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	dlist_push_head(&buffers, &buffer->node);
	MemoryContextSwitchTo(old);
	return buffer;
}

static void write_out(Relation rel, LedgerBulkBuffer *buffer);

/*
 * The buffer that the next rows go to, or NULL if they go to the tail.
 * "nrows" counts towards the rows that the tail gets first.
 */
pg_attribute_hot LedgerBulkBuffer *
ledger_bulk_target(Relation rel, int nrows)
{
	Oid			relid = RelationGetRelid(rel);
	TransactionId xid = GetCurrentTransactionId();
	SubTransactionId subid = GetCurrentSubTransactionId();
	RowCount   *count = &row_counts[relid % ROW_COUNTS];
	LedgerBulkBuffer *buffer;

	if (count->relid != relid || count->xid != xid)
	{
		count->relid = relid;
		count->xid = xid;
		count->rows = 0;
	}
	if (count->rows < TAIL_ROWS_FIRST)
	{
		count->rows += nrows;
		return NULL;
	}
	if (committing || ledger_is_decoded(rel))
		return NULL;

	buffer = find_buffer(rel, subid);

	/* an ALTER TABLE may have given the file to this relation meanwhile */
	if (buffer != NULL)
		buffer->relid = relid;
	if (buffer != NULL && buffer->stranded)
	{
		buffer->stranded = false;
		buffered_bytes += buffer->bytes;
	}
	if (buffer == NULL || buffer->nrows == 0)
	{
		if (!indexes_permit(rel))
			return NULL;
		if (buffer == NULL)
			buffer = make_buffer(rel, subid);
	}
	if (buffer->desc->natts != RelationGetDescr(rel)->natts)
	{
		MemoryContext old;
		TupleDesc	before = buffer->desc;

		write_out(rel, buffer);
		old = MemoryContextSwitchTo(TopTransactionContext);
		buffer->desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
		FreeTupleDesc(before);
		MemoryContextSwitchTo(old);
	}
	return buffer;
}

/* ---- taking rows ---- */

static void
start_rows(LedgerBulkBuffer *buffer)
{
	if (buffer->context != NULL)
		return;
	if (kept_context != NULL && !kept_in_use)
	{
		buffer->context = kept_context;
		kept_in_use = true;
	}
	else
		buffer->context = GenerationContextCreate(TopTransactionContext, "ledger bulk rows",
												  ALLOCSET_DEFAULT_SIZES);
	buffer->rows = ledger_columns_begin(buffer->context, buffer->desc, buffer->expected);
	buffer->cids = NULL;
}

/* Forget the rows. */
static void
drop_rows(LedgerBulkBuffer *buffer)
{
	bool		large = buffer->bytes > BUFFERED_BYTES / 2;

	if (!buffer->stranded)
		buffered_bytes -= buffer->bytes;
	buffer->stranded = false;
	buffer->nrows = buffer->nslots = 0;
	buffer->bytes = 0;
	if (buffer->context == NULL)
		return;
	if (buffer->context == kept_context)
	{
		MemoryContextReset(kept_context);
		kept_in_use = false;
	}
	else
		MemoryContextDelete(buffer->context);
	buffer->context = NULL;
	if (large && kept_context == NULL)
		kept_context = GenerationContextCreate(TopTransactionContext, "ledger bulk rows, kept",
											   KEPT_BYTES, ALLOCSET_DEFAULT_INITSIZE,
											   KEPT_BYTES);
}

/*
 * Allot a slot and publish it as BULK_OPEN: from now on its row numbers are
 * this transaction's.  Returns the segment id that comes with it.
 */
static uint64
publish_slot(Relation rel, LedgerBulkBuffer *buffer, LedgerSlotNumber *result)
{
	for (;;)
	{
		LedgerSlotNumber slot = ledger_prepare_slot(rel);
		BlockNumber dirblock = ledger_directory_block(rel, slot);
		Buffer		metabuf = ledger_lock_meta(rel, BUFFER_LOCK_EXCLUSIVE);
		GenericXLogState *state = GenericXLogStart(rel);
		LedgerMetaData *meta = ledger_meta_of(rel, metabuf,
											  GenericXLogRegisterBuffer(state, metabuf, 0));
		LedgerSlotEntry *entry;
		Buffer		dirbuf;
		uint64		segment;

		if (meta->next_slot != slot)
		{
			GenericXLogAbort(state);
			UnlockReleaseBuffer(metabuf);
			CHECK_FOR_INTERRUPTS();
			continue;
		}
		dirbuf = ledger_lock_directory(rel, dirblock, BUFFER_LOCK_EXCLUSIVE);
		entry = ledger_entry_of(rel, dirbuf, GenericXLogRegisterBuffer(state, dirbuf, 0), slot);
		segment = meta->next_segment++;
		meta->next_slot = slot + 1;
		ledger_meta_set_crc(meta);

		memset(entry, 0, sizeof(*entry));
		entry->state = LEDGER_SLOT_BULK_OPEN;
		entry->home = InvalidBlockNumber;
		entry->primary = slot;
		entry->segment = segment;
		entry->allotted = ledger_seconds(GetCurrentTimestamp());
		entry->oldest_xid = entry->newest_xid = ledger_full_xid(buffer->xid);
		ledger_entry_set_crc(entry, slot);
		GenericXLogFinish(state);
		UnlockReleaseBuffer(dirbuf);
		UnlockReleaseBuffer(metabuf);
		*result = slot;
		return segment;
	}
}

static void
add_slot(Relation rel, LedgerBulkBuffer *buffer)
{
	LedgerSegmentSlot *slot = &buffer->slots[buffer->nslots];
	uint64		segment = publish_slot(rel, buffer, &slot->slot);

	if (buffer->nslots == 0)
	{
		buffer->segment = segment;
		buffer->attempted = false;
	}
	slot->first = buffer->nrows;
	slot->nrows = 0;
	buffer->nslots++;

	/*
	 * Published first, checked then: a serializable reader either takes its
	 * predicate lock before this check, or meets the slot and reports the
	 * conflict itself.
	 */
	CheckForSerializableConflictIn(rel, NULL, InvalidBlockNumber);
}

static void
make_room(LedgerBulkBuffer *buffer)
{
	if (buffer->cids == NULL)
		buffer->cids = MemoryContextAlloc(buffer->context, sizeof(uint32) * SEGMENT_MIN_ROWS);
	else if (buffer->nrows >= SEGMENT_MIN_ROWS &&
			 (buffer->nrows & (buffer->nrows - 1)) == 0)
		buffer->cids = repalloc(buffer->cids, sizeof(uint32) * buffer->nrows * 2);
}

/* The buffer that holds most. */
static LedgerBulkBuffer *
biggest_buffer(void)
{
	LedgerBulkBuffer *result = NULL;
	dlist_iter	iter;

	dlist_foreach(iter, &buffers)
	{
		LedgerBulkBuffer *buffer = dlist_container(LedgerBulkBuffer, node, iter.cur);

		if (!buffer->stranded && (result == NULL || buffer->bytes > result->bytes))
			result = buffer;
	}
	return result;
}

/*
 * Write out a buffer whose relation is not at hand.  That relation may have
 * been dropped by this very transaction: if "final", or where there is no
 * savepoint, then for good, and the rows with it; else a rollback may still
 * bring it back, and the rows stay in memory, beyond the budget: others would
 * else have to make do with what is left of it.
 */
static void
write_out_by_id(LedgerBulkBuffer *buffer, bool final)
{
	Relation	rel;

	if (buffer->nrows == 0)
		return;
	rel = try_relation_open(buffer->relid, RowExclusiveLock);
	if (rel != NULL && LedgerSameFile(LedgerFileOf(rel), buffer->file))
		write_out(rel, buffer);
	else if (final || GetCurrentTransactionNestLevel() == 1)
		drop_rows(buffer);
	else if (!buffer->stranded)
	{
		buffer->stranded = true;
		buffered_bytes -= buffer->bytes;
	}
	if (rel != NULL)
		relation_close(rel, NoLock);
}

/* Take a row. */
LedgerRow
ledger_bulk_add(Relation rel, LedgerBulkBuffer *buffer, TupleTableSlot *tuple, CommandId cid)
{
	LedgerSegmentSlot *slot;
	LedgerRow	row;
	Size		bytes;

	start_rows(buffer);
	bytes = ledger_columns_put(buffer->rows, buffer->nrows, tuple);
	if (buffer->nslots == 0 ||
		buffer->slots[buffer->nslots - 1].nrows == LEDGER_SLOT_ROWS)
		add_slot(rel, buffer);
	make_room(buffer);

	slot = &buffer->slots[buffer->nslots - 1];
	row = LedgerMakeRow(slot->slot, slot->nrows);
	buffer->cids[buffer->nrows] = cid;
	buffer->nrows++;
	slot->nrows++;
	buffer->bytes += bytes;
	buffered_bytes += bytes;
	pgstat_count_heap_insert(rel, 1);

	if (buffer->nrows == LEDGER_SEGMENT_ROWS)
		write_out(rel, buffer);
	else if (buffered_bytes > BUFFERED_BYTES)
	{
		write_out_by_id(biggest_buffer(), false);
		if (buffered_bytes > BUFFERED_BYTES)
			write_out(rel, buffer);
	}
	return row;
}

static HeapTuple
tuple_at(Relation rel, LedgerBulkBuffer *buffer, int index)
{
	HeapTuple	tuple = ledger_columns_tuple(buffer->rows, index);

	ledger_set_header(rel, tuple, buffer->xid, buffer->cids[index]);
	return tuple;
}

/* A row that this backend has in memory. */
bool
ledger_bulk_fetch(Relation rel, LedgerRow row, CommandId *cid, HeapTuple *tuple)
{
	dlist_iter	iter;

	dlist_foreach(iter, &buffers)
	{
		LedgerBulkBuffer *buffer = dlist_container(LedgerBulkBuffer, node, iter.cur);

		if (!LedgerSameFile(buffer->file, LedgerFileOf(rel)))
			continue;
		for (int i = 0; i < buffer->nslots; i++)
		{
			LedgerSegmentSlot *slot = &buffer->slots[i];

			if (slot->slot == LedgerRowSlot(row) && LedgerRowOffset(row) < slot->nrows)
			{
				int			index = slot->first + LedgerRowOffset(row);

				*cid = buffer->cids[index];
				if (tuple != NULL)
					*tuple = tuple_at(rel, buffer, index);
				return true;
			}
		}
	}
	return false;
}

/* ---- writing out ---- */

/* Write the segment and publish it as the transaction's. */
static void
write_as_segment(Relation rel, LedgerBulkBuffer *buffer)
{
	LedgerRowSet rows = {0};
	LedgerSlotEntry entries[LEDGER_SEGMENT_SLOTS];
	LedgerTotals change = {0};
	BlockNumber root;
	uint32		nblocks;
	bool		one_cid = true;

	rows.nrows = buffer->nrows;
	rows.columns = buffer->rows;
	rows.cid = buffer->cids[0];
	rows.loading = true;
	for (int i = 1; i < buffer->nrows && one_cid; i++)
		one_cid = buffer->cids[i] == rows.cid;
	if (!one_cid)
		rows.cids = buffer->cids;

	/* what a failed attempt has written stays its own */
	if (buffer->attempted)
		buffer->segment = ledger_renew_segment(rel, buffer->slots[0].slot);
	buffer->attempted = true;
	root = ledger_write_segment(rel, buffer->desc, &rows,
								ledger_segment_begin(rel, buffer->slots[0].slot, buffer->segment),
								buffer->slots, buffer->nslots, &nblocks);

	memset(entries, 0, sizeof(entries));
	for (int i = 0; i < buffer->nslots; i++)
	{
		entries[i].state = LEDGER_SLOT_BULK_WRITTEN;
		entries[i].flags = LEDGER_ENTRY_ONE_XMIN;
		entries[i].nrows = entries[i].live = buffer->slots[i].nrows;
		entries[i].home = root;
		entries[i].first = buffer->slots[i].first;
		entries[i].primary = buffer->slots[0].slot;
		entries[i].segment = buffer->segment;
		entries[i].oldest_xid = entries[i].newest_xid = ledger_full_xid(buffer->xid);
	}
	change.segments = 1;
	change.slots = buffer->nslots;
	change.entries = buffer->nrows;
	change.raw_bytes = rows.raw_bytes;
	change.blocks = nblocks;
	ledger_publish_segment(rel, buffer->slots, buffer->nslots, entries, &change, 0);
}

/*
 * Write one page of a slot's rows, from tuples[first] on, and return how many
 * it took.  The page is full from the start: nobody else may add to it.
 */
static int
write_tail_page(Relation rel, LedgerSlotNumber slot, HeapTuple *tuples, int first, int nrows,
				LedgerRunMap *map)
{
	Buffer		pagebuf = ledger_alloc_block(rel);
	Page		page = BufferGetPage(pagebuf);
	int			taken = 0;

	START_CRIT_SECTION();
	ledger_page_init(page, LEDGER_BLOCK_TAIL, slot, first, 0);
	PageSetFull(page);
	while (first + taken < nrows &&
		   PageGetHeapFreeSpace(page) >= MAXALIGN(tuples[first + taken]->t_len))
		RelationPutHeapTuple(rel, pagebuf, tuples[first + taken++], false);
	MarkBufferDirty(pagebuf);
	if (RelationNeedsWAL(rel))
		log_newpage_buffer(pagebuf, true);
	END_CRIT_SECTION();

	map->items[map->nitems].block = BufferGetBlockNumber(pagebuf);
	map->items[map->nitems].first = first;
	map->items[map->nitems].unused = 0;
	map->nitems++;
	UnlockReleaseBuffer(pagebuf);
	return taken;
}

/* Write a run's map to a block of its own. */
static BlockNumber
write_runmap(Relation rel, LedgerSlotNumber slot, const LedgerRunMap *map)
{
	Buffer		mapbuf = ledger_alloc_block(rel);
	Page		page = BufferGetPage(mapbuf);
	BlockNumber block = BufferGetBlockNumber(mapbuf);

	START_CRIT_SECTION();
	ledger_page_init(page, LEDGER_BLOCK_RUNMAP, slot, 0, 0);
	memcpy(LedgerPageContents(page), map, sizeof(*map));
	ledger_runmap_set_lower(page);
	MarkBufferDirty(mapbuf);
	if (RelationNeedsWAL(rel))
		log_newpage_buffer(mapbuf, true);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(mapbuf);
	return block;
}

/*
 * Write the rows, too few for a segment or a second slot, as a closed tail run.
 * They fit in one run map because they have less than SEGMENT_MIN_BYTES.
 *
 * Once the entry is published nothing may fail: the slot is a sealer's then, and
 * the buffer must not be written out again.
 */
static void
write_as_tail(Relation rel, LedgerBulkBuffer *buffer)
{
	LedgerSegmentSlot *slot = &buffer->slots[0];
	LedgerRunMap *map = palloc0(sizeof(LedgerRunMap));
	HeapTuple  *stored = palloc(slot->nrows * sizeof(HeapTuple));
	LedgerSlotEntry entry = {0};

	Assert(buffer->nslots == 1);
	map->closed = 1;
	for (int i = 0; i < slot->nrows; i++)
	{
		stored[i] = tuple_at(rel, buffer, slot->first + i);
		if (ledger_tuple_overflows(stored[i]))
		{
			LedgerOverflowStub stub;

			map->overflow_bytes += stored[i]->t_len;
			ledger_write_overflow(rel, slot->slot, stored[i], &stub);
			stored[i] = ledger_make_stub(stored[i], &stub);
		}
	}
	for (int done = 0; done < slot->nrows;)
	{
		CHECK_FOR_INTERRUPTS();
		done += write_tail_page(rel, slot->slot, stored, done, slot->nrows, map);
	}

	/*
	 * BULK_OPEN becomes CLOSED, without having been open as TAIL: nothing is
	 * gained by letting others insert here.
	 */
	entry.state = LEDGER_SLOT_CLOSED;
	entry.nrows = slot->nrows;
	entry.home = write_runmap(rel, slot->slot, map);
	ledger_change_entry(rel, slot->slot, &entry, NULL, 1);
}

/* Write out what the buffer holds; it is empty then. */
static void
write_out(Relation rel, LedgerBulkBuffer *buffer)
{
	MemoryContext work,
				old;
	bool		as_tail = buffer->nrows < SEGMENT_MIN_ROWS && buffer->bytes < SEGMENT_MIN_BYTES;
	LedgerMetaData meta;

	if (buffer->nrows == 0)
		return;

	work = AllocSetContextCreate(CurTransactionContext, "ledger bulk write",
								 ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(work);
	if (as_tail)
		write_as_tail(rel, buffer);
	else
		write_as_segment(rel, buffer);
	buffer->expected = Min(buffer->nrows + buffer->nrows / 8, LEDGER_SEGMENT_ROWS);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
	drop_rows(buffer);
	if (as_tail && ledger_read_meta(rel, &meta))
		ledger_wake_sealer(rel, meta.closed_slots);
}

void
ledger_bulk_flush(Relation rel)
{
	dlist_iter	iter;

	dlist_foreach(iter, &buffers)
	{
		LedgerBulkBuffer *buffer = dlist_container(LedgerBulkBuffer, node, iter.cur);

		if (LedgerSameFile(buffer->file, LedgerFileOf(rel)))
			write_out(rel, buffer);
	}
}

void
ledger_bulk_flush_all(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &buffers)
		write_out_by_id(dlist_container(LedgerBulkBuffer, node, iter.cur), committing);
}

/* Throw a buffer away; its slots stay BULK_OPEN of an aborted transaction. */
static void
discard(LedgerBulkBuffer *buffer)
{
	drop_rows(buffer);
	dlist_delete(&buffer->node);
	FreeTupleDesc(buffer->desc);
	pfree(buffer);
}

/* The relation's file is emptied in place: nothing in memory is of it. */
void
ledger_bulk_forget(Relation rel)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &buffers)
	{
		LedgerBulkBuffer *buffer = dlist_container(LedgerBulkBuffer, node, iter.cur);

		if (LedgerSameFile(buffer->file, LedgerFileOf(rel)))
			discard(buffer);
	}
}

/* ---- transaction ends ---- */

pg_attribute_hot static void
at_xact_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			/* other callbacks may insert after us */
			committing = true;
			ledger_bulk_flush_all();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
			/* the memory goes with TopTransactionContext */
			dlist_init(&buffers);
			buffered_bytes = 0;
			kept_context = NULL;
			kept_in_use = false;
			committing = false;
			break;
		default:
			break;
	}
}

static void
at_subxact_end(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	dlist_mutable_iter iter;

	if (event != SUBXACT_EVENT_PRE_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	dlist_foreach_modify(iter, &buffers)
	{
		LedgerBulkBuffer *buffer = dlist_container(LedgerBulkBuffer, node, iter.cur);

		if (buffer->subid != subid)
			continue;
		if (event == SUBXACT_EVENT_PRE_COMMIT_SUB)
			write_out_by_id(buffer, true);
		discard(buffer);
	}
}

void
ledger_bulk_init(void)
{
	RegisterXactCallback(at_xact_end, NULL);
	RegisterSubXactCallback(at_subxact_end, NULL);
}
