/*-------------------------------------------------------------------------
 *
 * agg_call.c
 *	  Aggregates by core's functions: transition, final, serialization.
 *
 * Functions may ask in whose context they are called, for the memory that
 * lives as long as the group, the aggregate's expression, or to be told when
 * that memory goes (AggCheckCallContext and its like).  All they are told is
 * in a few fields of an AggState; so there is one of these, in which only
 * those are set.  Nothing is shared between aggregates, so a final function may
 * do with the transition value what it likes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type_d.h"
#include "exec/aggregate.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_agg.h"
#include "parser/parse_coerce.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/expandeddatum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* A transition value, of whatever type. */
typedef struct Transition
{
	Datum		value;
	bool		isnull;
	bool		begun;			/* value and isnull are set */
	bool		has_first;		/* the first value has been taken */
} Transition;

/* ---- Begin ---- */

static void
check_right(Oid function, Oid user, ObjectType type)
{
	AclResult	result;

	if (!OidIsValid(function))
		return;
	result = LedgerFunctionAclcheck(function, user);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, type, get_func_name(function));
	InvokeFunctionExecuteHook(function);
}

/* As core does: the user's right to the aggregate, its owner's to its functions. */
static void
check_rights(Aggref *aggref, Form_pg_aggregate form, Oid finalfn, Oid serialfn)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(aggref->aggfnoid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", aggref->aggfnoid);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	check_right(aggref->aggfnoid, GetUserId(), OBJECT_AGGREGATE);
	check_right(finalfn, owner, OBJECT_FUNCTION);
	check_right(serialfn, owner, OBJECT_FUNCTION);
	check_right(form->aggtransfn, owner, OBJECT_FUNCTION);
}

static FunctionCallInfo
make_call(LedgerAggregateState *state, FmgrInfo *function, Expr *expr, Oid oid, int nargs,
		  Oid collation)
{
	FunctionCallInfo call = palloc0(SizeForFunctionCallInfo(nargs));

	fmgr_info(oid, function);
	if (expr != NULL)
		fmgr_info_set_expr((Node *) expr, function);
	InitFunctionCallInfoData(*call, function, nargs, collation, (fmNodePtr) state->aggstate, NULL);
	return call;
}

static void
init_transition(LedgerAggregateState *state, LedgerAggregateCall *call, HeapTuple tuple,
				Oid *types, int ntypes)
{
	Aggref	   *aggref = call->aggref;
	AggStatePerTrans trans = &call->trans;
	Datum		initial;
	Expr	   *expr;

	trans->aggref = aggref;
	trans->aggCollation = aggref->inputcollid;
	trans->aggtranstype = aggref->aggtranstype;
	trans->transfn_oid = ((Form_pg_aggregate) GETSTRUCT(tuple))->aggtransfn;
	trans->numTransInputs = ntypes;
	get_typlenbyval(trans->aggtranstype, &trans->transtypeLen, &trans->transtypeByVal);
	build_aggregate_transfn_expr(types, ntypes, 0, aggref->aggvariadic, aggref->aggtranstype,
								 aggref->inputcollid, trans->transfn_oid, InvalidOid, &expr, NULL);
	trans->transfn_fcinfo = make_call(state, &trans->transfn, expr, trans->transfn_oid,
									  ntypes + 1, aggref->inputcollid);
	initial = SysCacheGetAttr(AGGFNOID, tuple, Anum_pg_aggregate_agginitval,
						   &trans->initValueIsNull);
	if (!trans->initValueIsNull)
	{
		Oid			input;
		Oid			ioparam;

		getTypeInputInfo(trans->aggtranstype, &input, &ioparam);
		trans->initValue = OidInputFunctionCall(input, TextDatumGetCString(initial), ioparam, -1);
	}
	else if (trans->transfn.fn_strict && (ntypes == 0 ||
										  !IsBinaryCoercible(types[0], trans->aggtranstype)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("aggregate %u needs to have compatible input type and transition type",
						aggref->aggfnoid)));
}

