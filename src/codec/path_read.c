/*-------------------------------------------------------------------------
 *
 * path_read.c
 *	  The values of a path of object keys in shredded documents: rows are told
 *	  their branch, and sub-columns are decoded for those that need them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/path.h"
#include "utils/jsonb.h"

/*
 * Values of a sub-column that nobody wants are decoded along, as long as there
 * are no more than these between two that are wanted.
 */
#define GAP_MAX		64

/* ---- where ---- */

/* Check the shapes of a vector's documents, and give those of some. */
static void
read_shapes(LedgerChunk *chunk, int n, uint64 *shapes)
{
	uint64		nshapes = ledger_shred_catalog(chunk->shred)->nshapes;
	uint64		greatest = 0;

	ledger_integers_read(&chunk->ints, 0, n, shapes);
	for (int i = 0; i < n; i++)
		greatest = Max(greatest, shapes[i]);
	if (n > 0 && greatest >= nshapes)
		ledger_corrupt(chunk, "document has no such shape");
}

/* Add what a document takes of each sub-column that is followed. */
static inline void
pass_document(const LedgerPath *path, uint64 shape, uint64 *next)
{
	const uint16 *uses = &path->uses[shape * path->ntracked];

	for (int t = 0; t < path->ntracked; t++)
		next[t] += uses[t];
}

/* Set positions of the n documents from the dense'th on, of rows[0 .. n-1]. */
static void
locate_values(LedgerPath *path, const uint64 *shapes, int dense, int n, const int *rows,
			  uint32 *positions)
{
	const LedgerShredCatalog *catalog = ledger_shred_catalog(path->chunk->shred);
	const uint64 *starts = ledger_shred_starts(path->chunk->shred);
	uint64		next[LEDGER_SHRED_COLUMNS];

	for (int t = 0; t < path->ntracked; t++)
		next[t] = starts[path->tracked[t]];
	for (int i = 0; i < dense; i++)
		pass_document(path, shapes[i], next);
	for (int i = 0; i < n; i++)
	{
		uint64		shape = shapes[dense + i];
		int			b = path->shape_branch[shape];

		if (path->branches[b].kind == LEDGER_PATH_SUBCOLUMN)
		{
			int			t = path->branch_tracked[b];
			uint64		position = next[t] + path->shape_ordinal[shape];

			if (position >= catalog->columns[path->tracked[t]].nvalues)
				ledger_corrupt(path->chunk, "sub-column has too few values");
			positions[rows[i]] = (uint32) position;
		}
		pass_document(path, shape, next);
	}
}

void
ledger_path_locate(LedgerPath *path, int first, int count, uint16 *branches, uint32 *positions)
{
	uint64		shapes[LEDGER_VECTOR_ROWS];
	int			rows[LEDGER_VECTOR_ROWS];
	int			dense;
	int			n;

	if (count == 0)
		return;
	n = ledger_chunk_select(path->chunk, first, count, rows, &dense);
	if (n < count)
		memset(branches, 0, count * sizeof(uint16));	/* ABSENT */
	if (n == 0)
		return;
	read_shapes(path->chunk, dense + n, shapes);
	for (int i = 0; i < n; i++)
		branches[rows[i]] = path->shape_branch[shapes[dense + i]];
	if (positions != NULL && path->ntracked > 0)
		locate_values(path, shapes, dense, n, rows, positions);
}

void
ledger_path_exists(LedgerPath *path, int first, int count, uint8 *states)
{
	uint64		shapes[LEDGER_VECTOR_ROWS];
	int			rows[LEDGER_VECTOR_ROWS];
	int			dense;
	int			n;

	if (count == 0)
		return;
	n = ledger_chunk_select(path->chunk, first, count, rows, &dense);
	memset(states, LEDGER_PATH_EXISTS_NULL, count);
	if (n == 0)
		return;
	read_shapes(path->chunk, dense + n, shapes);
	for (int i = 0; i < n; i++)
		states[rows[i]] = path->shape_exists[shapes[dense + i]];
}

/* The rows of a branch that are wanted. */
int
ledger_path_rows(int branch, int count, const uint16 *branches, const bool *wanted, int *rows)
{
	int			n = 0;

	for (int i = 0; i < count; i++)
	{
		rows[n] = i;
		n += branches[i] == branch && (wanted == NULL || wanted[i]);
	}
	return n;
}

