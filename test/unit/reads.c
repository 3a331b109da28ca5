/*
 * reads.c
 *	  See reads.h.
 */
#include "reads.h"

#include "catalog/pg_type_d.h"
#include "codec/shred.h"
#include "json.h"

ReadsSeen	reads_seen;

#define KEYS_MAX	8

static bool
same_bytes(const char *a, size_t alen, const char *b, size_t blen)
{
	return alen == blen && (alen == 0 || memcmp(a, b, alen) == 0);
}

static LedgerBytes
text_bytes(Datum value)
{
	LedgerBytes bytes = {VARDATA_ANY(DatumGetPointer(value)), VARSIZE_ANY_EXHDR(DatumGetPointer(value))};

	return bytes;
}

/* ---- codes ---- */

static const char *
check_codes(LedgerChunk *chunk, const LedgerColumnInput *input)
{
	static uint32 codes[LEDGER_VECTOR_ROWS];
	uint32		n;
	Datum	   *values;

	if (!ledger_chunk_distinct(chunk, &n))
		return NULL;
	reads_seen.coded++;
	values = malloc(n * sizeof(Datum) + 1);
	ledger_chunk_distinct_values(chunk, 0, n, values);
	for (uint32 i = 1; i < Min(n, 200); i++)
		if (ledger_bytes_equal(ledger_datum_bytes(&input->type, values[i]),
							   ledger_datum_bytes(&input->type, values[RANDOM_BELOW(i)])))
			return "distinct values are not";
	for (int first = 0; first < input->nrows;)
	{
		int			left = Min(LEDGER_VECTOR_ROWS - first % LEDGER_VECTOR_ROWS, input->nrows - first);
		int			count = RANDOM_BELOW(2) ? left : 1 + RANDOM_BELOW(left);

		ledger_chunk_codes(chunk, first, count, codes);
		for (int i = 0; i < count; i++)
		{
			bool		isnull = codes[i] == LEDGER_CODE_NULL;

			if (!isnull && codes[i] >= n)
				return "code is out of range";
			if (!column_same(input, first + i, isnull ? (Datum) 0 : values[codes[i]], isnull))
				return "code is wrong";
			if (!isnull && chunk->encoding == LEDGER_ENC_DICTIONARY &&
				!ledger_chunk_may_have_code(chunk, first / LEDGER_VECTOR_ROWS, codes[i]))
				return "vector does not have a code that it has";
		}
		first += count;
	}
	for (int k = 0; k < 20 && n > 1; k++)
	{
		uint32		code = RANDOM_BELOW(n);
		uint32		found;
		LedgerBytes bytes = ledger_datum_bytes(&input->type, values[code]);
		char	   *other = malloc(bytes.len + 1);

		memcpy(other, bytes.data, bytes.len);
		other[bytes.len] = 'x';
		if (!ledger_chunk_find_code(chunk, bytes.data, bytes.len, &found) || found != code)
			return "code of a value is not found";
		reads_seen.excluded += chunk->encoding == LEDGER_ENC_DICTIONARY &&
			!ledger_chunk_may_have_code(chunk, RANDOM_BELOW(chunk->nvectors), code);
		if (ledger_chunk_find_code(chunk, other, bytes.len + 1, &found) &&
			!ledger_bytes_equal((LedgerBytes) {other, bytes.len + 1},
								ledger_datum_bytes(&input->type, values[found])))
			return "code of another value is found";
		if (bytes.len > 0)
			other[RANDOM_BELOW(bytes.len)] ^= 1 << RANDOM_BELOW(8);
		if (bytes.len > 0 && ledger_chunk_find_code(chunk, other, bytes.len, &found) &&
			!ledger_bytes_equal((LedgerBytes) {other, bytes.len},
								ledger_datum_bytes(&input->type, values[found])))
			return "code of a damaged value is found";
		free(other);
	}
	free(values);
	return NULL;
}

/* ---- templates ---- */

