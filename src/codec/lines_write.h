/*-------------------------------------------------------------------------
 *
 * lines_write.h
 *	  What mining log lines hands to encoding them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_LINES_WRITE_H
#define LEDGER_LINES_WRITE_H

#include "codec/lines.h"

typedef struct LedgerLinesMined
{
	int			ntemplates;
	LedgerBytes *texts;
	uint64	   *fields;			/* which of a template's are LEDGER_LINE_TEXT */
	int		   *rows;			/* each row's template; 0: the line is whole */
} LedgerLinesMined;

extern bool ledger_lines_mine(LedgerEncoder *enc, LedgerLinesMined *mined);

static inline uint32
ledger_line_hash(const char *data, Size len)
{
	const uint64 factor = UINT64CONST(0x9E3779B97F4A7C15);
	uint64		hash = len * factor;
	uint64		word;

	for (; len >= sizeof(word); data += sizeof(word), len -= sizeof(word))
	{
		memcpy(&word, data, sizeof(word));
		hash = (hash ^ word) * factor;
		hash ^= hash >> 29;
	}
	word = 0;
	for (; len > 0; len--)
		word = (word << 8) | (uint8) *data++;
	hash = (hash ^ word) * factor;
	return (uint32) (hash >> 32);
}

#endif							/* LEDGER_LINES_WRITE_H */
