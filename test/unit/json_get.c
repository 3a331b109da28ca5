/*
 * json_get.c
 *	  See json.h.  Like json.c, written after the server's headers only.
 */
#include "json.h"

#include "utils/jsonb.h"

static uint32
word(const char *p)
{
	uint32		w;

	memcpy(&w, p, 4);
	return w;
}

/* Child number i of the container at "start": where its bytes are. */
static JsonValue
child(const char *jsonb, size_t start, uint32 i)
{
	uint32		header = word(jsonb + start);
	uint32		n = (header & JB_CMASK) * (header & JB_FOBJECT ? 2 : 1);
	size_t		from = 0;
	size_t		to = 0;
	uint32		entry = 0;
	JsonValue	v = {JSON_ABSENT};

	for (uint32 k = 0; k <= i; k++)
	{
		entry = word(jsonb + start + 4 + 4 * k);
		from = to;
		to = (entry & JENTRY_HAS_OFF) ? (entry & JENTRY_OFFLENMASK) : from + (entry & JENTRY_OFFLENMASK);
	}
	v.start = start + 4 + 4 * n + from;
	v.len = to - from;
	switch (entry & JENTRY_TYPEMASK)
	{
		case JENTRY_ISSTRING:
			v.kind = JSON_STRING;
			return v;
		case JENTRY_ISBOOL_TRUE:
		case JENTRY_ISBOOL_FALSE:
			v.kind = JSON_BOOL;
			v.len = (entry & JENTRY_TYPEMASK) == JENTRY_ISBOOL_TRUE;
			return v;
		case JENTRY_ISNULL:
			v.kind = JSON_NULL;
			return v;
	}
	while (v.start % 4 != 0)
	{
		v.start++;
		v.len--;
	}
	if ((entry & JENTRY_TYPEMASK) == JENTRY_ISNUMERIC)
		v.kind = JSON_NUMBER;
	else
		v.kind = word(jsonb + v.start) & JB_FOBJECT ? JSON_OBJECT : JSON_ARRAY;
	return v;
}

static JsonValue
root(const char *jsonb)
{
	JsonValue	v = {JSON_ABSENT};
	uint32		header = word(jsonb);

	if (header & JB_FSCALAR)
		return child(jsonb, 0, 0);
	v.kind = header & JB_FOBJECT ? JSON_OBJECT : JSON_ARRAY;
	return v;
}

static JsonValue
member(const char *jsonb, JsonValue object, const char *key, size_t len)
{
	uint32		n = word(jsonb + object.start) & JB_CMASK;
	const char *bytes = jsonb + object.start + 4 + 8 * n;
	JsonValue	none = {JSON_ABSENT};
	size_t		from = 0;

	for (uint32 i = 0; i < n; i++)
	{
		uint32		entry = word(jsonb + object.start + 4 + 4 * i);
		size_t		to = (entry & JENTRY_HAS_OFF) ? (entry & JENTRY_OFFLENMASK) :
			from + (entry & JENTRY_OFFLENMASK);

		if (to - from == len && memcmp(bytes + from, key, len) == 0)
			return child(jsonb, object.start, n + i);
		from = to;
	}
	return none;
}

/* Groups of four digits, one after the other, and then cut to what is shown. */
static void
number_text(const char *p, size_t len, JsonValue *v)
{
	uint16		head;
	int			weight;
	int			scale;
	bool		negative;
	int			ngroups;
	char	   *text;
	char	   *t;
	char		group[8];

	memcpy(&head, p + 4, 2);
	p += 6;
	len -= 6;
	if (head & 0x8000)
	{
		negative = (head >> 13) & 1;
		scale = (head >> 7) & 63;
		weight = head & 63;
		if (head & 64)
			weight -= 64;
	}
	else
	{
		int16		w;

		memcpy(&w, p, 2);
		p += 2;
		len -= 2;
		weight = w;
		negative = (head >> 14) & 1;
		scale = head & 0x3FFF;
	}
	ngroups = len / 2;
	t = text = malloc(8 + 4 * (Max(weight, 0) + 1) + scale + 8);
	if (negative)
		*t++ = '-';
	if (weight < 0)
		*t++ = '0';
	for (int g = 0; g <= weight; g++)
	{
		uint16		d = 0;

		if (g < ngroups)
			memcpy(&d, p + 2 * g, 2);
		t += sprintf(t, g == 0 ? "%d" : "%04d", d);
	}
	if (scale > 0)
		*t++ = '.';
	for (int i = 0; i < scale; i++)
	{
		int			g = weight + 1 + i / 4;
		uint16		d = 0;

		if (g >= 0 && g < ngroups)
			memcpy(&d, p + 2 * g, 2);
		snprintf(group, sizeof(group), "%04d", d % 10000);
		*t++ = group[i % 4];
	}
	v->text = text;
	v->text_len = t - text;
}

static void
add_text(const char *jsonb, JsonValue *v)
{
	switch (v->kind)
	{
		case JSON_STRING:
			v->text = malloc(v->len + 1);
			memcpy(v->text, jsonb + v->start, v->len);
			v->text_len = v->len;
			break;
		case JSON_BOOL:
			v->text = strdup(v->len ? "true" : "false");
			v->text_len = strlen(v->text);
			break;
		case JSON_NUMBER:
			number_text(jsonb + v->start, v->len, v);
			break;
		default:
			break;
	}
}

static JsonValue
follow(const char *jsonb, const char *const *keys, const size_t *lens, int nkeys)
{
	JsonValue	none = {JSON_ABSENT};
	JsonValue	v = root(jsonb);

	for (int k = 0; k < nkeys; k++)
	{
		if (v.kind != JSON_OBJECT)
			return none;
		v = member(jsonb, v, keys[k], lens[k]);
	}
	return v;
}

void
json_get(const char *jsonb, const char *const *keys, const size_t *lens, int nkeys,
		 JsonValue *value)
{
	*value = follow(jsonb, keys, lens, nkeys);
	value->text = NULL;
	value->text_len = 0;
	add_text(jsonb, value);
}

int
json_exists(const char *jsonb, const char *const *keys, const size_t *lens, int nkeys)
{
	JsonValue	v = follow(jsonb, keys, lens, nkeys - 1);
	const char *key = keys[nkeys - 1];
	size_t		len = lens[nkeys - 1];

	switch (v.kind)
	{
		case JSON_ABSENT:
			return -1;
		case JSON_OBJECT:
			return member(jsonb, v, key, len).kind != JSON_ABSENT;
		case JSON_STRING:
			return v.len == len && memcmp(jsonb + v.start, key, len) == 0;
		case JSON_ARRAY:
			for (uint32 i = 0; i < Min(word(jsonb + v.start) & JB_CMASK, 200); i++)
			{
				JsonValue	e = child(jsonb, v.start, i);

				if (e.kind == JSON_STRING && e.len == len && memcmp(jsonb + e.start, key, len) == 0)
					return 1;
			}
			return (word(jsonb + v.start) & JB_CMASK) > 200 ? -2 : 0;
		default:
			return 0;
	}
}

bool
json_key(const char *jsonb, size_t start, int n, const char **key, size_t *len)
{
	uint32		header = word(jsonb + start);
	JsonValue	k;

	if (!(header & JB_FOBJECT) || n >= (int) (header & JB_CMASK))
		return false;
	k = child(jsonb, start, n);
	*key = jsonb + k.start;
	*len = k.len;
	return true;
}
