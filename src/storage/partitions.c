/*-------------------------------------------------------------------------
 *
 * partitions.c
 *	  Lists of partitions that missed one which was attached meanwhile.
 *
 * ATTACH PARTITION does not keep others from using the partitioned table.  A
 * session that is listing the partitions when it commits may hear of that while
 * it does (RelationBuildPartitionDesc() looks up each one's bound), and then puts
 * the list without the new partition into the relation cache, where it stays until
 * the next change: its queries would not see rows that others do.  That is rare
 * where partitions are attached now and then, by hand, but appends make partitions
 * when they are needed.
 *
 * So what a session hears of changes in the middle of a transaction it is told once
 * more at the end: a list that missed a partition is then made anew, and plans made
 * by it are, too.  What it had heard before this library was loaded nobody knows: it
 * may have been of any.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/sinval.h"
#include "storage/storage.h"

/* Relations that may have changed; more than that, and any may have. */
#define HEARD_MAX	256

static Oid	heard[HEARD_MAX];
static int	nheard = 0;
static bool heard_many = false;

static bool telling = false;	/* ourselves, */
static Oid	told = InvalidOid;	/* of this one */

/*
 * Is this what is told of once more?  Who keeps nothing that is made of the relation
 * cache has heard all that it needs to.
 */
bool
ledger_told_again(Oid relid)
{
	return telling && relid == told;
}

static void
hear(Oid relid)
{
	for (int i = 0; i < nheard; i++)
		if (heard[i] == relid)
			return;
	if (OidIsValid(relid) && nheard < HEARD_MAX)
		heard[nheard++] = relid;
	else
		heard_many = true;
}

/* As a transaction begins no list is being made. */
static void
relation_changed(Datum arg, Oid relid)
{
	if (!ledger_told_again(relid) && IsTransactionState())
		hear(relid);
}

/*
 * Have this session forget what it knows of a relation, or with InvalidOid of all,
 * and what it has made of that.
 */
void
ledger_forget_relation(Oid relid)
{
	SharedInvalidationMessage message = {0};

	message.rc.id = SHAREDINVALRELCACHE_ID;
	message.rc.dbId = MyDatabaseId;
	message.rc.relId = relid;
	LocalExecuteInvalidationMessage(&message);
}

static void
tell(Oid relid)
{
	telling = true;
	told = relid;
	PG_TRY();
	{
		ledger_forget_relation(relid);
	}
	PG_FINALLY();
	{
		telling = false;
	}
	PG_END_TRY();
}

/*
 * All relations are told of before the commit, by when triggers and queries have made
 * their lists: that reads a file and needs memory, and an error after it would be a
 * panic.  Single ones are told of when the transaction is over: that reads no catalogs
 * then, which within it need not agree with what a transaction has of relations that it
 * has made, or dropped.
 */
static void
tell_changes(XactEvent event, void *arg)
{
	bool		all = heard_many;
	int			n = nheard;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (all)
				tell(InvalidOid);
			heard_many = false;
			return;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			/* since then only temporary tables have been looked at */
			all = false;
			break;
		case XACT_EVENT_ABORT:
			break;
		default:
			return;
	}
	/* an error would lead here again */
	heard_many = false;
	nheard = 0;
	if (all)
		tell(InvalidOid);
	for (int i = 0; i < n && !all; i++)
		tell(heard[i]);
}

void
ledger_partitions_init(void)
{
	heard_many = IsTransactionState();
	ledger_watch_relations(relation_changed);
	RegisterXactCallback(tell_changes, NULL);
}
