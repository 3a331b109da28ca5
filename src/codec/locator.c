/*-------------------------------------------------------------------------
 *
 * locator.c
 *	  Where in a dictionary an entry is, without looking through it.
 *
 * A locator maps the hash of each of n keys to a small number, and any other
 * hash to any number: a table three places of which, chosen by the hash, make
 * the key's number by exclusive or.  It has 1.23 n + 48 places of "width" bits,
 * and says nothing of what the keys are.
 *
 * The table is filled backwards: a place that only one key has can be given
 * whatever that key lacks when all others have been served, so keys are taken
 * away one by one, each with such a place of its own, until none is left.
 * That fails now and then, by chance, or where hashes are equal; it is tried
 * again with hashes of another seed.
 *
 * How many places there are and which a hash has is part of the stored format, as
 * is ledger_hash_bytes: never change.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/codec_internal.h"

#define PLACES	3

/* With less than 1.22 places a key, hardly a table can be filled. */
#define THIRD_OF(n)		((uint32) ((uint64) (n) * 41 / 100) + 16)

static inline void
find_places(uint64 hash, uint32 third, uint32 *places)
{
	const uint64 factor = UINT64CONST(0x9E3779B97F4A7C15);

	places[0] = ((hash & PG_UINT32_MAX) * third) >> 32;
	places[1] = third + (((hash >> 32) * third) >> 32);
	places[2] = 2 * third + ((((hash * factor) >> 32) * third) >> 32);
}

Size
ledger_locator_size(uint32 n, int width)
{
	return ((Size) PLACES * THIRD_OF(n) * width + 7) / 8;
}

/* What the keys that have a place, and have not been taken away, make together. */
typedef struct Place
{
	uint32		count;
	uint32		keys;			/* their numbers, by exclusive or */
} Place;

typedef struct Peeled
{
	uint32		key;
	uint32		place;
} Peeled;

/*
 * Take away keys, as long as one has a place of its own, and list them; returns
 * how many.  Each key is looked at once, and so is each place that becomes one's own.
 */
static uint32
peel(Place *table, const uint64 *hashes, uint32 n, uint32 third, Peeled *peeled)
{
	uint32	   *queue = palloc(sizeof(uint32) * PLACES * third);
	uint32		nqueued = 0;
	uint32		npeeled = 0;

	for (uint32 place = 0; place < PLACES * third; place++)
		if (table[place].count == 1)
			queue[nqueued++] = place;
	for (uint32 next = 0; next < nqueued; next++)
	{
		uint32		place = queue[next];
		uint32		key = table[place].keys;
		uint32		places[PLACES];

		if (table[place].count == 0)
			continue;			/* its key had another such place */
		peeled[npeeled].key = key;
		peeled[npeeled++].place = place;
		find_places(hashes[key], third, places);
		for (int i = 0; i < PLACES; i++)
		{
			table[places[i]].keys ^= key;
			if (--table[places[i]].count == 1)
				queue[nqueued++] = places[i];
		}
	}
	pfree(queue);
	Assert(npeeled <= n);
	return npeeled;
}

/* Put a number where there are zeros. */
static inline void
put_number(uint8 *bits, Size place, int width, uint32 number)
{
	Size		first = place * width;

	number <<= first % 8;
	for (uint8 *p = bits + first / 8; number != 0; number >>= 8)
		*p++ |= (uint8) number;
}

static inline uint32
get_number(const uint8 *bits, Size place, int width)
{
	Size		first = place * width;
	const uint8 *p = bits + first / 8;
	uint32		number = p[0] | p[1] << 8 | p[2] << 16;

	return (number >> (first % 8)) & ((1U << width) - 1);
}

/* The number of the key with this hash; "bits" has LEDGER_SLACK behind it. */
uint32
ledger_locator_find(const uint8 *bits, uint32 n, int width, uint64 hash)
{
	uint32		places[PLACES];

	find_places(hash, THIRD_OF(n), places);
	return get_number(bits, places[0], width) ^ get_number(bits, places[1], width) ^
		get_number(bits, places[2], width);
}

/*
 * A locator of n keys with these hashes, key i's number being i >> shift, of
 * "width" bits; NULL if there is none.
 */
uint8 *
ledger_locator_make(const uint64 *hashes, uint32 n, int shift, int width)
{
	uint32		third = THIRD_OF(n);
	Place	   *table = palloc0(sizeof(Place) * PLACES * third);
	Peeled	   *peeled = palloc(sizeof(Peeled) * n);
	uint8	   *bits = NULL;

	Assert(n > 0 && width <= LEDGER_LOCATOR_WIDTH_MAX && (n - 1) >> shift < 1U << width);
	for (uint32 key = 0; key < n; key++)
	{
		uint32		places[PLACES];

		find_places(hashes[key], third, places);
		for (int i = 0; i < PLACES; i++)
		{
			table[places[i]].count++;
			table[places[i]].keys ^= key;
		}
	}
	if (peel(table, hashes, n, third, peeled) == n)
	{
		bits = palloc0(ledger_locator_size(n, width) + LEDGER_SLACK);
		for (uint32 i = n; i-- > 0;)
		{
			uint32		key = peeled[i].key;

			put_number(bits, peeled[i].place, width, (key >> shift) ^
					   ledger_locator_find(bits, n, width, hashes[key]));
		}
		/* an entry that is not found would be a wrong answer */
		for (uint32 key = 0; key < n && bits != NULL; key++)
			if (ledger_locator_find(bits, n, width, hashes[key]) != key >> shift)
			{
				pfree(bits);
				bits = NULL;
			}
	}
	pfree(peeled);
	pfree(table);
	return bits;
}
