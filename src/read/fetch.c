/*-------------------------------------------------------------------------
 *
 * fetch.c
 *	  Rows by TID: for index scans, row versions, row locks.
 *
 * The directory entry is read anew for each row, as is the tail page; what is
 * remembered between rows (a run map, open segments, decoded vectors) is used
 * only as far as the entry or the page's tag bears it out.
 *
 * These functions may run under the exclusive lock of an index page
 * (_bt_check_unique).  So nothing is flushed here, and nothing decoded before
 * somebody asks for values.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/xact.h"
#include "read/read_internal.h"
#include "storage/predicate.h"
#include "utils/memutils.h"

#define FETCH_READERS	4		/* segments kept open */
#define VECTOR_AFTER	3		/* rows of a vector after which it is decoded */

typedef struct LedgerFetch
{
	Relation	rel;
	MemoryContext context;

	LedgerBatch *page;			/* a tail page with packed rows, or NULL */

	/* a run map read before */
	LedgerSlotNumber map_slot;	/* LEDGER_NO_SLOT if none */
	LedgerRunMap *map;

	LedgerSegmentReader *readers[FETCH_READERS];
	int			next_reader;	/* to be replaced */

	LedgerBatch *single;		/* one row, or NULL */
	LedgerBatch *vector;		/* a vector, or NULL */
	uint64		hit_segment;	/* vector that the last row was in */
	int			hit_vector;
	int			hits;			/* rows in a row, so to speak */
} LedgerFetch;

typedef enum FetchResult
{
	FETCH_FOUND,
	FETCH_NONE,
	FETCH_CHANGED				/* read the entry again */
} FetchResult;

static void
fetch_init(LedgerFetch *fetch, Relation rel, MemoryContext context)
{
	memset(fetch, 0, sizeof(*fetch));
	fetch->rel = rel;
	fetch->context = context;
	fetch->map_slot = LEDGER_NO_SLOT;
	fetch->hit_vector = -1;
}

static void
fetch_done(LedgerFetch *fetch)
{
	if (fetch->single != NULL)
		ledger_batch_leave(fetch->single);
	if (fetch->vector != NULL)
		ledger_batch_leave(fetch->vector);
	if (fetch->page != NULL)
		ledger_batch_leave(fetch->page);
	for (int i = 0; i < FETCH_READERS; i++)
	{
		if (fetch->readers[i] != NULL)
			ledger_reader_release(fetch->readers[i]);
	}
	if (fetch->map != NULL)
		pfree(fetch->map);
}

/* ---- Tail ---- */

/*
 * Have the batch of a tail page's rows at hand, of which one is packed: what is
 * unpacked once serves for its neighbours.  The page is locked.  Rows are added
 * to a page, but those that are there never change, so that a copy of the same
 * page that has the row will do.
 */
static void
take_page(LedgerFetch *fetch, BlockNumber block, LedgerRow first_row, int row, Page page)
{
	LedgerBatch *batch = fetch->page;

	if (batch != NULL && batch->page != NULL && batch->block == block &&
		batch->first_row == first_row && row < batch->nrows)
		return;
	fetch->page = ledger_batch_renew(batch, fetch->context, fetch->rel);
	ledger_batch_set_page(fetch->page, block, first_row, page);
}

/*
 * Look at a row in its tail page.  *absent is set if the page does not have it
 * (it may be in a page that was added since the map was read).
 */
