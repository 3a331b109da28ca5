/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Scans: sequential, backward, parallel, of a range of TIDs.
 *
 * A scan goes from batch to batch.  What it remembers between them is a row
 * number: the rows from "low" to "high" are done, and the next batch is the
 * one that holds the row after (or before) them.  So it does not matter if the
 * slot is sealed in between: the same row numbers are then found in a segment,
 * and the snapshot sees the same of them.
 *
 * The entry and the run map of the slot at hand are kept as they were when
 * the scan came to the slot.  What has been added since cannot be visible to
 * the scan's snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "read/read_internal.h"
#include "storage/predicate.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Parallel scans hand out slots, those of a segment together. */
typedef struct LedgerParallelScan
{
	ParallelTableScanDescData base;
	LedgerSlotNumber nslots;
	pg_atomic_uint64 next;
} LedgerParallelScan;

/* So many pieces of a table they hand out, at least, if it has as many slots. */
#define PIECES_MIN	4

/* What a dirty snapshot is told of a row that it sees. */
typedef struct LedgerDirty
{
	TransactionId xmin;
	uint32		token;
} LedgerDirty;

/* Slots whose entries are read at once. */
#define AHEAD_MAX	16

typedef struct LedgerAhead
{
	LedgerSlotEntry entry;
	LedgerVerdict verdict;
} LedgerAhead;

/* ---- Begin, rescan, end ---- */

/* A backend's own rows must be in blocks before it scans. */
static void
flush_own(Relation rel)
{
	if (!IsParallelWorker())
		ledger_bulk_flush(rel);
}

/* Forget the slot at hand; what is known of it may be out of date. */
void
ledger_scan_forget_slot(LedgerScan *scan)
{
	scan->slot = LEDGER_NO_SLOT;
	scan->map_valid = false;
	scan->nahead = 0;
	scan->loaded = false;
	scan->nvisible = 0;
	if (scan->reader != NULL)
		ledger_reader_release(scan->reader);
	scan->reader = NULL;
}

static void
init_scan(LedgerScan *scan)
{
	LedgerParallelScan *pscan = (LedgerParallelScan *) scan->base.rs_parallel;

	ledger_scan_forget_slot(scan);
	scan->nslots = pscan ? pscan->nslots : ledger_slot_count(scan->base.rs_rd);
	scan->start = 0;
	scan->end = LedgerMakeRow(scan->nslots, 0);
	scan->sample_block = InvalidBlockNumber;
	scan->bitmap_next = LEDGER_TID_ROWS;
	if (scan->base.rs_flags & SO_TYPE_SEQSCAN)
		pgstat_count_heap_scan(scan->base.rs_rd);
}

TableScanDesc
ledger_scan_begin(Relation rel, Snapshot snapshot, int nkeys, struct ScanKeyData *key,
				  ParallelTableScanDesc pscan, uint32 flags)
{
	LedgerScan *scan;

	ledger_check_snapshot(rel, snapshot);
	if (!(flags & SO_TYPE_TIDSCAN))
		flush_own(rel);

	RelationIncrementReferenceCount(rel);
	scan = palloc0(sizeof(LedgerScan));
	scan->base.rs_rd = rel;
	scan->base.rs_snapshot = snapshot;
	scan->base.rs_nkeys = nkeys;
	scan->base.rs_flags = flags;
	scan->base.rs_parallel = pscan;
	if (nkeys > 0)
	{
		scan->base.rs_key = palloc(nkeys * sizeof(ScanKeyData));
		if (key != NULL)
			memcpy(scan->base.rs_key, key, nkeys * sizeof(ScanKeyData));
	}
	scan->context = CurrentMemoryContext;
	scan->rule = (flags & SO_TYPE_ANALYZE) ? LEDGER_RULE_ANALYZE : LEDGER_RULE_SNAPSHOT;
	if (snapshot != NULL && snapshot->snapshot_type == SNAPSHOT_DIRTY)
		scan->dirty = palloc(LEDGER_VECTOR_ROWS * sizeof(LedgerDirty));

	if (snapshot != NULL &&
		(flags & (SO_TYPE_SEQSCAN | SO_TYPE_SAMPLESCAN | SO_TYPE_TIDRANGESCAN)))
		PredicateLockRelation(rel, snapshot);

	init_scan(scan);
	return &scan->base;
}

