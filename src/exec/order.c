/*-------------------------------------------------------------------------
 *
 * order.c
 *	  LedgerScan in the order of a column.
 *
 * Zone maps tell before which value no row of a segment, or vector, can come.
 * These are taken in the order of that bound, and a row is returned once no
 * unread one can have a row before it.  Where entries come nearly in the order
 * of the column, few are open at a time, and a query that stops early has read
 * little.
 *
 * What is to be read are units: a segment at first, which is divided into its
 * vectors when its turn comes, or a tail run, of whose rows nothing is known,
 * so that they are read before all others.  Units are ranges of row numbers:
 * whatever becomes of the rows meanwhile, the snapshot sees the same of them,
 * and their values stay within the bounds.
 *
 * The rows that have been read and not returned are order_runs.c's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type_d.h"
#include "exec/exec_internal.h"
#include "lib/pairingheap.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

/* Segments that are divided and kept open; others are opened again. */
#define OPEN_MAX	8

/* Segments that the planner looks at where there are no statistics. */
#define SAMPLE_SEGMENTS	4

/* Slots whose entries are read at a time, as scans do that skip most of them */
#define ENTRIES_MAX		16

typedef struct Unit
{
	pairingheap_node node;
	LedgerPlace bound;
	LedgerRow	low;			/* rows, both inclusive */
	LedgerRow	high;
	bool		is_segment;		/* to be divided */
	bool		nulls;			/* rows that count: those with NULL, */
	bool		values;			/* and the others */
} Unit;

typedef struct LedgerOrder
{
	LedgerOrderKey key;
	bool		not_null;		/* the column; so what zone maps count are gaps */
	bool		started;
	MemoryContext context;		/* of the units; reset for a rescan */
	pairingheap *units;
	LedgerRuns *runs;
	LedgerSegmentReader *open[OPEN_MAX];
	int			next_open;
} LedgerOrder;

/* ---- Places ---- */

/* Can a scan be in the order of this type? */
bool
ledger_order_type(Oid typid)
{
	switch (typid)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case FLOAT4OID:
		case FLOAT8OID:
			return FLOAT8PASSBYVAL; /* keys of all of them are int64 Datums */
		default:
			return false;
	}
}

/* Numbers in the order of floats as the server has it: NaN is above all. */
static int64
float_key(double value)
{
	int64		bits;

	if (isnan(value))
		return PG_INT64_MAX;
	if (value == 0)
		return 0;				/* of either sign */
	memcpy(&bits, &value, sizeof(bits));
	return bits >= 0 ? bits : bits ^ PG_INT64_MAX;
}

LedgerPlace
ledger_place_of(const LedgerOrderKey *key, Datum value, bool isnull)
{
	LedgerPlace place = {LEDGER_RANK_VALUE, 0};

	if (isnull)
	{
		place.rank = key->nulls_first ? LEDGER_RANK_NULLS_FIRST : LEDGER_RANK_NULLS_LAST;
		return place;
	}
	if (key->typid == FLOAT8OID)
		place.key = float_key(DatumGetFloat8(value));
	else if (key->typid == FLOAT4OID)
		place.key = float_key(DatumGetFloat4(value));
	else
		place.key = ledger_integer_of(key->typid, value);
	if (key->descending)
		place.key = ~place.key;
	return place;
}

static LedgerPlace
unknown_place(void)
{
	LedgerPlace place = {LEDGER_RANK_UNKNOWN, 0};

	return place;
}

/* ---- Units ---- */

/* For a pairingheap, whose first is the greatest; rows of one bound ascend. */
static int
compare_units(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const Unit *x = pairingheap_const_container(Unit, node, a);
	const Unit *y = pairingheap_const_container(Unit, node, b);

	if (LedgerPlaceBefore(x->bound, y->bound))
		return 1;
	if (LedgerPlaceBefore(y->bound, x->bound))
		return -1;
	return x->low < y->low ? 1 : x->low > y->low ? -1 : 0;
}

static void
add_unit(LedgerOrder *order, LedgerPlace bound, LedgerRow low, LedgerRow high,
		 bool is_segment, bool nulls, bool values)
{
	Unit	   *unit = MemoryContextAlloc(order->context, sizeof(Unit));

	unit->bound = bound;
	unit->low = low;
	unit->high = high;
	unit->is_segment = is_segment;
	unit->nulls = nulls;
	unit->values = values;
	pairingheap_add(order->units, &unit->node);
}

