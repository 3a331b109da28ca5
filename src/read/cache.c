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
 * Readers are found by relation, file and all that a slot's entry says of a
 * segment, of which the ids are not used twice in a file.  Only the number of
 * a file may be, for another one after the relation was dropped or emptied;
 * either invalidates the relation cache, and then nothing is left of it here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/ilist.h"
#include "read/read_internal.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#define DEFAULT_CACHE_KB	(32 * 1024)

/* What a session takes at first: less at a time than malloc would map. */
#define FIRST_PIECE		(120 * 1024)
#define FIRST_PIECES	12

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

/*
 * A session's first look-up takes memory from the system, page by page with a
 * trap for each: up to 20 microseconds in a virtual machine, a third of all it
 * took.  So the first pages are asked for at once.  They are in contexts that
 * malloc puts on the heap, as others are; one that stays behind them keeps malloc
 * from giving them back when they are deleted.
 */
static void
take_first_pages(void)
{
#ifdef MADV_POPULATE_WRITE
	MemoryContext pieces[FIRST_PIECES];
	uintptr_t	page = sysconf(_SC_PAGESIZE);

	for (int i = 0; i < FIRST_PIECES; i++)
	{
		uintptr_t	start;

		pieces[i] = AllocSetContextCreate(cache_context, "ledger first pages", FIRST_PIECE,
										  FIRST_PIECE, FIRST_PIECE);
		start = (uintptr_t) pieces[i] / page * page;
		/* it is no matter if this fails */
		(void) madvise((void *) start, (uintptr_t) pieces[i] + FIRST_PIECE - start,
					   MADV_POPULATE_WRITE);
	}
	for (Size size = ALLOCSET_SMALL_INITSIZE; size <= FIRST_PIECE; size *= 2)
	{
		MemoryContext last = AllocSetContextCreate(cache_context, "ledger last page", size, size, size);

		if ((uintptr_t) last > (uintptr_t) pieces[FIRST_PIECES - 1])
			break;
		MemoryContextDelete(last);	/* there was room for it before them */
	}
	for (int i = 0; i < FIRST_PIECES; i++)
		MemoryContextDelete(pieces[i]);
#endif
}

/* The session's first reader is about to be opened. */
static void
begin_cache(void)
{
	cache_context = AllocSetContextCreate(CacheMemoryContext, "ledger decode cache",
										  ALLOCSET_SMALL_SIZES);
	take_first_pages();
}

/* What is kept under the key becomes the caller's, in "parent"; or NULL. */
void *
ledger_cache_take(const LedgerCacheKey *key, MemoryContext parent)
{
	CacheEntry *entry = cache == NULL ? NULL : hash_search(cache, key, HASH_FIND, NULL);
	void	   *item;

	if (cache_context == NULL)
		begin_cache();
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

	ctl.hcxt = cache_context;
	cache = hash_create("ledger decode cache", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
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
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}
