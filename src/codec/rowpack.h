/*-------------------------------------------------------------------------
 *
 * rowpack.h
 *	  Single rows, compressed against rows that came before.
 *
 * A log entry by itself hardly compresses, but its neighbours are alike.  So a
 * row is compressed by LZ4 with a dictionary of earlier rows before it, and, if
 * it is one of several stored together, with those before it as well: a chain.
 *
 * Long runs of hexadecimal digits (ids) are squeezed to two digits a byte
 * first, as LZ4 can make nothing of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_ROWPACK_H
#define LEDGER_ROWPACK_H

#include "postgres.h"

/* The most bytes of a dictionary, and of a row. */
#define LEDGER_ROWPACK_DICTIONARY_MAX	24432
#define LEDGER_ROWPACK_ROW_MAX			8192

/*
 * A dictionary: squeezed rows, one after the other.  "number" tells it from
 * others that the packers may have seen before; 0 is the empty one.
 */
typedef struct LedgerRowDictionary
{
	uint64		number;
	int			length;
	char		bytes[LEDGER_ROWPACK_DICTIONARY_MAX];
} LedgerRowDictionary;

/* Squeeze a row; "dst" has room for 2 * len bytes.  Returns the length. */
extern int	ledger_rowpack_squeeze(const char *row, int len, char *dst);

/* The packer, which allocates in CurrentMemoryContext. */
typedef struct LedgerRowPacker LedgerRowPacker;

extern LedgerRowPacker *ledger_rowpacker_create(void);

/* Begin a chain; "dictionary" may be NULL for the empty one. */
extern void ledger_rowpacker_begin(LedgerRowPacker *packer,
								   const LedgerRowDictionary *dictionary);

/*
 * Pack the chain's next row into at most "room" bytes; returns how many, or 0
 * if it takes more or the chain is long enough: then the chain is over, without
 * this row.
 */
extern int	ledger_rowpacker_add(LedgerRowPacker *packer, const char *row, int len,
								 char *dst, int room);

/* The same the other way round; -1 if the bytes cannot be what was packed. */
typedef struct LedgerRowUnpacker LedgerRowUnpacker;

extern LedgerRowUnpacker *ledger_rowunpacker_create(void);
extern void ledger_rowunpacker_begin(LedgerRowUnpacker *unpacker,
									 const LedgerRowDictionary *dictionary);
extern int	ledger_rowunpacker_add(LedgerRowUnpacker *unpacker, const char *packed, int len,
								   char *row, int room);

#endif							/* LEDGER_ROWPACK_H */
