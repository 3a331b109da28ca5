/*-------------------------------------------------------------------------
 *
 * zonemap.c
 *	  Least and greatest value of a vector; of texts and numerics, of what is cut
 *	  from them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type_d.h"
#include "codec/codec_internal.h"
#include "codec/numeric.h"
#include "port/pg_bswap.h"

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

/* ---- values that are cut ---- */

/*
 * Numerics, and types whose order is that of their bytes, or would be in the C
 * collation.  Who uses a zone for more than equality has to look at the collation.
 */
bool
ledger_cut_zone_type(const LedgerColumnType *type)
{
	switch (type->typid)
	{
		case TEXTOID:
		case VARCHAROID:
		case BYTEAOID:
		case UUIDOID:
		case NUMERICOID:
			return !type->attbyval;
		default:
			return false;
	}
}

/*
 * Sign, weight and first four digits of a numeric, in one number of the same order:
 * what it leaves out only tells apart numerics that have the same number.  Weights
 * beyond those of 7 bits are taken for the nearest.
 */
#define NUMERIC_ZERO		(UINT64CONST(1) << 63)
#define NUMERIC_DIGITS		4
#define NUMERIC_DIGIT_BITS	14
#define NUMERIC_WEIGHT_MIN	(-44)
#define NUMERIC_WEIGHT_MAX	83
#define NUMERIC_GREATEST	(NUMERIC_ZERO - 3)	/* of the part without the sign */

static uint64
special_number(const char *data, Size len)
{
	uint16		header = LEDGER_NUMERIC_SPECIAL;

	if (len >= sizeof(header))
		memcpy(&header, data, sizeof(header));
	if (header == LEDGER_NUMERIC_NEGATIVE_INFINITY)
		return 0;
	return header == LEDGER_NUMERIC_POSITIVE_INFINITY ? PG_UINT64_MAX - 1 : PG_UINT64_MAX;
}

static uint64
numeric_number(const char *data, Size len)
{
	LedgerNumeric numeric;
	uint64		part = 0;
	int			skip = 0;

	if (!ledger_numeric_parse(data, len, &numeric))
		return special_number(data, len);
	while (skip < numeric.ndigits && ledger_numeric_digit(&numeric, skip) == 0)
		skip++;
	numeric.weight -= skip;
	if (skip == numeric.ndigits || numeric.weight < NUMERIC_WEIGHT_MIN)
		return NUMERIC_ZERO;
	if (numeric.weight > NUMERIC_WEIGHT_MAX)
		part = NUMERIC_GREATEST;
	else
	{
		part = numeric.weight - NUMERIC_WEIGHT_MIN;
		for (int i = 0; i < NUMERIC_DIGITS; i++)
			part = part << NUMERIC_DIGIT_BITS | ledger_numeric_digit(&numeric, skip + i);
	}
	return numeric.negative ? NUMERIC_ZERO - part : NUMERIC_ZERO + part;
}

static uint64
bytes_number(const char *data, Size len, Size skip)
{
	uint64		word = 0;

	Assert(len >= skip);
	if (len >= skip + sizeof(word))
		memcpy(&word, data + skip, sizeof(word));
	else
		memcpy(&word, data + skip, len - skip);
#ifdef WORDS_BIGENDIAN
	return word;
#else
	return pg_bswap64(word);
#endif
}

uint64
ledger_zone_number(Oid typid, const char *data, Size len, Size skip)
{
	return typid == NUMERICOID ? numeric_number(data, len) : bytes_number(data, len, skip);
}

/* What all values begin with. */
typedef struct Prefix
{
	LedgerBytes bytes;
	bool		first;
} Prefix;

static inline void
shorten_prefix(Prefix *prefix, LedgerBytes value)
{
	Size		i = 0;

	if (prefix->first)
	{
		prefix->bytes = value;
		prefix->bytes.len = Min(value.len, LEDGER_ZONE_PREFIX_MAX);
		prefix->first = false;
		return;
	}
	if (value.len >= prefix->bytes.len &&
		memcmp(value.data, prefix->bytes.data, prefix->bytes.len) == 0)
		return;
	while (i < Min(value.len, prefix->bytes.len) && value.data[i] == prefix->bytes.data[i])
		i++;
	prefix->bytes.len = i;
}

static LedgerBytes
common_prefix(const LedgerEncoder *enc)
{
	const LedgerColumnInput *input = enc->input;
	Prefix		prefix = {{"", 0}, true};

	if (input->type.typid == NUMERICOID)
		return prefix.bytes;
	if (enc->encoding == LEDGER_ENC_DICTIONARY)
		for (int code = 0; code < enc->nentries; code++)
			shorten_prefix(&prefix, ledger_encoder_value(enc, enc->entries[code]));
	else
		for (int row = 0; row < input->nrows && (prefix.first || prefix.bytes.len > 0); row++)
			if (!input->isnull[row])
				shorten_prefix(&prefix, ledger_encoder_value(enc, row));
	return prefix.bytes;
}

