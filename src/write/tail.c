/*-------------------------------------------------------------------------
 *
 * tail.c
 *	  Insertion into the tail: lanes, page filling, heap-format records.
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
#include "access/heapam.h"
#include "access/heapam_xlog.h"
#include "access/hio.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xloginsert.h"
#include "catalog/catalog.h"
#include "catalog/pg_control.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/predicate.h"
#include "utils/timestamp.h"
#include "write/packed.h"
#include "write/write.h"

typedef enum LaneResult
{
	LANE_GOT_PAGE,
	LANE_CONTENDED,				/* somebody holds its page's lock */
	LANE_CHANGED,				/* somebody added a page: look again */
	LANE_GONE					/* its run is not there as an open one */
} LaneResult;

/* The lane that this backend inserts by, in any relation. */
static uint32 my_lane = 0;

/*
 * A run that has just got so many pages without a dictionary that one can be
 * made of them, or LEDGER_NO_SLOT; and its relation, as an error may leave it
 * behind
 */
static LedgerSlotNumber learn_from = LEDGER_NO_SLOT;
static Oid	learn_relid = InvalidOid;

/* Warn from so many slots on, at every so many. */
#define SLOTS_WARNING		(LEDGER_MAX_SLOTS / 4 * 3)
#define SLOTS_WARNING_STEP	4096

/* Raw bytes that a run map is told of at a time, at the least. */
#define EXCESS_STEP			(256 * 1024)

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

/* A run's last page, and how many row numbers the run uses. */
typedef struct RunEnd
{
	BlockNumber last;			/* InvalidBlockNumber if it has no page */
	uint32		nitems;
	int			nrows;
} RunEnd;

/*
 * Look at a run's end without locks: its last item.  False if the block is no
 * longer the slot's run map, or the run is closed.
 */
static bool
read_run_end(Relation rel, const LedgerLane *lane, RunEnd *end)
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
static bool
fill_last_page(Relation rel, LedgerSlotNumber slot, RunEnd *end)
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
		if (where.slot != slot || !read_run_end(rel, &where, &end) ||
			!fill_last_page(rel, slot, &end))
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
static LaneResult
lock_run_end(Relation rel, const LedgerLane *lane, const RunEnd *end, Buffer *mapbuf)
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

static void
init_tail_page(Page page, LedgerSlotNumber slot, int first, uint32 dictionary)
{
	ledger_page_init(page, LEDGER_BLOCK_TAIL, slot, first, 0);
	ledger_page_tag(page)->dictionary = dictionary;
}