static FetchResult
fetch_from_page(LedgerFetch *fetch, LedgerRow row, BlockNumber home, int index,
				Snapshot snapshot, TupleTableSlot *slot, bool *dead, bool *absent)
{
	Relation	rel = fetch->rel;
	LedgerSlotNumber slotnum = LedgerRowSlot(row);
	const LedgerRunMapItem *item = &fetch->map->items[index];
	BlockNumber block = item->block;
	OffsetNumber lp = LedgerRowOffset(row) - item->first + 1;
	Buffer		buffer = ledger_read_block(rel, block);
	Page		page = BufferGetPage(buffer);
	HeapTupleData tuple;
	HeapTuple	copy = NULL;
	TransactionId xmin = InvalidTransactionId;
	bool		packed = false;
	bool		visible;

	/* so that memory of the last row can be used again */
	if (slot != NULL)
		ExecClearTuple(slot);
	if (!ledger_lock_tail_page(rel, buffer, slotnum, item->first))
	{
		ReleaseBuffer(buffer);
		return FETCH_CHANGED;
	}
	tuple.t_data = NULL;
	if (lp <= PageGetMaxOffsetNumber(page))
	{
		if (((PageHeader) page)->pd_lower > ((PageHeader) page)->pd_special)
			ledger_corrupt(rel, block, "the page header is damaged");
		tuple.t_data = ledger_page_tuple(rel, block, page, lp, &tuple.t_len);
	}
	if (tuple.t_data == NULL)
	{
		if (!ledger_runmap_fits(fetch->map, index, PageGetMaxOffsetNumber(page)))
			ledger_corrupt(rel, block, "the page of slot %u has not the rows that its run map in block %u says",
						   slotnum, home);
		UnlockReleaseBuffer(buffer);
		*absent = true;
		return FETCH_NONE;
	}

	tuple.t_tableOid = RelationGetRelid(rel);
	ItemPointerSet(&tuple.t_self, block, lp);
	visible = ledger_tail_visible(rel, &tuple, buffer, LEDGER_RULE_SNAPSHOT, snapshot, dead);
	if (visible)
	{
		xmin = HeapTupleHeaderGetXmin(tuple.t_data);
		packed = ledger_is_packed(tuple.t_data);
		if (slot != NULL && packed)
			take_page(fetch, block, LedgerMakeRow(slotnum, item->first), lp - 1, page);
		else if (slot != NULL)
		{
			copy = MemoryContextAlloc(slot->tts_mcxt, HEAPTUPLESIZE + tuple.t_len);
			copy->t_len = tuple.t_len;
			copy->t_tableOid = tuple.t_tableOid;
			LedgerRowToTid(row, &copy->t_self);
			copy->t_data = (HeapTupleHeader) ((char *) copy + HEAPTUPLESIZE);
			memcpy(copy->t_data, tuple.t_data, tuple.t_len);
		}
	}
	UnlockReleaseBuffer(buffer);

	if (!visible)
		return FETCH_NONE;
	if (slot != NULL && packed)
		ledger_slot_show_row(slot, fetch->page, lp - 1);
	else if (slot != NULL)
		ledger_slot_show_tuple(slot, rel, row, block, copy, xmin,
							   HeapTupleHeaderGetRawCommandId(copy->t_data));
	if (snapshot != NULL)
	{
		ItemPointerData tid;

		LedgerRowToTid(row, &tid);
		PredicateLockTID(rel, &tid, snapshot, xmin);
	}
	return FETCH_FOUND;
}

static FetchResult
fetch_tail(LedgerFetch *fetch, const LedgerSlotEntry *entry, LedgerRow row,
		   Snapshot snapshot, TupleTableSlot *slot, bool *dead)
{
	LedgerSlotNumber slotnum = LedgerRowSlot(row);

	if (fetch->map == NULL)
		fetch->map = MemoryContextAlloc(fetch->context, sizeof(LedgerRunMap));

	for (;;)
	{
		bool		fresh = false;
		bool		absent = false;
		int			index;
		FetchResult result = FETCH_NONE;

		if (fetch->map_slot != slotnum)
		{
			fetch->map_slot = LEDGER_NO_SLOT;
			if (!ledger_read_runmap(fetch->rel, slotnum, entry->home, fetch->map))
				return FETCH_CHANGED;
			fetch->map_slot = slotnum;
			fresh = true;
		}
		index = ledger_runmap_find(fetch->map, LedgerRowOffset(row));
		if (index >= 0)
			result = fetch_from_page(fetch, row, entry->home, index, snapshot, slot, dead, &absent);
		else
			absent = true;

		if (result == FETCH_CHANGED)
			fetch->map_slot = LEDGER_NO_SLOT;
		if (!absent || index < (int) fetch->map->nitems - 1 || fresh)
			return result;

		/* the run may have got more pages */
		fetch->map_slot = LEDGER_NO_SLOT;
	}
}

