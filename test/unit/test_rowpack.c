/*
 * test_rowpack.c
 *	  Rows packed one by one or in chains come back, with whichever dictionary;
 *	  and whatever the packed bytes are, the unpacker stays within its bounds.
 *
 * usage: test_rowpack [SEED [ROUNDS]]
 */
#include "shim.h"

#include "codec/rowpack.h"

#define ROUNDS_DEFAULT	200
#define DICTIONARIES	20		/* more than the packer keeps ready */
#define CHAIN_ROWS		300


/* ---- rows ---- */

typedef struct Row
{
	int			len;
	char		data[LEDGER_ROWPACK_ROW_MAX];
} Row;

typedef enum RowKind
{
	ROW_WORDS,					/* text like the others' */
	ROW_IDS,					/* text with ids in hexadecimal */
	ROW_UPPER,					/* ids that are not to be squeezed */
	ROW_ESCAPES,				/* many bytes 0xFE */
	ROW_RANDOM,					/* any bytes */
	ROW_DIGITS,					/* nothing but digits */
	ROW_MIXED,
	ROW_KINDS
} RowKind;

static char
random_digit(void)
{
	return "0123456789abcdef"[RANDOM_BELOW(16)];
}

static void
append(Row *row, char c, int limit)
{
	if (row->len < limit)
		row->data[row->len++] = c;
}

static void
append_piece(Row *row, RowKind kind, int limit)
{
	static const char *const words[] = {"\"trace_id\":", "meya.http.entry", "user ", "{\"a\":null}", "\n", "INFO "};
	static const int runs[] = {1, 8, 9, 10, 11, 12, 20, 32, 40, 254, 255, 256, 257, 300, 509, 510, 511};
	int			n;

	if (kind == ROW_MIXED)
		kind = RANDOM_BELOW(ROW_MIXED);
	switch (kind)
	{
		case ROW_IDS:
		case ROW_UPPER:
			n = RANDOM_BELOW(3) ? runs[RANDOM_BELOW(lengthof(runs))] : RANDOM_BELOW(60);
			for (int i = 0; i < n; i++)
				append(row, kind == ROW_IDS ? random_digit() : toupper(random_digit()), limit);
			append(row, "-g\xFE,\0"[RANDOM_BELOW(5)], limit);
			break;
		case ROW_ESCAPES:
			for (int i = RANDOM_BELOW(30); i >= 0; i--)
				append(row, (char) 0xFE, limit);
			append(row, random_digit(), limit);
			break;
		case ROW_RANDOM:
			for (int i = 0; i < 40; i++)
				append(row, (char) shim_random(), limit);
			break;
		case ROW_DIGITS:
			for (int i = 0; i < 500; i++)
				append(row, random_digit(), limit);
			break;
		default:
			for (const char *p = words[RANDOM_BELOW(lengthof(words))]; *p; p++)
				append(row, *p, limit);
			break;
	}
}

static void
make_row(Row *row, RowKind kind, int len)
{
	row->len = 0;
	while (row->len < len)
		append_piece(row, kind, len);
}

static int
random_length(void)
{
	switch (RANDOM_BELOW(12))
	{
		case 0:
			return 0;
		case 1:
			return LEDGER_ROWPACK_ROW_MAX;
		case 2:
			return RANDOM_BELOW(LEDGER_ROWPACK_ROW_MAX + 1);
		default:
			return 1 + RANDOM_BELOW(900);
	}
}

static void
make_dictionary(LedgerRowDictionary *dictionary, uint64 number, int least)
{
	char	   *squeezed = malloc(2 * LEDGER_ROWPACK_ROW_MAX);
	Row		   *row = malloc(sizeof(Row));

	dictionary->number = number;
	dictionary->length = 0;
	while (dictionary->length < least)
	{
		int			len;

		make_row(row, RANDOM_BELOW(ROW_KINDS), 1 + RANDOM_BELOW(700));
		len = ledger_rowpack_squeeze(row->data, row->len, squeezed);
		len = Min(len, least - dictionary->length);
		memcpy(dictionary->bytes + dictionary->length, squeezed, len);
		dictionary->length += len;
	}
	free(row);
	free(squeezed);
}

/* ---- round trips ---- */

/* Blocks of just the size that is said, so that the sanitizer sees the bounds. */
static int
pack_exactly(LedgerRowPacker *packer, const Row *row, int room, char **packed)
{
	char	   *in = malloc(row->len + (row->len == 0));
	char	   *out = malloc(room + (room == 0));
	int			n;

	memcpy(in, row->data, row->len);
	n = ledger_rowpacker_add(packer, in, row->len, out, room);
	free(in);
	*packed = n > 0 ? malloc(n) : NULL;
	if (n > 0)
		memcpy(*packed, out, n);
	free(out);
	return n;
}

