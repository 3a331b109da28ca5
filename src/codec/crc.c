/*-------------------------------------------------------------------------
 *
 * crc.c
 *	  CRC-32C, as the server computes it, but of three parts at a time.
 *
 * The instruction for it has a result after three cycles, and can be begun in
 * each: so a block's three lanes are computed side by side and joined.  A lookup
 * checks some 25 vectors of a kilobyte or two for a row, of which the CRCs were
 * a tenth of its time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/codec_internal.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(LEDGER_CODEC_NO_CRC)
#define USE_LANES
#include <immintrin.h>
#endif

#ifdef USE_LANES

#define LANE			128		/* bytes */

/*
 * To put so many zero bytes behind what a CRC is of is to multiply it, as a
 * polynomial, by a power of x.  x^(8 * bytes - 33) modulo CRC-32C's polynomial, its
 * bits reversed: the instruction multiplies by x^32 and reduces, and the product
 * of two reversed polynomials of 32 bits is one of 64 bits times x.
 */
#define SHIFT_LANE		0x0D3B6092	/* 128 bytes */
#define SHIFT_2_LANES	0xB9E02B86	/* 256 bytes */

static int	have_lanes = -1;	/* -1: not known yet */

static bool
can_use_lanes(void)
{
	if (have_lanes < 0)
		have_lanes = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
	return have_lanes > 0;
}

__attribute__((target("sse4.2")))
static inline uint64
add_word(uint64 crc, const uint8 *p)
{
	uint64		word;

	memcpy(&word, p, sizeof(word));
	return _mm_crc32_u64(crc, word);
}

/* The product, for the instruction to reduce. */
__attribute__((target("sse4.2,pclmul")))
static inline uint64
multiply(uint64 crc, uint32 shift)
{
	return (uint64) _mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_cvtsi64_si128((int64) crc),
														   _mm_cvtsi64_si128((int64) shift), 0));
}

/* Add nblocks blocks of three lanes. */
__attribute__((target("sse4.2,pclmul")))
static pg_crc32c
add_blocks(pg_crc32c crc, const uint8 *p, Size nblocks)
{
	for (; nblocks > 0; nblocks--, p += 3 * LANE)
	{
		uint64		first = crc;
		uint64		second = 0;
		uint64		third = 0;

		for (int i = 0; i < LANE; i += sizeof(uint64))
		{
			first = add_word(first, p + i);
			second = add_word(second, p + LANE + i);
			third = add_word(third, p + 2 * LANE + i);
		}
		crc = (pg_crc32c) (third ^ _mm_crc32_u64(0, multiply(first, SHIFT_2_LANES) ^
												 multiply(second, SHIFT_LANE)));
	}
	return crc;
}
#endif

/*
 * The fuzz test builds the codec without checksums, to see that no decoder
 * relies on them.
 */
pg_crc32c
ledger_crc(const void *data, Size len)
{
	pg_crc32c	crc;

#ifdef LEDGER_CODEC_NO_CRC
	return 0;
#endif
	INIT_CRC32C(crc);
#ifdef USE_LANES
	if (len >= 3 * LANE && can_use_lanes())
	{
		Size		nblocks = len / (3 * LANE);

		crc = add_blocks(crc, data, nblocks);
		data = (const char *) data + nblocks * 3 * LANE;
		len -= nblocks * 3 * LANE;
	}
#endif
	COMP_CRC32C(crc, data, len);
	FIN_CRC32C(crc);
	return crc;
}
