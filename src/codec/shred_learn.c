/*-------------------------------------------------------------------------
 *
 * shred_learn.c
 *	  What the documents of a column have in common.
 *
 * All documents are taken apart once, to see what kinds of structure there are
 * and which values are the same in all documents of a kind.  From a sample of
 * each kind it is then told which strings repeat a column of their row, and
 * which values belong in one sub-column: numbers of one path always do;
 * strings do if they look alike, since a path may have, say, identifiers in
 * one kind of document and sentences in another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "codec/shred.h"
#include "miscadmin.h"
#include "utils/jsonb.h"

#define KIND_SLOTS			(4 * LEDGER_SHRED_SHAPES)
#define COLUMN_SLOTS		4096

/* Fewer documents of a kind than this are kept whole. */
#define KIND_MIN			4

/* Documents after which too many kinds are a sign of failure. */
#define EARLY_LOOK			2048

/* Longest constant, fewest documents that make one, and longest path. */
#define CONSTANT_MAX		256
#define CONSTANT_MIN		8
#define PATH_MAX_BYTES		1024

/* Earlier columns looked at, and shortest value that may repeat one. */
#define CANDIDATES_MAX		32
#define REPEAT_MIN			4

/* Marks of sub-columns of strings. */
#define MARK_ANY			0
#define MARK_FEW			1

/* Without an eye for rare kinds, one in so many runs of rows is looked at. */
#define GLANCE_RUN			32
#define GLANCE_SHARE		4

/* ---- kinds ---- */

static inline bool
same_leaf(const LedgerShredSlot *slot, const LedgerLeaf *leaf)
{
	if (slot->class == LEDGER_LEAF_BOOL)
		return slot->first.number == leaf->number;
	return ledger_bytes_equal(slot->first.bytes, leaf->bytes);
}

static uint32
hash_tokens(const LedgerJsonWalk *walk)
{
	uint64		hash = walk->ntokens;

	for (int i = 0; i < walk->ntokens; i++)
	{
		hash = (hash ^ walk->tokens[i]) * UINT64CONST(0x9E3779B97F4A7C15);
		hash ^= hash >> 29;
	}
	return (uint32) (hash >> 16);
}

static LedgerShredKind *
add_kind(LedgerShredPlan *plan, uint32 hash)
{
	const LedgerJsonWalk *walk = plan->walk;
	LedgerShredKind *kind = &plan->kinds[plan->nkinds++];
	int			slot = 0;

	memset(kind, 0, sizeof(*kind));
	kind->hash = hash;
	kind->ntokens = walk->ntokens;
	kind->tokens = palloc((walk->ntokens + 1) * sizeof(uint32));
	memcpy(kind->tokens, walk->tokens, walk->ntokens * sizeof(uint32));
	kind->nslots = walk->nleaves;
	kind->slots = palloc0((walk->nleaves + 1) * sizeof(LedgerShredSlot));
	for (int i = 0; i < walk->ntokens; i++)
	{
		LedgerShredSlot *s = &kind->slots[slot];

		if (LEDGER_TOKEN_KIND(walk->tokens[i]) != LEDGER_TOKEN_LEAF)
			continue;
		s->class = LEDGER_TOKEN_ARG(walk->tokens[i]);
		s->first = walk->leaves[slot];
		s->constant = s->first.bytes.len <= CONSTANT_MAX && s->class != LEDGER_LEAF_CONTAINER;
		s->reference = -1;
		s->column = -1;
		slot++;
	}
	kind->step = 1;
	kind->variant = -1;
	return kind;
}

/*
 * The slot of the kind of the document just walked: its own, or the empty one
 * where it belongs.
 */
static uint16 *
kind_slot(LedgerShredPlan *plan, uint32 hash)
{
	const LedgerJsonWalk *walk = plan->walk;
	uint32		place = hash % KIND_SLOTS;

	for (; plan->slots[place] != 0; place = (place + 1) % KIND_SLOTS)
	{
		LedgerShredKind *kind = &plan->kinds[plan->slots[place] - 1];

		if (kind->hash == hash && kind->ntokens == walk->ntokens &&
			memcmp(kind->tokens, walk->tokens, walk->ntokens * sizeof(uint32)) == 0)
			break;
	}
	return &plan->slots[place];
}

