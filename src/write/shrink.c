/*-------------------------------------------------------------------------
 *
 * shrink.c
 *	  Finding free blocks, and giving them back to the file system.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/xlog.h"
#include "catalog/storage.h"
#include "miscadmin.h"
#include "storage/freespace.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"
#include "write/packed.h"
#include "write/write.h"

/* Times that the lock is taken; the latter where standbys learn of it. */
#define MAX_PASSES			1000
#define MAX_LOGGED_PASSES	16

/* Free blocks at the end that are worth an exclusive lock. */
#define TRUNCATE_MIN_BLOCKS	8

/* How long to try for that lock, as heap does. */
#define TRUNCATE_LOCK_MS	5000
#define TRUNCATE_WAIT_MS	50

/* Blocks looked at, under the lock, before we look whether somebody waits. */
#define PATIENCE_BLOCKS		1024

/* Blocks read ahead, backwards. */
#define PREFETCH_BLOCKS		32

/* Free blocks that are worth moving segments for, as a share of the relation. */
#define MOVE_SHARE			16

/* Free blocks that are worth looking for, as a share of the relation. */
#define SWEEP_SHARE			20

/* Whether a block is free, or has never been used. */
static bool
is_free(LedgerSpace *space, BlockNumber block)
{
	Buffer		buffer = ReadBufferExtended(space->rel, MAIN_FORKNUM, block, RBM_NORMAL,
											space->strategy);
	LedgerTag	tag;
	bool		new;
	bool		known;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	new = PageIsNew(BufferGetPage(buffer));
	known = !new && ledger_copy_tag(BufferGetPage(buffer), &tag);
	UnlockReleaseBuffer(buffer);
	return new || (known && ledger_block_is_free(space->rel, &tag));
}

/* Blocks that something is in, as far as is known without looking. */
uint64
ledger_expected_blocks(LedgerSpace *space)
{
	LedgerMetaData meta;

	if (!ledger_read_meta(space->rel, &meta))
		return 0;
	return 1 + ledger_directory_blocks(&meta) + ledger_dictionary_blocks(&meta) +
		meta.totals.blocks + space->tail_blocks;
}

/*
 * Look at every block's tag, and suggest the free ones to the free space map,
 * if there are more free blocks than is worth losing, and something has
 * happened since this was last done.
 */
void
ledger_sweep(LedgerSpace *space)
{
	Relation	rel = space->rel;
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	LedgerMetaData meta;
	uint64		used;

	if (!ledger_read_meta(rel, &meta))
		return;
	space->active = meta.swept_segment != meta.next_segment || meta.swept_slot != meta.next_slot;
	space->swept_segment = meta.next_segment;
	space->swept_slot = meta.next_slot;
	if (!space->active)
		return;
	used = ledger_expected_blocks(space);
	if (nblocks <= used + nblocks / SWEEP_SHARE)
		return;

	for (BlockNumber block = 1; block < nblocks; block++)
	{
		vacuum_delay_point_compat();
		if (is_free(space, block))
			ledger_free_block(rel, block);
	}
	IndexFreeSpaceMapVacuum(rel);
}

/* Another sweep is of no use until something happens that this has not seen. */
void
ledger_remember_sweep(LedgerSpace *space)
{
	Buffer		buffer;
	GenericXLogState *xlog;
	LedgerMetaData *meta;

	if (!space->active || space->unfinished)
		return;
	buffer = ledger_lock_meta(space->rel, BUFFER_LOCK_EXCLUSIVE);
	xlog = GenericXLogStart(space->rel);
	meta = ledger_meta_of(space->rel, buffer, GenericXLogRegisterBuffer(xlog, buffer, 0));
	meta->swept_segment = space->swept_segment;
	meta->swept_slot = space->swept_slot;
	ledger_meta_set_crc(meta);
	GenericXLogFinish(xlog);
	UnlockReleaseBuffer(buffer);
}

/*
 * Number of blocks without the free ones at the end.  If "yield", somebody who
 * waits for the lock that we hold ends the search early: *interrupted.
 */
static BlockNumber
used_size(LedgerSpace *space, bool yield, bool *interrupted)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(space->rel);
	BlockNumber prefetched = nblocks;
	uint32		looked_at = 0;

	*interrupted = false;
	for (; nblocks > 1; nblocks--)
	{
		CHECK_FOR_INTERRUPTS();
		if (yield && ++looked_at % PATIENCE_BLOCKS == 0 &&
			LockHasWaitersRelation(space->rel, AccessExclusiveLock))
		{
			*interrupted = true;
			break;
		}
		if (prefetched == nblocks)
		{
			prefetched = nblocks > PREFETCH_BLOCKS ? nblocks - PREFETCH_BLOCKS : 0;
			for (BlockNumber block = prefetched; block < nblocks; block++)
				PrefetchBuffer(space->rel, MAIN_FORKNUM, block);
		}
		if (!is_free(space, nblocks - 1))
			break;
	}
	return nblocks;
}

bool
ledger_lock_for_changes(Relation rel)
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

/* Whether free blocks at the end are worth cutting off. */
static bool
ends_free(LedgerSpace *space)
{
	bool		interrupted;

	return worth_a_lock(RelationGetNumberOfBlocks(space->rel),
						used_size(space, false, &interrupted));
}

/*
 * Cut off what is free at the end, with the lock held.  Returns whether that is
 * all, and not only what there was before somebody else wanted the lock.
 */