/* ---- Segments ---- */

/* The segment that an entry names, in one of the places for open ones. */
static LedgerSegmentReader *
find_reader(LedgerFetch *fetch, LedgerSlotNumber slot, const LedgerSlotEntry *entry)
{
	LedgerSegmentReader *reader;

	for (int i = 0; i < FETCH_READERS; i++)
	{
		if (fetch->readers[i] != NULL && ledger_reader_is(fetch->readers[i], entry))
			return fetch->readers[i];
	}
	reader = ledger_reader_open(fetch->rel, slot, entry, fetch->context);
	if (reader == NULL)
		return NULL;
	if (fetch->readers[fetch->next_reader] != NULL)
		ledger_reader_release(fetch->readers[fetch->next_reader]);
	fetch->readers[fetch->next_reader] = reader;
	fetch->next_reader = (fetch->next_reader + 1) % FETCH_READERS;
	return reader;
}

/* Have the slot show a row of a segment. */
static void
show_segment_row(LedgerFetch *fetch, LedgerSegmentReader *reader,
				 const LedgerSlotEntry *entry, LedgerRow row, TupleTableSlot *slot)
{
	int			position = entry->first + LedgerRowOffset(row);
	int			vector = position / LEDGER_VECTOR_ROWS;
	LedgerBatch *batch;

	if (fetch->hit_segment == entry->segment && fetch->hit_vector == vector)
		fetch->hits++;
	else
		fetch->hits = 1;
	fetch->hit_segment = entry->segment;
	fetch->hit_vector = vector;

	/* so that memory of the last row can be used again */
	ExecClearTuple(slot);

	batch = fetch->vector;
	if (batch != NULL && batch->reader == reader &&
		position >= batch->position && position < batch->position + batch->nrows &&
		row >= batch->first_row && row - batch->first_row == position - batch->position &&
		batch->has_cids == (entry->state == LEDGER_SLOT_BULK_WRITTEN))
	{
		ledger_slot_show_row(slot, batch, position - batch->position);
		return;
	}

	if (fetch->hits >= VECTOR_AFTER)
	{
		/* the vector, as far as it is the slot's */
		LedgerRow	slot_row = LedgerMakeRow(LedgerRowSlot(row), 0);
		int			start = Max(vector * LEDGER_VECTOR_ROWS, (int) entry->first);
		int			end = Min((vector + 1) * LEDGER_VECTOR_ROWS,
							  (int) entry->first + entry->nrows);

		batch = ledger_batch_renew(fetch->vector, fetch->context, fetch->rel);
		fetch->vector = batch;
		ledger_batch_set_segment(batch, reader, entry, slot_row + (start - entry->first),
								 start, end - start);
		ledger_slot_show_row(slot, batch, position - start);
		return;
	}

	batch = ledger_batch_renew(fetch->single, fetch->context, fetch->rel);
	fetch->single = batch;
	ledger_batch_set_segment(batch, reader, entry, row, position, 1);
	ledger_slot_show_row(slot, batch, 0);
}

/* Whether the snapshot sees one row, where that depends on the row. */
static FetchResult
judge_row(LedgerFetch *fetch, LedgerSegmentReader *reader, const LedgerSlotEntry *entry,
		  LedgerSeen seen, int position, Snapshot snapshot)
{
	const LedgerSegmentRoot *root = ledger_reader_root(reader);
	uint32		xid;

	if (root->xmin_bytes > 0)
	{
		if (!ledger_reader_xids(reader, fetch->rel, position, 1, &xid))
			return FETCH_CHANGED;
	}
	else if (seen == LEDGER_SEEN_BY_CID)
		xid = root->cid;
	else
		xid = XidFromFullTransactionId(FullTransactionIdFromU64(entry->newest_xid));

	if (seen == LEDGER_SEEN_BY_CID)
		return xid < snapshot->curcid ? FETCH_FOUND : FETCH_NONE;
	return ledger_xmin_visible(fetch->rel, xid, snapshot) ? FETCH_FOUND : FETCH_NONE;
}

