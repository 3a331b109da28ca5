/*-------------------------------------------------------------------------
 *
 * lines_mine.c
 *	  Find the templates of log lines.
 *
 * A line's skeleton is its text with marks in place of its variables.  A
 * skeleton that many lines have is a template.  Of the others, those that
 * differ in few fields (what is between spaces) become one, in which these
 * fields are variables, too: names, words, whatever it is.  A line that still
 * is alone is kept whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "codec/lines.h"
#include "codec/lines_write.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"

/* Skeletons kept; lines with others are kept whole. */
#define SKELETONS_MAX		16384
#define SKELETON_SLOTS		32768	/* a power of 2 */
#define SKELETON_BYTES_MAX	(4 * 1024 * 1024)

/* Clusters of as many fields that a skeleton is compared with. */
#define CLUSTERS_TRIED		200

/* And comparisons in all: texts of no form would take long. */
#define COMPARISONS_MAX		200000
#define LATE_COMPARISONS	200000

/* Fields that can be told apart. */
#define FIELDS_MAX			64

/*
 * If of so many lines this part has skeletons of their own, see whether these
 * can be clustered, and give up unless half of the lines can.
 */
#define EARLY_LOOK			2048
#define EARLY_NEW			0.8
#define EARLY_COMPARISONS	50000
#define CLUSTER_GOOD		4		/* lines */

typedef struct Skeleton
{
	uint32		offset;			/* in the bytes of all */
	uint32		len;
	uint32		hash;
	int			count;			/* of lines */
	int			nfields;
	int			cluster;
	bool		same;			/* has a LEDGER_LINE_SAME */
} Skeleton;

typedef struct Cluster
{
	int			skeleton;		/* the first of it */
	int			count;			/* of lines */
	uint64		texts;			/* fields that are variables */
	int			next;			/* with as many fields; -1 if none */
	int			template;
} Cluster;

typedef struct Miner
{
	LedgerEncoder *enc;
	StringInfoData bytes;		/* of the skeletons */
	StringInfoData late;		/* of one */
	Skeleton   *skeletons;
	int			nskeletons;
	int		   *slots;			/* skeleton plus 1, or 0 */
	Cluster    *clusters;
	int			nclusters;
	int			heads[FIELDS_MAX + 1];
	int			comparisons;	/* left */
} Miner;

static inline bool
is_mark(char c)
{
	return (uint8) c < ' ' && c != '\t' && c != '\n' && c != '\r';
}

/* Append a line's skeleton to the bytes; returns whether something is the same. */
static bool
append_skeleton(StringInfo bytes, LedgerBytes line, const LedgerLineVar *vars, int n)
{
	uint32		from = 0;
	bool		same = false;
	char	   *p;

	enlargeStringInfo(bytes, line.len + 2 * n);
	p = bytes->data + bytes->len;
	for (int i = 0; i < n; i++)
	{
		memcpy(p, line.data + from, vars[i].start - from);
		p += vars[i].start - from;
		*p++ = vars[i].kind;
		*p++ = (char) (LEDGER_LINE_PARAMETER + vars[i].parameter);
		same |= vars[i].kind == LEDGER_LINE_SAME;
		from = vars[i].start + vars[i].len;
	}
	memcpy(p, line.data + from, line.len - from);
	p += line.len - from;
	bytes->len = p - bytes->data;
	return same;
}

static int
count_fields(const char *text, uint32 len)
{
	int			n = 1;

	for (uint32 i = 0; i < len; i++)
		n += text[i] == ' ';
	return n;
}

