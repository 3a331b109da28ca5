/*-------------------------------------------------------------------------
 *
 * json.c
 *	  JSON objects as entries: a jsonb value, or lines of text.
 *
 * Keys are column names and values convert as in jsonb_populate_record(): the
 * kinds of type that fill log tables here, the others by that very function,
 * one value at a time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/append.h"
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

typedef struct JsonSource
{
	AppendSource base;
	MemoryContext cxt;			/* its own: it may outlive a call */
	bool	   *given;			/* per column: by the entry at hand */
	JsonbParseState *unknown;	/* fields to collect, of the same; or NULL */

	JsonbContainer *entries;	/* jsonb: an object, or an array of them */

	const char *end;			/* of the lines */
	AppendJsonToken *tokens;	/* per column: what the line gives it */
} JsonSource;

static JsonSource *make_source(const char *unit,
							   bool (*next) (AppendSource *, AppendCall *,
											 Datum *, bool *),
							   void (*scan_columns) (AppendSource *, AppendCall *),
							   text *(*seek) (AppendSource *, int64));
static bool next_json(AppendSource *base, AppendCall *call,
					  Datum *values, bool *isnull);
static void scan_json_columns(AppendSource *base, AppendCall *call);
static text *seek_json(AppendSource *base, int64 entry);
static int	count_json(JsonSource *source);
static JsonbContainer *json_at(JsonSource *source, AppendCall *call);
static bool next_line(AppendSource *base, AppendCall *call,
					  Datum *values, bool *isnull);
static void scan_line_columns(AppendSource *base, AppendCall *call);
static text *seek_line(AppendSource *base, int64 entry);
static bool line_at(JsonSource *source, const char **line, int *len);
static JsonbContainer *parse_line(const char *line, int len);
static bool scan_line(JsonSource *source, AppendCall *call,
					  const char *line, int len);
static void tokens_to_row(JsonSource *source, AppendCall *call,
						  Datum *values, bool *isnull);
static Datum convert_token(AppendCall *call, AppendColumn *column,
						   AppendJsonToken *token, bool *isnull);
static Jsonb *parse_jsonb(const char *text, int len);
static void start_row(JsonSource *source, AppendCall *call);
static void fill_defaults(JsonSource *source, AppendCall *call,
						  Datum *values, bool *isnull);
static void object_to_row(JsonSource *source, AppendCall *call,
						  JsonbContainer *object, Datum *values, bool *isnull);
static void scan_object_columns(AppendCall *call, JsonbContainer *object);
static AppendColumn *find_column(AppendCall *call, JsonbValue *key, int place);
static void keep_unknown(JsonSource *source, AppendCall *call, JsonbValue *key,
						 JsonbValue *value);
static void collect_unknown(JsonSource *source, AppendCall *call, Datum *values,
							bool *isnull);
static int	compare_key(AppendColumn *column, JsonbValue *key);
static bool is_generated(AppendCall *call, JsonbValue *key);
static void refuse_key(AppendCall *call, JsonbValue *key);
static Datum convert_value(AppendCall *call, AppendColumn *column,
						   JsonbValue *value, bool *isnull);
static AppendJsonKind json_kind(AppendColumn *column);
static char *value_to_cstring(AppendColumn *column, JsonbValue *value);
static Datum populate_value(AppendCall *call, AppendColumn *column,
							JsonbValue *value, bool *isnull);
static void prepare_populate(AppendCall *call, AppendColumn *column);


/* One object, or an array of them. */
AppendSource *
json_source(Jsonb *entries)
{
	JsonSource *source = make_source("entry", next_json, scan_json_columns, seek_json);

	if (JB_ROOT_IS_SCALAR(entries))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("entries must be a JSON object or an array of objects")));
	source->entries = &entries->root;
	return &source->base;
}

/* One object a line; "lines" must stay. */
AppendSource *
ndjson_source(const char *lines, int len)
{
	JsonSource *source = make_source("line", next_line, scan_line_columns, seek_line);

	source->base.position.at = lines;
	source->end = lines + len;
	return &source->base;
}

