/*-------------------------------------------------------------------------
 *
 * encode.c
 *	  From rows to a segment: columns gathered, encoded, verified, written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "write/write.h"

/* Memory for the values of the columns that are gathered at a time. */
#define GATHER_BYTES	(12 * 1024 * 1024)

/*
 * Values up to this size are copied, so that a column's lie side by side: the
 * encoder looks at each several times, and in the rows each look would miss
 * the cache.  With enough of them copied, the rest stays where it is.
 */
#define COPY_VALUE_MAX	64
#define COPY_BYTES		(16 * 1024 * 1024)
#define COPY_PIECE		65536

typedef struct EncodeState
{
	Relation	rel;
	TupleDesc	desc;
	const LedgerRowSet *rows;
	LedgerSegmentWriter *writer;
	LedgerEncodeOptions options;
	StringInfoData headers;		/* of the columns written so far */

	/* the chunk being verified */
	uint64		chunk_start;
	uint64		body_length;
	int			header_start;
	int			attribute;		/* being encoded */
	uint64		excess;			/* bytes that compression saved in the rows */
} EncodeState;

/* ---- gathering ---- */

/*
 * What a domain is of.  The type itself may have been dropped by the transaction whose
 * rows are encoded: then it is as any other that is not known.
 */
static Oid
base_type(Oid typid)
{
	for (;;)
	{
		HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid));
		Form_pg_type form;
		Oid			base = InvalidOid;

		if (!HeapTupleIsValid(tuple))
			return typid;
		form = (Form_pg_type) GETSTRUCT(tuple);
		if (form->typtype == TYPTYPE_DOMAIN)
			base = form->typbasetype;
		ReleaseSysCache(tuple);
		if (!OidIsValid(base))
			return typid;
		typid = base;
	}
}

/* What the codec must know of column i */
void
ledger_column_type(TupleDesc desc, int i, LedgerColumnType *type)
{
	Form_pg_attribute att = TupleDescAttr(desc, i);

	type->typid = att->attisdropped ? InvalidOid : base_type(att->atttypid);
	type->collation = att->attcollation;
	type->attlen = att->attlen;
	type->attbyval = att->attbyval;
	type->attalign = att->attalign;
}

/* The columns first .. first + ncolumns - 1, without values yet. */
static LedgerColumnInput *
make_columns(EncodeState *state, int first, int ncolumns)
{
	LedgerColumnInput *columns = palloc0(ncolumns * sizeof(LedgerColumnInput));

	for (int i = 0; i < ncolumns; i++)
	{
		ledger_column_type(state->desc, first + i, &columns[i].type);
		columns[i].nrows = state->rows->nrows;
	}
	return columns;
}

/* Where a column's copied values go. */
typedef struct CopyRoom
{
	char	   *next;
	Size		left;
} CopyRoom;

static Datum
copy_value(const LedgerColumnType *type, Datum value, CopyRoom *room, Size *copied)
{
	bool		is_short = type->attlen == -1 && VARATT_IS_SHORT(DatumGetPointer(value));
	Size		size = type->attlen > 0 ? (Size) type->attlen : VARSIZE_ANY(DatumGetPointer(value));
	Size		padded = is_short ? size : MAXALIGN(size);
	Size		skip = is_short ? 0 : MAXALIGN(room->next) - (uintptr_t) room->next;

	if (size > COPY_VALUE_MAX)
		return value;
	if (skip + padded > room->left)
	{
		if (*copied > COPY_BYTES)
			return value;
		room->next = palloc(COPY_PIECE);
		room->left = COPY_PIECE;
		*copied += COPY_PIECE;
		skip = 0;
	}
	value = PointerGetDatum(memcpy(room->next + skip, DatumGetPointer(value), size));
	room->next += skip + padded;
	room->left -= skip + padded;
	return value;
}

/* One value, with nothing compressed. */
static inline Datum
plain_value(EncodeState *state, Form_pg_attribute att, Datum value)
{
	struct varlena *plain;

	if (att->attlen != -1 || !VARATT_IS_COMPRESSED(DatumGetPointer(value)))
		return value;
	plain = detoast_attr((struct varlena *) DatumGetPointer(value));
	state->excess += VARSIZE(plain) - VARSIZE(DatumGetPointer(value));
	return PointerGetDatum(plain);
}

