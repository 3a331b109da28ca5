/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  VACUUM of a ledger: seal, freeze, clean indexes, give blocks back.
 *
 * Freezing must not depend on sealing, which a damaged row can stop: old tail
 * rows are frozen in place, and relfrozenxid is advanced, before anything is
 * sealed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/genam.h"
#include "access/multixact.h"
#include "access/nbtxlog.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xloginsert.h"
#include "catalog/storage.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/freespace.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "write/write.h"

/* Each moves 64 MB or so; the latter where standbys learn of the lock. */
#define MAX_SHRINK_PASSES	1000
#define MAX_LOGGED_PASSES	16

/* An open run so many slots behind the newest belongs to an idle lane. */
#define IDLE_SLOTS			64

/* Slots whose gaps are looked up at a time, 1 kB each. */
#define GAP_SLOTS			4096

/* Free blocks at the end that are worth an exclusive lock. */
#define TRUNCATE_MIN_BLOCKS	8

/* How long to try for that lock, as heap does. */
#define TRUNCATE_LOCK_MS	5000
#define TRUNCATE_WAIT_MS	50

/* Free blocks that are worth moving segments for, as a share of the relation. */
#define MOVE_SHARE			16

/* Free blocks that are worth looking for, as a share of the relation. */
#define SWEEP_SHARE			20

typedef struct VacuumState
{
	Relation	rel;
	VacuumParams *params;
	BufferAccessStrategy strategy;
	LedgerVacuumCutoffs cutoffs;
	TimestampTz start;
	bool		failsafe;		/* freeze only */
	bool		conflict_logged;	/* for freezing tail rows in place */
	TransactionId oldest;		/* oldest xid that is left unfrozen */
	uint64		tail_rows;		/* rows in tail runs */
	uint64		tail_blocks;
	uint64		unsealed_rows;	/* of closed runs */
	int64		sealed_rows;	/* by this VACUUM */
	BlockNumber nblocks;		/* before */
	bool		moved;			/* segments, to lower blocks */
	bool		active;			/* something happened since the last VACUUM */
	bool		unfinished;		/* giving blocks back */
} VacuumState;

/* ---- freezing ---- */

/*
 * Tell standbys that queries which may not see xids up to "newest" cannot go
 * on: what is done next makes the rows visible to all.
 *
 * The record is btree's REUSE_PAGE, whose replay does nothing else; see M2 in
 * the server notes, and src/README.
 */
static void
log_conflict(Relation rel, uint64 newest)
{
	xl_btree_reuse_page record;

	if (!RelationNeedsWAL(rel) || !XLogStandbyInfoActive() ||
		!TransactionIdIsNormal(XidFromFullTransactionId(FullTransactionIdFromU64(newest))))
		return;
	LedgerFillReusePage(record, rel, FullTransactionIdFromU64(newest));
	XLogBeginInsert();
	XLogRegisterData((char *) &record, SizeOfBtreeReusePage);
	XLogInsert(RM_BTREE_ID, XLOG_BTREE_REUSE_PAGE);
}

/* The newest 64-bit xid that precedes "xid". */
static uint64
xid_before(TransactionId xid)
{
	FullTransactionId result = FullTransactionIdFromU64(ledger_full_xid(xid));

	FullTransactionIdRetreat(&result);
	return U64FromFullTransactionId(result);
}

static void
note_xid(VacuumState *state, TransactionId xid)
{
	if (TransactionIdIsNormal(xid) && TransactionIdPrecedes(xid, state->oldest))
		state->oldest = xid;
}

/* What a tail tuple's xmin needs. */
static bool
needs_freezing(const VacuumState *state, HeapTupleHeader header)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(header);

	return TransactionIdIsNormal(xmin) && !HeapTupleHeaderXminFrozen(header) &&
		TransactionIdPrecedes(xmin, state->cutoffs.FreezeLimit);
}

/*
 * Freeze, on a copy of the page, each tuple that is old enough.  Its inserter
 * has ended long since: its xid precedes every running transaction's.
 */
