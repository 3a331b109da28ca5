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

/*
 * A document's vector takes a part of a vector of the sub-column only, and most
 * integers are quickest unpacked from the vector's start.  So all of it is, and
 * kept, if at least so many of its values are wanted at once.
 */
#define CACHE_MIN	16

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

/*
 * Follow a sub-column through the vector's documents, and set the positions of its
 * values in the n from the dense'th on, which are of rows[0 .. n-1]; or, if "all",
 * some position of the others, too, as that is quicker.
 */
static inline void
follow_subcolumn(const LedgerPath *path, int t, bool all, const uint64 *shapes, int dense, int n,
				 const int *rows, uint32 *positions)
{
	int			subcolumn = path->tracked[t];
	uint64		next = ledger_shred_starts(path->chunk->shred)[subcolumn];
	uint64		nvalues = ledger_shred_catalog(path->chunk->shred)->columns[subcolumn].nvalues;
	const LedgerPathUse *uses = path->uses[t];

	for (int i = 0; i < dense; i++)
		next += uses[shapes[i]].count;
	for (int i = 0; i < n; i++)
	{
		LedgerPathUse use = uses[shapes[dense + i]];
		uint32		position = (uint32) (next + use.ordinal);

		positions[rows[i]] = all || use.ordinal < use.count ? position : positions[rows[i]];
		next += use.count;
	}
	if (next > nvalues)
		ledger_corrupt(path->chunk, "sub-column has too few values");
}

static void
locate_values(const LedgerPath *path, const uint64 *shapes, int dense, int n, const int *rows,
			  uint32 *positions)
{
	if (path->ntracked == 0)
		return;
	follow_subcolumn(path, 0, true, shapes, dense, n, rows, positions);
	for (int t = 1; t < path->ntracked; t++)
		follow_subcolumn(path, t, false, shapes, dense, n, rows, positions);
}

/* Which rows are not NULL, as ledger_chunk_select tells, and the shapes of these. */
static int
select_shapes(LedgerChunk *chunk, int first, int count, int *rows, int *dense, uint64 *shapes)
{
	int			n = count == 0 ? 0 : ledger_chunk_select(chunk, first, count, rows, dense);

	if (n > 0)
		read_shapes(chunk, *dense + n, shapes);
	return n;
}

static void
locate(LedgerPath *path, int first, int count, uint16 *branches, uint32 *positions)
{
	uint64		shapes[LEDGER_VECTOR_ROWS];
	int			rows[LEDGER_VECTOR_ROWS];
	int			dense;
	int			n = select_shapes(path->chunk, first, count, rows, &dense, shapes);
	const uint16 *shape_branch = path->shape_branch;

	if (n < count)
		memset(branches, 0, count * sizeof(uint16));	/* ABSENT */
	for (int i = 0; i < n; i++)
		branches[rows[i]] = shape_branch[shapes[dense + i]];
	if (positions != NULL && n > 0)
		locate_values(path, shapes, dense, n, rows, positions);
}

/*
 * A filter asks about the same rows several times: for codes, templates, values.
 * Of many rows, what was found is kept.
 */
void
ledger_path_locate(LedgerPath *path, int first, int count, uint16 *branches, uint32 *positions)
{
	LedgerPathPlaces *places = path->places;

	if (places == NULL && count < CACHE_MIN)
	{
		locate(path, first, count, branches, positions);
		return;
	}
	if (places == NULL)
	{
		places = MemoryContextAlloc(path->context, sizeof(LedgerPathPlaces));
		places->count = 0;
		path->places = places;
	}
	if (first < places->first || first + count > places->first + places->count ||
		(positions != NULL && !places->has_positions))
	{
		places->count = 0;
		locate(path, first, count, places->branches, positions ? places->positions : NULL);
		places->first = first;
		places->count = count;
		places->has_positions = positions != NULL;
	}
	memcpy(branches, places->branches + first - places->first, count * sizeof(uint16));
	if (positions != NULL)
		memcpy(positions, places->positions + first - places->first, count * sizeof(uint32));
}

void
ledger_path_exists(LedgerPath *path, int first, int count, uint8 *states)
{
	uint64		shapes[LEDGER_VECTOR_ROWS];
	int			rows[LEDGER_VECTOR_ROWS];
	int			dense;
	int			n = select_shapes(path->chunk, first, count, rows, &dense, shapes);

	memset(states, LEDGER_PATH_EXISTS_NULL, count);
	for (int i = 0; i < n; i++)
		states[rows[i]] = path->shape_exists[shapes[dense + i]];
}

bool
ledger_path_may_exist(const LedgerPath *path)
{
	int			nshapes = ledger_shred_catalog(path->chunk->shred)->nshapes;

	for (int i = 0; i < nshapes; i++)
		if (path->shape_exists[i] == LEDGER_PATH_EXISTS_YES ||
			path->shape_exists[i] == LEDGER_PATH_EXISTS_DOCUMENT)
			return true;
	return false;
}

