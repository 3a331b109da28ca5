/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  Thinly filled segments become fewer, fuller ones.
 *
 * A window of segments that follow each other is read, its rows are written
 * into fewer segments, cut between slots, and the entries of all slots are
 * changed in one record, with AccessExclusiveLock held: see src/README.  Row
 * numbers stay what they are, and so do gaps, xmins and what indexes may still
 * point to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "miscadmin.h"
#include "read/read_internal.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* What one merge reads at most */
#define WINDOW_ROWS			(4 * LEDGER_SEGMENT_ROWS)
#define WINDOW_SLOTS		320

/* The window is chosen among so many segments at a time. */
#define REGION_SEGMENTS		1024

/* Up to that much more than the fewest segments that would do is left alone. */
#define SPARE_SHARE			0.1

/* A slot of the window */
typedef struct MergeSlot
{
	LedgerSlotNumber slot;
	LedgerSlotEntry before;
	bool		has_xmins;		/* its segment has */
	uint64		bytes;			/* its share of the segment's raw bytes */
} MergeSlot;

/* A segment that may be merged */
typedef struct MergeInput
{
	LedgerSlotEntry entry;		/* of its primary slot */
	uint64		raw_bytes;
	uint32		nrows;
	uint32		nblocks;
	bool		has_xmins;
	int			nslots;			/* 0: it is not to be merged */
	MergeSlot  *slots;
} MergeInput;

typedef struct Merge
{
	Relation	rel;
	MergeInput *region;
	int			nregion;

	/* the window: segments of the region, and their slots, ascending */
	MergeInput *inputs;
	int			ninputs;
	MergeSlot	slots[WINDOW_SLOTS];
	int			nslots;

	/* a new segment: slots first .. end - 1; those before have theirs */
	int			first;
	int			end;
	LedgerSegmentSlot *where;	/* per slot of the window */
	LedgerSlotEntry *after;		/* likewise */
	LedgerSegmentWriter *writer;
	LedgerRowSet rows;
	BlockNumber root;
	uint32		nblocks;
	LedgerTotals change;
} Merge;

/* The fewest segments that could hold a ledger's rows. */
static uint64
fewest_segments(const LedgerTotals *totals)
{
	uint64		by_rows = (totals->entries + LEDGER_SEGMENT_ROWS - 1) / LEDGER_SEGMENT_ROWS;
	uint64		by_bytes = (totals->raw_bytes + LEDGER_SEGMENT_RAW_BYTES - 1) / LEDGER_SEGMENT_RAW_BYTES;

	return Max(Max(by_rows, by_bytes), 1);
}

/* Whether a ledger has more segments than it should. */
bool
ledger_is_thin(Relation rel)
{
	LedgerMetaData meta;
	uint64		fewest;

	if (RelationGetNumberOfBlocks(rel) == 0 || !ledger_read_meta(rel, &meta) ||
		meta.totals.segments < 2)
		return false;
	fewest = fewest_segments(&meta.totals);
	return meta.totals.segments > fewest &&
		meta.totals.segments > fewest * (1 + SPARE_SHARE);
}

/* ---- choosing ---- */

/* Look at a segment: whether all its slots are what they should be. */
static void
look_at_segment(Relation rel, const LedgerSlotEntry *entry, MergeInput *input)
{
	LedgerSegment *segment = ledger_segment_open(rel, entry->home, entry->primary, entry->segment);

	memset(input, 0, sizeof(*input));
	input->entry = *entry;
	if (segment == NULL)
		return;
	input->raw_bytes = segment->root.raw_bytes;
	input->nrows = segment->root.nrows;
	input->nblocks = ledger_blocks_in_use(entry, segment);
	input->nslots = segment->root.nslots;
	input->slots = palloc(input->nslots * sizeof(MergeSlot));
	for (int i = 0; i < segment->root.nslots; i++)
	{
		MergeSlot  *slot = &input->slots[i];

		slot->slot = segment->slots[i].slot;
		slot->has_xmins = segment->root.xmin_bytes > 0;
		if (!ledger_read_entry(rel, slot->slot, &slot->before) ||
			slot->before.state != LEDGER_SLOT_SEALED || slot->before.segment != entry->segment)
			input->nslots = 0;
		slot->bytes = segment->root.raw_bytes * slot->before.nrows / Max(segment->root.nrows, 1);
	}
	ledger_segment_close(segment);
}

