/*-------------------------------------------------------------------------
 *
 * storage.h
 *	  The relation's blocks: formats, and the functions that know them.
 *
 * This layer knows blocks; it knows neither columns nor snapshots.  The
 * protocol (what is locked when, why a concurrent reader is safe, what a crash
 * leaves behind) is told in src/README.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_STORAGE_H
#define LEDGER_STORAGE_H

#include "postgres.h"

#include "access/htup_details.h"
#include "access/itup.h"
#include "access/transam.h"
#include "port/pg_crc32c.h"
#include "storage/block.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"

/* ---- Row numbers, slots, TIDs ---- */

/* Position of an entry in its relation; never reused. */
typedef uint64 LedgerRow;

typedef uint32 LedgerSlotNumber;

#define LEDGER_SLOT_SHIFT		13
#define LEDGER_SLOT_ROWS		(1 << LEDGER_SLOT_SHIFT)
#define LEDGER_TID_ROWS			256 /* rows of one logical block */
#define LEDGER_MAX_SLOTS		((LedgerSlotNumber) ((1U << 27) - 1))
#define LEDGER_NO_SLOT			((LedgerSlotNumber) 0xFFFFFFFF)

#define LedgerRowSlot(row)		((LedgerSlotNumber) ((row) >> LEDGER_SLOT_SHIFT))
#define LedgerRowOffset(row)	((int) ((row) & (LEDGER_SLOT_ROWS - 1)))
#define LedgerMakeRow(slot, offset) \
	(((LedgerRow) (slot) << LEDGER_SLOT_SHIFT) + (offset))

static inline void
LedgerRowToTid(LedgerRow row, ItemPointer tid)
{
	ItemPointerSet(tid, (BlockNumber) (row / LEDGER_TID_ROWS),
				   (OffsetNumber) (row % LEDGER_TID_ROWS + 1));
}

/* Whether a TID can be one of a ledger's at all. */
static inline bool
LedgerTidIsSane(ItemPointer tid)
{
	OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(tid);

	return offset >= 1 && offset <= LEDGER_TID_ROWS;
}

static inline LedgerRow
LedgerTidToRow(ItemPointer tid)
{
	return (LedgerRow) ItemPointerGetBlockNumberNoCheck(tid) * LEDGER_TID_ROWS +
		ItemPointerGetOffsetNumberNoCheck(tid) - 1;
}

StaticAssertDecl(MaxHeapTuplesPerPage >= LEDGER_TID_ROWS,
				 "ledger needs a block size of 8 kB or more");

/* ---- Tags ---- */

#define LEDGER_MAGIC			0x4C47	/* "GL" */
#define LEDGER_FORMAT_VERSION	1

typedef enum LedgerBlockKind
{
	LEDGER_BLOCK_META = 1,
	LEDGER_BLOCK_ROOT,			/* names directory pages */
	LEDGER_BLOCK_DIRECTORY,
	LEDGER_BLOCK_RUNMAP,
	LEDGER_BLOCK_TAIL,
	LEDGER_BLOCK_OVERFLOW,
	LEDGER_BLOCK_SEGMENT,		/* a segment's stream */
	LEDGER_BLOCK_SEGROOT,		/* a segment's first block */
	LEDGER_BLOCK_XMIN,			/* a segment's xmins, until it is frozen */
	LEDGER_BLOCK_DICTIONARY		/* rows that tail rows are compressed against */
} LedgerBlockKind;

/*
 * The special area of every block (24 bytes): what the block is, and whose.
 *
 * kind			slot						position				segment
 * ROOT			first slot it leads to		0, or LEDGER_MOVED		0
 * DIRECTORY	first slot it describes		0, or LEDGER_MOVED		0
 * RUNMAP		its run's slot				0						0
 * TAIL			its run's slot				offset in the slot		0
 *											of its first row
 * OVERFLOW		slot of its row's run		index in its chain		0
 * SEGMENT		segment's primary slot		index in the stream		id
 * SEGROOT		segment's primary slot		0						id
 * XMIN			segment's primary slot		index in the stream		id
 * DICTIONARY	0							index in it				number
 */
typedef struct LedgerTag
{
	uint16		magic;
	uint8		version;
	uint8		kind;
	uint32		dictionary;		/* TAIL: number of its dictionary, or 0 */
	uint32		slot;
	uint32		position;
	uint64		segment;
} LedgerTag;

