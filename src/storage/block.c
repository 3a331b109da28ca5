/*-------------------------------------------------------------------------
 *
 * block.c
 *	  Tags: every block of a ledger says what it is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/smgr.h"
#include "storage/storage.h"

/*
 * Make a page of the given kind.  The caller logs it with the change that it
 * belongs to.
 */
void
ledger_page_init(Page page, LedgerBlockKind kind, LedgerSlotNumber slot,
				 uint32 position, uint64 segment)
{
	LedgerTag  *tag;

	PageInit(page, BLCKSZ, sizeof(LedgerTag));
	tag = (LedgerTag *) PageGetSpecialPointer(page);
	tag->magic = LEDGER_MAGIC;
	tag->version = LEDGER_FORMAT_VERSION;
	tag->kind = kind;
	tag->slot = slot;
	tag->position = position;
	tag->segment = segment;
	if (kind == LEDGER_BLOCK_SEGROOT)
		((PageHeader) page)->pd_prune_xid = LEDGER_ROOT_MARK;
}

static inline LedgerTag *
tag_of(Page page)
{
	return (LedgerTag *) ((char *) page + BLCKSZ - MAXALIGN(sizeof(LedgerTag)));
}

/*
 * The page's tag, or NULL if the page is not one of a ledger's.  A tag of a
 * version that we do not know is returned too: it must not be overwritten.
 */
pg_attribute_hot LedgerTag *
ledger_page_tag(Page page)
{
	LedgerTag  *tag;

	if (((PageHeader) page)->pd_special != BLCKSZ - MAXALIGN(sizeof(LedgerTag)))
		return NULL;
	tag = tag_of(page);
	return tag->magic == LEDGER_MAGIC ? tag : NULL;
}

static bool
tag_matches(const LedgerTag *tag, LedgerBlockKind kind, LedgerSlotNumber slot,
			uint32 position, uint64 segment)
{
	return tag->magic == LEDGER_MAGIC && tag->version == LEDGER_FORMAT_VERSION &&
		tag->kind == kind && tag->slot == slot &&
		tag->position == position && tag->segment == segment;
}

/* Whether the page is just the block that the caller looks for. */
bool
ledger_tag_is(Page page, LedgerBlockKind kind, LedgerSlotNumber slot,
			  uint32 position, uint64 segment)
{
	LedgerTag  *tag = ledger_page_tag(page);

	return tag != NULL && tag_matches(tag, kind, slot, position, segment);
}

/*
 * The same for who takes bytes from the page that have checks of their own, and
 * has no use for the page's header: a connection's first look-ups read a little of
 * many blocks, and what they cost is memory that is touched for the first time.
 */
bool
ledger_tag_says(Page page, LedgerBlockKind kind, LedgerSlotNumber slot,
				uint32 position, uint64 segment)
{
	return tag_matches(tag_of(page), kind, slot, position, segment);
}

/*
 * Copy the tag of a page of whose block something else may be made; false if there
 * is none, or none that can be believed.  A root's readers do not look at its tag, so
 * that what is wrong with that shows here only.
 */
bool
ledger_copy_tag(Page page, LedgerTag *copy)
{
	const LedgerTag *tag = ledger_page_tag(page);
	const LedgerSegmentRoot *root = (const LedgerSegmentRoot *) LedgerPageContents(page);

	if (tag == NULL)
		return false;
	*copy = *tag;
	if (!ledger_page_is_root(page))
		return tag->kind != LEDGER_BLOCK_SEGROOT;
	return tag->kind == LEDGER_BLOCK_SEGROOT && tag->slot == root->primary &&
		tag->segment == root->segment;
}

/*
 * Report corruption.  "detail" is not translated: it is for whoever repairs
 * the table.
 */
void
ledger_corrupt(Relation rel, BlockNumber block, const char *detail,...)
{
	char		text[512];
	va_list		args;

	va_start(args, detail);
	vsnprintf(text, sizeof(text), detail, args);
	va_end(args);

	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("ledger \"%s\" is corrupted in block %u",
					RelationGetRelationName(rel), block),
			 errdetail_internal("%s", text),
			 errtable(rel)));
}

/* Pin a block whose number came from disk. */
Buffer
ledger_read_block(Relation rel, BlockNumber block)
{
	SMgrRelation smgr = RelationGetSmgr(rel);
	BlockNumber known = smgr->smgr_cached_nblocks[MAIN_FORKNUM];

	/*
	 * Only a number read from a damaged page can lie past the end.  The size
	 * that the storage manager remembers is at most the true one (a
	 * truncation makes it forget), and spares a system call.
	 */
	if (block == InvalidBlockNumber ||
		((known == InvalidBlockNumber || block >= known) &&
		 block >= RelationGetNumberOfBlocks(rel)))
		ledger_corrupt(rel, block, "the block lies past the end of the table");
	return ReadBuffer(rel, block);
}

/* Check the tag of a locked buffer that nothing can have recycled. */
void
ledger_check_tag(Relation rel, Buffer buffer, LedgerBlockKind kind, LedgerSlotNumber slot)
{
	Page		page = BufferGetPage(buffer);
	LedgerTag  *tag = ledger_page_tag(page);
	BlockNumber block = BufferGetBlockNumber(buffer);

	if (tag != NULL && tag->version != LEDGER_FORMAT_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("block %u of ledger \"%s\" has format version %u, which this library does not know",
						block, RelationGetRelationName(rel), tag->version),
				 errdetail("The library reads version %u.", LEDGER_FORMAT_VERSION),
				 errhint("Install the release of ledger that wrote it, or a later one.")));
	if (tag == NULL || tag->kind != kind || tag->slot != slot || tag->position != 0)
		ledger_corrupt(rel, block, "expected kind %d of slot %u, found kind %d of slot %u%s",
					   (int) kind, slot, tag ? tag->kind : 0, tag ? tag->slot : 0,
					   tag && tag->position == LEDGER_MOVED ? ", which has been moved" : "");
}