static bool
contains(LedgerBytes text, LedgerBytes part)
{
	return memmem(text.data, text.len, part.data, part.len) != NULL;
}

/* The same with letters of ASCII in either case */
static bool
contains_folded(LedgerBytes text, LedgerBytes part)
{
	for (Size start = 0; start + part.len <= text.len; start++)
	{
		Size		i = 0;

		while (i < part.len && pg_ascii_tolower((unsigned char) text.data[start + i]) ==
			   pg_ascii_tolower((unsigned char) part.data[i]))
			i++;
		if (i == part.len)
			return true;
	}
	return false;
}

static bool
is_ascii(LedgerBytes part)
{
	for (Size i = 0; i < part.len; i++)
		if (IS_HIGHBIT_SET(part.data[i]))
			return false;
	return true;
}

/* A part of a value, or the empty one. */
static LedgerBytes
some_part(const LedgerColumnInput *input)
{
	LedgerBytes part = {"", 0};
	int			row = RANDOM_BELOW(Max(input->nrows, 1));

	if (input->nrows == 0 || input->isnull[row])
		return part;
	part = ledger_datum_bytes(&input->type, input->values[row]);
	if (part.len > 1)
	{
		Size		skip = RANDOM_BELOW(part.len);
		Size		len = RANDOM_BELOW(12);

		part.data += skip;
		part.len = Min(part.len - skip, len);
	}
	return part;
}

static const char *
check_word(LedgerChunk *chunk, const LedgerColumnInput *input, LedgerBytes part)
{
	static uint32 templates[LEDGER_VECTOR_ROWS];
	int			n = ledger_chunk_templates(chunk);
	uint8	   *matches = malloc(n);
	uint8	   *folded = malloc(n);
	bool		ascii = is_ascii(part);

	for (int t = 0; t < n; t++)
	{
		matches[t] = ledger_chunk_template_contains(chunk, t, part.data, part.len, false);
		folded[t] = ascii ? ledger_chunk_template_contains(chunk, t, part.data, part.len, true) :
			LEDGER_MATCH_MAYBE;
		reads_seen.never += matches[t] == LEDGER_MATCH_NO;
		reads_seen.always += matches[t] == LEDGER_MATCH_YES;
	}
	for (int first = 0; first < input->nrows; first += LEDGER_VECTOR_ROWS)
	{
		int			count = Min(LEDGER_VECTOR_ROWS, input->nrows - first);

		ledger_chunk_template_codes(chunk, first, count, templates);
		for (int i = 0; i < count; i++)
		{
			LedgerBytes line;
			bool		there;

			if (input->isnull[first + i] != (templates[i] == LEDGER_CODE_NULL))
				return "template of a NULL";
			if (input->isnull[first + i])
				continue;
			line = ledger_datum_bytes(&input->type, input->values[first + i]);
			there = contains(line, part);
			if (matches[templates[i]] == (there ? LEDGER_MATCH_NO : LEDGER_MATCH_YES))
				return "template and line do not agree on a word";
			if (folded[templates[i]] == LEDGER_MATCH_NO && contains_folded(line, part))
				return "template and line do not agree on a word in either case";
		}
	}
	free(matches);
	free(folded);
	return NULL;
}

static const char *
check_templates(LedgerChunk *chunk, const LedgerColumnInput *input)
{
	const char *bad = NULL;

	if (ledger_chunk_templates(chunk) == 0)
		return NULL;
	reads_seen.lines++;
	for (int i = 0; i < 12 && bad == NULL; i++)
	{
		LedgerBytes part = some_part(input);
		char		room[16];

		memcpy(room, part.data, part.len);
		if (part.len > 0 && RANDOM_BELOW(3) == 0)
			room[RANDOM_BELOW(part.len)] = "0fF-. :xQ"[RANDOM_BELOW(9)];
		for (Size at = 0; at < part.len && i % 3 == 0; at++)
			if (isalpha((unsigned char) room[at]) && RANDOM_BELOW(2))
				room[at] ^= 'a' ^ 'A';
		part.data = room;
		bad = check_word(chunk, input, part);
	}
	return bad;
}

