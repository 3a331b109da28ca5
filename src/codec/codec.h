/*-------------------------------------------------------------------------
 *
 * codec.h
 *	  Column chunks over plain memory: how the values of one column of one
 *	  segment become bytes, and bytes values.
 *
 * This layer knows bytes and types; it knows no Relation and no Buffer, so
 * that it can be unit-tested and fuzzed on its own.  It runs no code that a
 * user could have supplied.
 *
 * A chunk is one column of one segment: at most LEDGER_SEGMENT_ROWS rows, cut
 * into vectors of LEDGER_VECTOR_ROWS rows (the last may be shorter).  Decoding
 * a vector reads that vector and its chunk's header and dictionary, nothing
 * else.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_CODEC_H
#define LEDGER_CODEC_H

#include "postgres.h"

#define LEDGER_VECTOR_ROWS		1024
#define LEDGER_SEGMENT_ROWS		65536

/* What the codec must know of a column's type. */
typedef struct LedgerColumnType
{
	Oid			typid;			/* InvalidOid for a dropped column */
	Oid			collation;
	int16		attlen;			/* as in pg_attribute: > 0, -1, -2 */
	bool		attbyval;
	char		attalign;
} LedgerColumnType;

/* What can be said of all values by one look at each. */
typedef struct LedgerSummary
{
	int			nvalues;		/* not NULL */
	int			first;			/* row of the first of them */
	uint64		total;			/* bytes, if by reference */
	Size		longest;
	bool		constant;		/* all of them the same */
} LedgerSummary;

/*
 * The values of one column, ready to be encoded.  A varlena value must be
 * plain: neither compressed nor out of line nor expanded; its header may have
 * one byte or four.
 */
typedef struct LedgerColumnInput
{
	LedgerColumnType type;
	int			nrows;
	const Datum *values;
	const bool *isnull;
	const LedgerSummary *summary;	/* NULL if nobody knows yet */
} LedgerColumnInput;

/* Add a row that is not NULL to a summary; "constant" is true at first. */
extern void ledger_summary_add(LedgerSummary *summary, const LedgerColumnType *type,
							   const Datum *values, int row);

/* Where the encoder's bytes go, in order. */
typedef struct LedgerSink
{
	void		(*write) (void *arg, const void *data, size_t len);
	void	   *arg;
} LedgerSink;

/*
 * Where the decoder's bytes come from.  Offsets count from the start of the
 * chunk.  corrupt() reports what is wrong with the chunk and must not return
 * (no attribute says so, as PostgreSQL 18 has none for function pointers).
 */
typedef struct LedgerSource
{
	void		(*read) (void *arg, uint64 offset, size_t len, void *dst);
	void		(*corrupt) (void *arg, const char *detail);
	void	   *arg;
	/* likewise, of what this build cannot read; NULL: corrupt() is called */
	void		(*unsupported) (void *arg, const char *detail);
} LedgerSource;

/*
 * How hard the encoder tries.  Loading is quick, so that it takes no longer
 * than into heap; what is sealed or rewritten in the background is thorough.
 * The bytes of either are read alike.
 */
typedef enum LedgerEffort
{
	LEDGER_EFFORT_QUICK,
	LEDGER_EFFORT_THOROUGH
} LedgerEffort;

/* What compresses the bytes that nothing else makes smaller. */
typedef enum LedgerCompression
{
	LEDGER_COMPRESSION_NONE,
	LEDGER_COMPRESSION_LZ4,
	LEDGER_COMPRESSION_ZSTD		/* where ledger_has_zstd(), else as LZ4 */
} LedgerCompression;

extern bool ledger_has_zstd(void);

typedef struct LedgerEncodeOptions
{
	LedgerEffort effort;
	LedgerCompression compression;
} LedgerEncodeOptions;

/*
 * Encode column number "self" of columns[0 .. ncolumns-1] into the sink, and
 * return the number of bytes written.  The other columns are at hand because
 * an encoding may refer to an earlier column's value in the same row; the
 * columns it refers to are recorded in the chunk by index and are always
 * below "self".  Works in CurrentMemoryContext; the caller resets it.  Working
 * memory is bounded whatever the size of the values.
 */
extern uint64 ledger_chunk_encode(const LedgerColumnInput *columns, int self,
								  LedgerEffort effort, LedgerSink *sink);

/* The same, with a choice of compression; above it is LZ4. */
extern uint64 ledger_chunk_encode_with(const LedgerColumnInput *columns, int self,
									   const LedgerEncodeOptions *options, LedgerSink *sink);

/* An open chunk: its header is read and checked, and kept in "context". */
typedef struct LedgerChunk LedgerChunk;

