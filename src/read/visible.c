/*-------------------------------------------------------------------------
 *
 * visible.c
 *	  Which rows a snapshot sees.
 *
 * Rows of tail runs are heap tuples, and heap's own functions answer, on the
 * page and under its share lock.  Rows in segments have no tuple header: what
 * the slot's directory entry says of all of them is mostly enough, else their
 * xmins or command ids are read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/parallel.h"
#include "access/subtrans.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "read/read_internal.h"
#include "storage/predicate.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"

/* Refuse snapshots that are for catalogs and TOAST tables only. */
void
ledger_check_snapshot(Relation rel, Snapshot snapshot)
{
	if (snapshot != NULL &&
		(snapshot->snapshot_type == SNAPSHOT_TOAST ||
		 snapshot->snapshot_type == SNAPSHOT_HISTORIC_MVCC))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("ledger \"%s\" cannot be read with a snapshot of type %d",
						RelationGetRelationName(rel), (int) snapshot->snapshot_type),
				 errdetail("Ledgers are neither catalog tables nor TOAST tables.")));
}

/*
 * Read a slot's entry again, after what it named was found to be something
 * else.  If the entry has not changed meanwhile, that is corruption.
 */
void
ledger_read_entry_again(Relation rel, LedgerSlotNumber slot, LedgerSlotEntry *entry)
{
	LedgerSlotEntry old = *entry;

	CHECK_FOR_INTERRUPTS();
	if (!ledger_read_entry(rel, slot, entry) ||
		(entry->state == old.state && entry->flags == old.flags &&
		 entry->home == old.home && entry->segment == old.segment))
		ledger_corrupt(rel, old.home,
					   "the directory entry of slot %u, in state %d, names blocks that are not its own",
					   slot, old.state);
}

/*
 * Tell the serialization machinery that this snapshot does not see what a
 * concurrent transaction has inserted (as HeapCheckForSerializableConflictOut
 * does for tuples).
 */
static void
conflict_out(Relation rel, TransactionId xid, Snapshot snapshot)
{
	if (!CheckForSerializableConflictOutNeeded(rel, snapshot))
		return;
	if (TransactionIdPrecedes(xid, TransactionXmin) ||
		TransactionIdEquals(xid, GetTopTransactionIdIfAny()))
		return;
	xid = SubTransGetTopmostTransaction(xid);
	if (TransactionIdPrecedes(xid, TransactionXmin))
		return;
	CheckForSerializableConflictOut(rel, xid, snapshot);
}

/* Whether an MVCC snapshot sees a row of a transaction that has committed. */
bool
ledger_xmin_visible(Relation rel, TransactionId xmin, Snapshot snapshot)
{
	if (!XidInMVCCSnapshot(xmin, snapshot))
		return true;
	conflict_out(rel, xmin, snapshot);
	return false;
}

static inline TransactionId
entry_xid(uint64 xid)
{
	return XidFromFullTransactionId(FullTransactionIdFromU64(xid));
}

static void
judge_sealed(Relation rel, const LedgerSlotEntry *entry, LedgerRule rule,
			 Snapshot snapshot, LedgerVerdict *verdict)
{
	TransactionId newest = entry_xid(entry->newest_xid);

	if (rule != LEDGER_RULE_SNAPSHOT || !IsMVCCSnapshot(snapshot) ||
		(entry->flags & LEDGER_ENTRY_FROZEN) ||
		TransactionIdPrecedes(newest, snapshot->xmin))
		verdict->seen = LEDGER_SEEN_ALL;
	else if (entry->flags & LEDGER_ENTRY_ONE_XMIN)
		verdict->seen = ledger_xmin_visible(rel, newest, snapshot) ?
			LEDGER_SEEN_ALL : LEDGER_SEEN_NONE;
	else
		verdict->seen = LEDGER_SEEN_BY_XMIN;
}

/* The rows of a transaction that is in progress, or was for the snapshot. */
static void
judge_in_progress(Relation rel, TransactionId xid, bool written, LedgerRule rule,
				  Snapshot snapshot, LedgerVerdict *verdict)
{
	LedgerSeen	all = written ? LEDGER_SEEN_ALL : LEDGER_SEEN_UNWRITTEN;

	if (rule == LEDGER_RULE_BUILD)
		verdict->seen = all;
	else if (rule == LEDGER_RULE_ANALYZE)
		verdict->seen = LEDGER_SEEN_NONE;
	else
	{
		switch (snapshot->snapshot_type)
		{
			case SNAPSHOT_DIRTY:
				verdict->inserter = xid;
				/* FALLTHROUGH */
			case SNAPSHOT_ANY:
			case SNAPSHOT_NON_VACUUMABLE:
				verdict->seen = all;
				break;
			default:
				verdict->seen = LEDGER_SEEN_NONE;
				break;
		}
	}
}