/* ---- tokens ---- */

static bool
token_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
		(uint8) c >= 128;
}

/* Cuts the text into tokens, and compares each. */
static bool
has_token(LedgerBytes text, LedgerBytes token)
{
	for (Size i = 0; i < text.len;)
	{
		Size		end = i;

		while (end < text.len && token_byte(text.data[end]))
			end++;
		if (end > i && same_bytes(text.data + i, end - i, token.data, token.len))
			return true;
		i = end + 1;
	}
	return false;
}

/* A token of the text, or something near it. */
static LedgerBytes
some_token(LedgerBytes text)
{
	LedgerBytes token = {"", 0};
	Size		at;

	if (text.len == 0)
		return token;
	at = RANDOM_BELOW(text.len);
	while (at < text.len && !token_byte(text.data[at]))
		at++;
	while (at > 0 && token_byte(text.data[at - 1]))
		at--;
	token.data = text.data + at;
	while (at + token.len < text.len && token_byte(text.data[at + token.len]))
		token.len++;
	if (token.len > 1 && RANDOM_BELOW(4) == 0)
		token.len--;
	return token;
}

static const char *
check_tokens(LedgerChunk *chunk, const LedgerColumnInput *input)
{
	int			wrong = 0;

	if (input->type.typid != TEXTOID)
		return ledger_chunk_has_tokens(chunk) ? "tokens of what is no text" : NULL;
	reads_seen.tokens += ledger_chunk_has_tokens(chunk);
	reads_seen.words += ledger_chunk_has_tokens(chunk) && chunk->token_words;
	for (int i = 0; i < Min(input->nrows, 400); i++)
	{
		int			row = RANDOM_BELOW(input->nrows);
		LedgerBytes text;
		LedgerBytes token;
		bool		there;

		if (input->isnull[row])
			continue;
		text = ledger_datum_bytes(&input->type, input->values[row]);
		token = some_token(text);
		there = has_token(text, token);
		if (ledger_has_token(text.data, text.len, token.data, token.len) != there)
			return "has_token is wrong";
		if (there && !ledger_chunk_may_have_token(chunk, token.data, token.len))
			return "token is missing from the filter";
	}
	if (ledger_chunk_may_have_token(chunk, "", 0) || ledger_chunk_may_have_token(chunk, "a b", 3))
		return "what is no token may be there";
	if (!ledger_chunk_has_tokens(chunk))
		return NULL;
	for (int i = 0; i < 2000; i++)
	{
		char		room[9];

		for (int k = 0; k < 9; k++)
			room[k] = 'G' + RANDOM_BELOW(20);
		wrong += ledger_chunk_may_have_token(chunk, room, 9);
	}
	return wrong < 100 ? NULL : "tokens that are not there seem to be";
}

const char *
reads_check_column(LedgerChunk *chunk, const LedgerColumnInput *input)
{
	const char *bad = check_codes(chunk, input);

	if (bad == NULL)
		bad = check_templates(chunk, input);
	if (bad == NULL)
		bad = check_tokens(chunk, input);
	return bad;
}

/* ---- paths ---- */

typedef struct TestPath
{
	int			nkeys;
	const char *keys[KEYS_MAX];
	size_t		lens[KEYS_MAX];
	LedgerPathKey arg[KEYS_MAX];
} TestPath;