/* The skeleton of a line, counted; -1 if the line must be kept whole. */
static int
find_skeleton(Miner *miner, LedgerBytes line)
{
	LedgerLineVar vars[LEDGER_LINE_VARS];
	int			n = ledger_line_scan(line.data, (uint32) Min(line.len, PG_UINT32_MAX), vars);
	uint32		offset = miner->bytes.len;
	Skeleton   *skeleton;
	bool		same;
	uint32		len;
	uint32		hash;
	uint32		place;

	if (n < 0)
		return -1;
	same = append_skeleton(&miner->bytes, line, vars, n);
	len = miner->bytes.len - offset;
	hash = ledger_line_hash(miner->bytes.data + offset, len);
	for (place = hash % SKELETON_SLOTS; miner->slots[place] != 0;
		 place = (place + 1) % SKELETON_SLOTS)
	{
		skeleton = &miner->skeletons[miner->slots[place] - 1];
		if (skeleton->hash == hash && skeleton->len == len &&
			memcmp(miner->bytes.data + skeleton->offset, miner->bytes.data + offset, len) == 0)
		{
			miner->bytes.len = offset;
			skeleton->count++;
			return miner->slots[place] - 1;
		}
	}
	if (miner->nskeletons == SKELETONS_MAX || miner->bytes.len > SKELETON_BYTES_MAX)
	{
		miner->bytes.len = offset;
		return -1;
	}
	skeleton = &miner->skeletons[miner->nskeletons++];
	miner->slots[place] = miner->nskeletons;
	skeleton->offset = offset;
	skeleton->len = len;
	skeleton->hash = hash;
	skeleton->count = 1;
	skeleton->same = same;
	skeleton->cluster = -1;
	return miner->nskeletons - 1;
}

static void make_clusters(Miner *miner, int nlines, int comparisons);

/* Do the skeletons found so far make clusters worth having? */
static bool
clusters_well(Miner *miner, int nlines)
{
	int			good = 0;

	make_clusters(miner, nlines, EARLY_COMPARISONS);
	for (int i = 0; i < miner->nclusters; i++)
		if (miner->clusters[i].count >= CLUSTER_GOOD)
			good += miner->clusters[i].count;
	pfree(miner->clusters);
	miner->clusters = NULL;
	miner->nclusters = 0;
	for (int i = 0; i < miner->nskeletons; i++)
		miner->skeletons[i].cluster = -1;
	return good >= nlines / 2;
}

/* Find every line's skeleton; false if there are too many different ones. */
static bool
scan_lines(Miner *miner, int *rows)
{
	const LedgerColumnInput *input = miner->enc->input;
	int			nlines = 0;
	int			whole = 0;

	for (int row = 0; row < input->nrows; row++)
	{
		if ((row & 1023) == 0)
			CHECK_FOR_INTERRUPTS();
		rows[row] = -1;
		if (input->isnull[row])
			continue;
		rows[row] = find_skeleton(miner, ledger_encoder_value(miner->enc, row));
		whole += rows[row] < 0;
		nlines++;
		if (nlines == EARLY_LOOK && whole + miner->nskeletons > nlines * EARLY_NEW &&
			!clusters_well(miner, nlines))
			return false;
	}
	return whole < nlines;
}

static int
compare_counts(const void *a, const void *b, void *arg)
{
	const Skeleton *skeletons = arg;
	int			x = *(const int *) a;
	int			y = *(const int *) b;

	if (skeletons[x].count != skeletons[y].count)
		return skeletons[x].count > skeletons[y].count ? -1 : 1;
	return x < y ? -1 : x > y;
}

static uint32
field_end(const char *text, uint32 len, uint32 i)
{
	const char *found = memchr(text + i, ' ', len - i);

	return found ? (uint32) (found - text) : len;
}

static bool
has_mark(const char *text, uint32 from, uint32 end)
{
	for (uint32 i = from; i < end; i++)
		if (is_mark(text[i]))
			return true;
	return false;
}

/*
 * The fields in which a skeleton, whose text is s, differs from a cluster, those included that
 * are variables of it; false if they cannot be one.
 */
static bool
compare_fields(const Miner *miner, const char *s, const Skeleton *a, const Cluster *cluster,
			   uint64 *texts)
{
	const Skeleton *b = &miner->skeletons[cluster->skeleton];
	const char *t = miner->bytes.data + b->offset;
	int			limit = Max(a->nfields / 2, 1);
	int			differ = 0;
	uint32		i = 0;
	uint32		k = 0;

	*texts = cluster->texts;
	for (int field = 0; field < a->nfields; field++)
	{
		uint32		i_end = field_end(s, a->len, i);
		uint32		k_end = field_end(t, b->len, k);
		bool		known = (cluster->texts & (UINT64CONST(1) << field)) != 0;

		if (known || i_end - i != k_end - k || memcmp(s + i, t + k, i_end - i) != 0)
		{
			if (++differ > limit)
				return false;
			/* what later variables may be the same as must stay */
			if ((a->same || b->same) && (has_mark(s, i, i_end) || has_mark(t, k, k_end)))
				return false;
			*texts |= UINT64CONST(1) << field;
		}
		i = i_end + 1;
		k = k_end + 1;
	}
	return true;
}