static JsonSource *
make_source(const char *unit,
			bool (*next) (AppendSource *, AppendCall *, Datum *, bool *),
			void (*scan_columns) (AppendSource *, AppendCall *),
			text *(*seek) (AppendSource *, int64))
{
	JsonSource *source = palloc0(sizeof(JsonSource));

	source->base.unit = unit;
	source->base.next = next;
	source->base.scan_columns = scan_columns;
	source->base.seek = seek;
	source->cxt = CurrentMemoryContext;
	return source;
}

static bool
next_json(AppendSource *base, AppendCall *call, Datum *values, bool *isnull)
{
	JsonSource *source = (JsonSource *) base;
	JsonbContainer *object = json_at(source, call);

	if (object == NULL)
		return false;
	object_to_row(source, call, object, values, isnull);
	return true;
}

static void
scan_json_columns(AppendSource *base, AppendCall *call)
{
	MemoryContext oldcxt = MemoryContextSwitchTo(call->batchcxt);
	int64		start = base->position.index;
	JsonbContainer *object;

	while ((object = json_at((JsonSource *) base, call)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		scan_object_columns(call, object);
		MemoryContextReset(call->batchcxt);
	}
	base->position.index = start;
	*call->entry = 0;
	MemoryContextSwitchTo(oldcxt);
}

static text *
seek_json(AppendSource *base, int64 entry)
{
	JsonSource *source = (JsonSource *) base;
	JsonbContainer *object = source->entries;
	JsonbValue *element;
	Jsonb	   *jb;

	base->position.index = entry;
	if (!JsonContainerIsArray(object))
		return cstring_to_text(JsonbToCString(NULL, object, 0));
	element = getIthJsonbValueFromContainer(object, entry - 1);
	if (element->type == jbvBinary)
		return cstring_to_text(JsonbToCString(NULL, element->val.binary.data,
											  element->val.binary.len));
	jb = JsonbValueToJsonb(element);
	return cstring_to_text(JsonbToCString(NULL, &jb->root, VARSIZE(jb)));
}

static int
count_json(JsonSource *source)
{
	return JsonContainerIsArray(source->entries) ? JsonContainerSize(source->entries) : 1;
}

/* The object that comes next, or NULL at the end. */
static JsonbContainer *
json_at(JsonSource *source, AppendCall *call)
{
	int64		i = source->base.position.index;
	JsonbContainer *object = source->entries;

	if (i >= Min(count_json(source), source->base.limit))
		return NULL;
	source->base.position.index++;
	*call->entry = i + 1;

	if (JsonContainerIsArray(source->entries))
	{
		JsonbValue *element = getIthJsonbValueFromContainer(source->entries, i);

		if (element->type == jbvNull)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("entry must not be null")));
		object = element->type == jbvBinary ? element->val.binary.data : NULL;
	}
	if (object == NULL || !JsonContainerIsObject(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("entry is not a JSON object")));
	return object;
}

static bool
next_line(AppendSource *base, AppendCall *call, Datum *values, bool *isnull)
{
	JsonSource *source = (JsonSource *) base;
	const char *line;
	int			len;

	if (!line_at(source, &line, &len))
		return false;
	*call->entry = base->position.index;
	if (scan_line(source, call, line, len))
		tokens_to_row(source, call, values, isnull);
	else
		object_to_row(source, call, parse_line(line, len), values, isnull);
	return true;
}

static void
scan_line_columns(AppendSource *base, AppendCall *call)
{
	MemoryContext oldcxt = MemoryContextSwitchTo(call->batchcxt);
	int64		index = base->position.index;
	const char *at = base->position.at;
	const char *line;
	int			len;

	while (line_at((JsonSource *) base, &line, &len))
	{
		CHECK_FOR_INTERRUPTS();
		*call->entry = base->position.index;
		scan_object_columns(call, parse_line(line, len));
		MemoryContextReset(call->batchcxt);
	}
	base->position.index = index;
	base->position.at = at;
	*call->entry = 0;
	MemoryContextSwitchTo(oldcxt);
}

