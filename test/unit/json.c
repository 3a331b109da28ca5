/*
 * json.c
 *	  See json.h.  Written after the description in the server's headers, and
 *	  not sharing a line with the codec, so that the two can be compared; the
 *	  regression tests compare both with the server.
 */
#include "json.h"

#include "utils/jsonb.h"

typedef struct Maker
{
	const char *in;
	char	   *root;
	size_t		len;
} Maker;

static uint32 make_value(Maker *m);

static void
skip_space(Maker *m)
{
	while (*m->in == ' ' || *m->in == '\n' || *m->in == '\t')
		m->in++;
}

static void
put(Maker *m, const void *data, size_t len)
{
	memcpy(m->root + m->len, data, len);
	m->len += len;
}

static void
align(Maker *m)
{
	while (m->len % 4 != 0)
		m->root[m->len++] = 0;
}

/* A string's bytes; "dst" has room for what is left of the text. */
static size_t
parse_string(Maker *m, char *dst)
{
	size_t		len = 0;

	for (m->in++; *m->in != '"'; m->in++)
	{
		if (*m->in == '\\')
		{
			m->in++;
			dst[len++] = *m->in == 'n' ? '\n' : *m->in == 't' ? '\t' : *m->in;
		}
		else
			dst[len++] = *m->in;
	}
	m->in++;
	return len;
}

/* Digits of base 10,000, with no zeros at either end. */
static uint32
make_number(Maker *m)
{
	const char *in = m->in;
	bool		negative = *in == '-';
	int			before;
	int			scale = 0;
	int			groups;
	int			weight;
	int			first = 0;
	int			last;
	uint16	   *digits;
	char	   *text;
	varattrib_4b size;
	size_t		start = m->len;

	in += negative;
	before = strspn(in, "0123456789");
	if (in[before] == '.')
		scale = strspn(in + before + 1, "0123456789");
	weight = (before + 3) / 4 - 1;
	groups = weight + 1 + (scale + 3) / 4;
	digits = calloc(groups + 1, sizeof(uint16));
	text = malloc(groups * 4 + 1);
	memset(text, '0', groups * 4);
	memcpy(text + (weight + 1) * 4 - before, in, before);
	memcpy(text + (weight + 1) * 4, in + before + 1, scale);
	for (int i = 0; i < groups; i++)
		digits[i] = (text[4 * i] - '0') * 1000 + (text[4 * i + 1] - '0') * 100 +
			(text[4 * i + 2] - '0') * 10 + (text[4 * i + 3] - '0');
	m->in = in + before + (scale > 0 ? scale + 1 : 0);

	for (last = groups; last > 0 && digits[last - 1] == 0;)
		last--;
	while (first < last && digits[first] == 0)
	{
		first++;
		weight--;
	}
	if (first == last)
	{
		weight = 0;
		negative = false;
	}
	align(m);
	if (scale <= 63 && weight <= 63 && weight >= -64)
	{
		uint16		head = 0x8000 | (negative ? 0x2000 : 0) | scale << 7 |
			(weight < 0 ? 0x40 : 0) | (weight & 0x3F);

		SET_VARSIZE(&size, 6 + 2 * (last - first));
		put(m, &size, 4);
		put(m, &head, 2);
	}
	else
	{
		uint16		head = (negative ? 0x4000 : 0) | scale;
		int16		weight16 = weight;

		SET_VARSIZE(&size, 8 + 2 * (last - first));
		put(m, &size, 4);
		put(m, &head, 2);
		put(m, &weight16, 2);
	}
	put(m, digits + first, 2 * (last - first));
	free(digits);
	free(text);
	return JENTRY_ISNUMERIC | (m->len - start);
}

static void
set_entry(Maker *m, size_t entries, int i, uint32 entry, uint32 *total)
{
	*total += entry & JENTRY_OFFLENMASK;
	if (i % JB_OFFSET_STRIDE == 0)
		entry = (entry & JENTRY_TYPEMASK) | *total | JENTRY_HAS_OFF;
	memcpy(m->root + entries + 4 * i, &entry, 4);
}

static int
count_elements(const char *in)
{
	int			depth = 0;
	int			n = 0;

	for (;; in++)
	{
		if (*in == '"')
			for (in++; *in != '"'; in++)
				in += *in == '\\';
		else if (*in == '[' || *in == '{')
			depth++;
		else if ((*in == ']' || *in == '}') && --depth == 0)
			return n;
		else if (*in == ',' && depth == 1)
			n++;
		if (n == 0 && depth == 1 && strchr("[ \n", *in) == NULL && *in != '{')
			n = 1;
		if (n == 0 && depth == 2)
			n = 1;
	}
}