/* ---- Bounds ---- */

/* What zone maps say of a vector's, or segment's, rows in the order. */
typedef struct Bounds
{
	bool		known;
	bool		nulls;			/* there may be some */
	bool		values;
	LedgerPlace first;			/* of values */
	LedgerPlace last;
} Bounds;

/* Positions of a vector that are gaps, which count as NULLs in zone maps. */
static uint32
count_gaps(const uint8 *gaps, int position, int count)
{
	uint32		n = 0;

	if (gaps == NULL)
		return 0;
	Assert(position % 8 == 0);
	n = (uint32) pg_popcount((const char *) gaps + position / 8, count / 8);
	for (int i = count - count % 8; i < count; i++)
		n += ledger_is_gap(gaps, position + i);
	return n;
}

static Bounds
bounds_of_value(const LedgerOrderKey *key, Datum value, bool isnull)
{
	Bounds		bounds = {true, isnull, !isnull};

	bounds.first = bounds.last = ledger_place_of(key, value, isnull);
	return bounds;
}

/* Have "bounds" hold for what "other" is of, too. */
static void
widen_bounds(Bounds *bounds, const Bounds *other)
{
	if (other->values)
	{
		if (!bounds->values || LedgerPlaceBefore(other->first, bounds->first))
			bounds->first = other->first;
		if (!bounds->values || LedgerPlaceBefore(bounds->last, other->last))
			bounds->last = other->last;
	}
	bounds->values |= other->values;
	bounds->nulls |= other->nulls;
}

static Bounds
bounds_of_vector(const LedgerOrder *order, LedgerSegmentReader *reader, Relation rel,
				 LedgerChunk *chunk, int vector)
{
	int			nrows = ledger_reader_root(reader)->nrows;
	int			position = vector * LEDGER_VECTOR_ROWS;
	int			count = Min(nrows - position, LEDGER_VECTOR_ROWS);
	Bounds		bounds = {true};
	LedgerZone	zone;

	ledger_chunk_zone(chunk, vector, &zone);
	bounds.values = zone.nulls < (uint32) count;
	if (bounds.values && !zone.valid)
		bounds.known = false;
	else if (bounds.values)
	{
		LedgerPlace min = ledger_place_of(&order->key, zone.min, false);
		LedgerPlace max = ledger_place_of(&order->key, zone.max, false);

		bounds.first = order->key.descending ? max : min;
		bounds.last = order->key.descending ? min : max;
	}
	if (zone.nulls > 0 && !order->not_null)
		bounds.nulls = zone.nulls > count_gaps(ledger_reader_gaps(reader, rel), position, count);
	return bounds;
}

/*
 * The bounds of each vector of a segment, in "vectors", if that is not NULL, and
 * of all together.
 */
static Bounds
bounds_of_segment(const LedgerOrder *order, LedgerSegmentReader *reader, Relation rel,
				  Bounds *vectors)
{
	const LedgerSegmentRoot *root = ledger_reader_root(reader);
	int			nvectors = LEDGER_VECTORS_OF(root->nrows);
	int			column = order->key.attnum - 1;
	Bounds		all = {true};
	const LedgerColumnEntry *entry = NULL;
	bool		isnull = true;
	Datum		value = 0;

	if (column >= root->ncolumns)
		value = getmissingattr(RelationGetDescr(rel), column + 1, &isnull);
	else
		entry = ledger_reader_column(reader, rel, column);
	for (int v = 0; v < nvectors; v++)
	{
		Bounds		bounds = {false};

		if (entry == NULL || entry->length == 0)
			bounds = bounds_of_value(&order->key, value, isnull);
		else if (entry->typid == order->key.typid)	/* it may have been another */
			bounds = bounds_of_vector(order, reader, rel,
									  ledger_reader_chunk(reader, rel, column), v);
		if (vectors != NULL)
			vectors[v] = bounds;
		all.known &= bounds.known;
		if (all.known)
			widen_bounds(&all, &bounds);
	}
	return all;
}

/*
 * What is kept with a segment's reader: its bounds in the order that was asked for
 * last.  All segments are asked, each time that a scan begins.
 */