/*
 * The next of the runs that the rows make; "run" is all zeros at first.  Rows
 * of a branch are in the order of the sub-column's.
 */
bool
ledger_path_next_run(const int *rows, int nrows, const uint32 *positions, LedgerPathRun *run)
{
	const int  *start = run->rows ? run->rows + run->nrows : rows;
	const int  *end = rows + nrows;
	uint32		first;
	uint32		last;

	if (start == end)
		return false;
	first = last = positions[*start];
	run->rows = start;
	for (start++; start < end; start++)
	{
		uint32		position = positions[*start];

		Assert(position > last);
		if (position - last > GAP_MAX ||
			position / LEDGER_VECTOR_ROWS != first / LEDGER_VECTOR_ROWS)
			break;
		last = position;
	}
	run->nrows = (int) (start - run->rows);
	run->first = (int) first;
	run->count = (int) (last - first) + 1;
	return true;
}

/* ---- values ---- */

/* Which branches are there among the rows wanted? */
static void
find_branches(const LedgerPath *path, int count, const uint16 *branches, const bool *wanted,
			  bool *present)
{
	memset(present, 0, path->info.nbranches);
	for (int i = 0; i < count; i++)
		present[branches[i]] |= wanted == NULL || wanted[i];
}

/* Decode the sub-column's values of a branch's rows, as the sub-column has them. */
static void
fetch_branch(LedgerPath *path, int branch, const int *rows, int nrows, const uint32 *positions,
			 Datum *values)
{
	LedgerChunk *sub = ledger_shred_subchunk(path->chunk, path->branches[branch].subcolumn);
	LedgerPathRun run = {0};
	Datum		decoded[LEDGER_VECTOR_ROWS];
	bool		isnull[LEDGER_VECTOR_ROWS];

	while (ledger_path_next_run(rows, nrows, positions, &run))
	{
		ledger_chunk_decode(sub, run.first, run.count, NULL, decoded, isnull);
		if (memchr(isnull, true, run.count) != NULL)
			ledger_corrupt(path->chunk, "sub-column has a NULL");
		for (int i = 0; i < run.nrows; i++)
			values[run.rows[i]] = decoded[positions[run.rows[i]] - run.first];
	}
}

/* A number of a sub-column as it was: without zeros that it did not show. */
static inline int
restore_number(const LedgerPath *path, const LedgerShredColumn *column, int64 *number)
{
	int			scale = column->scale;

	if (*number < -LEDGER_JSONB_NUMBER_MAX || *number > LEDGER_JSONB_NUMBER_MAX)
		ledger_corrupt(path->chunk, "number is out of range");
	while (scale > column->least_scale && *number % 10 == 0)
	{
		*number /= 10;
		scale--;
	}
	return scale;
}

static inline LedgerBytes
datum_bytes(Datum value)
{
	LedgerBytes bytes;

	bytes.data = VARDATA_ANY(DatumGetPointer(value));
	bytes.len = VARSIZE_ANY_EXHDR(DatumGetPointer(value));
	return bytes;
}

/* A value on its way to the form asked for: bytes, or a number. */
typedef struct Value
{
	LedgerPathClass class;
	Datum		datum;			/* of a string or constant, as text */
	LedgerBytes bytes;			/* of a string or numeric */
	int64		number;
	int			scale;
} Value;

/* Give a value its form; returns its state. */
static LedgerPathState
form_value(LedgerPathForm form, const Value *v, LedgerArena *arena, Datum *value)
{
	char		room[LEDGER_NUMBER_BYTES];
	LedgerBytes numeric = v->bytes;
	bool		good = true;

	if (v->class == LEDGER_PATH_NUMBER && form != LEDGER_PATH_AS_TEXT)
	{
		numeric.data = room;
		numeric.len = ledger_number_write(v->number, v->scale, room);
	}
	switch (v->class)
	{
		case LEDGER_PATH_STRING:
			if (form == LEDGER_PATH_AS_NUMERIC)
				return LEDGER_PATH_IS_OTHER;
			*value = form == LEDGER_PATH_AS_TEXT ? v->datum :
				ledger_scalar_jsonb(JENTRY_ISSTRING, v->bytes, arena);
			break;
		case LEDGER_PATH_BOOL:
			{
				static const LedgerBytes literals[] = {{"false", 5}, {"true", 4}};
				static const LedgerBytes nothing = {"", 0};

				if (form == LEDGER_PATH_AS_NUMERIC)
					return LEDGER_PATH_IS_OTHER;
				if (form == LEDGER_PATH_AS_TEXT)
					*value = ledger_bytes_text(literals[v->number != 0], arena);
				else
					*value = ledger_scalar_jsonb(v->number ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE,
												 nothing, arena);
				break;
			}
		case LEDGER_PATH_NUMBER:
		case LEDGER_PATH_NUMERIC:
			if (form == LEDGER_PATH_AS_JSONB)
				good = ledger_numeric_jsonb(numeric, arena, value);
			else if (form == LEDGER_PATH_AS_NUMERIC)
				good = ledger_numeric_datum(numeric, arena, value);
			else if (v->class == LEDGER_PATH_NUMBER)
				*value = ledger_number_text(v->number, v->scale, arena);
			else
				good = ledger_numeric_text(numeric, arena, value);
			break;
		case LEDGER_PATH_NOTHING:
			pg_unreachable();
	}
	return good ? LEDGER_PATH_IS_VALUE : LEDGER_PATH_IS_DOCUMENT;
}