/* What this page was is in another block now. */
#define LEDGER_MOVED			1

#define LEDGER_PAGE_PAYLOAD \
	(BLCKSZ - SizeOfPageHeaderData - MAXALIGN(sizeof(LedgerTag)))

/* Size of the biggest tuple that fits in an empty tail page. */
#define LEDGER_MAX_TAIL_TUPLE \
	MAXALIGN_DOWN(BLCKSZ - MAXALIGN(SizeOfPageHeaderData + sizeof(ItemIdData)) - \
				  MAXALIGN(sizeof(LedgerTag)))

#define LedgerPageContents(page)	((char *) (page) + SizeOfPageHeaderData)

/*
 * What the header of a segment's root has where heap's pages have an xid.  No user
 * writes there, so that nothing stored in another block can pass for a root.
 */
#define LEDGER_ROOT_MARK		0x4C475352

static inline bool
ledger_page_is_root(Page page)
{
	return ((PageHeader) page)->pd_prune_xid == LEDGER_ROOT_MARK;
}

/* ---- Slot directory ---- */

typedef enum LedgerSlotState
{
	LEDGER_SLOT_FREE = 0,		/* not allotted */
	LEDGER_SLOT_TAIL,			/* open tail run */
	LEDGER_SLOT_CLOSED,			/* tail run that takes no more rows */
	LEDGER_SLOT_SEALED,			/* rows are in a segment, all committed */
	LEDGER_SLOT_BULK_OPEN,		/* rows are in the inserting backend's memory */
	LEDGER_SLOT_BULK_WRITTEN,	/* rows are in a segment, of one transaction */
	LEDGER_SLOT_DEAD			/* no row is left */
} LedgerSlotState;

/* Every snapshot sees the slot's rows; their xmins are gone. */
#define LEDGER_ENTRY_FROZEN			0x01
/* All rows have xmin newest_xid; there are no xmin blocks, or they are free. */
#define LEDGER_ENTRY_ONE_XMIN		0x02
/* There are gaps (rows of aborted transactions) in it. */
#define LEDGER_ENTRY_GAPS			0x04
/* Indexes may still point to its gaps. */
#define LEDGER_ENTRY_INDEX_VACUUM	0x08

/*
 * A slot's entry (64 bytes), changed only under its page's exclusive lock.
 * "segment" tells which segment holds the slot's rows, and so which blocks
 * are in use; ids are never reused, which makes it the entry's generation.
 */
typedef struct LedgerSlotEntry
{
	uint8		state;
	uint8		flags;
	uint16		nrows;			/* CLOSED and later: row numbers in use */
	BlockNumber home;			/* run map page, or segment's root block */
	uint32		first;			/* position of its first row in the segment */
	uint32		primary;		/* slot that the segment's tags name */
	uint64		segment;		/* published segment; BULK_OPEN: to be written */
	uint64		pending;		/* segment that a sealer is writing */
	uint64		oldest_xid;		/* FullTransactionId; BULK_*: the inserter */
	uint64		newest_xid;		/* likewise */
	uint16		live;			/* SEALED, BULK_WRITTEN: rows without gaps */
	uint16		unused;
	uint32		hash;			/* room for a content hash */
	uint32		allotted;		/* when, in seconds since 2000-01-01 */
	pg_crc32c	crc;			/* of the entry so far, seeded by slot number */
} LedgerSlotEntry;

StaticAssertDecl(sizeof(LedgerSlotEntry) == 64, "slot entries have 64 bytes");

#define LEDGER_ENTRIES_PER_PAGE	126
#define LEDGER_META_DIRECTORIES	512 /* directory pages named in the metapage */
#define LEDGER_ROOT_DIRECTORIES	2000	/* directory pages named in a root page */
#define LEDGER_META_ROOTS		600

/* ---- Metapage ---- */

#define LEDGER_MAX_LANES		8

typedef struct LedgerLane
{
	LedgerSlotNumber slot;		/* open run, or LEDGER_NO_SLOT */
	BlockNumber runmap;
} LedgerLane;

/* What is counted in the metapage of published segments. */
typedef struct LedgerTotals
{
	uint64		segments;
	uint64		slots;			/* sealed or bulk-written */
	uint64		entries;		/* without gaps */
	uint64		raw_bytes;
	uint64		blocks;			/* all blocks of all segments */
} LedgerTotals;