/* snapshot is NULL if the row is known to be visible. */
static FetchResult
fetch_segment(LedgerFetch *fetch, const LedgerSlotEntry *entry, LedgerRow row,
			  const LedgerVerdict *verdict, Snapshot snapshot, TupleTableSlot *slot,
			  bool *dead)
{
	Relation	rel = fetch->rel;
	int			position = entry->first + LedgerRowOffset(row);
	LedgerSegmentReader *reader;
	const LedgerSegmentRoot *root;
	FetchResult result = FETCH_FOUND;

	if (LedgerRowOffset(row) >= entry->nrows)
	{
		*dead = true;			/* nothing is ever added to a segment */
		return FETCH_NONE;
	}
	if (verdict->seen == LEDGER_SEEN_NONE)
	{
		*dead = verdict->dead;
		return FETCH_NONE;
	}

	reader = find_reader(fetch, LedgerRowSlot(row), entry);
	if (reader == NULL)
		return FETCH_CHANGED;
	root = ledger_reader_root(reader);
	if (entry->first > root->nrows || entry->nrows > root->nrows - entry->first)
		ledger_corrupt(rel, entry->home, "segment " UINT64_FORMAT " has no room for the rows of slot %u",
					   entry->segment, LedgerRowSlot(row));

	if (ledger_is_gap(ledger_reader_gaps(reader, rel), position))
	{
		*dead = true;
		return FETCH_NONE;
	}
	if (verdict->seen == LEDGER_SEEN_BY_XMIN || verdict->seen == LEDGER_SEEN_BY_CID)
		result = judge_row(fetch, reader, entry, verdict->seen, position, snapshot);
	if (result != FETCH_FOUND)
		return result;

	if (slot != NULL)
		show_segment_row(fetch, reader, entry, row, slot);
	if (snapshot != NULL)
	{
		ItemPointerData tid;

		LedgerRowToTid(row, &tid);
		PredicateLockTID(rel, &tid, snapshot,
						 entry->state == LEDGER_SLOT_BULK_WRITTEN ?
						 XidFromFullTransactionId(FullTransactionIdFromU64(entry->newest_xid)) :
						 FrozenTransactionId);
	}
	return FETCH_FOUND;
}

/* ---- Rows in memory ---- */

static FetchResult
fetch_unwritten(LedgerFetch *fetch, const LedgerSlotEntry *entry, LedgerRow row,
				const LedgerVerdict *verdict, Snapshot snapshot, TupleTableSlot *slot)
{
	CommandId	cid;
	MemoryContext oldcontext;
	HeapTuple	tuple;

	if (verdict->seen == LEDGER_SEEN_NONE)
		return FETCH_NONE;
	if (!verdict->own)
	{
		/* another backend's: the row is there, and that is all we know */
		if (slot != NULL)
			ledger_slot_show_nothing(slot, fetch->rel, row,
									 XidFromFullTransactionId(FullTransactionIdFromU64(entry->newest_xid)));
		return FETCH_FOUND;
	}

	if (!ledger_bulk_fetch(fetch->rel, row, &cid, NULL))
		return FETCH_NONE;
	if (IsMVCCSnapshot(snapshot) && cid >= snapshot->curcid)
		return FETCH_NONE;
	if (slot != NULL)
	{
		oldcontext = MemoryContextSwitchTo(slot->tts_mcxt);
		(void) ledger_bulk_fetch(fetch->rel, row, &cid, &tuple);
		MemoryContextSwitchTo(oldcontext);
		ledger_slot_show_tuple(slot, fetch->rel, row, InvalidBlockNumber, tuple,
							   HeapTupleHeaderGetRawXmin(tuple->t_data), cid);
	}
	return FETCH_FOUND;
}

