/*-------------------------------------------------------------------------
 *
 * codec_internal.h
 *	  What the files of the codec share; nobody else includes this.
 *
 * The bytes of a chunk, in order:
 *
 *		preamble	the dictionary's blocks and locator, the seed of LZ4, the
 *					sub-columns of shredded documents, or nothing
 *		vectors		one after the other; a vector is its LZ4 blocks (if the
 *					encoding has any), then its "meta" bytes
 *		filter		blocks of 32 bytes in pieces of 63, with a CRC-32C behind
 *					each, if there is one (filter.c)
 *		tokens		likewise (tokens.c)
 *		inner		the headers of sub-columns, with trailers, one after the other
 *		header		of each vector: number of NULLs, length of meta, with LZ4
 *					blocks length of these (each a list: ledger_numbers_write),
 *					and CRC-32C of meta; number of blocks (uint32) of the
 *					filter of tokens, if there is one, and of that of values;
 *					the zone maps, if the type has them: length (uint32) of all
 *					that follows of these; of cut values, length (uint32) and
 *					bytes of what all values begin with; a list of the least values,
 *					and one of the greatest less these; and the encoding's own
 *					part ("extra")
 *		trailer		LedgerChunkTrailer
 *
 * The header comes last because the sink is a stream; from "inner" on the bytes
 * can be in another place than those before (LedgerSink).  Integers are in native
 * byte order, as everywhere in PostgreSQL's files, except bit-packed ones.
 * Each meta, block, locator, piece of a filter, and the header has a CRC-32C.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_CODEC_INTERNAL_H
#define LEDGER_CODEC_INTERNAL_H

#include "postgres.h"

#include "compat.h"
#include "codec/codec.h"
#include "lib/stringinfo.h"
#include "port/pg_crc32c.h"

#define LEDGER_CHUNK_MAGIC		0x4C434831	/* "LCH1" */
/*
 * A filter may be read before the trailer that has this is: what is read so is
 * under the version of the segment's format.
 */
#define LEDGER_CHUNK_VERSION	1

/* Stored in the trailer: never renumber. */
typedef enum LedgerEncoding
{
	LEDGER_ENC_NULL = 0,		/* every value is NULL */
	LEDGER_ENC_CONSTANT = 1,	/* one value, kept in the header */
	LEDGER_ENC_INTEGER = 2,		/* by-value types: bit-packed */
	LEDGER_ENC_DICTIONARY = 3,	/* bit-packed codes of distinct values */
	LEDGER_ENC_HEX = 4,			/* a template's hex digits, two a byte */
	LEDGER_ENC_DECIMAL = 5,		/* a template's digits as bit-packed number */
	LEDGER_ENC_LZ4 = 6,			/* lengths, and LZ4 blocks of all the bytes */
	LEDGER_ENC_SHREDDED = 7,	/* jsonb as sub-columns: see shred.h */
	LEDGER_ENC_LINES = 8,		/* templates and variables of log lines */
	LEDGER_ENC_FLOAT = 9,		/* float4, float8: decimal, or differing bits */
	LEDGER_ENC_NUMBER = 10		/* by reference, but a bit-packed number each */
} LedgerEncoding;

#define LEDGER_ENC_LAST			LEDGER_ENC_NUMBER

typedef struct LedgerChunkTrailer
{
	uint32		magic;
	uint16		version;
	uint8		encoding;
	uint8		flags;			/* LEDGER_CHUNK_... */
	uint32		nrows;
	uint32		preamble_length;
	uint32		header_length;	/* without this trailer and "inner" */
	uint32		inner_length;
	pg_crc32c	crc;			/* of the header and the fields above */
} LedgerChunkTrailer;

#define LEDGER_CHUNK_ZONES		1
#define LEDGER_CHUNK_CUT_ZONES	2
#define LEDGER_CHUNK_FILTER		4
#define LEDGER_CHUNK_ZSTD		8	/* compressed blocks are zstd's, not LZ4's */
#define LEDGER_CHUNK_TOKENS		16
#define LEDGER_CHUNK_WORDS		32	/* the tokens are those without digits */
#define LEDGER_CHUNK_FLAGS		63