void
ledger_scan_rescan(TableScanDesc sscan, struct ScanKeyData *key, bool set_params,
				   bool allow_strat, bool allow_sync, bool allow_pagemode)
{
	LedgerScan *scan = (LedgerScan *) sscan;

	if (key != NULL && sscan->rs_nkeys > 0)
		memcpy(sscan->rs_key, key, sscan->rs_nkeys * sizeof(ScanKeyData));
	init_scan(scan);
}

void
ledger_scan_end(TableScanDesc sscan)
{
	LedgerScan *scan = (LedgerScan *) sscan;

	ledger_scan_forget_slot(scan);
	if (scan->batch != NULL)
		ledger_batch_leave(scan->batch);
	if (scan->map != NULL)
		pfree(scan->map);
	if (scan->ahead != NULL)
		pfree(scan->ahead);
	if (scan->dirty != NULL)
		pfree(scan->dirty);
	if (scan->analyze != NULL)
		pfree(scan->analyze);
	RelationDecrementReferenceCount(sscan->rs_rd);
	if (sscan->rs_key != NULL)
		pfree(sscan->rs_key);
	if (sscan->rs_flags & SO_TEMP_SNAPSHOT)
		UnregisterSnapshot(sscan->rs_snapshot);
	pfree(scan);
}

/* ---- Batches ---- */

static void
read_map(LedgerScan *scan)
{
	Relation	rel = scan->base.rs_rd;

	if (scan->map == NULL)
		scan->map = MemoryContextAlloc(scan->context, sizeof(LedgerRunMap));
	scan->map_valid = ledger_read_runmap(rel, scan->slot, scan->entry.home, scan->map);
}

/*
 * Read and judge the slot's entry, and those of sealed slots that follow it.  A
 * scan that skips most of what it comes to spends its time with that.  An entry
 * may be out of date when the scan comes to its slot, as one may be that is at
 * hand while the slot's rows are returned; who follows it notices.
 */
static void
read_entries(LedgerScan *scan, LedgerSlotNumber slot, int count)
{
	Relation	rel = scan->base.rs_rd;
	LedgerSlotEntry entries[1 + AHEAD_MAX];
	int			n = ledger_read_entries(rel, slot, count, entries);

	scan->nahead = 0;
	scan->ahead_slot = slot + 1;
	if (n > 0 && entries[0].state != LEDGER_SLOT_FREE)
		scan->entry = entries[0];
	else
		memset(&scan->entry, 0, sizeof(scan->entry));
	ledger_judge_slot(rel, slot, &scan->entry, scan->rule, scan->base.rs_snapshot,
					  &scan->verdict);
	if (n > 1 && scan->ahead == NULL)
		scan->ahead = MemoryContextAlloc(scan->context, AHEAD_MAX * sizeof(LedgerAhead));
	for (int i = 1; i < n; i++)
	{
		LedgerAhead *ahead = &scan->ahead[i - 1];

		if (!ledger_is_in_segment(&entries[i]))
			break;
		ahead->entry = entries[i];
		ledger_judge_slot(rel, slot + i, &ahead->entry, scan->rule, scan->base.rs_snapshot,
						  &ahead->verdict);
		scan->nahead = i;
	}
}

static bool
find_ahead(LedgerScan *scan, LedgerSlotNumber slot)
{
	const LedgerAhead *ahead;

	if (slot < scan->ahead_slot || slot - scan->ahead_slot >= (uint32) scan->nahead)
		return false;
	ahead = &scan->ahead[slot - scan->ahead_slot];
	scan->entry = ahead->entry;
	scan->verdict = ahead->verdict;
	return true;
}

/*
 * Come to a slot.  Who skips rows, and may take entries for what they were a while
 * ago, reads ahead.
 */
static void
enter_slot(LedgerScan *scan, LedgerSlotNumber slot)
{
	int			count = 1;

	scan->slot = LEDGER_NO_SLOT;
	scan->map_valid = false;
	if (scan->skip != NULL && slot < scan->nslots && IsMVCCSnapshot(scan->base.rs_snapshot))
		count += Min(AHEAD_MAX, scan->nslots - slot - 1);
	if (!find_ahead(scan, slot))
		read_entries(scan, slot, count);
	scan->slot = slot;
}

