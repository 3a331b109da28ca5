/*-------------------------------------------------------------------------
 *
 * lines_read.c
 *	  Log lines as templates and variables: the decoder.  See lines_write.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/bitpack.h"
#include "codec/lines.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* Room for a line, on average */
#define LINE_GUESS	128

typedef struct LineColumn
{
	uint8		how;			/* LEDGER_LINES_... */
	uint32		nentries;
	uint64	   *numbers;		/* entries that are numbers, */
	const uint8 *packed;		/* or digits, */
	uint32	   *starts;			/* or texts: where they start, and the last ends */

	/* the current vector */
	int			n;
	LedgerIntegers ints;		/* numbers or codes */
	const uint8 *digits;
	uint32	   *places;			/* of texts: where they start in the vector's */
	int			places_size;	/* allocated */
} LineColumn;

struct LedgerLinesReader
{
	uint32		ntemplates;
	uint32		raw_length;		/* of "texts" */
	uint32		stored_length;
	uint32		numbers_length;
	pg_crc32c	texts_crc;
	pg_crc32c	numbers_crc;
	const uint8 *columns_start; /* the columns' descriptions, */
	const uint8 *columns_end;	/* in the header */

	bool		loaded;			/* the rest is set */
	char	   *texts;
	uint8	   *numbers;
	LedgerLineSet set;
	LineColumn *columns;

	/* of vectors that are turned to again, or NULL: see count_values() */
	int		  **kept;
	uint64		asked;			/* vectors that have been turned to */

	/* the current vector */
	const int  *values;			/* what is kept of it, or NULL */
	LedgerIntegers row_numbers;
	uint16	   *rows;			/* the lines' templates, of lines ... */
	int			rows_start;
	int			rows_end;		/* have been read */
	int			passed;			/* lines whose values ... */
	int		   *passed_values;	/* have been counted, by column */
	char	   *vector_texts;
	uint32		vector_size;	/* allocated */
};

/* Understand the encoding's part of the header. */
LedgerLinesReader *
ledger_lines_open(LedgerChunk *chunk, const uint8 *p, const uint8 *end, uint64 preamble)
{
	LedgerLinesReader *r = MemoryContextAllocZero(chunk->context, sizeof(LedgerLinesReader));
	uint64		ntemplates = 0;
	uint64		raw = 0;
	uint64		stored = 0;

	if (chunk->type.attlen != -1)
		ledger_corrupt(chunk, "encoding does not fit the column's type");
	p = ledger_get_varint(p, end, &ntemplates);
	if (p)
		p = ledger_get_varint(p, end, &raw);
	if (p)
		p = ledger_get_varint(p, end, &stored);
	if (p == NULL || end - p < 2 * (int) sizeof(pg_crc32c) || ntemplates == 0 ||
		ntemplates > LEDGER_LINES_TEMPLATES || raw > LEDGER_LINES_DICT_MAX || stored > raw ||
		stored > preamble || preamble - stored > LEDGER_LINES_DICT_MAX ||
		!ledger_ratio_good(chunk, stored, raw))
		ledger_corrupt(chunk, "header of log lines is malformed");
	memcpy(&r->texts_crc, p, sizeof(pg_crc32c));
	memcpy(&r->numbers_crc, p + sizeof(pg_crc32c), sizeof(pg_crc32c));
	r->ntemplates = (uint32) ntemplates;
	r->raw_length = (uint32) raw;
	r->stored_length = (uint32) stored;
	r->numbers_length = (uint32) (preamble - stored);
	r->columns_start = p + 2 * sizeof(pg_crc32c);
	r->columns_end = end;
	r->rows = MemoryContextAlloc(chunk->context,
								 sizeof(uint16) * Min(chunk->nrows + 1, LEDGER_VECTOR_ROWS));
	return r;
}

static void
read_parts(LedgerChunk *chunk, LedgerLinesReader *r)
{
	LedgerStored texts = {0, r->stored_length, r->raw_length, r->texts_crc, "text of log lines"};

	r->texts = MemoryContextAlloc(chunk->context, r->raw_length + 1);
	ledger_read_stored(chunk, &texts, r->texts, NULL, 0);
	r->numbers = MemoryContextAlloc(chunk->context, r->numbers_length + LEDGER_SLACK);
	chunk->source.read(chunk->source.arg, r->stored_length, r->numbers_length, r->numbers);
	memset(r->numbers + r->numbers_length, 0, LEDGER_SLACK);
	if (ledger_crc(r->numbers, r->numbers_length) != r->numbers_crc)
		ledger_corrupt(chunk, "numbers of log lines have a wrong checksum");
}