static void
init_result(LedgerAggregateState *state, LedgerAggregateCall *call, Form_pg_aggregate form,
			Oid finalfn, Oid serialfn, Oid *types, int ntypes)
{
	Aggref	   *aggref = call->aggref;
	AggStatePerTrans trans = &call->trans;
	Expr	   *expr;

	call->final.aggref = aggref;
	call->final.finalfn_oid = finalfn;
	get_typlenbyval(aggref->aggtype, &call->resultlen, &call->resultbyval);
	call->nfinalargs = form->aggfinalextra ? ntypes + 1 : 1;
	if (OidIsValid(finalfn))
	{
		build_aggregate_finalfn_expr(types, call->nfinalargs, aggref->aggtranstype, aggref->aggtype,
									 aggref->inputcollid, finalfn, &expr);
		call->final_call = make_call(state, &call->final.finalfn, expr, finalfn, call->nfinalargs,
									 aggref->inputcollid);
	}
	if (OidIsValid(serialfn))
	{
		build_aggregate_serialfn_expr(serialfn, &expr);
		trans->serialfn_oid = serialfn;
		trans->serialfn_fcinfo = make_call(state, &trans->serialfn, expr, serialfn, 1, InvalidOid);
	}
}

/* Get ready to run an aggregate; its inputs are there. */
void
ledger_call_init(LedgerAggregateState *state, LedgerAggregateCall *call, Aggref *aggref,
				 AggSplit split)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggref->aggfnoid));
	Form_pg_aggregate form;
	Oid			types[FUNC_MAX_ARGS];
	int			ntypes = get_aggregate_argtypes(aggref, types);
	Oid			finalfn;
	Oid			serialfn;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", aggref->aggfnoid);
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	call->aggref = aggref;
	call->kernel = ledger_kernel_of(aggref->aggfnoid, form->aggtransfn);
	finalfn = DO_AGGSPLIT_SKIPFINAL(split) ? InvalidOid : form->aggfinalfn;
	serialfn = DO_AGGSPLIT_SERIALIZE(split) && aggref->aggtranstype == INTERNALOID ?
		form->aggserialfn : InvalidOid;
	if (DO_AGGSPLIT_SERIALIZE(split) && aggref->aggtranstype == INTERNALOID &&
		!OidIsValid(serialfn))
		elog(ERROR, "serialfunc not provided for serialization aggregation");
	check_rights(aggref, form, finalfn, serialfn);
	init_transition(state, call, tuple, types, ntypes);
	init_result(state, call, form, finalfn, serialfn, types, ntypes);
	call->combine_call = NULL;
	if (OidIsValid(call->kernel->combine))
		call->combine_call = make_call(state, palloc(sizeof(FmgrInfo)), NULL, call->kernel->combine,
									   2, InvalidOid);
	ReleaseSysCache(tuple);
}

/* ---- Transition ---- */

/*
 * What a function has returned for a transition value: have it where it stays,
 * and let go of the value before.  An expanded object that the function has
 * put there itself stays as it is.
 */
static Datum
keep_value(LedgerAggregateState *state, AggStatePerTrans trans, Datum new_value, bool new_null,
		   Datum old_value, bool old_null)
{
	MemoryContext context = state->aggcontext->ecxt_per_tuple_memory;

	if (trans->transtypeByVal || DatumGetPointer(new_value) == DatumGetPointer(old_value))
		return new_value;
	if (new_null)
		new_value = (Datum) 0;
	else if (!(DatumIsReadWriteExpandedObject(new_value, false, trans->transtypeLen) &&
			   MemoryContextGetParent(DatumGetEOHP(new_value)->eoh_context) == context))
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(context);

		new_value = datumCopy(new_value, false, trans->transtypeLen);
		MemoryContextSwitchTo(oldcontext);
	}
	if (old_null)
		return new_value;
	if (DatumIsReadWriteExpandedObject(old_value, false, trans->transtypeLen))
		DeleteExpandedObject(old_value);
	else
		pfree(DatumGetPointer(old_value));
	return new_value;
}

