/*-------------------------------------------------------------------------
 *
 * plan.c
 *	  LedgerScan in the planner.
 *
 * A path is added for each ledger that a query reads: plain, partial, and
 * parameterized by relations that it is joined to by a filter.
 *
 * Clauses that are filters are evaluated in the scan, before all others; so
 * among those with security levels, only such may be that could come first
 * anyway.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "exec/aggregate.h"
#include "nodes/makefuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "utils/guc.h"
#include "utils/rel.h"

static bool enable_scan = true;
static set_rel_pathlist_hook_type prev_set_rel_pathlist = NULL;

static Plan *plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path,
					   List *tlist, List *clauses, List *custom_plans);

static const CustomPathMethods path_methods = {
	.CustomName = "LedgerScan",
	.PlanCustomPath = plan_scan
};

CustomScanMethods ledger_scan_methods = {
	.CustomName = "LedgerScan",
	.CreateCustomScanState = ledger_scan_create_state
};

/* ---- Clauses ---- */

/*
 * What the clauses of a relation come to, while its paths are made: each is
 * looked at for each path, by the costs as well.
 */
typedef struct KnownFilters
{
	const RelOptInfo *rel;
	List	   *rinfos;
	List	   *filters;
} KnownFilters;

static KnownFilters *known = NULL;

/* As ledger_filter_of_clause; not to be changed, as others may get it, too. */
LedgerFilter *
ledger_filter_of_rinfo(RelOptInfo *rel, RestrictInfo *rinfo)
{
	LedgerFilter *filter;
	ListCell   *lc;

	if (known == NULL || known->rel != rel)
		return ledger_filter_of_clause((Node *) rinfo->clause, rel->relid);
	foreach(lc, known->rinfos)
		if (lfirst(lc) == rinfo)
			return list_nth(known->filters, foreach_current_index(lc));
	filter = ledger_filter_of_clause((Node *) rinfo->clause, rel->relid);
	known->rinfos = lappend(known->rinfos, rinfo);
	known->filters = lappend(known->filters, filter);
	return filter;
}

/* May a clause be evaluated before all that are not pushed? */
static bool
may_be_pushed(RelOptInfo *rel, RestrictInfo *rinfo)
{
	if (rinfo->pseudoconstant)
		return false;
	if (!rinfo->leakproof && rinfo->security_level > rel->baserestrict_min_security)
		return false;
	return ledger_filter_of_rinfo(rel, rinfo) != NULL;
}

/*
 * What clauses come to: filters, and others.  Filters that may leave rows in
 * doubt are to be evaluated as they stand, for these rows, among the others in
 * core's order; so if there are others, "again" has what is evaluated above the
 * filters: these, and all others.
 *
 * That makes two states of what the others have, but subplans bear only one;
 * and in a scan that is ordered, rows are kept after their batch, without what
 * is in doubt of them.  There, all of it is asked of all rows that pass.
 */
typedef struct Division
{
	List	   *pushed;
	List	   *others;
	List	   *again;
	bool		of_all;			/* rows that pass, not just those in doubt */
} Division;

static Division
divide_clauses(RelOptInfo *rel, List *clauses, bool ordered)
{
	Division	division = {NIL, NIL, NIL, false};
	List	   *doubtful = NIL;
	ListCell   *lc;

	foreach(lc, clauses)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);

		if (!may_be_pushed(rel, rinfo))
			division.others = lappend(division.others, rinfo);
		else if (ledger_filter_of_rinfo(rel, rinfo)->doubts)
			doubtful = lappend(doubtful, rinfo);
		else
			division.pushed = lappend(division.pushed, rinfo);
	}
	division.again = division.others;
	if (doubtful != NIL && (ordered || division.others != NIL))
	{
		division.of_all = ordered ||
			contain_subplans((Node *) extract_actual_clauses(division.others, false));
		division.again = NIL;
		foreach(lc, clauses)
			if (!list_member_ptr(division.pushed, lfirst(lc)))
				division.again = lappend(division.again, lfirst(lc));
		if (division.of_all)
			division.others = division.again;
	}
	division.pushed = list_concat(division.pushed, doubtful);
	return division;
}

/* Are all clauses filters? */
bool
ledger_pushes_all(RelOptInfo *rel, List *clauses, List **pushed)
{
	Division	division = divide_clauses(rel, clauses, false);

	*pushed = division.pushed;
	return division.others == NIL;
}

/* ---- Plan ---- */

typedef struct Ranked
{
	RestrictInfo *rinfo;
	double		rank;
} Ranked;

static int
compare_ranks(const void *a, const void *b)
{
	double		x = ((const Ranked *) a)->rank;
	double		y = ((const Ranked *) b)->rank;

	return x < y ? -1 : x > y;
}

/*
 * The most selective and cheapest first: by how many rows each removes for
 * what it costs.  Those that may leave rows in doubt come last, in core's order.
 */
