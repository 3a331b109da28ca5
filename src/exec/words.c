/*-------------------------------------------------------------------------
 *
 * words.c
 *	  Filters that look for words: LIKE, ILIKE, ~, ~*, ledger.has_token().
 *
 * A pattern is taken apart into pieces: texts that every value which matches
 * has, in their order.  If it has nothing but pieces and what stands for any
 * text, as '%refund%' or '^refund.*due', that is all there is to ask; else
 * the operator is asked about the values that have the pieces.  Where letters
 * match in either case, only ASCII is understood: what other letters become in
 * lower case depends on the collation.
 *
 * All is by bytes.  That is what LIKE and ~ compare, as they refuse collations
 * under which equal texts may differ (or it is not done, see filter.c).
 *
 * Before a row is looked at, the pieces tell what to skip: chunks by their
 * tokens, if a token lies within a piece; and, of log lines, the rows of those
 * templates that cannot have a piece.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "exec/exec_internal.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

struct LedgerWords
{
	int			npieces;
	LedgerString *pieces;
	bool		from_start;		/* the first piece is what the value begins with */
	bool		to_end;			/* the last is what it ends with */
	bool		exact;			/* there is no more to it */
	bool		fold;			/* ASCII letters match in either case */
	bool		is_token;		/* the one piece is a token of the value */
	int			ntokens;
	LedgerString *tokens;		/* that every value has */
};

/* ---- Patterns ---- */

/* A pattern as it is read. */
typedef struct Parser
{
	const char *data;
	Size		len;
	Size		next;
	LedgerWords *words;
	char	   *piece;			/* the piece at hand, */
	Size		piece_len;
	char	   *room;			/* and where the next will be */
	bool		gap;			/* something else came before it */
} Parser;

static void
end_piece(Parser *p)
{
	LedgerWords *words = p->words;

	if (p->piece_len == 0)
		return;
	words->pieces[words->npieces].data = p->piece;
	words->pieces[words->npieces].len = p->piece_len;
	words->npieces++;
	p->piece = p->room;
	p->piece_len = 0;
}

/* Something that is no text of its own, and stands for any text or not. */
static void
add_gap(Parser *p, bool any_text)
{
	end_piece(p);
	if (p->words->npieces == 0)
		p->words->from_start = false;
	p->words->exact &= any_text;
	p->gap = true;
}

static void
add_character(Parser *p, const char *c, int len)
{
	if (p->words->fold && IS_HIGHBIT_SET(*c))
	{
		add_gap(p, false);
		return;
	}
	memcpy(p->room, c, len);
	p->room += len;
	p->piece_len += len;
	p->gap = false;
}

static void
begin_pattern(Parser *p, LedgerString pattern, LedgerWords *words)
{
	memset(p, 0, sizeof(*p));
	p->data = pattern.data;
	p->len = pattern.len;
	p->words = words;
	p->piece = p->room = palloc(pattern.len + 1);
	words->pieces = palloc((pattern.len + 1) * sizeof(LedgerString));
	words->exact = !words->fold;
}

static int
character_length(const Parser *p)
{
	return Min(pg_mblen(p->data + p->next), (int) (p->len - p->next));
}

/* False if it is no good pattern. */
static bool
parse_like(Parser *p)
{
	p->words->from_start = true;
	while (p->next < p->len)
	{
		char		c = p->data[p->next];
		int			n = 1;

		if (c == '%' || c == '_')
			add_gap(p, c == '%');
		else
		{
			if (c == '\\' && ++p->next == p->len)
				return false;
			n = character_length(p);
			add_character(p, p->data + p->next, n);
		}
		p->next += n;
	}
	p->words->to_end = !p->gap;
	end_piece(p);
	return true;
}

/* The quantifier at hand, if there is one; a second "?" makes it no other. */
static char
take_quantifier(Parser *p)
{
	char		c;

	if (p->next == p->len || strchr("*+?", p->data[p->next]) == NULL)
		return '\0';
	c = p->data[p->next++];
	if (p->next < p->len && p->data[p->next] == '?')
		p->next++;
	return c;
}

