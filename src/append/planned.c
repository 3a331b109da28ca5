/*-------------------------------------------------------------------------
 *
 * planned.c
 *	  The same append as a planned INSERT, where something needs the executor.
 *
 * The entries, made rows, become an ephemeral relation, and
 *		INSERT INTO t (columns that an entry gives) SELECT ... FROM it
 * runs through SPI.  So triggers, rules, policies, foreign partitions and
 * privileges are the server's own business.  Values are computed before the
 * first row is stored; a default of a column that no entry gives is left to
 * the INSERT.
 *
 * Partitions that are missing are made before that, by a look at each row.
 *
 * The ephemeral relation has the entry's number in a column, and a last row
 * numbered 0 that the query's WHERE "entry" > $1 leaves out.  The parameter is
 * 0, but asking for it calls fetch_zero() once a row: that is how an error
 * context can name the entry.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/append.h"
#include "compat.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tupdesc.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/queryenvironment.h"
#include "utils/tuplestore.h"

#define ENTRIES_NAME	"ledger_entries"

typedef struct PlannedInsert
{
	AppendCall *call;
	int			ncolumns;		/* that an entry gives */
	AppendColumn **columns;
	TupleDesc	desc;			/* entry number, then the columns */
	Tuplestorestate *rows;
	int64		nrows;			/* without the last */
	int64		maxrows;
	int64	   *entries;		/* number of each row's entry */
	int64		asked;			/* calls of fetch_zero() in this scan */
} PlannedInsert;

static void choose_columns(PlannedInsert *insert, AppendSource *source);
static void collect_rows(PlannedInsert *insert, AppendSource *source);
static void note_entry(PlannedInsert *insert, int64 entry);
static void provide_partitions(PlannedInsert *insert);
static bool find_partitions(PlannedInsert *insert, TupleTableSlot *row);
static void check_limits(AppendRouter *router, ResultRelInfo *leaf);
static void fill_router_slot(PlannedInsert *insert, TupleTableSlot *row,
							 TupleTableSlot *to);
static bool has_conflict_index(Oid relid);
static int64 run_insert(PlannedInsert *insert);
static char *insert_command(PlannedInsert *insert);
static SPIPlanPtr prepare_insert(PlannedInsert *insert);
static ParamListInfo make_params(PlannedInsert *insert);
static ParamExternData *fetch_zero(ParamListInfo params, int paramid,
								   bool speculative, ParamExternData *workspace);


