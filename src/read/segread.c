/*-------------------------------------------------------------------------
 *
 * segread.c
 *	  Columns, gaps and xmins of a segment.
 *
 * A published segment's data blocks stay where they are as long as a snapshot
 * can see its rows; only the xmin blocks go, when the segment is frozen (or,
 * for a bulk-written one, when its slots are sealed).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "read/read_internal.h"
#include "utils/memutils.h"

/* The first memory of a reader: most cached ones have little. */
#define READER_INIT_SIZE	4096
#define READER_BLOCK_SIZE	(64 * 1024)

/* More than any chunk of LEDGER_SEGMENT_ROWS int4 can need. */
#define XMIN_BYTES_MAX	(1024 * 1024)

/* Where a column's chunk is: argument of its LedgerSource. */
typedef struct ColumnSource
{
	LedgerSegmentReader *reader;
	int			column;
	uint64		offset;			/* what was read last, of the data stream */
	size_t		len;
} ColumnSource;

/* A path that was asked of a column of shredded documents. */
typedef struct OpenPath
{
	struct OpenPath *next;
	int			column;
	int			nkeys;
	LedgerPathKey *keys;
	LedgerPath *path;			/* NULL: the column is not shredded */
} OpenPath;

struct LedgerSegmentReader
{
	int			refs;
	MemoryContext context;
	LedgerCacheKey key;
	uint64		age;			/* the cache's when it was opened */
	Relation	rel;			/* valid during calls only */
	bool		decoded;		/* values were asked for */
	LedgerSlotNumber slot;		/* it was opened for this one */
	LedgerSlotEntry entry;		/* whose entry was this */
	LedgerSegment *segment;
	LedgerColumnEntry *columns; /* NULL until read */
	ColumnSource *sources;
	LedgerChunk **chunks;
	OpenPath   *paths;
	uint8	   *gaps;			/* likewise; NULL if there are none */
	void	   *note;			/* src/exec's; likewise */
	char	   *xid_bytes;		/* the xmin stream; NULL until read */
	LedgerChunk *xids;
};

static void
set_key(LedgerCacheKey *key, Relation rel, const LedgerSlotEntry *entry)
{
	memset(key, 0, sizeof(*key));
	key->relid = RelationGetRelid(rel);
	key->file = LedgerFileOf(rel);
	key->segment = entry->segment;
	key->home = entry->home;
	key->primary = entry->primary;
}

static LedgerSegmentReader *
open_anew(Relation rel, const LedgerSlotEntry *entry, MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "ledger segment",
												  0, READER_INIT_SIZE, READER_BLOCK_SIZE);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	LedgerSegmentReader *reader = palloc0(sizeof(LedgerSegmentReader));
	const LedgerSegmentRoot *root;

	reader->segment = ledger_segment_open(rel, entry->home, entry->primary, entry->segment);
	MemoryContextSwitchTo(oldcontext);
	if (reader->segment == NULL)
	{
		MemoryContextDelete(context);
		return NULL;
	}
	root = &reader->segment->root;
	if (root->nrows > LEDGER_SEGMENT_ROWS || root->ncolumns > MaxHeapAttributeNumber)
		ledger_corrupt(rel, entry->home, "segment " UINT64_FORMAT " claims %u rows of %u columns",
					   entry->segment, root->nrows, root->ncolumns);
	reader->context = context;
	return reader;
}

/*
 * Open the segment that a slot's entry names, in a child of "parent"; NULL if
 * it is not there any more, and the entry must be read again.  The caller
 * holds the one reference.
 */
LedgerSegmentReader *
ledger_reader_open(Relation rel, LedgerSlotNumber slot, const LedgerSlotEntry *entry,
				   MemoryContext parent)
{
	LedgerCacheKey key;
	uint64		age = ledger_cache_age();
	LedgerSegmentReader *reader;

	set_key(&key, rel, entry);
	reader = ledger_cache_take(&key, parent);
	if (reader == NULL)
		reader = open_anew(rel, entry, parent);
	if (reader == NULL)
		return NULL;
	reader->refs = 1;
	reader->key = key;
	reader->age = age;
	reader->slot = slot;
	reader->entry = *entry;
	return reader;
}