static void
parse_literal(Parser *p, const char *c, int len)
{
	p->next += len;
	switch (take_quantifier(p))
	{
		case '\0':
			add_character(p, c, len);
			break;
		case '+':
			add_character(p, c, len);
			/* FALLTHROUGH */
		default:
			add_gap(p, false);
			break;
	}
}

/* What follows a backslash; false if that is not understood. */
static bool
parse_escape(Parser *p)
{
	char		c;

	if (++p->next == p->len)
		return false;
	c = p->data[p->next];
	if (IS_HIGHBIT_SET(c))
		return false;
	if (!isalnum((unsigned char) c))
	{
		parse_literal(p, p->data + p->next, 1);
		return true;
	}
	if (strchr("dDsSwWmMyY", c) == NULL)
		return false;
	p->next++;
	take_quantifier(p);
	add_gap(p, false);
	return true;
}

/* False if there is more to the expression than is understood here. */
static bool
parse_regex(Parser *p)
{
	if (p->len > 0 && p->data[0] == '^')
	{
		p->words->from_start = true;
		p->next = 1;
	}
	while (p->next < p->len)
	{
		char		c = p->data[p->next];

		if (c == '$' && p->next == p->len - 1)
		{
			p->words->to_end = !p->gap;
			break;
		}
		if (strchr("^$*+?()[]{}|", c) != NULL)
			return false;
		if (c == '.')
		{
			p->next++;
			add_gap(p, take_quantifier(p) == '*');
		}
		else if (c != '\\')
			parse_literal(p, p->data + p->next, character_length(p));
		else if (!parse_escape(p))
			return false;
	}
	end_piece(p);
	return true;
}

/* ---- Tokens of pieces ---- */

static bool
is_token_byte(const LedgerWords *words, char c)
{
	return ledger_has_token(&c, 1, &c, 1) && !(words->fold && isalpha((unsigned char) c));
}

/* Where a run of a piece's bytes surely is a token of the value, keep it. */
static void
find_tokens(LedgerWords *words, int piece)
{
	const char *data = words->pieces[piece].data;
	Size		len = words->pieces[piece].len;
	Size		start = 0;

	while (start < len)
	{
		Size		end = start;
		bool		bounded;

		while (end < len && ledger_has_token(data + end, 1, data + end, 1))
			end++;
		bounded = end > start &&
			(start > 0 || (piece == 0 && words->from_start)) &&
			(end < len || (piece == words->npieces - 1 && words->to_end));
		for (Size i = start; i < end && bounded; i++)
			bounded = is_token_byte(words, data[i]);
		if (bounded)
		{
			words->tokens[words->ntokens].data = data + start;
			words->tokens[words->ntokens].len = end - start;
			words->ntokens++;
		}
		start = end + 1;
	}
}

static void
find_all_tokens(LedgerWords *words)
{
	Size		total = 0;

	for (int i = 0; i < words->npieces; i++)
		total += words->pieces[i].len;
	words->tokens = palloc((total + 1) * sizeof(LedgerString));
	for (int i = 0; i < words->npieces; i++)
		find_tokens(words, i);
}

/* ---- ledger.has_token() ---- */

LEDGER_FUNCTION(ledger_text_has_token);

Datum
ledger_text_has_token(PG_FUNCTION_ARGS)
{
	text	   *haystack = PG_GETARG_TEXT_PP(0);
	text	   *token = PG_GETARG_TEXT_PP(1);

	PG_RETURN_BOOL(ledger_has_token(VARDATA_ANY(haystack), VARSIZE_ANY_EXHDR(haystack),
									VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token)));
}

/*
 * Is it that function, and nothing that only has its name, or runs with
 * settings or rights of its own?
 */
bool
ledger_is_has_token(Oid function)
{
	char	   *name = get_func_name(function);
	FmgrInfo	info;

	if (name == NULL || strcmp(name, "has_token") != 0)
		return false;
	fmgr_info(function, &info);
	return info.fn_addr == ledger_text_has_token;
}

