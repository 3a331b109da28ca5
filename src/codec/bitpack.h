/*-------------------------------------------------------------------------
 *
 * bitpack.h
 *	  Vectors of integers: frame of reference or differences, bit-packed, with
 *	  exceptions; or runs of repeated values; or an entropy code.  What writer
 *	  (bitpack_write.c) and reader (bitpack_read.c) share.
 *
 * Bytes of a vector of n values; "varint" is seven bits a byte, low ones
 * first, "signed" a varint of twice the value, or of what that lacks to -1:
 *
 *		0	1	flags: order (0 values, 1 differences, 2 differences of
 *				those), SCALED, PATCHED, RUNS, CODED, CONSTANT
 *
 *	   packed (neither RUNS nor CODED):
 *			1	width in bits, 1 to 64; not if CONSTANT
 *			..	"order" values and differences to start with, signed
 *			..	base, signed
 *			..	scale, varint, if SCALED
 *			..	if PATCHED: number of exceptions less 1, varint
 *			1	and the width of what they have beyond "width" bits
 *			..	n - order numbers of "width" bits, low bits first
 *			..	the exceptions' places (10 bits each), in ascending order
 *			..	what they have beyond
 *
 *	   RUNS:
 *			..	number of runs, varint
 *			..	length of the next part, varint
 *			..	the runs' values, a vector of its own, without RUNS
 *			..	their lengths less 1, likewise
 *
 *	   CODED:
 *			..	"order" values, base, scale as above
 *			..	number of symbols less 1, varint
 *			..	length of the following two together, varint
 *			..	frequencies, as Elias gamma codes of one more
 *			..	the numbers as an rANS stream; see below
 *
 * Number i is (value i - base) / scale.  With differences that is of value
 * i + 1 less value i, and so on.  All arithmetic wraps around at 2^64, so it
 * is lossless for any bit pattern.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_BITPACK_H
#define LEDGER_BITPACK_H

#include "codec/codec_internal.h"
#include "port/pg_bswap.h"

#define FLAG_ORDER		0x03
#define FLAG_SCALED		0x04
#define FLAG_PATCHED	0x08
#define FLAG_RUNS		0x10
#define FLAG_CODED		0x20
#define FLAG_CONSTANT	0x40
#define FLAG_ALL		0x7F

/* Bits of an exception's place in its vector. */
#define PLACE_BITS		10

StaticAssertDecl(LEDGER_VECTOR_ROWS <= 1 << PLACE_BITS, "places do not fit");

/*
 * The entropy code is rANS: 32 bits of state, bytes in and out, frequencies
 * that add up to 1024.  Between the frequencies and the code are points, one
 * for each stretch of numbers but the first, at which a reader can begin: the
 * bytes of the code before it (2), and the state (4).
 */
#define CODED_BITS		10
#define CODED_TOTAL		(1 << CODED_BITS)
#define CODED_SYMBOLS	512		/* at most */
#define CODED_LOW		(1u << 23)	/* least state */
#define CODED_STRETCH	256
#define CODED_POINTS(n)	(((n) - 1) / CODED_STRETCH)
#define CODED_POINT_SIZE	(sizeof(uint16) + sizeof(uint32))

#ifdef WORDS_BIGENDIAN
#define LITTLE_ENDIAN_64(x) pg_bswap64(x)
#else
#define LITTLE_ENDIAN_64(x) (x)
#endif

static inline Size
packed_size(int n, int width)
{
	return ((uint64) n * width + 7) / 8;
}

static inline uint64
low_bits(int width)
{
	return width == 64 ? ~UINT64CONST(0) : (UINT64CONST(1) << width) - 1;
}

/* Bits one after the other, low ones first; float.c writes such, too. */
typedef struct BitWriter
{
	StringInfo	out;
	uint64		word;
	int			used;
} BitWriter;

static inline void
put_bits(BitWriter *writer, uint64 bits, int n)
{
	while (n > 0)
	{
		int			some = Min(n, 8 - writer->used);

		writer->word |= (bits & ((1u << some) - 1)) << writer->used;
		bits >>= some;
		n -= some;
		writer->used += some;
		if (writer->used == 8)
		{
			appendStringInfoCharMacro(writer->out, (char) writer->word);
			writer->word = 0;
			writer->used = 0;
		}
	}
}

#endif							/* LEDGER_BITPACK_H */
