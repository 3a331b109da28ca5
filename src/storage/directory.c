/*-------------------------------------------------------------------------
 *
 * directory.c
 *	  The slot directory: an entry for each slot, at a computed place.
 *
 * The entry of slot s is number s % LEDGER_ENTRIES_PER_PAGE of directory page
 * s / LEDGER_ENTRIES_PER_PAGE.  The metapage names the first
 * LEDGER_META_DIRECTORIES of these pages and the root pages that name the
 * others.  A backend remembers where the first ones are, until it is told that
 * they have been moved, or that the relation has got another file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/indexfsm.h"
#include "storage/sinval.h"
#include "storage/standby.h"
#include "storage/storage.h"
#include "utils/memutils.h"

/* rd_amcache: where the first directory pages are. */
#define CACHED_DIRECTORIES	64

typedef struct DirectoryCache
{
	BlockNumber blocks[CACHED_DIRECTORIES];
} DirectoryCache;

static inline uint32
directory_number(LedgerSlotNumber slot)
{
	return slot / LEDGER_ENTRIES_PER_PAGE;
}

static inline LedgerSlotNumber
directory_first_slot(uint32 number)
{
	return number * LEDGER_ENTRIES_PER_PAGE;
}

/* Which root page names directory page "number", and where in it. */
static inline void
locate_in_roots(uint32 number, uint32 *root, uint32 *index)
{
	*root = (number - LEDGER_META_DIRECTORIES) / LEDGER_ROOT_DIRECTORIES;
	*index = (number - LEDGER_META_DIRECTORIES) % LEDGER_ROOT_DIRECTORIES;
}

static inline LedgerSlotNumber
root_first_slot(uint32 root)
{
	return directory_first_slot(LEDGER_META_DIRECTORIES + root * LEDGER_ROOT_DIRECTORIES);
}

/* There are no more directory pages than these. */
#define DIRECTORIES_MAX		(directory_number(LEDGER_MAX_SLOTS - 1) + 1)

static pg_crc32c
entry_crc(const LedgerSlotEntry *entry, LedgerSlotNumber slot)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, &slot, sizeof(slot));
	COMP_CRC32C(crc, entry, offsetof(LedgerSlotEntry, crc));
	FIN_CRC32C(crc);
	return crc;
}

void
ledger_entry_set_crc(LedgerSlotEntry *entry, LedgerSlotNumber slot)
{
	entry->crc = entry_crc(entry, slot);
}

static BlockNumber
cached_directory(Relation rel, uint32 number)
{
	DirectoryCache *cache = (DirectoryCache *) rel->rd_amcache;

	if (cache == NULL || number >= CACHED_DIRECTORIES)
		return InvalidBlockNumber;
	return cache->blocks[number];
}

static void
cache_directory(Relation rel, uint32 number, BlockNumber block)
{
	DirectoryCache *cache = (DirectoryCache *) rel->rd_amcache;

	if (number >= CACHED_DIRECTORIES)
		return;
	if (cache == NULL)
	{
		cache = MemoryContextAlloc(CacheMemoryContext, sizeof(*cache));
		for (int i = 0; i < CACHED_DIRECTORIES; i++)
			cache->blocks[i] = InvalidBlockNumber;
		rel->rd_amcache = cache;
	}
	cache->blocks[number] = block;
}

/* The relation has got another file, or an empty one, or pages have been moved. */
void
ledger_forget_directory(Relation rel)
{
	if (rel->rd_amcache != NULL)
		pfree(rel->rd_amcache);
	rel->rd_amcache = NULL;
}

/* Block of directory page "number", or InvalidBlockNumber if there is none. */
static BlockNumber
find_directory(Relation rel, uint32 number)
{
	BlockNumber block = cached_directory(rel, number);
	LedgerMetaData *meta;
	Buffer		buffer;
	uint32		root,
				index;

	if (BlockNumberIsValid(block))
		return block;

	buffer = ledger_lock_meta_if_any(rel, BUFFER_LOCK_SHARE);
	if (!BufferIsValid(buffer))
		return InvalidBlockNumber;
	meta = ledger_meta_of(rel, buffer, BufferGetPage(buffer));
	if (number < LEDGER_META_DIRECTORIES)
	{
		block = meta->directories[number];
		UnlockReleaseBuffer(buffer);
	}
	else
	{
		BlockNumber rootblock;

		locate_in_roots(number, &root, &index);
		rootblock = meta->roots[root];
		UnlockReleaseBuffer(buffer);
		if (!BlockNumberIsValid(rootblock))
			return InvalidBlockNumber;
		buffer = ledger_read_block(rel, rootblock);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		ledger_check_tag(rel, buffer, LEDGER_BLOCK_ROOT, root_first_slot(root));
		block = ((BlockNumber *) LedgerPageContents(BufferGetPage(buffer)))[index];
		UnlockReleaseBuffer(buffer);
	}
	if (BlockNumberIsValid(block))
		cache_directory(rel, number, block);
	return block;
}

