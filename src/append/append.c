/*-------------------------------------------------------------------------
 *
 * append.c
 *	  ledger.append, append_json and append_ndjson.
 *
 * A call behaves as one INSERT of all its entries into the relation named,
 * with its privileges, triggers, constraints and errors; a batch is stored as
 * a whole or not at all.  As with any command run from a volatile function,
 * the statement that calls it does not see the new rows, and whatever the
 * session runs next does: a command counter increment follows the rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/append.h"
#include "append/manage.h"
#include "compat.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "parser/parse_relation.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"

LEDGER_FUNCTION(ledger_append);
LEDGER_FUNCTION(ledger_append_batch);
LEDGER_FUNCTION(ledger_append_json);
LEDGER_FUNCTION(ledger_append_ndjson);

static int64 append_entries(Oid relid, AppendSource *source, const AppendOptions *options);
static void check_relation(Oid relid);
static Relation open_relation(Oid relid);
static void begin_call(AppendCall *call, Relation rel, const char *unit,
					   const AppendOptions *options);
static void end_call(AppendCall *call);
static bool check_any_privilege(Relation rel);
static AppendColumn *collecting_column(AppendCall *call);
static void describe_position(void *arg);


/* append(ledger regclass, entry record, ...) returns bigint */
Datum
ledger_append(PG_FUNCTION_ARGS)
{
	AppendOptions options = {0};

	append_refuse_null(fcinfo, 0, "ledger");
	append_refuse_null(fcinfo, 1, "entry");
	append_read_options(fcinfo, &options);

	PG_RETURN_INT64(append_entries(PG_GETARG_OID(0),
								   record_source(PG_GETARG_DATUM(1)), &options));
}

/* append(ledger regclass, entries record[], ...) returns bigint */
Datum
ledger_append_batch(PG_FUNCTION_ARGS)
{
	AppendOptions options = {0};

	append_refuse_null(fcinfo, 0, "ledger");
	append_refuse_null(fcinfo, 1, "entries");
	append_read_options(fcinfo, &options);

	PG_RETURN_INT64(append_entries(PG_GETARG_OID(0),
								   record_array_source(PG_GETARG_ARRAYTYPE_P(1)), &options));
}

/* append_json(ledger regclass, entries jsonb, ...) returns bigint */
Datum
ledger_append_json(PG_FUNCTION_ARGS)
{
	AppendOptions options = {0};

	append_refuse_null(fcinfo, 0, "ledger");
	append_refuse_null(fcinfo, 1, "entries");
	append_read_json_options(fcinfo, &options);

	PG_RETURN_INT64(append_entries(PG_GETARG_OID(0),
								   json_source(PG_GETARG_JSONB_P(1)), &options));
}

/* append_ndjson(ledger regclass, lines text, ...) returns bigint */
Datum
ledger_append_ndjson(PG_FUNCTION_ARGS)
{
	AppendOptions options = {0};
	text	   *lines;

	append_refuse_null(fcinfo, 0, "ledger");
	append_refuse_null(fcinfo, 1, "lines");
	append_read_json_options(fcinfo, &options);

	lines = PG_GETARG_TEXT_PP(1);
	PG_RETURN_INT64(append_entries(PG_GETARG_OID(0),
								   ndjson_source(VARDATA_ANY(lines),
												 VARSIZE_ANY_EXHDR(lines)), &options));
}

static int64
append_entries(Oid relid, AppendSource *source, const AppendOptions *options)
{
	int64		entry;

	source->limit = PG_INT64_MAX;
	if (options->source != NULL || options->on_error != APPEND_ON_ERROR_ERROR)
		check_relation(relid);
	if (options->source != NULL && !ledger_claim_batch(relid, options->source, options->batch))
		return 0;
	if (options->on_error != APPEND_ON_ERROR_ERROR)
		return tolerant_append(relid, source, options);
	return append_range(relid, source, options, &entry);
}

/*
 * Store the entries of the source up to its limit, and return how many rows
 * that made (a trigger may have left some out).  *entry is which one is being
 * worked at, for who catches an error; 0 is none in particular.
 */