/* A run without a dictionary has got pages: are these enough to make one of? */
static void
note_growth(Relation rel, LedgerSlotNumber slot, uint32 before, uint32 now, uint32 dictionary)
{
	if (dictionary == 0 && before < LEDGER_LEARN_PAGES && now >= LEDGER_LEARN_PAGES)
	{
		learn_from = slot;
		learn_relid = RelationGetRelid(rel);
	}
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
	result = lock_run_end(rel, lane, end, &mapbuf);
	if (result != LANE_GOT_PAGE)
	{
		ledger_return_blocks(rel, newbuf, 1);
		return result;
	}
	state = GenericXLogStart(rel);
	init_tail_page(GenericXLogRegisterBuffer(state, *newbuf, GENERIC_XLOG_FULL_IMAGE),
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
	note_growth(rel, lane->slot, end->nitems, end->nitems + 1, dictionary);
	return LANE_GOT_PAGE;
}

/* Try to get a page of the lane's run that has room, exclusively locked. */
static LaneResult
try_lane(Relation rel, int number, const LedgerLane *lane, uint32 dictionary, Size len,
		 bool wait, Buffer *result)
{
	Buffer		buffer;
	RunEnd		end;

	if (!read_run_end(rel, lane, &end))
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

/* Get an exclusively locked tail page with room for a tuple of that length. */
pg_attribute_hot static Buffer
get_page(Relation rel, Size len)
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

pg_attribute_hot static LedgerRow
row_on_page(Page page, OffsetNumber offset)
{
	LedgerTag  *tag = ledger_page_tag(page);

	return LedgerMakeRow(tag->slot, tag->position + offset - 1);
}

/* ---- records ---- */

pg_attribute_hot static uint8
insert_flags(Relation rel, int options, HeapTuple tuple)
{
	uint8		flags = 0;

	if (HeapTupleHeaderIsSpeculative(tuple->t_data))
		flags |= XLH_INSERT_IS_SPECULATIVE;
	if (ledger_is_decoded(rel) && !(options & HEAP_INSERT_NO_LOGICAL))
		flags |= XLH_INSERT_CONTAINS_NEW_TUPLE;
	return flags;
}

/* Log one tuple as heap_insert does, in the caller's critical section. */
pg_attribute_hot static void
log_insert(Relation rel, Buffer buffer, HeapTuple tuple, int options)
{
	xl_heap_insert xlrec;
	xl_heap_header xlhdr;
	XLogRecPtr	lsn;
	int			bufflags = REGBUF_STANDARD;

	xlrec.offnum = ItemPointerGetOffsetNumber(&tuple->t_self);
	xlrec.flags = insert_flags(rel, options, tuple);
	if (xlrec.flags & XLH_INSERT_CONTAINS_NEW_TUPLE)
		bufflags |= REGBUF_KEEP_DATA;

	XLogBeginInsert();
	XLogRegisterData((char *) &xlrec, SizeOfHeapInsert);

	xlhdr.t_infomask2 = tuple->t_data->t_infomask2;
	xlhdr.t_infomask = tuple->t_data->t_infomask;
	xlhdr.t_hoff = tuple->t_data->t_hoff;
	XLogRegisterBuffer(0, buffer, bufflags);
	XLogRegisterBufData(0, (char *) &xlhdr, SizeOfHeapHeader);
	XLogRegisterBufData(0, (char *) tuple->t_data + SizeofHeapTupleHeader,
						tuple->t_len - SizeofHeapTupleHeader);
	XLogSetRecordFlags(XLOG_INCLUDE_ORIGIN);
	lsn = XLogInsert(RM_HEAP_ID, XLOG_HEAP_INSERT);
	PageSetLSN(BufferGetPage(buffer), lsn);
}

/* Log tuples just put on a page one after the other, likewise. */
static void
log_multi_insert(Relation rel, Buffer buffer, HeapTuple *tuples, int ntuples,
				 int options, bool last, char *scratch)
{
	xl_heap_multi_insert *xlrec = (xl_heap_multi_insert *) scratch;
	char	   *data = scratch + SizeOfHeapMultiInsert + ntuples * sizeof(OffsetNumber);
	char	   *next = data;
	XLogRecPtr	lsn;
	int			bufflags = REGBUF_STANDARD;

	xlrec->flags = 0;
	if (ledger_is_decoded(rel) && !(options & HEAP_INSERT_NO_LOGICAL))
	{
		xlrec->flags |= XLH_INSERT_CONTAINS_NEW_TUPLE;
		bufflags |= REGBUF_KEEP_DATA;
	}
	if (last)
		xlrec->flags |= XLH_INSERT_LAST_IN_MULTI;
	xlrec->ntuples = ntuples;

	for (int i = 0; i < ntuples; i++)
	{
		HeapTupleHeader header = tuples[i]->t_data;
		xl_multi_insert_tuple *xltuple = (xl_multi_insert_tuple *) SHORTALIGN(next);

		xlrec->offsets[i] = ItemPointerGetOffsetNumber(&tuples[i]->t_self);
		xltuple->t_infomask2 = header->t_infomask2;
		xltuple->t_infomask = header->t_infomask;
		xltuple->t_hoff = header->t_hoff;
		xltuple->datalen = tuples[i]->t_len - SizeofHeapTupleHeader;
		next = (char *) xltuple + SizeOfMultiInsertTuple;
		memcpy(next, (char *) header + SizeofHeapTupleHeader, xltuple->datalen);
		next += xltuple->datalen;
	}

	XLogBeginInsert();
	XLogRegisterData((char *) xlrec, data - scratch);
	XLogRegisterBuffer(0, buffer, bufflags);
	XLogRegisterBufData(0, data, next - data);
	XLogSetRecordFlags(XLOG_INCLUDE_ORIGIN);
	lsn = XLogInsert(RM_HEAP2_ID, XLOG_HEAP2_MULTI_INSERT);
	PageSetLSN(BufferGetPage(buffer), lsn);
}

/* ---- overflow ---- */

/*
 * Account in the run of "slot" for raw bytes that its tail pages do not hold
 * as such; false if the run is closed, or holds enough already (then it is
 * closed here).
 */
static bool
reserve_raw_bytes(Relation rel, LedgerSlotNumber slot, uint64 bytes)
{
	LedgerSlotEntry entry;
	LedgerRunMap *map;
	GenericXLogState *state;
	Buffer		buffer;
	bool		open,
				fits = false;

	if (!ledger_read_entry(rel, slot, &entry) || entry.state != LEDGER_SLOT_TAIL)
		return false;
	buffer = ledger_read_block(rel, entry.home);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	map = (LedgerRunMap *) LedgerPageContents(BufferGetPage(buffer));
	open = ledger_tag_is(BufferGetPage(buffer), LEDGER_BLOCK_RUNMAP, slot, 0, 0) &&
		!map->closed;
	if (open)
		fits = map->overflow_bytes == 0 ||
			map->overflow_bytes + bytes <= LEDGER_SEGMENT_RAW_BYTES;
	if (fits)
	{
		state = GenericXLogStart(rel);
		map = (LedgerRunMap *) LedgerPageContents(GenericXLogRegisterBuffer(state, buffer, 0));
		map->overflow_bytes += bytes;
		GenericXLogFinish(state);
	}
	UnlockReleaseBuffer(buffer);

	if (open && !fits)
	{
		LedgerMetaData meta;

		ledger_read_meta(rel, &meta);
		for (int lane = 0; lane < meta.nlanes; lane++)
			if (meta.lanes[lane].slot == slot)
				ledger_wake_sealer(rel, ledger_close_run(rel, lane, slot));
	}
	return fits;
}

/* A stub in place of the tuple, with the tuple's xmin and command id. */
HeapTuple
ledger_make_stub(HeapTuple tuple, const LedgerOverflowStub *stub)
{
	Size		hoff = MAXALIGN(SizeofHeapTupleHeader);
	Size		len = hoff + sizeof(LedgerOverflowStub);
	HeapTuple	result = (HeapTuple) palloc0(HEAPTUPLESIZE + len);

	result->t_len = len;
	result->t_tableOid = tuple->t_tableOid;
	result->t_data = (HeapTupleHeader) ((char *) result + HEAPTUPLESIZE);
	memcpy(result->t_data, tuple->t_data, SizeofHeapTupleHeader);
	result->t_data->t_infomask2 = 0;	/* no attributes */
	result->t_data->t_infomask &= HEAP_XACT_MASK;
	result->t_data->t_hoff = hoff;
	memcpy((char *) result->t_data + hoff, stub, sizeof(*stub));
	return result;
}

/* ---- insertion ---- */

pg_attribute_hot static void
insert_tuple(Relation rel, Buffer buffer, HeapTuple tuple, int options, bool speculative,
			 LedgerRow *row)
{
	Page		page = BufferGetPage(buffer);

	/*
	 * With the page locked, so that no reader can take its predicate lock and
	 * then miss the row.
	 */
	CheckForSerializableConflictIn(rel, NULL, InvalidBlockNumber);

	START_CRIT_SECTION();
	RelationPutHeapTuple(rel, buffer, tuple, speculative);
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(rel))
		log_insert(rel, buffer, tuple, options);
	END_CRIT_SECTION();

	*row = row_on_page(page, ItemPointerGetOffsetNumber(&tuple->t_self));
}

/*
 * Fill in the stub of a row that this transaction has inserted.  A page with
 * tuples may only be logged in full: see src/README.
 */
static void
complete_stub(Relation rel, ItemPointer place, const LedgerOverflowStub *stub)
{
	Buffer		buffer = ledger_read_block(rel, ItemPointerGetBlockNumber(place));
	GenericXLogState *state;
	Page		page;
	HeapTupleHeader header;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	state = GenericXLogStart(rel);
	page = GenericXLogRegisterBuffer(state, buffer, GENERIC_XLOG_FULL_IMAGE);
	header = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, ItemPointerGetOffsetNumber(place)));
	memcpy((char *) header + header->t_hoff, stub, sizeof(*stub));
	GenericXLogFinish(state);
	UnlockReleaseBuffer(buffer);
}