static int
compare_slots(const void *a, const void *b)
{
	LedgerSlotNumber left = ((const MergeSlot *) a)->slot;
	LedgerSlotNumber right = ((const MergeSlot *) b)->slot;

	return left < right ? -1 : left > right;
}

/* Add the next segment to the window; false if there is no room, or it is to stay. */
static bool
extend_window(Merge *merge)
{
	MergeInput *input = &merge->inputs[merge->ninputs];
	int			n = merge->nslots;

	if (input->nslots == 0 || n + input->nslots > WINDOW_SLOTS)
		return false;
	memcpy(&merge->slots[n], input->slots, input->nslots * sizeof(MergeSlot));
	merge->nslots += input->nslots;
	merge->ninputs++;
	if (n > 0 && merge->slots[n].slot < merge->slots[n - 1].slot)
		qsort(merge->slots, merge->nslots, sizeof(MergeSlot), compare_slots);
	return true;
}

/* Where the new segment that begins with slot "first" ends. */
static int
end_of_output(const MergeSlot *slots, int nslots, int first)
{
	uint64		bytes = 0;
	uint32		nrows = 0;
	int			end;

	for (end = first; end < nslots && end - first < LEDGER_SEGMENT_SLOTS; end++)
	{
		bytes += slots[end].bytes;
		nrows += slots[end].before.nrows;
		if (end > first && (nrows > LEDGER_SEGMENT_ROWS || bytes > LEDGER_SEGMENT_RAW_BYTES))
			break;
	}
	return end;
}

static int
count_outputs(const MergeSlot *slots, int nslots)
{
	int			result = 0;

	for (int first = 0; first < nslots; first = end_of_output(slots, nslots, first))
		result++;
	return result;
}

static bool
changes_at_once(const MergeSlot *slots, int nslots)
{
	LedgerSegmentSlot *where = palloc0(nslots * sizeof(LedgerSegmentSlot));
	bool		result;

	for (int i = 0; i < nslots; i++)
		where[i].slot = slots[i].slot;
	result = ledger_publishes_at_once(where, nslots);
	pfree(where);
	return result;
}

/* A window, and what merging it would cost */
typedef struct Window
{
	int			first;			/* segment of the region */
	int			count;
	double		cost;			/* rows to write for each segment less */
} Window;

/* Find, from a segment of the region on, the window that is the cheapest. */
static void
try_windows(Merge *merge, int first, Window *best)
{
	uint64		nrows = 0;

	merge->inputs = &merge->region[first];
	merge->nslots = merge->ninputs = 0;
	while (first + merge->ninputs < merge->nregion && extend_window(merge))
	{
		int			saved;

		CHECK_FOR_INTERRUPTS();
		nrows += merge->inputs[merge->ninputs - 1].nrows;
		if (nrows > WINDOW_ROWS || !changes_at_once(merge->slots, merge->nslots))
			break;
		saved = merge->ninputs - count_outputs(merge->slots, merge->nslots);
		if (saved > 0 && (best->count == 0 || (double) nrows / saved < best->cost))
		{
			best->first = first;
			best->count = merge->ninputs;
			best->cost = (double) nrows / saved;
		}
	}
}

/* Look at the segments from a slot on; returns the slot to go on at. */
static LedgerSlotNumber
look_at_region(Merge *merge, LedgerSlotNumber slot, LedgerSlotNumber count)
{
	merge->nregion = 0;
	for (; slot < count && merge->nregion < REGION_SEGMENTS; slot++)
	{
		LedgerSlotEntry entry;

		CHECK_FOR_INTERRUPTS();
		if (ledger_read_entry(merge->rel, slot, &entry) && entry.state == LEDGER_SLOT_SEALED &&
			entry.primary == slot)
			look_at_segment(merge->rel, &entry, &merge->region[merge->nregion++]);
	}
	return slot;
}

/*
 * Choose the window that is the cheapest, of the first region that has any;
 * false if none would make segments fewer.
 */
static bool
choose_window(Merge *merge)
{
	LedgerSlotNumber count = ledger_slot_count(merge->rel);
	Window		best = {0};

	merge->region = palloc(REGION_SEGMENTS * sizeof(MergeInput));
	for (LedgerSlotNumber slot = 0; slot < count && best.count == 0;)
	{
		slot = look_at_region(merge, slot, count);
		for (int first = 0; first + 1 < merge->nregion; first++)
			try_windows(merge, first, &best);
		for (int i = 0; best.count == 0 && i < merge->nregion; i++)
		{
			if (merge->region[i].slots != NULL)
				pfree(merge->region[i].slots);
		}
	}
	merge->inputs = &merge->region[best.first];
	merge->nslots = merge->ninputs = 0;
	while (merge->ninputs < best.count)
		(void) extend_window(merge);
	return best.count > 0;
}

