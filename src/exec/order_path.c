/*-------------------------------------------------------------------------
 *
 * order_path.c
 *	  Which orders of a LedgerScan are of use to a query, and what they cost.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/stratnum.h"
#include "exec/exec_internal.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "utils/typcache.h"

/* To look at a segment's zone maps, in pages read */
#define BOUNDS_PAGES	0.3

/* Comparisons are of integers; in operator calls, for a row that comes in order */
#define COMPARE_CALLS	0.2

/* ---- Orders ---- */

static List *
add_order(PlannerInfo *root, RelOptInfo *rel, List *orders, const Var *var, PathKey *pathkey)
{
	LedgerUsefulOrder *order;
	ListCell   *lc;

	foreach(lc, orders)
		if (((LedgerUsefulOrder *) lfirst(lc))->pathkey == pathkey)
			return orders;
	if (truncate_useless_pathkeys(root, rel, list_make1(pathkey)) == NIL)
		return orders;
	order = palloc(sizeof(LedgerUsefulOrder));
	order->pathkey = pathkey;
	order->key.attnum = var->varattno;
	order->key.typid = var->vartype;
	order->key.descending = LedgerPathKeyDescends(pathkey);
	order->key.nulls_first = pathkey->pk_nulls_first;
	return lappend(orders, order);
}

/* Either way, with NULLs where they are by default, or where the query wants them. */
static List *
add_orders(PlannerInfo *root, RelOptInfo *rel, List *orders, Var *var)
{
	TypeCacheEntry *type = lookup_type_cache(var->vartype, TYPECACHE_LT_OPR);
	List	   *pathkeys;
	PathKey    *ascending;
	PathKey    *wanted;

	if (!OidIsValid(type->lt_opr))
		return orders;
	pathkeys = LedgerColumnPathKey(root, var, type->lt_opr, rel->relids);
	if (pathkeys == NIL)
		return orders;
	ascending = linitial(pathkeys);
	if (ascending->pk_eclass->ec_has_const)
		return orders;			/* nothing to be ordered */
	if (root->query_pathkeys != NIL)
	{
		wanted = linitial(root->query_pathkeys);
		if (wanted->pk_eclass == ascending->pk_eclass &&
			wanted->pk_opfamily == ascending->pk_opfamily)
			orders = add_order(root, rel, orders, var, wanted);
	}
	orders = add_order(root, rel, orders, var, ascending);
	return add_order(root, rel, orders, var, LedgerDescendingPathKey(root, ascending));
}

/* System columns that are lost when rows are sorted */
static bool
needs_lost_columns(RelOptInfo *rel)
{
	Bitmapset  *columns = NULL;
	ListCell   *lc;
	int			member = -1;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &columns);
	foreach(lc, rel->baserestrictinfo)
		pull_varattnos((Node *) ((RestrictInfo *) lfirst(lc))->clause, rel->relid, &columns);
	while ((member = bms_next_member(columns, member)) >= 0)
	{
		AttrNumber	attnum = member + FirstLowInvalidHeapAttributeNumber;

		if (attnum < 0 && attnum != SelfItemPointerAttributeNumber &&
			attnum != TableOidAttributeNumber)
			return true;
	}
	return false;
}

/* LedgerUsefulOrders of a relation's columns */
List *
ledger_useful_orders(PlannerInfo *root, RelOptInfo *rel)
{
	List	   *orders = NIL;
	List	   *vars;
	Bitmapset  *seen = NULL;
	ListCell   *lc;

	if (!has_useful_pathkeys(root, rel) || needs_lost_columns(rel))
		return NIL;
	vars = pull_var_clause((Node *) rel->reltarget->exprs, PVC_RECURSE_AGGREGATES |
						   PVC_RECURSE_WINDOWFUNCS | PVC_RECURSE_PLACEHOLDERS);
	foreach(lc, vars)
	{
		Var		   *var = lfirst_node(Var, lc);

		if (var->varno != rel->relid || var->varattno <= 0 ||
			!ledger_order_type(var->vartype) || bms_is_member(var->varattno, seen))
			continue;
		seen = bms_add_member(seen, var->varattno);
		orders = add_orders(root, rel, orders, var);
	}
	return orders;
}

/* ---- Costs ---- */

/*
 * The part of the rows that are read before the first is returned, and that are
 * at hand at a time: all tail rows, and of the others as the column goes with
 * the order in which they are stored, by statistics, or by some zone maps.
 */
static double
buffered_part(RelOptInfo *rel, const LedgerSize *size, const LedgerOrderKey *key)
{
	double		correlation = ledger_column_correlation(size->relid, key->attnum, -1);
	double		part = correlation >= 0 ? 1 - correlation : ledger_order_overlap(size->relid, key);

	if (rel->tuples > 0)
		part = Max(part, Min(LEDGER_VECTOR_ROWS / rel->tuples, 1));
	return size->tail_part + (1 - size->tail_part) * part;
}

/* What sorting that takes more than memory reads and writes. */
static double
spill_cost(double rows, double width, double buffered)
{
	double		bytes = rows * (width + MAXALIGN(SizeofHeapTupleHeader));
	double		pages = bytes / BLCKSZ;

	if (bytes * buffered <= work_mem * 1024.0)
		return 0;
	return 2 * pages * (seq_page_cost * 0.75 + random_page_cost * 0.25) +
		rows * cpu_tuple_cost;
}

/* Add to the costs of a path what it takes to have its rows in an order. */
void
ledger_order_cost(RelOptInfo *rel, const LedgerSize *size, const LedgerOrderKey *key, Path *path)
{
	double		run = path->total_cost - path->startup_cost;
	double		part = buffered_part(rel, size, key);
	double		rows = path->rows;
	double		compare = cpu_operator_cost * (COMPARE_CALLS + 2 * part * log2(2 + rows * part));
	double		spill = spill_cost(rows, path->pathtarget->width, part);

	path->startup_cost += size->segments * BOUNDS_PAGES * seq_page_cost +
		part * (run + rows * compare + spill);
	path->total_cost = path->startup_cost + (1 - part) * (run + rows * compare + spill);
}
