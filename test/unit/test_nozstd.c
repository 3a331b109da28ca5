/*
 * test_nozstd.c
 *	  A build without zstd: it compresses by LZ4 where zstd is asked for, and a
 *	  chunk that is zstd's is not damaged but one that it cannot read.
 *
 * Such a chunk is made of one of LZ4's, whose flags say so; checksums are off.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "codec/codec_internal.h"
#include "shim.h"

#define NROWS	2000

static const char *refused;

static void
unsupported(void *arg, const char *detail)
{
	refused = detail;
	longjmp(shim_corrupt_jump, 2);
}

static void
make_rows(Datum *values)
{
	for (int i = 0; i < NROWS; i++)
	{
		char	   *text = palloc(VARHDRSZ + 64);
		int			len = snprintf(text + VARHDRSZ, 60, "%llx some words that come again %llx",
								   (unsigned long long) shim_random() % 5000,
								   (unsigned long long) shim_random());

		SET_VARSIZE(text, VARHDRSZ + len);
		values[i] = PointerGetDatum(text);
	}
}

static bool
is_same(LedgerChunk *chunk, const LedgerColumnInput *input)
{
	for (int first = 0; first < NROWS; first += LEDGER_VECTOR_ROWS)
		if (!ledger_chunk_matches(chunk, first, Min(LEDGER_VECTOR_ROWS, NROWS - first), NULL,
								  input->values + first, input->isnull + first))
			return false;
	return true;
}

int
main(void)
{
	static Datum values[NROWS];
	static bool isnull[NROWS];
	LedgerColumnInput input = {{BYTEAOID, InvalidOid, -1, false, TYPALIGN_INT}, NROWS, values, isnull};
	LedgerEncodeOptions zstd = {LEDGER_EFFORT_THOROUGH, LEDGER_COMPRESSION_ZSTD};
	LedgerEncodeOptions lz4 = {LEDGER_EFFORT_THOROUGH, LEDGER_COMPRESSION_LZ4};
	ShimBuffer	buffer = {0};
	ShimBuffer	other = {0};
	LedgerSink	sink = shim_sink(&buffer);
	LedgerSink	other_sink = shim_sink(&other);
	LedgerSource source = shim_source(&buffer);
	LedgerChunkTrailer trailer;
	int			how;

	make_rows(values);
	report(!ledger_has_zstd(), "no zstd", "build");
	ledger_chunk_encode_with(&input, 0, &zstd, &sink);
	ledger_chunk_encode_with(&input, 0, &lz4, &other_sink);
	report(buffer.len == other.len && memcmp(buffer.data, other.data, buffer.len) == 0,
		   "no zstd", "lz4 in its place");
	report(buffer.len < NROWS * 40, "no zstd", "compressed");

	source.unsupported = unsupported;
	if ((how = setjmp(shim_corrupt_jump)) == 0)
		report(is_same(ledger_chunk_open(&source, buffer.len, &input.type, NROWS, NULL), &input),
			   "no zstd", "read");
	else
		report(false, "no zstd", "read");

	memcpy(&trailer, buffer.data + buffer.len - sizeof(trailer), sizeof(trailer));
	report((trailer.flags & LEDGER_CHUNK_ZSTD) == 0, "no zstd", "flags");
	trailer.flags |= LEDGER_CHUNK_ZSTD;
	memcpy(buffer.data + buffer.len - sizeof(trailer), &trailer, sizeof(trailer));
	if ((how = setjmp(shim_corrupt_jump)) == 0)
		(void) ledger_chunk_open(&source, buffer.len, &input.type, NROWS, NULL);
	report(how == 2 && strstr(refused, "zstd") != NULL, "no zstd", "refused");

	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