/* Longest prefix of all texts that zone maps leave out. */
#define LEDGER_ZONE_PREFIX_MAX	64

#define LEDGER_FILTER_WORDS		8	/* of 32 bits, in a filter's block */
#define LEDGER_FILTER_BLOCK		(LEDGER_FILTER_WORDS * sizeof(uint32))
#define LEDGER_FILTER_BITS		10.5	/* a value */
#define LEDGER_FILTER_BLOCKS_MAX	LEDGER_SEGMENT_ROWS

/*
 * A filter is stored, and read, in pieces of so many blocks with a CRC behind each:
 * just less than 2 kB, as memory comes in powers of two.
 */
#define LEDGER_FILTER_PIECE		63
#define LEDGER_FILTER_PIECES(nblocks) \
	(((nblocks) + LEDGER_FILTER_PIECE - 1) / LEDGER_FILTER_PIECE)
#define LEDGER_FILTER_SIZE(nblocks) \
	((uint64) (nblocks) * LEDGER_FILTER_BLOCK + LEDGER_FILTER_PIECES(nblocks) * sizeof(pg_crc32c))

/* What the header has of a vector, but for where it is. */
typedef struct LedgerChunkVector
{
	uint32		meta_length;
	pg_crc32c	crc;			/* of meta */
	uint32		nulls;
} LedgerChunkVector;

/* A sub-column of a segment's column may have more values than that has rows. */
#define LEDGER_CHUNK_ROWS_MAX	(64 * LEDGER_SEGMENT_ROWS)

/* Readable bytes that must follow any bit-packed integers in memory. */
#define LEDGER_SLACK			16

/* Longest constant or template, and longest entry of a dictionary. */
#define LEDGER_CONSTANT_MAX		2048
#define LEDGER_TEMPLATE_MAX		128
#define LEDGER_DICT_ENTRY_MAX	8192

/* The bytes of a value by reference, without header or terminator. */
typedef struct LedgerBytes
{
	const char *data;
	Size		len;
} LedgerBytes;

static inline LedgerBytes
ledger_varlena_bytes(Datum value)
{
	LedgerBytes bytes;

	bytes.data = VARDATA_ANY(DatumGetPointer(value));
	bytes.len = VARSIZE_ANY_EXHDR(DatumGetPointer(value));
	return bytes;
}

static inline LedgerBytes
ledger_datum_bytes(const LedgerColumnType *type, Datum value)
{
	LedgerBytes bytes;

	if (type->attlen == -1)
		return ledger_varlena_bytes(value);
	bytes.data = DatumGetPointer(value);
	bytes.len = type->attlen > 0 ? (Size) type->attlen : strlen(bytes.data);
	return bytes;
}

static inline bool
ledger_bytes_equal(LedgerBytes a, LedgerBytes b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/*
 * The fuzz test builds the codec without checksums, to see that no decoder
 * relies on them.
 */
static inline pg_crc32c
ledger_crc(const void *data, Size len)
{
	pg_crc32c	crc;

#ifdef LEDGER_CODEC_NO_CRC
	return 0;
#endif
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, data, len);
	FIN_CRC32C(crc);
	return crc;
}

/*
 * Numbers of few bytes where they are small: seven bits a byte, low ones
 * first; signed ones so that small negative ones are small, too.
 */
static inline int
ledger_varint_size(uint64 number)
{
	int			size = 1;

	for (; number >= 0x80; number >>= 7)
		size++;
	return size;
}

static inline void
ledger_put_varint(StringInfo out, uint64 number)
{
	for (; number >= 0x80; number >>= 7)
		appendStringInfoCharMacro(out, (char) (number | 0x80));
	appendStringInfoCharMacro(out, (char) number);
}

/* Returns what follows, or NULL if "end" comes before. */
static inline const uint8 *
ledger_get_varint(const uint8 *p, const uint8 *end, uint64 *number)
{
	*number = 0;
	for (int shift = 0; shift < 64; shift += 7)
	{
		if (p == end)
			return NULL;
		*number |= (uint64) (*p & 0x7F) << shift;
		if (*p++ < 0x80)
			return p;
	}
	return NULL;
}

