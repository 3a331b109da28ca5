/*-------------------------------------------------------------------------
 *
 * order_runs.c
 *	  Rows that an ordered LedgerScan has read and not returned yet.
 *
 * They are in runs, each in order: the rows of a batch, whose columns are
 * decoded when rows come to be returned; copies of a tail page's rows; and one
 * at most that is sorted by tuplesort, on disk if need be.  What comes next is
 * the first of the runs' first rows.
 *
 * When the runs take more than work_mem, all rows are put into a new sort,
 * those of the old one, if there is one, among them.  Where many units overlap,
 * that happens again and again, so the next units' rows go there at once until
 * they are some times as many as the rows that have been sorted before: in all,
 * rows are sorted about as often as by a plain sort.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "exec/exec_internal.h"
#include "executor/executor.h"
#include "lib/pairingheap.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"

/* A sort is that many times as large as what it takes over from the last. */
#define SORT_FACTOR		4

/* A run of a smaller part of a batch's rows does without what it has decoded. */
#define SPARSE_PART		16

/* Columns of a sort, before those of the relation */
#define SORT_KEY		0
#define SORT_ROW		1
#define SORT_COLUMNS	2

/* Which columns of a row are decoded. */
#define HAS_FIRST		0x01
#define HAS_REST		0x02

/* A row of a run */
typedef struct RunRow
{
	LedgerPlace place;
	int			row;			/* of the batch, or number of the tuple */
} RunRow;

typedef struct Run
{
	pairingheap_node node;
	RunRow	   *items;			/* in order; next is the one to be returned */
	int			nitems;
	int			next;
	Size		bytes;

	/* rows of a segment */
	LedgerBatch *batch;
	uint8	   *has;			/* by row */

	/* copies of a tail page's */
	HeapTuple  *tuples;
	LedgerRow  *rows;
	BlockNumber block;

	/* sorted; the item is the row in the slot */
	Tuplesortstate *sort;
	TupleTableSlot *slot;
} Run;

/* Rows of which a set's columns have been decoded, and how many were asked for */
typedef struct Window
{
	int64		decoded;
	int64		used;
} Window;

struct LedgerRuns
{
	LedgerScanState *state;
	const LedgerOrderKey *key;
	MemoryContext context;		/* of the runs; reset when all is forgotten */
	pairingheap *heap;			/* of runs */
	Run		   *current;		/* not in the heap; NULL: there is none */
	bool		shown;			/* its next row has been returned */
	Size		bytes;			/* of all but the sorted one */
	Window		first_window;
	Window		rest_window;

	TupleDesc	sort_desc;
	TupleTableSlot *put_slot;
	Tuplesortstate *sort;		/* that is being filled, or NULL */
	int64		carried;		/* rows in it that the last one had */
	int64		put;			/* all rows in it */
	int64		spilled;
};

static TupleTableSlot *
scan_slot(const LedgerRuns *runs)
{
	return runs->state->css.ss.ss_ScanTupleSlot;
}

static inline LedgerPlace
head_of(const Run *run)
{
	return run->items[run->next].place;
}

static int
compare_runs(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	LedgerPlace x = head_of(pairingheap_const_container(Run, node, a));
	LedgerPlace y = head_of(pairingheap_const_container(Run, node, b));

	return LedgerPlaceBefore(x, y) ? 1 : LedgerPlaceBefore(y, x) ? -1 : 0;
}

/* ---- Begin, end ---- */

/* The relation's columns, behind the key and the row number. */
static TupleDesc
make_sort_desc(TupleDesc desc)
{
	TupleDesc	result = CreateTemplateTupleDesc(desc->natts + SORT_COLUMNS);

	TupleDescInitEntry(result, SORT_KEY + 1, "key", INT8OID, -1, 0);
	TupleDescInitEntry(result, SORT_ROW + 1, "row", INT8OID, -1, 0);
	for (int i = 0; i < desc->natts; i++)
		TupleDescCopyEntry(result, SORT_COLUMNS + i + 1, desc, i + 1);
	return result;
}

LedgerRuns *
ledger_runs_create(LedgerScanState *state, const LedgerOrderKey *key)
{
	LedgerRuns *runs = palloc0(sizeof(LedgerRuns));

	runs->state = state;
	runs->key = key;
	runs->context = AllocSetContextCreate(CurrentMemoryContext, "ledger runs",
										  ALLOCSET_DEFAULT_SIZES);
	runs->heap = pairingheap_allocate(compare_runs, NULL);
	return runs;
}