static void
freeze_tuples(VacuumState *state, Page page)
{
	for (OffsetNumber offset = 1; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		HeapTupleHeader header = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, offset));

		if (!needs_freezing(state, header))
			continue;
		if (HeapTupleHeaderXminCommitted(header) ||
			(!HeapTupleHeaderXminInvalid(header) &&
			 TransactionIdDidCommit(HeapTupleHeaderGetRawXmin(header))))
			header->t_infomask |= HEAP_XMIN_FROZEN;
		else
		{
			header->t_infomask |= HEAP_XMIN_INVALID;
			HeapTupleHeaderSetXmin(header, InvalidTransactionId);
		}
	}
}

/* Freeze what is old on one tail page; note what stays. */
static void
freeze_page(VacuumState *state, LedgerSlotNumber slot, const LedgerRunMapItem *item)
{
	Relation	rel = state->rel;
	Buffer		buffer = ledger_read_block(rel, item->block);
	Page		page = BufferGetPage(buffer);
	bool		needed = false;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (!ledger_tag_is(page, LEDGER_BLOCK_TAIL, slot, item->first, 0))
		ledger_corrupt(rel, item->block, "the block is not the page of slot %u that its run map names",
					   slot);
	for (OffsetNumber offset = 1; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		HeapTupleHeader header;

		if (!ledger_item_is_sane(page, offset))
			ledger_corrupt(rel, item->block, "item %u points to no tuple", offset);
		header = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, offset));
		if (needs_freezing(state, header))
			needed = true;
		else if (!HeapTupleHeaderXminFrozen(header))
			note_xid(state, HeapTupleHeaderGetRawXmin(header));
	}
	if (needed)
	{
		/* a page with tuples may only be logged in full: see src/README */
		GenericXLogState *xlog;

		if (!state->conflict_logged)
			log_conflict(rel, xid_before(state->cutoffs.FreezeLimit));
		state->conflict_logged = true;
		xlog = GenericXLogStart(rel);
		freeze_tuples(state, GenericXLogRegisterBuffer(xlog, buffer, GENERIC_XLOG_FULL_IMAGE));
		GenericXLogFinish(xlog);
	}
	state->tail_rows += PageGetMaxOffsetNumber(page);
	state->tail_blocks++;
	UnlockReleaseBuffer(buffer);
}

/*
 * Freeze old rows of a tail run in place.  Only VACUUM and sealers, which the
 * lock on the relation keeps apart, take a run away, so its map stays valid.
 */
static void
freeze_run(VacuumState *state, LedgerSlotNumber slot, const LedgerSlotEntry *entry)
{
	LedgerRunMap *map = palloc(sizeof(LedgerRunMap));

	if (!ledger_read_runmap(state->rel, slot, entry->home, map))
		ledger_corrupt(state->rel, entry->home, "the block is not the run map of slot %u", slot);
	for (uint32 i = 0; i < map->nitems; i++)
	{
		vacuum_delay_point_compat();
		freeze_page(state, slot, &map->items[i]);
	}
	state->tail_blocks++;
	if (entry->state == LEDGER_SLOT_CLOSED)
		state->unsealed_rows += entry->nrows;
	pfree(map);
}

/*
 * Freeze tail runs in place, and find the oldest xid that is left anywhere.
 */
static void
freeze_tail(VacuumState *state)
{
	LedgerMetaData meta;

	state->oldest = state->cutoffs.OldestXmin;
	state->tail_rows = state->tail_blocks = state->unsealed_rows = 0;
	if (!ledger_read_meta(state->rel, &meta))
		return;
	for (LedgerSlotNumber slot = 0; slot < meta.next_slot; slot++)
	{
		LedgerSlotEntry entry;

		CHECK_FOR_INTERRUPTS();
		if (!ledger_read_entry(state->rel, slot, &entry))
			continue;
		switch ((LedgerSlotState) entry.state)
		{
			case LEDGER_SLOT_TAIL:
			case LEDGER_SLOT_CLOSED:
				freeze_run(state, slot, &entry);
				break;
			case LEDGER_SLOT_SEALED:
				if (!(entry.flags & LEDGER_ENTRY_FROZEN))
					note_xid(state, XidFromFullTransactionId(FullTransactionIdFromU64(entry.oldest_xid)));
				break;
			case LEDGER_SLOT_BULK_OPEN:
			case LEDGER_SLOT_BULK_WRITTEN:
				note_xid(state, XidFromFullTransactionId(FullTransactionIdFromU64(entry.oldest_xid)));
				break;
			case LEDGER_SLOT_FREE:
			case LEDGER_SLOT_DEAD:
				break;
		}
	}
}

