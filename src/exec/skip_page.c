/*-------------------------------------------------------------------------
 *
 * skip_page.c
 *	  What is noted of tail pages, for filters to skip them.
 *
 * Notes are of the columns that filters were about, and of all rows of a page that
 * are visible or may be: that a row becomes visible need not change the page.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/transam.h"
#include "access/xact.h"
#include "exec/exec_internal.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/procarray.h"

/* Columns that are noted at a time, at most */
#define COLUMNS_MAX		8

/* Bits for each value of a page */
#define BITS			3

/* ---- Columns ---- */

static const LedgerPageColumn *
find_column(const LedgerPageNote *note, AttrNumber attnum)
{
	for (int i = 0; i < note->ncolumns; i++)
		if (note->columns[i].attnum == attnum)
			return &note->columns[i];
	return NULL;
}

/* Is the filter about a column's values as they are, and can notes of these tell? */
static bool
is_of_column(const LedgerFilter *filter)
{
	const LedgerConstants *constants = &filter->constants;

	if (filter->input.kind != LEDGER_INPUT_COLUMN || filter->input.attnum <= 0)
		return false;
	switch (filter->kind)
	{
		case LEDGER_FILTER_COMPARE:
		case LEDGER_FILTER_ANY:
			if (filter->strategy == LEDGER_STRATEGY_NONE)
				return constants->prefix != NULL && constants->prefix_len > 0;
			if (filter->strategy == LEDGER_STRATEGY_NOT_EQUAL)
				return false;
			return filter->strategy == BTEqualStrategyNumber || filter->ordered_cuts ||
				filter->input.typbyval;
		case LEDGER_FILTER_NULL:
		case LEDGER_FILTER_BOOL:
			return true;
		default:
			return false;
	}
}

/* Can notes ever tell that no row passes? */
static bool
can_tell(const LedgerFilter *filter)
{
	bool		is_or = filter->kind == LEDGER_FILTER_OR;

	if (!is_or && filter->kind != LEDGER_FILTER_AND)
		return is_of_column(filter);
	for (int i = 0; i < filter->nargs; i++)
		if (can_tell(filter->args[i]) != is_or)
			return !is_or;
	return is_or;
}

/* The columns that the filter is about and that are not noted yet; returns how many. */
static int
find_columns(const LedgerFilter *filter, const LedgerPageNote *note, AttrNumber *attnums, int n)
{
	if (!can_tell(filter))
		return n;
	if (filter->kind == LEDGER_FILTER_AND || filter->kind == LEDGER_FILTER_OR)
	{
		for (int i = 0; i < filter->nargs; i++)
			n = find_columns(filter->args[i], note, attnums, n);
		return n;
	}
	if (n == COLUMNS_MAX || find_column(note, filter->input.attnum) != NULL)
		return n;
	for (int i = 0; i < n; i++)
		if (attnums[i] == filter->input.attnum)
			return n;
	attnums[n] = filter->input.attnum;
	return n + 1;
}

/* ---- Notes of values ---- */

static inline void
find_bits(uint64 hash, int *bits)
{
	for (int i = 0; i < BITS; i++, hash >>= 16)
		bits[i] = hash % LEDGER_PAGE_BITS;
}

static void
add_bits(LedgerPageColumn *column, uint64 hash)
{
	int			bits[BITS];

	find_bits(hash, bits);
	for (int i = 0; i < BITS; i++)
		column->bits[bits[i] / 64] |= UINT64CONST(1) << (bits[i] % 64);
}

/* May a value with this hash be in the page? */
bool
ledger_page_has_hash(const LedgerPageColumn *column, uint64 hash)
{
	int			bits[BITS];

	find_bits(hash, bits);
	for (int i = 0; i < BITS; i++)
		if ((column->bits[bits[i] / 64] & (UINT64CONST(1) << (bits[i] % 64))) == 0)
			return false;
	return true;
}

/* Is the value stored elsewhere, or compressed by itself? */
static inline bool
is_elsewhere(const LedgerColumnType *type, Datum value)
{
	return type->attlen == -1 && (VARATT_IS_EXTERNAL(DatumGetPointer(value)) ||
								  VARATT_IS_COMPRESSED(DatumGetPointer(value)));
}

