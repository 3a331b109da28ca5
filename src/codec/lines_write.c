/*-------------------------------------------------------------------------
 *
 * lines_write.c
 *	  Log lines: templates that repeat, and columns of what varies.
 *
 * lines_mine.c finds the templates.  The variables of all lines are put in
 * columns, see lines_template.c, and each column is stored as its values are
 * smaller: as they are, or as codes of a dictionary.
 *
 * The preamble is what every vector needs, in two parts: "texts" (the
 * templates' and the text dictionaries' bytes, in LZ4 where that helps) and
 * "numbers" (what LZ4 would not make smaller):
 *
 *		lengths of the templates' texts, in vectors of bitpack.h of 1024
 *		for each column with a dictionary, its entries: numbers as such
 *		vectors; hexadecimal digits packed; of texts, the lengths as such
 *		vectors, the bytes being in "texts"
 *
 * Bytes of the encoding's part of the header:
 *
 *		..	number of templates, varint
 *		..	raw length of "texts", varint
 *		..	stored length of "texts", varint; equal: not LZ4
 *		4	CRC-32C of stored "texts"
 *		4	CRC-32C of "numbers"
 *		..	for each column: how it is stored (see lines.h) and, if there is a
 *			dictionary of more than one entry, the number of entries, varint
 *
 * Bytes of a vector's meta, after the null bitmap:
 *
 *		..	the lines' templates, a vector of bitpack.h, if more than one
 *		..	for each column that is in these lines, in order: codes or
 *			numbers as a vector of bitpack.h; packed digits; lengths of texts
 *		..	stored length of the texts of all columns, varint, if there are
 *			any; equal to their lengths' sum: not LZ4
 *		..	these texts, compressed with "texts" before them
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <lz4.h>
#include <lz4hc.h>

#include "catalog/pg_type_d.h"
#include "codec/lines_write.h"
#include "miscadmin.h"

/* Fewest bytes of a column, and of a line on average, that are worth it. */
#define LINES_BYTES_MIN		1024
#define LINES_MEAN_MIN		4

/* What is encoded is kept in memory. */
#define LINES_BYTES_MAX		(64 * 1024 * 1024)

/* Most variables of all lines. */
#define VALUES_MAX			(4 * 1024 * 1024)

/* Texts of so few bytes go to the dictionary, even if none repeats. */
#define TEXTS_SMALL			32768

#define TEXTS_HC_LEVEL(effort)	((effort) == LEDGER_EFFORT_QUICK ? 3 : 9)
#define VECTOR_HC_LEVEL		4

typedef union Value
{
	uint64		number;
	struct
	{
		const char *data;
		uint32		len;
	}			text;
} Value;

typedef struct LineColumn
{
	int			n;
	int			room;
	Value	   *values;
	int		   *starts;			/* by vector: number of its first value */
	uint32	   *codes;			/* by value, or NULL */
	int			how;			/* LEDGER_LINES_... */
	int			nentries;
	int		   *entries;		/* of each: number of a value with it */
} LineColumn;

struct LedgerLinesWriter
{
	LedgerEncoder *enc;
	LedgerLinesMined mined;
	LedgerLineSet set;
	LineColumn *columns;
	int			nvectors;
	int			total;			/* values of all columns */
	StringInfoData texts;
	StringInfoData numbers;
	StringInfoData header;
	char	   *stored;			/* "texts", compressed */
	int			nstored;
	StringInfoData vectors;		/* what comes after the null bitmaps */
	int		   *ends;			/* of each vector in these bytes */
};

static void
add_value(LineColumn *column, Value value)
{
	if (column->n == column->room)
	{
		column->room = Max(64, column->room * 2);
		column->values = column->values ?
			repalloc(column->values, column->room * sizeof(Value)) :
			palloc(column->room * sizeof(Value));
	}
	column->values[column->n++] = value;
}

/* ---- gathering ---- */

static void
add_text(LedgerLinesWriter *w, const LedgerLinePart *part, const char *start, const char *end)
{
	Value		value;

	Assert(part->kind == LEDGER_LINE_TEXT);
	value.text.data = start;
	value.text.len = end - start;
	add_value(&w->columns[part->column], value);
	w->total++;
}

static void
add_var(LedgerLinesWriter *w, const LedgerLinePart *part, const char *line,
		const LedgerLineVar *var)
{
	Value		value;

	Assert(part->kind == var->kind && part->parameter == var->parameter);
	if (part->column < 0)
		return;
	if (ledger_line_is_number(var->kind))
		value.number = var->value;
	else
	{
		value.text.data = line + var->start;
		value.text.len = var->len;
	}
	add_value(&w->columns[part->column], value);
	w->total++;
}