static text *
seek_line(AppendSource *base, int64 entry)
{
	const char *line;
	int			len;

	base->limit = entry;
	while (line_at((JsonSource *) base, &line, &len))
	{
		if (base->position.index == entry)
			return cstring_to_text_with_len(line, len);
	}
	elog(ERROR, "line " INT64_FORMAT " has gone", entry);
	return NULL;				/* keep compiler quiet */
}

/* The next line that is not blank, without white space at its end */
static bool
line_at(JsonSource *source, const char **line, int *len)
{
	do
	{
		const char *start = source->base.position.at;
		const char *end;

		if (start >= source->end || source->base.position.index >= source->base.limit)
			return false;
		end = memchr(start, '\n', source->end - start);
		if (end == NULL)
			end = source->end;
		source->base.position.at = end + 1;
		source->base.position.index++;
		while (end > start && (end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t'))
			end--;
		*line = start;
		*len = end - start;
	} while (*len == 0);
	return true;
}

static JsonbContainer *
parse_line(const char *line, int len)
{
	Jsonb	   *jb = parse_jsonb(line, len);

	if (!JB_ROOT_IS_OBJECT(jb))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("line is not a JSON object")));
	return &jb->root;
}

static Jsonb *
parse_jsonb(const char *text, int len)
{
	Jsonb	   *jb = json_scan_jsonb(text, len);

	if (jb != NULL)
		return jb;
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(pnstrdup(text, len))));
}

/*
 * Find what the line gives each column.  False if the line needs the server's
 * parser, as one with a key twice does: of these the last counts, but both
 * must be JSON.
 */
static bool
scan_line(JsonSource *source, AppendCall *call, const char *line, int len)
{
	AppendColumn *columns = call->target->columns;
	AppendJsonScan scan;
	AppendJsonToken name;
	AppendJsonToken value;
	bool		done;

	start_row(source, call);
	if (source->tokens == NULL)
		source->tokens = MemoryContextAlloc(source->cxt, (call->target->ncolumns + 1) *
											sizeof(AppendJsonToken));
	if (!json_scan_begin(&scan, line, len))
		return false;
	for (int place = 0;; place++)
	{
		AppendColumn *column;
		JsonbValue	key;

		if (!json_scan_next(&scan, &name, &value, &done))
			return false;
		if (done)
			return true;
		key.type = jbvString;
		key.val.string.val = unconstify(char *, name.start);
		key.val.string.len = name.len;
		column = find_column(call, &key, place);
		if (column == NULL)
		{
			/* what is to be kept, or is not known to be JSON, is not for us */
			if (call->unknown_column != NULL || value.kind == APPEND_JSON_OTHER)
				return false;
			continue;
		}
		if (source->given[column - columns])
			return false;
		source->given[column - columns] = true;
		source->tokens[column - columns] = value;
	}
}

static void
tokens_to_row(JsonSource *source, AppendCall *call, Datum *values, bool *isnull)
{
	for (int i = 0; i < call->target->ncolumns; i++)
	{
		AppendColumn *column = &call->target->columns[i];
		int			to = column->attnum - 1;

		if (!source->given[i])
			continue;
		append_use_column(call, column);
		call->column = NameStr(column->name);
		values[to] = convert_token(call, column, &source->tokens[i], &isnull[to]);
		call->column = NULL;
	}
	fill_defaults(source, call, values, isnull);
}

