/*
 * measure.c
 *	  Sizes and speeds of the codec on a COPY text file of bot entries.
 *
 * usage: measure FILE [quick] [shuffle]
 *
 * Column 4 (ts) becomes a timestamptz, column 10 jsonb; the others are text.
 * With "shuffle", entries are drawn at random,
 * with replacement, from the first 100,000, as single-row loading does.
 */
#include "shim.h"

#include <time.h>

#include "catalog/pg_type_d.h"
#include "compat.h"
#include "codec/codec_internal.h"
#include "json.h"

#define COLUMNS_MAX 64
#define JSONB_COLUMN 9

/* about what a segment of bot entries has */
#define SEGMENT_ROWS 51000

static Datum *table[COLUMNS_MAX];
static bool *nulls[COLUMNS_MAX];
static int	ncolumns;
static int	nrows;
static uint64 raw_bytes;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static Datum
make_text(const char *data, int len)
{
	struct varlena *value = malloc(len + VARHDRSZ);

	SET_VARSIZE(value, len + VARHDRSZ);
	memcpy(VARDATA(value), data, len);
	return PointerGetDatum(value);
}

/* Undo COPY's escapes, in place; returns the length. */
static int
unescape(char *field)
{
	char	   *dst = field;

	for (char *p = field; *p; p++)
	{
		if (*p == '\\' && p[1])
		{
			p++;
			*dst++ = *p == 'n' ? '\n' : *p == 't' ? '\t' : *p;
		}
		else
			*dst++ = *p;
	}
	return dst - field;
}

