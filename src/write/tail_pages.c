/*-------------------------------------------------------------------------
 *
 * tail_pages.c
 *	  Whole pages: rows that come many at a time, on several new pages at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/hio.h"
#include "access/xloginsert.h"
#include "miscadmin.h"
#include "storage/predicate.h"
#include "write/packed.h"
#include "write/tail.h"

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
	ledger_init_tail_page(BufferGetPage(buffer), slot, first, dictionary);
	for (int i = 0; i < ntuples; i++)
		RelationPutHeapTuple(rel, buffer, tuples[i], false);
	MarkBufferDirty(buffer);
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
int
ledger_insert_pages(Relation rel, LedgerSlotNumber slot, HeapTuple *tuples, int ntuples,
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
	if (npages < 2 || !ledger_read_run_end(rel, &lane, &end) || !ledger_fill_last_page(rel, slot, &end))
		return 0;
	npages = cut_plan(plan, Min(npages, LEDGER_RUNMAP_ITEMS - (int) end.nitems),
					  LEDGER_SLOT_ROWS - end.nrows);
	if (npages < 2)
		return 0;

	XLogEnsureRecordSpace(LEDGER_ALLOC_MAX, 0);
	npages = ledger_alloc_blocks(rel, buffers, npages);
	if (ledger_lock_run_end(rel, &lane, &end, &mapbuf) != LANE_GOT_PAGE)
	{
		ledger_return_blocks(rel, buffers, npages);
		ledger_next_lane();
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
	ledger_log_pages(rel, buffers, npages, compress);
	END_CRIT_SECTION();

	map->nitems += npages;
	ledger_runmap_set_lower(page);
	GenericXLogFinish(state);
	UnlockReleaseBuffer(mapbuf);
	RelationSetTargetBlock(rel, BufferGetBlockNumber(buffers[npages - 1]));
	unlock_blocks(buffers, npages);
	ledger_remember_dictionary(rel, dictionary);
	ledger_note_growth(rel, slot, end.nitems, end.nitems + npages, dictionary);
	return done;
}
