/*-------------------------------------------------------------------------
 *
 * agg_explain.c
 *	  What EXPLAIN tells of a LedgerAggregate.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/explain.h"
#include "exec/aggregate.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "utils/ruleutils.h"

#ifdef LEDGER_EXPLAIN_APART
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

static List *
deparse_list(List *exprs, List *context, ExplainState *es)
{
	List	   *texts = NIL;
	ListCell   *lc;

	foreach(lc, exprs)
		texts = lappend(texts, deparse_expression(lfirst(lc), context, es->verbose, false));
	return texts;
}

/* An ExplainCustomScan callback */
void
ledger_aggregate_explain(CustomScanState *css, List *ancestors, ExplainState *es)
{
	LedgerAggregateState *state = (LedgerAggregateState *) css;
	CustomScan *plan = (CustomScan *) css->ss.ps.plan;
	List	   *context = set_deparse_context_plan(es->deparse_cxt, &plan->scan.plan, ancestors);
	List	   *pushed;
	LedgerAggregation *aggregation = ledger_aggregation_of_plan(plan, &pushed);
	LedgerScanCounts counts;

	if (aggregation->keys != NIL)
		ExplainPropertyList("Group Key", deparse_list(aggregation->keys, context, es), es);
	if (aggregation->aggs != NIL)
		ExplainPropertyList("Aggregates", deparse_list(aggregation->aggs, context, es), es);
	if (pushed != NIL)
		ExplainPropertyText("Pushed Filter",
							deparse_expression((Node *) make_ands_explicit(pushed), context,
											   es->verbose, false), es);
	if (!es->analyze)
		return;
	ledger_filtered_sum_counts(&state->fs, &counts);
	if (state->fs.nfilters > 0)
		ExplainPropertyInteger("Rows Removed by Pushed Filter", NULL, counts.removed, es);
	if (state->fs.answer != NULL)
		ExplainPropertyInteger("Rows from Metadata", NULL, counts.rows_answered, es);
	if (state->fs.nfilters > 0 || state->fs.answer != NULL)
	{
		ledger_explain_part("Segments", counts.segments, counts.segments_by_zone,
							counts.segments_by_bloom, counts.segments_by_codes, es);
		ledger_explain_part("Vectors", counts.vectors, counts.vectors_by_zone,
							counts.vectors_by_bloom, counts.vectors_by_codes, es);
	}
	ledger_explain_decompressed(&counts, es);
	if (state->pass.number + state->values.number > 2)
		ExplainPropertyInteger("Passes", NULL, state->pass.number + state->values.number - 1, es);
	if (state->flushes > 0)
		ExplainPropertyInteger("Flushes", NULL, state->flushes, es);
}
