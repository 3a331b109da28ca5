/*-------------------------------------------------------------------------
 *
 * jsonb_walk.c
 *	  Take a jsonb document apart.
 *
 * The structure becomes a series of tokens, and the values leaves, both in the
 * order of the document.  That is done only for documents whose bytes follow
 * from these, by the rules of the server's jsonb_util.c: every 32nd JEntry of
 * a container has the offset of its value's end, the others its length; a
 * numeric or container starts at a multiple of four, after zero bytes that
 * count as its own.  The keys of an object are taken as they come.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/shred.h"
#include "utils/jsonb.h"

#define KEYSET_SLOTS	(4 * LEDGER_SHRED_KEYSETS)

/* Steps in the table of key sets from which on its hashes are no good. */
#define STEPS_MAX		(64 * 65536)

static bool walk_container(LedgerJsonWalk *walk, const char *root, Size offset, Size len,
						   int depth);

LedgerJsonWalk *
ledger_json_walk_begin(void)
{
	LedgerJsonWalk *walk = palloc(sizeof(LedgerJsonWalk));

	walk->depth_max = LEDGER_SHRED_DEPTH;
	walk->array_max = LEDGER_SHRED_ARRAY;
	walk->ntokens = walk->nleaves = 0;
	walk->nkeysets = 0;
	walk->keysets = palloc(LEDGER_SHRED_KEYSETS * sizeof(LedgerKeyset));
	walk->slots = palloc0(KEYSET_SLOTS * sizeof(uint16));
	walk->steps = 0;
	return walk;
}

void
ledger_json_walk_end(LedgerJsonWalk *walk)
{
	for (int i = 0; i < walk->nkeysets; i++)
		pfree(walk->keysets[i].bytes);
	pfree(walk->keysets);
	pfree(walk->slots);
	pfree(walk);
}

static inline uint32
get_uint32(const char *p)
{
	uint32		word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static inline bool
put_token(LedgerJsonWalk *walk, LedgerToken kind, uint32 arg)
{
	if (walk->ntokens == LEDGER_SHRED_TOKENS)
		return false;
	walk->tokens[walk->ntokens++] = LEDGER_TOKEN(kind, arg);
	return true;
}

static inline bool
put_leaf(LedgerJsonWalk *walk, LedgerLeafClass class, const char *data, Size len)
{
	LedgerLeaf *leaf = &walk->leaves[walk->nleaves];

	if (!put_token(walk, LEDGER_TOKEN_LEAF, class))
		return false;
	leaf->bytes.data = data;
	leaf->bytes.len = len;
	leaf->number = 0;
	leaf->scale = 0;
	walk->nleaves++;
	return true;
}

/* Is the padding before a numeric or container as it should be? */
static inline bool
padding_right(const char *data, Size padding, Size len)
{
	static const char zeros[4];

	return padding <= len && memcmp(data, zeros, padding) == 0;
}

static bool
walk_numeric(LedgerJsonWalk *walk, const char *data, Size len)
{
	varattrib_4b varlena;
	int64		number;
	int			scale;

	SET_VARSIZE(&varlena, len);
	if (len < VARHDRSZ || memcmp(data, &varlena, VARHDRSZ) != 0)
		return false;
	if (!ledger_number_parse(data, len, &number, &scale))
		return put_leaf(walk, LEDGER_LEAF_NUMERIC, data, len);
	if (!put_leaf(walk, LEDGER_LEAF_NUMBER, data, len))
		return false;
	walk->leaves[walk->nleaves - 1].number = number;
	walk->leaves[walk->nleaves - 1].scale = scale;
	return true;
}

/* A container within another one. */
static bool
walk_nested(LedgerJsonWalk *walk, const char *root, Size offset, Size len, int depth)
{
	uint32		header;

	if (len < sizeof(header))
		return false;
	header = get_uint32(root + offset);
	if (depth > walk->depth_max ||
		((header & JB_FARRAY) && (int) (header & JB_CMASK) > walk->array_max))
		return put_leaf(walk, LEDGER_LEAF_CONTAINER, root + offset, len);
	return walk_container(walk, root, offset, len, depth);
}

/* A value of "len" bytes, padding included, whose JEntry is of this type. */
static inline bool
walk_value(LedgerJsonWalk *walk, JEntry type, const char *root, Size offset, Size len,
		   int depth)
{
	Size		padding;

	if (type == JENTRY_ISSTRING)
		return put_leaf(walk, LEDGER_LEAF_STRING, root + offset, len);
	if (type == JENTRY_ISNULL)
		return len == 0 && put_token(walk, LEDGER_TOKEN_NULL, 0);
	if (type == JENTRY_ISBOOL_TRUE || type == JENTRY_ISBOOL_FALSE)
	{
		if (len != 0 || !put_leaf(walk, LEDGER_LEAF_BOOL, NULL, 0))
			return false;
		walk->leaves[walk->nleaves - 1].number = type == JENTRY_ISBOOL_TRUE;
		return true;
	}
	padding = ledger_json_padding(offset);
	if (!padding_right(root + offset, padding, len))
		return false;
	offset += padding;
	len -= padding;
	if (type == JENTRY_ISNUMERIC)
		return walk_numeric(walk, root + offset, len);
	if (type == JENTRY_ISCONTAINER)
		return walk_nested(walk, root, offset, len, depth + 1);
	return false;
}

/*
 * The length of entry i of a container, whose entries before it have "total"
 * bytes; false if it is not as it should be.
 */
static inline bool
entry_length(JEntry entry, uint32 i, Size total, Size *len)
{
	Size		field = JBE_OFFLENFLD(entry);

	if (i % JB_OFFSET_STRIDE == 0)
	{
		*len = field - total;
		return JBE_HAS_OFF(entry) && field >= total;
	}
	*len = field;
	return !JBE_HAS_OFF(entry);
}

static inline uint32
hash_bytes_quickly(const char *p, Size len, uint64 hash)
{
	const uint64 factor = UINT64CONST(0x9E3779B97F4A7C15);
	uint64		word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word))
	{
		memcpy(&word, p, sizeof(word));
		hash = (hash ^ word) * factor;
		hash ^= hash >> 29;
	}
	word = len;
	for (; len > 0; len--)
		word = (word << 8) | (uint8) *p++;
	hash = (hash ^ word) * factor;
	return (uint32) (hash >> 32);
}

