/*-------------------------------------------------------------------------
 *
 * tail.c
 *	  Insertion into the tail: big rows, single ones, and many at a time.
 *
 * lane.c has the pages, tail_pages.c whole ones, tail_log.c the records.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/hio.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/predicate.h"
#include "write/packed.h"
#include "write/tail.h"

/* Raw bytes that a run map is told of at a time, at the least. */
#define EXCESS_STEP			(256 * 1024)

pg_attribute_hot static LedgerRow
row_on_page(Page page, OffsetNumber offset)
{
	LedgerTag  *tag = ledger_page_tag(page);

	return LedgerMakeRow(tag->slot, tag->position + offset - 1);
}

/* ---- overflow ---- */

/*
 * Account in the run of "slot" for raw bytes that its tail pages do not hold
 * as such; false if the run is closed, or holds enough already (then it is
 * closed here).
 */
static bool
reserve_raw_bytes(Relation rel, LedgerSlotNumber slot, uint64 bytes)
{
	LedgerSlotEntry entry;
	LedgerRunMap *map;
	GenericXLogState *state;
	Buffer		buffer;
	bool		open,
				fits = false;

	if (!ledger_read_entry(rel, slot, &entry) || entry.state != LEDGER_SLOT_TAIL)
		return false;
	buffer = ledger_read_block(rel, entry.home);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	map = (LedgerRunMap *) LedgerPageContents(BufferGetPage(buffer));
	open = ledger_tag_is(BufferGetPage(buffer), LEDGER_BLOCK_RUNMAP, slot, 0, 0) &&
		!map->closed;
	if (open)
		fits = map->overflow_bytes == 0 ||
			map->overflow_bytes + bytes <= LEDGER_SEGMENT_RAW_BYTES;
	if (fits)
	{
		state = GenericXLogStart(rel);
		map = (LedgerRunMap *) LedgerPageContents(GenericXLogRegisterBuffer(state, buffer, 0));
		map->overflow_bytes += bytes;
		GenericXLogFinish(state);
	}
	UnlockReleaseBuffer(buffer);

	if (open && !fits)
	{
		LedgerMetaData meta;

		ledger_read_meta(rel, &meta);
		for (int lane = 0; lane < meta.nlanes; lane++)
			if (meta.lanes[lane].slot == slot)
				ledger_wake_sealer(rel, ledger_close_run(rel, lane, slot));
	}
	return fits;
}

/* A stub in place of the tuple, with the tuple's xmin and command id. */
HeapTuple
ledger_make_stub(HeapTuple tuple, const LedgerOverflowStub *stub)
{
	Size		hoff = MAXALIGN(SizeofHeapTupleHeader);
	Size		len = hoff + sizeof(LedgerOverflowStub);
	HeapTuple	result = (HeapTuple) palloc0(HEAPTUPLESIZE + len);

	result->t_len = len;
	result->t_tableOid = tuple->t_tableOid;
	result->t_data = (HeapTupleHeader) ((char *) result + HEAPTUPLESIZE);
	memcpy(result->t_data, tuple->t_data, SizeofHeapTupleHeader);
	result->t_data->t_infomask2 = 0;	/* no attributes */
	result->t_data->t_infomask &= HEAP_XACT_MASK;
	result->t_data->t_hoff = hoff;
	memcpy((char *) result->t_data + hoff, stub, sizeof(*stub));
	return result;
}

/* ---- insertion ---- */

pg_attribute_hot static void
insert_tuple(Relation rel, Buffer buffer, HeapTuple tuple, int options, bool speculative,
			 LedgerRow *row)
{
	Page		page = BufferGetPage(buffer);

	/*
	 * With the page locked, so that no reader can take its predicate lock and
	 * then miss the row.
	 */
	CheckForSerializableConflictIn(rel, NULL, InvalidBlockNumber);

	START_CRIT_SECTION();
	RelationPutHeapTuple(rel, buffer, tuple, speculative);
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(rel))
		ledger_log_insert(rel, buffer, tuple, options);
	END_CRIT_SECTION();

	*row = row_on_page(page, ItemPointerGetOffsetNumber(&tuple->t_self));
}

/*
 * Fill in the stub of a row that this transaction has inserted.  A page with
 * tuples may only be logged in full: see src/README.
 */
static void
complete_stub(Relation rel, ItemPointer place, const LedgerOverflowStub *stub)
{
	Buffer		buffer = ledger_read_block(rel, ItemPointerGetBlockNumber(place));
	GenericXLogState *state;
	Page		page;
	HeapTupleHeader header;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	state = GenericXLogStart(rel);
	page = GenericXLogRegisterBuffer(state, buffer, GENERIC_XLOG_FULL_IMAGE);
	header = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, ItemPointerGetOffsetNumber(place)));
	memcpy((char *) header + header->t_hoff, stub, sizeof(*stub));
	GenericXLogFinish(state);
	UnlockReleaseBuffer(buffer);
}