/* As convert_value(), from the value's text */
static Datum
convert_token(AppendCall *call, AppendColumn *column, AppendJsonToken *token,
			  bool *isnull)
{
	MemoryContext oldcxt = CurrentMemoryContext;
	Jsonb	   *jb;
	JsonbValue	value;

	if (column->json_kind == APPEND_JSON_UNKNOWN)
		column->json_kind = json_kind(column);

	if (column->json_kind == APPEND_JSON_TEXT ||
		(column->json_kind == APPEND_JSON_INPUT && column->typid != JSONOID))
	{
		*isnull = token->kind == APPEND_JSON_NULL;
		if (*isnull)
			return (Datum) 0;
		if (token->kind == APPEND_JSON_LITERAL)
			return append_input(call, column, pnstrdup(token->start, token->len));
		if (token->kind == APPEND_JSON_STRING && column->json_kind == APPEND_JSON_TEXT)
			return PointerGetDatum(cstring_to_text_with_len(token->start + 1, token->len - 2));
		if (token->kind == APPEND_JSON_STRING)
			return append_input(call, column, pnstrdup(token->start + 1, token->len - 2));
	}

	/* parsing leaves several times the value behind: not in the batch */
	MemoryContextSwitchTo(call->econtext->ecxt_per_tuple_memory);
	jb = parse_jsonb(token->start, token->len);
	MemoryContextSwitchTo(oldcxt);

	if (column->json_kind == APPEND_JSON_JSONB && token->kind != APPEND_JSON_NULL)
	{
		*isnull = false;
		return PointerGetDatum(memcpy(palloc(VARSIZE(jb)), jb, VARSIZE(jb)));
	}
	if (!JsonbExtractScalar(&jb->root, &value))
	{
		value.type = jbvBinary;
		value.val.binary.data = &jb->root;
		value.val.binary.len = VARSIZE(jb) - VARHDRSZ;
	}
	return convert_value(call, column, &value, isnull);
}

static void
object_to_row(JsonSource *source, AppendCall *call, JsonbContainer *object,
			  Datum *values, bool *isnull)
{
	AppendTarget *target = call->target;
	int			place = 0;
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	value;
	JsonbIteratorToken token;

	start_row(source, call);
	it = JsonbIteratorInit(object);
	(void) JsonbIteratorNext(&it, &key, false);
	while ((token = JsonbIteratorNext(&it, &key, true)) == WJB_KEY)
	{
		AppendColumn *column = find_column(call, &key, place++);
		int			to;

		(void) JsonbIteratorNext(&it, &value, true);
		if (column == NULL)
		{
			keep_unknown(source, call, &key, &value);
			continue;
		}
		to = column->attnum - 1;
		append_use_column(call, column);
		source->given[column - target->columns] = true;
		call->column = NameStr(column->name);
		values[to] = convert_value(call, column, &value, &isnull[to]);
		call->column = NULL;
	}
	Assert(token == WJB_END_OBJECT);

	if (source->unknown != NULL)
		collect_unknown(source, call, values, isnull);
	fill_defaults(source, call, values, isnull);
}

/* A field that is no column: if it is to be collected, keep it. */
static void
keep_unknown(JsonSource *source, AppendCall *call, JsonbValue *key, JsonbValue *value)
{
	if (call->unknown_column == NULL)
		return;
	if (source->unknown == NULL)
		(void) pushJsonbValue(&source->unknown, WJB_BEGIN_OBJECT, NULL);
	(void) pushJsonbValue(&source->unknown, WJB_KEY, key);
	(void) pushJsonbValue(&source->unknown, WJB_VALUE, value);
}

static void
refuse_collecting(AppendColumn *column, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown fields cannot be collected in column \"%s\"", NameStr(column->name)),
			 errdetail_internal("%s", detail)));
}

/*
 * Put the kept fields into the column that is for them, with what the entry
 * gives that column itself.
 */
static void
collect_unknown(JsonSource *source, AppendCall *call, Datum *values, bool *isnull)
{
	AppendColumn *column = call->unknown_column;
	int			to = column->attnum - 1;
	Jsonb	   *collected = JsonbValueToJsonb(pushJsonbValue(&source->unknown, WJB_END_OBJECT, NULL));

	call->column = NameStr(column->name);
	append_use_column(call, column);
	if (source->given[column - call->target->columns] && !isnull[to])
	{
		Jsonb	   *own = DatumGetJsonbP(values[to]);
		Datum		merged;

		if (!JB_ROOT_IS_OBJECT(own))
			refuse_collecting(column, _("The entry gives it a value that is not an object."));
		merged = DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(collected), JsonbPGetDatum(own));
		if (JB_ROOT_COUNT(DatumGetJsonbP(merged)) != JB_ROOT_COUNT(own) + JB_ROOT_COUNT(collected))
			refuse_collecting(column, _("The value that the entry gives it has a field of the same name."));
		values[to] = merged;
	}
	else
		values[to] = JsonbPGetDatum(collected);
	isnull[to] = false;
	source->given[column - call->target->columns] = true;
	call->column = NULL;
}