/* ---- Constants ---- */

/* Can bytes be looked for anywhere in a text, and be found where characters are? */
static bool
bytes_are_enough(void)
{
	return GetDatabaseEncoding() == PG_UTF8 || pg_database_encoding_max_length() == 1;
}

static LedgerWords *
words_of_pattern(Oid opno, LedgerString pattern)
{
	LedgerWords *words = palloc0(sizeof(LedgerWords));
	bool		is_like = opno == OID_TEXT_LIKE_OP || opno == OID_TEXT_ICLIKE_OP;
	Parser		parser;

	words->fold = opno == OID_TEXT_ICLIKE_OP || opno == OID_TEXT_ICREGEXEQ_OP;
	begin_pattern(&parser, pattern, words);
	if (!(is_like ? parse_like(&parser) : parse_regex(&parser)))
		return NULL;
	words->exact &= bytes_are_enough();
	if (words->npieces == 0 && !words->exact)
		return NULL;
	find_all_tokens(words);
	return words;
}

static LedgerWords *
words_of_token(LedgerString token)
{
	LedgerWords *words;

	/* what is none itself is nowhere one */
	if (!ledger_has_token(token.data, token.len, token.data, token.len))
		return NULL;
	words = palloc0(sizeof(LedgerWords));
	words->is_token = words->exact = true;
	words->pieces = palloc(sizeof(LedgerString));
	words->pieces[0] = token;
	words->npieces = 1;
	words->tokens = words->pieces;
	words->ntokens = 1;
	return words;
}

/*
 * What a filter's constant, which is no error to the operator, comes to as
 * words.  NULL if that is nothing to a pattern, or if no text has such a token.
 * In CurrentMemoryContext.
 */
LedgerWords *
ledger_words_of(const LedgerFilter *filter)
{
	LedgerString string = ledger_string_of(&filter->input, filter->constants.values[0]);

	if (filter->is_token)
		return words_of_token(string);
	return filter->by_bytes ? words_of_pattern(filter->opno, string) : NULL;
}

/* ---- Values ---- */

static bool
equal_folded(const char *data, const LedgerString *piece)
{
	for (Size i = 0; i < piece->len; i++)
		if (pg_ascii_tolower((unsigned char) data[i]) !=
			pg_ascii_tolower((unsigned char) piece->data[i]))
			return false;
	return true;
}

static const char *
find_folded(const char *data, Size len, const LedgerString *piece)
{
	for (const char *p = data; (Size) (data + len - p) >= piece->len; p++)
		if (equal_folded(p, piece))
			return p;
	return NULL;
}

static bool
starts_with(const LedgerWords *words, const char *data, Size len, const LedgerString *piece)
{
	if (len < piece->len)
		return false;
	return words->fold ? equal_folded(data, piece) : memcmp(data, piece->data, piece->len) == 0;
}

/* Are the pieces in the text, one after the other? */
static bool
has_pieces(const LedgerWords *words, const char *data, Size len)
{
	const LedgerString *piece = words->pieces;
	int			n = words->npieces;

	if (n == 0)
		return !words->from_start || !words->to_end || len == 0;
	if (words->from_start)
	{
		if (!starts_with(words, data, len, piece))
			return false;
		data += piece->len;
		len -= piece->len;
		piece++;
		if (--n == 0)
			return !words->to_end || len == 0;
	}
	if (words->to_end)
	{
		const LedgerString *last = &piece[--n];

		if (len < last->len || !starts_with(words, data + len - last->len, last->len, last))
			return false;
		len -= last->len;
	}
	for (; n > 0; n--, piece++)
	{
		const char *found = words->fold ? find_folded(data, len, piece) :
			memmem(data, len, piece->data, piece->len);

		if (found == NULL)
			return false;
		len -= found + piece->len - data;
		data = found + piece->len;
	}
	return true;
}

static bool
has_high_bytes(const char *data, Size len)
{
	for (Size i = 0; i < len; i++)
		if (IS_HIGHBIT_SET(data[i]))
			return true;
	return false;
}

