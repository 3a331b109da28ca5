/*-------------------------------------------------------------------------
 *
 * agg_cost.c
 *	  What a LedgerAggregate costs.
 *
 * In the planner's units, as in cost.c.  To advance an aggregate by one of our
 * own loops is a small part of an operator's call; to call core's transition
 * function costs what it does for core.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type_d.h"
#include "exec/aggregate.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/plancat.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

/*
 * What a row costs in a loop of ours, beside an operator's call; to read the
 * code of a key, to hash its value, and to read what a path leads to.
 */
#define LOOP_PART		0.05
#define CODE_PART		0.05
#define HASH_PART		0.4
#define PATH_PART		0.5

/* With so many rows a group, keys are likely to have codes. */
#define ROWS_A_CODE		100

/* ---- Groups ---- */

/* The time from a column's least to its greatest value, by its statistics; or 0. */
static double
time_range(PlannerInfo *root, Var *var)
{
	RangeTblEntry *rte = planner_rt_fetch(var->varno, root);
	HeapTuple	tuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(rte->relid),
										Int16GetDatum(var->varattno), BoolGetDatum(rte->inh));
	AttStatsSlot slot;
	double		range = 0;

	if (!HeapTupleIsValid(tuple))
		return 0;
	if (get_attstatsslot(&slot, tuple, STATISTIC_KIND_HISTOGRAM, InvalidOid,
						 ATTSTATSSLOT_VALUES))
	{
		if (slot.nvalues > 1)
			range = (double) DatumGetInt64(slot.values[slot.nvalues - 1]) -
				(double) DatumGetInt64(slot.values[0]);
		free_attstatsslot(&slot);
	}
	ReleaseSysCache(tuple);
	return range;
}

/* Are there statistics that tell how many values an expression has? */
static bool
is_known(PlannerInfo *root, Node *expr)
{
	VariableStatData data;
	bool		known;

	examine_variable(root, expr, 0, &data);
	known = HeapTupleIsValid(data.statsTuple) || data.isunique || data.vartype == BOOLOID;
	ReleaseVariableStats(data);
	return known;
}

static List *
variables_of(Node *expr)
{
	return pull_var_clause(expr, PVC_RECURSE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS |
						   PVC_RECURSE_PLACEHOLDERS);
}

/*
 * Is it a part of documents?  There are mostly far fewer of these than of documents,
 * which is what core goes by, unless there are statistics of the expression.
 */
static bool
is_of_documents(Node *expr)
{
	ListCell   *lc;

	if (IsA(expr, Var))
		return false;
	foreach(lc, variables_of(expr))
	{
		Oid			type = lfirst_node(Var, lc)->vartype;

		if (type == JSONBOID || type == JSONOID)
			return true;
	}
	return false;
}

/*
 * How many groups rows make.  Core takes date_trunc and date_bin for as many as
 * there are times; by how long the pieces are, it can be told better.  Of parts of
 * documents it is assumed what core does of expressions that it knows nothing of.
 */
double
ledger_estimate_groups(PlannerInfo *root, List *keys, double rows)
{
	List	   *others = NIL;
	double		ngroups = 1;
	ListCell   *lc;

	foreach(lc, keys)
	{
		LedgerBucket bucket;
		Var		   *time;
		double		range = 0;

		if (ledger_bucket_init(&bucket, lfirst(lc), &time))
			range = time_range(root, time);
		if (range > 0)
			ngroups *= range / bucket.length + 1;
		else if (is_of_documents(lfirst(lc)) && !is_known(root, lfirst(lc)))
			ngroups *= DEFAULT_NUM_DISTINCT;
		else
			others = lappend(others, lfirst(lc));
	}
	if (others != NIL)
		ngroups *= estimate_num_groups(root, others, rows, NULL, NULL);
	return clamp_row_est(Min(ngroups, rows));
}

/*
 * How many there may be: as many as rows, where no statistics tell.  With "trusting",
 * what is assumed of parts of documents is believed.
 */
double
ledger_most_groups(PlannerInfo *root, List *keys, double rows, bool trusting)
{
	ListCell   *lc;

	foreach(lc, keys)
	{
		Node	   *key = lfirst(lc);
		ListCell   *lc2;

		if (is_known(root, key))
			continue;
		if (is_of_documents(key))
		{
			if (!trusting)
				return rows;
			continue;
		}
		foreach(lc2, variables_of(key))
			if (!is_known(root, lfirst(lc2)))
				return rows;
	}
	return ledger_estimate_groups(root, keys, rows);
}

/* ---- Rows ---- */

