/*-------------------------------------------------------------------------
 *
 * lane.c
 *	  Lanes: where rows of the tail go.  Runs are opened, get pages, are closed.
 *
 * The hot path takes one buffer lock: that of its lane's current page, whose
 * number is the relation's target block.  Only when a page fills are the run
 * map, the directory and the metapage looked at.  Lock order, and why a stale
 * target block does no harm: see src/README.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/hio.h"
#include "miscadmin.h"
#include "utils/timestamp.h"
#include "write/packed.h"
#include "write/tail.h"

/* The lane that this backend inserts by, in any relation. */
static uint32 my_lane = 0;

/* Warn from so many slots on, at every so many. */
#define SLOTS_WARNING		(LEDGER_MAX_SLOTS / 4 * 3)
#define SLOTS_WARNING_STEP	4096

/* ---- pages ---- */

/* Whether a locked page is open, of whichever run, and has room. */
pg_attribute_hot static bool
page_has_room(Page page, Size len)
{
	LedgerTag  *tag;

	if (PageIsNew(page))
		return false;
	tag = ledger_page_tag(page);
	return tag != NULL && tag->version == LEDGER_FORMAT_VERSION &&
		tag->kind == LEDGER_BLOCK_TAIL && !PageIsFull(page) &&
		PageGetHeapFreeSpace(page) >= MAXALIGN(len) &&
		tag->position + PageGetMaxOffsetNumber(page) < LEDGER_SLOT_ROWS;
}

/*
 * Let no more rows into a run's last page, which is locked exclusively, and
 * return how many it has.
 *
 * PD_PAGE_FULL is set without WAL, as the hint that it is to heap: after a
 * crash no backend remembers a page other than its lane's last one.  (Checks
 * of WAL consistency ignore it.)
 */
static int
mark_page_full(Relation rel, Buffer buffer)
{
	Page		page = BufferGetPage(buffer);

	if (!PageIsFull(page))
	{
		PageSetFull(page);
		if (RelationNeedsWAL(rel))
			MarkBufferDirtyHint(buffer, true);
		else
			MarkBufferDirty(buffer);
	}
	return PageGetMaxOffsetNumber(page);
}

/* ---- runs ---- */

void		(*ledger_run_opened) (Relation rel) = NULL;

static void
check_slots_left(Relation rel, LedgerSlotNumber slot)
{
	if (slot >= LEDGER_MAX_SLOTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("ledger \"%s\" has run out of row numbers",
						RelationGetRelationName(rel)),
				 errhint("Append to another partition, or copy the entries to a new ledger.")));
	if (slot >= SLOTS_WARNING && slot % SLOTS_WARNING_STEP == 0)
		ereport(WARNING,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("ledger \"%s\" has used %u of %u slots of row numbers",
						RelationGetRelationName(rel), slot, LEDGER_MAX_SLOTS),
				 errhint("Append to another partition before they run out.")));
}

/*
 * The slot that would be allotted next, with its directory page made, and
 * before that the metapage, which must become block 0.
 */
LedgerSlotNumber
ledger_prepare_slot(Relation rel)
{
	Buffer		metabuf = ledger_lock_meta(rel, BUFFER_LOCK_SHARE);
	LedgerSlotNumber slot = ledger_meta_of(rel, metabuf, BufferGetPage(metabuf))->next_slot;

	UnlockReleaseBuffer(metabuf);
	check_slots_left(rel, slot);
	ledger_ensure_directory(rel, slot);
	return slot;
}

/*
 * Allot a slot and open a run of it in the lane, unless somebody else has done
 * so meanwhile.  "lane" may be the number of lanes, which adds one.
 */
