/*-------------------------------------------------------------------------
 *
 * agg_plan.c
 *	  LedgerAggregate in the planner.
 *
 * An aggregation of one ledger, all whose clauses are filters, is done in the
 * node; partially, if the query is parallel or the table has partitions, and
 * then a node of core's makes one of what comes.  HAVING of a complete one is
 * the plan's qual.
 *
 * The plan's custom_scan_tlist is what the node has: keys, then aggregates.
 * Behind these are the filters, as columns that nobody asks for; for what is
 * in custom_exprs would be looked for among the keys and aggregates.  Where the
 * target list or HAVING has an expression that equals a filter, core takes it for
 * that column: so these columns are true, as each is for all rows of a group.  Core
 * does not look for parameters in custom_scan_tlist, so those of it are listed in
 * custom_exprs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_aggregate.h"
#include "exec/aggregate.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planner.h"
#include "optimizer/prep.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"

static create_upper_paths_hook_type prev_create_upper_paths = NULL;

static Plan *plan_aggregate(PlannerInfo *root, RelOptInfo *rel, CustomPath *path,
							List *tlist, List *clauses, List *custom_plans);

static const CustomPathMethods path_methods = {
	.CustomName = "LedgerAggregate",
	.PlanCustomPath = plan_aggregate
};

CustomScanMethods ledger_aggregate_methods = {
	.CustomName = "LedgerAggregate",
	.CreateCustomScanState = ledger_aggregate_create_state
};

/* ---- What can be done ---- */

static bool
is_strange(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		return var->varno != *(Index *) context || var->varlevelsup != 0 || var->varattno <= 0;
	}
	if (IsA(node, PlaceHolderVar) || IsA(node, Aggref) || IsA(node, GroupingFunc))
		return true;
	return expression_tree_walker(node, is_strange, context);
}

/* Can we evaluate it, from a row's columns alone? */
static bool
is_expression(Node *node, Index relid)
{
	return !is_strange(node, &relid) && !contain_volatile_functions(node) &&
		!contain_subplans(node) && !expression_returns_set(node);
}

static bool
is_aggregate(Aggref *aggref, Index relid, AggSplit split)
{
	if (aggref->aggdistinct != NIL &&
		(split != AGGSPLIT_SIMPLE ||
		 !ledger_distinct_possible(aggref, ledger_transition_function(aggref->aggfnoid))))
		return false;
	return aggref->aggkind == AGGKIND_NORMAL &&
		aggref->aggorder == NIL && aggref->aggdirectargs == NIL && aggref->agglevelsup == 0 &&
		is_expression((Node *) aggref->args, relid) &&
		is_expression((Node *) aggref->aggfilter, relid);
}

/* The parser has seen to it that what arrays and records are made of can be hashed, too. */
static bool
is_key(Node *expr, SortGroupClause *clause, Index relid)
{
	return OidIsValid(clause->eqop) && clause->hashable && is_expression(expr, relid);
}

/* What is left of an expression, besides keys and aggregates, must need no row. */
static bool
needs_row(Node *node, void *context)
{
	if (node == NULL || IsA(node, Aggref) || list_member((List *) context, node))
		return false;
	if (IsA(node, Var) || IsA(node, PlaceHolderVar) || IsA(node, GroupingFunc))
		return true;
	return expression_tree_walker(node, needs_row, context);
}

/* The keys, in the order of the GROUP BY clauses; NIL if one is not to be found. */
List *
ledger_grouping_keys(const LedgerGrouping *grouping, PathTarget *target)
{
	List	   *keys = NIL;
	ListCell   *lc;

	foreach(lc, grouping->clauses)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, lc);
		int			i;

		for (i = 0; i < list_length(target->exprs); i++)
			if (get_pathtarget_sortgroupref(target, i) == clause->tleSortGroupRef)
				break;
		if (i == list_length(target->exprs))
			return NIL;
		keys = lappend(keys, list_nth(target->exprs, i));
	}
	return keys;
}

/*
 * What of relation "rel" gives a target and HAVING, both about it; false if we
 * cannot do that.
 */
