/*-------------------------------------------------------------------------
 *
 * shred_write.c
 *	  Shredded documents: the encoder.  See shred.h, and shred_learn.c for what
 *	  is found out first.
 *
 * The documents are taken apart a second time, and their values collected in
 * sub-columns, each of which is then encoded like a column of its own.  A
 * document of a kind whose strings repeat columns of the row, but for some of
 * them, gets a shape of its own, in which these come from sub-columns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <lz4hc.h>

#include "catalog/pg_type_d.h"
#include "codec/shred.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* Fewest documents and most bytes of a column that is shredded. */
#define ROWS_MIN			32
#define TOTAL_MAX			((uint64) 64 * 1024 * 1024)

/* Up to so many bytes, the result is compared with what LZ4 would make. */
#define COMPARE_MAX			(2 * 1024 * 1024)

/* Documents looked at for whether they are few that recur. */
#define DISTINCT_SAMPLE		128

/* Fewest documents to glance at, and most that may be kept whole for that. */
#define GLANCE_MIN			8192
#define GLANCE_WHOLE_SHARE	32

/* Strings that may repeat a column, of one kind. */
#define REPEATS_MAX			32

#define ROOM_PIECE			65536

/* The values of a sub-column so far. */
typedef struct Fill
{
	Datum	   *values;
	uint8	   *scales;			/* of numbers */
	uint32		size;			/* allocated */
	LedgerColumnType type;
	LedgerSummary summary;
} Fill;

/* A shape of a kind: which of its repeating strings do not repeat. */
typedef struct Variant
{
	int			kind;
	uint32		mask;
	int			next;			/* of the kind, or -1 */
} Variant;

struct LedgerShredWriter
{
	LedgerShredPlan *plan;
	LedgerShredCatalog catalog;
	Fill	   *fills;
	Variant    *variants;		/* of each shape */
	int			whole;			/* shape of documents kept whole, or -1 */
	uint16	   *codes;			/* shape of each row */
	uint32	   *starts;			/* of each sub-column in each vector */
	char	   *room;			/* for strings */
	Size		left;
	int			nwhole;			/* documents kept whole */
};

/* ---- values ---- */

static Datum
make_string(LedgerShredWriter *shred, LedgerBytes bytes)
{
	bool		is_short = bytes.len + VARHDRSZ_SHORT <= VARATT_SHORT_MAX;
	Size		header = is_short ? VARHDRSZ_SHORT : VARHDRSZ;
	Size		skip = is_short ? 0 : (char *) INTALIGN(shred->room) - shred->room;
	char	   *p;

	if (skip + header + bytes.len > shred->left)
	{
		shred->left = Max(header + bytes.len, ROOM_PIECE);
		shred->room = palloc_extended(shred->left, MCXT_ALLOC_HUGE);
		skip = 0;
	}
	p = shred->room + skip;
	if (is_short)
		SET_VARSIZE_SHORT(p, header + bytes.len);
	else
		SET_VARSIZE(p, header + bytes.len);
	memcpy(p + header, bytes.data, bytes.len);
	shred->room = p + header + bytes.len;
	shred->left -= skip + header + bytes.len;
	return PointerGetDatum(p);
}

/* Make room for one more value of a sub-column. */
static void
grow_fill(Fill *fill, const LedgerShredColumn *column)
{
	fill->size = fill->size == 0 ? 64 : fill->size * 2;
	if (fill->values == NULL)
	{
		fill->values = palloc(fill->size * sizeof(Datum));
		fill->scales = column->class == LEDGER_LEAF_NUMBER ? palloc(fill->size) : NULL;
		fill->type = ledger_shred_column_type(column);
		fill->summary.constant = true;
		return;
	}
	fill->values = repalloc(fill->values, fill->size * sizeof(Datum));
	if (fill->scales)
		fill->scales = repalloc(fill->scales, fill->size);
}