static void
open_run(Relation rel, int lane)
{
	LedgerSlotNumber slot = ledger_prepare_slot(rel);
	BlockNumber dirblock = ledger_directory_block(rel, slot);
	Buffer		mapbuf = ledger_alloc_block(rel);
	BlockNumber mapblock = BufferGetBlockNumber(mapbuf);
	Buffer		metabuf = ledger_lock_meta(rel, BUFFER_LOCK_EXCLUSIVE);
	GenericXLogState *state = GenericXLogStart(rel);
	LedgerMetaData *meta = ledger_meta_of(rel, metabuf,
										  GenericXLogRegisterBuffer(state, metabuf, 0));
	Buffer		dirbuf;
	LedgerSlotEntry *entry;
	Page		page;

	if (meta->next_slot != slot || meta->nlanes < lane ||
		(meta->nlanes > lane && meta->lanes[lane].slot != LEDGER_NO_SLOT))
	{
		GenericXLogAbort(state);
		UnlockReleaseBuffer(metabuf);
		UnlockReleaseBuffer(mapbuf);
		ledger_free_block(rel, mapblock);
		return;
	}

	dirbuf = ledger_lock_directory(rel, dirblock, BUFFER_LOCK_EXCLUSIVE);
	entry = ledger_entry_of(rel, dirbuf, GenericXLogRegisterBuffer(state, dirbuf, 0), slot);
	memset(entry, 0, sizeof(*entry));
	entry->state = LEDGER_SLOT_TAIL;
	entry->home = mapblock;
	entry->allotted = ledger_seconds(GetCurrentTimestamp());
	ledger_entry_set_crc(entry, slot);

	meta->next_slot = slot + 1;
	meta->nlanes = Max(meta->nlanes, lane + 1);
	meta->lanes[lane].slot = slot;
	meta->lanes[lane].runmap = mapblock;
	ledger_meta_set_crc(meta);

	page = GenericXLogRegisterBuffer(state, mapbuf, GENERIC_XLOG_FULL_IMAGE);
	ledger_page_init(page, LEDGER_BLOCK_RUNMAP, slot, 0, 0);
	memset(LedgerPageContents(page), 0, sizeof(LedgerRunMap));
	ledger_runmap_set_lower(page);

	GenericXLogFinish(state);
	UnlockReleaseBuffer(dirbuf);
	UnlockReleaseBuffer(metabuf);
	UnlockReleaseBuffer(mapbuf);
	if (ledger_run_opened != NULL)
		ledger_run_opened(rel);
}

/*
 * Look at a run's end without locks: its last item.  False if the block is no
 * longer the slot's run map, or the run is closed.
 */
bool
ledger_read_run_end(Relation rel, const LedgerLane *lane, RunEnd *end)
{
	Buffer		buffer = ledger_read_block(rel, lane->runmap);
	Page		page = BufferGetPage(buffer);
	LedgerRunMap *map = (LedgerRunMap *) LedgerPageContents(page);
	bool		open;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	open = ledger_tag_is(page, LEDGER_BLOCK_RUNMAP, lane->slot, 0, 0) && !map->closed;
	if (open)
	{
		if (map->nitems > LEDGER_RUNMAP_ITEMS)
			ledger_corrupt(rel, lane->runmap, "the run map of slot %u has %u pages",
						   lane->slot, map->nitems);
		end->nitems = map->nitems;
		end->last = map->nitems == 0 ? InvalidBlockNumber : map->items[map->nitems - 1].block;
		end->nrows = map->nitems == 0 ? 0 : map->items[map->nitems - 1].first;
	}
	UnlockReleaseBuffer(buffer);
	return open;
}

/* Whether the run map in "page" still ends as it was seen to. */
static bool
run_end_is(Relation rel, Buffer buffer, Page page, LedgerSlotNumber slot, const RunEnd *end)
{
	LedgerRunMap *map = (LedgerRunMap *) LedgerPageContents(page);

	return ledger_tag_is(BufferGetPage(buffer), LEDGER_BLOCK_RUNMAP, slot, 0, 0) &&
		!map->closed && map->nitems == end->nitems &&
		(end->nitems == 0 || map->items[end->nitems - 1].block == end->last);
}

/*
 * Lock a run's last page, mark it full, and complete "end" with the number of
 * rows.  False if the page is not the run's any more.
 */
bool
ledger_fill_last_page(Relation rel, LedgerSlotNumber slot, RunEnd *end)
{
	Buffer		buffer;
	bool		ours;

	if (end->nitems == 0)
		return true;
	buffer = ledger_read_block(rel, end->last);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	ours = ledger_tag_is(BufferGetPage(buffer), LEDGER_BLOCK_TAIL, slot, end->nrows, 0);
	if (ours)
		end->nrows += mark_page_full(rel, buffer);
	UnlockReleaseBuffer(buffer);
	return ours;
}

/*
 * Close the run of a slot that is open in the lane: no row can enter it from
 * here on.  Returns the number of closed runs if this call did it, else 0.
 */