/* Numbers of any count, as vectors; returns what follows. */
static const uint8 *
read_long(LedgerChunk *chunk, const uint8 *p, const uint8 *end, uint32 n, uint64 *numbers)
{
	for (uint32 first = 0; first < n; first += LEDGER_VECTOR_ROWS)
	{
		int			count = Min(LEDGER_VECTOR_ROWS, n - first);
		LedgerIntegers ints;

		p = ledger_integers_open(&ints, count, p, end);
		if (p == NULL)
			ledger_corrupt(chunk, "numbers of log lines are malformed");
		ledger_integers_read(&ints, 0, count, numbers + first);
	}
	return p;
}

/*
 * Where n texts, whose lengths are at p, start in "texts" from *text on; the
 * last one's end is set, too, and *text moved to it.
 */
static const uint8 *
read_lengths(LedgerChunk *chunk, const LedgerLinesReader *r, const uint8 *p, const uint8 *end,
			 uint32 n, uint32 *text, uint32 *starts)
{
	for (uint32 first = 0; first < n; first += LEDGER_VECTOR_ROWS)
	{
		uint64		lengths[LEDGER_VECTOR_ROWS];
		uint32		count = Min(LEDGER_VECTOR_ROWS, n - first);

		p = read_long(chunk, p, end, count, lengths);
		for (uint32 i = 0; i < count; i++)
		{
			starts[first + i] = *text;
			if (lengths[i] > r->raw_length - *text)
				ledger_corrupt(chunk, "texts of log lines have bad lengths");
			*text += (uint32) lengths[i];
		}
	}
	starts[n] = *text;
	return p;
}

static const uint8 *
load_templates(LedgerChunk *chunk, LedgerLinesReader *r, const uint8 *p, const uint8 *end,
			   uint32 *text)
{
	uint32	   *starts = MemoryContextAlloc(chunk->context, sizeof(uint32) * (r->ntemplates + 1));

	p = read_lengths(chunk, r, p, end, r->ntemplates, text, starts);
	if (!ledger_lines_parse(&r->set, r->texts, starts, r->ntemplates, chunk->context))
		ledger_corrupt(chunk, "templates of log lines are malformed");
	return p;
}

/* Column c's entries; returns what follows them in "numbers". */
static const uint8 *
load_entries(LedgerChunk *chunk, LedgerLinesReader *r, int c, const uint8 *p, const uint8 *end,
			 uint32 *text)
{
	LineColumn *column = &r->columns[c];
	int			kind = r->set.columns[c].kind;

	if (ledger_line_is_number(kind))
	{
		column->numbers = MemoryContextAlloc(chunk->context, sizeof(uint64) * column->nentries);
		return read_long(chunk, p, end, column->nentries, column->numbers);
	}
	if (kind == LEDGER_LINE_TEXT)
	{
		column->starts = MemoryContextAlloc(chunk->context,
											sizeof(uint32) * (column->nentries + 1));
		return read_lengths(chunk, r, p, end, column->nentries, text, column->starts);
	}
	column->packed = p;
	if ((uint64) (end - p) < (uint64) column->nentries *
		ledger_line_stride(kind, r->set.columns[c].parameter))
		ledger_corrupt(chunk, "digits of log lines are cut off");
	return p + column->nentries * ledger_line_stride(kind, r->set.columns[c].parameter);
}

/* Read what all vectors share. */
static void
load(LedgerChunk *chunk, LedgerLinesReader *r)
{
	const uint8 *description = r->columns_start;
	const uint8 *p;
	const uint8 *end;
	uint32		text = 0;

	read_parts(chunk, r);
	end = r->numbers + r->numbers_length;
	p = load_templates(chunk, r, r->numbers, end, &text);
	r->columns = MemoryContextAllocZero(chunk->context,
										sizeof(LineColumn) * Max(r->set.ncolumns, 1));
	for (int c = 0; c < r->set.ncolumns; c++)
	{
		LineColumn *column = &r->columns[c];
		uint64		nentries = 1;

		if (description == r->columns_end)
			ledger_corrupt(chunk, "columns of log lines are malformed");
		column->how = *description++;
		if (column->how == LEDGER_LINES_DICT)
			description = ledger_get_varint(description, r->columns_end, &nentries);
		if (description == NULL || column->how > LEDGER_LINES_CONSTANT || nentries == 0 ||
			nentries > (uint64) chunk->nrows)
			ledger_corrupt(chunk, "columns of log lines are malformed");
		column->nentries = (uint32) nentries;
		if (column->how != LEDGER_LINES_DIRECT)
			p = load_entries(chunk, r, c, p, end, &text);
	}
	if (p != end || text != r->raw_length || description != r->columns_end)
		ledger_corrupt(chunk, "dictionaries of log lines are malformed");
	r->passed_values = MemoryContextAlloc(chunk->context, sizeof(int) * Max(r->set.ncolumns, 1));
	r->loaded = true;
}

