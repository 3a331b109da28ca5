/*
 * reads.h
 *	  What can be read of a chunk besides its values: checked against these,
 *	  and merely called, for fuzzing.
 */
#ifndef LEDGER_TEST_READS_H
#define LEDGER_TEST_READS_H

#include "column.h"

/* What the checks have seen, so that a test can tell that they saw something. */
typedef struct ReadsSeen
{
	long		coded;			/* chunks with codes */
	long		excluded;		/* vectors that cannot have a code */
	long		lines;
	long		never;			/* templates that cannot have a word, */
	long		always;			/* or must */
	long		tokens;			/* filters of tokens, */
	long		words;			/* and of these without digits */
	long		paths;
	long		values;			/* of paths, given */
	long		documents;		/* scalars of paths that were not given */
	long		path_codes;
	long		exists;
} ReadsSeen;

extern ReadsSeen reads_seen;

/* NULL, or what is wrong. */
extern const char *reads_check_column(LedgerChunk *chunk, const LedgerColumnInput *input);
extern const char *reads_check_paths(LedgerChunk *chunk, const LedgerColumnInput *columns, int self);

/* Calls it all with rows first .. first + count - 1. */
extern void reads_exercise(LedgerChunk *chunk, int first, int count,
						   const LedgerDecoded *references);

#endif							/* LEDGER_TEST_READS_H */
