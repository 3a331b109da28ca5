/*-------------------------------------------------------------------------
 *
 * input_read.c
 *	  The values of columns and paths: see input.c.
 *
 * Of a segment with shredded documents, a path's values come from sub-columns,
 * and no document is rebuilt, but for rows of which only the document tells.
 * Where documents are not shredded, and in tail rows, the expression is
 * evaluated on the document by the server's own functions.
 *
 * The text that a path leads to may be cast.  A cast can fail; what is then
 * said of the row is that its value is unknown, see cast.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "exec/exec_internal.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Of a path, in the executor */
struct LedgerInputState
{
	ExprContext *econtext;
	ExprState  *path;			/* the text or jsonb, of the document that is caseValue */
	LedgerCast	cast;
};

/* Values of a path in the batch at hand. */
typedef struct LedgerBatchInput
{
	struct LedgerBatchInput *next;
	const LedgerFilterInput *input;
	Datum	   *values;			/* by row */
	bool	   *isnull;
	bool	   *unknown;
	bool	   *done;
	bool	   *null_done;		/* isnull is right, even where values are not done */
	bool		any_unknown;
} LedgerBatchInput;

/* Do two read the same? */
static bool
is_same(const LedgerFilterInput *a, const LedgerFilterInput *b)
{
	if (a == b)
		return true;
	if (a->kind != b->kind || (a->path == NULL) != (b->path == NULL) ||
		a->attnum != b->attnum || a->cast != b->cast || a->nkeys != b->nkeys)
		return false;
	for (int i = 0; i < a->nkeys; i++)
		if (a->keys[i].len != b->keys[i].len ||
			memcmp(a->keys[i].data, b->keys[i].data, a->keys[i].len) != 0)
			return false;
	return true;
}

/* ---- Executor start ---- */

static Node *
replace_column(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		CaseTestExpr *document = makeNode(CaseTestExpr);

		document->typeId = ((Var *) node)->vartype;
		document->typeMod = ((Var *) node)->vartypmod;
		document->collation = ((Var *) node)->varcollid;
		return (Node *) document;
	}
	return expression_tree_mutator(node, replace_column, context);
}

/* Get ready to read; in a context that lasts. */
void
ledger_input_begin(LedgerFilterInput *input, PlanState *parent)
{
	LedgerInputState *state;
	Oid			function;

	if (input->kind == LEDGER_INPUT_COLUMN)
		return;
	state = palloc0(sizeof(LedgerInputState));
	state->econtext = CreateExprContext(parent->state);
	state->path = ExecInitExpr((Expr *) replace_column((Node *) input->path, NULL), parent);
	if (input->kind == LEDGER_INPUT_CAST)
	{
		state->cast.type = input->cast;
		getTypeInputInfo(input->cast, &function, &state->cast.ioparam);
		fmgr_info(function, &state->cast.function);
	}
	input->state = state;
}

/* ---- Values of a document ---- */

/* The text or jsonb that the path leads to. */
static Datum
follow_path(const LedgerFilterInput *input, Datum document, bool *isnull)
{
	ExprContext *econtext = input->state->econtext;

	econtext->caseValue_datum = document;
	econtext->caseValue_isNull = *isnull;
	return ExecEvalExpr(input->state->path, econtext, isnull);
}

static Datum
cast_text(const LedgerFilterInput *input, Datum text, bool or_fail, bool *unknown)
{
	Datum		value = (Datum) 0;

	*unknown = !ledger_cast_text(&input->state->cast, text, &value);
	if (*unknown && or_fail)
	{
		*unknown = false;
		value = ledger_cast_text_or_fail(&input->state->cast, text);
	}
	return value;
}

/* The input's value, given that of its column. */
static Datum
value_of(const LedgerFilterInput *input, Datum column, bool or_fail, bool *isnull, bool *unknown)
{
	Datum		value;

	*unknown = false;
	if (input->kind == LEDGER_INPUT_COLUMN)
		return column;
	value = follow_path(input, column, isnull);
	if (input->kind == LEDGER_INPUT_CAST && !*isnull)
		value = cast_text(input, value, or_fail, unknown);
	return value;
}

/* The value if this is the text that the path leads to. */
Datum
ledger_input_of_text(const LedgerFilterInput *input, Datum text, bool *unknown)
{
	*unknown = false;
	return input->kind == LEDGER_INPUT_CAST ? cast_text(input, text, false, unknown) : text;
}

