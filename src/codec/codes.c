/*-------------------------------------------------------------------------
 *
 * codes.c
 *	  Rows by the number of their value, where a chunk has each distinct value
 *	  once; and the same of a path in shredded documents.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "codec/path.h"
#include "utils/memutils.h"

/* ---- of a chunk ---- */

bool
ledger_chunk_distinct(const LedgerChunk *chunk, uint32 *n)
{
	switch (chunk->encoding)
	{
		case LEDGER_ENC_NULL:
			*n = 0;
			return true;
		case LEDGER_ENC_CONSTANT:
			*n = 1;
			return true;
		case LEDGER_ENC_DICTIONARY:
			*n = ledger_dict_entries(chunk->dict);
			return true;
		default:
			return false;
	}
}

void
ledger_chunk_distinct_values(LedgerChunk *chunk, uint32 first, uint32 count, Datum *values)
{
	if (chunk->encoding == LEDGER_ENC_DICTIONARY)
		ledger_dict_values(chunk, first, count, values);
	else if (count > 0)
	{
		Assert(chunk->encoding == LEDGER_ENC_CONSTANT && first == 0 && count == 1);
		ledger_constant_value(chunk, values);
	}
}

bool
ledger_chunk_find_code(LedgerChunk *chunk, const char *data, Size len, uint32 *code)
{
	return chunk->encoding == LEDGER_ENC_DICTIONARY && ledger_dict_find(chunk, data, len, code);
}

static void
read_codes(LedgerChunk *chunk, int first, int count, uint32 *codes)
{
	int			rows[LEDGER_VECTOR_ROWS];
	uint64		numbers[LEDGER_VECTOR_ROWS];
	uint32		nentries = 1;
	int			dense;
	int			n;

	n = ledger_chunk_select(chunk, first, count, rows, &dense);
	if (n < count)
		for (int i = 0; i < count; i++)
			codes[i] = LEDGER_CODE_NULL;
	if (chunk->encoding == LEDGER_ENC_DICTIONARY && n > 0)
	{
		nentries = ledger_dict_entries(chunk->dict);
		ledger_integers_read(&chunk->ints, dense, n, numbers);
	}
	else
		memset(numbers, 0, n * sizeof(uint64));
	for (int i = 0; i < n; i++)
	{
		if (numbers[i] >= nentries)
			ledger_corrupt(chunk, "code is not in the dictionary");
		codes[rows[i]] = (uint32) numbers[i];
	}
}

/* Find a vector's bounds; is the code among its own? */
static bool
measure_codes(LedgerChunk *chunk, int v, uint32 code)
{
	LedgerCodeBounds *bounds = &chunk->code_bounds[v];
	int			first = v * LEDGER_VECTOR_ROWS;
	int			count = Min(chunk->nrows - first, LEDGER_VECTOR_ROWS);
	uint32		codes[LEDGER_VECTOR_ROWS];
	uint32		least = LEDGER_CODE_NULL;
	uint32		end = 1;
	bool		found = false;

	read_codes(chunk, first, count, codes);
	for (int i = 0; i < count; i++)
	{
		least = Min(least, codes[i]);
		end = Max(end, codes[i] + 1);	/* NULL's comes to 0 */
		found |= codes[i] == code;
	}
	bounds->least = least;
	bounds->end = end;
	return found;
}

bool
ledger_chunk_may_have_code(LedgerChunk *chunk, int vector, uint32 code)
{
	const LedgerCodeBounds *bounds;

	Assert(chunk->encoding == LEDGER_ENC_DICTIONARY);
	if (chunk->code_bounds == NULL)
		chunk->code_bounds = MemoryContextAllocZero(chunk->context,
													chunk->nvectors * sizeof(LedgerCodeBounds));
	bounds = &chunk->code_bounds[vector];
	if (bounds->end == 0)
		return measure_codes(chunk, vector, code);
	return code >= bounds->least && code < bounds->end;
}

/*
 * The codes of a vector's rows as they are kept, or NULL.  They are kept when
 * they are asked for a second time: who comes back will come again, and a scan of
 * everything does not.
 */