/* Let go of a batch; the scan may use its memory again. */
static void
return_batch(LedgerRuns *runs, LedgerBatch *batch)
{
	LedgerScan *scan = runs->state->fs.scan;

	if (scan != NULL && scan->batch == NULL && batch->refs == 1)
		scan->batch = batch;
	else
		ledger_batch_leave(batch);
}

static void
free_run(LedgerRuns *runs, Run *run)
{
	runs->bytes -= run->bytes;
	if (run->batch != NULL)
		return_batch(runs, run->batch);
	if (run->has != NULL)
		pfree(run->has);
	if (run->tuples != NULL)
	{
		/* those that were shown are the slot's */
		for (int i = run->next; i < run->nitems; i++)
			if (run->tuples[run->items[i].row] != NULL)
				heap_freetuple(run->tuples[run->items[i].row]);
		pfree(run->tuples);
		pfree(run->rows);
	}
	if (run->sort != NULL)
	{
		ExecClearTuple(scan_slot(runs));
		ExecDropSingleTupleTableSlot(run->slot);
		tuplesort_end(run->sort);
	}
	pfree(run->items);
	pfree(run);
}

/* The first of the heap's runs becomes the caller's. */
static Run *
take_run(LedgerRuns *runs)
{
	return pairingheap_container(Run, node, pairingheap_remove_first(runs->heap));
}

void
ledger_runs_forget(LedgerRuns *runs)
{
	ExecClearTuple(scan_slot(runs));
	if (runs->current != NULL)
		free_run(runs, runs->current);
	while (!pairingheap_is_empty(runs->heap))
		free_run(runs, take_run(runs));
	if (runs->sort != NULL)
		tuplesort_end(runs->sort);
	runs->current = NULL;
	runs->sort = NULL;
	runs->shown = false;
	runs->carried = runs->put = 0;
	Assert(runs->bytes == 0);
	MemoryContextReset(runs->context);
}

int64
ledger_runs_spilled(const LedgerRuns *runs)
{
	return runs->spilled;
}

/* ---- Columns of a batch ---- */

static int
compare_rows(const void *a, const void *b)
{
	return (int) *(const uint16 *) a - (int) *(const uint16 *) b;
}

/*
 * Have a set's columns decoded for the run's next rows, up to "window" of them;
 * returns how many rows that were.
 */
static int
decode(LedgerRuns *runs, Run *run, const LedgerColumnSet *set, uint8 mark, int window)
{
	LedgerBatch *batch = run->batch;
	TupleDesc	desc = RelationGetDescr(batch->rel);
	int			ncolumns = ledger_reader_root(batch->reader)->ncolumns;
	int			end = Min(run->next + window, run->nitems);
	uint16		rows[LEDGER_VECTOR_ROWS];
	int			n = 0;

	for (int i = run->next; i < end; i++)
	{
		int			row = run->items[i].row;

		if ((run->has[row] & mark) == 0)
			rows[n++] = row;
		run->has[row] |= mark;
	}
	if (n == 0)
		return 0;
	qsort(rows, n, sizeof(uint16), compare_rows);
	for (int i = 0; i < set->ncolumns; i++)
		if (set->columns[i] < ncolumns)
			ledger_batch_column(batch, desc, set->columns[i], rows, n);
	return n;
}

static void
fill(const Run *run, const LedgerColumnSet *set, int row, TupleDesc desc,
	 Datum *values, bool *isnull)
{
	int			ncolumns = ledger_reader_root(run->batch->reader)->ncolumns;

	for (int i = 0; i < set->ncolumns; i++)
	{
		int			column = set->columns[i];

		if (column < ncolumns)
		{
			values[column] = run->batch->columns[column].values[row];
			isnull[column] = run->batch->columns[column].isnull[row];
		}
		else
			values[column] = getmissingattr(desc, column + 1, &isnull[column]);
	}
}

/*
 * For how many rows of a run to decode.  To do it for many at once is quicker,
 * but whoever takes rows from many runs by turns may stop before the next one of
 * this run.  So not many more are decoded, in all, than have been asked for.
 */
static int
next_window(const Window *window)
{
	int64		more = window->used * LEDGER_WINDOW_FACTOR - window->decoded;

	if (window->decoded == 0)
		return LEDGER_WINDOW_FIRST;
	return (int) Max(Min(more, LEDGER_VECTOR_ROWS), 1);
}