static inline uint64
ledger_zigzag(uint64 number)
{
	return (number << 1) ^ (uint64) ((int64) number >> 63);
}

static inline uint64
ledger_unzigzag(uint64 number)
{
	return (number >> 1) ^ (0 - (number & 1));
}

/*
 * Integers, at most LEDGER_VECTOR_ROWS of them (bitpack.h).
 */
typedef struct LedgerIntegers
{
	int			n;
	int			order;			/* of differences */
	int			width;			/* bits, 0 to 64 */
	uint64		start[2];		/* of the sums, if differences */
	int			next;			/* value after those of the last call, if differences */
	uint64		reached[2];		/* its last value, and what led to that */
	uint64		base;			/* least number, usually */
	uint64		scale;			/* what packed numbers are multiplied with */
	const uint8 *bits;

	int			nexceptions;
	int			high_width;		/* what they have beyond "width" */
	const uint8 *places;
	const uint8 *highs;

	int			nruns;			/* > 0: runs, values in bits */
	const uint8 *lengths;

	int			nsymbols;		/* > 0: entropy code */
	const uint8 *end;			/* of it, or of the runs */
	uint16	  **kept;			/* place for its symbols, or NULL: they are not kept */
	MemoryContext keep_in;
} LedgerIntegers;

extern Size ledger_integers_size(const uint64 *values, int n);
extern void ledger_integers_write(const uint64 *values, int n, StringInfo out);
extern void ledger_numbers_write(const uint64 *values, int n, StringInfo out);
extern const uint8 *ledger_numbers_read(const uint8 *p, const uint8 *end, int n, uint64 *values);
extern const uint8 *ledger_integers_open(LedgerIntegers *ints, int n,
										 const uint8 *p, const uint8 *end);
extern bool ledger_integers_symbols(const LedgerIntegers *ints, uint32 limit, int first, int count,
									uint16 *symbols);
extern void ledger_integers_read(LedgerIntegers *ints, int first, int count,
								 uint64 *values);

/*
 * Templates: values of one length that are alike but for some digits
 * (template.c).
 */
#define LEDGER_TEMPLATE_RUNS	8

typedef struct LedgerTemplate
{
	bool		decimal;		/* all digits are 0-9, and few */
	int			len;			/* of a value */
	int			ndigits;
	int			nruns;			/* where the digits are */
	struct
	{
		uint8		start;
		uint8		len;
	}			runs[LEDGER_TEMPLATE_RUNS];
	char		bytes[LEDGER_TEMPLATE_MAX];
} LedgerTemplate;

#define LEDGER_TEMPLATE_STRIDE(t) (((t)->ndigits + 1) / 2)

extern bool ledger_template_detect(const LedgerColumnInput *input, LedgerTemplate *tmpl);
extern void ledger_template_write(const LedgerTemplate *tmpl, StringInfo out);
extern const uint8 *ledger_template_open(LedgerTemplate *tmpl, const uint8 *p,
										 const uint8 *end);
extern void ledger_template_pack(const LedgerTemplate *tmpl, const char *value,
								 uint8 *packed);
extern void ledger_template_unpack(const LedgerTemplate *tmpl, const uint8 *packed,
								   char *value);
extern uint64 ledger_template_number(const LedgerTemplate *tmpl, const char *value);
extern bool ledger_template_format(const LedgerTemplate *tmpl, uint64 number,
								   char *value);

/*
 * Floats (float.c) and numbers (number.c).
 */
typedef struct LedgerFloats
{
	int			width;			/* 32 or 64 */
	int			way;
	int			digits;
	int			nexceptions;
	LedgerIntegers places;
	const uint8 *exceptions;	/* or differing bits */
	const uint8 *end;			/* of these */
	LedgerIntegers ints;
} LedgerFloats;

extern void ledger_floats_write(int width, const uint64 *patterns, int n, StringInfo out);
extern const uint8 *ledger_floats_open(LedgerFloats *floats, int width, int n,
									   const uint8 *p, const uint8 *end);
extern void ledger_floats_read(LedgerFloats *floats, int first, int count,
							   uint64 *patterns);

