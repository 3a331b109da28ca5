/*-------------------------------------------------------------------------
 *
 * filter.c
 *	  What a clause comes to, as a filter.
 *
 * The same function tells the planner whether a clause can be pushed into the
 * scan, and makes the filter for the executor.  A filter lets through just the
 * rows for which its clause is true; there is no NOT above AND and OR, so that
 * NULL need not be told from false.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/transam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_database.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_opfamily_d.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type_d.h"
#include "exec/exec_internal.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* ---- What is read ---- */

static bool
mentions_relation(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varno == *(Index *) context &&
			((Var *) node)->varlevelsup == 0;
	return expression_tree_walker(node, mentions_relation, context);
}

/* Does it have one value during a scan? */
static bool
is_constant(Node *node, Index relid)
{
	return !mentions_relation(node, &relid) && !contain_volatile_functions(node) &&
		!contain_subplans(node);
}

/* ---- Comparisons ---- */

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

static bool
is_float(Oid type)
{
	return type == FLOAT4OID || type == FLOAT8OID;
}

/* How to compare; the operator is of the type's default operator family. */
static LedgerMethod
find_method(const LedgerFilter *filter)
{
	Oid			left = filter->input.typid;
	Oid			right = filter->righttype;

	if (filter->strategy == LEDGER_STRATEGY_NONE)
		return LEDGER_METHOD_CALL;
	if (is_integer(left) && is_integer(right))
		return LEDGER_METHOD_INTEGER;
	if (is_float(left) && is_float(right))
		return LEDGER_METHOD_FLOAT;
	if (left != right)
		return LEDGER_METHOD_CALL;
	switch (left)
	{
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case OIDOID:
			return filter->input.typbyval ? LEDGER_METHOD_INTEGER : LEDGER_METHOD_CALL;
		default:
			if (filter->by_bytes && (filter->strategy == BTEqualStrategyNumber ||
									 filter->strategy == LEDGER_STRATEGY_NOT_EQUAL))
				return LEDGER_METHOD_BYTES;
			return LEDGER_METHOD_CALL;
	}
}

static bool
names_c(HeapTuple tuple, int cache, AttrNumber attnum)
{
	bool		isnull;
	Datum		name = SysCacheGetAttr(cache, tuple, attnum, &isnull);
	char	   *locale;

	if (isnull)
		return false;
	locale = TextDatumGetCString(name);
	return strcmp(locale, "C") == 0 || strcmp(locale, "POSIX") == 0;
}

/*
 * Is a collation's order that of bytes?  (Core's own function for this is
 * declared next to things of ICU, whose headers need not be there.)
 */
static bool
orders_bytes(Oid collation)
{
	HeapTuple	tuple;
	bool		result = false;

	if (collation == C_COLLATION_OID)
		return true;
	if (collation == DEFAULT_COLLATION_OID)
	{
		tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
		if (!HeapTupleIsValid(tuple))
			return false;
		result = ((Form_pg_database) GETSTRUCT(tuple))->datlocprovider == COLLPROVIDER_LIBC &&
			names_c(tuple, DATABASEOID, Anum_pg_database_datcollate);
	}
	else
	{
		tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(collation));
		if (!HeapTupleIsValid(tuple))
			return false;
		result = ((Form_pg_collation) GETSTRUCT(tuple))->collprovider == COLLPROVIDER_LIBC &&
			names_c(tuple, COLLOID, Anum_pg_collation_collcollate);
	}
	ReleaseSysCache(tuple);
	return result;
}

/* The database's collation and C are so, without the catalog being read. */
bool
ledger_is_deterministic(Oid collation)
{
	return collation == DEFAULT_COLLATION_OID || collation == C_COLLATION_OID ||
		get_collation_isdeterministic(collation);
}

/* Is equality of these values that of their bytes, and order what zones of cut ones have? */
static void
find_order(LedgerFilter *filter)
{
	Oid			type = filter->input.typid;
	Oid			collation = filter->collation;

	if (type != filter->righttype)
		return;
	if (type == BYTEAOID || type == UUIDOID)
		filter->by_bytes = filter->ordered_cuts = true;
	else if (type == TEXTOID && OidIsValid(collation))
	{
		filter->by_bytes = ledger_is_deterministic(collation);
		filter->ordered_cuts = filter->by_bytes && orders_bytes(collation);
	}
	else if (type == NUMERICOID)
		filter->ordered_cuts = filter->strategy != LEDGER_STRATEGY_NONE;
}

