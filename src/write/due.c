/*-------------------------------------------------------------------------
 *
 * due.c
 *	  What there is to do for a ledger: rows to seal, blocks to give back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "write/write.h"

/* Rows on a page of a run's; 0 if it is no longer one. */
static int
rows_on_page(Relation rel, LedgerSlotNumber slot, const LedgerRunMapItem *item)
{
	Buffer		buffer = ledger_read_block(rel, item->block);
	Page		page = BufferGetPage(buffer);
	int			result = 0;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (ledger_tag_is(page, LEDGER_BLOCK_TAIL, slot, item->first, 0))
		result = PageGetMaxOffsetNumber(page);
	UnlockReleaseBuffer(buffer);
	return result;
}

static void
look_at_run(Relation rel, LedgerSlotNumber slot, const LedgerSlotEntry *entry, LedgerTail *tail)
{
	LedgerRunMap *map = palloc(sizeof(LedgerRunMap));
	bool		closed = entry->state == LEDGER_SLOT_CLOSED;

	if (ledger_read_runmap(rel, slot, entry->home, map))
	{
		const LedgerRunMapItem *last = map->nitems > 0 ? &map->items[map->nitems - 1] : NULL;
		int64		bytes = (int64) (map->nitems + 1) * BLCKSZ + (int64) map->overflow_bytes;

		*(closed ? &tail->closed_bytes : &tail->open_bytes) += bytes;
		if (!closed && last != NULL)
			tail->open_rows += last->first + rows_on_page(rel, slot, last);
	}
	if (closed)
		tail->closed_rows += entry->nrows;
	if (tail->oldest == 0 || entry->allotted < tail->oldest)
		tail->oldest = entry->allotted;
	pfree(map);
}

/* Look at the tail; what is sealed meanwhile may be missed, or counted still. */
void
ledger_look_at_tail(Relation rel, LedgerTail *tail)
{
	LedgerMetaData meta;

	memset(tail, 0, sizeof(*tail));
	if (RelationGetNumberOfBlocks(rel) == 0 || !ledger_read_meta(rel, &meta))
		return;
	for (LedgerSlotNumber slot = meta.seal_from; slot < meta.next_slot; slot++)
	{
		LedgerSlotEntry entry;

		CHECK_FOR_INTERRUPTS();
		if (!ledger_read_entry(rel, slot, &entry))
			continue;
		if (entry.state == LEDGER_SLOT_TAIL || entry.state == LEDGER_SLOT_CLOSED)
			look_at_run(rel, slot, &entry, tail);
	}
}

/* The first transaction in progress that has rows on a page, or none. */
static TransactionId
holder_on_page(Page page, TransactionId *ended)
{
	for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		ItemId		item = PageGetItemId(page, offset);
		TransactionId xmin;

		if (!ItemIdIsNormal(item))
			continue;
		xmin = HeapTupleHeaderGetXmin((HeapTupleHeader) PageGetItem(page, item));
		if (!TransactionIdIsNormal(xmin) || xmin == *ended)
			continue;
		if (TransactionIdIsInProgress(xmin))
			return xmin;
		*ended = xmin;
	}
	return InvalidTransactionId;
}

/* The transaction that keeps the first closed run from being sealed, or none. */
TransactionId
ledger_find_holder(Relation rel)
{
	LedgerRunMap *map = palloc(sizeof(LedgerRunMap));
	TransactionId result = InvalidTransactionId;
	TransactionId ended = InvalidTransactionId;
	LedgerMetaData meta;

	if (RelationGetNumberOfBlocks(rel) == 0 || !ledger_read_meta(rel, &meta))
		return InvalidTransactionId;
	for (LedgerSlotNumber slot = meta.seal_from;
		 slot < meta.next_slot && !TransactionIdIsValid(result); slot++)
	{
		LedgerSlotEntry entry;

		if (!ledger_read_entry(rel, slot, &entry) || entry.state != LEDGER_SLOT_CLOSED ||
			!ledger_read_runmap(rel, slot, entry.home, map))
			continue;
		for (uint32 i = 0; i < map->nitems && !TransactionIdIsValid(result); i++)
		{
			Buffer		buffer = ledger_read_block(rel, map->items[i].block);
			Page		page = BufferGetPage(buffer);

			CHECK_FOR_INTERRUPTS();
			LockBuffer(buffer, BUFFER_LOCK_SHARE);
			if (ledger_tag_is(page, LEDGER_BLOCK_TAIL, slot, map->items[i].first, 0))
				result = holder_on_page(page, &ended);
			UnlockReleaseBuffer(buffer);
		}
	}
	pfree(map);
	return result;
}

/*
 * Seal a segment's worth of rows; "first" closes the open runs, too.  Returns
 * how many rows, or -1 when there is nothing left that can be sealed.  The
 * caller has ShareUpdateExclusiveLock, and acts as the owner.
 */
int64
ledger_seal_part(Relation rel, bool first, LedgerSealing what)
{
	LedgerMetaData meta;

	if (first)
	{
		ledger_bulk_flush(rel);

		/*
		 * If the disk is full, fail now: with its open runs closed the table
		 * would take no more rows, where there is room on their last pages.
		 */
		if (ledger_read_meta(rel, &meta))
			ledger_provide_blocks(rel, LEDGER_PROVIDED_BLOCKS);
		ledger_close_open_runs(rel, 0);
		ledger_settle_bulk(rel);
	}
	return ledger_seal_some(rel, what);
}
