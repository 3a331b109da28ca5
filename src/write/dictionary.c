/*-------------------------------------------------------------------------
 *
 * dictionary.c
 *	  Dictionaries: earlier rows that the rows of the tail are compressed
 *	  against (see codec/rowpack.h).
 *
 * The metapage names the dictionary for new tail pages, and those that pages
 * of unsealed runs still name.  A dictionary never changes, and no other of
 * the relation ever gets its number; so a backend may keep what it has read.
 *
 * When pages stop naming one: a page is given the dictionary that the metapage
 * names first while its slot is allotted already.  So a dictionary that is
 * replaced when next_slot is n is named by no page of slot n or later, and can
 * go as soon as all slots below n are sealed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "write/packed.h"
#include "write/write.h"

StaticAssertDecl(LEDGER_ROWPACK_DICTIONARY_MAX <= LEDGER_DICTIONARY_BLOCKS * LEDGER_PAGE_PAYLOAD,
				 "a dictionary must fit in its blocks");

/* ---- What this backend has read ---- */

#define CACHED_MAX		8

typedef struct CachedDictionary
{
	Oid			relid;			/* InvalidOid: none here, or outdated */
	LedgerFile	file;
	uint32		number;			/* in that relation */
	LedgerRowDictionary *dictionary;
} CachedDictionary;

static CachedDictionary cached[CACHED_MAX];
static int	next_cached = 0;

/* A number for the packers, which know no relations */
uint64
ledger_private_number(void)
{
	static uint64 last = 0;

	return ++last;
}

/*
 * A relation may be gone, or have been truncated in place: then another
 * dictionary may get the number of one that we know.
 */
static void
forget_cached(Datum arg, Oid relid)
{
	for (int i = 0; i < CACHED_MAX; i++)
	{
		if (!OidIsValid(relid) || cached[i].relid == relid)
			cached[i].relid = InvalidOid;
	}
}

void
ledger_forget_dictionaries(Relation rel)
{
	forget_cached((Datum) 0, RelationGetRelid(rel));
}

static CachedDictionary *
find_cached(Relation rel, uint32 number)
{
	for (int i = 0; i < CACHED_MAX; i++)
	{
		if (cached[i].relid == RelationGetRelid(rel) && cached[i].number == number &&
			LedgerSameFile(cached[i].file, LedgerFileOf(rel)))
			return &cached[i];
	}
	return NULL;
}

/*
 * The dictionary of the page that a relation's last rows went to, as far as
 * this backend remembers: most likely the next ones' too.
 */
#define REMEMBERED		16

static struct
{
	Oid			relid;
	uint32		dictionary;
}			remembered[REMEMBERED];

uint32
ledger_likely_dictionary(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);

	return remembered[relid % REMEMBERED].relid == relid ?
		remembered[relid % REMEMBERED].dictionary : 0;
}

void
ledger_remember_dictionary(Relation rel, uint32 dictionary)
{
	Oid			relid = RelationGetRelid(rel);

	remembered[relid % REMEMBERED].relid = relid;
	remembered[relid % REMEMBERED].dictionary = dictionary;
}

/* ---- Reading ---- */

/*
 * A block is not the dictionary's: right if the metapage no longer names it as
 * that, else it is damaged.
 */
static void
check_gone(Relation rel, const LedgerDictionaryPlace *place, BlockNumber block)
{
	LedgerMetaData meta;

	if (!ledger_read_meta(rel, &meta))
		return;
	for (int i = 0; i < LEDGER_META_DICTIONARIES; i++)
		if (meta.dictionaries[i].number == place->number)
			ledger_corrupt(rel, block, "the block is not dictionary %u's, as the metapage says",
						   place->number);
}