#define LEDGER_DICTIONARY_BLOCKS	3
#define LEDGER_META_DICTIONARIES	4

/* A dictionary: see src/write/dictionary.c. */
typedef struct LedgerDictionaryPlace
{
	uint32		number;			/* never given to another; 0: none here */
	LedgerSlotNumber until;		/* no page of this slot or a later one names it */
	uint32		length;			/* bytes */
	pg_crc32c	crc;			/* of these */
	BlockNumber blocks[LEDGER_DICTIONARY_BLOCKS];	/* as many as it takes */
} LedgerDictionaryPlace;

/* Columns whose widths are kept, and the values that a mean is of, at the most */
#define LEDGER_META_WIDTHS		128
#define LEDGER_WIDTH_VALUES_MAX 1e9f

/* How wide a column's values are: see write/widths.c. */
typedef struct LedgerMetaWidth
{
	float4		nvalues;		/* that the mean is of */
	float4		mean;			/* bytes */
} LedgerMetaWidth;

/* Whether that is known; no checksum covers it. */
static inline bool
ledger_width_known(const LedgerMetaWidth *width)
{
	return width->nvalues > 0 && width->nvalues <= LEDGER_WIDTH_VALUES_MAX &&
		width->mean > 0 && width->mean <= MaxAllocSize;
}

typedef struct LedgerMetaData
{
	uint32		magic;
	uint32		version;
	LedgerSlotNumber next_slot;
	uint32		nlanes;
	uint64		next_segment;
	LedgerLane	lanes[LEDGER_MAX_LANES];
	LedgerTotals totals;
	uint32		closed_slots;	/* runs closed and not sealed yet */
	uint32		seal_from;		/* no slot below it is left to seal */
	uint32		options;		/* none so far */
	uint32		next_dictionary;	/* number of the next one, less 1 */
	uint64		swept_segment;	/* next_segment and next_slot when VACUUM last */
	LedgerSlotNumber swept_slot;	/* looked at every block's tag */
	/* the first is the one for new pages, the others are still in use */
	LedgerDictionaryPlace dictionaries[LEDGER_META_DICTIONARIES];
	pg_crc32c	crc;			/* of all the above */
	BlockNumber directories[LEDGER_META_DIRECTORIES];
	BlockNumber roots[LEDGER_META_ROOTS];
	LedgerMetaWidth widths[LEDGER_META_WIDTHS];
	uint64		width_rows;		/* of the segments that the widths are of */
} LedgerMetaData;

StaticAssertDecl(sizeof(LedgerMetaData) <= LEDGER_PAGE_PAYLOAD,
				 "metapage does not fit");

/* ---- Run map ---- */

typedef struct LedgerRunMapItem
{
	BlockNumber block;
	uint16		first;			/* offset in the slot of the page's first row */
	uint16		unused;
} LedgerRunMapItem;

#define LEDGER_RUNMAP_ITEMS		1000

/*
 * A run holds at most so many tail pages, which bounds its raw bytes at 8 MB;
 * rows that overflow are counted apart.
 */
typedef struct LedgerRunMap
{
	uint32		nitems;
	uint32		closed;			/* takes no more pages */
	uint64		overflow_bytes; /* raw bytes of rows in overflow blocks */
	LedgerRunMapItem items[LEDGER_RUNMAP_ITEMS];
} LedgerRunMap;

StaticAssertDecl(sizeof(LedgerRunMap) <= LEDGER_PAGE_PAYLOAD,
				 "run map does not fit");

/* Raw bytes beyond which a run, a bulk buffer or a segment is cut. */
#define LEDGER_SEGMENT_RAW_BYTES	(32 * 1024 * 1024)

/* ---- Overflow ---- */

/*
 * The data of a tail tuple whose row is in overflow blocks.  Such a tuple has
 * no attributes (natts 0) and exactly these bytes from t_hoff on; a row of a
 * table without columns has none.  Xmin and command id are the stub's own.
 */
typedef struct LedgerOverflowStub
{
	BlockNumber first;			/* head of the chain */
	pg_crc32c	crc;			/* of the row's bytes */
	uint32		length;			/* t_len of the whole tuple */
	uint32		slot;			/* that the chain's tags name */
} LedgerOverflowStub;

