/*-------------------------------------------------------------------------
 *
 * period.c
 *	  How time is cut into partitions.
 *
 * Periods are aligned: minutes, hours and days to 2000-01-01 00:00, weeks to
 * Monday 2000-01-03, months and years to 2000-01-01.  A timestamp counts from
 * there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/manage.h"

#include "catalog/pg_type.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#define MONDAY			2		/* 2000-01-03, in days from 2000-01-01 */

#define YEARS_MAX		1000

static void
refuse_interval(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid partition interval"),
			 errdetail_internal("%s", detail),
			 errhint("Use a number of minutes, hours, days, weeks, months or years.")));
}

/* The period that an interval stands for, for a column of the type. */
LedgerPeriod
ledger_period_of(const Interval *interval, Oid keytype)
{
	LedgerPeriod result;

	if (interval->time < 0 || interval->day < 0 || interval->month < 0 ||
		(interval->time == 0 && interval->day == 0 && interval->month == 0))
		refuse_interval(_("It must be longer than nothing."));
	if ((interval->time != 0) + (interval->day != 0) + (interval->month != 0) > 1)
		refuse_interval(_("Units must not be mixed."));
	if (interval->month > YEARS_MAX * MONTHS_PER_YEAR || interval->day > YEARS_MAX * 366 ||
		interval->time > YEARS_MAX * 366 * USECS_PER_DAY)
		refuse_interval(_("It must be at most 1000 years."));
	if (interval->month != 0)
	{
		result.unit = LEDGER_PERIOD_MONTHS;
		result.count = interval->month;
	}
	else if (interval->day != 0)
	{
		result.unit = LEDGER_PERIOD_DAYS;
		result.count = interval->day;
	}
	else
	{
		if (interval->time % USECS_PER_MINUTE != 0)
			refuse_interval(_("It must be whole minutes."));
		if (keytype == DATEOID)
			refuse_interval(_("Partitions by a date column are whole days."));
		result.unit = LEDGER_PERIOD_USECS;
		result.count = interval->time;
	}
	return result;
}

static int64
floor_multiple(int64 value, int64 of)
{
	int64		rest = value % of;

	return value - (rest < 0 ? rest + of : rest);
}

/* The first of a month, counted from 2000-01. */
static Timestamp
first_of_month(int64 month)
{
	struct pg_tm tm = {0};
	Timestamp	result;
	int64		year = 2000 + floor_multiple(month, MONTHS_PER_YEAR) / MONTHS_PER_YEAR;

	tm.tm_mon = (int) (month - floor_multiple(month, MONTHS_PER_YEAR)) + 1;
	tm.tm_mday = 1;
	tm.tm_year = (int) year;
	if (year < -4713 || year > JULIAN_MAXYEAR || tm2timestamp(&tm, 0, NULL, &result) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return result;
}

static Timestamp
check_range(Timestamp result)
{
	if (!IS_VALID_TIMESTAMP(result))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return result;
}

/* The aligned period that a finite time lies in. */
LedgerStretch
ledger_period_at(const LedgerPeriod *period, Timestamp at)
{
	LedgerStretch result;
	int64		length = period->count;
	int64		origin = 0;

	Assert(!TIMESTAMP_NOT_FINITE(at));
	if (period->unit == LEDGER_PERIOD_MONTHS)
	{
		struct pg_tm tm;
		fsec_t		fsec;
		int64		month;

		if (timestamp2tm(at, NULL, &tm, &fsec, NULL, NULL) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					 errmsg("timestamp out of range")));
		month = (int64) (tm.tm_year - 2000) * MONTHS_PER_YEAR + tm.tm_mon - 1;
		month = floor_multiple(month, period->count);
		result.start = first_of_month(month);
		result.end = first_of_month(month + period->count);
		return result;
	}
	if (period->unit == LEDGER_PERIOD_DAYS)
	{
		if (length % 7 == 0)
			origin = MONDAY * USECS_PER_DAY;
		length *= USECS_PER_DAY;
	}
	result.start = check_range(origin + floor_multiple(at - origin, length));
	result.end = check_range(result.start + length);
	return result;
}

/* What a partition's name ends with: its start, as precise as need be. */
void
ledger_period_label(const LedgerPeriod *period, Timestamp start, char *label, Size size)
{
	struct pg_tm tm;
	fsec_t		fsec;
	bool		month;

	if (timestamp2tm(start, NULL, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	month = period->unit == LEDGER_PERIOD_MONTHS && tm.tm_mday == 1 && tm.tm_hour == 0;
	if (month && period->count % MONTHS_PER_YEAR == 0 && tm.tm_mon == 1)
		snprintf(label, size, "p%04d", tm.tm_year);
	else if (month)
		snprintf(label, size, "p%04d%02d", tm.tm_year, tm.tm_mon);
	else if (period->unit != LEDGER_PERIOD_USECS && tm.tm_hour == 0 && tm.tm_min == 0)
		snprintf(label, size, "p%04d%02d%02d", tm.tm_year, tm.tm_mon, tm.tm_mday);
	else
		snprintf(label, size, "p%04d%02d%02d_%02d%02d", tm.tm_year, tm.tm_mon, tm.tm_mday,
				 tm.tm_hour, tm.tm_min);
}
