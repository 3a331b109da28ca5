/*-------------------------------------------------------------------------
 *
 * convert.c
 *	  CALL ledger.convert(): a heap table becomes a ledger while it is in use.
 *
 * The rows that a snapshot sees are copied into a new ledger, and its indexes
 * are built, while others go on appending.  The rows that have come since are
 * added, with their index entries; that takes less time than the copying, so
 * it is done again until few are left.  Those are added with everybody else
 * locked out, and the files are exchanged, as ALTER TABLE ... SET ACCESS METHOD
 * does; so the table keeps its identity and all that hangs on it.
 *
 * What has changed since is found by looking at each tuple with two snapshots,
 * the one whose rows have been copied and a new one.  Tuples that a snapshot
 * sees cannot be pruned while we hold it.  Pages that are all-visible have not
 * changed since the start: only VACUUM makes a page so, and our lock on the
 * table keeps VACUUM out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/manage.h"
#include "compat.h"

#include "access/heapam.h"
#include "access/multixact.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/catalog.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "commands/cluster.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "write/write.h"

/* Rows that are handed to the ledger at a time */
#define BATCH_ROWS			1000

/*
 * How long the last step waits for the others to let go of the table; every so
 * many attempts, it adds the rows that have come meanwhile.  After the first
 * ones, it now and then has others wait behind it, for less time than it takes
 * until somebody looks for deadlocks.
 */
#define LOCK_ATTEMPTS		600
#define LOCK_RETRY_MS		100
#define CATCH_UP_ATTEMPTS	50
#define POLITE_ATTEMPTS		100
#define QUEUE_ATTEMPTS		10
#define QUEUE_TIMEOUT		"100ms"

/*
 * So few rows may be left to others' waiting.  Who appends faster than we copy
 * is not to keep us busy for ever, hence the rounds.
 */
#define FEW_ROWS			2000
#define CATCH_UP_ROUNDS		10

typedef struct Conversion
{
	Relation	from;
	Relation	to;
	CommandId	cid;
	BulkInsertState bistate;
	MemoryContext cxt;			/* of the rows of a batch */
	TupleTableSlot *slots[BATCH_ROWS];
	int			nslots;
	int			nrows;			/* in the batch */
	uint64		copied;
	Snapshot	seen;			/* its rows have been copied */
	List	   *twins;			/* indexes of "to", once they are built */
	EState	   *estate;			/* for adding to them */
	ResultRelInfo *target;		/* "to" with its indexes, or NULL */
	Oid			duplicate;		/* a unique index that a row was twice in */
} Conversion;

LEDGER_FUNCTION(ledger_convert);

static void
check_relation(Relation rel)
{
	const char *name = RelationGetRelationName(rel);

	if (rel->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot convert \"%s\"", name),
				 errdetail("It is not a table."),
				 errhint("Of a partitioned table, convert the partitions one by one.")));
	if (rel->rd_rel->relam != HEAP_TABLE_AM_OID)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot convert \"%s\"", name),
				 errdetail(ledger_is_ledger(rel) ? "It is a ledger already." : "It is not a heap table.")));
	if (IsSystemRelation(rel) || RelationIsUsedAsCatalogTable(rel))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot convert system relation \"%s\"", name)));
	if (RELATION_IS_OTHER_TEMP(rel))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot convert temporary tables of other sessions")));
}

/*
 * Add the batch's rows to the indexes.  A key that is there twice is no error
 * yet: if its first row has been updated or deleted meanwhile, that is the one
 * to report, and it may come only later.
 */
static void
index_batch(Conversion *conversion)
{
	MemoryContext old = MemoryContextSwitchTo(conversion->cxt);

	for (int i = 0; i < conversion->nrows; i++)
	{
		bool		conflict;
		List	   *duplicates = LedgerInsertIndexTuplesSpeculative(conversion->target,
																   conversion->slots[i],
																   conversion->estate,
																   &conflict);

		CHECK_FOR_INTERRUPTS();
		if (duplicates != NIL)
			conversion->duplicate = ledger_index_of_twin(conversion->twins,
														 linitial_oid(duplicates));
		ResetPerTupleExprContext(conversion->estate);
	}
	MemoryContextSwitchTo(old);
}

