/*
 * fuzz_codec.c
 *	  Built without checksums, so that damage gets past them: decoders must
 *	  not crash, read out of bounds, or allocate without measure, whatever the
 *	  bytes are.
 *
 * usage: fuzz_codec [SEED [ROUNDS]]
 */
#include "reads.h"

#define ROUNDS_DEFAULT	50

static long noticed;
static long decoded_anyway;

static void
damage(ShimBuffer *buffer)
{
	int			changes = 1 + RANDOM_BELOW(4);

	for (int i = 0; i < changes; i++)
	{
		/* headers matter most, and they are at the end */
		size_t		some = RANDOM_BELOW(2) ? 100 : 600;
		size_t		near = Min(buffer->len, some);
		size_t		at = RANDOM_BELOW(4) == 0 ? RANDOM_BELOW(buffer->len) :
			buffer->len - 1 - RANDOM_BELOW(near);

		switch (RANDOM_BELOW(4))
		{
			case 0:
				buffer->data[at] ^= 1 << RANDOM_BELOW(8);
				break;
			case 1:
				buffer->data[at] = (uint8[]) {0, 1, 0x7F, 0x80, 0xFF}[RANDOM_BELOW(5)];
				break;
			case 2:
				buffer->data[at] = (uint8) shim_random();
				break;
			default:
				memset(buffer->data + at, RANDOM_BELOW(2) ? 0xFF : 0,
					   Min(4, buffer->len - at));
				break;
		}
	}
}

static void
decode_all(LedgerChunk *chunk, const LedgerColumnInput *columns, int self)
{
	static Datum values[LEDGER_VECTOR_ROWS];
	static bool isnull[LEDGER_VECTOR_ROWS];
	const LedgerColumnInput *input = &columns[self];
	const int  *refs;
	int			nrefs = ledger_chunk_references(chunk, &refs);
	LedgerDecoded decoded[LEDGER_ROWREF_COLUMNS];
	volatile uint8 sum = 0;

	/* that references are to earlier columns with a header is for the caller */
	for (int k = 0; k < nrefs; k++)
	{
		if (refs[k] >= self || columns[refs[k]].type.attlen != -1)
			return;
	}
	for (int first = 0; first < input->nrows;)
	{
		int			count = Min(LEDGER_VECTOR_ROWS - first % LEDGER_VECTOR_ROWS,
								input->nrows - first);

		if (RANDOM_BELOW(3) == 0)
			count = 1;
		for (int k = 0; k < nrefs; k++)
		{
			decoded[k].values = columns[refs[k]].values + first;
			decoded[k].isnull = columns[refs[k]].isnull + first;
		}
		if (RANDOM_BELOW(2))
			(void) ledger_chunk_matches(chunk, first, count, decoded, input->values + first,
										input->isnull + first);
		if (RANDOM_BELOW(4) == 0)
			reads_exercise(chunk, first, count, decoded);
		ledger_chunk_decode(chunk, first, count, decoded, values, isnull);
		for (int i = 0; i < count; i++)
		{
			LedgerBytes bytes;

			if (isnull[i] || input->type.attbyval)
				continue;
			bytes = ledger_datum_bytes(&input->type, values[i]);
			for (Size b = 0; b < bytes.len; b++)
				sum += bytes.data[b];
		}
		first += count == 1 ? 1 + RANDOM_BELOW(LEDGER_VECTOR_ROWS) : count;
	}
}

/* What a column directory may say of a chunk's filter: nothing, the truth, or anything. */
static LedgerFilterPlace
choose_place(LedgerFilterPlace right, size_t len)
{
	LedgerFilterPlace place = {0};

	if (RANDOM_BELOW(3) == 0)
		return place;
	if (RANDOM_BELOW(2))
		return right;
	place.nblocks = 1 + RANDOM_BELOW(200);
	place.behind = RANDOM_BELOW(len);
	return place;
}