/*
 * Lines counted by template, every other one apart, and the templates whose counts
 * are not zeros: only within add_lines, where nothing can fail.  All readers use the
 * same, as few pages of memory are touched then.
 */
static uint16 line_counts[LEDGER_LINES_TEMPLATES][2];
static uint16 counted[2 * LEDGER_LINES_TEMPLATES + 1];
static int	ncounted;

/*
 * Add how many values the vector's lines "first" to first + count - 1 take of each
 * column.  There are few templates among them, so that these are counted: much less
 * work than line by line.  Lines of one template follow each other, and each would
 * have to wait for the count of the one before, so that two are counted apart.
 */
static void
add_lines(const LedgerLinesReader *r, int first, int count, int *values)
{
	Assert(ncounted == 0);
	for (int i = first; i < first + count; i++)
	{
		uint16		template = r->rows[i];

		Assert(template < r->ntemplates);
		counted[ncounted] = template;
		ncounted += line_counts[template][i & 1]++ == 0;
	}
	for (int i = 0; i < ncounted; i++)
	{
		uint16		template = counted[i];
		int			n = line_counts[template][0] + line_counts[template][1];
		const LedgerLinePart *part = ledger_line_parts(&r->set, template);

		if (n == 0)
			continue;			/* it has been counted twice */
		for (; part->kind != 0; part++)
			if (part->column >= 0)
				values[part->column] += n;
		line_counts[template][0] = line_counts[template][1] = 0;
	}
	ncounted = 0;
}

/* Where a column's texts start in the vector's; returns what follows. */
static const uint8 *
place_texts(LedgerChunk *chunk, LineColumn *column, const uint8 *p, const uint8 *end,
			uint32 *total)
{
	uint64		lengths[LEDGER_VECTOR_ROWS];

	p = ledger_integers_open(&column->ints, column->n, p, end);
	if (p == NULL)
		ledger_corrupt(chunk, "lengths of log lines are malformed");
	ledger_integers_read(&column->ints, 0, column->n, lengths);
	if (column->places_size <= column->n)
	{
		if (column->places)
			pfree(column->places);
		column->places = NULL;
		column->places_size = 0;
		column->places = MemoryContextAlloc(chunk->context, sizeof(uint32) * (column->n + 1));
		column->places_size = column->n + 1;
	}
	for (int i = 0; i < column->n; i++)
	{
		column->places[i] = *total;
		if (lengths[i] > LEDGER_LINE_MAX || *total > MaxAllocSize / 2)
			ledger_corrupt(chunk, "lengths of log lines are malformed");
		*total += (uint32) lengths[i];
	}
	column->places[column->n] = *total;
	return p;
}

/* Read the vector's own texts, which end it. */
static void
read_texts(LedgerChunk *chunk, LedgerLinesReader *r, const uint8 *p, const uint8 *end,
		   uint32 total)
{
	uint64		stored = 0;
	uint32		seed = Min(r->raw_length, 65536);

	p = ledger_get_varint(p, end, &stored);
	if (p == NULL || stored != (uint64) (end - p) || stored > total ||
		!ledger_ratio_good(chunk, stored, total))
		ledger_corrupt(chunk, "texts of log lines have a bad length");
	if (total > r->vector_size)
	{
		if (r->vector_texts)
			pfree(r->vector_texts);
		r->vector_texts = NULL;
		r->vector_size = 0;
		r->vector_texts = MemoryContextAlloc(chunk->context, total);
		r->vector_size = total;
	}
	if (stored == total)
		memcpy(r->vector_texts, p, total);
	else if (!ledger_decompress(chunk, (const char *) p, (int) stored, r->vector_texts, total,
								r->texts + r->raw_length - seed, seed))
		ledger_corrupt(chunk, "texts of log lines do not decompress");
}