/* The kind of the document just walked; NULL if there are too many kinds. */
static LedgerShredKind *
find_kind(LedgerShredPlan *plan)
{
	uint32		hash = hash_tokens(plan->walk);
	uint16	   *slot = kind_slot(plan, hash);

	if (*slot != 0)
		return &plan->kinds[*slot - 1];
	if (plan->nkinds == LEDGER_SHRED_SHAPES - 2)
		return NULL;
	*slot = plan->nkinds + 1;
	return add_kind(plan, hash);
}

/*
 * What has been learned of the document just walked, which was not looked at
 * before: the number of its kind, or that it is to be kept whole, since its
 * kind is rare or it lacks what those seen have in common.
 */
int
ledger_shred_recognize(LedgerShredPlan *plan)
{
	const LedgerJsonWalk *walk = plan->walk;
	uint16	   *slot = kind_slot(plan, hash_tokens(walk));
	const LedgerShredKind *kind;

	if (*slot == 0)
		return LEDGER_SHRED_WHOLE;
	kind = &plan->kinds[*slot - 1];
	if (kind->count < KIND_MIN)
		return LEDGER_SHRED_WHOLE;
	for (int i = 0; i < kind->nslots; i++)
	{
		if (kind->slots[i].constant && !same_leaf(&kind->slots[i], &walk->leaves[i]))
			return LEDGER_SHRED_WHOLE;
	}
	return *slot - 1;
}

/* Keep samples spread evenly over the documents of the kind. */
static void
take_sample(LedgerShredKind *kind, int row)
{
	if (kind->count % kind->step != 0)
		return;
	if (kind->nsamples == LEDGER_SHRED_SAMPLES)
	{
		for (int i = 0; i < LEDGER_SHRED_SAMPLES / 2; i++)
			kind->samples[i] = kind->samples[2 * i];
		kind->nsamples = LEDGER_SHRED_SAMPLES / 2;
		kind->step *= 2;
		if (kind->count % kind->step != 0)
			return;
	}
	kind->samples[kind->nsamples++] = row;
}

static void
look_for_constants(LedgerShredKind *kind, const LedgerJsonWalk *walk)
{
	for (int i = 0; i < kind->nslots; i++)
	{
		LedgerShredSlot *slot = &kind->slots[i];

		if (slot->constant)
			slot->constant = same_leaf(slot, &walk->leaves[i]);
	}
}

/* Look at all documents, or at a share of them; false if they have too little in common. */
static bool
look_at_documents(LedgerShredPlan *plan, const LedgerColumnInput *input, bool glance)
{
	int			seen = 0;

	plan->nkinds = 0;
	plan->nwhole = 0;
	memset(plan->slots, 0, KIND_SLOTS * sizeof(uint16));
	for (int row = 0; row < input->nrows; row++)
	{
		LedgerShredKind *kind = NULL;

		if ((row & 1023) == 0)
			CHECK_FOR_INTERRUPTS();
		if (input->isnull[row])
			continue;
		if (glance && row / GLANCE_RUN % GLANCE_SHARE != 0)
		{
			plan->rows[row] = LEDGER_SHRED_UNSEEN;
			continue;
		}
		if (ledger_json_walk(plan->walk, ledger_datum_bytes(&input->type, input->values[row])))
			kind = find_kind(plan);
		if (kind == NULL)
		{
			plan->rows[row] = LEDGER_SHRED_WHOLE;
			plan->nwhole++;
		}
		else
		{
			plan->rows[row] = kind - plan->kinds;
			look_for_constants(kind, plan->walk);
			take_sample(kind, row);
			kind->count++;
		}
		if (++seen == EARLY_LOOK && plan->nkinds + plan->nwhole > EARLY_LOOK / 2)
			return false;
	}
	for (int i = 0; i < plan->nkinds; i++)
	{
		if (plan->kinds[i].count < KIND_MIN)
			plan->nwhole += plan->kinds[i].count;
	}
	return plan->nwhole <= seen / 2;
}

