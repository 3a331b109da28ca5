/*-------------------------------------------------------------------------
 *
 * zonemap.c
 *	  Least and greatest value of a vector.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type_d.h"
#include "codec/codec_internal.h"

/* How the values of a type are compared. */
typedef enum ZoneOrder
{
	ZONE_NONE,
	ZONE_SIGNED,
	ZONE_UNSIGNED,
	ZONE_FLOAT
} ZoneOrder;

static ZoneOrder
zone_order(const LedgerColumnType *type)
{
	if (!type->attbyval)
		return ZONE_NONE;
	switch (type->typid)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return ZONE_SIGNED;
		case BOOLOID:
		case CHAROID:
		case OIDOID:
			return ZONE_UNSIGNED;
		case FLOAT4OID:
		case FLOAT8OID:
			return ZONE_FLOAT;
		default:
			return ZONE_NONE;
	}
}

bool
ledger_zone_type(const LedgerColumnType *type)
{
	return zone_order(type) != ZONE_NONE;
}

static inline int64
widen(const LedgerColumnType *type, bool is_signed, Datum value)
{
	switch (type->attlen)
	{
		case 1:
			return is_signed ? (int64) (int8) value : (int64) (uint8) value;
		case 2:
			return is_signed ? (int64) (int16) value : (int64) (uint16) value;
		case 4:
			return is_signed ? (int64) (int32) value : (int64) (uint32) value;
		default:
			return (int64) value;
	}
}

/* Float order as the server has it: NaN is equal to NaN and above all else. */
static inline bool
float_less(double a, double b)
{
	return isnan(b) ? !isnan(a) : a < b;
}

static void
float_zone(const LedgerColumnInput *input, const int *rows, int n, uint64 *zone)
{
	double		least = 0;
	double		greatest = 0;

	for (int i = 0; i < n; i++)
	{
		Datum		datum = input->values[rows[i]];
		double		value = input->type.attlen == 4 ? DatumGetFloat4(datum) : DatumGetFloat8(datum);

		if (i == 0 || float_less(value, least))
		{
			least = value;
			zone[0] = (uint64) datum;
		}
		if (i == 0 || float_less(greatest, value))
		{
			greatest = value;
			zone[1] = (uint64) datum;
		}
	}
}

/* Set zone[0] and zone[1] to the least and greatest of the given rows' values. */
void
ledger_zone_make(const LedgerColumnInput *input, const int *rows, int n, uint64 *zone)
{
	ZoneOrder	order = zone_order(&input->type);
	int64		least = PG_INT64_MAX;
	int64		greatest = PG_INT64_MIN;

	zone[0] = zone[1] = 0;
	if (order == ZONE_FLOAT)
	{
		float_zone(input, rows, n, zone);
		return;
	}
	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		int64		value = widen(&input->type, order == ZONE_SIGNED, input->values[rows[i]]);

		least = Min(least, value);
		greatest = Max(greatest, value);
	}
	zone[0] = (uint64) least;
	zone[1] = (uint64) greatest;
}
