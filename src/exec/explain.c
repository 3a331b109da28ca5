/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  What EXPLAIN tells of a LedgerScan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/explain.h"
#include "exec/exec_internal.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/ruleutils.h"

#ifdef LEDGER_EXPLAIN_APART
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

/* The filters, as one expression */
static void
explain_filters(CustomScanState *css, List *ancestors, ExplainState *es)
{
	CustomScan *plan = (CustomScan *) css->ss.ps.plan;
	List	   *context;
	Node	   *expr;

	if (plan->custom_exprs == NIL)
		return;
	expr = (Node *) make_ands_explicit(plan->custom_exprs);
	context = set_deparse_context_plan(es->deparse_cxt, &plan->scan.plan, ancestors);
	ExplainPropertyText("Pushed Filter",
						deparse_expression(expr, context, es->verbose, false), es);
}

static void
add_columns(List **names, const LedgerColumnSet *set, TupleDesc desc)
{
	for (int i = 0; i < set->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, set->columns[i]);

		if (!att->attisdropped)
			*names = list_append_unique(*names, makeString(NameStr(att->attname)));
	}
}

static void
add_filter_columns(List **names, const LedgerFilter *filter, TupleDesc desc)
{
	for (int i = 0; i < filter->nargs; i++)
		add_filter_columns(names, filter->args[i], desc);
	if (filter->nargs == 0)
		*names = list_append_unique(*names,
									makeString(NameStr(TupleDescAttr(desc, filter->input.attnum - 1)->attname)));
}

static void
add_paths(List **names, const LedgerProjection *project, TupleDesc desc)
{
	for (int s = 0; s < (int) lengthof(project->sets); s++)
		for (int i = 0; i < project->sets[s].n; i++)
			*names = list_append_unique(*names,
										makeString(NameStr(TupleDescAttr(desc, project->sets[s].inputs[i].attnum - 1)->attname)));
}

void
ledger_explain_columns(List *names, ExplainState *es)
{
	if (names == NIL && es->format == EXPLAIN_FORMAT_TEXT)
		ExplainPropertyText("Columns", "none", es);
	else
		ExplainPropertyList("Columns", names, es);
}

/* The columns that are read, those of the filters first */
static void
explain_columns(LedgerScanState *state, ExplainState *es)
{
	TupleDesc	desc = RelationGetDescr(state->css.ss.ss_currentRelation);
	List	   *nodes = NIL;
	List	   *names = NIL;
	ListCell   *lc;

	for (int i = 0; i < state->fs.nfilters; i++)
		add_filter_columns(&nodes, state->fs.filters[i], desc);
	add_columns(&nodes, &state->first, desc);
	add_columns(&nodes, &state->rest, desc);
	if (state->project != NULL)
		add_paths(&nodes, state->project, desc);
	foreach(lc, nodes)
		names = lappend(names, strVal(lfirst(lc)));
	ledger_explain_columns(names, es);
}

/* Of the column by which the rows come */
static void
explain_order(LedgerScanState *state, ExplainState *es)
{
	TupleDesc	desc = RelationGetDescr(state->css.ss.ss_currentRelation);
	LedgerOrderKey key = ledger_order_key((CustomScan *) state->css.ss.ps.plan);
	const char *name = quote_identifier(NameStr(TupleDescAttr(desc, key.attnum - 1)->attname));
	const char *nulls = "";

	if (key.nulls_first != key.descending)
		nulls = key.nulls_first ? " NULLS FIRST" : " NULLS LAST";
	ExplainPropertyText("Order", psprintf("%s%s%s", name, key.descending ? " DESC" : "", nulls), es);
	if (es->analyze)
		ExplainPropertyInteger("Rows Sorted", NULL, ledger_order_spilled(state), es);
}

/* What was read of segments or vectors, and what was not, and why */
static void
explain_part(const char *what, int64 read, int64 by_zone, int64 by_bloom, int64 by_codes,
			 ExplainState *es)
{
	if (es->format == EXPLAIN_FORMAT_TEXT)
	{
		ExplainPropertyText(what,
							psprintf("read=" INT64_FORMAT " skipped by zone map=" INT64_FORMAT
									 " by Bloom filter=" INT64_FORMAT " by dictionary=" INT64_FORMAT,
									 read, by_zone, by_bloom, by_codes), es);
		return;
	}
	ExplainPropertyInteger(psprintf("%s Read", what), NULL, read, es);
	ExplainPropertyInteger(psprintf("%s Skipped by Zone Map", what), NULL, by_zone, es);
	ExplainPropertyInteger(psprintf("%s Skipped by Bloom Filter", what), NULL, by_bloom, es);
	ExplainPropertyInteger(psprintf("%s Skipped by Dictionary", what), NULL, by_codes, es);
}

/* The rows that are not in segments are in pages of a tail, of which little is known. */
static void
explain_pages(const LedgerScanCounts *counts, ExplainState *es)
{
	if (es->format != EXPLAIN_FORMAT_TEXT)
	{
		ExplainPropertyInteger("Tail Pages Read", NULL, counts->pages, es);
		ExplainPropertyInteger("Tail Pages Skipped", NULL, counts->pages_skipped, es);
	}
	else if (counts->pages > 0 || counts->pages_skipped > 0)
		ExplainPropertyText("Tail Pages", psprintf("read=" INT64_FORMAT " skipped=" INT64_FORMAT,
												   counts->pages, counts->pages_skipped), es);
}

/* Of all that is read */
void
ledger_explain_skipped(const LedgerScanCounts *counts, ExplainState *es)
{
	explain_part("Segments", counts->segments, counts->segments_by_zone,
				 counts->segments_by_bloom, counts->segments_by_codes, es);
	explain_part("Vectors", counts->vectors, counts->vectors_by_zone,
				 counts->vectors_by_bloom, counts->vectors_by_codes, es);
	explain_pages(counts, es);
}

/*
 * With SUMMARY, as ANALYZE has it by default: how much that is depends on what the
 * session has read before.
 */
void
ledger_explain_decompressed(const LedgerScanCounts *counts, ExplainState *es)
{
	if (es->summary)
		ExplainPropertyInteger("Decompressed", "bytes", counts->decompressed, es);
}

/* An ExplainCustomScan callback */
void
ledger_scan_explain(CustomScanState *css, List *ancestors, ExplainState *es)
{
	LedgerScanState *state = (LedgerScanState *) css;
	LedgerScanCounts counts;

	if (state->order != NULL)
		explain_order(state, es);
	explain_filters(css, ancestors, es);
	if (es->analyze)
		ledger_filtered_sum_counts(&state->fs, &counts);
	if (state->fs.nfilters > 0 && es->analyze)
		ExplainPropertyInteger("Rows Removed by Pushed Filter", NULL, counts.removed, es);
	explain_columns(state, es);
	if (!es->analyze)
		return;
	ledger_explain_skipped(&counts, es);
	ledger_explain_decompressed(&counts, es);
}