/* Come to it again, after it turned out to have changed. */
static void
reenter_slot(LedgerScan *scan)
{
	Relation	rel = scan->base.rs_rd;

	scan->map_valid = false;
	ledger_read_entry_again(rel, scan->slot, &scan->entry);
	ledger_judge_slot(rel, scan->slot, &scan->entry, scan->rule, scan->base.rs_snapshot,
					  &scan->verdict);
}

static inline void
add_visible(LedgerScan *scan, int row)
{
	scan->visible[scan->nvisible++] = row;
}

/* Number of rows in a tail page, which is locked. */
static int
tail_page_rows(Relation rel, BlockNumber block, Page page)
{
	PageHeader	header = (PageHeader) page;

	if (header->pd_lower < SizeOfPageHeaderData || header->pd_lower > header->pd_upper ||
		header->pd_upper > header->pd_special)
		ledger_corrupt(rel, block, "the page header is damaged");
	if (PageGetMaxOffsetNumber(page) > MaxHeapTuplesPerPage)
		ledger_corrupt(rel, block, "a tail page claims %d rows",
					   (int) PageGetMaxOffsetNumber(page));
	return PageGetMaxOffsetNumber(page);
}

/* Make a batch of a tail page's rows from low to high; the page is locked. */
static void
take_page(LedgerScan *scan, Buffer buffer, LedgerRow first_row, LedgerRow low, LedgerRow high)
{
	Relation	rel = scan->base.rs_rd;
	Snapshot	snapshot = scan->base.rs_snapshot;
	Page		page = BufferGetPage(buffer);
	BlockNumber block = BufferGetBlockNumber(buffer);
	int			n = tail_page_rows(rel, block, page);
	HeapTupleData tuple;

	tuple.t_tableOid = RelationGetRelid(rel);
	for (int i = 0; i < n; i++)
	{
		bool		dead;

		if (first_row + i < low || first_row + i > high)
			continue;
		tuple.t_data = ledger_page_tuple(rel, block, page, i + 1, &tuple.t_len);
		if (tuple.t_data == NULL)
			continue;
		ItemPointerSet(&tuple.t_self, block, i + 1);
		if (ledger_tail_visible(rel, &tuple, buffer, scan->rule, snapshot, &dead))
		{
			if (scan->dirty != NULL)
			{
				scan->dirty[scan->nvisible].xmin = snapshot->xmin;
				scan->dirty[scan->nvisible].token = snapshot->speculativeToken;
			}
			add_visible(scan, i);
		}
		else if (dead)
			scan->dead++;
	}
	ledger_batch_set_page(scan->batch, block, first_row, page);
}

/* Load the batch of a row in a tail run; false if it is not one any more. */
static bool
load_tail(LedgerScan *scan, LedgerRow row, LedgerRow low, LedgerRow high)
{
	Relation	rel = scan->base.rs_rd;
	LedgerRow	slot_row = LedgerMakeRow(scan->slot, 0);
	const LedgerRunMapItem *item;
	BlockNumber block;
	Buffer		buffer;
	int			index,
				next;

	if (!scan->map_valid)
		read_map(scan);
	if (!scan->map_valid)
		return false;
	index = ledger_runmap_find(scan->map, LedgerRowOffset(row));
	if (index < 0)
	{
		scan->low = low;
		scan->high = high;
		return true;
	}
	item = &scan->map->items[index];
	block = item->block;
	next = index + 1 < (int) scan->map->nitems ? item[1].first : LEDGER_SLOT_ROWS;

	buffer = ledger_read_block(rel, block);
	if (!ledger_lock_tail_page(rel, buffer, scan->slot, item->first))
	{
		ReleaseBuffer(buffer);
		return false;
	}
	if (!ledger_runmap_fits(scan->map, index, tail_page_rows(rel, block, BufferGetPage(buffer))))
		ledger_corrupt(rel, block, "the page of slot %u has not the rows that its run map in block %u says",
					   scan->slot, scan->entry.home);

	/* What comes after the last page's rows is not there, up to the slot's end. */
	scan->low = Max(low, slot_row + item->first);
	scan->high = Min(high, slot_row + next - 1);
	if (scan->skip_page != NULL)
		scan->page_lsn = BufferGetLSNAtomic(buffer);
	if (scan->skip_page != NULL && ledger_note_tells(rel, block, scan->page_lsn))
	{
		/* rows that come once it is not locked are not for this scan */
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		if (scan->skip_page(scan->skip_arg, block, scan->page_lsn))
		{
			ReleaseBuffer(buffer);
			return true;
		}
		if (!ledger_lock_tail_page(rel, buffer, scan->slot, item->first))
		{
			ReleaseBuffer(buffer);
			return false;
		}
		scan->page_lsn = BufferGetLSNAtomic(buffer);
	}
	take_page(scan, buffer, slot_row + item->first, scan->low, scan->high);
	UnlockReleaseBuffer(buffer);
	return true;
}

