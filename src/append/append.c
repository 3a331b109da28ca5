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
#include "compat.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
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

PG_FUNCTION_INFO_V1(ledger_append);
PG_FUNCTION_INFO_V1(ledger_append_batch);
PG_FUNCTION_INFO_V1(ledger_append_json);
PG_FUNCTION_INFO_V1(ledger_append_ndjson);

/* The values that an option knows, 'error' first: the only one so far */
static const char *const on_conflict_values[] = {"error", "skip", NULL};
static const char *const on_error_values[] = {"error", "skip", "divert", NULL};
static const char *const unknown_fields_values[] = {"error", "ignore", "collect", NULL};

static void refuse_null(FunctionCallInfo fcinfo, int arg, const char *name);
static void check_option(FunctionCallInfo fcinfo, int arg, const char *name,
						 const char *const *values);
static void refuse_later_option(FunctionCallInfo fcinfo, int arg, const char *name);
static void check_json_options(FunctionCallInfo fcinfo);
static int64 append_entries(Oid relid, AppendSource *source);
static Relation open_relation(Oid relid);
static void begin_call(AppendCall *call, Relation rel, const char *unit);
static void end_call(AppendCall *call);
static void check_any_privilege(AppendCall *call);
static void describe_position(void *arg);


/* append(ledger regclass, entry record, on_conflict text) returns bigint */
Datum
ledger_append(PG_FUNCTION_ARGS)
{
	refuse_null(fcinfo, 0, "ledger");
	refuse_null(fcinfo, 1, "entry");
	check_option(fcinfo, 2, "on_conflict", on_conflict_values);

	PG_RETURN_INT64(append_entries(PG_GETARG_OID(0),
								   record_source(PG_GETARG_DATUM(1))));
}

/* append(ledger regclass, entries record[], on_conflict text) returns bigint */
Datum
ledger_append_batch(PG_FUNCTION_ARGS)
{
	refuse_null(fcinfo, 0, "ledger");
	refuse_null(fcinfo, 1, "entries");
	check_option(fcinfo, 2, "on_conflict", on_conflict_values);

	PG_RETURN_INT64(append_entries(PG_GETARG_OID(0),
								   record_array_source(PG_GETARG_ARRAYTYPE_P(1))));
}

/* append_json(ledger regclass, entries jsonb, ...) returns bigint */
Datum
ledger_append_json(PG_FUNCTION_ARGS)
{
	refuse_null(fcinfo, 0, "ledger");
	refuse_null(fcinfo, 1, "entries");
	check_json_options(fcinfo);

	PG_RETURN_INT64(append_entries(PG_GETARG_OID(0),
								   json_source(PG_GETARG_JSONB_P(1))));
}

/* append_ndjson(ledger regclass, lines text, ...) returns bigint */
Datum
ledger_append_ndjson(PG_FUNCTION_ARGS)
{
	text	   *lines;

	refuse_null(fcinfo, 0, "ledger");
	refuse_null(fcinfo, 1, "lines");
	check_json_options(fcinfo);

	lines = PG_GETARG_TEXT_PP(1);
	PG_RETURN_INT64(append_entries(PG_GETARG_OID(0),
								   ndjson_source(VARDATA_ANY(lines),
												 VARSIZE_ANY_EXHDR(lines))));
}

static void
refuse_null(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"%s\" must not be null", name)));
}

static void
check_option(FunctionCallInfo fcinfo, int arg, const char *name,
			 const char *const *values)
{
	char	   *value;

	refuse_null(fcinfo, arg, name);
	value = text_to_cstring(PG_GETARG_TEXT_PP(arg));
	if (strcmp(value, values[0]) == 0)
		return;

	for (int i = 1; values[i] != NULL; i++)
	{
		if (strcmp(value, values[i]) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("\"%s\" => '%s' is not supported yet", name, value)));
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for \"%s\": \"%s\"", name, value),
			 errhint("The value must be '%s'.", values[0])));
}

static void
refuse_later_option(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (!PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" is not supported yet", name)));
}

static void
check_json_options(FunctionCallInfo fcinfo)
{
	check_option(fcinfo, 2, "on_conflict", on_conflict_values);
	check_option(fcinfo, 3, "on_error", on_error_values);
	check_option(fcinfo, 4, "unknown_fields", unknown_fields_values);
	refuse_later_option(fcinfo, 5, "unknown_into");
	refuse_later_option(fcinfo, 6, "source");
	refuse_later_option(fcinfo, 7, "batch");
}

/*
 * Store all entries of the source, and return how many rows that made (a
 * trigger may have left some out).
 */
static int64
append_entries(Oid relid, AppendSource *source)
{
	AppendCall call;
	ErrorContextCallback callback;
	Relation	rel;
	int64		stored = 0;

	rel = open_relation(relid);
	begin_call(&call, rel, source->unit);

	callback.callback = describe_position;
	callback.arg = &call;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	/*
	 * The fast path may find in the middle that the next entries go where
	 * only the executor can store them; it leaves the source there.
	 */
	if (!store_entries(&call, source, &stored))
		stored += planned_insert(&call, source);

	error_context_stack = callback.previous;
	end_call(&call);
	relation_close(rel, NoLock);
	return stored;
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
begin_call(AppendCall *call, Relation rel, const char *unit)
{
	MemoryContext oldcxt;
	RangeTblEntry *rte;

	memset(call, 0, sizeof(AppendCall));
	call->rel = rel;
	call->unit = unit;
	call->estate = CreateExecutorState();
	call->cxt = call->estate->es_query_cxt;

	oldcxt = MemoryContextSwitchTo(call->cxt);
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
	check_any_privilege(call);

	call->target = target_checkout(rel);
	call->used = palloc0(call->target->ncolumns * sizeof(bool));
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
 * the entries use is checked as that becomes known, before rows are stored.
 */
static void
check_any_privilege(AppendCall *call)
{
	Oid			relid = RelationGetRelid(call->rel);

	call->table_privilege =
		pg_class_aclcheck(relid, GetUserId(), ACL_INSERT) == ACLCHECK_OK;
	if (!call->table_privilege &&
		pg_attribute_aclcheck_all(relid, GetUserId(), ACL_INSERT,
								  ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV,
					   get_relkind_objtype(call->rel->rd_rel->relkind),
					   RelationGetRelationName(call->rel));
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

	if (call->entry <= 0)
		return;
	if (call->column != NULL)
		errcontext("append to \"%s\", %s " INT64_FORMAT ", column \"%s\"",
				   RelationGetRelationName(call->rel), call->unit,
				   call->entry, call->column);
	else
		errcontext("append to \"%s\", %s " INT64_FORMAT,
				   RelationGetRelationName(call->rel), call->unit,
				   call->entry);
}
