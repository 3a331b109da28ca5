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

/* Set the column of the last part, which "template" has just got. */
static bool
set_column(LedgerLineSet *set, const LedgerLineTemplate *template, LedgerLineColumn *likes,
		   int nlikes)
{
	LedgerLinePart *part = &template->parts[template->nparts - 1];
	LedgerLineColumn *like = &likes[nlikes];

	memset(like, 0, sizeof(*like));
	like->kind = part->kind;
	like->parameter = part->parameter;
	like->nbefore = Min(part->before, LEDGER_LINES_BEFORE);
	memcpy(like->before, template->text.data + part->text + part->before - like->nbefore,
		   like->nbefore);
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

static bool
parse_template(LedgerLineSet *set, LedgerLineTemplate *template, MemoryContext context)
{
	LedgerLinePart parts[LEDGER_LINE_VARS + 1];
	LedgerLineColumn likes[LEDGER_LINE_VARS];
	const char *text = template->text.data;
	uint32		len = (uint32) template->text.len;
	uint32		from = 0;
	int			nlikes = 0;
	int			nlongs = 0;

	template->parts = parts;
	template->nparts = 0;
	for (uint32 i = 0; i <= len; i++)
	{
		LedgerLinePart *part = &parts[template->nparts];
		int			kind = i < len ? (uint8) text[i] : 0;

		if (i < len && (kind == '\t' || kind == '\n' || kind == '\r' || kind >= ' '))
			continue;
		part->text = from;
		part->before = i - from;
		part->kind = kind;
		part->parameter = 0;
		part->column = -1;
		template->nparts++;
		if (i == len)
			break;
		if (template->nparts > LEDGER_LINE_VARS || i + 1 >= len ||
			(uint8) text[i + 1] < LEDGER_LINE_PARAMETER)
			return false;
		part->parameter = (uint8) text[++i] - LEDGER_LINE_PARAMETER;
		if (!parameter_good(kind, part->parameter, nlongs))
			return false;
		/* how many there are depends on the line, but no more than these */
		nlongs += ledger_line_is_long(kind, LEDGER_LINE_LONG);
		if (kind != LEDGER_LINE_SAME && !set_column(set, template, likes, nlikes++))
			return false;
		from = i + 1;
	}
	template->parts = MemoryContextAlloc(context, template->nparts * sizeof(LedgerLinePart));
	memcpy(template->parts, parts, template->nparts * sizeof(LedgerLinePart));
	return true;
}

/*
 * Understand the templates; false if one of them is none, or there are too
 * many columns.
 */
bool
ledger_lines_parse(LedgerLineSet *set, const LedgerBytes *texts, int ntexts,
				   MemoryContext context)
{
	memset(set, 0, sizeof(*set));
	set->templates = MemoryContextAllocZero(context, (ntexts + 1) * sizeof(LedgerLineTemplate));
	set->columns = MemoryContextAllocZero(context, LEDGER_LINES_COLUMNS * sizeof(LedgerLineColumn));
	set->ntemplates = ntexts;
	for (int i = 0; i < ntexts; i++)
	{
		set->templates[i].text = texts[i];
		if (!parse_template(set, &set->templates[i], context))
			return false;
	}
	return true;
}
