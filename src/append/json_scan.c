/*-------------------------------------------------------------------------
 *
 * json_scan.c
 *	  Find the fields of a JSON object in text, without making it jsonb; make
 *	  jsonb of what goes to a jsonb column.
 *
 * Most of a log line is plain strings that go to text columns; parsing the
 * line to jsonb, only to take it apart again, was most of append_ndjson's
 * time, and the server's parser, which goes byte by byte, most of what was
 * left.  This scanner accepts only what it knows to be right: a line or value
 * that it refuses, and a value that it calls APPEND_JSON_OTHER, go to the
 * server's own parser, which then is who complains.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/append.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

/* So many digits fit in an int64, whatever they are. */
#define INT64_SAFE_DIGITS	18

/* No number of so many digits is too large for numeric, as jsonb has them. */
#define PLAIN_DIGITS_MAX	1000

/* A longer string is not allowed in jsonb. */
#define MAX_JSONB_STRING	JENTRY_OFFLENMASK

static const char *skip_space(const char *at, const char *end);
static const char *scan_string(const char *at, const char *end, bool *plain);
static const char *skip_plain(const char *at, const char *end);
static const char *scan_value(const char *at, const char *end,
							  AppendJsonToken *value);
static const char *scan_nested(const char *at, const char *end);
static const char *scan_bare(const char *at, const char *end,
							 AppendJsonToken *value);
static bool is_word(AppendJsonToken *value, const char *word);
static const char *build_value(const char *at, const char *end, JsonbParseState **state,
							   JsonbIteratorToken role, JsonbValue **container);
static const char *build_object(const char *at, const char *end, JsonbParseState **state,
								JsonbValue **container);
static const char *build_array(const char *at, const char *end, JsonbParseState **state,
							   JsonbValue **container);
static const char *build_string(const char *at, const char *end, JsonbValue *value);
static char *unescape(const char *text, int len, int *result_len);
static int64 digits_value(const char *text, int len);
static const char *build_bare(const char *at, const char *end, JsonbValue *value);
static bool is_number(const char *text, int len, bool *integer);


/* Start on an object; false if the text is none that this scanner can tell. */
bool
json_scan_begin(AppendJsonScan *scan, const char *text, int len)
{
	scan->end = text + len;
	scan->at = skip_space(text, scan->end);
	scan->first = true;
	if (scan->at >= scan->end || *scan->at != '{')
		return false;
	scan->at++;
	return true;
}

/*
 * The next field.  At the end *done is set, and nothing follows the object.
 * False: the server's parser has to look.
 */
bool
json_scan_next(AppendJsonScan *scan, AppendJsonToken *key,
			   AppendJsonToken *value, bool *done)
{
	const char *end = scan->end;
	const char *at = skip_space(scan->at, end);
	bool		plain;

	*done = at < end && *at == '}' && scan->first;
	if (!scan->first && at < end)
	{
		if (*at == '}')
			*done = true;
		else if (*at == ',')
			at = skip_space(at + 1, end);
		else
			return false;
	}
	if (*done)
		return skip_space(at + 1, end) == end;
	scan->first = false;

	if (at >= end || *at != '"')
		return false;
	key->start = at + 1;
	at = scan_string(at, end, &plain);
	if (at == NULL || !plain)
		return false;
	key->len = at - 1 - key->start;

	at = skip_space(at, end);
	if (at >= end || *at != ':')
		return false;
	at = skip_space(at + 1, end);
	scan->at = scan_value(at, end, value);
	return scan->at != NULL;
}

static const char *
skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
		at++;
	return at;
}

/*
 * From the opening quote to past the closing one; NULL if there is none.
 * Plain: without escapes, and without characters that need one.
 */
static const char *
scan_string(const char *at, const char *end, bool *plain)
{
	*plain = true;
	for (at = skip_plain(at + 1, end); at < end; at = skip_plain(at + 1, end))
	{
		if (*at == '"')
			return at + 1;
		*plain = false;
		if (*at == '\\')
			at++;
	}
	return NULL;
}

/*
 * To the next quote, backslash or control character, eight bytes at a time: a
 * byte of the word is such a one if the high bit of that byte comes out set.
 * (A borrow may set it wrongly, but only in bytes above the lowest that is one.)
 */