/* ---- reading ---- */

/* The xmin of each row of a slot; Frozen where everybody sees them. */
static void
read_xmins(Merge *merge, const MergeSlot *slot, uint32 *xmins)
{
	const LedgerSlotEntry *entry = &slot->before;
	LedgerSegmentReader *reader;

	if ((entry->flags & LEDGER_ENTRY_FROZEN) != 0 || (entry->flags & LEDGER_ENTRY_ONE_XMIN) != 0 ||
		!slot->has_xmins)
	{
		TransactionId xmin = (entry->flags & LEDGER_ENTRY_FROZEN) != 0 ? FrozenTransactionId :
			XidFromFullTransactionId(FullTransactionIdFromU64(entry->newest_xid));

		for (int i = 0; i < entry->nrows; i++)
			xmins[i] = xmin;
		return;
	}
	reader = ledger_reader_open(merge->rel, slot->slot, entry, CurrentMemoryContext);
	for (int done = 0; reader != NULL && done < entry->nrows;)
	{
		int			position = entry->first + done;
		int			n = Min(entry->nrows - done, LEDGER_VECTOR_ROWS - position % LEDGER_VECTOR_ROWS);

		if (!ledger_reader_xids(reader, merge->rel, position, n, xmins + done))
			reader = NULL;
		done += n;
	}
	if (reader == NULL)
		ledger_corrupt(merge->rel, entry->home, "the segment of slot %u has gone", slot->slot);
	ledger_reader_release(reader);
}

/* The rows of a slot, NULL for a gap. */
static void
read_tuples(Merge *merge, const MergeSlot *slot, HeapTuple *tuples)
{
	Relation	rel = merge->rel;
	TupleTableSlot *row = MakeSingleTupleTableSlot(RelationGetDescr(rel), table_slot_callbacks(rel));
	LedgerRow	start = LedgerMakeRow(slot->slot, 0);
	ItemPointerData first;
	ItemPointerData last;
	TableScanDesc scan;

	LedgerRowToTid(start, &first);
	LedgerRowToTid(start + LEDGER_SLOT_ROWS - 1, &last);
	scan = table_beginscan_tidrange(rel, SnapshotAny, &first, &last);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, row))
	{
		LedgerRow	offset = LedgerTidToRow(&row->tts_tid) - start;

		CHECK_FOR_INTERRUPTS();
		if (offset >= slot->before.nrows)
			ledger_corrupt(rel, slot->before.home, "slot %u has a row %d", slot->slot, (int) offset);
		tuples[offset] = ExecCopySlotHeapTuple(row);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(row);
}

/* Read the rows of the new segment's slots, and tell what their entries will be. */
static void
read_rows(Merge *merge)
{
	LedgerRowSet *rows = &merge->rows;
	bool		all_frozen = true;
	uint64		oldest = FrozenTransactionId;
	uint64		newest = 0;

	memset(rows, 0, sizeof(*rows));
	rows->tuples = palloc0(LEDGER_SEGMENT_ROWS * sizeof(HeapTuple));
	rows->xmins = palloc0(LEDGER_SEGMENT_ROWS * sizeof(uint32));
	for (int i = merge->first; i < merge->end; i++)
	{
		const MergeSlot *slot = &merge->slots[i];
		const LedgerSlotEntry *before = &slot->before;

		merge->where[i].slot = slot->slot;
		merge->where[i].first = rows->nrows;
		merge->where[i].nrows = before->nrows;
		read_tuples(merge, slot, rows->tuples + rows->nrows);
		read_xmins(merge, slot, rows->xmins + rows->nrows);
		for (int row = rows->nrows; row < rows->nrows + before->nrows; row++)
		{
			if (rows->tuples[row] == NULL)
				rows->xmins[row] = 0;
		}
		rows->nrows += before->nrows;
		if ((before->flags & LEDGER_ENTRY_FROZEN) == 0)
		{
			all_frozen = false;
			if (before->oldest_xid != FrozenTransactionId &&
				(oldest == FrozenTransactionId || before->oldest_xid < oldest))
				oldest = before->oldest_xid;
		}
		newest = Max(newest, before->newest_xid);
	}
	if (all_frozen)
	{
		pfree(rows->xmins);
		rows->xmins = NULL;
	}
	for (int i = merge->first; i < merge->end; i++)
	{
		LedgerSlotEntry *after = &merge->after[i];

		*after = merge->slots[i].before;
		after->flags &= ~LEDGER_ENTRY_ONE_XMIN;
		if (!all_frozen)
		{
			after->flags &= ~LEDGER_ENTRY_FROZEN;
			after->oldest_xid = oldest;
			after->newest_xid = newest;
		}
	}
}

