/*-------------------------------------------------------------------------
 *
 * read_internal.h
 *	  What the files of src/read, and of src/exec above them, share.
 *
 * Rows are read in batches: the rows of a tail page, copied, or those of a
 * slot in one vector of a segment, decoded column by column when somebody asks
 * for values.  A batch is reference counted.  The scan that made it holds a
 * reference, and so does each TupleTableSlot that shows one of its rows; so a
 * TupleTableSlot's values stay valid until it is cleared, whatever the scan
 * does meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_READ_INTERNAL_H
#define LEDGER_READ_INTERNAL_H

#include "postgres.h"

#include "access/relscan.h"
#include "access/tableam.h"
#include "codec/codec.h"
#include "executor/tuptable.h"
#include "read/read.h"
#include "storage/storage.h"
#include "utils/snapshot.h"
#include "write/packed.h"
#include "write/write.h"

/* ---- cache.c ---- */

/* Bytes that are compared as they are: no padding that is not set. */
typedef struct LedgerCacheKey
{
	Oid			relid;
	LedgerFile	file;
	uint64		segment;
	BlockNumber home;
	LedgerSlotNumber primary;
} LedgerCacheKey;

extern uint64 ledger_cache_age(void);
extern Size ledger_cache_limit(void);
extern void *ledger_cache_take(const LedgerCacheKey *key, MemoryContext parent);
extern bool ledger_cache_give(const LedgerCacheKey *key, void *item, MemoryContext context,
							  bool surely);
extern bool ledger_cache_has_room(void);
extern bool ledger_cache_recall(const LedgerCacheKey *segment, uint64 offset, uint32 length,
								void *dst);
extern void ledger_cache_keep(const LedgerCacheKey *segment, uint64 offset, uint32 length,
							  const void *bytes, bool look_up);

/* ---- segread.c ---- */

/*
 * A segment opened for reading.  Column directory, gaps, chunks and xmins are
 * read when they are first asked for, and kept.  Reference counted: by the
 * batches on it, and by who opened it.  It is in the memory of who opened it;
 * with the last reference released, it goes to the backend's cache.
 */
typedef struct LedgerSegmentReader LedgerSegmentReader;

extern LedgerSegmentReader *ledger_reader_open(Relation rel, LedgerSlotNumber slot,
											   const LedgerSlotEntry *entry,
											   MemoryContext parent);
extern LedgerSegmentReader *ledger_reader_share(LedgerSegmentReader *reader);
extern void ledger_reader_release(LedgerSegmentReader *reader);
extern bool ledger_reader_is(const LedgerSegmentReader *reader,
							 const LedgerSlotEntry *entry);
extern const LedgerSegmentRoot *ledger_reader_root(const LedgerSegmentReader *reader);
extern void *ledger_reader_note(LedgerSegmentReader *reader, Size size);
extern const uint8 *ledger_reader_gaps(LedgerSegmentReader *reader, Relation rel);
extern bool ledger_reader_xids(LedgerSegmentReader *reader, Relation rel,
							   int first, int count, uint32 *xids);
extern const LedgerColumnEntry *ledger_reader_column(LedgerSegmentReader *reader,
													 Relation rel, int column);
extern int	ledger_reader_references(LedgerSegmentReader *reader, Relation rel,
									 int column, const int **references);
extern void ledger_reader_decode(LedgerSegmentReader *reader, Relation rel, int column,
								 int first, int count, const bool *wanted,
								 const LedgerDecoded *references, Datum *values, bool *isnull);
extern LedgerChunk *ledger_reader_prepare(LedgerSegmentReader *reader, Relation rel, int column);
extern LedgerChunk *ledger_reader_chunk(LedgerSegmentReader *reader, Relation rel, int column);
extern LedgerPath *ledger_reader_path(LedgerSegmentReader *reader, Relation rel, int column,
									  const LedgerPathKey *keys, int nkeys);
extern void ledger_reader_zone(LedgerSegmentReader *reader, Relation rel, int column,
							   LedgerZone *zone);
