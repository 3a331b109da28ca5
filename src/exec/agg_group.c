/*-------------------------------------------------------------------------
 *
 * agg_group.c
 *	  The groups of a LedgerAggregate, and which one a row is of.
 *
 * Groups are in a hash table.  Where all keys of a segment have codes, a map
 * from their combinations to groups is kept for the segment, so that the table
 * is asked once for each combination.  Otherwise it is asked for each row,
 * but for rows whose keys are those of the row before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "common/hashfn.h"
#include "exec/aggregate.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/acl.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* A map for so many combinations at most is made, and for so many a row. */
#define COMBINATIONS_MAX	(1024 * 1024)
#define COMBINATIONS_A_ROW	2

typedef struct Entry
{
	LedgerGroup *group;
	uint32		hash;
	char		status;
} Entry;

static inline Datum *
keys_of(LedgerGroup *group)
{
	return (Datum *) ((char *) group + MAXALIGN(sizeof(LedgerGroup)));
}

static inline bool *
nulls_of(const LedgerAggregateState *state, LedgerGroup *group)
{
	return (bool *) ((char *) group + state->nulls_offset);
}

static bool equal_keys(LedgerAggregateState *state, LedgerGroup *a, LedgerGroup *b);

#define SH_PREFIX groups
#define SH_ELEMENT_TYPE Entry
#define SH_KEY_TYPE LedgerGroup *
#define SH_KEY group
#define SH_HASH_KEY(tb, key) ((key)->hash)
#define SH_EQUAL(tb, a, b) equal_keys((tb)->private_data, a, b)
#define SH_SCOPE static inline
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) ((a)->hash)
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct LedgerGroups
{
	groups_hash *table;			/* NULL without keys */
	groups_iterator iterator;
	MemoryContext context;		/* of the table */
	bool		begun;			/* to give groups */
	LedgerGroup *probe;			/* keys that are looked for */
	LedgerGroup **map;			/* of the segment's combinations, or NULL */
	bool		mapped;			/* it was tried for the segment at hand */
};

/* A row that is not of this pass. */
static LedgerGroup other_pass;

/* ---- Begin ---- */

/* How values are told apart of which "function" tells whether they are equal. */
LedgerKeyKind
ledger_key_kind(Oid function, Oid collation, bool typbyval)
{
	switch (function)
	{
		case F_BOOLEQ:
		case F_CHAREQ:
		case F_INT2EQ:
		case F_INT4EQ:
		case F_INT8EQ:
		case F_OIDEQ:
		case F_DATE_EQ:
		case F_TIME_EQ:
		case F_TIMESTAMP_EQ:
		case F_TIMESTAMPTZ_EQ:
			return typbyval ? LEDGER_KEY_WORD : LEDGER_KEY_CALL;
		case F_TEXTEQ:
			return OidIsValid(collation) && ledger_is_deterministic(collation) ?
				LEDGER_KEY_BYTES : LEDGER_KEY_CALL;
		case F_BYTEAEQ:
		case F_UUID_EQ:
			return LEDGER_KEY_BYTES;
		default:
			return LEDGER_KEY_CALL;
	}
}

/* Get ready to compare an expression's values by an equality operator. */
void
ledger_key_init(LedgerKey *key, Expr *expr, Oid operator)
{
	Oid			function = get_opcode(operator);
	Oid			collation = exprCollation((Node *) expr);
	RegProcedure hash;
	RegProcedure right;

	if (LedgerFunctionAclcheck(function, GetUserId()) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, get_func_name(function));
	if (!get_op_hash_functions(operator, &hash, &right))
		elog(ERROR, "no hash function for operator %u", operator);
	get_typlenbyval(exprType((Node *) expr), &key->typlen, &key->typbyval);
	key->kind = ledger_key_kind(function, collation, key->typbyval);
	key->mask = key->typlen >= 8 ? PG_UINT64_MAX : (UINT64CONST(1) << (key->typlen * 8 & 63)) - 1;
	key->equal = ledger_make_call(function, collation, 2);
	key->hash = ledger_make_call(hash, collation, 1);
}

/* Also lays out what is in a group; the aggregates' states come behind. */
void
ledger_groups_init(LedgerAggregateState *state, List *keys, List *operators)
{
	ListCell   *lc;
	ListCell   *lc2;

	state->keys = palloc0(list_length(keys) * sizeof(LedgerKey) + 1);
	forboth(lc, keys, lc2, operators)
	{
		LedgerKey  *key = &state->keys[state->nkeys++];

		ledger_key_init(key, lfirst(lc), lfirst_oid(lc2));
		key->input = ledger_aggregate_add_input(state, lfirst(lc), -1, true);
	}
	state->nulls_offset = MAXALIGN(sizeof(LedgerGroup)) + state->nkeys * sizeof(Datum);
	state->states_offset = MAXALIGN(state->nulls_offset + state->nkeys * sizeof(bool));
	state->groups = palloc0(sizeof(LedgerGroups));
	state->groups->probe = palloc0(state->states_offset);
	state->groups->context = AllocSetContextCreate(CurrentMemoryContext, "ledger groups",
												   ALLOCSET_DEFAULT_SIZES);
}