/*
 * Insert a row that does not fit in a page.
 *
 * The stub comes first, without its chain: from then on the run cannot be
 * sealed before our transaction ends, so that the chain, which may take long
 * to write, can be of that run even if it is closed meanwhile.  Who looks into
 * the stub before it is filled in, as a dirty snapshot may have him do, gets an
 * error.
 */
static void
insert_big(Relation rel, HeapTuple tuple, uint64 excess, int options, bool speculative,
		   LedgerRow *row)
{
	LedgerOverflowStub stub = {InvalidBlockNumber};
	HeapTuple	stub_tuple = ledger_make_stub(tuple, &stub);
	LedgerSlotNumber reserved = LEDGER_NO_SLOT;
	LedgerSlotNumber slot;
	Buffer		buffer;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		buffer = ledger_get_tail_page(rel, stub_tuple->t_len);
		slot = ledger_page_tag(BufferGetPage(buffer))->slot;
		if (slot == reserved)
			break;
		UnlockReleaseBuffer(buffer);
		reserved = reserve_raw_bytes(rel, slot, tuple->t_len + excess) ? slot : LEDGER_NO_SLOT;
	}
	insert_tuple(rel, buffer, stub_tuple, options, speculative, row);
	UnlockReleaseBuffer(buffer);

	ledger_write_overflow(rel, slot, tuple, &stub);
	complete_stub(rel, &stub_tuple->t_self, &stub);
	tuple->t_self = stub_tuple->t_self;
}

/*
 * Account for what compressed values hold beyond their bytes on the page, so
 * that a run can be sealed within the memory that a segment may take.
 *
 * To tell the run map of every row would cost a record each.  To add up what
 * has not been told takes a sum for every run that a session has a part in:
 * entries may go to many partitions in turn.  So a row that has little is told
 * of as if it had EXCESS_STEP, or not at all, as often as makes that right on
 * average.
 */
static void
note_excess(Relation rel, LedgerSlotNumber slot, uint64 excess)
{
	if (excess < EXCESS_STEP)
	{
		if (pg_prng_double(&pg_global_prng_state) * EXCESS_STEP >= excess)
			return;
		excess = EXCESS_STEP;
	}
	(void) reserve_raw_bytes(rel, slot, excess);
}

/* ---- packing ---- */

/* Page after page may name another dictionary; then a row goes in unpacked. */
#define PACK_ATTEMPTS	3

/*
 * Get a page with room for the first of some tuples, packed: as many as make a
 * chain that fits in an empty page, one at least.  stored[] are the tuples to
 * put there; *nstored is their number.
 */
static Buffer
get_page_packed(Relation rel, HeapTuple *tuples, int ntuples, HeapTuple *stored, int *nstored)
{
	uint32		dictionary = ledger_likely_dictionary(rel);

	for (int attempt = 0;; attempt++)
	{
		LedgerPacking packing;
		bool		packs = attempt < PACK_ATTEMPTS &&
			ledger_begin_packing(&packing, rel, dictionary);
		bool		packed = false;
		Size		room = LEDGER_PAGE_PAYLOAD;
		Buffer		buffer;
		uint32		found;
		int			n;

		for (n = 0; n < ntuples; n++)
		{
			Size		size;

			if (ledger_tuple_overflows(tuples[n]))
				break;
			stored[n] = packs ? ledger_pack(&packing, tuples[n]) : tuples[n];
			packed |= stored[n] != tuples[n];
			size = MAXALIGN(stored[n]->t_len) + sizeof(ItemIdData);
			if (size > room)
				break;
			room -= size;
		}
		Assert(n > 0);
		*nstored = n;
		buffer = ledger_get_tail_page(rel, stored[0]->t_len);
		found = ledger_page_tag(BufferGetPage(buffer))->dictionary;
		ledger_remember_dictionary(rel, found);
		if (!packed || found == dictionary)
			return buffer;
		UnlockReleaseBuffer(buffer);
		dictionary = found;
	}
}

/* ---- one tuple ---- */

/*
 * Put one tuple, made ready by its caller (xmin, command id), into the tail.
 * "excess" is how many bytes more it would have if none of its values were
 * compressed.  tuple->t_self becomes its place on the page.
 */
