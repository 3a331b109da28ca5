/*-------------------------------------------------------------------------
 *
 * record.c
 *	  Records as entries: one, or an array of them.
 *
 * Field i goes to the i-th column that takes a value.  A row of the relation's
 * own type has a field for every column, so its generated ones are skipped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/append.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* What becomes of a field */
typedef enum FieldKind
{
	FIELD_COPY,					/* it is a value of the column already */
	FIELD_CAST,					/* assignment cast */
	FIELD_TEXT,					/* text through the type's input function */
	FIELD_CSTRING				/* the same for type unknown */
} FieldKind;

typedef struct Field
{
	int			number;			/* in the record, from 0 */
	AppendColumn *column;
	FieldKind	kind;
	Expr	   *cast;			/* planned, over a CaseTestExpr */
} Field;

/* How a kind of record maps to the columns; kept by the target */
typedef struct AppendRecordMap
{
	struct AppendRecordMap *next;
	uint64		identifier;		/* of the record's type, as of now */
	int			nfields;
	Field		fields[FLEXIBLE_ARRAY_MEMBER];
} AppendRecordMap;

/* A kind of record at work in a call */
typedef struct RecordKind
{
	struct RecordKind *next;
	Oid			typid;
	int32		typmod;
	TupleDesc	desc;
	AppendRecordMap *map;
	ExprState **casts;			/* per field of map; NULL until first used */
	Datum	   *values;			/* per attribute of desc: scratch */
	bool	   *isnull;
} RecordKind;

typedef struct RecordSource
{
	AppendSource base;
	int			nrecords;
	Datum	   *records;
	bool	   *nulls;			/* NULL: none is */
	RecordKind *kinds;
	RecordKind *last;			/* of the record before */
} RecordSource;

static void begin_records(AppendSource *base);
static text *seek_record(AppendSource *base, int64 entry);
static bool next_record(AppendSource *base, AppendCall *call,
						Datum *values, bool *isnull);
static void scan_record_columns(AppendSource *base, AppendCall *call);
static HeapTupleHeader record_at(RecordSource *source, AppendCall *call);
static RecordKind *find_kind(RecordSource *source, AppendCall *call,
							 HeapTupleHeader record);
static RecordKind *add_kind(RecordSource *source, AppendCall *call,
							Oid typid, int32 typmod);
static AppendRecordMap *find_map(AppendCall *call, TupleDesc desc);
static AppendRecordMap *build_map(AppendCall *call, TupleDesc desc);
static void build_field(AppendCall *call, Form_pg_attribute att, Field *field);
static Datum convert_field(AppendCall *call, RecordKind *kind, int i,
						   bool *isnull);


static RecordSource *
make_source(void)
{
	RecordSource *source = palloc0(sizeof(RecordSource));

	source->base.unit = "entry";
	source->base.begin = begin_records;
	source->base.next = next_record;
	source->base.scan_columns = scan_record_columns;
	source->base.seek = seek_record;
	return source;
}

AppendSource *
record_source(Datum record)
{
	RecordSource *source = make_source();

	source->nrecords = 1;
	source->records = palloc(sizeof(Datum));
	source->records[0] = record;
	return &source->base;
}

/* An array of any dimensions, in storage order. */
AppendSource *
record_array_source(ArrayType *records)
{
	RecordSource *source = make_source();

	deconstruct_array(records, ARR_ELEMTYPE(records), -1, false, TYPALIGN_DOUBLE,
					  &source->records, &source->nulls, &source->nrecords);
	return &source->base;
}

/* What is known of the kinds of record is in the call's memory. */
static void
begin_records(AppendSource *base)
{
	RecordSource *source = (RecordSource *) base;

	source->kinds = source->last = NULL;
}

static text *
seek_record(AppendSource *base, int64 entry)
{
	RecordSource *source = (RecordSource *) base;

	base->position.index = entry;
	if (source->nulls != NULL && source->nulls[entry - 1])
		return cstring_to_text("NULL");
	return cstring_to_text(OidOutputFunctionCall(F_RECORD_OUT, source->records[entry - 1]));
}

