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

/* Codes that are compared before any is looked at again. */
#define MATCHED_AT_ONCE	64

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

/* The codes of rows that are not NULL, and which these are; returns how many. */
static int
read_numbers(LedgerChunk *chunk, int first, int count, int *rows, uint64 *numbers)
{
	uint64		nentries = 1;
	uint64		greatest = 0;
	int			dense;
	int			n = ledger_chunk_select(chunk, first, count, rows, &dense);

	if (chunk->encoding == LEDGER_ENC_DICTIONARY && n > 0)
	{
		nentries = ledger_dict_entries(chunk->dict);
		ledger_integers_read(&chunk->ints, dense, n, numbers);
	}
	else
		memset(numbers, 0, n * sizeof(uint64));
	for (int i = 0; i < n; i++)
		greatest = Max(greatest, numbers[i]);
	if (greatest >= nentries)
		ledger_corrupt(chunk, "code is not in the dictionary");
	return n;
}

static void
read_codes(LedgerChunk *chunk, int first, int count, uint32 *codes)
{
	int			rows[LEDGER_VECTOR_ROWS];
	uint64		numbers[LEDGER_VECTOR_ROWS];
	int			n = read_numbers(chunk, first, count, rows, numbers);

	if (n < count)
		for (int i = 0; i < count; i++)
			codes[i] = LEDGER_CODE_NULL;
	for (int i = 0; i < n; i++)
		codes[rows[i]] = (uint32) numbers[i];
}

static void
create_code_vectors(LedgerChunk *chunk)
{
	LedgerCodeVectors *vectors = MemoryContextAllocZero(chunk->context, sizeof(LedgerCodeVectors));

	while (ledger_dict_entries(chunk->dict) >> vectors->shift >= LEDGER_CODE_GROUPS)
		vectors->shift++;
	chunk->code_vectors = vectors;
}

/* Note which groups a vector's codes are of; is the code among them? */
static bool
note_codes(LedgerChunk *chunk, int v, uint32 code)
{
	LedgerCodeVectors *vectors = chunk->code_vectors;
	uint64		bit = UINT64CONST(1) << v;
	int			first = v * LEDGER_VECTOR_ROWS;
	int			count = Min(chunk->nrows - first, LEDGER_VECTOR_ROWS);
	int			rows[LEDGER_VECTOR_ROWS];
	uint64		numbers[LEDGER_VECTOR_ROWS];
	int			n = read_numbers(chunk, first, count, rows, numbers);
	bool		found = false;

	for (int i = 0; i < n; i++)
	{
		vectors->having[numbers[i] >> vectors->shift] |= bit;
		found |= numbers[i] == code;
	}
	vectors->known |= bit;
	return found;
}

bool
ledger_chunk_may_have_code(LedgerChunk *chunk, int vector, uint32 code)
{
	const LedgerCodeVectors *vectors;
	uint64		bit = UINT64CONST(1) << (vector % LEDGER_KEPT_VECTORS);

	Assert(chunk->encoding == LEDGER_ENC_DICTIONARY);
	if (!ledger_dict_may_be_in(chunk, vector, code))
		return false;
	if (chunk->nvectors > LEDGER_KEPT_VECTORS)
		return true;
	if (chunk->code_vectors == NULL)
		create_code_vectors(chunk);
	vectors = chunk->code_vectors;
	if ((vectors->known & bit) == 0)
		return note_codes(chunk, vector, code);
	return (vectors->having[code >> vectors->shift] & bit) != 0;
}

/*
 * The codes of a vector's rows as they are kept, or NULL.  They are kept when
 * they are asked for a second time: who comes back will come again, and a scan of
 * everything does not.
 */