/* ---- All together ---- */

/*
 * Find a row that the snapshot sees, and have the slot (unless it is NULL) show
 * it.  *dead is set if it is not there for anybody.
 */
static bool
fetch_row(LedgerFetch *fetch, ItemPointer tid, Snapshot snapshot, TupleTableSlot *slot,
		  bool *dead)
{
	Relation	rel = fetch->rel;
	LedgerRow	row;
	LedgerSlotNumber slotnum;
	LedgerSlotEntry entry;

	*dead = false;
	if (snapshot->snapshot_type == SNAPSHOT_DIRTY)
	{
		snapshot->xmin = snapshot->xmax = InvalidTransactionId;
		snapshot->speculativeToken = 0;
	}
	if (!LedgerTidIsSane(tid))
		return false;
	row = LedgerTidToRow(tid);
	slotnum = LedgerRowSlot(row);
	if (!ledger_read_entry(rel, slotnum, &entry))
		return false;

	for (;;)
	{
		LedgerVerdict verdict;
		FetchResult result = FETCH_NONE;

		ledger_judge_slot(rel, slotnum, &entry, LEDGER_RULE_SNAPSHOT, snapshot, &verdict);
		switch ((LedgerSlotState) entry.state)
		{
			case LEDGER_SLOT_TAIL:
			case LEDGER_SLOT_CLOSED:
				result = fetch_tail(fetch, &entry, row, snapshot, slot, dead);
				break;
			case LEDGER_SLOT_SEALED:
			case LEDGER_SLOT_BULK_WRITTEN:
				result = fetch_segment(fetch, &entry, row, &verdict, snapshot, slot, dead);
				break;
			case LEDGER_SLOT_BULK_OPEN:
				*dead = verdict.dead;
				result = fetch_unwritten(fetch, &entry, row, &verdict, snapshot, slot);
				break;
			case LEDGER_SLOT_DEAD:
				*dead = true;
				break;
			case LEDGER_SLOT_FREE:
				break;
		}
		if (result != FETCH_CHANGED)
		{
			if (result == FETCH_FOUND && TransactionIdIsValid(verdict.inserter))
				snapshot->xmin = verdict.inserter;
			return result == FETCH_FOUND;
		}
		ledger_read_entry_again(rel, slotnum, &entry);
	}
}

/*
 * Have the slot show a row that is known to be visible, and was in a tail run
 * a moment ago.
 */
void
ledger_fetch_sealed(Relation rel, LedgerRow row, TupleTableSlot *slot)
{
	LedgerFetch fetch;
	LedgerSlotNumber slotnum = LedgerRowSlot(row);
	LedgerSlotEntry entry;
	LedgerVerdict verdict = {.seen = LEDGER_SEEN_ALL};
	bool		dead = false;

	if (!ledger_read_entry(rel, slotnum, &entry))
		ledger_corrupt(rel, 0, "slot %u is gone", slotnum);
	if (entry.state == LEDGER_SLOT_TAIL || entry.state == LEDGER_SLOT_CLOSED)
		ledger_corrupt(rel, entry.home, "overflow blocks of row " UINT64_FORMAT " were overwritten",
					   row);
	fetch_init(&fetch, rel, slot->tts_mcxt);
	if (entry.state != LEDGER_SLOT_SEALED ||
		fetch_segment(&fetch, &entry, row, &verdict, NULL, slot, &dead) != FETCH_FOUND)
		ledger_corrupt(rel, entry.home, "row " UINT64_FORMAT " was lost when slot %u was sealed",
					   row, slotnum);
	fetch_done(&fetch);
}

/* ---- Callbacks ---- */

typedef struct LedgerIndexFetch
{
	IndexFetchTableData base;
	LedgerFetch fetch;
} LedgerIndexFetch;