LedgerSegmentReader *
ledger_reader_share(LedgerSegmentReader *reader)
{
	reader->refs++;
	return reader;
}

void
ledger_reader_release(LedgerSegmentReader *reader)
{
	Assert(reader->refs > 0);
	if (--reader->refs > 0)
		return;
	reader->rel = NULL;
	if (reader->age != ledger_cache_age() ||
		!ledger_cache_give(&reader->key, reader, reader->context, reader->decoded))
		MemoryContextDelete(reader->context);
}

/* Whether it is the segment that the entry names. */
bool
ledger_reader_is(const LedgerSegmentReader *reader, const LedgerSlotEntry *entry)
{
	return reader->entry.segment == entry->segment && reader->entry.home == entry->home &&
		reader->entry.primary == entry->primary;
}

const LedgerSegmentRoot *
ledger_reader_root(const LedgerSegmentReader *reader)
{
	return &reader->segment->root;
}

/*
 * Memory for what src/exec has found out of the segment, zeroed at first, that stays
 * with the reader in the cache; always of the same size.
 */
void *
ledger_reader_note(LedgerSegmentReader *reader, Size size)
{
	if (reader->note == NULL)
		reader->note = MemoryContextAllocZero(reader->context, size);
	return reader->note;
}

BlockNumber
ledger_reader_block(const LedgerSegmentReader *reader)
{
	return reader->segment->block;
}

/*
 * Read from the data stream.  Its blocks can have gone only if the rows'
 * transaction has rolled back, which no snapshot but a dirty one gets to see.
 */
static void
read_data(LedgerSegmentReader *reader, uint64 offset, size_t len, void *dst)
{
	Relation	rel = reader->rel;
	LedgerSlotEntry now;

	Assert(rel != NULL);
	if (ledger_segment_read(rel, reader->segment, false, offset, len, dst))
		return;

	if (ledger_read_entry(rel, reader->slot, &now) && ledger_reader_is(reader, &now))
		ledger_segment_corrupt(rel, reader->segment, false, offset, len, "it was overwritten");
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("rows of ledger \"%s\" have gone with the transaction that inserted them",
					RelationGetRelationName(rel))));
}

/*
 * The gap bitmap (one bit a position), or NULL if the segment has no gaps.
 */
const uint8 *
ledger_reader_gaps(LedgerSegmentReader *reader, Relation rel)
{
	const LedgerSegmentRoot *root = &reader->segment->root;
	size_t		size;
	uint8	   *gaps;

	if (root->gaps == 0 || reader->gaps != NULL)
		return reader->gaps;

	reader->rel = rel;
	size = (root->nrows + 7) / 8;
	gaps = MemoryContextAlloc(reader->context, Max(size, 1));
	read_data(reader, root->gaps_offset, size, gaps);
	if (ledger_checksum(gaps, size) != root->gaps_crc)
		ledger_segment_corrupt(rel, reader->segment, false, root->gaps_offset, size,
							   "the gap bitmap fails its check");
	reader->gaps = gaps;
	return gaps;
}

static LedgerFilterPlace
filter_place(const LedgerColumnEntry *entry)
{
	LedgerFilterPlace place = {entry->filter_blocks, entry->filter_behind};

	return place;
}

static void
check_column(Relation rel, const LedgerSegment *segment, const LedgerColumnEntry *columns,
			 int column)
{
	const LedgerColumnEntry *entry = &columns[column];
	uint64		size = segment->root.data_bytes;

	if (entry->header_length > entry->length ||
		(entry->length > 0 && entry->header_length == 0) ||
		entry->offset > size || entry->length - entry->header_length > size - entry->offset ||
		entry->header_offset > size || entry->header_length > size - entry->header_offset ||
		!ledger_filter_fits(filter_place(entry), entry->length) || entry->base > column ||
		(entry->length > 0 &&
		 (entry->attlen < -2 || entry->attlen == 0 || entry->attbyval > 1 ||
		  (entry->attbyval && entry->attlen > (int) sizeof(Datum)))))
		ledger_corrupt(rel, segment->block,
					   "column %d of segment " UINT64_FORMAT " is described wrongly",
					   column + 1, segment->root.segment);
}