/*
 * Insert a row that does not fit in a page.
 *
 * The stub comes first, without its chain: from then on the run cannot be
 * sealed before our transaction ends, so that the chain, which may take long
 * to write, can be of that run even if it is closed meanwhile.  Who looks into
 * the stub before it is filled in, as a dirty snapshot may have him do, gets an
 * error.
 */
static void
insert_big(Relation rel, HeapTuple tuple, uint64 excess, int options, bool speculative,
		   LedgerRow *row)
{
	LedgerOverflowStub stub = {InvalidBlockNumber};
	HeapTuple	stub_tuple = ledger_make_stub(tuple, &stub);
	LedgerSlotNumber reserved = LEDGER_NO_SLOT;
	LedgerSlotNumber slot;
	Buffer		buffer;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		buffer = get_page(rel, stub_tuple->t_len);
		slot = ledger_page_tag(BufferGetPage(buffer))->slot;
		if (slot == reserved)
			break;
		UnlockReleaseBuffer(buffer);
		reserved = reserve_raw_bytes(rel, slot, tuple->t_len + excess) ? slot : LEDGER_NO_SLOT;
	}
	insert_tuple(rel, buffer, stub_tuple, options, speculative, row);
	UnlockReleaseBuffer(buffer);

	ledger_write_overflow(rel, slot, tuple, &stub);
	complete_stub(rel, &stub_tuple->t_self, &stub);
	tuple->t_self = stub_tuple->t_self;
}

