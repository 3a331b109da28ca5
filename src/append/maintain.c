/*-------------------------------------------------------------------------
 *
 * maintain.c
 *	  What managed ledgers need from time to time: CALL ledger.maintain().
 *
 * The work is cut into steps, each in a transaction of its own, so that no lock
 * is held for long.  A step runs in a subtransaction: if it fails, or cannot
 * have a lock soon, that is noted in ledger.activity, and the next step goes
 * on.  What is done to a table is done as its owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/manage.h"
#include "compat.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "read/read.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "write/write.h"

/* A tail of fewer rows is not sealed for its age alone. */
#define SEAL_ROWS_MIN		1000

/* A step waits for a lock for so long, if nobody who matters is in the way. */
#define STEP_LOCK_TIMEOUT	"1s"

/*
 * A lock that appenders and readers would have to wait behind is tried that
 * often; after the first few times, they may have to for so long.
 */
#define LOCK_ATTEMPTS		100
#define POLITE_ATTEMPTS		4
#define LOCK_RETRY_MS		5
#define QUEUE_TIMEOUT		"100ms"

/* In one run, that share of a ledger's partitions is dropped, or that many. */
#define DROP_SHARE			10
#define DROP_MIN			2

typedef struct Maintenance
{
	bool		in_call;		/* of a procedure, and not of a worker */
	MemoryContext cxt;			/* for what outlives transactions */
	MemoryContext step;			/* for a step */
	Oid			ledger;			/* at work */
	const char *subject;		/* a partition of it, or NULL */
} Maintenance;

/* A leaf, as it was looked at; a step looks again. */
typedef struct Leaf
{
	Oid			relid;
	char	   *name;
	LedgerStretch stretch;
	bool		past;
	bool		empty;
	bool		seal;
	bool		give;
} Leaf;

typedef struct Branch
{
	Oid			relid;
	LedgerSettings settings;
	LedgerBranchKey key;
	List	   *leaves;			/* Leafs, ascending in time */
	List	   *expired;		/* those to drop in this run */
	bool		busy;			/* nothing can be dropped in this run */
} Branch;

typedef struct Work
{
	Maintenance *run;
	Oid			ledger;
	List	   *branches;
	Branch	   *branch;
	Leaf	   *leaf;
	int			may_truncate;	/* so many more partitions, in this run */
	int			may_drop;
	bool		first;
} Work;

/* A step returns whether it is to be done once more. */
typedef bool (*Step) (Work *work);

LEDGER_FUNCTION(ledger_maintain);

static bool
exists(Oid relid)
{
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid));
}

static void
end_transaction(Maintenance *run)
{
	if (run->in_call)
		SPI_commit();
	else
	{
		CommitTransactionCommand();
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
	}
}

/* Whether what a step is about has been dropped meanwhile. */
static bool
is_gone(const Work *work)
{
	AcceptInvalidationMessages();
	return !exists(work->ledger) ||
		(work->branch != NULL && !exists(work->branch->relid)) ||
		(work->leaf != NULL && !exists(work->leaf->relid));
}

static void
report(Maintenance *run, const ErrorData *error)
{
	bool		locked = error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;

	ledger_note_trouble(run->ledger, run->subject, locked ? "skipped" : "failed", error->message);
	ereport(run->in_call ? WARNING : LOG,
			(errcode(error->sqlerrcode),
			 errmsg(locked ? "maintenance of \"%s\" skipped a step: %s" : "maintenance of \"%s\" failed in a step: %s",
					run->subject != NULL ? run->subject : "?", error->message)));
}

/* Do a step, in a transaction; whether it is to be done once more. */
static bool
try_step(Work *work, const char *subject, const char *doing, Step step)
{
	Maintenance *run = work->run;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool again = false;

	CHECK_FOR_INTERRUPTS();
	if (subject == NULL)
		subject = "?";
	run->subject = subject;
	if (!run->in_call)
	{
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		ledger_leave_unwanted();
		pgstat_report_activity(STATE_RUNNING, psprintf("ledger: %s %s", doing, subject));
	}
	if (!ledger_maintenance_on)
		return false;
	MemoryContextReset(run->step);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(run->step);
	PG_TRY();
	{
		int			nesting = NewGUCNestLevel();

		(void) set_config_option("lock_timeout", STEP_LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
		PushActiveSnapshot(GetTransactionSnapshot());
		again = step(work);
		PopActiveSnapshot();
		AtEOXact_GUC(false, nesting);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(run->cxt);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(run->cxt);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(run->cxt);
		CurrentResourceOwner = owner;
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(error);
		if (!is_gone(work))
			report(run, error);
		FreeErrorData(error);
		again = false;
	}
	PG_END_TRY();
	end_transaction(run);
	MemoryContextSwitchTo(run->cxt);
	return again;
}

static void
refuse_lock(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("could not obtain lock on relation \"%s\"", get_rel_name(relid))));
}

