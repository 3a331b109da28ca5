/*-------------------------------------------------------------------------
 *
 * locator.c
 *	  Where in a dictionary an entry is, without looking through it.
 *
 * A locator maps the hash of each of n keys to a small number, and any other
 * hash to any number: a table three places of which, chosen by the hash, make
 * the key's number by exclusive or.  It takes 1.23 times n * width bits, and
 * says nothing of what the keys are.
 *
 * The table is filled backwards: a place that only one key has can be given
 * whatever that key lacks when all others have been served, so keys are taken
 * away one by one, each with such a place of its own, until none is left.
 * That fails now and then, by chance, or where hashes are equal; it is tried
 * again with hashes of another seed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/codec_internal.h"

#define PLACES	3

/* Places a key, a little more than 1.22 of which the keys seldom fill. */
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

static void
peel(Place *table, uint32 place, const uint64 *hashes, uint32 third, Peeled *peeled, uint32 *n)
{
	uint32		places[PLACES];

	/* what taking a key away leaves alone is taken away next */
	while (table[place].count == 1)
	{
		uint32		key = table[place].keys;
		uint32		next = place;

		peeled[*n].key = key;
		peeled[(*n)++].place = place;
		find_places(hashes[key], third, places);
		for (int i = 0; i < PLACES; i++)
		{
			table[places[i]].count--;
			table[places[i]].keys ^= key;
			if (table[places[i]].count == 1)
				next = places[i];
		}
		place = next;
	}
}

static uint32
peel_all(Place *table, const uint64 *hashes, uint32 n, uint32 third, Peeled *peeled)
{
	uint32		npeeled = 0;
	uint32		before;

	do
	{
		before = npeeled;
		for (uint32 place = 0; place < PLACES * third; place++)
			peel(table, place, hashes, third, peeled, &npeeled);
	} while (npeeled > before && npeeled < n);
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

	Assert(width <= LEDGER_LOCATOR_WIDTH_MAX && (n - 1) >> shift < 1U << width);
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
	if (peel_all(table, hashes, n, third, peeled) == n)
	{
		bits = palloc0(ledger_locator_size(n, width) + LEDGER_SLACK);
		for (uint32 i = n; i-- > 0;)
		{
			uint32		key = peeled[i].key;

			put_number(bits, peeled[i].place, width, (key >> shift) ^
					   ledger_locator_find(bits, n, width, hashes[key]));
		}
#ifdef USE_ASSERT_CHECKING
		for (uint32 key = 0; key < n; key++)
			Assert(ledger_locator_find(bits, n, width, hashes[key]) == key >> shift);
#endif
	}
	pfree(peeled);
	pfree(table);
	return bits;
}
