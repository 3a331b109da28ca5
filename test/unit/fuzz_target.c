/*
 * fuzz_target.c
 *	  For libFuzzer, built without checksums: whatever the bytes of a chunk
 *	  are, decoding gives values or an error.  See "make fuzz".
 *
 * An input is the number of a type (1 byte), the number of rows (2), and a
 * chunk; or PACKED_ROWS (1), the length of a dictionary (2), its bytes, and the
 * rows of a chain, each after its length (2).  With SEEDS defined, it is a program
 * that writes such inputs, of real chunks and rows, to a directory.
 */
#include "codec/rowpack.h"
#include "reads.h"

#define ROWS_MAX	3000
#define PACKED_ROWS	0xFF

#ifdef SEEDS

static void
write_seed(const char *directory, int type, int pattern, const LedgerColumnInput *columns, int self,
		   const LedgerEncodeOptions *options)
{
	ShimBuffer	buffer = {0};
	LedgerSink	sink = shim_sink(&buffer);
	uint8		head[3] = {type, columns[self].nrows & 255, columns[self].nrows >> 8};
	char		path[1024];
	FILE	   *file;

	ledger_chunk_encode_with(columns, self, options, &sink);
	shim_free_all();
	snprintf(path, sizeof(path), "%s/%d-%d-%d-%d-%d-%d", directory, type, pattern, self,
			 columns[self].nrows, options->effort, options->compression);
	file = fopen(path, "w");
	if (file == NULL || fwrite(head, 1, 3, file) != 3 ||
		fwrite(buffer.data, 1, buffer.len, file) != buffer.len || fclose(file) != 0)
	{
		perror(path);
		exit(2);
	}
	free(buffer.data);
}

/*
 * Shredded documents, to be read as numerics: what the decoder asks of a type is
 * that it has a header, and is not text.
 */
static void
write_documents(const char *directory, int nrows)
{
	int			type = 0;

	while (strcmp(column_type_name(type), "numeric") != 0)
		type++;
	for (int pattern = 0; pattern < column_njson(); pattern++)
	{
		LedgerEncodeOptions options = {RANDOM_BELOW(2), LEDGER_COMPRESSION_LZ4};
		Column		columns[2];
		LedgerColumnInput inputs[2];

		column_make(&columns[0], 9, 3, RANDOM_BELOW(2), Max(nrows, 40));
		column_make_json(&columns[1], pattern, columns, 1, Max(nrows, 40));
		inputs[0] = columns[0].input;
		inputs[1] = columns[1].input;
		write_seed(directory, type, 100 + pattern, inputs, 1, &options);
		column_free(&columns[0]);
		column_free(&columns[1]);
	}
}

static void
put_length(FILE *file, int length)
{
	fputc(length & 255, file);
	fputc(length >> 8, file);
}

/* A chain of rows that are like each other and like the dictionary. */
static void
write_rows(const char *directory, int dictionary_length)
{
	static const char pattern[] = "{\"trace_id\":\"tr-309d57ed44e32dbdc910c2013f98e0ee\",\"level\":\"info\"}";
	LedgerRowDictionary *dictionary = palloc0(sizeof(LedgerRowDictionary));
	LedgerRowPacker *packer = ledger_rowpacker_create();
	char		path[1024];
	FILE	   *file;

	dictionary->number = 1;
	dictionary->length = dictionary_length;
	for (int i = 0; i < dictionary_length; i++)
		dictionary->bytes[i] = pattern[i % (sizeof(pattern) - 1)];
	snprintf(path, sizeof(path), "%s/rows-%d", directory, dictionary_length);
	file = fopen(path, "w");
	if (file == NULL)
	{
		perror(path);
		exit(2);
	}
	fputc(PACKED_ROWS, file);
	put_length(file, dictionary_length);
	fwrite(dictionary->bytes, 1, dictionary_length, file);
	ledger_rowpacker_begin(packer, dictionary);
	for (int row = 0; row < 8; row++)
	{
		char		bytes[400];
		char		packed[400];
		int			length = 100 + RANDOM_BELOW(300);

		for (int i = 0; i < length; i++)
			bytes[i] = RANDOM_BELOW(20) ? pattern[i % (sizeof(pattern) - 1)] : (char) shim_random();
		length = ledger_rowpacker_add(packer, bytes, length, packed, sizeof(packed));
		if (length == 0)
			break;
		put_length(file, length);
		fwrite(packed, 1, length, file);
	}
	if (fclose(file) != 0)
	{
		perror(path);
		exit(2);
	}
	shim_free_all();
}

int
main(int argc, char **argv)
{
	static const int sizes[] = {20, 1300};

	shim_seed(7);
	for (int s = 0; s < (int) lengthof(sizes); s++)
	{
		for (int type = 0; type < column_ntypes(); type++)
		{
			for (int pattern = 0; pattern < column_npatterns(type); pattern++)
			{
				LedgerEncodeOptions options = {RANDOM_BELOW(2), LEDGER_COMPRESSION_LZ4};
				Column		columns[2];
				LedgerColumnInput inputs[2];

				/* too long to be good seeds */
				if (pattern == 9 || pattern == 12)
					continue;
				if (RANDOM_BELOW(6) == 0)
					options.compression = LEDGER_COMPRESSION_ZSTD;
				column_make(&columns[0], type, pattern, RANDOM_BELOW(2), sizes[s]);
				write_seed(argv[1], type, pattern, &columns[0].input, 0, &options);
				if (columns[0].input.type.attlen == -1)
				{
					column_make_entry(&columns[1], columns, 1, sizes[s], false);
					inputs[0] = columns[0].input;
					inputs[1] = columns[1].input;
					inputs[1].type = inputs[0].type;
					write_seed(argv[1], type, pattern, inputs, 1, &options);
					column_free(&columns[1]);
				}
				column_free(&columns[0]);
			}
		}
		write_documents(argv[1], sizes[s]);
	}
	write_rows(argv[1], 0);
	write_rows(argv[1], 3000);
	return 0;
}

