/*-------------------------------------------------------------------------
 *
 * lines_match.c
 *	  Can log lines of a template contain a word?
 *
 * A template is taken as a pattern: its text byte by byte, and in place of a
 * variable any number of the bytes that the variable's kind is written with.
 * Where the word is no part of any text that fits, it is in no line.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/lines.h"

/* An element that is a variable has its kind, and this. */
#define VARIABLE	0x100

static inline bool
is_between(uint8 c, char first, char last)
{
	return c >= (uint8) first && c <= (uint8) last;
}

/* Can a variable of the kind have this byte? */
static bool
kind_has(int kind, uint8 c)
{
	bool		digit = is_between(c, '0', '9');

	switch (kind)
	{
		case LEDGER_LINE_INT:
			return digit || c == '-';
		case LEDGER_LINE_FIXED:
			return digit;
		case LEDGER_LINE_DECIMAL:
			return digit || c == '-' || c == '.';
		case LEDGER_LINE_ADDRESS:
			return digit || c == '.';
		case LEDGER_LINE_HEX:
			return digit || is_between(c, 'a', 'f');
		case LEDGER_LINE_UPPER_HEX:
			return digit || is_between(c, 'A', 'F');
		case LEDGER_LINE_UUID:
			return digit || is_between(c, 'a', 'f') || c == '-';
		case LEDGER_LINE_SAME:
			/* what is repeated is of one of the kinds above */
			return digit || is_between(c, 'a', 'f') || is_between(c, 'A', 'F') || c == '-' || c == '.';
		case LEDGER_LINE_TIME:
			return digit || is_between(c, 'a', 'z') || is_between(c, 'A', 'Z') ||
				(c != '\0' && strchr(" -:/,._", c) != NULL);
		default:
			return true;
	}
}

static inline uint8
other_case(uint8 c)
{
	if (is_between(c, 'a', 'z') || is_between(c, 'A', 'Z'))
		return c ^ ('a' ^ 'A');
	return c;
}

static bool
bytes_contain(const char *text, Size len, const char *word, Size word_len)
{
	for (Size i = 0; i + word_len <= len; i++)
	{
		if (memcmp(text + i, word, word_len) == 0)
			return true;
	}
	return false;
}

/* Can the element's next byte be this one? */
static inline bool
element_has(uint16 element, uint8 c)
{
	return element >= VARIABLE ? kind_has(element - VARIABLE, c) : element == c;
}

/* Is the word part of a text that fits the n elements? */
static bool
elements_fit(const uint16 *elements, int n, const char *word, Size len, bool fold)
{
	/* where[i]: what has been seen of the word can end just before element i */
	bool	   *where = palloc(n + 2);
	bool	   *next = palloc(n + 2);
	bool		any = true;

	memset(where, true, n + 1);
	for (Size w = 0; w < len && any; w++)
	{
		uint8		c = (uint8) word[w];
		uint8		other = fold ? other_case(c) : c;
		bool	   *swap = where;

		any = false;
		memset(next, false, n + 1);
		for (int i = 0; i < n; i++)
		{
			bool		variable = elements[i] >= VARIABLE;

			if (!where[i])
				continue;
			if (variable)
				where[i + 1] = true;	/* it may end here */
			if (element_has(elements[i], c) || element_has(elements[i], other))
				any = next[variable ? i : i + 1] = true;
		}
		where = next;
		next = swap;
	}
	pfree(where);
	pfree(next);
	return any;
}

int
ledger_chunk_templates(const LedgerChunk *chunk)
{
	return chunk->lines ? ledger_lines_templates(chunk->lines) : 0;
}

LedgerMatch
ledger_chunk_template_contains(LedgerChunk *chunk, int template, const char *word, Size len,
							   bool fold)
{
	const LedgerLineSet *set;
	const char *template_text;
	uint16	   *elements;
	int			n = 0;
	bool		text = false;
	bool		fits;

	Assert(template >= 0 && template < ledger_chunk_templates(chunk));
	if (len == 0)
		return LEDGER_MATCH_YES;
	set = ledger_lines_set(chunk);
	template_text = ledger_line_text(set, template);
	elements = palloc((ledger_line_text(set, template + 1) - template_text + 1) * sizeof(uint16));
	for (const LedgerLinePart *part = ledger_line_parts(set, template);; part++)
	{
		const char *before = template_text + part->text;

		if (!fold && bytes_contain(before, part->before, word, len))
		{
			pfree(elements);
			return LEDGER_MATCH_YES;
		}
		for (uint32 i = 0; i < part->before; i++)
		{
			/* other letters can become any, and more or fewer bytes */
			if (fold && IS_HIGHBIT_SET(before[i]))
				elements[n++] = VARIABLE + LEDGER_LINE_TEXT;
			else
				elements[n++] = (uint8) before[i];
		}
		if (part->kind == 0)
			break;
		text |= part->kind == LEDGER_LINE_TEXT;
		elements[n++] = VARIABLE + part->kind;
	}
	fits = text || elements_fit(elements, n, word, len, fold);
	pfree(elements);
	return fits ? LEDGER_MATCH_MAYBE : LEDGER_MATCH_NO;
}

void
ledger_chunk_template_codes(LedgerChunk *chunk, int first, int count, uint32 *templates)
{
	int			rows[LEDGER_VECTOR_ROWS];
	const uint16 *lines;
	int			dense;
	int			n;

	if (count == 0)
		return;
	Assert(chunk->lines);
	n = ledger_chunk_select(chunk, first, count, rows, &dense);
	if (n < count)
		for (int i = 0; i < count; i++)
			templates[i] = LEDGER_CODE_NULL;
	lines = ledger_lines_rows(chunk, dense, n);
	for (int i = 0; i < n; i++)
		templates[rows[i]] = lines[i];
}
