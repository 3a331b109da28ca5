/*-------------------------------------------------------------------------
 *
 * columns.c
 *	  Rows of a bulk load in memory, column by column, as the encoder wants
 *	  them.
 *
 * Values by reference are copied to the column's own memory, one after the
 * other: the encoder looks at each several times.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "utils/memutils.h"
#include "write/write.h"

#define CAPACITY_FIRST		64

/*
 * Memory for values is taken in pieces that grow with the column, so that many
 * small columns, or relations, do not take much.
 */
#define PIECE_MIN			128
#define PIECE_MAX			65536
#define PIECE_SHARE			8

typedef struct ColumnRoom
{
	char	   *next;
	Size		left;
	Size		taken;
} ColumnRoom;

struct LedgerColumnRows
{
	MemoryContext context;
	TupleDesc	desc;
	int			capacity;
	int			first_capacity;
	Datum	  **values;			/* of each column, of each row */
	bool	  **isnull;
	LedgerSummary *summaries;	/* of each column */
	LedgerColumnType *types;
	ColumnRoom *rooms;
	uint64		raw_bytes;		/* what the rows would have in heap tuples */
};

/* The descriptor must stay; "expected" says how many rows may come. */
LedgerColumnRows *
ledger_columns_begin(MemoryContext context, TupleDesc desc, int expected)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	LedgerColumnRows *rows = palloc0(sizeof(LedgerColumnRows));
	int			natts = Max(desc->natts, 1);

	rows->context = context;
	rows->desc = desc;
	rows->first_capacity = Max(expected, CAPACITY_FIRST);
	rows->values = palloc0(natts * sizeof(Datum *));
	rows->isnull = palloc0(natts * sizeof(bool *));
	rows->rooms = palloc0(natts * sizeof(ColumnRoom));
	rows->summaries = palloc0(natts * sizeof(LedgerSummary));
	rows->types = palloc(natts * sizeof(LedgerColumnType));
	for (int i = 0; i < desc->natts; i++)
	{
		ledger_column_type(desc, i, &rows->types[i]);
		rows->summaries[i].constant = true;
	}
	MemoryContextSwitchTo(old);
	return rows;
}

static void
grow(LedgerColumnRows *rows)
{
	int			capacity = rows->capacity == 0 ? rows->first_capacity : rows->capacity * 2;
	MemoryContext old = MemoryContextSwitchTo(rows->context);

	for (int i = 0; i < rows->desc->natts; i++)
	{
		if (rows->capacity == 0)
		{
			rows->values[i] = palloc(capacity * sizeof(Datum));
			rows->isnull[i] = palloc(capacity * sizeof(bool));
		}
		else
		{
			rows->values[i] = repalloc(rows->values[i], capacity * sizeof(Datum));
			rows->isnull[i] = repalloc(rows->isnull[i], capacity * sizeof(bool));
		}
	}
	rows->capacity = capacity;
	MemoryContextSwitchTo(old);
}

/* Memory for a value of the column. */
static char *
take_room(LedgerColumnRows *rows, ColumnRoom *room, Size size, bool aligned)
{
	Size		skip = aligned ? (char *) MAXALIGN(room->next) - room->next : 0;
	char	   *result;

	if (size > PIECE_MAX / 4)
		return MemoryContextAllocHuge(rows->context, size);
	if (skip + size > room->left)
	{
		Size		piece = Min(Max(room->taken / PIECE_SHARE, PIECE_MIN), PIECE_MAX);

		piece = Max(piece, MAXALIGN(size));
		room->next = MemoryContextAlloc(rows->context, piece);
		room->left = piece;
		room->taken += piece;
		skip = 0;
	}
	result = room->next + skip;
	room->next = result + size;
	room->left -= skip + size;
	return result;
}

/* A value by value, as it would come back from a tuple. */
static inline Datum
plain_datum(Datum value, int attlen)
{
	switch (attlen)
	{
		case sizeof(char):
			return CharGetDatum(DatumGetChar(value));
		case sizeof(int16):
			return Int16GetDatum(DatumGetInt16(value));
		case sizeof(int32):
			return Int32GetDatum(DatumGetInt32(value));
		default:
			return value;
	}
}