uint32
ledger_close_run(Relation rel, int lane, LedgerSlotNumber slot)
{
	BlockNumber dirblock = ledger_directory_block(rel, slot);

	for (;;)
	{
		LedgerMetaData *meta;
		LedgerSlotEntry *entry;
		LedgerRunMap *map;
		LedgerLane	where;
		GenericXLogState *state;
		Buffer		metabuf,
					dirbuf,
					mapbuf;
		Page		mappage;
		RunEnd		end;
		uint32		closed;

		CHECK_FOR_INTERRUPTS();
		metabuf = ledger_lock_meta(rel, BUFFER_LOCK_SHARE);
		where = ledger_meta_of(rel, metabuf, BufferGetPage(metabuf))->lanes[lane];
		UnlockReleaseBuffer(metabuf);
		if (where.slot != slot || !ledger_read_run_end(rel, &where, &end) ||
			!ledger_fill_last_page(rel, slot, &end))
			return 0;

		metabuf = ledger_lock_meta(rel, BUFFER_LOCK_EXCLUSIVE);
		state = GenericXLogStart(rel);
		meta = ledger_meta_of(rel, metabuf, GenericXLogRegisterBuffer(state, metabuf, 0));
		if (meta->lanes[lane].slot != slot)
		{
			/*
			 * Closed by somebody else.  Its map may be sealed and gone, and
			 * the block be claimed by somebody who waits for the metapage, so
			 * it must not be locked now.
			 */
			GenericXLogAbort(state);
			UnlockReleaseBuffer(metabuf);
			return 0;
		}
		dirbuf = ledger_lock_directory(rel, dirblock, BUFFER_LOCK_EXCLUSIVE);
		mapbuf = ledger_read_block(rel, where.runmap);
		LockBuffer(mapbuf, BUFFER_LOCK_EXCLUSIVE);
		mappage = GenericXLogRegisterBuffer(state, mapbuf, 0);
		if (!run_end_is(rel, mapbuf, mappage, slot, &end))
		{
			/* somebody added a page */
			GenericXLogAbort(state);
			UnlockReleaseBuffer(mapbuf);
			UnlockReleaseBuffer(dirbuf);
			UnlockReleaseBuffer(metabuf);
			continue;
		}

		entry = ledger_entry_of(rel, dirbuf, GenericXLogRegisterBuffer(state, dirbuf, 0), slot);
		entry->state = end.nrows > 0 ? LEDGER_SLOT_CLOSED : LEDGER_SLOT_DEAD;
		entry->nrows = end.nrows;
		ledger_entry_set_crc(entry, slot);
		map = (LedgerRunMap *) LedgerPageContents(mappage);
		map->closed = 1;
		meta->lanes[lane].slot = LEDGER_NO_SLOT;
		meta->lanes[lane].runmap = InvalidBlockNumber;
		if (end.nrows > 0)
			meta->closed_slots++;
		closed = meta->closed_slots;
		ledger_meta_set_crc(meta);
		GenericXLogFinish(state);
		UnlockReleaseBuffer(mapbuf);
		UnlockReleaseBuffer(dirbuf);
		UnlockReleaseBuffer(metabuf);

		return closed;
	}
}

/*
 * Lock the run map of a run that was seen to end at "end", if it still does,
 * while new blocks are locked.
 *
 * If the run has been sealed meanwhile, the block may be anybody's, who may be
 * waiting for one of our new ones: do not wait.
 */
LaneResult
ledger_lock_run_end(Relation rel, const LedgerLane *lane, const RunEnd *end, Buffer *mapbuf)
{
	LaneResult	result = LANE_CONTENDED;

	*mapbuf = ledger_read_block(rel, lane->runmap);
	if (ConditionalLockBuffer(*mapbuf))
	{
		if (run_end_is(rel, *mapbuf, BufferGetPage(*mapbuf), lane->slot, end))
			return LANE_GOT_PAGE;
		LockBuffer(*mapbuf, BUFFER_LOCK_UNLOCK);
		result = LANE_CHANGED;
	}
	ReleaseBuffer(*mapbuf);
	return result;
}

void
ledger_init_tail_page(Page page, LedgerSlotNumber slot, int first, uint32 dictionary)
{
	ledger_page_init(page, LEDGER_BLOCK_TAIL, slot, first, 0);
	ledger_page_tag(page)->dictionary = dictionary;
}

/*
 * Add a page to the end of a run that was seen to end at "end", locked.
 * "dictionary" is what the metapage said when the slot was allotted already.
 */
static LaneResult
extend_run(Relation rel, const LedgerLane *lane, const RunEnd *end, uint32 dictionary,
		   Buffer *newbuf)
{
	Buffer		mapbuf;
	GenericXLogState *state;
	Page		page;
	LedgerRunMap *map;
	LaneResult	result;

	*newbuf = ledger_alloc_block(rel);
	result = ledger_lock_run_end(rel, lane, end, &mapbuf);
	if (result != LANE_GOT_PAGE)
	{
		ledger_return_blocks(rel, newbuf, 1);
		return result;
	}
	state = GenericXLogStart(rel);
	ledger_init_tail_page(GenericXLogRegisterBuffer(state, *newbuf, GENERIC_XLOG_FULL_IMAGE),
				   lane->slot, end->nrows, dictionary);
	page = GenericXLogRegisterBuffer(state, mapbuf, 0);
	map = (LedgerRunMap *) LedgerPageContents(page);
	map->items[map->nitems].block = BufferGetBlockNumber(*newbuf);
	map->items[map->nitems].first = end->nrows;
	map->items[map->nitems].unused = 0;
	map->nitems++;
	ledger_runmap_set_lower(page);
	GenericXLogFinish(state);
	UnlockReleaseBuffer(mapbuf);
	ledger_note_growth(rel, lane->slot, end->nitems, end->nitems + 1, dictionary);
	return LANE_GOT_PAGE;
}