/*
 * The slot's entry in "page", which is that of the locked directory buffer or
 * a copy of it.
 */
LedgerSlotEntry *
ledger_entry_of(Relation rel, Buffer buffer, Page page, LedgerSlotNumber slot)
{
	LedgerSlotEntry *entry = (LedgerSlotEntry *) LedgerPageContents(page) +
	slot % LEDGER_ENTRIES_PER_PAGE;

	ledger_check_tag(rel, buffer, LEDGER_BLOCK_DIRECTORY,
					 directory_first_slot(directory_number(slot)));
	if (entry->crc != entry_crc(entry, slot) || entry->state > LEDGER_SLOT_DEAD ||
		entry->nrows > LEDGER_SLOT_ROWS)
		ledger_corrupt(rel, BufferGetBlockNumber(buffer),
					   "the directory entry of slot %u fails its check", slot);
	return entry;
}

/*
 * Block of the directory page of a slot that has been allotted, or is about to
 * be.  Looks at the metapage, so find it before locking that.
 */
BlockNumber
ledger_directory_block(Relation rel, LedgerSlotNumber slot)
{
	BlockNumber block = find_directory(rel, directory_number(slot));

	if (!BlockNumberIsValid(block))
		ledger_corrupt(rel, 0, "slot %u has no directory page", slot);
	return block;
}

/* Pin and lock a directory page. */
Buffer
ledger_lock_directory(Relation rel, BlockNumber block, int mode)
{
	Buffer		buffer = ledger_read_block(rel, block);

	LockBuffer(buffer, mode);
	return buffer;
}

/* Whether the entries of two slots are on one directory page. */
bool
ledger_same_directory(LedgerSlotNumber a, LedgerSlotNumber b)
{
	return directory_number(a) == directory_number(b);
}

/*
 * Read the entries of "count" slots from "slot" on, as far as they are on one
 * page; returns how many that is.
 */