static uint64
cut_number(const LedgerColumnType *type, Datum value)
{
	const char *data = DatumGetPointer(value);

	if (type->attlen > 0)
		return ledger_zone_number(type->typid, data, type->attlen, 0);
	return ledger_zone_number(type->typid, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), 0);
}

/* Note what a column has in all rows of a page. */
static void
note_column(LedgerPageColumn *column, const LedgerColumnInput *input)
{
	const LedgerColumnType *type = &input->type;
	int			rows[MaxHeapTuplesPerPage];
	uint64		zone[2];
	int			n = 0;

	column->typid = type->typid;
	column->collation = type->collation;
	column->has_zone = ledger_zone_type(type);
	column->has_cuts = ledger_cut_zone_type(type);
	column->has_bits = true;
	column->min = PG_UINT64_MAX;
	for (int row = 0; row < input->nrows; row++)
	{
		Datum		value = input->values[row];
		uint64		hash;

		if (input->isnull[row])
		{
			column->has_nulls = true;
			continue;
		}
		rows[n++] = row;
		if (is_elsewhere(type, value))
			column->has_cuts = column->has_bits = false;
		if (column->has_cuts)
		{
			uint64		number = cut_number(type, value);

			column->min = Min(column->min, number);
			column->max = Max(column->max, number);
		}
		if (column->has_bits)
			column->has_bits = ledger_value_hash(type, value, &hash);
		if (column->has_bits)
			add_bits(column, hash);
	}
	column->has_values = n > 0;
	if (!column->has_zone || n == 0)
		return;
	ledger_zone_make(input, rows, n, zone);
	column->min = zone[0];
	column->max = zone[1];
}

/*
 * Is it a row that nobody will ever see?  The descriptor need not be that of such a
 * row: its transaction may have added a column, and the number of that may be
 * another column's by now.
 */
static bool
is_gone(HeapTupleHeader header)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(header);

	if (!TransactionIdIsValid(xmin))
		return true;
	if (HeapTupleHeaderXminCommitted(header))	/* or frozen */
		return false;
	return HeapTupleHeaderXminInvalid(header) ||
		(!TransactionIdIsCurrentTransactionId(xmin) && !TransactionIdIsInProgress(xmin) &&
		 !TransactionIdDidCommit(xmin));
}

/*
 * The values of some columns in the rows that the page has; returns how many, or -1
 * if nobody may know: what is too big for a page is written after its row, so who does
 * not see it must not read it.
 */
static int
read_rows(LedgerFilteredScan *fs, const AttrNumber *attnums, int ncolumns,
		  Datum *values, bool *isnull)
{
	LedgerBatch *batch = fs->scan->batch;
	int			nrows = 0;

	for (int row = 0; row < batch->nrows; row++)
	{
		uint32		len;
		HeapTupleHeader header = ledger_page_tuple(fs->rel, batch->block, (Page) batch->page,
												   row + 1, &len);

		CHECK_FOR_INTERRUPTS();
		if (header == NULL || is_gone(header))
			continue;
		if (ledger_is_stub(header, len))
		{
			ExecClearTuple(fs->slot);
			return -1;
		}
		ledger_slot_show_row(fs->slot, batch, row);
		for (int i = 0; i < ncolumns; i++)
		{
			int			at = i * MaxHeapTuplesPerPage + nrows;

			values[at] = slot_getattr(fs->slot, attnums[i], &isnull[at]);
		}
		nrows++;
	}
	ExecClearTuple(fs->slot);
	return nrows;
}

/*
 * The scan has come to a tail page, and nothing says that no row of it passes: take
 * notes, if it is not for the first time.
 */
