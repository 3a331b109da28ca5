/*
 * column.c
 *	  Columns of made-up values for the tests.
 */
#include "column.h"

#include "catalog/pg_type_d.h"
#include "compat.h"
#include "json.h"

typedef struct TestType
{
	const char *name;
	LedgerColumnType type;
} TestType;

static const TestType types[] = {
	{"bool", {BOOLOID, 0, 1, true, 'c'}},
	{"char", {CHAROID, 0, 1, true, 'c'}},
	{"int2", {INT2OID, 0, 2, true, 's'}},
	{"int4", {INT4OID, 0, 4, true, 'i'}},
	{"oid", {OIDOID, 0, 4, true, 'i'}},
	{"float4", {FLOAT4OID, 0, 4, true, 'i'}},
	{"int8", {INT8OID, 0, 8, true, 'd'}},
	{"float8", {FLOAT8OID, 0, 8, true, 'd'}},
	{"timestamptz", {TIMESTAMPTZOID, 0, 8, true, 'd'}},
	{"text", {TEXTOID, 100, -1, false, 'i'}},
	{"cstring", {CSTRINGOID, 0, -2, false, 'c'}},
	{"uuid", {UUIDOID, 0, 16, false, 'c'}},
	{"name", {NAMEOID, 0, 64, false, 'c'}},
	{"tid", {TIDOID, 0, 6, false, 's'}},
	{"interval", {INTERVALOID, 0, 16, false, 'd'}},
	{"numeric", {NUMERICOID, 0, -1, false, 'i'}},
	{"dropped", {InvalidOid, 0, 4, true, 'i'}},
};

static const char *const integer_patterns[] = {
	"constant", "small", "monotone", "random", "extremes", "scaled", "few", "descending",
	"runs", "outliers", "decimals", "drift"
};

static const char *const bytes_patterns[] = {
	"constant", "empty", "few", "hex", "decimal", "uuid text", "numbers", "random bytes",
	"words", "long", "mixed lengths", "one digit differs", "few long", "prefixes",
	"log lines", "odd lines"
};

int
column_ntypes(void)
{
	return lengthof(types);
}

LedgerColumnType
column_type(int type)
{
	return types[type].type;
}

const char *
column_type_name(int type)
{
	return types[type].name;
}

int
column_npatterns(int type)
{
	return types[type].type.attbyval ? lengthof(integer_patterns) : lengthof(bytes_patterns);
}

int
column_nnulls(void)
{
	return 6;
}

static uint64
make_integer(int pattern, int row)
{
	static uint64 last;
	uint64		scale = UINT64CONST(1000000);

	if (row == 0)
		last = shim_random();
	switch (pattern)
	{
		case 0:
			return UINT64CONST(0xFEDCBA9876543210);
		case 1:
			return RANDOM_BELOW(100) - 50;
		case 2:
			return last += RANDOM_BELOW(1000);
		case 3:
			return shim_random();
		case 4:
			return (uint64[]) {PG_INT64_MIN, PG_INT64_MAX, 0, (uint64) -1, PG_INT32_MIN,
			PG_INT32_MAX, 0x7F, 0x80}[RANDOM_BELOW(8)];
		case 5:
			return UINT64CONST(800000000000000) + RANDOM_BELOW(100000) * scale;
		case 6:
			return (uint64[]) {200, 404, 500}[RANDOM_BELOW(3)];
		case 8:
			return RANDOM_BELOW(40) ? last : (last = RANDOM_BELOW(1000));
		case 9:
			return RANDOM_BELOW(100) ? RANDOM_BELOW(16) : shim_random();
		default:
			return last -= RANDOM_BELOW(3);
	}
}

/* Bits of a number of two decimals, mostly, or of one that changes slowly. */
static uint64
make_float(int pattern, int16 attlen, int row)
{
	static double last;
	double		d;
	float		f;
	uint64		bits = 0;

	if (pattern == 10)
		d = RANDOM_BELOW(100) ? (RANDOM_BELOW(100000) - 20000) / 100.0 : RANDOM_BELOW(2) ? -0.0 : 0.1234567890123;
	else
		d = last = row == 0 ? 20.0 : last * (1 + (RANDOM_BELOW(1000) - 500) / 1e7);
	f = (float) d;
	memcpy(&bits, attlen == 4 ? (void *) &f : (void *) &d, attlen == 4 ? sizeof(f) : sizeof(d));
	return bits;
}