static void
start_row(JsonSource *source, AppendCall *call)
{
	int			n = call->target->ncolumns;

	if (source->given == NULL)
		source->given = MemoryContextAlloc(source->cxt, (n + 1) * sizeof(bool));
	memset(source->given, 0, n * sizeof(bool));
	source->unknown = NULL;
}

static void
fill_defaults(JsonSource *source, AppendCall *call, Datum *values, bool *isnull)
{
	for (int i = 0; i < call->target->ncolumns; i++)
	{
		AppendColumn *column = &call->target->columns[i];

		if (!source->given[i])
			values[column->attnum - 1] =
				append_default(call, column, &isnull[column->attnum - 1]);
	}
}

static void
scan_object_columns(AppendCall *call, JsonbContainer *object)
{
	int			place = 0;
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbValue	key;
	JsonbValue	value;

	(void) JsonbIteratorNext(&it, &key, false);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		AppendColumn *column = find_column(call, &key, place++);

		if (column == NULL)
			column = call->unknown_column;
		if (column != NULL)
			append_use_column(call, column);
		(void) JsonbIteratorNext(&it, &value, true);
	}
}

/*
 * The column that a key names.  The entries of a batch mostly have the same
 * keys, so the one that stood in this place last time is tried first.
 */
static AppendColumn *
find_column(AppendCall *call, JsonbValue *key, int place)
{
	AppendTarget *target = call->target;
	int			low = 0;
	int			high = target->ncolumns;
	AppendColumn *column = NULL;
	int			difference = -1;

	if (place < target->ncolumns)
	{
		column = target->key_order[place];
		difference = compare_key(column, key);
	}
	while (difference != 0 && low < high)
	{
		int			middle = (low + high) / 2;

		column = target->by_key[middle];
		difference = compare_key(column, key);
		if (difference < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (difference != 0)
	{
		if (call->options->unknown_fields == APPEND_UNKNOWN_ERROR || is_generated(call, key))
			refuse_key(call, key);
		return NULL;
	}
	if (column->identity_always)
	{
		call->column = NameStr(column->name);
		append_refuse_identity(column);
	}
	if (place < target->ncolumns)
		target->key_order[place] = column;
	return column;
}

/* In the order of AppendTarget.by_key */
static int
compare_key(AppendColumn *column, JsonbValue *key)
{
	if (column->namelen != key->val.string.len)
		return column->namelen - key->val.string.len;
	return memcmp(NameStr(column->name), key->val.string.val, column->namelen);
}

/* Whether the key, which names no column that takes a value, names one at all. */
static bool
is_generated(AppendCall *call, JsonbValue *key)
{
	TupleDesc	desc = RelationGetDescr(call->rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && strlen(NameStr(att->attname)) == key->val.string.len &&
			memcmp(NameStr(att->attname), key->val.string.val, key->val.string.len) == 0)
			return true;
	}
	return false;
}

/* The key names no column that takes a value. */
static void
refuse_key(AppendCall *call, JsonbValue *key)
{
	char	   *name = pnstrdup(key->val.string.val, key->val.string.len);

	if (is_generated(call, key))
	{
		call->column = name;
		ereport(ERROR,
				(errcode(ERRCODE_GENERATED_ALWAYS),
				 errmsg("cannot insert a non-DEFAULT value into column \"%s\"", name),
				 errdetail("Column \"%s\" is a generated column.", name)));
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of relation \"%s\" does not exist",
					name, RelationGetRelationName(call->rel)),
			 errhint("Each key of an entry must be the name of a column. \"unknown_fields\" says what to do with others.")));
}

static Datum
convert_value(AppendCall *call, AppendColumn *column, JsonbValue *value,
			  bool *isnull)
{
	if (column->json_kind == APPEND_JSON_UNKNOWN)
		column->json_kind = json_kind(column);
	if (column->json_kind == APPEND_JSON_POPULATE)
		return populate_value(call, column, value, isnull);

	*isnull = value->type == jbvNull;
	if (*isnull)
		return (Datum) 0;
	if (column->json_kind == APPEND_JSON_JSONB)
		return JsonbPGetDatum(JsonbValueToJsonb(value));
	if (column->json_kind == APPEND_JSON_TEXT && value->type == jbvString)
		return PointerGetDatum(cstring_to_text_with_len(value->val.string.val,
														value->val.string.len));
	return append_input(call, column, value_to_cstring(column, value));
}