static LedgerGroup *
make_group(LedgerAggregateState *state)
{
	return MemoryContextAllocZero(state->aggcontext->ecxt_per_tuple_memory, state->group_size);
}

/* Forget all groups; without keys, there is always one. */
void
ledger_groups_reset(LedgerAggregateState *state)
{
	LedgerGroups *groups = state->groups;

	ReScanExprContext(state->aggcontext);
	MemoryContextReset(groups->context);
	/* a partial node may come here at each vector of a segment */
	if (groups->map != NULL)
		pfree(groups->map);
	groups->map = NULL;
	groups->mapped = false;
	state->single = NULL;
	groups->begun = false;
	if (state->nkeys > 0)
		groups->table = groups_create(groups->context, 256, state);
	else
		state->single = make_group(state);
}

void
ledger_groups_new_segment(LedgerAggregateState *state)
{
	state->groups->map = NULL;
	state->groups->mapped = false;
}

/* ---- Keys ---- */

static inline bool
equal_bytes(const LedgerKey *key, Datum a, Datum b)
{
	LedgerFilterInput input = {.typlen = key->typlen, .typbyval = key->typbyval};
	LedgerString x;
	LedgerString y;

	if (a == b)
		return true;
	x = ledger_string_of(&input, a);
	y = ledger_string_of(&input, b);
	return x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
}

bool
ledger_key_equal(LedgerKey *key, Datum a, Datum b)
{
	switch (key->kind)
	{
		case LEDGER_KEY_WORD:
			return ((a ^ b) & key->mask) == 0;
		case LEDGER_KEY_BYTES:
			return equal_bytes(key, a, b);
		default:
			return ledger_operator_holds(key->equal, a, b);
	}
}

static bool
equal_keys(LedgerAggregateState *state, LedgerGroup *a, LedgerGroup *b)
{
	bool	   *nulls_a = nulls_of(state, a);
	bool	   *nulls_b = nulls_of(state, b);

	for (int k = 0; k < state->nkeys; k++)
	{
		if (nulls_a[k] != nulls_b[k])
			return false;
		if (!nulls_a[k] && !ledger_key_equal(&state->keys[k], keys_of(a)[k], keys_of(b)[k]))
			return false;
	}
	return true;
}

/* A multiplication by the golden ratio's bits, whose upper half depends on all. */
static inline uint32
hash_word(uint64 word)
{
	word ^= word >> 32;
	return murmurhash32((uint32) ((word * UINT64CONST(0x9E3779B97F4A7C15)) >> 32));
}

/* Leaves behind in CurrentMemoryContext what the type's function does. */
uint32
ledger_key_hash(LedgerKey *key, Datum value)
{
	LedgerFilterInput input = {.typlen = key->typlen, .typbyval = key->typbyval};
	LedgerString string;

	switch (key->kind)
	{
		case LEDGER_KEY_WORD:
			return hash_word((uint64) value & key->mask);
		case LEDGER_KEY_BYTES:
			string = ledger_string_of(&input, value);
			return hash_bytes((const unsigned char *) string.data, string.len);
		default:
			key->hash->args[0].value = value;
			key->hash->args[0].isnull = false;
			key->hash->isnull = false;
			return murmurhash32(DatumGetUInt32(FunctionCallInvoke(key->hash)));
	}
}

static void
hash_keys(LedgerAggregateState *state, LedgerGroup *group)
{
	bool	   *nulls = nulls_of(state, group);
	uint32		hash = 0;

	for (int k = 0; k < state->nkeys; k++)
		hash = hash_combine(hash, nulls[k] ? 0 : ledger_key_hash(&state->keys[k], keys_of(group)[k]));
	group->hash = hash;
}

/* ---- Look-up ---- */

/* The group of the keys in the probe, or other_pass. */
static LedgerGroup *
find_group(LedgerAggregateState *state)
{
	LedgerGroups *groups = state->groups;
	LedgerGroup *probe = groups->probe;
	LedgerGroup *group;
	Entry	   *entry;
	bool		found;
	MemoryContext oldcontext;

	hash_keys(state, probe);
	if (probe->hash < state->pass.low || probe->hash >= state->pass.high)
		return &other_pass;
	entry = groups_insert_hash(groups->table, probe, probe->hash, &found);
	if (found)
		return entry->group;

	group = make_group(state);
	memcpy(group, probe, state->states_offset);
	oldcontext = MemoryContextSwitchTo(state->aggcontext->ecxt_per_tuple_memory);
	for (int k = 0; k < state->nkeys; k++)
		if (!state->keys[k].typbyval && !nulls_of(state, group)[k])
			keys_of(group)[k] = datumCopy(keys_of(group)[k], false, state->keys[k].typlen);
	MemoryContextSwitchTo(oldcontext);
	entry->group = group;
	return group;
}