/* Contents of an overflow block, before the bytes of the row's tuple. */
typedef struct LedgerOverflowHeader
{
	BlockNumber next;			/* InvalidBlockNumber at the end */
	uint32		length;			/* bytes here */
} LedgerOverflowHeader;

/* ---- Segments ---- */

typedef struct LedgerExtent
{
	BlockNumber start;
	uint32		count;
} LedgerExtent;

/* A slot of a segment: its rows are positions first .. first + nrows - 1. */
typedef struct LedgerSegmentSlot
{
	LedgerSlotNumber slot;
	uint32		first;
	uint32		nrows;
} LedgerSegmentSlot;

#define LEDGER_SEGMENT_SLOTS	192	/* at most, in one segment */
#define LEDGER_SEGMENT_EXTENTS	700 /* at most, streams of both kinds together */

/*
 * The contents of a segment's root block, followed by LedgerExtent
 * extents[nextents] of the data stream, extents[nxmin_extents] of the xmin
 * stream, LedgerSegmentSlot slots[nslots], and the data stream's last
 * inline_bytes bytes, if these have room here and do not fill a block: the column
 * directory, or as much of it as that is, before the rest.
 *
 * The data stream holds the column chunks but for their headers, then the gap
 * bitmap (one bit a position, set for a gap; absent without gaps), then these
 * headers, then the column directory: LedgerColumnEntry[ncolumns].  The xmin
 * stream holds a chunk (see codec.h) of int4 xmins (0 for a gap), or, in a
 * bulk-written segment whose rows come from several commands, a chunk of int4
 * command ids; it is absent where all are the same.  Its blocks are free once the
 * slots are frozen, or, for a bulk-written segment, sealed.
 */
typedef struct LedgerSegmentRoot
{
	uint32		magic;
	uint16		version;
	uint16		ncolumns;
	uint64		segment;
	LedgerSlotNumber primary;
	uint32		nrows;			/* positions */
	uint16		nslots;
	uint16		nextents;
	uint16		nxmin_extents;
	uint16		inline_bytes;	/* the data stream's last, in the root block */
	uint32		gaps;
	CommandId	cid;			/* bulk-written: the rows' if all have one */
	uint64		raw_bytes;		/* of the rows' data, uncompressed */
	uint64		data_bytes;		/* length of the data stream */
	uint64		xmin_bytes;		/* length of the xmin stream */
	uint64		gaps_offset;	/* in the data stream */
	uint64		directory_offset;	/* in the data stream */
	pg_crc32c	gaps_crc;
	pg_crc32c	directory_crc;
	uint8		hash[32];		/* room for a hash chain */
	pg_crc32c	crc;			/* of root with crc = 0, extents and slots */
	uint32		unused2;
} LedgerSegmentRoot;

StaticAssertDecl(sizeof(LedgerSegmentRoot) +
				 LEDGER_SEGMENT_EXTENTS * sizeof(LedgerExtent) +
				 LEDGER_SEGMENT_SLOTS * sizeof(LedgerSegmentSlot) <= LEDGER_PAGE_PAYLOAD,
				 "segment root does not fit");

/* One column of a segment, as it was when the segment was written. */
typedef struct LedgerColumnEntry
{
	uint64		offset;			/* of the chunk in the data stream, but for the header */
	uint64		length;			/* of all; 0: every value is NULL */
	uint64		header_offset;	/* of the header in the data stream */
	Oid			typid;			/* InvalidOid for a dropped column */
	Oid			collation;
	int16		attlen;
	uint8		attbyval;
	char		attalign;
	uint32		base;			/* column that the chunk's references count from */
	uint32		filter_blocks;	/* of the chunk's Bloom filter; 0: none */
	uint32		filter_behind;	/* bytes of the chunk that follow that */
	uint32		header_length;
	uint32		nvalues;		/* that are not NULL */
	uint64		value_bytes;	/* of these as a heap has them, if by reference */
} LedgerColumnEntry;

/*
 * Where in the data stream "len" bytes of a column's chunk are, or false if it
 * has not so many there.
 */
static inline bool
ledger_column_place(const LedgerColumnEntry *entry, uint64 offset, size_t len, uint64 *place)
{
	uint64		body = entry->length - entry->header_length;
	bool		in_header = offset >= body;
	uint64		start = in_header ? offset - body : offset;
	uint64		size = in_header ? entry->header_length : body;

	*place = (in_header ? entry->header_offset : entry->offset) + start;
	return entry->header_length <= entry->length && start <= size && len <= size - start;
}