static int64
parse_timestamp(const char *text)
{
	struct tm	tm = {0};
	int			micros = 0;

	sscanf(text, "%d-%d-%d %d:%d:%d.%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &micros);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return (int64) timegm(&tm) * 1000000 + micros;
}

static void
load(const char *path)
{
	FILE	   *file = fopen(path, "r");
	char	   *line = NULL;
	size_t		size = 0;
	int			room = 0;

	if (file == NULL)
	{
		perror(path);
		exit(2);
	}
	while (getline(&line, &size, file) > 0)
	{
		char	   *rest = line;
		char	   *field;
		int			c = 0;

		line[strcspn(line, "\n")] = '\0';
		if (nrows == room)
		{
			room = Max(room * 2, 1024);
			for (int i = 0; i < COLUMNS_MAX; i++)
			{
				table[i] = realloc(table[i], room * sizeof(Datum));
				nulls[i] = realloc(nulls[i], room * sizeof(bool));
			}
		}
		while ((field = strsep(&rest, "\t")) != NULL && c < COLUMNS_MAX)
		{
			nulls[c][nrows] = strcmp(field, "\\N") == 0;
			table[c][nrows] = 0;
			if (c == 3)
				table[c][nrows] = (Datum) parse_timestamp(field);
			else if (!nulls[c][nrows])
			{
				int			len = unescape(field);

				if (c == JSONB_COLUMN)
				{
					static char jsonb[65536];

					field[len] = '\0';
					len = json_make(field, jsonb);
					field = jsonb;
				}
				table[c][nrows] = make_text(field, len);
			}
			c++;
		}
		ncolumns = Max(ncolumns, c);
		nrows++;
	}
	fclose(file);
}

/* Draw rows at random from the first 100,000. */
static void
shuffle(void)
{
	int			from = Min(nrows, 100000);
	int		   *drawn = malloc(sizeof(int) * nrows);

	for (int i = 0; i < nrows; i++)
		drawn[i] = RANDOM_BELOW(from);
	for (int c = 0; c < ncolumns; c++)
	{
		Datum	   *values = malloc(sizeof(Datum) * nrows);
		bool	   *isnull = malloc(sizeof(bool) * nrows);

		for (int i = 0; i < nrows; i++)
		{
			values[i] = table[c][drawn[i]];
			isnull[i] = nulls[c][drawn[i]];
		}
		table[c] = values;
		nulls[c] = isnull;
	}
	free(drawn);
}

static LedgerColumnType
column_type(int c)
{
	LedgerColumnType type = {TEXTOID, 100, -1, false, 'i'};

	if (c == 3)
	{
		type.typid = TIMESTAMPTZOID;
		type.attlen = 8;
		type.attbyval = true;
	}
	else if (c == JSONB_COLUMN)
	{
		type.typid = JSONBOID;
		type.collation = InvalidOid;
	}
	return type;
}

typedef struct Totals
{
	uint64		bytes;
	double		encode;
	double		decode;
	double		single;
	size_t		single_read;
	size_t		peak;
	const char *encoding;
} Totals;

static Totals totals[COLUMNS_MAX];
static int	singles;
static LedgerEffort effort = LEDGER_EFFORT_THOROUGH;

/* What the sub-columns of a chunk take, of the first segment. */
static void
show_subcolumns(LedgerChunk *chunk, int rows)
{
	uint64		total = 0;

	for (int i = 0; i < ledger_chunk_subcolumns(chunk); i++)
	{
		LedgerSubcolumn sub;

		ledger_chunk_subcolumn(chunk, i, &sub);
		printf("  %-40.*s %-10s %7u values %7.3f bytes/entry, of which tokens %d bytes%s\n",
			   (int) sub.path_len, sub.path, ledger_chunk_encoding(sub.chunk), sub.nvalues,
			   (double) sub.length / rows, (int) (sub.chunk->tokens.nblocks * LEDGER_FILTER_BLOCK),
			   sub.chunk->token_words ? " (words)" : "");
		total += sub.length;
	}
	if (total > 0)
		printf("  shapes and the rest of the chunk %40.3f bytes/entry\n",
			   (double) (chunk->length - total) / rows);
}

static void
get_references(LedgerChunk *chunk, const LedgerColumnInput *columns, int first,
			   LedgerDecoded *decoded)
{
	const int  *refs;
	int			n = ledger_chunk_references(chunk, &refs);

	for (int k = 0; k < n; k++)
	{
		decoded[k].values = columns[refs[k]].values + first;
		decoded[k].isnull = columns[refs[k]].isnull + first;
	}
}

static void
check(const LedgerColumnInput *input, int first, int count, const Datum *values,
	  const bool *isnull)
{
	for (int i = 0; i < count; i++)
	{
		bool		same = isnull[i] == input->isnull[first + i];

		if (same && !isnull[i] && input->type.attbyval)
			same = values[i] == input->values[first + i];
		else if (same && !isnull[i])
			same = VARSIZE(values[i]) == VARSIZE(input->values[first + i]) &&
				memcmp(DatumGetPointer(values[i]), DatumGetPointer(input->values[first + i]),
					   VARSIZE(values[i])) == 0;
		if (!same)
		{
			fprintf(stderr, "row %d differs\n", first + i);
			exit(1);
		}
	}
}

typedef enum PathQuestion
{
	ASK_OPEN, ASK_LOCATE, ASK_TEXT, ASK_NUMBERS, ASK_CODES, ASK_EXISTS
} PathQuestion;

/* Nanoseconds a document to ask all of a path. */
static double
time_path(LedgerChunk *chunk, const LedgerColumnInput *columns, int nrows, const char *key,
		  PathQuestion question)
{
	static Datum values[LEDGER_VECTOR_ROWS];
	static uint8 states[LEDGER_VECTOR_ROWS];
	static uint8 scales[LEDGER_VECTOR_ROWS];
	static int64 numbers[LEDGER_VECTOR_ROWS];
	static uint32 codes[LEDGER_VECTOR_ROWS];
	static uint16 branches[LEDGER_VECTOR_ROWS];
	LedgerPathKey path_key = {key, strlen(key)};
	LedgerDecoded decoded[LEDGER_ROWREF_COLUMNS];
	double		start = now();
	LedgerPath *path = ledger_chunk_path_open(chunk, &path_key, 1, NULL);

	for (int first = 0; question != ASK_OPEN && first < nrows; first += LEDGER_VECTOR_ROWS)
	{
		int			count = Min(LEDGER_VECTOR_ROWS, nrows - first);

		get_references(chunk, columns, first, decoded);
		if (question == ASK_LOCATE)
			ledger_path_locate(path, first, count, branches, codes);
		else if (question == ASK_TEXT)
			ledger_path_decode(path, LEDGER_PATH_AS_TEXT, first, count, NULL, decoded, values, states);
		else if (question == ASK_NUMBERS)
			ledger_path_numbers(path, first, count, NULL, numbers, scales, states);
		else if (question == ASK_CODES)
			ledger_path_codes(path, first, count, codes);
		else
			ledger_path_exists(path, first, count, states);
	}
	return (now() - start) * 1e9 / (question == ASK_OPEN ? 1 : nrows);
}

/* What the paths of bot entries cost, of the first segment. */
static void
show_paths(LedgerChunk *chunk, const LedgerColumnInput *columns, int nrows)
{
	static const char *const keys[] = {"status", "elapsed_ms", "text", "trace_id", "direction", "nope"};

	if (ledger_chunk_subcolumns(chunk) == 0)
		return;
	for (int k = 0; k < (int) lengthof(keys); k++)
	{
		LedgerPathKey key = {keys[k], strlen(keys[k])};
		LedgerPathInfo info;

		ledger_path_info(ledger_chunk_path_open(chunk, &key, 1, NULL), &info);
		printf("  ->>%-12s %d branches, open %5.0f ns; a document: where %5.1f ns, text %5.1f, numbers %5.1f, codes %5.1f, exists %5.1f\n",
			   keys[k], info.nbranches, time_path(chunk, columns, nrows, keys[k], ASK_OPEN),
			   time_path(chunk, columns, nrows, keys[k], ASK_LOCATE),
			   time_path(chunk, columns, nrows, keys[k], ASK_TEXT),
			   time_path(chunk, columns, nrows, keys[k], ASK_NUMBERS),
			   time_path(chunk, columns, nrows, keys[k], ASK_CODES),
			   time_path(chunk, columns, nrows, keys[k], ASK_EXISTS));
	}
}

static void
measure_column(const LedgerColumnInput *columns, int c)
{
	static Datum values[LEDGER_VECTOR_ROWS];
	static bool isnull[LEDGER_VECTOR_ROWS];
	static ShimBuffer buffer;
	const LedgerColumnInput *input = &columns[c];
	LedgerSink	sink = shim_sink(&buffer);
	LedgerSource source = shim_source(&buffer);
	LedgerDecoded decoded[LEDGER_ROWREF_COLUMNS];
	LedgerChunk *chunk;
	double		start;
	size_t		before;

	buffer.len = 0;
	shim_reset_peak();
	start = now();
	ledger_chunk_encode(columns, c, effort, &sink);
	totals[c].encode += now() - start;
	totals[c].peak = Max(totals[c].peak, shim_peak);
	shim_free_all();
	totals[c].bytes += buffer.len;

	start = now();
	chunk = ledger_chunk_open(&source, buffer.len, &input->type, input->nrows, NULL);
	totals[c].encoding = ledger_chunk_encoding(chunk);
	for (int first = 0; first < input->nrows; first += LEDGER_VECTOR_ROWS)
	{
		int			count = Min(LEDGER_VECTOR_ROWS, input->nrows - first);

		get_references(chunk, columns, first, decoded);
		ledger_chunk_decode(chunk, first, count, decoded, values, isnull);
		totals[c].decode += now() - start;
		check(input, first, count, values, isnull);
		start = now();
	}
	if (columns[c].values == table[c])
	{
		show_subcolumns(chunk, input->nrows);
		show_paths(chunk, columns, input->nrows);
	}
	shim_free_all();

	/* a lookup opens the chunk each time, as nothing may be cached */
	before = buffer.bytes_read;
	start = now();
	for (int i = 0; i < 200; i++)
	{
		int			row = RANDOM_BELOW(input->nrows);

		chunk = ledger_chunk_open(&source, buffer.len, &input->type, input->nrows, NULL);
		get_references(chunk, columns, row, decoded);
		ledger_chunk_decode(chunk, row, 1, decoded, values, isnull);
		shim_free_all();
	}
	totals[c].single += now() - start;
	totals[c].single_read += buffer.bytes_read - before;
}

static void
print_totals(void)
{
	Totals		all = {0};

	for (int c = 0; c <= ncolumns; c++)
	{
		Totals	   *t = c < ncolumns ? &totals[c] : &all;

		if (c < ncolumns)
			printf("column %-2d %-10s", c, t->encoding);
		else
			printf("all                 ");
		printf(" %7.2f bytes/entry  encode %6.3f us  decode %6.3f us  single %7.2f us (reads %6.0f)  peak %zu kB\n",
			   (double) t->bytes / nrows, t->encode * 1e6 / nrows, t->decode * 1e6 / nrows,
			   t->single * 1e6 / singles, (double) t->single_read / singles, t->peak / 1024);
		all.bytes += t->bytes;
		all.encode += t->encode;
		all.decode += t->decode;
		all.single += t->single;
		all.single_read += t->single_read;
		all.peak = Max(all.peak, t->peak);
	}
	printf("raw %.1f bytes/entry, encode %.0f MB/s\n", (double) raw_bytes / nrows,
		   raw_bytes / totals[ncolumns].encode / 1e6);
}

int
main(int argc, char **argv)
{
	LedgerColumnInput columns[COLUMNS_MAX] = {0};

	if (argc < 2)
	{
		fprintf(stderr, "usage: measure FILE [quick] [shuffle]\n");
		return 2;
	}
	load(argv[1]);
	for (int i = 2; i < argc; i++)
	{
		if (strcmp(argv[i], "quick") == 0)
			effort = LEDGER_EFFORT_QUICK;
		else
			shuffle();
	}
	for (int c = 0; c < ncolumns; c++)
	{
		for (int row = 0; row < nrows; row++)
		{
			if (c == 3)
				raw_bytes += 8;
			else if (!nulls[c][row])
				raw_bytes += VARSIZE(table[c][row]) - (c < 9 ? 3 : 0);
		}
	}
	for (int start = 0; start < nrows; start += SEGMENT_ROWS)
	{
		for (int c = 0; c < ncolumns; c++)
		{
			columns[c].type = column_type(c);
			columns[c].nrows = Min(SEGMENT_ROWS, nrows - start);
			columns[c].values = table[c] + start;
			columns[c].isnull = nulls[c] + start;
		}
		for (int c = 0; c < ncolumns; c++)
			measure_column(columns, c);
		singles += 200;
	}
	for (int c = 0; c < ncolumns; c++)
		totals[ncolumns].encode += totals[c].encode;
	print_totals();
	return 0;
}