extern LedgerChunk *ledger_chunk_open(const LedgerSource *source, uint64 length,
									  const LedgerColumnType *type, int nrows,
									  MemoryContext context);

/*
 * The earlier columns (by index) that the chunk refers to; their values for
 * the same rows must be given to ledger_chunk_decode.
 */
extern int	ledger_chunk_references(const LedgerChunk *chunk, const int **columns);

/*
 * Decode "count" rows from row "first" on; all of them lie in one vector.
 * references[k] are the decoded values of the k'th referred column for just
 * these rows.  Values by reference are allocated in CurrentMemoryContext and
 * aligned; varlena values come with a plain header (four bytes).
 */
typedef struct LedgerDecoded
{
	const Datum *values;
	const bool *isnull;
} LedgerDecoded;

extern void ledger_chunk_decode(LedgerChunk *chunk, int first, int count,
								const LedgerDecoded *references,
								Datum *values, bool *isnull);

/*
 * Would ledger_chunk_decode give just these values?  Compares them with the
 * chunk's bytes where these are, and allocates little.
 */
extern bool ledger_chunk_matches(LedgerChunk *chunk, int first, int count,
								 const LedgerDecoded *references,
								 const Datum *values, const bool *isnull);

/*
 * Has the encoder, when it wrote the chunk with this effort, checked its own
 * work but for what LZ4 makes of bytes?
 */
extern bool ledger_chunk_checks_itself(const LedgerChunk *chunk, LedgerEffort effort);

/* Name of the chunk's encoding, for ledger.chunks(). */
extern const char *ledger_chunk_encoding(const LedgerChunk *chunk);

/*
 * The sub-columns of a chunk of shredded jsonb documents, in order; none in
 * other chunks.  A path may have several, as its values may be of several
 * classes or look different in different documents; and where a path has the
 * same value in all documents of a shape, or that of a column of the row, it
 * has none there.  The chunk is opened on demand, and belongs to the one it is
 * part of; its rows are the documents that have the path (an array's elements
 * counting each), which is all that is known of them here.
 */
typedef struct LedgerSubcolumn
{
	const char *path;			/* as in jsonpath, not terminated */
	Size		path_len;
	LedgerColumnType type;
	int			scale;			/* an int8 is that many decimal places */
	uint32		nvalues;
	uint64		length;
	LedgerChunk *chunk;
} LedgerSubcolumn;

extern int	ledger_chunk_subcolumns(const LedgerChunk *chunk);
extern void ledger_chunk_subcolumn(LedgerChunk *chunk, int i, LedgerSubcolumn *subcolumn);

/*
 * Zone map of one vector: least and greatest value that is not NULL, for types
 * whose order is that of the int64 they widen to (integers, oid, "char",
 * bool, date, time, timestamp, timestamptz) and for float4/float8 by their
 * own order with bit patterns kept.  valid is false where there is none.
 */
typedef struct LedgerZone
{
	bool		valid;			/* min and max are set */
	uint32		nulls;			/* NULLs in the vector */
	Datum		min;
	Datum		max;
} LedgerZone;

extern void ledger_chunk_zone(const LedgerChunk *chunk, int vector, LedgerZone *zone);

/*
 * The same for text, varchar, bytea and uuid, by bytes: every value that is
 * not NULL begins with the prefix, and the eight bytes after that (zeros where
 * there are fewer) are from min to max.  For equality under a deterministic
 * collation, and for order where that is the order of bytes.
 */
typedef struct LedgerTextZone
{
	bool		valid;
	const char *prefix;			/* as long as the chunk is open */
	int			prefix_length;
	uint8		min[8];
	uint8		max[8];
} LedgerTextZone;

extern void ledger_chunk_text_zone(const LedgerChunk *chunk, int vector,
								   LedgerTextZone *zone);
extern bool ledger_text_zone_may_contain(const LedgerTextZone *zone, const char *data,
										 Size len);

/*
 * Hash of a value for equality by the type's default btree or hash operator
 * class; false where no filter is kept.  The value is plain, as for encoding.
 * Values of int2, int4 and int8 hash alike, and so do those of float4 and
 * float8; other types must be the chunk's own.
 */
extern bool ledger_value_hash(const LedgerColumnType *type, Datum value, uint64 *hash);

/*
 * Can a value with this hash be in the chunk?  True if there is no filter.
 * About one in a hundred values that are not there seem to be.
 */
extern bool ledger_chunk_has_filter(const LedgerChunk *chunk);
extern bool ledger_chunk_may_contain(LedgerChunk *chunk, uint64 hash);

#endif							/* LEDGER_CODEC_H */
