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
#include "catalog/pg_proc.h"
#include "exec/aggregate.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* What a row costs in a loop of ours, beside an operator's call. */
#define LOOP_PART		0.1

/* And a key's value, if that is to be hashed. */
#define KEY_PART		0.25

static Oid
transition_function(Oid aggregate)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
	Oid			function;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", aggregate);
	function = ((Form_pg_aggregate) GETSTRUCT(tuple))->aggtransfn;
	ReleaseSysCache(tuple);
	return function;
}

static double
expression_cost(PlannerInfo *root, Node *expr)
{
	QualCost	cost;

	cost_qual_eval_node(&cost, expr, root);
	return cost.per_tuple;
}

static double
function_cost(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	double		cost;

	if (!HeapTupleIsValid(tuple))
		return 1;
	cost = ((Form_pg_proc) GETSTRUCT(tuple))->procost;
	ReleaseSysCache(tuple);
	return cost;
}

static double
call_cost(PlannerInfo *root, Aggref *aggref)
{
	Oid			function = transition_function(aggref->aggfnoid);
	double		cost = expression_cost(root, (Node *) aggref->args) +
		expression_cost(root, (Node *) aggref->aggfilter);

	if (ledger_kernel_of(aggref->aggfnoid, function) != &ledger_call_kernel)
		return cost + LOOP_PART * cpu_operator_cost;
	return cost + function_cost(function) * cpu_operator_cost;
}

/* What is done with a row that passes the filters. */
static double
row_cost(PlannerInfo *root, const LedgerAggregation *aggregation)
{
	double		cost = 0;
	ListCell   *lc;

	foreach(lc, aggregation->keys)
		cost += KEY_PART * cpu_operator_cost + expression_cost(root, lfirst(lc));
	foreach(lc, aggregation->aggs)
		cost += call_cost(root, lfirst_node(Aggref, lc));
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
	path->startup_cost = disk + (tail + sealed) / divisor + rows * row_cost(root, aggregation) +
		costs->transCost.startup + costs->finalCost.startup + path->pathtarget->cost.startup;
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