struct IndexFetchTableData *
ledger_index_fetch_begin(Relation rel)
{
	LedgerIndexFetch *scan = palloc0(sizeof(LedgerIndexFetch));

	scan->base.rel = rel;
	fetch_init(&scan->fetch, rel, CurrentMemoryContext);
	return &scan->base;
}

/* What is remembered is good for the next index scan too. */
void
ledger_index_fetch_reset(struct IndexFetchTableData *data)
{
}

void
ledger_index_fetch_end(struct IndexFetchTableData *data)
{
	LedgerIndexFetch *scan = (LedgerIndexFetch *) data;

	fetch_done(&scan->fetch);
	pfree(scan);
}

bool
ledger_index_fetch_tuple(struct IndexFetchTableData *data, ItemPointer tid,
						 Snapshot snapshot, TupleTableSlot *slot,
						 bool *call_again, bool *all_dead)
{
	LedgerIndexFetch *scan = (LedgerIndexFetch *) data;
	bool		found;
	bool		dead;

	ledger_check_snapshot(scan->base.rel, snapshot);
	found = fetch_row(&scan->fetch, tid, snapshot, slot, &dead);
	*call_again = false;
	if (all_dead != NULL)
		*all_dead = !found && dead;
	return found;
}

/* Fetch one row, with nothing remembered from others. */
static bool
fetch_once(Relation rel, ItemPointer tid, Snapshot snapshot, TupleTableSlot *slot)
{
	LedgerFetch fetch;
	bool		found;
	bool		dead;

	ledger_check_snapshot(rel, snapshot);
	fetch_init(&fetch, rel, slot != NULL ? slot->tts_mcxt : CurrentMemoryContext);
	found = fetch_row(&fetch, tid, snapshot, slot, &dead);
	fetch_done(&fetch);
	return found;
}

bool
ledger_tuple_fetch_row_version(Relation rel, ItemPointer tid, Snapshot snapshot,
							   TupleTableSlot *slot)
{
	if (fetch_once(rel, tid, snapshot, slot))
		return true;
	ExecClearTuple(slot);
	return false;
}

bool
ledger_tuple_tid_valid(TableScanDesc sscan, ItemPointer tid)
{
	LedgerScan *scan = (LedgerScan *) sscan;

	return LedgerTidIsSane(tid) && LedgerRowSlot(LedgerTidToRow(tid)) < scan->nslots;
}

/* A row has one version. */
void
ledger_tuple_get_latest_tid(TableScanDesc sscan, ItemPointer tid)
{
}

bool
ledger_tuple_satisfies_snapshot(Relation rel, TupleTableSlot *slot, Snapshot snapshot)
{
	return fetch_once(rel, &slot->tts_tid, snapshot, NULL);
}

/*
 * Rows never change, so a lock against that is had for nothing.  A lock that
 * shuts others out would have to do so, and is refused.
 */
TM_Result
ledger_tuple_lock(Relation rel, ItemPointer tid, Snapshot snapshot, TupleTableSlot *slot,
				  CommandId cid, LockTupleMode mode, LockWaitPolicy wait_policy,
				  uint8 flags, TM_FailureData *tmfd)
{
	if (mode != LockTupleKeyShare && mode != LockTupleShare)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot lock rows of ledger \"%s\" for update",
						RelationGetRelationName(rel)),
				 errdetail("Rows of a ledger are never updated or deleted."),
				 errhint("Use FOR SHARE, FOR KEY SHARE, ON CONFLICT DO NOTHING, or an advisory lock.")));

	tmfd->ctid = *tid;
	tmfd->xmax = InvalidTransactionId;
	tmfd->cmax = InvalidCommandId;
	tmfd->traversed = false;
	if (!fetch_once(rel, tid, SnapshotAny, slot))
	{
		ExecClearTuple(slot);
		return TM_Invisible;
	}
	return TM_Ok;
}