/* Families of core's that its headers have no names for */
#define FLOAT_FAMILY	1970
#define DATETIME_FAMILY	434
#define NUMERIC_FAMILY	1988
#define UUID_FAMILY		2968

/*
 * A type's default btree family.  Those of core's types are known and cannot be
 * changed, while looking one up takes a connection's first query thirty scans of
 * catalogs.
 */
static Oid
default_family(Oid type)
{
	switch (type)
	{
		case TEXTOID:
			return TEXT_BTREE_FAM_OID;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return INTEGER_BTREE_FAM_OID;
		case FLOAT4OID:
		case FLOAT8OID:
			return FLOAT_FAMILY;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return DATETIME_FAMILY;
		case NUMERICOID:
			return NUMERIC_FAMILY;
		case UUIDOID:
			return UUID_FAMILY;
		case BOOLOID:
			return BOOL_BTREE_FAM_OID;
		case BYTEAOID:
			return BYTEA_BTREE_FAM_OID;
		default:
			return lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
	}
}

/* The operator's strategy in its left type's default family, if it has one. */
static void
find_strategy(LedgerFilter *filter)
{
	Oid			type = filter->input.typid;
	Oid			family = default_family(type);
	Oid			negator;

	Assert(family == lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf);
	if (!OidIsValid(family))
		return;
	filter->strategy = get_op_opfamily_strategy(filter->opno, family);
	if (filter->strategy == 0)
	{
		negator = get_negator(filter->opno);
		if (OidIsValid(negator) &&
			get_op_opfamily_strategy(negator, family) == BTEqualStrategyNumber)
			filter->strategy = LEDGER_STRATEGY_NOT_EQUAL;
	}
	if (filter->strategy != 0)
		filter->opfamily = family;
}

/* Operators that belong to no family, and are worth a look before others. */
static bool
is_search(Oid opno)
{
	switch (opno)
	{
		case OID_TEXT_LIKE_OP:
		case OID_TEXT_ICLIKE_OP:
		case OID_TEXT_REGEXEQ_OP:
		case OID_TEXT_ICREGEXEQ_OP:
			return true;
		default:
			return false;
	}
}

/* The type that an operator takes at left, which the input's may stand for. */
static Oid
left_type(Oid opno, Oid actual)
{
	Oid			left,
				right;

	op_input_types(opno, &left, &right);
	return get_typtype(left) == TYPTYPE_PSEUDO ? actual : left;
}

static bool
set_operator(LedgerFilter *filter, Oid opno, Oid collation, Node *right, Index relid)
{
	RegProcedure function = get_opcode(opno);

	if (!is_constant(right, relid) || !OidIsValid(function) || !func_strict(function) ||
		func_volatile(function) == PROVOLATILE_VOLATILE ||
		left_type(opno, filter->input.typid) != filter->input.typid)
		return false;
	filter->opno = opno;
	filter->collation = collation;
	filter->constant = (Expr *) right;
	find_strategy(filter);
	filter->is_like = opno == OID_TEXT_LIKE_OP;
	filter->is_search = is_search(opno);
	return filter->strategy != LEDGER_STRATEGY_NONE || filter->is_search;
}

static void
finish_comparison(LedgerFilter *filter)
{
	find_order(filter);
	filter->method = find_method(filter);
	filter->cannot_fail = filter->method != LEDGER_METHOD_CALL ||
		get_func_leakproof(get_opcode(filter->opno));
	if (filter->is_search)
	{
		Const	   *pattern = (Const *) filter->constant;

		/* once the pattern is known to be good */
		filter->cannot_fail = true;
		filter->doubts = !IsA(pattern, Const) ||
			(!pattern->constisnull && !ledger_pattern_is_good(filter, pattern->constvalue));
	}
}

static bool
make_comparison(LedgerFilter *filter, OpExpr *op, Index relid)
{
	Node	   *left;
	Node	   *right;
	Oid			opno = op->opno;

	if (list_length(op->args) != 2 || op->opresulttype != BOOLOID || op->opretset)
		return false;
	left = linitial(op->args);
	right = lsecond(op->args);
	if (!ledger_input_of_expr(left, relid, &filter->input))
	{
		Node	   *other = left;

		/* constant operator column */
		left = right;
		right = other;
		opno = get_commutator(opno);
		if (!OidIsValid(opno) || !ledger_input_of_expr(left, relid, &filter->input))
			return false;
	}
	filter->kind = LEDGER_FILTER_COMPARE;
	filter->righttype = exprType(right);
	if (!set_operator(filter, opno, op->inputcollid, right, relid))
		return false;
	finish_comparison(filter);
	return true;
}