static int
add_cluster(Miner *miner, int skeleton, bool open)
{
	Cluster    *cluster = &miner->clusters[miner->nclusters];
	int			nfields = miner->skeletons[skeleton].nfields;

	cluster->skeleton = skeleton;
	cluster->count = miner->skeletons[skeleton].count;
	cluster->texts = 0;
	cluster->next = -1;
	if (open)
	{
		cluster->next = miner->heads[nfields];
		miner->heads[nfields] = miner->nclusters;
	}
	return miner->nclusters++;
}

/* The cluster that a rare skeleton joins, or -1. */
static int
join_cluster(Miner *miner, const Skeleton *skeleton)
{
	int			best = -1;
	int			best_added = FIELDS_MAX;
	uint64		best_texts = 0;
	int			tried = 0;

	for (int i = miner->heads[skeleton->nfields];
		 i >= 0 && tried < CLUSTERS_TRIED && miner->comparisons > 0;
		 i = miner->clusters[i].next, tried++)
	{
		Cluster    *cluster = &miner->clusters[i];
		uint64		texts;
		int			added;

		miner->comparisons--;
		if (!compare_fields(miner, miner->bytes.data + skeleton->offset, skeleton, cluster,
							&texts))
			continue;
		added = pg_popcount64(texts) - pg_popcount64(cluster->texts);
		if (added < best_added)
		{
			best = i;
			best_added = added;
			best_texts = texts;
			if (added == 0)
				break;
		}
	}
	if (best >= 0)
	{
		miner->clusters[best].texts = best_texts;
		miner->clusters[best].count += skeleton->count;
	}
	return best;
}

static void
make_clusters(Miner *miner, int nlines, int comparisons)
{
	int		   *order = palloc(sizeof(int) * Max(miner->nskeletons, 1));
	int			frequent = 8;

	while ((frequent + 1) * (frequent + 1) * 16 < nlines)
		frequent++;
	miner->comparisons = comparisons;
	miner->clusters = palloc(sizeof(Cluster) * Max(miner->nskeletons, 1));
	for (int i = 0; i <= FIELDS_MAX; i++)
		miner->heads[i] = -1;
	for (int i = 0; i < miner->nskeletons; i++)
		order[i] = i;
	qsort_arg(order, miner->nskeletons, sizeof(int), compare_counts, miner->skeletons);
	for (int i = 0; i < miner->nskeletons; i++)
	{
		Skeleton   *skeleton = &miner->skeletons[order[i]];
		bool		rare = skeleton->count < frequent;

		if ((i & 1023) == 0)
			CHECK_FOR_INTERRUPTS();
		skeleton->nfields = count_fields(miner->bytes.data + skeleton->offset, skeleton->len);
		if (skeleton->nfields > FIELDS_MAX || skeleton->nfields < 2)
			rare = false;
		if (rare)
			skeleton->cluster = join_cluster(miner, skeleton);
		if (skeleton->cluster < 0)
			skeleton->cluster = add_cluster(miner, order[i], rare);
	}
	pfree(order);
}

/* The text of a cluster's template. */
static LedgerBytes
cluster_text(const Miner *miner, const Cluster *cluster)
{
	const Skeleton *skeleton = &miner->skeletons[cluster->skeleton];
	const char *text = miner->bytes.data + skeleton->offset;
	char	   *room = palloc(skeleton->len + 2 * skeleton->nfields);
	char	   *p = room;
	LedgerBytes result;
	uint32		i = 0;

	for (int field = 0; field < skeleton->nfields && i <= skeleton->len; field++)
	{
		uint32		end = field_end(text, skeleton->len, i);

		if (field > 0)
			*p++ = ' ';
		if (field < FIELDS_MAX && (cluster->texts & (UINT64CONST(1) << field)))
		{
			*p++ = LEDGER_LINE_TEXT;
			*p++ = (char) LEDGER_LINE_PARAMETER;
		}
		else
		{
			memcpy(p, text + i, end - i);
			p += end - i;
		}
		i = end + 1;
	}
	result.data = room;
	result.len = p - room;
	return result;
}

