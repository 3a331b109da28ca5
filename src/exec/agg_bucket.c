/*-------------------------------------------------------------------------
 *
 * agg_bucket.c
 *	  Pieces of time: date_trunc and date_bin of a time.
 *
 * The function is called for one time of a piece, and its result taken for the
 * others, where these must have the same:
 *
 * date_trunc of a timestamp looks at the fields of the time only.  For units of
 * a day and more, that is its date; for shorter ones, the time of day down to
 * the unit, of that date.  So it is one in the unit's piece of a day that the
 * time is in, or, for days and more, in the day.
 *
 * Of a timestamptz, the fields are those of the local time, and the result is
 * brought back by the zone's offset: that of the time itself for hours and less,
 * and of the local midnight for days and more.  In a range in which the offset
 * does not change, local times run as times do; so the result is one in that
 * part of the piece of local time that lies in such a range around the time.
 * Where the offset changes next is what the time zone library tells.
 *
 * date_bin adds to the origin a whole number of strides, the greatest that does
 * not go beyond the time.  So times from the result on have the same, for a
 * stride; the result itself is left out, as it was different in some releases.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "datatype/timestamp.h"
#include "exec/aggregate.h"
#include "nodes/nodeFuncs.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

/*
 * Only of times that the rules for zones are about as they are listed: 1970 to
 * 2037, in microseconds from 2000.
 */
#define FIRST_TIME	(((int64) UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)
#define LAST_TIME	(((int64) 37 * 365) * USECS_PER_DAY)

/* About how long a unit is; 0 if it is none we know. */
static int64
unit_length(const char *unit)
{
	static const struct
	{
		const char *name;
		int64		length;
	}			units[] = {
		{"second", USECS_PER_SEC},
		{"minute", USECS_PER_MINUTE},
		{"hour", USECS_PER_HOUR},
		{"day", USECS_PER_DAY},
		{"week", 7 * USECS_PER_DAY},
		{"month", 30 * USECS_PER_DAY},
		{"quarter", 91 * USECS_PER_DAY},
		{"year", 365 * USECS_PER_DAY}
	};

	for (int i = 0; i < lengthof(units); i++)
		if (pg_strcasecmp(unit, units[i].name) == 0)
			return units[i].length;
	return 0;
}

static bool
get_constant(List *args, int n, Datum *value)
{
	Const	   *constant = (Const *) list_nth(args, n);

	if (!IsA(constant, Const) || constant->constisnull)
		return false;
	*value = constant->constvalue;
	return true;
}

static bool
set_trunc(LedgerBucket *bucket, FuncExpr *func)
{
	Datum		unit;
	Datum		zone;

	if (!get_constant(func->args, 0, &unit))
		return false;
	bucket->length = unit_length(TextDatumGetCString(unit));
	bucket->width = Min(bucket->length, USECS_PER_DAY);
	switch (func->funcid)
	{
		case F_DATE_TRUNC_TEXT_TIMESTAMP:
			break;
		case F_DATE_TRUNC_TEXT_TIMESTAMPTZ:
			bucket->session_zone = true;
			bucket->zone = session_timezone;
			break;
		default:
			/* without a slash, it could be an abbreviation */
			if (!get_constant(func->args, 2, &zone) ||
				strchr(TextDatumGetCString(zone), '/') == NULL)
				return false;
			bucket->zone = pg_tzset(TextDatumGetCString(zone));
			if (bucket->zone == NULL)
				return false;
			break;
	}
	return bucket->width > 0;
}

static bool
set_bin(LedgerBucket *bucket, FuncExpr *func)
{
	Datum		value;
	Interval   *stride;

	if (!get_constant(func->args, 0, &value))
		return false;
	stride = DatumGetIntervalP(value);
	bucket->by_origin = true;
	bucket->length = bucket->width = stride->time;
	return stride->month == 0 && stride->day == 0 && stride->time > 0;
}