static void
flush_batch(Conversion *conversion)
{
	if (conversion->nrows == 0)
		return;
	table_multi_insert(conversion->to, conversion->slots, conversion->nrows, conversion->cid, 0,
					   conversion->bistate);
	if (conversion->target != NULL && conversion->target->ri_NumIndices > 0)
		index_batch(conversion);
	for (int i = 0; i < conversion->nrows; i++)
		ExecClearTuple(conversion->slots[i]);
	conversion->copied += conversion->nrows;
	conversion->nrows = 0;
	MemoryContextReset(conversion->cxt);
}

/*
 * Add a tuple to the batch.  It is taken apart by the table's own descriptor,
 * which knows the values of columns added later.
 */
static void
add_tuple(Conversion *conversion, HeapTuple tuple)
{
	TupleDesc	desc = RelationGetDescr(conversion->from);
	TupleTableSlot *slot;
	MemoryContext old;

	if (conversion->nrows == conversion->nslots)
		conversion->slots[conversion->nslots++] =
			MakeSingleTupleTableSlot(RelationGetDescr(conversion->to),
									 table_slot_callbacks(conversion->to));
	slot = conversion->slots[conversion->nrows++];
	ExecClearTuple(slot);
	old = MemoryContextSwitchTo(conversion->cxt);
	heap_deform_tuple(heap_copytuple(tuple), desc, slot->tts_values, slot->tts_isnull);
	MemoryContextSwitchTo(old);
	for (int i = 0; i < desc->natts; i++)
	{
		if (TupleDescAttr(desc, i)->attisdropped)
			slot->tts_isnull[i] = true;
	}
	ExecStoreVirtualTuple(slot);
	if (conversion->nrows == BATCH_ROWS ||
		MemoryContextMemAllocated(conversion->cxt, false) > 4 * 1024 * 1024)
		flush_batch(conversion);
}

static void
copy_visible(Conversion *conversion)
{
	TableScanDesc scan;
	HeapTuple	tuple;

	conversion->seen = RegisterSnapshot(GetLatestSnapshot());
	scan = table_beginscan(conversion->from, conversion->seen, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		add_tuple(conversion, tuple);
	}
	table_endscan(scan);
	flush_batch(conversion);
}

static void
refuse_change(Relation rel)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not convert \"%s\"", RelationGetRelationName(rel)),
			 errdetail("Rows of it have been updated or deleted meanwhile."),
			 errhint("Convert it while it is only appended to.")));
}

/* Copy what has come on a page since; the page stays pinned for it. */
static void
catch_up_page(Conversion *conversion, BlockNumber block, Snapshot now)
{
	Relation	rel = conversion->from;
	Buffer		buffer = ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_NORMAL, NULL);
	Page		page = BufferGetPage(buffer);
	OffsetNumber wanted[MaxHeapTuplesPerPage];
	int			nwanted = 0;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		ItemId		item = PageGetItemId(page, offset);
		HeapTupleData tuple;
		bool		was_there;
		bool		is_there;

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_tableOid = RelationGetRelid(rel);
		ItemPointerSet(&tuple.t_self, block, offset);
		was_there = HeapTupleSatisfiesVisibility(&tuple, conversion->seen, buffer);
		is_there = HeapTupleSatisfiesVisibility(&tuple, now, buffer);
		if (was_there && !is_there)
			refuse_change(rel);
		if (!was_there && is_there)
			wanted[nwanted++] = offset;
	}
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);

	/* while we have it pinned, nobody moves a tuple that is there */
	for (int i = 0; i < nwanted; i++)
	{
		ItemId		item = PageGetItemId(page, wanted[i]);
		HeapTupleData tuple;

		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_tableOid = RelationGetRelid(rel);
		ItemPointerSet(&tuple.t_self, block, wanted[i]);
		add_tuple(conversion, &tuple);
	}
	ReleaseBuffer(buffer);
}

