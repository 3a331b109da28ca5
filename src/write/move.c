/*-------------------------------------------------------------------------
 *
 * move.c
 *	  Moving segments, and the directory, towards the start of the file, so that
 *	  it can be cut.
 *
 * The caller holds AccessExclusiveLock: a reader that has a segment open
 * relies on its blocks.  A moved segment is a new one, with an id of its own;
 * its slots' entries change in one record, so a segment whose slots are on more
 * directory pages than that has room for stays where it is.
 *
 * Everything that takes longer the larger the relation is, is done before the
 * lock is taken: which segments to move, and which blocks may be free.  Nobody
 * else moves or seals meanwhile, but blocks may be taken, so what is done under
 * the lock checks them again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/freespace.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "write/write.h"

/* Blocks that are written while the lock is held, at most (64 MB). */
#define MOVE_BLOCKS		8192

/* Blocks that are written, at least, before we look whether somebody waits. */
#define PATIENCE_BLOCKS	1024

#define COPY_BYTES		(8 * LEDGER_PAGE_PAYLOAD)

/* A segment to be moved */
typedef struct Victim
{
	uint64		segment;
	LedgerSlotNumber slot;		/* primary */
	BlockNumber reach;			/* the block after its last one */
	uint32		needed;			/* blocks, and one more if these fall ... */
	int			extents;		/* into more extents than so many */
} Victim;

struct LedgerMover
{
	Relation	rel;
	BlockNumber target;			/* the size that the file would have without free blocks */
	BlockNumber limit;			/* what reaches beyond it is to be moved */
	bool		moved;			/* anything, since the victims were collected */

	Victim	   *victims;		/* last ones first */
	int			nvictims;
	int			max_victims;
	int			next_victim;

	BlockNumber next_free;		/* where to look for more free blocks */
	BlockNumber blocks[MOVE_BLOCKS];	/* free by the map, ascending */
	int			nblocks;
	int			next_block;
};

/* The block after the segment's last one. */
static BlockNumber
reach_of(const LedgerSegment *segment)
{
	BlockNumber result = segment->block + 1;

	for (int i = 0; i < segment->root.nextents + segment->root.nxmin_extents; i++)
		result = Max(result, segment->extents[i].start + segment->extents[i].count);
	return result;
}

/* Whether all of a segment's slots are where one record can change them. */
static bool
is_movable(Relation rel, const LedgerSegment *segment)
{
	if (!ledger_publishes_at_once(segment->slots, segment->root.nslots))
		return false;
	for (int i = 0; i < segment->root.nslots; i++)
	{
		LedgerSlotEntry entry;

		if (!ledger_read_entry(rel, segment->slots[i].slot, &entry))
			return false;
		/* a slot that a crash has left out of it is not the segment's */
		if (entry.segment == segment->root.segment && entry.state != LEDGER_SLOT_SEALED)
			return false;
	}
	return true;
}

static void
copy_stream(Relation rel, const LedgerSegment *segment, bool xmins, LedgerSegmentWriter *writer)
{
	uint64		total = xmins ? segment->root.xmin_bytes : segment->root.data_bytes;
	char	   *buffer = palloc(COPY_BYTES);

	for (uint64 done = 0; done < total;)
	{
		size_t		part = Min(COPY_BYTES, total - done);

		if (!ledger_segment_read(rel, segment, xmins, done, part, buffer))
			ledger_segment_corrupt(rel, segment, xmins, done, part, "it was overwritten");
		ledger_segment_write(writer, buffer, part);
		done += part;
	}
	pfree(buffer);
}

