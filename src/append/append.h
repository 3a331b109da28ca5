/*-------------------------------------------------------------------------
 *
 * append.h
 *	  The SQL append functions.
 *
 * One call goes through three parts.  A *source* (record.c, json.c) turns
 * entry after entry into a row of the relation named; a *target* (target.c) is
 * what a backend remembers of that relation between calls; the rows are stored
 * either by the fast path (store.c: routing, constraints, one multi-insert a
 * leaf) or, where something needs the executor, by a planned INSERT
 * (planned.c).  append.c has the functions themselves and ties the parts;
 * tolerant.c calls it for parts of a batch that has bad entries.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_APPEND_H
#define LEDGER_APPEND_H

#include "postgres.h"

#include "append/manage.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "nodes/execnodes.h"
#include "nodes/parsenodes.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

/* How a JSON value becomes a value of a column: see json.c */
typedef enum AppendJsonKind
{
	APPEND_JSON_UNKNOWN,		/* not looked at yet */
	APPEND_JSON_TEXT,
	APPEND_JSON_JSONB,
	APPEND_JSON_INPUT,			/* through the type's input function */
	APPEND_JSON_POPULATE		/* through jsonb_populate_record */
} AppendJsonKind;

/* A column of the relation named that takes a value: not dropped, not generated */
typedef struct AppendColumn
{
	AttrNumber	attnum;
	NameData	name;
	int			namelen;
	Oid			typid;
	int32		typmod;
	bool		identity_always;

	Expr	   *default_expr;	/* planned; NULL: the default is NULL */
	ExprState  *default_state;	/* of the running call, or NULL */

	FmgrInfo	input;			/* fn_oid is InvalidOid until first used */
	Oid			ioparam;

	AppendJsonKind json_kind;
	FmgrInfo	populate;		/* for APPEND_JSON_POPULATE: */
	TupleDesc	populate_desc;	/* a record of this column only, */
	Datum		populate_null;	/* and one of them, with a NULL */
} AppendColumn;

/* What a cached expression was planned from, to hear when it changes */
typedef struct AppendDependency
{
	int			cacheid;
	uint32		hash;
} AppendDependency;

/*
 * What a backend remembers of a relation named in an append.
 *
 * A running call owns its target: target_checkout() takes it out of the cache,
 * target_checkin() puts it back.  So a nested append to the same relation gets
 * one of its own, and an error frees it with the call's memory.
 */
typedef struct AppendTarget
{
	Oid			relid;
	Oid			rowtype;
	MemoryContext cxt;
	uint64		generation;		/* of the cache entry when this was built */

	int			ncolumns;
	AppendColumn *columns;		/* in attnum order */
	AppendColumn **by_key;		/* in the order of jsonb keys */
	AppendColumn **key_order;	/* of the last JSON object seen; a guess */

	bool		needs_executor; /* triggers, rules, a default that may look */
	bool		row_security;
	Oid			executor_leaf;	/* a partition that needs the executor */

	int			nchecked;		/* dependencies */
	AppendDependency *checked;
	struct AppendRecordMap *maps;	/* record.c: kinds of record seen */
} AppendTarget;

/* What the functions' arguments ask for; all 0 is the default */
typedef enum AppendOnError
{
	APPEND_ON_ERROR_ERROR,
	APPEND_ON_ERROR_SKIP,
	APPEND_ON_ERROR_DIVERT
} AppendOnError;

typedef enum AppendUnknownFields
{
	APPEND_UNKNOWN_ERROR,
	APPEND_UNKNOWN_IGNORE,
	APPEND_UNKNOWN_COLLECT
} AppendUnknownFields;

typedef struct AppendOptions
{
	bool		skip_conflicts;
	AppendOnError on_error;
	AppendUnknownFields unknown_fields;
	char	   *unknown_into;	/* a column; NULL: none */
	char	   *source;			/* NULL: none */
	int64		batch;
} AppendOptions;

/* AppendCall.entry where no entry is to blame for an error */
#define APPEND_NO_ENTRY		(-1)

/* A running call */
typedef struct AppendCall
{
	AppendTarget *target;
	Relation	rel;			/* open, RowExclusiveLock; not while a partition is made */
	char	   *name;			/* of the relation */
	EState	   *estate;
	ExprContext *econtext;		/* for casts and defaults */
	MemoryContext cxt;			/* the call's; estate->es_query_cxt */
	MemoryContext batchcxt;		/* rows not yet stored; the source's scratch */

	const AppendOptions *options;
	AppendColumn *unknown_column;	/* that collects unknown fields, or NULL */

	const char *unit;			/* "entry" or "line" */
	int64	   *entry;			/* being worked at, from 1; 0: none known */
	const char *column;			/* likewise, or NULL */

	bool		table_privilege;	/* INSERT on all columns */
	bool	   *used;			/* per column: an entry gave it a value */
	bool		used_grew;		/* since the privileges were last checked */
	bool		insert_defaults;	/* defaults of the others are INSERT's */
	List	   *range_table;	/* the relation named, for privileges */
	List	   *perminfos;		/* and error details */

	Oid			missing_branch; /* a managed table that has no partition */
	Timestamp	missing_at;		/* for this time (see manage.h) */
	Oid			last_missing;	/* the same, when there was nothing to make */
	Timestamp	last_missing_at;
} AppendCall;

/* Finds the leaves of a partitioned relation named */
typedef struct AppendRouter
{
	AppendCall *call;
	ResultRelInfo *root;
	ModifyTableState *mtstate;
	struct PartitionTupleRouting *routing;	/* NULL until it is needed */
	bool		quick;			/* quick.c may find leaves: */
	LedgerBranchKey key;		/* by this column */
	List	   *quick_leaves;	/* it has */
	TupleTableSlot *slot;		/* the row, as the relation named has it */
	bool		finding;		/* in the middle of it: an error is about that */
	ErrorContextCallback *context;	/* set up for that */
	bool		raised_here;	/* the error, and not by a function called */
} AppendRouter;