/* Append a value; false if there are too many. */
static bool
append_value(LedgerShredWriter *shred, int c, const LedgerLeaf *leaf, Datum document)
{
	LedgerShredColumn *column = &shred->plan->columns[c];
	Fill	   *fill = &shred->fills[c];
	uint32		n = column->nvalues;

	if (n == LEDGER_SHRED_VALUES)
		return false;
	if (n == fill->size)
		grow_fill(fill, column);
	switch (column->class)
	{
		case LEDGER_LEAF_NUMBER:
			fill->values[n] = Int64GetDatum(leaf->number);
			fill->scales[n] = leaf->scale;
			break;
		case LEDGER_LEAF_BOOL:
			fill->values[n] = BoolGetDatum(leaf->number != 0);
			break;
		case LEDGER_LEAF_DOCUMENT:
			fill->values[n] = document;
			break;
		default:
			fill->values[n] = make_string(shred, leaf->bytes);
			break;
	}
	column->nvalues++;
	if (fill->scales == NULL)
		ledger_summary_add(&fill->summary, &fill->type, fill->values, n);
	return true;
}

/* ---- shapes ---- */

static LedgerShredShape *
add_shape(LedgerShredWriter *shred, int kind, uint32 mask, int nsteps)
{
	LedgerShredShape *shape;
	Variant    *variant;

	if (shred->catalog.nshapes == LEDGER_SHRED_SHAPES)
		return NULL;
	shape = &shred->catalog.shapes[shred->catalog.nshapes];
	variant = &shred->variants[shred->catalog.nshapes++];
	memset(shape, 0, sizeof(*shape));
	shape->nsteps = nsteps;
	shape->steps = palloc0(Max(nsteps, 1) * sizeof(LedgerShredStep));
	variant->kind = kind;
	variant->mask = mask;
	variant->next = -1;
	return shape;
}

/* The shape of documents that are kept whole; -1 if there cannot be one. */
static int
whole_shape(LedgerShredWriter *shred)
{
	static const LedgerBytes path = {"$", 1};
	LedgerShredShape *shape;
	int			column;

	if (shred->whole >= 0)
		return shred->whole;
	column = ledger_shred_column(shred->plan, path, LEDGER_LEAF_DOCUMENT, 0);
	if (column < 0 || (shape = add_shape(shred, -1, 0, 1)) == NULL)
		return -1;
	shape->steps[0].op = LEDGER_OP_VALUE;
	shape->steps[0].arg = column;
	return shred->whole = shred->catalog.nshapes - 1;
}

static void
constant_step(LedgerShredStep *step, const LedgerShredSlot *slot)
{
	step->bytes = slot->first.bytes;
	if (slot->class == LEDGER_LEAF_BOOL)
	{
		step->op = slot->first.number ? LEDGER_OP_TRUE : LEDGER_OP_FALSE;
		step->bytes.len = 0;
	}
	else
		step->op = slot->class == LEDGER_LEAF_STRING ? LEDGER_OP_STRING : LEDGER_OP_NUMERIC;
}

/* Does the slot, the n'th of those with references, repeat a column here? */
static inline bool
repeats(const LedgerShredSlot *slot, uint32 mask, int n)
{
	return slot->reference >= 0 && n < REPEATS_MAX && !(mask & (1U << n));
}

/*
 * Make the shape of a kind in which the strings of the mask do not repeat a
 * column; -1 if there are too many shapes or sub-columns.
 */