/*
 * The template of a line whose skeleton was one too many: that of a cluster
 * that it fits into as it is.
 */
static int
late_template(Miner *miner, LedgerBytes line)
{
	LedgerLineVar vars[LEDGER_LINE_VARS];
	int			n = ledger_line_scan(line.data, (uint32) line.len, vars);
	Skeleton	skeleton = {0};
	int			tried = 0;

	if (n < 0 || miner->comparisons <= 0)
		return 0;
	resetStringInfo(&miner->late);
	skeleton.same = append_skeleton(&miner->late, line, vars, n);
	skeleton.len = miner->late.len;
	skeleton.nfields = count_fields(miner->late.data, skeleton.len);
	if (skeleton.nfields > FIELDS_MAX)
		return 0;
	for (int i = miner->heads[skeleton.nfields]; i >= 0 && tried < CLUSTERS_TRIED;
		 i = miner->clusters[i].next, tried++)
	{
		uint64		texts;

		miner->comparisons--;
		if (miner->clusters[i].template > 0 &&
			compare_fields(miner, miner->late.data, &skeleton, &miner->clusters[i], &texts) &&
			texts == miner->clusters[i].texts)
			return miner->clusters[i].template;
	}
	return 0;
}

/* From each row's skeleton to its template. */
static void
assign_templates(Miner *miner, int *rows)
{
	const LedgerColumnInput *input = miner->enc->input;

	miner->comparisons = LATE_COMPARISONS;
	initStringInfo(&miner->late);
	for (int row = 0; row < input->nrows; row++)
	{
		if (rows[row] >= 0)
			rows[row] = miner->clusters[miner->skeletons[rows[row]].cluster].template;
		else if (input->isnull[row] || miner->nskeletons < SKELETONS_MAX)
			rows[row] = 0;
		else
			rows[row] = late_template(miner, ledger_encoder_value(miner->enc, row));
	}
	pfree(miner->late.data);
}

/*
 * Mine the column for templates: fill in the mined templates and each row's
 * template (for NULLs, anything).  False if there are none worth having.
 */
bool
ledger_lines_mine(LedgerEncoder *enc, LedgerLinesMined *mined)
{
	Miner	   *miner = palloc0(sizeof(Miner));
	int			nrows = enc->input->nrows;
	bool		found;

	mined->rows = palloc(sizeof(int) * Max(nrows, 1));
	miner->enc = enc;
	miner->skeletons = palloc(sizeof(Skeleton) * SKELETONS_MAX);
	miner->slots = palloc0(sizeof(int) * SKELETON_SLOTS);
	initStringInfo(&miner->bytes);
	found = scan_lines(miner, mined->rows);
	if (found)
	{
		static const char whole[2] = {LEDGER_LINE_TEXT, (char) LEDGER_LINE_PARAMETER};

		make_clusters(miner, nrows, COMPARISONS_MAX);
		mined->texts = palloc(sizeof(LedgerBytes) * LEDGER_LINES_TEMPLATES);
		mined->fields = palloc0(sizeof(uint64) * LEDGER_LINES_TEMPLATES);
		mined->texts[0].data = whole;
		mined->texts[0].len = sizeof(whole);
		mined->ntemplates = 1;
		for (int i = 0; i < miner->nclusters; i++)
		{
			Cluster    *cluster = &miner->clusters[i];

			cluster->template = 0;
			if (cluster->count < 2 || mined->ntemplates == LEDGER_LINES_TEMPLATES)
				continue;
			cluster->template = mined->ntemplates++;
			mined->texts[cluster->template] = cluster_text(miner, cluster);
			mined->fields[cluster->template] = cluster->texts;
		}
		assign_templates(miner, mined->rows);
	}
	pfree(miner->bytes.data);
	pfree(miner->skeletons);
	pfree(miner->slots);
	if (miner->clusters)
		pfree(miner->clusters);
	pfree(miner);
	return found && mined->ntemplates > 1;
}
