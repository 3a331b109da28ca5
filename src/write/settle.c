/*-------------------------------------------------------------------------
 *
 * settle.c
 *	  Bulk-written slots whose transaction has ended become SEALED or DEAD.
 *
 * As in seal.c, the caller holds ShareUpdateExclusiveLock on the relation, and
 * nothing is undone by an abort.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "write/write.h"

/* A segment's xmin blocks do not count as its own any more. */
static void
forget_xmin_blocks(Relation rel, const LedgerSegment *segment)
{
	LedgerTotals change = {0};

	for (int i = 0; i < segment->root.nxmin_extents; i++)
		change.blocks -= segment->extents[segment->root.nextents + i].count;
	ledger_change_totals(rel, &change);
}

/*
 * Suggest a dead segment's blocks, or a frozen or settled one's xmin blocks, to
 * the free space map.
 */
void
ledger_free_segment_blocks(Relation rel, const LedgerSlotEntry *entry, bool xmins_only)
{
	LedgerSegment *segment = ledger_segment_open(rel, entry->home, entry->primary,
												 entry->segment);

	if (segment == NULL)
		return;
	if (xmins_only && segment->root.nxmin_extents > 0)
		forget_xmin_blocks(rel, segment);
	for (int i = xmins_only ? segment->root.nextents : 0;
		 i < segment->root.nextents + segment->root.nxmin_extents; i++)
		for (uint32 j = 0; j < segment->extents[i].count; j++)
			ledger_free_block(rel, segment->extents[i].start + j);
	if (!xmins_only)
		ledger_free_block(rel, entry->home);
	ledger_segment_close(segment);
}

/*
 * Let a bulk-written slot go on to SEALED or DEAD if its transaction has
 * ended.  The segment's other slots go first, because its blocks count as in
 * use by the primary slot's entry.
 */
static void
settle_slot(Relation rel, LedgerSlotNumber slot, LedgerSlotEntry *before)
{
	TransactionId xid = XidFromFullTransactionId(FullTransactionIdFromU64(before->newest_xid));
	LedgerSlotEntry entry;
	LedgerTotals change = {0};
	bool		committed;

	if (TransactionIdIsCurrentTransactionId(xid) || TransactionIdIsInProgress(xid))
		return;

	/* The transaction may have changed the entry before it ended. */
	if (!ledger_read_entry(rel, slot, before) ||
		(before->state != LEDGER_SLOT_BULK_OPEN && before->state != LEDGER_SLOT_BULK_WRITTEN))
		return;
	entry = *before;
	committed = TransactionIdDidCommit(xid);
	if (committed && before->state == LEDGER_SLOT_BULK_OPEN)
		ledger_corrupt(rel, ledger_directory_block(rel, slot),
					   "transaction %u has committed without writing slot %u", xid, slot);

	if (committed)
		entry.state = LEDGER_SLOT_SEALED;
	else
	{
		entry.state = LEDGER_SLOT_DEAD;
		entry.flags |= LEDGER_ENTRY_INDEX_VACUUM | LEDGER_ENTRY_GAPS;
		entry.live = 0;
		if (before->state == LEDGER_SLOT_BULK_WRITTEN)
		{
			change.slots = -(uint64) 1;
			change.entries = -(uint64) before->live;
			if (before->primary == slot)
			{
				LedgerSegment *segment = ledger_segment_open(rel, before->home, before->primary,
															 before->segment);

				if (segment != NULL)
				{
					change.segments = -(uint64) 1;
					change.raw_bytes = -segment->root.raw_bytes;
					change.blocks = -(uint64) ledger_segment_blocks(segment);
					ledger_segment_close(segment);
				}
			}
		}
	}
	ledger_change_entry(rel, slot, &entry, &change, 0);
	if (before->state == LEDGER_SLOT_BULK_WRITTEN && before->primary == slot)
	{
		ledger_free_segment_blocks(rel, before, committed);
		if (committed)
			ledger_note_widths(rel, &entry);
	}
}

/*
 * Settle every bulk-written slot; the primary slot of a segment is its lowest,
 * so going down settles it last.
 */
void
ledger_settle_bulk(Relation rel)
{
	LedgerMetaData meta;

	if (!ledger_read_meta(rel, &meta))
		return;
	for (LedgerSlotNumber slot = meta.next_slot; slot-- > meta.seal_from;)
	{
		LedgerSlotEntry entry;

		CHECK_FOR_INTERRUPTS();
		if (!ledger_read_entry(rel, slot, &entry))
			continue;
		if (entry.state == LEDGER_SLOT_BULK_OPEN || entry.state == LEDGER_SLOT_BULK_WRITTEN)
			settle_slot(rel, slot, &entry);
	}
}