/* Decode the templates of lines first to first + count - 1. */
static void
decode_rows(LedgerChunk *chunk, LedgerLinesReader *r, int first, int count)
{
	uint64		numbers[LEDGER_VECTOR_ROWS];
	uint16	   *rows = r->rows + first;

	if (r->ntemplates == 1)
	{
		memset(rows, 0, count * sizeof(uint16));
		return;
	}
	if (ledger_integers_symbols(&r->row_numbers, r->ntemplates, first, count, rows))
		return;
	ledger_integers_read(&r->row_numbers, first, count, numbers);
	for (int i = 0; i < count; i++)
	{
		if (numbers[i] >= r->ntemplates)
			ledger_corrupt(chunk, "log line has an unknown template");
		rows[i] = (uint16) numbers[i];
	}
}

/* See to it that the templates of lines start to end - 1 are there. */
static void
need_rows(LedgerChunk *chunk, LedgerLinesReader *r, int start, int end)
{
	if (start < r->rows_start || start > r->rows_end)
		r->rows_start = r->rows_end = start;
	if (end > r->rows_end)
	{
		decode_rows(chunk, r, r->rows_end, end - r->rows_end);
		r->rows_end = end;
	}
}

/* Lines after which the values taken are kept, as many as between points of codes. */
#define STRETCH		CODED_STRETCH

/*
 * Count how many values the lines of the vector, of which there are n, take of each
 * column.  Where a line's values are depends on the templates of all lines before
 * it, so of a vector that is turned to again, this is kept for the lines up to each
 * stretch's end.
 */
static void
count_values(LedgerChunk *chunk, LedgerLinesReader *r, int v, int n)
{
	bool		keep = ledger_chunk_may_keep(chunk, &r->asked, v, chunk->keep_at_once);
	int			step = keep ? STRETCH : n;
	int			ncolumns = r->set.ncolumns;
	int		   *values;
	int		   *last;

	need_rows(chunk, r, 0, n);
	if (keep && r->kept == NULL)
		r->kept = MemoryContextAllocZero(chunk->context, chunk->nvectors * sizeof(int *));
	values = MemoryContextAllocZero(keep ? chunk->context : CurrentMemoryContext,
									sizeof(int) * ((n + step - 1) / step) * Max(ncolumns, 1));
	last = values;
	for (int start = 0; start < n; start += step)
	{
		if (start > 0)
		{
			memcpy(last + ncolumns, last, sizeof(int) * ncolumns);
			last += ncolumns;
		}
		add_lines(r, start, Min(step, n - start), last);
	}
	for (int c = 0; c < ncolumns; c++)
		r->columns[c].n = last[c];
	if (keep)
		r->values = r->kept[v] = values;
	else
		pfree(values);
}

/* The lines' templates, and how many values each column has. */
static const uint8 *
open_rows(LedgerChunk *chunk, LedgerLinesReader *r, int v, const uint8 *p, const uint8 *end, int n)
{
	if (r->ntemplates > 1)
		p = ledger_integers_open(&r->row_numbers, n, p, end);
	if (p == NULL)
		ledger_corrupt(chunk, "templates of log lines are malformed");
	r->rows_start = r->rows_end = 0;
	r->passed = 0;
	memset(r->passed_values, 0, sizeof(int) * r->set.ncolumns);
	r->values = r->kept ? r->kept[v] : NULL;
	if (r->values == NULL)
	{
		count_values(chunk, r, v, n);
		return p;
	}
	for (int c = 0; c < r->set.ncolumns; c++)
		r->columns[c].n = r->values[(n - 1) / STRETCH * r->set.ncolumns + c];
	return p;
}

/*
 * Turn to vector v, of n lines, whose meta, but for the null bitmap, is p to end.
 */
void
ledger_lines_vector_open(LedgerChunk *chunk, int v, const uint8 *p, const uint8 *end, int n)
{
	LedgerLinesReader *r = chunk->lines;
	bool		texts = false;
	uint32		total = 0;

	if (!r->loaded)
		load(chunk, r);
	p = open_rows(chunk, r, v, p, end, n);
	for (int c = 0; c < r->set.ncolumns; c++)
	{
		LineColumn *column = &r->columns[c];
		int			kind = r->set.columns[c].kind;

		if (column->n == 0 || column->how == LEDGER_LINES_CONSTANT)
			continue;
		if (column->how == LEDGER_LINES_DICT || ledger_line_is_number(kind))
			p = ledger_integers_open(&column->ints, column->n, p, end);
		else if (kind == LEDGER_LINE_TEXT)
		{
			p = place_texts(chunk, column, p, end, &total);
			texts = true;
		}
		else
		{
			Size		size = (Size) column->n *
				ledger_line_stride(kind, r->set.columns[c].parameter);

			column->digits = p;
			p = (Size) (end - p) < size ? NULL : p + size;
		}
		if (p == NULL)
			ledger_corrupt(chunk, "variables of log lines are malformed");
	}
	if (texts && total > 0)
		read_texts(chunk, r, p, end, total);
	else if (p != end)
		ledger_corrupt(chunk, "vector has a wrong length");
}