extern BlockNumber ledger_reader_block(const LedgerSegmentReader *reader);

/* Are the slot's rows in a segment? */
static inline bool
ledger_is_in_segment(const LedgerSlotEntry *entry)
{
	return entry->state == LEDGER_SLOT_SEALED || entry->state == LEDGER_SLOT_BULK_WRITTEN;
}

static inline bool
ledger_is_gap(const uint8 *gaps, int position)
{
	return gaps != NULL && (gaps[position / 8] & (1 << (position % 8))) != 0;
}

/* ---- notes.c ---- */

/* Bits for the values of a tail page, which are at most some hundreds: 256 bytes in all */
#define LEDGER_PAGE_BITS	1728

/* What is known of a column's values in a tail page. */
typedef struct LedgerPageColumn
{
	AttrNumber	attnum;
	Oid			typid;			/* a domain's base type */
	Oid			collation;
	bool		has_nulls;
	bool		has_values;		/* not NULL, and for such: */
	bool		has_zone;		/* min and max are as of LedgerZone, */
	bool		has_cuts;		/* or of LedgerCutZone */
	bool		has_bits;		/* those of all values' hashes are set */
	uint64		min;
	uint64		max;
	uint64		bits[LEDGER_PAGE_BITS / 64];
} LedgerPageColumn;

/* Compared as bytes, likewise. */
typedef struct LedgerPageKey
{
	LedgerFile	file;
	BlockNumber block;
} LedgerPageKey;

typedef struct LedgerPageNote
{
	LedgerPageKey key;
	XLogRecPtr	lsn;
	int			ncolumns;
	LedgerPageColumn *columns;
} LedgerPageNote;

extern bool ledger_takes_notes(Relation rel);
extern const LedgerPageNote *ledger_note_of(Relation rel, BlockNumber block, XLogRecPtr lsn);
extern bool ledger_note_tells(Relation rel, BlockNumber block, XLogRecPtr lsn);
extern LedgerPageNote *ledger_note_read(Relation rel, BlockNumber block, XLogRecPtr lsn);
extern void ledger_note_columns(LedgerPageNote *note, const LedgerPageColumn *columns, int n);
extern bool ledger_notes_are_full(void);
extern void ledger_notes_shrink(Size limit);
extern void ledger_notes_init(void);

/* ---- batch.c ---- */

/* A column of a segment's batch, as far as it is decoded. */
typedef struct LedgerBatchColumn
{
	Datum	   *values;			/* by row; NULL: nothing is decoded */
	bool	   *isnull;
	bool	   *done;			/* rows that are; NULL: all */
	int			start;			/* the arrays have these rows only, */
	int			end;			/* up to end - 1 */
} LedgerBatchColumn;

typedef struct LedgerBatch
{
	int			refs;
	MemoryContext context;		/* of all that is below */
	Size		kept;			/* bytes that the context keeps when it is reset */
	bool		sparse;			/* few rows will be asked for */
	Oid			relid;
	Relation	rel;			/* NULL once its scan has left the batch */
	LedgerRow	first_row;		/* row i of the batch has number first_row + i */
	int			nrows;

	/* a tail page */
	BlockNumber block;
	char	   *page;			/* copy; NULL if the batch is of a segment */
	LedgerRowDictionary *dictionary;	/* copy of the page's, or NULL */
	HeapTuple  *unpacked;		/* by row, for packed ones; NULL: not yet */

	/* a piece of a vector */
	LedgerSegmentReader *reader;
	int			position;		/* of its first row in the segment */
	TransactionId xmin;			/* for the system column */
	bool		has_cids;		/* bulk-written, not settled */
	int			ndecoded;		/* columns before this one are at hand */
	LedgerBatchColumn *columns;
	struct LedgerBatchInput *inputs;	/* src/exec: values of paths */
} LedgerBatch;

extern LedgerBatch *ledger_batch_renew(LedgerBatch *batch, MemoryContext parent,
									   Relation rel);