typedef struct KnownBounds
{
	LedgerOrderKey key;			/* attnum is 0 as long as there are none */
	bool		not_null;
	Bounds		all;
} KnownBounds;

static const Bounds *
known_bounds(const LedgerOrder *order, LedgerSegmentReader *reader, Relation rel)
{
	KnownBounds *known = ledger_reader_note(reader, sizeof(KnownBounds));
	const LedgerOrderKey *key = &order->key;

	if (known->key.attnum != key->attnum || known->key.typid != key->typid ||
		known->key.descending != key->descending ||
		known->key.nulls_first != key->nulls_first || known->not_null != order->not_null)
	{
		known->key.attnum = 0;
		known->all = bounds_of_segment(order, reader, rel, NULL);
		known->not_null = order->not_null;
		known->key = *key;
	}
	return &known->all;
}

/* Where the first row of what has these bounds can be. */
static LedgerPlace
first_place(const LedgerOrder *order, const Bounds *bounds)
{
	if (!bounds->known)
		return unknown_place();
	if (bounds->nulls && (order->key.nulls_first || !bounds->values))
		return ledger_place_of(&order->key, (Datum) 0, true);
	return bounds->first;
}

/* ---- A sample ---- */

/*
 * Of a few segments' vectors, the part that are to be read before the first of
 * them can be done with: 1 if nobody knows.
 */
double
ledger_order_overlap(Oid relid, const LedgerOrderKey *key)
{
	Relation	rel = table_open(relid, NoLock);
	LedgerSlotNumber nslots = ledger_slot_count(rel);
	LedgerOrder order = {*key, true};
	Bounds		vectors[SAMPLE_SEGMENTS * LEDGER_VECTORS_MAX];
	uint64		segment = 0;
	int			n = 0;
	int			first = 0;
	int			needed = 0;

	for (int i = 0; i < SAMPLE_SEGMENTS && nslots > 0; i++)
	{
		LedgerSlotNumber slot = (uint64) (nslots - 1) * i / (SAMPLE_SEGMENTS - 1);
		LedgerSlotEntry entry;
		LedgerSegmentReader *reader;

		if (!ledger_read_entry(rel, slot, &entry) || entry.state != LEDGER_SLOT_SEALED ||
			entry.segment == segment ||
			(reader = ledger_reader_open(rel, slot, &entry, CurrentMemoryContext)) == NULL)
			continue;
		segment = entry.segment;
		bounds_of_segment(&order, reader, rel, &vectors[n]);
		n += LEDGER_VECTORS_OF(ledger_reader_root(reader)->nrows);
		ledger_reader_release(reader);
	}
	table_close(rel, NoLock);
	for (int i = 0; i < n; i++)
	{
		if (!vectors[i].known || !vectors[i].values)
			return 1;
		if (LedgerPlaceBefore(vectors[i].last, vectors[first].last))
			first = i;
	}
	for (int i = 0; i < n; i++)
		needed += !LedgerPlaceBefore(vectors[first].last, vectors[i].first);
	return n > 0 ? (double) needed / n : 1;
}

/* ---- Segments ---- */

/*
 * Have the scan use the reader that we have of the segment that holds a slot, so
 * that it need not open it again, nor judge it once more.
 */
static void
use_open(LedgerOrder *order, LedgerFilteredScan *fs, LedgerSlotNumber slot)
{
	LedgerScan *scan = fs->scan;
	LedgerSlotEntry entry;

	fs->again = true;
	if (scan->slot == slot)
		entry = scan->entry;
	else if (!ledger_read_entry(fs->rel, slot, &entry))
		return;
	if (scan->reader != NULL && ledger_reader_is(scan->reader, &entry))
		return;
	for (int i = 0; i < OPEN_MAX; i++)
	{
		if (order->open[i] == NULL || !ledger_reader_is(order->open[i], &entry))
			continue;
		if (scan->reader != NULL)
			ledger_reader_release(scan->reader);
		scan->reader = ledger_reader_share(order->open[i]);
		return;
	}
}

static void
close_all(LedgerOrder *order)
{
	for (int i = 0; i < OPEN_MAX; i++)
	{
		if (order->open[i] != NULL)
			ledger_reader_release(order->open[i]);
		order->open[i] = NULL;
	}
	order->next_open = 0;
}

