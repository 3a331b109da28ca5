/*-------------------------------------------------------------------------
 *
 * conflict.c
 *	  on_conflict => 'skip': a row whose unique key exists is left out.
 *
 * As INSERT ... ON CONFLICT DO NOTHING does it: look whether there is such a
 * row, and else insert speculatively, which others do not wait for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/append.h"
#include "compat.h"

#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"

/* Whether the table has an index that a row could conflict with. */
bool
conflict_possible(ResultRelInfo *rri)
{
	for (int i = 0; i < rri->ri_NumIndices; i++)
	{
		IndexInfo  *index = rri->ri_IndexRelationInfo[i];

		if (index->ii_Unique || index->ii_ExclusionOps != NULL)
			return true;
	}
	return false;
}

void
conflict_refuse(Relation rel)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("\"on_conflict\" => 'skip' needs a unique index"),
			 errdetail("Relation \"%s\" has none.", RelationGetRelationName(rel)),
			 errhint("Create a unique index, or let append_json() or append_ndjson() tell repetitions by \"source\" and \"batch\".")));
}

/*
 * Where a transaction has one snapshot, a row that it does not see must not
 * change what it does.
 */
static void
check_visible(Relation rel, ItemPointer tid)
{
	TupleTableSlot *slot;
	Datum		xmin;
	bool		isnull;

	if (!IsolationUsesXactSnapshot())
		return;
	slot = table_slot_create(rel, NULL);
	if (!table_tuple_fetch_row_version(rel, tid, SnapshotAny, slot))
		elog(ERROR, "failed to fetch conflicting tuple for ON CONFLICT");
	if (!table_tuple_satisfies_snapshot(rel, slot, GetActiveSnapshot()))
	{
		xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull);
		if (!TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin)))
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent update")));
	}
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * Whether a row conflicts with one that is stored.  Waits for those who have
 * one in progress.
 */
bool
conflict_exists(ResultRelInfo *rri, TupleTableSlot *slot, EState *estate)
{
	ItemPointerData conflict;
	ItemPointerData none;

	CHECK_FOR_INTERRUPTS();
	ItemPointerSetInvalid(&none);
	if (LedgerCheckIndexConstraints(rri, slot, estate, &conflict, &none))
		return false;
	check_visible(rri->ri_RelationDesc, &conflict);
	return true;
}

/* Store a row and its index entries, unless it conflicts; whether it was stored. */
bool
conflict_insert(ResultRelInfo *rri, TupleTableSlot *slot, EState *estate, CommandId cid)
{
	Relation	rel = rri->ri_RelationDesc;
	TransactionId xid = GetCurrentTransactionId();

	while (!conflict_exists(rri, slot, estate))
	{
		bool		raced = false;
		uint32		token = SpeculativeInsertionLockAcquire(xid);

		table_tuple_insert_speculative(rel, slot, cid, 0, NULL, token);
		list_free(LedgerInsertIndexTuplesSpeculative(rri, slot, estate, &raced));
		table_tuple_complete_speculative(rel, slot, token, !raced);
		SpeculativeInsertionLockRelease(xid);
		if (!raced)
			return true;
	}
	return false;
}