/*
 * Copy a value by reference, in line, not compressed, with a short header
 * where a tuple would have one.  *size becomes that of the copy.
 */
static Datum
copy_value(LedgerColumnRows *rows, ColumnRoom *room, Form_pg_attribute att, Datum value,
		   Size *size)
{
	char	   *source = DatumGetPointer(value);
	char	   *copy;

	if (att->attlen == -1 && att->attstorage != TYPSTORAGE_PLAIN &&
		VARATT_CAN_MAKE_SHORT(source))
	{
		*size = VARATT_CONVERTED_SHORT_SIZE(source);
		copy = take_room(rows, room, *size, false);
		SET_VARSIZE_SHORT(copy, *size);
		memcpy(copy + 1, VARDATA(source), *size - 1);
		return PointerGetDatum(copy);
	}
	*size = att_addlength_datum(0, att->attlen, value);
	copy = take_room(rows, room, *size, !(att->attlen == -1 && VARATT_IS_SHORT(source)));
	return PointerGetDatum(memcpy(copy, source, *size));
}

/* Where the copy would lie in a tuple whose next free byte is at "off". */
static inline Size
tuple_offset(Size off, Form_pg_attribute att, Datum copy)
{
	if (att->attlen == -1 && VARATT_IS_SHORT(DatumGetPointer(copy)))
		return off;
	return att_align_nominal(off, att->attalign);
}

/*
 * Put the slot's row at the place "row", to which the rows before it must
 * have come.  Returns the memory taken.
 */
Size
ledger_columns_put(LedgerColumnRows *rows, int row, TupleTableSlot *slot)
{
	TupleDesc	desc = rows->desc;
	Size		bytes = desc->natts * (sizeof(Datum) + sizeof(bool));
	Size		off = 0;

	slot_getallattrs(slot);
	if (row == rows->capacity)
		grow(rows);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Datum		value = slot->tts_values[i];
		Datum		plain = value;
		Size		size;

		rows->isnull[i][row] = slot->tts_isnull[i];
		if (slot->tts_isnull[i])
		{
			rows->values[i][row] = (Datum) 0;
			continue;
		}
		if (att->attbyval)
		{
			rows->values[i][row] = plain_datum(value, att->attlen);
			ledger_summary_add(&rows->summaries[i], &rows->types[i], rows->values[i], row);
			off = att_align_nominal(off, att->attalign) + att->attlen;
			continue;
		}
		if (att->attlen == -1 && (VARATT_IS_EXTERNAL(DatumGetPointer(value)) ||
								  VARATT_IS_COMPRESSED(DatumGetPointer(value))))
			plain = PointerGetDatum(detoast_attr((struct varlena *) DatumGetPointer(value)));
		rows->values[i][row] = copy_value(rows, &rows->rooms[i], att, plain, &size);
		off = tuple_offset(off, att, rows->values[i][row]) + size;
		bytes += size;
		ledger_summary_add(&rows->summaries[i], &rows->types[i], rows->values[i], row);
		if (plain != value)
			pfree(DatumGetPointer(plain));
	}
	rows->raw_bytes += off;
	return bytes;
}

/* Show column i to the encoder. */
void
ledger_columns_show(const LedgerColumnRows *rows, int i, LedgerColumnInput *column)
{
	column->values = rows->values[i];
	column->isnull = rows->isnull[i];
	column->summary = &rows->summaries[i];
}

uint64
ledger_columns_raw_bytes(const LedgerColumnRows *rows)
{
	return rows->raw_bytes;
}

/* The row as a tuple, in CurrentMemoryContext. */
HeapTuple
ledger_columns_tuple(const LedgerColumnRows *rows, int row)
{
	int			natts = rows->desc->natts;
	Datum	   *values = palloc(Max(natts, 1) * sizeof(Datum));
	bool	   *isnull = palloc(Max(natts, 1) * sizeof(bool));
	HeapTuple	tuple;

	for (int i = 0; i < natts; i++)
	{
		values[i] = rows->values[i][row];
		isnull[i] = rows->isnull[i][row];
	}
	tuple = heap_form_tuple(rows->desc, values, isnull);
	pfree(values);
	pfree(isnull);
	return tuple;
}
