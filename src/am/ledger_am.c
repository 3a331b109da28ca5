/*-------------------------------------------------------------------------
 *
 * ledger_am.c
 *	  The table access method: its routine, and the library's start.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "am/am.h"
#include "append/manage.h"
#include "exec/exec.h"
#include "fmgr.h"
#include "read/read.h"

PG_MODULE_MAGIC;

LEDGER_FUNCTION(ledger_am_handler);

/* ---- what a ledger does not do ---- */

static void
refuse_change(Relation rel, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot %s ledger \"%s\"", what, RelationGetRelationName(rel)),
			 errdetail("A ledger is append-only."),
			 errhint("Append a new entry, or remove old ones with TRUNCATE or by dropping a partition.")));
}

static TM_Result
ledger_tuple_delete(Relation rel, ItemPointer tid, CommandId cid, Snapshot snapshot,
					Snapshot crosscheck, bool wait, TM_FailureData *tmfd, bool changingPart)
{
	refuse_change(rel, "delete from");
	return TM_Ok;				/* not reached */
}

static TM_Result
ledger_tuple_update(Relation rel, ItemPointer otid, TupleTableSlot *slot, CommandId cid,
					Snapshot snapshot, Snapshot crosscheck, bool wait,
					TM_FailureData *tmfd, LockTupleMode *lockmode,
					LedgerUpdateIndexes *update_indexes)
{
	refuse_change(rel, "update");
	return TM_Ok;				/* not reached */
}

/* ---- insertion, with what RETURNING may ask for ---- */

pg_attribute_hot static void
insert_tuple(Relation rel, TupleTableSlot *slot, CommandId cid, int options,
			 BulkInsertState bistate)
{
	ledger_tuple_insert(rel, slot, cid, options, bistate);
	ledger_slot_set_inserted(slot, GetCurrentTransactionId(), cid);
}

static void
insert_speculative(Relation rel, TupleTableSlot *slot, CommandId cid, int options,
				   BulkInsertState bistate, uint32 token)
{
	ledger_tuple_insert_speculative(rel, slot, cid, options, bistate, token);
	ledger_slot_set_inserted(slot, GetCurrentTransactionId(), cid);
}

static void
insert_many(Relation rel, TupleTableSlot **slots, int nslots, CommandId cid, int options,
			BulkInsertState bistate)
{
	ledger_multi_insert(rel, slots, nslots, cid, options, bistate);
	for (int i = 0; i < nslots; i++)
		ledger_slot_set_inserted(slots[i], GetCurrentTransactionId(), cid);
}

/*
 * An index may drop its entries of rows that it has been told are dead to all,
 * which those of gaps are for ever; no standby query can have seen them.
 */
static TransactionId
ledger_index_delete_tuples(Relation rel, TM_IndexDeleteOp *delstate)
{
	int			kept = 0;

	for (int i = 0; i < delstate->ndeltids; i++)
		if (delstate->status[delstate->deltids[i].id].knowndeletable)
			delstate->deltids[kept++] = delstate->deltids[i];
	delstate->ndeltids = kept;
	return InvalidTransactionId;
}

static const TableAmRoutine routine = {
	.type = T_TableAmRoutine,

	.slot_callbacks = ledger_slot_callbacks,

	.scan_begin = ledger_scan_begin,
	.scan_end = ledger_scan_end,
	.scan_rescan = ledger_scan_rescan,
	.scan_getnextslot = ledger_scan_getnextslot,
	.scan_set_tidrange = ledger_scan_set_tidrange,
	.scan_getnextslot_tidrange = ledger_scan_getnextslot_tidrange,

	.parallelscan_estimate = ledger_parallelscan_estimate,
	.parallelscan_initialize = ledger_parallelscan_initialize,
	.parallelscan_reinitialize = ledger_parallelscan_reinitialize,

	.index_fetch_begin = ledger_index_fetch_begin,
	.index_fetch_reset = ledger_index_fetch_reset,
	.index_fetch_end = ledger_index_fetch_end,
	.index_fetch_tuple = ledger_index_fetch_tuple,

	.tuple_fetch_row_version = ledger_tuple_fetch_row_version,
	.tuple_tid_valid = ledger_tuple_tid_valid,
	.tuple_get_latest_tid = ledger_tuple_get_latest_tid,
	.tuple_satisfies_snapshot = ledger_tuple_satisfies_snapshot,
	.index_delete_tuples = ledger_index_delete_tuples,

	.tuple_insert = insert_tuple,
	.tuple_insert_speculative = insert_speculative,
	.tuple_complete_speculative = ledger_tuple_complete_speculative,
	.multi_insert = insert_many,
	.tuple_delete = ledger_tuple_delete,
	.tuple_update = ledger_tuple_update,
	.tuple_lock = ledger_tuple_lock,
	.finish_bulk_insert = ledger_finish_bulk_insert,

	.LEDGER_SET_NEW_FILE = ledger_relation_set_new_file,
	.relation_nontransactional_truncate = ledger_relation_nontransactional_truncate,
	.relation_copy_data = ledger_relation_copy_data,
	.relation_copy_for_cluster = ledger_relation_copy_for_cluster,
	.relation_vacuum = ledger_relation_vacuum,
	.scan_analyze_next_block = ledger_scan_analyze_next_block,
	.scan_analyze_next_tuple = ledger_scan_analyze_next_tuple,
	.index_build_range_scan = ledger_index_build_range_scan,
	.index_validate_scan = ledger_index_validate_scan,

	.relation_size = ledger_relation_size,
	.relation_needs_toast_table = ledger_relation_needs_toast_table,
	.relation_estimate_size = ledger_relation_estimate_size,

#ifndef LEDGER_BITMAP_BY_TUPLE
	.scan_bitmap_next_block = ledger_scan_bitmap_next_block,
#endif
	.scan_bitmap_next_tuple = ledger_scan_bitmap_next_tuple,
	.scan_sample_next_block = ledger_scan_sample_next_block,
	.scan_sample_next_tuple = ledger_scan_sample_next_tuple
};

pg_attribute_hot const TableAmRoutine *
ledger_routine(void)
{
	return &routine;
}

Datum
ledger_am_handler(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&routine);
}

void
_PG_init(void)
{
	ledger_partitions_init();
	ledger_bulk_init();
	ledger_read_init();
	ledger_options_init();
	ledger_exec_init();
	ledger_append_init();
	ledger_toast_init();
}