/* Write a copy of the segment to free blocks, and let its slots refer to it. */
static void
move_segment(Relation rel, const LedgerSlotEntry *primary, const LedgerSegment *segment,
			 const BlockNumber *blocks, uint32 needed)
{
	bool		keep_xmins = (primary->flags & (LEDGER_ENTRY_FROZEN | LEDGER_ENTRY_ONE_XMIN)) == 0;
	uint64		id = ledger_reserve_segment(rel, segment->slots[0].slot);
	LedgerSegmentWriter *writer = ledger_segment_begin_at(rel, segment->slots[0].slot, id,
														  blocks, needed);
	LedgerSegmentRoot root = segment->root;
	LedgerSegmentSlot slots[LEDGER_SEGMENT_SLOTS];
	LedgerSlotEntry entries[LEDGER_SEGMENT_SLOTS];
	LedgerTotals change = {0};
	int			nslots = 0;
	uint32		nblocks;
	BlockNumber home;

	copy_stream(rel, segment, false, writer);
	ledger_segment_start_xmins(writer);
	if (keep_xmins)
		copy_stream(rel, segment, true, writer);
	home = ledger_segment_finish(writer, &root, segment->slots, &nblocks);

	for (int i = 0; i < segment->root.nslots; i++)
	{
		LedgerSlotEntry *entry = &entries[nslots];

		if (!ledger_read_entry(rel, segment->slots[i].slot, entry) ||
			entry->segment != segment->root.segment)
			continue;
		entry->home = home;
		entry->segment = id;
		entry->pending = 0;
		slots[nslots++] = segment->slots[i];
	}
	ledger_publish_segment(rel, slots, nslots, entries, &change, 0);

	for (int i = 0; i < segment->root.nextents + segment->root.nxmin_extents; i++)
		for (uint32 j = 0; j < segment->extents[i].count; j++)
			ledger_free_block(rel, segment->extents[i].start + j);
	ledger_free_block(rel, segment->block);
}

/* Into how many extents these blocks fall. */
static int
count_extents(const BlockNumber *blocks, uint32 count)
{
	int			result = 1;

	for (uint32 i = 1; i < count; i++)
		if (blocks[i] != blocks[i - 1] + 1)
			result++;
	return result;
}

/* Blocks that the segment takes without xmins that nobody needs. */
uint32
ledger_blocks_in_use(const LedgerSlotEntry *entry, const LedgerSegment *segment)
{
	uint32		result = ledger_segment_blocks(segment);

	if (entry->flags & (LEDGER_ENTRY_FROZEN | LEDGER_ENTRY_ONE_XMIN))
		for (int i = 0; i < segment->root.nxmin_extents; i++)
			result -= segment->extents[segment->root.nextents + i].count;
	return result;
}

/*
 * Into how many extents a copy may fall so that its root block has room for the end of
 * the data stream; one of them is for the seam of the streams.
 */
static int
extents_with_end(const LedgerSegment *segment)
{
	int			left = (int) LEDGER_PAGE_PAYLOAD - (int) sizeof(LedgerSegmentRoot) -
		(int) segment->root.inline_bytes -
		(int) (segment->root.nslots * sizeof(LedgerSegmentSlot));

	return segment->root.inline_bytes == 0 ? LEDGER_SEGMENT_EXTENTS :
		left / (int) sizeof(LedgerExtent) - 1;
}

/*
 * The segment whose primary slot is this, if it reaches beyond "limit", can be
 * moved, and so should be; else NULL.
 */
static LedgerSegment *
find_victim(Relation rel, LedgerSlotNumber slot, BlockNumber limit, LedgerSlotEntry *entry)
{
	LedgerSegment *segment;

	if (!ledger_read_entry(rel, slot, entry) || entry->state != LEDGER_SLOT_SEALED ||
		entry->primary != slot)
		return NULL;
	segment = ledger_segment_open(rel, entry->home, slot, entry->segment);
	if (segment != NULL && (reach_of(segment) <= limit || !is_movable(rel, segment)))
	{
		ledger_segment_close(segment);
		segment = NULL;
	}
	return segment;
}