/* jsonb @> constant */
static bool
make_contains(LedgerFilter *filter, OpExpr *op, Index relid)
{
	RegProcedure function = get_opcode(op->opno);
	Node	   *left;
	Node	   *right;

	if (list_length(op->args) != 2 ||
		(function != F_JSONB_CONTAINS && function != F_JSONB_CONTAINED))
		return false;
	left = list_nth(op->args, function == F_JSONB_CONTAINS ? 0 : 1);
	right = list_nth(op->args, function == F_JSONB_CONTAINS ? 1 : 0);
	if (!ledger_input_of_expr(left, relid, &filter->input) || !is_constant(right, relid))
		return false;
	filter->kind = LEDGER_FILTER_CONTAINS;
	filter->opno = function == F_JSONB_CONTAINS ? op->opno : get_commutator(op->opno);
	filter->constant = (Expr *) right;
	filter->righttype = JSONBOID;
	filter->method = LEDGER_METHOD_CALL;
	filter->cannot_fail = true;
	return OidIsValid(filter->opno);
}

static bool
make_any(LedgerFilter *filter, ScalarArrayOpExpr *op, Index relid)
{
	Node	   *right = lsecond(op->args);

	if (!op->useOr || !ledger_input_of_expr(linitial(op->args), relid, &filter->input))
		return false;
	filter->kind = LEDGER_FILTER_ANY;
	filter->righttype = get_base_element_type(exprType(right));
	if (!OidIsValid(filter->righttype) ||
		!set_operator(filter, op->opno, op->inputcollid, right, relid) ||
		filter->strategy != BTEqualStrategyNumber)
		return false;
	finish_comparison(filter);
	return true;
}

static bool
make_has_token(LedgerFilter *filter, FuncExpr *call, Index relid)
{
	if (list_length(call->args) != 2 || call->funcretset || !ledger_is_has_token(call->funcid) ||
		!ledger_input_of_expr(linitial(call->args), relid, &filter->input) ||
		filter->input.typid != TEXTOID || !is_constant(lsecond(call->args), relid))
		return false;
	filter->kind = LEDGER_FILTER_COMPARE;
	filter->is_token = true;
	filter->cannot_fail = true;
	filter->righttype = TEXTOID;
	filter->constant = lsecond(call->args);
	return true;
}

static bool
make_null_test(LedgerFilter *filter, NullTest *test, Index relid)
{
	filter->kind = LEDGER_FILTER_NULL;
	filter->negate = test->nulltesttype == IS_NOT_NULL;
	return !test->argisrow && ledger_input_of_expr((Node *) test->arg, relid, &filter->input);
}

static bool
make_boolean(LedgerFilter *filter, Node *node, bool negate, Index relid)
{
	filter->kind = LEDGER_FILTER_BOOL;
	filter->negate = negate;
	filter->cannot_fail = true;
	return ledger_input_of_expr(node, relid, &filter->input) && filter->input.typid == BOOLOID;
}

/* AND, OR, NOT of a boolean column */
static bool
make_boolexpr(LedgerFilter *filter, BoolExpr *expr, Index relid)
{
	ListCell   *lc;

	if (expr->boolop == NOT_EXPR)
		return make_boolean(filter, linitial(expr->args), true, relid);
	filter->kind = expr->boolop == AND_EXPR ? LEDGER_FILTER_AND : LEDGER_FILTER_OR;
	filter->args = palloc(list_length(expr->args) * sizeof(LedgerFilter *));
	foreach(lc, expr->args)
	{
		LedgerFilter *arg = ledger_filter_of_clause(lfirst(lc), relid);

		if (arg == NULL)
			return false;
		filter->args[filter->nargs++] = arg;
		filter->doubts |= arg->doubts;
	}
	return true;
}

static bool
make_boolean_test(LedgerFilter *filter, BooleanTest *test, Index relid)
{
	if (test->booltesttype != IS_TRUE && test->booltesttype != IS_FALSE)
		return false;
	return make_boolean(filter, (Node *) test->arg, test->booltesttype == IS_FALSE, relid);
}

static void
init_filter(LedgerFilter *filter, Node *clause)
{
	memset(filter, 0, sizeof(LedgerFilter));
	filter->clause = (Expr *) clause;
}

/* One kind after the other; what a kind that it is not has set is of no use to the next. */
static bool
make_of_operator(LedgerFilter *filter, OpExpr *clause, Index relid)
{
	if (make_comparison(filter, clause, relid))
		return true;
	init_filter(filter, (Node *) clause);
	if (make_contains(filter, clause, relid))
		return true;
	init_filter(filter, (Node *) clause);
	return make_boolean(filter, (Node *) clause, false, relid);
}

