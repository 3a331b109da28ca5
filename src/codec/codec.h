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
#define LEDGER_VECTORS_OF(nrows) \
	(((nrows) + LEDGER_VECTOR_ROWS - 1) / LEDGER_VECTOR_ROWS)
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
	uint64		total;			/* bytes, if by reference, */
	uint64		with_headers;	/* and with headers, as short as a heap has them */
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

extern void ledger_summarize(const LedgerColumnInput *input, LedgerSummary *summary);

/*
 * Where the encoder's bytes go, in order.  The header, which is the chunk's end,
 * can go to another place: who opens many chunks reads all their headers.
 */
typedef struct LedgerSink
{
	void		(*write) (void *arg, const void *data, size_t len);
	void	   *arg;
	struct StringInfoData *header;	/* what it is appended to; NULL: it is written, too */
} LedgerSink;

/*
 * Where the decoder's bytes come from.  Offsets count from the start of the
 * chunk, wherever its header is.  corrupt() reports what is wrong with the chunk
 * and must not return (no attribute says so, as PostgreSQL 18 has none for
 * function pointers).
 */
typedef struct LedgerSource
{
	void		(*read) (void *arg, uint64 offset, size_t len, void *dst);
	void		(*corrupt) (void *arg, const char *detail);
	void	   *arg;
	/* likewise, of what this build cannot read; NULL: corrupt() is called */
	void		(*unsupported) (void *arg, const char *detail);
	uint32		header_length;	/* the chunk's last bytes, if known; else 0 */

	/*
	 * Blocks that were decompressed before, if not NULL: recall() copies the one
	 * at the offset if it is kept, and keep() may keep it, surely if "look_up".
	 */
	bool		(*recall) (void *arg, uint64 offset, uint32 length, void *dst);
	void		(*keep) (void *arg, uint64 offset, uint32 length, const void *block, bool look_up);

	/* Is there much room for what is kept?  NULL: no */
	bool		(*has_room) (void *arg);
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

/* Bytes that the process has made of compressed blocks so far. */
extern uint64 ledger_bytes_decompressed;

typedef struct LedgerEncodeOptions
{
	LedgerEffort effort;
	LedgerCompression compression;
	bool		no_locator;		/* nobody will look for a value in the dictionary */
} LedgerEncodeOptions;

/*
 * Encode column number "self" of columns[0 .. ncolumns-1] into the sink, and
 * return the number of bytes written, with the header's.  The other columns are
 * at hand because an encoding may refer to an earlier column's value in the same
 * row; the columns it refers to are recorded in the chunk by index and are always
 * below "self".  Works in CurrentMemoryContext; the caller resets it.  Working
 * memory is bounded whatever the size of the values.
 */
extern uint64 ledger_chunk_encode(const LedgerColumnInput *columns, int self,
								  LedgerEffort effort, LedgerSink *sink);

/* The same, with a choice of compression; above it is LZ4. */
extern uint64 ledger_chunk_encode_with(const LedgerColumnInput *columns, int self,
									   const LedgerEncodeOptions *options, LedgerSink *sink);

/* A chunk that is read.  Opened, its header is read and checked, and kept in "context". */
typedef struct LedgerChunk LedgerChunk;

extern LedgerChunk *ledger_chunk_open(const LedgerSource *source, uint64 length,
									  const LedgerColumnType *type, int nrows,
									  MemoryContext context);

/*
 * The same in two steps, for who knows where the chunk's Bloom filter is: of a
 * chunk that is prepared, of which nothing is read yet, only
 * ledger_chunk_has_filter and ledger_chunk_may_contain may be asked.  The place
 * must fit.  Loading reads the header, unless that has been done; after an error
 * it may be tried again.
 */
typedef struct LedgerFilterPlace
{
	uint32		nblocks;		/* 0: there is none, or one does not know */
	uint32		behind;			/* bytes of the chunk that follow it */
} LedgerFilterPlace;

extern LedgerFilterPlace ledger_chunk_filter_place(const LedgerChunk *chunk);
extern bool ledger_filter_fits(LedgerFilterPlace place, uint64 length);
extern LedgerChunk *ledger_chunk_prepare(const LedgerSource *source, uint64 length,
										 LedgerFilterPlace filter,
										 const LedgerColumnType *type, int nrows,
										 MemoryContext context);
extern bool ledger_chunk_is_loaded(const LedgerChunk *chunk);
extern void ledger_chunk_load(LedgerChunk *chunk);

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
 * The same, if of the "count" rows only those are wanted for which "wanted" is set:
 * what others get may be no value, where one takes time to make.  Neither need there
 * be references for them.
 */
extern void ledger_chunk_decode_some(LedgerChunk *chunk, int first, int count,
									 const bool *wanted, const LedgerDecoded *references,
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
 * has none there: LedgerPath, below, says what is where.  The chunk is opened
 * on demand, and belongs to the one it is part of; its rows are the documents
 * that have the path (an array's elements counting each).
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
 * Codes: a chunk in which values recur keeps each distinct one once, and a
 * number for each row.  A predicate need be tried on each value only, and rows
 * be told apart by code.  So it is with dictionaries, a constant, and where all
 * is NULL (no value at all); for others, ledger_chunk_distinct says false.
 *
 * Values are distinct by bytes, and each occurs.  ledger_chunk_distinct_values
 * gives values first .. first + count - 1, allocated as by ledger_chunk_decode;
 * it costs about a copy of each (and reads the dictionary's blocks, which are
 * then kept).  ledger_chunk_codes gives the rows' numbers, and costs no more
 * than unpacking these; the rows lie in one vector.
 */
#define LEDGER_CODE_NULL	PG_UINT32_MAX
#define LEDGER_CODE_OTHER	(PG_UINT32_MAX - 1)	/* of paths only: see there */

extern bool ledger_chunk_distinct(const LedgerChunk *chunk, uint32 *n);
extern void ledger_chunk_distinct_values(LedgerChunk *chunk, uint32 first, uint32 count,
										 Datum *values);
extern void ledger_chunk_codes(LedgerChunk *chunk, int first, int count, uint32 *codes);

/* The code of the value that has these bytes; false if there is none, or no codes. */
extern bool ledger_chunk_find_code(LedgerChunk *chunk, const char *data, Size len, uint32 *code);

/*
 * Shorten a list, which ascends, of rows of a vector to those that have the
 * code, which is that of a value found; they are counted from row "start".
 */
extern int	ledger_chunk_match_code(LedgerChunk *chunk, int start, uint32 code,
									uint16 *rows, int n);

/*
 * May a row of the vector have the code, which is that of a value found?  Unless
 * the codes that the vector has are all greater or less, they are unpacked when this
 * is first asked, and never again.
 */
extern bool ledger_chunk_may_have_code(LedgerChunk *chunk, int vector, uint32 code);

/*
 * Templates: log lines are made of a text that many share, and what varies.
 * Can a row of this template contain the word (as LIKE '%word%' asks, by
 * bytes)?  NO and YES hold for all rows of the template; at MAYBE these rows
 * must be decoded.  With "fold", the word is of ASCII, its letters may be in
 * either case, and there is no YES: other letters of a row may become ASCII in
 * lower case.  ledger_chunk_templates is 0 for chunks that are no log
 * lines.  ledger_chunk_template_codes gives the rows' templates, with
 * LEDGER_CODE_NULL for NULL; the rows lie in one vector.
 */
typedef enum LedgerMatch
{
	LEDGER_MATCH_NO,
	LEDGER_MATCH_YES,
	LEDGER_MATCH_MAYBE
} LedgerMatch;

extern int	ledger_chunk_templates(const LedgerChunk *chunk);
extern LedgerMatch ledger_chunk_template_contains(LedgerChunk *chunk, int template,
												  const char *word, Size len, bool fold);
extern void ledger_chunk_template_codes(LedgerChunk *chunk, int first, int count,
										uint32 *templates);

/*
 * Tokens: maximal runs of ASCII letters, digits, "_" and all bytes from 0x80
 * on, which in the server's encodings are those of other characters; whether
 * these are letters depends on a locale, so they all count as such.  Tokens are
 * compared by bytes.  What is no token itself (as it is empty, or has other
 * bytes) is nowhere one.
 */
extern bool ledger_has_token(const char *text, Size len, const char *token, Size token_len);

/*
 * Can a value of the chunk have the token?  True if nothing is known: a chunk
 * of text has a filter only where that is worth its bytes.
 */
extern bool ledger_chunk_has_tokens(const LedgerChunk *chunk);
extern bool ledger_chunk_may_have_token(LedgerChunk *chunk, const char *token, Size len);

/*
 * A path: a chain of object keys, as in data->'a'->'b'->>'c', asked of a chunk
 * of shredded documents.  What it leads to differs by the shape of the
 * document, and is one of a few branches: nothing, a value that is the same in
 * all documents of the shape, an earlier column of the row, or a row of a
 * sub-column.  So one can look at branches first (a path that is nowhere; a
 * constant; zone maps, filters and codes of a sub-column) and decode what is
 * left.
 */
typedef enum LedgerPathKind
{
	LEDGER_PATH_ABSENT,			/* no such key: -> and ->> are NULL */
	LEDGER_PATH_NULL,			/* JSON's null: ->> is NULL, -> is not */
	LEDGER_PATH_CONSTANT,		/* "text" and the rest */
	LEDGER_PATH_COLUMN,			/* a string: "reference" */
	LEDGER_PATH_SUBCOLUMN,		/* "subcolumn" */
	LEDGER_PATH_DOCUMENT		/* not known: the document must be looked at */
} LedgerPathKind;

/* What a value is. */
typedef enum LedgerPathClass
{
	LEDGER_PATH_NOTHING,		/* ABSENT, NULL, DOCUMENT */
	LEDGER_PATH_STRING,
	LEDGER_PATH_NUMBER,			/* an int64 with a decimal scale */
	LEDGER_PATH_NUMERIC,		/* any other numeric */
	LEDGER_PATH_BOOL
} LedgerPathClass;

typedef struct LedgerPathBranch
{
	LedgerPathKind kind;
	LedgerPathClass class;
	int			subcolumn;		/* for ledger_chunk_subcolumn, else -1 */
	int			reference;		/* k'th of ledger_chunk_references, else -1 */
	int			scale;			/* all numbers show these decimals; -1: they differ */
	Datum		text;			/* constant, as ->> gives it */
	int64		number;			/* and if it is NUMBER, by 10^scale; or a BOOL */
} LedgerPathBranch;

typedef struct LedgerPath LedgerPath;

typedef struct LedgerPathKey
{
	const char *data;
	Size		len;
} LedgerPathKey;

typedef struct LedgerPathInfo
{
	int			nbranches;		/* branch 0 is ABSENT, whether or not it occurs */
	const LedgerPathBranch *branches;
	bool		occurs;			/* false: the path is in no document of the chunk */
	bool		documents;		/* some rows may be DOCUMENT */
	uint32		references;		/* bit k: the k'th of ledger_chunk_references is needed */
	int			scale;			/* of all numbers of the path, or -1 */
} LedgerPathInfo;

/*
 * NULL if the chunk is not of shredded documents: these are to be decoded (or
 * their distinct ones, see above).  Costs a look at each shape, of which there
 * are some dozens as a rule and 2,048 at most; reads nothing.  A path and what
 * it points to live in "context", which must not outlive the chunk's.
 */
extern LedgerPath *ledger_chunk_path_open(LedgerChunk *chunk, const LedgerPathKey *keys,
										  int nkeys, MemoryContext context);
extern void ledger_path_info(const LedgerPath *path, LedgerPathInfo *info);

/*
 * The branch of each row from "first" on, "count" of them in one vector, and,
 * where that is SUBCOLUMN, the row in the sub-column; positions may be NULL.
 * A document that is NULL is ABSENT.  Rows of a sub-column are in the order of
 * the documents' rows, so that the first and last of a vector tell which of
 * the sub-column's vectors it takes.  Costs the unpacking of the shapes' numbers
 * of the vector up to the last row, and two additions or so a row.
 */
extern void ledger_path_locate(LedgerPath *path, int first, int count, uint16 *branches,
							   uint32 *positions);

/* What became of a row. */
typedef enum LedgerPathState
{
	LEDGER_PATH_IS_NULL,		/* SQL NULL */
	LEDGER_PATH_IS_VALUE,
	LEDGER_PATH_IS_OTHER,		/* a value, but not of the form asked for */
	LEDGER_PATH_IS_DOCUMENT		/* look at the document: ledger_chunk_decode */
} LedgerPathState;

/* The forms of a value. */
typedef enum LedgerPathForm
{
	LEDGER_PATH_AS_TEXT,		/* text, as ->> gives it */
	LEDGER_PATH_AS_JSONB,		/* jsonb, as -> gives it */
	LEDGER_PATH_AS_NUMERIC		/* numeric; OTHER if it is no JSON number */
} LedgerPathForm;

/*
 * The values of rows first .. first + count - 1 of one vector.  "wanted" (NULL:
 * all) says for each row whether it is; of others, state and value are not set.
 * references[k] are the decoded values of the k'th referred column for these
 * rows, but only those that info.references names need be there.  states has
 * LedgerPathState.  Values are allocated in CurrentMemoryContext, or are the path's
 * or the references'.
 * Costs ledger_path_locate, the decoding of the sub-columns' rows from the
 * first wanted to the last (in pieces, if they lie far apart), and the
 * formatting of numbers.
 */
extern void ledger_path_decode(LedgerPath *path, LedgerPathForm form, int first, int count,
							   const bool *wanted, const LedgerDecoded *references,
							   Datum *values, uint8 *states);

/*
 * The same of numbers, without making any: number i is numbers[i] / 10^scales[i]
 * and shows that many decimals, so it is an integer to ->> if scales[i] is 0.
 * OTHER is whatever else is there, larger numbers included, and those of a
 * sub-column that have no scale in common.  "scales" may be NULL if info.scale
 * is not -1.  Where the state is not VALUE, number and scale are not set.
 * Needs no references: columns are strings.
 */
extern void ledger_path_numbers(LedgerPath *path, int first, int count, const bool *wanted,
								int64 *numbers, uint8 *scales, uint8 *states);

/*
 * Codes of a path's text, from those of its sub-columns and constants: see
 * ledger_chunk_distinct, but a value may have several codes, or not occur.  Rows that have
 * none, though not NULL, are LEDGER_CODE_OTHER: to be decoded, or asked of
 * ledger_path_decode.  False if no row can have a code.
 */
extern bool ledger_path_distinct(LedgerPath *path, uint32 *n);
extern void ledger_path_distinct_values(LedgerPath *path, uint32 first, uint32 count,
										Datum *values);
extern void ledger_path_codes(LedgerPath *path, int first, int count, uint32 *codes);

/* Can there be rows that are LEDGER_CODE_OTHER? */
extern bool ledger_path_has_other(LedgerPath *path);

/*
 * Whether the last key is there: what (data->...) ? 'key' says.  states has
 * these; it costs the unpacking of shapes' numbers.
 */
typedef enum LedgerPathExists
{
	LEDGER_PATH_EXISTS_NULL,	/* the document, or what "?" is asked of, is NULL */
	LEDGER_PATH_EXISTS_NO,
	LEDGER_PATH_EXISTS_YES,
	LEDGER_PATH_EXISTS_DOCUMENT /* not known */
} LedgerPathExists;

extern void ledger_path_exists(LedgerPath *path, int first, int count, uint8 *states);

/* False if no row is YES or DOCUMENT. */
extern bool ledger_path_may_exist(const LedgerPath *path);

/* Can a value of the path, as text, have the token?  Reads filters. */
extern bool ledger_path_may_have_token(LedgerPath *path, const char *token, Size len);

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

/* Has the type such zone maps?  Those below? */
extern bool ledger_zone_type(const LedgerColumnType *type);
extern bool ledger_cut_zone_type(const LedgerColumnType *type);

/* Set zone[0] and zone[1] to the least and greatest of the given rows' values. */
extern void ledger_zone_make(const LedgerColumnInput *input, const int *rows, int n,
							 uint64 *zone);

extern uint32 ledger_chunk_nulls(const LedgerChunk *chunk, int vector);
extern void ledger_chunk_zone(LedgerChunk *chunk, int vector, LedgerZone *zone);

/*
 * The same for types of which a number is cut that keeps their order: where the
 * numbers of two values differ, the values differ in the same sense.  Of text,
 * varchar, bytea and uuid, every value that is not NULL begins with the prefix, and
 * the eight bytes after that (zeros where there are fewer) are from min to max: for
 * equality under a deterministic collation, and for order where that is the order of
 * bytes.  Of numerics, sign, weight and four digits of base 10,000 are.
 */
typedef struct LedgerCutZone
{
	bool		valid;
	Oid			typid;
	const char *prefix;			/* as long as the chunk is open */
	int			prefix_length;	/* 0 of numerics */
	uint64		min;
	uint64		max;
} LedgerCutZone;

/* What such a number is of a value's bytes, of which there are "skip" or more. */
extern uint64 ledger_zone_number(Oid typid, const char *data, Size len, Size skip);

extern void ledger_chunk_cut_zone(LedgerChunk *chunk, int vector,
								  LedgerCutZone *zone);

/*
 * Least and greatest number of each vector's values, or NULL; *zone is given their
 * common prefix.  Of a vector of NULLs, the least is above the greatest.
 */
extern const uint64 *ledger_chunk_cut_numbers(LedgerChunk *chunk, LedgerCutZone *zone);
extern bool ledger_cut_zone_may_contain(const LedgerCutZone *zone, const char *data,
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