/* What decoding some lines needs of a column. */
typedef struct Cursor
{
	int			next;			/* value of the vector */
	int			first;			/* the first one decoded, */
	uint64	   *numbers;		/* or its code; NULL: not decoded */
} Cursor;

/* Begin to count at the last place before line "first" where values are known. */
static void
go_near(LedgerLinesReader *r, int first)
{
	int			stretch = r->values ? first / STRETCH : 0;
	int			ncolumns = r->set.ncolumns;

	if (r->passed <= first && r->passed >= stretch * STRETCH)
		return;
	r->passed = stretch * STRETCH;
	if (stretch == 0)
		memset(r->passed_values, 0, sizeof(int) * ncolumns);
	else
		memcpy(r->passed_values, r->values + (stretch - 1) * ncolumns, sizeof(int) * ncolumns);
}

/* Go to the values of line "first"; and decode those of the lines from there. */
static Cursor *
start_cursors(LedgerChunk *chunk, int first, int count)
{
	LedgerLinesReader *r = chunk->lines;
	Cursor	   *cursors = palloc0(sizeof(Cursor) * Max(r->set.ncolumns, 1));
	int		   *ends = palloc(sizeof(int) * Max(r->set.ncolumns, 1));

	go_near(r, first);
	need_rows(chunk, r, r->passed, first + count);
	add_lines(r, r->passed, first - r->passed, r->passed_values);
	r->passed = first;
	memcpy(ends, r->passed_values, sizeof(int) * r->set.ncolumns);
	for (int c = 0; c < r->set.ncolumns; c++)
		cursors[c].next = ends[c];
	add_lines(r, first, count, ends);
	for (int c = 0; c < r->set.ncolumns; c++)
	{
		LineColumn *column = &r->columns[c];
		Cursor	   *cursor = &cursors[c];
		int			n = ends[c] - cursor->next;

		/* what was kept, and what was read now, must agree */
		if (ends[c] > column->n)
			ledger_corrupt(chunk, "log lines have more variables than there are");
		cursor->first = cursor->next;
		if (n == 0 || column->how == LEDGER_LINES_CONSTANT ||
			!(column->how == LEDGER_LINES_DICT ||
			  ledger_line_is_number(r->set.columns[c].kind)))
			continue;
		cursor->numbers = palloc(sizeof(uint64) * n);
		ledger_integers_read(&column->ints, cursor->first, n, cursor->numbers);
	}
	pfree(ends);
	return cursors;
}

static void
end_cursors(LedgerChunk *chunk, Cursor *cursors)
{
	for (int c = 0; c < chunk->lines->set.ncolumns; c++)
		if (cursors[c].numbers)
			pfree(cursors[c].numbers);
	pfree(cursors);
}

/* Append the next value of a column to the line. */
static void
append_value(LedgerChunk *chunk, int c, Cursor *cursor, StringInfo line)
{
	LedgerLinesReader *r = chunk->lines;
	const LineColumn *column = &r->columns[c];
	int			kind = r->set.columns[c].kind;
	int			parameter = r->set.columns[c].parameter;
	int			i = cursor->next++;
	uint64		code = 0;
	uint64		number = cursor->numbers ? cursor->numbers[i - cursor->first] : 0;

	if (column->how == LEDGER_LINES_DICT)
		code = number;
	if (code >= column->nentries && column->how == LEDGER_LINES_DICT)
		ledger_corrupt(chunk, "log line's code is not in the dictionary");
	if (kind == LEDGER_LINE_TEXT)
	{
		const char *text = r->vector_texts;
		const uint32 *places = column->places + i;

		if (column->how != LEDGER_LINES_DIRECT)
		{
			text = r->texts;
			places = column->starts + code;
		}
		/* there may be no texts at all, if they are all empty */
		if (places[1] > places[0])
			appendBinaryStringInfo(line, text + places[0], places[1] - places[0]);
		return;
	}
	enlargeStringInfo(line, LEDGER_LINE_VAR_MAX);
	if (ledger_line_is_number(kind))
	{
		if (column->how != LEDGER_LINES_DIRECT)
			number = column->numbers[code];
		line->len += ledger_line_format(kind, parameter, number, line->data + line->len);
	}
	else
	{
		const uint8 *digits = column->how == LEDGER_LINES_DIRECT ? column->digits : column->packed;
		uint64		which = column->how == LEDGER_LINES_DIRECT ? (uint64) i : code;

		line->len += ledger_line_unpack(kind, parameter,
										digits + which * ledger_line_stride(kind, parameter),
										line->data + line->len);
	}
}