static bool
unpacks_to(LedgerRowUnpacker *unpacker, const char *packed, int n, const Row *row)
{
	char	   *out = malloc(row->len + (row->len == 0));
	int			len = ledger_rowunpacker_add(unpacker, packed, n, out, row->len);
	bool		ok = len == row->len && memcmp(out, row->data, len) == 0;

	free(out);
	return ok;
}

/*
 * A chain until it ends, packed and then unpacked; returns how many bytes its
 * rows have and take.
 */
static void
try_chain(LedgerRowPacker *packer, LedgerRowUnpacker *unpacker,
		  const LedgerRowDictionary *dictionary, int kind, int nrows, const char *name,
		  uint64 *raw, uint64 *stored)
{
	static Row	rows[CHAIN_ROWS];
	char	   *packed[CHAIN_ROWS];
	int			sizes[CHAIN_ROWS];
	int			n = 0;
	bool		ok = true;

	ledger_rowpacker_begin(packer, dictionary);
	while (n < nrows)
	{
		make_row(&rows[n], kind < 0 ? RANDOM_BELOW(ROW_KINDS) : kind, random_length());
		sizes[n] = pack_exactly(packer, &rows[n], 2 * LEDGER_ROWPACK_ROW_MAX + 200, &packed[n]);
		if (sizes[n] == 0)
			break;
		*raw += rows[n].len;
		*stored += sizes[n];
		n++;
	}
	ledger_rowunpacker_begin(unpacker, dictionary);
	for (int i = 0; i < n; i++)
		ok = ok && unpacks_to(unpacker, packed[i], sizes[i], &rows[i]);
	report(ok, name, "a chain comes back");

	/* and its first row alone, as after another chain */
	if (n > 0)
	{
		ledger_rowunpacker_begin(unpacker, dictionary);
		report(unpacks_to(unpacker, packed[0], sizes[0], &rows[0]), name, "the first row comes back");
	}
	for (int i = 0; i < n; i++)
		free(packed[i]);
}

static void
test_chains(LedgerRowPacker *packer, LedgerRowUnpacker *unpacker,
			LedgerRowDictionary *dictionaries, int rounds)
{
	uint64		raw = 0;
	uint64		stored = 0;

	for (int kind = 0; kind < ROW_KINDS; kind++)
		for (int d = -1; d < DICTIONARIES; d++)
			try_chain(packer, unpacker, d < 0 ? NULL : &dictionaries[d], kind, 20, "kinds", &raw, &stored);
	for (int i = 0; i < rounds; i++)
	{
		int			d = RANDOM_BELOW(DICTIONARIES + 1) - 1;

		try_chain(packer, unpacker, d < 0 ? NULL : &dictionaries[d], -1,
				  RANDOM_BELOW(10) == 0 ? CHAIN_ROWS : 1 + RANDOM_BELOW(8), "random", &raw, &stored);
	}
	report(stored < raw, "chains", "they take less than their rows");
}

/* A chain ends by itself, and the rows until then come back. */
static void
test_end(LedgerRowPacker *packer, LedgerRowUnpacker *unpacker, const LedgerRowDictionary *dictionary)
{
	Row		   *row = malloc(sizeof(Row));
	char	   *packed;
	int			n = 0;

	make_row(row, ROW_ESCAPES, LEDGER_ROWPACK_ROW_MAX);
	memset(row->data, 0xFE, row->len);
	ledger_rowpacker_begin(packer, dictionary);
	ledger_rowunpacker_begin(unpacker, dictionary);
	for (;;)
	{
		int			size = pack_exactly(packer, row, LEDGER_ROWPACK_ROW_MAX, &packed);

		if (size == 0)
			break;
		report(unpacks_to(unpacker, packed, size, row), "end", "a row of escapes comes back");
		free(packed);
		if (++n > 100)
			break;
	}
	report(n >= 4 && n <= 10, "end", "the chain ends where LZ4 could not look back");

	/* what would have come next is refused, not written past the window */
	packed = malloc(2);
	memset(packed, 0, 2);
	report(ledger_rowunpacker_add(unpacker, packed, 1, row->data, row->len) == -1, "end",
		   "nothing is unpacked beyond the end");
	free(packed);
	free(row);
}

