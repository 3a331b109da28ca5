/*-------------------------------------------------------------------------
 *
 * alloc.c
 *	  Finding blocks to write to.
 *
 * Whether a block is free is derived: it is when the directory entry that its
 * tag names does not reach it any more.  That is monotone (a slot that has
 * been sealed never becomes a tail run again, and segment ids are not reused),
 * so a block found free stays free until somebody claims it, which changes its
 * tag under its exclusive lock.  The free space map only suggests blocks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/freespace.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"
#include "storage/storage.h"

/* Whether no directory entry reaches a block with this tag. */
bool
ledger_block_is_free(Relation rel, const LedgerTag *tag)
{
	LedgerSlotEntry entry;

	if (tag->version != LEDGER_FORMAT_VERSION)
		return false;

	switch ((LedgerBlockKind) tag->kind)
	{
		case LEDGER_BLOCK_META:
		case LEDGER_BLOCK_ROOT:
		case LEDGER_BLOCK_DIRECTORY:
			return false;

		case LEDGER_BLOCK_RUNMAP:
		case LEDGER_BLOCK_TAIL:
		case LEDGER_BLOCK_OVERFLOW:
			if (!ledger_read_entry(rel, tag->slot, &entry))
				return false;
			return entry.state == LEDGER_SLOT_SEALED ||
				entry.state == LEDGER_SLOT_BULK_WRITTEN ||
				entry.state == LEDGER_SLOT_DEAD;

		case LEDGER_BLOCK_SEGMENT:
		case LEDGER_BLOCK_SEGROOT:
		case LEDGER_BLOCK_XMIN:
			if (!ledger_read_entry(rel, tag->slot, &entry))
				return false;
			if (entry.pending == tag->segment)
				return false;
			if (entry.segment != tag->segment || entry.state == LEDGER_SLOT_DEAD)
				return true;
			return tag->kind == LEDGER_BLOCK_XMIN &&
				entry.state == LEDGER_SLOT_SEALED &&
				(entry.flags & (LEDGER_ENTRY_FROZEN | LEDGER_ENTRY_ONE_XMIN)) != 0;
	}
	return false;
}

/*
 * Lock the block exclusively if it is free; the caller initialises and logs
 * it before releasing the lock.  Return InvalidBuffer if it is in use.
 *
 * The directory is read without holding the block's lock: the free space map
 * may well suggest a live tail page or even a directory page, whose lock
 * somebody may hold while waiting for the directory's.
 */
Buffer
ledger_claim_block(Relation rel, BlockNumber block)
{
	Buffer		buffer;
	Page		page;
	LedgerTag  *tag;
	LedgerTag	before = {0};
	bool		was_new;

	if (block == 0 || block >= RelationGetNumberOfBlocks(rel))
		return InvalidBuffer;

	buffer = ReadBuffer(rel, block);
	page = BufferGetPage(buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	was_new = PageIsNew(page);
	if (!was_new)
	{
		tag = ledger_page_tag(page);
		if (tag == NULL)
		{
			UnlockReleaseBuffer(buffer);
			return InvalidBuffer;
		}
		before = *tag;
	}
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);

	if (was_new || ledger_block_is_free(rel, &before))
	{
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		if (was_new)
		{
			if (PageIsNew(page))
				return buffer;
		}
		else
		{
			/* a tail page's FULL flag does not matter */
			tag = ledger_page_tag(page);
			if (tag != NULL && tag->version == before.version &&
				tag->kind == before.kind && tag->slot == before.slot &&
				tag->position == before.position && tag->segment == before.segment)
				return buffer;
		}
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	}
	ReleaseBuffer(buffer);
	return InvalidBuffer;
}

/* Add a block to the end of the file; it comes exclusively locked. */
Buffer
ledger_extend(Relation rel)
{
	bool		lock = !RELATION_IS_LOCAL(rel);

	for (;;)
	{
		Buffer		buffer;

		CHECK_FOR_INTERRUPTS();
		if (lock)
			LockRelationForExtension(rel, ExclusiveLock);
		buffer = ReadBuffer(rel, P_NEW);
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		if (lock)
			UnlockRelationForExtension(rel, ExclusiveLock);

		/* the free space map may have told somebody of it who was quicker */
		if (PageIsNew(BufferGetPage(buffer)))
			return buffer;
		UnlockReleaseBuffer(buffer);
	}
}

/*
 * A block to write to, exclusively locked, with contents that nobody needs.
 * Must not be called with any buffer lock held.
 */
Buffer
ledger_alloc_block(Relation rel)
{
	for (;;)
	{
		BlockNumber block = GetFreeIndexPage(rel);
		Buffer		buffer;

		CHECK_FOR_INTERRUPTS();
		if (block == InvalidBlockNumber)
			return ledger_extend(rel);
		buffer = ledger_claim_block(rel, block);
		if (BufferIsValid(buffer))
			return buffer;
	}
}

/*
 * See to it that the free space map knows of "count" blocks, extending the file
 * if need be, which is an error where the disk is full.
 */
void
ledger_provide_blocks(Relation rel, int count)
{
	BlockNumber blocks[LEDGER_PROVIDED_BLOCKS];
	int			found = 0;

	Assert(count <= LEDGER_PROVIDED_BLOCKS);
	while (found < count && (blocks[found] = GetFreeIndexPage(rel)) != InvalidBlockNumber)
		found++;
	for (int i = 0; i < found; i++)
		ledger_free_block(rel, blocks[i]);
	for (; found < count; found++)
	{
		Buffer		buffer = ledger_extend(rel);
		BlockNumber block = BufferGetBlockNumber(buffer);

		UnlockReleaseBuffer(buffer);
		ledger_free_block(rel, block);
		FreeSpaceMapVacuumRange(rel, block, block + 1);
	}
}

/* Suggest a block to later callers of ledger_alloc_block. */
void
ledger_free_block(Relation rel, BlockNumber block)
{
	RecordFreeIndexPage(rel, block);
}