static void
read_columns(LedgerSegmentReader *reader, Relation rel)
{
	const LedgerSegmentRoot *root = &reader->segment->root;
	MemoryContext oldcontext;
	LedgerColumnEntry *columns;
	size_t		size = root->ncolumns * sizeof(LedgerColumnEntry);

	reader->rel = rel;
	oldcontext = MemoryContextSwitchTo(reader->context);
	columns = palloc(Max(size, 1));
	read_data(reader, root->directory_offset, size, columns);
	if (ledger_checksum(columns, size) != root->directory_crc)
		ledger_segment_corrupt(rel, reader->segment, false, root->directory_offset, size,
							   "the column directory fails its check");
	for (int i = 0; i < root->ncolumns; i++)
		check_column(rel, reader->segment, columns, i);

	reader->chunks = palloc0(Max(root->ncolumns, 1) * sizeof(LedgerChunk *));
	reader->sources = palloc0(Max(root->ncolumns, 1) * sizeof(ColumnSource));
	reader->columns = columns;
	MemoryContextSwitchTo(oldcontext);
}

const LedgerColumnEntry *
ledger_reader_column(LedgerSegmentReader *reader, Relation rel, int column)
{
	Assert(column < reader->segment->root.ncolumns);
	if (reader->columns == NULL)
		read_columns(reader, rel);
	return &reader->columns[column];
}

static void
column_read(void *arg, uint64 offset, size_t len, void *dst)
{
	ColumnSource *source = arg;
	LedgerSegmentReader *reader = source->reader;
	const LedgerColumnEntry *entry = &reader->columns[source->column];

	source->len = len;
	if (!ledger_column_place(entry, offset, len, &source->offset))
		ledger_corrupt(reader->rel, reader->segment->block,
					   "column %d of segment " UINT64_FORMAT " is read past its end",
					   source->column + 1, reader->entry.segment);
	read_data(reader, source->offset, len, dst);
}

/* What was read last is what is wrong. */
static void
column_corrupt(void *arg, const char *detail)
{
	ColumnSource *source = arg;
	LedgerSegmentReader *reader = source->reader;
	TupleDesc	desc = RelationGetDescr(reader->rel);
	const char *name = "";
	char		text[256];

	if (source->column < desc->natts)
		name = NameStr(TupleDescAttr(desc, source->column)->attname);
	snprintf(text, sizeof(text), "column %d (\"%s\"): %s", source->column + 1, name, detail);
	ledger_segment_corrupt(reader->rel, reader->segment, false, source->offset, source->len, text);
}

static void column_unsupported(void *arg, const char *detail) pg_attribute_noreturn();

static void
column_unsupported(void *arg, const char *detail)
{
	ColumnSource *source = arg;

	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot read column %d of ledger \"%s\"", source->column + 1,
					RelationGetRelationName(source->reader->rel)),
			 errdetail_internal("%s", detail)));
}

/*
 * Blocks of an older cache than today's are another file's, perhaps.  (A source's
 * offsets count from its column's start; blocks are not in the header, which has
 * another place.)
 */
static bool
column_recall(void *arg, uint64 offset, uint32 length, void *dst)
{
	ColumnSource *source = arg;
	LedgerSegmentReader *reader = source->reader;

	return reader->age == ledger_cache_age() &&
		ledger_cache_recall(&reader->key, reader->columns[source->column].offset + offset,
							length, dst);
}

static void
column_keep(void *arg, uint64 offset, uint32 length, const void *block, bool look_up)
{
	ColumnSource *source = arg;
	LedgerSegmentReader *reader = source->reader;

	if (reader->age == ledger_cache_age())
		ledger_cache_keep(&reader->key, reader->columns[source->column].offset + offset,
						  length, block, look_up);
}

static bool
column_has_room(void *arg)
{
	return ledger_cache_has_room();
}

/*
 * A column's chunk, of which its Bloom filter at least may be asked; the column
 * must not be all NULL.  What is asked of the chunk may read with the relation
 * given last.
 */