static inline pg_crc32c
ledger_checksum(const void *data, size_t length)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, data, length);
	FIN_CRC32C(crc);
	return crc;
}

/* ---- block.c ---- */

extern void ledger_page_init(Page page, LedgerBlockKind kind,
							 LedgerSlotNumber slot, uint32 position, uint64 segment);
extern LedgerTag *ledger_page_tag(Page page);
extern bool ledger_tag_is(Page page, LedgerBlockKind kind, LedgerSlotNumber slot,
						  uint32 position, uint64 segment);
extern bool ledger_tag_says(Page page, LedgerBlockKind kind, LedgerSlotNumber slot,
							uint32 position, uint64 segment);
extern bool ledger_copy_tag(Page page, LedgerTag *copy);
extern void ledger_corrupt(Relation rel, BlockNumber block, const char *detail,...)
			pg_attribute_noreturn() pg_attribute_printf(3, 4);
extern Buffer ledger_read_block(Relation rel, BlockNumber block);
extern void ledger_check_tag(Relation rel, Buffer buffer, LedgerBlockKind kind,
							 LedgerSlotNumber slot);

/* ---- meta.c ---- */

extern bool ledger_read_meta(Relation rel, LedgerMetaData *meta);
extern Buffer ledger_lock_meta(Relation rel, int mode);
extern Buffer ledger_lock_meta_if_any(Relation rel, int mode);
extern LedgerMetaData *ledger_meta_of(Relation rel, Buffer buffer, Page page);
extern void ledger_meta_set_crc(LedgerMetaData *meta);
extern LedgerSlotNumber ledger_slot_count(Relation rel);
extern int	ledger_dictionary_blocks(const LedgerMetaData *meta);

/* ---- directory.c ---- */

extern bool ledger_read_entry(Relation rel, LedgerSlotNumber slot, LedgerSlotEntry *entry);
extern int	ledger_read_entries(Relation rel, LedgerSlotNumber slot, int count,
								LedgerSlotEntry *entries);
extern BlockNumber ledger_directory_block(Relation rel, LedgerSlotNumber slot);
extern Buffer ledger_lock_directory(Relation rel, BlockNumber block, int mode);
extern bool ledger_same_directory(LedgerSlotNumber a, LedgerSlotNumber b);
extern LedgerSlotEntry *ledger_entry_of(Relation rel, Buffer buffer, Page page,
										LedgerSlotNumber slot);
extern void ledger_entry_set_crc(LedgerSlotEntry *entry, LedgerSlotNumber slot);
extern void ledger_ensure_directory(Relation rel, LedgerSlotNumber slot);
extern uint32 ledger_directory_blocks(const LedgerMetaData *meta);
extern void ledger_forget_directory(Relation rel);

/* A directory page, or root page, that is to be moved. */
typedef struct LedgerDirectoryMove
{
	bool		root;
	uint32		number;
	BlockNumber from;
	BlockNumber to;				/* may be free */
} LedgerDirectoryMove;

extern int	ledger_find_directories(Relation rel, BlockNumber limit,
									LedgerDirectoryMove *moves, int most);
extern void ledger_move_directories(Relation rel, const LedgerDirectoryMove *moves, int n);

/* ---- alloc.c ---- */

#define LEDGER_ALLOC_MAX		16
extern int	ledger_alloc_blocks(Relation rel, Buffer *buffers, int n);
extern Buffer ledger_alloc_block(Relation rel);
extern Buffer ledger_extend(Relation rel);
#define LEDGER_PROVIDED_BLOCKS	8
extern void ledger_provide_blocks(Relation rel, int count);
extern void ledger_free_block(Relation rel, BlockNumber block);
extern void ledger_return_blocks(Relation rel, const Buffer *buffers, int n);
extern bool ledger_block_is_free(Relation rel, const LedgerTag *tag);
extern Buffer ledger_claim_block(Relation rel, BlockNumber block);

/* ---- runmap.c ---- */

extern bool ledger_read_runmap(Relation rel, LedgerSlotNumber slot,
							   BlockNumber home, LedgerRunMap *map);