static int
make_shape(LedgerShredWriter *shred, int k, uint32 mask)
{
	LedgerShredKind *kind = &shred->plan->kinds[k];
	LedgerShredShape *shape = add_shape(shred, k, mask, kind->ntokens);
	int			number = shred->catalog.nshapes - 1;
	int			nrepeating = 0;
	LedgerShredSlot *slot = kind->slots;

	if (shape == NULL)
		return -1;
	for (int i = 0; i < kind->ntokens; i++)
	{
		LedgerShredStep *step = &shape->steps[i];

		step->arg = LEDGER_TOKEN_ARG(kind->tokens[i]);
		switch (LEDGER_TOKEN_KIND(kind->tokens[i]))
		{
			case LEDGER_TOKEN_OBJECT:
				step->op = LEDGER_OP_OBJECT;
				break;
			case LEDGER_TOKEN_ARRAY:
				step->op = LEDGER_OP_ARRAY;
				break;
			case LEDGER_TOKEN_SCALAR:
				step->op = LEDGER_OP_SCALAR;
				break;
			case LEDGER_TOKEN_NULL:
				step->op = LEDGER_OP_NULL;
				break;
			case LEDGER_TOKEN_LEAF:
				if (slot->constant)
					constant_step(step, slot);
				else if (repeats(slot, mask, nrepeating))
				{
					step->op = LEDGER_OP_COLUMN;
					step->arg = slot->reference;
				}
				else
				{
					if (slot->column < 0)
						slot->column = ledger_shred_column(shred->plan, slot->path, slot->class, 0);
					if (slot->column < 0)
					{
						shred->catalog.nshapes--;
						return -1;
					}
					step->op = LEDGER_OP_VALUE;
					step->arg = slot->column;
				}
				if (!slot->constant && slot->reference >= 0)
					nrepeating++;
				slot++;
				break;
		}
	}
	shred->variants[number].next = kind->variant;
	kind->variant = number;
	return number;
}

static int
find_shape(LedgerShredWriter *shred, int k, uint32 mask)
{
	for (int v = shred->plan->kinds[k].variant; v >= 0; v = shred->variants[v].next)
	{
		if (shred->variants[v].mask == mask)
			return v;
	}
	return make_shape(shred, k, mask);
}

/* Which of the document's strings do not repeat their column? */
static uint32
failing_repeats(const LedgerShredPlan *plan, const LedgerShredKind *kind,
				const LedgerColumnInput *columns, int row)
{
	uint32		mask = 0;
	int			n = 0;

	for (int s = 0; s < kind->nslots && n < REPEATS_MAX; s++)
	{
		const LedgerShredSlot *slot = &kind->slots[s];

		if (slot->constant || slot->reference < 0)
			continue;
		if (!ledger_shred_refers(&columns[plan->references[slot->reference]], row,
								 plan->walk->leaves[s].bytes))
			mask |= 1U << n;
		n++;
	}
	return mask;
}

/* ---- filling ---- */

static bool
keep_whole(LedgerShredWriter *shred, int row, Datum document)
{
	int			shape = whole_shape(shred);

	if (shape < 0)
		return false;
	shred->codes[row] = shape;
	shred->nwhole++;
	return append_value(shred, shred->catalog.shapes[shape].steps[0].arg, NULL, document);
}

/* Take the row's document apart, if it is not to be kept whole: its kind. */
static int
take_apart(LedgerShredPlan *plan, int row, LedgerBytes document)
{
	int			k = plan->rows[row];

	if (k == LEDGER_SHRED_WHOLE)
		return k;
	if (!ledger_json_walk(plan->walk, document))
	{
		Assert(k == LEDGER_SHRED_UNSEEN);
		return LEDGER_SHRED_WHOLE;
	}
	if (k == LEDGER_SHRED_UNSEEN)
		return ledger_shred_recognize(plan);
	if (plan->walk->nleaves != plan->kinds[k].nslots)
		elog(ERROR, "a document does not look the same twice");
	return k;
}

/* Put the row's document into sub-columns; false if something is too much. */
static bool
fill_row(LedgerShredWriter *shred, const LedgerColumnInput *columns, int self, int row)
{
	LedgerShredPlan *plan = shred->plan;
	Datum		document = columns[self].values[row];
	int			k = take_apart(plan, row, ledger_datum_bytes(&columns[self].type, document));
	LedgerShredKind *kind;
	int			shape;
	int			nrepeating = 0;
	uint32		mask;

	if (k == LEDGER_SHRED_WHOLE)
		return keep_whole(shred, row, document);
	kind = &plan->kinds[k];
	mask = failing_repeats(plan, kind, columns, row);
	shape = find_shape(shred, k, mask);
	if (shape < 0)
		return keep_whole(shred, row, document);
	shred->codes[row] = shape;
	for (int s = 0; s < kind->nslots; s++)
	{
		LedgerShredSlot *slot = &kind->slots[s];

		if (slot->constant || (slot->reference >= 0 && repeats(slot, mask, nrepeating++)))
			continue;
		if (!append_value(shred, slot->column, &plan->walk->leaves[s], document))
			return false;
	}
	return true;
}

