/*-------------------------------------------------------------------------
 *
 * alloc.c
 *	  Finding blocks to write to.
 *
 * Whether a block is free is derived: it is when the directory entry that its
 * tag names does not reach it any more (or, of the directory itself, when it has
 * been moved).  That is monotone (a slot that has
 * been sealed never becomes a tail run again, and segment ids are not reused),
 * so a block found free stays free until somebody claims it, which changes its
 * tag under its exclusive lock.  The free space map only suggests blocks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "miscadmin.h"
#include "storage/freespace.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"
#include "storage/storage.h"

/* Blocks added to the file for each backend that waits to add one, and at most. */
#define EXTRA_PER_WAITER		20
#define EXTRA_MAX				512

/* Whether no directory entry reaches a block with this tag. */
bool
ledger_block_is_free(Relation rel, const LedgerTag *tag)
{
	LedgerSlotEntry entry;
	LedgerMetaData meta;

	if (tag->version != LEDGER_FORMAT_VERSION)
		return false;

	switch ((LedgerBlockKind) tag->kind)
	{
		case LEDGER_BLOCK_META:
			return false;

		case LEDGER_BLOCK_ROOT:
		case LEDGER_BLOCK_DIRECTORY:
			return tag->position == LEDGER_MOVED;

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

		case LEDGER_BLOCK_DICTIONARY:
			if (!ledger_read_meta(rel, &meta))
				return false;
			for (int i = 0; i < LEDGER_META_DICTIONARIES; i++)
				if (meta.dictionaries[i].number == tag->segment)
					return false;
			return true;
	}
	return false;
}

/* A block that was found free, pinned */
typedef struct FreeBlock
{
	Buffer		buffer;
	bool		from_map;		/* that the free space map knew of */
	bool		was_new;		/* a zero page */
	LedgerTag	tag;			/* else */
} FreeBlock;

/* How many blocks a backend may pin at once. */
static int
alloc_limit(void)
{
	return Max(1, Min(LEDGER_ALLOC_MAX, NBuffers / MaxBackends / 2));
}

/*
 * Pin a block, and keep the pin if it is free.
 *
 * The directory is read without holding the block's lock: the free space map
 * may well suggest a live tail page or even a directory page, whose lock
 * somebody may hold while waiting for the directory's.
 */
static bool
examine_block(Relation rel, BlockNumber block, FreeBlock *found)
{
	Page		page;
	bool		known;

	if (block == 0 || block >= RelationGetNumberOfBlocks(rel))
		return false;

	found->buffer = ReadBuffer(rel, block);
	page = BufferGetPage(found->buffer);
	LockBuffer(found->buffer, BUFFER_LOCK_SHARE);
	found->was_new = PageIsNew(page);
	known = !found->was_new && ledger_copy_tag(page, &found->tag);
	LockBuffer(found->buffer, BUFFER_LOCK_UNLOCK);

	if (found->was_new || (known && ledger_block_is_free(rel, &found->tag)))
		return true;
	ReleaseBuffer(found->buffer);
	return false;
}

/* Whether a block found free, now locked exclusively, is still so. */
static bool
still_free(const FreeBlock *found)
{
	Page		page = BufferGetPage(found->buffer);
	LedgerTag  *tag;

	if (found->was_new || PageIsNew(page))
		return found->was_new && PageIsNew(page);

	/* a tail page's FULL flag does not matter */
	tag = ledger_page_tag(page);
	return tag != NULL && tag->version == found->tag.version &&
		tag->kind == found->tag.kind && tag->slot == found->tag.slot &&
		tag->position == found->tag.position && tag->segment == found->tag.segment;
}

/*
 * Lock the block exclusively if it is free; the caller initialises and logs
 * it before releasing the lock.  Return InvalidBuffer if it is in use.
 */
Buffer
ledger_claim_block(Relation rel, BlockNumber block)
{
	FreeBlock	found;

	if (!examine_block(rel, block, &found))
		return InvalidBuffer;
	LockBuffer(found.buffer, BUFFER_LOCK_EXCLUSIVE);
	if (still_free(&found))
		return found.buffer;
	UnlockReleaseBuffer(found.buffer);
	return InvalidBuffer;
}

/* Look for up to n free blocks that the free space map knows of. */
static int
find_free(Relation rel, FreeBlock *found, int n)
{
	int			nfound = 0;

	while (nfound < n)
	{
		BlockNumber block = GetFreeIndexPage(rel);

		CHECK_FOR_INTERRUPTS();
		if (block == InvalidBlockNumber)
			break;
		if (examine_block(rel, block, &found[nfound]))
			found[nfound++].from_map = true;
	}
	return nfound;
}

