/*-------------------------------------------------------------------------
 *
 * shred_read.c
 *	  Shredded documents: the decoder.  See shred.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "codec/shred.h"
#include "miscadmin.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

/* Most bytes of a document that was taken apart, with what may be room only. */
#define BUILT_MAX	(4 * LEDGER_SHRED_DOCUMENT)

/* The scratch keeps so much from call to call, if it was needed. */
#define SCRATCH_MIN	(32 * 1024)
#define SCRATCH_MAX	(2 * 1024 * 1024)

/* A sub-column: argument of its chunk's source. */
typedef struct SubColumn
{
	LedgerChunk *parent;
	uint64		offset;			/* in the parent, as that of the header */
	uint64		header_offset;
	uint64		body_length;
	uint32		header_length;
	LedgerChunk *chunk;			/* NULL until it is needed */

	uint64		passed;			/* values before those of the vector's next document */

	/* of the call of ledger_shred_decode: the values that its rows take */
	const Datum *next;
	uint64		begin;
	uint64		need;
} SubColumn;

struct LedgerShredReader
{
	uint32		raw_length;
	uint32		stored_length;
	pg_crc32c	crc;
	LedgerShredCatalog catalog;
	SubColumn  *columns;
	MemoryContext scratch;		/* values of sub-columns, during a call */
	Size		scratch_size;	/* that it keeps */
	uint32	   *counts;			/* of shapes, during a call */

	/* the current vector */
	uint64	   *starts;			/* of each sub-column */
	int			passed;			/* documents whose values have been counted */
};

static void
column_read(void *arg, uint64 offset, size_t len, void *dst)
{
	SubColumn  *column = arg;
	const LedgerSource *source = &column->parent->source;
	bool		in_header = offset >= column->body_length;
	uint64		start = in_header ? offset - column->body_length : offset;
	uint64		size = in_header ? column->header_length : column->body_length;

	if (start > size || len > size - start)
		ledger_corrupt(column->parent, "sub-column is read past its end");
	source->read(source->arg, (in_header ? column->header_offset : column->offset) + start, len,
				 dst);
}

/* Blocks are in the body. */
static bool
column_recall(void *arg, uint64 offset, uint32 length, void *dst)
{
	SubColumn  *column = arg;
	const LedgerSource *source = &column->parent->source;

	return source->recall(source->arg, column->offset + offset, length, dst);
}

static void
column_keep(void *arg, uint64 offset, uint32 length, const void *block, bool look_up)
{
	SubColumn  *column = arg;
	const LedgerSource *source = &column->parent->source;

	source->keep(source->arg, column->offset + offset, length, block, look_up);
}

static bool
column_has_room(void *arg)
{
	SubColumn  *column = arg;
	const LedgerSource *source = &column->parent->source;

	return source->has_room(source->arg);
}

static void
column_corrupt(void *arg, const char *detail)
{
	SubColumn  *column = arg;

	ledger_corrupt(column->parent, detail);
}

static void
column_unsupported(void *arg, const char *detail)
{
	SubColumn  *column = arg;

	ledger_unsupported(column->parent, detail);
}

/* Read and understand the catalog, which ends the preamble. */
static void
read_catalog(LedgerChunk *chunk, LedgerShredReader *shred, uint64 preamble)
{
	LedgerShredCatalog *catalog = &shred->catalog;
	uint64		start = preamble - shred->stored_length;
	LedgerStored stored = {start, shred->stored_length, shred->raw_length, shred->crc,
	"catalog of shredded documents"};
	uint8	   *raw = MemoryContextAlloc(chunk->context, shred->raw_length + 1);
	uint64		bodies = 0;
	uint64		headers = 0;
	const char *bad;

	ledger_read_stored(chunk, &stored, raw, NULL, 0);
	bad = ledger_shred_catalog_read(catalog, raw, raw + shred->raw_length, chunk->context);
	if (bad)
		ledger_corrupt(chunk, bad);
	for (int i = 0; i < catalog->ncolumns; i++)
	{
		bodies += catalog->columns[i].length - catalog->columns[i].header_length;
		headers += catalog->columns[i].header_length;
		if (catalog->columns[i].header_length == 0)
			ledger_corrupt(chunk, "sub-column has no header");
	}
	if (bodies != start || headers != chunk->inner_length)
		ledger_corrupt(chunk, "sub-columns do not fill their chunk");
}

