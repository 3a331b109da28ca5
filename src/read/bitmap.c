/*-------------------------------------------------------------------------
 *
 * bitmap.c
 *	  Bitmap scans.
 *
 * A page of the bitmap is a logical block, of 256 row numbers, which lie in a
 * few tail pages or in one or two vectors.  Where more than a few rows of it
 * are wanted, the whole vector is decoded, once: it stays the batch at hand
 * while the next logical blocks are in it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "nodes/tidbitmap.h"
#include "pgstat.h"
#include "read/read_internal.h"
#include "storage/predicate.h"

/* With so few rows wanted, each is decoded for itself. */
#define FEW_ROWS	3

/*
 * Take up a page of the bitmap: noffsets TIDs, or all if negative.  False if
 * it lies past the rows that were there when the scan began.
 */
static bool
begin_page(LedgerScan *scan, BlockNumber block, const OffsetNumber *offsets, int noffsets)
{
	LedgerRow	row = (LedgerRow) block * LEDGER_TID_ROWS;

	scan->bitmap_next = LEDGER_TID_ROWS;
	if (row >= LedgerMakeRow(scan->nslots, 0))
		return false;

	memset(scan->bitmap_wanted, noffsets < 0, sizeof(scan->bitmap_wanted));
	for (int i = 0; i < noffsets; i++)
	{
		if (offsets[i] >= 1 && offsets[i] <= LEDGER_TID_ROWS)
			scan->bitmap_wanted[offsets[i] - 1] = true;
	}
	scan->bitmap_single = noffsets >= 0 && noffsets <= FEW_ROWS;
	scan->bitmap_row = row;
	scan->bitmap_next = 0;
	return true;
}

/* Have the batch of a row at hand. */
static void
load_row(LedgerScan *scan, LedgerRow row, TupleTableSlot *slot)
{
	LedgerSlotNumber slotnum = LedgerRowSlot(row);

	if (scan->loaded && row >= scan->low && row <= scan->high)
		return;
	ExecClearTuple(slot);
	if (scan->bitmap_single)
		ledger_scan_load(scan, row, row, row);
	else
		ledger_scan_load(scan, row, LedgerMakeRow(slotnum, 0),
						 LedgerMakeRow(slotnum, LEDGER_SLOT_ROWS - 1));
}

/* The xmin of a row shown, for the predicate lock manager. */
static TransactionId
row_xmin(const LedgerBatch *batch, int row)
{
	if (batch->page != NULL)
	{
		Page		page = (Page) batch->page;
		ItemId		itemid = PageGetItemId(page, row + 1);

		return HeapTupleHeaderGetXmin((HeapTupleHeader) PageGetItem(page, itemid));
	}
	return batch->xmin;
}

/* Show the next row of the page of the bitmap; false if there is none left. */
static bool
next_row(LedgerScan *scan, TupleTableSlot *slot)
{
	Relation	rel = scan->base.rs_rd;

	while (scan->bitmap_next < LEDGER_TID_ROWS)
	{
		int			next = scan->bitmap_next++;
		int			index;

		if (!scan->bitmap_wanted[next])
			continue;
		load_row(scan, scan->bitmap_row + next, slot);
		index = ledger_scan_find(scan, scan->bitmap_row + next);
		if (index < 0)
			continue;

		ledger_scan_show(scan, index, slot);
		PredicateLockTID(rel, &slot->tts_tid, scan->base.rs_snapshot,
						 row_xmin(scan->batch, scan->visible[index]));
		pgstat_count_heap_fetch(rel);
		return true;
	}
	ExecClearTuple(slot);
	return false;
}

#ifdef LEDGER_BITMAP_BY_TUPLE

/* Core leaves it to us to go from page to page. */
bool
ledger_scan_bitmap_next_tuple(TableScanDesc sscan, TupleTableSlot *slot,
							  bool *recheck, uint64 *lossy_pages, uint64 *exact_pages)
{
	LedgerScan *scan = (LedgerScan *) sscan;

	while (!next_row(scan, slot))
	{
		OffsetNumber offsets[TBM_MAX_TUPLES_PER_PAGE];
		TBMIterateResult page;
		int			noffsets = -1;

		CHECK_FOR_INTERRUPTS();
		if (!tbm_iterate(&sscan->st.rs_tbmiterator, &page))
			return false;
		if (!page.lossy)
			noffsets = tbm_extract_page_tuple(&page, offsets, TBM_MAX_TUPLES_PER_PAGE);
		*recheck = page.recheck;
		if (begin_page(scan, page.blockno, offsets, noffsets))
		{
			if (page.lossy)
				*lossy_pages += 1;
			else
				*exact_pages += 1;
		}
	}
	return true;
}

#else

bool
ledger_scan_bitmap_next_block(TableScanDesc sscan, struct TBMIterateResult *tbmres)
{
	return begin_page((LedgerScan *) sscan, tbmres->blockno, tbmres->offsets,
					  tbmres->ntuples);
}

bool
ledger_scan_bitmap_next_tuple(TableScanDesc sscan, struct TBMIterateResult *tbmres,
							  TupleTableSlot *slot)
{
	return next_row((LedgerScan *) sscan, slot);
}

#endif							/* LEDGER_BITMAP_BY_TUPLE */
