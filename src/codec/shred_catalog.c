/*-------------------------------------------------------------------------
 *
 * shred_catalog.c
 *	  The catalog of a chunk of shredded documents: its bytes, written and
 *	  read.  See shred.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type_d.h"
#include "codec/shred.h"
#include "utils/jsonb.h"

/* Longest keys of one object, and path. */
#define KEYS_MAX	LEDGER_SHRED_DOCUMENT

/* What a sub-column's values are, for the codec. */
LedgerColumnType
ledger_shred_column_type(const LedgerShredColumn *column)
{
	LedgerColumnType type = {BYTEAOID, InvalidOid, -1, false, TYPALIGN_INT};

	switch (column->class)
	{
		case LEDGER_LEAF_STRING:
			type.typid = TEXTOID;
			type.collation = DEFAULT_COLLATION_OID;
			break;
		case LEDGER_LEAF_NUMBER:
			type.typid = INT8OID;
			type.attlen = sizeof(int64);
			type.attbyval = true;
			type.attalign = TYPALIGN_DOUBLE;
			break;
		case LEDGER_LEAF_BOOL:
			type.typid = BOOLOID;
			type.attlen = sizeof(bool);
			type.attbyval = true;
			type.attalign = TYPALIGN_CHAR;
			break;
		default:
			break;
	}
	return type;
}

/* ---- writing ---- */

static void
put_bytes(StringInfo out, LedgerBytes bytes)
{
	ledger_put_varint(out, bytes.len);
	appendBinaryStringInfo(out, bytes.data, bytes.len);
}

static void
put_keyset(StringInfo out, const LedgerKeyset *keyset)
{
	LedgerBytes key = {keyset->bytes + keyset->head_len, 0};
	Size		total = 0;

	ledger_put_varint(out, keyset->nkeys);
	for (uint32 i = 0; i < keyset->nkeys; i++)
	{
		JEntry		entry;

		memcpy(&entry, keyset->bytes + sizeof(uint32) + i * sizeof(JEntry), sizeof(entry));
		key.len = JBE_OFFLENFLD(entry) - (JBE_HAS_OFF(entry) ? total : 0);
		put_bytes(out, key);
		key.data += key.len;
		total += key.len;
	}
}

static void
put_shape(StringInfo out, const LedgerShredShape *shape)
{
	ledger_put_varint(out, shape->nsteps);
	for (int i = 0; i < shape->nsteps; i++)
	{
		const LedgerShredStep *step = &shape->steps[i];

		ledger_put_varint(out, step->op);
		switch (step->op)
		{
			case LEDGER_OP_OBJECT:
			case LEDGER_OP_ARRAY:
			case LEDGER_OP_VALUE:
			case LEDGER_OP_COLUMN:
				ledger_put_varint(out, step->arg);
				break;
			case LEDGER_OP_STRING:
			case LEDGER_OP_NUMERIC:
				put_bytes(out, step->bytes);
				break;
			case LEDGER_OP_SCALAR:
			case LEDGER_OP_NULL:
			case LEDGER_OP_FALSE:
			case LEDGER_OP_TRUE:
				break;
		}
	}
}

void
ledger_shred_catalog_write(const LedgerShredCatalog *catalog, StringInfo out)
{
	ledger_put_varint(out, catalog->nreferences);
	for (int i = 0; i < catalog->nreferences; i++)
		ledger_put_varint(out, catalog->references[i]);
	ledger_put_varint(out, catalog->ncolumns);
	for (int i = 0; i < catalog->ncolumns; i++)
	{
		const LedgerShredColumn *column = &catalog->columns[i];

		ledger_put_varint(out, column->class);
		ledger_put_varint(out, column->scale);
		ledger_put_varint(out, column->least_scale);
		ledger_put_varint(out, column->nvalues);
		ledger_put_varint(out, column->length);
		ledger_put_varint(out, column->header_length);
		put_bytes(out, column->path);
	}
	ledger_put_varint(out, catalog->nkeysets);
	for (int i = 0; i < catalog->nkeysets; i++)
		put_keyset(out, &catalog->keysets[i]);
	ledger_put_varint(out, catalog->nshapes);
	for (int i = 0; i < catalog->nshapes; i++)
		put_shape(out, &catalog->shapes[i]);
}

/* ---- reading ---- */

/* Where the reader is; "bad" says what is wrong, if anything is. */
typedef struct CatalogReader
{
	const uint8 *p;
	const uint8 *end;
	const char *bad;
	MemoryContext context;
} CatalogReader;

/* A number up to "max". */
static uint64
get_number(CatalogReader *r, uint64 max)
{
	uint64		number;
	const uint8 *next = ledger_get_varint(r->p, r->end, &number);

	if (next == NULL)
	{
		r->bad = "catalog of shredded documents is cut off";
		return 0;
	}
	r->p = next;
	if (number > max)
	{
		r->bad = "catalog of shredded documents has a number out of range";
		return 0;
	}
	return number;
}