static bool
can_freeze(const LedgerSlotEntry *entry, uint64 horizon)
{
	return entry->state == LEDGER_SLOT_SEALED && !(entry->flags & LEDGER_ENTRY_FROZEN) &&
		entry->newest_xid < horizon;
}

/* Mark the slots first .. end - 1, of one directory page, as frozen. */
static void
freeze_directory_page(VacuumState *state, LedgerSlotNumber first, LedgerSlotNumber end,
					  uint64 horizon)
{
	Relation	rel = state->rel;
	Buffer		buffer = ledger_lock_directory(rel, ledger_directory_block(rel, first),
											   BUFFER_LOCK_EXCLUSIVE);
	GenericXLogState *xlog = GenericXLogStart(rel);
	Page		page = GenericXLogRegisterBuffer(xlog, buffer, 0);

	for (LedgerSlotNumber slot = first; slot < end; slot++)
	{
		LedgerSlotEntry *entry = ledger_entry_of(rel, buffer, page, slot);

		if (can_freeze(entry, horizon))
		{
			entry->flags |= LEDGER_ENTRY_FROZEN;
			ledger_entry_set_crc(entry, slot);
		}
	}
	GenericXLogFinish(xlog);
	UnlockReleaseBuffer(buffer);
}

/* Suggest the xmin blocks of a segment just frozen to the free space map. */
static void
free_xmin_blocks(Relation rel, const LedgerSlotEntry *entry)
{
	LedgerSegment *segment = ledger_segment_open(rel, entry->home, entry->primary,
												 entry->segment);

	if (segment == NULL)
		return;
	if (segment->root.nxmin_extents > 0)
		ledger_forget_xmin_blocks(rel, segment);
	for (int i = segment->root.nextents;
		 i < segment->root.nextents + segment->root.nxmin_extents; i++)
		for (uint32 j = 0; j < segment->extents[i].count; j++)
			ledger_free_block(rel, segment->extents[i].start + j);
	ledger_segment_close(segment);
}

/*
 * Freeze each segment whose rows every snapshot sees.  The directory pages are
 * gone through downwards: a segment's primary slot is its lowest, and its xmin
 * blocks are free once that is frozen.
 */
static void
freeze_segments(VacuumState *state)
{
	Relation	rel = state->rel;
	uint64		horizon = ledger_full_xid(state->cutoffs.OldestXmin);
	uint64		newest = 0;
	LedgerSlotNumber count = ledger_slot_count(rel);
	LedgerSlotNumber end;

	for (LedgerSlotNumber slot = 0; slot < count; slot++)
	{
		LedgerSlotEntry entry;

		CHECK_FOR_INTERRUPTS();
		if (ledger_read_entry(rel, slot, &entry) && can_freeze(&entry, horizon))
			newest = Max(newest, entry.newest_xid);
	}
	if (newest == 0)
		return;
	log_conflict(rel, newest);

	for (end = count; end > 0;)
	{
		LedgerSlotNumber first = (end - 1) / LEDGER_ENTRIES_PER_PAGE * LEDGER_ENTRIES_PER_PAGE;
		bool		any = false;
		Bitmapset  *primaries = NULL;
		int			member = -1;

		CHECK_FOR_INTERRUPTS();
		for (LedgerSlotNumber slot = first; slot < end; slot++)
		{
			LedgerSlotEntry entry;

			if (!ledger_read_entry(rel, slot, &entry) || !can_freeze(&entry, horizon))
				continue;
			any = true;
			if (entry.primary == slot && !(entry.flags & LEDGER_ENTRY_ONE_XMIN))
				primaries = bms_add_member(primaries, slot - first);
		}
		if (any)
			freeze_directory_page(state, first, end, horizon);
		while ((member = bms_next_member(primaries, member)) >= 0)
		{
			LedgerSlotEntry entry;

			if (ledger_read_entry(rel, first + member, &entry))
				free_xmin_blocks(rel, &entry);
		}
		bms_free(primaries);
		end = first;
	}
}