LedgerChunk *
ledger_reader_prepare(LedgerSegmentReader *reader, Relation rel, int column)
{
	const LedgerColumnEntry *entry = ledger_reader_column(reader, rel, column);
	LedgerSource source = {column_read, column_corrupt, &reader->sources[column],
	column_unsupported, entry->header_length, column_recall, column_keep, column_has_room};
	LedgerColumnType type;

	reader->rel = rel;
	if (reader->chunks[column] != NULL)
		return reader->chunks[column];

	reader->sources[column].reader = reader;
	reader->sources[column].column = column;
	type.typid = entry->typid;
	type.collation = entry->collation;
	type.attlen = entry->attlen;
	type.attbyval = entry->attbyval;
	type.attalign = entry->attalign;
	reader->chunks[column] = ledger_chunk_prepare(&source, entry->length, filter_place(entry), &type,
												  reader->segment->root.nrows,
												  reader->context);
	return reader->chunks[column];
}

/* The same, opened. */
LedgerChunk *
ledger_reader_chunk(LedgerSegmentReader *reader, Relation rel, int column)
{
	LedgerChunk *chunk = ledger_reader_prepare(reader, rel, column);

	ledger_chunk_load(chunk);
	return chunk;
}

static bool
keys_are(const OpenPath *open, const LedgerPathKey *keys, int nkeys)
{
	if (open->nkeys != nkeys)
		return false;
	for (int i = 0; i < nkeys; i++)
		if (open->keys[i].len != keys[i].len ||
			memcmp(open->keys[i].data, keys[i].data, keys[i].len) != 0)
			return false;
	return true;
}

static void
copy_keys(OpenPath *open, const LedgerPathKey *keys, int nkeys)
{
	open->nkeys = nkeys;
	open->keys = palloc(nkeys * sizeof(LedgerPathKey));
	for (int i = 0; i < nkeys; i++)
	{
		char	   *bytes = palloc(Max(keys[i].len, 1));

		memcpy(bytes, keys[i].data, keys[i].len);
		open->keys[i].data = bytes;
		open->keys[i].len = keys[i].len;
	}
}

/*
 * A path in a column's documents, opened once; NULL if these are not shredded.
 * The column must not be all NULL.  As with the chunk, what is asked of it may
 * read with the relation given last.
 */
LedgerPath *
ledger_reader_path(LedgerSegmentReader *reader, Relation rel, int column,
				   const LedgerPathKey *keys, int nkeys)
{
	LedgerChunk *chunk = ledger_reader_chunk(reader, rel, column);
	MemoryContext oldcontext;
	OpenPath   *open;

	for (open = reader->paths; open != NULL; open = open->next)
		if (open->column == column && keys_are(open, keys, nkeys))
			return open->path;
	oldcontext = MemoryContextSwitchTo(reader->context);
	open = palloc(sizeof(OpenPath));
	open->column = column;
	copy_keys(open, keys, nkeys);
	open->path = ledger_chunk_path_open(chunk, open->keys, nkeys, reader->context);
	open->next = reader->paths;
	reader->paths = open;
	MemoryContextSwitchTo(oldcontext);
	return open->path;
}

/*
 * The columns, all lower, whose values ledger_reader_decode needs for the same
 * rows; their numbers count from the column's entry's "base".
 */
int
ledger_reader_references(LedgerSegmentReader *reader, Relation rel, int column,
						 const int **references)
{
	const LedgerColumnEntry *entry = ledger_reader_column(reader, rel, column);
	int			n;

	if (entry->length == 0)
		return 0;
	n = ledger_chunk_references(ledger_reader_chunk(reader, rel, column), references);
	for (int i = 0; i < n; i++)
	{
		if ((*references)[i] < 0 || (*references)[i] >= column - (int) entry->base)
			column_corrupt(&reader->sources[column], "it refers to a column that is not before it");
		if (ledger_reader_column(reader, rel, entry->base + (*references)[i])->attlen != -1)
			column_corrupt(&reader->sources[column], "it refers to a column of another kind");
	}
	return n;
}

