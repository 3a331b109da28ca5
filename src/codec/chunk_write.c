/*-------------------------------------------------------------------------
 *
 * chunk_write.c
 *	  Encode a column: choose how, write vector after vector, then the header.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "codec/codec_internal.h"
#include "codec/shred.h"
#include "miscadmin.h"

/* Bytes a value from which on a decimal number needs no dictionary. */
#define DECIMAL_GOOD		3

/* A column of so few bytes is not looked at for log lines. */
#define LINES_BYTES_MIN		1024

/* Nor is one that a dictionary makes this much smaller. */
#define LINES_GOOD			24

/* Nor one of no more distinct values: their codes are as small as templates'. */
#define LINES_ENTRIES_FEW	64

/* They must save this part, as it takes longer to decode them. */
#define LINES_GAIN			12

void
ledger_encoder_write(LedgerEncoder *enc, const void *data, Size len)
{
	if (len == 0)
		return;
	enc->sink->write(enc->sink->arg, data, len);
	enc->written += len;
}

static bool
same_value(const LedgerColumnType *type, Datum a, LedgerBytes b)
{
	LedgerBytes bytes = ledger_datum_bytes(type, a);

	return bytes.len == b.len && memcmp(bytes.data, b.data, b.len) == 0;
}

void
ledger_summary_add(LedgerSummary *summary, const LedgerColumnType *type,
				   const Datum *values, int row)
{
	LedgerBytes bytes;

	if (summary->nvalues++ == 0)
		summary->first = row;
	if (type->attbyval)
		return;
	bytes = ledger_datum_bytes(type, values[row]);
	summary->total += bytes.len;
	summary->with_headers += bytes.len;
	if (type->attlen == -1)
		summary->with_headers += bytes.len + VARHDRSZ_SHORT <= VARATT_SHORT_MAX ? VARHDRSZ_SHORT : VARHDRSZ;
	summary->longest = Max(summary->longest, bytes.len);
	if (summary->constant)
		summary->constant = same_value(type, values[summary->first], bytes);
}

void
ledger_summarize(const LedgerColumnInput *input, LedgerSummary *summary)
{
	memset(summary, 0, sizeof(*summary));
	summary->constant = true;
	for (int row = 0; row < input->nrows; row++)
	{
		if (!input->isnull[row])
			ledger_summary_add(summary, &input->type, input->values, row);
	}
}

/* Collect the rows of a vector that are not NULL; returns how many are NULL. */
static int
collect_dense(LedgerEncoder *enc, int start, int end)
{
	enc->ndense = 0;
	for (int row = start; row < end; row++)
	{
		if (!enc->input->isnull[row])
			enc->dense[enc->ndense++] = row;
	}
	return end - start - enc->ndense;
}

static uint64
integer_at(const LedgerColumnInput *input, int row)
{
	Datum		value = input->values[row];

	switch (input->type.attlen)
	{
		case 1:
			return (uint64) (int64) (int8) value;
		case 2:
			return (uint64) (int64) (int16) value;
		case 4:
			return (uint64) (int64) (int32) value;
		default:
			return (uint64) value;
	}
}

static bool
is_float(const LedgerColumnType *type)
{
	return type->attbyval && (type->typid == FLOAT4OID || type->typid == FLOAT8OID);
}

static uint64
float_pattern(const LedgerColumnInput *input, int row)
{
	return input->type.attlen == 4 ? (uint64) (uint32) input->values[row] :
		(uint64) input->values[row];
}

/* Append the current vector's numbers, whatever they stand for. */
static void
write_numbers(LedgerEncoder *enc)
{
	uint64		numbers[LEDGER_VECTOR_ROWS];

	for (int i = 0; i < enc->ndense; i++)
	{
		int			row = enc->dense[i];

		if (enc->encoding == LEDGER_ENC_INTEGER)
			numbers[i] = integer_at(enc->input, row);
		else if (enc->encoding == LEDGER_ENC_FLOAT)
			numbers[i] = float_pattern(enc->input, row);
		else if (enc->encoding == LEDGER_ENC_DICTIONARY)
			numbers[i] = enc->codes[row];
		else if (enc->encoding == LEDGER_ENC_NUMBER)
			(void) ledger_number_of(&enc->numbering, ledger_encoder_value(enc, row), &numbers[i]);
		else
			numbers[i] = ledger_template_number(&enc->tmpl, ledger_encoder_value(enc, row).data);
	}
	if (enc->encoding == LEDGER_ENC_FLOAT)
		ledger_floats_write(8 * enc->input->type.attlen, numbers, enc->ndense, &enc->meta);
	else
		ledger_integers_write(numbers, enc->ndense, &enc->meta);
}