static void
update_frozenxid(VacuumState *state)
{
	bool		frozen_updated,
				minmulti_updated;
	Relation	rel = state->rel;
	LedgerMetaData meta;
	double		tuples = 0;

	if (ledger_read_meta(rel, &meta))
		tuples = (double) meta.totals.entries + (double) state->tail_rows;
	vac_update_relstats_compat(rel, RelationGetNumberOfBlocks(rel), tuples,
							   rel->rd_rel->relhasindex, state->oldest,
							   state->cutoffs.OldestMxact,
							   &frozen_updated, &minmulti_updated);
}

/* ---- indexes ---- */

/* A slot with gaps that indexes may point to. */
typedef struct GapSlot
{
	LedgerSlotNumber slot;
	uint8	   *bitmap;			/* NULL: all rows are gone */
} GapSlot;

typedef struct GapList
{
	int			nslots;
	GapSlot		slots[GAP_SLOTS];
} GapList;

static bool
is_gap(ItemPointer tid, void *arg)
{
	GapList    *list = arg;
	LedgerRow	row;
	LedgerSlotNumber slot;
	int			low = 0,
				high = list->nslots - 1;

	if (!LedgerTidIsSane(tid))
		return false;
	row = LedgerTidToRow(tid);
	slot = LedgerRowSlot(row);
	while (low <= high)
	{
		int			middle = (low + high) / 2;
		GapSlot    *candidate = &list->slots[middle];

		if (candidate->slot == slot)
			return candidate->bitmap == NULL ||
				(candidate->bitmap[LedgerRowOffset(row) / 8] & (1 << (LedgerRowOffset(row) % 8))) != 0;
		if (candidate->slot < slot)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return false;
}

/* A slot's gaps, as a bitmap of its own. */
static uint8 *
read_gaps(Relation rel, const LedgerSlotEntry *entry)
{
	LedgerSegment *segment = ledger_segment_open(rel, entry->home, entry->primary,
												 entry->segment);
	uint8	   *result = palloc0(LEDGER_SLOT_ROWS / 8);
	uint8	   *bitmap;
	size_t		size;
	pg_crc32c	crc;

	if (segment == NULL)
		ledger_corrupt(rel, entry->home, "the block is not the root of segment " UINT64_FORMAT,
					   entry->segment);
	if (segment->root.gaps == 0)
		return result;
	size = (segment->root.nrows + 7) / 8;
	bitmap = palloc(size);
	if (!ledger_segment_read(rel, segment, false, segment->root.gaps_offset, size, bitmap))
		ledger_corrupt(rel, entry->home, "a block of segment " UINT64_FORMAT " was overwritten",
					   entry->segment);
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, bitmap, size);
	FIN_CRC32C(crc);
	if (crc != segment->root.gaps_crc)
		ledger_corrupt(rel, entry->home, "the gaps of segment " UINT64_FORMAT " fail their check",
					   entry->segment);
	for (int i = 0; i < entry->nrows && entry->first + i < segment->root.nrows; i++)
	{
		uint32		position = entry->first + i;

		if (bitmap[position / 8] & (1 << (position % 8)))
			result[i / 8] |= 1 << (i % 8);
	}
	pfree(bitmap);
	return result;
}

/* Collect slots with gaps from *next on; *next becomes where to go on. */
static void
collect_gaps(Relation rel, LedgerSlotNumber *next, GapList *list)
{
	LedgerSlotNumber count = ledger_slot_count(rel);

	list->nslots = 0;
	for (; *next < count && list->nslots < GAP_SLOTS; (*next)++)
	{
		LedgerSlotEntry entry;

		CHECK_FOR_INTERRUPTS();
		if (!ledger_read_entry(rel, *next, &entry) ||
			!(entry.flags & LEDGER_ENTRY_INDEX_VACUUM))
			continue;
		list->slots[list->nslots].slot = *next;
		list->slots[list->nslots].bitmap = NULL;
		if (entry.state == LEDGER_SLOT_SEALED)
			list->slots[list->nslots].bitmap = read_gaps(rel, &entry);
		list->nslots++;
	}
}

