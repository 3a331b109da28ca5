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
 * A reader that has read little is only kept when its segment is read a second
 * time: one lookup opens every segment of a table, to find that a filter excludes
 * it, and memory that is touched for the first time costs more than all that.
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

/* Bytes of a reader that has read little */
#define LITTLE				(16 * 1024)

/* Bits for the keys of such readers, and how many of them are set before all are cleared */
#define SEEN_BITS			65536
#define SEEN_MAX			(SEEN_BITS / 4)

typedef struct CacheEntry
{
	LedgerCacheKey key;
	dlist_node	node;			/* in "used" */
	void	   *item;
	MemoryContext context;		/* of the item, and the only one */
	Size		bytes;
} CacheEntry;

static int	cache_kb = DEFAULT_CACHE_KB;
static MemoryContext cache_context = NULL;
static HTAB *cache = NULL;
static dlist_head used = DLIST_STATIC_INIT(used);	/* the last one used first */
static Size total = 0;
static uint64 invalidations = 0;
static uint64 seen[SEEN_BITS / 64]; /* by the hash of a key */
static int	nseen = 0;

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

/* Make room for so many bytes. */
static void
shrink_to(Size limit)
{
	while (total > limit)
		drop_entry(dlist_tail_element(CacheEntry, node, &used));
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

static void
create_cache(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(LedgerCacheKey),
		.entrysize = sizeof(CacheEntry)
	};

	if (cache_context == NULL)
		cache_context = AllocSetContextCreate(CacheMemoryContext, "ledger decode cache",
											  ALLOCSET_SMALL_SIZES);
	ctl.hcxt = cache_context;
	cache = hash_create("ledger decode cache", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * Has it been asked for this key before, or one that shares its bit?  If not, it
 * will have been.
 */
static bool
is_seen(const LedgerCacheKey *key)
{
	uint32		hash = hash_bytes((const unsigned char *) key, sizeof(*key)) % SEEN_BITS;
	uint64		bit = UINT64CONST(1) << (hash % 64);

	if (seen[hash / 64] & bit)
		return true;
	if (++nseen > SEEN_MAX)
	{
		memset(seen, 0, sizeof(seen));
		nseen = 1;
	}
	seen[hash / 64] |= bit;
	return false;
}

/*
 * Keep an item, which is all that is in "context", under the key.  False if it
 * is not kept, and still the caller's.  Nothing that can fail is done once
 * anything has changed.
 */
bool
ledger_cache_give(const LedgerCacheKey *key, void *item, MemoryContext context)
{
	Size		limit = (Size) cache_kb * 1024;
	Size		bytes;
	CacheEntry *entry;
	bool		found;

	if (limit == 0 || (bytes = MemoryContextMemAllocated(context, true)) > limit)
		return false;
	if (bytes <= LITTLE && !is_seen(key))
		return false;
	if (cache == NULL)
		create_cache();
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

static void
relation_changed(Datum arg, Oid relid)
{
	ledger_cache_forget(relid);
}

/* A GucIntAssignHook */
static void
assign_cache(int newval, void *extra)
{
	shrink_to((Size) newval * 1024);
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