static void
keep_rare_documents_whole(LedgerShredPlan *plan, const LedgerColumnInput *input)
{
	for (int row = 0; row < input->nrows; row++)
	{
		if (!input->isnull[row] && plan->rows[row] < LEDGER_SHRED_UNSEEN &&
			plan->kinds[plan->rows[row]].count < KIND_MIN)
			plan->rows[row] = LEDGER_SHRED_WHOLE;
	}
}

/* ---- paths ---- */

static bool
is_plain_key(const char *key, Size len)
{
	for (Size i = 0; i < len; i++)
	{
		char		c = key[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
			  (i > 0 && c >= '0' && c <= '9')))
			return false;
	}
	return len > 0;
}

/* Append a member's name as jsonpath has it. */
static void
append_key(StringInfo path, const char *key, Size len)
{
	appendStringInfoCharMacro(path, '.');
	if (is_plain_key(key, len))
	{
		appendBinaryStringInfo(path, key, len);
		return;
	}
	appendStringInfoCharMacro(path, '"');
	for (Size i = 0; i < len; i++)
	{
		if (key[i] == '"' || key[i] == '\\')
			appendStringInfoCharMacro(path, '\\');
		if ((unsigned char) key[i] < ' ')
		{
			char		escaped[8];

			snprintf(escaped, sizeof(escaped), "\\u%04x", key[i]);
			appendBinaryStringInfo(path, escaped, strlen(escaped));
		}
		else
			appendStringInfoCharMacro(path, key[i]);
	}
	appendStringInfoCharMacro(path, '"');
}

/* Where the walk through a kind's tokens is, to name the paths. */
typedef struct PathWalk
{
	const LedgerJsonWalk *walk;
	LedgerShredKind *kind;
	int			token;
	int			slot;
	StringInfoData path;
} PathWalk;

static void
name_paths(PathWalk *w)
{
	uint32		token = w->kind->tokens[w->token++];
	uint32		arg = LEDGER_TOKEN_ARG(token);
	int			len = w->path.len;

	switch (LEDGER_TOKEN_KIND(token))
	{
		case LEDGER_TOKEN_OBJECT:
			{
				const LedgerKeyset *keyset = &w->walk->keysets[arg];
				const char *key = keyset->bytes + keyset->head_len;
				Size		total = 0;

				for (uint32 i = 0; i < keyset->nkeys; i++)
				{
					JEntry		entry;
					Size		key_len;

					memcpy(&entry, keyset->bytes + (i + 1) * sizeof(JEntry), sizeof(entry));
					key_len = JBE_OFFLENFLD(entry) - (JBE_HAS_OFF(entry) ? total : 0);
					append_key(&w->path, key + total, key_len);
					total += key_len;
					name_paths(w);
					w->path.len = len;
				}
				break;
			}
		case LEDGER_TOKEN_ARRAY:
			for (uint32 i = 0; i < arg; i++)
			{
				appendBinaryStringInfo(&w->path, "[*]", 3);
				name_paths(w);
				w->path.len = len;
			}
			break;
		case LEDGER_TOKEN_SCALAR:
			name_paths(w);
			break;
		case LEDGER_TOKEN_NULL:
			break;
		case LEDGER_TOKEN_LEAF:
			{
				LedgerBytes *path = &w->kind->slots[w->slot++].path;
				char	   *copy;

				path->len = Min(len, PATH_MAX_BYTES);
				/* not within a character */
				while (len > PATH_MAX_BYTES && (w->path.data[path->len - 1] & 0x80))
					path->len--;
				copy = palloc(path->len + 1);
				memcpy(copy, w->path.data, path->len);
				path->data = copy;
				break;
			}
	}
}

/* ---- sub-columns ---- */

/*
 * The number of the sub-column for values of this path, class and mark; -1 if
 * there are too many.
 */