static void
forget_index_vacuum(Relation rel, const GapList *list)
{
	for (int i = 0; i < list->nslots; i++)
	{
		LedgerSlotEntry entry;

		if (!ledger_read_entry(rel, list->slots[i].slot, &entry))
			continue;
		entry.flags &= ~LEDGER_ENTRY_INDEX_VACUUM;
		ledger_change_entry(rel, list->slots[i].slot, &entry, NULL, 0);
	}
}

static void
vacuum_indexes(VacuumState *state)
{
	Relation	rel = state->rel;
	Relation   *indexes;
	int			nindexes;
	IndexBulkDeleteResult **stats;
	LedgerSlotNumber next = 0;
	LedgerMetaData meta;
	double		tuples = 0;

	if (state->params->index_cleanup == VACOPTVALUE_DISABLED)
		return;
	vac_open_indexes(rel, RowExclusiveLock, &nindexes, &indexes);
	stats = palloc0(Max(nindexes, 1) * sizeof(IndexBulkDeleteResult *));
	if (ledger_read_meta(rel, &meta))
		tuples = (double) meta.totals.entries + (double) state->tail_rows;

	for (;;)
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ledger gaps",
													  ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(context);
		GapList    *list = palloc(sizeof(GapList));

		collect_gaps(rel, &next, list);
		MemoryContextSwitchTo(old);
		if (list->nslots == 0)
		{
			MemoryContextDelete(context);
			break;
		}
		for (int i = 0; i < nindexes; i++)
		{
			IndexVacuumInfo info = {0};

			LedgerFillIndexVacuumInfo(info, indexes[i], rel, tuples, state->strategy);
			stats[i] = index_bulk_delete(&info, stats[i], is_gap, list);
		}
		forget_index_vacuum(rel, list);
		MemoryContextDelete(context);
	}

	for (int i = 0; i < nindexes; i++)
	{
		IndexVacuumInfo info = {0};

		LedgerFillIndexVacuumInfo(info, indexes[i], rel, tuples, state->strategy);
		stats[i] = index_vacuum_cleanup(&info, stats[i]);
		if (stats[i] != NULL && !stats[i]->estimated_count)
			vac_update_relstats_compat(indexes[i], stats[i]->num_pages,
									   stats[i]->num_index_tuples, false,
									   InvalidTransactionId, InvalidMultiXactId, NULL, NULL);
	}
	vac_close_indexes(nindexes, indexes, NoLock);
}

/* ---- space ---- */

/* Whether a block is free, or has never been used. */
static bool
is_free(VacuumState *state, BlockNumber block)
{
	Buffer		buffer = ReadBufferExtended(state->rel, MAIN_FORKNUM, block, RBM_NORMAL,
											state->strategy);
	LedgerTag  *tag;
	LedgerTag	copy = {0};
	bool		new;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	new = PageIsNew(BufferGetPage(buffer));
	tag = new ? NULL : ledger_page_tag(BufferGetPage(buffer));
	if (tag != NULL)
		copy = *tag;
	UnlockReleaseBuffer(buffer);
	return new || (tag != NULL && ledger_block_is_free(state->rel, &copy));
}

/* Blocks that something is in, as far as is known without looking. */
static uint64
expected_blocks(VacuumState *state)
{
	LedgerMetaData meta;

	if (!ledger_read_meta(state->rel, &meta))
		return 0;
	return 1 + (meta.next_slot + LEDGER_ENTRIES_PER_PAGE - 1) / LEDGER_ENTRIES_PER_PAGE +
		meta.totals.blocks + state->tail_blocks;
}

/*
 * Look at every block's tag, and suggest the free ones to the free space map,
 * if there are more free blocks than is worth losing, and something has
 * happened since this was last done.
 */