/* Find the segments that reach beyond "limit". */
static void
collect_victims(LedgerMover *mover, BlockNumber limit)
{
	mover->limit = limit;
	mover->next_victim = mover->nvictims = 0;
	mover->nblocks = mover->next_block = 0;
	mover->next_free = 0;
	mover->moved = false;
	for (LedgerSlotNumber slot = ledger_slot_count(mover->rel); slot-- > 0;)
	{
		LedgerSlotEntry entry;
		LedgerSegment *segment = find_victim(mover->rel, slot, limit, &entry);
		Victim	   *victim;

		CHECK_FOR_INTERRUPTS();
		if (segment == NULL)
			continue;
		if (mover->nvictims == mover->max_victims)
		{
			mover->max_victims *= 2;
			mover->victims = repalloc_huge(mover->victims, mover->max_victims * sizeof(Victim));
		}
		victim = &mover->victims[mover->nvictims++];
		victim->segment = entry.segment;
		victim->slot = slot;
		victim->reach = reach_of(segment);
		victim->needed = ledger_blocks_in_use(&entry, segment);
		victim->extents = extents_with_end(segment);
		ledger_segment_close(segment);
	}
}

/*
 * Begin to move segments that reach beyond "target", the size that the file
 * would have without free blocks, down.
 *
 * Below the target there may be room for a part of a segment only; with that
 * of the biggest one added, there is room for any.  What is then just beyond
 * the target moves on if it can.
 */
LedgerMover *
ledger_mover_begin(Relation rel, BlockNumber target)
{
	LedgerMover *mover = palloc(sizeof(LedgerMover));
	uint32		biggest = 0;
	int			n = 0;

	mover->rel = rel;
	mover->target = target;
	mover->max_victims = 64;
	mover->victims = palloc(mover->max_victims * sizeof(Victim));
	collect_victims(mover, target);
	for (int i = 0; i < mover->nvictims; i++)
		biggest = Max(biggest, mover->victims[i].needed);
	mover->limit = target + biggest;
	for (int i = 0; i < mover->nvictims; i++)
		if (mover->victims[i].reach > mover->limit)
			mover->victims[n++] = mover->victims[i];
	mover->nvictims = n;
	return mover;
}