/* Add a segment batch's rows that are seen by xmin or command id. */
static void
add_by_xids(LedgerScan *scan, const uint32 *xids, const uint8 *gaps, int position, int count)
{
	Relation	rel = scan->base.rs_rd;
	Snapshot	snapshot = scan->base.rs_snapshot;
	TransactionId last = InvalidTransactionId;
	bool		last_visible = false;

	for (int i = 0; i < count; i++)
	{
		if (ledger_is_gap(gaps, position + i))
			continue;
		if (scan->verdict.seen == LEDGER_SEEN_BY_CID)
		{
			if (xids[i] < snapshot->curcid)
				add_visible(scan, i);
			continue;
		}
		if (!TransactionIdIsValid(xids[i]))
			continue;
		if (xids[i] != last)
		{
			last = xids[i];
			last_visible = ledger_xmin_visible(rel, last, snapshot);
		}
		if (last_visible)
			add_visible(scan, i);
	}
}

static void
add_all(LedgerScan *scan, const uint8 *gaps, int position, int count)
{
	if (gaps == NULL)
	{
		for (int i = 0; i < count; i++)
			scan->visible[i] = i;
		scan->nvisible = count;
	}
	else
	{
		for (int i = 0; i < count; i++)
		{
			if (!ledger_is_gap(gaps, position + i))
				add_visible(scan, i);
		}
	}
	if (scan->dirty != NULL)
	{
		for (int i = 0; i < scan->nvisible; i++)
		{
			scan->dirty[i].xmin = scan->verdict.inserter;
			scan->dirty[i].token = 0;
		}
	}
}

/* Whether the batch at hand holds just these rows of the slot's segment. */
static bool
has_piece(const LedgerScan *scan, LedgerRow low, LedgerRow high)
{
	const LedgerBatch *batch = scan->batch;

	return batch != NULL && batch->reader != NULL && batch->reader == scan->reader &&
		batch->first_row == low && batch->first_row + batch->nrows - 1 == high &&
		batch->has_cids == (scan->entry.state == LEDGER_SLOT_BULK_WRITTEN);
}

/* What is seen of the slot's rows in its segment, which may have one xmin or cid. */
static LedgerSeen
judge_segment(LedgerScan *scan, const LedgerSegmentRoot *root)
{
	LedgerSeen	seen = scan->verdict.seen;
	TransactionId xid = XidFromFullTransactionId(FullTransactionIdFromU64(scan->entry.newest_xid));

	if (root->xmin_bytes > 0)
		return seen;
	if (seen == LEDGER_SEEN_BY_XMIN)
		return ledger_xmin_visible(scan->base.rs_rd, xid, scan->base.rs_snapshot) ?
			LEDGER_SEEN_ALL : LEDGER_SEEN_NONE;
	if (seen == LEDGER_SEEN_BY_CID)
		return root->cid < scan->base.rs_snapshot->curcid ? LEDGER_SEEN_ALL : LEDGER_SEEN_NONE;
	return seen;
}

/*
 * Does the scan see all rows of the slot that it is at, and have they no gaps?
 * To be asked when it is about to look into the slot's segment (LedgerSkip).
 */
bool
ledger_scan_sees_all(LedgerScan *scan)
{
	const LedgerSegmentRoot *root = ledger_reader_root(scan->reader);

	return root->gaps == 0 && judge_segment(scan, root) == LEDGER_SEEN_ALL;
}