List *
ledger_order_filters(PlannerInfo *root, RelOptInfo *rel, List *filters)
{
	int			n = list_length(filters);
	Ranked	   *ranked = palloc(Max(n, 1) * sizeof(Ranked));
	List	   *result = NIL;

	for (int i = 0; i < n; i++)
	{
		RestrictInfo *rinfo = list_nth(filters, i);
		Selectivity selectivity = clause_selectivity(root, (Node *) rinfo, rel->relid,
													 JOIN_INNER, NULL);
		QualCost	cost;

		cost_qual_eval_node(&cost, (Node *) rinfo->clause, root);
		ranked[i].rinfo = rinfo;
		ranked[i].rank = (selectivity - 1) / (cost.per_tuple + cpu_operator_cost);
		if (ledger_filter_of_rinfo(rel, rinfo)->doubts)
			ranked[i].rank = i + 1;
	}
	qsort(ranked, n, sizeof(Ranked), compare_ranks);
	for (int i = 0; i < n; i++)
		result = lappend(result, ranked[i].rinfo->clause);
	return result;
}

static Plan *
plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path,
		  List *tlist, List *clauses, List *custom_plans)
{
	CustomScan *scan = makeNode(CustomScan);
	Division	division = divide_clauses(rel, clauses, path->custom_private != NIL);
	List	   *again = NIL;
	ListCell   *lc;

	scan->scan.plan.targetlist = tlist;
	scan->scan.plan.qual = extract_actual_clauses(division.again, false);
	scan->scan.scanrelid = rel->relid;
	scan->flags = path->flags;
	scan->custom_exprs = ledger_order_filters(root, rel, division.pushed);
	foreach(lc, division.again)
		if (!lfirst_node(RestrictInfo, lc)->pseudoconstant)
			again = lappend_int(again, !division.of_all &&
								list_member_ptr(division.pushed, lfirst(lc)));
	scan->custom_private = list_make2(path->custom_private, again);
	scan->methods = &ledger_scan_methods;
	return &scan->scan.plan;
}

/* ---- Paths ---- */

/*
 * A path for the rows that "outer" relations ask for, by join clauses; in an
 * order, if that is not NULL.
 */
static Path *
make_path(PlannerInfo *root, RelOptInfo *rel, const LedgerSize *size, Relids outer,
		  int workers, const LedgerUsefulOrder *order)
{
	CustomPath *path = makeNode(CustomPath);
	ParamPathInfo *param = get_baserel_parampathinfo(root, rel, outer);
	List	   *clauses = rel->baserestrictinfo;
	Division	division;

	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = rel->reltarget;
	path->path.param_info = param;
	path->path.parallel_aware = workers > 0;
	path->path.parallel_safe = rel->consider_parallel;
	path->path.parallel_workers = workers;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->methods = &path_methods;
	if (param != NULL)
		clauses = list_concat_copy(clauses, param->ppi_clauses);
	division = divide_clauses(rel, clauses, order != NULL);
	ledger_scan_cost(root, rel, size, &path->path, division.pushed, division.others);
	if (order != NULL)
	{
		path->path.pathkeys = list_make1(order->pathkey);
		path->custom_private = list_make3_int(order->key.attnum, order->key.descending,
											  order->key.nulls_first);
		ledger_order_cost(rel, size, &order->key, &path->path);
	}
	if (!enable_seqscan)
		LedgerDisablePath(&path->path);
	return &path->path;
}

/* ---- Joins ---- */

/* What filters can read, and equivalence classes relate to other relations */
typedef struct JoinInputs
{
	List	   *found;			/* expressions */
	Node	   *wanted;			/* clauses about this one, or NULL to find out */
} JoinInputs;

static bool
match_input(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec,
			EquivalenceMember *em, void *arg)
{
	JoinInputs *inputs = arg;
	LedgerFilterInput input;

	if (inputs->wanted != NULL)
		return equal(em->em_expr, inputs->wanted);
	if (ledger_input_of_expr((Node *) em->em_expr, rel->relid, &input))
		inputs->found = list_append_unique(inputs->found, em->em_expr);
	return false;
}

/* Add what a join clause asks to be given, unless it is there already. */
static List *
add_outer(PlannerInfo *root, RelOptInfo *rel, List *outers, RestrictInfo *rinfo)
{
	Relids		outer;
	ListCell   *lc;

	if (!join_clause_is_movable_to(rinfo, rel) || !may_be_pushed(rel, rinfo))
		return outers;
	outer = bms_union(rinfo->clause_relids, rel->lateral_relids);
	outer = bms_del_member(outer, rel->relid);
	if (bms_is_empty(outer))
		return outers;
	foreach(lc, outers)
		if (bms_equal(lfirst(lc), outer))
			return outers;
	return lappend(outers, outer);
}

