/*-------------------------------------------------------------------------
 *
 * target.c
 *	  What a backend remembers of the relations that it appends to.
 *
 * A target holds what costs catalog look-ups or planning: the columns, their
 * defaults, the casts of the kinds of record seen, and whether INSERT into the
 * relation needs the executor.  Nothing in it depends on the user: privileges
 * and row-level security are asked on every call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/append.h"

#include "access/attnum.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "rewrite/rewriteHandler.h"
#include "storage/storage.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/syscache.h"

/* Relations remembered; past this, all are forgotten and it starts anew. */
#define MAX_TARGETS		256

typedef struct CachedTarget
{
	Oid			relid;			/* hash key */
	uint64		generation;		/* a new one with each invalidation */
	AppendTarget *target;		/* NULL: none, or checked out */
} CachedTarget;

static HTAB *targets = NULL;
static uint64 last_generation = 0;

static void init_targets(void);
static void forget_targets(void);
static AppendTarget *build_target(Relation rel, uint64 generation);
static void build_column(AppendTarget *target, Relation rel,
						 Form_pg_attribute att, AppendColumn *column);
static Expr *column_default(Relation rel, Form_pg_attribute att);
static void note_dependencies(AppendTarget *target, List *items);
static void depend_on(AppendTarget *target, int cacheid, uint32 hash);
static bool may_look_walker(Node *node, void *context);
static bool may_look_function(Oid funcid, void *context);
static int	compare_keys(const void *a, const void *b);
static bool has_insert_trigger(Relation rel);
static void relation_changed(Datum arg, Oid relid);
static void cast_changed(Datum arg, int cacheid, uint32 hash);
static void object_changed(Datum arg, int cacheid, uint32 hash);


/*
 * The target of an open relation, now the caller's: its memory is a child of
 * CurrentMemoryContext until target_checkin().
 */
AppendTarget *
target_checkout(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);
	CachedTarget *entry;
	AppendTarget *target;
	bool		found;

	if (targets == NULL)
		init_targets();

	entry = hash_search(targets, &relid, HASH_FIND, &found);
	if (!found)
	{
		if (hash_get_num_entries(targets) >= MAX_TARGETS)
			forget_targets();
		entry = hash_search(targets, &relid, HASH_ENTER, &found);
		entry->generation = ++last_generation;
		entry->target = NULL;
	}

	target = entry->target;
	entry->target = NULL;
	if (target != NULL && target->generation != entry->generation)
	{
		MemoryContextDelete(target->cxt);
		target = NULL;
	}
	if (target != NULL)
		MemoryContextSetParent(target->cxt, CurrentMemoryContext);
	else
		target = build_target(rel, entry->generation);
	return target;
}

/* Give a target back to the cache, if it still holds and its place is free. */
void
target_checkin(AppendTarget *target)
{
	CachedTarget *entry;

	entry = hash_search(targets, &target->relid, HASH_FIND, NULL);
	if (entry == NULL || entry->target != NULL ||
		entry->generation != target->generation)
		MemoryContextDelete(target->cxt);
	else
	{
		MemoryContextSetParent(target->cxt, CacheMemoryContext);
		entry->target = target;
	}
}

/* Plan an expression for ExecInitExpr(), in the target's memory. */
Expr *
target_plan_expr(AppendTarget *target, Expr *expr)
{
	List	   *relations;
	List	   *items;
	MemoryContext oldcxt;

	expr = expression_planner_with_deps(expr, &relations, &items);
	oldcxt = MemoryContextSwitchTo(target->cxt);
	expr = copyObject(expr);
	note_dependencies(target, items);
	MemoryContextSwitchTo(oldcxt);
	return expr;
}

static void
init_targets(void)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(CachedTarget);
	ctl.hcxt = CacheMemoryContext;
	targets = hash_create("ledger append targets", 16, &ctl,
						  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	ledger_watch_relations(relation_changed);
	CacheRegisterSyscacheCallback(CASTSOURCETARGET, cast_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, object_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, object_changed, (Datum) 0);
}

static void
forget_targets(void)
{
	HASH_SEQ_STATUS seq;
	CachedTarget *entry;

	hash_seq_init(&seq, targets);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		if (entry->target != NULL)
			MemoryContextDelete(entry->target->cxt);
		hash_search(targets, &entry->relid, HASH_REMOVE, NULL);
	}
}

static AppendTarget *
build_target(Relation rel, uint64 generation)
{
	TupleDesc	desc = RelationGetDescr(rel);
	AppendTarget *target;
	MemoryContext cxt;

	cxt = AllocSetContextCreate(CurrentMemoryContext, "ledger append target",
								ALLOCSET_SMALL_SIZES);
	target = MemoryContextAllocZero(cxt, sizeof(AppendTarget));
	target->cxt = cxt;
	target->relid = RelationGetRelid(rel);
	target->rowtype = rel->rd_rel->reltype;
	target->generation = generation;
	target->needs_executor = rel->rd_rules != NULL || has_insert_trigger(rel);
	target->row_security = rel->rd_rel->relrowsecurity;
	target->columns = MemoryContextAllocZero(cxt, (desc->natts + 1) * sizeof(AppendColumn));

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->attgenerated == '\0')
			build_column(target, rel, att, &target->columns[target->ncolumns++]);
	}

	target->by_key = MemoryContextAlloc(cxt, (target->ncolumns + 1) * sizeof(AppendColumn *));
	target->key_order = MemoryContextAlloc(cxt, (target->ncolumns + 1) * sizeof(AppendColumn *));
	for (int i = 0; i < target->ncolumns; i++)
		target->by_key[i] = &target->columns[i];
	qsort(target->by_key, target->ncolumns, sizeof(AppendColumn *), compare_keys);
	memcpy(target->key_order, target->by_key, target->ncolumns * sizeof(AppendColumn *));

	return target;
}

