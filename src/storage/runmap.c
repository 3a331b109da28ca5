/*-------------------------------------------------------------------------
 *
 * runmap.c
 *	  The run map: which tail page holds which rows of a tail run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/storage.h"

/* Where the used part of a map's page ends. */
static LocationIndex
end_of_items(const LedgerRunMap *map)
{
	return SizeOfPageHeaderData + offsetof(LedgerRunMap, items) +
		map->nitems * sizeof(LedgerRunMapItem);
}

/*
 * Copy a run's map out, or return false if the block is not that slot's run
 * map any more: the slot has been sealed since its entry was read.
 */
bool
ledger_read_runmap(Relation rel, LedgerSlotNumber slot, BlockNumber home,
				   LedgerRunMap *map)
{
	Buffer		buffer = ledger_read_block(rel, home);
	Page		page = BufferGetPage(buffer);
	LedgerRunMap *source = (LedgerRunMap *) LedgerPageContents(page);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (!ledger_tag_is(page, LEDGER_BLOCK_RUNMAP, slot, 0, 0))
	{
		UnlockReleaseBuffer(buffer);
		return false;
	}
	if (source->nitems > LEDGER_RUNMAP_ITEMS || ((PageHeader) page)->pd_lower != end_of_items(source))
		ledger_corrupt(rel, home, "the run map of slot %u has %u pages", slot, source->nitems);
	memcpy(map, source, offsetof(LedgerRunMap, items) +
		   source->nitems * sizeof(LedgerRunMapItem));
	UnlockReleaseBuffer(buffer);

	/* a page without a row begins at the same offset as the next one */
	for (uint32 i = 0; i < map->nitems; i++)
	{
		if (map->items[i].first >= LEDGER_SLOT_ROWS ||
			(i == 0 ? map->items[i].first != 0 :
			 map->items[i].first < map->items[i - 1].first))
			ledger_corrupt(rel, home, "the run map of slot %u is out of order", slot);
	}
	return true;
}

/*
 * About how many rows an open run has, for an estimate, which no damage should
 * keep from being made.
 */
int
ledger_runmap_rows_hint(Relation rel, LedgerSlotNumber slot, BlockNumber home)
{
	int			result = 0;
	Buffer		buffer;
	LedgerRunMap *map;

	if (home >= RelationGetNumberOfBlocks(rel))
		return 0;
	buffer = ReadBuffer(rel, home);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	map = (LedgerRunMap *) LedgerPageContents(BufferGetPage(buffer));
	if (ledger_tag_is(BufferGetPage(buffer), LEDGER_BLOCK_RUNMAP, slot, 0, 0) &&
		map->nitems > 0 && map->nitems <= LEDGER_RUNMAP_ITEMS)
		result = Min(Max(map->items[map->nitems - 1].first, 1), LEDGER_SLOT_ROWS);
	UnlockReleaseBuffer(buffer);
	return result;
}

/* Index of the last item whose page may hold the offset, or -1. */
int
ledger_runmap_find(const LedgerRunMap *map, int offset)
{
	int			low = 0,
				high = (int) map->nitems - 1;

	while (low < high)
	{
		int			middle = (low + high + 1) / 2;

		if (map->items[middle].first <= offset)
			low = middle;
		else
			high = middle - 1;
	}
	return high;
}

/*
 * Whether a page with so many rows can be that of an item: a page gets no row
 * once it has a next one, so it ends where that begins.
 */
bool
ledger_runmap_fits(const LedgerRunMap *map, int index, int nrows)
{
	int			end = map->items[index].first + nrows;

	return index + 1 < (int) map->nitems ? end == map->items[index + 1].first :
		end <= LEDGER_SLOT_ROWS;
}

/*
 * Let the page's used part end with the map's last item: what lies beyond is
 * neither logged nor compared for the log.
 */
void
ledger_runmap_set_lower(Page page)
{
	((PageHeader) page)->pd_lower = end_of_items((LedgerRunMap *) LedgerPageContents(page));
}
