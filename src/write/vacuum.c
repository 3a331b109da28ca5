/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  VACUUM of a ledger: freeze, seal, clean indexes, give blocks back.
 *
 * Freezing must not depend on sealing, which a damaged row can stop: old tail
 * rows are frozen in place before anything is sealed, and where VACUUM runs for
 * the sake of it, relfrozenxid is advanced before, too.
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
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "write/write.h"

/* An open run so many slots behind the newest belongs to an idle lane. */
#define IDLE_SLOTS			64

/* Slots whose gaps are looked up at a time, 1 kB each. */
#define GAP_SLOTS			4096

typedef struct VacuumState
{
	Relation	rel;
	VacuumParams *params;
	BufferAccessStrategy strategy;
	LedgerSpace space;
	LedgerVacuumCutoffs cutoffs;
	TimestampTz start;
	bool		failsafe;		/* freeze only */
	bool		conflict_logged;	/* for freezing tail rows in place */
	TransactionId oldest;		/* oldest xid that is left unfrozen */
	uint64		tail_rows;		/* rows in tail runs */
	uint64		unsealed_rows;	/* of closed runs */
	int64		sealed_rows;	/* by this VACUUM */
	BlockNumber nblocks;		/* before */
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
	state->space.tail_blocks++;
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
	state->space.tail_blocks++;
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
	state->tail_rows = state->unsealed_rows = 0;
	state->space.tail_blocks = 0;
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
				state->space.unfinished = true; /* its blocks may become free */
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
				ledger_free_segment_blocks(rel, &entry, true);
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

	if (segment == NULL)
		ledger_corrupt(rel, entry->home, "the block is not the root of segment " UINT64_FORMAT,
					   entry->segment);
	if (segment->root.gaps == 0)
	{
		ledger_segment_close(segment);
		return result;
	}
	size = (segment->root.nrows + 7) / 8;
	bitmap = palloc(size);
	if (!ledger_segment_read(rel, segment, false, segment->root.gaps_offset, size, bitmap))
		ledger_segment_corrupt(rel, segment, false, segment->root.gaps_offset, size,
							   "it was overwritten");
	if (ledger_checksum(bitmap, size) != segment->root.gaps_crc)
		ledger_segment_corrupt(rel, segment, false, segment->root.gaps_offset, size,
							   "the gap bitmap fails its check");
	for (int i = 0; i < entry->nrows && entry->first + i < segment->root.nrows; i++)
	{
		uint32		position = entry->first + i;

		if (bitmap[position / 8] & (1 << (position % 8)))
			result[i / 8] |= 1 << (i % 8);
	}
	pfree(bitmap);
	ledger_segment_close(segment);
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

/* ---- VACUUM ---- */

/*
 * What may be frozen; returns whether everything must be looked at.
 *
 * old_snapshot_threshold, before 17, can put the limits beyond snapshots in
 * use, which heap's readers then find too old.  Ours do not look, so rows that
 * such a snapshot does not see stay unfrozen.
 */
static bool
get_cutoffs(VacuumState *state)
{
	LedgerVacuumCutoffs *cutoffs = &state->cutoffs;
	bool		aggressive = LedgerGetCutoffs(state->rel, state->params, cutoffs);
	TransactionId oldest = GetOldestNonRemovableTransactionId(state->rel);

	if (TransactionIdPrecedes(oldest, cutoffs->OldestXmin))
		cutoffs->OldestXmin = oldest;
	if (TransactionIdPrecedes(cutoffs->OldestXmin, cutoffs->FreezeLimit))
		cutoffs->FreezeLimit = cutoffs->OldestXmin;
	return aggressive;
}

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
	while ((rows = ledger_seal_some(state->rel, LEDGER_SEAL_LAST)) >= 0)
	{
		CHECK_FOR_INTERRUPTS();
		state->sealed_rows += rows;
	}
}

/*
 * Rows of closed runs that could not be sealed, because a transaction is in
 * progress, are reported as dead so that autovacuum comes back.
 */
static void
report_to_pgstat(VacuumState *state)
{
	LedgerMetaData meta;
	uint64		live = state->tail_rows;

	if (ledger_read_meta(state->rel, &meta))
		live += meta.totals.entries;
	pgstat_report_vacuum_compat(state->rel, live, state->unsealed_rows, state->start);
}

static void
report_to_user(VacuumState *state)
{
	ereport((state->params->options & VACOPT_VERBOSE) ? INFO : DEBUG2,
			(errmsg("vacuumed ledger \"%s\": sealed " INT64_FORMAT " entries, " UINT64_FORMAT " remain in the tail",
					RelationGetRelationName(state->rel), state->sealed_rows, state->tail_rows),
			 errdetail("%u blocks before, %u now, %u of them in use.%s",
					   state->nblocks, RelationGetNumberOfBlocks(state->rel),
					   (uint32) ledger_expected_blocks(&state->space),
					   state->space.moved ? " Segments were moved to lower blocks." : "")));
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
	state.space.rel = rel;
	state.space.strategy = bstrategy;
	state.start = GetCurrentTimestamp();
	state.nblocks = RelationGetNumberOfBlocks(rel);
	pgstat_progress_start_command(PROGRESS_COMMAND_VACUUM, RelationGetRelid(rel));
	aggressive = get_cutoffs(&state);
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
		ledger_sweep(&state.space);
		seal_all(&state);
	}
	freeze_segments(&state);
	freeze_tail(&state);
	if (!state.failsafe && rel->rd_rel->relhasindex)
		vacuum_indexes(&state);

	/* giving blocks back may fail, or be cancelled for who waits for the lock */
	update_frozenxid(&state);
	report_to_pgstat(&state);
	if (!state.failsafe)
	{
		if (params->truncate != VACOPTVALUE_DISABLED)
			ledger_give_back(&state.space);
		ledger_remember_sweep(&state.space);
		update_frozenxid(&state);
	}
	report_to_user(&state);
	pgstat_progress_end_command();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
