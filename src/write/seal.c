/*-------------------------------------------------------------------------
 *
 * seal.c
 *	  Sealing: closed tail runs become a segment.
 *
 * The caller holds ShareUpdateExclusiveLock on the relation, so there is one
 * sealer at a time; readers and inserters go on.  Nothing here needs a
 * transaction id, and nothing is undone by an abort: each step is complete in
 * itself, and a crash or an error leaves the slots as they were.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/indexfsm.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "write/packed.h"
#include "write/write.h"

/* The runs that become one segment. */
typedef struct SealState
{
	Relation	rel;
	LedgerRowSet rows;
	int			capacity;		/* of the arrays in rows */
	uint64		bytes;			/* loaded */
	uint64		unpacked;		/* what unpacking has added to the run at work */
	int			nslots;
	LedgerSegmentSlot slots[LEDGER_SEGMENT_SLOTS];
	LedgerSlotEntry entries[LEDGER_SEGMENT_SLOTS];
	BlockNumber *freed;			/* blocks that sealing frees */
	int			nfreed;
	int			freed_capacity;
} SealState;

typedef enum RunFate
{
	RUN_LOADED,
	RUN_UNRESOLVED,				/* an inserter is still in progress */
	RUN_UNREADABLE,				/* damaged */
	RUN_DEAD					/* every row is aborted */
} RunFate;

/* ---- what became of a row ---- */

typedef enum RowFate
{
	ROW_COMMITTED,
	ROW_ABORTED,
	ROW_IN_PROGRESS
} RowFate;

/*
 * Hint bits are used but not set: that would dirty, and with checksums log,
 * pages that are about to be free.
 */
static RowFate
row_fate(HeapTupleHeader header)
{
	static TransactionId cached_xid = InvalidTransactionId;
	static RowFate cached_fate;
	TransactionId xmin = HeapTupleHeaderGetRawXmin(header);

	if (HeapTupleHeaderXminCommitted(header))	/* or frozen */
		return ROW_COMMITTED;
	if (HeapTupleHeaderXminInvalid(header) || !TransactionIdIsValid(xmin))
		return ROW_ABORTED;
	if (!TransactionIdIsNormal(xmin))
		return ROW_COMMITTED;
	if (xmin == cached_xid)
		return cached_fate;
	if (TransactionIdIsCurrentTransactionId(xmin) || TransactionIdIsInProgress(xmin))
		return ROW_IN_PROGRESS;
	cached_xid = xmin;
	cached_fate = TransactionIdDidCommit(xmin) ? ROW_COMMITTED : ROW_ABORTED;
	return cached_fate;
}

/* ---- work that may fail ---- */

/*
 * Do a part of the work in a subtransaction, after whose end no lock or pin of
 * it is left.  Returns NULL, or the error that it ended with.
 */
