/*-------------------------------------------------------------------------
 *
 * sample.c
 *	  TABLESAMPLE and ANALYZE.
 *
 * TABLESAMPLE takes logical blocks (of 256 row numbers) for blocks.
 *
 * ANALYZE counts physical blocks, and wants to see of each block in its sample
 * what it finds there.  Physical blocks of a segment say nothing, so the rows
 * in use are laid out evenly over the blocks instead: if the relation has N
 * blocks and T row numbers are in use, block b stands for the rows in places
 * b*T/N to (b+1)*T/N among these.  So the rows seen, divided by the blocks
 * sampled, times N, is the number of rows, as for heap.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tsmapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "read/read_internal.h"
#ifdef LEDGER_ANALYZE_STREAM
#include "storage/read_stream.h"
#endif
#include "utils/memutils.h"

/* ---- TABLESAMPLE ---- */

bool
ledger_scan_sample_next_block(TableScanDesc sscan, struct SampleScanState *scanstate)
{
	LedgerScan *scan = (LedgerScan *) sscan;
	TsmRoutine *tsm = scanstate->tsmroutine;
	BlockNumber nblocks = (BlockNumber) (LedgerMakeRow(scan->nslots, 0) / LEDGER_TID_ROWS);
	BlockNumber block;

	if (nblocks == 0)
		return false;
	if (tsm->NextSampleBlock != NULL)
		block = tsm->NextSampleBlock(scanstate, nblocks);
	else if (scan->sample_block == InvalidBlockNumber)
		block = 0;
	else if (scan->sample_block + 1 < nblocks)
		block = scan->sample_block + 1;
	else
		block = InvalidBlockNumber;

	scan->sample_block = block;
	if (BlockNumberIsValid(block) && block >= nblocks)
		elog(ERROR, "sampling method asks for block %u of %u", block, nblocks);
	return BlockNumberIsValid(block);
}

bool
ledger_scan_sample_next_tuple(TableScanDesc sscan, struct SampleScanState *scanstate,
							  TupleTableSlot *slot)
{
	LedgerScan *scan = (LedgerScan *) sscan;
	TsmRoutine *tsm = scanstate->tsmroutine;
	LedgerRow	low = (LedgerRow) scan->sample_block * LEDGER_TID_ROWS;

	for (;;)
	{
		OffsetNumber offset = tsm->NextSampleTuple(scanstate, scan->sample_block,
												   LEDGER_TID_ROWS);
		LedgerRow	row;
		int			index;

		if (!OffsetNumberIsValid(offset))
			break;
		if (offset > LEDGER_TID_ROWS)
			continue;
		row = low + offset - 1;
		if (!scan->loaded || row < scan->low || row > scan->high)
		{
			ExecClearTuple(slot);
			ledger_scan_load(scan, row, low, low + LEDGER_TID_ROWS - 1);
		}
		index = ledger_scan_find(scan, row);
		if (index >= 0)
		{
			ledger_scan_show(scan, index, slot);
			pgstat_count_heap_getnext(sscan->rs_rd);
			return true;
		}
	}
	ExecClearTuple(slot);
	return false;
}

/* ---- ANALYZE ---- */

/* Places are counted at the start of so many groups of slots, at most. */
#define ANALYZE_GROUPS	65536

typedef struct LedgerAnalyze
{
	BlockNumber nblocks;		/* physical, as the scan began */
	uint32		group_slots;	/* slots in a group */
	uint32		ngroups;
	uint64		total;			/* places */

	/* the places still to be looked at for the block at hand */
	uint64		place;
	uint64		end;

	/* the slot that holds "place" */
	LedgerSlotNumber slot;		/* LEDGER_NO_SLOT if not looked for yet */
	uint64		slot_place;		/* of its first row */
	int			slot_rows;

	uint64		first[FLEXIBLE_ARRAY_MEMBER];	/* place of each group's first row */
} LedgerAnalyze;