/* A path of a document of the column, or, at times, one that is in none. */
static void
some_path(const LedgerColumnInput *input, TestPath *path)
{
	const char *jsonb = NULL;
	size_t		start = 0;

	path->nkeys = 0;
	for (int i = 0; i < 20 && jsonb == NULL; i++)
	{
		int			row = RANDOM_BELOW(input->nrows);

		if (!input->isnull[row])
			jsonb = ledger_datum_bytes(&input->type, input->values[row]).data;
	}
	while (jsonb != NULL && path->nkeys < KEYS_MAX - 1)
	{
		int			k = path->nkeys;
		int			n = 0;
		JsonValue	value;

		while (json_key(jsonb, start, n, &path->keys[k], &path->lens[k]))
			n++;
		if (n == 0 || !json_key(jsonb, start, RANDOM_BELOW(n), &path->keys[k], &path->lens[k]))
			break;
		path->nkeys++;
		json_get(jsonb, path->keys, path->lens, path->nkeys, &value);
		free(value.text);
		if (value.kind != JSON_OBJECT)
			break;
		start = value.start;
	}
	if (path->nkeys == 0 || RANDOM_BELOW(6) == 0)
	{
		path->keys[path->nkeys] = (const char *[]) {"", "a", "nope", "text"}[RANDOM_BELOW(4)];
		path->lens[path->nkeys] = strlen(path->keys[path->nkeys]);
		path->nkeys++;
	}
	for (int k = 0; k < path->nkeys; k++)
	{
		path->arg[k].data = path->keys[k];
		path->arg[k].len = path->lens[k];
	}
}

/* A scalar as jsonb, by the maker of JSON. */
static size_t
scalar_jsonb(const JsonValue *value, char **jsonb)
{
	char	   *json = malloc(2 * value->text_len + 8);
	size_t		n = 0;
	size_t		len;

	if (value->kind == JSON_STRING)
	{
		json[n++] = '"';
		for (size_t i = 0; i < value->text_len; i++)
		{
			if (value->text[i] == '"' || value->text[i] == '\\')
				json[n++] = '\\';
			json[n++] = value->text[i];
		}
		json[n++] = '"';
	}
	else if (value->kind == JSON_NULL)
		n = sprintf(json, "null");
	else
	{
		memcpy(json, value->text, value->text_len);
		n = value->text_len;
	}
	json[n] = '\0';
	*jsonb = malloc(8 * n + 64);
	len = json_make(json, *jsonb);
	free(json);
	return len;
}

static bool
form_right(LedgerPathForm form, const JsonValue *expected, Datum value)
{
	LedgerBytes got = text_bytes(value);
	char	   *jsonb;
	size_t		len;
	bool		same;

	if (value != MAXALIGN(value) || !VARATT_IS_4B_U(DatumGetPointer(value)))
		return false;
	if (form == LEDGER_PATH_AS_TEXT)
		return same_bytes(got.data, got.len, expected->text, expected->text_len);
	len = scalar_jsonb(expected, &jsonb);
	if (form == LEDGER_PATH_AS_JSONB)
		same = same_bytes(got.data, got.len, jsonb, len);
	else
		/* after header, JEntry and the numeric's own header */
		same = same_bytes(got.data, got.len, jsonb + 12, len - 12);
	free(jsonb);
	return same;
}

/* A state and value against what they should be. */
static const char *
value_right(LedgerPathForm form, const JsonValue *expected, int state, Datum value)
{
	bool		scalar = expected->kind >= JSON_STRING && expected->kind <= JSON_BOOL;

	switch (state)
	{
		case LEDGER_PATH_IS_NULL:
			return expected->kind == JSON_ABSENT ||
				(expected->kind == JSON_NULL && form != LEDGER_PATH_AS_JSONB) ? NULL : "a value is NULL";
		case LEDGER_PATH_IS_VALUE:
			reads_seen.values++;
			if (!scalar && !(expected->kind == JSON_NULL && form == LEDGER_PATH_AS_JSONB))
				return "a value is there";
			if (form == LEDGER_PATH_AS_NUMERIC && expected->kind != JSON_NUMBER)
				return "a numeric is there";
			return form_right(form, expected, value) ? NULL : "a value is wrong";
		case LEDGER_PATH_IS_OTHER:
			return form == LEDGER_PATH_AS_NUMERIC &&
				(expected->kind == JSON_STRING || expected->kind == JSON_BOOL) ? NULL : "a value is OTHER";
		default:
			reads_seen.documents += scalar;
			return NULL;
	}
}