/* Load the batch of a row in a segment; false if it is not there any more. */
static bool
load_segment(LedgerScan *scan, LedgerRow row, LedgerRow low, LedgerRow high)
{
	Relation	rel = scan->base.rs_rd;
	const LedgerSlotEntry *entry = &scan->entry;
	LedgerRow	slot_row = LedgerMakeRow(scan->slot, 0);
	LedgerRow	end_row = slot_row + entry->nrows;
	const LedgerSegmentRoot *root;
	const uint8 *gaps;
	uint32		xids[LEDGER_VECTOR_ROWS];
	LedgerSeen	seen = scan->verdict.seen;
	int			position,
				vector_start,
				count;

	if (row >= end_row || seen == LEDGER_SEEN_NONE)
	{
		scan->low = seen == LEDGER_SEEN_NONE ? low : Max(low, end_row);
		scan->high = high;
		return true;
	}

	if (scan->reader != NULL && !ledger_reader_is(scan->reader, entry))
	{
		ledger_reader_release(scan->reader);
		scan->reader = NULL;
	}
	if (scan->reader == NULL)
		scan->reader = ledger_reader_open(rel, scan->slot, entry, scan->context);
	if (scan->reader == NULL)
		return false;
	root = ledger_reader_root(scan->reader);
	if (entry->first > root->nrows || entry->nrows > root->nrows - entry->first)
		ledger_corrupt(rel, entry->home, "segment " UINT64_FORMAT " has no room for the rows of slot %u",
					   entry->segment, scan->slot);

	if (scan->skip != NULL)
	{
		int			skipped = scan->skip(scan->skip_arg, scan->reader,
										 entry->first + LedgerRowOffset(row),
										 Min(high + 1, end_row) - row);

		if (skipped > 0)
		{
			scan->low = row;
			scan->high = row + skipped - 1;
			return true;
		}
	}

	/* the row's vector, as far as it is the slot's and asked for */
	position = entry->first + LedgerRowOffset(row);
	vector_start = position - position % LEDGER_VECTOR_ROWS;
	low = Max(low, slot_row + Max(vector_start - (int) entry->first, 0));
	high = Min(high, Min(end_row, slot_row + vector_start + LEDGER_VECTOR_ROWS - entry->first) - 1);
	position = entry->first + LedgerRowOffset(low);
	count = high - low + 1;
	Assert(count >= 1 && count <= LEDGER_VECTOR_ROWS);

	gaps = ledger_reader_gaps(scan->reader, rel);
	seen = judge_segment(scan, root);
	if ((seen == LEDGER_SEEN_BY_XMIN || seen == LEDGER_SEEN_BY_CID) &&
		!ledger_reader_xids(scan->reader, rel, position, count, xids))
		return false;

	if (!has_piece(scan, low, high))
	{
		scan->batch = ledger_batch_renew(scan->batch, scan->context, rel);
		ledger_batch_set_segment(scan->batch, scan->reader, entry, low, position, count);
	}
	if (seen == LEDGER_SEEN_ALL)
		add_all(scan, gaps, position, count);
	else if (seen != LEDGER_SEEN_NONE)
		add_by_xids(scan, xids, gaps, position, count);
	scan->low = low;
	scan->high = high;
	return true;
}

/*
 * Load the batch that holds a row (or would).  On return the rows from
 * scan->low to scan->high, all between low and high, and row among them, have
 * been looked at; visible[] tells which of them are to be returned.
 */
void
ledger_scan_load(LedgerScan *scan, LedgerRow row, LedgerRow low, LedgerRow high)
{
	LedgerSlotNumber slot = LedgerRowSlot(row);

	Assert(low <= row && row <= high);
	low = Max(low, LedgerMakeRow(slot, 0));
	high = Min(high, LedgerMakeRow(slot, LEDGER_SLOT_ROWS - 1));

	CHECK_FOR_INTERRUPTS();
	if (scan->slot != slot)
		enter_slot(scan, slot);
	scan->loaded = false;
	for (;;)
	{
		bool		done = false;

		scan->nvisible = 0;
		scan->dead = 0;
		switch ((LedgerSlotState) scan->entry.state)
		{
			case LEDGER_SLOT_TAIL:
			case LEDGER_SLOT_CLOSED:
				scan->batch = ledger_batch_renew(scan->batch, scan->context,
												 scan->base.rs_rd);
				done = load_tail(scan, row, low, high);
				break;
			case LEDGER_SLOT_SEALED:
			case LEDGER_SLOT_BULK_WRITTEN:
				done = load_segment(scan, row, low, high);

				/* rows of a transaction that rolled back count as dead */
				if (done && scan->verdict.dead &&
					scan->low < LedgerMakeRow(slot, scan->entry.nrows))
					scan->dead = Min(scan->high + 1, LedgerMakeRow(slot, scan->entry.nrows)) -
						scan->low;
				break;
			case LEDGER_SLOT_FREE:
			case LEDGER_SLOT_BULK_OPEN:
			case LEDGER_SLOT_DEAD:

				/*
				 * Nothing, or rows in a backend's memory: another's, which
				 * only a dirty snapshot would see, or our own, of a slot
				 * begun after the scan, which its snapshot does not see.
				 */
				scan->low = low;
				scan->high = high;
				done = true;
				break;
		}
		if (done)
			break;
		reenter_slot(scan);
	}
	scan->loaded = true;
}