extern LedgerBatch *ledger_batch_again(const LedgerBatch *batch, MemoryContext parent);
extern void ledger_batch_release(LedgerBatch *batch);
extern void ledger_batch_leave(LedgerBatch *batch);
extern void ledger_batch_set_segment(LedgerBatch *batch, LedgerSegmentReader *reader,
									 const LedgerSlotEntry *entry, LedgerRow first_row,
									 int position, int nrows);
extern void ledger_batch_set_page(LedgerBatch *batch, BlockNumber block,
								  LedgerRow first_row, Page page);
extern HeapTuple ledger_batch_unpack(LedgerBatch *batch, int row);
extern int	ledger_batch_decode(LedgerBatch *batch, TupleDesc desc, int natts);
extern const LedgerBatchColumn *ledger_batch_column(LedgerBatch *batch, TupleDesc desc, int column,
													const uint16 *rows, int nrows);
extern CommandId ledger_batch_cid(LedgerBatch *batch, int row);
extern Relation ledger_borrow_relation(Relation rel, Oid relid, bool *opened);
extern HeapTupleHeader ledger_page_tuple(Relation rel, BlockNumber block, Page page,
										 OffsetNumber offset, uint32 *len);
extern void ledger_check_tuple(Relation rel, BlockNumber block, HeapTupleHeader header,
							   uint32 len);

/* ---- slot.c ---- */

/*
 * Our TupleTableSlot.  It holds nothing, or virtual values as anybody may
 * store them, or a row: a tuple of its own, or row "row" of a batch.
 */
typedef struct LedgerTupleTableSlot
{
	TupleTableSlot base;
	char	   *data;			/* values made its own by materialize */
	LedgerBatch *batch;			/* a reference, or NULL */
	int			row;			/* in the batch */
	HeapTuple	tuple;			/* of its own, or NULL */
	HeapTupleHeader header;		/* tuple to deform, in batch or own, or NULL */
	uint32		len;			/* of that */
	uint32		off;			/* how far it is deformed */
	Oid			relid;
	BlockNumber block;			/* where the tuple is from, for errors */
	LedgerRow	rownum;
	bool		has_xmin;		/* the two below are set */
	TransactionId xmin;
	CommandId	cid;
} LedgerTupleTableSlot;

extern const TupleTableSlotOps LedgerSlotOps;

extern void ledger_slot_show_row(TupleTableSlot *slot, LedgerBatch *batch, int row);
extern void ledger_slot_show_tuple(TupleTableSlot *slot, Relation rel, LedgerRow row,
								   BlockNumber block, HeapTuple tuple,
								   TransactionId xmin, CommandId cid);
extern void ledger_slot_show_nothing(TupleTableSlot *slot, Relation rel, LedgerRow row,
									 TransactionId xmin);

/* ---- visible.c ---- */

/* By which rule rows are looked at. */
StaticAssertDecl(MaxHeapTuplesPerPage <= LEDGER_VECTOR_ROWS,
				 "a batch must have room for a page's rows");

typedef enum LedgerRule
{
	LEDGER_RULE_SNAPSHOT,		/* the snapshot's */
	LEDGER_RULE_ANALYZE,		/* committed, or own */
	LEDGER_RULE_BUILD			/* all that are not surely dead */
} LedgerRule;

typedef enum LedgerSeen
{
	LEDGER_SEEN_NONE,			/* no row */
	LEDGER_SEEN_ALL,			/* all rows but gaps */
	LEDGER_SEEN_BY_XMIN,		/* look at each row's xmin */
	LEDGER_SEEN_BY_CID,			/* own: look at each row's command id */
	LEDGER_SEEN_UNWRITTEN		/* rows are there, without data */
} LedgerSeen;

/* What can be said of a slot's rows together, unless it is a tail run. */
typedef struct LedgerVerdict
{
	LedgerSeen	seen;
	bool		own;			/* of the current transaction */
	bool		dead;			/* no snapshot will ever see its rows */
	TransactionId inserter;		/* in progress, for a dirty snapshot, or none */
} LedgerVerdict;

