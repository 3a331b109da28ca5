/*-------------------------------------------------------------------------
 *
 * widths.c
 *	  Columns' mean widths, kept in the metapage for the planner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "write/write.h"

/*
 * Count the values of a column of a segment among those of others.  Where these are
 * too many to count, what was before is forgotten bit by bit.
 */
static void
add_width(LedgerMetaWidth *width, const LedgerColumnEntry *column)
{
	float4		mean = (float4) column->value_bytes / column->nvalues;

	if (!ledger_width_known(width))
		width->nvalues = width->mean = 0;	/* the first ones, or it is damaged */
	width->nvalues = Min(width->nvalues + column->nvalues, LEDGER_WIDTH_VALUES_MAX);
	width->mean += (mean - width->mean) * Min(column->nvalues / width->nvalues, 1);
}

static bool
has_variable_width(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < Min(desc->natts, LEDGER_META_WIDTHS); i++)
		if (TupleDescAttr(desc, i)->attlen < 0)
			return true;
	return false;
}

typedef struct NoteWork
{
	Relation	rel;
	const LedgerSlotEntry *entry;
} NoteWork;

static void
note_widths(void *arg)
{
	const NoteWork *work = arg;
	Relation	rel = work->rel;
	LedgerSegment *segment = ledger_segment_open(rel, work->entry->home, work->entry->primary,
												 work->entry->segment);
	LedgerColumnEntry *columns = segment == NULL ? NULL : ledger_segment_directory(rel, segment);

	if (columns != NULL)
	{
		Buffer		buffer = ledger_lock_meta(rel, BUFFER_LOCK_EXCLUSIVE);
		GenericXLogState *state = GenericXLogStart(rel);
		LedgerMetaData *meta = ledger_meta_of(rel, buffer,
											  GenericXLogRegisterBuffer(state, buffer, 0));

		for (int i = 0; i < Min(segment->root.ncolumns, LEDGER_META_WIDTHS); i++)
			if (columns[i].attlen < 0 && columns[i].nvalues > 0)
				add_width(&meta->widths[i], &columns[i]);
		if (meta->width_rows > meta->totals.entries)
			meta->width_rows = 0;	/* damaged, or of rows that have gone */
		meta->width_rows += segment->root.nrows - segment->root.gaps;
		GenericXLogFinish(state);
		UnlockReleaseBuffer(buffer);
		pfree(columns);
	}
	if (segment != NULL)
		ledger_segment_close(segment);
}

/*
 * Of a segment that has been published, for good: count its columns' widths among
 * those of all segments.  These are estimates, so a record of its own does, and the
 * segment may be left out: whoever has published it goes on even if its directory
 * cannot be read.
 */
void
ledger_note_widths(Relation rel, const LedgerSlotEntry *entry)
{
	NoteWork	work = {rel, entry};
	ErrorData  *error;

	if (!has_variable_width(rel))
		return;
	error = ledger_try_work(note_widths, &work);
	if (error == NULL)
		return;
	/* of damage, as it is known here or to the operating system, others will tell */
	if (error->sqlerrcode != ERRCODE_DATA_CORRUPTED &&
		error->sqlerrcode != ERRCODE_INDEX_CORRUPTED &&
		ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_SYSTEM_ERROR)
		ReThrowError(error);
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("could not note the columns' widths of a segment of ledger \"%s\": %s",
					RelationGetRelationName(rel), error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0));
	FreeErrorData(error);
}