/* ---- Codes ---- */

/* How many codes a key has in the segment at hand, NULL's included; 0 if there are none. */
static uint32
count_codes(LedgerAggregateState *state, LedgerKey *key)
{
	LedgerSegmentReader *reader = state->segment;
	Relation	rel = state->fs.rel;
	Datum		value;
	bool		isnull;
	bool		unknown;
	bool		single;
	uint32		n;
	MemoryContext oldcontext;

	key->read = state->inputs[key->input].read;
	if (key->read == NULL)
		return 0;
	oldcontext = MemoryContextSwitchTo(state->segment_context);
	single = ledger_input_is_single(key->read, reader, rel, false, &value, &isnull, &unknown);
	MemoryContextSwitchTo(oldcontext);
	if (single)
		return isnull ? 1 : 0;
	return ledger_input_distinct(key->read, reader, rel, &n) && n <= COMBINATIONS_MAX ? n + 1 : 0;
}

/* Make the segment's map, if the keys have codes and there are not too many. */
static void
make_map(LedgerAggregateState *state)
{
	uint64		combinations = 1;

	state->groups->mapped = true;
	for (int k = 0; k < state->nkeys; k++)
	{
		LedgerKey  *key = &state->keys[k];

		key->ncodes = count_codes(state, key);
		combinations *= key->ncodes;
		if (combinations == 0 || combinations > COMBINATIONS_MAX ||
			combinations > (uint64) ledger_reader_root(state->segment)->nrows * COMBINATIONS_A_ROW)
			return;
	}
	state->groups->map = MemoryContextAllocZero(state->segment_context,
												combinations * sizeof(LedgerGroup *));
}

/* ---- Values ---- */

/* Has the row the keys in the probe, bit by bit?  If not, put them there. */
static bool
probe_row(LedgerAggregateState *state, LedgerAggregateInput **inputs, int row)
{
	Datum	   *keys = keys_of(state->groups->probe);
	bool	   *nulls = nulls_of(state, state->groups->probe);
	bool		same = true;

	for (int k = 0; k < state->nkeys; k++)
	{
		bool		isnull = inputs[k]->isnull[row];
		Datum		value = isnull ? (Datum) 0 : inputs[k]->values[row];

		same &= isnull == nulls[k] && value == keys[k];
		keys[k] = value;
		nulls[k] = isnull;
	}
	return same;
}

static void
find_by_values(LedgerAggregateState *state, const uint16 *rows, int n)
{
	LedgerAggregateInput *inputs[MaxTupleAttributeNumber];
	LedgerGroup *group = NULL;
	MemoryContext oldcontext;

	for (int k = 0; k < state->nkeys; k++)
		inputs[k] = ledger_aggregate_load(state, state->keys[k].input, rows, n);
	oldcontext = MemoryContextSwitchTo(state->batch_context);
	for (int i = 0; i < n; i++)
	{
		if (!probe_row(state, inputs, rows[i]) || group == NULL)
			group = find_group(state);
		state->of_row[rows[i]] = group;
	}
	MemoryContextSwitchTo(oldcontext);
}

/* ---- Rows by codes ---- */

/* The value of a code; false if it might be an error to have it. */
static bool
get_value(LedgerAggregateState *state, LedgerKey *key, uint32 code, Datum *value, bool *isnull)
{
	bool		unknown = false;

	*value = (Datum) 0;
	*isnull = code == key->ncodes - 1;
	if (*isnull)
		return true;
	ledger_input_distinct_values(key->read, state->segment, state->fs.rel, code, 1,
								 value, isnull, &unknown);
	if (*isnull)
		*value = (Datum) 0;
	return !unknown;
}

/*
 * The group of a combination of codes that has not been met in the segment; NULL
 * if that is to be found by the row's values.
 */
static LedgerGroup *
find_combination(LedgerAggregateState *state, uint32 combination)
{
	LedgerGroup *probe = state->groups->probe;
	MemoryContext oldcontext = MemoryContextSwitchTo(state->batch_context);
	LedgerGroup *group = NULL;
	bool		known = true;
	uint32		rest = combination;

	for (int k = state->nkeys - 1; k >= 0; k--)
	{
		LedgerKey  *key = &state->keys[k];

		known &= get_value(state, key, rest % key->ncodes, &keys_of(probe)[k],
						   &nulls_of(state, probe)[k]);
		rest /= key->ncodes;
	}
	if (known)
		group = state->groups->map[combination] = find_group(state);
	MemoryContextSwitchTo(oldcontext);
	return group;
}

