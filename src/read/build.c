/*-------------------------------------------------------------------------
 *
 * build.c
 *	  CREATE INDEX.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/parallel.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "commands/progress.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "read/read_internal.h"
#include "utils/snapmgr.h"
#include "utils/tuplesort.h"

/*
 * An index that summarizes ranges of blocks takes the table's size in blocks
 * for the end of its TIDs, and would miss what lies above.
 */
static void
refuse_summarizing(Relation rel, Relation index)
{
	if (LEDGER_INDEX_SUMMARIZES(index))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("ledger \"%s\" does not support BRIN indexes",
						RelationGetRelationName(rel)),
				 errhint("Use a btree index.")));
}

/* Logical blocks (of LEDGER_TID_ROWS rows) of a scan, for the progress view. */
static int64
logical_blocks(LedgerRow rows)
{
	return rows / LEDGER_TID_ROWS;
}

/* What CREATE INDEX evaluates predicate and expressions with. */
typedef struct IndexEval
{
	EState	   *estate;
	ExprContext *econtext;
	TupleTableSlot *slot;
	ExprState  *predicate;
} IndexEval;

static void
begin_eval(IndexEval *eval, Relation rel, struct IndexInfo *info)
{
	eval->estate = CreateExecutorState();
	eval->econtext = GetPerTupleExprContext(eval->estate);
	eval->slot = table_slot_create(rel, NULL);
	eval->econtext->ecxt_scantuple = eval->slot;
	eval->predicate = ExecPrepareQual(info->ii_Predicate, eval->estate);
}

static void
end_eval(IndexEval *eval, struct IndexInfo *info)
{
	ExecDropSingleTupleTableSlot(eval->slot);
	FreeExecutorState(eval->estate);

	/* these may have been pointing to the now-gone estate */
	info->ii_ExpressionsState = NIL;
	info->ii_PredicateState = NULL;
}

/* Restrict the scan to a range of logical blocks. */
static void
set_block_range(LedgerScan *scan, BlockNumber start, BlockNumber count)
{
	LedgerRow	first = (LedgerRow) start * LEDGER_TID_ROWS;

	if (scan->base.rs_parallel != NULL)
		return;
	scan->start = Min(first, scan->end);
	if (BlockNumberIsValid(count))
		scan->end = Min(scan->end, first + (LedgerRow) count * LEDGER_TID_ROWS);
}

/*
 * A normal build sees the rows of all transactions but aborted ones: those of
 * this transaction are in progress.  ShareLock keeps others' out.  A
 * concurrent build uses an MVCC snapshot; so does its scan, if it is a
 * parallel one.
 */
double
ledger_index_build_range_scan(Relation rel, Relation index, struct IndexInfo *info,
							  bool allow_sync, bool anyvisible, bool progress,
							  BlockNumber start_blockno, BlockNumber numblocks,
							  IndexBuildCallback callback, void *callback_state,
							  TableScanDesc sscan)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
	Snapshot	snapshot = NULL;
	LedgerScan *scan;
	IndexEval	eval;
	LedgerRow	reported = 0;
	double		reltuples = 0;

	refuse_summarizing(rel, index);
	if (!IsParallelWorker())
		ledger_bulk_flush(rel);

	begin_eval(&eval, rel, info);
	if (sscan == NULL)
	{
		if (IsBootstrapProcessingMode() || info->ii_Concurrent)
			snapshot = RegisterSnapshot(GetTransactionSnapshot());
		sscan = table_beginscan_strat(rel, snapshot ? snapshot : SnapshotAny,
									  0, NULL, true, false);
	}
	scan = (LedgerScan *) sscan;
	Assert(sscan->rs_snapshot == SnapshotAny || IsMVCCSnapshot(sscan->rs_snapshot));
	if (sscan->rs_snapshot == SnapshotAny)
		scan->rule = LEDGER_RULE_BUILD;
	set_block_range(scan, start_blockno, numblocks);
	if (progress)
		pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_TOTAL,
									 logical_blocks(LedgerMakeRow(scan->nslots, 0)));

	while (ledger_scan_getnextslot(sscan, ForwardScanDirection, eval.slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (progress && scan->low != reported)
		{
			reported = scan->low;
			pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_DONE, logical_blocks(reported));
		}
		reltuples += 1;

		MemoryContextReset(eval.econtext->ecxt_per_tuple_memory);
		if (eval.predicate != NULL && !ExecQual(eval.predicate, eval.econtext))
			continue;
		FormIndexDatum(info, eval.slot, eval.estate, values, isnull);
		callback(index, &eval.slot->tts_tid, values, isnull, true, callback_state);
	}

	if (progress)
		pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_DONE,
									 logical_blocks(LedgerMakeRow(scan->nslots, 0)));
	table_endscan(sscan);
	if (snapshot != NULL)
		UnregisterSnapshot(snapshot);
	end_eval(&eval, info);
	return reltuples;
}

/* The TIDs that a concurrently built index has, in order. */
typedef struct IndexTids
{
	struct Tuplesortstate *sort;
	bool		valid;			/* tid is one */
	bool		done;
	ItemPointerData tid;
} IndexTids;

/* Whether the index has a TID; to be asked in ascending order. */
static bool
index_has(IndexTids *tids, ItemPointer tid)
{
	while (!tids->done && (!tids->valid || ItemPointerCompare(&tids->tid, tid) < 0))
	{
		Datum		value;
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		if (!LEDGER_TUPLESORT_GETDATUM(tids->sort, &value, &isnull))
		{
			tids->done = true;
			tids->valid = false;
			break;
		}
		Assert(!isnull);
		itemptr_decode(&tids->tid, DatumGetInt64(value));
		tids->valid = true;
#ifndef USE_FLOAT8_BYVAL
		pfree(DatumGetPointer(value));
#endif
	}
	return tids->valid && ItemPointerEquals(&tids->tid, tid);
}

/* Second phase of a concurrent build: add what the snapshot sees and the index lacks. */
void
ledger_index_validate_scan(Relation rel, Relation index, struct IndexInfo *info,
						   Snapshot snapshot, struct ValidateIndexState *state)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
	IndexTids	tids = {.sort = state->tuplesort};
	IndexEval	eval;
	TableScanDesc sscan;
	LedgerScan *scan;
	LedgerRow	reported = 0;

	refuse_summarizing(rel, index);
	begin_eval(&eval, rel, info);
	sscan = table_beginscan_strat(rel, snapshot, 0, NULL, true, false);
	scan = (LedgerScan *) sscan;
	pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_TOTAL,
								 logical_blocks(LedgerMakeRow(scan->nslots, 0)));

	while (ledger_scan_getnextslot(sscan, ForwardScanDirection, eval.slot))
	{
		CHECK_FOR_INTERRUPTS();
		state->htups += 1;
		if (scan->low != reported)
		{
			reported = scan->low;
			pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_DONE, logical_blocks(reported));
		}
		if (index_has(&tids, &eval.slot->tts_tid))
			continue;

		MemoryContextReset(eval.econtext->ecxt_per_tuple_memory);
		if (eval.predicate != NULL && !ExecQual(eval.predicate, eval.econtext))
			continue;
		FormIndexDatum(info, eval.slot, eval.estate, values, isnull);
		index_insert(index, values, isnull, &eval.slot->tts_tid, rel,
					 info->ii_Unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, info);
		state->tups_inserted += 1;
	}

	table_endscan(sscan);
	end_eval(&eval, info);
}
