/*-------------------------------------------------------------------------
 *
 * contains.c
 *	  Filters of jsonb by @>: does a document have what an object has?
 *
 * An object of scalars, and of objects of these, is in a document if at each of
 * its leaves' paths there is the leaf's value.  So it comes to filters that
 * compare paths, which are asked first; the operator itself is only called for
 * rows that these let through without being sure, and where the object has what
 * is no leaf, as arrays, or is none.
 *
 * The object need not be known before the scan begins; so its leaves are made
 * with the constants of each (re)scan, and live as long.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type_d.h"
#include "common/jsonapi.h"
#include "exec/exec_internal.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"

/* More are not looked at one by one. */
#define LEAVES_MAX	32

/* ---- Leaves ---- */

/* A path of the filter's column, with one more key. */
typedef struct LeafPath
{
	LedgerPathKey keys[LEDGER_INPUT_KEYS_MAX];
	int			nkeys;
} LeafPath;

/* Is a value whose text is this one a string? */
static bool
is_surely_string(const JsonbValue *value)
{
	const char *p = value->val.string.val;
	int			len = value->val.string.len;

	if (value->type != jbvString)
		return false;
	if (IsValidJsonNumber(p, len) || (len > 0 && (*p == '{' || *p == '[')))
		return false;
	return !(len == 4 && memcmp(p, "true", 4) == 0) && !(len == 5 && memcmp(p, "false", 5) == 0);
}

static void
set_constant(LedgerFilter *leaf, const JsonbValue *value)
{
	LedgerConstants *constants = &leaf->constants;

	constants->n = 1;
	constants->values = palloc(sizeof(Datum));
	if (leaf->method == LEDGER_METHOD_BYTES)
	{
		constants->values[0] =
			PointerGetDatum(cstring_to_text_with_len(value->val.string.val, value->val.string.len));
		constants->strings = palloc(sizeof(LedgerString));
		constants->strings[0] = ledger_string_of(&leaf->input, constants->values[0]);
	}
	else
		constants->values[0] = JsonbPGetDatum(JsonbValueToJsonb(unconstify(JsonbValue *, value)));
}

static LedgerFilter *
make_leaf(const LedgerFilter *filter, const LeafPath *path, const JsonbValue *value)
{
	LedgerFilter *leaf = palloc0(sizeof(LedgerFilter));
	LedgerPathKey *keys = palloc(path->nkeys * sizeof(LedgerPathKey));
	bool		as_text = is_surely_string(value);

	memcpy(keys, path->keys, path->nkeys * sizeof(LedgerPathKey));
	leaf->kind = LEDGER_FILTER_COMPARE;
	leaf->input.kind = as_text ? LEDGER_INPUT_TEXT : LEDGER_INPUT_JSONB;
	leaf->input.attnum = filter->input.attnum;
	leaf->input.typid = leaf->righttype = as_text ? TEXTOID : JSONBOID;
	leaf->input.typlen = -1;
	leaf->input.keys = keys;
	leaf->input.nkeys = path->nkeys;
	leaf->strategy = BTEqualStrategyNumber;
	leaf->cannot_fail = true;
	if (as_text)
	{
		leaf->method = LEDGER_METHOD_BYTES;
		leaf->by_bytes = true;
		leaf->collation = C_COLLATION_OID;
	}
	else
	{
		leaf->method = LEDGER_METHOD_CALL;
		leaf->call = ledger_make_call(F_JSONB_EQ, InvalidOid, 2);
	}
	set_constant(leaf, value);
	return leaf;
}