/* Add about so many blocks to the file for the free space map to know of. */
static void
extend_for_others(Relation rel, int n)
{
	BlockNumber first = InvalidBlockNumber;
	BlockNumber end = InvalidBlockNumber;

	while (n > 0)
	{
		Buffer		buffers[LEDGER_ALLOC_MAX];
		int			added = ledger_add_blocks(rel, Min(n, alloc_limit()), buffers);

		if (first == InvalidBlockNumber)
			first = BufferGetBlockNumber(buffers[0]);
		for (int i = 0; i < added; i++)
		{
			end = BufferGetBlockNumber(buffers[i]) + 1;
			ReleaseBuffer(buffers[i]);
			ledger_free_block(rel, end - 1);
		}
		n -= added;
	}
	if (first != InvalidBlockNumber)
		FreeSpaceMapVacuumRange(rel, first, end);
}

/*
 * Add blocks to the end of the file: up to n for the caller, at least one.
 * Where others wait to do the same, add some for them too, as heap does: else
 * the passing of the lock from hand to hand is what limits insertion.
 */
static int
extend(Relation rel, FreeBlock *found, int n)
{
	bool		lock = !RELATION_IS_LOCAL(rel);
	Buffer		buffers[LEDGER_ALLOC_MAX];
	int			extra = 0;

	if (lock && !ConditionalLockRelationForExtension(rel, ExclusiveLock))
	{
		int			nfound;

		LockRelationForExtension(rel, ExclusiveLock);
		nfound = find_free(rel, found, n);
		if (nfound > 0)
		{
			UnlockRelationForExtension(rel, ExclusiveLock);
			return nfound;
		}
		extra = Min(EXTRA_MAX, RelationExtensionLockWaiterCount(rel) * EXTRA_PER_WAITER);
	}
	n = ledger_add_blocks(rel, n, buffers);
	extend_for_others(rel, extra);
	if (lock)
		UnlockRelationForExtension(rel, ExclusiveLock);

	for (int i = 0; i < n; i++)
	{
		found[i].buffer = buffers[i];
		found[i].from_map = false;
		found[i].was_new = true;
	}
	return n;
}

/*
 * Add to the blocks found; returns how many there are then.  If that fails, the
 * map must not forget them.
 */
static int
extend_found(Relation rel, FreeBlock *found, int nfound, int n)
{
	if (nfound == 0)
		return extend(rel, found, n);
	PG_TRY();
	{
		n = extend(rel, found + nfound, n - nfound);
	}
	PG_CATCH();
	{
		for (int i = 0; i < nfound; i++)
			ledger_free_block(rel, BufferGetBlockNumber(found[i].buffer));
		PG_RE_THROW();
	}
	PG_END_TRY();
	return nfound + n;
}

/*
 * Up to n blocks to write to, exclusively locked, with contents that nobody
 * needs; at least one.  Must not be called with any buffer lock held.
 *
 * None is locked before all are found, and where there are several, a lock that
 * cannot be had at once is not waited for: somebody else may be taking the same
 * blocks in another order.
 */
int
ledger_alloc_blocks(Relation rel, Buffer *buffers, int n)
{
	int			ntaken = 0;

	n = Min(n, alloc_limit());
	while (ntaken == 0)
	{
		FreeBlock	found[LEDGER_ALLOC_MAX];
		int			nfound = find_free(rel, found, n);

		CHECK_FOR_INTERRUPTS();
		if (nfound < n)
			nfound = extend_found(rel, found, nfound, n);

		for (int i = 0; i < nfound; i++)
		{
			Buffer		buffer = found[i].buffer;
			BlockNumber block = BufferGetBlockNumber(buffer);

			if (nfound == 1)
				LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
			else if (!ConditionalLockBuffer(buffer))
			{
				/* it may just be being written to disk; the map has its page */
				ReleaseBuffer(buffer);
				if (found[i].from_map)
					ledger_free_block(rel, block);
				continue;
			}
			if (still_free(&found[i]))
				buffers[ntaken++] = buffer;
			else
				UnlockReleaseBuffer(buffer);
		}
	}
	return ntaken;
}

/* One such block */
Buffer
ledger_alloc_block(Relation rel)
{
	Buffer		buffer;

	(void) ledger_alloc_blocks(rel, &buffer, 1);
	return buffer;
}

/* Add a block to the end of the file; it comes exclusively locked. */
Buffer
ledger_extend(Relation rel)
{
	for (;;)
	{
		bool		lock = !RELATION_IS_LOCAL(rel);
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

/*
 * Give back blocks that were not written to.  The free space map may have to
 * grow to tell of one, so no block may be locked then.
 */
void
ledger_return_blocks(Relation rel, const Buffer *buffers, int n)
{
	for (int i = 0; i < n; i++)
		LockBuffer(buffers[i], BUFFER_LOCK_UNLOCK);
	for (int i = 0; i < n; i++)
	{
		ledger_free_block(rel, BufferGetBlockNumber(buffers[i]));
		ReleaseBuffer(buffers[i]);
	}
}