/*
 * Keep a reader open, whose reference is ours.  Batches will share it, so its
 * memory is that of the scan.
 */
static void
keep_open(LedgerOrder *order, LedgerSegmentReader *reader)
{
	LedgerSegmentReader *old = order->open[order->next_open];

	if (old != NULL)
		ledger_reader_release(old);
	order->open[order->next_open] = reader;
	order->next_open = (order->next_open + 1) % OPEN_MAX;
}

/*
 * Are the vectors' ranges so wide that nearly all will be open together?  Then
 * they are better read in the order in which they are stored.  If they begin in
 * that order, or just the other way round, this is what happens anyhow: where
 * most rows come in time and a few are late, vectors end in order, and who wants
 * the last rows finds them in the last vectors.
 */
static bool
is_jumbled(const Bounds *all, const Bounds *vectors, int nvectors)
{
	double		range = (double) all->last.key - (double) all->first.key;
	double		sum = 0;
	int			ascents = 0;
	int			descents = 0;
	const Bounds *before = NULL;

	if (!all->known || !all->values)
		return true;
	for (int v = 0; v < nvectors; v++)
	{
		if (!vectors[v].values)
			continue;
		sum += (double) vectors[v].last.key - (double) vectors[v].first.key;
		if (before != NULL)
		{
			ascents += before->first.key < vectors[v].first.key;
			descents += before->first.key > vectors[v].first.key;
		}
		before = &vectors[v];
	}
	return sum > range * nvectors / 2 && Max(ascents, descents) * 4 <= (ascents + descents) * 3;
}

static void
add_vector(LedgerOrder *order, LedgerRow low, LedgerRow high, const Bounds *bounds,
		   const LedgerPlace *first)
{
	LedgerPlace null = ledger_place_of(&order->key, (Datum) 0, true);

	if (first != NULL || !bounds->known)
		add_unit(order, first ? *first : unknown_place(), low, high, false, true, true);
	else
	{
		if (bounds->nulls)
			add_unit(order, null, low, high, false, true, false);
		if (bounds->values)
			add_unit(order, bounds->first, low, high, false, false, true);
	}
}

/* A segment that is being divided */
typedef struct Division
{
	LedgerSegmentReader *reader;	/* NULL: not open yet */
	LedgerPlace first;			/* of the unit */
	bool		has_bounds;
	bool		jumbled;
	Bounds		vectors[LEDGER_VECTORS_MAX];
} Division;

/* Most segments are excluded by filters, and need none. */
static void
need_bounds(const LedgerOrder *order, Relation rel, Division *division)
{
	int			nrows = ledger_reader_root(division->reader)->nrows;
	Bounds		all;

	if (division->has_bounds)
		return;
	all = bounds_of_segment(order, division->reader, rel, division->vectors);
	division->jumbled = is_jumbled(&all, division->vectors, LEDGER_VECTORS_OF(nrows));
	division->has_bounds = true;
}

/* The rows of a slot of the segment, "low" being the first of them, by vector. */
static void
divide_rows(LedgerOrder *order, LedgerFilteredScan *fs, Division *division,
			const LedgerSlotEntry *entry, LedgerRow low)
{
	int			position = entry->first;
	int			end = entry->first + entry->nrows;

	for (;;)
	{
		int			vector;
		int			count;
		LedgerRow	row;

		position += ledger_filtered_skip(fs, division->reader, position, end - position);
		if (position >= end)
			return;
		vector = position / LEDGER_VECTOR_ROWS;
		count = Min((vector + 1) * LEDGER_VECTOR_ROWS, end) - position;
		row = low + (position - entry->first);
		need_bounds(order, fs->rel, division);
		add_vector(order, row, row + count - 1, &division->vectors[vector],
				   division->jumbled ? &division->first : NULL);
		position += count;
	}
}

static void
divide_slot(LedgerOrder *order, LedgerFilteredScan *fs, Division *division,
			LedgerSlotNumber slot, const LedgerSlotEntry *entry)
{
	LedgerRow	low = LedgerMakeRow(slot, 0);

	if (entry->state == LEDGER_SLOT_FREE)
		return;
	if (division->reader == NULL && ledger_is_in_segment(entry))
	{
		division->reader = ledger_reader_open(fs->rel, slot, entry, fs->scan->context);
		fs->again = false;
	}
	if (division->reader != NULL && ledger_reader_is(division->reader, entry) &&
		entry->first + entry->nrows <= ledger_reader_root(division->reader)->nrows)
		divide_rows(order, fs, division, entry, low);
	else						/* it has gone elsewhere since */
		add_unit(order, division->first, low, low + LEDGER_SLOT_ROWS - 1, false, true, true);
}