/*
 * The value of the row in a slot; in CurrentMemoryContext, or the slot's.
 * "or_fail": a cast that is an error raises it, else its value is unknown.
 */
Datum
ledger_input_of_slot(const LedgerFilterInput *input, TupleTableSlot *slot, bool or_fail,
					 bool *isnull, bool *unknown)
{
	Datum		column = slot_getattr(slot, input->attnum, isnull);

	return value_of(input, column, or_fail, isnull, unknown);
}

/*
 * Have all rows of a segment the same column value, so that no chunk is to be
 * looked at?  Then it is told.
 */
bool
ledger_input_is_single(const LedgerFilterInput *input, LedgerSegmentReader *reader, Relation rel,
					   bool or_fail, Datum *value, bool *isnull, bool *unknown)
{
	int			column = input->attnum - 1;

	if (column >= ledger_reader_root(reader)->ncolumns)
		*value = getmissingattr(RelationGetDescr(rel), column + 1, isnull);
	else if (ledger_reader_column(reader, rel, column)->length == 0)
	{
		*value = (Datum) 0;
		*isnull = true;
	}
	else
		return false;
	*value = value_of(input, *value, or_fail, isnull, unknown);
	return true;
}

/* ---- Values of a segment ---- */

/*
 * Has the input's column a chunk in a segment?  Not one of another kind, which is
 * an error for who decodes it.
 */
bool
ledger_input_has_chunk(const LedgerFilterInput *input, LedgerSegmentReader *reader, Relation rel)
{
	int			column = input->attnum - 1;
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), column);
	const LedgerColumnEntry *entry;

	if (column >= ledger_reader_root(reader)->ncolumns)
		return false;
	entry = ledger_reader_column(reader, rel, column);
	return entry->length != 0 && entry->attlen == att->attlen &&
		(entry->attbyval != 0) == att->attbyval;
}

/* This chunk, or NULL. */
LedgerChunk *
ledger_input_chunk(const LedgerFilterInput *input, LedgerSegmentReader *reader, Relation rel)
{
	if (!ledger_input_has_chunk(input, reader, rel))
		return NULL;
	return ledger_reader_chunk(reader, rel, input->attnum - 1);
}

/* The path in a segment's documents, or NULL if only these can be asked. */
LedgerPath *
ledger_input_path(const LedgerFilterInput *input, LedgerSegmentReader *reader, Relation rel)
{
	if (input->kind == LEDGER_INPUT_COLUMN || ledger_input_chunk(input, reader, rel) == NULL)
		return NULL;
	return ledger_reader_path(reader, rel, input->attnum - 1, input->keys, input->nkeys);
}

/* The batch's place for an input's values. */
static LedgerBatchInput *
find_place(LedgerBatch *batch, const LedgerFilterInput *input)
{
	LedgerBatchInput *place;
	int			n = batch->nrows;
	char	   *room;

	for (place = batch->inputs; place != NULL; place = place->next)
		if (is_same(place->input, input))
			return place;
	place = palloc0(sizeof(LedgerBatchInput));
	room = palloc0(n * (sizeof(Datum) + 4 * sizeof(bool)));
	place->input = input;
	place->values = (Datum *) room;
	place->isnull = (bool *) (room + n * sizeof(Datum));
	place->unknown = place->isnull + n;
	place->done = place->unknown + n;
	place->null_done = place->done + n;
	place->next = batch->inputs;
	batch->inputs = place;
	return place;
}

/* Rows that are still to be done, as flags from the first of them on. */
typedef struct Wanted
{
	int			first;			/* row of the batch */
	int			count;			/* from it to the last one, or 0 */
	bool		rows[LEDGER_VECTOR_ROWS];	/* by row from "first" on */
} Wanted;

static void
find_wanted(const bool *done, const uint16 *rows, int nrows, Wanted *wanted)
{
	wanted->count = 0;
	for (int i = 0; i < nrows; i++)
	{
		int			row = rows[i];

		if (done[row])
			continue;
		if (wanted->count == 0)
			wanted->first = row;
		row -= wanted->first;
		memset(wanted->rows + wanted->count, false, row - wanted->count);
		wanted->rows[row] = true;
		wanted->count = row + 1;
	}
}