/*
 * Copy what has come since the last time.  The blocks are counted after the
 * snapshot is taken: it sees nothing in later ones.
 */
static void
catch_up(Conversion *conversion)
{
	Snapshot	now = RegisterSnapshot(GetLatestSnapshot());
	BlockNumber nblocks = RelationGetNumberOfBlocks(conversion->from);
	Buffer		map = InvalidBuffer;

	for (BlockNumber block = 0; block < nblocks; block++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!VM_ALL_VISIBLE(conversion->from, block, &map))
			catch_up_page(conversion, block, now);
	}
	if (BufferIsValid(map))
		ReleaseBuffer(map);
	flush_batch(conversion);
	UnregisterSnapshot(conversion->seen);
	conversion->seen = now;

	/* the table's own index must be damaged */
	if (OidIsValid(conversion->duplicate))
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("could not convert \"%s\"", RelationGetRelationName(conversion->from)),
				 errdetail("Unique index \"%s\" has duplicate keys.",
						   get_rel_name(conversion->duplicate))));
}

/* Copy what comes while others append, until little is left. */
static void
catch_up_with_others(Conversion *conversion)
{
	for (int i = 0; i < CATCH_UP_ROUNDS; i++)
	{
		uint64		before = conversion->copied;

		catch_up(conversion);
		if (conversion->copied - before <= FEW_ROWS)
			break;
	}
	ledger_bulk_flush(conversion->to);
}

/* Whether nobody is appending right now. */
static bool
nobody_appends(Relation rel)
{
	if (!ConditionalLockRelation(rel, ShareLock))
		return false;
	UnlockRelation(rel, ShareLock);
	return true;
}

static void
queue_work(void *arg)
{
	(void) set_config_option("lock_timeout", QUEUE_TIMEOUT, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	LockRelation((Relation) arg, AccessExclusiveLock);
}

/* Wait in the queue for the table, for a moment; whether we have it then. */
static bool
queue_up(Relation rel)
{
	ErrorData  *error = ledger_try_work(queue_work, rel);

	if (error == NULL)
		return true;
	if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE &&
		error->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED)
		ReThrowError(error);
	FreeErrorData(error);
	return false;
}

/*
 * Have the table for ourselves, at first without making others queue up behind
 * us.  Where their transactions overlap all the time that never succeeds, so
 * later they have to, for a moment each second.
 *
 * Who has kept us waiting may be a transaction with many rows: these are copied,
 * when it has ended, before we try again.  It is with ShareLock that we learn
 * of its end, as the other lock would be a standby's to hold until we end.
 */
static void
lock_out(Conversion *conversion)
{
	Relation	rel = conversion->from;
	bool		waited_for = false;

	for (int i = 0; i < LOCK_ATTEMPTS; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i % CATCH_UP_ATTEMPTS == 0)
			catch_up_with_others(conversion);
		else if (!waited_for && nobody_appends(rel))
		{
			waited_for = true;
			catch_up_with_others(conversion);
		}
		if (ConditionalLockRelation(rel, AccessExclusiveLock))
			return;
		if (i >= POLITE_ATTEMPTS && i % QUEUE_ATTEMPTS == 0 && queue_up(rel))
			return;
		pg_usleep(LOCK_RETRY_MS * 1000L);
	}
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("could not obtain lock on relation \"%s\"", RelationGetRelationName(rel)),
			 errdetail("It was in use all the time for a minute.")));
}