/* Divide a segment into vectors. */
static void
divide(LedgerOrder *order, LedgerFilteredScan *fs, const Unit *unit)
{
	LedgerSlotNumber slot = LedgerRowSlot(unit->low);
	LedgerSlotNumber end = LedgerRowSlot(unit->high) + 1;
	Division	division;

	division.reader = NULL;
	division.first = unit->bound;
	division.has_bounds = false;
	while (slot < end)
	{
		LedgerSlotEntry entries[ENTRIES_MAX];
		int			n = ledger_read_entries(fs->rel, slot, (int) Min(end - slot, ENTRIES_MAX),
											entries);

		for (int i = 0; i < n; i++)
			divide_slot(order, fs, &division, slot + i, &entries[i]);
		slot += Max(n, 1);
	}
	if (division.reader != NULL)
		keep_open(order, division.reader);
}

/* ---- Start ---- */

/*
 * Slots of a segment that are looked at one after the other, with none between
 * them that has a unit of its own.
 */
typedef struct Pending
{
	uint64		segment;		/* 0: none */
	LedgerSlotNumber first;
	LedgerSlotNumber last;
	LedgerPlace bound;
	bool		any;			/* it has rows of any kind */
} Pending;

static void
finish_pending(LedgerOrder *order, Pending *pending)
{
	if (pending->segment != 0 && pending->any)
		add_unit(order, pending->bound, LedgerMakeRow(pending->first, 0),
				 LedgerMakeRow(pending->last, LEDGER_SLOT_ROWS - 1), true, true, true);
	pending->segment = 0;
}

static void
begin_pending(LedgerOrder *order, LedgerFilteredScan *fs, Pending *pending,
			  LedgerSlotNumber slot, const LedgerSlotEntry *entry)
{
	LedgerSegmentReader *reader = ledger_reader_open(fs->rel, slot, entry, fs->scan->context);

	pending->segment = entry->segment;
	pending->first = slot;
	pending->bound = unknown_place();
	pending->any = true;
	if (reader != NULL)
	{
		const Bounds *bounds = known_bounds(order, reader, fs->rel);

		pending->any = !bounds->known || bounds->values || bounds->nulls;
		pending->bound = first_place(order, bounds);
		ledger_reader_release(reader);
	}
}

/* What a slot has becomes a unit, or part of one. */
static void
start_slot(LedgerOrder *order, LedgerFilteredScan *fs, Pending *pending,
		   LedgerSlotNumber slot, const LedgerSlotEntry *entry, const LedgerVerdict *verdict)
{
	LedgerRow	low = LedgerMakeRow(slot, 0);

	switch ((LedgerSlotState) entry->state)
	{
		case LEDGER_SLOT_TAIL:
		case LEDGER_SLOT_CLOSED:
			finish_pending(order, pending); /* it may go on behind */
			add_unit(order, unknown_place(), low, low + LEDGER_SLOT_ROWS - 1,
					 false, true, true);
			break;
		case LEDGER_SLOT_SEALED:
		case LEDGER_SLOT_BULK_WRITTEN:
			if (verdict->seen == LEDGER_SEEN_NONE)
				break;
			if (entry->segment != pending->segment)
			{
				finish_pending(order, pending);
				begin_pending(order, fs, pending, slot, entry);
			}
			pending->last = slot;
			break;
		default:
			break;				/* nothing that the snapshot sees */
	}
}

/*
 * Find the units that there are.  Entries are judged as soon as they have been read
 * (see scan.c); after that they may be out of date, as is all that is kept in units.
 */