/* The rows of a sub-column's branch; their values are overwritten by their forms. */
static void
form_subcolumn(LedgerPath *path, int branch, LedgerPathForm form, const int *rows, int nrows,
			   LedgerArena *arena, Datum *values, uint8 *states)
{
	const LedgerPathBranch *b = &path->branches[branch];
	const LedgerShredColumn *column =
		&ledger_shred_catalog(path->chunk->shred)->columns[b->subcolumn];
	Value		v = {b->class};

	for (int i = 0; i < nrows; i++)
	{
		int			row = rows[i];

		v.datum = values[row];
		switch (b->class)
		{
			case LEDGER_PATH_NUMBER:
				v.number = DatumGetInt64(v.datum);
				v.scale = restore_number(path, column, &v.number);
				break;
			case LEDGER_PATH_BOOL:
				v.number = DatumGetBool(v.datum);
				break;
			default:
				v.bytes = datum_bytes(v.datum);
				break;
		}
		states[row] = form_value(form, &v, arena, &values[row]);
	}
}

/* The rows of a branch that leads to an earlier column. */
static void
form_column(LedgerPath *path, int branch, LedgerPathForm form, const int *rows, int nrows,
			const LedgerDecoded *references, LedgerArena *arena, Datum *values, uint8 *states)
{
	const LedgerDecoded *decoded = &references[path->branches[branch].reference];
	Value		v = {LEDGER_PATH_STRING};

	for (int i = 0; i < nrows; i++)
	{
		int			row = rows[i];

		if (decoded->isnull[row])
			ledger_corrupt(path->chunk, "document refers to a NULL");
		v.datum = decoded->values[row];
		v.bytes = datum_bytes(v.datum);
		if (v.bytes.len > LEDGER_SHRED_DOCUMENT)
			ledger_corrupt(path->chunk, "document is too long");
		states[row] = form_value(form, &v, arena, &values[row]);
	}
}

/* The rows of a branch that is the same for all of them, and needs no decoding. */
static void
form_same(LedgerPath *path, int branch, LedgerPathForm form, const int *rows, int nrows,
		  LedgerArena *arena, Datum *values, uint8 *states)
{
	static const LedgerBytes nothing = {"", 0};
	const LedgerPathBranch *b = &path->branches[branch];
	Datum		value = (Datum) 0;
	LedgerPathState state = LEDGER_PATH_IS_NULL;

	switch (b->kind)
	{
		case LEDGER_PATH_ABSENT:
			break;
		case LEDGER_PATH_NULL:
			if (form != LEDGER_PATH_AS_JSONB)
				break;
			value = ledger_scalar_jsonb(JENTRY_ISNULL, nothing, arena);
			state = LEDGER_PATH_IS_VALUE;
			break;
		case LEDGER_PATH_CONSTANT:
			{
				Value		v = {b->class, b->text, path->constants[branch], b->number, b->scale};

				state = LEDGER_PATH_IS_VALUE;
				if (form == LEDGER_PATH_AS_TEXT)
					value = b->text;
				else
					state = form_value(form, &v, arena, &value);
				break;
			}
		default:
			Assert(b->kind == LEDGER_PATH_DOCUMENT);
			state = LEDGER_PATH_IS_DOCUMENT;
			break;
	}
	for (int i = 0; i < nrows; i++)
	{
		values[rows[i]] = value;
		states[rows[i]] = state;
	}
}