/*
 * Understand the encoding's part of the header.
 */
LedgerShredReader *
ledger_shred_open(LedgerChunk *chunk, const uint8 *p, const uint8 *end, uint64 preamble)
{
	LedgerShredReader *shred = MemoryContextAllocZero(chunk->context, sizeof(LedgerShredReader));
	LedgerShredCatalog *catalog = &shred->catalog;
	uint64		header_offset = chunk->body_length;

	/* neither can a sub-column be shredded */
	if (chunk->type.attlen != -1 || chunk->type.typid == TEXTOID ||
		chunk->type.typid == BYTEAOID)
		ledger_corrupt(chunk, "encoding does not fit the column's type");
	if (end - p != 12)
		ledger_corrupt(chunk, "header of shredded documents is malformed");
	memcpy(&shred->raw_length, p, sizeof(uint32));
	memcpy(&shred->stored_length, p + 4, sizeof(uint32));
	memcpy(&shred->crc, p + 8, sizeof(uint32));
	if (shred->stored_length > preamble || shred->stored_length > shred->raw_length ||
		shred->raw_length > LEDGER_SHRED_CATALOG ||
		!ledger_ratio_good(chunk, shred->stored_length, shred->raw_length))
		ledger_corrupt(chunk, "catalog of shredded documents has a bad length");
	read_catalog(chunk, shred, preamble);

	shred->columns = MemoryContextAllocZero(chunk->context,
											(catalog->ncolumns + 1) * sizeof(SubColumn));
	for (int i = 0; i < catalog->ncolumns; i++)
	{
		const LedgerShredColumn *column = &catalog->columns[i];

		shred->columns[i].parent = chunk;
		shred->columns[i].offset = column->offset;
		shred->columns[i].header_offset = header_offset;
		shred->columns[i].header_length = column->header_length;
		shred->columns[i].body_length = column->length - column->header_length;
		header_offset += column->header_length;
	}
	shred->starts = MemoryContextAlloc(chunk->context, (catalog->ncolumns + 1) * sizeof(uint64));
	shred->counts = MemoryContextAllocZero(chunk->context,
										   (catalog->nshapes + 1) * sizeof(uint32));
	shred->scratch = AllocSetContextCreate(chunk->context, "ledger sub-columns",
										   ALLOCSET_DEFAULT_SIZES);
	return shred;
}

int
ledger_shred_references(const LedgerShredReader *shred, const int **columns)
{
	*columns = shred->catalog.references;
	return shred->catalog.nreferences;
}

const LedgerShredCatalog *
ledger_shred_catalog(const LedgerShredReader *shred)
{
	return &shred->catalog;
}

/* How many values of each sub-column precede the open vector. */
const uint64 *
ledger_shred_starts(const LedgerShredReader *shred)
{
	return shred->starts;
}

/*
 * Turn to the vector of n values whose meta, but for the null bitmap, is p to
 * end; returns what follows it.
 */
const uint8 *
ledger_shred_vector_open(LedgerChunk *chunk, const uint8 *p, const uint8 *end, int n)
{
	LedgerShredReader *shred = chunk->shred;
	int			ncolumns = shred->catalog.ncolumns;
	LedgerIntegers starts;

	p = ledger_integers_open(&chunk->ints, n, p, end);
	if (p == NULL)
		ledger_corrupt(chunk, "shapes of documents are malformed");
	p = ledger_integers_open(&starts, ncolumns, p, end);
	if (p == NULL)
		ledger_corrupt(chunk, "starts of sub-columns are malformed");
	ledger_integers_read(&starts, 0, ncolumns, shred->starts);
	shred->passed = 0;
	for (int i = 0; i < ncolumns; i++)
		shred->columns[i].passed = shred->starts[i];
	for (int i = 0; i < ncolumns; i++)
	{
		if (shred->starts[i] > shred->catalog.columns[i].nvalues)
			ledger_corrupt(chunk, "start of a sub-column is out of range");
	}
	return p;
}