/* Make a line in "line", whose bytes are then all its own. */
static void
build_line(LedgerChunk *chunk, int template, Cursor *cursors, StringInfo line)
{
	const LedgerLineSet *set = &chunk->lines->set;
	const char *text = ledger_line_text(set, template);
	int			longs[LEDGER_LINE_VARS];
	int			long_lengths[LEDGER_LINE_VARS];
	int			nlongs = 0;

	resetStringInfo(line);
	for (const LedgerLinePart *part = ledger_line_parts(set, template);; part++)
	{
		int			start;

		if (line->len + part->before > LEDGER_LINE_MAX)
			ledger_corrupt(chunk, "log line is too long");
		appendBinaryStringInfo(line, text + part->text, part->before);
		if (part->kind == 0)
			break;
		start = line->len;
		if (part->kind == LEDGER_LINE_SAME)
		{
			if (part->parameter >= nlongs)
				ledger_corrupt(chunk, "log line refers to a variable that it lacks");
			enlargeStringInfo(line, long_lengths[part->parameter]);
			appendBinaryStringInfo(line, line->data + longs[part->parameter],
								   long_lengths[part->parameter]);
			continue;
		}
		append_value(chunk, part->column, &cursors[part->column], line);
		if (ledger_line_is_long(part->kind, line->len - start))
		{
			longs[nlongs] = start;
			long_lengths[nlongs++] = line->len - start;
		}
	}
	if (line->len > LEDGER_LINE_MAX)
		ledger_corrupt(chunk, "log line is too long");
}

/* Decode "count" lines from the first'th on (not counting NULLs). */
void
ledger_lines_decode(LedgerChunk *chunk, int first, int count, Datum *values)
{
	LedgerLinesReader *r = chunk->lines;
	Cursor	   *cursors = start_cursors(chunk, first, count);
	LedgerArena arena = {NULL, 0};
	Size		hint = count > 1 ? (Size) count * LINE_GUESS : 0;
	StringInfoData line;

	initStringInfo(&line);
	for (int i = 0; i < count; i++)
	{
		build_line(chunk, r->rows[first + i], cursors, &line);
		memcpy(ledger_arena_value(&arena, &chunk->type, line.len, hint, &values[i]),
			   line.data, line.len);
	}
	pfree(line.data);
	end_cursors(chunk, cursors);
}

/* Would ledger_lines_decode give these values?  Value i is values[rows[i]]. */
bool
ledger_lines_matches(LedgerChunk *chunk, int first, int count, const int *rows,
					 const Datum *values)
{
	LedgerLinesReader *r = chunk->lines;
	Cursor	   *cursors = start_cursors(chunk, first, count);
	StringInfoData line;
	bool		same = true;

	initStringInfo(&line);
	for (int i = 0; i < count && same; i++)
	{
		LedgerBytes value = ledger_datum_bytes(&chunk->type, values[rows[i]]);
		LedgerBytes built;

		build_line(chunk, r->rows[first + i], cursors, &line);
		built.data = line.data;
		built.len = line.len;
		same = ledger_bytes_equal(value, built);
	}
	pfree(line.data);
	end_cursors(chunk, cursors);
	return same;
}

/* ---- for those who look at templates ---- */

int
ledger_lines_templates(const LedgerLinesReader *r)
{
	return (int) r->ntemplates;
}

const LedgerLineSet *
ledger_lines_set(LedgerChunk *chunk)
{
	if (!chunk->lines->loaded)
		load(chunk, chunk->lines);
	return &chunk->lines->set;
}

/* The templates of lines of the open vector, from "first" on. */
const uint16 *
ledger_lines_rows(LedgerChunk *chunk, int first, int count)
{
	need_rows(chunk, chunk->lines, first, first + count);
	return chunk->lines->rows + first;
}
