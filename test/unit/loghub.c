/*
 * loghub.c
 *	  Sizes and speeds of the codec on files of lines, one line a row.
 *
 * usage: loghub [quick] [zstd | none] [times=N] FILE...
 */
#include "shim.h"

#include <time.h>

#include "catalog/pg_type_d.h"
#include "codec/codec_internal.h"

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static Datum values[LEDGER_SEGMENT_ROWS];
static bool isnull[LEDGER_SEGMENT_ROWS];
static int	nrows;
static uint64 raw;

static void
load(const char *path, int times)
{
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		len;

	nrows = 0;
	raw = 0;
	while (times-- > 0)
	{
		FILE	   *file = fopen(path, "r");

		if (file == NULL)
		{
			perror(path);
			exit(2);
		}
		while ((len = getline(&line, &size, file)) > 0 && nrows < LEDGER_SEGMENT_ROWS)
		{
			char	   *p;

			while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
				len--;
			p = malloc(len + VARHDRSZ);
			SET_VARSIZE(p, len + VARHDRSZ);
			memcpy(p + VARHDRSZ, line, len);
			values[nrows++] = PointerGetDatum(p);
			raw += len + 1;
		}
		fclose(file);
	}
}

int
main(int argc, char **argv)
{
	LedgerEffort effort = LEDGER_EFFORT_THOROUGH;
	LedgerCompression compression = LEDGER_COMPRESSION_LZ4;
	uint64		total = 0;
	uint64		blocks = 0;
	int			times = 1;

	for (int i = 1; i < argc; i++)
	{
		static ShimBuffer buffer;
		LedgerColumnInput input = {{TEXTOID, 100, -1, false, 'i'}, 0, values, isnull, NULL};
		LedgerSink	sink = shim_sink(&buffer);
		LedgerSource source = shim_source(&buffer);
		Datum		decoded[LEDGER_VECTOR_ROWS];
		bool		nulls[LEDGER_VECTOR_ROWS];
		const char *name;
		double		start,
					encode,
					decode;

		if (strcmp(argv[i], "quick") == 0)
		{
			effort = LEDGER_EFFORT_QUICK;
			continue;
		}
		if (strcmp(argv[i], "zstd") == 0 || strcmp(argv[i], "none") == 0)
		{
			compression = argv[i][0] == 'z' ? LEDGER_COMPRESSION_ZSTD : LEDGER_COMPRESSION_NONE;
			continue;
		}
		if (strncmp(argv[i], "times=", 6) == 0)
		{
			times = atoi(argv[i] + 6);
			continue;
		}
		load(argv[i], times);
		input.nrows = nrows;
		buffer.len = 0;
		start = now();
		ledger_chunk_encode_with(&input, 0, &(LedgerEncodeOptions) {effort, compression}, &sink);
		encode = now() - start;
		shim_free_all();
		if (setjmp(shim_corrupt_jump) != 0)
		{
			printf("%s: %s\n", argv[i], shim_corrupt_detail);
			return 1;
		}
		start = now();
		{
			LedgerChunk *chunk = ledger_chunk_open(&source, buffer.len, &input.type, nrows, NULL);

			name = ledger_chunk_encoding(chunk);
			for (int first = 0; first < nrows; first += LEDGER_VECTOR_ROWS)
			{
				int			count = Min(LEDGER_VECTOR_ROWS, nrows - first);

				ledger_chunk_decode(chunk, first, count, NULL, decoded, nulls);
				for (int r = 0; r < count; r++)
				{
					if (VARSIZE(decoded[r]) != VARSIZE(values[first + r]) ||
						memcmp((char *) decoded[r], (char *) values[first + r], VARSIZE(decoded[r])) != 0)
					{
						printf("row %d differs: %.*s\n", first + r, (int) VARSIZE(decoded[r]) - 4,
							   (char *) decoded[r] + 4);
						return 1;
					}
				}
			}
		}
		decode = now() - start;
		shim_free_all();
		printf("%-50s %-10s %8zu bytes  %6.2f a line  encode %4.0f MB/s  decode %4.0f MB/s\n", argv[i], name,
			   buffer.len, (double) buffer.len / nrows, raw / encode / 1e6, raw / decode / 1e6);
		total += buffer.len;
		blocks += (buffer.len + 32 + 8143) / 8144;
	}
	printf("total %lu, blocks %lu\n", total, blocks);
	return 0;
}