/*
 * Decode rows of one vector of a column that is not all NULL, in
 * CurrentMemoryContext.
 */
void
ledger_reader_decode(LedgerSegmentReader *reader, Relation rel, int column,
					 int first, int count, const bool *wanted,
					 const LedgerDecoded *references, Datum *values, bool *isnull)
{
	LedgerChunk *chunk = ledger_reader_chunk(reader, rel, column);

	Assert(first / LEDGER_VECTOR_ROWS == (first + count - 1) / LEDGER_VECTOR_ROWS);
	reader->decoded = true;
	ledger_chunk_decode_some(chunk, first, count, wanted, references, values, isnull);
}

/* The least and greatest value of a column, if its type has an order we know. */
void
ledger_reader_zone(LedgerSegmentReader *reader, Relation rel, int column, LedgerZone *zone)
{
	const LedgerColumnEntry *entry = ledger_reader_column(reader, rel, column);
	int			nvectors = LEDGER_VECTORS_OF(reader->segment->root.nrows);

	memset(zone, 0, sizeof(*zone));
	if (entry->length == 0)
		return;
	for (int i = 0; i < nvectors; i++)
	{
		LedgerZone	vector;

		ledger_chunk_zone(ledger_reader_chunk(reader, rel, column), i, &vector);
		if (!vector.valid)
			continue;
		zone->min = zone->valid ? Min((int64) zone->min, (int64) vector.min) : vector.min;
		zone->max = zone->valid ? Max((int64) zone->max, (int64) vector.max) : vector.max;
		zone->valid = true;
	}
}

static void
xids_read(void *arg, uint64 offset, size_t len, void *dst)
{
	LedgerSegmentReader *reader = arg;
	uint64		size = reader->segment->root.xmin_bytes;

	if (offset > size || len > size - offset)
		ledger_corrupt(reader->rel, reader->segment->block,
					   "the xmins of segment " UINT64_FORMAT " are read past their end",
					   reader->entry.segment);
	memcpy(dst, reader->xid_bytes + offset, len);
}

static void
xids_corrupt(void *arg, const char *detail)
{
	LedgerSegmentReader *reader = arg;

	char		text[256];

	snprintf(text, sizeof(text), "xmins: %s", detail);
	ledger_segment_corrupt(reader->rel, reader->segment, true, 0,
						   reader->segment->root.xmin_bytes, text);
}

/*
 * What the xmin stream says of rows "first" on, which lie in one vector: their
 * xmins, or their command ids in a segment of an open bulk writer.  False if
 * the stream is not there any more: the entry must be read again.
 *
 * The stream is small, so it is read at once; what has been read stays true.
 */
bool
ledger_reader_xids(LedgerSegmentReader *reader, Relation rel, int first, int count,
				   uint32 *xids)
{
	const LedgerSegmentRoot *root = &reader->segment->root;
	Datum		values[LEDGER_VECTOR_ROWS];
	bool		isnull[LEDGER_VECTOR_ROWS];

	Assert(count <= LEDGER_VECTOR_ROWS && root->xmin_bytes > 0);
	reader->rel = rel;
	if (reader->xids == NULL)
	{
		LedgerSource source = {xids_read, xids_corrupt, reader};
		LedgerColumnType type = {INT4OID, InvalidOid, 4, true, TYPALIGN_INT};

		if (root->xmin_bytes > XMIN_BYTES_MAX)
			xids_corrupt(reader, "they are too long");
		if (reader->xid_bytes == NULL)
			reader->xid_bytes = MemoryContextAlloc(reader->context, root->xmin_bytes);
		if (!ledger_segment_read(rel, reader->segment, true, 0, root->xmin_bytes,
								 reader->xid_bytes))
			return false;
		reader->xids = ledger_chunk_open(&source, root->xmin_bytes, &type, root->nrows,
										 reader->context);
	}
	ledger_chunk_decode(reader->xids, first, count, NULL, values, isnull);
	for (int i = 0; i < count; i++)
	{
		if (isnull[i])
			xids_corrupt(reader, "one is NULL");
		xids[i] = DatumGetUInt32(values[i]);
	}
	return true;
}