/* As jsonfuncs.c:prepare_column_cache() sorts types */
static AppendJsonKind
json_kind(AppendColumn *column)
{
	char		typtype = get_typtype(column->typid);

	if (column->typid == TEXTOID || (column->typid == VARCHAROID && column->typmod < 0))
		return APPEND_JSON_TEXT;
	if (column->typid == JSONBOID)
		return APPEND_JSON_JSONB;
	if (typtype == TYPTYPE_DOMAIN || typtype == TYPTYPE_COMPOSITE ||
		OidIsValid(get_element_type(column->typid)))
		return APPEND_JSON_POPULATE;
	return APPEND_JSON_INPUT;
}

/* As jsonfuncs.c:populate_scalar(): a string loses its quotes but for json */
static char *
value_to_cstring(AppendColumn *column, JsonbValue *value)
{
	Jsonb	   *jb;

	if (column->typid != JSONOID)
	{
		if (value->type == jbvString)
			return pnstrdup(value->val.string.val, value->val.string.len);
		if (value->type == jbvBool)
			return pstrdup(value->val.boolean ? "true" : "false");
		if (value->type == jbvNumeric)
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
	}
	if (value->type == jbvBinary)
		return JsonbToCString(NULL, value->val.binary.data, value->val.binary.len);
	jb = JsonbValueToJsonb(value);
	return JsonbToCString(NULL, &jb->root, VARSIZE(jb));
}

/* A value by jsonb_populate_record(), as the one field of a record */
static Datum
populate_value(AppendCall *call, AppendColumn *column, JsonbValue *value,
			   bool *isnull)
{
	LOCAL_FCINFO(fcinfo, 2);
	JsonbParseState *parse = NULL;
	JsonbValue	key;
	JsonbValue *object;
	HeapTupleData tuple;

	if (column->populate_desc == NULL)
		prepare_populate(call, column);

	key.type = jbvString;
	key.val.string.val = NameStr(column->name);
	key.val.string.len = column->namelen;
	(void) pushJsonbValue(&parse, WJB_BEGIN_OBJECT, NULL);
	(void) pushJsonbValue(&parse, WJB_KEY, &key);
	(void) pushJsonbValue(&parse, WJB_VALUE, value);
	object = pushJsonbValue(&parse, WJB_END_OBJECT, NULL);

	InitFunctionCallInfoData(*fcinfo, &column->populate, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = column->populate_null;
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = JsonbPGetDatum(JsonbValueToJsonb(object));
	fcinfo->args[1].isnull = false;

	tuple.t_data = DatumGetHeapTupleHeader(FunctionCallInvoke(fcinfo));
	tuple.t_len = HeapTupleHeaderGetDatumLength(tuple.t_data);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	return heap_getattr(&tuple, 1, column->populate_desc, isnull);
}

static void
prepare_populate(AppendCall *call, AppendColumn *column)
{
	MemoryContext oldcxt = MemoryContextSwitchTo(call->target->cxt);
	TupleDesc	desc = CreateTemplateTupleDesc(1);
	Datum		value = (Datum) 0;
	bool		isnull = true;
	List	   *args;

	TupleDescInitEntry(desc, 1, NameStr(column->name), column->typid, column->typmod, 0);
	desc = BlessTupleDesc(desc);
	column->populate_null = HeapTupleGetDatum(heap_form_tuple(desc, &value, &isnull));

	args = list_make2(makeNullConst(RECORDOID, -1, InvalidOid),
					  makeNullConst(JSONBOID, -1, InvalidOid));
	fmgr_info_cxt(F_JSONB_POPULATE_RECORD, &column->populate, call->target->cxt);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_JSONB_POPULATE_RECORD, RECORDOID, args,
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
					   &column->populate);
	column->populate_desc = desc;
	MemoryContextSwitchTo(oldcxt);
}