/* Hexadecimal runs of each length, and what surrounds them. */
static void
test_runs(LedgerRowPacker *packer, LedgerRowUnpacker *unpacker)
{
	static const char around[] = {'g', 'A', 'F', 'G', '/', ':', '`', (char) 0xFE, '\0', (char) 0xFF};
	char	   *squeezed = malloc(4096);
	Row		   *row = malloc(sizeof(Row));

	for (int len = 0; len < 800; len = len < 30 || (len > 240 && len < 270) || (len > 500 && len < 520) ? len + 1 : len + 7)
	{
		for (int a = 0; a < (int) lengthof(around); a++)
		{
			char	   *packed;
			int			size;
			int			n;

			row->len = 0;
			row->data[row->len++] = around[a];
			for (int i = 0; i < len; i++)
				row->data[row->len++] = random_digit();
			row->data[row->len++] = around[lengthof(around) - 1 - a];
			n = ledger_rowpack_squeeze(row->data, row->len, squeezed);
			if (len >= 10)
				report(n <= 4 + len / 2 + 1 + 3 * (len / 255 + 1) + 10, "runs", "a run takes half the bytes");
			ledger_rowpacker_begin(packer, NULL);
			size = pack_exactly(packer, row, 2000, &packed);
			ledger_rowunpacker_begin(unpacker, NULL);
			report(size > 0 && unpacks_to(unpacker, packed, size, row), "runs", "a row comes back");
			free(packed);
		}
	}
	/* upper case is left alone */
	row->len = 64;
	memset(row->data, 'A', 64);
	report(ledger_rowpack_squeeze(row->data, row->len, squeezed) == 64, "runs", "upper case is no run");
	free(row);
	free(squeezed);
}

/* Too little room ends the chain and nothing is written beyond it. */
static void
test_room(LedgerRowPacker *packer, LedgerRowUnpacker *unpacker, const LedgerRowDictionary *dictionary)
{
	Row		   *row = malloc(sizeof(Row));

	for (int i = 0; i < 60; i++)
	{
		char	   *packed;
		int			size;

		make_row(row, RANDOM_BELOW(ROW_KINDS), 100 + RANDOM_BELOW(2000));
		ledger_rowpacker_begin(packer, dictionary);
		size = pack_exactly(packer, row, 5000, &packed);
		report(size > 0, "room", "enough is enough");
		free(packed);
		for (int room = size + 1; room >= 0; room -= 1 + (room < size - 3) * RANDOM_BELOW(30))
		{
			int			n;

			ledger_rowpacker_begin(packer, dictionary);
			n = pack_exactly(packer, row, room, &packed);
			if (n == 0)
			{
				report(room < size, "room", "just enough does, too");
				continue;
			}
			ledger_rowunpacker_begin(unpacker, dictionary);
			report(n <= room && unpacks_to(unpacker, packed, n, row), "room",
				   "what fits comes back");
			free(packed);
		}
	}
	free(row);
}

/* A number with another length is another dictionary's (an older one is gone). */
static void
test_lengths(LedgerRowPacker *packer, LedgerRowUnpacker *unpacker)
{
	LedgerRowDictionary *dictionary = malloc(sizeof(LedgerRowDictionary));
	uint64		raw = 0;
	uint64		stored = 0;
	static const int lengths[] = {0, 1, 3, 4, 7, 8, 12, 13, 100, LEDGER_ROWPACK_DICTIONARY_MAX - 1, LEDGER_ROWPACK_DICTIONARY_MAX};

	for (int i = 0; i < (int) lengthof(lengths); i++)
	{
		make_dictionary(dictionary, 1000, lengths[i]);
		for (int n = 0; n < 5; n++)
			try_chain(packer, unpacker, dictionary, -1, 30, "lengths", &raw, &stored);
	}
	free(dictionary);
}

/* The packer finds in the dictionary what is there. */
static void
test_gain(LedgerRowPacker *packer, const LedgerRowDictionary *dictionary)
{
	Row		   *row = malloc(sizeof(Row));
	char	   *squeezed = malloc(2 * LEDGER_ROWPACK_ROW_MAX);
	LedgerRowDictionary *own = malloc(sizeof(LedgerRowDictionary));
	char	   *packed;
	int			with,
				without;

	make_row(row, ROW_RANDOM, 600);
	memcpy(own, dictionary, sizeof(*own));
	own->number = 2000;
	memcpy(own->bytes + 5000, squeezed, ledger_rowpack_squeeze(row->data, row->len, squeezed));
	ledger_rowpacker_begin(packer, own);
	with = pack_exactly(packer, row, 1000, &packed);
	free(packed);
	ledger_rowpacker_begin(packer, NULL);
	without = pack_exactly(packer, row, 1000, &packed);
	free(packed);
	report(with > 0 && with < 40 && without > 590, "gain", "a row that is in the dictionary takes little");
	free(own);
	free(squeezed);
	free(row);
}

