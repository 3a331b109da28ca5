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
 * So at the end of the transaction in which a session has first used a partitioned
 * table, or has heard of a change of it, it is told once more of that change: a list
 * that missed one is made anew, and plans made by it are, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/partition.h"
#include "exec/exec_internal.h"
#include "miscadmin.h"
#include "storage/sinval.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* Partitioned tables that this session has used, and leaves that it has written */
typedef struct KnownTable
{
	Oid			relid;
	bool		partitioned;
	bool		suspect;		/* to be made anew */
} KnownTable;

static HTAB *known = NULL;
static bool any_suspects = false;
static bool telling = false;	/* ourselves */

static void
relation_changed(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	KnownTable *table;

	if (known == NULL || telling)
		return;
	if (OidIsValid(relid))
	{
		table = hash_search(known, &relid, HASH_FIND, NULL);
		if (table != NULL && table->partitioned)
			table->suspect = any_suspects = true;
		return;
	}
	hash_seq_init(&status, known);
	while ((table = hash_seq_search(&status)) != NULL)
		if (table->partitioned)
			table->suspect = any_suspects = true;
}

/* Neither of these, nor what they call, reads catalogs outside of a transaction. */
static void
tell_changes(XactEvent event, void *arg)
{
	HASH_SEQ_STATUS status;
	KnownTable *table;

	if (!any_suspects ||
		(event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE))
		return;
	telling = true;
	hash_seq_init(&status, known);
	while ((table = hash_seq_search(&status)) != NULL)
	{
		if (table->suspect)
			ledger_forget_partitions(table->relid);
		table->suspect = false;
	}
	telling = false;
	any_suspects = false;
}

/*
 * Have this session forget what it knows of a partitioned table, and what it has
 * made of that.
 */
void
ledger_forget_partitions(Oid relid)
{
	SharedInvalidationMessage message = {0};

	message.rc.id = SHAREDINVALRELCACHE_ID;
	message.rc.dbId = MyDatabaseId;
	message.rc.relId = relid;
	LocalExecuteInvalidationMessage(&message);
}

/* Whether it is new to this session */
static bool
note_table(Oid relid, bool partitioned)
{
	KnownTable *table;
	bool		found;

	table = hash_search(known, &relid, HASH_ENTER, &found);
	if (!found)
	{
		table->partitioned = table->suspect = partitioned;
		any_suspects |= partitioned;
	}
	return !found;
}

/* A query of a partitioned table is being planned. */
void
ledger_note_partitioned(Oid relid)
{
	(void) note_table(relid, true);
}

/* A row has been routed to a partition, or inserted into it by its name. */
void
ledger_note_partition(Oid relid)
{
	ListCell   *lc;

	if (note_table(relid, false))
		foreach(lc, get_partition_ancestors(relid))
			(void) note_table(lfirst_oid(lc), true);
}

void
ledger_partitions_init(void)
{
	HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(KnownTable)};

	known = hash_create("ledger partitioned tables", 16, &control, HASH_ELEM | HASH_BLOBS);
	ledger_watch_relations(relation_changed);
	RegisterXactCallback(tell_changes, NULL);
}