static const uint16 *
keep_codes(LedgerChunk *chunk, int v)
{
	int			first = v * LEDGER_VECTOR_ROWS;
	int			count = Min(chunk->nrows - first, LEDGER_VECTOR_ROWS);
	uint32		codes[LEDGER_VECTOR_ROWS];
	uint16	   *kept;

	if (chunk->encoding != LEDGER_ENC_DICTIONARY ||
		ledger_dict_entries(chunk->dict) >= LEDGER_KEPT_NULL)
		return NULL;
	if (chunk->kept_codes != NULL && chunk->kept_codes[v] != NULL)
		return chunk->kept_codes[v];
	if (!ledger_chunk_may_keep(chunk, &chunk->codes_asked, v, false))
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

/* Rows' codes, from what is kept of their vector, or NULL. */
static void
get_codes(LedgerChunk *chunk, const uint16 *kept, int first, int count, uint32 *codes)
{
	if (kept == NULL)
	{
		read_codes(chunk, first, count, codes);
		return;
	}
	kept += first % LEDGER_VECTOR_ROWS;
	for (int i = 0; i < count; i++)
		codes[i] = kept[i] == LEDGER_KEPT_NULL ? LEDGER_CODE_NULL : kept[i];
}

void
ledger_chunk_codes(LedgerChunk *chunk, int first, int count, uint32 *codes)
{
	if (count > 0)
		get_codes(chunk, keep_codes(chunk, first / LEDGER_VECTOR_ROWS), first, count, codes);
}

/* Numbers, counted from "first", of those codes that are "code". */
static int
list_matches(const uint16 *codes, int count, uint16 code, int first, uint16 *rows)
{
	int			n = 0;

	for (int i = 0; i < count; i += MATCHED_AT_ONCE)
	{
		int			end = Min(i + MATCHED_AT_ONCE, count);
		uint16		found = 0;		/* as wide as codes, so that compilers use vectors */

		/* mostly there is none, which a loop without branches tells at once */
		for (int k = i; k < end; k++)
			found += codes[k] == code;
		for (int k = i; found > 0 && k < end; k++)
		{
			rows[n] = first + k;
			n += codes[k] == code;
		}
	}
	return n;
}

int
ledger_chunk_match_code(LedgerChunk *chunk, int start, uint32 code, uint16 *rows, int n)
{
	uint32		codes[LEDGER_VECTOR_ROWS];
	int			first = rows[0];
	int			count = rows[n - 1] - first + 1;
	const uint16 *kept = keep_codes(chunk, (start + first) / LEDGER_VECTOR_ROWS);
	int			matched = 0;

	if (kept != NULL && n == count)
		return list_matches(kept + (start + first) % LEDGER_VECTOR_ROWS, count, (uint16) code,
							first, rows);
	get_codes(chunk, kept, start + first, count, codes);
	for (int i = 0; i < n; i++)
	{
		uint16		row = rows[i];

		rows[matched] = row;
		matched += codes[row - first] == code;
	}
	return matched;
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
	uint32		same[LEDGER_SHRED_SHAPES + 1];	/* code of all rows of a branch, */
	bool		differ[LEDGER_SHRED_SHAPES + 1];	/* unless they have one each */
	bool		wanted[LEDGER_VECTOR_ROWS];
	LedgerPathRows groups;

	if (!path->numbered)
		number_codes(path);
	ledger_path_locate(path, first, count, branches, positions);
	for (int b = 0; b < path->info.nbranches; b++)
	{
		const LedgerPathBranch *branch = &path->branches[b];

		differ[b] = path->branch_codes[b] > 0 && branch->kind == LEDGER_PATH_SUBCOLUMN;
		if (branch->kind == LEDGER_PATH_ABSENT || branch->kind == LEDGER_PATH_NULL)
			same[b] = LEDGER_CODE_NULL;
		else
			same[b] = path->branch_codes[b] == 0 ? LEDGER_CODE_OTHER : path->first_code[b];
	}
	for (int i = 0; i < count; i++)
	{
		codes[i] = same[branches[i]];
		wanted[i] = differ[branches[i]];
	}
	path->chunk->look_up = count <= LEDGER_LOOK_UP_ROWS;
	ledger_path_group(path, count, branches, wanted, &groups);
	for (int b = 0; b < path->info.nbranches; b++)
	{
		int			nrows = groups.starts[b + 1] - groups.starts[b];

		if (nrows > 0)
			subcolumn_codes(path, b, groups.rows + groups.starts[b], nrows, positions, codes);
	}
}