static int
count_open(int count, const bool *wanted, const uint8 *states)
{
	int			n = 0;

	for (int i = 0; i < count; i++)
		n += (wanted == NULL || wanted[i]) &&
			(states[i] == LEDGER_PATH_IS_OTHER || states[i] == LEDGER_PATH_IS_DOCUMENT);
	return n;
}

int
ledger_path_decode(LedgerPath *path, LedgerPathForm form, int first, int count,
				   const bool *wanted, const LedgerDecoded *references, Datum *values,
				   uint8 *states)
{
	uint16		branches[LEDGER_VECTOR_ROWS];
	uint32		positions[LEDGER_VECTOR_ROWS];
	bool		present[LEDGER_SHRED_SHAPES + 1];
	int			rows[LEDGER_VECTOR_ROWS];
	LedgerArena arena = {NULL, 0};

	ledger_path_locate(path, first, count, branches, positions);
	find_branches(path, count, branches, wanted, present);
	for (int b = 0; b < path->info.nbranches; b++)
	{
		int			nrows;

		if (!present[b])
			continue;
		nrows = ledger_path_rows(b, count, branches, wanted, rows);
		switch (path->branches[b].kind)
		{
			case LEDGER_PATH_SUBCOLUMN:
				fetch_branch(path, b, rows, nrows, positions, values);
				form_subcolumn(path, b, form, rows, nrows, &arena, values, states);
				break;
			case LEDGER_PATH_COLUMN:
				form_column(path, b, form, rows, nrows, references, &arena, values, states);
				break;
			default:
				form_same(path, b, form, rows, nrows, &arena, values, states);
				break;
		}
	}
	return count_open(count, wanted, states);
}

/* ---- numbers ---- */

static void
subcolumn_numbers(LedgerPath *path, int branch, const int *rows, int nrows,
				  const uint32 *positions, int64 *numbers, uint8 *scales, uint8 *states)
{
	const LedgerShredColumn *column =
		&ledger_shred_catalog(path->chunk->shred)->columns[path->branches[branch].subcolumn];
	Datum		values[LEDGER_VECTOR_ROWS];

	fetch_branch(path, branch, rows, nrows, positions, values);
	for (int i = 0; i < nrows; i++)
	{
		int			row = rows[i];
		int64		number = DatumGetInt64(values[row]);
		int			scale = restore_number(path, column, &number);

		numbers[row] = number;
		if (scales)
			scales[row] = scale;
		states[row] = LEDGER_PATH_IS_VALUE;
	}
}

int
ledger_path_numbers(LedgerPath *path, int first, int count, const bool *wanted,
					int64 *numbers, uint8 *scales, uint8 *states)
{
	uint16		branches[LEDGER_VECTOR_ROWS];
	uint32		positions[LEDGER_VECTOR_ROWS];
	bool		present[LEDGER_SHRED_SHAPES + 1];
	int			rows[LEDGER_VECTOR_ROWS];

	ledger_path_locate(path, first, count, branches, positions);
	find_branches(path, count, branches, wanted, present);
	for (int b = 0; b < path->info.nbranches; b++)
	{
		const LedgerPathBranch *branch = &path->branches[b];
		LedgerPathState state = LEDGER_PATH_IS_OTHER;
		int			nrows;

		if (!present[b])
			continue;
		nrows = ledger_path_rows(b, count, branches, wanted, rows);
		if (branch->kind == LEDGER_PATH_SUBCOLUMN && branch->class == LEDGER_PATH_NUMBER)
		{
			subcolumn_numbers(path, b, rows, nrows, positions, numbers, scales, states);
			continue;
		}
		if (branch->kind == LEDGER_PATH_ABSENT || branch->kind == LEDGER_PATH_NULL)
			state = LEDGER_PATH_IS_NULL;
		else if (branch->kind == LEDGER_PATH_DOCUMENT)
			state = LEDGER_PATH_IS_DOCUMENT;
		else if (branch->class == LEDGER_PATH_NUMBER)
			state = LEDGER_PATH_IS_VALUE;
		for (int i = 0; i < nrows; i++)
		{
			numbers[rows[i]] = branch->number;
			if (scales)
				scales[rows[i]] = branch->class == LEDGER_PATH_NUMBER ? branch->scale : 0;
			states[rows[i]] = state;
		}
	}
	return count_open(count, wanted, states);
}