int
ledger_shred_column(LedgerShredPlan *plan, LedgerBytes path, LedgerLeafClass class, uint32 mark)
{
	uint64		hash = path.len * 8 + class;
	uint32		place;
	LedgerShredColumn *column;

	for (Size i = 0; i < path.len; i++)
		hash = (hash ^ (uint8) path.data[i]) * UINT64CONST(0x100000001B3);
	hash = (hash ^ mark) * UINT64CONST(0x9E3779B97F4A7C15);
	place = (hash >> 32) % COLUMN_SLOTS;
	for (; plan->column_slots[place] != 0; place = (place + 1) % COLUMN_SLOTS)
	{
		int			i = plan->column_slots[place] - 1;

		column = &plan->columns[i];
		if (column->class == class && plan->marks[i] == mark &&
			ledger_bytes_equal(column->path, path))
			return i;
	}
	if (plan->ncolumns == LEDGER_SHRED_COLUMNS)
		return -1;
	plan->marks[plan->ncolumns] = mark;
	column = &plan->columns[plan->ncolumns++];
	memset(column, 0, sizeof(*column));
	column->class = class;
	column->path = path;
	plan->column_slots[place] = plan->ncolumns;
	return plan->ncolumns - 1;
}

/* Is the value that of the row's earlier column? */
bool
ledger_shred_refers(const LedgerColumnInput *column, int row, LedgerBytes value)
{
	return !column->isnull[row] &&
		ledger_bytes_equal(ledger_datum_bytes(&column->type, column->values[row]), value);
}

/* The samples of a kind: leaves of slot s of sample i at [i * nslots + s]. */
static int
collect_samples(LedgerShredPlan *plan, const LedgerShredKind *kind,
				const LedgerColumnInput *input, LedgerLeaf *leaves)
{
	int			n = kind->nsamples;

	for (int i = 0; i < n; i++)
	{
		LedgerBytes document = ledger_datum_bytes(&input->type, input->values[kind->samples[i]]);

		if (!ledger_json_walk(plan->walk, document) || plan->walk->nleaves != kind->nslots)
			elog(ERROR, "a document does not look the same twice");
		memcpy(leaves + i * kind->nslots, plan->walk->leaves, kind->nslots * sizeof(LedgerLeaf));
	}
	return n;
}

/* Which earlier column does a slot's value repeat in nearly all samples? */
static int
find_reference(LedgerShredPlan *plan, const LedgerShredKind *kind,
			   const LedgerColumnInput *columns, int self, const LedgerLeaf *leaves, int slot)
{
	for (int c = Max(self - CANDIDATES_MAX, 0); c < self; c++)
	{
		int			same = 0;
		int			misses = 0;
		int			r = 0;

		if (columns[c].type.attlen != -1 || !OidIsValid(columns[c].type.typid))
			continue;
		for (int i = 0; i < kind->nsamples && misses <= kind->nsamples / 8; i++)
		{
			LedgerBytes value = leaves[i * kind->nslots + slot].bytes;

			if (value.len >= REPEAT_MIN && ledger_shred_refers(&columns[c], kind->samples[i], value))
				same++;
			else
				misses++;
		}
		if (same == 0 || misses > kind->nsamples / 8)
			continue;
		while (r < plan->nreferences && plan->references[r] != c)
			r++;
		if (r == LEDGER_ROWREF_COLUMNS)
			continue;
		if (r == plan->nreferences)
			plan->references[plan->nreferences++] = c;
		return r;
	}
	return -1;
}

/* What strings look like: values of different marks are kept apart. */
static uint32
string_mark(const LedgerShredKind *kind, const LedgerLeaf *leaves, int slot)
{
	char		room[LEDGER_SHRED_SAMPLES][VARHDRSZ + LEDGER_TEMPLATE_MAX];
	Datum		values[LEDGER_SHRED_SAMPLES];
	bool		isnull[LEDGER_SHRED_SAMPLES] = {false};
	LedgerColumnInput input = {{TEXTOID, 0, -1, false, TYPALIGN_INT}, kind->nsamples, values, isnull, NULL};
	LedgerTemplate tmpl;
	uint32		mark = MARK_FEW + 1;
	int			distinct = 0;

	for (int i = 0; i < kind->nsamples; i++)
	{
		LedgerBytes value = leaves[i * kind->nslots + slot].bytes;
		int			before = 0;

		while (before < i && !ledger_bytes_equal(leaves[before * kind->nslots + slot].bytes, value))
			before++;
		distinct += before == i;
		values[i] = PointerGetDatum(room[i]);
		value.len = Min(value.len, LEDGER_TEMPLATE_MAX);
		SET_VARSIZE(room[i], VARHDRSZ + value.len);
		memcpy(room[i] + VARHDRSZ, value.data, value.len);
	}
	if (!ledger_template_detect(&input, &tmpl))
		return distinct * 2 <= kind->nsamples ? MARK_FEW : MARK_ANY;

	/* what is not a digit tells templates apart */
	mark += tmpl.len;
	for (int run = 0; run < tmpl.nruns; run++)
		memset(tmpl.bytes + tmpl.runs[run].start, 0, tmpl.runs[run].len);
	for (int i = 0; i < tmpl.len; i++)
		mark = (mark ^ (uint8) tmpl.bytes[i]) * 16777619;
	return Max(mark, MARK_FEW + 1);
}