/*
 * Set zones[2 * v] and zones[2 * v + 1] to the least and greatest that follows
 * the prefix in vector v.  Of a dictionary, each entry is looked at once.
 */
void
ledger_cut_zones_make(const LedgerEncoder *enc, LedgerBytes *prefix, uint64 *zones)
{
	const LedgerColumnInput *input = enc->input;
	Oid			typid = input->type.typid;
	uint64	   *entries = NULL;

	*prefix = common_prefix(enc);
	if (enc->encoding == LEDGER_ENC_DICTIONARY)
	{
		entries = palloc(sizeof(uint64) * Max(enc->nentries, 1));
		for (int code = 0; code < enc->nentries; code++)
		{
			LedgerBytes value = ledger_encoder_value(enc, enc->entries[code]);

			entries[code] = ledger_zone_number(typid, value.data, value.len, prefix->len);
		}
	}
	for (int row = 0; row < input->nrows; row++)
	{
		uint64	   *zone = zones + 2 * (row / LEDGER_VECTOR_ROWS);
		uint64		number;

		if (row % LEDGER_VECTOR_ROWS == 0)
		{
			zone[0] = PG_UINT64_MAX;
			zone[1] = 0;
		}
		if (input->isnull[row])
			continue;
		if (entries)
			number = entries[enc->codes[row]];
		else
		{
			LedgerBytes value = ledger_encoder_value(enc, row);

			number = ledger_zone_number(typid, value.data, value.len, prefix->len);
		}
		zone[0] = Min(zone[0], number);
		zone[1] = Max(zone[1], number);
	}
	if (entries)
		pfree(entries);
}

static int
compare_bounds(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

/*
 * Do the zones tell apart where a value can be, so that no filter is needed?  That is
 * so if a vector's least value is on average within the zones of few vectors, as where
 * values come in order.  Floats are not told of: their zones are of bits.
 */
bool
ledger_zones_answer(const LedgerColumnType *type, const uint64 *zones, int nvectors)
{
	ZoneOrder	order = zone_order(type);
	uint64		flip = order == ZONE_SIGNED ? UINT64CONST(1) << 63 : 0;
	uint64	   *least;
	uint64	   *greatest;
	double		sum = 0;
	int			n = 0;

	if (nvectors < 8 || order == ZONE_FLOAT)
		return false;
	least = palloc(nvectors * sizeof(uint64));
	greatest = palloc(nvectors * sizeof(uint64));
	for (int v = 0; v < nvectors; v++)
	{
		least[n] = zones[2 * v] ^ flip;
		greatest[n] = zones[2 * v + 1] ^ flip;
		n += least[n] <= greatest[n];
	}
	qsort(least, n, sizeof(uint64), compare_bounds);
	qsort(greatest, n, sizeof(uint64), compare_bounds);
	/* a value is in the zones that begin before it, but for those that end before it */
	for (int i = 0, begun = 0, ended = 0; i < n; i++)
	{
		while (begun < n && least[begun] <= least[i])
			begun++;
		while (ended < n && greatest[ended] < least[i])
			ended++;
		sum += begun - ended;
	}
	pfree(least);
	pfree(greatest);
	return n > 0 && sum / n < nvectors / 8.0 + 0.5;
}

const uint64 *
ledger_chunk_cut_numbers(LedgerChunk *chunk, LedgerCutZone *zone)
{
	memset(zone, 0, sizeof(*zone));
	if (!chunk->has_cut_zones)
		return NULL;
	zone->typid = chunk->type.typid;
	zone->prefix = chunk->zone_prefix.data;
	zone->prefix_length = (int) chunk->zone_prefix.len;
	return ledger_chunk_zones(chunk);
}

void
ledger_chunk_cut_zone(LedgerChunk *chunk, int vector, LedgerCutZone *zone)
{
	int			rows = Min(chunk->nrows - vector * LEDGER_VECTOR_ROWS, LEDGER_VECTOR_ROWS);
	const uint64 *numbers = ledger_chunk_cut_numbers(chunk, zone);

	if (numbers == NULL || ledger_chunk_nulls(chunk, vector) >= (uint32) rows)
		return;
	zone->valid = true;
	zone->min = numbers[2 * vector];
	zone->max = numbers[2 * vector + 1];
}

/* Can these bytes be a value of the zone's vector? */
bool
ledger_cut_zone_may_contain(const LedgerCutZone *zone, const char *data, Size len)
{
	LedgerBytes bytes = {data, len};
	uint64		number;

	if (!zone->valid)
		return true;
	if (bytes.len < (Size) zone->prefix_length ||
		memcmp(bytes.data, zone->prefix, zone->prefix_length) != 0)
		return false;
	number = ledger_zone_number(zone->typid, data, len, zone->prefix_length);
	return number >= zone->min && number <= zone->max;
}