/*
 * Account for what compressed values hold beyond their bytes on the page, so
 * that a run can be sealed within the memory that a segment may take.
 *
 * To tell the run map of every row would cost a record each.  To add up what
 * has not been told takes a sum for every run that a session has a part in:
 * entries may go to many partitions in turn.  So a row that has little is told
 * of as if it had EXCESS_STEP, or not at all, as often as makes that right on
 * average.
 */
static void
note_excess(Relation rel, LedgerSlotNumber slot, uint64 excess)
{
	if (excess < EXCESS_STEP)
	{
		if (pg_prng_double(&pg_global_prng_state) * EXCESS_STEP >= excess)
			return;
		excess = EXCESS_STEP;
	}
	(void) reserve_raw_bytes(rel, slot, excess);
}

/* ---- packing ---- */

/*
 * The dictionary of the page that a relation's last rows went to, as far as
 * this backend remembers: most likely the next ones' too.
 */
#define REMEMBERED		16

static struct
{
	Oid			relid;
	uint32		dictionary;
}			remembered[REMEMBERED];

static inline uint32
likely_dictionary(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);

	return remembered[relid % REMEMBERED].relid == relid ?
		remembered[relid % REMEMBERED].dictionary : 0;
}

static inline void
remember_dictionary(Relation rel, uint32 dictionary)
{
	Oid			relid = RelationGetRelid(rel);

	remembered[relid % REMEMBERED].relid = relid;
	remembered[relid % REMEMBERED].dictionary = dictionary;
}

/* Page after page may name another dictionary; then a row goes in unpacked. */
#define PACK_ATTEMPTS	3

/*
 * Get a page with room for the first of some tuples, packed: as many as make a
 * chain that fits in an empty page, one at least.  stored[] are the tuples to
 * put there; *nstored is their number.
 */
static Buffer
get_page_packed(Relation rel, HeapTuple *tuples, int ntuples, HeapTuple *stored, int *nstored)
{
	uint32		dictionary = likely_dictionary(rel);

	for (int attempt = 0;; attempt++)
	{
		LedgerPacking packing;
		bool		packs = attempt < PACK_ATTEMPTS &&
			ledger_begin_packing(&packing, rel, dictionary);
		bool		packed = false;
		Size		room = LEDGER_PAGE_PAYLOAD;
		Buffer		buffer;
		uint32		found;
		int			n;

		for (n = 0; n < ntuples; n++)
		{
			Size		size;

			if (ledger_tuple_overflows(tuples[n]))
				break;
			stored[n] = packs ? ledger_pack(&packing, tuples[n]) : tuples[n];
			packed |= stored[n] != tuples[n];
			size = MAXALIGN(stored[n]->t_len) + sizeof(ItemIdData);
			if (size > room)
				break;
			room -= size;
		}
		Assert(n > 0);
		*nstored = n;
		buffer = get_page(rel, stored[0]->t_len);
		found = ledger_page_tag(BufferGetPage(buffer))->dictionary;
		remember_dictionary(rel, found);
		if (!packed || found == dictionary)
			return buffer;
		UnlockReleaseBuffer(buffer);
		dictionary = found;
	}
}