/*
 * Of those who are in the way of a lock, keep the ones who have been from the
 * start: at first, all.  Returns whether there is any.
 */
static bool
some_persist(const LOCKTAG *tag, LOCKMODE mode, VirtualTransactionId **persistent)
{
	VirtualTransactionId *now = GetLockConflicts(tag, mode, NULL);
	int			kept = 0;

	if (*persistent == NULL)
		*persistent = now;
	else
	{
		VirtualTransactionId *then = *persistent;

		for (int i = 0; VirtualTransactionIdIsValid(then[i]); i++)
			for (int j = 0; VirtualTransactionIdIsValid(now[j]); j++)
				if (VirtualTransactionIdEquals(then[i], now[j]))
				{
					then[kept++] = then[i];
					break;
				}
		SetInvalidVirtualTransactionId(then[kept]);
		pfree(now);
	}
	return VirtualTransactionIdIsValid((*persistent)[0]);
}

/*
 * Take a lock that others have to queue up behind while we wait for it.  So we
 * try, until all who were in the way at first are gone.  If there are others
 * then, their transactions are short but overlap all the time, and we may wait
 * for the ones there are.  Who keeps it for longer is not waited for.
 */
static void
lock_soon(Oid relid, LOCKMODE mode)
{
	LOCKTAG		tag;
	VirtualTransactionId *persistent = NULL;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relid);
	for (int i = 0; i < LOCK_ATTEMPTS; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConditionalLockRelationOid(relid, mode))
			return;
		if (!some_persist(&tag, mode, &persistent) && i >= POLITE_ATTEMPTS)
		{
			int			nesting = NewGUCNestLevel();

			(void) set_config_option("lock_timeout", QUEUE_TIMEOUT, PGC_USERSET, PGC_S_SESSION,
									 GUC_ACTION_SAVE, true, 0, false);
			LockRelationOid(relid, mode);
			AtEOXact_GUC(false, nesting);
			return;
		}
		pg_usleep(LOCK_RETRY_MS * 1000L);
	}
	refuse_lock(relid);
}

/* ---- looking ---- */

/* Whether a row of ledger.managed is to be heeded; if not, that is reported. */
static bool
is_sound(Oid relid, const LedgerSettings *settings)
{
	const char *detail = NULL;

	if (get_rel_relkind(relid) == '\0')
		detail = "the relation does not exist";
	else if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		detail = "the relation is not partitioned";
	else if (ledger_owner_of(relid) != settings->owner)
		detail = "the relation is owned by another role than when ledger.manage() was called";
	if (detail != NULL)
		ledger_note_trouble(relid, NULL, "ignored", detail);
	return detail == NULL;
}

static bool
has_rows_to_seal(Relation rel, const Branch *branch, const LedgerStretch *stretch, Timestamp now)
{
	LedgerTail	tail;
	int64		rows;
	TimestampTz due;

	ledger_look_at_tail(rel, &tail);
	rows = tail.open_rows + tail.closed_rows;
	if (rows == 0 || (rows < SEAL_ROWS_MIN && stretch->end > now))
		return false;
	due = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
												  TimestampTzGetDatum(GetCurrentTimestamp()),
												  IntervalPGetDatum(&branch->settings.seal_after)));
	return (TimestampTz) tail.oldest * USECS_PER_SEC <= due;
}

