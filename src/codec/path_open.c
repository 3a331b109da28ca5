/*-------------------------------------------------------------------------
 *
 * path_open.c
 *	  Where a path of object keys leads in shredded documents.
 *
 * A shape says it all but for the values that it leaves open, so each shape is
 * looked at once, and a row's answer is then its shape's.  Shapes whose answers
 * are alike share a branch.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/path.h"
#include "utils/jsonb.h"

/* No such step. */
#define NOWHERE		(-1)

typedef struct Opener
{
	LedgerPath *path;
	const LedgerShredCatalog *catalog;
	const LedgerPathKey *keys;
	int			nkeys;
	LedgerArena arena;
} Opener;

/* ---- steps of a shape ---- */

static uint32
step_children(const LedgerShredCatalog *catalog, const LedgerShredStep *step)
{
	switch (step->op)
	{
		case LEDGER_OP_OBJECT:
			return catalog->keysets[step->arg].nkeys;
		case LEDGER_OP_ARRAY:
			return step->arg;
		case LEDGER_OP_SCALAR:
			return 1;
		default:
			return 0;
	}
}

/* The step after the value that starts at step s. */
static int
skip_value(const LedgerShredCatalog *catalog, const LedgerShredShape *shape, int s)
{
	uint32		pending = 1;

	for (; pending > 0; s++)
	{
		Assert(s < shape->nsteps);
		pending += step_children(catalog, &shape->steps[s]);
		pending--;
	}
	return s;
}

/*
 * Which of the keys it is, or NOWHERE.  They are searched as the server does,
 * so that the answer is the same even where they are not in order.
 */
