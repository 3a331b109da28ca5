/*-------------------------------------------------------------------------
 *
 * cost.c
 *	  What a LedgerScan costs.
 *
 * In the planner's units, in which a sequential page read and the handling of
 * a hundred rows of heap cost 1.  How much of a ledger must be read depends on
 * how well the filters' columns go with the order of the rows: a range of a
 * well correlated column takes its part of the vectors, equality of a rare
 * value the segments whose Bloom filters name it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "catalog/pg_statistic.h"
#include "exec/exec_internal.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/plancat.h"
#include "optimizer/restrictinfo.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* To open a segment and to look at one column's maps, in pages read. */
#define SEGMENT_PAGES		1.0
#define MAPS_PAGES			0.5

/* Filters that are wrong about a segment */
#define BLOOM_ERROR			0.01

/* Values this wide cost as much to decode as an operator call. */
#define DECODE_WIDTH		64.0

/* What a path leads to, on average, and its part of the documents' bytes */
#define PATH_WIDTH			16.0
#define PATH_PART			0.1

/* See ledger_workers_cost, in core's parallel_setup_cost. */
#define WORKERS_SETUPS		2.0

/* What a scan is made of. */
typedef struct Work
{
	double		touched;		/* part of the vectors that are read */
	double		selectivity;	/* of all filters */
	double		filter_cost;	/* a row that is read */
	double		output_cost;	/* a row that passes: to decode it, */
	double		qual_cost;		/* and to see if it passes what is not a filter */
	double		width_part;		/* part of the columns' bytes */
} Work;

/* ---- How much is read ---- */

/*
 * 0 to 1: of a column's values with the order of the rows; or what is given for
 * it, if there are no statistics.
 */
double
ledger_column_correlation(Oid relid, AttrNumber attnum, double otherwise)
{
	HeapTuple	tuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(relid),
										Int16GetDatum(attnum), BoolGetDatum(false));
	AttStatsSlot slot;
	double		correlation = otherwise;

	if (!HeapTupleIsValid(tuple))
		return otherwise;
	if (get_attstatsslot(&slot, tuple, STATISTIC_KIND_CORRELATION, InvalidOid,
						 ATTSTATSSLOT_NUMBERS))
	{
		if (slot.nnumbers == 1)
			correlation = fabs(slot.numbers[0]);
		free_attstatsslot(&slot);
	}
	ReleaseSysCache(tuple);
	return correlation;
}

/* The part of the vectors that a filter leaves to be read. */
static double
touched_part(RelOptInfo *rel, const LedgerSize *size, const LedgerFilter *filter,
			 Selectivity selectivity)
{
	double		correlation;
	double		part = 1;

	switch (filter->kind)
	{
		case LEDGER_FILTER_AND:
			for (int i = 0; i < filter->nargs; i++)
				part = Min(part, touched_part(rel, size, filter->args[i], selectivity));
			return part;
		case LEDGER_FILTER_OR:
			part = 0;
			for (int i = 0; i < filter->nargs; i++)
				part += touched_part(rel, size, filter->args[i], selectivity);
			return Min(part, 1);
		default:
			break;
	}
	correlation = filter->input.kind == LEDGER_INPUT_COLUMN ?
		ledger_column_correlation(size->relid, filter->input.attnum, 0) : 0;
	if (filter->method != LEDGER_METHOD_CALL || filter->by_bytes || filter->ordered_cuts)
		part = selectivity + (1 - correlation) * (1 - selectivity);
	if (filter->strategy == BTEqualStrategyNumber)
		part = Min(part, clamp_row_est(rel->tuples * selectivity) / Max(size->segments, 1) + BLOOM_ERROR);
	return Min(part, 1);
}

/* ---- What a row costs ---- */

static double
column_width(RelOptInfo *rel, AttrNumber attnum)
{
	if (attnum < rel->min_attr || attnum > rel->max_attr)
		return 0;
	return rel->attr_widths[attnum - rel->min_attr];
}

static double
decode_cost_of_width(double width)
{
	return cpu_operator_cost / 2 * Min((8 + width) / DECODE_WIDTH, 1);
}