#define LEDGER_NUMBER_MAX	64	/* bytes of a value */

typedef struct LedgerNumbering
{
	int			kind;
	int			scale;
	int			len;
	int			prefix_length;
	char		prefix[LEDGER_NUMBER_MAX];
} LedgerNumbering;

extern bool ledger_numbering_detect(const LedgerColumnInput *input, LedgerNumbering *numbering);
extern void ledger_numbering_write(const LedgerNumbering *numbering, StringInfo out);
extern bool ledger_numbering_open(const LedgerColumnType *type, LedgerNumbering *numbering,
								  const uint8 *p, const uint8 *end);
extern bool ledger_number_of(const LedgerNumbering *numbering, LedgerBytes value,
							 uint64 *number);
extern int	ledger_number_format(const LedgerNumbering *numbering, uint64 number, char *dst);

/*
 * References to earlier columns of the row (rowref.c).
 */
#define LEDGER_ROWREF_COLUMNS	8
#define LEDGER_ROWREF_MIN		8	/* shortest and longest value referred to */
#define LEDGER_ROWREF_MAX		255
#define LEDGER_ROWREF_VALUE_MAX	65536	/* longer values are not searched */

typedef struct LedgerRowref
{
	uint8		escape;
	int			ncolumns;
	int			columns[LEDGER_ROWREF_COLUMNS];
} LedgerRowref;

typedef struct LedgerRowrefFinder LedgerRowrefFinder;

extern bool ledger_rowref_learn(const LedgerColumnInput *columns, int self,
								LedgerRowref *rowref);
extern LedgerRowrefFinder *ledger_rowref_finder(const LedgerColumnInput *columns,
												const LedgerRowref *rowref);
extern LedgerBytes ledger_rowref_apply(LedgerRowrefFinder *finder, int row,
									   LedgerBytes value);
extern bool ledger_rowref_check(const LedgerRowrefFinder *finder, int row,
								LedgerBytes stored, LedgerBytes value);
extern int64 ledger_rowref_length(const LedgerRowref *rowref,
								  const LedgerBytes *references, LedgerBytes stored);
extern void ledger_rowref_expand(const LedgerRowref *rowref,
								 const LedgerBytes *references, LedgerBytes stored,
								 char *dst);
extern bool ledger_rowref_matches(const LedgerRowref *rowref,
								  const LedgerBytes *references, LedgerBytes stored,
								  LedgerBytes value);

/* What a value that is stored as it is begins with, after the escape byte. */
#define LEDGER_ROWREF_VERBATIM	0xFF

/*
 * The encoder's state for one chunk (chunk_write.c).
 */
typedef struct LedgerEncoder
{
	const LedgerColumnInput *columns;
	int			self;
	const LedgerColumnInput *input; /* columns[self] */
	LedgerEffort effort;
	LedgerCompression compression;
	bool		no_locator;
	LedgerSink *sink;
	uint64		written;
	LedgerEncoding encoding;
	StringInfoData inner;
	StringInfoData extra;
	StringInfoData meta;		/* of the current vector */

	/* the rows of the current vector that are not NULL */
	int			ndense;
	int			dense[LEDGER_VECTOR_ROWS];

	bool		templated;		/* tmpl is set */
	LedgerTemplate tmpl;
	LedgerNumbering numbering;
	const uint32 *codes;		/* by row: the dictionary's codes */
	const uint32 *entries;		/* by code: a row with the value */
	int			nentries;
	LedgerSummary summary;
	struct LedgerLz4Writer *lz4;
	struct LedgerLinesWriter *lines;
	struct LedgerShredWriter *shred;
} LedgerEncoder;

extern void ledger_encoder_write(LedgerEncoder *enc, const void *data, Size len);

static inline LedgerBytes
ledger_encoder_value(const LedgerEncoder *enc, int row)
{
	return ledger_datum_bytes(&enc->input->type, enc->input->values[row]);
}

/*
 * Dictionaries (dict.c).
 */
typedef struct LedgerDictBuild
{
	int			nentries;
	uint64		total;			/* bytes of the entries */
	uint32	   *rows;			/* by code: a row with the value */
	uint32	   *codes;			/* by row */
	uint64		code_bytes;		/* about the bytes of all packed codes */
} LedgerDictBuild;