/* The rows that are still to be done, by their numbers in the batch. */
static int
list_wanted(const Wanted *wanted, uint16 *rows)
{
	int			n = 0;

	for (int i = 0; i < wanted->count; i++)
	{
		rows[n] = wanted->first + i;
		n += wanted->rows[i];
	}
	return n;
}

/* Have the columns decoded that the documents refer to, as far as the path does. */
static LedgerDecoded *
decode_references(const LedgerFilterInput *input, LedgerBatch *batch, TupleDesc desc,
				  const LedgerPathInfo *info, const Wanted *wanted)
{
	int			column = input->attnum - 1;
	const int  *references;
	uint16		rows[LEDGER_VECTOR_ROWS];
	LedgerDecoded *decoded;
	int			base;
	int			n;
	int			nrows;

	if (info->references == 0)
		return NULL;
	n = ledger_reader_references(batch->reader, batch->rel, column, &references);
	base = ledger_reader_column(batch->reader, batch->rel, column)->base;
	decoded = palloc0(n * sizeof(LedgerDecoded));
	nrows = list_wanted(wanted, rows);
	for (int k = 0; k < n; k++)
	{
		const LedgerBatchColumn *values;

		if ((info->references & ((uint32) 1 << k)) == 0)
			continue;
		values = ledger_batch_column(batch, desc, base + references[k], rows, nrows);
		decoded[k].values = values->values + wanted->first;
		decoded[k].isnull = values->isnull + wanted->first;
	}
	return decoded;
}

/* What is at work on a path's rows. */
typedef struct Reading
{
	const LedgerFilterInput *input;
	LedgerBatch *batch;
	TupleDesc	desc;
	LedgerPath *path;
	LedgerPathInfo info;
	const LedgerDecoded *references;	/* NULL until needed */
	Wanted	   *wanted;			/* rows that are left */
	LedgerBatchInput *place;
} Reading;

static void
decode_as(Reading *r, LedgerPathForm form, Datum *values, uint8 *states)
{
	if (r->references == NULL)
		r->references = decode_references(r->input, r->batch, r->desc, &r->info, r->wanted);
	ledger_path_decode(r->path, form, r->batch->position + r->wanted->first,
					   r->wanted->count, r->wanted->rows, r->references, values, states);
}

/* Row "i" from the first wanted on has this value. */
static inline void
set_value(Reading *r, int i, Datum value)
{
	int			row = r->wanted->first + i;

	r->place->values[row] = value;
	r->place->isnull[row] = false;
	r->wanted->rows[i] = false;
}

static inline void
set_null(Reading *r, int i)
{
	int			row = r->wanted->first + i;

	r->place->values[row] = (Datum) 0;
	r->place->isnull[row] = true;
	r->wanted->rows[i] = false;
}

static void
set_text(Reading *r, int i, Datum text)
{
	Datum		value = text;
	bool		unknown = false;

	if (r->input->kind == LEDGER_INPUT_CAST)
		value = cast_text(r->input, text, false, &unknown);
	set_value(r, i, value);
	r->place->unknown[r->wanted->first + i] = unknown;
	r->place->any_unknown |= unknown;
}

/* To a cast, what is stored as a number; rows of which the text counts are left. */
static void
read_numbers(Reading *r)
{
	int64		numbers[LEDGER_VECTOR_ROWS];
	uint8		scales[LEDGER_VECTOR_ROWS];
	uint8		states[LEDGER_VECTOR_ROWS];
	const LedgerCast *cast = &r->input->state->cast;
	uint16		rows[LEDGER_VECTOR_ROWS];
	int			nrows = list_wanted(r->wanted, rows);

	ledger_path_numbers(r->path, r->batch->position + r->wanted->first, r->wanted->count,
						r->wanted->rows, numbers, scales, states);
	for (int k = 0; k < nrows; k++)
	{
		int			i = rows[k] - r->wanted->first;
		Datum		value;

		if (states[i] == LEDGER_PATH_IS_NULL)
			set_null(r, i);
		else if (states[i] == LEDGER_PATH_IS_VALUE &&
				 ledger_cast_number(cast, numbers[i], scales[i], &value))
			set_value(r, i, value);
	}
}