/* Is it a number of at most 15 digits, all in all? */
static bool
is_small(const JsonValue *v)
{
	size_t		digits = 0;

	for (size_t i = 0; i < v->text_len; i++)
		digits += v->text[i] >= '0' && v->text[i] <= '9';
	return v->kind == JSON_NUMBER && digits <= 15;
}

/* Does the path have numbers that have no scale in common? */
static bool
has_numerics(const LedgerPathInfo *info)
{
	for (int b = 0; b < info->nbranches; b++)
		if (info->branches[b].class == LEDGER_PATH_NUMERIC)
			return true;
	return false;
}

static const char *
number_right(const LedgerPathInfo *info, const JsonValue *expected, int state, int64 number, int scale)
{
	char		text[64];
	int			n = 0;
	char		digits[32];

	switch (state)
	{
		case LEDGER_PATH_IS_NULL:
			return expected->kind == JSON_ABSENT || expected->kind == JSON_NULL ? NULL : "a number is NULL";
		case LEDGER_PATH_IS_OTHER:
			return (is_small(expected) && !has_numerics(info)) || expected->kind < JSON_STRING || expected->kind > JSON_BOOL ?
				"a number is OTHER" : NULL;
		case LEDGER_PATH_IS_DOCUMENT:
			return NULL;
	}
	snprintf(digits, sizeof(digits), "%0*lld", scale + 1, (long long) (number < 0 ? -number : number));
	n = sprintf(text, "%s%.*s", number < 0 ? "-" : "", (int) strlen(digits) - scale, digits);
	if (scale > 0)
		n += sprintf(text + n, ".%s", digits + strlen(digits) - scale);
	return expected->kind == JSON_NUMBER && same_bytes(text, n, expected->text, expected->text_len) ?
		NULL : "a number is wrong";
}