static LedgerBytes
get_bytes(CatalogReader *r, Size max)
{
	LedgerBytes bytes;

	bytes.len = get_number(r, Min(max, (Size) (r->end - r->p)));
	bytes.data = (const char *) r->p;
	if (bytes.len > (Size) (r->end - r->p))
	{
		r->bad = "catalog of shredded documents is cut off";
		bytes.len = 0;
	}
	r->p += bytes.len;
	return bytes;
}

static void
get_references(CatalogReader *r, LedgerShredCatalog *catalog)
{
	catalog->nreferences = get_number(r, LEDGER_ROWREF_COLUMNS);
	for (int i = 0; i < catalog->nreferences; i++)
		catalog->references[i] = get_number(r, MaxHeapAttributeNumber);
}

static void
get_columns(CatalogReader *r, LedgerShredCatalog *catalog)
{
	uint64		offset = 0;

	catalog->ncolumns = get_number(r, LEDGER_SHRED_COLUMNS);
	catalog->columns = MemoryContextAllocZero(r->context,
											  (catalog->ncolumns + 1) * sizeof(LedgerShredColumn));
	for (int i = 0; i < catalog->ncolumns && r->bad == NULL; i++)
	{
		LedgerShredColumn *column = &catalog->columns[i];

		column->class = get_number(r, LEDGER_LEAF_LAST);
		column->scale = get_number(r, LEDGER_NUMBER_SCALE_MAX);
		column->least_scale = get_number(r, column->scale);
		column->nvalues = get_number(r, LEDGER_SHRED_VALUES);
		column->length = get_number(r, PG_INT64_MAX / LEDGER_SHRED_COLUMNS);
		column->header_length = get_number(r, Min(column->length, PG_UINT32_MAX));
		column->path = get_bytes(r, KEYS_MAX);
		column->offset = offset;
		offset += column->length - column->header_length;
	}
}

/* Put a key set together as it is in a document. */
static void
get_keyset(CatalogReader *r, LedgerKeyset *keyset)
{
	const uint8 *start;
	StringInfoData keys;
	JEntry	   *head;
	Size		total = 0;

	keyset->nkeys = get_number(r, LEDGER_SHRED_TOKENS);
	keyset->head_len = sizeof(uint32) + keyset->nkeys * sizeof(JEntry);
	start = r->p;
	for (uint32 i = 0; i < keyset->nkeys && r->bad == NULL; i++)
		total += get_bytes(r, KEYS_MAX).len;
	if (r->bad || total > KEYS_MAX)
	{
		r->bad = "catalog of shredded documents has a bad key";
		return;
	}
	keyset->keys_len = total;
	keyset->bytes = MemoryContextAlloc(r->context, keyset->head_len + total);
	head = (JEntry *) keyset->bytes;
	head[0] = keyset->nkeys | JB_FOBJECT;
	keys.data = keyset->bytes + keyset->head_len;
	r->p = start;
	total = 0;
	for (uint32 i = 0; i < keyset->nkeys; i++)
	{
		LedgerBytes key = get_bytes(r, KEYS_MAX);

		memcpy(keys.data + total, key.data, key.len);
		total += key.len;
		head[i + 1] = JENTRY_ISSTRING |
			(i % JB_OFFSET_STRIDE == 0 ? JENTRY_HAS_OFF | total : key.len);
	}
}

static void
get_keysets(CatalogReader *r, LedgerShredCatalog *catalog)
{
	catalog->nkeysets = get_number(r, LEDGER_SHRED_KEYSETS);
	catalog->keysets = MemoryContextAllocZero(r->context,
											  (catalog->nkeysets + 1) * sizeof(LedgerKeyset));
	for (int i = 0; i < catalog->nkeysets && r->bad == NULL; i++)
		get_keyset(r, &catalog->keysets[i]);
}

static void
get_step(CatalogReader *r, const LedgerShredCatalog *catalog, LedgerShredStep *step)
{
	step->op = get_number(r, LEDGER_OP_LAST);
	step->arg = 0;
	switch (step->op)
	{
		case LEDGER_OP_OBJECT:
			step->arg = get_number(r, (uint64) catalog->nkeysets - 1);
			break;
		case LEDGER_OP_ARRAY:
			step->arg = get_number(r, LEDGER_SHRED_TOKENS);
			break;
		case LEDGER_OP_VALUE:
			step->arg = get_number(r, (uint64) catalog->ncolumns - 1);
			break;
		case LEDGER_OP_COLUMN:
			step->arg = get_number(r, (uint64) catalog->nreferences - 1);
			break;
		case LEDGER_OP_STRING:
		case LEDGER_OP_NUMERIC:
			step->bytes = get_bytes(r, LEDGER_SHRED_DOCUMENT);
			break;
		case LEDGER_OP_SCALAR:
		case LEDGER_OP_NULL:
		case LEDGER_OP_FALSE:
		case LEDGER_OP_TRUE:
			break;
	}
	/* an argument of nothing at all */
	if ((step->op == LEDGER_OP_OBJECT && catalog->nkeysets == 0) ||
		(step->op == LEDGER_OP_VALUE && catalog->ncolumns == 0) ||
		(step->op == LEDGER_OP_COLUMN && catalog->nreferences == 0))
		r->bad = "catalog of shredded documents has a number out of range";
}