/* The values that come in a form; those of other forms, and documents, are left. */
static void
read_form(Reading *r, LedgerPathForm form)
{
	Datum		values[LEDGER_VECTOR_ROWS];
	uint8		states[LEDGER_VECTOR_ROWS];
	uint16		rows[LEDGER_VECTOR_ROWS];
	int			nrows = list_wanted(r->wanted, rows);

	decode_as(r, form, values, states);
	for (int k = 0; k < nrows; k++)
	{
		int			i = rows[k] - r->wanted->first;

		if (states[i] == LEDGER_PATH_IS_NULL)
			set_null(r, i);
		else if (states[i] != LEDGER_PATH_IS_VALUE)
			continue;
		else if (form == LEDGER_PATH_AS_TEXT)
			set_text(r, i, values[i]);
		else
			set_value(r, i, values[i]);
	}
}

static void
read_exists(Reading *r)
{
	uint8		states[LEDGER_VECTOR_ROWS];

	ledger_path_exists(r->path, r->batch->position + r->wanted->first, r->wanted->count, states);
	for (int i = 0; i < r->wanted->count; i++)
	{
		if (!r->wanted->rows[i] || states[i] == LEDGER_PATH_EXISTS_DOCUMENT)
			continue;
		if (states[i] == LEDGER_PATH_EXISTS_NULL)
			set_null(r, i);
		else
			set_value(r, i, BoolGetDatum(states[i] == LEDGER_PATH_EXISTS_YES));
	}
}

static bool
is_any_left(const Reading *r)
{
	return memchr(r->wanted->rows, true, r->wanted->count) != NULL;
}

static void
read_path(Reading *r)
{
	ledger_path_info(r->path, &r->info);
	switch (r->input->kind)
	{
		case LEDGER_INPUT_JSONB:
			read_form(r, LEDGER_PATH_AS_JSONB);
			return;
		case LEDGER_INPUT_EXISTS:
			read_exists(r);
			return;
		case LEDGER_INPUT_CAST:
			if (r->input->cast == NUMERICOID)
				read_form(r, LEDGER_PATH_AS_NUMERIC);
			else if (ledger_cast_takes_numbers(r->input->cast))
				read_numbers(r);
			break;
		default:
			break;
	}
	if (is_any_left(r))
		read_form(r, LEDGER_PATH_AS_TEXT);
}

/* Rows that are left are asked of the documents. */
static void
read_documents(Reading *r)
{
	const LedgerBatchColumn *documents;
	uint16		rows[LEDGER_VECTOR_ROWS];
	int			nrows = list_wanted(r->wanted, rows);

	if (r->input->path == NULL)
	{
		/* a leaf of contains.c, who asks the documents in its own way */
		for (int i = 0; i < nrows; i++)
			r->place->unknown[rows[i]] = true;
		r->place->any_unknown = true;
		return;
	}
	documents = ledger_batch_column(r->batch, r->desc, r->input->attnum - 1, rows, nrows);
	for (int i = 0; i < nrows; i++)
	{
		int			row = rows[i];

		r->place->isnull[row] = documents->isnull[row];
		r->place->values[row] = value_of(r->input, documents->values[row], false,
										 &r->place->isnull[row], &r->place->unknown[row]);
		r->place->any_unknown |= r->place->unknown[row];
	}
}

static void
read_single(Reading *r, Datum value, bool isnull, bool unknown)
{
	LedgerBatchInput *place = r->place;

	for (int row = 0; row < r->batch->nrows; row++)
		place->values[row] = value;
	memset(place->isnull, isnull, r->batch->nrows);
	memset(place->unknown, unknown, r->batch->nrows);
	memset(place->done, true, r->batch->nrows);
	place->any_unknown = unknown;
}

static void
read_rows(LedgerBatchInput *place, const LedgerFilterInput *input, LedgerBatch *batch,
		  TupleDesc desc, const uint16 *rows, int nrows)
{
	Wanted		wanted;
	Reading		r = {input, batch, desc};
	Datum		value;
	bool		isnull;
	bool		unknown;

	find_wanted(place->done, rows, nrows, &wanted);
	if (wanted.count == 0)
		return;
	r.wanted = &wanted;
	r.place = place;
	if (ledger_input_is_single(input, batch->reader, batch->rel, false, &value, &isnull, &unknown))
	{
		read_single(&r, value, isnull, unknown);
		return;
	}
	if (input->kind != LEDGER_INPUT_COLUMN)
	{
		r.path = ledger_input_path(input, batch->reader, batch->rel);
		if (r.path != NULL)
			read_path(&r);
	}
	if (is_any_left(&r))
		read_documents(&r);
	for (int i = 0; i < nrows; i++)
		place->done[rows[i]] = true;
}