/* The times that a leaf's managed ledger takes entries of */
typedef struct AppendLimits
{
	const char *branch;
	LedgerBranchKey key;
	LedgerTimes times;
	AttrNumber	attnum;			/* in the relation named */
} AppendLimits;

/* How far the fast path came */
typedef enum StoreOutcome
{
	STORE_DONE,
	STORE_NEEDS_EXECUTOR,		/* from where the source stands */
	STORE_NEEDS_PARTITION		/* likewise; call->missing_branch says which */
} StoreOutcome;

/* Where entries come from */
typedef struct AppendPosition
{
	int64		index;			/* entries (lines) returned */
	const char *at;				/* start of the next line */
} AppendPosition;

typedef struct AppendSource AppendSource;
struct AppendSource
{
	const char *unit;

	/* Forget what belongs to the call before; NULL: there is nothing */
	void		(*begin) (AppendSource *source);

	/*
	 * Make the next entry a row: set values[attnum - 1] of each column, all
	 * memory in CurrentMemoryContext.  False at the end.
	 */
	bool		(*next) (AppendSource *source, AppendCall *call,
						 Datum *values, bool *isnull);
	/* Set call->used for the columns that any entry from here on gives */
	void		(*scan_columns) (AppendSource *source, AppendCall *call);
	/* The text of an entry that comes at or after the position; stand after it */
	text	   *(*seek) (AppendSource *source, int64 entry);

	int64		limit;			/* entries after that one are not returned */

	/* Where next() stands; may be saved and set back */
	AppendPosition position;
};

/* A key or value as json_scan.c finds it in the text */
typedef enum AppendJsonTokenKind
{
	APPEND_JSON_OTHER,			/* for the server's parser */
	APPEND_JSON_STRING,			/* between its quotes it is as it reads */
	APPEND_JSON_LITERAL,		/* a whole number, true or false: likewise */
	APPEND_JSON_NULL
} AppendJsonTokenKind;

typedef struct AppendJsonToken
{
	AppendJsonTokenKind kind;
	const char *start;
	int			len;			/* quotes included, but for keys */
} AppendJsonToken;

typedef struct AppendJsonScan
{
	const char *at;
	const char *end;
	bool		first;
} AppendJsonScan;

/* options.c */
extern void append_refuse_null(FunctionCallInfo fcinfo, int arg, const char *name);
extern void append_read_options(FunctionCallInfo fcinfo, AppendOptions *options);
extern void append_read_json_options(FunctionCallInfo fcinfo, AppendOptions *options);

/* append.c */
extern void append_make_partition(AppendCall *call);
extern int64 append_range(Oid relid, AppendSource *source,
						  const AppendOptions *options, int64 *entry);
extern void append_use_column(AppendCall *call, AppendColumn *column);
extern void append_refuse_identity(AppendColumn *column);
extern Datum append_default(AppendCall *call, AppendColumn *column,
							bool *isnull);
extern Datum append_input(AppendCall *call, AppendColumn *column, char *str);

/* target.c */
extern AppendTarget *target_checkout(Relation rel);
extern void target_checkin(AppendTarget *target);
extern Expr *target_plan_expr(AppendTarget *target, Expr *expr);
extern bool target_may_look(Node *expr);

/* record.c */
extern AppendSource *record_source(Datum record);
extern AppendSource *record_array_source(ArrayType *records);

/* json.c */
extern AppendSource *json_source(Jsonb *entries);
extern AppendSource *ndjson_source(const char *lines, int len);

/* json_scan.c */
extern bool json_scan_begin(AppendJsonScan *scan, const char *text, int len);
extern bool json_scan_next(AppendJsonScan *scan, AppendJsonToken *key,
						   AppendJsonToken *value, bool *done);
extern Jsonb *json_scan_jsonb(const char *text, int len);

/* route.c */
extern void router_begin(AppendRouter *router, AppendCall *call, ResultRelInfo *root);
extern void router_end(AppendRouter *router);
extern ResultRelInfo *router_find(AppendRouter *router);
extern bool router_found_none(AppendRouter *router, const ErrorData *error);
extern bool router_note_missing(AppendRouter *router, const ErrorData *error);
extern AppendLimits *router_limits(AppendRouter *router, Oid leafid);
extern void router_check_limits(AppendRouter *router, const AppendLimits *limits);

/* quick.c */
extern void quick_begin(AppendRouter *router);
extern void quick_end(AppendRouter *router);
extern ResultRelInfo *quick_find(AppendRouter *router);
extern ResultRelInfo *quick_same(AppendRouter *router, ResultRelInfo *rri);
extern const LedgerLeaf *quick_leaf(AppendRouter *router, Oid relid);

/* store.c */
extern StoreOutcome store_entries(AppendCall *call, AppendSource *source,
								  int64 *stored);

/* conflict.c */
extern bool conflict_possible(ResultRelInfo *rri);
extern void conflict_refuse(Relation rel) pg_attribute_noreturn();
extern bool conflict_exists(ResultRelInfo *rri, TupleTableSlot *slot, EState *estate);
extern bool conflict_insert(ResultRelInfo *rri, TupleTableSlot *slot,
							EState *estate, CommandId cid);

/* tolerant.c */
extern int64 tolerant_append(Oid relid, AppendSource *source,
							 const AppendOptions *options);

/* planned.c */
extern int64 planned_insert(AppendCall *call, AppendSource *source);

#endif							/* LEDGER_APPEND_H */
