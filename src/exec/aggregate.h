/*-------------------------------------------------------------------------
 *
 * aggregate.h
 *	  What the files of LedgerAggregate share: agg_*.c.
 *
 * Rows are taken batch by batch.  First each row's group is found, then each
 * aggregate is advanced over the batch, in the order of the rows: so that what
 * depends on that order, as sums of floats, comes out as it would row by row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_AGGREGATE_H
#define LEDGER_AGGREGATE_H

#include "postgres.h"

#include "exec/exec_internal.h"
#include "executor/nodeAgg.h"
#include "fmgr.h"

/* ---- agg_plan.c: the planner ---- */

/* What an aggregation is made of. */
typedef struct LedgerAggregation
{
	List	   *keys;			/* expressions */
	List	   *operators;		/* OIDs of the keys' equality */
	List	   *aggs;			/* Aggrefs */
	AggSplit	split;
	List	   *having;			/* of AGGSPLIT_SIMPLE only */
} LedgerAggregation;

/* The query's aggregation, in the planner. */
typedef struct LedgerGrouping
{
	PlannerInfo *root;
	RelOptInfo *input;
	RelOptInfo *output;
	List	   *clauses;		/* GROUP BY, as SortGroupClauses */
	List	   *having;
	PathTarget *target;			/* of the finished groups */
	PathTarget *partial;		/* of partial ones, or NULL: these cannot be */
	double		ngroups;
	double		most_groups;	/* there may be, for want of statistics */
	AggClauseCosts costs;
	AggClauseCosts partial_costs;
	AggClauseCosts final_costs;
} LedgerGrouping;

extern CustomScanMethods ledger_aggregate_methods;
extern void ledger_aggregate_plan_init(void);
extern List *ledger_grouping_keys(const LedgerGrouping *grouping, PathTarget *target);
extern bool ledger_aggregation_of(const LedgerGrouping *grouping, RelOptInfo *rel,
								  PathTarget *target, List *having, AggSplit split,
								  LedgerAggregation *aggregation);
extern Path *ledger_aggregate_path(const LedgerGrouping *grouping, RelOptInfo *rel,
								   PathTarget *target, List *having, AggSplit split,
								   int workers);
extern bool ledger_groups_fit(const LedgerGrouping *grouping, PathTarget *target,
							  double ngroups);

/* agg_append.c: partitioned tables */
extern void ledger_aggregate_partitions(const LedgerGrouping *grouping);
extern void ledger_finish_groups(const LedgerGrouping *grouping, Path *path);

/* agg_cost.c */
extern double ledger_estimate_groups(PlannerInfo *root, List *keys, double rows);
extern double ledger_most_groups(PlannerInfo *root, List *keys, double rows, bool trusting);
extern Oid	ledger_transition_function(Oid aggregate);
extern void ledger_aggregate_cost(const LedgerGrouping *grouping, RelOptInfo *rel,
								  const LedgerSize *size, Path *path,
								  const LedgerAggregation *aggregation, double ngroups);

/* ---- agg_input.c: values ---- */

typedef struct LedgerAggregateState LedgerAggregateState;

/* The values of an expression, for rows of the batch at hand. */
typedef struct LedgerAggregateInput
{
	Expr	   *expr;
	AttrNumber	attnum;			/* of a plain column, else 0 */
	ExprState  *state;			/* of others */
	LedgerFilterInput *read;	/* how segments are read, for columns and paths; or NULL */
	struct LedgerBucket *bucket;	/* of those that cut time into pieces, or NULL */
	int16		typlen;
	bool		typbyval;
	int			filter;			/* evaluated for its rows only; -1: for all */
	bool		wants_values;	/* not just whether they are NULL */
	bool		loaded;
	const Datum *values;		/* by row of the batch */
	const bool *isnull;
	Datum	   *own_values;
	bool	   *own_isnull;
} LedgerAggregateInput;

extern int	ledger_aggregate_add_input(LedgerAggregateState *state, Expr *expr, int filter,
									   bool wants_values);
extern void ledger_aggregate_begin_inputs(LedgerAggregateState *state);
extern void ledger_aggregate_new_batch(LedgerAggregateState *state);
extern LedgerAggregateInput *ledger_aggregate_load(LedgerAggregateState *state, int input,
												   const uint16 *rows, int n);
extern int	ledger_aggregate_match(LedgerAggregateState *state, ExprState *qual,
								   uint16 *rows, int n);

/* ---- agg_bucket.c: date_trunc, date_bin ---- */

/*
 * A function of a time, whose last result is known to be that of all times
 * from low to high (exclusive).
 */
typedef struct LedgerBucket
{
	int			input;			/* the time */
	struct pg_tz *zone;			/* NULL: no time zone matters */
	bool		session_zone;	/* it is the session's */
	int64		length;			/* of what has the same result, about */
	int64		width;			/* of a piece within which it is surely one */
	bool		by_origin;		/* pieces are counted from the result (date_bin) */
	bool		valid;
	int64		low;
	int64		high;
	Datum		result;
} LedgerBucket;

