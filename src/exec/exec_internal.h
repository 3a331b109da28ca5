/*-------------------------------------------------------------------------
 *
 * exec_internal.h
 *	  What the files of src/exec share; nobody else includes this.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_EXEC_INTERNAL_H
#define LEDGER_EXEC_INTERNAL_H

#include "postgres.h"

#include "exec/exec.h"
#include "nodes/execnodes.h"
#include "nodes/extensible.h"
#include "nodes/pathnodes.h"
#include "port/atomics.h"
#include "read/read_internal.h"

/* ---- input.c: what is read of a row ---- */

typedef enum LedgerInputKind
{
	LEDGER_INPUT_COLUMN,
	LEDGER_INPUT_JSONB,			/* data->'a'->'b' */
	LEDGER_INPUT_TEXT,			/* data->'a'->>'b' */
	LEDGER_INPUT_CAST,			/* (data->'a'->>'b')::int, by the type's input function */
	LEDGER_INPUT_EXISTS			/* (data->'a') ? 'b' */
} LedgerInputKind;

/*
 * What a filter reads: a column of the row, or what keys lead to in one of
 * jsonb.  All that depends on where values come from goes through this.
 */
#define LEDGER_INPUT_KEYS_MAX	16	/* deeper than what is ever taken apart */

typedef struct LedgerFilterInput
{
	LedgerInputKind kind;
	AttrNumber	attnum;
	Oid			typid;			/* as the operator takes it */
	int16		typlen;			/* of the values */
	bool		typbyval;
	Oid			cast;			/* CAST: the type whose function it is */
	int			nkeys;
	const LedgerPathKey *keys;
	Expr	   *path;			/* what the keys lead to; of EXISTS, whether they do; NULL: leaf */
	struct LedgerInputState *state; /* executor; of paths */
} LedgerFilterInput;

typedef struct LedgerInputState LedgerInputState;

/* Values by row of a batch. */
typedef struct LedgerInputValues
{
	const Datum *values;
	const bool *isnull;
	const bool *unknown;		/* no value: the cast might be an error; NULL: none is */
} LedgerInputValues;

extern bool ledger_input_of_expr(Node *expr, Index relid, LedgerFilterInput *input);

/* ---- input_read.c: its values ---- */

extern void ledger_input_begin(LedgerFilterInput *input, PlanState *parent);
extern Datum ledger_input_of_slot(const LedgerFilterInput *input, TupleTableSlot *slot,
								  bool or_fail, bool *isnull, bool *unknown);
extern bool ledger_input_is_single(const LedgerFilterInput *input, LedgerSegmentReader *reader,
								   Relation rel, bool or_fail, Datum *value, bool *isnull,
								   bool *unknown);
extern void ledger_input_values(const LedgerFilterInput *input, LedgerBatch *batch,
								TupleDesc desc, const uint16 *rows, int nrows, bool or_fail,
								LedgerInputValues *values);
extern const bool *ledger_input_nulls(const LedgerFilterInput *input, LedgerBatch *batch,
									  TupleDesc desc, const uint16 *rows, int nrows);
extern Datum ledger_input_of_text(const LedgerFilterInput *input, Datum text, bool *unknown);
extern bool ledger_input_has_chunk(const LedgerFilterInput *input,
								   LedgerSegmentReader *reader, Relation rel);
extern LedgerChunk *ledger_input_chunk(const LedgerFilterInput *input,
									   LedgerSegmentReader *reader, Relation rel);
extern LedgerPath *ledger_input_path(const LedgerFilterInput *input,
									 LedgerSegmentReader *reader, Relation rel);
extern bool ledger_input_distinct(const LedgerFilterInput *input, LedgerSegmentReader *reader,
								  Relation rel, uint32 *n);
extern void ledger_input_distinct_values(const LedgerFilterInput *input,
										 LedgerSegmentReader *reader, Relation rel,
										 uint32 first, uint32 count,
										 Datum *values, bool *isnull, bool *unknown);