static int
find_key(const LedgerKeyset *keyset, const LedgerPathKey *key)
{
	uint32		starts[LEDGER_SHRED_TOKENS + 1];
	const char *bytes = keyset->bytes + keyset->head_len;
	int			low = 0;
	int			high = keyset->nkeys;

	starts[0] = 0;
	for (uint32 i = 0; i < keyset->nkeys; i++)
	{
		JEntry		entry;

		memcpy(&entry, keyset->bytes + sizeof(uint32) + i * sizeof(JEntry), sizeof(entry));
		starts[i + 1] = JBE_OFFLENFLD(entry) + (JBE_HAS_OFF(entry) ? 0 : starts[i]);
	}
	while (low < high)
	{
		int			middle = (low + high) / 2;
		Size		len = starts[middle + 1] - starts[middle];
		int			order;

		if (len != key->len)
			order = len < key->len ? -1 : 1;
		else
			order = memcmp(bytes + starts[middle], key->data, len);
		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NOWHERE;
}

static inline LedgerLeafClass
step_class(const LedgerShredCatalog *catalog, const LedgerShredStep *step)
{
	return catalog->columns[step->arg].class;
}

/* Is the step a value that is not taken apart? */
static inline bool
is_closed(const LedgerShredCatalog *catalog, const LedgerShredStep *step)
{
	return step->op == LEDGER_OP_VALUE &&
		(step_class(catalog, step) == LEDGER_LEAF_DOCUMENT ||
		 step_class(catalog, step) == LEDGER_LEAF_CONTAINER);
}

/*
 * The step that the first "nkeys" keys lead to, or NOWHERE; or that of a value
 * on the way that is not taken apart.
 */
static int
follow(const Opener *o, const LedgerShredShape *shape, int nkeys)
{
	int			s = 0;

	for (int k = 0; k < nkeys; k++)
	{
		const LedgerShredStep *step = &shape->steps[s];
		int			place;

		if (is_closed(o->catalog, step))
			return s;
		if (step->op != LEDGER_OP_OBJECT)
			return NOWHERE;
		place = find_key(&o->catalog->keysets[step->arg], &o->keys[k]);
		if (place == NOWHERE)
			return NOWHERE;
		for (s++; place > 0; place--)
			s = skip_value(o->catalog, shape, s);
	}
	/* a document that is one value */
	if (nkeys == 0 && shape->steps[0].op == LEDGER_OP_SCALAR)
		s++;
	return s;
}

/* ---- branches ---- */

static void
set_constant(Opener *o, LedgerPathBranch *branch, const LedgerShredStep *step)
{
	static const LedgerBytes literals[] = {{"false", 5}, {"true", 4}};

	branch->kind = LEDGER_PATH_CONSTANT;
	switch (step->op)
	{
		case LEDGER_OP_STRING:
			branch->class = LEDGER_PATH_STRING;
			branch->text = ledger_bytes_text(step->bytes, &o->arena);
			break;
		case LEDGER_OP_NUMERIC:
			if (ledger_number_parse(step->bytes.data, step->bytes.len, &branch->number,
									&branch->scale))
				branch->class = LEDGER_PATH_NUMBER;
			else
			{
				branch->class = LEDGER_PATH_NUMERIC;
				branch->scale = -1;
			}
			if (!ledger_numeric_text(step->bytes, &o->arena, &branch->text))
			{
				branch->kind = LEDGER_PATH_DOCUMENT;
				branch->class = LEDGER_PATH_NOTHING;
			}
			break;
		default:
			branch->class = LEDGER_PATH_BOOL;
			branch->number = step->op == LEDGER_OP_TRUE;
			branch->text = ledger_bytes_text(literals[branch->number], &o->arena);
			break;
	}
}

static void
set_subcolumn(Opener *o, LedgerPathBranch *branch, const LedgerShredStep *step)
{
	const LedgerShredColumn *column = &o->catalog->columns[step->arg];

	branch->kind = LEDGER_PATH_SUBCOLUMN;
	branch->subcolumn = step->arg;
	switch (column->class)
	{
		case LEDGER_LEAF_STRING:
			branch->class = LEDGER_PATH_STRING;
			break;
		case LEDGER_LEAF_NUMBER:
			branch->class = LEDGER_PATH_NUMBER;
			branch->scale = column->scale == column->least_scale ? column->scale : -1;
			break;
		case LEDGER_LEAF_NUMERIC:
			branch->class = LEDGER_PATH_NUMERIC;
			branch->scale = -1;
			break;
		case LEDGER_LEAF_BOOL:
			branch->class = LEDGER_PATH_BOOL;
			break;
		case LEDGER_LEAF_CONTAINER:
		case LEDGER_LEAF_DOCUMENT:
			pg_unreachable();
	}
}

/* What a step, or NOWHERE, means; but for a constant's value. */
static LedgerPathKind
step_kind(const Opener *o, const LedgerShredStep *step)
{
	if (step == NULL)
		return LEDGER_PATH_ABSENT;
	switch (step->op)
	{
		case LEDGER_OP_OBJECT:
		case LEDGER_OP_ARRAY:
		case LEDGER_OP_SCALAR:
			return LEDGER_PATH_DOCUMENT;
		case LEDGER_OP_VALUE:
			return is_closed(o->catalog, step) ? LEDGER_PATH_DOCUMENT : LEDGER_PATH_SUBCOLUMN;
		case LEDGER_OP_COLUMN:
			return LEDGER_PATH_COLUMN;
		case LEDGER_OP_NULL:
			return LEDGER_PATH_NULL;
		default:
			return LEDGER_PATH_CONSTANT;
	}
}

/* Is the branch just that? */
static bool
branch_is(const LedgerPath *path, int b, LedgerPathKind kind, const LedgerShredStep *step,
		  const LedgerShredStep *steps)
{
	const LedgerPathBranch *branch = &path->branches[b];

	switch (kind)
	{
		case LEDGER_PATH_CONSTANT:
			return steps[b].op == step->op && path->constants[b].len == step->bytes.len &&
				(step->bytes.len == 0 || ledger_bytes_equal(path->constants[b], step->bytes));
		case LEDGER_PATH_COLUMN:
			return branch->kind == kind && branch->reference == (int) step->arg;
		case LEDGER_PATH_SUBCOLUMN:
			return branch->kind == kind && branch->subcolumn == (int) step->arg;
		default:
			return branch->kind == kind;
	}
}

/* The branch of a step; "steps" are those that branches were made of. */
static int
find_branch(Opener *o, const LedgerShredStep *step, LedgerShredStep *steps)
{
	LedgerPath *path = o->path;
	LedgerPathKind kind = step_kind(o, step);
	LedgerPathBranch *branch;

	for (int b = 0; b < path->info.nbranches; b++)
	{
		if (branch_is(path, b, kind, step, steps))
			return b;
	}
	branch = &path->branches[path->info.nbranches];
	branch->kind = kind;
	branch->class = LEDGER_PATH_NOTHING;
	branch->subcolumn = -1;
	branch->reference = -1;
	if (step)
	{
		steps[path->info.nbranches] = *step;
		path->constants[path->info.nbranches] = step->bytes;
	}
	else
		steps[path->info.nbranches].op = LEDGER_OP_OBJECT;
	if (kind == LEDGER_PATH_CONSTANT)
		set_constant(o, branch, step);
	else if (kind == LEDGER_PATH_SUBCOLUMN)
		set_subcolumn(o, branch, step);
	else if (kind == LEDGER_PATH_COLUMN)
	{
		branch->class = LEDGER_PATH_STRING;
		branch->reference = step->arg;
	}
	return path->info.nbranches++;
}

/* What "(data->...) ? key" says of a shape; "parent" is what it is asked of. */
static LedgerPathExists
shape_exists(const Opener *o, const LedgerShredShape *shape, int parent)
{
	const LedgerShredStep *step;

	if (o->nkeys == 0)
		return LEDGER_PATH_EXISTS_DOCUMENT;
	if (parent == NOWHERE)
		return LEDGER_PATH_EXISTS_NULL;
	step = &shape->steps[parent];
	switch (step->op)
	{
		case LEDGER_OP_OBJECT:
			return find_key(&o->catalog->keysets[step->arg], &o->keys[o->nkeys - 1]) == NOWHERE ?
				LEDGER_PATH_EXISTS_NO : LEDGER_PATH_EXISTS_YES;
		case LEDGER_OP_ARRAY:
			/* a string among the elements counts as a key */
			return step->arg == 0 ? LEDGER_PATH_EXISTS_NO : LEDGER_PATH_EXISTS_DOCUMENT;
		case LEDGER_OP_VALUE:
			if (step_class(o->catalog, step) == LEDGER_LEAF_NUMBER ||
				step_class(o->catalog, step) == LEDGER_LEAF_NUMERIC ||
				step_class(o->catalog, step) == LEDGER_LEAF_BOOL)
				return LEDGER_PATH_EXISTS_NO;
			return LEDGER_PATH_EXISTS_DOCUMENT;
		case LEDGER_OP_SCALAR:
		case LEDGER_OP_COLUMN:
		case LEDGER_OP_STRING:
			/* and so does a string that is it */
			return LEDGER_PATH_EXISTS_DOCUMENT;
		case LEDGER_OP_NULL:
		case LEDGER_OP_FALSE:
		case LEDGER_OP_TRUE:
		case LEDGER_OP_NUMERIC:
			return LEDGER_PATH_EXISTS_NO;
	}
	pg_unreachable();
}

/* How many values the shape takes of the step's sub-column before it. */
static int
ordinal_of(const LedgerShredShape *shape, int s)
{
	int			n = 0;

	for (int i = 0; i < s; i++)
		n += shape->steps[i].op == LEDGER_OP_VALUE && shape->steps[i].arg == shape->steps[s].arg;
	return n;
}

static void
resolve_shapes(Opener *o, uint16 *ordinals)
{
	LedgerPath *path = o->path;
	int			nshapes = o->catalog->nshapes;
	LedgerShredStep *steps = palloc0((nshapes + 1) * sizeof(LedgerShredStep));

	(void) find_branch(o, NULL, steps); /* ABSENT */
	for (int i = 0; i < nshapes; i++)
	{
		const LedgerShredShape *shape = &o->catalog->shapes[i];
		int			s = follow(o, shape, o->nkeys);
		int			b = find_branch(o, s == NOWHERE ? NULL : &shape->steps[s], steps);

		path->shape_branch[i] = b;
		if (path->branches[b].kind == LEDGER_PATH_SUBCOLUMN)
			ordinals[i] = ordinal_of(shape, s);
		path->shape_exists[i] = shape_exists(o, shape, follow(o, shape, Max(o->nkeys - 1, 0)));
	}
	pfree(steps);
}

/*
 * Note what each shape takes of the sub-columns that branches lead to, and which
 * value of them is the path's.
 */
static void
track_subcolumns(Opener *o, const uint16 *ordinals)
{
	LedgerPath *path = o->path;
	int			nshapes = o->catalog->nshapes;
	int		   *places = palloc0((o->catalog->ncolumns + 1) * sizeof(int));	/* plus 1 */

	path->tracked = palloc(path->info.nbranches * sizeof(uint16));
	path->uses = palloc(path->info.nbranches * sizeof(LedgerPathUse *));
	for (int b = 0; b < path->info.nbranches; b++)
	{
		int			t = path->ntracked;

		if (path->branches[b].kind != LEDGER_PATH_SUBCOLUMN)
			continue;
		path->tracked[t] = path->branches[b].subcolumn;
		path->uses[t] = palloc0((nshapes + 1) * sizeof(LedgerPathUse));
		places[path->branches[b].subcolumn] = ++path->ntracked;
	}
	for (int i = 0; i < nshapes; i++)
	{
		const LedgerShredShape *shape = &o->catalog->shapes[i];
		const LedgerPathBranch *branch = &path->branches[path->shape_branch[i]];

		for (int u = 0; u < shape->nuses; u++)
		{
			int			column = shape->uses[u].column;
			LedgerPathUse *use;

			if (places[column] == 0)
				continue;
			use = &path->uses[places[column] - 1][i];
			use->count = shape->uses[u].count;
			use->ordinal = branch->kind == LEDGER_PATH_SUBCOLUMN && branch->subcolumn == column ?
				ordinals[i] : LEDGER_PATH_NO_VALUE;
		}
	}
	pfree(places);
}

static void
summarize_branches(LedgerPath *path)
{
	LedgerPathInfo *info = &path->info;
	bool		numbers = false;

	info->branches = path->branches;
	info->scale = 0;
	for (int b = 1; b < info->nbranches; b++)
	{
		const LedgerPathBranch *branch = &path->branches[b];

		info->occurs = true;
		if (branch->kind == LEDGER_PATH_DOCUMENT)
			info->documents = true;
		if (branch->kind == LEDGER_PATH_COLUMN)
			info->references |= (uint32) 1 << branch->reference;
		if (branch->class == LEDGER_PATH_NUMERIC)
			info->documents = true; /* if it is NaN, say */
		if (branch->class != LEDGER_PATH_NUMBER)
			continue;
		if (numbers && branch->scale != info->scale)
			info->scale = -1;
		if (!numbers)
			info->scale = branch->scale;
		numbers = true;
	}
}

LedgerPath *
ledger_chunk_path_open(LedgerChunk *chunk, const LedgerPathKey *keys, int nkeys,
					   MemoryContext context)
{
	Opener		o = {NULL, NULL, keys, nkeys, {NULL, 0}};
	LedgerPath *path;
	MemoryContext old;
	uint16	   *ordinals;		/* by shape, among the values that it takes of the sub-column */
	int			nshapes;

	if (chunk->shred == NULL)
		return NULL;
	path = MemoryContextAllocZero(context, sizeof(LedgerPath));
	path->chunk = chunk;
	path->context = context;
	o.path = path;
	o.catalog = ledger_shred_catalog(chunk->shred);
	nshapes = o.catalog->nshapes;
	/* each shape may have a branch of its own, and one is ABSENT */
	path->branches = MemoryContextAllocZero(context, (nshapes + 1) * sizeof(LedgerPathBranch));
	path->constants = MemoryContextAllocZero(context, (nshapes + 1) * sizeof(LedgerBytes));
	path->shape_branch = MemoryContextAlloc(context, (nshapes + 1) * sizeof(uint16));
	path->shape_exists = MemoryContextAlloc(context, nshapes + 1);
	old = MemoryContextSwitchTo(context);
	ordinals = palloc0((nshapes + 1) * sizeof(uint16));
	resolve_shapes(&o, ordinals);
	track_subcolumns(&o, ordinals);
	pfree(ordinals);
	path->value_caches = palloc0(path->info.nbranches * sizeof(LedgerPathCache *));
	path->code_caches = palloc0(path->info.nbranches * sizeof(LedgerPathCache *));
	MemoryContextSwitchTo(old);
	summarize_branches(path);
	return path;
}

void
ledger_path_info(const LedgerPath *path, LedgerPathInfo *info)
{
	*info = path->info;
}
