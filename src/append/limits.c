/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  The times that a managed ledger takes entries of.
 *
 * An entry must not be further in the future than max_future, nor older than
 * retention, whether there is a partition for it or not: it would be dropped
 * at once, or stand in the way of who has the right time.  What a session knows
 * of a leaf is kept until the leaf, or a table above it, changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/manage.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "write/write.h"

/* Leaves remembered; past this, all are forgotten and it starts anew. */
#define MAX_LEAVES			4096

/* Levels above a leaf whose changes are heard of; below more, it is read anew each time. */
#define MAX_ANCESTORS		8

typedef struct LeafEntry
{
	Oid			relid;			/* hash key */
	bool		valid;
	int			nancestors;
	Oid			ancestors[MAX_ANCESTORS];
	LedgerLeaf	leaf;
} LeafEntry;

static HTAB *leaves = NULL;
static uint64 changes = 0;		/* heard of, of any relation */

/* A time as the column would show it, in UTC if it has a time zone. */
char *
ledger_time_text(const LedgerBranchKey *key, Timestamp at)
{
	struct pg_tm tm;
	fsec_t		fsec;
	char		text[MAXDATELEN + 1];

	if (TIMESTAMP_NOT_FINITE(at))
	{
		EncodeSpecialTimestamp(at, text);
		return pstrdup(text);
	}
	if (timestamp2tm(at, NULL, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	tm.tm_isdst = 0;			/* or the zone would be left out */
	if (key->typid == DATEOID)
		EncodeDateOnly(&tm, USE_ISO_DATES, text);
	else
		EncodeDateTime(&tm, fsec, key->typid == TIMESTAMPTZOID, 0, NULL, USE_ISO_DATES, text);
	return pstrdup(text);
}

static Timestamp
shift(Timestamp from, const Interval *by, PGFunction operator)
{
	return DatumGetTimestamp(DirectFunctionCall2(operator, TimestampGetDatum(from),
												 IntervalPGetDatum(by)));
}

Timestamp
ledger_shift_back(Timestamp from, const Interval *by)
{
	return shift(from, by, timestamp_mi_interval);
}

/* What times the settings allow now. */
void
ledger_times_taken(const LedgerSettings *settings, const LedgerBranchKey *key,
				   LedgerTimes *times)
{
	Timestamp	now = ledger_branch_now(key);

	times->future = shift(now, &settings->max_future, timestamp_pl_interval);
	times->past = shift(now, &settings->max_past, timestamp_mi_interval);
	times->expired = settings->has_retention ?
		shift(now, &settings->retention, timestamp_mi_interval) : DT_NOBEGIN;
}

void
ledger_refuse_time(const char *branch, const LedgerBranchKey *key, Timestamp at, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("ledger \"%s\" takes no entry of %s", branch, ledger_time_text(key, at)),
			 errdetail_internal("%s", detail)));
}

void
ledger_check_time(const char *branch, const LedgerBranchKey *key, const LedgerTimes *times,
				  Timestamp at)
{
	if (at > times->future)
		ledger_refuse_time(branch, key, at, _("It is further in the future than max_future."));
	if (at < times->expired)
		ledger_refuse_time(branch, key, at, _("It is older than the ledger's retention."));
}

static void
relation_changed(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS seq;
	LeafEntry  *entry;

	changes++;
	hash_seq_init(&seq, leaves);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		if (!OidIsValid(relid) || entry->relid == relid)
			entry->valid = false;
		for (int i = 0; entry->valid && i < entry->nancestors; i++)
		{
			if (entry->ancestors[i] == relid)
				entry->valid = false;
		}
	}
}

static void
init_leaves(void)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(LeafEntry);
	ctl.hcxt = CacheMemoryContext;
	leaves = hash_create("ledger leaves", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ledger_watch_relations(relation_changed);
}

static void
forget_leaves(void)
{
	HASH_SEQ_STATUS seq;
	LeafEntry  *entry;

	hash_seq_init(&seq, leaves);
	while ((entry = hash_seq_search(&seq)) != NULL)
		hash_search(leaves, &entry->relid, HASH_REMOVE, NULL);
}

/* What the leaf covers, and whether it is its branch's last. */
static void
find_stretch(Relation branch, Oid relid, LedgerLeaf *leaf)
{
	List	   *covered = ledger_covered(branch);
	ListCell   *lc;

	leaf->stretch.start = DT_NOBEGIN;
	leaf->stretch.end = DT_NOEND;
	foreach(lc, covered)
	{
		LedgerStretch *stretch = lfirst(lc);

		if (stretch->leaf == relid)
		{
			leaf->stretch = *stretch;
			leaf->newest = lnext(covered, lc) == NULL;
		}
	}
	list_free_deep(covered);
}

/* Whether it could be read without waiting for a lock, unless "wait". */
static bool
read_leaf(LeafEntry *entry, bool wait)
{
	Oid			ancestor = entry->relid;
	LedgerLeaf *leaf = &entry->leaf;
	Relation	branch;

	while (entry->nancestors < MAX_ANCESTORS &&
		   OidIsValid(ancestor = ledger_partition_parent(ancestor)))
		entry->ancestors[entry->nancestors++] = ancestor;
	if (entry->nancestors == 0)
		return true;
	if (wait)
		LockRelationOid(entry->ancestors[0], AccessShareLock);
	else if (!ConditionalLockRelationOid(entry->ancestors[0], AccessShareLock))
		return false;
	branch = try_relation_open(entry->ancestors[0], NoLock);
	if (branch == NULL)
		return false;
	if (ledger_branch_key(branch, &leaf->key) &&
		ledger_settings_of(RelationGetRelid(branch), &leaf->settings))
	{
		leaf->branch = RelationGetRelid(branch);
		find_stretch(branch, entry->relid, leaf);
	}
	relation_close(branch, NoLock);
	return true;
}

/*
 * What is to be known of a leaf of a managed ledger; false if it is none, or
 * somebody has its parent for himself and we do not wait for that.
 */
bool
ledger_find_leaf(Oid relid, bool wait, LedgerLeaf *leaf)
{
	LeafEntry  *entry;
	bool		found;

	if (leaves == NULL)
		init_leaves();
	if (hash_get_num_entries(leaves) >= MAX_LEAVES)
		forget_leaves();
	entry = hash_search(leaves, &relid, HASH_FIND, NULL);
	if (entry == NULL || !entry->valid)
	{
		LeafEntry	fresh = {relid};
		uint64		before = changes;

		if (!read_leaf(&fresh, wait))
			return false;
		fresh.valid = changes == before && fresh.nancestors < MAX_ANCESTORS;
		entry = hash_search(leaves, &relid, HASH_ENTER, &found);
		*entry = fresh;
	}
	*leaf = entry->leaf;
	return OidIsValid(leaf->branch);
}
