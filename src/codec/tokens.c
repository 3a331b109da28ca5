/*-------------------------------------------------------------------------
 *
 * tokens.c
 *	  Tokens of text, and filters of those that a chunk's values have.
 *
 * The filter is as in filter.c, but of tokens, and lies behind that one.  It
 * has all tokens, or, where these are too many, those without digits: ids and
 * numbers are many and differ, words recur.  Where even these take more than a
 * small part of the chunk's bytes, there is none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type_d.h"
#include "codec/codec_internal.h"
#include "codec/path.h"
#include "miscadmin.h"

/* A filter has at most this part of the chunk's other bytes, and so many blocks. */
#define SHARE			33
#define BLOCKS_MAX		4096

/* More bytes of text than this would take long to look at. */
#define TOTAL_MAX		((uint64) 256 * 1024 * 1024)

/* Trying so few distinct values one by one is as good. */
#define ENTRIES_MIN		256

/* Set in hashes of tokens that have a digit. */
#define HAS_DIGIT		UINT64CONST(1)

#define TOKEN			1
#define TOKEN_DIGIT		2

static const uint8 classes[256] = {
	['0' ... '9'] = TOKEN | TOKEN_DIGIT,
	['A' ... 'Z'] = TOKEN,
	['a' ... 'z'] = TOKEN,
	['_'] = TOKEN,
	[0x80 ... 0xFF] = TOKEN,
};

#define CLASS(c)	(classes[(uint8) (c)])

/* ---- tokens ---- */

/* Is it a token?  "digits" tells whether it has one. */
static bool
is_token(const char *token, Size len, bool *digits)
{
	uint8		seen = 0;

	for (Size i = 0; i < len; i++)
	{
		if (!CLASS(token[i]))
			return false;
		seen |= CLASS(token[i]);
	}
	*digits = (seen & TOKEN_DIGIT) != 0;
	return len > 0;
}

bool
ledger_has_token(const char *text, Size len, const char *token, Size token_len)
{
	const char *end = text + len;
	bool		digits;

	if (!is_token(token, token_len, &digits))
		return false;
	for (const char *p = text; (Size) (end - p) >= token_len; p++)
	{
		p = memchr(p, token[0], end - p - token_len + 1);
		if (p == NULL)
			return false;
		if (memcmp(p, token, token_len) == 0 && (p == text || !CLASS(p[-1])) &&
			(p + token_len == end || !CLASS(p[token_len])))
			return true;
	}
	return false;
}

/* Not 0, which is an empty slot. */
static inline uint64
hash_token(const char *token, Size len, bool digits)
{
	uint64		hash = ledger_hash_bytes(token, len, 0) & ~HAS_DIGIT;

	return (hash != 0 ? hash : 2 * HAS_DIGIT) | (digits ? HAS_DIGIT : 0);
}

/* ---- making ---- */

/* A set of hashes; 0 is an empty slot. */
typedef struct TokenSet
{
	uint64	   *slots;
	uint32		mask;
	uint32		count;
	uint32		max;			/* more are too many */
	bool		words;			/* tokens with digits are left out */
} TokenSet;

static void
add_hash(TokenSet *set, uint64 hash)
{
	uint32		place = (uint32) (hash >> 16) & set->mask;

	while (set->slots[place] != 0 && set->slots[place] != hash)
		place = (place + 1) & set->mask;
	if (set->slots[place] == 0)
	{
		set->slots[place] = hash;
		set->count++;
	}
}

/* Leave out tokens with digits. */
static void
keep_words(TokenSet *set)
{
	uint64	   *old = set->slots;

	set->slots = palloc0(sizeof(uint64) * ((Size) set->mask + 1));
	set->count = 0;
	set->words = true;
	for (Size i = 0; i <= set->mask; i++)
	{
		if (old[i] != 0 && !(old[i] & HAS_DIGIT))
			add_hash(set, old[i]);
	}
	pfree(old);
}

/* Add a text's tokens; false if there are too many. */
static bool
add_tokens(TokenSet *set, LedgerBytes text)
{
	const char *p = text.data;
	const char *end = p + text.len;

	while (p < end)
	{
		const char *start;
		uint8		seen = 0;

		while (p < end && !CLASS(*p))
			p++;
		for (start = p; p < end && CLASS(*p); p++)
			seen |= CLASS(*p);
		if (p == start || (set->words && (seen & TOKEN_DIGIT)))
			continue;
		add_hash(set, hash_token(start, p - start, (seen & TOKEN_DIGIT) != 0));
		if (set->count <= set->max)
			continue;
		if (!set->words)
			keep_words(set);
		if (set->count > set->max)
			return false;
	}
	return true;
}