/* A numeric with two decimals, as the server stores it. */
static int
make_numeric_bytes(int row, char *dst)
{
	uint64		rest = RANDOM_BELOW(4) ? RANDOM_BELOW(10000) : shim_random() % UINT64CONST(10000000000);
	uint16		header = 0x8000 | (RANDOM_BELOW(5) || rest == 0 ? 0 : 0x2000) | 2 << 7;
	int16		digits[8];
	int			n = 0;
	int			skip = 0;
	int			len = 2;
	int			weight;

	for (rest *= 100; rest > 0; rest /= 10000)
		digits[n++] = rest % 10000;
	weight = n - 2;
	while (skip < n && digits[skip] == 0)
		skip++;
	if (skip == n)
		weight = 0;
	header |= weight & 0x7F;
	memcpy(dst, &header, 2);
	for (int i = n - 1; i >= skip; i--, len += 2)
		memcpy(dst + len, &digits[i], 2);
	return len;
}

static Datum
integer_datum(int16 attlen, Oid typid, uint64 value)
{
	if (typid == BOOLOID)
		return BoolGetDatum((value & 1) != 0);
	switch (attlen)
	{
		case 1:
			return CharGetDatum((char) value);
		case 2:
			return Int16GetDatum((int16) value);
		case 4:
			return Int32GetDatum((int32) value);
		default:
			return (Datum) value;
	}
}

static int
hex_digits(char *dst, int n)
{
	for (int i = 0; i < n; i++)
		dst[i] = "0123456789abcdef"[RANDOM_BELOW(16)];
	return n;
}

static int
words(char *dst, int n)
{
	static const char *const list[] = {"order", "refund", "shipping", "delayed", "account",
	"password", "reset", "billing", "invoice", "agent", "help", "please"};
	int			len = 0;

	for (int i = 0; i < n; i++)
		len += sprintf(dst + len, "%s ", list[RANDOM_BELOW(12)]);
	return len;
}

static int
random_bytes(char *dst, int n)
{
	for (int i = 0; i < n; i++)
		dst[i] = (char) shim_random();
	return n;
}

/* Of a few kinds, in order of time. */
static int
log_line(int row, char *dst)
{
	static const char *const names[] = {"root", "guest", "admin", "test", "oracle", "www-data"};
	static const char *const events[] = {"accepted", "failed", "closed"};
	static int	clock;
	int			len;

	clock = row == 0 ? 0 : clock + RANDOM_BELOW(3) * RANDOM_BELOW(40);
	len = sprintf(dst, "Jun %2d %02d:%02d:%02d combo sshd[%d]: ", 1 + clock / 86400 % 30,
				  clock / 3600 % 24, clock / 60 % 60, clock % 60, 1000 + RANDOM_BELOW(3000));
	switch (RANDOM_BELOW(4))
	{
		case 0:
			return len + sprintf(dst + len, "password for %s %s from %d.%d.%d.%d port %d",
								 RANDOM_BELOW(3) ? names[RANDOM_BELOW(6)] : "x", events[RANDOM_BELOW(3)],
								 RANDOM_BELOW(256), RANDOM_BELOW(3), 10, 7, RANDOM_BELOW(65536));
		case 1:
			return len + sprintf(dst + len, "request %08x%08x took %d.%03d ms, code=%d",
								 (unsigned) shim_random(), (unsigned) shim_random(),
								 RANDOM_BELOW(100), RANDOM_BELOW(1000), -RANDOM_BELOW(5));
		case 2:
			return len + sprintf(dst + len, "session opened for user%d by (uid=%d)", RANDOM_BELOW(30), 0);
		default:
			len += sprintf(dst + len, "job 00%03d: ", RANDOM_BELOW(1000));
			return len + words(dst + len, RANDOM_BELOW(5));
	}
}