extern void ledger_input_codes(const LedgerFilterInput *input, LedgerBatch *batch,
							   int first, int count, uint32 *codes);
extern bool ledger_input_may_have_token(const LedgerFilterInput *input,
										LedgerSegmentReader *reader, Relation rel,
										const char *token, Size len);

/* ---- cast.c: texts as values of other types ---- */

typedef struct LedgerCast
{
	Oid			type;
	FmgrInfo	function;		/* the type's input function */
	Oid			ioparam;
} LedgerCast;

extern bool ledger_cast_is_known(Oid type);
extern bool ledger_cast_takes_numbers(Oid type);
extern bool ledger_integer_datum(Oid type, int64 number, Datum *value);
extern bool ledger_cast_text(const LedgerCast *cast, Datum text, Datum *value);
extern Datum ledger_cast_text_or_fail(const LedgerCast *cast, Datum text);
extern bool ledger_cast_number(const LedgerCast *cast, int64 number, int scale, Datum *value);

/* ---- filter.c: what a clause comes to ---- */

typedef enum LedgerFilterKind
{
	LEDGER_FILTER_COMPARE,		/* input operator constant */
	LEDGER_FILTER_ANY,			/* input = ANY (array) */
	LEDGER_FILTER_NULL,			/* IS NULL; negated: IS NOT NULL */
	LEDGER_FILTER_BOOL,			/* a boolean; negated: NOT */
	LEDGER_FILTER_CONTAINS,		/* jsonb @> constant: see contains.c */
	LEDGER_FILTER_AND,
	LEDGER_FILTER_OR
} LedgerFilterKind;

/* How values are compared. */
typedef enum LedgerMethod
{
	LEDGER_METHOD_CALL,			/* by the operator's function */
	LEDGER_METHOD_INTEGER,		/* as int64 */
	LEDGER_METHOD_FLOAT,		/* as float8 */
	LEDGER_METHOD_BYTES			/* equality, of bytes */
} LedgerMethod;

/* Beside btree's strategies */
#define LEDGER_STRATEGY_NONE		0
#define LEDGER_STRATEGY_NOT_EQUAL	(BTMaxStrategyNumber + 1)

/* What can be said of a vector without looking at its rows; AND is the least. */
typedef enum LedgerTruth
{
	LEDGER_TRUTH_NONE,			/* no row passes */
	LEDGER_TRUTH_SOME,			/* nobody knows */
	LEDGER_TRUTH_ALL			/* every row passes */
} LedgerTruth;

static inline bool
ledger_is_within(int64 number, int64 limit)
{
	return number >= -limit && number <= limit;
}

#define LEDGER_VECTORS_MAX	(LEDGER_SEGMENT_ROWS / LEDGER_VECTOR_ROWS)

/* The constants of a comparison, as they are in this (re)scan. */
typedef struct LedgerConstants
{
	bool		never;			/* one is NULL: no row passes */
	int			n;				/* ANY: number of elements */
	Datum	   *values;
	int64	   *integers;		/* METHOD_INTEGER: sorted for ANY */
	double	   *floats;			/* METHOD_FLOAT: likewise */
	struct LedgerString *strings;	/* METHOD_BYTES: sorted for ANY */
	struct values_hash *table;	/* METHOD_CALL: of many values; or NULL */
	uint64	   *hashes;			/* for the chunk's filter; made on demand */
	Oid			hashed_for;		/* type of the chunks that they are for */
	const char *prefix;			/* LIKE: what values begin with, or NULL */
	int			prefix_len;
	bool		fails;			/* the operator might raise an error for it */
	struct LedgerWords *words;	/* what values that pass have, or NULL; see words.c */
} LedgerConstants;

typedef struct LedgerString
{
	const char *data;
	Size		len;
} LedgerString;