/* False if the dictionary has gone. */
static bool
read_dictionary(Relation rel, const LedgerDictionaryPlace *place, char *bytes)
{
	int			done = 0;

	if (place->length > LEDGER_ROWPACK_DICTIONARY_MAX)
		ledger_corrupt(rel, 0, "dictionary %u has %u bytes", place->number, place->length);
	for (int i = 0; done < (int) place->length; i++)
	{
		Buffer		buffer = ledger_read_block(rel, place->blocks[i]);
		Page		page = BufferGetPage(buffer);
		int			some = Min((int) place->length - done, (int) LEDGER_PAGE_PAYLOAD);
		bool		ours;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		ours = ledger_tag_is(page, LEDGER_BLOCK_DICTIONARY, 0, i, place->number);
		if (ours)
			memcpy(bytes + done, LedgerPageContents(page), some);
		UnlockReleaseBuffer(buffer);
		if (!ours)
		{
			check_gone(rel, place, place->blocks[i]);
			return false;
		}
		done += some;
	}
	if (ledger_checksum(bytes, place->length) != place->crc)
		ledger_corrupt(rel, place->blocks[0], "dictionary %u, of %u bytes in blocks %u, %u and %u, as far as it has so many, fails its check",
					   place->number, place->length, place->blocks[0], place->blocks[1], place->blocks[2]);
	return true;
}

/* Read a dictionary into a place of the cache; false if it has gone. */
static bool
load_dictionary(Relation rel, uint32 number)
{
	static bool registered = false;
	LedgerMetaData meta;
	int			slot = next_cached;

	if (!registered)
	{
		ledger_watch_relations(forget_cached);
		registered = true;
	}
	if (!ledger_read_meta(rel, &meta))
		return false;
	for (int i = 0; i < LEDGER_META_DICTIONARIES; i++)
	{
		LedgerDictionaryPlace *place = &meta.dictionaries[i];
		CachedDictionary *entry = &cached[slot];

		if (place->number != number)
			continue;
		entry->relid = InvalidOid;
		if (entry->dictionary == NULL)
			entry->dictionary = MemoryContextAlloc(TopMemoryContext, sizeof(LedgerRowDictionary));
		if (!read_dictionary(rel, place, entry->dictionary->bytes))
			return false;
		entry->dictionary->length = place->length;
		entry->dictionary->number = ledger_private_number();
		entry->relid = RelationGetRelid(rel);
		entry->file = LedgerFileOf(rel);
		entry->number = number;
		next_cached = (slot + 1) % CACHED_MAX;
		return true;
	}
	return false;
}

/*
 * The dictionary of that number, or NULL if there is none any more, or the
 * number is 0, which stands for the empty one.  It may go
 * at the next call, or when invalidations are processed.  No buffer may be
 * locked, unless ledger_has_dictionary() has just said that it is at hand.
 */
const LedgerRowDictionary *
ledger_dictionary(Relation rel, uint32 number)
{
	CachedDictionary *entry = number == 0 ? NULL : find_cached(rel, number);

	if (entry == NULL && number != 0 && load_dictionary(rel, number))
		entry = find_cached(rel, number);
	return entry == NULL ? NULL : entry->dictionary;
}

/* Whether the dictionary can be had without reading blocks. */
bool
ledger_has_dictionary(Relation rel, uint32 number)
{
	return number == 0 || find_cached(rel, number) != NULL;
}

/* ---- Making one ---- */

/* Note the blocks of a dictionary, after the n that are noted; returns how many there are. */
static int
note_blocks(const LedgerDictionaryPlace *place, BlockNumber *blocks, int n)
{
	for (uint32 at = 0; place->number != 0 && at < place->length; at += LEDGER_PAGE_PAYLOAD)
		blocks[n++] = place->blocks[at / LEDGER_PAGE_PAYLOAD];
	return n;
}

/*
 * Take the dictionaries out of a list that nothing needs any more, and make
 * room for a new first one; false if there is no room.  Their blocks are noted.
 */
static bool
shift_places(LedgerMetaData *meta, BlockNumber *freed, int *nfreed)
{
	LedgerDictionaryPlace kept[LEDGER_META_DICTIONARIES];
	int			nkept = 1;

	*nfreed = 0;
	memset(kept, 0, sizeof(kept));
	for (int i = 0; i < LEDGER_META_DICTIONARIES; i++)
	{
		LedgerDictionaryPlace *place = &meta->dictionaries[i];

		if (place->number == 0)
			continue;
		if (i == 0)
			place->until = meta->next_slot;
		if (place->until <= meta->seal_from)
		{
			*nfreed = note_blocks(place, freed, *nfreed);
			continue;
		}
		if (nkept == LEDGER_META_DICTIONARIES)
			return false;
		kept[nkept++] = *place;
	}
	memcpy(meta->dictionaries, kept, sizeof(kept));
	return true;
}

/*
 * Make a dictionary of these bytes the one for new pages, if the one that
 * "replaces" numbers still is.  One record writes and publishes it, so a crash
 * leaves nothing half done.
 */