Oid
ledger_transition_function(Oid aggregate)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
	Oid			function;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", aggregate);
	function = ((Form_pg_aggregate) GETSTRUCT(tuple))->aggtransfn;
	ReleaseSysCache(tuple);
	return function;
}

/* Of values that keys or arguments take; paths are read without the document. */
static double
expression_cost(PlannerInfo *root, Node *expr, Index relid)
{
	LedgerFilterInput input;
	QualCost	cost;

	if (expr != NULL && IsA(expr, List))
	{
		double		sum = 0;
		ListCell   *lc;

		foreach(lc, (List *) expr)
			sum += expression_cost(root, (Node *) lfirst_node(TargetEntry, lc)->expr, relid);
		return sum;
	}
	if (expr != NULL && ledger_input_of_expr(expr, relid, &input))
		return input.kind == LEDGER_INPUT_COLUMN ? 0 : PATH_PART * cpu_operator_cost;
	cost_qual_eval_node(&cost, expr, root);
	return cost.per_tuple;
}

static double
call_cost(PlannerInfo *root, Aggref *aggref, Index relid)
{
	Oid			function = ledger_transition_function(aggref->aggfnoid);
	double		cost = expression_cost(root, (Node *) aggref->args, relid) +
		expression_cost(root, (Node *) aggref->aggfilter, relid);
	QualCost	call = {0, 0};

	if (aggref->aggdistinct != NIL)
		cost += HASH_PART * cpu_operator_cost;
	if (ledger_kernel_of(aggref->aggfnoid, function) != &ledger_call_kernel)
		return cost + LOOP_PART * cpu_operator_cost;
	add_function_cost(root, function, NULL, &call);
	return cost + call.per_tuple;
}

/*
 * A function of time is called once for a piece, of which there are few; whose
 * rows follow each other.
 */
static double
key_cost(PlannerInfo *root, Expr *key, Index relid, bool many)
{
	LedgerBucket bucket;
	Var		   *time;

	if (!many && (IsA(key, Var) || ledger_bucket_init(&bucket, key, &time)))
		return CODE_PART * cpu_operator_cost;
	return HASH_PART * cpu_operator_cost + expression_cost(root, (Node *) key, relid);
}

/* What is done with a row that passes the filters. */
static double
row_cost(PlannerInfo *root, const LedgerAggregation *aggregation, Index relid, bool many)
{
	double		cost = 0;
	ListCell   *lc;

	foreach(lc, aggregation->keys)
		cost += key_cost(root, lfirst(lc), relid, many);
	foreach(lc, aggregation->aggs)
		cost += call_cost(root, lfirst_node(Aggref, lc), relid);
	return cost;
}

/* Set a path's rows and costs; "ngroups" is of all rows of "rel". */
void
ledger_aggregate_cost(const LedgerGrouping *grouping, RelOptInfo *rel, const LedgerSize *size,
					  Path *path, const LedgerAggregation *aggregation, double ngroups)
{
	PlannerInfo *root = grouping->root;
	const AggClauseCosts *costs = aggregation->split == AGGSPLIT_SIMPLE ? &grouping->costs :
		&grouping->partial_costs;
	double		rows = rel->rows;
	double		divisor = path->parallel_workers > 0 ?
		ledger_parallel_divisor(path->parallel_workers) : 1;
	QualCost	having;
	Cost		disk,
				tail,
				sealed;

	ledger_read_cost(root, rel, size, list_concat_copy(aggregation->keys, aggregation->aggs),
					 rel->baserestrictinfo, &disk, &tail, &sealed);
	rows = clamp_row_est(rows / divisor);
	ngroups = Min(ngroups, rows);
	path->startup_cost = disk + (tail + sealed) / divisor +
		rows * row_cost(root, aggregation, rel->relid, ngroups * ROWS_A_CODE > rows) +
		costs->transCost.startup + costs->finalCost.startup + path->pathtarget->cost.startup;
	if (path->parallel_workers > 0)
		path->startup_cost += ledger_workers_cost(root, rel);
	cost_qual_eval(&having, aggregation->having, root);
	path->startup_cost += having.startup;
	path->total_cost = path->startup_cost +
		ngroups * (costs->finalCost.per_tuple + cpu_tuple_cost + having.per_tuple +
				   path->pathtarget->cost.per_tuple);
	if (aggregation->having != NIL)
		ngroups = clamp_row_est(ngroups *
								clauselist_selectivity(root, aggregation->having, 0,
													   JOIN_INNER, NULL));
	path->rows = ngroups;
}