bool
ledger_aggregation_of(const LedgerGrouping *grouping, RelOptInfo *rel, PathTarget *target,
					  List *having, AggSplit split, LedgerAggregation *aggregation)
{
	List	   *all = lappend(list_copy(target->exprs), having);
	ListCell   *lc;
	ListCell   *lc2;

	memset(aggregation, 0, sizeof(*aggregation));
	aggregation->split = split;
	aggregation->having = having;
	aggregation->keys = ledger_grouping_keys(grouping, target);
	if (list_length(aggregation->keys) != list_length(grouping->clauses))
		return false;
	forboth(lc, aggregation->keys, lc2, grouping->clauses)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, lc2);

		if (!is_key(lfirst(lc), clause, rel->relid))
			return false;
		aggregation->operators = lappend_oid(aggregation->operators, clause->eqop);
	}
	if (needs_row((Node *) all, aggregation->keys))
		return false;
	foreach(lc, pull_var_clause((Node *) all, PVC_INCLUDE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS |
								PVC_INCLUDE_PLACEHOLDERS))
	{
		if (!IsA(lfirst(lc), Aggref))
			continue;			/* a key's */
		if (!is_aggregate(lfirst(lc), rel->relid, split))
			return false;
		aggregation->aggs = list_append_unique(aggregation->aggs, lfirst(lc));
	}
	return true;
}

/* ---- Plan ---- */

static bool
pull_params(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
	{
		List	  **params = context;

		*params = list_append_unique(*params, node);
		return false;
	}
	return expression_tree_walker(node, pull_params, context);
}

static void
add_columns(CustomScan *scan, List *exprs, bool junk)
{
	ListCell   *lc;

	foreach(lc, exprs)
	{
		AttrNumber	resno = list_length(scan->custom_scan_tlist) + 1;

		scan->custom_scan_tlist = lappend(scan->custom_scan_tlist,
										  makeTargetEntry(copyObject(lfirst(lc)), resno, NULL, junk));
	}
}

static Plan *
plan_aggregate(PlannerInfo *root, RelOptInfo *rel, CustomPath *path,
			   List *tlist, List *clauses, List *custom_plans)
{
	CustomScan *scan = makeNode(CustomScan);
	LedgerAggregation aggregation;
	List	   *pushed;

	aggregation.keys = linitial(path->custom_private);
	aggregation.operators = lsecond(path->custom_private);
	aggregation.aggs = lthird(path->custom_private);
	aggregation.split = intVal(lfourth(path->custom_private));
	if (!ledger_pushes_all(rel, clauses, &pushed))
		elog(ERROR, "a clause of a LedgerAggregate is no filter");

	scan->scan.plan.targetlist = tlist;
	scan->scan.plan.qual = list_nth(path->custom_private, 4);
	scan->scan.scanrelid = rel->relid;
	scan->flags = path->flags;
	add_columns(scan, aggregation.keys, false);
	add_columns(scan, aggregation.aggs, false);
	add_columns(scan, ledger_order_filters(root, rel, pushed), true);
	(void) pull_params((Node *) scan->custom_scan_tlist, &scan->custom_exprs);
	scan->custom_private = list_make2(list_make3_int(list_length(aggregation.keys),
													 list_length(aggregation.aggs),
													 aggregation.split),
									  aggregation.operators);
	scan->methods = &ledger_aggregate_methods;
	return &scan->scan.plan;
}

/* The same from the plan; a "Params" must not be the executor's business. */
LedgerAggregation *
ledger_aggregation_of_plan(CustomScan *plan, List **pushed)
{
	LedgerAggregation *aggregation = palloc0(sizeof(LedgerAggregation));
	List	   *numbers = linitial(plan->custom_private);
	int			nkeys = linitial_int(numbers);
	int			naggs = lsecond_int(numbers);
	ListCell   *lc;

	*pushed = NIL;
	aggregation->operators = lsecond(plan->custom_private);
	aggregation->split = lthird_int(numbers);
	foreach(lc, plan->custom_scan_tlist)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (tle->resno <= nkeys)
			aggregation->keys = lappend(aggregation->keys, tle->expr);
		else if (tle->resno <= nkeys + naggs)
			aggregation->aggs = lappend(aggregation->aggs, tle->expr);
		else
			*pushed = lappend(*pushed, tle->expr);
	}
	return aggregation;
}