int64
append_range(Oid relid, AppendSource *source, const AppendOptions *options, int64 *entry)
{
	AppendCall	call;
	ErrorContextCallback callback;
	StoreOutcome outcome;
	int64		stored = 0;

	*entry = 0;
	begin_call(&call, open_relation(relid), source->unit, options);
	call.entry = entry;
	if (source->begin != NULL)
		source->begin(source);

	callback.callback = describe_position;
	callback.arg = &call;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	/*
	 * The fast path may find in the middle that the next entries go where
	 * only the executor can store them, or where there is no partition yet; it
	 * leaves the source there.
	 */
	while ((outcome = store_entries(&call, source, &stored)) == STORE_NEEDS_PARTITION)
		append_make_partition(&call);
	if (outcome == STORE_NEEDS_EXECUTOR)
		stored += planned_insert(&call, source);

	error_context_stack = callback.previous;
	end_call(&call);
	relation_close(call.rel, NoLock);
	return stored;
}

/* Lock the relation for the rest of the transaction, if the user may append to it. */
static void
check_relation(Oid relid)
{
	Relation	rel = open_relation(relid);

	(void) check_any_privilege(rel);
	relation_close(rel, NoLock);
}

/*
 * Make the partition that is missing.  Nobody may have the relation open
 * meanwhile; our lock on it keeps what we know of its columns true.
 *
 * What goes wrong with that is not the entry's fault.  If the row has none
 * still after the second time, there is one that takes no rows any more: it is
 * being detached, concurrently.
 */
void
append_make_partition(AppendCall *call)
{
	Oid			relid = RelationGetRelid(call->rel);
	int64		entry = *call->entry;
	bool		again = call->last_missing == call->missing_branch &&
		call->last_missing_at == call->missing_at;

	if (again)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot make a partition of relation \"%s\"",
						get_rel_name(call->missing_branch)),
				 errdetail("The one for the entry's time is being detached.")));
	relation_close(call->rel, NoLock);
	call->rel = NULL;
	ledger_check_missing(call->missing_branch, call->missing_at);
	*call->entry = APPEND_NO_ENTRY;
	if (!ledger_make_missing(call->missing_branch, call->missing_at))
	{
		call->last_missing = call->missing_branch;
		call->last_missing_at = call->missing_at;
	}
	*call->entry = entry;
	call->rel = relation_open(relid, NoLock);
}

static Relation
open_relation(Oid relid)
{
	Relation	rel = try_relation_open(relid, RowExclusiveLock);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (rel->rd_rel->relkind != RELKIND_RELATION &&
		rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot append to \"%s\"", RelationGetRelationName(rel)),
				 errdetail("It is neither a table nor a partitioned table.")));

	/* as ExecCheckXactReadOnly(), and on a standby all is read-only */
	if (!rel->rd_islocaltemp)
		PreventCommandIfReadOnly("append");
	PreventCommandIfParallelMode("append");
	return rel;
}

static void
begin_call(AppendCall *call, Relation rel, const char *unit, const AppendOptions *options)
{
	MemoryContext oldcxt;
	RangeTblEntry *rte;

	memset(call, 0, sizeof(AppendCall));
	call->rel = rel;
	call->unit = unit;
	call->options = options;
	call->estate = CreateExecutorState();
	call->cxt = call->estate->es_query_cxt;

	oldcxt = MemoryContextSwitchTo(call->cxt);
	call->name = pstrdup(RelationGetRelationName(rel));
	call->batchcxt = AllocSetContextCreate(call->cxt, "ledger append batch",
											ALLOCSET_DEFAULT_SIZES);
	call->econtext = GetPerTupleExprContext(call->estate);

	rte = makeNode(RangeTblEntry);
	rte->rtekind = RTE_RELATION;
	rte->relid = RelationGetRelid(rel);
	rte->relkind = rel->rd_rel->relkind;
	rte->rellockmode = RowExclusiveLock;
	call->range_table = list_make1(rte);
	LedgerInitInsertPermissions(call->range_table, call->perminfos);
	call->table_privilege = check_any_privilege(rel);

	call->target = target_checkout(rel);
	call->used = palloc0(call->target->ncolumns * sizeof(bool));
	if (options->unknown_into != NULL)
		call->unknown_column = collecting_column(call);
	MemoryContextSwitchTo(oldcxt);
}