static void
write_hex(LedgerEncoder *enc)
{
	int			stride = LEDGER_TEMPLATE_STRIDE(&enc->tmpl);

	enlargeStringInfo(&enc->meta, enc->ndense * stride);
	for (int i = 0; i < enc->ndense; i++)
	{
		ledger_template_pack(&enc->tmpl, ledger_encoder_value(enc, enc->dense[i]).data,
							 (uint8 *) enc->meta.data + enc->meta.len);
		enc->meta.len += stride;
	}
}

/* Bytes that the column would take as numbers. */
static uint64
measure_numbers(LedgerEncoder *enc, LedgerEncoding encoding)
{
	uint64		size = 0;

	enc->encoding = encoding;
	for (int start = 0; start < enc->input->nrows; start += LEDGER_VECTOR_ROWS)
	{
		collect_dense(enc, start, Min(start + LEDGER_VECTOR_ROWS, enc->input->nrows));
		resetStringInfo(&enc->meta);
		write_numbers(enc);
		size += enc->meta.len;
	}
	return size;
}

/* Is the column smaller as log lines than what was best so far? */
static LedgerEncoding
choose_lines(LedgerEncoder *enc, const LedgerSummary *summary, LedgerEncoding best,
			 uint64 best_size)
{
	uint64		size;

	if (enc->templated || best == LEDGER_ENC_NUMBER ||
		best_size < Max(summary->total / LINES_GOOD, LINES_BYTES_MIN))
		return best;
	enc->lines = ledger_lines_begin(enc, summary, &size);
	if (enc->lines == NULL)
		return best;
	if (best == LEDGER_ENC_LZ4 && best_size == PG_UINT64_MAX)
		best_size = ledger_lz4_estimate(enc, summary);
	return size + size / LINES_GAIN < best_size ? LEDGER_ENC_LINES : best;
}

/*
 * Choose between what values by reference can become, by size.
 */
static LedgerEncoding
choose_by_reference(LedgerEncoder *enc, const LedgerSummary *summary, LedgerDictBuild *dict)
{
	LedgerEncoding best = LEDGER_ENC_LZ4;
	uint64		best_size = PG_UINT64_MAX;
	uint64		dict_size;

	if (summary->constant && summary->longest <= LEDGER_CONSTANT_MAX)
		return LEDGER_ENC_CONSTANT;
	if (ledger_shred_begin(enc, summary))
		return LEDGER_ENC_SHREDDED;
	enc->templated = ledger_template_detect(enc->input, &enc->tmpl);
	if (enc->templated)
	{
		best = enc->tmpl.decimal ? LEDGER_ENC_DECIMAL : LEDGER_ENC_HEX;
		if (enc->tmpl.decimal)
			best_size = measure_numbers(enc, LEDGER_ENC_DECIMAL);
		else
			best_size = (uint64) summary->nvalues * LEDGER_TEMPLATE_STRIDE(&enc->tmpl);
		if (best_size <= (uint64) summary->nvalues * DECIMAL_GOOD)
			return best;
	}
	else if (ledger_numbering_detect(enc->input, &enc->numbering))
	{
		best = LEDGER_ENC_NUMBER;
		best_size = measure_numbers(enc, LEDGER_ENC_NUMBER);
	}
	if (summary->longest > LEDGER_DICT_ENTRY_MAX || !ledger_dict_build(enc, dict))
		return choose_lines(enc, summary, best, best_size);
	dict_size = dict->code_bytes;
	if (enc->templated)
		dict_size += (uint64) dict->nentries * LEDGER_TEMPLATE_STRIDE(&enc->tmpl);
	else
	{
		/* LZ4 makes entries smaller; sampling them is not worth the while */
		dict_size += dict->total * 3 / 4;
		if (best == LEDGER_ENC_LZ4 && dict_size > summary->total / 8)
			best_size = ledger_lz4_estimate(enc, summary);
	}
	if (dict_size < best_size)
	{
		best = LEDGER_ENC_DICTIONARY;
		best_size = dict_size;
		if (dict->nentries <= LINES_ENTRIES_FEW)
			return best;
	}
	return choose_lines(enc, summary, best, best_size);
}