static void
add_leaves(LedgerFilter *filter, LeafPath *path, JsonbContainer *object)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbValue	value;
	JsonbIteratorToken token;

	check_stack_depth();
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			path->keys[path->nkeys - 1].data = value.val.string.val;
			path->keys[path->nkeys - 1].len = value.val.string.len;
		}
		if (token != WJB_VALUE)
			continue;
		if (value.type != jbvBinary && filter->nargs < LEAVES_MAX)
			filter->args[filter->nargs++] = make_leaf(filter, path, &value);
		else if (value.type == jbvBinary && path->nkeys < LEDGER_INPUT_KEYS_MAX &&
				 JsonContainerIsObject(value.val.binary.data) &&
				 JsonContainerSize(value.val.binary.data) > 0)
		{
			path->nkeys++;
			add_leaves(filter, path, value.val.binary.data);
			path->nkeys--;
		}
		else
			filter->exact = false;
	}
}

/*
 * Make the leaves of the filter's constant, which is set, if that is an object;
 * in CurrentMemoryContext.
 */
void
ledger_contains_set(LedgerFilter *filter)
{
	Jsonb	   *object = DatumGetJsonbP(filter->constants.values[0]);
	LeafPath	path;

	filter->args = palloc(LEAVES_MAX * sizeof(LedgerFilter *));
	filter->exact = true;
	if (JB_ROOT_IS_OBJECT(object) && filter->input.nkeys < LEDGER_INPUT_KEYS_MAX)
	{
		if (filter->input.nkeys > 0)
			memcpy(path.keys, filter->input.keys, filter->input.nkeys * sizeof(LedgerPathKey));
		path.nkeys = filter->input.nkeys + 1;
		add_leaves(filter, &path, &object->root);
	}
	if (filter->nargs == 0)
		filter->exact = false;
}

/* ---- Vectors ---- */

/* Are the column's documents of a segment such that leaves can be asked? */
static bool
has_leaves(const LedgerFilter *filter, LedgerSegmentReader *reader, Relation rel)
{
	return filter->nargs > 0 && ledger_input_path(&filter->args[0]->input, reader, rel) != NULL;
}

/* As ledger_filter_judge. */
void
ledger_contains_judge(LedgerFilter *filter, LedgerSegmentReader *reader, Relation rel)
{
	filter->by_leaves = has_leaves(filter, reader, rel);
	ledger_filter_set_all(filter, LEDGER_TRUTH_SOME);
	if (!filter->by_leaves)
		return;
	for (int i = 0; i < filter->nargs; i++)
	{
		ledger_filter_judge(filter->args[i], reader, rel);
		filter->by_bloom |= filter->args[i]->by_bloom;
	}
	ledger_filter_join_truths(filter);
}

/* ---- Rows ---- */

/* Ask the operator of rows' documents, or what the filter's path leads to. */
static int
match_by_operator(LedgerFilter *filter, const LedgerFilterRows *source, uint16 *rows, int n)
{
	return n > 0 ? ledger_filter_match_read(filter, source, rows, n) : 0;
}

/* Of rows that have passed all leaves, those in doubt are asked again. */
static int
match_doubted(LedgerFilter *filter, const LedgerFilterRows *source, const LedgerDoubt *doubt,
			  uint16 *rows, int n)
{
	uint16		asked[LEDGER_VECTOR_ROWS];
	int			nasked = 0;
	int			kept = 0;

	for (int i = 0; i < n; i++)
	{
		if (doubt->rows[rows[i]])
			asked[nasked++] = rows[i];
		else
			rows[kept++] = rows[i];
	}
	nasked = match_by_operator(filter, source, asked, nasked);
	return ledger_merge_rows(rows, kept, asked, nasked);
}

/* As ledger_filter_match, of a segment's batch. */
int
ledger_contains_match(LedgerFilter *filter, const LedgerFilterRows *source, uint16 *rows, int n)
{
	LedgerDoubt doubt;
	LedgerFilterRows leaves = *source;

	if (!filter->by_leaves)
		return match_by_operator(filter, source, rows, n);
	doubt.any = false;
	leaves.doubt = &doubt;
	for (int i = 0; i < filter->nargs && n > 0; i++)
		n = ledger_filter_match(filter->args[i], &leaves, rows, n);
	if (!filter->exact)
		return match_by_operator(filter, source, rows, n);
	return doubt.any ? match_doubted(filter, source, &doubt, rows, n) : n;
}