static void
fill_slot(LedgerRuns *runs, Run *run, const LedgerColumnSet *set, uint8 mark, Window *window,
		  bool few)
{
	TupleTableSlot *slot = scan_slot(runs);
	int			row = run->items[run->next].row;

	if (set->ncolumns == 0)
		return;
	window->used++;
	if ((run->has[row] & mark) == 0)
	{
		Size		before = run->batch->context->mem_allocated;
		Size		grown;

		window->decoded += decode(runs, run, set, mark, few ? 1 : next_window(window));
		grown = run->batch->context->mem_allocated - before;
		run->bytes += grown;
		runs->bytes += grown;
	}
	fill(run, set, row, slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull);
}

/* ---- Items ---- */

static int
compare_items(const void *a, const void *b)
{
	const RunRow *x = a;
	const RunRow *y = b;

	if (LedgerPlaceBefore(x->place, y->place))
		return -1;
	if (LedgerPlaceBefore(y->place, x->place))
		return 1;
	return x->row - y->row;
}

/* Most come in order, or just the other way round. */
static void
sort_items(RunRow *items, int n)
{
	bool		ascends = true;
	bool		descends = true;

	for (int i = 1; i < n && (ascends || descends); i++)
	{
		ascends &= !LedgerPlaceBefore(items[i].place, items[i - 1].place);
		descends &= !LedgerPlaceBefore(items[i - 1].place, items[i].place);
	}
	if (ascends)
		return;
	if (!descends)
	{
		qsort(items, n, sizeof(RunRow), compare_items);
		return;
	}
	for (int i = 0, k = n - 1; i < k; i++, k--)
	{
		RunRow		item = items[i];

		items[i] = items[k];
		items[k] = item;
	}
}

static Run *
make_run(LedgerRuns *runs, int nitems)
{
	Run		   *run = MemoryContextAllocZero(runs->context, sizeof(Run));

	run->items = MemoryContextAlloc(runs->context, Max(nitems, 1) * sizeof(RunRow));
	run->bytes = nitems * sizeof(RunRow);
	return run;
}

static inline void
add_item(Run *run, LedgerPlace place, int row)
{
	RunRow	   *item = &run->items[run->nitems++];

	item->place = place;
	item->row = row;
}

/* ---- Runs of what has been loaded ---- */

/* Of the rows of a segment's batch, which becomes the run's. */
static Run *
run_of_vector(LedgerRuns *runs, bool nulls, bool values)
{
	LedgerScan *scan = runs->state->fs.scan;
	LedgerBatch *batch = scan->batch;
	TupleDesc	desc = RelationGetDescr(batch->rel);
	int			column = runs->key->attnum - 1;
	Run		   *run = make_run(runs, scan->nvisible);
	const LedgerBatchColumn *decoded = NULL;
	Datum		value = 0;
	bool		isnull = true;

	if (column < ledger_reader_root(batch->reader)->ncolumns)
		decoded = ledger_batch_column(batch, desc, column, scan->visible, scan->nvisible);
	else
		value = getmissingattr(desc, column + 1, &isnull);
	for (int i = 0; i < scan->nvisible; i++)
	{
		int			row = scan->visible[i];

		if (decoded != NULL)
		{
			value = decoded->values[row];
			isnull = decoded->isnull[row];
		}
		if (isnull ? nulls : values)
			add_item(run, ledger_place_of(runs->key, value, isnull), row);
	}
	if (run->nitems > 0)
	{
		if (run->nitems * SPARSE_PART < batch->nrows)
			batch = ledger_batch_again(batch, scan->context);
		else
			scan->batch = NULL;
		run->batch = batch;
		run->has = MemoryContextAllocZero(runs->context, batch->nrows);
		run->bytes += batch->context->mem_allocated + batch->nrows;
	}
	return run;
}

/*
 * The row in the slot, whose values have been asked for.  If it was in overflow
 * blocks that were overwritten since its page was read, it comes from a segment
 * and has no tuple.
 */
static HeapTuple
copy_row(TupleTableSlot *slot)
{
	LedgerTupleTableSlot *lslot = (LedgerTupleTableSlot *) slot;
	HeapTupleData tuple = {lslot->len, slot->tts_tid, slot->tts_tableOid, lslot->header};
	HeapTuple	copy;

	if (lslot->header != NULL)
		return heap_copytuple(&tuple);
	copy = ExecCopySlotHeapTuple(slot);
	HeapTupleHeaderSetXmin(copy->t_data, lslot->xmin);
	HeapTupleHeaderSetCmin(copy->t_data, lslot->cid);
	return copy;
}

