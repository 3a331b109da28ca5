/*-------------------------------------------------------------------------
 *
 * move.c
 *	  Moving segments towards the start of the file, so that it can be cut.
 *
 * The caller holds AccessExclusiveLock: a reader that has a segment open
 * relies on its blocks.  A moved segment is a new one, with an id of its own;
 * its slots' entries change in one record, so a segment whose slots are on more
 * directory pages than that has room for stays where it is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/freespace.h"
#include "storage/indexfsm.h"
#include "utils/memutils.h"
#include "write/write.h"

/* Blocks that are written while the lock is held, at most (64 MB). */
#define MOVE_BLOCKS		8192

#define COPY_BYTES		(8 * LEDGER_PAGE_PAYLOAD)

/* Free blocks below a limit, ascending. */
typedef struct FreeBlocks
{
	BlockNumber *blocks;
	int			nblocks;
	int			next;			/* not used yet */
} FreeBlocks;

/*
 * Take free blocks that the free space map knows of, from *next up to the limit,
 * lowest first; *next becomes where to go on.
 *
 * The map's own search would not do: it finds any free blocks, and where most
 * of the file is free, hardly ever the low ones.
 */
static void
take_free_blocks(Relation rel, BlockNumber *next, BlockNumber limit, FreeBlocks *result)
{
	result->blocks = palloc(MOVE_BLOCKS * sizeof(BlockNumber));
	result->nblocks = result->next = 0;
	limit = Min(limit, RelationGetNumberOfBlocks(rel));
	for (; *next < limit && result->nblocks < MOVE_BLOCKS; (*next)++)
	{
		Buffer		buffer;

		if (*next % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		if (GetRecordedFreeSpace(rel, *next) <= BLCKSZ / 2)
			continue;
		RecordUsedIndexPage(rel, *next);

		/* the map may be wrong; nobody can take the block after this */
		buffer = ledger_claim_block(rel, *next);
		if (!BufferIsValid(buffer))
			continue;
		UnlockReleaseBuffer(buffer);
		result->blocks[result->nblocks++] = *next;
	}
}

static bool
lies_beyond(const LedgerSegment *segment, BlockNumber target)
{
	if (segment->block >= target)
		return true;
	for (int i = 0; i < segment->root.nextents + segment->root.nxmin_extents; i++)
		if (segment->extents[i].start + segment->extents[i].count > target)
			return true;
	return false;
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
			ledger_corrupt(rel, segment->block, "a block of segment " UINT64_FORMAT " was overwritten",
						   segment->root.segment);
		ledger_segment_write(writer, buffer, part);
		done += part;
	}
	pfree(buffer);
}

/* Write a copy of the segment to free blocks, and let its slots refer to it. */
static void
move_segment(Relation rel, const LedgerSlotEntry *primary, const LedgerSegment *segment,
			 FreeBlocks *room, uint32 needed)
{
	bool		keep_xmins = (primary->flags & (LEDGER_ENTRY_FROZEN | LEDGER_ENTRY_ONE_XMIN)) == 0;
	uint64		id = ledger_reserve_segment(rel, segment->slots[0].slot);
	LedgerSegmentWriter *writer = ledger_segment_begin_at(rel, segment->slots[0].slot, id,
														  room->blocks + room->next, needed);
	LedgerSegmentRoot root = segment->root;
	LedgerSegmentSlot slots[LEDGER_SEGMENT_SLOTS];
	LedgerSlotEntry entries[LEDGER_SEGMENT_SLOTS];
	LedgerTotals change = {0};
	int			nslots = 0;
	uint32		nblocks;
	BlockNumber home;

	room->next += needed;
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

/* Into how many extents the next blocks fall. */
static int
count_extents(const FreeBlocks *room, uint32 needed)
{
	int			result = 1;

	for (uint32 i = 1; i < needed; i++)
		if (room->blocks[room->next + i] != room->blocks[room->next + i - 1] + 1)
			result++;
	return result;
}

/* Blocks that the segment takes without xmins that nobody needs. */
static uint32
blocks_needed(const LedgerSlotEntry *entry, const LedgerSegment *segment)
{
	uint32		result = ledger_segment_blocks(segment);

	if (entry->flags & (LEDGER_ENTRY_FROZEN | LEDGER_ENTRY_ONE_XMIN))
		for (int i = 0; i < segment->root.nxmin_extents; i++)
			result -= segment->extents[segment->root.nextents + i].count;
	return result;
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
	if (segment != NULL && (!lies_beyond(segment, limit) || !is_movable(rel, segment)))
	{
		ledger_segment_close(segment);
		segment = NULL;
	}
	return segment;
}

/*
 * Move what reaches beyond "limit" below it, as far as free blocks there, from
 * *next on, and the bound on what is written go.  Returns the number of blocks
 * written; *next becomes where free blocks are left.
 */
static uint32
move_pass(Relation rel, BlockNumber *next, BlockNumber limit)
{
	FreeBlocks	room;
	uint32		written = 0;

	take_free_blocks(rel, next, limit, &room);
	for (LedgerSlotNumber slot = ledger_slot_count(rel); slot-- > 0 && room.next < room.nblocks;)
	{
		LedgerSlotEntry entry;
		LedgerSegment *segment = find_victim(rel, slot, limit, &entry);
		uint32		needed;

		CHECK_FOR_INTERRUPTS();
		if (segment == NULL)
			continue;
		needed = blocks_needed(&entry, segment);
		if (needed <= room.nblocks - room.next &&
			count_extents(&room, needed) <= LEDGER_SEGMENT_EXTENTS / 2)
		{
			move_segment(rel, &entry, segment, &room, needed);
			written += needed;
		}
		ledger_segment_close(segment);
	}
	if (room.next < room.nblocks)
		*next = room.blocks[room.next];
	while (room.next < room.nblocks)
		ledger_free_block(rel, room.blocks[room.next++]);
	if (written > 0)
		FreeSpaceMapVacuum(rel);
	return written;
}

/*
 * Move segments that reach beyond "target", the size that the file would have
 * without free blocks, down.  Returns whether any has been moved, and if so
 * may be called again.  *next is 0 at first.
 *
 * Below the target there may be room for a part of a segment only; with that
 * of the biggest one added, there is room for any.  What is then just beyond
 * the target moves on if it can.
 */
bool
ledger_move_segments_down(Relation rel, BlockNumber target, BlockNumber *next)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ledger move",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	LedgerSlotNumber count = ledger_slot_count(rel);
	uint32		biggest = 0;
	uint32		written;

	for (LedgerSlotNumber slot = 0; slot < count; slot++)
	{
		LedgerSlotEntry entry;
		LedgerSegment *segment = find_victim(rel, slot, target, &entry);

		CHECK_FOR_INTERRUPTS();
		if (segment != NULL)
		{
			biggest = Max(biggest, blocks_needed(&entry, segment));
			ledger_segment_close(segment);
		}
	}
	written = move_pass(rel, next, target + biggest);
	if (written < MOVE_BLOCKS / 2)
	{
		/* moving has freed other blocks */
		*next = 0;
		written += move_pass(rel, next, target);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return written > 0;
}