/* Choose the encoding, and write the preamble and the "extra" that it has. */
static void
begin_chunk(LedgerEncoder *enc)
{
	LedgerSummary summary;
	LedgerDictBuild dict;

	if (enc->input->summary)
		summary = *enc->input->summary;
	else
		ledger_summarize(enc->input, &summary);
	enc->summary = summary;
	if (summary.nvalues == 0)
		enc->encoding = LEDGER_ENC_NULL;
	else if (is_float(&enc->input->type))
		enc->encoding = LEDGER_ENC_FLOAT;
	else if (enc->input->type.attbyval)
		enc->encoding = LEDGER_ENC_INTEGER;
	else
		enc->encoding = choose_by_reference(enc, &summary, &dict);

	switch (enc->encoding)
	{
		case LEDGER_ENC_NULL:
		case LEDGER_ENC_INTEGER:
		case LEDGER_ENC_FLOAT:
			break;
		case LEDGER_ENC_NUMBER:
			ledger_numbering_write(&enc->numbering, &enc->extra);
			break;
		case LEDGER_ENC_CONSTANT:
			{
				LedgerBytes value = ledger_encoder_value(enc, summary.first);

				appendBinaryStringInfo(&enc->extra, value.data, value.len);
				break;
			}
		case LEDGER_ENC_DICTIONARY:
			ledger_dict_write(enc, &dict);
			enc->codes = dict.codes;
			enc->entries = dict.rows;
			enc->nentries = dict.nentries;
			break;
		case LEDGER_ENC_HEX:
		case LEDGER_ENC_DECIMAL:
			ledger_template_write(&enc->tmpl, &enc->extra);
			break;
		case LEDGER_ENC_LZ4:
			enc->lz4 = ledger_lz4_begin(enc, &summary);
			break;
		case LEDGER_ENC_LINES:
			ledger_lines_write(enc);
			break;
		case LEDGER_ENC_SHREDDED:
			/* done while choosing */
			break;
	}
}

static void
write_null_bitmap(LedgerEncoder *enc, int start, int end)
{
	int			nbytes = (end - start + 7) / 8;
	uint8	   *bits;

	enlargeStringInfo(&enc->meta, nbytes);
	bits = (uint8 *) enc->meta.data + enc->meta.len;
	memset(bits, 0, nbytes);
	for (int i = 0; i < enc->ndense; i++)
	{
		int			bit = enc->dense[i] - start;

		bits[bit >> 3] |= 1 << (bit & 7);
	}
	enc->meta.len += nbytes;
}

/* What becomes of a vector: what the reader knows of it, and its LZ4 blocks. */
typedef struct WrittenVector
{
	LedgerChunkVector vector;
	uint64		blocks_length;
} WrittenVector;

/* Write rows start to end - 1. */
static void
write_vector(LedgerEncoder *enc, int start, int end, WrittenVector *entry, uint64 *zone)
{
	uint64		offset = enc->written;

	memset(entry, 0, sizeof(*entry));
	entry->vector.nulls = collect_dense(enc, start, end);
	resetStringInfo(&enc->meta);
	if (entry->vector.nulls > 0 && enc->ndense > 0)
		write_null_bitmap(enc, start, end);
	if (zone)
		ledger_zone_make(enc->input, enc->dense, enc->ndense, zone);
	if (enc->ndense > 0)
	{
		switch (enc->encoding)
		{
			case LEDGER_ENC_NULL:
			case LEDGER_ENC_CONSTANT:
				break;
			case LEDGER_ENC_INTEGER:
			case LEDGER_ENC_DICTIONARY:
			case LEDGER_ENC_DECIMAL:
			case LEDGER_ENC_FLOAT:
			case LEDGER_ENC_NUMBER:
				write_numbers(enc);
				break;
			case LEDGER_ENC_HEX:
				write_hex(enc);
				break;
			case LEDGER_ENC_LZ4:
				ledger_lz4_vector(enc);
				break;
			case LEDGER_ENC_LINES:
				ledger_lines_vector(enc, start / LEDGER_VECTOR_ROWS);
				break;
			case LEDGER_ENC_SHREDDED:
				ledger_shred_vector(enc);
				break;
		}
	}
	entry->blocks_length = enc->written - offset;
	ledger_encoder_write(enc, enc->meta.data, enc->meta.len);
	entry->vector.meta_length = enc->meta.len;
	entry->vector.crc = ledger_crc(enc->meta.data, enc->meta.len);
}

