/*-------------------------------------------------------------------------
 *
 * agg_distinct.c
 *	  Aggregates of distinct values, such as count(DISTINCT x).
 *
 * The values that groups have had so far are in a hash table, one for each such
 * aggregate, and rows that have none that is new are left out when it is
 * advanced.  That is for aggregates that do not depend on the order of rows.
 *
 * If the tables take too much memory, the node takes its rows again and again,
 * each time with values of a part of the hash values only: see agg_node.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "exec/aggregate.h"
#include "nodes/nodeFuncs.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

typedef struct SeenKey
{
	LedgerGroup *group;
	Datum		value;
} SeenKey;

typedef struct Seen
{
	SeenKey		key;
	uint32		hash;
	char		status;
} Seen;

static inline bool
equal_seen(LedgerKey *key, SeenKey a, SeenKey b)
{
	return a.group == b.group && ledger_key_equal(key, a.value, b.value);
}

#define SH_PREFIX seen
#define SH_ELEMENT_TYPE Seen
#define SH_KEY_TYPE SeenKey
#define SH_KEY key
#define SH_HASH_KEY(tb, key) (pg_unreachable(), 0)	/* it is always given */
#define SH_EQUAL(tb, a, b) equal_seen((tb)->private_data, a, b)
#define SH_SCOPE static inline
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) ((a)->hash)
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

#define FIRST_SIZE		256

/* However little memory there is, so many values are taken in a pass. */
#define PASS_VALUES_MIN	2048

struct LedgerDistinct
{
	LedgerKey	key;
	seen_hash  *table;
};

/* ---- The planner ---- */

static SortGroupClause *
distinct_clause(const Aggref *aggref)
{
	return linitial_node(SortGroupClause, aggref->aggdistinct);
}

/* Can we advance the aggregate by distinct values? */
bool
ledger_distinct_possible(const Aggref *aggref, Oid transfn)
{
	Expr	   *arg;
	Oid			eqop;

	if (list_length(aggref->aggdistinct) != 1 || list_length(aggref->args) != 1 ||
		ledger_kernel_of(aggref->aggfnoid, transfn) == &ledger_call_kernel)
		return false;
	eqop = distinct_clause(aggref)->eqop;
	if (!OidIsValid(eqop) || !distinct_clause(aggref)->hashable)
		return false;
	switch (transfn)
	{
		case F_INT8INC_ANY:
			return true;
		case F_INT2_SUM:
		case F_INT4_SUM:
		case F_INT2_AVG_ACCUM:
		case F_INT4_AVG_ACCUM:
		case F_INT8_AVG_ACCUM:
			/* what is equal is the same, and an integer */
			arg = linitial_node(TargetEntry, aggref->args)->expr;
			return ledger_key_kind(get_opcode(eqop), exprCollation((Node *) arg), true) ==
				LEDGER_KEY_WORD;
		default:
			return false;
	}
}

/* The memory that the values will take, by the planner's estimate. */
double
ledger_distinct_size(PlannerInfo *root, List *keys, const Aggref *aggref, double rows)
{
	Expr	   *arg = linitial_node(TargetEntry, aggref->args)->expr;
	int32		width = get_typavgwidth(exprType((Node *) arg), exprTypmod((Node *) arg));

	return ledger_estimate_groups(root, lappend(list_copy(keys), arg), rows) *
		(2 * sizeof(Seen) + width);
}

/* ---- The executor ---- */

/* Get ready, if the aggregate has DISTINCT; its inputs are there. */
void
ledger_distinct_init(LedgerAggregateState *state, LedgerAggregateCall *call)
{
	LedgerDistinct *distinct;

	if (call->aggref->aggdistinct == NIL)
		return;
	if (state->distinct_context == NULL)
		state->distinct_context = AllocSetContextCreate(CurrentMemoryContext,
														"ledger distinct values",
														ALLOCSET_DEFAULT_SIZES);
	distinct = palloc0(sizeof(LedgerDistinct));
	ledger_key_init(&distinct->key, linitial_node(TargetEntry, call->aggref->args)->expr,
					distinct_clause(call->aggref)->eqop);
	call->distinct = distinct;
}

/* Forget all values. */
void
ledger_distinct_reset(LedgerAggregateState *state)
{
	if (state->distinct_context == NULL)
		return;
	MemoryContextReset(state->distinct_context);
	for (int i = 0; i < state->ncalls; i++)
	{
		LedgerDistinct *distinct = state->calls[i].distinct;

		if (distinct != NULL)
			distinct->table = seen_create(state->distinct_context, FIRST_SIZE, &distinct->key);
	}
}

Size
ledger_distinct_memory(const LedgerAggregateState *state)
{
	return state->distinct_context == NULL ? 0 :
		MemoryContextMemAllocated(state->distinct_context, true);
}

/*
 * Do the values take more than "limit", and are they more than a pass should have at
 * least?  Then "nvalues" is how many one call has seen, and "rows" of how many rows.
 */
bool
ledger_distinct_too_many(const LedgerAggregateState *state, Size limit, double *nvalues,
						 double *rows)
{
	uint64		n = 0;
	int			ncalls = 0;

	if (ledger_distinct_memory(state) <= limit)
		return false;
	for (int i = 0; i < state->ncalls; i++)
		if (state->calls[i].distinct != NULL)
		{
			n += state->calls[i].distinct->table->members;
			ncalls++;
		}
	if (n <= PASS_VALUES_MIN)
		return false;
	*nvalues = (double) n / ncalls;
	/* of which this pass looks at the values of a part */
	*rows = state->rows * ((double) (state->values.high - state->values.low) / LEDGER_ALL_HASHES);
	return true;
}

/* Is the value one that this pass is about, and new in its group? */
static bool
is_new(LedgerAggregateState *state, LedgerDistinct *distinct, SeenKey key)
{
	uint32		hash = ledger_key_hash(&distinct->key, key.value);
	Seen	   *entry;
	bool		found;

	if (hash < state->values.low || hash >= state->values.high)
		return false;
	hash = hash_combine(hash, murmurhash32((uint32) ((uintptr_t) key.group >> 3)));
	entry = seen_insert_hash(distinct->table, key, hash, &found);
	if (!found && !distinct->key.typbyval)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(state->distinct_context);

		entry->key.value = datumCopy(key.value, false, distinct->key.typlen);
		MemoryContextSwitchTo(oldcontext);
	}
	return !found;
}

/* The rows that the aggregate is to be advanced by; returns how many. */
int
ledger_distinct_rows(LedgerAggregateState *state, LedgerAggregateCall *call,
					 const uint16 *rows, int n, uint16 *kept)
{
	const LedgerAggregateInput *in = &state->inputs[call->args[0]];
	MemoryContext oldcontext = MemoryContextSwitchTo(state->batch_context);
	SeenKey		last = {NULL, (Datum) 0};
	int			nkept = 0;

	for (int i = 0; i < n; i++)
	{
		uint16		row = rows[i];
		SeenKey		key = {state->of_row[row], in->values[row]};

		if (in->isnull[row] || (key.group == last.group && key.value == last.value))
			continue;
		last = key;
		if (is_new(state, call->distinct, key))
			kept[nkept++] = row;
	}
	MemoryContextSwitchTo(oldcontext);
	return nkept;
}
