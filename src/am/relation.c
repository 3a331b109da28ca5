/*-------------------------------------------------------------------------
 *
 * relation.c
 *	  The relation as a whole: its files, its size, its rewriting.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/multixact.h"
#include "access/relation.h"
#include "access/tupdesc_details.h"
#include "access/xact.h"
#include "access/xloginsert.h"
#include "am/am.h"
#include "catalog/storage.h"
#include "catalog/storage_xlog.h"
#include "miscadmin.h"
#include "read/read.h"
#include "storage/smgr.h"
#include "utils/snapmgr.h"
#include "write/packed.h"

/* Unsealed slots that are looked at for an estimate of the rows. */
#define ESTIMATE_SLOTS	256

/* The most that the planner is told of a column's width: it adds these in an int. */
#define WIDTH_MAX		262144

/*
 * A new, empty file.  It has no block, not even a metapage, which the first
 * insertion makes: the relation still names its old file here.  Rows that are
 * in memory belong to that one, which a rollback may bring back.
 */
void
ledger_relation_set_new_file(Relation rel, const LedgerFile *file, char persistence,
							 TransactionId *freezeXid, MultiXactId *minmulti)
{
	SMgrRelation smgr;

	ledger_bulk_flush(rel);
	*freezeXid = RecentXmin;
	*minmulti = GetOldestMultiXactId();

	smgr = RelationCreateStorage(*file, persistence, true);
	if (persistence == RELPERSISTENCE_UNLOGGED)
	{
		/* after a crash, an unlogged ledger is empty */
		smgrcreate(smgr, INIT_FORKNUM, false);
		log_smgrcreate(file, INIT_FORKNUM);
		smgrimmedsync(smgr, INIT_FORKNUM);
	}
	smgrclose(smgr);
}

void
ledger_relation_nontransactional_truncate(Relation rel)
{
	ledger_bulk_forget(rel);
	ledger_forget_directory(rel);
	ledger_forget_dictionaries(rel);
	ledger_cache_forget(RelationGetRelid(rel));
	RelationTruncate(rel, 0);
}

/* Copy the files to another tablespace, as heap does. */
void
ledger_relation_copy_data(Relation rel, const LedgerFile *file)
{
	SMgrRelation to;
	char		persistence = rel->rd_rel->relpersistence;

	ledger_bulk_flush(rel);
	to = smgropen(*file, LedgerBackendOf(rel));
	FlushRelationBuffers(rel);
	RelationCreateStorage(*file, persistence, true);
	RelationCopyStorage(RelationGetSmgr(rel), to, MAIN_FORKNUM, persistence);
	for (ForkNumber fork = MAIN_FORKNUM + 1; fork <= MAX_FORKNUM; fork++)
	{
		if (!smgrexists(RelationGetSmgr(rel), fork))
			continue;
		smgrcreate(to, fork, false);
		if (RelationIsPermanent(rel) ||
			(persistence == RELPERSISTENCE_UNLOGGED && fork == INIT_FORKNUM))
			log_smgrcreate(file, fork);
		RelationCopyStorage(RelationGetSmgr(rel), to, fork, persistence);
	}
	RelationDropStorage(rel);
	smgrclose(to);
}

/* Copy a relation block by block: nothing in them depends on the file. */
static void
copy_blocks(Relation from, Relation to)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(from);
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);

	for (BlockNumber block = 0; block < nblocks; block++)
	{
		Buffer		source,
					target;

		CHECK_FOR_INTERRUPTS();
		source = ReadBufferExtended(from, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
		LockBuffer(source, BUFFER_LOCK_SHARE);
		target = ledger_extend(to);
		Assert(BufferGetBlockNumber(target) == block);

		START_CRIT_SECTION();
		memcpy(BufferGetPage(target), BufferGetPage(source), BLCKSZ);
		MarkBufferDirty(target);
		if (RelationNeedsWAL(to) && !PageIsNew(BufferGetPage(target)))
			log_newpage_buffer(target, true);
		END_CRIT_SECTION();

		UnlockReleaseBuffer(target);
		UnlockReleaseBuffer(source);
	}
	FreeAccessStrategy(strategy);
}

/* The last column whose value older rows have from the catalog only, or 0. */
static int
last_missing_column(TupleDesc desc)
{
	if (desc->constr == NULL || desc->constr->missing == NULL)
		return 0;
	for (int i = desc->natts; i > 0; i--)
		if (desc->constr->missing[i - 1].am_present && !TupleDescAttr(desc, i - 1)->attisdropped)
			return i;
	return 0;
}

/*
 * Refuse to copy segments that lack columns added later with a default: core
 * forgets the defaults of a table that it holds to be rewritten.
 */
static void
refuse_missing_values(Relation rel)
{
	int			needed = last_missing_column(RelationGetDescr(rel));
	LedgerSlotNumber count = needed > 0 ? ledger_slot_count(rel) : 0;

	for (LedgerSlotNumber slot = 0; slot < count; slot++)
	{
		LedgerSlotEntry entry;
		LedgerSegment *segment = NULL;
		bool		lacks;

		CHECK_FOR_INTERRUPTS();
		if (!ledger_read_entry(rel, slot, &entry) || entry.state == LEDGER_SLOT_DEAD ||
			entry.state == LEDGER_SLOT_FREE)
			continue;
		if (entry.state == LEDGER_SLOT_SEALED)
			segment = ledger_segment_open(rel, entry.home, entry.primary, entry.segment);
		lacks = segment == NULL || segment->root.ncolumns < needed;
		if (segment != NULL)
			ledger_segment_close(segment);
		if (lacks)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot copy ledger \"%s\" as it is", RelationGetRelationName(rel)),
					 errdetail("Some of its entries are older than column \"%s\", which was added with a default.",
							   NameStr(TupleDescAttr(RelationGetDescr(rel), needed - 1)->attname)),
					 errhint("Use VACUUM, or ALTER TABLE ... SET ACCESS METHOD heap and back.")));
	}
}