/* Insert the entries from where the source stands; the number of rows stored. */
int64
planned_insert(AppendCall *call, AppendSource *source)
{
	PlannedInsert insert = {0};
	MemoryContext oldcxt = MemoryContextSwitchTo(call->cxt);
	int64		stored = 0;

	insert.call = call;
	choose_columns(&insert, source);
	collect_rows(&insert, source);
	*call->entry = 0;
	if (call->options->skip_conflicts && !has_conflict_index(RelationGetRelid(call->rel)))
		conflict_refuse(call->rel);
	if (insert.nrows > 0 && call->rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		provide_partitions(&insert);
	if (insert.nrows > 0)
		stored = run_insert(&insert);
	*call->entry = 0;
	tuplestore_end(insert.rows);
	MemoryContextSwitchTo(oldcxt);
	return stored;
}

static void
choose_columns(PlannedInsert *insert, AppendSource *source)
{
	AppendCall *call = insert->call;
	AppendTarget *target = call->target;
	int			n = 0;

	source->scan_columns(source, call);
	call->insert_defaults = true;

	insert->columns = palloc((target->ncolumns + 1) * sizeof(AppendColumn *));
	for (int i = 0; i < target->ncolumns; i++)
	{
		if (call->used[i])
			insert->columns[n++] = &target->columns[i];
	}
	insert->ncolumns = n;

	insert->desc = CreateTemplateTupleDesc(n + 1);
	TupleDescInitEntry(insert->desc, 1, "entry", INT8OID, -1, 0);
	for (int i = 0; i < n; i++)
	{
		AppendColumn *column = insert->columns[i];
		char		name[NAMEDATALEN];

		snprintf(name, sizeof(name), "c%d", i + 1);
		TupleDescInitEntry(insert->desc, i + 2, name, column->typid, column->typmod, 0);
	}
}

static void
collect_rows(PlannedInsert *insert, AppendSource *source)
{
	AppendCall *call = insert->call;
	int			natts = RelationGetDescr(call->rel)->natts;
	Datum	   *values = palloc0((natts + 1) * sizeof(Datum));
	bool	   *isnull = palloc0((natts + 1) * sizeof(bool));
	Datum	   *row = palloc0(insert->desc->natts * sizeof(Datum));
	bool	   *row_isnull = palloc0(insert->desc->natts * sizeof(bool));

	insert->rows = tuplestore_begin_heap(false, false, work_mem);
	MemoryContextSwitchTo(call->batchcxt);
	while (source->next(source, call, values, isnull))
	{
		CHECK_FOR_INTERRUPTS();
		row[0] = Int64GetDatum(*call->entry);
		for (int i = 0; i < insert->ncolumns; i++)
		{
			int			from = insert->columns[i]->attnum - 1;

			row[i + 1] = values[from];
			row_isnull[i + 1] = isnull[from];
		}
		tuplestore_putvalues(insert->rows, insert->desc, row, row_isnull);
		note_entry(insert, *call->entry);
		MemoryContextReset(call->batchcxt);
		ResetPerTupleExprContext(call->estate);
	}

	row[0] = Int64GetDatum(0);
	memset(row_isnull + 1, true, insert->ncolumns);
	tuplestore_putvalues(insert->rows, insert->desc, row, row_isnull);
	MemoryContextSwitchTo(call->cxt);
}

static void
note_entry(PlannedInsert *insert, int64 entry)
{
	if (insert->nrows == insert->maxrows)
	{
		insert->maxrows = Max(64, insert->maxrows * 2);
		if (insert->entries == NULL)
			insert->entries = MemoryContextAlloc(insert->call->cxt,
												 insert->maxrows * sizeof(int64));
		else
			insert->entries = repalloc_huge(insert->entries,
											insert->maxrows * sizeof(int64));
	}
	insert->entries[insert->nrows++] = entry;
}

/* Make the partitions of managed ledgers that rows go to. */
static void
provide_partitions(PlannedInsert *insert)
{
	TupleTableSlot *row = MakeSingleTupleTableSlot(insert->desc, &TTSOpsMinimalTuple);

	while (!find_partitions(insert, row))
		append_make_partition(insert->call);
	ExecDropSingleTupleTableSlot(row);
}

/*
 * Look for the rows' partitions.  False if one is missing that can be made; what
 * else is missing is for INSERT to tell.
 */
static bool
find_partitions(PlannedInsert *insert, TupleTableSlot *row)
{
	AppendCall *call = insert->call;
	MemoryContext oldcxt = MemoryContextSwitchTo(call->cxt);
	AppendRouter router;
	ResultRelInfo *root = makeNode(ResultRelInfo);
	volatile bool found = true;

	LedgerInitRangeTable(call->estate, call->range_table, call->perminfos);
	InitResultRelInfo(root, call->rel, 1, NULL, 0);
	router_begin(&router, call, root);
	tuplestore_rescan(insert->rows);
	PG_TRY();
	{
		for (int64 i = 0; i < insert->nrows; i++)
		{
			CHECK_FOR_INTERRUPTS();
			(void) tuplestore_gettupleslot(insert->rows, true, false, row);
			*call->entry = insert->entries[i];
			fill_router_slot(insert, row, router.slot);
			check_limits(&router, router_find(&router));
			ResetPerTupleExprContext(call->estate);
		}
		*call->entry = 0;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		if (!router.finding)
			PG_RE_THROW();
		MemoryContextSwitchTo(call->cxt);
		error = CopyErrorData();
		FlushErrorState();
		if (!router_found_none(&router, error))
			ReThrowError(error);
		found = !router_note_missing(&router, error);
		FreeErrorData(error);
	}
	PG_END_TRY();
	ExecClearTuple(row);
	ExecResetTupleTable(call->estate->es_tupleTable, false);
	call->estate->es_tupleTable = NIL;
	router_end(&router);
	tuplestore_rescan(insert->rows);
	MemoryContextSwitchTo(oldcxt);
	return found;
}

static void
check_limits(AppendRouter *router, ResultRelInfo *leaf)
{
	AppendLimits *limits = router_limits(router, RelationGetRelid(leaf->ri_RelationDesc));

	if (limits != NULL)
	{
		router_check_limits(router, limits);
		pfree(limits);
	}
}

/*
 * The row as INSERT will have it.  A default that differs from time to time is
 * left out; if a partition depends on it, that is not made here.
 */
static void
fill_router_slot(PlannedInsert *insert, TupleTableSlot *row, TupleTableSlot *to)
{
	AppendCall *call = insert->call;
	int			natts = to->tts_tupleDescriptor->natts;

	slot_getallattrs(row);
	ExecClearTuple(to);
	memset(to->tts_values, 0, natts * sizeof(Datum));
	memset(to->tts_isnull, true, natts * sizeof(bool));
	for (int i = 0; i < insert->ncolumns; i++)
	{
		int			attnum = insert->columns[i]->attnum;

		to->tts_values[attnum - 1] = row->tts_values[i + 1];
		to->tts_isnull[attnum - 1] = row->tts_isnull[i + 1];
	}
	call->insert_defaults = false;
	for (int i = 0; i < call->target->ncolumns; i++)
	{
		AppendColumn *column = &call->target->columns[i];

		if (!call->used[i] && column->default_expr != NULL &&
			!contain_volatile_functions((Node *) column->default_expr))
			to->tts_values[column->attnum - 1] =
				append_default(call, column, &to->tts_isnull[column->attnum - 1]);
	}
	call->insert_defaults = true;
	ExecStoreVirtualTuple(to);
}

/* Whether the relation, or a partition of it, has an index to conflict by. */
static bool
has_conflict_index(Oid relid)
{
	List	   *relids = find_all_inheritors(relid, RowExclusiveLock, NULL);
	ListCell   *lc;

	foreach(lc, relids)
	{
		Relation	rel = table_open(lfirst_oid(lc), NoLock);
		List	   *indexes = RelationGetIndexList(rel);
		ListCell   *ic;

		table_close(rel, NoLock);
		foreach(ic, indexes)
		{
			Relation	index = index_open(lfirst_oid(ic), AccessShareLock);
			bool		conflicts = index->rd_index->indisunique || index->rd_index->indisexclusion;

			index_close(index, NoLock);
			if (conflicts)
				return true;
		}
	}
	return false;
}

static int64
run_insert(PlannedInsert *insert)
{
	EphemeralNamedRelationData entries = {0};
	int			rc;
	int64		stored;

	entries.md.name = ENTRIES_NAME;
	entries.md.tupdesc = insert->desc;
	entries.md.enrtype = ENR_NAMED_TUPLESTORE;
	entries.md.enrtuples = insert->nrows;
	entries.reldata = insert->rows;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	rc = SPI_register_relation(&entries);
	if (rc != SPI_OK_REL_REGISTER)
		elog(ERROR, "SPI_register_relation failed: %s", SPI_result_code_string(rc));

	rc = SPI_execute_plan_with_paramlist(prepare_insert(insert), make_params(insert),
										 false, 0);
	/* a rule may have made it another command, or none */
	if (rc < 0)
		elog(ERROR, "SPI_execute_plan_with_paramlist failed: %s",
			 SPI_result_code_string(rc));
	stored = SPI_processed;
	SPI_finish();
	return stored;
}

static SPIPlanPtr
prepare_insert(PlannedInsert *insert)
{
	Oid			type = INT8OID;
	Oid			relid = RelationGetRelid(insert->call->rel);
	SPIPlanPtr	plan;
	CachedPlanSource *planned;

	plan = SPI_prepare_cursor(insert_command(insert), 1, &type, CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));

	/* its schema may have been renamed, which takes no lock on the table */
	planned = linitial(SPI_plan_get_plan_sources(plan));
	if (!list_member_oid(planned->relationOids, relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" was renamed concurrently",
						RelationGetRelationName(insert->call->rel))));
	return plan;
}