/* Try to get a page of the lane's run that has room, exclusively locked. */
static LaneResult
try_lane(Relation rel, int number, const LedgerLane *lane, uint32 dictionary, Size len,
		 bool wait, Buffer *result)
{
	Buffer		buffer;
	RunEnd		end;

	if (!ledger_read_run_end(rel, lane, &end))
		return LANE_GONE;

	if (end.nitems > 0)
	{
		buffer = ledger_read_block(rel, end.last);
		if (wait)
			LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		else if (!ConditionalLockBuffer(buffer))
		{
			ReleaseBuffer(buffer);
			return LANE_CONTENDED;
		}
		if (!ledger_tag_is(BufferGetPage(buffer), LEDGER_BLOCK_TAIL, lane->slot,
						   end.nrows, 0))
		{
			UnlockReleaseBuffer(buffer);
			return LANE_GONE;
		}
		if (page_has_room(BufferGetPage(buffer), len))
		{
			*result = buffer;
			return LANE_GOT_PAGE;
		}
		end.nrows += mark_page_full(rel, buffer);
		UnlockReleaseBuffer(buffer);
	}

	if (end.nrows >= LEDGER_SLOT_ROWS || end.nitems >= LEDGER_RUNMAP_ITEMS)
	{
		ledger_wake_sealer(rel, ledger_close_run(rel, number, lane->slot));
		return LANE_CHANGED;
	}
	return extend_run(rel, lane, &end, dictionary, result);
}

/* Somebody else is at this lane: try another the next time. */
void
ledger_next_lane(void)
{
	my_lane++;
}

/* Get an exclusively locked tail page with room for a tuple of that length. */
pg_attribute_hot Buffer
ledger_get_tail_page(Relation rel, Size len)
{
	BlockNumber target = RelationGetTargetBlock(rel);
	int			contended = 0;
	int			gone = 0;
	LedgerLane	gone_lane = {LEDGER_NO_SLOT, InvalidBlockNumber};
	Buffer		buffer;

	if (target != InvalidBlockNumber)
	{
		buffer = ReadBuffer(rel, target);
		if (ConditionalLockBuffer(buffer))
		{
			if (page_has_room(BufferGetPage(buffer), len))
				return buffer;
			LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		}
		else
			my_lane++;
		ReleaseBuffer(buffer);
	}

	for (;;)
	{
		Buffer		metabuf;
		LedgerMetaData *meta;
		LedgerLane	lane;
		uint32		dictionary;
		int			nlanes,
					number;

		CHECK_FOR_INTERRUPTS();
		metabuf = ledger_lock_meta(rel, BUFFER_LOCK_SHARE);
		meta = ledger_meta_of(rel, metabuf, BufferGetPage(metabuf));
		nlanes = meta->nlanes;
		dictionary = meta->dictionaries[0].number;
		number = nlanes == 0 ? 0 : my_lane % nlanes;
		lane = meta->lanes[number];
		UnlockReleaseBuffer(metabuf);

		if (nlanes == 0 || lane.slot == LEDGER_NO_SLOT)
		{
			open_run(rel, number);
			continue;
		}
		switch (try_lane(rel, number, &lane, dictionary, len, contended > LEDGER_MAX_LANES,
						 &buffer))
		{
			case LANE_GOT_PAGE:
				RelationSetTargetBlock(rel, BufferGetBlockNumber(buffer));
				return buffer;
			case LANE_CONTENDED:
				my_lane = number + 1;
				if (++contended == nlanes && nlanes < LEDGER_MAX_LANES)
				{
					my_lane = nlanes;
					open_run(rel, nlanes);
				}
				break;
			case LANE_CHANGED:
				break;
			case LANE_GONE:

				/*
				 * The run has been closed since we looked at the metapage,
				 * which then no longer names it; else something is wrong.
				 */
				gone = lane.slot == gone_lane.slot ? gone + 1 : 0;
				gone_lane = lane;
				if (gone > 2)
					ledger_corrupt(rel, lane.runmap,
								   "the metapage names it as run map of slot %u, which is not open there",
								   lane.slot);
				break;
		}
	}
}