static bool
next_record(AppendSource *base, AppendCall *call, Datum *values, bool *isnull)
{
	RecordSource *source = (RecordSource *) base;
	AppendTarget *target = call->target;
	HeapTupleHeader record;
	HeapTupleData tuple;
	RecordKind *kind;
	AppendRecordMap *map;

	if (base->position.index >= Min(source->nrecords, base->limit))
		return false;

	record = record_at(source, call);
	kind = find_kind(source, call, record);
	map = kind->map;

	tuple.t_len = HeapTupleHeaderGetDatumLength(record);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = record;
	heap_deform_tuple(&tuple, kind->desc, kind->values, kind->isnull);

	for (int i = 0; i < map->nfields; i++)
	{
		Field	   *field = &map->fields[i];
		int			to = field->column->attnum - 1;

		isnull[to] = kind->isnull[field->number];
		if (field->kind == FIELD_COPY)
			values[to] = kind->values[field->number];
		else
			values[to] = convert_field(call, kind, i, &isnull[to]);
	}
	for (int i = map->nfields; i < target->ncolumns; i++)
	{
		AppendColumn *column = &target->columns[i];

		values[column->attnum - 1] =
			append_default(call, column, &isnull[column->attnum - 1]);
	}
	return true;
}

static void
scan_record_columns(AppendSource *base, AppendCall *call)
{
	RecordSource *source = (RecordSource *) base;
	int64		start = base->position.index;

	while (base->position.index < Min(source->nrecords, base->limit))
		(void) find_kind(source, call, record_at(source, call));
	base->position.index = start;
	*call->entry = 0;
}

/* The record that comes next. */
static HeapTupleHeader
record_at(RecordSource *source, AppendCall *call)
{
	int64		i = source->base.position.index++;

	*call->entry = i + 1;
	if (source->nulls != NULL && source->nulls[i])
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("entry must not be null")));
	return DatumGetHeapTupleHeader(source->records[i]);
}

static RecordKind *
find_kind(RecordSource *source, AppendCall *call, HeapTupleHeader record)
{
	Oid			typid = HeapTupleHeaderGetTypeId(record);
	int32		typmod = HeapTupleHeaderGetTypMod(record);
	RecordKind *kind = source->last;

	if (kind != NULL && kind->typid == typid && kind->typmod == typmod)
		return kind;

	for (kind = source->kinds; kind != NULL; kind = kind->next)
	{
		if (kind->typid == typid && kind->typmod == typmod)
			break;
	}
	if (kind == NULL)
		kind = add_kind(source, call, typid, typmod);
	source->last = kind;
	return kind;
}

static RecordKind *
add_kind(RecordSource *source, AppendCall *call, Oid typid, int32 typmod)
{
	MemoryContext oldcxt = MemoryContextSwitchTo(call->cxt);
	RecordKind *kind = palloc0(sizeof(RecordKind));

	kind->typid = typid;
	kind->typmod = typmod;
	/* copied: what a cast runs may let go of the type cache's */
	kind->desc = lookup_rowtype_tupdesc_copy(typid, typmod);
	kind->map = find_map(call, kind->desc);
	kind->casts = palloc0(kind->map->nfields * sizeof(ExprState *));
	kind->values = palloc(kind->desc->natts * sizeof(Datum));
	kind->isnull = palloc(kind->desc->natts * sizeof(bool));
	for (int i = 0; i < kind->map->nfields; i++)
		append_use_column(call, kind->map->fields[i].column);
	kind->next = source->kinds;
	source->kinds = kind;

	MemoryContextSwitchTo(oldcxt);
	return kind;
}