static void
sweep(VacuumState *state)
{
	Relation	rel = state->rel;
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	LedgerMetaData meta;
	uint64		used;

	if (!ledger_read_meta(rel, &meta))
		return;
	state->active = meta.swept_segment != meta.next_segment || meta.swept_slot != meta.next_slot;
	if (!state->active)
		return;
	used = expected_blocks(state);
	if (nblocks <= used + nblocks / SWEEP_SHARE)
		return;

	for (BlockNumber block = 1; block < nblocks; block++)
	{
		vacuum_delay_point_compat();
		if (is_free(state, block))
			ledger_free_block(rel, block);
	}
	IndexFreeSpaceMapVacuum(rel);

}

/* Another sweep is of no use until something more happens. */
static void
remember_sweep(Relation rel)
{
	Buffer		buffer = ledger_lock_meta(rel, BUFFER_LOCK_EXCLUSIVE);
	GenericXLogState *xlog = GenericXLogStart(rel);
	LedgerMetaData *meta = ledger_meta_of(rel, buffer, GenericXLogRegisterBuffer(xlog, buffer, 0));

	meta->swept_segment = meta->next_segment;
	meta->swept_slot = meta->next_slot;
	ledger_meta_set_crc(meta);
	GenericXLogFinish(xlog);
	UnlockReleaseBuffer(buffer);
}

/* Number of blocks without the free ones at the end. */
static BlockNumber
used_size(VacuumState *state)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(state->rel);

	while (nblocks > 1 && is_free(state, nblocks - 1))
	{
		nblocks--;
		CHECK_FOR_INTERRUPTS();
	}
	return nblocks;
}

static bool
lock_for_truncation(Relation rel)
{
	for (int waited = 0; waited < TRUNCATE_LOCK_MS; waited += TRUNCATE_WAIT_MS)
	{
		if (ConditionalLockRelation(rel, AccessExclusiveLock))
			return true;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(TRUNCATE_WAIT_MS * 1000L);
	}
	return false;
}

static bool
worth_a_lock(BlockNumber nblocks, uint64 used)
{
	return nblocks > used &&
		(nblocks - used >= TRUNCATE_MIN_BLOCKS || nblocks - used >= nblocks / 16);
}

/*
 * Move segments down a bit, if "move", and cut off what is free at the file's
 * end.  Returns whether segments were moved.
 */
static bool
shrink_once(VacuumState *state, bool move, BlockNumber *next)
{
	Relation	rel = state->rel;
	bool		moved = move && ledger_move_segments_down(rel, expected_blocks(state), next);
	BlockNumber used = used_size(state);

	if (used < RelationGetNumberOfBlocks(rel))
		RelationTruncate(rel, used);
	return moved;
}

/*
 * Give free blocks back: those at the end of the file, and, where much of it is
 * free, those that segments at the end can be moved to first.  Nobody reads
 * while we hold the lock, so it is held for a bounded number of blocks at a
 * time.  But a standby, once told of it, holds it until our transaction ends:
 * there must not be too many times.
 */
static void
truncate_relation(VacuumState *state)
{
	Relation	rel = state->rel;
	BlockNumber next = 0;
	bool		moved = true;
	int			max_passes = XLogStandbyInfoActive() ? MAX_LOGGED_PASSES : MAX_SHRINK_PASSES;

	if (state->params->truncate == VACOPTVALUE_DISABLED)
		return;
	for (int pass = 0; moved; pass++)
	{
		BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
		uint64		expected = expected_blocks(state);
		bool		move = state->active && nblocks > expected + nblocks / MOVE_SHARE;

		if (nblocks == 0 ||
			(!worth_a_lock(nblocks, used_size(state)) && !(move && worth_a_lock(nblocks, expected))))
			return;
		if (pass == max_passes || !lock_for_truncation(rel))
		{
			state->unfinished = true;
			return;
		}
		/* nobody can claim blocks now; somebody may have before */
		moved = shrink_once(state, move, &next);
		state->moved |= moved;
		UnlockRelation(rel, AccessExclusiveLock);
	}
}