static void
fuzz_column(const LedgerColumnInput *columns, int self, int rounds)
{
	ShimBuffer	original = {0};
	ShimBuffer	copy;
	LedgerSink	sink = shim_sink(&original);
	LedgerSource undamaged = shim_source(&original);
	LedgerFilterPlace right;
	LedgerEncodeOptions options = {RANDOM_BELOW(2) ? LEDGER_EFFORT_QUICK : LEDGER_EFFORT_THOROUGH,
	RANDOM_BELOW(3) ? LEDGER_COMPRESSION_LZ4 : LEDGER_COMPRESSION_ZSTD};

	ledger_chunk_encode_with(columns, self, &options, &sink);
	right = ledger_chunk_filter_place(ledger_chunk_open(&undamaged, original.len, &columns[self].type,
														columns[self].nrows, NULL));
	shim_free_all();
	copy.data = malloc(original.len);
	copy.size = original.len;
	for (int i = 0; i < rounds; i++)
	{
		LedgerSource source = shim_source(&copy);
		LedgerFilterPlace place;

		memcpy(copy.data, original.data, original.len);
		copy.len = original.len;
		place = choose_place(right, original.len);
		damage(&copy);
		shim_limit = (size_t) 512 * copy.len + 1024 * 1024;
		if (setjmp(shim_corrupt_jump) == 0)
		{
			LedgerChunk *chunk;

			if (!ledger_filter_fits(place, copy.len))
				place = (LedgerFilterPlace) {0};
			chunk = ledger_chunk_prepare(&source, copy.len, place, &columns[self].type,
										 columns[self].nrows, NULL);
			for (int k = 0; k < 3; k++)
				(void) ledger_chunk_may_contain(chunk, shim_random());
			ledger_chunk_load(chunk);
			decode_all(chunk, columns, self);
			decoded_anyway++;
		}
		else
			noticed++;
		shim_free_all();
	}
	shim_limit = (size_t) 4 << 30;
	free(copy.data);
	free(original.data);
}

int
main(int argc, char **argv)
{
	static const int sizes[] = {1, 30, 1100, 2100};
	int			rounds = argc > 2 ? atoi(argv[2]) : ROUNDS_DEFAULT;

	shim_seed(argc > 1 ? strtoull(argv[1], NULL, 10) : 1);
	for (int s = 0; s < (int) lengthof(sizes); s++)
	{
		for (int type = 0; type < column_ntypes(); type++)
		{
			for (int pattern = 0; pattern < column_npatterns(type); pattern++)
			{
				Column		columns[2];
				LedgerColumnInput inputs[2];

				if (pattern == 9 && sizes[s] > 30)
					continue;
				column_make(&columns[0], type, pattern, RANDOM_BELOW(2), sizes[s]);
				fuzz_column(&columns[0].input, 0, rounds);
				if (columns[0].input.type.attlen == -1)
				{
					column_make_entry(&columns[1], columns, 1, sizes[s], sizes[s] < 2000);
					inputs[0] = columns[0].input;
					inputs[1] = columns[1].input;
					fuzz_column(inputs, 1, rounds * 4);
					column_free(&columns[1]);
				}
				column_free(&columns[0]);
			}
		}
	}
	for (int s = 0; s < 4; s++)
	{
		for (int pattern = 0; pattern < column_njson(); pattern++)
		{
			Column		columns[2];
			LedgerColumnInput inputs[2];

			column_make(&columns[0], 9, 3, s % 2, sizes[s]);
			column_make_json(&columns[1], pattern, columns, 1, sizes[s]);
			inputs[0] = columns[0].input;
			inputs[1] = columns[1].input;
			fuzz_column(inputs, 1, rounds * 4);
			column_free(&columns[0]);
			column_free(&columns[1]);
		}
	}
	printf("fuzz: %ld noticed, %ld decoded\n", noticed, decoded_anyway);
	printf("%ld passed, 0 failed\n", noticed + decoded_anyway);
	return 0;
}