/* Write a filter's blocks, piece by piece, so that who asks reads one piece. */
static void
write_blocks(LedgerEncoder *enc, uint32 *filter, uint32 nblocks)
{
	for (uint32 first = 0; first < nblocks; first += LEDGER_FILTER_PIECE)
	{
		Size		size = Min(nblocks - first, LEDGER_FILTER_PIECE) * LEDGER_FILTER_BLOCK;
		const uint32 *piece = filter + first * LEDGER_FILTER_WORDS;
		pg_crc32c	crc = ledger_crc(piece, size);

		ledger_encoder_write(enc, piece, size);
		ledger_encoder_write(enc, &crc, sizeof(crc));
	}
	pfree(filter);
}

/* Write the filter, if there is to be one; returns its number of blocks, or 0. */
static uint32
write_filter(LedgerEncoder *enc, const uint64 *zones, int nvectors)
{
	uint32	   *filter = NULL;
	bool		answered = zones != NULL && ledger_zones_answer(&enc->input->type, zones, nvectors);
	uint32		nblocks = ledger_filter_make(enc, &enc->summary, answered, &filter);

	if (nblocks > 0)
		write_blocks(enc, filter, nblocks);
	return nblocks;
}

/* The same of tokens. */
static uint32
write_tokens(LedgerEncoder *enc, bool *words)
{
	uint32	   *filter = NULL;
	uint32		nblocks = ledger_token_filter_make(enc, enc->written, &filter, words);

	if (nblocks > 0)
		write_blocks(enc, filter, nblocks);
	return nblocks;
}

/* What the header has of the vectors. */
static void
put_vectors(StringInfo header, LedgerEncoding encoding, const WrittenVector *vectors, int nvectors)
{
	uint64	   *numbers = palloc(sizeof(uint64) * (nvectors + 1));

	for (int v = 0; v < nvectors; v++)
		numbers[v] = vectors[v].vector.nulls;
	ledger_numbers_write(numbers, nvectors, header);
	for (int v = 0; v < nvectors; v++)
		numbers[v] = vectors[v].vector.meta_length;
	ledger_numbers_write(numbers, nvectors, header);
	if (encoding == LEDGER_ENC_LZ4)
	{
		for (int v = 0; v < nvectors; v++)
			numbers[v] = vectors[v].blocks_length;
		ledger_numbers_write(numbers, nvectors, header);
	}
	for (int v = 0; v < nvectors; v++)
		appendBinaryStringInfo(header, (const char *) &vectors[v].vector.crc, sizeof(pg_crc32c));
	pfree(numbers);
}

static void
put_uint32(StringInfo header, uint32 number)
{
	appendBinaryStringInfo(header, (const char *) &number, sizeof(number));
}

/* The zone maps: two numbers a vector; "prefix" if they are of cut values. */
static void
put_zones(StringInfo header, const LedgerBytes *prefix, const uint64 *zones, int nvectors)
{
	uint64	   *numbers = palloc(sizeof(uint64) * (nvectors + 1));
	StringInfoData bytes;

	initStringInfo(&bytes);
	if (prefix)
	{
		put_uint32(&bytes, (uint32) prefix->len);
		appendBinaryStringInfo(&bytes, prefix->data, prefix->len);
	}
	for (int v = 0; v < nvectors; v++)
		numbers[v] = zones[2 * v];
	ledger_numbers_write(numbers, nvectors, &bytes);
	for (int v = 0; v < nvectors; v++)
		numbers[v] = zones[2 * v + 1] - zones[2 * v];
	ledger_numbers_write(numbers, nvectors, &bytes);
	put_uint32(header, bytes.len);
	appendBinaryStringInfo(header, bytes.data, bytes.len);
	pfree(numbers);
	pfree(bytes.data);
}

/* Write the sub-columns' headers, and the chunk's own, where they belong. */
static void
finish_chunk(LedgerEncoder *enc, LedgerChunkTrailer *trailer, StringInfo header)
{
	StringInfo	other = enc->sink->header;

	trailer->header_length = header->len;
	trailer->inner_length = enc->inner.len;
	trailer->crc = 0;
	appendBinaryStringInfo(header, (const char *) trailer, offsetof(LedgerChunkTrailer, crc));
	trailer->crc = ledger_crc(header->data, header->len);
	put_uint32(header, trailer->crc);
	if (other == NULL)
	{
		ledger_encoder_write(enc, enc->inner.data, enc->inner.len);
		ledger_encoder_write(enc, header->data, header->len);
		return;
	}
	appendBinaryStringInfo(other, enc->inner.data, enc->inner.len);
	appendBinaryStringInfo(other, header->data, header->len);
	enc->written += enc->inner.len + header->len;
}

