/*-------------------------------------------------------------------------
 *
 * agg_append.c
 *	  Aggregation in parts, of partitions or by several processes, that core
 *	  makes one of.
 *
 * Of a partitioned table, each leaf that is a ledger is aggregated by a node of
 * its own, any other one by core's; an Append puts them together, and core
 * finishes the groups.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "exec/aggregate.h"
#include "miscadmin.h"
#include "optimizer/appendinfo.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/tlist.h"

/* What the leaves come to. */
typedef struct Leaves
{
	const LedgerGrouping *grouping;
	bool		parallel;		/* partial paths are wanted */
	bool		failed;
	int			nledgers;
	List	   *paths;
	List	   *partial_paths;
} Leaves;

/* ---- Finishing ---- */

/* Add the paths that make finished groups of a path's. */
void
ledger_finish_groups(const LedgerGrouping *grouping, Path *path)
{
	PlannerInfo *root = grouping->root;
	RelOptInfo *output = grouping->output;

	if (path->parallel_workers > 0)
	{
		double		rows = path->rows * path->parallel_workers;

		path = (Path *) create_gather_path(root, output, path, grouping->partial, NULL, &rows);
	}
	if (grouping->clauses == NIL)
		add_path(output, (Path *) create_agg_path(root, output, path, grouping->target,
												  AGG_PLAIN, AGGSPLIT_FINAL_DESERIAL, NIL,
												  grouping->having, &grouping->final_costs, 1));
	else if (grouping_is_hashable(grouping->clauses))
		add_path(output, (Path *) create_agg_path(root, output, path, grouping->target,
												  AGG_HASHED, AGGSPLIT_FINAL_DESERIAL,
												  grouping->clauses, grouping->having,
												  &grouping->final_costs, grouping->ngroups));
	if (grouping->clauses != NIL && grouping_is_sortable(grouping->clauses))
	{
		if (root->group_pathkeys != NIL)	/* else all keys are constant */
			path = (Path *) create_sort_path(root, output, path, root->group_pathkeys, -1);
		add_path(output, (Path *) create_agg_path(root, output, path, grouping->target,
												  AGG_SORTED, AGGSPLIT_FINAL_DESERIAL,
												  grouping->clauses, grouping->having,
												  &grouping->final_costs, grouping->ngroups));
	}
}

/* ---- Leaves ---- */

/* The partial target, as it is of a leaf. */
static PathTarget *
translate_target(const LedgerGrouping *grouping, RelOptInfo *leaf)
{
	PathTarget *target = copy_pathtarget(grouping->partial);

	target->exprs = (List *) LedgerAdjustAttrs(grouping->root, (Node *) target->exprs, leaf,
											   grouping->input);
	return target;
}

/* Core's way to aggregate what a path of the leaf gives. */
static Path *
core_aggregate(const LedgerGrouping *grouping, RelOptInfo *leaf, Path *path, PathTarget *target)
{
	PlannerInfo *root = grouping->root;
	double		ngroups = 1;

	if (grouping->clauses != NIL)
	{
		/* of what core has left out, its targets do not know that it is a key */
		if (LedgerKeysLeftOut(root) || !grouping_is_hashable(grouping->clauses))
			return NULL;
		ngroups = ledger_estimate_groups(root, ledger_grouping_keys(grouping, target),
										 path->rows);
	}
	return (Path *) create_agg_path(root, leaf, path, target,
									grouping->clauses == NIL ? AGG_PLAIN : AGG_HASHED,
									AGGSPLIT_INITIAL_SERIAL, grouping->clauses, NIL,
									&grouping->partial_costs, ngroups);
}

static void
add_partial(Leaves *leaves, RelOptInfo *leaf, PathTarget *target, Path *whole)
{
	const LedgerGrouping *grouping = leaves->grouping;
	int			workers = compute_parallel_worker(leaf, leaf->pages, -1,
												  max_parallel_workers_per_gather);
	Path	   *path = NULL;

	if (!whole->parallel_safe)
	{
		leaves->failed = true;
		return;
	}
	if (workers > 0)
	{
		path = ledger_aggregate_path(grouping, leaf, target, NIL, AGGSPLIT_INITIAL_SERIAL,
									 workers);
		if (path == NULL && leaf->partial_pathlist != NIL)
			path = core_aggregate(grouping, leaf, linitial(leaf->partial_pathlist), target);
	}
	if (path != NULL)
		leaves->partial_paths = lappend(leaves->partial_paths, path);
	else
		leaves->paths = lappend(leaves->paths, whole);
}

static void
add_leaf(Leaves *leaves, RelOptInfo *leaf)
{
	const LedgerGrouping *grouping = leaves->grouping;
	PathTarget *target = translate_target(grouping, leaf);
	Path	   *path = ledger_aggregate_path(grouping, leaf, target, NIL,
											 AGGSPLIT_INITIAL_SERIAL, 0);

	if (path != NULL)
		leaves->nledgers++;
	else if (leaf->cheapest_total_path != NULL && !leaf->lateral_relids)
		path = core_aggregate(grouping, leaf, leaf->cheapest_total_path, target);
	if (path == NULL)
		leaves->failed = true;
	else if (leaves->parallel)
		add_partial(leaves, leaf, target, path);
	else
		leaves->paths = lappend(leaves->paths, path);
}

static void
add_leaves(Leaves *leaves, RelOptInfo *rel)
{
	check_stack_depth();
	for (int i = 0; i < rel->nparts && !leaves->failed; i++)
	{
		RelOptInfo *part = rel->part_rels[i];

		if (part == NULL || IS_DUMMY_REL(part))
			continue;
		if (part->nparts > 0)
			add_leaves(leaves, part);
		else
			add_leaf(leaves, part);
	}
}

static int
most_workers(List *paths)
{
	int			workers = 0;
	ListCell   *lc;

	foreach(lc, paths)
		workers = Max(workers, ((Path *) lfirst(lc))->parallel_workers);
	return workers;
}

/* As many as core has for so many children. */
static int
append_workers(const Leaves *leaves)
{
	int			workers = most_workers(leaves->partial_paths);
	int			children = list_length(leaves->paths) + list_length(leaves->partial_paths);

	workers = Max(workers, (int) ceil(log2(children + 1)));
	return Min(workers, max_parallel_workers_per_gather);
}

static void
append_leaves(Leaves *leaves)
{
	const LedgerGrouping *grouping = leaves->grouping;
	int			workers = leaves->parallel ? append_workers(leaves) : 0;
	AppendPath *append;

	if (leaves->parallel && workers == 0)
		return;
	append = create_append_path(grouping->root, grouping->input, leaves->paths,
								leaves->partial_paths, NIL, NULL, workers,
								leaves->parallel, -1);
	append->path.pathtarget = grouping->partial;
	append->limit_tuples = -1;
	ledger_finish_groups(grouping, &append->path);
}

/* Add paths that aggregate partitions each by itself. */
void
ledger_aggregate_partitions(const LedgerGrouping *grouping)
{
	Leaves		leaves = {grouping, false, false, 0, NIL, NIL};
	Leaves		parallel = {grouping, true, false, 0, NIL, NIL};

	if (grouping->partial == NULL || grouping->input->lateral_relids != NULL)
		return;
	add_leaves(&leaves, grouping->input);
	if (leaves.failed || leaves.nledgers == 0)
		return;
	append_leaves(&leaves);
	if (!grouping->output->consider_parallel || !grouping->input->consider_parallel ||
		!enable_parallel_append)
		return;
	add_leaves(&parallel, grouping->input);
	if (!parallel.failed)
		append_leaves(&parallel);
}