typedef struct LedgerFilter
{
	LedgerFilterKind kind;
	int			nargs;			/* AND, OR; of CONTAINS, its leaves once they are known */
	struct LedgerFilter **args;

	LedgerFilterInput input;	/* of the others */
	bool		negate;
	Oid			opno;
	Oid			opfamily;		/* the input type's default one, or none */
	int			strategy;
	Oid			collation;
	Oid			righttype;		/* of the constant, or the array's elements */
	Expr	   *clause;
	Expr	   *constant;
	LedgerMethod method;
	bool		by_bytes;		/* equality of the operator is that of bytes */
	bool		ordered_cuts;	/* its order is that of LedgerCutZone */
	bool		is_like;		/* the constant is a pattern for LIKE */
	bool		is_search;		/* that, or one for ILIKE, ~ or ~* */
	bool		is_token;		/* ledger.has_token(): there is no operator */
	bool		cannot_fail;	/* so it may see values of rows nobody sees */
	bool		doubts;			/* rows may pass in doubt: see LedgerDoubt */

	/* executor */
	ExprState  *state;			/* of the constant */
	FunctionCallInfo call;		/* the operator's */
	FunctionCallInfo hash;		/* for ANY by the operator's function, or NULL */
	FunctionCallInfo less_equal;	/* of "=" and "<>", for zones of whole values */
	FunctionCallInfo greater_equal;
	LedgerConstants constants;
	bool		exact;			/* CONTAINS: if all leaves are there, so is the whole */

	/* of the segment at hand, by vector */
	bool		by_leaves;		/* CONTAINS: leaves can be asked */
	uint8		truth[LEDGER_VECTORS_MAX];
	bool		by_bloom;		/* that none passes is the Bloom filter's word */
	bool		by_codes;		/* or that of the dictionary's values */
	uint8	   *known;			/* by code, what is known; NULL: codes are not used */
	bool		has_single;		/* this code passes, and no other */
	uint32		single;
	struct LedgerTemplates *templates;	/* what those of log lines tell, or NULL */
} LedgerFilter;

extern bool ledger_is_deterministic(Oid collation);
extern LedgerFilter *ledger_filter_of_clause(Node *clause, Index relid);
extern void ledger_filter_begin(LedgerFilter *filter, PlanState *parent);
extern FunctionCallInfo ledger_make_call(Oid function, Oid collation, int nargs);

/* ---- constant.c ---- */

extern void ledger_filter_set_constants(LedgerFilter *filter, ExprContext *econtext,
										MemoryContext context);
extern bool ledger_pattern_is_good(const LedgerFilter *filter, Datum value);
extern int64 ledger_integer_of(Oid type, Datum value);
extern int	ledger_integer_compare(const void *a, const void *b);
extern int	ledger_float_compare(const void *a, const void *b);
extern int	ledger_string_compare(const void *a, const void *b);
extern LedgerString ledger_string_of(const LedgerFilterInput *input, Datum value);

/* ---- match.c: rows ---- */

/*
 * Rows that a filter lets through as it cannot tell, since to find out might be
 * an error.  Of these, the filters' clauses are to be evaluated as they stand,
 * in their turn among the plan's.
 */
typedef struct LedgerDoubt
{
	bool		any;
	bool		rows[LEDGER_VECTOR_ROWS];	/* of the batch; if "any" */
} LedgerDoubt;

/* Where rows' values are: those of a segment's batch, or of one row in a slot. */
typedef struct LedgerFilterRows
{
	TupleDesc	desc;
	LedgerBatch *batch;			/* of a segment, or */
	TupleTableSlot *slot;
	LedgerDoubt *doubt;
} LedgerFilterRows;

extern int	ledger_filter_match(LedgerFilter *filter, const LedgerFilterRows *source,
								uint16 *rows, int nrows);
extern int	ledger_filter_match_values(LedgerFilter *filter, const LedgerInputValues *values,
									   LedgerDoubt *doubt, uint16 *rows, int n);