extern bool ledger_dict_build(LedgerEncoder *enc, LedgerDictBuild *dict);
extern void ledger_dict_write(LedgerEncoder *enc, const LedgerDictBuild *dict);

typedef struct LedgerDict LedgerDict;

extern LedgerDict *ledger_dict_open(LedgerChunk *chunk, const uint8 *p, const uint8 *end,
									uint64 preamble);
extern void ledger_dict_decode(LedgerChunk *chunk, LedgerIntegers *codes,
							   int first, int count, Datum *values);
extern bool ledger_dict_matches(LedgerChunk *chunk, LedgerIntegers *codes,
								int first, int count, const int *rows,
								const Datum *values);
extern bool ledger_dict_find(LedgerChunk *chunk, const char *data, Size len, uint32 *code);
extern bool ledger_dict_may_be_in(LedgerChunk *chunk, int vector, uint32 code);
extern uint32 ledger_dict_entries(const LedgerDict *dict);
extern void ledger_dict_values(LedgerChunk *chunk, uint32 first, uint32 count, Datum *values);

/*
 * Where entries are, by their hash (locator.c).
 */
#define LEDGER_LOCATOR_WIDTH_MAX	16

extern Size ledger_locator_size(uint32 n, int width);
extern uint8 *ledger_locator_make(const uint64 *hashes, uint32 n, int shift, int width);
extern uint32 ledger_locator_find(const uint8 *bits, uint32 n, int width, uint64 hash);

/*
 * LZ4 (lz4_write.c, lz4_read.c): raw bytes of a block and of the seed, at the most.
 */
#define LEDGER_LZ4_BLOCK_MAX	262144
#define LEDGER_LZ4_SEED_MAX		32768

typedef struct LedgerLz4Block
{
	uint32		length;			/* as stored; equal to raw length: not LZ4 */
	pg_crc32c	crc;			/* of the stored bytes */
} LedgerLz4Block;

typedef struct LedgerLz4Writer LedgerLz4Writer;

extern LedgerLz4Writer *ledger_lz4_begin(LedgerEncoder *enc, const LedgerSummary *summary);
extern uint64 ledger_lz4_estimate(LedgerEncoder *enc, const LedgerSummary *summary);
extern void ledger_lz4_vector(LedgerEncoder *enc);

typedef struct LedgerLz4Reader LedgerLz4Reader;

extern LedgerLz4Reader *ledger_lz4_open(LedgerChunk *chunk, const uint8 *p,
										const uint8 *end, uint64 preamble);
extern const LedgerRowref *ledger_lz4_rowref(const LedgerLz4Reader *lz4);
extern void ledger_lz4_vector_open(LedgerChunk *chunk, const uint8 *p, const uint8 *end,
								   int n, uint64 offset, uint64 length);
extern void ledger_lz4_decode(LedgerChunk *chunk, int first, int count, const int *rows,
							  const bool *wanted, const LedgerDecoded *decoded, Datum *values);
extern bool ledger_lz4_matches(LedgerChunk *chunk, int first, int count, const int *rows,
							   const LedgerDecoded *decoded, const Datum *values);

/*
 * Log lines (lines_write.c, lines_read.c).
 */
typedef struct LedgerLinesWriter LedgerLinesWriter;

extern LedgerLinesWriter *ledger_lines_begin(LedgerEncoder *enc, const LedgerSummary *summary,
											 uint64 *size);
extern void ledger_lines_write(LedgerEncoder *enc);
extern void ledger_lines_vector(LedgerEncoder *enc, int vector);

typedef struct LedgerLinesReader LedgerLinesReader;

extern LedgerLinesReader *ledger_lines_open(LedgerChunk *chunk, const uint8 *p,
											const uint8 *end, uint64 preamble);
extern void ledger_lines_vector_open(LedgerChunk *chunk, int v, const uint8 *p, const uint8 *end,
									 int n);
extern void ledger_lines_decode(LedgerChunk *chunk, int first, int count, Datum *values);
extern bool ledger_lines_matches(LedgerChunk *chunk, int first, int count, const int *rows,
								 const Datum *values);

