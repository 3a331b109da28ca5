/*-------------------------------------------------------------------------
 *
 * shred.h
 *	  What the files about shredded jsonb share: jsonb_walk.c, jsonb_number.c,
 *	  shred_learn.c, shred_write.c, shred_catalog.c and shred_read.c.
 *
 * A document becomes the number of its shape and the values that its shape
 * leaves open.  A shape says which keys there are, in what structure, and for
 * each value whether it is the same in all documents of the shape, the value
 * of an earlier column of the row, or one of a sub-column.  A sub-column has
 * the values of one path, or of those of a kind at the path, of all documents
 * that have it, one after the other: rows without it take no room.
 *
 * A chunk's bytes:
 *
 *		preamble	the sub-columns, each a chunk as of codec_internal.h but for
 *					its end from "inner" on, and the catalog
 *		vectors		each: the null bitmap if any, the numbers of the shapes,
 *					and for each sub-column the number of values before the
 *					vector (both as of bitpack.h)
 *		inner		these ends of the sub-columns' chunks
 *		extra		12 bytes: raw and stored length of the catalog, its CRC
 *
 * The catalog, in LZ4 if that makes it smaller; numbers are varints of seven
 * bits a byte, low ones first, and bytes are their number and then themselves:
 *
 *		number of columns referred to; for each its index
 *		number of sub-columns; for each: class, the number's scale and least
 *			scale (0 for other classes), values, length of the chunk, how much
 *			of that is its end, and the path as bytes
 *		number of key sets; for each: number of keys; for each key its bytes
 *		number of shapes; for each: number of operations, and these
 *
 * An operation is a number, and what LedgerShredOp says.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_SHRED_H
#define LEDGER_SHRED_H

#include "codec/codec_internal.h"

/* Limits of what is taken apart; beyond these, documents are kept whole. */
#define LEDGER_SHRED_TOKENS		512 /* of a document */
#define LEDGER_SHRED_DOCUMENT	65536	/* bytes */
#define LEDGER_SHRED_KEYS		8192	/* bytes of an object's keys */
#define LEDGER_SHRED_SHAPES		2048
#define LEDGER_SHRED_COLUMNS	1000
#define LEDGER_SHRED_KEYSETS	4096
#define LEDGER_SHRED_VALUES		(4 * 1024 * 1024)	/* of a sub-column */
#define LEDGER_SHRED_DEPTH		16
#define LEDGER_SHRED_ARRAY		32	/* elements */
#define LEDGER_SHRED_CATALOG	(4 * 1024 * 1024)

/* What a value is.  Stored: never renumber. */
typedef enum LedgerLeafClass
{
	LEDGER_LEAF_STRING = 0,
	LEDGER_LEAF_NUMBER = 1,		/* a numeric that is an int64 by a power of 10 */
	LEDGER_LEAF_NUMERIC = 2,	/* any other */
	LEDGER_LEAF_BOOL = 3,
	LEDGER_LEAF_CONTAINER = 4,	/* an object or array as it is */
	LEDGER_LEAF_DOCUMENT = 5	/* a whole document as it is */
} LedgerLeafClass;

#define LEDGER_LEAF_LAST		LEDGER_LEAF_DOCUMENT

/* An operation of a shape.  Stored: never renumber. */
typedef enum LedgerShredOp
{
	LEDGER_OP_OBJECT = 0,		/* key set; the values follow */
	LEDGER_OP_ARRAY = 1,		/* number of elements, which follow */
	LEDGER_OP_SCALAR = 2,		/* a document that is one value, which follows */
	LEDGER_OP_VALUE = 3,		/* sub-column */
	LEDGER_OP_COLUMN = 4,		/* string: number of the column referred to */
	LEDGER_OP_NULL = 5,
	LEDGER_OP_FALSE = 6,
	LEDGER_OP_TRUE = 7,
	LEDGER_OP_STRING = 8,		/* the same in all documents: its bytes */
	LEDGER_OP_NUMERIC = 9		/* likewise */
} LedgerShredOp;

#define LEDGER_OP_LAST			LEDGER_OP_NUMERIC