int
ledger_read_entries(Relation rel, LedgerSlotNumber slot, int count, LedgerSlotEntry *entries)
{
	BlockNumber block;
	Buffer		buffer;
	int			n = Min(count, (int) (LEDGER_ENTRIES_PER_PAGE - slot % LEDGER_ENTRIES_PER_PAGE));

	if (slot >= LEDGER_MAX_SLOTS)
		return 0;
	block = find_directory(rel, directory_number(slot));
	if (!BlockNumberIsValid(block))
		return 0;
	buffer = ledger_read_block(rel, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	for (int i = 0; i < n; i++)
		entries[i] = *ledger_entry_of(rel, buffer, BufferGetPage(buffer), slot + i);
	UnlockReleaseBuffer(buffer);
	return n;
}

/* Copy a slot's entry out; false if the slot was never allotted. */
bool
ledger_read_entry(Relation rel, LedgerSlotNumber slot, LedgerSlotEntry *entry)
{
	return ledger_read_entries(rel, slot, 1, entry) == 1 && entry->state != LEDGER_SLOT_FREE;
}

static void
init_directory_page(Page page, uint32 number)
{
	LedgerSlotEntry *entries;
	LedgerSlotNumber first = directory_first_slot(number);

	ledger_page_init(page, LEDGER_BLOCK_DIRECTORY, first, 0, 0);
	entries = (LedgerSlotEntry *) LedgerPageContents(page);
	memset(entries, 0, LEDGER_ENTRIES_PER_PAGE * sizeof(LedgerSlotEntry));
	for (int i = 0; i < LEDGER_ENTRIES_PER_PAGE; i++)
		ledger_entry_set_crc(&entries[i], first + i);
	((PageHeader) page)->pd_lower = SizeOfPageHeaderData +
		LEDGER_ENTRIES_PER_PAGE * sizeof(LedgerSlotEntry);
}

static void
init_root_page(Page page, uint32 root)
{
	BlockNumber *blocks;

	ledger_page_init(page, LEDGER_BLOCK_ROOT, root_first_slot(root), 0, 0);
	blocks = (BlockNumber *) LedgerPageContents(page);
	for (int i = 0; i < LEDGER_ROOT_DIRECTORIES; i++)
		blocks[i] = InvalidBlockNumber;
	((PageHeader) page)->pd_lower = SizeOfPageHeaderData +
		LEDGER_ROOT_DIRECTORIES * sizeof(BlockNumber);
}

/* Make a root page, unless somebody else has just done so. */
static BlockNumber
ensure_root(Relation rel, uint32 root)
{
	Buffer		newbuf = ledger_alloc_block(rel);
	Buffer		metabuf = ledger_lock_meta(rel, BUFFER_LOCK_EXCLUSIVE);
	GenericXLogState *state = GenericXLogStart(rel);
	LedgerMetaData *meta = ledger_meta_of(rel, metabuf,
										  GenericXLogRegisterBuffer(state, metabuf, 0));
	BlockNumber block = meta->roots[root];

	if (BlockNumberIsValid(block))
	{
		BlockNumber unused = BufferGetBlockNumber(newbuf);

		GenericXLogAbort(state);
		UnlockReleaseBuffer(metabuf);
		UnlockReleaseBuffer(newbuf);
		ledger_free_block(rel, unused);
		return block;
	}
	block = BufferGetBlockNumber(newbuf);
	init_root_page(GenericXLogRegisterBuffer(state, newbuf, GENERIC_XLOG_FULL_IMAGE), root);
	meta->roots[root] = block;
	GenericXLogFinish(state);
	UnlockReleaseBuffer(metabuf);
	UnlockReleaseBuffer(newbuf);
	return block;
}

/* The root page that names a directory page, if one does. */
static BlockNumber
root_block(Relation rel, uint32 number)
{
	LedgerMetaData meta;
	uint32		root,
				index;

	if (number < LEDGER_META_DIRECTORIES || !ledger_read_meta(rel, &meta))
		return InvalidBlockNumber;
	locate_in_roots(number, &root, &index);
	return meta.roots[root];
}

/* Lock the page that names a directory page: the metapage, or the root page at "rootblock". */
static Buffer
lock_parent(Relation rel, uint32 number, BlockNumber rootblock)
{
	Buffer		buffer;

	if (number < LEDGER_META_DIRECTORIES)
		return ledger_lock_meta(rel, BUFFER_LOCK_EXCLUSIVE);
	buffer = ledger_read_block(rel, rootblock);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	return buffer;
}

/* Where in it: "page" is that of the buffer, or a copy of it. */
static BlockNumber *
place_in_parent(Relation rel, Buffer parent, Page page, uint32 number)
{
	uint32		root,
				index;

	if (number < LEDGER_META_DIRECTORIES)
		return &ledger_meta_of(rel, parent, page)->directories[number];
	locate_in_roots(number, &root, &index);
	ledger_check_tag(rel, parent, LEDGER_BLOCK_ROOT, root_first_slot(root));
	return (BlockNumber *) LedgerPageContents(page) + index;
}

/* See to it that the slot has a directory page. */
void
ledger_ensure_directory(Relation rel, LedgerSlotNumber slot)
{
	uint32		number = directory_number(slot);
	Buffer		newbuf,
				parent;
	GenericXLogState *state;
	BlockNumber *place;
	BlockNumber rootblock = InvalidBlockNumber;
	uint32		root,
				index;

	if (BlockNumberIsValid(find_directory(rel, number)))
		return;

	if (number >= LEDGER_META_DIRECTORIES)
	{
		locate_in_roots(number, &root, &index);
		rootblock = ensure_root(rel, root);
	}

	newbuf = ledger_alloc_block(rel);
	parent = lock_parent(rel, number, rootblock);
	state = GenericXLogStart(rel);
	place = place_in_parent(rel, parent, GenericXLogRegisterBuffer(state, parent, 0), number);
	if (BlockNumberIsValid(*place))
	{
		BlockNumber unused = BufferGetBlockNumber(newbuf);

		GenericXLogAbort(state);
		UnlockReleaseBuffer(parent);
		UnlockReleaseBuffer(newbuf);
		ledger_free_block(rel, unused);
		return;
	}
	*place = BufferGetBlockNumber(newbuf);
	init_directory_page(GenericXLogRegisterBuffer(state, newbuf, GENERIC_XLOG_FULL_IMAGE),
						number);
	GenericXLogFinish(state);
	UnlockReleaseBuffer(parent);
	UnlockReleaseBuffer(newbuf);
}

/* How many directory pages the slots have, and root pages. */
uint32
ledger_directory_blocks(const LedgerMetaData *meta)
{
	uint32		result = meta->next_slot == 0 ? 0 : directory_number(meta->next_slot - 1) + 1;

	for (int root = 0; root < LEDGER_META_ROOTS; root++)
		result += BlockNumberIsValid(meta->roots[root]);
	return result;
}

/* ---- moving ---- */

/*
 * Find directory and root pages that lie at "limit" or beyond, "most" at most; returns
 * how many.
 */
int
ledger_find_directories(Relation rel, BlockNumber limit, LedgerDirectoryMove *moves, int most)
{
	LedgerMetaData meta;
	int			n = 0;

	if (!ledger_read_meta(rel, &meta))
		return 0;
	for (uint32 root = 0; root < LEDGER_META_ROOTS && n < most; root++)
		if (BlockNumberIsValid(meta.roots[root]) && meta.roots[root] >= limit)
			moves[n++] = (LedgerDirectoryMove) {true, root, meta.roots[root]};
	for (uint32 number = 0; number < DIRECTORIES_MAX && n < most; number++)
	{
		BlockNumber block = find_directory(rel, number);

		CHECK_FOR_INTERRUPTS();
		if (!BlockNumberIsValid(block))
			break;
		if (block >= limit)
			moves[n++] = (LedgerDirectoryMove) {false, number, block};
	}
	return n;
}

/*
 * Have everybody forget where directory pages are.  Before they are moved, under
 * AccessExclusiveLock: whoever has that lock next has heard of it, whatever becomes of
 * us, and nobody can find out again meanwhile.  So it is on standbys, where the lock is
 * held while this and the moves are replayed.
 */
static void
tell_of_moves(Relation rel)
{
	SharedInvalidationMessage message;

	memset(&message, 0, sizeof(message));
	message.rc.id = SHAREDINVALRELCACHE_ID;
	message.rc.dbId = rel->rd_lockInfo.lockRelId.dbId;
	message.rc.relId = RelationGetRelid(rel);
	if (RelationNeedsWAL(rel) && XLogStandbyInfoActive())
		LogStandbyInvalidations(1, &message, false);
	SendSharedInvalidMessages(&message, 1);
}

/*
 * Move a page of the kind to a block that has been claimed, "newbuf", which its place
 * in the locked parent is to name; both locks are given up.  What is left of the page
 * is marked, so that it is free, and nobody can take it for what it was.
 */
static void
move_page(Relation rel, LedgerBlockKind kind, LedgerSlotNumber slot, GenericXLogState *state,
		  BlockNumber *place, Buffer parent, Buffer newbuf)
{
	BlockNumber block = *place;
	Buffer		oldbuf = ledger_read_block(rel, block);
	Page		old;

	LockBuffer(oldbuf, BUFFER_LOCK_EXCLUSIVE);
	ledger_check_tag(rel, oldbuf, kind, slot);
	old = GenericXLogRegisterBuffer(state, oldbuf, 0);
	memcpy(GenericXLogRegisterBuffer(state, newbuf, GENERIC_XLOG_FULL_IMAGE), old, BLCKSZ);
	ledger_page_tag(old)->position = LEDGER_MOVED;
	*place = BufferGetBlockNumber(newbuf);
	GenericXLogFinish(state);
	UnlockReleaseBuffer(oldbuf);
	UnlockReleaseBuffer(parent);
	UnlockReleaseBuffer(newbuf);
	ledger_forget_directory(rel);
	ledger_free_block(rel, block);
}

/* Move one to a block that has been claimed, if it is still where it was. */
static void
move_directory(Relation rel, const LedgerDirectoryMove *move, Buffer newbuf)
{
	LedgerBlockKind kind = move->root ? LEDGER_BLOCK_ROOT : LEDGER_BLOCK_DIRECTORY;
	LedgerSlotNumber slot = move->root ? root_first_slot(move->number) :
		directory_first_slot(move->number);
	Buffer		parent = move->root ? ledger_lock_meta(rel, BUFFER_LOCK_EXCLUSIVE) :
		lock_parent(rel, move->number, root_block(rel, move->number));
	GenericXLogState *state = GenericXLogStart(rel);
	Page		page = GenericXLogRegisterBuffer(state, parent, 0);
	BlockNumber *place = move->root ? &ledger_meta_of(rel, parent, page)->roots[move->number] :
		place_in_parent(rel, parent, page, move->number);

	if (*place == move->from)
	{
		move_page(rel, kind, slot, state, place, parent, newbuf);
		return;
	}
	GenericXLogAbort(state);
	UnlockReleaseBuffer(parent);
	UnlockReleaseBuffer(newbuf);
	ledger_free_block(rel, move->to);
}

/*
 * Move directory and root pages to blocks that may be free.  The caller holds
 * AccessExclusiveLock.  A page whose block is not free after all stays; the free space
 * map does not suggest that block again.
 */
void
ledger_move_directories(Relation rel, const LedgerDirectoryMove *moves, int n)
{
	tell_of_moves(rel);
	for (int i = 0; i < n; i++)
	{
		Buffer		newbuf;

		CHECK_FOR_INTERRUPTS();
		RecordUsedIndexPage(rel, moves[i].to);
		newbuf = ledger_claim_block(rel, moves[i].to);
		if (BufferIsValid(newbuf))
			move_directory(rel, &moves[i], newbuf);
	}
}