/* Rows first .. first + count - 1 of one path; expected[i] is row first + i's. */
static const char *
check_path_rows(LedgerChunk *chunk, LedgerPath *path, const LedgerPathInfo *info,
				const LedgerColumnInput *columns, int self, int first, int count,
				const JsonValue *expected)
{
	static Datum values[LEDGER_VECTOR_ROWS];
	static uint8 states[LEDGER_VECTOR_ROWS];
	static uint8 scales[LEDGER_VECTOR_ROWS];
	static int64 numbers[LEDGER_VECTOR_ROWS];
	static uint16 branches[LEDGER_VECTOR_ROWS];
	static uint32 positions[LEDGER_VECTOR_ROWS];
	static bool wanted[LEDGER_VECTOR_ROWS];
	LedgerDecoded decoded[LEDGER_ROWREF_COLUMNS] = {{0}};
	const bool *which = RANDOM_BELOW(2) ? wanted : NULL;
	int			share = 1 + RANDOM_BELOW(100);
	const int  *refs;
	int			nrefs = ledger_chunk_references(chunk, &refs);
	const char *bad = NULL;

	for (int k = 0; k < nrefs; k++)
	{
		/* only those that are needed are there */
		if (!(info->references & (1u << k)))
			continue;
		decoded[k].values = columns[refs[k]].values + first;
		decoded[k].isnull = columns[refs[k]].isnull + first;
	}
	for (int i = 0; i < count; i++)
		wanted[i] = RANDOM_BELOW(share) == 0;
	for (int form = LEDGER_PATH_AS_TEXT; form <= LEDGER_PATH_AS_NUMERIC && bad == NULL; form++)
	{
		memset(values, 0x7F, sizeof(values));
		ledger_path_decode(path, form, first, count, which, decoded, values, states);
		for (int i = 0; i < count && bad == NULL; i++)
		{
			/* references of the tests' columns may have a short header */
			if (which && !which[i])
				continue;
			if (states[i] == LEDGER_PATH_IS_DOCUMENT && !info->documents)
				return "documents were not announced";
			if (form == LEDGER_PATH_AS_TEXT && states[i] == LEDGER_PATH_IS_VALUE && info->references &&
				expected[i].kind == JSON_STRING &&
				!VARATT_IS_4B_U(DatumGetPointer(values[i])))
			{
				LedgerBytes got = text_bytes(values[i]);

				bad = same_bytes(got.data, got.len, expected[i].text, expected[i].text_len) ?
					NULL : "a reference is wrong";
			}
			else if (form == LEDGER_PATH_AS_TEXT && states[i] == LEDGER_PATH_IS_VALUE &&
					 info->references && values[i] != MAXALIGN(values[i]))
				bad = "a value is not aligned";
			else
				bad = value_right(form, &expected[i], states[i], values[i]);
		}
	}
	if (bad)
		return bad;
	ledger_path_numbers(path, first, count, which, numbers, RANDOM_BELOW(2) || info->scale < 0 ? scales : NULL, states);
	if (info->scale >= 0)
		memset(scales, info->scale, sizeof(scales));
	for (int i = 0; i < count && bad == NULL; i++)
		if (which == NULL || which[i])
			bad = number_right(info, &expected[i], states[i], numbers[i], scales[i]);
	if (bad)
		return bad;
	ledger_path_locate(path, first, count, branches, RANDOM_BELOW(2) ? positions : NULL);
	for (int i = 0; i < count; i++)
	{
		const LedgerPathBranch *branch = &info->branches[branches[i]];

		if (branches[i] >= info->nbranches)
			return "no such branch";
		if (expected[i].kind != JSON_ABSENT && !info->occurs)
			return "a path that does not occur";
		if (branch->kind == LEDGER_PATH_DOCUMENT)
			continue;
		if ((branch->kind == LEDGER_PATH_ABSENT) != (expected[i].kind == JSON_ABSENT) ||
			(branch->kind == LEDGER_PATH_NULL) != (expected[i].kind == JSON_NULL) ||
			(branch->class == LEDGER_PATH_STRING) != (expected[i].kind == JSON_STRING) ||
			(branch->class == LEDGER_PATH_BOOL) != (expected[i].kind == JSON_BOOL))
			return "branch is of the wrong kind";
	}
	return NULL;
}

static const char *
check_path_exists(LedgerPath *path, const LedgerColumnInput *input, const TestPath *test, int first,
				  int count)
{
	static uint8 states[LEDGER_VECTOR_ROWS];

	ledger_path_exists(path, first, count, states);
	for (int i = 0; i < count; i++)
	{
		int			expected = -1;
		int			said = states[i] == LEDGER_PATH_EXISTS_NULL ? -1 : states[i] == LEDGER_PATH_EXISTS_YES;

		if (!input->isnull[first + i])
			expected = json_exists(ledger_datum_bytes(&input->type, input->values[first + i]).data,
								   test->keys, test->lens, test->nkeys);
		if (states[i] != LEDGER_PATH_EXISTS_DOCUMENT && expected != -2 && said != expected)
			return "existence of a key is wrong";
		if (!ledger_path_may_exist(path) &&
			(states[i] == LEDGER_PATH_EXISTS_YES || states[i] == LEDGER_PATH_EXISTS_DOCUMENT))
			return "a key is there that could not be";
		reads_seen.exists += states[i] == LEDGER_PATH_EXISTS_YES;
	}
	return NULL;
}