/* Fill in every row's value, from tuples. */
static void
gather_columns(EncodeState *state, int first, int ncolumns, LedgerColumnInput *columns)
{
	TupleDesc	desc = state->desc;
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *isnull = palloc(desc->natts * sizeof(bool));
	CopyRoom   *rooms = palloc0(ncolumns * sizeof(CopyRoom));
	Size		copied = 0;

	for (int i = 0; i < ncolumns; i++)
	{
		columns[i].values = palloc(state->rows->nrows * sizeof(Datum));
		columns[i].isnull = palloc(state->rows->nrows * sizeof(bool));
	}
	for (int row = 0; row < state->rows->nrows; row++)
	{
		HeapTuple	tuple = state->rows->tuples[row];

		if (row % LEDGER_VECTOR_ROWS == 0)
			ledger_give_way();
		if (tuple != NULL)
			heap_deform_tuple(tuple, desc, values, isnull);
		for (int i = 0; i < ncolumns; i++)
		{
			Form_pg_attribute att = TupleDescAttr(desc, first + i);
			bool		null = tuple == NULL || isnull[first + i] || att->attisdropped;
			Datum		value = null ? (Datum) 0 : plain_value(state, att, values[first + i]);

			if (!null && !att->attbyval && att->attlen != -2)
				value = copy_value(&columns[i].type, value, &rooms[i], &copied);
			((bool *) columns[i].isnull)[row] = null;
			((Datum *) columns[i].values)[row] = value;
		}
	}
	pfree(values);
	pfree(isnull);
	pfree(rooms);
}

/* ---- verifying ---- */

static void chunk_is_wrong(void *arg, const char *detail) pg_attribute_noreturn();

static void
chunk_is_wrong(void *arg, const char *detail)
{
	EncodeState *state = arg;

	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("could not verify the encoding of column %d of ledger \"%s\"",
					state->attribute, RelationGetRelationName(state->rel)),
			 errdetail_internal("%s", detail)));
}

static void
read_chunk(void *arg, uint64 offset, size_t len, void *dst)
{
	EncodeState *state = arg;

	if (offset >= state->body_length)
	{
		uint64		start = state->header_start + (offset - state->body_length);

		if (start > (uint64) state->headers.len || len > state->headers.len - start)
			chunk_is_wrong(state, "its header is read past its end");
		memcpy(dst, state->headers.data + start, len);
	}
	else
		ledger_segment_read_back(state->writer, state->chunk_start + offset, len, dst);
}

/*
 * Read back the chunk just written, whose header is in memory yet if it is one of
 * those that are written later, and compare each value with what went in.
 * Of a chunk that has checked itself, the first and the last vector are enough
 * to tell that what holds it together is right.  Returns where its filter is.
 */
static LedgerFilterPlace
verify_chunk(EncodeState *state, const LedgerColumnInput *columns, int self,
			 uint64 length)
{
	const LedgerColumnInput *column = &columns[self];
	LedgerSource source = {read_chunk, chunk_is_wrong, state, NULL,
	(uint32) (length - state->body_length)};
	MemoryContext vector_context = AllocSetContextCreate(CurrentMemoryContext,
														 "ledger verify vector",
														 ALLOCSET_DEFAULT_SIZES);
	LedgerDecoded *references;
	const int  *referred;
	LedgerChunk *chunk;
	int			nreferred;
	bool		ends_only;

	chunk = ledger_chunk_open(&source, length, &column->type, column->nrows,
							  CurrentMemoryContext);
	ends_only = ledger_chunk_checks_itself(chunk, state->options.effort);
	nreferred = ledger_chunk_references(chunk, &referred);
	references = palloc(Max(nreferred, 1) * sizeof(LedgerDecoded));

	for (int first = 0; first < column->nrows; first += LEDGER_VECTOR_ROWS)
	{
		int			count = Min(LEDGER_VECTOR_ROWS, column->nrows - first);
		MemoryContext old;

		if (ends_only && first > 0 && first + count < column->nrows)
			continue;
		old = MemoryContextSwitchTo(vector_context);
		ledger_give_way();
		for (int i = 0; i < nreferred; i++)
		{
			references[i].values = columns[referred[i]].values + first;
			references[i].isnull = columns[referred[i]].isnull + first;
		}
		if (!ledger_chunk_matches(chunk, first, count, references,
								  column->values + first, column->isnull + first))
			chunk_is_wrong(state, "a value did not come back as it went in");
		MemoryContextSwitchTo(old);
		MemoryContextReset(vector_context);
	}
	return ledger_chunk_filter_place(chunk);
}