/* ---- Paths ---- */

/* Do so many groups fit into the memory that core would give a hash table? */
bool
ledger_groups_fit(const LedgerGrouping *grouping, PathTarget *target, double ngroups)
{
	double		size = 64 + 2 * target->width + grouping->costs.transitionSpace +
		32 * list_length(target->exprs);

	return grouping->clauses == NIL || ngroups * size <= get_hash_memory_limit();
}

/*
 * And the distinct values?  If the estimate is wrong, they are looked for in
 * passes, each of which takes all rows.
 */
static bool
distinct_values_fit(const LedgerGrouping *grouping, RelOptInfo *rel,
					const LedgerAggregation *aggregation)
{
	double		size = 0;
	ListCell   *lc;

	foreach(lc, aggregation->aggs)
	{
		Aggref	   *aggref = lfirst_node(Aggref, lc);

		if (aggref->aggdistinct != NIL)
			size += ledger_distinct_size(grouping->root, aggregation->keys, aggref, rel->rows);
	}
	return size <= get_hash_memory_limit();
}

/* A path, if all of it can be done in the node, else NULL. */
Path *
ledger_aggregate_path(const LedgerGrouping *grouping, RelOptInfo *rel, PathTarget *target,
					  List *having, AggSplit split, int workers)
{
	PlannerInfo *root = grouping->root;
	LedgerAggregation aggregation;
	LedgerSize	size;
	CustomPath *path;
	double		ngroups = grouping->ngroups;
	List	   *pushed;

	if (!ledger_is_scannable(root, rel, &size) || rel->lateral_relids != NULL)
		return NULL;
	if (!ledger_pushes_all(rel, rel->baserestrictinfo, &pushed) ||
		!ledger_aggregation_of(grouping, rel, target, having, split, &aggregation) ||
		!distinct_values_fit(grouping, rel, &aggregation))
		return NULL;

	path = makeNode(CustomPath);
	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = target;
	path->path.parallel_aware = workers > 0;
	path->path.parallel_safe = grouping->output->consider_parallel && rel->consider_parallel;
	path->path.parallel_workers = workers;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->methods = &path_methods;
	path->custom_private = list_make5(aggregation.keys, aggregation.operators, aggregation.aggs,
									  makeInteger(split), aggregation.having);
	if (split != AGGSPLIT_SIMPLE && rel != grouping->input)
		ngroups = ledger_estimate_groups(root, aggregation.keys, rel->rows);
	ledger_aggregate_cost(grouping, rel, &size, &path->path, &aggregation, ngroups);
	if (!enable_seqscan)
		LedgerDisablePath(&path->path);
	return &path->path;
}

/* What a node that aggregates in part has to give. */
static PathTarget *
make_partial_target(const LedgerGrouping *grouping)
{
	PathTarget *partial = create_empty_pathtarget();
	List	   *others = NIL;
	ListCell   *lc;
	int			i = 0;

	foreach(lc, grouping->target->exprs)
	{
		Index		ref = get_pathtarget_sortgroupref(grouping->target, i++);

		if (ref != 0 && get_sortgroupref_clause_noerr(ref, grouping->clauses) != NULL)
			add_column_to_pathtarget(partial, lfirst(lc), ref);
		else
			others = lappend(others, lfirst(lc));
	}
	others = lappend(others, grouping->having);
	add_new_columns_to_pathtarget(partial,
								  pull_var_clause((Node *) others,
												  PVC_INCLUDE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS |
												  PVC_INCLUDE_PLACEHOLDERS));
	foreach(lc, partial->exprs)
	{
		Aggref	   *aggref = lfirst(lc);

		if (!IsA(aggref, Aggref))
			continue;
		lfirst(lc) = aggref = copyObject(aggref);
		mark_partial_aggref(aggref, AGGSPLIT_INITIAL_SERIAL);
	}
	return set_pathtarget_cost_width(grouping->root, partial);
}