/* With no buffer locked: make a dictionary if there is a run to make it of. */
static inline void
learn_if_due(Relation rel)
{
	/* no subtransaction can begin in parallel mode: the next call will do */
	if (learn_from != LEDGER_NO_SLOT && !IsInParallelMode())
	{
		LedgerSlotNumber slot = learn_from;

		learn_from = LEDGER_NO_SLOT;
		if (learn_relid == RelationGetRelid(rel) && ledger_packs(rel))
			ledger_learn_from_run(rel, slot);
	}
}

/* ---- one tuple ---- */

/*
 * Put one tuple, made ready by its caller (xmin, command id), into the tail.
 * "excess" is how many bytes more it would have if none of its values were
 * compressed.  tuple->t_self becomes its place on the page.
 */
pg_attribute_hot void
ledger_tail_insert(Relation rel, HeapTuple tuple, uint64 excess, int options,
				   bool speculative, LedgerRow *row)
{
	Buffer		buffer;

	if (!ledger_tuple_overflows(tuple))
	{
		HeapTuple	stored = tuple;
		int			n;

		if (ledger_packs(rel))
			buffer = get_page_packed(rel, &tuple, 1, &stored, &n);
		else
			buffer = get_page(rel, tuple->t_len);
		insert_tuple(rel, buffer, stored, options, speculative, row);
		UnlockReleaseBuffer(buffer);
		tuple->t_self = stored->t_self;
		excess += tuple->t_len - stored->t_len;
		if (excess > 0)
			note_excess(rel, LedgerRowSlot(*row), excess);
	}
	else
		insert_big(rel, tuple, excess, options, speculative, row);
	pgstat_count_heap_insert(rel, 1);
	learn_if_due(rel);
}

/* Number of tuples from the first on that fit in the page together. */
static int
tuples_that_fit(Page page, HeapTuple *tuples, int ntuples)
{
	LedgerTag  *tag = ledger_page_tag(page);
	int			nslots = Min(LEDGER_SLOT_ROWS - (int) tag->position,
							 (int) MaxHeapTuplesPerPage) - (int) PageGetMaxOffsetNumber(page);
	Size		room = PageGetExactFreeSpace(page);
	int			n = 0;

	while (n < ntuples && n < nslots)
	{
		Size		size = MAXALIGN(tuples[n]->t_len) + sizeof(ItemIdData);

		if (ledger_tuple_overflows(tuples[n]) || size > room)
			break;
		room -= size;
		n++;
	}
	return n;
}

/* ---- whole pages ---- */

/* What goes on a page: n tuples from "first" on. */
typedef struct PagePlan
{
	int			first;
	int			n;
} PagePlan;

/*
 * Lay tuples out on pages, up to "limit" of them, packed into stored[]; returns
 * how many pages.
 */
static int
plan_pages(Relation rel, uint32 dictionary, HeapTuple *tuples, int ntuples, int limit,
		   HeapTuple *stored, PagePlan *plan)
{
	LedgerPacking packing;
	bool		packs = ledger_packs(rel) && ledger_begin_packing(&packing, rel, dictionary);
	Size		room = 0;
	int			npages = 0;

	for (int n = 0; n < ntuples; n++)
	{
		Size		size;

		if (ledger_tuple_overflows(tuples[n]))
			break;
		stored[n] = packs ? ledger_pack(&packing, tuples[n]) : tuples[n];
		size = MAXALIGN(stored[n]->t_len) + sizeof(ItemIdData);
		if (npages == 0 || size > room || plan[npages - 1].n == MaxHeapTuplesPerPage)
		{
			if (npages == limit)
				break;
			if (packs && npages > 0)
			{
				/* the next page is read without this one */
				packing.continues = false;
				stored[n] = ledger_pack(&packing, tuples[n]);
				size = MAXALIGN(stored[n]->t_len) + sizeof(ItemIdData);
			}
			plan[npages].first = n;
			plan[npages].n = 0;
			npages++;
			room = LEDGER_PAGE_PAYLOAD;
		}
		room -= size;
		plan[npages - 1].n++;
	}
	return npages;
}

/* Take what is beyond so many tuples out of the plan. */
static int
cut_plan(PagePlan *plan, int npages, int ntuples)
{
	while (npages > 0 && plan[npages - 1].first >= ntuples)
		npages--;
	if (npages > 0)
		plan[npages - 1].n = Min(plan[npages - 1].n, ntuples - plan[npages - 1].first);
	return npages;
}