/* A sub-column, opened if it is not. */
LedgerChunk *
ledger_shred_subchunk(LedgerChunk *chunk, int i)
{
	SubColumn  *column = &chunk->shred->columns[i];
	const LedgerShredColumn *entry = &chunk->shred->catalog.columns[i];

	if (column->chunk == NULL)
	{
		LedgerColumnType type = ledger_shred_column_type(entry);
		LedgerSource source = {column_read, column_corrupt, column, column_unsupported,
		entry->header_length, chunk->source.recall ? column_recall : NULL,
		chunk->source.keep ? column_keep : NULL,
		chunk->source.has_room ? column_has_room : NULL};
		const int  *references;

		column->chunk = ledger_chunk_open(&source, entry->length, &type, entry->nvalues,
										  chunk->context);
		if (ledger_chunk_references(column->chunk, &references) > 0)
		{
			column->chunk = NULL;
			ledger_corrupt(chunk, "sub-column refers to another column");
		}
		column->chunk->by_documents = &chunk->look_up;
	}
	return column->chunk;
}

/* Decode the values that the call needs of a sub-column, in the scratch. */
static void
decode_column(LedgerChunk *chunk, int i)
{
	SubColumn  *column = &chunk->shred->columns[i];
	LedgerChunk *sub = ledger_shred_subchunk(chunk, i);
	Datum	   *values = palloc_extended(column->need * sizeof(Datum), MCXT_ALLOC_HUGE);
	bool	   *isnull = palloc_extended(column->need, MCXT_ALLOC_HUGE);
	uint64		done = 0;

	while (done < column->need)
	{
		int			first = column->begin + done;
		int			count = Min(column->need - done,
								LEDGER_VECTOR_ROWS - first % LEDGER_VECTOR_ROWS);

		ledger_chunk_decode(sub, first, count, NULL, values + done, isnull + done);
		done += count;
	}
	if (memchr(isnull, true, column->need) != NULL)
		ledger_corrupt(chunk, "sub-column has a NULL");
	column->next = values;
}

/* Add to each sub-column's number of values what the rows counted take. */
static void
add_uses(LedgerShredReader *shred, bool need)
{
	for (int s = 0; s < shred->catalog.nshapes; s++)
	{
		const LedgerShredShape *shape = &shred->catalog.shapes[s];

		if (shred->counts[s] == 0)
			continue;
		for (int u = 0; u < shape->nuses; u++)
		{
			SubColumn  *column = &shred->columns[shape->uses[u].column];
			uint64		more = (uint64) shape->uses[u].count * shred->counts[s];

			if (need)
				column->need += more;
			else
				column->passed += more;
		}
		shred->counts[s] = 0;
	}
}

static void
count_shapes(LedgerChunk *chunk, const uint64 *codes, int n)
{
	LedgerShredReader *shred = chunk->shred;

	for (int i = 0; i < n; i++)
	{
		if (codes[i] >= (uint64) shred->catalog.nshapes)
			ledger_corrupt(chunk, "document has no such shape");
		shred->counts[codes[i]]++;
	}
}

/*
 * Read the shapes of "count" documents from the vector's first'th on, and have
 * "passed" count all before them.  Mostly that begins where the last call ended.
 */
static void
pass_documents(LedgerChunk *chunk, int first, int count, uint64 *codes)
{
	LedgerShredReader *shred = chunk->shred;
	uint64		before[LEDGER_VECTOR_ROWS];

	memset(shred->counts, 0, shred->catalog.nshapes * sizeof(uint32));
	if (first < shred->passed)
	{
		shred->passed = 0;
		for (int i = 0; i < shred->catalog.ncolumns; i++)
			shred->columns[i].passed = shred->starts[i];
	}
	ledger_integers_read(&chunk->ints, shred->passed, first + count - shred->passed, before);
	count_shapes(chunk, before, first - shred->passed);
	add_uses(shred, false);
	memcpy(codes, before + first - shred->passed, count * sizeof(uint64));
	shred->passed = first;
}

