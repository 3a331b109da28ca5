/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  What a backend keeps of the segments that it has read.
 *
 * A reader that nobody uses any more is kept here, with all that it has read
 * and understood, for who opens the segment next.  What is in the cache is in
 * nobody's use: to take a reader out is to make it the taker's, memory context
 * and all, and it comes back when its last reference is released.  So there
 * are no references to the cache to be counted, and none to be lost: where an
 * error makes memory go without anything being released, a reader goes with
 * it, as if there were no cache.
 *
 * A reader that has read little, and decoded nothing, is only kept when its segment
 * is read a second time: one lookup opens every segment of a table, to find that a
 * filter excludes it, and memory that is touched for the first time costs more than
 * all that.
 *
 * Blocks that were decompressed are not in a reader's memory.  They are large, and
 * many, and what readers have saves more for each byte; so they are kept by
 * themselves, in a part of the cache, and what is not used gives way to what is.
 * They are copied: a reader that reads one needs a buffer for it anyway.
 *
 * Readers are found by relation, file and all that a slot's entry says of a
 * segment, of which the ids are not used twice in a file.  Only the number of
 * a file may be, for another one after the relation was dropped or emptied;
 * either invalidates the relation cache, and then nothing is left of it here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "common/hashfn.h"
#include "lib/ilist.h"
#include "read/read_internal.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#define DEFAULT_CACHE_KB	(48 * 1024)

/* Blocks may take one part in so many of the cache. */
#define BLOCKS_PART			4

/* When they do, one in so many of those that a scan reads again takes another's place. */
#define SCANNED_TAKEN		8

/* What malloc, the memory context and the hash table need for a block, about */
#define BLOCK_OVERHEAD		192

/* Bytes of a reader that has read little */
#define LITTLE				(16 * 1024)

/*
 * Bits for the keys that were asked for once, by hash, and how many of them are set
 * before all are cleared.
 */
#define SEEN_BITS			65536
#define SEEN_MAX			(SEEN_BITS / 4)

typedef struct SeenKeys
{
	uint64		bits[SEEN_BITS / 64];
	int			nset;
} SeenKeys;

typedef struct CacheEntry
{
	LedgerCacheKey key;
	dlist_node	node;			/* in "used" */
	void	   *item;
	MemoryContext context;		/* of the item, and the only one */
	Size		bytes;
} CacheEntry;

/* Compared as bytes, likewise. */
typedef struct BlockKey
{
	LedgerCacheKey segment;
	uint64		offset;			/* of the block in the data stream */
} BlockKey;

typedef struct BlockEntry
{
	BlockKey	key;
	dlist_node	node;			/* in "used_blocks" */
	char	   *bytes;
	uint32		length;
} BlockEntry;

static int	cache_kb = DEFAULT_CACHE_KB;
static MemoryContext cache_context = NULL;
static HTAB *cache = NULL;
static dlist_head used = DLIST_STATIC_INIT(used);	/* the last one used first */
static Size total = 0;
static uint64 invalidations = 0;
static SeenKeys seen;

static MemoryContext blocks_context = NULL;
static HTAB *blocks = NULL;
static dlist_head used_blocks = DLIST_STATIC_INIT(used_blocks); /* likewise */
static Size blocks_total = 0;
static SeenKeys seen_blocks;
static uint32 nscanned = 0;

static void
remove_entry(CacheEntry *entry)
{
	total -= entry->bytes;
	dlist_delete(&entry->node);
	hash_search(cache, &entry->key, HASH_REMOVE, NULL);
}

static void
drop_entry(CacheEntry *entry)
{
	MemoryContext context = entry->context;

	remove_entry(entry);
	MemoryContextDelete(context);
}

static inline Size
block_size(uint32 length)
{
	return MAXALIGN(length) + BLOCK_OVERHEAD;
}

static void
drop_block(BlockEntry *block)
{
	blocks_total -= block_size(block->length);
	dlist_delete(&block->node);
	pfree(block->bytes);
	hash_search(blocks, &block->key, HASH_REMOVE, NULL);
}

/*
 * Make room for so many bytes.  The reader used last stays rather than blocks, which
 * may be its own.
 */