/* Blocks of tail runs. */
static uint64
count_tail_blocks(Relation rel)
{
	LedgerSlotNumber count = ledger_slot_count(rel);
	LedgerRunMap *map = palloc(sizeof(LedgerRunMap));
	uint64		result = 0;

	for (LedgerSlotNumber slot = 0; slot < count; slot++)
	{
		LedgerSlotEntry entry;

		CHECK_FOR_INTERRUPTS();
		if (ledger_read_entry(rel, slot, &entry) &&
			(entry.state == LEDGER_SLOT_TAIL || entry.state == LEDGER_SLOT_CLOSED) &&
			ledger_read_runmap(rel, slot, entry.home, map))
			result += map->nitems + 1;
	}
	pfree(map);
	return result;
}

/*
 * Give all the free blocks back that can be, for VACUUM FULL, whose lock keeps
 * everybody else out.
 */
void
ledger_shrink(Relation rel)
{
	VacuumState state = {0};
	BlockNumber next = 0;

	state.rel = rel;
	if (RelationGetNumberOfBlocks(rel) == 0)
		return;
	ledger_forget_pending(rel);
	state.tail_blocks = count_tail_blocks(rel);
	sweep(&state);
	for (int pass = 0; pass < MAX_SHRINK_PASSES; pass++)
		if (!shrink_once(&state, true, &next))
			break;
}

/* ---- VACUUM ---- */

/*
 * Autovacuum leaves it to the relation's sealer, where there is one, which
 * takes care not to slow down those who insert.
 */
static void
seal_all(VacuumState *state)
{
	int64		rows;

	if (MyBackendType == B_AUTOVAC_WORKER && ledger_has_sealer(state->rel))
		return;
	while ((rows = ledger_seal_some(state->rel, false)) >= 0)
	{
		CHECK_FOR_INTERRUPTS();
		state->sealed_rows += rows;
	}
}

static void
report(VacuumState *state)
{
	LedgerMetaData meta;
	uint64		live = state->tail_rows;

	if (ledger_read_meta(state->rel, &meta))
		live += meta.totals.entries;

	/*
	 * Rows of closed runs that could not be sealed, because a transaction is
	 * in progress, are reported as dead so that autovacuum comes back.
	 */
	ereport((state->params->options & VACOPT_VERBOSE) ? INFO : DEBUG2,
			(errmsg("vacuumed ledger \"%s\": sealed " INT64_FORMAT " entries, " UINT64_FORMAT " remain in the tail",
					RelationGetRelationName(state->rel), state->sealed_rows, state->tail_rows),
			 errdetail("%u blocks before, %u now, %u of them in use.%s",
					   state->nblocks, RelationGetNumberOfBlocks(state->rel),
					   (uint32) expected_blocks(state),
					   state->moved ? " Segments were moved to lower blocks." : "")));
	pgstat_report_vacuum_compat(state->rel, live, state->unsealed_rows, state->start);
}

void
ledger_relation_vacuum(Relation rel, VacuumParams *params, BufferAccessStrategy bstrategy)
{
	VacuumState state = {0};
	bool		aggressive;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ledger vacuum",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	state.rel = rel;
	state.params = params;
	state.strategy = bstrategy;
	state.start = GetCurrentTimestamp();
	state.nblocks = RelationGetNumberOfBlocks(rel);
	pgstat_progress_start_command(PROGRESS_COMMAND_VACUUM, RelationGetRelid(rel));
	LedgerGetCutoffs(rel, params, &state.cutoffs, &aggressive);
	state.failsafe = LedgerFailsafeNeeded(rel, &state.cutoffs);

	freeze_tail(&state);
	if (aggressive || state.failsafe)
		update_frozenxid(&state);
	if (!state.failsafe)
	{
		/* find lost blocks first: sealing may need them */
		ledger_settle_bulk(rel);
		ledger_close_open_runs(rel, IDLE_SLOTS);
		ledger_forget_pending(rel);
		sweep(&state);
		seal_all(&state);
	}
	freeze_segments(&state);
	freeze_tail(&state);
	if (!state.failsafe)
	{
		if (rel->rd_rel->relhasindex)
			vacuum_indexes(&state);
		truncate_relation(&state);
		if (state.active && !state.unfinished)
			remember_sweep(rel);
	}
	update_frozenxid(&state);
	report(&state);
	pgstat_progress_end_command();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
