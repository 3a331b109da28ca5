/*-------------------------------------------------------------------------
 *
 * toast.c
 *	  A TOAST table for the heap that a ledger becomes.
 *
 * ALTER TABLE ... SET ACCESS METHOD heap writes the rows into a new table,
 * which core gives a TOAST table only if the old table had one.  A ledger has
 * none, and a row of several kilobytes would not fit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "am/am.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/toasting.h"
#include "commands/defrem.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

static object_access_hook_type prev_object_access = NULL;

/* The table that core makes to rewrite a table is called by that one's OID. */
static Oid
rewritten_table(Relation rel)
{
	unsigned int oid;
	int			end = 0;

	if (sscanf(RelationGetRelationName(rel), "pg_temp_%u%n", &oid, &end) != 1 ||
		RelationGetRelationName(rel)[end] != '\0')
		return InvalidOid;
	return (Oid) oid;
}

static bool
is_ledger(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_class) GETSTRUCT(tuple))->relam == get_table_am_oid("ledger", true);
	ReleaseSysCache(tuple);
	return result;
}

static void
provide_toast_table(Oid relid)
{
	Relation	rel = RelationIdGetRelation(relid);
	bool		needed;

	if (rel == NULL)
		return;
	needed = rel->rd_rel->relkind == RELKIND_RELATION && rel->rd_tableam != NULL &&
		OidIsValid(rewritten_table(rel)) && is_ledger(rewritten_table(rel)) &&
		table_relation_needs_toast_table(rel);
	RelationClose(rel);
	if (needed)
	{
		CommandCounterIncrement();
		NewHeapCreateToastTable(relid, (Datum) 0, AccessExclusiveLock, InvalidOid);
	}
}

static void
object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId, void *arg)
{
	if (prev_object_access != NULL)
		prev_object_access(access, classId, objectId, subId, arg);
	if (access == OAT_POST_CREATE && classId == RelationRelationId && subId == 0 &&
		((ObjectAccessPostCreate *) arg)->is_internal)
		provide_toast_table(objectId);
}

/* Called by _PG_init. */
void
ledger_toast_init(void)
{
	prev_object_access = object_access_hook;
	object_access_hook = object_access;
}