/* The sets of relations that could give us the constants of filters. */
static List *
find_outers(PlannerInfo *root, RelOptInfo *rel)
{
	JoinInputs	inputs = {NIL, NULL};
	List	   *outers = NIL;
	ListCell   *lc;
	ListCell   *input;

	foreach(lc, rel->joininfo)
		outers = add_outer(root, rel, outers, lfirst_node(RestrictInfo, lc));
	if (!rel->has_eclass_joins)
		return outers;

	generate_implied_equalities_for_column(root, rel, match_input, &inputs, rel->lateral_referencers);
	foreach(input, inputs.found)
	{
		List	   *clauses;

		inputs.wanted = lfirst(input);
		clauses = generate_implied_equalities_for_column(root, rel, match_input, &inputs,
														 rel->lateral_referencers);
		foreach(lc, clauses)
			outers = add_outer(root, rel, outers, lfirst_node(RestrictInfo, lc));
	}
	return outers;
}

/*
 * Core's sequential scans read all that a LedgerScan does, and more; where
 * nothing can be left out, the two cost nearly the same.
 */
static List *
without_seqscans(List *paths)
{
	ListCell   *lc;

	foreach(lc, paths)
		if (((Path *) lfirst(lc))->pathtype == T_SeqScan)
			paths = foreach_delete_current(paths, lc);
	return paths;
}

static void
add_paths(PlannerInfo *root, RelOptInfo *rel, const LedgerSize *size)
{
	ListCell   *lc;

	rel->pathlist = without_seqscans(rel->pathlist);
	rel->partial_pathlist = without_seqscans(rel->partial_pathlist);
	add_path(rel, make_path(root, rel, size, rel->lateral_relids, 0, NULL));
	foreach(lc, ledger_useful_orders(root, rel))
		add_path(rel, make_path(root, rel, size, rel->lateral_relids, 0, lfirst(lc)));
	if (rel->consider_parallel && bms_is_empty(rel->lateral_relids))
	{
		int			workers = compute_parallel_worker(rel, rel->pages, -1,
													  max_parallel_workers_per_gather);

		if (workers > 0)
			add_partial_path(rel, make_path(root, rel, size, NULL, workers, NULL));
	}
	foreach(lc, find_outers(root, rel))
		add_path(rel, make_path(root, rel, size, lfirst(lc), 0, NULL));
}

/* Estimates may run functions, and these plan queries of their own. */
static void
add_known_paths(PlannerInfo *root, RelOptInfo *rel, const LedgerSize *size)
{
	KnownFilters filters = {rel, NIL, NIL};
	KnownFilters *outer = known;

	known = &filters;
	PG_TRY();
	{
		add_paths(root, rel, size);
	}
	PG_FINALLY();
	{
		known = outer;
	}
	PG_END_TRY();
}

static void
find_size(RelOptInfo *rel, Relation relation, LedgerSize *size)
{
	LedgerMetaData meta;
	double		sealed = 0;

	size->relid = RelationGetRelid(relation);
	size->segments = 0;
	if (rel->pages > 0 && ledger_read_meta(relation, &meta))
	{
		size->segments = meta.totals.segments;
		sealed = meta.totals.entries;
	}
	size->tail_part = rel->tuples > sealed ? 1 - sealed / rel->tuples : 0;
}

/* Is it a plain scan of a relation, in which every row may come as it is? */
static bool
is_plain(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	return rte->rtekind == RTE_RELATION && rte->relkind == RELKIND_RELATION && !rte->inh &&
		rte->tablesample == NULL && !IS_DUMMY_REL(rel) &&
		(rel->reloptkind == RELOPT_BASEREL || rel->reloptkind == RELOPT_OTHER_MEMBER_REL) &&
		!bms_is_member(rel->relid, root->all_result_relids);
}

bool
ledger_scan_is_enabled(void)
{
	return enable_scan;
}

/* Is it a ledger that we may scan?  If so, the planner is told its size. */
bool
ledger_is_scannable(PlannerInfo *root, RelOptInfo *rel, LedgerSize *size)
{
	RangeTblEntry *rte = planner_rt_fetch(rel->relid, root);
	Relation	relation;
	bool		is_ledger;

	if (!enable_scan || !is_plain(root, rel, rte))
		return false;
	relation = table_open(rte->relid, NoLock);
	/* others' temporary ledgers are planned, to fail when they are read, as heap does */
	is_ledger = relation->rd_tableam == ledger_routine() && !RELATION_IS_OTHER_TEMP(relation);
	if (is_ledger)
		find_size(rel, relation, size);
	table_close(relation, NoLock);
	return is_ledger;
}

static void
set_rel_pathlist(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	LedgerSize	size;

	if (prev_set_rel_pathlist)
		prev_set_rel_pathlist(root, rel, rti, rte);
	if (ledger_is_scannable(root, rel, &size))
		add_known_paths(root, rel, &size);
}

void
ledger_exec_init(void)
{
	DefineCustomBoolVariable("ledger.enable_scan",
							 "Lets the planner scan ledgers by LedgerScan, which filters and skips.",
							 NULL, &enable_scan, true, PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	RegisterCustomScanMethods(&ledger_scan_methods);
	prev_set_rel_pathlist = set_rel_pathlist_hook;
	set_rel_pathlist_hook = set_rel_pathlist;
	ledger_aggregate_plan_init();
}