void
ledger_publish_dictionary(Relation rel, const char *bytes, int length, uint32 replaces)
{
	Buffer		buffers[LEDGER_DICTIONARY_BLOCKS];
	int			wanted = (length + LEDGER_PAGE_PAYLOAD - 1) / LEDGER_PAGE_PAYLOAD;
	int			nblocks = ledger_alloc_blocks(rel, buffers, wanted);
	Buffer		metabuf = ledger_lock_meta(rel, BUFFER_LOCK_EXCLUSIVE);
	GenericXLogState *state = GenericXLogStart(rel);
	LedgerMetaData *meta = ledger_meta_of(rel, metabuf,
										  GenericXLogRegisterBuffer(state, metabuf, 0));
	LedgerDictionaryPlace *place = &meta->dictionaries[0];
	BlockNumber freed[LEDGER_META_DICTIONARIES * LEDGER_DICTIONARY_BLOCKS];
	int			nfreed;
	uint32		number;

	if (place->number != replaces || meta->next_dictionary == PG_UINT32_MAX ||
		!shift_places(meta, freed, &nfreed))
	{
		GenericXLogAbort(state);
		UnlockReleaseBuffer(metabuf);
		ledger_return_blocks(rel, buffers, nblocks);
		return;
	}

	/* there may be fewer blocks than were asked for */
	length = Min(length, nblocks * (int) LEDGER_PAGE_PAYLOAD);
	number = ++meta->next_dictionary;
	memset(place, 0, sizeof(*place));
	place->number = number;
	place->until = LEDGER_NO_SLOT;
	place->length = length;
	place->crc = ledger_checksum(bytes, length);
	for (int i = 0; i < nblocks; i++)
	{
		Page		page = GenericXLogRegisterBuffer(state, buffers[i], GENERIC_XLOG_FULL_IMAGE);
		int			some = Min(length - i * (int) LEDGER_PAGE_PAYLOAD, (int) LEDGER_PAGE_PAYLOAD);

		ledger_page_init(page, LEDGER_BLOCK_DICTIONARY, 0, i, number);
		memcpy(LedgerPageContents(page), bytes + i * LEDGER_PAGE_PAYLOAD, some);
		((PageHeader) page)->pd_lower = SizeOfPageHeaderData + some;
		place->blocks[i] = BufferGetBlockNumber(buffers[i]);
	}
	ledger_meta_set_crc(meta);
	GenericXLogFinish(state);
	UnlockReleaseBuffer(metabuf);
	for (int i = 0; i < nblocks; i++)
		UnlockReleaseBuffer(buffers[i]);
	for (int i = 0; i < nfreed; i++)
		ledger_free_block(rel, freed[i]);
}

/*
 * Forget all dictionaries, if every slot is sealed: so a ledger that gets no
 * more rows does not keep their blocks, which may be the last of its file.  The
 * next rows bring a new one.
 *
 * Others may be inserting.  Who has read the metapage before us wants to add a
 * page to a run that it names: that is sealed, and takes none.  A run that is
 * opened after us gets the dictionary of a metapage read after that.
 */
void
ledger_drop_dictionaries(Relation rel)
{
	Buffer		metabuf = ledger_lock_meta_if_any(rel, BUFFER_LOCK_EXCLUSIVE);
	GenericXLogState *state;
	LedgerMetaData *meta;
	BlockNumber blocks[LEDGER_META_DICTIONARIES * LEDGER_DICTIONARY_BLOCKS];
	int			nblocks = 0;

	if (!BufferIsValid(metabuf))
		return;
	state = GenericXLogStart(rel);
	meta = ledger_meta_of(rel, metabuf, GenericXLogRegisterBuffer(state, metabuf, 0));
	if (meta->seal_from == meta->next_slot)
	{
		for (int i = 0; i < LEDGER_META_DICTIONARIES; i++)
			nblocks = note_blocks(&meta->dictionaries[i], blocks, nblocks);
	}
	if (nblocks > 0)
	{
		memset(meta->dictionaries, 0, sizeof(meta->dictionaries));
		ledger_meta_set_crc(meta);
		GenericXLogFinish(state);
	}
	else
		GenericXLogAbort(state);
	UnlockReleaseBuffer(metabuf);
	for (int i = 0; i < nblocks; i++)
		ledger_free_block(rel, blocks[i]);
}