/* Fill an empty page, locked exclusively, as planned; in a critical section. */
static void
fill_page(Relation rel, Buffer buffer, LedgerSlotNumber slot, int first, uint32 dictionary,
		  HeapTuple *tuples, int ntuples)
{
	init_tail_page(BufferGetPage(buffer), slot, first, dictionary);
	for (int i = 0; i < ntuples; i++)
		RelationPutHeapTuple(rel, buffer, tuples[i], false);
	MarkBufferDirty(buffer);
}

/*
 * Log pages as images, in the same critical section.
 *
 * They are full of rows that are alike, so "compress" has the images compressed
 * even where wal_compression is off: for heap that means full-page images of pages
 * whose rows have been logged before, here it is the rows themselves.
 */
static void
log_pages(Relation rel, const Buffer *buffers, int n, bool compress)
{
	XLogRecPtr	lsn;
#ifdef USE_LZ4
	int			setting = wal_compression;
#endif

	if (!RelationNeedsWAL(rel))
		return;
#ifdef USE_LZ4
	if (compress && setting == WAL_COMPRESSION_NONE)
		wal_compression = WAL_COMPRESSION_LZ4;
#endif
	XLogBeginInsert();
	for (int i = 0; i < n; i++)
		XLogRegisterBuffer(i, buffers[i], REGBUF_FORCE_IMAGE | REGBUF_STANDARD);
	lsn = XLogInsert(RM_XLOG_ID, XLOG_FPI);
#ifdef USE_LZ4
	wal_compression = setting;
#endif
	for (int i = 0; i < n; i++)
		PageSetLSN(BufferGetPage(buffers[i]), lsn);
}

static void
unlock_blocks(const Buffer *buffers, int n)
{
	for (int i = 0; i < n; i++)
		UnlockReleaseBuffer(buffers[i]);
}

/*
 * Add pages with the first of the tuples to the open run of "slot", and return
 * how many tuples they took: none if the run has changed, or is about full, or
 * if there are too few for two pages.
 *
 * The pages are logged as images before the run map names them: a crash between
 * the two leaves blocks that nobody reaches.
 */
static int
insert_pages(Relation rel, LedgerSlotNumber slot, HeapTuple *tuples, int ntuples,
			 HeapTuple *stored, LedgerRow *rows)
{
	Buffer		buffers[LEDGER_ALLOC_MAX];
	PagePlan	plan[LEDGER_ALLOC_MAX];
	LedgerSlotEntry entry;
	LedgerMetaData meta;
	LedgerLane	lane = {slot, InvalidBlockNumber};
	RunEnd		end;
	Buffer		mapbuf;
	GenericXLogState *state;
	Page		page;
	LedgerRunMap *map;
	uint32		dictionary;
	bool		compress = ledger_compression(rel) != LEDGER_COMPRESSION_NONE;
	int			npages,
				done = 0;

	if (!ledger_read_entry(rel, slot, &entry) || entry.state != LEDGER_SLOT_TAIL ||
		!ledger_read_meta(rel, &meta))
		return 0;
	dictionary = meta.dictionaries[0].number;
	lane.runmap = entry.home;
	npages = plan_pages(rel, dictionary, tuples, ntuples, LEDGER_ALLOC_MAX, stored, plan);
	if (npages < 2 || !read_run_end(rel, &lane, &end) || !fill_last_page(rel, slot, &end))
		return 0;
	npages = cut_plan(plan, Min(npages, LEDGER_RUNMAP_ITEMS - (int) end.nitems),
					  LEDGER_SLOT_ROWS - end.nrows);
	if (npages < 2)
		return 0;

	XLogEnsureRecordSpace(LEDGER_ALLOC_MAX, 0);
	npages = ledger_alloc_blocks(rel, buffers, npages);
	if (lock_run_end(rel, &lane, &end, &mapbuf) != LANE_GOT_PAGE)
	{
		ledger_return_blocks(rel, buffers, npages);
		my_lane++;
		return 0;
	}
	CheckForSerializableConflictIn(rel, NULL, InvalidBlockNumber);
	state = GenericXLogStart(rel);
	page = GenericXLogRegisterBuffer(state, mapbuf, 0);
	map = (LedgerRunMap *) LedgerPageContents(page);

	START_CRIT_SECTION();
	for (int i = 0; i < npages; i++)
	{
		LedgerRunMapItem *item = &map->items[map->nitems + i];

		Assert(plan[i].first == done);
		fill_page(rel, buffers[i], slot, end.nrows + done, dictionary, stored + done, plan[i].n);
		item->block = BufferGetBlockNumber(buffers[i]);
		item->first = end.nrows + done;
		item->unused = 0;
		for (int j = 0; j < plan[i].n; j++)
			rows[done + j] = LedgerMakeRow(slot, end.nrows + done + j);
		done += plan[i].n;
		if (i < npages - 1)
			PageSetFull(BufferGetPage(buffers[i]));
	}
	log_pages(rel, buffers, npages, compress);
	END_CRIT_SECTION();

	map->nitems += npages;
	ledger_runmap_set_lower(page);
	GenericXLogFinish(state);
	UnlockReleaseBuffer(mapbuf);
	RelationSetTargetBlock(rel, BufferGetBlockNumber(buffers[npages - 1]));
	unlock_blocks(buffers, npages);
	remember_dictionary(rel, dictionary);
	note_growth(rel, slot, end.nitems, end.nitems + npages, dictionary);
	return done;
}

