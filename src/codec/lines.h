/*-------------------------------------------------------------------------
 *
 * lines.h
 *	  What the files of the log-line encoding share.  See lines_write.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_LINES_H
#define LEDGER_LINES_H

#include "codec/codec_internal.h"

/*
 * Kinds of variable.  In a template's text, a byte of this value and one of
 * 0x80 + parameter stand for the variable; a line that has such bytes of its
 * own is kept whole.  Stored: never renumber.
 */
typedef enum LedgerLineKind
{
	LEDGER_LINE_INT = 1,		/* as the server writes an int8 */
	LEDGER_LINE_FIXED = 2,		/* parameter: digits, the first of them 0 */
	LEDGER_LINE_DECIMAL = 3,	/* parameter: digits after the point */
	LEDGER_LINE_ADDRESS = 4,	/* of IPv4 */
	LEDGER_LINE_HEX = 5,		/* parameter: digits, lower case */
	LEDGER_LINE_UPPER_HEX = 6,	/* likewise, upper case */
	LEDGER_LINE_UUID = 7,		/* lower case */
	LEDGER_LINE_TIME = 8,		/* parameter: which pattern */
	LEDGER_LINE_TEXT = 11,		/* anything */
	LEDGER_LINE_SAME = 12		/* parameter: number of an earlier long variable */
} LedgerLineKind;

#define LEDGER_LINE_VARS		48	/* of a line */
#define LEDGER_LINE_MAX			16384	/* bytes of a line */
#define LEDGER_LINE_PARAMETER	0x80

/* Variables that LEDGER_LINE_SAME counts have at least so many bytes. */
#define LEDGER_LINE_LONG		8

typedef struct LedgerLineVar
{
	uint8		kind;
	uint8		parameter;
	uint32		start;
	uint32		len;
	uint64		value;			/* of the kinds that are numbers */
} LedgerLineVar;

extern int	ledger_line_scan(const char *line, uint32 len, LedgerLineVar *vars);
extern int	ledger_line_format(int kind, int parameter, uint64 value, char *dst);
extern int	ledger_line_npatterns(void);
extern void ledger_line_pack(int kind, const char *text, int len, uint8 *packed);
extern int	ledger_line_unpack(int kind, int parameter, const uint8 *packed, char *dst);

/* Longest text of a variable that is no LEDGER_LINE_TEXT. */
#define LEDGER_LINE_VAR_MAX		128

static inline bool
ledger_line_is_number(int kind)
{
	return kind <= LEDGER_LINE_ADDRESS || kind == LEDGER_LINE_TIME;
}

/* Bytes of one that is packed. */
static inline int
ledger_line_stride(int kind, int parameter)
{
	return kind == LEDGER_LINE_UUID ? 16 : (parameter + 1) / 2;
}

static inline bool
ledger_line_is_long(int kind, Size len)
{
	return len >= LEDGER_LINE_LONG &&
		(kind == LEDGER_LINE_INT || kind == LEDGER_LINE_FIXED || kind == LEDGER_LINE_ADDRESS ||
		 kind == LEDGER_LINE_HEX || kind == LEDGER_LINE_UPPER_HEX || kind == LEDGER_LINE_UUID);
}

/*
 * Templates and columns (lines_template.c).
 */
#define LEDGER_LINES_TEMPLATES	4096
#define LEDGER_LINES_COLUMNS	1024
#define LEDGER_LINES_BEFORE		6

typedef struct LedgerLinePart
{
	uint16		before;			/* bytes of text in front of the variable, */
	uint16		text;			/* and where they are in the template's */
	uint8		kind;			/* 0: no variable, this is the end */
	uint8		parameter;
	int16		column;			/* -1 for LEDGER_LINE_SAME */
} LedgerLinePart;

/* Variables that are stored together, whatever template they belong to. */
typedef struct LedgerLineColumn
{
	uint8		kind;
	uint8		parameter;
	uint8		ordinal;		/* among those of a line that are alike */
	uint8		nbefore;
	char		before[LEDGER_LINES_BEFORE];	/* text in front */
} LedgerLineColumn;

/*
 * There can be thousands of templates for a reader who wants one line, so what is
 * kept of them is small.
 */
typedef struct LedgerLineSet
{
	int			ntemplates;
	const char *texts;			/* of all templates, */
	const uint32 *text_starts;	/* where each one's starts, and the last ends */
	LedgerLinePart *parts;		/* of all, each up to one without variable, */
	uint32	   *part_starts;	/* and where each one's start */
	int			ncolumns;
	LedgerLineColumn *columns;
} LedgerLineSet;

static inline const char *
ledger_line_text(const LedgerLineSet *set, int template)
{
	return set->texts + set->text_starts[template];
}

static inline const LedgerLinePart *
ledger_line_parts(const LedgerLineSet *set, int template)
{
	return set->parts + set->part_starts[template];
}

extern bool ledger_lines_parse(LedgerLineSet *set, const char *texts, const uint32 *text_starts,
							   int ntemplates, MemoryContext context);

/* The decoder's (lines_read.c). */
extern int	ledger_lines_templates(const LedgerLinesReader *r);
extern const LedgerLineSet *ledger_lines_set(LedgerChunk *chunk);
extern const uint16 *ledger_lines_rows(LedgerChunk *chunk, int first, int count);

/* How a column's values are stored: never renumber. */
#define LEDGER_LINES_DIRECT		0
#define LEDGER_LINES_DICT		1	/* codes of a dictionary */
#define LEDGER_LINES_CONSTANT	2	/* the dictionary's one entry */

/* Most bytes of either part of the preamble. */
#define LEDGER_LINES_DICT_MAX	(1024 * 1024)

#endif							/* LEDGER_LINES_H */