/* Group the rows that are wanted by branch; each branch's ascend.  Returns their number. */
int
ledger_path_group(const LedgerPath *path, int count, const uint16 *branches, const bool *wanted,
				  LedgerPathRows *groups)
{
	int		   *next = groups->starts + 1;
	uint16		listed[LEDGER_VECTOR_ROWS];
	int			n = 0;

	/* often few are wanted, and what follows is more work than this */
	for (int i = 0; i < count; i++)
	{
		listed[n] = i;
		n += wanted == NULL || wanted[i];
	}

	/* starts[b + 1] is where branch b begins, and moves to where it ends */
	memset(groups->starts, 0, (path->info.nbranches + 2) * sizeof(int));
	for (int i = 0; i < n; i++)
		groups->starts[branches[listed[i]] + 2]++;
	for (int b = 0; b < path->info.nbranches; b++)
		groups->starts[b + 2] += groups->starts[b + 1];
	for (int i = 0; i < n; i++)
		groups->rows[next[branches[listed[i]]]++] = listed[i];
	return n;
}

/* The same for who asks for their values: documents are looked up if these are few. */
static void
group_to_decode(const LedgerPath *path, int count, const uint16 *branches, const bool *wanted,
				LedgerPathRows *groups)
{
	path->chunk->look_up =
		ledger_path_group(path, count, branches, wanted, groups) <= LEDGER_LOOK_UP_ROWS;
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

static void
fill_values(LedgerChunk *sub, int first, int count, uint64 *values)
{
	Datum		decoded[LEDGER_VECTOR_ROWS];
	bool		isnull[LEDGER_VECTOR_ROWS];

	ledger_chunk_decode(sub, first, count, NULL, decoded, isnull);
	if (memchr(isnull, true, count) != NULL)
		ledger_corrupt(sub, "sub-column has a NULL");
	for (int i = 0; i < count; i++)
		values[i] = (uint64) decoded[i];
}

/* All values of the vector with row "first" of a sub-column. */
static const uint64 *
whole_vector(LedgerPath *path, LedgerPathCache **cache, LedgerChunk *sub, int first,
			 LedgerPathFill fill)
{
	int			vector = first / LEDGER_VECTOR_ROWS;
	int			start = vector * LEDGER_VECTOR_ROWS;

	if (*cache == NULL)
	{
		*cache = MemoryContextAlloc(path->context, sizeof(LedgerPathCache));
		(*cache)->vector = -1;
	}
	if ((*cache)->vector != vector)
	{
		(*cache)->vector = -1;
		fill(sub, start, Min(sub->nrows - start, LEDGER_VECTOR_ROWS), (*cache)->values);
		(*cache)->vector = vector;
	}
	return (*cache)->values;
}

/*
 * What "fill" gives of the sub-column's values of a branch's rows.  With a
 * cache (else NULL), these must stay good.
 */
void
ledger_path_fetch(LedgerPath *path, LedgerPathCache **cache, int branch, const int *rows,
				  int nrows, const uint32 *positions, LedgerPathFill fill, uint64 *values)
{
	LedgerChunk *sub = ledger_shred_subchunk(path->chunk, path->branches[branch].subcolumn);
	LedgerPathRun run = {0};

	while (ledger_path_next_run(rows, nrows, positions, &run))
	{
		uint64		room[LEDGER_VECTOR_ROWS];
		const uint64 *from = room;
		uint32		start = (uint32) run.first;

		if (cache && (run.nrows >= CACHE_MIN ||
					  (*cache && (*cache)->vector == run.first / LEDGER_VECTOR_ROWS)))
		{
			from = whole_vector(path, cache, sub, run.first, fill);
			start -= start % LEDGER_VECTOR_ROWS;
		}
		else
			fill(sub, run.first, run.count, room);
		for (int i = 0; i < run.nrows; i++)
			values[run.rows[i]] = from[positions[run.rows[i]] - start];
	}
}

/* Decode the sub-column's values of a branch's rows, as the sub-column has them. */
static void
fetch_branch(LedgerPath *path, int branch, const int *rows, int nrows, const uint32 *positions,
			 uint64 *values)
{
	LedgerPathClass class = path->branches[branch].class;
	bool		byval = class == LEDGER_PATH_NUMBER || class == LEDGER_PATH_BOOL;

	ledger_path_fetch(path, byval ? &path->value_caches[branch] : NULL, branch, rows, nrows,
					  positions, fill_values, values);
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

/* The rows of a sub-column's branch, whose values have been fetched. */
static void
form_subcolumn(LedgerPath *path, int branch, LedgerPathForm form, const int *rows, int nrows,
			   const uint64 *fetched, LedgerArena *arena, Datum *values, uint8 *states)
{
	const LedgerPathBranch *b = &path->branches[branch];
	const LedgerShredColumn *column =
		&ledger_shred_catalog(path->chunk->shred)->columns[b->subcolumn];
	Value		v = {b->class};

	for (int i = 0; i < nrows; i++)
	{
		int			row = rows[i];

		v.datum = (Datum) fetched[row];
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
				v.bytes = ledger_varlena_bytes(v.datum);
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
		v.bytes = ledger_varlena_bytes(v.datum);
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

void
ledger_path_decode(LedgerPath *path, LedgerPathForm form, int first, int count,
				   const bool *wanted, const LedgerDecoded *references, Datum *values,
				   uint8 *states)
{
	uint16		branches[LEDGER_VECTOR_ROWS];
	uint32		positions[LEDGER_VECTOR_ROWS];
	LedgerPathRows groups;
	uint64		fetched[LEDGER_VECTOR_ROWS];
	LedgerArena arena = {NULL, 0};

	ledger_path_locate(path, first, count, branches, positions);
	group_to_decode(path, count, branches, wanted, &groups);
	for (int b = 0; b < path->info.nbranches; b++)
	{
		const int  *rows = groups.rows + groups.starts[b];
		int			nrows = groups.starts[b + 1] - groups.starts[b];

		if (nrows == 0)
			continue;
		switch (path->branches[b].kind)
		{
			case LEDGER_PATH_SUBCOLUMN:
				fetch_branch(path, b, rows, nrows, positions, fetched);
				form_subcolumn(path, b, form, rows, nrows, fetched, &arena, values, states);
				break;
			case LEDGER_PATH_COLUMN:
				form_column(path, b, form, rows, nrows, references, &arena, values, states);
				break;
			default:
				form_same(path, b, form, rows, nrows, &arena, values, states);
				break;
		}
	}
}

/* ---- numbers ---- */

static void
subcolumn_numbers(LedgerPath *path, int branch, const int *rows, int nrows,
				  const uint32 *positions, int64 *numbers, uint8 *scales)
{
	const LedgerShredColumn *column =
		&ledger_shred_catalog(path->chunk->shred)->columns[path->branches[branch].subcolumn];
	uint64		values[LEDGER_VECTOR_ROWS];

	fetch_branch(path, branch, rows, nrows, positions, values);
	for (int i = 0; i < nrows; i++)
	{
		int			row = rows[i];
		int64		number = (int64) values[row];
		int			scale = restore_number(path, column, &number);

		numbers[row] = number;
		if (scales)
			scales[row] = scale;
	}
}

/* What a row of a branch is, asked for a number. */
static LedgerPathState
number_state(const LedgerPathBranch *branch)
{
	switch (branch->kind)
	{
		case LEDGER_PATH_ABSENT:
		case LEDGER_PATH_NULL:
			return LEDGER_PATH_IS_NULL;
		case LEDGER_PATH_DOCUMENT:
			return LEDGER_PATH_IS_DOCUMENT;
		default:
			return branch->class == LEDGER_PATH_NUMBER ? LEDGER_PATH_IS_VALUE : LEDGER_PATH_IS_OTHER;
	}
}

void
ledger_path_numbers(LedgerPath *path, int first, int count, const bool *wanted,
					int64 *numbers, uint8 *scales, uint8 *states)
{
	uint16		branches[LEDGER_VECTOR_ROWS];
	uint32		positions[LEDGER_VECTOR_ROWS];
	LedgerPathRows groups;
	uint8		branch_states[LEDGER_SHRED_SHAPES + 1];

	ledger_path_locate(path, first, count, branches, positions);
	group_to_decode(path, count, branches, wanted, &groups);
	for (int b = 0; b < path->info.nbranches; b++)
		branch_states[b] = number_state(&path->branches[b]);
	for (int i = 0; i < count; i++)
		states[i] = branch_states[branches[i]];
	for (int b = 0; b < path->info.nbranches; b++)
	{
		const LedgerPathBranch *branch = &path->branches[b];
		const int  *rows = groups.rows + groups.starts[b];
		int			nrows = groups.starts[b + 1] - groups.starts[b];

		if (nrows == 0 || branch_states[b] != LEDGER_PATH_IS_VALUE)
			continue;
		if (branch->kind == LEDGER_PATH_SUBCOLUMN)
		{
			subcolumn_numbers(path, b, rows, nrows, positions, numbers, scales);
			continue;
		}
		for (int i = 0; i < nrows; i++)
		{
			numbers[rows[i]] = branch->number;
			if (scales)
				scales[rows[i]] = branch->scale;
		}
	}
}