/* Unknown values of some rows are made known, or are an error. */
static void
resolve_rows(LedgerBatchInput *place, const LedgerFilterInput *input, LedgerBatch *batch,
			 TupleDesc desc, const uint16 *rows, int nrows)
{
	for (int i = 0; i < nrows; i++)
	{
		uint16		row = rows[i];
		const LedgerBatchColumn *documents;

		if (!place->unknown[row])
			continue;
		if (!ledger_input_is_single(input, batch->reader, batch->rel, true, &place->values[row],
									&place->isnull[row], &place->unknown[row]))
		{
			documents = ledger_batch_column(batch, desc, input->attnum - 1, &row, 1);
			place->values[row] = value_of(input, documents->values[row], true,
										  &place->isnull[row], &place->unknown[row]);
		}
	}
}

/*
 * An input's values for some rows, which ascend, of a segment's batch; they are
 * by row of the batch, live as long as it does, and are read once.  "or_fail":
 * a cast that is an error raises it, else its value is unknown.
 */
void
ledger_input_values(const LedgerFilterInput *input, LedgerBatch *batch, TupleDesc desc,
					const uint16 *rows, int nrows, bool or_fail, LedgerInputValues *values)
{
	LedgerBatchInput *place;
	MemoryContext oldcontext;

	if (input->kind == LEDGER_INPUT_COLUMN &&
		input->attnum <= ledger_reader_root(batch->reader)->ncolumns)
	{
		const LedgerBatchColumn *column =
			ledger_batch_column(batch, desc, input->attnum - 1, rows, nrows);

		values->values = column->values;
		values->isnull = column->isnull;
		values->unknown = NULL;
		return;
	}
	oldcontext = MemoryContextSwitchTo(batch->context);
	place = find_place(batch, input);
	read_rows(place, input, batch, desc, rows, nrows);
	if (or_fail && place->any_unknown)
		resolve_rows(place, input, batch, desc, rows, nrows);
	MemoryContextSwitchTo(oldcontext);
	values->values = place->values;
	values->isnull = place->isnull;
	values->unknown = place->any_unknown && !or_fail ? place->unknown : NULL;
}

/* ---- NULLs ---- */

/*
 * Is what the rows' path leads to NULL, as far as their shapes tell?  The rows
 * of which they do not are left.
 */
static void
read_nulls(Reading *r)
{
	bool		as_jsonb = r->input->kind == LEDGER_INPUT_JSONB;
	uint16		branches[LEDGER_VECTOR_ROWS];
	uint8		exists[LEDGER_VECTOR_ROWS];
	int			first = r->batch->position + r->wanted->first;

	ledger_path_info(r->path, &r->info);
	ledger_path_locate(r->path, first, r->wanted->count, branches, NULL);
	if (r->info.documents)
		ledger_path_exists(r->path, first, r->wanted->count, exists);
	for (int i = 0; i < r->wanted->count; i++)
	{
		LedgerPathKind kind = r->info.branches[branches[i]].kind;

		/* the shape may end in a container, or before the path does */
		if (!r->wanted->rows[i] ||
			(kind == LEDGER_PATH_DOCUMENT && exists[i] != LEDGER_PATH_EXISTS_YES))
			continue;
		r->place->isnull[r->wanted->first + i] = kind == LEDGER_PATH_ABSENT ||
			(kind == LEDGER_PATH_NULL && !as_jsonb);
		r->wanted->rows[i] = false;
	}
}

/* Do zone maps say that no row of the batch has NULL in a column? */
static bool
has_no_nulls(const LedgerFilterInput *input, LedgerBatch *batch)
{
	LedgerChunk *chunk;

	if (input->kind != LEDGER_INPUT_COLUMN)
		return false;
	chunk = ledger_input_chunk(input, batch->reader, batch->rel);
	return chunk != NULL && ledger_chunk_nulls(chunk, batch->position / LEDGER_VECTOR_ROWS) == 0;
}

/*
 * Which of the rows, which ascend, have NULL: as ledger_input_values, but no
 * more is read than that takes.  Not for casts, of which NULL is only known with
 * the value.
 */