static void
write_header(LedgerEncoder *enc, uint64 preamble, const uint64 *zones,
			 const WrittenVector *vectors, int nvectors)
{
	LedgerChunkTrailer trailer;
	StringInfoData header;
	LedgerBytes prefix;
	bool		has_cut_zones = zones == NULL && ledger_cut_zone_type(&enc->input->type) &&
		enc->encoding != LEDGER_ENC_NULL && enc->encoding != LEDGER_ENC_CONSTANT;
	uint32		filter_blocks;
	uint32		token_blocks;
	bool		words;

	memset(&trailer, 0, sizeof(trailer));
	if (has_cut_zones)
	{
		uint64	   *cut_zones = palloc0(sizeof(uint64) * 2 * (nvectors + 1));

		ledger_cut_zones_make(enc, &prefix, cut_zones);
		zones = cut_zones;
		trailer.flags = LEDGER_CHUNK_CUT_ZONES;
	}
	else if (zones)
		trailer.flags = LEDGER_CHUNK_ZONES;
	filter_blocks = write_filter(enc, zones, nvectors);
	token_blocks = write_tokens(enc, &words);

	initStringInfo(&header);
	put_vectors(&header, enc->encoding, vectors, nvectors);
	if (token_blocks > 0)
	{
		trailer.flags |= LEDGER_CHUNK_TOKENS | (words ? LEDGER_CHUNK_WORDS : 0);
		put_uint32(&header, token_blocks);
	}
	if (filter_blocks > 0)
	{
		trailer.flags |= LEDGER_CHUNK_FILTER;
		put_uint32(&header, filter_blocks);
	}
	if (zones)
		put_zones(&header, has_cut_zones ? &prefix : NULL, zones, nvectors);
	appendBinaryStringInfo(&header, enc->extra.data, enc->extra.len);

	if (enc->compression == LEDGER_COMPRESSION_ZSTD &&
		(enc->encoding == LEDGER_ENC_DICTIONARY || enc->encoding == LEDGER_ENC_LZ4 ||
		 enc->encoding == LEDGER_ENC_LINES || enc->encoding == LEDGER_ENC_SHREDDED))
		trailer.flags |= LEDGER_CHUNK_ZSTD;
	trailer.magic = LEDGER_CHUNK_MAGIC;
	trailer.version = LEDGER_CHUNK_VERSION;
	trailer.encoding = enc->encoding;
	trailer.nrows = enc->input->nrows;
	trailer.preamble_length = preamble;
	finish_chunk(enc, &trailer, &header);
}

uint64
ledger_chunk_encode(const LedgerColumnInput *columns, int self, LedgerEffort effort,
					LedgerSink *sink)
{
	LedgerEncodeOptions options = {effort, LEDGER_COMPRESSION_LZ4};

	return ledger_chunk_encode_with(columns, self, &options, sink);
}

uint64
ledger_chunk_encode_with(const LedgerColumnInput *columns, int self,
						 const LedgerEncodeOptions *options, LedgerSink *sink)
{
	LedgerEncoder *enc = palloc0(sizeof(LedgerEncoder));
	int			nrows = columns[self].nrows;
	int			nvectors = LEDGER_VECTORS_OF(nrows);
	WrittenVector *vectors = palloc0(sizeof(WrittenVector) * (nvectors + 1));
	uint64	   *zones = NULL;
	uint64		preamble;

	Assert(nrows >= 0 && nrows <= LEDGER_CHUNK_ROWS_MAX);
	enc->columns = columns;
	enc->self = self;
	enc->input = &columns[self];
	enc->effort = options->effort;
	enc->compression = options->compression;
	enc->no_locator = options->no_locator;
	if (enc->compression == LEDGER_COMPRESSION_ZSTD && !ledger_has_zstd())
		enc->compression = LEDGER_COMPRESSION_LZ4;
	enc->sink = sink;
	initStringInfo(&enc->inner);
	initStringInfo(&enc->extra);
	initStringInfo(&enc->meta);
	if (ledger_zone_type(&enc->input->type))
		zones = palloc0(sizeof(uint64) * 2 * (nvectors + 1));

	begin_chunk(enc);
	preamble = enc->written;
	for (int v = 0; v < nvectors; v++)
	{
		int			start = v * LEDGER_VECTOR_ROWS;

		CHECK_FOR_INTERRUPTS();
		write_vector(enc, start, Min(start + LEDGER_VECTOR_ROWS, nrows), &vectors[v],
					 zones ? zones + 2 * v : NULL);
	}
	write_header(enc, preamble, zones, vectors, nvectors);
	return enc->written;
}