/* What is nearly a number, a time or an address. */
static int
odd_line(int row, char *dst)
{
	static const char *const odd[] = {"-0", "007", "-5", "9223372036854775807",
		"9223372036854775808", "-9223372036854775807", "99999999999999999999", "1.50", "00.5",
		"-0.0", "1.2.3.4", "256.1.1.1", "01.2.3.4", "1.2.3.4.5", "2024-02-30 10:00:00",
		"2024-02-29 10:00:00", "Jan  5 10:00:00", "Jan 15 10:00:00.5", "Jan 05 10:00:00",
		"Sun Dec 04 04:47:44 2005", "Mon Dec 04 04:47:44 2005", "24:00:00", "23:59:59.999",
		"23:59:59,9999", "0x00ff00", "0x", "deadbeef1", "DEADBEEF12",
		"123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-4266141740001", "a1",
		"blk_-12345678901", "blk_-12345678901", "", "=", "\303\251", "\t", "081109 203615",
		"2024-02-29T10:00:00.000001Z", "5.", ".5", "1e5", "1,000", "9999-12-31", "0000-01-01",
	"\001"};
	int			kind = row % 5;
	int			len = 0;

	for (int i = 0; i < 3 + kind; i++)
	{
		int			which = (kind * 11 + i * 7 + (RANDOM_BELOW(6) ? 0 : RANDOM_BELOW(45))) % 45;

		if (RANDOM_BELOW(2000) == 0)
			which = 45;
		len += sprintf(dst + len, "%s%s", i == 0 ? "" : (i + kind) % 3 ? " " : "-", odd[which]);
	}
	return len;
}

/* The bytes of one value; dst has room for 300,000. */
static int
make_bytes(int pattern, int row, char *dst)
{
	uint64		seed;
	int			len;

	switch (pattern)
	{
		case 0:
			return sprintf(dst, "always the same");
		case 1:
			return 0;
		case 2:
			return sprintf(dst, "value%d", RANDOM_BELOW(20));
		case 3:
			memcpy(dst, "tr-", 3);
			return 3 + hex_digits(dst + 3, 32);
		case 4:
			return sprintf(dst, "1788825%06d-%d", row, RANDOM_BELOW(10));
		case 5:
			hex_digits(dst, 36);
			dst[8] = dst[13] = dst[18] = dst[23] = '-';
			return 36;
		case 6:
			return sprintf(dst, "%d", RANDOM_BELOW(100000));
		case 7:
			return random_bytes(dst, RANDOM_BELOW(60));
		case 8:
			return words(dst, RANDOM_BELOW(20));
		case 9:
			len = RANDOM_BELOW(row % 16 == 0 ? 300000 : 3000);
			memset(dst, 'a' + RANDOM_BELOW(26), len);
			return random_bytes(dst, len / 4) + (len - len / 4);
		case 10:
			memset(dst, RANDOM_BELOW(256), 200);
			return RANDOM_BELOW(200);
		case 11:
			return sprintf(dst, "job-%c-done", "0123456789abcdef"[RANDOM_BELOW(row % 64 ? 4 : 16)]);
		case 12:
			/* the same few, whatever was drawn before */
			seed = RANDOM_BELOW(5);
			memset(dst, 'A' + seed, 5000);
			return 5000 + seed;
		case 14:
			return log_line(row, dst);
		case 15:
			return odd_line(row, dst);
		default:
			memcpy(dst, "u-", 2);
			hex_digits(dst + 2, 8);
			hex_digits(dst + 2, RANDOM_BELOW(3));
			memset(dst + 4, '0', 4);
			return 10;
	}
}

static Datum
make_datum(const LedgerColumnType *type, const char *bytes, int len)
{
	char	   *p;

	if (type->attlen > 0)
	{
		p = calloc(1, type->attlen);
		memcpy(p, bytes, Min(len, type->attlen));
	}
	else if (type->attlen == -2)
	{
		p = malloc(len + 1);
		for (int i = 0; i < len; i++)
			p[i] = bytes[i] ? bytes[i] : 1;
		p[len] = '\0';
	}
	else if (len + VARHDRSZ_SHORT <= VARATT_SHORT_MAX && RANDOM_BELOW(2))
	{
		p = malloc(len + VARHDRSZ_SHORT);
		SET_VARSIZE_SHORT(p, len + VARHDRSZ_SHORT);
		memcpy(p + VARHDRSZ_SHORT, bytes, len);
	}
	else
	{
		p = malloc(len + VARHDRSZ);
		SET_VARSIZE(p, len + VARHDRSZ);
		memcpy(p + VARHDRSZ, bytes, len);
	}
	return PointerGetDatum(p);
}

static bool
make_null(int nulls, int row, int nrows)
{
	switch (nulls)
	{
		case 0:
			return false;
		case 1:
			return RANDOM_BELOW(2) == 0;
		case 2:
			return row != 0;
		case 3:
			return row != nrows - 1;
		case 4:
			return RANDOM_BELOW(100) == 0;
		default:
			return (row / LEDGER_VECTOR_ROWS) % 2 == 0;
	}
}