extern int	ledger_runmap_rows_hint(Relation rel, LedgerSlotNumber slot, BlockNumber home);
extern void ledger_runmap_set_lower(Page page);
extern int	ledger_runmap_find(const LedgerRunMap *map, int offset);
extern bool ledger_runmap_fits(const LedgerRunMap *map, int index, int nrows);

/* ---- overflow.c ---- */

extern bool ledger_tuple_overflows(HeapTuple tuple);
extern void ledger_write_overflow(Relation rel, LedgerSlotNumber slot,
								  HeapTuple tuple, LedgerOverflowStub *stub);
extern HeapTuple ledger_read_overflow(Relation rel, const LedgerOverflowStub *stub);

typedef void (*LedgerBlockVisitor) (void *arg, BlockNumber block);
extern void ledger_visit_overflow(Relation rel, const LedgerOverflowStub *stub,
								  LedgerBlockVisitor visit, void *arg);

/* ---- tuple.c ---- */

extern bool ledger_item_is_sane(Page page, OffsetNumber offset);
extern bool ledger_is_stub(HeapTupleHeader header, uint32 len);
extern const char *ledger_tuple_problem(TupleDesc desc, HeapTuple tuple);

/* ---- segment.c ---- */

typedef struct LedgerSegmentWriter LedgerSegmentWriter;

extern LedgerSegmentWriter *ledger_segment_begin(Relation rel, LedgerSlotNumber primary,
												 uint64 segment);
extern LedgerSegmentWriter *ledger_segment_begin_at(Relation rel, LedgerSlotNumber primary,
													uint64 segment, const BlockNumber *blocks,
													int nblocks);
extern void ledger_segment_write(LedgerSegmentWriter *writer, const void *data, size_t len);
extern uint64 ledger_segment_offset(LedgerSegmentWriter *writer);
extern void ledger_segment_end_in_root(LedgerSegmentWriter *writer, int nslots, size_t len);
extern void ledger_segment_read_back(LedgerSegmentWriter *writer, uint64 offset,
									 size_t len, void *dst);
extern void ledger_segment_abandon(LedgerSegmentWriter *writer);
extern void ledger_segment_start_xmins(LedgerSegmentWriter *writer);
extern BlockNumber ledger_segment_finish(LedgerSegmentWriter *writer, LedgerSegmentRoot *root,
										 const LedgerSegmentSlot *slots, uint32 *nblocks);

/* A segment opened for reading: a checked copy of its root block. */
typedef struct LedgerSegment
{
	LedgerSegmentRoot root;
	BlockNumber block;			/* of the root */
	LedgerExtent *extents;		/* root.nextents of data, then the xmins' */
	uint64	   *extent_ends;	/* running count of blocks, per stream */
	LedgerSegmentSlot *slots;
	Buffer	   *recent;			/* where the data stream's blocks were found last */
	uint64		nrecent;
} LedgerSegment;

/*
 * Open the segment whose root block is "block", in CurrentMemoryContext, or
 * return NULL if that block is no longer its root: the caller reads the slot's
 * entry again, and reports corruption if that still says the same.
 */
extern LedgerSegment *ledger_segment_open(Relation rel, BlockNumber block,
										  LedgerSlotNumber primary, uint64 segment);
extern void ledger_segment_close(LedgerSegment *segment);

/*
 * The column directory, in CurrentMemoryContext, or NULL if a block is no longer the
 * segment's.
 */
extern LedgerColumnEntry *ledger_segment_directory(Relation rel, const LedgerSegment *segment);

/* How many blocks it has, of which kind ever. */
extern uint32 ledger_segment_blocks(const LedgerSegment *segment);

/*
 * Copy bytes out of one of the segment's streams.  Return false if a block is
 * no longer the segment's (as above).
 */
extern bool ledger_segment_read(Relation rel, const LedgerSegment *segment, bool xmins,
								uint64 offset, size_t len, void *dst);

/* Report that these bytes are not what they should be. */
extern void ledger_segment_corrupt(Relation rel, const LedgerSegment *segment, bool xmins,
								   uint64 offset, size_t len, const char *detail)
			pg_attribute_noreturn();

/* ---- watch.c ---- */

extern void ledger_watch_relations(RelcacheCallbackFunction watcher);

/* ---- partitions.c ---- */

extern void ledger_forget_relation(Oid relid);
extern bool ledger_told_again(Oid relid);
extern void ledger_partitions_init(void);

#endif							/* LEDGER_STORAGE_H */