ErrorData *
ledger_try_work(void (*work) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

/* ---- loading runs ---- */

static void
note_freed(void *arg, BlockNumber block)
{
	SealState  *state = arg;

	if (state->nfreed == state->freed_capacity)
	{
		state->freed_capacity = Max(1024, state->freed_capacity * 2);
		state->freed = state->freed == NULL ?
			palloc(state->freed_capacity * sizeof(BlockNumber)) :
			repalloc_huge(state->freed, state->freed_capacity * sizeof(BlockNumber));
	}
	state->freed[state->nfreed++] = block;
}

static void
add_row(SealState *state, HeapTuple tuple, TransactionId xmin)
{
	LedgerRowSet *rows = &state->rows;

	if (rows->nrows == state->capacity)
	{
		state->capacity = Max(LEDGER_SLOT_ROWS, state->capacity * 2);
		if (rows->tuples == NULL)
		{
			rows->tuples = palloc(state->capacity * sizeof(HeapTuple));
			rows->xmins = palloc(state->capacity * sizeof(uint32));
		}
		else
		{
			rows->tuples = repalloc(rows->tuples, state->capacity * sizeof(HeapTuple));
			rows->xmins = repalloc(rows->xmins, state->capacity * sizeof(uint32));
		}
	}
	rows->tuples[rows->nrows] = tuple;
	rows->xmins[rows->nrows] = tuple == NULL ? InvalidTransactionId : xmin;
	rows->nrows++;
	if (tuple != NULL)
		state->bytes += tuple->t_len;
}

static HeapTuple
copy_item(Relation rel, BlockNumber block, Page page, OffsetNumber offset)
{
	ItemId		item = PageGetItemId(page, offset);
	Size		len = ItemIdGetLength(item);
	HeapTuple	tuple;

	tuple = (HeapTuple) palloc(HEAPTUPLESIZE + len);
	tuple->t_len = len;
	tuple->t_tableOid = RelationGetRelid(rel);
	ItemPointerSet(&tuple->t_self, block, offset);
	tuple->t_data = (HeapTupleHeader) ((char *) tuple + HEAPTUPLESIZE);
	memcpy(tuple->t_data, PageGetItem(page, item), len);
	return tuple;
}

/* Replace a stub by its row, and note the chain's blocks as free. */
static HeapTuple
load_overflow(SealState *state, HeapTuple stub_tuple)
{
	LedgerOverflowStub stub;
	HeapTuple	tuple;

	memcpy(&stub, (char *) stub_tuple->t_data + stub_tuple->t_data->t_hoff, sizeof(stub));
	tuple = ledger_read_overflow(state->rel, &stub);
	if (tuple == NULL)
		ledger_corrupt(state->rel, stub.first, "an overflow block of slot %u was overwritten",
					   stub.slot);
	ledger_visit_overflow(state->rel, &stub, note_freed, state);
	pfree(stub_tuple);
	return tuple;
}

/* Copy a run's page; its dictionary is at hand then. */
static void
copy_page(SealState *state, LedgerSlotNumber slot, const LedgerRunMapItem *item, Page copy)
{
	Relation	rel = state->rel;
	Buffer		buffer = ledger_read_block(rel, item->block);

	if (!ledger_lock_tail_page(rel, buffer, slot, item->first))
		ledger_corrupt(rel, item->block, "the block is not the page of slot %u that its run map names, or has no dictionary",
					   slot);
	memcpy(copy, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	if (PageGetMaxOffsetNumber(copy) > MaxHeapTuplesPerPage)
		ledger_corrupt(rel, item->block, "a tail page claims %d rows",
					   (int) PageGetMaxOffsetNumber(copy));
	for (OffsetNumber offset = 1; offset <= PageGetMaxOffsetNumber(copy); offset++)
		if (!ledger_item_is_sane(copy, offset))
			ledger_corrupt(rel, item->block, "item %u points to no tuple", offset);
}

/* Add a row that is in the run to the state, from its page or unpacked. */
static void
load_row(SealState *state, BlockNumber block, Page page, OffsetNumber offset, HeapTuple unpacked)
{
	ItemId		item = PageGetItemId(page, offset);
	HeapTupleHeader header = (HeapTupleHeader) PageGetItem(page, item);
	HeapTuple	tuple = unpacked;
	const char *problem;

	if (row_fate(header) != ROW_COMMITTED)
	{
		if (tuple != NULL)
			pfree(tuple);
		add_row(state, NULL, InvalidTransactionId);
		return;
	}
	if (tuple == NULL)
		tuple = copy_item(state->rel, block, page, offset);
	else
		state->unpacked += tuple->t_len - ItemIdGetLength(item);
	if (ledger_is_stub(tuple->t_data, tuple->t_len))
		tuple = load_overflow(state, tuple);
	problem = ledger_tuple_problem(RelationGetDescr(state->rel), tuple);
	if (problem != NULL)
		ledger_corrupt(state->rel, block, "%s", problem);
	add_row(state, tuple, HeapTupleHeaderGetXmin(header));
}

/*
 * Add one page's rows; false if one of them is of a transaction in progress.
 */
static bool
load_page(SealState *state, LedgerSlotNumber slot, const LedgerRunMapItem *item)
{
	PGAlignedBlock copy;
	Page		page = (Page) copy.data;
	HeapTuple	unpacked[MaxHeapTuplesPerPage];
	uint32		dictionary;
	int			nrows;

	copy_page(state, slot, item, page);
	nrows = PageGetMaxOffsetNumber(page);
	for (OffsetNumber offset = 1; offset <= nrows; offset++)
	{
		HeapTupleHeader header = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, offset));

		if (row_fate(header) == ROW_IN_PROGRESS)
			return false;
	}
	dictionary = ledger_page_tag(page)->dictionary;
	ledger_unpack(state->rel, item->block, page,
				  ledger_dictionary(state->rel, dictionary), unpacked);
	for (OffsetNumber offset = 1; offset <= nrows; offset++)
		load_row(state, item->block, page, offset, unpacked[offset - 1]);
	note_freed(state, item->block);
	return true;
}