/* ---- many tuples ---- */

/*
 * Put tuples on the page with room for the first; returns how many it took.
 * stored[] become what they were stored as.
 */
static int
insert_on_page(Relation rel, HeapTuple *tuples, int ntuples, int options,
			   HeapTuple *stored, LedgerRow *rows, LedgerSlotNumber *slot)
{
	PGAlignedBlock scratch;
	Buffer		buffer;
	Page		page;
	int			n = ntuples;

	if (ledger_packs(rel))
		buffer = get_page_packed(rel, tuples, ntuples, stored, &n);
	else
	{
		memcpy(stored, tuples, ntuples * sizeof(HeapTuple));
		buffer = get_page(rel, tuples[0]->t_len);
	}
	page = BufferGetPage(buffer);
	n = tuples_that_fit(page, stored, n);

	Assert(n > 0);
	CheckForSerializableConflictIn(rel, NULL, InvalidBlockNumber);

	START_CRIT_SECTION();
	for (int i = 0; i < n; i++)
	{
		RelationPutHeapTuple(rel, buffer, stored[i], false);
		rows[i] = row_on_page(page, ItemPointerGetOffsetNumber(&stored[i]->t_self));
	}
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(rel))
		log_multi_insert(rel, buffer, stored, n, options, n == ntuples, scratch.data);
	END_CRIT_SECTION();

	*slot = ledger_page_tag(page)->slot;
	UnlockReleaseBuffer(buffer);
	return n;
}

/* Whether it looks as if the tuples took two pages or more. */
static bool
worth_pages(Relation rel, int ntuples, Size mean)
{
	return !ledger_is_decoded(rel) &&
		ntuples * (mean + sizeof(ItemIdData)) > LEDGER_PAGE_PAYLOAD + LEDGER_PAGE_PAYLOAD / 4;
}

/*
 * Put tuples, made ready likewise, into the tail: what fits on its last page
 * there, then, if there is more than another page of it, whole pages at once.
 */
void
ledger_tail_multi_insert(Relation rel, HeapTuple *tuples, const uint64 *excess,
						 int ntuples, int options, LedgerRow *rows)
{
	LedgerSlotNumber slot = LEDGER_NO_SLOT;
	HeapTuple  *stored = palloc(ntuples * sizeof(HeapTuple));
	Size		mean = 0;
	int			done = 0;

	while (done < ntuples)
	{
		int			n;
		Size		size = 0;

		CHECK_FOR_INTERRUPTS();
		if (ledger_tuple_overflows(tuples[done]))
		{
			ledger_tail_insert(rel, tuples[done], excess[done], options, false, &rows[done]);
			done++;
			continue;
		}

		n = slot == LEDGER_NO_SLOT || !worth_pages(rel, ntuples - done, mean) ? 0 :
			insert_pages(rel, slot, tuples + done, ntuples - done, stored + done, rows + done);
		if (n == 0)
			n = insert_on_page(rel, tuples + done, ntuples - done, options, stored + done,
							   rows + done, &slot);
		pgstat_count_heap_insert(rel, n);
		for (int i = done; i < done + n; i++)
		{
			uint64		more = excess[i] + tuples[i]->t_len - stored[i]->t_len;

			if (more > 0)
				note_excess(rel, LedgerRowSlot(rows[i]), more);
			size += MAXALIGN(stored[i]->t_len);
		}
		mean = size / n;
		done += n;
	}
	learn_if_due(rel);
}
