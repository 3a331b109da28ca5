/*-------------------------------------------------------------------------
 *
 * lines_scan.c
 *	  What varies in a log line: numbers, times, addresses, identifiers.
 *
 * A variable is only found where its text can be made again from its value
 * and its parameter, byte for byte.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/lines.h"

/* What a byte is. */
#define DIGIT		1
#define HEX			2			/* a to f */
#define LETTER		4			/* others, lower case */
#define UPPER_HEX	8
#define UPPER		16
#define CONTROL		32

#define ALNUM		(DIGIT | HEX | LETTER | UPPER_HEX | UPPER)

static const uint8 classes[256] = {
	[0 ... 8] = CONTROL,
	[11 ... 12] = CONTROL,
	[14 ... 31] = CONTROL,
	['0' ... '9'] = DIGIT,
	['a' ... 'f'] = HEX,
	['g' ... 'z'] = LETTER,
	['A' ... 'F'] = UPPER_HEX,
	['G' ... 'Z'] = UPPER,
};

#define CLASS(c)	(classes[(uint8) (c)])

/*
 * Patterns of times.  Y, y: year of four and two digits; m, d, H, M, S: two
 * digits; e: day of two places, the first a space below 10; b, a: name of
 * month and weekday; 3, 6: so many digits of a fraction.  Stored by number:
 * add at the end only.
 */
static const char *const patterns[] = {
	"Y-m-d H:M:S,3",
	"Y-m-d H:M:S.3",
	"Y-m-d H:M:S.6",
	"Y-m-d H:M:S",
	"Y-m-dTH:M:S.3",
	"Y-m-dTH:M:S.6",
	"Y-m-dTH:M:S",
	"Y-m-d_H:M:S",
	"Y-m-d",
	"Y/m/d H:M:S",
	"y/m/d H:M:S",
	"d/b/Y:H:M:S",
	"ymd HMS",
	"H:M:S.3",
	"H:M:S,3",
	"H:M:S.6",
	"H:M:S",
	"a b e H:M:S Y",
	"a b d H:M:S Y",
	"b e H:M:S",
	"b d H:M:S",
};

static const char months[12][3] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};
static const char weekdays[7][3] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};

/* What is taken for the year where there is none: it has a 29th of February. */
#define NO_YEAR		2000

typedef struct Fields
{
	int			year;
	int			month;
	int			day;
	int			hour;
	int			minute;
	int			second;
	int			fraction;
	int			weekday;		/* -1: not given */
} Fields;

int
ledger_line_npatterns(void)
{
	return lengthof(patterns);
}

