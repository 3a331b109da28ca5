/*-------------------------------------------------------------------------
 *
 * input.c
 *	  Expressions that filters, and all that works on vectors, can read: a
 *	  column, or what a chain of keys leads to in a jsonb column.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "exec/exec_internal.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

/* Binary-compatible types are stored alike. */
static Node *
strip_relabels(Node *node)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node;
}

static bool
is_column(Node *node, Index relid)
{
	Var		   *var = (Var *) node;

	return node != NULL && IsA(node, Var) && var->varno == relid && var->varlevelsup == 0 &&
		var->varattno > 0;
}

/* A chain of keys as it is put together, the last first. */
typedef struct Chain
{
	int			nkeys;
	LedgerPathKey keys[LEDGER_INPUT_KEYS_MAX];
} Chain;

static LedgerPathKey
key_of(Datum text)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(text);
	LedgerPathKey key = {VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)};

	return key;
}

static bool
add_key(Chain *chain, Datum text)
{
	if (chain->nkeys == LEDGER_INPUT_KEYS_MAX)
		return false;
	chain->keys[chain->nkeys++] = key_of(text);
	return true;
}

/*
 * A key as "#>" takes it, and subscripts do: of an array, what could be a
 * number is an element.  What begins otherwise leads nowhere there, as with
 * "->".
 */
static bool
add_path_key(Chain *chain, Datum text)
{
	const LedgerPathKey *key;

	if (!add_key(chain, text))
		return false;
	key = &chain->keys[chain->nkeys - 1];
	return key->len == 0 || strchr("0123456789+- \t\n\v\f\r", key->data[0]) == NULL;
}

static Const *
constant_of(Node *node, Oid type)
{
	Const	   *constant = (Const *) strip_relabels(node);

	if (constant == NULL || !IsA(constant, Const) || constant->consttype != type ||
		constant->constisnull)
		return NULL;
	return constant;
}

static bool
add_array(Chain *chain, Node *node)
{
	Const	   *constant = constant_of(node, TEXTARRAYOID);
	ArrayType  *array;
	Datum	   *keys;
	bool	   *nulls;
	int			n;

	if (constant == NULL)
		return false;
	array = DatumGetArrayTypeP(constant->constvalue);
	if (ARR_NDIM(array) != 1)
		return false;
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &keys, &nulls, &n);
	while (n-- > 0)
		if (nulls[n] || !add_path_key(chain, keys[n]))
			return false;
	return true;
}

static bool
add_subscripts(Chain *chain, SubscriptingRef *ref)
{
	if (ref->refassgnexpr != NULL || ref->reflowerindexpr != NIL)
		return false;
	for (int i = list_length(ref->refupperindexpr) - 1; i >= 0; i--)
	{
		Node	   *subscript = list_nth(ref->refupperindexpr, i);
		Const	   *constant = subscript == NULL ? NULL : constant_of(subscript, TEXTOID);

		if (constant == NULL || !add_path_key(chain, constant->constvalue))
			return false;
	}
	return true;
}

/* What is one step further to the column; NULL if the node is no step. */
static Node *
take_step(Chain *chain, Node *node, LedgerInputKind kind)
{
	OpExpr	   *op = (OpExpr *) node;
	RegProcedure function;
	bool		as_text = kind == LEDGER_INPUT_TEXT;
	Const	   *key;

	if (IsA(node, SubscriptingRef))
	{
		SubscriptingRef *ref = (SubscriptingRef *) node;

		if (as_text || ref->refcontainertype != JSONBOID || !add_subscripts(chain, ref))
			return NULL;
		return (Node *) ref->refexpr;
	}
	if (!IsA(node, OpExpr) || list_length(op->args) != 2)
		return NULL;
	function = get_opcode(op->opno);
	if (function == (as_text ? F_JSONB_OBJECT_FIELD_TEXT : F_JSONB_OBJECT_FIELD))
	{
		key = constant_of(lsecond(op->args), TEXTOID);
		if (key == NULL || !add_key(chain, key->constvalue))
			return NULL;
	}
	else if (function == (as_text ? F_JSONB_EXTRACT_PATH_TEXT : F_JSONB_EXTRACT_PATH))
	{
		if (!add_array(chain, lsecond(op->args)))
			return NULL;
	}
	else
		return NULL;
	return linitial(op->args);
}