static bool
is_worth_it(const LedgerEncoder *enc)
{
	switch (enc->input->type.typid)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return enc->encoding == LEDGER_ENC_LZ4 || enc->encoding == LEDGER_ENC_LINES ||
				(enc->encoding == LEDGER_ENC_DICTIONARY && enc->nentries >= ENTRIES_MIN &&
				 !enc->templated);	/* identifiers */
		default:
			return false;
	}
}

/* The tokens of the column's values, or of the dictionary's. */
static bool
collect_tokens(const LedgerEncoder *enc, TokenSet *set)
{
	const LedgerColumnInput *input = enc->input;
	bool		entries = enc->encoding == LEDGER_ENC_DICTIONARY;
	int			count = entries ? enc->nentries : input->nrows;

	for (int i = 0; i < count; i++)
	{
		int			row = entries ? (int) enc->entries[i] : i;

		if ((i & 1023) == 0)
			CHECK_FOR_INTERRUPTS();
		if (!input->isnull[row] && !add_tokens(set, ledger_encoder_value(enc, row)))
			return false;
	}
	return true;
}

/*
 * Make the filter of tokens, if it is any use; returns the number of its
 * blocks, or 0.  "stored" is what the chunk takes without it.
 */
uint32
ledger_token_filter_make(const LedgerEncoder *enc, uint64 stored, uint32 **filter, bool *words)
{
	uint64		max_blocks = Min(stored / SHARE / LEDGER_FILTER_BLOCK, BLOCKS_MAX);
	TokenSet	set = {NULL, 1023, 0, 0, false};
	uint32		nblocks = 0;

	if (max_blocks == 0 || enc->summary.total > TOTAL_MAX || !is_worth_it(enc))
		return 0;
	set.max = (uint32) (max_blocks * LEDGER_FILTER_BLOCK * 8 / LEDGER_FILTER_BITS);
	while (set.mask < 2 * set.max)
		set.mask = set.mask * 2 + 1;
	set.slots = palloc0(sizeof(uint64) * ((Size) set.mask + 1));
	if (collect_tokens(enc, &set) && set.count > 0)
	{
		nblocks = ledger_filter_blocks(set.count);
		*words = set.words;
		*filter = palloc0((Size) nblocks * LEDGER_FILTER_BLOCK);
		for (Size i = 0; i <= set.mask; i++)
		{
			if (set.slots[i] != 0)
				ledger_filter_add(*filter, nblocks, set.slots[i]);
		}
	}
	pfree(set.slots);
	return nblocks;
}

/* ---- asking ---- */

bool
ledger_chunk_has_tokens(const LedgerChunk *chunk)
{
	return chunk->tokens.nblocks > 0;
}

bool
ledger_chunk_may_have_token(LedgerChunk *chunk, const char *token, Size len)
{
	bool		digits;

	if (!is_token(token, len, &digits) || chunk->encoding == LEDGER_ENC_NULL)
		return false;
	if (chunk->encoding == LEDGER_ENC_CONSTANT && chunk->type.attlen == -1)
		return ledger_has_token(chunk->constant.data, chunk->constant.len, token, len);
	if (chunk->tokens.nblocks == 0 || (chunk->token_words && digits))
		return true;
	return ledger_filter_has(chunk, &chunk->tokens, hash_token(token, len, digits));
}

/* Can a value of the branch, as text, have the token? */
static bool
branch_may_have(LedgerPath *path, const LedgerPathBranch *branch, const char *token, Size len)
{
	switch (branch->kind)
	{
		case LEDGER_PATH_ABSENT:
		case LEDGER_PATH_NULL:
			return false;
		case LEDGER_PATH_CONSTANT:
			return ledger_has_token(VARDATA_ANY(DatumGetPointer(branch->text)),
									VARSIZE_ANY_EXHDR(DatumGetPointer(branch->text)), token, len);
		case LEDGER_PATH_COLUMN:
		case LEDGER_PATH_DOCUMENT:
			return true;
		case LEDGER_PATH_SUBCOLUMN:
			break;
	}
	switch (branch->class)
	{
		case LEDGER_PATH_STRING:
			return ledger_chunk_may_have_token(ledger_shred_subchunk(path->chunk, branch->subcolumn),
											   token, len);
		case LEDGER_PATH_BOOL:
			return ledger_has_token("true false", 10, token, len);
		case LEDGER_PATH_NUMBER:
			for (Size i = 0; i < len; i++)
			{
				if (!(CLASS(token[i]) & TOKEN_DIGIT))
					return false;
			}
			return true;
		default:
			return true;
	}
}

bool
ledger_path_may_have_token(LedgerPath *path, const char *token, Size len)
{
	bool		digits;

	if (!is_token(token, len, &digits))
		return false;
	for (int b = 0; b < path->info.nbranches; b++)
	{
		if (branch_may_have(path, &path->branches[b], token, len))
			return true;
	}
	return false;
}