static const char *
skip_plain(const char *at, const char *end)
{
	const uint64 ones = UINT64CONST(0x0101010101010101);
	uint64		word;

	for (; end - at >= (ptrdiff_t) sizeof(word); at += sizeof(word))
	{
		uint64		quote;
		uint64		backslash;

		memcpy(&word, at, sizeof(word));
		quote = word ^ (ones * '"');
		backslash = word ^ (ones * '\\');
		word = ((quote - ones) & ~quote) |
			((backslash - ones) & ~backslash) |
			((word - ones * ' ') & ~word);
		word &= ones * 0x80;
		if (word == 0)
			continue;
#ifdef WORDS_BIGENDIAN
		break;
#else
		return at + pg_rightmost_one_pos64(word) / 8;
#endif
	}
	while (at < end && *at != '"' && *at != '\\' && (unsigned char) *at >= ' ')
		at++;
	return at;
}

/* To past the value, or NULL */
static const char *
scan_value(const char *at, const char *end, AppendJsonToken *value)
{
	bool		plain;

	value->start = at;
	value->kind = APPEND_JSON_OTHER;
	if (at >= end)
		return NULL;
	if (*at == '"')
	{
		at = scan_string(at, end, &plain);
		if (at != NULL && plain)
			value->kind = APPEND_JSON_STRING;
	}
	else if (*at == '{' || *at == '[')
		at = scan_nested(at, end);
	else
		return scan_bare(at, end, value);
	if (at != NULL)
		value->len = at - value->start;
	return at;
}

/* To past the end of an object or array, whose inside is not judged here */
static const char *
scan_nested(const char *at, const char *end)
{
	int			depth = 0;
	bool		plain;

	while (at < end)
	{
		switch (*at)
		{
			case '"':
				at = scan_string(at, end, &plain);
				if (at == NULL)
					return NULL;
				continue;
			case '{':
			case '[':
				depth++;
				break;
			case '}':
			case ']':
				if (--depth == 0)
					return at + 1;
				break;
		}
		at++;
	}
	return NULL;
}