static void
build_column(AppendTarget *target, Relation rel, Form_pg_attribute att,
			 AppendColumn *column)
{
	Expr	   *expr;

	column->attnum = att->attnum;
	column->name = att->attname;
	column->namelen = strlen(NameStr(att->attname));
	column->typid = att->atttypid;
	column->typmod = att->atttypmod;
	column->identity_always = att->attidentity == ATTRIBUTE_IDENTITY_ALWAYS;

	/* A domain may be the default's source, or forbid the NULL */
	if (get_typtype(att->atttypid) == TYPTYPE_DOMAIN)
		depend_on(target, TYPEOID,
				  GetSysCacheHashValue1(TYPEOID, ObjectIdGetDatum(att->atttypid)));

	expr = column_default(rel, att);
	if (expr != NULL)
	{
		expr = target_plan_expr(target, expr);
		if (may_look_walker((Node *) expr, NULL))
			target->needs_executor = true;
	}
	column->default_expr = expr;
}

/*
 * The value of a column that an entry does not give, as the rewriter and the
 * planner would make it; NULL if that is a plain NULL.
 */
static Expr *
column_default(Relation rel, Form_pg_attribute att)
{
	Node	   *expr = build_column_default(rel, att->attnum);

	if (expr == NULL && get_typtype(att->atttypid) == TYPTYPE_DOMAIN)
	{
		int32		basetypmod = att->atttypmod;
		Oid			basetype = getBaseTypeAndTypmod(att->atttypid, &basetypmod);

		expr = coerce_to_domain((Node *) makeNullConst(basetype, basetypmod, att->attcollation),
								basetype, basetypmod, att->atttypid,
								COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1, false);
	}
	return (Expr *) expr;
}

static void
note_dependencies(AppendTarget *target, List *items)
{
	ListCell   *lc;

	foreach(lc, items)
	{
		PlanInvalItem *item = lfirst_node(PlanInvalItem, lc);

		depend_on(target, item->cacheId, item->hashValue);
	}
}

static void
depend_on(AppendTarget *target, int cacheid, uint32 hash)
{
	Size		size = (target->nchecked + 1) * sizeof(AppendDependency);

	if (target->checked == NULL)
		target->checked = MemoryContextAlloc(target->cxt, size);
	else
		target->checked = repalloc(target->checked, size);
	target->checked[target->nchecked].cacheid = cacheid;
	target->checked[target->nchecked].hash = hash;
	target->nchecked++;
}

/*
 * Might the expression look at the table?  INSERT computes a default, or checks
 * a row, when the rows before it are stored, the fast path when none of the
 * batch is, so a volatile function is only left to the fast path if it is known
 * not to look.
 */
bool
target_may_look(Node *expr)
{
	return may_look_walker(expr, NULL);
}

static bool
may_look_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, may_look_function, context))
		return true;
	return expression_tree_walker(node, may_look_walker, context);
}

static bool
may_look_function(Oid funcid, void *context)
{
	static const char *const blind[] = {
		"clock_timestamp", "gen_random_uuid", "nextval", "random",
		"random_normal", "timeofday", "uuidv4", "uuidv7"
	};
	char	   *name;

	if (func_volatile(funcid) != PROVOLATILE_VOLATILE)
		return false;
	if (get_func_namespace(funcid) != PG_CATALOG_NAMESPACE)
		return true;
	name = get_func_name(funcid);
	for (int i = 0; i < lengthof(blind); i++)
	{
		if (strcmp(name, blind[i]) == 0)
			return false;
	}
	return true;
}

/* jsonb sorts the keys of an object by length, then bytewise. */
static int
compare_keys(const void *a, const void *b)
{
	const AppendColumn *ca = *(AppendColumn *const *) a;
	const AppendColumn *cb = *(AppendColumn *const *) b;

	if (ca->namelen != cb->namelen)
		return ca->namelen < cb->namelen ? -1 : 1;
	return memcmp(NameStr(ca->name), NameStr(cb->name), ca->namelen);
}

/* Foreign keys, and constraints checked at commit, are triggers too. */
static bool
has_insert_trigger(Relation rel)
{
	TriggerDesc *triggers = rel->trigdesc;

	return triggers != NULL &&
		(triggers->trig_insert_before_row || triggers->trig_insert_after_row ||
		 triggers->trig_insert_instead_row ||
		 triggers->trig_insert_before_statement ||
		 triggers->trig_insert_after_statement ||
		 triggers->trig_insert_new_table);
}

/*
 * Invalidation callbacks.  They must not free: a call may be at work with the
 * target, and memory is freed at the next checkout.
 */
static void
relation_changed(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS seq;
	CachedTarget *entry;

	hash_seq_init(&seq, targets);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		if (!OidIsValid(relid) || entry->relid == relid ||
			(entry->target != NULL && entry->target->executor_leaf == relid))
			entry->generation = ++last_generation;
	}
}

static void
cast_changed(Datum arg, int cacheid, uint32 hash)
{
	relation_changed(arg, InvalidOid);
}

static void
object_changed(Datum arg, int cacheid, uint32 hash)
{
	HASH_SEQ_STATUS seq;
	CachedTarget *entry;

	hash_seq_init(&seq, targets);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		AppendTarget *target = entry->target;

		/* what is checked out cannot be looked into: take it as changed */
		if (target == NULL)
			entry->generation = ++last_generation;
		for (int i = 0; target != NULL && i < target->nchecked; i++)
		{
			if (target->checked[i].cacheid == cacheid &&
				(hash == 0 || target->checked[i].hash == hash))
			{
				entry->generation = ++last_generation;
				break;
			}
		}
	}
}
