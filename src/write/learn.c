/*-------------------------------------------------------------------------
 *
 * learn.c
 *	  Where dictionaries come from: a run's first pages, and rows being sealed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "write/packed.h"
#include "write/write.h"

/* Tail pages from whose rows a dictionary is made where there is none. */
#define LEARN_PAGES			24

/* The longest part of a row that goes into a dictionary. */
#define ROW_PART_MAX		2048

/* Rows by which two dictionaries are compared, and how much better one must be. */
#define TRIAL_ROWS			64
#define TRIAL_GAIN			0.93

/*
 * A run that has just got so many pages without a dictionary that one can be
 * made of them, or LEDGER_NO_SLOT; and its relation, as an error may leave it
 * behind
 */
static LedgerSlotNumber learn_from = LEDGER_NO_SLOT;
static Oid	learn_relid = InvalidOid;

/*
 * Fill a dictionary with rows from all over; false if they do not come to much.
 */
static bool
fill_dictionary(LedgerRowDictionary *dictionary, HeapTuple *tuples, int ntuples)
{
	char	   *squeezed = palloc(2 * ROW_PART_MAX);
	uint64		total = 0;
	int			step;

	dictionary->number = ledger_private_number();
	dictionary->length = 0;
	for (int i = 0; i < ntuples; i++)
		if (tuples[i] != NULL)
			total += Min(tuples[i]->t_len, ROW_PART_MAX);
	step = Max(1, (int) (total / LEDGER_ROWPACK_DICTIONARY_MAX));
	for (int i = step / 2; i < ntuples && dictionary->length < LEDGER_ROWPACK_DICTIONARY_MAX; i += step)
	{
		int			len;

		if (tuples[i] == NULL || ledger_is_stub(tuples[i]->t_data, tuples[i]->t_len))
			continue;
		len = ledger_rowpack_squeeze((char *) tuples[i]->t_data + SizeofHeapTupleHeader,
									 Min(tuples[i]->t_len, ROW_PART_MAX) - SizeofHeapTupleHeader,
									 squeezed);
		len = Min(len, LEDGER_ROWPACK_DICTIONARY_MAX - dictionary->length);
		memcpy(dictionary->bytes + dictionary->length, squeezed, len);
		dictionary->length += len;
	}
	pfree(squeezed);
	return dictionary->length >= LEDGER_PAGE_PAYLOAD;
}

/* Bytes of some rows when packed one by one. */
static uint64
try_dictionary(const LedgerRowDictionary *dictionary, HeapTuple *tuples, int ntuples)
{
	int			step = Max(1, ntuples / TRIAL_ROWS);
	uint64		size = 0;

	for (int i = step - 1; i < ntuples; i += step)
	{
		LedgerPacking packing = {dictionary, false};
		HeapTuple	packed;

		if (tuples[i] == NULL || tuples[i]->t_len > LEDGER_MAX_TAIL_TUPLE)
			continue;
		packed = ledger_pack(&packing, tuples[i]);
		size += packed->t_len;
		if (packed != tuples[i])
			pfree(packed);
	}
	return size;
}

/*
 * Make a dictionary of these rows, if they fare clearly better with it than
 * with the one that there is.  "tuples" may have NULLs.
 */
static void
learn(Relation rel, HeapTuple *tuples, int ntuples, uint32 replaces)
{
	LedgerRowDictionary *dictionary = palloc(sizeof(LedgerRowDictionary));

	if (fill_dictionary(dictionary, tuples, ntuples))
	{
		uint64		now = try_dictionary(ledger_dictionary(rel, replaces),
										 tuples, ntuples);

		if (try_dictionary(dictionary, tuples, ntuples) < now * TRIAL_GAIN)
			ledger_publish_dictionary(rel, dictionary->bytes, dictionary->length, replaces);
	}
	pfree(dictionary);
}

/* The rows of a page, added to those there are. */
static int
add_page(Relation rel, LedgerSlotNumber slot, const LedgerRunMapItem *item, HeapTuple *tuples)
{
	Buffer		buffer = ledger_read_block(rel, item->block);
	Page		page = (Page) palloc(BLCKSZ);
	int			nrows;
	uint32		number;

	if (!ledger_lock_tail_page(rel, buffer, slot, item->first))
	{
		ReleaseBuffer(buffer);
		pfree(page);
		return 0;
	}
	memcpy(page, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);

	nrows = PageGetMaxOffsetNumber(page);
	number = ledger_page_tag(page)->dictionary;
	ledger_unpack(rel, item->block, page, ledger_dictionary(rel, number), tuples);
	for (int i = 0; i < nrows; i++)
	{
		ItemId		id = PageGetItemId(page, i + 1);

		if (tuples[i] != NULL || !ItemIdIsUsed(id))
			continue;
		tuples[i] = palloc0(HEAPTUPLESIZE);
		tuples[i]->t_len = ItemIdGetLength(id);
		tuples[i]->t_data = (HeapTupleHeader) PageGetItem(page, id);
	}
	return nrows;
}

