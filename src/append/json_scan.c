/*-------------------------------------------------------------------------
 *
 * json_scan.c
 *	  Find the fields of a JSON object in text, without making it jsonb.
 *
 * Most of a log line is plain strings that go to text columns; parsing the
 * line to jsonb, only to take it apart again, was most of append_ndjson's
 * time.  This scanner accepts only what it knows to be right: a line that it
 * refuses, and a value that it calls APPEND_JSON_OTHER, go to the server's own
 * parser, which then is who complains.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/append.h"

static const char *skip_space(const char *at, const char *end);
static const char *scan_string(const char *at, const char *end, bool *plain);
static const char *skip_plain(const char *at, const char *end);
static const char *scan_value(const char *at, const char *end,
							  AppendJsonToken *value);
static const char *scan_nested(const char *at, const char *end);
static const char *scan_bare(const char *at, const char *end,
							 AppendJsonToken *value);
static bool is_word(AppendJsonToken *value, const char *word);


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
		if ((((quote - ones) & ~quote) |
			 ((backslash - ones) & ~backslash) |
			 ((word - ones * ' ') & ~word)) & (ones * 0x80))
			break;
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
	else if (digits == value->len && (digits == 1 || *value->start != '0'))
		value->kind = APPEND_JSON_LITERAL;
	return at;
}

static bool
is_word(AppendJsonToken *value, const char *word)
{
	return value->len == strlen(word) && memcmp(value->start, word, value->len) == 0;
}