/* Fill in what the slot's entry says of its xmins and gaps. */
static void
describe_slot(SealState *state, LedgerSegmentSlot *slot, LedgerSlotEntry *entry)
{
	const LedgerRowSet *rows = &state->rows;
	TransactionId oldest = InvalidTransactionId;
	TransactionId newest = InvalidTransactionId;

	entry->live = 0;
	for (int i = slot->first; i < slot->first + slot->nrows; i++)
	{
		TransactionId xmin = rows->xmins[i];

		if (rows->tuples[i] == NULL)
			continue;
		entry->live++;
		if (!TransactionIdIsNormal(xmin))
			continue;
		if (!TransactionIdIsValid(oldest) || TransactionIdPrecedes(xmin, oldest))
			oldest = xmin;
		if (!TransactionIdIsValid(newest) || TransactionIdFollows(xmin, newest))
			newest = xmin;
	}
	entry->flags = 0;
	if (entry->live < slot->nrows)
		entry->flags |= LEDGER_ENTRY_GAPS | LEDGER_ENTRY_INDEX_VACUUM;

	/* rows frozen in place all: every snapshot sees them */
	entry->oldest_xid = TransactionIdIsValid(oldest) ? ledger_full_xid(oldest) : FrozenTransactionId;
	entry->newest_xid = TransactionIdIsValid(newest) ? ledger_full_xid(newest) : FrozenTransactionId;
}

/*
 * Load a closed run, or leave the state as it was and tell why not.
 */
static RunFate
load_run(SealState *state, LedgerSlotNumber number, const LedgerSlotEntry *entry)
{
	LedgerRunMap *map = palloc(sizeof(LedgerRunMap));
	LedgerSegmentSlot *slot = &state->slots[state->nslots];
	LedgerRowSet *rows = &state->rows;
	int			first = rows->nrows;
	int			nfreed = state->nfreed;
	uint64		bytes = state->bytes;
	uint64		excess;
	RunFate		fate = RUN_LOADED;

	if (!ledger_read_runmap(state->rel, number, entry->home, map))
		ledger_corrupt(state->rel, entry->home, "the block is not the run map of slot %u", number);

	state->unpacked = 0;
	for (uint32 i = 0; i < map->nitems && fate == RUN_LOADED; i++)
	{
		ledger_give_way();
		if (rows->nrows - first != map->items[i].first)
			ledger_corrupt(state->rel, map->items[i].block,
						   "slot %u has %d rows before this page, not %u",
						   number, rows->nrows - first, map->items[i].first);
		if (!load_page(state, number, &map->items[i]))
			fate = RUN_UNRESOLVED;
	}
	excess = map->overflow_bytes;
	pfree(map);
	if (fate == RUN_LOADED && rows->nrows - first != entry->nrows)
		ledger_corrupt(state->rel, entry->home, "slot %u has %d rows, not %u",
					   number, rows->nrows - first, entry->nrows);

	slot->slot = number;
	slot->first = first;
	slot->nrows = rows->nrows - first;
	if (fate == RUN_LOADED)
	{
		state->entries[state->nslots] = *entry;
		describe_slot(state, slot, &state->entries[state->nslots]);
		if (state->entries[state->nslots].live == 0)
			fate = RUN_DEAD;
	}

	if (fate == RUN_LOADED)
	{
		/* what compressed values will take when they are not, too */
		state->bytes += excess - Min(excess, state->unpacked);
		note_freed(state, entry->home);
		state->nslots++;
	}
	else
	{
		for (int i = first; i < rows->nrows; i++)
			if (rows->tuples[i] != NULL)
				pfree(rows->tuples[i]);
		rows->nrows = first;
		state->bytes = bytes;
		if (fate == RUN_UNRESOLVED)
			state->nfreed = nfreed;
		else
			note_freed(state, entry->home);
	}
	return fate;
}