/* Put a line's variables in their columns, where some fields are texts. */
static void
gather_fields(LedgerLinesWriter *w, LedgerBytes line, const LedgerLineVar *vars, int n,
			  const LedgerLinePart *part, uint64 fields)
{
	uint32		start = 0;		/* of the field */
	int			field = 0;
	int			v = 0;

	for (uint32 i = 0; i <= line.len;)
	{
		bool		is_text = (fields & (UINT64CONST(1) << field)) != 0;

		if (v < n && i == vars[v].start)
		{
			if (!is_text)
				add_var(w, part++, line.data, &vars[v]);
			i += vars[v++].len;
			continue;
		}
		if (i == line.len || line.data[i] == ' ')
		{
			if (is_text)
				add_text(w, part++, line.data + start, line.data + i);
			start = i + 1;
			field++;
		}
		i++;
	}
	Assert(part->kind == 0);
}

static void
gather_line(LedgerLinesWriter *w, LedgerBytes line, int template)
{
	LedgerLineVar vars[LEDGER_LINE_VARS];
	const LedgerLinePart *part = ledger_line_parts(&w->set, template);
	uint64		fields = w->mined.fields[template];
	int			n;

	if (template == 0)
	{
		add_text(w, part, line.data, line.data + line.len);
		return;
	}
	n = ledger_line_scan(line.data, (uint32) line.len, vars);
	if (fields != 0)
		gather_fields(w, line, vars, n, part, fields);
	else
		for (int v = 0; v < n; v++)
			add_var(w, part + v, line.data, &vars[v]);
}

/* Fill the columns; false if there are too many values. */
static bool
gather(LedgerLinesWriter *w)
{
	const LedgerColumnInput *input = w->enc->input;

	w->columns = palloc0(sizeof(LineColumn) * Max(w->set.ncolumns, 1));
	for (int c = 0; c < w->set.ncolumns; c++)
		w->columns[c].starts = palloc0(sizeof(int) * (w->nvectors + 1));
	for (int row = 0; row < input->nrows; row++)
	{
		if (row % LEDGER_VECTOR_ROWS == 0)
		{
			CHECK_FOR_INTERRUPTS();
			for (int c = 0; c < w->set.ncolumns; c++)
				w->columns[c].starts[row / LEDGER_VECTOR_ROWS] = w->columns[c].n;
		}
		if (input->isnull[row])
			continue;
		gather_line(w, ledger_encoder_value(w->enc, row), w->mined.rows[row]);
		if (w->total > VALUES_MAX)
			return false;
	}
	for (int c = 0; c < w->set.ncolumns; c++)
		w->columns[c].starts[w->nvectors] = w->columns[c].n;
	return true;
}

static bool
parse_templates(LedgerLinesWriter *w)
{
	int			n = w->mined.ntemplates;
	uint32	   *starts = palloc(sizeof(uint32) * (n + 1));
	StringInfoData texts;

	initStringInfo(&texts);
	for (int i = 0; i < n; i++)
	{
		starts[i] = texts.len;
		appendBinaryStringInfo(&texts, w->mined.texts[i].data, w->mined.texts[i].len);
	}
	starts[n] = texts.len;
	return ledger_lines_parse(&w->set, texts.data, starts, n, CurrentMemoryContext);
}

/* ---- choosing ---- */

static inline bool
same_value(bool is_number, const Value *a, const Value *b)
{
	if (is_number)
		return a->number == b->number;
	return a->text.len == b->text.len && memcmp(a->text.data, b->text.data, a->text.len) == 0;
}

/* Give each distinct value a code; false if there are more than "most". */
static bool
make_codes(LineColumn *column, bool is_number, int most)
{
	uint32		size = 64;
	int		   *slots;
	bool		ok = true;

	while (size < 2 * (uint32) Min(column->n, most + 1))
		size *= 2;
	slots = palloc0(sizeof(int) * size);
	column->codes = palloc(sizeof(uint32) * column->n);
	column->entries = palloc(sizeof(int) * Min(column->n, most + 1));
	column->nentries = 0;
	for (int i = 0; i < column->n && ok; i++)
	{
		const Value *value = &column->values[i];
		uint32		hash = is_number ?
			(uint32) ((value->number * UINT64CONST(0x9E3779B97F4A7C15)) >> 32) :
			ledger_line_hash(value->text.data, value->text.len);
		uint32		place = hash & (size - 1);

		while (slots[place] != 0 &&
			   !same_value(is_number, value, &column->values[column->entries[slots[place] - 1]]))
			place = (place + 1) & (size - 1);
		if (slots[place] == 0)
		{
			if (column->nentries == most)
			{
				ok = false;
				break;
			}
			column->entries[column->nentries++] = i;
			slots[place] = column->nentries;
		}
		column->codes[i] = slots[place] - 1;
	}
	pfree(slots);
	return ok;
}