static void
shrink_to(Size limit)
{
	while (blocks_total > limit / BLOCKS_PART)
		drop_block(dlist_tail_element(BlockEntry, node, &used_blocks));
	while (total + blocks_total > limit)
	{
		if (blocks_total > 0 && dlist_head_node(&used) == dlist_tail_node(&used))
			drop_block(dlist_tail_element(BlockEntry, node, &used_blocks));
		else
			drop_entry(dlist_tail_element(CacheEntry, node, &used));
	}
}

/* Forget what is kept of a relation, or of all. */
void
ledger_cache_forget(Oid relid)
{
	dlist_mutable_iter iter;

	invalidations++;
	dlist_foreach_modify(iter, &used)
	{
		CacheEntry *entry = dlist_container(CacheEntry, node, iter.cur);

		if (!OidIsValid(relid) || entry->key.relid == relid)
			drop_entry(entry);
	}
	dlist_foreach_modify(iter, &used_blocks)
	{
		BlockEntry *block = dlist_container(BlockEntry, node, iter.cur);

		if (!OidIsValid(relid) || block->key.segment.relid == relid)
			drop_block(block);
	}
}

/*
 * Changes whenever something may have been forgotten.  What was made when it
 * was another must not be kept.
 */
uint64
ledger_cache_age(void)
{
	return invalidations;
}

/* Bytes that may be kept */
Size
ledger_cache_limit(void)
{
	return (Size) cache_kb * 1024;
}

/* What is kept under the key becomes the caller's, in "parent"; or NULL. */
void *
ledger_cache_take(const LedgerCacheKey *key, MemoryContext parent)
{
	CacheEntry *entry = cache == NULL ? NULL : hash_search(cache, key, HASH_FIND, NULL);
	void	   *item;

	if (entry == NULL)
		return NULL;
	item = entry->item;
	MemoryContextSetParent(entry->context, parent);
	remove_entry(entry);
	return item;
}