/* Run the transition function, whose arguments but the first are set. */
static void
run_transition(LedgerAggregateState *state, LedgerAggregateCall *call, Transition *own)
{
	AggStatePerTrans trans = &call->trans;
	FunctionCallInfo fcinfo = trans->transfn_fcinfo;
	MemoryContext oldcontext;
	Datum		value;

	fcinfo->args[0].value = own->value;
	fcinfo->args[0].isnull = own->isnull;
	fcinfo->isnull = false;
	oldcontext = MemoryContextSwitchTo(state->callcontext->ecxt_per_tuple_memory);
	value = FunctionCallInvoke(fcinfo);
	MemoryContextSwitchTo(oldcontext);
	own->value = keep_value(state, trans, value, fcinfo->isnull, own->value, own->isnull);
	own->isnull = fcinfo->isnull;
	ResetExprContext(state->callcontext);
}

/* A group's first row, or the end of one without any. */
static void
begin_transition(LedgerAggregateState *state, AggStatePerTrans trans, Transition *own)
{
	MemoryContext oldcontext;

	own->isnull = trans->initValueIsNull;
	own->value = trans->initValue;
	if (!own->isnull && !trans->transtypeByVal)
	{
		oldcontext = MemoryContextSwitchTo(state->aggcontext->ecxt_per_tuple_memory);
		own->value = datumCopy(trans->initValue, false, trans->transtypeLen);
		MemoryContextSwitchTo(oldcontext);
	}
	own->begun = true;
}

/*
 * What a strict function is not called for: true if the row is done.  The first
 * value becomes the transition value if there is no initial one.
 */
static bool
skip_strict(LedgerAggregateState *state, AggStatePerTrans trans, Transition *own)
{
	FunctionCallInfo fcinfo = trans->transfn_fcinfo;
	MemoryContext oldcontext;

	for (int i = 1; i <= trans->numTransInputs; i++)
		if (fcinfo->args[i].isnull)
			return true;
	if (!own->isnull)
		return false;
	if (!trans->initValueIsNull || own->has_first)
		return true;			/* the function has returned NULL, which stays */
	oldcontext = MemoryContextSwitchTo(state->aggcontext->ecxt_per_tuple_memory);
	own->value = datumCopy(fcinfo->args[1].value, trans->transtypeByVal, trans->transtypeLen);
	MemoryContextSwitchTo(oldcontext);
	own->isnull = false;
	own->has_first = true;
	return true;
}

static void
advance(LedgerAggregateState *state, LedgerAggregateCall *call, LedgerGroup **groups,
		const uint16 *rows, int n)
{
	AggStatePerTrans trans = &call->trans;
	FunctionCallInfo fcinfo = trans->transfn_fcinfo;

	state->aggstate->curperagg = NULL;
	state->aggstate->curpertrans = trans;
	for (int i = 0; i < n; i++)
	{
		int			row = rows[i];
		Transition *own = (Transition *) ((char *) groups[row] + call->offset);

		CHECK_FOR_INTERRUPTS();
		if (!own->begun)
			begin_transition(state, trans, own);
		for (int k = 0; k < call->nargs; k++)
		{
			const LedgerAggregateInput *in = &state->inputs[call->args[k]];

			fcinfo->args[k + 1].value = in->values[row];
			fcinfo->args[k + 1].isnull = in->isnull[row];
		}
		if (!trans->transfn.fn_strict || !skip_strict(state, trans, own))
			run_transition(state, call, own);
	}
	state->aggstate->curpertrans = NULL;
}

static Datum
transition_value(LedgerAggregateState *state, LedgerAggregateCall *call, char *place,
				 bool *isnull)
{
	Transition *own = (Transition *) place;

	if (!own->begun)
		begin_transition(state, &call->trans, own);
	*isnull = own->isnull;
	return own->value;
}

const LedgerKernel ledger_call_kernel = {sizeof(Transition), advance, transition_value};