/* Decode the values that documents of these shapes take of each sub-column. */
static void
decode_columns(LedgerChunk *chunk, const uint64 *codes, int count)
{
	LedgerShredReader *shred = chunk->shred;

	for (int i = 0; i < shred->catalog.ncolumns; i++)
	{
		shred->columns[i].begin = shred->columns[i].passed;
		shred->columns[i].need = 0;
	}
	count_shapes(chunk, codes, count);
	add_uses(shred, true);
	for (int i = 0; i < shred->catalog.ncolumns; i++)
	{
		SubColumn  *column = &shred->columns[i];
		uint64		nvalues = shred->catalog.columns[i].nvalues;

		if (column->need == 0)
			continue;
		if (column->begin > nvalues || column->need > nvalues - column->begin)
			ledger_corrupt(chunk, "sub-column has too few values");
		decode_column(chunk, i);
	}
}

/* A document being put together. */
typedef struct Builder
{
	LedgerChunk *chunk;
	LedgerShredReader *shred;
	const LedgerShredStep *step;
	const LedgerDecoded *references;
	int			row;			/* of the references */
	char	   *root;
	char	   *p;
} Builder;

static LedgerBytes
reference_bytes(const Builder *b, int reference)
{
	const LedgerDecoded *decoded = &b->references[reference];

	if (decoded->isnull[b->row])
		ledger_corrupt(b->chunk, "document refers to a NULL");
	return ledger_varlena_bytes(decoded->values[b->row]);
}

/* Bytes that the document needs at most. */
static Size
document_bound(const Builder *b, const LedgerShredShape *shape)
{
	LedgerShredReader *shred = b->shred;
	Size		bound = shape->fixed;

	for (int i = 0; i < shape->nsteps; i++)
	{
		const LedgerShredStep *step = &shape->steps[i];

		if (step->op == LEDGER_OP_COLUMN)
			bound += reference_bytes(b, step->arg).len;
		else if (step->op == LEDGER_OP_VALUE)
		{
			LedgerLeafClass class = shred->catalog.columns[step->arg].class;

			if (class == LEDGER_LEAF_NUMBER || class == LEDGER_LEAF_BOOL)
				shred->columns[step->arg].next++;
			else
				bound += ledger_varlena_bytes(*shred->columns[step->arg].next++).len;
		}
		if (bound > BUILT_MAX)
			ledger_corrupt(b->chunk, "document is too long");
	}

	/* the values are taken a second time to be written */
	for (int i = 0; i < shape->nuses; i++)
		shred->columns[shape->uses[i].column].next -= shape->uses[i].count;
	return bound;
}

static inline void
put_bytes(Builder *b, LedgerBytes bytes)
{
	memcpy(b->p, bytes.data, bytes.len);
	b->p += bytes.len;
}

static inline void
put_padding(Builder *b)
{
	Size		padding = ledger_json_padding(b->p - b->root);

	memset(b->p, 0, padding);
	b->p += padding;
}

static void
put_number(Builder *b, const LedgerShredColumn *column, int64 number)
{
	int			scale = column->scale;

	if (number < -LEDGER_JSONB_NUMBER_MAX || number > LEDGER_JSONB_NUMBER_MAX)
		ledger_corrupt(b->chunk, "number is out of range");
	while (scale > column->least_scale && number % 10 == 0)
	{
		number /= 10;
		scale--;
	}
	b->p += ledger_number_write(number, scale, b->p);
}

static JEntry put_value(Builder *b);

/* Write the values of a container, and the JEntries, from the first'th on. */
static void
put_values(Builder *b, char *entries, uint32 first, uint32 n, Size total)
{
	for (uint32 i = 0; i < n; i++)
	{
		JEntry		entry = put_value(b);

		total += JBE_OFFLENFLD(entry);
		if ((first + i) % JB_OFFSET_STRIDE == 0)
			entry = (entry & JENTRY_TYPEMASK) | total | JENTRY_HAS_OFF;
		memcpy(entries + i * sizeof(JEntry), &entry, sizeof(JEntry));
	}
}

static void
put_object(Builder *b, const LedgerKeyset *keyset)
{
	char	   *entries;

	memcpy(b->p, keyset->bytes, keyset->head_len);
	entries = b->p + keyset->head_len;
	b->p = entries + keyset->nkeys * sizeof(JEntry);
	memcpy(b->p, keyset->bytes + keyset->head_len, keyset->keys_len);
	b->p += keyset->keys_len;
	put_values(b, entries, keyset->nkeys, keyset->nkeys, keyset->keys_len);
}