/* Index in visible[] of a row of the batch at hand, or -1. */
int
ledger_scan_find(const LedgerScan *scan, LedgerRow row)
{
	int			low = 0,
				high = scan->nvisible - 1;
	int			wanted;

	if (scan->nvisible == 0 || row < scan->batch->first_row)
		return -1;
	wanted = row - scan->batch->first_row;
	while (low <= high)
	{
		int			middle = (low + high) / 2;

		if (scan->visible[middle] == wanted)
			return middle;
		if (scan->visible[middle] < wanted)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return -1;
}

/* Show row visible[index] of the batch. */
void
ledger_scan_show(LedgerScan *scan, int index, TupleTableSlot *slot)
{
	ledger_slot_show_row(slot, scan->batch, scan->visible[index]);
	if (unlikely(scan->dirty != NULL))
	{
		Snapshot	snapshot = scan->base.rs_snapshot;

		snapshot->xmin = scan->dirty[index].xmin;
		snapshot->xmax = InvalidTransactionId;
		snapshot->speculativeToken = scan->dirty[index].token;
	}
}

/* ---- Next row ---- */

static bool
keys_match(LedgerScan *scan, TupleTableSlot *slot)
{
	for (int i = 0; i < scan->base.rs_nkeys; i++)
	{
		ScanKey		key = &scan->base.rs_key[i];
		Datum		value;
		bool		isnull;

		if (key->sk_flags & SK_ISNULL)
			return false;
		value = slot_getattr(slot, key->sk_attno, &isnull);
		if (isnull ||
			!DatumGetBool(FunctionCall2Coll(&key->sk_func, key->sk_collation,
											value, key->sk_argument)))
			return false;
	}
	return true;
}

/*
 * The end of a piece of a parallel scan that begins at a slot: it goes on with
 * the slots after it that are of the same segment, so that not every process
 * reads the same dictionaries.  But no piece is more than a fourth of the
 * table, or there would be nothing to do for some.
 */
static LedgerSlotNumber
find_piece_end(const LedgerScan *scan, LedgerSlotNumber slot)
{
	LedgerSlotNumber most = Max(scan->nslots / PIECES_MIN, 1);
	LedgerSlotNumber end = slot + 1;
	LedgerSlotEntry first;
	LedgerSlotEntry entry;

	if (!ledger_read_entry(scan->base.rs_rd, slot, &first) || !ledger_is_in_segment(&first))
		return end;
	while (end < scan->nslots && end - slot < most &&
		   ledger_read_entry(scan->base.rs_rd, end, &entry) &&
		   ledger_is_in_segment(&entry) && entry.segment == first.segment)
		end++;
	return end;
}

/*
 * Take a piece of a parallel scan; false if there are none left.  Should a slot
 * be sealed or moved meanwhile, the piece is of the same rows still.
 */
static bool
next_parallel_piece(LedgerScan *scan)
{
	LedgerParallelScan *pscan = (LedgerParallelScan *) scan->base.rs_parallel;
	uint64		slot = pg_atomic_read_u64(&pscan->next);
	LedgerSlotNumber end;

	do
	{
		if (slot >= scan->nslots)
			return false;
		end = find_piece_end(scan, (LedgerSlotNumber) slot);
	} while (!pg_atomic_compare_exchange_u64(&pscan->next, &slot, end));

	scan->start = LedgerMakeRow((LedgerSlotNumber) slot, 0);
	scan->end = LedgerMakeRow(end, 0);
	scan->loaded = false;
	return true;
}

/* Load the next batch in a direction; false if there is none. */
bool
ledger_scan_next_batch(LedgerScan *scan, bool forward)
{
	if (scan->base.rs_parallel != NULL)
	{
		if (!forward)
			elog(ERROR, "cannot scan backward in parallel");
		if ((!scan->loaded || scan->high + 1 >= scan->end) && !next_parallel_piece(scan))
		{
			scan->loaded = false;
			scan->nvisible = 0;
			return false;
		}
	}

	if (scan->loaded ?
		(forward ? scan->high + 1 >= scan->end : scan->low <= scan->start) :
		scan->start >= scan->end)
	{
		/* at the end; going the other way begins there */
		scan->loaded = false;
		scan->nvisible = 0;
		return false;
	}

	if (forward)
	{
		LedgerRow	row = scan->loaded ? scan->high + 1 : scan->start;

		ledger_scan_load(scan, row, row, scan->end - 1);
		scan->current = -1;
	}
	else
	{
		LedgerRow	row = scan->loaded ? scan->low - 1 : scan->end - 1;

		ledger_scan_load(scan, row, scan->start, row);
		scan->current = scan->nvisible;
	}
	return true;
}

bool
ledger_scan_getnextslot(TableScanDesc sscan, ScanDirection direction, TupleTableSlot *slot)
{
	LedgerScan *scan = (LedgerScan *) sscan;
	bool		forward = !ScanDirectionIsBackward(direction);

	if (ScanDirectionIsNoMovement(direction))
	{
		if (scan->loaded && scan->current >= 0 && scan->current < scan->nvisible)
		{
			ledger_scan_show(scan, scan->current, slot);
			return true;
		}
		ExecClearTuple(slot);
		return false;
	}

	for (;;)
	{
		while (scan->loaded &&
			   (forward ? scan->current + 1 < scan->nvisible : scan->current > 0))
		{
			scan->current += forward ? 1 : -1;
			ledger_scan_show(scan, scan->current, slot);
			if (likely(scan->base.rs_nkeys == 0) || keys_match(scan, slot))
			{
				pgstat_count_heap_getnext(sscan->rs_rd);
				return true;
			}
		}

		/* so that the batch's memory can be used again */
		ExecClearTuple(slot);
		if (!ledger_scan_next_batch(scan, forward))
			return false;
	}
}

/* ---- A range of TIDs ---- */

/* The first row at or after a TID, which need not be one of a ledger. */
static LedgerRow
row_at_or_after(ItemPointer tid)
{
	LedgerRow	row = (LedgerRow) ItemPointerGetBlockNumberNoCheck(tid) * LEDGER_TID_ROWS;
	OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(tid);

	if (offset > LEDGER_TID_ROWS)
		return row + LEDGER_TID_ROWS;
	return row + Max(offset, 1) - 1;
}

/* maxtid is inclusive */
void
ledger_scan_set_tidrange(TableScanDesc sscan, ItemPointer mintid, ItemPointer maxtid)
{
	LedgerScan *scan = (LedgerScan *) sscan;
	LedgerRow	end = row_at_or_after(maxtid);

	if (LedgerTidIsSane(maxtid))
		end++;
	ledger_scan_forget_slot(scan);
	scan->start = row_at_or_after(mintid);
	scan->end = Min(end, LedgerMakeRow(scan->nslots, 0));
	if (scan->start > scan->end)
		scan->start = scan->end;
}

bool
ledger_scan_getnextslot_tidrange(TableScanDesc sscan, ScanDirection direction,
								 TupleTableSlot *slot)
{
	return ledger_scan_getnextslot(sscan, direction, slot);
}

/* ---- Parallel scans ---- */

Size
ledger_parallelscan_estimate(Relation rel)
{
	return sizeof(LedgerParallelScan);
}

Size
ledger_parallelscan_initialize(Relation rel, ParallelTableScanDesc pscan)
{
	LedgerParallelScan *lpscan = (LedgerParallelScan *) pscan;

	/* Workers cannot read what is in the leader's memory. */
	flush_own(rel);
	LEDGER_SET_PARALLEL_RELATION(pscan, rel);
	pscan->phs_syncscan = false;
	lpscan->nslots = ledger_slot_count(rel);
	pg_atomic_init_u64(&lpscan->next, 0);
	return sizeof(LedgerParallelScan);
}

void
ledger_parallelscan_reinitialize(Relation rel, ParallelTableScanDesc pscan)
{
	LedgerParallelScan *lpscan = (LedgerParallelScan *) pscan;

	pg_atomic_write_u64(&lpscan->next, 0);
}