/* Is this an operation that a document can have at this depth? */
static bool
step_fits(const LedgerShredCatalog *catalog, const LedgerShredStep *step, int depth)
{
	bool		container = step->op == LEDGER_OP_OBJECT || step->op == LEDGER_OP_ARRAY;

	if (step->op == LEDGER_OP_SCALAR)
		return depth == 0;
	if (step->op == LEDGER_OP_VALUE)
		return (depth == 0) == (catalog->columns[step->arg].class == LEDGER_LEAF_DOCUMENT);
	return container ? depth <= LEDGER_SHRED_DEPTH : depth > 0;
}

/*
 * Check that the steps are one document, and add up the bytes that it needs
 * at most without its open values.
 */
static bool
check_steps(const LedgerShredCatalog *catalog, LedgerShredShape *shape)
{
	uint32		left[LEDGER_SHRED_DEPTH + 2] = {1};
	int			depth = 0;

	shape->fixed = 0;
	for (int i = 0; i < shape->nsteps; i++)
	{
		const LedgerShredStep *step = &shape->steps[i];
		uint32		children = 0;

		while (depth > 0 && left[depth] == 0)
			depth--;
		if (left[depth] == 0 || !step_fits(catalog, step, depth))
			return false;
		left[depth]--;
		shape->fixed += 3 + step->bytes.len;
		if (step->op == LEDGER_OP_OBJECT)
		{
			const LedgerKeyset *keyset = &catalog->keysets[step->arg];

			children = keyset->nkeys;
			shape->fixed += keyset->head_len + children * sizeof(JEntry) + keyset->keys_len;
		}
		else if (step->op == LEDGER_OP_ARRAY || step->op == LEDGER_OP_SCALAR)
		{
			children = step->op == LEDGER_OP_ARRAY ? step->arg : 1;
			shape->fixed += sizeof(uint32) + children * sizeof(JEntry);
		}
		else if (step->op == LEDGER_OP_VALUE &&
				 catalog->columns[step->arg].class == LEDGER_LEAF_NUMBER)
			shape->fixed += LEDGER_NUMBER_BYTES;
		if (children > 0)
			left[++depth] = children;
	}
	while (depth > 0 && left[depth] == 0)
		depth--;
	return left[depth] == 0;
}

/* Count what a document of the shape takes from each sub-column. */
static void
count_uses(LedgerShredShape *shape, MemoryContext context)
{
	shape->uses = MemoryContextAlloc(context, (shape->nsteps + 1) * sizeof(LedgerShredUse));
	shape->nuses = 0;
	for (int i = 0; i < shape->nsteps; i++)
	{
		int			u = 0;

		if (shape->steps[i].op != LEDGER_OP_VALUE)
			continue;
		while (u < shape->nuses && shape->uses[u].column != shape->steps[i].arg)
			u++;
		if (u == shape->nuses)
		{
			shape->uses[u].column = shape->steps[i].arg;
			shape->uses[u].count = 0;
			shape->nuses++;
		}
		shape->uses[u].count++;
	}
}

static void
get_shapes(CatalogReader *r, LedgerShredCatalog *catalog)
{
	catalog->nshapes = get_number(r, LEDGER_SHRED_SHAPES);
	catalog->shapes = MemoryContextAllocZero(r->context,
											 (catalog->nshapes + 1) * sizeof(LedgerShredShape));
	for (int i = 0; i < catalog->nshapes && r->bad == NULL; i++)
	{
		LedgerShredShape *shape = &catalog->shapes[i];

		shape->nsteps = get_number(r, Min(LEDGER_SHRED_TOKENS, r->end - r->p));
		shape->steps = MemoryContextAllocZero(r->context,
											  (shape->nsteps + 1) * sizeof(LedgerShredStep));
		for (int k = 0; k < shape->nsteps && r->bad == NULL; k++)
			get_step(r, catalog, &shape->steps[k]);
		if (r->bad == NULL && !check_steps(catalog, shape))
			r->bad = "shape of shredded documents is malformed";
		if (r->bad == NULL)
			count_uses(shape, r->context);
	}
}

/*
 * Understand a catalog, whose bytes must stay; returns what is wrong with it,
 * or NULL.
 */
const char *
ledger_shred_catalog_read(LedgerShredCatalog *catalog, const uint8 *p, const uint8 *end,
						  MemoryContext context)
{
	CatalogReader r = {p, end, NULL, context};

	memset(catalog, 0, sizeof(*catalog));
	get_references(&r, catalog);
	if (r.bad == NULL)
		get_columns(&r, catalog);
	if (r.bad == NULL)
		get_keysets(&r, catalog);
	if (r.bad == NULL)
		get_shapes(&r, catalog);
	if (r.bad == NULL && r.p != r.end)
		r.bad = "catalog of shredded documents has more bytes than it should";
	return r.bad;
}
