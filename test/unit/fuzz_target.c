/*
 * fuzz_target.c
 *	  For libFuzzer, built without checksums: whatever the bytes of a chunk
 *	  are, decoding gives values or an error.  See "make fuzz".
 *
 * An input is the number of a type (1 byte), the number of rows (2), and a
 * chunk.  With SEEDS defined, it is a program that writes such inputs, of real
 * chunks, to a directory.
 */
#include "reads.h"

#define ROWS_MAX	3000

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
		LedgerTextZone text_zone;

		ledger_chunk_zone(chunk, first / LEDGER_VECTOR_ROWS, &zone);
		ledger_chunk_text_zone(chunk, first / LEDGER_VECTOR_ROWS, &text_zone);
		ledger_chunk_decode(chunk, one, 1, decoded, values, isnull);
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

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	ShimBuffer	buffer = {0};
	LedgerSource source = shim_source(&buffer);
	LedgerColumnType type;
	int			nrows;

	if (size < 3)
		return -1;
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