/* The first block from this one on that the free space map holds for free, or "end". */
static BlockNumber
next_free(Relation rel, BlockNumber block, BlockNumber end)
{
	for (; block < end && GetRecordedFreeSpace(rel, block) <= BLCKSZ / 2; block++)
		if (block % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
	return block;
}

/*
 * Look for free blocks below the limit.
 *
 * The map's own search would not do: it finds any free blocks, and where most
 * of the file is free, hardly ever the low ones.
 */
static void
collect_free_blocks(LedgerMover *mover)
{
	BlockNumber limit = Min(mover->limit, RelationGetNumberOfBlocks(mover->rel));

	mover->nblocks = mover->next_block = 0;
	while (mover->nblocks < MOVE_BLOCKS &&
		   (mover->next_free = next_free(mover->rel, mover->next_free, limit)) < limit)
		mover->blocks[mover->nblocks++] = mover->next_free++;
}

/* How many of these blocks a segment takes of which so many are in use. */
static uint32
blocks_for_copy(const BlockNumber *blocks, uint32 needed, int extents)
{
	return count_extents(blocks, needed) > extents ? needed + 1 : needed;
}

/* Whether the blocks at hand are enough for a segment, and near each other. */
static bool
fits(const LedgerMover *mover, const Victim *victim)
{
	const BlockNumber *blocks = mover->blocks + mover->next_block;
	uint32		left = mover->nblocks - mover->next_block;

	return victim->needed <= left &&
		blocks_for_copy(blocks, victim->needed, victim->extents) <= left &&
		count_extents(blocks, victim->needed) < LEDGER_SEGMENT_EXTENTS / 2;
}

/*
 * Choose what to move next, without the lock.  Returns whether there is
 * anything.
 */
bool
ledger_mover_prepare(LedgerMover *mover)
{
	for (;;)
	{
		/* go on where free blocks were left */
		if (mover->next_block < mover->nblocks)
			mover->next_free = mover->blocks[mover->next_block];
		collect_free_blocks(mover);

		/* one that does not fit now may when others have left their blocks */
		while (mover->next_victim < mover->nvictims &&
			   !fits(mover, &mover->victims[mover->next_victim]))
			mover->next_victim++;
		if (mover->next_victim < mover->nvictims)
			return true;

		/* moving has freed other blocks; at last, see what can go below the target */
		if (mover->moved)
			collect_victims(mover, mover->limit);
		else if (mover->limit != mover->target)
			collect_victims(mover, mover->target);
		else
			return false;
	}
}

/*
 * Take blocks for a segment.  The map may be wrong about some of them; nobody
 * can take one after we have looked.  Returns how many there are.
 */
static uint32
take_blocks(LedgerMover *mover, uint32 needed, BlockNumber *blocks)
{
	uint32		result = 0;

	while (result < needed && mover->next_block < mover->nblocks)
	{
		BlockNumber block = mover->blocks[mover->next_block++];
		Buffer		buffer;

		if (block >= RelationGetNumberOfBlocks(mover->rel))
			continue;
		RecordUsedIndexPage(mover->rel, block);
		buffer = ledger_claim_block(mover->rel, block);
		if (!BufferIsValid(buffer))
			continue;
		UnlockReleaseBuffer(buffer);
		blocks[result++] = block;
	}
	return result;
}

/* Move one segment, if there is room for it.  Returns the blocks written. */
static uint32
move_victim(LedgerMover *mover, const Victim *victim, BlockNumber *blocks)
{
	Relation	rel = mover->rel;
	LedgerSlotEntry entry;
	LedgerSegment *segment = find_victim(rel, victim->slot, mover->limit, &entry);
	uint32		needed;
	uint32		taken;
	bool		move;

	if (segment == NULL)
		return 0;
	needed = ledger_blocks_in_use(&entry, segment);
	taken = take_blocks(mover, needed, blocks);
	if (taken == needed)
	{
		needed = blocks_for_copy(blocks, needed, extents_with_end(segment));
		taken += take_blocks(mover, needed - taken, blocks + taken);
	}
	move = entry.segment == victim->segment && taken == needed &&
		count_extents(blocks, taken) <= LEDGER_SEGMENT_EXTENTS / 2;
	if (move)
		move_segment(rel, &entry, segment, blocks, needed);
	else
		for (uint32 i = 0; i < taken; i++)
			ledger_free_block(rel, blocks[i]);
	ledger_segment_close(segment);
	return move ? needed : 0;
}

/*
 * Move what has been prepared, with AccessExclusiveLock held.  If "yield", stop
 * before the end if somebody waits for the lock.  Returns whether anything was
 * moved.
 */
bool
ledger_mover_run(LedgerMover *mover, bool yield)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ledger move",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BlockNumber *blocks = MemoryContextAlloc(context, MOVE_BLOCKS * sizeof(BlockNumber));
	uint32		written = 0;

	while (mover->next_victim < mover->nvictims)
	{
		const Victim *victim = &mover->victims[mover->next_victim];

		CHECK_FOR_INTERRUPTS();
		if (!fits(mover, victim) ||
			(yield && written >= PATIENCE_BLOCKS &&
			 LockHasWaitersRelation(mover->rel, AccessExclusiveLock)))
			break;
		mover->next_victim++;
		written += move_victim(mover, victim, blocks);
	}
	mover->moved |= written > 0;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return written > 0;
}

/* ---- the directory ---- */

/*
 * Pair directory and root pages that lie at "limit" or beyond with blocks before them
 * that may be free, lowest first, without the lock; returns how many pairs there are,
 * at most LEDGER_MOVE_DIRECTORIES.
 */
int
ledger_prepare_directories(Relation rel, BlockNumber limit, LedgerDirectoryMove *moves)
{
	BlockNumber block = next_free(rel, 1, RelationGetNumberOfBlocks(rel));
	int			found = ledger_find_directories(rel, Max(limit, block + 1), moves,
												LEDGER_MOVE_DIRECTORIES);
	int			n = 0;

	for (int i = 0; i < found; i++)
	{
		block = next_free(rel, block, moves[i].from);
		if (block >= moves[i].from)
			continue;
		moves[n] = moves[i];
		moves[n++].to = block++;
	}
	return n;
}