static const uint16 *
keep_codes(LedgerChunk *chunk, int v)
{
	uint64		bit = UINT64CONST(1) << (v % LEDGER_KEPT_VECTORS);
	int			first = v * LEDGER_VECTOR_ROWS;
	int			count = Min(chunk->nrows - first, LEDGER_VECTOR_ROWS);
	uint32		codes[LEDGER_VECTOR_ROWS];
	uint16	   *kept;

	if (chunk->encoding != LEDGER_ENC_DICTIONARY || chunk->nvectors > LEDGER_KEPT_VECTORS ||
		ledger_dict_entries(chunk->dict) >= LEDGER_KEPT_NULL)
		return NULL;
	if (chunk->kept_codes != NULL && chunk->kept_codes[v] != NULL)
		return chunk->kept_codes[v];
	if ((chunk->codes_asked & bit) == 0)
	{
		chunk->codes_asked |= bit;
		return NULL;
	}
	if (MemoryContextMemAllocated(chunk->context, false) > LEDGER_KEPT_MAX)
		return NULL;
	if (chunk->kept_codes == NULL)
		chunk->kept_codes = MemoryContextAllocZero(chunk->context,
												   chunk->nvectors * sizeof(uint16 *));
	kept = MemoryContextAlloc(chunk->context, count * sizeof(uint16));
	read_codes(chunk, first, count, codes);
	for (int i = 0; i < count; i++)
		kept[i] = codes[i] == LEDGER_CODE_NULL ? LEDGER_KEPT_NULL : (uint16) codes[i];
	chunk->kept_codes[v] = kept;
	return kept;
}

void
ledger_chunk_codes(LedgerChunk *chunk, int first, int count, uint32 *codes)
{
	const uint16 *kept;

	if (count == 0)
		return;
	kept = keep_codes(chunk, first / LEDGER_VECTOR_ROWS);
	if (kept == NULL)
	{
		read_codes(chunk, first, count, codes);
		return;
	}
	kept += first % LEDGER_VECTOR_ROWS;
	for (int i = 0; i < count; i++)
		codes[i] = kept[i] == LEDGER_KEPT_NULL ? LEDGER_CODE_NULL : kept[i];
}

/* ---- of a path ---- */

/* How many codes a branch has; 0 if none. */
static uint32
count_codes(LedgerPath *path, const LedgerPathBranch *branch)
{
	LedgerChunk *sub;
	uint32		n;

	if (branch->kind == LEDGER_PATH_CONSTANT)
		return 1;
	if (branch->kind != LEDGER_PATH_SUBCOLUMN)
		return 0;
	if (branch->class == LEDGER_PATH_BOOL)
		return 2;
	if (branch->class != LEDGER_PATH_STRING)
		return 0;
	sub = ledger_shred_subchunk(path->chunk, branch->subcolumn);
	return ledger_chunk_distinct(sub, &n) ? n : 0;
}

static void
number_codes(LedgerPath *path)
{
	Size		size = path->info.nbranches * sizeof(uint32);
	uint32		ncodes = 0;

	path->first_code = MemoryContextAlloc(path->context, size);
	path->branch_codes = MemoryContextAlloc(path->context, size);
	for (int b = 0; b < path->info.nbranches; b++)
	{
		path->first_code[b] = ncodes;
		path->branch_codes[b] = count_codes(path, &path->branches[b]);
		ncodes += path->branch_codes[b];
	}
	path->ncodes = ncodes;
	path->numbered = true;
}

bool
ledger_path_distinct(LedgerPath *path, uint32 *n)
{
	if (!path->numbered)
		number_codes(path);
	*n = path->ncodes;
	return path->ncodes > 0;
}

bool
ledger_path_has_other(LedgerPath *path)
{
	if (!path->numbered)
		number_codes(path);
	for (int b = 0; b < path->info.nbranches; b++)
	{
		LedgerPathKind kind = path->branches[b].kind;

		if (kind != LEDGER_PATH_ABSENT && kind != LEDGER_PATH_NULL && path->branch_codes[b] == 0)
			return true;
	}
	return false;
}