/* What there is to do for a leaf; nothing, if somebody has it for himself. */
static void
look_at_leaf(const Branch *branch, Leaf *leaf, Timestamp now)
{
	Relation	rel;

	if (!ConditionalLockRelationOid(leaf->relid, AccessShareLock))
		return;
	rel = try_relation_open(leaf->relid, NoLock);
	if (rel != NULL)
	{
		leaf->empty = RELKIND_HAS_TABLE_AM(rel->rd_rel->relkind) &&
			RelationGetNumberOfBlocks(rel) == 0;
		if (ledger_is_ledger(rel) && !RELATION_IS_OTHER_TEMP(rel))
		{
			leaf->seal = has_rows_to_seal(rel, branch, &leaf->stretch, now);
			leaf->past = leaf->stretch.end <= now;
			leaf->give = leaf->past && (leaf->seal || ledger_is_thin(rel) || ledger_has_space_to_give(rel));
		}
		relation_close(rel, NoLock);
	}
	UnlockRelationOid(leaf->relid, AccessShareLock);
}

/* NULL if the branch has been dropped meanwhile. */
static Branch *
look_at_branch(Oid relid, const LedgerSettings *settings, MemoryContext cxt)
{
	MemoryContext oldcxt = MemoryContextSwitchTo(cxt);
	Branch	   *branch = palloc0(sizeof(Branch));
	Relation	rel;
	List	   *covered;
	ListCell   *lc;
	Timestamp	now;

	branch->relid = relid;
	branch->settings = *settings;
	rel = try_relation_open(relid, AccessShareLock);
	if (rel == NULL)
	{
		MemoryContextSwitchTo(oldcxt);
		return NULL;
	}
	(void) ledger_branch_key(rel, &branch->key);
	covered = ledger_covered(rel);
	relation_close(rel, AccessShareLock);

	now = ledger_branch_now(&branch->key);
	foreach(lc, covered)
	{
		Leaf	   *leaf = palloc0(sizeof(Leaf));

		CHECK_FOR_INTERRUPTS();
		leaf->stretch = *(LedgerStretch *) lfirst(lc);
		leaf->relid = leaf->stretch.leaf;
		if (get_rel_relkind(leaf->relid) == '\0')
			continue;
		leaf->name = ledger_qualified_name(leaf->relid);
		look_at_leaf(branch, leaf, now);
		branch->leaves = lappend(branch->leaves, leaf);
	}
	MemoryContextSwitchTo(oldcxt);
	return branch;
}

/* Find the branches that a row of ledger.managed is for. */
static bool
look(Work *work)
{
	LedgerSettings settings;
	List	   *branches;
	ListCell   *lc;

	if (!ledger_read_settings(work->ledger, &settings) || !is_sound(work->ledger, &settings))
		return false;
	branches = ledger_find_branches(work->ledger);
	foreach(lc, branches)
	{
		LedgerSettings holding;

		/* a branch, or a table between, may have a row of its own */
		if (ledger_settings_of(lfirst_oid(lc), &holding) && holding.relid == work->ledger)
		{
			Branch	   *branch = look_at_branch(lfirst_oid(lc), &holding, work->run->cxt);
			MemoryContext oldcxt = MemoryContextSwitchTo(work->run->cxt);

			if (branch != NULL)
				work->branches = lappend(work->branches, branch);
			MemoryContextSwitchTo(oldcxt);
		}
	}
	return false;
}

/* ---- making and dropping partitions ---- */

static bool
premake(Work *work)
{
	Branch	   *branch = work->branch;

	/* somebody who makes one makes all that are missing in its period only */
	if (!ConditionalLockRelationOid(branch->relid, ShareUpdateExclusiveLock))
		refuse_lock(branch->relid);
	(void) ledger_premake(branch->relid, &branch->settings);
	return false;
}

/*
 * The newest time in a table that is no ledger.  Row-level security that the
 * owner is subject to would hide rows: then an error is better than an answer.
 */
static Timestamp
newest_in_other(const LedgerBranchKey *key, const char *column, Oid relid)
{
	StringInfoData sql;
	LedgerIdentity before;
	Timestamp	result = DT_NOBEGIN;
	bool		isnull;
	Datum		value;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT pg_catalog.max(%s) FROM ONLY %s", quote_identifier(column),
					 ledger_qualified_name(relid));
	ledger_become(ledger_owner_of(relid), &before);
	(void) set_config_option("row_security", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
	if (SPI_execute(sql.data, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "\"%s\" failed", sql.data);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull)
		result = ledger_branch_time(key, value);
	SPI_finish();
	ledger_become_again(&before);
	return result;
}

