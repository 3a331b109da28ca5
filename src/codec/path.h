/*-------------------------------------------------------------------------
 *
 * path.h
 *	  What path_open.c, path_read.c and path_value.c share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_PATH_H
#define LEDGER_PATH_H

#include "codec/shred.h"

/* A vector of a sub-column whose values are by value, or codes. */
typedef struct LedgerPathCache
{
	int			vector;			/* -1: none */
	uint64		values[LEDGER_VECTOR_ROWS];
} LedgerPathCache;

/* What ledger_path_locate has found of rows first .. first + count - 1. */
typedef struct LedgerPathPlaces
{
	int			first;
	int			count;
	bool		has_positions;
	uint16		branches[LEDGER_VECTOR_ROWS];
	uint32		positions[LEDGER_VECTOR_ROWS];
} LedgerPathPlaces;

/* Rows by branch: those of branch b are rows[starts[b] .. starts[b + 1] - 1]. */
typedef struct LedgerPathRows
{
	int			rows[LEDGER_VECTOR_ROWS];
	int			starts[LEDGER_SHRED_SHAPES + 3];	/* of each branch, and two for counting */
} LedgerPathRows;

/* What a shape takes of a sub-column. */
typedef struct LedgerPathUse
{
	uint16		count;
	uint16		ordinal;		/* of the path's value among these; not less than them: none */
} LedgerPathUse;

#define LEDGER_PATH_NO_VALUE	PG_UINT16_MAX

struct LedgerPath
{
	LedgerChunk *chunk;
	MemoryContext context;
	LedgerPathInfo info;
	LedgerPathBranch *branches;
	LedgerBytes *constants;		/* of each branch, as a shape has it */

	/* of each shape */
	uint16	   *shape_branch;
	uint8	   *shape_exists;	/* LedgerPathExists */

	/* the sub-columns of branches, and what each shape takes of them */
	int			ntracked;
	uint16	   *tracked;		/* number of the sub-column */
	LedgerPathUse **uses;		/* [tracked][shape] */

	LedgerPathPlaces *places;	/* where rows asked about last are; NULL until needed */
	LedgerPathCache **value_caches;	/* by branch, NULL until needed */
	LedgerPathCache **code_caches;

	/* codes: branch b's start at first_code[b], where there are some */
	bool		numbered;
	uint32		ncodes;
	uint32	   *first_code;
	uint32	   *branch_codes;	/* how many; 0: none */
};

/* Rows of a branch whose values lie close together in a vector of its sub-column. */
typedef struct LedgerPathRun
{
	int			nrows;
	const int  *rows;			/* of the call, ascending */
	int			first;			/* the first row's in the sub-column */
	int			count;			/* values from there to the last row's */
} LedgerPathRun;

extern int	ledger_path_group(const LedgerPath *path, int count, const uint16 *branches,
							  const bool *wanted, LedgerPathRows *groups);
extern bool ledger_path_next_run(const int *rows, int nrows, const uint32 *positions,
								 LedgerPathRun *run);

typedef void (*LedgerPathFill) (LedgerChunk *sub, int first, int count, uint64 *values);

extern void ledger_path_fetch(LedgerPath *path, LedgerPathCache **cache, int branch,
							  const int *rows, int nrows, const uint32 *positions,
							  LedgerPathFill fill, uint64 *values);

/* Values (path_value.c). */
extern bool ledger_numeric_text(LedgerBytes numeric, LedgerArena *arena, Datum *text);
extern Datum ledger_number_text(int64 number, int scale, LedgerArena *arena);
extern Datum ledger_bytes_text(LedgerBytes bytes, LedgerArena *arena);
extern Datum ledger_scalar_jsonb(uint32 type, LedgerBytes bytes, LedgerArena *arena);
extern bool ledger_numeric_jsonb(LedgerBytes numeric, LedgerArena *arena, Datum *value);
extern bool ledger_numeric_datum(LedgerBytes numeric, LedgerArena *arena, Datum *value);

#endif							/* LEDGER_PATH_H */