/* A number, true, false or null */
static const char *
scan_bare(const char *at, const char *end, AppendJsonToken *value)
{
	int			digits = 0;

	while (at < end && ((*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') ||
						*at == '-' || *at == '+' || *at == '.' || *at == 'E'))
	{
		if (*at >= '0' && *at <= '9')
			digits++;
		at++;
	}
	value->len = at - value->start;

	if (value->len == 0)
		return NULL;
	if (is_word(value, "null"))
		value->kind = APPEND_JSON_NULL;
	else if (is_word(value, "true") || is_word(value, "false"))
		value->kind = APPEND_JSON_LITERAL;
	else if (digits == value->len && digits <= PLAIN_DIGITS_MAX &&
			 (digits == 1 || *value->start != '0'))
		value->kind = APPEND_JSON_LITERAL;
	return at;
}

static bool
is_word(AppendJsonToken *value, const char *word)
{
	return value->len == strlen(word) && memcmp(value->start, word, value->len) == 0;
}

/*
 * The jsonb of an object or array, or NULL if the server's parser has to look.
 */
Jsonb *
json_scan_jsonb(const char *text, int len)
{
	const char *end = text + len;
	const char *at = skip_space(text, end);
	JsonbParseState *state = NULL;
	JsonbValue *container = NULL;

	if (at >= end || (*at != '{' && *at != '['))
		return NULL;
	at = build_value(at, end, &state, WJB_ELEM, &container);
	if (at == NULL || skip_space(at, end) != end)
		return NULL;
	return JsonbValueToJsonb(container);
}

/*
 * Push the value that begins here, as what "role" says; an object or array
 * becomes *container, too.  Returns where it ends, or NULL.
 */
static const char *
build_value(const char *at, const char *end, JsonbParseState **state,
			JsonbIteratorToken role, JsonbValue **container)
{
	JsonbValue	value;

	if (at >= end)
		return NULL;
	if (*at == '{')
		return build_object(at, end, state, container);
	if (*at == '[')
		return build_array(at, end, state, container);
	at = *at == '"' ? build_string(at, end, &value) : build_bare(at, end, &value);
	if (at != NULL)
		pushJsonbValue(state, role, &value);
	return at;
}

static const char *
build_object(const char *at, const char *end, JsonbParseState **state,
			 JsonbValue **container)
{
	check_stack_depth();
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	at = skip_space(at + 1, end);
	if (at < end && *at == '}')
	{
		*container = pushJsonbValue(state, WJB_END_OBJECT, NULL);
		return at + 1;
	}
	for (;;)
	{
		JsonbValue	key;

		if (at >= end || *at != '"' || (at = build_string(at, end, &key)) == NULL)
			return NULL;
		pushJsonbValue(state, WJB_KEY, &key);
		at = skip_space(at, end);
		if (at >= end || *at != ':')
			return NULL;
		at = build_value(skip_space(at + 1, end), end, state, WJB_VALUE, container);
		if (at == NULL)
			return NULL;
		at = skip_space(at, end);
		if (at >= end || (*at != ',' && *at != '}'))
			return NULL;
		if (*at == '}')
			break;
		at = skip_space(at + 1, end);
	}
	*container = pushJsonbValue(state, WJB_END_OBJECT, NULL);
	return at + 1;
}

static const char *
build_array(const char *at, const char *end, JsonbParseState **state,
			JsonbValue **container)
{
	check_stack_depth();
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	at = skip_space(at + 1, end);
	if (at < end && *at == ']')
	{
		*container = pushJsonbValue(state, WJB_END_ARRAY, NULL);
		return at + 1;
	}
	for (;;)
	{
		at = build_value(at, end, state, WJB_ELEM, container);
		if (at == NULL)
			return NULL;
		at = skip_space(at, end);
		if (at >= end || (*at != ',' && *at != ']'))
			return NULL;
		if (*at == ']')
			break;
		at = skip_space(at + 1, end);
	}
	*container = pushJsonbValue(state, WJB_END_ARRAY, NULL);
	return at + 1;
}

/* The value points into the text, unless there are escapes in it. */
static const char *
build_string(const char *at, const char *end, JsonbValue *value)
{
	const char *start = at + 1;
	bool		plain;
	int			len;

	at = scan_string(at, end, &plain);
	if (at == NULL || at - 1 - start > MAX_JSONB_STRING)
		return NULL;
	len = at - 1 - start;
	value->type = jbvString;
	value->val.string.val = unconstify(char *, start);
	value->val.string.len = len;
	if (!plain)
	{
		value->val.string.val = unescape(start, len, &value->val.string.len);
		if (value->val.string.val == NULL)
			return NULL;
	}
	return at;
}

/* Resolve the simple escapes; NULL if there are others, or none are allowed. */
static char *
unescape(const char *text, int len, int *result_len)
{
	static const char escapes[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	char	   *result = palloc(len);
	char	   *to = result;

	for (int i = 0; i < len; i++)
	{
		char		c = text[i];

		if ((unsigned char) c < ' ')
			return NULL;
		if (c == '\\')
		{
			/* scan_string() has seen that something follows */
			const char *escape = memchr(escapes, text[++i], sizeof(escapes) - 1);

			if (escape == NULL)
				return NULL;
			c = meanings[escape - escapes];
		}
		*to++ = c;
	}
	*result_len = to - result;
	return result;
}

/* What digits stand for, after a sign or none; the text may end after them. */
static int64
digits_value(const char *text, int len)
{
	bool		negative = *text == '-';
	int64		result = 0;

	for (int i = negative ? 1 : 0; i < len; i++)
		result = result * 10 + (text[i] - '0');
	return negative ? -result : result;
}

/* A number, true, false or null */
static const char *
build_bare(const char *at, const char *end, JsonbValue *value)
{
	AppendJsonToken token;
	bool		integer;

	token.start = at;
	at = scan_bare(at, end, &token);
	if (at == NULL)
		return NULL;
	if (is_word(&token, "null"))
		value->type = jbvNull;
	else if (is_word(&token, "true") || is_word(&token, "false"))
	{
		value->type = jbvBool;
		value->val.boolean = *token.start == 't';
	}
	else
	{
		if (!is_number(token.start, token.len, &integer))
			return NULL;
		value->type = jbvNumeric;
		if (integer && token.len <= INT64_SAFE_DIGITS)
			value->val.numeric = int64_to_numeric(digits_value(token.start, token.len));
		else
			value->val.numeric =
				DatumGetNumeric(DirectFunctionCall3(numeric_in,
													CStringGetDatum(pnstrdup(token.start, token.len)),
													ObjectIdGetDatum(InvalidOid),
													Int32GetDatum(-1)));
	}
	return at;
}

/* Whether the text is a number as JSON has them; all of it. */
static bool
is_number(const char *text, int len, bool *integer)
{
	int			i = 0;
	int			start;

#define SKIP_DIGITS() \
	for (start = i; i < len && text[i] >= '0' && text[i] <= '9'; i++)
	if (i < len && text[i] == '-')
		i++;
	SKIP_DIGITS();
	if (i == start || (text[start] == '0' && i > start + 1))
		return false;
	*integer = i == len;
	if (i < len && text[i] == '.')
	{
		i++;
		SKIP_DIGITS();
		if (i == start)
			return false;
	}
	if (i < len && (text[i] == 'e' || text[i] == 'E'))
	{
		i++;
		if (i < len && (text[i] == '+' || text[i] == '-'))
			i++;
		SKIP_DIGITS();
		if (i == start)
			return false;
	}
#undef SKIP_DIGITS
	return i == len;
}