static const char *
check_path_codes(LedgerPath *path, int first, int count, const JsonValue *expected)
{
	static uint32 codes[LEDGER_VECTOR_ROWS];
	uint32		n;
	Datum	   *values;
	const char *bad = NULL;

	if (!ledger_path_distinct(path, &n))
		n = 0;
	values = malloc(n * sizeof(Datum) + 1);
	/* in two parts, as they may be many */
	ledger_path_distinct_values(path, 0, n / 2, values);
	ledger_path_distinct_values(path, n / 2, n - n / 2, values + n / 2);
	ledger_path_codes(path, first, count, codes);
	for (int i = 0; i < count && bad == NULL; i++)
	{
		bool		isnull = expected[i].kind == JSON_ABSENT || expected[i].kind == JSON_NULL;

		if (codes[i] == LEDGER_CODE_OTHER)
		{
			if (!ledger_path_has_other(path))
				bad = "a row has no code, though all have";
			continue;
		}
		if (isnull != (codes[i] == LEDGER_CODE_NULL))
			bad = "code of a NULL";
		else if (!isnull)
		{
			LedgerBytes text;

			reads_seen.path_codes++;
			if (codes[i] >= n)
				return "code of a path is out of range";
			text = text_bytes(values[codes[i]]);
			if (!same_bytes(text.data, text.len, expected[i].text, expected[i].text_len))
				bad = "code of a path is wrong";
		}
	}
	free(values);
	return bad;
}

static const char *
check_path_tokens(LedgerPath *path, int count, const JsonValue *expected)
{
	for (int i = 0; i < count; i += 1 + RANDOM_BELOW(20))
	{
		LedgerBytes text = {expected[i].text, expected[i].text_len};
		LedgerBytes token = some_token(text);

		if (has_token(text, token) && !ledger_path_may_have_token(path, token.data, token.len))
			return "a path's token is missing";
	}
	return NULL;
}

static const char *
check_path(LedgerChunk *chunk, const LedgerColumnInput *columns, int self, const TestPath *test)
{
	static JsonValue expected[LEDGER_VECTOR_ROWS];
	const LedgerColumnInput *input = &columns[self];
	LedgerPath *path = ledger_chunk_path_open(chunk, test->arg, test->nkeys, NULL);
	LedgerPathInfo info;
	const char *bad = NULL;

	reads_seen.paths++;
	ledger_path_info(path, &info);
	for (int first = 0; first < input->nrows && bad == NULL;)
	{
		int			left = Min(LEDGER_VECTOR_ROWS - first % LEDGER_VECTOR_ROWS, input->nrows - first);
		int			count = RANDOM_BELOW(3) ? left : 1 + RANDOM_BELOW(left);

		for (int i = 0; i < count; i++)
		{
			memset(&expected[i], 0, sizeof(JsonValue));
			if (!input->isnull[first + i])
				json_get(ledger_datum_bytes(&input->type, input->values[first + i]).data, test->keys,
						 test->lens, test->nkeys, &expected[i]);
		}
		bad = check_path_rows(chunk, path, &info, columns, self, first, count, expected);
		if (bad == NULL)
			bad = check_path_exists(path, input, test, first, count);
		if (bad == NULL)
			bad = check_path_codes(path, first, count, expected);
		if (bad == NULL)
			bad = check_path_tokens(path, count, expected);
		for (int i = 0; i < count; i++)
			free(expected[i].text);
		first += count;
	}
	return bad;
}

const char *
reads_check_paths(LedgerChunk *chunk, const LedgerColumnInput *columns, int self)
{
	const char *bad = NULL;

	for (int i = 0; i < (columns[self].nrows > 2000 ? 3 : 8) && bad == NULL && columns[self].nrows > 0; i++)
	{
		TestPath	test;

		some_path(&columns[self], &test);
		if (chunk->shred == NULL)
			return ledger_chunk_path_open(chunk, test.arg, test.nkeys, NULL) ? "path of what is not shredded" : NULL;
		bad = check_path(chunk, columns, self, &test);
	}
	return bad;
}

/* ---- fuzzing ---- */

static volatile uint8 exercised;

static void
look_at(Datum value)
{
	LedgerBytes bytes = text_bytes(value);
	uint8		sum = 0;

	for (Size i = 0; i < bytes.len; i++)
		sum += bytes.data[i];
	exercised += sum;
}