/* Open the old table, and make the new one. */
static Oid
begin_conversion(Conversion *conversion, Relation from)
{
	Oid			relid = RelationGetRelid(from);
	Oid			to = make_new_heap(relid, from->rd_rel->reltablespace,
								   get_table_am_oid("ledger", false),
								   from->rd_rel->relpersistence, ShareUpdateExclusiveLock);

	CommandCounterIncrement();
	memset(conversion, 0, sizeof(*conversion));
	conversion->from = from;
	conversion->to = table_open(to, AccessExclusiveLock);
	conversion->cid = GetCurrentCommandId(true);
	conversion->bistate = GetBulkInsertState();
	conversion->cxt = AllocSetContextCreate(CurrentMemoryContext, "ledger convert",
											ALLOCSET_DEFAULT_SIZES);
	return to;
}

/* Build the indexes; further rows go to them, too. */
static void
build_indexes(Conversion *conversion)
{
	MemoryContext old;

	conversion->twins = ledger_make_twins(conversion->from, conversion->to);
	conversion->estate = CreateExecutorState();
	old = MemoryContextSwitchTo(conversion->estate->es_query_cxt);
	conversion->target = makeNode(ResultRelInfo);
	InitResultRelInfo(conversion->target, conversion->to, 1, NULL, 0);
	ExecOpenIndices(conversion->target, false);
	MemoryContextSwitchTo(old);
}

static void
end_conversion(Conversion *conversion)
{
	UnregisterSnapshot(conversion->seen);
	ExecCloseIndices(conversion->target);
	FreeExecutorState(conversion->estate);
	FreeBulkInsertState(conversion->bistate);
	table_finish_bulk_insert(conversion->to, 0);
	ledger_bulk_flush(conversion->to);
	for (int i = 0; i < conversion->nslots; i++)
		ExecDropSingleTupleTableSlot(conversion->slots[i]);
	MemoryContextDelete(conversion->cxt);
	ereport(DEBUG1,
			(errmsg_internal("copied " UINT64_FORMAT " rows of \"%s\"", conversion->copied,
							 RelationGetRelationName(conversion->from))));
	table_close(conversion->to, NoLock);
	table_close(conversion->from, NoLock);
}

static void
convert(Oid relid)
{
	/* keeps VACUUM, and changes of the table, out */
	Relation	from = table_open(relid, ShareUpdateExclusiveLock);
	LedgerIdentity caller;
	Conversion	conversion;
	Oid			to;

	/* it may have got another owner while we waited */
	ledger_check_owner(relid);
	check_relation(from);
	CheckTableNotInUse(from, "convert");
	ledger_check_indexes(from);
	ledger_become_rebuilder(from->rd_rel->relowner, &caller);
	to = begin_conversion(&conversion, from);
	copy_visible(&conversion);
	build_indexes(&conversion);
	lock_out(&conversion);
	catch_up(&conversion);

	/* what serializable transactions have read of it has other TIDs now */
	TransferPredicateLocksToHeapRelation(from);
	end_conversion(&conversion);
	ledger_exchange_indexes(relid, conversion.twins);

	/* exchanges the tables' files, and drops the other table */
	finish_heap_swap(relid, to, false, false, true, true, RecentXmin, ReadNextMultiXactId(),
					 get_rel_persistence(relid));
	ledger_revive_indexes(relid, conversion.twins);
	ledger_become_again(&caller);
}

/* convert(relation regclass) */
Datum
ledger_convert(PG_FUNCTION_ARGS)
{
	CallContext *context = (CallContext *) fcinfo->context;
	Oid			relid;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"relation\" must not be null")));
	relid = PG_GETARG_OID(0);
	if (context == NULL || !IsA(context, CallContext) || context->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("ledger.convert() cannot run inside a transaction block"),
				 errhint("It locks everybody out at its end: call it by itself.")));
	PreventCommandIfReadOnly("ledger.convert()");
	PreventCommandDuringRecovery("ledger.convert()");
	ledger_check_owner(relid);

	PushActiveSnapshot(GetTransactionSnapshot());
	convert(relid);
	PopActiveSnapshot();
	PG_RETURN_VOID();
}