static void
column_begin(Column *column, const LedgerColumnType *type, int nrows)
{
	column->values = calloc(nrows + 1, sizeof(Datum));
	column->isnull = calloc(nrows + 1, sizeof(bool));
	column->input.type = *type;
	column->input.nrows = nrows;
	column->input.values = column->values;
	column->input.isnull = column->isnull;
	column->input.summary = NULL;
}

void
column_make(Column *column, int type, int pattern, int nulls, int nrows)
{
	static char room[300000];
	const LedgerColumnType *t = &types[type].type;

	column_begin(column, t, nrows);
	snprintf(column->name, sizeof(column->name), "%s, %s, nulls %d, %d rows", types[type].name,
			 t->attbyval ? integer_patterns[pattern] : bytes_patterns[pattern], nulls, nrows);
	for (int row = 0; row < nrows; row++)
	{
		column->isnull[row] = make_null(nulls, row, nrows) || !OidIsValid(t->typid);
		if (t->attbyval)
		{
			bool		is_float = t->typid == FLOAT4OID || t->typid == FLOAT8OID;
			uint64		value = is_float && pattern >= 10 ? make_float(pattern, t->attlen, row) :
				make_integer(pattern, row);

			if (!column->isnull[row])
				column->values[row] = integer_datum(t->attlen, t->typid, value);
		}
		else if (!column->isnull[row])
		{
			int			len;

			memset(room, 0, 64);
			if (t->typid == NUMERICOID && pattern < 8)
				len = make_numeric_bytes(row, room);
			else
				len = make_bytes(pattern, row, room);
			column->values[row] = make_datum(t, room, len);
		}
	}
}

void
column_make_entry(Column *column, const Column *others, int nothers, int nrows, bool large)
{
	static char room[400000];
	const LedgerColumnType type = {JSONBOID, 0, -1, false, 'i'};

	column_begin(column, &type, nrows);
	snprintf(column->name, sizeof(column->name), "entry of %d, %d rows", nothers, nrows);
	for (int row = 0; row < nrows; row++)
	{
		int			len = sprintf(room, "{\"n\":%d", RANDOM_BELOW(1000));

		for (int k = 0; k < nothers; k++)
		{
			LedgerBytes value = {NULL, 0};

			if (!others[k].isnull[row])
				value = ledger_datum_bytes(&others[k].input.type, others[k].values[row]);
			len += sprintf(room + len, ",\"key%d\":\"", k);
			for (int times = RANDOM_BELOW(3); times > 0 && value.len > 0 && value.len < 1000; times--)
			{
				memcpy(room + len, value.data, value.len);
				len += value.len;
			}
			if (value.len > 10 && RANDOM_BELOW(10) == 0)
			{
				/* nearly, but not quite */
				memcpy(room + len, value.data, value.len - 1);
				len += value.len - 1;
			}
		}
		len += words(room + len, RANDOM_BELOW(10));
		if (RANDOM_BELOW(4) == 0)
			len += random_bytes(room + len, RANDOM_BELOW(40));
		if (large && row % 200 == 7)
		{
			int			more = row % 400 == 7 ? RANDOM_BELOW(300000) : 65530 - len + RANDOM_BELOW(12);

			memset(room + len, 255, more);
			len += more;
		}
		column->isnull[row] = RANDOM_BELOW(20) == 0;
		if (!column->isnull[row])
			column->values[row] = make_datum(&type, room, len);
	}
}

/* ---- jsonb ---- */

static const char *const json_patterns[] = {
	"entries", "random", "optional keys", "type changes", "arrays", "numbers", "large", "odd keys",
	"damaged", "few that recur", "wide"
};

int
column_njson(void)
{
	return lengthof(json_patterns);
}

#define JSON_ROOM	1000000

/* JSON text being made. */
typedef struct Text
{
	char	   *p;
	int			len;
} Text;

static void add(Text *text, const char *format,...) pg_attribute_printf(2, 3);

static void
add(Text *text, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	text->len += vsnprintf(text->p + text->len, JSON_ROOM / 4 - text->len, format, args);
	va_end(args);
}

static void
add_number(Text *text)
{
	int			digits = RANDOM_BELOW(20) == 0 ? 1 + RANDOM_BELOW(300) : RANDOM_BELOW(12);

	add(text, "%s%d", RANDOM_BELOW(4) ? "" : "-", RANDOM_BELOW(3) ? 0 : 1 + RANDOM_BELOW(9999));
	if (RANDOM_BELOW(3) == 0)
		return;
	add(text, ".%d", RANDOM_BELOW(10));
	while (digits-- > 0)
		add(text, "%d", RANDOM_BELOW(3) ? 0 : RANDOM_BELOW(10));
}