static uint32
make_array(Maker *m, bool scalar)
{
	size_t		start = m->len;
	int			n = scalar ? 1 : count_elements(m->in);
	uint32		header = n | JB_FARRAY | (scalar ? JB_FSCALAR : 0);
	uint32		total = 0;
	size_t		entries;

	align(m);
	put(m, &header, 4);
	entries = m->len;
	m->len += 4 * n;
	m->in += !scalar;
	for (int i = 0; i < n; i++)
	{
		set_entry(m, entries, i, make_value(m), &total);
		skip_space(m);
		m->in += !scalar && *m->in == ',';
	}
	if (!scalar)
	{
		skip_space(m);
		m->in++;
	}
	return JENTRY_ISCONTAINER | (m->len - start);
}

typedef struct Pair
{
	char	   *key;
	size_t		len;
	const char *value;
	int			order;
} Pair;

/* Shorter keys first; of the same key, the last value counts. */
static int
compare_pairs(const void *a, const void *b)
{
	const Pair *x = a;
	const Pair *y = b;
	int			order;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	order = memcmp(x->key, y->key, x->len);
	return order != 0 ? order : y->order - x->order;
}

static void
skip_value(Maker *m)
{
	int			depth = 0;

	for (;; m->in++)
	{
		if (*m->in == '"')
			for (m->in++; *m->in != '"'; m->in++)
				m->in += *m->in == '\\';
		else if (*m->in == '[' || *m->in == '{')
			depth++;
		else if (*m->in == ']' || *m->in == '}')
		{
			if (depth-- == 0)
				return;
		}
		else if (*m->in == ',' && depth == 0)
			return;
	}
}

static uint32
make_object(Maker *m)
{
	size_t		start = m->len;
	int			n = count_elements(m->in);
	Pair	   *pairs = calloc(n + 1, sizeof(Pair));
	int			kept = 0;
	uint32		header;
	uint32		total = 0;
	size_t		entries;
	const char *end;

	m->in++;
	for (int i = 0; i < n; i++)
	{
		skip_space(m);
		pairs[i].key = malloc(strlen(m->in) + 1);
		pairs[i].len = parse_string(m, pairs[i].key);
		skip_space(m);
		m->in++;
		pairs[i].value = m->in;
		pairs[i].order = i;
		skip_value(m);
		m->in += *m->in == ',';
	}
	skip_space(m);
	end = m->in + 1;
	qsort(pairs, n, sizeof(Pair), compare_pairs);
	for (int i = 0; i < n; i++)
	{
		if (kept > 0 && pairs[i].len == pairs[kept - 1].len &&
			memcmp(pairs[i].key, pairs[kept - 1].key, pairs[i].len) == 0)
			free(pairs[i].key);
		else
			pairs[kept++] = pairs[i];
	}
	align(m);
	header = kept | JB_FOBJECT;
	put(m, &header, 4);
	entries = m->len;
	m->len += 8 * kept;
	for (int i = 0; i < kept; i++)
	{
		put(m, pairs[i].key, pairs[i].len);
		set_entry(m, entries, i, pairs[i].len, &total);
		free(pairs[i].key);
	}
	for (int i = 0; i < kept; i++)
	{
		m->in = pairs[i].value;
		set_entry(m, entries, kept + i, make_value(m), &total);
	}
	free(pairs);
	m->in = end;
	return JENTRY_ISCONTAINER | (m->len - start);
}

static uint32
make_value(Maker *m)
{
	size_t		len;

	skip_space(m);
	switch (*m->in)
	{
		case '{':
			return make_object(m);
		case '[':
			return make_array(m, false);
		case '"':
			len = parse_string(m, m->root + m->len);
			m->len += len;
			return len;
		case 't':
			m->in += 4;
			return JENTRY_ISBOOL_TRUE;
		case 'f':
			m->in += 5;
			return JENTRY_ISBOOL_FALSE;
		case 'n':
			m->in += 4;
			return JENTRY_ISNULL;
		default:
			return make_number(m);
	}
}

size_t
json_make(const char *text, char *dst)
{
	Maker		m = {text, dst, 0};

	skip_space(&m);
	if (*m.in == '{')
		make_object(&m);
	else
		make_array(&m, *m.in != '[');
	return m.len;
}