/*
 * VACUUM FULL: seal what can be sealed, give free blocks back, and copy.  Rows keep their TIDs and
 * their xmins, so that old snapshots go on seeing just what they saw.
 */
void
ledger_relation_copy_for_cluster(Relation from, Relation to, Relation index, bool use_sort,
								 TransactionId oldest_xmin, TransactionId *xid_cutoff,
								 MultiXactId *multi_cutoff, double *num_tuples,
								 double *tups_vacuumed, double *tups_recently_dead)
{
	LedgerMetaData meta;

	if (index != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot cluster ledger \"%s\"", RelationGetRelationName(from)),
				 errdetail("A ledger keeps its entries in the order of their insertion."),
				 errhint("To reclaim space, use VACUUM.")));

	ledger_bulk_flush(from);
	ledger_close_open_runs(from, 0);
	ledger_settle_bulk(from);
	while (ledger_seal_some(from, LEDGER_SEAL_LAST) >= 0)
		CHECK_FOR_INTERRUPTS();
	refuse_missing_values(from);
	ledger_shrink(from);
	copy_blocks(from, to);

	/* nothing was frozen */
	*xid_cutoff = from->rd_rel->relfrozenxid;
	*multi_cutoff = from->rd_rel->relminmxid;
	*num_tuples = ledger_read_meta(from, &meta) ? (double) meta.totals.entries : 0;
	*tups_vacuumed = 0;
	*tups_recently_dead = 0;
}

/* Bytes on disk: a physical size, as everybody who asks for it expects. */
uint64
ledger_relation_size(Relation rel, ForkNumber fork)
{
	return table_block_relation_size(rel, fork);
}

/* Rows in slots that are not in any segment yet, nearly. */
static double
unsealed_rows(Relation rel, const LedgerMetaData *meta)
{
	LedgerSlotNumber first = meta->seal_from;
	double		open_rows = 0;
	double		closed_rows = 0;
	uint32		closed = 0;

	if (meta->next_slot - first > ESTIMATE_SLOTS)
		first = meta->next_slot - ESTIMATE_SLOTS;
	for (LedgerSlotNumber slot = first; slot < meta->next_slot; slot++)
	{
		LedgerSlotEntry entry;

		if (!ledger_read_entry(rel, slot, &entry))
			continue;
		if (entry.state == LEDGER_SLOT_CLOSED)
		{
			closed_rows += entry.nrows;
			closed++;
		}
		else if (entry.state == LEDGER_SLOT_TAIL)
			open_rows += ledger_runmap_rows_hint(rel, slot, entry.home);
	}

	/* the closed runs that were not looked at are like those that were */
	if (closed > 0 && meta->closed_slots > closed)
		closed_rows *= (double) meta->closed_slots / closed;
	return open_rows + closed_rows;
}

/*
 * Columns' widths, as far as the metapage has them, unless these are of less than
 * half of the rows, or a column was added with a value for those that were there.
 * Of what is not filled in here the planner reads the statistics: rows of a catalog
 * that are long, and mostly out of line.
 */
static void
estimate_widths(Relation rel, const LedgerMetaData *meta, double rows, int32 *attr_widths)
{
	TupleDesc	desc = RelationGetDescr(rel);
	bool		most_known = meta->width_rows >= rows / 2;

	for (int i = 0; i < desc->natts; i++)
	{
		int16		attlen = TupleDescAttr(desc, i)->attlen;

		if (attlen > 0)
			attr_widths[i + 1] = attlen;
		else if (most_known && !TupleDescAttr(desc, i)->atthasmissing &&
				 i < LEDGER_META_WIDTHS && ledger_width_known(&meta->widths[i]))
			attr_widths[i + 1] = (int32) Max(Min(meta->widths[i].mean, WIDTH_MAX), 1);
	}
}

void
ledger_relation_estimate_size(Relation rel, int32 *attr_widths, BlockNumber *pages,
							  double *tuples, double *allvisfrac)
{
	LedgerMetaData meta;

	*pages = RelationGetNumberOfBlocks(rel);
	*tuples = 0;
	*allvisfrac = 0;
	/* it plans what it cannot run, too */
	if (*pages > 0 && !RELATION_IS_OTHER_TEMP(rel) && ledger_read_meta(rel, &meta))
	{
		*tuples = (double) meta.totals.entries + unsealed_rows(rel, &meta);
		if (attr_widths != NULL)
			estimate_widths(rel, &meta, *tuples, attr_widths);
	}

	/* new and empty: as of a heap, assume that it will not stay so */
	if (*tuples == 0 && rel->rd_rel->reltuples < 0)
		table_block_relation_estimate_size(rel, attr_widths, pages, tuples, allvisfrac,
										   MAXALIGN(SizeofHeapTupleHeader) + sizeof(ItemIdData),
										   LEDGER_PAGE_PAYLOAD);
}

bool
ledger_relation_needs_toast_table(Relation rel)
{
	return false;
}