#else

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

/* What chunks may refer to: the same for every row. */
static void
make_references(LedgerDecoded *decoded)
{
	static struct
	{
		int32		header;
		char		bytes[20];
	}			value;
	static Datum values[LEDGER_VECTOR_ROWS];
	static bool isnull[LEDGER_VECTOR_ROWS];

	SET_VARSIZE(&value, sizeof(value));
	memcpy(value.bytes, "reference-0123456789", 20);
	for (int i = 0; i < LEDGER_VECTOR_ROWS; i++)
		values[i] = PointerGetDatum(&value);
	for (int k = 0; k < LEDGER_ROWREF_COLUMNS; k++)
	{
		decoded[k].values = values;
		decoded[k].isnull = isnull;
	}
}

static void
decode(LedgerChunk *chunk, const LedgerColumnType *type, int nrows)
{
	static Datum values[LEDGER_VECTOR_ROWS];
	static bool isnull[LEDGER_VECTOR_ROWS];
	static bool wanted[LEDGER_VECTOR_ROWS];
	LedgerDecoded decoded[LEDGER_ROWREF_COLUMNS];
	volatile uint8 sum = 0;

	make_references(decoded);
	(void) ledger_chunk_encoding(chunk);
	(void) ledger_chunk_may_contain(chunk, UINT64CONST(0x0123456789ABCDEF));
	for (int first = 0; first < nrows; first += LEDGER_VECTOR_ROWS)
	{
		int			count = Min(LEDGER_VECTOR_ROWS, nrows - first);
		int			one = first + count / 2;
		LedgerZone	zone;
		LedgerCutZone cut_zone;

		ledger_chunk_zone(chunk, first / LEDGER_VECTOR_ROWS, &zone);
		ledger_chunk_cut_zone(chunk, first / LEDGER_VECTOR_ROWS, &cut_zone);
		ledger_chunk_decode(chunk, one, 1, decoded, values, isnull);
		for (int i = 0; i < count; i++)
			wanted[i] = i % 7 == 3;
		ledger_chunk_decode_some(chunk, first, count, wanted, decoded, values, isnull);
		ledger_chunk_decode(chunk, first, count, decoded, values, isnull);
		for (int i = 0; i < count; i++)
		{
			LedgerBytes bytes;

			if (isnull[i] || type->attbyval)
				continue;
			bytes = ledger_datum_bytes(type, values[i]);
			for (Size b = 0; b < bytes.len; b += 16)
				sum += bytes.data[b];
		}
		(void) ledger_chunk_matches(chunk, first, count, decoded, values, isnull);
		reads_exercise(chunk, first, count, decoded);
	}
}

/* Unpack a chain, as long as it can be. */
static void
unpack_rows(const uint8 *p, const uint8 *end)
{
	LedgerRowDictionary *dictionary = palloc0(sizeof(LedgerRowDictionary));
	LedgerRowUnpacker *unpacker = ledger_rowunpacker_create();
	int			room = LEDGER_ROWPACK_ROW_MAX;
	int			n = 0;

	dictionary->number = 1;
	dictionary->length = Min(Min(p[0] | p[1] << 8, end - p - 2), LEDGER_ROWPACK_DICTIONARY_MAX);
	memcpy(dictionary->bytes, p + 2, dictionary->length);
	p += 2 + dictionary->length;
	ledger_rowunpacker_begin(unpacker, dictionary);
	while (end - p > 2 && n >= 0)
	{
		int			length = Min(p[0] | p[1] << 8, end - p - 2);
		char	   *packed = malloc(length);
		char	   *row = malloc(room);

		/* of their own, so that reading or writing beyond them is seen */
		memcpy(packed, p + 2, length);
		n = ledger_rowunpacker_add(unpacker, packed, length, row, room);
		if (n < -1 || n > room)
			abort();
		free(packed);
		free(row);
		p += 2 + length;
		/* the next has just the room that this one has needed */
		room = Max(n, 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	ShimBuffer	buffer = {0};
	LedgerSource source = shim_source(&buffer);
	LedgerColumnType type;
	int			nrows;

	if (size < 3)
		return -1;
	if (data[0] == PACKED_ROWS)
	{
		shim_limit = (size_t) 8 * 1024 * 1024;
		unpack_rows(data + 1, data + size);
		shim_free_all();
		return 0;
	}
	type = column_type(data[0] % column_ntypes());
	nrows = (data[1] | data[2] << 8) % (ROWS_MAX + 1);
	buffer.data = (uint8 *) data + 3;
	buffer.len = size - 3;
	shim_limit = (size_t) 1024 * size + 8 * 1024 * 1024;
	if (setjmp(shim_corrupt_jump) == 0)
		decode(ledger_chunk_open(&source, buffer.len, &type, nrows, NULL), &type, nrows);
	shim_free_all();
	return 0;
}

#endif