static void
put_array(Builder *b, uint32 n, uint32 flags)
{
	uint32		header = n | flags;
	char	   *entries = b->p + sizeof(header);

	memcpy(b->p, &header, sizeof(header));
	b->p = entries + n * sizeof(JEntry);
	put_values(b, entries, 0, n, 0);
}

/* A value of a sub-column; returns the type for its JEntry. */
static JEntry
put_open_value(Builder *b, uint32 i)
{
	const LedgerShredColumn *column = &b->shred->catalog.columns[i];
	Datum		value = *b->shred->columns[i].next++;

	switch (column->class)
	{
		case LEDGER_LEAF_STRING:
			put_bytes(b, ledger_varlena_bytes(value));
			return JENTRY_ISSTRING;
		case LEDGER_LEAF_NUMBER:
			put_padding(b);
			put_number(b, column, DatumGetInt64(value));
			return JENTRY_ISNUMERIC;
		case LEDGER_LEAF_NUMERIC:
			put_padding(b);
			put_bytes(b, ledger_varlena_bytes(value));
			return JENTRY_ISNUMERIC;
		case LEDGER_LEAF_BOOL:
			return DatumGetBool(value) ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
		case LEDGER_LEAF_CONTAINER:
		case LEDGER_LEAF_DOCUMENT:
			put_padding(b);
			put_bytes(b, ledger_varlena_bytes(value));
			return JENTRY_ISCONTAINER;
	}
	pg_unreachable();
}

/* Write what the next step says; returns its JEntry with the length. */
static JEntry
put_value(Builder *b)
{
	const LedgerShredStep *step = b->step++;
	char	   *start = b->p;
	JEntry		type = JENTRY_ISCONTAINER;

	switch (step->op)
	{
		case LEDGER_OP_OBJECT:
			put_padding(b);
			put_object(b, &b->shred->catalog.keysets[step->arg]);
			break;
		case LEDGER_OP_ARRAY:
			put_padding(b);
			put_array(b, step->arg, JB_FARRAY);
			break;
		case LEDGER_OP_SCALAR:
			put_array(b, 1, JB_FARRAY | JB_FSCALAR);
			break;
		case LEDGER_OP_VALUE:
			type = put_open_value(b, step->arg);
			break;
		case LEDGER_OP_COLUMN:
			type = JENTRY_ISSTRING;
			put_bytes(b, reference_bytes(b, step->arg));
			break;
		case LEDGER_OP_NULL:
			type = JENTRY_ISNULL;
			break;
		case LEDGER_OP_FALSE:
			type = JENTRY_ISBOOL_FALSE;
			break;
		case LEDGER_OP_TRUE:
			type = JENTRY_ISBOOL_TRUE;
			break;
		case LEDGER_OP_STRING:
			type = JENTRY_ISSTRING;
			put_bytes(b, step->bytes);
			break;
		case LEDGER_OP_NUMERIC:
			type = JENTRY_ISNUMERIC;
			put_padding(b);
			put_bytes(b, step->bytes);
			break;
	}
	return type | (JEntry) (b->p - start);
}

/* A document that was kept whole, and may be of any length. */
static Datum
copy_document(Builder *b, const LedgerShredShape *shape, LedgerArena *arena, Size hint)
{
	LedgerBytes bytes = ledger_varlena_bytes(*b->shred->columns[shape->steps[0].arg].next++);
	Datum		value;

	memcpy(ledger_arena_value(arena, &b->chunk->type, bytes.len, hint, &value),
		   bytes.data, bytes.len);
	return value;
}

static Datum
build_document(Builder *b, const LedgerShredShape *shape, LedgerArena *arena, Size hint)
{
	Size		bound;
	Datum		value;
	char	   *end;

	if (shape->nsteps == 1 && shape->steps[0].op == LEDGER_OP_VALUE)
		return copy_document(b, shape, arena, hint);
	bound = document_bound(b, shape);
	b->root = b->p = ledger_arena_value(arena, &b->chunk->type, bound, hint, &value);
	b->step = shape->steps;
	(void) put_value(b);
	Assert(b->step == shape->steps + shape->nsteps && (Size) (b->p - b->root) <= bound);

	/* give back what was too much */
	SET_VARSIZE(DatumGetPointer(value), b->p - b->root + VARHDRSZ);
	end = (char *) MAXALIGN(b->p);
	arena->left += arena->next - end;
	arena->next = end;
	return value;
}