static bool
find_path(Node *node, Index relid, LedgerFilterInput *input)
{
	Chain		chain = {0};
	LedgerInputKind kind = exprType(node) == JSONBOID ? LEDGER_INPUT_JSONB : LEDGER_INPUT_TEXT;
	LedgerPathKey *keys;

	input->kind = kind;
	input->path = (Expr *) node;
	while (!is_column(node, relid))
	{
		node = take_step(&chain, node, kind);
		if (node == NULL)
			return false;
		kind = LEDGER_INPUT_JSONB;
		node = strip_relabels(node);
		if (node == NULL)
			return false;
	}
	if (chain.nkeys == 0)
		return false;
	input->attnum = ((Var *) node)->varattno;
	keys = palloc(chain.nkeys * sizeof(LedgerPathKey));
	for (int i = 0; i < chain.nkeys; i++)
		keys[i] = chain.keys[chain.nkeys - 1 - i];
	input->keys = keys;
	input->nkeys = chain.nkeys;
	return true;
}

/* data ? 'key', as one more key */
static bool
find_exists(OpExpr *op, Index relid, LedgerFilterInput *input)
{
	Const	   *key;
	Node	   *left;
	LedgerPathKey *keys;

	if (get_opcode(op->opno) != F_JSONB_EXISTS || list_length(op->args) != 2)
		return false;
	key = constant_of(lsecond(op->args), TEXTOID);
	left = strip_relabels(linitial(op->args));
	if (key == NULL || left == NULL)
		return false;
	if (is_column(left, relid))
		input->attnum = ((Var *) left)->varattno;
	else if (!find_path(left, relid, input) || input->nkeys == LEDGER_INPUT_KEYS_MAX)
		return false;
	keys = palloc((input->nkeys + 1) * sizeof(LedgerPathKey));
	if (input->nkeys > 0)
		memcpy(keys, input->keys, input->nkeys * sizeof(LedgerPathKey));
	keys[input->nkeys] = key_of(key->constvalue);
	input->keys = keys;
	input->nkeys++;
	input->kind = LEDGER_INPUT_EXISTS;
	input->path = (Expr *) op;
	get_typlenbyval(BOOLOID, &input->typlen, &input->typbyval);
	return true;
}

/*
 * Is the expression something that can be read?  Keys point into it.
 */
bool
ledger_input_of_expr(Node *expr, Index relid, LedgerFilterInput *input)
{
	Node	   *inner = strip_relabels(expr);
	Oid			cast = InvalidOid;

	memset(input, 0, sizeof(*input));
	if (inner == NULL)
		return false;
	input->typid = exprType(expr);
	if (is_column(inner, relid))
	{
		input->kind = LEDGER_INPUT_COLUMN;
		input->attnum = ((Var *) inner)->varattno;
		get_typlenbyval(((Var *) inner)->vartype, &input->typlen, &input->typbyval);
		return true;
	}
	if (IsA(inner, OpExpr) && ((OpExpr *) inner)->opresulttype == BOOLOID)
		return find_exists((OpExpr *) inner, relid, input);
	if (IsA(inner, CoerceViaIO))
	{
		cast = ((CoerceViaIO *) inner)->resulttype;
		inner = strip_relabels((Node *) ((CoerceViaIO *) inner)->arg);
		if (!ledger_cast_is_known(cast))
			return false;
	}
	if (inner == NULL || !find_path(inner, relid, input))
		return false;
	if (OidIsValid(cast))
	{
		if (input->kind != LEDGER_INPUT_TEXT)
			return false;
		input->kind = LEDGER_INPUT_CAST;
		input->cast = cast;
		get_typlenbyval(cast, &input->typlen, &input->typbyval);
	}
	else
		input->typlen = -1;
	return true;
}