/* Not reached after an error, which frees it all with the caller's memory. */
static void
end_call(AppendCall *call)
{
	/* the target keeps its plans, not what this call made of them */
	for (int i = 0; i < call->target->ncolumns; i++)
		call->target->columns[i].default_state = NULL;
	target_checkin(call->target);
	FreeExecutorState(call->estate);
}

/*
 * Who may insert into no column gets to know nothing about any.  Which columns
 * the entries use is checked as that becomes known, before rows are stored;
 * unless all may be used, which is what this returns.
 */
static bool
check_any_privilege(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);

	if (pg_class_aclcheck(relid, GetUserId(), ACL_INSERT) == ACLCHECK_OK)
		return true;
	if (pg_attribute_aclcheck_all(relid, GetUserId(), ACL_INSERT,
								  ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(rel->rd_rel->relkind),
					   RelationGetRelationName(rel));
	return false;
}

/* Where fields go that are no columns */
static AppendColumn *
collecting_column(AppendCall *call)
{
	const char *name = call->options->unknown_into;

	for (int i = 0; i < call->target->ncolumns; i++)
	{
		AppendColumn *column = &call->target->columns[i];

		if (strcmp(NameStr(column->name), name) != 0)
			continue;
		if (column->typid != JSONBOID)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" cannot collect unknown fields", name),
					 errdetail("It is of type %s, not jsonb.", format_type_be(column->typid))));
		return column;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of relation \"%s\" does not exist", name, call->name),
			 errhint("\"unknown_into\" must name a column of type jsonb.")));
	return NULL;				/* keep compiler quiet */
}

/* An entry gives this column a value: privileges and error details need it. */
void
append_use_column(AppendCall *call, AppendColumn *column)
{
	int			i = column - call->target->columns;
	MemoryContext oldcxt;

	if (call->used[i])
		return;
	call->used[i] = true;
	call->used_grew = true;

	oldcxt = MemoryContextSwitchTo(call->cxt);
	LedgerAddInsertedColumn(call->range_table, call->perminfos,
							column->attnum - FirstLowInvalidHeapAttributeNumber);
	MemoryContextSwitchTo(oldcxt);
}

void
append_refuse_identity(AppendColumn *column)
{
	ereport(ERROR,
			(errcode(ERRCODE_GENERATED_ALWAYS),
			 errmsg("cannot insert a non-DEFAULT value into column \"%s\"",
					NameStr(column->name)),
			 errdetail("Column \"%s\" is an identity column defined as GENERATED ALWAYS.",
					   NameStr(column->name))));
}

/* The default of a column that the entry does not give. */
Datum
append_default(AppendCall *call, AppendColumn *column, bool *isnull)
{
	Expr	   *expr = column->default_expr;
	Datum		value;

	if (expr == NULL ||
		(call->insert_defaults && !call->used[column - call->target->columns]))
	{
		*isnull = true;
		return (Datum) 0;
	}
	if (IsA(expr, Const))
	{
		*isnull = ((Const *) expr)->constisnull;
		return ((Const *) expr)->constvalue;
	}

	if (column->default_state == NULL)
	{
		MemoryContext oldcxt = MemoryContextSwitchTo(call->cxt);

		column->default_state = ExecInitExpr(expr, NULL);
		MemoryContextSwitchTo(oldcxt);
	}
	call->column = NameStr(column->name);
	value = ExecEvalExpr(column->default_state, call->econtext, isnull);
	call->column = NULL;
	return value;
}

/* A string, or NULL for a null, through the column type's input function. */
Datum
append_input(AppendCall *call, AppendColumn *column, char *str)
{
	if (!OidIsValid(column->input.fn_oid))
	{
		Oid			function;

		getTypeInputInfo(column->typid, &function, &column->ioparam);
		fmgr_info_cxt(function, &column->input, call->target->cxt);
	}
	return InputFunctionCall(&column->input, str, column->ioparam, column->typmod);
}

static void
describe_position(void *arg)
{
	AppendCall *call = arg;

	if (*call->entry <= 0)
		return;
	if (call->column != NULL)
		errcontext("append to \"%s\", %s " INT64_FORMAT ", column \"%s\"",
				   call->name, call->unit, *call->entry, call->column);
	else
		errcontext("append to \"%s\", %s " INT64_FORMAT,
				   call->name, call->unit, *call->entry);
}
