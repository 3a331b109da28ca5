/*-------------------------------------------------------------------------
 *
 * read.h
 *	  Reading a ledger: the table AM's callbacks that read.
 *
 * The functions have the signatures of the callbacks whose names they bear
 * (ledger_<callback>), for src/am/ledger_am.c to put in the routine.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_READ_H
#define LEDGER_READ_H

#include "access/tableam.h"
#include "nodes/execnodes.h"
#include "storage/storage.h"

/* ---- bitmap.c ---- */

#ifdef LEDGER_BITMAP_BY_TUPLE
extern bool ledger_scan_bitmap_next_tuple(TableScanDesc sscan, TupleTableSlot *slot,
										  bool *recheck, uint64 *lossy_pages,
										  uint64 *exact_pages);
#else
extern bool ledger_scan_bitmap_next_block(TableScanDesc sscan,
										  struct TBMIterateResult *tbmres);
extern bool ledger_scan_bitmap_next_tuple(TableScanDesc sscan,
										  struct TBMIterateResult *tbmres,
										  TupleTableSlot *slot);
#endif

/* ---- bounds.c ---- */

extern bool ledger_column_bounds(Relation rel, AttrNumber attnum, Datum *min, Datum *max);

/* ---- build.c ---- */

extern double ledger_index_build_range_scan(Relation rel, Relation index,
											struct IndexInfo *info,
											bool allow_sync, bool anyvisible,
											bool progress, BlockNumber start_blockno,
											BlockNumber numblocks,
											IndexBuildCallback callback,
											void *callback_state,
											TableScanDesc sscan);
extern void ledger_index_validate_scan(Relation rel, Relation index,
									   struct IndexInfo *info, Snapshot snapshot,
									   struct ValidateIndexState *state);

/* ---- cache.c ---- */

extern void ledger_cache_init(void);
extern void ledger_cache_forget(Oid relid);

/* ---- fetch.c ---- */

extern struct IndexFetchTableData *ledger_index_fetch_begin(Relation rel);
extern void ledger_index_fetch_reset(struct IndexFetchTableData *data);
extern void ledger_index_fetch_end(struct IndexFetchTableData *data);
extern bool ledger_index_fetch_tuple(struct IndexFetchTableData *data, ItemPointer tid,
									 Snapshot snapshot, TupleTableSlot *slot,
									 bool *call_again, bool *all_dead);
extern bool ledger_tuple_fetch_row_version(Relation rel, ItemPointer tid,
										   Snapshot snapshot, TupleTableSlot *slot);
extern bool ledger_tuple_tid_valid(TableScanDesc sscan, ItemPointer tid);
extern void ledger_tuple_get_latest_tid(TableScanDesc sscan, ItemPointer tid);
extern bool ledger_tuple_satisfies_snapshot(Relation rel, TupleTableSlot *slot,
											Snapshot snapshot);
extern TM_Result ledger_tuple_lock(Relation rel, ItemPointer tid, Snapshot snapshot,
								   TupleTableSlot *slot, CommandId cid,
								   LockTupleMode mode, LockWaitPolicy wait_policy,
								   uint8 flags, TM_FailureData *tmfd);

/* ---- hooks.c ---- */

/* Called by _PG_init. */
extern void ledger_read_init(void);

/* The access method's routine: in src/am/ledger_am.c. */
extern const TableAmRoutine *ledger_routine(void);

/* ---- merge.c ---- */

extern bool ledger_is_thin(Relation rel);
extern bool ledger_merge_some(Relation rel);

/* ---- sample.c ---- */

#ifdef LEDGER_ANALYZE_STREAM
extern bool ledger_scan_analyze_next_block(TableScanDesc sscan, struct ReadStream *stream);
#else
extern bool ledger_scan_analyze_next_block(TableScanDesc sscan, BlockNumber blockno,
										   BufferAccessStrategy bstrategy);
#endif
extern bool ledger_scan_analyze_next_tuple(TableScanDesc sscan, TransactionId OldestXmin,
										   double *liverows, double *deadrows,
										   TupleTableSlot *slot);
extern bool ledger_scan_sample_next_block(TableScanDesc sscan,
										  struct SampleScanState *scanstate);
extern bool ledger_scan_sample_next_tuple(TableScanDesc sscan,
										  struct SampleScanState *scanstate,
										  TupleTableSlot *slot);

/* ---- scan.c ---- */

extern TableScanDesc ledger_scan_begin(Relation rel, Snapshot snapshot, int nkeys,
									   struct ScanKeyData *key,
									   ParallelTableScanDesc pscan, uint32 flags);
extern void ledger_scan_end(TableScanDesc sscan);
extern void ledger_scan_rescan(TableScanDesc sscan, struct ScanKeyData *key,
							   bool set_params, bool allow_strat,
							   bool allow_sync, bool allow_pagemode);
extern bool ledger_scan_getnextslot(TableScanDesc sscan, ScanDirection direction,
									TupleTableSlot *slot);
extern void ledger_scan_set_tidrange(TableScanDesc sscan, ItemPointer mintid,
									 ItemPointer maxtid);
extern bool ledger_scan_getnextslot_tidrange(TableScanDesc sscan,
											 ScanDirection direction,
											 TupleTableSlot *slot);
extern Size ledger_parallelscan_estimate(Relation rel);
extern Size ledger_parallelscan_initialize(Relation rel, ParallelTableScanDesc pscan);
extern void ledger_parallelscan_reinitialize(Relation rel, ParallelTableScanDesc pscan);

/* ---- slot.c ---- */

extern const TupleTableSlotOps *ledger_slot_callbacks(Relation rel);
extern void ledger_slot_set_inserted(TupleTableSlot *slot, TransactionId xmin, CommandId cid);

#endif							/* LEDGER_READ_H */