/* The texts of a branch's codes "first" to first + count - 1. */
static void
branch_values(LedgerPath *path, int b, uint32 first, uint32 count, LedgerArena *arena,
			  Datum *values)
{
	static const LedgerBytes literals[] = {{"false", 5}, {"true", 4}};
	const LedgerPathBranch *branch = &path->branches[b];

	if (branch->kind == LEDGER_PATH_CONSTANT)
		values[0] = branch->text;
	else if (branch->class == LEDGER_PATH_BOOL)
		for (uint32 i = 0; i < count; i++)
			values[i] = ledger_bytes_text(literals[first + i], arena);
	else
		ledger_chunk_distinct_values(ledger_shred_subchunk(path->chunk, branch->subcolumn), first,
									 count, values);
}

void
ledger_path_distinct_values(LedgerPath *path, uint32 first, uint32 count, Datum *values)
{
	LedgerArena arena = {NULL, 0};

	Assert(path->numbered && (uint64) first + count <= path->ncodes);
	for (int b = 0; b < path->info.nbranches && count > 0; b++)
	{
		uint32		skip = first - path->first_code[b];
		uint32		n;

		if (first < path->first_code[b] || skip >= path->branch_codes[b])
			continue;
		n = Min(count, path->branch_codes[b] - skip);
		branch_values(path, b, skip, n, &arena, values);
		first += n;
		values += n;
		count -= n;
	}
}

static void
fill_codes(LedgerChunk *sub, int first, int count, uint64 *values)
{
	uint32		codes[LEDGER_VECTOR_ROWS];

	ledger_chunk_codes(sub, first, count, codes);
	for (int i = 0; i < count; i++)
	{
		if (codes[i] == LEDGER_CODE_NULL)
			ledger_corrupt(sub, "sub-column has a NULL");
		values[i] = codes[i];
	}
}

static void
fill_bools(LedgerChunk *sub, int first, int count, uint64 *values)
{
	Datum		decoded[LEDGER_VECTOR_ROWS];
	bool		isnull[LEDGER_VECTOR_ROWS];

	ledger_chunk_decode(sub, first, count, NULL, decoded, isnull);
	for (int i = 0; i < count; i++)
	{
		if (isnull[i])
			ledger_corrupt(sub, "sub-column has a NULL");
		values[i] = DatumGetBool(decoded[i]);
	}
}

/* Codes of the rows of a sub-column's branch that has some. */
static void
subcolumn_codes(LedgerPath *path, int b, const int *rows, int nrows, const uint32 *positions,
				uint32 *codes)
{
	bool		is_bool = path->branches[b].class == LEDGER_PATH_BOOL;
	uint64		numbers[LEDGER_VECTOR_ROWS];

	ledger_path_fetch(path, &path->code_caches[b], b, rows, nrows, positions,
					  is_bool ? fill_bools : fill_codes, numbers);
	for (int i = 0; i < nrows; i++)
		codes[rows[i]] = path->first_code[b] + (uint32) numbers[rows[i]];
}

void
ledger_path_codes(LedgerPath *path, int first, int count, uint32 *codes)
{
	uint16		branches[LEDGER_VECTOR_ROWS];
	uint32		positions[LEDGER_VECTOR_ROWS];
	uint32		same[LEDGER_SHRED_SHAPES + 1];	/* code of all rows of a branch */
	LedgerPathRows groups;

	if (!path->numbered)
		number_codes(path);
	ledger_path_locate(path, first, count, branches, positions);
	ledger_path_group(path, count, branches, NULL, &groups);
	for (int b = 0; b < path->info.nbranches; b++)
	{
		const LedgerPathBranch *branch = &path->branches[b];

		if (branch->kind == LEDGER_PATH_ABSENT || branch->kind == LEDGER_PATH_NULL)
			same[b] = LEDGER_CODE_NULL;
		else
			same[b] = path->branch_codes[b] == 0 ? LEDGER_CODE_OTHER : path->first_code[b];
	}
	for (int i = 0; i < count; i++)
		codes[i] = same[branches[i]];
	for (int b = 0; b < path->info.nbranches; b++)
	{
		int			nrows = groups.starts[b + 1] - groups.starts[b];

		if (nrows > 0 && path->branch_codes[b] > 0 &&
			path->branches[b].kind == LEDGER_PATH_SUBCOLUMN)
			subcolumn_codes(path, b, groups.rows + groups.starts[b], nrows, positions, codes);
	}
}