/*
 * The number of a key set, which may be new; -1 if there are too many.  Its
 * parts are where a document has them: apart, with the values' JEntries
 * between.
 */
static int
intern_keyset(LedgerJsonWalk *walk, const char *head, Size head_len, const char *keys,
			  Size keys_len)
{
	uint32		hash = hash_bytes_quickly(keys, keys_len, head_len);
	uint32		place = hash % KEYSET_SLOTS;
	LedgerKeyset *keyset;

	for (; walk->slots[place] != 0; place = (place + 1) % KEYSET_SLOTS)
	{
		keyset = &walk->keysets[walk->slots[place] - 1];
		if (keyset->hash == hash && keyset->head_len == head_len &&
			keyset->keys_len == keys_len && memcmp(keyset->bytes, head, head_len) == 0 &&
			memcmp(keyset->bytes + head_len, keys, keys_len) == 0)
			return walk->slots[place] - 1;
		walk->steps++;
	}
	if (walk->nkeysets == LEDGER_SHRED_KEYSETS || walk->steps > STEPS_MAX)
		return -1;
	keyset = &walk->keysets[walk->nkeysets++];
	walk->slots[place] = walk->nkeysets;
	keyset->hash = hash;
	keyset->nkeys = head_len / sizeof(uint32) - 1;
	keyset->head_len = head_len;
	keyset->keys_len = keys_len;
	keyset->bytes = palloc(head_len + keys_len);
	memcpy(keyset->bytes, head, head_len);
	memcpy(keyset->bytes + head_len, keys, keys_len);
	return walk->nkeysets - 1;
}

/* The keys of an object; returns the bytes that they take, or -1. */
static int64
walk_keys(LedgerJsonWalk *walk, const char *container, Size len, uint32 n)
{
	const char *entries = container + sizeof(uint32);
	Size		data = sizeof(uint32) + (Size) n * 2 * sizeof(JEntry);
	Size		total = 0;
	int			keyset;

	for (uint32 i = 0; i < n; i++)
	{
		JEntry		entry = get_uint32(entries + i * sizeof(JEntry));
		Size		key;

		if ((entry & JENTRY_TYPEMASK) != JENTRY_ISSTRING || !entry_length(entry, i, total, &key))
			return -1;
		total += key;
	}
	if (total > len - data || total > LEDGER_SHRED_KEYS)
		return -1;
	keyset = intern_keyset(walk, container, sizeof(uint32) + n * sizeof(JEntry),
						   container + data, total);
	if (keyset < 0 || !put_token(walk, LEDGER_TOKEN_OBJECT, keyset))
		return -1;
	return total;
}

/* The container of "len" bytes at "offset" of the root. */
static bool
walk_container(LedgerJsonWalk *walk, const char *root, Size offset, Size len, int depth)
{
	uint32		header;
	uint32		nvalues;
	uint32		first = 0;		/* entry of a value */
	Size		nentries;
	Size		data;
	Size		total = 0;

	if (len < sizeof(header))
		return false;
	header = get_uint32(root + offset);
	nvalues = header & JB_CMASK;
	nentries = nvalues;
	if ((header & ~JB_CMASK) == JB_FOBJECT)
	{
		first = nvalues;
		nentries *= 2;
	}
	data = sizeof(uint32) + nentries * sizeof(JEntry);
	if (data > len || nvalues > LEDGER_SHRED_TOKENS)
		return false;
	switch (header & ~JB_CMASK)
	{
		case JB_FOBJECT:
			{
				int64		keys = walk_keys(walk, root + offset, len, nvalues);

				if (keys < 0)
					return false;
				total = keys;
				break;
			}
		case JB_FARRAY:
			if (!put_token(walk, LEDGER_TOKEN_ARRAY, nvalues))
				return false;
			break;
		case JB_FARRAY | JB_FSCALAR:
			if (depth != 0 || nvalues != 1 || !put_token(walk, LEDGER_TOKEN_SCALAR, 0))
				return false;
			break;
		default:
			return false;
	}
	for (uint32 i = 0; i < nvalues; i++)
	{
		JEntry		entry = get_uint32(root + offset + sizeof(uint32) +
									   (first + i) * sizeof(JEntry));
		Size		value;

		if (!entry_length(entry, first + i, total, &value) || value > len - data - total ||
			!walk_value(walk, entry & JENTRY_TYPEMASK, root, offset + data + total, value, depth))
			return false;
		total += value;
	}
	return total == len - data;
}

/*
 * Take a document apart; false if it must be kept whole, for its size or its
 * form.
 */
bool
ledger_json_walk(LedgerJsonWalk *walk, LedgerBytes document)
{
	walk->ntokens = walk->nleaves = 0;
	return document.len <= LEDGER_SHRED_DOCUMENT &&
		walk_container(walk, document.data, 0, document.len, 0);
}