static void
add_scalar(Text *text)
{
	switch (RANDOM_BELOW(6))
	{
		case 0:
			add(text, "null");
			break;
		case 1:
			add(text, "%s", RANDOM_BELOW(2) ? "true" : "false");
			break;
		case 2:
		case 3:
			add_number(text);
			break;
		default:
			add(text, "\"");
			for (int n = RANDOM_BELOW(RANDOM_BELOW(50) ? 12 : 300); n > 0; n--)
				add(text, "%s", (const char *[]) {"a", "7", "\\\"", "\\\\", "\303\251", " ", "f"}[RANDOM_BELOW(7)]);
			add(text, "\"");
			break;
	}
}

static void
add_random(Text *text, int depth)
{
	int			n = RANDOM_BELOW(RANDOM_BELOW(30) ? 4 : 70);
	bool		object = RANDOM_BELOW(2);

	if (depth == 0 || text->len > 20000 || RANDOM_BELOW(3) == 0)
	{
		add_scalar(text);
		return;
	}
	add(text, object ? "{" : "[");
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			add(text, ",");
		if (object)
			add(text, "\"%.*s\":", RANDOM_BELOW(6), "abcdefg" + RANDOM_BELOW(2));
		add_random(text, depth - 1);
	}
	add(text, object ? "}" : "]");
}

static void
add_nested(Text *text, int depth)
{
	for (int i = 0; i < depth; i++)
		add(text, i % 2 ? "{\"d\":" : "[1,");
	add(text, "{}");
	for (int i = depth - 1; i >= 0; i--)
		add(text, i % 2 ? "}" : "]");
}

/* The value of another column as a JSON string, often. */
static void
add_other(Text *text, const char *key, const Column *others, int nothers, int row)
{
	const Column *other = nothers > 0 ? &others[RANDOM_BELOW(20) ? 0 : RANDOM_BELOW(nothers)] : NULL;
	LedgerBytes value;

	add(text, "\"%s\":", key);
	if (other == NULL || other->isnull[row] || RANDOM_BELOW(30) == 0)
	{
		add(text, "\"tr-%d\"", RANDOM_BELOW(100));
		return;
	}
	value = ledger_datum_bytes(&other->input.type, other->values[row]);
	add(text, "\"");
	for (Size i = 0; i < Min(value.len, 200); i++)
	{
		if (value.data[i] == '"' || value.data[i] == '\\')
			add(text, "\\");
		add(text, "%c", value.data[i] ? value.data[i] : 1);
	}
	add(text, "\"");
}

static void
add_entry(Text *text, const Column *others, int nothers, int row)
{
	add(text, "{");
	add_other(text, "trace_id", others, nothers, row);
	add(text, ",\"sensitive\":false,\"version\":2,\"kind\":\"entry\",\"score\":%d.%02d,", RANDOM_BELOW(3),
		RANDOM_BELOW(100));
	switch (RANDOM_BELOW(5))
	{
		case 0:
			add(text, "\"text\":\"word %d\",\"reply\":[{\"t\":\"x\"},{\"t\":\"%d\"}]", RANDOM_BELOW(1000),
				RANDOM_BELOW(100));
			break;
		case 1:
			add(text, "\"status\":%d,\"open\":%s,\"parent\":{\"id\":\"%08d-%d\",\"data\":{}}",
				(int[]) {200, 404}[RANDOM_BELOW(2)], RANDOM_BELOW(2) ? "true" : "false", row * 7, RANDOM_BELOW(10));
			break;
		case 2:
			add(text, "\"parent\":null,\"tags\":[],\"text\":\"%s\"", RANDOM_BELOW(3) ? "yes" : "no");
			break;
		case 3:
			add_other(text, "again", others, nothers, row);
			add(text, ",\"n\":%d", RANDOM_BELOW(1 << 30));
			break;
		default:
			add(text, "\"amount\":%d.%d0", RANDOM_BELOW(100), RANDOM_BELOW(10));
			break;
	}
	add(text, "}");
}

static void
add_many(Text *text, int n, bool object)
{
	add(text, object ? "{" : "[");
	for (int i = 0; i < n; i++)
	{
		add(text, i > 0 ? "," : "");
		if (object)
			add(text, "\"k%d\":", i);
		add(text, i % 3 ? "%d" : "\"v%d\"", RANDOM_BELOW(100000));
	}
	add(text, object ? "}" : "]");
}