/* Row numbers in use in a tail run. */
static int
tail_rows(Relation rel, LedgerSlotNumber slot, BlockNumber home, LedgerRunMap *map)
{
	const LedgerRunMapItem *last;
	Buffer		buffer;
	int			rows = -1;

	if (!ledger_read_runmap(rel, slot, home, map))
		return -1;
	if (map->nitems == 0)
		return 0;
	last = &map->items[map->nitems - 1];
	buffer = ledger_read_block(rel, last->block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (ledger_tag_is(BufferGetPage(buffer), LEDGER_BLOCK_TAIL, slot, last->first, 0))
		rows = last->first + PageGetMaxOffsetNumber(BufferGetPage(buffer));
	UnlockReleaseBuffer(buffer);
	return Min(rows, LEDGER_SLOT_ROWS);
}

/* Row numbers in use in a slot that have blocks. */
static int
slot_rows(Relation rel, LedgerSlotNumber slot, LedgerRunMap *map)
{
	LedgerSlotEntry entry;

	if (!ledger_read_entry(rel, slot, &entry))
		return 0;
	for (;;)
	{
		int			rows;

		switch ((LedgerSlotState) entry.state)
		{
			case LEDGER_SLOT_TAIL:
				rows = tail_rows(rel, slot, entry.home, map);
				if (rows >= 0)
					return rows;
				break;
			case LEDGER_SLOT_CLOSED:
			case LEDGER_SLOT_SEALED:
			case LEDGER_SLOT_BULK_WRITTEN:
				return entry.nrows;
			default:
				return 0;
		}
		ledger_read_entry_again(rel, slot, &entry);
	}
}

static LedgerAnalyze *
begin_analyze(LedgerScan *scan)
{
	Relation	rel = scan->base.rs_rd;
	uint32		group_slots = scan->nslots / ANALYZE_GROUPS + 1;
	uint32		ngroups = (scan->nslots + group_slots - 1) / group_slots;
	LedgerRunMap *map = palloc(sizeof(LedgerRunMap));
	LedgerAnalyze *analyze;

	analyze = MemoryContextAllocZero(scan->context, offsetof(LedgerAnalyze, first) +
									 ngroups * sizeof(uint64));
	analyze->nblocks = RelationGetNumberOfBlocks(rel);
	analyze->group_slots = group_slots;
	analyze->ngroups = ngroups;
	for (LedgerSlotNumber slot = 0; slot < scan->nslots; slot++)
	{
		CHECK_FOR_INTERRUPTS();
		if (slot % group_slots == 0)
			analyze->first[slot / group_slots] = analyze->total;
		analyze->total += slot_rows(rel, slot, map);
	}
	pfree(map);
	return analyze;
}

/* The first place of a block: its number times total / nblocks. */
static uint64
block_place(const LedgerAnalyze *analyze, BlockNumber block)
{
	uint64		each = analyze->total / analyze->nblocks;
	uint64		rest = analyze->total % analyze->nblocks;

	return each * block + rest * block / analyze->nblocks;
}

static void
analyze_block(LedgerScan *scan, BlockNumber block)
{
	LedgerAnalyze *analyze;

	if (scan->analyze == NULL)
		scan->analyze = begin_analyze(scan);
	analyze = scan->analyze;
	if (block < analyze->nblocks)
	{
		analyze->place = block_place(analyze, block);
		analyze->end = block_place(analyze, block + 1);
	}
	else
		analyze->place = analyze->end = 0;	/* the file has grown meanwhile */
	scan->loaded = false;
	scan->nvisible = 0;
}

#ifdef LEDGER_ANALYZE_STREAM
bool
ledger_scan_analyze_next_block(TableScanDesc sscan, struct ReadStream *stream)
{
	BufferAccessStrategy strategy;
	BlockNumber block = read_stream_next_block(stream, &strategy);

	if (!BlockNumberIsValid(block))
		return false;
	analyze_block((LedgerScan *) sscan, block);
	return true;
}
#else
bool
ledger_scan_analyze_next_block(TableScanDesc sscan, BlockNumber blockno,
							   BufferAccessStrategy bstrategy)
{
	analyze_block((LedgerScan *) sscan, blockno);
	return true;
}
#endif

/* The last group that begins at or before a place. */
static uint32
find_group(const LedgerAnalyze *analyze, uint64 place)
{
	uint32		low = 0,
				high = analyze->ngroups - 1;

	while (low < high)
	{
		uint32		middle = low + (high - low + 1) / 2;

		if (analyze->first[middle] <= place)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/*
 * Find the slot that holds analyze->place.  Runs may have grown since they
 * were counted: a group then seems to hold more than it had, and what is too
 * much is not looked at.  False if there is no such slot.
 */
static bool
find_slot(LedgerScan *scan)
{
	LedgerAnalyze *analyze = scan->analyze;
	Relation	rel = scan->base.rs_rd;
	uint32		group;
	LedgerRunMap *map;
	bool		found = false;

	if (analyze->slot_rows > 0 && analyze->place >= analyze->slot_place &&
		analyze->place < analyze->slot_place + analyze->slot_rows)
		return true;

	map = palloc(sizeof(LedgerRunMap));
	group = find_group(analyze, analyze->place);
	analyze->slot_place = analyze->first[group];
	analyze->slot_rows = 0;
	for (analyze->slot = group * analyze->group_slots;
		 analyze->slot < scan->nslots &&
		 analyze->slot / analyze->group_slots == group; analyze->slot++)
	{
		CHECK_FOR_INTERRUPTS();
		analyze->slot_rows = slot_rows(rel, analyze->slot, map);
		if (group + 1 < analyze->ngroups)
			analyze->slot_rows = Min((uint64) analyze->slot_rows,
									 analyze->first[group + 1] - analyze->slot_place);
		if (analyze->place < analyze->slot_place + analyze->slot_rows)
		{
			found = true;
			break;
		}
		analyze->slot_place += analyze->slot_rows;
	}
	if (!found)
		analyze->slot_rows = 0;
	pfree(map);
	return found;
}

/* Load the next batch of the block at hand; false if it is done. */
static bool
next_analyze_batch(LedgerScan *scan)
{
	LedgerAnalyze *analyze = scan->analyze;
	LedgerRow	row,
				last;

	if (analyze->place >= analyze->end || !find_slot(scan))
		return false;
	row = LedgerMakeRow(analyze->slot, analyze->place - analyze->slot_place);
	last = row + Min(analyze->end,
					 analyze->slot_place + analyze->slot_rows) - analyze->place - 1;

	/* each block is another look at what is going on */
	if (!scan->loaded)
		scan->slot = LEDGER_NO_SLOT;
	ledger_scan_load(scan, row, row, last);
	scan->current = -1;
	analyze->place += scan->high - row + 1;
	return true;
}

bool
ledger_scan_analyze_next_tuple(TableScanDesc sscan, TransactionId OldestXmin,
							   double *liverows, double *deadrows, TupleTableSlot *slot)
{
	LedgerScan *scan = (LedgerScan *) sscan;

	for (;;)
	{
		if (scan->loaded && scan->current + 1 < scan->nvisible)
		{
			ledger_scan_show(scan, ++scan->current, slot);
			*liverows += 1;
			return true;
		}
		ExecClearTuple(slot);
		if (!next_analyze_batch(scan))
			return false;
		*deadrows += scan->dead;
	}
}
