/*-------------------------------------------------------------------------
 *
 * notes.c
 *	  What a backend has noted of tail pages that it has read.
 *
 * Nothing on disk tells what values a tail page has, and whoever looks for some
 * reads all of its rows.  But a page that rows are not added to any more, and most
 * are such, is the same each time; so what was found in it holds for as long as its
 * LSN does: all that changes a tail page's rows is logged, and sets it.  (Hint bits
 * are not of the rows, and where they are logged, a note is lost for nothing.)
 *
 * A page's first reader only leaves the LSN, as most pages are read once.  Notes are
 * by file; what is known of a column may hang on the relation's descriptor, so they
 * go with any invalidation of it, when they are asked for next.
 *
 * When they are as many as they may be, none are added.  The sealer will have taken
 * some of their pages, but nobody tells; so then all go, now and then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "read/read_internal.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Notes may take one part in so many of what the decode cache may, besides that. */
#define NOTES_PART			8

/* Where there is no room for more, one scan in so many begins with none. */
#define FORGETFUL			64

/* Relations that are known to have notes; of more, any may have. */
#define RELATIONS_MAX		16

static MemoryContext notes_context = NULL;
static HTAB *notes = NULL;
static Size total = 0;
static bool stale = false;		/* they may not be used any more */
static uint32 nfull = 0;
static Oid	relations[RELATIONS_MAX];
static int	nrelations = 0;

static void
forget_all(void)
{
	if (notes != NULL)
	{
		hash_destroy(notes);
		MemoryContextReset(notes_context);
	}
	notes = NULL;
	total = 0;
	stale = false;
	nrelations = 0;
}

static bool
may_have_notes(Oid relid)
{
	if (!OidIsValid(relid) || nrelations > RELATIONS_MAX)
		return true;
	for (int i = 0; i < nrelations; i++)
		if (relations[i] == relid)
			return true;
	return false;
}

static void
add_relation(Oid relid)
{
	if (may_have_notes(relid))
		return;
	if (nrelations < RELATIONS_MAX)
		relations[nrelations] = relid;
	nrelations++;
}

/* Whatever it was, it is rare enough for all to go. */
static void
relation_changed(Datum arg, Oid relid)
{
	if (notes != NULL && may_have_notes(relid) && !ledger_told_again(relid))
		stale = true;
}

static inline bool
are_many(Size limit)
{
	return total > limit / NOTES_PART;
}

/* Are there as many as there may be? */
bool
ledger_notes_are_full(void)
{
	return are_many(ledger_cache_limit());
}

/* Notes may take less from now on. */
void
ledger_notes_shrink(Size limit)
{
	if (limit == 0 || are_many(limit))
		forget_all();
}

/*
 * Are notes of use to who begins to scan the relation now?  A worker has nothing to
 * remember them for, and what is not logged has no LSN.  In a serializable transaction
 * conflicts with rows in progress are found row by row.
 */
bool
ledger_takes_notes(Relation rel)
{
	if (are_many(ledger_cache_limit()) && nfull++ % FORGETFUL == 0)
		forget_all();
	return ledger_cache_limit() > 0 && RelationNeedsWAL(rel) && !IsParallelWorker() &&
		!IsolationIsSerializable();
}

static void
create_notes(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(LedgerPageKey),
		.entrysize = sizeof(LedgerPageNote)
	};

	if (notes_context == NULL)
		notes_context = AllocSetContextCreate(CacheMemoryContext, "ledger tail pages",
											  ALLOCSET_DEFAULT_SIZES);
	ctl.hcxt = notes_context;
	notes = hash_create("ledger tail pages", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
set_key(LedgerPageKey *key, Relation rel, BlockNumber block)
{
	memset(key, 0, sizeof(*key));
	key->file = LedgerFileOf(rel);
	key->block = block;
}

/*
 * What is noted of a page as it was at the LSN, or NULL.  It stays until this or the
 * next function is called again.
 */
const LedgerPageNote *
ledger_note_of(Relation rel, BlockNumber block, XLogRecPtr lsn)
{
	LedgerPageKey key;
	LedgerPageNote *note;

	if (stale)
		forget_all();
	if (notes == NULL)
		return NULL;
	set_key(&key, rel, block);
	note = hash_search(notes, &key, HASH_FIND, NULL);
	return note != NULL && note->lsn == lsn ? note : NULL;
}

/* Is there a column in it? */
bool
ledger_note_tells(Relation rel, BlockNumber block, XLogRecPtr lsn)
{
	const LedgerPageNote *note = ledger_note_of(rel, block, lsn);

	return note != NULL && note->ncolumns > 0;
}

/*
 * A page was read.  If it has been before, and has not changed since, this returns
 * its note, to which columns may be added.
 */
LedgerPageNote *
ledger_note_read(Relation rel, BlockNumber block, XLogRecPtr lsn)
{
	LedgerPageKey key;
	LedgerPageNote *note;
	bool		full = are_many(ledger_cache_limit());
	bool		found;

	if (stale)
		forget_all();
	if (notes == NULL)
		create_notes();
	set_key(&key, rel, block);
	note = hash_search(notes, &key, full ? HASH_FIND : HASH_ENTER, &found);
	if (!found && full)
		return NULL;
	if (found && note->lsn == lsn)
		return full ? NULL : note;
	if (found && note->columns != NULL)
	{
		total -= GetMemoryChunkSpace(note->columns);
		pfree(note->columns);
	}
	if (!found)
		total += 2 * sizeof(LedgerPageNote);
	add_relation(RelationGetRelid(rel));
	note->lsn = lsn;
	note->ncolumns = 0;
	note->columns = NULL;
	return NULL;
}

void
ledger_note_columns(LedgerPageNote *note, const LedgerPageColumn *columns, int n)
{
	Size		size = (note->ncolumns + n) * sizeof(LedgerPageColumn);
	Size		before = note->columns == NULL ? 0 : GetMemoryChunkSpace(note->columns);

	note->columns = note->columns == NULL ? MemoryContextAlloc(notes_context, size) :
		repalloc(note->columns, size);
	memcpy(note->columns + note->ncolumns, columns, n * sizeof(LedgerPageColumn));
	note->ncolumns += n;
	total += GetMemoryChunkSpace(note->columns) - before;
}

void
ledger_notes_init(void)
{
	ledger_watch_relations(relation_changed);
}