/* Values first to end - 1 as numbers, or their codes, or their lengths. */
static void
get_numbers(const LineColumn *column, bool codes, bool lengths, int first, int end,
			uint64 *numbers)
{
	for (int i = first; i < end; i++)
	{
		if (codes)
			numbers[i - first] = column->codes[i];
		else if (lengths)
			numbers[i - first] = column->values[i].text.len;
		else
			numbers[i - first] = column->values[i].number;
	}
}

static Size
measure_numbers(const LedgerLinesWriter *w, const LineColumn *column, bool codes)
{
	uint64		numbers[LEDGER_VECTOR_ROWS];
	Size		size = 0;

	for (int v = 0; v < w->nvectors; v++)
	{
		int			n = column->starts[v + 1] - column->starts[v];

		if (n == 0)
			continue;
		get_numbers(column, codes, false, column->starts[v], column->starts[v + 1], numbers);
		size += ledger_integers_size(numbers, n);
	}
	return size;
}

static Size
measure_entries(const LineColumn *column)
{
	uint64		numbers[LEDGER_VECTOR_ROWS];
	Size		size = 0;

	for (int first = 0; first < column->nentries; first += LEDGER_VECTOR_ROWS)
	{
		int			n = Min(LEDGER_VECTOR_ROWS, column->nentries - first);

		for (int i = 0; i < n; i++)
			numbers[i] = column->values[column->entries[first + i]].number;
		size += ledger_integers_size(numbers, n);
	}
	return size;
}

static uint64
text_bytes(const LineColumn *column, bool entries)
{
	uint64		total = 0;

	for (int i = 0; i < (entries ? column->nentries : column->n); i++)
		total += column->values[entries ? column->entries[i] : i].text.len;
	return total;
}

/* Decide how a column is stored. */
static void
choose(LedgerLinesWriter *w, int c)
{
	LineColumn *column = &w->columns[c];
	int			kind = w->set.columns[c].kind;
	bool		is_number = ledger_line_is_number(kind);
	int			most = column->n;
	uint64		direct = 0;
	uint64		dict;

	column->how = LEDGER_LINES_DIRECT;
	if (column->n == 0)
		return;
	if (is_number)
	{
		/* the wider the values, the fewer must repeat */
		direct = measure_numbers(w, column, false);
		most = direct < 3 * (uint64) column->n ? column->n / 2 + 1 : column->n - column->n / 8;
	}
	if (!make_codes(column, is_number, most))
		return;
	if (column->nentries == 1)
	{
		column->how = LEDGER_LINES_CONSTANT;
		return;
	}
	if (is_number)
	{
		if (direct * 4 < (uint64) column->n)
			return;
		dict = measure_entries(column);
	}
	else if (kind == LEDGER_LINE_TEXT)
	{
		direct = text_bytes(column, false) / 2;
		dict = text_bytes(column, true) / 2;
		if (dict > LEDGER_LINES_DICT_MAX / 4)
			return;
		if (dict < TEXTS_SMALL / 2)
			direct *= 2;
	}
	else
	{
		int			stride = ledger_line_stride(kind, w->set.columns[c].parameter);

		direct = (uint64) column->n * stride;
		dict = (uint64) column->nentries * stride;
		if (dict > LEDGER_LINES_DICT_MAX / 4)
			return;
	}
	dict += measure_numbers(w, column, true);
	if (dict < direct)
		column->how = LEDGER_LINES_DICT;
}

/* ---- writing ---- */

/* Numbers of any count, as vectors. */
static void
write_long(const uint64 *numbers, int n, StringInfo out)
{
	for (int first = 0; first < n; first += LEDGER_VECTOR_ROWS)
		ledger_integers_write(numbers + first, Min(LEDGER_VECTOR_ROWS, n - first), out);
}

static void
write_packed(int kind, const Value *value, StringInfo out)
{
	uint8		packed[LEDGER_LINE_VAR_MAX];

	ledger_line_pack(kind, value->text.data, value->text.len, packed);
	appendBinaryStringInfo(out, (char *) packed, ledger_line_stride(kind, value->text.len));
}