extern int	ledger_filter_match_read(LedgerFilter *filter, const LedgerFilterRows *source,
									 uint16 *rows, int n);
extern void ledger_doubt_row(LedgerDoubt *doubt, int row);
extern bool ledger_filter_match_one(LedgerFilter *filter, Datum value, bool isnull);

/*
 * May the filter be tried on a value that perhaps no row has?  Not if that may be an
 * error.
 */
static inline bool
ledger_filter_may_try(const LedgerFilter *filter, bool isnull)
{
	return isnull || filter->cannot_fail || filter->kind == LEDGER_FILTER_NULL;
}

extern bool ledger_operator_holds(FunctionCallInfo call, Datum left, Datum right);
extern void ledger_filter_make_table(LedgerFilter *filter);

/* ---- skip.c: vectors ---- */

extern void ledger_filter_judge(LedgerFilter *filter, LedgerSegmentReader *reader,
								Relation rel);
extern void ledger_filter_join_truths(LedgerFilter *filter);

/* A column, or sub-column, of the segment at hand. */
typedef struct LedgerJudgedChunk
{
	LedgerChunk *chunk;
	Oid			typid;
	Oid			collation;
	int			nrows;
	int			nvectors;
} LedgerJudgedChunk;

extern void ledger_filter_judge_chunk(LedgerFilter *filter, const LedgerJudgedChunk *chunk);
extern bool ledger_filter_may_be_in_page(LedgerFilter *filter, const LedgerPageColumn *column);
extern LedgerTruth ledger_filter_judge_zone(LedgerFilter *filter, const LedgerZone *zone);
extern int	ledger_filter_possible_constants(LedgerFilter *filter, LedgerSegmentReader *reader,
											 Relation rel, uint32 *numbers);
extern void ledger_filter_set_all(LedgerFilter *filter, LedgerTruth truth);

/* ---- skip_path.c: likewise, of paths ---- */

extern void ledger_filter_judge_path(LedgerFilter *filter, LedgerPath *path,
									 LedgerSegmentReader *reader, Relation rel);

/* ---- contains.c: jsonb that has what an object has ---- */

extern void ledger_contains_set(LedgerFilter *filter);
extern void ledger_contains_judge(LedgerFilter *filter, LedgerSegmentReader *reader,
								  Relation rel);
extern int	ledger_contains_match(LedgerFilter *filter, const LedgerFilterRows *source,
								  uint16 *rows, int n);

/* ---- codes.c: codes of dictionaries ---- */

extern void ledger_filter_forget_codes(LedgerFilter *filter);
extern void ledger_filter_prepare_codes(LedgerFilter *filter, LedgerSegmentReader *reader,
										Relation rel, const bool *wanted,
										MemoryContext context);
extern int	ledger_filter_match_codes(LedgerFilter *filter, const LedgerFilterRows *source,
									  uint16 *rows, int n);

extern int	ledger_merge_rows(uint16 *rows, int n, const uint16 *others, int nothers);

/* ---- words.c: LIKE and other searches ---- */

typedef struct LedgerWords LedgerWords;
typedef struct LedgerTemplates LedgerTemplates;

extern bool ledger_is_has_token(Oid function);
extern LedgerWords *ledger_words_of(const LedgerFilter *filter);
extern int	ledger_words_match(LedgerFilter *filter, const Datum *values, const bool *isnull,
							   uint16 *rows, int n);
extern bool ledger_words_may_be_in(const LedgerFilter *filter, LedgerChunk *chunk);
extern void ledger_words_judge_templates(LedgerFilter *filter, LedgerSegmentReader *reader,
										 Relation rel, int nrows, MemoryContext context);
extern int	ledger_words_match_templates(const LedgerFilter *filter, const LedgerBatch *batch,
										 uint16 *rows, int n, uint16 *unknown, int *nunknown);

/* ---- cost.c ---- */

