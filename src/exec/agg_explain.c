/*-------------------------------------------------------------------------
 *
 * agg_explain.c
 *	  What EXPLAIN tells of a LedgerAggregate.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
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

/* The columns that are read, of documents perhaps only parts */
static void
explain_columns(LedgerAggregateState *state, const LedgerAggregation *aggregation, List *pushed,
				ExplainState *es)
{
	TupleDesc	desc = RelationGetDescr(state->css.ss.ss_currentRelation);
	Index		relid = ((Scan *) state->css.ss.ps.plan)->scanrelid;
	Bitmapset  *columns = NULL;
	List	   *names = NIL;

	pull_varattnos((Node *) aggregation->keys, relid, &columns);
	pull_varattnos((Node *) aggregation->aggs, relid, &columns);
	pull_varattnos((Node *) pushed, relid, &columns);
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped &&
			(bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, columns) ||
			 bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, columns)))
			names = lappend(names, NameStr(TupleDescAttr(desc, i)->attname));
	ledger_explain_columns(names, es);
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
	explain_columns(state, aggregation, pushed, es);
	if (!es->analyze)
		return;
	ledger_filtered_sum_counts(&state->fs, &counts);
	if (state->fs.nfilters > 0)
		ExplainPropertyInteger("Rows Removed by Pushed Filter", NULL, counts.removed, es);
	if (state->fs.answer != NULL)
		ExplainPropertyInteger("Rows from Metadata", NULL, counts.rows_answered, es);
	ledger_explain_skipped(&counts, es);
	ledger_explain_decompressed(&counts, es);
	if (state->pass.number + state->values.number > 2)
		ExplainPropertyInteger("Passes", NULL, state->pass.number + state->values.number - 1, es);
	if (state->flushes > 0)
		ExplainPropertyInteger("Flushes", NULL, state->flushes, es);
}