/* ---- writing ---- */

static void
write_bytes(void *arg, const void *data, size_t len)
{
	ledger_segment_write((LedgerSegmentWriter *) arg, data, len);
	ledger_give_way();
}

/*
 * Encode, write and verify one chunk, whose header is appended to the others, or
 * written, too; returns its length, and where its filter is.
 */
static uint64
write_chunk(EncodeState *state, const LedgerColumnInput *columns, int self,
			bool header_apart, LedgerFilterPlace *filter)
{
	LedgerSink	sink = {write_bytes, state->writer, header_apart ? &state->headers : NULL};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ledger chunk",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	uint64		length;
	uint64		wrote;

	state->chunk_start = ledger_segment_offset(state->writer);
	state->header_start = state->headers.len;
	length = ledger_chunk_encode_with(columns, self, &state->options, &sink);
	state->body_length = ledger_segment_offset(state->writer) - state->chunk_start;
	wrote = state->body_length + (state->headers.len - state->header_start);
	if (length != wrote)
		elog(ERROR, "column encoder wrote " UINT64_FORMAT " bytes, not " UINT64_FORMAT,
			 wrote, length);
	*filter = verify_chunk(state, columns, self, length);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return length;
}

static void
write_columns(EncodeState *state, LedgerColumnEntry *directory)
{
	int			natts = state->desc->natts;
	int			group = GATHER_BYTES / (Max(state->rows->nrows, 1) * (sizeof(Datum) + sizeof(bool)));

	group = state->rows->columns ? natts : Max(1, group);
	for (int first = 0; first < natts; first += group)
	{
		int			ncolumns = Min(group, natts - first);
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ledger columns",
													  ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(context);
		LedgerColumnInput *columns = make_columns(state, first, ncolumns);
		LedgerSummary *summaries = palloc(ncolumns * sizeof(LedgerSummary));

		if (state->rows->columns)
			for (int i = 0; i < ncolumns; i++)
				ledger_columns_show(state->rows->columns, i, &columns[i]);
		else
			gather_columns(state, first, ncolumns, columns);
		for (int i = 0; i < ncolumns; i++)
		{
			LedgerColumnEntry *entry = &directory[first + i];
			int			header_start = state->headers.len;
			LedgerFilterPlace filter = {0};
			const LedgerSummary *summary;

			state->attribute = first + i + 1;
			entry->offset = ledger_segment_offset(state->writer);
			entry->typid = columns[i].type.typid;
			entry->collation = columns[i].type.collation;
			entry->attlen = columns[i].type.attlen;
			entry->attbyval = columns[i].type.attbyval;
			entry->attalign = columns[i].type.attalign;
			entry->base = first;
			if (columns[i].summary == NULL)
			{
				ledger_summarize(&columns[i], &summaries[i]);
				columns[i].summary = &summaries[i];
			}
			summary = columns[i].summary;
			if (summary->nvalues > 0)
				entry->length = write_chunk(state, columns, i, true, &filter);
			entry->header_offset = header_start;	/* for now, among the headers */
			entry->header_length = state->headers.len - header_start;
			entry->filter_blocks = filter.nblocks;
			entry->filter_behind = filter.behind;
			entry->nvalues = summary->nvalues;
			entry->value_bytes = summary->with_headers;
		}
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
	}
}

