/*-------------------------------------------------------------------------
 *
 * meta.c
 *	  The metapage: block 0, made by the first insertion.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/xlog.h"
#include "storage/lmgr.h"
#include "storage/smgr.h"
#include "storage/storage.h"

static pg_crc32c
meta_crc(const LedgerMetaData *meta)
{
	return ledger_checksum(meta, offsetof(LedgerMetaData, crc));
}

void
ledger_meta_set_crc(LedgerMetaData *meta)
{
	meta->crc = meta_crc(meta);
}

/* The metapage's contents in "page", which is the buffer's or a copy of it. */
LedgerMetaData *
ledger_meta_of(Relation rel, Buffer buffer, Page page)
{
	LedgerMetaData *meta = (LedgerMetaData *) LedgerPageContents(page);

	ledger_check_tag(rel, buffer, LEDGER_BLOCK_META, 0);
	if (meta->magic != LEDGER_MAGIC || meta->crc != meta_crc(meta) ||
		meta->nlanes > LEDGER_MAX_LANES || meta->next_slot > LEDGER_MAX_SLOTS)
		ledger_corrupt(rel, 0, "the metapage fails its check");
	return meta;
}

static void
init_meta_page(Page page)
{
	LedgerMetaData *meta;

	ledger_page_init(page, LEDGER_BLOCK_META, 0, 0, 0);
	meta = (LedgerMetaData *) LedgerPageContents(page);
	memset(meta, 0, sizeof(*meta));
	meta->magic = LEDGER_MAGIC;
	meta->version = LEDGER_FORMAT_VERSION;
	meta->next_segment = 1;
	for (int i = 0; i < LEDGER_MAX_LANES; i++)
	{
		meta->lanes[i].slot = LEDGER_NO_SLOT;
		meta->lanes[i].runmap = InvalidBlockNumber;
	}
	for (int i = 0; i < LEDGER_META_DIRECTORIES; i++)
		meta->directories[i] = InvalidBlockNumber;
	for (int i = 0; i < LEDGER_META_ROOTS; i++)
		meta->roots[i] = InvalidBlockNumber;
	ledger_meta_set_crc(meta);
	((PageHeader) page)->pd_lower = SizeOfPageHeaderData + sizeof(*meta);
}

/* Make block 0, unless somebody else has just done so. */
static void
create_meta(Relation rel)
{
	Buffer		buffer;
	GenericXLogState *state;

	LockRelationForExtension(rel, ExclusiveLock);
	if (RelationGetNumberOfBlocks(rel) > 0)
		buffer = ReadBuffer(rel, 0);
	else
		buffer = ReadBuffer(rel, P_NEW);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	UnlockRelationForExtension(rel, ExclusiveLock);

	/* A crash may have left an extended but empty block. */
	if (PageIsNew(BufferGetPage(buffer)))
	{
		XLogRecPtr	lsn;

		state = GenericXLogStart(rel);
		init_meta_page(GenericXLogRegisterBuffer(state, buffer, GENERIC_XLOG_FULL_IMAGE));
		lsn = GenericXLogFinish(state);

		/*
		 * The blocks that follow are in the file as soon as it is extended,
		 * with or without a crash.  The metapage must not be missing then.
		 */
		if (RelationNeedsWAL(rel))
			XLogFlush(lsn);
	}
	UnlockReleaseBuffer(buffer);
}

/*
 * Pin and lock the metapage, or return InvalidBuffer if there is none: the
 * relation is empty, or a crash has left an extended but empty block 0.
 */
Buffer
ledger_lock_meta_if_any(Relation rel, int mode)
{
	Buffer		buffer;

	if (RelationGetSmgr(rel)->smgr_cached_nblocks[MAIN_FORKNUM] == InvalidBlockNumber ||
		RelationGetSmgr(rel)->smgr_cached_nblocks[MAIN_FORKNUM] == 0)
	{
		if (RelationGetNumberOfBlocks(rel) == 0)
			return InvalidBuffer;
	}
	buffer = ReadBuffer(rel, 0);
	LockBuffer(buffer, mode);
	if (PageIsNew(BufferGetPage(buffer)))
	{
		/*
		 * No other block is ever added before the metapage is made and its
		 * WAL flushed, under the lock that we have.
		 */
		if (RelationGetNumberOfBlocks(rel) > 1)
			ledger_corrupt(rel, 0, "the metapage is empty");
		UnlockReleaseBuffer(buffer);
		return InvalidBuffer;
	}
	return buffer;
}

/* Pin and lock the metapage, making it if need be. */
Buffer
ledger_lock_meta(Relation rel, int mode)
{
	Buffer		buffer = ledger_lock_meta_if_any(rel, mode);

	if (!BufferIsValid(buffer))
	{
		create_meta(rel);
		buffer = ledger_lock_meta_if_any(rel, mode);
	}
	return buffer;
}

/* Copy the metapage out; false if there is none, and so no row. */
bool
ledger_read_meta(Relation rel, LedgerMetaData *meta)
{
	Buffer		buffer = ledger_lock_meta_if_any(rel, BUFFER_LOCK_SHARE);

	if (!BufferIsValid(buffer))
		return false;
	memcpy(meta, ledger_meta_of(rel, buffer, BufferGetPage(buffer)), sizeof(*meta));
	UnlockReleaseBuffer(buffer);
	return true;
}

/* Number of slots ever allotted. */
LedgerSlotNumber
ledger_slot_count(Relation rel)
{
	Buffer		buffer = ledger_lock_meta_if_any(rel, BUFFER_LOCK_SHARE);
	LedgerSlotNumber count;

	if (!BufferIsValid(buffer))
		return 0;
	count = ledger_meta_of(rel, buffer, BufferGetPage(buffer))->next_slot;
	UnlockReleaseBuffer(buffer);
	return count;
}

/* Blocks of the relation's dictionaries */
int
ledger_dictionary_blocks(const LedgerMetaData *meta)
{
	int			n = 0;

	for (int i = 0; i < LEDGER_META_DICTIONARIES; i++)
		n += (meta->dictionaries[i].length + LEDGER_PAGE_PAYLOAD - 1) / LEDGER_PAGE_PAYLOAD;
	return n;
}