pg_attribute_hot void
ledger_tail_insert(Relation rel, HeapTuple tuple, uint64 excess, int options,
				   bool speculative, LedgerRow *row)
{
	Buffer		buffer;

	if (!ledger_tuple_overflows(tuple))
	{
		HeapTuple	stored = tuple;
		int			n;

		if (ledger_packs(rel))
			buffer = get_page_packed(rel, &tuple, 1, &stored, &n);
		else
			buffer = ledger_get_tail_page(rel, tuple->t_len);
		insert_tuple(rel, buffer, stored, options, speculative, row);
		UnlockReleaseBuffer(buffer);
		tuple->t_self = stored->t_self;
		excess += tuple->t_len - stored->t_len;
		if (excess > 0)
			note_excess(rel, LedgerRowSlot(*row), excess);
	}
	else
		insert_big(rel, tuple, excess, options, speculative, row);
	pgstat_count_heap_insert(rel, 1);
	ledger_learn_if_due(rel);
}

/* Number of tuples from the first on that fit in the page together. */
static int
tuples_that_fit(Page page, HeapTuple *tuples, int ntuples)
{
	LedgerTag  *tag = ledger_page_tag(page);
	int			nslots = Min(LEDGER_SLOT_ROWS - (int) tag->position,
							 (int) MaxHeapTuplesPerPage) - (int) PageGetMaxOffsetNumber(page);
	Size		room = PageGetExactFreeSpace(page);
	int			n = 0;

	while (n < ntuples && n < nslots)
	{
		Size		size = MAXALIGN(tuples[n]->t_len) + sizeof(ItemIdData);

		if (ledger_tuple_overflows(tuples[n]) || size > room)
			break;
		room -= size;
		n++;
	}
	return n;
}

/* ---- many tuples ---- */

/*
 * Put tuples on the page with room for the first; returns how many it took.
 * stored[] become what they were stored as.
 */
static int
insert_on_page(Relation rel, HeapTuple *tuples, int ntuples, int options,
			   HeapTuple *stored, LedgerRow *rows, LedgerSlotNumber *slot)
{
	PGAlignedBlock scratch;
	Buffer		buffer;
	Page		page;
	int			n = ntuples;

	if (ledger_packs(rel))
		buffer = get_page_packed(rel, tuples, ntuples, stored, &n);
	else
	{
		memcpy(stored, tuples, ntuples * sizeof(HeapTuple));
		buffer = ledger_get_tail_page(rel, tuples[0]->t_len);
	}
	page = BufferGetPage(buffer);
	n = tuples_that_fit(page, stored, n);

	Assert(n > 0);
	CheckForSerializableConflictIn(rel, NULL, InvalidBlockNumber);

	START_CRIT_SECTION();
	for (int i = 0; i < n; i++)
	{
		RelationPutHeapTuple(rel, buffer, stored[i], false);
		rows[i] = row_on_page(page, ItemPointerGetOffsetNumber(&stored[i]->t_self));
	}
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(rel))
		ledger_log_multi_insert(rel, buffer, stored, n, options, n == ntuples, scratch.data);
	END_CRIT_SECTION();

	*slot = ledger_page_tag(page)->slot;
	UnlockReleaseBuffer(buffer);
	return n;
}

/* Whether it looks as if the tuples took two pages or more. */
static bool
worth_pages(Relation rel, int ntuples, Size mean)
{
	return !ledger_is_decoded(rel) &&
		ntuples * (mean + sizeof(ItemIdData)) > LEDGER_PAGE_PAYLOAD + LEDGER_PAGE_PAYLOAD / 4;
}

/*
 * Put tuples, made ready likewise, into the tail: what fits on its last page
 * there, then, if there is more than another page of it, whole pages at once.
 */
void
ledger_tail_multi_insert(Relation rel, HeapTuple *tuples, const uint64 *excess,
						 int ntuples, int options, LedgerRow *rows)
{
	LedgerSlotNumber slot = LEDGER_NO_SLOT;
	HeapTuple  *stored = palloc(ntuples * sizeof(HeapTuple));
	Size		mean = 0;
	int			done = 0;

	while (done < ntuples)
	{
		int			n;
		Size		size = 0;

		CHECK_FOR_INTERRUPTS();
		if (ledger_tuple_overflows(tuples[done]))
		{
			ledger_tail_insert(rel, tuples[done], excess[done], options, false, &rows[done]);
			done++;
			continue;
		}

		n = slot == LEDGER_NO_SLOT || !worth_pages(rel, ntuples - done, mean) ? 0 :
			ledger_insert_pages(rel, slot, tuples + done, ntuples - done, stored + done, rows + done);
		if (n == 0)
			n = insert_on_page(rel, tuples + done, ntuples - done, options, stored + done,
							   rows + done, &slot);
		pgstat_count_heap_insert(rel, n);
		for (int i = done; i < done + n; i++)
		{
			uint64		more = excess[i] + tuples[i]->t_len - stored[i]->t_len;

			if (more > 0)
				note_excess(rel, LedgerRowSlot(rows[i]), more);
			size += MAXALIGN(stored[i]->t_len);
		}
		mean = size / n;
		done += n;
	}
	ledger_learn_if_due(rel);
}