static void
write_gaps(EncodeState *state, LedgerSegmentRoot *root)
{
	const LedgerRowSet *rows = state->rows;
	size_t		size = (rows->nrows + 7) / 8;
	uint8	   *bitmap = palloc0(Max(size, 1));

	for (int i = 0; i < rows->nrows; i++)
	{
		if (rows->columns == NULL && rows->tuples[i] == NULL)
		{
			bitmap[i / 8] |= 1 << (i % 8);
			root->gaps++;
		}
	}
	root->gaps_offset = ledger_segment_offset(state->writer);
	if (root->gaps > 0)
	{
		root->gaps_crc = ledger_checksum(bitmap, size);
		ledger_segment_write(state->writer, bitmap, size);
	}
	pfree(bitmap);
}

/*
 * Write the columns' headers, and the directory, which a look-up reads of every
 * segment, into the root if it has room.
 */
static void
write_directory(EncodeState *state, LedgerColumnEntry *directory, int nslots,
				LedgerSegmentRoot *root)
{
	int			natts = state->desc->natts;
	size_t		size = natts * sizeof(LedgerColumnEntry);
	uint64		offset = ledger_segment_offset(state->writer);

	for (int i = 0; i < natts; i++)
		directory[i].header_offset += offset;
	ledger_segment_write(state->writer, state->headers.data, state->headers.len);
	ledger_segment_end_in_root(state->writer, nslots, size);
	root->directory_offset = ledger_segment_offset(state->writer);
	root->directory_crc = ledger_checksum(directory, size);
	ledger_segment_write(state->writer, directory, size);
}

/* The xmins, or the command ids, as a chunk of a column of their own. */
static void
write_xmins(EncodeState *state)
{
	const LedgerRowSet *rows = state->rows;
	const uint32 *source = rows->xmins ? rows->xmins : rows->cids;
	LedgerColumnInput column = {{INT4OID, InvalidOid, sizeof(int32), true, TYPALIGN_INT},
	rows->nrows, NULL, NULL};
	LedgerFilterPlace filter;
	Datum	   *values;

	ledger_segment_start_xmins(state->writer);
	if (source == NULL)
		return;
	values = palloc(rows->nrows * sizeof(Datum));
	for (int i = 0; i < rows->nrows; i++)
		values[i] = Int32GetDatum((int32) source[i]);
	column.values = values;
	column.isnull = palloc0(rows->nrows * sizeof(bool));
	state->attribute = 0;
	(void) write_chunk(state, &column, 0, false, &filter);
}

static uint64
raw_bytes(const LedgerRowSet *rows)
{
	uint64		result = 0;

	if (rows->columns)
		return ledger_columns_raw_bytes(rows->columns);
	for (int i = 0; i < rows->nrows; i++)
		if (rows->tuples[i] != NULL)
			result += rows->tuples[i]->t_len - rows->tuples[i]->t_data->t_hoff;
	return result;
}

/*
 * Write the rows as a segment, all of it logged, and return its root block.
 * slots[0] is the primary slot, whose entry names the segment's id already, so
 * that the blocks count as in use; publishing is the caller's.
 */
BlockNumber
ledger_write_segment(Relation rel, TupleDesc desc, LedgerRowSet *rows,
					 LedgerSegmentWriter *writer, const LedgerSegmentSlot *slots,
					 int nslots, uint32 *nblocks)
{
	EncodeState state = {0};
	LedgerSegmentRoot root = {0};
	LedgerColumnEntry *directory = palloc0(Max(desc->natts, 1) * sizeof(LedgerColumnEntry));

	state.rel = rel;
	state.desc = desc;
	state.rows = rows;
	state.writer = writer;
	state.options.effort = rows->loading ? LEDGER_EFFORT_QUICK : LEDGER_EFFORT_THOROUGH;
	state.options.compression = ledger_compression(rel);

	initStringInfo(&state.headers);

	write_columns(&state, directory);
	write_gaps(&state, &root);
	write_directory(&state, directory, nslots, &root);
	write_xmins(&state);

	rows->raw_bytes = raw_bytes(rows) + state.excess;
	root.ncolumns = desc->natts;
	root.nrows = rows->nrows;
	root.nslots = nslots;
	root.cid = rows->cid;
	root.raw_bytes = rows->raw_bytes;
	return ledger_segment_finish(writer, &root, slots, nblocks);
}