/*
 * Numbers (jsonb_number.c): numerics as jsonb has them, with a header of four
 * bytes, that are "value" divided by 10^scale.
 */
#define LEDGER_JSONB_NUMBER_MAX		INT64CONST(999999999999999)
#define LEDGER_NUMBER_SCALE_MAX	15
#define LEDGER_NUMBER_BYTES		24	/* longest numeric that is a number */

extern bool ledger_number_parse(const char *numeric, Size len, int64 *value, int *scale);
extern Size ledger_number_write(int64 value, int scale, char *dst);
extern int64 ledger_power_of_10(int n);

/*
 * Documents taken apart (jsonb_walk.c).
 */
typedef enum LedgerToken
{
	LEDGER_TOKEN_OBJECT,		/* key set */
	LEDGER_TOKEN_ARRAY,			/* number of elements */
	LEDGER_TOKEN_SCALAR,		/* an array of one value that is the document */
	LEDGER_TOKEN_NULL,
	LEDGER_TOKEN_LEAF			/* LedgerLeafClass */
} LedgerToken;

#define LEDGER_TOKEN(kind, arg)	((uint32) (kind) | (uint32) (arg) << 3)
#define LEDGER_TOKEN_KIND(t)	((LedgerToken) ((t) & 7))
#define LEDGER_TOKEN_ARG(t)		((t) >> 3)

typedef struct LedgerLeaf
{
	LedgerBytes bytes;			/* of a boolean: none */
	int64		number;			/* or a boolean */
	int			scale;
} LedgerLeaf;

/* The keys of an object, as they are in a document. */
typedef struct LedgerKeyset
{
	uint32		hash;
	uint32		nkeys;
	Size		head_len;		/* container's header and the keys' JEntries */
	Size		keys_len;
	char	   *bytes;			/* head and keys */
} LedgerKeyset;

typedef struct LedgerJsonWalk
{
	/* what becomes a leaf of class CONTAINER */
	int			depth_max;
	int			array_max;

	/* the document last walked */
	int			ntokens;
	int			nleaves;
	uint32		tokens[LEDGER_SHRED_TOKENS];
	LedgerLeaf	leaves[LEDGER_SHRED_TOKENS];

	/* key sets seen, and a table of their numbers plus 1 by hash */
	int			nkeysets;
	LedgerKeyset *keysets;
	uint16	   *slots;
	uint64		steps;
} LedgerJsonWalk;

extern LedgerJsonWalk *ledger_json_walk_begin(void);
extern void ledger_json_walk_end(LedgerJsonWalk *walk);
extern bool ledger_json_walk(LedgerJsonWalk *walk, LedgerBytes document);

static inline Size
ledger_json_padding(Size offset)
{
	return (4 - (offset & 3)) & 3;
}

/*
 * The catalog (shred_catalog.c).
 */
typedef struct LedgerShredColumn
{
	LedgerLeafClass class;
	int			scale;			/* of the numbers as they are stored */
	int			least_scale;	/* zeros at the end go, but for these digits */
	uint32		nvalues;
	uint64		offset;			/* in the chunk, but for the header */
	uint64		length;
	uint32		header_length;	/* of that: with trailer */
	LedgerBytes path;
} LedgerShredColumn;

typedef struct LedgerShredStep
{
	LedgerShredOp op;
	uint32		arg;			/* key set, elements, sub-column or reference */
	LedgerBytes bytes;			/* of a constant */
} LedgerShredStep;

/* How many values a document of a shape takes from a sub-column. */
typedef struct LedgerShredUse
{
	uint32		column;
	uint32		count;
} LedgerShredUse;

typedef struct LedgerShredShape
{
	int			nsteps;
	LedgerShredStep *steps;
	int			nuses;
	LedgerShredUse *uses;
	Size		fixed;			/* bytes of a document without its open values */
} LedgerShredShape;

typedef struct LedgerShredCatalog
{
	int			nreferences;
	int			references[LEDGER_ROWREF_COLUMNS];
	int			ncolumns;
	LedgerShredColumn *columns;
	int			nkeysets;
	LedgerKeyset *keysets;
	int			nshapes;
	LedgerShredShape *shapes;
} LedgerShredCatalog;