static void
plan_kind(LedgerShredPlan *plan, LedgerShredKind *kind, const LedgerColumnInput *columns,
		  int self, LedgerLeaf *leaves)
{
	PathWalk	w = {plan->walk, kind};

	initStringInfo(&w.path);
	appendStringInfoCharMacro(&w.path, '$');
	name_paths(&w);
	pfree(w.path.data);
	collect_samples(plan, kind, &columns[self], leaves);
	for (int s = 0; s < kind->nslots; s++)
	{
		LedgerShredSlot *slot = &kind->slots[s];
		uint32		mark = MARK_ANY;

		if (kind->count < CONSTANT_MIN)
			slot->constant = false;
		if (slot->constant)
			continue;
		if (slot->class == LEDGER_LEAF_STRING)
		{
			slot->reference = find_reference(plan, kind, columns, self, leaves, s);
			if (slot->reference >= 0)
				continue;
			mark = string_mark(kind, leaves, s);
		}
		slot->column = ledger_shred_column(plan, slot->path, slot->class, mark);
	}
}

/*
 * Learn about column "self"; NULL if its documents have too little in common.
 * A glance is at a share of the documents only: the others are to be shown to
 * ledger_shred_recognize.
 */
LedgerShredPlan *
ledger_shred_learn(const LedgerColumnInput *columns, int self, bool glance)
{
	static const int limits[][2] = {{LEDGER_SHRED_DEPTH, LEDGER_SHRED_ARRAY},
	{LEDGER_SHRED_DEPTH, -1}, {0, -1}};
	const LedgerColumnInput *input = &columns[self];
	LedgerShredPlan *plan = palloc0(sizeof(LedgerShredPlan));
	bool		found = false;
	int			widest = 0;
	LedgerLeaf *leaves;

	plan->kinds = palloc(LEDGER_SHRED_SHAPES * sizeof(LedgerShredKind));
	plan->slots = palloc(KIND_SLOTS * sizeof(uint16));
	plan->rows = palloc((input->nrows + 1) * sizeof(uint16));
	plan->columns = palloc(LEDGER_SHRED_COLUMNS * sizeof(LedgerShredColumn));
	plan->marks = palloc(LEDGER_SHRED_COLUMNS * sizeof(uint32));
	plan->column_slots = palloc0(COLUMN_SLOTS * sizeof(uint16));
	for (int i = 0; i < (int) lengthof(limits) && !found; i++)
	{
		if (plan->walk)
			ledger_json_walk_end(plan->walk);
		plan->walk = ledger_json_walk_begin();
		plan->walk->depth_max = limits[i][0];
		plan->walk->array_max = limits[i][1];
		found = look_at_documents(plan, input, glance);
	}
	if (!found)
		return NULL;
	keep_rare_documents_whole(plan, input);
	for (int i = 0; i < plan->nkinds; i++)
		widest = Max(widest, plan->kinds[i].nslots);
	leaves = palloc((LEDGER_SHRED_SAMPLES * widest + 1) * sizeof(LedgerLeaf));
	for (int i = 0; i < plan->nkinds; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (plan->kinds[i].count >= KIND_MIN)
			plan_kind(plan, &plan->kinds[i], columns, self, leaves);
	}
	pfree(leaves);
	return plan;
}