const bool *
ledger_input_nulls(const LedgerFilterInput *input, LedgerBatch *batch, TupleDesc desc,
				   const uint16 *rows, int nrows)
{
	static const bool none[LEDGER_VECTOR_ROWS] = {false};
	LedgerInputValues values;
	LedgerPath *path = NULL;
	uint16		left[LEDGER_VECTOR_ROWS];
	int			nleft;
	Wanted		wanted;
	Reading		r = {input, batch, desc};
	MemoryContext oldcontext;

	Assert(input->kind != LEDGER_INPUT_CAST);
	if (has_no_nulls(input, batch))
		return none;
	if (input->kind == LEDGER_INPUT_TEXT || input->kind == LEDGER_INPUT_JSONB)
		path = ledger_input_path(input, batch->reader, batch->rel);
	if (path == NULL)
	{
		ledger_input_values(input, batch, desc, rows, nrows, false, &values);
		return values.isnull;
	}
	oldcontext = MemoryContextSwitchTo(batch->context);
	r.path = path;
	r.place = find_place(batch, input);
	r.wanted = &wanted;
	find_wanted(r.place->null_done, rows, nrows, &wanted);
	if (wanted.count > 0)
		read_nulls(&r);
	nleft = list_wanted(&wanted, left);
	read_rows(r.place, input, batch, desc, left, nleft);
	for (int i = 0; i < nrows; i++)
		r.place->null_done[rows[i]] = true;
	MemoryContextSwitchTo(oldcontext);
	return r.place->isnull;
}

/* ---- Codes ---- */

/*
 * How many codes the input has in a segment; false if rows have none.  See
 * ledger_chunk_distinct and ledger_path_distinct: several codes may have the
 * same value, and a path may have rows that are LEDGER_CODE_OTHER.
 */
bool
ledger_input_distinct(const LedgerFilterInput *input, LedgerSegmentReader *reader, Relation rel,
					  uint32 *n)
{
	LedgerChunk *chunk = ledger_input_chunk(input, reader, rel);
	LedgerPath *path;

	if (chunk == NULL)
		return false;
	path = ledger_input_path(input, reader, rel);
	if (path == NULL)
		return ledger_chunk_distinct(chunk, n);
	return (input->kind == LEDGER_INPUT_TEXT || input->kind == LEDGER_INPUT_CAST) &&
		ledger_path_distinct(path, n);
}

/*
 * The values of codes first .. first + count - 1, in CurrentMemoryContext.  A
 * code may stand for NULL, as a document does that lacks the key, and for what
 * a cast does not take: then "unknown" is set.
 */
void
ledger_input_distinct_values(const LedgerFilterInput *input, LedgerSegmentReader *reader,
							 Relation rel, uint32 first, uint32 count,
							 Datum *values, bool *isnull, bool *unknown)
{
	LedgerPath *path = ledger_input_path(input, reader, rel);

	if (path != NULL)
		ledger_path_distinct_values(path, first, count, values);
	else
		ledger_chunk_distinct_values(ledger_input_chunk(input, reader, rel), first, count, values);
	for (uint32 i = 0; i < count; i++)
	{
		isnull[i] = unknown[i] = false;
		if (path == NULL)
			values[i] = value_of(input, values[i], false, &isnull[i], &unknown[i]);
		else if (input->kind == LEDGER_INPUT_CAST)
			values[i] = cast_text(input, values[i], false, &unknown[i]);
	}
}

/* The codes of rows first .. first + count - 1 of a batch. */
void
ledger_input_codes(const LedgerFilterInput *input, LedgerBatch *batch, int first, int count,
				   uint32 *codes)
{
	LedgerPath *path = ledger_input_path(input, batch->reader, batch->rel);

	if (path != NULL)
		ledger_path_codes(path, batch->position + first, count, codes);
	else
		ledger_chunk_codes(ledger_input_chunk(input, batch->reader, batch->rel),
						   batch->position + first, count, codes);
}

/* ---- Tokens ---- */

/* Can the text of a row of the segment have the token?  Reads filters. */
bool
ledger_input_may_have_token(const LedgerFilterInput *input, LedgerSegmentReader *reader,
							Relation rel, const char *token, Size len)
{
	LedgerChunk *chunk = ledger_input_chunk(input, reader, rel);
	LedgerPath *path = ledger_input_path(input, reader, rel);

	if (path != NULL)
		return input->kind != LEDGER_INPUT_TEXT || ledger_path_may_have_token(path, token, len);
	return chunk == NULL || input->kind != LEDGER_INPUT_COLUMN ||
		ledger_chunk_may_have_token(chunk, token, len);
}
