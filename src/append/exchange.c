/*-------------------------------------------------------------------------
 *
 * exchange.c
 *	  The indexes of a table that is being converted.
 *
 * Each index that can be is built a second time, on the new ledger, while the
 * table is in use.  At the end, with everybody locked out, each takes over its
 * twin's file.  The index itself stays: its OID, and with it its constraint,
 * comment, statistics, parent index and all else that hangs on it.
 *
 * Exclusion constraints, whose check needs the finished index, and indexes that
 * are not valid (and not unique: these could fail) are left to
 * finish_heap_swap(), which rebuilds what it finds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/manage.h"
#include "compat.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "commands/tablecmds.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* An index of the old table, and its equal on the new one */
typedef struct IndexTwins
{
	Oid			index;
	Oid			twin;
} IndexTwins;

/* Better told before the rows are copied than after. */
void
ledger_check_indexes(Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (LEDGER_INDEX_SUMMARIZES(index))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot convert \"%s\"", RelationGetRelationName(rel)),
					 errdetail("Ledgers do not support BRIN indexes, such as \"%s\".",
							   RelationGetRelationName(index)),
					 errhint("Drop the index first.")));
		if (index->rd_index->indisunique && !index->rd_index->indisvalid)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("cannot convert \"%s\"", RelationGetRelationName(rel)),
					 errdetail("Unique index \"%s\" is not valid: there may be duplicate keys.",
							   RelationGetRelationName(index)),
					 errhint("Drop the index, or build it again with REINDEX INDEX, first.")));
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
}

/* Make and build an index's equal on "to". */
static Oid
make_twin(Relation index, Relation to)
{
	char		name[NAMEDATALEN];
	Oid			result;
	Relation	twin;

	snprintf(name, sizeof(name), "pg_temp_%u", RelationGetRelid(index));
	result = index_concurrently_create_copy(to, RelationGetRelid(index),
											index->rd_rel->reltablespace, name);
	twin = index_open(result, AccessExclusiveLock);
	index_build(to, twin, BuildIndexInfo(twin), false, true);
	index_close(twin, NoLock);

	/* rows that come from now on are to be added to it */
	index_set_state_flags(result, INDEX_CREATE_SET_READY);
	CommandCounterIncrement();
	return result;
}

/*
 * Build the indexes of "from" on "to", whose columns are the same.  The caller
 * holds ShareUpdateExclusiveLock on "from", has "to" for itself, and is in the
 * owner's shoes: functions of indexes are called.
 */
List *
ledger_make_twins(Relation from, Relation to)
{
	List	   *indexes = RelationGetIndexList(from);
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		/* none of its options, nor its place, may change from now on */
		Relation	index = index_open(lfirst_oid(lc), ShareUpdateExclusiveLock);

		if (index->rd_index->indisvalid && index->rd_index->indisready &&
			!index->rd_index->indisexclusion)
		{
			IndexTwins *twins = palloc(sizeof(IndexTwins));

			twins->index = RelationGetRelid(index);
			twins->twin = make_twin(index, to);
			result = lappend(result, twins);
		}
		index_close(index, NoLock);
	}
	list_free(indexes);
	return result;
}

/* The index that has this twin */
Oid
ledger_index_of_twin(List *twins, Oid twin)
{
	ListCell   *lc;

	foreach(lc, twins)
	{
		IndexTwins *pair = lfirst(lc);

		if (pair->twin == twin)
			return pair->index;
	}
	return InvalidOid;
}

static HeapTuple
class_tuple(Oid relid)
{
	HeapTuple	tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relid));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	return tuple;
}

/* Exchange the files of an index and its twin, and what is known of their size. */
static void
exchange_files(Relation catalog, Relation index, Relation twin)
{
	HeapTuple	index_tuple = class_tuple(RelationGetRelid(index));
	HeapTuple	twin_tuple = class_tuple(RelationGetRelid(twin));
	Form_pg_class index_form = (Form_pg_class) GETSTRUCT(index_tuple);
	Form_pg_class twin_form = (Form_pg_class) GETSTRUCT(twin_tuple);
	FormData_pg_class before = *index_form;

	Assert(index_form->reltablespace == twin_form->reltablespace);
	Assert(index_form->relpersistence == twin_form->relpersistence);
	Assert(OidIsValid(index_form->relfilenode) && OidIsValid(twin_form->relfilenode));
	index_form->relfilenode = twin_form->relfilenode;
	index_form->relpages = twin_form->relpages;
	index_form->reltuples = twin_form->reltuples;
	twin_form->relfilenode = before.relfilenode;
	twin_form->relpages = before.relpages;
	twin_form->reltuples = before.reltuples;

	/*
	 * With wal_level = minimal it is by these marks that the file made in this
	 * transaction is known not to need WAL, and the old one to need it.
	 */
	LedgerCopyFileMarks(twin, index);
	LedgerMarkFileNew(index);

	CatalogTupleUpdate(catalog, &index_tuple->t_self, index_tuple);
	CatalogTupleUpdate(catalog, &twin_tuple->t_self, twin_tuple);
	heap_freetuple(index_tuple);
	heap_freetuple(twin_tuple);

	/* neither may be left with the other's file open when both are reloaded */
	RelationCloseSmgr(index);
	RelationCloseSmgr(twin);
}

/* An index that is not live is passed over by whoever asks for a table's indexes. */
static void
set_live(Relation catalog, Oid index, bool live)
{
	HeapTuple	tuple = SearchSysCacheCopy1(INDEXRELID, ObjectIdGetDatum(index));
	Form_pg_index form;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for index %u", index);
	form = (Form_pg_index) GETSTRUCT(tuple);
	form->indislive = live;

	/* no row of the new file has another version */
	form->indcheckxmin = false;
	CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	heap_freetuple(tuple);
}

static void
set_all_live(Oid relid, List *twins, bool live)
{
	Relation	catalog = table_open(IndexRelationId, RowExclusiveLock);
	ListCell   *lc;

	foreach(lc, twins)
		set_live(catalog, ((IndexTwins *) lfirst(lc))->index, live);
	table_close(catalog, RowExclusiveLock);
	CacheInvalidateRelcacheByRelid(relid);
	CommandCounterIncrement();
}

/*
 * Give the indexes of "relid" their twins' files, and keep finish_heap_swap()
 * from rebuilding them.  The caller holds AccessExclusiveLock.
 */
void
ledger_exchange_indexes(Oid relid, List *twins)
{
	Relation	catalog = table_open(RelationRelationId, RowExclusiveLock);
	ListCell   *lc;

	foreach(lc, twins)
	{
		IndexTwins *pair = lfirst(lc);
		Relation	index = index_open(pair->index, AccessExclusiveLock);
		Relation	twin = index_open(pair->twin, AccessExclusiveLock);

		CheckTableNotInUse(index, "convert");
		TransferPredicateLocksToHeapRelation(index);
		exchange_files(catalog, index, twin);
		index_close(twin, NoLock);
		index_close(index, NoLock);
	}
	table_close(catalog, RowExclusiveLock);
	set_all_live(relid, twins, false);
}

/* The table has its new file: its indexes can be used again. */
void
ledger_revive_indexes(Oid relid, List *twins)
{
	set_all_live(relid, twins, true);
}