/* The codes of a key, NULL's being the last; "other" is set for rows that have none. */
static void
read_codes(LedgerAggregateState *state, LedgerKey *key, int first, int count, uint32 *codes,
		   bool *other)
{
	LedgerBatch *batch = state->fs.scan->batch;
	uint32		last = key->ncodes - 1;

	if (last == 0)
	{
		memset(codes, 0, count * sizeof(uint32));
		return;
	}
	ledger_input_codes(key->read, batch, first, count, codes);
	for (int i = 0; i < count && key->read->kind != LEDGER_INPUT_COLUMN; i++)
		other[i] |= codes[i] == LEDGER_CODE_OTHER;
	for (int i = 0; i < count; i++)
		codes[i] = Min(codes[i], last);
}

static void
find_by_codes(LedgerAggregateState *state, const uint16 *rows, int n)
{
	LedgerGroup **map = state->groups->map;
	uint32		combined[LEDGER_VECTOR_ROWS];
	uint32		codes[LEDGER_VECTOR_ROWS];
	bool		other[LEDGER_VECTOR_ROWS];
	uint16		left[LEDGER_VECTOR_ROWS];
	int			nleft = 0;
	int			first = rows[0];
	int			count = rows[n - 1] - first + 1;

	memset(other, false, count);
	read_codes(state, &state->keys[0], first, count, combined, other);
	for (int k = 1; k < state->nkeys; k++)
	{
		uint32		ncodes = state->keys[k].ncodes;

		read_codes(state, &state->keys[k], first, count, codes, other);
		for (int i = 0; i < count; i++)
			combined[i] = combined[i] * ncodes + codes[i];
	}
	for (int i = 0; i < n; i++)
	{
		int			row = rows[i] - first;
		LedgerGroup *group = other[row] ? NULL : map[combined[row]];

		/* groups come to be in the order of rows: one shows the keys of its first row */
		if (group == NULL && !other[row] && nleft == 0)
			group = find_combination(state, combined[row]);
		if (group == NULL)
			left[nleft++] = rows[i];
		state->of_row[rows[i]] = group;
	}
	if (nleft > 0)
	{
		/* others than these rows may be asked for, later */
		for (int k = 0; k < state->nkeys; k++)
			(void) ledger_aggregate_load(state, state->keys[k].input, rows, n);
		find_by_values(state, left, nleft);
		for (int i = 0; i < nleft; i++)
			if (!other[left[i] - first])
				map[combined[left[i] - first]] = state->of_row[left[i]];
	}
}

/*
 * Find the groups of the batch's rows, state->of_row[].  Rows that are of
 * another pass are taken off the list; returns how many are left.
 */
int
ledger_groups_find(LedgerAggregateState *state, uint16 *rows, int n)
{
	int			kept = 0;

	if (state->nkeys == 0)
	{
		for (int i = 0; i < n; i++)
			state->of_row[rows[i]] = state->single;
		return n;
	}
	if (state->fs.scan->batch->page == NULL && !state->groups->mapped)
		make_map(state);
	if (state->fs.scan->batch->page == NULL && state->groups->map != NULL)
		find_by_codes(state, rows, n);
	else
		find_by_values(state, rows, n);
	if (state->pass.low == 0 && state->pass.high > PG_UINT32_MAX)
		return n;
	for (int i = 0; i < n; i++)
	{
		rows[kept] = rows[i];
		kept += state->of_row[rows[i]] != &other_pass;
	}
	return kept;
}

/* ---- What there is ---- */

Size
ledger_groups_memory(const LedgerAggregateState *state)
{
	return MemoryContextMemAllocated(state->aggcontext->ecxt_per_tuple_memory, true) +
		MemoryContextMemAllocated(state->groups->context, true);
}

uint64
ledger_groups_count(const LedgerAggregateState *state)
{
	return state->nkeys == 0 ? 1 : state->groups->table->members;
}

/* The next group to be given; NULL if there is none left. */
LedgerGroup *
ledger_groups_next(LedgerAggregateState *state)
{
	LedgerGroups *groups = state->groups;
	Entry	   *entry;

	if (state->nkeys == 0)
	{
		bool		given = groups->begun;

		groups->begun = true;
		return given ? NULL : state->single;
	}
	if (!groups->begun)
	{
		groups_start_iterate(groups->table, &groups->iterator);
		groups->begun = true;
	}
	entry = groups_iterate(groups->table, &groups->iterator);
	return entry != NULL ? entry->group : NULL;
}

Datum
ledger_group_key(const LedgerAggregateState *state, LedgerGroup *group, int key, bool *isnull)
{
	*isnull = nulls_of(state, group)[key];
	return keys_of(group)[key];
}