static bool
cut(LedgerSpace *space, bool yield)
{
	bool		interrupted;
	BlockNumber used = used_size(space, yield, &interrupted);

	if (used < RelationGetNumberOfBlocks(space->rel))
		RelationTruncate(space->rel, used);
	return !interrupted;
}

/*
 * Give free blocks back: those at the end of the file, and, where much of it is
 * free, those that segments and directory pages at the end can be moved to first.
 *
 * Nobody reads while we hold the lock.  So it is held for a bounded number of
 * blocks at a time, for fewer if somebody waits, and what can be found out
 * without it is.  But a standby, once told of it, holds it until our
 * transaction ends: there must not be too many times.
 */
void
ledger_give_back(LedgerSpace *space)
{
	Relation	rel = space->rel;
	LedgerMover *mover = NULL;
	LedgerDirectoryMove pages[LEDGER_MOVE_DIRECTORIES];
	bool		directory = true;	/* may have pages that can be moved, which come first */
	bool		complete = true;
	int			max_passes = XLogStandbyInfoActive() ? MAX_LOGGED_PASSES : MAX_PASSES;

	ledger_drop_dictionaries(rel);
	for (int pass = 0;; pass++)
	{
		BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
		uint64		expected = ledger_expected_blocks(space);
		bool		move = complete && space->active &&
			nblocks > expected + nblocks / MOVE_SHARE && worth_a_lock(nblocks, expected);
		int			npages = 0;

		if (move && directory)
		{
			npages = ledger_prepare_directories(rel, expected, pages);
			directory = npages > 0;
			move = npages == 0;
		}
		if (move)
		{
			if (mover == NULL)
				mover = ledger_mover_begin(rel, expected);
			move = ledger_mover_prepare(mover);
		}
		if (nblocks == 0 || (complete && !move && npages == 0 && !ends_free(space)))
			return;
		if (pass == max_passes || !ledger_lock_for_changes(rel))
		{
			space->unfinished = true;
			return;
		}
		/* nobody can claim blocks now; somebody may have before */
		if (npages > 0)
			ledger_move_directories(rel, pages, npages);
		if (move)
			space->moved |= ledger_mover_run(mover, true);
		complete = cut(space, true);
		UnlockRelation(rel, AccessExclusiveLock);
		if (move || npages > 0)
			FreeSpaceMapVacuum(rel);
	}
}

/* Count the blocks of tail runs; a bulk load's may become free any time. */
static void
count_tail_blocks(LedgerSpace *space)
{
	Relation	rel = space->rel;
	LedgerSlotNumber count = ledger_slot_count(rel);
	LedgerRunMap *map = palloc(sizeof(LedgerRunMap));

	for (LedgerSlotNumber slot = 0; slot < count; slot++)
	{
		LedgerSlotEntry entry;

		CHECK_FOR_INTERRUPTS();
		if (!ledger_read_entry(rel, slot, &entry))
			continue;
		if ((entry.state == LEDGER_SLOT_TAIL || entry.state == LEDGER_SLOT_CLOSED) &&
			ledger_read_runmap(rel, slot, entry.home, map))
			space->tail_blocks += map->nitems + 1;
		if (entry.state == LEDGER_SLOT_BULK_OPEN || entry.state == LEDGER_SLOT_BULK_WRITTEN)
			space->unfinished = true;
	}
	pfree(map);
}

/* Whether ledger_give_space() would look for free blocks. */
bool
ledger_has_space_to_give(Relation rel)
{
	LedgerSpace space = {0};
	LedgerMetaData meta;
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);

	if (nblocks == 0 || !ledger_read_meta(rel, &meta) ||
		(meta.swept_segment == meta.next_segment && meta.swept_slot == meta.next_slot))
		return false;
	space.rel = rel;
	count_tail_blocks(&space);
	return nblocks > ledger_expected_blocks(&space) + nblocks / SWEEP_SHARE;
}

/*
 * What VACUUM does last: find free blocks, and give them back if the lock for
 * that is to be had.  The caller has ShareUpdateExclusiveLock.
 */
void
ledger_give_space(Relation rel)
{
	LedgerSpace space = {0};

	space.rel = rel;
	space.strategy = GetAccessStrategy(BAS_VACUUM);
	ledger_forget_pending(rel);
	count_tail_blocks(&space);
	ledger_sweep(&space);
	ledger_give_back(&space);
	ledger_remember_sweep(&space);
}

/*
 * Give all the free blocks back that can be, for VACUUM FULL, whose lock keeps
 * everybody else out.
 */
void
ledger_shrink(Relation rel)
{
	LedgerSpace space = {0};
	LedgerMover *mover;
	LedgerDirectoryMove pages[LEDGER_MOVE_DIRECTORIES];
	BlockNumber expected;
	int			npages;

	space.rel = rel;
	if (RelationGetNumberOfBlocks(rel) == 0)
		return;
	ledger_forget_pending(rel);
	ledger_drop_dictionaries(rel);
	count_tail_blocks(&space);
	ledger_sweep(&space);
	expected = ledger_expected_blocks(&space);
	while ((npages = ledger_prepare_directories(rel, expected, pages)) > 0)
	{
		ledger_move_directories(rel, pages, npages);
		FreeSpaceMapVacuum(rel);
	}
	mover = ledger_mover_begin(rel, expected);
	while (ledger_mover_prepare(mover))
	{
		(void) ledger_mover_run(mover, false);
		(void) cut(&space, false);
		FreeSpaceMapVacuum(rel);
	}
	(void) cut(&space, false);
}
