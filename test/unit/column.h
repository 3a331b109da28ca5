/*
 * column.h
 *	  Columns of made-up values for the tests.
 */
#ifndef LEDGER_TEST_COLUMN_H
#define LEDGER_TEST_COLUMN_H

#include "shim.h"

#include "codec/codec_internal.h"

/* A column, and what belongs to it. */
typedef struct Column
{
	LedgerColumnInput input;
	Datum	   *values;
	bool	   *isnull;
	char		name[64];
} Column;

extern int	column_ntypes(void);
extern int	column_npatterns(int type);
extern LedgerColumnType column_type(int type);
extern const char *column_type_name(int type);
extern int	column_nnulls(void);

/* Values come from malloc and stay until column_free. */
extern void column_make(Column *column, int type, int pattern, int nulls, int nrows);
extern void column_free(Column *column);

/* A text column that holds the values of others, as jsonb of bot entries does. */
extern void column_make_entry(Column *column, const Column *others, int nothers,
							  int nrows, bool large);

/* jsonb documents, of which some hold values of the others. */
extern int	column_njson(void);
extern void column_make_json(Column *column, int pattern, const Column *others, int nothers,
							 int nrows);

extern bool column_same(const LedgerColumnInput *input, int row, Datum value, bool isnull);

#endif							/* LEDGER_TEST_COLUMN_H */
