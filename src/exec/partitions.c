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
 * when they are needed.  So a list that is new to this session is used for one
 * transaction only, and then made again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "exec/exec_internal.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/relcache.h"

/* Partitioned tables that have been planned with, and have not changed since */
static HTAB *known = NULL;

/* Those of them that are new, whose lists are to be made again */
static List *suspects = NIL;

static void
relation_changed(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	Oid		   *entry;

	if (OidIsValid(relid))
	{
		(void) hash_search(known, &relid, HASH_REMOVE, NULL);
		return;
	}
	hash_seq_init(&status, known);
	while ((entry = hash_seq_search(&status)) != NULL)
		(void) hash_search(known, entry, HASH_REMOVE, NULL);
}

/* Plans were made by the lists, too. */
static void
forget_suspects(XactEvent event, void *arg)
{
	ListCell   *lc;

	if (suspects == NIL ||
		(event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE))
		return;
	foreach(lc, suspects)
		RelationCacheInvalidateEntry(lfirst_oid(lc));
	ResetPlanCache();
	list_free(suspects);
	suspects = NIL;
}

/* A query of a partitioned table is being planned. */
void
ledger_note_partitioned(Oid relid)
{
	MemoryContext oldcxt;
	bool		found;

	if (known == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(Oid)};

		known = hash_create("ledger partitioned tables", 16, &control, HASH_ELEM | HASH_BLOBS);
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		RegisterXactCallback(forget_suspects, NULL);
	}
	oldcxt = MemoryContextSwitchTo(TopMemoryContext);
	(void) hash_search(known, &relid, HASH_ENTER, &found);
	if (!found)
		suspects = list_append_unique_oid(suspects, relid);
	MemoryContextSwitchTo(oldcxt);
}