extern void ledger_check_snapshot(Relation rel, Snapshot snapshot);
extern void ledger_judge_slot(Relation rel, LedgerSlotNumber slot, LedgerSlotEntry *entry,
							  LedgerRule rule, Snapshot snapshot, LedgerVerdict *verdict);
extern bool ledger_xmin_visible(Relation rel, TransactionId xmin, Snapshot snapshot);
extern bool ledger_tail_visible(Relation rel, HeapTuple tuple, Buffer buffer,
								LedgerRule rule, Snapshot snapshot, bool *dead);
extern void ledger_read_entry_again(Relation rel, LedgerSlotNumber slot,
									LedgerSlotEntry *entry);

/* ---- scan.c ---- */

/*
 * Asked before a segment's rows are looked at: of the "count" rows from
 * "position" on, how many, the first ones, need not be.
 */
typedef int (*LedgerSkip) (void *arg, LedgerSegmentReader *reader, int position, int count);

/* Can no row of a tail page, as it is at this LSN, be wanted? */
typedef bool (*LedgerSkipPage) (void *arg, BlockNumber block, XLogRecPtr lsn);

typedef struct LedgerScan
{
	TableScanDescData base;
	MemoryContext context;		/* that the scan was begun in */
	LedgerRule	rule;
	LedgerSlotNumber nslots;	/* as the scan began */
	LedgerRow	start;			/* rows to look at: start .. end - 1 */
	LedgerRow	end;

	/* the slot looked at last */
	LedgerSlotNumber slot;		/* LEDGER_NO_SLOT if none */
	LedgerSlotEntry entry;
	LedgerVerdict verdict;
	bool		map_valid;
	LedgerRunMap *map;
	LedgerSegmentReader *reader;

	/* sealed slots whose entries have been read ahead: see scan.c */
	LedgerSlotNumber ahead_slot;	/* the first */
	int			nahead;
	struct LedgerAhead *ahead;

	/* the rows looked at last, and those of them to be returned */
	bool		loaded;
	LedgerRow	low;			/* row numbers covered, both inclusive */
	LedgerRow	high;
	LedgerBatch *batch;
	int			nvisible;
	int			current;		/* index in visible[] */
	double		dead;			/* rows counted as dead, for ANALYZE */
	uint16		visible[LEDGER_VECTOR_ROWS];	/* rows of the batch */

	/* src/exec: what it need not see, when it scans forward */
	LedgerSkip	skip;
	LedgerSkipPage skip_page;
	void	   *skip_arg;
	XLogRecPtr	page_lsn;		/* with skip_page: of the tail page looked at last */

	/* dirty snapshots: what they are told, by index in visible[] */
	struct LedgerDirty *dirty;

	/* sample.c */
	struct LedgerAnalyze *analyze;
	BlockNumber sample_block;	/* logical block sampled now or last */

	/* bitmap.c: the rows of a logical block that are asked for */
	LedgerRow	bitmap_row;		/* of the block's first row */
	int			bitmap_next;	/* index of the next row not looked at */
	bool		bitmap_single;	/* few rows: decode them one by one */
	bool		bitmap_wanted[LEDGER_TID_ROWS];
} LedgerScan;

extern void ledger_scan_load(LedgerScan *scan, LedgerRow row, LedgerRow low,
							 LedgerRow high);
extern void ledger_scan_show(LedgerScan *scan, int index, TupleTableSlot *slot);
extern bool ledger_scan_next_batch(LedgerScan *scan, bool forward);
extern int	ledger_scan_find(const LedgerScan *scan, LedgerRow row);
extern void ledger_scan_forget_slot(LedgerScan *scan);
extern bool ledger_scan_sees_all(LedgerScan *scan);

/* ---- fetch.c ---- */

extern void ledger_fetch_sealed(Relation rel, LedgerRow row, TupleTableSlot *slot);

#endif							/* LEDGER_READ_INTERNAL_H */
