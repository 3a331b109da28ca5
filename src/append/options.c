/*-------------------------------------------------------------------------
 *
 * options.c
 *	  The arguments of the append functions that say how.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/append.h"

#include "utils/builtins.h"

void
append_refuse_null(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"%s\" must not be null", name)));
}

/* Which of the values an argument has. */
static int
read_choice(FunctionCallInfo fcinfo, int arg, const char *name,
			const char *const *values, int nvalues)
{
	text	   *value;
	int			len;
	StringInfoData choices;

	append_refuse_null(fcinfo, arg, name);
	value = PG_GETARG_TEXT_PP(arg);
	len = VARSIZE_ANY_EXHDR(value);
	for (int i = 0; i < nvalues; i++)
	{
		if (strlen(values[i]) == len && memcmp(VARDATA_ANY(value), values[i], len) == 0)
			return i;
	}
	initStringInfo(&choices);
	for (int i = 0; i < nvalues; i++)
		appendStringInfo(&choices, "%s'%s'", i == 0 ? "" : ", ", values[i]);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for \"%s\": \"%s\"", name, text_to_cstring(value)),
			 errhint("Valid values are %s.", choices.data)));
	return 0;					/* keep compiler quiet */
}

static void
refuse_pair(const char *message)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message)));
}

static void
read_bad_entry_options(FunctionCallInfo fcinfo, AppendOptions *options)
{
	static const char *const on_conflict[] = {"error", "skip"};
	static const char *const on_error[] = {"error", "skip", "divert"};

	options->skip_conflicts =
		read_choice(fcinfo, 2, "on_conflict", on_conflict, lengthof(on_conflict)) == 1;
	options->on_error = read_choice(fcinfo, 3, "on_error", on_error, lengthof(on_error));
}

/* "source" and, after it, "batch" */
static void
read_source(FunctionCallInfo fcinfo, int arg, AppendOptions *options)
{
	if (!PG_ARGISNULL(arg))
		options->source = text_to_cstring(PG_GETARG_TEXT_PP(arg));
	if ((options->source != NULL) == PG_ARGISNULL(arg + 1))
		refuse_pair("\"source\" and \"batch\" go together");
	if (options->source != NULL)
		options->batch = PG_GETARG_INT64(arg + 1);
}

/* (ledger, entries, on_conflict, on_error, source, batch) */
void
append_read_options(FunctionCallInfo fcinfo, AppendOptions *options)
{
	read_bad_entry_options(fcinfo, options);
	read_source(fcinfo, 4, options);
}

/* (ledger, entries, on_conflict, on_error, unknown_fields, unknown_into, source, batch) */
void
append_read_json_options(FunctionCallInfo fcinfo, AppendOptions *options)
{
	static const char *const unknown_fields[] = {"error", "ignore", "collect"};

	read_bad_entry_options(fcinfo, options);
	options->unknown_fields =
		read_choice(fcinfo, 4, "unknown_fields", unknown_fields, lengthof(unknown_fields));
	if (!PG_ARGISNULL(5))
		options->unknown_into = pstrdup(NameStr(*PG_GETARG_NAME(5)));
	if ((options->unknown_fields == APPEND_UNKNOWN_COLLECT) != (options->unknown_into != NULL))
		refuse_pair("\"unknown_fields\" => 'collect' and \"unknown_into\" go together");
	read_source(fcinfo, 6, options);
}