/* Days since 1970-01-01 in the Gregorian calendar. */
static int64
days_of(int year, int month, int day)
{
	int64		y = year - (month <= 2);
	int64		m = month + (month <= 2 ? 9 : -3);

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static void
date_of(int64 days, Fields *f)
{
	int64		z = days + 719468;
	int64		era = z / 146097;
	int64		doe = z - era * 146097;
	int64		yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64		doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64		m = (5 * doy + 2) / 153;

	f->day = (int) (doy - (153 * m + 2) / 5 + 1);
	f->month = (int) (m < 10 ? m + 3 : m - 9);
	f->year = (int) (yoe + era * 400 + (f->month <= 2));
}

static int
days_of_month(int year, int month)
{
	static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return 29;
	return days[month - 1];
}

/* A number of n digits, or -1. */
static int
get_digits(const char *p, int n)
{
	int			number = 0;

	for (int i = 0; i < n; i++)
	{
		if (CLASS(p[i]) != DIGIT)
			return -1;
		number = number * 10 + (p[i] - '0');
	}
	return number;
}

static int
get_name(const char *p, const char (*names)[3], int n)
{
	for (int i = 0; i < n; i++)
		if (memcmp(p, names[i], 3) == 0)
			return i;
	return -1;
}

/* Length of what a letter of a pattern stands for; 0: just itself. */
static inline int
item_length(char item)
{
	switch (item)
	{
		case 'Y':
			return 4;
		case 'y':
		case 'm':
		case 'd':
		case 'e':
		case 'H':
		case 'M':
		case 'S':
			return 2;
		case 'b':
		case 'a':
		case '3':
			return 3;
		case '6':
			return 6;
		default:
			return 0;
	}
}

static bool
get_item(char item, const char *p, Fields *f)
{
	switch (item)
	{
		case 'Y':
			f->year = get_digits(p, 4);
			return f->year > 0;
		case 'y':
			f->year = get_digits(p, 2) + 2000;
			return f->year >= 2000;
		case 'm':
			f->month = get_digits(p, 2);
			return f->month >= 1 && f->month <= 12;
		case 'd':
			f->day = get_digits(p, 2);
			return f->day >= 1;
		case 'e':
			f->day = p[0] == ' ' ? get_digits(p + 1, 1) : get_digits(p, 2);
			return f->day >= (p[0] == ' ' ? 1 : 10);
		case 'H':
			f->hour = get_digits(p, 2);
			return f->hour >= 0 && f->hour < 24;
		case 'M':
			f->minute = get_digits(p, 2);
			return f->minute >= 0 && f->minute < 60;
		case 'S':
			f->second = get_digits(p, 2);
			return f->second >= 0 && f->second < 60;
		case 'b':
			f->month = get_name(p, months, 12) + 1;
			return f->month >= 1;
		case 'a':
			f->weekday = get_name(p, weekdays, 7);
			return f->weekday >= 0;
		default:
			f->fraction = get_digits(p, item - '0');
			return f->fraction >= 0;
	}
}

/* Does a pattern match at p?  Returns the length, or 0. */
static int
match_time(const char *pattern, const char *p, const char *end, uint64 *value)
{
	const char *start = p;
	Fields		f = {NO_YEAR, 0, 0, 0, 0, 0, 0, -1};
	int64		unit = 1;
	int64		days = 0;

	for (; *pattern; pattern++)
	{
		int			len = item_length(*pattern);

		if (end - p < Max(len, 1))
			return 0;
		if (len == 0 ? *p != *pattern : !get_item(*pattern, p, &f))
			return 0;
		if (*pattern == '3' || *pattern == '6')
			unit = *pattern == '3' ? 1000 : 1000000;
		p += Max(len, 1);
	}
	if (p < end && (CLASS(*p) & DIGIT))
		return 0;
	if (f.month > 0)
	{
		if (f.day > days_of_month(f.year, f.month))
			return 0;
		days = days_of(f.year, f.month, f.day);
		/* 1970-01-01 was a Thursday */
		if (f.weekday >= 0 && f.weekday != (int) ((days % 7 + 7) % 7))
			return 0;
	}
	*value = (uint64) ((((days * 24 + f.hour) * 60 + f.minute) * 60 + f.second) * unit + f.fraction);
	return p - start;
}

static char *
put_digits(char *dst, uint64 number, int n)
{
	for (int i = n - 1; i >= 0; i--, number /= 10)
		dst[i] = '0' + number % 10;
	return dst + n;
}

static char *
put_item(char *dst, char item, const Fields *f)
{
	switch (item)
	{
		case 'Y':
			return put_digits(dst, f->year, 4);
		case 'y':
			return put_digits(dst, f->year % 100, 2);
		case 'm':
			return put_digits(dst, f->month, 2);
		case 'd':
			return put_digits(dst, f->day, 2);
		case 'e':
			put_digits(dst, f->day, 2);
			if (f->day < 10)
				dst[0] = ' ';
			return dst + 2;
		case 'H':
			return put_digits(dst, f->hour, 2);
		case 'M':
			return put_digits(dst, f->minute, 2);
		case 'S':
			return put_digits(dst, f->second, 2);
		case 'b':
			memcpy(dst, months[f->month - 1], 3);
			return dst + 3;
		case 'a':
			memcpy(dst, weekdays[f->weekday], 3);
			return dst + 3;
		case '3':
		case '6':
			return put_digits(dst, f->fraction, item - '0');
		default:
			*dst = item;
			return dst + 1;
	}
}

static int
format_time(const char *pattern, uint64 value, char *dst)
{
	char	   *start = dst;
	uint64		unit = strchr(pattern, '3') ? 1000 : strchr(pattern, '6') ? 1000000 : 1;
	/* 0000-03-01 to 9999-12-31, whatever the value is */
	uint64		origin = UINT64CONST(719468) * 86400;
	uint64		seconds;
	Fields		f;

	f.fraction = (int) (((int64) value % (int64) unit + (int64) unit) % (int64) unit);
	seconds = (uint64) (((int64) value - f.fraction) / (int64) unit) + origin;
	seconds %= UINT64CONST(3652365) * 86400;
	f.second = seconds % 60;
	f.minute = seconds / 60 % 60;
	f.hour = seconds / 3600 % 24;
	date_of((int64) (seconds / 86400) - 719468, &f);
	/* 719468 is 1 modulo 7 */
	f.weekday = (int) ((seconds / 86400 + 6) % 7);
	for (; *pattern; pattern++)
		dst = put_item(dst, *pattern, &f);
	return dst - start;
}

/*
 * Which patterns can match where a run begins with n digits, or with a letter
 * (n = 0), and c is what follows; first and number.
 */
static int
candidates(int n, char c, int *first)
{
	if (n == 0)
		*first = 17;
	else if (n == 4 && c == '-')
		*first = 0;
	else if (n == 4 && c == '/')
		*first = 9;
	else if (n == 2 && c == '/')
		*first = 10;
	else if (n == 6 && c == ' ')
		*first = 12;
	else if (n == 2 && c == ':')
		*first = 13;
	else
		return 0;
	return n == 0 ? 4 : n == 4 && c == '-' ? 9 : n == 2 && c == '/' ? 2 : n == 2 ? 4 : 1;
}

static bool
scan_time(const char *line, uint32 len, uint32 i, int ndigits, LedgerLineVar *var)
{
	uint32		next = i + ndigits;
	int			first;
	int			count = candidates(ndigits, next < len ? line[next] : '\0', &first);

	for (int k = first; count > 0; k++, count--)
	{
		int			matched = match_time(patterns[k], line + i, line + len, &var->value);

		if (matched > 0)
		{
			var->kind = LEDGER_LINE_TIME;
			var->parameter = k;
			var->len = matched;
			return true;
		}
	}
	return false;
}

/* Digits from i on. */
static uint32
digits_end(const char *line, uint32 len, uint32 i)
{
	while (i < len && CLASS(line[i]) == DIGIT)
		i++;
	return i;
}

static bool
scan_address(const char *line, uint32 len, uint32 i, LedgerLineVar *var)
{
	uint32		address = 0;
	uint32		p = i;

	for (int octet = 0; octet < 4; octet++)
	{
		uint32		end = digits_end(line, len, p);
		int			number;

		if (end == p || end - p > 3 || (line[p] == '0' && end - p > 1))
			return false;
		number = get_digits(line + p, end - p);
		if (number > 255)
			return false;
		address = address << 8 | number;
		p = end;
		if (octet < 3 && (p >= len || line[p++] != '.'))
			return false;
	}
	if (p < len && ((CLASS(line[p]) & ALNUM) ||
					(line[p] == '.' && p + 1 < len && CLASS(line[p + 1]) == DIGIT)))
		return false;
	var->kind = LEDGER_LINE_ADDRESS;
	var->value = address;
	var->len = p - i;
	return true;
}

/* A minus sign in front of position i that belongs to the number there. */
static inline bool
is_signed(const char *line, uint32 i, uint32 from)
{
	return i > from && line[i - 1] == '-' && (i == 1 || !(CLASS(line[i - 2]) & ALNUM));
}

static bool
scan_decimal(const char *line, uint32 len, uint32 i, uint32 end, LedgerLineVar *var)
{
	uint32		last = digits_end(line, len, end + 1);
	uint64		value = 0;

	if (last == end + 1 || last - i > 19 || (line[i] == '0' && end - i > 1))
		return false;
	if (last < len && ((CLASS(line[last]) & ALNUM) ||
					   (line[last] == '.' && last + 1 < len && CLASS(line[last + 1]) == DIGIT)))
		return false;
	for (uint32 p = i; p < last; p++)
		if (p != end)
			value = value * 10 + (line[p] - '0');
	var->kind = LEDGER_LINE_DECIMAL;
	var->parameter = last - end - 1;
	var->value = value;
	var->len = last - i;
	return true;
}

/* A run of digits as a number of its own. */
static bool
scan_integer(const char *line, uint32 i, uint32 end, LedgerLineVar *var)
{
	uint32		n = end - i;
	uint64		value = 0;

	if (n > 19)
		return false;
	for (uint32 p = i; p < end; p++)
		value = value * 10 + (line[p] - '0');
	var->len = n;
	var->value = value;
	if (line[i] == '0' && n > 1)
	{
		var->kind = LEDGER_LINE_FIXED;
		var->parameter = n;
		return n <= 18;
	}
	var->kind = LEDGER_LINE_INT;
	return value <= PG_INT64_MAX;
}

static bool
scan_uuid(const char *line, uint32 len, uint32 i, LedgerLineVar *var)
{
	if (len - i < 36)
		return false;
	for (int k = 0; k < 36; k++)
	{
		if (k == 8 || k == 13 || k == 18 || k == 23 ? line[i + k] != '-' :
			!(CLASS(line[i + k]) & (DIGIT | HEX)))
			return false;
	}
	if (len - i > 36 && (CLASS(line[i + 36]) & ALNUM))
		return false;
	var->kind = LEDGER_LINE_UUID;
	var->len = 36;
	return true;
}

static bool
set_hex(LedgerLineVar *var, int kind, uint32 start, uint32 len)
{
	var->kind = kind;
	var->start = start;
	var->len = len;
	var->parameter = len;
	return len < LEDGER_LINE_PARAMETER;
}

/*
 * The variable that a run of letters and digits, i to end - 1, begins with or
 * contains, if any; "from" is where the last variable ended.
 */
static bool
scan_run(const char *line, uint32 len, uint32 i, uint32 end, uint8 seen, uint32 from,
		 LedgerLineVar *var)
{
	uint32		digits = digits_end(line, len, i);

	var->start = i;
	var->parameter = 0;
	if (digits > i && digits - i <= 6 && scan_time(line, len, i, digits - i, var))
		return true;
	if (end - i == 3 && (CLASS(line[i]) & (UPPER | UPPER_HEX)) && end < len && line[end] == ' ' &&
		scan_time(line, len, i, 0, var))
		return true;
	if (!(seen & DIGIT))
		return false;
	if (end - i == 8 && end < len && line[end] == '-' && (seen & ~(DIGIT | HEX)) == 0 &&
		scan_uuid(line, len, i, var))
		return true;
	if (seen == DIGIT)
	{
		bool		found = false;

		if (end < len && line[end] == '.')
		{
			if (scan_address(line, len, i, var))
				return true;
			found = scan_decimal(line, len, i, end, var);
		}
		if (!found && !scan_integer(line, i, end, var))
			return set_hex(var, LEDGER_LINE_HEX, i, end - i);
		if (var->kind != LEDGER_LINE_FIXED && var->value != 0 && is_signed(line, i, from))
		{
			var->value = 0 - var->value;
			var->start--;
			var->len++;
		}
		return true;
	}
	if (end - i >= 6 && (seen & ~(DIGIT | HEX)) == 0)
		return set_hex(var, LEDGER_LINE_HEX, i, end - i);
	if (end - i >= 8 && (seen & ~(DIGIT | UPPER_HEX)) == 0)
		return set_hex(var, LEDGER_LINE_UPPER_HEX, i, end - i);
	if (end - i >= 6 && line[i] == '0' && line[i + 1] == 'x')
	{
		uint32		p = i + 2;

		while (p < end && (CLASS(line[p]) & (DIGIT | HEX)))
			p++;
		if (p == end)
			return set_hex(var, LEDGER_LINE_HEX, i + 2, end - i - 2);
	}

	/* letters, then digits */
	if (digits == i && CLASS(line[end - 1]) == DIGIT)
	{
		uint32		p = i;

		while (CLASS(line[p]) != DIGIT)
			p++;
		if (digits_end(line, len, p) == end)
		{
			var->start = p;
			return scan_integer(line, p, end, var);
		}
	}
	return false;
}

/* A long variable that a line has already had is not stored again. */
static void
find_same(const char *line, LedgerLineVar *vars, int n, int *longs, int *nlongs)
{
	LedgerLineVar *var = &vars[n];

	if (!ledger_line_is_long(var->kind, var->len))
		return;
	for (int k = 0; k < *nlongs; k++)
	{
		const LedgerLineVar *other = &vars[longs[k]];

		if (other->len == var->len &&
			memcmp(line + other->start, line + var->start, var->len) == 0)
		{
			var->kind = LEDGER_LINE_SAME;
			var->parameter = k;
			return;
		}
	}
	longs[(*nlongs)++] = n;
}

/*
 * Find the variables of a line, at most LEDGER_LINE_VARS; returns how many, or
 * -1 if the line must be kept whole.
 */
int
ledger_line_scan(const char *line, uint32 len, LedgerLineVar *vars)
{
	int			longs[LEDGER_LINE_VARS];
	int			nlongs = 0;
	int			n = 0;
	uint32		from = 0;
	uint32		i = 0;

	if (len > LEDGER_LINE_MAX)
		return -1;
	while (i < len)
	{
		uint8		class = CLASS(line[i]);
		uint8		seen = 0;
		uint32		end = i;

		if (!(class & ALNUM))
		{
			if (class & CONTROL)
				return -1;
			i++;
			continue;
		}
		while (end < len && (CLASS(line[end]) & ALNUM))
			seen |= CLASS(line[end++]);
		if ((seen & DIGIT) || (end - i == 3 && (class & (UPPER | UPPER_HEX))))
		{
			if (n == LEDGER_LINE_VARS)
				return -1;
			if (scan_run(line, len, i, end, seen, from, &vars[n]))
			{
				find_same(line, vars, n, longs, &nlongs);
				end = from = vars[n].start + vars[n].len;
				n++;
			}
		}
		i = end;
	}
	return n;
}

/* The text of a number; returns its length, at most LEDGER_LINE_VAR_MAX. */
int
ledger_line_format(int kind, int parameter, uint64 value, char *dst)
{
	char	   *start = dst;
	int			n = 1;

	switch (kind)
	{
		case LEDGER_LINE_TIME:
			return format_time(patterns[parameter], value, dst);
		case LEDGER_LINE_FIXED:
			return put_digits(dst, value, parameter) - start;
		case LEDGER_LINE_ADDRESS:
			for (int shift = 24; shift >= 0; shift -= 8)
			{
				int			octet = (value >> shift) & 255;

				dst = put_digits(dst, octet, octet >= 100 ? 3 : octet >= 10 ? 2 : 1);
				if (shift > 0)
					*dst++ = '.';
			}
			return dst - start;
		default:
			break;
	}
	if ((int64) value < 0)
	{
		*dst++ = '-';
		value = 0 - value;
	}
	for (uint64 rest = value / 10; rest > 0; rest /= 10)
		n++;
	if (kind == LEDGER_LINE_INT)
		return put_digits(dst, value, n) - start;

	/* at least one digit before the point */
	n = Max(n, parameter + 1);
	dst = put_digits(dst, value, n);
	memmove(dst - parameter + 1, dst - parameter, parameter);
	dst[-parameter] = '.';
	return dst + 1 - start;
}

static inline uint8
digit_value(char c)
{
	return (c & 15) + (c >> 6) * 9;
}

/* Two digits a byte, of a variable of hexadecimal digits. */
void
ledger_line_pack(int kind, const char *text, int len, uint8 *packed)
{
	int			n = 0;

	memset(packed, 0, ledger_line_stride(kind, len));
	for (int i = 0; i < len; i++)
	{
		if (text[i] == '-')
			continue;
		packed[n / 2] |= digit_value(text[i]) << ((n & 1) ? 0 : 4);
		n++;
	}
}

/* The reverse; returns the length. */
int
ledger_line_unpack(int kind, int parameter, const uint8 *packed, char *dst)
{
	const char *digits = kind == LEDGER_LINE_UPPER_HEX ? "0123456789ABCDEF" : "0123456789abcdef";
	char	   *start = dst;
	int			n = kind == LEDGER_LINE_UUID ? 32 : parameter;

	for (int i = 0; i < n; i++)
	{
		if (kind == LEDGER_LINE_UUID && (i == 8 || i == 12 || i == 16 || i == 20))
			*dst++ = '-';
		*dst++ = digits[(i & 1) ? packed[i / 2] & 15 : packed[i / 2] >> 4];
	}
	return dst - start;
}