static bool
fill(LedgerShredWriter *shred, const LedgerColumnInput *columns, int self)
{
	const LedgerColumnInput *input = &columns[self];

	for (int row = 0; row < input->nrows; row++)
	{
		if (row % LEDGER_VECTOR_ROWS == 0)
		{
			uint32	   *starts = shred->starts +
				row / LEDGER_VECTOR_ROWS * LEDGER_SHRED_COLUMNS;

			CHECK_FOR_INTERRUPTS();
			memset(starts, 0, LEDGER_SHRED_COLUMNS * sizeof(uint32));
			for (int c = 0; c < shred->plan->ncolumns; c++)
				starts[c] = shred->plan->columns[c].nvalues;
		}
		if (!input->isnull[row] && !fill_row(shred, columns, self, row))
			return false;
	}
	return true;
}

/* ---- writing ---- */

/*
 * Bring a column's numbers to one scale, if that loses nothing: all have the
 * same, or show no zeros at the end beyond what the least scale asks for.
 */
static bool
scale_numbers(LedgerShredColumn *column, Fill *fill)
{
	int			most = 0;
	int			least = LEDGER_NUMBER_SCALE_MAX;

	for (uint32 i = 0; i < column->nvalues; i++)
	{
		most = Max(most, fill->scales[i]);
		least = Min(least, fill->scales[i]);
	}
	for (uint32 i = 0; i < column->nvalues; i++)
	{
		int64		number = DatumGetInt64(fill->values[i]);
		int64		factor = ledger_power_of_10(most - fill->scales[i]);

		if (fill->scales[i] > least && most > least && number % 10 == 0)
			return false;
		if (number > LEDGER_JSONB_NUMBER_MAX / factor || number < -LEDGER_JSONB_NUMBER_MAX / factor)
			return false;
	}
	for (uint32 i = 0; i < column->nvalues && most > least; i++)
		fill->values[i] = Int64GetDatum(DatumGetInt64(fill->values[i]) *
										ledger_power_of_10(most - fill->scales[i]));
	column->scale = most;
	column->least_scale = most > least ? least : most;
	return true;
}

/* Numbers that have no scale in common become numerics as they were. */
static void
numbers_to_numerics(LedgerShredWriter *shred, LedgerShredColumn *column, Fill *fill)
{
	LedgerColumnType type;

	column->class = LEDGER_LEAF_NUMERIC;
	type = ledger_shred_column_type(column);
	for (uint32 i = 0; i < column->nvalues; i++)
	{
		char		room[LEDGER_NUMBER_BYTES];
		LedgerBytes bytes = {room, 0};

		bytes.len = ledger_number_write(DatumGetInt64(fill->values[i]), fill->scales[i], room);
		fill->values[i] = make_string(shred, bytes);
		ledger_summary_add(&fill->summary, &type, fill->values, i);
	}
}

static void
write_through(void *arg, const void *data, size_t len)
{
	ledger_encoder_write(arg, data, len);
}

static void
write_to_memory(void *arg, const void *data, size_t len)
{
	appendBinaryStringInfo(arg, data, len);
}