extern void ledger_shred_catalog_write(const LedgerShredCatalog *catalog, StringInfo out);
extern const char *ledger_shred_catalog_read(LedgerShredCatalog *catalog, const uint8 *p,
											 const uint8 *end, MemoryContext context);
extern LedgerColumnType ledger_shred_column_type(const LedgerShredColumn *column);

/*
 * What the encoder learns of a column before it writes (shred_learn.c).
 */
typedef struct LedgerShredSlot
{
	LedgerLeafClass class;
	bool		constant;		/* in all documents of the shape, so far */
	LedgerLeaf	first;
	int			reference;		/* -1 if none */
	int			column;			/* -1 if none yet */
	LedgerBytes path;
} LedgerShredSlot;

#define LEDGER_SHRED_SAMPLES	32

typedef struct LedgerShredKind
{
	uint32		hash;
	int			ntokens;
	uint32	   *tokens;
	int			nslots;
	LedgerShredSlot *slots;		/* one for each leaf */
	int			count;			/* documents */
	int			nsamples;
	int			step;			/* every so many'th document is a sample */
	int			samples[LEDGER_SHRED_SAMPLES];	/* rows */
	int			variant;		/* first of its shapes in the catalog, or -1 */
} LedgerShredKind;

/* No kind: the document is kept whole, or was not looked at. */
#define LEDGER_SHRED_WHOLE		UINT16_MAX
#define LEDGER_SHRED_UNSEEN		(UINT16_MAX - 1)

typedef struct LedgerShredPlan
{
	LedgerJsonWalk *walk;
	int			nkinds;
	LedgerShredKind *kinds;
	uint16	   *slots;			/* of kinds, plus 1, by hash */
	uint16	   *rows;			/* kind of each row */
	int			nwhole;
	int			nreferences;
	int			references[LEDGER_ROWREF_COLUMNS];

	/* sub-columns, by path, class and what else tells them apart */
	int			ncolumns;
	LedgerShredColumn *columns;
	uint32	   *marks;
	uint16	   *column_slots;
} LedgerShredPlan;

extern LedgerShredPlan *ledger_shred_learn(const LedgerColumnInput *columns, int self,
										   bool glance);
extern int	ledger_shred_recognize(LedgerShredPlan *plan);
extern int	ledger_shred_column(LedgerShredPlan *plan, LedgerBytes path,
								LedgerLeafClass class, uint32 mark);
extern bool ledger_shred_refers(const LedgerColumnInput *column, int row, LedgerBytes value);

/*
 * The encoder (shred_write.c): false if the column is better not shredded.
 */
typedef struct LedgerShredWriter LedgerShredWriter;

extern bool ledger_shred_begin(LedgerEncoder *enc, const LedgerSummary *summary);
extern void ledger_shred_vector(LedgerEncoder *enc);

/* The decoder (shred_read.c). */
typedef struct LedgerShredReader LedgerShredReader;

extern LedgerShredReader *ledger_shred_open(LedgerChunk *chunk, const uint8 *p,
											const uint8 *end, uint64 preamble);
extern int	ledger_shred_references(const LedgerShredReader *shred, const int **columns);
extern const LedgerShredCatalog *ledger_shred_catalog(const LedgerShredReader *shred);
extern const uint64 *ledger_shred_starts(const LedgerShredReader *shred);
extern LedgerChunk *ledger_shred_subchunk(LedgerChunk *chunk, int i);
extern const uint8 *ledger_shred_vector_open(LedgerChunk *chunk, const uint8 *p,
											 const uint8 *end, int n);
extern void ledger_shred_decode(LedgerChunk *chunk, int first, int count, const int *rows,
								const bool *wanted, const LedgerDecoded *references,
								Datum *values);
extern bool ledger_shred_matches(LedgerChunk *chunk, int first, int count, const int *rows,
								 const LedgerDecoded *references, const Datum *values);

#endif							/* LEDGER_SHRED_H */