/* Of a tail page's rows, which are copied: a batch takes more than a few of them. */
static Run *
run_of_page(LedgerRuns *runs, bool nulls, bool values)
{
	LedgerScan *scan = runs->state->fs.scan;
	TupleTableSlot *slot = scan_slot(runs);
	LedgerTupleTableSlot *lslot = (LedgerTupleTableSlot *) slot;
	Run		   *run = make_run(runs, scan->nvisible);
	MemoryContext oldcontext = MemoryContextSwitchTo(runs->context);

	run->block = scan->batch->block;
	run->tuples = palloc0(scan->nvisible * sizeof(HeapTuple));
	run->rows = palloc(scan->nvisible * sizeof(LedgerRow));
	for (int i = 0; i < scan->nvisible; i++)
	{
		bool		isnull;
		Datum		value;
		LedgerPlace place;

		ledger_slot_show_row(slot, scan->batch, scan->visible[i]);
		value = slot_getattr(slot, runs->key->attnum, &isnull);
		place = ledger_place_of(runs->key, value, isnull);
		if (isnull ? nulls : values)
		{
			HeapTuple	tuple = copy_row(slot);

			run->tuples[run->nitems] = tuple;
			run->rows[run->nitems] = lslot->rownum;
			run->bytes += HEAPTUPLESIZE + tuple->t_len;
			add_item(run, place, run->nitems);
		}
	}
	run->bytes += scan->nvisible * (sizeof(HeapTuple) + sizeof(LedgerRow));
	ExecClearTuple(slot);
	MemoryContextSwitchTo(oldcontext);
	return run;
}

/* ---- Sorting ---- */

static void
begin_sort(LedgerRuns *runs)
{
	MemoryContext oldcontext;
	AttrNumber	attnum = SORT_KEY + 1;
	Oid			operator = Int8LessOperator;
	Oid			collation = InvalidOid;
	bool		nulls_first = runs->key->nulls_first;

	if (runs->sort_desc == NULL)
	{
		oldcontext = MemoryContextSwitchTo(MemoryContextGetParent(runs->context));
		runs->sort_desc = make_sort_desc(RelationGetDescr(runs->state->fs.rel));
		runs->put_slot = MakeSingleTupleTableSlot(runs->sort_desc, &TTSOpsVirtual);
		MemoryContextSwitchTo(oldcontext);
	}
	oldcontext = MemoryContextSwitchTo(runs->context);
	runs->sort = tuplesort_begin_heap(runs->sort_desc, 1, &attnum, &operator, &collation,
									  &nulls_first, work_mem, NULL, TUPLESORT_NONE);
	runs->carried = runs->put = 0;
	MemoryContextSwitchTo(oldcontext);
}

/* Begin a row to be put: no column has a value yet. */
static void
clear_put(LedgerRuns *runs, LedgerPlace place, LedgerRow row)
{
	TupleTableSlot *slot = runs->put_slot;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	slot->tts_values[SORT_KEY] = Int64GetDatum(place.key);
	slot->tts_isnull[SORT_KEY] = place.rank != LEDGER_RANK_VALUE;
	slot->tts_values[SORT_ROW] = Int64GetDatum((int64) row);
	slot->tts_isnull[SORT_ROW] = false;
}

static void
put(LedgerRuns *runs)
{
	ExecStoreVirtualTuple(runs->put_slot);
	tuplesort_puttupleslot(runs->sort, runs->put_slot);
	runs->put++;
	runs->spilled++;
}

static void
put_vector(LedgerRuns *runs, Run *run)
{
	TupleTableSlot *slot = runs->put_slot;
	TupleDesc	desc = RelationGetDescr(run->batch->rel);
	const LedgerColumnSet *first = &runs->state->first;
	const LedgerColumnSet *rest = &runs->state->rest;

	(void) decode(runs, run, first, HAS_FIRST, run->nitems);
	(void) decode(runs, run, rest, HAS_REST, run->nitems);
	for (; run->next < run->nitems; run->next++)
	{
		const RunRow *item = &run->items[run->next];

		clear_put(runs, item->place, run->batch->first_row + item->row);
		fill(run, first, item->row, desc, slot->tts_values + SORT_COLUMNS,
			 slot->tts_isnull + SORT_COLUMNS);
		fill(run, rest, item->row, desc, slot->tts_values + SORT_COLUMNS,
			 slot->tts_isnull + SORT_COLUMNS);
		put(runs);
	}
}