/*
 * Empty the scratch.  A scan's calls need about the same each: to get that from
 * the system anew each time took longer than to decode.
 */
static void
reset_scratch(LedgerChunk *chunk, LedgerShredReader *shred)
{
	Size		used = shred->scratch->mem_allocated;

	if (used > SCRATCH_MIN && used <= SCRATCH_MAX && used > shred->scratch_size * 2)
	{
		MemoryContext old = shred->scratch;

		shred->scratch = AllocSetContextCreate(chunk->context, "ledger sub-columns",
											   MAXALIGN(used), ALLOCSET_DEFAULT_INITSIZE,
											   ALLOCSET_DEFAULT_MAXSIZE);
		shred->scratch_size = used;
		MemoryContextDelete(old);
	}
	else
		MemoryContextReset(shred->scratch);
}

static void
pass_values(LedgerShredReader *shred, const LedgerShredShape *shape)
{
	for (int i = 0; i < shape->nuses; i++)
		shred->columns[shape->uses[i].column].next += shape->uses[i].count;
}

/*
 * Decode "count" documents from the first'th on (not counting NULLs).  Document
 * i is that of row rows[i] of the decoded references; it is not put together if
 * that is not "wanted", where that is not NULL.
 */
void
ledger_shred_decode(LedgerChunk *chunk, int first, int count, const int *rows,
					const bool *wanted, const LedgerDecoded *references, Datum *values)
{
	LedgerShredReader *shred = chunk->shred;
	uint64		codes[LEDGER_VECTOR_ROWS];
	LedgerArena arena = {NULL, 0};
	Builder		b = {chunk, shred, NULL, references};
	MemoryContext old;

	reset_scratch(chunk, shred);
	pass_documents(chunk, first, count, codes);
	old = MemoryContextSwitchTo(shred->scratch);
	decode_columns(chunk, codes, count);
	MemoryContextSwitchTo(old);
	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < count; i++)
	{
		const LedgerShredShape *shape = &shred->catalog.shapes[codes[i]];

		b.row = rows[i];
		if (wanted && !wanted[rows[i]])
		{
			pass_values(shred, shape);
			values[i] = (Datum) 0;
		}
		else
			values[i] = build_document(&b, shape, &arena, count > 1 ? LEDGER_ARENA_PIECE : 0);
	}
	reset_scratch(chunk, shred);
}

/* Would ledger_shred_decode give these values?  Value i is values[rows[i]]. */
bool
ledger_shred_matches(LedgerChunk *chunk, int first, int count, const int *rows,
					 const LedgerDecoded *references, const Datum *values)
{
	Datum		decoded[LEDGER_VECTOR_ROWS];

	ledger_shred_decode(chunk, first, count, rows, NULL, references, decoded);
	for (int i = 0; i < count; i++)
	{
		if (!ledger_bytes_equal(ledger_datum_bytes(&chunk->type, decoded[i]),
								ledger_datum_bytes(&chunk->type, values[rows[i]])))
			return false;
	}
	return true;
}

/* ---- for those who look at sub-columns ---- */

int
ledger_chunk_subcolumns(const LedgerChunk *chunk)
{
	return chunk->shred ? chunk->shred->catalog.ncolumns : 0;
}

void
ledger_chunk_subcolumn(LedgerChunk *chunk, int i, LedgerSubcolumn *subcolumn)
{
	const LedgerShredColumn *column = &chunk->shred->catalog.columns[i];

	Assert(i >= 0 && i < ledger_chunk_subcolumns(chunk));
	subcolumn->path = column->path.data;
	subcolumn->path_len = column->path.len;
	subcolumn->type = ledger_shred_column_type(column);
	subcolumn->scale = column->scale;
	subcolumn->nvalues = column->nvalues;
	subcolumn->length = column->length;
	subcolumn->chunk = ledger_shred_subchunk(chunk, i);
}