/* The newest time in a leaf; DT_NOBEGIN if it is empty, or gone. */
static Timestamp
newest_in(const Branch *branch, Oid relid)
{
	char	   *column = get_attname(branch->relid, branch->key.attnum, false);
	Timestamp	result = DT_NOBEGIN;
	Relation	rel;

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		refuse_lock(relid);
	rel = try_relation_open(relid, NoLock);
	if (rel == NULL)
		return result;
	if (ledger_is_ledger(rel) && !RELATION_IS_OTHER_TEMP(rel))
	{
		Datum		oldest;
		Datum		newest;

		if (ledger_column_bounds(rel, get_attnum(relid, column), &oldest, &newest))
			result = ledger_branch_time(&branch->key, newest);
	}
	else
		result = newest_in_other(&branch->key, column, relid);
	relation_close(rel, NoLock);
	return result;
}

/*
 * Choose the partitions to empty and drop.  Those that are empty already, as
 * somebody who reads their parent has kept them from being dropped, are not in
 * the way of the others.  A ledger that gets no entries any more keeps
 * those that it has, and so does one whose clock has jumped ahead.
 */
static bool
find_expired(Work *work)
{
	Branch	   *branch = work->branch;
	LedgerTimes times;
	Timestamp	limit;
	Timestamp	newest = DT_NOBEGIN;
	MemoryContext oldcxt;
	ListCell   *lc;

	ledger_times_taken(&branch->settings, &branch->key, &times);
	limit = times.expired;
	if (branch->leaves == NIL || ((Leaf *) linitial(branch->leaves))->stretch.end > limit)
		return false;
	for (int i = list_length(branch->leaves) - 1; i >= 0 && newest == DT_NOBEGIN; i--)
	{
		CHECK_FOR_INTERRUPTS();
		newest = newest_in(branch, ((Leaf *) list_nth(branch->leaves, i))->relid);
	}
	if (newest == DT_NOBEGIN)
		return false;
	limit = Min(limit, ledger_shift_back(newest, &branch->settings.retention));

	oldcxt = MemoryContextSwitchTo(work->run->cxt);
	foreach(lc, branch->leaves)
	{
		Leaf	   *leaf = lfirst(lc);

		if (leaf->stretch.end > limit || (!leaf->empty && work->may_truncate == 0))
			continue;
		branch->expired = lappend(branch->expired, leaf);
		if (!leaf->empty)
			work->may_truncate--;
	}
	MemoryContextSwitchTo(oldcxt);
	return false;
}

/*
 * With the leaf locked: whether it is what it was.  Somebody may have detached
 * it to keep it, or attached it elsewhere.
 */
static bool
is_still(const Branch *branch, const Leaf *leaf)
{
	LedgerLeaf	now;

	return get_rel_relispartition(leaf->relid) &&
		!PartitionHasPendingDetach(leaf->relid) &&
		ledger_find_leaf(leaf->relid, true, &now) && now.branch == branch->relid &&
		now.stretch.end == leaf->stretch.end && now.settings.relid == branch->settings.relid &&
		now.settings.has_retention &&
		DatumGetBool(DirectFunctionCall2(interval_eq, IntervalPGetDatum(&now.settings.retention),
										 IntervalPGetDatum(&branch->settings.retention)));
}