extern bool ledger_bucket_init(LedgerBucket *bucket, Expr *expr, Var **time);
extern LedgerBucket *ledger_bucket_of(LedgerAggregateState *state, Expr *expr, int filter);
extern void ledger_bucket_set(LedgerBucket *bucket, int64 time, Datum result);
extern void ledger_bucket_check(LedgerBucket *bucket);

/* ---- agg_kernel.c, agg_call.c: transition values ---- */

typedef struct LedgerGroup LedgerGroup;
typedef struct LedgerAggregateCall LedgerAggregateCall;

/*
 * How an aggregate's transition value is kept and advanced.  "groups" has the
 * group of each row, by row of the batch.
 */
typedef struct LedgerKernel
{
	Size		size;			/* of the state, which begins as zeros */
	void		(*advance) (LedgerAggregateState *state, LedgerAggregateCall *call,
							LedgerGroup **groups, const uint16 *rows, int n);
	/* the transition value as core's functions know it */
	Datum		(*value) (LedgerAggregateState *state, LedgerAggregateCall *call,
						  char *own, bool *isnull);
	Oid			combine;		/* core's function to join two of these, if "value" needs it */
} LedgerKernel;

/* What zone maps can tell of an aggregate. */
typedef enum LedgerAnswerKind
{
	LEDGER_ANSWER_NONE,
	LEDGER_ANSWER_ROWS,			/* count(*) */
	LEDGER_ANSWER_VALUES,		/* count of a column */
	LEDGER_ANSWER_MIN,			/* of a column */
	LEDGER_ANSWER_MAX
} LedgerAnswerKind;

struct LedgerAggregateCall
{
	Aggref	   *aggref;
	const LedgerKernel *kernel;
	Size		offset;			/* of its state in a group */
	int			nargs;
	int		   *args;			/* inputs */
	int			filter;			/* index in the state's filters, or -1 */
	struct LedgerDistinct *distinct;	/* or NULL */
	LedgerAnswerKind answer;

	/* of the input, for kernels */
	Oid			argtype;

	/* core's functions */
	AggStatePerTransData trans;
	AggStatePerAggData final;
	FunctionCallInfo final_call;	/* or NULL */
	FunctionCallInfo combine_call;	/* for kernels that want it */
	int			nfinalargs;
	int16		resultlen;
	bool		resultbyval;
};

extern const LedgerKernel *ledger_kernel_of(Oid aggregate, Oid transfn);
extern LedgerAnswerKind ledger_answer_of(Oid aggregate, Oid transfn);
extern bool ledger_kernel_answer(LedgerAggregateCall *call, char *own, int64 nrows,
								 bool exact, const LedgerZone *zone, bool apply);
extern const LedgerKernel ledger_call_kernel;
extern void ledger_call_init(LedgerAggregateState *state, LedgerAggregateCall *call,
							 Aggref *aggref, AggSplit split);
extern Datum ledger_call_advance(LedgerAggregateCall *call, Datum transition, bool *isnull,
								 Datum value);
extern Datum ledger_call_combine(LedgerAggregateCall *call, Datum transition, bool *isnull,
								 Datum other);
extern Datum ledger_call_repeat(LedgerAggregateCall *call, Datum transition, bool *isnull,
								Datum value, int64 count);
extern Datum ledger_call_result(LedgerAggregateState *state, LedgerAggregateCall *call,
								char *own, bool *isnull);

/* ---- agg_numeric.c: sum, avg of numeric ---- */

#ifdef HAVE_INT128

typedef struct LedgerNumericSum
{
	int64		count;			/* of values in "sum" */
	int128		sum;			/* in units of 10^-16 */
	int			scale;			/* most decimals that one of them shows */
	bool		has_other;
	Datum		other;			/* core's state of all other values */
} LedgerNumericSum;

extern void ledger_numeric_advance(LedgerAggregateState *state, LedgerAggregateCall *call,
								   LedgerGroup **groups, const uint16 *rows, int n);
extern Datum ledger_numeric_value(LedgerAggregateState *state, LedgerAggregateCall *call,
								  char *place, bool *isnull);

#endif							/* HAVE_INT128 */

/* ---- agg_group.c: groups ---- */

struct LedgerGroup
{
	uint32		hash;
	/* then the keys, whether they are NULL, and the aggregates' states */
};

typedef enum LedgerKeyKind
{
	LEDGER_KEY_CALL,			/* by the type's functions */
	LEDGER_KEY_WORD,			/* by-value, equal if its bits are */
	LEDGER_KEY_BYTES			/* by reference, equal if its bytes are */
} LedgerKeyKind;

typedef struct LedgerKey
{
	int			input;
	LedgerKeyKind kind;
	int16		typlen;
	bool		typbyval;
	uint64		mask;			/* KEY_WORD: the bits that count */
	FunctionCallInfo equal;
	FunctionCallInfo hash;
	uint32		ncodes;			/* in the segment at hand; the last is NULL's */
	const LedgerFilterInput *read;	/* whose codes these are */
} LedgerKey;