static void
fill_from_slot(LedgerRuns *runs, TupleTableSlot *from, const LedgerColumnSet *set)
{
	TupleTableSlot *slot = runs->put_slot;

	for (int i = 0; i < set->ncolumns; i++)
	{
		int			column = set->columns[i];

		slot->tts_values[SORT_COLUMNS + column] =
			slot_getattr(from, column + 1, &slot->tts_isnull[SORT_COLUMNS + column]);
	}
}

/* Show a copied row, which becomes the slot's. */
static void
show_copy(LedgerRuns *runs, Run *run, const RunRow *item)
{
	HeapTuple	tuple = run->tuples[item->row];

	ledger_slot_show_tuple(scan_slot(runs), runs->state->fs.rel, run->rows[item->row],
						   run->block, tuple, HeapTupleHeaderGetXmin(tuple->t_data),
						   HeapTupleHeaderGetRawCommandId(tuple->t_data));
	run->tuples[item->row] = NULL;
}

static void
put_copies(LedgerRuns *runs, Run *run)
{
	TupleTableSlot *from = scan_slot(runs);

	for (; run->next < run->nitems; run->next++)
	{
		const RunRow *item = &run->items[run->next];

		clear_put(runs, item->place, run->rows[item->row]);
		show_copy(runs, run, item);
		fill_from_slot(runs, from, &runs->state->first);
		fill_from_slot(runs, from, &runs->state->rest);
		put(runs);
	}
	ExecClearTuple(from);
}

/* The sorted run's next row; false at the end. */
static bool
fetch_sorted(LedgerRuns *runs, Run *run)
{
	bool		isnull;
	Datum		key;

	if (!tuplesort_gettupleslot(run->sort, true, false, run->slot, NULL))
		return false;
	key = slot_getattr(run->slot, SORT_KEY + 1, &isnull);
	run->items[0].place = ledger_place_of(runs->key, (Datum) 0, true);
	if (!isnull)
	{
		run->items[0].place.rank = LEDGER_RANK_VALUE;
		run->items[0].place.key = DatumGetInt64(key);
	}
	return true;
}

static void
put_sorted(LedgerRuns *runs, Run *run)
{
	do
	{
		CHECK_FOR_INTERRUPTS();
		tuplesort_puttupleslot(runs->sort, run->slot);
		runs->put++;
		runs->carried++;
	} while (fetch_sorted(runs, run));
}

/* Put all rows of a run into the sort, and the run is no more. */
static void
put_run(LedgerRuns *runs, Run *run)
{
	CHECK_FOR_INTERRUPTS();
	if (run->batch != NULL)
		put_vector(runs, run);
	else if (run->tuples != NULL)
		put_copies(runs, run);
	else
		put_sorted(runs, run);
	free_run(runs, run);
}

/* The sort has what it is to have. */
void
ledger_runs_finish_spill(LedgerRuns *runs)
{
	Run		   *run = make_run(runs, 1);
	MemoryContext oldcontext = MemoryContextSwitchTo(runs->context);

	tuplesort_performsort(runs->sort);
	run->bytes = 0;				/* it has its own limit */
	run->nitems = 1;
	run->sort = runs->sort;
	run->slot = MakeSingleTupleTableSlot(runs->sort_desc, &TTSOpsMinimalTuple);
	runs->sort = NULL;
	MemoryContextSwitchTo(oldcontext);
	if (fetch_sorted(runs, run))
		pairingheap_add(runs->heap, &run->node);
	else
		free_run(runs, run);
}

/* Is a sort to get more rows before it makes sense to go on? */
bool
ledger_runs_wants_more(LedgerRuns *runs)
{
	return runs->sort != NULL;
}

static void
finish_if_enough(LedgerRuns *runs)
{
	if (runs->put >= runs->carried * SORT_FACTOR)
		ledger_runs_finish_spill(runs);
}

static void
spill(LedgerRuns *runs)
{
	Assert(!runs->shown);
	begin_sort(runs);
	if (runs->current != NULL)
		put_run(runs, runs->current);
	runs->current = NULL;
	while (!pairingheap_is_empty(runs->heap))
		put_run(runs, take_run(runs));
	finish_if_enough(runs);
}