/* A run to be loaded */
typedef struct LoadWork
{
	SealState  *state;
	LedgerSlotNumber slot;
	const LedgerSlotEntry *entry;
	RunFate		fate;
} LoadWork;

static void
load_run_work(void *arg)
{
	LoadWork   *work = arg;

	work->fate = load_run(work->state, work->slot, work->entry);
}

/*
 * Load a run, or say why it cannot be read and leave it as it is: the others
 * must not wait for its repair.
 */
static RunFate
load_safely(SealState *state, LedgerSlotNumber slot, const LedgerSlotEntry *entry)
{
	LoadWork	work = {state, slot, entry, RUN_UNREADABLE};
	int			nrows = state->rows.nrows;
	int			nfreed = state->nfreed;
	uint64		bytes = state->bytes;
	ErrorData  *error = ledger_try_work(load_run_work, &work);

	if (error == NULL)
		return work.fate;
	if (error->sqlerrcode != ERRCODE_DATA_CORRUPTED &&
		error->sqlerrcode != ERRCODE_INDEX_CORRUPTED &&
		error->sqlerrcode != ERRCODE_IO_ERROR)
		ReThrowError(error);

	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("could not seal slot %u of ledger \"%s\": %s", slot,
					RelationGetRelationName(state->rel), error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0));
	FreeErrorData(error);
	state->rows.nrows = nrows;
	state->nfreed = nfreed;
	state->bytes = bytes;
	return RUN_UNREADABLE;
}

/* ---- sealing ---- */

/* Nothing below "slot" is left to seal or settle. */
static void
advance_seal_from(Relation rel, LedgerSlotNumber slot)
{
	Buffer		metabuf = ledger_lock_meta(rel, BUFFER_LOCK_EXCLUSIVE);
	GenericXLogState *state = GenericXLogStart(rel);
	LedgerMetaData *meta = ledger_meta_of(rel, metabuf,
										  GenericXLogRegisterBuffer(state, metabuf, 0));

	meta->seal_from = slot;
	ledger_meta_set_crc(meta);
	GenericXLogFinish(state);
	UnlockReleaseBuffer(metabuf);
}

static void
mark_run_dead(Relation rel, LedgerSlotNumber slot, const LedgerSlotEntry *before)
{
	LedgerSlotEntry entry = *before;

	entry.state = LEDGER_SLOT_DEAD;
	entry.flags = LEDGER_ENTRY_GAPS | LEDGER_ENTRY_INDEX_VACUUM;
	entry.live = 0;
	ledger_change_entry(rel, slot, &entry, NULL, -1);
}

/* Suggest to the free space map what was noted as free from "first" on. */
static void
free_blocks(SealState *state, int first)
{
	for (int i = first; i < state->nfreed; i++)
		ledger_free_block(state->rel, state->freed[i]);
	if (state->nfreed > first)
		IndexFreeSpaceMapVacuum(state->rel);
	state->nfreed = first;
}

/*
 * Whether another run may join those that are loaded.  One record must do to
 * publish them, or to move the segment later.
 */