/* ---- For kernels that need a value of core's ---- */

/* Call a function of a transition value, which may be NULL, and another one. */
static Datum
call_with(FunctionCallInfo fcinfo, Datum transition, bool *isnull, Datum other)
{
	fcinfo->args[0].value = transition;
	fcinfo->args[0].isnull = *isnull;
	fcinfo->args[1].value = other;
	fcinfo->args[1].isnull = false;
	fcinfo->isnull = false;
	transition = FunctionCallInvoke(fcinfo);
	*isnull = fcinfo->isnull;
	return transition;
}

/* Advance a transition value by one value. */
Datum
ledger_call_advance(LedgerAggregateCall *call, Datum transition, bool *isnull, Datum value)
{
	return call_with(call->trans.transfn_fcinfo, transition, isnull, value);
}

/* Add another transition value to it. */
Datum
ledger_call_combine(LedgerAggregateCall *call, Datum transition, bool *isnull, Datum other)
{
	return call_with(call->combine_call, transition, isnull, other);
}

/* Advance it by "count" times a value, by doubling. */
Datum
ledger_call_repeat(LedgerAggregateCall *call, Datum transition, bool *isnull, Datum value,
				   int64 count)
{
	Datum		power;
	bool		no_power = true;

	if (count == 0)
		return transition;
	power = ledger_call_advance(call, (Datum) 0, &no_power, value);
	for (;;)
	{
		if (count & 1)
			transition = ledger_call_combine(call, transition, isnull, power);
		count >>= 1;
		if (count == 0)
			return transition;
		power = ledger_call_combine(call, power, &no_power, power);
	}
}

/* ---- Results ---- */

static Datum
run_final(LedgerAggregateState *state, LedgerAggregateCall *call, Datum value, bool *isnull)
{
	FunctionCallInfo fcinfo = call->final_call;
	bool		any_null = *isnull || call->nfinalargs > 1;

	fcinfo->args[0].value = MakeExpandedObjectReadOnly(value, *isnull, call->trans.transtypeLen);
	fcinfo->args[0].isnull = *isnull;
	for (int i = 1; i < call->nfinalargs; i++)
	{
		fcinfo->args[i].value = (Datum) 0;
		fcinfo->args[i].isnull = true;
	}
	fcinfo->isnull = false;
	*isnull = true;
	if (fcinfo->flinfo->fn_strict && any_null)
		return (Datum) 0;
	state->aggstate->pertrans = &call->trans;	/* of which final.transno is 0 */
	state->aggstate->curperagg = &call->final;
	value = FunctionCallInvoke(fcinfo);
	state->aggstate->curperagg = NULL;
	*isnull = fcinfo->isnull;
	return value;
}

static Datum
run_serialization(LedgerAggregateCall *call, Datum value, bool *isnull)
{
	FunctionCallInfo fcinfo = call->trans.serialfn_fcinfo;

	if (fcinfo->flinfo->fn_strict && *isnull)
		return (Datum) 0;
	fcinfo->args[0].value = MakeExpandedObjectReadOnly(value, *isnull, call->trans.transtypeLen);
	fcinfo->args[0].isnull = *isnull;
	fcinfo->isnull = false;
	value = FunctionCallInvoke(fcinfo);
	*isnull = fcinfo->isnull;
	return value;
}

/* The aggregate's value, or partial one, of a group; in CurrentMemoryContext. */
Datum
ledger_call_result(LedgerAggregateState *state, LedgerAggregateCall *call, char *own,
				   bool *isnull)
{
	Datum		value;

	state->aggstate->curpertrans = &call->trans;
	value = call->kernel->value(state, call, own, isnull);
	if (call->final_call != NULL)
		value = run_final(state, call, value, isnull);
	else if (OidIsValid(call->trans.serialfn_oid))
		value = run_serialization(call, value, isnull);
	else
		value = MakeExpandedObjectReadOnly(value, *isnull, call->trans.transtypeLen);
	state->aggstate->curpertrans = NULL;
	return value;
}
