/*-------------------------------------------------------------------------
 *
 * publish.c
 *	  Changing directory entries, together with the metapage's totals.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "write/write.h"

/* The 64-bit xid of a transaction that is not older than 2^31. */
uint64
ledger_full_xid(TransactionId xid)
{
	FullTransactionId next = ReadNextFullTransactionId();
	uint32		epoch = EpochFromFullTransactionId(next);

	if (!TransactionIdIsNormal(xid))
		return xid;
	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return U64FromFullTransactionId(FullTransactionIdFromEpochAndXid(epoch, xid));
}

static void
add_totals(LedgerMetaData *meta, const LedgerTotals *change, int closed_change)
{
	/* the differences may be negative: unsigned arithmetic wraps around */
	meta->totals.segments += change->segments;
	meta->totals.slots += change->slots;
	meta->totals.entries += change->entries;
	meta->totals.raw_bytes += change->raw_bytes;
	meta->totals.blocks += change->blocks;
	meta->closed_slots = Max(0, (int) meta->closed_slots + closed_change);
	ledger_meta_set_crc(meta);
}

/*
 * Put the entries of slots[first .. end - 1], which are on one directory page,
 * in place, in one record with the change of the totals.
 */
static void
publish_page(Relation rel, const LedgerSegmentSlot *slots, const LedgerSlotEntry *entries,
			 int first, int end, const LedgerTotals *change, int closed_change)
{
	BlockNumber dirblock = ledger_directory_block(rel, slots[first].slot);
	Buffer		metabuf = ledger_lock_meta(rel, BUFFER_LOCK_EXCLUSIVE);
	Buffer		dirbuf = ledger_lock_directory(rel, dirblock, BUFFER_LOCK_EXCLUSIVE);
	GenericXLogState *state = GenericXLogStart(rel);
	Page		page = GenericXLogRegisterBuffer(state, dirbuf, 0);

	add_totals(ledger_meta_of(rel, metabuf, GenericXLogRegisterBuffer(state, metabuf, 0)),
			   change, closed_change);
	for (int i = first; i < end; i++)
	{
		LedgerSlotEntry *entry = ledger_entry_of(rel, dirbuf, page, slots[i].slot);

		*entry = entries[i];
		ledger_entry_set_crc(entry, slots[i].slot);
	}
	GenericXLogFinish(state);
	UnlockReleaseBuffer(dirbuf);
	UnlockReleaseBuffer(metabuf);
}

/*
 * Put new entries in place, slots in ascending order, the first of which is
 * the primary one: once its entry names the segment, the segment's blocks are
 * in use, and a crash before the other pages are changed leaves those slots
 * as they were, with rows that the segment holds in vain.
 */
void
ledger_publish_segment(Relation rel, const LedgerSegmentSlot *slots, int nslots,
					   const LedgerSlotEntry *entries, const LedgerTotals *change,
					   int closed_change)
{
	const LedgerTotals none = {0};
	int			first = 0;

	while (first < nslots)
	{
		int			end = first + 1;

		while (end < nslots && ledger_same_directory(slots[first].slot, slots[end].slot))
			end++;
		publish_page(rel, slots, entries, first, end, first == 0 ? change : &none,
					 first == 0 ? closed_change : 0);
		first = end;
	}
}

/* Put one entry in place. */
void
ledger_change_entry(Relation rel, LedgerSlotNumber slot, const LedgerSlotEntry *entry,
					const LedgerTotals *change, int closed_change)
{
	const LedgerTotals none = {0};
	LedgerSegmentSlot one = {slot, 0, 0};

	ledger_publish_segment(rel, &one, 1, entry, change ? change : &none, closed_change);
}

/* Change the totals alone. */
void
ledger_change_totals(Relation rel, const LedgerTotals *change)
{
	Buffer		buffer = ledger_lock_meta(rel, BUFFER_LOCK_EXCLUSIVE);
	GenericXLogState *state = GenericXLogStart(rel);

	add_totals(ledger_meta_of(rel, buffer, GenericXLogRegisterBuffer(state, buffer, 0)),
			   change, 0);
	GenericXLogFinish(state);
	UnlockReleaseBuffer(buffer);
}
