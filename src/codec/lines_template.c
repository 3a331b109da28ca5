/*-------------------------------------------------------------------------
 *
 * lines_template.c
 *	  Templates of log lines, and which column each variable belongs to.
 *
 * Variables of different templates share a column if they are of one kind and
 * the same text precedes them: times at the start of lines stay in order, and
 * an id is found near its last occurrence.  Encoder and decoder work the
 * columns out alike, from the templates' texts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/lines.h"
#include "utils/memutils.h"

/* Find a column, or add it; -1 if there are too many. */
static int
find_column(LedgerLineSet *set, const LedgerLineColumn *wanted)
{
	for (int i = 0; i < set->ncolumns; i++)
		if (memcmp(&set->columns[i], wanted, sizeof(LedgerLineColumn)) == 0)
			return i;
	if (set->ncolumns == LEDGER_LINES_COLUMNS)
		return -1;
	set->columns[set->ncolumns] = *wanted;
	return set->ncolumns++;
}

/* Set the column of a part that a template has just got. */
static bool
set_column(LedgerLineSet *set, const char *text, LedgerLinePart *part,
		   LedgerLineColumn *likes, int nlikes)
{
	LedgerLineColumn *like = &likes[nlikes];

	memset(like, 0, sizeof(*like));
	like->kind = part->kind;
	like->parameter = part->parameter;
	like->nbefore = Min(part->before, LEDGER_LINES_BEFORE);
	memcpy(like->before, text + part->text + part->before - like->nbefore, like->nbefore);
	for (int i = nlikes - 1; i >= 0; i--)
	{
		LedgerLineColumn other = likes[i];

		other.ordinal = 0;
		if (memcmp(&other, like, sizeof(other)) == 0)
		{
			like->ordinal = likes[i].ordinal + 1;
			break;
		}
	}
	part->column = find_column(set, like);
	return part->column >= 0;
}

static bool
parameter_good(int kind, int parameter, int nlongs)
{
	switch (kind)
	{
		case LEDGER_LINE_INT:
		case LEDGER_LINE_ADDRESS:
		case LEDGER_LINE_UUID:
		case LEDGER_LINE_TEXT:
			return parameter == 0;
		case LEDGER_LINE_FIXED:
			return parameter >= 1 && parameter <= 18;
		case LEDGER_LINE_DECIMAL:
			return parameter >= 1 && parameter <= 18;
		case LEDGER_LINE_HEX:
		case LEDGER_LINE_UPPER_HEX:
			return parameter >= 1;
		case LEDGER_LINE_TIME:
			return parameter < ledger_line_npatterns();
		case LEDGER_LINE_SAME:
			return parameter < nlongs;
		default:
			return false;
	}
}

/* Is it one of the bytes that stand for a variable, followed by a parameter? */
static inline bool
is_variable(uint8 byte)
{
	return byte < ' ' && byte != '\t' && byte != '\n' && byte != '\r';
}

/* The first place from "i" on where a variable is, or the end. */
static inline uint32
find_variable(const char *text, uint32 len, uint32 i)
{
	while (i < len && !is_variable((uint8) text[i]))
		i++;
	return i;
}

/* Parts that the templates have, if they are such: at most so many, if not. */
static uint32
count_parts(const char *texts, uint32 len, int ntemplates)
{
	uint32		n = ntemplates;

	for (uint32 i = find_variable(texts, len, 0); i < len; i = find_variable(texts, len, i + 1))
		n++;
	return n;
}

/* Its parts go to "parts"; returns how many there are, or -1. */
static int
parse_template(LedgerLineSet *set, const char *text, uint32 len, LedgerLinePart *parts)
{
	LedgerLineColumn likes[LEDGER_LINE_VARS];
	uint32		from = 0;
	int			nparts = 0;
	int			nlikes = 0;
	int			nlongs = 0;

	if (len > PG_UINT16_MAX)
		return -1;
	for (;;)
	{
		LedgerLinePart *part = &parts[nparts];
		uint32		i = find_variable(text, len, from);
		int			kind = i < len ? (uint8) text[i] : 0;

		part->text = (uint16) from;
		part->before = (uint16) (i - from);
		part->kind = kind;
		part->parameter = 0;
		part->column = -1;
		nparts++;
		if (i == len)
			break;
		if (nparts > LEDGER_LINE_VARS || i + 1 >= len ||
			(uint8) text[i + 1] < LEDGER_LINE_PARAMETER)
			return -1;
		part->parameter = (uint8) text[++i] - LEDGER_LINE_PARAMETER;
		if (!parameter_good(kind, part->parameter, nlongs))
			return -1;
		/* how many there are depends on the line, but no more than these */
		nlongs += ledger_line_is_long(kind, LEDGER_LINE_LONG);
		if (kind != LEDGER_LINE_SAME && !set_column(set, text, part, likes, nlikes++))
			return -1;
		from = i + 1;
	}
	return nparts;
}

/*
 * Understand the templates, whose texts, which the set goes on to use, follow each
 * other; false if one of them is none, or there are too many columns.
 */
bool
ledger_lines_parse(LedgerLineSet *set, const char *texts, const uint32 *text_starts,
				   int ntemplates, MemoryContext context)
{
	uint32		most = count_parts(texts, text_starts[ntemplates], ntemplates);
	uint32		nparts = 0;

	Assert(text_starts[0] == 0);
	memset(set, 0, sizeof(*set));
	set->ntemplates = ntemplates;
	set->texts = texts;
	set->text_starts = text_starts;
	set->columns = MemoryContextAlloc(context, Min(most, LEDGER_LINES_COLUMNS) *
									  sizeof(LedgerLineColumn));
	set->parts = MemoryContextAlloc(context, most * sizeof(LedgerLinePart));
	set->part_starts = MemoryContextAlloc(context, ntemplates * sizeof(uint32));
	for (int i = 0; i < ntemplates; i++)
	{
		int			n = parse_template(set, ledger_line_text(set, i),
									   text_starts[i + 1] - text_starts[i], set->parts + nparts);

		if (n < 0)
			return false;
		set->part_starts[i] = nparts;
		nparts += n;
	}
	return true;
}