/* A chunk's filter of values or tokens (filter.c). */
typedef struct LedgerChunkFilter
{
	uint32		nblocks;		/* 0: none */
	uint64		offset;
	uint32	  **pieces;			/* NULL until one is read, as is each */
} LedgerChunkFilter;

/*
 * An open chunk (chunk_read.c).
 */
/* Codes that are kept: of chunks with no more vectors, and this for NULL */
#define LEDGER_KEPT_VECTORS	64
#define LEDGER_KEPT_MAX		(4 * 1024 * 1024)	/* bytes of the chunk's context */
#define LEDGER_KEPT_NULL	PG_UINT16_MAX

/* Which vectors have codes of a group of such as follow each other: a bit each. */
#define LEDGER_CODE_GROUPS	1024

typedef struct LedgerCodeVectors
{
	uint64		known;			/* vectors whose codes have been looked at */
	int			shift;			/* a code without so many bits is its group */
	uint64		having[LEDGER_CODE_GROUPS];
} LedgerCodeVectors;

struct LedgerChunk
{
	LedgerSource source;
	uint64		length;
	bool		loaded;			/* the header; before, filter is the only thing known */
	uint64		body_length;	/* what precedes "inner" */
	uint32		inner_length;
	LedgerColumnType type;
	int			nrows;
	int			nvectors;
	LedgerEncoding encoding;
	bool		zstd;			/* what compressed blocks are of */
	bool		look_up;		/* the rows asked for last are few */
	const bool *by_documents;	/* of a sub-column: its documents' look_up */
	bool		keep_at_once;	/* found out when the vector below was turned to */
	MemoryContext context;
	bool		has_cut_zones;
	const uint8 *stored_zones;	/* NULL: there are none */
	const uint8 *stored_zones_end;
	const uint64 *zones;		/* two a vector, or NULL until they are asked for */
	LedgerBytes zone_prefix;	/* what precedes the cut zones' bytes */
	LedgerChunkFilter filter;
	LedgerChunkFilter tokens;
	bool		token_words;	/* these are tokens without digits */
	const LedgerChunkVector *vectors;
	uint64	   *offsets;		/* of the vectors, and of their end */

	LedgerBytes constant;
	LedgerTemplate *tmpl;		/* of LEDGER_ENC_HEX and LEDGER_ENC_DECIMAL */
	LedgerNumbering *numbering; /* of LEDGER_ENC_NUMBER */
	LedgerDict *dict;
	LedgerLz4Reader *lz4;
	LedgerLinesReader *lines;
	struct LedgerShredReader *shred;
	LedgerCodeVectors *code_vectors;	/* or NULL: codes.c */
	uint16	  **kept_codes;		/* by vector, or NULL: likewise */
	uint64		codes_asked;	/* vectors whose codes were asked for: a bit each */
	uint16	  **kept_symbols;	/* likewise, of entropy codes: chunk_read.c */
	uint64		symbols_asked[2];	/* vectors whose symbols were once, and twice */

	/* the vector read last */
	int			vector;			/* -1 if none */
	uint8	   *meta;
	Size		meta_size;		/* allocated */
	const uint8 *notnull;		/* bitmap, or NULL */
	const uint8 *packed;		/* LEDGER_ENC_HEX */
	LedgerIntegers ints;		/* values, codes, or numbers; n is always set */
	LedgerFloats *floats;		/* LEDGER_ENC_FLOAT */
};

static inline void
ledger_unsupported(const LedgerChunk *chunk, const char *detail)
{
	if (chunk->source.unsupported)
		chunk->source.unsupported(chunk->source.arg, detail);
	chunk->source.corrupt(chunk->source.arg, detail);
	pg_unreachable();
}

static inline void
ledger_corrupt(const LedgerChunk *chunk, const char *detail)
{
	chunk->source.corrupt(chunk->source.arg, detail);
	pg_unreachable();
}

/*
 * Who asks for no more rows of a vector at a time looks them up; others scan.  Of a
 * sub-column, even a scan takes few values at a time if few documents have some; so
 * there the documents are counted.
 */