static void
write_entries(LedgerLinesWriter *w, int c)
{
	LineColumn *column = &w->columns[c];
	int			kind = w->set.columns[c].kind;
	bool		is_number = ledger_line_is_number(kind);
	uint64	   *numbers;

	if (!is_number && kind != LEDGER_LINE_TEXT)
	{
		for (int i = 0; i < column->nentries; i++)
			write_packed(kind, &column->values[column->entries[i]], &w->numbers);
		return;
	}
	numbers = palloc(sizeof(uint64) * column->nentries);
	for (int i = 0; i < column->nentries; i++)
	{
		const Value *value = &column->values[column->entries[i]];

		numbers[i] = is_number ? value->number : value->text.len;
		if (!is_number)
			appendBinaryStringInfo(&w->texts, value->text.data, value->text.len);
	}
	write_long(numbers, column->nentries, &w->numbers);
	pfree(numbers);
}

/* What all vectors share, but for the columns' descriptions. */
static void
make_preamble(LedgerLinesWriter *w)
{
	int			ntemplates = w->set.ntemplates;
	uint64	   *lengths = palloc(sizeof(uint64) * ntemplates);

	for (int i = 0; i < ntemplates; i++)
		lengths[i] = w->set.text_starts[i + 1] - w->set.text_starts[i];
	appendBinaryStringInfo(&w->texts, w->set.texts, w->set.text_starts[ntemplates]);
	write_long(lengths, ntemplates, &w->numbers);
	pfree(lengths);
	for (int c = 0; c < w->set.ncolumns; c++)
		if (w->columns[c].how != LEDGER_LINES_DIRECT)
			write_entries(w, c);

	w->stored = palloc(w->texts.len);
	w->nstored = ledger_compress(w->enc, TEXTS_HC_LEVEL(w->enc->effort), w->texts.data,
								 w->texts.len, w->stored);
	if (w->nstored <= 0)
	{
		memcpy(w->stored, w->texts.data, w->texts.len);
		w->nstored = w->texts.len;
	}
}

static void
make_header(LedgerLinesWriter *w)
{
	StringInfo	out = &w->header;
	pg_crc32c	crc = ledger_crc(w->stored, w->nstored);

	ledger_put_varint(out, w->set.ntemplates);
	ledger_put_varint(out, w->texts.len);
	ledger_put_varint(out, w->nstored);
	appendBinaryStringInfo(out, (char *) &crc, sizeof(crc));
	crc = ledger_crc(w->numbers.data, w->numbers.len);
	appendBinaryStringInfo(out, (char *) &crc, sizeof(crc));
	for (int c = 0; c < w->set.ncolumns; c++)
	{
		appendStringInfoCharMacro(out, w->columns[c].how);
		if (w->columns[c].how == LEDGER_LINES_DICT)
			ledger_put_varint(out, w->columns[c].nentries);
	}
}

static void
write_column(LedgerLinesWriter *w, int c, int v, StringInfo texts)
{
	LineColumn *column = &w->columns[c];
	int			kind = w->set.columns[c].kind;
	int			first = column->starts[v];
	int			end = column->starts[v + 1];
	bool		codes = column->how == LEDGER_LINES_DICT;
	uint64		numbers[LEDGER_VECTOR_ROWS];

	if (first == end || column->how == LEDGER_LINES_CONSTANT)
		return;
	if (codes || ledger_line_is_number(kind) || kind == LEDGER_LINE_TEXT)
	{
		get_numbers(column, codes, kind == LEDGER_LINE_TEXT, first, end, numbers);
		ledger_integers_write(numbers, end - first, &w->vectors);
	}
	if (codes || ledger_line_is_number(kind))
		return;
	for (int i = first; i < end; i++)
	{
		if (kind == LEDGER_LINE_TEXT)
			appendBinaryStringInfo(texts, column->values[i].text.data, column->values[i].text.len);
		else
			write_packed(kind, &column->values[i], &w->vectors);
	}
}

