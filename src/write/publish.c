/*-------------------------------------------------------------------------
 *
 * publish.c
 *	  Changing directory entries, together with the metapage's totals; and whose
 *	  blocks a segment's are before it is published.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "miscadmin.h"
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

/* As many directory pages as fit in a record beside the metapage. */
#define PAGES_AT_ONCE	(MAX_GENERIC_XLOG_PAGES - 1)

/* The first of the slots from "first" on that one record has no room for. */
static int
end_of_record(const LedgerSegmentSlot *slots, int nslots, int first)
{
	int			npages = 1;
	int			end;

	for (end = first + 1; end < nslots; end++)
		if (!ledger_same_directory(slots[end - 1].slot, slots[end].slot) &&
			++npages > PAGES_AT_ONCE)
			break;
	return end;
}

/* Whether one record can change the entries of all these slots. */
bool
ledger_publishes_at_once(const LedgerSegmentSlot *slots, int nslots)
{
	return end_of_record(slots, nslots, 0) == nslots;
}

/*
 * Put the entries of slots[first .. end - 1] in place, in one record with the
 * change of the totals.
 */
static void
publish_some(Relation rel, const LedgerSegmentSlot *slots, const LedgerSlotEntry *entries,
			 int first, int end, const LedgerTotals *change, int closed_change)
{
	BlockNumber dirblocks[PAGES_AT_ONCE];
	Buffer		dirbufs[PAGES_AT_ONCE];
	int			npages = 0;
	int			at = -1;
	Buffer		metabuf;
	GenericXLogState *state;
	Page		page = NULL;

	for (int i = first; i < end; i++)
		if (i == first || !ledger_same_directory(slots[i - 1].slot, slots[i].slot))
			dirblocks[npages++] = ledger_directory_block(rel, slots[i].slot);

	metabuf = ledger_lock_meta(rel, BUFFER_LOCK_EXCLUSIVE);
	state = GenericXLogStart(rel);
	add_totals(ledger_meta_of(rel, metabuf, GenericXLogRegisterBuffer(state, metabuf, 0)),
			   change, closed_change);
	for (int i = first; i < end; i++)
	{
		LedgerSlotEntry *entry;

		if (i == first || !ledger_same_directory(slots[i - 1].slot, slots[i].slot))
		{
			at++;
			dirbufs[at] = ledger_lock_directory(rel, dirblocks[at], BUFFER_LOCK_EXCLUSIVE);
			page = GenericXLogRegisterBuffer(state, dirbufs[at], 0);
		}
		entry = ledger_entry_of(rel, dirbufs[at], page, slots[i].slot);
		*entry = entries[i];
		ledger_entry_set_crc(entry, slots[i].slot);
	}
	GenericXLogFinish(state);
	for (int i = 0; i < npages; i++)
		UnlockReleaseBuffer(dirbufs[i]);
	UnlockReleaseBuffer(metabuf);
}

/*
 * Put new entries in place, slots in ascending order, the first of which is
 * the primary one: once its entry names the segment, the segment's blocks are
 * in use.  All change in one record, unless they are on more directory pages
 * than that has room for; then a crash between the first and the next leaves
 * the other slots as they were, with rows that the segment holds in vain.
 */
void
ledger_publish_segment(Relation rel, const LedgerSegmentSlot *slots, int nslots,
					   const LedgerSlotEntry *entries, const LedgerTotals *change,
					   int closed_change)
{
	const LedgerTotals none = {0};

	for (int first = 0, end; first < nslots; first = end)
	{
		end = end_of_record(slots, nslots, first);
		publish_some(rel, slots, entries, first, end, first == 0 ? change : &none,
					 first == 0 ? closed_change : 0);
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

/* ---- before: a segment that is being written ---- */

/* Allot a segment id and put it in the entry of the primary slot. */
static uint64
new_segment(Relation rel, LedgerSlotNumber primary, bool bulk)
{
	BlockNumber dirblock = ledger_directory_block(rel, primary);
	Buffer		metabuf = ledger_lock_meta(rel, BUFFER_LOCK_EXCLUSIVE);
	Buffer		dirbuf = ledger_lock_directory(rel, dirblock, BUFFER_LOCK_EXCLUSIVE);
	GenericXLogState *state = GenericXLogStart(rel);
	LedgerMetaData *meta = ledger_meta_of(rel, metabuf,
										  GenericXLogRegisterBuffer(state, metabuf, 0));
	LedgerSlotEntry *entry = ledger_entry_of(rel, dirbuf,
											 GenericXLogRegisterBuffer(state, dirbuf, 0), primary);
	uint64		segment = meta->next_segment++;

	ledger_meta_set_crc(meta);
	if (bulk)
		entry->segment = segment;
	else
		entry->pending = segment;
	ledger_entry_set_crc(entry, primary);
	GenericXLogFinish(state);
	UnlockReleaseBuffer(dirbuf);
	UnlockReleaseBuffer(metabuf);
	return segment;
}

/*
 * Put a new segment's id in the entry of its primary slot: from here on its
 * blocks are in use.
 */
uint64
ledger_reserve_segment(Relation rel, LedgerSlotNumber primary)
{
	return new_segment(rel, primary, false);
}

/* Give a bulk writer's slot another segment id, for another attempt. */
uint64
ledger_renew_segment(Relation rel, LedgerSlotNumber primary)
{
	return new_segment(rel, primary, true);
}

/* The segment that was to be written to is not: its blocks are free. */
void
ledger_forget_one_pending(Relation rel, LedgerSlotNumber primary)
{
	LedgerSlotEntry entry;

	if (!ledger_read_entry(rel, primary, &entry) || entry.pending == 0)
		return;
	entry.pending = 0;
	ledger_change_entry(rel, primary, &entry, NULL, 0);
}

/*
 * Forget segments that a crash has left half written.  There is no sealer at
 * work but us.
 */
void
ledger_forget_pending(Relation rel)
{
	LedgerMetaData meta;

	if (!ledger_read_meta(rel, &meta))
		return;
	for (LedgerSlotNumber slot = 0; slot < meta.next_slot; slot++)
	{
		CHECK_FOR_INTERRUPTS();
		ledger_forget_one_pending(rel, slot);
	}
}