static double
decode_cost(RelOptInfo *rel, AttrNumber attnum)
{
	return decode_cost_of_width(column_width(rel, attnum));
}

static double
filter_decode_cost(RelOptInfo *rel, const LedgerFilter *filter)
{
	double		cost = 0;

	if (filter->nargs == 0)
		return filter->input.kind == LEDGER_INPUT_COLUMN ?
			decode_cost(rel, filter->input.attnum) : decode_cost_of_width(PATH_WIDTH);
	for (int i = 0; i < filter->nargs; i++)
		cost += filter_decode_cost(rel, filter->args[i]);
	return cost;
}

static double
filter_run_cost(const LedgerFilter *filter, PlannerInfo *root)
{
	double		cost = 0;
	QualCost	qual;

	for (int i = 0; i < filter->nargs; i++)
		cost += filter_run_cost(filter->args[i], root);
	if (filter->nargs > 0)
		return cost;
	if (filter->kind == LEDGER_FILTER_COMPARE && filter->method == LEDGER_METHOD_CALL)
	{
		cost_qual_eval_node(&qual, (Node *) filter->clause, root);
		return qual.per_tuple;
	}
	return cpu_operator_cost / 5;
}

/* The cost of each filter counts for the rows that those before it leave. */
static void
add_filters(PlannerInfo *root, RelOptInfo *rel, const LedgerSize *size, List *pushed,
			Work *work)
{
	ListCell   *lc;

	foreach(lc, pushed)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		LedgerFilter *filter = ledger_filter_of_rinfo(rel, rinfo);
		Selectivity selectivity = clause_selectivity(root, (Node *) rinfo, rel->relid,
													 JOIN_INNER, NULL);

		work->touched = Min(work->touched, touched_part(rel, size, filter, selectivity));
		work->filter_cost += (filter_decode_cost(rel, filter) + filter_run_cost(filter, root)) *
			work->selectivity;
		work->selectivity *= selectivity;
	}
}

/* The columns that a filter reads, and those of which it reads a path. */
static void
find_filter_columns(const LedgerFilter *filter, Bitmapset **columns, Bitmapset **parts)
{
	int			member = filter->input.attnum - FirstLowInvalidHeapAttributeNumber;

	for (int i = 0; i < filter->nargs; i++)
		find_filter_columns(filter->args[i], columns, parts);
	if (filter->nargs > 0)
		return;
	if (filter->input.kind == LEDGER_INPUT_COLUMN && filter->kind != LEDGER_FILTER_CONTAINS)
		*columns = bms_add_member(*columns, member);
	else
		*parts = bms_add_member(*parts, member);
}

/* The columns that are needed of a row that passes */
static void
add_columns(PlannerInfo *root, RelOptInfo *rel, const LedgerSize *size, List *exprs,
			List *pushed, List *others, Work *work)
{
	Bitmapset  *columns = NULL;
	Bitmapset  *filters = NULL;
	Bitmapset  *parts = NULL;
	ListCell   *lc;
	double		all = get_relation_data_width(size->relid, rel->attr_widths - rel->min_attr);
	double		read = 0;
	QualCost	qual;

	pull_varattnos((Node *) exprs, rel->relid, &columns);
	pull_varattnos((Node *) extract_actual_clauses(others, false), rel->relid, &columns);
	foreach(lc, pushed)
		find_filter_columns(ledger_filter_of_rinfo(rel, lfirst(lc)), &filters, &parts);
	for (AttrNumber attnum = 1; attnum <= rel->max_attr; attnum++)
	{
		bool		output = bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, columns) ||
			bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, columns);

		if (output)
			work->output_cost += decode_cost(rel, attnum);
		if (output || bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, filters))
			read += column_width(rel, attnum);
		else if (bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, parts))
			read += column_width(rel, attnum) * PATH_PART;
	}
	work->width_part = Min(read / Max(all, 1), 1);
	cost_qual_eval(&qual, others, root);
	work->qual_cost = qual.per_tuple;
}

/* ---- All together ---- */

/* What core holds of how many processes share the rows of a parallel scan. */
double
ledger_parallel_divisor(int workers)
{
	double		leader = 1.0 - 0.3 * workers;

	return workers + (parallel_leader_participation && leader > 0 ? leader : 0);
}

