/*-------------------------------------------------------------------------
 *
 * write.h
 *	  Tail insertion, bulk writing, sealing, vacuum.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_WRITE_H
#define LEDGER_WRITE_H

#include "access/heapam.h"
#include "access/tableam.h"
#include "catalog/catalog.h"
#include "codec/codec.h"
#include "commands/vacuum.h"
#include "storage/storage.h"

/* ---- lane.c ---- */

/* Called, if set, when a run of a relation has been opened; no lock is held. */
extern void (*ledger_run_opened) (Relation rel);

extern LedgerSlotNumber ledger_prepare_slot(Relation rel);
extern uint32 ledger_close_run(Relation rel, int lane, LedgerSlotNumber slot);

/* ---- tail.c ---- */

extern HeapTuple ledger_make_stub(HeapTuple tuple, const LedgerOverflowStub *stub);
extern void ledger_tail_insert(Relation rel, HeapTuple tuple, uint64 excess,
							   int options, bool speculative, LedgerRow *row);
extern void ledger_tail_multi_insert(Relation rel, HeapTuple *tuples, const uint64 *excess,
									 int ntuples, int options, LedgerRow *rows);

/* ---- insert.c: the table AM's insertion callbacks ---- */

extern void ledger_tuple_insert(Relation rel, TupleTableSlot *slot, CommandId cid,
								int options, BulkInsertState bistate);
extern void ledger_tuple_insert_speculative(Relation rel, TupleTableSlot *slot,
											CommandId cid, int options,
											BulkInsertState bistate,
											uint32 token);
extern void ledger_tuple_complete_speculative(Relation rel, TupleTableSlot *slot,
											  uint32 token, bool succeeded);
extern void ledger_multi_insert(Relation rel, TupleTableSlot **slots, int nslots,
								CommandId cid, int options,
								BulkInsertState bistate);
extern void ledger_finish_bulk_insert(Relation rel, int options);
extern void ledger_set_header(Relation rel, HeapTuple tuple, TransactionId xid, CommandId cid);

/* ---- bulk.c ---- */

typedef struct LedgerBulkBuffer LedgerBulkBuffer;

extern LedgerBulkBuffer *ledger_bulk_target(Relation rel, int nrows);
extern LedgerRow ledger_bulk_add(Relation rel, LedgerBulkBuffer *buffer, TupleTableSlot *slot,
								 CommandId cid);

/*
 * Whether the row is in this backend's memory, and if so its command id; and
 * the row as a tuple in CurrentMemoryContext, unless "tuple" is NULL.
 */
extern bool ledger_bulk_fetch(Relation rel, LedgerRow row, CommandId *cid, HeapTuple *tuple);

/* Write out what this backend holds in memory of the relation, or of all. */
extern void ledger_bulk_flush(Relation rel);
extern void ledger_bulk_flush_all(void);
extern void ledger_bulk_forget(Relation rel);
extern void ledger_bulk_init(void);

/* ---- columns.c ---- */

typedef struct LedgerColumnRows LedgerColumnRows;

extern LedgerColumnRows *ledger_columns_begin(MemoryContext context, TupleDesc desc, int expected);
extern Size ledger_columns_put(LedgerColumnRows *rows, int row, TupleTableSlot *slot);
extern void ledger_columns_show(const LedgerColumnRows *rows, int i,
								LedgerColumnInput *column);
extern uint64 ledger_columns_raw_bytes(const LedgerColumnRows *rows);
extern HeapTuple ledger_columns_tuple(const LedgerColumnRows *rows, int row);

/* ---- publish.c ---- */

extern uint64 ledger_full_xid(TransactionId xid);
extern bool ledger_publishes_at_once(const LedgerSegmentSlot *slots, int nslots);
extern void ledger_publish_segment(Relation rel, const LedgerSegmentSlot *slots, int nslots,
								   const LedgerSlotEntry *entries,
								   const LedgerTotals *change, int closed_change);
extern void ledger_change_entry(Relation rel, LedgerSlotNumber slot,
								const LedgerSlotEntry *entry,
								const LedgerTotals *change, int closed_change);

extern void ledger_change_totals(Relation rel, const LedgerTotals *change);

extern uint64 ledger_reserve_segment(Relation rel, LedgerSlotNumber primary);
extern uint64 ledger_renew_segment(Relation rel, LedgerSlotNumber primary);
extern void ledger_forget_one_pending(Relation rel, LedgerSlotNumber primary);
extern void ledger_forget_pending(Relation rel);

/* ---- widths.c ---- */

extern void ledger_note_widths(Relation rel, const LedgerSlotEntry *entry);

/* ---- encode.c ---- */

extern void ledger_column_type(TupleDesc desc, int i, LedgerColumnType *type);

typedef struct LedgerRowSet
{
	int			nrows;			/* positions */
	HeapTuple  *tuples;			/* NULL for a gap */
	LedgerColumnRows *columns;	/* instead of tuples, without gaps */
	uint32	   *xmins;			/* NULL, or one a position (0 for a gap) */
	uint32	   *cids;			/* NULL, or one a position */
	CommandId	cid;			/* if cids is NULL */
	bool		loading;		/* somebody waits: encode quickly */
	uint64		raw_bytes;		/* filled in when written */
} LedgerRowSet;