/*
 * The filter that a clause about relation "relid" comes to, or NULL if it is
 * none.  Variables of other relations are constants during a scan.
 */
LedgerFilter *
ledger_filter_of_clause(Node *clause, Index relid)
{
	LedgerFilter *filter;
	bool		ok = false;

	check_stack_depth();
	if (clause == NULL)
		return NULL;
	if (IsA(clause, RestrictInfo))
		clause = (Node *) ((RestrictInfo *) clause)->clause;
	filter = palloc(sizeof(LedgerFilter));
	init_filter(filter, clause);
	if (IsA(clause, OpExpr))
		ok = make_of_operator(filter, (OpExpr *) clause, relid);
	else if (IsA(clause, FuncExpr))
		ok = make_has_token(filter, (FuncExpr *) clause, relid);
	else if (IsA(clause, ScalarArrayOpExpr))
		ok = make_any(filter, (ScalarArrayOpExpr *) clause, relid);
	else if (IsA(clause, NullTest))
		ok = make_null_test(filter, (NullTest *) clause, relid);
	else if (IsA(clause, BooleanTest))
		ok = make_boolean_test(filter, (BooleanTest *) clause, relid);
	else if (IsA(clause, BoolExpr))
		ok = make_boolexpr(filter, (BoolExpr *) clause, relid);
	else
		ok = make_boolean(filter, clause, false, relid);
	if (ok && filter->nargs == 0 && filter->input.kind == LEDGER_INPUT_CAST)
		filter->doubts = true;
	return ok ? filter : NULL;
}

/* ---- Executor start ---- */

FunctionCallInfo
ledger_make_call(Oid function, Oid collation, int nargs)
{
	FmgrInfo   *info = palloc(sizeof(FmgrInfo));
	FunctionCallInfo call = palloc0(SizeForFunctionCallInfo(nargs));

	fmgr_info(function, info);
	InitFunctionCallInfoData(*call, info, nargs, collation, NULL, NULL);
	return call;
}

/* A call of an operator that "filter" tells collation and arguments' types of. */
static FunctionCallInfo
make_call(LedgerFilter *filter, Oid opno)
{
	FunctionCallInfo call = ledger_make_call(get_opcode(opno), filter->collation, 2);

	fmgr_info_set_expr((Node *) filter->clause, call->flinfo);
	return call;
}

static FunctionCallInfo
make_call_of(LedgerFilter *filter, int strategy)
{
	Oid			opno = get_opfamily_member(filter->opfamily, filter->input.typid,
										   filter->righttype, strategy);

	return OidIsValid(opno) ? make_call(filter, opno) : NULL;
}

/*
 * A call of the function that hashes as an operator compares, if there is one.
 * Where the operator may see values of rows that nobody sees, so must this: core's
 * own hash whatever there is.
 */
static FunctionCallInfo
make_hash_call(LedgerFilter *filter)
{
	RegProcedure left;
	RegProcedure right;

	if (!op_hashjoinable(filter->opno, filter->input.typid) ||
		!get_op_hash_functions(filter->opno, &left, &right) || left != right ||
		(filter->cannot_fail && left >= FirstNormalObjectId && !get_func_leakproof(left)))
		return NULL;
	return ledger_make_call(left, filter->collation, 1);
}

/* Get ready to run; the filter was made in a context that lasts. */
void
ledger_filter_begin(LedgerFilter *filter, PlanState *parent)
{
	for (int i = 0; i < filter->nargs; i++)
		ledger_filter_begin(filter->args[i], parent);
	if (filter->nargs == 0)
		ledger_input_begin(&filter->input, parent);
	if (filter->constant == NULL)
		return;
	filter->state = ExecInitExpr(filter->constant, parent);
	if (filter->is_token)
		return;
	filter->call = make_call(filter, filter->opno);
	if (filter->kind == LEDGER_FILTER_ANY && filter->method == LEDGER_METHOD_CALL)
		filter->hash = make_hash_call(filter);
	if (!filter->by_bytes && (filter->strategy == BTEqualStrategyNumber ||
							  filter->strategy == LEDGER_STRATEGY_NOT_EQUAL))
	{
		filter->less_equal = make_call_of(filter, BTLessEqualStrategyNumber);
		filter->greater_equal = make_call_of(filter, BTGreaterEqualStrategyNumber);
	}
}