static void
make_json(Text *text, int pattern, const Column *others, int nothers, int row)
{
	int			random = RANDOM_BELOW(100);

	switch (pattern)
	{
		case 0:
			add_entry(text, others, nothers, row);
			break;
		case 1:
			add_random(text, 1 + RANDOM_BELOW(6));
			break;
		case 2:
			add(text, "{\"always\":%d", row);
			for (int i = 0; i < 14; i++)
				if (RANDOM_BELOW(4) == 0)
					add(text, ",\"o%d\":\"v%d\"", i, RANDOM_BELOW(50));
			add(text, "}");
			break;
		case 3:
			add(text, "{\"a\":");
			add_scalar(text);
			add(text, ",\"b\":%s}", random < 50 ? "1" : random < 80 ? "{\"c\":[1]}" : "[[]]");
			break;
		case 4:
			add_many(text, random < 90 ? RANDOM_BELOW(5) : RANDOM_BELOW(random < 98 ? 80 : 5000), false);
			break;
		case 5:
			add(text, "{\"i\":%d,\"price\":%d.%02d,\"free\":", RANDOM_BELOW(1000) - 500, RANDOM_BELOW(1000),
				RANDOM_BELOW(100));
			add_number(text);
			add(text, ",\"short\":%d.%d,\"big\":" UINT64_FORMAT "}", RANDOM_BELOW(10), 1 + RANDOM_BELOW(9),
				shim_random() >> RANDOM_BELOW(64));
			break;
		case 6:
			add(text, "{\"id\":%d,\"blob\":", row);
			if (random < 90)
				add_entry(text, others, nothers, row);
			else
				add_many(text, random < 97 ? 400 : 9000, random % 2);
			add(text, "}");
			break;
		case 7:
			add(text, "{\"\":%d,\"\303\251t\303\251\":\"%d\",\"a.b\":{\"c d\":true,\"\\\"q\\\"\":[0,{\"\\n\":%d}]}",
				random, row, row % 7);
			add(text, ",\"key %d\":null}", random % 3);
			break;
		case 8:
			add_entry(text, others, nothers, row);
			break;
		case 9:
			add(text, "{\"one of\":%d}", random % 5);
			break;
		default:
			if (random < 95)
				add_many(text, 60 + random % 3, true);
			else
				add_nested(text, RANDOM_BELOW(random == 99 ? 500 : 20));
			break;
	}
}

void
column_make_json(Column *column, int pattern, const Column *others, int nothers, int nrows)
{
	static char text[JSON_ROOM / 4];
	static char room[2 * JSON_ROOM + 64];
	const LedgerColumnType type = {JSONBOID, 0, -1, false, 'i'};

	column_begin(column, &type, nrows);
	snprintf(column->name, sizeof(column->name), "jsonb, %s, %d rows", json_patterns[pattern], nrows);
	for (int row = 0; row < nrows; row++)
	{
		Text		made = {text, 0};
		int			len;

		column->isnull[row] = RANDOM_BELOW(30) == 0;
		if (column->isnull[row])
			continue;
		make_json(&made, pattern, others, nothers, row);
		len = (int) json_make(text, room);
		if (pattern == 8 && RANDOM_BELOW(8) == 0)
			room[RANDOM_BELOW(len)] ^= 1 << RANDOM_BELOW(8);
		if (pattern == 8 && RANDOM_BELOW(50) == 0)
			len = RANDOM_BELOW(len + 1);
		column->values[row] = make_datum(&type, room, len);
	}
}

void
column_free(Column *column)
{
	for (int row = 0; row < column->input.nrows; row++)
	{
		if (!column->input.type.attbyval && !column->isnull[row])
			free(DatumGetPointer(column->values[row]));
	}
	free(column->values);
	free(column->isnull);
}

bool
column_same(const LedgerColumnInput *input, int row, Datum value, bool isnull)
{
	LedgerBytes expected;
	LedgerBytes got;

	if (isnull || input->isnull[row])
		return isnull == input->isnull[row];
	if (input->type.attbyval)
		return value == input->values[row];
	if (value != MAXALIGN(value))
		return false;
	if (input->type.attlen == -1 && !VARATT_IS_4B_U(DatumGetPointer(value)))
		return false;
	expected = ledger_datum_bytes(&input->type, input->values[row]);
	got = ledger_datum_bytes(&input->type, value);
	return expected.len == got.len && memcmp(expected.data, got.data, got.len) == 0;
}