static bool
value_passes(LedgerFilter *filter, Datum value)
{
	const LedgerWords *words = filter->constants.words;
	LedgerString string = ledger_string_of(&filter->input, value);

	if (words->is_token)
		return ledger_has_token(string.data, string.len, words->pieces[0].data,
								words->pieces[0].len);
	if (!has_pieces(words, string.data, string.len) &&
		!(words->fold && has_high_bytes(string.data, string.len)))
		return false;
	return words->exact ||
		ledger_operator_holds(filter->call, value, filter->constants.values[0]);
}

/* Shorten a list of values' numbers to those of values that pass. */
int
ledger_words_match(LedgerFilter *filter, const Datum *values, const bool *isnull,
				   uint16 *rows, int n)
{
	int			kept = 0;

	for (int i = 0; i < n; i++)
	{
		uint16		row = rows[i];

		CHECK_FOR_INTERRUPTS();
		if (!isnull[row] && value_passes(filter, values[row]))
			rows[kept++] = row;
	}
	return kept;
}

/* ---- Tokens of chunks ---- */

/* Can a chunk, of text, have all the tokens? */
bool
ledger_words_may_be_in(const LedgerFilter *filter, LedgerChunk *chunk)
{
	const LedgerWords *words = filter->constants.words;

	for (int i = 0; i < words->ntokens; i++)
		if (!ledger_chunk_may_have_token(chunk, words->tokens[i].data, words->tokens[i].len))
			return false;
	return true;
}

/* ---- Templates ---- */

/*
 * Log lines of a column, or of a path's sub-column.  Codes are those of some of
 * its rows, by row from "first" on.
 */
typedef struct Lines
{
	LedgerChunk *chunk;			/* NULL: these values are to be read */
	uint8	   *verdicts;		/* by template */
	int			first;
	int			count;
	uint32	   *codes;
} Lines;

struct LedgerTemplates
{
	LedgerPath *path;			/* or NULL */
	int			nlines;			/* by branch of the path */
	Lines	   *lines;
};

static LedgerMatch
judge_template(const LedgerWords *words, LedgerChunk *chunk, int template)
{
	LedgerMatch match = LEDGER_MATCH_NO;

	for (int i = 0; i < words->npieces; i++)
	{
		match = ledger_chunk_template_contains(chunk, template, words->pieces[i].data,
											   words->pieces[i].len, words->fold);
		if (match == LEDGER_MATCH_NO)
			return match;
	}
	/* a token has bounds, pieces their order and places */
	if (!words->exact || words->is_token || words->npieces > 1 || words->from_start ||
		words->to_end)
		return LEDGER_MATCH_MAYBE;
	return match;
}

/* Judge a chunk's templates, if there are not too many for so few rows. */
static bool
judge_templates(const LedgerWords *words, LedgerChunk *chunk, int nrows, Lines *lines,
				MemoryContext context)
{
	int			n = ledger_chunk_templates(chunk);

	if (n == 0 || n > nrows)
		return false;
	lines->chunk = chunk;
	lines->verdicts = MemoryContextAlloc(context, n);
	lines->codes = MemoryContextAlloc(context, LEDGER_VECTOR_ROWS * sizeof(uint32));
	for (int i = 0; i < n; i++)
		lines->verdicts[i] = judge_template(words, chunk, i);
	return true;
}

/* Likewise of all that a path leads to. */
static bool
judge_branches(const LedgerWords *words, LedgerChunk *documents, int nrows,
			   LedgerTemplates *templates, MemoryContext context)
{
	LedgerPathInfo info;
	bool		any = false;

	ledger_path_info(templates->path, &info);
	templates->nlines = info.nbranches;
	templates->lines = MemoryContextAllocZero(context, info.nbranches * sizeof(Lines));
	for (int i = 0; i < info.nbranches; i++)
	{
		const LedgerPathBranch *branch = &info.branches[i];
		LedgerSubcolumn subcolumn;

		if (branch->kind != LEDGER_PATH_SUBCOLUMN || branch->class != LEDGER_PATH_STRING)
			continue;
		ledger_chunk_subcolumn(documents, branch->subcolumn, &subcolumn);
		any |= judge_templates(words, subcolumn.chunk, nrows, &templates->lines[i], context);
	}
	return any;
}