/* What a dictionary is to be made of: a run's pages, or rows */
typedef struct LearnWork
{
	Relation	rel;
	LedgerSlotNumber slot;
	HeapTuple  *tuples;			/* NULL: of the slot's run */
	int			ntuples;
	uint32		replaces;
} LearnWork;

static void
learn_from_run(void *arg)
{
	LearnWork  *work = arg;
	Relation	rel = work->rel;
	LedgerRunMap *map = palloc(sizeof(LedgerRunMap));
	LedgerSlotEntry entry;
	HeapTuple  *tuples;
	int			ntuples = 0;
	int			npages;

	if (!ledger_read_entry(rel, work->slot, &entry) || entry.state != LEDGER_SLOT_TAIL ||
		!ledger_read_runmap(rel, work->slot, entry.home, map))
		return;
	npages = Min(map->nitems, LEARN_PAGES);
	tuples = palloc(npages * MaxHeapTuplesPerPage * sizeof(HeapTuple));
	for (int i = 0; i < npages; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ntuples += add_page(rel, work->slot, &map->items[i], tuples + ntuples);
	}
	learn(rel, tuples, ntuples, 0);
}

static void
learn_from_rows(void *arg)
{
	LearnWork  *work = arg;

	learn(work->rel, work->tuples, work->ntuples, work->replaces);
}

/*
 * Do that, and do without a dictionary if it fails for a reason that is not the
 * user's will: a damaged page or a full disk must not fail what it is done
 * beside.
 */
static void
try_to_learn(LearnWork *work, void (*how) (void *arg))
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ledger dictionary",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ErrorData  *error = ledger_try_work(how, work);

	if (error != NULL)
	{
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(error);
		ereport(DEBUG1,
				(errmsg_internal("could not make a dictionary for ledger \"%s\": %s",
								 RelationGetRelationName(work->rel), error->message)));
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/*
 * A dictionary for a relation that has none, of what a run has so far.  It is
 * the inserting backend that does this, so it takes only some of the pages; and
 * once a run at the most, if it comes to nothing.
 */
static void
learn_first(Relation rel, LedgerSlotNumber slot)
{
	LearnWork	work = {.rel = rel, .slot = slot};

	try_to_learn(&work, learn_from_run);
}

/* A better dictionary than the one that there is, of rows just sealed. */
void
ledger_learn_from_rows(Relation rel, HeapTuple *tuples, int ntuples)
{
	LearnWork	work = {.rel = rel, .tuples = tuples, .ntuples = ntuples};
	LedgerMetaData meta;
	LedgerDictionaryPlace *last = &meta.dictionaries[LEDGER_META_DICTIONARIES - 1];

	if (!ledger_packs(rel) || !ledger_read_meta(rel, &meta) ||
		(last->number != 0 && last->until > meta.seal_from))
		return;
	work.replaces = meta.dictionaries[0].number;
	try_to_learn(&work, learn_from_rows);
}

/* A run without a dictionary has got pages: are these enough to make one of? */
void
ledger_note_growth(Relation rel, LedgerSlotNumber slot, uint32 before, uint32 now,
				   uint32 dictionary)
{
	if (dictionary == 0 && before < LEARN_PAGES && now >= LEARN_PAGES)
	{
		learn_from = slot;
		learn_relid = RelationGetRelid(rel);
	}
}

/* With no buffer locked: make a dictionary if there is a run to make it of. */
void
ledger_learn_if_due(Relation rel)
{
	/* no subtransaction can begin in parallel mode: the next call will do */
	if (learn_from != LEDGER_NO_SLOT && !IsInParallelMode())
	{
		LedgerSlotNumber slot = learn_from;

		learn_from = LEDGER_NO_SLOT;
		if (learn_relid == RelationGetRelid(rel) && ledger_packs(rel))
			learn_first(rel, slot);
	}
}