/* What the planner is to know of a ledger. */
typedef struct LedgerSize
{
	Oid			relid;
	double		segments;
	double		tail_part;		/* of the rows, those in row format */
} LedgerSize;

extern void ledger_scan_cost(PlannerInfo *root, RelOptInfo *rel, const LedgerSize *size,
							 Path *path, List *pushed, List *others);
extern void ledger_read_cost(PlannerInfo *root, RelOptInfo *rel, const LedgerSize *size,
							 List *exprs, List *pushed, Cost *disk, Cost *tail, Cost *sealed);
extern double ledger_parallel_divisor(int workers);
extern double ledger_workers_cost(PlannerInfo *root, RelOptInfo *rel);
extern double ledger_column_correlation(Oid relid, AttrNumber attnum, double otherwise);

/* ---- plan.c ---- */

extern LedgerFilter *ledger_filter_of_rinfo(RelOptInfo *rel, RestrictInfo *rinfo);

/*
 * custom_private of a plan: the column that it is ordered by, and how, or NIL;
 * and of each clause of the qual, whether it is only for rows in doubt.
 */
#define LedgerPlanOrder(plan)	((List *) linitial((plan)->custom_private))
#define LedgerPlanAgain(plan)	((List *) lsecond((plan)->custom_private))

extern CustomScanMethods ledger_scan_methods;
extern bool ledger_scan_is_enabled(void);
extern bool ledger_is_scannable(PlannerInfo *root, RelOptInfo *rel, LedgerSize *size);
extern bool ledger_pushes_all(RelOptInfo *rel, List *clauses, List **pushed);
extern List *ledger_order_filters(PlannerInfo *root, RelOptInfo *rel, List *filters);

/* ---- filtered.c ---- */

/* What EXPLAIN (ANALYZE) tells. */
typedef struct LedgerScanCounts
{
	int64		segments;		/* looked into, */
	int64		segments_by_zone;	/* or not, for their zone maps */
	int64		segments_by_bloom;	/* or Bloom filters, */
	int64		segments_by_codes;	/* or what is in their dictionaries */
	int64		vectors;
	int64		vectors_by_zone;
	int64		vectors_by_bloom;
	int64		vectors_by_codes;
	int64		pages;			/* tail pages, looked into, */
	int64		pages_skipped;	/* or not, for what is noted of them */
	int64		removed;		/* rows that filters removed one by one */
	int64		vectors_answered;	/* aggregates: taken from metadata */
	int64		rows_answered;
	int64		decompressed;	/* bytes */
} LedgerScanCounts;

/*
 * Asked of rows of one vector that filters do not exclude together: is what
 * the node wants of them known without a look at them?
 */
typedef bool (*LedgerAnswer) (void *arg, LedgerSegmentReader *reader, int position, int count);

typedef struct LedgerFilteredScan
{
	Relation	rel;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	ExprContext *econtext;		/* for constants; its memory is reset by batch */
	int			nfilters;
	LedgerFilter **filters;
	bool		constants_set;
	bool		never;			/* a filter lets nothing through */
	MemoryContext constants_context;

	LedgerScan *scan;			/* NULL until the first row is asked for */
	bool		again;			/* segments that are come to are counted already */
	LedgerSegmentReader *judged;	/* the filters' truths are of this one, */
	MemoryContext judged_context;	/* and what they know of its codes is here */
	bool		leave_doubt;	/* rows in doubt are the node's business */
	LedgerDoubt doubt;			/* of the batch at hand */
	ExprState  *doubted;		/* the clauses that rows in doubt are asked */
	LedgerAnswer answer;		/* or NULL */
	void	   *answer_arg;

	LedgerScanCounts counts;
	struct LedgerScanShared *shared;	/* of a parallel scan */
	bool		instrumented;
	struct HTAB *read;			/* then, without filters: ids of the segments that were read */
} LedgerFilteredScan;

struct ParallelContext;