#define LEDGER_LOOK_UP_ROWS		(LEDGER_VECTOR_ROWS / 8)

extern const uint64 *ledger_chunk_zones(LedgerChunk *chunk);
extern void ledger_constant_value(LedgerChunk *chunk, Datum *value);
extern bool ledger_chunk_may_keep(const LedgerChunk *chunk, uint64 *asked, int v, bool at_once);
extern int	ledger_chunk_select(LedgerChunk *chunk, int first, int count, int *rows,
								int *dense);

/*
 * Room for decoded values, in CurrentMemoryContext: a few large allocations
 * instead of one a value.
 */
typedef struct LedgerArena
{
	char	   *next;
	Size		left;
} LedgerArena;

/* The largest that a memory context takes from its blocks. */
#define LEDGER_ARENA_PIECE		8192

extern char *ledger_arena_more(LedgerArena *arena, Size size, Size hint);

static inline Size
ledger_value_size(const LedgerColumnType *type, Size len)
{
	if (type->attlen == -1)
		len += VARHDRSZ;
	else if (type->attlen == -2)
		len += 1;
	return MAXALIGN(len);
}

/*
 * Make room for a value of len bytes, with header or terminator set; returns
 * where the bytes go.  "hint" is how much will be asked for in all, if known.
 */
static inline char *
ledger_arena_value(LedgerArena *arena, const LedgerColumnType *type, Size len,
				   Size hint, Datum *value)
{
	Size		size = ledger_value_size(type, len);
	char	   *p;

	if (size > arena->left)
		p = ledger_arena_more(arena, size, hint);
	else
		p = arena->next;
	arena->next = p + size;
	arena->left -= size;
	*value = PointerGetDatum(p);
	if (type->attlen == -1)
	{
		SET_VARSIZE(p, len + VARHDRSZ);
		return p + VARHDRSZ;
	}
	if (type->attlen == -2)
		p[len] = '\0';
	return p;
}

/* Compressors (compress.c). */
extern int	ledger_compress(const LedgerEncoder *enc, int hc_level, const char *raw,
							int raw_length, char *room);
extern void ledger_write_stored(LedgerEncoder *enc, int hc_level, const char *raw,
								int raw_length, char *room);
extern int	ledger_zstd_compress(LedgerEffort effort, const char *raw, int raw_length,
								 char *room, int size, const char *dict, int dict_length);
extern bool ledger_ratio_good(const LedgerChunk *chunk, uint64 stored, uint64 raw);
extern bool ledger_decompress(const LedgerChunk *chunk, const char *stored, int length,
							  char *raw, int raw_length, const char *dict, int dict_length);

/* Bytes of a chunk that are compressed, or, if that makes them no fewer, are not. */
typedef struct LedgerStored
{
	uint64		offset;
	uint32		length;
	uint32		raw_length;
	pg_crc32c	crc;			/* of what is stored */
	const char *what;			/* for errors */
} LedgerStored;

extern void ledger_read_stored(LedgerChunk *chunk, const LedgerStored *stored, void *raw,
							   const char *dict, int dict_length);

/* Zone maps (zonemap.c). */
extern void ledger_cut_zones_make(const LedgerEncoder *enc, LedgerBytes *prefix,
								  uint64 *zones);
extern bool ledger_zones_answer(const LedgerColumnType *type, const uint64 *zones, int nvectors);

/* Filters (filter.c). */
extern uint32 ledger_filter_make(LedgerEncoder *enc, const LedgerSummary *summary,
								 bool answered, uint32 **filter);
extern uint64 ledger_hash_bytes(const char *data, Size len, uint64 seed);
extern uint32 ledger_filter_blocks(uint32 n);
extern void ledger_filter_add(uint32 *filter, uint32 nblocks, uint64 hash);
extern bool ledger_filter_has(LedgerChunk *chunk, LedgerChunkFilter *filter, uint64 hash);

/* Filters of tokens (tokens.c). */
extern uint32 ledger_token_filter_make(const LedgerEncoder *enc, uint64 stored,
									   uint32 **filter, bool *words);

#endif							/* LEDGER_CODEC_INTERNAL_H */