static HTAB *
create_table(Size key, Size entry)
{
	HASHCTL		ctl = {
		.keysize = key,
		.entrysize = entry
	};

	if (cache_context == NULL)
		cache_context = AllocSetContextCreate(CacheMemoryContext, "ledger decode cache",
											  ALLOCSET_SMALL_SIZES);
	ctl.hcxt = cache_context;
	return hash_create("ledger decode cache", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * Has it been asked for this key before, or one that shares its bit?  If not, it
 * will have been.
 */
static bool
is_seen(SeenKeys *keys, const void *key, Size size)
{
	uint32		hash = hash_bytes(key, size) % SEEN_BITS;
	uint64		bit = UINT64CONST(1) << (hash % 64);

	if (keys->bits[hash / 64] & bit)
		return true;
	if (++keys->nset > SEEN_MAX)
	{
		memset(keys, 0, sizeof(*keys));
		keys->nset = 1;
	}
	keys->bits[hash / 64] |= bit;
	return false;
}

/*
 * Keep an item, which is all that is in "context", under the key; if it is little,
 * perhaps, unless "surely".  False if it is not kept, and still the caller's.
 * Nothing that can fail is done once anything has changed.
 */
bool
ledger_cache_give(const LedgerCacheKey *key, void *item, MemoryContext context, bool surely)
{
	Size		limit = ledger_cache_limit();
	Size		bytes;
	CacheEntry *entry;
	bool		found;

	if (limit == 0 || (bytes = MemoryContextMemAllocated(context, true)) > limit)
		return false;
	if (bytes <= LITTLE && !surely && !is_seen(&seen, key, sizeof(*key)))
		return false;
	if (cache == NULL)
		cache = create_table(sizeof(LedgerCacheKey), sizeof(CacheEntry));
	entry = hash_search(cache, key, HASH_ENTER, &found);
	if (found)
		return false;			/* two have read it at a time */
	entry->item = item;
	entry->context = context;
	entry->bytes = bytes;
	MemoryContextSetParent(context, cache_context);
	dlist_push_head(&used, &entry->node);
	total += bytes;
	shrink_to(limit);
	return true;
}

/*
 * Is half of the cache free?  If not, readers had better not grow for what may be
 * asked for once: a look-up opens all segments, and where not all of them have room,
 * each drives out the one that will be wanted next.
 */
bool
ledger_cache_has_room(void)
{
	return total + blocks_total < ledger_cache_limit() / 2;
}

static void
set_block_key(BlockKey *key, const LedgerCacheKey *segment, uint64 offset)
{
	memset(key, 0, sizeof(*key));
	memcpy(&key->segment, segment, sizeof(*segment));
	key->offset = offset;
}

/* Copy a block that is kept; false if it is not. */
bool
ledger_cache_recall(const LedgerCacheKey *segment, uint64 offset, uint32 length, void *dst)
{
	BlockKey	key;
	BlockEntry *block;

	if (blocks_total == 0)
		return false;
	set_block_key(&key, segment, offset);
	block = hash_search(blocks, &key, HASH_FIND, NULL);
	if (block == NULL || block->length != length)
		return false;
	memcpy(dst, block->bytes, length);
	dlist_move_head(&used_blocks, &block->node);
	return true;
}

/*
 * A context in which each block has memory of its own from malloc, so that what is
 * freed can be of use for another size: chunks of more than a quarter of what such
 * a context takes at once have it.  A context that begins with 1024 bytes may be a
 * used one, with the limit that it had when it was another's.
 */
static MemoryContext
create_blocks_context(void)
{
	return AllocSetContextCreate(cache_context, "ledger blocks", 0, 2048, 2048);
}

/*
 * A scan has no use for what it reads once.  And one that reads more than there is
 * room for would have driven out each block before it comes to it again: so then it
 * only takes the place of few.
 */
static bool
scan_may_keep(const BlockKey *key, bool full)
{
	return is_seen(&seen_blocks, key, sizeof(*key)) &&
		(!full || nscanned++ % SCANNED_TAKEN == 0);
}

/* Keep a copy of a block that was decompressed by a look-up, or, perhaps, by a scan. */
void
ledger_cache_keep(const LedgerCacheKey *segment, uint64 offset, uint32 length, const void *bytes,
				  bool look_up)
{
	Size		limit = ledger_cache_limit();
	Size		room = limit / BLOCKS_PART;
	Size		size = block_size(length);
	BlockKey	key;
	BlockEntry *block;
	bool		found;

	if (size > room)
		return;
	set_block_key(&key, segment, offset);
	if (!look_up && !scan_may_keep(&key, blocks_total + size > room))
		return;
	if (blocks == NULL)
		blocks = create_table(sizeof(BlockKey), sizeof(BlockEntry));
	if (blocks_context == NULL)
		blocks_context = create_blocks_context();
	block = hash_search(blocks, &key, HASH_ENTER, &found);
	if (found)
		return;
	block->bytes = MemoryContextAllocExtended(blocks_context, length, MCXT_ALLOC_NO_OOM);
	if (block->bytes == NULL)
	{
		hash_search(blocks, &key, HASH_REMOVE, NULL);
		return;
	}
	memcpy(block->bytes, bytes, length);
	block->length = length;
	dlist_push_head(&used_blocks, &block->node);
	blocks_total += size;
	shrink_to(limit);
}

static void
relation_changed(Datum arg, Oid relid)
{
	if (!ledger_told_again(relid))
		ledger_cache_forget(relid);
}

/* A GucIntAssignHook */
static void
assign_cache(int newval, void *extra)
{
	shrink_to((Size) newval * 1024);
	ledger_notes_shrink((Size) newval * 1024);
	if (newval > 0)
		return;
	/* the tables themselves do not become smaller */
	if (cache)
		hash_destroy(cache);
	if (blocks)
		hash_destroy(blocks);
	cache = blocks = NULL;
	memset(&seen, 0, sizeof(seen));
	memset(&seen_blocks, 0, sizeof(seen_blocks));
}

void
ledger_cache_init(void)
{
	DefineCustomIntVariable("ledger.decode_cache",
							"Memory in which a session keeps what it has read of ledgers' segments.",
							"0 keeps nothing.", &cache_kb, DEFAULT_CACHE_KB, 0, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, assign_cache, NULL);
	ledger_watch_relations(relation_changed);
}