static void
init_grouping(LedgerGrouping *grouping, PlannerInfo *root, RelOptInfo *input,
			  RelOptInfo *output, GroupPathExtraData *extra)
{
	List	   *keys;

	grouping->root = root;
	grouping->input = input;
	grouping->output = output;
	/* with keys that core may leave out, as they are constant: they are shown */
	grouping->clauses = root->parse->groupClause;
	grouping->having = (List *) extra->havingQual;
	grouping->target = output->reltarget;
	grouping->ngroups = grouping->most_groups = 1;
	keys = ledger_grouping_keys(grouping, grouping->target);
	if (keys != NIL)
		grouping->ngroups = ledger_estimate_groups(root, keys, input->rows);
	memset(&grouping->costs, 0, sizeof(AggClauseCosts));
	memset(&grouping->partial_costs, 0, sizeof(AggClauseCosts));
	memset(&grouping->final_costs, 0, sizeof(AggClauseCosts));
	get_agg_clause_costs(root, AGGSPLIT_SIMPLE, &grouping->costs);
	grouping->partial = NULL;
	if (extra->flags & GROUPING_CAN_PARTIAL_AGG)
	{
		get_agg_clause_costs(root, AGGSPLIT_INITIAL_SERIAL, &grouping->partial_costs);
		get_agg_clause_costs(root, AGGSPLIT_FINAL_DESERIAL, &grouping->final_costs);
		grouping->partial = make_partial_target(grouping);
	}
	/* where nobody knows how many groups there are, core can do with any number of them */
	if (keys != NIL)
		grouping->most_groups = ledger_most_groups(root, keys, input->rows,
												   grouping->partial == NULL);
}

/* An aggregation in parts that core makes one of */
static void
add_in_parts(const LedgerGrouping *grouping, int workers)
{
	Path	   *path = ledger_aggregate_path(grouping, grouping->input, grouping->partial, NIL,
											 AGGSPLIT_INITIAL_SERIAL, workers);

	if (path != NULL)
		ledger_finish_groups(grouping, path);
}

/* An aggregation of a ledger itself */
static void
add_paths(const LedgerGrouping *grouping)
{
	RelOptInfo *rel = grouping->input;
	int			workers = 0;

	if (ledger_groups_fit(grouping, grouping->target, grouping->most_groups))
	{
		Path	   *path = ledger_aggregate_path(grouping, rel, grouping->target, grouping->having,
												 AGGSPLIT_SIMPLE, 0);

		if (path != NULL)
			add_path(grouping->output, path);
	}
	else if (grouping->partial != NULL)
		add_in_parts(grouping, 0);

	if (grouping->partial != NULL && grouping->output->consider_parallel &&
		rel->consider_parallel)
		workers = compute_parallel_worker(rel, rel->pages, -1, max_parallel_workers_per_gather);
	if (workers > 0)
		add_in_parts(grouping, workers);
}

static void
create_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input,
				   RelOptInfo *output, void *extra)
{
	LedgerGrouping grouping;

	if (prev_create_upper_paths)
		prev_create_upper_paths(root, stage, input, output, extra);
	if (stage != UPPERREL_GROUP_AGG || !ledger_scan_is_enabled() ||
		input->reloptkind != RELOPT_BASEREL || root->parse->groupingSets != NIL ||
		root->parse->hasTargetSRFs || IS_DUMMY_REL(input))
		return;
	if (input->rtekind != RTE_RELATION)
		return;
	if (planner_rt_fetch(input->relid, root)->relkind != RELKIND_PARTITIONED_TABLE)
	{
		LedgerSize	size;

		if (!ledger_is_scannable(root, input, &size))
			return;
		init_grouping(&grouping, root, input, output, extra);
		add_paths(&grouping);
	}
	else if (((GroupPathExtraData *) extra)->flags & GROUPING_CAN_PARTIAL_AGG)
	{
		init_grouping(&grouping, root, input, output, extra);
		ledger_aggregate_partitions(&grouping);
	}
}

void
ledger_aggregate_plan_init(void)
{
	RegisterCustomScanMethods(&ledger_aggregate_methods);
	prev_create_upper_paths = create_upper_paths_hook;
	create_upper_paths_hook = create_upper_paths;
}