static void
exercise_chunk(LedgerChunk *chunk, int first, int count)
{
	static uint32 codes[LEDGER_VECTOR_ROWS];
	static Datum values[64];
	uint32		n;

	if (ledger_chunk_distinct(chunk, &n))
	{
		uint32		some = Min(n, 64);

		ledger_chunk_distinct_values(chunk, n - some, some, values);
		for (uint32 i = 0; i < some; i++)
			if (chunk->type.attlen == -1)
				look_at(values[i]);
		ledger_chunk_codes(chunk, first, count, codes);
		(void) ledger_chunk_zones(chunk);
		if (chunk->encoding == LEDGER_ENC_DICTIONARY)
		{
			if (some > 0)
			{
				LedgerBytes bytes = ledger_datum_bytes(&chunk->type, values[0]);

				(void) ledger_chunk_find_code(chunk, bytes.data, bytes.len, &n);
			}
			(void) ledger_chunk_find_code(chunk, "0123456789abcdef", 1 + RANDOM_BELOW(16), &n);
			(void) ledger_chunk_may_have_code(chunk, first / LEDGER_VECTOR_ROWS, some / 2);
		}
	}
	if (ledger_chunk_templates(chunk) > 0)
	{
		for (int t = 0; t < Min(ledger_chunk_templates(chunk), 20); t++)
			(void) ledger_chunk_template_contains(chunk, t, "12 f", 4, t % 2 == 0);
		ledger_chunk_template_codes(chunk, first, count, codes);
	}
	(void) ledger_chunk_may_have_token(chunk, "refund", 6);
}

static void
exercise_path(LedgerPath *path, int first, int count, const LedgerDecoded *references)
{
	static Datum values[LEDGER_VECTOR_ROWS];
	static uint8 states[LEDGER_VECTOR_ROWS];
	static uint8 scales[LEDGER_VECTOR_ROWS];
	static int64 numbers[LEDGER_VECTOR_ROWS];
	static uint32 codes[LEDGER_VECTOR_ROWS];
	uint32		n;

	for (int form = LEDGER_PATH_AS_TEXT; form <= LEDGER_PATH_AS_NUMERIC; form++)
	{
		ledger_path_decode(path, form, first, count, NULL, references, values, states);
		for (int i = 0; i < count; i++)
			if (states[i] == LEDGER_PATH_IS_VALUE)
				look_at(values[i]);
	}
	ledger_path_numbers(path, first, count, NULL, numbers, scales, states);
	ledger_path_exists(path, first, count, states);
	if (ledger_path_distinct(path, &n))
	{
		ledger_path_distinct_values(path, 0, Min(n, 64), values);
		ledger_path_codes(path, first, count, codes);
	}
	(void) ledger_path_may_have_token(path, "refund", 6);
}

void
reads_exercise(LedgerChunk *chunk, int first, int count, const LedgerDecoded *references)
{
	const LedgerShredCatalog *catalog;

	exercise_chunk(chunk, first, count);
	if (chunk->shred == NULL)
		return;
	catalog = ledger_shred_catalog(chunk->shred);
	for (int k = 0; k < Min(catalog->nkeysets, 6); k++)
	{
		const LedgerKeyset *keyset = &catalog->keysets[k];
		LedgerPathKey keys[2];

		keys[0].data = keyset->bytes + keyset->head_len;
		for (uint32 i = 0; i < Min(keyset->nkeys, 4); i++)
		{
			uint32		entry;

			memcpy(&entry, keyset->bytes + 4 + 4 * i, 4);
			keys[0].len = entry & 0x0FFFFFFF;
			if (i == 0 || keys[0].len < keyset->keys_len)
			{
				LedgerPath *path;

				/* the first key's entry has its end, the others' their length */
				if (keys[0].data + keys[0].len > keyset->bytes + keyset->head_len + keyset->keys_len)
					break;
				path = ledger_chunk_path_open(chunk, keys, 1, NULL);
				exercise_path(path, first, count, references);
				keys[1] = keys[0];
				path = ledger_chunk_path_open(chunk, keys, 2, NULL);
				exercise_path(path, first, count, references);
			}
			keys[0].data += keys[0].len;
		}
	}
}