static AppendRecordMap *
find_map(AppendCall *call, TupleDesc desc)
{
	uint64		identifier = assign_record_type_identifier(desc->tdtypeid, desc->tdtypmod);
	AppendRecordMap *map;

	for (map = call->target->maps; map != NULL; map = map->next)
	{
		if (map->identifier == identifier)
			return map;
	}
	map = build_map(call, desc);
	map->identifier = identifier;
	map->next = call->target->maps;
	call->target->maps = map;
	return map;
}

static AppendRecordMap *
build_map(AppendCall *call, TupleDesc desc)
{
	AppendTarget *target = call->target;
	bool		own = desc->tdtypeid == target->rowtype;
	AppendRecordMap *map;

	map = MemoryContextAllocZero(target->cxt,
								 offsetof(AppendRecordMap, fields) +
								 desc->natts * sizeof(Field));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Field	   *field = &map->fields[map->nfields];

		if (att->attisdropped || (own && att->attgenerated != '\0'))
			continue;
		if (map->nfields == target->ncolumns)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("entry has more fields than \"%s\" has columns that take a value",
							RelationGetRelationName(call->rel)),
					 errdetail_plural("The relation has %d such column.",
									  "The relation has %d such columns.",
									  target->ncolumns, target->ncolumns)));
		field->number = i;
		field->column = &target->columns[map->nfields++];
		call->column = NameStr(field->column->name);
		if (field->column->identity_always)
			append_refuse_identity(field->column);
		if (own)
			field->kind = FIELD_COPY;
		else
			build_field(call, att, field);
		call->column = NULL;
	}
	return map;
}

static void
build_field(AppendCall *call, Form_pg_attribute att, Field *field)
{
	AppendColumn *column = field->column;
	CaseTestExpr *placeholder;
	Node	   *cast;

	if (att->atttypid == UNKNOWNOID)
	{
		field->kind = FIELD_CSTRING;
		return;
	}

	placeholder = makeNode(CaseTestExpr);
	placeholder->typeId = att->atttypid;
	placeholder->typeMod = att->atttypmod;
	placeholder->collation = att->attcollation;

	cast = coerce_to_target_type(NULL, (Node *) placeholder, att->atttypid,
								 column->typid, column->typmod,
								 COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	if (cast == NULL)
	{
		Oid			basetype = getBaseType(att->atttypid);

		if (basetype != TEXTOID && basetype != VARCHAROID)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" is of type %s but the entry's field is of type %s",
							NameStr(column->name),
							format_type_be(column->typid),
							format_type_be(att->atttypid))));
		field->kind = FIELD_TEXT;
		return;
	}

	while (IsA(cast, RelabelType))
		cast = (Node *) ((RelabelType *) cast)->arg;
	if (IsA(cast, CaseTestExpr))
		field->kind = FIELD_COPY;
	else
	{
		field->kind = FIELD_CAST;
		field->cast = target_plan_expr(call->target, (Expr *) cast);
	}
}

/* Field i of the record in kind->values, as a value of its column. */
static Datum
convert_field(AppendCall *call, RecordKind *kind, int i, bool *isnull)
{
	Field	   *field = &kind->map->fields[i];
	Datum		value = kind->values[field->number];
	char	   *str;

	call->column = NameStr(field->column->name);
	if (field->kind == FIELD_CAST)
	{
		ExprContext *econtext = call->econtext;

		if (kind->casts[i] == NULL)
		{
			MemoryContext oldcxt = MemoryContextSwitchTo(call->cxt);

			kind->casts[i] = ExecInitExpr(field->cast, NULL);
			MemoryContextSwitchTo(oldcxt);
		}
		econtext->caseValue_datum = value;
		econtext->caseValue_isNull = *isnull;
		value = ExecEvalExpr(kind->casts[i], econtext, isnull);
	}
	else
	{
		if (*isnull)
			str = NULL;
		else if (field->kind == FIELD_TEXT)
			str = TextDatumGetCString(value);
		else
			str = DatumGetCString(value);
		value = append_input(call, field->column, str);
	}
	call->column = NULL;
	return value;
}