static bool
has_room(SealState *state, LedgerSlotNumber slot, const LedgerSlotEntry *entry)
{
	if (state->nslots == 0)
		return true;
	if (state->nslots == LEDGER_SEGMENT_SLOTS)
		return false;
	state->slots[state->nslots].slot = slot;
	return ledger_publishes_at_once(state->slots, state->nslots + 1) &&
		state->rows.nrows + entry->nrows <= LEDGER_SEGMENT_ROWS &&
		state->bytes + state->bytes / state->nslots <= LEDGER_SEGMENT_RAW_BYTES;
}

/*
 * Collect closed runs for one segment, from the lowest slot that is left on.
 * Returns whether they fill it.
 */
static bool
collect_runs(SealState *state)
{
	Relation	rel = state->rel;
	LedgerMetaData meta;
	LedgerSlotNumber settled;
	bool		all_settled = true;
	bool		full = false;

	if (!ledger_read_meta(rel, &meta))
		return false;
	settled = meta.seal_from;
	for (LedgerSlotNumber slot = meta.seal_from; slot < meta.next_slot; slot++)
	{
		LedgerSlotEntry entry;
		bool		done = false;
		int			nfreed;

		CHECK_FOR_INTERRUPTS();
		if (!ledger_read_entry(rel, slot, &entry))
			break;
		if (entry.state == LEDGER_SLOT_CLOSED)
		{
			if (!has_room(state, slot, &entry))
			{
				full = true;
				break;
			}
			nfreed = state->nfreed;
			if (load_safely(state, slot, &entry) == RUN_DEAD)
			{
				mark_run_dead(rel, slot, &entry);
				free_blocks(state, nfreed);
				done = true;
			}
		}
		else
			done = entry.state == LEDGER_SLOT_SEALED || entry.state == LEDGER_SLOT_DEAD;

		all_settled = all_settled && done;
		if (all_settled)
			settled = slot + 1;
	}
	if (settled > meta.seal_from)
		advance_seal_from(rel, settled);
	return full || state->rows.nrows > LEDGER_SEGMENT_ROWS - LEDGER_SLOT_ROWS ||
		state->nslots >= LEDGER_WAKE_AT_RUNS;
}

static void
publish(SealState *state, BlockNumber root, uint64 segment, uint32 nblocks)
{
	LedgerTotals change = {0};
	uint64		oldest = FrozenTransactionId;
	uint64		newest = 0;

	/*
	 * All slots of a segment get the same bounds, so that they become old
	 * enough to be frozen at once: they share the xmin blocks.  A slot whose
	 * rows are all frozen has no oldest xid.
	 */
	for (int i = 0; i < state->nslots; i++)
	{
		uint64		slot_oldest = state->entries[i].oldest_xid;

		if (slot_oldest != FrozenTransactionId &&
			(oldest == FrozenTransactionId || slot_oldest < oldest))
			oldest = slot_oldest;
		newest = Max(newest, state->entries[i].newest_xid);
	}

	for (int i = 0; i < state->nslots; i++)
	{
		LedgerSlotEntry *entry = &state->entries[i];

		entry->oldest_xid = oldest;
		entry->newest_xid = newest;
		entry->state = LEDGER_SLOT_SEALED;
		entry->home = root;
		entry->first = state->slots[i].first;
		entry->primary = state->slots[0].slot;
		entry->segment = segment;
		entry->pending = 0;
		change.entries += entry->live;
	}
	change.segments = 1;
	change.slots = state->nslots;
	change.raw_bytes = state->rows.raw_bytes;
	change.blocks = nblocks;
	ledger_publish_segment(state->rel, state->slots, state->nslots, state->entries,
						   &change, -state->nslots);
}

/*
 * If all rows have one xmin, which the entries tell then, the segment needs no
 * block for xmins.
 */