/* Does an expression cut a column of times into pieces?  Sets how, and the column. */
bool
ledger_bucket_init(LedgerBucket *bucket, Expr *expr, Var **time)
{
	FuncExpr   *func = (FuncExpr *) expr;
	bool		ok = false;

	memset(bucket, 0, sizeof(LedgerBucket));
	if (!IsA(expr, FuncExpr) || !FLOAT8PASSBYVAL)
		return false;
	switch (func->funcid)
	{
		case F_DATE_TRUNC_TEXT_TIMESTAMP:
		case F_DATE_TRUNC_TEXT_TIMESTAMPTZ:
		case F_DATE_TRUNC_TEXT_TIMESTAMPTZ_TEXT:
			ok = set_trunc(bucket, func);
			break;
		case F_DATE_BIN_INTERVAL_TIMESTAMP_TIMESTAMP:
		case F_DATE_BIN_INTERVAL_TIMESTAMPTZ_TIMESTAMPTZ:
			ok = IsA(lthird(func->args), Const) && set_bin(bucket, func);
			break;
		default:
			break;
	}
	if (!ok || !IsA(lsecond(func->args), Var))
		return false;
	*time = lsecond(func->args);
	return true;
}

/* The bucket of an expression under FILTER "filter" (or -1), or NULL. */
LedgerBucket *
ledger_bucket_of(LedgerAggregateState *state, Expr *expr, int filter)
{
	LedgerBucket *bucket = palloc(sizeof(LedgerBucket));
	Var		   *time;

	if (!ledger_bucket_init(bucket, expr, &time))
		return NULL;
	bucket->input = ledger_aggregate_add_input(state, (Expr *) time, filter);
	return bucket;
}

/* The session's zone may be another now. */
void
ledger_bucket_check(LedgerBucket *bucket)
{
	if (!bucket->session_zone || bucket->zone == session_timezone)
		return;
	bucket->zone = session_timezone;
	bucket->valid = false;
}

/* ---- Ranges ---- */

static int64
floor_to(int64 time, int64 width)
{
	int64		rest = time % width;

	return time - (rest < 0 ? rest + width : rest);
}

/*
 * A zone's offset at a time, in microseconds, and the range of times around it
 * in which we know it to be that: "low", which is given, to "high".
 */
static bool
find_offset(pg_tz *zone, int64 low, int64 time, int64 *high, int64 *offset)
{
	pg_time_t	start = floor_to(low, USECS_PER_SEC) / USECS_PER_SEC +
		((pg_time_t) POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	pg_time_t	boundary;
	long		before,
				after;
	int			before_dst,
				after_dst;
	int			found = pg_next_dst_boundary(&start, &before, &before_dst, &boundary,
											 &after, &after_dst, zone);

	if (found < 0)
		return false;
	*offset = before * USECS_PER_SEC;
	*high = PG_INT64_MAX;
	if (found > 0)
		*high = (boundary - ((pg_time_t) POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY) *
			USECS_PER_SEC;
	return time < *high;
}

static void
set_local(LedgerBucket *bucket, int64 time)
{
	int64		offset;
	int64		boundary;
	int64		local;

	/* first from the time on, to know the offset; then from the piece's begin */
	if (!find_offset(bucket->zone, time, time, &boundary, &offset))
		return;
	local = floor_to(time + offset, bucket->width);
	bucket->low = local - offset;
	bucket->high = bucket->low + bucket->width;
	bucket->valid = true;
	if (find_offset(bucket->zone, bucket->low, time, &boundary, &offset) &&
		floor_to(time + offset, bucket->width) == local)
	{
		bucket->high = Min(bucket->high, boundary);
		return;
	}
	bucket->low = time;
	bucket->high = time + 1;
}

/* The function has given a result for a time; for which others will it be that? */
void
ledger_bucket_set(LedgerBucket *bucket, int64 time, Datum result)
{
	bucket->valid = false;
	bucket->result = result;
	if (time < FIRST_TIME || time > LAST_TIME)
		return;
	if (bucket->by_origin)
	{
		bucket->low = DatumGetInt64(result) + 1;
		bucket->high = DatumGetInt64(result) + bucket->width;
		bucket->valid = time >= bucket->low && time < bucket->high;
	}
	else if (bucket->zone == NULL)
	{
		bucket->low = floor_to(time, bucket->width);
		bucket->high = bucket->low + bucket->width;
		bucket->valid = true;
	}
	else
		set_local(bucket, time);
}
