/*-------------------------------------------------------------------------
 *
 * bounds.c
 *	  The least and greatest value of a column, without reading it all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "read/read_internal.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

typedef struct Bounds
{
	bool		found;
	Datum		min;
	Datum		max;
} Bounds;

static void
widen(Bounds *bounds, Datum min, Datum max)
{
	bounds->min = bounds->found ? Min((int64) bounds->min, (int64) min) : min;
	bounds->max = bounds->found ? Max((int64) bounds->max, (int64) max) : max;
	bounds->found = true;
}

/* By the zone maps of a segment, unless it was written without the column. */
static void
look_at_segment(Relation rel, AttrNumber attnum, LedgerSlotNumber slot,
				const LedgerSlotEntry *entry, Bounds *bounds)
{
	LedgerSegmentReader *reader = ledger_reader_open(rel, slot, entry, CurrentMemoryContext);
	LedgerZone	zone = {0};

	if (reader == NULL)
		return;
	if (attnum <= ledger_reader_root(reader)->ncolumns)
		ledger_reader_zone(reader, rel, attnum - 1, &zone);
	if (zone.valid)
		widen(bounds, zone.min, zone.max);
	ledger_reader_release(reader);
}

/* Row by row, from a slot on */
static void
look_at_rows(Relation rel, AttrNumber attnum, LedgerSlotNumber from, Bounds *bounds)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), table_slot_callbacks(rel));
	Snapshot	snapshot = RegisterSnapshot(GetActiveSnapshot());
	ItemPointerData first;
	ItemPointerData last;
	TableScanDesc scan;

	LedgerRowToTid(LedgerMakeRow(from, 0), &first);
	ItemPointerSet(&last, MaxBlockNumber, LEDGER_TID_ROWS);
	scan = table_beginscan_tidrange(rel, snapshot, &first, &last);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, attnum, &isnull);

		CHECK_FOR_INTERRUPTS();
		if (!isnull)
			widen(bounds, value, value);
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * The least and greatest value of a column whose type widens to int64 in its
 * order; false if there is none.  Of what is sealed, rows count that the active
 * snapshot does not see; and their own values only by the segment's maps.
 */
bool
ledger_column_bounds(Relation rel, AttrNumber attnum, Datum *min, Datum *max)
{
	Bounds		bounds = {0};
	LedgerMetaData meta;

	if (RelationGetNumberOfBlocks(rel) == 0 || !ledger_read_meta(rel, &meta))
		return false;
	for (LedgerSlotNumber slot = 0; slot < meta.seal_from; slot++)
	{
		LedgerSlotEntry entry;

		CHECK_FOR_INTERRUPTS();
		if (ledger_read_entry(rel, slot, &entry) && entry.primary == slot &&
			entry.state == LEDGER_SLOT_SEALED)
			look_at_segment(rel, attnum, slot, &entry, &bounds);
	}
	if (meta.seal_from < meta.next_slot)
		look_at_rows(rel, attnum, meta.seal_from, &bounds);
	*min = bounds.min;
	*max = bounds.max;
	return bounds.found;
}