extern BlockNumber ledger_write_segment(Relation rel, TupleDesc desc, LedgerRowSet *rows,
										LedgerSegmentWriter *writer,
										const LedgerSegmentSlot *slots, int nslots,
										uint32 *nblocks);

/*
 * Whether logical decoding reads the relation's rows from the log.  It passes
 * over those of a table that is only there to be another's new file.
 */
static inline bool
ledger_is_decoded(Relation rel)
{
	return RelationIsLogicallyLogged(rel) && !OidIsValid(rel->rd_rel->relrewrite);
}

/* ---- seal.c ---- */

typedef enum LedgerSealing
{
	LEDGER_SEAL_FULL,			/* only what fills a segment */
	LEDGER_SEAL_ALL,
	LEDGER_SEAL_LAST			/* all; the file is made smaller next */
} LedgerSealing;

extern int64 ledger_seal_some(Relation rel, LedgerSealing what);
extern void ledger_close_open_runs(Relation rel, uint32 behind);

extern ErrorData *ledger_try_work(void (*work) (void *arg), void *arg);

/* ---- settle.c ---- */

extern void ledger_settle_bulk(Relation rel);
extern void ledger_free_segment_blocks(Relation rel, const LedgerSlotEntry *entry,
									   bool xmins_only);

/* ---- options.c ---- */

#define LEDGER_OPTION_COMPRESSION	"compression"

extern const char *ledger_compression_name(LedgerCompression compression);
extern bool ledger_compression_named(const char *name, LedgerCompression *compression);
extern Oid	ledger_options_table(void);
extern Oid	ledger_partition_parent(Oid relid);
extern LedgerCompression ledger_compression_of(Oid relid);
extern LedgerCompression ledger_compression(Relation rel);
extern void ledger_options_init(void);

/* ---- due.c ---- */

/* What is in a ledger's tail, of whatever transactions. */
typedef struct LedgerTail
{
	int64		open_rows;
	int64		closed_rows;
	int64		open_bytes;		/* of blocks */
	int64		closed_bytes;
	uint32		oldest;			/* when its first slot was allotted, or 0 */
} LedgerTail;

/* Seconds since 2000-01-01, as slot entries have them */
#define ledger_seconds(timestamp)	((uint32) ((timestamp) / USECS_PER_SEC))

extern void ledger_look_at_tail(Relation rel, LedgerTail *tail);
extern TransactionId ledger_find_holder(Relation rel);
extern int64 ledger_seal_part(Relation rel, bool first, LedgerSealing what);

/* ---- move.c ---- */

typedef struct LedgerMover LedgerMover;

extern uint32 ledger_blocks_in_use(const LedgerSlotEntry *entry, const LedgerSegment *segment);

extern LedgerMover *ledger_mover_begin(Relation rel, BlockNumber target);
extern bool ledger_mover_prepare(LedgerMover *mover);
extern bool ledger_mover_run(LedgerMover *mover, bool yield);

#define LEDGER_MOVE_DIRECTORIES	64	/* pages, at most, while the lock is held */

extern int	ledger_prepare_directories(Relation rel, BlockNumber limit,
									   LedgerDirectoryMove *moves);

/* ---- shrink.c ---- */

/* What VACUUM knows of a relation's blocks. */
typedef struct LedgerSpace
{
	Relation	rel;
	BufferAccessStrategy strategy;
	uint64		tail_blocks;	/* in use by tail runs */
	bool		active;			/* something happened since the last VACUUM */
	bool		moved;			/* segments, to lower blocks */
	bool		unfinished;		/* there may be more to give back */
	uint64		swept_segment;	/* next ones when blocks were looked at */
	LedgerSlotNumber swept_slot;
} LedgerSpace;

extern bool ledger_lock_for_changes(Relation rel);
extern uint64 ledger_expected_blocks(LedgerSpace *space);
extern void ledger_sweep(LedgerSpace *space);
extern void ledger_remember_sweep(LedgerSpace *space);
extern void ledger_give_back(LedgerSpace *space);
extern bool ledger_has_space_to_give(Relation rel);
extern void ledger_give_space(Relation rel);
extern void ledger_shrink(Relation rel);

/* ---- pace.c ---- */

extern void ledger_pace_begin(Relation rel, uint32 closed_slots);
extern long ledger_pace_end(void);
extern void ledger_pace_sleep(long ms);
extern void ledger_give_way(void);

/* ---- worker.c ---- */

/* Closed runs of which a segment is made. */
#define LEDGER_WAKE_AT_RUNS		8

/* Called, if set, when the sealer has sealed entries, or has met an error. */
extern void (*ledger_note_sealed) (Oid relid, int64 entries, const char *error);

extern void ledger_wake_sealer(Relation rel, uint32 closed_slots);
extern bool ledger_has_sealer(Relation rel);

/* How often a sealer looks whether it must leave its database. */
#define LEDGER_LEAVE_CHECK_MS	500
extern void ledger_leave_unwanted(void);

/* ---- vacuum.c ---- */

extern void ledger_relation_vacuum(Relation rel, struct VacuumParams *params,
								   BufferAccessStrategy bstrategy);

/* Whether a relation's table AM is this one. */
static inline bool
ledger_is_ledger(Relation rel)
{
	return rel->rd_tableam != NULL &&
		rel->rd_tableam->relation_vacuum == ledger_relation_vacuum;
}

#endif							/* LEDGER_WRITE_H */