static char *
insert_command(PlannedInsert *insert)
{
	Relation	rel = insert->call->rel;
	char	   *schema = get_namespace_name(RelationGetNamespace(rel));
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s",
					 quote_qualified_identifier(schema, RelationGetRelationName(rel)));
	for (int i = 0; i < insert->ncolumns; i++)
		appendStringInfo(&sql, "%s%s", i == 0 ? " (" : ", ",
						 quote_identifier(NameStr(insert->columns[i]->name)));
	appendStringInfoString(&sql, insert->ncolumns > 0 ? ") SELECT" : " SELECT");
	for (int i = 0; i < insert->ncolumns; i++)
		appendStringInfo(&sql, "%s c%d", i == 0 ? "" : ",", i + 1);
	appendStringInfoString(&sql, " FROM " ENTRIES_NAME " WHERE entry OPERATOR(pg_catalog.>) $1");
	if (insert->call->options->skip_conflicts)
		appendStringInfoString(&sql, " ON CONFLICT DO NOTHING");
	return sql.data;
}

static ParamListInfo
make_params(PlannedInsert *insert)
{
	ParamListInfo params = makeParamList(1);

	params->paramFetch = fetch_zero;
	params->paramFetchArg = insert;
	return params;
}

/* $1, asked for with each row that a scan of the entries comes to */
static ParamExternData *
fetch_zero(ParamListInfo params, int paramid, bool speculative,
		   ParamExternData *workspace)
{
	PlannedInsert *insert = params->paramFetchArg;

	/* not where the entry would be turned away for it: a rule may ask out of turn */
	if (!speculative && insert->call->options->on_error == APPEND_ON_ERROR_ERROR)
	{
		int64		row = insert->asked++ % (insert->nrows + 1);

		*insert->call->entry = row < insert->nrows ? insert->entries[row] : 0;
	}
	workspace->value = Int64GetDatum(0);
	workspace->isnull = false;
	workspace->pflags = 0;
	workspace->ptype = INT8OID;
	return workspace;
}