/*
 * Find out which templates of a segment's log lines can have rows that pass.
 * One of them stands for any line, so nothing is known of the whole segment.
 */
void
ledger_words_judge_templates(LedgerFilter *filter, LedgerSegmentReader *reader, Relation rel,
							 int nrows, MemoryContext context)
{
	const LedgerWords *words = filter->constants.words;
	LedgerChunk *chunk = ledger_input_chunk(&filter->input, reader, rel);
	LedgerTemplates *templates;
	bool		any = false;

	if (chunk == NULL || words->npieces == 0)
		return;
	templates = MemoryContextAllocZero(context, sizeof(LedgerTemplates));
	templates->path = ledger_input_path(&filter->input, reader, rel);
	if (templates->path != NULL)
		any = judge_branches(words, chunk, nrows, templates, context);
	else if (filter->input.kind == LEDGER_INPUT_COLUMN)
	{
		templates->nlines = 1;
		templates->lines = MemoryContextAllocZero(context, sizeof(Lines));
		any = judge_templates(words, chunk, nrows, templates->lines, context);
	}
	if (any)
		filter->templates = templates;
}

/* What is known of a row of lines; rows are asked for in ascending order up to "last". */
static LedgerMatch
match_line(Lines *lines, int row, int last)
{
	uint32		code;

	if (row >= lines->first + lines->count)
	{
		int			vector_end = (row / LEDGER_VECTOR_ROWS + 1) * LEDGER_VECTOR_ROWS;

		lines->first = row;
		lines->count = Min(last + 1, vector_end) - row;
		ledger_chunk_template_codes(lines->chunk, row, lines->count, lines->codes);
	}
	code = lines->codes[row - lines->first];
	return code == LEDGER_CODE_NULL ? LEDGER_MATCH_NO : lines->verdicts[code];
}

/* Where the batch's rows are: of which lines, and which of their rows. */
typedef struct Places
{
	uint16		branches[LEDGER_VECTOR_ROWS];
	uint32		positions[LEDGER_VECTOR_ROWS];
} Places;

static void
find_places(const LedgerTemplates *templates, int position, int count, Places *places)
{
	if (templates->path != NULL)
	{
		ledger_path_locate(templates->path, position, count, places->branches, places->positions);
		return;
	}
	for (int i = 0; i < count; i++)
	{
		places->branches[i] = 0;
		places->positions[i] = position + i;
	}
}

/*
 * Divide a batch's rows: those whose template says that they pass stay in the
 * list, those of which it says nothing go to another, and the rest are gone.
 */
int
ledger_words_match_templates(const LedgerFilter *filter, const LedgerBatch *batch,
							 uint16 *rows, int n, uint16 *unknown, int *nunknown)
{
	LedgerTemplates *templates = filter->templates;
	Places		places;
	int		   *last = palloc0(templates->nlines * sizeof(int));
	int			first = rows[0];
	int			kept = 0;

	find_places(templates, batch->position + first, rows[n - 1] - first + 1, &places);
	for (int i = 0; i < n; i++)
		last[places.branches[rows[i] - first]] = places.positions[rows[i] - first];
	for (int i = 0; i < templates->nlines; i++)
		templates->lines[i].first = templates->lines[i].count = 0;
	*nunknown = 0;
	for (int i = 0; i < n; i++)
	{
		uint16		row = rows[i];
		int			branch = places.branches[row - first];
		Lines	   *lines = &templates->lines[branch];
		LedgerMatch match = lines->chunk == NULL ? LEDGER_MATCH_MAYBE :
			match_line(lines, places.positions[row - first], last[branch]);

		if (match == LEDGER_MATCH_YES)
			rows[kept++] = row;
		else if (match == LEDGER_MATCH_MAYBE)
			unknown[(*nunknown)++] = row;
	}
	pfree(last);
	return kept;
}