static void
write_column(LedgerShredWriter *shred, int c, const LedgerEncodeOptions *options,
			 const bool *isnull, LedgerSink *sink)
{
	LedgerShredColumn *column = &shred->plan->columns[c];
	Fill	   *fill = &shred->fills[c];
	LedgerColumnInput input;
	MemoryContext context;
	MemoryContext old;
	int			header_start = sink->header->len;

	if (fill->scales && !scale_numbers(column, fill))
	{
		numbers_to_numerics(shred, column, fill);
		pfree(fill->scales);
		fill->scales = NULL;
	}
	input.type = ledger_shred_column_type(column);
	input.nrows = column->nvalues;
	input.values = fill->values;
	input.isnull = isnull;
	input.summary = fill->scales ? NULL : &fill->summary;

	context = AllocSetContextCreate(CurrentMemoryContext, "ledger sub-column",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	column->length = ledger_chunk_encode_with(&input, 0, options, sink);
	column->header_length = sink->header->len - header_start;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	if (fill->values)
		pfree(fill->values);
	fill->values = NULL;
}

static void
write_columns(LedgerShredWriter *shred, const LedgerEncodeOptions *options, LedgerSink *sink)
{
	LedgerShredPlan *plan = shred->plan;
	uint32		longest = 1;
	bool	   *isnull;

	for (int c = 0; c < plan->ncolumns; c++)
		longest = Max(longest, plan->columns[c].nvalues);
	isnull = palloc0(longest);
	for (int c = 0; c < plan->ncolumns; c++)
		write_column(shred, c, options, isnull, sink);
	pfree(isnull);
}

/* Write the catalog, and fill in the encoding's part of the header. */
static void
write_catalog(LedgerEncoder *enc, StringInfo raw)
{
	char	   *room = palloc(raw->len);

	ledger_write_stored(enc, LZ4HC_CLEVEL_DEFAULT, raw->data, raw->len, room);
	pfree(room);
}

/* Leave out the key sets of documents that are kept whole. */
static void
prune_keysets(LedgerShredWriter *shred)
{
	LedgerShredCatalog *catalog = &shred->catalog;
	const LedgerJsonWalk *walk = shred->plan->walk;
	int		   *numbers = palloc0((walk->nkeysets + 1) * sizeof(int));	/* plus 1 */

	catalog->nkeysets = 0;
	catalog->keysets = palloc((walk->nkeysets + 1) * sizeof(LedgerKeyset));
	for (int s = 0; s < catalog->nshapes; s++)
	{
		for (int i = 0; i < catalog->shapes[s].nsteps; i++)
		{
			LedgerShredStep *step = &catalog->shapes[s].steps[i];

			if (step->op != LEDGER_OP_OBJECT)
				continue;
			if (numbers[step->arg] == 0)
			{
				catalog->keysets[catalog->nkeysets++] = walk->keysets[step->arg];
				numbers[step->arg] = catalog->nkeysets;
			}
			step->arg = numbers[step->arg] - 1;
		}
	}
	pfree(numbers);
}

static void
make_catalog(LedgerShredWriter *shred, StringInfo raw)
{
	LedgerShredCatalog *catalog = &shred->catalog;
	LedgerShredPlan *plan = shred->plan;

	catalog->nreferences = plan->nreferences;
	memcpy(catalog->references, plan->references, sizeof(catalog->references));
	catalog->ncolumns = plan->ncolumns;
	catalog->columns = plan->columns;
	initStringInfo(raw);
	ledger_shred_catalog_write(catalog, raw);
}

/* What a sub-column takes beside its values, about, and a shape. */
#define COLUMN_OVERHEAD		150
#define SHAPE_OVERHEAD		30

/*
 * Write the sub-columns and the catalog, unless that gets too large.  What is
 * small is first made in memory and compared.
 */
static bool
write_preamble(LedgerEncoder *enc, LedgerShredWriter *shred, const LedgerSummary *summary)
{
	LedgerSink	sink = {write_through, enc, &enc->inner};
	LedgerEncodeOptions options = {enc->effort, enc->compression, true};
	StringInfoData memory;
	StringInfoData raw;
	bool		compare = summary->total <= COMPARE_MAX;

	if (compare)
	{
		initStringInfo(&memory);
		sink.write = write_to_memory;
		sink.arg = &memory;
	}
	else if ((uint64) shred->plan->ncolumns * COLUMN_OVERHEAD +
			 (uint64) shred->catalog.nshapes * SHAPE_OVERHEAD > summary->total / 16)
		return false;
	prune_keysets(shred);
	make_catalog(shred, &raw);
	if (raw.len > LEDGER_SHRED_CATALOG / 2)
		return false;
	write_columns(shred, &options, &sink);
	make_catalog(shred, &raw);
	if (compare)
	{
		uint64		codes = enc->input->nrows;

		if (memory.len + enc->inner.len + raw.len / 2 + codes > ledger_lz4_estimate(enc, summary))
		{
			resetStringInfo(&enc->inner);
			return false;
		}
		ledger_encoder_write(enc, memory.data, memory.len);
	}
	write_catalog(enc, &raw);
	return true;
}

/* Do nearly all documents differ?  If not, a dictionary is better. */
static bool
documents_differ(const LedgerColumnInput *input)
{
	LedgerBytes seen[DISTINCT_SAMPLE];
	int			step = Max(input->nrows / DISTINCT_SAMPLE, 1);
	int			n = 0;
	int			distinct = 0;

	for (int row = step / 2; row < input->nrows && n < DISTINCT_SAMPLE; row += step)
	{
		int			i = 0;

		if (input->isnull[row])
			continue;
		seen[n] = ledger_datum_bytes(&input->type, input->values[row]);
		while (i < n && !ledger_bytes_equal(seen[i], seen[n]))
			i++;
		distinct += i == n;
		n++;
	}
	return distinct * 2 > n;
}

static bool
worth_a_try(const LedgerEncoder *enc, const LedgerSummary *summary)
{
	const LedgerColumnType *type = &enc->input->type;

	if (type->typid != JSONBOID)
		return false;
	return summary->nvalues >= ROWS_MIN && summary->total <= TOTAL_MAX &&
		documents_differ(enc->input);
}

/* Learn about the column and fill the sub-columns; NULL if that comes to nothing. */
static LedgerShredWriter *
learn_and_fill(LedgerEncoder *enc, const LedgerSummary *summary, bool glance)
{
	int			nrows = enc->input->nrows;
	int			nvectors = LEDGER_VECTORS_OF(nrows);
	LedgerShredPlan *plan = ledger_shred_learn(enc->columns, enc->self, glance);
	LedgerShredWriter *shred;

	if (plan == NULL)
		return NULL;
	shred = palloc0(sizeof(LedgerShredWriter));
	shred->plan = plan;
	shred->whole = -1;
	shred->fills = palloc0(LEDGER_SHRED_COLUMNS * sizeof(Fill));
	shred->catalog.shapes = palloc(LEDGER_SHRED_SHAPES * sizeof(LedgerShredShape));
	shred->variants = palloc(LEDGER_SHRED_SHAPES * sizeof(Variant));
	shred->codes = palloc((nrows + 1) * sizeof(uint16));
	shred->starts = palloc((nvectors + 1) * LEDGER_SHRED_COLUMNS * sizeof(uint32));
	if (!fill(shred, enc->columns, enc->self) ||
		(glance && shred->nwhole > summary->nvalues / GLANCE_WHOLE_SHARE))
		return NULL;
	return shred;
}

/*
 * Quickly, a glance has to do; if that leads to too many documents kept whole,
 * all are looked at.
 */
bool
ledger_shred_begin(LedgerEncoder *enc, const LedgerSummary *summary)
{
	LedgerShredWriter *shred = NULL;

	if (!worth_a_try(enc, summary))
		return false;
	if (enc->effort == LEDGER_EFFORT_QUICK && summary->nvalues >= GLANCE_MIN)
		shred = learn_and_fill(enc, summary, true);
	if (shred == NULL)
		shred = learn_and_fill(enc, summary, false);
	if (shred == NULL || !write_preamble(enc, shred, summary))
		return false;
	enc->shred = shred;
	return true;
}

/* Append to the current vector's meta. */
void
ledger_shred_vector(LedgerEncoder *enc)
{
	LedgerShredWriter *shred = enc->shred;
	const uint32 *starts = shred->starts +
		enc->dense[0] / LEDGER_VECTOR_ROWS * LEDGER_SHRED_COLUMNS;
	uint64		numbers[LEDGER_VECTOR_ROWS];

	for (int i = 0; i < enc->ndense; i++)
		numbers[i] = shred->codes[enc->dense[i]];
	ledger_integers_write(numbers, enc->ndense, &enc->meta);
	for (int c = 0; c < shred->plan->ncolumns; c++)
		numbers[c] = starts[c];
	ledger_integers_write(numbers, shred->plan->ncolumns, &enc->meta);
}