extern void ledger_filtered_begin(LedgerFilteredScan *fs, Relation rel, Index relid,
								  List *clauses, PlanState *node, TupleTableSlot *slot);
extern bool ledger_filtered_is_ready(LedgerFilteredScan *fs);
extern bool ledger_filtered_next_batch(LedgerFilteredScan *fs);
extern int	ledger_filtered_load(LedgerFilteredScan *fs, LedgerRow row, LedgerRow high);
extern int	ledger_filtered_skip(LedgerFilteredScan *fs, LedgerSegmentReader *reader,
								 int position, int count);
extern bool ledger_filtered_passes_all(const LedgerFilteredScan *fs, int vector);
extern void ledger_filtered_end(LedgerFilteredScan *fs);
extern void ledger_filtered_rescan(LedgerFilteredScan *fs);
extern void ledger_filtered_restart(LedgerFilteredScan *fs);
extern Size ledger_filtered_estimate_dsm(LedgerFilteredScan *fs,
										 struct ParallelContext *pcxt);
extern void ledger_filtered_initialize_dsm(LedgerFilteredScan *fs,
										   struct ParallelContext *pcxt, void *coordinate);
extern void ledger_filtered_reinitialize_dsm(LedgerFilteredScan *fs, void *coordinate);
extern void ledger_filtered_attach(LedgerFilteredScan *fs, void *coordinate);
extern void ledger_filtered_shutdown(LedgerFilteredScan *fs);
extern TupleTableSlot *ledger_filtered_exec(LedgerFilteredScan *fs, CustomScanState *css,
											TupleTableSlot *(*next) (CustomScanState *css));

/* skip_page.c: tail pages */
extern void ledger_filtered_note_page(LedgerFilteredScan *fs);
extern void ledger_filtered_use_notes(LedgerFilteredScan *fs);
extern bool ledger_page_has_hash(const LedgerPageColumn *column, uint64 hash);

extern LedgerScanCounts *ledger_filtered_counts(LedgerFilteredScan *fs);
extern void ledger_filtered_sum_counts(LedgerFilteredScan *fs, LedgerScanCounts *sum);

/* ---- node.c ---- */

/* The first window of rows that are decoded at once, and by what the next is greater. */
#define LEDGER_WINDOW_FIRST		16
#define LEDGER_WINDOW_FACTOR	4

/* A set of columns, with how far they are decoded in the batch at hand. */
typedef struct LedgerColumnSet
{
	int			ncolumns;
	int		   *columns;		/* from 0 */
	const LedgerBatchColumn **decoded;	/* NULL: the segment lacks the column */
	int			next;			/* rows of visible[] from here on are not yet */
	int			window;			/* so many are decoded at once */
} LedgerColumnSet;

/* Paths that are read for a qual or target list, likewise; see project.c. */
typedef struct LedgerPathSet
{
	int			first;			/* column of the slot, from 0 */
	int			n;
	LedgerFilterInput *inputs;
	LedgerInputValues *values;
	int			next;			/* as in LedgerColumnSet */
	int			window;
} LedgerPathSet;

typedef struct LedgerProjection
{
	TupleTableSlot *slot;		/* the paths' values */
	ExprState  *qual;			/* for rows not in doubt */
	ProjectionInfo *info;
	LedgerPathSet sets[2];		/* of the qual, and of the target list alone */
} LedgerProjection;

typedef struct LedgerScanState
{
	CustomScanState css;
	LedgerFilteredScan fs;
	int			current;		/* index in fs.scan->visible[] */
	bool		values_reset;	/* the slot has no values of a former batch */
	int64		tried;			/* rows that the plan's qual was asked about, */
	int64		passed;			/* and that passed it */
	ExprState  *sure;			/* the qual but for filters: for rows not in doubt */
	LedgerProjection *project;	/* for rows of segments; NULL: as for any */
	LedgerColumnSet first;		/* what that needs */
	LedgerColumnSet doubted;	/* and what else the plan's qual does */
	LedgerColumnSet rest;
	struct LedgerOrder *order;	/* NULL: rows come as they are stored */

	ExprState  *recheck;		/* the filters as they stand, for EvalPlanQual */
} LedgerScanState;