/* ---- damage ---- */

static void
damage(char *data, int len)
{
	for (int i = 1 + RANDOM_BELOW(4); i > 0; i--)
	{
		int			at = RANDOM_BELOW(4) == 0 ? RANDOM_BELOW(len) : RANDOM_BELOW(Min(len, 40));

		switch (RANDOM_BELOW(3))
		{
			case 0:
				data[at] ^= 1 << RANDOM_BELOW(8);
				break;
			case 1:
				data[at] = (char[]) {0, 1, 0x7F, (char) 0x80, (char) 0xFF, (char) 0xFE}[RANDOM_BELOW(6)];
				break;
			default:
				data[at] = (char) shim_random();
				break;
		}
	}
}

/* Unpack anything at all, into little room or much; the sanitizers watch. */
static void
fuzz(LedgerRowPacker *packer, LedgerRowUnpacker *unpacker, const LedgerRowDictionary *dictionaries,
	 int rounds)
{
	Row		   *row = malloc(sizeof(Row));
	long		refused = 0;
	long		taken = 0;

	for (int i = 0; i < rounds * 20; i++)
	{
		const LedgerRowDictionary *dictionary = RANDOM_BELOW(3) ?
			&dictionaries[RANDOM_BELOW(DICTIONARIES)] : NULL;
		int			chain = 1 + RANDOM_BELOW(12);

		ledger_rowpacker_begin(packer, dictionary);
		ledger_rowunpacker_begin(unpacker, dictionary);
		for (int j = 0; j < chain; j++)
		{
			char	   *packed;
			char	   *out;
			int			room = RANDOM_BELOW(3) ? LEDGER_ROWPACK_ROW_MAX : RANDOM_BELOW(LEDGER_ROWPACK_ROW_MAX);
			int			size;
			int			n;

			make_row(row, RANDOM_BELOW(ROW_KINDS), random_length());
			size = pack_exactly(packer, row, 2 * LEDGER_ROWPACK_ROW_MAX + 200, &packed);
			if (size == 0)
				break;
			if (RANDOM_BELOW(3) == 0)
			{
				/* bytes that never were a row's, or none */
				free(packed);
				size = RANDOM_BELOW(400);
				packed = malloc(size + (size == 0));
				for (int b = 0; b < size; b++)
					packed[b] = (char) (RANDOM_BELOW(4) ? shim_random() : 0xFF);
			}
			else
				damage(packed, size);
			out = malloc(room + (room == 0));
			n = ledger_rowunpacker_add(unpacker, packed, size, out, room);
			if (n < -1 || n > room)
				report(false, "fuzz", "the length is out of bounds");
			if (n < 0)
				refused++;
			else
				taken++;
			free(out);
			free(packed);
		}
	}
	printf("rowpack fuzz: %ld refused, %ld taken\n", refused, taken);
	report(refused > 0 && taken > 0, "fuzz", "some is refused, some taken");
	free(row);
}

int
main(int argc, char **argv)
{
	int			rounds = argc > 2 ? atoi(argv[2]) : ROUNDS_DEFAULT;
	LedgerRowPacker *packer = ledger_rowpacker_create();
	LedgerRowUnpacker *unpacker = ledger_rowunpacker_create();
	LedgerRowDictionary *dictionaries = malloc(DICTIONARIES * sizeof(LedgerRowDictionary));

	shim_seed(argc > 1 ? strtoull(argv[1], NULL, 10) : 1);
	for (int i = 0; i < DICTIONARIES; i++)
		make_dictionary(&dictionaries[i], i + 1,
						i % 2 ? LEDGER_ROWPACK_DICTIONARY_MAX : 1 + RANDOM_BELOW(LEDGER_ROWPACK_DICTIONARY_MAX));

	test_chains(packer, unpacker, dictionaries, rounds);
	for (int d = -1; d < DICTIONARIES; d++)
		test_end(packer, unpacker, d < 0 ? NULL : &dictionaries[d]);
	test_runs(packer, unpacker);
	test_room(packer, unpacker, NULL);
	test_room(packer, unpacker, &dictionaries[1]);
	test_lengths(packer, unpacker);
	test_gain(packer, &dictionaries[1]);
	fuzz(packer, unpacker, dictionaries, rounds);

	/* what has been refused leaves nothing behind */
	test_chains(packer, unpacker, dictionaries, rounds / 4);
	free(dictionaries);
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
