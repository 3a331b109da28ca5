/*-------------------------------------------------------------------------
 *
 * tolerant.c
 *	  on_error => 'skip' and 'divert': a batch is stored without its bad entries.
 *
 * The batch is stored in a subtransaction.  If that fails, what comes before
 * the entry that failed is stored in one of its own, the entry is turned away,
 * and so on with what comes after it.  Where no entry can be blamed, a part is
 * cut in halves until one can.  So a good batch costs one subtransaction, and
 * each bad entry at most two or, in the other case, as many as it takes to
 * find it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/append.h"
#include "append/manage.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

typedef struct Tolerant
{
	Oid			relid;
	AppendSource *source;
	const AppendOptions *options;
	MemoryContext cxt;			/* of one attempt, or of turning away an entry */

	int64		stored;
	int64		nbad;
	int64		first_bad;
	char	   *first_reason;
	ErrorData  *error;			/* of the attempt that failed */
} Tolerant;

static bool
says(const ErrorData *error, const char *words)
{
	return error->message_id != NULL && strstr(error->message_id, words) != NULL;
}

/*
 * Whether an error is one of the entry, and not of the server, the session or
 * the ledger, which the next entry would meet as well.
 */
static bool
is_of_entry(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_WITH_CHECK_OPTION_VIOLATION:
		case ERRCODE_PLPGSQL_ERROR:
		case ERRCODE_EXTERNAL_ROUTINE_EXCEPTION:
			return true;
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:	/* but for those of a whole ledger */
			return !says(error, "ledger \"%s\" has run out") && !says(error, "free space of ledger");
		default:
			break;
	}
	switch (error->sqlerrcode)
	{
		case ERRCODE_UNDEFINED_COLUMN:	/* an unknown field */
		case ERRCODE_GENERATED_ALWAYS:
		case ERRCODE_UNTRANSLATABLE_CHARACTER:
			return true;
		case ERRCODE_DATATYPE_MISMATCH: /* a record that is not as the columns are */
			return says(error, "entry has more fields than") || says(error, "the entry's field is of type");
		case ERRCODE_INSUFFICIENT_PRIVILEGE:	/* of a row, by a policy */
			return says(error, "row-level security policy");
		default:
			return false;
	}
}

/*
 * Store what the source has up to its limit.  True if all went well; else
 * nothing is stored, tolerant->error says why, *entry whose fault it is.
 */
static bool
attempt(Tolerant *tolerant, int64 *entry)
{
	MemoryContext oldcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool good = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(tolerant->cxt);
	PG_TRY();
	{
		int64		stored = append_range(tolerant->relid, tolerant->source, tolerant->options, entry);

		ReleaseCurrentSubTransaction();
		tolerant->stored += stored;
		good = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(oldcxt);
		tolerant->error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(oldcxt);
	CurrentResourceOwner = owner;
	MemoryContextReset(tolerant->cxt);
	return good;
}

/* Skip an entry, or put it aside; the source stands after it then. */
static void
turn_away(Tolerant *tolerant, int64 entry)
{
	ErrorData  *error = tolerant->error;
	MemoryContext oldcxt = MemoryContextSwitchTo(tolerant->cxt);
	text	   *text = tolerant->source->seek(tolerant->source, entry);

	if (tolerant->options->on_error == APPEND_ON_ERROR_DIVERT)
		ledger_reject(tolerant->relid,
					  psprintf("%s: %s", unpack_sql_state(error->sqlerrcode), error->message), text);
	MemoryContextSwitchTo(oldcxt);
	MemoryContextReset(tolerant->cxt);
	if (tolerant->nbad++ == 0)
	{
		tolerant->first_bad = entry;
		tolerant->first_reason = pstrdup(error->message);
	}
}

/* Store the entries from where the source stands up to "limit". */
static void
store_range(Tolerant *tolerant, int64 limit)
{
	AppendSource *source = tolerant->source;
	AppendPosition start = source->position;
	int64	   *entry = palloc0(sizeof(int64));

	check_stack_depth();
	for (;;)
	{
		int64		reached;

		CHECK_FOR_INTERRUPTS();
		source->limit = limit;
		source->position = start;
		if (attempt(tolerant, entry))
			break;
		reached = source->position.index;
		if (!is_of_entry(tolerant->error) || *entry == APPEND_NO_ENTRY ||
			(*entry == 0 && reached == start.index))
			ReThrowError(tolerant->error);
		source->position = start;
		if (*entry == 0 && reached > start.index + 1)
		{
			FreeErrorData(tolerant->error);
			store_range(tolerant, start.index + (reached - start.index) / 2);
			start = source->position;
			continue;
		}
		if (*entry == 0)
			*entry = reached;
		if (*entry > start.index + 1)
		{
			int64		bad = *entry;
			ErrorData  *error = tolerant->error;

			store_range(tolerant, bad - 1);
			*entry = bad;
			tolerant->error = error;
		}
		turn_away(tolerant, *entry);
		FreeErrorData(tolerant->error);
		start = source->position;
	}
	pfree(entry);
}

int64
tolerant_append(Oid relid, AppendSource *source, const AppendOptions *options)
{
	Tolerant	tolerant = {0};

	tolerant.relid = relid;
	tolerant.source = source;
	tolerant.options = options;
	tolerant.cxt = AllocSetContextCreate(CurrentMemoryContext, "ledger append attempt",
										 ALLOCSET_DEFAULT_SIZES);
	store_range(&tolerant, PG_INT64_MAX);
	if (options->on_error == APPEND_ON_ERROR_SKIP && tolerant.nbad > 0)
		ereport(WARNING,
				(errmsg("bad entries were not stored in \"%s\": " INT64_FORMAT,
						get_rel_name(relid), tolerant.nbad),
				 errdetail("The first is %s " INT64_FORMAT ": %s", source->unit, tolerant.first_bad,
						   tolerant.first_reason)));
	MemoryContextDelete(tolerant.cxt);
	return tolerant.stored;
}