/*
 * The run whose rows are being returned does not count, as it will be gone soon;
 * what has been decoded of others, while it was their turn, does.
 */
static void
spill_if_crowded(LedgerRuns *runs)
{
	Size		bytes = runs->bytes;

	if (runs->current != NULL)
		bytes -= runs->current->bytes;
	if (runs->sort == NULL && bytes > (Size) work_mem * 1024)
		spill(runs);
}

/*
 * Take over the batch that the scan has loaded: of its rows that pass the
 * filters, those with NULL in the column, or with a value, or both.
 */
void
ledger_runs_add(LedgerRuns *runs, bool nulls, bool values)
{
	LedgerScan *scan = runs->state->fs.scan;
	Run		   *run = scan->batch->page != NULL ? run_of_page(runs, nulls, values) :
		run_of_vector(runs, nulls, values);

	runs->bytes += run->bytes;
	if (run->nitems == 0)
	{
		free_run(runs, run);
		return;
	}
	sort_items(run->items, run->nitems);
	if (runs->sort != NULL)
	{
		put_run(runs, run);
		finish_if_enough(runs);
		return;
	}
	pairingheap_add(runs->heap, &run->node);
	spill_if_crowded(runs);
}

/* ---- The first row ---- */

/* Go on from the row that has been shown. */
static void
leave_shown(LedgerRuns *runs)
{
	Run		   *run = runs->current;

	runs->shown = false;
	if (run->sort != NULL ? fetch_sorted(runs, run) : ++run->next < run->nitems)
		return;
	ExecClearTuple(scan_slot(runs));	/* so that a batch's memory can be used again */
	free_run(runs, run);
	runs->current = NULL;
}

/* Find the first row of all; false if there is none. */
bool
ledger_runs_first(LedgerRuns *runs, LedgerPlace *place)
{
	if (runs->shown)
	{
		leave_shown(runs);
		spill_if_crowded(runs);
	}
	if (!pairingheap_is_empty(runs->heap))
	{
		Run		   *other = pairingheap_container(Run, node, pairingheap_first(runs->heap));

		if (runs->current == NULL || LedgerPlaceBefore(head_of(other), head_of(runs->current)))
		{
			other = take_run(runs);
			if (runs->current != NULL)
				pairingheap_add(runs->heap, &runs->current->node);
			runs->current = other;
		}
	}
	if (runs->current == NULL)
		return false;
	*place = head_of(runs->current);
	return true;
}

/* Put a row into the slot whose values are in that of a sort. */
static void
show_sorted(LedgerRuns *runs, Run *run)
{
	TupleTableSlot *slot = scan_slot(runs);
	LedgerTupleTableSlot *lslot = (LedgerTupleTableSlot *) slot;
	int			natts = slot->tts_tupleDescriptor->natts;

	slot_getallattrs(run->slot);
	ExecClearTuple(slot);
	memcpy(slot->tts_values, run->slot->tts_values + SORT_COLUMNS, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, run->slot->tts_isnull + SORT_COLUMNS, natts * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	lslot->rownum = (LedgerRow) DatumGetInt64(run->slot->tts_values[SORT_ROW]);
	slot->tts_tableOid = RelationGetRelid(runs->state->fs.rel);
	LedgerRowToTid(lslot->rownum, &slot->tts_tid);
}

/* Show the first row, as ledger_runs_first found it, with the first columns. */
void
ledger_runs_show(LedgerRuns *runs)
{
	TupleTableSlot *slot = scan_slot(runs);
	Run		   *run = runs->current;

	runs->shown = true;
	pgstat_count_heap_getnext(runs->state->fs.rel);
	if (run->sort != NULL)
		show_sorted(runs, run);
	else if (run->tuples != NULL)
		show_copy(runs, run, &run->items[run->next]);
	else
	{
		ledger_slot_show_row(slot, run->batch, run->items[run->next].row);
		memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
		fill_slot(runs, run, &runs->state->first, HAS_FIRST, &runs->first_window, false);
		slot->tts_nvalid = slot->tts_tupleDescriptor->natts;
	}
}

/* And with the rest of them. */
void
ledger_runs_complete(LedgerRuns *runs)
{
	const LedgerScanState *state = runs->state;

	if (runs->current->batch != NULL)
		fill_slot(runs, runs->current, &state->rest, HAS_REST, &runs->rest_window,
				  state->passed * 8 < state->tried);
}