static void
note_one_xmin(SealState *state)
{
	LedgerRowSet *rows = &state->rows;
	TransactionId xmin = InvalidTransactionId;

	for (int i = 0; i < rows->nrows; i++)
	{
		if (rows->tuples[i] == NULL)
			continue;
		if (!TransactionIdIsValid(xmin))
			xmin = rows->xmins[i];
		else if (rows->xmins[i] != xmin)
			return;
	}
	if (!TransactionIdIsNormal(xmin))
		return;
	for (int i = 0; i < state->nslots; i++)
		state->entries[i].flags |= LEDGER_ENTRY_ONE_XMIN;
	pfree(rows->xmins);
	rows->xmins = NULL;
}

/* A segment to be written */
typedef struct WriteWork
{
	SealState  *state;
	LedgerSegmentWriter *writer;
	BlockNumber root;
	uint32		nblocks;
} WriteWork;

static void
write_segment(void *arg)
{
	WriteWork  *work = arg;
	SealState  *state = work->state;

	work->root = ledger_write_segment(state->rel, RelationGetDescr(state->rel), &state->rows,
									  work->writer, state->slots, state->nslots,
									  &work->nblocks);
}

/*
 * Write the segment; after an error (a full disk, above all) give back the
 * blocks that it took: the next attempt, or an insertion, will need them.
 */
static BlockNumber
write_safely(SealState *state, uint64 segment, uint32 *nblocks)
{
	LedgerSlotNumber primary = state->slots[0].slot;
	WriteWork	work = {state};
	ErrorData  *error;

	work.writer = ledger_segment_begin(state->rel, primary, segment);
	error = ledger_try_work(write_segment, &work);
	if (error != NULL)
	{
		ledger_forget_one_pending(state->rel, primary);
		ledger_segment_abandon(work.writer);
		ReThrowError(error);
	}
	*nblocks = work.nblocks;
	return work.root;
}

/* Whether slots have been allotted since the ones just sealed. */
static bool
others_follow(const SealState *state)
{
	LedgerMetaData meta;

	return ledger_read_meta(state->rel, &meta) &&
		meta.next_slot > state->slots[state->nslots - 1].slot + 1;
}

/*
 * Seal closed runs into one segment.  Returns the number of entries sealed, or
 * -1 if there was nothing to seal.
 */
int64
ledger_seal_some(Relation rel, LedgerSealing what)
{
	SealState	state = {0};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ledger seal",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext rows_context = GenerationContextCreate(context, "ledger seal rows",
														 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(rows_context);
	int64		result = -1;
	bool		full;

	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot seal during recovery")));

	state.rel = rel;
	full = collect_runs(&state);
	MemoryContextSwitchTo(context);
	if (state.nslots > 0 && what == LEDGER_SEAL_FULL && !full)
		state.nfreed = 0;
	else if (state.nslots > 0)
	{
		uint64		segment = ledger_reserve_segment(rel, state.slots[0].slot);
		uint32		nblocks;
		BlockNumber root;

		note_one_xmin(&state);
		root = write_safely(&state, segment, &nblocks);
		publish(&state, root, segment, nblocks);
		result = 0;
		for (int i = 0; i < state.nslots; i++)
			result += state.entries[i].live;
	}
	free_blocks(&state, 0);
	if (result > 0 && (what != LEDGER_SEAL_LAST || others_follow(&state)))
		ledger_learn_from_rows(rel, state.rows.tuples, state.rows.nrows);
	if (result >= 0)
		ledger_note_widths(rel, &state.entries[0]);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return result;
}

/*
 * Close the open runs of the lanes, of those only whose slot is at least so
 * many slots behind the newest.
 */
void
ledger_close_open_runs(Relation rel, uint32 behind)
{
	LedgerMetaData meta;

	if (!ledger_read_meta(rel, &meta))
		return;
	for (int lane = 0; lane < meta.nlanes; lane++)
		if (meta.lanes[lane].slot != LEDGER_NO_SLOT &&
			meta.next_slot - meta.lanes[lane].slot > behind)
			ledger_close_run(rel, lane, meta.lanes[lane].slot);
}