/* ---- writing ---- */

static void
write_segment(void *arg)
{
	Merge	   *merge = arg;

	merge->root = ledger_write_segment(merge->rel, RelationGetDescr(merge->rel), &merge->rows,
									   merge->writer, merge->where + merge->first,
									   merge->end - merge->first, &merge->nblocks);
}

/* The new segments of the slots before "end" are not to be: their blocks are free. */
static void
give_up(Merge *merge, int end)
{
	for (int i = 0; i < end; i++)
	{
		if (merge->after[i].primary != merge->slots[i].slot)
			continue;
		ledger_forget_one_pending(merge->rel, merge->slots[i].slot);
		ledger_free_segment_blocks(merge->rel, &merge->after[i], false);
	}
}

/* Write a new segment, and note where its rows are. */
static void
write_output(Merge *merge)
{
	LedgerSlotNumber primary = merge->slots[merge->first].slot;
	uint64		id = ledger_reserve_segment(merge->rel, primary);
	ErrorData  *error;

	merge->writer = ledger_segment_begin(merge->rel, primary, id);
	error = ledger_try_work(write_segment, merge);
	if (error != NULL)
	{
		ledger_forget_one_pending(merge->rel, primary);
		ledger_segment_abandon(merge->writer);
		give_up(merge, merge->first);
		ReThrowError(error);
	}
	for (int i = merge->first; i < merge->end; i++)
	{
		LedgerSlotEntry *after = &merge->after[i];

		after->home = merge->root;
		after->first = merge->where[i].first;
		after->primary = primary;
		after->segment = id;
		after->pending = 0;
	}
	merge->change.segments++;
	merge->change.raw_bytes += merge->rows.raw_bytes;
	merge->change.blocks += merge->nblocks;
}

static void
write_outputs(Merge *merge)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ledger merge rows",
												  ALLOCSET_DEFAULT_SIZES);

	for (merge->first = 0; merge->first < merge->nslots; merge->first = merge->end)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		merge->end = end_of_output(merge->slots, merge->nslots, merge->first);
		read_rows(merge);
		write_output(merge);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
}

/*
 * Put the new segments in the place of the old ones.  Nobody but us can have
 * changed an entry: VACUUM, sealing and moving need the lock that we have, and
 * the slots' transactions have ended.
 */
static void
replace(Merge *merge)
{
	for (int i = 0; i < merge->ninputs; i++)
	{
		merge->change.segments--;
		merge->change.raw_bytes -= merge->inputs[i].raw_bytes;
		merge->change.blocks -= merge->inputs[i].nblocks;
	}
	ledger_publish_segment(merge->rel, merge->where, merge->nslots, merge->after, &merge->change, 0);
	for (int i = 0; i < merge->ninputs; i++)
		ledger_free_segment_blocks(merge->rel, &merge->inputs[i].entry, false);
}

/*
 * Merge some segments, if a ledger has more than it should and they can be
 * fewer.  Returns whether any were merged.  The caller has
 * ShareUpdateExclusiveLock; AccessExclusiveLock is taken for the last step, if
 * it is to be had.
 */
bool
ledger_merge_some(Relation rel)
{
	Merge	   *merge;
	MemoryContext context;
	MemoryContext old;
	bool		merged = false;

	if (!ledger_is_thin(rel))
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext, "ledger merge", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	merge = palloc0(sizeof(Merge));
	merge->rel = rel;
	merge->where = palloc0(WINDOW_SLOTS * sizeof(LedgerSegmentSlot));
	merge->after = palloc0(WINDOW_SLOTS * sizeof(LedgerSlotEntry));

	/* a reader who stays for long: it would be work in vain */
	if (ledger_lock_for_changes(rel))
	{
		UnlockRelation(rel, AccessExclusiveLock);
		if (choose_window(merge))
		{
			write_outputs(merge);
			merged = ledger_lock_for_changes(rel);
			if (merged)
			{
				replace(merge);
				UnlockRelation(rel, AccessExclusiveLock);
			}
			else
				give_up(merge, merge->nslots);
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return merged;
}