/*
 * A bulk writer's slot.  The order of the tests is heap's: own, in progress,
 * committed, and what is left has aborted.
 */
static void
judge_bulk(Relation rel, LedgerSlotNumber slot, LedgerSlotEntry *entry, LedgerRule rule,
		   Snapshot snapshot, LedgerVerdict *verdict)
{
	TransactionId xid = entry_xid(entry->newest_xid);
	bool		written = entry->state == LEDGER_SLOT_BULK_WRITTEN;
	bool		mvcc = rule == LEDGER_RULE_SNAPSHOT && IsMVCCSnapshot(snapshot);

	if (TransactionIdIsCurrentTransactionId(xid))
	{
		verdict->own = true;
		if (!written && IsParallelWorker())
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
					 errmsg("a parallel worker cannot read rows of ledger \"%s\" that its leader has not written yet",
							RelationGetRelationName(rel))));
		if (!written)
			verdict->seen = LEDGER_SEEN_UNWRITTEN;
		else
			verdict->seen = mvcc ? LEDGER_SEEN_BY_CID : LEDGER_SEEN_ALL;
		return;
	}

	if (mvcc ? XidInMVCCSnapshot(xid, snapshot) : TransactionIdIsInProgress(xid))
	{
		judge_in_progress(rel, xid, written, rule, snapshot, verdict);
		if (mvcc && CheckForSerializableConflictOutNeeded(rel, snapshot) &&
			(TransactionIdIsInProgress(xid) || TransactionIdDidCommit(xid)))
			conflict_out(rel, xid, snapshot);
		return;
	}

	if (!TransactionIdDidCommit(xid))
	{
		verdict->seen = LEDGER_SEEN_NONE;
		verdict->dead = true;
		return;
	}

	if (written)
		verdict->seen = LEDGER_SEEN_ALL;
	else
	{
		/* It was written between our looks at the entry and at its xid. */
		ledger_read_entry_again(rel, slot, entry);
		ledger_judge_slot(rel, slot, entry, rule, snapshot, verdict);
	}
}

/*
 * What the snapshot (or rule) makes of a slot as a whole; for tail runs
 * nothing.  May read the entry again.
 */
void
ledger_judge_slot(Relation rel, LedgerSlotNumber slot, LedgerSlotEntry *entry,
				  LedgerRule rule, Snapshot snapshot, LedgerVerdict *verdict)
{
	memset(verdict, 0, sizeof(*verdict));
	switch ((LedgerSlotState) entry->state)
	{
		case LEDGER_SLOT_FREE:
		case LEDGER_SLOT_TAIL:
		case LEDGER_SLOT_CLOSED:
			break;
		case LEDGER_SLOT_SEALED:
			judge_sealed(rel, entry, rule, snapshot, verdict);
			break;
		case LEDGER_SLOT_BULK_OPEN:
		case LEDGER_SLOT_BULK_WRITTEN:
			judge_bulk(rel, slot, entry, rule, snapshot, verdict);
			break;
		case LEDGER_SLOT_DEAD:
			verdict->dead = true;
			break;
	}
}

/*
 * Whether a tuple of a tail page is seen.  The page is share-locked, and
 * tuple's t_self is its place there.  *dead is set where no snapshot will ever
 * see it.
 */
bool
ledger_tail_visible(Relation rel, HeapTuple tuple, Buffer buffer, LedgerRule rule,
					Snapshot snapshot, bool *dead)
{
	HeapTupleHeader header = tuple->t_data;
	bool		visible;

	/* a gap: taken back, or aborted and met by VACUUM */
	if (!TransactionIdIsValid(HeapTupleHeaderGetRawXmin(header)))
	{
		*dead = true;
		return false;
	}

	if (rule == LEDGER_RULE_SNAPSHOT)
	{
		visible = HeapTupleSatisfiesVisibility(tuple, snapshot, buffer);
		HeapCheckForSerializableConflictOut(visible, rel, tuple, buffer, snapshot);

		/* as HeapTupleIsSurelyDead; nothing here was ever deleted */
		*dead = !visible && !HeapTupleHeaderXminCommitted(header) &&
			HeapTupleHeaderXminInvalid(header);
		return visible;
	}

	/* Without deleted rows the horizon makes no difference. */
	switch (HeapTupleSatisfiesVacuum(tuple, FirstNormalTransactionId, buffer))
	{
		case HEAPTUPLE_LIVE:
			*dead = false;
			return true;
		case HEAPTUPLE_INSERT_IN_PROGRESS:
			*dead = false;
			return rule == LEDGER_RULE_BUILD ||
				TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(header));
		default:
			*dead = true;
			return false;
	}
}