static void
start(LedgerOrder *order, LedgerFilteredScan *fs)
{
	LedgerScan *scan = fs->scan;
	Pending		pending = {0};
	LedgerSlotNumber slot = 0;

	order->units = pairingheap_allocate(compare_units, NULL);
	while (slot < scan->nslots)
	{
		LedgerSlotEntry entries[ENTRIES_MAX];
		LedgerVerdict verdicts[ENTRIES_MAX];
		int			n = ledger_read_entries(fs->rel, slot,
											(int) Min(scan->nslots - slot, ENTRIES_MAX), entries);

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < n; i++)
			ledger_judge_slot(fs->rel, slot + i, &entries[i], scan->rule,
							  scan->base.rs_snapshot, &verdicts[i]);
		for (int i = 0; i < n; i++)
			start_slot(order, fs, &pending, slot + i, &entries[i], &verdicts[i]);
		slot += Max(n, 1);
	}
	finish_pending(order, &pending);
	order->started = true;
}

/* ---- Rows ---- */

static void
load(LedgerOrder *order, LedgerFilteredScan *fs, const Unit *unit)
{
	LedgerRow	row = unit->low;

	while (row <= unit->high)
	{
		use_open(order, fs, LedgerRowSlot(row));
		if (ledger_filtered_load(fs, row, unit->high) > 0)
			ledger_runs_add(order->runs, unit->nulls, unit->values);
		row = fs->scan->high + 1;
	}
}

static void
take_unit(LedgerOrder *order, LedgerFilteredScan *fs)
{
	Unit	   *unit = pairingheap_container(Unit, node, pairingheap_remove_first(order->units));

	if (unit->is_segment)
		divide(order, fs, unit);
	else
		load(order, fs, unit);
	pfree(unit);
}

/* Load until the first row that is at hand is the first of all. */
static bool
find_first(LedgerOrder *order, LedgerFilteredScan *fs)
{
	for (;;)
	{
		LedgerPlace place;
		bool		found = ledger_runs_first(order->runs, &place);

		CHECK_FOR_INTERRUPTS();
		if (!pairingheap_is_empty(order->units))
		{
			Unit	   *unit = pairingheap_container(Unit, node, pairingheap_first(order->units));

			if (!found || LedgerPlaceBefore(unit->bound, place) ||
				ledger_runs_wants_more(order->runs))
			{
				take_unit(order, fs);
				continue;
			}
		}
		else if (ledger_runs_wants_more(order->runs))
		{
			ledger_runs_finish_spill(order->runs);
			continue;
		}
		return found;
	}
}

/* Show the next row, with what the plan's qual needs; false at the end. */
bool
ledger_order_advance(LedgerScanState *state)
{
	LedgerOrder *order = state->order;

	if (!order->started)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(order->context);

		start(order, &state->fs);
		MemoryContextSwitchTo(oldcontext);
	}
	if (!find_first(order, &state->fs))
		return false;
	ledger_runs_show(order->runs);
	return true;
}

/* The row has passed: what else is needed of it. */
void
ledger_order_complete(LedgerScanState *state)
{
	ledger_runs_complete(state->order->runs);
}

/* ---- Begin, forget ---- */

LedgerOrderKey
ledger_order_key(const CustomScan *plan)
{
	List	   *numbers = LedgerPlanOrder(plan);
	LedgerOrderKey key = {0};

	key.attnum = linitial_int(numbers);
	key.descending = lsecond_int(numbers) != 0;
	key.nulls_first = lthird_int(numbers) != 0;
	return key;
}

void
ledger_order_begin(LedgerScanState *state)
{
	CustomScan *plan = (CustomScan *) state->css.ss.ps.plan;
	TupleDesc	desc = RelationGetDescr(state->css.ss.ss_currentRelation);
	LedgerOrder *order = palloc0(sizeof(LedgerOrder));

	order->key = ledger_order_key(plan);
	order->key.typid = TupleDescAttr(desc, order->key.attnum - 1)->atttypid;
	order->not_null = LedgerHasNoNulls(desc, order->key.attnum - 1);
	order->context = AllocSetContextCreate(CurrentMemoryContext, "ledger order",
										   ALLOCSET_DEFAULT_SIZES);
	order->runs = ledger_runs_create(state, &order->key);
	state->order = order;
}

/* All that has been read is forgotten: to begin again, or to end. */
void
ledger_order_forget(LedgerScanState *state)
{
	LedgerOrder *order = state->order;

	ledger_runs_forget(order->runs);
	close_all(order);
	order->units = NULL;
	order->started = false;
	MemoryContextReset(order->context);
}

int64
ledger_order_spilled(const LedgerScanState *state)
{
	return ledger_runs_spilled(state->order->runs);
}