extern Node *ledger_scan_create_state(CustomScan *cscan);

/* ---- order.c, order_runs.c: rows in the order of a column ---- */

/* Where a value, or the least that may come, is in the order. */
typedef struct LedgerPlace
{
	int			rank;			/* NULLs lie before or after all others */
	int64		key;
} LedgerPlace;

enum
{
	LEDGER_RANK_UNKNOWN,		/* before all: nobody knows what will come */
	LEDGER_RANK_NULLS_FIRST,
	LEDGER_RANK_VALUE,
	LEDGER_RANK_NULLS_LAST
};

static inline bool
LedgerPlaceBefore(LedgerPlace a, LedgerPlace b)
{
	return a.rank != b.rank ? a.rank < b.rank : a.key < b.key;
}

/* The column, and which way */
typedef struct LedgerOrderKey
{
	AttrNumber	attnum;
	Oid			typid;
	bool		descending;
	bool		nulls_first;
} LedgerOrderKey;

extern LedgerPlace ledger_place_of(const LedgerOrderKey *key, Datum value, bool isnull);
extern bool ledger_order_type(Oid typid);
extern double ledger_order_overlap(Oid relid, const LedgerOrderKey *key);

extern void ledger_order_begin(LedgerScanState *state);
extern bool ledger_order_advance(LedgerScanState *state);
extern void ledger_order_complete(LedgerScanState *state);
extern void ledger_order_forget(LedgerScanState *state);
extern LedgerOrderKey ledger_order_key(const CustomScan *plan);
extern int64 ledger_order_spilled(const LedgerScanState *state);

/* Rows that are loaded and not returned yet */
typedef struct LedgerRuns LedgerRuns;

extern LedgerRuns *ledger_runs_create(LedgerScanState *state, const LedgerOrderKey *key);
extern void ledger_runs_add(LedgerRuns *runs, bool nulls, bool values);
extern bool ledger_runs_first(LedgerRuns *runs, LedgerPlace *place);
extern bool ledger_runs_wants_more(LedgerRuns *runs);
extern void ledger_runs_finish_spill(LedgerRuns *runs);
extern void ledger_runs_show(LedgerRuns *runs);
extern void ledger_runs_complete(LedgerRuns *runs);
extern void ledger_runs_forget(LedgerRuns *runs);
extern int64 ledger_runs_spilled(const LedgerRuns *runs);

/* ---- order_path.c ---- */

/* An order that a query can use */
typedef struct LedgerUsefulOrder
{
	PathKey    *pathkey;
	LedgerOrderKey key;
} LedgerUsefulOrder;

extern List *ledger_useful_orders(PlannerInfo *root, RelOptInfo *rel);
extern void ledger_order_cost(RelOptInfo *rel, const LedgerSize *size,
							  const LedgerOrderKey *key, Path *path);

/* ---- project.c: paths in target lists ---- */

extern void ledger_project_begin(LedgerScanState *state, List **qual, List **tlist);
extern void ledger_project_restart(LedgerProjection *project);
extern void ledger_project_fill(LedgerScanState *state, LedgerPathSet *set, int index,
								bool few);

/* ---- explain.c ---- */

extern void ledger_explain_columns(List *names, struct ExplainState *es);
extern void ledger_explain_skipped(const LedgerScanCounts *counts, struct ExplainState *es);
extern void ledger_explain_decompressed(const LedgerScanCounts *counts, struct ExplainState *es);
extern void ledger_scan_explain(CustomScanState *css, List *ancestors,
								struct ExplainState *es);

#endif							/* LEDGER_EXEC_INTERNAL_H */