void
ledger_filtered_note_page(LedgerFilteredScan *fs)
{
	TupleDesc	desc = RelationGetDescr(fs->rel);
	BlockNumber block = fs->scan->batch->block;
	XLogRecPtr	lsn = fs->scan->page_lsn;
	const LedgerPageNote *known = ledger_note_of(fs->rel, block, lsn);
	LedgerPageNote *note;
	AttrNumber	attnums[COLUMNS_MAX];
	int			ncolumns = 0;
	LedgerPageColumn *columns;
	Datum	   *values;
	bool	   *isnull;
	int			nrows;

	if (known == NULL)
	{
		(void) ledger_note_read(fs->rel, block, lsn);
		return;
	}
	if (ledger_notes_are_full())
		return;
	for (int i = 0; i < fs->nfilters; i++)
		ncolumns = find_columns(fs->filters[i], known, attnums, ncolumns);
	if (ncolumns == 0)
		return;
	columns = palloc0(ncolumns * sizeof(LedgerPageColumn));
	values = palloc(ncolumns * MaxHeapTuplesPerPage * sizeof(Datum));
	isnull = palloc(ncolumns * MaxHeapTuplesPerPage * sizeof(bool));
	nrows = read_rows(fs, attnums, ncolumns, values, isnull);
	for (int i = 0; i < ncolumns; i++)
	{
		LedgerColumnInput input = {
			.nrows = nrows,
			.values = values + i * MaxHeapTuplesPerPage,
			.isnull = isnull + i * MaxHeapTuplesPerPage
		};

		ledger_column_type(desc, attnums[i] - 1, &input.type);
		columns[i].attnum = attnums[i];
		if (nrows >= 0)
			note_column(&columns[i], &input);
		else
			columns[i].has_nulls = columns[i].has_values = true;	/* anything */
	}
	/* the notes may have gone meanwhile */
	note = ledger_note_read(fs->rel, block, lsn);
	if (note != NULL && note == known)
		ledger_note_columns(note, columns, ncolumns);
}

/* ---- Filters ---- */

static bool
may_pass(LedgerFilter *filter, const LedgerPageNote *note)
{
	const LedgerPageColumn *column;

	check_stack_depth();
	if (filter->kind == LEDGER_FILTER_AND || filter->kind == LEDGER_FILTER_OR)
	{
		bool		is_and = filter->kind == LEDGER_FILTER_AND;

		for (int i = 0; i < filter->nargs; i++)
			if (may_pass(filter->args[i], note) != is_and)
				return !is_and;
		return is_and;
	}
	if (!is_of_column(filter) || (column = find_column(note, filter->input.attnum)) == NULL)
		return true;
	if (filter->kind == LEDGER_FILTER_NULL)
		return filter->negate ? column->has_values : column->has_nulls;
	if (filter->constants.never)
		return false;
	return filter->constants.fails || ledger_filter_may_be_in_page(filter, column);
}

/* A LedgerSkipPage.  It judges by a copy: what is called may be anybody's. */
static bool
skip_page(void *arg, BlockNumber block, XLogRecPtr lsn)
{
	LedgerFilteredScan *fs = arg;
	const LedgerPageNote *known = ledger_note_of(fs->rel, block, lsn);
	MemoryContext oldcontext = MemoryContextSwitchTo(fs->econtext->ecxt_per_tuple_memory);
	LedgerPageNote note = {.ncolumns = 0};
	bool		skip = false;

	if (known != NULL && known->ncolumns > 0)
	{
		Size		size = known->ncolumns * sizeof(LedgerPageColumn);

		note.ncolumns = known->ncolumns;
		note.columns = palloc(size);
		memcpy(note.columns, known->columns, size);
	}
	for (int i = 0; note.ncolumns > 0 && i < fs->nfilters && !skip; i++)
		skip = !may_pass(fs->filters[i], &note);
	MemoryContextSwitchTo(oldcontext);
	ResetExprContext(fs->econtext);
	if (skip && !fs->again)
		ledger_filtered_counts(fs)->pages_skipped++;
	return skip;
}

/* Have the scan, which begins, skip tail pages by what is noted of them, if that may be. */
void
ledger_filtered_use_notes(LedgerFilteredScan *fs)
{
	bool		useful = false;

	for (int i = 0; i < fs->nfilters; i++)
		useful |= can_tell(fs->filters[i]);
	fs->scan->skip_page = useful && ledger_takes_notes(fs->rel) ? skip_page : NULL;
}