/* Run a command on a leaf, as its owner. */
static void
run_command(Oid relid, const char *command)
{
	LedgerIdentity before;

	ledger_become(ledger_owner_of(relid), &before);
	SPI_connect();
	if (SPI_execute(command, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "\"%s\" failed", command);
	SPI_finish();
	ledger_become_again(&before);
}

/* Make an expired leaf empty, which locks nothing else. */
static bool
truncate_leaf(Work *work)
{
	Leaf	   *leaf = work->leaf;
	char	   *name;
	BlockNumber nblocks = 0;
	Relation	rel;

	lock_soon(leaf->relid, AccessExclusiveLock);
	if (!is_still(work->branch, leaf))
		return false;
	rel = relation_open(leaf->relid, NoLock);
	if (RELKIND_HAS_TABLE_AM(rel->rd_rel->relkind))
		nblocks = RelationGetNumberOfBlocks(rel);
	relation_close(rel, NoLock);
	if (nblocks == 0)
		return false;
	name = ledger_qualified_name(leaf->relid);
	run_command(leaf->relid, psprintf("TRUNCATE ONLY %s", name));
	ledger_note_activity(work->ledger, name, "partition truncated",
						 psprintf("retention; up to %s", ledger_time_text(&work->branch->key, leaf->stretch.end)));
	return false;
}

/*
 * Drop an expired leaf.  That needs its parent for a moment; who has a lock on
 * that for long, to read other partitions, say, is not waited for.
 */
static bool
drop_leaf(Work *work)
{
	Leaf	   *leaf = work->leaf;
	char	   *name;

	work->branch->busy = true;
	lock_soon(work->branch->relid, AccessExclusiveLock);
	work->branch->busy = false;
	if (!ConditionalLockRelationOid(leaf->relid, AccessExclusiveLock))
		refuse_lock(leaf->relid);
	if (!is_still(work->branch, leaf))
		return false;
	name = ledger_qualified_name(leaf->relid);
	run_command(leaf->relid, psprintf("DROP TABLE %s", name));
	ledger_note_activity(work->ledger, name, "partition dropped",
						 psprintf("retention; up to %s", ledger_time_text(&work->branch->key, leaf->stretch.end)));
	return false;
}

/* ---- sealing, and what comes after ---- */

/* Open a leaf that is a ledger to do something to it as its owner; or NULL. */
static Relation
open_leaf(Oid relid, LedgerIdentity *before)
{
	Relation	rel;

	if (!ConditionalLockRelationOid(relid, ShareUpdateExclusiveLock))
		refuse_lock(relid);
	rel = try_relation_open(relid, NoLock);
	if (rel != NULL && !ledger_is_ledger(rel))
	{
		relation_close(rel, NoLock);
		rel = NULL;
	}
	if (rel != NULL)
		ledger_become(rel->rd_rel->relowner, before);
	return rel;
}

static void
close_leaf(Relation rel, LedgerIdentity *before)
{
	ledger_become_again(before);
	relation_close(rel, NoLock);
}

static bool
seal_leaf(Work *work)
{
	LedgerIdentity before;
	Relation	rel = open_leaf(work->leaf->relid, &before);
	int64		rows;

	if (rel == NULL)
		return false;
	rows = ledger_seal_part(rel, work->first, work->leaf->past ? LEDGER_SEAL_LAST : LEDGER_SEAL_ALL);
	close_leaf(rel, &before);
	if (rows > 0)
		ledger_note_activity(work->ledger, ledger_qualified_name(work->leaf->relid), "sealed",
							 psprintf(INT64_FORMAT " entries", rows));
	work->first = false;
	return rows >= 0;
}

static bool
merge_segments(Work *work)
{
	LedgerIdentity before;
	Relation	rel = open_leaf(work->leaf->relid, &before);
	LedgerMetaData meta;
	uint64		segments = 0;
	bool		merged;

	if (rel == NULL)
		return false;
	if (RelationGetNumberOfBlocks(rel) > 0 && ledger_read_meta(rel, &meta))
		segments = meta.totals.segments;
	merged = ledger_merge_some(rel);
	if (merged)
		(void) ledger_read_meta(rel, &meta);
	close_leaf(rel, &before);
	if (merged)
		ledger_note_activity(work->ledger, ledger_qualified_name(work->leaf->relid), "merged",
							 psprintf(UINT64_FORMAT " segments were " UINT64_FORMAT, meta.totals.segments, segments));
	return merged;
}

static bool
give_space(Work *work)
{
	LedgerIdentity before;
	Relation	rel = open_leaf(work->leaf->relid, &before);
	BlockNumber nblocks;
	BlockNumber left;

	if (rel == NULL)
		return false;
	nblocks = RelationGetNumberOfBlocks(rel);
	ledger_give_space(rel);
	left = RelationGetNumberOfBlocks(rel);
	close_leaf(rel, &before);
	if (left < nblocks)
		ledger_note_activity(work->ledger, ledger_qualified_name(work->leaf->relid), "space given back",
							 psprintf("%u of %u blocks", nblocks - left, nblocks));
	return false;
}

/* ---- all of it ---- */

static void
maintain_branch(Work *work)
{
	Branch	   *branch = work->branch;
	ListCell   *lc;

	work->leaf = NULL;
	(void) try_step(work, get_rel_name(branch->relid), "making partitions of", premake);
	if (branch->settings.has_retention)
		(void) try_step(work, get_rel_name(branch->relid), "looking at", find_expired);
	foreach(lc, branch->expired)
	{
		work->leaf = lfirst(lc);
		if (!work->leaf->empty)
			(void) try_step(work, work->leaf->name, "truncating", truncate_leaf);
		if (work->may_drop > 0 && !branch->busy)
		{
			work->may_drop--;
			(void) try_step(work, work->leaf->name, "dropping", drop_leaf);
		}
	}
	foreach(lc, branch->leaves)
	{
		work->leaf = lfirst(lc);
		if (list_member_ptr(branch->expired, work->leaf))
			continue;
		work->first = true;
		while (work->leaf->seal && try_step(work, work->leaf->name, "sealing", seal_leaf))
			;
		while (work->leaf->give && try_step(work, work->leaf->name, "merging segments of", merge_segments))
			;
		if (work->leaf->give)
			(void) try_step(work, work->leaf->name, "giving back space of", give_space);
	}
}

static void
maintain_ledger(Maintenance *run, Oid relid)
{
	Work		work = {0};
	ListCell   *lc;

	work.run = run;
	work.ledger = run->ledger = relid;
	(void) try_step(&work, get_rel_name(relid), "looking at", look);
	foreach(lc, work.branches)
		work.may_drop += list_length(((Branch *) lfirst(lc))->leaves);
	work.may_drop = work.may_truncate = Max(DROP_MIN, work.may_drop / DROP_SHARE);
	foreach(lc, work.branches)
	{
		work.branch = lfirst(lc);
		maintain_branch(&work);
	}
}

/*
 * Maintain a ledger, or all that the user owns; a superuser all there are.  The
 * caller is in a transaction of no work; and afterwards in another.
 */
void
ledger_maintain_all(Oid only, bool in_call)
{
	Maintenance run = {0};
	MemoryContext lasting = in_call ? PortalContext : TopMemoryContext;
	List	   *relids;
	ListCell   *lc;

	run.in_call = in_call;
	run.cxt = AllocSetContextCreate(lasting, "ledger maintenance", ALLOCSET_DEFAULT_SIZES);
	run.step = AllocSetContextCreate(run.cxt, "ledger maintenance step", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(run.cxt);
	relids = OidIsValid(only) ? list_make1_oid(only) : ledger_all_managed();
	end_transaction(&run);
	MemoryContextSwitchTo(run.cxt);

	foreach(lc, relids)
	{
		Oid			relid = lfirst_oid(lc);

		if (!OidIsValid(only) && !superuser() &&
			(get_rel_relkind(relid) == '\0' || !ledger_owns(relid, GetUserId())))
			continue;
		maintain_ledger(&run, relid);
	}
	if (!OidIsValid(only) && superuser())
	{
		ledger_forget_dropped();
		ledger_note_maintenance();
	}
	end_transaction(&run);
	MemoryContextSwitchTo(lasting);
	MemoryContextDelete(run.cxt);
}

static void
check_argument(Oid relid)
{
	LedgerSettings settings;

	ledger_check_owner(relid);
	if (!ledger_read_settings(relid, &settings))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("ledger \"%s\" is not managed", get_rel_name(relid)),
				 errhint("Call ledger.manage() first.")));
}

/* maintain(ledger regclass) */
Datum
ledger_maintain(PG_FUNCTION_ARGS)
{
	CallContext *context = (CallContext *) fcinfo->context;
	Oid			relid = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);

	if (context == NULL || !IsA(context, CallContext) || context->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("ledger.maintain() cannot run inside a transaction block"),
				 errhint("It commits after each step: call it by itself, outside of BEGIN, functions and procedures that cannot commit.")));
	PreventCommandIfReadOnly("ledger.maintain()");
	PreventCommandDuringRecovery("ledger.maintain()");
	if (!PG_ARGISNULL(0))
		check_argument(relid);
	if (!ledger_maintenance_on)
	{
		ereport(NOTICE,
				(errmsg("nothing was done, as \"ledger.maintenance\" is off")));
		PG_RETURN_VOID();
	}
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	ledger_maintain_all(relid, true);
	SPI_finish();
	PG_RETURN_VOID();
}
