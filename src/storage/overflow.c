/*-------------------------------------------------------------------------
 *
 * overflow.c
 *	  Rows too big for a tail page: a chain of blocks behind a stub.
 *
 * The chain is written and logged, last block first, before anything points to
 * it.  Its blocks name the slot of the run that the stub goes to, and are in use
 * as long as that run is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xloginsert.h"
#include "miscadmin.h"
#include "storage/storage.h"
#include "utils/memutils.h"

#define OVERFLOW_BYTES	(LEDGER_PAGE_PAYLOAD - sizeof(LedgerOverflowHeader))

pg_attribute_hot bool
ledger_tuple_overflows(HeapTuple tuple)
{
	return MAXALIGN(tuple->t_len) > LEDGER_MAX_TAIL_TUPLE;
}

/* Write one block of the chain and return its number. */
static BlockNumber
write_block(Relation rel, LedgerSlotNumber slot, uint32 index, BlockNumber next,
			const char *data, uint32 length)
{
	Buffer		buffer = ledger_alloc_block(rel);
	Page		page = BufferGetPage(buffer);
	BlockNumber block = BufferGetBlockNumber(buffer);
	LedgerOverflowHeader header = {next, length};

	START_CRIT_SECTION();
	ledger_page_init(page, LEDGER_BLOCK_OVERFLOW, slot, index, 0);
	memcpy(LedgerPageContents(page), &header, sizeof(header));
	memcpy(LedgerPageContents(page) + sizeof(header), data, length);
	((PageHeader) page)->pd_lower = SizeOfPageHeaderData + sizeof(header) + length;
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(rel))
		log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();

	UnlockReleaseBuffer(buffer);
	return block;
}

/* Write the tuple to a chain of blocks of the slot, and fill in its stub. */
void
ledger_write_overflow(Relation rel, LedgerSlotNumber slot, HeapTuple tuple,
					  LedgerOverflowStub *stub)
{
	const char *data = (const char *) tuple->t_data;
	uint32		nblocks = (tuple->t_len + OVERFLOW_BYTES - 1) / OVERFLOW_BYTES;
	BlockNumber next = InvalidBlockNumber;

	for (uint32 i = nblocks; i-- > 0;)
	{
		uint32		start = i * OVERFLOW_BYTES;

		CHECK_FOR_INTERRUPTS();
		next = write_block(rel, slot, i, next, data + start,
						   Min(OVERFLOW_BYTES, tuple->t_len - start));
	}
	stub->first = next;
	stub->length = tuple->t_len;
	stub->crc = ledger_checksum(tuple->t_data, tuple->t_len);
	stub->slot = slot;
}

/*
 * Read a chain back, in CurrentMemoryContext, or return NULL if a block is no
 * longer the chain's: its run has been sealed meanwhile.
 */
HeapTuple
ledger_read_overflow(Relation rel, const LedgerOverflowStub *stub)
{
	HeapTuple	tuple;
	BlockNumber block = stub->first;
	BlockNumber previous = stub->first;
	uint32		done = 0;

	if (stub->first == InvalidBlockNumber)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("a row of ledger \"%s\" is still being inserted",
						RelationGetRelationName(rel))));
	if (stub->length < SizeofHeapTupleHeader || stub->length > MaxAllocSize - HEAPTUPLESIZE ||
		stub->length / OVERFLOW_BYTES > RelationGetNumberOfBlocks(rel))
		ledger_corrupt(rel, stub->first, "a row in overflow blocks claims %u bytes", stub->length);

	tuple = (HeapTuple) palloc(HEAPTUPLESIZE + stub->length);
	tuple->t_len = stub->length;
	tuple->t_tableOid = RelationGetRelid(rel);
	ItemPointerSetInvalid(&tuple->t_self);
	tuple->t_data = (HeapTupleHeader) ((char *) tuple + HEAPTUPLESIZE);

	for (uint32 i = 0; done < stub->length; i++)
	{
		LedgerOverflowHeader header;
		Buffer		buffer;
		Page		page;

		CHECK_FOR_INTERRUPTS();
		buffer = ledger_read_block(rel, block);
		page = BufferGetPage(buffer);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (!ledger_tag_is(page, LEDGER_BLOCK_OVERFLOW, stub->slot, i, 0))
		{
			UnlockReleaseBuffer(buffer);
			pfree(tuple);
			return NULL;
		}
		memcpy(&header, LedgerPageContents(page), sizeof(header));
		if (header.length == 0 || header.length > OVERFLOW_BYTES ||
			header.length > stub->length - done)
			ledger_corrupt(rel, block, "an overflow block claims %u bytes", header.length);
		memcpy((char *) tuple->t_data + done,
			   LedgerPageContents(page) + sizeof(header), header.length);
		UnlockReleaseBuffer(buffer);
		done += header.length;
		previous = block;
		block = header.next;
	}

	/* chains of one run never exchange blocks, so this is damage */
	if (ledger_checksum(tuple->t_data, tuple->t_len) != stub->crc)
		ledger_corrupt(rel, previous, "a row in overflow blocks fails its check");
	return tuple;
}

/* Call "visit" with each block of a chain that was read just now. */
void
ledger_visit_overflow(Relation rel, const LedgerOverflowStub *stub,
					  LedgerBlockVisitor visit, void *arg)
{
	BlockNumber block = stub->first;

	for (uint32 i = 0; BlockNumberIsValid(block); i++)
	{
		LedgerOverflowHeader header;
		Buffer		buffer;
		bool		ours;

		CHECK_FOR_INTERRUPTS();
		buffer = ledger_read_block(rel, block);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		ours = ledger_tag_is(BufferGetPage(buffer), LEDGER_BLOCK_OVERFLOW, stub->slot, i, 0);
		memcpy(&header, LedgerPageContents(BufferGetPage(buffer)), sizeof(header));
		UnlockReleaseBuffer(buffer);
		if (!ours)
			return;
		visit(arg, block);
		block = header.next;
	}
}