/* The texts of a vector, with those of the preamble as what precedes them. */
static void
write_texts(LedgerLinesWriter *w, const StringInfo texts, LZ4_streamHC_t *stream)
{
	int			seed = Min(w->texts.len, 65536);
	char	   *room = palloc(texts->len);
	const char *before = w->texts.data + w->texts.len - seed;
	int			length = 0;

	if (w->enc->compression == LEDGER_COMPRESSION_ZSTD)
		length = ledger_zstd_compress(w->enc->effort, texts->data, texts->len, room,
									  texts->len - 1, before, seed);
	else if (w->enc->compression == LEDGER_COMPRESSION_LZ4)
	{
		LZ4_resetStreamHC_fast(stream, VECTOR_HC_LEVEL);
		LZ4_loadDictHC(stream, before, seed);
		length = LZ4_compress_HC_continue(stream, texts->data, room, texts->len, texts->len - 1);
	}
	ledger_put_varint(&w->vectors, length > 0 ? length : texts->len);
	if (length > 0)
		appendBinaryStringInfo(&w->vectors, room, length);
	else
		appendBinaryStringInfo(&w->vectors, texts->data, texts->len);
	pfree(room);
}

static void
make_vectors(LedgerLinesWriter *w)
{
	const LedgerColumnInput *input = w->enc->input;
	LZ4_streamHC_t *stream = palloc(sizeof(LZ4_streamHC_t));
	StringInfoData texts;
	uint64		numbers[LEDGER_VECTOR_ROWS];

	LZ4_initStreamHC(stream, sizeof(LZ4_streamHC_t));
	initStringInfo(&texts);
	w->ends = palloc(sizeof(int) * Max(w->nvectors, 1));
	for (int v = 0; v < w->nvectors; v++)
	{
		int			end = Min((v + 1) * LEDGER_VECTOR_ROWS, input->nrows);
		int			n = 0;

		CHECK_FOR_INTERRUPTS();
		for (int row = v * LEDGER_VECTOR_ROWS; row < end; row++)
			if (!input->isnull[row])
				numbers[n++] = w->mined.rows[row];
		if (n > 0 && w->set.ntemplates > 1)
			ledger_integers_write(numbers, n, &w->vectors);
		resetStringInfo(&texts);
		for (int c = 0; c < w->set.ncolumns; c++)
			write_column(w, c, v, &texts);
		if (texts.len > 0)
			write_texts(w, &texts, stream);
		w->ends[v] = w->vectors.len;
	}
	pfree(texts.data);
	pfree(stream);
}

static bool
is_text_type(Oid typid)
{
	return typid == TEXTOID || typid == VARCHAROID || typid == BPCHAROID || typid == JSONOID;
}

/*
 * Encode the column as log lines, in memory; NULL if it is no such thing.
 * What it takes is in *size.
 */
LedgerLinesWriter *
ledger_lines_begin(LedgerEncoder *enc, const LedgerSummary *summary, uint64 *size)
{
	LedgerLinesWriter *w;

	if (!is_text_type(enc->input->type.typid) || summary->total < LINES_BYTES_MIN ||
		summary->total / summary->nvalues < LINES_MEAN_MIN || summary->longest > LEDGER_LINE_MAX ||
		summary->total > LINES_BYTES_MAX)
		return NULL;
	w = palloc0(sizeof(LedgerLinesWriter));
	w->enc = enc;
	w->nvectors = LEDGER_VECTORS_OF(enc->input->nrows);
	if (!ledger_lines_mine(enc, &w->mined) || !parse_templates(w) || !gather(w))
		return NULL;
	for (int c = 0; c < w->set.ncolumns; c++)
	{
		CHECK_FOR_INTERRUPTS();
		choose(w, c);
	}
	initStringInfo(&w->texts);
	initStringInfo(&w->numbers);
	initStringInfo(&w->header);
	initStringInfo(&w->vectors);
	make_preamble(w);
	if (w->texts.len > LEDGER_LINES_DICT_MAX || w->numbers.len > LEDGER_LINES_DICT_MAX)
		return NULL;
	make_header(w);
	make_vectors(w);
	*size = (uint64) w->nstored + w->numbers.len + w->header.len + w->vectors.len;
	return w;
}

/* Write the preamble, and the encoding's part of the header. */
void
ledger_lines_write(LedgerEncoder *enc)
{
	LedgerLinesWriter *w = enc->lines;

	ledger_encoder_write(enc, w->stored, w->nstored);
	ledger_encoder_write(enc, w->numbers.data, w->numbers.len);
	appendBinaryStringInfo(&enc->extra, w->header.data, w->header.len);
}

/* Append a vector's bytes to the meta. */
void
ledger_lines_vector(LedgerEncoder *enc, int vector)
{
	LedgerLinesWriter *w = enc->lines;
	int			start = vector == 0 ? 0 : w->ends[vector - 1];

	appendBinaryStringInfo(&enc->meta, w->vectors.data + start, w->ends[vector] - start);
}