extern LedgerKeyKind ledger_key_kind(Oid function, Oid collation, bool typbyval);
extern void ledger_key_init(LedgerKey *key, Expr *expr, Oid operator);
extern bool ledger_key_equal(LedgerKey *key, Datum a, Datum b);
extern uint32 ledger_key_hash(LedgerKey *key, Datum value);

typedef struct LedgerGroups LedgerGroups;

extern void ledger_groups_init(LedgerAggregateState *state, List *keys, List *operators);
extern void ledger_groups_reset(LedgerAggregateState *state);
extern void ledger_groups_new_segment(LedgerAggregateState *state);
extern int	ledger_groups_find(LedgerAggregateState *state, uint16 *rows, int n);
extern Size ledger_groups_memory(const LedgerAggregateState *state);
extern LedgerGroup *ledger_groups_next(LedgerAggregateState *state);
extern uint64 ledger_groups_count(const LedgerAggregateState *state);
extern Datum ledger_group_key(const LedgerAggregateState *state, LedgerGroup *group, int key,
							  bool *isnull);

/* ---- agg_distinct.c: aggregates with DISTINCT ---- */

typedef struct LedgerDistinct LedgerDistinct;

extern bool ledger_distinct_possible(const Aggref *aggref, Oid transfn);
extern double ledger_distinct_size(PlannerInfo *root, List *keys, const Aggref *aggref,
								   double rows);
extern void ledger_distinct_init(LedgerAggregateState *state, LedgerAggregateCall *call);
extern void ledger_distinct_reset(LedgerAggregateState *state);
extern Size ledger_distinct_memory(const LedgerAggregateState *state);
extern bool ledger_distinct_too_many(const LedgerAggregateState *state, Size limit,
									 double *nvalues, double *rows);
extern int	ledger_distinct_rows(LedgerAggregateState *state, LedgerAggregateCall *call,
								 const uint16 *rows, int n, uint16 *kept);

/* ---- agg_node.c ---- */

/* A FILTER: a ledger's filter, or an expression. */
typedef struct LedgerAggregateFilter
{
	Expr	   *expr;
	LedgerFilter *filter;
	ExprState  *qual;
	bool		loaded;
	int			nrows;			/* of the batch, which pass */
	uint16		rows[LEDGER_VECTOR_ROWS];
} LedgerAggregateFilter;

/* Groups, or distinct values, are looked for in passes, if memory is not enough for all. */
#define LEDGER_ALL_HASHES	((uint64) PG_UINT32_MAX + 1)

typedef struct LedgerPass
{
	uint64		low;			/* of their hashes */
	uint64		high;			/* exclusive */
	int			number;
} LedgerPass;

struct LedgerAggregateState
{
	CustomScanState css;
	LedgerFilteredScan fs;
	AggSplit	split;
	TupleTableSlot *row_slot;	/* rows of tail pages */
	TupleTableSlot *values_slot;	/* rows of segments, for expressions */

	int			ninputs;
	LedgerAggregateInput *inputs;
	int			nfilters;
	LedgerAggregateFilter *filters;
	int			ncalls;
	LedgerAggregateCall *calls;
	int			nkeys;
	LedgerKey  *keys;
	LedgerGroups *groups;
	LedgerGroup *single;		/* without keys, the one group */
	Size		group_size;
	Size		nulls_offset;
	Size		states_offset;

	/* what core's functions are told: see agg_call.c */
	AggState   *aggstate;
	ExprContext *aggcontext;	/* groups and their states */
	ExprContext *callcontext;	/* what a call leaves behind */
	MemoryContext batch_context;	/* values of the batch at hand */
	MemoryContext segment_context;

	LedgerSegmentReader *segment;	/* at hand, or NULL */
	LedgerGroup *of_row[LEDGER_VECTOR_ROWS];
	bool		emitting;
	bool		done;
	LedgerPass	pass;

	MemoryContext distinct_context; /* values seen; NULL without DISTINCT */
	LedgerPass	values;			/* of distinct values, within a pass of groups */
	bool		again;			/* all else has been aggregated in this pass */
	double		rows;			/* that this pass has aggregated */
	int64		flushes;		/* partial groups that went on for want of memory */
};

extern Node *ledger_aggregate_create_state(CustomScan *cscan);
extern LedgerAggregation *ledger_aggregation_of_plan(CustomScan *plan, List **pushed);

/* ---- agg_meta.c ---- */

extern bool ledger_aggregate_can_answer(const LedgerAggregateState *state);
extern bool ledger_aggregate_answer(void *arg, LedgerSegmentReader *reader, int position,
									int count);

/* ---- agg_explain.c ---- */

extern void ledger_aggregate_explain(CustomScanState *css, List *ancestors,
									 struct ExplainState *es);

#endif							/* LEDGER_AGGREGATE_H */