/*
 * What it costs to begin in workers, beyond what core has for that: each loads the
 * library, opens all segments that it comes to, and knows nothing of them that
 * the session has in its decode cache.  A scan of a ledger is short, so that
 * counts.  Partitions share the workers.
 */
double
ledger_workers_cost(PlannerInfo *root, RelOptInfo *rel)
{
	int			nsharing = 1;

	if (rel->reloptkind == RELOPT_OTHER_MEMBER_REL)
	{
		Index		parent = root->append_rel_array[rel->relid]->parent_relid;

		nsharing = Max(bms_num_members(find_base_rel(root, parent)->live_parts), 1);
	}
	return WORKERS_SETUPS * parallel_setup_cost / nsharing;
}

static double
disk_cost(RelOptInfo *rel, const LedgerSize *size, int nfilters, const Work *work)
{
	double		pages = rel->pages;
	double		roots = Min(size->segments * SEGMENT_PAGES, pages);
	double		maps = size->segments * nfilters * MAPS_PAGES;
	double		data = (pages - roots) * (1 - size->tail_part) * work->width_part * work->touched;

	return seq_page_cost * (roots + Min(data + maps, pages - roots) +
							(pages - roots) * size->tail_part);
}

static double
cpu_cost(RelOptInfo *rel, const LedgerSize *size, const Work *work)
{
	double		tail = rel->tuples * size->tail_part;
	double		sealed = (rel->tuples - tail) * work->touched;
	double		passed = rel->tuples * work->selectivity;

	return tail * cpu_tuple_cost * 0.9 +
		sealed * work->filter_cost +
		passed * (Min(work->output_cost, cpu_tuple_cost / 2) + cpu_tuple_cost * 0.4 + work->qual_cost);
}

/*
 * Set a path's rows and costs.  "pushed" and "others" are what its clauses
 * (RestrictInfos) come to.
 */
void
ledger_scan_cost(PlannerInfo *root, RelOptInfo *rel, const LedgerSize *size, Path *path,
				 List *pushed, List *others)
{
	Work		work = {1, 1, 0, 0, 0, 0};
	double		cpu;
	QualCost	qual;

	add_filters(root, rel, size, pushed, &work);
	add_columns(root, rel, size, path->pathtarget->exprs, pushed, others, &work);
	path->rows = path->param_info ? path->param_info->ppi_rows : rel->rows;
	cpu = cpu_cost(rel, size, &work) + rel->tuples * work.selectivity * path->pathtarget->cost.per_tuple;
	if (path->parallel_workers > 0)
	{
		double		divisor = ledger_parallel_divisor(path->parallel_workers);

		path->rows = clamp_row_est(path->rows / divisor);
		cpu /= divisor;
	}
	cost_qual_eval(&qual, others, root);
	path->startup_cost = qual.startup + path->pathtarget->cost.startup;
	if (path->parallel_workers > 0)
		path->startup_cost += ledger_workers_cost(root, rel);
	path->total_cost = path->startup_cost + disk_cost(rel, size, list_length(pushed), &work) + cpu;
}

/*
 * What it costs to have the columns that expressions mention at hand, of the
 * rows that the pushed filters let through: to read, and for the processor, the
 * rows of tail runs and those of segments.
 */
void
ledger_read_cost(PlannerInfo *root, RelOptInfo *rel, const LedgerSize *size, List *exprs,
				 List *pushed, Cost *disk, Cost *tail, Cost *sealed)
{
	Work		work = {1, 1, 0, 0, 0, 0};
	double		tail_rows = rel->tuples * size->tail_part;
	double		rows = rel->tuples - tail_rows;

	add_filters(root, rel, size, pushed, &work);
	add_columns(root, rel, size, exprs, pushed, NIL, &work);
	*disk = disk_cost(rel, size, list_length(pushed), &work);
	*tail = tail_rows * cpu_tuple_cost * 0.9;
	*sealed = rows * (work.touched * work.filter_cost +
					  work.selectivity * Min(work.output_cost, cpu_tuple_cost / 2));
}
